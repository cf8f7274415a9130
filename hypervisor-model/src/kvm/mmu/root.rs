//! Roots: what the processor's CR3, EPTP or nCR3 gets, and what the guest's control registers do to it
//! (`kvm_mmu_load`, `kvm_mmu_new_pgd`, `kvm_mmu_reset_context`, mmu.c; `kvm_post_set_cr0` and its kin, x86.c).

use serde::{Deserialize, Serialize};

use super::event::MmuEvent;
use super::role::{PT32_ROOT_LEVEL, PT32E_ROOT_LEVEL, PT64_ROOT_4LEVEL, Role};
use super::vcpu::{PREV_ROOTS, Root};
use super::{Mmu, Paging};
use crate::cpu::{Cr0, Cr4, Efer};
use crate::memory::{Gpa, Hpa, Owner};
use crate::paging::format::{ADDRESS, FormatKind, P};
use crate::paging::{PagingState, Regime};

/// The root of the guest's tables is in no memory slot, or there is no memory for tables: KVM gives the guest a
/// triple fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
#[error("no root of tables can be had for cr3 {pgd:#x}")]
pub struct NoRoot {
    /// The guest's CR3.
    pub pgd: u64,
}

/// What a VM entry has to do to the TLB, because of what was done to tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Entered {
    /// Translations of the current root must go (`KVM_REQ_TLB_FLUSH_CURRENT`, or a flush that another processor
    /// asked for).
    pub flush: bool,
    /// The root is another one than before.
    pub new_root: bool,
}

/// Bits of CR4 that are part of the role: `KVM_MMU_CR4_ROLE_BITS`.
const CR4_ROLE: Cr4 = Cr4::PSE.union(Cr4::PAE).union(Cr4::LA57).union(Cr4::SMEP).union(Cr4::SMAP).union(Cr4::PKE);

impl Mmu<'_> {
    /// Sets all registers at once, as `KVM_SET_SREGS` does.
    pub fn set_registers(&mut self, guest: PagingState) {
        self.vcpu.guest = guest;
        self.load_pdptes();
        self.reset_context();
    }

    /// Takes over registers that the guest changed without an exit. With nested paging KVM learns of them only when
    /// it looks.
    pub fn observe(&mut self, guest: PagingState) {
        debug_assert!(self.vm.config.is_tdp());
        self.vcpu.guest = guest;
        self.init();
    }

    /// CR0 was written.
    pub fn set_cr0(&mut self, cr0: Cr0) {
        let changed = self.vcpu.guest.cr0 ^ cr0;
        self.vcpu.guest.cr0 = cr0;
        if changed.contains(Cr0::PG) {
            self.load_pdptes();
            // Turning paging off flushes the TLB, in the guest's eyes.
            self.vcpu.requests.flush_guest |= !cr0.contains(Cr0::PG);
        }
        if self.vm.config.is_tdp() && changed & (Cr0::PG | Cr0::WP) == Cr0::WP {
            // WP is of no concern to nested tables: only the guest's own walks by KVM change.
            self.init();
        } else if changed.intersects(Cr0::PG | Cr0::WP) {
            self.reset_context();
        } else {
            self.init();
        }
    }

    /// CR3 was written; bit 63 of `value` says that translations may be kept (with CR4.PCIDE).
    pub fn set_cr3(&mut self, value: u64) {
        let pcide = self.vcpu.guest.cr4.contains(Cr4::PCIDE);
        let keeps = pcide && value >> 63 != 0;
        let new = value & !(1 << 63);
        let is_pae = self.vcpu.guest.format() == Some(FormatKind::Pae);
        let pcid = if pcide { (new & 0xfff) as u16 } else { 0 };
        if new != self.vcpu.guest.cr3 || is_pae {
            let is_other = new != self.vcpu.guest.cr3;
            self.vcpu.guest.cr3 = new;
            self.load_pdptes();
            self.init();
            if is_other || is_pae {
                self.new_pgd(keeps);
            }
        }
        if !keeps {
            self.invalidate_pcid(pcid);
        }
    }

    /// CR4 was written.
    pub fn set_cr4(&mut self, cr4: Cr4) {
        let old = self.vcpu.guest.cr4;
        let changed = old ^ cr4;
        self.vcpu.guest.cr4 = cr4;
        if changed.intersects(Cr4::PAE | Cr4::PSE | Cr4::PGE | Cr4::SMEP) {
            self.load_pdptes();
        }
        if changed.intersects(CR4_ROLE) {
            self.reset_context();
        } else {
            self.init();
        }
        let loses_pcid = old.contains(Cr4::PCIDE) && !cr4.contains(Cr4::PCIDE);
        if loses_pcid && !self.vm.config.is_tdp() {
            self.unload();
        }
        if loses_pcid || changed.contains(Cr4::PGE) {
            self.vcpu.requests.flush_guest = true;
        } else if changed.contains(Cr4::PAE) || changed.contains(Cr4::SMEP) && cr4.contains(Cr4::SMEP) {
            self.vcpu.requests.flush_current = true;
        }
    }

    /// EFER was written, or its LMA changed with CR0.PG.
    pub fn set_efer(&mut self, efer: Efer) {
        let changed = self.vcpu.guest.efer ^ efer;
        self.vcpu.guest.efer = efer;
        if changed.intersects(Efer::NXE | Efer::LME | Efer::LMA) {
            self.reset_context();
        }
    }

    /// INVPCID by the guest (`kvm_handle_invpcid`): type 0 to 3, checked already.
    pub fn invpcid(&mut self, kind: u64, pcid: u16, linear: u64) {
        match kind {
            0 => self.invalidate_gva(linear),
            1 => self.invalidate_pcid(pcid),
            _ => self.vcpu.requests.flush_guest = true,
        }
    }

    /// `kvm_invalidate_pcid`: the current address space is synced before the guest runs again; others lose their root,
    /// and so are synced when they come back.
    fn invalidate_pcid(&mut self, pcid: u16) {
        if self.vcpu.guest.pcid() == pcid {
            self.vcpu.requests.sync = true;
            self.vcpu.requests.flush_current = true;
        }
        if !self.vcpu.guest.cr4.contains(Cr4::PCIDE) {
            return;
        }
        for at in 0..PREV_ROOTS {
            if self.vcpu.prev_roots[at].is_some_and(|root| root.pgd & 0xfff == u64::from(pcid)) {
                let root = self.vcpu.prev_roots[at].take();
                self.free_root(root);
            }
        }
    }

    /// Reads the four PDPTEs of PAE paging, as a load of CR3 does (`load_pdptrs`).
    fn load_pdptes(&mut self) {
        if self.vcpu.guest.format() != Some(FormatKind::Pae) {
            return;
        }
        let table = Gpa(self.vcpu.guest.cr3 & 0xffff_ffe0);
        for at in 0..4u64 {
            self.vcpu.guest.pdptes[at as usize] = self.vm.read_gpte(self.memory, table.plus(8 * at), 8).unwrap_or(0);
        }
    }

    /// Works out roles and checks from the registers (`kvm_init_mmu`).
    fn init(&mut self) {
        self.vcpu.regime = Regime::new(&self.vcpu.guest);
        self.vcpu.cpu_role = Role::of_cpu(&self.vcpu.guest);
        self.vcpu.root_role = match self.vm.config.paging {
            Paging::Shadow => Role::of_shadow_root(self.vcpu.cpu_role),
            Paging::Ept { accessed_and_dirty, .. } => Role::of_tdp_root(PT64_ROOT_4LEVEL, accessed_and_dirty),
            Paging::Npt => Role::of_tdp_root(PT64_ROOT_4LEVEL, true),
        };
    }

    /// The guest's mode has changed: all roots go (`kvm_mmu_reset_context`).
    fn reset_context(&mut self) {
        self.unload();
        self.init();
    }

    /// Lets go of all roots (`kvm_mmu_unload`).
    pub fn unload(&mut self) {
        let root = self.vcpu.root.take();
        self.free_root(root);
        for at in 0..PREV_ROOTS {
            let root = self.vcpu.prev_roots[at].take();
            self.free_root(root);
        }
    }

    fn free_root(&mut self, root: Option<Root>) {
        for page in root.iter().flat_map(|root| root.pages().collect::<Vec<_>>()) {
            self.vm.put_root(self.memory, page);
        }
    }

    /// The part of CR3 that names an address space (`get_guest_pgd`).
    fn pgd(&self) -> u64 {
        self.vcpu.guest.cr3
    }

    /// Changes to the root of another CR3, if it is still held (`kvm_mmu_new_pgd`, `fast_pgd_switch`).
    fn new_pgd(&mut self, keeps: bool) {
        if !self.find_cached_root() {
            return;
        }
        self.vcpu.requests.load_pgd = true;
        if !keeps {
            self.vcpu.requests.sync = true;
            self.vcpu.requests.flush_current = true;
        }
        self.vcpu.forget_mmio();
        if let Some(root) = self.vcpu.root {
            if let Some(page) = root.page.filter(|_| !self.vcpu.root_role.direct) {
                self.vm.page_mut(page).write_flooding_count = 0;
            }
            self.vm.emit(MmuEvent::RootLoaded { pgd: root.pgd, cached: true });
        }
    }

    fn is_usable(&self, root: &Root) -> bool {
        let role = self.vcpu.root_role;
        let is_valid = root.pages().all(|page| self.vm.pages.get(&page).is_some_and(|page| !page.role.invalid));
        is_valid && root.role == role && (role.direct || root.pgd == self.pgd())
    }

    /// `cached_root_find_and_keep_current`. Roots of PAE entries are not kept: the entries are in one frame.
    fn find_cached_root(&mut self) -> bool {
        if self.vcpu.root.is_some_and(|root| root.page.is_none()) {
            let root = self.vcpu.root.take();
            self.free_root(root);
            return false;
        }
        if self.vcpu.root.as_ref().is_some_and(|root| self.is_usable(root)) {
            return true;
        }
        for at in 0..PREV_ROOTS {
            std::mem::swap(&mut self.vcpu.root, &mut self.vcpu.prev_roots[at]);
            if self.vcpu.root.as_ref().is_some_and(|root| self.is_usable(root)) {
                return true;
            }
        }
        let root = self.vcpu.root.take();
        self.free_root(root);
        false
    }

    /// What VM entry does about tables: requests, and a root if there is none (`vcpu_enter_guest`).
    ///
    /// # Errors
    /// There is no root: the guest is shut down.
    pub fn enter(&mut self) -> Result<Entered, NoRoot> {
        self.free_obsolete_roots();
        if self.vcpu.requests.flush_guest && !self.vm.config.is_tdp() {
            self.sync_roots();
            self.sync_prev_roots();
        }
        if self.vcpu.requests.sync {
            self.sync_roots();
        }
        let loads = self.vcpu.root.is_none();
        if loads {
            self.load()?;
        }
        let requests = std::mem::take(&mut self.vcpu.requests);
        let is_behind = self.vcpu.flush_seen != self.vm.flush_generation;
        self.vcpu.flush_seen = self.vm.flush_generation;
        let flush = loads || is_behind || requests.flush_current || requests.flush_guest;
        Ok(Entered { flush, new_root: loads || requests.load_pgd })
    }

    /// Roots whose pages were given up go (`kvm_mmu_free_obsolete_roots`).
    fn free_obsolete_roots(&mut self) {
        let is_obsolete = |mmu: &Self, root: &Option<Root>| {
            root.is_some_and(|root| root.pages().any(|page| mmu.vm.pages.get(&page).is_none_or(|p| p.role.invalid)))
        };
        if is_obsolete(self, &self.vcpu.root) {
            let root = self.vcpu.root.take();
            self.free_root(root);
        }
        for at in 0..PREV_ROOTS {
            if is_obsolete(self, &self.vcpu.prev_roots[at]) {
                let root = self.vcpu.prev_roots[at].take();
                self.free_root(root);
            }
        }
    }

    /// Makes or finds the root for the guest's CR3 (`kvm_mmu_load`).
    fn load(&mut self) -> Result<(), NoRoot> {
        let pgd = self.pgd();
        let root = if self.vm.config.is_tdp() {
            self.tdp_root()
        } else if self.vcpu.root_role.level >= PT64_ROOT_4LEVEL {
            self.long_root()
        } else {
            self.pae_root()
        };
        let root = root.ok_or(NoRoot { pgd })?;
        for page in root.pages() {
            self.vm.page_mut(page).root_count += 1;
        }
        self.vcpu.root = Some(root);
        self.vm.emit(MmuEvent::RootLoaded { pgd: root.pgd, cached: false });
        self.sync_roots();
        Ok(())
    }

    /// `kvm_tdp_mmu_get_vcpu_root_hpa`: one root for all processors of the same role.
    fn tdp_root(&mut self) -> Option<Root> {
        let role = self.vcpu.root_role;
        let page = match self.vm.tdp_roots.get(&role) {
            Some(page) => *page,
            None => {
                let page = self.vm.make_page(self.memory, crate::memory::Gfn(0), role)?;
                self.vm.emit(MmuEvent::GetPage { page, gfn: crate::memory::Gfn(0), role, created: true });
                self.vm.tdp_roots.insert(role, page);
                page
            }
        };
        Some(Root { pgd: 0, hpa: self.vm.page(page).table.address(), page: Some(page), pae: [None; 4], role })
    }

    /// A root of four or five levels (`mmu_alloc_shadow_roots`).
    fn long_root(&mut self) -> Option<Root> {
        let role = self.vcpu.root_role;
        let gfn = Gpa(self.pgd() & ADDRESS).frame();
        self.vm.slots.find(gfn)?;
        let page = self.get_page(gfn, role)?;
        Some(Root { pgd: self.pgd(), hpa: self.vm.page(page).table.address(), page: Some(page), pae: [None; 4], role })
    }

    /// Four page directories behind PAE entries: for a guest in PAE or 32-bit paging, and for one without paging
    /// (`mmu_alloc_shadow_roots`, `mmu_alloc_direct_roots`).
    fn pae_root(&mut self) -> Option<Root> {
        let role = self.vcpu.root_role;
        let mut pae = [None; 4];
        for (at, slot) in pae.iter_mut().enumerate() {
            let (gfn, quadrant) = if role.direct {
                (crate::memory::Gfn((at as u64) << 18), 0)
            } else if self.vcpu.cpu_role.level == PT32E_ROOT_LEVEL {
                let pdpte = self.vcpu.guest.pdptes[at];
                if pdpte & P == 0 {
                    continue;
                }
                (Gpa(pdpte & ADDRESS).frame(), 0)
            } else {
                (Gpa(self.pgd() & 0xffff_f000).frame(), at as u8)
            };
            if !role.direct {
                self.vm.slots.find(gfn)?;
            }
            *slot = Some(self.get_page(gfn, Role { level: PT32_ROOT_LEVEL, quadrant, ..role })?);
        }
        let frame = match self.vcpu.pae_root {
            Some(frame) => frame,
            None => self.memory.allocate(Owner::ShadowTable(self.vm.config.guest))?,
        };
        self.vcpu.pae_root = Some(frame);
        for (at, page) in pae.iter().enumerate() {
            let entry = page.map_or(0, |page| self.vm.page(page).table.address().0 | P);
            self.memory.write_u64(frame.address().plus(8 * at as u64), entry);
        }
        Some(Root { pgd: self.pgd(), hpa: Hpa(frame.address().0), page: None, pae, role })
    }
}
