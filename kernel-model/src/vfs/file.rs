//! Open file descriptions, as in open(2): what several descriptors, even of several processes, can share.

use serde::{Deserialize, Serialize};

use super::path::VfsPath;
use crate::console::ConsoleId;
use crate::id;
use crate::ipc::pipe::PipeId;
use crate::namespace::pid::PidId;

id! {
    /// An open file description.
    FileId
}

/// An open file description (`struct file`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OpenFile {
    /// What it is open on.
    pub kind: FileKind,
    /// Access mode and status flags (`O_*`), without the creation flags.
    pub flags: u32,
    /// Where the next read or write begins.
    pub pos: u64,
    /// How many descriptors refer to it.
    pub refs: u32,
    /// What a read of a made-up file (procfs, sysctl) shows: rendered when it is read from the start.
    pub snapshot: Option<std::sync::Arc<[u8]>>,
}

/// What a description is open on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FileKind {
    /// A place in the mount tree.
    Path(VfsPath),
    /// The reading end of a pipe; the place, if it is a fifo.
    PipeRead(PipeId, Option<VfsPath>),
    /// The writing end of a pipe; the place, if it is a fifo.
    PipeWrite(PipeId, Option<VfsPath>),
    /// Both ends of a fifo, opened with `O_RDWR`.
    PipeBoth(PipeId, Option<VfsPath>),
    /// A terminal.
    Tty(ConsoleId, VfsPath),
    /// A process (pidfd_open(2)).
    PidFd(PidId),
    /// A detached mount tree (open_tree(2), fsmount(2)) at this place.
    MountTree(VfsPath),
    /// Something that is not modelled but occupies a descriptor, and what `/proc/PID/fd` shows for it.
    Placeholder(String),
}
