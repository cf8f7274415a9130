//! What execve(2) does to credentials: set-user-ID and set-group-ID bits (`bprm_fill_uid`) and the
//! capability rules of capabilities(7) (`cap_bprm_creds_from_file`).

use std::sync::Arc;

use super::capability::{Cap, CapSet};
use super::credentials::{Cred, Kuid, SecureBits};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::user::UserNsId;
use crate::task::TaskId;
use crate::task::exec::file_caps::FileCaps;
use crate::vfs::inode::DentryId;
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::world::World;

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

/// What the capabilities of a file do to those of a task.
struct FromFile {
    permitted: CapSet,
    effective: bool,
    has_fcap: bool,
}

impl World {
    /// Whether set-user-ID bits and file capabilities count on a mount (`mnt_may_suid`): not with nosuid, not
    /// through another mount namespace, not from a file system of a user namespace that the caller is not in.
    fn mnt_may_suid(&self, task: TaskId, place: VfsPath) -> bool {
        let mount = &self.vfs.mounts[place.mnt];
        let t = &self.tasks[task];
        !mount.flags.contains(MountFlags::NOSUID)
            && mount.ns == Some(t.nsproxy.mnt)
            && self.user_ns_is_within(t.cred.user_ns, self.vfs.supers[mount.sb].user_ns)
    }

    /// Whether capabilities for this root count in a user namespace (`rootid_owns_currentns`).
    fn root_owns_namespace(&self, root: u32, ns: UserNsId) -> bool {
        let mut at = Some(ns);
        while let Some(id) = at {
            let Some(ns) = self.user_namespaces.get(id) else { return false };
            if ns.uid_map.from_kernel(root) == Some(0) {
                return true;
            }
            at = ns.parent;
        }
        false
    }
}

impl Kernel<'_> {
    /// The credentials with which `task` will run this file.
    ///
    /// # Errors
    /// EPERM when the file needs capabilities that the bounding set takes away.
    pub(crate) fn exec_creds(&mut self, task: TaskId, place: VfsPath, dentry: DentryId) -> Result<Cred, Errno> {
        let old = Arc::clone(&self.tasks[task].cred);
        let no_new_privs = self.tasks[task].no_new_privs;
        let shares_fs = self.shares_fs_with_others(task) || self.is_unsafely_traced(task);
        let mut new = Cred::clone(&old);
        if !no_new_privs {
            self.fill_uid(task, place, dentry, &mut new);
        }
        let mut file = self.file_caps(task, place, dentry, &new)?;
        let root = self.user_namespaces.get(new.user_ns).and_then(|ns| ns.kuid(0));
        privileged_root(&old, &new, root, &mut file);
        new.permitted = file.permitted;

        let id_changed = new.euid != old.euid || !(old.egid == new.egid || old.in_group(new.egid));
        let gained = !new.permitted.is_subset(old.permitted);
        if (id_changed || gained) && (no_new_privs || shares_fs) {
            // Unsafe: no more than before, and maybe less.
            if no_new_privs || !self.cred_capable(&old, new.user_ns, Cap::SETUID) {
                new.euid = new.uid;
                new.egid = new.gid;
            }
            new.permitted = new.permitted & old.permitted;
        }
        new.suid = new.euid;
        new.fsuid = new.euid;
        new.sgid = new.egid;
        new.fsgid = new.egid;
        if file.has_fcap || id_changed {
            new.ambient = CapSet::EMPTY;
        }
        new.permitted = new.permitted | new.ambient;
        new.effective = if file.effective { new.permitted } else { new.ambient };
        new.securebits.remove(SecureBits::KEEP_CAPS);
        Ok(new)
    }

    /// Somebody who is not of this process shares its root and working directory (`LSM_UNSAFE_SHARE`).
    fn shares_fs_with_others(&self, task: TaskId) -> bool {
        let t = &self.tasks[task];
        let threads = &self.processes[t.process].threads;
        let own = threads.iter().filter(|other| self.tasks[**other].fs == t.fs).count();
        self.vfs.fs_structs[t.fs].users as usize > own
    }

    /// `bprm_fill_uid`.
    fn fill_uid(&self, task: TaskId, place: VfsPath, dentry: DentryId, new: &mut Cred) {
        let inode = self.inode_of(dentry);
        if inode.mode & (S_ISUID | S_ISGID) == 0 || !self.mnt_may_suid(task, place) {
            return;
        }
        let ns = &self.user_namespaces[new.user_ns];
        if ns.uid_map.from_kernel(inode.uid.0).is_none() || ns.gid_map.from_kernel(inode.gid.0).is_none() {
            return;
        }
        if inode.mode & S_ISUID != 0 {
            new.euid = inode.uid;
        }
        if inode.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP {
            new.egid = inode.gid;
        }
    }

    /// `get_file_caps`.
    fn file_caps(&self, task: TaskId, place: VfsPath, dentry: DentryId, new: &Cred) -> Result<FromFile, Errno> {
        let nothing = FromFile { permitted: CapSet::EMPTY, effective: false, has_fcap: false };
        let Some(value) = self.inode_of(dentry).xattrs.get("security.capability") else { return Ok(nothing) };
        let Some(caps) = FileCaps::from_bytes(value) else { return Ok(nothing) };
        if !self.mnt_may_suid(task, place) || !self.root_owns_namespace(caps.root_id.unwrap_or(0), new.user_ns) {
            return Ok(nothing);
        }
        let permitted = (new.bounding & caps.permitted) | (new.inheritable & caps.inheritable);
        if caps.effective && !caps.permitted.is_subset(permitted) {
            return Err(Errno::EPERM);
        }
        let has_fcap = caps.permitted != CapSet::EMPTY || caps.inheritable != CapSet::EMPTY;
        Ok(FromFile { permitted, effective: caps.effective, has_fcap })
    }
}

/// Uid 0 has everything (`handle_privileged_root`), unless the secure bits say otherwise.
fn privileged_root(old: &Cred, new: &Cred, root: Option<Kuid>, file: &mut FromFile) {
    if old.securebits.contains(SecureBits::NOROOT) || root.is_none() {
        return;
    }
    let (real, effective) = (Some(new.uid) == root, Some(new.euid) == root);
    if file.has_fcap && !real && effective {
        // A set-user-ID program with file capabilities gets just these.
        return;
    }
    if real || effective {
        file.permitted = old.bounding | old.inheritable;
    }
    if effective {
        file.effective = true;
    }
}
