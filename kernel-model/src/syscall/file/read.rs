//! read(2), pread(2), readv(2) and preadv(2).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::read_write::MAX_RW_COUNT;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "fd is not open for reading"),
    (Errno::EISDIR, "fd is a directory"),
    (Errno::EINVAL, "fd is something that cannot be read, or the offset is negative"),
    (Errno::ESPIPE, "an offset on a pipe or terminal"),
    (Errno::EAGAIN, "nothing is there yet and the file was opened with O_NONBLOCK"),
    (Errno::EINTR, "a signal came before anything could be read"),
];

/// read(2). The bytes are output 1.
pub const READ: SyscallInfo = SyscallInfo {
    nr: Sysno::READ,
    man: "read(2)",
    args: &[Arg::Fd("fd"), Arg::Buf("buf"), Arg::Int("count")],
    errno: ERRORS,
    support: Support::Full,
    run: read,
};

/// pread64(2). The bytes are output 1.
pub const PREAD64: SyscallInfo = SyscallInfo {
    nr: Sysno::PREAD64,
    man: "pread(2)",
    args: &[Arg::Fd("fd"), Arg::Buf("buf"), Arg::Int("count"), Arg::Int("offset")],
    errno: ERRORS,
    support: Support::Full,
    run: pread64,
};

/// readv(2). The list of buffers, of which `iov_len` counts, is output 1 again, filled.
pub const READV: SyscallInfo = SyscallInfo {
    nr: Sysno::READV,
    man: "readv(2)",
    args: &[Arg::Fd("fd"), Arg::Data("iov"), Arg::Int("iovcnt")],
    errno: ERRORS,
    support: Support::Full,
    run: readv,
};

fn read(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    let bytes = k.read_file(caller, file, None, count(a, 2)?)?;
    copy_to_user(k, caller, a.get(1), bytes.len())?;
    Ok(Ret::new(bytes.len() as i64).with(1, Value::bytes(bytes)))
}

/// Puts bytes where the program wants them, if it says where: pages that are not there yet come into being. A program
/// whose buffer is small does not say; it is part of what every program has.
///
/// # Errors
/// EFAULT when nothing is mapped there, or no memory is to be had; a program that was killed for it never sees this.
fn copy_to_user(k: &mut Kernel<'_>, caller: TaskId, buffer: &Value, bytes: usize) -> Result<(), Errno> {
    let Some(addr) = buffer.as_int().filter(|addr| *addr != 0) else { return Ok(()) };
    k.kernel_fault(caller, addr as u64, bytes as u64, true).map_err(|_| Errno::EFAULT)
}

fn pread64(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let offset = u64::try_from(a.int(3)?).map_err(|_| Errno::EINVAL)?;
    let file = k.real_file_id(caller, a.int32(0)?)?;
    has_offsets(k, file)?;
    let bytes = k.read_file(caller, file, Some(offset), count(a, 2)?)?;
    Ok(Ret::new(bytes.len() as i64).with(1, Value::bytes(bytes)))
}

fn readv(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    let lengths: Vec<usize> = a.list(1)?.iter().map(|v| iov_len(v).unwrap_or(0)).collect();
    let bytes = k.read_file(caller, file, None, lengths.iter().sum::<usize>().min(MAX_RW_COUNT))?;
    let mut rest = bytes.as_slice();
    let mut filled = Vec::new();
    for length in lengths {
        let (part, after) = rest.split_at(length.min(rest.len()));
        filled.push(Value::record([("iov_base", Value::bytes(part)), ("iov_len", length.into())]));
        rest = after;
    }
    Ok(Ret::new(bytes.len() as i64).with(1, Value::List(filled)))
}

/// A length argument; one that is negative as `ssize_t` is refused.
pub(super) fn count(a: Args<'_>, i: usize) -> Result<usize, Errno> {
    let n = usize::try_from(a.int(i)?).map_err(|_| Errno::EINVAL)?;
    Ok(n.min(MAX_RW_COUNT))
}

/// The length of a `struct iovec`.
fn iov_len(iov: &Value) -> Option<usize> {
    usize::try_from(iov.field("iov_len")?.as_int()?).ok()
}

/// Pipes and terminals have no offsets.
pub(super) fn has_offsets(k: &Kernel<'_>, file: FileId) -> Result<(), Errno> {
    match k.vfs.files[file].kind {
        FileKind::PipeRead(..) | FileKind::PipeWrite(..) | FileKind::PipeBoth(..) => Err(Errno::ESPIPE),
        FileKind::Tty(..) | FileKind::PtyMaster(..) | FileKind::HungUpTty(..) => Err(Errno::ESPIPE),
        _ => Ok(()),
    }
}
