//! chdir(2), fchdir(2) and getcwd(2): what `.` means.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::path::{Reach, VfsPath};
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

/// chdir(2).
pub const CHDIR: SyscallInfo = SyscallInfo {
    nr: Sysno::CHDIR,
    man: "chdir(2)",
    args: &[Arg::Path("path")],
    errno: &[
        (Errno::ENOENT, "path leads nowhere"),
        (Errno::ENOTDIR, "path does not lead to a directory"),
        (Errno::ELOOP, "more than 40 symbolic links on the way"),
        (Errno::ENAMETOOLONG, "a name is longer than 255 bytes or the path longer than 4095"),
        (Errno::EACCES, "no search permission on the way or in the directory"),
    ],
    support: Support::Full,
    run: chdir,
};

/// fchdir(2).
pub const FCHDIR: SyscallInfo = SyscallInfo {
    nr: Sysno::FCHDIR,
    man: "chdir(2)",
    args: &[Arg::Fd("fd")],
    errno: &[
        (Errno::EBADF, "fd is not open"),
        (Errno::ENOTDIR, "fd is not a directory"),
        (Errno::EACCES, "no search permission in the directory"),
    ],
    support: Support::Full,
    run: fchdir,
};

/// getcwd(2). The call itself returns the length with the final NUL.
pub const GETCWD: SyscallInfo = SyscallInfo {
    nr: Sysno::GETCWD,
    man: "getcwd(3)",
    args: &[Arg::Path("buf"), Arg::Int("size")],
    errno: &[(Errno::ENOENT, "the directory has been removed"), (Errno::ERANGE, "size is too small")],
    support: Support::Full,
    run: getcwd,
};

fn chdir(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let path = k.walk(caller, AT_FDCWD, args.str(0)?, LookupFlags::FOLLOW | LookupFlags::DIRECTORY)?;
    enter(k, caller, path)
}

fn fchdir(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let path = k.file(caller, args.int32(0)?)?.path().ok_or(Errno::ENOTDIR)?;
    if !k.is_dir(path) {
        return Err(Errno::ENOTDIR.into());
    }
    enter(k, caller, path)
}

fn enter(k: &mut Kernel<'_>, caller: TaskId, path: VfsPath) -> SysResult {
    k.inode_permission(caller, path, Access::EXEC)?;
    let fs = k.tasks[caller].fs;
    k.set_fs_cwd(fs, path);
    Ok(Ret::new(0))
}

fn getcwd(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let (Some(root), Some(cwd)) = (k.fs_root_of(caller), k.cwd_of(caller)) else { return Err(Errno::ENOENT.into()) };
    if k.is_unlinked(cwd.node) {
        return Err(Errno::ENOENT.into());
    }
    let (mut text, reach) = k.path_from(cwd, root);
    if reach != Reach::Root {
        text.insert_str(0, "(unreachable)");
    }
    let length = text.len() as i64 + 1;
    if length > args.int(1)? {
        return Err(Errno::ERANGE.into());
    }
    Ok(Ret::new(length).with(0, Value::str(text)))
}
