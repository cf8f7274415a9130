//! nsfs: every namespace is a file, which `/proc/PID/ns/KIND` leads to. Who has it open or mounts it
//! somewhere keeps the namespace alive.

use super::{Attr, FileType, FsKind, SuperBlock};
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::security::credentials::{Kgid, Kuid};
use crate::vfs::Node;
use crate::vfs::mount::{MountFlags, MountId};
use crate::vfs::path::VfsPath;
use crate::world::World;

impl World {
    /// What a link to a namespace says, such as `mnt:[4026531841]`.
    pub fn ns_link_text(&self, ns: NsRef) -> String {
        let inum = self.ns_common(ns).map_or(0, |c| c.inum);
        format!("{}:[{inum}]", ns.kind().name())
    }

    /// What stat(2) shows of a namespace.
    pub(super) fn ns_attr(&self, ns: NsRef) -> Attr {
        Attr {
            ino: u64::from(self.ns_common(ns).map_or(0, |c| c.inum)),
            file_type: FileType::Regular,
            mode: 0o444,
            uid: Kuid::ROOT,
            gid: Kgid::ROOT,
            nlink: 1,
            size: 0,
            rdev: (0, 0),
            atime: self.clock,
            mtime: self.clock,
            ctime: self.clock,
        }
    }
}

impl Kernel<'_> {
    /// A namespace as a place: in the kernel's own mount of nsfs, which is in nobody's tree.
    pub(crate) fn ns_path(&mut self, ns: NsRef) -> VfsPath {
        VfsPath { mnt: self.internal_mount(), node: Node::Ns(ns) }
    }

    /// The kernel's own mount, for what has no place in anybody's tree.
    pub(crate) fn internal_mount(&mut self) -> MountId {
        if let Some(mount) = self.vfs.nsfs_mount {
            return mount;
        }
        let dev = self.new_anon_dev();
        let user_ns = self.first_user_ns();
        self.hold_ns(NsRef::User(user_ns));
        let sb = self.vfs.supers.add(SuperBlock {
            kind: FsKind::Nsfs,
            // A place that no name leads to: nsfs has no directory.
            root: Node::Tree(crate::vfs::inode::DentryId(0)),
            user_ns,
            key: None,
            dev,
            read_only: false,
            options: Vec::new(),
            last_ino: 0,
        });
        let root = self.vfs.supers[sb].root;
        let mount = self.new_mount(sb, root, "nsfs", MountFlags::empty());
        self.vfs.nsfs_mount = Some(mount);
        mount
    }
}
