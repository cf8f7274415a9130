//! A lesson as it is taught: what its author wrote, read and checked, as plain data.
//!
//! Text is a tree of the few kinds of blocks that there are ([`text`]); there is no HTML in it, and so nothing that a
//! browser could run. Which tasks there are and what must be true for them is in [`Task`] and [`Condition`].

pub mod listing;
pub mod packed;
pub mod step;
pub mod text;
pub mod variant;

use kernel_model::security::lsm::LsmChoice;
use kernel_model::world::Config;
use serde::{Deserialize, Serialize};

use step::Step;
use text::{Block, Inline};

/// What a unit of the course is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Read and tried by oneself.
    #[default]
    Lesson,
    /// Done for points.
    Lab,
    /// Shown by a lecturer: slides with the live machine.
    Lecture,
}

impl Kind {
    /// `lesson`, `lab`, `lecture`
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lesson => "lesson",
            Kind::Lab => "lab",
            Kind::Lecture => "lecture",
        }
    }
}

/// A lesson, lab or lecture.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Lesson {
    /// What links and submissions call it: the name of its folder.
    pub id: String,
    /// Counts up when a change makes earlier submissions incomparable.
    pub version: u32,
    /// Title.
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// The part of the course that it belongs to.
    pub part: String,
    /// One sentence for the list of lessons.
    pub summary: String,
    /// The language that it is written in, as BCP 47 names it.
    pub language: String,
    /// How long it takes, in minutes.
    pub minutes: u32,
    /// Where its claims can be looked up.
    pub sources: Vec<String>,
    /// The view to look at first, by name.
    pub view: String,
    /// The world that it starts in.
    pub start: Start,
    /// Text with the places of tasks, predictions and questions in it.
    pub body: Vec<Part>,
    /// Slides of a lecture.
    pub slides: Vec<Slide>,
    /// Scenes of a lecture: prepared paths through the machine, each continuing the one before.
    pub scenes: Vec<Scene>,
    /// What is to be done, in order.
    pub tasks: Vec<Task>,
    /// What to predict before a step is taken.
    pub predictions: Vec<Question>,
    /// Questions.
    pub quiz: Vec<Question>,
    /// What people see who grade by hand.
    pub rubric: Vec<Criterion>,
    /// Names that differ from student to student.
    pub variants: Vec<variant::Variant>,
}

/// The world at the start.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Start {
    /// What is booted.
    pub config: Config,
    /// The platform that it is booted on, by name; `native` when it says nothing.
    pub platform: String,
    /// What has been done there before the learner begins.
    pub steps: Vec<Step>,
}

impl Start {
    /// A world of this configuration with nothing done in it.
    pub fn new(cgroup_v2: bool, lsm: LsmChoice) -> Start {
        Start {
            config: Config { cgroup_v2, terminal: true, lsm, ..Config::default() },
            platform: "native".to_owned(),
            steps: Vec::new(),
        }
    }
}

/// A part of the text of a lesson.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Text.
    Text(Vec<Block>),
    /// The place of a task, by its index.
    Task(usize),
    /// The place of a prediction, by its index.
    Prediction(usize),
    /// The place of a question, by its index.
    Quiz(usize),
}

/// Something to be done.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub id: String,
    /// What is asked.
    pub ask: Vec<Inline>,
    /// What it is worth.
    pub points: u32,
    /// What must be true for it to be done.
    pub condition: Condition,
    /// What helps, the most special first.
    pub hints: Vec<Hint>,
}

/// Help for somebody who has not done a task.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Hint {
    /// Its name.
    pub id: String,
    /// When it fits; one without anything fits always.
    pub condition: Condition,
    /// What it says.
    pub say: Vec<Inline>,
}

/// Something about a world and its history that is true or not. All of its parts must hold. Expressions are in the Common
/// Expression Language over the vocabulary of [`crate::facts`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Condition {
    /// True now.
    pub check: Option<String>,
    /// Were true at some moment since the start, one after the other.
    pub sometimes: Vec<String>,
    /// Were true at every moment since the start.
    pub always: Vec<String>,
    /// Were true at no moment since the start.
    pub never: Vec<String>,
    /// The families of events at which expressions with `event` in them are looked at.
    pub on: Vec<String>,
}

impl Condition {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Condition::default()
    }

    /// All expressions with what they are, for messages.
    pub fn expressions(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let check = self.check.iter().map(|e| ("check", e));
        let sometimes = self.sometimes.iter().map(|e| ("sometimes", e));
        let always = self.always.iter().map(|e| ("always", e));
        check.chain(sometimes).chain(always).chain(self.never.iter().map(|e| ("never", e)))
    }
}

/// A question with answers to choose from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Question {
    /// Its name.
    pub id: String,
    /// What is asked.
    pub ask: Vec<Inline>,
    /// Answers to choose from.
    pub choices: Vec<Vec<Inline>>,
    /// The right ones, by index. More than one: all of them are to be chosen.
    pub answers: Vec<usize>,
    /// Why.
    pub why: Vec<Inline>,
    /// What it is worth.
    pub points: u32,
}

/// What graders look at.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Criterion {
    /// What.
    pub criterion: String,
    /// The points for it.
    pub points: u32,
    /// The tasks and questions that show it, by name; none for what a person must judge.
    pub by: Vec<String>,
}

/// A slide of a lecture.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Slide {
    /// Its text.
    pub text: Vec<Block>,
    /// What the speaker says; only the presenter sees it.
    pub notes: Vec<Block>,
    /// The scene that the machine is in, by index.
    pub scene: Option<usize>,
    /// The view to show, by name.
    pub view: Option<String>,
}

/// A prepared path through the machine.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Scene {
    /// Its name.
    pub id: String,
    /// What is done, after all that the scenes before it did.
    pub steps: Vec<Step>,
    /// Where to look: the first event of the scene of which this is true; its end when there is nothing.
    pub at: Option<String>,
}

impl Lesson {
    /// What can be reached in all.
    pub fn points(&self) -> u32 {
        let tasks = self.tasks.iter().map(|t| t.points);
        tasks.chain(self.quiz.iter().map(|q| q.points)).sum()
    }
}
