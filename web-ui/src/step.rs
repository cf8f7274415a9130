//! The step that is shown, in words: what happened, in which process, why it failed, what lies around it.

use kernel_model::event::{Event, EventKind, Family, Granularity};
use kernel_model::projection::changes::Changes;
use kernel_model::projection::explain::explain;
use kernel_model::projection::label;
use kernel_model::projection::machine::seen;
use kernel_model::pv_ops::PvOps;
use kernel_model::task::TaskId;
use kernel_model::world::World;

use crate::lab::Lab;
use crate::language::spoken;

/// The step that is shown, in words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Step {
    /// Number of the event, from 1; 0 before the first.
    pub number: u64,
    /// What happened, in one sentence.
    pub sentence: String,
    /// The language of the sentence: what has happened is told in English.
    pub language: &'static str,
    /// Where that is written: a man page, a kernel function.
    pub source: String,
    /// The line in the syntax of strace, for a call.
    pub call: Option<String>,
    /// Why a call failed.
    pub refusal: Option<Refusal>,
    /// The family of the event.
    pub family: Option<Family>,
    /// In which process.
    pub who: Option<Who>,
    /// Virtual time.
    pub when: String,
    /// What has changed.
    pub changes: Changes,
    /// The events around it.
    pub around: Vec<Nearby>,
}

/// A process as a pill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    /// Which.
    pub task: TaskId,
    /// Its name.
    pub comm: String,
    /// Its numbers, outermost first: inode number of the namespace, number.
    pub numbers: Vec<(u32, i32)>,
}

/// A failed call explained from its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// `EPERM`
    pub errno: &'static str,
    /// `Operation not permitted`
    pub text: &'static str,
    /// The rules that give this error, in the order of the checks.
    pub rules: Vec<&'static str>,
    /// The manual page.
    pub man: &'static str,
}

/// An event in the list of steps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nearby {
    /// The position that shows it.
    pub position: u64,
    /// How deep it is nested.
    pub depth: usize,
    /// Its family.
    pub family: Family,
    /// What it is.
    pub label: String,
    /// It belongs to the step that is shown.
    pub in_step: bool,
}

impl Step {
    /// While the machine runs no step is singled out.
    pub(crate) fn of_running(at: u64) -> Step {
        let sentence =
            t!("The machine runs. Interrupt it, or wait until it rests, to look at single steps.").to_owned();
        Step { number: at, sentence, language: spoken().tag(), ..Step::default() }
    }
}

impl Lab {
    pub(crate) fn describe(&mut self, before: &World, after: &World, from: u64) -> Step {
        let at = self.position();
        let changes = Changes::between(before, after);
        let around = self.around(after, from);
        let Some(event) = self.headline(from) else {
            let sentence = t!("Nothing has happened yet.").to_owned();
            return Step { sentence, language: spoken().tag(), around, ..Step::default() };
        };
        if self.actions() == 0 && at == self.len() {
            let sentence = t!("Linux has booted, and a shell waits for its first command.").to_owned();
            return Step { number: at, sentence, language: spoken().tag(), around, ..Step::default() };
        }
        // What happened in another kernel is told with that kernel's own numbers.
        let (told, world, kernels) = seen(&event, after, self.timeline.machine());
        let explained = explain(told, world);
        let place = kernels.last().map_or_else(String::new, |kernel| format!("In {kernel}: "));
        Step {
            number: at,
            sentence: place + &explained.sentence,
            language: "en",
            source: explained.source.to_owned(),
            call: call_line(told),
            refusal: refusal(told),
            family: Some(event.kind.family()),
            who: event.task.and_then(|task| who(after, before, task)),
            when: format!("{} s", event.at),
            changes,
            around,
        }
    }

    /// The event that stands for the step: the last one that is as coarse as a step is meant to be.
    fn headline(&mut self, from: u64) -> Option<Event> {
        const LOOKED_AT: u64 = 512;
        let at = self.position();
        let last = self.timeline.current_event()?;
        if self.granularity() == Granularity::Micro || at == from {
            return Some(last);
        }
        let first = from.max(at.saturating_sub(LOOKED_AT));
        let events = self.timeline.events_in(first, (at - first) as usize);
        Some(events.into_iter().rev().find(|e| e.kind.granularity() <= self.granularity()).unwrap_or(last))
    }

    fn around(&mut self, world: &World, from: u64) -> Vec<Nearby> {
        const BEFORE: u64 = 7;
        const ALL: usize = 15;
        let at = self.position();
        let first = at.saturating_sub(BEFORE + 1).min(self.len().saturating_sub(ALL as u64));
        let events = self.timeline.events_in(first, ALL);
        events
            .iter()
            .zip(first..)
            .map(|(event, number)| Nearby {
                position: number + 1,
                depth: match event.kind.granularity() {
                    Granularity::Command => 0,
                    Granularity::Syscall => 1,
                    Granularity::Micro => 2,
                },
                family: event.kind.family(),
                label: short(event, world, self.timeline.machine()),
                in_step: number >= from && number < at,
            })
            .collect()
    }
}

/// An event in a few words, that of another kernel with its name.
pub(crate) fn short(event: &Event, world: &World, machine: &dyn PvOps) -> String {
    let (told, world, kernels) = seen(event, world, machine);
    let words = label::label(&told.kind, world);
    kernels.last().map_or(words.clone(), |kernel| format!("{kernel}: {words}"))
}

fn call_line(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::CallEntered { call } | EventKind::CallSlept { call, .. } => {
            Some(kernel_model::strace::print(call, None))
        }
        EventKind::CallReturned { call, result } => Some(kernel_model::strace::print(call, Some(result))),
        _ => None,
    }
}

fn refusal(event: &Event) -> Option<Refusal> {
    let EventKind::CallReturned { call, result: Err(errno) } = &event.kind else { return None };
    let info = kernel_model::syscall::info(call.nr)?;
    Some(Refusal {
        errno: errno.name(),
        text: errno.text(),
        rules: info.errno.iter().filter(|(e, _)| e == errno).map(|(_, rule)| *rule).collect(),
        man: info.man,
    })
}

fn who(after: &World, before: &World, task: TaskId) -> Option<Who> {
    let world = if after.tasks.contains(task) { after } else { before };
    let t = world.tasks.get(task)?;
    let numbers = world.pids.get(t.pid).map(|p| p.numbers.clone()).unwrap_or_default();
    let inum = |ns| world.pid_namespaces.get(ns).map_or(0, |n| n.ns.inum);
    Some(Who { task, comm: t.comm.clone(), numbers: numbers.into_iter().map(|(ns, nr)| (inum(ns), nr)).collect() })
}
