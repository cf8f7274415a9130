//! Nested page tables: the second dimension of AMD-V (APM 15.25).
//!
//! The tables have the host's ordinary format, with two, three, four or five levels as the host's mode is, and every
//! access of the guest counts there as one of user mode; a walk through the guest's own tables counts as a write.

use serde::{Deserialize, Serialize};

use super::event::{Dimension, PagingEvent, Trace};
use super::fault::{Attempt, TranslationStop, error_code};
use super::regime::{PagingState, Regime};
use super::second::{Backing, Flat, Request, SecondDimension};
use super::walk::{Rights, walk};
use crate::cpu::sensitive::NestedFault;
use crate::memory::PhysicalMemory;

/// The second dimension that nCR3 names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Npt {
    regime: Regime,
}

impl Npt {
    /// The dimension of a host whose registers are `host`, with nCR3 for its CR3.
    pub fn new(host: &PagingState) -> Self {
        let mut regime = Regime::new(host);
        // Nested walks read PDPTEs from memory (APM 15.25.8), and know neither SMEP nor SMAP nor protection keys here.
        regime.pdptes = None;
        regime.smep = false;
        regime.smap = false;
        regime.pkru = None;
        Npt { regime }
    }
}

/// Hands on what a nested walk does, under the name of its dimension.
struct InNested<'a, T>(&'a mut T);

impl<T: Trace> Trace for InNested<'_, T> {
    const LISTENS: bool = T::LISTENS;

    fn record(&mut self, event: PagingEvent) {
        match event {
            PagingEvent::Referenced(mut reference) => {
                reference.dimension = Dimension::Nested;
                self.0.record(PagingEvent::Referenced(reference));
            }
            PagingEvent::AccessedSet { at, dirty, entry, .. } => {
                self.0.record(PagingEvent::AccessedSet { dimension: Dimension::Nested, at, dirty, entry });
            }
            // The whole walk is what the guest's access is about; its nested parts are not reported one by one.
            PagingEvent::Translated { .. } => {}
            other => self.0.record(other),
        }
    }
}

impl SecondDimension for Npt {
    const FRONT: Dimension = Dimension::Guest;

    #[inline]
    fn translate<T: Trace>(
        &mut self,
        memory: &mut PhysicalMemory,
        request: Request,
        trace: &mut T,
    ) -> Result<Backing, TranslationStop> {
        let attempt = Attempt::user(request.kind);
        let gpa = request.gpa.0;
        match walk(memory, &mut Flat, &self.regime, gpa, attempt, None, &mut InNested(trace)) {
            Ok(walked) => {
                let leaf = walked.leaf;
                Ok(Backing {
                    hpa: leaf.at(gpa),
                    shift: leaf.shift,
                    readable: true,
                    writable: leaf.rights.contains(Rights::WRITE),
                    executable: leaf.rights.contains(Rights::EXECUTE),
                    dirty: leaf.rights.contains(Rights::DIRTY),
                })
            }
            Err(TranslationStop::PageFault(fault)) => Err(TranslationStop::Nested(NestedFault {
                guest_physical: gpa,
                linear: request.linear,
                kind: request.kind,
                // All that the error code tells: whether the entries were present.
                rights: u8::from(fault.code & error_code::P != 0),
                is_final: request.is_final,
                is_misconfigured: fault.code & error_code::RSVD != 0,
            })),
            Err(stop) => Err(stop),
        }
    }

    #[inline]
    fn structures_are_written(&self) -> bool {
        true
    }
}
