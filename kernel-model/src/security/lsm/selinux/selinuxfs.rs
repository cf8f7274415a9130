//! `/sys/fs/selinux` (`selinuxfs.c`): the mode, the booleans, and questions to the policy.

use super::avc::About;
use super::{Context, policy};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::audit::MAC_STATUS;
use crate::security::lsm::Lsm;
use crate::security::lsm::event::LsmEvent;
use crate::task::TaskId;
use imbl::OrdSet;

impl Kernel<'_> {
    /// What a file says; `path` is below the top directory.
    pub(crate) fn selinuxfs_text(&self, path: &str) -> String {
        let Some(selinux) = self.selinux() else { return String::new() };
        match path {
            "enforce" => u8::from(selinux.enforcing).to_string(),
            "policyvers" => "33".to_owned(),
            "mls" => "1".to_owned(),
            "deny_unknown" | "reject_unknown" | "checkreqprot" => "0".to_owned(),
            "initial_contexts/kernel" => "system_u:system_r:kernel_t:s0\0".to_owned(),
            path => match path.strip_prefix("booleans/").and_then(|name| selinux.booleans.get(name)) {
                Some(on) => format!("{} {}", u8::from(*on), u8::from(*on)),
                None => String::new(),
            },
        }
    }

    /// Writing to a file.
    ///
    /// # Errors
    /// EACCES when the policy does not allow it; EINVAL for what it cannot mean.
    pub(crate) fn selinuxfs_write(&mut self, task: TaskId, path: &str, text: &str) -> Result<(), Errno> {
        let own = self.tasks[task].cred.selinux().current;
        let text = text.trim_end_matches(['\n', '\0']);
        let security = Context::object("security_t");
        let may = |k: &mut Self, permission: &str| {
            k.avc_has_perm(task, (&own, &security), "security", permission, |_| About::default())
        };
        match path {
            "enforce" => {
                let on = text.trim().parse::<i64>().map_err(|_| Errno::EINVAL)? != 0;
                let was = self.selinux().is_some_and(|s| s.enforcing);
                if on == was {
                    return Ok(());
                }
                may(self, "setenforce")?;
                self.set_enforcing(on);
                Ok(())
            }
            "context" => {
                // security_context_to_sid: whether it is one.
                Context::parse(text).filter(|c| policy::is_known(&c.kind)).map(drop).ok_or(Errno::EINVAL)
            }
            "commit_pending_bools" => Ok(()),
            path => {
                let name = path.strip_prefix("booleans/").ok_or(Errno::EINVAL)?.to_owned();
                let on = text.trim().parse::<i64>().map_err(|_| Errno::EINVAL)? != 0;
                may(self, "setbool")?;
                let Lsm::Selinux(selinux) = &mut self.world.lsm else { return Err(Errno::EINVAL) };
                selinux.booleans.insert(name.clone(), on);
                selinux.granted = OrdSet::new();
                let what = format!("the boolean {name} is {}", if on { "on" } else { "off" }).into();
                self.emit(EventKind::Lsm(LsmEvent::PolicyChanged { module: "selinux".into(), what }));
                Ok(())
            }
        }
    }

    fn set_enforcing(&mut self, on: bool) {
        if let Lsm::Selinux(selinux) = &mut self.world.lsm {
            selinux.enforcing = on;
            selinux.granted = OrdSet::new();
        }
        let (new, old) = (u8::from(on), u8::from(!on));
        let text = format!(
            "enforcing={new} old_enforcing={old} auid=4294967295 ses=4294967295 enabled=1 old-enabled=1 lsm=selinux res=1"
        );
        self.audit(MAC_STATUS, &text);
        let what = if on { "it is enforced" } else { "it only reports from now on (permissive)" };
        self.emit(EventKind::Lsm(LsmEvent::PolicyChanged { module: "selinux".into(), what: what.into() }));
    }
}
