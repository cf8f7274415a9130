//! ICMP, as in icmp(7): echo requests and replies, and errors that tell the sender of a packet what became of it
//! (`net/ipv4/icmp.c`, `raw.c`, `ping.c`).

use std::net::Ipv4Addr;

use super::device::NetDevId;
use super::fib::{Flow, rtn};
use super::ip::ERROR_COST;
use super::packet::{Body, Icmp, Packet};
use super::socket::{Message, Protocol, SocketId, sockaddr_in};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::syscall::Value;
use crate::time::Nanos;

/// Types of messages.
#[allow(missing_docs)] // the types of RFC 792
pub mod kind {
    pub const ECHO_REPLY: u8 = 0;
    pub const DEST_UNREACH: u8 = 3;
    pub const ECHO: u8 = 8;
    pub const TIME_EXCEEDED: u8 = 11;
}

/// Codes of `DEST_UNREACH`.
#[allow(missing_docs)] // the codes of RFC 792 and RFC 1812
pub mod unreach {
    pub const NET: u8 = 0;
    pub const HOST: u8 = 1;
    pub const PROTOCOL: u8 = 2;
    pub const PORT: u8 = 3;
    pub const FRAG_NEEDED: u8 = 4;
    pub const NET_PROHIBITED: u8 = 9;
    pub const HOST_PROHIBITED: u8 = 10;
    pub const FILTERED: u8 = 13;
}

/// The most that can be saved up for ICMP errors (`XRLIM_BURST_FACTOR`).
const BURST: Nanos = Nanos(6 * ERROR_COST.0);
/// The time to live of a packet from here (`ip_default_ttl`).
const DEFAULT_TTL: u8 = 64;

impl Icmp {
    /// Whether it is an error about another packet.
    pub fn is_error(&self) -> bool {
        matches!(self.kind, kind::DEST_UNREACH | kind::TIME_EXCEEDED | 4 | 5 | 12)
    }

    /// The error that a socket hears (`icmp_err_convert`), and whether it ends a connection.
    pub fn errno(&self) -> (Errno, bool) {
        match (self.kind, self.code) {
            (kind::DEST_UNREACH, unreach::NET) => (Errno::ENETUNREACH, false),
            (kind::DEST_UNREACH, unreach::HOST) => (Errno::EHOSTUNREACH, false),
            (kind::DEST_UNREACH, unreach::PROTOCOL) => (Errno::ENOPROTOOPT, true),
            (kind::DEST_UNREACH, unreach::PORT) => (Errno::ECONNREFUSED, true),
            (kind::DEST_UNREACH, unreach::FRAG_NEEDED) => (Errno::EMSGSIZE, false),
            (kind::DEST_UNREACH, unreach::NET_PROHIBITED) => (Errno::ENETUNREACH, true),
            (kind::DEST_UNREACH, _) => (Errno::EHOSTUNREACH, true),
            _ => (Errno::EHOSTUNREACH, false),
        }
    }
}

impl Kernel<'_> {
    /// The time to live that packets of a namespace start with.
    pub(crate) fn default_ttl(&self, net: NetNsId) -> u8 {
        self.net_setting(net, "net/ipv4/ip_default_ttl").and_then(|t| t.parse().ok()).unwrap_or(DEFAULT_TTL)
    }

    /// Sends an ICMP message of `len` bytes through a socket.
    ///
    /// # Errors
    /// EINVAL for what is no echo request; ENETUNREACH without a route; EACCES for a broadcast address without
    /// `SO_BROADCAST`; EMSGSIZE for one that is too long and must not be cut; EPERM from the packet filter.
    pub(crate) fn icmp_send(&mut self, id: SocketId, to: Ipv4Addr, message: &Value, len: usize) -> Result<(), Errno> {
        let field = |name: &str| message.field(name).and_then(Value::as_int).unwrap_or(0);
        if field("type") != i64::from(kind::ECHO) {
            return Err(Errno::EINVAL);
        }
        let socket = &self.sockets[id];
        let Protocol::Icmp { raw, ident, .. } = socket.protocol else { return Err(Errno::EINVAL) };
        let (net, options) = (socket.net, socket.options.clone());
        let source = Some(socket.local.0).filter(|a| !a.is_unspecified());
        let flow = Flow { source, oif: options.device, ..Flow::to(to) };
        let path = self.route_output(net, flow)?;
        if path.kind == rtn::BROADCAST && !options.broadcast {
            return Err(Errno::EACCES);
        }
        let icmp = Icmp {
            kind: kind::ECHO,
            code: 0,
            ident: if raw { field("id") as u16 } else { ident },
            sequence: field("sequence") as u16,
            info: 0,
            len: len.saturating_sub(super::packet::ICMP_HEADER),
            about: None,
        };
        let packet = Packet {
            id: self.next_packet_id(),
            source: path.source,
            destination: path.destination,
            ttl: options.ttl.unwrap_or_else(|| self.default_ttl(net)),
            dont_fragment: options.pmtu_discover,
            body: Body::Icmp(icmp),
        };
        let sent = self.ip_output(net, &path, packet);
        self.net_rx_action();
        if sent == Err(Errno::EMSGSIZE) && options.recv_errors {
            let error = Value::record([
                ("ee_errno", (Errno::EMSGSIZE as i64).into()),
                ("ee_origin", 1.into()),
                ("ee_info", path.mtu.into()),
            ]);
            let message = Message { from: sockaddr_in(to, 0), body: error, len, control: Vec::new(), offset: 0 };
            self.sockets[id].errors.push_back(message);
        }
        sent
    }

    /// An ICMP message for this host (`icmp_rcv`); raw sockets get a copy first (`raw_local_deliver`).
    pub(crate) fn icmp_receive(&mut self, dev: NetDevId, packet: &Packet, icmp: &Icmp) {
        let net = self.net_devices[dev].net;
        self.deliver_to_raw_sockets(net, dev, packet, icmp);
        match icmp.kind {
            kind::ECHO => self.icmp_echo(net, dev, packet, icmp),
            kind::ECHO_REPLY => self.deliver_to_ping_socket(net, packet, icmp),
            _ if icmp.is_error() => self.icmp_error_received(net, icmp),
            _ => {}
        }
    }

    /// Answers an echo request, unless it was for everybody (`icmp_echo_ignore_broadcasts`).
    fn icmp_echo(&mut self, net: NetNsId, dev: NetDevId, packet: &Packet, icmp: &Icmp) {
        let on = |k: &Self, name: &str| k.net_setting(net, name).is_some_and(|v| v != "0");
        let for_all = !self.net_namespaces[net].is_local(packet.destination);
        if on(self, "net/ipv4/icmp_echo_ignore_all") || for_all && on(self, "net/ipv4/icmp_echo_ignore_broadcasts") {
            return self.drop_packet(Some(dev), net, packet, "echo requests like this are ignored here");
        }
        let source = if for_all { None } else { Some(packet.destination) };
        let flow = Flow { source, ..Flow::to(packet.source) };
        let path = match self.route_output(net, flow) {
            Ok(path) => path,
            Err(_) => return self.drop_packet(Some(dev), net, packet, "no route leads back to its sender"),
        };
        let reply = Packet {
            id: self.next_packet_id(),
            source: path.source,
            destination: packet.source,
            ttl: self.default_ttl(net),
            dont_fragment: false,
            body: Body::Icmp(Icmp { kind: kind::ECHO_REPLY, ..icmp.clone() }),
        };
        // What the packet filter does with the reply is nobody's error.
        let _ = self.ip_output(net, &path, reply);
    }

    /// Tells the sender of a packet what became of it (`icmp_send`): not about errors, not about what was for
    /// everybody, and not too often.
    pub(crate) fn icmp_error(
        &mut self,
        net: NetNsId,
        in_dev: Option<NetDevId>,
        about: &Packet,
        kind: u8,
        code: u8,
        info: u32,
    ) {
        if matches!(&about.body, Body::Icmp(icmp) if icmp.is_error()) || about.destination.is_multicast() {
            return;
        }
        let source_type = self.net_namespaces[net].address_type(about.source);
        if !matches!(source_type, rtn::UNICAST | rtn::LOCAL) {
            return;
        }
        let for_us = in_dev.is_some() && self.net_namespaces[net].is_local(about.destination);
        let source = if for_us { Some(about.destination) } else { None };
        let Ok(path) = self.route_output(net, Flow { source, ..Flow::to(about.source) }) else { return };
        let limited = !self.net_devices[path.dev].is_loopback();
        if limited && !self.may_send_error(net, about.source, BURST) {
            return self.drop_packet(in_dev, net, about, "its sender is not told: too many errors (icmp_ratelimit)");
        }
        let icmp = Icmp { kind, code, ident: 0, sequence: 0, info, len: 0, about: Some(Box::new(about.clone())) };
        let packet = Packet {
            id: self.next_packet_id(),
            source: path.source,
            destination: about.source,
            ttl: self.default_ttl(net),
            dont_fragment: false,
            body: Body::Icmp(icmp),
        };
        let _ = self.ip_output(net, &path, packet);
    }

    /// The protocol that sent the packet hears of the error (`icmp_socket_deliver`).
    fn icmp_error_received(&mut self, net: NetNsId, icmp: &Icmp) {
        let Some(about) = icmp.about.as_deref() else { return };
        match &about.body {
            Body::Udp(_) => self.udp_error(net, icmp, about),
            Body::Tcp(_) => self.tcp_error(net, icmp, about),
            Body::Icmp(_) => {}
        }
    }

    fn deliver_to_raw_sockets(&mut self, net: NetNsId, dev: NetDevId, packet: &Packet, icmp: &Icmp) {
        let wants = |s: &super::socket::Socket| {
            let Protocol::Icmp { raw: true, filter, .. } = s.protocol else { return false };
            let filtered = icmp.kind < 32 && filter & 1 << icmp.kind != 0;
            let peer = s.remote.is_none_or(|(peer, _)| peer == packet.source);
            let own = s.local.0.is_unspecified() || s.local.0 == packet.destination;
            s.net == net && !filtered && peer && own && s.options.device.is_none_or(|d| d == dev)
        };
        let sockets: Vec<SocketId> = self.sockets.iter().filter(|(_, s)| wants(s)).map(|(id, _)| id).collect();
        for id in sockets {
            self.deliver(id, icmp_message(packet, icmp, packet.len()));
        }
    }

    fn deliver_to_ping_socket(&mut self, net: NetNsId, packet: &Packet, icmp: &Icmp) {
        let wants = |s: &super::socket::Socket| {
            s.net == net && matches!(s.protocol, Protocol::Icmp { raw: false, ident, .. } if ident == icmp.ident)
        };
        let found = self.sockets.iter().find(|(_, s)| wants(s)).map(|(id, _)| id);
        if let Some(id) = found {
            let len = packet.len() - super::packet::IP_HEADER;
            self.deliver(id, icmp_message(packet, icmp, len));
        }
    }
}

/// An ICMP message as a program sees it: the fields of its header, the time to live that was left, and of an error
/// what it is about.
fn icmp_message(packet: &Packet, icmp: &Icmp, len: usize) -> Message {
    let header = |icmp: &Icmp| {
        vec![
            ("type".into(), u32::from(icmp.kind).into()),
            ("code".into(), u32::from(icmp.code).into()),
            ("id".into(), u32::from(icmp.ident).into()),
            ("sequence".into(), u32::from(icmp.sequence).into()),
        ]
    };
    let mut fields = header(icmp);
    fields.push(("ttl".into(), u32::from(packet.ttl).into()));
    fields.push(("info".into(), icmp.info.into()));
    if let Some(about) = &icmp.about {
        let mut inner = vec![
            ("daddr".into(), about.destination.to_string().as_str().into()),
            ("protocol".into(), u32::from(about.protocol()).into()),
        ];
        if let Body::Icmp(original) = &about.body {
            inner.extend(header(original));
        }
        fields.push(("about".into(), Value::Struct(inner)));
    }
    Message { from: sockaddr_in(packet.source, 0), body: Value::Struct(fields), len, control: Vec::new(), offset: 0 }
}
