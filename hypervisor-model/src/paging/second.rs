//! What lies behind a physical address: nothing more on the bare machine, a second set of tables under a hypervisor.

use serde::{Deserialize, Serialize};

use super::event::{Dimension, Trace};
use super::fault::TranslationStop;
use crate::cpu::AccessKind;
use crate::memory::{Gpa, Hpa, PhysicalMemory};

/// A physical address that is to be translated further.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The address.
    pub gpa: Gpa,
    /// The linear address that is being translated, where there is one.
    pub linear: Option<u64>,
    /// What is done there.
    pub kind: AccessKind,
    /// Whether it is the access itself, rather than one to a guest's page table on the way.
    pub is_final: bool,
}

/// What lies behind a physical address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Backing {
    /// The machine address.
    pub hpa: Hpa,
    /// Binary logarithm of the size of the page that the tables map there; 63 where there are no tables.
    pub shift: u8,
    /// Reads are allowed.
    pub readable: bool,
    /// Writes are allowed.
    pub writable: bool,
    /// Fetches are allowed.
    pub executable: bool,
    /// A write needs nothing more to be noted: the dirty bit is set, or there is none.
    pub dirty: bool,
}

/// The dimension behind a guest's physical addresses.
pub trait SecondDimension {
    /// How references to the tables in front of this dimension are to be called.
    const FRONT: Dimension;

    /// Translates a physical address for one access.
    ///
    /// # Errors
    /// The violation or misconfiguration that the access meets.
    fn translate<T: Trace>(
        &mut self,
        memory: &mut PhysicalMemory,
        request: Request,
        trace: &mut T,
    ) -> Result<Backing, TranslationStop>;

    /// Whether an access to a guest's page table counts as a write, whatever is done there: always under NPT
    /// (APM 15.25.5), under EPT if it has accessed and dirty bits (SDM 28.2.3.2).
    fn structures_are_written(&self) -> bool;
}

/// No second dimension: physical addresses are the machine's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Flat;

impl SecondDimension for Flat {
    const FRONT: Dimension = Dimension::Only;

    #[inline(always)]
    fn translate<T: Trace>(
        &mut self,
        _memory: &mut PhysicalMemory,
        request: Request,
        _trace: &mut T,
    ) -> Result<Backing, TranslationStop> {
        let hpa = Hpa(request.gpa.0);
        Ok(Backing { hpa, shift: 63, readable: true, writable: true, executable: true, dirty: true })
    }

    #[inline(always)]
    fn structures_are_written(&self) -> bool {
        false
    }
}
