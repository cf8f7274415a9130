//! Attaching a tree of mounts at a place, and everywhere else where that place is shared
//! (`attach_recursive_mnt` of `fs/namespace.c`, `propagate_mnt` of `fs/pnode.c`).

use std::sync::Arc;

use super::copy_tree::CopyFlags;
use super::mount::MountId;
use super::path::VfsPath;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;

/// How many mounts a namespace may have (`/proc/sys/fs/mount-max`).
const MOUNT_MAX: usize = 100_000;

impl Kernel<'_> {
    /// Attaches a tree at a place in the namespace of `task`, which nothing covers. With `moving` it is taken
    /// down from where it was.
    ///
    /// # Errors
    /// ENOSPC when the namespace has too many mounts; EINVAL when a copy that propagation asks for must not be
    /// made.
    pub(crate) fn attach_tree(
        &mut self,
        task: TaskId,
        source: MountId,
        dest: VfsPath,
        moving: bool,
    ) -> Result<(), Errno> {
        let Some(ns) = self.vfs.mounts[dest.mnt].ns else { return Err(Errno::EINVAL) };
        if !moving && self.mnt_namespaces[ns].mounts.len() + self.mount_tree(source).len() > MOUNT_MAX {
            return Err(Errno::ENOSPC);
        }
        let mut copies = Vec::new();
        if let Some(group) = self.vfs.mounts[dest.mnt].propagation.shared {
            copies = self.propagate_mount(source, dest, group)?;
        }
        if moving {
            self.take_down(source);
        }
        self.hang(source, dest);
        self.commit_tree(source, ns);
        let place: Arc<str> = Arc::from(self.mount_point_text(source));
        self.emit(EventKind::Mounted { mount: source, place });

        let owner = self.mnt_ns_owner(task);
        for (copy, place) in copies {
            let Some(ns) = self.vfs.mounts[place.mnt].ns else { continue };
            let covered = self.vfs.mounted_at.get(&(place.mnt, place.node)).copied();
            if let Some(covered) = covered {
                // Something is there already: the copy slips in below it.
                self.take_down(covered);
                let on_top = self.follow_mounts(self.mount_root(copy));
                self.hang(covered, on_top);
            }
            self.hang(copy, place);
            if self.mnt_namespaces[ns].ns.owner != owner {
                self.lock_mount_tree(copy);
            }
            self.vfs.mounts[copy].locked = false;
            self.commit_tree(copy, ns);
            self.emit(EventKind::MountPropagated { from: source, to: copy });
        }
        Ok(())
    }

    /// Copies a tree for every mount that hears of what is mounted on `dest`, and makes the tree itself shared.
    /// The copies and their places; nothing is attached yet.
    fn propagate_mount(
        &mut self,
        source: MountId,
        dest: VfsPath,
        group: u32,
    ) -> Result<Vec<(MountId, VfsPath)>, Errno> {
        for mnt in self.mount_tree(source) {
            let shared = self.vfs.mounts[mnt].propagation.shared;
            let shared = shared.unwrap_or_else(|| self.new_peer_group());
            let propagation = &mut self.vfs.mounts[mnt].propagation;
            propagation.shared = Some(shared);
            propagation.unbindable = false;
        }
        let mut copies = Vec::new();
        match self.copy_for_receivers(source, dest, group, &mut copies) {
            Ok(()) => Ok(copies),
            Err(e) => {
                for (copy, _) in copies {
                    self.discard_tree(copy);
                }
                Err(e)
            }
        }
    }

    fn copy_for_receivers(
        &mut self,
        source: MountId,
        dest: VfsPath,
        group: u32,
        copies: &mut Vec<(MountId, VfsPath)>,
    ) -> Result<(), Errno> {
        // Mounts that are being made right now, and those in which the place cannot be seen, get nothing.
        let receives = |k: &Self, mnt: MountId| {
            let mount = &k.vfs.mounts[mnt];
            mnt != dest.mnt && mount.ns.is_some() && k.is_subdir(dest.node, mount.root)
        };
        let receivers =
            |k: &Self, all: Vec<MountId>| -> Vec<MountId> { all.into_iter().filter(|mnt| receives(k, *mnt)).collect() };
        for peer in receivers(self, self.peers(group)) {
            let (copy, _) = self.copy_tree(self.mount_root(source), CopyFlags::MAKE_SHARED)?;
            copies.push((copy, VfsPath { mnt: peer, node: dest.node }));
        }
        // Each group together with the copy from which its slaves' copies receive.
        let mut groups = vec![(group, source)];
        let mut next = 0;
        while let Some((group, master)) = groups.get(next).copied() {
            next += 1;
            for slave in self.slaves(group) {
                let Some(own) = self.vfs.mounts[slave].propagation.shared else {
                    if receives(self, slave) {
                        let (copy, _) = self.copy_tree(self.mount_root(master), CopyFlags::SLAVE)?;
                        copies.push((copy, VfsPath { mnt: slave, node: dest.node }));
                    }
                    continue;
                };
                if groups.iter().any(|(g, _)| *g == own) {
                    continue;
                }
                let mut first = None;
                for peer in receivers(self, self.peers(own)) {
                    let (of, how) = match first {
                        None => (master, CopyFlags::SLAVE | CopyFlags::MAKE_SHARED),
                        Some(first) => (first, CopyFlags::MAKE_SHARED),
                    };
                    let (copy, _) = self.copy_tree(self.mount_root(of), how)?;
                    copies.push((copy, VfsPath { mnt: peer, node: dest.node }));
                    first = first.or(Some(copy));
                }
                groups.push((own, first.unwrap_or(master)));
            }
        }
        Ok(())
    }
}
