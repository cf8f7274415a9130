//! The life of a group: made by mkdir(2), renamed (v1), removed by rmdir(2), kept for a while as a dying one.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::controller::{ControllerId, ControllerSet, CssStates, record};
use super::css_set::CssSetId;
use super::event::CgroupEvent;
use super::hierarchy::HierarchyId;
use super::pressure::CpuTime;
use super::{Cgroup, CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::credentials::{Kgid, Kuid};
use crate::task::TaskId;
use crate::task::sched::psi::PsiGroup;
use crate::time::{BOOT_UNIX_SECONDS, Nanos};
use crate::world::World;

impl Cgroup {
    /// A group without a place.
    pub(super) fn new(hierarchy: HierarchyId, now: Nanos) -> Cgroup {
        Cgroup {
            hierarchy,
            parent: None,
            name: String::new(),
            level: 0,
            children: OrdMap::new(),
            ino: 0,
            dying: false,
            released: false,
            css_sets: OrdSet::new(),
            own_tasks: 0,
            tasks_below: 0,
            nr_descendants: 0,
            nr_dying_descendants: 0,
            subtree_control: ControllerSet::EMPTY,
            subtree_mask: ControllerSet::EMPTY,
            domain: CgroupId(0),
            css: CssStates::default(),
            notify_on_release: false,
            clone_children: false,
            max_descendants: None,
            max_depth: None,
            freeze: false,
            frozen_by: 0,
            frozen: false,
            freezing_since: now,
            frozen_time: Nanos(0),
            pressure: true,
            made_by: (Kuid::ROOT, Kgid::ROOT),
            mode: 0o755,
            enabled_by: OrdMap::new(),
            changed_files: OrdMap::new(),
            cpu_time: CpuTime::default(),
            psi: PsiGroup::new(now - Nanos(BOOT_UNIX_SECONDS * 1_000_000_000)),
            made_at: now,
        }
    }
}

impl Cgroup {
    /// A controller is gone: so are the owners and modes that its files were given.
    pub(super) fn forget_changes(&mut self, controller: ControllerId) {
        let kept = self.changed_files.iter().filter(|(row, _)| row.controller() != Some(controller));
        self.changed_files = kept.map(|(row, owner)| (*row, *owner)).collect();
    }
}

impl Kernel<'_> {
    /// Makes a group (`cgroup_mkdir`). That the name is free and the directory writable has been seen to.
    ///
    /// # Errors
    /// EINVAL for a name with a newline; ENODEV in a group that has been removed; EAGAIN at
    /// `cgroup.max.descendants` or `cgroup.max.depth` of a group above.
    pub(crate) fn cgroup_mkdir(
        &mut self,
        task: TaskId,
        parent: CgroupId,
        name: &str,
        mode: u32,
    ) -> Result<CgroupId, Errno> {
        if name.contains('\n') {
            return Err(Errno::EINVAL);
        }
        if self.cgroup(parent).dying {
            return Err(Errno::ENODEV);
        }
        self.check_hierarchy_limits(parent)?;
        let cred = Arc::clone(&self.tasks[task].cred);
        let now = self.unix_time();
        let above = self.cgroup(parent).clone();
        let h = &mut self.world.cgroups.hierarchies[above.hierarchy];
        // The files of a directory have numbers, too.
        h.last_ino += 100;
        let group = Cgroup {
            parent: Some(parent),
            name: name.to_owned(),
            level: above.level + 1,
            ino: h.last_ino,
            notify_on_release: above.notify_on_release,
            clone_children: above.clone_children,
            frozen_by: above.frozen_by,
            // A frozen group begins empty, and so with nobody left to stop.
            frozen: above.frozen_by > 0,
            made_by: (cred.fsuid, cred.fsgid),
            mode,
            freezing_since: self.clock,
            ..Cgroup::new(above.hierarchy, now)
        };
        // Also below a threaded group, where it is no valid domain before it says that it is threaded.
        let id = self.cgroups.groups.add_with(|id| Cgroup { domain: id, ..group });
        self.cgroups.groups[parent].children.insert(name.to_owned(), id);
        for above in self.cgroup_ancestors(parent) {
            self.cgroups.groups[above].nr_descendants += 1;
        }
        let controllers = self.controllers_of(id);
        for controller in controllers.iter() {
            self.css_create(id, controller, None);
        }
        if self.cgroup_version(id) == Version::V1 {
            self.cgroups.groups[id].subtree_mask = controllers;
        } else {
            self.cgroups.groups[id].subtree_mask = self.implicit_controllers() & controllers;
        }
        self.emit(EventKind::Cgroup(CgroupEvent::Created { group: id }));
        Ok(id)
    }

    /// `cgroup_check_hierarchy_limits`.
    fn check_hierarchy_limits(&self, parent: CgroupId) -> Result<(), Errno> {
        for (depth, above) in (1u32..).zip(self.cgroup_ancestors(parent)) {
            let g = self.cgroup(above);
            if g.max_descendants.is_some_and(|max| g.nr_descendants >= max)
                || g.max_depth.is_some_and(|max| depth > max)
            {
                return Err(Errno::EAGAIN);
            }
        }
        Ok(())
    }

    /// A controller begins to work in a group (`css_create`, `online_css`, `css_populate_dir`).
    pub(super) fn css_create(&mut self, group: CgroupId, controller: ControllerId, by: Option<TaskId>) {
        let owner = by.map(|task| (self.tasks[task].cred.fsuid, self.tasks[task].cred.fsgid));
        let record = record(controller);
        let g = &mut self.world.cgroups.groups[group];
        g.css.works |= ControllerSet::only(controller);
        if let Some(owner) = owner {
            g.enabled_by.insert(controller, owner);
        }
        (record.css_alloc)(self.world, group);
        (record.css_online)(self, group);
    }

    /// A controller stops working in a group (`kill_css`).
    pub(super) fn css_kill(&mut self, group: CgroupId, controller: ControllerId) {
        if !self.cgroup(group).has_css(controller) {
            return;
        }
        (record(controller).css_offline)(self, group);
        let g = &mut self.world.cgroups.groups[group];
        g.css.forget(controller);
        g.enabled_by.remove(&controller);
        g.forget_changes(controller);
    }

    /// Removes a group (`cgroup_destroy_locked`).
    ///
    /// # Errors
    /// EBUSY with living tasks or groups in it.
    pub(crate) fn cgroup_rmdir(&mut self, group: CgroupId) -> Result<(), Errno> {
        let g = self.cgroup(group);
        if g.is_populated() || !g.children.is_empty() {
            return Err(Errno::EBUSY);
        }
        let path = self.cgroup_path(group);
        let (parent, name, works) = (g.parent, g.name.clone(), g.css.works);
        self.cgroups.groups[group].dying = true;
        // What is charged to it stays; otherwise its controllers stop here.
        for controller in works.iter() {
            (record(controller).css_offline)(self, group);
        }
        if let Some(parent) = parent {
            self.cgroups.groups[parent].children.remove(&name);
            for above in self.cgroup_ancestors(parent) {
                let g = &mut self.world.cgroups.groups[above];
                g.nr_descendants -= 1;
                g.nr_dying_descendants += 1;
            }
        }
        let dying = self.is_cgroup_referenced(group);
        self.emit(EventKind::Cgroup(CgroupEvent::Removed { group, path: path.into(), dying }));
        self.cgroup_put(group);
        if let Some(parent) = parent {
            self.check_for_release(parent);
        }
        Ok(())
    }

    /// Gives a v1 group another name in the same place (`cgroup1_rename`).
    ///
    /// # Errors
    /// EINVAL for a name with a newline; EIO for another directory.
    pub(crate) fn cgroup_rename(&mut self, group: CgroupId, to: CgroupId, name: &str) -> Result<(), Errno> {
        if self.cgroup_version(group) == Version::V2 {
            return Err(Errno::EPERM);
        }
        if name.contains('\n') {
            return Err(Errno::EINVAL);
        }
        let g = self.cgroup(group);
        if g.parent != Some(to) {
            return Err(Errno::EIO);
        }
        let old = g.name.clone();
        let parent = &mut self.world.cgroups.groups[to];
        parent.children.remove(&old);
        parent.children.insert(name.to_owned(), group);
        self.cgroups.groups[group].name = name.to_owned();
        self.emit(EventKind::Cgroup(CgroupEvent::Renamed { group, old: old.into() }));
        Ok(())
    }

    /// Something no longer refers to a removed group. If nothing does any more, it no longer counts as dying, and
    /// perhaps those above it neither (`css_release`).
    pub(crate) fn cgroup_put(&mut self, group: CgroupId) {
        let mut at = Some(group);
        while let Some(group) = at {
            let Some(g) = self.cgroups.groups.get(group) else { return };
            if !g.dying || g.released || self.is_cgroup_referenced(group) {
                return;
            }
            at = g.parent;
            let path = self.cgroup_path(group);
            if let Some(parent) = at {
                for above in self.cgroup_ancestors(parent) {
                    self.cgroups.groups[above].nr_dying_descendants -= 1;
                }
            }
            self.cgroups.groups[group].released = true;
            self.emit(EventKind::Cgroup(CgroupEvent::Released { path: path.into() }));
            self.world.reap_cgroup(group);
        }
    }

    /// One less refers to a css set.
    pub(crate) fn release_css_set(&mut self, set: CssSetId) {
        self.cgroups.css_sets[set].refs -= 1;
        self.reap_css_set(set);
    }

    /// Forgets a css set to which nobody belongs any more.
    pub(super) fn reap_css_set(&mut self, set: CssSetId) {
        for group in self.world.release_css_set_quietly(set) {
            self.cgroup_put(group);
        }
    }
}

impl World {
    /// Whether something refers to a group, so that it counts as dying once it has been removed.
    fn is_cgroup_referenced(&self, group: CgroupId) -> bool {
        let g = self.cgroup(group);
        !g.css_sets.is_empty()
            || g.nr_dying_descendants > 0
            || g.css.works.iter().any(|c| (record(c).is_referenced)(self, group))
    }

    /// Forgets a group that nothing refers to, once its directory is not open either, and those above it that
    /// only it kept.
    pub(crate) fn reap_cgroup(&mut self, group: CgroupId) {
        let mut at = Some(group);
        while let Some(group) = at {
            let Some(g) = self.cgroups.groups.get(group) else { return };
            if !g.released || self.is_cgroup_open(group) {
                return;
            }
            at = g.parent;
            if self.cgroups.groups.iter().any(|(_, other)| other.parent == Some(group)) {
                return;
            }
            self.cgroups.groups.remove(group);
        }
    }
}
