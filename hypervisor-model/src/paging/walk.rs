//! The walk: from a linear address through the tables to a frame, one reference a step.
//!
//! Order of what can go wrong (SDM 28.2.3.3 for two dimensions): for each level the second dimension's fault on
//! reading the entry, then not present, then reserved bits; after the leaf the rights, and the page fault that they
//! give comes before the second dimension's fault on the page itself.
//!
//! Two things the manuals leave open, and what is done here: accessed bits are set when the whole walk has gone well,
//! in all its entries, and in none when it ends in a fault of the tables that it walks; the update of an entry is
//! not counted as a reference of its own, as nobody who publishes counts does.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::event::{PagingEvent, Reference, Trace};
use super::fault::{Attempt, PageFault, TranslationStop, error_code};
use super::format::{A, ADDRESS, D, Format, FormatKind, G, P, PK_SHIFT, PS, RW, US, XD};
use super::regime::Regime;
use super::second::{Request, SecondDimension};
use crate::cpu::AccessKind;
use crate::memory::{Gpa, Hpa, PhysicalMemory};

bitflags! {
    /// What a translation allows, and what of it has been noted in the tables.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Rights: u16 {
        /// R/W in every entry.
        const WRITE = 1 << 0;
        /// U/S in every entry.
        const USER = 1 << 1;
        /// XD in no entry.
        const EXECUTE = 1 << 2;
        /// The leaf's dirty bit is set.
        const DIRTY = 1 << 3;
        /// The leaf is global and CR4.PGE is on.
        const GLOBAL = 1 << 4;
        /// The second dimension allows writes.
        const NESTED_WRITE = 1 << 5;
        /// The second dimension allows fetches.
        const NESTED_EXECUTE = 1 << 6;
        /// The second dimension allows reads.
        const NESTED_READ = 1 << 7;
        /// The second dimension has noted the page as written, or notes nothing.
        const NESTED_DIRTY = 1 << 8;
    }
}

/// A translation of one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaf {
    /// Machine address of the page's first byte.
    pub hpa: Hpa,
    /// Guest-physical address of the page's first byte; the same where there is no second dimension.
    pub gpa: Gpa,
    /// Binary logarithm of the page's size: the smaller one of the two dimensions'.
    pub shift: u8,
    /// What is allowed.
    pub rights: Rights,
    /// The protection key.
    pub key: u8,
}

impl Leaf {
    /// The machine address of a linear address in the page.
    #[inline]
    pub fn at(&self, linear: u64) -> Hpa {
        Hpa(self.hpa.0 | linear & ((1 << self.shift) - 1))
    }
}

/// Where a walk may begin instead of the root: a table that a paging-structure cache knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Start {
    /// How many levels from the root are left out.
    pub skip: u8,
    /// The table (guest-physical).
    pub table: Gpa,
    /// R/W and U/S of the entries left out, ANDed; XD, ORed.
    pub above: u64,
}

/// What a walk has found: the translation, and the tables on the way for the paging-structure caches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walked {
    /// The translation.
    pub leaf: Leaf,
    /// After the entry of level index `n`: the next table and the rights so far. Valid from `first` to `end`.
    pub tables: [Start; 5],
    /// Index of the first level that was walked.
    pub first: u8,
    /// Index after the last level whose entry named a table.
    pub end: u8,
}

/// Whether rights forbid an attempt; the error bits that say why.
#[inline]
pub fn denial(regime: &Regime, rights: Rights, key: u8, attempt: Attempt) -> Option<u32> {
    let is_write = attempt.kind == AccessKind::Write;
    let is_fetch = attempt.kind == AccessKind::Fetch;
    let is_user_page = rights.contains(Rights::USER);
    if is_fetch && !rights.contains(Rights::EXECUTE) {
        return Some(error_code::P);
    }
    let denied = if attempt.is_user {
        !is_user_page || is_write && !rights.contains(Rights::WRITE)
    } else {
        is_write && regime.wp && !rights.contains(Rights::WRITE)
            || is_user_page && is_fetch && regime.smep
            || is_user_page && !is_fetch && regime.smap && (attempt.is_implicit || !regime.ac)
    };
    if denied {
        return Some(error_code::P);
    }
    match regime.pkru {
        Some(pkru) if is_user_page && !is_fetch => {
            let bits = pkru >> (2 * u32::from(key));
            let denied = bits & 1 != 0 || is_write && bits & 2 != 0 && (attempt.is_user || regime.wp);
            denied.then_some(error_code::P | error_code::PK)
        }
        _ => None,
    }
}

/// The page fault of an attempt, with the bits that every one of its faults has.
#[inline]
pub fn page_fault(regime: &Regime, linear: u64, attempt: Attempt, why: u32) -> TranslationStop {
    let mut code = why;
    match attempt.kind {
        AccessKind::Write => code |= error_code::W,
        AccessKind::Fetch if regime.nxe || regime.smep => code |= error_code::I,
        _ => {}
    }
    if attempt.is_user {
        code |= error_code::U;
    }
    TranslationStop::PageFault(PageFault { linear, code })
}

/// An entry on the way.
#[derive(Clone, Copy)]
struct Step {
    hpa: Hpa,
    gpa: Gpa,
    entry: u64,
}

/// Walks the tables of `regime` for one attempt.
///
/// # Errors
/// The fault that the access meets, in the order of the head of this file.
#[inline]
pub fn walk<S: SecondDimension, T: Trace>(
    memory: &mut PhysicalMemory,
    second: &mut S,
    regime: &Regime,
    linear: u64,
    attempt: Attempt,
    start: Option<Start>,
    trace: &mut T,
) -> Result<Walked, TranslationStop> {
    match regime.format {
        Some(kind) => walk_tables(memory, second, regime, kind.format(), linear, attempt, start, trace),
        None => walk_nothing(memory, second, linear, attempt, trace),
    }
}

/// Paging is off: the linear address is the physical one, and everything is allowed.
fn walk_nothing<S: SecondDimension, T: Trace>(
    memory: &mut PhysicalMemory,
    second: &mut S,
    linear: u64,
    attempt: Attempt,
    trace: &mut T,
) -> Result<Walked, TranslationStop> {
    let rights = Rights::WRITE | Rights::USER | Rights::EXECUTE | Rights::DIRTY;
    let leaf = Found { gpa: Gpa(linear & 0xffff_ffff), shift: 32, rights, key: 0 };
    let leaf = back(memory, second, linear, attempt, leaf, trace)?;
    Ok(Walked { leaf, tables: [Start { skip: 0, table: Gpa(0), above: 0 }; 5], first: 0, end: 0 })
}

/// A translation of the first dimension.
struct Found {
    gpa: Gpa,
    shift: u32,
    rights: Rights,
    key: u8,
}

#[inline]
#[allow(clippy::too_many_arguments, reason = "the parts of a machine that a walk touches, each once")]
fn walk_tables<S: SecondDimension, T: Trace>(
    memory: &mut PhysicalMemory,
    second: &mut S,
    regime: &Regime,
    format: &'static Format,
    linear: u64,
    attempt: Attempt,
    start: Option<Start>,
    trace: &mut T,
) -> Result<Walked, TranslationStop> {
    let root = Start { skip: 0, table: regime.root, above: RW | US };
    let begin = match (start, regime.pdptes) {
        (Some(start), _) => start,
        (None, Some(pdptes)) => from_pdpte(regime, pdptes, linear, attempt)?,
        (None, None) => root,
    };
    let mut here = begin;
    let mut steps = [Step { hpa: Hpa(0), gpa: Gpa(0), entry: 0 }; 5];
    let mut tables = [root; 5];
    let structure_kind = if second.structures_are_written() { AccessKind::Write } else { AccessKind::Read };
    let (last, shift) = loop {
        let at = usize::from(here.skip);
        let level = &format.levels[at];
        let index = (linear >> level.shift) & ((1 << level.index_bits) - 1);
        let gpa = here.table.plus(index * format.entry_bytes);
        let request = Request { gpa, linear: Some(linear), kind: structure_kind, is_final: false };
        let hpa = second.translate(memory, request, trace)?.hpa;
        let entry = if format.entry_bytes == 8 { memory.read_u64(hpa) } else { u64::from(memory.read_u32(hpa)) };
        if T::LISTENS {
            trace.record(PagingEvent::Referenced(Reference {
                dimension: S::FRONT,
                format: format.kind,
                level: (format.levels.len() - at) as u8,
                index: index as u16,
                at: hpa,
                guest_at: (hpa.0 != gpa.0).then_some(gpa),
                entry,
                of: linear,
            }));
        }
        if entry & P == 0 {
            return Err(page_fault(regime, linear, attempt, 0));
        }
        let is_leaf = level.shift == 12 || entry & PS != 0 && regime.leaf_levels >> at & 1 != 0;
        let reserved = if is_leaf { regime.reserved[at].leaf } else { regime.reserved[at].table };
        if entry & reserved != 0 {
            return Err(page_fault(regime, linear, attempt, error_code::P | error_code::RSVD));
        }
        steps[at] = Step { hpa, gpa, entry };
        here.above = merge(here.above, entry, format.kind == FormatKind::Pae && at == 0);
        if is_leaf {
            break (at, level.shift);
        }
        here = Start { skip: here.skip + 1, table: Gpa(entry & ADDRESS), above: here.above };
        tables[at] = here;
    };
    let leaf_entry = steps[last].entry;
    let mut rights = rights_of(regime, here.above, leaf_entry);
    let key = if regime.pkru.is_some() { (leaf_entry >> PK_SHIFT & 15) as u8 } else { 0 };
    if let Some(why) = denial(regime, rights, key, attempt) {
        return Err(page_fault(regime, linear, attempt, why));
    }
    // PDPTEs of PAE paging have neither accessed nor dirty bit.
    let first = usize::from(begin.skip).max(usize::from(format.kind == FormatKind::Pae));
    note(memory, second, format, linear, attempt, &mut steps[first..=last], trace)?;
    if attempt.kind == AccessKind::Write {
        rights |= Rights::DIRTY;
    }
    let gpa = page_address(regime, format, leaf_entry, shift);
    let leaf = back(memory, second, linear, attempt, Found { gpa, shift, rights, key }, trace)?;
    Ok(Walked { leaf, tables, first: begin.skip, end: last as u8 })
}

/// PAE with its PDPTEs in registers: the walk begins at the page directory (SDM 4.4.1).
#[inline]
fn from_pdpte(regime: &Regime, pdptes: [u64; 4], linear: u64, attempt: Attempt) -> Result<Start, TranslationStop> {
    let entry = pdptes[(linear >> 30 & 3) as usize];
    if entry & P == 0 {
        return Err(page_fault(regime, linear, attempt, 0));
    }
    Ok(Start { skip: 1, table: Gpa(entry & ADDRESS), above: RW | US })
}

/// Adds an entry to the rights so far: R/W and U/S are ANDed, XD is ORed. PDPTEs of PAE paging have no rights.
#[inline]
fn merge(above: u64, entry: u64, has_no_rights: bool) -> u64 {
    if has_no_rights {
        return above;
    }
    above & entry & (RW | US) | (above | entry) & XD
}

#[inline]
fn rights_of(regime: &Regime, above: u64, leaf: u64) -> Rights {
    let mut rights = Rights::empty();
    rights.set(Rights::WRITE, above & RW != 0);
    rights.set(Rights::USER, above & US != 0);
    rights.set(Rights::EXECUTE, !(regime.nxe && above & XD != 0));
    rights.set(Rights::DIRTY, leaf & D != 0);
    rights.set(Rights::GLOBAL, regime.pge && leaf & G != 0);
    rights
}

#[inline]
fn page_address(regime: &Regime, format: &Format, entry: u64, shift: u32) -> Gpa {
    if format.entry_bytes == 4 {
        let high = if shift == 22 && regime.pse36 { (entry >> 13 & 0xff) << 32 } else { 0 };
        return Gpa(entry & 0xffff_ffff & !((1 << shift) - 1) | high);
    }
    Gpa(entry & ADDRESS & !((1 << shift) - 1))
}

/// Sets accessed bits where they are missing, and the leaf's dirty bit for a write (SDM 4.8).
#[inline]
fn note<S: SecondDimension, T: Trace>(
    memory: &mut PhysicalMemory,
    second: &mut S,
    format: &Format,
    linear: u64,
    attempt: Attempt,
    steps: &mut [Step],
    trace: &mut T,
) -> Result<(), TranslationStop> {
    let leaf_at = steps.len() - 1;
    for (at, step) in steps.iter_mut().enumerate() {
        let dirty = at == leaf_at && attempt.kind == AccessKind::Write;
        let wanted = A | if dirty { D } else { 0 };
        if step.entry & wanted == wanted {
            continue;
        }
        if !second.structures_are_written() {
            // Under EPT without accessed bits the read needed no right to write; this does.
            let request = Request { gpa: step.gpa, linear: Some(linear), kind: AccessKind::Write, is_final: false };
            second.translate(memory, request, &mut super::event::Silent)?;
        }
        step.entry |= wanted;
        if format.entry_bytes == 8 {
            memory.write_u64(step.hpa, step.entry);
        } else {
            memory.write_u32(step.hpa, step.entry as u32);
        }
        if T::LISTENS {
            trace.record(PagingEvent::AccessedSet { dimension: S::FRONT, at: step.hpa, dirty, entry: step.entry });
        }
    }
    Ok(())
}

/// Finds the machine's frame behind a translation of the first dimension.
#[inline]
fn back<S: SecondDimension, T: Trace>(
    memory: &mut PhysicalMemory,
    second: &mut S,
    linear: u64,
    attempt: Attempt,
    found: Found,
    trace: &mut T,
) -> Result<Leaf, TranslationStop> {
    let gpa = Gpa(found.gpa.0 | linear & ((1 << found.shift) - 1));
    let request = Request { gpa, linear: Some(linear), kind: attempt.kind, is_final: true };
    let backing = second.translate(memory, request, trace)?;
    let shift = found.shift.min(u32::from(backing.shift));
    let mask = (1u64 << shift) - 1;
    let mut rights = found.rights;
    rights.set(Rights::NESTED_WRITE, backing.writable);
    rights.set(Rights::NESTED_EXECUTE, backing.executable);
    rights.set(Rights::NESTED_READ, backing.readable);
    rights.set(Rights::NESTED_DIRTY, backing.dirty);
    if T::LISTENS {
        trace.record(PagingEvent::Translated { linear, kind: attempt.kind, hpa: backing.hpa });
    }
    Ok(Leaf { hpa: Hpa(backing.hpa.0 & !mask), gpa: Gpa(gpa.0 & !mask), shift: shift as u8, rights, key: found.key })
}
