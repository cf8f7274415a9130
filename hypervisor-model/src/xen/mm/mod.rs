//! Direct paging: a PV guest's page tables are walked by the processor as they are, so every write to them is checked
//! first. Source: `xen/arch/x86/mm.c`, `xen/include/public/xen.h`.
//!
//! Three numberings: *virtual*, *pseudo-physical* (PFN: the guest's own, from 0 up) and *machine* (MFN). Page tables hold
//! machine frames. The guest keeps the table from pseudo-physical to machine (P2M), Xen the one back (M2P), which all may
//! read.
//!
//! Every frame has a count of references and a *type* with a count of its own. A frame that is a page table of some level
//! cannot be writable at the same time, because the type changes only while its count is 0. That alone keeps guests apart.
//!
//! Invariants ([`Xen::check_frames`](super::Xen::check_frames)):
//! 1. The type's count of a frame is the number of entries in page tables of that type's kind, pins, base pointers and
//!    grants that name it.
//! 2. No frame has a writable mapping while it is a page table.
//! 3. A page table that is in use names only frames of its own domain, or frames that were granted.

pub mod check;
pub mod emulate;
pub mod frame_table;
pub mod mmuext;
#[cfg(test)]
mod tests;
pub mod update;
pub mod validate;

use serde::{Deserialize, Serialize};

pub use frame_table::{FrameTable, PageInfo};

/// What a frame is used as (`PGT_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum PageType {
    /// Nothing in particular: it may be read.
    #[default]
    None,
    /// A page table of this level, 1 to 4.
    Table(u8),
    /// A table of descriptors (GDT or LDT).
    SegDesc,
    /// Shared between domains.
    Shared,
    /// There are writable mappings.
    Writable,
}

impl PageType {
    /// What Xen's messages call it.
    pub fn name(self) -> &'static str {
        match self {
            PageType::None => "none",
            PageType::Table(1) => "l1_page_table",
            PageType::Table(2) => "l2_page_table",
            PageType::Table(3) => "l3_page_table",
            PageType::Table(_) => "l4_page_table",
            PageType::SegDesc => "seg_desc_page",
            PageType::Shared => "shared_page",
            PageType::Writable => "writable_page",
        }
    }
}

/// The first slot of a top-level table that is Xen's (`ROOT_PAGETABLE_FIRST_XEN_SLOT`): 0xffff800000000000.
pub const FIRST_XEN_SLOT: u64 = 256;
/// The last one: up to 0xffff87ffffffffff.
pub const LAST_XEN_SLOT: u64 = 271;

/// Whether a slot of a table is the guest's (`is_guest_l4_slot`).
pub fn is_guest_slot(level: u8, slot: u64) -> bool {
    level != 4 || !(FIRST_XEN_SLOT..=LAST_XEN_SLOT).contains(&slot)
}
