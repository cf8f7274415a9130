//! fcntl(2): the flags of descriptors and of open files, and locks.

use crate::errno::Errno;
use crate::ipc::pipe::PIPE_CAPACITY;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::security::rlimit::NOFILE;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::fs::FsKind;
use crate::vfs::inode::{F_SEAL_SEAL, InodeId, InodeKind};

/// The commands.
const COMMANDS: FlagNames = &[
    ("F_DUPFD", 0),
    ("F_GETFD", 1),
    ("F_SETFD", 2),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("F_GETLK", 5),
    ("F_SETLK", 6),
    ("F_SETLKW", 7),
    ("F_SETOWN", 8),
    ("F_GETOWN", 9),
    ("F_OFD_GETLK", 36),
    ("F_OFD_SETLK", 37),
    ("F_OFD_SETLKW", 38),
    ("F_DUPFD_CLOEXEC", 1030),
    ("F_SETPIPE_SZ", 1031),
    ("F_GETPIPE_SZ", 1032),
    ("F_ADD_SEALS", 1033),
    ("F_GET_SEALS", 1034),
];

/// Flags that `F_SETFL` can change.
const SETTABLE: u32 = o::APPEND | o::NONBLOCK | 0o20_000 | 0o40_000 | 0o1_000_000;
/// All of `F_SEAL_*`.
const F_ALL_SEALS: u32 = 0x3f;

/// fcntl(2).
pub const FCNTL: SyscallInfo = SyscallInfo {
    nr: Sysno::FCNTL,
    man: "fcntl(2)",
    args: &[Arg::Fd("fd"), Arg::Enum("cmd", COMMANDS), Arg::Int("arg")],
    errno: &[
        (Errno::EBADF, "fd is not open, or was opened with O_PATH and the command needs more"),
        (Errno::EINVAL, "an unknown command, or F_DUPFD with a number that is negative or above RLIMIT_NOFILE"),
        (Errno::EMFILE, "F_DUPFD: RLIMIT_NOFILE is reached"),
    ],
    support: Support::Partial("record locks are granted to everybody at once; seals are accepted and not enforced"),
    run: fcntl,
};

fn fcntl(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (fd, cmd) = (a.int32(0)?, a.int(1)?);
    let id = k.file_id(caller, fd)?;
    if k.vfs.files[id].flags & o::PATH != 0 && !matches!(cmd, 0..=3 | 1030) {
        return Err(Errno::EBADF.into());
    }
    let table = k.fd_table_of(caller)?;
    let arg = || a.int(2);
    Ok(Ret::new(match cmd {
        0 | 1030 => {
            let limit = k.processes[k.tasks[caller].process].rlimits.0[NOFILE].soft;
            let from = i32::try_from(arg()?).ok().filter(|n| *n >= 0 && (*n as u64) < limit).ok_or(Errno::EINVAL)?;
            i64::from(super::dup::duplicate(k, caller, fd, from, cmd == 1030)?)
        }
        1 => i64::from(k.vfs.fd_tables[table].fds.get(&fd).is_some_and(|e| e.cloexec)),
        2 => {
            let cloexec = arg()? & 1 != 0;
            if let Some(entry) = k.vfs.fd_tables[table].fds.get_mut(&fd) {
                entry.cloexec = cloexec;
            }
            0
        }
        // Opening on a 64-bit kernel sets O_LARGEFILE, which is shown.
        3 if k.vfs.files[id].flags & o::PATH != 0 => i64::from(k.vfs.files[id].flags),
        3 if matches!(k.vfs.files[id].kind, FileKind::Path(_)) => i64::from(k.vfs.files[id].flags | 0o100_000),
        3 => i64::from(k.vfs.files[id].flags),
        4 => {
            let new = arg()? as u32;
            let flags = &mut k.vfs.files[id].flags;
            *flags = (*flags & !SETTABLE) | (new & SETTABLE);
            0
        }
        5..=9 | 36..=38 => 0,
        1031 | 1032 => match k.vfs.files[id].kind {
            FileKind::PipeRead(..) | FileKind::PipeWrite(..) | FileKind::PipeBoth(..) => PIPE_CAPACITY as i64,
            _ => return Err(Errno::EBADF.into()),
        },
        1033 | 1034 => {
            let inode = sealable(k, id);
            if cmd == 1033 {
                add_seals(k, id, inode, arg()? as u32)?;
                0
            } else {
                i64::from(k.vfs.inodes[inode.ok_or(Errno::EINVAL)?].seals)
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    }))
}

/// The file in memory that a descriptor is open on (`memfd_file_seals_ptr`).
fn sealable(k: &Kernel<'_>, id: FileId) -> Option<InodeId> {
    let FileKind::Path(place) = k.vfs.files[id].kind else { return None };
    let Node::Tree(dentry) = place.node else { return None };
    let inode = k.vfs.dentries[dentry].inode;
    let regular = matches!(k.vfs.inodes[inode].kind, InodeKind::Regular(_));
    (regular && matches!(k.super_of(place).kind, FsKind::Tmpfs(_))).then_some(inode)
}

/// `memfd_add_seals`.
fn add_seals(k: &mut Kernel<'_>, id: FileId, inode: Option<InodeId>, seals: u32) -> Result<(), Errno> {
    if !k.vfs.files[id].can_write() {
        return Err(Errno::EPERM);
    }
    let inode = inode.filter(|_| seals & !F_ALL_SEALS == 0).ok_or(Errno::EINVAL)?;
    let inode = &mut k.vfs.inodes[inode];
    if inode.seals & F_SEAL_SEAL != 0 {
        return Err(Errno::EPERM);
    }
    inode.seals |= seals;
    Ok(())
}
