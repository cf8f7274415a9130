//! exit(2) and exit_group(2): ends a thread, or the whole process.

use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Stop, Support, SysResult, SyscallInfo, Sysno};
use crate::task::{ExitStatus, TaskId};

/// exit(2), which ends one thread.
pub const EXIT: SyscallInfo = SyscallInfo {
    nr: Sysno::EXIT,
    man: "_exit(2)",
    args: &[Arg::Int("status")],
    errno: &[],
    support: Support::Full,
    run: exit,
};

/// exit_group(2), which ends the process.
pub const EXIT_GROUP: SyscallInfo = SyscallInfo {
    nr: Sysno::EXIT_GROUP,
    man: "exit_group(2)",
    args: &[Arg::Int("status")],
    errno: &[],
    support: Support::Full,
    run: exit_group,
};

fn exit(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let status = ExitStatus::Exited((a.int(0)? & 0xff) as u8);
    k.exit_task(caller, status);
    Err(Stop::NoReturn)
}

fn exit_group(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let status = ExitStatus::Exited((a.int(0)? & 0xff) as u8);
    k.exit_group(caller, status);
    Err(Stop::NoReturn)
}
