//! The fields of a VMCS with their encodings.
//!
//! Source for this file: Intel SDM vol. 3, June 2016 (325384-059US), appendix B; the encoding's layout is
//! table 24-17 there:
//!
//! ```text
//!   31      15 14 13 12 11 10 9               1  0
//!  +----------+-----+--+-----+-----------------+--+
//!  |    0     |width| 0|group|      index      |hi|
//!  +----------+-----+--+-----+-----------------+--+
//! ```
//!
//! `hi` is 1 for the upper half of a 64-bit field; the rows below are the full fields.

use serde::{Deserialize, Serialize};

/// What a field is for: bits 11:10 of its encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum FieldGroup {
    /// Controls: the VMM writes them.
    Control,
    /// Exit information: the processor writes them, VMWRITE fails with error 13.
    ExitInformation,
    /// Guest state: loaded at entry, saved at exit.
    GuestState,
    /// Host state: loaded at exit.
    HostState,
}

impl FieldGroup {
    /// The manual's name of the area.
    pub fn name(self) -> &'static str {
        match self {
            FieldGroup::Control => "control fields",
            FieldGroup::ExitInformation => "VM-exit information fields",
            FieldGroup::GuestState => "guest-state area",
            FieldGroup::HostState => "host-state area",
        }
    }
}

/// How wide a field is: bits 14:13 of its encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum FieldWidth {
    /// 16 bits.
    Bits16,
    /// 64 bits.
    Bits64,
    /// 32 bits.
    Bits32,
    /// As wide as a register: 64 bits here.
    Natural,
}

macro_rules! fields {
    ($($name:ident = $encoding:literal, $text:literal;)+) => {
        /// A field of a VMCS.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Field {
            $(#[doc = $text] $name = $encoding,)+
        }

        impl Field {
            /// Every field, by encoding.
            pub const ALL: &'static [Field] = &[$(Field::$name,)+];

            /// The manual's name.
            pub const fn name(self) -> &'static str {
                match self { $(Field::$name => $text,)+ }
            }
        }
    };
}

fields! {
    VirtualProcessorId                 = 0x0000, "virtual-processor identifier (VPID)";
    PostedInterruptVector              = 0x0002, "posted-interrupt notification vector";
    EptpIndex                          = 0x0004, "EPTP index";
    GuestEsSelector                    = 0x0800, "guest ES selector";
    GuestCsSelector                    = 0x0802, "guest CS selector";
    GuestSsSelector                    = 0x0804, "guest SS selector";
    GuestDsSelector                    = 0x0806, "guest DS selector";
    GuestFsSelector                    = 0x0808, "guest FS selector";
    GuestGsSelector                    = 0x080a, "guest GS selector";
    GuestLdtrSelector                  = 0x080c, "guest LDTR selector";
    GuestTrSelector                    = 0x080e, "guest TR selector";
    GuestInterruptStatus               = 0x0810, "guest interrupt status";
    PmlIndex                           = 0x0812, "PML index";
    HostEsSelector                     = 0x0c00, "host ES selector";
    HostCsSelector                     = 0x0c02, "host CS selector";
    HostSsSelector                     = 0x0c04, "host SS selector";
    HostDsSelector                     = 0x0c06, "host DS selector";
    HostFsSelector                     = 0x0c08, "host FS selector";
    HostGsSelector                     = 0x0c0a, "host GS selector";
    HostTrSelector                     = 0x0c0c, "host TR selector";
    IoBitmapA                          = 0x2000, "address of I/O bitmap A";
    IoBitmapB                          = 0x2002, "address of I/O bitmap B";
    MsrBitmap                          = 0x2004, "address of MSR bitmaps";
    ExitMsrStoreAddress                = 0x2006, "VM-exit MSR-store address";
    ExitMsrLoadAddress                 = 0x2008, "VM-exit MSR-load address";
    EntryMsrLoadAddress                = 0x200a, "VM-entry MSR-load address";
    ExecutiveVmcsPointer               = 0x200c, "executive-VMCS pointer";
    PmlAddress                         = 0x200e, "PML address";
    TscOffset                          = 0x2010, "TSC offset";
    VirtualApicAddress                 = 0x2012, "virtual-APIC address";
    ApicAccessAddress                  = 0x2014, "APIC-access address";
    PostedInterruptDescriptor          = 0x2016, "posted-interrupt descriptor address";
    VmFunctionControls                 = 0x2018, "VM-function controls";
    EptPointer                         = 0x201a, "EPT pointer (EPTP)";
    EoiExitBitmap0                     = 0x201c, "EOI-exit bitmap 0";
    EoiExitBitmap1                     = 0x201e, "EOI-exit bitmap 1";
    EoiExitBitmap2                     = 0x2020, "EOI-exit bitmap 2";
    EoiExitBitmap3                     = 0x2022, "EOI-exit bitmap 3";
    EptpListAddress                    = 0x2024, "EPTP-list address";
    VmreadBitmap                       = 0x2026, "VMREAD-bitmap address";
    VmwriteBitmap                      = 0x2028, "VMWRITE-bitmap address";
    VirtualizationExceptionInformation = 0x202a, "virtualization-exception information address";
    XssExitingBitmap                   = 0x202c, "XSS-exiting bitmap";
    EnclsExitingBitmap                 = 0x202e, "ENCLS-exiting bitmap";
    TscMultiplier                      = 0x2032, "TSC multiplier";
    GuestPhysicalAddress               = 0x2400, "guest-physical address";
    VmcsLinkPointer                    = 0x2800, "VMCS link pointer";
    GuestDebugctl                      = 0x2802, "guest IA32_DEBUGCTL";
    GuestPat                           = 0x2804, "guest IA32_PAT";
    GuestEfer                          = 0x2806, "guest IA32_EFER";
    GuestPerfGlobalCtrl                = 0x2808, "guest IA32_PERF_GLOBAL_CTRL";
    GuestPdpte0                        = 0x280a, "guest PDPTE0";
    GuestPdpte1                        = 0x280c, "guest PDPTE1";
    GuestPdpte2                        = 0x280e, "guest PDPTE2";
    GuestPdpte3                        = 0x2810, "guest PDPTE3";
    GuestBndcfgs                       = 0x2812, "guest IA32_BNDCFGS";
    HostPat                            = 0x2c00, "host IA32_PAT";
    HostEfer                           = 0x2c02, "host IA32_EFER";
    HostPerfGlobalCtrl                 = 0x2c04, "host IA32_PERF_GLOBAL_CTRL";
    PinBasedControls                   = 0x4000, "pin-based VM-execution controls";
    PrimaryControls                    = 0x4002, "primary processor-based VM-execution controls";
    ExceptionBitmap                    = 0x4004, "exception bitmap";
    PageFaultErrorCodeMask             = 0x4006, "page-fault error-code mask";
    PageFaultErrorCodeMatch            = 0x4008, "page-fault error-code match";
    Cr3TargetCount                     = 0x400a, "CR3-target count";
    ExitControls                       = 0x400c, "VM-exit controls";
    ExitMsrStoreCount                  = 0x400e, "VM-exit MSR-store count";
    ExitMsrLoadCount                   = 0x4010, "VM-exit MSR-load count";
    EntryControls                      = 0x4012, "VM-entry controls";
    EntryMsrLoadCount                  = 0x4014, "VM-entry MSR-load count";
    EntryInterruptionInformation       = 0x4016, "VM-entry interruption-information field";
    EntryExceptionErrorCode            = 0x4018, "VM-entry exception error code";
    EntryInstructionLength             = 0x401a, "VM-entry instruction length";
    TprThreshold                       = 0x401c, "TPR threshold";
    SecondaryControls                  = 0x401e, "secondary processor-based VM-execution controls";
    PleGap                             = 0x4020, "PLE_Gap";
    PleWindow                          = 0x4022, "PLE_Window";
    InstructionError                   = 0x4400, "VM-instruction error";
    ExitReason                         = 0x4402, "exit reason";
    ExitInterruptionInformation        = 0x4404, "VM-exit interruption information";
    ExitInterruptionErrorCode          = 0x4406, "VM-exit interruption error code";
    IdtVectoringInformation            = 0x4408, "IDT-vectoring information field";
    IdtVectoringErrorCode              = 0x440a, "IDT-vectoring error code";
    ExitInstructionLength              = 0x440c, "VM-exit instruction length";
    ExitInstructionInformation         = 0x440e, "VM-exit instruction information";
    GuestEsLimit                       = 0x4800, "guest ES limit";
    GuestCsLimit                       = 0x4802, "guest CS limit";
    GuestSsLimit                       = 0x4804, "guest SS limit";
    GuestDsLimit                       = 0x4806, "guest DS limit";
    GuestFsLimit                       = 0x4808, "guest FS limit";
    GuestGsLimit                       = 0x480a, "guest GS limit";
    GuestLdtrLimit                     = 0x480c, "guest LDTR limit";
    GuestTrLimit                       = 0x480e, "guest TR limit";
    GuestGdtrLimit                     = 0x4810, "guest GDTR limit";
    GuestIdtrLimit                     = 0x4812, "guest IDTR limit";
    GuestEsAccessRights                = 0x4814, "guest ES access rights";
    GuestCsAccessRights                = 0x4816, "guest CS access rights";
    GuestSsAccessRights                = 0x4818, "guest SS access rights";
    GuestDsAccessRights                = 0x481a, "guest DS access rights";
    GuestFsAccessRights                = 0x481c, "guest FS access rights";
    GuestGsAccessRights                = 0x481e, "guest GS access rights";
    GuestLdtrAccessRights              = 0x4820, "guest LDTR access rights";
    GuestTrAccessRights                = 0x4822, "guest TR access rights";
    GuestInterruptibility              = 0x4824, "guest interruptibility state";
    GuestActivityState                 = 0x4826, "guest activity state";
    GuestSmbase                        = 0x4828, "guest SMBASE";
    GuestSysenterCs                    = 0x482a, "guest IA32_SYSENTER_CS";
    PreemptionTimerValue               = 0x482e, "VMX-preemption timer value";
    HostSysenterCs                     = 0x4c00, "host IA32_SYSENTER_CS";
    Cr0GuestHostMask                   = 0x6000, "CR0 guest/host mask";
    Cr4GuestHostMask                   = 0x6002, "CR4 guest/host mask";
    Cr0ReadShadow                      = 0x6004, "CR0 read shadow";
    Cr4ReadShadow                      = 0x6006, "CR4 read shadow";
    Cr3TargetValue0                    = 0x6008, "CR3-target value 0";
    Cr3TargetValue1                    = 0x600a, "CR3-target value 1";
    Cr3TargetValue2                    = 0x600c, "CR3-target value 2";
    Cr3TargetValue3                    = 0x600e, "CR3-target value 3";
    ExitQualification                  = 0x6400, "exit qualification";
    IoRcx                              = 0x6402, "I/O RCX";
    IoRsi                              = 0x6404, "I/O RSI";
    IoRdi                              = 0x6406, "I/O RDI";
    IoRip                              = 0x6408, "I/O RIP";
    GuestLinearAddress                 = 0x640a, "guest-linear address";
    GuestCr0                           = 0x6800, "guest CR0";
    GuestCr3                           = 0x6802, "guest CR3";
    GuestCr4                           = 0x6804, "guest CR4";
    GuestEsBase                        = 0x6806, "guest ES base";
    GuestCsBase                        = 0x6808, "guest CS base";
    GuestSsBase                        = 0x680a, "guest SS base";
    GuestDsBase                        = 0x680c, "guest DS base";
    GuestFsBase                        = 0x680e, "guest FS base";
    GuestGsBase                        = 0x6810, "guest GS base";
    GuestLdtrBase                      = 0x6812, "guest LDTR base";
    GuestTrBase                        = 0x6814, "guest TR base";
    GuestGdtrBase                      = 0x6816, "guest GDTR base";
    GuestIdtrBase                      = 0x6818, "guest IDTR base";
    GuestDr7                           = 0x681a, "guest DR7";
    GuestRsp                           = 0x681c, "guest RSP";
    GuestRip                           = 0x681e, "guest RIP";
    GuestRflags                        = 0x6820, "guest RFLAGS";
    GuestPendingDebugExceptions        = 0x6822, "guest pending debug exceptions";
    GuestSysenterEsp                   = 0x6824, "guest IA32_SYSENTER_ESP";
    GuestSysenterEip                   = 0x6826, "guest IA32_SYSENTER_EIP";
    HostCr0                            = 0x6c00, "host CR0";
    HostCr3                            = 0x6c02, "host CR3";
    HostCr4                            = 0x6c04, "host CR4";
    HostFsBase                         = 0x6c06, "host FS base";
    HostGsBase                         = 0x6c08, "host GS base";
    HostTrBase                         = 0x6c0a, "host TR base";
    HostGdtrBase                       = 0x6c0c, "host GDTR base";
    HostIdtrBase                       = 0x6c0e, "host IDTR base";
    HostSysenterEsp                    = 0x6c10, "host IA32_SYSENTER_ESP";
    HostSysenterEip                    = 0x6c12, "host IA32_SYSENTER_EIP";
    HostRsp                            = 0x6c14, "host RSP";
    HostRip                            = 0x6c16, "host RIP";
}

impl Field {
    /// The encoding, which VMREAD and VMWRITE take.
    pub const fn encoding(self) -> u32 {
        self as u32
    }

    /// The field with an encoding; the upper half of a 64-bit field counts as the field.
    pub fn from_encoding(encoding: u32) -> Option<Field> {
        let full = if encoding >> 13 & 3 == 1 { encoding & !1 } else { encoding };
        Field::ALL.iter().copied().find(|field| field.encoding() == full)
    }

    /// What it is for.
    pub const fn group(self) -> FieldGroup {
        match self.encoding() >> 10 & 3 {
            0 => FieldGroup::Control,
            1 => FieldGroup::ExitInformation,
            2 => FieldGroup::GuestState,
            _ => FieldGroup::HostState,
        }
    }

    /// How wide it is.
    pub const fn width(self) -> FieldWidth {
        match self.encoding() >> 13 & 3 {
            0 => FieldWidth::Bits16,
            1 => FieldWidth::Bits64,
            2 => FieldWidth::Bits32,
            _ => FieldWidth::Natural,
        }
    }

    /// The bits that the field can hold.
    pub const fn mask(self) -> u64 {
        match self.width() {
            FieldWidth::Bits16 => 0xffff,
            FieldWidth::Bits32 => 0xffff_ffff,
            FieldWidth::Bits64 | FieldWidth::Natural => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_says_group_and_width() {
        assert_eq!((Field::GuestRip.group(), Field::GuestRip.width()), (FieldGroup::GuestState, FieldWidth::Natural));
        assert_eq!(
            (Field::ExitReason.group(), Field::ExitReason.width()),
            (FieldGroup::ExitInformation, FieldWidth::Bits32)
        );
        assert_eq!(
            (Field::HostTrSelector.group(), Field::HostTrSelector.width()),
            (FieldGroup::HostState, FieldWidth::Bits16)
        );
        assert_eq!((Field::EptPointer.group(), Field::EptPointer.width()), (FieldGroup::Control, FieldWidth::Bits64));
    }

    #[test]
    fn the_upper_half_of_a_64_bit_field_is_the_field() {
        assert_eq!(Field::from_encoding(0x201b), Some(Field::EptPointer));
        assert_eq!(Field::from_encoding(0x4403), None);
        for field in Field::ALL {
            assert_eq!(Field::from_encoding(field.encoding()), Some(*field));
        }
    }
}
