//! Paging: from a linear address to a frame of the machine, in one dimension and in two.
//!
//! [`format`] is what tables look like, [`regime`] what a processor's registers make of them, [`walk`] the walk
//! itself, one reference a step. [`second`] is what lies behind a guest's physical address: nothing ([`second::Flat`]),
//! [`ept`] or [`npt`]. [`tlb`] is what a processor remembers, [`flush`] what makes it forget, [`mod@translate`] all of it together. Everything is generic over a [`event::Trace`], which is told of every reference and costs
//! nothing when it does not listen.
//!
//! Source for this folder: Intel SDM vol. 3, June 2016 (325384-059US), chapters 4 and 28; AMD64 APM vol. 2,
//! rev. 3.30, 15.25. Five-level paging is younger than that edition: its numbers are those of the later ones.

pub mod ept;
pub mod event;
pub mod fault;
pub mod flush;
pub mod format;
pub mod npt;
pub mod regime;
pub mod second;
pub mod tlb;
pub mod translate;
pub mod walk;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use ept::Ept;
pub use event::{PagingEvent, Silent, Trace};
pub use fault::{Attempt, PageFault, TranslationStop};
pub use flush::Flush;
pub use format::{Format, FormatKind};
pub use npt::Npt;
pub use regime::{PagingState, Regime};
pub use second::{Flat, SecondDimension};
pub use tlb::{Tag, Tlb, TlbConfig};
pub use translate::{Translation, translate};
pub use walk::{Leaf, Rights, walk};
