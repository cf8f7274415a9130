//! Control groups, as in cgroups(7): trees of groups into which tasks are sorted, and controllers that
//! count and limit what each group uses.
//!
//! [`hierarchy`] the trees and which controller is bound to which; [`group`] the life of one group;
//! [`css_set`] which task is in which groups; [`subtree_control`] which controllers work where (v2);
//! [`migrate`], [`fork`] how tasks come into groups; [`file`] the files in the directories, as tables of
//! records; [`v1`], [`v2`], [`pressure`] the files that every group has; [`domain`] threaded groups; [`freeze`]
//! stopping; [`release_agent`]; [`path`] what a group is called, and by whom.
//! The file system itself is `vfs::fs::cgroupfs`. What happens is told by [`event::CgroupEvent`].
//!
//! # How a controller is written
//!
//! A controller is one file in [`controller`]: one static [`Controller`](controller::Controller) with
//! 1. `v1_files` and `v2_files`: a [`CgroupFile`](file::CgroupFile) a line, with its whole name
//!    (`"cpu.max"`), where it is shown (`flags`), in which kernels (`since`), how it is read (`show`) and what
//!    a write does (`write`, whose text has been stripped of white space at both ends). What is not listed does
//!    not exist;
//! 2. hooks, in the order in which the kernel calls them: `css_online`, `css_offline` (a group gets or
//!    loses the controller), `can_attach`, `cancel_attach`, `attach` (tasks move, see
//!    [`Migration`](migrate::Migration)), `can_fork`, `cancel_fork`, `fork` (a task is born), `exit` (it begins to
//!    end), `release` (its status has been collected), `is_referenced` (a removed group is still needed, because
//!    memory is charged to it, say; call [`Kernel::cgroup_put`](crate::kernel::Kernel) when it no longer is), `bind`
//!    (the controller moved to another hierarchy), `usage` (what views draw bars from). Hooks that are not named do nothing;
//! 3. what it keeps of each group: a field of [`CssStates`](controller::CssStates), `Some` while the
//!    controller works in the group. `css_online` puts it in; the core takes it out after `css_offline`.
//!
//! A task's group for a controller is [`World::css_of`]; charges go up with [`World::css_ancestors`]. The world
//! is changed first and the event emitted after. Which kernel's rules count is [`World::kernel_version`].
//!
//! Invariants ([`World::check_cgroups`]): child lists and parents, css sets and groups, tasks and css sets are
//! inverse; counts of tasks and of descendants are what counting gives; a domain that has domain controllers
//! for its children has no tasks of its own.

pub mod check;
pub mod controller;
pub mod css_set;
pub mod domain;
pub mod event;
pub mod file;
pub mod fork;
pub mod freeze;
pub mod group;
pub mod hierarchy;
pub mod migrate;
pub mod mount;
pub mod path;
pub mod pressure;
pub mod release_agent;
pub mod subtree_control;
#[cfg(test)]
mod tests;
pub mod v1;
pub mod v2;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::id;
use crate::namespace::cgroup::CgroupNsId;
use crate::security::credentials::{Kgid, Kuid};
use crate::table::Table;
use crate::task::TaskId;
use crate::task::sched::psi::PsiGroup;
use crate::time::Nanos;
use crate::world::World;
use controller::{ControllerId, ControllerSet, CssStates};
use css_set::{CssSet, CssSetId};
use file::FileRow;
use hierarchy::{Hierarchy, HierarchyId};

id! {
    /// A control group, for ever: a new group of the same name gets another id.
    CgroupId
}

/// All of control groups.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cgroups {
    /// The trees. The first is the default hierarchy, that of version 2.
    pub hierarchies: Table<HierarchyId, Hierarchy>,
    /// The groups of all of them, those included that are removed but still referred to.
    pub groups: Table<CgroupId, Cgroup>,
    /// Sets of tasks that are in the same groups everywhere.
    pub css_sets: Table<CssSetId, CssSet>,
    /// The css set for each combination of groups, which are listed by hierarchy.
    pub by_groups: OrdMap<Vec<CgroupId>, CssSetId>,
    /// Counts tasks that join css sets.
    pub last_join: u64,
    /// The kernel has these controllers.
    pub compiled_in: ControllerSet,
    /// These cannot be bound to a v1 hierarchy (boot parameter `cgroup_no_v1=`).
    pub no_v1: ControllerSet,
}

/// The kernel whose rules count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum KernelVersion {
    /// 6.1, in a world with version 2 only.
    V6_1,
    /// 6.18, in the standard world.
    V6_18,
}

/// Which of the two interfaces a hierarchy has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Version {
    /// `cgroup`: as it came with Linux 2.6.24.
    V1,
    /// `cgroup2`: the unified hierarchy.
    V2,
}

/// A control group (`struct cgroup`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cgroup {
    /// The tree that it is in.
    pub hierarchy: HierarchyId,
    /// The group above; `None` for a root.
    pub parent: Option<CgroupId>,
    /// Its name in the group above; empty for a root.
    pub name: String,
    /// How far below the root it is.
    pub level: u32,
    /// The groups in it.
    pub children: OrdMap<String, CgroupId>,
    /// The number that stat(2) shows of its directory.
    pub ino: u64,
    /// It has been removed, and is only kept because something still refers to it.
    pub dying: bool,
    /// It has been removed and nothing refers to it any more, except who has its directory open.
    pub released: bool,
    /// The css sets that are in it.
    pub css_sets: OrdSet<CssSetId>,
    /// Living tasks in it.
    pub own_tasks: u32,
    /// Living tasks in it and in all below.
    pub tasks_below: u32,
    /// Living groups below it.
    pub nr_descendants: u32,
    /// Removed groups below it that are still referred to.
    pub nr_dying_descendants: u32,
    /// Controllers that work in its children because it was asked for (`cgroup.subtree_control`).
    pub subtree_control: ControllerSet,
    /// The same with those that others depend on and those that always work (`subtree_ss_mask`).
    pub subtree_mask: ControllerSet,
    /// `cgroup.type` is threaded: it belongs to the domain of the group of this id; its own id for a domain.
    pub domain: CgroupId,
    /// What controllers keep of it.
    pub css: CssStates,
    /// `notify_on_release` (v1).
    pub notify_on_release: bool,
    /// `cgroup.clone_children` (v1).
    pub clone_children: bool,
    /// `cgroup.max.descendants`; `None` for max.
    pub max_descendants: Option<u32>,
    /// `cgroup.max.depth`; `None` for max.
    pub max_depth: Option<u32>,
    /// What was written to `cgroup.freeze`.
    pub freeze: bool,
    /// It and all above it up to the first that says so are to be frozen (`e_freeze`): how many say so.
    pub frozen_by: u32,
    /// All its tasks have stopped (`CGRP_FROZEN`).
    pub frozen: bool,
    /// When it began to be frozen, in the model's time.
    pub freezing_since: Nanos,
    /// How long it was frozen before that.
    pub frozen_time: Nanos,
    /// `cgroup.pressure`.
    pub pressure: bool,
    /// Whoever made it owns the directory and the files that every group has.
    pub made_by: (Kuid, Kgid),
    /// Permission bits of the directory.
    pub mode: u32,
    /// Who owns the files of a controller that came later: whoever switched it on.
    pub enabled_by: OrdMap<ControllerId, (Kuid, Kgid)>,
    /// Owner and mode of the files for which they were changed.
    pub changed_files: OrdMap<FileRow, FileOwner>,
    /// Processor time that it and all below it have used.
    pub cpu_time: pressure::CpuTime,
    /// Pressure on its tasks and those below.
    pub psi: PsiGroup,
    /// When it was made, in Unix time.
    pub made_at: Nanos,
}

/// Owner and mode of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileOwner {
    /// Owner.
    pub uid: Kuid,
    /// Group.
    pub gid: Kgid,
    /// Permission bits.
    pub mode: u32,
}

impl Cgroup {
    /// Whether a living task is in it or below it.
    pub fn is_populated(&self) -> bool {
        self.tasks_below > 0
    }
}

impl World {
    /// Whose rules count.
    pub fn kernel_version(&self) -> KernelVersion {
        if self.config.cgroup_v2 { KernelVersion::V6_1 } else { KernelVersion::V6_18 }
    }

    /// The group, which is there.
    pub fn cgroup(&self, group: CgroupId) -> &Cgroup {
        &self.cgroups.groups[group]
    }

    /// The version of the hierarchy that a group is in.
    pub fn cgroup_version(&self, group: CgroupId) -> Version {
        self.cgroups.hierarchies[self.cgroups.groups[group].hierarchy].version
    }

    /// The group that a task is in, in one hierarchy.
    pub fn cgroup_of(&self, task: TaskId, hierarchy: HierarchyId) -> CgroupId {
        self.cgroups.css_sets[self.tasks[task].css_set].groups[&hierarchy]
    }

    /// The group whose limits and counts are a task's for a controller (`task_css`): in version 2 the nearest
    /// one at or above its own in which the controller works.
    pub fn css_of(&self, task: TaskId, controller: ControllerId) -> CgroupId {
        let hierarchy = self.hierarchy_of(controller);
        self.effective_css(self.cgroup_of(task, hierarchy), controller)
    }

    /// The nearest group at or above `group` in which a controller works (`cgroup_e_css`).
    pub fn effective_css(&self, group: CgroupId, controller: ControllerId) -> CgroupId {
        let mut at = group;
        while !self.cgroups.groups[at].has_css(controller)
            && let Some(parent) = self.cgroups.groups[at].parent
        {
            at = parent;
        }
        at
    }

    /// The groups at and above `group` in which a controller works, from below.
    pub fn css_ancestors(&self, group: CgroupId, controller: ControllerId) -> Vec<CgroupId> {
        self.cgroup_ancestors(group).into_iter().filter(|g| self.cgroups.groups[*g].has_css(controller)).collect()
    }

    /// The group and all above it, from below.
    pub fn cgroup_ancestors(&self, group: CgroupId) -> Vec<CgroupId> {
        let mut all = vec![group];
        let mut at = group;
        while let Some(parent) = self.cgroups.groups[at].parent {
            all.push(parent);
            at = parent;
        }
        all
    }

    /// The group and all below it, each before those in it (`css_for_each_descendant_pre`).
    pub fn cgroup_subtree(&self, group: CgroupId) -> Vec<CgroupId> {
        let mut all = Vec::new();
        let mut pending = vec![group];
        while let Some(at) = pending.pop() {
            all.push(at);
            // Children in the order in which they were made.
            let mut children: Vec<CgroupId> = self.cgroups.groups[at].children.values().copied().collect();
            children.sort_unstable_by(|a, b| b.cmp(a));
            pending.extend(children);
        }
        all
    }

    /// Whether `group` is `above` or below it.
    pub fn is_cgroup_descendant(&self, group: CgroupId, above: CgroupId) -> bool {
        let mut at = Some(group);
        while let Some(g) = at {
            if g == above {
                return true;
            }
            at = self.cgroups.groups[g].parent;
        }
        false
    }

    /// Living tasks in a group itself, in the order in which they came.
    pub fn cgroup_tasks(&self, group: CgroupId) -> Vec<TaskId> {
        let mut all = Vec::new();
        for set in &self.cgroups.groups[group].css_sets {
            let mut tasks: Vec<(u64, TaskId)> =
                self.cgroups.css_sets[*set].tasks.iter().map(|(task, joined)| (*joined, *task)).collect();
            tasks.sort_unstable();
            all.extend(tasks.into_iter().map(|(_, task)| task));
        }
        all
    }

    /// The group that a cgroup namespace shows as the root of a hierarchy.
    pub fn cgroup_ns_root(&self, ns: CgroupNsId, hierarchy: HierarchyId) -> CgroupId {
        let set = self.cgroup_namespaces[ns].root_set;
        self.cgroups.css_sets[set].groups[&hierarchy]
    }
}
