//! The cpuset controller: on which processors and memory nodes groups may run, as in `kernel/cgroup/cpuset.c` and
//! `cpuset-v1.c`.
//!
//! In version 1 what is written is what counts, and must fit into the group above and around those below. In
//! version 2 anything may be written; what counts is its part in what the group above has
//! (`cpuset.cpus.effective`). A task runs on the processors of its group, or on those among them that
//! sched_setaffinity(2) asked for.

pub mod list;
pub mod partition;

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write};
use crate::cgroup::migrate::Migration;
use crate::cgroup::{CgroupId, Version};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::task::sched::{CPU_POSSIBLE, NR_CPUS};
use crate::world::World;
use list::{list, parse_list};
use partition::{Partition, PartitionError, refresh_partition, set_partition, show_partition, write_partition};

/// The memory nodes of the machine: one.
const MEMS_POSSIBLE: u64 = 1;
/// How many nodes a kernel can number (`MAX_NUMNODES`).
const MAX_NUMNODES: u64 = 1024;
/// The highest scheduling domain level of the machine, and one (`sched_domain_level_max + 1`).
const MAX_RELAX_LEVEL: i64 = 2;

/// What the controller keeps of a group (`struct cpuset`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CpusetCgroup {
    /// `cpuset.cpus` as it was written, bit N for processor N.
    pub cpus: u64,
    /// `cpuset.mems` as it was written.
    pub mems: u64,
    /// The processors that count.
    pub effective_cpus: u64,
    /// The memory nodes that count.
    pub effective_mems: u64,
    /// Processors that were handed to partitions below.
    pub handed_out: u64,
    /// Flags of version 1, and what partitions imply.
    pub flags: CpusetFlags,
    /// `cpuset.sched_relax_domain_level`.
    pub relax_level: i64,
    /// `cpuset.cpus.partition`.
    pub partition: Partition,
    /// Why the partition is not valid.
    pub invalid: Option<PartitionError>,
}

bitflags::bitflags! {
    /// Switches of a cpuset (`CS_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct CpusetFlags: u8 {
        /// No sibling may have its processors.
        const CPU_EXCLUSIVE = 1;
        /// No sibling may have its memory nodes.
        const MEM_EXCLUSIVE = 2;
        /// The kernel's own memory comes from its nodes, too.
        const MEM_HARDWALL = 4;
        /// The scheduler balances load among its processors.
        const SCHED_LOAD_BALANCE = 8;
        /// Memory moves along with tasks and settings.
        const MEMORY_MIGRATE = 16;
        /// The page cache is spread over its nodes.
        const SPREAD_PAGE = 32;
        /// So are inodes and directory entries.
        const SPREAD_SLAB = 64;
        /// `cpuset.memory_pressure` is worked out.
        const MEMORY_PRESSURE_ENABLED = 128;
    }
}

impl CpusetCgroup {
    const EMPTY: CpusetCgroup = CpusetCgroup {
        cpus: 0,
        mems: 0,
        effective_cpus: 0,
        effective_mems: 0,
        handed_out: 0,
        flags: CpusetFlags::SCHED_LOAD_BALANCE,
        relax_level: -1,
        partition: Partition::Member,
        invalid: None,
    };

    fn is_valid_root(&self) -> bool {
        self.partition != Partition::Member && self.invalid.is_none()
    }
}

/// The controller.
pub static CPUSET: Controller = Controller {
    threaded: true,
    v1_files: &[
        CgroupFile::rw("cpuset.cpus", show_cpus, Write::Text(write_cpus)),
        CgroupFile::rw("cpuset.mems", show_mems, Write::Text(write_mems)),
        CgroupFile::ro("cpuset.effective_cpus", show_effective_cpus),
        CgroupFile::ro("cpuset.effective_mems", show_effective_mems),
        flag(
            "cpuset.cpu_exclusive",
            |w, at| show_flag(w, at, CpusetFlags::CPU_EXCLUSIVE),
            |k, at, on| set_flag(k, at, CpusetFlags::CPU_EXCLUSIVE, on),
        ),
        flag(
            "cpuset.mem_exclusive",
            |w, at| show_flag(w, at, CpusetFlags::MEM_EXCLUSIVE),
            |k, at, on| set_flag(k, at, CpusetFlags::MEM_EXCLUSIVE, on),
        ),
        flag(
            "cpuset.mem_hardwall",
            |w, at| show_flag(w, at, CpusetFlags::MEM_HARDWALL),
            |k, at, on| set_flag(k, at, CpusetFlags::MEM_HARDWALL, on),
        ),
        flag(
            "cpuset.sched_load_balance",
            |w, at| show_flag(w, at, CpusetFlags::SCHED_LOAD_BALANCE),
            |k, at, on| set_flag(k, at, CpusetFlags::SCHED_LOAD_BALANCE, on),
        ),
        CgroupFile::rw("cpuset.sched_relax_domain_level", show_relax, Write::S64(write_relax)),
        flag(
            "cpuset.memory_migrate",
            |w, at| show_flag(w, at, CpusetFlags::MEMORY_MIGRATE),
            |k, at, on| set_flag(k, at, CpusetFlags::MEMORY_MIGRATE, on),
        ),
        CgroupFile::ro("cpuset.memory_pressure", |_, _| Ok("0\n".into())),
        flag(
            "cpuset.memory_spread_page",
            |w, at| show_flag(w, at, CpusetFlags::SPREAD_PAGE),
            |k, at, on| set_flag(k, at, CpusetFlags::SPREAD_PAGE, on),
        ),
        flag(
            "cpuset.memory_spread_slab",
            |w, at| show_flag(w, at, CpusetFlags::SPREAD_SLAB),
            |k, at, on| set_flag(k, at, CpusetFlags::SPREAD_SLAB, on),
        ),
        flag(
            "cpuset.memory_pressure_enabled",
            |w, at| show_flag(w, at, CpusetFlags::MEMORY_PRESSURE_ENABLED),
            |k, at, on| set_flag(k, at, CpusetFlags::MEMORY_PRESSURE_ENABLED, on),
        )
        .flags(FileFlags::ONLY_ON_ROOT),
    ],
    v2_files: &[
        CgroupFile::rw("cpuset.cpus", show_cpus, Write::Text(write_cpus)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("cpuset.mems", show_mems, Write::Text(write_mems)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::ro("cpuset.cpus.effective", show_effective_cpus),
        CgroupFile::ro("cpuset.mems.effective", show_effective_mems),
        CgroupFile::rw("cpuset.cpus.partition", show_partition, Write::Text(write_partition))
            .flags(FileFlags::NOT_ON_ROOT),
    ],
    css_alloc,
    css_online,
    css_offline,
    can_attach,
    attach: |k, migration| attach(k, migration),
    fork: |k, task| apply_to(k, task),
    bind,
    ..Controller::new(ControllerId::Cpuset, "cpuset")
};

/// A file with a switch: any number but 0 switches it on.
const fn flag(
    name: &'static str,
    show: crate::cgroup::file::Show,
    write: fn(&mut Kernel<'_>, At, u64) -> Result<(), Errno>,
) -> CgroupFile {
    CgroupFile::rw(name, show, Write::U64(write))
}

fn of(w: &World, group: CgroupId) -> Result<&CpusetCgroup, Errno> {
    w.cgroups.groups.get(group).and_then(|g| g.css.cpuset.as_ref()).ok_or(Errno::ENODEV)
}

fn of_mut<'a>(k: &'a mut Kernel<'_>, group: CgroupId) -> Result<&'a mut CpusetCgroup, Errno> {
    k.world.cgroups.groups.get_mut(group).and_then(|g| g.css.cpuset.as_mut()).ok_or(Errno::ENODEV)
}

/// The nearest group above in which the controller works (`parent_cs`).
fn parent_of(w: &World, group: CgroupId) -> Option<CgroupId> {
    let above = w.cgroup(group).parent?;
    Some(w.effective_css(above, ControllerId::Cpuset))
}

/// Groups directly below in which the controller works.
fn children_of(w: &World, group: CgroupId) -> Vec<CgroupId> {
    w.cgroup(group).children.values().copied().filter(|g| of(w, *g).is_ok()).collect()
}

fn is_v2(w: &World, group: CgroupId) -> bool {
    w.cgroup_version(group) == Version::V2
}

// --- hooks ---

fn css_alloc(w: &mut World, group: CgroupId) {
    let mut cpuset = CpusetCgroup::EMPTY;
    if w.cgroup(group).parent.is_none() {
        (cpuset.cpus, cpuset.effective_cpus) = (CPU_POSSIBLE, CPU_POSSIBLE);
        (cpuset.mems, cpuset.effective_mems) = (MEMS_POSSIBLE, MEMS_POSSIBLE);
        // A partition in version 2. In version 1 the root of the standard world is itself a group of the
        // machine on which it was recorded, and not exclusive.
        cpuset.partition = Partition::Root;
    }
    w.cgroups.groups[group].css.cpuset = Some(cpuset);
}

/// `cpuset_css_online`.
fn css_online(k: &mut Kernel<'_>, group: CgroupId) {
    let Some(parent) = parent_of(k.world, group) else { return };
    let Ok(above) = of(k.world, parent).cloned() else { return };
    let v2 = is_v2(k.world, group);
    let clone = !v2 && k.cgroup(parent).clone_children && {
        let exclusive = CpusetFlags::CPU_EXCLUSIVE | CpusetFlags::MEM_EXCLUSIVE;
        children_of(k.world, parent).into_iter().all(|c| of(k.world, c).is_ok_and(|c| !c.flags.intersects(exclusive)))
    };
    let Ok(own) = of_mut(k, group) else { return };
    own.flags |= above.flags & (CpusetFlags::SPREAD_PAGE | CpusetFlags::SPREAD_SLAB);
    if v2 {
        (own.effective_cpus, own.effective_mems) = (above.effective_cpus, above.effective_mems);
    }
    if clone {
        (own.cpus, own.effective_cpus) = (above.cpus, above.cpus);
        (own.mems, own.effective_mems) = (above.mems, above.mems);
    }
}

/// A partition gives its processors back.
fn css_offline(k: &mut Kernel<'_>, group: CgroupId) {
    if of(k.world, group).is_ok_and(CpusetCgroup::is_valid_root) && parent_of(k.world, group).is_some() {
        let _ = set_partition(k, group, Partition::Member);
    }
}

/// The root goes to another hierarchy: what counts is everything again.
fn bind(k: &mut Kernel<'_>, root: CgroupId) {
    css_alloc(k.world, root);
}

/// `cpuset_can_attach_check`.
fn can_attach(k: &mut Kernel<'_>, migration: &Migration) -> Result<(), Errno> {
    for moving in &migration.tasks {
        let to = of(k.world, moving.to)?;
        let no_mems = !is_v2(k.world, moving.to) && to.effective_mems == 0;
        if to.effective_cpus == 0 || no_mems {
            return Err(Errno::ENOSPC);
        }
    }
    Ok(())
}

fn attach(k: &mut Kernel<'_>, migration: &Migration) {
    for moving in &migration.tasks {
        apply_to(k, moving.task);
    }
}

/// Tells the scheduler where a task may run (`cpuset_attach_task`, `set_cpus_allowed_ptr`).
fn apply_to(k: &mut Kernel<'_>, task: TaskId) {
    let allowed = k.cpuset_cpus_allowed(task);
    let asked = k.tasks[task].sched.user_cpus.unwrap_or(CPU_POSSIBLE);
    let mask = if asked & allowed == 0 { allowed } else { asked & allowed };
    k.set_cpus_allowed(task, mask);
}

impl World {
    /// The processors of a task's group (`cpuset_cpus_allowed`).
    pub fn cpuset_cpus_allowed(&self, task: TaskId) -> u64 {
        let group = self.css_of(task, ControllerId::Cpuset);
        match of(self, group).map_or(0, |c| c.effective_cpus) {
            0 => CPU_POSSIBLE,
            cpus => cpus,
        }
    }

    /// The memory nodes of a task's group (`cpuset_mems_allowed`).
    pub fn cpuset_mems_allowed(&self, task: TaskId) -> u64 {
        let group = self.css_of(task, ControllerId::Cpuset);
        match of(self, group).map_or(0, |c| c.effective_mems) {
            0 => MEMS_POSSIBLE,
            mems => mems,
        }
    }
}

fn show_cpus(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", list(of(w, at.group)?.cpus)))
}

fn show_mems(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", list(of(w, at.group)?.mems)))
}

fn show_effective_cpus(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", list(of(w, at.group)?.effective_cpus)))
}

fn show_effective_mems(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", list(of(w, at.group)?.effective_mems)))
}

// --- writing ---

fn write_cpus(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    if k.cgroup(at.group).parent.is_none() {
        return Err(Errno::EACCES);
    }
    let cpus = parse_list(text, u64::from(NR_CPUS))?;
    let mut trial = of(k.world, at.group)?.clone();
    if trial.cpus == cpus {
        return Ok(());
    }
    trial.cpus = cpus;
    validate_change(k.world, at.group, &trial)?;
    of_mut(k, at.group)?.cpus = cpus;
    refresh_partition(k, at.group);
    update_subtree(k, at.group);
    Ok(())
}

fn write_mems(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    if k.cgroup(at.group).parent.is_none() {
        return Err(Errno::EACCES);
    }
    let mems = parse_list(text, MAX_NUMNODES)?;
    // Nodes that a word of the model cannot hold do not exist either.
    let beyond = text.split([',', '-', ' ']).filter_map(|n| n.trim().parse::<u64>().ok()).any(|n| n >= 64);
    if beyond || mems & !MEMS_POSSIBLE != 0 {
        return Err(Errno::EINVAL);
    }
    let mut trial = of(k.world, at.group)?.clone();
    if trial.mems == mems {
        return Ok(());
    }
    trial.mems = mems;
    validate_change(k.world, at.group, &trial)?;
    of_mut(k, at.group)?.mems = mems;
    update_subtree(k, at.group);
    Ok(())
}

fn show_flag(w: &World, at: At, flag: CpusetFlags) -> Result<String, Errno> {
    Ok(format!("{}\n", u8::from(of(w, at.group)?.flags.contains(flag))))
}

fn set_flag(k: &mut Kernel<'_>, at: At, flag: CpusetFlags, on: u64) -> Result<(), Errno> {
    let mut trial = of(k.world, at.group)?.clone();
    trial.flags.set(flag, on != 0);
    if flag != CpusetFlags::MEMORY_PRESSURE_ENABLED {
        validate_change(k.world, at.group, &trial)?;
    }
    of_mut(k, at.group)?.flags = trial.flags;
    Ok(())
}

fn show_relax(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", of(w, at.group)?.relax_level))
}

fn write_relax(k: &mut Kernel<'_>, at: At, level: i64) -> Result<(), Errno> {
    if !(-1..=MAX_RELAX_LEVEL).contains(&level) {
        return Err(Errno::EINVAL);
    }
    of_mut(k, at.group)?.relax_level = level;
    Ok(())
}

/// `is_cpuset_subset`.
fn is_subset(inner: &CpusetCgroup, outer: &CpusetCgroup) -> bool {
    let exclusive = CpusetFlags::CPU_EXCLUSIVE | CpusetFlags::MEM_EXCLUSIVE;
    inner.cpus & !outer.cpus == 0
        && inner.mems & !outer.mems == 0
        && (outer.flags & exclusive).contains(inner.flags & exclusive)
}

/// Whether a group may become `trial` (`validate_change`).
fn validate_change(w: &World, group: CgroupId, trial: &CpusetCgroup) -> Result<(), Errno> {
    let current = of(w, group)?;
    let parent = parent_of(w, group);
    if !is_v2(w, group) {
        for child in children_of(w, group) {
            if !is_subset(of(w, child)?, trial) {
                return Err(Errno::EBUSY);
            }
        }
        if let Some(parent) = parent
            && !is_subset(trial, of(w, parent)?)
        {
            return Err(Errno::EACCES);
        }
    }
    let Some(parent) = parent else { return Ok(()) };
    let emptied = |before: u64, after: u64| before != 0 && after == 0;
    if w.cgroup(group).is_populated() && (emptied(current.cpus, trial.cpus) || emptied(current.mems, trial.mems)) {
        return Err(Errno::ENOSPC);
    }
    for sibling in children_of(w, parent).into_iter().filter(|s| *s != group) {
        let other = of(w, sibling)?;
        let either = trial.flags | other.flags;
        let cpus = either.contains(CpusetFlags::CPU_EXCLUSIVE) && trial.cpus & other.cpus != 0;
        let mems = either.contains(CpusetFlags::MEM_EXCLUSIVE) && trial.mems & other.mems != 0;
        if cpus || mems {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

/// Works out what counts in a group and all below it, and moves their tasks (`update_cpumasks_hier`).
fn update_subtree(k: &mut Kernel<'_>, group: CgroupId) {
    for at in k.cgroup_subtree(group) {
        let Ok(own) = of(k.world, at).cloned() else { continue };
        if let Some(parent) = parent_of(k.world, at)
            && let Ok(above) = of(k.world, parent).cloned()
        {
            let (mut cpus, mut mems) = (own.cpus & above.effective_cpus, own.mems & above.effective_mems);
            if own.is_valid_root() {
                cpus = own.cpus & !own.handed_out;
            }
            if is_v2(k.world, at) {
                if cpus == 0 && !own.is_valid_root() {
                    cpus = above.effective_cpus;
                }
                if mems == 0 {
                    mems = above.effective_mems;
                }
            }
            let Ok(own) = of_mut(k, at) else { continue };
            (own.effective_cpus, own.effective_mems) = (cpus, mems);
        } else if let Ok(root) = of_mut(k, at) {
            root.effective_cpus = root.cpus & !root.handed_out;
        }
        let tasks = k.tasks.iter().filter(|(_, t)| !t.state.has_exited()).map(|(id, _)| id).collect::<Vec<_>>();
        for task in tasks {
            if k.css_of(task, ControllerId::Cpuset) == at {
                apply_to(k, task);
            }
        }
    }
}
