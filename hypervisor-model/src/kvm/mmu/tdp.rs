//! Nested paging: the second dimension is filled by guest-physical address, whatever the guest's own tables are
//! (`kvm_tdp_mmu_map`, arch/x86/kvm/mmu/tdp_mmu.c).

use super::event::MmuEvent;
use super::fault::{Fault, Outcome};
use super::fetch::Mapping;
use super::page::{SpId, SpteRef};
use super::role::PageAccess;
use super::spte;
use super::{KvmMmu, Mmu};
use crate::memory::{Gfn, Hfn, PhysicalMemory};
use crate::paging::format::PS;

impl Mmu<'_> {
    /// `kvm_tdp_mmu_map`.
    pub(super) fn tdp_map(&mut self, mut fault: Fault) -> Outcome {
        self.adjust_level(&mut fault);
        let Some(mut at) = self.first_entry(fault.address) else { return Outcome::Retry };
        while self.vm.page(at.page).role.level > fault.goal_level {
            let Some(child) = self.vm.tdp_child(self.memory, at) else { return Outcome::Retry };
            at = self.entry_in(child, fault.address);
        }
        let mapping = Mapping {
            access: PageAccess::all(),
            gfn: fault.gfn.block(9 * (u32::from(fault.goal_level) - 1)),
            frame: fault.frame,
            is_prefetch: false,
            is_write: fault.is_write(),
            host_writable: fault.map_writable,
        };
        self.set_spte(at, mapping)
    }
}

impl KvmMmu {
    /// The table behind an entry, made if need be; a large page there is split.
    fn tdp_child(&mut self, memory: &mut PhysicalMemory, at: SpteRef) -> Option<SpId> {
        if let Some(child) = self.child(memory, at) {
            return Some(child);
        }
        let (role, gfn) = (self.page(at.page).role, self.page(at.page).gfn_of(at.index));
        let old = self.spte(memory, at);
        let role = role.child(at.index, true, PageAccess::all());
        let page = self.make_page(memory, gfn, role)?;
        self.emit(MmuEvent::GetPage { page, gfn, role, created: true });
        if spte::is_present(old) {
            self.drop_spte(memory, at);
            self.fill_split(memory, page, old);
            self.emit(MmuEvent::Split { gfn });
            self.request_flush();
        }
        let new = self.layout().nonleaf(self.page(page).table, role.ad_disabled);
        self.write_spte(memory, at, new);
        self.page_mut(page).parents.insert(at);
        Some(page)
    }

    /// Fills a table with the parts of a large page (`make_huge_page_split_spte`).
    fn fill_split(&mut self, memory: &mut PhysicalMemory, page: SpId, large: u64) {
        let level = self.page(page).role.level;
        let step = 1u64 << (9 * (u32::from(level) - 1));
        for index in 0..512u16 {
            let at = SpteRef { page, index };
            let frame = Hfn(spte::frame(large).0 + step * u64::from(index));
            let bits = large & !crate::paging::format::ADDRESS;
            let bits = if level == 1 { bits & !PS } else { bits };
            self.write_spte(memory, at, bits | frame.address().0);
            let gfn = self.page(page).gfn_of(index);
            self.rmap_add(at, gfn, PageAccess::all());
        }
    }

    /// Splits all large pages of a range (`kvm_mmu_slot_try_split_huge_pages`).
    pub(super) fn split_range(&mut self, memory: &mut PhysicalMemory, first: Gfn, end: Gfn) {
        for level in [3u8, 2] {
            let large: Vec<SpteRef> = self
                .rmap
                .range((level, first.block(9 * (u32::from(level) - 1)))..(level, end))
                .flat_map(|(_, entries)| entries.iter().copied())
                .filter(|at| self.page(at.page).role.direct)
                .collect();
            for at in large {
                self.tdp_child(memory, at);
            }
        }
    }
}
