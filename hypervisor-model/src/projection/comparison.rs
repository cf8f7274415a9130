//! The same commands on several machines, aligned by system call: a kernel does the same everywhere, so the calls of one
//! lane stand beside those of another, and only what they cost differs.

use std::fmt::Write;

use kernel_model::action::{Stamped, When};
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::step::{Running, Turn};
use kernel_model::timeline::Session;
use kernel_model::world::Config;

use crate::machine::Platform;
use crate::machine::cost::{Costs, DEFAULT_PRESET};
use crate::machine::counters::Counters;
use crate::machine::measured::Measured;

/// Most calls that are shown.
pub const MAX_CALLS: usize = 120;
/// Turns after which a lane is given up.
const MAX_TURNS: u64 = 60_000;

/// What something cost on one platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cell {
    /// VM exits.
    pub exits: u64,
    /// Crossings between rings.
    pub crossings: u64,
    /// References of page walks.
    pub references: u64,
    /// Modelled cycles.
    pub cycles: u64,
}

impl Cell {
    fn of(counters: &Counters) -> Cell {
        Cell {
            exits: counters.exits(),
            crossings: counters.ring_crossings,
            references: counters.walk_references,
            cycles: counters.total_cycles(),
        }
    }

    fn add(&mut self, more: Cell) {
        self.exits += more.exits;
        self.crossings += more.crossings;
        self.references += more.references;
        self.cycles += more.cycles;
    }
}

/// A system call, with a cell a platform.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRow {
    /// Its name.
    pub name: &'static str,
    /// What it cost, in the order of the platforms.
    pub cells: Vec<Cell>,
}

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Comparison {
    /// The platforms.
    pub platforms: Vec<Platform>,
    /// What was done, as it was typed.
    pub what: String,
    /// The calls, in order.
    pub calls: Vec<CallRow>,
    /// Calls after these.
    pub left_out: usize,
    /// All together.
    pub totals: Vec<Cell>,
    /// The lanes were given up before the command was done.
    pub is_cut: bool,
}

/// A comparison that is being made: a session is made on each platform, and what its last action costs is counted. That takes
/// a while, so it is done bit by bit.
pub struct Comparing {
    actions: Vec<Stamped>,
    what: String,
    lanes: Vec<Lane>,
}

impl Comparing {
    /// Begins to compare; `what` is the last action as it was typed.
    pub fn new(session: &Session, what: &str, platforms: &[Platform]) -> Comparing {
        let lanes = platforms.iter().map(|platform| Lane::new(session.config, *platform)).collect();
        Comparing { actions: session.actions.clone(), what: what.to_owned(), lanes }
    }

    /// Goes on as long as `more` says so. Whether it is done.
    pub fn work(&mut self, mut more: impl FnMut() -> bool) -> bool {
        self.lanes.iter_mut().all(|lane| lane.work(&self.actions, &mut more))
    }

    /// How much of it is done, in percent.
    pub fn percent(&self) -> u32 {
        let lane = |lane: &Lane| match lane.is_done {
            true => 100,
            false => lane.next * 100 / self.actions.len().max(1),
        };
        let all: usize = self.lanes.iter().map(lane).sum();
        (all / self.lanes.len().max(1)) as u32
    }

    /// What has been found so far.
    pub fn comparison(&self) -> Comparison {
        let lanes = &self.lanes;
        let most = lanes.iter().map(|lane| lane.calls.len()).max().unwrap_or(0);
        let row = |i: usize| {
            let name = lanes.iter().find_map(|lane| lane.calls.get(i)).map_or("", |(name, _)| *name);
            CallRow {
                name,
                cells: lanes.iter().map(|lane| lane.calls.get(i).map(|c| c.1).unwrap_or_default()).collect(),
            }
        };
        Comparison {
            platforms: lanes.iter().map(|lane| lane.platform).collect(),
            what: self.what.clone(),
            calls: (0..most.min(MAX_CALLS)).map(row).collect(),
            left_out: most.saturating_sub(MAX_CALLS),
            totals: lanes.iter().map(|lane| lane.total).collect(),
            is_cut: lanes.iter().any(|lane| lane.left == 0),
        }
    }
}

impl Comparison {
    /// Makes a session on each platform, and compares what its last action cost.
    pub fn of(session: &Session, what: &str, platforms: &[Platform]) -> Comparison {
        let mut comparing = Comparing::new(session, what, platforms);
        comparing.work(|| true);
        comparing.comparison()
    }

    /// The most expensive cell, for bars.
    pub fn dearest(&self) -> u64 {
        self.calls.iter().flat_map(|row| &row.cells).map(|cell| cell.cycles).max().unwrap_or(0)
    }

    /// The text twin.
    pub fn text(&self) -> String {
        if self.platforms.is_empty() {
            return "Nothing has been compared yet.\n".to_owned();
        }
        let mut text = format!("{}\ncycles (VM exits)\n\n{:<20}", self.what, "system call");
        for platform in &self.platforms {
            let _ = write!(text, " {:>20}", platform.to_string());
        }
        text.push('\n');
        let mut line = |name: &str, cells: &[Cell]| {
            let _ = write!(text, "{name:<20}");
            for cell in cells {
                let _ = write!(text, " {:>20}", format!("{} ({})", cell.cycles, cell.exits));
            }
            text.push('\n');
        };
        self.calls.iter().for_each(|row| line(row.name, &row.cells));
        line("all", &self.totals);
        if self.left_out > 0 {
            let _ = writeln!(text, "{} more calls are in the sum", self.left_out);
        }
        if self.is_cut {
            let _ = writeln!(text, "cut off: it was not done after {MAX_TURNS} turns");
        }
        text
    }
}

/// The session on one platform.
struct Lane {
    platform: Platform,
    /// Nothing when the platform cannot be had.
    running: Option<Running<Box<dyn Measured>>>,
    /// The next action.
    next: usize,
    /// Turns until it is given up.
    left: u64,
    is_done: bool,
    /// What the last turn ended with, once the last action has been put in.
    last: Option<Cell>,
    calls: Vec<(&'static str, Cell)>,
    total: Cell,
}

impl Lane {
    fn new(config: Config, platform: Platform) -> Lane {
        let config = Config { machine: platform.code(), ..config };
        // Here it is only counted: nobody reads what the machine tells.
        let machine = Costs::preset(DEFAULT_PRESET).ok().and_then(|costs| platform.machine(costs).ok());
        Lane {
            platform,
            running: machine.map(|machine| Running::boot(config, machine)),
            next: 0,
            left: MAX_TURNS,
            is_done: false,
            last: None,
            calls: Vec::new(),
            total: Cell::default(),
        }
    }

    /// Goes on with the session as long as `more` says so. Whether the last action is done.
    fn work(&mut self, actions: &[Stamped], more: &mut impl FnMut() -> bool) -> bool {
        while !self.is_done {
            if self.left == 0 || !self.turn(actions) {
                self.is_done = true;
                // What else was running is of no use any more.
                self.running = None;
            } else if !more() {
                return false;
            }
        }
        true
    }

    /// Puts the next action in, or lets the kernel take a turn. False when the last action is done.
    fn turn(&mut self, actions: &[Stamped]) -> bool {
        let Some(running) = &mut self.running else { return false };
        let next = actions.get(self.next);
        let mut trace = if self.last.is_some() { Trace::new() } else { Trace::silent() };
        let due = next.is_some_and(|s| matches!(s.when, When::AtTurn(turn) if running.world.turn >= turn));
        if !due {
            self.left -= 1;
            if running.turn(&mut trace) != Turn::AtRest {
                self.count(&trace.events);
                return true;
            }
        }
        let Some(next) = next else { return false };
        self.next += 1;
        if self.next == actions.len() {
            self.last = Some(Cell::of(running.machine.counters()));
        }
        running.inject(&next.action, &mut trace);
        true
    }

    /// Counts what a turn cost, once it is the last action's.
    fn count(&mut self, events: &[Event]) {
        let (Some(last), Some(running)) = (self.last, &self.running) else { return };
        self.calls.extend(events.iter().filter_map(entered).map(|name| (name, Cell::default())));
        let now = Cell::of(running.machine.counters());
        let cost = Cell {
            exits: now.exits - last.exits,
            crossings: now.crossings - last.crossings,
            references: now.references - last.references,
            cycles: now.cycles - last.cycles,
        };
        self.last = Some(now);
        self.total.add(cost);
        if let Some((_, cell)) = self.calls.last_mut() {
            cell.add(cost);
        }
    }
}

fn entered(event: &Event) -> Option<&'static str> {
    match &event.kind {
        EventKind::CallEntered { call } => Some(call.nr.name()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::action::Action;
    use kernel_model::console::ConsoleId;

    fn session(lines: &[&str]) -> Session {
        let line = |text: &&str| Action::Line { console: ConsoleId(1), text: (*text).to_owned() };
        let actions = lines.iter().map(|l| Stamped { when: When::AtRest, action: line(l) }).collect();
        Session { config: Config { terminal: true, ..Config::default() }, actions }
    }

    const PLATFORMS: [Platform; 2] = [Platform::Native, Platform::KvmShadow];

    #[test]
    fn bit_by_bit_is_the_same_as_at_once() {
        let session = session(&["sleep 100 &", "/bin/true"]);
        let mut comparing = Comparing::new(&session, "/bin/true", &PLATFORMS);
        let mut slices = 0;
        while !comparing.work(|| false) {
            assert!(comparing.percent() <= 100);
            slices += 1;
        }
        let whole = Comparison::of(&session, "/bin/true", &PLATFORMS);
        assert_eq!(comparing.comparison(), whole);
        assert!(slices > 20, "it was done in {slices} slices");
        assert!(whole.calls.iter().any(|row| row.name == "execve"), "{}", whole.text());
        assert!(whole.totals[1].exits > 0 && whole.totals[0].exits == 0, "{}", whole.text());
        assert!(!whole.is_cut && !whole.text().contains("cut off"));
    }

    #[test]
    fn what_does_not_end_is_cut_off_and_says_so() {
        let whole = Comparison::of(&session(&["while :; do :; done"]), "a loop", &PLATFORMS[..1]);
        assert!(whole.is_cut && whole.text().contains("cut off"), "{}", whole.text());
    }
}
