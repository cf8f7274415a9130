//! The head of a lesson, and of a course. Unknown names are errors: a misspelt one would be a task without a check.

use hypervisor_model::machine::Platform;
use kernel_model::security::lsm::LsmChoice;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::BadFormat;
use super::body::line;
use crate::lesson::step::Step;
use crate::lesson::variant::Variant;
use crate::lesson::{Condition, Criterion, Hint, Kind, Lesson, Question, Scene, Start, Task};

/// `course.toml`: what all lessons of a course have in common.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Course {
    /// Title of the course.
    pub title: String,
    /// The parts of the course, in order.
    pub parts: Vec<String>,
    /// What a unit is if it does not say so.
    pub kind: Option<Kind>,
    /// The language that lessons are written in.
    pub language: Option<String>,
    /// The version of lessons that do not say so.
    pub version: Option<u32>,
    /// The view to look at first.
    pub view: Option<String>,
    /// How long a unit takes.
    pub minutes: Option<u32>,
    /// The world that lessons start in.
    pub start: FrontStart,
    /// What it is called in other languages, by language.
    pub translation: BTreeMap<String, CourseWords>,
}

/// What is read of a course in another language.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseWords {
    /// Title of the course.
    pub title: String,
    /// The parts of the course, in the same order.
    pub parts: Vec<String>,
}

/// The head of a lesson.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Front {
    title: String,
    kind: Option<Kind>,
    #[serde(default)]
    part: String,
    #[serde(default)]
    summary: String,
    language: Option<String>,
    version: Option<u32>,
    minutes: Option<u32>,
    #[serde(default)]
    sources: Vec<String>,
    view: Option<String>,
    #[serde(default)]
    solution: Steps,
    #[serde(default)]
    start: FrontStart,
    #[serde(default)]
    task: Vec<FrontTask>,
    #[serde(default)]
    wrong: Vec<FrontWrong>,
    #[serde(default)]
    predict: Vec<FrontQuestion>,
    #[serde(default)]
    quiz: Vec<FrontQuestion>,
    #[serde(default)]
    rubric: Vec<FrontCriterion>,
    #[serde(default)]
    scene: Vec<FrontScene>,
    #[serde(default)]
    variants: BTreeMap<String, Vec<String>>,
}

/// The world at the start.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontStart {
    /// `v1` or `v2`: the version of control groups.
    pub world: Option<String>,
    /// `none`, `apparmor` or `selinux`.
    pub lsm: Option<String>,
    /// The platform, by name.
    pub platform: Option<String>,
    /// What has been done there.
    pub run: Steps,
}

/// Steps: a text (one command a line) or a list of lines and other steps.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "steps are a text (one command a line) or a list of lines, `{ console = 2, line = \"…\" }`, `{ domain = 1, hypercall = \"…\" }`, `{ wait_ms = 500 }` and `{ open_console = true }`"
)]
pub enum Steps {
    /// One command a line.
    Text(String),
    /// One element a step.
    List(Vec<FrontStep>),
}

impl Default for Steps {
    fn default() -> Self {
        Steps::List(Vec::new())
    }
}

/// A step.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a step is a line, `{ console = 2, line = \"…\" }`, `{ domain = 1, hypercall = \"…\" }`, `{ wait_ms = 500 }` or `{ open_console = true }`"
)]
pub enum FrontStep {
    /// A line typed at the first console; `^C`, `^D` and `^]` are the keys.
    Line(String),
    /// A line typed at another console.
    At {
        /// The console.
        console: u32,
        /// The line.
        line: String,
    },
    /// A hypercall is made.
    Hypercall {
        /// In the name of this domain.
        domain: u32,
        /// The call.
        hypercall: String,
    },
    /// Time passes.
    Wait {
        /// In milliseconds.
        wait_ms: u64,
    },
    /// A console is opened.
    Open {
        /// `true`; anything else would be no step.
        open_console: Yes,
    },
}

/// `true`, which says nothing but that the key is there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Yes;

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Yes)
        } else {
            Err(serde::de::Error::custom("only `true` says something"))
        }
    }
}

impl Steps {
    /// As the lesson keeps them.
    fn read(&self) -> Vec<Step> {
        match self {
            Steps::Text(text) => text.lines().map(str::trim).filter(|l| !l.is_empty()).map(|l| typed(1, l)).collect(),
            Steps::List(steps) => steps.iter().map(FrontStep::read).collect(),
        }
    }
}

impl FrontStep {
    fn read(&self) -> Step {
        match self {
            FrontStep::Line(line) => typed(1, line),
            FrontStep::At { console, line } => typed(*console, line),
            FrontStep::Hypercall { domain, hypercall } => Step::CallBelow { who: *domain, text: hypercall.clone() },
            FrontStep::Wait { wait_ms } => Step::Wait { ms: *wait_ms },
            FrontStep::Open { .. } => Step::OpenConsole,
        }
    }
}

fn typed(console: u32, line: &str) -> Step {
    match line {
        "^C" => Step::Interrupt { console },
        "^D" => Step::EndOfInput { console },
        "^]" => Step::Line { console, text: "\u{1d}".to_owned() },
        text => Step::Line { console, text: text.to_owned() },
    }
}

/// One expression or several.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(untagged)]
enum Expressions {
    One(String),
    Several(Vec<String>),
}

impl Default for Expressions {
    fn default() -> Self {
        Expressions::Several(Vec::new())
    }
}

impl Expressions {
    fn read(&self) -> Vec<String> {
        match self {
            Expressions::One(text) => vec![text.clone()],
            Expressions::Several(texts) => texts.clone(),
        }
    }
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontTask {
    id: String,
    ask: String,
    #[serde(default = "one")]
    points: u32,
    check: Option<String>,
    #[serde(default)]
    sometimes: Expressions,
    #[serde(default)]
    always: Expressions,
    #[serde(default)]
    never: Expressions,
    #[serde(default)]
    on: Vec<String>,
    #[serde(default)]
    solution: Steps,
    #[serde(default)]
    hint: Vec<FrontHint>,
}

fn one() -> u32 {
    1
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontHint {
    id: String,
    say: String,
    check: Option<String>,
    #[serde(default)]
    sometimes: Expressions,
    #[serde(default)]
    always: Expressions,
    #[serde(default)]
    never: Expressions,
    #[serde(default)]
    on: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontWrong {
    name: String,
    task: String,
    hint: String,
    run: Steps,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontQuestion {
    id: String,
    ask: String,
    choices: Vec<String>,
    answer: Answer,
    #[serde(default)]
    why: String,
    points: Option<u32>,
}

/// Which choices are right: counted from 1, as a reader does.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    One(usize),
    Several(Vec<usize>),
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontCriterion {
    criterion: String,
    points: u32,
    #[serde(default)]
    by: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontScene {
    id: String,
    #[serde(default)]
    run: Steps,
    at: Option<String>,
}

/// What only its proof needs of a lesson; learners do not get it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Proofs {
    /// What solves each task, in order.
    pub solutions: Vec<Vec<Step>>,
    /// What is done after that.
    pub last: Vec<Step>,
    /// Wrong answers.
    pub wrong: Vec<Wrong>,
}

/// A wrong answer, and the hint that it must get.
#[derive(Clone, PartialEq, Debug)]
pub struct Wrong {
    /// What went wrong.
    pub name: String,
    /// The task that it is an answer to, by index.
    pub task: usize,
    /// The hint, by index.
    pub hint: usize,
    /// What is done.
    pub steps: Vec<Step>,
}

impl Front {
    /// The lesson without its text.
    pub(super) fn lesson(&self, id: &str, course: &Course) -> Result<Lesson, BadFormat> {
        let wrong = |what: String| BadFormat::Head(what);
        let tasks: Vec<Task> = self.task.iter().map(FrontTask::read).collect();
        let own = |kind: &str, ids: Vec<&String>| unique(kind, &ids).map_err(BadFormat::Head);
        own("task", tasks.iter().map(|t| &t.id).collect())?;
        own("prediction", self.predict.iter().map(|q| &q.id).collect())?;
        own("question", self.quiz.iter().map(|q| &q.id).collect())?;
        own("scene", self.scene.iter().map(|s| &s.id).collect())?;
        let mut variants = Vec::new();
        for (name, values) in &self.variants {
            let plain =
                |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c));
            if values.is_empty() || !plain(name) || !values.iter().all(|v| plain(v)) {
                return Err(wrong(format!("variants `{name}`: values are of letters, digits and . _ / -")));
            }
            variants.push(Variant { name: name.clone(), values: values.clone() });
        }
        let questions = |all: &[FrontQuestion], points| {
            all.iter().map(|q| q.read(points)).collect::<Result<Vec<_>, _>>().map_err(BadFormat::Head)
        };
        Ok(Lesson {
            id: id.to_owned(),
            version: self.version.or(course.version).unwrap_or(1),
            title: self.title.clone(),
            kind: self.kind.or(course.kind).unwrap_or_default(),
            part: self.part.clone(),
            summary: self.summary.clone(),
            language: self.language.clone().or(course.language.clone()).unwrap_or_else(|| "en".to_owned()),
            minutes: self.minutes.or(course.minutes).unwrap_or(10),
            sources: self.sources.clone(),
            view: self.view.clone().or(course.view.clone()).unwrap_or_default(),
            start: self.start.read(&course.start).map_err(BadFormat::Head)?,
            scenes: self
                .scene
                .iter()
                .map(|s| Scene { id: s.id.clone(), steps: s.run.read(), at: s.at.clone() })
                .collect(),
            tasks,
            predictions: questions(&self.predict, 0)?,
            quiz: questions(&self.quiz, 1)?,
            rubric: self.rubric.iter().map(FrontCriterion::read).collect(),
            variants,
            body: Vec::new(),
            slides: Vec::new(),
        })
    }

    /// All that a reader reads of it, in order.
    pub(super) fn words(&self) -> Vec<&str> {
        let mut all = vec![self.title.as_str(), &self.summary];
        for task in &self.task {
            all.push(&task.ask);
            all.extend(task.hint.iter().map(|hint| hint.say.as_str()));
        }
        for question in self.predict.iter().chain(&self.quiz) {
            all.extend([question.ask.as_str(), &question.why]);
            all.extend(question.choices.iter().map(String::as_str));
        }
        all
    }

    /// What its proof needs.
    ///
    /// # Errors
    /// A wrong answer names a task or hint that there is not.
    pub(super) fn proofs(&self) -> Result<Proofs, BadFormat> {
        let find = |wrong: &FrontWrong| -> Result<Wrong, BadFormat> {
            let task = self.task.iter().position(|task| task.id == wrong.task);
            let hint = task.and_then(|task| self.task[task].hint.iter().position(|hint| hint.id == wrong.hint));
            let unknown = || {
                BadFormat::Head(format!(
                    "wrong `{}`: there is no task `{}` with a hint `{}`",
                    wrong.name, wrong.task, wrong.hint
                ))
            };
            let steps = wrong.run.read();
            let (task, hint) = task.zip(hint).ok_or_else(unknown)?;
            Ok(Wrong { name: wrong.name.clone(), task, hint, steps })
        };
        Ok(Proofs {
            solutions: self.task.iter().map(|task| task.solution.read()).collect(),
            last: self.solution.read(),
            wrong: self.wrong.iter().map(find).collect::<Result<_, _>>()?,
        })
    }
}

fn unique(kind: &str, ids: &[&String]) -> Result<(), String> {
    for (i, id) in ids.iter().enumerate() {
        let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !plain {
            return Err(format!("{kind} `{id}`: a name is of small letters, digits and hyphens"));
        }
        if ids[..i].contains(id) {
            return Err(format!("{kind} `{id}` is there twice"));
        }
    }
    Ok(())
}

impl FrontStart {
    fn read(&self, course: &FrontStart) -> Result<Start, String> {
        let world = self.world.as_ref().or(course.world.as_ref()).map_or("v1", String::as_str);
        let lsm = self.lsm.as_ref().or(course.lsm.as_ref()).map_or("none", String::as_str);
        let cgroup_v2 = match world {
            "v1" => false,
            "v2" => true,
            other => return Err(format!("start.world `{other}`: there are v1 and v2")),
        };
        let lsm = LsmChoice::from_name(lsm)
            .ok_or_else(|| format!("start.lsm `{lsm}`: there are none, apparmor and selinux"))?;
        let mut start = Start::new(cgroup_v2, lsm);
        if let Some(platform) = self.platform.as_ref().or(course.platform.as_ref()) {
            start.platform.clone_from(platform);
            // One that is not known is said by the proof of the lesson.
            start.config.machine = platform.parse().map_or(0, |platform: Platform| platform.code());
        }
        let own = self.run.read();
        start.steps = if own.is_empty() { course.run.read() } else { own };
        Ok(start)
    }
}

impl FrontTask {
    fn read(&self) -> Task {
        let FrontTask { id, ask, points, check, sometimes, always, never, on, hint, solution: _ } = self;
        Task {
            id: id.clone(),
            ask: line(ask),
            points: *points,
            condition: Condition {
                check: check.clone(),
                sometimes: sometimes.read(),
                always: always.read(),
                never: never.read(),
                on: on.clone(),
            },
            hints: hint.iter().map(FrontHint::read).collect(),
        }
    }
}

impl FrontHint {
    fn read(&self) -> Hint {
        let FrontHint { id, say, check, sometimes, always, never, on } = self;
        Hint {
            id: id.clone(),
            condition: Condition {
                check: check.clone(),
                sometimes: sometimes.read(),
                always: always.read(),
                never: never.read(),
                on: on.clone(),
            },
            say: line(say),
        }
    }
}

impl FrontQuestion {
    fn read(&self, points: u32) -> Result<Question, String> {
        let answers = match &self.answer {
            Answer::One(answer) => vec![*answer],
            Answer::Several(answers) => answers.clone(),
        };
        if self.choices.len() < 2 || answers.is_empty() || answers.iter().any(|a| *a == 0 || *a > self.choices.len()) {
            let n = self.choices.len();
            return Err(format!(
                "question `{}`: answers count from 1 to {n}, and there are at least two choices",
                self.id
            ));
        }
        Ok(Question {
            id: self.id.clone(),
            ask: line(&self.ask),
            choices: self.choices.iter().map(|choice| line(choice)).collect(),
            answers: answers.into_iter().map(|answer| answer - 1).collect(),
            why: line(&self.why),
            points: self.points.unwrap_or(points),
        })
    }
}

impl FrontCriterion {
    fn read(&self) -> Criterion {
        Criterion { criterion: self.criterion.clone(), points: self.points, by: self.by.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Result<Vec<Step>, String> {
        #[derive(Deserialize)]
        struct Only {
            run: Steps,
        }
        toml::from_str::<Only>(text).map(|only| only.run.read()).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn steps_are_lines_and_tables_of_known_keys() {
        let all = r#"run = ["ls", "^C", { console = 2, line = "^D" }, { wait_ms = 5 }, { open_console = true }]"#;
        let read = vec![
            Step::line("ls"),
            Step::Interrupt { console: 1 },
            Step::EndOfInput { console: 2 },
            Step::Wait { ms: 5 },
            Step::OpenConsole,
        ];
        assert_eq!(steps(all), Ok(read));
        for wrong in [
            r#"run = [{ console = 2, line = "ls", wait = 5 }]"#,
            "run = [{ wait_ms = 5, ms = 6 }]",
            "run = [{ wait = 5 }]",
            "run = [{ open_console = false }]",
        ] {
            let said = steps(wrong).expect_err(wrong);
            assert!(said.contains("open_console = true"), "{wrong}: {said}");
        }
    }
}
