//! A page with two rings of bytes, one for each direction: what the console and xenstore use. Indices run free.

use serde::{Deserialize, Serialize};

use crate::memory::{Hfn, PhysicalMemory};

/// One of the two rings: where in the page its bytes begin, how many there are, where its consumer's index is; the producer's
/// follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// Offset of the bytes.
    pub bytes: u64,
    /// How many there are, a power of two.
    pub size: u32,
    /// Offset of the consumer's index.
    pub index: u64,
}

/// The page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ByteRing {
    /// Its frame.
    pub frame: Hfn,
}

impl ByteRing {
    /// Consumer's and producer's index.
    pub fn indices(&self, memory: &PhysicalMemory, way: Way) -> (u32, u32) {
        let at = self.frame.address().plus(way.index);
        (memory.read_u32(at), memory.read_u32(at.plus(4)))
    }

    /// Puts bytes in as far as there is room; how many.
    pub fn produce(&self, memory: &mut PhysicalMemory, way: Way, bytes: &[u8]) -> usize {
        let (consumed, produced) = self.indices(memory, way);
        let room = way.size - produced.wrapping_sub(consumed).min(way.size);
        let taken = &bytes[..bytes.len().min(room as usize)];
        for (index, byte) in (0..).zip(taken) {
            let at = produced.wrapping_add(index) % way.size;
            memory.write_u8(self.frame.address().plus(way.bytes + u64::from(at)), *byte);
        }
        let at = self.frame.address().plus(way.index + 4);
        memory.write_u32(at, produced.wrapping_add(taken.len() as u32));
        taken.len()
    }

    /// Takes everything out. Indices that nobody can have meant give nothing.
    pub fn consume(&self, memory: &mut PhysicalMemory, way: Way) -> Vec<u8> {
        let (consumed, produced) = self.indices(memory, way);
        let count = produced.wrapping_sub(consumed);
        if count > way.size {
            return Vec::new();
        }
        let byte = |index: u32| {
            let at = consumed.wrapping_add(index) % way.size;
            memory.read_u8(self.frame.address().plus(way.bytes + u64::from(at)))
        };
        let bytes = (0..count).map(byte).collect();
        memory.write_u32(self.frame.address().plus(way.index), produced);
        bytes
    }
}
