//! Ports: IN, OUT, INS, OUTS, and the I/O permission bitmap. Source: Intel SDM vol. 1 (June 2016), 18.5 "Protected-Mode
//! I/O".

use super::{Done, Step};
use crate::cpu::bus::AccessKind;
use crate::cpu::instruction::{Instruction, Opcode, Operand, Register, Width};
use crate::cpu::register::General;
use crate::cpu::segment::SegmentRegister;
use crate::cpu::sensitive::{Cause, Stop};
use crate::cpu::{Exception, Mode, Rflags};

/// How many rounds a repeated instruction makes before the processor looks around: after them RIP is still at the
/// instruction, and RCX says how many are left, as when an interrupt comes in between.
pub const ROUNDS_MAX: u32 = 4096;

/// Where a TSS says where its I/O bitmap begins.
const IO_MAP_BASE: u64 = 102;

impl Step<'_> {
    /// Port, size in bytes, and whether the port is in the instruction.
    pub(super) fn port_of(&self, instruction: &Instruction) -> (u16, u8, bool) {
        let immediate = instruction.operands.iter().find_map(|operand| match operand {
            Operand::Immediate(port) => Some(*port as u8),
            _ => None,
        });
        let size = instruction.width_suffix().unwrap_or_else(|| {
            let accumulator = instruction.operands.iter().find_map(|operand| match operand {
                Operand::Register(Register::General { register: General::Rax, width, .. }) => Some(*width),
                _ => None,
            });
            accumulator.unwrap_or(Width::Byte)
        });
        let port = immediate.map_or(self.general(General::Rdx, Width::Word, false) as u16, u16::from);
        (port, size.bytes(), immediate.is_some())
    }

    /// CPL against IOPL, then the bitmap of the TSS: every bit of every byte that is accessed must be 0.
    pub(super) fn check_port(&mut self, instruction: &Instruction) -> Result<(), Stop> {
        let is_virtual = self.cpu.mode() == Mode::Virtual8086;
        if self.cpu.mode() == Mode::Real || !is_virtual && self.cpu.cpl <= self.cpu.iopl() {
            return Ok(());
        }
        let (port, size, _) = self.port_of(instruction);
        let task = self.cpu.segments.tr.descriptor;
        let refused = Err(Stop::Fault(Exception::GP0));
        if !task.is_present() || u64::from(task.limit) < IO_MAP_BASE + 1 {
            return refused;
        }
        let map = self.load_system(task.base + IO_MAP_BASE, 2)?;
        let byte = map + u64::from(port / 8);
        // Two bytes are read, so the bitmap must have one more than the ports need.
        if byte + 1 > u64::from(task.limit) {
            return refused;
        }
        let bits = self.load_system(task.base + byte, 2)?;
        let wanted = ((1 << size) - 1) << (port % 8);
        if bits & wanted != 0 { refused } else { Ok(()) }
    }

    pub(super) fn port_instruction(&mut self, instruction: &Instruction) -> Done {
        let (port, size, _) = self.port_of(instruction);
        match instruction.opcode {
            Opcode::In => {
                let value = self.bus.port_in(self.cpu, port, size);
                self.set_general(General::Rax, width_of(size), false, u64::from(value));
            }
            Opcode::Out => {
                let value = self.general(General::Rax, width_of(size), false) as u32;
                self.bus.port_out(self.cpu, port, size, value);
            }
            _ => self.string(instruction, port, size)?,
        }
        Ok(None)
    }

    /// INS and OUTS, once or RCX times. Each round may exit; what was done before stays done.
    fn string(&mut self, instruction: &Instruction, port: u16, size: u8) -> Result<(), Stop> {
        let is_input = instruction.opcode == Opcode::Ins;
        let back = self.cpu.rflags.contains(Rflags::DF);
        let stride = if back { u64::from(size).wrapping_neg() } else { u64::from(size) };
        let mut rounds = if instruction.rep.is_some() { self.cpu.registers.get(General::Rcx) } else { 1 };
        let mut done = 0;
        while rounds > 0 {
            if done == ROUNDS_MAX {
                self.cpu.rip = self.cpu.rip.wrapping_sub(instruction.length());
                break;
            }
            if done > 0 {
                let is_rep = instruction.rep.is_some();
                self.ask(Cause::Io { port, size, is_input, is_string: true, is_rep, is_immediate: false })?;
            }
            done += 1;
            let index = if is_input { General::Rdi } else { General::Rsi };
            let offset = self.cpu.registers.get(index);
            if is_input {
                // The destination is checked before the port is read.
                self.linear(SegmentRegister::Es, offset, size, AccessKind::Write)?;
                let value = self.bus.port_in(self.cpu, port, size);
                self.store(SegmentRegister::Es, offset, size, u64::from(value))?;
            } else {
                let value = self.load(SegmentRegister::Ds, offset, size)? as u32;
                self.bus.port_out(self.cpu, port, size, value);
            }
            self.cpu.registers.set(index, offset.wrapping_add(stride));
            rounds -= 1;
            if instruction.rep.is_some() {
                self.cpu.registers.set(General::Rcx, rounds);
            }
        }
        Ok(())
    }
}

fn width_of(size: u8) -> Width {
    match size {
        1 => Width::Byte,
        2 => Width::Word,
        _ => Width::Dword,
    }
}
