//! What can be seen of KVM's memory management: its trace events, and steps that have none of their own.

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::page::SpId;
use super::role::Role;
use crate::memory::{Gfn, Gpa};
use crate::paging::PageFault;

/// Something that KVM's MMU did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MmuEvent {
    /// A fault of the hardware's tables is looked at.
    PageFault {
        /// Linear address, or guest-physical with nested paging.
        address: u64,
        /// The error code.
        code: u64,
    },
    /// What became of it.
    Resolved {
        /// Linear address, or guest-physical with nested paging.
        address: u64,
        /// The outcome.
        outcome: Outcome,
    },
    /// A table was asked for.
    GetPage {
        /// Which one was found or made.
        page: SpId,
        /// The guest's table, or the first frame that it maps.
        gfn: Gfn,
        /// What it is for.
        role: Role,
        /// It was made; else it was found.
        created: bool,
    },
    /// An entry of a shadow or nested table was written.
    SetSpte {
        /// The table.
        page: SpId,
        /// The entry.
        index: u16,
        /// The level.
        level: u8,
        /// The guest frame that it maps.
        gfn: Gfn,
        /// The entry before.
        old: u64,
        /// The entry now.
        new: u64,
    },
    /// An entry was made that sends every access to KVM.
    MarkMmio {
        /// The guest frame.
        gfn: Gfn,
    },
    /// A guest's table became writable and its shadow may be stale from now on.
    Unsync {
        /// The shadow page.
        page: SpId,
        /// The guest's table.
        gfn: Gfn,
    },
    /// A stale shadow was brought up to date.
    Sync {
        /// The shadow page.
        page: SpId,
        /// The guest's table.
        gfn: Gfn,
    },
    /// A shadow page was given up.
    Zap {
        /// The shadow page.
        page: SpId,
        /// The guest's table.
        gfn: Gfn,
    },
    /// A guest's table was written so often that its shadow is given up.
    Flooded {
        /// The shadow page.
        page: SpId,
        /// The guest's table.
        gfn: Gfn,
    },
    /// A write to a guest's table was emulated, and its shadow follows.
    PteWritten {
        /// Where.
        gpa: Gpa,
        /// How many bytes.
        size: u8,
    },
    /// KVM set the accessed bit in a guest's table entry.
    AccessedSet {
        /// Where the entry is.
        gpa: Gpa,
    },
    /// KVM set the dirty bit in a guest's table entry.
    DirtySet {
        /// Where the entry is.
        gpa: Gpa,
    },
    /// Every mapping of a guest frame lost its right to write.
    WriteProtected {
        /// The frame.
        gfn: Gfn,
    },
    /// The guest gets a page fault of its own.
    Injected(PageFault),
    /// A root of tables is in force.
    RootLoaded {
        /// The guest's CR3 that it belongs to; 0 with nested paging.
        pgd: u64,
        /// It was one of the last ones and still at hand.
        cached: bool,
    },
    /// Translations have to be dropped from TLBs before a guest runs again.
    FlushRequested,
    /// A large mapping was split.
    Split {
        /// Its first frame.
        gfn: Gfn,
    },
    /// Frames were read from the page-modification log.
    PmlDrained {
        /// How many.
        count: u16,
    },
}

impl MmuEvent {
    /// The function of the kernel in which it happens.
    pub fn source(&self) -> &'static str {
        match self {
            MmuEvent::PageFault { .. } | MmuEvent::Resolved { .. } => "arch/x86/kvm/mmu/mmu.c kvm_mmu_page_fault",
            MmuEvent::GetPage { .. } => "arch/x86/kvm/mmu/mmu.c __kvm_mmu_get_shadow_page",
            MmuEvent::SetSpte { .. } => "arch/x86/kvm/mmu/mmu.c mmu_set_spte",
            MmuEvent::MarkMmio { .. } => "arch/x86/kvm/mmu/mmu.c mark_mmio_spte",
            MmuEvent::Unsync { .. } => "arch/x86/kvm/mmu/mmu.c mmu_try_to_unsync_pages",
            MmuEvent::Sync { .. } => "arch/x86/kvm/mmu/mmu.c kvm_sync_page",
            MmuEvent::Zap { .. } => "arch/x86/kvm/mmu/mmu.c kvm_mmu_prepare_zap_page",
            MmuEvent::Flooded { .. } => "arch/x86/kvm/mmu/mmu.c detect_write_flooding",
            MmuEvent::PteWritten { .. } => "arch/x86/kvm/mmu/mmu.c kvm_mmu_pte_write",
            MmuEvent::AccessedSet { .. } | MmuEvent::DirtySet { .. } => {
                "arch/x86/kvm/mmu/paging_tmpl.h update_accessed_dirty_bits"
            }
            MmuEvent::WriteProtected { .. } => "arch/x86/kvm/mmu/mmu.c kvm_mmu_slot_gfn_write_protect",
            MmuEvent::Injected(_) => "arch/x86/kvm/x86.c kvm_inject_emulated_page_fault",
            MmuEvent::RootLoaded { .. } => "arch/x86/kvm/mmu/mmu.c kvm_mmu_load",
            MmuEvent::FlushRequested => "virt/kvm/kvm_main.c kvm_flush_remote_tlbs",
            MmuEvent::Split { .. } => "arch/x86/kvm/mmu/tdp_mmu.c tdp_mmu_split_huge_page",
            MmuEvent::PmlDrained { .. } => "arch/x86/kvm/vmx/vmx.c vmx_flush_pml_buffer",
        }
    }
}
