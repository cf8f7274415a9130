//! fsopen(2), fspick(2), fsconfig(2) and fsmount(2): mounting a new file system, or changing one, step by step.
//! The context that a descriptor holds collects the parameters.

use super::mount_setattr::plain_options;
use super::open_tree::lookup_flags;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::fs::context::FsContext;
use crate::vfs::mount::MountFlags;

const FSOPEN_CLOEXEC: u64 = 1;
const FSMOUNT_CLOEXEC: u64 = 1;

const PICK_FLAGS: FlagNames =
    &[("FSPICK_CLOEXEC", 1), ("FSPICK_SYMLINK_NOFOLLOW", 2), ("FSPICK_NO_AUTOMOUNT", 4), ("FSPICK_EMPTY_PATH", 8)];

const ATTR_FLAGS: FlagNames = &[
    ("MOUNT_ATTR_RDONLY", 1),
    ("MOUNT_ATTR_NOSUID", 2),
    ("MOUNT_ATTR_NODEV", 4),
    ("MOUNT_ATTR_NOEXEC", 8),
    ("MOUNT_ATTR_NOATIME", 0x10),
    ("MOUNT_ATTR_STRICTATIME", 0x20),
    ("MOUNT_ATTR_NODIRATIME", 0x80),
    ("MOUNT_ATTR_NOSYMFOLLOW", 0x20_0000),
];

const SET_FLAG: i64 = 0;
const SET_STRING: i64 = 1;
const CMD_CREATE: i64 = 6;
const CMD_RECONFIGURE: i64 = 7;

const COMMANDS: FlagNames = &[
    ("FSCONFIG_SET_FLAG", 0),
    ("FSCONFIG_SET_STRING", 1),
    ("FSCONFIG_SET_BINARY", 2),
    ("FSCONFIG_SET_PATH", 3),
    ("FSCONFIG_SET_PATH_EMPTY", 4),
    ("FSCONFIG_SET_FD", 5),
    ("FSCONFIG_CMD_CREATE", 6),
    ("FSCONFIG_CMD_RECONFIGURE", 7),
    ("FSCONFIG_CMD_CREATE_EXCL", 8),
];

/// fsopen(2).
pub const FSOPEN: SyscallInfo = SyscallInfo {
    nr: Sysno::FSOPEN,
    man: "fsopen(2)",
    args: &[Arg::Str("fsname"), Arg::Flags("flags", &[("FSOPEN_CLOEXEC", FSOPEN_CLOEXEC)])],
    errno: &[
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EINVAL, "unknown flags"),
        (Errno::EFAULT, "fsname is not a string"),
        (Errno::ENODEV, "the type of file system is unknown"),
        (Errno::EMFILE, "too many descriptors"),
    ],
    support: Support::Partial("the messages that a context collects cannot be read"),
    run: fsopen,
};

/// fspick(2).
pub const FSPICK: SyscallInfo = SyscallInfo {
    nr: Sysno::FSPICK,
    man: "fspick(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Flags("flags", PICK_FLAGS)],
    errno: &[
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EINVAL, "unknown flags, or the path is no mount point"),
        (Errno::EMFILE, "too many descriptors"),
    ],
    support: Support::Full,
    run: fspick,
};

/// fsconfig(2).
pub const FSCONFIG: SyscallInfo = SyscallInfo {
    nr: Sysno::FSCONFIG,
    man: "fsconfig(2)",
    args: &[Arg::Fd("fd"), Arg::Enum("cmd", COMMANDS), Arg::Str("key"), Arg::Str("value"), Arg::Int("aux")],
    errno: &[
        (Errno::EINVAL, "key, value or aux does not go with the command"),
        (Errno::EOPNOTSUPP, "a parameter that is a path, a descriptor or binary; or an unknown command"),
        (Errno::EBADF, "fd is not open"),
        (Errno::EINVAL, "fd holds no context, or the type does not take the parameter"),
        (Errno::EBUSY, "the context is past this step"),
        (Errno::EPERM, "the caller may not mount this type, or has no power over the file system"),
    ],
    support: Support::Partial("parameters are flags and strings"),
    run: fsconfig,
};

/// fsmount(2).
pub const FSMOUNT: SyscallInfo = SyscallInfo {
    nr: Sysno::FSMOUNT,
    man: "fsmount(2)",
    args: &[
        Arg::Fd("fsfd"),
        Arg::Flags("flags", &[("FSMOUNT_CLOEXEC", FSMOUNT_CLOEXEC)]),
        Arg::Flags("attr_flags", ATTR_FLAGS),
    ],
    errno: &[
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EINVAL, "unknown flags, or fsfd holds no context of a file system that has been made"),
        (Errno::EBADF, "fsfd is not open"),
        (Errno::EPERM, "it would show what is hidden from the caller (proc, sysfs)"),
        (Errno::EMFILE, "too many descriptors"),
    ],
    support: Support::Full,
    run: fsmount,
};

fn install(k: &mut Kernel<'_>, caller: TaskId, fc: FsContext, cloexec: bool) -> SysResult {
    let flags = o::RDWR | if cloexec { o::CLOEXEC } else { 0 };
    Ok(Ret::new(k.install_file(caller, FileKind::FsContext(Box::new(fc)), flags)?))
}

fn fsopen(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    if !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    let flags = args.flags(1)?;
    if flags & !FSOPEN_CLOEXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    let fc = k.fs_context_for_mount(caller, args.str(0)?)?;
    install(k, caller, fc, flags & FSOPEN_CLOEXEC != 0)
}

fn fspick(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    if !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    let flags = args.flags(2)?;
    if flags & !0xf != 0 {
        return Err(Errno::EINVAL.into());
    }
    // The same as the AT_ flags, under other numbers.
    let at = if flags & 2 != 0 { 0x100 } else { 0 } | if flags & 8 != 0 { 0x1000 } else { 0 };
    let path = k.walk(caller, args.int32(0)?, args.str(1)?, lookup_flags(at))?;
    if !k.is_mount_root(path) {
        return Err(Errno::EINVAL.into());
    }
    let fc = k.fs_context_for_reconfigure(k.vfs.mounts[path.mnt].sb);
    install(k, caller, fc, flags & 1 != 0)
}

/// The context that a descriptor holds.
fn context(k: &Kernel<'_>, caller: TaskId, fd: Fd) -> Result<(FileId, FsContext), Errno> {
    let id = k.real_file_id(caller, fd)?;
    match &k.vfs.files[id].kind {
        FileKind::FsContext(fc) => Ok((id, (**fc).clone())),
        _ => Err(Errno::EINVAL),
    }
}

fn fsconfig(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let (fd, command, key) = (args.int32(0)?, args.int(1)?, args.opt_str(2)?);
    let has_value = !matches!(args.get(3), Value::Null | Value::Int(0));
    let aux = args.int(4)?;
    if fd < 0 {
        return Err(Errno::EINVAL.into());
    }
    let fits = match command {
        SET_FLAG => key.is_some() && !has_value && aux == 0,
        SET_STRING => key.is_some() && has_value && aux == 0,
        CMD_CREATE | CMD_RECONFIGURE => key.is_none() && !has_value && aux == 0,
        _ => return Err(Errno::EOPNOTSUPP.into()),
    };
    if !fits {
        return Err(Errno::EINVAL.into());
    }
    let (id, mut fc) = context(k, caller, fd)?;
    let is_made = fc.sb.is_some() && !fc.reconfigure;
    if is_made || (command == CMD_CREATE && fc.reconfigure) || (command == CMD_RECONFIGURE && !fc.reconfigure) {
        return Err(Errno::EBUSY.into());
    }
    match (command, key) {
        (CMD_CREATE, _) => {
            if !k.mount_capable(caller, &fc) {
                return Err(Errno::EPERM.into());
            }
            fc.sb = Some(k.get_tree(caller, &fc)?);
        }
        (CMD_RECONFIGURE, _) => {
            let owner = fc.user_ns;
            if !k.capable_in(caller, owner, Cap::SYS_ADMIN) {
                return Err(Errno::EPERM.into());
            }
            k.reconfigure_super(&fc)?;
        }
        (SET_STRING, Some(key)) => k.fs_param(caller, &mut fc, key, Some(args.str(3)?))?,
        (_, Some(key)) => k.fs_param(caller, &mut fc, key, None)?,
        (_, None) => return Err(Errno::EINVAL.into()),
    }
    k.vfs.files[id].kind = FileKind::FsContext(Box::new(fc));
    Ok(Ret::new(0))
}

fn fsmount(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    if !k.may_mount(caller) {
        return Err(Errno::EPERM.into());
    }
    let (flags, attr) = (args.flags(1)?, args.flags(2)?);
    let known = ATTR_FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    if flags & !FSMOUNT_CLOEXEC != 0 || attr & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut options = plain_options(attr);
    match attr & 0x70 {
        0 => options |= MountFlags::RELATIME,
        0x10 => options |= MountFlags::NOATIME,
        0x20 => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    let (id, mut fc) = context(k, caller, args.int32(0)?)?;
    let Some(sb) = fc.sb.filter(|_| !fc.reconfigure) else { return Err(Errno::EINVAL.into()) };
    let locked = k.check_not_revealing(caller, sb, options)?;
    k.unused_fd(caller, 0)?;
    let root = k.root_for_mount(caller, sb);
    let mnt = k.new_mount(sb, root, fc.source.as_deref().unwrap_or("none"), options);
    k.vfs.mounts[mnt].locked_flags = locked;
    // From here on the context can only change what it has made.
    fc.reconfigure = true;
    k.vfs.files[id].kind = FileKind::FsContext(Box::new(fc));
    let cloexec = if flags & FSMOUNT_CLOEXEC != 0 { o::CLOEXEC } else { 0 };
    Ok(Ret::new(k.hold_tree(caller, mnt, cloexec)?))
}
