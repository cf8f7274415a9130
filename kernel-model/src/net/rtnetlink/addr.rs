//! Addresses: `RTM_NEWADDR`, `RTM_DELADDR`, `RTM_GETADDR` (`net/ipv4/devinet.c`).

use super::{Answer, Request, nlm, refuse};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::net::address::{AddressRefused, InterfaceAddress};
use crate::net::device::NetDevice;
use crate::net::socket::AF_INET;
use crate::syscall::Value;
use crate::time::Nanos;

/// `IFA_F_SECONDARY` and `IFA_F_PERMANENT`.
const SECONDARY: u32 = 0x01;
const PERMANENT: u32 = 0x80;
/// A lifetime without an end.
const FOREVER: u32 = u32::MAX;

impl Kernel<'_> {
    pub(super) fn get_addr(&mut self, net: NetNsId) -> Answer {
        let now = self.clock;
        Ok(self
            .devices_of(net)
            .flat_map(|(_, d)| d.addresses.iter().map(move |a| address_message(d, a, now)))
            .collect())
    }

    pub(super) fn new_addr(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        if asked.int("ifa_family") != Some(AF_INET) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let prefix_len = asked.number("ifa_prefixlen").unwrap_or(0);
        if prefix_len > 32 {
            return refuse(Errno::EINVAL, "ipv4: Invalid prefix length");
        }
        let Some(local) = asked.ipv4("IFA_LOCAL") else {
            return refuse(Errno::EINVAL, "ipv4: Local address is not supplied");
        };
        let Some(dev) = self.device_at(net, asked.number("ifa_index").unwrap_or(0)) else {
            return refuse(Errno::ENODEV, "ipv4: Device not found");
        };
        let peer = asked.ipv4("IFA_ADDRESS").unwrap_or(local);
        let valid = asked.number("IFA_CACHEINFO_VALID").unwrap_or(FOREVER);
        let preferred = asked.number("IFA_CACHEINFO_PREFERRED").unwrap_or(FOREVER);
        if valid == 0 || preferred > valid {
            return refuse(Errno::EINVAL, "ipv4: address lifetime invalid");
        }
        let end = |seconds: u32| self.clock + Nanos(u64::from(seconds) * Nanos::SECOND.0);
        let address = InterfaceAddress {
            local,
            peer,
            prefix_len: prefix_len as u8,
            broadcast: asked.ipv4("IFA_BROADCAST"),
            scope: asked.number("ifa_scope").unwrap_or(0) as u8,
            label: asked.text("IFA_LABEL").unwrap_or(&self.net_devices[dev].name).to_owned(),
            secondary: false,
            lifetime: (valid != FOREVER).then(|| (end(valid), end(preferred))),
        };
        let same =
            |a: &InterfaceAddress| a.local == local && a.prefix_len == address.prefix_len && a.covers(address.peer);
        if let Some(at) = self.net_devices[dev].addresses.iter().position(same) {
            if asked.flags & nlm::EXCL != 0 || asked.flags & nlm::REPLACE == 0 {
                return refuse(Errno::EEXIST, "ipv4: Address already assigned");
            }
            self.net_devices[dev].addresses[at].lifetime = address.lifetime;
            return Ok(Vec::new());
        }
        match self.insert_address(dev, address) {
            Ok(()) => Ok(Vec::new()),
            Err(AddressRefused::Exists) => refuse(Errno::EEXIST, "ipv4: Address already assigned"),
            Err(AddressRefused::InvalidScope) => refuse(Errno::EINVAL, "ipv4: Invalid scope value"),
        }
    }

    pub(super) fn del_addr(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        let Some(dev) = self.device_at(net, asked.number("ifa_index").unwrap_or(0)) else {
            return refuse(Errno::ENODEV, "ipv4: Device not found");
        };
        let (local, label, peer) = (asked.ipv4("IFA_LOCAL"), asked.text("IFA_LABEL"), asked.ipv4("IFA_ADDRESS"));
        let len = asked.number("ifa_prefixlen").unwrap_or(0) as u8;
        let wanted = |a: &InterfaceAddress| {
            local.is_none_or(|l| l == a.local)
                && label.is_none_or(|l| l == a.label)
                && peer.is_none_or(|p| len == a.prefix_len && a.covers(p))
        };
        match self.net_devices[dev].addresses.iter().position(wanted) {
            Some(at) => {
                self.remove_address(dev, at);
                Ok(Vec::new())
            }
            None => refuse(Errno::EADDRNOTAVAIL, "ipv4: Address not found"),
        }
    }
}

fn address_message(device: &NetDevice, a: &InterfaceAddress, now: Nanos) -> Value {
    let flags = if a.secondary { SECONDARY } else { 0 } | if a.lifetime.is_none() { PERMANENT } else { 0 };
    let left = |end: Nanos| u32::try_from((end - now).seconds()).unwrap_or(FOREVER);
    let (valid, preferred) = a.lifetime.map_or((FOREVER, FOREVER), |(v, p)| (left(v), left(p)));
    let mut fields = vec![
        ("ifa_family".into(), AF_INET.into()),
        ("ifa_prefixlen".into(), u32::from(a.prefix_len).into()),
        ("ifa_flags".into(), flags.into()),
        ("ifa_scope".into(), u32::from(a.scope).into()),
        ("ifa_index".into(), device.ifindex.into()),
        ("IFA_ADDRESS".into(), a.peer.to_string().as_str().into()),
        ("IFA_LOCAL".into(), a.local.to_string().as_str().into()),
    ];
    fields.extend(a.broadcast.map(|b| ("IFA_BROADCAST".into(), b.to_string().as_str().into())));
    fields.push(("IFA_LABEL".into(), a.label.as_str().into()));
    fields.push(("IFA_CACHEINFO_VALID".into(), valid.into()));
    fields.push(("IFA_CACHEINFO_PREFERRED".into(), preferred.into()));
    Value::Struct(fields)
}
