//! epoll_create(2), epoll_ctl(2) and epoll_wait(2): waiting for one of many descriptors.

use super::poll::can_poll;
use crate::errno::Errno;
use crate::ipc::epoll::{Epoll, Op};
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, FlagNames, Ret, Sleep, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;
use crate::vfs::file::FileKind;

const OPERATIONS: FlagNames = &[("EPOLL_CTL_ADD", 1), ("EPOLL_CTL_DEL", 2), ("EPOLL_CTL_MOD", 3)];
/// The most events that fit into an array whose size is an `int` (`EP_MAX_EVENTS`).
const MOST_EVENTS: i64 = 0x7fff_ffff / 12;

const WAIT_SUPPORT: Support = Support::Partial(
    "an edge (EPOLLET) is a change of what a descriptor is ready for: what comes on top of something unread is not told \
     again; a mask of signals is not used",
);

const WAIT_ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "epfd is not open"),
    (Errno::EINVAL, "maxevents is not positive, or too large; epfd is no interest list"),
    (Errno::EINTR, "a signal came first"),
];

const CREATE_ERRORS: &[(Errno, &str)] =
    &[(Errno::EINVAL, "an unknown flag, or a size that is not positive"), (Errno::EMFILE, "RLIMIT_NOFILE is reached")];

/// epoll_create(2). The size says nothing.
pub const EPOLL_CREATE: SyscallInfo = SyscallInfo {
    nr: Sysno::EPOLL_CREATE,
    man: "epoll_create(2)",
    args: &[Arg::Int("size")],
    errno: CREATE_ERRORS,
    support: Support::Full,
    run: |k, caller, a| if a.int32(0)? <= 0 { Err(Errno::EINVAL.into()) } else { create(k, caller, 0) },
};

/// epoll_create1(2).
pub const EPOLL_CREATE1: SyscallInfo = SyscallInfo {
    nr: Sysno::EPOLL_CREATE1,
    man: "epoll_create(2)",
    args: &[Arg::Flags("flags", &[("EPOLL_CLOEXEC", o::CLOEXEC as u64)])],
    errno: CREATE_ERRORS,
    support: Support::Full,
    run: |k, caller, a| {
        let flags = a.int(0)? as u32;
        if flags & !o::CLOEXEC != 0 { Err(Errno::EINVAL.into()) } else { create(k, caller, flags) }
    },
};

/// epoll_ctl(2). The event is `{events, data}`.
pub const EPOLL_CTL: SyscallInfo = SyscallInfo {
    nr: Sysno::EPOLL_CTL,
    man: "epoll_ctl(2)",
    args: &[Arg::Fd("epfd"), Arg::Enum("op", OPERATIONS), Arg::Fd("fd"), Arg::Data("event")],
    errno: &[
        (Errno::EFAULT, "EPOLL_CTL_ADD and EPOLL_CTL_MOD: event is no structure"),
        (Errno::EBADF, "epfd or fd is not open"),
        (Errno::EPERM, "fd cannot be waited for: a regular file or a directory"),
        (
            Errno::EINVAL,
            "epfd is no interest list, or the same as fd; EPOLLEXCLUSIVE where it cannot be; an unknown operation",
        ),
        (Errno::ELOOP, "lists would be in a circle, or more than 4 deep"),
        (Errno::EEXIST, "EPOLL_CTL_ADD: fd is in the list"),
        (Errno::ENOENT, "EPOLL_CTL_MOD and EPOLL_CTL_DEL: fd is not in the list"),
    ],
    support: Support::Full,
    run: ctl,
};

/// epoll_wait(2). The events are output 1.
pub const EPOLL_WAIT: SyscallInfo = SyscallInfo {
    nr: Sysno::EPOLL_WAIT,
    man: "epoll_wait(2)",
    args: &[Arg::Fd("epfd"), Arg::Data("events"), Arg::Int("maxevents"), Arg::Int("timeout")],
    errno: WAIT_ERRORS,
    support: WAIT_SUPPORT,
    run: |k, caller, a| {
        let timeout = u64::try_from(a.int32(3)?).ok().map(Nanos::from_millis);
        wait(k, caller, a, timeout)
    },
};

/// epoll_pwait(2). The events are output 1.
pub const EPOLL_PWAIT: SyscallInfo = SyscallInfo {
    nr: Sysno::EPOLL_PWAIT,
    man: "epoll_wait(2)",
    args: &[
        Arg::Fd("epfd"),
        Arg::Data("events"),
        Arg::Int("maxevents"),
        Arg::Int("timeout"),
        Arg::Data("sigmask"),
        Arg::Int("sigsetsize"),
    ],
    errno: WAIT_ERRORS,
    support: WAIT_SUPPORT,
    run: |k, caller, a| {
        let timeout = u64::try_from(a.int32(3)?).ok().map(Nanos::from_millis);
        wait(k, caller, a, timeout)
    },
};

/// epoll_pwait2(2), whose timeout is a `struct timespec`. The events are output 1.
pub const EPOLL_PWAIT2: SyscallInfo = SyscallInfo {
    nr: Sysno::EPOLL_PWAIT2,
    man: "epoll_wait(2)",
    args: &[
        Arg::Fd("epfd"),
        Arg::Data("events"),
        Arg::Int("maxevents"),
        Arg::Data("timeout"),
        Arg::Data("sigmask"),
        Arg::Int("sigsetsize"),
    ],
    errno: WAIT_ERRORS,
    support: WAIT_SUPPORT,
    run: |k, caller, a| {
        let field = |name| a.get(3).field(name).and_then(Value::as_int);
        let nanoseconds = field("tv_nsec").unwrap_or(0);
        if field("tv_sec").is_some_and(|sec| sec < 0) || !(0..1_000_000_000).contains(&nanoseconds) {
            return Err(Errno::EINVAL.into());
        }
        let timeout = field("tv_sec").map(|sec| Nanos::from_timespec(sec as u64, nanoseconds as u64));
        wait(k, caller, a, timeout)
    },
};

fn create(k: &mut Kernel<'_>, caller: TaskId, flags: u32) -> SysResult {
    k.unused_fd(caller, 0)?;
    let id = k.epolls.add(Epoll::default());
    Ok(Ret::new(k.install_file(caller, FileKind::Epoll(id), flags | o::RDWR)?))
}

fn ctl(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let op = match a.int32(1)? {
        1 => Some(Op::Add),
        2 => Some(Op::Del),
        3 => Some(Op::Mod),
        _ => None,
    };
    let events = a.get(3).field("events").and_then(Value::as_int);
    if op != Some(Op::Del) && events.is_none() {
        return Err(Errno::EFAULT.into());
    }
    let list = k.real_file_id(caller, a.int32(0)?)?;
    let fd = a.int32(2)?;
    let file = k.real_file_id(caller, fd)?;
    if !can_poll(k, file) {
        return Err(Errno::EPERM.into());
    }
    let data = a.get(3).field("data").cloned().unwrap_or(Value::Null);
    k.epoll_ctl(list, op, (file, fd), (events.unwrap_or(0) as u32, data))?;
    Ok(Ret::new(0))
}

fn wait(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, timeout: Option<Nanos>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    let most = i64::from(a.int32(2)?);
    if !(1..=MOST_EVENTS).contains(&most) {
        return Err(Errno::EINVAL.into());
    }
    let id = k.epoll_of(file).ok_or(Errno::EINVAL)?;
    let mut waits = Vec::new();
    let ready = k.epoll_ready(caller, id, most as usize, &mut waits);
    let answer = |ready: Vec<(u32, Value)>| {
        let count = ready.len() as i64;
        let event =
            |(events, data): (u32, Value)| Value::record([("events", i64::from(events).into()), ("data", data)]);
        Ok(Ret::new(count).with(1, Value::List(ready.into_iter().map(event).collect())))
    };
    if !ready.is_empty() || timeout == Some(Nanos(0)) {
        return answer(ready);
    }
    let until = timeout.map(|span| k.deadline(caller, span));
    if until.is_some_and(|at| k.clock >= at) {
        return answer(ready);
    }
    Err(Stop::Block(Sleep { on: waits, until }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::ConsoleId;
    use crate::kernel::Trace;
    use crate::pv_ops::NoMachine;
    use crate::world::{Config, World};

    fn call(world: &mut World, nr: Sysno, args: Vec<Value>) -> Result<Ret, Errno> {
        let caller = world.consoles[ConsoleId(1)].shell;
        let (mut machine, mut trace) = (NoMachine, Trace::silent());
        let mut k = Kernel { world, machine: &mut machine, trace: &mut trace, from_outside: false };
        let record = crate::syscall::info(nr).expect("a record");
        match (record.run)(&mut k, caller, Args(&args)) {
            Ok(ret) => Ok(ret),
            Err(Stop::Err(e)) => Err(e),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn int(world: &mut World, nr: Sysno, args: Vec<Value>) -> Result<i64, Errno> {
        call(world, nr, args).map(|ret| ret.value)
    }

    fn event(events: i64, data: i64) -> Value {
        Value::record([("events", events.into()), ("data", data.into())])
    }

    fn control(world: &mut World, list: i64, op: i64, fd: i64, events: i64) -> Result<i64, Errno> {
        int(world, Sysno::EPOLL_CTL, vec![list.into(), op.into(), fd.into(), event(events, fd)])
    }

    /// Data and events of what is ready now.
    fn ready(world: &mut World, list: i64) -> Vec<(i64, i64)> {
        let ret = call(world, Sysno::EPOLL_WAIT, vec![list.into(), Value::Null, 8.into(), 0.into()]).expect("events");
        let number = |value: &Value, name: &str| value.field(name).and_then(Value::as_int).expect("a number");
        ret.output(1).as_list().expect("a list").iter().map(|e| (number(e, "data"), number(e, "events"))).collect()
    }

    #[test]
    fn the_list_is_changed_with_the_kernels_checks() {
        let world = &mut World::boot(Config::default());
        let list = int(world, Sysno::EPOLL_CREATE1, vec![0.into()]).expect("a list");
        let counter = int(world, Sysno::EVENTFD2, vec![0.into(), 0.into()]).expect("a counter");
        assert_eq!(int(world, Sysno::EPOLL_CREATE1, vec![1.into()]), Err(Errno::EINVAL));
        assert_eq!(int(world, Sysno::EPOLL_CREATE, vec![0.into()]), Err(Errno::EINVAL));
        assert_eq!(control(world, list, 1, 99, 1), Err(Errno::EBADF));
        assert_eq!(control(world, list, 1, 0, 1), Err(Errno::EPERM), "/dev/null cannot be waited for");
        assert_eq!(control(world, list, 1, list, 1), Err(Errno::EINVAL), "itself");
        assert_eq!(control(world, counter, 1, list, 1), Err(Errno::EINVAL), "no list");
        assert_eq!(control(world, list, 3, counter, 1), Err(Errno::ENOENT));
        assert_eq!(control(world, list, 2, counter, 1), Err(Errno::ENOENT));
        assert_eq!(control(world, list, 1, counter, 1), Ok(0));
        assert_eq!(control(world, list, 1, counter, 1), Err(Errno::EEXIST));
        assert_eq!(control(world, list, 9, counter, 1), Err(Errno::EINVAL));
        let none = vec![list.into(), 1.into(), counter.into(), Value::Null];
        assert_eq!(int(world, Sysno::EPOLL_CTL, none), Err(Errno::EFAULT));
        let other = int(world, Sysno::EPOLL_CREATE1, vec![0.into()]).expect("a list");
        assert_eq!(control(world, list, 1, other, 1), Ok(0));
        assert_eq!(control(world, other, 1, list, 1), Err(Errno::ELOOP));
        for most in [0, -1] {
            let args = vec![list.into(), Value::Null, most.into(), 0.into()];
            assert_eq!(int(world, Sysno::EPOLL_WAIT, args), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn what_is_ready_is_told_always_once_or_when_it_changes() {
        const ET: i64 = 1 << 31;
        const ONESHOT: i64 = 1 << 30;
        let world = &mut World::boot(Config::default());
        let list = int(world, Sysno::EPOLL_CREATE1, vec![0.into()]).expect("a list");
        let mut counter = |events: i64| {
            let fd = int(world, Sysno::EVENTFD2, vec![1.into(), 0.into()]).expect("a counter");
            assert_eq!(control(world, list, 1, fd, events), Ok(0));
            fd
        };
        let (level, edge, once) = (counter(1), counter(1 | ET), counter(1 | ONESHOT));
        assert_eq!(ready(world, list), [(level, 1), (edge, 1), (once, 1)]);
        assert_eq!(ready(world, list), [(level, 1)]);
        assert_eq!(control(world, list, 3, once, 1), Ok(0));
        assert_eq!(ready(world, list), [(level, 1), (once, 1)]);
        // Emptied and filled again, the second one changes.
        assert!(call(world, Sysno::READ, vec![edge.into(), Value::Null, 8.into()]).is_ok());
        assert_eq!(control(world, list, 2, level, 0), Ok(0));
        assert_eq!(ready(world, list), [(once, 1)]);
        let one = Value::bytes(1u64.to_le_bytes());
        assert!(call(world, Sysno::WRITE, vec![edge.into(), one, 8.into()]).is_ok());
        assert_eq!(ready(world, list), [(once, 1), (edge, 1)]);
        // What is closed is in no list any more.
        assert_eq!(int(world, Sysno::CLOSE, vec![once.into()]), Ok(0));
        assert_eq!(ready(world, list), []);
    }
}
