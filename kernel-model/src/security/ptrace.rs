//! Who may look into another process: `ptrace_may_access` with `PTRACE_MODE_READ`, which guards
//! `/proc/PID/ns`, `/proc/PID/root` and setns(2) by pidfd.

use super::capability::Cap;
use crate::kernel::Kernel;
use crate::task::TaskId;

/// Which of the caller's ids count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessMode {
    /// The file-system ids and effective capabilities: what procfs uses.
    FsCreds,
    /// The real ids and permitted capabilities: what system calls use.
    RealCreds,
}

impl Kernel<'_> {
    /// Whether `caller` may read the state of `target` (`__ptrace_may_access` and `cap_ptrace_access_check`).
    pub fn ptrace_may_access(&mut self, caller: TaskId, target: TaskId, mode: AccessMode) -> bool {
        if self.tasks[caller].process == self.tasks[target].process {
            return true;
        }
        let own = std::sync::Arc::clone(&self.tasks[caller].cred);
        let theirs = std::sync::Arc::clone(&self.tasks[target].cred);
        let (uid, gid) = match mode {
            AccessMode::FsCreds => (own.fsuid, own.fsgid),
            AccessMode::RealCreds => (own.uid, own.gid),
        };
        let same_ids = [theirs.euid, theirs.suid, theirs.uid].iter().all(|u| *u == uid)
            && [theirs.egid, theirs.sgid, theirs.gid].iter().all(|g| *g == gid);
        if !same_ids && !self.capable_in(caller, theirs.user_ns, Cap::SYS_PTRACE) {
            return false;
        }
        let process = &self.processes[self.tasks[target].process];
        let (dumpable, mm_user_ns) = (process.dumpable, process.mm_user_ns);
        if !dumpable && !self.capable_in(caller, mm_user_ns, Cap::SYS_PTRACE) {
            return false;
        }
        let caps = match mode {
            AccessMode::FsCreds => own.effective,
            AccessMode::RealCreds => own.permitted,
        };
        ((own.user_ns == theirs.user_ns && theirs.permitted.is_subset(caps))
            || self.capable_in(caller, theirs.user_ns, Cap::SYS_PTRACE))
            && self.security_ptrace_access_check(caller, target, true).is_ok()
    }
}
