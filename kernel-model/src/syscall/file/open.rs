//! open(2), openat(2), creat(2) and openat2(2): from a path to a descriptor.

use crate::errno::Errno;
use crate::ipc::pipe::PipeId;
use crate::kernel::Kernel;
use crate::program::libc::{AT_FDCWD, o};
use crate::security::capability::Cap;
use crate::security::ptrace::AccessMode;
use crate::syscall::{Arg, Args, Call, FlagNames, Ret, Sleep, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::tty::Tty;
use crate::vfs::Node;
use crate::vfs::content::Content;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::FileKind;
use crate::vfs::fs::FileType;
use crate::vfs::fs::devices::Device;
use crate::vfs::fs::procfs::ProcNode;
use crate::vfs::fs::procfs::node::TaskFile;
use crate::vfs::inode::{DentryId, InodeKind};
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;
use crate::vfs::walk::{Found, LookupFlags};

/// `O_NOATIME`.
const NOATIME: u32 = 0o1_000_000;
/// `__O_TMPFILE`.
const TMPFILE: u32 = 0o20_000_000;
/// Flags that stay with the description (`f_flags`).
const CREATION_FLAGS: u32 = o::CREAT | o::EXCL | o::NOCTTY | o::TRUNC;

/// The flags of open(2) in the order in which strace prints them.
pub const OPEN_FLAGS: FlagNames = &[
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_CREAT", 0o100),
    ("O_EXCL", 0o200),
    ("O_NOCTTY", 0o400),
    ("O_TRUNC", 0o1000),
    ("O_APPEND", 0o2000),
    ("O_NONBLOCK", 0o4000),
    ("O_SYNC", 0o4_010_000),
    ("O_DSYNC", 0o10_000),
    ("FASYNC", 0o20_000),
    ("O_DIRECT", 0o40_000),
    ("O_LARGEFILE", 0o100_000),
    ("O_NOFOLLOW", 0o400_000),
    ("O_NOATIME", 0o1_000_000),
    ("O_CLOEXEC", 0o2_000_000),
    ("O_PATH", 0o10_000_000),
    ("O_TMPFILE", 0o20_200_000),
    ("O_DIRECTORY", 0o200_000),
];

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "O_CREAT with O_DIRECTORY, or O_TMPFILE without O_DIRECTORY and write access"),
    (
        Errno::ENOENT,
        "the path is empty, a name on the way does not exist, or the last one does not and O_CREAT is not given",
    ),
    (Errno::EMFILE, "RLIMIT_NOFILE is reached"),
    (Errno::EBADF, "the path is relative and dirfd is no descriptor"),
    (Errno::ENAMETOOLONG, "the path has 4096 bytes or more, or a name more than 255"),
    (Errno::ENOTDIR, "a name on the way is no directory, or O_DIRECTORY is given and the last one is none"),
    (Errno::ELOOP, "more than 40 symbolic links, or O_NOFOLLOW is given and the last name is one"),
    (Errno::EEXIST, "O_CREAT and O_EXCL are given and the name exists"),
    (Errno::EISDIR, "a directory cannot be opened for writing or with O_CREAT"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EACCES, "permission is missing for a directory on the way or for the file; a device on a nodev mount"),
    (Errno::EPERM, "O_NOATIME by somebody who does not own the file and lacks CAP_FOWNER"),
    (Errno::EOVERFLOW, "the owner of a new file has no id in the user namespace of the file system"),
    (Errno::ENOSPC, "the file system may have no more inodes, or devpts no more terminals"),
    (Errno::ENODEV, "ptmx without a devpts beside it"),
    (Errno::EIO, "a pseudo-terminal that is locked, or whose other end is closed"),
    (Errno::EBUSY, "a terminal that somebody has for himself (TIOCEXCL)"),
    (
        Errno::ENXIO,
        "a device without a driver, /dev/tty without a terminal, a fifo without a reader (O_NONBLOCK), a socket",
    ),
    (Errno::EOPNOTSUPP, "O_TMPFILE is not modelled"),
    (Errno::EINTR, "a signal came while waiting for the other end of a fifo"),
];

/// open(2).
pub const OPEN: SyscallInfo = SyscallInfo {
    nr: Sysno::OPEN,
    man: "open(2)",
    args: &[Arg::Path("pathname"), Arg::Flags("flags", OPEN_FLAGS), Arg::Octal("mode")],
    errno: ERRORS,
    support: Support::Partial("O_TMPFILE gives EOPNOTSUPP; O_DIRECT, O_SYNC and O_ASYNC change nothing"),
    run: open,
};

/// openat(2).
pub const OPENAT: SyscallInfo = SyscallInfo {
    nr: Sysno::OPENAT,
    man: "openat(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Flags("flags", OPEN_FLAGS), Arg::Octal("mode")],
    errno: ERRORS,
    support: Support::Partial("O_TMPFILE gives EOPNOTSUPP; O_DIRECT, O_SYNC and O_ASYNC change nothing"),
    run: openat,
};

/// creat(2).
pub const CREAT: SyscallInfo = SyscallInfo {
    nr: Sysno::CREAT,
    man: "creat(2)",
    args: &[Arg::Path("pathname"), Arg::Octal("mode")],
    errno: ERRORS,
    support: Support::Full,
    run: creat,
};

/// openat2(2): the structure `how` holds `flags`, `mode` and `resolve`.
pub const OPENAT2: SyscallInfo = SyscallInfo {
    nr: Sysno::OPENAT2,
    man: "openat2(2)",
    args: &[Arg::Fd("dirfd"), Arg::Path("pathname"), Arg::Data("how"), Arg::Int("size")],
    errno: &[
        (Errno::EINVAL, "an unknown flag, a mode without O_CREAT, or RESOLVE_BENEATH with RESOLVE_IN_ROOT"),
        (Errno::EXDEV, "the path leaves where RESOLVE_* wants it to stay"),
        (Errno::ELOOP, "a symbolic link where RESOLVE_NO_SYMLINKS or RESOLVE_NO_MAGICLINKS forbids it"),
        (Errno::EAGAIN, "RESOLVE_CACHED: nothing is ever cached here"),
        (Errno::ENOENT, "a name does not exist"),
        (Errno::EACCES, "permission is missing"),
    ],
    support: Support::Partial("O_TMPFILE gives EOPNOTSUPP"),
    run: openat2,
};

/// What is to be opened, and how (`struct open_how`).
struct How {
    flags: u32,
    mode: u32,
    lookup: LookupFlags,
}

fn open(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let how = How { flags: a.int(1)? as u32, mode: a.int(2)? as u32, lookup: LookupFlags::empty() };
    do_open(k, caller, AT_FDCWD, a.str(0)?, how)
}

fn openat(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let how = How { flags: a.int(2)? as u32, mode: a.int(3)? as u32, lookup: LookupFlags::empty() };
    do_open(k, caller, a.int32(0)?, a.str(1)?, how)
}

fn creat(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let flags = o::CREAT | o::WRONLY | o::TRUNC;
    let how = How { flags, mode: a.int(1)? as u32, lookup: LookupFlags::empty() };
    do_open(k, caller, AT_FDCWD, a.str(0)?, how)
}

fn openat2(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    const OPEN_HOW_SIZE_VER0: i64 = 24;
    if a.get(3).as_int().is_some_and(|size| size < OPEN_HOW_SIZE_VER0) {
        return Err(Errno::EINVAL.into());
    }
    let field = |name: &str| a.get(2).field(name).and_then(Value::as_int).unwrap_or(0) as u64;
    let (flags, mode, resolve) = (field("flags"), field("mode"), field("resolve"));
    let known = OPEN_FLAGS.iter().fold(3, |all, (_, bit)| all | bit);
    if flags & !known != 0 || resolve & !0x3f != 0 {
        return Err(Errno::EINVAL.into());
    }
    if mode != 0 && flags as u32 & (o::CREAT | TMPFILE) == 0 {
        return Err(Errno::EINVAL.into());
    }
    let bits = [
        (0x01, LookupFlags::NO_XDEV),
        (0x02, LookupFlags::NO_MAGICLINKS),
        (0x04, LookupFlags::NO_SYMLINKS),
        (0x08, LookupFlags::BENEATH),
        (0x10, LookupFlags::IN_ROOT),
    ];
    let mut lookup = LookupFlags::empty();
    for (bit, flag) in bits {
        lookup.set(flag, resolve & bit != 0);
    }
    if lookup.contains(LookupFlags::BENEATH | LookupFlags::IN_ROOT) {
        return Err(Errno::EINVAL.into());
    }
    if resolve & 0x20 != 0 {
        return Err(Errno::EAGAIN.into());
    }
    do_open(k, caller, a.int32(0)?, a.str(1)?, How { flags: flags as u32, mode: mode as u32, lookup })
}

/// `do_sys_openat2`.
fn do_open(k: &mut Kernel<'_>, caller: TaskId, dir: Fd, path: &str, how: How) -> SysResult {
    let mut flags = how.flags;
    if flags & o::PATH != 0 {
        flags &= o::DIRECTORY | o::NOFOLLOW | o::PATH | o::CLOEXEC;
    }
    if flags & (o::CREAT | o::DIRECTORY) == o::CREAT | o::DIRECTORY {
        return Err(Errno::EINVAL.into());
    }
    if flags & TMPFILE != 0 {
        let sound = flags & o::DIRECTORY != 0 && flags & o::ACCMODE != o::RDONLY;
        return Err(if sound { Errno::EOPNOTSUPP } else { Errno::EINVAL }.into());
    }
    if path.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    k.unused_fd(caller, 0)?;
    let mut lookup = how.lookup;
    lookup.set(LookupFlags::DIRECTORY, flags & o::DIRECTORY != 0);
    let exclusive = flags & (o::CREAT | o::EXCL) == o::CREAT | o::EXCL;
    lookup.set(LookupFlags::FOLLOW, flags & o::NOFOLLOW == 0 && !exclusive);
    let (place, created) = if flags & o::CREAT == 0 {
        (k.walk(caller, dir, path, lookup)?, false)
    } else {
        match k.walk_for_creation(caller, dir, path, lookup)? {
            Found::Existing(_) if exclusive => return Err(Errno::EEXIST.into()),
            Found::Existing(place) if k.is_dir(place) => return Err(Errno::EISDIR.into()),
            Found::Existing(place) => (place, false),
            Found::Missing { dir, name } => {
                k.mnt_want_write(dir.mnt)?;
                // Where files cannot be made, open(2) says so in its own way.
                let dentry =
                    k.may_create(caller, dir).map_err(|e| if e == Errno::EPERM { Errno::EACCES } else { e })?;
                let kind = InodeKind::Regular(Content::default());
                (k.make_inode(caller, dir, dentry, &name, kind, how.mode & 0o7777)?, true)
            }
        }
    };
    if flags & o::PATH != 0 {
        return Ok(Ret::new(k.install_file(caller, FileKind::Path(place), flags)?));
    }
    if !created {
        may_open(k, caller, place, flags)?;
        if flags & o::ACCMODE != o::RDONLY || flags & o::TRUNC != 0 {
            k.copy_up_for_writing(place)?;
        }
    }
    k.security_file_open(caller, place, flags)?;
    let kind = open_place(k, caller, place, flags)?;
    if flags & o::TRUNC != 0
        && !created
        && let Node::Tree(dentry) = place.node
        && k.attr(place).file_type == FileType::Regular
        && k.is_writable_tree(k.vfs.dentries[dentry].sb)
    {
        k.truncate_content(caller, dentry, 0)?;
    }
    Ok(Ret::new(k.install_file(caller, kind, flags & !CREATION_FLAGS)?))
}

/// The checks on what was found (`may_open` and `do_open`).
fn may_open(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, flags: u32) -> Result<(), Errno> {
    let attr = k.attr(place);
    let mut access = match flags & o::ACCMODE {
        o::RDONLY => Access::READ,
        o::WRONLY => Access::WRITE,
        _ => Access::READ | Access::WRITE,
    };
    access.set(Access::WRITE, access.contains(Access::WRITE) || flags & o::TRUNC != 0);
    let is_device = matches!(attr.file_type, FileType::CharDevice | FileType::BlockDevice);
    let special = is_device || matches!(attr.file_type, FileType::Fifo | FileType::Socket);
    if flags & o::TRUNC != 0 && attr.file_type == FileType::Regular {
        k.mnt_want_write(place.mnt)?;
    }
    match attr.file_type {
        FileType::Symlink => return Err(Errno::ELOOP),
        FileType::Directory if access.contains(Access::WRITE) => return Err(Errno::EISDIR),
        _ if is_device && !devices_work(k, place) => return Err(Errno::EACCES),
        _ => {}
    }
    k.inode_permission(caller, place, access)?;
    if flags & NOATIME != 0
        && k.tasks[caller].cred.fsuid != attr.uid
        && !k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::FOWNER)
    {
        return Err(Errno::EPERM);
    }
    if access.contains(Access::WRITE) && !special {
        k.mnt_want_write(place.mnt)?;
    }
    Ok(())
}

/// Device files count neither on a mount with nodev nor in a file system of a user namespace (`may_open_dev`).
fn devices_work(k: &Kernel<'_>, place: VfsPath) -> bool {
    !k.vfs.mounts[place.mnt].flags.contains(MountFlags::NODEV) && k.super_of(place).user_ns == k.first_user_ns()
}

/// What opening does beyond finding: fifos wait for their other end, devices for their driver.
fn open_place(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, flags: u32) -> Result<FileKind, Stop> {
    let dentry = match place.node {
        Node::Tree(dentry) => dentry,
        Node::Pipe(pipe) => return Ok(open_pipe(k, pipe, flags)),
        Node::Proc(ProcNode::TaskFile(task, TaskFile::Setgroups)) if flags & o::ACCMODE != o::RDONLY => {
            // proc_setgroups_open: only who rules in the namespace may open it for writing.
            let user_ns = k.tasks.get(task).ok_or(Errno::ESRCH)?.cred.user_ns;
            let allowed = k.capable_in(caller, user_ns, Cap::SYS_ADMIN);
            return if allowed { Ok(FileKind::Path(place)) } else { Err(Errno::EACCES.into()) };
        }
        // `proc_mem_open`: only who may trace it.
        Node::Proc(ProcNode::TaskFile(task, TaskFile::Maps | TaskFile::SmapsRollup | TaskFile::Environ)) => {
            let allowed = k.tasks.contains(task) && k.ptrace_may_access(caller, task, AccessMode::FsCreds);
            return if allowed { Ok(FileKind::Path(place)) } else { Err(Errno::EACCES.into()) };
        }
        _ => return Ok(FileKind::Path(place)),
    };
    match &k.inode_of(dentry).kind {
        InodeKind::CharDevice(major, minor) => match Device::from_numbers(*major, *minor) {
            Some(Device::Tty) => {
                let tty = k.processes[k.tasks[caller].process].tty.ok_or(Errno::ENXIO)?;
                open_terminal(k, caller, tty, place, flags)
            }
            Some(Device::Terminal(n)) => {
                let sb = k.vfs.dentries[dentry].sb;
                let tty = k.terminal_of(sb, n).ok_or(Errno::EIO)?;
                open_terminal(k, caller, tty, place, flags)
            }
            Some(Device::Ptmx) => Ok(FileKind::PtyMaster(k.open_ptmx(caller, place)?, place)),
            Some(Device::Tun) => Ok(FileKind::Tun(k.open_tun(caller), place)),
            Some(_) => Ok(FileKind::Path(place)),
            None => k.open_device_below(caller, (*major, *minor), place),
        },
        InodeKind::BlockDevice(major, minor) if k.disk_by_dev((*major, *minor)).is_some() => Ok(FileKind::Path(place)),
        InodeKind::BlockDevice(..) | InodeKind::Socket => Err(Errno::ENXIO.into()),
        InodeKind::Fifo(_) => open_fifo(k, caller, place, dentry, flags),
        _ => Ok(FileKind::Path(place)),
    }
}

/// A terminal is opened, and may become that of the session.
fn open_terminal(k: &mut Kernel<'_>, caller: TaskId, tty: Tty, place: VfsPath, flags: u32) -> Result<FileKind, Stop> {
    if let Tty::Pty(pty) = tty {
        let is_admin = k.capable(caller, Cap::SYS_ADMIN);
        k.open_slave(pty, is_admin)?;
    }
    k.opened_tty(caller, tty, flags);
    Ok(FileKind::Tty(tty, place))
}

/// A pipe opened once more by way of `/proc/PID/fd`.
fn open_pipe(k: &mut Kernel<'_>, pipe: PipeId, flags: u32) -> FileKind {
    let (reads, writes, kind) = match flags & o::ACCMODE {
        o::RDONLY => (true, false, FileKind::PipeRead(pipe, None)),
        o::WRONLY => (false, true, FileKind::PipeWrite(pipe, None)),
        _ => (true, true, FileKind::PipeBoth(pipe, None)),
    };
    k.open_pipe_end(pipe, reads, writes);
    kind
}

/// `fifo_open`: a reader waits for a writer and the other way round.
fn open_fifo(
    k: &mut Kernel<'_>,
    caller: TaskId,
    place: VfsPath,
    dentry: DentryId,
    flags: u32,
) -> Result<FileKind, Stop> {
    let pipe = fifo_pipe(k, caller, dentry);
    let nonblock = flags & o::NONBLOCK != 0;
    let seen = k.tasks[caller].in_call.as_ref().map_or(0, |c| c.progress & COUNT);
    match flags & o::ACCMODE {
        o::RDWR => {
            k.open_pipe_end(pipe, true, true);
            k.wake_all(Wait::FifoPeer(pipe));
            Ok(FileKind::PipeBoth(pipe, Some(place)))
        }
        o::WRONLY => {
            let p = &k.pipes[pipe];
            let (readers, ever) = (p.readers, p.readers_ever);
            let came = seen > 0 && i64::from(ever) >= seen;
            if readers == 0 && !came && !peer_waits(k, pipe, o::RDONLY) {
                if nonblock {
                    return Err(Errno::ENXIO.into());
                }
                return Err(wait_for_peer(k, caller, pipe, ever));
            }
            k.open_pipe_end(pipe, false, true);
            k.wake_all(Wait::FifoPeer(pipe));
            Ok(FileKind::PipeWrite(pipe, Some(place)))
        }
        _ => {
            let p = &k.pipes[pipe];
            let (writers, ever) = (p.writers, p.writers_ever);
            let came = seen > 0 && i64::from(ever) >= seen;
            if writers == 0 && !came && !nonblock && !peer_waits(k, pipe, o::WRONLY) {
                return Err(wait_for_peer(k, caller, pipe, ever));
            }
            k.open_pipe_end(pipe, true, false);
            k.wake_all(Wait::FifoPeer(pipe));
            Ok(FileKind::PipeRead(pipe, Some(place)))
        }
    }
}

/// In the progress of an open(2) that waits for its peer: how often the other end had been opened, and one. The
/// pipe's number is above it.
const COUNT: i64 = 0xffff_ffff;

/// Sleeps until the other end has been opened once more than `ever` times.
fn wait_for_peer(k: &mut Kernel<'_>, caller: TaskId, pipe: PipeId, ever: u32) -> Stop {
    if let Some(call) = &mut k.tasks[caller].in_call
        && call.progress == 0
    {
        call.progress = (i64::from(pipe.0) << 32) | (i64::from(ever) + 1);
    }
    Sleep::on(Wait::FifoPeer(pipe))
}

/// The pipe behind a fifo, made when nobody has it open.
fn fifo_pipe(k: &mut Kernel<'_>, caller: TaskId, dentry: DentryId) -> PipeId {
    if let InodeKind::Fifo(Some(pipe)) = k.inode_of(dentry).kind
        && k.pipes.contains(pipe)
    {
        return pipe;
    }
    let pipe = k.new_pipe(caller);
    k.inode_of_mut(dentry).kind = InodeKind::Fifo(Some(pipe));
    pipe
}

/// Whether somebody waits in open(2) for this end of the fifo to be met.
fn peer_waits(k: &Kernel<'_>, pipe: PipeId, mode: u32) -> bool {
    let Some(waiters) = k.sched.waiting.get(&Wait::FifoPeer(pipe)) else { return false };
    waiters.iter().any(|t| {
        let call = k.tasks.get(*t).and_then(|t| t.in_call.as_ref());
        call.is_some_and(|c| flags_of(&c.call) & o::ACCMODE == mode)
    })
}

/// Whether somebody who waited in open(2) for this end of a fifo has been met and is about to return. The kernel
/// counts it from the moment at which it began to wait (`fifo_open`).
pub(crate) fn peer_arrives(k: &Kernel<'_>, pipe: PipeId, mode: u32) -> bool {
    let opens = |nr| matches!(nr, Sysno::OPEN | Sysno::OPENAT | Sysno::CREAT | Sysno::OPENAT2);
    k.tasks.iter().any(|(_, task)| {
        let call = task.in_call.as_ref().filter(|c| opens(c.call.nr) && c.progress >> 32 == i64::from(pipe.0));
        call.is_some_and(|c| flags_of(&c.call) & o::ACCMODE == mode)
    })
}

/// The flags of a call of this family.
fn flags_of(call: &Call) -> u32 {
    let int = |i: usize| call.args.get(i).and_then(Value::as_int).unwrap_or(0) as u32;
    match call.nr {
        Sysno::OPEN => int(1),
        Sysno::OPENAT => int(2),
        Sysno::CREAT => o::WRONLY,
        _ => call.args.get(2).and_then(|how| how.field("flags")).and_then(Value::as_int).unwrap_or(0) as u32,
    }
}
