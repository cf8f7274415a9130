//! Neighbours: who on the link has which Ethernet address, as in arp(7) and `ip neigh` (`net/core/neighbour.c`,
//! `net/ipv4/arp.c`).
//!
//! A neighbour that is not known is asked for up to three times, a second apart, while packets for it wait
//! (`INCOMPLETE`); then it is `REACHABLE`, or `FAILED`. What has been reachable for 30 seconds becomes `STALE`; when
//! it is used again it is given five seconds (`DELAY`) and then asked again (`PROBE`). Linux takes 15 to 45 seconds at
//! random.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::device::{NetDevId, iff};
use super::icmp::{kind, unreach};
use super::mac::Mac;
use super::packet::{Arp, Frame, Packet, Payload};
use super::timer::NetTimer;
use crate::event::{EventKind, PacketStage};
use crate::kernel::Kernel;
use crate::time::Nanos;

/// How long an answer is trusted (`base_reachable_time`).
const REACHABLE_TIME: Nanos = Nanos::from_millis(30_000);
/// How long a stale answer is used before it is checked (`delay_first_probe_time`).
const DELAY_PROBE_TIME: Nanos = Nanos::from_millis(5000);
/// How long a question waits for its answer (`retrans_time_ms`).
const RETRANS_TIME: Nanos = Nanos::from_millis(1000);
/// How often a question is asked (`mcast_solicit`, `ucast_solicit`).
const PROBES: u8 = 3;

/// `NUD_*`: what is known of a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the states of ip-neighbour(8)
pub enum NudState {
    Incomplete,
    Reachable,
    Stale,
    Delay,
    Probe,
    Failed,
    Noarp,
    Permanent,
}

impl NudState {
    /// Its bit in messages.
    pub fn bit(self) -> u32 {
        match self {
            NudState::Incomplete => 0x01,
            NudState::Reachable => 0x02,
            NudState::Stale => 0x04,
            NudState::Delay => 0x08,
            NudState::Probe => 0x10,
            NudState::Failed => 0x20,
            NudState::Noarp => 0x40,
            NudState::Permanent => 0x80,
        }
    }

    /// The state of a bit.
    pub fn from_bit(bit: u32) -> Option<NudState> {
        use NudState::*;
        [Incomplete, Reachable, Stale, Delay, Probe, Failed, Noarp, Permanent].into_iter().find(|s| s.bit() == bit)
    }

    /// The word of `ip neigh`.
    pub fn name(self) -> &'static str {
        match self {
            NudState::Incomplete => "INCOMPLETE",
            NudState::Reachable => "REACHABLE",
            NudState::Stale => "STALE",
            NudState::Delay => "DELAY",
            NudState::Probe => "PROBE",
            NudState::Failed => "FAILED",
            NudState::Noarp => "NOARP",
            NudState::Permanent => "PERMANENT",
        }
    }

    /// Whether its address can be used (`NUD_VALID`).
    pub fn is_valid(self) -> bool {
        !matches!(self, NudState::Incomplete | NudState::Failed)
    }
}

/// A neighbour (`struct neighbour`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Neighbour {
    /// What is known of it.
    pub state: NudState,
    /// Its address.
    pub mac: Option<Mac>,
    /// When somebody last said that it is there.
    pub confirmed: Nanos,
    /// When the entry was last used.
    pub used: Nanos,
    /// How often it has been asked for in its present state.
    pub probes: u8,
    /// When the next thing happens to it.
    pub timer: Option<Nanos>,
    /// Packets that wait for its address.
    pub queue: Vec<Packet>,
}

impl Neighbour {
    /// One of whom this is known.
    pub fn new(state: NudState, mac: Option<Mac>, now: Nanos) -> Neighbour {
        Neighbour { state, mac, confirmed: now, used: now, probes: 0, timer: None, queue: Vec::new() }
    }
}

impl Kernel<'_> {
    /// Sends a packet to a neighbour: at once when its address can be used, otherwise when it is known
    /// (`neigh_output`, `neigh_event_send`).
    pub(crate) fn neigh_output(&mut self, dev: NetDevId, next: Ipv4Addr, packet: Packet) {
        let now = self.clock;
        let device = &self.net_devices[dev];
        if device.is_loopback() || device.own_flags & iff::NOARP != 0 {
            return self.transmit_packet(dev, Mac::ZERO, packet);
        }
        match device.neighbours.get(&next).map(|n| (n.state, n.mac)) {
            Some((state, Some(mac))) if state.is_valid() => {
                if let Some(n) = self.net_devices[dev].neighbours.get_mut(&next) {
                    n.used = now;
                }
                if state == NudState::Stale {
                    self.set_nud(dev, next, NudState::Delay, Some(now + DELAY_PROBE_TIME));
                }
                self.transmit_packet(dev, mac, packet);
            }
            Some((NudState::Incomplete, _)) => self.neigh_enqueue(dev, next, packet),
            _ => {
                let fresh = Neighbour::new(NudState::Incomplete, None, now);
                self.forget_neigh_timer(dev, next);
                self.net_devices[dev].neighbours.insert(next, fresh);
                self.neigh_enqueue(dev, next, packet);
                self.set_nud(dev, next, NudState::Incomplete, Some(now + RETRANS_TIME));
                self.neigh_probe(dev, next);
            }
        }
    }

    fn neigh_enqueue(&mut self, dev: NetDevId, next: Ipv4Addr, packet: Packet) {
        self.packet_event(PacketStage::Waiting, Some(dev), &packet);
        if let Some(n) = self.net_devices[dev].neighbours.get_mut(&next) {
            n.queue.push(packet);
        }
    }

    /// A neighbour changes state; the next thing happens to it at `timer`.
    fn set_nud(&mut self, dev: NetDevId, address: Ipv4Addr, state: NudState, timer: Option<Nanos>) {
        self.forget_neigh_timer(dev, address);
        let Some(n) = self.world.net_devices[dev].neighbours.get_mut(&address) else { return };
        let changed = n.state != state;
        n.state = state;
        n.timer = timer;
        if changed {
            n.probes = 0;
        }
        if let Some(at) = timer {
            self.net_timers.insert((at, NetTimer::Neighbour(dev, address)));
        }
        let device = &self.net_devices[dev];
        let (ns, name) = (device.net, device.name.as_str().into());
        self.emit(EventKind::NeighbourChanged { ns, device: name, address, state });
    }

    pub(crate) fn forget_neigh_timer(&mut self, dev: NetDevId, address: Ipv4Addr) {
        let timer =
            self.net_devices.get_mut(dev).and_then(|d| d.neighbours.get_mut(&address)).and_then(|n| n.timer.take());
        if let Some(at) = timer {
            self.net_timers.remove(&(at, NetTimer::Neighbour(dev, address)));
        }
    }

    /// Asks for a neighbour: everybody, or itself when its address is known (`arp_solicit`).
    fn neigh_probe(&mut self, dev: NetDevId, target: Ipv4Addr) {
        let Some(n) = self.world.net_devices[dev].neighbours.get_mut(&target) else { return };
        n.probes += 1;
        let to = n.mac.filter(|_| n.state == NudState::Probe);
        let from = n.queue.first().map(|p| p.source);
        let device = &self.net_devices[dev];
        let namespace = &self.net_namespaces[device.net];
        let from = from.filter(|f| namespace.is_local(*f));
        let Some(sender) = from.or_else(|| self.select_source(dev, target, super::fib::RT_SCOPE_LINK)) else { return };
        self.send_arp(dev, false, sender, target, to);
    }

    pub(crate) fn send_arp(
        &mut self,
        dev: NetDevId,
        is_reply: bool,
        sender: Ipv4Addr,
        target: Ipv4Addr,
        target_mac: Option<Mac>,
    ) {
        let mac = self.net_devices[dev].mac;
        let id = self.next_packet_id();
        let arp = Arp { id, is_reply, sender_mac: mac, sender, target_mac: target_mac.unwrap_or(Mac::ZERO), target };
        let frame =
            Frame { source: mac, destination: target_mac.unwrap_or(Mac::BROADCAST), payload: Payload::Arp(arp) };
        self.frame_event(PacketStage::Sent, Some(dev), &frame);
        self.dev_queue_xmit(dev, frame);
    }

    /// An ARP message has come (`arp_process`): whoever asks is noted, whoever is asked for answers.
    pub(crate) fn arp_receive(&mut self, dev: NetDevId, frame: &Frame, arp: &Arp) {
        let device = &self.net_devices[dev];
        if device.own_flags & iff::NOARP != 0 {
            return self.drop_frame(Some(dev), frame, "the device does not speak ARP");
        }
        let namespace = &self.net_namespaces[device.net];
        if arp.target.is_loopback() || arp.target.is_multicast() {
            return self.drop_frame(Some(dev), frame, "ARP is not for such addresses");
        }
        let has_addresses = !device.addresses.is_empty();
        if !arp.is_reply && has_addresses && namespace.is_local(arp.target) {
            self.frame_event(PacketStage::Delivered, Some(dev), frame);
            if arp.sender.is_unspecified() {
                return self.send_arp(dev, true, arp.target, arp.sender, Some(arp.sender_mac));
            }
            // neigh_event_ns: it is there, though nobody has asked.
            self.neigh_update(dev, arp.sender, arp.sender_mac, NudState::Stale, true);
            return self.send_arp(dev, true, arp.target, arp.sender, Some(arp.sender_mac));
        }
        let known = device.neighbours.contains_key(&arp.sender);
        if known && (arp.is_reply || has_addresses) {
            self.frame_event(PacketStage::Delivered, Some(dev), frame);
            let for_us = frame.destination == self.net_devices[dev].mac;
            let state = if arp.is_reply && for_us { NudState::Reachable } else { NudState::Stale };
            return self.neigh_update(dev, arp.sender, arp.sender_mac, state, false);
        }
        self.drop_frame(Some(dev), frame, "nobody here has the address that is asked for");
    }

    /// Something new is known of a neighbour (`neigh_update`).
    pub(crate) fn neigh_update(&mut self, dev: NetDevId, address: Ipv4Addr, mac: Mac, state: NudState, create: bool) {
        let now = self.clock;
        let Some(old) = self.net_devices[dev].neighbours.get(&address).cloned() else {
            if create {
                self.net_devices[dev].neighbours.insert(address, Neighbour::new(state, Some(mac), now));
                self.set_nud(dev, address, state, None);
            }
            return;
        };
        if matches!(old.state, NudState::Permanent | NudState::Noarp) {
            return;
        }
        let same = old.mac == Some(mac);
        // What is reachable does not become stale because the same is heard again.
        let mut state = state;
        if state == NudState::Stale && same && old.state.is_valid() {
            state = old.state;
        }
        if let Some(n) = self.net_devices[dev].neighbours.get_mut(&address) {
            n.mac = Some(mac);
            if state == NudState::Reachable {
                n.confirmed = now;
            }
        }
        match state {
            NudState::Reachable => self.set_nud(dev, address, state, Some(now + REACHABLE_TIME)),
            _ if state == old.state => {}
            _ => self.set_nud(dev, address, state, None),
        }
        if !old.state.is_valid() {
            let waiting = self.net_devices[dev].neighbours.get_mut(&address).map(|n| std::mem::take(&mut n.queue));
            for packet in waiting.unwrap_or_default() {
                self.neigh_output(dev, address, packet);
            }
        }
    }

    /// The time of a neighbour has come (`neigh_timer_handler`).
    pub(crate) fn neigh_timer(&mut self, dev: NetDevId, address: Ipv4Addr) {
        let now = self.clock;
        let Some(n) = self.net_devices.get(dev).and_then(|d| d.neighbours.get(&address)).cloned() else { return };
        match n.state {
            NudState::Reachable if n.used + DELAY_PROBE_TIME > now => {
                self.set_nud(dev, address, NudState::Delay, Some(now + DELAY_PROBE_TIME));
            }
            NudState::Reachable => self.set_nud(dev, address, NudState::Stale, None),
            NudState::Delay if n.confirmed + DELAY_PROBE_TIME >= now => {
                self.set_nud(dev, address, NudState::Reachable, Some(n.confirmed + REACHABLE_TIME));
            }
            NudState::Delay => {
                self.set_nud(dev, address, NudState::Probe, Some(now + RETRANS_TIME));
                self.neigh_probe(dev, address);
            }
            NudState::Incomplete | NudState::Probe if n.probes < PROBES => {
                self.set_nud(dev, address, n.state, Some(now + RETRANS_TIME));
                self.neigh_probe(dev, address);
            }
            NudState::Incomplete | NudState::Probe => self.neigh_failed(dev, address),
            _ => {}
        }
    }

    /// Nobody answers: what waits is dropped, and its sender hears of it (`neigh_invalidate`, `arp_error_report`).
    fn neigh_failed(&mut self, dev: NetDevId, address: Ipv4Addr) {
        let waiting = self.net_devices[dev].neighbours.get_mut(&address).map(|n| std::mem::take(&mut n.queue));
        self.set_nud(dev, address, NudState::Failed, None);
        let net = self.net_devices[dev].net;
        for packet in waiting.unwrap_or_default() {
            self.drop_packet(Some(dev), net, &packet, "no answer to ARP: the neighbour is not there");
            self.icmp_error(net, None, &packet, kind::DEST_UNREACH, unreach::HOST, 0);
        }
    }

    /// Forgets the neighbours of a device: all, or those that were not put in by hand (`neigh_ifdown`,
    /// `neigh_carrier_down`).
    pub(crate) fn flush_neighbours(&mut self, dev: NetDevId, keep_permanent: bool) {
        let addresses: Vec<Ipv4Addr> = self.net_devices[dev].neighbours.keys().copied().collect();
        for address in addresses {
            let keep = keep_permanent && self.net_devices[dev].neighbours[&address].state == NudState::Permanent;
            if !keep {
                self.remove_neighbour(dev, address);
            }
        }
    }

    /// Forgets one neighbour; what waits for it is dropped.
    pub(crate) fn remove_neighbour(&mut self, dev: NetDevId, address: Ipv4Addr) {
        self.forget_neigh_timer(dev, address);
        let gone = self.net_devices[dev].neighbours.remove(&address);
        let net = self.net_devices[dev].net;
        for packet in gone.map(|n| n.queue).unwrap_or_default() {
            self.drop_packet(Some(dev), net, &packet, "the entry of the neighbour is gone");
        }
    }

    /// Puts a neighbour in by hand (`neigh_add`).
    pub(crate) fn put_neighbour(&mut self, dev: NetDevId, address: Ipv4Addr, mac: Option<Mac>, state: NudState) {
        let now = self.clock;
        let waiting = {
            self.forget_neigh_timer(dev, address);
            self.net_devices[dev].neighbours.remove(&address).map(|n| n.queue).unwrap_or_default()
        };
        self.net_devices[dev].neighbours.insert(address, Neighbour::new(state, mac, now));
        let timer = if state == NudState::Reachable { Some(now + REACHABLE_TIME) } else { None };
        self.set_nud(dev, address, state, timer);
        for packet in waiting {
            self.neigh_output(dev, address, packet);
        }
    }
}
