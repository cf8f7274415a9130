//! clock_gettime(2), gettimeofday(2), time(2) and clock_getres(2): what time it is in the model.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::{BOOT_UNIX_SECONDS, Nanos};

/// Clocks by name.
pub const CLOCKS: FlagNames = &[
    ("CLOCK_REALTIME", 0),
    ("CLOCK_MONOTONIC", 1),
    ("CLOCK_PROCESS_CPUTIME_ID", 2),
    ("CLOCK_THREAD_CPUTIME_ID", 3),
    ("CLOCK_MONOTONIC_RAW", 4),
    ("CLOCK_REALTIME_COARSE", 5),
    ("CLOCK_MONOTONIC_COARSE", 6),
    ("CLOCK_BOOTTIME", 7),
];

/// clock_gettime(2).
pub const CLOCK_GETTIME: SyscallInfo = SyscallInfo {
    nr: Sysno::CLOCK_GETTIME,
    man: "clock_gettime(2)",
    args: &[Arg::Enum("clockid", CLOCKS), Arg::Data("tp")],
    errno: &[(Errno::EINVAL, "the clock is unknown")],
    support: Support::Full,
    run: clock_gettime,
};

/// gettimeofday(2).
pub const GETTIMEOFDAY: SyscallInfo = SyscallInfo {
    nr: Sysno::GETTIMEOFDAY,
    man: "gettimeofday(2)",
    args: &[Arg::Data("tv"), Arg::Data("tz")],
    errno: &[],
    support: Support::Full,
    run: gettimeofday,
};

fn clock_gettime(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let now = read_clock(k, caller, a.int(0)?)?;
    Ok(Ret::new(0).with(1, timespec(now)))
}

fn gettimeofday(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let now = read_clock(k, caller, 0)?;
    let tv = Value::record([("tv_sec", now.seconds().into()), ("tv_usec", (now.subsec_nanos() / 1000).into())]);
    Ok(Ret::new(0).with(0, tv))
}

/// A `struct timespec`.
pub(super) fn timespec(t: Nanos) -> Value {
    Value::record([("tv_sec", t.seconds().into()), ("tv_nsec", t.subsec_nanos().into())])
}

/// What a clock shows the caller, with the offsets of its time namespace.
pub(super) fn read_clock(k: &Kernel<'_>, caller: TaskId, clock: i64) -> Result<Nanos, Errno> {
    let task = &k.tasks[caller];
    let ns = &k.time_namespaces[task.nsproxy.time];
    let shifted = |(sec, nsec): (i64, i64)| {
        let offset = i128::from(sec) * 1_000_000_000 + i128::from(nsec);
        Nanos((i128::from(k.clock.0) + offset).clamp(0, i128::from(u64::MAX)) as u64)
    };
    match clock {
        0 | 5 => Ok(Nanos(BOOT_UNIX_SECONDS * 1_000_000_000) + k.clock),
        1 | 4 | 6 => Ok(shifted(ns.monotonic)),
        2 | 3 => Ok(task.cpu_time),
        7 => Ok(shifted(ns.boottime)),
        _ => Err(Errno::EINVAL),
    }
}
