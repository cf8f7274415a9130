//! SELinux, as in selinux(8) and `security/selinux/`: confinement by label.
//!
//! Every process and every object has a label ([`Context`]). One policy for the whole system says which type may do
//! what to which ([`policy`]), and nothing that it does not say is allowed, whatever a thing is called and whoever owns
//! it. Containers all run in one type, `container_t`; what keeps them apart are the categories in their labels, which
//! must dominate those of what they touch. That is hard to read and cannot be talked around, and that is what its
//! friends and the other camp say about it.
//!
//! Elsewhere: what the policy says ([`avc`]), labels of things ([`object`]), the hooks ([`hooks`]), execve(2) and
//! `/proc/PID/attr` ([`attr`]), `/sys/fs/selinux` ([`selinuxfs`]).

mod attr;
mod avc;
pub mod context;
mod hooks;
pub mod object;
pub mod policy;
pub mod selinuxfs;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::security::credentials::Cred;
use crate::security::lsm::{Blob, Lsm};
use crate::world::World;
pub use context::Context;

/// The module, to which the hooks belong.
pub(crate) struct Module;

/// The extended attribute in which the label of a file is.
pub const XATTR: &str = "security.selinux";

/// The label of init and of what the kernel itself does.
pub const INIT: &str = "system_u:system_r:init_t:s0";
/// The label of the shells of the world.
pub const SHELL: &str = "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023";

/// SELinux in a world.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Selinux {
    /// What the policy does not allow is refused, not only reported.
    pub enforcing: bool,
    /// The policy's booleans.
    pub booleans: OrdMap<String, bool>,
    /// What permissive mode has let pass since the policy or the mode changed: it is reported once.
    pub granted: OrdSet<(String, String, String)>,
}

impl Default for Selinux {
    fn default() -> Selinux {
        let booleans = policy::BOOLEANS.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
        Selinux { enforcing: true, booleans, granted: OrdSet::new() }
    }
}

/// What SELinux keeps of a task (`struct task_security_struct`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskSecurity {
    /// Its label.
    pub current: Context,
    /// The label before the last execve(2).
    pub prev: Context,
    /// The label of the next program.
    pub exec: Option<Context>,
    /// The label of the files that it makes.
    pub fscreate: Option<Context>,
    /// The label of its keys.
    pub keycreate: Option<Context>,
    /// The label of its sockets.
    pub sockcreate: Option<Context>,
}

impl TaskSecurity {
    /// That of a task with this label.
    pub fn new(label: &str) -> TaskSecurity {
        let current = Context::known(label);
        let prev = current.clone();
        TaskSecurity { current, prev, exec: None, fscreate: None, keycreate: None, sockcreate: None }
    }
}

impl Cred {
    /// The label in these credentials.
    pub fn selinux_label(&self) -> Option<&Context> {
        match &self.security {
            Blob::Selinux(security) => Some(&security.current),
            _ => None,
        }
    }

    /// Everything that SELinux keeps in these credentials.
    pub(crate) fn selinux(&self) -> TaskSecurity {
        match &self.security {
            Blob::Selinux(security) => security.clone(),
            _ => TaskSecurity::new(INIT),
        }
    }
}

impl World {
    /// SELinux, if it is active.
    pub fn selinux(&self) -> Option<&Selinux> {
        match &self.lsm {
            Lsm::Selinux(selinux) => Some(selinux),
            _ => None,
        }
    }
}
