//! What anybody may do: moves, arithmetic, the stack.

use super::{Done, STATUS, Step};
use crate::cpu::bus::{Access, AccessKind};
use crate::cpu::event::StackItem;
use crate::cpu::exception::Vector;
use crate::cpu::instruction::{Instruction, Opcode, Operand, Width};
use crate::cpu::register::General;
use crate::cpu::sensitive::Stop;
use crate::cpu::{Exception, Mode, Rflags};

impl Step<'_> {
    pub(super) fn data_instruction(&mut self, instruction: &Instruction) -> Done {
        use Opcode::*;
        let width = self.width(instruction);
        let Some(target) = instruction.operands.first().copied() else { return Ok(None) };
        let source = instruction.operands.get(1).copied();
        match (instruction.opcode, source) {
            (Mov, Some(source)) => {
                let value = self.value(source, width)?;
                self.assign(target, width, value)?;
            }
            (Lea, Some(Operand::Memory(memory))) => {
                let offset = self.offset(&memory);
                self.assign(target, width, offset)?;
            }
            (Xchg, Some(source)) => {
                let (left, right) = (self.value(target, width)?, self.value(source, width)?);
                self.assign(target, width, right)?;
                self.assign(source, width, left)?;
            }
            (Push, _) => {
                let width = self.push_width(target);
                let value = self.value(target, width)?;
                self.push(StackItem::Operand, width, value)?;
            }
            (Pop, _) => {
                let width = self.push_width(target);
                let value = self.pop(StackItem::Operand, width)?;
                self.assign(target, width, value)?;
            }
            (Div, _) => self.divide(target, width)?,
            (opcode, source) => {
                if !matches!(opcode, Cmp | Test) {
                    self.before_modify(target, width)?;
                }
                let left = self.value(target, width)?;
                let right = source.map_or(Ok(0), |source| self.value(source, width))?;
                let (result, flags) = compute(opcode, left, right, width, self.cpu.rflags);
                if !matches!(opcode, Cmp | Test) {
                    self.assign(target, width, result)?;
                }
                // Status flags are too common to be worth a micro-step.
                self.cpu.rflags = flags;
            }
        }
        Ok(None)
    }

    /// Tells the bus of a load whose place will be stored to.
    fn before_modify(&mut self, target: Operand, width: Width) -> Result<(), Stop> {
        let Operand::Memory(memory) = target else { return Ok(()) };
        let size = memory.width.unwrap_or(width).bytes();
        let linear = self.linear(Self::segment_of(&memory), self.offset(&memory), size, AccessKind::Write)?;
        self.bus.before_modify(self.cpu, Access { linear, size, kind: AccessKind::Read, is_implicit: false })
    }

    /// PUSH and POP have the width of their operand, in 64-bit mode 64 bits.
    fn push_width(&self, operand: Operand) -> Width {
        let stated = match operand {
            Operand::Register(crate::cpu::instruction::Register::General { width, .. }) => Some(width),
            Operand::Memory(memory) => memory.width,
            _ => None,
        };
        match stated {
            Some(Width::Word) => Width::Word,
            _ if self.cpu.mode() == Mode::Long => Width::Qword,
            Some(Width::Dword) => Width::Dword,
            _ => self.stack_width(),
        }
    }

    /// DIV: rDX:rAX by the operand.
    fn divide(&mut self, divisor: Operand, width: Width) -> Result<(), Stop> {
        let divisor = u128::from(self.value(divisor, width)?);
        let bits = 8 * u32::from(width.bytes());
        let (low, high) = match width {
            Width::Byte => {
                (self.general(General::Rax, Width::Byte, false), self.general(General::Rax, Width::Byte, true))
            }
            _ => (self.general(General::Rax, width, false), self.general(General::Rdx, width, false)),
        };
        let dividend = u128::from(high) << bits | u128::from(low);
        let quotient = dividend.checked_div(divisor).filter(|quotient| *quotient <= u128::from(width.mask()));
        let Some(quotient) = quotient else { return Err(Exception::plain(Vector::DE).into()) };
        let remainder = (dividend % divisor) as u64;
        self.set_general(General::Rax, width, false, quotient as u64);
        match width {
            Width::Byte => self.set_general(General::Rax, Width::Byte, true, remainder),
            _ => self.set_general(General::Rdx, width, false, remainder),
        }
        Ok(())
    }
}

/// The result of an operation and the flags after it.
fn compute(opcode: Opcode, left: u64, right: u64, width: Width, flags: Rflags) -> (u64, Rflags) {
    use Opcode::*;
    let (sign, bits) = (width.sign(), 8 * u32::from(width.bytes()));
    let count = (right & if bits == 64 { 63 } else { 31 }) as u32;
    let (right, is_subtraction) = match opcode {
        Inc => (1, false),
        Dec => (1, true),
        Sub | Cmp | Neg => (right, true),
        _ => (right, false),
    };
    let (left, right) = if opcode == Neg { (0, left) } else { (left, right) };
    let result = width.truncate(match opcode {
        And | Test => left & right,
        Or => left | right,
        Xor => left ^ right,
        Not => return (width.truncate(!left), flags),
        Shl | Shr if count == 0 => return (left, flags),
        Shl => left.checked_shl(count).unwrap_or(0),
        Shr => left.checked_shr(count).unwrap_or(0),
        _ if is_subtraction => left.wrapping_sub(right),
        _ => left.wrapping_add(right),
    });
    let is_sum = matches!(opcode, Add | Sub | Cmp | Neg | Inc | Dec);
    let carry = match opcode {
        Inc | Dec => flags.contains(Rflags::CF),
        Shl => count <= bits && left >> (bits - count) & 1 != 0,
        Shr => left.checked_shr(count - 1).unwrap_or(0) & 1 != 0,
        _ if !is_sum => false,
        _ if is_subtraction => left < right,
        _ => result < left,
    };
    let overflow = match opcode {
        Shl => (result & sign != 0) != carry,
        Shr => left & sign != 0,
        _ if !is_sum => false,
        _ if is_subtraction => (left ^ right) & (left ^ result) & sign != 0,
        _ => (left ^ result) & (right ^ result) & sign != 0,
    };
    let mut new = flags - STATUS;
    new.set(Rflags::CF, carry);
    new.set(Rflags::OF, overflow);
    new.set(Rflags::ZF, result == 0);
    new.set(Rflags::SF, result & sign != 0);
    new.set(Rflags::PF, (result as u8).count_ones().is_multiple_of(2));
    new.set(Rflags::AF, is_sum && (left ^ right ^ result) & 0x10 != 0);
    (result, new)
}
