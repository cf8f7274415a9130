//! Stopping all tasks of a group: `cgroup.freeze` of version 2, as in `kernel/cgroup/freezer.c`. (That of version 1
//! is the controller [`freezer`](super::controller::freezer).)
//!
//! A frozen task is one that the scheduler leaves out. In version 2 it is stopped like by a job control signal: a
//! deadly signal still ends it. In version 1 it hears of nothing until it is thawed.

use serde::{Deserialize, Serialize};

use super::event::CgroupEvent;
use super::hierarchy::DEFAULT_HIERARCHY;
use super::{CgroupId, Version};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::signal::Signal;
use crate::task::{TaskId, TaskState};
use crate::world::World;

/// What keeps a task from running, apart from its own state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Frozen {
    /// The freezer of version 1.
    pub by_v1: bool,
    /// `cgroup.freeze` of version 2.
    pub by_v2: bool,
}

impl Frozen {
    /// Whether anything keeps it.
    pub fn is_frozen(self) -> bool {
        self.by_v1 || self.by_v2
    }
}

impl World {
    /// Whether a group is to be frozen, by itself or from above (`e_freeze`).
    pub fn is_freezing(&self, group: CgroupId) -> bool {
        self.cgroup(group).frozen_by > 0
    }
}

impl Kernel<'_> {
    /// A write to `cgroup.freeze` (`cgroup_freeze`).
    pub(super) fn cgroup_freeze(&mut self, group: CgroupId, freeze: bool) {
        if self.cgroup(group).freeze == freeze {
            return;
        }
        self.cgroups.groups[group].freeze = freeze;
        let subtree = self.cgroup_subtree(group);
        let now = self.clock;
        for at in &subtree {
            let g = &mut self.world.cgroups.groups[*at];
            g.frozen_by = if freeze { g.frozen_by + 1 } else { g.frozen_by - 1 };
            match (freeze, g.frozen_by) {
                (true, 1) => g.freezing_since = now,
                (false, 0) => g.frozen_time += now - g.freezing_since,
                _ => {}
            }
        }
        for at in &subtree {
            let freezing = self.is_freezing(*at);
            for task in self.cgroup_tasks(*at) {
                self.set_frozen(task, Version::V2, freezing);
            }
        }
        // From below, so that a group says that it is frozen after those in it.
        for at in subtree.iter().rev() {
            self.update_frozen(*at);
        }
    }

    /// Stops a task or lets it go on.
    pub(crate) fn set_frozen(&mut self, task: TaskId, version: Version, frozen: bool) {
        let t = &mut self.world.tasks[task];
        let before = t.frozen.is_frozen();
        match version {
            Version::V1 => t.frozen.by_v1 = frozen,
            Version::V2 => t.frozen.by_v2 = frozen,
        }
        let runnable = t.state == TaskState::Runnable;
        if before && !t.frozen.is_frozen() && runnable && self.sched.current != Some(task) {
            self.dequeue(task);
            self.enqueue(task);
        }
    }

    /// All tasks of a group that is being frozen stand still at once; it says so when that begins or ends to be
    /// true (`cgroup_update_frozen`).
    fn update_frozen(&mut self, group: CgroupId) {
        let frozen = self.is_freezing(group);
        if self.cgroup(group).frozen != frozen {
            self.cgroups.groups[group].frozen = frozen;
            self.emit(EventKind::Cgroup(CgroupEvent::FrozenChanged { group, frozen }));
            self.wake_all(crate::task::sched::Wait::CgroupEvents);
        }
    }

    /// A child born into a frozen group stands still from the start.
    pub(super) fn cgroup_freeze_child(&mut self, child: TaskId) {
        let group = self.cgroup_of(child, DEFAULT_HIERARCHY);
        let freezing = self.is_freezing(group);
        self.set_frozen(child, Version::V2, freezing);
    }

    /// Who exits is frozen no more.
    pub(super) fn cgroup_freezer_exit(&mut self, task: TaskId) {
        self.tasks[task].frozen = Frozen::default();
    }

    /// A task moved between groups of which only one is frozen (`cgroup_freezer_migrate_task`).
    pub(super) fn cgroup_freezer_migrate(&mut self, task: TaskId, from: CgroupId, to: CgroupId) {
        let freezing = self.is_freezing(to);
        if self.is_freezing(from) != freezing {
            self.set_frozen(task, Version::V2, freezing);
        }
    }

    /// SIGKILL to everybody in a group and below (`cgroup_kill`).
    pub(super) fn cgroup_kill(&mut self, group: CgroupId) {
        let groups = self.cgroup_subtree(group);
        let tasks: Vec<TaskId> = groups.into_iter().flat_map(|g| self.cgroup_tasks(g)).collect();
        self.emit(EventKind::Cgroup(CgroupEvent::Killed { group, tasks: tasks.len() as u32 }));
        for task in tasks {
            if let Some(t) = self.world.tasks.get(task).filter(|t| !t.state.has_exited()) {
                let process = t.process;
                if self.processes[process].leader == task || !self.processes[process].pending.has(Signal::KILL) {
                    self.send_signal(process, Signal::KILL, None);
                }
            }
        }
    }
}
