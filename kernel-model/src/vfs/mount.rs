//! Mounts: a file system (or a part of one) attached at a place, as in mount(2).

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::Node;
use super::fs::SuperId;
use super::path::VfsPath;
use crate::id;
use crate::namespace::mnt::MntNsId;

id! {
    /// A mount, in whatever namespace.
    MountId
}

bitflags::bitflags! {
    /// Options of one mount (`MNT_*`), with the values of the `MS_*` bits that set them.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
    #[allow(missing_docs)] // the options of mount(8)
    pub struct MountFlags: u64 {
        const RDONLY = 1;
        const NOSUID = 2;
        const NODEV = 4;
        const NOEXEC = 8;
        const NOSYMFOLLOW = 256;
        const NOATIME = 1024;
        const NODIRATIME = 2048;
        const RELATIME = 1 << 21;
    }
}

/// How mounts and unmounts travel to and from a mount, as in mount_namespaces(7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Propagation {
    /// The peer group that it shares events with.
    pub shared: Option<u32>,
    /// The peer group from which it only receives.
    pub master: Option<u32>,
    /// It cannot be bind mounted.
    pub unbindable: bool,
}

/// A mount (`struct mount`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// The number in mountinfo.
    pub id: MountId,
    /// The namespace that it belongs to; `None` once it has been detached.
    pub ns: Option<MntNsId>,
    /// Where it is attached; `None` for the root of a namespace and for a detached mount.
    pub place: Option<VfsPath>,
    /// The mounted file system.
    pub sb: SuperId,
    /// Which part of it is visible: the file system's root, or what was bind mounted.
    pub root: Node,
    /// What mount(8) calls the source.
    pub source: String,
    /// Options.
    pub flags: MountFlags,
    /// Propagation type.
    pub propagation: Propagation,
    /// Mounts attached below it.
    pub children: OrdSet<MountId>,
    /// Options that a less privileged namespace must not clear (`MNT_LOCK_*`).
    pub locked_flags: MountFlags,
    /// It came from a more privileged namespace as part of a whole and cannot be taken away alone (`MNT_LOCKED`).
    pub locked: bool,
}
