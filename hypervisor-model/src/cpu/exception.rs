//! Exceptions. Source: Intel SDM vol. 3 (June 2016), table 6-1 "Protected-Mode Exceptions and Interrupts".

use serde::{Deserialize, Serialize};
use std::fmt;

/// An interrupt vector, 0 to 255.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Vector(pub u8);

macro_rules! vectors {
    ($($name:ident = $number:literal, $mnemonic:literal, $title:literal, $pushes:literal;)*) => {
        impl Vector {
            $(#[doc = concat!("`#", $mnemonic, "`: ", $title, ".")] pub const $name: Vector = Vector($number);)*

            /// The mnemonic of an exception without its `#`, for instance `GP`.
            #[must_use]
            pub fn mnemonic(self) -> Option<&'static str> {
                match self.0 { $($number => Some($mnemonic),)* _ => None }
            }

            /// What the exception is called.
            #[must_use]
            pub fn title(self) -> Option<&'static str> {
                match self.0 { $($number => Some($title),)* _ => None }
            }

            /// Whether the exception pushes an error code.
            #[must_use]
            pub fn pushes_error_code(self) -> bool {
                match self.0 { $($number => $pushes,)* _ => false }
            }
        }
    };
}

vectors! {
    DE = 0, "DE", "divide error", false;
    DB = 1, "DB", "debug", false;
    NMI = 2, "NMI", "non-maskable interrupt", false;
    BP = 3, "BP", "breakpoint", false;
    OF = 4, "OF", "overflow", false;
    BR = 5, "BR", "BOUND range exceeded", false;
    UD = 6, "UD", "invalid opcode", false;
    NM = 7, "NM", "device not available", false;
    DF = 8, "DF", "double fault", true;
    TS = 10, "TS", "invalid TSS", true;
    NP = 11, "NP", "segment not present", true;
    SS = 12, "SS", "stack-segment fault", true;
    GP = 13, "GP", "general protection", true;
    PF = 14, "PF", "page fault", true;
    MF = 16, "MF", "x87 floating-point error", false;
    AC = 17, "AC", "alignment check", true;
    MC = 18, "MC", "machine check", false;
    XM = 19, "XM", "SIMD floating-point", false;
    VE = 20, "VE", "virtualization exception", false;
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => write!(f, "#{mnemonic}"),
            None => write!(f, "vector {:#04x}", self.0),
        }
    }
}

/// An exception that an instruction gave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Exception {
    /// Which one.
    pub vector: Vector,
    /// The error code, where the exception has one.
    pub error_code: Option<u32>,
    /// The faulting linear address of a page fault; the bits for DR6 of a debug exception.
    pub address: Option<u64>,
}

impl Exception {
    /// An exception without an error code.
    #[must_use]
    pub const fn plain(vector: Vector) -> Exception {
        Exception { vector, error_code: None, address: None }
    }

    /// An exception with an error code.
    #[must_use]
    pub const fn with_code(vector: Vector, error_code: u32) -> Exception {
        Exception { vector, error_code: Some(error_code), address: None }
    }

    /// `#UD`.
    pub const UD: Exception = Exception::plain(Vector::UD);

    /// `#GP(0)`.
    pub const GP0: Exception = Exception::with_code(Vector::GP, 0);

    /// `#PF` with its error code at a linear address.
    #[must_use]
    pub const fn page_fault(error_code: u32, address: u64) -> Exception {
        Exception { vector: Vector::PF, error_code: Some(error_code), address: Some(address) }
    }
}

/// `#GP(0)`, `#UD`, `#PF(0x6) at 0x1000`.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.vector)?;
        match self.error_code {
            Some(0) => f.write_str("(0)")?,
            Some(code) => write!(f, "({code:#x})")?,
            None => {}
        }
        match self.address {
            Some(address) if self.vector == Vector::PF => write!(f, " at {address:#x}"),
            _ => Ok(()),
        }
    }
}
