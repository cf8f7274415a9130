//! Network namespaces, as in network_namespaces(7): each has devices, addresses, routes, a packet filter and ports of
//! its own.

use std::net::Ipv4Addr;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{NsCommon, NsRef};
use crate::id;
use crate::kernel::Kernel;
use crate::net::conf::ConfTarget;
use crate::net::device::NetDevId;
use crate::net::fib::Fib;
use crate::net::netfilter::Netfilter;
use crate::time::Nanos;
use crate::world::World;

id! {
    /// A network namespace.
    NetNsId
}

/// A network namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NetNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// Its devices, by their numbers.
    pub devices: OrdMap<u32, NetDevId>,
    /// The number that was handed out last.
    pub last_ifindex: u32,
    /// Its routing tables.
    pub fib: Fib,
    /// The numbers under which it knows other namespaces (`ip netns list-id`).
    pub nsids: OrdMap<NetNsId, u32>,
    /// How many more ICMP errors somebody may be sent, in time saved up, and when that was counted
    /// (`struct inet_peer`).
    pub error_tokens: OrdMap<Ipv4Addr, (Nanos, Nanos)>,
    /// Settings of IPv4 that somebody has changed.
    pub conf: OrdMap<(ConfTarget, u16), i32>,
    /// Its packet filter.
    pub netfilter: Netfilter,
}

impl NetNamespace {
    /// One without anything.
    fn empty(ns: NsCommon) -> NetNamespace {
        NetNamespace {
            ns,
            devices: OrdMap::new(),
            last_ifindex: 0,
            fib: Fib::default(),
            nsids: OrdMap::new(),
            error_tokens: OrdMap::new(),
            conf: OrdMap::new(),
            netfilter: Netfilter::default(),
        }
    }

    /// The number that is free for another namespace: the lowest.
    pub fn free_nsid(&self) -> u32 {
        (0..).find(|n| !self.nsids.values().any(|used| used == n)).unwrap_or(0)
    }
}

impl World {
    /// A new network namespace: nothing but `lo`, switched off.
    pub(crate) fn new_net_namespace(&mut self, ns: NsCommon) -> NetNsId {
        let net = self.net_namespaces.add(NetNamespace::empty(ns));
        self.add_loopback(net);
        net
    }

    /// The number by which `net` knows `other`; it gets one if it has none (`peernet2id_alloc`).
    pub(crate) fn nsid_of(&mut self, net: NetNsId, other: NetNsId) -> Option<u32> {
        if let Some(nsid) = self.net_namespaces.get(net)?.nsids.get(&other) {
            return Some(*nsid);
        }
        if net == other || !self.net_namespaces.contains(other) {
            return None;
        }
        let namespace = &mut self.net_namespaces[net];
        let nsid = namespace.free_nsid();
        namespace.nsids.insert(other, nsid);
        Some(nsid)
    }
}

impl Kernel<'_> {
    /// The last reference to a network namespace is gone (`cleanup_net`).
    pub(crate) fn free_net_namespace(&mut self, net: NetNsId) {
        // Connections that nobody holds any more say no goodbye.
        let gone: Vec<_> = self.sockets.iter().filter(|(_, s)| s.net == net).map(|(id, _)| id).collect();
        gone.into_iter().for_each(|id| self.forget_socket(id));
        self.unregister_devices_of(net);
        self.forget_net_settings(net);
        self.net_namespaces.remove(net);
        debug_assert!(self.ns_common(NsRef::Net(net)).is_none());
    }
}
