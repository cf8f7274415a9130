//! TCP, as in tcp(7).

use super::device::NetDevId;
use super::packet::{Icmp, Packet, Tcp};
use super::socket::SocketId;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;

impl Kernel<'_> {
    /// A segment for this host (`tcp_v4_rcv`).
    pub(crate) fn tcp_receive(&mut self, dev: NetDevId, packet: &Packet, _segment: &Tcp) {
        let net = self.net_devices[dev].net;
        self.drop_packet(Some(dev), net, packet, "no socket has the port");
    }

    /// A segment has not arrived (`tcp_v4_err`).
    pub(crate) fn tcp_error(&mut self, _net: NetNsId, _icmp: &Icmp, _about: &Packet) {}

    /// The time of a connection has come.
    pub(crate) fn tcp_timer(&mut self, _socket: SocketId) {}
}
