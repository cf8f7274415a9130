//! Names and what is behind them, in the file systems that keep a tree of names.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::fs::SuperId;
use crate::id;
use crate::ipc::pipe::PipeId;
use crate::security::credentials::{Kgid, Kuid};
use crate::time::Nanos;

id! {
    /// A name in a directory (`struct dentry`).
    DentryId
}

id! {
    /// A file, directory, link or device (`struct inode`).
    InodeId
}

/// Bytes in a page of a file.
pub const PAGE_SIZE: usize = 4096;

/// A name in a directory.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Dentry {
    /// The file system.
    pub sb: SuperId,
    /// The directory that it is in; itself, for the root.
    pub parent: DentryId,
    /// The name; empty for the root.
    pub name: String,
    /// What it is a name of.
    pub inode: InodeId,
    /// The names in it, if it is a directory.
    pub children: OrdMap<String, DentryId>,
    /// It has been unlinked and is only kept by those who still have it open (`//deleted`).
    pub unlinked: bool,
}

/// A file, directory, link or device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Inode {
    /// The file system.
    pub sb: SuperId,
    /// The number that stat(2) shows, unique in its file system.
    pub ino: u64,
    /// What it is, with its contents.
    pub kind: InodeKind,
    /// Permission bits including set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: Kuid,
    /// Group.
    pub gid: Kgid,
    /// Hard links.
    pub nlink: u32,
    /// Extended attributes, such as `security.capability`.
    pub xattrs: OrdMap<String, Arc<[u8]>>,
    /// Last read.
    pub atime: Nanos,
    /// Last change of the contents.
    pub mtime: Nanos,
    /// Last change of the inode.
    pub ctime: Nanos,
}

/// What an inode is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum InodeKind {
    /// A directory; its names are in the dentries.
    Directory,
    /// A regular file.
    Regular(Content),
    /// A symbolic link to this path.
    Symlink(String),
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
    /// A named pipe; the pipe exists while somebody has it open.
    Fifo(Option<PipeId>),
    /// A bound local socket.
    Socket,
}

/// The bytes of a regular file: pages that were written, holes that read as zeros.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Content {
    /// Length in bytes.
    pub size: u64,
    /// Pages by number; each has at most [`PAGE_SIZE`] bytes, shorter ones end in zeros.
    pub pages: OrdMap<u64, Arc<[u8]>>,
}
