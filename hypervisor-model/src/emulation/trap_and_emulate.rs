//! Trap and emulate: the guest's kernel runs in ring 1, what traps is done on a virtual processor in ring 0. Popek and
//! Goldberg, "Formal Requirements for Virtualizable Third Generation Architectures", CACM 17(7), 1974, theorem 1: it works
//! when every sensitive instruction traps. On an imaginary virtualizable x86 it does; on the real one the sensitive
//! instructions that do not trap make the guest see and do something else, which is noted as a divergence.

use crate::cpu::bus::Bus;
use crate::cpu::execute::{Step, execute};
use crate::cpu::instruction::{Class, Instruction, Silently};
use crate::cpu::sensitive::{Nothing, Outcome};
use crate::cpu::{Cpu, Descriptor, Exception, Rflags, Segment};
use crate::machine::console::standard_processor::selectors;
use serde::{Deserialize, Serialize};

/// The x86 below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Architecture {
    /// As it is: some sensitive instructions do not trap.
    Real,
    /// One that never was: every sensitive instruction traps outside ring 0.
    Virtualizable,
}

/// What became of an instruction of the guest's kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Handled {
    /// It ran in ring 1 and did what it would in ring 0.
    Direct,
    /// It trapped, and the VMM did it on the virtual processor.
    Emulated,
    /// It did not trap, and did something else than in ring 0: how.
    Diverged(String),
    /// The virtual processor faults: the guest's own handler gets it.
    Fault(Exception),
    /// The model does not do it.
    NotModelled(String),
}

/// A guest's kernel in ring 1.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrapAndEmulate {
    /// The processor that the guest believes to have: in ring 0.
    pub cpu: Cpu,
    /// Which x86 is below.
    pub architecture: Architecture,
    /// Instructions that ran directly.
    pub direct: u64,
    /// Traps taken by the VMM.
    pub traps: u64,
    /// Instructions that went wrong silently.
    pub divergences: u64,
}

impl TrapAndEmulate {
    /// A guest whose virtual processor is in some state of ring 0.
    #[must_use]
    pub fn new(cpu: Cpu, architecture: Architecture) -> TrapAndEmulate {
        TrapAndEmulate { cpu, architecture, direct: 0, traps: 0, divergences: 0 }
    }

    /// One instruction of the guest's kernel.
    pub fn one(&mut self, bus: &mut dyn Bus, instruction: &Instruction) -> Handled {
        let mut real = self.real_processor();
        let is_privileged = crate::cpu::execute::failing_check(&real, instruction.opcode).is_some();
        let is_sensitive = instruction.opcode.row().class == Class::Sensitive;
        let traps = is_privileged || is_sensitive && self.architecture == Architecture::Virtualizable;
        if let Some(what) = self.divergence(instruction).filter(|_| !traps) {
            let ran = run(&mut real, bus, instruction);
            self.take_over(&real);
            self.divergences += 1;
            return match ran {
                Ok(()) => Handled::Diverged(what),
                Err(step) => step,
            };
        }
        let ran = run(&mut self.cpu, bus, instruction);
        match ran {
            Ok(()) if traps => {
                self.traps += 1;
                Handled::Emulated
            }
            Ok(()) => {
                self.direct += 1;
                Handled::Direct
            }
            Err(step) => step,
        }
    }

    /// What an instruction that does not trap does differently in ring 1.
    fn divergence(&self, instruction: &Instruction) -> Option<String> {
        let silently = instruction.opcode.row().silently?;
        match silently {
            Silently::AboveRing0(what) | Silently::AboveIopl(what) => Some(what.to_owned()),
        }
    }

    /// The processor itself: in ring 1, with interrupts on, whatever the guest believes.
    fn real_processor(&self) -> Cpu {
        let mut real = self.cpu.clone();
        let (code, stack) = selectors(1);
        let is_long = real.segments.cs.descriptor.is_long();
        real.cpl = 1;
        real.segments.cs = Segment { selector: code, descriptor: Descriptor::code(1, is_long) };
        real.segments.ss = Segment { selector: stack, descriptor: Descriptor::data(1) };
        real.rflags = (real.rflags | Rflags::IF).with_iopl(0);
        real
    }

    /// What of the real processor the guest goes on with: registers and status flags, not its ring.
    fn take_over(&mut self, real: &Cpu) {
        self.cpu.registers = real.registers;
        self.cpu.rip = real.rip;
        let system = Rflags::IF | Rflags::IOPL;
        self.cpu.rflags = real.rflags.changed(system, self.cpu.rflags);
    }
}

fn run(cpu: &mut Cpu, bus: &mut dyn Bus, instruction: &Instruction) -> Result<(), Handled> {
    let mut events = Vec::new();
    let mut step = Step { cpu, bus, intercepts: &Nothing, events: &mut events };
    match execute(&mut step, instruction) {
        Outcome::Executed | Outcome::Ignored(_) => Ok(()),
        Outcome::Fault(exception) => Err(Handled::Fault(exception)),
        Outcome::NotModelled(missing) => Err(Handled::NotModelled(missing.to_string())),
        Outcome::Exit(cause) => Err(Handled::NotModelled(format!("an exit without a hypervisor: {cause:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::instruction::parse::parse;
    use crate::cpu::{General, Mode, Vendor};
    use crate::machine::console::standard_processor::standard_processor;

    /// The flags that the guest reads after it has masked interrupts.
    fn interrupts_as_read(architecture: Architecture) -> (bool, TrapAndEmulate) {
        let (cpu, mut memory) = standard_processor(Vendor::Intel, Mode::Long, 0);
        let mut guest = TrapAndEmulate::new(cpu, architecture);
        for line in parse("cli; pushf; pop rax").expect("a program").lines {
            guest.one(&mut memory, &line.instruction);
        }
        (guest.cpu.registers.get(General::Rax) & Rflags::IF.bits() != 0, guest)
    }

    #[test]
    fn a_virtualizable_x86_keeps_the_guest_in_its_belief() {
        let (reads_if, guest) = interrupts_as_read(Architecture::Virtualizable);
        assert!(!reads_if);
        assert_eq!((guest.traps, guest.divergences), (2, 0));
    }

    #[test]
    fn the_real_x86_shows_its_own_flags() {
        let (reads_if, guest) = interrupts_as_read(Architecture::Real);
        assert!(reads_if, "CLI trapped and was emulated, PUSHF shows that the processor's IF is 1");
        assert_eq!((guest.traps, guest.divergences), (1, 1));
    }
}
