//! pipe(2) and pipe2(2).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::file::FileKind;

/// `O_DIRECT`: packets instead of a stream. Accepted.
const DIRECT: u32 = 0o40_000;

const ERRORS: &[(Errno, &str)] = &[(Errno::EINVAL, "an unknown flag"), (Errno::EMFILE, "RLIMIT_NOFILE is reached")];

/// pipe(2). The two descriptors are output 0.
pub const PIPE: SyscallInfo = SyscallInfo {
    nr: Sysno::PIPE,
    man: "pipe(2)",
    args: &[Arg::Data("pipefd")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, _| make(k, caller, 0),
};

/// pipe2(2). The two descriptors are output 0.
pub const PIPE2: SyscallInfo = SyscallInfo {
    nr: Sysno::PIPE2,
    man: "pipe2(2)",
    args: &[
        Arg::Data("pipefd"),
        Arg::Flags(
            "flags",
            &[("O_NONBLOCK", o::NONBLOCK as u64), ("O_DIRECT", DIRECT as u64), ("O_CLOEXEC", o::CLOEXEC as u64)],
        ),
    ],
    errno: ERRORS,
    support: Support::Partial("O_DIRECT does not keep packets apart"),
    run: pipe2,
};

fn pipe2(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let flags = a.int(1)? as u32;
    if flags & !(o::NONBLOCK | DIRECT | o::CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    make(k, caller, flags)
}

fn make(k: &mut Kernel<'_>, caller: TaskId, flags: u32) -> SysResult {
    let first = k.unused_fd(caller, 0)?;
    k.unused_fd(caller, first + 1)?;
    let pipe = k.new_pipe(caller);
    k.open_pipe_end(pipe, true, true);
    let read = k.install_file(caller, FileKind::PipeRead(pipe, None), flags)?;
    let write = k.install_file(caller, FileKind::PipeWrite(pipe, None), flags | o::WRONLY)?;
    Ok(Ret::new(0).with(0, Value::List(vec![read.into(), write.into()])))
}
