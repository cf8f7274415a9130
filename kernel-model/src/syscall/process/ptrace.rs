//! ptrace(2): watching the system calls of another process.
//!
//! `PTRACE_GET_SYSCALL_INFO` answers with `{pid, op, ...}`: what the next tracee did, in the order in which it was
//! done. `op` is `attach`, `entry` (with `nr`, `args`), `exit` (with `rval`, `errno`, `out`), `signal` (with
//! `signal`) or `gone` (with `status` as wait(2) has it); `paths` lists `{fd, path}`.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, FlagNames, Ret, Sleep, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::ptrace::{Did, Record, Tracer};
use crate::task::sched::Wait;

#[allow(missing_docs)] // the requests of ptrace(2)
pub mod request {
    pub const TRACEME: i64 = 0;
    pub const DETACH: i64 = 17;
    pub const SEIZE: i64 = 0x4206;
    pub const GET_SYSCALL_INFO: i64 = 0x420e;
}

#[allow(missing_docs)] // the options of ptrace(2)
pub mod option {
    pub const TRACESYSGOOD: u64 = 1;
    pub const TRACEFORK: u64 = 2;
    pub const TRACEVFORK: u64 = 4;
    pub const TRACECLONE: u64 = 8;
    pub const TRACEEXEC: u64 = 16;
    pub const ALL: u64 = 0x30_00ff;
}

const REQUESTS: FlagNames = &[
    ("PTRACE_TRACEME", request::TRACEME as u64),
    ("PTRACE_PEEKTEXT", 1),
    ("PTRACE_PEEKDATA", 2),
    ("PTRACE_PEEKUSER", 3),
    ("PTRACE_POKETEXT", 4),
    ("PTRACE_POKEDATA", 5),
    ("PTRACE_POKEUSER", 6),
    ("PTRACE_CONT", 7),
    ("PTRACE_KILL", 8),
    ("PTRACE_SINGLESTEP", 9),
    ("PTRACE_GETREGS", 12),
    ("PTRACE_SETREGS", 13),
    ("PTRACE_ATTACH", 16),
    ("PTRACE_DETACH", request::DETACH as u64),
    ("PTRACE_SYSCALL", 24),
    ("PTRACE_SETOPTIONS", 0x4200),
    ("PTRACE_GETEVENTMSG", 0x4201),
    ("PTRACE_GETSIGINFO", 0x4202),
    ("PTRACE_GETREGSET", 0x4204),
    ("PTRACE_SETREGSET", 0x4205),
    ("PTRACE_SEIZE", request::SEIZE as u64),
    ("PTRACE_INTERRUPT", 0x4207),
    ("PTRACE_LISTEN", 0x4208),
    ("PTRACE_GET_SYSCALL_INFO", request::GET_SYSCALL_INFO as u64),
];

const OPTIONS: FlagNames = &[
    ("PTRACE_O_TRACESYSGOOD", option::TRACESYSGOOD),
    ("PTRACE_O_TRACEFORK", option::TRACEFORK),
    ("PTRACE_O_TRACEVFORK", option::TRACEVFORK),
    ("PTRACE_O_TRACECLONE", option::TRACECLONE),
    ("PTRACE_O_TRACEEXEC", option::TRACEEXEC),
];

/// ptrace(2).
pub const PTRACE: SyscallInfo = SyscallInfo {
    nr: Sysno::PTRACE,
    man: "ptrace(2)",
    args: &[Arg::Enum("request", REQUESTS), Arg::Pid("pid"), Arg::Data("addr"), Arg::Flags("data", OPTIONS)],
    errno: &[
        (Errno::EPERM, "the tracee is the caller itself, is traced already, or may not be looked into"),
        (Errno::ESRCH, "there is no such process, it is not traced by the caller, or no tracee is left"),
        (Errno::EIO, "an unknown option, or a request that is not modelled"),
        (Errno::EINTR, "a signal came while the caller waited for a tracee"),
    ],
    support: Support::Partial(
        "PTRACE_SEIZE, PTRACE_TRACEME, PTRACE_DETACH and PTRACE_GET_SYSCALL_INFO; a tracee never stops, so it can be \
         watched and not be changed: PTRACE_GET_SYSCALL_INFO waits for the next call, signal or exit of any tracee",
    ),
    run: ptrace,
};

fn ptrace(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (what, pid) = (a.int(0)?, a.int32(1)?);
    let own = k.tasks[caller].process;
    match what {
        request::TRACEME => {
            let parent = k.processes[own].parent.ok_or(Errno::EPERM)?;
            if k.tasks[caller].tracer.is_some() {
                return Err(Errno::EPERM.into());
            }
            k.tasks[caller].tracer = Some(Tracer { by: parent, follows: false });
            Ok(Ret::new(0))
        }
        request::SEIZE => {
            let target = k.find_task(caller, pid).ok_or(Errno::ESRCH)?;
            let options = a.flags(3)?;
            if a.int(2)? != 0 || options & !option::ALL != 0 {
                return Err(Errno::EIO.into());
            }
            let follows = options & (option::TRACEFORK | option::TRACEVFORK | option::TRACECLONE) != 0;
            k.ptrace_attach(caller, target, follows)?;
            Ok(Ret::new(0))
        }
        request::DETACH => {
            let target = k.find_task(caller, pid).filter(|t| k.tasks[*t].tracer.is_some_and(|t| t.by == own));
            k.tasks[target.ok_or(Errno::ESRCH)?].tracer = None;
            Ok(Ret::new(0))
        }
        request::GET_SYSCALL_INFO => match k.processes[own].traced.pop_front() {
            Some(record) => Ok(Ret::new(0).with(3, to_value(&record))),
            None if k.tracees(own).next().is_none() => Err(Errno::ESRCH.into()),
            None => Err(Sleep::on(Wait::Tracee(own))),
        },
        _ => {
            let name = REQUESTS.iter().find(|(_, n)| *n as i64 == what).map_or("this request", |(name, _)| name);
            k.emit(EventKind::NotModelled { what: format!("{name} of ptrace(2)").into() });
            Err(Errno::EIO.into())
        }
    }
}

fn to_value(record: &Record) -> Value {
    let mut fields: Vec<(&'static str, Value)> = vec![("pid", record.pid.into())];
    match &record.did {
        Did::Began => fields.push(("op", "attach".into())),
        Did::Entered(call) => fields.extend([
            ("op", "entry".into()),
            ("nr", i64::from(call.nr.0).into()),
            ("args", Value::List(call.args.clone())),
        ]),
        Did::Returned(result) => {
            fields.push(("op", "exit".into()));
            match result {
                Ok(ret) => {
                    let out = ret
                        .out
                        .iter()
                        .map(|(at, v)| Value::record([("at", i64::from(*at).into()), ("value", v.clone())]));
                    fields.extend([("rval", ret.value.into()), ("out", Value::List(out.collect()))]);
                }
                Err(e) => fields.push(("errno", e.number().into())),
            }
        }
        Did::Got(signal) => fields.extend([("op", "signal".into()), ("signal", i64::from(signal.0).into())]),
        Did::Exited(status) => fields.extend([("op", "gone".into()), ("status", status.wait_status().into())]),
    }
    let paths =
        record.paths.iter().map(|(fd, path)| Value::record([("fd", (*fd).into()), ("path", path.as_str().into())]));
    fields.extend([("paths", Value::List(paths.collect())), ("cpu_time", record.cpu_time.0.into())]);
    Value::Struct(fields.into_iter().map(|(name, v)| (name.into(), v)).collect())
}
