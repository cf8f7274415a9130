//! Interrupts from the machine: what it has to say to a kernel that did not ask.

use std::sync::Arc;

use crate::block::{BioId, Direction, DiskId};
use crate::net::mac::Mac;
use crate::net::packet::Frame;

use super::Port;

/// Something that the machine wants a kernel to know. The kernel takes it at the beginning of its next turn.
#[derive(Clone, PartialEq, Debug)]
pub enum Interrupt {
    /// What calls to a device sleep for has happened: [`DeviceAnswer::Sleep`](super::device::DeviceAnswer::Sleep).
    Answer(u64),
    /// A counter of eventfd(2) is signalled: the number that the call to the device named.
    Event(u64),
    /// A disk has read: these bytes are at this place of it.
    DiskData {
        /// The disk.
        disk: DiskId,
        /// The first byte.
        pos: u64,
        /// What is there.
        bytes: Arc<[u8]>,
    },
    /// A disk is done with the request that it works at.
    DiskDone(DiskId),
    /// A frame came in by the cable of a network device.
    Frame(Port, Frame),
    /// Somebody else wants to use a disk of the kernel's through a driver of it that serves others: the answer is
    /// [`PvOps::disk_served`](crate::pv_ops::PvOps::disk_served) with the same cookie.
    ServeDisk {
        /// By which the answer is known.
        cookie: u64,
        /// The disk, by its numbers.
        dev: (u32, u32),
        /// What is wanted.
        what: DiskService,
    },
    /// There is a disk that was not there: its name below `/dev`, its numbers, its bytes, and where its requests go.
    Disk {
        /// Its name below `/dev`.
        name: String,
        /// Major and minor number.
        dev: (u32, u32),
        /// Its size in bytes.
        size: u64,
        /// Where its requests go.
        port: Port,
    },
    /// There is a network device that was not there.
    NetDevice {
        /// Its name.
        name: String,
        /// Its Ethernet address.
        mac: Mac,
        /// Its driver, as `ethtool -i` would say: `virtio_net`, `vif`, `tun`.
        driver: &'static str,
        /// Where its frames go.
        port: Port,
    },
    /// A balloon holds so many bytes of the kernel's memory now.
    Balloon(u64),
    /// A network device is gone.
    NetDeviceGone(Port),
}

/// What somebody else wants of a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskService {
    /// Its size.
    Open,
    /// So many bytes from this one on; 0 for emptying its cache.
    Read(u64, u64),
    /// To write these bytes from this one on.
    Write(u64, Arc<[u8]>),
}

/// How that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskServed {
    /// Its size in bytes.
    Size(u64),
    /// What was read; nothing if it was written.
    Done(Vec<u8>),
    /// There is no such disk, or no such place on it.
    Failed,
}

/// A request to a disk that the machine serves: from the front-end driver to whatever is at its other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskRequest {
    /// Where to.
    pub port: Port,
    /// The disk, for [`Interrupt::DiskDone`].
    pub disk: DiskId,
    /// The request.
    pub bio: BioId,
    /// In which direction.
    pub direction: Direction,
    /// How much; 0 for emptying caches.
    pub bytes: u64,
    /// From which byte of the disk on.
    pub pos: u64,
    /// What is written.
    pub data: Arc<[u8]>,
}
