//! The same commands on several machines, aligned by system call: a kernel does the same everywhere, so the calls of one
//! lane stand beside those of another, and only what they cost differs.

use std::fmt::Write;

use kernel_model::action::When;
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

impl Comparison {
    /// Makes a session on each platform, and compares what its last action cost.
    pub fn of(session: &Session, what: &str, platforms: &[Platform]) -> Comparison {
        let lanes: Vec<Lane> = platforms.iter().map(|platform| Lane::run(session, *platform)).collect();
        let most = lanes.iter().map(|lane| lane.calls.len()).max().unwrap_or(0);
        let row = |i: usize| {
            let name = lanes.iter().find_map(|lane| lane.calls.get(i)).map_or("", |(name, _)| *name);
            CallRow {
                name,
                cells: lanes.iter().map(|lane| lane.calls.get(i).map(|c| c.1).unwrap_or_default()).collect(),
            }
        };
        Comparison {
            platforms: platforms.to_vec(),
            what: what.to_owned(),
            calls: (0..most.min(MAX_CALLS)).map(row).collect(),
            left_out: most.saturating_sub(MAX_CALLS),
            totals: lanes.iter().map(|lane| lane.total).collect(),
            is_cut: lanes.iter().any(|lane| lane.is_cut),
        }
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
        text
    }
}

struct Lane {
    calls: Vec<(&'static str, Cell)>,
    total: Cell,
    is_cut: bool,
}

impl Lane {
    fn run(session: &Session, platform: Platform) -> Lane {
        let config = Config { machine: platform.code(), ..session.config };
        let mut lane = Lane { calls: Vec::new(), total: Cell::default(), is_cut: false };
        // Here it is only counted: nobody reads what the machine tells.
        let Some(machine) = Costs::preset(DEFAULT_PRESET).ok().and_then(|costs| platform.machine(costs).ok()) else {
            return lane;
        };
        let mut running = Running::boot(config, machine);
        let mut left = MAX_TURNS;
        let count = session.actions.len();
        for (i, stamped) in session.actions.iter().enumerate() {
            let mut trace = Trace::silent();
            while left > 0 {
                let due = matches!(stamped.when, When::AtTurn(turn) if running.world.turn >= turn);
                if due || running.turn(&mut trace) == Turn::AtRest {
                    break;
                }
                left -= 1;
            }
            if i + 1 < count {
                running.inject(&stamped.action, &mut trace);
            } else {
                let before = Cell::of(running.machine.counters());
                running.inject(&stamped.action, &mut trace);
                lane.follow(&mut running, before, &mut left);
            }
        }
        lane.is_cut = left == 0;
        lane
    }

    fn follow(&mut self, running: &mut Running<Box<dyn Measured>>, before: Cell, left: &mut u64) {
        let mut last = before;
        loop {
            let mut trace = Trace::new();
            if *left == 0 || running.turn(&mut trace) == Turn::AtRest {
                return;
            }
            *left -= 1;
            self.calls.extend(trace.events.iter().filter_map(entered).map(|name| (name, Cell::default())));
            let now = Cell::of(running.machine.counters());
            let cost = Cell {
                exits: now.exits - last.exits,
                crossings: now.crossings - last.crossings,
                references: now.references - last.references,
                cycles: now.cycles - last.cycles,
            };
            last = now;
            self.total.add(cost);
            if let Some((_, cell)) = self.calls.last_mut() {
                cell.add(cost);
            }
        }
    }
}

fn entered(event: &Event) -> Option<&'static str> {
    match &event.kind {
        EventKind::CallEntered { call } => Some(call.nr.name()),
        _ => None,
    }
}
