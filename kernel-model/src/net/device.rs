//! Network devices, as in netdevice(7): what `ip link` shows. So far every namespace has exactly one, `lo`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// `IFF_*`: what a device is and does.
pub mod iff {
    /// Switched on by an administrator.
    pub const UP: u32 = 1;
    /// Everything that is sent comes back.
    pub const LOOPBACK: u32 = 0x8;
    /// On, and its other end, too.
    pub const RUNNING: u32 = 0x40;
    /// There is a carrier.
    pub const LOWER_UP: u32 = 0x1_0000;
    /// What an administrator can change: `IFF_UP` and the bits that only say something to programs
    /// (`DEBUG`, `NOTRAILERS`, `NOARP`, `PROMISC`, `ALLMULTI`, `MULTICAST`, `PORTSEL`, `AUTOMEDIA`, `DYNAMIC`).
    pub const SETTABLE: u32 = UP | 0x4 | 0x20 | 0x80 | 0x100 | 0x200 | 0x1000 | 0x2000 | 0x4000 | 0x8000;
}

/// `ARPHRD_LOOPBACK`: the link type of `lo`.
pub const ARPHRD_LOOPBACK: u32 = 772;

/// What a device is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeviceKind {
    /// `lo`.
    Loopback,
}

/// A network device (`struct net_device`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NetDevice {
    /// Its number in its namespace, from 1.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub kind: DeviceKind,
    /// The flags that are kept (`dev->flags`); those that follow from the state are added by [`NetDevice::flags`].
    pub own_flags: u32,
    /// The longest packet.
    pub mtu: u32,
    /// How many packets may wait.
    pub tx_queue_len: u32,
    /// How packets queue. `noop` until the device is switched on for the first time.
    pub qdisc: String,
    /// Its IPv4 addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// Packets and bytes that went through.
    pub traffic: Traffic,
}

/// An IPv4 address of a device (`struct in_ifaddr`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// How many of its bits name the network.
    pub prefix_len: u8,
}

/// What went through a device in one direction. What `lo` sends, it receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // packets and bytes
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

impl InterfaceAddress {
    /// The bits that name the network.
    pub fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix_len.min(32))).unwrap_or(0)
    }

    /// Whether `to` is in the network of this address.
    pub fn covers(self, to: Ipv4Addr) -> bool {
        (u32::from(self.address) ^ u32::from(to)) & self.mask() == 0
    }
}

impl NetDevice {
    /// `lo` as a new network namespace has it: switched off, without an address.
    pub fn loopback() -> NetDevice {
        NetDevice {
            ifindex: 1,
            name: "lo".to_owned(),
            kind: DeviceKind::Loopback,
            own_flags: iff::LOOPBACK,
            mtu: 65_536,
            tx_queue_len: 1000,
            qdisc: "noop".to_owned(),
            addresses: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    /// Whether it is switched on.
    pub fn is_up(&self) -> bool {
        self.own_flags & iff::UP != 0
    }

    /// The flags that user space sees (`dev_get_flags`).
    pub fn flags(&self) -> u32 {
        self.own_flags | if self.is_up() { iff::RUNNING | iff::LOWER_UP } else { 0 }
    }

    /// `IF_OPER_*`: 0 is `UNKNOWN`, which is as good as a device without a carrier gets, 2 is `DOWN`.
    pub fn operstate(&self) -> u32 {
        if self.is_up() { 0 } else { 2 }
    }

    /// Changes flags as an administrator asks. Switching `lo` on for the first time gives it its queue and,
    /// when it has no address, 127.0.0.1/8 (`inetdev_event`); switching it off takes neither away.
    pub fn change_flags(&mut self, flags: u32) {
        self.own_flags = self.own_flags & !iff::SETTABLE | flags & iff::SETTABLE;
        if self.is_up() {
            self.qdisc = "noqueue".to_owned();
            if self.addresses.is_empty() {
                self.addresses.push(InterfaceAddress { address: Ipv4Addr::LOCALHOST, prefix_len: 8 });
            }
        }
    }
}
