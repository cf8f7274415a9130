//! Who watches whose system calls: what of ptrace(2) a tracer such as strace(1) needs.
//!
//! A real tracee stops at each call until its tracer lets it go on, and the tracer reads arguments out of its
//! memory. Here it does not stop: what it does is put down in order for its tracer, arguments and answers
//! included, and the tracer takes one [`Record`] after the other (`syscall::process::ptrace`). So a tracer can watch
//! everything and change nothing.

use serde::{Deserialize, Serialize};

use super::sched::Wait;
use super::signal::Signal;
use super::{ExitStatus, ProcessId, TaskId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::Pid;
use crate::program::libc::AT_FDCWD;
use crate::security::capability::Cap;
use crate::security::ptrace::AccessMode;
use crate::syscall::{self, Arg, Call, CallResult};
use crate::time::Nanos;

/// The tracer of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tracer {
    /// The process that traces it.
    pub by: ProcessId,
    /// New children and threads are traced, too (`PTRACE_O_TRACEFORK`, `_VFORK`, `_CLONE`).
    pub follows: bool,
}

/// What a tracee did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Did {
    /// It is traced from now on, because its maker was.
    Began,
    /// It entered a call.
    Entered(Call),
    /// The call that it was in had this result.
    Returned(CallResult),
    /// A signal reached it.
    Got(Signal),
    /// It exited.
    Exited(ExitStatus),
}

/// What a tracee did, put down for its tracer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its number as the tracer sees it.
    pub pid: Pid,
    /// What it did.
    pub did: Did,
    /// The descriptors that have to do with it, and what they are open on.
    pub paths: Vec<(i64, String)>,
    /// The processor time that it had used by then.
    pub cpu_time: Nanos,
}

impl Kernel<'_> {
    /// Puts down what a task does, if somebody traces it.
    pub(crate) fn tell_tracer(&mut self, task: TaskId, did: Did) {
        let Some(Tracer { by, .. }) = self.tasks.get(task).and_then(|t| t.tracer) else { return };
        let Some(tracer) = self.processes.get(by).map(|p| p.leader) else { return };
        let pid = self.pid_in(self.pid_ns_of(tracer), task).unwrap_or(0);
        let fds = match &did {
            Did::Entered(call) => descriptors(call),
            Did::Returned(Ok(ret)) => vec![ret.value],
            _ => Vec::new(),
        };
        let paths = fds.into_iter().filter_map(|fd| Some((fd, self.descriptor_name(task, fd)?))).collect();
        let cpu_time = self.tasks[task].cpu_time;
        self.processes[by].traced.push_back(Record { pid, did, paths, cpu_time });
        self.wake_all(Wait::Tracee(by));
    }

    /// What a descriptor is open on; for `AT_FDCWD` the working directory.
    fn descriptor_name(&self, task: TaskId, fd: i64) -> Option<String> {
        if fd as i32 == AT_FDCWD {
            return self.cwd_of(task).map(|place| self.d_path(place, task));
        }
        let id = self.file_id(task, i32::try_from(fd).ok()?).ok()?;
        Some(self.file_name(id, task))
    }

    /// Makes the process of `caller` the tracer of `target` (`ptrace_attach`).
    ///
    /// # Errors
    /// EPERM: itself, traced already, or `caller` may not look into it.
    pub(crate) fn ptrace_attach(&mut self, caller: TaskId, target: TaskId, follows: bool) -> Result<(), Errno> {
        let by = self.tasks[caller].process;
        let t = &self.tasks[target];
        if t.process == by || t.tracer.is_some() || t.state.has_exited() {
            return Err(Errno::EPERM);
        }
        if !self.ptrace_may_access(caller, target, AccessMode::RealCreds) {
            return Err(Errno::EPERM);
        }
        self.security_ptrace_access_check(caller, target, false).map_err(|_| Errno::EPERM)?;
        self.tasks[target].tracer = Some(Tracer { by, follows });
        Ok(())
    }

    /// A new task is traced if its maker's tracer asked for that.
    pub(crate) fn inherit_tracer(&mut self, child: TaskId) {
        if self.tasks[child].tracer.is_some_and(|t| t.follows) {
            self.tell_tracer(child, Did::Began);
        } else {
            self.tasks[child].tracer = None;
        }
    }

    /// A tracer exits: its tracees go on without.
    pub(crate) fn exit_ptrace(&mut self, process: ProcessId) {
        let tracees: Vec<TaskId> = self.tracees(process).collect();
        for task in tracees {
            self.tasks[task].tracer = None;
        }
    }

    /// The tasks that a process traces.
    pub(crate) fn tracees(&self, process: ProcessId) -> impl Iterator<Item = TaskId> + '_ {
        let traced = move |t: &crate::task::Task| t.tracer.is_some_and(|t| t.by == process) && !t.state.has_exited();
        self.tasks.iter().filter(move |(_, t)| traced(t)).map(|(id, _)| id)
    }

    /// Whether new powers at execve(2) would be in the hands of a tracer that could not have them (`LSM_UNSAFE_PTRACE`).
    pub(crate) fn is_unsafely_traced(&self, task: TaskId) -> bool {
        let t = &self.tasks[task];
        let tracer = t.tracer.and_then(|t| self.processes.get(t.by)).and_then(|p| self.tasks.get(p.leader));
        tracer.is_some_and(|tracer| !self.cred_has_cap(&tracer.cred, t.cred.user_ns, Cap::SYS_PTRACE))
    }
}

/// The descriptors among the arguments of a call.
fn descriptors(call: &Call) -> Vec<i64> {
    let args = syscall::info(call.nr).map_or(&[][..], |info| info.args);
    let fds = args.iter().zip(&call.args).filter(|(arg, _)| matches!(arg, Arg::Fd(_)));
    fds.filter_map(|(_, value)| value.as_int()).collect()
}
