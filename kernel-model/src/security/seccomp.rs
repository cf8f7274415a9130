//! seccomp: a task's own list of what it may ask the kernel for, as in seccomp(2) and `kernel/seccomp.c`.
//!
//! In strict mode four calls are left. With filters, every call is shown to each of them as a
//! [`SeccompData`] and the strongest answer counts ([`Action`]). Filters are never taken away again: children
//! inherit them, and execve(2) keeps them.
//! Elsewhere: the programs ([`bpf`](super::bpf)), how filters come here (`syscall::identity::seccomp`), and how user land
//! writes them (`program::security::libseccomp`).

use std::fmt;
use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::bpf::Program;
use crate::errno::Errno;
use crate::event::{EventKind, SignalEffect};
use crate::kernel::Kernel;
use crate::syscall::{Call, CallResult, Ret, Sysno, Value};
use crate::task::signal::{Disposition, Signal};
use crate::task::{ExitStatus, TaskId};
use crate::time::Nanos;

/// The size of `struct seccomp_data` in bytes.
pub const DATA_SIZE: u32 = 64;
/// `AUDIT_ARCH_X86_64`: the only way into this kernel.
pub const ARCH_X86_64: u32 = 0xc000_003e;
/// All filters of a task together, each counted with four more than it has (`MAX_INSNS_PER_PATH`).
pub const MAX_INSNS_PER_PATH: usize = (1 << 18) / 8;
/// What a compiled instruction costs, roughly.
const INSN_COST: Nanos = Nanos(1);
/// An address of user memory, for arguments that point somewhere: a filter sees the pointer, never what is there.
const POINTER: u64 = 0x7fff_f7d0_0000;

/// What a filter says about a call, strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// The whole process ends by SIGSYS.
    KillProcess,
    /// The thread ends by SIGSYS.
    KillThread,
    /// The thread gets SIGSYS with this number in `si_errno`.
    Trap(u16),
    /// The call fails with this error, or succeeds when it is 0.
    Errno(u16),
    /// A supervisor decides.
    UserNotif,
    /// A tracer is told, with this number.
    Trace(u16),
    /// The call is made and logged.
    Log,
    /// The call is made.
    Allow,
}

/// The actions with their numbers (`SECCOMP_RET_*`), strongest first.
pub const ACTIONS: [(&str, u32); 8] = [
    ("SECCOMP_RET_KILL_PROCESS", 0x8000_0000),
    ("SECCOMP_RET_KILL_THREAD", 0),
    ("SECCOMP_RET_TRAP", 0x0003_0000),
    ("SECCOMP_RET_ERRNO", 0x0005_0000),
    ("SECCOMP_RET_USER_NOTIF", 0x7fc0_0000),
    ("SECCOMP_RET_TRACE", 0x7ff0_0000),
    ("SECCOMP_RET_LOG", 0x7ffc_0000),
    ("SECCOMP_RET_ALLOW", 0x7fff_0000),
];

/// The part of a filter's answer that names the action (`SECCOMP_RET_ACTION_FULL`).
const ACTION_FULL: u32 = 0xffff_0000;

impl Action {
    /// What a filter's answer means; an unknown action kills.
    pub fn from_ret(ret: u32) -> Action {
        let data = ret as u16;
        match ret & ACTION_FULL {
            0 => Action::KillThread,
            0x0003_0000 => Action::Trap(data),
            0x0005_0000 => Action::Errno(data.min(4095)),
            0x7fc0_0000 => Action::UserNotif,
            0x7ff0_0000 => Action::Trace(data),
            0x7ffc_0000 => Action::Log,
            0x7fff_0000 => Action::Allow,
            _ => Action::KillProcess,
        }
    }

    /// The answer that a filter gives to mean this.
    pub fn to_ret(self) -> u32 {
        match self {
            Action::KillProcess => 0x8000_0000,
            Action::KillThread => 0,
            Action::Trap(data) => 0x0003_0000 | u32::from(data),
            Action::Errno(data) => 0x0005_0000 | u32::from(data),
            Action::UserNotif => 0x7fc0_0000,
            Action::Trace(data) => 0x7ff0_0000 | u32::from(data),
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        }
    }
}

impl fmt::Display for Action {
    /// The name in `linux/seccomp.h`, with its number where it has one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ret = self.to_ret();
        let name = ACTIONS.iter().find(|(_, n)| *n == ret & ACTION_FULL).map_or("", |(name, _)| name);
        match self {
            Action::Errno(n) => match Errno::from_number(i32::from(*n)) {
                Some(e) => write!(f, "{name}|{}", e.name()),
                None => write!(f, "{name}|{n}"),
            },
            Action::Trap(n) | Action::Trace(n) if *n != 0 => write!(f, "{name}|{n}"),
            _ => f.write_str(name),
        }
    }
}

/// What is shown to a filter (`struct seccomp_data`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeccompData {
    /// The number of the call.
    pub nr: u32,
    /// By which way it was made: always [`ARCH_X86_64`].
    pub arch: u32,
    /// Where the program was; the model has no addresses of code.
    pub instruction_pointer: u64,
    /// The six registers with arguments.
    pub args: [u64; 6],
}

impl SeccompData {
    /// A call as a filter sees it: numbers are themselves, and everything else is an address.
    pub fn of(call: &Call) -> SeccompData {
        let mut args = [0; 6];
        for (i, arg) in args.iter_mut().enumerate() {
            *arg = match call.args.get(i) {
                None | Some(Value::Null) => 0,
                Some(Value::Int(n)) => *n as u64,
                Some(_) => POINTER + 0x100 * i as u64,
            };
        }
        SeccompData { nr: u32::from(call.nr.0), arch: ARCH_X86_64, instruction_pointer: 0, args }
    }

    /// The structure as the words that `BPF_LD|BPF_W|BPF_ABS` loads, low halves first.
    pub(crate) fn words(&self) -> [u32; 16] {
        let mut words = [0; 16];
        (words[0], words[1]) = (self.nr, self.arch);
        let longs = [self.instruction_pointer].into_iter().chain(self.args);
        for (i, long) in longs.enumerate() {
            words[2 + 2 * i] = long as u32;
            words[3 + 2 * i] = (long >> 32) as u32;
        }
        words
    }
}

/// A filter that was attached.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Filter {
    /// What it runs.
    pub program: Program,
    /// Every action but allow is logged (`SECCOMP_FILTER_FLAG_LOG`).
    pub log: bool,
}

/// What a task may still ask for.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Seccomp {
    /// Everything.
    #[default]
    Disabled,
    /// read(2), write(2), _exit(2) and rt_sigreturn(2).
    Strict,
    /// What these let through, oldest first.
    Filtered(Vector<Arc<Filter>>),
}

impl Seccomp {
    /// The number in `/proc/PID/status` and of prctl(PR_GET_SECCOMP).
    pub fn mode(&self) -> i64 {
        match self {
            Seccomp::Disabled => 0,
            Seccomp::Strict => 1,
            Seccomp::Filtered(_) => 2,
        }
    }

    /// The filters, oldest first.
    pub fn filters(&self) -> impl DoubleEndedIterator<Item = &Arc<Filter>> {
        let filters = match self {
            Seccomp::Filtered(filters) => Some(filters),
            _ => None,
        };
        filters.into_iter().flatten()
    }

    /// The answer to a call, which filter gave it (0 is the oldest), and the instructions run (`seccomp_run_filters`).
    fn evaluate(&self, call: &Call) -> Option<(Action, u32, u32)> {
        let words = SeccompData::of(call).words();
        let (mut strongest, mut by, mut steps) = (None, 0, 0);
        // The newest first; of equal answers the first counts.
        for (i, filter) in self.filters().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let (ret, took) = filter.program.run(&words);
            steps += took;
            let rank = (ret & ACTION_FULL) as i32;
            if strongest.is_none_or(|s: u32| rank < (s & ACTION_FULL) as i32) {
                strongest = Some(ret);
                by = i as u32;
            }
        }
        strongest.map(|ret| (Action::from_ret(ret), by, steps))
    }
}

/// What becomes of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// It is made.
    Made,
    /// It is not made, and this is its result.
    Skipped(CallResult),
    /// Nobody is there to make it any more.
    Killed,
}

/// Calls that the C library answers from the vDSO: they do not enter the kernel, so no filter sees them.
fn is_in_vdso(nr: Sysno) -> bool {
    matches!(nr, Sysno::CLOCK_GETTIME | Sysno::GETTIMEOFDAY | Sysno::TIME | Sysno::GETCPU)
}

impl Kernel<'_> {
    /// Asks the task's filters about a call that it is about to make (`__secure_computing`).
    pub(crate) fn secure_computing(&mut self, task: TaskId, call: &Call) -> Verdict {
        if self.tasks[task].seccomp == Seccomp::Disabled || is_in_vdso(call.nr) {
            return Verdict::Made;
        }
        if self.tasks[task].seccomp == Seccomp::Strict {
            return self.secure_computing_strict(task, call);
        }
        let Some((action, filter, steps)) = self.tasks[task].seccomp.clone().evaluate(call) else {
            return Verdict::Made;
        };
        self.spend(Nanos(INSN_COST.0 * u64::from(steps)));
        self.emit(EventKind::SeccompDecided { nr: call.nr, action, filter: Some(filter), steps });
        self.carry_out(task, call, action)
    }

    fn secure_computing_strict(&mut self, task: TaskId, call: &Call) -> Verdict {
        if matches!(call.nr, Sysno::READ | Sysno::WRITE | Sysno::EXIT | Sysno::RT_SIGRETURN) {
            self.emit(EventKind::SeccompDecided { nr: call.nr, action: Action::Allow, filter: None, steps: 0 });
            return Verdict::Made;
        }
        self.emit(EventKind::SeccompDecided { nr: call.nr, action: Action::KillThread, filter: None, steps: 0 });
        self.emit(EventKind::SignalDelivered { signal: Signal::KILL, to: task, effect: SignalEffect::Killed });
        self.exit_task(task, ExitStatus::Killed { signal: Signal::KILL, core: false });
        Verdict::Killed
    }

    fn carry_out(&mut self, task: TaskId, call: &Call, action: Action) -> Verdict {
        match action {
            Action::Allow => Verdict::Made,
            Action::Log => {
                self.audit_seccomp(task, call, action, 0);
                Verdict::Made
            }
            Action::Errno(0) => Verdict::Skipped(Ok(Ret::new(0))),
            // An error that this kernel has no name for still is one.
            Action::Errno(n) => Verdict::Skipped(Err(Errno::from_number(i32::from(n)).unwrap_or(Errno::EPERM))),
            Action::Trap(_) => {
                self.force_sigsys(task);
                // The registers are put back as they were: the number of the call is what the program finds.
                Verdict::Skipped(Ok(Ret::new(i64::from(call.nr.0))))
            }
            // Nobody listens, and nobody traces.
            Action::UserNotif | Action::Trace(_) => Verdict::Skipped(Err(Errno::ENOSYS)),
            Action::KillThread | Action::KillProcess => {
                let process = self.tasks[task].process;
                let core = self.processes[process].rlimits.0[super::rlimit::CORE].soft > 0;
                self.audit_seccomp(task, call, action, Signal::SYS.0);
                self.emit(EventKind::SignalDelivered { signal: Signal::SYS, to: task, effect: SignalEffect::Killed });
                if action == Action::KillProcess || self.processes[process].threads.len() == 1 {
                    self.exit_group(task, ExitStatus::Killed { signal: Signal::SYS, core });
                } else {
                    self.exit_task(task, ExitStatus::Killed { signal: Signal::SYS, core: false });
                }
                Verdict::Killed
            }
        }
    }

    /// `type=1326`: a call that is logged or ends its thread (`audit_seccomp`).
    fn audit_seccomp(&mut self, task: TaskId, call: &Call, action: Action, signal: u8) {
        let t = &self.tasks[task];
        let (uid, gid, exe) = (t.cred.uid.0, t.cred.gid.0, t.user.image.exe.clone());
        let subject = match (&self.lsm, t.cred.selinux_label()) {
            (_, Some(label)) => format!(" subj={label}"),
            (super::lsm::Lsm::AppArmor(_), _) => format!(" subj={}", t.cred.apparmor().label),
            _ => String::new(),
        };
        let text = format!(
            "auid=4294967295 uid={uid} gid={gid} ses=4294967295{subject}{} exe={} sig={signal} arch={ARCH_X86_64:x} \
             syscall={} compat=0 ip=0x{POINTER:x} code=0x{:x}",
            self.audit_task(task),
            super::audit::untrusted(&exe),
            call.nr.0,
            action.to_ret(),
        );
        self.audit(super::audit::SECCOMP, &text);
    }

    /// SIGSYS that cannot be ignored or blocked (`force_sig_info`), not even by an init.
    fn force_sigsys(&mut self, task: TaskId) {
        let sighand = self.tasks[task].sighand;
        let handled = matches!(self.sighands[sighand].disposition(Signal::SYS), Disposition::Handler { .. });
        if !handled || self.tasks[task].blocked.has(Signal::SYS) {
            self.sighands[sighand].actions.remove(&Signal::SYS);
            self.tasks[task].blocked.remove(Signal::SYS);
        }
        self.tasks[task].pending.insert(Signal::SYS);
        self.emit(EventKind::SignalSent { signal: Signal::SYS, to: task });
    }
}
