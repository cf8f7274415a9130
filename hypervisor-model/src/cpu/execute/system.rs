//! Model-specific registers, time-stamp counter, CPUID, segment bases.
//! Source: Intel SDM vol. 2 (June 2016), RDMSR, WRMSR, RDTSC, CPUID, SWAPGS, RDFSBASE, XSETBV.

use super::cause::general_of;
use super::operand::is_canonical;
use super::{Done, Step};
use crate::cpu::bus::Flush;
use crate::cpu::control::{ControlRegister, Cr0, Cr4, Efer};
use crate::cpu::event::CpuEvent;
use crate::cpu::instruction::{Instruction, Opcode, Width};
use crate::cpu::msr::Msr;
use crate::cpu::register::General;
use crate::cpu::sensitive::Stop;
use crate::cpu::{Cpu, Exception, Vendor};

impl Step<'_> {
    pub(super) fn system_instruction(&mut self, instruction: &Instruction) -> Done {
        let operand = general_of(instruction.operands.first().copied());
        let selected = self.general(General::Rcx, Width::Dword, false) as u32;
        match instruction.opcode {
            Opcode::Rdmsr => {
                let value = self.read_msr(Msr(selected))?;
                self.set_edx_eax(value);
            }
            Opcode::Wrmsr => self.write_msr(Msr(selected), self.edx_eax())?,
            Opcode::Rdtsc => self.set_edx_eax(self.time_stamp()),
            Opcode::Rdtscp => {
                self.set_edx_eax(self.time_stamp());
                let aux = self.cpu.msrs.get(Msr::TSC_AUX);
                self.set_general(General::Rcx, Width::Dword, false, aux);
            }
            Opcode::Rdpmc => self.set_edx_eax(0),
            Opcode::Cpuid => {
                let leaf = self.general(General::Rax, Width::Dword, false) as u32;
                let values = cpuid(self.cpu, leaf);
                for (register, value) in
                    [General::Rax, General::Rbx, General::Rcx, General::Rdx].into_iter().zip(values)
                {
                    self.set_general(register, Width::Dword, false, u64::from(value));
                }
            }
            Opcode::Xgetbv => {
                if selected != 0 {
                    return Err(Exception::GP0.into());
                }
                self.set_edx_eax(self.cpu.xcr0);
            }
            Opcode::Xsetbv => {
                let value = self.edx_eax();
                // Only XCR0 is there; x87 cannot be off, AVX needs SSE; AVX is the last that this processor has.
                if selected != 0 || value & 1 == 0 || value & 0b110 == 0b100 || value > 7 {
                    return Err(Exception::GP0.into());
                }
                self.cpu.xcr0 = value;
            }
            Opcode::Swapgs => {
                let base = self.cpu.segments.gs.descriptor.base;
                self.cpu.segments.gs.descriptor.base = self.cpu.msrs.get(Msr::KERNEL_GS_BASE);
                self.cpu.msrs.set(Msr::KERNEL_GS_BASE, base);
                self.emit(CpuEvent::GsSwapped { gs_base: self.cpu.segments.gs.descriptor.base });
            }
            Opcode::Rdfsbase => self.cpu.registers.set(operand, self.cpu.segments.fs.descriptor.base),
            Opcode::Rdgsbase => self.cpu.registers.set(operand, self.cpu.segments.gs.descriptor.base),
            opcode => {
                let base = self.cpu.registers.get(operand);
                if !is_canonical(base) {
                    return Err(Exception::GP0.into());
                }
                match opcode {
                    Opcode::Wrfsbase => self.cpu.segments.fs.descriptor.base = base,
                    _ => self.cpu.segments.gs.descriptor.base = base,
                }
            }
        }
        Ok(None)
    }

    fn set_edx_eax(&mut self, value: u64) {
        self.set_general(General::Rax, Width::Dword, false, value);
        self.set_general(General::Rdx, Width::Dword, false, value >> 32);
    }

    fn time_stamp(&self) -> u64 {
        let offset = if self.cpu.is_guest() { self.intercepts.tsc_offset() } else { 0 };
        self.cpu.tsc.wrapping_add(offset)
    }

    fn read_msr(&self, msr: Msr) -> Result<u64, Stop> {
        if !exists(self.cpu, msr) {
            return Err(Exception::GP0.into());
        }
        Ok(match msr {
            Msr::TSC => self.time_stamp(),
            Msr::EFER => self.cpu.efer.bits(),
            Msr::FS_BASE => self.cpu.segments.fs.descriptor.base,
            Msr::GS_BASE => self.cpu.segments.gs.descriptor.base,
            msr => self.cpu.msrs.get(msr),
        })
    }

    fn write_msr(&mut self, msr: Msr, value: u64) -> Result<(), Stop> {
        let is_address = matches!(
            msr,
            Msr::LSTAR
                | Msr::CSTAR
                | Msr::FS_BASE
                | Msr::GS_BASE
                | Msr::KERNEL_GS_BASE
                | Msr::SYSENTER_ESP
                | Msr::SYSENTER_EIP
        );
        if !exists(self.cpu, msr) || is_address && !is_canonical(value) {
            return Err(Exception::GP0.into());
        }
        let old = self.read_msr(msr)?;
        match msr {
            Msr::TSC => self.cpu.tsc = value,
            Msr::EFER => self.write_efer(value)?,
            Msr::FS_BASE => self.cpu.segments.fs.descriptor.base = value,
            Msr::GS_BASE => self.cpu.segments.gs.descriptor.base = value,
            msr => self.cpu.msrs.set(msr, value),
        }
        self.emit(CpuEvent::MsrWritten { msr, old, new: value });
        Ok(())
    }

    fn write_efer(&mut self, value: u64) -> Result<(), Stop> {
        let known = Efer::all().bits();
        let changes_lme = (value ^ self.cpu.efer.bits()) & Efer::LME.bits() != 0;
        let svme_on_intel = value & Efer::SVME.bits() != 0 && self.cpu.vendor == Vendor::Intel;
        if value & !known != 0 || changes_lme && self.cpu.cr0.contains(Cr0::PG) || svme_on_intel {
            return Err(Exception::GP0.into());
        }
        // LMA is the processor's.
        let new = value & !Efer::LMA.bits() | (self.cpu.efer & Efer::LMA).bits();
        let changes_nxe = (new ^ self.cpu.efer.bits()) & Efer::NXE.bits() != 0;
        self.cpu.efer = Efer::from_bits_retain(new);
        if changes_nxe {
            let cr4 = self.cpu.cr4.bits();
            self.bus.flush(
                self.cpu,
                Flush::ControlRegister { register: ControlRegister::Cr4, old: cr4 ^ Cr4::PGE.bits(), new: cr4 },
            );
        }
        Ok(())
    }
}

/// Whether this processor has the register.
fn exists(cpu: &Cpu, msr: Msr) -> bool {
    match msr {
        Msr::VM_CR | Msr::VM_HSAVE_PA => cpu.vendor == Vendor::Amd,
        Msr::FEATURE_CONTROL => cpu.vendor == Vendor::Intel,
        msr => msr.name().is_some(),
    }
}

/// What CPUID says on the bare machine: EAX, EBX, ECX, EDX. Only what this processor models is shown.
#[must_use]
pub fn cpuid(cpu: &Cpu, leaf: u32) -> [u32; 4] {
    let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
    let (b, d, c) = match cpu.vendor {
        Vendor::Intel => (word(b"Genu"), word(b"ineI"), word(b"ntel")),
        Vendor::Amd => (word(b"Auth"), word(b"enti"), word(b"cAMD")),
    };
    let osxsave = u32::from(cpu.cr4.contains(Cr4::OSXSAVE)) << 27;
    match leaf {
        0 => [0xd, b, c, d],
        // SSE3, MONITOR, VMX (Intel), PCID, XSAVE; FPU, DE, PSE, TSC, MSR, PAE, APIC, SEP, PGE, PAT, FXSR, SSE, SSE2.
        1 => [
            0x0005_06e3,
            0x0010_0800,
            1 | 8 | u32::from(cpu.vendor == Vendor::Intel) << 5 | 1 << 17 | 1 << 26 | osxsave,
            0x0701_2a7d,
        ],
        // FSGSBASE, SMEP, INVPCID, SMAP; UMIP.
        7 => [0, 1 | 1 << 7 | 1 << 10 | 1 << 20, 1 << 2, 0],
        0x8000_0000 => [0x8000_0008, 0, 0, 0],
        // LAHF, SVM (AMD); SYSCALL, NX, RDTSCP, LM.
        0x8000_0001 => [0, 0, 1 | u32::from(cpu.vendor == Vendor::Amd) << 2, 1 << 11 | 1 << 20 | 1 << 27 | 1 << 29],
        0x8000_0008 => [0x3034, 0, 0, 0],
        _ => [0; 4],
    }
}
