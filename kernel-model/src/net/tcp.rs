//! TCP, as in tcp(7): connections with a handshake, bytes in order, and an end (`net/ipv4/tcp.c`).
//! What happens when a segment arrives is in `tcp_input.rs`.
//!
//! Every segment is a packet that takes its way through the namespaces. What is not acknowledged is sent again, the
//! first segment up to six times with the wait doubled each time. Windows are kept, congestion is not modelled.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fib::{Flow, rtn};
use super::packet::{Body, Packet, Tcp, TcpFlags};
use super::socket::{Protocol, SocketId};
use super::timer::NetTimer;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::time::Nanos;

/// How many bytes may wait to be read.
const WINDOW: usize = 65_535;
/// How many bytes a segment carries (`mtu` 1500 less the headers).
const MSS: usize = 1448;
/// How long the first segment waits for its answer (`TCP_TIMEOUT_INIT`), and later ones (`TCP_RTO_MIN`).
const FIRST_WAIT: Nanos = Nanos::from_millis(1000);
pub(super) const NEXT_WAIT: Nanos = Nanos::from_millis(200);
/// How often the first segment, and later ones, are sent again (`tcp_syn_retries`, `tcp_retries2`).
const SYN_RETRIES: u8 = 6;
const RETRIES: u8 = 15;
/// How long a closed connection is remembered (`TCP_TIMEWAIT_LEN`).
pub(super) const TIME_WAIT: Nanos = Nanos::from_millis(60_000);

/// The state of a connection, in the order of their numbers in `/proc/net/tcp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the states of RFC 9293
pub enum TcpState {
    Established = 1,
    SynSent,
    SynRecv,
    FinWait1,
    FinWait2,
    TimeWait,
    #[default]
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
}

/// One end of a connection.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TcpEnd {
    /// Its state.
    pub state: TcpState,
    /// The number of the next byte to be sent, and of the next to be received.
    pub send_next: u32,
    /// See there.
    pub receive_next: u32,
    /// How much the other end takes.
    pub peer_window: u32,
    /// What was sent and not acknowledged.
    pub unacknowledged: Vec<Tcp>,
    /// How often the first of these was sent again.
    pub retries: u8,
    /// When it is sent again.
    pub timer: Option<Nanos>,
    /// The other end sends nothing more.
    pub end_received: bool,
    /// This end reads nothing more.
    pub read_shut: bool,
    /// Of a listening socket: connections that wait to be accepted, and how many may.
    pub accept_queue: VecDeque<SocketId>,
    /// See there.
    pub backlog: usize,
    /// The listening socket from which it comes, until it is accepted.
    pub listener: Option<SocketId>,
}

impl TcpEnd {
    /// Whether connections are taken here.
    pub fn is_listening(&self) -> bool {
        self.state == TcpState::Listen
    }

    /// Whether bytes can be sent.
    pub fn can_send(&self) -> bool {
        matches!(self.state, TcpState::Established | TcpState::CloseWait)
    }
}

impl Kernel<'_> {
    pub(super) fn tcp(&self, id: SocketId) -> Option<&TcpEnd> {
        match &self.sockets.get(id)?.protocol {
            Protocol::Tcp(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn tcp_mut(&mut self, id: SocketId) -> Option<&mut TcpEnd> {
        match &mut self.world.sockets.get_mut(id)?.protocol {
            Protocol::Tcp(end) => Some(end),
            _ => None,
        }
    }

    /// How much may still arrive.
    fn tcp_window(&self, id: SocketId) -> u32 {
        let waiting: usize = self.sockets[id].queue.iter().map(|m| m.len - m.offset).sum();
        WINDOW.saturating_sub(waiting) as u32
    }

    /// Sends a segment from a socket; one with data, SYN or FIN is kept until it is acknowledged.
    pub(super) fn tcp_transmit(&mut self, id: SocketId, flags: TcpFlags, data: Arc<[u8]>) -> Result<(), Errno> {
        let socket = &self.sockets[id];
        let Some((_, port)) = socket.remote else { return Err(Errno::ENOTCONN) };
        let source_port = socket.local.1;
        let window = self.tcp_window(id);
        let Some(end) = self.tcp_mut(id) else { return Err(Errno::ENOTCONN) };
        let len = data.len() as u32 + u32::from(flags.syn) + u32::from(flags.fin);
        let seq = end.send_next;
        let ack = if flags.ack { end.receive_next } else { 0 };
        let segment = Tcp { source_port, destination_port: port, seq, ack, flags, window, data };
        end.send_next = seq.wrapping_add(len);
        if len > 0 {
            end.unacknowledged.push(segment.clone());
            if end.timer.is_none() {
                let wait = if flags.syn { FIRST_WAIT } else { NEXT_WAIT };
                self.tcp_set_timer(id, Some(wait));
            }
        }
        self.tcp_send_segment(id, segment)
    }

    fn tcp_send_segment(&mut self, id: SocketId, segment: Tcp) -> Result<(), Errno> {
        let socket = &self.sockets[id];
        let (net, options) = (socket.net, socket.options.clone());
        let Some((to, _)) = socket.remote else { return Err(Errno::ENOTCONN) };
        let source = Some(socket.local.0).filter(|a| !a.is_unspecified());
        let path = self.route_output(net, Flow { source, oif: options.device, ..Flow::to(to) })?;
        let packet = Packet {
            id: self.next_packet_id(),
            source: path.source,
            destination: to,
            ttl: options.ttl.unwrap_or_else(|| self.default_ttl(net)),
            dont_fragment: true,
            body: Body::Tcp(segment),
        };
        self.ip_output(net, &path, packet)
    }

    pub(super) fn tcp_set_timer(&mut self, id: SocketId, wait: Option<Nanos>) {
        let at = wait.map(|w| self.clock + w);
        let Some(end) = self.tcp_mut(id) else { return };
        let old = std::mem::replace(&mut end.timer, at);
        if let Some(old) = old {
            self.net_timers.remove(&(old, NetTimer::Tcp(id)));
        }
        if let Some(at) = at {
            self.net_timers.insert((at, NetTimer::Tcp(id)));
        }
    }

    /// Begins a connection and waits until it stands (`tcp_v4_connect`, `inet_wait_for_connect`).
    ///
    /// # Errors
    /// ECONNREFUSED, ETIMEDOUT and the like; EINPROGRESS and EALREADY when nobody waits; EISCONN for one that stands.
    pub(crate) fn tcp_connect(
        &mut self,
        task: TaskId,
        id: SocketId,
        to: (Ipv4Addr, u16),
        nonblock: bool,
    ) -> Result<(), Stop> {
        if let Some(error) = self.sockets[id].error.take() {
            self.sockets[id].remote = None;
            return Err(error.into());
        }
        let waited = self.tasks[task].in_call.as_ref().is_some_and(|c| c.progress != 0);
        match self.tcp(id).map(|e| e.state) {
            Some(TcpState::Close) => self.tcp_begin(id, to)?,
            Some(TcpState::SynSent) if nonblock => return Err(Errno::EALREADY.into()),
            Some(TcpState::SynSent) => {}
            Some(TcpState::Established) if waited => return Ok(()),
            _ => return Err(Errno::EISCONN.into()),
        }
        if let Some(error) = self.sockets[id].error.take() {
            self.sockets[id].remote = None;
            return Err(error.into());
        }
        match self.tcp(id).map(|e| e.state) {
            Some(TcpState::Established | TcpState::CloseWait) => Ok(()),
            _ if nonblock => Err(Errno::EINPROGRESS.into()),
            _ => {
                if let Some(call) = &mut self.tasks[task].in_call {
                    call.progress = 1;
                }
                Err(Sleep::on(Wait::SocketReadable(id)))
            }
        }
    }

    fn tcp_begin(&mut self, id: SocketId, to: (Ipv4Addr, u16)) -> Result<(), Errno> {
        let socket = &self.sockets[id];
        let source = Some(socket.local.0).filter(|a| !a.is_unspecified());
        let path = self.route_output(socket.net, Flow { source, oif: socket.options.device, ..Flow::to(to.0) })?;
        if matches!(path.kind, rtn::BROADCAST | rtn::MULTICAST) {
            return Err(Errno::ENETUNREACH);
        }
        self.autobind(id)?;
        let socket = &mut self.sockets[id];
        socket.local.0 = path.source;
        socket.remote = Some((path.destination, to.1));
        let first = self.tcp_first_number();
        if let Some(end) = self.tcp_mut(id) {
            *end = TcpEnd { state: TcpState::SynSent, send_next: first, ..TcpEnd::default() };
        }
        let flags = TcpFlags { syn: true, ..TcpFlags::default() };
        let sent = self.tcp_transmit(id, flags, Arc::from([]));
        self.net_rx_action();
        sent.or(Ok(()))
    }

    /// The number of the first byte of a connection.
    pub(super) fn tcp_first_number(&mut self) -> u32 {
        (self.clock.0 / 64).wrapping_add(u64::from(self.next_packet_id() as u32).wrapping_mul(0x9e37_79b9)) as u32
    }

    /// Takes a connection that stands (`inet_csk_accept`).
    ///
    /// # Errors
    /// EINVAL for a socket that does not listen; EAGAIN when there is none and nobody waits.
    pub(crate) fn tcp_accept(&mut self, id: SocketId, nonblock: bool) -> Result<SocketId, Stop> {
        let Some(end) = self.tcp_mut(id).filter(|e| e.is_listening()) else { return Err(Errno::EINVAL.into()) };
        match end.accept_queue.pop_front() {
            Some(child) => {
                if let Some(end) = self.tcp_mut(child) {
                    end.listener = None;
                }
                Ok(child)
            }
            None if nonblock => Err(Errno::EAGAIN.into()),
            None => Err(Sleep::on(Wait::SocketReadable(id))),
        }
    }

    /// Lets connections come (`inet_listen`).
    ///
    /// # Errors
    /// EINVAL for a socket that is connected; EADDRINUSE when no port is free.
    pub(crate) fn tcp_listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno> {
        if !matches!(self.tcp(id).map(|e| e.state), Some(TcpState::Close | TcpState::Listen)) {
            return Err(Errno::EINVAL);
        }
        self.autobind(id).map_err(|_| Errno::EADDRINUSE)?;
        let limit = self.net_setting(self.sockets[id].net, "net/core/somaxconn").and_then(|s| s.parse().ok());
        if let Some(end) = self.tcp_mut(id) {
            end.state = TcpState::Listen;
            end.backlog = backlog.min(limit.unwrap_or(4096));
        }
        Ok(())
    }

    /// Puts bytes into a connection, as many as the other end takes (`tcp_sendmsg`). How many.
    ///
    /// # Errors
    /// EPIPE, with SIGPIPE, when this end is closed; EAGAIN when the other end takes none and nobody waits.
    pub(crate) fn tcp_send(&mut self, task: TaskId, id: SocketId, bytes: &[u8], nonblock: bool) -> Result<usize, Stop> {
        if let Some(error) = self.sockets[id].error.take() {
            return Err(error.into());
        }
        let done = self.tasks[task].in_call.as_ref().map_or(0, |c| c.progress.max(0) as usize).min(bytes.len());
        let Some(end) = self.tcp(id) else { return Err(Errno::ENOTCONN.into()) };
        if !end.can_send() {
            if done > 0 {
                return Ok(done);
            }
            self.send_signal_to_thread(task, Signal::PIPE, Some(task));
            return Err(Errno::EPIPE.into());
        }
        let mut at = done;
        while at < bytes.len() {
            let on_way: usize = self.tcp(id).map_or(0, |e| e.unacknowledged.iter().map(|s| s.data.len()).sum());
            let window = self.tcp(id).map_or(0, |e| e.peer_window as usize);
            let room = window.saturating_sub(on_way);
            if room == 0 {
                break;
            }
            let piece = &bytes[at..(at + room.min(MSS)).min(bytes.len())];
            at += piece.len();
            let flags = TcpFlags { ack: true, psh: at == bytes.len(), ..TcpFlags::default() };
            // A segment that finds no way is sent again later.
            let _ = self.tcp_transmit(id, flags, piece.into());
            self.net_rx_action();
            if !self.tcp(id).is_some_and(TcpEnd::can_send) {
                break;
            }
        }
        if at == bytes.len() || (nonblock && at > 0) {
            return Ok(at);
        }
        if nonblock {
            return Err(Errno::EAGAIN.into());
        }
        if let Some(call) = &mut self.tasks[task].in_call {
            call.progress = at as i64;
        }
        Err(Sleep::on(Wait::SocketReadable(id)))
    }

    /// Takes at most `count` bytes out of a connection; none at its end (`tcp_recvmsg`).
    ///
    /// # Errors
    /// ENOTCONN before there is a connection; the error that has ended it; EAGAIN when nobody waits.
    pub(crate) fn tcp_recv(&mut self, id: SocketId, count: usize, peek: bool, nonblock: bool) -> Result<Vec<u8>, Stop> {
        let before = self.tcp_window(id);
        let mut taken = Vec::new();
        let socket = &mut self.sockets[id];
        for message in &mut socket.queue {
            let bytes = message.body.as_bytes().unwrap_or_default();
            let piece = &bytes[message.offset..(message.offset + count - taken.len()).min(bytes.len())];
            taken.extend_from_slice(piece);
            if !peek {
                message.offset += piece.len();
            }
            if taken.len() == count {
                break;
            }
        }
        while socket.queue.front().is_some_and(|m| m.offset >= m.len) {
            socket.queue.pop_front();
        }
        if !taken.is_empty() || count == 0 {
            if (before as usize) < MSS && self.tcp_window(id) as usize >= MSS {
                // There is room again: the other end is told.
                let flags = TcpFlags { ack: true, ..TcpFlags::default() };
                let _ = self.tcp_transmit(id, flags, Arc::from([]));
                self.net_rx_action();
            }
            return Ok(taken);
        }
        if let Some(error) = self.sockets[id].error.take() {
            return Err(error.into());
        }
        let Some(end) = self.tcp(id) else { return Err(Errno::ENOTCONN.into()) };
        match end.state {
            _ if end.end_received || end.read_shut => Ok(taken),
            TcpState::Listen => Err(Errno::ENOTCONN.into()),
            TcpState::Close if self.sockets[id].remote.is_some() => Ok(taken),
            TcpState::Close => Err(Errno::ENOTCONN.into()),
            _ if nonblock => Err(Errno::EAGAIN.into()),
            _ => Err(Sleep::on(Wait::SocketReadable(id))),
        }
    }

    /// This end sends nothing more (`tcp_shutdown`).
    pub(crate) fn tcp_end_sending(&mut self, id: SocketId) {
        let Some(end) = self.tcp_mut(id) else { return };
        end.state = match end.state {
            TcpState::Established => TcpState::FinWait1,
            TcpState::CloseWait => TcpState::LastAck,
            _ => return,
        };
        let flags = TcpFlags { fin: true, ack: true, ..TcpFlags::default() };
        let _ = self.tcp_transmit(id, flags, Arc::from([]));
        self.net_rx_action();
    }

    /// The last descriptor of a connection is closed (`tcp_close`). Whether the socket is gone; otherwise it says
    /// goodbye to the other end first.
    pub(crate) fn tcp_close(&mut self, id: SocketId) -> bool {
        let Some(end) = self.tcp(id).cloned() else { return true };
        match end.state {
            TcpState::Listen => {
                for child in end.accept_queue {
                    self.tcp_reset(child);
                    self.forget_socket(child);
                }
                true
            }
            TcpState::Close => true,
            TcpState::SynSent | TcpState::SynRecv => true,
            _ if !self.sockets[id].queue.is_empty() => {
                // What was not read is lost, and the other end has to know.
                self.tcp_reset(id);
                true
            }
            _ => {
                self.sockets[id].orphan = true;
                self.tcp_end_sending(id);
                // It may be over at once.
                !self.sockets.contains(id)
            }
        }
    }

    pub(super) fn tcp_reset(&mut self, id: SocketId) {
        let flags = TcpFlags { rst: true, ack: true, ..TcpFlags::default() };
        let _ = self.tcp_transmit(id, flags, Arc::from([]));
        if let Some(end) = self.tcp_mut(id) {
            end.state = TcpState::Close;
        }
        self.net_rx_action();
    }

    /// Answers a segment that belongs to no connection (`tcp_v4_send_reset`).
    pub(crate) fn tcp_send_reset(&mut self, net: NetNsId, about: &Packet) {
        let Body::Tcp(segment) = &about.body else { return };
        if segment.flags.rst {
            return;
        }
        let len = segment.data.len() as u32 + u32::from(segment.flags.syn) + u32::from(segment.flags.fin);
        let reset = Tcp {
            source_port: segment.destination_port,
            destination_port: segment.source_port,
            seq: if segment.flags.ack { segment.ack } else { 0 },
            ack: segment.seq.wrapping_add(len),
            flags: TcpFlags { rst: true, ack: !segment.flags.ack, ..TcpFlags::default() },
            window: 0,
            data: Arc::from([]),
        };
        let Ok(path) = self.route_output(net, Flow::to(about.source)) else { return };
        let packet = Packet {
            id: self.next_packet_id(),
            source: about.destination,
            destination: about.source,
            ttl: self.default_ttl(net),
            dont_fragment: true,
            body: Body::Tcp(reset),
        };
        let _ = self.ip_output(net, &path, packet);
    }

    /// The time of a connection has come: something is sent again, or it is over (`tcp_retransmit_timer`).
    pub(crate) fn tcp_timer(&mut self, id: SocketId) {
        let Some(end) = self.tcp_mut(id) else { return };
        end.timer = None;
        if matches!(end.state, TcpState::TimeWait | TcpState::Close) {
            end.state = TcpState::Close;
            if self.sockets[id].orphan {
                self.forget_socket(id);
            }
            return;
        }
        let Some(first) = end.unacknowledged.first().cloned() else { return };
        let (limit, wait) = if first.flags.syn { (SYN_RETRIES, FIRST_WAIT) } else { (RETRIES, NEXT_WAIT) };
        if end.retries >= limit {
            return self.tcp_abort(id, Errno::ETIMEDOUT);
        }
        end.retries += 1;
        let wait = Nanos((wait.0 << end.retries).min(Nanos::from_millis(120_000).0));
        self.tcp_set_timer(id, Some(wait));
        let _ = self.tcp_send_segment(id, first);
    }
}
