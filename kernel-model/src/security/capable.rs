//! Whether a task may: `capable()` and its relatives, as in `security/commoncap.c`.

use super::capability::Cap;
use super::credentials::Cred;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::user::UserNsId;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// The first user namespace.
    pub fn first_user_ns(&self) -> UserNsId {
        self.user_namespaces.ids().next().unwrap_or(UserNsId(1))
    }

    /// Whether `inner` is `outer` or lies inside it.
    pub fn user_ns_is_within(&self, inner: UserNsId, outer: UserNsId) -> bool {
        let mut at = Some(inner);
        while let Some(ns) = at {
            if ns == outer {
                return true;
            }
            at = self.user_namespaces.get(ns).and_then(|n| n.parent);
        }
        false
    }

    /// The rule of `cap_capable`: the capability counts in the namespace of the credentials and in all
    /// inside it, and the owner of a namespace has all of them over it when he acts from its parent.
    pub fn cred_has_cap(&self, cred: &Cred, target: UserNsId, cap: Cap) -> bool {
        let own_level = self.user_namespaces.get(cred.user_ns).map_or(0, |n| n.level);
        let mut at = target;
        loop {
            if at == cred.user_ns {
                return cred.effective.has(cap);
            }
            let Some(ns) = self.user_namespaces.get(at) else { return false };
            if ns.level <= own_level {
                return false;
            }
            if ns.parent == Some(cred.user_ns) && ns.owner == cred.euid {
                return true;
            }
            let Some(parent) = ns.parent else { return false };
            at = parent;
        }
    }
}

impl Kernel<'_> {
    /// Whether `task` has `cap` in the user namespace `ns` (`ns_capable`). The question and its answer are an event.
    pub fn capable_in(&mut self, task: TaskId, ns: UserNsId, cap: Cap) -> bool {
        let cred = std::sync::Arc::clone(&self.tasks[task].cred);
        self.cred_capable(&cred, ns, cap)
    }

    /// The same for credentials that are about to become a task's.
    pub(crate) fn cred_capable(&mut self, cred: &Cred, ns: UserNsId, cap: Cap) -> bool {
        let granted = self.cred_has_cap(cred, ns, cap);
        self.emit(EventKind::CapabilityChecked { cap, ns, granted });
        granted && self.security_capable(cred, ns, cap).is_ok()
    }

    /// Whether `task` has `cap` in the first user namespace (`capable`).
    pub fn capable(&mut self, task: TaskId, cap: Cap) -> bool {
        let first = self.first_user_ns();
        self.capable_in(task, first, cap)
    }
}
