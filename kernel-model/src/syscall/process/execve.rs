//! execve(2) and execveat(2): a new program for the calling process.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::syscall::{Arg, Args, Stop, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::task::exec::Binprm;
use crate::vfs::fd_table::Fd;
use crate::vfs::walk::LookupFlags;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "execveat(2): an unknown flag"),
    (Errno::EBADF, "execveat(2): dirfd is not open"),
    (Errno::ENOENT, "the file or its interpreter does not exist, or the path is empty"),
    (Errno::ENOTDIR, "a name on the way is no directory"),
    (Errno::E2BIG, "arguments and environment are too long"),
    (Errno::EACCES, "no execute permission, no regular file, or a noexec mount"),
    (Errno::ETXTBSY, "somebody has the file open for writing"),
    (Errno::ENOEXEC, "the file is neither a program nor a script that begins with #!"),
    (Errno::ELOOP, "too many interpreters or symbolic links"),
    (Errno::EPERM, "the file needs capabilities that the bounding set takes away"),
];

/// execve(2).
pub const EXECVE: SyscallInfo = SyscallInfo {
    nr: Sysno::EXECVE,
    man: "execve(2)",
    args: &[Arg::Path("pathname"), Arg::Strings("argv"), Arg::Strings("envp")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| run(k, caller, a, 0, AT_FDCWD, 0),
};

/// execveat(2).
pub const EXECVEAT: SyscallInfo = SyscallInfo {
    nr: Sysno::EXECVEAT,
    man: "execveat(2)",
    args: &[
        Arg::Fd("dirfd"),
        Arg::Path("pathname"),
        Arg::Strings("argv"),
        Arg::Strings("envp"),
        Arg::Flags("flags", &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EMPTY_PATH", 0x1000)]),
    ],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| run(k, caller, a, 1, a.int32(0)?, a.int(4)?),
};

/// `do_execveat_common`; the path is argument `first`.
fn run(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, first: usize, dir: Fd, flags: i64) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = a.str(first)?;
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    let place = k.walk(caller, dir, path, lookup)?;
    let by_descriptor = dir != AT_FDCWD && !path.starts_with('/');
    let filename = match (by_descriptor, path) {
        (false, path) => path.to_owned(),
        (true, "") => format!("/dev/fd/{dir}"),
        (true, path) => format!("/dev/fd/{dir}/{path}"),
    };
    let table = k.fd_table_of(caller)?;
    let path_inaccessible = by_descriptor && k.vfs.fd_tables[table].fds.get(&dir).is_some_and(|e| e.cloexec);
    let (argv, envp) = (a.strings(first + 1)?, a.strings(first + 2)?);
    k.exec(caller, Binprm { place, filename, path_inaccessible, argv, envp })?;
    Err(Stop::NoReturn)
}
