//! readlink(2) and readlinkat(2): where a symbolic link leads.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::{FileType, Link};
use crate::vfs::walk::LookupFlags;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "the size is not positive, or it is no symbolic link"),
    (Errno::EBADF, "dirfd is not open"),
    (Errno::ENOENT, "a name does not exist"),
    (Errno::ENOTDIR, "a name on the way is no directory"),
    (Errno::EACCES, "search permission is missing, or the caller may not look into the process"),
];

/// readlink(2). The target is output 1.
pub const READLINK: SyscallInfo = SyscallInfo {
    nr: Sysno::READLINK,
    man: "readlink(2)",
    args: &[Arg::Path("pathname"), Arg::Path("buf"), Arg::Int("bufsiz")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| read(k, caller, AT_FDCWD, a.str(0)?, a.int(2)?, 1),
};

/// readlinkat(2). The target is output 2.
pub const READLINKAT: SyscallInfo = SyscallInfo {
    nr: Sysno::READLINKAT,
    man: "readlink(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Path("buf"), Arg::Int("bufsiz")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| read(k, caller, a.int32(0)?, a.str(1)?, a.int(3)?, 2),
};

fn read(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, size: i64, position: u8) -> SysResult {
    let size = usize::try_from(size).ok().filter(|n| *n > 0).ok_or(Errno::EINVAL)?;
    let place = k.walk(caller, dir, path, LookupFlags::EMPTY)?;
    if k.attr(place).file_type != FileType::Symlink {
        return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL }.into());
    }
    let text = match k.link_of(caller, place)? {
        Link::Text(text) => text,
        Link::Jump(to) => k.d_path(to, caller),
    };
    let cut = (0..=size.min(text.len())).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    Ok(Ret::new(cut as i64).with(position, Value::str(&text[..cut])))
}
