//! What the console puts where a typed program has put nothing, so that an instruction can be tried alone: a register
//! that was never set holds what makes the instruction harmless (`mov cr3, rax` writes back what CR3 holds), and an
//! empty stack holds the frame that is going to be popped.

use super::standard_processor::{STACK_TOP, TASK};
use super::vmm;
use crate::cpu::bus::FlatMemory;
use crate::cpu::flags::Rflags;
use crate::cpu::instruction::{Instruction, Memory, Opcode, Operand, Register, Width};
use crate::cpu::msr::Msr;
use crate::cpu::register::General;
use crate::cpu::segment::Descriptor;
use crate::cpu::{ControlRegister, Cpu, Mode};
use crate::vmx::fields::Field;
use std::collections::BTreeSet;

/// Memory to which registers that were never set point.
const SCRATCH: u64 = 0x4000;
/// Bytes of a repeated string instruction.
const REPEATED: u64 = 8;

/// What a program has set so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preparation {
    set: BTreeSet<General>,
}

impl Preparation {
    /// Notes the register that an instruction names as its destination. What it sets besides (CPUID, RDMSR, IN) is not
    /// the program's choice.
    pub fn note(&mut self, instruction: &Instruction) {
        let writes_first = !matches!(
            instruction.opcode,
            Opcode::Push
                | Opcode::In
                | Opcode::Cmp
                | Opcode::Test
                | Opcode::Call
                | Opcode::Jmp
                | Opcode::Lldt
                | Opcode::Ltr
                | Opcode::Lmsw
        );
        if let (true, Some(Operand::Register(Register::General { register, .. }))) =
            (writes_first, instruction.operands.first())
        {
            self.set.insert(*register);
        }
    }

    /// Sets a register, unless the program did.
    fn give(&self, cpu: &mut Cpu, register: General, value: u64) {
        if !self.set.contains(&register) {
            cpu.registers.set(register, value);
        }
    }

    /// Sets the register of an operand, or the memory that it names if nothing is there.
    fn give_operand(&self, cpu: &mut Cpu, memory: &mut FlatMemory, operand: Option<&Operand>, value: u64) {
        match operand {
            Some(Operand::Register(Register::General { register, .. })) => self.give(cpu, *register, value),
            Some(Operand::Memory(place)) => give_memory(cpu, memory, place, &[(2, value)]),
            _ => {}
        }
    }

    /// Prepares for an instruction. `is_first_level` is false within a handler, where stack and registers are what
    /// the transition has made them.
    pub fn prepare(&self, cpu: &mut Cpu, memory: &mut FlatMemory, instruction: &Instruction, is_first_level: bool) {
        self.point_somewhere(cpu, instruction);
        let first = instruction.operands.first();
        let second = instruction.operands.get(1);
        let next = cpu.rip.wrapping_add(instruction.length());
        match instruction.opcode {
            Opcode::MovToCr => {
                let value = match first {
                    Some(Operand::Register(Register::Control(ControlRegister::Cr0))) => cpu.cr0.bits(),
                    Some(Operand::Register(Register::Control(ControlRegister::Cr2))) => cpu.cr2,
                    Some(Operand::Register(Register::Control(ControlRegister::Cr3))) => cpu.cr3,
                    Some(Operand::Register(Register::Control(ControlRegister::Cr4))) => cpu.cr4.bits(),
                    _ => u64::from(cpu.cr8),
                };
                self.give_operand(cpu, memory, second, value);
            }
            Opcode::MovToDr => {
                let number = match first {
                    Some(Operand::Register(Register::Debug(number))) => usize::from(*number),
                    _ => 0,
                };
                self.give_operand(cpu, memory, second, cpu.dr[number & 7]);
            }
            Opcode::Lmsw => self.give_operand(cpu, memory, first, cpu.cr0.bits() & 0xffff),
            Opcode::Ltr => {
                self.give_operand(cpu, memory, first, u64::from(TASK.0));
                let at = cpu.gdtr.base.wrapping_add(u64::from(TASK.index()) * 8);
                let mut available = Descriptor::from_bits(memory.peek(at, 8));
                available.rights &= !2;
                memory.poke(at, 8, available.to_bits());
            }
            Opcode::MovToSegment => {
                if let Some(Operand::Register(Register::Segment(segment))) = first {
                    let held = u64::from(cpu.segments.get(*segment).selector.0);
                    self.give_operand(cpu, memory, second, held);
                }
            }
            Opcode::Lar | Opcode::Lsl => {
                self.give_operand(cpu, memory, second, u64::from(cpu.segments.cs.selector.0));
            }
            Opcode::Verr => self.give_operand(cpu, memory, first, u64::from(cpu.segments.cs.selector.0)),
            Opcode::Verw => self.give_operand(cpu, memory, first, u64::from(cpu.segments.ss.selector.0)),
            Opcode::Lgdt | Opcode::Lidt => {
                let table = if instruction.opcode == Opcode::Lgdt { cpu.gdtr } else { cpu.idtr };
                if let Some(Operand::Memory(place)) = first {
                    give_memory(cpu, memory, place, &[(2, u64::from(table.limit)), (8, table.base)]);
                }
            }
            Opcode::Rdmsr | Opcode::Wrmsr => {
                self.give(cpu, General::Rcx, u64::from(Msr::EFER.0));
                if instruction.opcode == Opcode::Wrmsr {
                    let held = held_by(cpu, Msr(cpu.registers.get(General::Rcx) as u32));
                    self.give(cpu, General::Rax, held & 0xffff_ffff);
                    self.give(cpu, General::Rdx, held >> 32);
                }
            }
            Opcode::Xsetbv => {
                self.give(cpu, General::Rax, cpu.xcr0 & 0xffff_ffff);
                self.give(cpu, General::Rdx, cpu.xcr0 >> 32);
            }
            Opcode::In | Opcode::Out => self.give(cpu, General::Rdx, 0x60),
            Opcode::Ins | Opcode::Outs => {
                self.give(cpu, General::Rdx, 0x60);
                self.give(cpu, General::Rsi, SCRATCH);
                self.give(cpu, General::Rdi, SCRATCH);
                self.give(cpu, General::Rcx, REPEATED);
            }
            Opcode::Div => {
                self.give_operand(cpu, memory, first, 1);
                if first.is_none_or(|operand| !names(operand, General::Rdx)) {
                    self.give(cpu, General::Rdx, 0);
                }
            }
            Opcode::Invpcid | Opcode::Invept | Opcode::Invvpid => self.give_operand(cpu, memory, first, 2),
            Opcode::Vmxon => vmm::give_region(cpu, memory, first, vmm::VMXON_REGION),
            Opcode::Vmclear | Opcode::Vmptrld => vmm::give_region(cpu, memory, first, vmm::VMCS),
            Opcode::Vmread => self.give_operand(cpu, memory, second, u64::from(Field::ExitReason.encoding())),
            Opcode::Vmwrite => {
                self.give_operand(cpu, memory, first, u64::from(Field::GuestRip.encoding()));
                self.give_operand(cpu, memory, second, next);
            }
            Opcode::Vmrun => self.give(cpu, General::Rax, vmm::VMCB),
            Opcode::Wrfsbase => self.give_operand(cpu, memory, first, cpu.segments.fs.descriptor.base),
            Opcode::Wrgsbase => self.give_operand(cpu, memory, first, cpu.segments.gs.descriptor.base),
            Opcode::Call | Opcode::Jmp => match first {
                Some(Operand::Memory(place)) => give_memory(cpu, memory, place, &[(8, next)]),
                operand => self.give_operand(cpu, memory, operand, next),
            },
            Opcode::CallFar | Opcode::JmpFar => {
                if let Some(Operand::Memory(place)) = first {
                    let size = place.width.filter(|_| cpu.mode() == Mode::Long).map_or(4, Width::bytes);
                    let size = if cpu.mode() == Mode::Real { 2 } else { size };
                    give_memory(cpu, memory, place, &[(size, next), (2, u64::from(cpu.segments.cs.selector.0))]);
                }
            }
            Opcode::Sysret if is_first_level => {
                self.give(cpu, General::Rcx, next);
                self.give(cpu, General::R11, cpu.rflags.bits());
            }
            Opcode::Sysexit if is_first_level => {
                self.give(cpu, General::Rdx, next);
                self.give(cpu, General::Rcx, STACK_TOP);
            }
            _ => {}
        }
        // What lies above the start of the stack is not the program's.
        if is_first_level && cpu.registers.get(General::Rsp) >= STACK_TOP {
            fill_stack(cpu, memory, instruction, next);
        }
    }

    /// Registers that are addresses point to memory.
    fn point_somewhere(&self, cpu: &mut Cpu, instruction: &Instruction) {
        for operand in &instruction.operands {
            if let Operand::Memory(Memory { base, index, .. }) = operand {
                if let Some(base) = base.filter(|base| *base != General::Rsp) {
                    self.give(cpu, base, SCRATCH);
                }
                if let Some((index, _)) = index {
                    self.give(cpu, *index, 0);
                }
            }
        }
    }
}

fn names(operand: &Operand, wanted: General) -> bool {
    matches!(operand, Operand::Register(Register::General { register, .. }) if *register == wanted)
}

fn held_by(cpu: &Cpu, msr: Msr) -> u64 {
    match msr {
        Msr::EFER => cpu.efer.bits(),
        Msr::FS_BASE => cpu.segments.fs.descriptor.base,
        Msr::GS_BASE => cpu.segments.gs.descriptor.base,
        Msr::TSC => cpu.tsc,
        msr => cpu.msrs.get(msr),
    }
}

/// Puts values one behind the other where only zeros are.
fn give_memory(cpu: &Cpu, memory: &mut FlatMemory, place: &Memory, values: &[(u8, u64)]) {
    let Some(mut at) = vmm::place(cpu, Some(&Operand::Memory(*place))) else { return };
    let size: u8 = values.iter().map(|(size, _)| size).sum();
    if (0..u64::from(size)).any(|byte| memory.peek(at.wrapping_add(byte), 1) != 0) {
        return;
    }
    for (size, value) in values {
        memory.poke(at, *size, *value);
        at = at.wrapping_add(u64::from(*size));
    }
}

/// The frame that the instruction is going to pop: a return to where it stands; for POPF the flags with IF cleared,
/// as a kernel pops them that wants no interrupts.
fn fill_stack(cpu: &mut Cpu, memory: &mut FlatMemory, instruction: &Instruction, next: u64) {
    let size = instruction.width_suffix().unwrap_or(match cpu.mode() {
        Mode::Long if instruction.opcode == Opcode::RetFar => Width::Dword,
        Mode::Long => Width::Qword,
        Mode::Real => Width::Word,
        _ => Width::Dword,
    });
    let (cs, ss) = (u64::from(cpu.segments.cs.selector.0), u64::from(cpu.segments.ss.selector.0));
    let flags = cpu.rflags;
    let frame: Vec<u64> = match instruction.opcode {
        Opcode::Popf => vec![(flags - Rflags::IF).bits()],
        Opcode::Iret => vec![next, cs, flags.bits(), STACK_TOP, ss],
        Opcode::RetFar => vec![next, cs],
        Opcode::Ret => vec![next],
        Opcode::PopSegment => match instruction.operands.first() {
            Some(Operand::Register(Register::Segment(segment))) => {
                vec![u64::from(cpu.segments.get(*segment).selector.0)]
            }
            _ => return,
        },
        _ => return,
    };
    cpu.registers.set(General::Rsp, STACK_TOP);
    for (index, word) in frame.into_iter().enumerate() {
        memory.poke(STACK_TOP + index as u64 * u64::from(size.bytes()), size.bytes(), size.truncate(word));
    }
}
