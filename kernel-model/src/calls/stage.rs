//! A world whose processes do what they are told: the ground for replayed calls.

use crate::errno::Errno;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::strace::constant;
use crate::syscall::{Call, CallResult, Ret, Sysno, Value};
use crate::task::TaskId;
use crate::world::{Config, World};
use serde_json::Value as Json;

/// Turns that the world may take to come to rest after a call.
const BUDGET: u64 = 20_000;

/// A world and the machine that it runs on.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) running: Running<NoMachine>,
}

impl Stage {
    /// The standard world, at rest.
    pub(super) fn new() -> Stage {
        let mut stage = Stage { running: Running::new(World::boot(Config::default()), NoMachine) };
        stage.settle();
        stage
    }

    /// The first process of the machine, which does nothing by itself.
    pub(super) fn init(&self) -> TaskId {
        TaskId(1)
    }

    /// Makes a call as `task`. `None` when it does not return from it.
    pub(super) fn call(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> Option<CallResult> {
        if !self.is_alive(task) {
            return None;
        }
        self.running.call_as(task, Call { nr, args }, &mut Trace::silent())
    }

    /// The same for a call that prepares the ground and must not fail.
    ///
    /// # Errors
    /// The call and why it failed.
    pub(super) fn must(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> Result<Ret, String> {
        match self.call(task, nr, args) {
            Some(Ok(ret)) => Ok(ret),
            Some(Err(e)) => Err(format!("the world could not be set up: {} gave {}", nr.name(), e.name())),
            None => Err(format!("the world could not be set up: {} did not return", nr.name())),
        }
    }

    /// Makes a child with clone(2); the new task.
    ///
    /// # Errors
    /// Those of the call.
    pub(super) fn clone_child(&mut self, parent: TaskId, flags: u64) -> Result<(TaskId, i64), Option<Errno>> {
        let next = TaskId(self.running.world.tasks.next_number());
        let args = vec![Value::from(flags | SIGCHLD), Value::Int(0), Value::Null, Value::Null, Value::Int(0)];
        match self.call(parent, Sysno::CLONE, args) {
            Some(Ok(ret)) => Ok((next, ret.value)),
            Some(Err(e)) => Err(Some(e)),
            None => Err(None),
        }
    }

    /// Makes the ordinary user of the standard world out of a root process.
    ///
    /// # Errors
    /// A call that failed.
    pub(super) fn become_student(&mut self, task: TaskId) -> Result<(), String> {
        let id = || Value::Int(1000);
        self.must(task, Sysno::SETGROUPS, vec![Value::Int(0), Value::List(Vec::new())])?;
        self.must(task, Sysno::SETRESGID, vec![id(), id(), id()])?;
        self.must(task, Sysno::SETRESUID, vec![id(), id(), id()])?;
        self.make_dumpable(task)
    }

    /// As an exec would: `/proc/PID` belongs to the user again.
    ///
    /// # Errors
    /// A call that failed.
    pub(super) fn make_dumpable(&mut self, task: TaskId) -> Result<(), String> {
        const PR_SET_DUMPABLE: i64 = 4;
        let args = vec![Value::Int(PR_SET_DUMPABLE), Value::Int(1), Value::Int(0), Value::Int(0), Value::Int(0)];
        self.must(task, Sysno::PRCTL, args).map(|_| ())
    }

    /// Opens a file read-only.
    pub(super) fn open(&mut self, task: TaskId, path: &str, flags: i64) -> Option<CallResult> {
        let args = vec![Value::Int(AT_FDCWD), Value::str(path), Value::Int(flags), Value::Int(0o666)];
        self.call(task, Sysno::OPENAT, args)
    }

    /// Lets everything happen that the last call has caused.
    pub(super) fn settle(&mut self) {
        self.running.run(BUDGET, &mut Trace::silent());
    }

    /// Whether the task is an init that has begun to exit and waits until its PID namespace is empty.
    pub(super) fn waits_for_members(&self, task: TaskId) -> bool {
        let world = &self.running.world;
        let Some(ns) = world.pid_namespaces.get(world.pid_ns_of(task)) else { return false };
        let others = |pid| world.pids.get(pid).and_then(|p| p.task).is_some_and(|t| t != task);
        ns.child_reaper == Some(task) && ns.numbers.values().any(|pid| others(*pid))
    }

    /// Whether the task can still make calls.
    pub(super) fn is_alive(&self, task: TaskId) -> bool {
        self.running.world.tasks.get(task).is_some_and(|t| !t.state.has_exited())
    }
}

/// Relative to the working directory.
pub(super) const AT_FDCWD: i64 = -100;
/// Read only, closed by execve(2).
pub(super) const O_RDONLY_CLOEXEC: i64 = 0o2_000_000;
/// Write only, closed by execve(2).
pub(super) const O_WRONLY_CLOEXEC: i64 = 0o2_000_001;
/// The signal of an ordinary child to its parent.
pub(super) const SIGCHLD: u64 = 17;

/// Flags in a record: a list of names, one name, or a number.
///
/// # Errors
/// A name that nobody knows.
pub(super) fn bits(json: &Json) -> Result<i64, String> {
    match json {
        Json::Number(n) => n.as_i64().ok_or_else(|| format!("{n} is no integer")),
        Json::String(name) => constant(name).ok_or_else(|| format!("there is no flag `{name}`")),
        Json::Array(names) => names.iter().try_fold(0, |all, name| Ok(all | bits(name)?)),
        other => Err(format!("expected flags, not {other}")),
    }
}
