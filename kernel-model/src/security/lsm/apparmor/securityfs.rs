//! `/sys/kernel/security/apparmor` (`apparmorfs.c`): which profiles there are, and the files by which policy comes and
//! goes.

use std::sync::Arc;

use super::audit::Denial;
use super::{Profile, UNCONFINED};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::lsm::Lsm;
use crate::security::lsm::event::LsmEvent;
use crate::task::TaskId;

impl Kernel<'_> {
    /// What `profiles` says: a profile a line, with its mode.
    pub(crate) fn apparmor_profiles_text(&self) -> String {
        let Some(policy) = self.apparmor() else { return String::new() };
        policy.profiles.values().map(|p| format!("{} ({})\n", p.name, p.mode.name())).collect()
    }

    /// Writing to `.load`, `.replace` or `.remove` (`policy_update`, `profile_remove`).
    ///
    /// # Errors
    /// EACCES without CAP_MAC_ADMIN; EPROTO for what is no profile; EEXIST when `.load` names one that is there; ENOENT
    /// when `.remove` names one that is not.
    pub(crate) fn apparmor_policy_write(&mut self, task: TaskId, file: &str, text: &str) -> Result<(), Errno> {
        // aa_may_manage_policy: in the first user namespace, and not from inside a profile.
        if !self.capable(task, Cap::MAC_ADMIN) {
            return Err(Errno::EACCES);
        }
        if file == ".remove" {
            return self.remove_profile(task, text.trim_end_matches(['\n', '\0']));
        }
        let profiles = Profile::from_wire(text).ok_or(Errno::EPROTO)?;
        let Lsm::AppArmor(policy) = &self.lsm else { return Err(Errno::EINVAL) };
        if file == ".load" && profiles.iter().any(|p| policy.profiles.contains_key(&p.name)) {
            return Err(Errno::EEXIST);
        }
        for profile in profiles {
            self.load_profile(task, profile);
        }
        Ok(())
    }

    fn load_profile(&mut self, task: TaskId, profile: Profile) {
        let name = profile.name.clone();
        let mode = profile.mode.name();
        let Lsm::AppArmor(policy) = &mut self.world.lsm else { return };
        let replaced = policy.profiles.insert(name.clone(), Arc::new(profile)).is_some();
        let operation = if replaced { "profile_replace" } else { "profile_load" };
        self.policy_message(task, operation, &name);
        let what = if replaced { "replaced" } else { "loaded" };
        self.policy_changed(format!("the profile {name} is {what} ({mode})"));
    }

    /// Takes a profile away with its children: whoever runs under it is unconfined from then on.
    fn remove_profile(&mut self, task: TaskId, name: &str) -> Result<(), Errno> {
        let Lsm::AppArmor(policy) = &mut self.world.lsm else { return Err(Errno::EINVAL) };
        if policy.profiles.remove(name).is_none() {
            return Err(Errno::ENOENT);
        }
        let children = format!("{name}//");
        policy.profiles = policy
            .profiles
            .iter()
            .filter(|(n, _)| !n.starts_with(&children))
            .map(|(n, p)| (n.clone(), Arc::clone(p)))
            .collect();
        self.policy_message(task, "profile_remove", name);
        self.policy_changed(format!("the profile {name} is removed, and whoever ran under it is unconfined"));
        Ok(())
    }

    /// `apparmor="STATUS" operation="profile_load" profile="unconfined" name="..."`.
    fn policy_message(&mut self, task: TaskId, operation: &str, name: &str) {
        let own = self.tasks[task].cred.apparmor().label;
        let own = if own.is_empty() { UNCONFINED.to_owned() } else { own };
        self.aa_message(task, "STATUS", &own, &Denial { operation, name, ..Denial::default() });
    }

    fn policy_changed(&mut self, what: String) {
        let kind = LsmEvent::PolicyChanged { module: "apparmor".into(), what: what.into() };
        self.emit(EventKind::Lsm(kind));
    }
}
