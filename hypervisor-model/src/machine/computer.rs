//! A machine with a kernel on it: the kernel's operations, turned into what hardware does.
//!
//! This is the kernel's half of the seam, the same on every platform: it keeps page tables, decides by Linux's rules
//! whether a flush is one address or all of them, and which processors must take part. What each of these costs is
//! the platform's half, [`Hardware`].
//!
//! Between two operations a program runs. What it touches then is not known to the kernel model, and is taken to be
//! the [`RECENT`] pages that it used last, one access each, and two pages of the kernel in each system call.

use kernel_model::machine::report::{Lane, Report};
use kernel_model::mm::MmId;
use kernel_model::pv_ops::{ALL_PAGES, PageRange, PvOp, PvOps};

use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::{EntryWrite, KERNEL_TEXT, KernelPages, KernelTables};
use crate::cpu::AccessKind;

/// How many processors a machine has: as many as the kernel model schedules on.
pub const PROCESSORS: usize = 2;
/// Above this many pages a flush drops everything instead of page by page (`tlb_single_page_flush_ceiling`).
const SINGLE_PAGE_FLUSH_CEILING: u64 = 33;
/// How many address spaces a processor remembers by PCID (`TLB_NR_DYN_ASIDS`).
const DYNAMIC_ASIDS: usize = 6;

/// What the kernel knows of one of its processors (`struct tlb_state`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Processor {
    mm: Option<MmId>,
    /// Which address space has which PCID, the PCID being the place plus 1. Those that missed a flush are not valid.
    asids: [Option<(MmId, bool)>; DYNAMIC_ASIDS],
    next: usize,
}

/// A machine with a kernel on it.
#[derive(Clone, PartialEq, Debug)]
pub struct Computer<H> {
    /// The platform's half.
    pub hardware: H,
    /// What has been counted.
    pub counters: Counters,
    tables: KernelTables,
    processors: [Processor; PROCESSORS],
    /// The kernel uses PCIDs, because the processor that it sees has them.
    has_pcid: bool,
}

impl<H: Hardware> Computer<H> {
    /// A machine on which a kernel has just booted, with so many frames of memory.
    pub fn new(hardware: H, frames: u64, has_pcid: bool) -> Self {
        Computer::with_pages(hardware, frames, has_pcid, KernelPages::Large)
    }

    /// The same, with the kernel's own memory mapped as told.
    pub fn with_pages(mut hardware: H, frames: u64, has_pcid: bool, pages: KernelPages) -> Self {
        let (tables, writes) = KernelTables::new(frames, pages);
        let mut boot = Counters::default();
        for write in writes {
            hardware.write_entry(0, write, &mut boot);
        }
        // What booting costs is not what is compared.
        let counters = Counters::default();
        Computer { hardware, counters, tables, processors: Default::default(), has_pcid }
    }

    /// The page tables of its kernel.
    pub fn tables(&self) -> &KernelTables {
        &self.tables
    }

    /// The page tables of its kernel, and the frames that it hands out.
    pub fn tables_mut(&mut self) -> &mut KernelTables {
        &mut self.tables
    }

    fn apply(&mut self, cpu: usize, writes: &[EntryWrite]) {
        for write in writes {
            self.hardware.write_entry(cpu, *write, &mut self.counters);
        }
    }

    /// `switch_mm_irqs_off`: an address space that the processor still remembers keeps its translations.
    fn switch(&mut self, cpu: usize, mm: MmId) {
        let mut writes = Vec::new();
        let root = self.tables.root(mm, &mut writes);
        self.apply(cpu, &writes);
        let processor = &mut self.processors[cpu];
        processor.mm = Some(mm);
        if !self.has_pcid {
            self.hardware.write_cr3(cpu, root.0, &mut self.counters);
            return;
        }
        let known = processor.asids.iter().position(|slot| slot.is_some_and(|(known, _)| known == mm));
        let (slot, is_valid) = match known {
            Some(slot) => (slot, processor.asids[slot].is_some_and(|(_, valid)| valid)),
            None => {
                let slot = processor.next;
                processor.next = (slot + 1) % DYNAMIC_ASIDS;
                (slot, false)
            }
        };
        processor.asids[slot] = Some((mm, true));
        let keep = if is_valid { 1 << 63 } else { 0 };
        self.hardware.write_cr3(cpu, root.0 | (slot as u64 + 1) | keep, &mut self.counters);
    }

    /// `flush_tlb_mm_range`: this processor now, others by interrupt if they use the address space, and later if they
    /// only remember it.
    fn flush(&mut self, cpu: usize, at: PageRange) {
        for other in 0..PROCESSORS {
            let uses_it = self.processors[other].mm == Some(at.mm);
            if uses_it {
                if other != cpu {
                    self.hardware.shootdown(cpu, other, &mut self.counters);
                }
                self.flush_here(other, at);
            } else {
                for slot in self.processors[other].asids.iter_mut().flatten().filter(|(mm, _)| *mm == at.mm) {
                    slot.1 = false;
                }
            }
        }
    }

    fn flush_here(&mut self, cpu: usize, at: PageRange) {
        if at.pages <= SINGLE_PAGE_FLUSH_CEILING {
            for page in at.first..at.first + at.pages {
                self.hardware.invlpg(cpu, page << 12, &mut self.counters);
            }
            return;
        }
        let mut writes = Vec::new();
        let root = self.tables.root(at.mm, &mut writes);
        let slot = self.processors[cpu].asids.iter().position(|slot| slot.is_some_and(|(mm, _)| mm == at.mm));
        let pcid = if self.has_pcid { slot.map_or(0, |slot| slot as u64 + 1) } else { 0 };
        self.hardware.write_cr3(cpu, root.0 | pcid, &mut self.counters);
    }

    fn user_access(&mut self, cpu: usize, page: u64, is_write: bool) -> Access {
        self.counters.told.at(cpu, Lane::GuestUser);
        let kind = if is_write { AccessKind::Write } else { AccessKind::Read };
        self.hardware.access(cpu, MemoryAccess { linear: page << 12, kind, is_user: true }, &mut self.counters)
    }

    fn kernel_access(&mut self, cpu: usize, linear: u64, kind: AccessKind) {
        self.counters.told.at(cpu, Lane::GuestKernel);
        self.hardware.access(cpu, MemoryAccess { linear, kind, is_user: false }, &mut self.counters);
    }

    /// What the kernel itself uses in a system call: its text, and its stack in the direct map.
    fn kernel_accesses(&mut self, cpu: usize) {
        self.kernel_access(cpu, KERNEL_TEXT, AccessKind::Fetch);
        self.kernel_access(cpu, self.tables.stack(cpu), AccessKind::Write);
    }

    /// What the program uses between two calls.
    fn program_accesses(&mut self, cpu: usize) {
        let Some(mm) = self.processors[cpu].mm else { return };
        for page in self.tables.recent(mm) {
            self.user_access(cpu, page, false);
        }
    }

    fn faults(&mut self, cpu: usize, at: PageRange, write: bool) {
        for page in at.first..at.first + at.pages {
            self.user_access(cpu, page, write);
            self.counters.told.at(cpu, Lane::GuestKernel);
            self.hardware.page_fault(cpu, &mut self.counters);
            self.kernel_accesses(cpu);
        }
    }
}

/// The address space that an operation is about.
fn space_of(op: PvOp) -> Option<MmId> {
    match op {
        PvOp::WriteCr3 { mm } | PvOp::PgdAlloc { mm } | PvOp::ExitMmap { mm } => Some(mm),
        PvOp::SetPte { at, .. } | PvOp::ProtectPte { at } | PvOp::ClearPte { at } => Some(at.mm),
        PvOp::FlushTlb { at } | PvOp::PageFault { at, .. } => Some(at.mm),
        PvOp::SafeHalt | PvOp::SyscallEntry | PvOp::ReturnToUser => None,
    }
}

impl<H: Hardware + Clone + 'static> PvOps for Computer<H> {
    fn execute(&mut self, cpu: u32, op: PvOp) {
        let cpu = cpu as usize % PROCESSORS;
        self.counters.told.at(cpu, Lane::GuestKernel);
        let root = space_of(op).and_then(|mm| self.tables.known_root(mm));
        self.hardware.begin(cpu, op, root, &mut self.counters);
        self.carry_out(cpu, op);
        self.hardware.end(cpu, &mut self.counters);
    }

    fn touch(&mut self, cpu: u32, at: PageRange, write: bool) {
        let cpu = cpu as usize % PROCESSORS;
        for page in self.tables.pages_in(at) {
            self.tables.touched(at.mm, page);
            self.user_access(cpu, page, write);
        }
    }

    fn reports(&mut self) -> Vec<Report> {
        self.counters.told.take()
    }

    fn is_large(&self) -> bool {
        true
    }
}

impl<H: Hardware> Computer<H> {
    fn carry_out(&mut self, cpu: usize, op: PvOp) {
        let mut writes = Vec::new();
        match op {
            PvOp::WriteCr3 { mm } => self.switch(cpu, mm),
            PvOp::PgdAlloc { mm } => {
                self.tables.root(mm, &mut writes);
            }
            PvOp::SetPte { at, write, frames } => {
                self.tables.set(at, write, frames, &mut writes);
                self.apply(cpu, &std::mem::take(&mut writes));
                // Whoever faulted touches the page again, and goes on.
                let is_here = self.processors[cpu].mm == Some(at.mm);
                for page in self.tables.pages_in(at).into_iter().take(if is_here { usize::MAX } else { 0 }) {
                    self.tables.touched(at.mm, page);
                    self.user_access(cpu, page, write);
                }
            }
            PvOp::ProtectPte { at } => self.tables.protect(at, &mut writes),
            PvOp::ClearPte { at } => self.tables.clear(at, &mut writes),
            PvOp::FlushTlb { at } => self.flush(cpu, at),
            PvOp::ExitMmap { mm } => {
                self.tables.end(mm, &mut writes);
                self.apply(cpu, &std::mem::take(&mut writes));
                self.flush(cpu, PageRange { mm, first: 0, pages: ALL_PAGES });
                for processor in &mut self.processors {
                    processor.mm = processor.mm.filter(|known| *known != mm);
                    for slot in &mut processor.asids {
                        *slot = slot.filter(|(known, _)| *known != mm);
                    }
                }
            }
            PvOp::SafeHalt => self.hardware.halt(cpu, &mut self.counters),
            PvOp::SyscallEntry => {
                self.hardware.syscall_entry(cpu, &mut self.counters);
                self.kernel_accesses(cpu);
            }
            PvOp::ReturnToUser => {
                self.hardware.return_to_user(cpu, &mut self.counters);
                self.program_accesses(cpu);
            }
            PvOp::PageFault { at, write, .. } => self.faults(cpu, at, write),
        }
        self.counters.told.at(cpu, Lane::GuestKernel);
        self.apply(cpu, &writes);
    }
}
