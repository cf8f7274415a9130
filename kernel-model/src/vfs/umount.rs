//! Taking mounts away, here and wherever that propagates to, and what becomes of a mount that nobody uses
//! any more (`umount_tree` of `fs/namespace.c`, `propagate_umount` of `fs/pnode.c`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Node;
use super::fs::{FsKind, SuperId};
use super::mount::MountId;
use super::path::VfsPath;
use super::propagation::PropagationType;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::mm::writeback::CachedPage;
use crate::namespace::NsRef;
use crate::vfs::inode::InodeId;
use crate::world::World;

/// How a tree is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Umount {
    /// Also from the places that hear of it (`UMOUNT_PROPAGATE`).
    pub propagate: bool,
    /// Nobody uses it, so that nothing has to stay together (`UMOUNT_SYNC`).
    pub unused: bool,
    /// It stays together for those who still use it (`UMOUNT_CONNECTED`).
    pub connected: bool,
}

impl World {
    /// Whether a mount, or one that would go with it, is in use (`propagate_mount_busy`).
    pub(crate) fn is_umount_busy(&self, mnt: MountId) -> bool {
        let mount = &self.vfs.mounts[mnt];
        if !mount.children.is_empty() || self.is_mount_busy(mnt) {
            return true;
        }
        let Some(place) = mount.place else { return false };
        self.receivers(place.mnt).into_iter().any(|receiver| {
            let Some(child) = self.vfs.mounted_at.get(&(receiver, place.node)).copied() else { return false };
            // A mount that covers all of it would stay; others keep it from going at all.
            let children = &self.vfs.mounts[child].children;
            let goes = children.is_empty() || (children.len() == 1 && self.overmount(child).is_some());
            goes && self.is_mount_busy(child)
        })
    }

    /// The mount that covers all of another one (`find_topper`).
    fn overmount(&self, mnt: MountId) -> Option<MountId> {
        self.vfs.mounted_at.get(&(mnt, self.vfs.mounts[mnt].root)).copied()
    }

    /// The mounts that go when these go, because they came with them.
    fn propagated_umounts(&self, tree: &[MountId]) -> Vec<MountId> {
        let own: BTreeSet<MountId> = tree.iter().copied().collect();
        let mut candidates: Vec<MountId> = Vec::new();
        for mnt in tree {
            let Some(place) = self.vfs.mounts[*mnt].place else { continue };
            for receiver in self.receivers(place.mnt) {
                if let Some(child) = self.vfs.mounted_at.get(&(receiver, place.node))
                    && !own.contains(child)
                    && !candidates.contains(child)
                {
                    candidates.push(*child);
                }
            }
        }
        // One that has mounts of its own stays, unless those go, too; so does a locked one whose parent stays.
        loop {
            let going: BTreeSet<MountId> = own.iter().chain(&candidates).copied().collect();
            let goes = |mnt: &MountId| {
                let mount = &self.vfs.mounts[*mnt];
                let cover = self.overmount(*mnt);
                let children_go = mount.children.iter().all(|c| going.contains(c) || Some(*c) == cover);
                let lock_allows = !mount.locked
                    || mount.parent().is_some_and(|p| going.contains(&p))
                    || self.is_copy_of(*mnt, tree.first().copied());
                children_go && lock_allows
            };
            // One below which something stays (`trim_ancestors`): that sinks down to it.
            let mut needed: BTreeSet<MountId> = BTreeSet::new();
            for mnt in &candidates {
                if self.vfs.mounts[*mnt].children.iter().all(|c| going.contains(c)) {
                    continue;
                }
                let mut at = self.vfs.mounts[*mnt].parent();
                while let Some(below) = at.filter(|p| candidates.contains(p)) {
                    at = self.vfs.mounts[below].parent();
                    if at.and_then(|p| self.overmount(p)) != Some(below) {
                        needed.insert(below);
                    }
                }
            }
            let before = candidates.len();
            candidates.retain(|mnt| goes(mnt) && !needed.contains(mnt));
            if candidates.len() == before {
                return candidates;
            }
        }
    }

    /// What stays although it covers all of a mount that goes, with the place that it sinks down to: on the first
    /// mount below that stays (`reparent`).
    fn sinking_covers(&self, going: &[MountId]) -> Vec<(MountId, VfsPath)> {
        let covers = going.iter().filter_map(|mnt| {
            let cover = self.overmount(*mnt).filter(|cover| !going.contains(cover))?;
            let mut place = self.vfs.mounts[*mnt].place?;
            while going.contains(&place.mnt) {
                place = self.vfs.mounts[place.mnt].place?;
            }
            Some((cover, place))
        });
        covers.collect()
    }

    /// Whether a mount is where the top of a tree that is taken away has propagated to: then it may go even if
    /// it is locked (`propagate_mount_unlock`).
    fn is_copy_of(&self, mnt: MountId, top: Option<MountId>) -> bool {
        let Some(place) = top.and_then(|top| self.vfs.mounts[top].place) else { return false };
        self.vfs.mounts[mnt].place.is_some_and(|p| p.node == place.node && self.receivers(place.mnt).contains(&p.mnt))
    }
}

impl Kernel<'_> {
    /// Takes a tree away.
    pub(crate) fn umount_tree(&mut self, top: MountId, how: Umount) {
        let tree = self.mount_tree(top);
        let propagated = if how.propagate { self.propagated_umounts(&tree) } else { Vec::new() };
        let going: Vec<MountId> = tree.into_iter().chain(propagated).collect();
        let places: Vec<Arc<str>> = going.iter().map(|mnt| Arc::from(self.mount_point_text(*mnt))).collect();
        for mnt in &going {
            let mount = &mut self.vfs.mounts[*mnt];
            let ns = mount.ns.take();
            mount.anonymous = false;
            mount.expiring = false;
            if let Some(ns) = ns
                && let Some(namespace) = self.world.mnt_namespaces.get_mut(ns)
            {
                namespace.mounts.remove(mnt);
            }
        }
        for (cover, place) in self.sinking_covers(&going) {
            self.take_down(cover);
            self.hang(cover, place);
        }
        for (mnt, text) in going.iter().zip(places) {
            let mount = self.vfs.mounts[*mnt].clone();
            let parent_goes = mount.parent().is_some_and(|p| going.contains(&p));
            let stays_connected = !how.unused && parent_goes && (how.connected || mount.locked);
            if !stays_connected {
                self.take_down(*mnt);
            }
            self.change_propagation(*mnt, PropagationType::Private);
            self.emit(EventKind::Unmounted { mount: *mnt, place: text });
        }
        for mnt in going.into_iter().rev() {
            self.put_mount(mnt);
        }
    }

    /// Forgets a tree that was never attached.
    pub(crate) fn discard_tree(&mut self, top: MountId) {
        for mnt in self.mount_tree(top).into_iter().rev() {
            self.take_down(mnt);
            self.change_propagation(mnt, PropagationType::Private);
            self.put_mount(mnt);
        }
    }

    /// Forgets a mount that is in no tree if nobody uses it any more (`mntput`).
    pub(crate) fn put_mount(&mut self, mnt: MountId) {
        let Some(mount) = self.vfs.mounts.get(mnt) else { return };
        if mount.is_mounted()
            || !mount.children.is_empty()
            || self.vfs.nsfs_mount == Some(mnt)
            || self.is_mount_busy(mnt)
        {
            return;
        }
        let parent = self.take_down(mnt).map(|place| place.mnt);
        let Some(mount) = self.vfs.mounts.remove(mnt) else { return };
        if let Node::Ns(ns) = mount.root {
            self.release_ns(ns);
        }
        self.put_super(mount.sb);
        if let Some(parent) = parent {
            self.put_mount(parent);
        }
    }

    /// A name is gone: what is mounted on it, in whatever namespace, goes with it (`detach_mounts`).
    pub(crate) fn detach_mounts(&mut self, node: Node) {
        let on_it = |m: &super::mount::Mount| m.ns.is_some() && m.place.is_some_and(|place| place.node == node);
        let mounts: Vec<MountId> = self.vfs.mounts.iter().filter(|(_, m)| on_it(m)).map(|(id, _)| id).collect();
        for mnt in mounts {
            if self.vfs.mounts.contains(mnt) {
                self.umount_tree(mnt, Umount { connected: true, ..Umount::default() });
            }
        }
    }

    /// Forgets a file system that is no longer mounted anywhere (`deactivate_super`).
    pub(crate) fn put_super(&mut self, sb: SuperId) {
        if self.vfs.mounts.iter().any(|(_, m)| m.sb == sb) || self.is_layer(sb) {
            return;
        }
        // What is on a disk stays there.
        if self.disk_under(sb).is_some() {
            // What was changed goes to the disk, and out of memory.
            let of_it = |i: &InodeId| self.vfs.inodes.get(*i).is_some_and(|inode| inode.sb == sb);
            let inodes: Vec<InodeId> = self.block.caches.keys().copied().filter(of_it).collect();
            for inode in inodes {
                self.write_back_file(inode, &|_: &CachedPage| true);
            }
            self.drop_caches_of(sb);
            return;
        }
        // A namespace keeps its message queues whether they are mounted or not.
        if self.mqueue_ns(sb).is_some_and(|ns| self.ipc_namespaces.contains(ns)) {
            return;
        }
        if self.is_in_memory(sb) {
            let freed = self.pages_of_super(sb);
            self.release_file_pages(&freed);
        }
        let Some(superblock) = self.vfs.supers.remove(sb) else { return };
        match (superblock.root, &superblock.kind) {
            (Node::Tree(root), FsKind::Overlay(layers)) => {
                self.free_merged_names(root);
                let layers: Vec<_> = layers.upper.iter().chain(&layers.lowers).copied().collect();
                for layer in layers {
                    if let Some(sb) = self.vfs.dentries.get(layer).map(|d| d.sb) {
                        self.put_super(sb);
                    }
                }
            }
            (Node::Tree(root), _) => self.free_tree(root),
            _ => {}
        }
        if let FsKind::Cgroup(hierarchy) = superblock.kind {
            self.put_hierarchy(hierarchy);
        }
        if let FsKind::Proc(ns) = superblock.kind {
            self.release_ns(NsRef::Pid(ns));
        }
        self.release_ns(NsRef::User(superblock.user_ns));
    }
}
