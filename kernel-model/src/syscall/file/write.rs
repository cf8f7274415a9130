//! write(2), pwrite(2) and writev(2).

use super::read::has_offsets;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "fd is not open for writing"),
    (Errno::EINVAL, "fd is something that cannot be written, the offset is negative, or the file refuses the text"),
    (Errno::ESPIPE, "an offset on a pipe or terminal"),
    (Errno::EPIPE, "nobody has the pipe open for reading any more; SIGPIPE is sent as well"),
    (Errno::EFBIG, "RLIMIT_FSIZE is reached; SIGXFSZ is sent as well"),
    (Errno::ENOSPC, "the file system is full"),
    (Errno::EPERM, "the setting may not be changed by the caller"),
    (Errno::ERANGE, "the setting does not go that far"),
    (Errno::EAGAIN, "the pipe is full and was opened with O_NONBLOCK"),
    (Errno::EINTR, "a signal came before anything could be written"),
];

/// write(2).
pub const WRITE: SyscallInfo = SyscallInfo {
    nr: Sysno::WRITE,
    man: "write(2)",
    args: &[Arg::Fd("fd"), Arg::Buf("buf"), Arg::Int("count")],
    errno: ERRORS,
    support: Support::Full,
    run: write,
};

/// pwrite64(2).
pub const PWRITE64: SyscallInfo = SyscallInfo {
    nr: Sysno::PWRITE64,
    man: "pwrite(2)",
    args: &[Arg::Fd("fd"), Arg::Buf("buf"), Arg::Int("count"), Arg::Int("offset")],
    errno: ERRORS,
    support: Support::Full,
    run: pwrite64,
};

/// writev(2): a list of `{iov_base, iov_len}`.
pub const WRITEV: SyscallInfo = SyscallInfo {
    nr: Sysno::WRITEV,
    man: "writev(2)",
    args: &[Arg::Fd("fd"), Arg::Data("iov"), Arg::Int("iovcnt")],
    errno: ERRORS,
    support: Support::Full,
    run: writev,
};

fn write(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    let n = k.write_file(caller, file, None, buffer(a)?)?;
    Ok(Ret::new(n as i64))
}

fn pwrite64(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let offset = u64::try_from(a.int(3)?).map_err(|_| Errno::EINVAL)?;
    let file = k.real_file_id(caller, a.int32(0)?)?;
    has_offsets(k, file)?;
    let n = k.write_file(caller, file, Some(offset), buffer(a)?)?;
    Ok(Ret::new(n as i64))
}

fn writev(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let file = k.real_file_id(caller, a.int32(0)?)?;
    let parts = a.list(1)?.iter().map(|v| v.field("iov_base").and_then(Value::as_bytes).ok_or(Errno::EFAULT));
    let bytes = parts.collect::<Result<Vec<_>, _>>()?.concat();
    let n = k.write_file(caller, file, None, &bytes)?;
    Ok(Ret::new(n as i64))
}

/// The bytes to be written: as many of the buffer as the count says.
fn buffer<'a>(a: Args<'a>) -> Result<&'a [u8], Errno> {
    let count = super::read::count(a, 2)?;
    if count == 0 {
        return Ok(&[]);
    }
    let bytes = a.bytes(1)?;
    Ok(&bytes[..count.min(bytes.len())])
}
