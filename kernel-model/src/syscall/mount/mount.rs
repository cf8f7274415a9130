//! mount(2): six calls in one. The flags say which: change the options of a mount or of its file system,
//! mount a directory a second time, change how mounts propagate, move a mount, or mount a new file system.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::security::capability::Cap;
use crate::security::lsm::{Lsm, MountRequest};
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::copy_tree::CopyFlags;
use crate::vfs::mount::{MountFlags, MountId};
use crate::vfs::path::VfsPath;
use crate::vfs::propagation::PropagationType;
use crate::vfs::walk::LookupFlags;

#[allow(missing_docs)] // the flags of mount(2)
pub mod ms {
    pub const RDONLY: u64 = 1;
    pub const NOSUID: u64 = 2;
    pub const NODEV: u64 = 4;
    pub const NOEXEC: u64 = 8;
    pub const REMOUNT: u64 = 32;
    pub const NOSYMFOLLOW: u64 = 256;
    pub const NOATIME: u64 = 1024;
    pub const NODIRATIME: u64 = 2048;
    pub const BIND: u64 = 4096;
    pub const MOVE: u64 = 8192;
    pub const REC: u64 = 16384;
    pub const SILENT: u64 = 32768;
    pub const UNBINDABLE: u64 = 1 << 17;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
    pub const RELATIME: u64 = 1 << 21;
    pub const STRICTATIME: u64 = 1 << 24;
    pub const NOUSER: u64 = 1 << 31;
    pub const MGC_VAL: u64 = 0xC0ED_0000;
    pub const MGC_MSK: u64 = 0xFFFF_0000;
}

/// The flags in the order in which strace prints them.
const FLAGS: FlagNames = &[
    ("MS_MGC_VAL", ms::MGC_VAL),
    ("MS_RDONLY", ms::RDONLY),
    ("MS_NOSUID", ms::NOSUID),
    ("MS_NODEV", ms::NODEV),
    ("MS_NOEXEC", ms::NOEXEC),
    ("MS_SYNCHRONOUS", 16),
    ("MS_REMOUNT", ms::REMOUNT),
    ("MS_MANDLOCK", 64),
    ("MS_DIRSYNC", 128),
    ("MS_NOSYMFOLLOW", ms::NOSYMFOLLOW),
    ("MS_NOATIME", ms::NOATIME),
    ("MS_NODIRATIME", ms::NODIRATIME),
    ("MS_BIND", ms::BIND),
    ("MS_MOVE", ms::MOVE),
    ("MS_REC", ms::REC),
    ("MS_SILENT", ms::SILENT),
    ("MS_POSIXACL", 1 << 16),
    ("MS_UNBINDABLE", ms::UNBINDABLE),
    ("MS_PRIVATE", ms::PRIVATE),
    ("MS_SLAVE", ms::SLAVE),
    ("MS_SHARED", ms::SHARED),
    ("MS_RELATIME", ms::RELATIME),
    ("MS_KERNMOUNT", 1 << 22),
    ("MS_I_VERSION", 1 << 23),
    ("MS_STRICTATIME", ms::STRICTATIME),
    ("MS_LAZYTIME", 1 << 25),
    ("MS_NOUSER", ms::NOUSER),
];

/// mount(2).
pub const MOUNT: SyscallInfo = SyscallInfo {
    nr: Sysno::MOUNT,
    man: "mount(2)",
    args: &[
        Arg::Path("source"),
        Arg::Path("target"),
        Arg::Str("filesystemtype"),
        Arg::Flags("mountflags", FLAGS),
        Arg::Str("data"),
    ],
    errno: &[
        (Errno::EFAULT, "target is not a string"),
        (Errno::ENOENT, "target or source leads nowhere"),
        (Errno::EINVAL, "MS_NOUSER"),
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EINVAL, "target is not a mount point where one is needed, or not of the caller's namespace"),
        (Errno::EPERM, "an option would be cleared that a more privileged namespace has set"),
        (Errno::EBUSY, "files are open for writing in what would become read-only"),
        (Errno::EINVAL, "the source of a bind mount is unbindable, or hides what is below locked mounts"),
        (Errno::EINVAL, "the mount to be moved is shared by its parent, locked, or not a mount point"),
        (Errno::ELOOP, "a mount would be moved below itself"),
        (Errno::ENOTDIR, "a directory would be mounted on a file or a file on a directory"),
        (Errno::ENODEV, "the type of file system is unknown"),
        (Errno::ENOTBLK, "the type needs a block device and source is none"),
        (Errno::EPERM, "the caller may not mount this type, or it would show what is hidden from him (proc, sysfs)"),
        (Errno::EBUSY, "the same file system is mounted there already, or the cgroup hierarchy is in use otherwise"),
        (Errno::ENOSPC, "the namespace has too many mounts"),
    ],
    support: Support::Partial(
        "file systems on block devices cannot be mounted; of debugfs, tracefs, securityfs, bpf, hugetlbfs and \
         devtmpfs there is an empty directory",
    ),
    run: mount,
};

fn mount(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let source = args.opt_str(0)?;
    let fs_type = args.opt_str(2)?;
    let flags = args.flags(3)?;
    // Data that is not text is for file systems that are not modelled.
    let data = args.get(4).as_str().unwrap_or("");
    let path = k.walk(caller, AT_FDCWD, args.str(1)?, LookupFlags::FOLLOW)?;
    k.path_mount(caller, path, source, fs_type, flags, data)?;
    Ok(Ret::new(0))
}

/// What the flags of mount(2) say about the options of the mount itself.
fn mount_flags(flags: u64, current: MountFlags) -> MountFlags {
    let mut options = MountFlags::from_bits_truncate(flags) & !MountFlags::RELATIME;
    if flags & ms::NOATIME == 0 {
        options |= MountFlags::RELATIME;
    }
    if flags & ms::STRICTATIME != 0 {
        options -= MountFlags::RELATIME | MountFlags::NOATIME;
    }
    let says_atime = flags & (ms::NOATIME | ms::NODIRATIME | ms::RELATIME | ms::STRICTATIME) != 0;
    if flags & ms::REMOUNT != 0 && !says_atime {
        // The default for a remount is to leave it.
        options = (options - MountFlags::ATIME) | (current & MountFlags::ATIME);
    }
    options
}

impl Kernel<'_> {
    /// The calls that are in mount(2) (`path_mount`).
    ///
    /// # Errors
    /// Those of mount(2).
    pub(crate) fn path_mount(
        &mut self,
        caller: TaskId,
        path: VfsPath,
        source: Option<&str>,
        fs_type: Option<&str>,
        flags: u64,
        data: &str,
    ) -> Result<(), Errno> {
        let flags = if flags & ms::MGC_MSK == ms::MGC_VAL { flags & !ms::MGC_MSK } else { flags };
        self.ask_before_mount(caller, path, source, fs_type, flags)?;
        if flags & ms::NOUSER != 0 {
            return Err(Errno::EINVAL);
        }
        if !self.may_mount(caller) {
            return Err(Errno::EPERM);
        }
        let options = mount_flags(flags, self.vfs.mounts[path.mnt].flags);
        if flags & ms::REMOUNT != 0 && flags & ms::BIND != 0 {
            self.reconfigure_mount(caller, path, options)
        } else if flags & ms::REMOUNT != 0 {
            self.remount(caller, path, options, flags & ms::RDONLY != 0, data)
        } else if flags & ms::BIND != 0 {
            self.bind_mount(caller, path, source, flags & ms::REC != 0)
        } else if flags & (ms::SHARED | ms::PRIVATE | ms::SLAVE | ms::UNBINDABLE) != 0 {
            self.change_type(caller, path, flags)
        } else if flags & ms::MOVE != 0 {
            let source = source.filter(|s| !s.is_empty()).ok_or(Errno::EINVAL)?;
            let from = self.walk(caller, AT_FDCWD, source, LookupFlags::FOLLOW)?;
            self.move_mount(caller, from, path)
        } else {
            self.new_file_system(caller, path, fs_type, flags, options, source, data)
        }
    }

    /// What the security module says, which knows the source of a bind mount or a move by its place.
    fn ask_before_mount(
        &mut self,
        caller: TaskId,
        target: VfsPath,
        source: Option<&str>,
        fs_type: Option<&str>,
        flags: u64,
    ) -> Result<(), Errno> {
        if self.lsm == Lsm::None {
            return Ok(());
        }
        let walks = flags & (ms::BIND | ms::MOVE) != 0 && flags & ms::REMOUNT == 0;
        let from = match source.filter(|s| walks && !s.is_empty()) {
            Some(source) => Some(self.walk(caller, AT_FDCWD, source, LookupFlags::FOLLOW)?),
            None => None,
        };
        self.security_sb_mount(caller, &MountRequest { source, from, target, fs_type, flags })
    }

    /// Options of the mount alone (`do_reconfigure_mnt`).
    fn reconfigure_mount(&mut self, caller: TaskId, path: VfsPath, options: MountFlags) -> Result<(), Errno> {
        if !self.is_own_mount(caller, path.mnt) || !self.is_mount_root(path) {
            return Err(Errno::EINVAL);
        }
        if !self.may_change_flags(path.mnt, options) {
            return Err(Errno::EPERM);
        }
        self.set_mount_flags(path.mnt, options)
    }

    /// Whether these options clear none that is locked (`can_change_locked_flags`).
    pub(super) fn may_change_flags(&self, mnt: MountId, options: MountFlags) -> bool {
        let mount = &self.vfs.mounts[mnt];
        let locked = mount.locked_flags;
        let strict = locked - MountFlags::ATIME;
        let atime_locked = locked.intersects(MountFlags::ATIME);
        options.contains(strict) && (!atime_locked || options & MountFlags::ATIME == mount.flags & MountFlags::ATIME)
    }

    /// Sets the options of a mount; EBUSY if it becomes read-only under somebody who writes.
    pub(super) fn set_mount_flags(&mut self, mnt: MountId, options: MountFlags) -> Result<(), Errno> {
        let mount = &self.vfs.mounts[mnt];
        let becomes_read_only = options.contains(MountFlags::RDONLY) && !mount.flags.contains(MountFlags::RDONLY);
        if becomes_read_only && self.has_writers(mount.sb, Some(mnt)) {
            return Err(Errno::EBUSY);
        }
        self.vfs.mounts[mnt].flags = options;
        Ok(())
    }

    /// Options of the file system, and of the mount with it (`do_remount`).
    fn remount(
        &mut self,
        caller: TaskId,
        path: VfsPath,
        options: MountFlags,
        read_only: bool,
        data: &str,
    ) -> Result<(), Errno> {
        if !self.is_own_mount(caller, path.mnt) || !self.is_mount_root(path) {
            return Err(Errno::EINVAL);
        }
        if !self.may_change_flags(path.mnt, options) {
            return Err(Errno::EPERM);
        }
        let sb = self.vfs.mounts[path.mnt].sb;
        let mut fc = self.fs_context_for_reconfigure(sb);
        fc.read_only = Some(read_only);
        self.parse_mount_data(caller, &mut fc, data)?;
        let owner = self.vfs.supers[sb].user_ns;
        if !self.capable_in(caller, owner, Cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        self.reconfigure_super(&fc)?;
        self.vfs.mounts[path.mnt].flags = options;
        Ok(())
    }

    /// Mounts what is at `source` a second time (`do_loopback`).
    fn bind_mount(
        &mut self,
        caller: TaskId,
        path: VfsPath,
        source: Option<&str>,
        recursive: bool,
    ) -> Result<(), Errno> {
        let source = source.filter(|s| !s.is_empty()).ok_or(Errno::EINVAL)?;
        let from = self.walk(caller, AT_FDCWD, source, LookupFlags::FOLLOW)?;
        if self.is_mnt_ns_loop(caller, from.node) {
            return Err(Errno::EINVAL);
        }
        let dest = self.lock_mount_point(path)?;
        if !self.is_own_mount(caller, dest.mnt) {
            return Err(Errno::EINVAL);
        }
        let copy = self.bindable_copy(caller, from, recursive)?;
        self.graft(caller, copy, dest)
    }

    /// A copy of what is mounted at a place, as a bind mount shows it (`__do_loopback`).
    pub(super) fn bindable_copy(&mut self, caller: TaskId, from: VfsPath, recursive: bool) -> Result<MountId, Errno> {
        let is_namespace = matches!(from.node, crate::vfs::Node::Ns(_));
        let mount = &self.vfs.mounts[from.mnt];
        if mount.propagation.unbindable
            || !(self.is_own_mount(caller, from.mnt) || is_namespace || mount.anonymous)
            || (!recursive && self.has_locked_children(from))
        {
            return Err(Errno::EINVAL);
        }
        let copy = if recursive {
            self.copy_tree(from, CopyFlags::COPY_MNT_NS_FILE)?.0
        } else {
            self.clone_mount(from.mnt, from.node, CopyFlags::empty())
        };
        self.vfs.mounts[copy].locked = false;
        Ok(copy)
    }

    /// Attaches a new tree; it is forgotten if that fails (`graft_tree`).
    pub(super) fn graft(&mut self, caller: TaskId, tree: MountId, dest: VfsPath) -> Result<(), Errno> {
        let attached = if self.is_dir(dest) == self.is_dir(self.mount_root(tree)) {
            self.attach_tree(caller, tree, dest, false)
        } else {
            Err(Errno::ENOTDIR)
        };
        if attached.is_err() {
            self.discard_tree(tree);
        }
        attached
    }

    /// Changes how mounts propagate (`do_change_type`).
    fn change_type(&mut self, caller: TaskId, path: VfsPath, flags: u64) -> Result<(), Errno> {
        if !self.is_mount_root(path) {
            return Err(Errno::EINVAL);
        }
        let to = match flags & !(ms::REC | ms::SILENT) {
            ms::SHARED => PropagationType::Shared,
            ms::PRIVATE => PropagationType::Private,
            ms::SLAVE => PropagationType::Slave,
            ms::UNBINDABLE => PropagationType::Unbindable,
            _ => return Err(Errno::EINVAL),
        };
        self.may_change_propagation(caller, path.mnt)?;
        let tree = if flags & ms::REC != 0 { self.mount_tree(path.mnt) } else { vec![path.mnt] };
        for mnt in tree {
            self.change_propagation(mnt, to);
        }
        Ok(())
    }

    /// Whether `caller` has power over the namespace that a mount is in (`may_change_propagation`).
    ///
    /// # Errors
    /// EINVAL for a mount in no tree; EPERM.
    pub(super) fn may_change_propagation(&mut self, caller: TaskId, mnt: MountId) -> Result<(), Errno> {
        let mount = &self.vfs.mounts[mnt];
        if !mount.is_mounted() {
            return Err(Errno::EINVAL);
        }
        let owner = mount.ns.map_or_else(|| self.mnt_ns_owner(caller), |ns| self.mnt_namespaces[ns].ns.owner);
        if self.capable_in(caller, owner, Cap::SYS_ADMIN) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Moves a mount with all below it, or attaches a tree that a descriptor holds (`do_move_mount`).
    ///
    /// # Errors
    /// EINVAL, ENOENT, ELOOP as in mount(2).
    pub(super) fn move_mount(&mut self, caller: TaskId, from: VfsPath, to: VfsPath) -> Result<(), Errno> {
        let dest = self.lock_mount_point(to)?;
        let mount = &self.vfs.mounts[from.mnt];
        let parent = mount.parent();
        let movable = match parent {
            Some(_) => self.is_own_mount(caller, from.mnt),
            None => mount.anonymous,
        };
        let parent_is_shared = parent.is_some_and(|p| self.vfs.mounts[p].propagation.shared.is_some());
        let tree = self.mount_tree(from.mnt);
        if !self.is_own_mount(caller, dest.mnt)
            || !movable
            || mount.locked
            || !self.is_mount_root(from)
            || self.is_dir(dest) != self.is_dir(from)
            || parent_is_shared
        {
            return Err(Errno::EINVAL);
        }
        let dest_is_shared = self.vfs.mounts[dest.mnt].propagation.shared.is_some();
        if dest_is_shared && tree.iter().any(|m| self.vfs.mounts[*m].propagation.unbindable) {
            return Err(Errno::EINVAL);
        }
        if tree.iter().any(|m| self.is_mnt_ns_loop(caller, self.vfs.mounts[*m].root)) || tree.contains(&dest.mnt) {
            return Err(Errno::ELOOP);
        }
        self.attach_tree(caller, from.mnt, dest, true)
    }
}
