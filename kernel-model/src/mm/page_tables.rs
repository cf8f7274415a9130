//! What the kernel writes into page tables, as operations for the machine below (`mm/memory.c`, `mm/mprotect.c`,
//! `arch/x86/mm/tlb.c`).
//!
//! Which pages an address space has is known by [`Mm`](super::address_space::Mm); the entries themselves belong to the
//! machine. Each function here says which of them change, in the kernel's order: entries first, then the flush of what
//! processors may remember.

use super::MmId;
use super::address_space::{Backing, Prot, Vma};
use super::page_cache::FAULT_AROUND;
use crate::kernel::Kernel;
use crate::pv_ops::{ALL_PAGES, Frames, PageRange, PvOp};
use crate::task::TaskId;
use crate::task::sched::CpuId;

impl Kernel<'_> {
    /// A processor goes on with `task`: CR3 is loaded unless the address space is in force already (`switch_mm_irqs_off`).
    pub(crate) fn switch_mm(&mut self, cpu: CpuId, task: TaskId) {
        let Some(mm) = self.mm_of(task) else { return };
        if self.sched.cpus[cpu.index()].active_mm != Some(mm) {
            self.sched.cpus[cpu.index()].active_mm = Some(mm);
            self.privileged(PvOp::WriteCr3 { mm });
        }
    }

    /// The current task got another address space (`exec_mmap`, `activate_mm`).
    pub(super) fn load_mm(&mut self, mm: MmId) {
        let cpu = self.sched.cpu;
        self.sched.cpus[cpu.index()].active_mm = Some(mm);
        self.privileged(PvOp::WriteCr3 { mm });
    }

    /// An address space ends: no processor keeps it.
    pub(super) fn forget_mm(&mut self, mm: MmId) {
        for cpu in &mut self.sched.cpus {
            if cpu.active_mm == Some(mm) {
                cpu.active_mm = None;
            }
        }
        self.privileged(PvOp::ExitMmap { mm });
    }

    /// fork(2): the child gets entries for what is anonymous, and neither side may write any more. Pages of files are
    /// left to be faulted in again (`copy_page_range`, `vma_needs_copy`).
    pub(super) fn copy_page_tables(&mut self, old: MmId, new: MmId) {
        self.privileged(PvOp::PgdAlloc { mm: new });
        for (first, pages) in self.resident_anon(old, 0, ALL_PAGES) {
            self.privileged(PvOp::ProtectPte { at: PageRange { mm: old, first, pages } });
            self.privileged(PvOp::SetPte {
                at: PageRange { mm: new, first, pages },
                write: false,
                frames: Frames::Of(old),
            });
        }
        self.privileged(PvOp::FlushTlb { at: PageRange { mm: old, first: 0, pages: ALL_PAGES } });
    }

    /// The pages of program and libraries that user mode reaches while it starts: the faults map the pages around them
    /// too (`filemap_map_pages`).
    pub(super) fn map_image(&mut self, mm: MmId) {
        let k = &*self;
        let areas = k.mm.spaces[mm].vmas.iter();
        let mapped: Vec<(u64, u64, u64)> = areas
            .flat_map(|(start, v)| {
                v.resident.overlaps(*start, v.pages).map(move |(at, n)| (at, n, k.page_in_cache(v, at - start)))
            })
            .collect();
        for (first, pages, cached) in mapped {
            let faults = PageRange { mm, first, pages: pages.div_ceil(FAULT_AROUND) };
            self.privileged(PvOp::PageFault { at: faults, write: false, present: false });
            let frames = Frames::PageCache(cached);
            self.privileged(PvOp::SetPte { at: PageRange { mm, first, pages }, write: false, frames });
        }
    }

    /// The number in the page cache of a page of an area: which file it is of, and which page of it.
    pub(super) fn page_in_cache(&self, vma: &Vma, page: u64) -> u64 {
        // No file has more pages than this.
        const PAGES_OF_A_FILE: u64 = 1 << 32;
        let (file, first) = match &vma.backing {
            Backing::File { file, offset } => (self.mapped_inode(*file).map_or(0, |inode| u64::from(inode.0)), *offset),
            Backing::Image { path, offset } => (1 << 31 | fnv_1a(path.as_bytes()) >> 33, *offset),
            Backing::Kernel(name) => (1 << 31 | fnv_1a(name.as_bytes()) >> 33, 0),
            Backing::Anonymous | Backing::Stack => (0, 0),
        };
        file * PAGES_OF_A_FILE + first + page
    }

    /// Pages go from a range: `zap_page_range_single`, `unmap_region`.
    pub(crate) fn zap_pages(&mut self, mm: MmId, first: u64, pages: u64) {
        let parts = self.resident(mm, first, pages);
        if parts.is_empty() {
            return;
        }
        for (first, pages) in parts {
            self.privileged(PvOp::ClearPte { at: PageRange { mm, first, pages } });
        }
        self.privileged(PvOp::FlushTlb { at: PageRange { mm, first, pages } });
    }

    /// What may be done with pages changes: `change_protection`. A right that is added needs no flush.
    pub(crate) fn change_protection(&mut self, mm: MmId, first: u64, pages: u64, prot: Prot) {
        let parts = self.resident(mm, first, pages);
        if parts.is_empty() || prot.can(Prot::WRITE) {
            // Writing becomes possible at the next fault, as for every private page.
            return;
        }
        for (first, pages) in parts {
            self.privileged(PvOp::ProtectPte { at: PageRange { mm, first, pages } });
        }
        self.privileged(PvOp::FlushTlb { at: PageRange { mm, first, pages } });
    }

    /// Pages move with their area (`move_page_tables`).
    pub(crate) fn move_page_tables(&mut self, mm: MmId, first: u64, pages: u64, to: u64) {
        for (at, pages) in self.resident_anon(mm, first, pages) {
            let there = PageRange { mm, first: at - first + to, pages };
            self.privileged(PvOp::SetPte { at: there, write: true, frames: Frames::MovedFrom(at) });
            self.privileged(PvOp::ClearPte { at: PageRange { mm, first: at, pages } });
        }
        self.privileged(PvOp::FlushTlb { at: PageRange { mm, first, pages } });
        self.mm.move_anon(mm, first, pages, to);
    }

    /// The resident anonymous pages in a range, those that follow each other together.
    fn resident_anon(&self, mm: MmId, first: u64, pages: u64) -> Vec<(u64, u64)> {
        let mut parts: Vec<(u64, u64)> = Vec::new();
        for (at, segment) in self.mm.anon_in(mm, first, pages) {
            match parts.last_mut() {
                Some((start, n)) if *start + *n == at => *n += segment.pages,
                _ => parts.push((at, segment.pages)),
            }
        }
        parts
    }

    /// All resident pages in a range: anonymous ones, and those of files.
    fn resident(&self, mm: MmId, first: u64, pages: u64) -> Vec<(u64, u64)> {
        let mut parts = self.resident_anon(mm, first, pages);
        let space = &self.mm.spaces[mm];
        for start in space.areas_in(first, pages) {
            let Some(vma) = space.vmas.get(&start) else { continue };
            if !matches!(vma.backing, Backing::Anonymous | Backing::Stack) {
                parts.extend(vma.resident.overlaps(first, pages));
            }
        }
        parts.sort_unstable();
        parts
    }
}

/// A number for a name (FNV-1a): programs of the standard world are mapped by path, without an open file.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
