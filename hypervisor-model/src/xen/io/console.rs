//! The ring of a PV guest's console: two rings of bytes in one page. Source: `xen/include/public/io/console.h`.
//!
//! ```text
//!   in[1024]  out[2048]  in_cons u32  in_prod u32  out_cons u32  out_prod u32
//! ```
//!
//! `out` is what the guest prints, `in` what is typed at it. Indices run free.

use serde::{Deserialize, Serialize};

use crate::memory::{Hfn, PhysicalMemory};

/// One of the two rings: where its bytes begin, how many there are, where its consumer's index is; the producer's follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    bytes: u64,
    size: u32,
    index: u64,
}

/// What is typed at the guest.
pub const IN: Way = Way { bytes: 0, size: 1024, index: 3072 };
/// What it prints.
pub const OUT: Way = Way { bytes: 1024, size: 2048, index: 3080 };

/// The page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ConsoleRing {
    /// Its frame.
    pub frame: Hfn,
}

impl ConsoleRing {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_around_and_a_full_ring_takes_no_more() {
        let mut memory = PhysicalMemory::new(4);
        let ring = ConsoleRing { frame: Hfn(2) };
        assert_eq!(ring.produce(&mut memory, IN, &[b'x'; 1500]), 1024);
        assert_eq!(ring.produce(&mut memory, IN, b"y"), 0);
        assert_eq!(ring.consume(&mut memory, IN).len(), 1024);
        assert_eq!(ring.produce(&mut memory, IN, b"again"), 5);
        assert_eq!(ring.produce(&mut memory, OUT, b"other"), 5);
        assert_eq!((ring.consume(&mut memory, IN), ring.consume(&mut memory, OUT)), (b"again".into(), b"other".into()));
        assert_eq!(ring.indices(&memory, IN), (1029, 1029));
    }
}
