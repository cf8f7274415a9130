//! Who runs next, and what the others wait for.
//!
//! One task at a time makes one system call (a [`crate::step`] turn). Runnable tasks take turns in a
//! queue: a task runs until it sleeps or has used its slice, new and woken tasks go to the end. The
//! order is part of the world, so the same actions always interleave in the same way.

use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use super::{ProcessId, TaskId, TaskState};
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::ipc::pipe::PipeId;
use crate::ipc::sysv::IpcKind;
use crate::kernel::Kernel;
use crate::namespace::ipc::IpcNsId;
use crate::net::socket::SocketId;
use crate::pv_ops::PvOp;
use crate::syscall::Sleep;
use crate::task::signal::Signal;
use crate::time::Nanos;

/// Something that a task can wait for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Wait {
    /// A child of this process changes state (wait(2)).
    Child(ProcessId),
    /// The pipe has data, or its last writer is gone.
    PipeReadable(PipeId),
    /// The pipe has room, or its last reader is gone.
    PipeWritable(PipeId),
    /// Somebody opens the other end of this fifo.
    FifoPeer(PipeId),
    /// A line is typed at the console.
    Line(ConsoleId),
    /// The vfork(2) child of this task has called execve(2) or exited.
    VforkDone(TaskId),
    /// The process exits (pidfds, an init that reaps its namespace).
    ProcessExit(ProcessId),
    /// A call from outside: this task does nothing by itself.
    Outside,
    /// Only a signal (pause(2), sigsuspend(2)).
    Signal,
    /// A message arrives in the socket.
    SocketReadable(SocketId),
    /// A lock on this inode is given up (flock(2)).
    FileLock(u64),
    /// Something happens to this System V object, given by its id.
    Ipc(IpcNsId, IpcKind, i32),
}

/// The scheduler's queues.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sched {
    /// Who runs now.
    pub current: Option<TaskId>,
    /// How much of its slice the current task has used.
    pub slice_used: Nanos,
    /// Runnable tasks, next one first; the current task is not among them.
    pub queue: Vector<TaskId>,
    /// Sleepers by what they wait for.
    pub waiting: OrdMap<Wait, OrdSet<TaskId>>,
    /// Sleepers with a deadline.
    pub timers: OrdSet<(Nanos, TaskId)>,
    /// Processes that get SIGALRM at some time.
    pub alarms: OrdSet<(Nanos, ProcessId)>,
}

/// How long a task runs before others get their turn (`base_slice_ns` of two processors).
pub const SLICE: Nanos = Nanos(2_800_000);

impl Kernel<'_> {
    /// The task that takes the next turn, switching to it if need be. `None` when all sleep.
    pub(crate) fn schedule(&mut self) -> Option<TaskId> {
        self.expire_timers();
        let previous = self.sched.current;
        if let Some(task) = previous
            && self.is_runnable(task)
        {
            if self.sched.slice_used < SLICE || self.sched.queue.is_empty() {
                return Some(task);
            }
            self.sched.queue.push_back(task);
        }
        self.sched.current = None;
        while let Some(next) = self.sched.queue.pop_front() {
            if self.is_runnable(next) {
                self.sched.current = Some(next);
                self.sched.slice_used = Nanos(0);
                if previous != Some(next) {
                    self.emit(EventKind::Switched { from: previous });
                    self.privileged(PvOp::WriteCr3 { address_space: next.0 });
                }
                return Some(next);
            }
        }
        None
    }

    fn is_runnable(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|t| t.state == TaskState::Runnable && !t.frozen.is_frozen())
    }

    /// Everybody sleeps: moves the clock to the next timer if somebody waits for that. Whether it did.
    pub(crate) fn pass_time(&mut self) -> bool {
        let asked = self.run_until > self.clock;
        let busy = self.consoles.iter().any(|(_, c)| !c.at_prompt && self.tasks.contains(c.shell));
        let sleeper = self.sched.timers.get_min().map(|(at, _)| *at);
        let alarm = self.sched.alarms.get_min().map(|(at, _)| *at);
        let next = sleeper.into_iter().chain(alarm).min();
        let to = match next {
            Some(at) if busy || (asked && at <= self.run_until) => at.max(self.clock),
            _ if asked => self.run_until,
            _ => return false,
        };
        self.clock = to;
        self.privileged(PvOp::SafeHalt);
        self.emit(EventKind::ClockAdvanced { to });
        self.expire_timers();
        true
    }

    /// Wakes everybody whose time has come.
    fn expire_timers(&mut self) {
        while let Some((at, task)) = self.sched.timers.get_min().copied()
            && at <= self.clock
        {
            self.sched.timers.remove(&(at, task));
            self.wake(task);
        }
        while let Some((at, process)) = self.sched.alarms.get_min().copied()
            && at <= self.clock
        {
            self.sched.alarms.remove(&(at, process));
            if self.processes.contains(process) {
                self.processes[process].alarm = None;
                self.send_signal(process, Signal::ALRM, None);
            }
        }
    }

    /// The current task used this much processor time.
    pub(crate) fn spend(&mut self, time: Nanos) {
        self.clock += time;
        self.sched.slice_used += time;
        if let Some(task) = self.sched.current
            && let Some(t) = self.world.tasks.get_mut(task)
        {
            t.cpu_time += time;
        }
    }

    /// Puts a new task at the end of the queue.
    pub(crate) fn enqueue(&mut self, task: TaskId) {
        self.sched.queue.push_back(task);
    }

    /// Puts a task to sleep.
    pub(crate) fn sleep(&mut self, task: TaskId, sleep: Sleep) {
        for wait in &sleep.on {
            self.sched.waiting.entry(*wait).or_default().insert(task);
        }
        if let Some(at) = sleep.until {
            self.sched.timers.insert((at, task));
        }
        self.tasks[task].state = TaskState::Sleeping(sleep);
    }

    /// Makes a sleeper runnable; a stopped one will be when it continues. Nothing for everybody else.
    pub(crate) fn wake(&mut self, task: TaskId) {
        let Some(t) = self.world.tasks.get_mut(task) else { return };
        let sleep = match &mut t.state {
            TaskState::Sleeping(sleep) => {
                let sleep = std::mem::take(sleep);
                t.state = TaskState::Runnable;
                self.sched.queue.push_back(task);
                sleep
            }
            TaskState::Stopped(inner) => {
                let TaskState::Sleeping(sleep) = std::mem::replace(&mut **inner, TaskState::Runnable) else { return };
                sleep
            }
            _ => return,
        };
        self.forget_sleep(task, &sleep);
        self.emit(EventKind::Woken { task });
    }

    /// Takes a sleeper out of the queues of what it waits for.
    fn forget_sleep(&mut self, task: TaskId, sleep: &Sleep) {
        for wait in &sleep.on {
            if let Some(waiters) = self.sched.waiting.get_mut(wait) {
                waiters.remove(&task);
                if waiters.is_empty() {
                    self.sched.waiting.remove(wait);
                }
            }
        }
        if let Some(at) = sleep.until {
            self.sched.timers.remove(&(at, task));
        }
    }

    /// A task exits: it is in no queue any more.
    pub(crate) fn dequeue(&mut self, task: TaskId) {
        let state = self.tasks[task].state.clone();
        let mut state = &state;
        while let TaskState::Stopped(inner) = state {
            state = inner;
        }
        if let TaskState::Sleeping(sleep) = state {
            self.forget_sleep(task, sleep);
        }
        self.sched.queue.retain(|t| *t != task);
    }

    /// Something has happened: wakes everybody who waits for it.
    pub(crate) fn wake_all(&mut self, wait: Wait) {
        let waiters: Vec<TaskId> = self.sched.waiting.get(&wait).into_iter().flatten().copied().collect();
        for task in waiters {
            self.wake(task);
        }
    }

    /// The moment `span` after the calling task first slept in its present call.
    pub(crate) fn deadline(&mut self, task: TaskId, span: Nanos) -> Nanos {
        let at = self.clock + span;
        match &mut self.tasks[task].in_call {
            Some(call) => *call.deadline.get_or_insert(at),
            None => at,
        }
    }
}
