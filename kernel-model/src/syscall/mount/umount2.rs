//! umount2(2): takes a mount away.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::path::VfsPath;
use crate::vfs::umount::Umount;
use crate::vfs::walk::LookupFlags;

const MNT_FORCE: i64 = 1;
const MNT_DETACH: i64 = 2;
const MNT_EXPIRE: i64 = 4;
const UMOUNT_NOFOLLOW: i64 = 8;

const FLAGS: FlagNames = &[("MNT_FORCE", 1), ("MNT_DETACH", 2), ("MNT_EXPIRE", 4), ("UMOUNT_NOFOLLOW", 8)];

/// umount2(2).
pub const UMOUNT2: SyscallInfo = SyscallInfo {
    nr: Sysno::UMOUNT2,
    man: "umount(2)",
    args: &[Arg::Path("target"), Arg::Flags("flags", FLAGS)],
    errno: &[
        (Errno::EINVAL, "unknown flags"),
        (Errno::ENOENT, "target leads nowhere"),
        (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the mount namespace"),
        (Errno::EINVAL, "target is not a mount point of the caller's namespace"),
        (Errno::EINVAL, "the mount came from a more privileged namespace together with others"),
        (Errno::EPERM, "MNT_FORCE without CAP_SYS_ADMIN over the file system"),
        (Errno::EINVAL, "MNT_EXPIRE together with MNT_FORCE or MNT_DETACH, or for the root"),
        (Errno::EBUSY, "something is mounted below, or files, working directories or roots are in it"),
        (Errno::EAGAIN, "MNT_EXPIRE marked a mount that was not in use"),
    ],
    support: Support::Partial("MNT_FORCE has nothing to abort: there are no network file systems"),
    run: umount2,
};

fn umount2(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let flags = args.int(1)?;
    if flags & !(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let follow = if flags & UMOUNT_NOFOLLOW == 0 { LookupFlags::FOLLOW } else { LookupFlags::empty() };
    let path = k.walk(caller, AT_FDCWD, args.str(0)?, follow | LookupFlags::MOUNTPOINT)?;
    can_umount(k, caller, path, flags)?;
    k.security_sb_umount(caller, path)?;
    do_umount(k, caller, path, flags)?;
    Ok(Ret::new(0))
}

fn can_umount(k: &mut Kernel<'_>, caller: TaskId, path: VfsPath, flags: i64) -> Result<(), Errno> {
    if !k.may_mount(caller) {
        return Err(Errno::EPERM);
    }
    if !k.is_mount_root(path) || !k.is_own_mount(caller, path.mnt) || k.vfs.mounts[path.mnt].locked {
        return Err(Errno::EINVAL);
    }
    let sb_owner = k.super_of(path).user_ns;
    if flags & MNT_FORCE != 0 && !k.capable_in(caller, sb_owner, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

fn do_umount(k: &mut Kernel<'_>, caller: TaskId, path: VfsPath, flags: i64) -> Result<(), Errno> {
    let is_root = k.fs_root_of(caller).is_some_and(|root| root.mnt == path.mnt);
    if flags & MNT_EXPIRE != 0 {
        if is_root || flags & (MNT_FORCE | MNT_DETACH) != 0 {
            return Err(Errno::EINVAL);
        }
        if !k.vfs.mounts[path.mnt].children.is_empty() || k.is_mount_busy(path.mnt) {
            return Err(Errno::EBUSY);
        }
        if !k.vfs.mounts[path.mnt].expiring {
            k.vfs.mounts[path.mnt].expiring = true;
            return Err(Errno::EAGAIN);
        }
    }
    if is_root && flags & MNT_DETACH == 0 {
        return umount_root(k, caller, path);
    }
    let mut how = Umount { propagate: true, ..Umount::default() };
    if flags & MNT_DETACH == 0 {
        if k.is_umount_busy(path.mnt) {
            return Err(Errno::EBUSY);
        }
        how.unused = true;
    }
    k.umount_tree(path.mnt, how);
    Ok(())
}

/// The root of the caller is not taken away but made read-only (`do_umount_root`).
fn umount_root(k: &mut Kernel<'_>, caller: TaskId, path: VfsPath) -> Result<(), Errno> {
    let sb = k.vfs.mounts[path.mnt].sb;
    let owner = k.vfs.supers[sb].user_ns;
    if !k.capable_in(caller, owner, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    if !k.vfs.supers[sb].read_only {
        if k.has_writers(sb, None) {
            return Err(Errno::EBUSY);
        }
        k.vfs.supers[sb].read_only = true;
    }
    Ok(())
}
