//! Virtualization by software alone: [`binary_translation`] in VMware's manner, an [`emulator`] that runs everything
//! itself, [`trap_and_emulate`] with what goes wrong on a real x86, and a kernel as a process ([`uml`]).

pub mod binary_translation;
pub mod emulator;
pub mod guest_code;
pub mod trap_and_emulate;
pub mod uml;

pub use guest_code::GuestCode;
