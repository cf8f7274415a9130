//! Sockets, as in socket(7): what is behind the descriptor, and what waits in it to be read.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::net::NetNsId;
use crate::net::device::NetDevId;
use crate::net::tcp::{TcpEnd, TcpState};
use crate::net::unix::UnixEnd;
use crate::net::unix::message::Receive;
use crate::net::unix::scm::Ancillary;
use crate::security::credentials::Kuid;
use crate::syscall::{Sleep, Stop, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::vfs::file::FileKind;
use crate::world::World;

id! {
    /// A socket.
    SocketId
}

/// A socket.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Socket {
    /// Its inode number, as `socket:[N]` shows it.
    pub ino: u64,
    /// The network namespace in which it was made, and in which it stays.
    pub net: NetNsId,
    /// Whose it is.
    pub owner: Kuid,
    /// What it speaks.
    pub protocol: Protocol,
    /// Its own IPv4 address and port, unspecified and 0 until it has them.
    pub local: (Ipv4Addr, u16),
    /// The other end's IPv4 address and port, once it is connected.
    pub remote: Option<(Ipv4Addr, u16)>,
    /// How it behaves.
    pub options: SocketOptions,
    /// Messages that have arrived, each with where it came from.
    pub queue: VecDeque<Message>,
    /// Errors that wait to be read with `MSG_ERRQUEUE`.
    pub errors: VecDeque<Message>,
    /// The error that the next call reports (`SO_ERROR`).
    pub error: Option<Errno>,
    /// No descriptor is open on it: a connection that ends, or one that waits to be accepted. It does not keep its
    /// namespace alive.
    pub orphan: bool,
}

/// What setsockopt(2) has changed of a socket.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SocketOptions {
    /// The device to which it is bound (`SO_BINDTODEVICE`).
    pub device: Option<NetDevId>,
    /// It may send to everybody (`SO_BROADCAST`).
    pub broadcast: bool,
    /// Others may have the same address (`SO_REUSEADDR`).
    pub reuse_address: bool,
    /// Others may have the same address and port at the same time (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// The time to live of what it sends (`IP_TTL`).
    pub ttl: Option<u8>,
    /// What it sends must not be cut (`IP_MTU_DISCOVER`).
    pub pmtu_discover: bool,
    /// Errors are queued with what they are about (`IP_RECVERR`).
    pub recv_errors: bool,
    /// How long a call waits for something to arrive (`SO_RCVTIMEO`).
    pub recv_timeout: Option<Nanos>,
    /// Messages come with the credentials of whoever sent them (`SO_PASSCRED`).
    pub pass_credentials: bool,
    /// Everything else that was set, by level and number.
    pub others: std::collections::BTreeMap<(i64, i64), i64>,
}

/// What a socket speaks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Protocol {
    /// `AF_NETLINK`, `NETLINK_ROUTE`: its port, 0 until it is bound.
    Route {
        /// The port (`nl_pid`).
        port: u32,
    },
    /// `AF_NETLINK`, `NETLINK_SOCK_DIAG`: it has no port, because nothing comes by itself.
    Diag,
    /// `AF_INET` with `IPPROTO_ICMP`, a raw one or an echo one.
    Icmp {
        /// `SOCK_RAW`: whoever holds it chooses the identifier.
        raw: bool,
        /// The identifier of an echo socket.
        ident: u16,
        /// Types of messages that a raw one does not want (`ICMP_FILTER`).
        filter: u32,
    },
    /// `AF_INET` with `IPPROTO_UDP`.
    Udp,
    /// `AF_INET`, `SOCK_STREAM`.
    Tcp(Box<TcpEnd>),
    /// `AF_UNIX`.
    Unix(Box<UnixEnd>),
    /// `AF_INET`, `SOCK_RAW` with `IPPROTO_RAW`: iptables speaks to the packet filter through it.
    Raw,
}

/// A message in a socket.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Where it came from, as a `struct sockaddr`.
    pub from: Value,
    /// What it says.
    pub body: Value,
    /// How many bytes that would be.
    pub len: usize,
    /// What came with it (`msg_control`).
    pub control: Vec<Value>,
    /// How many of its bytes have been read, of a stream.
    pub offset: usize,
}

/// The address of an IPv4 end.
pub(crate) fn sockaddr_in(address: Ipv4Addr, port: u16) -> Value {
    Value::record([
        ("sa_family", AF_INET.into()),
        ("sin_port", u32::from(port).into()),
        ("sin_addr", address.to_string().as_str().into()),
    ])
}

impl Socket {
    /// Whether something can be read, and whether something can be written, without waiting (`tcp_poll`,
    /// `datagram_poll`).
    pub fn readiness(&self) -> (bool, bool) {
        let failed = self.error.is_some();
        match &self.protocol {
            Protocol::Tcp(end) if end.is_listening() => (!end.accept_queue.is_empty(), false),
            Protocol::Tcp(end) => {
                let over = end.end_received || end.read_shut || end.state == TcpState::Close;
                let on_way: usize = end.unacknowledged.iter().map(|s| s.data.len()).sum();
                let room = end.can_send() && end.peer_window as usize > on_way;
                (!self.queue.is_empty() || over || failed, room || failed || end.state == TcpState::Close)
            }
            _ => (!self.queue.is_empty() || failed, true),
        }
    }
}

impl World {
    /// The socket behind a descriptor.
    ///
    /// # Errors
    /// EBADF; ENOTSOCK when it is open on something else.
    pub(crate) fn socket_of_fd(&self, task: TaskId, fd: i32) -> Result<SocketId, Errno> {
        match self.vfs.files[self.real_file_id(task, fd)?].kind {
            FileKind::Socket(id) => Ok(id),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    /// What `/proc/PID/fd` shows of a socket.
    pub(crate) fn socket_name(&self, id: SocketId) -> String {
        format!("socket:[{}]", self.sockets.get(id).map_or(0, |s| s.ino))
    }
}

impl Kernel<'_> {
    /// A socket in the caller's network namespace, which it keeps alive.
    pub(crate) fn new_socket(&mut self, caller: TaskId, protocol: Protocol) -> SocketId {
        let net = self.tasks[caller].nsproxy.net;
        self.hold_ns(NsRef::Net(net));
        self.last_pipe_ino += 1;
        let ino = self.last_pipe_ino;
        let owner = self.tasks[caller].cred.fsuid;
        self.sockets.add(Socket {
            ino,
            net,
            owner,
            protocol,
            local: (Ipv4Addr::UNSPECIFIED, 0),
            remote: None,
            options: SocketOptions::default(),
            queue: VecDeque::new(),
            errors: VecDeque::new(),
            error: None,
            orphan: false,
        })
    }

    /// Its last descriptor is closed.
    pub(crate) fn release_socket(&mut self, id: SocketId) {
        let Some(net) = self.sockets.get(id).map(|s| s.net) else { return };
        if let Protocol::Unix(_) = self.sockets[id].protocol {
            self.unix_close(id);
        } else if self.tcp_close(id) {
            self.forget_socket(id);
        }
        self.release_ns(NsRef::Net(net));
    }

    /// A socket is gone, and with it what it waited for.
    pub(crate) fn forget_socket(&mut self, id: SocketId) {
        if self.unix(id).is_some() {
            return self.unix_close(id);
        }
        let Some(socket) = self.sockets.remove(id) else { return };
        if let Protocol::Tcp(end) = socket.protocol
            && let Some(at) = end.timer
        {
            self.net_timers.remove(&(at, super::timer::NetTimer::Tcp(id)));
        }
        self.wake_all(Wait::SocketReadable(id));
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, id: SocketId, message: Message) {
        let bytes = message.len as u64;
        self.sockets[id].queue.push_back(message);
        let what = if self.trace.silent { String::new() } else { self.socket_name(id) };
        self.emit(EventKind::DataWritten { what: what.into(), bytes });
        self.wake_all(Wait::SocketReadable(id));
    }

    /// Takes the oldest message, or only looks at it.
    ///
    /// # Errors
    /// The error that the socket has been told of; EAGAIN when there is no message and `nonblock`, or when it has
    /// waited for as long as `SO_RCVTIMEO` says; sleeps otherwise.
    pub(crate) fn receive(&mut self, task: TaskId, id: SocketId, peek: bool, nonblock: bool) -> Result<Message, Stop> {
        let socket = &mut self.sockets[id];
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        let message = if peek { socket.queue.front().cloned() } else { socket.queue.pop_front() };
        match message {
            Some(message) => Ok(message),
            None if nonblock => Err(Errno::EAGAIN.into()),
            None => {
                let span = self.sockets[id].options.recv_timeout;
                let until = span.map(|span| self.deadline(task, span));
                if until.is_some_and(|at| self.clock >= at) {
                    return Err(Errno::EAGAIN.into());
                }
                Err(Stop::Block(Sleep { on: vec![Wait::SocketReadable(id)], until }))
            }
        }
    }

    /// read(2) from a socket.
    ///
    /// # Errors
    /// Those of recv(2); EINVAL for a socket whose messages are structures.
    pub(crate) fn socket_read(
        &mut self,
        task: TaskId,
        id: SocketId,
        count: usize,
        nonblock: bool,
    ) -> Result<Vec<u8>, Stop> {
        match self.sockets[id].protocol {
            Protocol::Unix(_) => {
                let got = self.unix_receive(task, id, Receive { count, peek: false, all: false, nonblock })?;
                // read(2) has no place for descriptors: they are closed.
                got.rights.into_iter().for_each(|file| self.put_file(file));
                Ok(got.data)
            }
            Protocol::Tcp(_) => self.tcp_recv(id, count, false, nonblock),
            Protocol::Udp => {
                let message = self.receive(task, id, false, nonblock)?;
                let bytes = message.body.as_bytes().unwrap_or_default();
                Ok(bytes[..count.min(bytes.len())].to_vec())
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// write(2) to a socket.
    ///
    /// # Errors
    /// Those of send(2); EINVAL for a socket whose messages are structures.
    pub(crate) fn socket_write(
        &mut self,
        task: TaskId,
        id: SocketId,
        bytes: &[u8],
        nonblock: bool,
    ) -> Result<usize, Stop> {
        match self.sockets[id].protocol {
            Protocol::Unix(_) => self.unix_send(task, id, (None, bytes), &Ancillary::default(), (nonblock, false)),
            Protocol::Tcp(_) => self.tcp_send(task, id, bytes, nonblock),
            Protocol::Udp => {
                self.udp_send(id, None, bytes)?;
                Ok(bytes.len())
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// An identifier for an echo socket that no other of the namespace has.
    pub(crate) fn free_ping_ident(&self, net: NetNsId) -> u16 {
        let taken = |n: u16| {
            let same = |s: &Socket| {
                s.net == net && matches!(s.protocol, Protocol::Icmp { raw: false, ident, .. } if ident == n)
            };
            self.sockets.iter().any(|(_, s)| same(s))
        };
        (1..=u16::MAX).find(|n| !taken(*n)).unwrap_or(1)
    }
}

/// `AF_UNSPEC`.
pub const AF_UNSPEC: i64 = 0;
/// `AF_UNIX`.
pub const AF_UNIX: i64 = 1;
/// `AF_INET`.
pub const AF_INET: i64 = 2;
/// `AF_NETLINK`.
pub const AF_NETLINK: i64 = 16;
