//! What lies on the desk: the list of lessons, and the one that is open.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hypervisor_model::machine::measured::machine_of;
use kernel_model::action::{Stamped, When};
use kernel_model::timeline::Session;
use kernel_model::world::Config;
use lessons::attempt::Attempt;
use lessons::judge::{Conditions, Judge};
use lessons::lesson::Lesson;
use lessons::lesson::listing::Listing;
use lessons::lesson::step::Step;
use lessons::submission::Submission;

use super::lecture::Search;
use crate::lab::Machine;
use crate::view::{self, View};

/// The desk.
#[derive(Default)]
pub struct Desk {
    /// It can be seen.
    pub shown: bool,
    /// The list, once it is there.
    pub listing: Option<Rc<Listing>>,
    /// The lesson that is open.
    pub open: Option<Open>,
    /// What went wrong.
    pub trouble: Option<String>,
    /// What was kept of a lesson whose file is on its way.
    pub awaited: Option<Kept>,
    /// A lesson to be opened when the list is there, which says in which language there is one.
    pub(crate) wanted: Option<String>,
    /// What was said of progress last.
    pub(crate) told: String,
    /// What a presenter view was told last.
    pub(super) presented: String,
    /// What has been followed: the revision of the session.
    pub(crate) followed: Option<u64>,
}

/// A lesson that is open.
pub struct Open {
    /// As it came.
    pub plain: Rc<Lesson>,
    /// As this learner gets it.
    pub lesson: Rc<Lesson>,
    /// What decides the variant.
    pub seed: String,
    pub(super) attempt: Attempt<Machine>,
    /// What the learner has said and seen.
    pub notes: Notes,
    /// Which tasks are done.
    pub done: Vec<bool>,
    /// Which tasks can no longer be done in this history.
    pub lost: Vec<bool>,
    /// The history that is shown is not one of this lesson.
    pub elsewhere: bool,
    /// The receipt of what was handed in last.
    pub receipt: Option<String>,
    /// A lecture's machine is not as its slide has prepared it.
    pub strayed: bool,
    /// Where a lecture's scene is to be looked at is still to be found.
    pub(super) search: Option<Search>,
}

impl Open {
    /// What is kept of it.
    pub(crate) fn kept(&self) -> Kept {
        Kept { id: self.lesson.id.clone(), seed: self.seed.clone(), notes: self.notes.clone() }
    }
}

/// What a learner has said and seen in a lesson.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notes {
    /// Chosen answers, by question.
    pub answers: BTreeMap<String, BTreeSet<u32>>,
    /// Questions whose answers were looked at.
    pub checked: BTreeSet<String>,
    /// Hints that were asked for: task and hint by index.
    pub hints: BTreeMap<usize, usize>,
    /// The slide of a lecture.
    pub slide: usize,
    /// A lecture shows nothing.
    pub blank: bool,
    /// A lecture shows all its slides.
    pub overview: bool,
}

/// What is kept of an open lesson when the page is closed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// The lesson, by name.
    pub id: String,
    /// The seed.
    pub seed: String,
    /// What was said and seen.
    pub notes: Notes,
}

impl Open {
    /// A lesson at its beginning.
    pub fn new(plain: Lesson, seed: &str, notes: Notes) -> Result<Open, String> {
        let lesson = plain.for_seed(seed);
        let conditions = Conditions::of(&lesson).map_err(|error| error.to_string())?;
        let judge =
            Judge::new(&lesson, &conditions, machine_of(&lesson.start.config)).map_err(|error| error.to_string())?;
        Ok(Open {
            done: vec![false; lesson.tasks.len()],
            lost: vec![false; lesson.tasks.len()],
            plain: Rc::new(plain),
            lesson: Rc::new(lesson),
            seed: seed.to_owned(),
            attempt: Attempt::new(judge),
            notes,
            elsewhere: false,
            receipt: None,
            strayed: false,
            search: None,
        })
    }

    /// The session that the lesson begins with; of a lecture, the scenes up to the one of its slide.
    pub fn session(&self) -> Session {
        let scenes = self.lesson.scenes.get(..self.scene().map_or(0, |scene| scene + 1)).unwrap_or_default();
        let steps = self.lesson.start.steps.iter().chain(scenes.iter().flat_map(|scene| &scene.steps));
        let stamped = |step: &Step| Stamped { when: When::AtRest, action: step.action() };
        Session { config: self.lesson.start.config, actions: steps.map(stamped).collect() }
    }

    /// The view to look at: the one of the slide, or the one of the lesson.
    pub fn view(&self) -> Option<&'static View> {
        let of_slide = self.lesson.slides.get(self.notes.slide).and_then(|slide| slide.view.as_deref());
        view::named(of_slide.unwrap_or(&self.lesson.view))
    }

    /// What was done since the start; `None` when the session does not begin with it.
    pub(super) fn own_actions<'a>(&self, session: &'a Session) -> Option<&'a [Stamped]> {
        let start = &self.lesson.start;
        // On which machine the learner looks at it changes nothing of what is done.
        let config = Config { machine: session.config.machine, ..start.config };
        let begun = session.config == config
            && session.actions.len() >= start.steps.len()
            && session.actions.iter().zip(&start.steps).all(|(own, step)| own.action == step.action());
        session.actions.get(start.steps.len()..).filter(|_| begun)
    }

    /// What is handed in; `None` when the session is not one of this lesson.
    pub fn submission(&self, session: &Session) -> Option<Submission> {
        let of_quiz = |id: &String| self.lesson.quiz.iter().any(|question| question.id == *id);
        let answers = self.notes.answers.iter().filter(|(id, _)| of_quiz(id));
        Some(Submission {
            lesson: self.lesson.id.clone(),
            version: self.lesson.version,
            seed: self.seed.clone(),
            actions: self.own_actions(session)?.to_vec(),
            answers: answers.map(|(id, chosen)| (id.clone(), chosen.iter().copied().collect())).collect(),
        })
    }

    /// The points reached so far: tasks that are done, and questions that were answered rightly.
    pub fn score(&self) -> u32 {
        let tasks = self.lesson.tasks.iter().zip(&self.done).filter(|(_, done)| **done).map(|(task, _)| task.points);
        let quiz = self.lesson.quiz.iter().filter(|q| self.notes.checked.contains(&q.id) && self.is_right(&q.id));
        tasks.sum::<u32>() + quiz.map(|q| q.points).sum::<u32>()
    }

    /// Whether a question was answered rightly.
    pub fn is_right(&self, id: &str) -> bool {
        let question = self.lesson.predictions.iter().chain(&self.lesson.quiz).find(|q| q.id == id);
        let right: Option<BTreeSet<u32>> = question.map(|q| q.answers.iter().map(|a| *a as u32).collect());
        right.as_ref() == self.notes.answers.get(id) && right.is_some()
    }

    /// Looks at where the attempt is.
    pub(super) fn look(&mut self) {
        let judge = self.attempt.judge();
        self.done = judge.done();
        self.lost = (0..self.done.len()).map(|task| judge.is_lost(task)).collect();
        let done = &self.done;
        self.notes.hints.retain(|task, _| done.get(*task) == Some(&false));
    }
}

impl Desk {
    /// How far the learner has come, as JSON for whoever has put the page somewhere; empty without a lesson.
    pub fn progress(&self) -> String {
        let Some(open) = &self.open else { return String::new() };
        let (lesson, score, max) = (&open.lesson.id, open.score(), open.lesson.points());
        let (done, tasks) = (open.done.iter().filter(|done| **done).count(), open.done.len());
        let answered = open.lesson.quiz.iter().all(|q| open.notes.checked.contains(&q.id));
        let at_end = open.notes.slide + 1 >= open.lesson.slides.len();
        let complete = done == tasks && answered && at_end;
        format!(
            r#"{{"type":"ringside-progress","lesson":"{lesson}","score":{score},"max":{max},"done":{done},"tasks":{tasks},"complete":{complete}}}"#
        )
    }

    /// What is kept when the page is closed; empty for nothing.
    pub fn to_keep(&self) -> String {
        let Some(open) = &self.open else { return String::new() };
        let mut lines = vec![open.lesson.id.clone(), open.seed.replace('\n', " "), open.notes.slide.to_string()];
        for (id, chosen) in &open.notes.answers {
            let chosen: Vec<String> = chosen.iter().map(u32::to_string).collect();
            let checked = if open.notes.checked.contains(id) { "checked" } else { "chosen" };
            lines.push(format!("{id} {checked} {}", chosen.join(" ")));
        }
        lines.join("\n")
    }
}

impl Kept {
    /// Reads what was kept.
    pub fn read(text: &str) -> Option<Kept> {
        let mut lines = text.lines();
        let id = lines.next().filter(|id| !id.is_empty())?.to_owned();
        let seed = lines.next().unwrap_or_default().to_owned();
        let slide = lines.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut notes = Notes { slide, ..Notes::default() };
        for line in lines {
            let mut words = line.split(' ');
            let Some((id, checked)) = words.next().zip(words.next()) else { continue };
            notes.answers.insert(id.to_owned(), words.filter_map(|word| word.parse().ok()).collect());
            if checked == "checked" {
                notes.checked.insert(id.to_owned());
            }
        }
        Some(Kept { id, seed, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessons::lesson::{Condition, Task};

    fn lesson() -> Lesson {
        let check = Some(r#"namespaces.exists(n, n.hostname == "box")"#.to_owned());
        let condition = Condition { check, ..Condition::default() };
        let task = Task { id: "rename".to_owned(), points: 1, condition, ..Task::default() };
        let mut lesson = Lesson { id: "10-names".to_owned(), tasks: vec![task], ..Lesson::default() };
        lesson.start.config.terminal = true;
        lesson
    }

    #[test]
    fn what_was_said_comes_back() {
        let mut notes = Notes { slide: 3, ..Notes::default() };
        notes.answers.insert("q".to_owned(), [1, 2].into());
        notes.checked.insert("q".to_owned());
        let open = Open::new(lesson(), "s 12", notes.clone()).expect("a lesson");
        let desk = Desk { open: Some(open), ..Desk::default() };
        let kept = Kept::read(&desk.to_keep()).expect("something kept");
        assert_eq!(kept, Kept { id: "10-names".to_owned(), seed: "s 12".to_owned(), notes });
        assert_eq!(Kept::read(""), None);
    }

    #[test]
    fn a_session_of_another_world_is_not_judged() {
        let open = Open::new(lesson(), "", Notes::default()).expect("a lesson");
        let mut session = open.session();
        assert!(open.own_actions(&session).is_some());
        session.config.cgroup_v2 = true;
        assert!(open.own_actions(&session).is_none());
        assert_eq!(open.submission(&session), None, "an empty file with a receipt would be handed in");
    }
}
