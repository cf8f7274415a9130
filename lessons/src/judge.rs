//! The judge of a lesson: takes what a learner does, and says which tasks are done and which hints fit.
//!
//! It runs the world by itself from the lesson's start, so that nothing that a learner's page says has to be believed. Its
//! state is a plain value: kept before each action, it lets a learner go back and do something else.

use std::sync::Arc;

use kernel_model::action::{Action, Stamped, When};
use kernel_model::kernel::Trace;
use kernel_model::pv_ops::PvOps;
use kernel_model::step::{Running, Turn};
use kernel_model::world::World;

use crate::check::expression::BadExpression;
use crate::check::watch::{BadCondition, Compiled, Watch};
use crate::lesson::{Lesson, Task};

/// Turns that the steps of a start or of a solution may take: far more than any of them needs.
pub const TURNS_MAX: u64 = 400_000;
/// Turns that a freshly booted world may take to come to rest.
const BOOT_TURNS: u64 = 10_000;

/// The conditions of a lesson, read.
#[derive(Default)]
pub struct Conditions {
    tasks: Vec<TaskConditions>,
}

struct TaskConditions {
    condition: Arc<Compiled>,
    /// One a hint; `None` for a hint that fits always.
    hints: Vec<Option<Arc<Compiled>>>,
}

/// A wrong condition, and where it is.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("task `{task}`{hint}: {why}", hint = hint.as_ref().map(|hint| format!(", hint `{hint}`")).unwrap_or_default())]
pub struct Misplaced {
    /// The task.
    pub task: String,
    /// The hint, if it is the condition of one.
    pub hint: Option<String>,
    /// What is wrong.
    pub why: BadCondition,
}

impl Conditions {
    /// Reads the conditions of a lesson.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn of(lesson: &Lesson) -> Result<Conditions, Misplaced> {
        let task = |task: &Task| {
            let wrong = |hint: Option<&str>| {
                let (task, hint) = (task.id.clone(), hint.map(str::to_owned));
                move |why| Misplaced { task, hint, why }
            };
            let condition = Compiled::of(&task.condition).map_err(wrong(None))?;
            let hints = task.hints.iter().map(|hint| {
                let compiled = (!hint.condition.is_empty()).then(|| Compiled::of(&hint.condition)).transpose();
                Ok(compiled.map_err(wrong(Some(&hint.id)))?.map(Arc::new))
            });
            Ok(TaskConditions { condition: Arc::new(condition), hints: hints.collect::<Result<_, _>>()? })
        };
        Ok(Conditions { tasks: lesson.tasks.iter().map(task).collect::<Result<_, _>>()? })
    }
}

/// How far a history has come with a task.
#[derive(Clone)]
struct TaskWatch {
    condition: Watch,
    hints: Vec<Option<Watch>>,
}

/// A lesson under way.
pub struct Judge<M: PvOps> {
    running: Running<M>,
    tasks: Vec<TaskWatch>,
    /// Turns that may still be taken.
    turns_left: u64,
    at_rest: bool,
}

impl<M: PvOps + Clone> Clone for Judge<M> {
    fn clone(&self) -> Self {
        Judge {
            running: self.running.clone(),
            tasks: self.tasks.clone(),
            turns_left: self.turns_left,
            at_rest: self.at_rest,
        }
    }
}

/// A history took more turns than a judge takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it does not come to an end: more than the turns that are allowed")]
pub struct OutOfTurns;

impl<M: PvOps> Judge<M> {
    /// The lesson at its start.
    ///
    /// # Errors
    /// The start does not come to rest.
    pub fn new(lesson: &Lesson, conditions: &Conditions, machine: M) -> Result<Self, OutOfTurns> {
        let mut running = Running::boot(lesson.start.config, machine);
        running.run(BOOT_TURNS, &mut Trace::silent());
        let mut judge = Judge { running, tasks: Vec::new(), turns_left: TURNS_MAX, at_rest: true };
        for step in &lesson.start.steps {
            judge.act(&step.action())?;
        }
        judge.rest()?;
        judge.begin(conditions);
        Ok(judge)
    }

    /// Begins to watch: what was done before is the start.
    fn begin(&mut self, conditions: &Conditions) {
        let world = &self.running.world;
        let watch = |c: &Arc<Compiled>| Watch::new(Arc::clone(c), world);
        let task = |task: &TaskConditions| TaskWatch {
            condition: watch(&task.condition),
            hints: task.hints.iter().map(|hint| hint.as_ref().map(watch)).collect(),
        };
        self.tasks = conditions.tasks.iter().map(task).collect();
    }

    /// At most so many turns from here on.
    pub fn set_budget(&mut self, turns: u64) {
        self.turns_left = turns;
    }

    /// Does something once everything has come to rest.
    ///
    /// # Errors
    /// It does not come to rest.
    pub fn act(&mut self, action: &Action) -> Result<(), OutOfTurns> {
        self.rest()?;
        self.put_in(action);
        Ok(())
    }

    /// Does something without waiting for anything.
    pub fn act_now(&mut self, action: &Action) {
        self.put_in(action);
    }

    /// Does something when it was done.
    ///
    /// # Errors
    /// The moment is too far away.
    pub fn act_at(&mut self, stamped: &Stamped) -> Result<(), OutOfTurns> {
        while !self.is_due(stamped.when) {
            self.turn()?;
        }
        self.put_in(&stamped.action);
        Ok(())
    }

    /// Whether it is time for something that was done then.
    pub fn is_due(&self, when: When) -> bool {
        match when {
            When::AtRest => self.at_rest,
            When::AtTurn(turn) => self.at_rest || self.running.world.turn >= turn,
        }
    }

    /// Whether nothing happens any more by itself.
    pub fn is_at_rest(&self) -> bool {
        self.at_rest
    }

    /// Lets everything come to rest.
    ///
    /// # Errors
    /// It does not.
    pub fn rest(&mut self) -> Result<(), OutOfTurns> {
        while !self.at_rest {
            self.turn()?;
        }
        Ok(())
    }

    /// The world as it is now.
    pub fn world(&self) -> &World {
        &self.running.world
    }

    /// Which tasks are done, in their order.
    pub fn done(&self) -> Vec<bool> {
        self.tasks.iter().map(|task| task.condition.holds(self.world())).collect()
    }

    /// Whether a task can no longer be done from here: something that must not happen has happened.
    pub fn is_lost(&self, task: usize) -> bool {
        self.tasks.get(task).is_some_and(|task| task.condition.is_lost())
    }

    /// The first hint of a task that fits.
    pub fn hint(&self, task: usize) -> Option<usize> {
        let fits = |hint: &Option<Watch>| hint.as_ref().is_none_or(|hint| hint.holds(self.world()));
        self.tasks.get(task)?.hints.iter().position(fits)
    }

    /// The first expression of a task or its hints that had no value.
    pub fn error(&self, task: usize) -> Option<BadExpression> {
        let task = self.tasks.get(task)?;
        let hints = task.hints.iter().flatten();
        std::iter::once(&task.condition).chain(hints).find_map(|watch| watch.error(self.world()))
    }

    fn put_in(&mut self, action: &Action) {
        let mut trace = Trace::new();
        self.running.inject(action, &mut trace);
        self.at_rest = false;
        self.see(&trace);
    }

    /// Takes one turn.
    ///
    /// # Errors
    /// There are no more turns.
    pub fn turn(&mut self) -> Result<(), OutOfTurns> {
        self.turns_left = self.turns_left.checked_sub(1).ok_or(OutOfTurns)?;
        let mut trace = Trace::new();
        if self.running.turn(&mut trace) == Turn::AtRest {
            self.at_rest = true;
        } else {
            self.see(&trace);
        }
        Ok(())
    }

    fn see(&mut self, trace: &Trace) {
        let world = &self.running.world;
        for task in &mut self.tasks {
            task.condition.see(&trace.events, world);
            task.hints.iter_mut().flatten().for_each(|hint| hint.see(&trace.events, world));
        }
    }
}
