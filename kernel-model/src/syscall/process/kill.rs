//! kill(2), tgkill(2) and tkill(2): sends a signal.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::task::signal::Signal;

/// Signals by name.
pub const SIGNALS: FlagNames = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
];

/// kill(2).
pub const KILL: SyscallInfo = SyscallInfo {
    nr: Sysno::KILL,
    man: "kill(2)",
    args: &[Arg::Pid("pid"), Arg::Enum("sig", SIGNALS)],
    errno: &[
        (Errno::ESRCH, "nobody has this number (or process group) in the caller's PID namespace"),
        (Errno::EINVAL, "there is no such signal"),
        (Errno::EPERM, "neither the same user nor CAP_KILL in the user namespace of the receiver"),
    ],
    support: Support::Full,
    run: kill,
};

/// tgkill(2).
pub const TGKILL: SyscallInfo = SyscallInfo {
    nr: Sysno::TGKILL,
    man: "tgkill(2)",
    args: &[Arg::Pid("tgid"), Arg::Pid("tid"), Arg::Enum("sig", SIGNALS)],
    errno: &[
        (Errno::EINVAL, "a number is not positive, or there is no such signal"),
        (Errno::ESRCH, "no such thread in that process"),
        (Errno::EPERM, "neither the same user nor CAP_KILL in the user namespace of the receiver"),
    ],
    support: Support::Full,
    run: tgkill,
};

/// tkill(2).
pub const TKILL: SyscallInfo = SyscallInfo {
    nr: Sysno::TKILL,
    man: "tkill(2)",
    args: &[Arg::Pid("tid"), Arg::Enum("sig", SIGNALS)],
    errno: TGKILL.errno,
    support: Support::Full,
    run: tkill,
};

fn kill(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (pid, sig) = (a.int32(0)?, a.int(1)? as i32 as i64);
    match pid {
        1.. => {
            let task = k.find_task(caller, pid).ok_or(Errno::ESRCH)?;
            signal_process(k, caller, task, sig)?;
        }
        i32::MIN => return Err(Errno::ESRCH.into()),
        -1 => signal_everybody(k, caller, sig)?,
        _ => signal_group(k, caller, pid, sig)?,
    }
    Ok(Ret::new(0))
}

/// Everybody that can be seen, apart from init and the caller itself.
fn signal_everybody(k: &mut Kernel<'_>, caller: TaskId, sig: i64) -> Result<(), Errno> {
    let ns = k.pid_ns_of(caller);
    let own = k.tasks[caller].process;
    let others: Vec<TaskId> = k
        .processes
        .iter()
        .filter(|(id, p)| *id != own && k.pid_in(ns, p.leader).is_some_and(|nr| nr > 1))
        .map(|(_, p)| p.leader)
        .collect();
    if others.is_empty() {
        return Err(Errno::ESRCH);
    }
    let mut result = Ok(());
    for task in others {
        match signal_process(k, caller, task, sig) {
            Err(Errno::EPERM) => {}
            other => result = other,
        }
    }
    result
}

/// A process group: `-pgid`, or 0 for the caller's own.
fn signal_group(k: &mut Kernel<'_>, caller: TaskId, pid: i32, sig: i64) -> Result<(), Errno> {
    let group = if pid == 0 {
        k.processes[k.tasks[caller].process].pgrp
    } else {
        let ns = k.pid_ns_of(caller);
        k.find_pid(ns, -pid).ok_or(Errno::ESRCH)?
    };
    let members: Vec<TaskId> = k.processes.iter().filter(|(_, p)| p.pgrp == group).map(|(_, p)| p.leader).collect();
    let mut success = false;
    let mut last = Err(Errno::ESRCH);
    for task in members {
        last = signal_process(k, caller, task, sig);
        success |= last.is_ok();
    }
    if success { Ok(()) } else { last }
}

/// Checks and sends to the process of `task`; signal 0 only checks (`group_send_sig_info`).
pub(super) fn signal_process(k: &mut Kernel<'_>, caller: TaskId, task: TaskId, sig: i64) -> Result<(), Errno> {
    let signal = check_permission(k, caller, task, sig)?;
    if let Some(signal) = signal
        && k.tasks.contains(task)
    {
        let process = k.tasks[task].process;
        if k.processes[process].exit_code.is_none() {
            k.send_signal(process, signal, Some(caller));
        }
    }
    Ok(())
}

/// `check_kill_permission`. The signal to send; `None` for 0.
fn check_permission(k: &mut Kernel<'_>, caller: TaskId, task: TaskId, sig: i64) -> Result<Option<Signal>, Errno> {
    if !(0..=64).contains(&sig) {
        return Err(Errno::EINVAL);
    }
    let signal = Signal::from_number(sig);
    let own = &k.tasks[caller];
    let target = &k.tasks[task];
    if own.process == target.process {
        return Ok(signal);
    }
    let (c, t) = (&own.cred, &target.cred);
    let same_user = c.euid == t.suid || c.euid == t.uid || c.uid == t.suid || c.uid == t.uid;
    let (user_ns, own_process, target_process) = (t.user_ns, own.process, target.process);
    if !same_user && !k.capable_in(caller, user_ns, Cap::KILL) {
        let same_session = k.processes[own_process].session == k.processes[target_process].session;
        if signal != Some(Signal::CONT) || !same_session {
            return Err(Errno::EPERM);
        }
    }
    k.security_task_kill(caller, task, signal)?;
    Ok(signal)
}

fn tgkill(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (tgid, tid) = (a.int32(0)?, a.int32(1)?);
    if tgid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    signal_thread(k, caller, Some(tgid), tid, a.int(2)?)
}

fn tkill(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let tid = a.int32(0)?;
    if tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    signal_thread(k, caller, None, tid, a.int(1)?)
}

fn signal_thread(k: &mut Kernel<'_>, caller: TaskId, tgid: Option<i32>, tid: i32, sig: i64) -> SysResult {
    let task = k.find_task(caller, tid).ok_or(Errno::ESRCH)?;
    let leader = k.processes[k.tasks[task].process].leader;
    if tgid.is_some_and(|tgid| k.pid_in(k.pid_ns_of(caller), leader) != Some(tgid)) {
        return Err(Errno::ESRCH.into());
    }
    if let Some(signal) = check_permission(k, caller, task, sig)? {
        k.send_signal_to_thread(task, signal, Some(caller));
    }
    Ok(Ret::new(0))
}
