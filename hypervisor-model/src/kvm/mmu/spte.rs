//! Shadow and nested page-table entries: what KVM puts in them for the processor, and for itself
//! (arch/x86/kvm/mmu/spte.h, spte.c).
//!
//! One set of names for two layouts: the ordinary one (shadow tables, NPT) and that of EPT. Bits that processors leave
//! to software say what KVM may do: *host-writable* (the host's mapping may be written), *MMU-writable* (only a
//! write protection that may be taken back at once stands in the way), *MMU-present*.

use serde::{Deserialize, Serialize};

use super::role::PageAccess;
use crate::memory::{Gfn, Hfn};
use crate::paging::{ept, format};

/// `SPTE_MMU_PRESENT_MASK`: distinguishes an entry in use from one for MMIO, which may look present to the processor.
pub const MMU_PRESENT: u64 = 1 << 11;
/// A reserved bit that makes an ordinary entry fault with RSVD: that of MMIO (`kvm_mmu_reset_all_pte_masks`).
const MMIO_RESERVED: u64 = 1 << 51;
/// Generations that fit into an entry for MMIO; `MMIO_SPTE_GEN_MASK` has more bits.
const MMIO_GENERATIONS: u64 = 1 << 9;
const MMIO_GENERATION_SHIFT: u32 = 52;

/// The layout of entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SpteLayout {
    /// As any page table: shadow tables and NPT.
    Ordinary,
    /// EPT.
    Ept,
}

impl SpteLayout {
    const fn pick(self, ordinary: u64, ept: u64) -> u64 {
        match self {
            SpteLayout::Ordinary => ordinary,
            SpteLayout::Ept => ept,
        }
    }

    /// `shadow_host_writable_mask`.
    pub fn host_writable(self) -> u64 {
        self.pick(1 << 9, 1 << 57)
    }

    /// `shadow_mmu_writable_mask`.
    pub fn mmu_writable(self) -> u64 {
        self.pick(1 << 10, 1 << 58)
    }

    /// `shadow_accessed_mask`.
    pub fn accessed(self) -> u64 {
        self.pick(format::A, ept::A)
    }

    /// `shadow_dirty_mask`.
    pub fn dirty(self) -> u64 {
        self.pick(format::D, ept::D)
    }

    /// The bits of an entry in use whose page allows `access`, without frame and A/D.
    pub fn rights(self, access: PageAccess) -> u64 {
        let mut bits = MMU_PRESENT | self.pick(format::P, ept::R | ept::TYPE_WB | ept::IGNORE_PAT);
        if access.contains(PageAccess::EXEC) {
            bits |= self.pick(0, ept::X);
        } else {
            bits |= self.pick(format::XD, 0);
        }
        if access.contains(PageAccess::USER) {
            bits |= self.pick(format::US, 0);
        }
        if access.contains(PageAccess::WRITE) {
            bits |= format::RW | self.mmu_writable();
        }
        bits
    }

    /// An entry that names a table (`make_nonleaf_spte`).
    pub fn nonleaf(self, table: Hfn, ad_disabled: bool) -> u64 {
        let accessed = if ad_disabled { 0 } else { self.accessed() };
        let rights = self.pick(format::P | format::RW | format::US, ept::RWX);
        MMU_PRESENT | rights | accessed | table.address().0
    }

    /// An entry that sends every access to KVM, with what KVM wants to know then (`make_mmio_spte`).
    pub fn mmio(self, gfn: Gfn, access: PageAccess, generation: u64) -> u64 {
        let generation = (generation % MMIO_GENERATIONS) << MMIO_GENERATION_SHIFT;
        let kept = match self {
            // The rights are kept for the check that is made when the cached address is used again.
            SpteLayout::Ordinary => u64::from((access & (PageAccess::WRITE | PageAccess::USER)).bits()),
            SpteLayout::Ept => 0,
        };
        self.mmio_value() | generation | kept | gfn.address().0
    }

    fn mmio_value(self) -> u64 {
        // EPT: writable and executable, not readable, which is a misconfiguration (VMX_EPT_MISCONFIG_WX_VALUE).
        self.pick(MMIO_RESERVED | format::P, ept::W | ept::X)
    }

    /// Whether an entry is one for MMIO (`is_mmio_spte`).
    pub fn is_mmio(self, spte: u64) -> bool {
        let mask = self.pick(MMIO_RESERVED | format::P, ept::RWX);
        spte & MMU_PRESENT == 0 && spte & mask == self.mmio_value()
    }

    /// The frame, the rights and whether the generation is still `generation`, of an entry for MMIO.
    pub fn mmio_info(self, spte: u64, generation: u64) -> (Gfn, PageAccess, bool) {
        let gfn = Gfn((spte & format::ADDRESS & !MMIO_RESERVED) >> 12);
        let access = match self {
            SpteLayout::Ordinary => PageAccess::from_bits_truncate(spte as u8) - PageAccess::EXEC,
            SpteLayout::Ept => PageAccess::all(),
        };
        let is_current = spte >> MMIO_GENERATION_SHIFT & (MMIO_GENERATIONS - 1) == generation % MMIO_GENERATIONS;
        (gfn, access, is_current)
    }

    /// Whether the entry lets an access through (`is_access_allowed`).
    pub fn allows(self, spte: u64, is_write: bool, is_fetch: bool) -> bool {
        if is_fetch {
            return match self {
                SpteLayout::Ordinary => spte & format::XD == 0,
                SpteLayout::Ept => spte & ept::X != 0,
            };
        }
        !is_write || is_writable(spte)
    }

    /// Whether only a write protection stands in the way that may be taken back at once.
    pub fn is_mmu_writable(self, spte: u64) -> bool {
        spte & self.mmu_writable() != 0
    }
}

/// Whether an entry is in use (`is_shadow_present_pte`).
pub fn is_present(spte: u64) -> bool {
    spte & MMU_PRESENT != 0
}

/// Whether an entry allows writes; the bit is the same in both layouts (`is_writable_pte`).
pub fn is_writable(spte: u64) -> bool {
    spte & format::RW != 0
}

/// Whether an entry above the last level maps a page (`is_large_pte`).
pub fn is_large(spte: u64) -> bool {
    spte & format::PS != 0
}

/// Whether an entry at `level` that is in use maps a page (`is_last_spte`).
pub fn is_last(spte: u64, level: u8) -> bool {
    level == 1 || is_large(spte)
}

/// The frame that an entry names (`spte_to_pfn`).
pub fn frame(spte: u64) -> Hfn {
    Hfn((spte & format::ADDRESS) >> 12)
}
