//! IPv4 addresses of devices (`struct in_ifaddr`): what `ip address` shows and changes. Routes follow from them
//! ([`fib`](super::fib)).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::device::NetDevId;
use super::fib::{RT_SCOPE_HOST, RT_SCOPE_LINK};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::time::Nanos;
use crate::world::World;

/// An IPv4 address of a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The device's own address.
    pub local: Ipv4Addr,
    /// The other end's address on a link with two ends; otherwise the same as `local`.
    pub peer: Ipv4Addr,
    /// How many of its bits name the network.
    pub prefix_len: u8,
    /// The address of everybody, if one was given.
    pub broadcast: Option<Ipv4Addr>,
    /// `RT_SCOPE_*`: how far the address is valid.
    pub scope: u8,
    /// What it is listed as: the name of the device, or that with a suffix.
    pub label: String,
    /// It came after another address of the same network (`IFA_F_SECONDARY`).
    pub secondary: bool,
    /// When it ends to be valid and to be preferred; `None` for never.
    pub lifetime: Option<(Nanos, Nanos)>,
}

/// The bits of a prefix of this length.
pub fn mask_of(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len.min(32))).unwrap_or(0)
}

impl InterfaceAddress {
    /// The bits that name the network.
    pub fn mask(&self) -> u32 {
        mask_of(self.prefix_len)
    }

    /// The network (`ifa_address & ifa_mask`).
    pub fn network(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.peer) & self.mask())
    }

    /// Whether `to` is in the network of this address (`inet_ifa_match`).
    pub fn covers(&self, to: Ipv4Addr) -> bool {
        (u32::from(self.peer) ^ u32::from(to)) & self.mask() == 0
    }

    /// An address of a device without a second end.
    pub fn new(local: Ipv4Addr, prefix_len: u8, scope: u8, label: &str) -> InterfaceAddress {
        InterfaceAddress {
            local,
            peer: local,
            prefix_len,
            broadcast: None,
            scope,
            label: label.to_owned(),
            secondary: false,
            lifetime: None,
        }
    }

    /// 127.0.0.1/8, which `lo` gets when it is switched on.
    pub fn of_loopback() -> InterfaceAddress {
        InterfaceAddress::new(Ipv4Addr::LOCALHOST, 8, RT_SCOPE_HOST, "lo")
    }
}

impl World {
    /// Puts an address in its place in the list of a device: primary ones by scope, widest last, then secondary ones
    /// (`__inet_insert_ifa`). `false` when the device has it already, or one of its network with another scope.
    pub(crate) fn place_address(&mut self, dev: NetDevId, mut address: InterfaceAddress) -> Result<(), AddressRefused> {
        let list = &self.net_devices[dev].addresses;
        address.secondary = false;
        let mut last_primary = 0;
        for (i, other) in list.iter().enumerate() {
            if !other.secondary && address.scope <= other.scope {
                last_primary = i + 1;
            }
            if other.prefix_len == address.prefix_len && other.covers(address.peer) {
                if other.local == address.local {
                    return Err(AddressRefused::Exists);
                }
                if other.scope != address.scope {
                    return Err(AddressRefused::InvalidScope);
                }
                address.secondary = true;
            }
        }
        let at = if address.secondary { list.len() } else { last_primary };
        self.net_devices[dev].addresses.insert(at, address);
        Ok(())
    }

    /// The address from which a device speaks to `to` (`inet_select_addr`): the first primary one of its network, else
    /// the first primary one that is valid that far; else one of any other device of the namespace.
    pub fn select_source(&self, dev: NetDevId, to: Ipv4Addr, scope: u8) -> Option<Ipv4Addr> {
        let device = self.net_devices.get(dev)?;
        let usable = |a: &&InterfaceAddress| !a.secondary && a.scope <= scope;
        let own = device.addresses.iter().filter(usable);
        let best = own.clone().find(|a| a.covers(to)).or_else(|| own.clone().next());
        if let Some(best) = best {
            return Some(best.local);
        }
        let others = self.net_namespaces.get(device.net)?.devices.values().filter_map(|d| self.net_devices.get(*d));
        others.flat_map(|d| &d.addresses).filter(usable).find(|a| a.scope != RT_SCOPE_LINK).map(|a| a.local)
    }
}

/// Why an address cannot be given to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AddressRefused {
    /// The device has it.
    Exists,
    /// Another one of its network has another scope.
    InvalidScope,
}

impl Kernel<'_> {
    /// Gives a device an address, with the routes that follow from it.
    ///
    /// # Errors
    /// When the device has it already, or one of its network with another scope.
    pub(crate) fn insert_address(&mut self, dev: NetDevId, address: InterfaceAddress) -> Result<(), AddressRefused> {
        let (local, prefix_len) = (address.local, address.prefix_len);
        self.place_address(dev, address)?;
        let placed = self.net_devices[dev].addresses.iter().find(|a| a.local == local && a.prefix_len == prefix_len);
        if let Some(placed) = placed.cloned() {
            self.world.fib_add_address(dev, &placed);
        }
        let device = &self.net_devices[dev];
        let (ns, name) = (device.net, device.name.as_str().into());
        self.emit(EventKind::AddressAdded { ns, device: name, address: local, prefix_len });
        Ok(())
    }

    /// Takes an address away, by its place. With a primary one go the secondary ones of its network, unless
    /// `promote_secondaries` says that the first of them takes its place (`__inet_del_ifa`).
    pub(crate) fn remove_address(&mut self, dev: NetDevId, at: usize) {
        let Some(gone) = self.net_devices[dev].addresses.get(at).cloned() else { return };
        let mut going = vec![gone.clone()];
        if !gone.secondary {
            let promote = self.conf_setting(dev, "promote_secondaries") != 0;
            let same = |a: &InterfaceAddress| a.secondary && a.prefix_len == gone.prefix_len && a.covers(gone.peer);
            if !promote {
                going.extend(self.net_devices[dev].addresses.iter().filter(|a| same(a)).cloned());
            } else if let Some(heir) = self.net_devices[dev].addresses.iter().position(same) {
                let mut heir = self.net_devices[dev].addresses.remove(heir);
                heir.secondary = false;
                let place = self.net_devices[dev].addresses.iter().position(|a| *a == gone).unwrap_or(0);
                self.net_devices[dev].addresses.insert(place + 1, heir);
            }
        }
        // The secondary ones go first.
        for address in going.into_iter().rev() {
            let device = &mut self.net_devices[dev];
            device.addresses.retain(|a| *a != address);
            let (ns, name) = (device.net, device.name.as_str().into());
            self.world.fib_remove_address(dev, &address);
            self.emit(EventKind::AddressRemoved {
                ns,
                device: name,
                address: address.local,
                prefix_len: address.prefix_len,
            });
        }
        if self.net_devices[dev].addresses.is_empty() {
            // fib_disable_ip: nothing of IPv4 is left on the device.
            self.world.fib_flush_device(dev, true);
        }
    }
}
