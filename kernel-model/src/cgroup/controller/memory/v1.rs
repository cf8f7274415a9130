//! The files of the memory controller in version 1, as in cgroup-v1/memory.rst and `mm/memcontrol-v1.c`. There is no
//! swap, so memory and swap together (`memsw`) is memory.

use super::{memcg, memcg_mut, memparse};
use crate::cgroup::file::{At, CgroupFile, Show, Write};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::memcg::{Charge, MemCgroup, UNLIMITED};
use crate::mm::writeback::{is_dirty, is_written_back};
use crate::mm::{MemcgId, PAGE_SIZE, ROOT_MEMCG};
use crate::world::World;

/// What no limit reads as: the largest number of bytes in whole pages.
const NO_LIMIT: u64 = i64::MAX as u64 / PAGE_SIZE * PAGE_SIZE;
/// The most that `memory.swappiness` may be.
const MAX_SWAPPINESS: u64 = 200;

const fn rw(name: &'static str, show: Show, write: fn(&mut Kernel<'_>, At, &str) -> Result<(), Errno>) -> CgroupFile {
    CgroupFile::rw(name, show, Write::Text(write))
}

/// The files, in the order of the kernel's table.
pub const FILES: &[CgroupFile] = &[
    CgroupFile::ro("memory.usage_in_bytes", |w, at| bytes(w, at, |m| m.usage)),
    rw("memory.max_usage_in_bytes", |w, at| bytes(w, at, |m| m.watermark), reset_watermark),
    rw("memory.limit_in_bytes", |w, at| bytes(w, at, |m| m.max), write_limit),
    rw("memory.soft_limit_in_bytes", |w, at| bytes(w, at, |m| m.soft_limit), write_soft_limit),
    rw("memory.failcnt", |w, at| Ok(format!("{}\n", memcg(w, at)?.1.failcnt)), reset_failcnt),
    CgroupFile::ro("memory.stat", stat),
    CgroupFile::wo("memory.force_empty", Write::Text(force_empty)),
    CgroupFile::rw("memory.use_hierarchy", |_, _| Ok("1\n".to_owned()), Write::U64(write_use_hierarchy)),
    CgroupFile::wo("cgroup.event_control", Write::Text(write_event_control)),
    CgroupFile::rw("memory.swappiness", swappiness, Write::U64(write_swappiness)),
    CgroupFile::rw("memory.move_charge_at_immigrate", |_, _| Ok("0\n".to_owned()), Write::U64(write_move_charge)),
    CgroupFile::rw("memory.oom_control", oom_control, Write::U64(write_oom_control)),
    CgroupFile { show: None, ..CgroupFile::ro("memory.pressure_level", stat) },
    CgroupFile::ro("memory.numa_stat", numa_stat),
    rw("memory.kmem.limit_in_bytes", |w, at| bytes(w, at, |m| m.kmem.limit), write_kmem_limit),
    CgroupFile::ro("memory.kmem.usage_in_bytes", |w, at| bytes(w, at, |m| m.kmem.usage)),
    rw("memory.kmem.failcnt", |_, _| Ok("0\n".to_owned()), |_, _, _| Ok(())),
    rw("memory.kmem.max_usage_in_bytes", |w, at| bytes(w, at, |m| m.kmem.watermark), reset_kmem_watermark),
    CgroupFile::ro("memory.kmem.slabinfo", |_, _| Ok(String::new())),
    rw("memory.kmem.tcp.limit_in_bytes", |w, at| bytes(w, at, |m| m.tcp_limit), write_tcp_limit),
    CgroupFile::ro("memory.kmem.tcp.usage_in_bytes", |_, _| Ok("0\n".to_owned())),
    rw("memory.kmem.tcp.failcnt", |_, _| Ok("0\n".to_owned()), |_, _, _| Ok(())),
    rw("memory.kmem.tcp.max_usage_in_bytes", |_, _| Ok("0\n".to_owned()), |_, _, _| Ok(())),
    CgroupFile::ro("memory.memsw.usage_in_bytes", |w, at| bytes(w, at, |m| m.usage)),
    rw("memory.memsw.max_usage_in_bytes", |w, at| bytes(w, at, |m| m.watermark), reset_watermark),
    rw("memory.memsw.limit_in_bytes", |w, at| bytes(w, at, |m| m.swap_max), write_memsw_limit),
    rw("memory.memsw.failcnt", |_, _| Ok("0\n".to_owned()), |_, _, _| Ok(())),
];

fn shown(pages: u64) -> u64 {
    if pages == UNLIMITED { NO_LIMIT } else { pages * PAGE_SIZE }
}

fn bytes(w: &World, at: At, of: fn(&MemCgroup) -> u64) -> Result<String, Errno> {
    Ok(format!("{}\n", shown(of(memcg(w, at)?.1))))
}

/// The limits of the root cannot be set.
fn limit_of(w: &World, at: At, text: &str) -> Result<u64, Errno> {
    let pages = memparse(text, "-1")?;
    if w.cgroup(at.group).parent.is_none() { Err(Errno::EINVAL) } else { Ok(pages) }
}

/// `mem_cgroup_resize_max`: not above memory and swap together, and not below what is used and cannot be reclaimed.
fn write_limit(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let max = limit_of(k.world, at, text)?;
    let (id, group) = memcg(k.world, at)?;
    if max > group.swap_max {
        return Err(Errno::EINVAL);
    }
    make_room(k, id, max)?;
    memcg_mut(k, at)?.max = max;
    k.wake_memory_waiters(id);
    Ok(())
}

fn write_memsw_limit(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let max = limit_of(k.world, at, text)?;
    let (id, group) = memcg(k.world, at)?;
    if max < group.max {
        return Err(Errno::EINVAL);
    }
    make_room(k, id, max)?;
    memcg_mut(k, at)?.swap_max = max;
    Ok(())
}

/// Reclaims until so much is used; EBUSY when that cannot be had.
fn make_room(k: &mut Kernel<'_>, id: MemcgId, max: u64) -> Result<(), Errno> {
    while k.mm.memcgs[id].usage > max {
        let above = k.mm.memcgs[id].usage - max;
        if k.reclaim(id, above) == 0 {
            return Err(Errno::EBUSY);
        }
    }
    Ok(())
}

fn write_soft_limit(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.soft_limit = limit_of(k.world, at, text)?;
    Ok(())
}

/// Deprecated: it is read and forgotten.
fn write_kmem_limit(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    limit_of(k.world, at, text).map(drop)
}

fn write_tcp_limit(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.tcp_limit = limit_of(k.world, at, text)?;
    Ok(())
}

/// Whatever is written, the mark is set back.
fn reset_watermark(k: &mut Kernel<'_>, at: At, _: &str) -> Result<(), Errno> {
    let group = memcg_mut(k, at)?;
    group.watermark = group.usage;
    Ok(())
}

fn reset_kmem_watermark(k: &mut Kernel<'_>, at: At, _: &str) -> Result<(), Errno> {
    let group = memcg_mut(k, at)?;
    group.kmem.watermark = group.kmem.usage;
    Ok(())
}

fn reset_failcnt(k: &mut Kernel<'_>, at: At, _: &str) -> Result<(), Errno> {
    memcg_mut(k, at)?.failcnt = 0;
    Ok(())
}

/// Reclaims what can be; that something is left is no error.
fn force_empty(k: &mut Kernel<'_>, at: At, _: &str) -> Result<(), Errno> {
    let (id, group) = memcg(k.world, at)?;
    if id == ROOT_MEMCG {
        return Err(Errno::EINVAL);
    }
    let usage = group.usage;
    k.reclaim(id, usage);
    Ok(())
}

/// All groups are hierarchical since Linux 5.11.
fn write_use_hierarchy(_: &mut Kernel<'_>, _: At, value: u64) -> Result<(), Errno> {
    if value == 1 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Notifications through eventfd(2), which is not modelled: no descriptor that is named here can be one.
fn write_event_control(_: &mut Kernel<'_>, _: At, text: &str) -> Result<(), Errno> {
    let first = text.split(' ').next().unwrap_or_default();
    if first.is_empty() || !first.bytes().all(|b| b.is_ascii_digit()) { Err(Errno::EINVAL) } else { Err(Errno::EBADF) }
}

fn swappiness(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", memcg(w, at)?.1.swappiness))
}

fn write_swappiness(k: &mut Kernel<'_>, at: At, value: u64) -> Result<(), Errno> {
    if value > MAX_SWAPPINESS {
        return Err(Errno::EINVAL);
    }
    memcg_mut(k, at)?.swappiness = value;
    Ok(())
}

/// Moving charges with tasks went with Linux 6.15: only 0 is taken.
fn write_move_charge(_: &mut Kernel<'_>, _: At, value: u64) -> Result<(), Errno> {
    if value == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn oom_control(w: &World, at: At) -> Result<String, Errno> {
    let (id, group) = memcg(w, at)?;
    let under_oom = w.mm.tasks.values().any(|t| t.waits_for.is_some_and(|over| w.mm.is_below(id, over)));
    let kills = group.events_local[crate::mm::memcg::MemcgEvent::OomKill as usize];
    Ok(format!(
        "oom_kill_disable {}\nunder_oom {}\noom_kill {kills}\n",
        u8::from(group.oom_kill_disable),
        u8::from(under_oom)
    ))
}

fn write_oom_control(k: &mut Kernel<'_>, at: At, value: u64) -> Result<(), Errno> {
    let (id, _) = memcg(k.world, at)?;
    if id == ROOT_MEMCG || value > 1 {
        return Err(Errno::EINVAL);
    }
    memcg_mut(k, at)?.oom_kill_disable = value == 1;
    if value == 0 {
        k.wake_memory_waiters(id);
    }
    Ok(())
}

/// `memory.stat`: first of the group itself, then with everything below it.
fn stat(w: &World, at: At) -> Result<String, Errno> {
    let (id, group) = memcg(w, at)?;
    let own = |what: Charge| group.own(what);
    let unwritten = (w.cached_pages(id, is_dirty), w.cached_pages(id, is_written_back));
    let mut text = lines("", own, unwritten, (group.pgpgin, group.pgpgout, group.pgfault));
    let least = |of: fn(&MemCgroup) -> u64| {
        w.mm.lineage(id).into_iter().filter_map(|m| w.mm.memcgs.get(m)).map(of).min().unwrap_or(UNLIMITED)
    };
    text.push_str(&format!("hierarchical_memory_limit {}\n", shown(least(|m| m.max))));
    text.push_str(&format!("hierarchical_memsw_limit {}\n", shown(least(|m| m.swap_max))));
    let below = || w.mm.memcgs.iter().filter(|(m, _)| w.mm.is_below(*m, id)).map(|(_, m)| m);
    let events = below().fold((0, 0, 0), |(a, b, c), m| (a + m.pgpgin, b + m.pgpgout, c + m.pgfault));
    text.push_str(&lines("total_", |what| w.mm.subtree(id, what), unwritten, events));
    Ok(text)
}

fn lines(
    prefix: &str,
    of: impl Fn(Charge) -> u64,
    (dirty, writeback): (u64, u64),
    (pgpgin, pgpgout, pgfault): (u64, u64, u64),
) -> String {
    let (anon, file, shmem) = (of(Charge::Anon), of(Charge::File), of(Charge::Shmem));
    let size = |pages: u64| pages * PAGE_SIZE;
    let rows = [
        ("cache", size(file + shmem)),
        ("rss", size(anon)),
        ("rss_huge", 0),
        ("shmem", size(shmem)),
        ("mapped_file", 0),
        ("dirty", size(dirty)),
        ("writeback", size(writeback)),
        ("workingset_refault_anon", 0),
        ("workingset_refault_file", 0),
        ("swap", 0),
        ("swapcached", 0),
        ("pgpgin", pgpgin),
        ("pgpgout", pgpgout),
        ("pgfault", pgfault),
        ("pgmajfault", 0),
        ("inactive_anon", size(anon + shmem)),
        ("active_anon", 0),
        ("inactive_file", size(file)),
        ("active_file", 0),
        ("unevictable", 0),
    ];
    rows.iter().map(|(name, n)| format!("{prefix}{name} {n}\n")).collect()
}

/// `memory.numa_stat`: pages, of which all are on the only node.
fn numa_stat(w: &World, at: At) -> Result<String, Errno> {
    let (id, group) = memcg(w, at)?;
    let mut text = String::new();
    let mut part = |prefix: &str, anon: u64, file: u64| {
        for (name, pages) in [("total", anon + file), ("file", file), ("anon", anon), ("unevictable", 0)] {
            text.push_str(&format!("{prefix}{name}={pages} N0={pages}\n"));
        }
    };
    let sum = |what: Charge| w.mm.subtree(id, what);
    part("", group.own(Charge::Anon) + group.own(Charge::Shmem), group.own(Charge::File));
    part("hierarchical_", sum(Charge::Anon) + sum(Charge::Shmem), sum(Charge::File));
    Ok(text)
}
