//! New credentials for a task: `commit_creds` of `kernel/cred.c`, and what the capability module makes of
//! a change of user ids (`cap_task_fix_setuid` of `security/commoncap.c`).

use std::sync::Arc;

use super::capability::{Cap, CapSet};
use super::credentials::{Cred, Kuid, SecureBits};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

/// The capabilities that come and go with the file-system uid (`CAP_FS_SET`).
pub const FS_CAPS: CapSet = CapSet::EMPTY
    .with(Cap::CHOWN)
    .with(Cap::DAC_OVERRIDE)
    .with(Cap::DAC_READ_SEARCH)
    .with(Cap::FOWNER)
    .with(Cap::FSETID)
    .with(Cap::LINUX_IMMUTABLE)
    .with(Cap::MKNOD)
    .with(Cap::MAC_OVERRIDE);

impl World {
    /// Uid 0 of a user namespace, if it is mapped.
    fn root_uid_of(&self, cred: &Cred) -> Option<Kuid> {
        self.user_namespaces.get(cred.user_ns).and_then(|ns| ns.kuid(0))
    }

    /// What setuid(2), setreuid(2) and setresuid(2) do to capabilities (`cap_emulate_setxuid`).
    pub(crate) fn fix_caps_after_setuid(&self, old: &Cred, new: &mut Cred) {
        if old.securebits.contains(SecureBits::NO_SETUID_FIXUP) {
            return;
        }
        let root = self.root_uid_of(old);
        let is_root = |id: Kuid| Some(id) == root;
        let any_root = |c: &Cred| is_root(c.uid) || is_root(c.euid) || is_root(c.suid);
        if any_root(old) && !any_root(new) {
            if !old.securebits.contains(SecureBits::KEEP_CAPS) {
                new.permitted = CapSet::EMPTY;
                new.effective = CapSet::EMPTY;
            }
            // Programs from before ambient capabilities count on losing everything here.
            new.ambient = CapSet::EMPTY;
        }
        if is_root(old.euid) && !is_root(new.euid) {
            new.effective = CapSet::EMPTY;
        }
        if !is_root(old.euid) && is_root(new.euid) {
            new.effective = new.permitted;
        }
    }

    /// What setfsuid(2) does to capabilities: only those about files.
    pub(crate) fn fix_caps_after_setfsuid(&self, old: &Cred, new: &mut Cred) {
        if old.securebits.contains(SecureBits::NO_SETUID_FIXUP) {
            return;
        }
        let root = self.root_uid_of(old);
        let (was, is) = (Some(old.fsuid) == root, Some(new.fsuid) == root);
        if was && !is {
            new.effective = CapSet(new.effective.0 & !FS_CAPS.0);
        }
        if !was && is {
            new.effective = new.effective | (new.permitted & FS_CAPS);
        }
    }

    /// Whether `new` allows nothing that `old` did not (`cred_cap_issubset`).
    fn is_no_gain(&self, old: &Cred, new: &Cred) -> bool {
        if old.user_ns == new.user_ns {
            return new.permitted.is_subset(old.permitted);
        }
        // The owner of a user namespace has every capability in it anyway.
        let mut at = new.user_ns;
        while let Some(ns) = self.user_namespaces.get(at)
            && let Some(parent) = ns.parent
        {
            if parent == old.user_ns && ns.owner == old.euid {
                return true;
            }
            at = parent;
        }
        false
    }
}

impl Kernel<'_> {
    /// Gives `task` new credentials (`commit_creds`): a change of who it is makes its memory and its
    /// `/proc` files root's, and takes its parent-death signal away. References to user namespaces are
    /// the caller's business.
    pub(crate) fn commit_creds(&mut self, task: TaskId, new: Cred) {
        let old = Arc::clone(&self.tasks[task].cred);
        if *old == new {
            return;
        }
        let same_ids = old.euid == new.euid && old.egid == new.egid && old.fsuid == new.fsuid && old.fsgid == new.fsgid;
        if !same_ids || !self.is_no_gain(&old, &new) {
            let process = self.tasks[task].process;
            self.processes[process].dumpable = false;
            self.tasks[task].pdeath_signal = None;
        }
        self.tasks[task].cred = Arc::new(new);
        self.emit(EventKind::CredentialsChanged { task });
    }
}
