//! What KVM's MMU keeps for each virtual processor.

use serde::{Deserialize, Serialize};

use super::page::SpId;
use super::role::{PageAccess, Role};
use crate::memory::{Gfn, Gpa, Hfn, Hpa, PAGE_SIZE};
use crate::paging::ept::Pml;
use crate::paging::{PagingState, Regime};

/// How many roots are kept beside the one in force: `KVM_MMU_NUM_PREV_ROOTS`.
pub const PREV_ROOTS: usize = 3;

/// A root of tables that a virtual processor holds (`struct kvm_mmu_root_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Root {
    /// The guest's CR3 without flags; 0 with nested paging.
    pub pgd: u64,
    /// What the processor's CR3, EPTP or nCR3 gets.
    pub hpa: Hpa,
    /// The page that is the root; none where the root is four PAE entries.
    pub page: Option<SpId>,
    /// The pages behind the four PAE entries.
    pub pae: [Option<SpId>; 4],
    /// The role for which it was made.
    pub role: Role,
}

impl Root {
    /// The pages that the root keeps alive.
    pub fn pages(&self) -> impl Iterator<Item = SpId> {
        self.page.into_iter().chain(self.pae.into_iter().flatten())
    }
}

/// The last address that turned out to be MMIO (`struct kvm_vcpu_arch`: mmio_gva, mmio_gfn, mmio_access, mmio_gen).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MmioInfo {
    /// Its linear page; 0 where only the guest-physical address is known.
    pub page: u64,
    /// Its guest frame.
    pub gfn: Gfn,
    /// What the guest's tables allow there.
    pub access: PageAccess,
    /// The generation of the memory slots.
    pub generation: u64,
}

/// What is to be done before the processor runs again (`KVM_REQ_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Requests {
    /// `KVM_REQ_MMU_SYNC`.
    pub sync: bool,
    /// `KVM_REQ_LOAD_MMU_PGD`.
    pub load_pgd: bool,
    /// `KVM_REQ_TLB_FLUSH_CURRENT`.
    pub flush_current: bool,
    /// `KVM_REQ_TLB_FLUSH_GUEST`.
    pub flush_guest: bool,
}

/// What KVM's MMU keeps for a virtual processor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VcpuMmu {
    /// The guest's registers, as KVM last saw them.
    pub guest: PagingState,
    /// What they make of the guest's tables.
    pub(super) regime: Regime,
    /// The role of the guest's mode (`cpu_role.base`).
    pub cpu_role: Role,
    /// The role of the tables that the processor walks (`root_role`).
    pub root_role: Role,
    /// The root in force.
    pub root: Option<Root>,
    /// Roots of other address spaces, the most recent first.
    pub prev_roots: [Option<Root>; PREV_ROOTS],
    /// The frame of the four PAE entries, once there has been need of it.
    pub(super) pae_root: Option<Hfn>,
    /// The last MMIO address.
    pub mmio: Option<MmioInfo>,
    /// What is to be done before the processor runs again.
    pub requests: Requests,
    /// The last instruction that was retried instead of emulated, and its address (`last_retry_eip`, `_addr`).
    pub(super) last_retry: Option<(u64, u64)>,
    /// The last request of the whole machine to drop translations that was obeyed.
    pub(super) flush_seen: u64,
    /// The page-modification log.
    pub pml: Option<Pml>,
    /// `stat.invlpg`, `stat.pf_fixed` and their like are counted by whoever reads events; this one has none:
    /// translations taken from the MMIO cache (`vcpu_match_mmio`).
    pub mmio_matches: u64,
}

impl VcpuMmu {
    /// A virtual processor after reset: paging is off.
    pub fn new() -> Self {
        let guest = PagingState::default();
        let cpu_role = Role::of_cpu(&guest);
        VcpuMmu {
            guest,
            regime: Regime::new(&guest),
            cpu_role,
            root_role: Role::of_shadow_root(cpu_role),
            root: None,
            prev_roots: [None; PREV_ROOTS],
            pae_root: None,
            mmio: None,
            requests: Requests::default(),
            last_retry: None,
            flush_seen: 0,
            pml: None,
            mmio_matches: 0,
        }
    }

    /// What the guest's registers make of its tables.
    pub fn regime(&self) -> &Regime {
        &self.regime
    }

    /// Sets or clears EFLAGS.AC for the checks of SMAP.
    pub fn set_ac(&mut self, ac: bool) {
        self.guest.ac = ac;
        self.regime.ac = ac;
    }

    /// Forgets the last MMIO address (`vcpu_clear_mmio_info` with `MMIO_GVA_ANY`).
    pub(super) fn forget_mmio(&mut self) {
        if let Some(info) = &mut self.mmio {
            info.page = 0;
        }
    }

    /// Forgets the last MMIO address if it is in the page of `linear`.
    pub(super) fn forget_mmio_at(&mut self, linear: u64) {
        if let Some(info) = &mut self.mmio
            && info.page == linear & !(PAGE_SIZE - 1)
        {
            info.page = 0;
        }
    }

    /// `vcpu_match_mmio_gva`.
    pub(super) fn matches_mmio_linear(&self, linear: u64, generation: u64) -> Option<MmioInfo> {
        self.mmio
            .filter(|info| info.page != 0 && info.page == linear & !(PAGE_SIZE - 1) && info.generation == generation)
    }

    /// `vcpu_match_mmio_gpa`.
    pub(super) fn matches_mmio_gpa(&self, gpa: Gpa, generation: u64) -> bool {
        self.mmio.is_some_and(|info| info.generation == generation && info.gfn == gpa.frame())
    }
}

impl Default for VcpuMmu {
    fn default() -> Self {
        VcpuMmu::new()
    }
}
