//! The file systems: one file each, and what they answer to the walk: which node a name leads to, what is
//! above a node, what stat(2) shows of it.

pub mod cgroupfs;
pub mod context;
pub mod devices;
pub mod devpts;
pub mod ext4;
pub mod nsfs;
pub mod overlayfs;
pub mod params;
pub mod policyfs;
pub mod procfs;
pub mod sysfs;
pub mod tmpfs;

use serde::{Deserialize, Serialize};

use super::Node;
use super::inode::InodeKind;
use super::mount::MountId;
use super::path::VfsPath;
use crate::cgroup::hierarchy::HierarchyId;
use crate::errno::Errno;
use crate::id;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::pid::PidNsId;
use crate::namespace::user::UserNsId;
use crate::program::libc::s;
use crate::security::credentials::{Kgid, Kuid};
use crate::task::TaskId;
use crate::time::Nanos;
use crate::world::World;

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
    /// The namespace whose contents it shows, for types of which a namespace has only one instance
    /// (`get_tree_keyed`): sysfs, mqueue. It does not keep the namespace alive.
    pub key: Option<NsRef>,
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
    /// A file system on a disk.
    Ext4(Quota),
    /// proc(5), showing this PID namespace.
    Proc(PidNsId),
    /// sysfs(5).
    Sysfs,
    /// The names of pseudo-terminals.
    Devpts(params::DevptsParams),
    /// POSIX message queues.
    Mqueue,
    /// A cgroup v1 hierarchy.
    Cgroup(HierarchyId),
    /// The default hierarchy, that of cgroup v2.
    Cgroup2(HierarchyId),
    /// Several directories as one.
    Overlay(overlayfs::Layers),
    /// The files of a security module.
    Policy(policyfs::PolicyFs),
    /// Namespaces as files.
    Nsfs,
    /// What the kernel starts with: the bottom of every first tree of mounts, on which the real root is mounted.
    Rootfs,
    /// A type of which mounts show an empty directory, because its files are not modelled.
    Other(String),
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
    pub fn name(&self) -> &str {
        match self {
            FsKind::Tmpfs(_) => "tmpfs",
            FsKind::Ext4(_) => "ext4",
            FsKind::Proc(_) => "proc",
            FsKind::Sysfs => "sysfs",
            FsKind::Devpts(_) => "devpts",
            FsKind::Mqueue => "mqueue",
            FsKind::Cgroup(_) => "cgroup",
            FsKind::Cgroup2(_) => "cgroup2",
            FsKind::Overlay(_) => "overlay",
            FsKind::Policy(which) => which.name(),
            FsKind::Nsfs => "nsfs",
            FsKind::Rootfs => "rootfs",
            FsKind::Other(name) => name,
        }
    }
}

/// The type of a file, as in inode(7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)] // the types of inode(7)
pub enum FileType {
    Directory,
    Regular,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl FileType {
    /// The bits that say so in `st_mode` (`S_IF*`).
    pub fn mode_bits(self) -> u32 {
        match self {
            FileType::Directory => s::IFDIR,
            FileType::Regular => s::IFREG,
            FileType::Symlink => s::IFLNK,
            FileType::CharDevice => s::IFCHR,
            FileType::BlockDevice => s::IFBLK,
            FileType::Fifo => s::IFIFO,
            FileType::Socket => s::IFSOCK,
        }
    }
}

/// What stat(2) shows of a node, owners as the kernel keeps them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attr {
    /// Inode number.
    pub ino: u64,
    /// Type.
    pub file_type: FileType,
    /// Permission bits, set-user-ID, set-group-ID and sticky included.
    pub mode: u32,
    /// Owner.
    pub uid: Kuid,
    /// Group.
    pub gid: Kgid,
    /// Hard links.
    pub nlink: u32,
    /// Length in bytes.
    pub size: u64,
    /// Which device it is, if it is one: major and minor.
    pub rdev: (u32, u32),
    /// Last read.
    pub atime: Nanos,
    /// Last change of the contents.
    pub mtime: Nanos,
    /// Last change of the inode.
    pub ctime: Nanos,
}

/// Where a symbolic link leads.
#[derive(Clone, PartialEq, Debug)]
pub enum Link {
    /// To what this text names.
    Text(String),
    /// Straight to a place, whatever its name is: the links of procfs (`nd_jump_link`).
    Jump(VfsPath),
}

/// What each name in a directory of tmpfs adds to its length (`BOGO_DIRENT_SIZE`).
const BOGO_DIRENT_SIZE: u64 = 20;

impl World {
    /// The superblock behind a place.
    pub fn super_of(&self, path: VfsPath) -> &SuperBlock {
        &self.vfs.supers[self.vfs.mounts[path.mnt].sb]
    }

    /// What stat(2) shows of a place.
    pub fn attr(&self, path: VfsPath) -> Attr {
        match path.node {
            Node::Tree(dentry) => self.tree_attr(dentry),
            Node::Proc(node) => self.proc_attr(self.vfs.mounts[path.mnt].sb, node),
            Node::Cgroup(node) => self.cgroup_attr(node),
            Node::Ns(ns) => self.ns_attr(ns),
            Node::Pipe(pipe) => self.pipe_attr(pipe),
        }
    }

    /// Whether the place is a directory.
    pub fn is_dir(&self, path: VfsPath) -> bool {
        self.attr(path).file_type == FileType::Directory
    }

    /// What stat(2) shows of a pipe without a name.
    fn pipe_attr(&self, pipe: crate::ipc::pipe::PipeId) -> Attr {
        let (ino, owner) = self.pipes.get(pipe).map_or((0, (Kuid::ROOT, Kgid::ROOT)), |p| (p.ino, p.owner));
        let now = self.unix_time();
        Attr {
            ino,
            file_type: FileType::Fifo,
            mode: 0o600,
            uid: owner.0,
            gid: owner.1,
            nlink: 1,
            size: 0,
            rdev: (0, 0),
            atime: now,
            mtime: now,
            ctime: now,
        }
    }

    fn tree_attr(&self, dentry: super::inode::DentryId) -> Attr {
        let dentry = &self.vfs.dentries[dentry];
        let inode = &self.vfs.inodes[dentry.inode];
        let (file_type, size, rdev) = match &inode.kind {
            InodeKind::Directory => {
                (FileType::Directory, BOGO_DIRENT_SIZE * (2 + dentry.children.len() as u64), (0, 0))
            }
            InodeKind::Regular(_) if matches!(self.vfs.supers[inode.sb].kind, FsKind::Mqueue) => {
                (FileType::Regular, crate::ipc::mqueue::FILENT_SIZE, (0, 0))
            }
            InodeKind::Regular(_) if matches!(self.vfs.supers[inode.sb].kind, FsKind::Sysfs) => {
                (FileType::Regular, sysfs::ATTRIBUTE_SIZE, (0, 0))
            }
            InodeKind::Regular(content) => (FileType::Regular, content.size, (0, 0)),
            InodeKind::Symlink(target) => (FileType::Symlink, target.len() as u64, (0, 0)),
            InodeKind::CharDevice(major, minor) => (FileType::CharDevice, 0, (*major, *minor)),
            InodeKind::BlockDevice(major, minor) => (FileType::BlockDevice, 0, (*major, *minor)),
            InodeKind::Fifo(_) => (FileType::Fifo, 0, (0, 0)),
            InodeKind::Socket => (FileType::Socket, 0, (0, 0)),
        };
        Attr {
            ino: inode.ino,
            file_type,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            nlink: inode.nlink,
            size,
            rdev,
            atime: inode.atime,
            mtime: inode.mtime,
            ctime: inode.ctime,
        }
    }

    /// What is above a node in its file system; the node itself at the top.
    pub fn parent_of(&self, node: Node) -> Node {
        match node {
            Node::Tree(dentry) => Node::Tree(self.vfs.dentries[dentry].parent),
            Node::Proc(node) => Node::Proc(self.proc_parent(node)),
            Node::Cgroup(node) => Node::Cgroup(self.cgroup_parent_node(node)),
            Node::Ns(_) | Node::Pipe(_) => node,
        }
    }

    /// The name of a node in the directory above it; empty at the top.
    pub fn name_of(&self, sb: SuperId, node: Node) -> String {
        match node {
            Node::Tree(dentry) => self.vfs.dentries[dentry].name.clone(),
            Node::Proc(node) => self.proc_name(sb, node),
            Node::Cgroup(node) => self.cgroup_node_name(node),
            Node::Ns(_) | Node::Pipe(_) => String::new(),
        }
    }

    /// Whether the name of a node has been taken away while somebody still holds it.
    pub fn is_unlinked(&self, node: Node) -> bool {
        match node {
            Node::Tree(dentry) => self.vfs.dentries[dentry].unlinked,
            Node::Cgroup(node) => self.is_cgroup_node_gone(node),
            Node::Proc(_) | Node::Ns(_) | Node::Pipe(_) => false,
        }
    }

    /// The top of a mount, as a place.
    pub fn mount_root(&self, mnt: MountId) -> VfsPath {
        VfsPath { mnt, node: self.vfs.mounts[mnt].root }
    }

    /// A device number for a file system without a device: the lowest free one (`get_anon_bdev`).
    pub(crate) fn new_anon_dev(&self) -> (u32, u32) {
        (0, super::mount::lowest_free(self.vfs.supers.iter().map(|(_, sb)| sb.dev.1)))
    }
}

impl Kernel<'_> {
    /// The node that a name leads to in a directory, without crossing mounts. `None` when there is none.
    ///
    /// # Errors
    /// ENAMETOOLONG; ENOTDIR; ENOENT in a directory of a process that is gone.
    pub(crate) fn lookup(&mut self, task: TaskId, dir: VfsPath, name: &str) -> Result<Option<Node>, Errno> {
        if name.len() > 255 {
            return Err(Errno::ENAMETOOLONG);
        }
        match dir.node {
            Node::Tree(dentry) => Ok(self.vfs.dentries[dentry].children.get(name).copied().map(Node::Tree)),
            Node::Proc(node) => {
                let sb = self.vfs.mounts[dir.mnt].sb;
                Ok(self.proc_lookup(task, sb, node, name)?.map(Node::Proc))
            }
            Node::Cgroup(node) => Ok(self.cgroup_lookup(node, name)?.map(Node::Cgroup)),
            Node::Ns(_) | Node::Pipe(_) => Err(Errno::ENOTDIR),
        }
    }

    /// Where the symbolic link at a place leads when `task` follows it.
    ///
    /// # Errors
    /// EINVAL when it is none; EACCES, ENOENT from the links of procfs.
    pub(crate) fn link_of(&mut self, task: TaskId, path: VfsPath) -> Result<Link, Errno> {
        match path.node {
            Node::Tree(dentry) => match &self.vfs.inodes[self.vfs.dentries[dentry].inode].kind {
                InodeKind::Symlink(target) => Ok(Link::Text(target.clone())),
                _ => Err(Errno::EINVAL),
            },
            Node::Proc(node) => {
                let sb = self.vfs.mounts[path.mnt].sb;
                self.proc_link(task, sb, node)
            }
            Node::Cgroup(_) | Node::Ns(_) | Node::Pipe(_) => Err(Errno::EINVAL),
        }
    }
}
