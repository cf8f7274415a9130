//! The proof of a lesson: its start fails every task, its solution passes all, each wrong answer fails with the hint
//! that it names, its links and sources are there, and it can be read in the time that it claims.

use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::{Measured, machine_of};
use std::collections::BTreeSet;
use std::str::FromStr;

use crate::catalog::Entry;
use crate::check::expression::Expression;
use crate::judge::{Conditions, Judge};
use crate::lesson::text::{Block, Inline, plain_blocks};
use crate::lesson::variant::steps as each_step_text;
use crate::lesson::{Kind, Lesson, Part, step::Step};
use crate::submission::Submission;
use crate::views::VIEWS;
use kernel_model::action::{Stamped, When};

/// Words that are read in a minute by somebody who thinks.
const WORDS_A_MINUTE: usize = 180;
/// What a task takes, in seconds.
const TASK_SECONDS: usize = 75;
/// What a question takes, in seconds.
const QUESTION_SECONDS: usize = 30;
/// How many seeds are tried of a lesson with variants.
const SEEDS: usize = 8;

/// What other lessons there are to link to.
pub type Names<'a> = BTreeSet<&'a str>;

/// Everything that is wrong with a lesson, in sentences.
pub fn faults(entry: &Entry, names: &Names<'_>) -> Vec<String> {
    let lesson = &entry.lesson;
    let mut faults = Vec::new();
    texts(lesson, names, &mut faults);
    time(lesson, &mut faults);
    for translation in &entry.translations {
        let mut own = translation.faults.clone();
        texts(&translation.lesson, names, &mut own);
        faults.extend(own.into_iter().map(|fault| format!("{}: {fault}", translation.language())));
    }
    let seeds = if lesson.variants.is_empty() { 1 } else { SEEDS };
    for seed in 0..seeds {
        let before = faults.len();
        play(entry, &seed.to_string(), &mut faults);
        if faults.len() > before {
            break;
        }
    }
    faults
}

/// The translations whose original has changed since, in sentences: learners get the original, until somebody has looked.
pub fn stale(entry: &Entry) -> Vec<String> {
    let stale = entry.translations.iter().filter(|translation| translation.is_stale());
    stale
        .map(|translation| {
            let (language, now) = (translation.language(), &translation.now);
            format!("{language}: stale, the lesson has other words since; when it says the same again: of = \"{now}\"")
        })
        .collect()
}

/// How long a lesson takes, in minutes.
pub fn reading_minutes(lesson: &Lesson) -> usize {
    let parts = lesson.body.iter().map(|part| match part {
        Part::Text(blocks) => plain_blocks(blocks),
        _ => String::new(),
    });
    let slides = lesson.slides.iter().map(|slide| plain_blocks(&slide.text) + " " + &plain_blocks(&slide.notes));
    let words: usize = parts.chain(slides).map(|text| text.split_whitespace().count()).sum();
    let questions = lesson.quiz.len() + lesson.predictions.len();
    (words * 60 / WORDS_A_MINUTE + lesson.tasks.len() * TASK_SECONDS + questions * QUESTION_SECONDS).div_ceil(60)
}

fn time(lesson: &Lesson, faults: &mut Vec<String>) {
    let needed = reading_minutes(lesson);
    let claimed = lesson.minutes as usize;
    if needed > claimed {
        faults.push(format!("it takes about {needed} minutes and says `minutes = {claimed}`"));
    }
}

fn texts(lesson: &Lesson, names: &Names<'_>, faults: &mut Vec<String>) {
    if lesson.summary.is_empty() {
        faults.push("it has no `summary`, one sentence for the list of lessons".to_owned());
    }
    if lesson.sources.is_empty() {
        faults.push("it names no `sources`".to_owned());
    }
    for source in &lesson.sources {
        if !is_source(source) {
            let forms = "a man page as name(section), a web address, or a title with a chapter or page";
            faults.push(format!("source `{source}`: {forms}"));
        }
    }
    let slides = lesson.slides.iter().filter_map(|slide| slide.view.as_ref());
    for view in slides.chain(Some(&lesson.view).filter(|view| !view.is_empty())) {
        if !VIEWS.contains(&view.as_str()) {
            faults.push(format!("there is no view `{view}`; there are: {}", VIEWS.join(", ")));
        }
    }
    if let Err(error) = Platform::from_str(&lesson.start.platform) {
        faults.push(error.to_string());
    }
    let mut anchors = BTreeSet::new();
    each_block(lesson, &mut |block| {
        if let Block::Heading { anchor, .. } = block {
            anchors.insert(anchor.clone());
        }
    });
    let mut links = Vec::new();
    each_line(lesson, &mut |line| links_in(line, &mut links));
    for to in links {
        let there = match (to.strip_prefix('#'), to.strip_prefix("../")) {
            (Some(anchor), _) => anchors.contains(anchor),
            (_, Some(other)) => names.contains(other.split('#').next().unwrap_or_default().trim_end_matches('/')),
            _ => true,
        };
        if !there {
            faults.push(format!("the link to `{to}` leads nowhere"));
        }
    }
    rubric(lesson, faults);
    if lesson.kind != Kind::Lecture && lesson.tasks.is_empty() && lesson.quiz.is_empty() {
        faults.push("there is nothing to do in it: no task and no question".to_owned());
    }
}

fn rubric(lesson: &Lesson, faults: &mut Vec<String>) {
    if lesson.kind == Kind::Lab && lesson.rubric.is_empty() {
        faults.push("a lab has a rubric: `[[rubric]]` with criterion, points and `by`".to_owned());
    }
    if lesson.rubric.is_empty() {
        return;
    }
    let known: Vec<(&str, u32)> = lesson.tasks.iter().map(|t| (t.id.as_str(), t.points)).collect();
    let known: Vec<_> = known.into_iter().chain(lesson.quiz.iter().map(|q| (q.id.as_str(), q.points))).collect();
    for criterion in &lesson.rubric {
        let mut points = 0;
        for name in &criterion.by {
            match known.iter().find(|(id, _)| id == name) {
                Some((_, worth)) => points += worth,
                None => faults.push(format!("rubric `{}`: there is no task or question `{name}`", criterion.criterion)),
            }
        }
        if !criterion.by.is_empty() && points != criterion.points {
            let (claimed, what) = (criterion.points, &criterion.criterion);
            faults.push(format!("rubric `{what}`: {claimed} points, and what it names gives {points}"));
        }
    }
}

/// A man page, an address, or a title of some length.
fn is_source(source: &str) -> bool {
    let man = source.strip_suffix(')').and_then(|s| s.split_once('(')).is_some_and(|(name, section)| {
        !name.is_empty() && !name.contains(' ') && section.starts_with(|c: char| c.is_ascii_digit())
    });
    let web = source.starts_with("https://") || source.starts_with("http://");
    man || web || source.split_whitespace().count() > 2
}

fn each_block(lesson: &Lesson, see: &mut dyn FnMut(&Block)) {
    fn walk(blocks: &[Block], see: &mut dyn FnMut(&Block)) {
        for block in blocks {
            see(block);
            match block {
                Block::List { items, .. } => items.iter().for_each(|item| walk(item, see)),
                Block::Quote(inner) => walk(inner, see),
                _ => {}
            }
        }
    }
    for part in &lesson.body {
        if let Part::Text(blocks) = part {
            walk(blocks, see);
        }
    }
    for slide in &lesson.slides {
        walk(&slide.text, see);
        walk(&slide.notes, see);
    }
}

fn each_line(lesson: &Lesson, see: &mut dyn FnMut(&[Inline])) {
    each_block(lesson, &mut |block| match block {
        Block::Heading { text, .. } | Block::Paragraph(text) => see(text),
        Block::Table { head, rows } => head.iter().chain(rows.iter().flatten()).for_each(|cell| see(cell)),
        _ => {}
    });
    for task in &lesson.tasks {
        see(&task.ask);
        task.hints.iter().for_each(|hint| see(&hint.say));
    }
    for question in lesson.predictions.iter().chain(&lesson.quiz) {
        see(&question.ask);
        see(&question.why);
    }
}

fn links_in(line: &[Inline], links: &mut Vec<String>) {
    for inline in line {
        match inline {
            Inline::Link { to, text } => {
                links.push(to.clone());
                links_in(text, links);
            }
            Inline::Emphasis(inner) | Inline::Strong(inner) => links_in(inner, links),
            _ => {}
        }
    }
}

/// What somebody hands in who has done so many of the tasks as the solutions do them, and answers every question right.
pub fn solved(entry: &Entry, seed: &str, tasks: usize) -> Submission {
    let steps = entry.proofs.solutions.iter().take(tasks).chain([&entry.proofs.last]).flatten().cloned();
    let steps = seeded(&entry.lesson, &steps.collect::<Vec<_>>(), seed);
    let answers = entry.lesson.quiz.iter().map(|question| {
        let mut right: Vec<u32> = question.answers.iter().map(|answer| *answer as u32).collect();
        right.sort_unstable();
        (question.id.clone(), right)
    });
    Submission {
        lesson: entry.lesson.id.clone(),
        version: entry.lesson.version,
        answers: answers.collect(),
        actions: steps.iter().map(|step| Stamped { when: When::AtRest, action: step.action() }).collect(),
        seed: seed.to_owned(),
    }
}

/// Plays start, solution and wrong answers.
fn play(entry: &Entry, seed: &str, faults: &mut Vec<String>) {
    let lesson = entry.lesson.for_seed(seed);
    let conditions = match Conditions::of(&lesson) {
        Ok(conditions) => conditions,
        Err(error) => return faults.push(error.to_string()),
    };
    for scene in &lesson.scenes {
        if let Some(Err(error)) = scene.at.as_ref().map(|at| Expression::parse(at)) {
            faults.push(format!("scene `{}`: {error}", scene.id));
        }
    }
    let Ok(start) = Judge::new(&lesson, &conditions, machine_of(&lesson.start.config)) else {
        return faults.push("the start does not come to rest".to_owned());
    };
    for (task, done) in lesson.tasks.iter().zip(start.done()) {
        if done {
            faults.push(format!("task `{}` is done at the start already", task.id));
        }
        if task.condition.check.is_none() && task.condition.sometimes.is_empty() {
            faults.push(format!("task `{}` has neither `check` nor `sometimes`", task.id));
        }
    }
    for (i, task) in lesson.tasks.iter().enumerate() {
        if let Some(error) = start.error(i) {
            faults.push(format!("task `{}`: {error}", task.id));
        }
    }
    if lesson.kind == Kind::Lecture {
        let steps = lesson.scenes.iter().flat_map(|scene| scene.steps.clone()).collect::<Vec<_>>();
        if run(&mut start.clone(), &steps).is_err() {
            faults.push("a scene does not come to rest".to_owned());
        }
    }
    solution(entry, &lesson, seed, &start, faults);
    for wrong in &entry.proofs.wrong {
        let mut judge = start.clone();
        let task = &lesson.tasks[wrong.task];
        if run(&mut judge, &seeded(&lesson, &wrong.steps, seed)).is_err() {
            faults.push(format!("wrong answer `{}` does not come to rest", wrong.name));
        } else if judge.done()[wrong.task] {
            faults.push(format!("wrong answer `{}` passes task `{}`", wrong.name, task.id));
        } else if judge.hint(wrong.task) != Some(wrong.hint) {
            let got = judge.hint(wrong.task).map_or("none", |hint| &task.hints[hint].id);
            let (wanted, name) = (&task.hints[wrong.hint].id, &wrong.name);
            faults.push(format!("wrong answer `{name}` gets the hint `{got}`, not `{wanted}`"));
        }
    }
}

fn solution(entry: &Entry, lesson: &Lesson, seed: &str, start: &Judge<Box<dyn Measured>>, faults: &mut Vec<String>) {
    let mut judge = start.clone();
    for (task, steps) in lesson.tasks.iter().zip(&entry.proofs.solutions) {
        if run(&mut judge, &seeded(lesson, steps, seed)).is_err() {
            return faults.push(format!("the solution of task `{}` does not come to rest", task.id));
        }
    }
    if run(&mut judge, &seeded(lesson, &entry.proofs.last, seed)).is_err() {
        return faults.push("the solution does not come to rest".to_owned());
    }
    for (i, (task, done)) in lesson.tasks.iter().zip(judge.done()).enumerate() {
        if !done {
            let why = judge.error(i).map(|error| format!(": {error}")).unwrap_or_default();
            faults.push(format!("the solution does not pass task `{}`{why}", task.id));
        }
    }
}

fn run(judge: &mut Judge<Box<dyn Measured>>, steps: &[Step]) -> Result<(), crate::judge::OutOfTurns> {
    steps.iter().try_for_each(|step| judge.act(&step.action()))?;
    judge.rest()
}

/// Steps with the names of a seed in them.
pub fn seeded(lesson: &Lesson, steps: &[Step], seed: &str) -> Vec<Step> {
    let mut steps = steps.to_vec();
    each_step_text(&mut steps, &mut |text| {
        for variant in &lesson.variants {
            *text = text.replace(&format!("{{{{{}}}}}", variant.name), variant.value(seed));
        }
    });
    steps
}
