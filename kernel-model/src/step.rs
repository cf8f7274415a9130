//! How a world moves: an action is put in, then turns are taken until everything is at rest.
//!
//! A turn is the smallest move: one task makes one system call (or goes on with one in which it slept).
//! Between two turns a world is complete: it can be stored, compared and continued. In the middle of a
//! turn it can only be looked at, by [`Trace::keeping_world_at`](crate::kernel::Trace::keeping_world_at).

use std::sync::Arc;

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::kernel::{Kernel, Trace};
use crate::mm::pages_of;
use crate::program::runtime::Runtime;
use crate::program::{Reply, Request};
use crate::pv_ops::{PvOp, PvOps};
use crate::security::seccomp::Verdict;
use crate::syscall::{self, Args, Call, CallResult, Ret, Sleep, Stop, Value};
use crate::task::ptrace::Did;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::task::{Driver, ExitStatus, InCall, TaskId, TaskState, signal_delivery};
use crate::time::Nanos;
use crate::vfs::inode::InodeKind;
use crate::world::{Config, World};

/// What a system call costs apart from what it does. The machine models refine this.
const CALL_COST: Nanos = Nanos(300);
/// What it costs to reach memory that others share.
const MEMORY_COST: Nanos = Nanos(20);

/// How much a program may read and keep before the machine has no more memory for it. Memory itself is not
/// modelled yet; without a limit `tail /dev/zero` would use up that of the browser.
const PROGRAM_MEMORY: u64 = 192 << 20;

/// Whether a turn was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Something happened.
    Taken,
    /// Nothing can happen before the outside acts.
    AtRest,
}

/// A world in motion: the world, the futures of its programs, the machine below.
///
/// Cloning it clones the world; the futures are rebuilt when they are needed.
pub struct Running<M: PvOps> {
    /// The world.
    pub world: World,
    /// The machine below it.
    pub machine: M,
    runtime: Runtime,
}

impl<M: PvOps> Running<M> {
    /// Puts a world onto a machine.
    pub fn new(world: World, machine: M) -> Self {
        Running { world, machine, runtime: Runtime::new() }
    }

    /// Boots a standard world on a machine, with the nodes of the machine's devices.
    pub fn boot(config: Config, machine: M) -> Self {
        let mut running = Running::new(World::boot(config), machine);
        for node in running.machine.devices() {
            running.world.make_device_node(node.name, InodeKind::CharDevice(node.dev.0, node.dev.1), node.mode);
        }
        running
    }

    /// Puts an action in. Its consequences come with the turns that follow.
    pub fn inject(&mut self, action: &Action, trace: &mut Trace) {
        let mut k = Kernel { world: &mut self.world, machine: &mut self.machine, trace, from_outside: true };
        k.as_nobody(|k| k.inject(action));
    }

    /// Takes one turn.
    pub fn turn(&mut self, trace: &mut Trace) -> Turn {
        let mut k = Kernel { world: &mut self.world, machine: &mut self.machine, trace, from_outside: false };
        k.turn(&mut self.runtime, true)
    }

    /// Takes turns until everything is at rest, at most `budget` of them. Whether it came to rest.
    pub fn run(&mut self, budget: u64, trace: &mut Trace) -> bool {
        for _ in 0..budget {
            if self.turn(trace) == Turn::AtRest {
                return true;
            }
        }
        false
    }

    /// Takes one turn in which no time passes while everybody sleeps: for a kernel that runs when another gives it the
    /// processor. What it waits for is due at [`Running::next_timer`].
    pub fn turn_in_time(&mut self, trace: &mut Trace) -> Turn {
        let mut k = Kernel { world: &mut self.world, machine: &mut self.machine, trace, from_outside: false };
        k.turn(&mut self.runtime, false)
    }

    /// Moves the clock to `now`, if it is not there yet: timers that are due on the way fire.
    pub fn advance_to(&mut self, now: Nanos, trace: &mut Trace) {
        if self.world.clock < now {
            let mut k = Kernel { world: &mut self.world, machine: &mut self.machine, trace, from_outside: false };
            k.advance_to(now);
        }
    }

    /// When the next timer is due: of the kernel, or of what lives in its machine.
    pub fn next_timer(&mut self) -> Option<Nanos> {
        let below = self.machine.next_timer();
        [self.world.next_timer_at(), below].into_iter().flatten().min()
    }

    /// Makes one call in the name of `task` at once, whatever its program is about to do. `None` when the
    /// call sleeps (its result follows in the trace) or the task does not return from it.
    pub fn call_as(&mut self, task: TaskId, call: Call, trace: &mut Trace) -> Option<CallResult> {
        let mut k = Kernel { world: &mut self.world, machine: &mut self.machine, trace, from_outside: true };
        k.as_nobody(|k| {
            k.sched.current = Some(task);
            k.call_from_outside(task, call)
        })
    }
}

impl<M: PvOps + Clone> Clone for Running<M> {
    fn clone(&self) -> Self {
        Running::new(self.world.clone(), self.machine.clone())
    }
}

impl Kernel<'_> {
    /// Does something in nobody's name; whoever had the processor has it again afterwards.
    fn as_nobody<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let current = self.sched.current.take();
        let on_cpu = std::mem::replace(&mut self.sched.on_cpu, false);
        let result = what(self);
        self.sched.current = current;
        self.sched.on_cpu = on_cpu;
        result
    }

    fn inject(&mut self, action: &Action) {
        match action {
            Action::Line { console, text } => self.type_line(*console, text),
            Action::Interrupt { console } => {
                self.emit(EventKind::Interrupted { console: *console });
                self.interrupt_console(*console);
            }
            Action::EndOfInput { console } => self.end_console_input(*console),
            Action::Syscall { task, call } => {
                self.emit(EventKind::CallRequested { call: call.clone() });
                if self.tasks.get(*task).is_some_and(|t| !t.state.has_exited()) {
                    self.sched.current = Some(*task);
                    self.call_from_outside(*task, call.clone());
                }
            }
            Action::Wait { span } => {
                self.run_until = self.clock.max(self.run_until) + *span;
                self.emit(EventKind::TimePassed { span: *span });
            }
            Action::OpenConsole => {
                let console = self.open_console();
                self.emit(EventKind::ConsoleOpened { console });
            }
            Action::Adjust(adjustment) => self.adjust(adjustment),
            Action::CallBelow { who, text } => {
                self.emit(EventKind::CalledBelow { who: *who, text: text.as_str().into() });
                if !self.machine.called(self.world.clock, *who, text) {
                    self.emit(EventKind::NotModelled { what: "a call to a machine that takes none".into() });
                }
                self.emit_reports();
            }
        }
    }

    fn turn(&mut self, runtime: &mut Runtime, time_passes: bool) -> Turn {
        self.turn += 1;
        let before = self.trace.count;
        if self.serve_machine(false) {
            return Turn::Taken;
        }
        let Some(task) = self.schedule() else {
            // A processor that becomes idle is something that happens: only the next turn finds everything at rest.
            if self.serve_machine(true) || (time_passes && self.pass_time()) || self.trace.count > before {
                return Turn::Taken;
            }
            self.turn -= 1;
            return Turn::AtRest;
        };
        self.run_task(task, runtime);
        self.check_cpu_limit(task);
        if self.tasks.get(task).is_none_or(|t| t.state.has_exited()) {
            runtime.forget(task);
        }
        Turn::Taken
    }

    /// Lets `task`, which is current, do one thing.
    fn run_task(&mut self, task: TaskId, runtime: &mut Runtime) {
        if self.tasks[task].in_call.is_some() {
            self.run_handler(task);
            return;
        }
        // Signals that came while the task was not in the kernel take effect before its program goes on.
        if !self.signals_before_user_mode(task) || self.sleep_off_penalty(task) || !self.startup_faults(task) {
            return;
        }
        if self.tasks[task].user.driver == Driver::Outside {
            self.sleep(task, Sleep { on: vec![Wait::Outside], until: None });
            return;
        }
        let request = runtime.next_request(task, &self.tasks[task].user);
        match request {
            Request::Call(call) => {
                self.enter_call(task, call);
            }
            Request::AwaitLine => self.await_line(task),
            Request::CommandDone(status) => {
                if let Some(console) = self.tasks[task].user.image.console {
                    let c = &mut self.consoles[console];
                    c.last_status = status;
                    c.commands += 1;
                    self.emit(EventKind::CommandEnded { console, status });
                }
                self.reply(task, Ok(Ret::new(0)));
            }
            Request::Save(state) => {
                let epoch = self.next_epoch();
                let user = &mut self.tasks[task].user;
                user.resume = state;
                user.replies.clear();
                user.bytes_read = 0;
                user.epoch = epoch;
                self.spend(CALL_COST);
                runtime.saved(task, epoch);
            }
            Request::Touch { addr, bytes, write } => {
                let (first, pages) = pages_of(addr, bytes);
                if self.user_fault(task, first, pages, write) {
                    self.spend(CALL_COST);
                    self.reply(task, Ok(Ret::new(0)));
                }
            }
            Request::Memory { addr, access } => {
                let (first, pages) = pages_of(addr, access.len());
                if pages == 0 || self.user_fault(task, first, pages, access.is_write()) {
                    self.spend(MEMORY_COST);
                    let value = self.mm_of(task).and_then(|mm| self.access_memory(mm, addr, &access));
                    self.reply(task, value.map(|v| Ret::new(0).with(0, v)).ok_or(crate::errno::Errno::EFAULT));
                }
            }
            Request::Tell(event) => {
                self.emit(EventKind::Migration(event));
                self.reply(task, Ok(Ret::new(0)));
            }
            Request::Compute(nanoseconds) => {
                let left = Nanos(nanoseconds) - self.tasks[task].sched.computed;
                let now = left.min(self.compute_limit(task));
                self.spend_in_user_mode(now);
                if now < left {
                    self.tasks[task].sched.computed += now;
                    return;
                }
                self.tasks[task].sched.computed = Nanos(0);
                self.reply(task, Ok(Ret::new(0)));
            }
        }
    }

    /// Begins a call and runs its handler.
    pub(crate) fn enter_call(&mut self, task: TaskId, call: Call) -> Option<CallResult> {
        self.privileged(PvOp::SyscallEntry);
        self.emit(EventKind::CallEntered { call: call.clone() });
        self.tell_tracer(task, Did::Entered(call.clone()));
        self.tasks[task].in_call = Some(InCall { call: call.clone(), deadline: None, progress: 0 });
        match self.secure_computing(task, &call) {
            Verdict::Made => self.run_handler(task),
            Verdict::Skipped(result) => self.leave_call(task, call, result),
            Verdict::Killed => None,
        }
    }

    /// Runs the handler of the call that `task` is in: from its start, also when it has slept.
    fn run_handler(&mut self, task: TaskId) -> Option<CallResult> {
        self.spend(CALL_COST);
        let call = self.tasks[task].in_call.as_ref()?.call.clone();
        let outcome = match syscall::info(call.nr) {
            Some(info) => (info.run)(self, task, Args(&call.args)),
            None => {
                self.emit(EventKind::NotModelled { what: Arc::from(format!("the system call {}", call.nr.name())) });
                Err(Stop::Err(crate::errno::Errno::ENOSYS))
            }
        };
        self.settle_file_pages();
        if self.tasks.get(task).is_none_or(|t| t.state.has_exited()) {
            // The OOM killer was asked for in the middle, and ended the caller with others.
            return None;
        }
        match outcome {
            Ok(ret) => self.leave_call(task, call, Ok(ret)),
            Err(Stop::Err(e)) => self.leave_call(task, call, Err(e)),
            Err(Stop::Block(sleep)) => {
                if self.signal_pending(task) {
                    return self.interrupt_call(task, call);
                }
                self.emit(EventKind::CallSlept { call, sleep: sleep.clone() });
                self.sleep(task, sleep);
                None
            }
            Err(Stop::Again) if self.signal_pending(task) => self.interrupt_call(task, call),
            Err(Stop::Again) => None,
            Err(Stop::NoReturn) => {
                if let Some(t) = self.world.tasks.get_mut(task) {
                    t.in_call = None;
                    if !t.state.has_exited() {
                        // A new program runs: the call has succeeded.
                        self.tell_tracer(task, Did::Returned(Ok(Ret::new(0))));
                    }
                }
                None
            }
        }
    }

    /// Ends the call that `task` is in: its result goes to the program, after signals have taken effect.
    pub(crate) fn leave_call(&mut self, task: TaskId, call: Call, result: CallResult) -> Option<CallResult> {
        self.tasks[task].in_call = None;
        self.emit(EventKind::CallReturned { call, result: result.clone() });
        self.tell_tracer(task, Did::Returned(result.clone()));
        self.privileged(PvOp::ReturnToUser);
        self.reply(task, result.clone());
        Some(result)
    }

    /// Puts an answer into the log of the task's program.
    fn reply(&mut self, task: TaskId, result: CallResult) {
        if self.tasks[task].user.driver == Driver::Outside {
            self.restore_sigmask(task);
            return;
        }
        let Some(caught) = self.deliver_signals(task) else { return };
        self.restore_sigmask(task);
        let read: usize =
            result.iter().flat_map(|ret| &ret.out).filter_map(|(_, v)| v.as_bytes()).map(<[u8]>::len).sum();
        let user = &mut self.tasks[task].user;
        user.bytes_read += read as u64;
        user.replies.push_back(Reply { result, caught });
        if user.bytes_read > PROGRAM_MEMORY {
            self.kill_for_memory(task);
        }
    }

    /// rt_sigsuspend(2) is over: what was blocked before it is blocked again (`restore_saved_sigmask`).
    fn restore_sigmask(&mut self, task: TaskId) {
        if let Some(saved) = self.tasks[task].saved_sigmask.take() {
            self.tasks[task].blocked = saved;
        }
    }

    /// A program that keeps reading without ever letting go has used the machine's memory up.
    fn kill_for_memory(&mut self, task: TaskId) {
        let what = format!("memory of a program beyond {} MiB: the OOM killer ends it", PROGRAM_MEMORY >> 20);
        self.emit(EventKind::NotModelled { what: Arc::from(what) });
        self.exit_group(task, ExitStatus::Killed { signal: Signal::KILL, core: false });
    }

    /// A signal came while a call slept: it ends with `EINTR`, or will start again after the handler.
    pub(crate) fn interrupt_call(&mut self, task: TaskId, call: Call) -> Option<CallResult> {
        match signal_delivery::interrupted(self, task) {
            signal_delivery::Interruption::Restart => None,
            signal_delivery::Interruption::Fail => self.leave_call(task, call, Err(crate::errno::Errno::EINTR)),
            signal_delivery::Interruption::Gone => None,
        }
    }

    fn call_from_outside(&mut self, task: TaskId, call: Call) -> Option<CallResult> {
        let own = self.tasks[task].in_call.take();
        let log = self.tasks[task].user.replies.clone();
        let epoch = self.tasks[task].user.epoch;
        let result = self.enter_call(task, call.clone());
        let Some(t) = self.world.tasks.get_mut(task) else { return result };
        if t.user.epoch == epoch {
            // The program knows nothing of this call.
            t.user.replies = log;
        }
        if t.user.driver == Driver::Program && !t.state.has_exited() && t.user.epoch == epoch {
            if let TaskState::Sleeping(_) = t.state
                && t.in_call.as_ref().is_some_and(|c| c.call == call)
            {
                // It would sleep, and the program is in the middle of something else: give it up.
                t.in_call = None;
                self.wake(task);
            }
            self.tasks[task].in_call = own;
        }
        result
    }

    /// A shell waits for the next command line of its console.
    fn await_line(&mut self, task: TaskId) {
        let Some(console) = self.tasks[task].user.image.console else {
            self.reply(task, Err(crate::errno::Errno::ENOTTY));
            return;
        };
        match self.consoles[console].lines.pop_front() {
            Some(text) => {
                self.consoles[console].at_prompt = false;
                let text: Arc<str> = Arc::from(text);
                self.emit(EventKind::CommandBegan { console, text: Arc::clone(&text) });
                self.reply(task, Ok(Ret::new(0).with(0, Value::Str(text))));
            }
            None => {
                // Line editing of the shell brings its own modes (readline's `rl_prep_terminal`).
                self.consoles[console].raw = None;
                self.consoles[console].at_prompt = true;
                self.sleep(task, Sleep { on: vec![Wait::Line(console)], until: None });
            }
        }
    }

    fn type_line(&mut self, console: ConsoleId, text: &str) {
        if self.type_raw(console, format!("{text}\r").as_bytes()) {
            return;
        }
        let Some(c) = self.world.consoles.get_mut(console) else { return };
        c.lines.push_back(text.to_owned());
        // A terminal echoes what is typed; at its prompt the shell shows the line itself.
        let echoes = !c.at_prompt && self.world.config.terminal;
        self.wake_all(Wait::Line(console));
        if echoes {
            self.emit(EventKind::Output { console, bytes: format!("{text}\n").into_bytes().into() });
        }
    }
}
