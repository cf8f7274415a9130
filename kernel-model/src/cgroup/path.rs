//! What a group is called: its path in its hierarchy, as somebody in a cgroup namespace sees it.

use super::controller::ControllerId;
use super::hierarchy::{DEFAULT_HIERARCHY, HierarchyId};
use super::{CgroupId, Version};
use crate::namespace::cgroup::CgroupNsId;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// The path of a group from the root of its hierarchy: `/`, `/a/b`.
    pub fn cgroup_path(&self, group: CgroupId) -> String {
        self.path_between(group, None)
    }

    /// The path of a group as told from another one: `/..` a step up for each group that the other lies deeper
    /// (`kernfs_path_from_node`).
    pub fn cgroup_path_from(&self, group: CgroupId, from: CgroupId) -> String {
        let above = self.cgroup_ancestors(group);
        let mut common = from;
        let mut ups = 0;
        while !above.contains(&common) {
            let Some(parent) = self.cgroup(common).parent else { break };
            common = parent;
            ups += 1;
        }
        let down = self.path_between(group, Some(common));
        match (ups, down.as_str()) {
            (0, _) => down,
            (_, "/") => "/..".repeat(ups),
            _ => "/..".repeat(ups) + &down,
        }
    }

    /// The path of a group as a member of a cgroup namespace sees it.
    pub fn cgroup_path_in(&self, group: CgroupId, ns: CgroupNsId) -> String {
        self.cgroup_path_from(group, self.cgroup_ns_root(ns, self.cgroup(group).hierarchy))
    }

    fn path_between(&self, group: CgroupId, top: Option<CgroupId>) -> String {
        let mut names = Vec::new();
        let mut at = group;
        while Some(at) != top
            && let Some(parent) = self.cgroup(at).parent
        {
            names.push(self.cgroup(at).name.as_str());
            at = parent;
        }
        if names.is_empty() {
            return "/".to_owned();
        }
        names.iter().rev().flat_map(|name| ["/", *name]).collect()
    }

    /// `/proc/PID/cgroup` of a task, as `reader` sees it (`proc_cgroup_show`).
    pub fn proc_cgroup_text(&self, task: TaskId, reader: TaskId) -> String {
        let ns = self.tasks[reader].nsproxy.cgroup;
        let mut text = String::new();
        for id in self.hierarchies_newest_first() {
            let h = &self.cgroups.hierarchies[id];
            if !h.visible {
                continue;
            }
            let group = self.cgroup_of(task, id);
            text.push_str(&format!("{}:{}:", h.number, self.hierarchy_label(id)));
            // A zombie left its v1 groups when it exited.
            let shown = h.version == Version::V2 || !self.tasks[task].state.has_exited();
            text.push_str(&if shown { self.cgroup_path_in(group, ns) } else { "/".to_owned() });
            if h.version == Version::V2 && self.cgroup(group).dying {
                text.push_str(" (deleted)");
            }
            text.push('\n');
        }
        text
    }

    /// `/proc/PID/cpuset`: the group in the hierarchy that cpuset is bound to (`proc_cpuset_show`).
    pub fn cpuset_text(&self, task: TaskId, reader: TaskId) -> String {
        let group = self.cgroup_of(task, self.hierarchy_of(ControllerId::Cpuset));
        format!("{}\n", self.cgroup_path_in(group, self.tasks[reader].nsproxy.cgroup))
    }

    /// Controllers with commas between them, then the name: the second field of `/proc/PID/cgroup`.
    pub fn hierarchy_label(&self, id: HierarchyId) -> String {
        let h = &self.cgroups.hierarchies[id];
        if h.version == Version::V2 {
            return String::new();
        }
        let names: Vec<&str> = h.controllers.iter().map(|c| c.legacy_name()).collect();
        let mut label = names.join(",");
        if !h.name.is_empty() {
            let comma = if label.is_empty() { "" } else { "," };
            label.push_str(&format!("{comma}name={}", h.name));
        }
        label
    }

    /// Hierarchies in the order of `/proc/PID/cgroup`: a new one comes first, the default one last.
    fn hierarchies_newest_first(&self) -> Vec<HierarchyId> {
        let mut all: Vec<HierarchyId> = self.cgroups.hierarchies.ids().filter(|id| *id != DEFAULT_HIERARCHY).collect();
        all.reverse();
        all.push(DEFAULT_HIERARCHY);
        all
    }

    /// `/proc/cgroups` (`proc_cgroupstats_show`).
    pub fn proc_cgroups_text(&self) -> String {
        let mut text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n".to_owned();
        for controller in self.cgroups.compiled_in.iter() {
            let h = &self.cgroups.hierarchies[self.hierarchy_of(controller)];
            let root = self.cgroup(h.root);
            // Removed groups count as long as something refers to them.
            let count = 1 + root.nr_descendants + root.nr_dying_descendants;
            text.push_str(&format!("{}\t{}\t{count}\t1\n", controller.legacy_name(), h.number));
        }
        text
    }
}
