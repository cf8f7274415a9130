//! The virtual machine in which sequences are counted, and its user space.
//!
//! 16 MiB of memory in three slots (8 MiB, 2 MiB read-only, 2 MiB whose writes can be logged), tables that map 4 MiB one
//! to one in 4 KiB pages and 60 MiB more in large ones, a device, the local APIC and a demand area above 1 GiB, a GDT, an
//! IDT with the handlers of the guest's program, a TSS. User space answers port 0x10: 1 and 2 are the markers between
//! which is counted, 3 is the end, 4 switches the dirty log on.

use super::{Assembled, CODE, Mode, Sequence};
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::segment::{Descriptor, Segment, Selector, TableRegister};
use crate::cpu::{Cpu, General, Msr, Rflags, Vector, Vendor};
use crate::kvm::mmu::{Config, KvmMmu, MemorySlot, Paging, SlotId};
use crate::kvm::user_exit::UserExit;
use crate::kvm::vcpu::device::{APIC_DEFAULT_BASE, Devices, IoEventFd, Irqchip};
use crate::kvm::vcpu::hardware::{Hardware, Svm, Vmx};
use crate::kvm::vcpu::{Halt, Machine, Trace, Vcpu};
use crate::machine::console::standard_processor::standard_processor;
use crate::memory::{Gfn, Gpa, GuestId, Hfn, Owner, PhysicalMemory};
use crate::svm::intercepts::Deviations;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which hardware and which paging: a column of a recording.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Column {
    /// AMD-V with nested paging.
    SvmNpt,
    /// AMD-V with shadow tables.
    SvmShadow,
    /// VT-x with EPT.
    VmxEpt,
    /// VT-x with shadow tables.
    VmxShadow,
}

impl Column {
    /// All four, in the order of the recordings.
    pub const ALL: [Column; 4] = [Column::SvmNpt, Column::SvmShadow, Column::VmxEpt, Column::VmxShadow];

    /// The name that recordings have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::SvmNpt => "svm_npt",
            Column::SvmShadow => "svm_shadow",
            Column::VmxEpt => "vmx_ept",
            Column::VmxShadow => "vmx_shadow",
        }
    }

    /// Whose processor it is.
    #[must_use]
    pub fn vendor(self) -> Vendor {
        match self {
            Column::SvmNpt | Column::SvmShadow => Vendor::Amd,
            Column::VmxEpt | Column::VmxShadow => Vendor::Intel,
        }
    }

    fn paging(self) -> Paging {
        match self {
            Column::SvmNpt => Paging::Npt,
            Column::VmxEpt => Paging::Ept { accessed_and_dirty: true, pml: false },
            Column::SvmShadow | Column::VmxShadow => Paging::Shadow,
        }
    }

    /// Where the recorded processor, itself emulated in software, is not a real one: what it does with XSETBV and INVD.
    fn deviations(self) -> Deviations {
        Deviations { xsetbv_never_exits: true, invd_exits_as_wbinvd: true }
    }

    /// Whether the recorded host had large pages to give; the one with VT-x was too small.
    fn host_has_large_pages(self) -> bool {
        self.vendor() == Vendor::Amd
    }

    /// Whether the recorded processor asks for the right to write before it loads what it will store again.
    fn asks_before_modify(self) -> bool {
        self.vendor() == Vendor::Intel
    }
}

/// What a sequence cost between its markers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Exits by reason, without those of the host's own interrupts.
    pub exits: BTreeMap<String, u32>,
    /// Returns to user space by reason.
    pub to_user_space: BTreeMap<String, u32>,
    /// Why the machine ended, if not by the end of the sequence.
    pub ended: Option<String>,
}

/// How many instructions a sequence may run.
const BUDGET: u64 = 8_000_000;
/// How often user space runs the guest.
const RUNS_MAX: u32 = 20_000;
/// How many interrupts user space injects.
const INTERRUPTS: u32 = 16;
/// Their vector.
const INTERRUPT_VECTOR: Vector = Vector(0x91);
/// Exits of the host's own interrupts, which are not of the guest's making.
const OF_THE_HOST: [&str; 4] = ["interrupt", "nmi", "smi", "EXTERNAL_INTERRUPT"];
const MIB: u64 = 1 << 20;
const PAGES_PER_MIB: u64 = 256;
/// Where the tables of the guest are.
const GDT: u64 = 0x8000;
const TSS: u64 = 0x8800;
const IDT: u64 = 0x9000;
const STACK: u64 = 0xf800;

/// Runs a sequence under one kind of hardware and counts.
///
/// # Errors
/// The guest comes to what this model does not do.
pub fn run(guest: &Assembled, sequence: &Sequence, column: Column) -> Result<Counts, Halt> {
    let mut machine =
        machine(guest, sequence, column).ok_or_else(|| Halt::NotModelled("the host has no memory".to_owned()))?;
    let mut user = UserSpace { counts: Counts::default(), is_counting: false, injected: 0, begin: 0, end: None };
    user.run(&mut machine, sequence)?;
    let mut counts = user.counts;
    let end = user.end.unwrap_or(machine.trace.len());
    for event in &machine.trace[user.begin.min(end)..end] {
        if let Trace::Exit { reason, .. } = event
            && !OF_THE_HOST.contains(&reason.as_str())
        {
            *counts.exits.entry(reason.clone()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Runs a sequence and gives the virtual machine as it is at the end.
///
/// # Errors
/// As [`run`].
pub fn finished(guest: &Assembled, sequence: &Sequence, column: Column) -> Result<Machine, Halt> {
    let mut machine =
        machine(guest, sequence, column).ok_or_else(|| Halt::NotModelled("the host has no memory".to_owned()))?;
    let mut user = UserSpace { counts: Counts::default(), is_counting: false, injected: 0, begin: 0, end: None };
    user.run(&mut machine, sequence)?;
    Ok(machine)
}

/// User space between runs of the guest.
struct UserSpace {
    counts: Counts,
    is_counting: bool,
    injected: u32,
    /// Where in the trace counting begins.
    begin: usize,
    /// Where it ends: before the exit of the second marker.
    end: Option<usize>,
}

impl UserSpace {
    fn run(&mut self, machine: &mut Machine, sequence: &Sequence) -> Result<(), Halt> {
        let injects = sequence.setting.interrupts;
        machine.vcpu.run.request_interrupt_window = injects;
        for _ in 0..RUNS_MAX {
            let run = &machine.vcpu.run;
            if injects && self.is_counting && self.injected < INTERRUPTS && run.ready_for_interrupt_injection {
                machine.queue_interrupt(INTERRUPT_VECTOR);
                self.injected += 1;
            }
            if injects && self.injected >= INTERRUPTS {
                machine.vcpu.run.request_interrupt_window = false;
            }
            let before = machine.trace.len();
            let exit = machine.run()?;
            let io = machine.vcpu.run.io.filter(|io| exit == UserExit::Io && io.port == 0x10);
            if let Some(io) = io {
                match io.value as u8 {
                    1 => {
                        self.is_counting = true;
                        self.begin = machine.trace.len();
                    }
                    2 => {
                        self.is_counting = false;
                        self.end = Some(last_exit(machine, before));
                    }
                    3 => return Ok(()),
                    4 => machine.mmu.enable_dirty_log(&mut machine.memory, SlotId(2)),
                    _ => {}
                }
                continue;
            }
            if self.is_counting {
                *self.counts.to_user_space.entry(exit.name()).or_default() += 1;
            }
            let is_end =
                matches!(exit, UserExit::Shutdown | UserExit::FailEntry | UserExit::InternalError | UserExit::Unknown);
            if is_end {
                self.counts.ended = Some(exit.name());
                return Ok(());
            }
        }
        Err(Halt::TooLong)
    }
}

/// Where in the trace the last exit stands.
fn last_exit(machine: &Machine, from: usize) -> usize {
    let found = machine.trace[from..].iter().rposition(|event| matches!(event, Trace::Exit { .. }));
    found.map_or(machine.trace.len(), |at| from + at)
}

fn machine(guest: &Assembled, sequence: &Sequence, column: Column) -> Option<Machine> {
    let mut memory = PhysicalMemory::new(8192);
    let id = GuestId(1);
    let first = memory.allocate_block(16 * PAGES_PER_MIB, Owner::Guest(id))?.0;
    let mut mmu = KvmMmu::new(Config::new(id, column.paging()));
    let frames = |from: u64, mib: u64| {
        (first + from * PAGES_PER_MIB..first + (from + mib) * PAGES_PER_MIB).map(Hfn).collect::<Vec<_>>()
    };
    let level = if sequence.setting.huge && column.host_has_large_pages() { 2 } else { 1 };
    let slot = |number: u32, at: u64, mib: u64| MemorySlot {
        host_level: level,
        ..MemorySlot::new(SlotId(number), Gfn(at * PAGES_PER_MIB), frames(at, mib).into())
    };
    let read_only = MemorySlot { is_readonly: true, ..slot(1, 8, 2) };
    let mut slots = vec![slot(0, 0, 8), read_only, slot(2, 10, 2)];
    let has_irqchip = sequence.setting.irqchip;
    if has_irqchip && column.vendor() == Vendor::Intel {
        // The page at which VT-x watches the local APIC has a slot of its own.
        let page = memory.allocate(Owner::Guest(id))?;
        let apic = Gpa(APIC_DEFAULT_BASE).frame();
        slots.push(MemorySlot::new(crate::kvm::mmu::slot::APIC_ACCESS_PAGE_PRIVATE_MEMSLOT, apic, vec![page].into()));
    }
    for slot in slots {
        mmu.set_slot(&mut memory, slot).ok()?;
    }
    let (host, _) = standard_processor(column.vendor(), crate::cpu::Mode::Long, 0);
    let hardware = match column.paging() {
        Paging::Npt => Hardware::Svm(Box::new(Svm::new(true, column.deviations()))),
        Paging::Ept { .. } => Hardware::Vmx(Box::new(Vmx::new(true, has_irqchip, &host))),
        Paging::Shadow if column.vendor() == Vendor::Amd => {
            Hardware::Svm(Box::new(Svm::new(false, column.deviations())))
        }
        Paging::Shadow => Hardware::Vmx(Box::new(Vmx::new(false, has_irqchip, &host))),
    };
    let cpu = registers(&host, guest, sequence);
    let mut devices = Devices { irqchip: has_irqchip.then(Irqchip::new), ioeventfds: Vec::new() };
    if sequence.setting.ioeventfd {
        let port = IoEventFd { address: 0x570, size: 2, is_port: true, datamatch: None, count: 0 };
        let memory = IoEventFd { address: 0xd000_1000, size: 4, is_port: false, datamatch: None, count: 0 };
        devices.ioeventfds.extend([port, memory]);
    }
    let mut machine = Machine {
        memory,
        mmu,
        code: guest.code.clone(),
        devices,
        vcpu: Vcpu::new(cpu.clone(), hardware),
        asks_before_modify: column.asks_before_modify(),
        budget: BUDGET,
        trace: Vec::new(),
    };
    for (at, value) in memory_image(&guest.handlers) {
        let frame = Hfn(first + at / 4096);
        machine.memory.write_u64(frame.address().plus(at % 4096), value);
    }
    machine.set_registers(cpu);
    Some(machine)
}

/// The registers with which a sequence starts.
fn registers(host: &Cpu, guest: &Assembled, sequence: &Sequence) -> Cpu {
    let mut cpu = host.clone();
    cpu.operation = crate::cpu::Operation::Off;
    cpu.registers = crate::cpu::Registers::default();
    cpu.registers.set(General::Rsp, STACK);
    cpu.rflags = Rflags::RESET;
    cpu.cpl = 0;
    cpu.cr2 = 0;
    cpu.cr8 = 0;
    cpu.dr = [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400];
    cpu.gdtr = TableRegister { base: GDT, limit: 0x3f };
    cpu.idtr = TableRegister { base: IDT, limit: 0xfff };
    cpu.rip = sequence.entry;
    cpu.msrs.set(Msr::APIC_BASE, APIC_DEFAULT_BASE | 0x900);
    let flat = |selector: u16, descriptor| Segment { selector: Selector(selector), descriptor };
    let is_long = sequence.mode == Mode::Long;
    let data = flat(0x10, Descriptor::data(0));
    let segments = &mut cpu.segments;
    (segments.ds, segments.es, segments.fs, segments.gs, segments.ss) = (data, data, data, data, data);
    segments.cs = flat(8, Descriptor::code(0, is_long));
    segments.ldtr = Segment::default();
    segments.tr = flat(0x30, Descriptor { base: TSS, limit: 0x67, rights: 0x8b });
    match sequence.mode {
        Mode::Long => {
            cpu.cr0 = Cr0::PG | Cr0::WP | Cr0::PE | Cr0::MP | Cr0::ET | Cr0::NE;
            cpu.cr3 = 0x1000;
            cpu.cr4 = Cr4::PAE | Cr4::OSFXSR | Cr4::OSXMMEXCPT | Cr4::OSXSAVE;
            cpu.efer = Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE;
            cpu.msrs.set(Msr::STAR, 0x0018_0008_0000_0000);
            cpu.msrs.set(Msr::LSTAR, guest.handlers.get("h_syscall").copied().unwrap_or(0));
            cpu.msrs.set(Msr::FMASK, 0);
        }
        Mode::Protected => {
            cpu.cr0 = Cr0::PE | Cr0::MP | Cr0::ET | Cr0::NE;
            cpu.cr3 = 0;
            cpu.cr4 = Cr4::PSE | Cr4::OSFXSR;
            cpu.efer = Efer::empty();
        }
        Mode::Real => {
            // As after reset: the caches are off.
            cpu.cr0 = Cr0::ET | Cr0::CD | Cr0::NW;
            cpu.cr3 = 0;
            cpu.cr4 = Cr4::empty();
            cpu.efer = Efer::empty();
            let at = |base: u64, kind: u16| Segment {
                selector: Selector((base >> 4) as u16),
                descriptor: Descriptor { base, limit: 0xffff, rights: kind | Descriptor::S | Descriptor::P },
            };
            let data = at(0, 3);
            let segments = &mut cpu.segments;
            (segments.ds, segments.es, segments.fs, segments.gs, segments.ss) = (data, data, data, data, data);
            segments.cs = at(CODE, 0xb);
            segments.tr =
                Segment { selector: Selector(0), descriptor: Descriptor { base: 0, limit: 0xffff, rights: 0x8b } };
            cpu.gdtr = TableRegister { base: 0, limit: 0xffff };
            cpu.idtr = TableRegister { base: 0, limit: 0x3ff };
            cpu.rip = sequence.entry - CODE;
        }
    }
    cpu
}

/// What user space writes into the guest's memory.
fn memory_image(handlers: &BTreeMap<String, u64>) -> Vec<(u64, u64)> {
    let handler = |name: &str| handlers.get(name).copied().unwrap_or(0);
    let mut image = vec![
        (0x1000, 0x2007),
        (0xa000, 0x2007),
        (0x2000, 0x3007),
        (0x2008, 0x6007),
        (0x3000, 0x4007),
        (0x3008, 0x5007),
        // A device, the local APIC, the demand area with its table.
        (0x6000, 0xd000_0097),
        (0x6008, APIC_DEFAULT_BASE | 0x97),
        (0x6010, 0x7007),
        // 32-bit paging: 16 MiB in pages of 4 MiB.
        (0xc000, 0x83 | (((4 * MIB) | 0x83) << 32)),
        (0xc008, (8 * MIB) | 0x83 | (((12 * MIB) | 0x83) << 32)),
    ];
    image.extend((2..32).map(|at| (0x3000 + 8 * at, (at * 2 * MIB) | 0x87)));
    for at in 0..512 {
        image.push((0x4000 + 8 * at, at << 12 | 7));
        image.push((0x5000 + 8 * at, (2 * MIB) | (at << 12) | 7));
    }
    // Null, 64-bit code, data, 32-bit code and data of ring 3, 64-bit code of ring 3, the TSS.
    let descriptors = [
        0,
        0x00af_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0x00cf_fb00_0000_ffff,
        0x00cf_f300_0000_ffff,
        0x00af_fb00_0000_ffff,
        0x0000_8900_8800_0067,
        0,
    ];
    image.extend(descriptors.iter().enumerate().map(|(at, bits)| (GDT + 8 * at as u64, *bits)));
    // The stack of ring 0 in the TSS, at its offset 4.
    image.push((TSS, 0xf000 << 32));
    let gates = [
        (0, "h_skip", 0),
        (1, "h_db", 0),
        (3, "h_iret", 3),
        (6, "h_skip", 0),
        (7, "h_skip", 0),
        (13, "h_skip_err", 0),
        (14, "h_pf", 0),
        (0x80, "h_iret", 3),
        (0x81, "h_user_back", 3),
        (0x90, "h_ipi", 0),
        (0x91, "h_irq_count", 0),
    ];
    for vector in 0..256u64 {
        let named = gates.iter().find(|(number, ..)| *number == vector);
        let (name, dpl) = named.map_or(("h_iret", 0), |(_, name, dpl)| (*name, *dpl));
        let gate = crate::cpu::segment::Gate {
            kind: 0xe,
            dpl,
            is_present: true,
            selector: Selector(8),
            offset: handler(name),
            count: 0,
        };
        let (low, high) = gate.to_bits();
        image.push((IDT + 16 * vector, low));
        image.push((IDT + 16 * vector + 8, high));
    }
    // Real mode: vector 0x21, in the segment of the code; an entry is half of a word.
    let entry = handler("h_rm_iret").wrapping_sub(CODE) & 0xffff | (CODE >> 4) << 16;
    image.push((0x80, entry << 32));
    image
}
