//! dup(2), dup2(2) and dup3(2): another descriptor for the same open file.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::security::rlimit::NOFILE;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::fd_table::{Fd, FdEntry};

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "dup3(2): both are the same, or an unknown flag"),
    (Errno::EBADF, "oldfd is not open, or newfd is not below RLIMIT_NOFILE"),
    (Errno::EMFILE, "dup(2): RLIMIT_NOFILE is reached"),
];

/// dup(2).
pub const DUP: SyscallInfo = SyscallInfo {
    nr: Sysno::DUP,
    man: "dup(2)",
    args: &[Arg::Fd("oldfd")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| Ok(Ret::new(duplicate(k, caller, a.int32(0)?, 0, false)?)),
};

/// dup2(2).
pub const DUP2: SyscallInfo = SyscallInfo {
    nr: Sysno::DUP2,
    man: "dup2(2)",
    args: &[Arg::Fd("oldfd"), Arg::Fd("newfd")],
    errno: ERRORS,
    support: Support::Full,
    run: dup2,
};

/// dup3(2).
pub const DUP3: SyscallInfo = SyscallInfo {
    nr: Sysno::DUP3,
    man: "dup3(2)",
    args: &[Arg::Fd("oldfd"), Arg::Fd("newfd"), Arg::Flags("flags", &[("O_CLOEXEC", o::CLOEXEC as u64)])],
    errno: ERRORS,
    support: Support::Full,
    run: dup3,
};

fn dup2(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (old, new) = (a.int32(0)?, a.int32(1)?);
    if old == new {
        k.file_id(caller, old)?;
        return Ok(Ret::new(new));
    }
    replace(k, caller, old, new, false)
}

fn dup3(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (old, new, flags) = (a.int32(0)?, a.int32(1)?, a.int(2)? as u32);
    if flags & !o::CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL.into());
    }
    replace(k, caller, old, new, flags & o::CLOEXEC != 0)
}

/// The lowest free descriptor from `from` on for the file of `old`.
pub(super) fn duplicate(k: &mut Kernel<'_>, caller: TaskId, old: Fd, from: Fd, cloexec: bool) -> Result<Fd, Errno> {
    let file = k.file_id(caller, old)?;
    let new = k.unused_fd(caller, from)?;
    k.vfs.files[file].refs += 1;
    k.set_fd(caller, new, FdEntry { file, cloexec })?;
    Ok(new)
}

fn replace(k: &mut Kernel<'_>, caller: TaskId, old: Fd, new: Fd, cloexec: bool) -> SysResult {
    let limit = k.processes[k.tasks[caller].process].rlimits.0[NOFILE].soft;
    if u64::try_from(new).is_ok_and(|n| n >= limit) || new < 0 {
        return Err(Errno::EBADF.into());
    }
    let file = k.file_id(caller, old)?;
    k.vfs.files[file].refs += 1;
    // What was there is closed without a word.
    let _ = k.close_fd(caller, new);
    k.set_fd(caller, new, FdEntry { file, cloexec })?;
    Ok(Ret::new(new))
}
