//! User namespaces: maps between the ids that programs see and the kernel's own, and the owner of
//! every other namespace, as in user_namespaces(7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;
use crate::security::credentials::{Kgid, Kuid};

id! {
    /// A user namespace.
    UserNsId
}

/// How deep user namespaces nest: the 33rd below the first cannot be made.
pub const MAX_USER_NS_LEVEL: u32 = 32;

/// The id that stands for one that has no image in a map (`/proc/sys/kernel/overflowuid`).
pub const OVERFLOW_ID: u32 = 65534;

/// One line of a map: `count` ids from `first` on inside are those from `lower_first` on in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extent {
    /// First id inside the namespace.
    pub first: u32,
    /// First kernel id.
    pub lower_first: u32,
    /// How many.
    pub count: u32,
}

/// A uid or gid map. Empty until it is written, which can be done once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IdMap {
    /// Its lines, in the order in which they were written.
    pub extents: Vec<Extent>,
}

impl IdMap {
    /// The map of the first namespace: every id is itself.
    pub fn identity() -> IdMap {
        IdMap { extents: vec![Extent { first: 0, lower_first: 0, count: u32::MAX }] }
    }

    /// From an id inside to the kernel's (`map_id_down`).
    pub fn to_kernel(&self, id: u32) -> Option<u32> {
        self.extents.iter().find_map(|e| {
            let offset = id.checked_sub(e.first)?;
            (offset < e.count).then(|| e.lower_first + offset)
        })
    }

    /// From a kernel id to the one inside (`map_id_up`).
    pub fn from_kernel(&self, id: u32) -> Option<u32> {
        self.extents.iter().find_map(|e| {
            let offset = id.checked_sub(e.lower_first)?;
            (offset < e.count).then(|| e.first + offset)
        })
    }
}

/// A user namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UserNamespace {
    /// Inode number, owner (the parent), references.
    pub ns: NsCommon,
    /// The namespace in which it was made; `None` for the first.
    pub parent: Option<UserNsId>,
    /// 0 for the first namespace, one more for each inside another.
    pub level: u32,
    /// Effective uid of its creator: who in the parent has every capability over it.
    pub owner: Kuid,
    /// Effective gid of its creator.
    pub group: Kgid,
    /// User ids.
    pub uid_map: IdMap,
    /// Group ids.
    pub gid_map: IdMap,
    /// What `/proc/PID/setgroups` says: whether setgroups(2) may be called here.
    pub setgroups_allowed: bool,
    /// Whether its creator had `CAP_SETFCAP` (needed to map id 0 of the parent).
    pub parent_could_setfcap: bool,
    /// `/proc/sys/user/max_*_namespaces` of this namespace, by the kind's sysctl name.
    pub ucount_max: BTreeMap<String, i32>,
    /// How many namespaces of each kind each user (in the kernel's ids) has made here.
    pub ucounts: BTreeMap<(Kuid, String), i32>,
}

impl UserNamespace {
    /// The kernel's id of a uid inside, if the map has it.
    pub fn kuid(&self, uid: u32) -> Option<Kuid> {
        self.uid_map.to_kernel(uid).map(Kuid)
    }

    /// The kernel's id of a gid inside, if the map has it.
    pub fn kgid(&self, gid: u32) -> Option<Kgid> {
        self.gid_map.to_kernel(gid).map(Kgid)
    }

    /// How a kernel uid looks from inside; unmapped ones look like [`OVERFLOW_ID`] (`from_kuid_munged`).
    pub fn uid(&self, kuid: Kuid) -> u32 {
        self.uid_map.from_kernel(kuid.0).unwrap_or(OVERFLOW_ID)
    }

    /// How a kernel gid looks from inside; unmapped ones look like [`OVERFLOW_ID`] (`from_kgid_munged`).
    pub fn gid(&self, kgid: Kgid) -> u32 {
        self.gid_map.from_kernel(kgid.0).unwrap_or(OVERFLOW_ID)
    }
}
