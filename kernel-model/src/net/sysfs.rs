//! Devices as directories of sysfs (`net/core/net-sysfs.c`): an instance of sysfs shows those of the network namespace
//! in which it was mounted, wherever it is looked at from.
//!
//! `class/net/NAME` leads to `devices/virtual/net/NAME`, whose files say how the device is when they are read. The names
//! are kept up to date by whatever changes devices ([`World::update_net_sysfs`]). Nothing can be set here.

use std::collections::BTreeMap;

use super::device::{ARPHRD_ETHER, ARPHRD_LOOPBACK, NetDevId, NetDevice, if_oper};
use crate::errno::Errno;
use crate::namespace::NsRef;
use crate::namespace::net::NetNsId;
use crate::security::credentials::{Kgid, Kuid};
use crate::vfs::Node;
use crate::vfs::content::Content;
use crate::vfs::fs::FsKind;
use crate::vfs::inode::{DentryId, InodeKind};
use crate::world::World;

/// Attributes of every device, and their permission bits.
const ATTRIBUTES: [(&str, u32); 16] = [
    ("addr_len", 0o444),
    ("address", 0o444),
    ("broadcast", 0o444),
    ("carrier", 0o644),
    ("dormant", 0o444),
    ("flags", 0o644),
    ("ifalias", 0o644),
    ("ifindex", 0o444),
    ("iflink", 0o444),
    ("link_mode", 0o444),
    ("mtu", 0o644),
    ("netdev_group", 0o644),
    ("operstate", 0o444),
    ("tx_queue_len", 0o644),
    ("type", 0o444),
    ("uevent", 0o644),
];

/// What went through it, in the directory `statistics`.
const STATISTICS: [&str; 7] =
    ["multicast", "rx_bytes", "rx_dropped", "rx_packets", "tx_bytes", "tx_dropped", "tx_packets"];

/// The directories below the root of an instance.
const DEVICES: &str = "devices/virtual/net";
const CLASS: &str = "class/net";

impl World {
    /// The names in the instances of a namespace become those that its devices have.
    pub(crate) fn update_net_sysfs(&mut self, net: NetNsId) {
        let is_of = |sb: &crate::vfs::fs::SuperBlock| sb.kind == FsKind::Sysfs && sb.key == Some(NsRef::Net(net));
        let roots: Vec<Node> = self.vfs.supers.iter().filter(|(_, sb)| is_of(sb)).map(|(_, sb)| sb.root).collect();
        for root in roots {
            let Node::Tree(root) = root else { continue };
            let below = |path: &str| path.split('/').try_fold(root, |dir, part| self.child_of(dir, part));
            if let (Some(devices), Some(class)) = (below(DEVICES), below(CLASS)) {
                self.update_instance(net, devices, class);
            }
        }
    }

    fn update_instance(&mut self, net: NetNsId, devices: DentryId, class: DentryId) {
        let wanted: BTreeMap<String, NetDevId> = self.devices_of(net).map(|(id, d)| (d.name.clone(), id)).collect();
        let there: Vec<String> = self.vfs.dentries[devices].children.keys().cloned().collect();
        for name in there.iter().filter(|name| !wanted.contains_key(*name)) {
            for dir in [devices, class] {
                self.remove_sysfs_name(dir, name);
            }
        }
        for (name, dev) in wanted {
            if !there.contains(&name) {
                let is_tap = self.net_devices.get(dev).is_some_and(|d| d.tap().is_some());
                self.add_device_directory(devices, class, &name, is_tap);
            }
            self.update_links(devices, &name, dev);
        }
    }

    /// There is no limit that could be reached in sysfs.
    fn add_sysfs(&mut self, dir: DentryId, name: &str, kind: InodeKind, mode: u32) -> Option<DentryId> {
        self.create_in(dir, name, kind, mode, Kuid::ROOT, Kgid::ROOT).ok()
    }

    fn remove_sysfs_name(&mut self, dir: DentryId, name: &str) {
        let Some(gone) = self.child_of(dir, name) else { return };
        let below: Vec<String> = self.vfs.dentries[gone].children.keys().cloned().collect();
        for name in below {
            self.remove_sysfs_name(gone, &name);
        }
        self.remove_name(gone);
    }

    fn add_device_directory(&mut self, devices: DentryId, class: DentryId, name: &str, is_tap: bool) {
        let file = || InodeKind::Regular(Content::default());
        let Some(dir) = self.add_sysfs(devices, name, InodeKind::Directory, 0o755) else { return };
        for (attribute, mode) in ATTRIBUTES {
            self.add_sysfs(dir, attribute, file(), mode);
        }
        // `tun_dev_group`
        for attribute in ["group", "owner", "tun_flags"].into_iter().filter(|_| is_tap) {
            self.add_sysfs(dir, attribute, file(), 0o444);
        }
        if let Some(statistics) = self.add_sysfs(dir, "statistics", InodeKind::Directory, 0o755) {
            for counter in STATISTICS {
                self.add_sysfs(statistics, counter, file(), 0o444);
            }
        }
        self.add_sysfs(dir, "subsystem", InodeKind::Symlink("../../../../class/net".to_owned()), 0o777);
        self.add_sysfs(class, name, InodeKind::Symlink(format!("../../{DEVICES}/{name}")), 0o777);
    }

    /// A port leads to its bridge, and a bridge to its ports (`br_sysfs_addif`).
    fn update_links(&mut self, devices: DentryId, name: &str, dev: NetDevId) {
        let (Some(dir), Some(device)) = (self.child_of(devices, name), self.net_devices.get(dev)) else { return };
        let name_of = |id: NetDevId| self.net_devices.get(id).map(|d| d.name.clone());
        let master = device.master().and_then(name_of);
        let ports: Option<Vec<String>> =
            device.bridge().map(|b| b.ports.values().copied().filter_map(name_of).collect());
        let link = |to: String| InodeKind::Symlink(to);
        for old in ["master", "brport", "brif"] {
            self.remove_sysfs_name(dir, old);
        }
        if let Some(master) = master {
            self.add_sysfs(dir, "master", link(format!("../{master}")), 0o777);
            if let Some(port) = self.add_sysfs(dir, "brport", InodeKind::Directory, 0o755) {
                self.add_sysfs(port, "bridge", link(format!("../../{master}")), 0o777);
            }
        }
        let brif = ports.as_ref().and_then(|_| self.add_sysfs(dir, "brif", InodeKind::Directory, 0o755));
        for (brif, port) in brif.into_iter().flat_map(|brif| ports.iter().flatten().map(move |port| (brif, port))) {
            self.add_sysfs(brif, port, link(format!("../../{port}/brport")), 0o777);
        }
    }

    /// What a file of a device says. `None` for all other files.
    pub(crate) fn net_attribute(&self, file: DentryId) -> Option<Result<String, Errno>> {
        let dentry = self.vfs.dentries.get(file)?;
        let sb = self.vfs.supers.get(dentry.sb).filter(|sb| sb.kind == FsKind::Sysfs)?;
        let Some(NsRef::Net(net)) = sb.key else { return None };
        let path = self.dentry_path(dentry.sb, Node::Tree(file));
        let (name, attribute) = path.strip_prefix('/')?.strip_prefix(DEVICES)?.strip_prefix('/')?.split_once('/')?;
        // A directory that is still open after its device has gone says nothing any more.
        let Some(dev) = self.device_named(net, name) else { return Some(Err(Errno::ENODEV)) };
        let device = self.net_devices.get(dev)?;
        Some(match attribute.strip_prefix("statistics/") {
            Some(counter) => Ok(format!("{}\n", statistic(device, counter)?)),
            None => self.net_attribute_of(dev, device, attribute)?,
        })
    }

    fn net_attribute_of(&self, dev: NetDevId, device: &NetDevice, attribute: &str) -> Option<Result<String, Errno>> {
        let is_up = device.is_up();
        let text = match attribute {
            "addr_len" => "6".to_owned(),
            "address" => device.mac.to_string(),
            "broadcast" if device.is_loopback() => device.mac.to_string(),
            "broadcast" => "ff:ff:ff:ff:ff:ff".to_owned(),
            "carrier" | "dormant" if !is_up => return Some(Err(Errno::EINVAL)),
            "carrier" => u32::from(self.has_carrier(dev)).to_string(),
            "dormant" | "link_mode" | "netdev_group" => "0".to_owned(),
            "flags" => format!("{:#x}", device.own_flags),
            "ifalias" => return Some(Ok(device.alias.as_ref().map_or_else(String::new, |alias| format!("{alias}\n")))),
            "ifindex" => device.ifindex.to_string(),
            "iflink" => {
                let peer = device.peer().and_then(|peer| self.net_devices.get(peer));
                peer.map_or(device.ifindex, |peer| peer.ifindex).to_string()
            }
            "mtu" => device.mtu.to_string(),
            "operstate" => match self.operstate(dev) {
                if_oper::UNKNOWN => "unknown",
                if_oper::LOWERLAYERDOWN => "lowerlayerdown",
                if_oper::UP => "up",
                _ => "down",
            }
            .to_owned(),
            "tun_flags" => format!("{:#x}", device.tap()?.sysfs_flags()),
            "owner" => device.tap()?.owner.map_or_else(|| "-1".to_owned(), |owner| owner.0.to_string()),
            "group" => device.tap()?.group.map_or_else(|| "-1".to_owned(), |group| group.0.to_string()),
            "tx_queue_len" => device.tx_queue_len.to_string(),
            "type" if device.is_loopback() => ARPHRD_LOOPBACK.to_string(),
            "type" => ARPHRD_ETHER.to_string(),
            "uevent" => {
                let kind = if device.bridge().is_some() { "DEVTYPE=bridge\n" } else { "" };
                format!("{kind}INTERFACE={}\nIFINDEX={}", device.name, device.ifindex)
            }
            _ => return None,
        };
        Some(Ok(text + "\n"))
    }
}

fn statistic(device: &NetDevice, counter: &str) -> Option<u64> {
    let (way, what) = counter.split_once('_').unwrap_or(("rx", counter));
    let traffic = if way == "tx" { &device.sent } else { &device.received };
    match what {
        "bytes" => Some(traffic.bytes),
        "packets" => Some(traffic.packets),
        "dropped" => Some(traffic.dropped),
        "multicast" => Some(traffic.multicast),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::session::Session;
    use crate::world::Config;

    #[test]
    fn an_instance_of_sysfs_shows_the_devices_of_the_namespace_in_which_it_was_mounted() {
        let mut s = Session::new(Config::default());
        assert_eq!(s.line("ls /sys/class/net; cat /sys/class/net/lo/operstate"), "lo\nunknown\n");
        s.line("ip link add v0 type veth peer name v1; ip link add br0 type bridge; ip link set v0 master br0");
        assert_eq!(s.line("ls /sys/class/net"), "br0\nlo\nv0\nv1\n");
        assert_eq!(s.line("ls /sys/class/net/br0/brif; readlink /sys/class/net/v0/master"), "v0\n../br0\n");
        assert_eq!(
            s.line("cd /sys/class/net/v0; cat carrier; cat mtu operstate flags statistics/rx_bytes; cd /"),
            "cat: carrier: Invalid argument\n1500\ndown\n0x1002\n0\n"
        );
        s.line("ip netns add red; ip link set v1 netns red; ip link set v0 name left; ip link del br0");
        assert_eq!(s.line("ls /sys/class/net; ls /sys/class/net/left/master 2>&1 | wc -l"), "left\nlo\n1\n");
        assert_eq!(s.line("unshare -n ls /sys/class/net"), "left\nlo\n");
        assert_eq!(s.line("ip netns exec red ls /sys/class/net"), "lo\nv1\n");
        assert_eq!(s.line("unshare -nm sh -c 'mount -t sysfs s /sys; cat /sys/class/net/lo/operstate'"), "down\n");
        s.line("ip netns del red");
        assert_eq!(s.line("ls /sys/class/net"), "lo\n");
    }
}
