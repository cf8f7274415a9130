//! A console in a world, for tests that read like sessions: what was typed, what came out.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::{Event, EventKind};
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::world::{Config, World};

/// How many turns a line may take.
const BUDGET: u64 = 400_000;

pub(crate) struct Session {
    pub(crate) running: Running<NoMachine>,
    /// What has happened since the first line was typed.
    pub(crate) events: Vec<Event>,
    /// Where in it the last line begins.
    last: usize,
}

impl Session {
    pub(crate) fn new(config: Config) -> Session {
        Session { running: Running::new(World::boot(config), NoMachine), events: Vec::new(), last: 0 }
    }

    /// What a line prints, with `[exit N]` when its status is not 0.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let mut trace = Trace::new();
        self.running.run(BUDGET, &mut trace);
        self.running.inject(&Action::Line { console: ConsoleId(1), text: line.to_owned() }, &mut trace);
        let ended = self.running.run(BUDGET, &mut trace);
        assert_eq!(self.running.world.check(), Ok(()), "after {line}");
        let mut text = String::new();
        for event in &trace.events {
            match &event.kind {
                EventKind::Output { bytes, .. } => text.push_str(&String::from_utf8_lossy(bytes)),
                EventKind::CommandEnded { status, .. } if *status != 0 => text.push_str(&format!("[exit {status}]\n")),
                _ => {}
            }
        }
        if !ended {
            text.push_str("[does not end]\n");
        }
        self.last = self.events.len();
        self.events.extend(trace.events);
        text
    }

    /// What happened during the last line.
    pub(crate) fn last_events(&self) -> &[Event] {
        &self.events[self.last..]
    }
}
