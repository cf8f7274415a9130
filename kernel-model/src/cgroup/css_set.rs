//! Which task is in which groups. A task is in one group of every hierarchy; all tasks that are in the same
//! groups share one css set, so a fork costs nothing and a thousand tasks in a container are one entry.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::CgroupId;
use super::hierarchy::HierarchyId;
use crate::id;
use crate::task::TaskId;
use crate::world::World;

id! {
    /// A css set.
    CssSetId
}

/// Tasks that are in the same groups (`struct css_set`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CssSet {
    /// The group in each hierarchy.
    pub groups: OrdMap<HierarchyId, CgroupId>,
    /// Living tasks, with a number that counts up as they join.
    pub tasks: OrdMap<TaskId, u64>,
    /// Who else refers to it: tasks that have exited, cgroup namespaces.
    pub refs: u32,
}

impl World {
    /// The css set of everybody before there are groups; the first namespace shows it.
    pub(super) fn init_css_set(&mut self, root: CgroupId) {
        let hierarchy = self.cgroups.groups[root].hierarchy;
        let groups = OrdMap::unit(hierarchy, root);
        let set = self.cgroups.css_sets.add(CssSet { groups, tasks: OrdMap::new(), refs: 1 });
        self.cgroups.by_groups.insert(vec![root], set);
        self.cgroups.groups[root].css_sets.insert(set);
    }

    /// The css set of those that are in `groups`, made when there is none yet (`find_css_set`).
    pub(super) fn find_css_set(&mut self, groups: &OrdMap<HierarchyId, CgroupId>) -> CssSetId {
        let key: Vec<CgroupId> = groups.values().copied().collect();
        if let Some(set) = self.cgroups.by_groups.get(&key) {
            return *set;
        }
        let set = self.cgroups.css_sets.add(CssSet { groups: groups.clone(), tasks: OrdMap::new(), refs: 0 });
        for group in &key {
            self.cgroups.groups[*group].css_sets.insert(set);
        }
        self.cgroups.by_groups.insert(key, set);
        set
    }

    /// The css set of somebody in `set` who moves to `group`.
    pub(super) fn css_set_with(&mut self, set: CssSetId, group: CgroupId) -> CssSetId {
        let hierarchy = self.cgroups.groups[group].hierarchy;
        let groups = self.cgroups.css_sets[set].groups.update(hierarchy, group);
        self.find_css_set(&groups)
    }

    /// Somebody else refers to a css set.
    pub(crate) fn hold_css_set(&mut self, set: CssSetId) {
        self.cgroups.css_sets[set].refs += 1;
    }

    /// A reference less. A set to which nobody belongs or refers is forgotten; the groups that it was in.
    pub(super) fn release_css_set_quietly(&mut self, set: CssSetId) -> Vec<CgroupId> {
        let s = &self.cgroups.css_sets[set];
        if !s.tasks.is_empty() || s.refs > 0 {
            return Vec::new();
        }
        let groups: Vec<CgroupId> = s.groups.values().copied().collect();
        for group in &groups {
            self.cgroups.groups[*group].css_sets.remove(&set);
        }
        if self.cgroups.by_groups.get(&groups) == Some(&set) {
            self.cgroups.by_groups.remove(&groups);
        }
        self.cgroups.css_sets.remove(set);
        groups
    }

    /// A new hierarchy begins: everybody is in its root.
    pub(super) fn link_css_sets_to(&mut self, hierarchy: HierarchyId, root: CgroupId) {
        let sets: Vec<CssSetId> = self.cgroups.css_sets.ids().collect();
        self.cgroups.by_groups = OrdMap::new();
        for id in sets {
            let set = &mut self.cgroups.css_sets[id];
            set.groups.insert(hierarchy, root);
            let key: Vec<CgroupId> = set.groups.values().copied().collect();
            let count = set.tasks.len() as u32;
            self.cgroups.by_groups.insert(key, id);
            let group = &mut self.cgroups.groups[root];
            group.css_sets.insert(id);
            group.own_tasks += count;
            group.tasks_below += count;
        }
    }

    /// A hierarchy ends. Sets that differed only in it are those of zombies in removed groups.
    pub(super) fn unlink_css_sets_from(&mut self, hierarchy: HierarchyId) {
        let sets: Vec<CssSetId> = self.cgroups.css_sets.ids().collect();
        self.cgroups.by_groups = OrdMap::new();
        for id in sets {
            let set = &mut self.cgroups.css_sets[id];
            set.groups.remove(&hierarchy);
            let key: Vec<CgroupId> = set.groups.values().copied().collect();
            self.cgroups.by_groups.insert(key, id);
        }
    }

    /// Counts `change` living tasks more in a group and all above it.
    pub(super) fn count_tasks(&mut self, group: CgroupId, change: i32) {
        self.cgroups.groups[group].own_tasks = self.cgroups.groups[group].own_tasks.saturating_add_signed(change);
        let mut at = Some(group);
        while let Some(g) = at {
            let group = &mut self.cgroups.groups[g];
            group.tasks_below = group.tasks_below.saturating_add_signed(change);
            at = group.parent;
        }
    }

    /// Puts a living task at the end of the list of a css set, without counting it.
    pub(super) fn list_in_css_set(&mut self, task: TaskId, set: CssSetId) {
        self.cgroups.last_join += 1;
        let joined = self.cgroups.last_join;
        self.tasks[task].css_set = set;
        self.cgroups.css_sets[set].tasks.insert(task, joined);
    }

    /// Puts a living task into the list of its css set, and counts it in its groups.
    pub(crate) fn join_css_set(&mut self, task: TaskId, set: CssSetId) {
        self.list_in_css_set(task, set);
        let groups: Vec<CgroupId> = self.cgroups.css_sets[set].groups.values().copied().collect();
        for group in groups {
            self.count_tasks(group, 1);
        }
    }
}
