//! RFLAGS. Source: Intel SDM vol. 1 (June 2016), 3.4.3 "EFLAGS Register"; vol. 3, 2.3 "System Flags and Fields".

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// The flags register. Bit 1 always reads 1; IOPL is bits 13:12.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Rflags: u64 {
        /// Carry.
        const CF = 1 << 0;
        /// Always 1.
        const ALWAYS = 1 << 1;
        /// Parity.
        const PF = 1 << 2;
        /// Auxiliary carry.
        const AF = 1 << 4;
        /// Zero.
        const ZF = 1 << 6;
        /// Sign.
        const SF = 1 << 7;
        /// Trap: single step.
        const TF = 1 << 8;
        /// Interrupts are taken.
        const IF = 1 << 9;
        /// Direction of string instructions.
        const DF = 1 << 10;
        /// Overflow.
        const OF = 1 << 11;
        /// The highest ring that may use CLI, STI and ports, bits 13:12.
        const IOPL = 3 << 12;
        /// Nested task.
        const NT = 1 << 14;
        /// Resume.
        const RF = 1 << 16;
        /// Virtual-8086 mode.
        const VM = 1 << 17;
        /// Alignment check; access control for supervisor accesses with CR4.SMAP.
        const AC = 1 << 18;
        /// Virtual interrupt flag.
        const VIF = 1 << 19;
        /// Virtual interrupt pending.
        const VIP = 1 << 20;
        /// CPUID may be used.
        const ID = 1 << 21;
    }
}

impl Rflags {
    /// Where IOPL begins.
    pub const IOPL_SHIFT: u32 = 12;

    /// The flags after reset.
    pub const RESET: Rflags = Rflags::ALWAYS;

    /// The I/O privilege level, 0 to 3.
    #[must_use]
    pub fn iopl(self) -> u8 {
        ((self & Rflags::IOPL).bits() >> Rflags::IOPL_SHIFT) as u8
    }

    /// The same flags with another I/O privilege level.
    #[must_use]
    pub fn with_iopl(self, iopl: u8) -> Rflags {
        (self - Rflags::IOPL) | Rflags::from_bits_retain(u64::from(iopl & 3) << Rflags::IOPL_SHIFT)
    }

    /// These flags, with those in `mask` taken from `new`.
    #[must_use]
    pub fn changed(self, mask: Rflags, new: Rflags) -> Rflags {
        (self - mask) | (new & mask)
    }
}
