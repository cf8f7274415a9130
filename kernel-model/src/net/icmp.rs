//! ICMP echo, as in icmp(7): a request to an address of this host comes back as a reply through `lo`.

use std::net::Ipv4Addr;

use super::socket::{Message, Protocol, SocketId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::Value;

/// `ICMP_ECHO` and `ICMP_ECHOREPLY`.
const ECHO: i64 = 8;
const ECHO_REPLY: i64 = 0;
/// Bytes of an IPv4 header.
const IP_HEADER: u64 = 20;

/// The address of an IPv4 end.
pub(crate) fn sockaddr_in(address: Ipv4Addr, port: u16) -> Value {
    Value::record([
        ("sa_family", super::socket::AF_INET.into()),
        ("sin_port", u32::from(port).into()),
        ("sin_addr", address.to_string().as_str().into()),
    ])
}

impl Kernel<'_> {
    /// Sends an ICMP message of `len` bytes.
    ///
    /// # Errors
    /// EINVAL for what is no echo request; ENETUNREACH without a route.
    pub(crate) fn icmp_send(&mut self, id: SocketId, to: Ipv4Addr, packet: &Value, len: usize) -> Result<(), Errno> {
        let field = |name: &str| packet.field(name).and_then(Value::as_int).unwrap_or(0);
        if packet.field("type").and_then(Value::as_int) != Some(ECHO) {
            return Err(Errno::EINVAL);
        }
        let Protocol::Icmp { raw, .. } = self.sockets[id].protocol else { return Err(Errno::EINVAL) };
        let net = self.sockets[id].net;
        let route = self.net_namespaces[net].route_to(to).ok_or(Errno::ENETUNREACH)?;
        let device = self.net_namespaces[net].device_mut(route.oif).ok_or(Errno::ENETUNREACH)?;
        if !device.is_up() {
            // The route to the host's own address outlives the device; what is sent there is dropped.
            return Ok(());
        }
        // The request and the reply both go through lo.
        device.traffic.packets += 2;
        device.traffic.bytes += 2 * (IP_HEADER + len as u64);
        if route.kind != super::route::RTN_LOCAL {
            // Nobody answers an echo to a broadcast address (icmp_echo_ignore_broadcasts).
            return Ok(());
        }
        let reply = Value::record([
            ("type", ECHO_REPLY.into()),
            ("code", 0.into()),
            ("id", field("id").into()),
            ("sequence", field("sequence").into()),
            ("ttl", 64.into()),
        ]);
        let len = if raw { len + IP_HEADER as usize } else { len };
        self.deliver(id, Message { from: sockaddr_in(to, 0), body: reply, len });
        Ok(())
    }
}
