//! Memory slots: which guest-physical addresses are memory, and of which frames of the host
//! (`KVM_SET_USER_MEMORY_REGION`, Documentation/virt/kvm/api.rst).
//!
//! What no slot covers is no memory: an access there is MMIO. A write to a read-only slot is MMIO, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::memory::{Gfn, Hfn};

/// Number of a slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SlotId(pub u32);

/// The private slot of the page at which VT-x watches the local APIC (`APIC_ACCESS_PAGE_PRIVATE_MEMSLOT`).
pub const APIC_ACCESS_PAGE_PRIVATE_MEMSLOT: SlotId = SlotId(510);

/// A memory slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemorySlot {
    /// Its number.
    pub id: SlotId,
    /// The first frame that it covers.
    pub base: Gfn,
    /// The host's frame behind each of its frames.
    pub frames: Arc<[Hfn]>,
    /// `KVM_MEM_READONLY`.
    pub is_readonly: bool,
    /// The frames written since the log was last read, if `KVM_MEM_LOG_DIRTY_PAGES`.
    pub dirty: Option<BTreeSet<Gfn>>,
    /// The largest pages by which the host maps this memory: level 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB.
    pub host_level: u8,
}

impl MemorySlot {
    /// A slot of ordinary memory that the host maps in 4 KiB pages.
    pub fn new(id: SlotId, base: Gfn, frames: Arc<[Hfn]>) -> Self {
        MemorySlot { id, base, frames, is_readonly: false, dirty: None, host_level: 1 }
    }

    /// The frame after the last.
    pub fn end(&self) -> Gfn {
        Gfn(self.base.0 + self.frames.len() as u64)
    }

    /// The host's frame behind one of the guest's.
    pub fn frame(&self, gfn: Gfn) -> Option<Hfn> {
        self.frames.get(gfn.0.checked_sub(self.base.0)? as usize).copied()
    }

    /// Whether writes are logged (`kvm_slot_dirty_track_enabled`).
    pub fn tracks_dirty(&self) -> bool {
        self.dirty.is_some()
    }

    /// The largest level at which `gfn` may be mapped: the whole block is in the slot, and the host has it in one piece.
    pub fn mapping_level(&self, gfn: Gfn) -> u8 {
        let fits = |level: &u8| {
            let order = 9 * (u32::from(*level) - 1);
            let first = gfn.block(order);
            let last = Gfn(first.0 + (1 << order) - 1);
            match (self.frame(first), self.frame(last)) {
                (Some(low), Some(high)) => low.block(order) == low && high.0 - low.0 == (1 << order) - 1,
                _ => false,
            }
        };
        (1..=self.host_level).rev().find(|level| *level == 1 || fits(level)).unwrap_or(1)
    }
}

/// Why a slot cannot be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum SlotError {
    /// It overlaps another slot: EEXIST.
    #[error("the slot overlaps slot {0}")]
    Overlap(u32),
    /// Only its flags or its place may change: EINVAL.
    #[error("a slot cannot change its size")]
    Resized,
}

/// All memory slots of a virtual machine.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MemorySlots {
    slots: BTreeMap<SlotId, MemorySlot>,
    /// Goes up whenever the slots change; what is cached about MMIO is valid for one generation.
    pub generation: u64,
}

impl MemorySlots {
    /// The slot that covers a frame.
    pub fn find(&self, gfn: Gfn) -> Option<&MemorySlot> {
        self.slots.values().find(|slot| slot.frame(gfn).is_some())
    }

    /// The slot that covers a frame, to note that the frame was written.
    pub fn find_mut(&mut self, gfn: Gfn) -> Option<&mut MemorySlot> {
        self.slots.values_mut().find(|slot| slot.frame(gfn).is_some())
    }

    /// A slot by number.
    pub fn get(&self, id: SlotId) -> Option<&MemorySlot> {
        self.slots.get(&id)
    }

    /// A slot by number, to change it.
    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut MemorySlot> {
        self.slots.get_mut(&id)
    }

    /// All slots, by number.
    pub fn iter(&self) -> impl Iterator<Item = &MemorySlot> {
        self.slots.values()
    }

    /// The host's frame behind one of the guest's.
    pub fn frame(&self, gfn: Gfn) -> Option<Hfn> {
        self.find(gfn)?.frame(gfn)
    }

    /// Notes that a frame was written (`mark_page_dirty_in_slot`).
    pub fn mark_dirty(&mut self, gfn: Gfn) {
        if let Some(dirty) = self.find_mut(gfn).and_then(|slot| slot.dirty.as_mut()) {
            dirty.insert(gfn);
        }
    }

    /// Adds a slot, or replaces the one with its number.
    ///
    /// # Errors
    /// The slot overlaps another, or has another size than the one that it replaces.
    pub(super) fn set(&mut self, slot: MemorySlot) -> Result<Option<MemorySlot>, SlotError> {
        if let Some(old) = self.slots.get(&slot.id)
            && old.frames.len() != slot.frames.len()
        {
            return Err(SlotError::Resized);
        }
        let overlaps = |other: &&MemorySlot| other.id != slot.id && other.base < slot.end() && slot.base < other.end();
        if let Some(other) = self.slots.values().find(overlaps) {
            return Err(SlotError::Overlap(other.id.0));
        }
        self.generation += 1;
        Ok(self.slots.insert(slot.id, slot))
    }

    /// Takes a slot away.
    pub(super) fn remove(&mut self, id: SlotId) -> Option<MemorySlot> {
        self.generation += 1;
        self.slots.remove(&id)
    }
}
