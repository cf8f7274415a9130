//! The guest on the processor, from VM entry to VM exit: the event that is injected, then instruction after instruction.

use super::bus::GuestBus;
use crate::cpu::event::CpuEvent;
use crate::cpu::execute::{Step, can_take_interrupt, execute};
use crate::cpu::instruction::{Check, Instruction, Opcode};
use crate::cpu::sensitive::{Cause, Intercepts, Outcome, Stop};
use crate::cpu::transition::{EventSource, deliver, makes_double_fault};
use crate::cpu::{Activity, Cpu, Exception, InterruptShadow, Mode, Rflags, Vector};
use crate::emulation::guest_code::GuestCode;
use crate::kvm::mmu::MemoryExit;
use crate::vmx::interruption::{EventType, Interruption};

/// What an entry brings with it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// The event that is delivered first.
    pub injected: Option<Interruption>,
    /// The host wants the processor back at once: a preemption timer at 0, or an interrupt that waits.
    pub leaves_at_once: Option<Cause>,
}

/// An exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exited {
    /// Why.
    pub cause: Cause,
    /// What memory had to do with it.
    pub memory: Option<MemoryExit>,
    /// The event during whose delivery it happened.
    pub vectoring: Option<Interruption>,
}

/// Why a guest cannot go on in this model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// There is no instruction where it is.
    #[error("there is no code at {0:#x}")]
    NoCode(u64),
    /// It does what this model does not.
    #[error("{0}")]
    NotModelled(String),
    /// It has run for longer than it was given.
    #[error("the guest did not come to an end")]
    TooLong,
}

/// Bit 14 of DR6: single step.
const DR6_BS: u64 = 1 << 14;

pub(super) struct Guest<'a, 'b> {
    pub cpu: &'a mut Cpu,
    pub bus: &'a mut GuestBus<'b>,
    pub intercepts: &'a dyn Intercepts,
    pub code: &'a GuestCode,
    /// How many instructions it may still run.
    pub budget: &'a mut u64,
    pub events: &'a mut Vec<CpuEvent>,
    /// Real mode is run in virtual-8086 mode: at privilege level 3, with IOPL 3.
    pub is_virtual_8086: bool,
}

enum Stopped {
    Exit(Exited),
    Halt(Halt),
}

impl Guest<'_, '_> {
    /// Runs to the next exit.
    pub fn run(&mut self, entry: Entry) -> Result<Exited, Halt> {
        match self.run_inner(entry) {
            Stopped::Exit(exited) => Ok(exited),
            Stopped::Halt(halt) => Err(halt),
        }
    }

    fn run_inner(&mut self, entry: Entry) -> Stopped {
        if let Some(event) = entry.injected
            && let Err(stopped) = self.inject(event)
        {
            return stopped;
        }
        if let Some(cause) = entry.leaves_at_once {
            return self.exit(cause, None);
        }
        loop {
            if let Err(stopped) = self.instruction() {
                return stopped;
            }
        }
    }

    fn exit(&mut self, cause: Cause, vectoring: Option<Interruption>) -> Stopped {
        Stopped::Exit(Exited { cause, memory: self.bus.exit.take(), vectoring })
    }

    fn step(&mut self) -> Step<'_> {
        Step { cpu: self.cpu, bus: self.bus, intercepts: self.intercepts, events: self.events }
    }

    /// Asks for an exit.
    fn ask(&mut self, cause: Cause, vectoring: Option<Interruption>) -> Result<(), Stopped> {
        if self.intercepts.intercepts(&cause, self.cpu) {
            self.events.push(CpuEvent::Exited(cause));
            return Err(self.exit(cause, vectoring));
        }
        Ok(())
    }

    /// Delivers the event of an entry; whatever the bitmap says, it does not exit for itself.
    fn inject(&mut self, event: Interruption) -> Result<(), Stopped> {
        self.cpu.shadow = InterruptShadow::None;
        self.cpu.activity = Activity::Running;
        let source = match event.kind {
            EventType::HardwareException => EventSource::Exception,
            EventType::External | EventType::Nmi => EventSource::External,
            _ => EventSource::Software,
        };
        let vector = Vector(event.vector);
        let before = self.cpu.clone();
        match deliver(&mut self.step(), vector, event.error_code, source) {
            Ok(()) => Ok(()),
            Err(stop) => {
                *self.cpu = before;
                self.failed_delivery(Exception { vector, error_code: event.error_code, address: None }, event, stop)
            }
        }
    }

    fn failed_delivery(&mut self, first: Exception, event: Interruption, stop: Stop) -> Result<(), Stopped> {
        match stop {
            Stop::Exit(cause) => Err(self.exit(cause, Some(event))),
            Stop::NotModelled(missing) => Err(Stopped::Halt(Halt::NotModelled(missing.to_string()))),
            Stop::Fault(second) => {
                self.ask(Cause::Exception(second), Some(event))?;
                let is_exception = event.kind == EventType::HardwareException;
                if is_exception && first.vector == Vector::DF {
                    return self.triple_fault();
                }
                if is_exception && makes_double_fault(first.vector, second.vector) {
                    self.events.push(CpuEvent::DoubleFault { first, second });
                    return self.raise(Exception::with_code(Vector::DF, 0));
                }
                self.raise(second)
            }
        }
    }

    fn triple_fault(&mut self) -> Result<(), Stopped> {
        self.events.push(CpuEvent::TripleFault);
        self.ask(Cause::TripleFault, None)?;
        self.cpu.activity = Activity::Shutdown;
        Err(Stopped::Halt(Halt::NotModelled("a shutdown that nobody intercepts".to_owned())))
    }

    /// Raises an exception of the guest's own.
    fn raise(&mut self, exception: Exception) -> Result<(), Stopped> {
        self.ask(Cause::Exception(exception), None)?;
        self.bus.exit = None;
        match (exception.vector, exception.address) {
            (Vector::PF, Some(address)) => {
                self.cpu.cr2 = address;
                self.events.push(CpuEvent::Cr2Written { address });
            }
            (Vector::DB, Some(bits)) => self.cpu.dr[6] |= bits,
            _ => {}
        }
        let before = self.cpu.clone();
        let event = Interruption::exception(exception.vector.0, exception.error_code);
        match deliver(&mut self.step(), exception.vector, exception.error_code, EventSource::Exception) {
            Ok(()) => Ok(()),
            Err(stop) => {
                *self.cpu = before;
                self.failed_delivery(exception, event, stop)
            }
        }
    }

    /// One instruction, with what comes before and after it.
    fn instruction(&mut self) -> Result<(), Stopped> {
        if can_take_interrupt(self.cpu) {
            self.ask(Cause::InterruptWindow, None)?;
        }
        if *self.budget == 0 {
            return Err(Stopped::Halt(Halt::TooLong));
        }
        *self.budget -= 1;
        let linear = linear_rip(self.cpu);
        let code = self.code;
        let Some(instruction) = code.at(linear) else { return Err(Stopped::Halt(Halt::NoCode(linear))) };
        match self.bus.fetch(self.cpu, linear, instruction.length()) {
            Ok(()) => {}
            Err(Stop::Fault(exception)) => return self.raise(exception),
            Err(Stop::Exit(cause)) => return Err(self.exit(cause, None)),
            Err(Stop::NotModelled(missing)) => return Err(Stopped::Halt(Halt::NotModelled(missing.to_string()))),
        }
        if self.is_virtual_8086 && needs_ring_0(instruction) {
            return self.raise(Exception::GP0);
        }
        let is_stepped = self.cpu.rflags.contains(Rflags::TF);
        match execute(&mut self.step(), instruction) {
            Outcome::Executed | Outcome::Ignored(_) => {
                let goes_through_gate = matches!(instruction.opcode, Opcode::Int | Opcode::Int3 | Opcode::Into);
                if is_stepped && !goes_through_gate && self.cpu.shadow != InterruptShadow::MovSs {
                    return self.raise(Exception { address: Some(DR6_BS), ..Exception::plain(Vector::DB) });
                }
                Ok(())
            }
            Outcome::Fault(exception) => self.raise(exception),
            Outcome::Exit(cause) => Err(self.exit(cause, None)),
            Outcome::NotModelled(missing) => Err(Stopped::Halt(Halt::NotModelled(missing.to_string()))),
        }
    }
}

/// Whether an instruction gives #GP outside ring 0, before it could exit.
fn needs_ring_0(instruction: &Instruction) -> bool {
    let checks = instruction.opcode.row().checks.iter();
    let mut of_interest = checks.filter(|check| matches!(check, Check::Ring0 | Check::Intercept));
    of_interest.next() == Some(&Check::Ring0)
}

/// The linear address of the next instruction.
pub(super) fn linear_rip(cpu: &Cpu) -> u64 {
    match cpu.mode() {
        Mode::Long => cpu.rip,
        _ => cpu.segments.cs.descriptor.base.wrapping_add(cpu.rip) & 0xffff_ffff,
    }
}
