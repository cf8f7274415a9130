//! unlink(2) and unlinkat(2): takes a name away.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_FDCWD, AT_REMOVEDIR};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::walk::Last;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "unlinkat(2): an unknown flag"),
    (Errno::EISDIR, "it is a directory"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::ENOENT, "the name does not exist"),
    (Errno::ENOTDIR, "a slash follows the name of something that is no directory"),
    (Errno::EACCES, "the directory may not be written"),
    (Errno::EPERM, "the directory is sticky and both belong to others; or names cannot be removed here"),
    (Errno::EBUSY, "something is mounted on it"),
];

/// unlink(2).
pub const UNLINK: SyscallInfo = SyscallInfo {
    nr: Sysno::UNLINK,
    man: "unlink(2)",
    args: &[Arg::Path("pathname")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| unlink(k, caller, AT_FDCWD, a.str(0)?),
};

/// unlinkat(2).
pub const UNLINKAT: SyscallInfo = SyscallInfo {
    nr: Sysno::UNLINKAT,
    man: "unlink(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Flags("flags", &[("AT_REMOVEDIR", 0x200)])],
    errno: ERRORS,
    support: Support::Full,
    run: unlinkat,
};

fn unlinkat(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (dir, path) = (a.int32(0)?, a.str(1)?);
    match a.int(2)? {
        0 => unlink(k, caller, dir, path),
        AT_REMOVEDIR => super::directory::rmdir(k, caller, dir, path),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `do_unlinkat`.
fn unlink(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str) -> SysResult {
    let parent = k.walk_parent(caller, dir, path)?;
    let Last::Name(name) = parent.last else { return Err(Errno::EISDIR.into()) };
    k.mnt_want_write(parent.dir.mnt)?;
    let victim = k.lookup_in(caller, parent.dir, &name)?.ok_or(Errno::ENOENT)?;
    if parent.trailing_slash {
        return Err(if k.is_dir(victim) { Errno::EISDIR } else { Errno::ENOTDIR }.into());
    }
    let dentry = k.may_delete(caller, parent.dir, victim, false)?;
    if k.is_local_mountpoint(caller, Node::Tree(dentry)) {
        return Err(Errno::EBUSY.into());
    }
    k.security_path_unlink(caller, victim)?;
    k.delete_name(caller, victim, dentry);
    Ok(Ret::new(0))
}
