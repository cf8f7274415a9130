//! `/proc/PID/attr`: what the active security module says of a process, and by what a process speaks to it
//! (`proc_pid_attr_read`, `proc_pid_attr_write`).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::credentials::Cred;
use crate::security::lsm::Lsm;
use crate::task::TaskId;

impl Kernel<'_> {
    /// What a file says (`security_getprocattr`).
    ///
    /// # Errors
    /// ESRCH for a process that is gone; EINVAL when no module answers.
    pub(super) fn attr_text(&self, task: TaskId, name: &str) -> Result<String, Errno> {
        if !self.tasks.contains(task) {
            return Err(Errno::ESRCH);
        }
        match self.lsm {
            Lsm::None => Err(Errno::EINVAL),
            Lsm::AppArmor(_) => self.apparmor_getprocattr(task, name),
            Lsm::Selinux(_) => self.selinux_getprocattr(task, name),
        }
    }

    /// Writing to a file (`security_setprocattr`).
    ///
    /// # Errors
    /// EPERM when somebody else opened it; ESRCH; EACCES for the file of another; EINVAL at another offset than 0, or
    /// when no module listens; those of the module.
    pub(super) fn write_attr(
        &mut self,
        writer: TaskId,
        opener: &Cred,
        task: TaskId,
        name: &str,
        text: &str,
        at_start: bool,
    ) -> Result<(), Errno> {
        let own = &self.tasks[writer].cred;
        if (opener.uid, opener.euid, &opener.security) != (own.uid, own.euid, &own.security) {
            return Err(Errno::EPERM);
        }
        if !self.tasks.contains(task) {
            return Err(Errno::ESRCH);
        }
        if task != writer {
            return Err(Errno::EACCES);
        }
        if !at_start {
            return Err(Errno::EINVAL);
        }
        match self.lsm {
            Lsm::None => Err(Errno::EINVAL),
            Lsm::AppArmor(_) => self.apparmor_setprocattr(task, name, text),
            Lsm::Selinux(_) => self.selinux_setprocattr(task, name, text),
        }
    }
}
