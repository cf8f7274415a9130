//! statfs(2), fstatfs(2): how full a file system is. sync(2) and its relatives: what was changed in memory goes to the
//! disk ([`crate::mm::writeback`]).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;
use crate::vfs::Node;
use crate::vfs::content::PAGE_SIZE;
use crate::vfs::fs::FsKind;
use crate::vfs::fs::policyfs::PolicyFs;
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

/// `ST_VALID`: the flags mean something.
const ST_VALID: i64 = 0x20;

/// statfs(2). The structure is output 1.
pub const STATFS: SyscallInfo = SyscallInfo {
    nr: Sysno::STATFS,
    man: "statfs(2)",
    args: &[Arg::Path("path"), Arg::Data("buf")],
    errno: &[(Errno::ENOENT, "a name does not exist"), (Errno::EACCES, "search permission is missing")],
    support: Support::Full,
    run: |k, caller, a| {
        let place = k.walk(caller, AT_FDCWD, a.str(0)?, LookupFlags::FOLLOW)?;
        Ok(answer(k, place))
    },
};

/// fstatfs(2). The structure is output 1.
pub const FSTATFS: SyscallInfo = SyscallInfo {
    nr: Sysno::FSTATFS,
    man: "statfs(2)",
    args: &[Arg::Fd("fd"), Arg::Data("buf")],
    errno: &[(Errno::EBADF, "fd is not open")],
    support: Support::Partial("pipes and other files without a place show zeros"),
    run: |k, caller, a| {
        let file = k.file_id(caller, a.int32(0)?)?;
        Ok(k.vfs.files[file].path().map_or_else(|| Ret::new(0), |place| answer(k, place)))
    },
};

/// fsync(2).
pub const FSYNC: SyscallInfo = on_descriptor(Sysno::FSYNC, "fsync(2)", flush);
/// fdatasync(2).
pub const FDATASYNC: SyscallInfo = on_descriptor(Sysno::FDATASYNC, "fsync(2)", flush);
/// syncfs(2).
pub const SYNCFS: SyscallInfo = on_descriptor(Sysno::SYNCFS, "sync(2)", flush_all);

/// sync(2).
pub const SYNC: SyscallInfo = SyscallInfo {
    nr: Sysno::SYNC,
    man: "sync(2)",
    args: &[],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| {
        // Every file system is looked at, every disk that has one is asked.
        k.spend(Nanos(20_000));
        let disks = k.mounted_disks();
        k.sync_pages(caller, None, &disks)?;
        Ok(Ret::new(0))
    },
};

const fn on_descriptor(nr: Sysno, man: &'static str, run: crate::syscall::Handler) -> SyscallInfo {
    SyscallInfo {
        nr,
        man,
        args: &[Arg::Fd("fd")],
        errno: &[(Errno::EBADF, "fd is not open"), (Errno::EINVAL, "fd is a pipe or a terminal")],
        support: Support::Full,
        run,
    }
}

fn flush(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    flush_file(k, caller, a, false)
}

fn flush_all(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    flush_file(k, caller, a, true)
}

/// Writes back what was changed of a file, or of everything on its disk.
fn flush_file(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, whole: bool) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    super::read::has_offsets(k, file).map_err(|_| Errno::EINVAL)?;
    let Some(Node::Tree(dentry)) = k.vfs.files[file].path().map(|p| p.node) else { return Ok(Ret::new(0)) };
    let inode = k.vfs.dentries[dentry].inode;
    let disk = k.disk_under(k.vfs.inodes[inode].sb);
    k.sync_pages(caller, Some(inode).filter(|_| !whole), disk.as_slice())?;
    Ok(Ret::new(0))
}

/// The `struct statfs` of the file system at a place.
fn answer(k: &Kernel<'_>, place: VfsPath) -> Ret {
    let super_block = k.super_of(place);
    let magic: i64 = match super_block.kind {
        FsKind::Ext4(_) => 0xef53,
        FsKind::Proc(_) => 0x9fa0,
        FsKind::Sysfs => 0x6265_6572,
        FsKind::Policy(PolicyFs::Securityfs) => 0x7363_6673,
        FsKind::Policy(PolicyFs::Selinuxfs) => 0xf97c_ff8c,
        FsKind::Devpts(_) => 0x1cd1,
        FsKind::Mqueue => 0x1980_0202,
        FsKind::Cgroup(_) => 0x0027_e0eb,
        FsKind::Cgroup2(_) => 0x6367_7270,
        FsKind::Nsfs => 0x6e73_6673,
        FsKind::Overlay(_) => 0x794c_7630,
        _ => 0x0102_1994,
    };
    let (mut blocks, mut free, mut files, mut files_free) = (0, 0, 0, 0);
    if let FsKind::Tmpfs(quota) | FsKind::Ext4(quota) = &super_block.kind {
        if let Some(max) = quota.max_pages {
            (blocks, free) = (max, max.saturating_sub(quota.pages));
        }
        if let Some(max) = quota.max_inodes {
            (files, files_free) = (max, max.saturating_sub(quota.inodes));
        }
    }
    let mount = k.vfs.mounts[place.mnt].flags;
    let bits = [
        (MountFlags::NOSUID, 2),
        (MountFlags::NODEV, 4),
        (MountFlags::NOEXEC, 8),
        (MountFlags::NOATIME, 0x400),
        (MountFlags::NODIRATIME, 0x800),
        (MountFlags::RELATIME, 0x1000),
        (MountFlags::NOSYMFOLLOW, 0x2000),
    ];
    let set: i64 = bits.iter().filter(|(flag, _)| mount.contains(*flag)).map(|(_, bit)| bit).sum();
    let read_only = i64::from(mount.contains(MountFlags::RDONLY) || super_block.read_only);
    let block = PAGE_SIZE as i64;
    let fields = Value::record([
        ("f_type", magic.into()),
        ("f_bsize", block.into()),
        ("f_blocks", blocks.into()),
        ("f_bfree", free.into()),
        ("f_bavail", free.into()),
        ("f_files", files.into()),
        ("f_ffree", files_free.into()),
        ("f_fsid", Value::List(vec![super_block.dev.1.into(), 0.into()])),
        ("f_namelen", 255.into()),
        ("f_frsize", block.into()),
        ("f_flags", (ST_VALID | set | read_only).into()),
    ]);
    Ret::new(0).with(1, fields)
}
