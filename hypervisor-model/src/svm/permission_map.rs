//! The MSR permission map of AMD-V (APM vol. 2 rev. 3.30, 15.11): two bits for each register of three ranges, the first
//! for reads, the second for writes. A bit that is 1 makes an exit; so does every register outside the ranges.

use crate::cpu::msr::Msr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The registers that do not exit; all others do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MsrPermissionMap {
    passed: BTreeSet<Msr>,
}

impl MsrPermissionMap {
    /// The bit for reads of a register in the map, that for writes being the next; `None` outside the ranges.
    #[must_use]
    pub fn place(msr: Msr) -> Option<u32> {
        let ranges = [(0, 0), (0xc000_0000, 0x800), (0xc001_0000, 0x1000)];
        let (first, byte) = ranges.into_iter().find(|(first, _)| (*first..first + 0x2000).contains(&msr.0))?;
        Some(byte * 8 + (msr.0 - first) * 2)
    }

    /// Clears both bits of a register: the guest reaches it by itself.
    pub fn pass(&mut self, msr: Msr) {
        if MsrPermissionMap::place(msr).is_some() {
            self.passed.insert(msr);
        }
    }

    /// Whether an access exits.
    #[must_use]
    pub fn exits(&self, msr: Msr) -> bool {
        !self.passed.contains(&msr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_where_the_manual_has_them() {
        assert_eq!(MsrPermissionMap::place(Msr::SYSENTER_CS), Some(0x174 * 2));
        assert_eq!(MsrPermissionMap::place(Msr::STAR), Some(0x800 * 8 + 0x81 * 2));
        assert_eq!(MsrPermissionMap::place(Msr::VM_CR), Some(0x1000 * 8 + 0x114 * 2));
        assert_eq!(MsrPermissionMap::place(Msr(0x4000_0000)), None);
    }
}
