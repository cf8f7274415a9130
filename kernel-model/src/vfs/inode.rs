//! Names and what is behind them, in the file systems that keep a tree of names.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::fs::{FsKind, SuperId};
use crate::errno::Errno;
use crate::id;
use crate::ipc::pipe::PipeId;
use crate::security::credentials::{Kgid, Kuid};
use crate::time::Nanos;
use crate::world::World;

id! {
    /// A name in a directory (`struct dentry`).
    DentryId
}

id! {
    /// A file, directory, link or device (`struct inode`).
    InodeId
}

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

/// No seals can be added (fcntl(2)).
pub const F_SEAL_SEAL: u32 = 1;

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
    /// `F_SEAL_*` of a file in memory. None can be added to one that has `F_SEAL_SEAL`, and all have it that
    /// were not made for sealing.
    pub seals: u32,
    /// Last read, in Unix time, as the other two.
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

impl InodeKind {
    /// The type bits of the mode (`S_IFMT`).
    pub fn type_bits(&self) -> u32 {
        match self {
            InodeKind::Socket => 0o140_000,
            InodeKind::Symlink(_) => 0o120_000,
            InodeKind::Regular(_) => 0o100_000,
            InodeKind::BlockDevice(..) => 0o060_000,
            InodeKind::Directory => 0o040_000,
            InodeKind::CharDevice(..) => 0o020_000,
            InodeKind::Fifo(_) => 0o010_000,
        }
    }
}

impl World {
    /// Unix time of the model's clock.
    pub fn unix_time(&self) -> Nanos {
        Nanos(crate::time::BOOT_UNIX_SECONDS * 1_000_000_000) + self.clock
    }

    /// The inode behind a name.
    pub fn inode_of(&self, dentry: DentryId) -> &Inode {
        &self.vfs.inodes[self.vfs.dentries[dentry].inode]
    }

    /// The inode behind a name, to change it.
    pub(crate) fn inode_of_mut(&mut self, dentry: DentryId) -> &mut Inode {
        if self.is_overlay(dentry) {
            // Whoever opens for writing has seen before whether there is room for the copy.
            let _ = self.copy_up(dentry);
        }
        let inode = self.vfs.dentries[dentry].inode;
        &mut self.vfs.inodes[inode]
    }

    /// The name `name` in the directory `dir`.
    pub fn child_of(&self, dir: DentryId, name: &str) -> Option<DentryId> {
        self.vfs.dentries[dir].children.get(name).copied()
    }

    /// A fresh inode without a name.
    ///
    /// # Errors
    /// ENOSPC when the file system may have no more inodes.
    pub(crate) fn new_inode(
        &mut self,
        sb: SuperId,
        kind: InodeKind,
        mode: u32,
        uid: Kuid,
        gid: Kgid,
    ) -> Result<InodeId, Errno> {
        self.charge_inode(sb)?;
        if let InodeKind::Regular(content) = &kind
            && self.is_in_memory(sb)
        {
            self.charge_content(content);
        }
        let now = self.unix_time();
        let super_block = &mut self.vfs.supers[sb];
        super_block.last_ino += 1;
        let ino = super_block.last_ino;
        let nlink = if matches!(kind, InodeKind::Directory) { 2 } else { 1 };
        let inode = Inode {
            sb,
            ino,
            kind,
            mode,
            uid,
            gid,
            nlink,
            xattrs: OrdMap::new(),
            seals: F_SEAL_SEAL,
            atime: now,
            mtime: now,
            ctime: now,
        };
        Ok(self.vfs.inodes.add(inode))
    }

    /// The root directory of a new file system that keeps a tree of names.
    pub(crate) fn new_root_dentry(&mut self, sb: SuperId, mode: u32, uid: Kuid, gid: Kgid) -> Result<DentryId, Errno> {
        let inode = self.new_inode(sb, InodeKind::Directory, mode, uid, gid)?;
        Ok(self.vfs.dentries.add_with(|id| Dentry {
            sb,
            parent: id,
            name: String::new(),
            inode,
            children: OrdMap::new(),
            unlinked: false,
        }))
    }

    /// Makes `name` in `dir` a name of `inode`. The name is free.
    pub(crate) fn add_name(&mut self, dir: DentryId, name: &str, inode: InodeId) -> DentryId {
        let sb = self.vfs.dentries[dir].sb;
        let dentry = self.vfs.dentries.add(Dentry {
            sb,
            parent: dir,
            name: name.to_owned(),
            inode,
            children: OrdMap::new(),
            unlinked: false,
        });
        self.vfs.dentries[dir].children.insert(name.to_owned(), dentry);
        if matches!(self.vfs.inodes[inode].kind, InodeKind::Directory) {
            self.inode_of_mut(dir).nlink += 1;
        }
        self.touch_modified(dir);
        dentry
    }

    /// A new inode under a new name.
    ///
    /// # Errors
    /// ENOSPC when the file system may have no more inodes.
    pub(crate) fn create_in(
        &mut self,
        dir: DentryId,
        name: &str,
        kind: InodeKind,
        mode: u32,
        uid: Kuid,
        gid: Kgid,
    ) -> Result<DentryId, Errno> {
        if self.is_overlay(dir) {
            return self.overlay_create(dir, name, kind, mode, uid, gid);
        }
        let sb = self.vfs.dentries[dir].sb;
        let inode = self.new_inode(sb, kind, mode, uid, gid)?;
        Ok(self.add_name(dir, name, inode))
    }

    /// A new inode whose name is in no directory: it lives as long as somebody has it open.
    ///
    /// # Errors
    /// ENOSPC when the file system may have no more inodes.
    pub(crate) fn create_nameless(
        &mut self,
        dir: DentryId,
        name: &str,
        kind: InodeKind,
        mode: u32,
        uid: Kuid,
        gid: Kgid,
    ) -> Result<DentryId, Errno> {
        let sb = self.vfs.dentries[dir].sb;
        let inode = self.new_inode(sb, kind, mode, uid, gid)?;
        self.vfs.inodes[inode].nlink = 0;
        Ok(self.vfs.dentries.add(Dentry {
            sb,
            parent: dir,
            name: name.to_owned(),
            inode,
            children: OrdMap::new(),
            unlinked: true,
        }))
    }

    /// Another name for an inode. tmpfs counts it as one more inode, because it costs as much memory.
    ///
    /// # Errors
    /// ENOSPC when the file system may have no more inodes.
    pub(crate) fn link_in(&mut self, dir: DentryId, name: &str, inode: InodeId) -> Result<DentryId, Errno> {
        if self.is_overlay(dir) {
            return self.overlay_link(dir, name, inode);
        }
        self.charge_inode(self.vfs.inodes[inode].sb)?;
        let now = self.unix_time();
        self.vfs.inodes[inode].nlink += 1;
        self.vfs.inodes[inode].ctime = now;
        Ok(self.add_name(dir, name, inode))
    }

    /// Takes a name away. What is behind it stays until nobody has it open any more.
    pub(crate) fn remove_name(&mut self, dentry: DentryId) {
        if self.is_overlay(dentry) {
            return self.overlay_remove(dentry);
        }
        let (parent, name) = {
            let d = &mut self.vfs.dentries[dentry];
            d.unlinked = true;
            (d.parent, d.name.clone())
        };
        self.vfs.dentries[parent].children.remove(&name);
        self.touch_modified(parent);
        let now = self.unix_time();
        let is_dir = {
            let inode = self.inode_of_mut(dentry);
            inode.ctime = now;
            let is_dir = matches!(inode.kind, InodeKind::Directory);
            inode.nlink = if is_dir { 0 } else { inode.nlink - 1 };
            is_dir
        };
        if is_dir {
            self.inode_of_mut(parent).nlink -= 1;
        } else if self.inode_of(dentry).nlink > 0 {
            self.uncharge_inode(self.vfs.dentries[dentry].sb);
        }
        self.reap_dentry(dentry);
    }

    /// Moves a name to another place; what was there has been removed before.
    pub(crate) fn move_name(&mut self, dentry: DentryId, to_dir: DentryId, to_name: &str) {
        if self.is_overlay(dentry) {
            return self.overlay_move(dentry, to_dir, to_name);
        }
        let (from_dir, name) = {
            let d = &self.vfs.dentries[dentry];
            (d.parent, d.name.clone())
        };
        self.vfs.dentries[from_dir].children.remove(&name);
        let d = &mut self.vfs.dentries[dentry];
        d.parent = to_dir;
        d.name = to_name.to_owned();
        self.vfs.dentries[to_dir].children.insert(to_name.to_owned(), dentry);
        if matches!(self.inode_of(dentry).kind, InodeKind::Directory) && from_dir != to_dir {
            self.inode_of_mut(from_dir).nlink -= 1;
            self.inode_of_mut(to_dir).nlink += 1;
        }
        self.touch_modified(from_dir);
        self.touch_modified(to_dir);
        let now = self.unix_time();
        self.inode_of_mut(dentry).ctime = now;
    }

    /// Forgets a removed name, and the inode behind it if it was the last one, once nobody refers to it.
    pub(crate) fn reap_dentry(&mut self, dentry: DentryId) {
        if self.vfs.dentries.get(dentry).is_none_or(|d| !d.unlinked) || self.is_dentry_in_use(dentry) {
            return;
        }
        let Some(d) = self.vfs.dentries.remove(dentry) else { return };
        let (inode, parent) = (d.inode, d.parent);
        let still_open = self.vfs.dentries.iter().any(|(_, other)| other.inode == inode);
        if self.vfs.inodes[inode].nlink == 0 && !still_open {
            self.free_inode(inode);
        }
        // It may have been all that kept a removed directory.
        self.reap_dentry(parent);
    }

    /// Whether an open file, a root or working directory, a running program, a mount, or a
    /// removed name that was in it refers to a name.
    fn is_dentry_in_use(&self, dentry: DentryId) -> bool {
        let node = super::Node::Tree(dentry);
        self.vfs.files.iter().any(|(_, f)| f.path().is_some_and(|p| p.node == node))
            || self.vfs.fs_structs.iter().any(|(_, fs)| fs.root.node == node || fs.cwd.node == node)
            || self.processes.iter().any(|(_, p)| p.exe.is_some_and(|exe| exe.node == node))
            || self.unix_paths().any(|path| path.node == node)
            || self.vfs.mounts.iter().any(|(_, m)| m.root == node || m.place.is_some_and(|p| p.node == node))
            || self.vfs.dentries.iter().any(|(id, d)| d.parent == dentry && id != dentry)
    }

    /// An inode is gone: its file system has that much more room.
    fn free_inode(&mut self, inode: InodeId) {
        self.drop_cached_pages(inode, 0, u64::MAX);
        let Some(inode) = self.vfs.inodes.remove(inode) else { return };
        self.uncharge_inode(inode.sb);
        self.evict_mqueue(inode.sb);
        if let InodeKind::Regular(content) = &inode.kind {
            self.uncharge_pages(inode.sb, content.page_count());
            if self.is_in_memory(inode.sb) {
                self.release_file_pages(&content.charges());
            }
        }
    }

    /// Forgets a whole tree of names: its file system is gone.
    pub(crate) fn free_tree(&mut self, root: DentryId) {
        let Some(d) = self.vfs.dentries.remove(root) else { return };
        for child in d.children.values() {
            self.free_tree(*child);
        }
        self.vfs.inodes.remove(d.inode);
    }

    /// The contents of a directory changed now.
    fn touch_modified(&mut self, dir: DentryId) {
        let now = self.unix_time();
        let inode = self.inode_of_mut(dir);
        inode.mtime = now;
        inode.ctime = now;
    }

    /// Whether the names in the file system of a name can be changed and given a second time (`rename` and `link` of
    /// `struct inode_operations`).
    pub(crate) fn has_renames(&self, dentry: DentryId) -> bool {
        let sb = self.vfs.dentries[dentry].sb;
        !matches!(self.vfs.supers[sb].kind, FsKind::Mqueue)
    }

    /// Whether names can be made and removed in this file system by programs.
    pub(crate) fn is_writable_tree(&self, sb: SuperId) -> bool {
        matches!(
            self.vfs.supers[sb].kind,
            FsKind::Tmpfs(_) | FsKind::Ext4(_) | FsKind::Mqueue | FsKind::Overlay(_) | FsKind::Rootfs
        )
    }
}
