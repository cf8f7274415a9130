//! Grading: replays a submission from the lesson's own start and says what it is worth.
//!
//! Nothing that the submission claims is believed; it is only a list of actions. How much may happen is bounded by turns and
//! by events; what must be bounded by a clock or by memory is the business of whoever calls ([`Grader`] runs in a process that can
//! be ended).

use hypervisor_model::machine::measured::{Measured, machine_of};
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::judge::{Conditions, Judge};
use crate::lesson::text::plain;
use crate::lesson::{Lesson, Question};
use crate::submission::Submission;

/// Turns that a submission may take.
pub const TURNS_MAX: u64 = 200_000;
/// How many other files with the same log are named.
const NAMED_MAX: usize = 20;
/// How many variants of a lesson are kept ready.
const STARTS_MAX: usize = 64;

/// What a submission is worth.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// The file.
    pub file: String,
    /// Why it could not be judged; empty when it could.
    pub refused: String,
    /// The lesson that it is for.
    pub lesson: String,
    /// The seed in it.
    pub seed: String,
    /// Its receipt.
    pub receipt: String,
    /// What identifies the list of actions.
    pub log: String,
    /// How many other files have the same list of actions for the same lesson.
    pub same_logs: usize,
    /// The first of them.
    pub same_log_as: Vec<String>,
    /// How many actions it has.
    pub actions: usize,
    /// How many turns they took.
    pub turns: u64,
    /// The points that it gets.
    pub score: u32,
    /// The points that there are.
    pub max_score: u32,
    /// Tasks and questions.
    pub items: Vec<Item>,
    /// It was stopped before its end, and judged as far as it had come.
    pub stopped: String,
}

/// What a task or question of it is worth.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// What was asked.
    pub ask: String,
    /// Points that it gets.
    pub score: u32,
    /// Points that there are.
    pub max_score: u32,
    /// What would help.
    pub hint: String,
}

/// A lesson in one of its variants, and the judge who has seen its start.
type Start = (Lesson, Judge<Box<dyn Measured>>);

/// Grades submissions of one lesson.
pub struct Grader {
    lesson: Lesson,
    /// The lesson at its start, by variant.
    starts: BTreeMap<Vec<String>, Start>,
}

/// Why a lesson cannot be graded.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadLab {
    /// A condition is wrong.
    #[error(transparent)]
    Condition(#[from] crate::judge::Misplaced),
    /// The start does not come to rest.
    #[error("the start of the lesson does not come to rest")]
    Start,
}

impl Grader {
    /// A grader for a lesson.
    ///
    /// # Errors
    /// The lesson is wrong.
    pub fn new(lesson: Lesson) -> Result<Grader, BadLab> {
        let mut grader = Grader { lesson, starts: BTreeMap::new() };
        // The names of its variants are no expressions before somebody's seed has chosen values for them.
        grader.start("")?;
        Ok(grader)
    }

    /// Its lesson.
    pub fn lesson(&self) -> &Lesson {
        &self.lesson
    }

    /// What the bytes of a file are worth.
    pub fn grade(&mut self, file: &str, bytes: &[u8]) -> Verdict {
        let mut verdict = unjudged(&self.lesson, file);
        let submission = match Submission::from_bytes(bytes) {
            Ok(submission) => submission,
            Err(error) => return Verdict { refused: error.to_string(), ..verdict },
        };
        verdict.seed.clone_from(&submission.seed);
        verdict.receipt = submission.receipt();
        verdict.log = submission.log_digest();
        verdict.actions = submission.actions.len();
        let (id, version) = (&self.lesson.id, self.lesson.version);
        if submission.lesson != *id {
            let refused = format!("it is a submission for `{}`, not for `{id}`", submission.lesson);
            return Verdict { refused, ..verdict };
        }
        if submission.version != version {
            let refused = format!("it was made with version {} of the lesson; this is {version}", submission.version);
            return Verdict { refused, ..verdict };
        }
        match self.start(&submission.seed) {
            Ok((lesson, judge)) => replay(lesson, judge.clone(), &submission, verdict),
            Err(error) => Verdict { refused: error.to_string(), ..verdict },
        }
    }

    fn start(&mut self, seed: &str) -> Result<&Start, BadLab> {
        let values: Vec<String> = self.lesson.variants.iter().map(|v| v.value(seed).to_owned()).collect();
        if !self.starts.contains_key(&values) {
            if self.starts.len() >= STARTS_MAX {
                self.starts.clear();
            }
            let lesson = self.lesson.for_seed(seed);
            let conditions = Conditions::of(&lesson)?;
            let judge =
                Judge::new(&lesson, &conditions, machine_of(&lesson.start.config)).map_err(|_| BadLab::Start)?;
            self.starts.insert(values.clone(), (lesson, judge));
        }
        self.starts.get(&values).ok_or(BadLab::Start)
    }
}

/// The verdict about a file of which nothing is known.
pub fn unjudged(lesson: &Lesson, file: &str) -> Verdict {
    let items = lesson.tasks.iter().map(|task| Item {
        id: task.id.clone(),
        ask: plain(&task.ask),
        score: 0,
        max_score: task.points,
        hint: String::new(),
    });
    let questions = lesson.quiz.iter().map(|question| question_item(question, 0));
    Verdict {
        file: file.to_owned(),
        lesson: lesson.id.clone(),
        max_score: lesson.points(),
        items: items.chain(questions).collect(),
        ..Verdict::default()
    }
}

fn question_item(question: &Question, score: u32) -> Item {
    let ask = plain(&question.ask);
    Item { id: question.id.clone(), ask, score, max_score: question.points, hint: String::new() }
}

fn replay(
    lesson: &Lesson,
    mut judge: Judge<Box<dyn Measured>>,
    submission: &Submission,
    mut verdict: Verdict,
) -> Verdict {
    judge.set_budget(TURNS_MAX);
    let before = judge.world().turn;
    let all = submission.actions.iter().try_for_each(|stamped| judge.act_at(stamped));
    // What still runs at the end is stopped with Ctrl-C, once: a server in the foreground is no mistake.
    if all.is_err() {
        verdict.stopped = format!("stopped after {TURNS_MAX} turns: something in it does not come to an end");
    } else if judge.rest().is_err() {
        judge.set_budget(TURNS_MAX / 10);
        judge.act_now(&Action::Interrupt { console: ConsoleId(1) });
        if judge.rest().is_err() {
            verdict.stopped = format!("stopped after {TURNS_MAX} turns: something in it does not come to an end");
        }
    }
    verdict.turns = judge.world().turn - before;
    let done = judge.done();
    for (i, (item, task)) in verdict.items.iter_mut().zip(&lesson.tasks).enumerate() {
        item.ask = plain(&task.ask);
        if done.get(i) == Some(&true) {
            item.score = item.max_score;
        } else if let Some(hint) = judge.hint(i).and_then(|hint| task.hints.get(hint)) {
            item.hint = plain(&hint.say);
        }
    }
    for (item, question) in verdict.items.iter_mut().skip(lesson.tasks.len()).zip(&lesson.quiz) {
        let answer = submission.answers.iter().find(|(id, _)| *id == question.id).map(|(_, answer)| answer.as_slice());
        let mut right: Vec<u32> = question.answers.iter().map(|a| *a as u32).collect();
        right.sort_unstable();
        if answer == Some(right.as_slice()) {
            item.score = item.max_score;
        }
    }
    verdict.score = verdict.items.iter().map(|item| item.score).sum();
    verdict
}

/// Notes which verdicts are about the same list of actions. Empty lists are no sign of anything.
pub fn note_same_logs(verdicts: &mut [Verdict]) {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for verdict in verdicts.iter().filter(|v| v.actions > 0) {
        files.entry(verdict.log.clone()).or_default().push(verdict.file.clone());
    }
    for verdict in verdicts.iter_mut().filter(|v| v.actions > 0) {
        if let Some(same) = files.get(&verdict.log) {
            let others = same.iter().filter(|file| **file != verdict.file);
            verdict.same_log_as = others.take(NAMED_MAX).cloned().collect();
            verdict.same_logs = same.len() - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_equal_logs_some_are_named_and_all_are_counted() {
        let verdict = |n: usize| Verdict {
            file: format!("{n}"),
            log: if n == 0 { "a" } else { "b" }.to_owned(),
            actions: 1,
            ..Verdict::default()
        };
        let mut verdicts: Vec<Verdict> = (0..3_000).map(verdict).collect();
        note_same_logs(&mut verdicts);
        assert_eq!((verdicts[0].same_logs, verdicts[0].same_log_as.len()), (0, 0));
        assert_eq!((verdicts[1].same_logs, verdicts[1].same_log_as.len()), (2_998, NAMED_MAX));
        assert_eq!(verdicts[1].same_log_as[0], "2");
    }
}
