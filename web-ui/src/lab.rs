//! The history that is looked at: acting in it, moving in it. What the page shows of it is made in `shown`.

use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::{Measured, machine_of};
use hypervisor_model::projection::comparison::Comparing;
use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, Family, Granularity};
use kernel_model::projection::process_index::ProcessIndex;
use kernel_model::security::lsm::LsmChoice;
use kernel_model::shell::Completion;
use kernel_model::timeline::{Direction, Place, Session, Stride, Timeline};
use kernel_model::world::{Config, World};

use crate::reel::Reel;
use crate::shown::action_text;
use crate::transcript::Transcript;

/// The machine below the kernel.
pub type Machine = Box<dyn Measured>;

/// Turns without rest after which the history pauses by itself.
pub const PAUSE_AFTER: u64 = 300_000;

/// Turns between two looks at the clock. A turn in which a program is brought back to where it was can take long.
const TURNS_PER_LOOK: u64 = 2;

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

/// What a search has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sought {
    /// Found, here.
    At(u64),
    /// It is nowhere.
    Nowhere,
    /// There is more to look through.
    NotYet,
}

/// Where the cursor is to be.
enum Wanted {
    /// After so many events.
    Cursor(u64),
    /// At the place that this history has in common with the one that was looked at before.
    Place(Place),
    /// At the first step of the last action whose label contains this.
    Step(&'static str),
}

/// A history, and where and how it is looked at.
pub struct Lab {
    pub(crate) timeline: Timeline<Machine>,
    pub(crate) transcript: Transcript,
    pub(crate) reel: Reel,
    /// Whose child each process is and the like, as it was found for the last picture.
    pub(crate) index: ProcessIndex,
    /// How coarse a step is.
    granularity: Granularity,
    /// A longer step than that, over or out of something: its first event and its end.
    stride: Option<(u64, u64)>,
    /// Turns since somebody acted or said that it may go on.
    turns: u64,
    paused: bool,
    /// Actions of a session that is being restored, the next one first.
    pending: std::collections::VecDeque<Stamped>,
    /// Where the cursor is to be when the session is restored; `None` for its end.
    wanted: Option<Wanted>,
    /// What somebody did meanwhile: it is done when the session is there.
    queued: std::collections::VecDeque<Action>,
}

/// The world that a new session begins with: its consoles are terminals.
const CONFIG: Config = Config { cgroup_v2: false, terminal: true, lsm: LsmChoice::None, machine: 0 };

impl Default for Lab {
    fn default() -> Self {
        Lab::new()
    }
}

impl Lab {
    /// A freshly booted world.
    pub fn new() -> Lab {
        Lab::of(Timeline::new(CONFIG, machine_of(&CONFIG)))
    }

    fn of(timeline: Timeline<Machine>) -> Lab {
        Lab {
            timeline,
            transcript: Transcript::default(),
            reel: Reel::default(),
            index: ProcessIndex::default(),
            granularity: Granularity::Syscall,
            stride: None,
            turns: 0,
            paused: false,
            pending: Default::default(),
            wanted: None,
            queued: Default::default(),
        }
    }

    /// A session that is restored bit by bit, as [`Lab::run`] is called.
    pub fn restore(session: Session, cursor: Option<u64>) -> Lab {
        let timeline = Timeline::new(session.config, machine_of(&session.config));
        Lab { pending: session.actions.into(), wanted: cursor.map(Wanted::Cursor), ..Lab::of(timeline) }
    }

    /// The same; the cursor is to be at the first step of the last action that is called so.
    #[must_use]
    pub fn opening_at(self, step: Option<&'static str>) -> Lab {
        Lab { wanted: step.map(Wanted::Step).or(self.wanted), ..self }
    }

    /// The same with other futures that were given up.
    pub fn with_branches(mut self, branches: Vec<Vec<Stamped>>) -> Lab {
        branches.into_iter().for_each(|actions| self.timeline.keep_branch(actions));
        self
    }

    /// The same session on another machine, to be looked at in the same place: it is made again bit by bit.
    pub fn on_machine(&mut self, machine: u8) -> Lab {
        let place = self.is_past().then(|| self.timeline.place());
        let (session, _) = self.session();
        let config = Config { machine, ..session.config };
        let branches = self.other_futures().to_vec();
        let mut lab = Lab::restore(Session { config, ..session }, None).with_branches(branches);
        lab.wanted = place.map(Wanted::Place);
        lab.granularity = self.granularity;
        lab
    }

    /// The number of the machine below.
    pub fn machine(&self) -> u8 {
        self.timeline.session_config().machine
    }

    /// What the last action before the cursor costs on some platforms: the session is made again on each, bit by bit.
    pub fn compare(&self, platforms: &[Platform]) -> Comparing {
        let session = self.timeline.session_at_cursor();
        let what = session.actions.last().map(|stamped| action_text(&stamped.action)).unwrap_or_default();
        Comparing::new(&session, &what, platforms)
    }

    /// Other futures, oldest first.
    pub fn other_futures(&self) -> &[Vec<Stamped>] {
        self.timeline.branches()
    }

    /// What the newest state is doing.
    pub fn motion(&self) -> Motion {
        match (self.timeline.is_at_rest() && self.pending.is_empty(), self.paused) {
            (true, _) => Motion::AtRest,
            (false, true) => Motion::Paused,
            (false, false) => Motion::Running,
        }
    }

    /// Output that was passed over while the machine ran is still to be read.
    pub fn is_behind(&self) -> bool {
        self.motion() != Motion::Running && self.transcript.is_behind()
    }

    /// Whether a session is being restored.
    pub fn is_restoring(&self) -> bool {
        !self.pending.is_empty()
    }

    /// How much was done meanwhile and waits for the session to be there.
    pub fn queued(&self) -> usize {
        self.queued.len()
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
        if !matches!(self.wanted, Some(Wanted::Cursor(_))) && !self.is_past() {
            let at_rest = |action: &Action| Stamped { when: When::AtRest, action: action.clone() };
            session.actions.extend(self.queued.iter().map(at_rest));
        }
        (session, self.session_cursor())
    }

    /// The cursor if it is not at the end.
    pub fn session_cursor(&self) -> Option<u64> {
        match self.wanted {
            Some(Wanted::Cursor(cursor)) => Some(cursor),
            _ => self.is_past().then(|| self.position()),
        }
    }

    // --- acting ---

    /// Acts at the cursor. While a session is being restored it is done when that is there, at the place where the
    /// cursor is to be then.
    pub fn act(&mut self, action: Action) {
        if self.is_restoring() {
            self.queued.push_back(action);
            self.paused = false;
            self.turns = 0;
            return;
        }
        // What stands before the command is read now: the command may do more than is read in one go.
        self.transcript.follow(&mut self.timeline, true);
        self.transcript.cut(self.position());
        self.reel.cut(self.position());
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
            // What is restored was interrupted at some turn; until then it is known to go on.
            let known = matches!(self.pending.front(), Some(Stamped { when: When::AtTurn(_), .. }));
            if self.turns >= PAUSE_AFTER && !known {
                self.paused = true;
            }
            if self.paused || (at_rest && self.pending.is_empty()) {
                break;
            }
        }
        if self.pending.is_empty() {
            self.go_where_wanted();
        }
    }

    /// The session is there, or is running its last action: goes where the cursor is to be, and does what somebody did meanwhile.
    fn go_where_wanted(&mut self) {
        let is_there = self.motion() != Motion::Running;
        match self.wanted.take() {
            Some(Wanted::Cursor(cursor)) if is_there || self.len() >= cursor => self.seek(cursor),
            Some(Wanted::Place(place)) if is_there => self.timeline.seek_place(place),
            Some(Wanted::Step(step)) if is_there => self.timeline.seek_step(step),
            not_yet => self.wanted = not_yet,
        }
        if self.wanted.is_none() {
            while let Some(action) = self.queued.pop_front() {
                self.act(action);
            }
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
        if self.is_restoring() {
            // Whoever goes somewhere else wants to be there, too, when everything is restored.
            self.wanted = Some(Wanted::Cursor(position));
        }
        self.timeline.seek(position);
    }

    /// Where the step begins that ends at the cursor: it depends on the place and the granularity only, so
    /// that a step back and a step forward show the same. Where an action has been carried out, the step
    /// is all that it has caused.
    pub(crate) fn step_from(&mut self) -> u64 {
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

    /// Looks for the place just after the first event that an action from number `action` on has caused and that `matches`,
    /// with the world after it, as long as `more` says so; `next` is where to go on.
    pub fn find_event(
        &mut self,
        action: usize,
        next: &mut u64,
        matches: impl Fn(&Event, &World) -> bool,
        mut more: impl FnMut() -> bool,
    ) -> Sought {
        let Some(first) = self.timeline.action_starts().get(action).copied() else { return Sought::Nowhere };
        let at = self.position();
        let mut found = Sought::Nowhere;
        *next = (*next).max(first + 1);
        while *next <= self.len() {
            self.timeline.seek(*next);
            if self.timeline.current_event().is_some_and(|event| matches(&event, self.timeline.world())) {
                found = Sought::At(*next);
                break;
            }
            *next += 1;
            if !more() {
                found = Sought::NotYet;
                break;
            }
        }
        self.timeline.seek(at);
        found
    }

    /// How many actions the history has.
    pub fn actions(&self) -> usize {
        self.timeline.actions().len()
    }

    /// Shows another future.
    pub fn switch_branch(&mut self, index: usize) {
        self.timeline.switch_branch(index, PAUSE_AFTER);
        self.transcript.clear();
        self.reel = Reel::default();
        self.stride = None;
        self.turns = 0;
        self.paused = false;
    }

    /// What could stand at the cursor of a command line, as the shell of a console sees the world.
    pub fn complete(&self, console: ConsoleId, line: &str, cursor: usize) -> Completion {
        let world = self.timeline.world();
        let shell = world.consoles.get(console).map(|c| c.shell);
        shell.map_or_else(Completion::default, |task| kernel_model::shell::complete(world, task, line, cursor))
    }
}

#[cfg(test)]
mod tests;
