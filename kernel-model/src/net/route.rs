//! Routing a packet, as in `net/ipv4/route.c`: which way one goes that is sent here, and what becomes of one that
//! comes in.

use std::net::Ipv4Addr;

use super::device::NetDevId;
use super::fib::{Flow, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, rtn};
use crate::errno::Errno;
use crate::namespace::net::NetNsId;
use crate::world::World;

/// The way of a packet (`struct rtable`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// `RTN_*`.
    pub kind: u8,
    /// The device through which it leaves.
    pub dev: NetDevId,
    /// The next router, if it is not the destination itself.
    pub gateway: Option<Ipv4Addr>,
    /// The address from which it is sent.
    pub source: Ipv4Addr,
    /// To whom it goes, which is the host itself when nothing was asked for.
    pub destination: Ipv4Addr,
    /// The longest packet on the way.
    pub mtu: u32,
    /// The table that has said so.
    pub table: u32,
}

impl Path {
    /// Who is next on the link.
    pub fn next_hop(&self) -> Ipv4Addr {
        self.gateway.unwrap_or(self.destination)
    }
}

/// What becomes of a packet that has come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InputRoute {
    /// It is for this host.
    Local,
    /// It goes on.
    Forward(Path),
    /// It is dropped; the sender hears of an error only when this host forwards packets.
    Error(Errno),
    /// It is dropped: such a packet should not exist. The words say why.
    Martian(&'static str),
}

impl World {
    /// The way of a packet that this host sends (`ip_route_output_key`).
    ///
    /// # Errors
    /// ENETUNREACH without a route; those with which a route answers; ENODEV for a device that is gone; EINVAL for an
    /// impossible source.
    pub fn route_output(&self, net: NetNsId, mut flow: Flow) -> Result<Path, Errno> {
        let namespace = self.net_namespaces.get(net).ok_or(Errno::ENETUNREACH)?;
        flow.source = flow.source.filter(|s| !s.is_unspecified());
        if let Some(source) = flow.source {
            if source.is_multicast() || source.is_broadcast() {
                return Err(Errno::EINVAL);
            }
            if !namespace.is_local(source) {
                return Err(Errno::ENETUNREACH);
            }
        }
        let link_wide = flow.destination.is_multicast() || flow.destination.is_broadcast();
        if let Some(dev) = flow.oif {
            let device = self.net_devices.get(dev).filter(|d| d.net == net).ok_or(Errno::ENODEV)?;
            if !device.is_up() {
                return Err(Errno::ENETUNREACH);
            }
            if flow.destination.is_broadcast() {
                return Ok(self.on_link(dev, &flow, rtn::BROADCAST, RT_SCOPE_LINK));
            }
            if flow.source.is_none() && flow.destination.is_unspecified() {
                flow.source = self.select_source(dev, Ipv4Addr::UNSPECIFIED, RT_SCOPE_HOST);
            }
        }
        let lo = self.loopback_of(net).ok_or(Errno::ENETUNREACH)?;
        if flow.destination.is_unspecified() {
            let own = flow.source.unwrap_or(Ipv4Addr::LOCALHOST);
            return Ok(self.path(rtn::LOCAL, lo, None, own, own, 0));
        }
        let found = match namespace.fib.lookup(&flow) {
            Ok(route) => route,
            // With a device given, what has no route is taken to be on its link.
            Err(e) => match flow.oif {
                Some(dev) => return Ok(self.on_link(dev, &flow, rtn::UNICAST, RT_SCOPE_LINK)),
                None => return Err(e),
            },
        };
        let to = flow.destination;
        if found.kind == rtn::LOCAL {
            let source = flow.source.or(found.source).unwrap_or(to);
            return Ok(self.path(rtn::LOCAL, lo, None, source, to, found.table));
        }
        let dev = found.oif.ok_or(Errno::ENETUNREACH)?;
        let next = found.gateway.unwrap_or(to);
        let chosen = || self.select_source(dev, next, found.scope.min(RT_SCOPE_LINK));
        let source = flow.source.or(found.source).or_else(chosen).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let kind = if link_wide && to.is_multicast() { rtn::MULTICAST } else { found.kind };
        let mut path = self.path(kind, dev, found.gateway, source, to, found.table);
        path.mtu = found.mtu.unwrap_or(path.mtu);
        Ok(path)
    }

    fn path(
        &self,
        kind: u8,
        dev: NetDevId,
        gateway: Option<Ipv4Addr>,
        source: Ipv4Addr,
        to: Ipv4Addr,
        table: u32,
    ) -> Path {
        let mtu = self.net_devices.get(dev).map_or(1500, |d| d.mtu);
        Path { kind, dev, gateway, source, destination: to, mtu, table }
    }

    fn on_link(&self, dev: NetDevId, flow: &Flow, kind: u8, scope: u8) -> Path {
        let source = flow.source.or_else(|| self.select_source(dev, Ipv4Addr::UNSPECIFIED, scope));
        self.path(kind, dev, None, source.unwrap_or(Ipv4Addr::UNSPECIFIED), flow.destination, 0)
    }

    /// What becomes of a packet that has come in at a device (`ip_route_input_slow`).
    pub fn route_input(&self, dev: NetDevId, source: Ipv4Addr, to: Ipv4Addr) -> InputRoute {
        let Some(device) = self.net_devices.get(dev) else { return InputRoute::Error(Errno::ENODEV) };
        let Some(namespace) = self.net_namespaces.get(device.net) else {
            return InputRoute::Error(Errno::ENETUNREACH);
        };
        if source.is_multicast() || source.is_broadcast() {
            return InputRoute::Martian("nobody can send from such an address");
        }
        if to.is_broadcast() || (source.is_unspecified() && to.is_unspecified()) {
            return InputRoute::Local;
        }
        if source.octets()[0] == 0 || to.octets()[0] == 0 {
            return InputRoute::Martian("nobody has an address that begins with 0");
        }
        let outside = !device.is_loopback() && self.conf_setting(dev, "route_localnet") == 0;
        if outside && (to.is_loopback() || source.is_loopback()) {
            return InputRoute::Martian("a loopback address never comes from outside");
        }
        let forwards = self.conf_setting(dev, "forwarding") != 0;
        let flow = Flow { destination: to, source: Some(source), oif: None, scope: RT_SCOPE_UNIVERSE };
        let found = match namespace.fib.lookup(&flow) {
            Ok(route) => route,
            Err(_) if !forwards => return InputRoute::Error(Errno::EHOSTUNREACH),
            Err(e) => return InputRoute::Error(e),
        };
        let valid = self.validate_source(dev, source, found.kind == rtn::LOCAL);
        match found.kind {
            rtn::BROADCAST => valid.map_or_else(InputRoute::Martian, |()| InputRoute::Local),
            rtn::LOCAL => valid.map_or_else(InputRoute::Martian, |()| InputRoute::Local),
            _ if !forwards => InputRoute::Error(Errno::EHOSTUNREACH),
            rtn::UNICAST => {
                if let Err(why) = valid {
                    return InputRoute::Martian(why);
                }
                let Some(oif) = found.oif else { return InputRoute::Error(Errno::ENETUNREACH) };
                let mut path = self.path(rtn::UNICAST, oif, found.gateway, source, to, found.table);
                path.mtu = found.mtu.unwrap_or(path.mtu);
                InputRoute::Forward(path)
            }
            _ => InputRoute::Martian("nothing is sent to such an address"),
        }
    }

    /// Whether a packet from `source` can come in here (`fib_validate_source`): not from an address of this host, and
    /// with `rp_filter` only from where an answer would go.
    fn validate_source(&self, dev: NetDevId, source: Ipv4Addr, _local: bool) -> Result<(), &'static str> {
        let device = &self.net_devices[dev];
        let namespace = &self.net_namespaces[device.net];
        if device.is_loopback() || source.is_unspecified() {
            return Ok(());
        }
        if namespace.is_local(source) && self.conf_setting(dev, "accept_local") == 0 {
            return Err("its source is an address of this host");
        }
        let filter = self.conf_setting(dev, "rp_filter");
        if filter == 0 {
            return Ok(());
        }
        match namespace.fib.lookup(&Flow::to(source)) {
            Ok(back) if back.oif == Some(dev) || filter == 2 => Ok(()),
            _ => Err("an answer would not go back where it came from (rp_filter)"),
        }
    }
}
