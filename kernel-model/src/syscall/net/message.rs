//! sendto(2), sendmsg(2), recvfrom(2) and recvmsg(2): messages into a socket and out of it.
//!
//! What a message of netlink or ICMP says is a structure, not bytes: a list of netlink messages, or an ICMP header.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::net::socket::{Message, Protocol, SocketId};
use crate::net::unix::address::{UnixAddress, UnixName, sockaddr_un};
use crate::net::unix::message::{Receive, Received};
use crate::program::libc::o;
use crate::syscall::{Arg, Args, FlagNames, Ret, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const MSG_OOB: i64 = 0x1;
const MSG_PEEK: i64 = 0x2;
const MSG_CTRUNC: i64 = 0x8;
const MSG_TRUNC: i64 = 0x20;
const MSG_DONTWAIT: i64 = 0x40;
const MSG_WAITALL: i64 = 0x100;
const MSG_ERRQUEUE: i64 = 0x2000;
const MSG_NOSIGNAL: i64 = 0x4000;
const MSG_CMSG_CLOEXEC: i64 = 0x4000_0000;
/// Flags of messages (`MSG_*`).
pub const FLAGS: FlagNames = &[
    ("MSG_OOB", MSG_OOB as u64),
    ("MSG_PEEK", MSG_PEEK as u64),
    ("MSG_DONTROUTE", 0x4),
    ("MSG_CTRUNC", MSG_CTRUNC as u64),
    ("MSG_TRUNC", MSG_TRUNC as u64),
    ("MSG_DONTWAIT", MSG_DONTWAIT as u64),
    ("MSG_EOR", 0x80),
    ("MSG_WAITALL", MSG_WAITALL as u64),
    ("MSG_CONFIRM", 0x800),
    ("MSG_ERRQUEUE", MSG_ERRQUEUE as u64),
    ("MSG_NOSIGNAL", MSG_NOSIGNAL as u64),
    ("MSG_MORE", 0x8000),
    ("MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC as u64),
];

const SEND_ERRORS: &[(Errno, &str)] = &[
    (Errno::EBADF, "sockfd is not open"),
    (Errno::ENOTSOCK, "sockfd is no socket"),
    (Errno::EFAULT, "the message is no structure that the socket's protocol has"),
    (Errno::EINVAL, "an unknown control message, or an address of another family"),
    (Errno::EPERM, "SCM_CREDENTIALS states what the sender is not, or a local socket talks to somebody else"),
    (Errno::ENOTCONN, "a local socket is not connected"),
    (Errno::EISCONN, "an address is given for a local stream that is connected"),
    (Errno::EPIPE, "the other end reads no more; SIGPIPE comes with it, for streams without MSG_NOSIGNAL"),
    (Errno::EAGAIN, "there is no room, and the call or the socket does not wait"),
    (Errno::EMSGSIZE, "the message is too long"),
    (Errno::ECONNREFUSED, "nobody listens by this name any more"),
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
    support: Support::Partial("MSG_OOB is not modelled for local sockets"),
    run: sendto,
};

/// sendmsg(2).
pub const SENDMSG: SyscallInfo = SyscallInfo {
    nr: Sysno::SENDMSG,
    man: "send(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("msg"), Arg::Flags("flags", FLAGS)],
    errno: SEND_ERRORS,
    support: Support::Partial(
        "control messages are SCM_RIGHTS and SCM_CREDENTIALS; MSG_OOB is not modelled for local sockets",
    ),
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
    support: Support::Partial("messages of netlink and ICMP are structures and come whole"),
    run: recvfrom,
};

/// recvmsg(2). The `struct msghdr` is output 1.
pub const RECVMSG: SyscallInfo = SyscallInfo {
    nr: Sysno::RECVMSG,
    man: "recv(2)",
    args: &[Arg::Fd("sockfd"), Arg::Data("msg"), Arg::Flags("flags", FLAGS)],
    errno: RECEIVE_ERRORS,
    support: Support::Partial("control messages are SCM_RIGHTS and SCM_CREDENTIALS"),
    run: recvmsg,
};

fn sendto(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let len = usize::try_from(a.int(2)?).map_err(|_| Errno::EINVAL)?;
    let message = Outgoing { body: a.get(1), len, to: a.get(4), to_len: a.int(5)?, control: &Value::Null };
    send(k, caller, a.int32(0)?, id, a.int(3)?, message)
}

fn sendmsg(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let msg = a.get(1);
    let field = |name| msg.field(name).unwrap_or(&Value::Null);
    let iov = field("msg_iov").as_list().unwrap_or_default();
    let gathered;
    let (body, len) = match (iov, &k.sockets[id].protocol) {
        ([], Protocol::Unix(_)) => (&EMPTY, 0),
        ([], _) => return Err(Errno::EFAULT.into()),
        ([one], _) => (one.field("iov_base").ok_or(Errno::EFAULT)?, iov_len(one)),
        (several, _) => {
            let mut bytes = Vec::new();
            for one in several {
                bytes.extend(bytes_of(one.field("iov_base").ok_or(Errno::EFAULT)?, iov_len(one))?);
            }
            let len = bytes.len();
            gathered = Value::bytes(bytes);
            (&gathered, len)
        }
    };
    let to_len = field("msg_namelen").as_int().unwrap_or(0);
    let message = Outgoing { body, len, to: field("msg_name"), to_len, control: field("msg_control") };
    send(k, caller, a.int32(0)?, id, a.int(2)?, message)
}

/// No bytes.
const EMPTY: Value = Value::List(Vec::new());

/// The length of a `struct iovec`.
fn iov_len(iov: &Value) -> usize {
    iov.field("iov_len").and_then(Value::as_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
}

/// What is to be sent.
struct Outgoing<'a> {
    body: &'a Value,
    len: usize,
    to: &'a Value,
    to_len: i64,
    control: &'a Value,
}

fn send(k: &mut Kernel<'_>, caller: TaskId, fd: i32, id: SocketId, flags: i64, message: Outgoing<'_>) -> SysResult {
    let Outgoing { body, len, to, .. } = message;
    let nonblock = k.vfs.files[k.real_file_id(caller, fd)?].flags & o::NONBLOCK != 0 || flags & MSG_DONTWAIT != 0;
    match k.sockets[id].protocol {
        Protocol::Unix(_) => return unix_send(k, caller, id, flags, nonblock, &message),
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
        Protocol::Diag => {
            for request in body.as_list().ok_or(Errno::EFAULT)? {
                k.sock_diag_receive(id, request);
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
        Protocol::Tcp(_) => return Ok(Ret::new(k.tcp_send(caller, id, &bytes_of(body, len)?, nonblock)? as i64)),
        Protocol::Raw => {
            k.emit(EventKind::NotModelled { what: "raw packets".into() });
            return Err(Errno::EOPNOTSUPP.into());
        }
    }
    Ok(Ret::new(len as i64))
}

/// Sends through a local socket, and what is to go along with it.
fn unix_send(
    k: &mut Kernel<'_>,
    caller: TaskId,
    id: SocketId,
    flags: i64,
    nonblock: bool,
    message: &Outgoing<'_>,
) -> SysResult {
    let bytes = if matches!(message.body, Value::List(_)) { Vec::new() } else { bytes_of(message.body, message.len)? };
    let ancillary = k.scm_send(caller, message.control)?;
    if flags & MSG_OOB != 0 {
        k.scm_destroy(ancillary);
        k.emit(EventKind::NotModelled { what: "out-of-band data of local sockets".into() });
        return Err(Errno::EOPNOTSUPP.into());
    }
    let to = match message.to {
        Value::Null => Ok(None),
        addr => UnixAddress::read(addr, message.to_len, super::address::family(addr)).and_then(|a| a.name()).map(Some),
    };
    let sent = to
        .map_err(Stop::from)
        .and_then(|to| k.unix_send(caller, id, (to, &bytes), &ancillary, (nonblock, flags & MSG_NOSIGNAL != 0)));
    // The message has counted the files for itself.
    k.scm_destroy(ancillary);
    Ok(Ret::new(sent? as i64))
}

/// The bytes of a buffer, as many as the length says. What a log has cut off is blank.
fn bytes_of(body: &Value, len: usize) -> Result<Vec<u8>, Errno> {
    const MOST: usize = 16 << 20;
    let mut bytes = body.as_bytes().ok_or(Errno::EFAULT)?.to_vec();
    bytes.resize(len.min(bytes.len().max(MOST)), b' ');
    Ok(bytes)
}

fn recvfrom(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let count = usize::try_from(a.int(2)?).map_err(|_| Errno::EINVAL)?;
    let flags = a.int(3)?;
    if let Protocol::Unix(_) = k.sockets[k.socket_of_fd(caller, a.int32(0)?)?].protocol {
        let (got, _) = unix_receive(k, caller, a.int32(0)?, flags, count)?;
        got.rights.iter().for_each(|file| k.put_file(*file));
        let len = if flags & MSG_TRUNC != 0 { got.whole } else { got.data.len() };
        return Ok(Ret::new(len as i64).with(1, Value::bytes(got.data)).with(4, sender(got.name)));
    }
    let message = receive(k, caller, a.int32(0)?, flags, count)?;
    Ok(Ret::new(message.len as i64).with(1, message.body).with(4, message.from))
}

fn recvmsg(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let iov = a.get(1).field("msg_iov").map(|iov| iov.as_list().unwrap_or_default());
    let count = iov.map_or(65_536, |iov| iov.iter().map(iov_len).sum());
    if let Protocol::Unix(_) = k.sockets[k.socket_of_fd(caller, a.int32(0)?)?].protocol {
        return unix_recvmsg(k, caller, a, count);
    }
    let message = receive(k, caller, a.int32(0)?, a.int(2)?, count)?;
    Ok(Ret::new(message.len as i64).with(1, msghdr(message.from, message.body, message.len, None, 0)))
}

/// A `struct msghdr` as recvmsg(2) leaves it. Everything is in the first buffer.
fn msghdr(name: Value, body: Value, len: usize, control: Option<(Vec<Value>, usize)>, flags: i64) -> Value {
    let iov = Value::record([("iov_base", body), ("iov_len", len.into())]);
    let mut fields = vec![
        ("msg_name", name),
        ("msg_iov", Value::List(vec![iov])),
        ("msg_iovlen", 1.into()),
        ("msg_controllen", control.as_ref().map_or(0, |(_, len)| *len).into()),
        ("msg_flags", flags.into()),
    ];
    if let Some((list, _)) = control {
        fields.insert(3, ("msg_control", Value::List(list)));
    }
    Value::Struct(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// recvmsg(2) from a local socket: what came along becomes control messages as far as `msg_controllen` says that there
/// is room; without a `struct msghdr` there is enough.
fn unix_recvmsg(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, count: usize) -> SysResult {
    let flags = a.int(2)?;
    let room = match a.get(1) {
        Value::Null => usize::MAX,
        msg => msg.field("msg_controllen").and_then(Value::as_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
    };
    let (got, id) = unix_receive(k, caller, a.int32(0)?, flags, count)?;
    let wants_cred = k.sockets[id].options.pass_credentials && got.name.is_some();
    let cloexec = flags & MSG_CMSG_CLOEXEC != 0;
    let control = k.scm_recv(caller, wants_cred, got.cred.as_ref(), got.rights, (room, cloexec));
    let mut answer = flags & MSG_CMSG_CLOEXEC;
    if got.whole > got.data.len() {
        answer |= MSG_TRUNC;
    }
    if control.cut {
        answer |= MSG_CTRUNC;
    }
    let len = got.data.len();
    let result = if flags & MSG_TRUNC != 0 { got.whole } else { len };
    let list = (!control.list.is_empty()).then_some((control.list, control.len));
    let msg = msghdr(sender(got.name), Value::bytes(got.data), len, list, answer);
    Ok(Ret::new(result as i64).with(1, msg))
}

/// The sender of a message, if it has a name.
fn sender(name: Option<Option<UnixName>>) -> Value {
    name.flatten().map_or(Value::Null, |name| sockaddr_un(Some(&name)))
}

fn unix_receive(
    k: &mut Kernel<'_>,
    caller: TaskId,
    fd: i32,
    flags: i64,
    count: usize,
) -> Result<(Received, SocketId), Stop> {
    let id = k.socket_of_fd(caller, fd)?;
    let file = k.real_file_id(caller, fd)?;
    let nonblock = k.vfs.files[file].flags & o::NONBLOCK != 0 || flags & MSG_DONTWAIT != 0;
    if flags & MSG_OOB != 0 {
        k.emit(EventKind::NotModelled { what: "out-of-band data of local sockets".into() });
        return Err(Errno::EINVAL.into());
    }
    let how = Receive { count, peek: flags & MSG_PEEK != 0, all: flags & MSG_WAITALL != 0, nonblock };
    Ok((k.unix_receive(caller, id, how)?, id))
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
