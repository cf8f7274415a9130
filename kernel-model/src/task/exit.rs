//! The end of a task: exit(2), exit_group(2), death by signal, and who takes care of what is left, as in
//! `kernel/exit.c`.

use super::signal::{Disposition, Signal};
use super::{ExitStatus, ProcessId, TaskId, TaskState};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::pid::PidNsId;
use crate::task::sched::Wait;

impl Kernel<'_> {
    /// Ends the whole process of `task` (`do_group_exit`).
    pub fn exit_group(&mut self, task: TaskId, status: ExitStatus) {
        let process = self.tasks[task].process;
        self.processes[process].exit_code.get_or_insert(status);
        let threads = self.processes[process].threads.clone();
        for thread in threads.into_iter().filter(|t| *t != task) {
            self.exit_task(thread, status);
        }
        self.exit_task(task, status);
    }

    /// Ends one thread; with the last one the process ends (`do_exit`).
    pub fn exit_task(&mut self, task: TaskId, status: ExitStatus) {
        if self.tasks.get(task).is_none_or(|t| t.state.has_exited()) {
            return;
        }
        self.dequeue(task);
        let process = self.tasks[task].process;
        self.tasks[task].state = TaskState::Zombie;
        self.tasks[task].in_call = None;
        self.tasks[task].user.replies.clear();
        self.emit(EventKind::Exited { task, status });
        self.tell_tracer(task, super::ptrace::Did::Exited(status));

        self.exit_files(task);
        self.cgroup_exit(task);
        self.finish_vfork(task);
        self.exit_task_memory(task);
        let last = self.processes[process].threads.iter().all(|t| self.tasks[*t].state.has_exited());
        let is_leader = self.processes[process].leader == task;
        if !last || !is_leader {
            self.drop_task_namespaces(task);
        }
        if last {
            self.processes[process].exit_code.get_or_insert(status);
        }
        if !is_leader {
            self.release_task(task);
        }
        if last {
            self.exit_process(process, is_leader);
        }
    }

    /// The last thread is gone: children get a new parent, the parent is told.
    fn exit_process(&mut self, process: ProcessId, leader_is_last: bool) {
        let leader = self.processes[process].leader;
        self.disown_console(leader);
        self.disassociate_tty(process, true);
        self.exit_ptrace(process);
        if let Some(exe) = self.processes[process].exe.take() {
            self.put_path(exe);
        }
        self.exit_sem(process);
        self.exit_shm(process);
        self.orphan_shm(process);
        self.exit_mm(process);
        let own_ns = self.pids[self.tasks[leader].pid].ns();
        let is_reaper = self.pid_namespaces.get(own_ns).is_some_and(|ns| ns.child_reaper == Some(leader));
        if is_reaper {
            self.zap_pid_namespace(own_ns, leader);
        }
        self.reparent_children(process);
        if leader_is_last {
            self.drop_task_namespaces(leader);
        }
        self.wake_all(Wait::ProcessExit(process));
        // An init has to wait until its namespace is empty before its parent hears of it.
        if is_reaper && self.has_other_members(own_ns, leader) {
            self.pid_namespaces[own_ns].init_waits = true;
        } else {
            self.tell_parent_of_exit(process);
        }
    }

    /// Exit notification (`exit_notify`): the zombie waits to be collected, or vanishes at once where the
    /// parent does not care for its children's status.
    fn tell_parent_of_exit(&mut self, process: ProcessId) {
        let Some(parent) = self.processes[process].parent else {
            self.release_process(process, None);
            return;
        };
        let parent_sighand = self.tasks[self.processes[parent].leader].sighand;
        let chld = self.sighands[parent_sighand].disposition(Signal::CHLD);
        let autoreap = self.processes[process].exit_signal == Some(Signal::CHLD)
            && (chld == Disposition::Ignore || self.sighands[parent_sighand].no_child_wait);
        self.notify_parent(process);
        if autoreap {
            self.release_process(process, None);
            self.wake_all(Wait::Child(parent));
        }
    }

    /// The init of a PID namespace exits: nobody may be born here any more and all members are killed
    /// (`zap_pid_ns_processes`).
    fn zap_pid_namespace(&mut self, ns: PidNsId, init: TaskId) {
        self.pid_namespaces[ns].adding = false;
        let members: Vec<TaskId> = self.pid_namespaces[ns]
            .numbers
            .values()
            .filter_map(|pid| self.pids[*pid].task)
            .filter(|t| *t != init)
            .collect();
        if !members.is_empty() {
            self.emit(EventKind::PidNamespaceKilled { ns });
        }
        let init_process = self.tasks[init].process;
        for task in members {
            let Some(t) = self.world.tasks.get(task) else { continue };
            let process = t.process;
            if process == init_process || t.state.has_exited() {
                continue;
            }
            self.kill_or_wait_for_thaw(task);
        }
        // Its own zombies, and those that were reparented to it, are collected by the dying init.
        let children: Vec<ProcessId> = self.processes[init_process].children.iter().copied().collect();
        for child in children {
            // One can vanish with another: an init that waited for the last member of its own namespace.
            if self.processes.get(child).is_some_and(|p| p.exit_code.is_some()) {
                self.release_process(child, Some(init));
            }
        }
    }

    /// SIGKILL from a dying init. Who stands still in a frozen v1 group dies when it is thawed.
    fn kill_or_wait_for_thaw(&mut self, task: TaskId) {
        if self.tasks[task].frozen.by_v1 {
            let process = self.tasks[task].process;
            self.send_signal(process, Signal::KILL, None);
        } else {
            self.exit_group(task, ExitStatus::Killed { signal: Signal::KILL, core: false });
        }
    }

    /// Whether tasks other than `init` still have a number in `ns`.
    pub(crate) fn has_other_members(&self, ns: PidNsId, init: TaskId) -> bool {
        self.pid_namespaces
            .get(ns)
            .is_some_and(|n| n.numbers.values().any(|pid| self.pids[*pid].task.is_some_and(|t| t != init)))
    }

    /// Gives the children of an exiting process to its nearest ancestor that adopts
    /// (`find_new_reaper`): a child subreaper, or the init of its PID namespace.
    fn reparent_children(&mut self, process: ProcessId) {
        let children: Vec<ProcessId> = self.processes[process].children.iter().copied().collect();
        for child in children {
            let Some(child_leader) = self.processes.get(child).map(|p| p.leader) else { continue };
            let Some(reaper) = self.find_new_reaper(process) else {
                self.processes[process].children.remove(&child);
                self.processes[child].parent = None;
                continue;
            };
            self.processes[process].children.remove(&child);
            self.processes[reaper].children.insert(child);
            self.processes[child].parent = Some(reaper);
            let to = self.processes[reaper].leader;
            self.emit(EventKind::Reparented { task: child_leader, to });
            for thread in self.processes[child].threads.clone() {
                if let Some(signal) = self.tasks[thread].pdeath_signal {
                    self.send_signal(child, signal, Some(self.processes[process].leader));
                }
            }
            if !self.processes.contains(child) {
                continue;
            }
            self.processes[child].exit_signal = Some(Signal::CHLD);
            if self.processes[child].exit_code.is_some() && self.tasks[child_leader].state.has_exited() {
                self.tell_parent_of_exit(child);
            }
        }
    }

    fn find_new_reaper(&self, process: ProcessId) -> Option<ProcessId> {
        let leader = self.processes[process].leader;
        let ns = self.pids[self.tasks[leader].pid].ns();
        let init = self.pid_namespaces.get(ns)?.child_reaper.filter(|t| *t != leader);
        let init_process = init.and_then(|t| self.tasks.get(t)).map(|t| t.process);
        let mut ancestor = self.processes[process].parent;
        while let Some(p) = ancestor {
            if Some(p) == init_process {
                break;
            }
            let candidate = &self.processes[p];
            let same_ns = self.pids[self.tasks[candidate.leader].pid].ns() == ns;
            if !same_ns {
                break;
            }
            if candidate.is_child_subreaper && candidate.exit_code.is_none() {
                return Some(p);
            }
            ancestor = candidate.parent;
        }
        init_process.or_else(|| {
            // The dying init itself: its children go to whoever reaps in the parent namespace.
            let parent_ns = self.pid_namespaces.get(ns)?.parent?;
            let reaper = self.pid_namespaces.get(parent_ns)?.child_reaper?;
            Some(self.tasks.get(reaper)?.process)
        })
    }

    /// The status of a zombie has been collected, or nobody wants it: the process is gone (`release_task`).
    pub(crate) fn release_process(&mut self, process: ProcessId, by: Option<TaskId>) {
        let leader = self.processes[process].leader;
        if let Some(parent) = self.processes[process].parent {
            let time = self.processes[process].children_cpu_time + self.tasks[leader].cpu_time;
            self.processes[parent].children.remove(&process);
            if by.is_some() {
                self.processes[parent].children_cpu_time += time;
            }
        }
        let (pgrp, session) = (self.processes[process].pgrp, self.processes[process].session);
        self.pids[pgrp].pgrp_members -= 1;
        self.pids[session].session_members -= 1;
        self.release_task(leader);
        self.free_pid_if_unused(pgrp);
        self.free_pid_if_unused(session);
        self.processes.remove(process);
        self.emit(EventKind::Reaped { task: leader, by });
    }

    /// A thread leaves the tables.
    pub(crate) fn release_task(&mut self, task: TaskId) {
        let (process, pid, sighand) = {
            let t = &self.tasks[task];
            (t.process, t.pid, t.sighand)
        };
        let ns = self.pids[pid].ns();
        self.processes[process].threads.retain(|t| *t != task);
        self.pids[pid].task = None;
        let user_ns = self.tasks[task].cred.user_ns;
        self.forget_task_time(task);
        self.cgroup_release(task);
        self.tasks.remove(task);
        self.forget_task_memory(task);
        self.release_sighand(sighand);
        self.free_pid_if_unused(pid);
        self.release_ns(NsRef::User(user_ns));
        self.namespace_shrank(ns);
    }

    pub(crate) fn release_sighand(&mut self, sighand: super::signal::SigHandId) {
        self.sighands[sighand].users -= 1;
        if self.sighands[sighand].users == 0 {
            self.sighands.remove(sighand);
        }
    }

    /// A member of a PID namespace is gone: an init that waited for that can be reported now.
    fn namespace_shrank(&mut self, ns: PidNsId) {
        let mut next = Some(ns);
        while let Some(ns) = next {
            let Some(namespace) = self.pid_namespaces.get(ns) else { return };
            next = namespace.parent;
            let Some(init) = namespace.child_reaper.filter(|_| namespace.init_waits) else { continue };
            let Some(process) = self.tasks.get(init).map(|t| t.process) else { continue };
            if !self.has_other_members(ns, init) {
                self.pid_namespaces[ns].init_waits = false;
                self.tell_parent_of_exit(process);
            }
        }
    }

    /// A vfork(2) child gives its parent back the address space.
    pub(crate) fn finish_vfork(&mut self, task: TaskId) {
        if self.tasks[task].vfork_parent.take().is_some() {
            self.wake_all(Wait::VforkDone(task));
        }
    }
}
