//! Instructions as they are written: opcode, operands, prefix.
//!
//! [`table`] has a row for each with its checks and its source; [`parse`] reads Intel syntax; `cpu::execute` runs
//! them. There are no bytes here: a program is text. An instruction has the nominal length of its row, or, where code
//! must lie as an assembler would lay it, that of its [`encoding`].

pub mod check;
pub mod class;
pub mod encoding;
mod grammar;
pub mod parse;
pub mod syntax;
pub mod table;

use super::control::ControlRegister;
use super::register::General;
use super::segment::{SegmentRegister, Selector};
use serde::{Deserialize, Serialize};
use std::fmt;

pub use check::Check;
pub use class::{Class, Silently};
pub use table::{Opcode, Row, TABLE};

/// How many bytes an operand has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Word,
    /// 32 bits.
    Dword,
    /// 64 bits.
    Qword,
}

impl Width {
    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u8 {
        match self {
            Width::Byte => 1,
            Width::Word => 2,
            Width::Dword => 4,
            Width::Qword => 8,
        }
    }

    /// The bits of a value that fit.
    #[must_use]
    pub fn truncate(self, value: u64) -> u64 {
        value & self.mask()
    }

    /// All bits of this width.
    #[must_use]
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(self.bytes()))
    }

    /// The highest bit of this width.
    #[must_use]
    pub fn sign(self) -> u64 {
        1 << (8 * u32::from(self.bytes()) - 1)
    }

    fn name(self) -> &'static str {
        match self {
            Width::Byte => "byte",
            Width::Word => "word",
            Width::Dword => "dword",
            Width::Qword => "qword",
        }
    }
}

/// A register that an operand can name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Register {
    /// A general register or a part of it.
    General {
        /// Which.
        register: General,
        /// How much of it.
        width: Width,
        /// Whether it is bits 15:8: AH, CH, DH, BH.
        is_high: bool,
    },
    /// A segment register.
    Segment(SegmentRegister),
    /// A control register.
    Control(ControlRegister),
    /// A debug register, 0 to 7.
    Debug(u8),
}

/// A memory operand: `segment:[base + index*scale + displacement]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The segment that was written; else DS, or SS for a base of RSP or RBP.
    pub segment: Option<SegmentRegister>,
    /// Base register.
    pub base: Option<General>,
    /// Index register and its factor: 1, 2, 4 or 8.
    pub index: Option<(General, u8)>,
    /// What is added.
    pub displacement: i64,
    /// The width that was written (`dword ptr`).
    pub width: Option<Width>,
    /// Which name of the program it is; the displacement has its address already.
    pub name: Option<u16>,
}

/// An operand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Operand {
    /// A register.
    Register(Register),
    /// A number.
    Immediate(u64),
    /// Memory.
    Memory(Memory),
    /// `selector:offset`.
    Far {
        /// The code segment or gate.
        selector: Selector,
        /// Where in it; a gate ignores it.
        offset: u64,
    },
}

/// A repeat prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Rep;

/// One instruction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instruction {
    /// Which row of the table.
    pub opcode: Opcode,
    /// As it was written, without spaces around.
    pub text: String,
    /// The mnemonic as it was written, in lower case: it may carry the width of the operand.
    pub mnemonic: String,
    /// The operands, destination first.
    pub operands: Vec<Operand>,
    /// Whether it is repeated.
    pub rep: Option<Rep>,
    /// Length in bytes: nominal as it is read, that of its encoding where [`encoding`] has been asked.
    pub bytes: u8,
}

impl Instruction {
    /// Length in bytes: what is added to RIP.
    #[must_use]
    pub fn length(&self) -> u64 {
        u64::from(self.bytes)
    }

    /// The width that the mnemonic ends in: `iretq`, `outsb`, `popfw`.
    #[must_use]
    pub fn width_suffix(&self) -> Option<Width> {
        const STEMS: [&str; 8] = ["iret", "popf", "pushf", "sysret", "sysexit", "retf", "ins", "outs"];
        let suffix = STEMS.iter().find_map(|stem| self.mnemonic.strip_prefix(stem))?;
        match suffix {
            "b" => Some(Width::Byte),
            "w" => Some(Width::Word),
            "d" | "l" => Some(Width::Dword),
            "q" => Some(Width::Qword),
            _ => None,
        }
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::General { register, width, is_high } => {
                f.write_str(&syntax::general_name(*register, *width, *is_high))
            }
            Register::Segment(register) => write!(f, "{register}"),
            Register::Control(register) => write!(f, "{register}"),
            Register::Debug(number) => write!(f, "dr{number}"),
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
