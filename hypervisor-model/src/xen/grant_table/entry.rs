//! An entry of a grant table, and what its owner does to it: no hypercall among it. Source: Linux 6.12,
//! `drivers/xen/grant-table.c` (`gnttab_update_entry_v1`, `gnttab_end_foreign_access_ref_v1`).

use serde::{Deserialize, Serialize};

use super::{GrantRef, GrantTable};
use crate::memory::Hfn;
use crate::xen::domain::DomId;

/// The type of an entry: 0 nothing, 1 the other domain may use the frame, 2 it may give one.
pub const GTF_TYPE_MASK: u16 = 3;
/// The other domain may map and copy.
pub const GTF_PERMIT_ACCESS: u16 = 1;
/// The other domain may give a frame.
pub const GTF_ACCEPT_TRANSFER: u16 = 2;
/// It may only read.
pub const GTF_READONLY: u16 = 1 << 2;
/// Xen: it is mapped.
pub const GTF_READING: u16 = 1 << 3;
/// Xen: it is mapped for writing.
pub const GTF_WRITING: u16 = 1 << 4;
/// Xen: a transfer will not fail any more.
pub const GTF_TRANSFER_COMMITTED: u16 = 1 << 2;
/// Xen: the transfer is done, and `frame` is the new frame.
pub const GTF_TRANSFER_COMPLETED: u16 = 1 << 3;

/// An entry, version 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    /// `GTF_...`.
    pub flags: u16,
    /// For whom it is.
    pub domid: DomId,
    /// The frame, as the owner counts frames: machine frames for a PV guest.
    pub frame: Hfn,
}

/// What taking an entry back found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Revoked {
    /// It is gone: the other domain can do nothing any more.
    Done,
    /// The other domain has it mapped (`WARNING: g.e. 0x... still in use!`).
    StillInUse,
}

impl GrantTable {
    /// The owner lends a frame: domain and frame first, then, after a barrier, the flags.
    pub fn grant_access(&mut self, gref: GrantRef, domid: DomId, frame: Hfn, is_readonly: bool) {
        let readonly = if is_readonly { GTF_READONLY } else { 0 };
        self.entries.insert(gref, Entry { flags: GTF_PERMIT_ACCESS | readonly, domid, frame });
    }

    /// The owner is ready to be given a frame.
    pub fn accept_transfer(&mut self, gref: GrantRef, domid: DomId) {
        self.entries.insert(gref, Entry { flags: GTF_ACCEPT_TRANSFER, domid, frame: Hfn(0) });
    }

    /// The owner takes an entry back: compare-and-swap of the flags to 0, which fails while somebody uses it.
    pub fn end_access(&mut self, gref: GrantRef) -> Revoked {
        let in_use = self.entry(gref).flags & (GTF_READING | GTF_WRITING) != 0;
        if in_use {
            return Revoked::StillInUse;
        }
        self.entries.remove(&gref);
        Revoked::Done
    }

    /// The lowest entry from `from` on that holds nothing: what a guest's free list gives at first.
    pub fn free_entry(&self, from: GrantRef) -> Option<GrantRef> {
        (from.max(super::RESERVED_ENTRIES)..self.len()).find(|gref| !self.entries.contains_key(gref))
    }
}
