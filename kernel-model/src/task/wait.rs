//! Waiting for children, as in wait(2) and `do_wait`.

use super::sched::Wait;
use super::{ExitStatus, ProcessId, StopReport, TaskId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::{Pid, PidId};
use crate::syscall::{Sleep, Stop};
use crate::task::signal::Signal;

/// Return at once when nothing is to be reported.
pub const WNOHANG: i64 = 1;
/// Report stopped children, too.
pub const WUNTRACED: i64 = 2;
/// Report exited children (waitid(2) only; wait4(2) always does).
pub const WEXITED: i64 = 4;
/// Report continued children, too.
pub const WCONTINUED: i64 = 8;
/// Leave the child as it is, so that it can be waited for again.
pub const WNOWAIT: i64 = 0x0100_0000;
/// Do not wait for children of other threads.
pub const WNOTHREAD: i64 = 0x2000_0000;
/// Wait for all children.
pub const WALL: i64 = 0x4000_0000;
/// Wait for "clone" children: those that do not send SIGCHLD.
pub const WCLONE: i64 = 0x8000_0000;

/// Which children are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Any child.
    Any,
    /// The child with this identity; `None` when the number means nobody.
    Pid(Option<PidId>),
    /// Children in this process group; `None` when the number means no group.
    Group(Option<PidId>),
}

/// What there is to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// It has exited.
    Exited(ExitStatus),
    /// It has stopped.
    Stopped(Signal),
    /// It goes on.
    Continued,
}

/// A child that has something to report: its number as the caller sees it, its uid in the kernel's ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reported {
    /// Its number as the caller sees it.
    pub pid: Pid,
    /// Its real user.
    pub uid: crate::security::credentials::Kuid,
    /// What happened to it.
    pub what: Report,
}

impl Kernel<'_> {
    /// Waits as wait4(2) and waitid(2) do. `None` when nothing is to be reported and `WNOHANG` was given.
    ///
    /// # Errors
    /// ECHILD when no child could ever match; sleeps otherwise.
    pub fn wait_for(&mut self, caller: TaskId, which: Which, options: i64) -> Result<Option<Reported>, Stop> {
        let process = self.tasks[caller].process;
        let children: Vec<ProcessId> = self.processes[process].children.iter().copied().collect();
        let mut eligible = false;
        for child in children {
            if !self.matches(child, which, options) {
                continue;
            }
            eligible = true;
            if let Some(reported) = self.report(caller, child, options) {
                return Ok(Some(reported));
            }
        }
        if !eligible {
            return Err(Errno::ECHILD.into());
        }
        if options & WNOHANG != 0 {
            return Ok(None);
        }
        Err(Sleep::on(Wait::Child(process)))
    }

    fn matches(&self, child: ProcessId, which: Which, options: i64) -> bool {
        let p = &self.processes[child];
        let right_one = match which {
            Which::Any => true,
            Which::Pid(pid) => pid == Some(self.tasks[p.leader].pid),
            Which::Group(pgrp) => pgrp == Some(p.pgrp),
        };
        let is_clone = p.exit_signal != Some(Signal::CHLD);
        let wanted_kind = options & WALL != 0 || is_clone == (options & WCLONE != 0);
        right_one && wanted_kind
    }

    fn report(&mut self, caller: TaskId, child: ProcessId, options: i64) -> Option<Reported> {
        let p = &self.processes[child];
        let leader = p.leader;
        let pid = self.pid_in(self.pid_ns_of(caller), leader).unwrap_or(0);
        let uid = self.tasks[leader].cred.uid;
        let finished = self.tasks[leader].state.has_exited()
            && p.threads.iter().all(|t| self.tasks[*t].state.has_exited())
            && !self.is_emptying_namespace(leader);
        let what = match (p.exit_code, p.stop_report) {
            (Some(status), _) if finished && options & WEXITED != 0 => Report::Exited(status),
            (None, Some(StopReport::Stopped(signal))) if options & WUNTRACED != 0 => Report::Stopped(signal),
            (None, Some(StopReport::Continued)) if options & WCONTINUED != 0 => Report::Continued,
            _ => return None,
        };
        if options & WNOWAIT == 0 {
            if matches!(what, Report::Exited(_)) {
                self.release_process(child, Some(caller));
            } else {
                self.processes[child].stop_report = None;
            }
        }
        Some(Reported { pid, uid, what })
    }

    /// Whether the task is a dead init that still waits for the last members of its PID namespace.
    fn is_emptying_namespace(&self, leader: TaskId) -> bool {
        let ns = self.pid_ns_of(leader);
        self.pid_namespaces.get(ns).is_some_and(|n| n.child_reaper == Some(leader))
            && self.has_other_members(ns, leader)
    }
}
