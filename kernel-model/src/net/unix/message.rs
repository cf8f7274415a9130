//! Sending and receiving through local sockets (`unix_stream_sendmsg`, `unix_dgram_sendmsg` and their receivers).
//!
//! What was sent waits at its receiver and takes memory of its sender's until it is read; a sender whose memory is used
//! up waits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::address::UnixName;
use super::scm::{Ancillary, UnixCred};
use super::{SNDBUF, UnixState, UnixType};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::net::socket::SocketId;
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::vfs::file::FileId;

/// What a buffer has at its end (`struct skb_shared_info`), and what describes it (`struct sk_buff`), in bytes.
const SHARED_INFO: usize = 320;
const SK_BUFF: usize = 256;
const PAGE: usize = 4096;
/// The most that is kept in one piece: of a stream (`SKB_MAX_HEAD(0)`), of a message (`SKB_MAX_ALLOC`).
const STREAM_HEAD: usize = PAGE - SHARED_INFO;
const MESSAGE_HEAD: usize = 4 * PAGE - SHARED_INFO;
/// The most of a stream that goes into one buffer beyond that (`UNIX_SKB_FRAGS_SZ`).
const STREAM_PAGES: usize = 8 * PAGE;

/// Something that was sent and not read yet (`struct sk_buff`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UnixMessage {
    /// The socket from which it comes.
    pub from: SocketId,
    /// What that was called when it sent.
    pub name: Option<UnixName>,
    /// The bytes.
    pub data: Arc<[u8]>,
    /// How many of them have been read, of a stream.
    pub offset: usize,
    /// Open files that travel with it.
    pub rights: Vec<FileId>,
    /// Who sent it, if somebody wants to know.
    pub cred: Option<UnixCred>,
    /// How much memory it takes of its sender, in bytes (`truesize`).
    pub memory: u64,
}

/// How something is received.
#[derive(Clone, Copy)]
pub(crate) struct Receive {
    /// How many bytes there is room for.
    pub count: usize,
    /// Only look (`MSG_PEEK`).
    pub peek: bool,
    /// Wait until all of it is there (`MSG_WAITALL`).
    pub all: bool,
    /// Do not wait.
    pub nonblock: bool,
}

/// What was received.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Received {
    /// The bytes.
    pub data: Vec<u8>,
    /// How long the message was.
    pub whole: usize,
    /// Who sent it: `None` when nothing was there to come from anybody.
    pub name: Option<Option<UnixName>>,
    /// Open files that came with it. They are counted for whoever takes them.
    pub rights: Vec<FileId>,
    /// Who sent it.
    pub cred: Option<UnixCred>,
}

/// The memory that a message takes, so much of it in one piece and the rest in pages.
fn memory(head: usize, in_pages: usize) -> u64 {
    let head = (head.next_multiple_of(64) + SHARED_INFO).next_power_of_two();
    (head + SK_BUFF + in_pages.next_multiple_of(PAGE)) as u64
}

/// The same for a piece of a stream or for a message.
fn memory_of(kind: UnixType, len: usize) -> u64 {
    let most = if kind == UnixType::Stream { STREAM_HEAD } else { MESSAGE_HEAD };
    let in_pages = len.min(len.saturating_sub(most).next_multiple_of(PAGE));
    memory(len - in_pages, in_pages)
}

impl Kernel<'_> {
    /// Sends bytes, to the other end or to the socket of this name. How many were sent.
    ///
    /// # Errors
    /// By type: ENOTCONN, EISCONN, EOPNOTSUPP, EDESTADDRREQ and those of [`Kernel::unix_find`]; EMSGSIZE; EPERM; EPIPE, for
    /// streams with SIGPIPE unless `quiet`; ECONNREFUSED, ECONNRESET; EAGAIN when there is no room and `nonblock`.
    pub(crate) fn unix_send(
        &mut self,
        task: TaskId,
        id: SocketId,
        (to, data): (Option<UnixName>, &[u8]),
        ancillary: &Ancillary,
        (nonblock, quiet): (bool, bool),
    ) -> Result<usize, Stop> {
        match self.unix_end(id)?.kind {
            UnixType::Stream => {
                let sent = self.unix_stream_send(task, id, (to.is_some(), data), ancillary, nonblock);
                if sent == Err(Stop::Err(Errno::EPIPE)) && !quiet {
                    self.send_signal_to_thread(task, Signal::PIPE, Some(task));
                }
                sent
            }
            UnixType::SeqPacket => {
                if let Some(error) = self.sockets[id].error.take() {
                    return Err(error.into());
                }
                if self.unix_end(id)?.state != UnixState::Established {
                    return Err(Errno::ENOTCONN.into());
                }
                self.unix_message_send(task, id, (None, data), ancillary, nonblock)
            }
            UnixType::Datagram => self.unix_message_send(task, id, (to, data), ancillary, nonblock),
        }
    }

    fn unix_stream_send(
        &mut self,
        task: TaskId,
        id: SocketId,
        (addressed, data): (bool, &[u8]),
        ancillary: &Ancillary,
        nonblock: bool,
    ) -> Result<usize, Stop> {
        let end = self.unix_end(id)?;
        if addressed {
            let connected = end.state == UnixState::Established;
            return Err(if connected { Errno::EISCONN } else { Errno::EOPNOTSUPP }.into());
        }
        let peer = end.peer.ok_or(Errno::ENOTCONN)?;
        let mut done = self.tasks[task].in_call.as_ref().map_or(0, |c| c.progress.max(0) as usize).min(data.len());
        let stopped = |done: usize, why: Stop| if done > 0 { Ok(done) } else { Err(why) };
        if end.send_shut {
            return stopped(done, Errno::EPIPE.into());
        }
        while done < data.len() {
            if let Some(error) = self.sockets[id].error.take() {
                return stopped(done, error.into());
            }
            let end = self.unix_end(id)?;
            let other_reads = self.unix(peer).is_some_and(|other| !other.receive_shut);
            if end.send_shut || !other_reads {
                return stopped(done, Errno::EPIPE.into());
            }
            if end.on_way >= SNDBUF {
                if nonblock {
                    return stopped(done, Errno::EAGAIN.into());
                }
                if let Some(call) = &mut self.tasks[task].in_call {
                    call.progress = done as i64;
                }
                return Err(Sleep::on(Wait::SocketWritable(id)));
            }
            let most = (SNDBUF as usize / 2 - 64).min(STREAM_HEAD + STREAM_PAGES);
            let size = (data.len() - done).min(most);
            let rights = if done == 0 { ancillary.rights.clone() } else { Vec::new() };
            self.unix_deliver(task, id, peer, &data[done..done + size], rights, ancillary.cred.clone());
            done += size;
        }
        Ok(done)
    }

    /// One message, whole (`unix_dgram_sendmsg`).
    fn unix_message_send(
        &mut self,
        task: TaskId,
        id: SocketId,
        (to, data): (Option<UnixName>, &[u8]),
        ancillary: &Ancillary,
        nonblock: bool,
    ) -> Result<usize, Stop> {
        let end = self.unix_end(id)?;
        let kind = end.kind;
        if to.is_none() && end.peer.is_none() {
            return Err(Errno::ENOTCONN.into());
        }
        if self.sockets[id].options.pass_credentials {
            self.unix_autobind(id)?;
        }
        if data.len() as u64 > SNDBUF - 32 {
            return Err(Errno::EMSGSIZE.into());
        }
        if let Some(error) = self.sockets[id].error.take() {
            return Err(error.into());
        }
        let end = self.unix_end(id)?;
        if end.send_shut {
            return Err(Errno::EPIPE.into());
        }
        if end.on_way >= SNDBUF {
            return Err(if nonblock { Errno::EAGAIN.into() } else { Sleep::on(Wait::SocketWritable(id)) });
        }
        let connected = end.peer;
        let other = match &to {
            Some(name) => self.unix_find(task, id, name)?,
            None => connected.ok_or(Errno::ECONNRESET)?,
        };
        let Some(receiver) = self.unix(other) else {
            // The other end is gone.
            if kind == UnixType::SeqPacket {
                return Err(Errno::EPIPE.into());
            }
            if let Some(end) = self.unix_mut(id) {
                end.peer = None;
                end.state = UnixState::Closed;
            }
            return Err(Errno::ECONNREFUSED.into());
        };
        if !self.unix_may_send(id, other) {
            return Err(Errno::EPERM.into());
        }
        if receiver.receive_shut {
            return Err(Errno::EPIPE.into());
        }
        if other != id && receiver.peer != Some(id) && receiver.is_full() {
            return Err(if nonblock { Errno::EAGAIN.into() } else { Sleep::on(Wait::SocketRoom(other)) });
        }
        self.unix_deliver(task, id, other, data, ancillary.rights.clone(), ancillary.cred.clone());
        Ok(data.len())
    }

    /// Puts something into the queue of its receiver.
    fn unix_deliver(
        &mut self,
        task: TaskId,
        from: SocketId,
        to: SocketId,
        data: &[u8],
        rights: Vec<FileId>,
        stated: Option<UnixCred>,
    ) {
        let wants =
            |id: SocketId| self.unix(id).is_some_and(|end| end.embryo || self.sockets[id].options.pass_credentials);
        let cred = if wants(from) || wants(to) { Some(self.real_cred_of(task)) } else { None };
        let Some(end) = self.unix_mut(from) else { return };
        let memory = memory_of(end.kind, data.len());
        end.on_way += memory;
        let name = end.name.clone();
        self.hold_rights(&rights);
        self.say_rights_sent(task, &rights);
        let message = UnixMessage { from, name, data: data.into(), offset: 0, rights, cred: stated.or(cred), memory };
        if let Some(end) = self.unix_mut(to) {
            end.queue.push_back(message);
        }
        let what = if self.trace.silent { String::new() } else { self.socket_name(to) };
        self.emit(EventKind::DataWritten { what: what.into(), bytes: data.len() as u64 });
        self.wake_all(Wait::SocketReadable(to));
    }

    /// Takes what has arrived, or only looks at it.
    ///
    /// # Errors
    /// EINVAL for a stream, ENOTCONN for a SOCK_SEQPACKET that is not connected; the error that the socket has been told
    /// of; EAGAIN when there is nothing and `nonblock`.
    pub(crate) fn unix_receive(&mut self, task: TaskId, id: SocketId, how: Receive) -> Result<Received, Stop> {
        let end = self.unix_end(id)?;
        match end.kind {
            UnixType::Stream if end.state != UnixState::Established => Err(Errno::EINVAL.into()),
            UnixType::Stream => self.unix_stream_receive(task, id, how),
            UnixType::SeqPacket if end.state != UnixState::Established => Err(Errno::ENOTCONN.into()),
            _ => self.unix_message_receive(task, id, how),
        }
    }

    /// `__unix_dgram_recvmsg`: one message; what there is no room for is lost.
    fn unix_message_receive(&mut self, task: TaskId, id: SocketId, how: Receive) -> Result<Received, Stop> {
        if let Some(error) = self.sockets[id].error.take() {
            return Err(error.into());
        }
        let end = self.unix_end(id)?;
        let Some(first) = end.queue.front().cloned() else {
            if end.receive_shut && (end.kind == UnixType::SeqPacket || !how.nonblock) {
                return Ok(Received::default());
            }
            return Err(self.unix_wait_to_read(task, id, how.nonblock));
        };
        self.hold_rights(&first.rights);
        if !how.peek {
            self.unix_take(id);
        }
        let name = self.unix(first.from).map_or(first.name, |sender| sender.name.clone());
        let count = how.count.min(first.data.len());
        Ok(Received {
            data: first.data[..count].to_vec(),
            whole: first.data.len(),
            name: Some(name),
            rights: first.rights,
            cred: first.cred,
        })
    }

    /// `unix_stream_read_generic`: bytes of one writer, as far as the next that bring descriptors along.
    fn unix_stream_receive(&mut self, task: TaskId, id: SocketId, how: Receive) -> Result<Received, Stop> {
        let end = self.unix_end(id)?;
        let there: usize = end.queue.iter().map(|m| m.data.len() - m.offset).sum();
        let shut = end.receive_shut;
        if there == 0 || how.all && there < how.count && !shut && !how.nonblock && !how.peek {
            if there == 0
                && let Some(error) = self.sockets[id].error.take()
            {
                return Err(error.into());
            }
            if shut || how.count == 0 {
                return Ok(Received::default());
            }
            return Err(self.unix_wait_to_read(task, id, how.nonblock));
        }
        let wants_cred = self.sockets[id].options.pass_credentials;
        let mut got = Received::default();
        let mut at = 0;
        while got.data.len() < how.count {
            let Some(message) = self.unix(id).and_then(|end| end.queue.get(at)).cloned() else { break };
            if got.name.is_some() && wants_cred && message.cred != got.cred {
                break;
            }
            if got.name.is_none() {
                let sender = self.unix(message.from);
                got.name = Some(sender.map_or_else(|| message.name.clone(), |s| s.name.clone()));
                got.cred = message.cred.clone();
            }
            let rest = &message.data[message.offset..];
            let count = rest.len().min(how.count - got.data.len());
            got.data.extend_from_slice(&rest[..count]);
            self.hold_rights(&message.rights);
            got.rights.extend(&message.rights);
            if how.peek {
                at += 1;
            } else if count < rest.len() {
                self.unix_take_part(id, count);
            } else {
                self.unix_take(id);
            }
            if !message.rights.is_empty() {
                break;
            }
        }
        got.whole = got.data.len();
        Ok(got)
    }

    /// Counts files once more for somebody who is about to take them.
    fn hold_rights(&mut self, rights: &[FileId]) {
        for file in rights {
            self.vfs.files[*file].refs += 1;
        }
    }

    /// The first message has been read: it and what it held are gone.
    fn unix_take(&mut self, id: SocketId) {
        let Some(message) = self.unix_mut(id).and_then(|end| end.queue.pop_front()) else { return };
        self.unix_discard(message);
        self.wake_all(Wait::SocketRoom(id));
    }

    /// So many bytes of the first message have been read. Its descriptors went with the first of them.
    fn unix_take_part(&mut self, id: SocketId, count: usize) {
        let Some(first) = self.unix_mut(id).and_then(|end| end.queue.front_mut()) else { return };
        first.offset += count;
        let rights = std::mem::take(&mut first.rights);
        rights.into_iter().for_each(|file| self.put_file(file));
    }
}
