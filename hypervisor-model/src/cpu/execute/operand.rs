//! Operands: registers and their parts, memory through segments, the stack.

use super::Step;
use crate::cpu::bus::{Access, AccessKind};
use crate::cpu::event::{CpuEvent, StackItem};
use crate::cpu::exception::Vector;
use crate::cpu::flags::Rflags;
use crate::cpu::instruction::{Instruction, Memory, Operand, Register, Width};
use crate::cpu::register::General;
use crate::cpu::segment::SegmentRegister;
use crate::cpu::sensitive::Stop;
use crate::cpu::{Exception, Mode};

/// Whether an address is canonical with 48 bits: bits 63:47 alike (SDM vol. 1, 3.3.7.1).
#[must_use]
pub fn is_canonical(address: u64) -> bool {
    let high = (address as i64) >> 47;
    high == 0 || high == -1
}

impl Step<'_> {
    /// The width of stack operations, far pointers and flags: 64 bits in 64-bit mode, else what CS says.
    pub(in crate::cpu) fn stack_width(&self) -> Width {
        match self.cpu.mode() {
            Mode::Long => Width::Qword,
            _ if self.cpu.segments.cs.descriptor.is_big() => Width::Dword,
            _ => Width::Word,
        }
    }

    /// What a general register or a part of it holds.
    pub(in crate::cpu) fn general(&self, register: General, width: Width, is_high: bool) -> u64 {
        let all = self.cpu.registers.get(register);
        if is_high { all >> 8 & 0xff } else { width.truncate(all) }
    }

    /// Sets a general register or a part of it; 32 bits clear the upper half in 64-bit mode.
    pub(in crate::cpu) fn set_general(&mut self, register: General, width: Width, is_high: bool, value: u64) {
        let all = self.cpu.registers.get(register);
        let new = match width {
            Width::Byte if is_high => all & !0xff00 | (value & 0xff) << 8,
            Width::Byte | Width::Word => all & !width.mask() | width.truncate(value),
            Width::Dword | Width::Qword => width.truncate(value),
        };
        self.cpu.registers.set(register, new);
    }

    /// The width of an instruction's operands: a register's, or the one that was written, or the mode's.
    pub(in crate::cpu) fn width(&self, instruction: &Instruction) -> Width {
        let stated = instruction.operands.iter().find_map(|operand| match operand {
            Operand::Register(Register::General { width, .. }) => Some(*width),
            Operand::Memory(memory) => memory.width,
            _ => None,
        });
        stated.unwrap_or(match self.stack_width() {
            Width::Word => Width::Word,
            _ => Width::Dword,
        })
    }

    /// The offset of a memory operand in its segment.
    pub(in crate::cpu) fn offset(&self, memory: &Memory) -> u64 {
        let mut offset = memory.displacement as u64;
        if let Some(base) = memory.base {
            offset = offset.wrapping_add(self.cpu.registers.get(base));
        }
        if let Some((index, factor)) = memory.index {
            offset = offset.wrapping_add(self.cpu.registers.get(index).wrapping_mul(u64::from(factor)));
        }
        match self.cpu.mode() {
            Mode::Long => offset,
            Mode::Real | Mode::Virtual8086 if !self.cpu.segments.cs.descriptor.is_big() => offset & 0xffff,
            _ => offset & 0xffff_ffff,
        }
    }

    /// The segment of a memory operand.
    pub(in crate::cpu) fn segment_of(memory: &Memory) -> SegmentRegister {
        memory.segment.unwrap_or(match memory.base {
            Some(General::Rsp | General::Rbp) => SegmentRegister::Ss,
            _ => SegmentRegister::Ds,
        })
    }

    /// The linear address of an offset in a segment, after the checks of the segment.
    ///
    /// # Errors
    /// `#SS(0)` through SS, else `#GP(0)`.
    pub(in crate::cpu) fn linear(
        &self,
        register: SegmentRegister,
        offset: u64,
        size: u8,
        kind: AccessKind,
    ) -> Result<u64, Stop> {
        let vector = if register == SegmentRegister::Ss { Vector::SS } else { Vector::GP };
        let refused = Err(Stop::Fault(Exception::with_code(vector, 0)));
        let segment = self.cpu.segments.get(register).descriptor;
        match self.cpu.mode() {
            Mode::Long => {
                let base = match register {
                    SegmentRegister::Fs | SegmentRegister::Gs => segment.base,
                    _ => 0,
                };
                let linear = base.wrapping_add(offset);
                if is_canonical(linear) { Ok(linear) } else { refused }
            }
            mode => {
                let last = offset.wrapping_add(u64::from(size) - 1);
                let is_protected = matches!(mode, Mode::Protected | Mode::Compatibility);
                if is_protected && (!segment.is_present() || kind == AccessKind::Write && !segment.is_writable()) {
                    return refused;
                }
                let expands_down = is_protected && !segment.is_code() && segment.kind() & 4 != 0;
                let inside = match expands_down {
                    true => offset > u64::from(segment.limit),
                    false => last <= u64::from(segment.limit),
                };
                if inside { Ok(segment.base.wrapping_add(offset) & 0xffff_ffff) } else { refused }
            }
        }
    }

    /// Loads from a segment.
    pub(in crate::cpu) fn load(&mut self, register: SegmentRegister, offset: u64, size: u8) -> Result<u64, Stop> {
        let linear = self.linear(register, offset, size, AccessKind::Read)?;
        self.bus.read(self.cpu, Access { linear, size, kind: AccessKind::Read, is_implicit: false })
    }

    /// Stores to a segment.
    pub(in crate::cpu) fn store(
        &mut self,
        register: SegmentRegister,
        offset: u64,
        size: u8,
        value: u64,
    ) -> Result<(), Stop> {
        let linear = self.linear(register, offset, size, AccessKind::Write)?;
        self.bus.write(self.cpu, Access { linear, size, kind: AccessKind::Write, is_implicit: false }, value)
    }

    /// Loads for the processor itself: descriptor tables, TSS.
    pub(in crate::cpu) fn load_system(&mut self, linear: u64, size: u8) -> Result<u64, Stop> {
        self.bus.read(self.cpu, Access { linear, size, kind: AccessKind::Read, is_implicit: true })
    }

    /// Stores for the processor itself.
    pub(in crate::cpu) fn store_system(&mut self, linear: u64, size: u8, value: u64) -> Result<(), Stop> {
        self.bus.write(self.cpu, Access { linear, size, kind: AccessKind::Write, is_implicit: true }, value)
    }

    /// The value of an operand.
    pub(in crate::cpu) fn value(&mut self, operand: Operand, width: Width) -> Result<u64, Stop> {
        match operand {
            Operand::Register(Register::General { register, width, is_high }) => {
                Ok(self.general(register, width, is_high))
            }
            Operand::Register(Register::Segment(segment)) => Ok(u64::from(self.cpu.segments.get(segment).selector.0)),
            Operand::Immediate(value) => Ok(width.truncate(value)),
            Operand::Memory(memory) => {
                self.load(Self::segment_of(&memory), self.offset(&memory), memory.width.unwrap_or(width).bytes())
            }
            Operand::Far { offset, .. } => Ok(offset),
            Operand::Register(Register::Control(_) | Register::Debug(_)) => Ok(0),
        }
    }

    /// Puts a value where an operand says.
    pub(in crate::cpu) fn assign(&mut self, operand: Operand, width: Width, value: u64) -> Result<(), Stop> {
        match operand {
            Operand::Register(Register::General { register, width, is_high }) => {
                self.set_general(register, width, is_high, value);
                Ok(())
            }
            Operand::Memory(memory) => {
                let width = memory.width.unwrap_or(width);
                self.store(Self::segment_of(&memory), self.offset(&memory), width.bytes(), width.truncate(value))
            }
            _ => Ok(()),
        }
    }

    /// The bits of RSP that stack operations use.
    pub(in crate::cpu) fn stack_mask(&self) -> u64 {
        match self.cpu.mode() {
            Mode::Long => u64::MAX,
            _ if self.cpu.segments.ss.descriptor.is_big() => 0xffff_ffff,
            _ => 0xffff,
        }
    }

    /// Pushes a word.
    pub(in crate::cpu) fn push(&mut self, item: StackItem, width: Width, value: u64) -> Result<(), Stop> {
        let mask = self.stack_mask();
        let rsp = self.cpu.registers.get(General::Rsp);
        let at = rsp.wrapping_sub(u64::from(width.bytes())) & mask;
        self.store(SegmentRegister::Ss, at, width.bytes(), width.truncate(value))?;
        self.cpu.registers.set(General::Rsp, rsp & !mask | at);
        self.emit(CpuEvent::Pushed { item, value: width.truncate(value), at });
        Ok(())
    }

    /// Pops a word.
    pub(in crate::cpu) fn pop(&mut self, item: StackItem, width: Width) -> Result<u64, Stop> {
        let mask = self.stack_mask();
        let rsp = self.cpu.registers.get(General::Rsp);
        let at = rsp & mask;
        let value = self.load(SegmentRegister::Ss, at, width.bytes())?;
        let next = at.wrapping_add(u64::from(width.bytes())) & mask;
        self.cpu.registers.set(General::Rsp, rsp & !mask | next);
        self.emit(CpuEvent::Popped { item, value, at });
        Ok(value)
    }

    /// Sets RFLAGS and notes what changed.
    pub(in crate::cpu) fn set_flags(&mut self, new: Rflags) {
        let old = self.cpu.rflags;
        self.cpu.rflags = new | Rflags::ALWAYS;
        if old != self.cpu.rflags {
            self.emit(CpuEvent::FlagsChanged { old, new: self.cpu.rflags });
        }
    }
}
