//! chroot(2): what `/` means. It moves neither the working directory nor any mount, and so holds nobody who
//! has the capability to call it again.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

/// chroot(2).
pub const CHROOT: SyscallInfo = SyscallInfo {
    nr: Sysno::CHROOT,
    man: "chroot(2)",
    args: &[Arg::Path("path")],
    errno: &[
        (Errno::ENOENT, "path leads nowhere"),
        (Errno::ENOTDIR, "path does not lead to a directory"),
        (Errno::EACCES, "no search permission on the way or in the directory"),
        (Errno::EPERM, "no CAP_SYS_CHROOT in the caller's user namespace"),
    ],
    support: Support::Full,
    run: chroot,
};

fn chroot(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let path = k.walk(caller, AT_FDCWD, args.str(0)?, LookupFlags::FOLLOW | LookupFlags::DIRECTORY)?;
    k.inode_permission(caller, path, Access::EXEC)?;
    let user_ns = k.tasks[caller].cred.user_ns;
    if !k.capable_in(caller, user_ns, Cap::SYS_CHROOT) {
        return Err(Errno::EPERM.into());
    }
    let text: Arc<str> = Arc::from(k.d_path(path, caller));
    let fs = k.tasks[caller].fs;
    k.set_fs_root(fs, path);
    k.emit(EventKind::RootChanged { task: caller, path: text });
    Ok(Ret::new(0))
}
