//! sock_diag(7): programs such as ss ask for the sockets of their network namespace, by messages to the kernel.
//!
//! A question is a structure with the fields of `struct inet_diag_req_v2` or `struct unix_diag_req`, an answer one with
//! those of `struct inet_diag_msg` or `struct unix_diag_msg` and its attributes by name.

use std::net::Ipv4Addr;

use super::rtnetlink::sockaddr_nl;
use super::socket::{AF_INET, AF_UNIX, Message, Protocol, Socket, SocketId};
use super::tcp::TcpState;
use super::unix::{UnixEnd, UnixState};
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::syscall::Value;
use crate::world::World;

const IPPROTO_TCP: i64 = 6;
const IPPROTO_UDP: i64 = 17;
const IPPROTO_RAW: i64 = 255;

impl World {
    /// Every socket of a network namespace that a question is about, those that listen first.
    fn sock_diag(&self, net: NetNsId, request: &Value) -> Vec<Value> {
        let int = |name: &str| request.field(name).and_then(Value::as_int);
        let family = int("sdiag_family").unwrap_or(0);
        let protocol = int("sdiag_protocol").unwrap_or(0);
        let states = int("idiag_states").or(int("udiag_states")).unwrap_or(-1);
        let mut found: Vec<(bool, Value)> = Vec::new();
        for (id, socket) in self.sockets.iter().filter(|(_, s)| s.net == net) {
            let state = state_of(socket);
            if states & (1 << state as i64) == 0 {
                continue;
            }
            let answer = match (family, &socket.protocol) {
                (AF_UNIX, Protocol::Unix(end)) => self.unix_diag(id, socket, end, state),
                (AF_INET, own) if speaks(own, protocol) => inet_diag(socket, state),
                _ => continue,
            };
            found.push((state != TcpState::Listen, answer));
        }
        found.sort_by_key(|(later, _)| *later);
        found.into_iter().map(|(_, answer)| answer).collect()
    }

    /// `sk_diag_fill` of unix.
    fn unix_diag(&self, id: SocketId, socket: &Socket, end: &UnixEnd, state: TcpState) -> Value {
        let peer = end.peer.filter(|_| end.state != UnixState::Listening).and_then(|peer| self.sockets.get(peer));
        let waiting = match end.state {
            UnixState::Listening => end.accept_queue.len(),
            _ => end.queue.iter().map(|m| m.data.len() - m.offset).sum(),
        };
        let room = if end.state == UnixState::Listening { end.backlog as u64 } else { end.on_way };
        let _ = id;
        Value::record([
            ("udiag_family", AF_UNIX.into()),
            ("udiag_type", (end.kind as i64).into()),
            ("udiag_state", (state as i64).into()),
            ("udiag_ino", (if end.embryo { 0 } else { socket.ino }).into()),
            ("UNIX_DIAG_NAME", end.name.as_ref().map_or(Value::Null, |name| name.text().as_str().into())),
            ("UNIX_DIAG_PEER", peer.map_or(Value::Null, |peer| peer.ino.into())),
            ("udiag_rqueue", waiting.into()),
            ("udiag_wqueue", room.into()),
        ])
    }
}

/// Whether a socket is one of those that a question about this protocol means.
fn speaks(own: &Protocol, protocol: i64) -> bool {
    match own {
        Protocol::Tcp(_) => protocol == IPPROTO_TCP,
        Protocol::Udp => protocol == IPPROTO_UDP,
        Protocol::Icmp { raw: true, .. } | Protocol::Raw => protocol == IPPROTO_RAW,
        _ => false,
    }
}

/// The state of a socket, in the numbers that all of them share with TCP.
fn state_of(socket: &Socket) -> TcpState {
    match &socket.protocol {
        Protocol::Tcp(end) => end.state,
        Protocol::Unix(end) => match end.state {
            UnixState::Closed => TcpState::Close,
            UnixState::Listening => TcpState::Listen,
            UnixState::Established => TcpState::Established,
        },
        _ if socket.remote.is_some() => TcpState::Established,
        _ => TcpState::Close,
    }
}

/// `inet_diag_msg_common_fill`.
fn inet_diag(socket: &Socket, state: TcpState) -> Value {
    let remote = socket.remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
    let mut received: usize = socket.queue.iter().map(|m| m.len - m.offset).sum();
    let mut on_way = 0;
    if let Protocol::Tcp(end) = &socket.protocol {
        on_way = end.unacknowledged.iter().map(|s| s.data.len()).sum();
        if end.is_listening() {
            (received, on_way) = (end.accept_queue.len(), end.backlog.min(4096));
        }
    }
    let port = if let Protocol::Icmp { .. } = socket.protocol { 1 } else { socket.local.1 };
    Value::record([
        ("idiag_family", AF_INET.into()),
        ("idiag_state", (state as i64).into()),
        ("idiag_src", socket.local.0.to_string().as_str().into()),
        ("idiag_sport", u32::from(port).into()),
        ("idiag_dst", remote.0.to_string().as_str().into()),
        ("idiag_dport", u32::from(remote.1).into()),
        ("idiag_if", socket.options.device.map_or(0, |dev| dev.0).into()),
        ("idiag_rqueue", received.into()),
        ("idiag_wqueue", on_way.into()),
        ("idiag_uid", socket.owner.0.into()),
        ("idiag_inode", (if socket.orphan { 0 } else { socket.ino }).into()),
    ])
}

impl Kernel<'_> {
    /// The kernel gets a question and puts its answer into the socket that sent it (`sock_diag_rcv_msg`).
    pub(crate) fn sock_diag_receive(&mut self, id: SocketId, request: &Value) {
        let net = self.sockets[id].net;
        let objects = self.sock_diag(net, request);
        let header = |kind: &'static str, rest: Value| {
            let mut fields = vec![("nlmsg_type".into(), kind.into()), ("nlmsg_flags".into(), Value::from(2))];
            if let Value::Struct(more) = rest {
                fields.extend(more);
            }
            Value::Struct(fields)
        };
        let mut messages: Vec<Value> = objects.into_iter().map(|o| header("SOCK_DIAG_BY_FAMILY", o)).collect();
        messages.push(header("NLMSG_DONE", Value::record([("error", 0.into())])));
        let len = 88 * messages.len();
        let body = Value::List(messages);
        self.deliver(id, Message { from: sockaddr_nl(0), body, len, control: Vec::new(), offset: 0 });
    }
}
