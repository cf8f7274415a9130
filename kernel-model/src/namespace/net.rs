//! Network namespaces, as in network_namespaces(7): each has devices, addresses and routes of its own.

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;
use crate::net::device::{NetDevice, iff};

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
    pub devices: Vec<NetDevice>,
}

impl NetNamespace {
    /// A new one: nothing but `lo`, switched off.
    pub fn new(ns: NsCommon) -> NetNamespace {
        NetNamespace { ns, devices: vec![NetDevice::loopback()] }
    }

    /// The machine's first one, in which `lo` has been switched on.
    pub fn first(ns: NsCommon) -> NetNamespace {
        let mut first = NetNamespace::new(ns);
        for device in &mut first.devices {
            device.change_flags(device.own_flags | iff::UP);
        }
        first
    }

    /// The device with this number.
    pub fn device(&self, ifindex: u32) -> Option<&NetDevice> {
        self.devices.iter().find(|d| d.ifindex == ifindex)
    }

    /// The device with this name.
    pub fn device_named(&self, name: &str) -> Option<&NetDevice> {
        self.devices.iter().find(|d| d.name == name)
    }

    pub(crate) fn device_mut(&mut self, ifindex: u32) -> Option<&mut NetDevice> {
        self.devices.iter_mut().find(|d| d.ifindex == ifindex)
    }
}
