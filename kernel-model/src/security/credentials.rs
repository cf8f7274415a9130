//! Credentials: who a task is to the kernel, as in credentials(7).
//!
//! Ids in here are the kernel's own (`kuid_t`, `kgid_t`): what a program sees is their image through
//! the id map of its user namespace (`namespace::user`).

use serde::{Deserialize, Serialize};

use super::capability::CapSet;
use crate::namespace::user::UserNsId;

/// A user id as the kernel keeps it, independent of any user namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kuid(pub u32);

/// A group id as the kernel keeps it, independent of any user namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kgid(pub u32);

impl Kuid {
    /// The superuser of the first user namespace.
    pub const ROOT: Kuid = Kuid(0);
    /// What an id becomes that has no kernel id (`INVALID_UID`).
    pub const INVALID: Kuid = Kuid(u32::MAX);
}

impl Kgid {
    /// Group 0 of the first user namespace.
    pub const ROOT: Kgid = Kgid(0);
    /// What an id becomes that has no kernel id (`INVALID_GID`).
    pub const INVALID: Kgid = Kgid(u32::MAX);
}

bitflags::bitflags! {
    /// Secure bits of capabilities(7), set with `prctl(PR_SET_SECUREBITS)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
    pub struct SecureBits: u32 {
        /// Being uid 0 gives no capabilities at execve(2).
        const NOROOT = 1 << 0;
        /// `NOROOT` cannot be changed any more.
        const NOROOT_LOCKED = 1 << 1;
        /// Changing uids from and to 0 does not touch capabilities.
        const NO_SETUID_FIXUP = 1 << 2;
        /// `NO_SETUID_FIXUP` cannot be changed any more.
        const NO_SETUID_FIXUP_LOCKED = 1 << 3;
        /// Permitted capabilities stay when the last uid 0 is given up; cleared by execve(2).
        const KEEP_CAPS = 1 << 4;
        /// `KEEP_CAPS` cannot be changed any more.
        const KEEP_CAPS_LOCKED = 1 << 5;
        /// No ambient capability can be raised.
        const NO_CAP_AMBIENT_RAISE = 1 << 6;
        /// `NO_CAP_AMBIENT_RAISE` cannot be changed any more.
        const NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7;
    }
}

/// The credentials of a task (`struct cred`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of credentials(7) and capabilities(7), under their usual names
pub struct Cred {
    pub uid: Kuid,
    pub euid: Kuid,
    pub suid: Kuid,
    pub fsuid: Kuid,
    pub gid: Kgid,
    pub egid: Kgid,
    pub sgid: Kgid,
    pub fsgid: Kgid,
    /// Supplementary groups, in ascending order.
    pub groups: Vec<Kgid>,
    pub inheritable: CapSet,
    pub permitted: CapSet,
    pub effective: CapSet,
    pub bounding: CapSet,
    pub ambient: CapSet,
    pub securebits: SecureBits,
    /// The user namespace in which all of the above counts.
    pub user_ns: UserNsId,
    /// What the active security module keeps of the task.
    pub security: super::lsm::Blob,
}

impl Cred {
    /// Root of the first user namespace with every capability, as init gets it.
    pub fn init(user_ns: UserNsId) -> Cred {
        Cred {
            uid: Kuid::ROOT,
            euid: Kuid::ROOT,
            suid: Kuid::ROOT,
            fsuid: Kuid::ROOT,
            gid: Kgid::ROOT,
            egid: Kgid::ROOT,
            sgid: Kgid::ROOT,
            fsgid: Kgid::ROOT,
            groups: Vec::new(),
            inheritable: CapSet::EMPTY,
            permitted: CapSet::FULL,
            effective: CapSet::FULL,
            bounding: CapSet::FULL,
            ambient: CapSet::EMPTY,
            securebits: SecureBits::empty(),
            user_ns,
            security: super::lsm::Blob::None,
        }
    }

    /// Whether `group` is the file-system group or a supplementary one (`in_group_p`).
    pub fn in_group(&self, group: Kgid) -> bool {
        self.fsgid == group || self.groups.contains(&group)
    }
}
