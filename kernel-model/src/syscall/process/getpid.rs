//! getpid(2), getppid(2) and gettid(2): who am I, seen from where I am.

use crate::kernel::Kernel;
use crate::syscall::{Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

/// getpid(2).
pub const GETPID: SyscallInfo =
    SyscallInfo { nr: Sysno::GETPID, man: "getpid(2)", args: &[], errno: &[], support: Support::Full, run: getpid };

/// getppid(2).
pub const GETPPID: SyscallInfo =
    SyscallInfo { nr: Sysno::GETPPID, man: "getppid(2)", args: &[], errno: &[], support: Support::Full, run: getppid };

/// gettid(2).
pub const GETTID: SyscallInfo =
    SyscallInfo { nr: Sysno::GETTID, man: "gettid(2)", args: &[], errno: &[], support: Support::Full, run: gettid };

fn getpid(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    Ok(Ret::new(k.own_pid(caller)))
}

/// 0 when the parent is in a namespace that cannot be seen from here.
fn getppid(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let ns = k.pid_ns_of(caller);
    let parent = k.processes[k.tasks[caller].process].parent;
    let leader = parent.and_then(|p| k.processes.get(p)).map(|p| p.leader);
    Ok(Ret::new(leader.and_then(|l| k.pid_in(ns, l)).unwrap_or(0)))
}

fn gettid(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    Ok(Ret::new(k.pid_in(k.pid_ns_of(caller), caller).unwrap_or(0)))
}
