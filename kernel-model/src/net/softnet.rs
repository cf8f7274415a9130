//! Frames between devices: how one leaves through a device and comes in at the next (`net/core/dev.c`).
//!
//! What has been sent waits in the backlog of the world and is received in turn, so that a packet moves hop by hop,
//! each hop an event. The backlog is empty again before the call that filled it returns.

use serde::{Deserialize, Serialize};

use super::device::{DeviceKind, NetDevId, iff};
use super::mac::Mac;
use super::packet::{Arp, ETH_HEADER, Frame, Packet, Payload};
use crate::event::{EventKind, PacketStage};
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::time::Nanos;

/// What a hop costs.
const HOP_COST: Nanos = Nanos(4000);

/// A frame that has reached a device and is about to be received.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InFlight {
    /// The device that it has reached.
    pub at: NetDevId,
    /// The frame.
    pub frame: Frame,
}

impl Kernel<'_> {
    /// A number for a new packet.
    pub(crate) fn next_packet_id(&mut self) -> u64 {
        self.last_packet += 1;
        self.last_packet
    }

    /// Says where a frame is.
    pub(crate) fn frame_event(&mut self, stage: PacketStage, dev: Option<NetDevId>, frame: &Frame) {
        match &frame.payload {
            Payload::Ipv4(packet) => self.packet_event(stage, dev, packet),
            Payload::Arp(arp) => {
                let Some(ns) = dev.map(|d| self.net_devices[d].net) else { return };
                let what = if self.trace.silent { String::new() } else { arp.to_string() };
                self.say_packet(stage, ns, dev, arp.id, what);
            }
        }
    }

    /// Says where a packet is.
    pub(crate) fn packet_event(&mut self, stage: PacketStage, dev: Option<NetDevId>, packet: &Packet) {
        let Some(ns) = dev.and_then(|d| self.net_devices.get(d)).map(|d| d.net) else { return };
        let what = if self.trace.silent { String::new() } else { packet.to_string() };
        self.say_packet(stage, ns, dev, packet.id, what);
    }

    pub(crate) fn say_packet(
        &mut self,
        stage: PacketStage,
        ns: NetNsId,
        dev: Option<NetDevId>,
        packet: u64,
        what: String,
    ) {
        let name = dev.and_then(|d| self.net_devices.get(d)).map_or("", |d| d.name.as_str()).into();
        self.emit(EventKind::PacketMoved { packet, stage, ns, device: dev, name, what: what.into() });
    }

    /// A packet ends here.
    pub(crate) fn drop_packet(&mut self, dev: Option<NetDevId>, ns: NetNsId, packet: &Packet, why: &str) {
        let what = if self.trace.silent { String::new() } else { packet.to_string() };
        self.say_dropped(dev, ns, packet.id, what, why);
    }

    /// A frame ends here.
    pub(crate) fn drop_frame(&mut self, dev: Option<NetDevId>, frame: &Frame, why: &str) {
        let Some(ns) = dev.and_then(|d| self.net_devices.get(d)).map(|d| d.net) else { return };
        let what = if self.trace.silent { String::new() } else { frame.to_string() };
        self.say_dropped(dev, ns, frame.packet_id(), what, why);
    }

    fn say_dropped(&mut self, dev: Option<NetDevId>, ns: NetNsId, packet: u64, what: String, why: &str) {
        let name = dev.and_then(|d| self.net_devices.get(d)).map_or("", |d| d.name.as_str()).into();
        self.emit(EventKind::PacketDropped { packet, ns, device: dev, name, what: what.into(), why: why.into() });
    }

    /// Puts a packet into a frame for somebody on the link and sends it.
    pub(crate) fn transmit_packet(&mut self, dev: NetDevId, to: Mac, packet: Packet) {
        let source = self.net_devices[dev].mac;
        self.dev_queue_xmit(dev, Frame { source, destination: to, payload: Payload::Ipv4(packet) });
    }

    /// A frame leaves through a device.
    pub(crate) fn dev_queue_xmit(&mut self, dev: NetDevId, frame: Frame) {
        let device = &self.net_devices[dev];
        if !device.is_up() {
            return self.drop_frame(Some(dev), &frame, "the device is down");
        }
        let mtu = device.mtu as usize;
        let pieces = frame.payload_len().div_ceil(mtu.max(68)).max(1) as u64;
        let len = (frame.payload_len() + ETH_HEADER) as u64;
        let next = match &device.kind {
            DeviceKind::Bridge(_) => return self.bridge_xmit(dev, frame),
            DeviceKind::Loopback => Some(dev),
            DeviceKind::Veth { peer } => *peer,
            DeviceKind::Dummy | DeviceKind::Tap(_) | DeviceKind::Below { .. } => None,
        };
        let below = if let DeviceKind::Below { port, .. } = device.kind { Some(port) } else { None };
        let tap = device.tap().map(|tap| tap.file);
        if device.peer().is_some() && !self.has_carrier(dev) {
            self.net_devices[dev].sent.dropped += 1;
            return self.drop_frame(Some(dev), &frame, "the other end of the cable is down");
        }
        let device = &mut self.net_devices[dev];
        device.sent.packets += pieces;
        // What loops back has no Ethernet header when it is counted.
        device.sent.bytes += if device.is_loopback() { len - ETH_HEADER as u64 } else { len };
        self.frame_event(PacketStage::Transmitted, Some(dev), &frame);
        if let Some(port) = below {
            self.machine.transmit(port, &frame);
            return self.emit_reports();
        }
        if let Some(file) = tap {
            return self.tap_xmit(dev, file, frame);
        }
        match next {
            Some(at) => self.backlog.push_back(InFlight { at, frame }),
            None => self.drop_frame(Some(dev), &frame, "a dummy device swallows what is sent"),
        }
    }

    /// Receives everything that waits (`net_rx_action`).
    pub(crate) fn net_rx_action(&mut self) {
        while let Some(InFlight { at, frame }) = self.backlog.pop_front() {
            self.spend(HOP_COST);
            if self.net_devices.contains(at) {
                self.netif_receive(at, frame);
            }
        }
    }

    /// A frame comes in at a device (`__netif_receive_skb`).
    fn netif_receive(&mut self, dev: NetDevId, frame: Frame) {
        if !self.net_devices[dev].is_up() {
            return self.drop_frame(Some(dev), &frame, "the device is down");
        }
        let len = (frame.payload_len() + ETH_HEADER) as u64;
        let device = &mut self.net_devices[dev];
        let pieces = frame.payload_len().div_ceil((device.mtu as usize).max(68)).max(1) as u64;
        device.received.packets += pieces;
        device.received.bytes += if device.is_loopback() { len - ETH_HEADER as u64 } else { len };
        self.frame_event(PacketStage::Received, Some(dev), &frame);
        if self.net_devices[dev].port.is_none() {
            return self.eth_receive(dev, frame);
        }
        if let Some((bridge, frame)) = self.bridge_receive(dev, frame) {
            if !self.net_devices[bridge].is_up() {
                return self.drop_frame(Some(bridge), &frame, "the device is down");
            }
            let device = &mut self.net_devices[bridge];
            device.received.packets += 1;
            device.received.bytes += len - ETH_HEADER as u64;
            device.received.multicast += u64::from(frame.destination.is_multicast());
            self.frame_event(PacketStage::Received, Some(bridge), &frame);
            self.eth_receive(bridge, frame);
        }
    }

    /// What is in a frame that has come to this host, if it is for this host (`eth_type_trans`).
    fn eth_receive(&mut self, dev: NetDevId, frame: Frame) {
        let device = &self.net_devices[dev];
        let own = device.is_loopback() || frame.destination == device.mac || frame.destination.is_multicast();
        if !own {
            let why = if device.own_flags & iff::PROMISC != 0 {
                "it is for another address; the device only listens"
            } else {
                "it is for another address"
            };
            return self.drop_frame(Some(dev), &frame, why);
        }
        match frame.payload {
            Payload::Arp(ref arp) => {
                let arp: Arp = arp.clone();
                self.arp_receive(dev, &frame, &arp);
            }
            Payload::Ipv4(packet) => self.ip_receive(dev, packet, frame.destination.is_multicast()),
        }
    }
}
