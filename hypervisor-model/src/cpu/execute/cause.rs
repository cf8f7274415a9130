//! What an instruction asks of the machine, from its opcode and operands.

use super::Step;
use crate::cpu::control::ControlRegister;
use crate::cpu::exception::Vector;
use crate::cpu::instruction::{Instruction, Opcode, Operand, Register, Width};
use crate::cpu::msr::Msr;
use crate::cpu::register::General;
use crate::cpu::sensitive::{Cause, DescriptorTable, Stop, SvmInstruction, VmxInstruction};

impl Step<'_> {
    /// What the instruction asks for; `None` for one that nobody can intercept.
    ///
    /// # Errors
    /// The fault of an operand that has to be read to know it.
    pub(super) fn cause(&mut self, instruction: &Instruction) -> Result<Option<Cause>, Stop> {
        use Opcode::*;
        let eax = self.general(General::Rax, Width::Dword, false) as u32;
        let ecx = self.general(General::Rcx, Width::Dword, false) as u32;
        let first = instruction.operands.first().copied();
        let second = instruction.operands.get(1).copied();
        let table = |table, is_store| Cause::DescriptorTable { table, is_store };
        let cause = match instruction.opcode {
            Sgdt => table(DescriptorTable::Gdt, true),
            Sidt => table(DescriptorTable::Idt, true),
            Sldt => table(DescriptorTable::Ldt, true),
            Str => table(DescriptorTable::Task, true),
            Lgdt => table(DescriptorTable::Gdt, false),
            Lidt => table(DescriptorTable::Idt, false),
            Lldt => table(DescriptorTable::Ldt, false),
            Ltr => table(DescriptorTable::Task, false),
            Smsw => Cause::Smsw,
            Lmsw => {
                let is_memory = matches!(first, Some(Operand::Memory(_)));
                let value = self.operand(first, Width::Word)? as u16;
                Cause::Lmsw { value, is_memory }
            }
            Clts => Cause::Clts,
            MovToCr => {
                let (cr, register) = (control_of(first), general_of(second));
                Cause::MovToCr { cr, value: self.cpu.registers.get(register), register }
            }
            MovFromCr => Cause::MovFromCr { cr: control_of(second), register: general_of(first) },
            MovToDr => {
                let register = general_of(second);
                Cause::MovToDr { dr: debug_of(first), value: self.cpu.registers.get(register), register }
            }
            MovFromDr => Cause::MovFromDr { dr: debug_of(second), register: general_of(first) },
            Pushf => Cause::Pushf,
            Popf => Cause::Popf,
            Iret => Cause::Iret,
            Int => Cause::Int { vector: Vector(self.operand(first, Width::Byte)? as u8) },
            Invd => Cause::Invd,
            Wbinvd => Cause::Wbinvd,
            Invlpg => Cause::Invlpg { address: self.linear_unchecked(first) },
            Invlpga => Cause::Svm(SvmInstruction::Invlpga),
            Invpcid => {
                let (kind, pcid, address) = self.invpcid_operands(instruction)?;
                Cause::Invpcid { kind, pcid, address }
            }
            Hlt => Cause::Hlt,
            Rdmsr => Cause::RdMsr { msr: Msr(ecx) },
            Wrmsr => Cause::WrMsr { msr: Msr(ecx), value: self.edx_eax() },
            Xsetbv => Cause::Xsetbv { value: self.edx_eax() },
            Xsaves => Cause::Xsaves,
            Xrstors => Cause::Xrstors,
            Monitor => Cause::Monitor,
            Mwait => Cause::Mwait,
            In | Out | Ins | Outs => {
                let (port, size, is_immediate) = self.port_of(instruction);
                Cause::Io {
                    port,
                    size,
                    is_input: matches!(instruction.opcode, In | Ins),
                    is_string: matches!(instruction.opcode, Ins | Outs),
                    is_rep: instruction.rep.is_some(),
                    is_immediate,
                }
            }
            Rdpmc => Cause::Rdpmc,
            Rdtsc => Cause::Rdtsc,
            Rdtscp => Cause::Rdtscp,
            Rdrand => Cause::Rdrand,
            Rdseed => Cause::Rdseed,
            Cpuid => Cause::Cpuid { leaf: eax, subleaf: ecx },
            Pause => Cause::Pause,
            Getsec => Cause::Getsec,
            Vmcall => Cause::Vmcall,
            Vmmcall => Cause::Vmmcall,
            opcode => match virtualization(opcode) {
                Some(cause) => cause,
                None => return Ok(None),
            },
        };
        Ok(Some(cause))
    }

    fn operand(&mut self, operand: Option<Operand>, width: Width) -> Result<u64, Stop> {
        operand.map_or(Ok(0), |operand| self.value(operand, width))
    }

    /// EDX:EAX.
    pub(super) fn edx_eax(&self) -> u64 {
        self.general(General::Rdx, Width::Dword, false) << 32 | self.general(General::Rax, Width::Dword, false)
    }

    /// The linear address of an operand that is not accessed: INVLPG.
    pub(super) fn linear_unchecked(&self, operand: Option<Operand>) -> u64 {
        match operand {
            Some(Operand::Memory(memory)) => {
                let base = match self.cpu.mode() {
                    crate::cpu::Mode::Long if memory.segment.is_none() => 0,
                    _ => self.cpu.segments.get(Self::segment_of(&memory)).descriptor.base,
                };
                base.wrapping_add(self.offset(&memory))
            }
            _ => 0,
        }
    }

    /// Type, PCID and address of INVPCID.
    pub(super) fn invpcid_operands(&mut self, instruction: &Instruction) -> Result<(u64, u16, u64), Stop> {
        let kind = self.operand(instruction.operands.first().copied(), Width::Qword)?;
        let Some(Operand::Memory(memory)) = instruction.operands.get(1).copied() else { return Ok((kind, 0, 0)) };
        let (segment, offset) = (Self::segment_of(&memory), self.offset(&memory));
        let pcid = self.load(segment, offset, 8)? as u16 & 0xfff;
        let address = self.load(segment, offset.wrapping_add(8), 8)?;
        Ok((kind, pcid, address))
    }
}

fn virtualization(opcode: Opcode) -> Option<Cause> {
    use Opcode::*;
    let vmx = |instruction| Some(Cause::Vmx(instruction));
    let svm = |instruction| Some(Cause::Svm(instruction));
    match opcode {
        Vmxon => vmx(VmxInstruction::Vmxon),
        Vmxoff => vmx(VmxInstruction::Vmxoff),
        Vmclear => vmx(VmxInstruction::Vmclear),
        Vmptrld => vmx(VmxInstruction::Vmptrld),
        Vmptrst => vmx(VmxInstruction::Vmptrst),
        Vmread => vmx(VmxInstruction::Vmread),
        Vmwrite => vmx(VmxInstruction::Vmwrite),
        Vmlaunch => vmx(VmxInstruction::Vmlaunch),
        Vmresume => vmx(VmxInstruction::Vmresume),
        Invept => vmx(VmxInstruction::Invept),
        Invvpid => vmx(VmxInstruction::Invvpid),
        Vmfunc => vmx(VmxInstruction::Vmfunc),
        Vmrun => svm(SvmInstruction::Vmrun),
        Vmload => svm(SvmInstruction::Vmload),
        Vmsave => svm(SvmInstruction::Vmsave),
        Stgi => svm(SvmInstruction::Stgi),
        Clgi => svm(SvmInstruction::Clgi),
        Skinit => svm(SvmInstruction::Skinit),
        _ => None,
    }
}

/// The general register of an operand.
pub(super) fn general_of(operand: Option<Operand>) -> General {
    match operand {
        Some(Operand::Register(Register::General { register, .. })) => register,
        _ => General::Rax,
    }
}

/// The control register of an operand.
pub(super) fn control_of(operand: Option<Operand>) -> ControlRegister {
    match operand {
        Some(Operand::Register(Register::Control(register))) => register,
        _ => ControlRegister::Cr0,
    }
}

/// The debug register of an operand.
pub(super) fn debug_of(operand: Option<Operand>) -> u8 {
    match operand {
        Some(Operand::Register(Register::Debug(number))) => number,
        _ => 0,
    }
}
