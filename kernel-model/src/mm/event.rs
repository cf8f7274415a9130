//! What can be seen to happen to memory, with the numbers in it. Sizes count pages.

use serde::{Deserialize, Serialize};

use super::memcg::{Charge, UNLIMITED};
use super::{MemcgId, PAGE_SIZE};
use crate::projection::explain::task_name;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::world::World;

/// Something happened to memory.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum MemoryEvent {
    /// Pages were charged to a group; `usage` is what it and the groups below have now, `limit` its own limit.
    Charged { memcg: MemcgId, what: Charge, pages: u64, usage: u64, limit: u64 },
    /// Pages were given back.
    Uncharged { memcg: MemcgId, what: Charge, pages: u64, usage: u64 },
    /// A charge to `memcg` found the group `over` full.
    LimitHit { over: MemcgId, memcg: MemcgId, wanted: u64, usage: u64, limit: u64 },
    /// The kernel looked for pages of a group that can be dropped.
    Reclaimed { memcg: MemcgId, wanted: u64, pages: u64 },
    /// A group is above memory.high: whoever brought it there will sleep.
    AboveHigh { memcg: MemcgId, usage: u64, high: u64, penalty: Nanos },
    /// A task sleeps because of that.
    Throttled { memcg: MemcgId, task: TaskId, penalty: Nanos },
    /// The OOM killer chose a process and killed it; `over` is the group that was full.
    Killed { over: MemcgId, memcg: MemcgId, victim: TaskId, points: i64, rss: u64 },
    /// All members of a group die with it.
    GroupKilled { memcg: MemcgId },
    /// There is no memory and nobody may be killed.
    NobodyToKill { memcg: MemcgId },
    /// A task waits for memory in a group whose OOM killer is switched off.
    Waits { memcg: MemcgId, task: TaskId },
    /// The last charge to a group that had been removed before is gone, and the group with it.
    GroupFreed { memcg: MemcgId },
    /// Addresses were mapped or unmapped: the break of the heap moved, or an area came or went.
    AddressSpaceChanged { task: TaskId, first: u64, pages: u64, mapped: bool },
    /// A balloon grew or shrank: what it held, what it holds, and what the machine has now.
    Balloon { before: u64, pages: u64, total: u64 },
}

impl MemoryEvent {
    /// A few words for a line of the timeline.
    pub fn label(&self, world: &World) -> String {
        match self {
            MemoryEvent::Charged { memcg, what, pages, .. } => {
                format!("{} of {} charged to {}", size(*pages), what.label(), group(world, *memcg))
            }
            MemoryEvent::Uncharged { memcg, what, pages, .. } => {
                format!("{} of {} given back by {}", size(*pages), what.label(), group(world, *memcg))
            }
            MemoryEvent::LimitHit { over, limit, .. } => {
                format!("limit of {} hit: {}", group(world, *over), size(*limit))
            }
            MemoryEvent::Reclaimed { memcg, pages, .. } => {
                format!("{} reclaimed from {}", size(*pages), group(world, *memcg))
            }
            MemoryEvent::AboveHigh { memcg, usage, .. } => {
                format!("{} above memory.high: {}", group(world, *memcg), size(*usage))
            }
            MemoryEvent::Throttled { penalty, .. } => format!("throttled for {}", milliseconds(*penalty)),
            MemoryEvent::Killed { victim, points, .. } => {
                format!("OOM killer: {}, {points} points", task_name(world, *victim))
            }
            MemoryEvent::GroupKilled { memcg } => format!("OOM killer: all of {}", group(world, *memcg)),
            MemoryEvent::NobodyToKill { .. } => "OOM killer: nobody to kill".to_owned(),
            MemoryEvent::Waits { memcg, .. } => format!("waits for memory of {}", group(world, *memcg)),
            MemoryEvent::GroupFreed { .. } => "a removed group is free of charges".to_owned(),
            MemoryEvent::AddressSpaceChanged { pages, mapped, .. } => {
                format!("{} {}", size(*pages), if *mapped { "mapped" } else { "unmapped" })
            }
            MemoryEvent::Balloon { pages, .. } => format!("balloon of {}", size(*pages)),
        }
    }

    /// One sentence with its source.
    pub fn explain(&self, who: &str, world: &World) -> (String, &'static str) {
        match self {
            MemoryEvent::Charged { memcg, what, pages, usage, limit } => {
                let of =
                    if *limit == UNLIMITED { String::new() } else { format!(" of the {} it may have", size(*limit)) };
                let text = format!(
                    "{} of {} for {who} are charged to {}, which now has {}{of}.",
                    size(*pages),
                    what.label(),
                    group(world, *memcg),
                    size(*usage)
                );
                (text, "cgroups(7), try_charge_memcg()")
            }
            MemoryEvent::Uncharged { memcg, what, pages, usage } => {
                let (pages, usage) = (size(*pages), size(*usage));
                let group = group(world, *memcg);
                (format!("{pages} of {} are given back: {group} has {usage} now.", what.label()), "uncharge_batch()")
            }
            MemoryEvent::LimitHit { over, memcg, usage, limit, .. } => {
                let where_from =
                    if over == memcg { String::new() } else { format!(" by a charge to {}", group(world, *memcg)) };
                let (name, usage, limit) = (group(world, *over), size(*usage), size(*limit));
                (
                    format!("{name} is full{where_from}: it has {usage}, and its limit is {limit}."),
                    "cgroup-v2.rst, memory.max; page_counter_try_charge()",
                )
            }
            MemoryEvent::Reclaimed { memcg, wanted, pages } => {
                let (name, wanted) = (group(world, *memcg), size(*wanted));
                let why =
                    if *pages == 0 { "nothing: without swap, only page cache of devices could go" } else { "enough" };
                (
                    format!("The kernel looks for {wanted} in {name} that it could drop and finds {why}."),
                    "try_to_free_mem_cgroup_pages()",
                )
            }
            MemoryEvent::AboveHigh { memcg, usage, high, penalty } => {
                let (name, usage, high) = (group(world, *memcg), size(*usage), size(*high));
                (
                    format!(
                        "{name} has {usage}, above memory.high of {high}: {who} will sleep for {}.",
                        milliseconds(*penalty)
                    ),
                    "cgroup-v2.rst, memory.high; mem_cgroup_handle_over_high()",
                )
            }
            MemoryEvent::Throttled { task, penalty, .. } => (
                format!(
                    "{} sleeps {} because its group is above memory.high.",
                    task_name(world, *task),
                    milliseconds(*penalty)
                ),
                "cgroup-v2.rst, memory.high; mem_cgroup_handle_over_high()",
            ),
            MemoryEvent::Killed { over, victim, points, rss, .. } => {
                let place = if *over == super::ROOT_MEMCG { "the machine".to_owned() } else { group(world, *over) };
                let (name, rss) = (task_name(world, *victim), size(*rss));
                (
                    format!(
                        "No memory is left in {place}: the OOM killer chooses {name}, which has {rss} resident and {points} points."
                    ),
                    "oom_badness(), proc_pid_oom_score_adj(5)",
                )
            }
            MemoryEvent::GroupKilled { memcg } => (
                format!("{} has memory.oom.group set, so all of its members die together.", group(world, *memcg)),
                "cgroup-v2.rst, memory.oom.group",
            ),
            MemoryEvent::NobodyToKill { .. } => {
                ("There is no memory and nobody who may be killed.".to_owned(), "out_of_memory()")
            }
            MemoryEvent::Waits { memcg, task } => (
                format!(
                    "The OOM killer of {} is off: {} waits for memory.",
                    group(world, *memcg),
                    task_name(world, *task)
                ),
                "cgroup-v1/memory.rst, 10. OOM Control",
            ),
            MemoryEvent::GroupFreed { .. } => (
                "The last page that was charged to a removed group is gone, and so is what was left of the group."
                    .to_owned(),
                "css_release()",
            ),
            MemoryEvent::AddressSpaceChanged { task, first, pages, mapped } => (
                format!(
                    "{} {} {} of addresses at {:#x}; {}.",
                    task_name(world, *task),
                    if *mapped { "gets" } else { "gives up" },
                    size(*pages),
                    first * PAGE_SIZE,
                    if *mapped { "memory comes only when they are touched" } else { "whatever was in them is gone" }
                ),
                "mmap(2), brk(2)",
            ),
            MemoryEvent::Balloon { before, pages, total } => (
                format!(
                    "The balloon {} from {} to {}: this kernel has {} left to work with.",
                    if pages > before { "grows" } else { "shrinks" },
                    size(*before),
                    size(*pages),
                    size(*total)
                ),
                "drivers/virtio/virtio_balloon.c fill_balloon(), leak_balloon()",
            ),
        }
    }
}

/// A size for readers: `132 KiB`, `16 MiB`.
pub fn size(pages: u64) -> String {
    let kib = pages.saturating_mul(PAGE_SIZE / 1024);
    match kib {
        _ if pages == UNLIMITED => "no limit".to_owned(),
        0..10_240 => format!("{kib} KiB"),
        _ => format!("{} MiB", kib / 1024),
    }
}

/// A group as a sentence calls it.
fn group(world: &World, memcg: MemcgId) -> String {
    match world.mm.memcgs.get(memcg) {
        _ if memcg == super::ROOT_MEMCG => "the root group".to_owned(),
        Some(group) if group.online => group.path.to_string(),
        Some(group) => format!("{} (removed)", group.path),
        None => "a group that is gone".to_owned(),
    }
}

fn milliseconds(span: Nanos) -> String {
    format!("{} ms", span.0 / 1_000_000)
}
