//! Copies of mounts and of whole trees of them: for bind mounts, for new namespaces, and for the places to
//! which a mount propagates (`clone_mnt`, `copy_tree` of `fs/namespace.c`).

use std::collections::BTreeMap;

use super::Node;
use super::mount::{MountFlags, MountId, Propagation};
use super::path::VfsPath;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::{NsKind, NsRef};

bitflags::bitflags! {
    /// What a copy is to the original (`CL_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct CopyFlags: u32 {
        /// The copy is a slave of the original.
        const SLAVE = 1;
        /// The copy is shared, in a group of its own if the original has none to join.
        const MAKE_SHARED = 2;
        /// The copy is a slave of the original if that is shared, else like it.
        const SHARED_TO_SLAVE = 4;
        /// The copy neither sends nor receives.
        const PRIVATE = 8;
        /// Unbindable mounts are copied, too.
        const COPY_UNBINDABLE = 16;
        /// Mounts of mount namespaces are copied, too.
        const COPY_MNT_NS_FILE = 32;
    }
}

/// Whether a node is a mount namespace as a file (`is_mnt_ns_file`).
pub(super) fn is_mnt_ns_file(node: Node) -> bool {
    matches!(node, Node::Ns(ns) if ns.kind() == NsKind::Mnt)
}

impl Kernel<'_> {
    /// A copy of a mount that shows `root` of its file system. It is attached nowhere (`clone_mnt`).
    pub(crate) fn clone_mount(&mut self, old: MountId, root: Node, how: CopyFlags) -> MountId {
        let original = self.vfs.mounts[old].clone();
        let of = original.propagation;
        let keeps_group = !how.intersects(CopyFlags::SLAVE | CopyFlags::PRIVATE);
        let becomes_slave =
            how.contains(CopyFlags::SLAVE) || (how.contains(CopyFlags::SHARED_TO_SLAVE) && of.shared.is_some());
        let mut propagation = if becomes_slave {
            Propagation { shared: None, master: of.shared.or(of.master), unbindable: false }
        } else if keeps_group {
            // A copy can be bound although the original cannot: `T_UNBINDABLE` is not copied (since Linux 6.17).
            Propagation { unbindable: false, ..of }
        } else {
            Propagation::default()
        };
        if how.contains(CopyFlags::MAKE_SHARED) {
            propagation.shared = propagation.shared.or_else(|| Some(self.new_peer_group()));
        }
        if let Node::Ns(ns) = root {
            self.hold_ns(ns);
        }
        let copy = self.new_mount(original.sb, root, &original.source, original.flags);
        let mount = &mut self.vfs.mounts[copy];
        mount.propagation = propagation;
        mount.locked_flags = original.locked_flags;
        mount.locked = original.locked;
        copy
    }

    /// A copy of what is mounted at and below a place, attached nowhere, and which copy belongs to which
    /// original (`copy_tree`).
    ///
    /// # Errors
    /// EINVAL when the top may not be copied; EPERM for a locked mount that may not.
    pub(crate) fn copy_tree(
        &mut self,
        from: VfsPath,
        how: CopyFlags,
    ) -> Result<(MountId, BTreeMap<MountId, MountId>), Errno> {
        let left_out = |k: &Self, mnt: MountId, root: Node| {
            (!how.contains(CopyFlags::COPY_UNBINDABLE) && k.vfs.mounts[mnt].propagation.unbindable)
                || (!how.contains(CopyFlags::COPY_MNT_NS_FILE) && is_mnt_ns_file(root))
        };
        if left_out(self, from.mnt, from.node) {
            return Err(Errno::EINVAL);
        }
        let top = self.clone_mount(from.mnt, from.node, how);
        let mut copies = BTreeMap::from([(from.mnt, top)]);
        let mut pending: Vec<MountId> = Vec::new();
        for child in self.vfs.mounts[from.mnt].children.iter().rev() {
            let inside = self.vfs.mounts[*child].place.is_some_and(|p| self.is_subdir(p.node, from.node));
            if inside {
                pending.push(*child);
            }
        }
        while let Some(mnt) = pending.pop() {
            let mount = self.vfs.mounts[mnt].clone();
            if left_out(self, mnt, mount.root) {
                if mount.locked && mount.propagation.unbindable {
                    self.discard_tree(top);
                    return Err(Errno::EPERM);
                }
                continue;
            }
            let Some(place) = mount.place else { continue };
            let Some(parent) = copies.get(&place.mnt).copied() else { continue };
            let copy = self.clone_mount(mnt, mount.root, how);
            self.hang(copy, VfsPath { mnt: parent, node: place.node });
            copies.insert(mnt, copy);
            pending.extend(mount.children.iter().rev());
        }
        Ok((top, copies))
    }

    /// Locks a tree that comes into a less privileged namespace: its options stay as strict as they are, and its
    /// mounts can only be taken away together, so that nothing below them is revealed (`lock_mnt_tree`).
    pub(crate) fn lock_mount_tree(&mut self, top: MountId) {
        let strict = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        for mnt in self.mount_tree(top) {
            let mount = &mut self.vfs.mounts[mnt];
            mount.locked_flags |= MountFlags::ATIME | (mount.flags & strict);
            if mnt != top {
                mount.locked = true;
            }
        }
    }

    /// Whether a mount below a place is locked onto it (`has_locked_children`).
    pub(crate) fn has_locked_children(&self, path: VfsPath) -> bool {
        self.vfs.mounts[path.mnt].children.iter().any(|child| {
            let child = &self.vfs.mounts[*child];
            child.locked && child.place.is_some_and(|p| self.is_subdir(p.node, path.node))
        })
    }

    /// Whether a place is a namespace as a file that may not be mounted here, because namespaces that keep each
    /// other alive would never go away: only a mount namespace younger than one's own can be (`mnt_ns_loop`).
    pub(crate) fn is_mnt_ns_loop(&self, task: crate::task::TaskId, node: Node) -> bool {
        match node {
            Node::Ns(NsRef::Mnt(ns)) => self.tasks[task].nsproxy.mnt >= ns,
            _ => false,
        }
    }
}
