//! clone(2), clone3(2), fork(2) and vfork(2): makes a new process or thread.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
};
use crate::syscall::{Arg, Args, FlagNames, Ret, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::clone::{CloneArgs, flags};
use crate::task::signal::Signal;
use crate::vfs::fd_table::Fd;

/// The bits of clone(2)'s flags that hold the exit signal.
const CSIGNAL: u64 = 0xff;

/// `CLONE_*` as strace names them. `CLONE_NEWTIME` is left out: in clone(2) its bit belongs to the exit signal.
pub const CLONE_FLAGS: FlagNames = &[
    ("CLONE_VM", flags::VM),
    ("CLONE_FS", flags::FS),
    ("CLONE_FILES", flags::FILES),
    ("CLONE_SIGHAND", flags::SIGHAND),
    ("CLONE_PIDFD", flags::PIDFD),
    ("CLONE_PTRACE", flags::PTRACE),
    ("CLONE_VFORK", flags::VFORK),
    ("CLONE_PARENT", flags::PARENT),
    ("CLONE_THREAD", flags::THREAD),
    ("CLONE_NEWNS", CLONE_NEWNS),
    ("CLONE_SYSVSEM", flags::SYSVSEM),
    ("CLONE_SETTLS", flags::SETTLS),
    ("CLONE_PARENT_SETTID", flags::PARENT_SETTID),
    ("CLONE_CHILD_CLEARTID", flags::CHILD_CLEARTID),
    ("CLONE_DETACHED", flags::DETACHED),
    ("CLONE_UNTRACED", flags::UNTRACED),
    ("CLONE_CHILD_SETTID", flags::CHILD_SETTID),
    ("CLONE_NEWCGROUP", CLONE_NEWCGROUP),
    ("CLONE_NEWUTS", CLONE_NEWUTS),
    ("CLONE_NEWIPC", CLONE_NEWIPC),
    ("CLONE_NEWUSER", CLONE_NEWUSER),
    ("CLONE_NEWPID", CLONE_NEWPID),
    ("CLONE_NEWNET", CLONE_NEWNET),
    ("CLONE_IO", flags::IO),
    ("CLONE_CLEAR_SIGHAND", flags::CLEAR_SIGHAND),
    ("CLONE_INTO_CGROUP", flags::INTO_CGROUP),
    ("SIGCHLD", 17),
];

const ERRORS: &[(Errno, &str)] = &[
    (
        Errno::EINVAL,
        "flags that exclude or need each other, such as CLONE_NEWNS with CLONE_FS, or CLONE_THREAD without CLONE_SIGHAND",
    ),
    (
        Errno::ENOSPC,
        "a limit in /proc/sys/user/max_*_namespaces is reached, or user or PID namespaces are nested 33 deep",
    ),
    (
        Errno::EPERM,
        "no CAP_SYS_ADMIN in the user namespace for a new namespace; for CLONE_NEWUSER: a chroot, or own ids without a mapping",
    ),
    (Errno::EAGAIN, "RLIMIT_NPROC of the user or a pids.max is reached, or no pid is free"),
    (Errno::EBADF, "CLONE_INTO_CGROUP: not the directory of a v2 control group"),
    (Errno::EBUSY, "CLONE_INTO_CGROUP: the group has domain controllers for those in it"),
    (Errno::EOPNOTSUPP, "CLONE_INTO_CGROUP: the group is domain invalid"),
    (Errno::ENOMEM, "the init of the PID namespace in which the child would be born has exited"),
];

const SUPPORT: Support =
    Support::Partial("stacks, thread-local storage and addresses to store ids at are taken and not used");

/// clone(2).
pub const CLONE: SyscallInfo = SyscallInfo {
    nr: Sysno::CLONE,
    man: "clone(2)",
    args: &[
        Arg::Flags("flags", CLONE_FLAGS),
        Arg::Data("stack"),
        Arg::Data("parent_tid"),
        Arg::Data("child_tid"),
        Arg::Data("tls"),
    ],
    errno: ERRORS,
    support: SUPPORT,
    run: clone,
};

/// clone3(2).
pub const CLONE3: SyscallInfo = SyscallInfo {
    nr: Sysno::CLONE3,
    man: "clone3(2)",
    args: &[Arg::Data("cl_args"), Arg::Int("size")],
    errno: ERRORS,
    support: SUPPORT,
    run: clone3,
};

/// fork(2).
pub const FORK: SyscallInfo =
    SyscallInfo { nr: Sysno::FORK, man: "fork(2)", args: &[], errno: ERRORS, support: Support::Full, run: fork };

/// vfork(2).
pub const VFORK: SyscallInfo =
    SyscallInfo { nr: Sysno::VFORK, man: "vfork(2)", args: &[], errno: ERRORS, support: Support::Full, run: vfork };

fn clone(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let bits = a.flags(0)?;
    if bits & flags::PIDFD != 0 && bits & flags::PARENT_SETTID != 0 {
        return Err(Errno::EINVAL.into());
    }
    let args = CloneArgs {
        flags: bits & !CSIGNAL & 0xffff_ffff,
        exit_signal: Signal::from_number((bits & CSIGNAL) as i64),
        ..CloneArgs::default()
    };
    with_pidfd(k, caller, &args, 2)
}

fn fork(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    k.clone_task(caller, &CloneArgs { exit_signal: Some(Signal::CHLD), ..CloneArgs::default() })
}

fn vfork(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let flags = flags::VFORK | flags::VM;
    let args = CloneArgs { flags, exit_signal: Some(Signal::CHLD), ..CloneArgs::default() };
    k.clone_task(caller, &args)
}

/// The structure may hold only some fields; the others count as zero.
fn clone3(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let field = |name| a.get(0).field(name).and_then(Value::as_int).unwrap_or(0) as u64;
    let bits = field("flags");
    let exit_signal = field("exit_signal");
    if exit_signal & !CSIGNAL != 0 || exit_signal > 64 {
        return Err(Errno::EINVAL.into());
    }
    let known = CLONE_FLAGS.iter().fold(0, |all, (_, bit)| all | bit) & !CSIGNAL;
    if bits & !(known | CLONE_NEWTIME | flags::CLEAR_SIGHAND | flags::INTO_CGROUP) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let has = |bit| bits & bit != 0;
    if has(flags::DETACHED)
        || (has(flags::SIGHAND) && has(flags::CLEAR_SIGHAND))
        || ((has(flags::THREAD) || has(flags::PARENT)) && exit_signal != 0)
    {
        return Err(Errno::EINVAL.into());
    }
    let set_tid = match a.get(0).field("set_tid") {
        Some(Value::List(items)) => items.iter().filter_map(Value::as_int).map(|n| n as i32).collect(),
        _ => Vec::new(),
    };
    let cgroup = has(flags::INTO_CGROUP).then(|| field("cgroup"));
    let cgroup = cgroup.map(|fd| Fd::try_from(fd).map_err(|_| Errno::EINVAL)).transpose()?;
    let args = CloneArgs { flags: bits, exit_signal: Signal::from_number(exit_signal as i64), set_tid, cgroup };
    with_pidfd(k, caller, &args, 0)
}

/// Makes the child and, with `CLONE_PIDFD`, a descriptor that names it.
fn with_pidfd(k: &mut Kernel<'_>, caller: TaskId, args: &CloneArgs, position: u8) -> SysResult {
    let ret = k.clone_task(caller, args)?;
    if args.flags & flags::PIDFD == 0 {
        return Ok(ret);
    }
    let ns = k.pid_ns_of(caller);
    let Some(pid) = k.pid_namespaces[ns].numbers.get(&(ret.value as i32)).copied() else {
        return Err(Stop::Err(Errno::ESRCH));
    };
    let fd = super::pidfd::open(k, caller, pid, 0)?;
    Ok(Ret::new(ret.value).with(position, Value::List(vec![fd.into()])))
}
