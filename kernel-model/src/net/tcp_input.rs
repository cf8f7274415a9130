//! What TCP does with a segment that arrives (`net/ipv4/tcp_ipv4.c`, `tcp_input.c`).

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::device::NetDevId;
use super::packet::{Body, Icmp, Packet, Tcp, TcpFlags};
use super::socket::{Message, Protocol, Socket, SocketId, sockaddr_in};
use super::tcp::{NEXT_WAIT, TIME_WAIT, TcpEnd, TcpState};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::syscall::Value;
use crate::task::sched::Wait;

impl Kernel<'_> {
    fn tcp_lookup(&self, net: NetNsId, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Option<SocketId> {
        let of = |s: &Socket| s.net == net && matches!(s.protocol, Protocol::Tcp(_)) && s.local.1 == to.1;
        let live = |s: &Socket| matches!(&s.protocol, Protocol::Tcp(e) if e.state != TcpState::Close);
        let exact = self.sockets.iter().find(|(_, s)| of(s) && live(s) && s.local.0 == to.0 && s.remote == Some(from));
        let listens = |s: &Socket| {
            matches!(&s.protocol, Protocol::Tcp(e) if e.is_listening())
                && (s.local.0.is_unspecified() || s.local.0 == to.0)
        };
        exact.or_else(|| self.sockets.iter().find(|(_, s)| of(s) && listens(s))).map(|(id, _)| id)
    }

    /// A segment for this host (`tcp_v4_rcv`).
    pub(crate) fn tcp_receive(&mut self, dev: NetDevId, packet: &Packet, segment: &Tcp) {
        let net = self.net_devices[dev].net;
        let (from, to) = ((packet.source, segment.source_port), (packet.destination, segment.destination_port));
        let Some(id) = self.tcp_lookup(net, from, to) else {
            self.drop_packet(Some(dev), net, packet, "no socket has the port");
            return self.tcp_send_reset(net, packet);
        };
        if self.tcp(id).is_some_and(TcpEnd::is_listening) {
            return self.tcp_new_connection(dev, id, packet, segment);
        }
        self.tcp_segment(id, segment);
    }

    /// Somebody wants a connection (`tcp_conn_request`).
    fn tcp_new_connection(&mut self, dev: NetDevId, listener: SocketId, packet: &Packet, segment: &Tcp) {
        let net = self.net_devices[dev].net;
        if !segment.flags.syn || segment.flags.ack {
            return self.tcp_send_reset(net, packet);
        }
        let full = self.tcp(listener).is_some_and(|e| e.accept_queue.len() > e.backlog);
        if full {
            return self.drop_packet(Some(dev), net, packet, "too many connections wait to be accepted");
        }
        let first = self.tcp_first_number();
        let end = TcpEnd {
            state: TcpState::SynRecv,
            send_next: first,
            receive_next: segment.seq.wrapping_add(1),
            peer_window: segment.window,
            listener: Some(listener),
            ..TcpEnd::default()
        };
        let parent = self.sockets[listener].clone();
        let child = Socket {
            protocol: Protocol::Tcp(Box::new(end)),
            local: (packet.destination, segment.destination_port),
            remote: Some((packet.source, segment.source_port)),
            queue: VecDeque::new(),
            ..parent
        };
        self.last_pipe_ino += 1;
        let child = Socket { ino: self.last_pipe_ino, orphan: true, ..child };
        let id = self.sockets.add(child);
        let flags = TcpFlags { syn: true, ack: true, ..TcpFlags::default() };
        let _ = self.tcp_transmit(id, flags, Arc::from([]));
    }

    /// A segment of a connection (`tcp_rcv_state_process`).
    fn tcp_segment(&mut self, id: SocketId, segment: &Tcp) {
        let orphan = self.sockets[id].orphan;
        let Some(end) = self.tcp_mut(id) else { return };
        if segment.flags.rst {
            let refused = end.state == TcpState::SynSent;
            return self.tcp_abort(id, if refused { Errno::ECONNREFUSED } else { Errno::ECONNRESET });
        }
        let mut answer = false;
        if end.state == TcpState::SynSent {
            if !(segment.flags.syn && segment.flags.ack) {
                return;
            }
            end.receive_next = segment.seq.wrapping_add(1);
            end.state = TcpState::Established;
            answer = true;
        }
        end.peer_window = segment.window;
        if segment.flags.ack {
            let ack = segment.ack;
            let gone = |s: &Tcp| {
                let len = s.data.len() as u32 + u32::from(s.flags.syn) + u32::from(s.flags.fin);
                (ack.wrapping_sub(s.seq.wrapping_add(len)) as i32) >= 0
            };
            end.unacknowledged.retain(|s| !gone(s));
            end.retries = 0;
            let all = end.unacknowledged.is_empty();
            let wait = if all { None } else { Some(NEXT_WAIT) };
            if end.state != TcpState::TimeWait {
                self.tcp_set_timer(id, wait);
            }
            if all && self.tcp_all_acknowledged(id) {
                return;
            }
        }
        let Some(end) = self.tcp_mut(id) else { return };
        let in_order = segment.seq == end.receive_next;
        if !segment.data.is_empty() {
            answer = true;
            let takes =
                in_order && matches!(end.state, TcpState::Established | TcpState::FinWait1 | TcpState::FinWait2);
            if takes && orphan && end.listener.is_none() {
                // Nobody will ever read it.
                self.tcp_reset(id);
                return self.forget_socket(id);
            }
            if takes {
                end.receive_next = end.receive_next.wrapping_add(segment.data.len() as u32);
                let body = Value::Bytes(Arc::clone(&segment.data));
                let from = self.sockets[id].remote.map_or(Value::Null, |(a, p)| sockaddr_in(a, p));
                let len = segment.data.len();
                self.deliver(id, Message { from, body, len, control: Vec::new(), offset: 0 });
            }
        }
        if segment.flags.fin {
            answer = true;
            self.tcp_fin(id, segment);
        }
        if answer && self.sockets.contains(id) {
            let flags = TcpFlags { ack: true, ..TcpFlags::default() };
            let _ = self.tcp_transmit(id, flags, Arc::from([]));
        }
        self.wake_all(Wait::SocketReadable(id));
    }

    /// The other end has sent its last byte (`tcp_fin`).
    fn tcp_fin(&mut self, id: SocketId, segment: &Tcp) {
        let Some(end) = self.tcp_mut(id) else { return };
        if end.end_received || segment.seq.wrapping_add(segment.data.len() as u32) != end.receive_next {
            return;
        }
        end.receive_next = end.receive_next.wrapping_add(1);
        end.end_received = true;
        end.state = match end.state {
            TcpState::Established | TcpState::SynRecv => TcpState::CloseWait,
            TcpState::FinWait1 if end.unacknowledged.is_empty() => TcpState::TimeWait,
            TcpState::FinWait1 => TcpState::Closing,
            TcpState::FinWait2 => TcpState::TimeWait,
            other => other,
        };
        if end.state == TcpState::TimeWait {
            self.tcp_set_timer(id, Some(TIME_WAIT));
        }
    }

    /// Everything that was sent has arrived: what that means for the state. Whether the socket is gone.
    fn tcp_all_acknowledged(&mut self, id: SocketId) -> bool {
        let Some(end) = self.tcp_mut(id) else { return true };
        match end.state {
            TcpState::SynRecv => {
                end.state = TcpState::Established;
                if let Some(listener) = end.listener {
                    match self.tcp_mut(listener).filter(|e| e.is_listening()) {
                        Some(parent) => parent.accept_queue.push_back(id),
                        None => {
                            self.tcp_reset(id);
                            self.forget_socket(id);
                            return true;
                        }
                    }
                    self.wake_all(Wait::SocketReadable(listener));
                }
            }
            TcpState::FinWait1 => end.state = TcpState::FinWait2,
            TcpState::Closing => {
                end.state = TcpState::TimeWait;
                self.tcp_set_timer(id, Some(TIME_WAIT));
            }
            TcpState::LastAck => {
                end.state = TcpState::Close;
                if self.sockets[id].orphan {
                    self.forget_socket(id);
                    return true;
                }
            }
            _ => {}
        }
        false
    }

    /// A connection ends with an error.
    pub(super) fn tcp_abort(&mut self, id: SocketId, error: Errno) {
        self.tcp_set_timer(id, None);
        if let Some(end) = self.tcp_mut(id) {
            end.state = TcpState::Close;
            end.unacknowledged.clear();
        }
        if self.sockets[id].orphan {
            return self.forget_socket(id);
        }
        self.sockets[id].error = Some(error);
        self.wake_all(Wait::SocketReadable(id));
    }

    /// A segment has not arrived (`tcp_v4_err`): an attempt to connect ends with it, a connection goes on.
    pub(crate) fn tcp_error(&mut self, net: NetNsId, icmp: &Icmp, about: &Packet) {
        let Body::Tcp(segment) = &about.body else { return };
        let (from, to) = ((about.source, segment.source_port), (about.destination, segment.destination_port));
        let Some(id) = self.tcp_lookup(net, to, from) else { return };
        if self.tcp(id).is_some_and(|e| e.state == TcpState::SynSent) {
            self.tcp_abort(id, icmp.errno().0);
        }
    }
}
