//! The seam between the kernel and the machine below it.
//!
//! Whatever a kernel may only do with privilege it does through [`PvOps`], which is to this model what
//! `pv_ops` is to Linux (`arch/x86/include/asm/paravirt_types.h`). On bare metal the operation runs; under
//! a hypervisor it may be a VM exit, a hypercall, or rewritten code. The kernel model is the same.
//!
//! Two kinds of things that the kernel does not ask for go the same way, because the machine must know of them:
//! what hardware does by itself ([`PvOp::SyscallEntry`], [`PvOp::PageFault`]), and which memory user mode touches
//! ([`PvOps::touch`]).

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::machine::device::{DeviceAnswer, DeviceCall, DeviceNode};
use crate::machine::interrupt::{DiskRequest, DiskServed, Interrupt};
use crate::machine::report::Report;
use crate::machine::{Port, SystemId};
use crate::mm::MmId;
use crate::mm::user_data::UserMemory;
use crate::net::packet::Frame;
use crate::time::Nanos;
use crate::world::World;

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

/// A machine can be kept as it is at an event, as the world is.
pub trait Keep {
    /// A copy whose type only the timeline knows.
    fn keep(&self) -> Box<dyn Any>;
}

impl<T: Clone + 'static> Keep for T {
    fn keep(&self) -> Box<dyn Any> {
        Box::new(self.clone())
    }
}

/// What carries out privileged operations: the machine below the kernel. What there is beside them is in
/// [`machine`](crate::machine); a machine that has nothing of it need not mention it.
pub trait PvOps: Keep {
    /// Carries out one operation on processor `cpu`.
    fn execute(&mut self, cpu: u32, op: PvOp);

    /// A program touches memory on processor `cpu`: nothing that the kernel takes part in, as long as the pages are
    /// there.
    fn touch(&mut self, _cpu: u32, _at: PageRange, _write: bool) {}

    /// Hands over what it has done since it was asked last, in order. Every run of the same history gives the same.
    fn reports(&mut self) -> Vec<Report> {
        Vec::new()
    }

    /// It holds so much that few copies of it should be kept.
    fn is_large(&self) -> bool {
        false
    }

    /// The kernel's next turn begins at this moment. Whether somebody else's turn was taken instead; one that is idle
    /// has nothing to do itself.
    fn turn(&mut self, _now: Nanos, _is_idle: bool) -> bool {
        false
    }

    /// When something is due of which the machine will tell, while everybody sleeps: the next [`PvOps::turn`] after that
    /// moment is where it happens.
    fn next_timer(&self) -> Option<Nanos> {
        None
    }

    /// Somebody in it is at work, so that time passes though everybody here waits for what is typed.
    fn is_busy(&self) -> bool {
        false
    }

    /// Hands over the interrupts that have come for the kernel, in order.
    fn interrupts(&mut self) -> Vec<Interrupt> {
        Vec::new()
    }

    /// The nodes in `/dev` that it has drivers for.
    fn devices(&self) -> &'static [DeviceNode] {
        &[]
    }

    /// Answers a call to one of its devices.
    fn device(&mut self, _call: DeviceCall<'_>) -> DeviceAnswer {
        DeviceAnswer::Failed(Errno::ENXIO)
    }

    /// The counter of an eventfd was raised by a program. Whether somebody below takes such events: then they are taken.
    fn event_signalled(&mut self, _event: u64) -> bool {
        false
    }

    /// The bytes of programs' memory, if it keeps any.
    fn user_memory(&mut self) -> Option<&mut UserMemory> {
        None
    }

    /// Takes a request to one of its disks; [`Interrupt::DiskDone`] says that it is done.
    fn submit(&mut self, _request: DiskRequest) {}

    /// What somebody else wanted of a disk is done: see [`Interrupt::ServeDisk`].
    fn disk_served(&mut self, _cookie: u64, _answer: DiskServed) {}

    /// Takes a frame that leaves by one of its network devices.
    fn transmit(&mut self, _port: Port, _frame: &Frame) {}

    /// Carries out a call that somebody outside makes to it, in its own words and in the name of a kernel on it. Whether it
    /// takes such calls: then its reports say what became of this one.
    fn called(&mut self, _now: Nanos, _who: u32, _text: &str) -> bool {
        false
    }

    /// The world of another kernel that lives in it.
    fn world_of(&self, _system: SystemId) -> Option<&World> {
        None
    }
}

/// A machine that does nothing that could be seen: for tests of the kernel alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoMachine;

impl PvOps for NoMachine {
    fn execute(&mut self, _cpu: u32, _op: PvOp) {}
}
