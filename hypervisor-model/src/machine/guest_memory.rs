//! The memory of a guest: which of the machine's frames is behind each of its own, given when it is first needed.

use std::collections::BTreeMap;

use crate::memory::{Gfn, Gpa, GuestId, Hfn, Hpa, Owner, PhysicalMemory};

/// The machine's memory with one guest in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestMemory {
    /// The machine's memory.
    pub machine: PhysicalMemory,
    /// Whose frames.
    pub guest: GuestId,
    frames: BTreeMap<Gfn, Hfn>,
}

/// Frames for the tables that a hypervisor makes, beside those of the guest.
const FOR_TABLES: u64 = 16 << 8;

impl GuestMemory {
    /// A machine that has room for a guest of so many frames.
    pub fn new(frames: u64) -> GuestMemory {
        GuestMemory { machine: PhysicalMemory::new(frames + FOR_TABLES), guest: GuestId(1), frames: BTreeMap::new() }
    }

    /// The frame behind one of the guest's, if it was ever needed.
    pub fn frame(&self, gfn: Gfn) -> Option<Hfn> {
        self.frames.get(&gfn).copied()
    }

    /// The frame behind one of the guest's, given to it if it has none (`kvm_mmu_faultin_pfn`).
    pub fn frame_or_new(&mut self, gfn: Gfn) -> Option<Hfn> {
        if let Some(frame) = self.frames.get(&gfn) {
            return Some(*frame);
        }
        let frame = self.machine.allocate(Owner::Guest(self.guest))?;
        self.frames.insert(gfn, frame);
        Some(frame)
    }

    /// Where a guest-physical address is in the machine.
    pub fn machine_address(&mut self, gpa: Gpa) -> Option<Hpa> {
        Some(self.frame_or_new(gpa.frame())?.address().plus(gpa.offset()))
    }
}
