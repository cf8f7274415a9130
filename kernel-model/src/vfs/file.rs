//! Open file descriptions, as in open(2): what several descriptors, even of several processes, can share.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::path::VfsPath;
use crate::id;
use crate::ipc::pipe::PipeId;
use crate::namespace::cgroup::CgroupNsId;
use crate::namespace::pid::PidId;
use crate::net::socket::SocketId;
use crate::program::libc::o;
use crate::security::credentials::Cred;
use crate::tty::Tty;
use crate::tty::pty::PtyId;

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
    pub snapshot: Option<Arc<[u8]>>,
    /// The credentials of whoever opened it (`f_cred`).
    pub cred: Arc<Cred>,
    /// The cgroup namespace of whoever opened it, if it is a file of a cgroup file system.
    pub cgroup_ns: Option<CgroupNsId>,
    /// The lock of flock(2) that it holds.
    pub lock: Option<Flock>,
}

/// A lock of flock(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Flock {
    /// `LOCK_SH`.
    Shared,
    /// `LOCK_EX`.
    Exclusive,
}

impl OpenFile {
    /// A description to which one descriptor refers.
    pub fn new(kind: FileKind, flags: u32, cred: Arc<Cred>) -> OpenFile {
        OpenFile { kind, flags, pos: 0, refs: 1, snapshot: None, cred, cgroup_ns: None, lock: None }
    }

    /// The place in the mount tree that it is open on, if it has one.
    pub fn path(&self) -> Option<VfsPath> {
        match self.kind {
            FileKind::Path(path)
            | FileKind::Tty(_, path)
            | FileKind::PtyMaster(_, path)
            | FileKind::HungUpTty(_, path)
            | FileKind::Tun(_, path)
            | FileKind::MountTree(path) => Some(path),
            FileKind::PipeRead(_, fifo) | FileKind::PipeWrite(_, fifo) | FileKind::PipeBoth(_, fifo) => fifo,
            FileKind::Device(ref device) => device.place,
            FileKind::PidFd(_)
            | FileKind::Socket(_)
            | FileKind::FsContext(_)
            | FileKind::EventFd(_)
            | FileKind::Epoll(_)
            | FileKind::Placeholder(_) => None,
        }
    }

    /// Whether it can be read.
    pub fn can_read(&self) -> bool {
        self.flags & o::PATH == 0 && self.flags & o::ACCMODE != o::WRONLY
    }

    /// Whether it can be written.
    pub fn can_write(&self) -> bool {
        self.flags & o::PATH == 0 && matches!(self.flags & o::ACCMODE, o::WRONLY | o::RDWR)
    }
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
    Tty(Tty, VfsPath),
    /// The master end of a pseudo-terminal; the place is that of its `ptmx`.
    PtyMaster(PtyId, VfsPath),
    /// The slave end of one that has hung up.
    HungUpTty(PtyId, VfsPath),
    /// A socket (socket(2)).
    Socket(SocketId),
    /// A process (pidfd_open(2)).
    PidFd(PidId),
    /// A detached mount tree (open_tree(2), fsmount(2)) at this place.
    MountTree(VfsPath),
    /// A file system that is about to be made or changed (fsopen(2), fspick(2)).
    FsContext(Box<super::fs::context::FsContext>),
    /// An interest list (epoll(7)).
    Epoll(crate::ipc::epoll::EpollId),
    /// A counter (eventfd(2)).
    EventFd(crate::ipc::eventfd::EventFdId),
    /// The cable of a TAP device (`/dev/net/tun`).
    Tun(crate::net::tun::TunFileId, VfsPath),
    /// A device of the machine below.
    Device(Box<crate::machine::device::DeviceFile>),
    /// Something that is not modelled but occupies a descriptor, and what `/proc/PID/fd` shows for it.
    Placeholder(String),
}
