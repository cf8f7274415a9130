//! Emulated writes to a guest's tables: the shadow follows, or goes (`kvm_mmu_pte_write`, mmu.c).

use super::Mmu;
use super::event::MmuEvent;
use super::page::{ShadowPage, SpId, SpteRef};
use super::role::PT32_ROOT_LEVEL;
use crate::memory::{Gfn, Gpa};

/// Emulated writes without a use of the shadow in between after which it is given up.
const WRITE_FLOODING: u32 = 3;

impl Mmu<'_> {
    /// The guest's memory at `gpa` has been written by emulation: shadows of a table there follow.
    pub(super) fn pte_write(&mut self, gpa: Gpa, size: u8) {
        let pages: Vec<SpId> = self.vm.shadowed.get(&gpa.frame()).into_iter().flatten().copied().collect();
        if pages.is_empty() {
            return;
        }
        self.vm.emit(MmuEvent::PteWritten { gpa, size });
        for id in pages {
            if self.vm.pages.get(&id).is_none_or(|page| page.role.invalid) {
                continue;
            }
            let is_flooded = self.is_flooded(id);
            if is_flooded || is_misaligned(self.vm.page(id), gpa, size) {
                if is_flooded {
                    self.vm.emit(MmuEvent::Flooded { page: id, gfn: gpa.frame() });
                }
                self.vm.zap_page(self.memory, id);
                continue;
            }
            let Some((first, count)) = written_sptes(self.vm.page(id), gpa) else { continue };
            for index in first..first + count {
                let at = SpteRef { page: id, index };
                let was_present = super::spte::is_present(self.vm.spte(self.memory, at));
                self.vm.zap_pte(self.memory, at);
                if was_present {
                    self.vm.request_flush();
                }
            }
        }
    }

    /// Counts a write, and says whether there were too many (`detect_write_flooding`). Last-level tables are not
    /// counted: they become unsync instead.
    fn is_flooded(&mut self, id: SpId) -> bool {
        let page = self.vm.page_mut(id);
        if page.role.level == 1 {
            return false;
        }
        page.write_flooding_count += 1;
        page.write_flooding_count >= WRITE_FLOODING
    }

    /// Gives up all shadows of a guest frame; whether there were any (`kvm_mmu_unprotect_page`).
    pub(super) fn unprotect(&mut self, gfn: Gfn) -> bool {
        let pages: Vec<SpId> = self.vm.shadowed.get(&gfn).into_iter().flatten().copied().collect();
        for page in &pages {
            self.vm.zap_page(self.memory, *page);
        }
        !pages.is_empty()
    }
}

/// Whether a write is not one of whole entries, so that the frame is hardly a table any more
/// (`detect_write_misaligned`).
fn is_misaligned(page: &ShadowPage, gpa: Gpa, size: u8) -> bool {
    let entry = if page.role.has_4_byte_gpte { 4u64 } else { 8 };
    let offset = gpa.offset();
    // A single byte at the start of an entry: bits changed by `andb`, as in clear_bit().
    if offset & (entry - 1) == 0 && size == 1 {
        return false;
    }
    (offset ^ (offset + u64::from(size) - 1)) & !(entry - 1) != 0 || size < 4
}

/// The entries of a shadow page that stand for what was written: the first, and how many (`get_written_sptes`).
fn written_sptes(page: &ShadowPage, gpa: Gpa) -> Option<(u16, u16)> {
    let mut offset = gpa.offset();
    let mut count = 1;
    if page.role.has_4_byte_gpte {
        // Entries of 4 bytes become ones of 8.
        offset <<= 1;
        if page.role.level == PT32_ROOT_LEVEL {
            // An entry for 4 MiB becomes two for 2 MiB.
            offset = (offset & !7) << 1;
            count = 2;
        }
        let quadrant = offset >> 12;
        offset &= 0xfff;
        if quadrant != u64::from(page.role.quadrant) {
            return None;
        }
    }
    Some(((offset / 8) as u16, count))
}
