//! Calls on mounts and roots.

mod chdir;
mod chroot;
mod fsopen;
#[allow(clippy::module_inception)] // the call has the name of its folder
pub(crate) mod mount;
mod mount_setattr;
mod new_mount;
mod open_tree;
mod pivot_root;
#[cfg(test)]
mod tests;
mod umount2;

use super::SyscallInfo;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::task::TaskId;
use crate::vfs::path::VfsPath;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &chdir::CHDIR,
    &chdir::FCHDIR,
    &chdir::GETCWD,
    &chroot::CHROOT,
    &fsopen::FSCONFIG,
    &fsopen::FSMOUNT,
    &fsopen::FSOPEN,
    &fsopen::FSPICK,
    &mount::MOUNT,
    &mount_setattr::MOUNT_SETATTR,
    &open_tree::MOVE_MOUNT,
    &open_tree::OPEN_TREE,
    &pivot_root::PIVOT_ROOT,
    &umount2::UMOUNT2,
];

impl Kernel<'_> {
    /// Whether `task` may change mounts at all: `CAP_SYS_ADMIN` in the user namespace that owns its mount
    /// namespace.
    pub(crate) fn may_mount(&mut self, task: TaskId) -> bool {
        let owner = self.mnt_ns_owner(task);
        self.capable_in(task, owner, Cap::SYS_ADMIN)
    }

    /// Where something that is mounted on a place would really go: on top of what is there already
    /// (`lock_mount`).
    ///
    /// # Errors
    /// ENOENT for a name that has been removed.
    pub(crate) fn lock_mount_point(&self, path: VfsPath) -> Result<VfsPath, Errno> {
        let top = self.follow_mounts(path);
        if self.is_unlinked(top.node) { Err(Errno::ENOENT) } else { Ok(top) }
    }
}
