//! Bridges: devices that pass frames on between their ports, as in bridge(8) (`net/bridge/`).
//!
//! A bridge learns behind which port an address is from the frames that come out of it. A frame for an address that it
//! knows goes to that port alone, any other to all ports. Spanning trees are not modelled: a port whose device is up
//! and has a carrier forwards as soon as the bridge is up.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::device::NetDevId;
use super::mac::Mac;
use super::packet::{ETH_HEADER, Frame};
use crate::event::{EventKind, PacketStage};
use crate::kernel::Kernel;
use crate::time::Nanos;
use crate::world::World;

/// How long an address that nobody hears of stays known (`ageing_time`).
pub const AGEING_TIME: Nanos = Nanos::from_millis(300_000);

/// What a bridge has beside being a device.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Bridge {
    /// Its ports, by number.
    pub ports: OrdMap<u16, NetDevId>,
    /// Behind which port an address was seen last, and when.
    pub fdb: OrdMap<Mac, (NetDevId, Nanos)>,
    /// It has had a port: from then on it has a carrier only while a port forwards.
    pub had_port: bool,
}

/// What a bridge knows of a port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BridgePort {
    /// The bridge.
    pub bridge: NetDevId,
    /// Its number, from 1.
    pub number: u16,
    /// A frame may go back to where it came from.
    pub hairpin: bool,
    /// It may speak only to ports that are not isolated.
    pub isolated: bool,
}

impl World {
    /// Whether a port passes frames on (`BR_STATE_FORWARDING`; otherwise it is disabled).
    pub fn port_forwards(&self, dev: NetDevId) -> bool {
        let Some(device) = self.net_devices.get(dev) else { return false };
        let bridge_up = device.master().and_then(|b| self.net_devices.get(b)).is_some_and(|b| b.is_up());
        bridge_up && device.is_up() && self.has_carrier(dev)
    }
}

impl Kernel<'_> {
    /// Takes the address of the port with the lowest one, unless somebody has given the bridge one
    /// (`br_stp_recalculate_bridge_id`), and the least mtu of the ports.
    pub(crate) fn bridge_follow_ports(&mut self, bridge: NetDevId) {
        let device = &self.net_devices[bridge];
        let Some(b) = device.bridge() else { return };
        let ports: Vec<&super::device::NetDevice> = b.ports.values().map(|p| &self.net_devices[*p]).collect();
        let mac = ports.iter().map(|p| p.mac).min().unwrap_or(Mac::ZERO);
        let mtu = ports.iter().map(|p| p.mtu).min().unwrap_or(1500);
        let device = &mut self.net_devices[bridge];
        if !device.mac_set {
            device.mac = mac;
        }
        if !device.mtu_set {
            device.mtu = mtu;
        }
    }

    /// A frame leaves the host through a bridge (`br_dev_xmit`).
    pub(crate) fn bridge_xmit(&mut self, bridge: NetDevId, frame: Frame) {
        let len = (frame.payload_len() + ETH_HEADER) as u64;
        let device = &mut self.net_devices[bridge];
        device.sent.packets += 1;
        device.sent.bytes += len;
        self.bridge_pass_on(bridge, None, frame);
    }

    /// A frame has come to a port (`br_handle_frame`). The frame if it is for the bridge itself.
    pub(crate) fn bridge_receive(&mut self, port: NetDevId, frame: Frame) -> Option<(NetDevId, Frame)> {
        let bridge = self.net_devices[port].master()?;
        if !self.port_forwards(port) {
            self.drop_frame(Some(port), &frame, "the port of the bridge is disabled");
            return None;
        }
        if frame.source.is_valid() {
            self.bridge_learn(bridge, port, frame.source);
        }
        let own = self.net_devices[bridge].mac == frame.destination || self.is_port_address(bridge, frame.destination);
        if own {
            return Some((bridge, frame));
        }
        let up = frame.destination.is_multicast().then(|| frame.clone());
        self.bridge_pass_on(bridge, Some(port), frame);
        up.map(|frame| (bridge, frame))
    }

    fn is_port_address(&self, bridge: NetDevId, mac: Mac) -> bool {
        let ports = self.net_devices[bridge].bridge().map(|b| &b.ports);
        ports.is_some_and(|ports| ports.values().any(|p| self.net_devices[*p].mac == mac))
    }

    fn bridge_learn(&mut self, bridge: NetDevId, port: NetDevId, mac: Mac) {
        if self.is_port_address(bridge, mac) {
            return;
        }
        let now = self.clock;
        let Some(b) = self.net_devices[bridge].bridge_mut() else { return };
        let known = b.fdb.get(&mac).is_some_and(|(p, seen)| *p == port && *seen + AGEING_TIME > now);
        b.fdb.insert(mac, (port, now));
        if !known {
            let (ns, name) = (self.net_devices[bridge].net, self.net_devices[bridge].name.as_str().into());
            let port = self.net_devices[port].name.as_str().into();
            self.emit(EventKind::BridgeLearned { ns, bridge: name, port, mac });
        }
    }

    /// Sends a frame out of the port behind which its address is, or of all but the one it came from.
    fn bridge_pass_on(&mut self, bridge: NetDevId, from: Option<NetDevId>, frame: Frame) {
        let now = self.clock;
        let Some(b) = self.net_devices[bridge].bridge() else { return };
        let known = b.fdb.get(&frame.destination).filter(|(_, seen)| *seen + AGEING_TIME > now).map(|(p, _)| *p);
        let ports: Vec<NetDevId> = match known {
            Some(port) if !frame.destination.is_multicast() => vec![port],
            _ => b.ports.values().copied().collect(),
        };
        let from_port = from.and_then(|f| self.net_devices[f].port.clone());
        let mut sent = false;
        for port in ports {
            let Some(to) = self.net_devices[port].port.clone() else { continue };
            let isolated = to.isolated && from_port.as_ref().is_some_and(|p| p.isolated);
            if (Some(port) == from && !to.hairpin) || isolated || !self.port_forwards(port) {
                continue;
            }
            sent = true;
            self.frame_event(PacketStage::Bridged, Some(bridge), &frame);
            self.dev_queue_xmit(port, frame.clone());
        }
        if !sent && !frame.destination.is_multicast() {
            self.drop_frame(Some(bridge), &frame, "no other port of the bridge leads to its address");
        }
    }
}
