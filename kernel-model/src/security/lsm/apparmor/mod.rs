//! AppArmor, as in apparmor(7) and `security/apparmor/`: confinement by path.
//!
//! A *profile* is a list of what may be done; a task runs under one, or is unconfined. It gets it when it runs a program
//! to whose path a profile is attached, when its own profile says so at an execve(2), or by asking for it. Files are
//! known by their names alone, as they are seen in the mount namespace of whoever asks: another name of the same file is
//! another file. That is easy to read and to write, and it is what the other camp objects to.
//!
//! Types: [`Policy`], [`Profile`], [`TaskContext`]. Elsewhere: what rules match ([`rule`], [`glob`]), files ([`file`]),
//! execve(2) and change_profile ([`domain`]), everything else ([`hooks`]), messages ([`audit`]), and how policy comes here
//! ([`securityfs`]) from `program::security::apparmor`, which reads the files in `/etc/apparmor.d`.

pub mod attr;
mod audit;
mod domain;
mod file;
pub mod glob;
mod hooks;
pub mod rule;
pub mod securityfs;
pub mod wire;

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;
use crate::security::credentials::Cred;
use crate::security::lsm::{Blob, Lsm};
use crate::task::TaskId;
use crate::world::World;
use rule::{CapRules, FileRule, MountRule, NetworkRule, PeerRule};

/// The label of whoever has no profile.
pub const UNCONFINED: &str = "unconfined";

/// The module, to which the hooks belong.
pub(crate) struct AppArmor;

/// The profiles that are loaded, by name.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    /// The profiles; hats and children have names such as `parent//child`.
    pub profiles: OrdMap<String, Arc<Profile>>,
}

/// What becomes of what a profile does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is allowed and reported.
    Complain,
    /// It is refused, and the task is killed.
    Kill,
    /// It is allowed: a profile that only gives a name.
    Unconfined,
}

impl Mode {
    /// The name in parentheses behind the name of a profile.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Complain => "complain",
            Mode::Kill => "kill",
            Mode::Unconfined => "unconfined",
        }
    }
}

/// A profile.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The programs that get it: a pattern over paths.
    pub attachment: Option<String>,
    /// What becomes of what it does not allow.
    pub mode: Mode,
    /// Files that cannot be reached from the root are treated as if they could (`attach_disconnected`).
    pub attach_disconnected: bool,
    /// Files that have been removed keep their name (`mediate_deleted`).
    pub mediate_deleted: bool,
    /// Rules about files.
    pub files: Vec<FileRule>,
    /// Rules about capabilities.
    pub capabilities: CapRules,
    /// Rules about sockets.
    pub network: Vec<NetworkRule>,
    /// Rules about mounts.
    pub mounts: Vec<MountRule>,
    /// Rules about signals, with the other side.
    pub signals: Vec<PeerRule>,
    /// Rules about looking into others.
    pub ptrace: Vec<PeerRule>,
    /// Profiles to which it may change by itself: patterns over names.
    pub change_profile: Vec<String>,
    /// It is a hat: aa_change_hat(2) leads to it.
    pub hat: bool,
}

/// What AppArmor keeps of a task (`struct aa_task_ctx` and the label in its credentials).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskContext {
    /// The name of its profile, or [`UNCONFINED`].
    pub label: String,
    /// The profile of the next program (`aa_change_onexec`).
    pub onexec: Option<String>,
    /// The profile to which a hat goes back, and the token that this needs.
    pub previous: Option<(String, u64)>,
    /// The label that it had when it set no_new_privs: it may not leave that.
    pub nnp: Option<String>,
}

impl Default for TaskContext {
    fn default() -> TaskContext {
        TaskContext { label: UNCONFINED.to_owned(), onexec: None, previous: None, nnp: None }
    }
}

impl Policy {
    /// The profile with this name. What learns in complain mode has a profile of its own that allows nothing and
    /// reports all.
    pub fn profile(&self, label: &str) -> Option<Arc<Profile>> {
        if let Some(profile) = self.profiles.get(label) {
            return Some(Arc::clone(profile));
        }
        let (parent, _) = label.split_once("//null-")?;
        self.profiles.get(parent)?;
        Some(Arc::new(Profile { name: label.to_owned(), mode: Mode::Complain, ..Profile::default() }))
    }

    /// The name of the profile that is attached to a program, the most exact pattern first (`find_attach`).
    pub fn attached_to(&self, path: &str) -> Option<&str> {
        let fits = |p: &&Arc<Profile>| {
            let pattern = p.attachment.as_deref().unwrap_or("");
            !p.name.contains("//") && !pattern.is_empty() && glob::matches(pattern, path)
        };
        let best = self.profiles.values().filter(fits).max_by_key(|p| {
            let pattern = p.attachment.as_deref().unwrap_or("");
            (!glob::is_pattern(pattern), glob::literal_prefix(pattern))
        });
        best.map(|p| p.name.as_str())
    }
}

impl Cred {
    /// What AppArmor keeps in these credentials.
    pub(crate) fn apparmor(&self) -> TaskContext {
        match &self.security {
            Blob::AppArmor(context) => context.clone(),
            _ => TaskContext::default(),
        }
    }
}

impl World {
    /// The profiles, if AppArmor is active.
    pub fn apparmor(&self) -> Option<&Policy> {
        match &self.lsm {
            Lsm::AppArmor(policy) => Some(policy),
            _ => None,
        }
    }

    /// The profile that confines these credentials; `None` when nothing does.
    pub(crate) fn confinement(&self, cred: &Cred) -> Option<Arc<Profile>> {
        let context = match &cred.security {
            Blob::AppArmor(context) if context.label != UNCONFINED => context,
            _ => return None,
        };
        self.apparmor()?.profile(&context.label).filter(|p| p.mode != Mode::Unconfined)
    }

    /// The same for a task.
    pub(crate) fn confinement_of(&self, task: TaskId) -> Option<Arc<Profile>> {
        self.confinement(&self.tasks[task].cred)
    }

    /// What `/proc/PID/attr/current` says of a label: its name and mode.
    pub(crate) fn apparmor_label_text(&self, label: &str) -> String {
        match self.apparmor().and_then(|p| p.profile(label)) {
            Some(profile) => format!("{label} ({})", profile.mode.name()),
            // A profile that has been removed confines nobody.
            None => UNCONFINED.to_owned(),
        }
    }
}

impl Kernel<'_> {
    /// Gives a task another context, and says so when the label changes.
    pub(crate) fn set_apparmor_context(&mut self, task: TaskId, context: TaskContext, why: &str) {
        let old = self.tasks[task].cred.apparmor().label;
        let new = context.label.clone();
        let mut cred = Cred::clone(&self.tasks[task].cred);
        cred.security = Blob::AppArmor(context);
        self.tasks[task].cred = Arc::new(cred);
        if old != new {
            let kind = super::event::LsmEvent::LabelChanged { task, from: old.into(), to: new.into(), why: why.into() };
            self.emit(crate::event::EventKind::Lsm(kind));
        }
    }
}
