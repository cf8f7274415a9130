//! Whether a task may search, read, write or execute: `inode_permission` of `fs/namei.c`.

use super::Node;
use super::fs::{Attr, FileType};
use super::inode::InodeKind;
use super::path::VfsPath;
use crate::cgroup::controller::devices::DeviceAccess;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::credentials::{Cred, Kgid, Kuid};
use crate::task::TaskId;
use crate::world::World;

bitflags::bitflags! {
    /// What somebody wants to do with a file, as the permission bits of others number it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Access: u32 {
        /// Execute a file, search a directory (`MAY_EXEC`).
        const EXEC = 1;
        /// Write (`MAY_WRITE`).
        const WRITE = 2;
        /// Read (`MAY_READ`).
        const READ = 4;
    }
}

impl World {
    /// Whether an id has an image in the user namespace of these credentials.
    fn ids_are_mapped(&self, cred: &Cred, uid: Kuid, gid: Kgid) -> bool {
        let ns = &self.user_namespaces[cred.user_ns];
        ns.uid_map.from_kernel(uid.0).is_some() && ns.gid_map.from_kernel(gid.0).is_some()
    }
}

impl Kernel<'_> {
    /// Whether `task` has a capability over this file: in its own user namespace, and only over files whose
    /// owner and group it can name there (`capable_wrt_inode_uidgid`).
    pub fn capable_wrt_inode(&mut self, task: TaskId, uid: Kuid, gid: Kgid, cap: Cap) -> bool {
        let cred = std::sync::Arc::clone(&self.tasks[task].cred);
        self.ids_are_mapped(&cred, uid, gid) && self.cred_capable(&cred, cred.user_ns, cap)
    }

    /// Whether `task` may do this with the file there.
    ///
    /// # Errors
    /// EACCES; EROFS for writing to a file system that is read-only as a whole.
    pub fn inode_permission(&mut self, task: TaskId, path: VfsPath, access: Access) -> Result<(), Errno> {
        let cred = std::sync::Arc::clone(&self.tasks[task].cred);
        self.inode_permission_as(&cred, path, access)?;
        self.device_permission(task, path, access)?;
        self.security_inode_permission(task, path, access)
    }

    /// What the devices controller says to reading or writing a device (`devcgroup_inode_permission`).
    ///
    /// # Errors
    /// EPERM.
    pub(crate) fn device_permission(&mut self, task: TaskId, path: VfsPath, access: Access) -> Result<(), Errno> {
        let Node::Tree(dentry) = path.node else { return Ok(()) };
        let (block, device) = match self.inode_of(dentry).kind {
            InodeKind::CharDevice(major, minor) => (false, (major, minor)),
            InodeKind::BlockDevice(major, minor) => (true, (major, minor)),
            _ => return Ok(()),
        };
        let mut wanted = DeviceAccess::empty();
        wanted.set(DeviceAccess::READ, access.contains(Access::READ));
        wanted.set(DeviceAccess::WRITE, access.contains(Access::WRITE));
        self.check_device_cgroup(task, block, device, wanted)
    }

    /// The same with credentials that need not be the task's (access(2) asks for the real ids).
    ///
    /// # Errors
    /// EACCES; EROFS for writing to a file system that is read-only as a whole.
    pub fn inode_permission_as(&mut self, cred: &Cred, path: VfsPath, access: Access) -> Result<(), Errno> {
        let attr = self.attr(path);
        if access.contains(Access::WRITE) {
            let stored = matches!(attr.file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
            if stored && self.super_of(path).read_only {
                return Err(Errno::EROFS);
            }
            // An owner that its file system cannot name must not be written back (HAS_UNMAPPED_ID).
            if attr.uid == Kuid::INVALID || attr.gid == Kgid::INVALID {
                return Err(Errno::EACCES);
            }
        }
        // Namespaces are files that nobody changes (S_IMMUTABLE).
        if matches!(path.node, Node::Ns(_)) && access.contains(Access::WRITE) {
            return Err(Errno::EPERM);
        }
        if let Node::Proc(node) = path.node {
            self.proc_hides(path, node)?;
        }
        if let Node::Proc(node) = path.node
            && let Some(allowed) = self.proc_permission(cred, node, access)
        {
            return if allowed { Ok(()) } else { Err(Errno::EACCES) };
        }
        self.generic_permission(cred, &attr, access)
    }

    /// The permission bits, and the capabilities that override them (`generic_permission`).
    pub(crate) fn generic_permission(&mut self, cred: &Cred, attr: &Attr, access: Access) -> Result<(), Errno> {
        let granted = if cred.fsuid == attr.uid {
            attr.mode >> 6
        } else if cred.in_group(attr.gid) {
            attr.mode >> 3
        } else {
            attr.mode
        };
        if Access::from_bits_truncate(granted & 7).contains(access) {
            return Ok(());
        }
        let mapped = self.ids_are_mapped(cred, attr.uid, attr.gid);
        let mut has = |cap| mapped && self.cred_capable(cred, cred.user_ns, cap);
        if attr.file_type == FileType::Directory {
            let overridden = (!access.contains(Access::WRITE) && has(Cap::DAC_READ_SEARCH)) || has(Cap::DAC_OVERRIDE);
            return if overridden { Ok(()) } else { Err(Errno::EACCES) };
        }
        if access == Access::READ && has(Cap::DAC_READ_SEARCH) {
            return Ok(());
        }
        // Not even root executes what nobody may execute.
        let executable = !access.contains(Access::EXEC) || attr.mode & 0o111 != 0;
        if executable && has(Cap::DAC_OVERRIDE) { Ok(()) } else { Err(Errno::EACCES) }
    }
}
