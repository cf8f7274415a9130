//! Mounts: a file system (or a part of one) attached at a place, as in mount(2).
//!
//! Mounts form trees: each is attached at a place in its parent. A tree belongs to a mount namespace, or
//! to nobody while it is held by a descriptor (open_tree(2), fsmount(2)). Elsewhere: copies of trees
//! ([`copy_tree`](super::copy_tree)), attaching ([`attach`](super::attach)), taking away
//! ([`umount`](super::umount)), and how all of these travel ([`propagation`](super::propagation)).

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::Node;
use super::fs::SuperId;
use super::path::VfsPath;
use crate::id;
use crate::namespace::mnt::MntNsId;
use crate::namespace::user::UserNsId;
use crate::task::TaskId;
use crate::world::World;

id! {
    /// A mount, in whatever namespace, for ever.
    MountId
}

bitflags::bitflags! {
    /// Options of one mount (`MNT_*`), with the values of the `MS_*` bits that set them.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
    pub struct MountFlags: u64 {
        /// `ro`.
        const RDONLY = 1;
        /// `nosuid`.
        const NOSUID = 2;
        /// `nodev`.
        const NODEV = 4;
        /// `noexec`.
        const NOEXEC = 8;
        /// `nosymfollow`.
        const NOSYMFOLLOW = 256;
        /// `noatime`.
        const NOATIME = 1024;
        /// `nodiratime`.
        const NODIRATIME = 2048;
        /// `relatime`.
        const RELATIME = 1 << 21;
        /// The three that say when access times are written: locked and kept together (`MNT_ATIME_MASK`).
        /// `atime`.
        const ATIME = Self::NOATIME.bits() | Self::NODIRATIME.bits() | Self::RELATIME.bits();
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
    /// Its own id.
    pub id: MountId,
    /// The number in mountinfo, which is given out again once the mount is gone.
    pub number: u32,
    /// The namespace that it belongs to; `None` once it has been taken away, and in a tree that a descriptor
    /// holds.
    pub ns: Option<MntNsId>,
    /// It is in a tree that a descriptor holds: in an anonymous namespace, as the kernel says.
    pub anonymous: bool,
    /// Where it is attached; `None` for the root of a tree and for a mount that was taken away.
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
    /// umount2(2) with `MNT_EXPIRE` has seen it unused once.
    pub expiring: bool,
}

impl Mount {
    /// The mount that it is attached to.
    pub fn parent(&self) -> Option<MountId> {
        self.place.map(|place| place.mnt)
    }

    /// Whether it is in a tree at all, be it a namespace's or a descriptor's (`is_mounted`).
    pub fn is_mounted(&self) -> bool {
        self.ns.is_some() || self.anonymous
    }
}

/// The lowest number from 1 on that is not among those in use: how the kernel numbers mounts, peer groups
/// and devices (`ida_alloc`).
pub(super) fn lowest_free(used: impl Iterator<Item = u32>) -> u32 {
    let used: Vec<u32> = used.collect();
    // As many numbers as there are, and one: the lowest free one is among them.
    let mut taken = vec![false; used.len() + 2];
    for number in used {
        if let Some(place) = taken.get_mut(number as usize) {
            *place = true;
        }
    }
    taken.iter().skip(1).position(|taken| !taken).map_or(1, |free| free as u32 + 1)
}

impl World {
    /// A mount that is not attached yet (`vfs_create_mount`).
    pub(crate) fn new_mount(&mut self, sb: SuperId, root: Node, source: &str, flags: MountFlags) -> MountId {
        let number = lowest_free(self.vfs.mounts.iter().map(|(_, m)| m.number));
        self.vfs.mounts.add_with(|id| Mount {
            id,
            number,
            ns: None,
            anonymous: false,
            place: None,
            sb,
            root,
            source: source.to_owned(),
            flags,
            propagation: Propagation::default(),
            children: OrdSet::new(),
            locked_flags: MountFlags::empty(),
            locked: false,
            expiring: false,
        })
    }

    /// Hangs a mount up at a place, on top of which there is none (`attach_mnt`).
    pub(crate) fn hang(&mut self, mnt: MountId, place: VfsPath) {
        self.vfs.mounts[mnt].place = Some(place);
        self.vfs.mounts[place.mnt].children.insert(mnt);
        self.vfs.mounted_at.insert((place.mnt, place.node), mnt);
    }

    /// Takes a mount down from its place (`umount_mnt`).
    pub(crate) fn take_down(&mut self, mnt: MountId) -> Option<VfsPath> {
        let place = self.vfs.mounts[mnt].place.take()?;
        if let Some(parent) = self.vfs.mounts.get_mut(place.mnt) {
            parent.children.remove(&mnt);
        }
        if self.vfs.mounted_at.get(&(place.mnt, place.node)) == Some(&mnt) {
            self.vfs.mounted_at.remove(&(place.mnt, place.node));
        }
        Some(place)
    }

    /// Puts all mounts of a tree into a namespace (`commit_tree`).
    pub(crate) fn commit_tree(&mut self, top: MountId, ns: MntNsId) {
        for mnt in self.mount_tree(top) {
            let mount = &mut self.vfs.mounts[mnt];
            mount.ns = Some(ns);
            mount.anonymous = false;
            self.mnt_namespaces[ns].mounts.insert(mnt);
        }
    }

    /// A mount and all below it, parents first (`next_mnt`).
    pub fn mount_tree(&self, top: MountId) -> Vec<MountId> {
        let mut tree = Vec::new();
        let mut next = vec![top];
        while let Some(mnt) = next.pop() {
            tree.push(mnt);
            next.extend(self.vfs.mounts[mnt].children.iter().rev());
        }
        tree
    }

    /// The mount at the bottom of the tree that this one is in.
    pub(crate) fn top_of_tree(&self, mnt: MountId) -> MountId {
        let mut at = mnt;
        while let Some(parent) = self.vfs.mounts[at].parent() {
            at = parent;
        }
        at
    }

    /// Whether the place is the top of a mount (`path_mounted`).
    pub fn is_mount_root(&self, path: VfsPath) -> bool {
        self.vfs.mounts[path.mnt].root == path.node
    }

    /// Whether a node is another one of the same file system or below it (`is_subdir`).
    pub fn is_subdir(&self, node: Node, of: Node) -> bool {
        let mut at = node;
        loop {
            if at == of {
                return true;
            }
            let parent = self.parent_of(at);
            if parent == at {
                return false;
            }
            at = parent;
        }
    }

    /// Whether a place can be reached by going down from another (`is_path_reachable`).
    pub fn is_path_reachable(&self, path: VfsPath, from: VfsPath) -> bool {
        let mut at = path;
        while at.mnt != from.mnt {
            match self.vfs.mounts[at.mnt].place {
                Some(place) => at = place,
                None => return false,
            }
        }
        self.is_subdir(at.node, from.node)
    }

    /// Whether a mount is one of those of the namespace that `task` is in (`check_mnt`).
    pub fn is_own_mount(&self, task: TaskId, mnt: MountId) -> bool {
        self.vfs.mounts[mnt].ns == Some(self.tasks[task].nsproxy.mnt)
    }

    /// The user namespace whose capabilities count for changing the mounts that `task` sees.
    pub fn mnt_ns_owner(&self, task: TaskId) -> UserNsId {
        self.mnt_namespaces[self.tasks[task].nsproxy.mnt].ns.owner
    }

    /// Where a mount is, told from the bottom of its tree.
    pub fn mount_point_text(&self, mnt: MountId) -> String {
        let Some(place) = self.vfs.mounts[mnt].place else { return "/".into() };
        self.path_from(place, self.mount_root(self.top_of_tree(mnt))).0
    }

    /// Whether something else than its children keeps a mount busy: a root or working directory, an open file.
    pub fn is_mount_busy(&self, mnt: MountId) -> bool {
        self.vfs.fs_structs.iter().any(|(_, fs)| fs.root.mnt == mnt || fs.cwd.mnt == mnt)
            || self.vfs.files.iter().any(|(_, f)| f.path().is_some_and(|p| p.mnt == mnt))
            || self.processes.iter().any(|(_, p)| p.exe.is_some_and(|exe| exe.mnt == mnt))
            || self.unix_paths().any(|path| path.mnt == mnt)
    }

    /// Whether files of a file system are open for writing, seen through this mount or through any.
    pub(crate) fn has_writers(&self, sb: SuperId, through: Option<MountId>) -> bool {
        self.vfs.files.iter().any(|(_, f)| {
            f.can_write()
                && f.path().is_some_and(|p| match through {
                    Some(mnt) => p.mnt == mnt && self.is_stored(p),
                    None => self.vfs.mounts[p.mnt].sb == sb && self.is_stored(p),
                })
        })
    }

    /// Whether what is there is kept by its file system: devices and pipes are written elsewhere.
    fn is_stored(&self, path: VfsPath) -> bool {
        matches!(self.attr(path).file_type, super::fs::FileType::Regular | super::fs::FileType::Directory)
    }
}
