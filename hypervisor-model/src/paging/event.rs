//! What can be seen of a translation: every reference to memory, every use of a cache, every fault.
//!
//! The code that translates is generic over a [`Trace`]. [`Silent`] does not listen: with it no event is ever made,
//! and what is left is the bare work. A `Vec<PagingEvent>` keeps all.

use serde::{Deserialize, Serialize};

use super::fault::{PageFault, TranslationStop};
use super::format::FormatKind;
use crate::cpu::AccessKind;
use crate::cpu::sensitive::NestedFault;
use crate::memory::{Gpa, Hpa};

/// Which dimension a table belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Dimension {
    /// The only one: tables that name machine frames, a kernel's own on the bare machine or a hypervisor's shadow.
    Only,
    /// A guest's tables, whose addresses are guest-physical.
    Guest,
    /// Tables from guest-physical to machine addresses: EPT or NPT.
    Nested,
}

/// One reference to an entry of a page table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// Whose table.
    pub dimension: Dimension,
    /// The table's format.
    pub format: FormatKind,
    /// The level of the table: 1 is the last.
    pub level: u8,
    /// Which entry of it.
    pub index: u16,
    /// Where the entry is in the machine's memory.
    pub at: Hpa,
    /// Where the guest takes it to be, if a guest owns the table.
    pub guest_at: Option<Gpa>,
    /// What the entry holds.
    pub entry: u64,
    /// The address whose bits chose the entry: linear, or guest-physical in the second dimension.
    pub of: u64,
}

/// Which cache.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum CacheKind {
    /// First-level TLB for instructions.
    Instruction,
    /// First-level TLB for data.
    Data,
    /// Second-level TLB, for both.
    Unified,
    /// The caches of entries that name tables (SDM 4.10.3).
    Structure,
    /// Guest-physical to machine translations (SDM 28.3.1).
    GuestPhysical,
}

/// Something that happened while an address was translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PagingEvent {
    /// A page-table entry was read.
    Referenced(Reference),
    /// The processor set the accessed bit, and the dirty bit if `dirty`, of an entry.
    AccessedSet {
        /// Whose table.
        dimension: Dimension,
        /// Where the entry is.
        at: Hpa,
        /// Whether the dirty bit was set with it.
        dirty: bool,
        /// What the entry holds now.
        entry: u64,
    },
    /// A cache knew the translation.
    Hit {
        /// Which cache.
        cache: CacheKind,
        /// The page's first address.
        page: u64,
    },
    /// No cache of this kind knew it.
    Missed {
        /// Which cache.
        cache: CacheKind,
        /// The address that was looked for.
        address: u64,
    },
    /// A cache took a translation in.
    Filled {
        /// Which cache.
        cache: CacheKind,
        /// The page's first address.
        page: u64,
        /// The first page address of what had to make room, if anything had.
        evicted: Option<u64>,
    },
    /// An address was logged in the page-modification log.
    PmlLogged {
        /// The guest-physical page.
        gpa: Gpa,
        /// Index in the log that was used.
        index: u16,
    },
    /// The walk ended in a page fault.
    Faulted(PageFault),
    /// The walk ended in a violation or misconfiguration of the second dimension.
    NestedFaulted(NestedFault),
    /// The page-modification log was full.
    PmlFull,
    /// The walk ended well.
    Translated {
        /// The linear address.
        linear: u64,
        /// What was done.
        kind: AccessKind,
        /// Where it is in the machine's memory.
        hpa: Hpa,
    },
}

impl PagingEvent {
    /// Where the manuals say that this happens.
    pub fn source(&self) -> &'static str {
        match self {
            PagingEvent::Referenced(reference) => {
                reference.format.format().level(reference.level).map_or("SDM 4.2", |level| level.source)
            }
            PagingEvent::AccessedSet { dimension: Dimension::Nested, .. } => {
                "SDM 28.2.4 Accessed and Dirty Flags for EPT"
            }
            PagingEvent::AccessedSet { .. } => "SDM 4.8 Accessed and Dirty Flags",
            PagingEvent::Hit { cache: CacheKind::Structure, .. }
            | PagingEvent::Missed { cache: CacheKind::Structure, .. }
            | PagingEvent::Filled { cache: CacheKind::Structure, .. } => "SDM 4.10.3 Paging-Structure Caches",
            PagingEvent::Hit { cache: CacheKind::GuestPhysical, .. }
            | PagingEvent::Missed { cache: CacheKind::GuestPhysical, .. }
            | PagingEvent::Filled { cache: CacheKind::GuestPhysical, .. } => {
                "SDM 28.3.1 Information That May Be Cached"
            }
            PagingEvent::Hit { .. } | PagingEvent::Missed { .. } | PagingEvent::Filled { .. } => {
                "SDM 4.10.2 Translation Lookaside Buffers (TLBs)"
            }
            PagingEvent::PmlLogged { .. } | PagingEvent::PmlFull => "SDM 28.2.5 Page-Modification Logging",
            PagingEvent::Faulted(_) => "SDM 4.7 Page-Fault Exceptions",
            PagingEvent::NestedFaulted(fault) if fault.is_misconfigured => "SDM 28.2.3.1 EPT Misconfigurations",
            PagingEvent::NestedFaulted(_) => "SDM 28.2.3.2 EPT Violations",
            PagingEvent::Translated { .. } => "SDM 4.2 Hierarchical Paging Structures: an Overview",
        }
    }

    /// The event of a translation that did not end well.
    pub fn stopped(stop: TranslationStop) -> Self {
        match stop {
            TranslationStop::PageFault(fault) => PagingEvent::Faulted(fault),
            TranslationStop::Nested(fault) => PagingEvent::NestedFaulted(fault),
            TranslationStop::PmlFull => PagingEvent::PmlFull,
        }
    }
}

/// What is told of translations.
pub trait Trace {
    /// Whether anybody listens; events are not even made otherwise.
    const LISTENS: bool;

    /// Takes an event.
    fn record(&mut self, event: PagingEvent);
}

/// Nobody listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Silent;

impl Trace for Silent {
    const LISTENS: bool = false;

    #[inline(always)]
    fn record(&mut self, _event: PagingEvent) {}
}

impl Trace for Vec<PagingEvent> {
    const LISTENS: bool = true;

    #[inline]
    fn record(&mut self, event: PagingEvent) {
        self.push(event);
    }
}

/// Counts references and forgets everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct References(pub u64);

impl Trace for References {
    const LISTENS: bool = true;

    #[inline]
    fn record(&mut self, event: PagingEvent) {
        self.0 += u64::from(matches!(event, PagingEvent::Referenced(_)));
    }
}

/// A listener that may be absent.
impl<T: Trace> Trace for &mut T {
    const LISTENS: bool = T::LISTENS;

    #[inline]
    fn record(&mut self, event: PagingEvent) {
        (**self).record(event);
    }
}
