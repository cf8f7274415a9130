//! overlay, as in the kernel's `Documentation/filesystems/overlayfs.rst`: several directories seen as one.
//!
//! A name comes from the topmost layer that has it; directories are merged. Only the upper layer is written:
//! a file of a lower one is copied up first, and a name that is taken away leaves a whiteout (a character
//! device 0/0) behind, so that the lower one stays hidden. A directory that replaces a lower one is opaque.
//!
//! The merged names are dentries of their own whose inodes are those of the layers, made when the overlay is
//! mounted. What is done to the layers themselves after that does not show: the kernel does not define it.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::context::FsContext;
use super::params::OverlayParams;
use super::{FsKind, SuperId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::security::capability::Cap;
use crate::security::credentials::{Kgid, Kuid};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::inode::{Dentry, DentryId, Inode, InodeId, InodeKind};
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;
use crate::world::World;

/// The attribute of a directory that hides those below it.
const OPAQUE: &str = "trusted.overlay.opaque";

/// The attribute of an upper directory that says which overlay it has been part of.
const UUID: &str = "trusted.overlay.uuid";
/// The same with the option `userxattr`.
const UUID_USER: &str = "user.overlay.uuid";

/// How many lower layers there may be.
const MAX_LOWER_LAYERS: usize = 500;

/// The directories that an overlay shows as one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Layers {
    /// The one that is written; without it the overlay is read-only.
    pub upper: Option<DentryId>,
    /// The others, topmost first.
    pub lowers: Vec<DentryId>,
}

/// What of the layers is behind one name of an overlay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Behind {
    upper: Option<DentryId>,
    lowers: Vec<DentryId>,
}

impl World {
    /// Whether a name is one of an overlay.
    pub(crate) fn is_overlay(&self, dentry: DentryId) -> bool {
        self.vfs
            .dentries
            .get(dentry)
            .and_then(|d| self.vfs.supers.get(d.sb))
            .is_some_and(|sb| matches!(sb.kind, FsKind::Overlay(_)))
    }

    /// Whether an overlay needs this file system.
    pub(crate) fn is_layer(&self, sb: SuperId) -> bool {
        self.vfs.supers.iter().any(|(_, other)| match &other.kind {
            FsKind::Overlay(layers) => {
                layers.upper.iter().chain(&layers.lowers).any(|d| self.vfs.dentries.get(*d).is_some_and(|d| d.sb == sb))
            }
            _ => false,
        })
    }

    fn layers(&self, dentry: DentryId) -> Option<&Layers> {
        match &self.vfs.supers[self.vfs.dentries[dentry].sb].kind {
            FsKind::Overlay(layers) => Some(layers),
            _ => None,
        }
    }

    fn is_whiteout(&self, dentry: DentryId) -> bool {
        self.inode_of(dentry).kind == InodeKind::CharDevice(0, 0)
    }

    fn is_directory(&self, dentry: DentryId) -> bool {
        self.inode_of(dentry).kind == InodeKind::Directory
    }

    fn is_opaque(&self, dentry: DentryId) -> bool {
        self.inode_of(dentry).xattrs.contains_key(OPAQUE)
    }

    /// What of the layers is behind a name of an overlay.
    fn behind(&self, dentry: DentryId) -> Behind {
        let d = &self.vfs.dentries[dentry];
        if d.parent == dentry {
            let layers = self.layers(dentry);
            return layers.map_or_else(Behind::default, |l| Behind { upper: l.upper, lowers: l.lowers.clone() });
        }
        self.name_behind(&self.behind(d.parent), &d.name)
    }

    /// What of the layers is behind a name in a merged directory (`ovl_lookup`).
    fn name_behind(&self, dir: &Behind, name: &str) -> Behind {
        let mut found = Behind::default();
        if let Some(upper) = dir.upper.and_then(|d| self.child_of(d, name)) {
            if self.is_whiteout(upper) {
                return found;
            }
            found.upper = Some(upper);
            if !self.is_directory(upper) || self.is_opaque(upper) {
                return found;
            }
        }
        for lower in dir.lowers.iter().filter_map(|d| self.child_of(*d, name)) {
            let merged = found.upper.is_some() || !found.lowers.is_empty();
            if self.is_whiteout(lower) || (merged && !self.is_directory(lower)) {
                break;
            }
            found.lowers.push(lower);
            if !self.is_directory(lower) || self.is_opaque(lower) {
                break;
            }
        }
        found
    }

    /// Puts a name into a directory of an overlay. Link counts are the layers' affair.
    fn add_merged_name(&mut self, dir: DentryId, name: &str, inode: InodeId) -> DentryId {
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
        dentry
    }

    /// Makes the names of a merged directory and of all below it.
    fn merge(&mut self, dir: DentryId, behind: &Behind) {
        let mut names: Vec<String> = Vec::new();
        // Lower layers first, so that the names have the age of what they stand for.
        for layer in behind.lowers.iter().rev().chain(&behind.upper) {
            names.extend(
                self.vfs.dentries[*layer].children.keys().filter(|n| !names.contains(n)).cloned().collect::<Vec<_>>(),
            );
        }
        for name in names {
            let behind = self.name_behind(behind, &name);
            let Some(top) = behind.upper.or(behind.lowers.first().copied()) else { continue };
            let child = self.add_merged_name(dir, &name, self.vfs.dentries[top].inode);
            if self.is_directory(child) {
                self.merge(child, &behind);
            }
        }
    }

    /// Makes sure that a name of an overlay is in the upper layer, with all directories above it
    /// (`ovl_copy_up`). Its name there.
    ///
    /// # Errors
    /// EROFS without an upper layer; ENOSPC.
    pub(crate) fn copy_up(&mut self, dentry: DentryId) -> Result<DentryId, Errno> {
        let behind = self.behind(dentry);
        if let Some(upper) = behind.upper {
            return Ok(upper);
        }
        let Some(lower) = behind.lowers.first().copied() else { return Err(Errno::EROFS) };
        let Dentry { parent, name, .. } = self.vfs.dentries[dentry].clone();
        if parent == dentry {
            return Err(Errno::EROFS);
        }
        let dir = self.copy_up(parent)?;
        let sb = self.vfs.dentries[dir].sb;
        let original: Inode = self.inode_of(lower).clone();
        if let InodeKind::Regular(content) = &original.kind {
            if content.page_count() > self.free_pages(sb) {
                return Err(Errno::ENOSPC);
            }
            self.charge_pages(sb, content.page_count());
        }
        let copy = self.create_in(dir, &name, original.kind, original.mode, original.uid, original.gid)?;
        let inode = self.inode_of_mut(copy);
        inode.xattrs = original.xattrs;
        inode.atime = original.atime;
        inode.mtime = original.mtime;
        self.vfs.dentries[dentry].inode = self.vfs.dentries[copy].inode;
        Ok(copy)
    }

    /// Copies what is there up if it is in an overlay: it is about to be changed.
    ///
    /// # Errors
    /// As for [`World::copy_up`].
    pub(crate) fn copy_up_for_writing(&mut self, path: VfsPath) -> Result<(), Errno> {
        match path.node {
            Node::Tree(dentry) if self.is_overlay(dentry) => self.copy_up(dentry).map(drop),
            _ => Ok(()),
        }
    }

    /// A new name in an overlay: made in the upper layer, in place of a whiteout if there is one.
    pub(crate) fn overlay_create(
        &mut self,
        dir: DentryId,
        name: &str,
        kind: InodeKind,
        mode: u32,
        uid: Kuid,
        gid: Kgid,
    ) -> Result<DentryId, Errno> {
        let upper = self.copy_up(dir)?;
        let replaces = self.remove_whiteout(upper, name);
        let made = self.create_in(upper, name, kind, mode, uid, gid)?;
        if replaces && self.is_directory(made) {
            self.inode_of_mut(made).xattrs.insert(OPAQUE.to_owned(), b"y".as_slice().into());
        }
        Ok(self.add_merged_name(dir, name, self.vfs.dentries[made].inode))
    }

    /// Another name for a file of an overlay.
    pub(crate) fn overlay_link(&mut self, dir: DentryId, name: &str, inode: InodeId) -> Result<DentryId, Errno> {
        let upper = self.copy_up(dir)?;
        self.remove_whiteout(upper, name);
        self.link_in(upper, name, inode)?;
        Ok(self.add_merged_name(dir, name, inode))
    }

    /// Takes a name of an overlay away: from the upper layer, and out of sight if a lower one has it.
    pub(crate) fn overlay_remove(&mut self, dentry: DentryId) {
        let Dentry { parent, name, .. } = self.vfs.dentries[dentry].clone();
        let upper = self.behind(dentry).upper;
        self.hide(parent, &name, upper);
        self.vfs.dentries[parent].children.remove(&name);
        self.vfs.dentries[dentry].unlinked = true;
        self.reap_dentry(dentry);
    }

    /// Moves a name within an overlay. Directories that lower layers have cannot be moved (see
    /// [`World::is_merged_directory`]).
    pub(crate) fn overlay_move(&mut self, dentry: DentryId, to_dir: DentryId, to_name: &str) {
        let Dentry { parent, name, .. } = self.vfs.dentries[dentry].clone();
        let (Ok(upper), Ok(upper_dir)) = (self.copy_up(dentry), self.copy_up(to_dir)) else { return };
        let replaces = self.remove_whiteout(upper_dir, to_name);
        self.move_name(upper, upper_dir, to_name);
        if replaces && self.is_directory(upper) {
            self.inode_of_mut(upper).xattrs.insert(OPAQUE.to_owned(), b"y".as_slice().into());
        }
        self.hide(parent, &name, None);
        self.vfs.dentries[parent].children.remove(&name);
        let d = &mut self.vfs.dentries[dentry];
        d.parent = to_dir;
        d.name = to_name.to_owned();
        self.vfs.dentries[to_dir].children.insert(to_name.to_owned(), dentry);
    }

    /// Whether a directory of an overlay has lower layers, so that rename(2) gives EXDEV.
    pub(crate) fn is_merged_directory(&self, dentry: DentryId) -> bool {
        self.is_overlay(dentry) && self.is_directory(dentry) && !self.behind(dentry).lowers.is_empty()
    }

    /// Removes a name from the upper layer and puts a whiteout there if a lower layer has it.
    fn hide(&mut self, dir: DentryId, name: &str, upper: Option<DentryId>) {
        if let Some(upper) = upper {
            self.remove_upper(upper);
        }
        let below = self.name_behind(&Behind { upper: None, lowers: self.behind(dir).lowers }, name);
        if !below.lowers.is_empty()
            && let Ok(dir) = self.copy_up(dir)
        {
            // A whiteout that finds no room leaves the lower name to be seen after the next mount.
            let _ = self.create_in(dir, name, InodeKind::CharDevice(0, 0), 0, Kuid::ROOT, Kgid::ROOT);
        }
    }

    /// Removes a name from the upper layer; a directory that looked empty may still hold whiteouts.
    fn remove_upper(&mut self, upper: DentryId) {
        let left: Vec<DentryId> = self.vfs.dentries[upper].children.values().copied().collect();
        for whiteout in left {
            self.remove_name(whiteout);
        }
        self.remove_name(upper);
    }

    /// Removes the whiteout of this name, if there is one. Whether there was.
    fn remove_whiteout(&mut self, dir: DentryId, name: &str) -> bool {
        match self.child_of(dir, name) {
            Some(whiteout) if self.is_whiteout(whiteout) => {
                self.remove_name(whiteout);
                true
            }
            _ => false,
        }
    }

    /// Forgets the names of an overlay; what is behind them belongs to the layers.
    pub(crate) fn free_merged_names(&mut self, dentry: DentryId) {
        let Some(d) = self.vfs.dentries.remove(dentry) else { return };
        for child in d.children.values() {
            self.free_merged_names(*child);
        }
    }
}

impl Kernel<'_> {
    /// Makes an overlay (`ovl_fill_super`).
    pub(super) fn new_overlay(
        &mut self,
        task: TaskId,
        fc: &FsContext,
        params: &OverlayParams,
    ) -> Result<SuperId, Errno> {
        let lower_paths = params.lowerdir.clone();
        if lower_paths.len() > MAX_LOWER_LAYERS {
            return Err(Errno::EINVAL);
        }
        let mut lowers = Vec::new();
        for path in &lower_paths {
            lowers.push(self.layer(task, path)?);
        }
        let upper = params.upperdir.as_deref().map(|path| self.layer(task, path)).transpose()?;
        let work = params.workdir.as_deref().map(|path| self.layer(task, path)).transpose()?;
        // A single layer is no overlay.
        if lowers.is_empty() || lowers.len() == 1 && upper.is_none() {
            return Err(Errno::EINVAL);
        }
        let upper = match (upper, work) {
            (Some(upper), Some(work)) => Some((upper, work)),
            // A work directory without an upper layer is of no use, and is not looked at.
            (None, _) => None,
            (Some(_), None) => return Err(Errno::EINVAL),
        };
        if let Some(((upper, upper_dentry), (work, work_dentry))) = upper {
            let nested = self.is_subdir(upper.node, work.node) || self.is_subdir(work.node, upper.node);
            let writable = !self.super_of(upper).read_only
                && !self.vfs.mounts[upper.mnt].flags.contains(MountFlags::RDONLY)
                && self.is_writable_tree(self.vfs.dentries[upper_dentry].sb)
                && !self.is_overlay(upper_dentry);
            if upper.mnt != work.mnt || nested || !writable {
                return Err(Errno::EINVAL);
            }
            let overlaps = |lower: &(VfsPath, DentryId)| {
                self.is_subdir(lower.0.node, upper.node) || self.is_subdir(lower.0.node, work.node)
            };
            if lowers.iter().any(overlaps) {
                return Err(Errno::ELOOP);
            }
            if self.child_of(work_dentry, "work").is_none() {
                self.create_in(work_dentry, "work", InodeKind::Directory, 0, Kuid::ROOT, Kgid::ROOT)?;
            }
        }
        let behind = Behind {
            upper: upper.map(|((_, dentry), _)| dentry),
            lowers: lowers.into_iter().map(|(_, dentry)| dentry).collect(),
        };
        let xattrs = params.userxattr() || self.capable(task, Cap::SYS_ADMIN);
        let uuid = self.overlay_uuid(behind.upper, params, xattrs);
        let layers = Layers { upper: behind.upper, lowers: behind.lowers.clone() };
        let sb = self.new_super(fc, FsKind::Overlay(layers), params.options(xattrs, &uuid));
        let Some(top) = behind.upper.or(behind.lowers.first().copied()) else { return Err(Errno::EINVAL) };
        let inode = self.vfs.dentries[top].inode;
        let root = self.vfs.dentries.add_with(|id| Dentry {
            sb,
            parent: id,
            name: String::new(),
            inode,
            children: OrdMap::new(),
            unlinked: false,
        });
        let superblock = &mut self.vfs.supers[sb];
        superblock.root = Node::Tree(root);
        superblock.read_only |= behind.upper.is_none();
        self.merge(root, &behind);
        Ok(sb)
    }

    /// What becomes of the option `uuid`: a new upper layer is given one, which it keeps (`ovl_init_uuid_xattr`).
    fn overlay_uuid(&mut self, upper: Option<DentryId>, params: &OverlayParams, xattrs: bool) -> String {
        let wanted = params.other("uuid").unwrap_or("auto");
        let Some(upper) = upper.filter(|_| matches!(wanted, "auto" | "on")) else { return wanted.to_owned() };
        if !xattrs {
            return "null".to_owned();
        }
        let name = if params.userxattr() { UUID_USER } else { UUID };
        if self.inode_of(upper).xattrs.contains_key(name) {
            return wanted.to_owned();
        }
        let uuid = self.random(16);
        self.inode_of_mut(upper).xattrs.insert(name.to_owned(), uuid.as_slice().into());
        "on".to_owned()
    }

    /// The directory that a layer is (`ovl_mount_dir`).
    fn layer(&mut self, task: TaskId, path: &str) -> Result<(VfsPath, DentryId), Errno> {
        let place = self.walk(task, AT_FDCWD, path, LookupFlags::FOLLOW)?;
        match place.node {
            Node::Tree(dentry) if self.is_dir(place) => Ok((place, dentry)),
            _ => Err(Errno::EINVAL),
        }
    }
}
