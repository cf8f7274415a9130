//! `/proc/sys/net/ipv4/conf`: how IPv4 treats each device, as in ip(7). A namespace has the settings of `all` and of
//! `default`; a new device gets a copy of `default`. Only some are acted upon; the others are kept and shown.

use serde::{Deserialize, Serialize};

use super::device::NetDevId;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::world::World;

/// Whose settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ConfTarget {
    /// `conf/all`.
    All,
    /// `conf/default`.
    Default,
    /// `conf/NAME`.
    Device(NetDevId),
}

/// The settings and what they are at first, in the order of their directory.
pub const SETTINGS: [(&str, i32); 33] = [
    ("accept_local", 0),
    ("accept_redirects", 1),
    ("accept_source_route", 1),
    ("arp_accept", 0),
    ("arp_announce", 0),
    ("arp_evict_nocarrier", 1),
    ("arp_filter", 0),
    ("arp_ignore", 0),
    ("arp_notify", 0),
    ("bc_forwarding", 0),
    ("bootp_relay", 0),
    ("disable_policy", 0),
    ("disable_xfrm", 0),
    ("drop_gratuitous_arp", 0),
    ("drop_unicast_in_l2_multicast", 0),
    ("force_igmp_version", 0),
    ("forwarding", 0),
    ("igmpv2_unsolicited_report_interval", 10_000),
    ("igmpv3_unsolicited_report_interval", 1000),
    ("ignore_routes_with_linkdown", 0),
    ("log_martians", 0),
    ("mc_forwarding", 0),
    ("medium_id", 0),
    ("promote_secondaries", 0),
    ("proxy_arp", 0),
    ("proxy_arp_pvlan", 0),
    ("route_localnet", 0),
    ("rp_filter", 0),
    ("secure_redirects", 1),
    ("send_redirects", 1),
    ("shared_media", 1),
    ("src_valid_mark", 0),
    ("tag", 0),
];

/// The place of a setting in [`SETTINGS`].
pub fn setting(name: &str) -> Option<u16> {
    SETTINGS.iter().position(|(n, _)| *n == name).map(|i| i as u16)
}

impl World {
    /// A setting as it is kept.
    pub fn conf_value(&self, net: NetNsId, target: ConfTarget, which: u16) -> i32 {
        let first = SETTINGS.get(usize::from(which)).map_or(0, |(_, first)| *first);
        let kept = self.net_namespaces.get(net).and_then(|n| n.conf.get(&(target, which)));
        kept.copied().unwrap_or(first)
    }

    /// A setting of a device as it counts: that of the device or that of `all`, whichever is greater; forwarding
    /// is the device's alone (`IN_DEV_MAXCONF`, `IN_DEV_ORCONF`, `IN_DEV_FORWARD`).
    pub(crate) fn conf_setting(&self, dev: NetDevId, name: &str) -> i32 {
        let Some(which) = setting(name) else { return 0 };
        let Some(net) = self.net_devices.get(dev).map(|d| d.net) else { return 0 };
        let own = self.conf_value(net, ConfTarget::Device(dev), which);
        if name == "forwarding" { own } else { own.max(self.conf_value(net, ConfTarget::All, which)) }
    }

    /// Whether packets may go on from one device to another (`ip_forward`).
    pub fn forwards(&self, net: NetNsId) -> bool {
        setting("forwarding").is_some_and(|f| self.conf_value(net, ConfTarget::All, f) != 0)
    }

    /// A new device starts with the settings of `default`.
    pub(crate) fn init_device_settings(&mut self, dev: NetDevId) {
        let Some(net) = self.net_devices.get(dev).map(|d| d.net) else { return };
        let defaults: Vec<(u16, i32)> = self.net_namespaces[net]
            .conf
            .iter()
            .filter(|((target, _), _)| *target == ConfTarget::Default)
            .map(|((_, which), value)| (*which, *value))
            .collect();
        for (which, value) in defaults {
            self.net_namespaces[net].conf.insert((ConfTarget::Device(dev), which), value);
        }
    }
}

impl Kernel<'_> {
    /// Changes a setting. Forwarding of `all` sets that of every device and of `default` (`inet_forward_change`).
    ///
    /// # Errors
    /// EINVAL for what is no number.
    pub(crate) fn set_conf(&mut self, net: NetNsId, target: ConfTarget, which: u16, text: &str) -> Result<(), Errno> {
        let value: i32 = text.trim().parse().map_err(|_| Errno::EINVAL)?;
        self.net_namespaces[net].conf.insert((target, which), value);
        if Some(which) == setting("forwarding") && target == ConfTarget::All {
            let devices: Vec<NetDevId> = self.devices_of(net).map(|(id, _)| id).collect();
            let conf = &mut self.net_namespaces[net].conf;
            conf.insert((ConfTarget::Default, which), value);
            for dev in devices {
                conf.insert((ConfTarget::Device(dev), which), value);
            }
            self.emit(EventKind::ForwardingSet { ns: net, on: value != 0 });
        }
        Ok(())
    }

    /// A device leaves its namespace: its settings go.
    pub(crate) fn forget_device_settings(&mut self, dev: NetDevId) {
        let net = self.net_devices[dev].net;
        let conf = &mut self.net_namespaces[net].conf;
        let gone: Vec<(ConfTarget, u16)> =
            conf.keys().filter(|(target, _)| *target == ConfTarget::Device(dev)).copied().collect();
        for key in gone {
            conf.remove(&key);
        }
    }

    /// A namespace is gone: so are the settings that belong to it.
    pub(crate) fn forget_net_settings(&mut self, net: NetNsId) {
        let suffix = format!("@net{net}");
        let gone: Vec<String> = self.sysctls.keys().filter(|k| k.ends_with(&suffix)).cloned().collect();
        for key in gone {
            self.sysctls.remove(&key);
        }
    }
}
