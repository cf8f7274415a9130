//! Grant tables: how a domain lends a frame to another. Source: `xen/common/grant_table.c`,
//! `xen/include/public/grant_table.h`; version 1 of the table.
//!
//! The owner writes an entry into memory that it shares with Xen, and tells the other domain the entry's number, the *grant
//! reference*. No hypercall is needed for that, and none to take it back, except that it cannot be taken back while the other
//! domain has it mapped: Xen has set GTF_reading or GTF_writing in the entry then.
//!
//! ```text
//!   version 1 entry, 8 bytes:  flags u16 | domid u16 | frame u32
//!   flags  1:0 type   2 readonly   3 reading   4 writing   5 PWT   6 PCD   7 PAT
//! ```
//!
//! Invariants ([`Xen::check_grants`](super::Xen::check_grants)):
//! 1. An entry has GTF_reading exactly while something is mapped or copied through it, GTF_writing while that can write.
//! 2. The pins of an entry are as many as the handles that name it.
//! 3. A frame that is mapped by another domain has a reference that keeps it from being freed.

pub mod copy;
pub mod entry;
pub mod map;
pub mod table;
#[cfg(test)]
mod tests;
pub mod transfer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::domain::DomId;
use crate::memory::Hfn;
pub use entry::{Entry, GTF_ACCEPT_TRANSFER, GTF_PERMIT_ACCESS, GTF_READING, GTF_READONLY, GTF_TYPE_MASK, GTF_WRITING};

/// Number of an entry of a domain's grant table.
pub type GrantRef = u32;
/// Number of a mapping in the domain that has made it.
pub type GrantHandle = u32;

/// Entries in a frame of the table, version 1.
pub const ENTRIES_PER_FRAME: u32 = 512;
/// The entries below this are reserved for the toolstack: 0 the console's ring, 1 xenstore's.
pub const RESERVED_ENTRIES: u32 = 8;
/// Frames that a table may have by default (`gnttab_max_frames`).
pub const MAX_FRAMES: u32 = 64;
/// Frames of handles that a domain may have by default (`gnttab_max_maptrack_frames`).
pub const MAX_MAPTRACK_FRAMES: u32 = 1024;
/// Handles in a frame of them.
pub const HANDLES_PER_FRAME: u32 = 256;

/// How an operation ended (`GNTST_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // each is described by its text
pub enum Status {
    Okay = 0,
    GeneralError = -1,
    BadDomain = -2,
    BadGntref = -3,
    BadHandle = -4,
    BadVirtAddr = -5,
    BadDevAddr = -6,
    NoDeviceSpace = -7,
    PermissionDenied = -8,
    BadPage = -9,
    BadCopyArg = -10,
    AddressTooBig = -11,
    Eagain = -12,
    NoSpace = -13,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 14] = [
        Status::Okay,
        Status::GeneralError,
        Status::BadDomain,
        Status::BadGntref,
        Status::BadHandle,
        Status::BadVirtAddr,
        Status::BadDevAddr,
        Status::NoDeviceSpace,
        Status::PermissionDenied,
        Status::BadPage,
        Status::BadCopyArg,
        Status::AddressTooBig,
        Status::Eagain,
        Status::NoSpace,
    ];

    /// The header's words (`GNTTABOP_error_msgs`).
    pub fn text(self) -> &'static str {
        match self {
            Status::Okay => "okay",
            Status::GeneralError => "undefined error",
            Status::BadDomain => "unrecognised domain id",
            Status::BadGntref => "invalid grant reference",
            Status::BadHandle => "invalid mapping handle",
            Status::BadVirtAddr => "invalid virtual address",
            Status::BadDevAddr => "invalid device address",
            Status::NoDeviceSpace => "no spare translation slot in the I/O MMU",
            Status::PermissionDenied => "permission denied",
            Status::BadPage => "bad page",
            Status::BadCopyArg => "copy arguments cross page boundary",
            Status::AddressTooBig => "page address size too large",
            Status::Eagain => "operation not done; try again",
            Status::NoSpace => "out of space",
        }
    }
}

/// A failure: the status that goes into the operation, and the rule that was broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct GrantRefusal {
    /// The status.
    pub status: Status,
    /// The rule.
    pub rule: &'static str,
}

/// Refuses.
pub(super) const fn bad<T>(status: Status, rule: &'static str) -> Result<T, GrantRefusal> {
    Err(GrantRefusal { status, rule })
}

/// What Xen keeps of an entry that is in use (`struct active_grant_entry`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Active {
    /// Who uses it.
    pub domid: DomId,
    /// The frame.
    pub mfn: Hfn,
    /// Mappings by processors that can write, by processors that only read, by devices that can write, that only read.
    pub pins: [u8; 4],
}

impl Active {
    /// The number that Xen's dump has: `hstw` in the lowest byte, then `hstr`, `devw`, `devr`.
    pub fn pin(&self) -> u32 {
        u32::from_le_bytes(self.pins)
    }

    /// Whether anybody can write.
    pub fn can_write(&self) -> bool {
        self.pins[0] > 0 || self.pins[2] > 0
    }
}

/// A mapping that a domain has made of another's frame (`struct grant_mapping`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Mapping {
    /// Whose entry.
    pub domid: DomId,
    /// Which entry.
    pub gref: GrantRef,
    /// `GNTMAP_...` as far as it still holds.
    pub flags: u32,
    /// Where: a linear address, or the machine address of an entry of a page table.
    pub host_addr: u64,
}

/// What a domain lends, and what it has borrowed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct GrantTable {
    /// Entries that are not all zero.
    pub entries: BTreeMap<GrantRef, Entry>,
    /// Frames that the table has.
    pub frames: u32,
    /// Frames that it may have.
    pub max_frames: u32,
    /// Entries that are in use.
    pub active: BTreeMap<GrantRef, Active>,
    /// Mappings of others' frames.
    pub maptrack: BTreeMap<GrantHandle, Mapping>,
    /// Frames of handles that it may have.
    pub max_maptrack_frames: u32,
    /// Handles that have been in use: frames of them are not given back.
    pub maptrack_limit: u32,
}

impl Default for GrantTable {
    fn default() -> Self {
        GrantTable {
            entries: BTreeMap::new(),
            frames: 1,
            max_frames: MAX_FRAMES,
            active: BTreeMap::new(),
            maptrack: BTreeMap::new(),
            max_maptrack_frames: MAX_MAPTRACK_FRAMES,
            maptrack_limit: 0,
        }
    }
}

impl GrantTable {
    /// Number of entries (`nr_grant_entries`).
    pub fn len(&self) -> u32 {
        self.frames * ENTRIES_PER_FRAME
    }

    /// Whether it has no frames.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Frames of handles in use.
    pub fn maptrack_frames(&self) -> u32 {
        self.maptrack_limit.div_ceil(HANDLES_PER_FRAME)
    }

    /// A handle that is free (`get_maptrack_handle`).
    fn free_handle(&self) -> Option<GrantHandle> {
        let limit = self.max_maptrack_frames * HANDLES_PER_FRAME;
        (0..limit).find(|handle| !self.maptrack.contains_key(handle))
    }

    /// An entry; where nothing was written, all zeros.
    pub fn entry(&self, gref: GrantRef) -> Entry {
        self.entries.get(&gref).copied().unwrap_or_default()
    }
}
