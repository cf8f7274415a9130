//! A kernel as a guest: its world, the machine that it sees, and its drivers.
//!
//! What a guest's kernel asks of its devices becomes accesses to their registers, one after the other, in the order in
//! which Linux's drivers make them ([`driver`]). Each such access is an exit; who answers it is the hypervisor's business.
//! A kernel that knows of Xen has other drivers: those are in [`crate::machine::xen`].

pub mod command_line;
pub mod driver;
pub mod kernel;
pub mod line_discipline;
pub mod machine;
pub mod memory;

use kernel_model::machine::SystemId;
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::machine::report::Report;
use kernel_model::step::Turn;
use kernel_model::time::Nanos;
use kernel_model::world::World;

use crate::machine::kvm::Kvm;
use driver::{Done, Drivers};
use kernel::{Asked, GuestKernel};
use machine::GuestMachine;
use memory::GuestMemory;

use crate::cpu::Cause;
use crate::machine::hardware::Hardware;
use crate::machine::virtual_processor::VirtualProcessor;

/// A kernel that runs as a guest of KVM.
#[derive(Clone)]
pub struct Guest {
    /// Its kernel.
    pub kernel: GuestKernel<Kvm>,
    /// Its drivers.
    pub drivers: Drivers,
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
    /// Boots a kernel on `machine`, with so many bytes of memory, at this moment of the host's time.
    pub fn boot(
        system: SystemId,
        name: &str,
        machine: GuestMachine<Kvm>,
        (drivers, memory): (Drivers, u64),
        now: Nanos,
    ) -> Guest {
        let mut kernel = GuestKernel::boot(system, name, machine, (now, None));
        kernel.running.world.mm.set_total(memory);
        Guest { kernel, drivers }
    }

    /// Its world.
    pub fn world(&self) -> &World {
        self.kernel.world()
    }

    /// Its processor, as KVM's control structure has it.
    pub fn virtual_processor(&self) -> Option<VirtualProcessor> {
        // A guest of this model has one processor.
        self.kernel.running.machine.computer.hardware.virtual_processors().into_iter().next()
    }

    /// Its processor has exited for an access of a driver, or because it has nothing to do.
    pub fn exited(&mut self, cause: Cause) {
        self.kernel.running.machine.computer.hardware.exited(0, cause, false);
    }

    /// Its processor has been entered.
    pub fn entered(&mut self) {
        self.kernel.running.machine.computer.hardware.entered(0);
    }

    /// What happened in it since this was asked last.
    pub fn reports(&mut self) -> Vec<Report> {
        self.kernel.reports()
    }

    /// Time has passed without it.
    pub fn advance_to(&mut self, now: Nanos, memory: &mut GuestMemory<'_>) {
        let asked = self.kernel.advance_to(now);
        self.serve(asked, memory);
    }

    /// Its kernel takes a turn; what that asks of devices waits in the drivers.
    pub fn turn(&mut self, memory: &mut GuestMemory<'_>) -> Did {
        let (turn, asked) = self.kernel.turn();
        let was_quiet = asked.is_quiet;
        self.serve(asked, memory);
        match turn {
            Turn::Taken => Did::Ran,
            Turn::AtRest if was_quiet && self.drivers.is_idle() => Did::Halted(self.kernel.running.next_timer()),
            Turn::AtRest => Did::Ran,
        }
    }

    /// What the drivers have finished goes to the kernel.
    pub fn take_in(&mut self, memory: &mut GuestMemory<'_>) {
        for done in self.drivers.take_done() {
            match done {
                Done::Interrupt(interrupt) => self.kernel.interrupt(interrupt),
                Done::Typed(typed) => {
                    let asked = self.kernel.typed(typed);
                    self.serve(asked, memory);
                }
            }
        }
    }

    /// There is a device that was not there, as the kernel finds when it probes.
    pub fn plug(&mut self, interrupt: Interrupt) {
        self.kernel.interrupt(interrupt);
    }

    /// Lets drivers have what is for them.
    fn serve(&mut self, asked: Asked, memory: &mut GuestMemory<'_>) {
        if !asked.printed.is_empty() {
            self.drivers.print(&asked.printed);
        }
        for request in asked.requests {
            self.drivers.submit(request, memory);
        }
        for (port, frame) in asked.frames {
            self.drivers.transmit(port, &frame, memory);
        }
    }
}
