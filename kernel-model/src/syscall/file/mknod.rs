//! mknod(2) and mknodat(2): files, devices, fifos.

use crate::cgroup::controller::devices::DeviceAccess;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_FDCWD, s};
use crate::security::capability::Cap;
use crate::syscall::{Arg, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::content::Content;
use crate::vfs::fd_table::Fd;
use crate::vfs::inode::InodeKind;

const ERRORS: &[(Errno, &str)] = &[
    (
        Errno::EPERM,
        "a directory; a device without CAP_MKNOD in the first user namespace, or that the devices controller refuses",
    ),
    (Errno::EINVAL, "an unknown type"),
    (Errno::EEXIST, "the name exists"),
    (Errno::ENOENT, "a name on the way does not exist"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EACCES, "the directory may not be written"),
    (Errno::ENOSPC, "the file system may have no more inodes"),
];

/// mknod(2).
pub const MKNOD: SyscallInfo = SyscallInfo {
    nr: Sysno::MKNOD,
    man: "mknod(2)",
    args: &[Arg::Path("pathname"), Arg::Octal("mode"), Arg::Data("dev")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| mknod(k, caller, AT_FDCWD, a.str(0)?, a.int(1)? as u32, a.int(2)? as u64),
};

/// mknodat(2).
pub const MKNODAT: SyscallInfo = SyscallInfo {
    nr: Sysno::MKNODAT,
    man: "mknod(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Octal("mode"), Arg::Data("dev")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| mknod(k, caller, a.int32(0)?, a.str(1)?, a.int(2)? as u32, a.int(3)? as u64),
};

/// `do_mknodat`.
fn mknod(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, mode: u32, dev: u64) -> SysResult {
    let (major, minor) = unpack(dev);
    let (kind, is_device) = match mode & s::IFMT {
        0 | s::IFREG => (InodeKind::Regular(Content::default()), false),
        s::IFCHR => (InodeKind::CharDevice(major, minor), true),
        s::IFBLK => (InodeKind::BlockDevice(major, minor), true),
        s::IFIFO => (InodeKind::Fifo(None), false),
        s::IFSOCK => (InodeKind::Socket, false),
        s::IFDIR => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    let new = k.new_name(caller, dir, path, false)?;
    let dentry = k.may_create(caller, new.dir)?;
    // The whiteouts of overlayfs are devices with the number 0:0, which anybody may make.
    let whiteout = matches!(kind, InodeKind::CharDevice(0, 0));
    if is_device && !whiteout && !k.capable(caller, Cap::MKNOD) {
        return Err(Errno::EPERM.into());
    }
    let device = match kind {
        InodeKind::CharDevice(major, minor) if !whiteout => Some((false, (major, minor))),
        InodeKind::BlockDevice(major, minor) => Some((true, (major, minor))),
        _ => None,
    };
    if let Some((block, numbers)) = device {
        k.check_device_cgroup(caller, block, numbers, DeviceAccess::MKNOD)?;
    }
    k.make_inode(caller, new.dir, dentry, &new.name, kind, mode & 0o7777)?;
    Ok(Ret::new(0))
}

/// Major and minor number out of what `makedev(3)` packs.
fn unpack(dev: u64) -> (u32, u32) {
    let major = ((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff);
    let minor = (dev & 0xff) | ((dev >> 12) & !0xff);
    (major as u32, minor as u32)
}
