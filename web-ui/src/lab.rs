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
    /// Where the cursor is to be when the session is restored.
    wanted_cursor: Option<u64>,
    /// The same as a place that this history has in common with the one that was looked at before.
    wanted_place: Option<Place>,
    /// The same as the name of a step of its last action.
    wanted_step: Option<&'static str>,
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
            wanted_cursor: None,
            wanted_place: None,
            wanted_step: None,
            queued: Default::default(),
        }
    }

    /// A session that is restored bit by bit, as [`Lab::run`] is called.
    pub fn restore(session: Session, cursor: Option<u64>) -> Lab {
        let timeline = Timeline::new(session.config, machine_of(&session.config));
        Lab { pending: session.actions.into(), wanted_cursor: cursor, ..Lab::of(timeline) }
    }

    /// The same; the cursor is to be at the first step of the last action that is called so.
    #[must_use]
    pub fn opening_at(self, step: Option<&'static str>) -> Lab {
        Lab { wanted_step: step, ..self }
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
        lab.wanted_place = place;
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
        if self.wanted_cursor.is_none() && !self.is_past() {
            let at_rest = |action: &Action| Stamped { when: When::AtRest, action: action.clone() };
            session.actions.extend(self.queued.iter().map(at_rest));
        }
        (session, self.session_cursor())
    }

    /// The cursor if it is not at the end.
    pub fn session_cursor(&self) -> Option<u64> {
        self.wanted_cursor.or(self.is_past().then(|| self.position()))
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
        if self.pending.is_empty()
            && let Some(cursor) = self.wanted_cursor
            && (self.len() >= cursor || self.motion() != Motion::Running)
        {
            self.wanted_cursor = None;
            self.seek(cursor);
        }
        if self.pending.is_empty()
            && self.motion() != Motion::Running
            && let Some(place) = self.wanted_place.take()
        {
            self.timeline.seek_place(place);
        }
        if self.pending.is_empty()
            && self.motion() != Motion::Running
            && let Some(step) = self.wanted_step.take()
        {
            self.timeline.seek_step(step);
        }
        if self.pending.is_empty() && self.is_at_its_place() {
            while let Some(action) = self.queued.pop_front() {
                self.act(action);
            }
        }
    }

    /// The cursor is where it is to be when the session is restored.
    fn is_at_its_place(&self) -> bool {
        self.wanted_cursor.is_none() && self.wanted_place.is_none() && self.wanted_step.is_none()
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
            self.wanted_cursor = Some(position);
            (self.wanted_place, self.wanted_step) = (None, None);
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
mod tests {
    use super::*;

    fn line(text: &str) -> Action {
        Action::Line { console: ConsoleId(1), text: text.to_owned() }
    }

    fn at_rest(lab: &mut Lab) {
        for _ in 0..1000 {
            lab.run(|| true);
            if lab.motion() == Motion::AtRest {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn with(lines: &[&str]) -> Lab {
        let mut lab = Lab::new();
        for text in lines {
            lab.act(line(text));
            at_rest(&mut lab);
        }
        lab
    }

    fn typed(lab: &Lab) -> Vec<Action> {
        lab.session().0.actions.into_iter().map(|stamped| stamped.action).collect()
    }

    #[test]
    fn what_is_typed_while_a_session_is_restored_comes_after_it() {
        let (session, cursor) = with(&["echo one", "echo two"]).session();
        let mut lab = Lab::restore(session, cursor);
        lab.act(line("echo three"));
        let all = [line("echo one"), line("echo two"), line("echo three")];
        assert_eq!(typed(&lab), all, "and is kept meanwhile");
        at_rest(&mut lab);
        assert_eq!((typed(&lab), lab.other_futures().len()), (all.to_vec(), 0));
    }

    #[test]
    fn what_is_typed_while_a_session_is_restored_into_the_past_makes_a_branch_there() {
        let mut lab = with(&["echo one", "echo two"]);
        lab.step(Granularity::Command, Direction::Back);
        lab.step(Granularity::Command, Direction::Back);
        let (session, cursor) = lab.session();
        assert!(cursor.is_some());
        let mut again = Lab::restore(session, cursor);
        again.act(line("echo three"));
        at_rest(&mut again);
        assert_eq!(typed(&again).last(), Some(&line("echo three")));
        assert_eq!(again.other_futures().len(), 1, "the rest of the session is another future");
        assert_eq!(again.other_futures()[0].len(), 2);
    }

    #[test]
    fn another_machine_shows_the_same_place_and_prints_the_same() {
        let mut lab = with(&["/bin/true; cat /proc/version | cut -c1-5", "echo two"]);
        lab.seek(lab.actions() as u64);
        lab.seek_action(1);
        for _ in 0..40 {
            lab.step(Granularity::Micro, Direction::Back);
        }
        let here = lab.timeline.current_event();
        let count = |lab: &mut Lab| {
            let all = lab.timeline.events_in(0, usize::MAX >> 1);
            all.iter().filter(|e| e.kind.family() == Family::Exit).count()
        };
        for platform in Platform::all() {
            let mut other = lab.on_machine(platform.code());
            at_rest(&mut other);
            let there = other.timeline.current_event();
            assert_eq!(here.as_ref().map(|e| &e.kind), there.as_ref().map(|e| &e.kind), "{platform}");
            let exits = count(&mut other);
            // Xen gives an HVM guest all its memory, in large pages, before it runs: nothing here makes that one leave.
            let leaves = platform.is_hardware_assisted() && platform != Platform::XenHvm;
            assert_eq!(exits > 0, leaves, "{platform}: {exits}");
            let mut back = other.on_machine(0);
            at_rest(&mut back);
            assert_eq!((back.position(), back.len()), (lab.position(), lab.len()), "{platform}");
            assert_eq!(back.session(), lab.session());
        }
    }

    #[test]
    fn other_futures_are_there_after_restoring() {
        let branches = vec![with(&["echo other"]).session().0.actions];
        let (session, cursor) = with(&["echo one"]).session();
        let mut lab = Lab::restore(session, cursor).with_branches(branches.clone());
        at_rest(&mut lab);
        assert_eq!(lab.other_futures(), branches);
    }

    fn slices_of(lab: &mut Lab, count: u32) {
        let mut left = count;
        lab.run(|| {
            left -= 1;
            left > 0
        });
    }

    #[test]
    fn what_was_typed_is_shown_of_each_of_several_long_commands() {
        let mut lab = Lab::new();
        at_rest(&mut lab);
        lab.transcript.follow(&mut lab.timeline, true);
        for _ in 0..3 {
            let before = lab.len();
            lab.act(line("i=0; while [ $i -lt 100 ]; do i=$((i + 1)); /bin/true; done"));
            // The page looks at once, when only the key has arrived.
            lab.timeline.to_end();
            lab.transcript.follow(&mut lab.timeline, false);
            while lab.motion() == Motion::Running {
                slices_of(&mut lab, 60);
                lab.timeline.to_end();
                let calm = lab.motion() != Motion::Running;
                lab.transcript.follow(&mut lab.timeline, calm);
            }
            assert!(lab.len() > before + 4500, "each does more than is read in one go: {}", lab.len() - before);
        }
        let (lines, _) = lab.transcript.lines(ConsoleId(1), lab.position());
        assert_eq!(lines.iter().filter(|l| l.prompt.is_some()).count(), 3);
    }

    #[test]
    fn what_was_typed_stays_above_what_a_long_command_prints() {
        let mut lab = Lab::new();
        at_rest(&mut lab);
        lab.transcript.follow(&mut lab.timeline, true);
        lab.act(line("i=0; while [ $i -lt 400 ]; do i=$((i + 1)); done; echo $((500 + 5))"));
        while lab.motion() == Motion::Running {
            slices_of(&mut lab, 2);
            let calm = lab.motion() != Motion::Running;
            lab.transcript.follow(&mut lab.timeline, calm);
            let at = lab.position();
            lab.timeline.seek(at.saturating_sub(3));
            lab.timeline.seek(at);
        }
        let (lines, _) = lab.transcript.lines(ConsoleId(1), lab.position());
        let typed = lines.iter().filter(|l| l.prompt.is_some()).count();
        assert_eq!((typed, lines.last().map(|l| l.text.as_str())), (1, Some("505")));
    }

    #[test]
    fn what_a_long_command_printed_on_its_way_is_there_when_it_is_done() {
        let mut lab = Lab::new();
        at_rest(&mut lab);
        lab.transcript.follow(&mut lab.timeline, true);
        lab.act(line("for n in 1 2 3 4; do i=0; while [ $i -lt 400 ]; do i=$((i + 1)); done; echo part $n; done"));
        while lab.motion() == Motion::Running {
            slices_of(&mut lab, 60);
            lab.timeline.to_end();
            let calm = lab.motion() != Motion::Running;
            lab.transcript.follow(&mut lab.timeline, calm);
        }
        for _ in 0..100 {
            lab.transcript.follow(&mut lab.timeline, true);
        }
        assert!(!lab.is_behind());
        let (lines, _) = lab.transcript.lines(ConsoleId(1), lab.position());
        let printed: Vec<_> = lines.iter().filter(|l| l.prompt.is_none()).map(|l| l.text.as_str()).collect();
        assert_eq!(printed, ["part 1", "part 2", "part 3", "part 4"]);
        assert_eq!(lines.iter().filter(|l| l.prompt.is_some()).count(), 1);
    }
}
