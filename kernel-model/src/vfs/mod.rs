//! Files: names, mounts, what is behind them, and what is open.
//!
//! A name leads to a [`Node`] inside one file system (`fs::*`); a node seen through a mount is a
//! [`path::VfsPath`]. Open descriptions are in [`file`], the numbers that processes give them in [`fd_table`].

pub mod attach;
mod check;
pub mod content;
pub mod copy_tree;
pub mod create;
pub mod fd_table;
pub mod file;
pub mod fs;
pub mod inode;
pub mod lifetime;
pub mod mount;
pub mod path;
pub mod permission;
pub mod propagation;
pub mod read_write;
pub mod umount;
pub mod walk;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::ipc::pipe::PipeId;
use crate::namespace::NsRef;
use crate::table::Table;
use fd_table::{FdTable, FdTableId};
use file::{FileId, OpenFile};
use fs::cgroupfs::CgroupNode;
use fs::procfs::ProcNode;
use fs::{SuperBlock, SuperId};
use inode::{Dentry, DentryId, Inode, InodeId};
use mount::{Mount, MountId};
use path::{FsStruct, FsStructId};

/// Something that a name inside one file system leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Node {
    /// A name in a file system that keeps a tree of names (tmpfs, sysfs, devpts, ...).
    Tree(DentryId),
    /// An entry of procfs, which makes its names up as they are asked for.
    Proc(ProcNode),
    /// A directory or file of a cgroup file system.
    Cgroup(CgroupNode),
    /// A namespace as a file (nsfs).
    Ns(NsRef),
    /// A pipe without a name, reached through `/proc/PID/fd`.
    Pipe(PipeId),
}

/// All of the file system side of a kernel.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Vfs {
    /// Mounted file systems, by superblock.
    pub supers: Table<SuperId, SuperBlock>,
    /// Mounts, in all namespaces.
    pub mounts: Table<MountId, Mount>,
    /// Which mount is on top of a place: (parent mount, node there) to child, the last mounted one on top.
    pub mounted_at: OrdMap<(MountId, Node), MountId>,
    /// Names of the file systems that keep a tree.
    pub dentries: Table<DentryId, Dentry>,
    /// What is behind those names.
    pub inodes: Table<InodeId, Inode>,
    /// Open file descriptions.
    pub files: Table<FileId, OpenFile>,
    /// Descriptor tables.
    pub fd_tables: Table<FdTableId, FdTable>,
    /// Roots, working directories, umasks.
    pub fs_structs: Table<FsStructId, FsStruct>,
    /// The kernel's own mount of nsfs, through which `/proc/PID/ns/KIND` leads to a namespace.
    pub nsfs_mount: Option<MountId>,
}
