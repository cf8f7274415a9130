//! The files of the memory controller in version 2, as in cgroup-v2.rst and `memory_files` of `mm/memcontrol.c`.

use super::{memcg, memcg_mut, memparse};
use crate::cgroup::KernelVersion;
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write, kstrtoll};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::memcg::{Charge, MemCgroup, MemcgEvent, UNLIMITED};
use crate::mm::writeback::{is_dirty, is_written_back};
use crate::mm::{MemcgId, PAGE_SIZE, ROOT_MEMCG};
use crate::world::World;

const NOT_ON_ROOT: FileFlags = FileFlags::NOT_ON_ROOT;

/// The files, in the order of the directory. The 6.1 kernel is one that was built without zswap, as those for clouds are.
pub const FILES: &[CgroupFile] = &[
    CgroupFile::ro("memory.current", |w, at| bytes(w, at, |m| m.usage)).flags(NOT_ON_ROOT),
    CgroupFile::ro("memory.peak", |w, at| bytes(w, at, |m| m.watermark)).flags(NOT_ON_ROOT),
    CgroupFile::rw("memory.min", |w, at| limit(w, at, |m| m.min), Write::Text(write_min)).flags(NOT_ON_ROOT),
    CgroupFile::rw("memory.low", |w, at| limit(w, at, |m| m.low), Write::Text(write_low)).flags(NOT_ON_ROOT),
    CgroupFile::rw("memory.high", |w, at| limit(w, at, |m| m.high), Write::Text(write_high)).flags(NOT_ON_ROOT),
    CgroupFile::rw("memory.max", |w, at| limit(w, at, |m| m.max), Write::Text(write_max)).flags(NOT_ON_ROOT),
    CgroupFile::ro("memory.events", |w, at| Ok(events(&memcg(w, at)?.1.events))).flags(NOT_ON_ROOT),
    CgroupFile::ro("memory.events.local", |w, at| Ok(events(&memcg(w, at)?.1.events_local))).flags(NOT_ON_ROOT),
    CgroupFile::ro("memory.stat", stat),
    CgroupFile::ro("memory.numa_stat", numa_stat),
    CgroupFile::rw("memory.oom.group", oom_group, Write::Text(write_oom_group))
        .flags(NOT_ON_ROOT.union(FileFlags::NS_DELEGATABLE)),
    CgroupFile::wo("memory.reclaim", Write::Text(write_reclaim)).flags(FileFlags::NS_DELEGATABLE),
    CgroupFile::ro("memory.swap.current", |_, _| Ok("0\n".to_owned())).flags(NOT_ON_ROOT),
    CgroupFile::rw("memory.swap.high", |w, at| limit(w, at, |m| m.swap_high), Write::Text(write_swap_high))
        .flags(NOT_ON_ROOT),
    CgroupFile::rw("memory.swap.max", |w, at| limit(w, at, |m| m.swap_max), Write::Text(write_swap_max))
        .flags(NOT_ON_ROOT),
    CgroupFile::ro("memory.swap.peak", |_, _| Ok("0\n".to_owned())).flags(NOT_ON_ROOT).only_in(KernelVersion::V6_18),
    CgroupFile::ro("memory.swap.events", |_, _| Ok("high 0\nmax 0\nfail 0\n".to_owned())).flags(NOT_ON_ROOT),
    CgroupFile::ro("memory.zswap.current", |_, _| Ok("0\n".to_owned()))
        .flags(NOT_ON_ROOT)
        .only_in(KernelVersion::V6_18),
    CgroupFile::rw("memory.zswap.max", |w, at| limit(w, at, |m| m.zswap_max), Write::Text(write_zswap_max))
        .flags(NOT_ON_ROOT)
        .only_in(KernelVersion::V6_18),
];

fn bytes(w: &World, at: At, of: fn(&MemCgroup) -> u64) -> Result<String, Errno> {
    Ok(format!("{}\n", of(memcg(w, at)?.1) * PAGE_SIZE))
}

fn limit(w: &World, at: At, of: fn(&MemCgroup) -> u64) -> Result<String, Errno> {
    let pages = of(memcg(w, at)?.1);
    Ok(if pages == UNLIMITED { "max\n".to_owned() } else { format!("{}\n", pages * PAGE_SIZE) })
}

fn write_min(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.min = memparse(text, "max")?;
    Ok(())
}

fn write_low(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.low = memparse(text, "max")?;
    Ok(())
}

fn write_swap_high(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.swap_high = memparse(text, "max")?;
    Ok(())
}

fn write_zswap_max(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.zswap_max = memparse(text, "max")?;
    Ok(())
}

fn write_swap_max(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.swap_max = memparse(text, "max")?;
    Ok(())
}

/// `memory.high`: what is above is reclaimed as far as that is possible; nobody fails.
fn write_high(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let high = memparse(text, "max")?;
    let group = memcg_mut(k, at)?;
    group.high = high;
    let usage = group.usage;
    if usage > high {
        let (id, _) = memcg(k.world, at)?;
        k.reclaim(id, usage - high);
    }
    Ok(())
}

/// `memory.max`: below what is used, after reclaim, members are killed until it fits or nobody is left.
fn write_max(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let max = memparse(text, "max")?;
    let (id, _) = memcg(k.world, at)?;
    memcg_mut(k, at)?.max = max;
    while k.mm.memcgs.get(id).is_some_and(|m| m.usage > max) {
        let usage = k.mm.memcgs[id].usage;
        if k.is_dying(at.task) {
            break;
        }
        if k.reclaim(id, usage - max) > 0 {
            continue;
        }
        k.count_memory_event(id, MemcgEvent::Oom, 1);
        if !k.memcg_out_of_memory(at.task, id) {
            break;
        }
    }
    k.wake_memory_waiters(id);
    Ok(())
}

fn oom_group(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", u8::from(memcg(w, at)?.1.oom_group)))
}

fn write_oom_group(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let value = i32::try_from(kstrtoll(text.trim())?).map_err(|_| Errno::ERANGE)?;
    memcg_mut(k, at)?.oom_group = match value {
        0 => false,
        1 => true,
        _ => return Err(Errno::EINVAL),
    };
    Ok(())
}

/// `memory.reclaim`: EAGAIN when less could be reclaimed than was asked for.
fn write_reclaim(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let wanted = memparse(text, "")?;
    let (id, _) = memcg(k.world, at)?;
    if wanted == 0 || k.reclaim(id, wanted) >= wanted { Ok(()) } else { Err(Errno::EAGAIN) }
}

fn events(counts: &[u64; 6]) -> String {
    MemcgEvent::NAMES.iter().zip(counts).map(|(name, n)| format!("{name} {n}\n")).collect()
}

/// The sizes of a group and everything below it that are not 0, in pages.
fn sizes(w: &World, id: MemcgId) -> impl Fn(&str) -> u64 {
    let sum = |what: Charge| w.mm.subtree(id, what);
    let (anon, file, shmem) = (sum(Charge::Anon), sum(Charge::File), sum(Charge::Shmem));
    let (stacks, tables) = (sum(Charge::KernelStack), sum(Charge::PageTables));
    let slab = sum(Charge::Slab);
    let kernel = stacks + tables + slab + sum(Charge::Pipe);
    move |name| match name {
        "anon" => anon,
        "file" => file + shmem,
        "kernel" => kernel,
        "kernel_stack" => stacks,
        "pagetables" => tables,
        "shmem" => shmem,
        "inactive_anon" => anon + shmem,
        "inactive_file" => file,
        "file_dirty" => w.cached_pages(id, is_dirty),
        "file_writeback" => w.cached_pages(id, is_written_back),
        "slab_unreclaimable" | "slab" => slab,
        _ => 0,
    }
}

const BEFORE_SLAB: [&str; 24] = [
    "anon",
    "file",
    "kernel",
    "kernel_stack",
    "pagetables",
    "sec_pagetables",
    "percpu",
    "sock",
    "vmalloc",
    "shmem",
    "file_mapped",
    "file_dirty",
    "file_writeback",
    "swapcached",
    "anon_thp",
    "file_thp",
    "shmem_thp",
    "inactive_anon",
    "active_anon",
    "inactive_file",
    "active_file",
    "unevictable",
    "slab_reclaimable",
    "slab_unreclaimable",
];
const WORKINGSET: [&str; 7] = [
    "workingset_refault_anon",
    "workingset_refault_file",
    "workingset_activate_anon",
    "workingset_activate_file",
    "workingset_restore_anon",
    "workingset_restore_file",
    "workingset_nodereclaim",
];
const EVENTS: [&str; 15] = [
    "pgscan",
    "pgsteal",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pgfault",
    "pgmajfault",
    "pgrefill",
    "pgactivate",
    "pgdeactivate",
    "pglazyfree",
    "pglazyfreed",
    "thp_fault_alloc",
    "thp_collapse_alloc",
];

/// `memory.stat`, with the keys of Linux 6.1 without zswap.
fn stat(w: &World, at: At) -> Result<String, Errno> {
    let (id, _) = memcg(w, at)?;
    let size = sizes(w, id);
    let faults: u64 = w.mm.memcgs.iter().filter(|(m, _)| w.mm.is_below(*m, id)).map(|(_, m)| m.pgfault).sum();
    let mut text = String::new();
    for name in BEFORE_SLAB.into_iter().chain(["slab"]).chain(WORKINGSET) {
        text.push_str(&format!("{name} {}\n", size(name) * PAGE_SIZE));
    }
    for name in EVENTS {
        text.push_str(&format!("{name} {}\n", if name == "pgfault" { faults } else { 0 }));
    }
    Ok(text)
}

/// `memory.numa_stat`: what can be told by node, of which there is one.
fn numa_stat(w: &World, at: At) -> Result<String, Errno> {
    const NOT_BY_NODE: [&str; 4] = ["kernel", "percpu", "sock", "vmalloc"];
    let (id, _) = memcg(w, at)?;
    debug_assert!(id != ROOT_MEMCG || w.cgroup(at.group).parent.is_none());
    let size = sizes(w, id);
    let names = BEFORE_SLAB.into_iter().chain(WORKINGSET).filter(|name| !NOT_BY_NODE.contains(name));
    Ok(names.map(|name| format!("{name} N0={}\n", size(name) * PAGE_SIZE)).collect())
}
