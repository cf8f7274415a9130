//! semop(2) and semtimedop(2): operations on the semaphores of a set, all of them or none.

use crate::errno::Errno;
use crate::ipc::sysv::sem::{Outcome, SemArray, Sembuf};
use crate::ipc::sysv::{IpcKind, S_IRUGO, S_IWUGO};
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "there is no set with this id, no operation is given, or the timeout is no time"),
    (Errno::E2BIG, "more operations than the third number of kernel.sem"),
    (Errno::EFAULT, "there are no operations where they should be"),
    (Errno::EFBIG, "an operation names a semaphore that the set does not have"),
    (Errno::EACCES, "the set may not be changed, or read for waiting for 0"),
    (Errno::ERANGE, "a value would be above 32767"),
    (Errno::EAGAIN, "an operation would have to wait and IPC_NOWAIT is given, or the time is over"),
    (Errno::EIDRM, "the set was removed while the caller slept"),
    (Errno::EINTR, "a signal came while the caller slept"),
];

/// semop(2). An operation is `{sem_num, sem_op, sem_flg}`.
pub const SEMOP: SyscallInfo = SyscallInfo {
    nr: Sysno::SEMOP,
    man: "semop(2)",
    args: &[Arg::Int("semid"), Arg::Data("sops"), Arg::Int("nsops")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| semtimedop(k, caller, a, None),
};

/// semtimedop(2).
pub const SEMTIMEDOP: SyscallInfo = SyscallInfo {
    nr: Sysno::SEMTIMEDOP,
    man: "semop(2)",
    args: &[Arg::Int("semid"), Arg::Data("sops"), Arg::Int("nsops"), Arg::Data("timeout")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| {
        let timeout = match a.get(3) {
            Value::Null | Value::Int(0) => None,
            value => Some(timespec(value)?),
        };
        semtimedop(k, caller, a, timeout)
    },
};

fn timespec(value: &Value) -> Result<Nanos, Errno> {
    let field = |name| value.field(name).and_then(Value::as_int);
    let (Some(sec), Some(nsec)) = (field("tv_sec"), field("tv_nsec")) else { return Err(Errno::EFAULT) };
    if sec < 0 || !(0..1_000_000_000).contains(&nsec) {
        return Err(Errno::EINVAL);
    }
    Ok(Nanos::from_timespec(sec as u64, nsec as u64))
}

/// The operations of a call.
fn sembufs(list: &[Value]) -> Option<Vec<Sembuf>> {
    let one = |value: &Value| {
        let field = |name| value.field(name).and_then(Value::as_int);
        Some(Sembuf { num: field("sem_num")? as u16, op: field("sem_op")? as i16, flg: field("sem_flg").unwrap_or(0) })
    };
    list.iter().map(one).collect()
}

fn semtimedop(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, timeout: Option<Nanos>) -> SysResult {
    let (id, count) = (a.int32(0)?, a.int(2)?);
    if count < 1 || id < 0 {
        return Err(Errno::EINVAL.into());
    }
    let [_, _, semopm, _] = k.sem_limits(k.ipc_ns_of(caller));
    if count > semopm {
        return Err(Errno::E2BIG.into());
    }
    let list = a.list(1)?.get(..count as usize).ok_or(Errno::EFAULT)?;
    let sops = sembufs(list).ok_or(Errno::EFAULT)?;
    let set = k.ipc_object_again::<SemArray>(caller, id)?.clone();
    if sops.iter().any(|sop| usize::from(sop.num) >= set.sems.len()) {
        return Err(Errno::EFBIG.into());
    }
    let alters = sops.iter().any(|sop| sop.op != 0);
    k.ipcperms(caller, &set.perm, if alters { S_IWUGO } else { S_IRUGO })?;
    let process = k.tasks[caller].process;
    let pid = k.tgid_numbers(caller);
    match set.perform(&sops, process, &pid)? {
        Outcome::Done(mut new) => {
            new.otime = k.ipc_now();
            *k.ipc_object_mut::<SemArray>(caller, id)? = new;
            k.ipc_wake(caller, IpcKind::Sem, id);
            Ok(Ret::new(0))
        }
        Outcome::Blocked(_) => {
            let until = timeout.map(|span| k.deadline(caller, span));
            if until.is_some_and(|until| k.clock >= until) {
                return Err(Errno::EAGAIN.into());
            }
            let sleep = k.ipc_sleep(caller, IpcKind::Sem, id);
            Err(Stop::Block(crate::syscall::Sleep { until, ..sleep }))
        }
    }
}

/// How many tasks sleep on a semaphore, until it is 0 or until it is higher (`count_semcnt`).
pub(super) fn sleepers(k: &Kernel<'_>, caller: TaskId, set: &SemArray, num: u16, for_zero: bool) -> usize {
    let wait = Wait::Ipc(k.ipc_ns_of(caller), IpcKind::Sem, set.perm.id);
    let blocked_on = |task: &TaskId| {
        let call = &k.tasks.get(*task)?.in_call.as_ref()?.call;
        let sops = sembufs(Args(&call.args).list(1).ok()?)?;
        match set.perform(&sops, k.tasks.get(*task)?.process, &Vec::new()) {
            Ok(Outcome::Blocked(sop)) => Some(sop),
            _ => None,
        }
    };
    let waiting = k.sched.waiting.get(&wait).into_iter().flatten().filter_map(blocked_on);
    waiting.filter(|sop| sop.num == num && (sop.op == 0) == for_zero).count()
}
