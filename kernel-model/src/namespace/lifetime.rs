//! What keeps a namespace alive, and what happens when nothing does any more: the counting behind
//! `get_*_ns` and `put_*_ns`, the same for all eight kinds.

use super::{NsCommon, NsProxy, NsRef};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

/// The first inode number that nsfs hands out after boot. The kernel's own first ones lie below it.
pub const FIRST_NS_INUM: u32 = 4_026_532_000;

impl World {
    /// The common part of a namespace, if it still exists.
    pub fn ns_common(&self, ns: NsRef) -> Option<&NsCommon> {
        match ns {
            NsRef::Cgroup(id) => self.cgroup_namespaces.get(id).map(|n| &n.ns),
            NsRef::Ipc(id) => self.ipc_namespaces.get(id).map(|n| &n.ns),
            NsRef::Mnt(id) => self.mnt_namespaces.get(id).map(|n| &n.ns),
            NsRef::Net(id) => self.net_namespaces.get(id).map(|n| &n.ns),
            NsRef::Pid(id) => self.pid_namespaces.get(id).map(|n| &n.ns),
            NsRef::Time(id) => self.time_namespaces.get(id).map(|n| &n.ns),
            NsRef::User(id) => self.user_namespaces.get(id).map(|n| &n.ns),
            NsRef::Uts(id) => self.uts_namespaces.get(id).map(|n| &n.ns),
        }
    }

    pub(crate) fn ns_common_mut(&mut self, ns: NsRef) -> Option<&mut NsCommon> {
        match ns {
            NsRef::Cgroup(id) => self.cgroup_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::Ipc(id) => self.ipc_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::Mnt(id) => self.mnt_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::Net(id) => self.net_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::Pid(id) => self.pid_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::Time(id) => self.time_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::User(id) => self.user_namespaces.get_mut(id).map(|n| &mut n.ns),
            NsRef::Uts(id) => self.uts_namespaces.get_mut(id).map(|n| &mut n.ns),
        }
    }

    /// The namespaces that a task is in, one of each kind, in the order of `/proc/PID/ns`.
    pub fn namespaces_of(&self, task: TaskId) -> [NsRef; 8] {
        let t = &self.tasks[task];
        let p = &t.nsproxy;
        [
            NsRef::Cgroup(p.cgroup),
            NsRef::Ipc(p.ipc),
            NsRef::Mnt(p.mnt),
            NsRef::Net(p.net),
            NsRef::Pid(self.pids[t.pid].ns()),
            NsRef::Time(p.time),
            NsRef::User(t.cred.user_ns),
            NsRef::Uts(p.uts),
        ]
    }

    /// A fresh common part: the next inode number, one reference.
    pub(crate) fn new_ns_common(&mut self, owner: super::user::UserNsId) -> NsCommon {
        self.last_ns_inum += 1;
        NsCommon { inum: self.last_ns_inum, owner, refs: 1 }
    }
}

impl NsProxy {
    /// Everything that a proxy refers to.
    pub fn refs(&self) -> [NsRef; 8] {
        [
            NsRef::Mnt(self.mnt),
            NsRef::Uts(self.uts),
            NsRef::Ipc(self.ipc),
            NsRef::Net(self.net),
            NsRef::Cgroup(self.cgroup),
            NsRef::Time(self.time),
            NsRef::Pid(self.pid_for_children),
            NsRef::Time(self.time_for_children),
        ]
    }
}

impl Kernel<'_> {
    /// One more reason for this namespace to exist.
    pub fn hold_ns(&mut self, ns: NsRef) {
        if let Some(common) = self.ns_common_mut(ns) {
            common.refs += 1;
        }
    }

    /// One reason less. With the last one it is gone, and lets go of its owner and parent.
    pub fn release_ns(&mut self, ns: NsRef) {
        let Some(common) = self.ns_common_mut(ns) else { return };
        common.refs -= 1;
        if common.refs > 0 {
            return;
        }
        let NsCommon { inum, owner, .. } = *common;
        match ns {
            NsRef::Cgroup(id) => {
                if let Some(ns) = self.cgroup_namespaces.remove(id) {
                    self.release_css_set(ns.root_set);
                }
            }
            NsRef::Ipc(id) => self.free_ipc_namespace(id),
            NsRef::Mnt(id) => self.free_mnt_namespace(id),
            NsRef::Net(id) => self.free_net_namespace(id),
            NsRef::Pid(id) => {
                if let Some(parent) = self.pid_namespaces.remove(id).and_then(|n| n.parent) {
                    self.release_ns(NsRef::Pid(parent));
                }
            }
            NsRef::Time(id) => drop(self.time_namespaces.remove(id)),
            NsRef::User(id) => drop(self.user_namespaces.remove(id)),
            NsRef::Uts(id) => drop(self.uts_namespaces.remove(id)),
        }
        self.emit(EventKind::NamespaceFreed { ns, inum });
        self.uncharge_namespace(ns.kind(), inum, owner);
        self.release_ns(NsRef::User(owner));
    }

    /// Takes hold of everything in a proxy: it is about to be used by one more task.
    pub(crate) fn hold_nsproxy(&mut self, proxy: &NsProxy) {
        for ns in proxy.refs() {
            self.hold_ns(ns);
        }
    }

    /// Lets go of everything in a proxy.
    pub(crate) fn release_nsproxy(&mut self, proxy: &NsProxy) {
        for ns in proxy.refs() {
            self.release_ns(ns);
        }
    }

    /// An exiting task leaves its namespaces (`exit_task_namespaces`). Its numbers and its credentials stay
    /// until it is released.
    pub(crate) fn drop_task_namespaces(&mut self, task: TaskId) {
        let proxy = self.tasks[task].nsproxy;
        self.release_nsproxy(&proxy);
    }
}
