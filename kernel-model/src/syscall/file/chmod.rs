//! chmod(2), fchmod(2), fchmodat(2), fchmodat2(2) and umask(2): permission bits.

use std::sync::Arc;

use crate::cgroup::FileOwner;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::{Attr, FileType};
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

const S_ISGID: u32 = 0o2000;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown flag"),
    (Errno::EBADF, "fd is not open"),
    (Errno::ENOENT, "a name does not exist"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EPERM, "the caller does not own the file and lacks CAP_FOWNER over it"),
    (Errno::EOPNOTSUPP, "it is a symbolic link"),
];

/// chmod(2).
pub const CHMOD: SyscallInfo = SyscallInfo {
    nr: Sysno::CHMOD,
    man: "chmod(2)",
    args: &[Arg::Path("pathname"), Arg::Octal("mode")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| by_path(k, caller, AT_FDCWD, a.str(0)?, a.int(1)?, 0),
};

/// fchmod(2).
pub const FCHMOD: SyscallInfo = SyscallInfo {
    nr: Sysno::FCHMOD,
    man: "chmod(2)",
    args: &[Arg::Fd("fd"), Arg::Octal("mode")],
    errno: ERRORS,
    support: Support::Full,
    run: fchmod,
};

/// fchmodat(2).
pub const FCHMODAT: SyscallInfo = SyscallInfo {
    nr: Sysno::FCHMODAT,
    man: "chmod(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Octal("mode")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| by_path(k, caller, a.int32(0)?, a.str(1)?, a.int(2)?, 0),
};

/// fchmodat2(2).
pub const FCHMODAT2: SyscallInfo = SyscallInfo {
    nr: Sysno::FCHMODAT2,
    man: "chmod(2)",
    args: &[
        Arg::Fd("dirfd"),
        Arg::Path("pathname"),
        Arg::Octal("mode"),
        Arg::Flags("flags", &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EMPTY_PATH", 0x1000)]),
    ],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| by_path(k, caller, a.int32(0)?, a.str(1)?, a.int(2)?, a.int(3)?),
};

/// umask(2).
pub const UMASK: SyscallInfo = SyscallInfo {
    nr: Sysno::UMASK,
    man: "umask(2)",
    args: &[Arg::Octal("mask")],
    errno: &[],
    support: Support::Full,
    run: umask,
};

fn by_path(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, mode: i64, flags: i64) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    let place = k.walk(caller, dir, path, lookup)?;
    change_mode(k, caller, place, mode as u32)
}

fn fchmod(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    match k.vfs.files[file].path() {
        Some(place) => change_mode(k, caller, place, a.int(1)? as u32),
        None => Ok(Ret::new(0)),
    }
}

/// `chmod_common` and `setattr_prepare`.
pub(super) fn change_mode(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, mode: u32) -> SysResult {
    k.mnt_want_write(place.mnt)?;
    k.security_path_chmod(caller, place)?;
    let attr = k.attr(place);
    if attr.file_type == FileType::Symlink {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if !owner_or_capable(k, caller, &attr) {
        return Err(Errno::EPERM.into());
    }
    let mut mode = mode & 0o7777;
    let in_group = k.tasks[caller].cred.in_group(attr.gid);
    if mode & S_ISGID != 0 && !in_group && !k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::FSETID) {
        mode &= !S_ISGID;
    }
    if let Node::Cgroup(node) = place.node {
        k.set_cgroup_owner(node, FileOwner { uid: attr.uid, gid: attr.gid, mode });
        return Ok(Ret::new(0));
    }
    let Node::Tree(dentry) = place.node else { return Err(Errno::EPERM.into()) };
    let now = k.unix_time();
    let inode = k.inode_of_mut(dentry);
    inode.mode = mode;
    inode.ctime = now;
    Ok(Ret::new(0))
}

/// `inode_owner_or_capable`: only the owner counts for the mapping here.
pub(super) fn owner_or_capable(k: &mut Kernel<'_>, caller: TaskId, attr: &Attr) -> bool {
    let cred = Arc::clone(&k.tasks[caller].cred);
    if cred.fsuid == attr.uid {
        return true;
    }
    let mapped = k.user_namespaces[cred.user_ns].uid_map.from_kernel(attr.uid.0).is_some();
    mapped && k.cred_capable(&cred, cred.user_ns, Cap::FOWNER)
}

fn umask(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let new = a.int(0)? as u32 & 0o777;
    let fs = k.tasks[caller].fs;
    let old = std::mem::replace(&mut k.vfs.fs_structs[fs].umask, new);
    Ok(Ret::new(old))
}
