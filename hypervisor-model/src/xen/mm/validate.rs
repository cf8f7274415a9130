//! Validation: when a frame becomes a page table, every entry in it takes what it needs of what it names; when it ceases to
//! be one, all of that is given back. Source: `promote_l1_table` to `promote_l4_table`, `get_page_from_l1e` to
//! `get_page_from_l4e`, `put_page_from_l1e` (`xen/arch/x86/mm.c`).

use super::{PageType, is_guest_slot};
use crate::memory::{Hfn, Owner};
use crate::paging::format::{ADDRESS, G, P, PCD, PS, PWT, RW, US, XD};
use crate::xen::domain::{DomId, GuestKind};
use crate::xen::{Refusal, Xen, refuse};
use kernel_model::errno::Errno;

/// Bits of an entry that a guest may never set: the high ones that are no address and no XD.
const RESERVED: u64 = !(ADDRESS | XD | 0xfff | 0x7ff << 52);
/// Bits of an entry of the last level that no guest may set beside these: none (PAT is bit 7 there).
const L1_DISALLOWED: u64 = RESERVED;
/// Above the last level neither a large page nor a global entry.
const UPPER_DISALLOWED: u64 = RESERVED | PS | G;
/// The mark of an entry for the guest's kernel (`_PAGE_GUEST_KERNEL`), in a bit that processors leave to software.
pub const GUEST_KERNEL: u64 = 1 << 52;
/// Caching bits, which only a domain with hardware may set.
const CACHE: u64 = PCD | PWT;

/// The frame that an entry names.
pub fn entry_frame(entry: u64) -> Hfn {
    Hfn((entry & ADDRESS) >> 12)
}

impl Xen {
    /// The entries of a table, with their slots, that are present and the guest's.
    fn present_entries(&self, table: Hfn, level: u8) -> Vec<(u64, u64)> {
        let at = |slot: u64| self.memory.read_u64(table.address().plus(8 * slot));
        (0..512)
            .filter(|slot| is_guest_slot(level, *slot))
            .map(|slot| (slot, at(slot)))
            .filter(|(_, e)| e & P != 0)
            .collect()
    }

    /// A frame becomes a page table of a level.
    ///
    /// # Errors
    /// EINVAL, EPERM, EBUSY: what the first entry that is wrong gives. Nothing is held then.
    pub(super) fn promote(&mut self, table: Hfn, level: u8) -> Result<(), Refusal> {
        let Some(owner) = self.owner(table) else { return refuse(Errno::EINVAL, "the frame has no owner") };
        let entries = self.present_entries(table, level);
        for (n, (slot, entry)) in entries.iter().enumerate() {
            let adjusted = self.adjust(owner, level, *entry);
            if let Err(refusal) = self.get_page_from_entry(level, adjusted, table, owner, owner) {
                for (_, done) in &entries[..n] {
                    self.put_page_from_entry(level, *done, table);
                }
                return Err(refusal);
            }
            if adjusted != *entry {
                self.memory.write_u64(table.address().plus(8 * slot), adjusted);
            }
        }
        Ok(())
    }

    /// A frame ceases to be a page table.
    pub(super) fn demote(&mut self, table: Hfn, level: u8) {
        for (_, entry) in self.present_entries(table, level) {
            self.put_page_from_entry(level, entry, table);
        }
    }

    /// Kernel and programs of a 64-bit PV guest are both in ring 3, so every entry must let ring 3 in. What the guest keeps for
    /// its kernel is marked, and only the programs' pages are global: they survive the change to the kernel's table and
    /// back (`adjust_guest_l1e` to `adjust_guest_l4e`).
    pub(super) fn adjust(&self, owner: DomId, level: u8, entry: u64) -> u64 {
        let is_64 = self.domain(owner).is_some_and(|d| d.kind == GuestKind::Pv64);
        if !is_64 || entry & P == 0 {
            return entry;
        }
        match level {
            1 if entry & US == 0 || entry & GUEST_KERNEL != 0 => (entry & !G) | GUEST_KERNEL | US,
            1 => entry | G,
            _ => entry | US,
        }
    }

    /// Takes what an entry needs of the frame that it names. `owner` owns the table, `pages` the frame.
    ///
    /// # Errors
    /// EINVAL, EPERM, EBUSY.
    pub(super) fn get_page_from_entry(
        &mut self,
        level: u8,
        entry: u64,
        table: Hfn,
        owner: DomId,
        pages: DomId,
    ) -> Result<(), Refusal> {
        if level == 1 {
            return self.get_page_from_l1e(entry, owner, pages);
        }
        if entry & PS != 0 {
            return refuse(Errno::EINVAL, "a PV guest has no large pages");
        }
        if entry & UPPER_DISALLOWED != 0 {
            return refuse(Errno::EINVAL, "a bit is set that an entry above the last level may not have");
        }
        let frame = entry_frame(entry);
        match self.get_page_and_type(frame, owner, PageType::Table(level - 1)) {
            // A table may name itself, for reading: a linear page table.
            Err(_) if frame == table && entry & RW == 0 => Ok(()),
            taken => taken,
        }
    }

    fn get_page_from_l1e(&mut self, entry: u64, owner: DomId, pages: DomId) -> Result<(), Refusal> {
        let Some(d) = self.domain(owner) else { return refuse(Errno::ESRCH, "there is no domain of that number") };
        let has_hardware = !d.iomem.is_empty();
        let disallowed = L1_DISALLOWED | if has_hardware { 0 } else { CACHE };
        if entry & disallowed != 0 {
            return refuse(Errno::EINVAL, "a bit is set that an entry of the last level may not have");
        }
        let frame = entry_frame(entry);
        if frame.0 >= self.memory.len() {
            if d.may_map_device(frame.0) {
                return Ok(());
            }
            return refuse(Errno::EPERM, "only a domain that was given the device maps its memory");
        }
        let real = self.owner(frame);
        if real != Some(pages) {
            let caller_is_privileged = self.domain(pages).is_some_and(|d| d.is_privileged);
            if real.is_none() || pages == owner || !caller_is_privileged {
                return refuse(Errno::EBUSY, "the frame belongs to another domain, or to Xen");
            }
        }
        if entry & RW != 0
            && let Err(refusal) = self.get_page_type(frame, PageType::Writable)
        {
            return refuse(Errno::EBUSY, refusal.rule);
        }
        if let Some(info) = self.frames.info_mut(frame) {
            info.count += 1;
        }
        Ok(())
    }

    /// Gives back what an entry holds.
    pub(super) fn put_page_from_entry(&mut self, level: u8, entry: u64, table: Hfn) {
        let frame = entry_frame(entry);
        if entry & P == 0 || frame.0 >= self.memory.len() {
            return;
        }
        if level > 1 {
            if frame != table {
                self.put_page_and_type(frame);
            }
            return;
        }
        if self.is_granted_mapping(table, entry) {
            return;
        }
        if entry & RW != 0 {
            self.put_page_type(frame);
        }
        self.put_page(frame);
    }

    /// Whether an entry is one that a grant mapping has put there: the references are the mapping's.
    fn is_granted_mapping(&self, table: Hfn, entry: u64) -> bool {
        let owner = self.owner(table);
        owner.is_some()
            && self.owner(entry_frame(entry)) != owner
            && self.memory.owner(entry_frame(entry)) != Owner::Host
    }
}
