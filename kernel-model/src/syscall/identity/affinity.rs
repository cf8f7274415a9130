//! sched_getaffinity(2) and sched_setaffinity(2): the processors on which a task may run, as a list of their
//! numbers.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::sched::CPU_POSSIBLE;

/// How many bytes the kernel copies: one `unsigned long`.
const MASK_SIZE: i64 = 8;

/// sched_getaffinity(2). Returns the size of the mask.
pub const SCHED_GETAFFINITY: SyscallInfo = SyscallInfo {
    nr: Sysno::SCHED_GETAFFINITY,
    man: "sched_getaffinity(2)",
    args: &[Arg::Pid("pid"), Arg::Int("cpusetsize"), Arg::Data("mask")],
    errno: &[
        (Errno::EINVAL, "cpusetsize is less than 8 or not a multiple of 8"),
        (Errno::ESRCH, "there is no task of that number"),
    ],
    support: Support::Full,
    run: get,
};

/// sched_setaffinity(2). Processors that do not exist are left out.
pub const SCHED_SETAFFINITY: SyscallInfo = SyscallInfo {
    nr: Sysno::SCHED_SETAFFINITY,
    man: "sched_setaffinity(2)",
    args: &[Arg::Pid("pid"), Arg::Int("cpusetsize"), Arg::Data("mask")],
    errno: &[
        (Errno::EFAULT, "mask is no list of processors"),
        (Errno::ESRCH, "there is no task of that number"),
        (Errno::EPERM, "the task is another user's and the caller has no CAP_SYS_NICE over it"),
        (Errno::EINVAL, "none of the processors is one that the cpuset of the task allows"),
    ],
    support: Support::Full,
    run: set,
};

fn target(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> Result<TaskId, Errno> {
    match args.int32(0)? {
        0 => Ok(caller),
        nr => k.find_task(caller, nr).ok_or(Errno::ESRCH),
    }
}

fn get(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let size = args.int32(1)?;
    if size < 8 || size % 8 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let task = target(k, caller, args)?;
    let mask = k.tasks[task].cpus_allowed & CPU_POSSIBLE;
    let list = (0..64i64).filter(|cpu| mask & (1 << cpu) != 0).map(Value::Int).collect();
    Ok(Ret::new(MASK_SIZE).with(2, Value::List(list)))
}

fn set(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let mask = match args.get(2) {
        Value::Int(mask) => *mask as u64,
        _ => {
            let cpus = args.list(2)?.iter().map(|v| v.as_int().ok_or(Errno::EFAULT)).collect::<Result<Vec<_>, _>>()?;
            cpus.into_iter().filter(|cpu| (0..64).contains(cpu)).fold(0, |mask, cpu| mask | 1 << cpu)
        }
    };
    let task = target(k, caller, args)?;
    let own = k.tasks[caller].cred.euid;
    let other = &k.tasks[task].cred;
    let (same, ns) = (other.uid == own || other.euid == own, other.user_ns);
    if !same && !k.capable_in(caller, ns, Cap::SYS_NICE) {
        return Err(Errno::EPERM.into());
    }
    let allowed = k.cpuset_cpus_allowed(task);
    if mask & allowed == 0 {
        return Err(Errno::EINVAL.into());
    }
    // What was asked for is kept: another cpuset may allow more of it.
    k.tasks[task].sched.user_cpus = Some(mask & CPU_POSSIBLE);
    k.set_cpus_allowed(task, mask & allowed);
    Ok(Ret::new(0))
}
