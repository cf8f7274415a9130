//! Memory as KVM's instruction emulator sees it: through the guest's own tables and the memory slots
//! (`emulator_read_write`, `vcpu_mmio_gva_to_gpa`, `retry_instruction`; arch/x86/kvm/x86.c).

use serde::{Deserialize, Serialize};

use super::role::PageAccess;
use super::slot::APIC_ACCESS_PAGE_PRIVATE_MEMSLOT;
use super::{Mmu, Paging};
use crate::memory::Gpa;
use crate::paging::fault::{Attempt, PageFault};
use crate::paging::walk::{Rights, denial};

/// Where an emulated access ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Emulated {
    /// In memory: what was read, or what was written.
    Memory(u64),
    /// There is no memory, or it is read-only and was to be written: a device's, in the kernel or in user space.
    Mmio(Gpa),
}

impl Mmu<'_> {
    /// The guest-physical address of an emulated access, and whether it is known to be MMIO
    /// (`vcpu_mmio_gva_to_gpa`).
    ///
    /// # Errors
    /// The page fault that the guest's own tables give.
    pub fn emulated_address(&mut self, linear: u64, attempt: Attempt) -> Result<(Gpa, bool), PageFault> {
        let generation = self.vm.slots.generation;
        if let Some(info) = self.vcpu.matches_mmio_linear(linear, generation)
            && self.is_cached_access_allowed(info.access, attempt)
        {
            self.vcpu.mmio_matches += 1;
            return Ok((info.gfn.address().plus(linear & 0xfff), true));
        }
        let gpa = self.guest_physical(linear, attempt)?;
        let is_apic_page = self.vm.slots.find(gpa.frame()).is_some_and(|s| s.id == APIC_ACCESS_PAGE_PRIVATE_MEMSLOT);
        if is_apic_page {
            return Ok((gpa, true));
        }
        let matches = self.vcpu.matches_mmio_gpa(gpa, generation);
        self.vcpu.mmio_matches += u64::from(matches);
        Ok((gpa, matches))
    }

    fn is_cached_access_allowed(&self, access: PageAccess, attempt: Attempt) -> bool {
        if self.vcpu.regime.format.is_none() {
            return true;
        }
        let mut rights = Rights::EXECUTE;
        rights.set(Rights::WRITE, access.contains(PageAccess::WRITE));
        rights.set(Rights::USER, access.contains(PageAccess::USER));
        denial(&self.vcpu.regime, rights, 0, attempt).is_none()
    }

    /// Reads for an emulated instruction; `size` bytes that lie in one page.
    ///
    /// # Errors
    /// The page fault that the guest's own tables give.
    pub fn emulated_read(&mut self, linear: u64, size: u8, attempt: Attempt) -> Result<Emulated, PageFault> {
        let (gpa, is_mmio) = self.emulated_address(linear, attempt)?;
        Ok(match self.vm.hpa(gpa) {
            Some(hpa) if !is_mmio => Emulated::Memory(self.memory.read(hpa, size)),
            _ => Emulated::Mmio(gpa),
        })
    }

    /// Writes for an emulated instruction; `size` bytes that lie in one page. A guest's table that is written so takes
    /// its shadow along.
    ///
    /// # Errors
    /// The page fault that the guest's own tables give.
    pub fn emulated_write(
        &mut self,
        linear: u64,
        size: u8,
        value: u64,
        attempt: Attempt,
    ) -> Result<Emulated, PageFault> {
        let (gpa, is_mmio) = self.emulated_address(linear, attempt)?;
        if is_mmio || !self.write_guest(gpa, size, value) {
            return Ok(Emulated::Mmio(gpa));
        }
        Ok(Emulated::Memory(value))
    }

    /// Writes the guest's memory (`emulator_write_phys`); false where there is none that may be written.
    pub fn write_guest(&mut self, gpa: Gpa, size: u8, value: u64) -> bool {
        let is_writable = self.vm.slots.find(gpa.frame()).is_some_and(|slot| !slot.is_readonly);
        let Some(hpa) = self.vm.hpa(gpa).filter(|_| is_writable) else { return false };
        self.memory.write(hpa, size, value);
        self.vm.slots.mark_dirty(gpa.frame());
        if self.vm.config.paging == Paging::Shadow {
            self.pte_write(gpa, size);
        }
        true
    }

    /// Whether an instruction is to be run again rather than emulated (`retry_instruction`).
    ///
    /// A fault that ends in emulation may come from a write-protected frame that is no table any more: its shadows go
    /// and the instruction is tried once more, unless it is one that writes tables (MOV, XCHG, CMPXCHG and the like:
    /// `x86_page_table_writing_insn`), or it was tried before at the same address. Only to be asked when
    /// [`Resolution::Emulate`](super::Resolution::Emulate) says that it may.
    pub fn retry_instruction(&mut self, rip: u64, address: u64, writes_tables: bool, may_retry: bool) -> bool {
        let last = self.vcpu.last_retry.take();
        if !may_retry || writes_tables || last == Some((rip, address)) {
            return false;
        }
        self.vcpu.last_retry = Some((rip, address));
        let gpa = if self.vcpu.root_role.direct {
            Gpa(address)
        } else {
            let attempt = Attempt::supervisor(crate::cpu::AccessKind::Write);
            match self.guest_physical(address, attempt) {
                Ok(gpa) => gpa,
                Err(_) => return true,
            }
        };
        self.unprotect(gpa.frame());
        true
    }
}
