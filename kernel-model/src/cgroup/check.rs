//! What must be true of control groups between any two steps.

use std::collections::BTreeMap;

use super::css_set::CssSetId;
use super::{CgroupId, Version};
use crate::world::World;

impl World {
    /// Checks the invariants of control groups.
    ///
    /// # Errors
    /// A sentence about the first one that is broken.
    pub fn check_cgroups(&self) -> Result<(), String> {
        self.check_cgroup_tree()?;
        self.check_css_sets()?;
        self.check_cgroup_counts()?;
        self.check_no_internal_processes()
    }

    fn check_cgroup_tree(&self) -> Result<(), String> {
        for (id, g) in self.cgroups.groups.iter() {
            if let Some(parent) = g.parent {
                let listed = self.cgroups.groups.get(parent).and_then(|p| p.children.get(&g.name)).copied();
                if (listed == Some(id)) == g.dying {
                    return Err(format!("{id:?} ({}) is dying: {}, but its parent lists {listed:?}", g.name, g.dying));
                }
            }
            if let Some((name, child)) = g.children.iter().find(|(name, child)| {
                self.cgroups.groups.get(**child).is_none_or(|c| c.parent != Some(id) || c.name != **name)
            }) {
                return Err(format!("{id:?} lists {child:?} as {name}, which does not know it"));
            }
            for set in &g.css_sets {
                if self.cgroups.css_sets.get(*set).is_none_or(|s| s.groups.get(&g.hierarchy) != Some(&id)) {
                    return Err(format!("{id:?} lists {set:?}, which is not in it"));
                }
            }
        }
        Ok(())
    }

    fn check_css_sets(&self) -> Result<(), String> {
        let mut refs: BTreeMap<CssSetId, u32> = BTreeMap::new();
        for (task, t) in self.tasks.iter() {
            let listed = self.cgroups.css_sets.get(t.css_set).is_some_and(|s| s.tasks.contains_key(&task));
            if listed == t.state.has_exited() {
                return Err(format!(
                    "{task:?} has exited: {}, but its css set lists it: {listed}",
                    t.state.has_exited()
                ));
            }
            if t.state.has_exited() {
                *refs.entry(t.css_set).or_default() += 1;
            }
        }
        for (_, ns) in self.cgroup_namespaces.iter() {
            *refs.entry(ns.root_set).or_default() += 1;
        }
        for (id, set) in self.cgroups.css_sets.iter() {
            let counted = refs.get(&id).copied().unwrap_or(0);
            if counted != set.refs {
                return Err(format!("{id:?} is referred to {counted} times but counts {}", set.refs));
            }
            if set.tasks.is_empty() && set.refs == 0 {
                return Err(format!("{id:?} exists although nobody is in it"));
            }
            for (hierarchy, group) in &set.groups {
                let known = self.cgroups.groups.get(*group);
                if known.is_none_or(|g| g.hierarchy != *hierarchy || !g.css_sets.contains(&id)) {
                    return Err(format!("{id:?} is in {group:?}, which does not know it"));
                }
            }
            if set.groups.len() != self.cgroups.hierarchies.len() {
                return Err(format!("{id:?} is not in one group of every hierarchy"));
            }
        }
        Ok(())
    }

    fn check_cgroup_counts(&self) -> Result<(), String> {
        let mut own: BTreeMap<CgroupId, u32> = BTreeMap::new();
        let mut below: BTreeMap<CgroupId, u32> = BTreeMap::new();
        let mut with_zombies: BTreeMap<CgroupId, u64> = BTreeMap::new();
        for (_, t) in self.tasks.iter() {
            for group in self.cgroups.css_sets[t.css_set].groups.values() {
                for (depth, at) in self.cgroup_ancestors(*group).into_iter().enumerate() {
                    *with_zombies.entry(at).or_default() += 1;
                    if !t.state.has_exited() {
                        *below.entry(at).or_default() += 1;
                        if depth == 0 {
                            *own.entry(at).or_default() += 1;
                        }
                    }
                }
            }
        }
        for (id, g) in self.cgroups.groups.iter() {
            let count = |of: &BTreeMap<CgroupId, u32>| of.get(&id).copied().unwrap_or(0);
            if (g.own_tasks, g.tasks_below) != (count(&own), count(&below)) {
                return Err(format!(
                    "{id:?} counts {} tasks and {} below, there are {} and {}",
                    g.own_tasks,
                    g.tasks_below,
                    count(&own),
                    count(&below)
                ));
            }
            let pids = g.css.pids.as_ref().filter(|_| g.parent.is_some() && !g.dying).map(|p| p.current);
            let tasks = with_zombies.get(&id).copied().unwrap_or(0);
            if pids.is_some_and(|current| current != tasks) {
                return Err(format!("pids.current of {id:?} is {pids:?}, there are {tasks} tasks"));
            }
            let descendants = self.cgroup_subtree(id).len() as u32 - 1;
            if !g.dying && g.nr_descendants != descendants {
                return Err(format!("{id:?} counts {} descendants, there are {descendants}", g.nr_descendants));
            }
        }
        Ok(())
    }

    /// A domain with domain controllers for its children has no processes of its own.
    fn check_no_internal_processes(&self) -> Result<(), String> {
        for (id, g) in self.cgroups.groups.iter() {
            let domain_controllers = g.subtree_control != g.subtree_control.threaded();
            if self.cgroup_version(id) == Version::V2 && g.parent.is_some() && domain_controllers && g.own_tasks > 0 {
                return Err(format!("{id:?} has domain controllers for its children and {} tasks", g.own_tasks));
            }
        }
        Ok(())
    }
}
