//! statfs(2) and fstatfs(2): what kind of file system something is in, and how full that is.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::content::PAGE_SIZE;
use crate::vfs::fs::FsKind;
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

/// statfs(2).
pub const STATFS: SyscallInfo = SyscallInfo {
    nr: Sysno::STATFS,
    man: "statfs(2)",
    args: &[Arg::Path("path"), Arg::Data("buf")],
    errno: &[
        (Errno::ENOENT, "path leads nowhere"),
        (Errno::ENOTDIR, "something on the way is not a directory"),
        (Errno::EACCES, "no search permission on the way"),
    ],
    support: Support::Full,
    run: statfs,
};

/// fstatfs(2).
pub const FSTATFS: SyscallInfo = SyscallInfo {
    nr: Sysno::FSTATFS,
    man: "statfs(2)",
    args: &[Arg::Fd("fd"), Arg::Data("buf")],
    errno: &[(Errno::EBADF, "fd is not open"), (Errno::ENOSYS, "fd is not in a file system of the tree")],
    support: Support::Partial("pipes and other descriptors without a place give ENOSYS"),
    run: fstatfs,
};

fn statfs(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let path = k.walk(caller, AT_FDCWD, args.str(0)?, LookupFlags::FOLLOW)?;
    Ok(Ret::new(0).with(1, describe(k, path)))
}

fn fstatfs(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let path = k.file(caller, args.int32(0)?)?.path().ok_or(Errno::ENOSYS)?;
    Ok(Ret::new(0).with(1, describe(k, path)))
}

/// The number in `linux/magic.h`.
fn magic(kind: &FsKind) -> i64 {
    match kind {
        FsKind::Tmpfs(_) | FsKind::Rootfs => 0x0102_1994,
        FsKind::Proc(_) => 0x9fa0,
        FsKind::Sysfs => 0x6265_6572,
        FsKind::Devpts => 0x1cd1,
        FsKind::Mqueue => 0x1980_0202,
        FsKind::Cgroup(_) => 0x27_e0eb,
        FsKind::Cgroup2 => 0x6367_7270,
        FsKind::Nsfs => 0x6e73_6673,
        FsKind::Overlay(_) => 0x794c_7630,
        FsKind::Other(name) => match name.as_str() {
            "debugfs" => 0x6462_6720,
            "tracefs" => 0x7472_6163,
            "securityfs" => 0x7363_6673,
            "bpf" => 0xcafe_4a11,
            "ramfs" => 0x8584_58f6,
            "hugetlbfs" => 0x9584_58f6,
            _ => 0x0102_1994,
        },
    }
}

/// `ST_VALID`: the flags below mean something.
const ST_VALID: i64 = 0x20;

fn flags(options: MountFlags, read_only: bool) -> i64 {
    const BITS: [(MountFlags, i64); 8] = [
        (MountFlags::RDONLY, 1),
        (MountFlags::NOSUID, 2),
        (MountFlags::NODEV, 4),
        (MountFlags::NOEXEC, 8),
        (MountFlags::NOATIME, 0x400),
        (MountFlags::NODIRATIME, 0x800),
        (MountFlags::RELATIME, 0x1000),
        (MountFlags::NOSYMFOLLOW, 0x2000),
    ];
    let set = BITS.iter().filter(|(option, _)| options.contains(*option)).fold(0, |all, (_, bit)| all | bit);
    ST_VALID | set | i64::from(read_only)
}

fn describe(k: &Kernel<'_>, path: VfsPath) -> Value {
    let mut sb = k.super_of(path);
    let own = sb;
    // An overlay is as full as its upper layer.
    if let FsKind::Overlay(layers) = &sb.kind
        && let Some(top) = layers.upper.or(layers.lowers.first().copied())
    {
        sb = &k.vfs.supers[k.vfs.dentries[top].sb];
    }
    let (blocks, free, files, free_files) = match &sb.kind {
        FsKind::Tmpfs(quota) => {
            let left = |max: Option<u64>, used: u64| max.map_or((0, 0), |max| (max, max.saturating_sub(used)));
            let (blocks, free) = left(quota.max_pages, quota.pages);
            let (files, free_files) = left(quota.max_inodes, quota.inodes);
            (blocks, free, files, free_files)
        }
        _ => (0, 0, 0, 0),
    };
    let (major, minor) = own.dev;
    let fsid = vec![i64::from(minor | major << 20).into(), 0.into()];
    Value::record([
        ("f_type", magic(&own.kind).into()),
        ("f_bsize", PAGE_SIZE.into()),
        ("f_blocks", blocks.into()),
        ("f_bfree", free.into()),
        ("f_bavail", free.into()),
        ("f_files", files.into()),
        ("f_ffree", free_files.into()),
        ("f_fsid", Value::record([("val", Value::List(fsid))])),
        ("f_namelen", 255.into()),
        ("f_frsize", PAGE_SIZE.into()),
        ("f_flags", flags(k.vfs.mounts[path.mnt].flags, own.read_only).into()),
    ])
}
