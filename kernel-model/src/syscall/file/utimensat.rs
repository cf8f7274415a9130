//! utimensat(2): the times of a file.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;
use crate::vfs::Node;
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

/// `UTIME_NOW` and `UTIME_OMIT`.
const UTIME_NOW: i64 = (1 << 30) - 1;
const UTIME_OMIT: i64 = (1 << 30) - 2;

/// utimensat(2).
pub const UTIMENSAT: SyscallInfo = SyscallInfo {
    nr: Sysno::UTIMENSAT,
    man: "utimensat(2)",
    args: &[
        Arg::Fd("dirfd"),
        Arg::Path("pathname"),
        Arg::Data("times"),
        Arg::Flags("flags", &[("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_EMPTY_PATH", 0x1000)]),
    ],
    errno: &[
        (Errno::EINVAL, "an unknown flag, or nanoseconds out of range"),
        (Errno::EBADF, "dirfd is not open"),
        (Errno::ENOENT, "a name does not exist"),
        (Errno::EROFS, "the file system or the mount is read-only"),
        (Errno::EPERM, "certain times, by somebody who does not own the file and lacks CAP_FOWNER over it"),
        (Errno::EACCES, "the present time, by somebody who neither owns the file nor may write it"),
    ],
    support: Support::Full,
    run: utimensat,
};

/// What becomes of one of the times.
#[derive(Clone, Copy, PartialEq)]
enum New {
    Now,
    Omit,
    At(Nanos),
}

fn utimensat(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let flags = a.int(3)?;
    let (access, modify) = match a.get(2) {
        Value::Null | Value::Int(0) => (New::Now, New::Now),
        Value::List(times) => (time(times.first())?, time(times.get(1))?),
        _ => return Err(Errno::EFAULT.into()),
    };
    if access == New::Omit && modify == New::Omit {
        return Ok(Ret::new(0));
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let place = match a.opt_str(1)? {
        None => {
            let file = k.real_file_id(caller, a.int32(0)?)?;
            match k.vfs.files[file].path() {
                Some(place) => place,
                None => return Ok(Ret::new(0)),
            }
        }
        Some(path) => {
            let mut lookup = LookupFlags::empty();
            lookup.set(LookupFlags::FOLLOW, flags & AT_SYMLINK_NOFOLLOW == 0);
            lookup.set(LookupFlags::EMPTY, flags & AT_EMPTY_PATH != 0);
            k.walk(caller, a.int32(0)?, path, lookup)?
        }
    };
    k.mnt_want_write(place.mnt)?;
    let attr = k.attr(place);
    if (access, modify) == (New::Now, New::Now) {
        // Whoever may write the file may say that he did.
        let owns =
            k.tasks[caller].cred.fsuid == attr.uid || k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::FOWNER);
        if !owns {
            k.inode_permission(caller, place, Access::WRITE)?;
        }
    } else if !super::chmod::owner_or_capable(k, caller, &attr) {
        return Err(Errno::EPERM.into());
    }
    let Node::Tree(dentry) = place.node else { return Ok(Ret::new(0)) };
    let now = k.unix_time();
    let pick = |new: New, old: Nanos| match new {
        New::Now => now,
        New::Omit => old,
        New::At(at) => at,
    };
    let inode = k.inode_of_mut(dentry);
    inode.atime = pick(access, inode.atime);
    inode.mtime = pick(modify, inode.mtime);
    inode.ctime = now;
    Ok(Ret::new(0))
}

/// A `struct timespec`.
fn time(value: Option<&Value>) -> Result<New, Errno> {
    let value = value.ok_or(Errno::EFAULT)?;
    let field = |name| value.field(name).and_then(Value::as_int).ok_or(Errno::EFAULT);
    let (sec, nsec) = (field("tv_sec")?, field("tv_nsec")?);
    match nsec {
        UTIME_NOW => Ok(New::Now),
        UTIME_OMIT => Ok(New::Omit),
        0..1_000_000_000 => Ok(New::At(Nanos::from_timespec(sec.max(0) as u64, nsec as u64))),
        _ => Err(Errno::EINVAL),
    }
}
