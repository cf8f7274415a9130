//! A machine with Xen, domain 0 and guests whose drivers are connected, without kernels: for tests of what is shown of it.
//!
//! In a session domain 0's tools are programs (`kernel_model::program::xen`), and the guests have kernels
//! ([`crate::machine::xen::host`]).

pub mod boot;
pub mod config;
pub mod create;

use std::collections::BTreeMap;

use super::Xen;
use super::domain::DomId;
use super::driver::Host;
use super::driver::blkback::{BlkBack, MemoryDisk};
use super::driver::blkfront::BlkFront;
use super::driver::netback::NetBack;
use super::driver::netfront::NetFront;
use super::io::xenbus::DeviceId;
use config::DomainConfig;

/// A disk of a guest: the backend is there from the start, the frontend when the guest has loaded its driver.
#[derive(Clone, PartialEq, Debug)]
pub struct Disk {
    /// In the guest.
    pub front: Option<BlkFront>,
    /// In domain 0.
    pub back: BlkBack,
    /// The disk itself.
    pub content: MemoryDisk,
}

/// A network interface of a guest.
#[derive(Clone, PartialEq, Debug)]
pub struct Card {
    /// In the guest.
    pub front: Option<NetFront>,
    /// In domain 0.
    pub back: NetBack,
}

/// Domain 0's ends of what every guest has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DaemonEnds {
    /// xenstored's port and its mappings of the ring.
    pub store: (u32, [u32; 2]),
    /// xenconsoled's port and its mappings of the ring.
    pub console: (u32, [u32; 2]),
}

/// The machine.
#[derive(Clone, PartialEq, Debug)]
pub struct XenSystem {
    /// The hypervisor, the store, the drivers' frames.
    pub host: Host,
    /// Disks.
    pub disks: BTreeMap<DeviceId, Disk>,
    /// Network interfaces.
    pub cards: BTreeMap<DeviceId, Card>,
    /// The daemons' ends, by guest.
    pub daemons: BTreeMap<DomId, DaemonEnds>,
    /// The files from which the guests were made.
    pub configs: BTreeMap<DomId, DomainConfig>,
}

impl XenSystem {
    /// A machine of so many frames, with a domain 0 of so many.
    pub fn new(frames: u64, dom0: u64) -> XenSystem {
        let host = Host::new(Xen::new(frames, boot::XENS_FRAMES));
        let mut system = XenSystem {
            host,
            disks: BTreeMap::new(),
            cards: BTreeMap::new(),
            daemons: BTreeMap::new(),
            configs: BTreeMap::new(),
        };
        system.boot(dom0);
        system
    }

    /// The domain of a name, or of a number as a text.
    pub fn find(&self, name: &str) -> Option<DomId> {
        let by_number = name.parse().ok().map(DomId).filter(|id| self.host.xen.domain(*id).is_some());
        by_number.or_else(|| self.host.xen.domains().map(|d| d.id).find(|id| self.name(*id) == name))
    }

    /// What a domain is called in xenstore (`libxl_domid_to_name`).
    pub fn name(&self, id: DomId) -> String {
        let path = format!("/local/domain/{}/name", id.0);
        self.host.store.read(super::xenstore::Asker::of(DomId::DOM0), &path).unwrap_or_else(|_| "(null)".to_owned())
    }
}
