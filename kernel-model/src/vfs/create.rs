//! Making and removing names: the checks that mkdir(2), unlink(2), rename(2) and their relatives share, in
//! the order of `fs/namei.c`.

use std::sync::Arc;

use super::Node;
use super::fd_table::Fd;
use super::fs::{FileType, FsKind};
use super::inode::{DentryId, InodeKind};
use super::mount::{MountFlags, MountId};
use super::path::VfsPath;
use super::permission::Access;
use super::walk::Last;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::task::TaskId;

const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;
const S_ISVTX: u32 = 0o1000;

/// A name that is about to be made: its directory is there, it is not.
pub(crate) struct NewName {
    /// The directory.
    pub dir: VfsPath,
    /// The name.
    pub name: String,
}

impl Kernel<'_> {
    /// Whether something may be written through a mount at all (`mnt_want_write`).
    ///
    /// # Errors
    /// EROFS.
    pub(crate) fn mnt_want_write(&self, mnt: MountId) -> Result<(), Errno> {
        let mount = &self.vfs.mounts[mnt];
        let read_only = mount.flags.contains(MountFlags::RDONLY) || self.vfs.supers[mount.sb].read_only;
        if read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Prepares to make a name (`filename_create`): walks to its directory and sees that it is free there.
    ///
    /// # Errors
    /// Those of the walk; EEXIST; ENOENT for a name with a slash at its end that is no directory's; EROFS.
    pub(crate) fn new_name(&mut self, task: TaskId, dir: Fd, path: &str, is_dir: bool) -> Result<NewName, Errno> {
        let parent = self.walk_parent(task, dir, path)?;
        let Last::Name(name) = parent.last else { return Err(Errno::EEXIST) };
        let writable = self.mnt_want_write(parent.dir.mnt);
        let found = self.lookup_in(task, parent.dir, &name)?;
        if found.is_some() {
            return Err(Errno::EEXIST);
        }
        if parent.trailing_slash && !is_dir {
            return Err(Errno::ENOENT);
        }
        writable?;
        Ok(NewName { dir: parent.dir, name })
    }

    /// Whether `task` may make a name in this directory (`may_create`); the directory's dentry.
    ///
    /// # Errors
    /// ENOENT in a directory that has been removed; EOVERFLOW for an owner that the file system cannot name;
    /// EACCES; EPERM where names cannot be made.
    pub(crate) fn may_create(&mut self, task: TaskId, dir: VfsPath) -> Result<DentryId, Errno> {
        self.may_add_names(task, dir)?;
        match dir.node {
            Node::Tree(dentry) if self.is_writable_tree(self.vfs.dentries[dentry].sb) => Ok(dentry),
            // procfs says of names that it does not have that they do not exist, whatever is to be done with them.
            Node::Proc(_) => Err(Errno::ENOENT),
            _ => Err(Errno::EPERM),
        }
    }

    /// The same before it is asked what the file system is able to do.
    ///
    /// # Errors
    /// ENOENT, EOVERFLOW, EACCES.
    pub(crate) fn may_add_names(&mut self, task: TaskId, dir: VfsPath) -> Result<(), Errno> {
        if self.is_unlinked(dir.node) {
            return Err(Errno::ENOENT);
        }
        let cred = Arc::clone(&self.tasks[task].cred);
        let sb_ns = &self.user_namespaces[self.super_of(dir).user_ns];
        let nameable =
            sb_ns.uid_map.from_kernel(cred.fsuid.0).is_some() && sb_ns.gid_map.from_kernel(cred.fsgid.0).is_some();
        if !nameable {
            return Err(Errno::EOVERFLOW);
        }
        self.inode_permission(task, dir, Access::WRITE | Access::EXEC)
    }

    /// Makes an inode under a new name, owned by `task` (`inode_init_owner`). Checks have been made.
    ///
    /// # Errors
    /// What the security module says; ENOSPC.
    pub(crate) fn make_inode(
        &mut self,
        task: TaskId,
        dir: VfsPath,
        dentry: DentryId,
        name: &str,
        kind: InodeKind,
        mode: u32,
    ) -> Result<VfsPath, Errno> {
        self.security_path_mknod(task, dir, name, &kind)?;
        let umask = self.vfs.fs_structs[self.tasks[task].fs].umask;
        let masked = if matches!(kind, InodeKind::Symlink(_)) { mode } else { mode & !umask };
        let cred = Arc::clone(&self.tasks[task].cred);
        let parent = self.inode_of(dentry);
        let (mut gid, mut mode) = (cred.fsgid, masked);
        if parent.mode & S_ISGID != 0 {
            gid = parent.gid;
            if matches!(kind, InodeKind::Directory) {
                mode |= S_ISGID;
            } else if mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP && !cred.in_group(gid) {
                let (uid, parent_gid) = (parent.uid, parent.gid);
                if !self.capable_wrt_inode(task, uid, parent_gid, Cap::FSETID) {
                    mode &= !S_ISGID;
                }
            }
        }
        let sb = self.vfs.dentries[dentry].sb;
        if matches!(self.vfs.supers[sb].kind, FsKind::Mqueue) {
            self.charge_mqueue(task, sb, &kind)?;
        }
        let made = self.create_in(dentry, name, kind, mode, cred.fsuid, gid)?;
        self.selinux_init_inode(task, dir, made);
        let path = VfsPath { mnt: dir.mnt, node: Node::Tree(made) };
        self.emit_created(task, path);
        Ok(path)
    }

    /// Says that a name was made.
    pub(crate) fn emit_created(&mut self, task: TaskId, path: VfsPath) {
        let text = if self.trace.silent { String::new() } else { self.d_path(path, task) };
        self.emit(EventKind::FileCreated { path: text.into() });
    }

    /// Whether `task` may take a name away (`may_delete`): as a directory or as something else.
    ///
    /// # Errors
    /// EOVERFLOW, EACCES; EPERM in a sticky directory; ENOTDIR, EISDIR; EPERM where names cannot be removed.
    pub(crate) fn may_delete(
        &mut self,
        task: TaskId,
        dir: VfsPath,
        victim: VfsPath,
        is_dir: bool,
    ) -> Result<DentryId, Errno> {
        self.may_remove_name(task, dir, victim, is_dir)?;
        match victim.node {
            Node::Tree(dentry) if self.is_writable_tree(self.vfs.dentries[dentry].sb) => Ok(dentry),
            _ => Err(Errno::EPERM),
        }
    }

    /// The same before it is asked what the file system is able to do.
    ///
    /// # Errors
    /// EOVERFLOW, EACCES, EPERM, ENOTDIR, EISDIR.
    pub(crate) fn may_remove_name(
        &mut self,
        task: TaskId,
        dir: VfsPath,
        victim: VfsPath,
        is_dir: bool,
    ) -> Result<(), Errno> {
        let attr = self.attr(victim);
        if attr.uid == crate::security::credentials::Kuid::INVALID {
            return Err(Errno::EOVERFLOW);
        }
        self.inode_permission(task, dir, Access::WRITE | Access::EXEC)?;
        let parent = self.attr(dir);
        if parent.mode & S_ISVTX != 0 {
            let fsuid = self.tasks[task].cred.fsuid;
            if fsuid != attr.uid
                && fsuid != parent.uid
                && !self.capable_wrt_inode(task, attr.uid, attr.gid, Cap::FOWNER)
            {
                return Err(Errno::EPERM);
            }
        }
        match (is_dir, attr.file_type == FileType::Directory) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            _ => Ok(()),
        }
    }

    /// Whether something is mounted on this name in the caller's mount namespace (`is_local_mountpoint`).
    pub(crate) fn is_local_mountpoint(&self, task: TaskId, node: Node) -> bool {
        let ns = self.tasks[task].nsproxy.mnt;
        self.vfs.mounts.iter().any(|(_, m)| m.ns == Some(ns) && m.place.is_some_and(|place| place.node == node))
    }

    /// Takes a name away, and with it what other mount namespaces have mounted on it.
    pub(crate) fn delete_name(&mut self, task: TaskId, path: VfsPath, dentry: DentryId) {
        let text = if self.trace.silent { String::new() } else { self.d_path(path, task) };
        self.detach_mounts(path.node);
        self.world.remove_name(dentry);
        self.emit(EventKind::FileRemoved { path: text.into() });
    }
}
