//! A guest's memory as one run of the machine's frames, which is how a VMM in software gives it: guest-physical address
//! plus an offset. As a second dimension for walks that the VMM itself makes through the guest's tables.

use crate::memory::PhysicalMemory;
use crate::memory::{Gfn, Gpa, GuestId, Hfn, Hpa};
use crate::paging::event::Dimension;
use crate::paging::second::{Backing, Request};
use crate::paging::{SecondDimension, Trace, TranslationStop};
use serde::{Deserialize, Serialize};

/// Where a guest's memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GuestWindow {
    /// Whose.
    pub guest: GuestId,
    /// The machine's frame of guest frame 0.
    pub first: Hfn,
    /// How many frames.
    pub frames: u64,
}

impl GuestWindow {
    /// Whether there is memory at a guest frame.
    #[must_use]
    pub fn holds(self, frame: Gfn) -> bool {
        frame.0 < self.frames
    }

    /// The machine's address; where the guest has no memory, one beyond the machine's.
    #[must_use]
    pub fn machine(self, at: Gpa) -> Hpa {
        if self.holds(at.frame()) { Hpa(self.first.address().0 + at.0) } else { Hpa(!0xfff) }
    }

    /// Which guest frame a frame of the machine is.
    #[must_use]
    pub fn frame_of(self, frame: Hfn) -> Option<Gfn> {
        frame.0.checked_sub(self.first.0).map(Gfn).filter(|frame| self.holds(*frame))
    }
}

impl SecondDimension for GuestWindow {
    const FRONT: Dimension = Dimension::Guest;

    fn translate<T: Trace>(
        &mut self,
        _memory: &mut PhysicalMemory,
        request: Request,
        _trace: &mut T,
    ) -> Result<Backing, TranslationStop> {
        let hpa = self.machine(request.gpa);
        Ok(Backing { hpa, shift: 63, readable: true, writable: true, executable: true, dirty: true })
    }

    fn structures_are_written(&self) -> bool {
        false
    }
}
