//! Ways from one ring to another, step by step as the architecture prescribes them: gates of the IDT ([`deliver`]),
//! call gates ([`far`]), IRET ([`iret`]), SYSCALL and SYSENTER ([`syscall`]).
//!
//! A transition is its micro-steps: what was checked, which stack was taken, what was pushed, which flags changed.

mod far;
mod interrupt;
mod iret;
mod syscall;

use super::event::{CpuEvent, StackItem};
use super::exception::Vector;
use super::execute::operand::is_canonical;
use super::execute::{Done, Step};
use super::instruction::{Instruction, Opcode, Operand, Register, Width};
use super::sensitive::{Cause, Stop};
use super::{Exception, Rflags};

pub use interrupt::{EventSource, deliver, makes_double_fault, raise};

/// Runs an instruction that goes elsewhere; RIP is already behind it.
pub(super) fn transfer(step: &mut Step<'_>, instruction: &Instruction) -> Done {
    let operand = instruction.operands.first().copied();
    match instruction.opcode {
        Opcode::Int => {
            let vector = match operand {
                Some(Operand::Immediate(vector)) => Vector(vector as u8),
                _ => Vector::BP,
            };
            deliver(step, vector, None, EventSource::Software)?;
        }
        Opcode::Int3 => trap(step, Vector::BP)?,
        Opcode::Into if step.cpu.rflags.contains(Rflags::OF) => trap(step, Vector::OF)?,
        Opcode::Into => {}
        Opcode::Iret => return iret::iret(step, instruction),
        Opcode::CallFar | Opcode::JmpFar => far::call_or_jump(step, instruction)?,
        Opcode::RetFar => far::ret(step, instruction)?,
        Opcode::Syscall => syscall::syscall(step)?,
        Opcode::Sysret => return syscall::sysret(step, instruction),
        Opcode::Sysenter => syscall::sysenter(step)?,
        Opcode::Sysexit => syscall::sysexit(step, instruction)?,
        Opcode::Jcc if !is_taken(&instruction.mnemonic, step.cpu.rflags) => {}
        opcode => near(step, opcode, operand)?,
    }
    Ok(None)
}

/// Whether the condition of a conditional jump holds (SDM vol. 1, table B-1 "EFLAGS Condition Codes").
#[must_use]
pub fn is_taken(mnemonic: &str, flags: Rflags) -> bool {
    let has = |flag| flags.contains(flag);
    let is_less = has(Rflags::SF) != has(Rflags::OF);
    match mnemonic {
        "jz" | "je" => has(Rflags::ZF),
        "jnz" | "jne" => !has(Rflags::ZF),
        "jc" | "jb" => has(Rflags::CF),
        "jnc" | "jae" => !has(Rflags::CF),
        "jbe" => has(Rflags::CF) || has(Rflags::ZF),
        "ja" => !has(Rflags::CF) && !has(Rflags::ZF),
        "js" => has(Rflags::SF),
        "jns" => !has(Rflags::SF),
        "jl" => is_less,
        "jge" => !is_less,
        "jle" => is_less || has(Rflags::ZF),
        _ => !is_less && !has(Rflags::ZF),
    }
}

/// INT3 and INTO: exceptions to whoever intercepts exceptions, software interrupts to the gate.
fn trap(step: &mut Step<'_>, vector: Vector) -> Result<(), Stop> {
    step.ask(Cause::Exception(Exception::plain(vector)))?;
    deliver(step, vector, None, EventSource::Software)
}

/// CALL, JMP and RET within the segment.
fn near(step: &mut Step<'_>, opcode: Opcode, operand: Option<Operand>) -> Result<(), Stop> {
    let width = step.stack_width();
    let target = match (opcode, operand) {
        (Opcode::Ret, _) => step.pop(StackItem::Rip, width)?,
        (_, Some(Operand::Immediate(target))) => target,
        (_, Some(operand @ (Operand::Memory(_) | Operand::Register(Register::General { .. })))) => {
            step.value(operand, width)?
        }
        _ => step.cpu.rip,
    };
    let target = width.truncate(target);
    if width == Width::Qword && !is_canonical(target) {
        return Err(Exception::GP0.into());
    }
    if opcode == Opcode::Call {
        step.push(StackItem::Rip, width, step.cpu.rip)?;
    }
    step.cpu.rip = target;
    Ok(())
}

impl Step<'_> {
    /// Sets the privilege level and notes the change.
    fn set_ring(&mut self, ring: u8) {
        let from = std::mem::replace(&mut self.cpu.cpl, ring);
        if from != ring {
            self.emit(CpuEvent::RingChanged { from, to: ring });
        }
    }

    fn jumped(&mut self) {
        let event = CpuEvent::Jumped { cs: self.cpu.segments.cs.selector, rip: self.cpu.rip };
        self.emit(event);
    }
}

#[cfg(test)]
mod tests;
