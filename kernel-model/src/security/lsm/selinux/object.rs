//! The labels of things: of files by their extended attribute, by the option `context=` of their mount, or by the type
//! of their file system (`inode_doinit_with_dentry`, `genfscon`); of new files by who makes them where.

use std::sync::Arc;

use super::{Context, XATTR, policy};
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::procfs::ProcNode;
use crate::vfs::fs::procfs::node::TopFile;
use crate::vfs::fs::{FileType, FsKind, SuperId};
use crate::vfs::inode::{DentryId, InodeKind};
use crate::vfs::path::VfsPath;
use crate::world::World;

impl World {
    /// The label of what is at a place.
    pub fn selinux_label_of(&self, place: VfsPath) -> Context {
        let Some(mount) = self.vfs.mounts.get(place.mnt) else { return Context::object("unlabeled_t") };
        self.selinux_label(mount.sb, place.node)
    }

    fn selinux_label(&self, sb: SuperId, node: Node) -> Context {
        if let Some(context) = self.mount_context(sb) {
            return context;
        }
        match node {
            Node::Tree(dentry) => {
                let stored = self.inode_of(dentry).xattrs.get(XATTR);
                let stored = stored.and_then(|v| Context::parse(&String::from_utf8_lossy(v)));
                stored.unwrap_or_else(|| Context::object(default_type(&self.vfs.supers[sb].kind)))
            }
            Node::Proc(node) => self.proc_label(node),
            Node::Cgroup(_) => Context::object("cgroup_t"),
            Node::Ns(_) => Context::object("nsfs_t"),
            Node::Pipe(_) => Context::object("unlabeled_t"),
        }
    }

    /// The label that the option `context=` gives to everything in a file system.
    fn mount_context(&self, sb: SuperId) -> Option<Context> {
        let options = &self.vfs.supers[sb].options;
        options.iter().find_map(|o| Context::parse(o.strip_prefix("context=")?.trim_matches('"')))
    }

    /// procfs: what is of a process has its label, the rest that of its kind.
    fn proc_label(&self, node: ProcNode) -> Context {
        if let Some(task) = node.task() {
            let cred = self.tasks.get(task).map(|t| Arc::clone(&t.cred));
            return cred
                .and_then(|c| c.selinux_label().cloned())
                .map_or_else(|| Context::object("proc_t"), |c| Context { ..c });
        }
        Context::object(match node {
            ProcNode::Sysctl(_) | ProcNode::SysctlDir(_) | ProcNode::Conf(..) | ProcNode::ConfDir(_) => "sysctl_t",
            ProcNode::File(TopFile::Kmsg) => "proc_kmsg_t",
            _ => "proc_t",
        })
    }

    /// The class of what is at a place.
    pub(super) fn selinux_class_of(&self, place: VfsPath) -> &'static str {
        class_of(self.attr(place).file_type)
    }

    /// Gives a file a label.
    pub(crate) fn set_selinux_label(&mut self, dentry: DentryId, label: &Context) {
        let value: Arc<[u8]> = format!("{label}\0").into_bytes().into();
        self.inode_of_mut(dentry).xattrs.insert(XATTR.to_owned(), value);
    }
}

/// The class of a type of file (`inode_mode_to_security_class`).
fn class_of(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Directory => "dir",
        FileType::Regular => "file",
        FileType::Symlink => "lnk_file",
        FileType::CharDevice => "chr_file",
        FileType::BlockDevice => "blk_file",
        FileType::Fifo => "fifo_file",
        FileType::Socket => "sock_file",
    }
}

/// The class of what is to be made.
pub(super) fn class_of_kind(kind: &InodeKind) -> &'static str {
    match kind {
        InodeKind::Directory => "dir",
        InodeKind::Regular(_) => "file",
        InodeKind::Symlink(_) => "lnk_file",
        InodeKind::CharDevice(..) => "chr_file",
        InodeKind::BlockDevice(..) => "blk_file",
        InodeKind::Fifo(_) => "fifo_file",
        InodeKind::Socket => "sock_file",
    }
}

/// The type of what has no label of its own.
fn default_type(kind: &FsKind) -> &'static str {
    match kind {
        FsKind::Tmpfs(_) => "tmpfs_t",
        FsKind::Sysfs => "sysfs_t",
        FsKind::Devpts(_) => "devpts_t",
        FsKind::Mqueue => "tmpfs_t",
        FsKind::Policy(crate::vfs::fs::policyfs::PolicyFs::Selinuxfs) => "security_t",
        FsKind::Policy(_) => "securityfs_t",
        FsKind::Rootfs => "root_t",
        _ => "unlabeled_t",
    }
}

impl Kernel<'_> {
    /// The label of a new thing of a class that a task makes in a place with another label
    /// (`security_transition_sid`): its own user and lowest level, and the type that the policy or the place says.
    pub(super) fn selinux_new_label(&self, task: TaskId, parent: &Context, class: &str) -> Context {
        let security = self.tasks[task].cred.selinux();
        if let Some(label) = security.fscreate {
            return label;
        }
        let own = security.current;
        let transition = policy::TYPE_TRANSITIONS
            .iter()
            .find(|(source, target, of, _)| *source == own.kind && *target == parent.kind && *of == class);
        let kind = transition.map_or_else(|| parent.kind.clone(), |t| t.3.to_owned());
        Context { user: own.user, role: "object_r".into(), kind, high: own.low.clone(), low: own.low }
    }

    /// A file was made: it gets its label (`selinux_inode_init_security`).
    pub(crate) fn selinux_init_inode(&mut self, task: TaskId, dir: VfsPath, made: DentryId) {
        if self.selinux().is_none() {
            return;
        }
        let sb = self.vfs.mounts[dir.mnt].sb;
        if self.mount_context(sb).is_some() {
            return;
        }
        let parent = self.selinux_label_of(dir);
        let class = class_of_kind(&self.inode_of(made).kind.clone());
        let label = self.selinux_new_label(task, &parent, class);
        self.world.set_selinux_label(made, &label);
    }
}
