//! close(2) and close_range(2).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;

/// `CLOSE_RANGE_UNSHARE`.
const UNSHARE: u64 = 2;
/// `CLOSE_RANGE_CLOEXEC`.
const CLOEXEC: u64 = 4;

/// close(2).
pub const CLOSE: SyscallInfo = SyscallInfo {
    nr: Sysno::CLOSE,
    man: "close(2)",
    args: &[Arg::Fd("fd")],
    errno: &[(Errno::EBADF, "fd is not open")],
    support: Support::Full,
    run: close,
};

/// close_range(2).
pub const CLOSE_RANGE: SyscallInfo = SyscallInfo {
    nr: Sysno::CLOSE_RANGE,
    man: "close_range(2)",
    args: &[
        Arg::Int("first"),
        Arg::Int("last"),
        Arg::Flags("flags", &[("CLOSE_RANGE_UNSHARE", UNSHARE), ("CLOSE_RANGE_CLOEXEC", CLOEXEC)]),
    ],
    errno: &[(Errno::EINVAL, "an unknown flag, or first is above last")],
    support: Support::Full,
    run: close_range,
};

fn close(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    k.close_fd(caller, a.int32(0)?)?;
    Ok(Ret::new(0))
}

fn close_range(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (first, last, flags) = (a.int(0)? as u32, a.int(1)? as u32, a.flags(2)?);
    if flags & !(UNSHARE | CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL.into());
    }
    let table = k.fd_table_of(caller)?;
    if flags & UNSHARE != 0 && k.vfs.fd_tables[table].users > 1 {
        let own = k.copy_files(table, false);
        k.vfs.fd_tables[table].users -= 1;
        k.tasks[caller].files = Some(own);
    }
    let table = k.fd_table_of(caller)?;
    let in_range = |fd: Fd| first <= fd as u32 && fd as u32 <= last;
    let fds: Vec<Fd> = k.vfs.fd_tables[table].fds.keys().copied().filter(|fd| in_range(*fd)).collect();
    for fd in fds {
        if flags & CLOEXEC == 0 {
            k.close_fd(caller, fd)?;
        } else if let Some(entry) = k.vfs.fd_tables[table].fds.get_mut(&fd) {
            entry.cloexec = true;
        }
    }
    Ok(Ret::new(0))
}
