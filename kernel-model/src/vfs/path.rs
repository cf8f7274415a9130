//! Places in the mount tree: a node seen through a mount.

use serde::{Deserialize, Serialize};

use super::Node;
use super::mount::MountId;
use crate::id;

id! {
    /// Root, working directory and umask of a task, shared between `CLONE_FS` tasks.
    FsStructId
}

/// A place: a node, and the mount through which it was reached (`struct path`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VfsPath {
    /// The mount.
    pub mnt: MountId,
    /// The node in the mounted file system.
    pub node: Node,
}

/// Root, working directory and umask (`struct fs_struct`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FsStruct {
    /// What `/` means.
    pub root: VfsPath,
    /// What `.` means.
    pub cwd: VfsPath,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// How many tasks share it.
    pub users: u32,
}
