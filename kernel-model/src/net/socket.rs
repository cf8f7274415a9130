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
use crate::syscall::{Sleep, Stop, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
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
    /// What it speaks.
    pub protocol: Protocol,
    /// Messages that have arrived, each with where it came from.
    pub queue: VecDeque<Message>,
}

/// What a socket speaks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Protocol {
    /// `AF_NETLINK`, `NETLINK_ROUTE`: its port, 0 until it is bound.
    Route {
        /// The port (`nl_pid`).
        port: u32,
    },
    /// `AF_INET` with `IPPROTO_ICMP`, a raw one or an echo one.
    Icmp {
        /// `SOCK_RAW`: whoever holds it chooses the identifier.
        raw: bool,
        /// The other end.
        peer: Option<Ipv4Addr>,
    },
    /// `AF_INET` with `IPPROTO_UDP`. It finds its route; its packets are not modelled.
    Udp {
        /// Its own address and the other end's, with ports, once it is connected.
        connected: Option<(Ipv4Addr, Ipv4Addr, u16)>,
    },
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
        self.sockets.add(Socket { ino, net, protocol, queue: VecDeque::new() })
    }

    /// Its last descriptor is closed.
    pub(crate) fn release_socket(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.remove(id) {
            self.release_ns(NsRef::Net(socket.net));
        }
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
    /// EAGAIN when there is none and `nonblock`; sleeps otherwise.
    pub(crate) fn receive(&mut self, id: SocketId, peek: bool, nonblock: bool) -> Result<Message, Stop> {
        let queue = &mut self.sockets[id].queue;
        let message = if peek { queue.front().cloned() } else { queue.pop_front() };
        match message {
            Some(message) => Ok(message),
            None if nonblock => Err(Errno::EAGAIN.into()),
            None => Err(Sleep::on(Wait::SocketReadable(id))),
        }
    }
}

/// `AF_UNIX`.
pub const AF_UNIX: i64 = 1;
/// `AF_INET`.
pub const AF_INET: i64 = 2;
/// `AF_NETLINK`.
pub const AF_NETLINK: i64 = 16;
