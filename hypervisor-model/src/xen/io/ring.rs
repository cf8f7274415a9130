//! The shared ring: requests one way, responses the other, in one page. Source: `xen/include/public/io/ring.h`.
//!
//! ```text
//!   0 req_prod u32 | 4 req_event u32 | 8 rsp_prod u32 | 12 rsp_event u32 | padding to 64 | entries, a power of two of them
//! ```
//!
//! Requests and responses share the entries: a response goes where a request was, so the frontend never has more requests
//! under way than there are entries. Indices are never reduced, they run on and wrap at 2^32; an entry is found by the index
//! modulo the number of entries.
//!
//! Whoever puts something in tells the other side by event only if it asked for that: `req_event` and `rsp_event` are the
//! index at which one wants to be told. A consumer that finds nothing more moves its threshold to one beyond what it has seen
//! and *looks again*: what came between is not lost (`RING_FINAL_CHECK_FOR_REQUESTS`).

use serde::{Deserialize, Serialize};

use crate::memory::{Hfn, Hpa, PAGE_SIZE, PhysicalMemory};

/// Bytes before the first entry.
pub const HEADER: u64 = 64;

/// The shape of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RingShape {
    /// Bytes of an entry, the larger of request and response.
    pub entry: u64,
}

impl RingShape {
    /// How many entries a page has (`__CONST_RING_SIZE`).
    pub const fn entries(self) -> u32 {
        let room = ((PAGE_SIZE - HEADER) / self.entry) as u32;
        1 << (31 - room.leading_zeros())
    }
}

/// A ring in a shared page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SharedRing {
    /// The page.
    pub frame: Hfn,
    /// Its shape.
    pub shape: RingShape,
}

/// The four indices that both sides see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Indices {
    /// Requests that there are.
    pub req_prod: u32,
    /// At which request the backend wants to be told.
    pub req_event: u32,
    /// Responses that there are.
    pub rsp_prod: u32,
    /// At which response the frontend wants to be told.
    pub rsp_event: u32,
}

/// Which of the two directions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Way {
    /// From the frontend.
    Request,
    /// From the backend.
    Response,
}

impl Way {
    fn producer(self) -> u64 {
        match self {
            Way::Request => 0,
            Way::Response => 8,
        }
    }

    fn event(self) -> u64 {
        self.producer() + 4
    }
}

impl SharedRing {
    fn at(&self, offset: u64) -> Hpa {
        self.frame.address().plus(offset)
    }

    /// Makes it empty: producers 0, events 1 (`SHARED_RING_INIT`).
    pub fn init(&self, memory: &mut PhysicalMemory) {
        for (offset, value) in [(0, 0), (4, 1), (8, 0), (12, 1)] {
            memory.write_u32(self.at(offset), value);
        }
    }

    /// The indices.
    pub fn indices(&self, memory: &PhysicalMemory) -> Indices {
        let word = |offset| memory.read_u32(self.at(offset));
        Indices { req_prod: word(0), req_event: word(4), rsp_prod: word(8), rsp_event: word(12) }
    }

    /// The address of an entry by its index.
    pub fn entry(&self, index: u32) -> Hpa {
        self.at(HEADER + u64::from(index % self.shape.entries()) * self.shape.entry)
    }

    /// Makes what was put in up to `new` visible; whether the other side must be told (`RING_PUSH_..._AND_CHECK_NOTIFY`).
    pub fn push(&self, memory: &mut PhysicalMemory, way: Way, new: u32) -> bool {
        let old = memory.read_u32(self.at(way.producer()));
        memory.write_u32(self.at(way.producer()), new);
        let event = memory.read_u32(self.at(way.event()));
        new.wrapping_sub(event) < new.wrapping_sub(old)
    }

    /// How far the other side has put in.
    pub fn produced(&self, memory: &PhysicalMemory, way: Way) -> u32 {
        memory.read_u32(self.at(way.producer()))
    }

    /// The consumer has seen all up to `consumed`: it asks to be told of the next one, and looks once more; whether there is
    /// more (`RING_FINAL_CHECK_FOR_...`).
    pub fn final_check(&self, memory: &mut PhysicalMemory, way: Way, consumed: u32) -> bool {
        if self.produced(memory, way) != consumed {
            return true;
        }
        memory.write_u32(self.at(way.event()), consumed.wrapping_add(1));
        self.produced(memory, way) != consumed
    }

    /// A consumer that has seen all up to `seen`, and needs more before it can go on, asks to be told of the next one; whether
    /// there is one already (`xenvif_rx_ring_slots_available`).
    pub fn wait_beyond(&self, memory: &mut PhysicalMemory, way: Way, seen: u32) -> bool {
        memory.write_u32(self.at(way.event()), seen.wrapping_add(1));
        self.produced(memory, way) != seen
    }

    /// Whether more requests than entries seem to be under way: a frontend that lies (`RING_REQUEST_PROD_OVERFLOW`).
    pub fn is_overflown(&self, memory: &PhysicalMemory, responded: u32) -> bool {
        self.produced(memory, Way::Request).wrapping_sub(responded) > self.shape.entries()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Owner;
    use crate::xen::io::{blkif, netif};

    fn ring() -> (PhysicalMemory, SharedRing) {
        let mut memory = PhysicalMemory::new(1);
        let frame = memory.allocate(Owner::Host).expect("there is one");
        let ring = SharedRing { frame, shape: blkif::SHAPE };
        ring.init(&mut memory);
        (memory, ring)
    }

    #[test]
    fn rings_have_as_many_entries_as_the_headers_say() {
        assert_eq!([blkif::SHAPE, netif::TX, netif::RX].map(RingShape::entries), [32, 256, 256]);
    }

    #[test]
    fn the_first_request_is_told_and_the_next_ones_only_when_they_were_asked_for() {
        let (mut memory, ring) = ring();
        assert!(ring.push(&mut memory, Way::Request, 1), "req_event is 1 at the start");
        assert!(!ring.push(&mut memory, Way::Request, 2), "the backend has not asked again");
        assert!(ring.final_check(&mut memory, Way::Request, 1), "there is more");
        assert!(!ring.final_check(&mut memory, Way::Request, 2));
        assert!(ring.push(&mut memory, Way::Request, 3));
    }

    #[test]
    fn indices_run_through_the_end_of_their_numbers() {
        let (mut memory, ring) = ring();
        memory.write_u32(ring.frame.address(), u32::MAX);
        memory.write_u32(ring.frame.address().plus(4), 0);
        assert!(ring.push(&mut memory, Way::Request, 1));
        assert_eq!(ring.entry(u32::MAX), ring.entry(31));
        assert!(!ring.is_overflown(&memory, u32::MAX));
        assert!(ring.is_overflown(&memory, 0x8000_0000));
    }
}
