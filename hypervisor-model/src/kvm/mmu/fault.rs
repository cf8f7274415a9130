//! Faults of the hardware's tables, and what KVM does about them (`kvm_mmu_page_fault`, mmu.c).

use serde::{Deserialize, Serialize};

use super::access::MemoryExit;
use super::event::MmuEvent;
use super::page::SpteRef;
use super::role::PageAccess;
use super::slot::APIC_ACCESS_PAGE_PRIVATE_MEMSLOT;
use super::spte;
use super::vcpu::MmioInfo;
use super::{Mmu, Paging};
use crate::cpu::AccessKind;
use crate::memory::{Gfn, Gpa, Hfn, PAGE_SIZE};
use crate::paging::PageFault;
use crate::paging::fault::Attempt;

/// What became of a fault: `RET_PF_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The entry is right now: run the guest again.
    Fixed,
    /// Somebody else had put it right, or it always was: run the guest again.
    Spurious,
    /// Nothing was done; run the guest again.
    Retry,
    /// The instruction must be emulated.
    Emulate,
    /// The guest gets the page fault: a *true* fault.
    Inject(PageFault),
}

/// What is left to do after an exit for memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Resolution {
    /// Run the guest again; it was a *hidden* fault.
    Resume,
    /// Deliver this page fault to the guest.
    Inject(PageFault),
    /// Emulate the instruction. If `may_retry`, ask [`Mmu::retry_instruction`] first.
    Emulate {
        /// `EMULTYPE_ALLOW_RETRY_PF`.
        may_retry: bool,
    },
}

/// Bits of a fault's error code beyond those of page faults (`PFERR_*`).
pub mod pferr {
    /// `PFERR_GUEST_FINAL_MASK`: nested paging, the access itself.
    pub const GUEST_FINAL: u64 = 1 << 32;
    /// `PFERR_GUEST_PAGE_MASK`: nested paging, a walk through the guest's tables.
    pub const GUEST_PAGE: u64 = 1 << 33;
}

/// A fault while it is being handled (`struct kvm_page_fault`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// Linear address, or guest-physical with nested paging.
    pub address: u64,
    /// What was tried.
    pub attempt: Attempt,
    /// The entry was present: the fault is about rights.
    pub is_present: bool,
    /// A reserved bit was set.
    pub is_reserved: bool,
    /// The guest frame.
    pub gfn: Gfn,
    /// The largest level that the guest's own tables allow.
    pub max_level: u8,
    /// The level at which it will be mapped.
    pub goal_level: u8,
    /// The host's frame; none where there is no slot.
    pub frame: Option<Hfn>,
    /// The host's mapping may be written.
    pub map_writable: bool,
}

impl Fault {
    /// A write.
    pub fn is_write(&self) -> bool {
        self.attempt.kind == AccessKind::Write
    }
}

impl Mmu<'_> {
    /// Does what KVM does with an exit for memory.
    pub fn handle(&mut self, exit: MemoryExit) -> Resolution {
        self.drain_pml();
        let (address, fault) = match exit {
            MemoryExit::PmlFull => return Resolution::Resume,
            MemoryExit::PageFault { fault, attempt } => (fault.linear, self.shadow_fault(fault, attempt)),
            MemoryExit::Nested(nested) => {
                let attempt = Attempt { kind: nested.kind, is_user: true, is_implicit: false };
                let fault = Fault {
                    address: nested.guest_physical,
                    attempt,
                    is_present: nested.rights != 0 && !nested.is_misconfigured,
                    is_reserved: nested.is_misconfigured,
                    gfn: Gpa(nested.guest_physical).frame(),
                    max_level: 3,
                    goal_level: 1,
                    frame: None,
                    map_writable: false,
                };
                (nested.guest_physical, fault)
            }
        };
        self.vm.emit(MmuEvent::PageFault { address, code: exit.error_code() });
        let (outcome, is_cached_mmio) = self.page_fault(fault);
        self.vm.emit(MmuEvent::Resolved { address, outcome });
        match outcome {
            Outcome::Fixed | Outcome::Spurious | Outcome::Retry => Resolution::Resume,
            Outcome::Inject(fault) => {
                self.inject(fault);
                Resolution::Inject(fault)
            }
            Outcome::Emulate => Resolution::Emulate { may_retry: !is_cached_mmio && !self.mmio_info_in_cache(address) },
        }
    }

    fn shadow_fault(&self, fault: PageFault, attempt: Attempt) -> Fault {
        use crate::paging::fault::error_code;
        Fault {
            address: fault.linear,
            attempt,
            is_present: fault.code & error_code::P != 0,
            is_reserved: fault.code & error_code::RSVD != 0,
            gfn: Gpa(fault.linear & 0xffff_ffff).frame(),
            max_level: 3,
            goal_level: 1,
            frame: None,
            map_writable: false,
        }
    }

    /// `kvm_mmu_page_fault`: entries for MMIO first, everything else by the kind of tables. The second value says
    /// that the entry for MMIO was still good.
    fn page_fault(&mut self, fault: Fault) -> (Outcome, bool) {
        if fault.is_reserved
            && let Some(outcome) = self.handle_mmio_page_fault(&fault)
        {
            return (outcome, outcome == Outcome::Emulate);
        }
        let outcome =
            if self.vcpu.root_role.direct { self.direct_page_fault(fault) } else { self.guest_page_fault(fault) };
        (outcome, false)
    }

    /// `handle_mmio_page_fault`; nothing if the entry is out of date and the fault is to be handled like any other.
    fn handle_mmio_page_fault(&mut self, fault: &Fault) -> Option<Outcome> {
        if self.mmio_info_in_cache(fault.address) {
            return Some(Outcome::Emulate);
        }
        let entry = self.walk_lockless(fault.address).last().map_or(0, |at| self.vm.spte(self.memory, *at));
        if !self.vm.layout().is_mmio(entry) {
            return Some(Outcome::Retry);
        }
        let (gfn, access, is_current) = self.vm.layout().mmio_info(entry, self.vm.slots.generation);
        if !is_current {
            return None;
        }
        let page = if self.vcpu.root_role.direct { 0 } else { fault.address & !(PAGE_SIZE - 1) };
        self.cache_mmio_info(page, gfn, access);
        Some(Outcome::Emulate)
    }

    /// `mmio_info_in_cache`.
    fn mmio_info_in_cache(&self, address: u64) -> bool {
        let generation = self.vm.slots.generation;
        if self.vcpu.root_role.direct {
            self.vcpu.matches_mmio_gpa(Gpa(address), generation)
        } else {
            self.vcpu.matches_mmio_linear(address, generation).is_some()
        }
    }

    pub(super) fn cache_mmio_info(&mut self, page: u64, gfn: Gfn, access: PageAccess) {
        self.vcpu.mmio = Some(MmioInfo { page, gfn, access, generation: self.vm.slots.generation });
    }

    /// The entries that lead to an address, from the root on, as far as they go (`get_walk`).
    pub(super) fn walk_lockless(&self, address: u64) -> Vec<SpteRef> {
        let mut entries = Vec::new();
        let mut next = self.first_entry(address);
        while let Some(at) = next {
            entries.push(at);
            next = self.vm.child(self.memory, at).map(|page| self.entry_in(page, address));
        }
        entries
    }

    /// The entry of the first page below the root that an address chooses (`shadow_walk_init`).
    pub(super) fn first_entry(&self, address: u64) -> Option<SpteRef> {
        let root = self.vcpu.root.as_ref()?;
        let page = root.page.or(root.pae[(address >> 30 & 3) as usize])?;
        Some(self.entry_in(page, address))
    }

    /// The entry of a page that an address chooses.
    pub(super) fn entry_in(&self, page: super::SpId, address: u64) -> SpteRef {
        let level = u32::from(self.vm.page(page).role.level);
        SpteRef { page, index: (address >> (12 + 9 * (level - 1)) & 511) as u16 }
    }

    /// A write to a frame whose writes are always seen cannot be put right (`page_fault_handle_page_track`).
    pub(super) fn is_write_to_tracked(&self, fault: &Fault) -> bool {
        !fault.is_reserved && fault.is_present && fault.is_write() && self.vm.is_tracked(fault.gfn)
    }

    /// Finds the host's frame (`kvm_faultin_pfn` and `handle_abnormal_pfn`); an outcome if that ends the matter.
    pub(super) fn fault_in_frame(&mut self, fault: &mut Fault, access: PageAccess) -> Option<Outcome> {
        let slot = self.vm.slots.find(fault.gfn);
        if slot.is_some_and(|slot| slot.id == APIC_ACCESS_PAGE_PRIVATE_MEMSLOT) && self.vm.config.apic_page_is_emulated
        {
            // No entry is made, so that nothing has to be taken back when the page is watched again.
            return Some(Outcome::Emulate);
        }
        let Some(slot) = slot else {
            let page = if self.vm.config.is_tdp() { 0 } else { fault.address & !(PAGE_SIZE - 1) };
            self.cache_mmio_info(page, fault.gfn, access & (PageAccess::WRITE | PageAccess::USER));
            return (!self.vm.config.mmio_caching).then_some(Outcome::Emulate);
        };
        if slot.is_readonly && fault.is_write() {
            // KVM_PFN_ERR_RO_FAULT: not cached as MMIO, or reads would become MMIO as well.
            return Some(Outcome::Emulate);
        }
        fault.map_writable = !slot.is_readonly;
        fault.frame = slot.frame(fault.gfn);
        None
    }

    /// The level at which a frame will be mapped (`kvm_mmu_hugepage_adjust`).
    pub(super) fn adjust_level(&mut self, fault: &mut Fault) {
        fault.goal_level = 1;
        let Some(slot) = self.vm.slots.find(fault.gfn) else { return };
        if fault.max_level == 1 || slot.tracks_dirty() {
            return;
        }
        if self.vm.config.nx_huge_pages && fault.attempt.kind == AccessKind::Fetch {
            return;
        }
        let most = slot.mapping_level(fault.gfn).min(fault.max_level);
        let has_table = |level: u8| {
            let order = 9 * (u32::from(level) - 1);
            let first = fault.gfn.block(order);
            self.vm.shadowed.range(first..Gfn(first.0 + (1 << order))).next().is_some()
        };
        fault.goal_level = (1..=most).rev().find(|level| *level == 1 || !has_table(*level)).unwrap_or(1);
        let mask = (1 << (9 * (u32::from(fault.goal_level) - 1))) - 1;
        fault.frame = fault.frame.map(|frame| Hfn(frame.0 & !mask));
    }

    /// A fault where KVM's tables shadow none of the guest's: nested paging, or guest paging off
    /// (`direct_page_fault`).
    fn direct_page_fault(&mut self, mut fault: Fault) -> Outcome {
        if self.is_write_to_tracked(&fault) {
            return Outcome::Emulate;
        }
        if let Some(outcome) = self.fast_page_fault(&fault) {
            return outcome;
        }
        if let Some(outcome) = self.fault_in_frame(&mut fault, PageAccess::all()) {
            return outcome;
        }
        if self.vm.config.is_tdp() { self.tdp_map(fault) } else { self.direct_map(fault) }
    }

    /// A fault that only gives back a right that KVM took: no lock is needed for it (`fast_page_fault`).
    fn fast_page_fault(&mut self, fault: &Fault) -> Option<Outcome> {
        let has_accessed = !self.vcpu.root_role.ad_disabled;
        if fault.is_reserved || !fault.is_present && has_accessed || fault.is_present && !fault.is_write() {
            return None;
        }
        let at = *self.walk_lockless(fault.address).last()?;
        let layout = self.vm.layout();
        let old = self.vm.spte(self.memory, at);
        if !spte::is_present(old) {
            return None;
        }
        let is_fetch = fault.attempt.kind == AccessKind::Fetch;
        if layout.allows(old, fault.is_write(), is_fetch) {
            return Some(Outcome::Spurious);
        }
        let level = self.vm.page(at.page).role.level;
        let tracks = self.vm.slots.find(fault.gfn).is_some_and(|slot| slot.tracks_dirty());
        if !layout.is_mmu_writable(old) || level > 1 && tracks {
            return None;
        }
        let new = old | crate::paging::format::RW;
        if !layout.allows(new, fault.is_write(), is_fetch) {
            return None;
        }
        self.vm.write_spte(self.memory, at, new);
        self.vm.emit(MmuEvent::SetSpte { page: at.page, index: at.index, level, gfn: fault.gfn, old, new });
        self.vm.slots.mark_dirty(fault.gfn);
        Some(Outcome::Fixed)
    }

    /// Gives a page fault to the guest. The hardware's entry for its address is looked at again, as the processor
    /// would drop it (`kvm_inject_emulated_page_fault`).
    pub fn inject(&mut self, fault: PageFault) {
        use crate::paging::fault::error_code;
        if fault.code & error_code::P != 0
            && fault.code & error_code::RSVD == 0
            && self.vm.config.paging == Paging::Shadow
        {
            self.invalidate_gva(fault.linear);
        }
        self.vm.emit(MmuEvent::Injected(fault));
    }
}
