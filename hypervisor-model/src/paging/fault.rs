//! What an access asks for, and how a translation can end other than well.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::cpu::sensitive::NestedFault;
use crate::cpu::{Access, AccessKind, Cause, Cpu, Exception, Stop};

/// What an access asks of the tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Load, store or fetch.
    pub kind: AccessKind,
    /// Made at CPL 3, and not for the processor's own purposes.
    pub is_user: bool,
    /// Made by the processor for itself, to a descriptor table or a TSS: SMAP lets no such access to a user page
    /// pass, whatever EFLAGS.AC says (SDM 4.6).
    pub is_implicit: bool,
}

impl Attempt {
    /// An explicit access of the kind given, from ring 0.
    pub fn supervisor(kind: AccessKind) -> Self {
        Attempt { kind, is_user: false, is_implicit: false }
    }

    /// An access of the kind given from ring 3.
    pub fn user(kind: AccessKind) -> Self {
        Attempt { kind, is_user: true, is_implicit: false }
    }

    /// What an access of a processor asks for.
    pub fn of(access: &Access, cpu: &Cpu) -> Self {
        Attempt { kind: access.kind, is_user: access.is_user(cpu), is_implicit: access.is_implicit }
    }
}

/// Bits of the error code of a page fault (SDM 4.7, figure 4-12).
pub mod error_code {
    /// Rights or a reserved bit; clear: an entry was not present.
    pub const P: u32 = 1 << 0;
    /// The access was a write.
    pub const W: u32 = 1 << 1;
    /// The access was made at CPL 3.
    pub const U: u32 = 1 << 2;
    /// A reserved bit was set in an entry.
    pub const RSVD: u32 = 1 << 3;
    /// The access was the fetch of an instruction; only with NXE in PAE or long mode, or with SMEP.
    pub const I: u32 = 1 << 4;
    /// The protection key forbade it.
    pub const PK: u32 = 1 << 5;
}

/// A page fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct PageFault {
    /// What CR2 gets.
    pub linear: u64,
    /// The error code.
    pub code: u32,
}

impl From<PageFault> for Exception {
    fn from(fault: PageFault) -> Exception {
        Exception::page_fault(fault.code, fault.linear)
    }
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#PF({:#x}) at {:#x}", self.code, self.linear)
    }
}

/// Why an access did not reach memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum TranslationStop {
    /// The tables that CR3 names forbid it.
    PageFault(PageFault),
    /// The second dimension forbids it.
    Nested(NestedFault),
    /// The page-modification log has no room: exit 62, before the access (SDM 28.2.5).
    PmlFull,
}

impl TranslationStop {
    /// The same in a processor's words. A full page-modification log is no [`Cause`] of an instruction: whoever
    /// runs guests with one takes it from here.
    pub fn stop(self) -> Option<Stop> {
        match self {
            TranslationStop::PageFault(fault) => Some(Stop::Fault(fault.into())),
            TranslationStop::Nested(fault) => Some(Stop::Exit(Cause::NestedFault(fault))),
            TranslationStop::PmlFull => None,
        }
    }
}
