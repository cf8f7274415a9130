//! Places in the mount tree: a node seen through a mount, and how such a place is written as a name
//! (`fs/d_path.c`).

use serde::{Deserialize, Serialize};

use super::Node;
use super::mount::MountId;
use crate::id;
use crate::task::TaskId;
use crate::world::World;

id! {
    /// Root, working directory and umask of a task, shared between `CLONE_FS` tasks.
    FsStructId
}

/// A place: a node, and the mount through which it was reached (`struct path`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VfsPath {
    /// The mount.
    pub mnt: MountId,
    /// The node in the mounted file system.
    pub node: Node,
}

/// Root, working directory and umask (`struct fs_struct`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FsStruct {
    /// What `/` means.
    pub root: VfsPath,
    /// What `.` means.
    pub cwd: VfsPath,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// How many tasks share it.
    pub users: u32,
}

/// Whether the way up from a place ends at the root from which its name is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It does.
    Root,
    /// It ends at the root of a mount tree: the place lies outside.
    Outside,
    /// It ends at a mount that is no longer attached anywhere.
    Detached,
}

impl World {
    /// What `/` means for a task; `None` when it has exited.
    pub fn fs_root_of(&self, task: TaskId) -> Option<VfsPath> {
        self.fs_struct_of(task).map(|fs| fs.root)
    }

    /// What `.` means for a task; `None` when it has exited.
    pub fn cwd_of(&self, task: TaskId) -> Option<VfsPath> {
        self.fs_struct_of(task).map(|fs| fs.cwd)
    }

    fn fs_struct_of(&self, task: TaskId) -> Option<&FsStruct> {
        let task = self.tasks.get(task).filter(|t| !t.state.has_exited())?;
        self.vfs.fs_structs.get(task.fs)
    }

    /// The name of a place as told from `root` (or from as far up as it goes), and whether that goes all the
    /// way (`prepend_path`).
    pub fn path_from(&self, path: VfsPath, root: VfsPath) -> (String, Reach) {
        let mut names: Vec<String> = Vec::new();
        let mut at = path;
        let reach = loop {
            if at == root {
                break Reach::Root;
            }
            let Some(mount) = self.vfs.mounts.get(at.mnt) else { break Reach::Detached };
            if at.node == mount.root {
                match mount.place {
                    Some(place) => at = place,
                    None if mount.ns.is_some() => break Reach::Outside,
                    None => break Reach::Detached,
                }
                continue;
            }
            let parent = self.parent_of(at.node);
            if parent == at.node {
                break Reach::Outside;
            }
            names.push(self.name_of(mount.sb, at.node));
            at.node = parent;
        };
        let mut text = String::new();
        for name in names.iter().rev() {
            text.push('/');
            text.push_str(name);
        }
        if text.is_empty() {
            text.push('/');
        }
        (text, reach)
    }

    /// The name of a place as `task` sees it (`d_path`): what `/proc/PID/fd` shows. A name that has been taken
    /// away ends in ` (deleted)`; a namespace outside the tree is `mnt:[4026531841]`.
    pub fn d_path(&self, path: VfsPath, task: TaskId) -> String {
        if let Node::Ns(ns) = path.node
            && self.vfs.mounts.get(path.mnt).is_none_or(|m| m.root != path.node)
        {
            return self.ns_link_text(ns);
        }
        if let Node::Pipe(pipe) = path.node {
            return self.pipe_name(pipe);
        }
        let root = self.fs_root_of(task).unwrap_or(path);
        let (mut text, _) = self.path_from(path, root);
        if self.is_unlinked(path.node) {
            text.push_str(" (deleted)");
        }
        text
    }

    /// The name of a node inside its file system (`dentry_path`): the fourth field of mountinfo.
    pub fn dentry_path(&self, sb: super::fs::SuperId, node: Node) -> String {
        if let Node::Ns(ns) = node {
            return self.ns_link_text(ns);
        }
        let mut names: Vec<String> = Vec::new();
        let mut at = node;
        loop {
            let parent = self.parent_of(at);
            if parent == at {
                break;
            }
            names.push(self.name_of(sb, at));
            at = parent;
        }
        let mut text = String::new();
        for name in names.iter().rev() {
            text.push('/');
            text.push_str(name);
        }
        if text.is_empty() {
            text.push('/');
        }
        if self.is_unlinked(node) {
            text.push_str("//deleted");
        }
        text
    }
}
