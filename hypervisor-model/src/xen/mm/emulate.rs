//! Writes to page tables without asking: the guest maps its tables read-only, so its store faults, and for a table of the last
//! level Xen checks and makes it ("ptwr"). The guest never learns of the fault. Source: `pv_ro_page_fault`,
//! `ptwr_emulated_update` (`xen/arch/x86/pv/ro-page-fault.c`).

use super::PageType;
use crate::memory::Hpa;
use crate::paging::format::{P, RW};
use crate::xen::domain::VcpuId;
use crate::xen::{Xen, mm::validate::entry_frame};
use kernel_model::machine::report::{DeedKind, Lane};

/// What becomes of a guest's store that faulted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    /// It was to a page table of the last level; Xen has checked it and made it.
    Emulated,
    /// The fault is the guest's own: its handler runs.
    Reflected(&'static str),
}

impl Xen {
    /// A guest's kernel stores `size` bytes at `va`, which its page tables map read-only.
    pub fn store_to_readonly(&mut self, who: VcpuId, va: u64, size: u8, value: u64) -> Store {
        let Some(at) = self.l1_entry(who, va) else { return Store::Reflected("nothing is mapped there") };
        let entry = self.memory.read_u64(at);
        if entry & P == 0 || entry & RW != 0 {
            return Store::Reflected("the page is not mapped read-only");
        }
        let frame = entry_frame(entry);
        let info = self.frames.info(frame);
        if info.type_count == 0 || info.kind != PageType::Table(1) || self.owner(frame) != Some(who.domain) {
            return Store::Reflected("the page is no page table of the last level of this domain");
        }
        if size != 8 || !va.is_multiple_of(8) {
            return Store::Reflected("only a naturally aligned store of a whole entry is emulated");
        }
        let target = Hpa(frame.address().0 + (va & 0xfff));
        match self.modify_entry(1, target, value, false, (who.domain, who.domain)) {
            Ok(()) => {
                self.deeds.tell(
                    DeedKind::Emulation,
                    "ptwr",
                    (Lane::GuestKernel, Lane::Hypervisor),
                    vec![("domain", u64::from(who.domain.0)), ("va", va), ("value", value)],
                    "The kernel of domain {domain} stores {value:x} at {va:x}, a page table: Xen checks and makes the store.",
                    "xen/arch/x86/pv/ro-page-fault.c",
                );
                Store::Emulated
            }
            Err(refusal) => Store::Reflected(refusal.rule),
        }
    }
}
