//! The file systems: one file each.

pub mod procfs;
pub mod tmpfs;

use serde::{Deserialize, Serialize};

use super::Node;
use crate::id;
use crate::namespace::pid::PidNsId;
use crate::namespace::user::UserNsId;

id! {
    /// A superblock: one mounted instance of a file system.
    SuperId
}

/// One instance of a file system (`struct super_block`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SuperBlock {
    /// Its type, with what the type keeps per instance.
    pub kind: FsKind,
    /// Its root.
    pub root: Node,
    /// The user namespace that mounted it: its capabilities count for it, its map translates its owners.
    pub user_ns: UserNsId,
    /// The device number that stat(2) and mountinfo show: major and minor.
    pub dev: (u32, u32),
    /// Read-only as a whole.
    pub read_only: bool,
    /// The options that mountinfo shows last, after `rw` or `ro`.
    pub options: Vec<String>,
    /// The inode number handed out last.
    pub last_ino: u64,
}

/// The types of file systems.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FsKind {
    /// tmpfs(5).
    Tmpfs(Quota),
    /// proc(5), showing this PID namespace.
    Proc(PidNsId),
    /// sysfs(5).
    Sysfs,
    /// Pseudo-terminals.
    Devpts,
    /// POSIX message queues.
    Mqueue,
    /// A cgroup v1 hierarchy with this controller. Its files come with the cgroup model.
    Cgroup(String),
    /// The cgroup v2 hierarchy. Its files come with the cgroup model.
    Cgroup2,
    /// Namespaces as files.
    Nsfs,
}

/// What a tmpfs may hold and holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Most pages; `None` for no limit.
    pub max_pages: Option<u64>,
    /// Most inodes; `None` for no limit.
    pub max_inodes: Option<u64>,
    /// Pages in use.
    pub pages: u64,
    /// Inodes in use.
    pub inodes: u64,
}

impl FsKind {
    /// The name in mountinfo and for mount -t.
    pub fn name(&self) -> &'static str {
        match self {
            FsKind::Tmpfs(_) => "tmpfs",
            FsKind::Proc(_) => "proc",
            FsKind::Sysfs => "sysfs",
            FsKind::Devpts => "devpts",
            FsKind::Mqueue => "mqueue",
            FsKind::Cgroup(_) => "cgroup",
            FsKind::Cgroup2 => "cgroup2",
            FsKind::Nsfs => "nsfs",
        }
    }
}
