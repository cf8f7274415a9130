//! What happens when a v1 group with `notify_on_release` has become empty.

use super::event::CgroupEvent;
use super::{CgroupId, Version};
use crate::event::EventKind;
use crate::kernel::Kernel;

impl Kernel<'_> {
    /// A group has lost a task or a group in it: if it is empty now, removed by nobody, and says so, the release
    /// agent of its hierarchy is started with its path (`cgroup1_check_for_release`, `cgroup1_release_agent`).
    pub(super) fn check_for_release(&mut self, group: CgroupId) {
        let Some(g) = self.cgroups.groups.get(group) else { return };
        let due = g.notify_on_release && !g.is_populated() && g.children.is_empty() && !g.dying && g.parent.is_some();
        if !due || self.cgroup_version(group) != Version::V1 {
            return;
        }
        let agent = self.cgroups.hierarchies[g.hierarchy].release_agent.clone();
        if agent.is_empty() {
            return;
        }
        let path = self.cgroup_path(group);
        let event =
            CgroupEvent::ReleaseAgentStarted { group, agent: agent.as_str().into(), path: path.as_str().into() };
        self.emit(EventKind::Cgroup(event));
        self.call_usermodehelper(&agent, vec![agent.clone(), path]);
    }
}
