//! How a signal gets from its sender to its effect, as in signal(7) and `kernel/signal.c`.

use std::sync::Arc;

use super::signal::{DefaultAction, Disposition, SigSet, Signal};
use super::{ExitStatus, ProcessId, StopReport, TaskId, TaskState};
use crate::cgroup::Version;
use crate::event::{EventKind, SignalEffect};
use crate::kernel::Kernel;
use crate::task::sched::Wait;

/// What becomes of a call that a signal interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interruption {
    /// It starts again after the handler (`SA_RESTART`), or because the signal had no effect.
    Restart,
    /// It fails with `EINTR`.
    Fail,
    /// The task is gone.
    Gone,
}

impl Kernel<'_> {
    /// Sends a signal to a process as a whole, from `sender` (`None`: the kernel itself, or a namespace
    /// that the receiver cannot see). Permission has been checked.
    pub fn send_signal(&mut self, to: ProcessId, signal: Signal, sender: Option<TaskId>) {
        let Some(process) = self.world.processes.get(to) else { return };
        let Some(thread) = process.threads.first().copied() else { return };
        let leader = process.leader;
        self.prepare_signal(to, signal);
        if let Some(why) = self.ignored(to, signal, sender) {
            self.emit(EventKind::SignalDropped { signal, to: leader, why: Arc::from(why) });
            return;
        }
        self.processes[to].pending.insert(signal);
        self.emit(EventKind::SignalSent { signal, to: leader });
        let threads = self.processes[to].threads.clone();
        let receiver = threads.iter().copied().find(|t| self.wants(*t, signal)).unwrap_or(thread);
        if self.wants(receiver, signal) {
            self.signal_wake(receiver, signal);
        }
    }

    /// Sends a signal to one thread (tgkill(2)).
    pub fn send_signal_to_thread(&mut self, to: TaskId, signal: Signal, sender: Option<TaskId>) {
        let Some(task) = self.world.tasks.get(to) else { return };
        let process = task.process;
        self.prepare_signal(process, signal);
        if let Some(why) = self.ignored(process, signal, sender) {
            self.emit(EventKind::SignalDropped { signal, to, why: Arc::from(why) });
            return;
        }
        self.tasks[to].pending.insert(signal);
        self.emit(EventKind::SignalSent { signal, to });
        if self.wants(to, signal) {
            self.signal_wake(to, signal);
        }
    }

    /// Stop signals and SIGCONT undo each other while they are sent (`prepare_signal`).
    fn prepare_signal(&mut self, process: ProcessId, signal: Signal) {
        if signal.default_action() == DefaultAction::Stop {
            self.processes[process].pending.remove(Signal::CONT);
        } else if signal == Signal::CONT {
            for stop in [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU] {
                self.processes[process].pending.remove(stop);
            }
            self.continue_process(process);
        }
    }

    /// Whether a thread would take this signal now.
    fn wants(&self, task: TaskId, signal: Signal) -> bool {
        let t = &self.tasks[task];
        !t.state.has_exited() && (signal.is_unstoppable() || !t.blocked.has(signal))
    }

    /// Why a signal to this process would be thrown away at once; `None` when it counts (`sig_ignored`).
    fn ignored(&self, process: ProcessId, signal: Signal, sender: Option<TaskId>) -> Option<&'static str> {
        let p = &self.processes[process];
        let leader = &self.tasks[*p.threads.first()?];
        if leader.blocked.has(signal) && !signal.is_unstoppable() {
            return None;
        }
        let disposition = self.sighands[leader.sighand].disposition(signal);
        let by_default = disposition == Disposition::Default;
        if self.is_namespace_init(p.leader) && by_default {
            // SIGNAL_UNKILLABLE: even SIGKILL and SIGSTOP count only when they come from an ancestor namespace.
            let from_ancestor = match sender {
                Some(s) => !self.sees(leader.pid, s),
                None => true,
            };
            if !(signal.is_unstoppable() && from_ancestor) {
                return Some(
                    "an init gets only signals for which it has a handler, and SIGKILL and SIGSTOP only from outside its namespace",
                );
            }
        }
        let effective = match disposition {
            Disposition::Ignore => true,
            Disposition::Default => signal.default_action() == DefaultAction::Ignore,
            Disposition::Handler { .. } => false,
        };
        effective.then_some("it is ignored")
    }

    /// Whether the PID namespace of the identity `pid` contains `sender` (so the sender is not from an ancestor).
    fn sees(&self, pid: crate::namespace::pid::PidId, sender: TaskId) -> bool {
        let ns = self.pids[pid].ns();
        self.tasks.get(sender).is_some_and(|s| self.pids[s.pid].number_in(ns).is_some())
    }

    /// Whether the task is the init of a PID namespace.
    pub fn is_namespace_init(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|t| self.pids[t.pid].numbers.last().is_some_and(|(_, nr)| *nr == 1))
    }

    /// Wakes a task so that it notices a signal. A deadly one becomes SIGKILL at once and lets it out of a frozen v2
    /// group, unless it would leave a core file (`complete_signal`); nothing lets it out of a frozen v1 group.
    fn signal_wake(&mut self, task: TaskId, signal: Signal) {
        let by_default = self.sighands[self.tasks[task].sighand].disposition(signal) == Disposition::Default;
        if by_default && signal.default_action() == DefaultAction::Terminate {
            self.set_frozen(task, Version::V2, false);
        }
        if signal == Signal::KILL
            && let TaskState::Stopped(inner) = &self.tasks[task].state
        {
            let inner = (**inner).clone();
            self.tasks[task].state = inner;
            if self.tasks[task].state == TaskState::Runnable {
                self.enqueue(task);
            }
        }
        self.wake(task);
    }

    /// Signals that `task` could take now.
    fn deliverable(&self, task: TaskId) -> SigSet {
        let t = &self.tasks[task];
        let mut pending = t.pending | self.processes[t.process].pending;
        let unstoppable = {
            let mut s = SigSet::EMPTY;
            s.insert(Signal::KILL);
            s.insert(Signal::STOP);
            s
        };
        pending = pending & (!t.blocked | unstoppable);
        pending
    }

    /// Whether a signal waits for `task` that would interrupt its sleep.
    pub(crate) fn signal_pending(&self, task: TaskId) -> bool {
        self.deliverable(task) != SigSet::EMPTY
    }

    /// Takes the next signal out of the queue (`dequeue_signal`): SIGKILL first, then the lowest.
    fn dequeue_signal(&mut self, task: TaskId) -> Option<Signal> {
        let set = self.deliverable(task);
        let signal = if set.has(Signal::KILL) { Signal::KILL } else { set.lowest()? };
        let process = self.tasks[task].process;
        if self.tasks[task].pending.has(signal) {
            self.tasks[task].pending.remove(signal);
        } else {
            self.processes[process].pending.remove(signal);
        }
        Some(signal)
    }

    /// Lets all waiting signals take effect on the way back to user mode. The signals whose handlers run;
    /// `None` when the task does not get there (it died). A stopped task keeps its way back for later.
    pub(crate) fn deliver_signals(&mut self, task: TaskId) -> Option<Vec<Signal>> {
        let mut caught = Vec::new();
        while let Some(signal) = self.dequeue_signal(task) {
            let sighand = self.tasks[task].sighand;
            self.tell_tracer(task, super::ptrace::Did::Got(signal));
            match self.sighands[sighand].disposition(signal) {
                Disposition::Ignore => {}
                Disposition::Handler { .. } => {
                    self.emit(EventKind::SignalDelivered { signal, to: task, effect: SignalEffect::Handled });
                    caught.push(signal);
                }
                Disposition::Default => {
                    if !self.default_action(task, signal) {
                        return None;
                    }
                }
            }
        }
        Some(caught)
    }

    /// Before a program goes on without having been in a call: signals that kill or stop take effect,
    /// those with a handler wait for the next answer. Whether the task still runs.
    pub(crate) fn signals_before_user_mode(&mut self, task: TaskId) -> bool {
        for signal in self.deliverable(task).iter().collect::<Vec<_>>() {
            let sighand = self.tasks[task].sighand;
            if matches!(self.sighands[sighand].disposition(signal), Disposition::Handler { .. })
                && self.tasks[task].user.driver == super::Driver::Program
            {
                continue;
            }
            let process = self.tasks[task].process;
            self.tasks[task].pending.remove(signal);
            self.processes[process].pending.remove(signal);
            match self.sighands[sighand].disposition(signal) {
                Disposition::Default => {
                    if !self.default_action(task, signal) {
                        return false;
                    }
                }
                Disposition::Handler { .. } => {
                    self.tasks[task].signals_caught += 1;
                    self.emit(EventKind::SignalDelivered { signal, to: task, effect: SignalEffect::Handled });
                }
                Disposition::Ignore => {}
            }
            if self.tasks[task].state != TaskState::Runnable {
                return false;
            }
        }
        true
    }

    /// The default action. Whether the task still exists.
    fn default_action(&mut self, task: TaskId, signal: Signal) -> bool {
        let process = self.tasks[task].process;
        match signal.default_action() {
            DefaultAction::Ignore | DefaultAction::Continue => true,
            DefaultAction::Stop => {
                self.emit(EventKind::SignalDelivered { signal, to: task, effect: SignalEffect::Stopped });
                self.stop_process(process, signal);
                true
            }
            DefaultAction::Terminate | DefaultAction::Core => {
                let core = signal.default_action() == DefaultAction::Core
                    && self.processes[process].rlimits.0[crate::security::rlimit::CORE].soft > 0;
                self.emit(EventKind::SignalDelivered { signal, to: task, effect: SignalEffect::Killed });
                self.exit_group(task, ExitStatus::Killed { signal, core });
                false
            }
        }
    }

    fn stop_process(&mut self, process: ProcessId, signal: Signal) {
        for task in self.processes[process].threads.clone() {
            let t = &mut self.tasks[task];
            if !t.state.has_exited() && !matches!(t.state, TaskState::Stopped(_)) {
                let state = std::mem::replace(&mut t.state, TaskState::Runnable);
                t.state = TaskState::Stopped(Box::new(state));
                self.deactivate(task);
            }
        }
        self.processes[process].stop_report = Some(StopReport::Stopped(signal));
        self.notify_parent(process);
    }

    fn continue_process(&mut self, process: ProcessId) {
        let mut continued = false;
        for task in self.processes[process].threads.clone() {
            if let TaskState::Stopped(inner) = &self.tasks[task].state {
                let inner = (**inner).clone();
                let runnable = inner == TaskState::Runnable;
                self.tasks[task].state = inner;
                if runnable {
                    self.enqueue(task);
                }
                continued = true;
            }
        }
        if continued {
            let leader = self.processes[process].leader;
            self.processes[process].stop_report = Some(StopReport::Continued);
            self.emit(EventKind::SignalDelivered { signal: Signal::CONT, to: leader, effect: SignalEffect::Continued });
            self.notify_parent(process);
        }
    }

    /// Tells the parent that a child stopped, continued or exited: SIGCHLD, and whoever waits wakes up.
    pub(crate) fn notify_parent(&mut self, process: ProcessId) {
        let Some(parent) = self.processes[process].parent else { return };
        if let Some(signal) = self.processes[process].exit_signal {
            let sender = self.processes[process].leader;
            self.send_signal(parent, signal, Some(sender));
        }
        self.wake_all(Wait::Child(parent));
    }
}

/// A signal came while `task` slept in a call: what becomes of the call.
pub(crate) fn interrupted(k: &mut Kernel<'_>, task: TaskId) -> Interruption {
    let sighand = k.tasks[task].sighand;
    let handled = k
        .deliverable(task)
        .iter()
        .any(|signal| matches!(k.sighands[sighand].disposition(signal), Disposition::Handler { .. }));
    if handled {
        // Programs here restart their calls themselves, so SA_RESTART makes no difference.
        return Interruption::Fail;
    }
    match k.deliver_signals(task) {
        None => Interruption::Gone,
        Some(_) => Interruption::Restart,
    }
}
