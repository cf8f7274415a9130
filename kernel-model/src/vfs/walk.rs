//! From a path name to a place, as in path_resolution(7) (`fs/namei.c`).
//!
//! A walk starts at the root, the working directory or a descriptor and takes one name after the other:
//! it needs search permission on each directory, crosses into what is mounted there, follows symbolic
//! links, and goes up with `..` through the root of a mount to where that is mounted, but never above the
//! root of the task.

use std::sync::Arc;

use super::fd_table::Fd;
use super::file::OpenFile;
use super::fs::{FileType, Link};
use super::mount::MountFlags;
use super::path::VfsPath;
use super::permission::Access;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::task::TaskId;
use crate::world::World;

/// How many symbolic links one walk follows (`MAXSYMLINKS`).
const MAX_SYMLINKS: u32 = 40;

/// The longest path name, with its final NUL (`PATH_MAX`).
const PATH_MAX: usize = 4096;

bitflags::bitflags! {
    /// How to walk.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct LookupFlags: u32 {
        /// Follow a symbolic link at the end.
        const FOLLOW = 1;
        /// The end must be a directory.
        const DIRECTORY = 2;
        /// An empty path means the start itself (`AT_EMPTY_PATH`).
        const EMPTY = 4;
        /// `RESOLVE_NO_XDEV` of openat2(2): do not cross mounts.
        const NO_XDEV = 8;
        /// `RESOLVE_NO_MAGICLINKS`: do not follow links of procfs that jump.
        const NO_MAGICLINKS = 16;
        /// `RESOLVE_NO_SYMLINKS`: do not follow symbolic links at all.
        const NO_SYMLINKS = 32;
        /// `RESOLVE_BENEATH`: do not leave the starting directory.
        const BENEATH = 64;
        /// `RESOLVE_IN_ROOT`: the starting directory is the root.
        const IN_ROOT = 128;
        /// The end is what is mounted on top, even if the path is `.` (`LOOKUP_MOUNTPOINT`).
        const MOUNTPOINT = 256;
    }
}

/// The last name of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Last {
    /// A name.
    Name(String),
    /// `.`.
    Dot,
    /// `..`.
    DotDot,
    /// There is none: the path is `/`.
    Root,
}

/// A path walked up to its last name (`filename_parentat`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parent {
    /// The directory.
    pub dir: VfsPath,
    /// The name to be looked up, made or removed in it.
    pub last: Last,
    /// Slashes follow the name, so that it can only be a directory's.
    pub trailing_slash: bool,
}

/// The end of a path that may be about to be made (open(2) with `O_CREAT`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It exists.
    Existing(VfsPath),
    /// Everything but the last name exists.
    Missing {
        /// The directory.
        dir: VfsPath,
        /// The name that is not in it.
        name: String,
    },
}

/// A walk under way (`struct nameidata`).
struct Walk {
    task: TaskId,
    root: VfsPath,
    at: VfsPath,
    flags: LookupFlags,
    /// The names still to be walked, last one first.
    pending: Vec<String>,
    links_followed: u32,
    trailing_slash: bool,
}

impl World {
    /// The open file behind a descriptor of `task`.
    ///
    /// # Errors
    /// EBADF.
    pub fn file(&self, task: TaskId, fd: Fd) -> Result<&OpenFile, Errno> {
        let table = self.tasks.get(task).and_then(|t| t.files).ok_or(Errno::EBADF)?;
        let entry = self.vfs.fd_tables.get(table).and_then(|t| t.fds.get(&fd)).ok_or(Errno::EBADF)?;
        self.vfs.files.get(entry.file).ok_or(Errno::EBADF)
    }

    /// The topmost mount on a place: where a walk that arrives there really is.
    pub fn follow_mounts(&self, mut path: VfsPath) -> VfsPath {
        while let Some(child) = self.vfs.mounted_at.get(&(path.mnt, path.node)) {
            path = self.mount_root(*child);
        }
        path
    }

    /// One step up: to the directory above, through the root of a mount to where it is mounted, not above `root`
    /// (`follow_dotdot`).
    pub fn dotdot(&self, path: VfsPath, root: VfsPath) -> VfsPath {
        let mut at = path;
        loop {
            if at == root {
                return self.follow_mounts(path);
            }
            let mount = &self.vfs.mounts[at.mnt];
            if at.node != mount.root {
                break;
            }
            match mount.place {
                Some(place) => at = place,
                None => return self.follow_mounts(path),
            }
        }
        self.follow_mounts(VfsPath { mnt: at.mnt, node: self.parent_of(at.node) })
    }
}

impl Kernel<'_> {
    /// The place that a path leads to (`user_path_at`).
    ///
    /// # Errors
    /// Those of path_resolution(7): ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG; EBADF for the descriptor; EXDEV
    /// where a flag forbids to go.
    pub fn walk(&mut self, task: TaskId, dir: Fd, path: &str, flags: LookupFlags) -> Result<VfsPath, Errno> {
        let mut walk = self.start_walk(task, dir, path, flags)?;
        while let Some(name) = walk.pending.pop() {
            self.search(&walk)?;
            let last = walk.pending.is_empty();
            match name.as_str() {
                "." => {}
                ".." => self.step_up(&mut walk)?,
                name => {
                    let found = self.step(&mut walk, name, last)?;
                    found.ok_or(Errno::ENOENT)?;
                }
            }
        }
        if walk.flags.contains(LookupFlags::MOUNTPOINT) {
            walk.at = self.follow_mounts(walk.at);
        }
        if walk.flags.contains(LookupFlags::DIRECTORY) && !self.is_dir(walk.at) {
            return Err(Errno::ENOTDIR);
        }
        self.walked(task, path, walk.at);
        Ok(walk.at)
    }

    /// The directory that the last name of a path is in, which need not exist (`filename_parentat`).
    ///
    /// # Errors
    /// As for [`Kernel::walk`].
    pub fn walk_parent(&mut self, task: TaskId, dir: Fd, path: &str) -> Result<Parent, Errno> {
        let mut walk = self.start_walk(task, dir, path, LookupFlags::empty())?;
        let mut last = Last::Root;
        while let Some(name) = walk.pending.pop() {
            self.search(&walk)?;
            let is_last = walk.pending.is_empty();
            match name.as_str() {
                "." if is_last => last = Last::Dot,
                "." => {}
                ".." if is_last => last = Last::DotDot,
                ".." => self.step_up(&mut walk)?,
                name if is_last => last = Last::Name(name.to_owned()),
                name => {
                    self.step(&mut walk, name, false)?.ok_or(Errno::ENOENT)?;
                }
            }
        }
        self.walked(task, path, walk.at);
        Ok(Parent { dir: walk.at, last, trailing_slash: walk.trailing_slash })
    }

    /// What the last name of a path leads to in its directory, as it is: no symbolic link is followed and no
    /// mount crossed. `None` when there is nothing (`lookup_one_qstr_excl`).
    ///
    /// # Errors
    /// ENAMETOOLONG.
    pub fn lookup_in(&mut self, task: TaskId, dir: VfsPath, name: &str) -> Result<Option<VfsPath>, Errno> {
        Ok(self.lookup(task, dir, name)?.map(|node| VfsPath { mnt: dir.mnt, node }))
    }

    /// Where a path leads, or would lead once its last name is made: open(2) with `O_CREAT`. A symbolic link
    /// at the end is followed if `flags` say so, also to where there is nothing yet.
    ///
    /// # Errors
    /// As for [`Kernel::walk`]; EISDIR for a path that ends in a slash.
    pub fn walk_for_creation(&mut self, task: TaskId, dir: Fd, path: &str, flags: LookupFlags) -> Result<Found, Errno> {
        let mut walk = self.start_walk(task, dir, path, flags)?;
        while let Some(name) = walk.pending.pop() {
            self.search(&walk)?;
            let last = walk.pending.is_empty();
            match name.as_str() {
                "." => {}
                ".." => self.step_up(&mut walk)?,
                name => {
                    if last && walk.trailing_slash {
                        return Err(Errno::EISDIR);
                    }
                    let dir = walk.at;
                    if self.step(&mut walk, name, last)?.is_none() {
                        if !last {
                            return Err(Errno::ENOENT);
                        }
                        return Ok(Found::Missing { dir, name: name.to_owned() });
                    }
                }
            }
        }
        self.walked(task, path, walk.at);
        Ok(Found::Existing(walk.at))
    }

    /// Where a walk begins (`path_init`).
    fn start_walk(&mut self, task: TaskId, dir: Fd, path: &str, flags: LookupFlags) -> Result<Walk, Errno> {
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if path.is_empty() && !flags.contains(LookupFlags::EMPTY) {
            return Err(Errno::ENOENT);
        }
        let mut root = self.fs_root_of(task).ok_or(Errno::ENOENT)?;
        let scoped = flags.intersects(LookupFlags::BENEATH | LookupFlags::IN_ROOT);
        let absolute = path.starts_with('/');
        if absolute && flags.contains(LookupFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let at = if absolute && !scoped {
            root
        } else if dir == AT_FDCWD {
            self.cwd_of(task).ok_or(Errno::ENOENT)?
        } else {
            let place = self.file(task, dir)?.path();
            let start = place.ok_or(if path.is_empty() { Errno::EBADF } else { Errno::ENOTDIR })?;
            if !path.is_empty() && !self.is_dir(start) {
                return Err(Errno::ENOTDIR);
            }
            start
        };
        if scoped {
            root = at;
        }
        let mut walk = Walk {
            task,
            root,
            at,
            flags,
            pending: names_of(path),
            links_followed: 0,
            trailing_slash: ends_in_slash(path),
        };
        if walk.trailing_slash {
            walk.flags |= LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
        }
        Ok(walk)
    }

    /// Whether the walk may look for a name where it is (`may_lookup`).
    fn search(&mut self, walk: &Walk) -> Result<(), Errno> {
        if !self.is_dir(walk.at) {
            return Err(Errno::ENOTDIR);
        }
        self.inode_permission(walk.task, walk.at, Access::EXEC)
    }

    fn step_up(&mut self, walk: &mut Walk) -> Result<(), Errno> {
        if walk.at == walk.root && walk.flags.contains(LookupFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let up = self.dotdot(walk.at, walk.root);
        if up.mnt != walk.at.mnt && walk.flags.contains(LookupFlags::NO_XDEV) {
            return Err(Errno::EXDEV);
        }
        walk.at = up;
        Ok(())
    }

    /// One name down: into what is mounted there, or along the link that it is (`walk_component`, `step_into`).
    /// `None` when there is no such name.
    fn step(&mut self, walk: &mut Walk, name: &str, last: bool) -> Result<Option<()>, Errno> {
        let Some(node) = self.lookup(walk.task, walk.at, name)? else { return Ok(None) };
        let here = VfsPath { mnt: walk.at.mnt, node };
        let top = self.follow_mounts(here);
        if top.mnt != here.mnt && walk.flags.contains(LookupFlags::NO_XDEV) {
            return Err(Errno::EXDEV);
        }
        let follow = !last || walk.flags.contains(LookupFlags::FOLLOW);
        if follow && self.attr(top).file_type == FileType::Symlink {
            self.follow_link(walk, top, last)?;
        } else {
            walk.at = top;
        }
        Ok(Some(()))
    }

    /// Puts the names of a link's target before those that are left (`pick_link`).
    fn follow_link(&mut self, walk: &mut Walk, link: VfsPath, last: bool) -> Result<(), Errno> {
        walk.links_followed += 1;
        if walk.links_followed > MAX_SYMLINKS
            || walk.flags.contains(LookupFlags::NO_SYMLINKS)
            || self.vfs.mounts[link.mnt].flags.contains(MountFlags::NOSYMFOLLOW)
        {
            return Err(Errno::ELOOP);
        }
        match self.link_of(walk.task, link)? {
            Link::Jump(place) => {
                if walk.flags.contains(LookupFlags::NO_MAGICLINKS) {
                    return Err(Errno::ELOOP);
                }
                let leaves_mount = place.mnt != walk.at.mnt && walk.flags.contains(LookupFlags::NO_XDEV);
                if leaves_mount || walk.flags.intersects(LookupFlags::BENEATH | LookupFlags::IN_ROOT) {
                    return Err(Errno::EXDEV);
                }
                walk.at = place;
            }
            Link::Text(target) => {
                if target.starts_with('/') {
                    if walk.flags.contains(LookupFlags::BENEATH) {
                        return Err(Errno::EXDEV);
                    }
                    walk.at = walk.root;
                }
                if last && ends_in_slash(&target) {
                    walk.flags |= LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
                    walk.trailing_slash = true;
                }
                walk.pending.extend(names_of(&target));
            }
        }
        Ok(())
    }

    fn walked(&mut self, task: TaskId, path: &str, to: VfsPath) {
        if path.is_empty() || self.trace.silent {
            return;
        }
        let to = self.d_path(to, task);
        self.emit(EventKind::PathWalked { path: Arc::from(path), to: Arc::from(to) });
    }
}

/// The names of a path, last one first.
fn names_of(path: &str) -> Vec<String> {
    path.rsplit('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether slashes follow the last name.
fn ends_in_slash(path: &str) -> bool {
    path.ends_with('/') && path.bytes().any(|b| b != b'/')
}
