//! Mount namespaces: which mounts there are for a task, as in mount_namespaces(7). The mounts
//! themselves, and how they propagate, are in `vfs::mount`.

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;
use crate::vfs::mount::MountId;

id! {
    /// A mount namespace.
    MntNsId
}

/// A mount namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MntNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// The mount at the bottom of `/`.
    pub root: MountId,
    /// All mounts in it.
    pub mounts: OrdSet<MountId>,
}
