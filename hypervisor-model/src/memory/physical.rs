//! The machine's frames: what each holds, and who owns it.
//!
//! A frame that was never written holds zeros and takes no room. Frames lie in chunks of [`CHUNK`]; chunks and contents
//! are shared between clones of a machine until one of them writes (copy on write), so a snapshot of memory costs a
//! pointer a chunk.
//!
//! Invariants ([`PhysicalMemory::check`]):
//! 1. A free frame holds nothing.
//! 2. The list of free frames names exactly the frames without an owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Hfn, Hpa, PAGE_SHIFT};

/// Eight-byte words in a frame.
const WORDS: usize = 512;

/// A virtual machine, as the owner of frames.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct GuestId(pub u32);

/// Who owns a frame of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Owner {
    /// Nobody: it can be had.
    #[default]
    Free,
    /// The kernel or hypervisor that owns the machine, for itself.
    Host,
    /// A page table of the host's own.
    HostTable,
    /// The memory of a guest.
    Guest(GuestId),
    /// A page table that a hypervisor made for a guest and that the processor walks instead of the guest's own.
    ShadowTable(GuestId),
    /// A page table of the second dimension: EPT or NPT.
    NestedTable(GuestId),
    /// A structure that a hypervisor shares with the processor for a guest: VMCS, VMCB, PML buffer, bitmap.
    Control(GuestId),
}

/// What a frame holds.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Page([u64; WORDS]);

impl Page {
    const ZERO: Page = Page([0; WORDS]);
}

// Most words are zero in most frames: what is not is written with its place.
impl Serialize for Page {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let words: Vec<(u16, u64)> =
            self.0.iter().enumerate().filter(|(_, word)| **word != 0).map(|(at, word)| (at as u16, *word)).collect();
        words.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut page = Page::ZERO;
        for (at, word) in Vec::<(u16, u64)>::deserialize(deserializer)? {
            page.0[at as usize % WORDS] = word;
        }
        Ok(page)
    }
}

/// A frame: its owner, and its content unless that is all zeros.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Frame {
    owner: Owner,
    page: Option<Arc<Page>>,
}

/// Frames in a chunk.
const CHUNK: usize = 512;

/// The memory of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PhysicalMemory {
    chunks: Vec<Arc<Vec<Frame>>>,
    len: u64,
    /// Runs of free frames: how many by the first.
    free: BTreeMap<u64, u64>,
}

impl PhysicalMemory {
    /// A memory of `frames` frames, all zero and all free.
    pub fn new(frames: u64) -> Self {
        let whole = Arc::new(vec![Frame::default(); CHUNK]);
        let mut chunks = vec![whole; frames as usize / CHUNK];
        if !(frames as usize).is_multiple_of(CHUNK) {
            chunks.push(Arc::new(vec![Frame::default(); frames as usize % CHUNK]));
        }
        let free = if frames > 0 { BTreeMap::from([(0, frames)]) } else { BTreeMap::new() };
        PhysicalMemory { chunks, len: frames, free }
    }

    /// Number of frames.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no memory at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of frames that nobody owns.
    pub fn free_frames(&self) -> u64 {
        self.free.values().sum()
    }

    #[inline]
    fn frame(&self, at: u64) -> Option<&Frame> {
        self.chunks.get(at as usize / CHUNK)?.get(at as usize % CHUNK)
    }

    #[inline]
    fn frame_mut(&mut self, at: u64) -> Option<&mut Frame> {
        Arc::make_mut(self.chunks.get_mut(at as usize / CHUNK)?).get_mut(at as usize % CHUNK)
    }

    /// Gives the lowest free frame, zeroed, to `owner`; `None` when memory is used up.
    pub fn allocate(&mut self, owner: Owner) -> Option<Hfn> {
        let (first, count) = self.free.pop_first()?;
        if count > 1 {
            self.free.insert(first + 1, count - 1);
        }
        self.set_owner(first, 1, owner);
        Some(Hfn(first))
    }

    /// Gives `owner` the lowest run of `count` free frames that begins at a multiple of `count`: the backing of a
    /// large page. `count` is a power of two.
    pub fn allocate_block(&mut self, count: u64, owner: Owner) -> Option<Hfn> {
        debug_assert!(count.is_power_of_two());
        let fits = |(first, length): (&u64, &u64)| {
            let at = first.next_multiple_of(count);
            (at + count <= first + length).then_some((*first, *length, at))
        };
        let (first, length, at) = self.free.iter().find_map(fits)?;
        self.free.remove(&first);
        if at > first {
            self.free.insert(first, at - first);
        }
        if at + count < first + length {
            self.free.insert(at + count, first + length - at - count);
        }
        self.set_owner(at, count, owner);
        Some(Hfn(at))
    }

    /// Zeroed frames for an owner. Whole chunks of them are one chunk.
    fn set_owner(&mut self, first: u64, count: u64, owner: Owner) {
        let whole = (count >= CHUNK as u64).then(|| Arc::new(vec![Frame { owner, page: None }; CHUNK]));
        let mut at = first;
        while at < first + count {
            let is_whole = (at as usize).is_multiple_of(CHUNK) && at + CHUNK as u64 <= first + count;
            if let (true, Some(whole), Some(chunk)) = (is_whole, &whole, self.chunks.get_mut(at as usize / CHUNK)) {
                *chunk = Arc::clone(whole);
                at += CHUNK as u64;
            } else {
                if let Some(frame) = self.frame_mut(at) {
                    *frame = Frame { owner, page: None };
                }
                at += 1;
            }
        }
    }

    /// A frame is free: the runs around it become one.
    fn set_free(&mut self, at: u64) {
        let before = self.free.range(..=at).next_back().map(|(first, count)| (*first, *count));
        let (mut first, mut count) = (at, 1);
        if let Some((start, length)) = before {
            if start + length > at {
                return;
            }
            if start + length == at {
                (first, count) = (start, length + 1);
            }
        }
        if let Some(after) = self.free.remove(&(at + 1)) {
            count += after;
        }
        self.free.insert(first, count);
    }

    fn take_from_free(&mut self, at: u64) {
        let Some((first, count)) = self.free.range(..=at).next_back().map(|(first, count)| (*first, *count)) else {
            return;
        };
        if first + count <= at {
            return;
        }
        self.free.remove(&first);
        if at > first {
            self.free.insert(first, at - first);
        }
        if at + 1 < first + count {
            self.free.insert(at + 1, first + count - at - 1);
        }
    }

    /// Takes a frame from its owner; its content is gone. A free frame stays free.
    pub fn release(&mut self, frame: Hfn) {
        if let Some(slot) = self.frame_mut(frame.0) {
            *slot = Frame::default();
            self.set_free(frame.0);
        }
    }

    /// Who owns a frame; a frame beyond the end of memory is nobody's.
    pub fn owner(&self, frame: Hfn) -> Owner {
        self.frame(frame.0).map_or(Owner::Free, |slot| slot.owner)
    }

    /// Hands a frame with its content to another owner, as ballooning and page flipping do.
    pub fn give(&mut self, frame: Hfn, owner: Owner) {
        if owner == Owner::Free {
            return self.release(frame);
        }
        if let Some(slot) = self.frame_mut(frame.0) {
            slot.owner = owner;
            self.take_from_free(frame.0);
        }
    }

    /// All frames that have an owner, in their order.
    pub fn owned(&self) -> impl Iterator<Item = (Hfn, Owner)> + '_ {
        self.all().filter(|(_, f)| f.owner != Owner::Free).map(|(at, f)| (Hfn(at), f.owner))
    }

    /// How many frames each owner has.
    pub fn owners(&self) -> impl Iterator<Item = (Owner, u64)> + '_ {
        self.chunks.iter().flat_map(|chunk| {
            let mut counts = std::collections::BTreeMap::new();
            match (chunk.first(), chunk.iter().all(|f| Some(f.owner) == chunk.first().map(|f| f.owner))) {
                (Some(first), true) => {
                    counts.insert(first.owner, chunk.len() as u64);
                }
                _ => chunk.iter().for_each(|f| *counts.entry(f.owner).or_default() += 1),
            }
            counts
        })
    }

    /// Of the run of [`CHUNK`] frames that a frame is in: who owns most of them, and how many hold something.
    pub fn chunk_use(&self, frame: Hfn) -> (Owner, u64) {
        let Some(chunk) = self.chunks.get(frame.0 as usize / CHUNK) else { return (Owner::Free, 0) };
        let mut counts: Vec<(Owner, u64)> = Vec::new();
        for frame in chunk.iter() {
            match counts.iter_mut().find(|(owner, _)| *owner == frame.owner) {
                Some((_, count)) => *count += 1,
                None => counts.push((frame.owner, 1)),
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map_or(Owner::Free, |(owner, _)| owner);
        (most, chunk.iter().filter(|f| f.page.is_some()).count() as u64)
    }

    /// Whether this memory and another one have a run of frames in common, unwritten since one was copied from the other.
    pub fn shares_chunk(&self, other: &PhysicalMemory, frame: Hfn) -> bool {
        let at = frame.0 as usize / CHUNK;
        match (self.chunks.get(at), other.chunks.get(at)) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    fn all(&self) -> impl Iterator<Item = (u64, &Frame)> {
        (0..).zip(self.chunks.iter().flat_map(|chunk| chunk.iter()))
    }

    /// Whether a frame holds anything but zeros.
    pub fn is_used(&self, frame: Hfn) -> bool {
        self.frame(frame.0).is_some_and(|f| f.page.is_some())
    }

    /// Reads the aligned eight bytes that hold `at`. Where there is no memory nobody drives the bus: all ones.
    #[inline]
    pub fn read_u64(&self, at: Hpa) -> u64 {
        match self.frame(at.0 >> PAGE_SHIFT) {
            Some(Frame { page: Some(page), .. }) => page.0[(at.0 >> 3) as usize % WORDS],
            Some(_) => 0,
            None => u64::MAX,
        }
    }

    /// Writes the aligned eight bytes that hold `at`. Where there is no memory nothing happens.
    #[inline]
    pub fn write_u64(&mut self, at: Hpa, value: u64) {
        if let Some(frame) = self.frame_mut(at.0 >> PAGE_SHIFT) {
            if frame.page.is_none() && value == 0 {
                return;
            }
            let page = frame.page.get_or_insert_with(|| Arc::new(Page::ZERO));
            Arc::make_mut(page).0[(at.0 >> 3) as usize % WORDS] = value;
        }
    }

    /// Reads the aligned four bytes that hold `at`.
    #[inline]
    pub fn read_u32(&self, at: Hpa) -> u32 {
        (self.read_u64(at) >> (8 * (at.0 & 4))) as u32
    }

    /// Writes the aligned four bytes that hold `at`.
    #[inline]
    pub fn write_u32(&mut self, at: Hpa, value: u32) {
        let shift = 8 * (at.0 & 4);
        let word = self.read_u64(at) & !(0xffff_ffff << shift);
        self.write_u64(at, word | u64::from(value) << shift);
    }

    /// Reads one byte.
    pub fn read_u8(&self, at: Hpa) -> u8 {
        (self.read_u64(at) >> (8 * (at.0 & 7))) as u8
    }

    /// Writes one byte.
    pub fn write_u8(&mut self, at: Hpa, value: u8) {
        let shift = 8 * (at.0 & 7);
        let word = self.read_u64(at) & !(0xff << shift);
        self.write_u64(at, word | u64::from(value) << shift);
    }

    /// Bytes from an address on.
    pub fn read_bytes(&self, at: Hpa, count: u64) -> Vec<u8> {
        (0..count).map(|offset| self.read_u8(at.plus(offset))).collect()
    }

    /// Writes bytes from an address on.
    pub fn write_bytes(&mut self, at: Hpa, bytes: &[u8]) {
        for (offset, byte) in (0..).zip(bytes) {
            self.write_u8(at.plus(offset), *byte);
        }
    }

    /// Reads `size` bytes (at most 8, aligned or not) as a little-endian number.
    pub fn read(&self, at: Hpa, size: u8) -> u64 {
        (0..u64::from(size.min(8))).fold(0, |sum, i| sum | u64::from(self.read_u8(at.plus(i))) << (8 * i))
    }

    /// Writes the lowest `size` bytes (at most 8) of `value`, little-endian.
    pub fn write(&mut self, at: Hpa, size: u8, value: u64) {
        for i in 0..u64::from(size.min(8)) {
            self.write_u8(at.plus(i), (value >> (8 * i)) as u8);
        }
    }

    /// What must always hold; the text says what does not.
    pub fn check(&self) -> Result<(), String> {
        let mut runs = BTreeMap::new();
        for (at, frame) in self.all() {
            let free = frame.owner == Owner::Free;
            if free && frame.page.is_some() {
                return Err(format!("frame {at:#x} is free and holds something"));
            }
            if free {
                match runs.last_entry() {
                    Some(mut run) if *run.key() + *run.get() == at => *run.get_mut() += 1,
                    _ => {
                        runs.insert(at, 1);
                    }
                }
            }
        }
        if runs != self.free { Err("owners and the list of free frames disagree".to_owned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_had_once_and_comes_back_empty() {
        let mut memory = PhysicalMemory::new(2);
        let first = memory.allocate(Owner::Host).expect("two are free");
        memory.write_u64(first.address().plus(8), 7);
        assert_eq!(memory.allocate(Owner::Host), Some(Hfn(1)));
        assert_eq!(memory.allocate(Owner::Host), None);
        memory.release(first);
        assert_eq!(memory.allocate(Owner::Guest(GuestId(1))), Some(first));
        assert_eq!(memory.read_u64(first.address().plus(8)), 0);
        assert_eq!(memory.check(), Ok(()));
    }

    #[test]
    fn a_block_is_aligned_to_its_size() {
        let mut memory = PhysicalMemory::new(64);
        memory.allocate(Owner::Host);
        assert_eq!(memory.allocate_block(16, Owner::Host), Some(Hfn(16)));
        assert_eq!(memory.allocate_block(64, Owner::Host), None);
    }

    #[test]
    fn clones_share_until_one_writes() {
        let mut memory = PhysicalMemory::new(1);
        memory.write_u64(Hpa(0), 1);
        let before = memory.clone();
        memory.write_u8(Hpa(7), 0x80);
        assert_eq!(before.read_u64(Hpa(0)), 1);
        assert_eq!(memory.read_u64(Hpa(0)), 0x8000_0000_0000_0001);
        assert_eq!(memory.read_u32(Hpa(4)), 0x8000_0000);
    }

    #[test]
    fn where_there_is_no_memory_reads_give_ones() {
        let mut memory = PhysicalMemory::new(1);
        memory.write_u64(Hpa(0x5000), 1);
        assert_eq!(memory.read_u64(Hpa(0x5000)), u64::MAX);
    }
}
