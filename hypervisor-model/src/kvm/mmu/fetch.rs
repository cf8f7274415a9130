//! Filling shadow tables: a fault that the guest's own tables would not have given (`FNAME(page_fault)` and
//! `FNAME(fetch)`, paging_tmpl.h; `__direct_map`, `mmu_set_spte`, mmu.c; `make_spte`, spte.c).

use super::event::MmuEvent;
use super::fault::{Fault, Outcome};
use super::guest_walk::GuestWalk;
use super::page::{SpId, SpteRef};
use super::role::{PageAccess, Role};
use super::spte;
use super::{Mmu, SpteLayout};
use crate::memory::{Gfn, Gpa, Hfn};
use crate::paging::format::{PS, RW};

/// How many entries are looked at around one that was filled: `PTE_PREFETCH_NUM`.
const PTE_PREFETCH_NUM: u16 = 8;

/// What is to be put into an entry.
#[derive(Clone, Copy)]
pub(super) struct Mapping {
    pub access: PageAccess,
    pub gfn: Gfn,
    /// None: no slot covers the frame.
    pub frame: Option<Hfn>,
    /// Made ahead of any access.
    pub is_prefetch: bool,
    /// The fault was a write.
    pub is_write: bool,
    /// The host's mapping may be written.
    pub host_writable: bool,
}

impl Mmu<'_> {
    /// `FNAME(page_fault)`: true faults go to the guest, hidden ones are filled in.
    pub(super) fn guest_page_fault(&mut self, mut fault: Fault) -> Outcome {
        let mut walk = match self.walk_guest(fault.address, fault.attempt) {
            Ok(walk) => walk,
            Err(guest_fault) => return Outcome::Inject(guest_fault),
        };
        fault.gfn = walk.gfn;
        if self.is_write_to_tracked(&fault) {
            for at in self.walk_lockless(fault.address) {
                self.vm.page_mut(at.page).write_flooding_count = 0;
            }
            return Outcome::Emulate;
        }
        fault.max_level = if self.maps_own_table(&walk, fault.attempt.is_user) { 1 } else { walk.level };
        if let Some(outcome) = self.fault_in_frame(&mut fault, walk.pte_access) {
            return outcome;
        }
        let wp = self.vcpu.cpu_role.cr0_wp;
        if fault.is_write()
            && !walk.pte_access.contains(PageAccess::WRITE)
            && !wp
            && !fault.attempt.is_user
            && fault.frame.is_some()
        {
            // CR0.WP = 0: the hardware runs with WP = 1, so the page becomes a writable one of the supervisor's. It
            // must not be executed as such if SMEP would have forbidden that.
            walk.pte_access |= PageAccess::WRITE;
            walk.pte_access -= PageAccess::USER;
            if self.vcpu.regime.smep {
                walk.pte_access -= PageAccess::EXEC;
            }
        }
        self.fetch(fault, &walk)
    }

    /// Whether a writable large page holds a table by which it is itself reached (`FNAME(is_self_change_mapping)`).
    fn maps_own_table(&self, walk: &GuestWalk, is_user: bool) -> bool {
        if !walk.pte_access.contains(PageAccess::WRITE) && (self.vcpu.cpu_role.cr0_wp || is_user) {
            return false;
        }
        let order = 9 * (u32::from(walk.level) - 1);
        (walk.level..=walk.max_level)
            .any(|level| walk.table_gfn[usize::from(level) - 1].block(order) == walk.gfn.block(order))
    }

    /// `FNAME(fetch)`: makes the shadow tables on the way and the entry itself.
    fn fetch(&mut self, mut fault: Fault, walk: &GuestWalk) -> Outcome {
        let Some(mut at) = self.first_entry(fault.address) else { return Outcome::Retry };
        loop {
            let level = self.vm.page(at.page).role.level;
            if level <= walk.level {
                break;
            }
            self.vm.page_mut(at.page).write_flooding_count = 0;
            let here = usize::from(level) - 2;
            let child = match self.vm.child(self.memory, at) {
                Some(child) => child,
                None => {
                    let role = self.vm.page(at.page).role.child(at.index, false, walk.pt_access[here]);
                    let Some(child) = self.get_page(walk.table_gfn[here], role) else { return Outcome::Retry };
                    // The guest need not flush when an entry becomes present: what is linked must be up to date.
                    self.sync_children(child);
                    self.link(at, child);
                    child
                }
            };
            at = self.entry_in(child, fault.address);
        }
        self.adjust_level(&mut fault);
        while self.vm.page(at.page).role.level > fault.goal_level {
            self.vm.page_mut(at.page).write_flooding_count = 0;
            self.validate_direct(at, walk.pte_access);
            let Some(child) = self.direct_child(at, fault.gfn, walk.pte_access) else { return Outcome::Retry };
            at = self.entry_in(child, fault.address);
        }
        self.vm.page_mut(at.page).write_flooding_count = 0;
        let outcome = self.set_spte(at, self.mapping(&fault, walk.pte_access));
        if outcome != Outcome::Spurious {
            self.prefetch(at, walk);
        }
        outcome
    }

    /// `__direct_map`: guest paging is off, and there is no nested paging.
    pub(super) fn direct_map(&mut self, mut fault: Fault) -> Outcome {
        self.adjust_level(&mut fault);
        let Some(mut at) = self.first_entry(fault.address) else { return Outcome::Retry };
        while self.vm.page(at.page).role.level > fault.goal_level {
            let Some(child) = self.direct_child(at, fault.gfn, PageAccess::all()) else { return Outcome::Retry };
            at = self.entry_in(child, fault.address);
        }
        let outcome = self.set_spte(at, self.mapping(&fault, PageAccess::all()));
        if outcome != Outcome::Spurious {
            self.direct_prefetch(at);
        }
        outcome
    }

    fn mapping(&self, fault: &Fault, access: PageAccess) -> Mapping {
        Mapping {
            access,
            gfn: fault.gfn.block(9 * (u32::from(fault.goal_level) - 1)),
            frame: fault.frame,
            is_prefetch: false,
            is_write: fault.is_write(),
            host_writable: fault.map_writable,
        }
    }

    /// The direct page behind an entry, made and linked if need be.
    fn direct_child(&mut self, at: SpteRef, gfn: Gfn, access: PageAccess) -> Option<SpId> {
        if let Some(child) = self.vm.child(self.memory, at) {
            return Some(child);
        }
        let parent = self.vm.page(at.page).role;
        let base = gfn.block(9 * (u32::from(parent.level) - 1));
        let child = self.get_page(base, parent.child(at.index, true, access))?;
        self.link(at, child);
        Some(child)
    }

    /// A direct page with other rights than the guest's large page now has makes room (`validate_direct_spte`).
    fn validate_direct(&mut self, at: SpteRef, access: PageAccess) {
        if let Some(child) = self.vm.child(self.memory, at)
            && self.vm.page(child).role.access != access
        {
            self.vm.drop_parent_pte(self.memory, child, at);
            self.vm.request_flush();
        }
    }

    /// Finds or makes a shadow page (`__kvm_mmu_get_shadow_page`).
    pub(super) fn get_page(&mut self, gfn: Gfn, role: Role) -> Option<SpId> {
        let found = self.find_page(gfn, role);
        let page = match found {
            Some(page) => page,
            None => self.vm.make_page(self.memory, gfn, role)?,
        };
        self.vm.emit(MmuEvent::GetPage { page, gfn, role, created: found.is_none() });
        Some(page)
    }

    /// `kvm_mmu_find_shadow_page`.
    fn find_page(&mut self, gfn: Gfn, role: Role) -> Option<SpId> {
        let candidates: Vec<SpId> = self.vm.by_gfn.get(&gfn).into_iter().flatten().rev().copied().collect();
        for id in candidates {
            let Some(page) = self.vm.pages.get(&id) else { continue };
            if page.role != role {
                // The frame becomes a table of an upper level, which is write-protected: a stale one must go.
                if role.level > 1 && page.is_unsync {
                    self.vm.zap_page(self.memory, id);
                }
                continue;
            }
            if !role.direct {
                if page.is_unsync {
                    // Brought up to date, but still stale from the next write on.
                    match self.sync_page(id) {
                        Some(changed) if changed => self.vm.request_flush(),
                        Some(_) => {}
                        None => return None,
                    }
                }
                self.vm.page_mut(id).write_flooding_count = 0;
            }
            return Some(id);
        }
        None
    }

    /// Puts a page below an entry (`__link_shadow_page`).
    pub(super) fn link(&mut self, at: SpteRef, child: SpId) {
        let old = self.vm.spte(self.memory, at);
        if spte::is_present(old) {
            self.vm.drop_spte(self.memory, at);
            self.vm.request_flush();
        }
        let ad_disabled = self.vm.page(child).role.ad_disabled;
        let new = self.vm.layout().nonleaf(self.vm.page(child).table, ad_disabled);
        self.vm.write_spte(self.memory, at, new);
        self.vm.page_mut(child).parents.insert(at);
        let child_page = self.vm.page(child);
        if child_page.is_unsync || !child_page.unsync_children.is_empty() {
            self.vm.mark_parents_unsync(child);
        }
    }

    /// `mmu_set_spte`.
    pub(super) fn set_spte(&mut self, at: SpteRef, mapping: Mapping) -> Outcome {
        let layout = self.vm.layout();
        let level = self.vm.page(at.page).role.level;
        let old = self.vm.spte(self.memory, at);
        let Some(frame) = mapping.frame else {
            let new = layout.mmio(mapping.gfn, mapping.access, self.vm.slots.generation);
            if spte::is_present(old) {
                self.vm.zap_pte(self.memory, at);
            }
            self.vm.write_spte(self.memory, at, new);
            self.vm.emit(MmuEvent::MarkMmio { gfn: mapping.gfn });
            return Outcome::Emulate;
        };
        let mut was_mapped = false;
        if spte::is_present(old) {
            match self.vm.child(self.memory, at) {
                Some(child) => {
                    self.vm.drop_parent_pte(self.memory, child, at);
                    self.vm.request_flush();
                }
                None if spte::frame(old) != frame => {
                    self.vm.drop_spte(self.memory, at);
                    self.vm.request_flush();
                }
                None => was_mapped = true,
            }
        }
        let old = self.vm.spte(self.memory, at);
        let (new, is_protected) = self.make_spte(at, mapping, frame, old, true);
        let mut outcome = Outcome::Fixed;
        if new == old {
            outcome = Outcome::Spurious;
        } else {
            self.update_spte(at, old, new);
            self.vm.emit(MmuEvent::SetSpte { page: at.page, index: at.index, level, gfn: mapping.gfn, old, new });
        }
        if is_protected && mapping.is_write {
            outcome = Outcome::Emulate;
        }
        if was_mapped {
            self.vm.page_mut(at.page).translations.entry(at.index).and_modify(|t| t.1 = mapping.access);
        } else {
            self.vm.rmap_add(at, mapping.gfn, mapping.access);
        }
        outcome
    }

    /// Writes an entry and asks for a flush if it allows less than before (`mmu_spte_update`).
    pub(super) fn update_spte(&mut self, at: SpteRef, old: u64, new: u64) {
        self.vm.write_spte(self.memory, at, new);
        if spte::is_present(old) && spte::is_writable(old) && !spte::is_writable(new) {
            self.vm.request_flush();
        }
    }

    /// The entry for a mapping, and whether it had to be write-protected because a guest's table is there
    /// (`make_spte`).
    pub(super) fn make_spte(
        &mut self,
        at: SpteRef,
        mapping: Mapping,
        frame: Hfn,
        old: u64,
        can_unsync: bool,
    ) -> (u64, bool) {
        let layout = self.vm.layout();
        let (level, ad_disabled) = (self.vm.page(at.page).role.level, self.vm.page(at.page).role.ad_disabled);
        let mut access = mapping.access;
        if level > 1 && self.vm.config.nx_huge_pages {
            access -= PageAccess::EXEC;
        }
        if !mapping.host_writable {
            access -= PageAccess::WRITE;
        }
        let mut is_protected = false;
        if access.contains(PageAccess::WRITE)
            && !spte::is_writable(old)
            && self.try_to_unsync(mapping.gfn, can_unsync, mapping.is_prefetch).is_err()
        {
            is_protected = true;
        }
        let mut new = layout.rights(access) | frame.address().0;
        if is_protected {
            new &= !(RW | layout.mmu_writable());
        }
        if mapping.host_writable {
            new |= layout.host_writable();
        }
        if level > 1 {
            new |= PS;
        }
        if !ad_disabled {
            if !mapping.is_prefetch {
                new |= layout.accessed();
            }
            if access.contains(PageAccess::WRITE) {
                new |= layout.dirty();
            }
        }
        self.log_write(layout, new, mapping.gfn);
        (new, is_protected)
    }

    /// A writable mapping of a slot whose writes are logged counts as a write.
    fn log_write(&mut self, layout: SpteLayout, new: u64, gfn: Gfn) {
        debug_assert!(!layout.is_mmio(new));
        if spte::is_writable(new) {
            self.vm.slots.mark_dirty(gfn);
        }
    }

    /// `FNAME(pte_prefetch)`: neighbours that the guest has used already are filled, up to the first that cannot be.
    fn prefetch(&mut self, at: SpteRef, walk: &GuestWalk) {
        let page = self.vm.page(at.page);
        if page.role.level > 1 {
            return;
        }
        if page.role.direct {
            return self.direct_prefetch(at);
        }
        let bytes = self.gpte_bytes();
        let window = u64::from(PTE_PREFETCH_NUM) * bytes;
        let first_gpa = Gpa(walk.pte_gpa[0].0 & !(window - 1));
        let first = at.index & !(PTE_PREFETCH_NUM - 1);
        for i in 0..PTE_PREFETCH_NUM {
            let here = SpteRef { page: at.page, index: first + i };
            if here == at || spte::is_present(self.vm.spte(self.memory, here)) {
                continue;
            }
            let gpte = self.vm.read_gpte(self.memory, first_gpa.plus(u64::from(i) * bytes), bytes);
            if !gpte.is_some_and(|gpte| self.prefetch_gpte(here, gpte, true)) {
                break;
            }
        }
    }

    /// `direct_pte_prefetch`: neighbours below the same direct page are filled in runs.
    fn direct_prefetch(&mut self, at: SpteRef) {
        let role = self.vm.page(at.page).role;
        if role.ad_disabled || role.level > 1 {
            return;
        }
        let first = at.index & !(PTE_PREFETCH_NUM - 1);
        let mut run: Vec<SpteRef> = Vec::new();
        for index in first..=first + PTE_PREFETCH_NUM {
            let here = SpteRef { page: at.page, index };
            let ends =
                index == first + PTE_PREFETCH_NUM || here == at || spte::is_present(self.vm.spte(self.memory, here));
            if !ends {
                run.push(here);
            } else if !run.is_empty() && !self.direct_prefetch_run(&std::mem::take(&mut run), role.access) {
                return;
            }
        }
    }

    /// `direct_pte_prefetch_many`; false when the first frame cannot be had.
    fn direct_prefetch_run(&mut self, run: &[SpteRef], access: PageAccess) -> bool {
        let gfn = self.vm.page(run[0].page).gfn_of(run[0].index);
        let Some(slot) = self.vm.slots.find(gfn) else { return false };
        if slot.is_readonly || slot.tracks_dirty() && access.contains(PageAccess::WRITE) {
            return false;
        }
        let frames: Vec<(Gfn, Hfn)> =
            (0..run.len() as u64).map_while(|i| slot.frame(Gfn(gfn.0 + i)).map(|f| (Gfn(gfn.0 + i), f))).collect();
        // A run that leaves the slot is not prefetched at all.
        if frames.len() < run.len() {
            return false;
        }
        for (at, (gfn, frame)) in run.iter().zip(frames) {
            let frame = Some(frame);
            let mapping = Mapping { access, gfn, frame, is_prefetch: true, is_write: false, host_writable: true };
            self.set_spte(*at, mapping);
        }
        true
    }
}
