//! The models, callable from JavaScript and natively alike: what one says, the other has to say, too.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::EventKind;
use kernel_model::kernel::Trace;
use kernel_model::pv_ops::NoMachine;
use kernel_model::step::{Running, Turn};
use kernel_model::world::{Config, World};
use std::hash::{DefaultHasher, Hasher};
use wasm_bindgen::prelude::wasm_bindgen;

/// Turns after which a command is given up.
const TURNS_MAX: u64 = 100_000;

/// Types commands into a standard world, one after the other, and gives for each a digest of all that
/// has happened so far and of the world as it is then.
#[wasm_bindgen]
pub fn digests(commands: Vec<String>, cgroup_v2: bool) -> Vec<String> {
    let world = World::boot(Config { cgroup_v2, terminal: false });
    let console = world.consoles.ids().next().unwrap_or(ConsoleId(0));
    let mut running = Running::new(world, NoMachine);
    let mut hasher = DefaultHasher::new();
    let mut digest_of = |text| {
        let mut trace = Trace::new();
        running.inject(&Action::Line { console, text }, &mut trace);
        for _ in 0..TURNS_MAX {
            let turn = running.turn(&mut trace);
            let ended = trace.events.iter().any(|event| matches!(event.kind, EventKind::CommandEnded { .. }));
            for event in trace.events.drain(..) {
                hasher.write(&bytes(&event));
            }
            if ended || turn == Turn::AtRest {
                break;
            }
        }
        // Bytes and no numbers of the platform's size go in, so that both platforms hash the same.
        let mut at_the_end = hasher.clone();
        at_the_end.write(&bytes(&running.world));
        format!("{:016x}", at_the_end.finish())
    };
    commands.into_iter().map(&mut digest_of).collect()
}

/// The value as bytes. Every event and every world can be written; one that could not must not pass for equal.
fn bytes<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap_or_else(|e| panic!("a value of the models cannot be written: {e}"))
}
