//! futex(2): waits until a word in memory has changed, and wakes those who wait. What a mutex of a program needs when
//! it is contended.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Sleep, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;

const FUTEX_WAIT: i64 = 0;
const FUTEX_WAKE: i64 = 1;
const FUTEX_PRIVATE_FLAG: i64 = 128;
const FUTEX_CLOCK_REALTIME: i64 = 256;

/// futex(2).
pub const FUTEX: SyscallInfo = SyscallInfo {
    nr: Sysno::FUTEX,
    man: "futex(2)",
    args: &[
        Arg::Data("uaddr"),
        Arg::Enum(
            "futex_op",
            &[("FUTEX_WAIT", 0), ("FUTEX_WAKE", 1), ("FUTEX_WAIT_PRIVATE", 128), ("FUTEX_WAKE_PRIVATE", 129)],
        ),
        Arg::Int("val"),
        Arg::Data("timeout"),
    ],
    errno: &[
        (Errno::ENOSYS, "another operation than FUTEX_WAIT and FUTEX_WAKE"),
        (Errno::EINVAL, "uaddr is not a multiple of 4"),
        (Errno::EFAULT, "there is no memory at uaddr"),
        (Errno::EAGAIN, "FUTEX_WAIT: the word is not val any more"),
        (Errno::ETIMEDOUT, "FUTEX_WAIT: nobody woke the caller in time"),
        (Errno::EINTR, "a signal came first"),
    ],
    support: Support::Partial(
        "FUTEX_WAIT and FUTEX_WAKE between threads of one process; who is woken first does not depend on who came first",
    ),
    run: futex,
};

fn futex(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let operation = a.int(1)? & !FUTEX_PRIVATE_FLAG;
    if !matches!(operation, FUTEX_WAIT | FUTEX_WAKE) || operation & FUTEX_CLOCK_REALTIME != 0 {
        return Err(Errno::ENOSYS.into());
    }
    let addr = a.int(0)? as u64;
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    let mm = k.mm_of(caller).ok_or(Errno::EFAULT)?;
    let wait = Wait::Futex(mm, addr);
    if operation == FUTEX_WAKE {
        let most = usize::try_from(a.int32(2)?.max(1)).unwrap_or(1);
        let waiters: Vec<TaskId> = k.sched.waiting.get(&wait).into_iter().flatten().copied().take(most).collect();
        for task in &waiters {
            k.wake(*task);
        }
        return Ok(Ret::new(waiters.len() as i64));
    }
    let has_slept = k.tasks[caller].in_call.as_ref().is_some_and(|call| call.progress != 0);
    let timeout = timeout(a.get(3)).map(|span| k.deadline(caller, span));
    if has_slept {
        return if timeout.is_some_and(|at| k.clock >= at) { Err(Errno::ETIMEDOUT.into()) } else { Ok(Ret::new(0)) };
    }
    k.kernel_fault(caller, addr, 4, false).map_err(|_| Errno::EFAULT)?;
    if k.word_at(mm, addr) != a.int32(2)? as u32 {
        return Err(Errno::EAGAIN.into());
    }
    if let Some(call) = &mut k.tasks[caller].in_call {
        call.progress = 1;
    }
    Err(Stop::Block(Sleep { on: vec![wait], until: timeout }))
}

fn timeout(value: &Value) -> Option<Nanos> {
    let field = |name| value.field(name).and_then(Value::as_int);
    Some(Nanos::from_timespec(field("tv_sec")?.max(0) as u64, field("tv_nsec").unwrap_or(0).max(0) as u64))
}
