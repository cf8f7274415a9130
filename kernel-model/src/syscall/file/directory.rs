//! mkdir(2), mkdirat(2) and rmdir(2).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::cgroupfs::CgroupNode;
use crate::vfs::inode::InodeKind;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::Last;

const MKDIR_ERRORS: &[(Errno, &str)] = &[
    (Errno::ENOENT, "a name on the way does not exist, or the directory has been removed"),
    (Errno::ENOTDIR, "a name on the way is no directory"),
    (Errno::EEXIST, "the name exists"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EOVERFLOW, "the caller has no id in the user namespace of the file system"),
    (Errno::EACCES, "the directory may not be written"),
    (Errno::EPERM, "the file system does not let directories be made"),
    (Errno::ENOSPC, "the file system may have no more inodes"),
];

const RMDIR_ERRORS: &[(Errno, &str)] = &[
    (Errno::ENOTEMPTY, "there are names in the directory, or the path ends in .."),
    (Errno::EINVAL, "the path ends in ."),
    (Errno::EBUSY, "it is the root directory, or something is mounted on it"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::ENOENT, "the name does not exist"),
    (Errno::EACCES, "the directory above may not be written"),
    (Errno::EPERM, "the directory above is sticky and both belong to others; or names cannot be removed here"),
    (Errno::ENOTDIR, "it is no directory"),
];

/// mkdir(2).
pub const MKDIR: SyscallInfo = SyscallInfo {
    nr: Sysno::MKDIR,
    man: "mkdir(2)",
    args: &[Arg::Path("pathname"), Arg::Octal("mode")],
    errno: MKDIR_ERRORS,
    support: Support::Full,
    run: |k, caller, a| mkdir(k, caller, AT_FDCWD, a.str(0)?, a.int(1)? as u32),
};

/// mkdirat(2).
pub const MKDIRAT: SyscallInfo = SyscallInfo {
    nr: Sysno::MKDIRAT,
    man: "mkdir(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Octal("mode")],
    errno: MKDIR_ERRORS,
    support: Support::Full,
    run: |k, caller, a| mkdir(k, caller, a.int32(0)?, a.str(1)?, a.int(2)? as u32),
};

/// rmdir(2).
pub const RMDIR: SyscallInfo = SyscallInfo {
    nr: Sysno::RMDIR,
    man: "rmdir(2)",
    args: &[Arg::Path("pathname")],
    errno: RMDIR_ERRORS,
    support: Support::Full,
    run: |k, caller, a| rmdir(k, caller, AT_FDCWD, a.str(0)?),
};

fn mkdir(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, mode: u32) -> SysResult {
    let new = k.new_name(caller, dir, path, true)?;
    if let Node::Cgroup(CgroupNode::Dir(parent)) = new.dir.node {
        k.may_add_names(caller, new.dir)?;
        let umask = k.vfs.fs_structs[k.tasks[caller].fs].umask;
        let group = k.cgroup_mkdir(caller, parent, &new.name, mode & 0o1777 & !umask)?;
        k.emit_created(caller, VfsPath { mnt: new.dir.mnt, node: Node::Cgroup(CgroupNode::Dir(group)) });
        return Ok(Ret::new(0));
    }
    let dentry = k.may_create(caller, new.dir)?;
    k.make_inode(caller, new.dir, dentry, &new.name, InodeKind::Directory, mode & 0o1777)?;
    Ok(Ret::new(0))
}

/// `do_rmdir`; unlinkat(2) with `AT_REMOVEDIR` does the same.
pub(super) fn rmdir(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str) -> SysResult {
    let parent = k.walk_parent(caller, dir, path)?;
    let name = match parent.last {
        Last::Name(name) => name,
        Last::DotDot => return Err(Errno::ENOTEMPTY.into()),
        Last::Dot => return Err(Errno::EINVAL.into()),
        Last::Root => return Err(Errno::EBUSY.into()),
    };
    k.mnt_want_write(parent.dir.mnt)?;
    let victim = k.lookup_in(caller, parent.dir, &name)?.ok_or(Errno::ENOENT)?;
    if let Node::Cgroup(CgroupNode::Dir(group)) = victim.node {
        k.may_remove_name(caller, parent.dir, victim, true)?;
        if k.is_local_mountpoint(caller, victim.node) {
            return Err(Errno::EBUSY.into());
        }
        k.cgroup_rmdir(group)?;
        k.detach_mounts(victim.node);
        return Ok(Ret::new(0));
    }
    let dentry = k.may_delete(caller, parent.dir, victim, true)?;
    if k.is_local_mountpoint(caller, Node::Tree(dentry)) {
        return Err(Errno::EBUSY.into());
    }
    k.security_path_unlink(caller, victim)?;
    if !k.vfs.dentries[dentry].children.is_empty() {
        return Err(Errno::ENOTEMPTY.into());
    }
    k.delete_name(caller, victim, dentry);
    Ok(Ret::new(0))
}
