//! The memory controller: what groups may keep in memory. Its files in version 1 are in [`v1`], those of version 2 in
//! [`v2`]; what is counted, and how a charge tries to get through, is in [`crate::mm::memcg`].
//!
//! A group has a [`MemCgroup`] while the controller works there. It outlives the group as long as something is charged
//! to it.

pub mod v1;
pub mod v2;

use super::{Controller, ControllerId, Usage};
use crate::cgroup::file::At;
use crate::cgroup::migrate::Migration;
use crate::cgroup::{CgroupId, Version};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::memcg::{MemCgroup, UNLIMITED};
use crate::mm::{MemcgId, PAGE_SIZE, ROOT_MEMCG};
use crate::task::TaskId;
use crate::world::World;

/// The controller.
pub static MEMORY: Controller = Controller {
    v1_files: v1::FILES,
    v2_files: v2::FILES,
    css_alloc: alloc,
    css_offline: offline,
    attach,
    fork,
    is_referenced: |w, group| w.cgroup(group).css.memory.is_some_and(|m| w.mm.memcgs.contains(m)),
    usage,
    ..Controller::new(ControllerId::Memory, "memory")
};

/// A group gets its counters; the root has those of the machine.
fn alloc(w: &mut World, group: CgroupId) {
    let Some(parent) = w.cgroup(group).parent else {
        w.cgroups.groups[group].css.memory = Some(ROOT_MEMCG);
        return;
    };
    let above = memcg_at(w, parent);
    let path = w.cgroup_path(group);
    let is_v2 = w.cgroup_version(group) == Version::V2;
    let swappiness = w.mm.memcgs[above].swappiness;
    let oom_kill_disable = w.mm.memcgs[above].oom_kill_disable;
    let memcg = w.mm.memcgs.add(MemCgroup {
        path: path.into(),
        v2: is_v2,
        cgroup: Some(group),
        swappiness,
        oom_kill_disable,
        ..MemCgroup::new(Some(above))
    });
    w.cgroups.groups[group].css.memory = Some(memcg);
}

/// The group is removed, or the controller switched off: what is charged stays charged.
fn offline(k: &mut Kernel<'_>, group: CgroupId) {
    let Some(memcg) = k.cgroup(group).css.memory else { return };
    if memcg == ROOT_MEMCG {
        return;
    }
    let m = &mut k.world.mm.memcgs[memcg];
    m.online = false;
    (m.min, m.low) = (0, 0);
    // The core itself looks whether the group is still needed, when it has counted it as removed.
    let cgroup = m.cgroup.take();
    k.free_memcg_if_unused(memcg);
    if let Some(m) = k.world.mm.memcgs.get_mut(memcg) {
        m.cgroup = cgroup;
    }
}

/// Tasks that move are charged to their new group from now on. What they have stays where it is.
fn attach(k: &mut Kernel<'_>, migration: &Migration) {
    for moving in &migration.tasks {
        let to = memcg_at(k.world, moving.to);
        if let Some(t) = k.world.mm.tasks.get_mut(&moving.task) {
            t.memcg = to;
        }
    }
}

/// A child is charged to its own group, which need not be its parent's (`CLONE_INTO_CGROUP`).
fn fork(k: &mut Kernel<'_>, child: TaskId) {
    let memcg = memcg_at(k.world, k.css_of(child, ControllerId::Memory));
    if let Some(t) = k.world.mm.tasks.get_mut(&child) {
        t.memcg = memcg;
    }
}

fn usage(w: &World, group: CgroupId) -> Vec<Usage> {
    let Some(memcg) = w.cgroup(group).css.memory.filter(|m| *m != ROOT_MEMCG) else { return Vec::new() };
    let Some(m) = w.mm.memcgs.get(memcg) else { return Vec::new() };
    let name = if m.v2 { "memory.current" } else { "memory.usage_in_bytes" };
    let limit = (m.max != UNLIMITED).then(|| m.max * PAGE_SIZE);
    vec![Usage { name, used: m.usage * PAGE_SIZE, limit }]
}

/// What counts for a group: its own counters, or those of the nearest group above that has some.
fn memcg_at(w: &World, group: CgroupId) -> MemcgId {
    let groups = w.cgroup_ancestors(group);
    groups.into_iter().find_map(|g| w.cgroup(g).css.memory).unwrap_or(ROOT_MEMCG)
}

/// The counters of the group whose file is read or written.
fn memcg(w: &World, at: At) -> Result<(MemcgId, &MemCgroup), Errno> {
    let id = w.cgroup(at.group).css.memory.ok_or(Errno::ENODEV)?;
    Ok((id, w.mm.memcgs.get(id).ok_or(Errno::ENODEV)?))
}

/// The same, to change them.
fn memcg_mut<'a>(k: &'a mut Kernel<'_>, at: At) -> Result<&'a mut MemCgroup, Errno> {
    let id = k.cgroup(at.group).css.memory.ok_or(Errno::ENODEV)?;
    k.world.mm.memcgs.get_mut(id).ok_or(Errno::ENODEV)
}

/// A size as `page_counter_memparse` reads it, in pages: bytes rounded down, with a suffix if wanted, or the word that
/// means no limit.
///
/// # Errors
/// EINVAL for anything else.
pub(super) fn memparse(text: &str, no_limit: &str) -> Result<u64, Errno> {
    let text = text.trim();
    if text == no_limit {
        return Ok(UNLIMITED);
    }
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', third, ..] if third.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', _, ..] => (8, text),
        _ => (10, text),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    // Numbers that do not fit wrap around, as simple_strtoull() lets them.
    let number = number
        .chars()
        .filter_map(|c| c.to_digit(radix))
        .fold(0_u64, |n, d| n.wrapping_mul(u64::from(radix)).wrapping_add(u64::from(d)));
    let shift = match rest {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        "p" | "P" => 50,
        "e" | "E" => 60,
        _ => return Err(Errno::EINVAL),
    };
    let pages = number.wrapping_shl(shift) / PAGE_SIZE;
    Ok(if pages >= PAGE_COUNTER_MAX { UNLIMITED } else { pages })
}

/// `PAGE_COUNTER_MAX`: more pages than this cannot be told from no limit.
const PAGE_COUNTER_MAX: u64 = i64::MAX as u64 / PAGE_SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_down_to_pages() {
        assert_eq!(memparse("1048577\n", "max"), Ok(256));
        assert_eq!(memparse("max", "max"), Ok(UNLIMITED));
        assert_eq!(memparse("1g", "max"), Ok(1 << 18));
        assert_eq!(memparse("0x10000", "max"), Ok(16));
        assert_eq!(memparse("", "max"), Ok(0));
        assert_eq!(memparse("K", "-1"), Ok(0));
        assert_eq!(memparse("9223372036854771712", "-1"), Ok(UNLIMITED));
        for wrong in ["-1", "abc", "10X", "10 20", "1kk"] {
            assert_eq!(memparse(wrong, "max"), Err(Errno::EINVAL), "{wrong}");
        }
    }
}
