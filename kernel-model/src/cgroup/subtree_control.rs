//! Which controllers work in which groups of the default hierarchy: `cgroup.controllers` and
//! `cgroup.subtree_control`. Resources come from the top: a group can hand on only what it was given.

use super::controller::{ControllerId, ControllerSet, record};
use super::event::CgroupEvent;
use super::file::At;
use super::hierarchy::DEFAULT_HIERARCHY;
use super::migrate::{Migration, Moving};
use super::{CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// The controllers that a group can hand on: `cgroup.controllers` (`cgroup_control`).
    pub fn offered_controllers(&self, group: CgroupId) -> ControllerSet {
        let g = self.cgroup(group);
        let bound = self.cgroups.hierarchies[g.hierarchy].controllers;
        match (self.cgroup_version(group), g.parent) {
            (Version::V1, _) => bound,
            (Version::V2, None) => bound & bound.visible_in_v2(),
            (Version::V2, Some(parent)) => self.without_domain_controllers(group, self.cgroup(parent).subtree_control),
        }
    }

    /// The controllers that work in a group, asked for or not (`cgroup_ss_mask`).
    pub fn controllers_of(&self, group: CgroupId) -> ControllerSet {
        let g = self.cgroup(group);
        let bound = self.cgroups.hierarchies[g.hierarchy].controllers;
        match (self.cgroup_version(group), g.parent) {
            (Version::V1, _) | (Version::V2, None) => bound,
            (Version::V2, Some(parent)) => self.without_domain_controllers(group, self.cgroup(parent).subtree_mask),
        }
    }

    /// The controllers whose files a group shows (`css_visible`).
    pub fn visible_controllers(&self, group: CgroupId) -> ControllerSet {
        self.offered_controllers(group) & self.cgroup(group).css.works
    }

    /// In a threaded group only threaded controllers work.
    fn without_domain_controllers(&self, group: CgroupId, set: ControllerSet) -> ControllerSet {
        if self.is_threaded(group) { set.threaded() } else { set }
    }

    /// What works in the children of a group that asks for these controllers: those, the ones that they depend on
    /// and the implicit ones, as far as they work in the group (`cgroup_calc_subtree_ss_mask`).
    fn subtree_mask_of(&self, group: CgroupId, asked: ControllerSet) -> ControllerSet {
        let available = self.controllers_of(group);
        let mut mask = (asked | self.implicit_controllers()) & available;
        loop {
            let needed = mask.iter().fold(mask, |all, c| all | record(c).depends_on) & available;
            if needed == mask {
                return mask;
            }
            mask = needed;
        }
    }
}

impl Kernel<'_> {
    /// A write to `cgroup.subtree_control` (`cgroup_subtree_control_write`).
    ///
    /// # Errors
    /// EINVAL for a word that is no sign and controller; ENOENT for a controller that the group was not given;
    /// EBUSY for one that a child still hands on, or with processes in the group; EOPNOTSUPP among threads.
    pub(super) fn subtree_control_write(&mut self, at: At, text: &str) -> Result<(), Errno> {
        let (mut enable, mut disable) = self.parse_controllers(text)?;
        let group = at.group;
        let current = self.cgroup(group).subtree_control;
        enable -= current;
        for controller in enable.iter().chain(disable.iter()).collect::<std::collections::BTreeSet<_>>() {
            if enable.has(controller) && !self.offered_controllers(group).has(controller) {
                return Err(Errno::ENOENT);
            }
            if disable.has(controller) && current.has(controller) && self.a_child_hands_on(group, controller) {
                return Err(Errno::EBUSY);
            }
        }
        disable = disable & current;
        if enable.is_empty() && disable.is_empty() {
            return Ok(());
        }
        self.vet_enabling(group, enable)?;
        let before = current;
        self.cgroups.groups[group].subtree_control = (current | enable) - disable;
        if let Err(e) = self.try_apply_subtree_masks(group, Some(at.task)) {
            self.cgroups.groups[group].subtree_control = before;
            self.apply_subtree_masks(group, None);
            return Err(e);
        }
        let event = CgroupEvent::ControllersChanged { group, enabled: enable, disabled: disable };
        self.emit(EventKind::Cgroup(event));
        Ok(())
    }

    /// Words of `+` or `-` and a controller; of two about the same one the later counts.
    fn parse_controllers(&self, text: &str) -> Result<(ControllerSet, ControllerSet), Errno> {
        let (mut enable, mut disable) = (ControllerSet::EMPTY, ControllerSet::EMPTY);
        let known = self.cgroups.compiled_in;
        for word in text.trim().split(' ').filter(|w| !w.is_empty()) {
            let name = word.get(1..).ok_or(Errno::EINVAL)?;
            let found = known.iter().find(|c| record(*c).in_v2 && c.name() == name).ok_or(Errno::EINVAL)?;
            let set = ControllerSet::only(found);
            match word.as_bytes()[0] {
                b'+' => {
                    enable |= set;
                    disable -= set;
                }
                b'-' => {
                    disable |= set;
                    enable -= set;
                }
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok((enable, disable))
    }

    fn a_child_hands_on(&self, group: CgroupId, controller: ControllerId) -> bool {
        self.cgroup(group).children.values().any(|child| self.cgroup(*child).subtree_control.has(controller))
    }

    /// Whether a group may hand on these controllers (`cgroup_vet_subtree_control_enable`).
    fn vet_enabling(&self, group: CgroupId, enable: ControllerSet) -> Result<(), Errno> {
        if enable.is_empty() {
            return Ok(());
        }
        if !self.is_valid_domain(self.cgroup(group).domain) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.cgroup(group).parent.is_none() {
            return Ok(());
        }
        let domain_controllers = enable - enable.threaded();
        if !domain_controllers.is_empty() {
            if self.is_thread_root(group) || self.is_threaded(group) {
                return Err(Errno::EOPNOTSUPP);
            }
        } else if self.can_be_thread_root(group) || self.is_threaded(group) {
            return Ok(());
        }
        if self.cgroup(group).own_tasks > 0 { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// Makes controllers work where they should, and stops them where they should not
    /// (`cgroup_apply_control`, `cgroup_finalize_control`). Nobody is asked.
    pub(super) fn apply_subtree_masks(&mut self, group: CgroupId, by: Option<TaskId>) {
        // A controller that refuses tasks that are there already cannot be helped here.
        let _ = self.try_apply_subtree_masks(group, by);
    }

    fn try_apply_subtree_masks(&mut self, group: CgroupId, by: Option<TaskId>) -> Result<(), Errno> {
        let subtree = self.cgroup_subtree(group);
        for at in &subtree {
            let offered = self.offered_controllers(*at);
            let asked = self.cgroup(*at).subtree_control & offered;
            self.cgroups.groups[*at].subtree_control = asked;
            let mask = self.subtree_mask_of(*at, asked);
            self.cgroups.groups[*at].subtree_mask = mask;
        }
        let limits_before = self.limits_below(group);
        for at in &subtree {
            let missing = self.controllers_of(*at) - self.cgroup(*at).css.works;
            for controller in missing.iter() {
                self.css_create(*at, controller, by);
            }
        }
        self.move_limits(group, &limits_before)?;
        for at in subtree.iter().rev() {
            if self.cgroup(*at).parent.is_none() {
                continue;
            }
            let gone = self.cgroup(*at).css.works - self.controllers_of(*at);
            for controller in gone.iter() {
                self.css_kill(*at, controller);
            }
        }
        Ok(())
    }

    /// For each controller and each task below: the group whose limits count for it now, in which the controller
    /// both works and should work.
    fn limits_below(&self, group: CgroupId) -> Vec<(ControllerId, TaskId, CgroupId)> {
        let controllers = self.cgroups.hierarchies[DEFAULT_HIERARCHY].controllers;
        let mut all = Vec::new();
        for at in self.cgroup_subtree(group) {
            for task in self.cgroup_tasks(at) {
                all.extend(controllers.iter().map(|c| (c, task, self.effective_css(at, c))));
            }
        }
        // Only pids counts those that have exited; they are counted where they were when they did.
        if controllers.has(ControllerId::Pids) {
            for (task, t) in self.tasks.iter().filter(|(_, t)| t.state.has_exited()) {
                let at = self.cgroups.css_sets[t.css_set].groups[&DEFAULT_HIERARCHY];
                if self.is_cgroup_descendant(at, group) {
                    all.push((ControllerId::Pids, task, self.effective_css(at, ControllerId::Pids)));
                }
            }
        }
        all
    }

    /// Tasks whose limits are now other groups' (`cgroup_update_dfl_csses`).
    fn move_limits(&mut self, group: CgroupId, before: &[(ControllerId, TaskId, CgroupId)]) -> Result<(), Errno> {
        let mut migrations: Vec<Migration> = Vec::new();
        for (controller, task, from) in before {
            let to = self.wanted_css(self.cgroup_of(*task, DEFAULT_HIERARCHY), *controller);
            if to == *from {
                continue;
            }
            let moving = Moving { task: *task, from: *from, to };
            match migrations.iter_mut().find(|m| m.controller == *controller) {
                Some(migration) => migration.tasks.push(moving),
                None => migrations.push(Migration { controller: *controller, tasks: vec![moving] }),
            }
        }
        debug_assert!(self.cgroups.groups.contains(group));
        migrations.sort_by_key(|m| m.controller);
        self.ask_controllers(&migrations)?;
        for migration in &migrations {
            (record(migration.controller).attach)(self, migration);
        }
        Ok(())
    }

    /// The nearest group in which a controller is to work.
    fn wanted_css(&self, group: CgroupId, controller: ControllerId) -> CgroupId {
        let mut at = group;
        while !self.controllers_of(at).has(controller)
            && let Some(parent) = self.cgroup(at).parent
        {
            at = parent;
        }
        at
    }
}
