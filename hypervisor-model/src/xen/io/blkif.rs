//! The block interface: requests and responses on its ring. Source: `xen/include/public/io/blkif.h`, layout of 64 bit.
//!
//! ```text
//!   request   0 operation u8 | 1 nr_segments u8 | 2 handle u16 | 8 id u64 | 16 sector u64 | 24 segments, 11 of 8 bytes
//!   segment   0 gref u32 | 4 first_sect u8 | 5 last_sect u8
//!   response  0 id u64 | 8 operation u8 | 10 status i16
//! ```

use serde::{Deserialize, Serialize};

use super::ring::RingShape;
use crate::memory::{Hpa, PhysicalMemory};

/// 112 bytes an entry.
pub const SHAPE: RingShape = RingShape { entry: 112 };
/// Segments of a request; each is at most a page.
pub const MAX_SEGMENTS: usize = 11;
/// Bytes of a sector.
pub const SECTOR: u64 = 512;

/// `BLKIF_OP_READ`.
pub const READ: u8 = 0;
/// `BLKIF_OP_WRITE`.
pub const WRITE: u8 = 1;
/// `BLKIF_OP_WRITE_BARRIER`.
pub const WRITE_BARRIER: u8 = 2;
/// `BLKIF_OP_FLUSH_DISKCACHE`.
pub const FLUSH: u8 = 3;
/// `BLKIF_OP_DISCARD`.
pub const DISCARD: u8 = 5;
/// `BLKIF_OP_INDIRECT`.
pub const INDIRECT: u8 = 6;

/// `BLKIF_RSP_OKAY`.
pub const OKAY: i16 = 0;
/// `BLKIF_RSP_ERROR`.
pub const ERROR: i16 = -1;
/// `BLKIF_RSP_EOPNOTSUPP`.
pub const EOPNOTSUPP: i16 = -2;

/// A part of a request: some sectors of a granted page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// The page.
    pub gref: u32,
    /// The first sector in it.
    pub first: u8,
    /// The last sector in it.
    pub last: u8,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Request {
    /// `BLKIF_OP_...`.
    pub operation: u8,
    /// The number of the disk.
    pub handle: u16,
    /// By which the response is known.
    pub id: u64,
    /// Where on the disk.
    pub sector: u64,
    /// Where in memory.
    pub segments: Vec<Segment>,
}

/// A response.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Response {
    /// The request's.
    pub id: u64,
    /// The request's.
    pub operation: u8,
    /// `BLKIF_RSP_...`.
    pub status: i16,
}

impl Request {
    /// Puts it into an entry.
    pub fn put(&self, memory: &mut PhysicalMemory, at: Hpa) {
        memory.write(at, 1, self.operation.into());
        memory.write(at.plus(1), 1, self.segments.len() as u64);
        memory.write(at.plus(2), 2, self.handle.into());
        memory.write(at.plus(8), 8, self.id);
        memory.write(at.plus(16), 8, self.sector);
        for (n, segment) in self.segments.iter().take(MAX_SEGMENTS).enumerate() {
            let to = at.plus(24 + 8 * n as u64);
            memory.write(to, 4, segment.gref.into());
            memory.write(to.plus(4), 1, segment.first.into());
            memory.write(to.plus(5), 1, segment.last.into());
        }
    }

    /// Takes it out of an entry. A count of segments beyond what there is room for is kept, to be refused.
    pub fn get(memory: &PhysicalMemory, at: Hpa) -> Request {
        let count = memory.read(at.plus(1), 1) as usize;
        let segment = |n: usize| {
            let from = at.plus(24 + 8 * n as u64);
            Segment {
                gref: memory.read(from, 4) as u32,
                first: memory.read(from.plus(4), 1) as u8,
                last: memory.read(from.plus(5), 1) as u8,
            }
        };
        Request {
            operation: memory.read(at, 1) as u8,
            handle: memory.read(at.plus(2), 2) as u16,
            id: memory.read(at.plus(8), 8),
            sector: memory.read(at.plus(16), 8),
            segments: (0..count.min(MAX_SEGMENTS + 1)).map(segment).collect(),
        }
    }
}

impl Response {
    /// Puts it into an entry.
    pub fn put(&self, memory: &mut PhysicalMemory, at: Hpa) {
        memory.write(at, 8, self.id);
        memory.write(at.plus(8), 1, self.operation.into());
        memory.write(at.plus(10), 2, self.status as u16 as u64);
    }

    /// Takes it out of an entry.
    pub fn get(memory: &PhysicalMemory, at: Hpa) -> Response {
        Response {
            id: memory.read(at, 8),
            operation: memory.read(at.plus(8), 1) as u8,
            status: memory.read(at.plus(10), 2) as i16,
        }
    }
}
