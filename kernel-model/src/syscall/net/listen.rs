//! listen(2), accept(2) and shutdown(2): connections that come, and that end.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::net::socket::{Protocol, sockaddr_in};
use crate::net::unix::address::sockaddr_un;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::file::FileKind;

/// The most that may wait to be accepted (`net.core.somaxconn`).
const SOMAXCONN: usize = 4096;

const ACCEPT_ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "sockfd is not open"),
    (Errno::ENOTSOCK, "sockfd is no socket"),
    (Errno::EINVAL, "the socket does not listen, or an unknown flag"),
    (Errno::EOPNOTSUPP, "the socket has no connections"),
    (Errno::EAGAIN, "nobody has come, and the socket does not wait"),
    (Errno::EMFILE, "RLIMIT_NOFILE is reached"),
];

/// listen(2).
pub const LISTEN: SyscallInfo = SyscallInfo {
    nr: Sysno::LISTEN,
    man: "listen(2)",
    args: &[Arg::Fd("sockfd"), Arg::Int("backlog")],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::EOPNOTSUPP, "the socket has no connections"),
        (Errno::EINVAL, "the socket is connected, or a local one without a name"),
        (Errno::EADDRINUSE, "no port is free"),
    ],
    support: Support::Full,
    run: |k, caller, a| {
        let id = k.socket_of_fd(caller, a.int32(0)?)?;
        // __sys_listen: a negative number is a very large one.
        let backlog = usize::try_from(a.int32(1)?).unwrap_or(usize::MAX);
        match k.sockets[id].protocol {
            Protocol::Tcp(_) => k.tcp_listen(id, backlog)?,
            Protocol::Unix(_) => k.unix_listen(caller, id, backlog.min(SOMAXCONN))?,
            _ => return Err(Errno::EOPNOTSUPP.into()),
        }
        Ok(Ret::new(0))
    },
};

/// accept(2). The other end's address is output 1.
pub const ACCEPT: SyscallInfo = SyscallInfo {
    nr: Sysno::ACCEPT,
    man: "accept(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("addr"), Arg::Data("addrlen")],
    errno: ACCEPT_ERRORS,
    support: Support::Full,
    run: |k, caller, a| accept(k, caller, a, 0),
};

/// accept4(2). The other end's address is output 1.
pub const ACCEPT4: SyscallInfo = SyscallInfo {
    nr: Sysno::ACCEPT4,
    man: "accept(2)",
    args: &[
        Arg::Fd("sockfd"),
        Arg::Data("addr"),
        Arg::Data("addrlen"),
        Arg::Flags("flags", &[("SOCK_CLOEXEC", o::CLOEXEC as u64), ("SOCK_NONBLOCK", o::NONBLOCK as u64)]),
    ],
    errno: ACCEPT_ERRORS,
    support: Support::Full,
    run: |k, caller, a| {
        let flags = a.int(3)?;
        accept(k, caller, a, flags)
    },
};

/// shutdown(2).
pub const SHUTDOWN: SyscallInfo = SyscallInfo {
    nr: Sysno::SHUTDOWN,
    man: "shutdown(2)",
    args: &[Arg::Fd("sockfd"), Arg::Enum("how", &[("SHUT_RD", 0), ("SHUT_WR", 1), ("SHUT_RDWR", 2)])],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::EINVAL, "how is none of the three"),
        (Errno::ENOTCONN, "the socket is not connected"),
    ],
    support: Support::Full,
    run: shutdown,
};

fn accept(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, flags: i64) -> SysResult {
    let fd = a.int32(0)?;
    if flags & !i64::from(o::CLOEXEC | o::NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let id = k.socket_of_fd(caller, fd)?;
    k.unused_fd(caller, 0)?;
    let nonblock = k.vfs.files[k.real_file_id(caller, fd)?].flags & o::NONBLOCK != 0;
    match k.sockets[id].protocol {
        Protocol::Tcp(_) => {}
        Protocol::Unix(_) => {
            let child = k.unix_accept(caller, id, nonblock)?;
            let name = k.unix_peer_name(child).unwrap_or_default();
            let new = k.install_file(caller, FileKind::Socket(child), o::RDWR | flags as u32)?;
            return Ok(Ret::new(new).with(1, sockaddr_un(name.as_ref())));
        }
        _ => return Err(Errno::EOPNOTSUPP.into()),
    }
    let child = k.tcp_accept(id, nonblock)?;
    let net = k.sockets[child].net;
    k.hold_ns(crate::namespace::NsRef::Net(net));
    k.sockets[child].orphan = false;
    let peer = k.sockets[child].remote;
    let new = k.install_file(caller, FileKind::Socket(child), o::RDWR | flags as u32)?;
    let ret = Ret::new(new);
    Ok(match peer {
        Some((address, port)) => ret.with(1, sockaddr_in(address, port)),
        None => ret,
    })
}

fn shutdown(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let how = a.int32(1)?;
    if !(0..=2).contains(&how) {
        return Err(Errno::EINVAL.into());
    }
    if let Protocol::Unix(_) = k.sockets[id].protocol {
        k.unix_shutdown(id, how != 1, how != 0);
        return Ok(Ret::new(0));
    }
    if k.sockets[id].remote.is_none() {
        return Err(Errno::ENOTCONN.into());
    }
    if how != 1
        && let Protocol::Tcp(end) = &mut k.sockets[id].protocol
    {
        end.read_shut = true;
    }
    if how != 0 {
        k.tcp_end_sending(id);
    }
    k.wake_all(crate::task::sched::Wait::SocketReadable(id));
    Ok(Ret::new(0))
}
