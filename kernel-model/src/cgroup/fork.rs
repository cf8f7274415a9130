//! Groups in the life of a task: it is born into those of its parent, or into one that clone3(2) names, and
//! leaves them when it exits.

use super::controller::record;
use super::css_set::CssSetId;
use super::event::CgroupEvent;
use super::hierarchy::DEFAULT_HIERARCHY;
use super::{CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::cgroupfs::CgroupNode;

impl Kernel<'_> {
    /// The css set for a child of `caller`: the caller's, or with `CLONE_INTO_CGROUP` the one with the group whose
    /// directory is open there (`cgroup_css_set_fork`). It is held.
    ///
    /// # Errors
    /// EBADF for a descriptor that is not open on the directory of a v2 group; ENODEV for a removed group; and
    /// those of moving a process there.
    pub(crate) fn css_set_for_child(
        &mut self,
        caller: TaskId,
        into: Option<Fd>,
        thread: bool,
    ) -> Result<CssSetId, Errno> {
        let own = self.tasks[caller].css_set;
        let Some(fd) = into else {
            self.hold_css_set(own);
            return Ok(own);
        };
        let file = self.file_id(caller, fd)?;
        let place = self.vfs.files[file].path().ok_or(Errno::EBADF)?;
        let Node::Cgroup(CgroupNode::Dir(group)) = place.node else { return Err(Errno::EBADF) };
        if self.cgroup(group).dying {
            return Err(Errno::ENOENT);
        }
        if self.cgroup_version(group) == Version::V1 {
            return Err(Errno::EBADF);
        }
        let cred = std::sync::Arc::clone(&self.tasks[caller].cred);
        self.cgroup_may_write(&cred, place.mnt, group)?;
        let from = self.cgroup_of(caller, DEFAULT_HIERARCHY);
        let ns = self.tasks[caller].nsproxy.cgroup;
        self.check_attach(&cred, place.mnt, from, group, !thread, ns)?;
        let set = self.world.css_set_with(own, group);
        self.hold_css_set(set);
        Ok(set)
    }

    /// Whether a child may be born into these groups: what the controllers say (`cgroup_can_fork`). When it may
    /// not, nothing is held any more.
    ///
    /// # Errors
    /// Those of the controllers: EAGAIN of pids.
    pub(crate) fn cgroup_can_fork(&mut self, caller: TaskId, set: CssSetId) -> Result<(), Errno> {
        let mut asked: Vec<(super::controller::ControllerId, CgroupId)> = Vec::new();
        for controller in self.cgroups.compiled_in.iter() {
            let hierarchy = self.hierarchy_of(controller);
            let group = self.cgroups.css_sets[set].groups[&hierarchy];
            let css = self.effective_css(group, controller);
            if let Err(e) = (record(controller).can_fork)(self, caller, css) {
                for (before, css) in asked.into_iter().rev() {
                    (record(before).cancel_fork)(self, css);
                }
                self.release_css_set(set);
                return Err(e);
            }
            asked.push((controller, css));
        }
        Ok(())
    }

    /// A child exists: it is a member of its groups (`cgroup_post_fork`).
    pub(crate) fn cgroup_post_fork(&mut self, child: TaskId, set: CssSetId) {
        let empty = self.unpopulated_groups(set);
        self.world.join_css_set(child, set);
        self.cgroups.css_sets[set].refs -= 1;
        self.say_populated(&empty, true);
        self.cgroup_freeze_child(child);
        for controller in self.cgroups.compiled_in.iter() {
            (record(controller).fork)(self, child);
        }
    }

    /// A task has begun to exit: it is in no list any more, but its status still refers to its groups
    /// (`cgroup_exit`).
    pub(crate) fn cgroup_exit(&mut self, task: TaskId) {
        let set = self.tasks[task].css_set;
        self.hold_css_set(set);
        self.leave_css_set(task);
        self.cgroup_freezer_exit(task);
        for controller in self.cgroups.compiled_in.iter() {
            (record(controller).exit)(self, task);
        }
    }

    /// A task's status has been collected (`cgroup_release`, `cgroup_free`).
    pub(crate) fn cgroup_release(&mut self, task: TaskId) {
        let set = self.tasks[task].css_set;
        for controller in self.cgroups.compiled_in.iter() {
            let group = self.css_of(task, controller);
            (record(controller).release)(self, task, group);
        }
        self.release_css_set(set);
    }

    /// Takes a living task out of the list of its css set. Groups that are empty now say so, and those that want
    /// their release agent get it.
    pub(super) fn leave_css_set(&mut self, task: TaskId) {
        let set = self.tasks[task].css_set;
        self.cgroups.css_sets[set].tasks.remove(&task);
        let groups: Vec<CgroupId> = self.cgroups.css_sets[set].groups.values().copied().collect();
        let mut emptied = Vec::new();
        for group in groups {
            self.world.count_tasks(group, -1);
            emptied.extend(self.cgroup_ancestors(group).into_iter().filter(|g| !self.cgroup(*g).is_populated()));
        }
        self.say_populated(&emptied, false);
        for group in emptied {
            self.check_for_release(group);
        }
    }

    /// The groups at and above those of a css set in which nobody lives.
    pub(super) fn unpopulated_groups(&self, set: CssSetId) -> Vec<CgroupId> {
        let groups = self.cgroups.css_sets[set].groups.values();
        groups
            .flat_map(|group| self.cgroup_ancestors(*group))
            .filter(|group| !self.cgroup(*group).is_populated())
            .collect()
    }

    pub(super) fn say_populated(&mut self, groups: &[CgroupId], populated: bool) {
        for group in groups {
            if self.cgroup(*group).parent.is_some() {
                self.emit(EventKind::Cgroup(CgroupEvent::PopulatedChanged { group: *group, populated }));
                self.wake_all(crate::task::sched::Wait::CgroupEvents);
            }
        }
    }
}
