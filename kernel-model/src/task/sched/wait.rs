//! Sleeping and waking up: what tasks wait for, and the timers that end a sleep.

use serde::{Deserialize, Serialize};

use super::psi::Stall;
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::ipc::pipe::PipeId;
use crate::ipc::sysv::IpcKind;
use crate::kernel::Kernel;
use crate::namespace::ipc::IpcNsId;
use crate::net::socket::SocketId;
use crate::pv_ops::PvOp;
use crate::syscall::Sleep;
use crate::task::signal::{Disposition, Signal};
use crate::task::{ProcessId, TaskId, TaskState};
use crate::time::Nanos;
use crate::tty::pty::PtyId;
use crate::world::World;

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
    /// Something is typed at the slave end of the pseudo-terminal, or there is room for what it writes.
    PtySlave(PtyId),
    /// There is something to read at the master end, or room for what it types.
    PtyMaster(PtyId),
    /// The vfork(2) child of this task has called execve(2) or exited.
    VforkDone(TaskId),
    /// The process exits (pidfds, an init that reaps its namespace).
    ProcessExit(ProcessId),
    /// A call from outside: this task does nothing by itself.
    Outside,
    /// A tracee of this process does something (ptrace(2)).
    Tracee(ProcessId),
    /// Only a signal (pause(2), sigsuspend(2)).
    Signal,
    /// A message arrives in the socket.
    SocketReadable(SocketId),
    /// There is room again for what is sent from the socket, or it is shut.
    SocketWritable(SocketId),
    /// There is room again in the queue of the socket.
    SocketRoom(SocketId),
    /// Something is counted in a file of events of some control group.
    CgroupEvents,
    /// A lock on this inode is given up (flock(2)).
    FileLock(u64),
    /// There may be memory again in this control group, or in the machine.
    Memory(crate::mm::MemcgId),
    /// Nothing: the task is made to wait because its control group is above `memory.high`.
    MemoryPenalty(TaskId),
    /// A disk is done with this request.
    Bio(crate::block::BioId),
    /// An interest list of epoll(7) changes.
    Epoll(crate::ipc::epoll::EpollId),
    /// The counter of eventfd(2) changes.
    EventFd(crate::ipc::eventfd::EventFdId),
    /// A frame is sent through the TAP device of this file.
    Tun(crate::net::tun::TunFileId),
    /// Somebody wakes those who wait for the word at this address (futex(2)).
    Futex(crate::mm::MmId, u64),
    /// The machine answers a call to one of its devices.
    Device(u64),
    /// Something happens to this System V object, given by its id.
    Ipc(IpcNsId, IpcKind, i32),
}

/// A timer that is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    Sleeper(TaskId),
    Alarm(ProcessId),
    Bandwidth(super::bandwidth::BandwidthTimer),
    Network,
    Block,
}

impl World {
    fn next_timer(&self) -> Option<(Nanos, Timer)> {
        let sleeper = self.sched.timers.get_min().map(|(at, task)| (*at, Timer::Sleeper(*task)));
        let alarm = self.sched.alarms.get_min().map(|(at, process)| (*at, Timer::Alarm(*process)));
        let bandwidth = self.sched.bandwidth_timers.get_min().map(|(at, timer)| (*at, Timer::Bandwidth(*timer)));
        let network = self.net_timers.get_min().map(|(at, _)| (*at, Timer::Network));
        let block = self.next_block_timer().map(|at| (at, Timer::Block));
        [sleeper, alarm, bandwidth, network, block].into_iter().flatten().min()
    }

    /// When the next timer of any kind is due.
    pub(crate) fn next_timer_at(&self) -> Option<Nanos> {
        self.next_timer().map(|(at, _)| at)
    }

    fn has_throttled(&self) -> bool {
        self.sched.queues.values().any(|rq| rq.throttled_since.is_some() && rq.tasks > 0)
    }

    /// Whether something is under way for which time passes: a command in the foreground, or a group that waits for its next
    /// period.
    pub fn is_busy(&self) -> bool {
        let waits = |console: ConsoleId| !self.waits_for_typing(console);
        let mut consoles = self.consoles.iter();
        self.has_throttled() || consoles.any(|(id, c)| !c.at_prompt && self.tasks.contains(c.shell) && waits(id))
    }

    /// Whether somebody in the foreground of the console waits for what is typed there and for nothing else, as a shell
    /// within the shell does: then nothing is under way, just as at the prompt, and time stands still until somebody types.
    /// Who takes the terminal raw passes on to others what is typed, and they have time, unless they wait for it just so.
    fn waits_for_typing(&self, console: ConsoleId) -> bool {
        let is_raw = self.consoles.get(console).is_some_and(|c| c.raw.is_some());
        let waiters = self.sched.waiting.get(&Wait::Line(console));
        let mut waiters = waiters.into_iter().flatten().filter_map(|task| self.tasks.get(*task));
        if is_raw {
            // What is typed is passed on to a pseudo-terminal, where somebody waits for it; or to a device of the machine, which
            // knows itself whether something is under way (`PvOps::is_busy`).
            return waiters.any(|task| {
                let TaskState::Sleeping(Sleep { on, until: None }) = &task.state else { return false };
                let is_devices = on.len() > 1 && on.iter().all(|wait| matches!(wait, Wait::Line(_) | Wait::Device(_)));
                let pty = on.iter().find_map(|wait| match wait {
                    Wait::PtyMaster(pty) => Some(*pty),
                    _ => None,
                });
                is_devices || pty.is_some_and(|pty| self.only_typing_wakes(Wait::PtySlave(pty)))
            });
        }
        self.only_typing_wakes(Wait::Line(console))
    }

    /// Whether somebody waits for what is typed, and for nothing else. What a shell without job control starts in the
    /// background is in the same process group; it ignores SIGINT.
    fn only_typing_wakes(&self, typed: Wait) -> bool {
        let waiters = self.sched.waiting.get(&typed).into_iter().flatten();
        waiters.filter_map(|task| self.tasks.get(*task)).any(|task| {
            let waits = matches!(&task.state, TaskState::Sleeping(Sleep { on, until: None }) if on.len() == 1);
            waits && self.sighands[task.sighand].disposition(Signal::INT) != Disposition::Ignore
        })
    }
}

impl Kernel<'_> {
    /// Everybody sleeps: moves the clock to the next timer if somebody waits for that. Whether it did.
    pub(crate) fn pass_time(&mut self) -> bool {
        let asked = self.run_until > self.clock;
        let throttled = self.has_throttled();
        let busy = self.is_busy() || self.machine.is_busy();
        let sleeper = self.sched.timers.get_min().map(|(at, _)| *at);
        let alarm = self.sched.alarms.get_min().map(|(at, _)| *at);
        let bandwidth = self.sched.bandwidth_timers.get_min().map(|(at, _)| *at).filter(|_| throttled);
        let network = self.net_timers.get_min().map(|(at, _)| *at);
        let block = self.next_block_timer();
        let machine = self.machine.next_timer();
        let next = [sleeper, alarm, bandwidth, network, block, machine].into_iter().flatten().min();
        let to = match next {
            Some(at) if busy || (asked && at <= self.run_until) => at.max(self.clock),
            _ if asked => self.run_until,
            _ => return false,
        };
        // Period timers that change nothing fire on the way.
        self.clock_reaches(to);
        self.privileged(PvOp::SafeHalt);
        self.emit(EventKind::ClockAdvanced { to });
        self.fire_due_timers();
        true
    }

    /// Moves the clock, as somebody else keeps it. Timers that are due fire.
    pub(crate) fn advance_to(&mut self, to: Nanos) {
        self.clock_reaches(to);
        self.fire_due_timers();
    }

    fn clock_reaches(&mut self, to: Nanos) {
        while self.next_timer().is_some_and(|(at, _)| at < to) {
            self.fire_next_timer();
        }
        self.clock = to;
        self.calc_global_load();
    }

    fn fire_due_timers(&mut self) {
        let now = self.clock;
        while self.next_timer().is_some_and(|(at, _)| at <= now) {
            self.fire_next_timer();
        }
    }

    /// Lets the earliest timer do what it is for. The clock is moved to its time.
    pub(super) fn fire_next_timer(&mut self) {
        let Some((at, timer)) = self.next_timer() else { return };
        self.clock = self.clock.max(at);
        let now = self.clock;
        self.sched.current = None;
        self.sched.on_cpu = false;
        match timer {
            Timer::Sleeper(task) => {
                self.sched.timers.remove(&(at, task));
                self.wake(task);
            }
            Timer::Alarm(process) => {
                self.sched.alarms.remove(&(at, process));
                if self.processes.contains(process) {
                    self.processes[process].alarm = None;
                    self.send_signal(process, Signal::ALRM, None);
                }
            }
            Timer::Network => self.expire_net_timers(),
            Timer::Block => {
                self.fire_block_timer();
                self.settle_file_pages();
            }
            Timer::Bandwidth(timer) => {
                self.sched.bandwidth_timers.remove(&(at, timer));
                self.bandwidth_timer(timer, now);
            }
        }
    }

    /// Puts a task to sleep.
    pub(crate) fn sleep(&mut self, task: TaskId, sleep: Sleep) {
        for wait in &sleep.on {
            self.sched.waiting.entry(*wait).or_default().insert(task);
        }
        match sleep.on.first() {
            Some(Wait::Bio(_)) => self.psi_enter(task, Stall::Io),
            Some(Wait::Memory(_) | Wait::MemoryPenalty(_)) => self.psi_enter(task, Stall::Memory),
            _ => {}
        }
        if let Some(at) = sleep.until {
            self.sched.timers.insert((at, task));
        }
        self.tasks[task].state = TaskState::Sleeping(sleep);
        self.deactivate(task);
    }

    /// Makes a sleeper runnable; a stopped one will be when it continues. Nothing for everybody else.
    pub(crate) fn wake(&mut self, task: TaskId) {
        let Some(t) = self.world.tasks.get_mut(task) else { return };
        let sleep = match &mut t.state {
            TaskState::Sleeping(sleep) => {
                let sleep = std::mem::take(sleep);
                t.state = TaskState::Runnable;
                self.psi_leave(task, Stall::Io);
                self.psi_leave(task, Stall::Memory);
                self.activate(task, false);
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
        self.deactivate(task);
        self.psi_change(task, |flags| *flags = super::psi::PsiFlags::default());
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
