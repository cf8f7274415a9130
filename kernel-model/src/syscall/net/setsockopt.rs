//! setsockopt(2): how a socket behaves.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

/// setsockopt(2).
pub const SETSOCKOPT: SyscallInfo = SyscallInfo {
    nr: Sysno::SETSOCKOPT,
    man: "setsockopt(2)",
    args: &[
        Arg::Fd("sockfd"),
        Arg::Enum("level", &[("SOL_IP", 0), ("SOL_SOCKET", 1), ("SOL_RAW", 255), ("SOL_NETLINK", 270)]),
        Arg::Int("optname"),
        Arg::Data("optval"),
        Arg::Int("optlen"),
    ],
    errno: &[(Errno::EBADF, "sockfd is not open"), (Errno::ENOTSOCK, "sockfd is no socket")],
    support: Support::Partial("every option is accepted and changes nothing"),
    run: setsockopt,
};

fn setsockopt(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    k.socket_of_fd(caller, a.int32(0)?)?;
    Ok(Ret::new(0))
}
