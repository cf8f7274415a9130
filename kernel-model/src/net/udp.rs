//! UDP, as in udp(7): datagrams between ports (`net/ipv4/udp.c`), and the ports of both UDP and TCP.

use std::net::Ipv4Addr;

use super::device::NetDevId;
use super::fib::{Flow, rtn};
use super::icmp::{kind, unreach};
use super::packet::{Body, Icmp, Packet, Udp};
use super::socket::{Message, Protocol, Socket, SocketId, sockaddr_in};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::security::capability::Cap;
use crate::syscall::Value;
use crate::task::TaskId;
use crate::task::sched::Wait;

/// The most that one datagram holds.
const MAX_DATAGRAM: usize = 65_507;

/// Whether two sockets speak the same protocol with ports.
fn same_protocol(a: &Protocol, b: &Protocol) -> bool {
    matches!((a, b), (Protocol::Udp, Protocol::Udp) | (Protocol::Tcp(_), Protocol::Tcp(_)))
}

impl Kernel<'_> {
    /// Gives a socket an address and a port (`inet_bind`).
    ///
    /// # Errors
    /// EADDRNOTAVAIL for an address that is not this host's; EACCES for a port below `ip_unprivileged_port_start`
    /// without CAP_NET_BIND_SERVICE; EINVAL for a socket that has a port; EADDRINUSE for a port that is taken.
    pub(crate) fn bind_inet(
        &mut self,
        caller: TaskId,
        id: SocketId,
        address: Ipv4Addr,
        port: u16,
    ) -> Result<(), Errno> {
        let net = self.sockets[id].net;
        let kind = self.net_namespaces[net].address_type(address);
        if !matches!(kind, rtn::LOCAL | rtn::MULTICAST | rtn::BROADCAST) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let start = self.net_setting(net, "net/ipv4/ip_unprivileged_port_start");
        let start: u16 = start.and_then(|s| s.parse().ok()).unwrap_or(1024);
        let owner = self.net_namespaces[net].ns.owner;
        if port != 0 && port < start && !self.capable_in(caller, owner, Cap::NET_BIND_SERVICE) {
            return Err(Errno::EACCES);
        }
        if self.sockets[id].local.1 != 0 {
            return Err(Errno::EINVAL);
        }
        let port = match port {
            0 => self.free_port(id, address).ok_or(Errno::EADDRINUSE)?,
            port if self.port_taken(id, address, port) => return Err(Errno::EADDRINUSE),
            port => port,
        };
        self.sockets[id].local = (address, port);
        Ok(())
    }

    /// Whether another socket has this port at this address.
    fn port_taken(&self, id: SocketId, address: Ipv4Addr, port: u16) -> bool {
        let own = &self.sockets[id];
        self.sockets.iter().any(|(other, s)| {
            let overlap = s.local.0.is_unspecified() || address.is_unspecified() || s.local.0 == address;
            let listens = matches!(&s.protocol, Protocol::Tcp(t) if t.is_listening());
            let shared = own.options.reuse_port && s.options.reuse_port
                || own.options.reuse_address && s.options.reuse_address && !listens
                || own.options.reuse_address && s.orphan;
            other != id
                && s.net == own.net
                && same_protocol(&s.protocol, &own.protocol)
                && s.local.1 == port
                && overlap
                && !shared
        })
    }

    /// A free port of `ip_local_port_range`.
    fn free_port(&self, id: SocketId, address: Ipv4Addr) -> Option<u16> {
        let range = self.net_setting(self.sockets[id].net, "net/ipv4/ip_local_port_range").unwrap_or_default();
        let mut bounds = range.split_whitespace().filter_map(|n| n.parse::<u16>().ok());
        let (low, high) = (bounds.next().unwrap_or(32_768), bounds.next().unwrap_or(60_999));
        (low..=high).find(|port| !self.port_taken(id, address, *port))
    }

    /// Gives a socket a port if it has none (`inet_autobind`).
    ///
    /// # Errors
    /// EAGAIN when none is free.
    pub(crate) fn autobind(&mut self, id: SocketId) -> Result<(), Errno> {
        if self.sockets[id].local.1 == 0 {
            let address = self.sockets[id].local.0;
            self.sockets[id].local.1 = self.free_port(id, address).ok_or(Errno::EAGAIN)?;
        }
        Ok(())
    }

    /// Sends a datagram (`udp_sendmsg`).
    ///
    /// # Errors
    /// EDESTADDRREQ without an address; EMSGSIZE for too long a one; ENETUNREACH and the like; the error that the
    /// socket has been told of.
    pub(crate) fn udp_send(&mut self, id: SocketId, to: Option<(Ipv4Addr, u16)>, data: &[u8]) -> Result<(), Errno> {
        if data.len() > MAX_DATAGRAM {
            return Err(Errno::EMSGSIZE);
        }
        if let Some(error) = self.sockets[id].error.take() {
            return Err(error);
        }
        let (to, port) = to.or(self.sockets[id].remote).ok_or(Errno::EDESTADDRREQ)?;
        if port == 0 {
            return Err(Errno::EINVAL);
        }
        self.autobind(id)?;
        let socket = &self.sockets[id];
        let (net, options) = (socket.net, socket.options.clone());
        let source = Some(socket.local.0).filter(|a| !a.is_unspecified());
        let source_port = socket.local.1;
        let path = self.route_output(net, Flow { source, oif: options.device, ..Flow::to(to) })?;
        if path.kind == rtn::BROADCAST && !options.broadcast {
            return Err(Errno::EACCES);
        }
        let body = Body::Udp(Udp { source_port, destination_port: port, data: data.into() });
        let packet = Packet {
            id: self.next_packet_id(),
            source: path.source,
            destination: path.destination,
            ttl: options.ttl.unwrap_or_else(|| self.default_ttl(net)),
            dont_fragment: options.pmtu_discover,
            body,
        };
        let sent = self.ip_output(net, &path, packet);
        self.net_rx_action();
        sent
    }

    /// The socket that gets a datagram: a connected one before one that takes it from anybody.
    fn udp_lookup(
        &self,
        net: NetNsId,
        dev: Option<NetDevId>,
        from: (Ipv4Addr, u16),
        to: (Ipv4Addr, u16),
    ) -> Option<SocketId> {
        let fits = |s: &Socket| {
            s.net == net
                && matches!(s.protocol, Protocol::Udp)
                && s.local.1 == to.1
                && (s.local.0.is_unspecified() || s.local.0 == to.0)
                && s.remote.is_none_or(|r| r == from)
                && s.options.device.is_none_or(|d| dev.is_none_or(|dev| d == dev))
        };
        let all = self.sockets.iter().filter(|(_, s)| fits(s));
        all.max_by_key(|(_, s)| (s.remote.is_some(), !s.local.0.is_unspecified())).map(|(id, _)| id)
    }

    /// A datagram for this host (`udp_rcv`). When nobody has the port its sender is told.
    pub(crate) fn udp_receive(&mut self, dev: NetDevId, packet: &Packet, udp: &Udp) {
        let net = self.net_devices[dev].net;
        let from = (packet.source, udp.source_port);
        match self.udp_lookup(net, Some(dev), from, (packet.destination, udp.destination_port)) {
            Some(id) => {
                let body = Value::Bytes(std::sync::Arc::clone(&udp.data));
                let len = udp.data.len();
                let from = sockaddr_in(packet.source, udp.source_port);
                self.deliver(id, Message { from, body, len, control: Vec::new(), offset: 0 });
            }
            None => {
                self.drop_packet(Some(dev), net, packet, "no socket has the port");
                self.icmp_error(net, Some(dev), packet, kind::DEST_UNREACH, unreach::PORT, 0);
            }
        }
    }

    /// A datagram has not arrived: a connected socket hears of it (`udp_err`).
    pub(crate) fn udp_error(&mut self, net: NetNsId, icmp: &Icmp, about: &Packet) {
        let Body::Udp(udp) = &about.body else { return };
        let (from, to) = ((about.source, udp.source_port), (about.destination, udp.destination_port));
        let Some(id) = self.udp_lookup(net, None, to, from) else { return };
        let (errno, hard) = icmp.errno();
        if self.sockets[id].remote.is_some() && (hard || self.sockets[id].options.recv_errors) {
            self.sockets[id].error = Some(errno);
            self.wake_all(Wait::SocketReadable(id));
        }
    }
}
