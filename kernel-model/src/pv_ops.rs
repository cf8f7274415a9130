//! The seam between the kernel and the machine below it.
//!
//! Whatever a kernel may only do with privilege it does through [`PvOps`], which is to this model what
//! `pv_ops` is to Linux (`arch/x86/include/asm/paravirt_types.h`). On bare metal the operation runs; under
//! a hypervisor it may be a VM exit, a hypercall, or rewritten code. The kernel model is the same.
//!
//! Two kinds of things that the kernel does not ask for go the same way, because the machine must know of them:
//! what hardware does by itself ([`PvOp::SyscallEntry`], [`PvOp::PageFault`]), and which memory user mode touches
//! ([`PvOps::touch`]).

use serde::{Deserialize, Serialize};

use crate::mm::MmId;

/// Pages that follow each other in an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PageRange {
    /// The address space.
    pub mm: MmId,
    /// The number of the first page: its address divided by 4096.
    pub first: u64,
    /// How many pages.
    pub pages: u64,
}

/// Which frames of memory the entries of pages name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Frames {
    /// New ones, which nobody else has.
    New,
    /// Those that the same pages have in another address space: fork(2).
    Of(MmId),
    /// Those of a file that is in memory: the number of its first page, which no page of another file has.
    PageCache(u64),
    /// Those that were mapped at another place until now, beginning with this page: mremap(2).
    MovedFrom(u64),
}

/// A privileged operation, named as in Linux's `pv_ops`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PvOp {
    /// Loads the page-table base of another address space (`mmu.write_cr3`).
    WriteCr3 {
        /// The address space that is in force from now on.
        mm: MmId,
    },
    /// Makes the top-level table of a new address space (`mmu.pgd_alloc`).
    PgdAlloc {
        /// The new address space.
        mm: MmId,
    },
    /// Writes entries of page tables so that pages become usable, one entry a page (`mmu.set_pte`).
    SetPte {
        /// The pages.
        at: PageRange,
        /// They may be written.
        write: bool,
        /// Which frames they name.
        frames: Frames,
    },
    /// Takes the right to write away, one entry a page (`ptep_set_wrprotect`: `mmu.set_pte`).
    ProtectPte {
        /// The pages.
        at: PageRange,
    },
    /// Makes entries not present, one a page (`ptep_get_and_clear`: `mmu.set_pte`).
    ClearPte {
        /// The pages.
        at: PageRange,
    },
    /// Makes every processor forget what it remembers of these pages (`mmu.flush_tlb_multi`,
    /// `mmu.flush_tlb_one_user`).
    FlushTlb {
        /// The pages; [`ALL_PAGES`] of them for a whole address space.
        at: PageRange,
    },
    /// An address space ends with all its tables (`mmu.exit_mmap`).
    ExitMmap {
        /// The address space.
        mm: MmId,
    },
    /// Waits for the next interrupt (`irq.safe_halt`).
    SafeHalt,
    /// Enters the kernel from user mode by SYSCALL; what the hardware does, not the kernel.
    SyscallEntry,
    /// Returns to user mode (`cpu.iret`, SYSRET where possible).
    ReturnToUser,
    /// Page faults, one for each page, each with its entry into the kernel and its return; what the hardware does.
    PageFault {
        /// The pages that were touched.
        at: PageRange,
        /// They were to be written.
        write: bool,
        /// They were there, but not for writing.
        present: bool,
    },
}

/// As many pages as an address space has: see [`PvOp::FlushTlb`].
pub const ALL_PAGES: u64 = 1 << 36;

/// What carries out privileged operations: the machine below the kernel.
pub trait PvOps {
    /// Carries out one operation on processor `cpu`.
    fn execute(&mut self, cpu: u32, op: PvOp);

    /// A program touches memory on processor `cpu`: nothing that the kernel takes part in, as long as the pages are
    /// there.
    fn touch(&mut self, _cpu: u32, _at: PageRange, _write: bool) {}
}

/// A machine that does nothing that could be seen: for tests of the kernel alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoMachine;

impl PvOps for NoMachine {
    fn execute(&mut self, _cpu: u32, _op: PvOp) {}
}
