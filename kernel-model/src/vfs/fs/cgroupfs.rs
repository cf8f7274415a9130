//! The file systems cgroup and cgroup2: directories are groups, files come from the tables of their controllers
//! (`crate::cgroup::file`). Both rest on kernfs, from which they have their errors: names can only be made with
//! mkdir(2) and removed with rmdir(2).

use serde::{Deserialize, Serialize};

use super::{Attr, FileType, SuperId};
use crate::cgroup::file::{At, FileRow};
use crate::cgroup::hierarchy::HierarchyId;
use crate::cgroup::{CgroupId, FileOwner};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::FileId;
use crate::vfs::fs::FsKind;
use crate::world::World;

/// A directory or file of a cgroup file system.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CgroupNode {
    /// The directory of a group.
    Dir(CgroupId),
    /// A file in it.
    File(CgroupId, FileRow),
}

impl CgroupNode {
    /// The group that it is about.
    pub fn group(self) -> CgroupId {
        match self {
            CgroupNode::Dir(group) | CgroupNode::File(group, _) => group,
        }
    }
}

impl World {
    /// What stat(2) shows.
    pub(super) fn cgroup_attr(&self, node: CgroupNode) -> Attr {
        let group = node.group();
        let g = self.cgroup(group);
        let (file_type, owner, ino, nlink) = match node {
            CgroupNode::Dir(_) => {
                let (uid, gid) = g.made_by;
                let links = if g.dying { 0 } else { 2 + g.children.len() as u32 };
                (FileType::Directory, FileOwner { uid, gid, mode: g.mode }, g.ino, links)
            }
            CgroupNode::File(_, row) => {
                let links = u32::from(self.cgroup_file_is_there(group, row));
                (FileType::Regular, self.cgroup_file_owner(group, row), g.ino + 1 + row.number(), links)
            }
        };
        Attr {
            ino,
            file_type,
            mode: owner.mode,
            uid: owner.uid,
            gid: owner.gid,
            nlink,
            size: 0,
            rdev: (0, 0),
            atime: g.made_at,
            mtime: g.made_at,
            ctime: g.made_at,
        }
    }

    pub(super) fn cgroup_parent_node(&self, node: CgroupNode) -> CgroupNode {
        match node {
            CgroupNode::Dir(group) => CgroupNode::Dir(self.cgroup(group).parent.unwrap_or(group)),
            CgroupNode::File(group, _) => CgroupNode::Dir(group),
        }
    }

    pub(super) fn cgroup_node_name(&self, node: CgroupNode) -> String {
        match node {
            CgroupNode::Dir(group) => self.cgroup(group).name.clone(),
            CgroupNode::File(group, row) => self.cgroup_file(group, row).map_or("", |f| f.name).to_owned(),
        }
    }

    pub(super) fn is_cgroup_node_gone(&self, node: CgroupNode) -> bool {
        match node {
            CgroupNode::Dir(group) => self.cgroup(group).dying,
            CgroupNode::File(group, row) => !self.cgroup_file_is_there(group, row),
        }
    }

    pub(super) fn cgroup_lookup(&self, node: CgroupNode, name: &str) -> Result<Option<CgroupNode>, Errno> {
        let CgroupNode::Dir(group) = node else { return Err(Errno::ENOTDIR) };
        let g = self.cgroup(group);
        if g.dying {
            return Ok(None);
        }
        if let Some(child) = g.children.get(name) {
            return Ok(Some(CgroupNode::Dir(*child)));
        }
        Ok(self.find_cgroup_file(group, name).map(|row| CgroupNode::File(group, row)))
    }

    /// What is in the directory of a group, in the order of kernfs: by the hash of the name.
    pub(crate) fn cgroup_readdir(&self, node: CgroupNode) -> Vec<(u64, String, CgroupNode)> {
        let CgroupNode::Dir(group) = node else { return Vec::new() };
        let g = self.cgroup(group);
        let children = g.children.iter().map(|(name, child)| (name.clone(), CgroupNode::Dir(*child)));
        let files = self.cgroup_files(group).into_iter();
        let files = files.map(|(row, file)| (file.name.to_owned(), CgroupNode::File(group, row)));
        let mut all: Vec<_> = children.chain(files).map(|(name, node)| (name_hash(&name), name, node)).collect();
        all.sort_unstable();
        all
    }

    /// Whether an open file, a root or working directory or a mount refers to the directory of a group or to a
    /// file in it.
    pub(crate) fn is_cgroup_open(&self, group: CgroupId) -> bool {
        let about = |node: Node| matches!(node, Node::Cgroup(n) if n.group() == group);
        self.vfs.files.iter().any(|(_, f)| f.path().is_some_and(|p| about(p.node)))
            || self.vfs.fs_structs.iter().any(|(_, fs)| about(fs.root.node) || about(fs.cwd.node))
            || self.vfs.mounts.iter().any(|(_, m)| about(m.root) || m.place.is_some_and(|p| about(p.node)))
    }

    /// The superblock of a hierarchy, if it is mounted anywhere. There is one for all cgroup namespaces.
    pub(crate) fn cgroup_super(&self, hierarchy: HierarchyId) -> Option<SuperId> {
        let found = self.vfs.supers.iter().find(|(_, sb)| match sb.kind {
            FsKind::Cgroup(h) | FsKind::Cgroup2(h) => h == hierarchy,
            _ => false,
        });
        found.map(|(id, _)| id)
    }

    /// Changes owner and mode of a directory or file (`kernfs_iop_setattr`).
    pub(crate) fn set_cgroup_owner(&mut self, node: CgroupNode, owner: FileOwner) {
        match node {
            CgroupNode::Dir(group) => {
                let g = &mut self.cgroups.groups[group];
                if g.made_by != (owner.uid, owner.gid) {
                    // What is in the directory stays with whom it was.
                    let kept: Vec<_> = self
                        .cgroup_files(group)
                        .into_iter()
                        .map(|(row, _)| (row, self.cgroup_file_owner(group, row)))
                        .collect();
                    self.cgroups.groups[group].changed_files.extend(kept);
                }
                let g = &mut self.cgroups.groups[group];
                g.made_by = (owner.uid, owner.gid);
                g.mode = owner.mode;
            }
            CgroupNode::File(group, row) => {
                self.cgroups.groups[group].changed_files.insert(row, owner);
            }
        }
    }

    /// The part of a hierarchy that a mount shows, as told from the root of the namespace of `task`: the fourth
    /// field of mountinfo (`cgroup_show_path`).
    pub(crate) fn cgroup_mount_root(&self, node: CgroupNode, task: TaskId) -> String {
        let ns = self.tasks[task].nsproxy.cgroup;
        let dir = self.cgroup_path_in(node.group(), ns);
        match node {
            CgroupNode::Dir(_) => dir,
            CgroupNode::File(..) => format!("{}/{}", dir.trim_end_matches('/'), self.cgroup_node_name(node)),
        }
    }
}

impl Kernel<'_> {
    /// What a file says to `reader`.
    ///
    /// # Errors
    /// Those of the file.
    pub(crate) fn cgroup_node_read(&self, reader: TaskId, file: FileId, node: CgroupNode) -> Result<Vec<u8>, Errno> {
        let CgroupNode::File(group, row) = node else { return Err(Errno::EISDIR) };
        Ok(self.read_cgroup_file(At { group, task: reader, file }, row)?.into_bytes())
    }

    /// Whether a file of events says something else than what was read from it last; `None` for files of which nobody is
    /// told (`kernfs_generic_poll`, `cgroup_file_notify`). One that has not been read yet counts as changed.
    pub(crate) fn cgroup_file_changed(&self, reader: TaskId, file: FileId, node: CgroupNode) -> Option<bool> {
        let name = self.cgroup_node_name(node);
        if !name.ends_with(".events") && !name.ends_with(".events.local") {
            return None;
        }
        let now = self.cgroup_node_read(reader, file, node).ok();
        Some(now.as_deref() != self.vfs.files[file].snapshot.as_deref())
    }

    /// Writes to a file. How much was written: all of it.
    ///
    /// # Errors
    /// Those of the file.
    pub(crate) fn cgroup_node_write(
        &mut self,
        writer: TaskId,
        file: FileId,
        node: CgroupNode,
        bytes: &[u8],
    ) -> Result<usize, Errno> {
        let CgroupNode::File(group, row) = node else { return Err(Errno::EINVAL) };
        self.write_cgroup_file(At { group, task: writer, file }, row, bytes)?;
        Ok(bytes.len())
    }
}

/// `kernfs_name_hash`: the order of the names in a directory.
fn name_hash(name: &str) -> u64 {
    const GOLDEN_RATIO_64: u64 = 0x61C8_8646_80B5_83EB;
    let sum = name.bytes().fold(0u64, |hash, byte| {
        let byte = u64::from(byte);
        hash.wrapping_add(byte << 4).wrapping_add(byte >> 4).wrapping_mul(11)
    });
    let hash = (sum.wrapping_mul(GOLDEN_RATIO_64) >> 32) & 0x7fff_ffff;
    if hash < 2 { hash + 2 } else { hash.min(0x7fff_fffe) }
}
