//! `/proc/PID/attr` (`selinux_getprocattr`, `selinux_setprocattr`): the labels of a task, and how it asks for others.

use std::sync::Arc;

use super::avc::About;
use super::{Context, TaskSecurity, policy};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::credentials::Cred;
use crate::security::lsm::Blob;
use crate::security::lsm::event::LsmEvent;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// What the file says: a label and a NUL, or nothing.
    pub(crate) fn selinux_getprocattr(&self, task: TaskId, name: &str) -> Result<String, Errno> {
        let security = self.tasks[task].cred.selinux();
        let label = match name {
            "current" => Some(security.current),
            "prev" => Some(security.prev),
            "exec" => security.exec,
            "fscreate" => security.fscreate,
            "keycreate" => security.keycreate,
            "sockcreate" => security.sockcreate,
            _ => return Err(Errno::EINVAL),
        };
        Ok(label.map_or_else(String::new, |l| format!("{l}\0")))
    }
}

impl Kernel<'_> {
    /// Writing a label to the file of one's own; nothing, or an empty line, takes it away.
    ///
    /// # Errors
    /// EACCES when the policy does not allow it; EINVAL for what is no label; EPERM for changing the label of one of
    /// several threads.
    pub(crate) fn selinux_setprocattr(&mut self, task: TaskId, name: &str, text: &str) -> Result<(), Errno> {
        let own = self.tasks[task].cred.selinux();
        let permission = match name {
            "current" => "setcurrent",
            "exec" => "setexec",
            "fscreate" => "setfscreate",
            "keycreate" => "setkeycreate",
            "sockcreate" => "setsockcreate",
            _ => return Err(Errno::EINVAL),
        };
        let labels = (&own.current, &own.current);
        self.avc_has_perm(task, labels, "process", permission, |_| About::default())?;
        let text = text.trim_end_matches(['\n', '\0']);
        let label = match text {
            "" => None,
            text => Some(Context::parse(text).filter(|c| policy::is_known(&c.kind)).ok_or(Errno::EINVAL)?),
        };
        let mut new: TaskSecurity = own.clone();
        match name {
            "exec" => new.exec = label,
            "fscreate" => new.fscreate = label,
            "keycreate" => new.keycreate = label,
            "sockcreate" => new.sockcreate = label,
            _ => {
                let label = label.ok_or(Errno::EINVAL)?;
                if self.processes[self.tasks[task].process].threads.len() > 1 {
                    return Err(Errno::EPERM);
                }
                let labels = (&own.current, &label);
                self.avc_has_perm(task, labels, "process", "dyntransition", |_| About::default())?;
                new.current = label;
            }
        }
        let changed = (own.current.to_string(), new.current.to_string());
        let mut cred = Cred::clone(&self.tasks[task].cred);
        cred.security = Blob::Selinux(new);
        self.tasks[task].cred = Arc::new(cred);
        if changed.0 != changed.1 {
            let kind = LsmEvent::LabelChanged {
                task,
                from: changed.0.into(),
                to: changed.1.into(),
                why: "it asked for that, and the policy allows it".into(),
            };
            self.emit(EventKind::Lsm(kind));
        }
        Ok(())
    }
}
