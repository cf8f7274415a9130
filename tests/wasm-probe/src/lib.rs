//! The models, callable from JavaScript and natively alike: what one says, the other has to say, too.

pub mod translations;

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::pv_ops::NoMachine;
use kernel_model::step::{Running, Turn};
use kernel_model::world::{Config, World};
use std::hash::{DefaultHasher, Hasher};
use wasm_bindgen::prelude::wasm_bindgen;

/// Turns after which a command is given up.
const TURNS_MAX: u64 = 100_000;

/// A standard world in motion, and the console at which commands are typed.
struct Session {
    running: Running<NoMachine>,
    console: ConsoleId,
}

impl Session {
    fn boot(cgroup_v2: bool) -> Self {
        let world = World::boot(Config { cgroup_v2, ..Config::default() });
        let console = world.consoles.ids().next().unwrap_or(ConsoleId(0));
        Session { running: Running::new(world, NoMachine), console }
    }

    /// Types a command and takes turns until the shell is done with it; shows each event to `watch`.
    fn enter(&mut self, text: String, mut watch: impl FnMut(&Event)) {
        let mut trace = Trace::new();
        self.running.inject(&Action::Line { console: self.console, text }, &mut trace);
        for _ in 0..TURNS_MAX {
            let turn = self.running.turn(&mut trace);
            let ended = trace.events.iter().any(|event| matches!(event.kind, EventKind::CommandEnded { .. }));
            trace.events.drain(..).for_each(|event| watch(&event));
            if ended || turn == Turn::AtRest {
                break;
            }
        }
    }
}

/// Types commands into a standard world, one after the other, and gives for each a digest of all that
/// has happened so far and of the world as it is then.
#[wasm_bindgen]
pub fn digests(commands: Vec<String>, cgroup_v2: bool) -> Vec<String> {
    let mut session = Session::boot(cgroup_v2);
    let mut hasher = DefaultHasher::new();
    let mut digest_of = |text| {
        // Bytes and no numbers of the platform's size go in, so that both platforms hash the same.
        session.enter(text, |event| hasher.write(&bytes(event)));
        let mut at_the_end = hasher.clone();
        at_the_end.write(&bytes(&session.running.world));
        format!("{:016x}", at_the_end.finish())
    };
    commands.into_iter().map(&mut digest_of).collect()
}

/// Types commands into a standard world, one after the other, and counts the events.
#[wasm_bindgen]
pub fn count_events(commands: Vec<String>, cgroup_v2: bool) -> u32 {
    let mut session = Session::boot(cgroup_v2);
    let mut events = 0;
    commands.into_iter().for_each(|text| session.enter(text, |_| events += 1));
    events
}

/// The value as bytes. Every event and every world can be written; one that could not must not pass for equal.
fn bytes<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap_or_else(|e| panic!("a value of the models cannot be written: {e}"))
}
