//! Changing memory slots, and the log of frames that the guest has written (`kvm_set_memory_region`,
//! `kvm_mmu_slot_apply_flags`, `KVM_GET_DIRTY_LOG`; arch/x86/kvm/x86.c, virt/kvm/kvm_main.c).
//!
//! Two ways to notice a write: every mapping is write-protected, and the first write to a page faults; or the
//! processor writes addresses into a log as it sets dirty flags (page-modification logging), and all that an exit
//! costs is one when the log is full.

use std::collections::BTreeSet;

use super::event::MmuEvent;
use super::page::SpteRef;
use super::slot::{MemorySlot, SlotError, SlotId};
use super::{KvmMmu, Mmu, Paging};
use crate::memory::{Gfn, Gpa, PhysicalMemory};
use crate::paging::format::RW;

impl KvmMmu {
    /// Adds a memory slot, or changes the flags or frames of one (`KVM_SET_USER_MEMORY_REGION`).
    ///
    /// # Errors
    /// The slot overlaps another, or changes its size.
    pub fn set_slot(&mut self, memory: &mut PhysicalMemory, slot: MemorySlot) -> Result<(), SlotError> {
        let (id, starts_log) = (slot.id, slot.tracks_dirty());
        let (base, end) = (slot.base, slot.end());
        let old = self.slots.set(slot)?;
        let Some(old) = old else { return Ok(()) };
        let is_moved = old.base != base || self.slots.get(id).is_some_and(|new| new.frames != old.frames);
        let is_protected = self.slots.get(id).is_some_and(|new| new.is_readonly && !old.is_readonly);
        if is_moved || is_protected {
            self.zap_all(memory);
        } else if starts_log && !old.tracks_dirty() {
            self.start_log(memory, base, end);
        }
        Ok(())
    }

    /// Takes a memory slot away: all tables go (`kvm_mmu_zap_all_fast`).
    pub fn remove_slot(&mut self, memory: &mut PhysicalMemory, id: SlotId) -> Option<MemorySlot> {
        let slot = self.slots.remove(id)?;
        self.zap_all(memory);
        Some(slot)
    }

    /// Gives all tables up. Roots in use stay until their virtual processors let go of them.
    pub fn zap_all(&mut self, memory: &mut PhysicalMemory) {
        let pages: Vec<_> = self.pages.keys().copied().collect();
        for page in pages {
            self.zap_page(memory, page);
        }
        self.tdp_roots.clear();
    }

    /// Begins to log the writes to a slot.
    pub fn enable_dirty_log(&mut self, memory: &mut PhysicalMemory, id: SlotId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.dirty.is_none() {
            slot.dirty = Some(BTreeSet::new());
            let (base, end) = (slot.base, slot.end());
            self.slots.generation += 1;
            self.start_log(memory, base, end);
        }
    }

    /// Ceases to log the writes to a slot.
    pub fn disable_dirty_log(&mut self, id: SlotId) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.dirty = None;
        }
    }

    /// Whether the processor logs writes by itself.
    fn has_pml(&self) -> bool {
        matches!(self.config.paging, Paging::Ept { accessed_and_dirty: true, pml: true })
    }

    fn start_log(&mut self, memory: &mut PhysicalMemory, base: Gfn, end: Gfn) {
        self.split_range(memory, base, end);
        let mut changed = false;
        for gfn in base.0..end.0 {
            changed |= self.watch(memory, Gfn(gfn));
        }
        if changed {
            self.request_flush();
        }
    }

    /// Sees to it that the next write to a frame is noticed: its dirty flags are cleared where the processor logs,
    /// its mappings write-protected elsewhere. Whether anything was done.
    fn watch(&mut self, memory: &mut PhysicalMemory, gfn: Gfn) -> bool {
        let bit = if self.has_pml() { self.layout().dirty() } else { RW };
        let mut changed = false;
        for at in self.mappings_of(gfn) {
            let old = self.spte(memory, at);
            if old & bit != 0 {
                self.write_spte(memory, at, old & !bit);
                changed = true;
            }
        }
        changed
    }

    /// Reads and clears the log of a slot (`KVM_GET_DIRTY_LOG`): the frames written since it was last read.
    pub fn read_dirty_log(&mut self, memory: &mut PhysicalMemory, id: SlotId) -> BTreeSet<Gfn> {
        let Some(dirty) = self.slots.get_mut(id).and_then(|slot| slot.dirty.as_mut()) else { return BTreeSet::new() };
        let dirty = std::mem::take(dirty);
        let mut changed = false;
        for gfn in &dirty {
            changed |= self.watch(memory, *gfn);
        }
        if changed {
            self.request_flush();
        }
        dirty
    }

    /// All entries that map frames of the guest: for pictures and checks.
    pub fn leaves<'a>(&'a self, memory: &'a PhysicalMemory) -> impl Iterator<Item = (SpteRef, Gfn, u64)> + 'a {
        self.rmap.values().flatten().map(move |at| (*at, self.page(at.page).gfn_of(at.index), self.spte(memory, *at)))
    }
}

impl Mmu<'_> {
    /// Takes over what the processor has logged, as every exit does (`vmx_flush_pml_buffer`).
    pub(super) fn drain_pml(&mut self) {
        let Some(pml) = self.vcpu.pml else { return };
        let first = if pml.index > 511 { 0 } else { pml.index + 1 };
        let count = 512 - first;
        if count == 0 {
            return;
        }
        for at in first..512 {
            let gpa = Gpa(self.memory.read_u64(pml.page.plus(8 * u64::from(at))));
            self.vm.slots.mark_dirty(gpa.frame());
        }
        self.vcpu.pml = Some(crate::paging::ept::Pml { index: 511, ..pml });
        self.vm.emit(MmuEvent::PmlDrained { count });
    }

    /// Turns page-modification logging on for this virtual processor; `page` is the frame that holds the log.
    pub fn start_pml(&mut self, page: crate::memory::Hfn) {
        self.vcpu.pml = Some(crate::paging::ept::Pml { page: page.address(), index: 511 });
    }
}
