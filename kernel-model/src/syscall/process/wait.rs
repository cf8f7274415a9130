//! wait4(2) and waitid(2): waits for a child to change state.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::signal::Signal;
use crate::task::wait::{
    Report, Reported, WALL, WCLONE, WCONTINUED, WEXITED, WNOHANG, WNOTHREAD, WNOWAIT, WUNTRACED, Which,
};
use crate::task::{ExitStatus, TaskId};

const OPTIONS: FlagNames = &[
    ("WNOHANG", WNOHANG as u64),
    ("WSTOPPED", WUNTRACED as u64),
    ("WEXITED", WEXITED as u64),
    ("WCONTINUED", WCONTINUED as u64),
    ("WNOWAIT", WNOWAIT as u64),
    ("__WNOTHREAD", WNOTHREAD as u64),
    ("__WALL", WALL as u64),
    ("__WCLONE", WCLONE as u64),
    ("WUNTRACED", WUNTRACED as u64),
];

const ID_TYPES: FlagNames = &[("P_ALL", 0), ("P_PID", 1), ("P_PGID", 2), ("P_PIDFD", 3)];

/// wait4(2).
pub const WAIT4: SyscallInfo = SyscallInfo {
    nr: Sysno::WAIT4,
    man: "wait4(2)",
    args: &[Arg::Pid("pid"), Arg::Data("wstatus"), Arg::Flags("options", OPTIONS), Arg::Data("rusage")],
    errno: &[
        (Errno::EINVAL, "an option is unknown"),
        (Errno::ESRCH, "the process group number is the smallest integer"),
        (Errno::ECHILD, "no child of the caller matches"),
        (Errno::EINTR, "a signal with a handler came first"),
    ],
    support: Support::Partial("resource usage is not stored"),
    run: wait4,
};

/// waitid(2).
pub const WAITID: SyscallInfo = SyscallInfo {
    nr: Sysno::WAITID,
    man: "waitid(2)",
    args: &[
        Arg::Enum("idtype", ID_TYPES),
        Arg::Pid("id"),
        Arg::Data("infop"),
        Arg::Flags("options", OPTIONS),
        Arg::Data("rusage"),
    ],
    errno: &[
        (Errno::EINVAL, "an option or the id type is unknown, or no state to wait for is given"),
        (Errno::EBADF, "P_PIDFD with a descriptor that is not a pidfd"),
        (Errno::ECHILD, "no child of the caller matches"),
        (Errno::EINTR, "a signal with a handler came first"),
    ],
    support: Support::Partial("resource usage is not stored"),
    run: waitid,
};

fn wait4(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (pid, options) = (a.int32(0)?, a.int(2)?);
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let ns = k.pid_ns_of(caller);
    let which = match pid {
        -1 => Which::Any,
        i32::MIN => return Err(Errno::ESRCH.into()),
        0 => Which::Group(Some(k.processes[k.tasks[caller].process].pgrp)),
        1.. => Which::Pid(k.find_pid(ns, pid)),
        group => Which::Group(k.find_pid(ns, -group)),
    };
    Ok(match k.wait_for(caller, which, options | WEXITED)? {
        None => Ret::new(0),
        Some(Reported { pid, what, .. }) => {
            let status = match what {
                Report::Exited(status) => status.wait_status(),
                Report::Stopped(signal) => i32::from(signal.0) << 8 | 0x7f,
                Report::Continued => 0xffff,
            };
            Ret::new(pid).with(1, status.into())
        }
    })
}

fn waitid(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id_type, id, options) = (a.int(0)?, a.int32(1)?, a.int(3)?);
    if options & !(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL) != 0
        || options & (WEXITED | WUNTRACED | WCONTINUED) == 0
    {
        return Err(Errno::EINVAL.into());
    }
    let ns = k.pid_ns_of(caller);
    let which = match id_type {
        0 => Which::Any,
        1 if id > 0 => Which::Pid(k.find_pid(ns, id)),
        2 if id > 0 => Which::Group(k.find_pid(ns, id)),
        2 if id == 0 => Which::Group(Some(k.processes[k.tasks[caller].process].pgrp)),
        3 if id >= 0 => Which::Pid(Some(super::pidfd::pid_of_fd(k, caller, id)?)),
        _ => return Err(Errno::EINVAL.into()),
    };
    let Some(reported) = k.wait_for(caller, which, options)? else { return Ok(Ret::new(0)) };
    let uid = k.user_namespaces[k.tasks[caller].cred.user_ns].uid(reported.uid);
    let (code, status) = match reported.what {
        Report::Exited(ExitStatus::Exited(n)) => ("CLD_EXITED", i64::from(n)),
        Report::Exited(ExitStatus::Killed { signal, core }) => {
            (if core { "CLD_DUMPED" } else { "CLD_KILLED" }, i64::from(signal.0))
        }
        Report::Stopped(signal) => ("CLD_STOPPED", i64::from(signal.0)),
        Report::Continued => ("CLD_CONTINUED", i64::from(Signal::CONT.0)),
    };
    Ok(Ret::new(0).with(
        2,
        Value::record([
            ("si_signo", i64::from(Signal::CHLD.0).into()),
            ("si_code", code.into()),
            ("si_pid", reported.pid.into()),
            ("si_uid", uid.into()),
            ("si_status", status.into()),
        ]),
    ))
}
