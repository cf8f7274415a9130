//! sendfile(2) and copy_file_range(2): from one descriptor to another without going through the program.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::fs::FileType;
use crate::vfs::fs::procfs::node::{ProcNode, TaskFile};

/// How much one call moves at most.
const MAX: usize = 64 << 20;

/// sendfile(2). The new offset is output 2.
pub const SENDFILE: SyscallInfo = SyscallInfo {
    nr: Sysno::SENDFILE,
    man: "sendfile(2)",
    args: &[Arg::Fd("out_fd"), Arg::Fd("in_fd"), Arg::Data("offset"), Arg::Int("count")],
    errno: &[
        (Errno::EBADF, "in_fd is not open for reading or out_fd not for writing"),
        (Errno::EINVAL, "in_fd has no pages to send from, or out_fd appends"),
    ],
    support: Support::Full,
    run: sendfile,
};

/// copy_file_range(2). The new offsets are outputs 1 and 3.
pub const COPY_FILE_RANGE: SyscallInfo = SyscallInfo {
    nr: Sysno::COPY_FILE_RANGE,
    man: "copy_file_range(2)",
    args: &[
        Arg::Fd("fd_in"),
        Arg::Data("off_in"),
        Arg::Fd("fd_out"),
        Arg::Data("off_out"),
        Arg::Int("len"),
        Arg::Int("flags"),
    ],
    errno: &[
        (Errno::EBADF, "fd_in is not open for reading, fd_out not for writing, or it appends"),
        (Errno::EISDIR, "one of them is a directory"),
        (Errno::EINVAL, "one of them is no regular file, or flags is not 0"),
        (Errno::EXDEV, "they lie on different file systems"),
        (Errno::ENOSPC, "the file system is full"),
    ],
    support: Support::Full,
    run: copy_file_range,
};

fn offset(a: Args<'_>, i: usize) -> Result<Option<u64>, Errno> {
    match a.get(i) {
        Value::Null | Value::Int(0) => Ok(None),
        Value::Int(n) => u64::try_from(*n).map(Some).map_err(|_| Errno::EINVAL),
        Value::List(items) => {
            let n = items.first().and_then(Value::as_int).ok_or(Errno::EFAULT)?;
            u64::try_from(n).map(Some).map_err(|_| Errno::EINVAL)
        }
        _ => Err(Errno::EFAULT),
    }
}

fn sendfile(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let from = k.real_file_id(caller, a.int32(1)?)?;
    if !k.vfs.files[from].can_read() {
        return Err(Errno::EBADF.into());
    }
    let at = offset(a, 2)?;
    let to = k.real_file_id(caller, a.int32(0)?)?;
    if !k.vfs.files[to].can_write() {
        return Err(Errno::EBADF.into());
    }
    let sendable = match k.vfs.files[from].kind {
        FileKind::Path(place) => k.attr(place).file_type == FileType::Regular && has_splice_read(place.node),
        _ => false,
    };
    if !sendable || k.vfs.files[to].flags & o::APPEND != 0 {
        return Err(Errno::EINVAL.into());
    }
    let count = super::read::count(a, 3)?;
    let n = transfer(k, caller, (from, at), (to, None), count)?;
    let ret = Ret::new(n as i64);
    Ok(match at {
        Some(at) => ret.with(2, Value::List(vec![(at + n as u64).into()])),
        None => ret,
    })
}

/// Most files that procfs has for a process can only be read (`splice_read` of their operations).
fn has_splice_read(node: Node) -> bool {
    match node {
        Node::Proc(ProcNode::TaskFile(_, file)) => {
            matches!(file, TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats)
        }
        Node::Proc(ProcNode::FdInfo(..)) => false,
        _ => true,
    }
}

fn copy_file_range(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let from = k.real_file_id(caller, a.int32(0)?)?;
    let to = k.real_file_id(caller, a.int32(2)?)?;
    if a.int(5)? != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (off_in, off_out) = (offset(a, 1)?, offset(a, 3)?);
    let mut devices = Vec::new();
    for id in [from, to] {
        let FileKind::Path(place) = k.vfs.files[id].kind else { return Err(Errno::EINVAL.into()) };
        match k.attr(place).file_type {
            FileType::Regular => devices.push(k.super_of(place).dev),
            FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
    }
    let (source, target) = (&k.vfs.files[from], &k.vfs.files[to]);
    if !source.can_read() || !target.can_write() || target.flags & o::APPEND != 0 {
        return Err(Errno::EBADF.into());
    }
    if devices.first() != devices.last() {
        return Err(Errno::EXDEV.into());
    }
    let n = transfer(k, caller, (from, off_in), (to, off_out), super::read::count(a, 4)?)?;
    let mut ret = Ret::new(n as i64);
    for (position, off) in [(1, off_in), (3, off_out)] {
        if let Some(off) = off {
            ret = ret.with(position, Value::List(vec![(off + n as u64).into()]));
        }
    }
    Ok(ret)
}

/// Moves bytes, as many as the target takes; both files stand behind what was moved.
fn transfer(
    k: &mut Kernel<'_>,
    caller: TaskId,
    from: (FileId, Option<u64>),
    to: (FileId, Option<u64>),
    count: usize,
) -> Result<usize, crate::syscall::Stop> {
    let stands = k.vfs.files[from.0].pos;
    let at = from.1.unwrap_or(stands);
    let bytes = k.read_file(caller, from.0, Some(at), count.min(MAX))?;
    let n = k.write_file(caller, to.0, to.1, &bytes)?;
    if from.1.is_none() {
        k.vfs.files[from.0].pos = stands + n as u64;
    }
    Ok(n)
}
