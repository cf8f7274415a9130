//! bind(2), connect(2) and getsockname(2): the two ends of a socket.

use std::net::Ipv4Addr;

use super::socket::FAMILIES;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::net::fib::{Flow, rtn};
use crate::net::rtnetlink::sockaddr_nl;
use crate::net::socket::{AF_INET, AF_NETLINK, AF_UNSPEC, Protocol, SocketId, sockaddr_in};
use crate::net::unix::address::{UnixAddress, sockaddr_un};
use crate::program::libc::o;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

/// bind(2).
pub const BIND: SyscallInfo = SyscallInfo {
    nr: Sysno::BIND,
    man: "bind(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("addr"), Arg::Int("addrlen")],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::EINVAL, "the address is of another family, or the socket is bound"),
        (Errno::EADDRINUSE, "another socket of the namespace has this port or abstract name, or the file exists"),
        (Errno::EADDRNOTAVAIL, "no device has this address"),
        (Errno::EACCES, "a low port without CAP_NET_BIND_SERVICE, or the directory may not be written"),
        (Errno::ENOENT, "a directory on the way to the file does not exist"),
        (Errno::EROFS, "the file system or the mount is read-only"),
    ],
    support: Support::Partial("groups of netlink are not joined"),
    run: bind,
};

/// connect(2).
pub const CONNECT: SyscallInfo = SyscallInfo {
    nr: Sysno::CONNECT,
    man: "connect(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("addr"), Arg::Int("addrlen")],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::EAFNOSUPPORT, "the address is of another family"),
        (Errno::ENETUNREACH, "no route leads to the address"),
        (Errno::ENOENT, "the file of a local socket does not exist"),
        (Errno::EACCES, "the file may not be written, or a directory on the way not be searched"),
        (Errno::ECONNREFUSED, "nobody has the port, or listens by this name"),
        (Errno::EPROTOTYPE, "a local socket of another type"),
        (Errno::EPERM, "a local socket for datagrams that talks to somebody else"),
        (Errno::EAGAIN, "too many connections wait, and the socket does not"),
        (Errno::EINVAL, "no address of a local socket, or the socket listens"),
        (Errno::ETIMEDOUT, "nobody answers"),
        (Errno::EINPROGRESS, "the socket does not wait"),
        (Errno::EISCONN, "it is connected"),
    ],
    support: Support::Partial("AF_UNSPEC, which takes a connection back, is refused but for local datagrams"),
    run: connect,
};

/// getsockname(2). The address is output 1.
pub const GETSOCKNAME: SyscallInfo = SyscallInfo {
    nr: Sysno::GETSOCKNAME,
    man: "getsockname(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("addr"), Arg::Data("addrlen")],
    errno: &[(Errno::EBADF, "sockfd is not open"), (Errno::ENOTSOCK, "sockfd is no socket")],
    support: Support::Full,
    run: getsockname,
};

/// The family of a `struct sockaddr`, as a number or by its name.
pub(super) fn family(addr: &Value) -> Option<i64> {
    match addr.field("sa_family")? {
        Value::Int(n) => Some(*n),
        Value::Str(name) => FAMILIES.iter().find(|(n, _)| *n == &**name).map(|(_, n)| *n as i64),
        _ => None,
    }
}

/// The address and port of a `struct sockaddr_in`.
///
/// # Errors
/// EFAULT for what is none; EAFNOSUPPORT for another family.
pub(super) fn sockaddr(addr: &Value) -> Result<(Ipv4Addr, u16), Errno> {
    if family(addr).ok_or(Errno::EFAULT)? != AF_INET {
        return Err(Errno::EAFNOSUPPORT);
    }
    let address = addr.field("sin_addr").and_then(Value::as_str).and_then(|a| a.parse().ok()).ok_or(Errno::EFAULT)?;
    let port = addr.field("sin_port").and_then(Value::as_int).and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
    Ok((address, port))
}

fn bind(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let addr = a.get(1);
    k.security_socket_bind(caller, id, sockaddr(addr).ok())?;
    match k.sockets[id].protocol {
        Protocol::Route { .. } => {
            if family(addr) != Some(AF_NETLINK) {
                return Err(Errno::EINVAL.into());
            }
            let port = addr.field("nl_pid").and_then(Value::as_int).unwrap_or(0) as u32;
            k.bind_netlink(caller, id, port)?;
        }
        Protocol::Unix(_) => {
            let address = UnixAddress::read(addr, a.int(2)?, family(addr))?;
            k.unix_bind(caller, id, address)?;
        }
        Protocol::Diag if family(addr) != Some(AF_NETLINK) => return Err(Errno::EINVAL.into()),
        Protocol::Diag => {}
        Protocol::Raw => return Err(Errno::EOPNOTSUPP.into()),
        Protocol::Icmp { .. } | Protocol::Udp | Protocol::Tcp(_) => {
            let (address, port) = sockaddr(addr)?;
            let has_ports = !matches!(k.sockets[id].protocol, Protocol::Icmp { .. });
            if has_ports {
                k.bind_inet(caller, id, address, port)?;
            } else {
                // inet_bind: an address of this host, of several, or of everybody.
                let kind = k.net_namespaces[k.sockets[id].net].address_type(address);
                if !matches!(kind, rtn::LOCAL | rtn::MULTICAST | rtn::BROADCAST) {
                    return Err(Errno::EADDRNOTAVAIL.into());
                }
                k.sockets[id].local = (address, port);
            }
        }
    }
    Ok(Ret::new(0))
}

fn connect(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let addr = a.get(1);
    if let Protocol::Route { .. } | Protocol::Diag = k.sockets[id].protocol {
        let port = if family(addr) == Some(AF_NETLINK) { addr.field("nl_pid") } else { None };
        return if port.is_some() { Ok(Ret::new(0)) } else { Err(Errno::EINVAL.into()) };
    }
    if let Protocol::Unix(_) = k.sockets[id].protocol {
        return unix_connect(k, caller, id, a);
    }
    let (to, port) = sockaddr(addr)?;
    k.security_socket_connect(caller, id, Some((to, port)))?;
    if let Protocol::Tcp(_) = k.sockets[id].protocol {
        let nonblock = k.vfs.files[k.real_file_id(caller, a.int32(0)?)?].flags & o::NONBLOCK != 0;
        k.tcp_connect(caller, id, (to, port), nonblock)?;
        return Ok(Ret::new(0));
    }
    let socket = &k.sockets[id];
    let source = Some(socket.local.0).filter(|a| !a.is_unspecified());
    let flow = Flow { source, oif: socket.options.device, ..Flow::to(to) };
    let path = k.route_output(socket.net, flow)?;
    if path.kind == rtn::BROADCAST && !socket.options.broadcast {
        return Err(Errno::EACCES.into());
    }
    if let Protocol::Udp = k.sockets[id].protocol {
        k.autobind(id)?;
    }
    let socket = &mut k.sockets[id];
    socket.local.0 = path.source;
    socket.remote = Some((path.destination, port));
    Ok(Ret::new(0))
}

/// connect(2) of a local socket.
fn unix_connect(k: &mut Kernel<'_>, caller: TaskId, id: SocketId, a: Args<'_>) -> SysResult {
    let addr = a.get(1);
    let connects = k.unix(id).is_some_and(|end| end.kind.connects());
    let name = match family(addr) {
        Some(AF_UNSPEC) if !connects => None,
        family => Some(UnixAddress::read(addr, a.int(2)?, family)?.name()?),
    };
    k.security_socket_connect(caller, id, None)?;
    let nonblock = k.vfs.files[k.real_file_id(caller, a.int32(0)?)?].flags & o::NONBLOCK != 0;
    k.unix_connect(caller, id, name, nonblock)?;
    Ok(Ret::new(0))
}

fn getsockname(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let socket = &k.sockets[id];
    let address = match &socket.protocol {
        Protocol::Route { port } => sockaddr_nl(*port),
        Protocol::Diag => sockaddr_nl(0),
        Protocol::Unix(end) => sockaddr_un(end.name.as_ref()),
        _ => sockaddr_in(socket.local.0, socket.local.1),
    };
    Ok(Ret::new(0).with(1, address))
}

/// getpeername(2). The address is output 1.
pub const GETPEERNAME: SyscallInfo = SyscallInfo {
    nr: Sysno::GETPEERNAME,
    man: "getpeername(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("addr"), Arg::Data("addrlen")],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::ENOTCONN, "the socket is not connected"),
    ],
    support: Support::Full,
    run: getpeername,
};

fn getpeername(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    if let Protocol::Unix(_) = k.sockets[id].protocol {
        return Ok(Ret::new(0).with(1, sockaddr_un(k.unix_peer_name(id)?.as_ref())));
    }
    let (address, port) = k.sockets[id].remote.ok_or(Errno::ENOTCONN)?;
    Ok(Ret::new(0).with(1, sockaddr_in(address, port)))
}
