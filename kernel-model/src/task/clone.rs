//! How a task comes into being: clone(2), clone3(2), fork(2) and vfork(2) all end here, as in
//! `kernel/fork.c` (`copy_process`).

use std::sync::Arc;

use imbl::OrdSet;

use super::sched::{TaskSched, Wait};
use super::signal::{Disposition, SigHand, SigSet, Signal};
use super::{Driver, InCall, Process, ProcessId, Task, TaskId, TaskState};
use crate::cgroup::freeze::Frozen;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::pid::Pid;
use crate::namespace::{CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, NsRef};
use crate::program::Reply;
use crate::security::capability::Cap;
use crate::security::rlimit;
use crate::syscall::{Ret, Sleep, Stop, SysResult};
use crate::time::Nanos;

#[allow(missing_docs)] // the flags of clone(2)
pub mod flags {
    pub const VM: u64 = 0x100;
    pub const FS: u64 = 0x200;
    pub const FILES: u64 = 0x400;
    pub const SIGHAND: u64 = 0x800;
    pub const PIDFD: u64 = 0x1000;
    pub const PTRACE: u64 = 0x2000;
    pub const VFORK: u64 = 0x4000;
    pub const PARENT: u64 = 0x8000;
    pub const THREAD: u64 = 0x1_0000;
    pub const SYSVSEM: u64 = 0x4_0000;
    pub const SETTLS: u64 = 0x8_0000;
    pub const PARENT_SETTID: u64 = 0x10_0000;
    pub const CHILD_CLEARTID: u64 = 0x20_0000;
    pub const DETACHED: u64 = 0x40_0000;
    pub const UNTRACED: u64 = 0x80_0000;
    pub const CHILD_SETTID: u64 = 0x100_0000;
    pub const IO: u64 = 0x8000_0000;
    pub const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    pub const INTO_CGROUP: u64 = 0x2_0000_0000;
}

/// What a new task is to share and to have (`struct kernel_clone_args`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CloneArgs {
    /// `CLONE_*`, without the exit signal.
    pub flags: u64,
    /// The signal to the parent at the end.
    pub exit_signal: Option<Signal>,
    /// Numbers asked for, innermost namespace first.
    pub set_tid: Vec<Pid>,
    /// The descriptor of the group into which it is to be born (`CLONE_INTO_CGROUP`).
    pub cgroup: Option<crate::vfs::fd_table::Fd>,
}

/// What a fork costs (page tables, mostly): the order of magnitude of lat_proc fork.
const CLONE_COST: Nanos = Nanos(60_000);

impl Kernel<'_> {
    /// Makes a task as `caller` asks, checks in the kernel's order. The number of the child as the caller
    /// sees it; for vfork(2) only when the child has let go of the address space.
    ///
    /// # Errors
    /// Those of clone(2).
    pub fn clone_task(&mut self, caller: TaskId, args: &CloneArgs) -> SysResult {
        if let Some(nr) = self.vfork_under_way(caller)? {
            return Ok(Ret::new(nr));
        }
        let child = self.copy_process(caller, args)?;
        let nr = i64::from(self.pid_in(self.pid_ns_of(caller), child).unwrap_or(0));
        self.spend(CLONE_COST);
        self.activate(child, true);
        if args.flags & flags::VFORK != 0 && !self.from_outside {
            self.tasks[child].vfork_parent = Some(caller);
            if let Some(call) = &mut self.tasks[caller].in_call {
                call.progress = i64::from(child.0);
            }
            return Err(Sleep::on(Wait::VforkDone(child)));
        }
        Ok(Ret::new(nr))
    }

    /// The second half of vfork(2): the call runs again when the parent wakes up.
    fn vfork_under_way(&self, caller: TaskId) -> Result<Option<i64>, Stop> {
        let Some(InCall { progress, .. }) = self.tasks[caller].in_call else { return Ok(None) };
        if progress == 0 {
            return Ok(None);
        }
        let child = TaskId(progress as u32);
        match self.tasks.get(child) {
            Some(t) if t.vfork_parent == Some(caller) => Err(Sleep::on(Wait::VforkDone(child))),
            Some(_) => Ok(Some(i64::from(self.pid_in(self.pid_ns_of(caller), child).unwrap_or(0)))),
            None => Ok(Some(0)),
        }
    }

    pub(super) fn copy_process(&mut self, caller: TaskId, args: &CloneArgs) -> Result<TaskId, Errno> {
        let f = args.flags;
        self.check_clone_flags(caller, f)?;
        let parent = self.tasks[caller].clone();
        let thread = f & flags::THREAD != 0;

        // copy_creds: a new user namespace comes first, so that the others are owned by it.
        let mut cred = Arc::clone(&parent.cred);
        if f & CLONE_NEWUSER != 0 {
            cred = Arc::new(self.create_user_namespace(caller, &cred)?);
        } else {
            self.hold_ns(NsRef::User(cred.user_ns));
        }
        if let Err(e) = self.check_process_limit(caller) {
            self.release_ns(NsRef::User(cred.user_ns));
            return Err(e);
        }
        let memcg = self.memcg_of(caller);
        if let Err(e) = self.charge_task(caller) {
            self.release_ns(NsRef::User(cred.user_ns));
            return Err(e);
        }
        let fs = self.copy_fs_struct(parent.fs, f & flags::FS != 0);
        let nsproxy = match self.copy_namespaces(caller, f, &cred, fs) {
            Ok(proxy) => proxy,
            Err(e) => {
                self.uncharge_task(memcg);
                self.release_fs_struct(fs);
                self.release_ns(NsRef::User(cred.user_ns));
                return Err(e);
            }
        };
        let child = TaskId(self.tasks.next_number());
        let born_in = nsproxy.pid_for_children;
        let pid = match self.alloc_pid(born_in, child, &args.set_tid) {
            Ok(pid) => pid,
            Err(e) => {
                self.uncharge_task(memcg);
                self.release_nsproxy(&nsproxy);
                self.release_fs_struct(fs);
                self.release_ns(NsRef::User(cred.user_ns));
                return Err(e);
            }
        };

        // cgroup_can_fork: what the groups of the child say to it.
        let allowed = self.css_set_for_child(caller, args.cgroup, thread);
        let allowed = allowed.and_then(|set| self.cgroup_can_fork(caller, set).map(|()| set));
        let css_set = match allowed {
            Ok(set) => set,
            Err(e) => {
                self.uncharge_task(memcg);
                self.release_pid(pid);
                self.release_nsproxy(&nsproxy);
                self.release_fs_struct(fs);
                self.release_ns(NsRef::User(cred.user_ns));
                return Err(e);
            }
        };

        let files = parent.files.map(|files| self.copy_files(files, f & flags::FILES != 0));
        let sighand = self.copy_sighand(parent.sighand, f);
        let mut user = parent.user.clone();
        if self.from_outside || user.driver == Driver::Outside {
            user.driver = Driver::Outside;
        } else {
            user.replies.push_back(Reply { result: Ok(Ret::new(0)), caught: Vec::new() });
        }
        let process = if thread { parent.process } else { ProcessId(self.processes.next_number()) };
        let task = Task {
            id: child,
            process,
            pid,
            cred,
            nsproxy,
            fs,
            files,
            sighand,
            pending: SigSet::EMPTY,
            saved_sigmask: None,
            signals_caught: 0,
            pdeath_signal: None,
            state: TaskState::Runnable,
            in_call: None,
            user,
            cpu_time: Nanos(0),
            start_time: self.clock,
            vfork_parent: None,
            frozen: Frozen::default(),
            css_set,
            sched: TaskSched {
                cpu: parent.sched.cpu,
                group: parent.sched.group,
                policy: parent.sched.policy,
                user_cpus: parent.sched.user_cpus,
                ..TaskSched::default()
            },
            ..parent
        };
        self.tasks.add(task);
        self.remember_task_memory(caller, child);
        if thread {
            self.processes[process].threads.push(child);
        } else {
            self.add_process(caller, child, f, args.exit_signal);
        }
        self.cgroup_post_fork(child, css_set);
        self.inherit_tracer(child);
        self.emit(EventKind::TaskCreated { child, thread });
        Ok(child)
    }

    fn add_process(&mut self, caller: TaskId, leader: TaskId, f: u64, exit_signal: Option<Signal>) {
        let creator = self.processes[self.tasks[caller].process].clone();
        let with_parent = f & flags::PARENT != 0;
        let parent = if with_parent { creator.parent } else { Some(creator.id) };
        let exit_signal = if with_parent { creator.exit_signal } else { exit_signal };
        let (pgrp, session) = (creator.pgrp, creator.session);
        let mm = self.copy_mm(caller, f);
        let id = self.processes.add_with(|id| Process {
            id,
            leader,
            threads: vec![leader],
            parent,
            children: OrdSet::new(),
            exit_signal,
            exit_code: None,
            pending: SigSet::EMPTY,
            stop_report: None,
            traced: imbl::Vector::new(),
            is_child_subreaper: false,
            did_exec: false,
            children_cpu_time: Nanos(0),
            alarm: None,
            mm,
            ..creator
        });
        self.copy_shm(creator.id, id);
        self.pids[pgrp].pgrp_members += 1;
        self.pids[session].session_members += 1;
        if let Some(parent) = parent {
            self.processes[parent].children.insert(id);
        }
    }

    /// The combinations that make no sense, in the order of `copy_process`.
    fn check_clone_flags(&self, caller: TaskId, f: u64) -> Result<(), Errno> {
        let both = |a: u64, b: u64| f & a != 0 && f & b != 0;
        let without = |a: u64, b: u64| f & a != 0 && f & b == 0;
        if both(CLONE_NEWNS, flags::FS) || both(CLONE_NEWUSER, flags::FS) {
            return Err(Errno::EINVAL);
        }
        if without(flags::THREAD, flags::SIGHAND) || without(flags::SIGHAND, flags::VM) {
            return Err(Errno::EINVAL);
        }
        let process = &self.processes[self.tasks[caller].process];
        if f & flags::PARENT != 0 && self.is_namespace_init(process.leader) {
            return Err(Errno::EINVAL);
        }
        if f & flags::THREAD != 0 {
            let own = self.pid_ns_of(caller);
            if f & (CLONE_NEWUSER | CLONE_NEWPID) != 0 || self.tasks[caller].nsproxy.pid_for_children != own {
                return Err(Errno::EINVAL);
            }
        }
        Ok(())
    }

    /// RLIMIT_NPROC: how many tasks one user may have in its user namespace.
    fn check_process_limit(&mut self, caller: TaskId) -> Result<(), Errno> {
        let t = &self.tasks[caller];
        let limit = self.processes[t.process].rlimits.0[rlimit::NPROC].soft;
        let (uid, user_ns) = (t.cred.uid, t.cred.user_ns);
        let is_first_root = uid == crate::security::credentials::Kuid::ROOT;
        if is_first_root || limit == rlimit::INFINITY {
            return Ok(());
        }
        let count = self.tasks.iter().filter(|(_, t)| t.cred.uid == uid && t.cred.user_ns == user_ns).count();
        if (count as u64) < limit {
            return Ok(());
        }
        let first = self.first_user_ns();
        if self.capable_in(caller, first, Cap::SYS_RESOURCE) || self.capable_in(caller, first, Cap::SYS_ADMIN) {
            return Ok(());
        }
        Err(Errno::EAGAIN)
    }

    fn copy_sighand(&mut self, of: super::signal::SigHandId, f: u64) -> super::signal::SigHandId {
        if f & flags::SIGHAND != 0 {
            self.sighands[of].users += 1;
            return of;
        }
        let mut copy: SigHand = self.sighands[of].clone();
        copy.users = 1;
        if f & flags::CLEAR_SIGHAND != 0 {
            copy.reset_handlers();
        }
        self.sighands.add(copy)
    }
}

impl SigHand {
    /// Handlers become default actions; ignored signals stay ignored (`flush_signal_handlers`).
    pub fn reset_handlers(&mut self) {
        self.actions = self.actions.iter().filter(|(_, d)| **d == Disposition::Ignore).map(|(s, d)| (*s, *d)).collect();
    }
}
