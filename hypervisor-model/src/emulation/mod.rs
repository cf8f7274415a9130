//! Virtualization by software alone: [`binary_translation`] in VMware's manner, an [`emulator`] that runs everything
//! itself, [`trap_and_emulate`] with what goes wrong on a real x86, and a kernel as a process ([`uml`]). [`traced_shadow`] is
//! the memory of a VMM in software, [`kernel_text`] the code of a guest's kernel that matters to one.

pub mod binary_translation;
pub mod emulator;
pub mod guest_code;
pub mod guest_window;
pub mod kernel_text;
pub mod traced_shadow;
pub mod trap_and_emulate;
pub mod uml;

pub use guest_code::GuestCode;
pub use guest_window::GuestWindow;
pub use kernel_text::{KernelText, Routine};
pub use traced_shadow::TracedShadow;
