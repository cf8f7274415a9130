//! pidfd_open(2) and pidfd_send_signal(2): a descriptor that names one process for ever, unlike a number.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::pid::PidId;
use crate::security::rlimit::NOFILE;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::fd_table::{Fd, FdEntry};
use crate::vfs::file::{FileKind, OpenFile};

/// pidfd_open(2).
pub const PIDFD_OPEN: SyscallInfo = SyscallInfo {
    nr: Sysno::PIDFD_OPEN,
    man: "pidfd_open(2)",
    args: &[Arg::Pid("pid"), Arg::Flags("flags", &[("PIDFD_NONBLOCK", 0o4000), ("PIDFD_THREAD", 0o200)])],
    errno: &[
        (
            Errno::EINVAL,
            "the pid is not positive, a flag is unknown, or the task is not the leader of its thread group",
        ),
        (Errno::ESRCH, "nobody has this number in the caller's PID namespace"),
        (Errno::EMFILE, "RLIMIT_NOFILE is reached"),
    ],
    support: Support::Full,
    run: pidfd_open,
};

/// pidfd_send_signal(2).
pub const PIDFD_SEND_SIGNAL: SyscallInfo = SyscallInfo {
    nr: Sysno::PIDFD_SEND_SIGNAL,
    man: "pidfd_send_signal(2)",
    args: &[Arg::Fd("pidfd"), Arg::Enum("sig", super::kill::SIGNALS), Arg::Data("info"), Arg::Int("flags")],
    errno: &[
        (
            Errno::EINVAL,
            "a flag or the signal is unknown, or the process cannot be seen from the caller's PID namespace",
        ),
        (Errno::EBADF, "the descriptor is not a pidfd"),
        (Errno::ESRCH, "the process is gone"),
        (Errno::EPERM, "the caller may not signal it"),
    ],
    support: Support::Partial("info is not used"),
    run: pidfd_send_signal,
};

fn pidfd_open(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (nr, flags) = (a.int32(0)?, a.int(1)?);
    if flags & !(0o4000 | 0o200) != 0 || nr <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let ns = k.pid_ns_of(caller);
    let pid = k.find_pid(ns, nr).ok_or(Errno::ESRCH)?;
    let task = k.pids[pid].task.ok_or(Errno::ESRCH)?;
    if k.processes[k.tasks[task].process].leader != task && flags & 0o200 == 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(Ret::new(open(k, caller, pid, flags as u32)?))
}

/// Opens a descriptor for a process.
pub(super) fn open(k: &mut Kernel<'_>, caller: TaskId, pid: PidId, flags: u32) -> Result<Fd, Errno> {
    let table = k.tasks[caller].files.ok_or(Errno::EBADF)?;
    let limit = k.processes[k.tasks[caller].process].rlimits.0[NOFILE].soft;
    let fd = k.vfs.fd_tables[table].lowest_free(0);
    if fd as u64 >= limit {
        return Err(Errno::EMFILE);
    }
    let file = OpenFile::new(FileKind::PidFd(pid), 2 | flags, std::sync::Arc::clone(&k.tasks[caller].cred));
    let file = k.vfs.files.add(file);
    k.vfs.fd_tables[table].fds.insert(fd, FdEntry { file, cloexec: true });
    k.emit(EventKind::FdOpened { fd, what: "anon_inode:[pidfd]".into() });
    Ok(fd)
}

/// The process that a pidfd of `caller` names.
pub(crate) fn pid_of_fd(k: &Kernel<'_>, caller: TaskId, fd: Fd) -> Result<PidId, Errno> {
    let table = k.tasks[caller].files.ok_or(Errno::EBADF)?;
    let entry = k.vfs.fd_tables[table].fds.get(&fd).ok_or(Errno::EBADF)?;
    match k.vfs.files[entry.file].kind {
        FileKind::PidFd(pid) => Ok(pid),
        _ => Err(Errno::EBADF),
    }
}

fn pidfd_send_signal(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    if a.int(3)? & !0b111 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let pid = pid_of_fd(k, caller, a.int32(0)?)?;
    let ns = k.pid_ns_of(caller);
    let Some(identity) = k.pids.get(pid) else { return Err(Errno::ESRCH.into()) };
    if identity.number_in(ns).is_none() {
        return Err(Errno::EINVAL.into());
    }
    let task = identity.task.ok_or(Errno::ESRCH)?;
    super::kill::signal_process(k, caller, task, a.int(1)?)?;
    Ok(Ret::new(0))
}
