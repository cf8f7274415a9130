//! Neighbours and what bridges have learned: `RTM_NEWNEIGH`, `RTM_DELNEIGH`, `RTM_GETNEIGH`
//! (`net/core/neighbour.c`, `net/bridge/br_fdb.c`).

use super::{Answer, Request, nlm, refuse};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::net::bridge::AGEING_TIME;
use crate::net::device::NetDevId;
use crate::net::mac::Mac;
use crate::net::neighbour::{Neighbour, NudState};
use crate::net::socket::AF_INET;
use crate::syscall::Value;

/// `AF_BRIDGE`.
const AF_BRIDGE: i64 = 7;
/// `NTF_SELF` and `NTF_MASTER`.
const SELF: u32 = 0x02;
const MASTER: u32 = 0x04;

impl Kernel<'_> {
    pub(super) fn get_neigh(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        if asked.int("ndm_family") == Some(AF_BRIDGE) {
            return Ok(self.fdb_messages(net));
        }
        if !asked.is_dump() {
            let dev = self.device_at(net, asked.number("ndm_ifindex").unwrap_or(0)).ok_or(Errno::ENODEV)?;
            let Some(address) = asked.ipv4("NDA_DST") else {
                return refuse(Errno::EINVAL, "Network address not specified");
            };
            return match self.net_devices[dev].neighbours.get(&address) {
                Some(n) => Ok(vec![neigh_message(self.net_devices[dev].ifindex, address, n)]),
                None => refuse(Errno::ENOENT, "Neighbour entry not found"),
            };
        }
        let of_device = |(_, d): (NetDevId, &crate::net::device::NetDevice)| {
            d.neighbours.iter().map(|(a, n)| neigh_message(d.ifindex, *a, n)).collect::<Vec<_>>()
        };
        Ok(self.devices_of(net).flat_map(of_device).collect())
    }

    pub(super) fn new_neigh(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        if asked.int("ndm_family") == Some(AF_BRIDGE) {
            return Err(self.not_modelled("addresses of a bridge that are put in by hand"));
        }
        let dev = self.device_at(net, asked.number("ndm_ifindex").unwrap_or(0)).ok_or(Errno::ENODEV)?;
        let Some(address) = asked.ipv4("NDA_DST") else {
            return refuse(Errno::EINVAL, "Network address not specified");
        };
        let mac: Option<Mac> = asked.text("NDA_LLADDR").and_then(|m| m.parse().ok());
        let state = NudState::from_bit(asked.number("ndm_state").unwrap_or(0x80)).unwrap_or(NudState::Permanent);
        match self.net_devices[dev].neighbours.get(&address) {
            None if asked.flags & nlm::CREATE == 0 => return Err(Errno::ENOENT.into()),
            Some(_) if asked.flags & nlm::EXCL != 0 => return Err(Errno::EEXIST.into()),
            None if mac.is_none() && state.is_valid() && state != NudState::Noarp => {
                return refuse(Errno::EINVAL, "No link layer address given");
            }
            _ => {}
        }
        let mac = mac.or_else(|| self.net_devices[dev].neighbours.get(&address).and_then(|n| n.mac));
        self.put_neighbour(dev, address, mac, state);
        Ok(Vec::new())
    }

    pub(super) fn del_neigh(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        if asked.int("ndm_family") == Some(AF_BRIDGE) {
            return Err(self.not_modelled("addresses of a bridge that are taken out by hand"));
        }
        let dev = self.device_at(net, asked.number("ndm_ifindex").unwrap_or(0)).ok_or(Errno::ENODEV)?;
        let Some(address) = asked.ipv4("NDA_DST") else {
            return refuse(Errno::EINVAL, "Network address not specified");
        };
        if !self.net_devices[dev].neighbours.contains_key(&address) {
            return Err(Errno::ENOENT.into());
        }
        self.remove_neighbour(dev, address);
        Ok(Vec::new())
    }

    /// What the bridges of a namespace know: their ports' own addresses, and those they have seen.
    fn fdb_messages(&self, net: NetNsId) -> Vec<Value> {
        let mut messages = Vec::new();
        for (id, device) in self.devices_of(net) {
            let Some(bridge) = device.bridge() else { continue };
            let _ = id;
            for port in bridge.ports.values().filter_map(|p| self.net_devices.get(*p).map(|d| (*p, d))) {
                let seen = bridge.fdb.iter().filter(|(_, (p, at))| *p == port.0 && *at + AGEING_TIME > self.clock);
                for (mac, _) in seen {
                    messages.push(fdb_message(port.1.ifindex, *mac, NudState::Reachable, MASTER, Some(device.ifindex)));
                }
                let own = fdb_message(port.1.ifindex, port.1.mac, NudState::Permanent, MASTER, Some(device.ifindex));
                messages.push(own);
            }
        }
        for (_, device) in self.devices_of(net).filter(|(_, d)| !d.is_loopback()) {
            // The groups that every device listens to: all hosts of IPv4.
            let all_hosts = Mac([0x01, 0x00, 0x5e, 0, 0, 1]);
            let master = device.master().and_then(|m| self.net_devices.get(m)).map(|m| m.ifindex);
            messages.push(fdb_message(device.ifindex, all_hosts, NudState::Permanent, SELF, master));
        }
        messages.sort_by_key(|m| m.field("ndm_ifindex").and_then(Value::as_int));
        messages
    }
}

fn neigh_message(ifindex: u32, address: std::net::Ipv4Addr, n: &Neighbour) -> Value {
    let mut fields = vec![
        ("ndm_family".into(), AF_INET.into()),
        ("ndm_ifindex".into(), ifindex.into()),
        ("ndm_state".into(), n.state.bit().into()),
        ("ndm_flags".into(), 0.into()),
        ("NDA_DST".into(), address.to_string().as_str().into()),
    ];
    if let Some(mac) = n.mac.filter(|_| n.state.is_valid()) {
        fields.push(("NDA_LLADDR".into(), mac.to_string().as_str().into()));
    }
    Value::Struct(fields)
}

fn fdb_message(ifindex: u32, mac: Mac, state: NudState, flags: u32, master: Option<u32>) -> Value {
    let mut fields = vec![
        ("ndm_family".into(), AF_BRIDGE.into()),
        ("ndm_ifindex".into(), ifindex.into()),
        ("ndm_state".into(), state.bit().into()),
        ("ndm_flags".into(), flags.into()),
        ("NDA_LLADDR".into(), mac.to_string().as_str().into()),
    ];
    fields.extend(master.map(|m| ("NDA_MASTER".into(), m.into())));
    Value::Struct(fields)
}
