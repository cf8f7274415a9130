//! Mounting a new file system: what mount(2) without special flags does, and fsmount(2) in part.

use super::mount::ms;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::procfs::ProcNode;
use crate::vfs::fs::{FileType, FsKind, SuperId};
use crate::vfs::mount::{MountFlags, MountId};
use crate::vfs::path::VfsPath;
use crate::world::World;

/// The directories of sysfs that exist to be mounted upon and never hold anything
/// (`sysfs_create_mount_point`).
const SYSFS_MOUNT_POINTS: [&str; 8] = [
    "/fs/cgroup",
    "/fs/bpf",
    "/fs/pstore",
    "/fs/selinux",
    "/fs/fuse/connections",
    "/kernel/debug",
    "/kernel/security",
    "/kernel/tracing",
];

impl Kernel<'_> {
    /// Mounts a new file system of a type (`do_new_mount`).
    #[allow(clippy::too_many_arguments)] // those of mount(2)
    pub(super) fn new_file_system(
        &mut self,
        caller: TaskId,
        path: VfsPath,
        fs_type: Option<&str>,
        flags: u64,
        options: MountFlags,
        source: Option<&str>,
        data: &str,
    ) -> Result<(), Errno> {
        let fs_type = fs_type.ok_or(Errno::EINVAL)?;
        let mut fc = self.fs_context_for_mount(caller, fs_type)?;
        if flags & ms::RDONLY != 0 {
            fc.read_only = Some(true);
        }
        if let Some(source) = source {
            self.fs_param(caller, &mut fc, "source", Some(source))?;
        }
        self.parse_mount_data(caller, &mut fc, data)?;
        if !self.mount_capable(caller, &fc) {
            return Err(Errno::EPERM);
        }
        let sb = self.get_tree(caller, &fc)?;
        let result = self.mount_super(caller, path, sb, options, fc.source.as_deref());
        if result.is_err() {
            self.put_super(sb);
        }
        result
    }

    fn mount_super(
        &mut self,
        caller: TaskId,
        path: VfsPath,
        sb: SuperId,
        options: MountFlags,
        source: Option<&str>,
    ) -> Result<(), Errno> {
        let locked = self.check_not_revealing(caller, sb, options)?;
        let dest = self.lock_mount_point(path)?;
        if !self.is_own_mount(caller, dest.mnt) {
            return Err(Errno::EINVAL);
        }
        if self.vfs.mounts[dest.mnt].sb == sb && self.is_mount_root(dest) {
            return Err(Errno::EBUSY);
        }
        let root = self.root_for_mount(caller, sb);
        let mnt = self.new_mount(sb, root, source.unwrap_or("none"), options);
        if self.attr(self.mount_root(mnt)).file_type == FileType::Symlink {
            self.discard_tree(mnt);
            return Err(Errno::EINVAL);
        }
        self.vfs.mounts[mnt].locked_flags = locked;
        self.graft(caller, mnt, dest)
    }

    /// In a user namespace, proc and sysfs may only be mounted if they are visible already: something may have
    /// been mounted over parts of them to hide these. The options that the visible one has locked
    /// (`mount_too_revealing`).
    ///
    /// # Errors
    /// EPERM.
    pub(super) fn check_not_revealing(
        &self,
        caller: TaskId,
        sb: SuperId,
        options: MountFlags,
    ) -> Result<MountFlags, Errno> {
        let ns = self.tasks[caller].nsproxy.mnt;
        let shows_kernel = matches!(self.vfs.supers[sb].kind, FsKind::Proc(_) | FsKind::Sysfs);
        if self.mnt_namespaces[ns].ns.owner == self.first_user_ns() || !shows_kernel {
            return Ok(MountFlags::empty());
        }
        let mounts = self.mnt_namespaces[ns].mounts.iter();
        mounts.copied().find_map(|mnt| self.reveals_all(mnt, sb, options)).ok_or(Errno::EPERM)
    }
}

impl World {
    /// Whether a mount shows all of a file system of the same type as `sb`, under options that are not stricter.
    /// Then the options that are locked.
    fn reveals_all(&self, mnt: MountId, sb: SuperId, options: MountFlags) -> Option<MountFlags> {
        let mount = &self.vfs.mounts[mnt];
        let superblock = &self.vfs.supers[mount.sb];
        let same_type = superblock.kind.name() == self.vfs.supers[sb].kind.name();
        if !same_type || mount.root != superblock.root {
            return None;
        }
        let mut locked = mount.locked_flags & (MountFlags::RDONLY | MountFlags::ATIME);
        if superblock.read_only {
            locked |= MountFlags::RDONLY;
        }
        if locked.contains(MountFlags::RDONLY) && !options.contains(MountFlags::RDONLY) {
            return None;
        }
        let atime = MountFlags::ATIME;
        if locked.intersects(atime) && mount.flags & atime != options & atime {
            return None;
        }
        let hidden = mount.children.iter().any(|child| {
            let child = &self.vfs.mounts[*child];
            child.locked && child.place.is_some_and(|place| !self.is_always_empty(place))
        });
        (!hidden).then_some(locked)
    }

    /// Whether a directory exists only to be mounted upon (`is_empty_dir_inode`).
    fn is_always_empty(&self, path: VfsPath) -> bool {
        let sb = self.vfs.mounts[path.mnt].sb;
        let text = self.dentry_path(sb, path.node);
        match path.node {
            Node::Tree(_) => {
                matches!(self.vfs.supers[sb].kind, FsKind::Sysfs) && SYSFS_MOUNT_POINTS.contains(&text.as_str())
            }
            Node::Proc(ProcNode::Root) | Node::Cgroup(_) | Node::Ns(_) | Node::Pipe(_) => false,
            Node::Proc(_) => text == "/sys/fs/binfmt_misc",
        }
    }
}
