//! statx(2): what is known about a file, and whether it is the root of a mount.

use super::stat::{AT_NO_AUTOMOUNT, Subject, blocks, find};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;
use crate::vfs::content::PAGE_SIZE;

/// `STATX_BASIC_STATS | STATX_MNT_ID`: what is always filled in.
const FILLED: i64 = 0x7ff | 0x1000;
/// `STATX__RESERVED`.
const RESERVED: i64 = 0x8000_0000;
/// `STATX_ATTR_MOUNT_ROOT`.
const MOUNT_ROOT: i64 = 0x2000;
/// The attributes that are told apart at all.
const ATTRIBUTES: i64 = 0x10 | 0x20 | 0x40 | 0x1000 | MOUNT_ROOT | 0x20_0000;

/// statx(2). The structure is output 4.
pub const STATX: SyscallInfo = SyscallInfo {
    nr: Sysno::STATX,
    man: "statx(2)",
    args: &[
        Arg::Fd("dirfd"),
        Arg::Path("pathname"),
        Arg::Flags(
            "flags",
            &[
                ("AT_STATX_SYNC_AS_STAT", 0),
                ("AT_STATX_FORCE_SYNC", 0x2000),
                ("AT_STATX_DONT_SYNC", 0x4000),
                ("AT_SYMLINK_NOFOLLOW", 0x100),
                ("AT_NO_AUTOMOUNT", 0x800),
                ("AT_EMPTY_PATH", 0x1000),
            ],
        ),
        Arg::Flags(
            "mask",
            &[
                ("STATX_ALL", 0xfff),
                ("STATX_BASIC_STATS", 0x7ff),
                ("STATX_TYPE", 1),
                ("STATX_MODE", 2),
                ("STATX_NLINK", 4),
                ("STATX_UID", 8),
                ("STATX_GID", 0x10),
                ("STATX_ATIME", 0x20),
                ("STATX_MTIME", 0x40),
                ("STATX_CTIME", 0x80),
                ("STATX_INO", 0x100),
                ("STATX_SIZE", 0x200),
                ("STATX_BLOCKS", 0x400),
                ("STATX_BTIME", 0x800),
                ("STATX_MNT_ID", 0x1000),
            ],
        ),
        Arg::Data("statxbuf"),
    ],
    errno: &[
        (Errno::EINVAL, "an unknown flag, both sync flags, or a reserved bit in the mask"),
        (Errno::EBADF, "dirfd is not open"),
        (Errno::ENOENT, "a name does not exist, or the path is empty"),
        (Errno::ENOTDIR, "a name on the way is no directory"),
        (Errno::EACCES, "search permission is missing for a directory on the way"),
    ],
    support: Support::Partial("no birth times"),
    run: statx,
};

fn statx(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (flags, mask) = (a.int(2)?, a.int(3)?);
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | 0x6000;
    if mask & RESERVED != 0 || flags & !known != 0 || flags & 0x6000 == 0x6000 {
        return Err(Errno::EINVAL.into());
    }
    let subject = find(k, caller, a.int32(0)?, a.opt_str(1)?.unwrap_or(""), flags)?;
    let Subject::Place(place) = subject else {
        return Ok(Ret::new(0).with(4, Value::record([("stx_mask", FILLED.into()), ("stx_mode", 0o600.into())])));
    };
    k.security_inode_getattr(caller, place)?;
    k.proc_getattr(place)?;
    let attr = k.attr(place);
    let ns = &k.user_namespaces[k.tasks[caller].cred.user_ns];
    let is_root = k.vfs.mounts[place.mnt].root == place.node;
    let (major, minor) = k.super_of(place).dev;
    let fields = Value::record([
        ("stx_mask", FILLED.into()),
        ("stx_blksize", PAGE_SIZE.into()),
        ("stx_attributes", if is_root { MOUNT_ROOT } else { 0 }.into()),
        ("stx_nlink", attr.nlink.into()),
        ("stx_uid", ns.uid(attr.uid).into()),
        ("stx_gid", ns.gid(attr.gid).into()),
        ("stx_mode", (attr.file_type.mode_bits() | attr.mode).into()),
        ("stx_ino", attr.ino.into()),
        ("stx_size", attr.size.into()),
        ("stx_blocks", blocks(k, place).into()),
        ("stx_attributes_mask", ATTRIBUTES.into()),
        ("stx_atime", timestamp(attr.atime)),
        ("stx_ctime", timestamp(attr.ctime)),
        ("stx_mtime", timestamp(attr.mtime)),
        ("stx_rdev_major", attr.rdev.0.into()),
        ("stx_rdev_minor", attr.rdev.1.into()),
        ("stx_dev_major", major.into()),
        ("stx_dev_minor", minor.into()),
        ("stx_mnt_id", place.mnt.0.into()),
    ]);
    Ok(Ret::new(0).with(4, fields))
}

/// A `struct statx_timestamp`.
fn timestamp(at: Nanos) -> Value {
    Value::record([("tv_sec", at.seconds().into()), ("tv_nsec", at.subsec_nanos().into())])
}
