//! Invariants of the trees of mounts.

use super::Node;
use super::mount::{Mount, MountId};
use crate::world::World;

impl World {
    /// Checks that mounts, namespaces and places agree.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong.
    pub(crate) fn check_mounts(&self) -> Result<(), String> {
        for (id, mount) in self.vfs.mounts.iter() {
            self.check_place(id, mount)?;
            self.check_membership(id, mount)?;
        }
        for (ns, namespace) in self.mnt_namespaces.iter() {
            for mnt in &namespace.mounts {
                if self.vfs.mounts.get(*mnt).is_none_or(|m| m.ns != Some(ns)) {
                    return Err(format!("{ns:?} has {mnt:?}, which does not belong to it"));
                }
            }
            if !namespace.mounts.contains(&namespace.root) {
                return Err(format!("the root of {ns:?} is not among its mounts"));
            }
        }
        for ((parent, node), child) in &self.vfs.mounted_at {
            let place = self.vfs.mounts.get(*child).and_then(|m| m.place);
            if place.is_none_or(|p| (p.mnt, p.node) != (*parent, *node)) {
                return Err(format!("{child:?} is said to be on {parent:?} but is not"));
            }
        }
        for (id, fs) in self.vfs.fs_structs.iter() {
            for place in [fs.root, fs.cwd] {
                if !self.vfs.mounts.contains(place.mnt) {
                    return Err(format!("{id:?} is in {:?}, which is gone", place.mnt));
                }
            }
        }
        Ok(())
    }

    /// Parent and child know each other, and the child is on top of its place.
    fn check_place(&self, id: MountId, mount: &Mount) -> Result<(), String> {
        if let Some(place) = mount.place {
            let Some(parent) = self.vfs.mounts.get(place.mnt) else {
                return Err(format!("{id:?} is on {:?}, which is gone", place.mnt));
            };
            if !parent.children.contains(&id) {
                return Err(format!("{id:?} is on {:?}, which does not know it", place.mnt));
            }
            if self.vfs.mounted_at.get(&(place.mnt, place.node)) != Some(&id) {
                return Err(format!("{id:?} is not what a walk to its place finds"));
            }
            if mount.ns.is_some() && parent.ns != mount.ns {
                return Err(format!("{id:?} and its parent {:?} are in different namespaces", place.mnt));
            }
            if !self.is_subdir(place.node, parent.root) {
                return Err(format!("{id:?} is on a place that its parent does not show"));
            }
        }
        for child in &mount.children {
            if self.vfs.mounts.get(*child).is_none_or(|c| c.parent() != Some(id)) {
                return Err(format!("{id:?} has the child {child:?}, which is elsewhere"));
            }
        }
        Ok(())
    }

    /// A mount is in the set of its namespace, its file system exists, and only what is in a tree propagates.
    fn check_membership(&self, id: MountId, mount: &Mount) -> Result<(), String> {
        if let Some(ns) = mount.ns
            && self.mnt_namespaces.get(ns).is_none_or(|n| !n.mounts.contains(&id))
        {
            return Err(format!("{id:?} is in {ns:?}, which does not know it"));
        }
        if !self.vfs.supers.contains(mount.sb) {
            return Err(format!("the file system of {id:?} is gone"));
        }
        if let Node::Tree(root) = mount.root
            && self.vfs.nsfs_mount != Some(id)
            && !self.vfs.dentries.contains(root)
            && mount.is_mounted()
        {
            return Err(format!("what {id:?} shows is gone"));
        }
        let p = mount.propagation;
        if !mount.is_mounted() && (p.shared.is_some() || p.master.is_some()) {
            return Err(format!("{id:?} was taken away but still propagates"));
        }
        if let Some(master) = p.master
            && self.peers(master).is_empty()
        {
            return Err(format!("{id:?} is a slave of group {master}, in which nobody is"));
        }
        Ok(())
    }
}
