//! Control registers and EFER. Source: Intel SDM vol. 3 (June 2016), 2.5 "Control Registers" and 2.2.1
//! "Extended Feature Enable Register"; AMD64 APM vol. 2 (rev. 3.30), 3.1.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A control register by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ControlRegister {
    /// CR0.
    Cr0,
    /// CR2.
    Cr2,
    /// CR3.
    Cr3,
    /// CR4.
    Cr4,
    /// CR8: the task priority; 64-bit mode only.
    Cr8,
}

impl ControlRegister {
    /// The number in its name.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            ControlRegister::Cr0 => 0,
            ControlRegister::Cr2 => 2,
            ControlRegister::Cr3 => 3,
            ControlRegister::Cr4 => 4,
            ControlRegister::Cr8 => 8,
        }
    }
}

impl fmt::Display for ControlRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cr{}", self.number())
    }
}

bitflags! {
    /// CR0.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Cr0: u64 {
        /// Protection is on.
        const PE = 1 << 0;
        /// Monitor coprocessor.
        const MP = 1 << 1;
        /// No coprocessor.
        const EM = 1 << 2;
        /// The task was switched: the next x87 or SSE instruction gives #NM.
        const TS = 1 << 3;
        /// Extension type; always 1.
        const ET = 1 << 4;
        /// x87 errors are reported as #MF.
        const NE = 1 << 5;
        /// The supervisor obeys read-only pages.
        const WP = 1 << 16;
        /// Alignment is checked in ring 3.
        const AM = 1 << 18;
        /// Not write-through.
        const NW = 1 << 29;
        /// Caches are off.
        const CD = 1 << 30;
        /// Paging is on.
        const PG = 1 << 31;
    }
}

impl Cr0 {
    /// The bits that are 1 in VMX operation (IA32_VMX_CR0_FIXED0; SDM vol. 3, 23.8 "Restrictions on VMX Operation").
    pub const FIXED_BY_VMX: Cr0 = Cr0::PE.union(Cr0::NE).union(Cr0::PG);
}

bitflags! {
    /// CR4.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Cr4: u64 {
        /// Virtual-8086 extensions.
        const VME = 1 << 0;
        /// Protected-mode virtual interrupts.
        const PVI = 1 << 1;
        /// RDTSC and RDTSCP only in ring 0.
        const TSD = 1 << 2;
        /// Debugging extensions: DR4 and DR5 give #UD.
        const DE = 1 << 3;
        /// Large pages in 32-bit paging.
        const PSE = 1 << 4;
        /// Physical-address extension.
        const PAE = 1 << 5;
        /// Machine checks.
        const MCE = 1 << 6;
        /// Global pages.
        const PGE = 1 << 7;
        /// RDPMC in every ring.
        const PCE = 1 << 8;
        /// FXSAVE and SSE.
        const OSFXSR = 1 << 9;
        /// Unmasked SSE exceptions.
        const OSXMMEXCPT = 1 << 10;
        /// SGDT, SIDT, SLDT, SMSW, STR only in ring 0.
        const UMIP = 1 << 11;
        /// Five-level paging.
        const LA57 = 1 << 12;
        /// VMX is enabled.
        const VMXE = 1 << 13;
        /// Safer-mode extensions.
        const SMXE = 1 << 14;
        /// RDFSBASE and its kin.
        const FSGSBASE = 1 << 16;
        /// Process-context identifiers.
        const PCIDE = 1 << 17;
        /// XSAVE, XGETBV and XSETBV.
        const OSXSAVE = 1 << 18;
        /// The supervisor does not execute user pages.
        const SMEP = 1 << 20;
        /// The supervisor does not read or write user pages, unless RFLAGS.AC.
        const SMAP = 1 << 21;
        /// Protection keys for user pages.
        const PKE = 1 << 22;
    }
}

bitflags! {
    /// The extended-feature-enable register, MSR 0xc0000080.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Efer: u64 {
        /// SYSCALL and SYSRET.
        const SCE = 1 << 0;
        /// Long mode is enabled.
        const LME = 1 << 8;
        /// Long mode is active; the processor's to set.
        const LMA = 1 << 10;
        /// No-execute.
        const NXE = 1 << 11;
        /// SVM is enabled (AMD).
        const SVME = 1 << 12;
    }
}
