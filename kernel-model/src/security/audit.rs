//! Audit messages (`kernel/audit.c`): what security modules and seccomp have to report. Nobody runs auditd here, so
//! they go to the kernel's log as `audit: type=N audit(SECONDS.MILLIS:SERIAL): ...`.

use crate::kernel::Kernel;
use crate::printk::NOTICE;
use crate::task::TaskId;
use crate::world::World;

/// `AUDIT_AVC`: what a security module decided.
pub const AVC: u32 = 1400;
/// `AUDIT_MAC_POLICY_LOAD`.
pub const MAC_POLICY_LOAD: u32 = 1403;
/// `AUDIT_MAC_STATUS`.
pub const MAC_STATUS: u32 = 1404;
/// `AUDIT_SECCOMP`.
pub const SECCOMP: u32 = 1326;

/// A string that others chose (`audit_log_untrustedstring`): in quotation marks, or in hexadecimal when it could be
/// taken for something else.
pub fn untrusted(text: &str) -> String {
    let plain = |b: u8| (0x21..=0x7e).contains(&b) && b != b'"';
    if text.bytes().all(plain) { format!("\"{text}\"") } else { text.bytes().map(|b| format!("{b:02X}")).collect() }
}

impl World {
    /// ` pid=N comm="NAME"`, with which the specific part of a message begins.
    pub(crate) fn audit_task(&self, task: TaskId) -> String {
        let leader = self.processes[self.tasks[task].process].leader;
        let pid = self.pid_in(self.first_pid_ns(), leader).unwrap_or(0);
        format!(" pid={pid} comm={}", untrusted(&self.tasks[task].comm))
    }

    /// The PID namespace in which everybody is.
    fn first_pid_ns(&self) -> crate::namespace::pid::PidNsId {
        self.pid_namespaces.ids().next().unwrap_or(crate::namespace::pid::PidNsId(1))
    }
}

impl Kernel<'_> {
    /// Writes an audit message.
    pub(crate) fn audit(&mut self, kind: u32, text: &str) {
        let now = self.unix_time();
        self.log.audit_serial += 1;
        let serial = self.log.audit_serial;
        let (seconds, millis) = (now.seconds(), now.subsec_nanos() / 1_000_000);
        self.printk(NOTICE, &format!("audit: type={kind} audit({seconds}.{millis:03}:{serial}): {text}"));
    }
}
