//! open_tree(2) and move_mount(2): trees of mounts held by descriptors. open_tree copies a tree without
//! attaching it anywhere; move_mount attaches it, or moves one from place to place.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::FileKind;
use crate::vfs::mount::MountId;
use crate::vfs::path::VfsPath;
use crate::vfs::walk::LookupFlags;

const OPEN_TREE_CLONE: u64 = 1;
const OPEN_TREE_CLOEXEC: u64 = o::CLOEXEC as u64;
pub(super) const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_NO_AUTOMOUNT: u64 = 0x800;
pub(super) const AT_EMPTY_PATH: u64 = 0x1000;
pub(super) const AT_RECURSIVE: u64 = 0x8000;

const TREE_FLAGS: FlagNames = &[
    ("OPEN_TREE_CLONE", OPEN_TREE_CLONE),
    ("OPEN_TREE_CLOEXEC", OPEN_TREE_CLOEXEC),
    ("AT_SYMLINK_NOFOLLOW", AT_SYMLINK_NOFOLLOW),
    ("AT_NO_AUTOMOUNT", AT_NO_AUTOMOUNT),
    ("AT_EMPTY_PATH", AT_EMPTY_PATH),
    ("AT_RECURSIVE", AT_RECURSIVE),
];

const F_SYMLINKS: u64 = 1;
const F_EMPTY_PATH: u64 = 4;
const T_SYMLINKS: u64 = 16;
const T_EMPTY_PATH: u64 = 64;
const SET_GROUP: u64 = 256;
const BENEATH: u64 = 512;

const MOVE_FLAGS: FlagNames = &[
    ("MOVE_MOUNT_F_SYMLINKS", F_SYMLINKS),
    ("MOVE_MOUNT_F_AUTOMOUNTS", 2),
    ("MOVE_MOUNT_F_EMPTY_PATH", F_EMPTY_PATH),
    ("MOVE_MOUNT_T_SYMLINKS", T_SYMLINKS),
    ("MOVE_MOUNT_T_AUTOMOUNTS", 32),
    ("MOVE_MOUNT_T_EMPTY_PATH", T_EMPTY_PATH),
    ("MOVE_MOUNT_SET_GROUP", SET_GROUP),
    ("MOVE_MOUNT_BENEATH", BENEATH),
];

/// open_tree(2).
pub const OPEN_TREE: SyscallInfo = SyscallInfo {
    nr: Sysno::OPEN_TREE,
    man: "open_tree(2)",
    args: &[Arg::Fd("dfd"), Arg::Path("pathname"), Arg::Flags("flags", TREE_FLAGS)],
    errno: &[
        (Errno::EFAULT, "pathname is not a string"),
        (Errno::EINVAL, "unknown flags, or AT_RECURSIVE without OPEN_TREE_CLONE"),
        (Errno::EPERM, "OPEN_TREE_CLONE without CAP_SYS_ADMIN over the mount namespace"),
        (Errno::EMFILE, "too many descriptors"),
        (Errno::EINVAL, "the tree may not be copied"),
    ],
    support: Support::Full,
    run: open_tree,
};

/// move_mount(2).
pub const MOVE_MOUNT: SyscallInfo = SyscallInfo {
    nr: Sysno::MOVE_MOUNT,
    man: "move_mount(2)",
    args: &[
        Arg::Fd("from_dfd"),
        Arg::Path("from_pathname"),
        Arg::Fd("to_dfd"),
        Arg::Path("to_pathname"),
        Arg::Flags("flags", MOVE_FLAGS),
    ],
    errno: &[
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EINVAL, "unknown flags"),
        (Errno::EFAULT, "a path is not a string"),
        (Errno::EINVAL, "what is to be moved is no mount, is locked, or is shared by its parent"),
        (Errno::ELOOP, "a mount would be moved below itself"),
    ],
    support: Support::Partial("MOVE_MOUNT_SET_GROUP and MOVE_MOUNT_BENEATH give EINVAL"),
    run: move_mount,
};

fn open_tree(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let flags = args.flags(2)?;
    let known = TREE_FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    if flags & !known != 0 || flags & (AT_RECURSIVE | OPEN_TREE_CLONE) == AT_RECURSIVE {
        return Err(Errno::EINVAL.into());
    }
    if flags & OPEN_TREE_CLONE != 0 && !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    k.unused_fd(caller, 0)?;
    let path = k.walk(caller, args.int32(0)?, args.str(1)?, lookup_flags(flags))?;
    let cloexec = if flags & OPEN_TREE_CLOEXEC != 0 { o::CLOEXEC } else { 0 };
    let kind = if flags & OPEN_TREE_CLONE != 0 {
        let copy = k.bindable_copy(caller, path, flags & AT_RECURSIVE != 0)?;
        return Ok(Ret::new(k.hold_tree(caller, copy, cloexec)?));
    } else {
        FileKind::Path(path)
    };
    Ok(Ret::new(k.install_file(caller, kind, o::PATH | cloexec)?))
}

/// How to walk with these `AT_*` flags.
pub(super) fn lookup_flags(flags: u64) -> LookupFlags {
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    lookup
}

fn move_mount(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let (from, to) = (args.str(1), args.str(3));
    let flags = args.flags(4)?;
    if !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    let known = MOVE_FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    if flags & !known != 0 || flags & (SET_GROUP | BENEATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut end = |dir: Fd, path: &str, symlinks: u64, empty: u64| -> Result<VfsPath, Errno> {
        let mut lookup = LookupFlags::empty();
        lookup.set(LookupFlags::FOLLOW, flags & symlinks != 0);
        lookup.set(LookupFlags::EMPTY, flags & empty != 0);
        k.walk(caller, dir, path, lookup)
    };
    let (from, to) = (from?, to?);
    let to = end(args.int32(2)?, to, T_SYMLINKS, T_EMPTY_PATH)?;
    let from = end(args.int32(0)?, from, F_SYMLINKS, F_EMPTY_PATH)?;
    k.move_mount(caller, from, to)?;
    Ok(Ret::new(0))
}

impl Kernel<'_> {
    /// A descriptor that holds a tree which is attached nowhere; the tree goes with it.
    ///
    /// # Errors
    /// EMFILE.
    pub(super) fn hold_tree(&mut self, caller: TaskId, tree: MountId, cloexec: u32) -> Result<Fd, Errno> {
        for mnt in self.mount_tree(tree) {
            self.vfs.mounts[mnt].anonymous = true;
        }
        let root = self.mount_root(tree);
        self.install_file(caller, FileKind::MountTree(root), o::PATH | cloexec)
    }
}
