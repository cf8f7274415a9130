//! What unit tests share: a script typed at the console of the standard world, and what came out.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::world::{Config, World};

/// How many turns a line may take.
const BUDGET: u64 = 200_000;

/// The standard world after these lines, of which the last need not have come to an end.
pub fn world_after(lines: &[&str]) -> World {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    for line in lines {
        running.run(BUDGET, &mut Trace::silent());
        running.inject(&Action::Line { console: ConsoleId(1), text: (*line).to_owned() }, &mut Trace::silent());
    }
    for _ in 0..BUDGET {
        let console = &running.world.consoles[ConsoleId(1)];
        let done = console.at_prompt && console.lines.is_empty();
        if done || running.turn(&mut Trace::silent()) == crate::step::Turn::AtRest {
            break;
        }
    }
    running.world
}

/// What the lines print in a world of this kind, with `[exit N]` after those whose status is not 0.
pub fn run_in(config: Config, lines: &[&str]) -> String {
    let mut running = Running::new(World::boot(config), NoMachine);
    let mut text = String::new();
    let console = ConsoleId(1);
    for line in lines {
        let mut trace = Trace::new();
        running.run(BUDGET, &mut trace);
        running.inject(&Action::Line { console, text: (*line).to_owned() }, &mut trace);
        if !running.run(BUDGET, &mut trace) {
            text.push_str("[does not end]\n");
        }
        assert_eq!(running.world.check(), Ok(()), "after {line}");
        for event in trace.events {
            match event.kind {
                EventKind::Output { bytes, .. } => text.push_str(&String::from_utf8_lossy(&bytes)),
                EventKind::CommandEnded { status, .. } if status != 0 => text.push_str(&format!("[exit {status}]\n")),
                _ => {}
            }
        }
    }
    text
}

/// The same in the standard world.
pub fn run(lines: &[&str]) -> String {
    run_in(Config::default(), lines)
}
