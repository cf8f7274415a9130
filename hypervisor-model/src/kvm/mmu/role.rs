//! The role of a shadow page: everything but the guest frame that decides what its entries must be
//! (`union kvm_mmu_page_role`, arch/x86/include/asm/kvm_host.h; `kvm_calc_cpu_role`, arch/x86/kvm/mmu/mmu.c).
//!
//! Two shadow pages of the same guest table differ in their role, for instance when the guest has toggled CR0.WP in
//! between: the old one is kept and found again.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::cpu::{Cr0, Cr4, Efer};
use crate::paging::{FormatKind, PagingState};

bitflags! {
    /// What the tables above a page, or an entry, allow: `ACC_*_MASK`.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct PageAccess: u8 {
        /// `ACC_EXEC_MASK`.
        const EXEC = 1 << 0;
        /// `ACC_WRITE_MASK`.
        const WRITE = 1 << 1;
        /// `ACC_USER_MASK`.
        const USER = 1 << 2;
    }
}

/// Level of the root of PAE tables: `PT32E_ROOT_LEVEL`.
pub const PT32E_ROOT_LEVEL: u8 = 3;
/// Level of the root of 32-bit tables: `PT32_ROOT_LEVEL`.
pub const PT32_ROOT_LEVEL: u8 = 2;
/// Level of the root of 4-level tables: `PT64_ROOT_4LEVEL`.
pub const PT64_ROOT_4LEVEL: u8 = 4;

/// What a shadow page is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Level of its entries: 1 maps 4 KiB pages.
    pub level: u8,
    /// The guest's table has entries of four bytes: one of them needs two shadow pages, or four at the top.
    pub has_4_byte_gpte: bool,
    /// Which half or quarter of such a table.
    pub quadrant: u8,
    /// It shadows no table: its entries map a run of frames, under a guest's large page or without guest paging.
    pub direct: bool,
    /// What the guest's entries above it allow.
    pub access: PageAccess,
    /// EFER.NXE.
    pub efer_nx: bool,
    /// CR0.WP.
    pub cr0_wp: bool,
    /// CR4.SMEP with CR0.WP clear.
    pub smep_andnot_wp: bool,
    /// CR4.SMAP with CR0.WP clear.
    pub smap_andnot_wp: bool,
    /// The processor has no accessed and dirty flags in this kind of table.
    pub ad_disabled: bool,
    /// Taken out of use; it goes when no root refers to it.
    pub invalid: bool,
}

impl Role {
    /// Of a processor without paging: `kvm_calc_cpu_role` with CR0.PG clear.
    fn without_paging() -> Self {
        Role {
            level: 0,
            has_4_byte_gpte: false,
            quadrant: 0,
            direct: true,
            access: PageAccess::all(),
            efer_nx: false,
            cr0_wp: false,
            smep_andnot_wp: false,
            smap_andnot_wp: false,
            ad_disabled: false,
            invalid: false,
        }
    }

    /// What the guest's registers say (`kvm_calc_cpu_role`).
    pub fn of_cpu(guest: &PagingState) -> Self {
        let Some(format) = guest.format() else { return Role::without_paging() };
        let wp = guest.cr0.contains(Cr0::WP);
        Role {
            level: format.format().levels.len() as u8,
            has_4_byte_gpte: format == FormatKind::Bits32,
            direct: false,
            efer_nx: guest.efer.contains(Efer::NXE),
            cr0_wp: wp,
            smep_andnot_wp: guest.cr4.contains(Cr4::SMEP) && !wp,
            smap_andnot_wp: guest.cr4.contains(Cr4::SMAP) && !wp,
            ..Role::without_paging()
        }
    }

    /// Of the root of shadow tables (`kvm_init_shadow_mmu`): PAE wherever the guest is not in long mode, and with NX
    /// whether the guest has it or not.
    pub fn of_shadow_root(cpu: Role) -> Self {
        Role { level: cpu.level.max(PT32E_ROOT_LEVEL), efer_nx: true, ..cpu }
    }

    /// Of the root of nested tables (`kvm_calc_tdp_mmu_root_page_role`): the guest's mode does not matter.
    pub fn of_tdp_root(level: u8, has_accessed_and_dirty: bool) -> Self {
        let ad_disabled = !has_accessed_and_dirty;
        Role { level, efer_nx: true, cr0_wp: true, ad_disabled, ..Role::without_paging() }
    }

    /// Of the page behind entry `index` of a page with this role (`kvm_mmu_child_role`).
    pub fn child(self, index: u16, direct: bool, access: PageAccess) -> Self {
        let quadrant = if self.has_4_byte_gpte { (index & 1) as u8 } else { self.quadrant };
        Role { level: self.level - 1, direct, access, quadrant, ..self }
    }

    /// Whether two roles differ in nothing but what belongs to a page rather than to the whole MMU: what
    /// `FNAME(sync_page)` ignores.
    pub fn is_of_same_mmu(self, other: Role) -> bool {
        let strip = |role: Role| Role { level: 0, access: PageAccess::empty(), quadrant: 0, ..role };
        strip(self) == strip(other)
    }
}
