//! Moving tasks: writes to `cgroup.procs`, `cgroup.threads` and `tasks`, who may do so, and how controllers are
//! asked and told.

use std::sync::Arc;

use super::controller::{ControllerId, record};
use super::event::CgroupEvent;
use super::file::{At, kstrtoll};
use super::hierarchy::{DEFAULT_HIERARCHY, HierarchyId};
use super::{CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::cgroup::CgroupNsId;
use crate::namespace::pid::Pid;
use crate::security::credentials::{Cred, Kuid};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::cgroupfs::CgroupNode;
use crate::vfs::mount::MountId;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;

/// Tasks on their way, as one controller sees it (`struct cgroup_taskset`): only those are named whose limits
/// change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migration {
    /// The controller.
    pub controller: ControllerId,
    /// Each task with the group whose limits counted and the one whose limits will count.
    pub tasks: Vec<Moving>,
}

/// One task that moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moving {
    /// The task.
    pub task: TaskId,
    /// From the limits of this group.
    pub from: CgroupId,
    /// To those of this one.
    pub to: CgroupId,
}

/// Whether a thread moves alone or with all of its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// One thread.
    Thread,
    /// The whole thread group.
    Process,
}

impl Kernel<'_> {
    /// A write to `cgroup.procs`, `cgroup.threads` or `tasks` (`__cgroup_procs_write`, `__cgroup1_procs_write`).
    ///
    /// # Errors
    /// EINVAL for text that is no pid; ESRCH; EACCES, ENOENT across a delegation border; EOPNOTSUPP, EBUSY for a
    /// group that may hold no processes; those of the controllers.
    pub(super) fn procs_write(&mut self, at: At, text: &str, who: Who) -> Result<(), Errno> {
        let task = self.procs_write_start(at.task, text, who)?;
        let cred = Arc::clone(&self.vfs.files[at.file].cred);
        match self.cgroup_version(at.group) {
            Version::V1 => {
                let target = &self.tasks[task].cred;
                if cred.euid != Kuid::ROOT && cred.euid != target.uid && cred.euid != target.suid {
                    return Err(Errno::EACCES);
                }
            }
            Version::V2 => {
                let from = self.cgroup_of(task, DEFAULT_HIERARCHY);
                let ns = self.vfs.files[at.file].cgroup_ns.unwrap_or(self.tasks[at.task].nsproxy.cgroup);
                let mnt = self.vfs.files[at.file].path().ok_or(Errno::ENODEV)?.mnt;
                self.check_attach(&cred, mnt, from, at.group, who == Who::Process, ns)?;
            }
        }
        self.attach_task(at.group, task, who)
    }

    /// Who is meant (`cgroup_procs_write_start`).
    fn procs_write_start(&mut self, writer: TaskId, text: &str, who: Who) -> Result<TaskId, Errno> {
        let nr = kstrtoll(text.trim()).ok().and_then(|n| i32::try_from(n).ok()).filter(|n| *n >= 0);
        let nr = nr.ok_or(Errno::EINVAL)?;
        let found = if nr == 0 { Some(writer) } else { self.find_task(writer, nr as Pid) };
        let task = found.ok_or(Errno::ESRCH)?;
        // Kernel threads that must stay where they are (`no_cgroup_migration`).
        if &*self.tasks[task].user.image.program == "kthreadd" {
            return Err(Errno::EINVAL);
        }
        Ok(match who {
            Who::Thread => task,
            Who::Process => self.processes[self.tasks[task].process].leader,
        })
    }

    /// Whether these credentials allow to move a process between two groups of the default hierarchy, and whether
    /// the destination can hold it (`cgroup_attach_permissions`).
    pub(super) fn check_attach(
        &mut self,
        cred: &Cred,
        mnt: MountId,
        from: CgroupId,
        to: CgroupId,
        whole: bool,
        ns: CgroupNsId,
    ) -> Result<(), Errno> {
        let mut common = from;
        while !self.is_cgroup_descendant(to, common)
            && let Some(parent) = self.cgroup(common).parent
        {
            common = parent;
        }
        self.cgroup_may_write(cred, mnt, common)?;
        let root = self.cgroup_ns_root(ns, DEFAULT_HIERARCHY);
        if self.cgroups.hierarchies[DEFAULT_HIERARCHY].has_flag("nsdelegate")
            && !(self.is_cgroup_descendant(from, root) && self.is_cgroup_descendant(to, root))
        {
            return Err(Errno::ENOENT);
        }
        self.vet_destination(to)?;
        if !whole && self.cgroup(from).domain != self.cgroup(to).domain {
            return Err(Errno::EOPNOTSUPP);
        }
        Ok(())
    }

    /// Whether `cgroup.procs` of a group may be written (`cgroup_may_write`).
    pub(super) fn cgroup_may_write(&mut self, cred: &Cred, mnt: MountId, group: CgroupId) -> Result<(), Errno> {
        let row = self.find_cgroup_file(group, "cgroup.procs").ok_or(Errno::ENODEV)?;
        let node = Node::Cgroup(CgroupNode::File(group, row));
        self.inode_permission_as(cred, VfsPath { mnt, node }, Access::WRITE)
    }

    /// Whether processes may be put into a group (`cgroup_migrate_vet_dst`).
    fn vet_destination(&self, to: CgroupId) -> Result<(), Errno> {
        let domain = self.cgroup(to).domain;
        if !self.is_valid_domain(domain) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.can_be_thread_root(to) || self.is_threaded(to) {
            return Ok(());
        }
        if self.cgroup(to).subtree_control.is_empty() { Ok(()) } else { Err(Errno::EBUSY) }
    }

    /// Moves a task, or its process, to a group (`cgroup_attach_task`). Who has begun to exit is left where it was.
    ///
    /// # Errors
    /// Those of the controllers.
    pub(crate) fn attach_task(&mut self, to: CgroupId, task: TaskId, who: Who) -> Result<(), Errno> {
        let hierarchy = self.cgroup(to).hierarchy;
        let tasks = match who {
            Who::Thread => vec![task],
            Who::Process => self.processes[self.tasks[task].process].threads.clone(),
        };
        let moves: Vec<(TaskId, CgroupId, CgroupId)> = tasks
            .into_iter()
            .filter(|t| !self.tasks[*t].state.has_exited())
            .map(|t| (t, self.cgroup_of(t, hierarchy), to))
            .filter(|(_, from, to)| from != to)
            .collect();
        let migrations = self.migrations(hierarchy, &moves);
        self.ask_controllers(&migrations)?;
        for (task, from, to) in moves {
            self.move_task(task, from, to);
        }
        for migration in &migrations {
            (record(migration.controller).attach)(self, migration);
        }
        Ok(())
    }

    /// What each controller of a hierarchy will see of these moves.
    fn migrations(&self, hierarchy: HierarchyId, moves: &[(TaskId, CgroupId, CgroupId)]) -> Vec<Migration> {
        let controllers = self.cgroups.hierarchies[hierarchy].controllers;
        let mut all = Vec::new();
        for controller in controllers.iter() {
            let tasks: Vec<Moving> = moves
                .iter()
                .map(|(task, from, to)| Moving {
                    task: *task,
                    from: self.effective_css(*from, controller),
                    to: self.effective_css(*to, controller),
                })
                .filter(|moving| moving.from != moving.to)
                .collect();
            if !tasks.is_empty() {
                all.push(Migration { controller, tasks });
            }
        }
        all
    }

    /// Asks the controllers one after the other; when one refuses, those before it are told.
    pub(super) fn ask_controllers(&mut self, migrations: &[Migration]) -> Result<(), Errno> {
        for (at, migration) in migrations.iter().enumerate() {
            if let Err(e) = (record(migration.controller).can_attach)(self, migration) {
                for before in migrations[..at].iter().rev() {
                    (record(before.controller).cancel_attach)(self, before);
                }
                return Err(e);
            }
        }
        Ok(())
    }

    fn move_task(&mut self, task: TaskId, from: CgroupId, to: CgroupId) {
        let old = self.tasks[task].css_set;
        let new = self.world.css_set_with(old, to);
        let empty = self.unpopulated_groups(new);
        self.world.cgroups.css_sets[old].tasks.remove(&task);
        self.world.list_in_css_set(task, new);
        self.world.count_tasks(to, 1);
        self.world.count_tasks(from, -1);
        if self.cgroup(to).hierarchy == DEFAULT_HIERARCHY {
            self.world.psi_move(task, from, to);
        }
        let emptied: Vec<CgroupId> =
            self.cgroup_ancestors(from).into_iter().filter(|g| !self.cgroup(*g).is_populated()).collect();
        self.emit(EventKind::Cgroup(CgroupEvent::Attached { task, from, to }));
        let filled: Vec<CgroupId> = empty.into_iter().filter(|g| self.cgroup(*g).is_populated()).collect();
        self.say_populated(&filled, true);
        self.say_populated(&emptied, false);
        if self.cgroup_version(to) == Version::V2 {
            self.cgroup_freezer_migrate(task, from, to);
        }
        self.reap_css_set(old);
        for group in emptied {
            self.check_for_release(group);
        }
    }
}
