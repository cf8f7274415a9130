//! Invariants of the network, for [`World::check`].

use super::device::{DeviceKind, NetDevId, NetDevice};
use crate::world::World;

impl World {
    /// Checks the invariants of the network.
    ///
    /// # Errors
    /// A sentence about the first one that is broken.
    pub(crate) fn check_network(&self) -> Result<(), String> {
        if !self.backlog.is_empty() {
            return Err(format!("{} frames are on their way between two calls", self.backlog.len()));
        }
        for (net, namespace) in self.net_namespaces.iter() {
            for (ifindex, dev) in &namespace.devices {
                if self.net_devices.get(*dev).is_none_or(|d| d.net != net || d.ifindex != *ifindex) {
                    return Err(format!("{net:?} has {dev:?} as number {ifindex}, which does not know that"));
                }
            }
            if let Some(route) =
                namespace.fib.routes.iter().find(|r| r.oif.is_some_and(|d| self.net_of(d) != Some(net)))
            {
                return Err(format!("{net:?} has a route to {} through a device it has not", route.destination));
            }
        }
        for (dev, device) in self.net_devices.iter() {
            self.check_device(dev, device)?;
        }
        for (at, timer) in &self.net_timers {
            if let super::timer::NetTimer::Neighbour(dev, address) = timer
                && self
                    .net_devices
                    .get(*dev)
                    .and_then(|d| d.neighbours.get(address))
                    .is_none_or(|n| n.timer != Some(*at))
            {
                return Err(format!("a timer is set for {address} at {dev:?}, which does not wait for it"));
            }
        }
        Ok(())
    }

    fn net_of(&self, dev: NetDevId) -> Option<crate::namespace::net::NetNsId> {
        self.net_devices.get(dev).map(|d| d.net)
    }

    fn check_device(&self, dev: NetDevId, device: &NetDevice) -> Result<(), String> {
        let known = self.net_namespaces.get(device.net).and_then(|n| n.devices.get(&device.ifindex));
        if known != Some(&dev) {
            return Err(format!("{dev:?} is in {:?}, which does not know it", device.net));
        }
        if let DeviceKind::Veth { peer } = device.kind
            && peer.and_then(|p| self.net_devices.get(p)).and_then(NetDevice::peer) != Some(dev)
        {
            return Err(format!("the other end of {dev:?} is {peer:?}, whose other end it is not"));
        }
        if let Some(port) = &device.port {
            let bridge = self.net_devices.get(port.bridge).filter(|b| b.net == device.net);
            let listed = bridge.and_then(NetDevice::bridge).and_then(|b| b.ports.get(&port.number));
            if listed != Some(&dev) {
                return Err(format!("{dev:?} is a port of {:?}, which is elsewhere or does not know it", port.bridge));
            }
        }
        if let Some(bridge) = device.bridge()
            && let Some(stray) =
                bridge.ports.values().find(|p| self.net_devices.get(**p).and_then(NetDevice::master) != Some(dev))
        {
            return Err(format!("{dev:?} has the port {stray:?}, which does not know it"));
        }
        Ok(())
    }
}
