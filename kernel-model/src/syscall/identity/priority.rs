//! getpriority(2) and setpriority(2): nice values, as in `kernel/sys.c`.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::rlimit;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

const WHICH: FlagNames = &[("PRIO_PROCESS", 0), ("PRIO_PGRP", 1), ("PRIO_USER", 2)];

/// getpriority(2). The system call returns 20 minus the nice value, so that it is never negative.
pub const GETPRIORITY: SyscallInfo = SyscallInfo {
    nr: Sysno::GETPRIORITY,
    man: "getpriority(2)",
    args: &[Arg::Enum("which", WHICH), Arg::Int("who")],
    errno: &[(Errno::EINVAL, "which is none of the three"), (Errno::ESRCH, "nobody fits")],
    support: Support::Full,
    run: getpriority,
};

/// setpriority(2). Nice values beyond -20 and 19 are cut.
pub const SETPRIORITY: SyscallInfo = SyscallInfo {
    nr: Sysno::SETPRIORITY,
    man: "setpriority(2)",
    args: &[Arg::Enum("which", WHICH), Arg::Int("who"), Arg::Int("niceval")],
    errno: &[
        (Errno::EINVAL, "which is none of the three"),
        (Errno::ESRCH, "nobody fits"),
        (Errno::EPERM, "the process is another user's and the caller has no CAP_SYS_NICE over it"),
        (Errno::EACCES, "nicer than RLIMIT_NICE allows, without CAP_SYS_NICE in the first user namespace"),
    ],
    support: Support::Full,
    run: setpriority,
};

/// The tasks that `which` and `who` mean.
fn targets(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> Result<Vec<TaskId>, Errno> {
    let (which, who) = (args.int(0)?, args.int32(1)?);
    match which {
        0 if who == 0 => Ok(vec![caller]),
        0 => Ok(k.find_task(caller, who).into_iter().collect()),
        1 => {
            let own = k.processes[k.tasks[caller].process].pgrp;
            let ns = k.pid_ns_of(caller);
            let group = if who == 0 { Some(own) } else { k.find_pid(ns, who) };
            let members = k.tasks.iter().filter(|(_, t)| Some(k.processes[t.process].pgrp) == group);
            Ok(members.filter(|(_, t)| !t.state.has_exited()).map(|(id, _)| id).collect())
        }
        2 => {
            let cred = &k.tasks[caller].cred;
            let ns = &k.user_namespaces[cred.user_ns];
            let user = if who == 0 { Some(cred.uid) } else { ns.kuid(who as u32) };
            let own_ns = k.pid_ns_of(caller);
            let of_user = k.tasks.iter().filter(|(_, t)| Some(t.cred.uid) == user && !t.state.has_exited());
            Ok(of_user.filter(|(id, _)| k.pid_in(own_ns, *id).is_some()).map(|(id, _)| id).collect())
        }
        _ => Err(Errno::EINVAL),
    }
}

fn getpriority(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let lowest = targets(k, caller, args)?.into_iter().map(|t| k.tasks[t].nice).min().ok_or(Errno::ESRCH)?;
    Ok(Ret::new(20 - i64::from(lowest)))
}

fn setpriority(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let nice = args.int32(2)?.clamp(-20, 19) as i8;
    let mut result = Err(Errno::ESRCH);
    for task in targets(k, caller, args)? {
        let one = set_one(k, caller, task, nice);
        // The first success clears "nobody", a failure is never forgotten.
        if one.is_err() || result == Err(Errno::ESRCH) {
            result = one;
        }
    }
    result?;
    Ok(Ret::new(0))
}

/// `set_one_prio`.
fn set_one(k: &mut Kernel<'_>, caller: TaskId, task: TaskId, nice: i8) -> Result<(), Errno> {
    let own = k.tasks[caller].cred.euid;
    let other = &k.tasks[task].cred;
    let (same, ns) = (other.uid == own || other.euid == own, other.user_ns);
    if !same && !k.capable_in(caller, ns, Cap::SYS_NICE) {
        return Err(Errno::EPERM);
    }
    if nice < k.tasks[task].nice {
        let limit = k.processes[k.tasks[task].process].rlimits.0[rlimit::NICE].soft;
        if (20 - i64::from(nice)) as u64 > limit && !k.capable(caller, Cap::SYS_NICE) {
            return Err(Errno::EACCES);
        }
    }
    let policy = k.tasks[task].sched.policy;
    k.set_priority(task, nice, policy);
    Ok(())
}
