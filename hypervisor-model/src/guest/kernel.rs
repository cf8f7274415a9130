//! A kernel that is a guest: its world and the machine that it sees, without its drivers.
//!
//! What it prints and what it asks of devices comes back from each step as [`Asked`], for whatever drivers it has.

use std::sync::Arc;

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};
use kernel_model::machine::report::Report;
use kernel_model::machine::{Port, SystemId};
use kernel_model::namespace::uts::UtsNsId;
use kernel_model::net::packet::Frame;
use kernel_model::projection::prompt::Prompt;
use kernel_model::shell::{Complete, is_complete};
use kernel_model::step::{Running, Turn};
use kernel_model::time::Nanos;
use kernel_model::world::World;

use super::command_line;
use super::line_discipline::Typed;
use super::machine::GuestMachine;
use crate::machine::hardware::Hardware;

/// The only console of a guest.
const CONSOLE: ConsoleId = ConsoleId(1);

/// What a kernel wants of its devices.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Asked {
    /// Text for its console.
    pub printed: Vec<u8>,
    /// Requests to disks.
    pub requests: Vec<DiskRequest>,
    /// Frames to be sent.
    pub frames: Vec<(Port, Frame)>,
    /// Nothing happened.
    pub is_quiet: bool,
}

/// A kernel that runs as a guest on this hardware.
#[derive(Clone)]
pub struct GuestKernel<H: Hardware + Clone + 'static> {
    /// Its number among the kernels of the machine.
    pub system: SystemId,
    /// What it is called.
    pub name: Arc<str>,
    /// Its world, and what that runs on.
    pub running: Running<GuestMachine<H>>,
    /// The prompt of its shell has been printed.
    is_prompted: bool,
    /// Lines that are typed and not a command yet: a loop without its end.
    unfinished: String,
    /// What happened in it and was not reported yet.
    reports: Vec<Report>,
}

impl<H: Hardware + Clone + 'static> GuestKernel<H> {
    /// Boots a kernel on `machine` at this moment of the time of whoever runs it; on its command line are these
    /// words, if anybody has said what is.
    pub fn boot(system: SystemId, name: &str, machine: GuestMachine<H>, (now, words): (Nanos, Option<&str>)) -> Self {
        let mut world = World::boot(command_line::config(words.unwrap_or_default()));
        world.clock = now;
        if let Some(words) = words {
            world.command_line = words.into();
        }
        // Its disks are those that it finds.
        let standard: Vec<_> = world.block.disks.ids().collect();
        for disk in standard {
            world.block.disks.remove(disk);
        }
        if let Some(uts) = world.uts_namespaces.get_mut(UtsNsId(1)) {
            uts.nodename = name.into();
        }
        let running = Running::new(world, machine);
        GuestKernel {
            system,
            name: name.into(),
            running,
            is_prompted: false,
            unfinished: String::new(),
            reports: Vec::new(),
        }
    }

    /// Its world.
    pub fn world(&self) -> &World {
        &self.running.world
    }

    /// What happened in it since this was asked last.
    pub fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Time has passed without it.
    pub fn advance_to(&mut self, now: Nanos) -> Asked {
        let mut trace = Trace::new();
        self.running.advance_to(now, &mut trace);
        self.digest(trace.events)
    }

    /// It takes a turn.
    pub fn turn(&mut self) -> (Turn, Asked) {
        let mut trace = Trace::new();
        let turn = self.running.turn_in_time(&mut trace);
        (turn, self.digest(trace.events))
    }

    /// An interrupt, which it takes at the beginning of its next turn.
    pub fn interrupt(&mut self, interrupt: Interrupt) {
        self.running.machine.interrupts.push(interrupt);
    }

    /// Something was typed at its console, whose line discipline has echoed it.
    pub fn typed(&mut self, typed: Typed) -> Asked {
        let action = match typed {
            Typed::Line(line) => {
                let text = std::mem::take(&mut self.unfinished) + &line;
                if self.reads_a_command() && is_complete(&format!("{text}\n")) == Complete::Incomplete {
                    self.unfinished = text + "\n";
                    return Asked { printed: b"> ".to_vec(), is_quiet: true, ..Asked::default() };
                }
                self.is_prompted = false;
                Action::Line { console: CONSOLE, text }
            }
            Typed::Interrupt => {
                self.is_prompted &= std::mem::take(&mut self.unfinished).is_empty();
                Action::Interrupt { console: CONSOLE }
            }
            // The shell is given what there is, and says what is missing.
            Typed::EndOfInput if !self.unfinished.is_empty() => {
                self.is_prompted = false;
                Action::Line { console: CONSOLE, text: std::mem::take(&mut self.unfinished) }
            }
            Typed::EndOfInput => Action::EndOfInput { console: CONSOLE },
        };
        let mut trace = Trace::new();
        self.running.inject(&action, &mut trace);
        // The terminal has echoed what was typed, character by character.
        trace.events.retain(|event| !matches!(event.kind, EventKind::Output { .. }));
        self.digest(trace.events)
    }

    /// Reports what happened, and takes what it asks for.
    fn digest(&mut self, events: Vec<Event>) -> Asked {
        let mut asked = Asked { is_quiet: events.is_empty(), ..Asked::default() };
        for event in events {
            if let EventKind::Output { bytes, .. } = &event.kind {
                asked.printed.extend_from_slice(bytes);
            }
            let report = match event.kind {
                // What the machine of the guest did lies beneath the guest.
                EventKind::Machine(report) => report,
                _ => Report::Elsewhere { system: self.system, name: Arc::clone(&self.name), event: event.into() },
            };
            self.reports.push(report);
        }
        asked.requests = std::mem::take(&mut self.running.machine.asked);
        asked.frames = std::mem::take(&mut self.running.machine.sent);
        self.prompt(&mut asked.printed);
        asked
    }

    /// The shell waits for a command, and no line is on its way to it.
    fn reads_a_command(&self) -> bool {
        let console = self.running.world.consoles.get(CONSOLE);
        console.is_some_and(|console| console.at_prompt && !console.closed && console.lines.is_empty())
    }

    /// The shell prints its prompt when it begins to wait for a line.
    fn prompt(&mut self, printed: &mut Vec<u8>) {
        if !self.reads_a_command() {
            self.is_prompted = false;
        } else if !self.is_prompted {
            self.is_prompted = true;
            if let Some(prompt) = Prompt::of(&self.running.world, CONSOLE) {
                printed.extend_from_slice(format!("{}{} ", prompt.place, prompt.sign).as_bytes());
            }
        }
    }
}
