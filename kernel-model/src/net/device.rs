//! Network devices, as in netdevice(7): what `ip link` shows.
//!
//! A device is in exactly one network namespace and has a number there. Kinds: `lo`, of which every namespace has one;
//! veth, two devices that are the two ends of a cable; bridges, to which other devices can be ports; dummies, which
//! swallow what is sent; TAP devices, whose cable is an open file. How devices come and go is in [`registry`](super::registry).

use std::net::Ipv4Addr;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::address::InterfaceAddress;
use super::bridge::{Bridge, BridgePort};
use super::mac::Mac;
use super::neighbour::Neighbour;
use super::tun::Tap;
use crate::id;
use crate::machine::Port;
use crate::namespace::net::NetNsId;

id! {
    /// A network device, wherever it is.
    NetDevId
}

/// `IFF_*`: what a device is and does.
pub mod iff {
    /// Switched on by an administrator.
    pub const UP: u32 = 1;
    /// Everybody on the link can be addressed.
    pub const BROADCAST: u32 = 0x2;
    /// Everything that is sent comes back.
    pub const LOOPBACK: u32 = 0x8;
    /// On, and its other end, too.
    pub const RUNNING: u32 = 0x40;
    /// Nobody is asked for addresses.
    pub const NOARP: u32 = 0x80;
    /// Receives what is for others.
    pub const PROMISC: u32 = 0x100;
    /// Several can be addressed.
    pub const MULTICAST: u32 = 0x1000;
    /// There is a carrier.
    pub const LOWER_UP: u32 = 0x1_0000;
    /// What an administrator can change: `IFF_UP` and the bits that only say something to programs
    /// (`DEBUG`, `NOTRAILERS`, `NOARP`, `PROMISC`, `ALLMULTI`, `MULTICAST`, `PORTSEL`, `AUTOMEDIA`, `DYNAMIC`).
    pub const SETTABLE: u32 = UP | 0x4 | 0x20 | 0x80 | 0x100 | 0x200 | 0x1000 | 0x2000 | 0x4000 | 0x8000;
}

/// `IF_OPER_*`: what state a device is in, as RFC 2863 has it.
pub mod if_oper {
    /// Nobody has said anything about it.
    pub const UNKNOWN: u32 = 0;
    /// It cannot transmit.
    pub const DOWN: u32 = 2;
    /// What is below it cannot.
    pub const LOWERLAYERDOWN: u32 = 3;
    /// It can.
    pub const UP: u32 = 6;
}

/// `ARPHRD_ETHER`: the link type of everything with an Ethernet address.
pub const ARPHRD_ETHER: u32 = 1;
/// `ARPHRD_LOOPBACK`: the link type of `lo`.
pub const ARPHRD_LOOPBACK: u32 = 772;
/// The longest name of a device (`IFNAMSIZ` without the end).
pub const NAME_MAX: usize = 15;

/// What a device is made of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum DeviceKind {
    /// `lo`.
    Loopback,
    /// One end of a cable; `None` only while the pair is being made.
    Veth {
        /// The other end, in whichever namespace it is.
        peer: Option<NetDevId>,
    },
    /// Passes frames on between its ports.
    Bridge(Bridge),
    /// Takes what is sent and forgets it.
    Dummy,
    /// Its other end is an open file.
    Tap(Tap),
    /// Its other end is in the machine below.
    Below {
        /// Where its frames go.
        port: Port,
        /// Its driver: `virtio_net`, `vif`, `tun`.
        driver: String,
    },
}

impl DeviceKind {
    /// What `ip link add type` calls it; `None` for `lo` and what the machine gives, which nobody adds.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            DeviceKind::Loopback | DeviceKind::Below { .. } => None,
            DeviceKind::Veth { .. } => Some("veth"),
            DeviceKind::Bridge(_) => Some("bridge"),
            DeviceKind::Dummy => Some("dummy"),
            DeviceKind::Tap(_) => Some("tun"),
        }
    }
}

/// A network device (`struct net_device`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NetDevice {
    /// The namespace it is in.
    pub net: NetNsId,
    /// Its number there, from 1.
    pub ifindex: u32,
    /// Its name there.
    pub name: String,
    /// Further names (`ip link property`).
    pub altnames: Vec<String>,
    /// What somebody noted about it.
    pub alias: Option<String>,
    /// What it is made of.
    pub kind: DeviceKind,
    /// The flags that are kept (`dev->flags`); those that follow from the state are added when they are shown.
    pub own_flags: u32,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Somebody has chosen the address (`NET_ADDR_SET`).
    pub mac_set: bool,
    /// The longest packet.
    pub mtu: u32,
    /// The mtu was set by hand; a bridge then keeps it.
    pub mtu_set: bool,
    /// How many packets may wait.
    pub tx_queue_len: u32,
    /// How packets queue. `noop` until the device is switched on for the first time.
    pub qdisc: String,
    /// The bridge whose port it is, with what the bridge knows of the port.
    pub port: Option<BridgePort>,
    /// Its IPv4 addresses, in the order in which they are listed.
    pub addresses: Vec<InterfaceAddress>,
    /// Whom it knows on the link.
    pub neighbours: OrdMap<Ipv4Addr, Neighbour>,
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// What went through a device in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the columns of `ip -s link`
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
    pub dropped: u64,
    pub multicast: u64,
}

impl NetDevice {
    /// A device of this kind that is switched off, as its driver sets it up.
    pub fn new(net: NetNsId, ifindex: u32, name: String, kind: DeviceKind, mac: Mac) -> NetDevice {
        let (own_flags, mtu) = match kind {
            DeviceKind::Loopback => (iff::LOOPBACK, 65_536),
            DeviceKind::Dummy => (iff::BROADCAST | iff::NOARP, 1500),
            DeviceKind::Veth { .. } | DeviceKind::Bridge(_) | DeviceKind::Tap(_) | DeviceKind::Below { .. } => {
                (iff::BROADCAST | iff::MULTICAST, 1500)
            }
        };
        NetDevice {
            net,
            ifindex,
            name,
            altnames: Vec::new(),
            alias: None,
            kind,
            own_flags,
            mac,
            mac_set: false,
            mtu,
            mtu_set: false,
            tx_queue_len: 1000,
            qdisc: "noop".to_owned(),
            port: None,
            addresses: Vec::new(),
            neighbours: OrdMap::new(),
            received: Traffic::default(),
            sent: Traffic::default(),
        }
    }

    /// Whether it is switched on.
    pub fn is_up(&self) -> bool {
        self.own_flags & iff::UP != 0
    }

    /// Whether it is `lo`.
    pub fn is_loopback(&self) -> bool {
        self.own_flags & iff::LOOPBACK != 0
    }

    /// The other end, if it is one end of a cable.
    pub fn peer(&self) -> Option<NetDevId> {
        match self.kind {
            DeviceKind::Veth { peer } => peer,
            _ => None,
        }
    }

    /// The bridge, if it is one.
    pub fn bridge(&self) -> Option<&Bridge> {
        match &self.kind {
            DeviceKind::Bridge(bridge) => Some(bridge),
            _ => None,
        }
    }

    pub(crate) fn bridge_mut(&mut self) -> Option<&mut Bridge> {
        match &mut self.kind {
            DeviceKind::Bridge(bridge) => Some(bridge),
            _ => None,
        }
    }

    /// What it is as a TAP device, if it is one.
    pub fn tap(&self) -> Option<&Tap> {
        match &self.kind {
            DeviceKind::Tap(tap) => Some(tap),
            _ => None,
        }
    }

    pub(crate) fn tap_mut(&mut self) -> Option<&mut Tap> {
        match &mut self.kind {
            DeviceKind::Tap(tap) => Some(tap),
            _ => None,
        }
    }

    /// The bridge whose port it is.
    pub fn master(&self) -> Option<NetDevId> {
        self.port.as_ref().map(|p| p.bridge)
    }

    /// The least and the greatest mtu that it takes.
    pub fn mtu_bounds(&self) -> (u32, u32) {
        match self.kind {
            DeviceKind::Loopback => (0, 0),
            DeviceKind::Dummy => (0, 0),
            // `TUN_MAX_MTU`, without the header.
            DeviceKind::Tap(_) => (68, 65_521),
            DeviceKind::Veth { .. } | DeviceKind::Bridge(_) | DeviceKind::Below { .. } => (68, 65_535),
        }
    }

    /// Whether a name means this device.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.altnames.iter().any(|n| n == name)
    }
}

/// Whether a device can have this name (`dev_valid_name`).
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != "."
        && name != ".."
        && !name.bytes().any(|b| b == b'/' || b == b':' || b.is_ascii_whitespace())
}
