//! The machine's frames: what each holds, and who owns it.
//!
//! A frame that was never written holds zeros and takes no room. Frames are shared between clones of a machine until
//! one of them writes (copy on write), so a snapshot of memory costs a pointer a frame.
//!
//! Invariants ([`PhysicalMemory::check`]):
//! 1. A free frame holds nothing.
//! 2. The list of free frames names exactly the frames without an owner.

use std::collections::BTreeSet;
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

/// The memory of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PhysicalMemory {
    frames: Vec<Frame>,
    free: BTreeSet<Hfn>,
}

impl PhysicalMemory {
    /// A memory of `frames` frames, all zero and all free.
    pub fn new(frames: u64) -> Self {
        PhysicalMemory { frames: vec![Frame::default(); frames as usize], free: (0..frames).map(Hfn).collect() }
    }

    /// Number of frames.
    pub fn len(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Whether there is no memory at all.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Number of frames that nobody owns.
    pub fn free_frames(&self) -> u64 {
        self.free.len() as u64
    }

    /// Gives the lowest free frame, zeroed, to `owner`; `None` when memory is used up.
    pub fn allocate(&mut self, owner: Owner) -> Option<Hfn> {
        let frame = self.free.pop_first()?;
        self.frames[frame.0 as usize] = Frame { owner, page: None };
        Some(frame)
    }

    /// Gives `owner` the lowest run of `count` free frames that begins at a multiple of `count`: the backing of a
    /// large page. `count` is a power of two.
    pub fn allocate_block(&mut self, count: u64, owner: Owner) -> Option<Hfn> {
        debug_assert!(count.is_power_of_two());
        let first = (0..self.len() / count)
            .map(|block| Hfn(block * count))
            .find(|first| self.free.range(*first..Hfn(first.0 + count)).count() as u64 == count)?;
        for frame in first.0..first.0 + count {
            self.free.remove(&Hfn(frame));
            self.frames[frame as usize] = Frame { owner, page: None };
        }
        Some(first)
    }

    /// Takes a frame from its owner; its content is gone. A free frame stays free.
    pub fn release(&mut self, frame: Hfn) {
        if let Some(slot) = self.frames.get_mut(frame.0 as usize) {
            *slot = Frame::default();
            self.free.insert(frame);
        }
    }

    /// Who owns a frame; a frame beyond the end of memory is nobody's.
    pub fn owner(&self, frame: Hfn) -> Owner {
        self.frames.get(frame.0 as usize).map_or(Owner::Free, |slot| slot.owner)
    }

    /// Hands a frame with its content to another owner, as ballooning and page flipping do.
    pub fn give(&mut self, frame: Hfn, owner: Owner) {
        if owner == Owner::Free {
            return self.release(frame);
        }
        if let Some(slot) = self.frames.get_mut(frame.0 as usize) {
            slot.owner = owner;
            self.free.remove(&frame);
        }
    }

    /// All frames that have an owner, in their order.
    pub fn owned(&self) -> impl Iterator<Item = (Hfn, Owner)> + '_ {
        self.frames.iter().enumerate().filter(|(_, f)| f.owner != Owner::Free).map(|(at, f)| (Hfn(at as u64), f.owner))
    }

    /// Reads the aligned eight bytes that hold `at`. Where there is no memory nobody drives the bus: all ones.
    #[inline]
    pub fn read_u64(&self, at: Hpa) -> u64 {
        match self.frames.get((at.0 >> PAGE_SHIFT) as usize) {
            Some(Frame { page: Some(page), .. }) => page.0[(at.0 >> 3) as usize % WORDS],
            Some(_) => 0,
            None => u64::MAX,
        }
    }

    /// Writes the aligned eight bytes that hold `at`. Where there is no memory nothing happens.
    #[inline]
    pub fn write_u64(&mut self, at: Hpa, value: u64) {
        if let Some(frame) = self.frames.get_mut((at.0 >> PAGE_SHIFT) as usize) {
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
        for (at, frame) in self.frames.iter().enumerate() {
            let free = frame.owner == Owner::Free;
            if free && frame.page.is_some() {
                return Err(format!("frame {at:#x} is free and holds something"));
            }
            if free != self.free.contains(&Hfn(at as u64)) {
                return Err(format!("frame {at:#x}: its owner and the list of free frames disagree"));
            }
        }
        Ok(())
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
