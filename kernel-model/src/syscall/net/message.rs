//! sendto(2), sendmsg(2), recvfrom(2) and recvmsg(2): messages into a socket and out of it.
//!
//! What a message says is a structure, not bytes: a list of netlink messages, or an ICMP header.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::net::socket::{Message, Protocol, SocketId};
use crate::program::libc::o;
use crate::syscall::{Arg, Args, FlagNames, Ret, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const MSG_PEEK: i64 = 0x2;
const MSG_TRUNC: i64 = 0x20;
const MSG_ERRQUEUE: i64 = 0x2000;
const MSG_DONTWAIT: i64 = 0x40;
const FLAGS: FlagNames = &[
    ("MSG_PEEK", MSG_PEEK as u64),
    ("MSG_TRUNC", MSG_TRUNC as u64),
    ("MSG_DONTWAIT", MSG_DONTWAIT as u64),
    ("MSG_ERRQUEUE", MSG_ERRQUEUE as u64),
];

const SEND_ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "sockfd is not open"),
    (Errno::ENOTSOCK, "sockfd is no socket"),
    (Errno::EFAULT, "the message is no structure that the socket's protocol has"),
    (Errno::EDESTADDRREQ, "no address is given and the socket is not connected"),
    (Errno::ENETUNREACH, "no route leads to the address"),
    (Errno::EOPNOTSUPP, "packets of this protocol are not modelled"),
];

const RECEIVE_ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "sockfd is not open"),
    (Errno::ENOTSOCK, "sockfd is no socket"),
    (Errno::EAGAIN, "nothing has arrived, and the call or the socket does not wait"),
    (Errno::EINTR, "a signal came first"),
];

/// sendto(2).
pub const SENDTO: SyscallInfo = SyscallInfo {
    nr: Sysno::SENDTO,
    man: "send(2)",
    args: &[
        Arg::Fd("sockfd"),
        Arg::Data("buf"),
        Arg::Int("len"),
        Arg::Flags("flags", FLAGS),
        Arg::Data("dest_addr"),
        Arg::Int("addrlen"),
    ],
    errno: SEND_ERRORS,
    support: Support::Partial("messages are structures: netlink messages and ICMP echo requests"),
    run: sendto,
};

/// sendmsg(2).
pub const SENDMSG: SyscallInfo = SyscallInfo {
    nr: Sysno::SENDMSG,
    man: "send(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("msg"), Arg::Flags("flags", FLAGS)],
    errno: SEND_ERRORS,
    support: Support::Partial("messages are structures: netlink messages and ICMP echo requests"),
    run: sendmsg,
};

/// recvfrom(2). The message is output 1, its sender output 4.
pub const RECVFROM: SyscallInfo = SyscallInfo {
    nr: Sysno::RECVFROM,
    man: "recv(2)",
    args: &[
        Arg::Fd("sockfd"),
        Arg::Data("buf"),
        Arg::Int("len"),
        Arg::Flags("flags", FLAGS),
        Arg::Data("src_addr"),
        Arg::Data("addrlen"),
    ],
    errno: RECEIVE_ERRORS,
    support: Support::Partial("messages are structures and come whole"),
    run: recvfrom,
};

/// recvmsg(2). The `struct msghdr` is output 1.
pub const RECVMSG: SyscallInfo = SyscallInfo {
    nr: Sysno::RECVMSG,
    man: "recv(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("msg"), Arg::Flags("flags", FLAGS)],
    errno: RECEIVE_ERRORS,
    support: Support::Partial("messages are structures and come whole; no control messages"),
    run: recvmsg,
};

fn sendto(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let len = usize::try_from(a.int(2)?).map_err(|_| Errno::EINVAL)?;
    send(k, caller, a.int32(0)?, id, a.get(1), len, a.get(4))
}

fn sendmsg(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let msg = a.get(1);
    let iov = msg.field("msg_iov").and_then(Value::as_list).and_then(<[Value]>::first).ok_or(Errno::EFAULT)?;
    let len = iov.field("iov_len").and_then(Value::as_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let body = iov.field("iov_base").ok_or(Errno::EFAULT)?;
    send(k, caller, a.int32(0)?, id, body, len, msg.field("msg_name").unwrap_or(&Value::Null))
}

fn send(k: &mut Kernel<'_>, caller: TaskId, fd: i32, id: SocketId, body: &Value, len: usize, to: &Value) -> SysResult {
    match k.sockets[id].protocol.clone() {
        Protocol::Route { .. } => {
            k.bind_netlink(caller, id, 0)?;
            let opener = Arc::clone(&k.vfs.files[k.real_file_id(caller, fd)?].cred);
            let messages = match body {
                Value::List(messages) => messages.as_slice(),
                message @ Value::Struct(_) => std::slice::from_ref(message),
                _ => return Err(Errno::EFAULT.into()),
            };
            for message in messages {
                k.rtnetlink_receive(caller, &opener, id, message);
            }
        }
        Protocol::Icmp { .. } => {
            let to = match to {
                Value::Null => k.sockets[id].remote.ok_or(Errno::EDESTADDRREQ)?.0,
                addr => super::address::sockaddr(addr)?.0,
            };
            k.icmp_send(id, to, body, len)?;
        }
        Protocol::Udp => {
            let to = match to {
                Value::Null => None,
                addr => Some(super::address::sockaddr(addr)?),
            };
            k.udp_send(id, to, &bytes_of(body, len)?)?;
        }
        Protocol::Tcp(_) => {
            let nonblock = k.vfs.files[k.real_file_id(caller, fd)?].flags & o::NONBLOCK != 0;
            return Ok(Ret::new(k.tcp_send(caller, id, &bytes_of(body, len)?, nonblock)? as i64));
        }
        Protocol::Raw => {
            k.emit(EventKind::NotModelled { what: "raw packets".into() });
            return Err(Errno::EOPNOTSUPP.into());
        }
    }
    Ok(Ret::new(len as i64))
}

/// The bytes of a buffer, as many as the length says.
fn bytes_of(body: &Value, len: usize) -> Result<Vec<u8>, Errno> {
    let bytes = body.as_bytes().ok_or(Errno::EFAULT)?;
    Ok(bytes[..len.min(bytes.len())].to_vec())
}

fn recvfrom(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let count = usize::try_from(a.int(2)?).map_err(|_| Errno::EINVAL)?;
    let message = receive(k, caller, a.int32(0)?, a.int(3)?, count)?;
    Ok(Ret::new(message.len as i64).with(1, message.body).with(4, message.from))
}

fn recvmsg(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let iov = a.get(1).field("msg_iov").and_then(Value::as_list).and_then(<[Value]>::first);
    let count = iov.and_then(|i| i.field("iov_len")).and_then(Value::as_int).and_then(|n| usize::try_from(n).ok());
    let message = receive(k, caller, a.int32(0)?, a.int(2)?, count.unwrap_or(65_536))?;
    let len = message.len as i64;
    let iov = Value::record([("iov_base", message.body), ("iov_len", len.into())]);
    let msg = Value::record([
        ("msg_name", message.from),
        ("msg_iov", Value::List(vec![iov])),
        ("msg_iovlen", 1.into()),
        ("msg_controllen", 0.into()),
        ("msg_flags", 0.into()),
    ]);
    Ok(Ret::new(len).with(1, msg))
}

fn receive(k: &mut Kernel<'_>, caller: TaskId, fd: i32, flags: i64, count: usize) -> Result<Message, Stop> {
    let id = k.socket_of_fd(caller, fd)?;
    let nonblock = k.vfs.files[k.real_file_id(caller, fd)?].flags & o::NONBLOCK != 0;
    if flags & MSG_ERRQUEUE != 0 {
        return k.sockets[id].errors.pop_front().ok_or(Stop::Err(Errno::EAGAIN));
    }
    if let Protocol::Tcp(_) = k.sockets[id].protocol {
        let bytes = k.tcp_recv(id, count, flags & MSG_PEEK != 0, nonblock || flags & MSG_DONTWAIT != 0)?;
        let len = bytes.len();
        return Ok(Message { from: Value::Null, body: Value::bytes(bytes), len, control: Vec::new(), offset: 0 });
    }
    k.receive(caller, id, flags & MSG_PEEK != 0, nonblock || flags & MSG_DONTWAIT != 0)
}
