//! access(2), faccessat(2) and faccessat2(2): would the real user be allowed to?

use std::sync::Arc;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::security::capability::CapSet;
use crate::security::credentials::{Cred, SecureBits};
use crate::syscall::{Arg, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::FileType;
use crate::vfs::mount::MountFlags;
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

/// `AT_EACCESS`.
const AT_EACCESS: i64 = 0x200;

const MODES: FlagNames = &[("F_OK", 0), ("R_OK", 4), ("W_OK", 2), ("X_OK", 1)];

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown mode or flag"),
    (Errno::EBADF, "dirfd is not open"),
    (Errno::ENOENT, "a name does not exist"),
    (Errno::ENOTDIR, "a name on the way is no directory"),
    (Errno::EACCES, "the permission is missing, or the file lies on a noexec mount"),
    (Errno::EROFS, "the file system or the mount is read-only"),
];

/// access(2).
pub const ACCESS: SyscallInfo = SyscallInfo {
    nr: Sysno::ACCESS,
    man: "access(2)",
    args: &[Arg::Path("pathname"), Arg::Flags("mode", MODES)],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| check(k, caller, AT_FDCWD, a.str(0)?, a.int(1)?, 0),
};

/// faccessat(2).
pub const FACCESSAT: SyscallInfo = SyscallInfo {
    nr: Sysno::FACCESSAT,
    man: "access(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Flags("mode", MODES)],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| check(k, caller, a.int32(0)?, a.str(1)?, a.int(2)?, 0),
};

/// faccessat2(2).
pub const FACCESSAT2: SyscallInfo = SyscallInfo {
    nr: Sysno::FACCESSAT2,
    man: "access(2)",
    args: &[
        Arg::Fd("dirfd"),
        Arg::Path("pathname"),
        Arg::Flags("mode", MODES),
        Arg::Flags("flags", &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EACCESS", 0x200), ("AT_EMPTY_PATH", 0x1000)]),
    ],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| check(k, caller, a.int32(0)?, a.str(1)?, a.int(2)?, a.int(3)?),
};

/// `do_faccessat`.
fn check(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, mode: i64, flags: i64) -> SysResult {
    if mode & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
    let own = Arc::clone(&k.tasks[caller].cred);
    let cred = if flags & AT_EACCESS != 0 { own } else { Arc::new(real_credentials(k, &own)) };
    // The walk, too, is the real user's.
    let before = std::mem::replace(&mut k.tasks[caller].cred, Arc::clone(&cred));
    let place = k.walk(caller, dir, path, lookup);
    k.tasks[caller].cred = before;
    let place = place?;
    let attr = k.attr(place);
    let access = Access::from_bits_truncate(mode as u32);
    let noexec = k.vfs.mounts[place.mnt].flags.contains(MountFlags::NOEXEC);
    if access.contains(Access::EXEC) && attr.file_type == FileType::Regular && noexec {
        return Err(Errno::EACCES.into());
    }
    k.inode_permission_as(&cred, place, access)?;
    k.device_permission(caller, place, access)?;
    let stored = matches!(attr.file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
    if access.contains(Access::WRITE) && stored {
        k.mnt_want_write(place.mnt)?;
    }
    Ok(Ret::new(0))
}

/// Who the caller would be with its real ids (`access_override_creds`).
fn real_credentials(k: &Kernel<'_>, own: &Cred) -> Cred {
    let mut cred = own.clone();
    cred.fsuid = cred.uid;
    cred.fsgid = cred.gid;
    if !cred.securebits.contains(SecureBits::NO_SETUID_FIXUP) {
        let root = k.user_namespaces.get(cred.user_ns).and_then(|ns| ns.kuid(0));
        cred.effective = if Some(cred.uid) == root { cred.permitted } else { CapSet::EMPTY };
    }
    cred
}
