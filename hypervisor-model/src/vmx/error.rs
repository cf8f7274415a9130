//! VM-instruction errors: what is in the VM-instruction error field after VMfailValid.
//!
//! Source for this file: Intel SDM vol. 3, June 2016 (325384-059US), §30.4, table 30-1.

use serde::{Deserialize, Serialize};

macro_rules! errors {
    ($($name:ident = $number:literal, $text:literal;)+) => {
        /// The number of a VM-instruction error.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum VmError {
            $(#[doc = $text] $name = $number,)+
        }

        impl VmError {
            /// Every error, by number.
            pub const ALL: &'static [VmError] = &[$(VmError::$name,)+];

            /// The manual's description.
            pub const fn description(self) -> &'static str {
                match self { $(VmError::$name => $text,)+ }
            }
        }
    };
}

errors! {
    VmcallInRoot                = 1,  "VMCALL executed in VMX root operation";
    VmclearInvalidAddress       = 2,  "VMCLEAR with invalid physical address";
    VmclearVmxonPointer         = 3,  "VMCLEAR with VMXON pointer";
    VmlaunchNonClear            = 4,  "VMLAUNCH with non-clear VMCS";
    VmresumeNonLaunched         = 5,  "VMRESUME with non-launched VMCS";
    VmresumeAfterVmxoff         = 6,  "VMRESUME after VMXOFF";
    InvalidControlField         = 7,  "VM entry with invalid control field(s)";
    InvalidHostState            = 8,  "VM entry with invalid host-state field(s)";
    VmptrldInvalidAddress       = 9,  "VMPTRLD with invalid physical address";
    VmptrldVmxonPointer         = 10, "VMPTRLD with VMXON pointer";
    VmptrldIncorrectRevision    = 11, "VMPTRLD with incorrect VMCS revision identifier";
    UnsupportedComponent        = 12, "VMREAD/VMWRITE from/to unsupported VMCS component";
    VmwriteReadOnly             = 13, "VMWRITE to read-only VMCS component";
    VmxonInRoot                 = 15, "VMXON executed in VMX root operation";
    InvalidExecutivePointer     = 16, "VM entry with invalid executive-VMCS pointer";
    NonLaunchedExecutive        = 17, "VM entry with non-launched executive VMCS";
    ExecutiveNotVmxonPointer    = 18, "VM entry with executive-VMCS pointer not VMXON pointer";
    VmcallNonClear              = 19, "VMCALL with non-clear VMCS";
    VmcallInvalidExitControls   = 20, "VMCALL with invalid VM-exit control fields";
    VmcallIncorrectMseg         = 22, "VMCALL with incorrect MSEG revision identifier";
    VmxoffDualMonitor           = 23, "VMXOFF under dual-monitor treatment of SMIs and SMM";
    VmcallInvalidSmmFeatures    = 24, "VMCALL with invalid SMM-monitor features";
    InvalidExecutiveControls    = 25, "VM entry with invalid VM-execution control fields in executive VMCS";
    EntryBlockedByMovSs         = 26, "VM entry with events blocked by MOV SS";
    InvalidInveptInvvpidOperand = 28, "invalid operand to INVEPT/INVVPID";
}

impl VmError {
    /// The number in the VM-instruction error field.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The error with a number.
    pub fn from_number(number: u32) -> Option<VmError> {
        VmError::ALL.iter().copied().find(|error| error.number() == number)
    }
}
