//! The history that is looked at, and all that the page shows of it as plain data.

use std::rc::Rc;

use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind, Family, Granularity};
use kernel_model::projection::changes::{Changes, name_of};
use kernel_model::projection::explain::explain;
use kernel_model::projection::label;
use kernel_model::projection::pid_tree::PidTree;
use kernel_model::projection::pid_views::PidViews;
use kernel_model::projection::prompt::Prompt;
use kernel_model::shell::Completion;
use kernel_model::task::TaskId;
use kernel_model::timeline::{Direction, Session, Stride, Timeline};
use kernel_model::world::{Config, World};

use crate::tape::Tape;
use crate::transcript::{Line, Transcript};

/// The machine below the kernel.
pub type Machine = hypervisor_model::machine::BareMetal;

/// Turns without rest after which the history pauses by itself.
pub const PAUSE_AFTER: u64 = 300_000;

/// Turns between two looks at the clock. A turn in which a program is brought back to where it was can take long.
const TURNS_PER_LOOK: u64 = 2;

/// How many processes are offered as callers.
const MAX_CALLERS: usize = 120;

/// What the newest state is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Motion {
    /// Nothing: it waits for somebody to act.
    AtRest,
    /// It moves on by itself.
    Running,
    /// It would move on, but has done so for long; somebody has to say what is to become of it.
    Paused,
}

/// A history, and where and how it is looked at.
pub struct Lab {
    timeline: Timeline<Machine>,
    transcript: Transcript,
    /// How coarse a step is.
    granularity: Granularity,
    /// A longer step than that, over or out of something: its first event and its end.
    stride: Option<(u64, u64)>,
    /// Turns since somebody acted or said that it may go on.
    turns: u64,
    paused: bool,
    /// Actions of a session that is being restored, the next one first.
    pending: std::collections::VecDeque<Stamped>,
    /// Where the cursor is to be when the session is restored.
    wanted_cursor: Option<u64>,
}

/// Everything that the page shows of a moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    /// The tape of events.
    pub tape: Rc<Tape>,
    /// The PID views.
    pub pid_views: Rc<PidViews>,
    /// The process tree.
    pub tree: Rc<PidTree>,
    /// The step.
    pub step: Rc<Step>,
    /// Consoles, the shown one with its lines.
    pub terminal: Rc<Terminal>,
    /// Processes to choose from, for calls: task and name.
    pub processes: Rc<Vec<(TaskId, String)>>,
    /// Other futures: where each leaves the present one.
    pub branches: Rc<Vec<Branch>>,
}

/// The step that is shown, in words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Step {
    /// Number of the event, from 1; 0 before the first.
    pub number: u64,
    /// What happened, in one sentence.
    pub sentence: String,
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

/// The consoles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terminal {
    /// All of them.
    pub consoles: Vec<ConsoleId>,
    /// The one whose lines these are.
    pub console: u32,
    /// Its last lines.
    pub lines: Vec<Line>,
    /// There are more lines before.
    pub more: bool,
    /// What stands before the cursor; `None` while a command runs or when its shell is gone.
    pub prompt: Option<Prompt>,
    /// Its shell is gone.
    pub closed: bool,
    /// The cursor is in the past: what is typed starts a new branch.
    pub past: bool,
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

impl Default for Lab {
    fn default() -> Self {
        Lab::new()
    }
}

impl Lab {
    /// A freshly booted world.
    pub fn new() -> Lab {
        let timeline = Timeline::new(Config::default(), Machine::default());
        Lab {
            timeline,
            transcript: Transcript::default(),
            granularity: Granularity::Syscall,
            stride: None,
            turns: 0,
            paused: false,
            pending: Default::default(),
            wanted_cursor: None,
        }
    }

    /// A session that is restored bit by bit, as [`Lab::run`] is called.
    pub fn restore(session: Session, cursor: Option<u64>) -> Lab {
        let timeline = Timeline::new(session.config, Machine::default());
        Lab { timeline, pending: session.actions.into(), wanted_cursor: cursor, ..Lab::new() }
    }

    /// What the newest state is doing.
    pub fn motion(&self) -> Motion {
        match (self.timeline.is_at_rest() && self.pending.is_empty(), self.paused) {
            (true, _) => Motion::AtRest,
            (false, true) => Motion::Paused,
            (false, false) => Motion::Running,
        }
    }

    /// Whether a session is being restored.
    pub fn is_restoring(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Turns since somebody acted.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Events so far.
    pub fn len(&self) -> u64 {
        self.timeline.len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.timeline.is_empty()
    }

    /// The cursor.
    pub fn position(&self) -> u64 {
        self.timeline.position()
    }

    /// Whether the cursor is before the newest event.
    pub fn is_past(&self) -> bool {
        self.position() < self.len()
    }

    /// What makes this history again, and the cursor if it is not at the end.
    pub fn session(&self) -> (Session, Option<u64>) {
        let mut session = self.timeline.session();
        session.actions.extend(self.pending.iter().cloned());
        (session, self.wanted_cursor.or(self.is_past().then(|| self.position())))
    }

    // --- acting ---

    /// Acts at the cursor.
    pub fn act(&mut self, action: Action) {
        // Whoever acts before everything is restored keeps what there is so far.
        self.pending.clear();
        self.wanted_cursor = None;
        self.transcript.cut(self.position());
        self.timeline.act(action);
        self.turns = 0;
        self.paused = false;
    }

    /// Lets the newest state move on while `time_left` says so.
    pub fn run(&mut self, mut time_left: impl FnMut() -> bool) {
        if self.motion() != Motion::Running {
            return;
        }
        while time_left() {
            if self.feed() {
                continue;
            }
            let before = self.timeline.head().turn;
            let budget = self.budget();
            let at_rest = self.timeline.run(budget);
            self.turns += self.timeline.head().turn - before;
            if self.turns >= PAUSE_AFTER {
                self.paused = true;
            }
            if self.paused || (at_rest && self.pending.is_empty()) {
                break;
            }
        }
        if self.pending.is_empty()
            && let Some(cursor) = self.wanted_cursor
            && (self.len() >= cursor || self.motion() != Motion::Running)
        {
            self.wanted_cursor = None;
            self.seek(cursor);
        }
    }

    /// Turns until the next look at the clock; fewer when an action is due before.
    fn budget(&self) -> u64 {
        match self.pending.front() {
            Some(Stamped { when: When::AtTurn(turn), .. }) => {
                turn.saturating_sub(self.timeline.head().turn).clamp(1, TURNS_PER_LOOK)
            }
            _ => TURNS_PER_LOOK,
        }
    }

    /// Puts the next action of a session in if its time has come.
    fn feed(&mut self) -> bool {
        let due = self.pending.front().is_some_and(|next| match next.when {
            When::AtRest => self.timeline.is_at_rest(),
            When::AtTurn(turn) => self.timeline.is_at_rest() || self.timeline.head().turn >= turn,
        });
        if due && let Some(next) = self.pending.pop_front() {
            self.timeline.act(next.action);
            self.turns = 0;
        }
        due
    }

    /// Lets a paused history go on.
    pub fn go_on(&mut self) {
        self.turns = 0;
        self.paused = false;
    }

    // --- moving ---

    /// How coarse a step is.
    pub fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// Chooses how coarse a step is.
    pub fn set_granularity(&mut self, granularity: Granularity) {
        self.granularity = granularity;
        self.stride = None;
    }

    /// One step.
    pub fn step(&mut self, granularity: Granularity, direction: Direction) -> bool {
        self.stride = None;
        self.timeline.step(granularity, direction)
    }

    /// Into, over, out.
    pub fn stride(&mut self, stride: Stride, direction: Direction) -> bool {
        let before = self.position();
        let moved = self.timeline.stride(stride, direction);
        let after = self.position();
        self.stride = (before < after).then_some((before, after));
        moved
    }

    /// To the next event of a family.
    pub fn run_until(&mut self, family: Family, direction: Direction) -> bool {
        let moved = self.timeline.run_until(family, direction);
        let at = self.position();
        self.stride = Some((at.saturating_sub(1), at));
        moved
    }

    /// To where `position` events have happened.
    pub fn seek(&mut self, position: u64) {
        self.stride = None;
        self.timeline.seek(position);
    }

    /// Where the step begins that ends at the cursor: it depends on the place and the granularity only, so
    /// that a step back and a step forward show the same. Where an action has been carried out, the step
    /// is all that it has caused.
    fn step_from(&mut self) -> u64 {
        let at = self.position();
        if let Some((from, _)) = self.stride.filter(|(_, to)| *to == at) {
            return from;
        }
        let starts = self.timeline.action_starts();
        let earlier = starts.partition_point(|start| *start < at);
        let carried_out = at == self.len() || starts.get(earlier) == Some(&at);
        if carried_out {
            return earlier.checked_sub(1).and_then(|i| starts.get(i)).copied().unwrap_or(at);
        }
        if self.granularity == Granularity::Micro || at == 0 {
            return at.saturating_sub(1);
        }
        self.timeline.step(self.granularity, Direction::Back);
        let from = self.position();
        self.timeline.seek(at);
        from
    }

    /// Where the line of a log ends that has caused the actions before this one.
    pub fn seek_action(&mut self, action: usize) {
        let position = self.timeline.action_starts().get(action).copied().unwrap_or(self.len());
        self.seek(position);
    }

    /// How many actions the history has.
    pub fn actions(&self) -> usize {
        self.timeline.actions().len()
    }

    /// Shows another future.
    pub fn switch_branch(&mut self, index: usize) {
        self.timeline.switch_branch(index, PAUSE_AFTER);
        self.transcript.clear();
        self.stride = None;
        self.turns = 0;
        self.paused = false;
    }

    // --- showing ---

    /// Everything that the page shows of the moment at the cursor.
    pub fn show(&mut self, console: ConsoleId) -> Shown {
        let calm = self.motion() != Motion::Running;
        self.transcript.follow(&mut self.timeline, calm);
        let at = self.position();
        if !calm && at == self.len() {
            return self.show_running(console);
        }
        let from = self.step_from().min(at);
        self.timeline.seek(from);
        let before = self.timeline.world().clone();
        self.timeline.seek(at);
        let after = self.timeline.world().clone();
        let step = self.describe(&before, &after, from);
        Shown {
            tape: Rc::new(Tape::of(&mut self.timeline, from, true)),
            pid_views: Rc::new(PidViews::of_step(&before, &after)),
            tree: Rc::new(PidTree::of_step(&before, &after)),
            step: Rc::new(step),
            terminal: Rc::new(self.terminal(&after, console)),
            processes: Rc::new(processes(&after)),
            branches: Rc::new(self.branches()),
        }
    }

    /// The same in a hurry, while the history grows: no step is singled out.
    fn show_running(&mut self, console: ConsoleId) -> Shown {
        let world = self.timeline.world().clone();
        let at = self.position();
        let tape = Tape::of(&mut self.timeline, at, false);
        let sentence = "The machine runs. Interrupt it, or wait until it rests, to look at single steps.".to_owned();
        Shown {
            tape: Rc::new(tape),
            pid_views: Rc::new(PidViews::of(&world)),
            tree: Rc::new(PidTree::of(&world)),
            step: Rc::new(Step { number: at, sentence, ..Step::default() }),
            terminal: Rc::new(self.terminal(&world, console)),
            processes: Rc::new(processes(&world)),
            branches: Rc::new(self.branches()),
        }
    }

    /// What could stand at the cursor of a command line, as the shell of a console sees the world.
    pub fn complete(&self, console: ConsoleId, line: &str, cursor: usize) -> Completion {
        let world = self.timeline.world();
        let shell = world.consoles.get(console).map(|c| c.shell);
        shell.map_or_else(Completion::default, |task| kernel_model::shell::complete(world, task, line, cursor))
    }

    fn terminal(&self, world: &World, console: ConsoleId) -> Terminal {
        let at = self.position();
        let (lines, more) = self.transcript.lines(console, at);
        let shown = world.consoles.get(console);
        let waits = shown.is_some_and(|c| c.at_prompt && c.lines.is_empty());
        Terminal {
            consoles: world.consoles.ids().collect(),
            console: console.0,
            lines,
            more,
            prompt: if waits { Prompt::of(world, console) } else { None },
            closed: shown.is_none_or(|c| c.closed),
            past: self.is_past(),
        }
    }

    fn branches(&self) -> Vec<Branch> {
        let own = self.timeline.actions();
        let describe = |(index, actions): (usize, &Vec<Stamped>)| {
            let common = own.iter().zip(actions).take_while(|(a, b)| a == b).count();
            let first = actions.get(common).map_or_else(|| "ends earlier".to_owned(), |s| action_text(&s.action));
            Branch { index, actions: actions.len(), first }
        };
        self.timeline.branches().iter().enumerate().map(describe).collect()
    }

    fn describe(&mut self, before: &World, after: &World, from: u64) -> Step {
        let at = self.position();
        let changes = Changes::between(before, after);
        let around = self.around(after, from);
        let Some(event) = self.headline(from) else {
            return Step { sentence: "Nothing has happened yet.".to_owned(), around, ..Step::default() };
        };
        let explained = explain(&event, after);
        Step {
            number: at,
            sentence: explained.sentence,
            source: explained.source.to_owned(),
            call: call_line(&event),
            refusal: refusal(&event),
            family: Some(event.kind.family()),
            who: event.task.and_then(|task| who(after, before, task)),
            when: format!("{} s", event.at),
            changes,
            around,
        }
    }

    /// The event that stands for the step: the last one that is as coarse as a step is meant to be.
    fn headline(&mut self, from: u64) -> Option<Event> {
        const LOOKED_AT: u64 = 64;
        let at = self.position();
        let last = self.timeline.current_event()?;
        if self.granularity == Granularity::Micro || at == from {
            return Some(last);
        }
        let first = from.max(at.saturating_sub(LOOKED_AT));
        let events = self.timeline.events_in(first, (at - first) as usize);
        Some(events.into_iter().rev().find(|e| e.kind.granularity() <= self.granularity).unwrap_or(last))
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
                label: label::label(&event.kind, world),
                in_step: number >= from && number < at,
            })
            .collect()
    }
}

/// Processes to choose from.
fn processes(world: &World) -> Vec<(TaskId, String)> {
    world.processes.iter().take(MAX_CALLERS).map(|(_, p)| (p.leader, name_of(world, p.leader))).collect()
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

fn action_text(action: &Action) -> String {
    match action {
        Action::Line { text, .. } => text.lines().next().unwrap_or_default().to_owned(),
        Action::Interrupt { .. } => "Ctrl-C".to_owned(),
        Action::EndOfInput { .. } => "Ctrl-D".to_owned(),
        Action::Syscall { call, .. } => kernel_model::strace::print::print_call(call, None),
        Action::Wait { span } => format!("{span} s pass"),
        Action::OpenConsole => "another console".to_owned(),
        #[allow(unreachable_patterns)]
        _ => "an adjustment of a recorded log".to_owned(),
    }
}
