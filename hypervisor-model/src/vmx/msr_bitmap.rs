//! The MSR bitmap of VT-x (SDM vol. 3 (June 2016), 24.6.9): a page of four times 1024 bytes, a bit for each register of
//! two ranges, for reads and for writes. A bit that is 1 makes an exit; so does every register outside the ranges.

use crate::cpu::msr::Msr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The registers that do not exit; all others do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MsrBitmap {
    reads: BTreeSet<Msr>,
    writes: BTreeSet<Msr>,
}

impl MsrBitmap {
    /// A bitmap in which every bit is 1.
    #[must_use]
    pub fn all() -> MsrBitmap {
        MsrBitmap::default()
    }

    /// Whether a register has bits: 0 to 1FFFh and C0000000h to C0001FFFh.
    #[must_use]
    pub fn covers(msr: Msr) -> bool {
        msr.0 < 0x2000 || (0xc000_0000..0xc000_2000).contains(&msr.0)
    }

    /// The byte and the bit of a register; `None` outside the ranges.
    #[must_use]
    pub fn place(msr: Msr, is_write: bool) -> Option<(u16, u8)> {
        if !MsrBitmap::covers(msr) {
            return None;
        }
        let quarter = u16::from(is_write) * 2 + u16::from(msr.0 >= 0xc000_0000);
        let number = (msr.0 & 0x1fff) as u16;
        Some((quarter * 1024 + number / 8, (number % 8) as u8))
    }

    /// Clears the bits of a register: the guest reaches it by itself.
    pub fn pass(&mut self, msr: Msr, reads: bool, writes: bool) {
        if reads && MsrBitmap::covers(msr) {
            self.reads.insert(msr);
        }
        if writes && MsrBitmap::covers(msr) {
            self.writes.insert(msr);
        }
    }

    /// Whether an access exits.
    #[must_use]
    pub fn exits(&self, msr: Msr, is_write: bool) -> bool {
        !if is_write { &self.writes } else { &self.reads }.contains(&msr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_where_the_manual_has_them() {
        assert_eq!(MsrBitmap::place(Msr::TSC, false), Some((2, 0)));
        assert_eq!(MsrBitmap::place(Msr::EFER, false), Some((1024 + 0x10, 0)));
        assert_eq!(MsrBitmap::place(Msr::LSTAR, true), Some((3072 + 0x10, 2)));
        assert_eq!(MsrBitmap::place(Msr(0x4000_0000), true), None);
    }

    #[test]
    fn what_is_not_passed_exits() {
        let mut bitmap = MsrBitmap::all();
        bitmap.pass(Msr::TSC, true, false);
        assert!(!bitmap.exits(Msr::TSC, false));
        assert!(bitmap.exits(Msr::TSC, true));
        bitmap.pass(Msr::VM_CR, true, true);
        assert!(bitmap.exits(Msr::VM_CR, false));
    }
}
