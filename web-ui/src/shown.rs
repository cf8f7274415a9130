//! All that the page shows of a moment, as plain data and as pictures that wait to be drawn.

use std::collections::BTreeSet;
use std::rc::Rc;

use hypervisor_model::projection::xen::domain_names;
use kernel_model::action::{Action, Stamped};
use kernel_model::console::ConsoleId;
use kernel_model::event::Event;
use kernel_model::namespace::NsKind;
use kernel_model::projection::changes::name_of;
use kernel_model::projection::pid_tree;
use kernel_model::projection::prompt::Prompt;
use kernel_model::task::TaskId;
use kernel_model::world::World;

use crate::lab::{Lab, Motion};
use crate::stage::Stage;
use crate::step::Step;
use crate::tape::Tape;
use crate::transcript::Line;
use crate::view::{Moment, Picture, VIEWS, View};

/// How many processes are offered as callers.
const MAX_CALLERS: usize = 120;
/// How many events of a step are asked which views they concern.
const EVENTS_FOR_VIEWS: u64 = 256;

/// Everything that the page shows of a moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    /// The tape of events.
    pub tape: Rc<Tape>,
    /// The views that can be seen, the main one first.
    pub pictures: Vec<(&'static View, Picture)>,
    /// The views that the step concerns.
    pub concerned: Vec<&'static View>,
    /// The step.
    pub step: Rc<Step>,
    /// Consoles, the shown one with its lines.
    pub terminal: Rc<Terminal>,
    /// Processes to choose from, for calls: task and name.
    pub processes: Rc<Vec<(TaskId, String)>>,
    /// The domains of a machine with Xen, number and name; none on another.
    pub domains: Rc<Vec<(u16, String)>>,
    /// Other futures: where each leaves the present one.
    pub branches: Rc<Vec<Branch>>,
}

/// The consoles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terminal {
    /// All of them.
    pub consoles: Vec<ConsoleTab>,
    /// Nobody has done anything yet.
    pub fresh: bool,
    /// The one whose lines these are.
    pub console: u32,
    /// Its last lines.
    pub lines: Vec<Line>,
    /// There are more lines before.
    pub more: bool,
    /// What stands before the cursor; `None` while a command runs or when its shell is gone.
    pub prompt: Option<Prompt>,
    /// A program reads what is typed.
    pub reads: bool,
    /// Its shell is gone.
    pub closed: bool,
    /// The cursor is in the past: what is typed starts a new branch.
    pub past: bool,
}

impl Terminal {
    /// What the command of this event has printed, as far as it is shown.
    pub fn output_of(&self, command: u64) -> String {
        let printed =
            self.lines.iter().skip_while(|line| line.event != command).skip_while(|line| line.event == command);
        printed.take_while(|line| line.prompt.is_none()).map(|line| format!("{}\n", line.text)).collect()
    }
}

/// A console's tab: what it says of whoever is at work there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsoleTab {
    /// Which.
    pub id: ConsoleId,
    /// Its host name, when that is not the first one.
    pub place: Option<String>,
    /// Namespaces of its shell that are not those of the first process: kind and number of the instance.
    pub apart: Vec<(NsKind, u32)>,
}

/// Another future.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branch {
    /// Its number.
    pub index: usize,
    /// How many actions it has.
    pub actions: usize,
    /// The first action that differs from the present future.
    pub first: String,
}

impl Lab {
    /// Everything that the page shows of the moment at the cursor. The stage follows the step, if it does so.
    pub fn show(
        &mut self,
        console: ConsoleId,
        stage: &mut Stage,
        stand: Option<TaskId>,
        unfolded: &BTreeSet<TaskId>,
    ) -> Shown {
        let calm = self.motion() != Motion::Running;
        self.transcript.follow(&mut self.timeline, calm);
        let at = self.position();
        let step_is_shown = calm || at < self.len();
        let from = if step_is_shown { self.step_from().min(at) } else { at };
        self.timeline.seek(from);
        let before = self.timeline.world().clone();
        let machine_before = self.timeline.machine().clone();
        self.timeline.seek(at);
        let after = self.timeline.world().clone();
        let machine_after = self.timeline.machine().clone();
        let events = self.last_events(from);
        let concerned = concerned(&events);
        stage.follow(&concerned);
        let step = if step_is_shown { self.describe(&before, &after, from) } else { Step::of_running(at) };
        let is_there = |task: &TaskId| after.tasks.contains(*task);
        let stand = stand.filter(is_there).or(step.who.as_ref().map(|who| who.task).filter(is_there));
        let visible = stage.visible();
        let lately = match visible.iter().any(|view| view.looks_back) {
            true => self.reel.up_to_cursor(&mut self.timeline, calm),
            false => Vec::new(),
        };
        self.index.follow(&after);
        let moment = Moment {
            index: &self.index,
            before: &before,
            after: &after,
            machines: (&machine_before, &machine_after),
            platform: self.machine(),
            events: &events,
            lately: &lately,
            unfolded,
            stand: stand.or_else(|| after.consoles.get(console).map(|c| c.shell)),
        };
        Shown {
            tape: Rc::new(Tape::of(&mut self.timeline, from, step_is_shown)),
            pictures: visible.into_iter().map(|view| (view, (view.picture)(&moment))).collect(),
            concerned,
            step: Rc::new(step),
            terminal: Rc::new(self.terminal(&after, console)),
            processes: Rc::new(processes(&after)),
            domains: Rc::new(machine_after.xen().map(domain_names).unwrap_or_default()),
            branches: Rc::new(self.branches()),
        }
    }

    /// The last events of the step.
    fn last_events(&mut self, from: u64) -> Vec<Event> {
        let at = self.position();
        let first = from.max(at.saturating_sub(EVENTS_FOR_VIEWS));
        self.timeline.events_in(first, (at - first) as usize)
    }

    fn terminal(&self, world: &World, console: ConsoleId) -> Terminal {
        let at = self.position();
        let (lines, more) = self.transcript.lines(console, at);
        let shown = world.consoles.get(console);
        let waits = shown.is_some_and(|c| c.at_prompt && c.lines.is_empty());
        Terminal {
            consoles: world.consoles.ids().map(|id| console_tab(world, id)).collect(),
            fresh: self.actions() == 0 && !self.is_past() && !self.is_restoring(),
            console: console.0,
            lines,
            more,
            prompt: if waits { Prompt::of(world, console) } else { None },
            reads: shown.is_some_and(|c| !c.at_prompt && !c.closed)
                && self.motion() == Motion::AtRest
                && !self.is_past(),
            closed: shown.is_none_or(|c| c.closed),
            past: self.is_past(),
        }
    }

    fn branches(&self) -> Vec<Branch> {
        let own = self.timeline.actions();
        let describe = |(index, actions): (usize, &Vec<Stamped>)| {
            let common = own.iter().zip(actions).take_while(|(a, b)| a == b).count();
            let first = actions.get(common).map_or_else(|| t!("ends earlier").to_owned(), |s| action_text(&s.action));
            Branch { index, actions: actions.len(), first }
        };
        self.timeline.branches().iter().enumerate().map(describe).collect()
    }
}

/// The views that the step is for: one of its last events is what they show.
fn concerned(events: &[Event]) -> Vec<&'static View> {
    VIEWS.iter().copied().filter(|view| events.iter().any(|event| (view.concerns)(&event.kind))).collect()
}

fn console_tab(world: &World, id: ConsoleId) -> ConsoleTab {
    let task = foreground(world, id);
    let uts = task.and_then(|t| world.uts_namespaces.get(world.tasks.get(t)?.nsproxy.uts));
    let first = world.uts_namespaces.iter().next().map(|(_, ns)| &ns.nodename);
    ConsoleTab {
        id,
        place: uts.map(|ns| &ns.nodename).filter(|name| Some(*name) != first).cloned(),
        apart: task.map_or_else(Vec::new, |task| {
            let all = pid_tree::namespaces_of(world, task).into_iter();
            all.map(|(ns, _)| (ns.kind(), pid_tree::instance(ns))).filter(|(_, instance)| *instance > 1).collect()
        }),
    }
}

/// Who is at work at a console: its shell at the prompt, else the youngest that the shell has started.
fn foreground(world: &World, id: ConsoleId) -> Option<TaskId> {
    let console = world.consoles.get(id)?;
    if console.at_prompt {
        return Some(console.shell);
    }
    let mut task = console.shell;
    loop {
        let process = world.processes.get(world.tasks.get(task)?.process)?;
        match process.children.get_max().and_then(|child| world.processes.get(*child)) {
            Some(child) if child.exit_code.is_none() => task = child.leader,
            _ => return Some(task),
        }
    }
}

/// Processes to choose from.
fn processes(world: &World) -> Vec<(TaskId, String)> {
    world.processes.iter().take(MAX_CALLERS).map(|(_, p)| (p.leader, name_of(world, p.leader))).collect()
}

pub(crate) fn action_text(action: &Action) -> String {
    match action {
        Action::Line { text, .. } => text.lines().next().unwrap_or_default().to_owned(),
        Action::Interrupt { .. } => t!("Ctrl-C").to_owned(),
        Action::EndOfInput { .. } => t!("Ctrl-D").to_owned(),
        Action::Syscall { call, .. } => kernel_model::strace::print::print_call(call, None),
        Action::Wait { span } => t!("{span} s pass", span = span),
        Action::OpenConsole => t!("another console").to_owned(),
        Action::CallBelow { text, .. } => text.clone(),
        #[allow(unreachable_patterns)]
        _ => t!("an adjustment of a recorded log").to_owned(),
    }
}
