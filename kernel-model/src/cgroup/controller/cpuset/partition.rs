//! Partitions of version 2: groups that have their processors for themselves.

use serde::{Deserialize, Serialize};

use super::{CpusetCgroup, CpusetFlags, children_of, of, of_mut, parent_of, update_subtree, validate_change};
use crate::cgroup::file::At;
use crate::cgroup::{CgroupId, KernelVersion};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::world::World;

/// What `cpuset.cpus.partition` is set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Partition {
    /// Shares its processors with the group above.
    #[default]
    Member,
    /// Has them for itself.
    Root,
    /// Has them for itself, without load balancing among them.
    Isolated,
}

/// Why a partition is not valid (`enum prs_errcode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // described by their texts
pub enum PartitionError {
    InvalidCpus,
    ParentNotRoot,
    ParentInvalid,
    NotExclusive,
    NoCpusLeft,
    CpusEmpty,
}

impl PartitionError {
    fn text(self, version: KernelVersion) -> &'static str {
        match self {
            PartitionError::InvalidCpus => "Invalid cpu list in cpuset.cpus",
            PartitionError::ParentNotRoot => "Parent is not a partition root",
            PartitionError::ParentInvalid => "Parent is an invalid partition root",
            PartitionError::NotExclusive => "Cpu list in cpuset.cpus not exclusive",
            PartitionError::NoCpusLeft => "Parent unable to distribute cpu downstream",
            PartitionError::CpusEmpty if version < KernelVersion::V6_18 => "cpuset.cpus is empty",
            PartitionError::CpusEmpty => "cpuset.cpus and cpuset.cpus.exclusive are empty",
        }
    }
}

pub(super) fn show_partition(w: &World, at: At) -> Result<String, Errno> {
    let own = of(w, at.group)?;
    let name = match own.partition {
        Partition::Member => return Ok("member\n".into()),
        Partition::Root => "root",
        Partition::Isolated => "isolated",
    };
    Ok(match own.invalid {
        Some(why) => format!("{name} invalid ({})\n", why.text(w.kernel_version())),
        None => format!("{name}\n"),
    })
}

pub(super) fn write_partition(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let partition = match text.trim() {
        "member" => Partition::Member,
        "root" => Partition::Root,
        "isolated" => Partition::Isolated,
        _ => return Err(Errno::EINVAL),
    };
    set_partition(k, at.group, partition)
}

/// `update_prstate`: never fails; what cannot be is marked as invalid.
pub(super) fn set_partition(k: &mut Kernel<'_>, group: CgroupId, partition: Partition) -> Result<(), Errno> {
    let old = of(k.world, group)?.clone();
    if old.partition == partition {
        return Ok(());
    }
    if partition != Partition::Member && old.partition != Partition::Member && old.invalid.is_some() {
        of_mut(k, group)?.partition = partition;
        return Ok(());
    }
    if old.is_valid_root() && partition == Partition::Member {
        hand_back(k, group);
    }
    let own = of_mut(k, group)?;
    own.partition = partition;
    own.invalid = None;
    own.flags.set(CpusetFlags::SCHED_LOAD_BALANCE, partition != Partition::Isolated);
    if partition != Partition::Member && !old.is_valid_root() {
        enable_partition(k, group)?;
    }
    let top = parent_of(k.world, group).unwrap_or(group);
    update_subtree(k, top);
    Ok(())
}

/// Takes the processors of a new partition out of the group above, if that can be.
fn enable_partition(k: &mut Kernel<'_>, group: CgroupId) -> Result<(), Errno> {
    let invalid = why_no_partition(k.world, group)?;
    of_mut(k, group)?.invalid = invalid;
    let Some(parent) = parent_of(k.world, group).filter(|_| invalid.is_none()) else { return Ok(()) };
    let cpus = of(k.world, group)?.cpus & of(k.world, parent)?.effective_cpus;
    of_mut(k, parent)?.handed_out |= cpus;
    of_mut(k, group)?.flags.insert(CpusetFlags::CPU_EXCLUSIVE);
    Ok(())
}

/// The group above has the processors of a partition again.
fn hand_back(k: &mut Kernel<'_>, group: CgroupId) {
    let Ok(cpus) = of(k.world, group).map(|own| own.cpus) else { return };
    if let Ok(own) = of_mut(k, group) {
        own.flags.remove(CpusetFlags::CPU_EXCLUSIVE);
    }
    if let Some(parent) = parent_of(k.world, group)
        && let Ok(above) = of_mut(k, parent)
    {
        above.handed_out &= !cpus;
    }
    // What was a partition below is none without this one.
    for child in children_of(k.world, group) {
        if of(k.world, child).is_ok_and(CpusetCgroup::is_valid_root) {
            hand_back(k, child);
            if let Ok(child) = of_mut(k, child) {
                child.invalid = Some(PartitionError::ParentNotRoot);
            }
        }
    }
}

/// What stands against it, in the order of `update_prstate` and `update_parent_subparts_cpumask`.
fn why_no_partition(w: &World, group: CgroupId) -> Result<Option<PartitionError>, Errno> {
    let own = of(w, group)?;
    let Some(parent) = parent_of(w, group) else { return Ok(None) };
    if own.cpus == 0 {
        return Ok(Some(PartitionError::CpusEmpty));
    }
    let mut trial = own.clone();
    trial.flags.insert(CpusetFlags::CPU_EXCLUSIVE);
    if validate_change(w, group, &trial).is_err() {
        return Ok(Some(PartitionError::NotExclusive));
    }
    let above = of(w, parent)?;
    if !above.is_valid_root() {
        let invalid = above.partition != Partition::Member;
        return Ok(Some(if invalid { PartitionError::ParentInvalid } else { PartitionError::ParentNotRoot }));
    }
    if own.cpus & above.cpus == 0 {
        return Ok(Some(PartitionError::InvalidCpus));
    }
    // partition_is_populated: tasks of the partition above that are not in this group.
    let others = w.cgroup(parent).tasks_below > w.cgroup(group).tasks_below;
    if above.effective_cpus & !own.cpus == 0 && others {
        return Ok(Some(PartitionError::NoCpusLeft));
    }
    Ok(None)
}

/// The processors of a partition have changed: it is asked again whether it can be one.
pub(super) fn refresh_partition(k: &mut Kernel<'_>, group: CgroupId) {
    let Ok(own) = of(k.world, group).cloned() else { return };
    if own.partition == Partition::Member {
        return;
    }
    let Some(parent) = parent_of(k.world, group) else { return };
    let siblings: u64 = children_of(k.world, parent)
        .into_iter()
        .filter(|g| *g != group)
        .filter_map(|g| of(k.world, g).ok().filter(|c| c.is_valid_root()).map(|c| c.cpus))
        .fold(0, |all, cpus| all | cpus);
    if let Ok(above) = of_mut(k, parent) {
        above.handed_out &= siblings;
        above.effective_cpus = above.cpus & !above.handed_out;
    }
    if let Ok(own) = of_mut(k, group) {
        own.flags.remove(CpusetFlags::CPU_EXCLUSIVE);
    }
    let _ = enable_partition(k, group);
    update_subtree(k, parent);
}
