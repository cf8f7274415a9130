//! nanosleep(2) and clock_nanosleep(2): sleeps for a while of virtual time.

use super::clock::{CLOCKS, read_clock};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Sleep, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "the clock is unknown, or the time is negative or has a billion nanoseconds or more"),
    (Errno::EFAULT, "there is no time"),
    (Errno::EINTR, "a signal with a handler came first"),
];

/// nanosleep(2).
pub const NANOSLEEP: SyscallInfo = SyscallInfo {
    nr: Sysno::NANOSLEEP,
    man: "nanosleep(2)",
    args: &[Arg::Data("req"), Arg::Data("rem")],
    errno: ERRORS,
    support: Support::Partial("the remaining time is not stored"),
    run: nanosleep,
};

/// clock_nanosleep(2).
pub const CLOCK_NANOSLEEP: SyscallInfo = SyscallInfo {
    nr: Sysno::CLOCK_NANOSLEEP,
    man: "clock_nanosleep(2)",
    args: &[
        Arg::Enum("clockid", CLOCKS),
        Arg::Flags("flags", &[("TIMER_ABSTIME", 1)]),
        Arg::Data("req"),
        Arg::Data("rem"),
    ],
    errno: ERRORS,
    support: Support::Partial("the remaining time is not stored"),
    run: clock_nanosleep,
};

fn nanosleep(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let span = timespec(a.get(0))?;
    sleep_for(k, caller, span)
}

fn clock_nanosleep(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let now = read_clock(k, caller, a.int(0)?)?;
    let time = timespec(a.get(2))?;
    let absolute = a.int(1)? & 1 != 0;
    sleep_for(k, caller, if absolute { time - now } else { time })
}

fn sleep_for(k: &mut Kernel<'_>, caller: TaskId, span: Nanos) -> SysResult {
    let until = k.deadline(caller, span);
    if k.clock >= until {
        return Ok(Ret::new(0));
    }
    Err(Stop::Block(Sleep { on: Vec::new(), until: Some(until) }))
}

/// A `struct timespec` as the kernel accepts it.
fn timespec(value: &Value) -> Result<Nanos, Errno> {
    let field = |name| value.field(name).and_then(Value::as_int);
    let (Some(sec), Some(nsec)) = (field("tv_sec"), field("tv_nsec")) else { return Err(Errno::EFAULT) };
    if sec < 0 || !(0..1_000_000_000).contains(&nsec) {
        return Err(Errno::EINVAL);
    }
    Ok(Nanos::from_timespec(sec as u64, nsec as u64))
}
