//! Memory: what processes use, and who is charged for it, as in `mm/`.
//!
//! A process has an address space ([`address_space::Mm`]): areas of addresses, of which some pages are resident.
//! Pages come only by a fault ([`fault`]), which charges the control group of whoever touches them first
//! ([`memcg`]); they go with the area, with the program, or with the file. When a limit or the machine is full and
//! nothing can be reclaimed, the OOM killer chooses a victim ([`oom`]).
//!
//! There are no page tables here: an address space knows which pages are resident, not in which frames they lie.
//! Whatever puts frames and tables below this has one place to start from, [`fault`].
//!
//! Pages are counted in runs, never one by one. Invariants ([`Memory::check`], [`World::check_memory`]):
//! 1. A run of anonymous pages is mapped by exactly those address spaces that it names, each of its pages once.
//! 2. What a group is charged is the sum of the runs, files, kernel stacks and page tables that name it, and of
//!    what its children are charged.
//! 3. An address space lives exactly as long as a process uses it.

pub mod address_space;
pub mod anon;
mod check;
pub mod event;
pub mod fault;
pub mod layout;
pub mod lifetime;
pub mod memcg;
pub mod oom;
pub mod page_cache;
mod page_tables;
mod protection;
pub mod ranges;
#[cfg(test)]
mod tests;
pub mod user_data;
pub mod writeback;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::id;
use crate::table::Table;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::vfs::fs::tmpfs::TOTAL_PAGES;
use address_space::Mm;
use anon::AnonRun;
use memcg::MemCgroup;

/// Bytes in a page.
pub const PAGE_SIZE: u64 = crate::vfs::content::PAGE_SIZE as u64;

/// The pages in which so many bytes from an address on lie: the first one, and how many. What lies behind the last address
/// is left out; nothing is ever mapped there.
pub fn pages_of(addr: u64, bytes: u64) -> (u64, u64) {
    let first = addr / PAGE_SIZE;
    (first, addr.saturating_add(bytes).div_ceil(PAGE_SIZE) - first)
}

/// Pages that the running kernel keeps for itself on a machine of this size: its text, its data and the structures
/// of the devices (about 96 MiB on a virtual machine of 2 GiB).
pub const KERNEL_RESERVED: u64 = 24_576;

id! {
    /// An address space (`struct mm_struct`).
    MmId
}

id! {
    /// A run of anonymous pages that were touched together and have the same users.
    AnonRunId
}

id! {
    /// What is charged for memory (`struct mem_cgroup`). It may outlive its control group.
    MemcgId
}

/// The group that everything is charged to in the end.
pub const ROOT_MEMCG: MemcgId = MemcgId(1);

/// What is known of all memory.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Address spaces.
    pub spaces: Table<MmId, Mm>,
    /// Runs of anonymous pages.
    pub anon: Table<AnonRunId, AnonRun>,
    /// Who is charged.
    pub memcgs: Table<MemcgId, MemCgroup>,
    /// The kernel's own side of each task.
    pub tasks: OrdMap<TaskId, TaskMemory>,
    /// Pages of files that went during the call at hand, by who was charged for them.
    pub released: OrdMap<(MemcgId, memcg::Charge), u64>,
    /// Counters since boot.
    pub counters: Counters,
    /// Pages of the standard machine that this one lacks: a guest has less memory, and a balloon takes of it.
    pub absent: u64,
    /// Pages that a balloon holds.
    pub ballooned: u64,
}

impl Memory {
    /// Pages of the machine (`totalram_pages`).
    pub fn total_pages(&self) -> u64 {
        TOTAL_PAGES.saturating_sub(self.absent)
    }

    /// Pages that the running kernel keeps for itself: on a small machine not more than a quarter.
    pub fn reserved_pages(&self) -> u64 {
        KERNEL_RESERVED.min(self.total_pages() / 4)
    }

    /// The machine has so much memory (`adjust_managed_page_count`).
    pub fn set_total(&mut self, bytes: u64) {
        self.absent = TOTAL_PAGES.saturating_sub(bytes / PAGE_SIZE);
    }
}

/// What the kernel keeps about the memory of a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TaskMemory {
    /// The group that is charged for what it touches.
    pub memcg: MemcgId,
    /// The group that was charged for its kernel stack and structures when it was made.
    pub kernel_memcg: MemcgId,
    /// It has to sleep this long before it goes on in user mode, because its group is above `memory.high`.
    pub penalty: Nanos,
    /// It waits for memory in a group whose OOM killer is switched off (`memcg_in_oom`).
    pub waits_for: Option<MemcgId>,
}

/// Counters of `/proc/vmstat`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Page faults.
    pub pgfault: u64,
    /// Pages handed out.
    pub pgalloc: u64,
    /// Pages given back.
    pub pgfree: u64,
    /// Processes that the OOM killer has killed.
    pub oom_kill: u64,
}

impl Default for Memory {
    fn default() -> Memory {
        let mut memcgs = Table::default();
        memcgs.add(MemCgroup::new(None));
        Memory {
            spaces: Table::default(),
            anon: Table::default(),
            memcgs,
            tasks: OrdMap::new(),
            released: OrdMap::new(),
            counters: Counters::default(),
            absent: 0,
            ballooned: 0,
        }
    }
}
