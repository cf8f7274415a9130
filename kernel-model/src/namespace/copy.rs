//! New namespaces for a task: what clone(2) and unshare(2) have in common (`kernel/nsproxy.c`,
//! `copy_namespaces`, `create_new_namespaces`), and the limits on how many there may be.

use super::cgroup::CgroupNamespace;
use super::ipc::IpcNamespace;
use super::pid::{MAX_PID_NS_LEVEL, PidNamespace, PidNsId};
use super::time::TimeNamespace;
use super::user::{IdMap, MAX_USER_NS_LEVEL, UserNamespace, UserNsId};
use super::uts::UtsNamespace;
use super::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUTS, NsCommon,
    NsKind, NsProxy, NsRef,
};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::capability::{Cap, CapSet};
use crate::security::credentials::{Cred, Kuid, SecureBits};
use crate::task::TaskId;
use crate::task::clone::flags as clone_flags;
use crate::vfs::path::FsStructId;

/// The flags that make namespaces other than user namespaces in clone(2).
const NEW_IN_CLONE: u64 = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

impl Kernel<'_> {
    /// The namespaces of a child of `caller` that is to have `cred` (`copy_namespaces`).
    ///
    /// # Errors
    /// EPERM without `CAP_SYS_ADMIN`, ENOSPC at a limit, and those of the single kinds.
    pub(crate) fn copy_namespaces(
        &mut self,
        caller: TaskId,
        flags: u64,
        cred: &Cred,
        fs: FsStructId,
    ) -> Result<NsProxy, Errno> {
        let old = self.tasks[caller].nsproxy;
        let wanted = flags & (NEW_IN_CLONE | CLONE_NEWTIME);
        if wanted == 0 {
            let mut proxy = old;
            // A child with its own memory starts in the time namespace that was made for it.
            if flags & clone_flags::VM == 0 {
                proxy.time = proxy.time_for_children;
            }
            self.hold_nsproxy(&proxy);
            self.freeze_time_offsets(&proxy);
            return Ok(proxy);
        }
        if !self.cred_capable(cred, cred.user_ns, Cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        // A child with its own semaphores cannot keep the parent's list of things to undo.
        if flags & CLONE_NEWIPC != 0 && flags & clone_flags::SYSVSEM != 0 {
            return Err(Errno::EINVAL);
        }
        let mut proxy = self.create_namespaces(caller, wanted, cred, fs)?;
        if proxy.time != proxy.time_for_children && flags & clone_flags::VM == 0 {
            self.hold_ns(NsRef::Time(proxy.time_for_children));
            self.release_ns(NsRef::Time(proxy.time));
            proxy.time = proxy.time_for_children;
        }
        self.freeze_time_offsets(&proxy);
        Ok(proxy)
    }

    fn freeze_time_offsets(&mut self, proxy: &NsProxy) {
        self.time_namespaces[proxy.time].frozen_offsets = true;
    }

    /// A proxy with new namespaces where `flags` ask for them and the old ones elsewhere, all held once.
    /// The order is that of `create_new_namespaces`, because it decides which error comes first.
    pub(crate) fn create_namespaces(
        &mut self,
        caller: TaskId,
        flags: u64,
        cred: &Cred,
        fs: FsStructId,
    ) -> Result<NsProxy, Errno> {
        let mut proxy = self.tasks[caller].nsproxy;
        let old = proxy;
        let mut made: Vec<NsRef> = Vec::new();
        let places = self.vfs.fs_structs[fs].clone();
        let result = self.create_each(caller, flags, cred, fs, &mut proxy, &mut made);
        if let Err(e) = result {
            // A copied mount namespace that comes to nothing has taken root and working directory with it.
            self.vfs.fs_structs[fs] = places;
            for ns in made {
                self.release_ns(ns);
            }
            return Err(e);
        }
        // What was not made anew is shared with the old proxy.
        for (new, old) in proxy.refs().into_iter().zip(old.refs()) {
            if new == old {
                self.hold_ns(new);
            }
        }
        Ok(proxy)
    }

    fn create_each(
        &mut self,
        caller: TaskId,
        flags: u64,
        cred: &Cred,
        fs: FsStructId,
        proxy: &mut NsProxy,
        made: &mut Vec<NsRef>,
    ) -> Result<(), Errno> {
        if flags & CLONE_NEWNS != 0 {
            let common = self.charge_namespace(NsKind::Mnt, cred)?;
            proxy.mnt = self.copy_mnt_namespace(proxy.mnt, common, fs);
            self.namespace_made(NsRef::Mnt(proxy.mnt), made);
        }
        if flags & CLONE_NEWUTS != 0 {
            let ns = self.charge_namespace(NsKind::Uts, cred)?;
            let old = self.uts_namespaces[proxy.uts].clone();
            proxy.uts = self.uts_namespaces.add(UtsNamespace { ns, ..old });
            self.namespace_made(NsRef::Uts(proxy.uts), made);
        }
        if flags & CLONE_NEWIPC != 0 {
            let ns = self.charge_namespace(NsKind::Ipc, cred)?;
            proxy.ipc = self.ipc_namespaces.add(IpcNamespace::new(ns));
            self.namespace_made(NsRef::Ipc(proxy.ipc), made);
        }
        if flags & CLONE_NEWPID != 0 {
            proxy.pid_for_children = self.create_pid_namespace(caller, cred)?;
            self.namespace_made(NsRef::Pid(proxy.pid_for_children), made);
        }
        if flags & CLONE_NEWCGROUP != 0 {
            let ns = self.charge_namespace(NsKind::Cgroup, cred)?;
            let root_set = self.tasks[caller].css_set;
            self.hold_css_set(root_set);
            proxy.cgroup = self.cgroup_namespaces.add(CgroupNamespace { ns, root_set });
            self.namespace_made(NsRef::Cgroup(proxy.cgroup), made);
        }
        if flags & CLONE_NEWNET != 0 {
            let ns = self.charge_namespace(NsKind::Net, cred)?;
            proxy.net = self.new_net_namespace(ns);
            self.namespace_made(NsRef::Net(proxy.net), made);
        }
        if flags & CLONE_NEWTIME != 0 {
            let ns = self.charge_namespace(NsKind::Time, cred)?;
            let old = self.time_namespaces[proxy.time_for_children].clone();
            proxy.time_for_children = self.time_namespaces.add(TimeNamespace { ns, frozen_offsets: false, ..old });
            self.namespace_made(NsRef::Time(proxy.time_for_children), made);
        }
        Ok(())
    }

    fn namespace_made(&mut self, ns: NsRef, made: &mut Vec<NsRef>) {
        made.push(ns);
        let inum = self.ns_common(ns).map_or(0, |c| c.inum);
        self.emit(EventKind::NamespaceCreated { ns, inum });
    }

    fn create_pid_namespace(&mut self, caller: TaskId, cred: &Cred) -> Result<PidNsId, Errno> {
        let active = self.pid_ns_of(caller);
        let parent = self.tasks[caller].nsproxy.pid_for_children;
        // copy_pid_ns: only one step down at a time.
        if parent != active {
            return Err(Errno::EINVAL);
        }
        // create_pid_namespace: the creator must not stand outside the owner of the parent.
        if !self.user_ns_is_within(cred.user_ns, self.pid_namespaces[parent].ns.owner) {
            return Err(Errno::EINVAL);
        }
        let level = self.pid_namespaces[parent].level + 1;
        if level > MAX_PID_NS_LEVEL {
            return Err(Errno::ENOSPC);
        }
        let ns = self.charge_namespace(NsKind::Pid, cred)?;
        let pid_max = self.pid_namespaces[parent].pid_max;
        self.hold_ns(NsRef::Pid(parent));
        Ok(self.pid_namespaces.add(PidNamespace {
            ns,
            parent: Some(parent),
            level,
            numbers: imbl::OrdMap::new(),
            last_pid: 0,
            pid_max,
            child_reaper: None,
            adding: true,
            init_waits: false,
        }))
    }

    /// Makes a user namespace for somebody with `cred`: the credentials that he has in it
    /// (`create_user_ns`). They hold one reference to it.
    ///
    /// # Errors
    /// ENOSPC at a nesting or count limit; EPERM in a chroot, or for ids that are not mapped.
    pub(crate) fn create_user_namespace(&mut self, caller: TaskId, cred: &Cred) -> Result<Cred, Errno> {
        let parent = cred.user_ns;
        if self.user_namespaces[parent].level > MAX_USER_NS_LEVEL {
            return Err(Errno::ENOSPC);
        }
        self.charge_count(NsKind::User, parent, cred.euid)?;
        let checks = if self.is_chrooted(caller) {
            Err(Errno::EPERM)
        } else {
            let p = &self.user_namespaces[parent];
            let mapped = p.uid_map.from_kernel(cred.euid.0).is_some() && p.gid_map.from_kernel(cred.egid.0).is_some();
            mapped.then_some(()).ok_or(Errno::EPERM)
        };
        if let Err(e) = checks {
            self.uncharge_count(NsKind::User, parent, cred.euid);
            return Err(e);
        }
        let ns = self.new_ns_common(parent);
        self.charged_to.insert(ns.inum, cred.euid);
        self.hold_ns(NsRef::User(parent));
        let (level, setgroups_allowed) = {
            let p = &self.user_namespaces[parent];
            (p.level + 1, p.setgroups_allowed)
        };
        let id = self.user_namespaces.add(UserNamespace {
            ns,
            parent: Some(parent),
            level,
            owner: cred.euid,
            group: cred.egid,
            uid_map: IdMap::default(),
            gid_map: IdMap::default(),
            setgroups_allowed,
            parent_could_setfcap: cred.effective.has(Cap::SETFCAP),
            ucount_max: std::collections::BTreeMap::new(),
            ucounts: std::collections::BTreeMap::new(),
        });
        let inum = ns.inum;
        self.emit(EventKind::NamespaceCreated { ns: NsRef::User(id), inum });
        Ok(Cred {
            inheritable: CapSet::EMPTY,
            permitted: CapSet::FULL,
            effective: CapSet::FULL,
            bounding: CapSet::FULL,
            ambient: CapSet::EMPTY,
            securebits: SecureBits::empty(),
            user_ns: id,
            ..cred.clone()
        })
    }

    /// Counts one more namespace of this kind against its maker, in its user namespace and all above
    /// (`inc_ucount`), and starts its common part. The owner is held.
    ///
    /// # Errors
    /// ENOSPC when a `/proc/sys/user/max_*_namespaces` is reached.
    pub(crate) fn charge_namespace(&mut self, kind: NsKind, cred: &Cred) -> Result<NsCommon, Errno> {
        self.charge_count(kind, cred.user_ns, cred.euid)?;
        self.hold_ns(NsRef::User(cred.user_ns));
        let common = self.new_ns_common(cred.user_ns);
        self.charged_to.insert(common.inum, cred.euid);
        Ok(common)
    }

    fn charge_count(&mut self, kind: NsKind, ns: UserNsId, uid: Kuid) -> Result<(), Errno> {
        let chain = self.ucount_chain(ns, uid);
        for (ns, uid) in &chain {
            let n = &self.user_namespaces[*ns];
            let used = n.ucounts.get(&(*uid, kind.sysctl().to_owned())).copied().unwrap_or(0);
            if used >= n.max_namespaces(kind) {
                return Err(Errno::ENOSPC);
            }
        }
        for (ns, uid) in chain {
            *self.user_namespaces[ns].ucounts.entry((uid, kind.sysctl().to_owned())).or_default() += 1;
        }
        Ok(())
    }

    fn uncharge_count(&mut self, kind: NsKind, ns: UserNsId, uid: Kuid) {
        for (ns, uid) in self.ucount_chain(ns, uid) {
            if let Some(n) = self.world.user_namespaces.get_mut(ns)
                && let Some(count) = n.ucounts.get_mut(&(uid, kind.sysctl().to_owned()))
            {
                *count -= 1;
                if *count == 0 {
                    n.ucounts.remove(&(uid, kind.sysctl().to_owned()));
                }
            }
        }
    }

    /// A namespace is gone: it no longer counts against its maker.
    pub(crate) fn uncharge_namespace(&mut self, kind: NsKind, inum: u32, owner: UserNsId) {
        if let Some(uid) = self.charged_to.remove(&inum) {
            self.uncharge_count(kind, owner, uid);
        }
    }

    /// Who is charged in which namespace: the maker in its own, the owner of each namespace in its parent.
    fn ucount_chain(&self, ns: UserNsId, uid: Kuid) -> Vec<(UserNsId, Kuid)> {
        let mut chain = vec![(ns, uid)];
        let mut at = ns;
        while let Some(n) = self.user_namespaces.get(at)
            && let Some(parent) = n.parent
        {
            chain.push((parent, n.owner));
            at = parent;
        }
        chain
    }
}

impl NsKind {
    /// The name of its limit under `/proc/sys/user`.
    pub fn sysctl(self) -> &'static str {
        match self {
            NsKind::Cgroup => "max_cgroup_namespaces",
            NsKind::Ipc => "max_ipc_namespaces",
            NsKind::Mnt => "max_mnt_namespaces",
            NsKind::Net => "max_net_namespaces",
            NsKind::Pid => "max_pid_namespaces",
            NsKind::Time => "max_time_namespaces",
            NsKind::User => "max_user_namespaces",
            NsKind::Uts => "max_uts_namespaces",
        }
    }
}

impl UserNamespace {
    /// How many namespaces of a kind one user may make here. New namespaces start without a limit of
    /// their own; the first one has half of `threads-max`.
    pub fn max_namespaces(&self, kind: NsKind) -> i32 {
        self.ucount_max.get(kind.sysctl()).copied().unwrap_or(i32::MAX)
    }
}
