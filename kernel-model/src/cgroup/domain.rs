//! Threaded groups: `cgroup.type`. The threads of one process may be spread over the groups of a threaded
//! domain, in which only threaded controllers work.

use super::CgroupId;
use super::controller::ControllerSet;
use super::event::CgroupEvent;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::world::World;

impl World {
    /// Whether a group belongs to the domain of another (`cgroup_is_threaded`).
    pub fn is_threaded(&self, group: CgroupId) -> bool {
        self.cgroup(group).domain != group
    }

    /// Whether a group is the root of a threaded domain (`cgroup_is_thread_root`).
    pub fn is_thread_root(&self, group: CgroupId) -> bool {
        if self.is_threaded(group) {
            return false;
        }
        let g = self.cgroup(group);
        g.children.values().any(|child| self.is_threaded(*child))
            || (g.own_tasks > 0 && !g.subtree_control.threaded().is_empty())
    }

    /// Whether a group could be the root of a threaded domain (`cgroup_can_be_thread_root`). The root of the
    /// hierarchy can have anything below it.
    pub fn can_be_thread_root(&self, group: CgroupId) -> bool {
        let g = self.cgroup(group);
        if g.parent.is_none() {
            return true;
        }
        let populated_domain_child =
            g.children.values().any(|child| !self.is_threaded(*child) && self.cgroup(*child).is_populated());
        !self.is_threaded(group) && !populated_domain_child && !has_domain_controllers(g.subtree_control)
    }

    /// Whether a group can hold processes (`cgroup_is_valid_domain`): not below a threaded one.
    pub fn is_valid_domain(&self, group: CgroupId) -> bool {
        if self.is_threaded(group) {
            return false;
        }
        let above = self.cgroup_ancestors(group);
        above
            .iter()
            .skip(1)
            .all(|g| !self.is_threaded(*g) && (self.cgroup(*g).parent.is_none() || !self.is_thread_root(*g)))
    }

    /// `cgroup.type` (`cgroup_type_show`).
    pub fn cgroup_type(&self, group: CgroupId) -> &'static str {
        if self.is_threaded(group) {
            "threaded"
        } else if !self.is_valid_domain(group) {
            "domain invalid"
        } else if self.is_thread_root(group) {
            "domain threaded"
        } else {
            "domain"
        }
    }
}

/// Whether there are controllers among these that cannot work among threads.
fn has_domain_controllers(set: ControllerSet) -> bool {
    set != set.threaded()
}

impl Kernel<'_> {
    /// A group joins the domain of the one above (`cgroup_enable_threaded`). There is no way back.
    ///
    /// # Errors
    /// EOPNOTSUPP with tasks in it or below, with domain controllers for its children, or where the group above
    /// cannot be a threaded domain.
    pub(super) fn enable_threaded(&mut self, group: CgroupId) -> Result<(), Errno> {
        let Some(parent) = self.cgroup(group).parent else { return Err(Errno::EOPNOTSUPP) };
        if self.is_threaded(group) {
            return Ok(());
        }
        let domain = self.cgroup(parent).domain;
        let g = self.cgroup(group);
        if g.is_populated()
            || has_domain_controllers(g.subtree_control)
            || !self.is_valid_domain(domain)
            || !self.can_be_thread_root(domain)
        {
            return Err(Errno::EOPNOTSUPP);
        }
        for at in self.cgroup_subtree(group) {
            if at == group || self.is_threaded(at) {
                self.cgroups.groups[at].domain = domain;
            }
        }
        self.apply_subtree_masks(group, None);
        self.emit(EventKind::Cgroup(CgroupEvent::BecameThreaded { group }));
        Ok(())
    }
}
