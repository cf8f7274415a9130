//! Tasks and processes: `struct task_struct`, and what the threads of a process share.
//!
//! A [`Task`] is one thread of execution. A [`Process`] is a thread group (`struct signal_struct`):
//! what fork(2) makes and wait(2) waits for. Numbers (pids) live in `namespace::pid`; here everything
//! is named by ids that are never used twice.

pub mod clone;
pub mod exec;
pub mod exit;
pub mod ptrace;
pub mod sched;
pub mod signal;
pub mod signal_delivery;
pub mod usermodehelper;
pub mod wait;

use std::sync::Arc;

use imbl::{OrdSet, Vector};
use serde::{Deserialize, Serialize};

use crate::id;
use crate::namespace::NsProxy;
use crate::namespace::pid::PidId;
use crate::program::{Image, Reply, Resume};
use crate::security::credentials::Cred;
use crate::syscall::{Call, Sleep};
use crate::time::Nanos;
use crate::vfs::fd_table::FdTableId;
use crate::vfs::path::FsStructId;
use signal::{SigHandId, SigSet, Signal};

id! {
    /// One thread of execution, for ever: unlike a pid it is never given to another.
    TaskId
}

id! {
    /// One process (thread group), for ever.
    ProcessId
}

/// A thread (`struct task_struct`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Its own id.
    pub id: TaskId,
    /// The thread group that it belongs to.
    pub process: ProcessId,
    /// Its `struct pid`: the numbers that it has, one in each PID namespace from which it can be seen.
    pub pid: PidId,
    /// The name that `ps -o comm` and `/proc/PID/comm` show, at most 15 bytes.
    pub comm: String,
    /// Credentials. Shared until one of the sharers changes its own.
    pub cred: Arc<Cred>,
    /// `no_new_privs` of prctl(2).
    pub no_new_privs: bool,
    /// Which calls it may still make (seccomp(2)).
    pub seccomp: crate::security::seccomp::Seccomp,
    /// Who watches its calls.
    pub tracer: Option<ptrace::Tracer>,
    /// The namespaces that it is in, apart from user (in `cred`) and pid (in `pid`).
    pub nsproxy: NsProxy,
    /// Root and working directory and umask, shared between `CLONE_FS` tasks.
    pub fs: FsStructId,
    /// Open files, shared between `CLONE_FILES` tasks. `None` once it has exited.
    pub files: Option<FdTableId>,
    /// Signal handlers, shared between `CLONE_SIGHAND` tasks.
    pub sighand: SigHandId,
    /// Blocked signals.
    pub blocked: SigSet,
    /// What is blocked again once rt_sigsuspend(2) has returned (`saved_sigmask`).
    pub saved_sigmask: Option<SigSet>,
    /// Signals sent to just this thread.
    pub pending: SigSet,
    /// How many signal handlers have run in it.
    pub signals_caught: u32,
    /// The signal that it gets when its parent dies (`PR_SET_PDEATHSIG`).
    pub pdeath_signal: Option<Signal>,
    /// The scheduler's view.
    pub state: TaskState,
    /// The call in which it is, while it sleeps in one.
    pub in_call: Option<InCall>,
    /// What runs in it when it is not in the kernel.
    pub user: UserMode,
    /// Processor time used so far.
    pub cpu_time: Nanos,
    /// When it was made.
    pub start_time: Nanos,
    /// The nice value, -20 to 19.
    pub nice: i8,
    /// The processors on which it may run, bit N for processor N.
    pub cpus_allowed: u64,
    /// What else the scheduler keeps of it.
    pub sched: sched::TaskSched,
    /// The address space is shared with the parent until exec or exit (`CLONE_VFORK`): the parent waits.
    pub vfork_parent: Option<TaskId>,
    /// The control groups that it is in.
    pub css_set: crate::cgroup::css_set::CssSetId,
    /// What of control groups keeps it from running.
    pub frozen: crate::cgroup::freeze::Frozen,
}

/// The scheduler's view of a task, as the letter in `ps -o stat` tells it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum TaskState {
    /// R: runs, or waits for a processor.
    Runnable,
    /// S: sleeps until something happens or a signal comes.
    Sleeping(Sleep),
    /// T: stopped by a signal. It wakes into the state that it had.
    Stopped(Box<TaskState>),
    /// Z: has exited, its status not yet collected.
    Zombie,
    /// X: gone, no number any more; kept only while something still refers to it.
    Dead,
}

impl TaskState {
    /// Whether it has exited.
    pub fn has_exited(&self) -> bool {
        matches!(self, TaskState::Zombie | TaskState::Dead)
    }
}

/// A call that has begun and not ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InCall {
    /// The call.
    pub call: Call,
    /// The moment at which it gives up, fixed when it first went to sleep.
    pub deadline: Option<Nanos>,
    /// How far it came before it slept (bytes written so far, for instance).
    pub progress: i64,
}

/// What runs in a task outside the kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UserMode {
    /// Program, arguments, environment.
    pub image: Arc<Image>,
    /// Who decides which call comes next.
    pub driver: Driver,
    /// Counts up whenever the program starts anew or saves its state, so that a cached future can tell
    /// whether it still belongs to this task.
    pub epoch: u64,
    /// The state with which the program began or that it saved last.
    pub resume: Resume,
    /// What the kernel has answered since then. Feeding these back to the program brings it to where it is.
    pub replies: Vector<Reply>,
    /// How many bytes the program has read in these answers, and so at most holds in memory.
    pub bytes_read: u64,
}

/// Who decides what a task does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Driver {
    /// Its program.
    Program,
    /// Calls from outside: a recorded log, the system-call console, a test.
    Outside,
}

/// A thread group (`struct signal_struct`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its own id.
    pub id: ProcessId,
    /// The thread whose pid is the process' pid.
    pub leader: TaskId,
    /// Its threads that have not been released, in order of creation.
    pub threads: Vec<TaskId>,
    /// The process that gets its exit status (`real_parent`); `None` for the first process of all.
    pub parent: Option<ProcessId>,
    /// Its children that have not been waited for.
    pub children: OrdSet<ProcessId>,
    /// The process group, as the `struct pid` of its founder.
    pub pgrp: PidId,
    /// The session, as the `struct pid` of its founder.
    pub session: PidId,
    /// The signal that the parent gets at the end; `None` for a `clone(2)` without one.
    pub exit_signal: Option<Signal>,
    /// Status as wait(2) reports it, once the end has begun.
    pub exit_code: Option<ExitStatus>,
    /// Signals sent to the process as a whole.
    pub pending: SigSet,
    /// It stopped or continued and the parent has not been told (`WUNTRACED`, `WCONTINUED`).
    pub stop_report: Option<StopReport>,
    /// It adopts the orphans among its descendants (`PR_SET_CHILD_SUBREAPER`).
    pub is_child_subreaper: bool,
    /// It has called execve(2) since it was made; its parent may no longer change its process group.
    pub did_exec: bool,
    /// What prctl(PR_GET_DUMPABLE) says; governs who owns `/proc/PID`.
    pub dumpable: bool,
    /// The user namespace that owned its memory at the last execve(2) (`mm->user_ns`).
    pub mm_user_ns: crate::namespace::user::UserNsId,
    /// The file that it runs (`mm->exe_file`), which it keeps in being; `None` for what was there at boot.
    pub exe: Option<crate::vfs::path::VfsPath>,
    /// Its address space; `None` once it has ended.
    pub mm: Option<crate::mm::MmId>,
    /// Resource limits.
    pub rlimits: crate::security::rlimit::Rlimits,
    /// What its tracees have done and it has not asked for yet.
    pub traced: Vector<ptrace::Record>,
    /// Its controlling terminal.
    pub tty: Option<crate::tty::Tty>,
    /// Processor time of waited-for descendants.
    pub children_cpu_time: Nanos,
    /// When SIGALRM is due.
    pub alarm: Option<Nanos>,
    /// oom_score_adj, -1000 to 1000.
    pub oom_score_adj: i16,
    /// How many segments of shared memory it has attached.
    pub shm_attached: usize,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ExitStatus {
    /// By exit(2) with this status, 0 to 255.
    Exited(u8),
    /// By this signal.
    Killed {
        /// The signal.
        signal: Signal,
        /// Whether it would have left a core file.
        core: bool,
    },
}

impl ExitStatus {
    /// The `int` that wait4(2) stores.
    pub fn wait_status(self) -> i32 {
        match self {
            ExitStatus::Exited(n) => i32::from(n) << 8,
            ExitStatus::Killed { signal, core } => i32::from(signal.0) | if core { 0x80 } else { 0 },
        }
    }

    /// What a shell shows as `$?`.
    pub fn shell_status(self) -> i32 {
        match self {
            ExitStatus::Exited(n) => i32::from(n),
            ExitStatus::Killed { signal, .. } => 128 + i32::from(signal.0),
        }
    }
}

/// A change that waits to be reported to the parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StopReport {
    /// Stopped by this signal.
    Stopped(Signal),
    /// Continued by `SIGCONT`.
    Continued,
}
