//! alarm(2) and setitimer(2): SIGALRM after a while.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::{ProcessId, TaskId};
use crate::time::Nanos;

/// alarm(2).
pub const ALARM: SyscallInfo = SyscallInfo {
    nr: Sysno::ALARM,
    man: "alarm(2)",
    args: &[Arg::Int("seconds")],
    errno: &[],
    support: Support::Full,
    run: alarm,
};

/// setitimer(2).
pub const SETITIMER: SyscallInfo = SyscallInfo {
    nr: Sysno::SETITIMER,
    man: "setitimer(2)",
    args: &[
        Arg::Enum("which", &[("ITIMER_REAL", 0), ("ITIMER_VIRTUAL", 1), ("ITIMER_PROF", 2)]),
        Arg::Data("new_value"),
        Arg::Data("old_value"),
    ],
    errno: &[(Errno::EINVAL, "the timer is unknown or not modelled, or the time is out of range")],
    support: Support::Partial("only ITIMER_REAL, and it does not repeat"),
    run: setitimer,
};

fn alarm(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let seconds = a.int(0)?.max(0) as u64;
    let left = set_timer(k, caller, Nanos::from_timespec(seconds, 0));
    Ok(Ret::new(left.seconds().max(u64::from(left > Nanos(0))) as i64))
}

fn setitimer(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let value = a.get(1).field("it_value").ok_or(Errno::EFAULT)?;
    let field = |name| value.field(name).and_then(Value::as_int).unwrap_or(0);
    let (sec, usec) = (field("tv_sec"), field("tv_usec"));
    if a.int(0)? != 0 || sec < 0 || !(0..1_000_000).contains(&usec) {
        return Err(Errno::EINVAL.into());
    }
    let left = set_timer(k, caller, Nanos::from_timespec(sec as u64, usec as u64 * 1000));
    let zero = Value::record([("tv_sec", 0.into()), ("tv_usec", 0.into())]);
    let old = Value::record([("tv_sec", left.seconds().into()), ("tv_usec", (left.subsec_nanos() / 1000).into())]);
    Ok(Ret::new(0).with(2, Value::record([("it_interval", zero), ("it_value", old)])))
}

/// Sets the timer to go off after `span`, or off when that is zero. How much was left of the old one.
fn set_timer(k: &mut Kernel<'_>, caller: TaskId, span: Nanos) -> Nanos {
    let process: ProcessId = k.tasks[caller].process;
    let new = (span > Nanos(0)).then(|| k.clock + span);
    let old = std::mem::replace(&mut k.processes[process].alarm, new);
    if let Some(at) = old {
        k.sched.alarms.remove(&(at, process));
    }
    if let Some(at) = new {
        k.sched.alarms.insert((at, process));
    }
    old.map_or(Nanos(0), |at| at - k.clock)
}
