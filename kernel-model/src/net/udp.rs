//! UDP, as in udp(7).

use super::device::NetDevId;
use super::icmp::{kind, unreach};
use super::packet::{Icmp, Packet, Udp};
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;

impl Kernel<'_> {
    /// A datagram for this host: nobody has the port, so its sender is told (`udp_rcv`).
    pub(crate) fn udp_receive(&mut self, dev: NetDevId, packet: &Packet, _udp: &Udp) {
        let net = self.net_devices[dev].net;
        self.drop_packet(Some(dev), net, packet, "no socket has the port");
        self.icmp_error(net, Some(dev), packet, kind::DEST_UNREACH, unreach::PORT, 0);
    }

    /// A datagram has not arrived (`udp_err`).
    pub(crate) fn udp_error(&mut self, _net: NetNsId, _icmp: &Icmp, _about: &Packet) {}
}
