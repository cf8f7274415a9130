//! Sequences of instructions whose exits were counted on a real KVM, and the same on the model.
//!
//! A *probe* is a short sequence in a fresh virtual machine, done a number of times between two markers; what it costs is
//! the exits between them by reason, and the returns to user space. [`guest`] is the code of the machine in which the
//! recordings were made, [`sequence`] finds a sequence by the words that a recording has for it, [`machine`] sets the
//! virtual machine up and runs it, [`recording`] compares.

pub mod assembler;
pub mod machine;
pub mod recording;
pub mod sequence;

use crate::cpu::instruction::encoding::CodeSize;
use serde::{Deserialize, Serialize};

pub use assembler::{Assembled, AssemblyError, CODE};

/// The mode in which a sequence starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// Long mode, ring 0, four-level tables.
    Long,
    /// 32-bit protected mode without paging.
    Protected,
    /// Real mode.
    Real,
}

impl Mode {
    fn from_word(word: &str) -> Option<Mode> {
        Some(match word {
            "long" => Mode::Long,
            "protected" => Mode::Protected,
            "real" => Mode::Real,
            _ => return None,
        })
    }

    /// The mode by the words of a recording: `long`, `protected, no paging`, `real`.
    #[must_use]
    pub fn from_recording(words: &str) -> Option<Mode> {
        Mode::from_word(words.split([',', ' ']).next().unwrap_or(words))
    }

    /// The size of its code.
    #[must_use]
    pub fn code_size(self) -> CodeSize {
        match self {
            Mode::Long => CodeSize::Bits64,
            Mode::Protected => CodeSize::Bits32,
            Mode::Real => CodeSize::Bits16,
        }
    }
}

/// What user space prepares for a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Setting {
    /// The interrupt controllers are in the kernel (`KVM_CREATE_IRQCHIP`).
    pub irqchip: bool,
    /// Port 0x570 and address 0xd0001000 notify an eventfd.
    pub ioeventfd: bool,
    /// Writing 4 to port 0x10 switches the dirty log of slot 2 on.
    pub dirty_log: bool,
    /// User space injects 16 interrupts of vector 0x91 when the guest can take them.
    pub interrupts: bool,
    /// The host backs the memory with large pages.
    pub huge: bool,
}

impl Setting {
    fn turn_on(&mut self, word: &str) -> Option<()> {
        match word {
            "irqchip" => self.irqchip = true,
            "ioeventfd" => self.ioeventfd = true,
            "dirty-log" => self.dirty_log = true,
            "interrupts" => self.interrupts = true,
            "huge" => self.huge = true,
            _ => return None,
        }
        Some(())
    }
}

/// A sequence that can be run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sequence {
    /// The words by which recordings name it.
    pub text: String,
    /// The mode in which it starts.
    pub mode: Mode,
    /// What user space prepares.
    pub setting: Setting,
    /// Where it begins.
    pub entry: u64,
}

/// The code of the machine in which the recordings were made.
///
/// # Panics
/// If the program that comes with this crate cannot be read, which a test rules out.
#[must_use]
pub fn guest() -> Assembled {
    assembler::assemble(include_str!("guest.asm"), CODE, &Default::default()).expect("the guest's program can be read")
}
