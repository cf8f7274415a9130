//! How devices come into being, change and go: registered in a namespace, renamed, switched on and off, moved to
//! another namespace, gone with their namespace (`net/core/dev.c`, `drivers/net/veth.c`).

use super::bridge::{Bridge, BridgePort};
use super::device::{DeviceKind, NetDevId, NetDevice, if_oper, iff};
use super::mac::Mac;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::machine::Port;
use crate::namespace::net::NetNsId;
use crate::world::World;

/// The number of `lo`, in every namespace.
pub const LOOPBACK_IFINDEX: u32 = 1;

impl World {
    /// Whether frames can leave a device (`netif_carrier_ok`): both ends of a cable are up; some port of a bridge
    /// forwards, once it has had any.
    pub fn has_carrier(&self, dev: NetDevId) -> bool {
        let Some(device) = self.net_devices.get(dev) else { return false };
        match &device.kind {
            DeviceKind::Loopback | DeviceKind::Dummy => true,
            DeviceKind::Below { .. } => device.is_up(),
            DeviceKind::Tap(tap) => device.is_up() && tap.file.is_some(),
            DeviceKind::Veth { peer } => {
                device.is_up() && peer.and_then(|p| self.net_devices.get(p)).is_some_and(|p| p.is_up())
            }
            DeviceKind::Bridge(b) => !b.had_port || b.ports.values().any(|p| self.port_forwards(*p)),
        }
    }

    /// `IF_OPER_*` of a device (`default_operstate`). What never had an event stays unknown.
    pub fn operstate(&self, dev: NetDevId) -> u32 {
        let Some(device) = self.net_devices.get(dev) else { return if_oper::DOWN };
        if !device.is_up() {
            return if_oper::DOWN;
        }
        match &device.kind {
            DeviceKind::Loopback | DeviceKind::Dummy => if_oper::UNKNOWN,
            DeviceKind::Bridge(b) if !b.had_port => if_oper::UNKNOWN,
            _ if self.has_carrier(dev) => if_oper::UP,
            // What is below a cable is its other end, as far as it can be seen from here.
            DeviceKind::Veth { peer: Some(peer) } if self.iflink_is_seen(dev, *peer) => if_oper::LOWERLAYERDOWN,
            _ => if_oper::DOWN,
        }
    }

    /// Whether the number of the other end, looked up here, leads to a device that has no carrier, either: that is how
    /// the kernel finds out what is below, in whichever namespace the other end is.
    fn iflink_is_seen(&self, dev: NetDevId, peer: NetDevId) -> bool {
        let (Some(device), Some(peer)) = (self.net_devices.get(dev), self.net_devices.get(peer)) else { return false };
        if peer.ifindex == device.ifindex {
            return false;
        }
        let found = self.net_namespaces.get(device.net).and_then(|n| n.devices.get(&peer.ifindex));
        found.is_some_and(|found| !self.has_carrier(*found))
    }

    /// The flags that user space sees (`dev_get_flags`).
    pub fn device_flags(&self, dev: NetDevId) -> u32 {
        let Some(device) = self.net_devices.get(dev) else { return 0 };
        let mut flags = device.own_flags;
        if device.is_up() {
            if matches!(self.operstate(dev), if_oper::UP | if_oper::UNKNOWN) {
                flags |= iff::RUNNING;
            }
            if self.has_carrier(dev) {
                flags |= iff::LOWER_UP;
            }
        }
        flags
    }

    /// The device of this name in a namespace, by any of its names.
    pub fn device_named(&self, net: NetNsId, name: &str) -> Option<NetDevId> {
        let namespace = self.net_namespaces.get(net)?;
        let of_name = |d: &&NetDevId| self.net_devices.get(**d).is_some_and(|d| d.is_called(name));
        namespace.devices.values().find(of_name).copied()
    }

    /// The device with this number in a namespace.
    pub fn device_at(&self, net: NetNsId, ifindex: u32) -> Option<NetDevId> {
        self.net_namespaces.get(net)?.devices.get(&ifindex).copied()
    }

    /// `lo` of a namespace.
    pub fn loopback_of(&self, net: NetNsId) -> Option<NetDevId> {
        self.device_at(net, LOOPBACK_IFINDEX)
    }

    /// The devices of a namespace, by their numbers.
    pub fn devices_of(&self, net: NetNsId) -> impl Iterator<Item = (NetDevId, &NetDevice)> {
        let ids = self.net_namespaces.get(net).into_iter().flat_map(|n| n.devices.values());
        ids.filter_map(|id| Some((*id, self.net_devices.get(*id)?)))
    }

    /// A name of a pattern such as `veth%d` that nobody has (`dev_alloc_name`).
    pub fn free_device_name(&self, net: NetNsId, prefix: &str) -> String {
        (0..)
            .map(|n: u32| format!("{prefix}{n}"))
            .find(|name| self.device_named(net, name).is_none())
            .unwrap_or_default()
    }

    /// A new namespace has `lo` and nothing else.
    pub(crate) fn add_loopback(&mut self, net: NetNsId) {
        let device = NetDevice::new(net, LOOPBACK_IFINDEX, "lo".to_owned(), DeviceKind::Loopback, Mac::ZERO);
        let dev = self.net_devices.add(device);
        let namespace = &mut self.net_namespaces[net];
        namespace.devices.insert(LOOPBACK_IFINDEX, dev);
        namespace.last_ifindex = LOOPBACK_IFINDEX;
    }

    /// `lo` of the first namespace is on when the first process starts.
    pub(crate) fn start_loopback(&mut self, net: NetNsId) {
        let Some(lo) = self.loopback_of(net) else { return };
        let device = &mut self.net_devices[lo];
        device.own_flags |= iff::UP;
        device.qdisc = "noqueue".to_owned();
        let address = super::address::InterfaceAddress::of_loopback();
        device.addresses.push(address.clone());
        self.fib_add_address(lo, &address);
    }

    /// An Ethernet address for a device that has none.
    pub(crate) fn make_up_mac(&mut self) -> Mac {
        self.last_mac += 1;
        Mac::made_up(self.last_mac)
    }

    /// A number in a namespace that no device has (`dev_index_reserve`).
    fn reserve_ifindex(&mut self, net: NetNsId) -> u32 {
        let namespace = &mut self.net_namespaces[net];
        loop {
            namespace.last_ifindex = namespace.last_ifindex.checked_add(1).unwrap_or(2);
            if !namespace.devices.contains_key(&namespace.last_ifindex) {
                return namespace.last_ifindex;
            }
        }
    }
}

impl Kernel<'_> {
    /// Puts a new device into a namespace (`register_netdevice`).
    ///
    /// # Errors
    /// EEXIST when the name is taken; EBUSY when the number is.
    pub(crate) fn register_device(
        &mut self,
        net: NetNsId,
        name: &str,
        ifindex: Option<u32>,
        kind: DeviceKind,
        mac: Option<Mac>,
    ) -> Result<NetDevId, Errno> {
        if self.device_named(net, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let ifindex = match ifindex {
            Some(wanted) if self.device_at(net, wanted).is_some() => return Err(Errno::EBUSY),
            Some(wanted) => wanted,
            None => self.world.reserve_ifindex(net),
        };
        let mut device = NetDevice::new(net, ifindex, name.to_owned(), kind, mac.unwrap_or(Mac::ZERO));
        device.mac_set = mac.is_some();
        if mac.is_none() {
            device.mac = self.world.make_up_mac();
        }
        let what = device.kind.name().unwrap_or("");
        let dev = self.net_devices.add(device);
        self.net_namespaces[net].devices.insert(ifindex, dev);
        self.update_net_sysfs(net);
        self.emit(EventKind::DeviceAdded { ns: net, device: name.into(), kind: what.into() });
        Ok(dev)
    }

    /// Puts a device into the first namespace whose other end is in the machine; nothing happens if its name is taken.
    pub(crate) fn register_below(&mut self, name: &str, mac: Mac, driver: &str, port: Port) {
        let Some(net) = self.net_namespaces.ids().next() else { return };
        let kind = DeviceKind::Below { port, driver: driver.to_owned() };
        let _ = self.register_device(net, name, None, kind, Some(mac));
    }

    /// The device of an end in the machine.
    pub(crate) fn device_below(&self, port: Port) -> Option<NetDevId> {
        let is_it = |d: &NetDevice| matches!(d.kind, DeviceKind::Below { port: p, .. } if p == port);
        self.net_devices.iter().find(|(_, d)| is_it(d)).map(|(id, _)| id)
    }

    /// Makes two devices the ends of one cable.
    pub(crate) fn join_veth(&mut self, one: NetDevId, other: NetDevId) {
        self.net_devices[one].kind = DeviceKind::Veth { peer: Some(other) };
        self.net_devices[other].kind = DeviceKind::Veth { peer: Some(one) };
        self.link_notify(one);
        self.link_notify(other);
    }

    /// A bridge without ports.
    pub(crate) fn new_bridge() -> DeviceKind {
        DeviceKind::Bridge(Bridge::default())
    }

    /// Everybody who watches is told of a device. In the kernel this is where the namespace of the other end of a
    /// cable gets its number here (`rtmsg_ifinfo`, `peernet2id_alloc`).
    pub(crate) fn link_notify(&mut self, dev: NetDevId) {
        let Some(device) = self.net_devices.get(dev) else { return };
        let net = device.net;
        if let Some(other) = device.peer().and_then(|p| self.net_devices.get(p)).map(|p| p.net)
            && other != net
        {
            self.world.nsid_of(net, other);
        }
    }

    /// Changes flags as an administrator asks (`__dev_change_flags`).
    pub(crate) fn change_device_flags(&mut self, dev: NetDevId, flags: u32) {
        let old = self.net_devices[dev].own_flags;
        let new = old & !iff::SETTABLE | flags & iff::SETTABLE;
        if new == old {
            return;
        }
        if (old ^ new) & iff::UP != 0 {
            if new & iff::UP != 0 { self.open_device(dev) } else { self.close_device(dev) }
        }
        let device = &mut self.net_devices[dev];
        device.own_flags = new;
        self.link_notify(dev);
    }

    /// Switches a device on (`__dev_open`).
    fn open_device(&mut self, dev: NetDevId) {
        let before = self.carriers_around(dev);
        let device = &mut self.net_devices[dev];
        device.own_flags |= iff::UP;
        // A device that says it needs no queue (`IFF_NO_QUEUE`) gets none; others get the default discipline.
        let has_queue = matches!(device.kind, DeviceKind::Tap(_) | DeviceKind::Below { .. });
        device.qdisc = if has_queue { "pfifo_fast" } else { "noqueue" }.to_owned();
        let (ns, name) = (device.net, device.name.as_str().into());
        let bare_loopback = device.is_loopback() && device.addresses.is_empty();
        self.emit(EventKind::LinkChanged { ns, device: name, up: true });
        if bare_loopback {
            // inetdev_event
            let _ = self.insert_address(dev, super::address::InterfaceAddress::of_loopback());
        }
        self.world.fib_device_up(dev);
        self.carriers_changed(&before);
    }

    /// Switches a device off (`__dev_close`): routes and neighbours go, addresses stay.
    fn close_device(&mut self, dev: NetDevId) {
        let before = self.carriers_around(dev);
        let device = &mut self.net_devices[dev];
        device.own_flags &= !iff::UP;
        let (ns, name) = (device.net, device.name.as_str().into());
        self.world.fib_flush_device(dev, false);
        self.flush_neighbours(dev, false);
        self.emit(EventKind::LinkChanged { ns, device: name, up: false });
        self.carriers_changed(&before);
    }

    /// The devices whose carrier may depend on this one, each with whether it has one.
    pub(crate) fn carriers_around(&self, dev: NetDevId) -> Vec<(NetDevId, bool)> {
        let mut around = vec![dev];
        around.extend(self.net_devices[dev].peer());
        if let Some(bridge) = self.net_devices[dev].bridge() {
            around.extend(bridge.ports.values());
        }
        let masters: Vec<NetDevId> =
            around.iter().filter_map(|d| self.net_devices.get(*d)).filter_map(NetDevice::master).collect();
        around.extend(masters);
        around.into_iter().map(|d| (d, self.has_carrier(d))).collect()
    }

    /// Tells of carriers that came or went, and forgets the neighbours beyond those that went
    /// (`linkwatch_do_dev`, `neigh_carrier_down`).
    pub(crate) fn carriers_changed(&mut self, before: &[(NetDevId, bool)]) {
        for (dev, had) in before {
            let (Some(device), has) = (self.net_devices.get(*dev), self.has_carrier(*dev)) else { continue };
            if *had == has || !device.is_up() {
                continue;
            }
            let (ns, name) = (device.net, device.name.as_str().into());
            if !has {
                self.flush_neighbours(*dev, true);
            }
            self.emit(EventKind::CarrierChanged { ns, device: name, carrier: has });
            self.link_notify(*dev);
        }
    }

    /// Makes a device a port of a bridge (`br_add_if`).
    pub(crate) fn add_bridge_port(&mut self, bridge: NetDevId, dev: NetDevId) {
        let before = [self.carriers_around(dev), self.carriers_around(bridge)].concat();
        let Some(b) = self.net_devices[bridge].bridge_mut() else { return };
        let number = (1..).find(|n| !b.ports.contains_key(n)).unwrap_or(1);
        b.ports.insert(number, dev);
        b.had_port = true;
        self.net_devices[dev].port = Some(BridgePort { bridge, number, hairpin: false, isolated: false });
        let net = self.net_devices[dev].net;
        self.update_net_sysfs(net);
        self.bridge_follow_ports(bridge);
        let (ns, name) = (self.net_devices[dev].net, self.net_devices[dev].name.as_str().into());
        let master = self.net_devices[bridge].name.as_str().into();
        self.emit(EventKind::PortChanged { ns, device: name, bridge: master, joined: true });
        self.carriers_changed(&before);
    }

    /// Takes a device out of its bridge (`br_del_if`).
    pub(crate) fn remove_bridge_port(&mut self, dev: NetDevId) {
        let Some(bridge) = self.net_devices[dev].master() else { return };
        let before = [self.carriers_around(dev), self.carriers_around(bridge)].concat();
        self.net_devices[dev].port = None;
        if let Some(b) = self.net_devices[bridge].bridge_mut() {
            b.ports = b.ports.iter().filter(|(_, d)| **d != dev).map(|(n, d)| (*n, *d)).collect();
            b.fdb = b.fdb.iter().filter(|(_, (port, _))| *port != dev).map(|(mac, seen)| (*mac, *seen)).collect();
        }
        let net = self.net_devices[dev].net;
        self.update_net_sysfs(net);
        self.bridge_follow_ports(bridge);
        let (ns, name) = (self.net_devices[dev].net, self.net_devices[dev].name.as_str().into());
        let master = self.net_devices[bridge].name.as_str().into();
        self.emit(EventKind::PortChanged { ns, device: name, bridge: master, joined: false });
        self.carriers_changed(&before);
    }

    /// Lets go of everything that a device has in its namespace: state, routes, addresses, neighbours, ports.
    fn strip_device(&mut self, dev: NetDevId) {
        if self.net_devices[dev].is_up() {
            self.close_device(dev);
        }
        self.remove_bridge_port(dev);
        let ports: Vec<NetDevId> =
            self.net_devices[dev].bridge().map(|b| b.ports.values().copied().collect()).unwrap_or_default();
        for port in ports {
            self.remove_bridge_port(port);
        }
        self.flush_neighbours(dev, false);
        let addresses = self.net_devices[dev].addresses.clone();
        for address in addresses.into_iter().rev() {
            self.net_devices[dev].addresses.retain(|a| *a != address);
            self.world.fib_remove_address(dev, &address);
        }
        self.world.fib_flush_device(dev, true);
        self.forget_device_settings(dev);
    }

    /// Takes a device out of the world, the other end of a cable with it (`unregister_netdevice`).
    pub(crate) fn unregister_device(&mut self, dev: NetDevId) {
        let peer = self.net_devices[dev].peer();
        for gone in std::iter::once(dev).chain(peer) {
            self.strip_device(gone);
        }
        for gone in std::iter::once(dev).chain(peer) {
            let Some(device) = self.net_devices.remove(gone) else { continue };
            if let Some(namespace) = self.world.net_namespaces.get_mut(device.net) {
                namespace.devices.remove(&device.ifindex);
            }
            self.backlog.retain(|f| f.at != gone);
            self.forget_tap(gone);
            self.update_net_sysfs(device.net);
            self.emit(EventKind::DeviceRemoved { ns: device.net, device: device.name.into() });
        }
    }

    /// Moves a device to another namespace: it is switched off and loses its addresses; it keeps its number if nobody
    /// there has it (`__dev_change_net_namespace`).
    ///
    /// # Errors
    /// EEXIST when its name is taken there.
    pub(crate) fn move_device(
        &mut self,
        dev: NetDevId,
        to: NetNsId,
        new_name: Option<&str>,
        new_ifindex: Option<u32>,
    ) -> Result<(), Errno> {
        let from = self.net_devices[dev].net;
        if from == to {
            return Ok(());
        }
        let name = new_name.unwrap_or(&self.net_devices[dev].name).to_owned();
        if self.device_named(to, &name).is_some() {
            return Err(Errno::EEXIST);
        }
        if let Some(wanted) = new_ifindex
            && self.device_at(to, wanted).is_some()
        {
            return Err(Errno::EBUSY);
        }
        self.strip_device(dev);
        let old = self.net_devices[dev].ifindex;
        let kept = new_ifindex.unwrap_or(old);
        let ifindex = if self.device_at(to, kept).is_none() { kept } else { self.world.reserve_ifindex(to) };
        self.net_namespaces[from].devices.remove(&old);
        self.net_namespaces[to].devices.insert(ifindex, dev);
        let device = &mut self.net_devices[dev];
        device.net = to;
        device.ifindex = ifindex;
        device.name.clone_from(&name);
        self.update_net_sysfs(from);
        self.update_net_sysfs(to);
        self.emit(EventKind::DeviceMoved { from, to, device: name.into() });
        self.link_notify(dev);
        if let Some(peer) = self.net_devices[dev].peer() {
            self.link_notify(peer);
        }
        Ok(())
    }

    /// A namespace is about to go: its devices go with it, and with a cable its other end wherever it is
    /// (`default_device_exit_batch`). Physical devices, which would go back to the first namespace, there are none.
    pub(crate) fn unregister_devices_of(&mut self, net: NetNsId) {
        let devices: Vec<NetDevId> = self.devices_of(net).map(|(id, _)| id).collect();
        for dev in devices.into_iter().rev() {
            if self.net_devices.contains(dev) {
                self.unregister_device(dev);
            }
        }
        for (_, namespace) in self.nsids_pointing_at(net) {
            self.net_namespaces[namespace].nsids.remove(&net);
        }
    }

    fn nsids_pointing_at(&self, net: NetNsId) -> Vec<(u32, NetNsId)> {
        self.net_namespaces.iter().filter_map(|(id, n)| n.nsids.get(&net).map(|nsid| (*nsid, id))).collect()
    }
}
