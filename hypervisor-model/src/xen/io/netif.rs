//! The network interface: two rings, one for each direction. Source: `xen/include/public/io/netif.h`.
//!
//! ```text
//!   tx request   0 gref u32 | 4 offset u16 | 6 flags u16 | 8 id u16 | 10 size u16      12 bytes, 256 entries
//!   tx response  0 id u16 | 2 status i16
//!   rx request   0 id u16 | 4 gref u32                                                  8 bytes, 256 entries
//!   rx response  0 id u16 | 2 offset u16 | 4 flags u16 | 6 status i16: bytes, or an error
//! ```
//!
//! A packet that is longer than a page has several entries, all but the last with [`MORE_DATA`]. The size in the first entry of
//! one that is sent is that of the whole packet.

use serde::{Deserialize, Serialize};

use super::ring::RingShape;
use crate::memory::{Hpa, PhysicalMemory};

/// The ring for what the guest sends.
pub const TX: RingShape = RingShape { entry: 12 };
/// The ring for what the guest receives.
pub const RX: RingShape = RingShape { entry: 8 };

/// `NETTXF_more_data`, `NETRXF_more_data`: the next entry goes on with the packet.
pub const MORE_DATA: u16 = 4;

/// Entries that a packet has at most (`XEN_NETIF_NR_SLOTS_MIN`): 64 KiB and a page that is not full at either end.
pub const SLOTS_MAX: usize = 18;

/// `NETIF_RSP_OKAY`.
pub const OKAY: i16 = 0;
/// `NETIF_RSP_ERROR`.
pub const ERROR: i16 = -1;
/// `NETIF_RSP_DROPPED`.
pub const DROPPED: i16 = -2;

/// A packet that the guest sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct TxRequest {
    /// The page.
    pub gref: u32,
    /// Where in it.
    pub offset: u16,
    /// `NETTXF_...`.
    pub flags: u16,
    /// By which the response is known.
    pub id: u16,
    /// Bytes.
    pub size: u16,
}

impl TxRequest {
    /// Puts it into an entry.
    pub fn put(&self, memory: &mut PhysicalMemory, at: Hpa) {
        memory.write(at, 4, self.gref.into());
        for (offset, value) in [(4, self.offset), (6, self.flags), (8, self.id), (10, self.size)] {
            memory.write(at.plus(offset), 2, value.into());
        }
    }

    /// Takes it out of an entry.
    pub fn get(memory: &PhysicalMemory, at: Hpa) -> TxRequest {
        let half = |offset| memory.read(at.plus(offset), 2) as u16;
        let gref = memory.read(at, 4) as u32;
        TxRequest { gref, offset: half(4), flags: half(6), id: half(8), size: half(10) }
    }
}

/// A page into which the guest wants to receive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RxRequest {
    /// By which the response is known.
    pub id: u16,
    /// The page.
    pub gref: u32,
}

impl RxRequest {
    /// Puts it into an entry.
    pub fn put(&self, memory: &mut PhysicalMemory, at: Hpa) {
        memory.write(at, 2, self.id.into());
        memory.write(at.plus(4), 4, self.gref.into());
    }

    /// Takes it out of an entry.
    pub fn get(memory: &PhysicalMemory, at: Hpa) -> RxRequest {
        RxRequest { id: memory.read(at, 2) as u16, gref: memory.read(at.plus(4), 4) as u32 }
    }
}

/// A response of either ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Response {
    /// The request's.
    pub id: u16,
    /// `NETRXF_...`; of what was sent there are none.
    pub flags: u16,
    /// How it ended; for what was received, how many bytes.
    pub status: i16,
}

impl Response {
    /// Puts it into an entry of the ring for sending, or for receiving.
    pub fn put(&self, memory: &mut PhysicalMemory, at: Hpa, shape: RingShape) {
        memory.write(at, 2, self.id.into());
        if shape == RX {
            memory.write(at.plus(4), 2, self.flags.into());
        }
        memory.write(at.plus(if shape == TX { 2 } else { 6 }), 2, self.status as u16 as u64);
    }

    /// Takes it out of an entry.
    pub fn get(memory: &PhysicalMemory, at: Hpa, shape: RingShape) -> Response {
        let half = |offset| memory.read(at.plus(offset), 2) as u16;
        let (flags, status) = if shape == TX { (0, half(2)) } else { (half(4), half(6)) };
        Response { id: half(0), flags, status: status as i16 }
    }
}
