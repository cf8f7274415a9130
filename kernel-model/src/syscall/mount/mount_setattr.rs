//! mount_setattr(2): changes the options and the propagation type of a mount, or of a whole tree at once.
//!
//! The structure is `{attr_set, attr_clr, propagation, userns_fd}`.

use super::mount::ms;
use super::open_tree::{AT_EMPTY_PATH, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, lookup_flags};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::mount::{MountFlags, MountId};
use crate::vfs::propagation::PropagationType;

const AT_NO_AUTOMOUNT: u64 = 0x800;
const FLAGS: FlagNames = &[
    ("AT_SYMLINK_NOFOLLOW", AT_SYMLINK_NOFOLLOW),
    ("AT_NO_AUTOMOUNT", AT_NO_AUTOMOUNT),
    ("AT_EMPTY_PATH", AT_EMPTY_PATH),
    ("AT_RECURSIVE", AT_RECURSIVE),
];

const ATTR_NOATIME: u64 = 0x10;
const ATTR_STRICTATIME: u64 = 0x20;
/// The access time settings are one value, not bits (`MOUNT_ATTR__ATIME`).
const ATTR_ATIME: u64 = 0x70;
const ATTR_NODIRATIME: u64 = 0x80;
const ATTR_NOSYMFOLLOW: u64 = 0x20_0000;
const ATTR_VALID: u64 = 0xf | ATTR_ATIME | ATTR_NODIRATIME | ATTR_NOSYMFOLLOW;

/// The smallest and the largest structure.
const SIZES: std::ops::RangeInclusive<i64> = 32..=4096;

/// mount_setattr(2).
pub const MOUNT_SETATTR: SyscallInfo = SyscallInfo {
    nr: Sysno::MOUNT_SETATTR,
    man: "mount_setattr(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Flags("flags", FLAGS), Arg::Data("attr"), Arg::Int("size")],
    errno: &[
        (Errno::EINVAL, "unknown flags, or size is too small"),
        (Errno::E2BIG, "size is above one page"),
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EFAULT, "attr is not a structure"),
        (
            Errno::EINVAL,
            "unknown attributes, several propagation types, or an access time without clearing the old one",
        ),
        (Errno::EINVAL, "the path is not a mount point of the caller's namespace"),
        (Errno::EPERM, "an option would be cleared that a more privileged namespace has set"),
        (Errno::EBUSY, "files are open for writing in what would become read-only"),
    ],
    support: Support::Partial("mounts with mapped ids (MOUNT_ATTR_IDMAP) give EINVAL"),
    run: mount_setattr,
};

/// What is to be changed.
struct Change {
    set: MountFlags,
    clear: MountFlags,
    propagation: Option<PropagationType>,
}

fn mount_setattr(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let (flags, size) = (args.flags(2)?, args.int(4)?);
    let known = FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    if flags & !known != 0 || size < *SIZES.start() {
        return Err(Errno::EINVAL.into());
    }
    if size > *SIZES.end() {
        return Err(Errno::E2BIG.into());
    }
    if !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    let Value::Struct(_) = args.get(3) else { return Err(Errno::EFAULT.into()) };
    let field = |name| args.get(3).field(name).and_then(Value::as_int).unwrap_or(0) as u64;
    let (set, clear, propagation) = (field("attr_set"), field("attr_clr"), field("propagation"));
    if set == 0 && clear == 0 && propagation == 0 {
        return Ok(Ret::new(0));
    }
    let change = Change::from_attr(set, clear, propagation)?;
    let path = k.walk(caller, args.int32(0)?, args.str(1)?, lookup_flags(flags))?;
    let mount = &k.vfs.mounts[path.mnt];
    let reachable = k.is_own_mount(caller, path.mnt) || (mount.anonymous && mount.place.is_none());
    if !k.is_mount_root(path) || !reachable {
        return Err(Errno::EINVAL.into());
    }
    let tree = if flags & AT_RECURSIVE != 0 { k.mount_tree(path.mnt) } else { vec![path.mnt] };
    // All or nothing: first see whether every mount lets itself be changed.
    for mnt in &tree {
        change.check(k, *mnt)?;
    }
    for mnt in tree {
        let options = change.apply(k.vfs.mounts[mnt].flags);
        k.set_mount_flags(mnt, options)?;
        if let Some(to) = change.propagation {
            k.change_propagation(mnt, to);
        }
    }
    Ok(Ret::new(0))
}

impl Change {
    /// Reads the structure (`build_mount_kattr`).
    fn from_attr(set: u64, clear: u64, propagation: u64) -> Result<Change, Errno> {
        let propagation = match propagation {
            0 => None,
            ms::SHARED => Some(PropagationType::Shared),
            ms::SLAVE => Some(PropagationType::Slave),
            ms::PRIVATE => Some(PropagationType::Private),
            ms::UNBINDABLE => Some(PropagationType::Unbindable),
            _ => return Err(Errno::EINVAL),
        };
        if (set | clear) & !ATTR_VALID != 0 {
            return Err(Errno::EINVAL);
        }
        let (mut on, mut off) = (plain_options(set), plain_options(clear));
        if clear & ATTR_ATIME == ATTR_ATIME {
            off |= MountFlags::RELATIME | MountFlags::NOATIME;
            match set & ATTR_ATIME {
                0 => on |= MountFlags::RELATIME,
                ATTR_NOATIME => on |= MountFlags::NOATIME,
                ATTR_STRICTATIME => {}
                _ => return Err(Errno::EINVAL),
            }
        } else if (set | clear) & ATTR_ATIME != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Change { set: on, clear: off, propagation })
    }

    fn apply(&self, options: MountFlags) -> MountFlags {
        (options - self.clear) | self.set
    }

    fn check(&self, k: &Kernel<'_>, mnt: MountId) -> Result<(), Errno> {
        let mount = &k.vfs.mounts[mnt];
        let options = self.apply(mount.flags);
        if !k.may_change_flags(mnt, options) {
            return Err(Errno::EPERM);
        }
        let becomes_read_only = options.contains(MountFlags::RDONLY) && !mount.flags.contains(MountFlags::RDONLY);
        if becomes_read_only && k.has_writers(mount.sb, Some(mnt)) { Err(Errno::EBUSY) } else { Ok(()) }
    }
}

/// Attributes that are single bits (`attr_flags_to_mnt_flags`).
pub(super) fn plain_options(attr: u64) -> MountFlags {
    let mut options = MountFlags::from_bits_truncate(attr & 0xf);
    options.set(MountFlags::NODIRATIME, attr & ATTR_NODIRATIME != 0);
    options.set(MountFlags::NOSYMFOLLOW, attr & ATTR_NOSYMFOLLOW != 0);
    options
}
