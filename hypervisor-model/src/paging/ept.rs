//! Extended page tables: the second dimension of VT-x (SDM 28.2).
//!
//! ```text
//!  63  62:52  51:M   M-1:12             11 10 9 8  7  6   5:3   2 1 0
//! +---+------+-----+--------------------+---+--+-+-+--+---+-----+-+-+-+
//! |SVE| ign. |  0  | frame or table     |ign|..|D|A|PS|IPAT|type|X|W|R|
//! +---+------+-----+--------------------+---+--+-+-+--+---+-----+-+-+-+
//! ```
//!
//! There is no user bit and no global bit, and an entry is present when any of R, W and X is set.

use serde::{Deserialize, Serialize};

use super::event::{Dimension, PagingEvent, Reference, Trace};
use super::fault::TranslationStop;
use super::format::{ADDRESS, FormatKind};
use super::second::{Backing, Request, SecondDimension};
use crate::cpu::AccessKind;
use crate::cpu::sensitive::NestedFault;
use crate::memory::{Gpa, Hpa, PhysicalMemory};

/// Reads are allowed.
pub const R: u64 = 1 << 0;
/// Writes are allowed.
pub const W: u64 = 1 << 1;
/// Fetches are allowed.
pub const X: u64 = 1 << 2;
/// All three; none of them: not present.
pub const RWX: u64 = R | W | X;
/// Memory type write-back, in bits 5:3 of a leaf.
pub const TYPE_WB: u64 = 6 << 3;
/// Ignore the guest's PAT.
pub const IGNORE_PAT: u64 = 1 << 6;
/// The entry maps a page of 2 MiB or 1 GiB.
pub const PS: u64 = 1 << 7;
/// Accessed, if EPTP bit 6.
pub const A: u64 = 1 << 8;
/// Dirty, if EPTP bit 6.
pub const D: u64 = 1 << 9;
/// Suppress virtualization exceptions.
pub const SUPPRESS_VE: u64 = 1 << 63;

/// EPTP bit 6: accessed and dirty flags are on (SDM 24.6.11).
pub const EPTP_AD: u64 = 1 << 6;

/// What a processor's EPT can do (IA32_VMX_EPT_VPID_CAP, SDM A.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EptFeatures {
    /// Width of physical addresses.
    pub address_bits: u32,
    /// Entries with X alone are no misconfiguration.
    pub execute_only: bool,
    /// 1 GiB pages.
    pub gigabyte_pages: bool,
}

impl Default for EptFeatures {
    fn default() -> Self {
        EptFeatures { address_bits: 40, execute_only: true, gigabyte_pages: true }
    }
}

/// The page-modification log of a virtual processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pml {
    /// The page that holds the 512 addresses.
    pub page: Hpa,
    /// The next entry to be written; counts down from 511, and full is 0xffff.
    pub index: u16,
}

/// The second dimension that an EPTP names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ept {
    /// EPTP: 2:0 memory type, 5:3 length of the walk less 1, 6 accessed and dirty flags, M-1:12 the top table.
    pub eptp: u64,
    /// The page-modification log, if it is on.
    pub pml: Option<Pml>,
    /// What the processor can do.
    pub features: EptFeatures,
}

impl Ept {
    /// A four-level EPT with write-back memory for its own tables.
    pub fn new(root: Hpa, accessed_and_dirty: bool) -> Self {
        let eptp = root.0 | 3 << 3 | 6 | if accessed_and_dirty { EPTP_AD } else { 0 };
        Ept { eptp, pml: None, features: EptFeatures::default() }
    }

    /// The format of the tables.
    #[inline]
    pub fn format(&self) -> FormatKind {
        if self.eptp >> 3 & 7 == 4 { FormatKind::Ept5 } else { FormatKind::Ept4 }
    }

    /// Whether accessed and dirty flags are on.
    #[inline]
    pub fn has_accessed_and_dirty(&self) -> bool {
        self.eptp & EPTP_AD != 0
    }

    /// Whether an entry that is present is one that must not be (SDM 28.2.3.1 "EPT Misconfigurations"). `shift` is
    /// that of the level.
    #[inline]
    pub fn is_misconfigured(&self, entry: u64, shift: u32) -> bool {
        let bad_rights = entry & RWX == W || entry & RWX == (W | X) || entry & RWX == X && !self.features.execute_only;
        let above = ((1 << 52) - 1) & !((1u64 << self.features.address_bits) - 1);
        let is_leaf = self.is_leaf(entry, shift);
        let reserved = if is_leaf {
            ((1u64 << shift) - 1) & !0xfff
        } else if shift >= 39 || shift == 30 && !self.features.gigabyte_pages {
            0xf8
        } else {
            0x78
        };
        let bad_type = is_leaf && matches!(entry >> 3 & 7, 2 | 3 | 7);
        bad_rights || entry & (above | reserved) != 0 || bad_type
    }

    #[inline]
    fn is_leaf(&self, entry: u64, shift: u32) -> bool {
        shift == 12 || entry & PS != 0 && (shift == 21 || shift == 30 && self.features.gigabyte_pages)
    }

    /// Logs a page that is about to become dirty.
    fn log<T: Trace>(&mut self, memory: &mut PhysicalMemory, gpa: Gpa, trace: &mut T) -> Result<(), TranslationStop> {
        let Some(pml) = &mut self.pml else { return Ok(()) };
        if pml.index > 511 {
            return Err(TranslationStop::PmlFull);
        }
        memory.write_u64(pml.page.plus(8 * u64::from(pml.index)), gpa.0 & !0xfff);
        if T::LISTENS {
            trace.record(PagingEvent::PmlLogged { gpa: Gpa(gpa.0 & !0xfff), index: pml.index });
        }
        pml.index = pml.index.wrapping_sub(1);
        Ok(())
    }

    /// Sets accessed flags in the entries used, and the dirty flag of the leaf for a write.
    fn note<T: Trace>(
        &mut self,
        memory: &mut PhysicalMemory,
        gpa: Gpa,
        is_write: bool,
        steps: &mut [(Hpa, u64)],
        trace: &mut T,
    ) -> Result<(), TranslationStop> {
        let last = steps.len() - 1;
        if is_write && steps[last].1 & D == 0 {
            self.log(memory, gpa, trace)?;
        }
        for (at, (hpa, entry)) in steps.iter_mut().enumerate() {
            let dirty = at == last && is_write;
            let wanted = A | if dirty { D } else { 0 };
            if *entry & wanted != wanted {
                *entry |= wanted;
                memory.write_u64(*hpa, *entry);
                if T::LISTENS {
                    trace.record(PagingEvent::AccessedSet {
                        dimension: Dimension::Nested,
                        at: *hpa,
                        dirty,
                        entry: *entry,
                    });
                }
            }
        }
        Ok(())
    }
}

fn fault(request: Request, rights: u64, is_misconfigured: bool) -> TranslationStop {
    TranslationStop::Nested(NestedFault {
        guest_physical: request.gpa.0,
        linear: request.linear,
        kind: request.kind,
        rights: rights as u8,
        is_final: request.is_final,
        is_misconfigured,
    })
}

impl SecondDimension for Ept {
    const FRONT: Dimension = Dimension::Guest;

    #[inline]
    fn translate<T: Trace>(
        &mut self,
        memory: &mut PhysicalMemory,
        request: Request,
        trace: &mut T,
    ) -> Result<Backing, TranslationStop> {
        let format = self.format().format();
        let mut table = Hpa(self.eptp & ADDRESS);
        let mut rights = RWX;
        let mut steps = [(Hpa(0), 0); 5];
        let gpa = request.gpa.0;
        for (at, level) in format.levels.iter().enumerate() {
            let index = gpa >> level.shift & 511;
            let hpa = table.plus(8 * index);
            let entry = memory.read_u64(hpa);
            if T::LISTENS {
                trace.record(PagingEvent::Referenced(Reference {
                    dimension: Dimension::Nested,
                    format: format.kind,
                    level: (format.levels.len() - at) as u8,
                    index: index as u16,
                    at: hpa,
                    guest_at: None,
                    entry,
                    of: gpa,
                }));
            }
            if entry & RWX == 0 {
                return Err(fault(request, 0, false));
            }
            if self.is_misconfigured(entry, level.shift) {
                return Err(fault(request, entry & RWX, true));
            }
            rights &= entry;
            steps[at] = (hpa, entry);
            if !self.is_leaf(entry, level.shift) {
                table = Hpa(entry & ADDRESS);
                continue;
            }
            let needed = match request.kind {
                AccessKind::Read => R,
                AccessKind::Write => W,
                AccessKind::Fetch => X,
            };
            if rights & needed == 0 {
                return Err(fault(request, rights, false));
            }
            let is_write = request.kind == AccessKind::Write;
            if self.has_accessed_and_dirty() {
                self.note(memory, request.gpa, is_write, &mut steps[..=at], trace)?;
            }
            let mask = (1u64 << level.shift) - 1;
            return Ok(Backing {
                hpa: Hpa(entry & ADDRESS & !mask | gpa & mask),
                shift: level.shift as u8,
                readable: rights & R != 0,
                writable: rights & W != 0,
                executable: rights & X != 0,
                dirty: !self.has_accessed_and_dirty() || steps[at].1 & D != 0,
            });
        }
        unreachable!("the last level of every format is a leaf")
    }

    #[inline]
    fn structures_are_written(&self) -> bool {
        self.has_accessed_and_dirty()
    }
}
