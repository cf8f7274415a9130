//! Local sockets, as in unix(7): conversations between processes of one machine (`net/unix/af_unix.c`).
//!
//! A socket has a name in the file system, which mounts wall off, or in the abstract namespace, of which every
//! network namespace has one of its own. Descriptors and credentials travel with what is sent.
//!
//! - this file says what a local socket is, how a pair comes into being, and how one ends;
//! - [`address`] gives names and finds sockets by them; [`connect`] brings two together;
//! - [`message`] moves bytes; [`scm`] moves descriptors and credentials with them.

pub mod address;
mod connect;
pub mod message;
pub mod scm;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::socket::{Protocol, SocketId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::vfs::path::VfsPath;
use crate::world::World;
use address::UnixName;
use message::UnixMessage;
use scm::UnixCred;

/// How many bytes of memory may be on their way from one socket (`net.core.wmem_default`).
const SNDBUF: u64 = 212_992;
/// How many messages may wait in a socket for datagrams, beyond the first (`net.unix.max_dgram_qlen`).
const MAX_DGRAM_QLEN: usize = 10;

/// The type of a local socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum UnixType {
    /// `SOCK_STREAM`: a connection, bytes without boundaries.
    Stream = 1,
    /// `SOCK_DGRAM`: messages.
    Datagram = 2,
    /// `SOCK_SEQPACKET`: a connection, messages.
    SeqPacket = 5,
}

impl UnixType {
    /// The type with this number (`unix_create`). Raw ones are for datagrams.
    pub fn from_number(number: i64) -> Option<UnixType> {
        match number {
            1 => Some(UnixType::Stream),
            2 | 3 => Some(UnixType::Datagram),
            5 => Some(UnixType::SeqPacket),
            _ => None,
        }
    }

    /// Whether there are connections.
    pub fn connects(self) -> bool {
        self != UnixType::Datagram
    }
}

/// The state of a local socket, by the names that it shares with TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum UnixState {
    /// `TCP_CLOSE`: not connected.
    Closed,
    /// `TCP_LISTEN`: connections are taken.
    Listening,
    /// `TCP_ESTABLISHED`: connected, even when the other end is gone.
    Established,
}

/// One end of a local conversation (`struct unix_sock`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UnixEnd {
    /// Its type.
    pub kind: UnixType,
    /// Its state.
    pub state: UnixState,
    /// What it is called.
    pub name: Option<UnixName>,
    /// The file that bears its name.
    pub path: Option<VfsPath>,
    /// The other end, which may be gone.
    pub peer: Option<SocketId>,
    /// What the other end was called when it went.
    pub peer_was: Option<UnixName>,
    /// Who is at the other end, or who listens here (`SO_PEERCRED`).
    pub peer_cred: Option<UnixCred>,
    /// Nothing more is read here (`RCV_SHUTDOWN`).
    pub receive_shut: bool,
    /// Nothing more is sent from here (`SEND_SHUTDOWN`).
    pub send_shut: bool,
    /// What has arrived.
    pub queue: VecDeque<UnixMessage>,
    /// Connections that wait to be accepted.
    pub accept_queue: VecDeque<SocketId>,
    /// How many of these, or of messages, may wait beyond the first.
    pub backlog: usize,
    /// It waits to be accepted: nobody has it open yet.
    pub embryo: bool,
    /// Memory of what was sent from here and not read yet, in bytes (`sk_wmem_alloc`).
    pub on_way: u64,
}

impl UnixEnd {
    /// An end that is not connected and has no name.
    pub fn new(kind: UnixType) -> UnixEnd {
        UnixEnd {
            kind,
            state: UnixState::Closed,
            name: None,
            path: None,
            peer: None,
            peer_was: None,
            peer_cred: None,
            receive_shut: false,
            send_shut: false,
            queue: VecDeque::new(),
            accept_queue: VecDeque::new(),
            backlog: MAX_DGRAM_QLEN,
            embryo: false,
            on_way: 0,
        }
    }

    /// How many messages or connections wait.
    fn waiting(&self) -> usize {
        if self.state == UnixState::Listening { self.accept_queue.len() } else { self.queue.len() }
    }

    /// Whether no more may wait (`unix_recvq_full`).
    fn is_full(&self) -> bool {
        self.waiting() > self.backlog
    }

    /// Whether poll(2) says that something can be sent (`unix_writable`).
    fn is_writable(&self) -> bool {
        self.state != UnixState::Listening && self.on_way * 4 <= SNDBUF
    }
}

impl World {
    /// The local socket with this number, as long as somebody has it open or it waits to be accepted.
    pub fn unix(&self, id: SocketId) -> Option<&UnixEnd> {
        match &self.sockets.get(id)?.protocol {
            Protocol::Unix(end) => Some(end),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn unix_mut(&mut self, id: SocketId) -> Option<&mut UnixEnd> {
        match &mut self.sockets.get_mut(id)?.protocol {
            Protocol::Unix(end) => Some(end),
            _ => None,
        }
    }

    /// The same where it is known that it is one.
    ///
    /// # Errors
    /// ENOTSOCK otherwise.
    fn unix_end(&self, id: SocketId) -> Result<&UnixEnd, Errno> {
        self.unix(id).ok_or(Errno::ENOTSOCK)
    }

    /// The files that bear the names of sockets: they stay as long as these.
    pub(crate) fn unix_paths(&self) -> impl Iterator<Item = VfsPath> {
        self.sockets.iter().filter_map(|(_, s)| match &s.protocol {
            Protocol::Unix(end) => end.path,
            _ => None,
        })
    }
}

impl Kernel<'_> {
    /// Two sockets that are connected to each other (`unix_socketpair`).
    pub(crate) fn unix_pair(&mut self, caller: TaskId, kind: UnixType) -> (SocketId, SocketId) {
        let cred = self.cred_of(caller);
        let first = self.new_socket(caller, Protocol::Unix(Box::new(UnixEnd::new(kind))));
        let second = self.new_socket(caller, Protocol::Unix(Box::new(UnixEnd::new(kind))));
        for (own, other) in [(first, second), (second, first)] {
            if let Some(end) = self.unix_mut(own) {
                end.peer = Some(other);
                end.peer_cred = Some(cred.clone());
                end.state = UnixState::Established;
            }
        }
        (first, second)
    }

    /// A socket ends (`unix_release_sock`): the other end hears of it, and what nobody has read is gone, descriptors
    /// that were on their way among it.
    pub(crate) fn unix_close(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.remove(id) else { return };
        let Protocol::Unix(end) = socket.protocol else { return };
        let unread = !end.queue.is_empty() || end.embryo;
        if let Some(peer) = end.peer {
            self.unix_peer_gone(id, peer, &end, unread);
        }
        let heard = self.sockets.iter().filter(
            |(_, s)| matches!(&s.protocol, Protocol::Unix(e) if e.kind == UnixType::Datagram && e.peer == Some(id)),
        );
        let heard: Vec<SocketId> = heard.map(|(other, _)| other).collect();
        for other in heard {
            if let Some(e) = self.unix_mut(other) {
                e.peer_was = end.name.clone();
            }
            self.wake_all(Wait::SocketWritable(other));
        }
        for message in end.queue {
            self.unix_discard(message);
        }
        for embryo in end.accept_queue {
            let net = self.sockets[embryo].net;
            self.unix_close(embryo);
            self.release_ns(NsRef::Net(net));
        }
        if let Some(path) = end.path {
            self.put_path(path);
        }
        for wait in [Wait::SocketReadable(id), Wait::SocketWritable(id), Wait::SocketRoom(id)] {
            self.wake_all(wait);
        }
    }

    /// The other end of a connection closes.
    fn unix_peer_gone(&mut self, id: SocketId, peer: SocketId, gone: &UnixEnd, unread: bool) {
        let Some(end) = self.unix_mut(peer).filter(|end| end.peer == Some(id)) else { return };
        end.peer_was = gone.name.clone();
        if !gone.kind.connects() {
            return;
        }
        end.receive_shut = true;
        end.send_shut = true;
        if unread {
            self.sockets[peer].error = Some(Errno::ECONNRESET);
        }
        self.wake_all(Wait::SocketReadable(peer));
        self.wake_all(Wait::SocketWritable(peer));
    }

    /// A message that nobody will read: its sender has that much room again, and its descriptors are closed.
    fn unix_discard(&mut self, message: UnixMessage) {
        self.unix_consumed(&message);
        for file in message.rights {
            self.put_file(file);
        }
    }

    /// What a message took of its sender's room is free again (`sock_wfree`).
    fn unix_consumed(&mut self, message: &UnixMessage) {
        let Some(sender) = self.unix_mut(message.from) else { return };
        sender.on_way = sender.on_way.saturating_sub(message.memory);
        if sender.is_writable() {
            self.wake_all(Wait::SocketWritable(message.from));
        }
    }
}
