//! How a task gets another profile (`security/apparmor/domain.c`): at an execve(2), by aa_change_profile(2), as a hat.

use super::audit::Denial;
use super::rule::{ExecMode, Fallback, Perms, file_perms};
use super::{Mode, Policy, Profile, TaskContext, UNCONFINED, glob};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::credentials::{Cred, Kuid};
use crate::security::lsm::Blob;
use crate::security::lsm::event::LsmEvent;
use crate::task::TaskId;
use crate::task::signal::Signal;
use crate::vfs::path::VfsPath;

/// Where an execve(2) leads.
enum Next {
    /// To this label.
    To(String),
    /// Nowhere: it fails, for this reason.
    Refused(Errno, &'static str),
}

impl Kernel<'_> {
    /// Gives the credentials of a new program their profile (`apparmor_bprm_creds_for_exec`).
    pub(super) fn aa_exec(&mut self, task: TaskId, place: VfsPath, new: &mut Cred) -> Result<(), Errno> {
        let context = self.snapshot_nnp(task);
        let unconfined = Profile { attach_disconnected: true, ..Profile::default() };
        let profile = self.confinement_of(task);
        let seen_by = profile.as_deref().unwrap_or(&unconfined);
        let owner = self.attr(place).uid;
        let name = match self.aa_path_name(task, seen_by, place) {
            Ok(name) => name,
            // An unconfined task may run what has no name.
            Err(_) if profile.is_none() => String::new(),
            Err((name, error, info)) => return self.refuse_exec(task, seen_by, &name, owner, "", (error, info)),
        };
        let next = match (&context.onexec, &profile) {
            (Some(onexec), _) => Next::To(onexec.clone()),
            (None, None) => {
                let attached = self.apparmor().and_then(|p| p.attached_to(&name)).map(str::to_owned);
                Next::To(attached.unwrap_or_else(|| context.label.clone()))
            }
            (None, Some(profile)) => {
                let own = self.tasks[task].cred.fsuid == owner;
                let policy = self.apparmor().cloned().unwrap_or_default();
                transition(&policy, profile, &name, own)
            }
        };
        let label = match next {
            Next::Refused(error, info) => return self.refuse_exec(task, seen_by, &name, owner, "", (error, info)),
            Next::To(label) => label,
        };
        if self.breaks_no_new_privs(task, &context, &label) {
            return self.refuse_exec(task, seen_by, &name, owner, &label, (Errno::EPERM, "no new privs"));
        }
        if label != context.label {
            let why = if context.onexec.is_some() {
                "it had asked for that for its next program"
            } else {
                "the program has that profile"
            };
            let (from, to) = (context.label.as_str().into(), label.as_str().into());
            self.emit(EventKind::Lsm(LsmEvent::LabelChanged { task, from, to, why: why.into() }));
        }
        new.security = Blob::AppArmor(TaskContext { label, onexec: None, previous: None, nnp: context.nnp });
        Ok(())
    }

    fn refuse_exec(
        &mut self,
        task: TaskId,
        profile: &Profile,
        name: &str,
        owner: Kuid,
        target: &str,
        (error, info): (Errno, &'static str),
    ) -> Result<(), Errno> {
        let fields = self.aa_file_fields(task, Perms::EXEC, owner);
        let target = if target.is_empty() { String::new() } else { format!(" target=\"{target}\"") };
        let denial = Denial {
            operation: "exec",
            class: "file",
            info,
            name,
            fields: fields + &target,
            error: Some(error),
            rule: if info.is_empty() { String::new() } else { info.to_owned() },
            ..Denial::default()
        };
        let denied = self.aa_denied(task, profile, denial);
        // What complain mode lets pass has got a profile of its own before; the rest is a refusal.
        denied.and(Err(error))
    }

    /// The context of a task, with the label that it had when no_new_privs was first seen.
    fn snapshot_nnp(&self, task: TaskId) -> TaskContext {
        let mut context = self.tasks[task].cred.apparmor();
        if self.tasks[task].no_new_privs && context.nnp.is_none() && context.label != UNCONFINED {
            context.nnp = Some(context.label.clone());
        }
        context
    }

    /// With no_new_privs, who is confined stays so.
    fn breaks_no_new_privs(&self, task: TaskId, context: &TaskContext, label: &str) -> bool {
        let confined = context.label != UNCONFINED;
        self.tasks[task].no_new_privs && confined && context.nnp.as_deref().is_some_and(|nnp| nnp != label)
    }

    /// aa_change_profile(2) and aa_change_onexec(2) (`aa_change_profile`).
    ///
    /// # Errors
    /// ENOENT for a profile that is not loaded; EACCES when the task's own does not allow it; EPERM with no_new_privs.
    pub(super) fn aa_change_profile(&mut self, task: TaskId, name: &str, onexec: bool) -> Result<(), Errno> {
        let operation = if onexec { "change_onexec" } else { "change_profile" };
        let mut context = self.snapshot_nnp(task);
        let unconfined = Profile { name: UNCONFINED.to_owned(), ..Profile::default() };
        let profile = self.confinement_of(task);
        let own = profile.as_deref().unwrap_or(&unconfined);
        let denial = Denial { operation, name, ..Denial::default() };
        if let Some(profile) = &profile
            && !profile.change_profile.iter().any(|pattern| glob::matches(pattern, name))
        {
            self.aa_denied(task, profile, denial.clone())?;
        }
        let exists = name == UNCONFINED || self.apparmor().is_some_and(|p| p.profiles.contains_key(name));
        if !exists {
            let denial = Denial {
                info: "label not found",
                error: Some(Errno::ENOENT),
                rule: "no such profile is loaded".to_owned(),
                ..denial
            };
            return self.aa_denied(task, own, denial);
        }
        if self.breaks_no_new_privs(task, &context, name) {
            let denial = Denial {
                info: "no new privs",
                error: Some(Errno::EPERM),
                rule: "no_new_privs keeps it where it is".to_owned(),
                ..denial
            };
            return self.aa_denied(task, own, denial);
        }
        if onexec {
            context.onexec = Some(name.to_owned());
            self.set_apparmor_context(task, context, "");
        } else {
            context = TaskContext { label: name.to_owned(), onexec: None, previous: None, nnp: context.nnp };
            self.set_apparmor_context(task, context, "it asked for that profile, and its own allows it");
        }
        Ok(())
    }

    /// aa_change_hat(2): into the first of these hats that exists, or back with the same token when there are none
    /// (`aa_change_hat`).
    ///
    /// # Errors
    /// EPERM for who is unconfined; ECHILD for a profile without hats; ENOENT for hats that it does not have; EACCES,
    /// and SIGKILL, for the wrong token.
    pub(super) fn aa_change_hat(&mut self, task: TaskId, token: u64, hats: &[&str]) -> Result<(), Errno> {
        let context = self.tasks[task].cred.apparmor();
        let back = |k: &mut Self| match &context.previous {
            Some((label, own)) if *own == token => {
                let to = TaskContext { label: label.clone(), onexec: None, previous: None, nnp: context.nnp.clone() };
                k.set_apparmor_context(task, to, "it took its hat off");
                Ok(())
            }
            Some(_) => {
                // Somebody guesses: that is the end of it.
                k.send_signal_to_thread(task, Signal::KILL, None);
                Err(Errno::EACCES)
            }
            None => Ok(()),
        };
        if hats.is_empty() {
            return back(self);
        }
        if context.label == UNCONFINED {
            return Err(Errno::EPERM);
        }
        if context.previous.as_ref().is_some_and(|(_, own)| *own != token) {
            return back(self);
        }
        let parent = context.previous.as_ref().map_or(context.label.clone(), |(label, _)| label.clone());
        let policy = self.apparmor().cloned().unwrap_or_default();
        let is_hat = |p: &Profile| p.hat && p.name.strip_prefix(&parent).is_some_and(|n| n.starts_with("//"));
        if !policy.profiles.values().any(|p| is_hat(p)) {
            return Err(Errno::ECHILD);
        }
        let found = hats.iter().map(|hat| format!("{parent}//{hat}")).find(|name| policy.profiles.contains_key(name));
        let Some(label) = found else { return Err(Errno::ENOENT) };
        let to = TaskContext { label, onexec: None, previous: Some((parent, token)), nnp: context.nnp };
        self.set_apparmor_context(task, to, "it put a hat on");
        Ok(())
    }
}

/// What a profile says to running a program (`profile_transition`).
fn transition(policy: &Policy, profile: &Profile, name: &str, own: bool) -> Next {
    let perms = file_perms(&profile.files, name, own);
    if !perms.allow.contains(Perms::EXEC) {
        let denied = perms.quiet.contains(Perms::EXEC);
        // In complain mode, what is not allowed runs under a profile that learns.
        return match profile.mode {
            Mode::Complain if !denied => Next::To(format!("{}//null-{name}", profile.name)),
            _ => Next::Refused(Errno::EACCES, ""),
        };
    }
    let Some((mode, fallback)) = perms.exec else { return Next::To(profile.name.clone()) };
    let found = match &mode {
        ExecMode::Inherit => Some(profile.name.clone()),
        ExecMode::Unconfined => Some(UNCONFINED.to_owned()),
        ExecMode::Profile(Some(target)) => policy.profiles.contains_key(target).then(|| target.clone()),
        ExecMode::Profile(None) => policy.attached_to(name).map(str::to_owned),
        ExecMode::Child(target) => child_of(policy, profile, target.as_deref(), name),
    };
    match (found, fallback) {
        (Some(label), _) => Next::To(label),
        (None, Fallback::Inherit) => Next::To(profile.name.clone()),
        (None, Fallback::Unconfined) => Next::To(UNCONFINED.to_owned()),
        (None, Fallback::None) if profile.mode == Mode::Complain => Next::To(format!("{}//null-{name}", profile.name)),
        (None, Fallback::None) => Next::Refused(Errno::EACCES, "profile transition not found"),
    }
}

/// The child of a profile with this name, or the one that is attached to a program.
fn child_of(policy: &Policy, profile: &Profile, target: Option<&str>, program: &str) -> Option<String> {
    let prefix = format!("{}//", profile.name);
    let children = || policy.profiles.values().filter(|p| p.name.starts_with(&prefix));
    match target {
        Some(target) => children().find(|p| p.name[prefix.len()..] == *target),
        None => children().find(|p| {
            let own = &p.name[prefix.len()..];
            let pattern = p.attachment.as_deref().unwrap_or(own);
            glob::matches(pattern, program)
        }),
    }
    .map(|p| p.name.clone())
}
