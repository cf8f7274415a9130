//! Network namespaces as houses with their devices, the cables between them, and the packets of a step, hop by hop,
//! to where they arrive or are dropped, as in network_namespaces(7) and veth(4).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Change;
use crate::event::{Event, EventKind, PacketStage};
use crate::namespace::net::NetNsId;
use crate::net::device::{DeviceKind, NetDevId, NetDevice};
use crate::task::TaskId;
use crate::world::World;

/// How many namespaces are drawn; the others are counted.
pub const MAX_HOUSES: usize = 9;
/// How many hops are listed.
pub const MAX_HOPS: usize = 48;

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetTopology {
    /// Namespaces.
    pub houses: Vec<House>,
    /// Devices of all of them.
    pub devices: Vec<Device>,
    /// Cables and places at bridges.
    pub links: Vec<Link>,
    /// What packets did in this step, in order.
    pub hops: Vec<Hop>,
    /// How many namespaces are not drawn.
    pub left_out: usize,
}

/// A network namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct House {
    /// Which.
    pub ns: NetNsId,
    /// Its inode number.
    pub inum: u32,
    /// The first process in it, or that there is none.
    pub who: String,
    /// It passes packets on (`ip_forward`).
    pub forwards: bool,
    /// Its devices, by index.
    pub devices: Vec<usize>,
    /// What the step did to it.
    pub change: Change,
}

/// A network device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Which.
    pub id: NetDevId,
    /// Its name in its namespace.
    pub name: String,
    /// `lo`, `veth`, `bridge`, `dummy`.
    pub kind: &'static str,
    /// Its namespace, by index.
    pub house: usize,
    /// It is switched on.
    pub up: bool,
    /// What is at its other end can be reached.
    pub carrier: bool,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<String>,
    /// What the step did to it.
    pub change: Change,
}

/// What ties two devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// One device.
    pub from: usize,
    /// The other.
    pub to: usize,
    /// It is a port of a bridge; else a cable.
    pub port: bool,
    /// Frames can go through.
    pub open: bool,
}

/// One step of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Which packet.
    pub packet: u64,
    /// Where, if that is drawn.
    pub device: Option<usize>,
    /// What happened there.
    pub what: String,
    /// Why it went no further.
    pub dropped: Option<String>,
    /// It has arrived.
    pub arrived: bool,
}

impl Device {
    /// `eth0 veth, up, 10.0.0.2/24`
    pub fn words(&self) -> String {
        let mut text = format!("{} {}", self.name, self.kind);
        text.push_str(if self.up { ", up" } else { ", down" });
        if self.up && !self.carrier {
            text.push_str(", no carrier");
        }
        for address in &self.addresses {
            let _ = write!(text, ", {address}");
        }
        text
    }
}

impl NetTopology {
    /// The picture of one world.
    pub fn of(world: &World) -> NetTopology {
        NetTopology::of_step(world, world, &[], None)
    }

    /// The picture of `after`, with what has changed since `before` and where packets went in `events`, the events
    /// of the step. The namespace of `picked` is always there.
    pub fn of_step(before: &World, after: &World, events: &[Event], picked: Option<TaskId>) -> NetTopology {
        let shown = houses_to_show(before, after, events, picked);
        let mut map =
            NetTopology { left_out: after.net_namespaces.len().saturating_sub(shown.len()), ..NetTopology::default() };
        for ns in shown {
            map.build_house(before, after, ns);
        }
        map.link(after);
        map.hops = hops(events, &map.devices);
        map
    }

    fn build_house(&mut self, before: &World, after: &World, ns: NetNsId) {
        let place = self.houses.len();
        let (old, new) = (before.net_namespaces.get(ns), after.net_namespaces.get(ns));
        let world = if new.is_some() { after } else { before };
        let mut devices = Vec::new();
        for (id, device) in world.devices_of(ns) {
            devices.push(self.devices.len());
            self.devices.push(device_box(before, after, world, id, device, place));
        }
        let mut inside = after.tasks.iter().filter(|(_, t)| t.nsproxy.net == ns && !t.state.has_exited());
        let who = inside.next().map(|(task, _)| super::changes::name_of(after, task));
        self.houses.push(House {
            ns,
            inum: new.or(old).map_or(0, |n| n.ns.inum),
            who: who.unwrap_or_else(|| "no process".to_owned()),
            forwards: world.forwards(ns),
            devices,
            change: Change::between(old.map(|_| &()), new.map(|_| &())),
        });
    }

    /// Cables and bridge ports between the devices that are drawn.
    fn link(&mut self, world: &World) {
        let place = |id: NetDevId| self.devices.iter().position(|d| d.id == id && d.change != Change::Gone);
        let mut links = Vec::new();
        for (from, shown) in self.devices.iter().enumerate() {
            let Some(device) = world.net_devices.get(shown.id) else { continue };
            if let Some(to) = device.peer().and_then(place).filter(|to| from < *to) {
                links.push(Link { from, to, port: false, open: shown.carrier });
            }
            if let Some(to) = device.master().and_then(place) {
                links.push(Link { from, to, port: true, open: world.port_forwards(shown.id) });
            }
        }
        self.links = links;
    }

    /// The picture as text, for copying, for screen readers and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for house in &self.houses {
            let mark = if house.change == Change::Same { " " } else { house.change.mark() };
            let forwards = if house.forwards { ", passes packets on" } else { "" };
            let _ = writeln!(out, "{mark} N{} net:[{}] of {}{forwards}", house.ns, house.inum, house.who);
            for device in house.devices.iter().filter_map(|d| self.devices.get(*d)) {
                let mark = if device.change == Change::Same { " " } else { device.change.mark() };
                let _ = writeln!(out, "{mark}   {}", device.words());
            }
        }
        let name = |index: usize| {
            let Some(device) = self.devices.get(index) else { return String::new() };
            format!("{} in N{}", device.name, self.houses.get(device.house).map_or(0, |h| h.ns.0))
        };
        for link in &self.links {
            let tie = if link.port { "is a port of" } else { "is cabled to" };
            let closed = if link.open { "" } else { ", closed" };
            let _ = writeln!(out, "  {} {tie} {}{closed}", name(link.from), name(link.to));
        }
        for hop in &self.hops {
            let _ = write!(out, "→ packet {}: {}", hop.packet, hop.what);
            if let Some(device) = hop.device {
                let _ = write!(out, " ({})", name(device));
            }
            if let Some(why) = &hop.dropped {
                let _ = write!(out, ", dropped: {why}");
            }
            out.push('\n');
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "  and {} more network namespaces", self.left_out);
        }
        out
    }
}

/// Namespaces to draw: where packets were, what the step has changed, that of the picked task, and those that have
/// more than `lo`; then the oldest.
fn houses_to_show(before: &World, after: &World, events: &[Event], picked: Option<TaskId>) -> Vec<NetNsId> {
    let mut first: Vec<NetNsId> = Vec::new();
    first.extend(picked.and_then(|task| after.tasks.get(task)).map(|t| t.nsproxy.net));
    first.extend(events.iter().filter_map(|event| match &event.kind {
        EventKind::PacketMoved { ns, .. } | EventKind::PacketDropped { ns, .. } => Some(*ns),
        _ => None,
    }));
    first.extend(after.net_namespaces.changed_since(&before.net_namespaces));
    let with_more = after.net_namespaces.iter().filter(|(_, n)| n.devices.len() > 1).map(|(id, _)| id);
    let mut shown = BTreeSet::new();
    for ns in first.into_iter().chain(with_more).chain(after.net_namespaces.ids()) {
        if shown.len() < MAX_HOUSES {
            shown.insert(ns);
        }
    }
    shown.into_iter().collect()
}

fn device_box(before: &World, after: &World, world: &World, id: NetDevId, device: &NetDevice, house: usize) -> Device {
    let looks = |w: &World| {
        let d = w.net_devices.get(id)?;
        Some((d.net, d.name.clone(), d.is_up(), w.has_carrier(id), d.addresses.clone(), d.master()))
    };
    Device {
        id,
        name: device.name.clone(),
        kind: match device.kind {
            DeviceKind::Loopback => "loopback",
            _ => device.kind.name().unwrap_or("device"),
        },
        house,
        up: device.is_up(),
        carrier: world.has_carrier(id),
        addresses: device.addresses.iter().map(|a| format!("{}/{}", a.local, a.prefix_len)).collect(),
        change: Change::between(looks(before).as_ref(), looks(after).as_ref()),
    }
}

fn hops(events: &[Event], devices: &[Device]) -> Vec<Hop> {
    let place = |id: Option<NetDevId>| id.and_then(|id| devices.iter().position(|d| d.id == id));
    let hop = |event: &Event| match &event.kind {
        EventKind::PacketMoved { packet, stage, device, name, what, .. } => Some(Hop {
            packet: *packet,
            device: place(*device),
            what: format!("{what} {}", super::net_packet::stage_words(*stage, name)),
            dropped: None,
            arrived: *stage == PacketStage::Delivered,
        }),
        EventKind::PacketDropped { packet, device, what, why, .. } => Some(Hop {
            packet: *packet,
            device: place(*device),
            what: what.to_string(),
            dropped: Some(why.to_string()),
            arrived: false,
        }),
        _ => None,
    };
    let all: Vec<Hop> = events.iter().filter_map(hop).collect();
    let first = all.len().saturating_sub(MAX_HOPS);
    all.into_iter().skip(first).collect()
}
