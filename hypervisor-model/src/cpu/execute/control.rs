//! Control and debug registers, and the instructions that drop translations.
//! Source: Intel SDM vol. 2 (June 2016), MOV to/from Control Registers, MOV to/from Debug Registers, LMSW, SMSW, CLTS,
//! INVLPG, INVPCID; vol. 3, 25.3 "Changes to Instruction Behavior in VMX Non-root Operation".

use super::cause::{control_of, debug_of, general_of};
use super::operand::is_canonical;
use super::{Done, Step};
use crate::cpu::bus::Flush;
use crate::cpu::control::{ControlRegister, Cr0, Cr4, Efer};
use crate::cpu::event::CpuEvent;
use crate::cpu::exception::Vector;
use crate::cpu::instruction::{Instruction, Opcode, Operand, Width};
use crate::cpu::register::General;
use crate::cpu::sensitive::Stop;
use crate::cpu::{Exception, Mode, Operation, Vendor};

/// Bit 63 of a value for CR3 with CR4.PCIDE: keep what is cached for the PCID.
const CR3_NO_FLUSH: u64 = 1 << 63;
/// The bits of CR4 that this processor has.
const CR4_KNOWN: u64 = Cr4::all().bits();

impl Step<'_> {
    pub(super) fn control_instruction(&mut self, instruction: &Instruction) -> Done {
        let first = instruction.operands.first().copied();
        let second = instruction.operands.get(1).copied();
        match instruction.opcode {
            Opcode::MovToCr => {
                let value = self.cpu.registers.get(general_of(second));
                let cr = control_of(first);
                self.check_control_register_exists(cr)?;
                return self.write_control_register(cr, value);
            }
            Opcode::MovFromCr => {
                let cr = control_of(second);
                self.check_control_register_exists(cr)?;
                let value = self.read_control_register(cr);
                self.set_general(general_of(first), Width::Qword, false, value);
            }
            Opcode::Smsw => {
                let value = self.read_control_register(ControlRegister::Cr0);
                match first {
                    Some(Operand::Memory(memory)) => {
                        let (segment, offset) = (Self::segment_of(&memory), self.offset(&memory));
                        self.store(segment, offset, 2, value & 0xffff)?;
                    }
                    Some(operand) => self.assign(operand, Width::Word, value)?,
                    None => {}
                }
            }
            Opcode::Lmsw => {
                let value = first.map_or(Ok(0), |operand| self.value(operand, Width::Word))?;
                // LMSW sets PE, MP, EM, TS; it cannot clear PE.
                let old = self.cpu.cr0.bits();
                let new = old & !0xe | value & 0xf | old & 1;
                return self.write_control_register(ControlRegister::Cr0, new);
            }
            Opcode::Clts => {
                let new = self.cpu.cr0.bits() & !Cr0::TS.bits();
                return self.write_control_register(ControlRegister::Cr0, new);
            }
            Opcode::MovToDr | Opcode::MovFromDr => self.debug_register(instruction.opcode, first, second)?,
            Opcode::Invlpg => {
                let address = self.linear_unchecked(first);
                // INVLPG of a non-canonical address does nothing.
                if is_canonical(address) {
                    self.bus.flush(self.cpu, Flush::Invlpg { address });
                }
            }
            Opcode::Invlpga => {
                let address = self.cpu.registers.get(General::Rax);
                let asid = self.cpu.registers.get(General::Rcx) as u32;
                self.bus.flush(self.cpu, Flush::Invlpga { address, asid });
            }
            _ => {
                let (kind, pcid, address) = self.invpcid_operands(instruction)?;
                let without_pcid = !self.cpu.cr4.contains(Cr4::PCIDE) && kind <= 1 && pcid != 0;
                if kind > 3 || kind == 0 && !is_canonical(address) || without_pcid {
                    return Err(Exception::GP0.into());
                }
                self.bus.flush(self.cpu, Flush::Invpcid { kind, pcid, address });
            }
        }
        Ok(None)
    }

    /// CR8 is there in 64-bit mode only.
    fn check_control_register_exists(&self, cr: ControlRegister) -> Result<(), Stop> {
        match cr {
            ControlRegister::Cr8 if self.cpu.mode() != Mode::Long => Err(Exception::UD.into()),
            _ => Ok(()),
        }
    }

    fn debug_register(&mut self, opcode: Opcode, first: Option<Operand>, second: Option<Operand>) -> Result<(), Stop> {
        let is_write = opcode == Opcode::MovToDr;
        let (dr, register) =
            if is_write { (debug_of(first), general_of(second)) } else { (debug_of(second), general_of(first)) };
        // DR4 and DR5 are other names of DR6 and DR7, unless CR4.DE.
        if matches!(dr, 4 | 5) && self.cpu.cr4.contains(Cr4::DE) {
            return Err(Exception::UD.into());
        }
        // DR7.GD: the next access to a debug register gives #DB.
        if self.cpu.dr[7] & 1 << 13 != 0 {
            return Err(Exception { vector: Vector::DB, error_code: None, address: Some(1 << 13) }.into());
        }
        let number = usize::from(if matches!(dr, 4 | 5) { dr + 2 } else { dr });
        if is_write {
            let value = self.cpu.registers.get(register);
            if number >= 6 && value >> 32 != 0 {
                return Err(Exception::GP0.into());
            }
            self.cpu.dr[number] = value;
        } else {
            self.cpu.registers.set(register, self.cpu.dr[number]);
        }
        Ok(())
    }

    /// What a program reads from a control register.
    pub(super) fn read_control_register(&self, cr: ControlRegister) -> u64 {
        let real = match cr {
            ControlRegister::Cr0 => self.cpu.cr0.bits(),
            ControlRegister::Cr2 => self.cpu.cr2,
            ControlRegister::Cr3 => self.cpu.cr3,
            ControlRegister::Cr4 => self.cpu.cr4.bits(),
            ControlRegister::Cr8 => u64::from(self.cpu.cr8),
        };
        if self.cpu.is_guest() { self.intercepts.control_register_as_read(cr, real) } else { real }
    }

    /// Writes a control register after the checks of its value; the exit has been decided.
    fn write_control_register(&mut self, cr: ControlRegister, written: u64) -> Done {
        let owned = if self.cpu.is_guest() { self.intercepts.host_owned_bits(cr) } else { 0 };
        let (old, new) = match cr {
            ControlRegister::Cr0 => {
                let old = self.cpu.cr0.bits();
                // ET is always 1; the host's bits stay as they are.
                let new = (written & !owned | old & owned) | Cr0::ET.bits();
                self.check_cr0(new)?;
                self.cpu.cr0 = Cr0::from_bits_retain(new);
                let active = new & Cr0::PG.bits() != 0 && self.cpu.efer.contains(Efer::LME);
                self.cpu.efer.set(Efer::LMA, active);
                (old, new)
            }
            ControlRegister::Cr2 => (std::mem::replace(&mut self.cpu.cr2, written), written),
            ControlRegister::Cr3 => {
                let has_pcid = self.cpu.cr4.contains(Cr4::PCIDE);
                let reserved = if has_pcid { !CR3_NO_FLUSH } else { u64::MAX } & !((1 << 52) - 1);
                if self.cpu.efer.contains(Efer::LMA) && written & reserved != 0 {
                    return Err(Exception::GP0.into());
                }
                let held = if has_pcid { written & !CR3_NO_FLUSH } else { written };
                (std::mem::replace(&mut self.cpu.cr3, held), written)
            }
            ControlRegister::Cr4 => {
                let old = self.cpu.cr4.bits();
                let new = written & !owned | old & owned;
                self.check_cr4(old, new)?;
                self.cpu.cr4 = Cr4::from_bits_retain(new);
                (old, new)
            }
            ControlRegister::Cr8 => {
                if written > 15 {
                    return Err(Exception::GP0.into());
                }
                (u64::from(std::mem::replace(&mut self.cpu.cr8, written as u8)), written)
            }
        };
        self.emit(CpuEvent::ControlRegisterWritten { register: cr, old, new });
        if !matches!(cr, ControlRegister::Cr2 | ControlRegister::Cr8) {
            self.bus.flush(self.cpu, Flush::ControlRegister { register: cr, old, new });
        }
        let kept = (written ^ new) & owned;
        Ok((kept != 0).then(|| format!("bits {kept:#x} of {cr} are the host's and stay as they are")))
    }

    fn check_cr0(&self, new: u64) -> Result<(), Stop> {
        let new = Cr0::from_bits_retain(new);
        let cpu = &*self.cpu;
        let turns_paging_on = new.contains(Cr0::PG) && !cpu.cr0.contains(Cr0::PG);
        let turns_paging_off = !new.contains(Cr0::PG) && cpu.cr0.contains(Cr0::PG);
        let refused = new.bits() >> 32 != 0
            || self.is_vmx_root() && !new.contains(Cr0::FIXED_BY_VMX)
            || new.contains(Cr0::PG) && !new.contains(Cr0::PE)
            || new.contains(Cr0::NW) && !new.contains(Cr0::CD)
            || turns_paging_on && cpu.efer.contains(Efer::LME) && !cpu.cr4.contains(Cr4::PAE)
            || turns_paging_on && cpu.efer.contains(Efer::LME) && cpu.segments.cs.descriptor.is_long()
            || turns_paging_off && (cpu.mode() == Mode::Long || cpu.cr4.contains(Cr4::PCIDE));
        if refused { Err(Exception::GP0.into()) } else { Ok(()) }
    }

    /// VMX root operation, which forbids some values.
    fn is_vmx_root(&self) -> bool {
        self.cpu.operation == Operation::Root && self.cpu.vendor == Vendor::Intel
    }

    fn check_cr4(&self, old: u64, new: u64) -> Result<(), Stop> {
        let is_long = self.cpu.efer.contains(Efer::LMA);
        let gains_pcid = new & !old & Cr4::PCIDE.bits() != 0;
        let refused = new & !CR4_KNOWN != 0
            || is_long && new & Cr4::PAE.bits() == 0
            || is_long && (new ^ old) & Cr4::LA57.bits() != 0
            || self.is_vmx_root() && new & Cr4::VMXE.bits() == 0
            || gains_pcid && (!is_long || self.cpu.cr3 & 0xfff != 0);
        if refused { Err(Exception::GP0.into()) } else { Ok(()) }
    }
}
