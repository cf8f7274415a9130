//! rt_sigaction(2), rt_sigprocmask(2), rt_sigpending(2), rt_sigsuspend(2) and pause(2): what a process
//! wants done with signals, and waiting for one.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, FlagNames, Ret, Sleep, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::task::signal::{DefaultAction, Disposition, SigSet, Signal};

const HOW: FlagNames = &[("SIG_BLOCK", 0), ("SIG_UNBLOCK", 1), ("SIG_SETMASK", 2)];

/// rt_sigaction(2).
pub const RT_SIGACTION: SyscallInfo = SyscallInfo {
    nr: Sysno::RT_SIGACTION,
    man: "sigaction(2)",
    args: &[Arg::Enum("signum", super::kill::SIGNALS), Arg::Data("act"), Arg::Data("oldact"), Arg::Int("sigsetsize")],
    errno: &[(Errno::EINVAL, "there is no such signal, or it is SIGKILL or SIGSTOP")],
    support: Support::Partial(
        "the mask during the handler and flags other than SA_RESTART and SA_NOCLDWAIT are not used",
    ),
    run: rt_sigaction,
};

/// rt_sigprocmask(2).
pub const RT_SIGPROCMASK: SyscallInfo = SyscallInfo {
    nr: Sysno::RT_SIGPROCMASK,
    man: "sigprocmask(2)",
    args: &[Arg::Enum("how", HOW), Arg::Data("set"), Arg::Data("oldset"), Arg::Int("sigsetsize")],
    errno: &[(Errno::EINVAL, "how is unknown")],
    support: Support::Full,
    run: rt_sigprocmask,
};

/// rt_sigpending(2).
pub const RT_SIGPENDING: SyscallInfo = SyscallInfo {
    nr: Sysno::RT_SIGPENDING,
    man: "sigpending(2)",
    args: &[Arg::Data("set"), Arg::Int("sigsetsize")],
    errno: &[],
    support: Support::Full,
    run: rt_sigpending,
};

/// rt_sigsuspend(2).
pub const RT_SIGSUSPEND: SyscallInfo = SyscallInfo {
    nr: Sysno::RT_SIGSUSPEND,
    man: "sigsuspend(2)",
    args: &[Arg::Data("mask"), Arg::Int("sigsetsize")],
    errno: &[(Errno::EINTR, "a signal with a handler came, as it always does when the call returns")],
    support: Support::Full,
    run: rt_sigsuspend,
};

/// pause(2).
pub const PAUSE: SyscallInfo = SyscallInfo {
    nr: Sysno::PAUSE,
    man: "pause(2)",
    args: &[],
    errno: &[(Errno::EINTR, "a signal with a handler came, as it always does when the call returns")],
    support: Support::Full,
    run: pause,
};

/// SA_NOCLDWAIT.
const SA_NOCLDWAIT: i64 = 2;

fn rt_sigaction(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let signal = Signal::from_number(a.int(0)?).ok_or(Errno::EINVAL)?;
    let change = !matches!(a.get(1), Value::Null | Value::Int(0));
    if change && signal.is_unstoppable() {
        return Err(Errno::EINVAL.into());
    }
    let sighand = k.tasks[caller].sighand;
    let old = k.sighands[sighand].disposition(signal);
    if change {
        let new = Disposition::from_value(a.get(1));
        if signal == Signal::CHLD {
            let flags = a.get(1).field("sa_flags").and_then(Value::as_int).unwrap_or(0);
            k.sighands[sighand].no_child_wait = flags & SA_NOCLDWAIT != 0;
        }
        let actions = &mut k.sighands[sighand].actions;
        match new {
            Disposition::Default => drop(actions.remove(&signal)),
            other => drop(actions.insert(signal, other)),
        }
        // A pending signal that would now be ignored is thrown away.
        let ignored = new == Disposition::Ignore
            || new == Disposition::Default && signal.default_action() == DefaultAction::Ignore;
        if ignored {
            let process = k.tasks[caller].process;
            k.tasks[caller].pending.remove(signal);
            k.processes[process].pending.remove(signal);
        }
    }
    Ok(Ret::new(0).with(2, old.to_value()))
}

fn rt_sigprocmask(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let old = k.tasks[caller].blocked;
    if !matches!(a.get(1), Value::Null) {
        let set = sigset(a.get(1));
        let mut new = match a.int(0)? {
            0 => old | set,
            1 => old & !set,
            2 => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        new.remove(Signal::KILL);
        new.remove(Signal::STOP);
        k.tasks[caller].blocked = new;
    }
    Ok(Ret::new(0).with(2, old.0.into()))
}

/// A set as a bit mask, or as a list of names or numbers.
fn sigset(value: &Value) -> SigSet {
    match value {
        Value::Int(bits) => SigSet(*bits as u64),
        Value::List(items) => {
            let mut set = SigSet::EMPTY;
            for item in items {
                let signal = match item {
                    Value::Int(n) => Signal::from_number(*n),
                    Value::Str(name) => Signal::from_name(name),
                    _ => None,
                };
                if let Some(signal) = signal {
                    set.insert(signal);
                }
            }
            set
        }
        _ => SigSet::EMPTY,
    }
}

fn rt_sigpending(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let task = &k.tasks[caller];
    let pending = (task.pending | k.processes[task.process].pending) & task.blocked;
    Ok(Ret::new(0).with(0, pending.0.into()))
}

/// The mask holds until a handler has run; then the old one is back.
fn rt_sigsuspend(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let mut mask = sigset(a.get(0));
    mask.remove(Signal::KILL);
    mask.remove(Signal::STOP);
    let t = &mut k.tasks[caller];
    if t.saved_sigmask.is_none() {
        t.saved_sigmask = Some(t.blocked);
    }
    t.blocked = mask;
    Err(Sleep::on(Wait::Signal))
}

fn pause(_: &mut Kernel<'_>, _: TaskId, _: Args<'_>) -> SysResult {
    Err(Sleep::on(Wait::Signal))
}
