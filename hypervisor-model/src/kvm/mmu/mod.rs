//! KVM's memory management for guests, as Linux 6.1 has it (arch/x86/kvm/mmu/).
//!
//! Two ways to give a guest memory. With *nested paging* (TDP: EPT or NPT) the processor walks the guest's tables
//! and KVM fills the second dimension, fault by fault ([`tdp`]). Without it the processor walks *shadow tables* that
//! KVM makes from the guest's tables and the memory slots ([`fetch`], [`sync`], [`pte_write`]), and KVM must see
//! whatever the guest does to its tables, or at least all that the guest may count on.
//!
//! How to drive it: [`Mmu`] is the machine's part for one virtual processor at one moment. [`Mmu::access`] does what
//! the processor does with an address and says whether that ends in memory, in a page fault of the guest's or in an
//! exit; [`Mmu::handle`] does what KVM does with that exit; what is left to be emulated goes through
//! [`Mmu::emulated_read`] and [`Mmu::emulated_write`]. The `set_cr0`, `set_cr3`, `set_cr4`, `set_efer` and `invlpg`
//! of this module are what KVM does to its tables when the guest's exit for such an instruction is handled;
//! [`Mmu::enter`] is the part of VM entry that loads roots and syncs.

pub mod access;
pub mod dirty_log;
pub mod emulate;
pub mod event;
pub mod fault;
pub mod fetch;
pub mod guest_walk;
pub mod invariants;
pub mod page;
pub mod pte_write;
pub mod role;
pub mod root;
pub mod slot;
pub mod spte;
pub mod sync;
pub mod tdp;
pub mod vcpu;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::memory::{Gfn, Hfn, Owner, PhysicalMemory};

pub use access::{MemoryExit, MemoryStop};
pub use emulate::Emulated;
pub use event::MmuEvent;
pub use fault::{Outcome, Resolution};
pub use page::{ShadowPage, SpId, SpteRef};
pub use role::{PageAccess, Role};
pub use slot::{MemorySlot, MemorySlots, SlotError, SlotId};
pub use spte::SpteLayout;
pub use vcpu::VcpuMmu;

/// What stands between a guest's physical addresses and the machine's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Paging {
    /// Shadow tables: `kvm-intel ept=0`, `kvm-amd npt=0`.
    Shadow,
    /// EPT.
    Ept {
        /// The processor has accessed and dirty flags there.
        accessed_and_dirty: bool,
        /// The processor logs writes by itself (page-modification logging).
        pml: bool,
    },
    /// NPT.
    Npt,
}

/// How a virtual machine's memory is managed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Whose memory it is.
    pub guest: crate::memory::GuestId,
    /// By which tables.
    pub paging: Paging,
    /// `enable_mmio_caching`: MMIO gets entries that fault at once.
    pub mmio_caching: bool,
    /// `nx_huge_pages`: large pages are not executable.
    pub nx_huge_pages: bool,
    /// The local APIC's private slot is not used at the moment, and accesses there go straight to the emulator
    /// (`!kvm_apicv_activated`).
    pub apic_page_is_emulated: bool,
}

impl Config {
    /// The usual settings.
    pub fn new(guest: crate::memory::GuestId, paging: Paging) -> Self {
        Config { guest, paging, mmio_caching: true, nx_huge_pages: false, apic_page_is_emulated: true }
    }

    /// Whether there is nested paging (`tdp_enabled`).
    pub fn is_tdp(&self) -> bool {
        self.paging != Paging::Shadow
    }
}

/// The memory management of one virtual machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KvmMmu {
    /// Settings.
    pub config: Config,
    /// What is memory.
    pub slots: MemorySlots,
    pages: OrdMap<SpId, ShadowPage>,
    next_page: u32,
    /// Valid pages by the guest frame that they shadow: the kernel's hash.
    by_gfn: OrdMap<Gfn, BTreeSet<SpId>>,
    by_table: OrdMap<Hfn, SpId>,
    /// Valid pages that shadow a guest's table, by its frame.
    shadowed: OrdMap<Gfn, BTreeSet<SpId>>,
    /// Guest frames whose writes are always seen: tables of upper levels, with the number of reasons.
    tracked: OrdMap<Gfn, u32>,
    rmap: OrdMap<(u8, Gfn), BTreeSet<SpteRef>>,
    /// The roots of nested tables by role.
    tdp_roots: BTreeMap<Role, SpId>,
    /// Goes up with every request to drop translations on all virtual processors.
    pub flush_generation: u64,
    events: Vec<MmuEvent>,
}

/// The memory management of a virtual machine while one of its processors is being looked after.
pub struct Mmu<'a> {
    /// The machine's memory.
    pub memory: &'a mut PhysicalMemory,
    /// The virtual machine's part.
    pub vm: &'a mut KvmMmu,
    /// The virtual processor's part.
    pub vcpu: &'a mut VcpuMmu,
}

impl KvmMmu {
    /// A virtual machine without memory.
    pub fn new(config: Config) -> Self {
        KvmMmu {
            config,
            slots: MemorySlots::default(),
            pages: OrdMap::new(),
            next_page: 1,
            by_gfn: OrdMap::new(),
            by_table: OrdMap::new(),
            shadowed: OrdMap::new(),
            tracked: OrdMap::new(),
            rmap: OrdMap::new(),
            tdp_roots: BTreeMap::new(),
            flush_generation: 0,
            events: Vec::new(),
        }
    }

    /// The layout of its entries.
    pub fn layout(&self) -> SpteLayout {
        match self.config.paging {
            Paging::Ept { .. } => SpteLayout::Ept,
            Paging::Shadow | Paging::Npt => SpteLayout::Ordinary,
        }
    }

    /// Whom its tables belong to.
    fn table_owner(&self) -> Owner {
        match self.config.paging {
            Paging::Shadow => Owner::ShadowTable(self.config.guest),
            Paging::Ept { .. } | Paging::Npt => Owner::NestedTable(self.config.guest),
        }
    }

    /// All tables that there are, by the order in which they were made.
    pub fn pages(&self) -> impl Iterator<Item = (SpId, &ShadowPage)> {
        self.pages.iter().map(|(id, page)| (*id, page))
    }

    /// Memory that the tables take, in bytes.
    pub fn table_bytes(&self) -> u64 {
        4096 * self.pages.len() as u64
    }

    /// What has happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<MmuEvent> {
        std::mem::take(&mut self.events)
    }

    fn emit(&mut self, event: MmuEvent) {
        self.events.push(event);
    }

    /// Asks every virtual processor to drop its translations before it runs again (`kvm_flush_remote_tlbs`).
    fn request_flush(&mut self) {
        self.flush_generation += 1;
        self.emit(MmuEvent::FlushRequested);
    }

    /// Whether writes to a guest frame must always be seen (`kvm_slot_page_track_is_active`).
    fn is_tracked(&self, gfn: Gfn) -> bool {
        self.tracked.contains_key(&gfn)
    }
}
