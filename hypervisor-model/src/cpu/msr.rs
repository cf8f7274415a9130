//! Model-specific registers. Source: Intel SDM vol. 3 (June 2016), 35.1 "Architectural MSRs"; AMD64 APM vol. 2
//! (rev. 3.30), appendix A "MSR Cross-Reference".

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A model-specific register by number. EFER is kept in [`Cpu::efer`](super::Cpu::efer), FS_BASE and GS_BASE in the
/// segments, TSC in [`Cpu::tsc`](super::Cpu::tsc).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Msr(pub u32);

macro_rules! msrs {
    ($($constant:ident = $number:literal, $name:literal;)*) => {
        impl Msr {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: Msr = Msr($number);)*

            /// The registers that this processor has, in the order of their numbers.
            pub const ALL: &'static [Msr] = &[$(Msr($number)),*];

            /// What the register is called; `None` for one that this processor does not have.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($name),)* _ => None }
            }
        }
    };
}

msrs! {
    TSC = 0x10, "TSC";
    APIC_BASE = 0x1b, "APIC_BASE";
    FEATURE_CONTROL = 0x3a, "FEATURE_CONTROL";
    SYSENTER_CS = 0x174, "SYSENTER_CS";
    SYSENTER_ESP = 0x175, "SYSENTER_ESP";
    SYSENTER_EIP = 0x176, "SYSENTER_EIP";
    MISC_ENABLE = 0x1a0, "MISC_ENABLE";
    DEBUGCTL = 0x1d9, "DEBUGCTL";
    PAT = 0x277, "PAT";
    TSC_DEADLINE = 0x6e0, "TSC_DEADLINE";
    EFER = 0xc000_0080, "EFER";
    STAR = 0xc000_0081, "STAR";
    LSTAR = 0xc000_0082, "LSTAR";
    CSTAR = 0xc000_0083, "CSTAR";
    FMASK = 0xc000_0084, "FMASK";
    FS_BASE = 0xc000_0100, "FS_BASE";
    GS_BASE = 0xc000_0101, "GS_BASE";
    KERNEL_GS_BASE = 0xc000_0102, "KERNEL_GS_BASE";
    TSC_AUX = 0xc000_0103, "TSC_AUX";
    VM_CR = 0xc001_0114, "VM_CR";
    VM_HSAVE_PA = 0xc001_0117, "VM_HSAVE_PA";
}

impl fmt::Display for Msr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "MSR {:#x}", self.0),
        }
    }
}

/// The registers that hold something else than 0.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Msrs(BTreeMap<Msr, u64>);

impl Msrs {
    /// What a register holds.
    #[must_use]
    pub fn get(&self, msr: Msr) -> u64 {
        self.0.get(&msr).copied().unwrap_or(0)
    }

    /// Sets a register.
    pub fn set(&mut self, msr: Msr, value: u64) {
        if value == 0 {
            self.0.remove(&msr);
        } else {
            self.0.insert(msr, value);
        }
    }
}
