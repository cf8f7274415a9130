//! Hierarchies: trees of groups, each with its own set of controllers. A controller is bound to exactly one:
//! to a v1 hierarchy from the mount that asks for it until that hierarchy ends, otherwise to the default one.

use serde::{Deserialize, Serialize};

use super::controller::{self, ControllerId, ControllerSet};
use super::event::CgroupEvent;
use super::{Cgroup, CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::world::World;

id! {
    /// A hierarchy (`struct cgroup_root`).
    HierarchyId
}

/// The default hierarchy, which is always there.
pub const DEFAULT_HIERARCHY: HierarchyId = HierarchyId(1);

/// A hierarchy (`struct cgroup_root`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hierarchy {
    /// The number in `/proc/PID/cgroup`; 0 for the default hierarchy.
    pub number: u32,
    /// Its interface.
    pub version: Version,
    /// What `name=` called it; empty for one without a name.
    pub name: String,
    /// The controllers bound to it.
    pub controllers: ControllerSet,
    /// The group at the top.
    pub root: CgroupId,
    /// The program of `release_agent` (v1); empty for none.
    pub release_agent: String,
    /// Mount options that mountinfo shows apart from controllers, agent and name: `noprefix`, `xattr`,
    /// `cpuset_v2_mode`, `clone_children` for v1; `nsdelegate` and the like for v2.
    pub flags: Vec<String>,
    /// It has been mounted.
    pub visible: bool,
    /// The inode number handed out last.
    pub last_ino: u64,
}

impl Hierarchy {
    /// Whether a mount option is set.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }
}

impl World {
    /// The hierarchy that a controller is bound to.
    pub fn hierarchy_of(&self, controller: ControllerId) -> HierarchyId {
        let bound = self.cgroups.hierarchies.iter().find(|(_, h)| h.controllers.has(controller));
        bound.map_or(DEFAULT_HIERARCHY, |(id, _)| id)
    }

    /// The group at the top of the default hierarchy.
    pub fn default_cgroup_root(&self) -> CgroupId {
        self.cgroups.hierarchies[DEFAULT_HIERARCHY].root
    }

    /// The first hierarchy, with all controllers, and the css set of everybody (`cgroup_init`).
    pub(crate) fn init_cgroups(&mut self) {
        let compiled_in = if self.config.cgroup_v2 { ControllerSet::ALL } else { controller::STANDARD };
        self.cgroups.compiled_in = compiled_in;
        self.cgroups.no_v1 = if self.config.cgroup_v2 { compiled_in } else { ControllerSet::EMPTY };
        let id = self.add_hierarchy(Version::V2, String::new(), compiled_in, Vec::new());
        debug_assert_eq!(id, DEFAULT_HIERARCHY);
        self.cgroups.hierarchies[id].visible = true;
        let root = self.default_cgroup_root();
        self.cgroups.groups[root].subtree_mask = self.implicit_controllers();
        for controller in compiled_in.iter() {
            controller::record(controller).css_alloc_root(self, root);
        }
        self.init_css_set(root);
    }

    /// A hierarchy with nothing but a root in it.
    pub(super) fn add_hierarchy(
        &mut self,
        version: Version,
        name: String,
        controllers: ControllerSet,
        flags: Vec<String>,
    ) -> HierarchyId {
        let number = self.free_hierarchy_number(version);
        let id = HierarchyId(self.cgroups.hierarchies.next_number());
        let now = self.unix_time();
        let mut group = Cgroup::new(id, now);
        group.subtree_mask = controllers;
        let root = self.cgroups.groups.add_with(|root| Cgroup { domain: root, ino: 1, ..group });
        self.cgroups.hierarchies.add(Hierarchy {
            number,
            version,
            name,
            controllers,
            root,
            release_agent: String::new(),
            flags,
            visible: false,
            last_ino: 1,
        });
        id
    }

    /// The lowest number that no hierarchy has (`cgroup_init_root_id`); the default one has 0.
    fn free_hierarchy_number(&self, version: Version) -> u32 {
        if version == Version::V2 {
            return 0;
        }
        let taken = |n: &u32| self.cgroups.hierarchies.iter().any(|(_, h)| h.number == *n);
        (1..).find(|n| !taken(n)).unwrap_or(0)
    }

    /// The controllers of the default hierarchy that work in every group without being asked for, as far as
    /// they are bound to it.
    pub(super) fn implicit_controllers(&self) -> ControllerSet {
        let bound = self.cgroups.hierarchies[DEFAULT_HIERARCHY].controllers;
        ControllerSet::PERF_EVENT & bound
    }
}

impl World {
    /// A v1 hierarchy that is mounted at boot, when nobody is there yet.
    pub(crate) fn boot_hierarchy(&mut self, name: &str, controllers: ControllerSet) -> HierarchyId {
        let id = self.add_hierarchy(Version::V1, name.to_owned(), controllers, Vec::new());
        let (from, to) = (self.default_cgroup_root(), self.cgroups.hierarchies[id].root);
        self.link_css_sets_to(id, to);
        let mut states = std::mem::take(&mut self.cgroups.groups[from].css);
        for controller in controllers.iter() {
            states.move_to(controller, &mut self.cgroups.groups[to].css);
        }
        let default_root = &mut self.cgroups.groups[from];
        default_root.css = states;
        default_root.subtree_mask -= controllers;
        self.cgroups.hierarchies[DEFAULT_HIERARCHY].controllers -= controllers;
        self.cgroups.hierarchies[id].visible = true;
        id
    }
}

impl Kernel<'_> {
    /// A new v1 hierarchy with these controllers, which leave the ones that they were bound to
    /// (`cgroup_setup_root`).
    ///
    /// # Errors
    /// EBUSY when a controller is bound to a hierarchy that has groups, or works in groups of the default one.
    pub(crate) fn create_hierarchy(
        &mut self,
        name: String,
        controllers: ControllerSet,
        flags: Vec<String>,
    ) -> Result<HierarchyId, Errno> {
        self.check_rebinding(controllers)?;
        let clone_children = flags.iter().any(|f| f == "clone_children");
        let id = self.world.add_hierarchy(Version::V1, name, ControllerSet::EMPTY, flags);
        let root = self.cgroups.hierarchies[id].root;
        self.cgroups.groups[root].clone_children = clone_children;
        self.world.link_css_sets_to(id, root);
        self.rebind_controllers(id, controllers);
        self.cgroups.hierarchies[id].visible = true;
        self.emit(EventKind::Cgroup(CgroupEvent::HierarchyCreated { hierarchy: id, controllers }));
        Ok(id)
    }

    /// Whether controllers may be bound to another hierarchy (`rebind_subsystems`): those that work only because
    /// they always do, may leave.
    pub(super) fn check_rebinding(&self, controllers: ControllerSet) -> Result<(), Errno> {
        for controller in controllers.iter() {
            let from = self.hierarchy_of(controller);
            let root = self.cgroups.hierarchies[from].root;
            let works_below = self.cgroups.groups[root]
                .children
                .values()
                .any(|child| self.cgroups.groups[*child].has_css(controller));
            if works_below && !ControllerSet::PERF_EVENT.has(controller) {
                return Err(Errno::EBUSY);
            }
            if from != DEFAULT_HIERARCHY {
                return Err(Errno::EBUSY);
            }
        }
        Ok(())
    }

    /// Binds controllers to a hierarchy: their state moves from root to root.
    pub(super) fn rebind_controllers(&mut self, to: HierarchyId, controllers: ControllerSet) {
        let to_root = self.cgroups.hierarchies[to].root;
        for controller in controllers.iter() {
            let from = self.hierarchy_of(controller);
            if from == to {
                continue;
            }
            let from_root = self.cgroups.hierarchies[from].root;
            for group in self.cgroup_subtree(from_root).into_iter().rev().filter(|g| *g != from_root) {
                self.css_kill(group, controller);
            }
            let mut states = std::mem::take(&mut self.cgroups.groups[from_root].css);
            states.move_to(controller, &mut self.world.cgroups.groups[to_root].css);
            self.cgroups.groups[from_root].css = states;
            let set = ControllerSet::only(controller);
            self.cgroups.hierarchies[from].controllers -= set;
            self.cgroups.hierarchies[to].controllers |= set;
            let from_group = &mut self.world.cgroups.groups[from_root];
            from_group.subtree_mask -= set;
            from_group.subtree_control -= set;
            from_group.forget_changes(controller);
            if to == DEFAULT_HIERARCHY {
                let implicit = self.implicit_controllers();
                self.cgroups.groups[to_root].subtree_mask |= implicit & set;
                self.apply_subtree_masks(to_root, None);
            } else {
                self.cgroups.groups[to_root].subtree_mask |= set;
            }
            (controller::record(controller).bind)(self, to_root);
        }
    }

    /// The last mount of a hierarchy is gone: one without groups ends (`cgroup_kill_sb`).
    pub(crate) fn put_hierarchy(&mut self, id: HierarchyId) {
        let Some(h) = self.cgroups.hierarchies.get(id) else { return };
        let root = h.root;
        if id == DEFAULT_HIERARCHY || !self.cgroups.groups[root].children.is_empty() {
            return;
        }
        let controllers = h.controllers;
        self.rebind_controllers(DEFAULT_HIERARCHY, controllers);
        self.world.unlink_css_sets_from(id);
        // Removed groups in which there are still zombies go, too.
        let gone: Vec<CgroupId> =
            self.cgroups.groups.iter().filter(|(_, g)| g.hierarchy == id).map(|(group, _)| group).collect();
        for group in gone {
            self.cgroups.groups.remove(group);
        }
        self.cgroups.hierarchies.remove(id);
        self.emit(EventKind::Cgroup(CgroupEvent::HierarchyRemoved { hierarchy: id, controllers }));
    }
}
