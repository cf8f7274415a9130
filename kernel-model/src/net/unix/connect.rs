//! Bringing local sockets together, and taking them apart: listen(2), connect(2), accept(2), shutdown(2), and what
//! poll(2) sees.

use super::address::UnixName;
use super::scm::UnixCred;
use super::{UnixEnd, UnixState, UnixType};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::net::socket::{Protocol, SocketId};
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::world::World;

const POLLIN: i64 = 1;
const POLLOUT: i64 = 4;
const POLLERR: i64 = 8;
const POLLHUP: i64 = 0x10;
const POLLRDHUP: i64 = 0x2000;

impl World {
    /// What poll(2) sees of a local socket (`unix_poll`, `unix_dgram_poll`).
    pub(crate) fn unix_poll(&self, id: SocketId) -> i64 {
        let Some(end) = self.unix(id) else { return POLLERR | POLLHUP };
        let mut mask = 0;
        if self.sockets[id].error.is_some() {
            mask |= POLLERR;
        }
        if end.receive_shut && end.send_shut {
            mask |= POLLHUP;
        }
        if end.receive_shut {
            mask |= POLLRDHUP | POLLIN;
        }
        if end.waiting() > 0 {
            mask |= POLLIN;
        }
        if end.kind.connects() && end.state == UnixState::Closed {
            mask |= POLLHUP;
        }
        if end.is_writable() && !self.unix_peer_is_full(id, end) {
            mask |= POLLOUT;
        }
        mask
    }

    /// Whether a socket for datagrams is connected to one that takes no more.
    fn unix_peer_is_full(&self, id: SocketId, end: &UnixEnd) -> bool {
        let peer = end.peer.filter(|_| end.kind == UnixType::Datagram).and_then(|peer| self.unix(peer));
        peer.is_some_and(|peer| peer.peer != Some(id) && peer.is_full())
    }

    /// Whether `from` may send to `to`: nobody but its peer sends to a socket that has one (`unix_may_send`).
    pub(super) fn unix_may_send(&self, from: SocketId, to: SocketId) -> bool {
        self.unix(to).is_some_and(|end| end.peer.is_none_or(|peer| peer == from))
    }

    /// What the other end is called.
    ///
    /// # Errors
    /// ENOTCONN when there is none.
    pub(crate) fn unix_peer_name(&self, id: SocketId) -> Result<Option<UnixName>, Errno> {
        let end = self.unix_end(id)?;
        let peer = end.peer.ok_or(Errno::ENOTCONN)?;
        Ok(match self.unix(peer) {
            Some(peer) => peer.name.clone(),
            None => end.peer_was.clone(),
        })
    }
}

impl Kernel<'_> {
    /// Takes connections from now on (`unix_listen`).
    ///
    /// # Errors
    /// EOPNOTSUPP for datagrams; EINVAL without a name, or when it is connected.
    pub(crate) fn unix_listen(&mut self, caller: TaskId, id: SocketId, backlog: usize) -> Result<(), Errno> {
        let end = self.unix_end(id)?;
        if !end.kind.connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        if end.name.is_none() || end.state == UnixState::Established {
            return Err(Errno::EINVAL);
        }
        let cred = self.cred_of(caller);
        let Some(end) = self.unix_mut(id) else { return Err(Errno::EINVAL) };
        let more = backlog > end.backlog;
        end.backlog = backlog;
        end.state = UnixState::Listening;
        end.peer_cred = Some(cred);
        if more {
            self.wake_all(Wait::SocketRoom(id));
        }
        Ok(())
    }

    /// Connects to the socket of this name; `None` takes a connection for datagrams back.
    ///
    /// # Errors
    /// Those of [`Kernel::unix_find`]; EPERM for datagrams to a socket that talks to somebody else; ECONNREFUSED when
    /// nobody listens; EAGAIN when too many wait and `nonblock`; EISCONN, EINVAL by the state.
    pub(crate) fn unix_connect(
        &mut self,
        caller: TaskId,
        id: SocketId,
        name: Option<UnixName>,
        nonblock: bool,
    ) -> Result<(), Stop> {
        if self.sockets[id].options.pass_credentials {
            self.unix_autobind(id)?;
        }
        if self.unix_end(id)?.kind.connects() {
            return self.unix_stream_connect(caller, id, &name.ok_or(Errno::EINVAL)?, nonblock);
        }
        let other = match &name {
            Some(name) => {
                let other = self.unix_find(caller, id, name)?;
                if !self.unix_may_send(id, other) {
                    return Err(Errno::EPERM.into());
                }
                Some(other)
            }
            None => None,
        };
        let Some(end) = self.unix_mut(id) else { return Ok(()) };
        let before = std::mem::replace(&mut end.peer, other);
        end.state = if other.is_some() { UnixState::Established } else { UnixState::Closed };
        let queue =
            if before.is_some() && before != other { std::mem::take(&mut end.queue) } else { Default::default() };
        if let Some(end) = other.and_then(|other| self.unix_mut(other)) {
            end.state = UnixState::Established;
        }
        if !queue.is_empty() {
            // What an old acquaintance has sent is not for the new conversation (`unix_dgram_disconnected`).
            queue.into_iter().for_each(|message| self.unix_discard(message));
            let mutual = before.filter(|before| self.unix(*before).is_some_and(|end| end.peer == Some(id)));
            if let Some(before) = mutual {
                self.sockets[before].error = Some(Errno::ECONNRESET);
                self.wake_all(Wait::SocketReadable(before));
            }
        }
        if let Some(name) = name {
            self.say_connected(id, &name);
        }
        Ok(())
    }

    /// `unix_stream_connect`: the listening side gets a new socket, which waits to be accepted.
    fn unix_stream_connect(
        &mut self,
        caller: TaskId,
        id: SocketId,
        name: &UnixName,
        nonblock: bool,
    ) -> Result<(), Stop> {
        let listener = self.unix_find(caller, id, name)?;
        let other = self.unix_end(listener)?;
        if other.state != UnixState::Listening || other.receive_shut {
            return Err(Errno::ECONNREFUSED.into());
        }
        if other.is_full() {
            return Err(if nonblock { Errno::EAGAIN.into() } else { Sleep::on(Wait::SocketRoom(listener)) });
        }
        match self.unix_end(id)?.state {
            UnixState::Closed => {}
            UnixState::Established => return Err(Errno::EISCONN.into()),
            UnixState::Listening => return Err(Errno::EINVAL.into()),
        }
        let (listener_name, listener_cred) = (other.name.clone(), other.peer_cred.clone());
        let embryo = self.unix_embryo(id, listener_name, self.cred_of(caller));
        if let Some(end) = self.unix_mut(id) {
            end.peer = Some(embryo);
            end.peer_cred = listener_cred;
            end.state = UnixState::Established;
        }
        if let Some(end) = self.unix_mut(listener) {
            end.accept_queue.push_back(embryo);
        }
        self.say_connected(id, name);
        self.wake_all(Wait::SocketReadable(listener));
        Ok(())
    }

    /// The other end for a socket that connects. It belongs to the network namespace of that one.
    fn unix_embryo(&mut self, connecting: SocketId, name: Option<UnixName>, cred: UnixCred) -> SocketId {
        let socket = &self.sockets[connecting];
        let mut embryo = socket.clone();
        let kind = self.unix(connecting).map_or(UnixType::Stream, |end| end.kind);
        let end = UnixEnd {
            state: UnixState::Established,
            name,
            peer: Some(connecting),
            peer_cred: Some(cred),
            embryo: true,
            ..UnixEnd::new(kind)
        };
        embryo.options = crate::net::socket::SocketOptions::default();
        embryo.protocol = Protocol::Unix(Box::new(end));
        embryo.error = None;
        embryo.orphan = false;
        self.hold_ns(NsRef::Net(embryo.net));
        self.last_pipe_ino += 1;
        embryo.ino = self.last_pipe_ino;
        self.sockets.add(embryo)
    }

    fn say_connected(&mut self, id: SocketId, name: &UnixName) {
        let ns = self.sockets[id].net;
        let (socket, name) = if self.trace.silent { Default::default() } else { (self.socket_name(id), name.text()) };
        self.emit(EventKind::SocketConnected { ns, socket: socket.into(), name: name.into() });
    }

    /// The connection that has waited longest (`unix_accept`).
    ///
    /// # Errors
    /// EOPNOTSUPP for datagrams; EINVAL for a socket that does not listen, or that was shut; EAGAIN when there is none
    /// and `nonblock`.
    pub(crate) fn unix_accept(&mut self, task: TaskId, id: SocketId, nonblock: bool) -> Result<SocketId, Stop> {
        let end = self.unix_end(id)?;
        if !end.kind.connects() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if end.state != UnixState::Listening {
            return Err(Errno::EINVAL.into());
        }
        let shut = end.receive_shut;
        let Some(child) = self.unix_mut(id).and_then(|end| end.accept_queue.pop_front()) else {
            return Err(if shut { Errno::EINVAL.into() } else { self.unix_wait_to_read(task, id, nonblock) });
        };
        self.wake_all(Wait::SocketRoom(id));
        self.sockets[child].owner = self.tasks[task].cred.fsuid;
        if let Some(end) = self.unix_mut(child) {
            end.embryo = false;
        }
        Ok(child)
    }

    /// Why there is nothing yet: EAGAIN, or sleep for as long as `SO_RCVTIMEO` says.
    pub(super) fn unix_wait_to_read(&mut self, task: TaskId, id: SocketId, nonblock: bool) -> Stop {
        if nonblock {
            return Errno::EAGAIN.into();
        }
        let span = self.sockets[id].options.recv_timeout;
        let until = span.map(|span| self.deadline(task, span));
        if until.is_some_and(|at| self.clock >= at) {
            return Errno::EAGAIN.into();
        }
        Stop::Block(Sleep { on: vec![Wait::SocketReadable(id)], until })
    }

    /// Ends one direction or both (`unix_shutdown`). The other end of a connection hears of it.
    pub(crate) fn unix_shutdown(&mut self, id: SocketId, read: bool, write: bool) {
        let Some(end) = self.unix_mut(id) else { return };
        end.receive_shut |= read;
        end.send_shut |= write;
        let peer = end.peer.filter(|_| end.kind.connects());
        if let Some(end) = peer.and_then(|peer| self.unix_mut(peer)) {
            end.receive_shut |= write;
            end.send_shut |= read;
        }
        for id in [Some(id), peer].into_iter().flatten() {
            self.wake_all(Wait::SocketReadable(id));
            self.wake_all(Wait::SocketWritable(id));
            self.wake_all(Wait::SocketRoom(id));
        }
    }
}
