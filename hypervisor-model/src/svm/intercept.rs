//! The intercept vectors of a VMCB, bit by bit.
//!
//! Source for this file: AMD64 APM vol. 2 rev. 3.30 (24593, September 2018), appendix B, table B-1 (offsets 000h to
//! 013h); offset 014h from Linux 6.12 `arch/x86/include/asm/svm.h`. An intercept's number counts the bits from offset
//! 000h, as Linux does: word `number / 32`, bit `number % 32`.

use super::exit_code::ExitCode;
use serde::{Deserialize, Serialize};

macro_rules! intercepts {
    ($($name:ident = $number:literal, $text:literal;)+) => {
        /// An intercept by name; those of registers and exceptions are [`Intercept::cr`] and its kin.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub struct Intercept(pub u8);

        #[allow(non_upper_case_globals, reason = "they read as the variants that they stand for")]
        impl Intercept {
            $(#[doc = $text] pub const $name: Intercept = Intercept($number);)+
        }

        /// Number and meaning of every named intercept.
        pub const INTERCEPTS: &[(u8, &str)] = &[$(($number, $text),)+];
    };
}

intercepts! {
    Intr         = 96,  "INTR (physical maskable interrupt)";
    Nmi          = 97,  "NMI";
    Smi          = 98,  "SMI";
    Init         = 99,  "INIT";
    Vintr        = 100, "VINTR (virtual maskable interrupt)";
    SelectiveCr0 = 101, "CR0 writes that change bits other than CR0.TS or CR0.MP";
    IdtrRead     = 102, "reads of IDTR";
    GdtrRead     = 103, "reads of GDTR";
    LdtrRead     = 104, "reads of LDTR";
    TrRead       = 105, "reads of TR";
    IdtrWrite    = 106, "writes of IDTR";
    GdtrWrite    = 107, "writes of GDTR";
    LdtrWrite    = 108, "writes of LDTR";
    TrWrite      = 109, "writes of TR";
    Rdtsc        = 110, "RDTSC";
    Rdpmc        = 111, "RDPMC";
    Pushf        = 112, "PUSHF";
    Popf         = 113, "POPF";
    Cpuid        = 114, "CPUID";
    Rsm          = 115, "RSM";
    Iret         = 116, "IRET";
    IntN         = 117, "INTn";
    Invd         = 118, "INVD";
    Pause        = 119, "PAUSE";
    Hlt          = 120, "HLT";
    Invlpg       = 121, "INVLPG";
    Invlpga      = 122, "INVLPGA";
    IoioProt     = 123, "IN/OUT accesses to selected ports";
    MsrProt      = 124, "RDMSR or WRMSR accesses to selected MSRs";
    TaskSwitch   = 125, "task switches";
    FerrFreeze   = 126, "processor freezing during legacy FERR handling";
    Shutdown     = 127, "shutdown events";
    Vmrun        = 128, "VMRUN";
    Vmmcall      = 129, "VMMCALL";
    Vmload       = 130, "VMLOAD";
    Vmsave       = 131, "VMSAVE";
    Stgi         = 132, "STGI";
    Clgi         = 133, "CLGI";
    Skinit       = 134, "SKINIT";
    Rdtscp       = 135, "RDTSCP";
    Icebp        = 136, "ICEBP";
    Wbinvd       = 137, "WBINVD";
    Monitor      = 138, "MONITOR";
    Mwait        = 139, "MWAIT unconditionally";
    MwaitArmed   = 140, "MWAIT if the monitor hardware is armed";
    Xsetbv       = 141, "XSETBV";
    Rdpru        = 142, "RDPRU";
    EferTrap     = 143, "writes of EFER, after they finish";
    Invpcid      = 162, "INVPCID";
}

impl Intercept {
    /// Reads or writes of a control register: offset 000h.
    pub fn cr(number: u8, is_write: bool) -> Intercept {
        Intercept(if is_write { 16 } else { 0 } + (number & 15))
    }

    /// Reads or writes of a debug register: offset 004h.
    pub fn dr(number: u8, is_write: bool) -> Intercept {
        Intercept(32 + if is_write { 16 } else { 0 } + (number & 15))
    }

    /// An exception vector: offset 008h.
    pub fn exception(vector: u8) -> Intercept {
        Intercept(64 + (vector & 31))
    }

    /// The exit code that the intercept leads to. The order of the vectors is the order of the codes, but for
    /// the words that came later.
    pub fn exit_code(self) -> ExitCode {
        match self.0 {
            number @ 0..=157 => ExitCode(u64::from(number)),
            162 => ExitCode::INVPCID,
            number => ExitCode(u64::from(number)),
        }
    }

    /// The intercept that a code comes from, for the codes that an intercept decides.
    pub fn of(code: ExitCode) -> Option<Intercept> {
        match code {
            ExitCode::INVPCID => Some(Intercept::Invpcid),
            ExitCode(number @ 0..=0x8f) => Some(Intercept(number as u8)),
            _ => None,
        }
    }
}

/// The six words of intercepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct InterceptVectors(pub [u32; 6]);

impl InterceptVectors {
    /// Whether an intercept is on.
    pub fn has(&self, intercept: Intercept) -> bool {
        self.0.get(usize::from(intercept.0 / 32)).is_some_and(|word| word >> (intercept.0 % 32) & 1 != 0)
    }

    /// Turns an intercept on.
    pub fn set(&mut self, intercept: Intercept) {
        if let Some(word) = self.0.get_mut(usize::from(intercept.0 / 32)) {
            *word |= 1 << (intercept.0 % 32);
        }
    }

    /// Turns an intercept off.
    pub fn clear(&mut self, intercept: Intercept) {
        if let Some(word) = self.0.get_mut(usize::from(intercept.0 / 32)) {
            *word &= !(1 << (intercept.0 % 32));
        }
    }

    /// Turns an intercept on or off.
    pub fn put(&mut self, intercept: Intercept, is_on: bool) {
        if is_on { self.set(intercept) } else { self.clear(intercept) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_of_the_vectors_is_the_exit_code() {
        assert_eq!(Intercept::Vmrun.exit_code(), ExitCode::VMRUN);
        assert_eq!(Intercept::Hlt.exit_code(), ExitCode::HLT);
        assert_eq!(Intercept::cr(8, true).exit_code(), ExitCode::cr(8, true));
        assert_eq!(Intercept::exception(14).exit_code(), ExitCode::exception(14));
        assert_eq!(Intercept::Invpcid.exit_code(), ExitCode::INVPCID);
        for (number, _) in INTERCEPTS {
            assert_eq!(Intercept::of(Intercept(*number).exit_code()), Some(Intercept(*number)));
        }
    }

    #[test]
    fn intercepts_are_bits_of_words() {
        let mut vectors = InterceptVectors::default();
        vectors.set(Intercept::Vmmcall);
        assert_eq!(vectors.0, [0, 0, 0, 0, 2, 0]);
        assert!(vectors.has(Intercept::Vmmcall));
        vectors.clear(Intercept::Vmmcall);
        assert_eq!(vectors, InterceptVectors::default());
    }
}
