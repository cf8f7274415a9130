//! The processor that the instruction console starts with: tables, stacks and registers as Linux has them on x86-64,
//! with segments for rings 1 and 2 beside.
//!
//! ```text
//! GDT: 0x08 32-bit code  0x10 kernel code  0x18 kernel data  0x23 32-bit user code  0x2b user data  0x33 user code
//!      0x40 TSS  0x50 a call gate for everybody  0x61, 0x69 code and data of ring 1  0x72, 0x7a of ring 2
//! ```
//!
//! Selectors, limits, CR0 and the gates' privilege are those of Linux 6.12 (`arch/x86/include/asm/segment.h`,
//! `arch/x86/kernel/idt.c`): vectors 3, 4 and 0x80 are for everybody. UMIP is off, as it was when x86 could not be
//! virtualized.

use crate::cpu::bus::FlatMemory;
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::flags::Rflags;
use crate::cpu::msr::{Msr, Msrs};
use crate::cpu::register::{General, Registers};
use crate::cpu::segment::{Descriptor, Gate, Segment, Segments, Selector, TableRegister};
use crate::cpu::{Activity, Cpu, InterruptShadow, Mode, Operation, Vendor};

const GDT_BASE: u64 = 0xffff_fe00_0000_1000;
const IDT_BASE: u64 = 0xffff_fe00_0000_0000;
const TSS_BASE: u64 = 0xffff_fe00_0000_3000;
/// Where the handlers of the kernel begin; that of vector n is 16 n further.
const HANDLERS: u64 = 0xffff_ffff_81e0_0000;
/// Where SYSCALL goes.
const SYSCALL_ENTRY: u64 = 0xffff_ffff_81e0_1000;
/// Top of the kernel's stack in the TSS.
const KERNEL_STACK: u64 = 0xffff_c900_0010_4000;
/// Top of the stack with which a program starts.
pub const STACK_TOP: u64 = 0x6f00;
/// Where code begins.
const CODE: u64 = 0x1000;
/// The call gate.
pub const CALL_GATE: Selector = Selector(0x53);
/// The TSS.
pub const TASK: Selector = Selector(0x40);

/// Code and stack selectors of a ring.
#[must_use]
pub fn selectors(ring: u8) -> (Selector, Selector) {
    match ring {
        0 => (Selector(0x10), Selector(0x18)),
        1 => (Selector(0x61), Selector(0x69)),
        2 => (Selector(0x72), Selector(0x7a)),
        _ => (Selector(0x33), Selector(0x2b)),
    }
}

/// A processor in a ring of a mode, and its memory.
#[must_use]
pub fn standard_processor(vendor: Vendor, mode: Mode, ring: u8) -> (Cpu, FlatMemory) {
    let mut memory = FlatMemory::default();
    let mut cpu = bare(vendor);
    match mode {
        Mode::Real => real(&mut cpu, &mut memory),
        mode => protected(&mut cpu, &mut memory, mode, ring),
    }
    (cpu, memory)
}

fn bare(vendor: Vendor) -> Cpu {
    let mut registers = Registers::default();
    registers.set(General::Rsp, STACK_TOP);
    Cpu {
        vendor,
        registers,
        rip: CODE,
        rflags: Rflags::ALWAYS | Rflags::IF,
        cr0: Cr0::ET,
        cr2: 0,
        cr3: 0,
        cr4: Cr4::empty(),
        cr8: 0,
        dr: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
        xcr0: 7,
        segments: Segments::default(),
        gdtr: TableRegister { base: 0, limit: 0xffff },
        idtr: TableRegister { base: 0, limit: 0x3ff },
        efer: Efer::empty(),
        msrs: Msrs::default(),
        cpl: 0,
        operation: Operation::Off,
        activity: Activity::Running,
        shadow: InterruptShadow::None,
        blocks_nmi: false,
        tsc: 0,
    }
}

/// Real mode: segments of 64 KiB from 0, an interrupt table that leads to 0xf000:0.
fn real(cpu: &mut Cpu, memory: &mut FlatMemory) {
    let rights = 0x3 | Descriptor::S | Descriptor::P;
    let segment = Segment { selector: Selector(0), descriptor: Descriptor { base: 0, limit: 0xffff, rights } };
    let s = &mut cpu.segments;
    (s.cs, s.ss, s.ds, s.es, s.fs, s.gs) = (segment, segment, segment, segment, segment, segment);
    for vector in 0..256 {
        memory.poke(vector * 4, 4, 0xf000_0000);
    }
}

fn protected(cpu: &mut Cpu, memory: &mut FlatMemory, mode: Mode, ring: u8) {
    let is_long = mode != Mode::Protected;
    // In 32-bit mode the same tables lie within the first 4 GiB.
    let at = |address: u64| if is_long { address } else { address & 0xffff_ffff };
    cpu.cr0 = Cr0::PE | Cr0::MP | Cr0::ET | Cr0::NE | Cr0::WP | Cr0::AM | Cr0::PG;
    cpu.cr3 = 0x1_0000;
    cpu.cr4 = Cr4::PSE | Cr4::PAE | Cr4::MCE | Cr4::PGE | Cr4::OSFXSR | Cr4::OSXMMEXCPT | Cr4::FSGSBASE | Cr4::OSXSAVE;
    cpu.efer = if is_long { Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE } else { Efer::SCE | Efer::NXE };
    let task = Descriptor { base: at(TSS_BASE), limit: 0x67, rights: 0x89 };
    let gate = Gate { kind: 0xc, dpl: 3, is_present: true, selector: Selector(0x10), offset: at(HANDLERS), count: 0 };
    let gate = gate.to_bits();
    let entries = [
        (0x08, Descriptor::code(0, false).to_bits()),
        (0x10, Descriptor::code(0, is_long).to_bits()),
        (0x18, Descriptor::data(0).to_bits()),
        (0x20, Descriptor::code(3, false).to_bits()),
        (0x28, Descriptor::data(3).to_bits()),
        (0x30, Descriptor::code(3, is_long).to_bits()),
        (0x40, task.to_bits()),
        (0x48, if is_long { task.base >> 32 } else { 0 }),
        (0x50, gate.0),
        (0x58, if is_long { gate.1 } else { 0 }),
        (0x60, Descriptor::code(1, is_long).to_bits()),
        (0x68, Descriptor::data(1).to_bits()),
        (0x70, Descriptor::code(2, is_long).to_bits()),
        (0x78, Descriptor::data(2).to_bits()),
    ];
    for (offset, bits) in entries {
        memory.poke(at(GDT_BASE) + offset, 8, bits);
    }
    cpu.gdtr = TableRegister { base: at(GDT_BASE), limit: 0x7f };
    fill_idt(cpu, memory, at(IDT_BASE), at(HANDLERS), is_long);
    fill_task(memory, at(TSS_BASE), at(KERNEL_STACK), is_long);
    let task = Descriptor { rights: 0x8b, ..task };
    cpu.segments.tr = Segment { selector: TASK, descriptor: task };
    enter_ring(cpu, ring, is_long);
    cpu.msrs.set(Msr::STAR, 0x0023_0010 << 32);
    cpu.msrs.set(Msr::LSTAR, SYSCALL_ENTRY);
    cpu.msrs.set(Msr::CSTAR, SYSCALL_ENTRY);
    cpu.msrs.set(Msr::FMASK, 0x25_7fd5);
    cpu.msrs.set(Msr::SYSENTER_CS, 0x10);
    cpu.msrs.set(Msr::SYSENTER_ESP, at(KERNEL_STACK));
    cpu.msrs.set(Msr::SYSENTER_EIP, at(SYSCALL_ENTRY));
    cpu.msrs.set(Msr::APIC_BASE, 0xfee0_0900);
    cpu.msrs.set(Msr::PAT, 0x0007_0406_0007_0406);
    cpu.msrs.set(Msr::KERNEL_GS_BASE, 0x7000);
}

/// Interrupt gates to the kernel for every vector; 3, 4 and 0x80 may be used by everybody.
fn fill_idt(cpu: &mut Cpu, memory: &mut FlatMemory, base: u64, handlers: u64, is_long: bool) {
    let size = if is_long { 16 } else { 8 };
    for vector in 0..256_u64 {
        let dpl = if matches!(vector, 3 | 4 | 0x80) { 3 } else { 0 };
        // Linux takes #DF, NMI, #MC and #DB on stacks of their own.
        let count = if is_long && vector == 8 { 1 } else { 0 };
        let offset = handlers + vector * 16;
        let gate = Gate { kind: 0xe, dpl, is_present: true, selector: Selector(0x10), offset, count };
        let (low, high) = gate.to_bits();
        memory.poke(base + vector * size, 8, low);
        if is_long {
            memory.poke(base + vector * size + 8, 8, high);
        }
    }
    cpu.idtr = TableRegister { base, limit: (256 * size - 1) as u16 };
}

/// Stacks for rings 0 to 2; no port is allowed, as the I/O bitmap would begin behind the limit.
fn fill_task(memory: &mut FlatMemory, base: u64, stack: u64, is_long: bool) {
    for ring in 0..3_u64 {
        let top = stack - ring * 0x1000;
        if is_long {
            memory.poke(base + 4 + ring * 8, 8, top);
        } else {
            memory.poke(base + 4 + ring * 8, 4, top);
            memory.poke(base + 8 + ring * 8, 2, u64::from(selectors(ring as u8).1.0));
        }
    }
    if is_long {
        memory.poke(base + 36, 8, stack - 0x4000);
    }
    memory.poke(base + 102, 2, 0x68);
}

/// Puts the processor into a ring with the segments that belong to it.
fn enter_ring(cpu: &mut Cpu, ring: u8, is_long: bool) {
    let (code, stack) = selectors(ring);
    cpu.cpl = ring;
    cpu.segments.cs = Segment { selector: code, descriptor: Descriptor::code(ring, is_long) };
    cpu.segments.ss = Segment { selector: stack, descriptor: Descriptor::data(ring) };
    if !is_long {
        let data = Segment { selector: stack, descriptor: Descriptor::data(ring) };
        let s = &mut cpu.segments;
        (s.ds, s.es, s.fs, s.gs) = (data, data, data, data);
    }
}
