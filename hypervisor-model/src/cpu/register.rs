//! General registers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A general register by its 64-bit name; the discriminant is its number in an instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum General {
    Rax = 0,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

impl General {
    /// All of them, in the order of their numbers.
    pub const ALL: [General; 16] = [
        General::Rax,
        General::Rcx,
        General::Rdx,
        General::Rbx,
        General::Rsp,
        General::Rbp,
        General::Rsi,
        General::Rdi,
        General::R8,
        General::R9,
        General::R10,
        General::R11,
        General::R12,
        General::R13,
        General::R14,
        General::R15,
    ];

    /// Its number in an instruction and in an exit qualification.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for General {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15",
        ];
        f.write_str(NAMES[usize::from(self.number())])
    }
}

/// The sixteen general registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Registers([u64; 16]);

impl Registers {
    /// All 64 bits of a register.
    #[must_use]
    pub fn get(&self, register: General) -> u64 {
        self.0[usize::from(register.number())]
    }

    /// Sets all 64 bits of a register.
    pub fn set(&mut self, register: General, value: u64) {
        self.0[usize::from(register.number())] = value;
    }
}
