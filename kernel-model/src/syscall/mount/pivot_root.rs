//! pivot_root(2): exchanges the root of the mount namespace. The old root is mounted at `put_old`, the new
//! one where the old one was, and everybody whose root or working directory was the old root moves along.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

/// pivot_root(2).
pub const PIVOT_ROOT: SyscallInfo = SyscallInfo {
    nr: Sysno::PIVOT_ROOT,
    man: "pivot_root(2)",
    args: &[Arg::Path("new_root"), Arg::Path("put_old")],
    errno: &[
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::ENOENT, "a path leads nowhere, or new_root has been removed"),
        (Errno::ENOTDIR, "a path does not lead to a directory"),
        (Errno::EINVAL, "put_old, the parent of new_root or the parent of the current root is shared"),
        (Errno::EINVAL, "a mount is not in the caller's namespace, or new_root is locked"),
        (Errno::EBUSY, "new_root or put_old is on the current root mount"),
        (Errno::EINVAL, "new_root or the current root is not a mount point"),
        (Errno::EINVAL, "put_old is not below new_root, or new_root not below the current root"),
    ],
    support: Support::Full,
    run: pivot_root,
};

fn pivot_root(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    if !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    let directory = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
    let new = k.walk(caller, AT_FDCWD, args.str(0)?, directory)?;
    let old = k.walk(caller, AT_FDCWD, args.str(1)?, directory)?;
    k.security_sb_pivotroot(caller, old, new)?;
    let root = k.fs_root_of(caller).ok_or(Errno::ENOENT)?;
    let old = k.lock_mount_point(old)?;
    let root_parent = check(k, caller, root, new, old)?;

    k.take_down(new.mnt);
    let root_place = k.take_down(root.mnt).unwrap_or(root_parent);
    if k.vfs.mounts[root.mnt].locked {
        k.vfs.mounts[new.mnt].locked = true;
        k.vfs.mounts[root.mnt].locked = false;
    }
    k.hang(new.mnt, root_place);
    k.hang(root.mnt, old);
    k.vfs.mounts[new.mnt].expiring = false;
    move_everybody(k, root, new);
    Ok(Ret::new(0))
}

/// The checks, in the order of `path_pivot_root`. Where the current root is mounted.
fn check(k: &Kernel<'_>, caller: TaskId, root: VfsPath, new: VfsPath, old: VfsPath) -> Result<VfsPath, Errno> {
    let parent_is_shared = |path: VfsPath| {
        let parent = k.vfs.mounts[path.mnt].parent();
        parent.is_some_and(|p| k.vfs.mounts[p].propagation.shared.is_some())
    };
    if k.vfs.mounts[old.mnt].propagation.shared.is_some() || parent_is_shared(new) || parent_is_shared(root) {
        return Err(Errno::EINVAL);
    }
    if !k.is_own_mount(caller, root.mnt) || !k.is_own_mount(caller, new.mnt) || k.vfs.mounts[new.mnt].locked {
        return Err(Errno::EINVAL);
    }
    if k.is_unlinked(new.node) {
        return Err(Errno::ENOENT);
    }
    if new.mnt == root.mnt || old.mnt == root.mnt {
        return Err(Errno::EBUSY);
    }
    let Some(root_place) = k.vfs.mounts[root.mnt].place.filter(|_| k.is_mount_root(root)) else {
        return Err(Errno::EINVAL);
    };
    if !k.is_mount_root(new) || k.vfs.mounts[new.mnt].place.is_none() {
        return Err(Errno::EINVAL);
    }
    if !k.is_path_reachable(old, new) || !k.is_path_reachable(new, root) {
        return Err(Errno::EINVAL);
    }
    Ok(root_place)
}

/// Whoever had the old root as root or working directory gets the new one (`chroot_fs_refs`).
fn move_everybody(k: &mut Kernel<'_>, root: VfsPath, new: VfsPath) {
    let all: Vec<_> = k.vfs.fs_structs.ids().collect();
    for fs in all {
        if k.vfs.fs_structs[fs].root == root {
            k.set_fs_root(fs, new);
        }
        if k.vfs.fs_structs[fs].cwd == root {
            k.set_fs_cwd(fs, new);
        }
    }
    let moved: Vec<TaskId> = k.tasks.iter().filter(|(_, t)| !t.state.has_exited()).map(|(id, _)| id).collect();
    for task in moved {
        if k.fs_root_of(task) == Some(new) {
            k.emit(EventKind::RootChanged { task, path: Arc::from("/") });
        }
    }
}
