//! chown(2), lchown(2), fchown(2) and fchownat(2): owner and group.

use std::sync::Arc;

use crate::cgroup::FileOwner;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::security::capability::Cap;
use crate::security::credentials::{Kgid, Kuid};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::FileType;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown flag, or an id that has no mapping in the caller's user namespace"),
    (Errno::EBADF, "fd is not open"),
    (Errno::ENOENT, "a name does not exist"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EOVERFLOW, "the new owner has no id in the user namespace of the file system"),
    (Errno::EPERM, "no CAP_CHOWN over the file; its owner may only give it to a group that he is in"),
];

/// chown(2).
pub const CHOWN: SyscallInfo = SyscallInfo {
    nr: Sysno::CHOWN,
    man: "chown(2)",
    args: &[Arg::Path("pathname"), Arg::Uid("owner"), Arg::Uid("group")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| by_path(k, caller, (AT_FDCWD, a.str(0)?), (a.int(1)?, a.int(2)?), 0),
};

/// lchown(2).
pub const LCHOWN: SyscallInfo = SyscallInfo {
    nr: Sysno::LCHOWN,
    man: "chown(2)",
    args: &[Arg::Path("pathname"), Arg::Uid("owner"), Arg::Uid("group")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| by_path(k, caller, (AT_FDCWD, a.str(0)?), (a.int(1)?, a.int(2)?), AT_SYMLINK_NOFOLLOW),
};

/// fchown(2).
pub const FCHOWN: SyscallInfo = SyscallInfo {
    nr: Sysno::FCHOWN,
    man: "chown(2)",
    args: &[Arg::Fd("fd"), Arg::Uid("owner"), Arg::Uid("group")],
    errno: ERRORS,
    support: Support::Full,
    run: fchown,
};

/// fchownat(2).
pub const FCHOWNAT: SyscallInfo = SyscallInfo {
    nr: Sysno::FCHOWNAT,
    man: "chown(2)",
    args: &[
        Arg::Fd("dirfd"),
        Arg::Path("pathname"),
        Arg::Uid("owner"),
        Arg::Uid("group"),
        Arg::Flags("flags", &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EMPTY_PATH", 0x1000)]),
    ],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| by_path(k, caller, (a.int32(0)?, a.str(1)?), (a.int(2)?, a.int(3)?), a.int(4)?),
};

fn by_path(k: &mut Kernel<'_>, caller: TaskId, at: (Fd, &str), owner: (i64, i64), flags: i64) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    let place = k.walk(caller, at.0, at.1, lookup)?;
    change_owner(k, caller, place, owner)
}

fn fchown(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    match k.vfs.files[file].path() {
        Some(place) => change_owner(k, caller, place, (a.int(1)?, a.int(2)?)),
        None => Ok(Ret::new(0)),
    }
}

/// `chown_common` and `setattr_prepare`.
fn change_owner(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, (user, group): (i64, i64)) -> SysResult {
    k.mnt_want_write(place.mnt)?;
    let cred = Arc::clone(&k.tasks[caller].cred);
    let ns = &k.user_namespaces[cred.user_ns];
    let id = |n: i64| Some(n as u32).filter(|n| *n != u32::MAX);
    let uid = id(user).map(|n| ns.kuid(n).ok_or(Errno::EINVAL)).transpose()?;
    let gid = id(group).map(|n| ns.kgid(n).ok_or(Errno::EINVAL)).transpose()?;
    k.security_path_chown(caller, place)?;
    let attr = k.attr(place);
    let sb_ns = &k.user_namespaces[k.super_of(place).user_ns];
    let nameable = uid.is_none_or(|u: Kuid| sb_ns.uid_map.from_kernel(u.0).is_some())
        && gid.is_none_or(|g: Kgid| sb_ns.gid_map.from_kernel(g.0).is_some());
    if !nameable {
        return Err(Errno::EOVERFLOW.into());
    }
    let own = cred.fsuid == attr.uid;
    if let Some(uid) = uid
        && !(own && uid == attr.uid)
        && !k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::CHOWN)
    {
        return Err(Errno::EPERM.into());
    }
    if let Some(gid) = gid
        && !(own && (cred.in_group(gid) || gid == attr.gid))
        && !k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::CHOWN)
    {
        return Err(Errno::EPERM.into());
    }
    let mut drop = 0;
    if attr.file_type != FileType::Directory {
        drop = attr.mode & S_ISUID;
        let keeps_sgid = attr.mode & S_IXGRP == 0
            && (cred.in_group(attr.gid) || k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::FSETID));
        if attr.mode & S_ISGID != 0 && !keeps_sgid {
            drop |= S_ISGID;
        }
    }
    if let Node::Cgroup(node) = place.node {
        let (uid, gid) = (uid.unwrap_or(attr.uid), gid.unwrap_or(attr.gid));
        k.set_cgroup_owner(node, FileOwner { uid, gid, mode: attr.mode & !drop });
        return Ok(Ret::new(0));
    }
    let Node::Tree(dentry) = place.node else { return Err(Errno::EPERM.into()) };
    let now = k.unix_time();
    let inode = k.inode_of_mut(dentry);
    inode.uid = uid.unwrap_or(inode.uid);
    inode.gid = gid.unwrap_or(inode.gid);
    inode.mode &= !drop;
    inode.ctime = now;
    if attr.file_type != FileType::Directory {
        inode.xattrs.remove("security.capability");
    }
    Ok(Ret::new(0))
}
