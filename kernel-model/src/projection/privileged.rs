//! Privileged operations in words.

use crate::mm::PAGE_SIZE;
use crate::pv_ops::{ALL_PAGES, PvOp};

/// A few words for a line of the timeline.
pub fn label(op: PvOp) -> &'static str {
    match op {
        PvOp::WriteCr3 { .. } => "loads CR3",
        PvOp::PgdAlloc { .. } => "makes a top-level page table",
        PvOp::SetPte { .. } => "writes page-table entries",
        PvOp::ProtectPte { .. } => "write-protects pages",
        PvOp::ClearPte { .. } => "clears page-table entries",
        PvOp::FlushTlb { .. } => "flushes the TLB",
        PvOp::ExitMmap { .. } => "frees page tables",
        PvOp::PageFault { .. } => "page fault",
        PvOp::SafeHalt => "halts until the next interrupt",
        PvOp::SyscallEntry => "crosses into ring 0",
        PvOp::ReturnToUser => "returns to ring 3",
    }
}

/// One sentence, and its source.
pub(super) fn explain(op: PvOp) -> (String, &'static str) {
    match op {
        PvOp::WriteCr3 { .. } => (
            "The kernel loads CR3: another address space is in force.".to_owned(),
            "Intel SDM vol. 3, Paging; switch_mm()",
        ),
        PvOp::PgdAlloc { .. } => {
            ("The kernel makes the top-level page table of a new address space.".to_owned(), "pgd_alloc()")
        }
        PvOp::SetPte { at, write, .. } => (
            format!(
                "The kernel writes {}: the {} at {:#x} can be {}.",
                count(at.pages, "page-table entry", "page-table entries"),
                if at.pages == 1 { "page" } else { "pages" },
                at.first * PAGE_SIZE,
                if write { "read and written" } else { "read, not written" }
            ),
            "Intel SDM vol. 3, Paging; set_pte_at()",
        ),
        PvOp::ProtectPte { at } => (
            format!(
                "The kernel takes the right to write away from {} at {:#x}: the next write faults.",
                count(at.pages, "page", "pages"),
                at.first * PAGE_SIZE
            ),
            "ptep_set_wrprotect()",
        ),
        PvOp::ClearPte { at } => (
            format!(
                "The kernel clears {}: nothing is mapped at {:#x} any more.",
                count(at.pages, "page-table entry", "page-table entries"),
                at.first * PAGE_SIZE
            ),
            "ptep_get_and_clear()",
        ),
        PvOp::FlushTlb { at } if at.pages == ALL_PAGES => (
            "The kernel makes the processors forget all translations of an address space.".to_owned(),
            "Intel SDM vol. 3, Invalidation of TLBs; flush_tlb_mm()",
        ),
        PvOp::FlushTlb { at } => (
            format!(
                "The kernel makes the processors forget the translation of {} at {:#x}.",
                count(at.pages, "page", "pages"),
                at.first * PAGE_SIZE
            ),
            "Intel SDM vol. 3, Invalidation of TLBs; flush_tlb_mm_range()",
        ),
        PvOp::ExitMmap { .. } => ("The kernel frees an address space with its page tables.".to_owned(), "exit_mmap()"),
        PvOp::PageFault { at, write, present } => (
            format!(
                "Page {}: {} touched at {:#x} {}.",
                if at.pages == 1 { "fault" } else { "faults" },
                count(at.pages, "page is", "pages are"),
                at.first * PAGE_SIZE,
                match (present, write) {
                    (true, _) => "for writing, and may only be read",
                    (false, true) => "for writing, and not mapped yet",
                    (false, false) => "for reading, and not mapped yet",
                }
            ),
            "Intel SDM vol. 3, Page-Fault Exceptions; handle_mm_fault()",
        ),
        PvOp::SafeHalt => {
            ("Nothing is left to run: the processor halts until the next interrupt.".to_owned(), "HLT; default_idle()")
        }
        PvOp::SyscallEntry => {
            ("SYSCALL: the processor goes from ring 3 to ring 0.".to_owned(), "Intel SDM vol. 2, SYSCALL")
        }
        PvOp::ReturnToUser => {
            ("SYSRET: the processor goes back from ring 0 to ring 3.".to_owned(), "Intel SDM vol. 2, SYSRET")
        }
    }
}

/// A number with its noun.
fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
