//! Resource limits: getrlimit(2), setrlimit(2), prlimit(2), as in `kernel/sys.c` (`do_prlimit`).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::rlimit::{NOFILE, Rlimit};
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

/// The most that `RLIMIT_NOFILE` can be (`/proc/sys/fs/nr_open`).
pub const NR_OPEN: u64 = 1_048_576;

/// The names of the resources.
pub const RESOURCE: FlagNames = &[
    ("RLIMIT_CPU", 0),
    ("RLIMIT_FSIZE", 1),
    ("RLIMIT_DATA", 2),
    ("RLIMIT_STACK", 3),
    ("RLIMIT_CORE", 4),
    ("RLIMIT_RSS", 5),
    ("RLIMIT_NPROC", 6),
    ("RLIMIT_NOFILE", 7),
    ("RLIMIT_MEMLOCK", 8),
    ("RLIMIT_AS", 9),
    ("RLIMIT_LOCKS", 10),
    ("RLIMIT_SIGPENDING", 11),
    ("RLIMIT_MSGQUEUE", 12),
    ("RLIMIT_NICE", 13),
    ("RLIMIT_RTPRIO", 14),
    ("RLIMIT_RTTIME", 15),
];

const BAD_RESOURCE: (Errno, &str) = (Errno::EINVAL, "there is no such resource, or soft is above hard");
const TOO_MUCH: (Errno, &str) =
    (Errno::EPERM, "hard would grow and the caller has no CAP_SYS_RESOURCE, or NOFILE is above fs.nr_open");

/// getrlimit(2).
pub const GETRLIMIT: SyscallInfo = SyscallInfo {
    nr: Sysno::GETRLIMIT,
    man: "getrlimit(2)",
    args: &[Arg::Enum("resource", RESOURCE), Arg::Data("rlim")],
    errno: &[BAD_RESOURCE],
    support: Support::Full,
    run: |k, caller, args| {
        let old = change(k, caller, caller, args.int(0)?, None)?;
        Ok(Ret::new(0).with(1, to_value(old)))
    },
};

/// setrlimit(2).
pub const SETRLIMIT: SyscallInfo = SyscallInfo {
    nr: Sysno::SETRLIMIT,
    man: "setrlimit(2)",
    args: &[Arg::Enum("resource", RESOURCE), Arg::Data("rlim")],
    errno: &[(Errno::EFAULT, "rlim is no structure"), BAD_RESOURCE, TOO_MUCH],
    support: Support::Full,
    run: |k, caller, args| {
        let new = from_value(args.get(1))?;
        change(k, caller, caller, args.int(0)?, Some(new))?;
        Ok(Ret::new(0))
    },
};

/// prlimit(2), for any process.
pub const PRLIMIT64: SyscallInfo = SyscallInfo {
    nr: Sysno::PRLIMIT64,
    man: "prlimit(2)",
    args: &[Arg::Pid("pid"), Arg::Enum("resource", RESOURCE), Arg::Data("new_limit"), Arg::Data("old_limit")],
    errno: &[
        (Errno::EFAULT, "new_limit is no structure"),
        (Errno::ESRCH, "there is no process of that number"),
        (
            Errno::EPERM,
            "the process is another user's and the caller has no CAP_SYS_RESOURCE over it; or see setrlimit(2)",
        ),
        BAD_RESOURCE,
    ],
    support: Support::Full,
    run: prlimit,
};

fn prlimit(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let new = match args.get(2) {
        Value::Null | Value::Int(0) => None,
        value => Some(from_value(value)?),
    };
    let target = match args.int32(0)? {
        0 => caller,
        nr => k.find_task(caller, nr).ok_or(Errno::ESRCH)?,
    };
    check_permission(k, caller, target)?;
    let old = change(k, caller, target, args.int(1)?, new)?;
    Ok(Ret::new(0).with(3, to_value(old)))
}

/// `check_prlimit_permission`: all ids of the target must be the caller's real ones.
fn check_permission(k: &mut Kernel<'_>, caller: TaskId, target: TaskId) -> Result<(), Errno> {
    if caller == target {
        return Ok(());
    }
    let (own, other) = (&k.tasks[caller].cred, &k.tasks[target].cred);
    let same_user = [other.uid, other.euid, other.suid].iter().all(|u| *u == own.uid);
    let same_group = [other.gid, other.egid, other.sgid].iter().all(|g| *g == own.gid);
    let ns = other.user_ns;
    if (same_user && same_group) || k.capable_in(caller, ns, Cap::SYS_RESOURCE) {
        return Ok(());
    }
    Err(Errno::EPERM)
}

/// `do_prlimit`: the old limit, after the new one has been set.
fn change(
    k: &mut Kernel<'_>,
    caller: TaskId,
    target: TaskId,
    resource: i64,
    new: Option<Rlimit>,
) -> Result<Rlimit, Errno> {
    let index = usize::try_from(resource).map_err(|_| Errno::EINVAL)?;
    let process = k.tasks[target].process;
    let old = *k.processes[process].rlimits.0.get(index).ok_or(Errno::EINVAL)?;
    if let Some(new) = new {
        if new.soft > new.hard {
            return Err(Errno::EINVAL);
        }
        if index == NOFILE && new.hard > NR_OPEN {
            return Err(Errno::EPERM);
        }
        if new.hard > old.hard && !k.capable(caller, Cap::SYS_RESOURCE) {
            return Err(Errno::EPERM);
        }
        k.processes[process].rlimits.0[index] = new;
    }
    Ok(old)
}

fn to_value(limit: Rlimit) -> Value {
    Value::record([("rlim_cur", limit.soft.into()), ("rlim_max", limit.hard.into())])
}

fn from_value(value: &Value) -> Result<Rlimit, Errno> {
    let field = |name| value.field(name).and_then(Value::as_int).map(|n| n as u64).ok_or(Errno::EFAULT);
    Ok(Rlimit { soft: field("rlim_cur")?, hard: field("rlim_max")? })
}
