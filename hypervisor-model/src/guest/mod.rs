//! A kernel as a guest: its world, the machine that it sees, and its drivers.
//!
//! What a guest's kernel asks of its devices becomes accesses to their registers, one after the other, in the order in
//! which Linux's drivers make them ([`driver`]). Each such access is an exit; who answers it is the hypervisor's business.

pub mod driver;
pub mod machine;
pub mod memory;

use std::sync::Arc;

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::machine::SystemId;
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::machine::report::Report;
use kernel_model::namespace::uts::UtsNsId;
use kernel_model::projection::prompt::Prompt;
use kernel_model::step::{Running, Turn};
use kernel_model::time::Nanos;
use kernel_model::world::{Config, World};

use driver::{Done, Drivers, Typed};
use machine::GuestMachine;
use memory::GuestMemory;

use crate::cpu::Cause;
use crate::machine::hardware::Hardware;
use crate::machine::virtual_processor::VirtualProcessor;

/// The only console of a guest: `/dev/ttyS0`.
const CONSOLE: ConsoleId = ConsoleId(1);

/// A kernel that runs as a guest.
#[derive(Clone)]
pub struct Guest {
    /// Its number among the kernels of the machine.
    pub system: SystemId,
    /// What it is called.
    pub name: Arc<str>,
    /// Its kernel, and what that runs on.
    pub running: Running<GuestMachine>,
    /// Its drivers.
    pub drivers: Drivers,
    /// The prompt of its shell has been printed.
    is_prompted: bool,
    /// What happened in it and was not reported yet.
    reports: Vec<Report>,
}

/// What a guest did in its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Did {
    /// One thing, and there may be more.
    Ran,
    /// Nothing: its processors wait for an interrupt, at the latest at this moment.
    Halted(Option<Nanos>),
}

impl Guest {
    /// Boots a kernel on `machine` at this moment of the host's time.
    pub fn boot(system: SystemId, name: &str, machine: GuestMachine, drivers: Drivers, now: Nanos) -> Guest {
        let config = Config { terminal: true, ..Config::default() };
        let mut world = World::boot(config);
        world.clock = now;
        // Its disks are those that it finds.
        let standard: Vec<_> = world.block.disks.ids().collect();
        for disk in standard {
            world.block.disks.remove(disk);
        }
        if let Some(uts) = world.uts_namespaces.get_mut(UtsNsId(1)) {
            uts.nodename = name.into();
        }
        let running = Running::new(world, machine);
        Guest { system, name: name.into(), running, drivers, is_prompted: false, reports: Vec::new() }
    }

    /// Its world.
    pub fn world(&self) -> &World {
        &self.running.world
    }

    /// Its processor, as KVM's control structure has it.
    pub fn virtual_processor(&self) -> Option<VirtualProcessor> {
        // A guest of this model has one processor.
        self.running.machine.computer.hardware.virtual_processors().into_iter().next()
    }

    /// Its processor has exited for an access of a driver, or because it has nothing to do.
    pub fn exited(&mut self, cause: Cause) {
        self.running.machine.computer.hardware.exited(0, cause, false);
    }

    /// Its processor has been entered.
    pub fn entered(&mut self) {
        self.running.machine.computer.hardware.entered(0);
    }

    /// What happened in it since this was asked last.
    pub fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Time has passed without it.
    pub fn advance_to(&mut self, now: Nanos, memory: &mut GuestMemory<'_>) {
        let mut trace = Trace::new();
        self.running.advance_to(now, &mut trace);
        self.digest(trace.events, memory);
    }

    /// Its kernel takes a turn; what that asks of devices waits in the drivers.
    pub fn turn(&mut self, memory: &mut GuestMemory<'_>) -> Did {
        let mut trace = Trace::new();
        let turn = self.running.turn_in_time(&mut trace);
        let was_quiet = trace.events.is_empty();
        self.digest(trace.events, memory);
        match turn {
            Turn::Taken => Did::Ran,
            Turn::AtRest if was_quiet && self.drivers.is_idle() => Did::Halted(self.running.next_timer()),
            Turn::AtRest => Did::Ran,
        }
    }

    /// What the drivers have finished goes to the kernel.
    pub fn take_in(&mut self, memory: &mut GuestMemory<'_>) {
        for done in self.drivers.take_done() {
            match done {
                Done::Interrupt(interrupt) => self.running.machine.interrupts.push(interrupt),
                Done::Typed(typed) => self.typed(typed, memory),
            }
        }
    }

    /// There is a device that was not there, as the kernel finds when it probes.
    pub fn plug(&mut self, interrupt: Interrupt) {
        self.running.machine.interrupts.push(interrupt);
    }

    fn typed(&mut self, typed: Typed, memory: &mut GuestMemory<'_>) {
        let action = match typed {
            Typed::Line(text) => {
                self.is_prompted = false;
                Action::Line { console: CONSOLE, text }
            }
            Typed::Interrupt => Action::Interrupt { console: CONSOLE },
            Typed::EndOfInput => Action::EndOfInput { console: CONSOLE },
        };
        let mut trace = Trace::new();
        self.running.inject(&action, &mut trace);
        // The terminal has echoed what was typed, character by character.
        trace.events.retain(|event| !matches!(event.kind, EventKind::Output { .. }));
        self.digest(trace.events, memory);
    }

    /// Reports what happened, and lets drivers have what is for them.
    fn digest(&mut self, events: Vec<Event>, memory: &mut GuestMemory<'_>) {
        for event in events {
            if let EventKind::Output { bytes, .. } = &event.kind {
                self.drivers.print(bytes);
            }
            let report = match event.kind {
                // What the machine of the guest did lies beneath the guest.
                EventKind::Machine(report) => report,
                _ => Report::Elsewhere { system: self.system, name: Arc::clone(&self.name), event: event.into() },
            };
            self.reports.push(report);
        }
        let asked = std::mem::take(&mut self.running.machine.asked);
        for request in asked {
            self.drivers.submit(request, memory);
        }
        let sent = std::mem::take(&mut self.running.machine.sent);
        for (port, frame) in sent {
            self.drivers.transmit(port, &frame, memory);
        }
        self.prompt();
    }

    /// The shell prints its prompt when it begins to wait for a line.
    fn prompt(&mut self) {
        let Some(console) = self.running.world.consoles.get(CONSOLE) else { return };
        if !console.at_prompt || console.closed || !console.lines.is_empty() {
            self.is_prompted = false;
        } else if !self.is_prompted {
            self.is_prompted = true;
            if let Some(prompt) = Prompt::of(&self.running.world, CONSOLE) {
                self.drivers.print(format!("{}{} ", prompt.place, prompt.sign).as_bytes());
            }
        }
    }
}
