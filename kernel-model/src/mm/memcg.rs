//! Who is charged for memory, and up to which limit: `struct mem_cgroup` and `try_charge_memcg`, as in
//! `mm/memcontrol.c`.
//!
//! The files of the two memory controllers are in `cgroup/controller/memory`. Here is what both have in common: a tree
//! of groups, each with a page counter that also counts what its children are charged, and the order in which a charge
//! tries to get through: room up the tree, reclaim, the OOM killer. The kernel's stock of 64 pages a processor is left
//! aside, so the counters are exact.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::MemoryEvent;
use super::oom::OomOutcome;
use super::writeback::is_unwritten;
use super::{MemcgId, Memory, ROOT_MEMCG};
use crate::cgroup::CgroupId;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::world::World;

/// No limit (`PAGE_COUNTER_MAX`).
pub const UNLIMITED: u64 = u64::MAX;
/// How often a charge tries to reclaim before it gives up (`MAX_RECLAIM_RETRIES`).
const MAX_RECLAIM_RETRIES: u64 = 16;
/// Pages that are charged between two looks at `memory.high` (`MEMCG_CHARGE_BATCH`).
pub const CHARGE_BATCH: u64 = 64;
/// Pages that the allocator does not hand out (`min_free_kbytes` of 5792).
pub const MIN_FREE: u64 = 1448;

/// What a page is charged as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Charge {
    /// Anonymous memory.
    Anon,
    /// The page cache of a file on a device.
    File,
    /// A file in memory (tmpfs), System V shared memory, shared anonymous memory.
    Shmem,
    /// Kernel stacks.
    KernelStack,
    /// Page tables.
    PageTables,
    /// Other structures of the kernel.
    Slab,
    /// Buffers of pipes.
    Pipe,
}

/// How many kinds of charges there are.
pub const CHARGES: usize = 7;

impl Charge {
    /// All kinds.
    pub const ALL: [Charge; CHARGES] = [
        Charge::Anon,
        Charge::File,
        Charge::Shmem,
        Charge::KernelStack,
        Charge::PageTables,
        Charge::Slab,
        Charge::Pipe,
    ];

    /// Whether it counts as memory of the kernel (`kernel` in memory.stat, `kmem` of version 1).
    pub fn is_kernel(self) -> bool {
        !matches!(self, Charge::Anon | Charge::File | Charge::Shmem)
    }

    /// What it is called in a sentence.
    pub fn label(self) -> &'static str {
        match self {
            Charge::Anon => "anonymous memory",
            Charge::File => "page cache",
            Charge::Shmem => "files in memory",
            Charge::KernelStack => "kernel stacks",
            Charge::PageTables => "page tables",
            Charge::Slab => "kernel structures",
            Charge::Pipe => "pipe buffers",
        }
    }
}

/// What memory.events counts, in the order of that file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the names in memory.events
pub enum MemcgEvent {
    Low,
    High,
    Max,
    Oom,
    OomKill,
    OomGroupKill,
}

impl MemcgEvent {
    /// The names in memory.events.
    pub const NAMES: [&'static str; 6] = ["low", "high", "max", "oom", "oom_kill", "oom_group_kill"];
}

/// A counter with a limit of its own that does not limit charges here (`memory.kmem.*` of version 1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Counter {
    /// Pages now, those of children included.
    pub usage: u64,
    /// The most there ever were.
    pub watermark: u64,
    /// The limit that was written.
    pub limit: u64,
}

/// A group that is charged for memory. Sizes count pages.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemCgroup {
    /// The group above.
    pub parent: Option<MemcgId>,
    /// Its control group; `None` for the root, whose control group follows the controller from tree to tree.
    pub cgroup: Option<CgroupId>,
    /// Its path in its hierarchy, for messages.
    pub path: Arc<str>,
    /// Its control group still exists. One that was removed lives on while something is charged to it.
    pub online: bool,
    /// It belongs to version 2: its events count in the groups above, too.
    pub v2: bool,
    /// Pages charged to it and to the groups below.
    pub usage: u64,
    /// The most there ever were (`memory.peak`, `memory.max_usage_in_bytes`).
    pub watermark: u64,
    /// How often a charge failed here (`memory.failcnt`).
    pub failcnt: u64,
    /// `memory.max`, `memory.limit_in_bytes`.
    pub max: u64,
    /// `memory.high`.
    pub high: u64,
    /// `memory.low`.
    pub low: u64,
    /// `memory.min`.
    pub min: u64,
    /// `memory.soft_limit_in_bytes`.
    pub soft_limit: u64,
    /// `memory.swap.max`, `memory.memsw.limit_in_bytes`; there is no swap here.
    pub swap_max: u64,
    /// `memory.swap.high`.
    pub swap_high: u64,
    /// `memory.zswap.max`.
    pub zswap_max: u64,
    /// `memory.kmem.tcp.limit_in_bytes`.
    pub tcp_limit: u64,
    /// What is charged to the group itself, by [`Charge`].
    pub own: [u64; CHARGES],
    /// Memory of the kernel, children included.
    pub kmem: Counter,
    /// Events here and below, by [`MemcgEvent`].
    pub events: [u64; 6],
    /// Events here.
    pub events_local: [u64; 6],
    /// All members die together (`memory.oom.group`).
    pub oom_group: bool,
    /// Nobody is killed (`memory.oom_control` of version 1).
    pub oom_kill_disable: bool,
    /// `memory.swappiness`.
    pub swappiness: u64,
    /// Pages handed out to members.
    pub pgpgin: u64,
    /// Pages that were given back.
    pub pgpgout: u64,
    /// Page faults of members.
    pub pgfault: u64,
}

impl MemCgroup {
    /// A new group, as mkdir(2) makes it. The first one has no parent.
    pub fn new(parent: Option<MemcgId>) -> MemCgroup {
        MemCgroup {
            parent,
            cgroup: None,
            path: "/".into(),
            online: true,
            v2: false,
            usage: 0,
            watermark: 0,
            failcnt: 0,
            max: UNLIMITED,
            high: UNLIMITED,
            low: 0,
            min: 0,
            soft_limit: UNLIMITED,
            swap_max: UNLIMITED,
            swap_high: UNLIMITED,
            zswap_max: UNLIMITED,
            tcp_limit: UNLIMITED,
            own: [0; CHARGES],
            kmem: Counter { usage: 0, watermark: 0, limit: UNLIMITED },
            events: [0; 6],
            events_local: [0; 6],
            oom_group: false,
            oom_kill_disable: false,
            swappiness: 60,
            pgpgin: 0,
            pgpgout: 0,
            pgfault: 0,
        }
    }

    /// What is charged to the group itself as one kind.
    pub fn own(&self, what: Charge) -> u64 {
        self.own[what as usize]
    }

    /// All that is charged to the group itself.
    pub fn own_total(&self) -> u64 {
        self.own.iter().sum()
    }
}

/// Why a charge did not get through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChargeError {
    /// There is no memory. The task may have been chosen to die; then SIGKILL is pending.
    NoMemory,
    /// The OOM killer of this group is switched off, and the task has to wait.
    Wait(MemcgId),
    /// Pages of this group have to be written back first.
    WriteBack(MemcgId),
}

/// How much can be charged at once.
enum Room {
    Pages(u64),
    /// This group, or the machine ([`ROOT_MEMCG`]), is full.
    Full(MemcgId),
}

impl Memory {
    /// A group and the groups above it, from below.
    pub fn lineage(&self, memcg: MemcgId) -> Vec<MemcgId> {
        std::iter::successors(Some(memcg), |id| self.memcgs.get(*id)?.parent).collect()
    }

    /// Whether `memcg` is `top` or below it.
    pub fn is_below(&self, memcg: MemcgId, top: MemcgId) -> bool {
        std::iter::successors(Some(memcg), |id| self.memcgs.get(*id)?.parent).any(|id| id == top)
    }

    /// Pages of the machine that nobody uses.
    pub fn free_pages(&self) -> u64 {
        self.total_pages().saturating_sub(self.reserved_pages() + self.memcgs[ROOT_MEMCG].usage)
    }

    /// Pages that a group may still be charged for, by its own limit and those above.
    pub fn room_below(&self, memcg: MemcgId) -> u64 {
        let room = |id: MemcgId| match self.memcgs.get(id) {
            Some(m) if id != ROOT_MEMCG => m.max.saturating_sub(m.usage),
            _ => self.free_pages(),
        };
        self.lineage(memcg).into_iter().map(room).min().unwrap_or(0)
    }

    /// The sum of a kind of charges over a group and everything below it.
    pub fn subtree(&self, top: MemcgId, what: Charge) -> u64 {
        self.memcgs.iter().filter(|(id, _)| self.is_below(*id, top)).map(|(_, m)| m.own(what)).sum()
    }

    /// How much of `pages` fits now.
    fn room(&self, memcg: MemcgId, pages: u64) -> Room {
        let mut fits = pages;
        let mut to_high = u64::MAX;
        for id in self.lineage(memcg) {
            let group = &self.memcgs[id];
            let room = if id == ROOT_MEMCG {
                self.free_pages().saturating_sub(MIN_FREE)
            } else {
                group.max.saturating_sub(group.usage)
            };
            if room == 0 {
                return Room::Full(id);
            }
            fits = fits.min(room);
            to_high = to_high.min(group.high.saturating_sub(group.usage));
        }
        // Above memory.high, what has been charged is looked at after every batch.
        Room::Pages(fits.min(if to_high == 0 { CHARGE_BATCH } else { to_high }))
    }

    /// Counts pages in a group and in all above it.
    pub(super) fn commit_charge(&mut self, memcg: MemcgId, what: Charge, pages: u64) {
        self.memcgs[memcg].own[what as usize] += pages;
        if !what.is_kernel() {
            self.memcgs[memcg].pgpgin += pages;
        }
        self.counters.pgalloc += pages;
        for id in self.lineage(memcg) {
            let group = &mut self.memcgs[id];
            group.usage += pages;
            group.watermark = group.watermark.max(group.usage);
            if what.is_kernel() {
                group.kmem.usage += pages;
                group.kmem.watermark = group.kmem.watermark.max(group.kmem.usage);
            }
        }
    }

    /// Takes pages off again.
    pub(super) fn count_uncharge(&mut self, memcg: MemcgId, what: Charge, pages: u64) {
        let group = &mut self.memcgs[memcg];
        group.own[what as usize] -= pages;
        if !what.is_kernel() {
            group.pgpgout += pages;
        }
        self.counters.pgfree += pages;
        for id in self.lineage(memcg) {
            let group = &mut self.memcgs[id];
            group.usage -= pages;
            if what.is_kernel() {
                group.kmem.usage -= pages;
            }
        }
    }

    /// Counts an event in a group, and in version 2 in all above it (`memcg_memory_event`).
    fn count_event(&mut self, memcg: MemcgId, event: MemcgEvent, times: u64) {
        self.memcgs[memcg].events_local[event as usize] += times;
        for id in self.lineage(memcg) {
            let group = &mut self.memcgs[id];
            group.events[event as usize] += times;
            if !group.v2 {
                break;
            }
        }
    }
}

impl World {
    /// The group that is charged for what a task touches.
    pub fn memcg_of(&self, task: TaskId) -> MemcgId {
        self.mm.tasks.get(&task).map_or(ROOT_MEMCG, |t| t.memcg)
    }
}

impl Kernel<'_> {
    /// Counts an event in a group, and in version 2 in all above it; whoever polls the files is told.
    pub(crate) fn count_memory_event(&mut self, memcg: MemcgId, event: MemcgEvent, times: u64) {
        self.mm.count_event(memcg, event, times);
        self.wake_all(crate::task::sched::Wait::CgroupEvents);
    }

    /// Charges as many of `pages` as fit at once, at least one (`try_charge_memcg`). `user` says that a program
    /// touched them itself, so that it may be made to wait.
    pub(crate) fn charge(
        &mut self,
        task: TaskId,
        memcg: MemcgId,
        what: Charge,
        pages: u64,
        user: bool,
    ) -> Result<u64, ChargeError> {
        let mut passed_oom = false;
        loop {
            let over = match self.mm.room(memcg, pages) {
                Room::Pages(n) => {
                    self.mm.commit_charge(memcg, what, n);
                    self.charged(memcg, what, n);
                    self.note_high(task, memcg, n);
                    return Ok(n);
                }
                Room::Full(over) => over,
            };
            // Once, once more after the stocks of all processors have been drained, and then the retries.
            let tries = MAX_RECLAIM_RETRIES + if passed_oom { 1 } else { 2 };
            self.limit_hit(over, memcg, pages, tries, passed_oom);
            if self.reclaim(over, pages.min(CHARGE_BATCH)) > 0 {
                continue;
            }
            if self.cached_pages(over, is_unwritten) > 0 {
                if user {
                    return Err(ChargeError::WriteBack(over));
                }
                if self.drop_pages_on_their_way(over) > 0 {
                    continue;
                }
            }
            if passed_oom && self.is_dying(task) {
                return Err(ChargeError::NoMemory);
            }
            match self.memcg_oom(task, over, user) {
                OomOutcome::Killed => passed_oom = true,
                OomOutcome::NoVictim => return Err(ChargeError::NoMemory),
                OomOutcome::Wait => return Err(ChargeError::Wait(over)),
            }
        }
    }

    /// Says that pages were charged.
    fn charged(&mut self, memcg: MemcgId, what: Charge, pages: u64) {
        let (usage, limit) = self.mm.memcgs.get(memcg).map_or((0, UNLIMITED), |m| (m.usage, m.max));
        self.emit_memory(MemoryEvent::Charged { memcg, what, pages, usage, limit });
    }

    /// A charge found a group or the machine full.
    fn limit_hit(&mut self, over: MemcgId, memcg: MemcgId, pages: u64, tries: u64, again: bool) {
        if over == ROOT_MEMCG {
            return;
        }
        self.mm.memcgs[over].failcnt += tries;
        self.count_memory_event(over, MemcgEvent::Max, tries);
        if !again {
            let (usage, limit) = (self.mm.memcgs[over].usage, self.mm.memcgs[over].max);
            self.emit_memory(MemoryEvent::LimitHit { over, memcg, wanted: pages, usage, limit });
        }
    }

    /// Gives pages back (`uncharge_batch`). Whoever waits for memory of these groups tries again.
    pub(crate) fn uncharge(&mut self, memcg: MemcgId, what: Charge, pages: u64) {
        if pages == 0 {
            return;
        }
        self.mm.count_uncharge(memcg, what, pages);
        for id in self.mm.lineage(memcg) {
            self.wake_all(Wait::Memory(id));
        }
        self.free_memcg_if_unused(memcg);
    }

    /// Gives pages back that several groups were charged for, and says so.
    pub(crate) fn uncharge_all(&mut self, what: Charge, freed: &super::anon::Freed) {
        for (memcg, pages) in freed {
            self.uncharge(*memcg, what, *pages);
            let usage = self.mm.memcgs.get(*memcg).map_or(0, |m| m.usage);
            self.emit_memory(MemoryEvent::Uncharged { memcg: *memcg, what, pages: *pages, usage });
        }
    }

    /// Limits have changed: whoever waits for memory of a group or of one below it tries again.
    pub(crate) fn wake_memory_waiters(&mut self, memcg: MemcgId) {
        let waiting: Vec<MemcgId> = self
            .mm
            .tasks
            .values()
            .filter_map(|t| t.waits_for)
            .filter(|over| self.mm.is_below(*over, memcg) || self.mm.is_below(memcg, *over))
            .collect();
        for over in waiting {
            self.wake_all(Wait::Memory(over));
        }
    }

    /// Whether a task is about to die.
    pub(crate) fn is_dying(&self, task: TaskId) -> bool {
        use crate::task::signal::Signal;
        let Some(t) = self.tasks.get(task) else { return true };
        t.state.has_exited()
            || t.pending.has(Signal::KILL)
            || self.processes.get(t.process).is_none_or(|p| p.pending.has(Signal::KILL))
    }

    /// After a charge: if a group is above `memory.high` the task will have to sleep (`mem_cgroup_handle_over_high`).
    fn note_high(&mut self, task: TaskId, memcg: MemcgId, pages: u64) {
        let over: Vec<MemcgId> = self
            .mm
            .lineage(memcg)
            .into_iter()
            .filter(|id| self.mm.memcgs.get(*id).is_some_and(|m| m.usage > m.high))
            .collect();
        let Some(first) = over.first().copied() else { return };
        for id in &over {
            self.count_memory_event(*id, MemcgEvent::High, 1);
        }
        self.reclaim(first, pages);
        let penalty = over.iter().map(|id| high_delay(&self.mm.memcgs[*id], pages)).max().unwrap_or_default();
        if let Some(t) = self.mm.tasks.get_mut(&task) {
            t.penalty += penalty;
        }
        let (usage, high) = (self.mm.memcgs[first].usage, self.mm.memcgs[first].high);
        self.emit_memory(MemoryEvent::AboveHigh { memcg: first, usage, high, penalty });
    }

    /// Before it goes on in user mode, a task sleeps off what it has to. Whether it sleeps.
    pub(crate) fn sleep_off_penalty(&mut self, task: TaskId) -> bool {
        let Some(t) = self.world.mm.tasks.get_mut(&task) else { return false };
        let penalty = std::mem::take(&mut t.penalty);
        if penalty <= Nanos(10_000_000) {
            // Less than a hundredth of a second is not worth the sleep (`penalty_jiffies <= HZ / 100`).
            return false;
        }
        let until = self.clock + penalty;
        let memcg = self.memcg_of(task);
        self.emit_memory(MemoryEvent::Throttled { memcg, task, penalty });
        self.sleep(task, crate::syscall::Sleep { on: vec![Wait::MemoryPenalty(task)], until: Some(until) });
        true
    }
}

/// How long a task sleeps for `pages` that put its group above `memory.high` (`calculate_high_delay`): with the square
/// of the overage, at most two seconds.
fn high_delay(group: &MemCgroup, pages: u64) -> Nanos {
    const PRECISION: u32 = 20;
    const SCALING: u32 = 14;
    const MAX_DELAY: u64 = 2_000_000_000;
    let overage = (u128::from(group.usage.saturating_sub(group.high)) << PRECISION) / u128::from(group.high.max(1));
    let seconds_scaled = overage * overage * 1_000_000_000;
    let nanos = (seconds_scaled >> (PRECISION + SCALING)) * u128::from(pages) / u128::from(CHARGE_BATCH);
    Nanos(u64::try_from(nanos).unwrap_or(MAX_DELAY).min(MAX_DELAY))
}
