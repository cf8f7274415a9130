//! The course that comes with the program: every unit of it is proven, and it has what a course must have.

use std::collections::BTreeSet;

use hypervisor_model::machine::measured::machine_of;
use kernel_model::event::Family;
use lessons::catalog::{Catalog, Entry};
use lessons::facts::event::family_name;
use lessons::judge::{Conditions, Judge};
use lessons::lesson::{Condition, Kind, Lesson, Task};
use lessons::proof::{Names, faults, stale};

fn course() -> Catalog {
    Catalog::built_in().expect("the course can be read")
}

fn of_kind(course: &Catalog, kind: Kind) -> Vec<&Entry> {
    course.entries.iter().filter(|entry| entry.lesson.kind == kind).collect()
}

#[test]
fn starts_fail_solutions_pass_and_wrong_answers_get_their_hints() {
    let course = course();
    let names: Names<'_> = course.entries.iter().map(|entry| entry.lesson.id.as_str()).collect();
    let all: Vec<String> = course
        .entries
        .iter()
        .flat_map(|entry| faults(entry, &names).into_iter().map(|fault| format!("{}: {fault}", entry.lesson.id)))
        .collect();
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn every_unit_has_its_place_and_every_lesson_something_to_predict_to_do_and_to_answer() {
    let course = course();
    let parts: BTreeSet<&String> = course.course.parts.iter().collect();
    assert!(of_kind(&course, Kind::Lesson).len() >= 40);
    assert!(of_kind(&course, Kind::Lab).len() >= 12);
    assert!(of_kind(&course, Kind::Lecture).len() >= 8);
    for Entry { lesson, proofs, .. } in &course.entries {
        let id = &lesson.id;
        assert!(parts.contains(&lesson.part), "{id}: no part `{}`", lesson.part);
        match lesson.kind {
            Kind::Lesson => {
                assert!((1..=3).contains(&lesson.tasks.len()), "{id}: one to three tasks");
                assert!(!lesson.predictions.is_empty() && !lesson.quiz.is_empty(), "{id}: predictions and questions");
                assert!(!proofs.wrong.is_empty(), "{id}: wrong answers");
            }
            Kind::Lab => {
                assert!(!lesson.variants.is_empty() && !proofs.wrong.is_empty(), "{id}: variants and wrong answers");
                let points: u32 = lesson.rubric.iter().map(|criterion| criterion.points).sum();
                assert_eq!(points, lesson.points(), "{id}: the rubric covers all points");
            }
            Kind::Lecture => {
                assert!(lesson.slides.iter().all(|slide| !slide.notes.is_empty()), "{id}: every slide has notes");
            }
        }
    }
}

#[test]
fn every_scene_of_a_lecture_reaches_the_event_that_it_is_for() {
    for Entry { lesson, .. } in of_kind(&course(), Kind::Lecture) {
        let mut before = lesson.start.steps.clone();
        for scene in &lesson.scenes {
            if let Some(at) = &scene.at {
                let on = Family::ALL.map(family_name).to_vec();
                let condition = Condition { sometimes: vec![at.clone()], on, ..Condition::default() };
                let mut alone = Lesson { tasks: vec![Task { condition, ..Task::default() }], ..lesson.clone() };
                alone.start.steps.clone_from(&before);
                let conditions = Conditions::of(&alone).expect("conditions");
                let mut judge = Judge::new(&alone, &conditions, machine_of(&alone.start.config)).expect("a start");
                scene.steps.iter().try_for_each(|step| judge.act(&step.action())).expect("a scene");
                judge.rest().expect("rest");
                assert!(judge.done()[0], "{}: scene `{}` never comes to {at}", lesson.id, scene.id);
            }
            before.extend(scene.steps.iter().cloned());
        }
    }
}

/// The units that are translated into German: the first ten lessons, and the lectures among them.
const IN_GERMAN: [&str; 12] = [
    "100-lecture-isolation",
    "101-three-questions",
    "102-rings-and-calls",
    "103-names",
    "200-lecture-namespaces",
    "201-uts",
    "202-pid-namespace",
    "203-pid-init",
    "204-mount",
    "205-propagation",
    "206-user",
    "207-net",
];

#[test]
fn translations_are_complete_and_of_the_text_as_it_is() {
    let course = course();
    for (language, words) in &course.course.translation {
        assert_eq!(words.parts.len(), course.course.parts.len(), "{language}: parts");
    }
    for name in IN_GERMAN {
        let entry = course.find(name).expect(name);
        let german = entry.translations.iter().find(|t| t.language() == "de");
        assert!(german.is_some_and(|t| t.faults.is_empty()), "{name}/de.md: {german:?}");
    }
    let stale: Vec<String> = course
        .entries
        .iter()
        .flat_map(|entry| stale(entry).into_iter().map(|remark| format!("{}/{remark}", entry.lesson.id)))
        .collect();
    assert!(stale.is_empty(), "look whether the translation still says the same, then write the new `of`: {stale:#?}");
}
