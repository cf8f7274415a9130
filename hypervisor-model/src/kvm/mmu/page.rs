//! Shadow pages: the tables that KVM makes for the processor, with what it knows of each (`struct kvm_mmu_page`).
//!
//! A shadow page stands for a guest frame used as a table, in one [`Role`]. Its 512 entries are in a frame of the
//! machine, where the processor walks them. From a shadow page lead the *parent* links to the entries that name it;
//! from a guest frame leads the *reverse map* to all entries that map it. Both are needed to take something away.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::KvmMmu;
use super::event::MmuEvent;
use super::role::{PageAccess, Role};
use super::spte;
use crate::memory::{Gfn, Hfn, Hpa, PhysicalMemory};

/// A shadow page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SpId(pub u32);

/// A place in a shadow page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SpteRef {
    /// The page.
    pub page: SpId,
    /// The entry.
    pub index: u16,
}

/// What KVM knows of one of its tables.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShadowPage {
    /// The guest frame that it shadows; of a direct page, the first frame that it maps.
    pub gfn: Gfn,
    /// What it is for.
    pub role: Role,
    /// The machine frame that holds its entries.
    pub table: Hfn,
    /// The entries that name it.
    pub parents: BTreeSet<SpteRef>,
    /// What each entry in use maps and allows, where that cannot be computed (`shadowed_translation`).
    pub translations: BTreeMap<u16, (Gfn, PageAccess)>,
    /// The guest may have changed its table since the shadow was made; last level only.
    pub is_unsync: bool,
    /// Entries below which something is not in sync.
    pub unsync_children: BTreeSet<u16>,
    /// Emulated writes to the guest's table since the shadow was last used (`write_flooding_count`).
    pub write_flooding_count: u32,
    /// Virtual processors' roots that it is.
    pub root_count: u32,
}

impl ShadowPage {
    /// Whether the guest has a table that this page shadows (`sp_has_gptes`).
    pub fn has_gptes(&self) -> bool {
        !self.role.direct
    }

    /// The guest frame that an entry maps (`kvm_mmu_page_get_gfn`).
    pub fn gfn_of(&self, index: u16) -> Gfn {
        match self.translations.get(&index) {
            Some((gfn, _)) => *gfn,
            None => Gfn(self.gfn.0 + (u64::from(index) << (9 * (u32::from(self.role.level) - 1)))),
        }
    }

    /// Where an entry is in the machine's memory.
    pub fn at(&self, index: u16) -> Hpa {
        self.table.address().plus(8 * u64::from(index))
    }
}

impl KvmMmu {
    /// What an entry of a shadow page holds.
    pub(super) fn spte(&self, memory: &PhysicalMemory, at: SpteRef) -> u64 {
        memory.read_u64(self.page(at.page).at(at.index))
    }

    pub(super) fn write_spte(&self, memory: &mut PhysicalMemory, at: SpteRef, value: u64) {
        memory.write_u64(self.page(at.page).at(at.index), value);
    }

    /// A shadow page that is known to be there.
    pub fn page(&self, id: SpId) -> &ShadowPage {
        &self.pages[&id]
    }

    pub(super) fn page_mut(&mut self, id: SpId) -> &mut ShadowPage {
        self.pages.get_mut(&id).expect("a shadow page is named only while it is there")
    }

    /// The page whose entries are in a machine frame (`to_shadow_page`).
    pub(super) fn page_in(&self, table: Hfn) -> Option<SpId> {
        self.by_table.get(&table).copied()
    }

    /// The child that an entry names.
    pub(super) fn child(&self, memory: &PhysicalMemory, at: SpteRef) -> Option<SpId> {
        let entry = self.spte(memory, at);
        let level = self.page(at.page).role.level;
        if !spte::is_present(entry) || spte::is_last(entry, level) {
            return None;
        }
        self.page_in(spte::frame(entry))
    }

    /// Makes a shadow page (`kvm_mmu_alloc_shadow_page`): its guest's table is write-protected from now on.
    pub(super) fn make_page(&mut self, memory: &mut PhysicalMemory, gfn: Gfn, role: Role) -> Option<SpId> {
        let table = memory.allocate(self.table_owner())?;
        let id = SpId(self.next_page);
        self.next_page += 1;
        let page = ShadowPage {
            gfn,
            role,
            table,
            parents: BTreeSet::new(),
            translations: BTreeMap::new(),
            is_unsync: false,
            unsync_children: BTreeSet::new(),
            write_flooding_count: 0,
            root_count: 0,
        };
        let has_gptes = page.has_gptes();
        self.pages.insert(id, page);
        self.by_table.insert(table, id);
        if !self.config.is_tdp() {
            self.by_gfn.entry(gfn).or_default().insert(id);
        }
        if has_gptes {
            self.account_shadowed(memory, id);
        }
        Some(id)
    }

    /// `account_shadowed`: upper levels are tracked, last levels only write-protected.
    fn account_shadowed(&mut self, memory: &mut PhysicalMemory, id: SpId) {
        let (gfn, level) = (self.page(id).gfn, self.page(id).role.level);
        self.shadowed.entry(gfn).or_default().insert(id);
        if level > 1 {
            *self.tracked.entry(gfn).or_default() += 1;
        }
        if self.write_protect_gfn(memory, gfn) {
            self.request_flush();
        }
    }

    fn unaccount_shadowed(&mut self, id: SpId) {
        let (gfn, level) = (self.page(id).gfn, self.page(id).role.level);
        if let Some(pages) = self.shadowed.get_mut(&gfn) {
            pages.remove(&id);
            if pages.is_empty() {
                self.shadowed.remove(&gfn);
            }
        }
        if level > 1
            && let Some(count) = self.tracked.get_mut(&gfn)
        {
            *count -= 1;
            if *count == 0 {
                self.tracked.remove(&gfn);
            }
        }
    }

    /// Takes the right to write from every mapping of a guest frame, so that writes are seen
    /// (`kvm_mmu_slot_gfn_write_protect`). Whether there was any.
    pub(super) fn write_protect_gfn(&mut self, memory: &mut PhysicalMemory, gfn: Gfn) -> bool {
        let mut protected = false;
        for at in self.mappings_of(gfn) {
            let old = self.spte(memory, at);
            if spte::is_writable(old) || self.layout().is_mmu_writable(old) {
                let layout = self.layout();
                self.write_spte(memory, at, old & !(crate::paging::format::RW | layout.mmu_writable()));
                protected |= spte::is_writable(old);
            }
        }
        if protected {
            self.emit(MmuEvent::WriteProtected { gfn });
        }
        protected
    }

    /// All entries that map a guest frame, by itself or as a part of a large page.
    pub(super) fn mappings_of(&self, gfn: Gfn) -> Vec<SpteRef> {
        (1..=3u8)
            .flat_map(|level| {
                let first = gfn.block(9 * (u32::from(level) - 1));
                self.rmap.get(&(level, first)).into_iter().flatten().copied()
            })
            .collect()
    }

    /// Notes which guest frame an entry maps (`rmap_add`).
    pub(super) fn rmap_add(&mut self, at: SpteRef, gfn: Gfn, access: PageAccess) {
        let page = self.page_mut(at.page);
        if page.has_gptes() {
            page.translations.insert(at.index, (gfn, access));
        }
        let level = page.role.level;
        let first = gfn.block(9 * (u32::from(level) - 1));
        self.rmap.entry((level, first)).or_default().insert(at);
    }

    fn rmap_remove(&mut self, at: SpteRef) {
        let page = self.page_mut(at.page);
        let level = page.role.level;
        let first = page.gfn_of(at.index).block(9 * (u32::from(level) - 1));
        page.translations.remove(&at.index);
        if let Some(entries) = self.rmap.get_mut(&(level, first)) {
            entries.remove(&at);
            if entries.is_empty() {
                self.rmap.remove(&(level, first));
            }
        }
    }

    /// Clears an entry that maps a page, and forgets the mapping (`drop_spte`).
    pub(super) fn drop_spte(&mut self, memory: &mut PhysicalMemory, at: SpteRef) {
        let old = self.spte(memory, at);
        self.write_spte(memory, at, 0);
        if spte::is_present(old) {
            self.rmap_remove(at);
        }
    }

    /// Clears an entry that names a table (`drop_parent_pte`).
    pub(super) fn drop_parent_pte(&mut self, memory: &mut PhysicalMemory, child: SpId, at: SpteRef) {
        self.page_mut(child).parents.remove(&at);
        self.write_spte(memory, at, 0);
        self.page_mut(at.page).unsync_children.remove(&at.index);
    }

    /// Clears an entry, whatever it holds (`mmu_page_zap_pte`).
    pub(super) fn zap_pte(&mut self, memory: &mut PhysicalMemory, at: SpteRef) {
        let entry = self.spte(memory, at);
        if spte::is_present(entry) {
            match self.child(memory, at) {
                Some(child) => {
                    self.drop_parent_pte(memory, child, at);
                    // Pages for nested tables have no other use; shadow pages are kept to be found again.
                    if self.config.is_tdp() && self.page(child).parents.is_empty() {
                        self.zap_page(memory, child);
                    }
                }
                None => self.drop_spte(memory, at),
            }
        } else if self.layout().is_mmio(entry) {
            self.write_spte(memory, at, 0);
        }
    }

    /// Gives a page up: its entries, its parents' links to it, and it itself unless it is the root of a virtual
    /// processor, which lets go of it before it runs again (`kvm_mmu_prepare_zap_page`).
    pub(super) fn zap_page(&mut self, memory: &mut PhysicalMemory, id: SpId) {
        if !self.pages.contains_key(&id) {
            return;
        }
        self.zap_unsync_children(memory, id);
        for index in 0..512 {
            self.zap_pte(memory, SpteRef { page: id, index });
        }
        for parent in std::mem::take(&mut self.page_mut(id).parents) {
            self.write_spte(memory, parent, 0);
            self.page_mut(parent.page).unsync_children.remove(&parent.index);
        }
        let page = self.page_mut(id);
        page.is_unsync = false;
        let (gfn, was_valid, has_gptes) = (page.gfn, !page.role.invalid, page.has_gptes());
        page.role.invalid = true;
        if was_valid {
            if has_gptes {
                self.unaccount_shadowed(id);
            }
            if let Some(pages) = self.by_gfn.get_mut(&gfn) {
                pages.remove(&id);
                if pages.is_empty() {
                    self.by_gfn.remove(&gfn);
                }
            }
            self.emit(MmuEvent::Zap { page: id, gfn });
        }
        self.request_flush();
        if self.page(id).root_count == 0 {
            self.free_page(memory, id);
        }
    }

    /// Stale pages below one that goes would be found again and believed: they go first.
    fn zap_unsync_children(&mut self, memory: &mut PhysicalMemory, id: SpId) {
        if self.page(id).role.level == 1 {
            return;
        }
        for child in self.unsync_below(memory, id) {
            self.zap_page(memory, child);
        }
    }

    /// Puts a page's frame back.
    pub(super) fn free_page(&mut self, memory: &mut PhysicalMemory, id: SpId) {
        if let Some(page) = self.pages.remove(&id) {
            self.by_table.remove(&page.table);
            memory.release(page.table);
        }
    }

    /// Lets go of a root (`mmu_free_root_page`).
    pub(super) fn put_root(&mut self, memory: &mut PhysicalMemory, id: SpId) {
        let Some(page) = self.pages.get_mut(&id) else { return };
        page.root_count -= 1;
        // The kernel keeps a valid root in its hash, and one of the TDP MMU until it is invalidated.
        if page.root_count == 0 && page.role.invalid {
            self.free_page(memory, id);
        }
    }

    /// The stale pages that can be reached from a page (`mmu_unsync_walk`).
    pub(super) fn unsync_below(&self, memory: &PhysicalMemory, id: SpId) -> Vec<SpId> {
        let mut found = Vec::new();
        for index in &self.page(id).unsync_children {
            let Some(child) = self.child(memory, SpteRef { page: id, index: *index }) else { continue };
            if self.page(child).is_unsync {
                found.push(child);
            }
            found.extend(self.unsync_below(memory, child));
        }
        found
    }

    /// Marks the way from the roots down to a stale page (`kvm_mmu_mark_parents_unsync`).
    pub(super) fn mark_parents_unsync(&mut self, id: SpId) {
        let parents: Vec<SpteRef> = self.page(id).parents.iter().copied().collect();
        for parent in parents {
            let page = self.page_mut(parent.page);
            let was_marked = !page.unsync_children.is_empty();
            if page.unsync_children.insert(parent.index) && !was_marked {
                self.mark_parents_unsync(parent.page);
            }
        }
    }

    /// Takes marks away below which nothing is stale any more (`mmu_pages_clear_parents`).
    pub(super) fn clear_unsync_marks(&mut self, memory: &PhysicalMemory, id: SpId) {
        let marks: Vec<u16> = self.page(id).unsync_children.iter().copied().collect();
        for index in marks {
            let stale = self.child(memory, SpteRef { page: id, index }).is_some_and(|child| {
                self.clear_unsync_marks(memory, child);
                self.page(child).is_unsync || !self.page(child).unsync_children.is_empty()
            });
            if !stale {
                self.page_mut(id).unsync_children.remove(&index);
            }
        }
    }
}
