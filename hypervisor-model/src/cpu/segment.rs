//! Segment registers with their descriptor caches. Source: Intel SDM vol. 3 (June 2016), 3.4 "Logical and Linear
//! Addresses" and 3.5 "System Descriptor Types".

use serde::{Deserialize, Serialize};
use std::fmt;

/// A segment selector: index 15:3, table indicator 2, requested privilege level 1:0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Selector(pub u16);

impl Selector {
    /// The null selector.
    pub const NULL: Selector = Selector(0);

    /// The requested privilege level.
    #[must_use]
    pub fn rpl(self) -> u8 {
        (self.0 & 3) as u8
    }

    /// The same selector with another requested privilege level.
    #[must_use]
    pub fn with_rpl(self, rpl: u8) -> Selector {
        Selector(self.0 & !3 | u16::from(rpl & 3))
    }

    /// Which entry of its table.
    #[must_use]
    pub fn index(self) -> u16 {
        self.0 >> 3
    }

    /// Whether it names an entry of the LDT rather than the GDT.
    #[must_use]
    pub fn is_local(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether it is one of the four null selectors.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 & !3 == 0
    }

    /// The selector as an error code: without RPL (SDM vol. 3, 6.13 "Error Code").
    #[must_use]
    pub fn error_code(self) -> u32 {
        u32::from(self.0 & !3)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A segment register that a program can name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum SegmentRegister {
    Es = 0,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
}

impl fmt::Display for SegmentRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["es", "cs", "ss", "ds", "fs", "gs"][*self as usize])
    }
}

/// A segment or system descriptor, as a descriptor cache holds it. Gates are
/// [`Gate`](super::segment::Gate)s.
///
/// ```text
///  63      56 55 54 53 52 51   48 47 46 45 44 43  40 39       16 15         0
/// | base 31:24 | G |DB| L |AV| lim  | P | DPL | S | type | base 23:0 | limit 15:0 |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Descriptor {
    /// Where the segment begins; 64 bits for system segments and FS, GS in long mode.
    pub base: u64,
    /// The last valid offset, in bytes (granularity applied).
    pub limit: u32,
    /// Access rights as in bits 55:40 of the descriptor without the limit: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13,
    /// D/B 14, G 15; the format of a VMCS access-rights field.
    pub rights: u16,
}

impl Descriptor {
    /// Bit S: code or data; clear for system descriptors.
    pub const S: u16 = 1 << 4;
    /// Bit P: present.
    pub const P: u16 = 1 << 7;
    /// Bit L: 64-bit code.
    pub const L: u16 = 1 << 13;
    /// Bit D/B: 32-bit default.
    pub const DB: u16 = 1 << 14;
    /// Bit G: the limit counts pages.
    pub const G: u16 = 1 << 15;

    /// What eight bytes of a descriptor table say.
    #[must_use]
    pub fn from_bits(bits: u64) -> Descriptor {
        let rights = (bits >> 40) as u16 & 0xf0ff;
        let limit = (bits & 0xffff) as u32 | (bits >> 32) as u32 & 0xf_0000;
        let limit = if rights & Descriptor::G != 0 { limit << 12 | 0xfff } else { limit };
        Descriptor { base: bits >> 16 & 0xff_ffff | bits >> 32 & 0xff00_0000, limit, rights }
    }

    /// The eight bytes that say this (base bits 63:32 of a system descriptor follow in the next eight).
    #[must_use]
    pub fn to_bits(self) -> u64 {
        let limit = u64::from(if self.rights & Descriptor::G != 0 { self.limit >> 12 } else { self.limit });
        limit & 0xffff
            | (limit & 0xf_0000) << 32
            | (self.base & 0xff_ffff) << 16
            | (self.base & 0xff00_0000) << 32
            | u64::from(self.rights) << 40
    }

    /// Flat code of a ring: 64-bit where `is_long`, else 32-bit.
    #[must_use]
    pub fn code(dpl: u8, is_long: bool) -> Descriptor {
        let size = if is_long { Descriptor::L } else { Descriptor::DB };
        let rights = 0xb | Descriptor::S | u16::from(dpl & 3) << 5 | Descriptor::P | size | Descriptor::G;
        Descriptor { base: 0, limit: u32::MAX, rights }
    }

    /// Flat writable data of a ring.
    #[must_use]
    pub fn data(dpl: u8) -> Descriptor {
        let rights = 0x3 | Descriptor::S | u16::from(dpl & 3) << 5 | Descriptor::P | Descriptor::DB | Descriptor::G;
        Descriptor { base: 0, limit: u32::MAX, rights }
    }

    /// The four type bits.
    #[must_use]
    pub fn kind(self) -> u8 {
        (self.rights & 0xf) as u8
    }

    /// The descriptor privilege level.
    #[must_use]
    pub fn dpl(self) -> u8 {
        (self.rights >> 5 & 3) as u8
    }

    /// Whether it is present.
    #[must_use]
    pub fn is_present(self) -> bool {
        self.rights & Descriptor::P != 0
    }

    /// Whether it is a system descriptor: TSS, LDT or a gate.
    #[must_use]
    pub fn is_system(self) -> bool {
        self.rights & Descriptor::S == 0
    }

    /// Whether it is code.
    #[must_use]
    pub fn is_code(self) -> bool {
        !self.is_system() && self.kind() & 8 != 0
    }

    /// Whether it is conforming code: code that runs with its caller's privilege.
    #[must_use]
    pub fn is_conforming(self) -> bool {
        self.is_code() && self.kind() & 4 != 0
    }

    /// Whether data may be read from it.
    #[must_use]
    pub fn is_readable(self) -> bool {
        !self.is_system() && (self.kind() & 8 == 0 || self.kind() & 2 != 0)
    }

    /// Whether data may be written to it.
    #[must_use]
    pub fn is_writable(self) -> bool {
        !self.is_system() && self.kind() & 8 == 0 && self.kind() & 2 != 0
    }

    /// Whether it is 64-bit code.
    #[must_use]
    pub fn is_long(self) -> bool {
        self.is_code() && self.rights & Descriptor::L != 0
    }

    /// Whether 32 bits are the default size of operands and of the stack.
    #[must_use]
    pub fn is_big(self) -> bool {
        self.rights & Descriptor::DB != 0
    }
}

/// A gate: the way into code of another privilege level (SDM vol. 3, 5.8.3, 6.11, 6.14.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gate {
    /// Which kind: 0x5 task, 0xc call, 0xe interrupt, 0xf trap; 0x4, 0x6, 0x7 are the 16-bit ones.
    pub kind: u8,
    /// The highest ring that may go through it by an instruction.
    pub dpl: u8,
    /// Whether it is present.
    pub is_present: bool,
    /// The code segment (or the TSS of a task gate) behind it.
    pub selector: Selector,
    /// Where that code begins.
    pub offset: u64,
    /// How many parameters a call gate copies, or which stack of the interrupt-stack table (1 to 7; 0 none) in long mode.
    pub count: u8,
}

impl Gate {
    /// What the eight bytes of a gate say, or sixteen in long mode (the second eight hold offset bits 63:32).
    #[must_use]
    pub fn from_bits(low: u64, high: u64) -> Gate {
        let rights = (low >> 40) as u8;
        Gate {
            kind: rights & 0xf,
            dpl: rights >> 5 & 3,
            is_present: rights & 0x80 != 0,
            selector: Selector((low >> 16) as u16),
            offset: low & 0xffff | low >> 32 & 0xffff_0000 | high << 32,
            count: (low >> 32) as u8 & 0x1f,
        }
    }

    /// The eight or sixteen bytes that say this, as two words.
    #[must_use]
    pub fn to_bits(self) -> (u64, u64) {
        let rights = u64::from(self.kind | (self.dpl & 3) << 5 | u8::from(self.is_present) << 7);
        let low = self.offset & 0xffff
            | u64::from(self.selector.0) << 16
            | u64::from(self.count & 0x1f) << 32
            | rights << 40
            | (self.offset & 0xffff_0000) << 32;
        (low, self.offset >> 32)
    }
}

/// A segment register: what a program sees, and the cache behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Segment {
    /// The visible part.
    pub selector: Selector,
    /// The hidden part: what the descriptor said when it was loaded.
    pub descriptor: Descriptor,
}

/// All segment registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Segments {
    pub es: Segment,
    pub cs: Segment,
    pub ss: Segment,
    pub ds: Segment,
    pub fs: Segment,
    pub gs: Segment,
    pub ldtr: Segment,
    pub tr: Segment,
}

impl Segments {
    /// A segment register by name.
    #[must_use]
    pub fn get(&self, register: SegmentRegister) -> Segment {
        match register {
            SegmentRegister::Es => self.es,
            SegmentRegister::Cs => self.cs,
            SegmentRegister::Ss => self.ss,
            SegmentRegister::Ds => self.ds,
            SegmentRegister::Fs => self.fs,
            SegmentRegister::Gs => self.gs,
        }
    }

    /// A segment register by name, to be changed.
    pub fn get_mut(&mut self, register: SegmentRegister) -> &mut Segment {
        match register {
            SegmentRegister::Es => &mut self.es,
            SegmentRegister::Cs => &mut self.cs,
            SegmentRegister::Ss => &mut self.ss,
            SegmentRegister::Ds => &mut self.ds,
            SegmentRegister::Fs => &mut self.fs,
            SegmentRegister::Gs => &mut self.gs,
        }
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TableRegister {
    /// Linear address of the table.
    pub base: u64,
    /// Its last valid byte.
    pub limit: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_descriptors_are_those_of_linux() {
        // arch/x86/kernel/cpu/common.c: DESC_CODE64, DESC_DATA64 | accessed, DESC_CODE32 and the user ones.
        assert_eq!(Descriptor::code(0, true).to_bits(), 0x00af_9b00_0000_ffff);
        assert_eq!(Descriptor::data(0).to_bits(), 0x00cf_9300_0000_ffff);
        assert_eq!(Descriptor::code(3, false).to_bits(), 0x00cf_fb00_0000_ffff);
        assert_eq!(Descriptor::data(3).to_bits(), 0x00cf_f300_0000_ffff);
    }

    #[test]
    fn a_descriptor_survives_its_eight_bytes() {
        let descriptor = Descriptor { base: 0x1234_5678, limit: 0x67, rights: 0x89 };
        assert_eq!(Descriptor::from_bits(descriptor.to_bits()), descriptor);
    }
}
