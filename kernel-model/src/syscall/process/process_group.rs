//! setpgid(2), getpgid(2), getpgrp(2), setsid(2) and getsid(2): process groups and sessions.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::PidId;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::{ProcessId, TaskId};

/// setpgid(2).
pub const SETPGID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETPGID,
    man: "setpgid(2)",
    args: &[Arg::Pid("pid"), Arg::Pid("pgid")],
    errno: &[
        (Errno::EINVAL, "pgid is negative, or the task is not the leader of its thread group"),
        (Errno::ESRCH, "it is neither the caller nor a child of it"),
        (Errno::EPERM, "it is in another session or leads one, or the group is in another session"),
        (Errno::EACCES, "the child has already called execve"),
    ],
    support: Support::Full,
    run: setpgid,
};

/// getpgid(2).
pub const GETPGID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETPGID,
    man: "getpgid(2)",
    args: &[Arg::Pid("pid")],
    errno: &[(Errno::ESRCH, "nobody has this number in the caller's PID namespace")],
    support: Support::Full,
    run: getpgid,
};

/// getpgrp(2).
pub const GETPGRP: SyscallInfo =
    SyscallInfo { nr: Sysno::GETPGRP, man: "getpgrp(2)", args: &[], errno: &[], support: Support::Full, run: getpgid };

/// setsid(2).
pub const SETSID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETSID,
    man: "setsid(2)",
    args: &[],
    errno: &[(Errno::EPERM, "the caller already leads a session or a process group")],
    support: Support::Full,
    run: setsid,
};

/// getsid(2).
pub const GETSID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETSID,
    man: "getsid(2)",
    args: &[Arg::Pid("pid")],
    errno: &[(Errno::ESRCH, "nobody has this number in the caller's PID namespace")],
    support: Support::Full,
    run: getsid,
};

fn setpgid(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let own = k.tasks[caller].process;
    let own_leader = k.processes[own].leader;
    let ns = k.pid_ns_of(caller);
    let pid = if a.int32(0)? == 0 { k.pid_in(ns, own_leader).unwrap_or(0) } else { a.int32(0)? };
    let pgid = if a.int32(1)? == 0 { pid } else { a.int32(1)? };
    if pgid < 0 {
        return Err(Errno::EINVAL.into());
    }
    let task = k.find_task(caller, pid).ok_or(Errno::ESRCH)?;
    let process = k.tasks[task].process;
    if k.processes[process].leader != task {
        return Err(Errno::EINVAL.into());
    }
    if k.processes[process].parent == Some(own) {
        if k.processes[process].session != k.processes[own].session {
            return Err(Errno::EPERM.into());
        }
        if k.processes[process].did_exec {
            return Err(Errno::EACCES.into());
        }
    } else if process != own {
        return Err(Errno::ESRCH.into());
    }
    let identity = k.tasks[task].pid;
    if k.processes[process].session == identity {
        return Err(Errno::EPERM.into());
    }
    let group = if pgid == pid { identity } else { existing_group(k, caller, process, pgid)? };
    move_to_group(k, process, group);
    Ok(Ret::new(0))
}

/// A group that has members in the session of `process`.
fn existing_group(k: &mut Kernel<'_>, caller: TaskId, process: ProcessId, pgid: i32) -> Result<PidId, Errno> {
    let ns = k.pid_ns_of(caller);
    let group = k.find_pid(ns, pgid).ok_or(Errno::EPERM)?;
    let session = k.processes[process].session;
    let member = k.processes.iter().find(|(_, p)| p.pgrp == group).map(|(_, p)| p.session);
    if member == Some(session) { Ok(group) } else { Err(Errno::EPERM) }
}

fn move_to_group(k: &mut Kernel<'_>, process: ProcessId, group: PidId) {
    let old = std::mem::replace(&mut k.processes[process].pgrp, group);
    k.pids[group].pgrp_members += 1;
    k.pids[old].pgrp_members -= 1;
    k.free_pid_if_unused(old);
}

/// The process that a pid argument means; 0 is the caller.
fn process_of(k: &mut Kernel<'_>, caller: TaskId, pid: i32) -> Result<ProcessId, Errno> {
    if pid == 0 {
        return Ok(k.tasks[caller].process);
    }
    let task = k.find_task(caller, pid).ok_or(Errno::ESRCH)?;
    Ok(k.tasks[task].process)
}

fn getpgid(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let process = process_of(k, caller, a.int32(0)?)?;
    let group = k.processes[process].pgrp;
    Ok(Ret::new(k.pids[group].number_in(k.pid_ns_of(caller)).unwrap_or(0)))
}

fn setsid(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let process = k.tasks[caller].process;
    let identity = k.tasks[k.processes[process].leader].pid;
    if k.processes[process].session == identity || k.pids[identity].pgrp_members > 0 {
        return Err(Errno::EPERM.into());
    }
    let old = std::mem::replace(&mut k.processes[process].session, identity);
    k.pids[identity].session_members += 1;
    k.pids[old].session_members -= 1;
    k.free_pid_if_unused(old);
    move_to_group(k, process, identity);
    k.processes[process].tty = None;
    Ok(Ret::new(k.pids[identity].number_in(k.pid_ns_of(caller)).unwrap_or(0)))
}

fn getsid(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let process = process_of(k, caller, a.int32(0)?)?;
    let session = k.processes[process].session;
    Ok(Ret::new(k.pids[session].number_in(k.pid_ns_of(caller)).unwrap_or(0)))
}
