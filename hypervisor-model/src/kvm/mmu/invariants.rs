//! What must always hold of KVM's tables.
//!
//! 1. Every entry that maps a frame maps the one that the memory slots put behind its guest frame, and that frame
//!    belongs to the guest: no guest reaches another's memory.
//! 2. Every entry of a shadow page that is in sync is the composition of the guest's entry and the slots, with no
//!    more rights than the guest's entries give together.
//! 3. No frame that holds a guest's table of an upper level, or one of the last level whose shadow is in sync, can be
//!    written by the guest.
//! 4. Parent links, the reverse map and the entries say the same.

use super::page::SpteRef;
use super::role::PageAccess;
use super::spte;
use super::{KvmMmu, Paging};
use crate::memory::{Gfn, Gpa, Owner, PhysicalMemory};
use crate::paging::format::{ADDRESS, P, PS, RW, US};

impl KvmMmu {
    /// Looks at every entry; the text says what does not hold.
    pub fn check(&self, memory: &PhysicalMemory) -> Result<(), String> {
        for (id, page) in &self.pages {
            for index in 0..512 {
                let at = SpteRef { page: *id, index };
                let entry = self.spte(memory, at);
                if !spte::is_present(entry) {
                    continue;
                }
                match self.child(memory, at) {
                    Some(child) if !self.page(child).parents.contains(&at) => {
                        return Err(format!("{at:?} names {child:?}, which does not know it as a parent"));
                    }
                    Some(child) => self.check_table(memory, at, child)?,
                    None if spte::is_last(entry, page.role.level) => self.check_leaf(memory, at, entry)?,
                    None => return Err(format!("{at:?} names a frame that is no table: {entry:#x}")),
                }
            }
            if page.role.invalid && page.root_count == 0 {
                return Err(format!("{id:?} is invalid and no root, and still there"));
            }
        }
        for at in self.rmap.values().flatten() {
            if !self.pages.contains_key(&at.page) || !spte::is_present(self.spte(memory, *at)) {
                return Err(format!("the reverse map names {at:?}, where nothing is mapped"));
            }
        }
        Ok(())
    }

    fn check_leaf(&self, memory: &PhysicalMemory, at: SpteRef, entry: u64) -> Result<(), String> {
        let page = self.page(at.page);
        let gfn = page.gfn_of(at.index);
        let frame = spte::frame(entry);
        if self.slots.frame(gfn) != Some(frame) {
            return Err(format!("{at:?} maps frame {gfn} to {frame}, the slots to {:?}", self.slots.frame(gfn)));
        }
        if memory.owner(frame) != Owner::Guest(self.config.guest) {
            return Err(format!("{at:?} maps {frame}, which belongs to {:?}", memory.owner(frame)));
        }
        if spte::is_writable(entry) {
            let span = 1u64 << (9 * (u32::from(page.role.level) - 1));
            for (table, shadows) in self.shadowed.range(gfn..Gfn(gfn.0 + span)) {
                if shadows.iter().any(|shadow| !self.page(*shadow).is_unsync) {
                    return Err(format!("{at:?} lets the guest write its table {table}, whose shadow is in sync"));
                }
            }
        }
        if !self.mappings_of(gfn).contains(&at) {
            return Err(format!("{at:?} maps {gfn}, and the reverse map does not know"));
        }
        if page.is_unsync || page.role.direct || page.role.invalid || self.config.paging != Paging::Shadow {
            return Ok(());
        }
        self.check_against_guest(memory, at, entry)
    }

    /// The guest's entry that an entry of an indirect page stands for.
    fn gpte(&self, memory: &PhysicalMemory, at: SpteRef) -> Option<u64> {
        let page = self.page(at.page);
        let bytes = if page.role.has_4_byte_gpte { 4 } else { 8 };
        let index = match (page.role.has_4_byte_gpte, page.role.level) {
            (false, _) => u64::from(at.index),
            (true, 1) => u64::from(page.role.quadrant) << 9 | u64::from(at.index),
            (true, _) => (u64::from(page.role.quadrant) << 9 | u64::from(at.index)) >> 1,
        };
        self.read_gpte(memory, page.gfn.address().plus(index * bytes), bytes)
    }

    fn check_against_guest(&self, memory: &PhysicalMemory, at: SpteRef, entry: u64) -> Result<(), String> {
        let page = self.page(at.page);
        let Some(gpte) = self.gpte(memory, at) else { return Err(format!("{at:?} shadows what is not there")) };
        if gpte & P == 0 {
            return Err(format!("{at:?} is present, the guest's entry is not"));
        }
        let shift = 12 + 9 * (u32::from(page.role.level) - 1);
        let mask = if page.role.has_4_byte_gpte { 0xffff_f000 } else { ADDRESS };
        let in_guest = Gpa(gpte & mask).frame();
        if page.role.level == 1 && in_guest != page.gfn_of(at.index) {
            return Err(format!("{at:?} maps {}, the guest {in_guest}", page.gfn_of(at.index)));
        }
        // A supervisor's write with CR0.WP clear makes a page writable that the guest's entry says is not.
        let may_write = gpte & RW != 0 || !page.role.cr0_wp;
        if spte::is_writable(entry) && (!may_write || !page.role.access.contains(PageAccess::WRITE) && page.role.cr0_wp)
        {
            return Err(format!("{at:?} (of {} bits) is writable, the guest's entries are not", shift));
        }
        if entry & US != 0 && (gpte & US == 0 || !page.role.access.contains(PageAccess::USER)) {
            return Err(format!("{at:?} is for user mode, the guest's entries are not"));
        }
        Ok(())
    }

    fn check_table(&self, memory: &PhysicalMemory, at: SpteRef, child: super::SpId) -> Result<(), String> {
        let page = self.page(at.page);
        if page.role.direct || page.role.invalid || self.config.paging != Paging::Shadow {
            return Ok(());
        }
        let Some(gpte) = self.gpte(memory, at) else { return Err(format!("{at:?} shadows what is not there")) };
        let mask = if page.role.has_4_byte_gpte { 0xffff_f000 } else { ADDRESS };
        let is_large = gpte & PS != 0 && page.role.level == 2;
        if !is_large && Gpa(gpte & mask).frame() != self.page(child).gfn {
            return Err(format!("{at:?} leads to {}, the guest's entry to {gpte:#x}", self.page(child).gfn));
        }
        Ok(())
    }
}
