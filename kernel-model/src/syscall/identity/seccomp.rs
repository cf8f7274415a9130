//! seccomp(2): says which calls a thread may still make.
//!
//! A filter is `{len, filter}` with `filter` an array of `{code, jt, jf, k}` (`struct sock_fprog`), which strace and
//! the console write as `BPF_STMT(...)` and `BPF_JUMP(...)`.

use std::sync::Arc;

use imbl::Vector;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::pid::Pid;
use crate::security::bpf::{Insn, MAX_INSNS, Program};
use crate::security::capability::Cap;
use crate::security::seccomp::{ACTIONS, DATA_SIZE, Filter, MAX_INSNS_PER_PATH, Seccomp};
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const OPERATION: FlagNames = &[
    ("SECCOMP_SET_MODE_STRICT", 0),
    ("SECCOMP_SET_MODE_FILTER", 1),
    ("SECCOMP_GET_ACTION_AVAIL", 2),
    ("SECCOMP_GET_NOTIF_SIZES", 3),
];

#[allow(missing_docs)] // the flags of seccomp(2)
pub mod flag {
    pub const TSYNC: u64 = 1;
    pub const LOG: u64 = 2;
    pub const SPEC_ALLOW: u64 = 4;
    pub const NEW_LISTENER: u64 = 8;
    pub const TSYNC_ESRCH: u64 = 16;
    pub const WAIT_KILLABLE_RECV: u64 = 32;
}

const FLAGS: FlagNames = &[
    ("SECCOMP_FILTER_FLAG_TSYNC", flag::TSYNC),
    ("SECCOMP_FILTER_FLAG_LOG", flag::LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", flag::SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_NEW_LISTENER", flag::NEW_LISTENER),
    ("SECCOMP_FILTER_FLAG_TSYNC_ESRCH", flag::TSYNC_ESRCH),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", flag::WAIT_KILLABLE_RECV),
];

/// seccomp(2).
pub const SECCOMP: SyscallInfo = SyscallInfo {
    nr: Sysno::SECCOMP,
    man: "seccomp(2)",
    args: &[Arg::Enum("operation", OPERATION), Arg::Flags("flags", FLAGS), Arg::Data("args")],
    errno: &[
        (Errno::EINVAL, "there is no such operation, a flag does not fit it, or another mode is in force already"),
        (Errno::EFAULT, "the filter is not there"),
        (Errno::EINVAL, "the filter has no or too many instructions, or one that is not allowed"),
        (Errno::EACCES, "neither no_new_privs nor CAP_SYS_ADMIN in the own user namespace"),
        (Errno::ENOMEM, "all filters of the thread together are too long"),
        (Errno::ESRCH, "another thread has other filters (with SECCOMP_FILTER_FLAG_TSYNC_ESRCH)"),
        (Errno::EOPNOTSUPP, "SECCOMP_GET_ACTION_AVAIL: there is no such action"),
    ],
    support: Support::Partial(
        "SECCOMP_FILTER_FLAG_NEW_LISTENER is refused with EINVAL, as by kernels before 5.0: nobody can listen, so \
         SECCOMP_RET_USER_NOTIF gives ENOSYS, and so does SECCOMP_RET_TRACE; pointers are shown to filters as one address",
    ),
    run: |k, caller, args| match args.int(0)? as u32 {
        0 if args.flags(1)? as u32 != 0 || !is_null(args.get(2)) => Err(Errno::EINVAL.into()),
        0 => {
            k.set_seccomp_strict(caller)?;
            Ok(Ret::new(0))
        }
        1 => set_mode_filter(k, caller, args),
        2 if args.flags(1)? as u32 != 0 => Err(Errno::EINVAL.into()),
        2 => action_is_available(args.get(2)),
        3 if args.flags(1)? as u32 != 0 => Err(Errno::EINVAL.into()),
        3 => Ok(Ret::new(0).with(
            2,
            Value::record([
                ("seccomp_notif", 80.into()),
                ("seccomp_notif_resp", 24.into()),
                ("seccomp_data", i64::from(DATA_SIZE).into()),
            ]),
        )),
        _ => Err(Errno::EINVAL.into()),
    },
};

fn is_null(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Int(0))
}

/// Reads `struct sock_fprog`.
///
/// # Errors
/// EFAULT without one, EINVAL for no or too many instructions.
pub(super) fn program(value: &Value) -> Result<Program, Errno> {
    let len = value.field("len").and_then(Value::as_int).ok_or(Errno::EFAULT)?;
    if len <= 0 || len > MAX_INSNS as i64 {
        return Err(Errno::EINVAL);
    }
    let insns = value.field("filter").and_then(Value::as_list).ok_or(Errno::EFAULT)?;
    let part = |insn: &Value, name| insn.field(name).and_then(Value::as_int);
    let insns = insns.get(..len as usize).ok_or(Errno::EFAULT)?.iter().map(|insn| {
        Some(Insn {
            code: part(insn, "code")? as u16,
            jt: part(insn, "jt").unwrap_or(0) as u8,
            jf: part(insn, "jf").unwrap_or(0) as u8,
            k: part(insn, "k")? as u32,
        })
    });
    insns.collect::<Option<Arc<[Insn]>>>().map(Program).ok_or(Errno::EFAULT)
}

/// The structure for a program.
pub fn to_value(program: &Program) -> Value {
    let insn = |i: &Insn| {
        Value::record([
            ("code", i64::from(i.code).into()),
            ("jt", i64::from(i.jt).into()),
            ("jf", i64::from(i.jf).into()),
            ("k", i.k.into()),
        ])
    };
    Value::record([("len", program.0.len().into()), ("filter", Value::List(program.0.iter().map(insn).collect()))])
}

/// `seccomp_get_action_avail`
fn action_is_available(action: &Value) -> SysResult {
    let action = match action {
        Value::List(items) => items.first().and_then(Value::as_int),
        other => other.as_int(),
    };
    let action = action.ok_or(Errno::EFAULT)?;
    if ACTIONS.iter().any(|(_, n)| i64::from(*n) == action) { Ok(Ret::new(0)) } else { Err(Errno::EOPNOTSUPP.into()) }
}

/// `seccomp_set_mode_filter`
fn set_mode_filter(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let flags = args.flags(1)? & 0xffff_ffff;
    let known = FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    let listens = flags & flag::NEW_LISTENER != 0;
    if flags & !known != 0
        || (flags & flag::TSYNC != 0 && listens && flags & flag::TSYNC_ESRCH == 0)
        || (flags & flag::WAIT_KILLABLE_RECV != 0 && !listens)
    {
        return Err(Errno::EINVAL.into());
    }
    let program = program(args.get(2))?;
    if listens {
        k.emit(EventKind::NotModelled {
            what: Arc::from("a supervisor that decides about calls (SECCOMP_RET_USER_NOTIF)"),
        });
        return Err(Errno::EINVAL.into());
    }
    if flags & flag::TSYNC != 0 {
        k.check_seccomp_filter(caller, &program)?;
        if let Some(other) = k.cannot_sync(caller) {
            return if flags & flag::TSYNC_ESRCH != 0 {
                Err(Errno::ESRCH.into())
            } else {
                Ok(Ret::new(i64::from(other)))
            };
        }
    }
    k.attach_seccomp_filter(caller, &program, flags & flag::LOG != 0)?;
    if flags & flag::TSYNC != 0 {
        k.sync_seccomp(caller);
    }
    Ok(Ret::new(0))
}

impl Kernel<'_> {
    /// Strict mode, from which there is no way back (`seccomp_set_mode_strict`).
    ///
    /// # Errors
    /// EINVAL: filters are in force.
    pub(super) fn set_seccomp_strict(&mut self, task: TaskId) -> Result<(), Errno> {
        if matches!(self.tasks[task].seccomp, Seccomp::Filtered(_)) {
            return Err(Errno::EINVAL);
        }
        self.tasks[task].seccomp = Seccomp::Strict;
        self.emit(EventKind::SeccompAttached { filters: 0, instructions: 0 });
        Ok(())
    }

    /// What is asked before a filter is attached (`seccomp_prepare_filter`).
    fn check_seccomp_filter(&mut self, task: TaskId, program: &Program) -> Result<(), Errno> {
        let ns = self.tasks[task].cred.user_ns;
        if !self.tasks[task].no_new_privs && !self.capable_in(task, ns, Cap::SYS_ADMIN) {
            return Err(Errno::EACCES);
        }
        program.check(DATA_SIZE)?;
        if self.tasks[task].seccomp == Seccomp::Strict {
            return Err(Errno::EINVAL);
        }
        let before: usize = self.tasks[task].seccomp.filters().map(|f| f.program.0.len() + 4).sum();
        if before + program.0.len() > MAX_INSNS_PER_PATH { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Puts one more filter in front of those of a task (`seccomp_attach_filter`).
    ///
    /// # Errors
    /// EACCES, EINVAL, ENOMEM as in seccomp(2).
    pub(super) fn attach_seccomp_filter(&mut self, task: TaskId, program: &Program, log: bool) -> Result<(), Errno> {
        self.check_seccomp_filter(task, program)?;
        let mut filters: Vector<Arc<Filter>> = self.tasks[task].seccomp.filters().cloned().collect();
        filters.push_back(Arc::new(Filter { program: program.clone(), log }));
        let (count, instructions) = (filters.len() as u32, program.0.len() as u32);
        self.tasks[task].seccomp = Seccomp::Filtered(filters);
        self.emit(EventKind::SeccompAttached { filters: count, instructions });
        Ok(())
    }

    /// A thread whose filters are not the first of the caller's (`seccomp_can_sync_threads`): its number.
    fn cannot_sync(&self, caller: TaskId) -> Option<Pid> {
        let own: Vec<&Arc<Filter>> = self.tasks[caller].seccomp.filters().collect();
        let process = &self.processes[self.tasks[caller].process];
        let other = process.threads.iter().copied().find(|t| {
            let other = &self.tasks[*t];
            let is_ancestor = match &other.seccomp {
                Seccomp::Disabled => true,
                Seccomp::Strict => false,
                Seccomp::Filtered(theirs) => theirs.iter().enumerate().all(|(i, f)| own.get(i) == Some(&f)),
            };
            *t != caller && !other.state.has_exited() && !is_ancestor
        });
        other.map(|t| self.pid_in(self.pid_ns_of(caller), t).unwrap_or(0))
    }

    /// All threads get the filters of the caller, and its no_new_privs (`seccomp_sync_threads`).
    fn sync_seccomp(&mut self, caller: TaskId) {
        let (seccomp, no_new_privs) = (self.tasks[caller].seccomp.clone(), self.tasks[caller].no_new_privs);
        for thread in self.processes[self.tasks[caller].process].threads.clone() {
            self.tasks[thread].seccomp = seccomp.clone();
            self.tasks[thread].no_new_privs |= no_new_privs;
        }
    }
}
