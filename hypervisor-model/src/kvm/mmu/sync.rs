//! Shadow pages that may be stale: how they become so, and how they are brought up to date.
//!
//! A guest's last-level table may be left writable: its shadow is then *unsync*. That is allowed because a guest must
//! flush before it may count on a change, and KVM sees every flush: INVLPG brings one entry up to date, a load of
//! CR3 everything (`mmu_try_to_unsync_pages`, `mmu_sync_children`, mmu.c; `FNAME(sync_page)`, `FNAME(invlpg)`,
//! paging_tmpl.h).

use super::Mmu;
use super::event::MmuEvent;
use super::fetch::Mapping;
use super::guest_walk::{gpte_access, protect_clean};
use super::page::{SpId, SpteRef};
use super::spte;
use crate::memory::{Gfn, Gpa};
use crate::paging::format::{A, ADDRESS, P};

impl Mmu<'_> {
    /// Makes the shadows of a table that is about to become writable unsync (`mmu_try_to_unsync_pages`).
    ///
    /// # Errors
    /// The frame must stay write-protected: it is a table of an upper level, or stale shadows are not allowed now.
    pub(super) fn try_to_unsync(&mut self, gfn: Gfn, can_unsync: bool, is_prefetch: bool) -> Result<(), ()> {
        if self.vm.is_tracked(gfn) {
            return Err(());
        }
        let pages: Vec<SpId> = self.vm.shadowed.get(&gfn).into_iter().flatten().copied().collect();
        for page in pages {
            if !can_unsync {
                return Err(());
            }
            if self.vm.page(page).is_unsync {
                continue;
            }
            if is_prefetch {
                return Err(());
            }
            self.vm.page_mut(page).is_unsync = true;
            self.vm.mark_parents_unsync(page);
            self.vm.emit(MmuEvent::Unsync { page, gfn });
        }
        Ok(())
    }

    /// Where the entry of the guest's table is that an entry of a last-level shadow stands for
    /// (`FNAME(get_level1_sp_gpa)`).
    fn gpte_gpa(&self, at: SpteRef) -> Gpa {
        let page = self.vm.page(at.page);
        let bytes = self.gpte_bytes();
        let first = if bytes == 4 { u64::from(page.role.quadrant) << 9 } else { 0 };
        page.gfn.address().plus((first + u64::from(at.index)) * bytes)
    }

    /// Whether nothing may be made of an entry ahead of its use (`FNAME(prefetch_invalid_gpte)`).
    fn is_invalid_for_prefetch(&self, gpte: u64) -> bool {
        let levels = self.vcpu.regime.format.map_or(4, |kind| kind.format().levels.len());
        gpte & P == 0 || gpte & A == 0 || gpte & self.vcpu.regime.reserved[levels - 1].leaf != 0
    }

    fn gpte_gfn(&self, gpte: u64) -> Gfn {
        Gpa(gpte & if self.gpte_bytes() == 4 { 0xffff_f000 } else { ADDRESS }).frame()
    }

    /// Fills a last-level entry from the guest's, if the guest has used it (`FNAME(prefetch_gpte)`). Whether it did.
    pub(super) fn prefetch_gpte(&mut self, at: SpteRef, gpte: u64, no_dirty_log: bool) -> bool {
        if self.is_invalid_for_prefetch(gpte) {
            self.vm.drop_spte(self.memory, at);
            return false;
        }
        let gfn = self.gpte_gfn(gpte);
        let access = self.vm.page(at.page).role.access & gpte_access(gpte, self.gpte_bytes());
        let access = protect_clean(access, gpte);
        let Some(slot) = self.vm.slots.find(gfn) else { return false };
        let is_write = access.contains(super::PageAccess::WRITE);
        // The frame is had for writing, which a read-only slot does not give.
        if slot.is_readonly || no_dirty_log && is_write && slot.tracks_dirty() {
            return false;
        }
        let frame = slot.frame(gfn);
        let mapping = Mapping { access, gfn, frame, is_prefetch: true, is_write: false, host_writable: true };
        self.set_spte(at, mapping);
        true
    }

    /// Brings a last-level page up to date (`FNAME(sync_page)`): entries change or go, none are added. Whether
    /// anything was taken away; nothing if the page does not belong to this kind of guest mode and has been zapped.
    pub(super) fn sync_page(&mut self, id: SpId) -> Option<bool> {
        let page = self.vm.page(id);
        let gfn = page.gfn;
        if page.role.direct || !page.role.is_of_same_mmu(self.vcpu.root_role) {
            self.vm.zap_page(self.memory, id);
            return None;
        }
        let mut removed = false;
        for index in 0..512 {
            let at = SpteRef { page: id, index };
            if self.vm.spte(self.memory, at) != 0 {
                removed |= self.sync_spte(at);
            }
        }
        self.vm.emit(MmuEvent::Sync { page: id, gfn });
        Some(removed)
    }

    /// Brings one entry up to date; whether anything was taken away.
    fn sync_spte(&mut self, at: SpteRef) -> bool {
        let bytes = self.gpte_bytes();
        let Some(gpte) = self.vm.read_gpte(self.memory, self.gpte_gpa(at), bytes) else { return false };
        if self.is_invalid_for_prefetch(gpte) {
            self.vm.drop_spte(self.memory, at);
            return true;
        }
        let gfn = self.gpte_gfn(gpte);
        let access = protect_clean(self.vm.page(at.page).role.access & gpte_access(gpte, bytes), gpte);
        let old = self.vm.spte(self.memory, at);
        let layout = self.vm.layout();
        if layout.is_mmio(old) {
            // `sync_mmio_spte`.
            let same = layout.mmio_info(old, self.vm.slots.generation).0 == gfn;
            let new = if same { layout.mmio(gfn, access, self.vm.slots.generation) } else { 0 };
            self.vm.write_spte(self.memory, at, new);
            return false;
        }
        if gfn != self.vm.page(at.page).gfn_of(at.index) {
            self.vm.drop_spte(self.memory, at);
            return true;
        }
        let host_writable = old & layout.host_writable() != 0;
        let frame = spte::frame(old);
        let mapping = Mapping { access, gfn, frame: Some(frame), is_prefetch: true, is_write: false, host_writable };
        let (new, _) = self.make_spte(at, mapping, frame, old, false);
        self.vm.page_mut(at.page).translations.entry(at.index).and_modify(|t| t.1 = access);
        let loses_write = spte::is_writable(old) && !spte::is_writable(new);
        self.update_spte(at, old, new);
        loses_write
    }

    /// Brings everything below a page up to date, and protects the guest's tables again (`mmu_sync_children`).
    pub(super) fn sync_children(&mut self, id: SpId) {
        loop {
            let stale = self.vm.unsync_below(self.memory, id);
            if stale.is_empty() {
                break;
            }
            for page in &stale {
                let gfn = self.vm.page(*page).gfn;
                if self.vm.write_protect_gfn(self.memory, gfn) {
                    self.vm.request_flush();
                }
            }
            for page in stale {
                if self.vm.pages.get(&page).is_none_or(|p| !p.is_unsync) {
                    continue;
                }
                self.vm.page_mut(page).is_unsync = false;
                if self.sync_page(page) == Some(true) {
                    self.vm.request_flush();
                }
            }
            self.vm.clear_unsync_marks(self.memory, id);
        }
        self.vm.clear_unsync_marks(self.memory, id);
    }

    /// Brings all that the root in force reaches up to date (`kvm_mmu_sync_roots`).
    pub(super) fn sync_roots(&mut self) {
        if self.vcpu.root_role.direct {
            return;
        }
        self.vcpu.forget_mmio();
        if let Some(root) = self.vcpu.root {
            root.pages().for_each(|page| self.sync_children(page));
        }
    }

    /// Brings all that the last roots reach up to date (`kvm_mmu_sync_prev_roots`).
    pub(super) fn sync_prev_roots(&mut self) {
        for root in self.vcpu.prev_roots.into_iter().flatten() {
            root.pages().for_each(|page| self.sync_children(page));
        }
    }

    /// INVLPG by the guest: the entry for the address is looked at again in every root that is held, as the address
    /// may be global (`kvm_mmu_invlpg`).
    pub fn invlpg(&mut self, linear: u64) {
        self.invalidate_gva(linear);
    }

    /// `kvm_mmu_invalidate_gva` for all roots.
    pub(super) fn invalidate_gva(&mut self, linear: u64) {
        if self.vcpu.root_role.direct || !self.vcpu.regime.is_canonical(linear) {
            return;
        }
        self.vcpu.forget_mmio_at(linear);
        self.vcpu.requests.flush_current = true;
        let roots: Vec<_> = self.vcpu.root.into_iter().chain(self.vcpu.prev_roots.into_iter().flatten()).collect();
        for root in roots {
            let Some(page) = root.page.or(root.pae[(linear >> 30 & 3) as usize]) else { continue };
            self.invalidate_in(page, linear);
        }
    }

    /// `FNAME(invlpg)`.
    fn invalidate_in(&mut self, root: SpId, linear: u64) {
        let mut at = self.entry_in(root, linear);
        loop {
            let old = self.vm.spte(self.memory, at);
            let page = self.vm.page(at.page);
            let is_last = page.role.level == 1 || spte::is_present(old) && spte::is_large(old);
            if is_last {
                if !page.is_unsync {
                    return;
                }
                let gpa = self.gpte_gpa(at);
                self.vm.zap_pte(self.memory, at);
                if spte::is_present(old) {
                    self.vm.request_flush();
                }
                if let Some(gpte) = self.vm.read_gpte(self.memory, gpa, self.gpte_bytes()) {
                    self.prefetch_gpte(at, gpte, false);
                }
                return;
            }
            if page.unsync_children.is_empty() {
                return;
            }
            let Some(child) = self.vm.child(self.memory, at) else { return };
            at = self.entry_in(child, linear);
        }
    }
}
