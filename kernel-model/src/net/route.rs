//! Where a packet goes, as in route(7). The routes of the table `local` follow from the addresses of the
//! devices; the table `main`, in which an administrator writes, is still empty.

use std::net::Ipv4Addr;

use crate::namespace::net::NetNamespace;

/// The table in which an administrator writes.
pub const RT_TABLE_MAIN: u32 = 254;
/// The table of the addresses of this host.
pub const RT_TABLE_LOCAL: u32 = 255;
/// The table for what no other has (`default`).
pub const RT_TABLE_DEFAULT: u32 = 253;

/// `RTN_LOCAL`: for this host.
pub const RTN_LOCAL: u32 = 2;
/// `RTN_BROADCAST`: for everybody on the link.
pub const RTN_BROADCAST: u32 = 3;

/// `RT_SCOPE_HOST` and `RT_SCOPE_LINK`.
const SCOPE_HOST: u32 = 254;
const SCOPE_LINK: u32 = 253;

/// A route (`struct rtmsg` with its attributes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The network.
    pub destination: Ipv4Addr,
    /// How many bits of it count.
    pub prefix_len: u8,
    /// The table it is in.
    pub table: u32,
    /// `RTN_*`.
    pub kind: u32,
    /// `RT_SCOPE_*`: how far away the destination may be.
    pub scope: u32,
    /// The device.
    pub oif: u32,
    /// The address from which packets go there.
    pub source: Ipv4Addr,
}

impl NetNamespace {
    /// Whether a routing table exists. Those of this model come into being with the first address.
    pub fn has_table(&self, table: u32) -> bool {
        match table {
            0 | RT_TABLE_MAIN => true,
            RT_TABLE_LOCAL => self.devices.iter().any(|d| !d.addresses.is_empty()),
            _ => false,
        }
    }

    /// All routes, by destination (`fib_add_ifaddr`). Those to the host's own addresses stay when the device
    /// is switched off; the one to everybody on the link goes.
    pub fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for device in &self.devices {
            for a in &device.addresses {
                let network = Ipv4Addr::from(u32::from(a.address) & a.mask());
                let route = Route {
                    destination: a.address,
                    prefix_len: 32,
                    table: RT_TABLE_LOCAL,
                    kind: RTN_LOCAL,
                    scope: SCOPE_HOST,
                    oif: device.ifindex,
                    source: a.address,
                };
                routes.push(route);
                if a.prefix_len < 32 {
                    routes.push(Route { destination: network, prefix_len: a.prefix_len, ..route });
                }
                if a.prefix_len < 31 && device.is_up() {
                    let broadcast = Ipv4Addr::from(u32::from(network) | !a.mask());
                    routes.push(Route { destination: broadcast, kind: RTN_BROADCAST, scope: SCOPE_LINK, ..route });
                }
            }
        }
        routes.sort_by_key(|r| (r.destination, r.prefix_len));
        routes
    }

    /// The route for a packet: of those that fit, the one with the most bits (`fib_lookup`).
    pub fn route_to(&self, to: Ipv4Addr) -> Option<Route> {
        let fits = |r: &Route| {
            let mask = u32::MAX.checked_shl(32 - u32::from(r.prefix_len)).unwrap_or(0);
            (u32::from(r.destination) ^ u32::from(to)) & mask == 0
        };
        self.routes().into_iter().filter(fits).max_by_key(|r| r.prefix_len)
    }
}
