//! The forwarding information base: routing tables, what puts routes into them and what takes them out
//! (`net/ipv4/fib_frontend.c`, `fib_semantics.c`, `fib_trie.c`). How a packet is routed with them is in
//! [`route`](super::route).

use std::net::Ipv4Addr;

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::address::{InterfaceAddress, mask_of};
use super::device::NetDevId;
use crate::errno::Errno;
use crate::namespace::net::{NetNamespace, NetNsId};
use crate::world::World;

/// The table for what no other has (`default`).
pub const RT_TABLE_DEFAULT: u32 = 253;
/// The table in which an administrator writes.
pub const RT_TABLE_MAIN: u32 = 254;
/// The table of the addresses of this host.
pub const RT_TABLE_LOCAL: u32 = 255;

/// `RTN_*`: what becomes of a packet.
pub mod rtn {
    /// It goes on to a gateway or straight to its destination.
    pub const UNICAST: u8 = 1;
    /// It is for this host.
    pub const LOCAL: u8 = 2;
    /// It is for everybody on the link.
    pub const BROADCAST: u8 = 3;
    /// It is for several.
    pub const MULTICAST: u8 = 5;
    /// It is dropped without a word.
    pub const BLACKHOLE: u8 = 6;
    /// It is dropped, and its sender hears that the host cannot be reached.
    pub const UNREACHABLE: u8 = 7;
    /// It is dropped, and its sender hears that this is forbidden.
    pub const PROHIBIT: u8 = 8;
    /// The next table is asked.
    pub const THROW: u8 = 9;
}

/// Anywhere.
pub const RT_SCOPE_UNIVERSE: u8 = 0;
/// On the link.
pub const RT_SCOPE_LINK: u8 = 253;
/// On this host.
pub const RT_SCOPE_HOST: u8 = 254;
/// Nowhere; in a request to delete a route, any scope.
pub const RT_SCOPE_NOWHERE: u8 = 255;

/// `RTPROT_KERNEL`: the route follows from an address.
pub const RTPROT_KERNEL: u8 = 2;

/// A route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Route {
    /// The network.
    pub destination: Ipv4Addr,
    /// How many bits of it count.
    pub prefix_len: u8,
    /// The table it is in.
    pub table: u32,
    /// Who made it (`RTPROT_*`).
    pub protocol: u8,
    /// `RT_SCOPE_*`: how far away the destination may be.
    pub scope: u8,
    /// `RTN_*`.
    pub kind: u8,
    /// The metric: of several for the same network the lowest counts.
    pub priority: u32,
    /// The address from which packets go there.
    pub source: Option<Ipv4Addr>,
    /// The device.
    pub oif: Option<NetDevId>,
    /// The next router.
    pub gateway: Option<Ipv4Addr>,
    /// The gateway is on the link whatever the addresses say.
    pub onlink: bool,
    /// The longest packet on this way, if one was given.
    pub mtu: Option<u32>,
}

/// A rule that says which table is asked (`ip rule`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Lower ones are asked first.
    pub priority: u32,
    /// Only for packets from here.
    pub source: Option<(Ipv4Addr, u8)>,
    /// Only for packets to there.
    pub destination: Option<(Ipv4Addr, u8)>,
    /// The table.
    pub table: u32,
    /// Somebody added it (`RTPROT_BOOT`), it was not there from the start.
    pub added: bool,
}

/// The routing of a namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fib {
    /// All routes, by table, network, length (longest first) and metric.
    pub routes: Vec<Route>,
    /// The tables that exist, with or without routes.
    pub tables: OrdSet<u32>,
    /// In the order in which they are asked.
    pub rules: Vec<Rule>,
}

impl Default for Fib {
    fn default() -> Self {
        let rule = |priority, table| Rule { priority, source: None, destination: None, table, added: false };
        Fib {
            routes: Vec::new(),
            tables: OrdSet::new(),
            rules: vec![rule(0, RT_TABLE_LOCAL), rule(32_766, RT_TABLE_MAIN), rule(32_767, RT_TABLE_DEFAULT)],
        }
    }
}

/// What is to be routed (`struct flowi4`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// To whom.
    pub destination: Ipv4Addr,
    /// From whom, if that is decided.
    pub source: Option<Ipv4Addr>,
    /// Through which device, if that is decided.
    pub oif: Option<NetDevId>,
    /// The least scope that a route must have.
    pub scope: u8,
}

impl Flow {
    /// A packet to somebody.
    pub fn to(destination: Ipv4Addr) -> Flow {
        Flow { destination, source: None, oif: None, scope: RT_SCOPE_UNIVERSE }
    }
}

/// Whether an address is in a network.
pub fn in_prefix(address: Ipv4Addr, network: Ipv4Addr, prefix_len: u8) -> bool {
    (u32::from(address) ^ u32::from(network)) & mask_of(prefix_len) == 0
}

impl Route {
    /// A route that follows from an address (`fib_magic`).
    fn magic(kind: u8, destination: Ipv4Addr, prefix_len: u8, source: Ipv4Addr, oif: NetDevId) -> Route {
        Route {
            destination,
            prefix_len,
            table: if kind == rtn::UNICAST { RT_TABLE_MAIN } else { RT_TABLE_LOCAL },
            protocol: RTPROT_KERNEL,
            scope: if kind == rtn::LOCAL { RT_SCOPE_HOST } else { RT_SCOPE_LINK },
            kind,
            priority: 0,
            source: Some(source),
            oif: Some(oif),
            gateway: None,
            onlink: false,
            mtu: None,
        }
    }

    /// Whether it leads to the address.
    pub fn covers(&self, to: Ipv4Addr) -> bool {
        in_prefix(to, self.destination, self.prefix_len)
    }

    /// Its place among the others.
    fn order(&self) -> (u32, Ipv4Addr, u8, u32) {
        (self.table, self.destination, 32 - self.prefix_len.min(32), self.priority)
    }

    /// Whether it is for the same network with the same metric in the same table.
    pub fn same_place(&self, other: &Route) -> bool {
        self.order() == other.order()
    }

    /// The error with which it answers (`fib_props`).
    pub fn error(&self) -> Option<Errno> {
        match self.kind {
            rtn::BLACKHOLE => Some(Errno::EINVAL),
            rtn::UNREACHABLE => Some(Errno::EHOSTUNREACH),
            rtn::PROHIBIT => Some(Errno::EACCES),
            rtn::THROW => Some(Errno::EAGAIN),
            _ => None,
        }
    }
}

impl Fib {
    /// Puts a route in behind those of its place, or before them.
    pub fn insert(&mut self, route: Route, before: bool) {
        self.tables.insert(route.table);
        // The local table begins as another name of the main one (`fib_new_table`).
        if route.table == RT_TABLE_LOCAL {
            self.tables.insert(RT_TABLE_MAIN);
        }
        let key = route.order();
        let at = if before {
            self.routes.partition_point(|r| r.order() < key)
        } else {
            self.routes.partition_point(|r| r.order() <= key)
        };
        self.routes.insert(at, route);
    }

    /// The best route of a table: of those that fit, the one with the most bits, then the lowest metric
    /// (`fib_table_lookup`).
    ///
    /// # Errors
    /// That of a route that answers with one; EAGAIN when none fits.
    pub fn lookup_table(&self, table: u32, flow: &Flow) -> Result<&Route, Errno> {
        let mut fitting: Vec<&Route> = self
            .routes
            .iter()
            .filter(|r| r.table == table && r.covers(flow.destination))
            .filter(|r| r.scope >= flow.scope)
            .collect();
        fitting.sort_by_key(|r| (32 - r.prefix_len.min(32), r.priority));
        for route in fitting {
            if let Some(error) = route.error() {
                return Err(error);
            }
            if flow.oif.is_none() || route.oif == flow.oif {
                return Ok(route);
            }
        }
        Err(Errno::EAGAIN)
    }

    /// The route for a packet, in the table that the rules say (`fib_lookup`).
    ///
    /// # Errors
    /// That of a route that answers with one; ENETUNREACH when no table has any.
    pub fn lookup(&self, flow: &Flow) -> Result<&Route, Errno> {
        for rule in &self.rules {
            let from = rule.source.is_none_or(|(net, len)| flow.source.is_some_and(|s| in_prefix(s, net, len)));
            let to = rule.destination.is_none_or(|(net, len)| in_prefix(flow.destination, net, len));
            if !from || !to {
                continue;
            }
            match self.lookup_table(rule.table, flow) {
                Err(Errno::EAGAIN) => {}
                answer => return answer,
            }
        }
        Err(Errno::ENETUNREACH)
    }
}

impl NetNamespace {
    /// What an address is to this host (`inet_addr_type`).
    pub fn address_type(&self, address: Ipv4Addr) -> u8 {
        if address.is_unspecified() || address.is_broadcast() {
            return rtn::BROADCAST;
        }
        if address.is_multicast() {
            return rtn::MULTICAST;
        }
        self.fib.lookup_table(RT_TABLE_LOCAL, &Flow::to(address)).map_or(rtn::UNICAST, |r| r.kind)
    }

    /// Whether an address belongs to this host.
    pub fn is_local(&self, address: Ipv4Addr) -> bool {
        self.address_type(address) == rtn::LOCAL
    }
}

impl World {
    fn fib_of(&mut self, dev: NetDevId) -> Option<&mut Fib> {
        let net = self.net_devices.get(dev)?.net;
        self.net_namespaces.get_mut(net).map(|n| &mut n.fib)
    }

    fn fib_magic(&mut self, dev: NetDevId, route: Route) {
        if let Some(fib) = self.fib_of(dev)
            && !fib.routes.contains(&route)
        {
            fib.insert(route, false);
        }
    }

    /// The primary address of the network of an address (`inet_ifa_byprefix`).
    fn primary_of(&self, dev: NetDevId, address: &InterfaceAddress) -> Option<Ipv4Addr> {
        if !address.secondary {
            return Some(address.local);
        }
        let same =
            |a: &&InterfaceAddress| !a.secondary && a.prefix_len == address.prefix_len && a.covers(address.network());
        self.net_devices[dev].addresses.iter().find(same).map(|a| a.local)
    }

    /// The routes that an address brings (`fib_add_ifaddr`).
    pub(crate) fn fib_add_address(&mut self, dev: NetDevId, address: &InterfaceAddress) {
        let Some(source) = self.primary_of(dev, address) else { return };
        self.fib_magic(dev, Route::magic(rtn::LOCAL, address.local, 32, source, dev));
        if !self.net_devices[dev].is_up() {
            return;
        }
        for route in self.link_routes(dev, address, source) {
            self.fib_magic(dev, route);
        }
    }

    /// The routes of an address that are there only while the device is up.
    fn link_routes(&self, dev: NetDevId, address: &InterfaceAddress, source: Ipv4Addr) -> Vec<Route> {
        let mut routes = Vec::new();
        if let Some(broadcast) = address.broadcast.filter(|b| !b.is_broadcast() && !b.is_unspecified()) {
            routes.push(Route::magic(rtn::BROADCAST, broadcast, 32, source, dev));
        }
        let network = address.network();
        let is_net = network.octets()[0] != 0 && (network != address.local || address.prefix_len < 32);
        if is_net && !address.secondary {
            let kind = if self.net_devices[dev].is_loopback() { rtn::LOCAL } else { rtn::UNICAST };
            routes.push(Route::magic(kind, network, address.prefix_len, source, dev));
            if address.prefix_len < 31 {
                let everybody = Ipv4Addr::from(u32::from(network) | !address.mask());
                routes.push(Route::magic(rtn::BROADCAST, everybody, 32, source, dev));
            }
        }
        routes
    }

    /// The routes that go with an address which has been taken off the list (`fib_del_ifaddr`): those that no other
    /// address brings, and those that name it as their source.
    pub(crate) fn fib_remove_address(&mut self, dev: NetDevId, address: &InterfaceAddress) {
        let source = self.primary_of(dev, address).unwrap_or(address.local);
        let mut gone = self.link_routes(dev, address, source);
        let still = self.net_devices[dev].addresses.clone();
        if !still.iter().any(|a| a.local == address.local) {
            gone.push(Route::magic(rtn::LOCAL, address.local, 32, source, dev));
        }
        let kept: Vec<Route> = still
            .iter()
            .filter_map(|a| Some((a, self.primary_of(dev, a)?)))
            .flat_map(|(a, source)| self.link_routes(dev, a, source))
            .collect();
        let same = |a: &Route, b: &Route| a.same_place(b) && a.kind == b.kind && a.oif == b.oif;
        if let Some(fib) = self.fib_of(dev) {
            fib.routes.retain(|r| {
                r.protocol != RTPROT_KERNEL
                    || !gone.iter().any(|g| same(g, r) && g.source == r.source)
                    || kept.iter().any(|k| same(k, r))
            });
        }
        let net = self.net_devices[dev].net;
        if self.net_namespaces.get(net).is_some_and(|n| !n.is_local(address.local)) {
            // fib_sync_down_addr
            self.net_namespaces[net].fib.routes.retain(|r| r.source != Some(address.local));
        }
    }

    /// Takes the routes through a device out, those to the host's own addresses only when it goes for good
    /// (`fib_sync_down_dev`, `fib_flush`).
    pub(crate) fn fib_flush_device(&mut self, dev: NetDevId, for_good: bool) {
        if let Some(fib) = self.fib_of(dev) {
            fib.routes.retain(|r| r.oif != Some(dev) || !for_good && r.scope == RT_SCOPE_HOST);
        }
    }

    /// The device is up: its addresses bring their routes.
    pub(crate) fn fib_device_up(&mut self, dev: NetDevId) {
        for address in self.net_devices[dev].addresses.clone() {
            self.fib_add_address(dev, &address);
        }
    }

    /// Puts a route in that somebody asks for (`fib_create_info`, `fib_table_insert`).
    ///
    /// # Errors
    /// An error with the kernel's own words, if it has any.
    pub(crate) fn fib_check(&self, net: NetNsId, route: &mut Route) -> Result<(), (Errno, Option<&'static str>)> {
        let say = |errno, words| Err((errno, Some(words)));
        if route.prefix_len > 32 {
            return say(Errno::EINVAL, "Invalid prefix length");
        }
        if u32::from(route.destination) & !mask_of(route.prefix_len) != 0 {
            return say(Errno::EINVAL, "Invalid prefix for given prefix length");
        }
        let least_scope = match route.kind {
            rtn::LOCAL => RT_SCOPE_HOST,
            rtn::BROADCAST => RT_SCOPE_LINK,
            _ => RT_SCOPE_UNIVERSE,
        };
        if least_scope > route.scope {
            return say(Errno::EINVAL, "Invalid scope");
        }
        if route.error().is_some() {
            return if route.gateway.is_some() || route.oif.is_some() {
                say(Errno::EINVAL, "Gateway, device and multipath can not be specified for this route type")
            } else {
                Ok(())
            };
        }
        if !matches!(route.kind, rtn::UNICAST | rtn::LOCAL | rtn::BROADCAST | rtn::MULTICAST) {
            return say(Errno::EINVAL, "Invalid route type");
        }
        if route.scope > RT_SCOPE_HOST {
            return say(Errno::EINVAL, "Invalid scope");
        }
        if route.scope == RT_SCOPE_HOST {
            if route.gateway.is_some() {
                return say(Errno::EINVAL, "Route with host scope can not have a gateway");
            }
            route.oif.ok_or((Errno::ENODEV, None))?;
        } else {
            self.fib_check_nexthop(net, route)?;
        }
        match route.source {
            Some(source) if !self.net_namespaces[net].is_local(source) => say(Errno::EINVAL, "Invalid prefsrc address"),
            _ => Ok(()),
        }
    }

    /// Whether the next hop can be reached, and through which device (`fib_check_nh`).
    fn fib_check_nexthop(&self, net: NetNsId, route: &mut Route) -> Result<(), (Errno, Option<&'static str>)> {
        let say = |errno, words| Err((errno, Some(words)));
        let is_up = |dev: NetDevId| self.net_devices.get(dev).is_some_and(|d| d.is_up());
        let Some(gateway) = route.gateway else {
            if route.onlink {
                return say(Errno::EINVAL, "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set");
            }
            let dev = route.oif.ok_or((Errno::ENODEV, None))?;
            return if is_up(dev) { Ok(()) } else { say(Errno::ENETDOWN, "Device for nexthop is not up") };
        };
        let namespace = &self.net_namespaces[net];
        if route.onlink {
            if route.scope >= RT_SCOPE_LINK {
                return say(Errno::EINVAL, "Nexthop has invalid scope");
            }
            let Some(dev) = route.oif else { return say(Errno::ENODEV, "Nexthop device required for onlink") };
            if !is_up(dev) {
                return say(Errno::ENETDOWN, "Nexthop device is not up");
            }
            return if namespace.address_type(gateway) == rtn::UNICAST {
                Ok(())
            } else {
                say(Errno::EINVAL, "Nexthop has invalid gateway")
            };
        }
        let scope = route.scope.saturating_add(1).max(RT_SCOPE_LINK);
        let flow = Flow { destination: gateway, source: None, oif: route.oif, scope };
        let own = if route.table == RT_TABLE_MAIN { None } else { Some(route.table) };
        let found = own.and_then(|t| namespace.fib.lookup_table(t, &flow).ok());
        let Some(found) = found.or_else(|| namespace.fib.lookup(&flow).ok()) else {
            return say(Errno::ENETUNREACH, "Nexthop has invalid gateway");
        };
        if !matches!(found.kind, rtn::UNICAST | rtn::LOCAL) {
            return say(Errno::EINVAL, "Nexthop has invalid gateway");
        }
        let Some(dev) = found.oif else { return say(Errno::EINVAL, "No egress device for nexthop") };
        if !is_up(dev) {
            return Err((Errno::ENETDOWN, None));
        }
        route.oif = Some(dev);
        Ok(())
    }
}
