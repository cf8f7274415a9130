//! link(2), linkat(2), symlink(2) and symlinkat(2): more names.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW};
use crate::security::capability::Cap;
use crate::syscall::{Arg, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::FileType;
use crate::vfs::inode::InodeKind;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown flag"),
    (Errno::ENOENT, "the old name or a name on the way does not exist"),
    (Errno::EEXIST, "the new name exists"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EXDEV, "the two names are on different mounts"),
    (Errno::EACCES, "the directory may not be written"),
    (
        Errno::EPERM,
        "it is a directory, another's file that fs.protected_hardlinks protects, or the file system has no such names",
    ),
    (Errno::ENOSPC, "the file system may have no more inodes"),
];

/// link(2).
pub const LINK: SyscallInfo = SyscallInfo {
    nr: Sysno::LINK,
    man: "link(2)",
    args: &[Arg::Path("oldpath"), Arg::Path("newpath")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| link(k, caller, (AT_FDCWD, a.str(0)?), (AT_FDCWD, a.str(1)?), 0),
};

/// linkat(2).
pub const LINKAT: SyscallInfo = SyscallInfo {
    nr: Sysno::LINKAT,
    man: "link(2)",
    args: &[
        Arg::Fd("olddirfd"),
        Arg::Path("oldpath"),
        Arg::Fd("newdirfd"),
        Arg::Path("newpath"),
        Arg::Flags("flags", &[("AT_SYMLINK_FOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000)]),
    ],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| link(k, caller, (a.int32(0)?, a.str(1)?), (a.int32(2)?, a.str(3)?), a.int(4)?),
};

/// symlink(2).
pub const SYMLINK: SyscallInfo = SyscallInfo {
    nr: Sysno::SYMLINK,
    man: "symlink(2)",
    args: &[Arg::Path("target"), Arg::Path("linkpath")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| symlink(k, caller, a.str(0)?, AT_FDCWD, a.str(1)?),
};

/// symlinkat(2).
pub const SYMLINKAT: SyscallInfo = SyscallInfo {
    nr: Sysno::SYMLINKAT,
    man: "symlink(2)",
    args: &[Arg::Path("target"), Arg::Fd("newdirfd"), Arg::Path("linkpath")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| symlink(k, caller, a.str(0)?, a.int32(1)?, a.str(2)?),
};

/// `do_linkat` and `vfs_link`.
fn link(k: &mut Kernel<'_>, caller: TaskId, old: (Fd, &str), new: (Fd, &str), flags: i64) -> SysResult {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & AT_EMPTY_PATH != 0 && old.1.is_empty() && !k.capable(caller, Cap::DAC_READ_SEARCH) {
        return Err(Errno::ENOENT.into());
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_FOLLOW != 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    let from = k.walk(caller, old.0, old.1, lookup)?;
    let to = k.new_name(caller, new.0, new.1, false)?;
    if from.mnt != to.dir.mnt {
        return Err(Errno::EXDEV.into());
    }
    may_linkat(k, caller, from)?;
    let dir = k.may_create(caller, to.dir)?;
    let Node::Tree(dentry) = from.node else { return Err(Errno::EPERM.into()) };
    if !k.has_renames(dentry) {
        return Err(Errno::EPERM.into());
    }
    if k.attr(from).file_type == FileType::Directory {
        return Err(Errno::EPERM.into());
    }
    if k.inode_of(dentry).nlink == 0 {
        return Err(Errno::ENOENT.into());
    }
    k.security_path_link(caller, from, to.dir, &to.name)?;
    k.copy_up_for_writing(from)?;
    let inode = k.vfs.dentries[dentry].inode;
    let made = k.link_in(dir, &to.name, inode)?;
    k.emit_created(caller, VfsPath { mnt: to.dir.mnt, node: Node::Tree(made) });
    Ok(Ret::new(0))
}

/// With `fs.protected_hardlinks`, names are given only to one's own files, and to regular ones that one may read and write
/// and that lend nobody's rights.
fn may_linkat(k: &mut Kernel<'_>, caller: TaskId, from: VfsPath) -> Result<(), Errno> {
    let Node::Tree(dentry) = from.node else { return Ok(()) };
    if k.sysctl("fs/protected_hardlinks", caller).as_deref() != Some("1") {
        return Ok(());
    }
    let (mode, attr) = (k.inode_of(dentry).mode, k.attr(from));
    let lends = mode & S_ISUID != 0 || mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP;
    let is_safe = attr.file_type == FileType::Regular
        && !lends
        && k.inode_permission(caller, from, Access::READ | Access::WRITE).is_ok();
    let owns = super::chmod::owner_or_capable(k, caller, &attr);
    if is_safe || owns { Ok(()) } else { Err(Errno::EPERM) }
}

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

/// `do_symlinkat`.
fn symlink(k: &mut Kernel<'_>, caller: TaskId, target: &str, dir: Fd, path: &str) -> SysResult {
    if target.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    if target.len() >= 4096 {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let new = k.new_name(caller, dir, path, false)?;
    let dentry = k.may_create(caller, new.dir)?;
    k.make_inode(caller, new.dir, dentry, &new.name, InodeKind::Symlink(target.to_owned()), 0o777)?;
    Ok(Ret::new(0))
}
