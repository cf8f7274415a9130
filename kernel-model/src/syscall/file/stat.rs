//! stat(2), lstat(2), fstat(2) and newfstatat(2): what is known about a file.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Stat, makedev};
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::content::PAGE_SIZE;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::FileKind;
use crate::vfs::inode::InodeKind;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

/// `AT_NO_AUTOMOUNT`.
pub(super) const AT_NO_AUTOMOUNT: i64 = 0x800;

/// The flags of newfstatat(2).
pub(super) const AT_FLAGS: FlagNames =
    &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_NO_AUTOMOUNT", 0x800), ("AT_EMPTY_PATH", 0x1000)];

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown flag"),
    (Errno::EBADF, "fd is not open"),
    (Errno::ENOENT, "a name does not exist, or the path is empty"),
    (Errno::ENOTDIR, "a name on the way is no directory"),
    (Errno::EACCES, "search permission is missing for a directory on the way"),
    (Errno::ELOOP, "more than 40 symbolic links"),
    (Errno::ENAMETOOLONG, "the path or a name in it is too long"),
];

/// stat(2). The structure is output 1.
pub const STAT: SyscallInfo = SyscallInfo {
    nr: Sysno::STAT,
    man: "stat(2)",
    args: &[Arg::Path("pathname"), Arg::Data("statbuf")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| answer(k, caller, (AT_FDCWD, a.str(0)?, 0), 1),
};

/// lstat(2). The structure is output 1.
pub const LSTAT: SyscallInfo = SyscallInfo {
    nr: Sysno::LSTAT,
    man: "stat(2)",
    args: &[Arg::Path("pathname"), Arg::Data("statbuf")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| answer(k, caller, (AT_FDCWD, a.str(0)?, AT_SYMLINK_NOFOLLOW), 1),
};

/// fstat(2). The structure is output 1.
pub const FSTAT: SyscallInfo = SyscallInfo {
    nr: Sysno::FSTAT,
    man: "stat(2)",
    args: &[Arg::Fd("fd"), Arg::Data("statbuf")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| {
        let fd = a.int32(0)?;
        k.file_id(caller, fd)?;
        answer(k, caller, (fd, "", AT_EMPTY_PATH), 1)
    },
};

/// newfstatat(2). The structure is output 2.
pub const NEWFSTATAT: SyscallInfo = SyscallInfo {
    nr: Sysno::NEWFSTATAT,
    man: "stat(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Data("statbuf"), Arg::Flags("flags", AT_FLAGS)],
    errno: ERRORS,
    support: Support::Full,
    run: newfstatat,
};

fn newfstatat(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let flags = a.int(3)?;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    answer(k, caller, (a.int32(0)?, a.opt_str(1)?.unwrap_or(""), flags), 2)
}

fn answer(k: &mut Kernel<'_>, caller: TaskId, (dir, path, flags): (Fd, &str, i64), position: u8) -> SysResult {
    let subject = find(k, caller, dir, path, flags)?;
    if let Subject::Place(place) = subject {
        k.security_inode_getattr(caller, place)?;
        k.proc_getattr(place)?;
    }
    Ok(Ret::new(0).with(position, stat_of(k, caller, subject).to_value()))
}

/// What a call of this family is about.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    /// A place in the mount tree.
    Place(VfsPath),
    /// A descriptor on something that has no place: a pidfd and the like.
    Nameless,
}

/// Finds it: by path, or the descriptor itself for an empty one (`vfs_statx`).
pub(super) fn find(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, flags: i64) -> Result<Subject, Errno> {
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 && dir >= 0 {
        let file = k.file_id(caller, dir)?;
        let file = &k.vfs.files[file];
        return Ok(match (&file.kind, file.path()) {
            (_, Some(place)) => Subject::Place(place),
            (FileKind::PipeRead(p, _) | FileKind::PipeWrite(p, _) | FileKind::PipeBoth(p, _), None) => {
                let node = Node::Pipe(*p);
                Subject::Place(VfsPath { mnt: k.internal_mount(), node })
            }
            _ => Subject::Nameless,
        });
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    Ok(Subject::Place(k.walk(caller, dir, path, lookup)?))
}

/// The structure, with ids as the caller's user namespace has them.
fn stat_of(k: &Kernel<'_>, caller: TaskId, subject: Subject) -> Stat {
    let Subject::Place(place) = subject else {
        return Stat { st_mode: 0o600, st_nlink: 1, st_blksize: PAGE_SIZE as u64, ..Stat::default() };
    };
    let attr = k.attr(place);
    let ns = &k.user_namespaces[k.tasks[caller].cred.user_ns];
    let (major, minor) = k.super_of(place).dev;
    Stat {
        st_dev: makedev(major, minor),
        st_ino: attr.ino,
        st_mode: attr.file_type.mode_bits() | attr.mode,
        st_nlink: attr.nlink,
        st_uid: ns.uid(attr.uid),
        st_gid: ns.gid(attr.gid),
        st_rdev: makedev(attr.rdev.0, attr.rdev.1),
        st_size: attr.size,
        st_blksize: PAGE_SIZE as u64,
        st_blocks: blocks(k, place),
        st_atime: attr.atime.0,
        st_mtime: attr.mtime.0,
        st_ctime: attr.ctime.0,
    }
}

/// How many units of 512 bytes a file occupies.
pub(super) fn blocks(k: &Kernel<'_>, place: VfsPath) -> u64 {
    match place.node {
        Node::Tree(dentry) => match &k.inode_of(dentry).kind {
            InodeKind::Regular(content) if !matches!(k.super_of(place).kind, crate::vfs::fs::FsKind::Sysfs) => {
                content.page_count() * (PAGE_SIZE as u64 / 512)
            }
            _ => 0,
        },
        _ => 0,
    }
}
