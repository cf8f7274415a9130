//! IPv4: packets that are sent, come in and go on, as in `net/ipv4/ip_output.c`, `ip_input.c` and `ip_forward.c`.

use super::device::NetDevId;
use super::fib::{Flow, rtn};
use super::icmp::{kind, unreach};
use super::netfilter::{Hook, Passage, Verdict};
use super::packet::{Body, Packet};
use super::route::{InputRoute, Path};
use crate::errno::Errno;
use crate::event::PacketStage;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::time::Nanos;

/// What an ICMP error costs of the time that its receiver has saved up (`ip_rt_error_cost`, `icmp_ratelimit`).
pub(super) const ERROR_COST: Nanos = Nanos::SECOND;
/// The most that can be saved up for errors about routes (`ip_rt_error_burst`).
const ERROR_BURST: Nanos = Nanos(5 * Nanos::SECOND.0);

impl Kernel<'_> {
    /// Sends a packet that this host has made along its way (`ip_local_out`, `ip_output`).
    ///
    /// # Errors
    /// EMSGSIZE for one that is too long and must not be cut; EPERM when the packet filter drops it.
    pub(crate) fn ip_output(&mut self, net: NetNsId, path: &Path, packet: Packet) -> Result<(), Errno> {
        if packet.dont_fragment && packet.len() > path.mtu as usize {
            return Err(Errno::EMSGSIZE);
        }
        self.packet_event(PacketStage::Sent, Some(path.dev), &packet);
        let mut passage = Passage { net, packet, in_dev: None, out_dev: Some(path.dev), tracked: None };
        let (before_source, before) = (passage.packet.source, passage.packet.destination);
        match self.nf_hook(Hook::Output, &mut passage) {
            Verdict::Accept => {}
            Verdict::Drop => return Err(Errno::EPERM),
        }
        let mut path = path.clone();
        if passage.packet.destination != before || passage.packet.source != before_source {
            // Somebody has changed where it goes (ip_route_me_harder).
            let flow = Flow { source: Some(passage.packet.source), ..Flow::to(passage.packet.destination) };
            path = self.route_output(net, flow)?;
            passage.out_dev = Some(path.dev);
        }
        self.ip_finish_output(&path, passage);
        Ok(())
    }

    /// The last step of a packet out of this host.
    fn ip_finish_output(&mut self, path: &Path, mut passage: Passage) {
        if self.nf_hook(Hook::PostRouting, &mut passage) != Verdict::Accept {
            return;
        }
        let packet = passage.packet;
        if matches!(path.kind, rtn::BROADCAST | rtn::MULTICAST) {
            return self.transmit_packet(path.dev, super::mac::Mac::BROADCAST, packet);
        }
        let next = path.gateway.unwrap_or(packet.destination);
        self.neigh_output(path.dev, next, packet);
    }

    /// A packet has come in (`ip_rcv`).
    pub(crate) fn ip_receive(&mut self, dev: NetDevId, packet: Packet, link_broadcast: bool) {
        let net = self.net_devices[dev].net;
        let mut passage = Passage { net, packet, in_dev: Some(dev), out_dev: None, tracked: None };
        if self.nf_hook(Hook::PreRouting, &mut passage) != Verdict::Accept {
            return;
        }
        let (source, to) = (passage.packet.source, passage.packet.destination);
        match self.route_input(dev, source, to) {
            InputRoute::Local => self.ip_local_deliver(passage),
            InputRoute::Forward(path) => {
                if link_broadcast {
                    return self.drop_packet(Some(dev), net, &passage.packet, "a broadcast does not go on");
                }
                self.ip_forward(&path, passage);
            }
            InputRoute::Martian(why) => self.drop_packet(Some(dev), net, &passage.packet, why),
            InputRoute::Error(e) => self.ip_error(dev, passage.packet, e),
        }
    }

    /// A packet that has no way on (`ip_error`).
    fn ip_error(&mut self, dev: NetDevId, packet: Packet, error: Errno) {
        let net = self.net_devices[dev].net;
        let forwards = self.conf_setting(dev, "forwarding") != 0;
        let (code, why) = match error {
            Errno::EHOSTUNREACH if !forwards => {
                return self.drop_packet(Some(dev), net, &packet, "it is not for this host, and ip_forward is 0");
            }
            Errno::EHOSTUNREACH => (unreach::HOST, "the route says unreachable"),
            Errno::ENETUNREACH => (unreach::NET, "no route leads there"),
            Errno::EACCES => (unreach::FILTERED, "the route says prohibit"),
            _ => return self.drop_packet(Some(dev), net, &packet, "the route says blackhole"),
        };
        self.drop_packet(Some(dev), net, &packet, why);
        if self.may_send_error(net, packet.source, ERROR_BURST) {
            self.icmp_error(net, Some(dev), &packet, kind::DEST_UNREACH, code, 0);
        }
    }

    /// Whether somebody may be sent one more error: it costs a second of the time saved up (`inet_peer_xrlim_allow`).
    pub(crate) fn may_send_error(&mut self, net: NetNsId, to: std::net::Ipv4Addr, burst: Nanos) -> bool {
        let now = self.clock;
        let Some(namespace) = self.net_namespaces.get_mut(net) else { return false };
        let (tokens, last) = namespace.error_tokens.get(&to).copied().unwrap_or((burst, now));
        let tokens = (tokens + (now - last)).min(burst);
        let allowed = tokens >= ERROR_COST;
        let left = if allowed { tokens - ERROR_COST } else { tokens };
        namespace.error_tokens.insert(to, (left, now));
        allowed
    }

    /// A packet goes on (`ip_forward`).
    fn ip_forward(&mut self, path: &Path, mut passage: Passage) {
        let net = passage.net;
        let dev = passage.in_dev;
        if passage.packet.ttl <= 1 {
            self.drop_packet(dev, net, &passage.packet, "its time to live is over");
            return self.icmp_error(net, dev, &passage.packet, kind::TIME_EXCEEDED, 0, 0);
        }
        if passage.packet.dont_fragment && passage.packet.len() > path.mtu as usize {
            self.drop_packet(dev, net, &passage.packet, "it is longer than the mtu and must not be cut");
            let code = unreach::FRAG_NEEDED;
            return self.icmp_error(net, dev, &passage.packet, kind::DEST_UNREACH, code, path.mtu);
        }
        passage.packet.ttl -= 1;
        passage.out_dev = Some(path.dev);
        if self.nf_hook(Hook::Forward, &mut passage) != Verdict::Accept {
            return;
        }
        self.packet_event(PacketStage::Forwarded, Some(path.dev), &passage.packet);
        self.ip_finish_output(path, passage);
    }

    /// A packet is for this host (`ip_local_deliver`).
    fn ip_local_deliver(&mut self, mut passage: Passage) {
        if self.nf_hook(Hook::Input, &mut passage) != Verdict::Accept {
            return;
        }
        let Some(dev) = passage.in_dev else { return };
        let packet = passage.packet;
        self.packet_event(PacketStage::Delivered, Some(dev), &packet);
        match &packet.body {
            Body::Icmp(icmp) => {
                let icmp = icmp.clone();
                self.icmp_receive(dev, &packet, &icmp);
            }
            Body::Udp(udp) => {
                let udp = udp.clone();
                self.udp_receive(dev, &packet, &udp);
            }
            Body::Tcp(segment) => {
                let segment = segment.clone();
                self.tcp_receive(dev, &packet, &segment);
            }
        }
    }
}
