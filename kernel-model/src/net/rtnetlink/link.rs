//! Devices: `RTM_NEWLINK`, `RTM_SETLINK`, `RTM_DELLINK`, `RTM_GETLINK` (`net/core/rtnetlink.c`).

use super::{Answer, Asker, Refusal, Request, nlm, refuse};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::net::device::{
    ARPHRD_ETHER, ARPHRD_LOOPBACK, DeviceKind, NAME_MAX, NetDevId, NetDevice, Traffic, is_valid_name,
};
use crate::net::mac::Mac;
use crate::net::tun::tun_flags;
use crate::syscall::Value;

/// Kinds of devices that a kernel may have and the model does not.
const OTHER_KINDS: [&str; 12] =
    ["vlan", "macvlan", "macvtap", "ipvlan", "vxlan", "ifb", "vrf", "bond", "wireguard", "gre", "ipip", "sit"];

/// What can be asked of a device.
const MODELLED: [&str; 17] = [
    "IFLA_IFNAME",
    "IFLA_ALT_IFNAME",
    "IFLA_EXT_MASK",
    "IFLA_MTU",
    "IFLA_TXQLEN",
    "IFLA_ADDRESS",
    "IFLA_BROADCAST",
    "IFLA_MASTER",
    "IFLA_IFALIAS",
    "IFLA_GROUP",
    "IFLA_NET_NS_PID",
    "IFLA_NET_NS_FD",
    "IFLA_INFO_KIND",
    "IFLA_INFO_PEER",
    "IFLA_INFO_SLAVE",
    "IFLA_NEW_IFINDEX",
    "IFLA_LINK",
];

impl Kernel<'_> {
    pub(super) fn get_link(&mut self, asker: Asker<'_>, asked: Request<'_>) -> Answer {
        let net = asker.net;
        if !asked.is_dump() {
            let dev = self.wanted_device(net, asked).ok_or(Errno::ENODEV)?;
            return Ok(vec![self.link_message(net, dev)]);
        }
        let master = asked.number("IFLA_MASTER").and_then(|index| self.device_at(net, index));
        let kind = asked.text("IFLA_INFO_KIND");
        let wanted =
            |d: &NetDevice| (master.is_none() || d.master() == master) && kind.is_none_or(|k| d.kind.name() == Some(k));
        let devices: Vec<NetDevId> = self.devices_of(net).filter(|(_, d)| wanted(d)).map(|(id, _)| id).collect();
        Ok(devices.into_iter().map(|dev| self.link_message(net, dev)).collect())
    }

    /// What is told of a device (`rtnl_fill_ifinfo`).
    fn link_message(&mut self, net: NetNsId, dev: NetDevId) -> Value {
        let peer = self.net_devices[dev].peer();
        let peer_net = peer.and_then(|p| self.net_devices.get(p)).map(|p| p.net).filter(|p| *p != net);
        let nsid = peer_net.and_then(|other| self.world.nsid_of(net, other));
        let device = &self.net_devices[dev];
        let loopback = device.is_loopback();
        let brd = if loopback { Mac::ZERO } else { Mac::BROADCAST };
        let (min_mtu, max_mtu) = device.mtu_bounds();
        let mut fields = vec![
            ("ifi_family".into(), 0.into()),
            ("ifi_type".into(), if loopback { ARPHRD_LOOPBACK } else { ARPHRD_ETHER }.into()),
            ("ifi_index".into(), device.ifindex.into()),
            ("ifi_flags".into(), self.device_flags(dev).into()),
            ("ifi_change".into(), 0.into()),
            ("IFLA_IFNAME".into(), device.name.as_str().into()),
            ("IFLA_TXQLEN".into(), device.tx_queue_len.into()),
            ("IFLA_OPERSTATE".into(), self.operstate(dev).into()),
            ("IFLA_LINKMODE".into(), 0.into()),
            ("IFLA_MTU".into(), device.mtu.into()),
            ("IFLA_MIN_MTU".into(), min_mtu.into()),
            ("IFLA_MAX_MTU".into(), max_mtu.into()),
            ("IFLA_GROUP".into(), 0.into()),
            ("IFLA_PROMISCUITY".into(), u32::from(device.port.is_some()).into()),
            ("IFLA_QDISC".into(), device.qdisc.as_str().into()),
            ("IFLA_ADDRESS".into(), device.mac.to_string().as_str().into()),
            ("IFLA_BROADCAST".into(), brd.to_string().as_str().into()),
            ("IFLA_RX_STATS".into(), traffic(device.received)),
            ("IFLA_TX_STATS".into(), traffic(device.sent)),
        ];
        if let Some(peer) = peer.and_then(|p| self.net_devices.get(p)) {
            fields.push(("IFLA_LINK".into(), peer.ifindex.into()));
        }
        fields.extend(nsid.map(|id| ("IFLA_LINK_NETNSID".into(), id.into())));
        if let Some(master) = device.master().and_then(|m| self.net_devices.get(m)) {
            fields.push(("IFLA_MASTER".into(), master.ifindex.into()));
        }
        fields.extend(device.alias.as_ref().map(|a| ("IFLA_IFALIAS".into(), a.as_str().into())));
        if !device.altnames.is_empty() {
            fields.push(("IFLA_PROP_LIST".into(), Value::strings(&device.altnames)));
        }
        fields.extend(device.kind.name().map(|k| ("IFLA_INFO_KIND".into(), k.into())));
        if let Some(tap) = device.tap() {
            let has = |flag: u32| i32::from(tap.flags & flag != 0).into();
            fields.push(("IFLA_TUN_PI".into(), i32::from(tap.flags & tun_flags::NO_PI == 0).into()));
            fields.push(("IFLA_TUN_VNET_HDR".into(), has(tun_flags::VNET_HDR)));
            fields.push(("IFLA_TUN_PERSIST".into(), i32::from(tap.is_persistent).into()));
        }
        if let Some(port) = &device.port {
            let slave = Value::record([
                ("IFLA_BRPORT_STATE", if self.port_forwards(dev) { 3 } else { 0 }.into()),
                ("IFLA_BRPORT_NO", u32::from(port.number).into()),
                ("IFLA_BRPORT_MODE", i32::from(port.hairpin).into()),
                ("IFLA_BRPORT_ISOLATED", i32::from(port.isolated).into()),
            ]);
            fields.push(("IFLA_INFO_SLAVE".into(), slave));
        }
        Value::Struct(fields)
    }

    /// Makes a device or changes one (`rtnl_newlink`).
    pub(super) fn new_link(&mut self, asker: Asker<'_>, asked: Request<'_>) -> Answer {
        let net = asker.net;
        for name in ["IFLA_IFNAME", "IFLA_INFO_KIND"] {
            if asked.text(name).is_some_and(|n| n.len() > NAME_MAX) {
                return refuse(Errno::ERANGE, "Attribute failed policy validation");
            }
        }
        if let Value::Struct(fields) = asked.fields
            && let Some((other, _)) = fields.iter().find(|(n, _)| n.starts_with("IFLA_") && !MODELLED.contains(&&**n))
        {
            return Err(self.not_modelled(&format!("{other} of a network device")));
        }
        if let Some(dev) = self.wanted_device(net, asked) {
            if asked.kind == "RTM_NEWLINK" && asked.flags & nlm::EXCL != 0 {
                return Err(Errno::EEXIST.into());
            }
            if asked.flags & nlm::REPLACE != 0 {
                return Err(Errno::EOPNOTSUPP.into());
            }
            return self.set_link(asker, asked, dev);
        }
        if asked.kind != "RTM_NEWLINK" || asked.flags & nlm::CREATE == 0 {
            return Err(Errno::ENODEV.into());
        }
        if asked.int("ifi_index").is_some_and(|i| i < 0) {
            return Err(Errno::EINVAL.into());
        }
        let kind = match asked.text("IFLA_INFO_KIND") {
            Some(kind @ ("veth" | "bridge" | "dummy")) => kind,
            Some("tun") => return refuse(Errno::EOPNOTSUPP, "tun/tap creation via rtnetlink is not supported."),
            Some(kind) if OTHER_KINDS.contains(&kind) => {
                self.not_modelled(&format!("network devices of type {kind}"));
                return refuse(Errno::EOPNOTSUPP, "Unknown device type");
            }
            _ => return refuse(Errno::EOPNOTSUPP, "Unknown device type"),
        };
        self.create_link(asker, asked, kind)
    }

    /// Makes a device (`rtnl_newlink_create`, `veth_newlink`). The other end of a cable comes first.
    fn create_link(&mut self, asker: Asker<'_>, asked: Request<'_>, kind: &str) -> Answer {
        let to = match self.namespace_attr(asker, asked.fields, "") {
            Some(to) => self.permitted(asker, to?)?,
            None => asker.net,
        };
        let prefix = if kind == "bridge" { "bridge" } else { kind };
        if kind != "veth" {
            let name = self.name_for(asked.fields, to, prefix)?;
            let mac = wanted_mac(asked.fields)?;
            let number = asked.number("ifi_index").filter(|i| *i != 0);
            let made = if kind == "bridge" { Self::new_bridge() } else { DeviceKind::Dummy };
            let dev = self.register_device(to, &name, number, made, mac)?;
            self.world.init_device_settings(dev);
            return self.configure_link(asker, asked, dev);
        }
        let empty = Value::Struct(Vec::new());
        let other = asked.fields.field("IFLA_INFO_PEER").unwrap_or(&empty);
        let peer_net = match self.namespace_attr(asker, other, "") {
            Some(peer) => self.permitted(asker, peer?)?,
            None => to,
        };
        let peer_name = self.name_for(other, peer_net, prefix)?;
        let peer_mac = wanted_mac(other)?;
        let mac = wanted_mac(asked.fields)?;
        let number = |v: &Value| v.field("ifi_index").and_then(Value::as_int).and_then(|n| u32::try_from(n).ok());
        let peer_number = number(other).filter(|n| *n != 0);
        let peer =
            self.register_device(peer_net, &peer_name, peer_number, DeviceKind::Veth { peer: None }, peer_mac)?;
        let own_number = number(asked.fields).filter(|n| *n != 0);
        let made = self.name_for(asked.fields, to, prefix).and_then(|name| {
            self.register_device(to, &name, own_number, DeviceKind::Veth { peer: None }, mac).map_err(Refusal::from)
        });
        let dev = match made {
            Ok(dev) => dev,
            Err(refusal) => {
                self.unregister_device(peer);
                return Err(refusal);
            }
        };
        self.join_veth(dev, peer);
        for end in [peer, dev] {
            self.world.init_device_settings(end);
        }
        if let Some(mtu) = other.field("IFLA_MTU").and_then(Value::as_int) {
            self.net_devices[peer].mtu = mtu as u32;
        }
        self.configure_link(asker, asked, dev)
    }

    /// What a new device is to be besides existing (`rtnl_configure_link`).
    fn configure_link(&mut self, asker: Asker<'_>, asked: Request<'_>, dev: NetDevId) -> Answer {
        if let Some(mtu) = asked.number("IFLA_MTU") {
            self.check_mtu(dev, mtu)?;
            self.net_devices[dev].mtu = mtu;
            self.net_devices[dev].mtu_set = true;
        }
        if let Some(len) = asked.number("IFLA_TXQLEN") {
            self.net_devices[dev].tx_queue_len = len;
        }
        self.set_flags(asked, dev);
        if let Some(master) = asked.number("IFLA_MASTER") {
            self.set_master(asker.net, dev, master)?;
        }
        self.link_notify(dev);
        Ok(Vec::new())
    }

    /// The name asked for, if a device can have it and nobody has it; one of the usual pattern when none is.
    fn name_for(&self, fields: &Value, net: NetNsId, prefix: &str) -> Result<String, Refusal> {
        match fields.field("IFLA_IFNAME").and_then(Value::as_str) {
            None => Ok(self.free_device_name(net, prefix)),
            Some(name) if !is_valid_name(name) => Err(Errno::EINVAL.into()),
            Some(name) if self.device_named(net, name).is_some() => Err(Errno::EEXIST.into()),
            Some(name) => Ok(name.to_owned()),
        }
    }

    /// Another namespace can get a device only from who has CAP_NET_ADMIN over it (`rtnl_link_get_net_capable`).
    fn permitted(&mut self, asker: Asker<'_>, net: NetNsId) -> Result<NetNsId, Refusal> {
        if net != asker.net && !self.net_admin(asker, net) { Err(Errno::EPERM.into()) } else { Ok(net) }
    }

    /// Changes a device (`do_setlink`), in the kernel's order: its namespace, its address, its mtu, its name, its flags,
    /// its master.
    fn set_link(&mut self, asker: Asker<'_>, asked: Request<'_>, dev: NetDevId) -> Answer {
        let by_number = asked.number("ifi_index").is_some_and(|i| i != 0);
        let new_name = asked.text("IFLA_IFNAME").filter(|n| by_number && *n != self.net_devices[dev].name);
        if let Some(name) = new_name
            && !is_valid_name(name)
        {
            return Err(Errno::EINVAL.into());
        }
        if let Some(to) = self.namespace_attr(asker, asked.fields, "") {
            let to = self.permitted(asker, to?)?;
            if to != self.net_devices[dev].net && self.net_devices[dev].is_loopback() {
                return refuse(Errno::EINVAL, "The interface netns is immutable");
            }
            let number = asked.number("IFLA_NEW_IFINDEX");
            self.move_device(dev, to, new_name, number)?;
            self.world.init_device_settings(dev);
        } else if let Some(name) = new_name {
            self.rename_device(dev, name)?;
        }
        if let Some(mac) = wanted_mac_checked(asked.fields)? {
            self.set_mac(dev, mac)?;
        }
        if let Some(mtu) = asked.number("IFLA_MTU") {
            self.check_mtu(dev, mtu)?;
            self.net_devices[dev].mtu = mtu;
            self.net_devices[dev].mtu_set = self.net_devices[dev].bridge().is_some();
            if let Some(bridge) = self.net_devices[dev].master() {
                self.bridge_follow_ports(bridge);
            }
        }
        if let Some(alias) = asked.text("IFLA_IFALIAS") {
            if alias.len() >= 256 {
                return Err(Errno::EINVAL.into());
            }
            self.net_devices[dev].alias = Some(alias.to_owned()).filter(|a| !a.is_empty());
        }
        self.set_flags(asked, dev);
        if let Some(len) = asked.number("IFLA_TXQLEN") {
            self.net_devices[dev].tx_queue_len = len;
        }
        if let Some(master) = asked.number("IFLA_MASTER") {
            let net = self.net_devices[dev].net;
            self.set_master(net, dev, master)?;
        }
        if let Some(slave) = asked.fields.field("IFLA_INFO_SLAVE")
            && let Some(port) = &mut self.net_devices[dev].port
        {
            let on = |name: &str| slave.field(name).and_then(Value::as_int).map(|n| n != 0);
            port.hairpin = on("IFLA_BRPORT_MODE").unwrap_or(port.hairpin);
            port.isolated = on("IFLA_BRPORT_ISOLATED").unwrap_or(port.isolated);
        }
        self.link_notify(dev);
        Ok(Vec::new())
    }

    fn set_flags(&mut self, asked: Request<'_>, dev: NetDevId) {
        let (flags, change) = (asked.number("ifi_flags").unwrap_or(0), asked.number("ifi_change").unwrap_or(0));
        if flags != 0 || change != 0 {
            let change = if change == 0 { u32::MAX } else { change };
            let own = self.net_devices[dev].own_flags;
            self.change_device_flags(dev, own & !change | flags & change);
        }
    }

    fn check_mtu(&self, dev: NetDevId, mtu: u32) -> Result<(), Refusal> {
        let (min, max) = self.net_devices[dev].mtu_bounds();
        if mtu < min {
            return refuse(Errno::EINVAL, "mtu less than device minimum");
        }
        if max > 0 && mtu > max {
            return refuse(Errno::EINVAL, "mtu greater than device maximum");
        }
        Ok(())
    }

    fn rename_device(&mut self, dev: NetDevId, name: &str) -> Result<(), Refusal> {
        let net = self.net_devices[dev].net;
        if self.device_named(net, name).is_some() {
            return Err(Errno::EEXIST.into());
        }
        let old = std::mem::replace(&mut self.net_devices[dev].name, name.to_owned());
        for address in &mut self.net_devices[dev].addresses {
            // inetdev_changename: labels follow the name.
            address.label = match address.label.strip_prefix(old.as_str()) {
                Some(suffix) if suffix.is_empty() || suffix.starts_with(':') => format!("{name}{suffix}"),
                _ => name.to_owned(),
            };
        }
        self.update_net_sysfs(net);
        self.emit(EventKind::DeviceRenamed { ns: net, old: old.into(), new: name.into() });
        Ok(())
    }

    fn set_mac(&mut self, dev: NetDevId, mac: Mac) -> Result<(), Refusal> {
        let device = &self.net_devices[dev];
        if device.is_loopback() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if !mac.is_valid() {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        let master = device.master();
        let device = &mut self.net_devices[dev];
        device.mac = mac;
        device.mac_set = true;
        // Others on the link are not told; here nothing is known of them any more (arp_netdev_event).
        self.flush_neighbours(dev, true);
        if let Some(bridge) = master {
            self.bridge_follow_ports(bridge);
        }
        Ok(())
    }

    /// Makes a device a port of a bridge, or of none (`do_set_master`).
    fn set_master(&mut self, net: NetNsId, dev: NetDevId, master: u32) -> Result<(), Refusal> {
        if master == 0 {
            self.remove_bridge_port(dev);
            return Ok(());
        }
        let bridge = self.device_at(net, master).ok_or(Errno::EINVAL)?;
        if self.net_devices[dev].master() == Some(bridge) {
            return Ok(());
        }
        if self.net_devices[bridge].bridge().is_none() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.remove_bridge_port(dev);
        let device = &self.net_devices[dev];
        if device.is_loopback() {
            return Err(Errno::EINVAL.into());
        }
        if device.bridge().is_some() {
            return refuse(Errno::ELOOP, "Can not enslave a bridge to a bridge");
        }
        self.add_bridge_port(bridge, dev);
        Ok(())
    }

    pub(super) fn del_link(&mut self, asker: Asker<'_>, asked: Request<'_>) -> Answer {
        let dev = self.wanted_device(asker.net, asked).ok_or(Errno::ENODEV)?;
        // A device that the namespace was born with cannot be taken away.
        if self.net_devices[dev].is_loopback() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.unregister_device(dev);
        Ok(Vec::new())
    }

    /// Further names (`rtnl_linkprop`).
    pub(super) fn link_property(&mut self, asker: Asker<'_>, asked: Request<'_>) -> Answer {
        let dev = self.wanted_device(asker.net, asked).ok_or(Errno::ENODEV)?;
        let names = asked.fields.field("IFLA_PROP_LIST").and_then(Value::as_list).unwrap_or_default();
        for name in names.iter().filter_map(Value::as_str) {
            let holder = self.device_named(asker.net, name);
            if asked.kind == "RTM_NEWLINKPROP" {
                if holder.is_some() {
                    return Err(Errno::EEXIST.into());
                }
                self.net_devices[dev].altnames.push(name.to_owned());
            } else {
                if !self.net_devices[dev].altnames.iter().any(|n| n == name) {
                    return Err(Errno::ENOENT.into());
                }
                self.net_devices[dev].altnames.retain(|n| n != name);
            }
        }
        Ok(Vec::new())
    }
}

/// The Ethernet address that a new device is to have: one that a device can have.
fn wanted_mac(fields: &Value) -> Result<Option<Mac>, Refusal> {
    match wanted_mac_checked(fields)? {
        Some(mac) if !mac.is_valid() => Err(Errno::EADDRNOTAVAIL.into()),
        mac => Ok(mac),
    }
}

fn wanted_mac_checked(fields: &Value) -> Result<Option<Mac>, Refusal> {
    match fields.field("IFLA_ADDRESS").and_then(Value::as_str) {
        Some(text) => Ok(Some(text.parse().map_err(|()| Errno::EINVAL)?)),
        None => Ok(None),
    }
}

fn traffic(t: Traffic) -> Value {
    Value::record([
        ("packets", t.packets.into()),
        ("bytes", t.bytes.into()),
        ("dropped", t.dropped.into()),
        ("multicast", t.multicast.into()),
    ])
}
