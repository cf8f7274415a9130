//! Basic exit reasons: why a guest left VMX non-root operation.
//!
//! Source for this file: Intel SDM vol. 3, June 2016 (325384-059US), appendix C, with §25.1 for the
//! conditions; 67 to 75 from Linux 6.12 `arch/x86/include/uapi/asm/vmx.h`, which also gives the names in
//! capitals, those of KVM's trace events. AMD's codes are in `svm::exit_code`.

use super::controls::Control::{self, *};
use crate::cpu::sensitive::{Cause, DescriptorTable, VmxInstruction};
use serde::{Deserialize, Serialize};

/// When an exit for a reason happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The instruction always exits in VMX non-root operation.
    Always,
    /// The event always exits.
    Event,
    /// The instruction or event exits when one of these controls is 1.
    Controls(&'static [Control]),
    /// An exception whose bit in the exception bitmap is 1, or an NMI with "NMI exiting".
    ExceptionBitmap,
    /// By guest/host masks, CR3-target values and controls (SDM 25.1.3).
    ControlRegister,
    /// Always, unless "use MSR bitmaps" is 1 and the bit of an MSR within the two ranges is 0.
    MsrBitmap,
    /// Always, unless "VMCS shadowing" is 1 and the bit of the field is 0.
    FieldBitmap,
    /// The control must be 1, and a bitmap of its own decides.
    ControlAndBitmap(Control),
    /// The first control makes it an exit; without the second the instruction is #UD.
    ControlElseUndefined(Control, Control),
    /// VM entry failed after the checks of controls and host state: bit 31 of the reason is set.
    EntryFailure,
    /// Only under the dual-monitor treatment of SMIs and SMM.
    DualMonitor,
}

macro_rules! exit_reasons {
    ($($name:ident = $number:literal, $text:literal, $linux:literal, $when:expr;)+) => {
        /// A basic exit reason.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum ExitReason {
            $(#[doc = $text] $name = $number,)+
        }

        impl ExitReason {
            /// Every reason, by number.
            pub const ALL: &'static [ExitReason] = &[$(ExitReason::$name,)+];

            /// The manual's name.
            pub const fn name(self) -> &'static str {
                match self { $(ExitReason::$name => $text,)+ }
            }

            /// The name that KVM's trace events use.
            pub const fn linux_name(self) -> &'static str {
                match self { $(ExitReason::$name => $linux,)+ }
            }

            /// When it happens.
            pub const fn when(self) -> When {
                match self { $(ExitReason::$name => $when,)+ }
            }
        }
    };
}

exit_reasons! {
    ExceptionOrNmi       = 0,  "exception or NMI",            "EXCEPTION_NMI",       When::ExceptionBitmap;
    ExternalInterrupt    = 1,  "external interrupt",          "EXTERNAL_INTERRUPT",  When::Controls(&[ExternalInterruptExiting]);
    TripleFault          = 2,  "triple fault",                "TRIPLE_FAULT",        When::Event;
    InitSignal           = 3,  "INIT signal",                 "INIT_SIGNAL",         When::Event;
    StartupIpi           = 4,  "start-up IPI (SIPI)",         "SIPI_SIGNAL",         When::Event;
    IoSmi                = 5,  "I/O system-management interrupt", "IO_SMI",          When::Event;
    OtherSmi             = 6,  "other SMI",                   "OTHER_SMI",           When::Event;
    InterruptWindow      = 7,  "interrupt window",            "INTERRUPT_WINDOW",    When::Controls(&[InterruptWindowExiting]);
    NmiWindow            = 8,  "NMI window",                  "NMI_WINDOW",          When::Controls(&[NmiWindowExiting]);
    TaskSwitch           = 9,  "task switch",                 "TASK_SWITCH",         When::Always;
    Cpuid                = 10, "CPUID",                       "CPUID",               When::Always;
    Getsec               = 11, "GETSEC",                      "GETSEC",              When::Always;
    Hlt                  = 12, "HLT",                         "HLT",                 When::Controls(&[HltExiting]);
    Invd                 = 13, "INVD",                        "INVD",                When::Always;
    Invlpg               = 14, "INVLPG",                      "INVLPG",              When::Controls(&[InvlpgExiting]);
    Rdpmc                = 15, "RDPMC",                       "RDPMC",               When::Controls(&[RdpmcExiting]);
    Rdtsc                = 16, "RDTSC",                       "RDTSC",               When::Controls(&[RdtscExiting]);
    Rsm                  = 17, "RSM",                         "RSM",                 When::DualMonitor;
    Vmcall               = 18, "VMCALL",                      "VMCALL",              When::Always;
    Vmclear              = 19, "VMCLEAR",                     "VMCLEAR",             When::Always;
    Vmlaunch             = 20, "VMLAUNCH",                    "VMLAUNCH",            When::Always;
    Vmptrld              = 21, "VMPTRLD",                     "VMPTRLD",             When::Always;
    Vmptrst              = 22, "VMPTRST",                     "VMPTRST",             When::Always;
    Vmread               = 23, "VMREAD",                      "VMREAD",              When::FieldBitmap;
    Vmresume             = 24, "VMRESUME",                    "VMRESUME",            When::Always;
    Vmwrite              = 25, "VMWRITE",                     "VMWRITE",             When::FieldBitmap;
    Vmxoff               = 26, "VMXOFF",                      "VMOFF",               When::Always;
    Vmxon                = 27, "VMXON",                       "VMON",                When::Always;
    CrAccess             = 28, "control-register accesses",   "CR_ACCESS",           When::ControlRegister;
    MovDr                = 29, "MOV DR",                      "DR_ACCESS",           When::Controls(&[MovDrExiting]);
    IoInstruction        = 30, "I/O instruction",             "IO_INSTRUCTION",      When::Controls(&[UnconditionalIoExiting, UseIoBitmaps]);
    Rdmsr                = 31, "RDMSR",                       "MSR_READ",            When::MsrBitmap;
    Wrmsr                = 32, "WRMSR",                       "MSR_WRITE",           When::MsrBitmap;
    InvalidGuestState    = 33, "VM-entry failure due to invalid guest state", "INVALID_STATE", When::EntryFailure;
    MsrLoading           = 34, "VM-entry failure due to MSR loading", "MSR_LOAD_FAIL", When::EntryFailure;
    Mwait                = 36, "MWAIT",                       "MWAIT_INSTRUCTION",   When::Controls(&[MwaitExiting]);
    MonitorTrapFlag      = 37, "monitor trap flag",           "MONITOR_TRAP_FLAG",   When::Controls(&[Control::MonitorTrapFlag]);
    Monitor              = 39, "MONITOR",                     "MONITOR_INSTRUCTION", When::Controls(&[MonitorExiting]);
    Pause                = 40, "PAUSE",                       "PAUSE_INSTRUCTION",   When::Controls(&[PauseExiting, PauseLoopExiting]);
    MachineCheckOnEntry  = 41, "VM-entry failure due to machine-check event", "MCE_DURING_VMENTRY", When::EntryFailure;
    TprBelowThreshold    = 43, "TPR below threshold",         "TPR_BELOW_THRESHOLD", When::Controls(&[TprShadow]);
    ApicAccess           = 44, "APIC access",                 "APIC_ACCESS",         When::Controls(&[VirtualizeApicAccesses]);
    VirtualizedEoi       = 45, "virtualized EOI",             "EOI_INDUCED",         When::Controls(&[VirtualInterruptDelivery]);
    GdtrIdtrAccess       = 46, "access to GDTR or IDTR",      "GDTR_IDTR",           When::Controls(&[DescriptorTableExiting]);
    LdtrTrAccess         = 47, "access to LDTR or TR",        "LDTR_TR",             When::Controls(&[DescriptorTableExiting]);
    EptViolation         = 48, "EPT violation",               "EPT_VIOLATION",       When::Controls(&[EnableEpt]);
    EptMisconfiguration  = 49, "EPT misconfiguration",        "EPT_MISCONFIG",       When::Controls(&[EnableEpt]);
    Invept               = 50, "INVEPT",                      "INVEPT",              When::Always;
    Rdtscp               = 51, "RDTSCP",                      "RDTSCP",              When::ControlElseUndefined(RdtscExiting, EnableRdtscp);
    PreemptionTimer      = 52, "VMX-preemption timer expired", "PREEMPTION_TIMER",   When::Controls(&[Control::PreemptionTimer]);
    Invvpid              = 53, "INVVPID",                     "INVVPID",             When::Always;
    Wbinvd               = 54, "WBINVD",                      "WBINVD",              When::Controls(&[WbinvdExiting]);
    Xsetbv               = 55, "XSETBV",                      "XSETBV",              When::Always;
    ApicWrite            = 56, "APIC write",                  "APIC_WRITE",          When::Controls(&[ApicRegisterVirtualization]);
    Rdrand               = 57, "RDRAND",                      "RDRAND",              When::Controls(&[RdrandExiting]);
    Invpcid              = 58, "INVPCID",                     "INVPCID",             When::ControlElseUndefined(InvlpgExiting, EnableInvpcid);
    Vmfunc               = 59, "VMFUNC",                      "VMFUNC",              When::ControlAndBitmap(EnableVmFunctions);
    Encls                = 60, "ENCLS",                       "ENCLS",               When::ControlAndBitmap(EnableEnclsExiting);
    Rdseed               = 61, "RDSEED",                      "RDSEED",              When::Controls(&[RdseedExiting]);
    PmlFull              = 62, "page-modification log full",  "PML_FULL",            When::Controls(&[EnablePml]);
    Xsaves               = 63, "XSAVES",                      "XSAVES",              When::ControlAndBitmap(EnableXsaves);
    Xrstors              = 64, "XRSTORS",                     "XRSTORS",             When::ControlAndBitmap(EnableXsaves);
    Umwait               = 67, "UMWAIT",                      "UMWAIT",              When::Controls(&[RdtscExiting]);
    Tpause               = 68, "TPAUSE",                      "TPAUSE",              When::Controls(&[RdtscExiting]);
    BusLock              = 74, "bus lock",                    "BUS_LOCK",            When::Event;
    Notify               = 75, "notify",                      "NOTIFY",              When::Event;
}

/// Bit 31 of the exit-reason field: the entry failed, the guest has not run (SDM 24.9.1).
pub const ENTRY_FAILURE: u32 = 1 << 31;

impl ExitReason {
    /// The number of the reason: bits 15:0 of the exit-reason field.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The reason with a number.
    pub fn from_number(number: u16) -> Option<ExitReason> {
        ExitReason::ALL.iter().copied().find(|reason| reason.number() == number)
    }

    /// The exit-reason field: the number, and bit 31 when it says that an entry failed.
    pub fn field(self) -> u32 {
        let failed = matches!(self.when(), When::EntryFailure);
        u32::from(self.number()) | if failed { ENTRY_FAILURE } else { 0 }
    }
}

impl ExitReason {
    /// The basic exit reason of a cause; `None` for what does not exit on VT-x.
    #[must_use]
    pub fn of(cause: &Cause) -> Option<ExitReason> {
        Some(match cause {
            Cause::Cpuid { .. } => ExitReason::Cpuid,
            Cause::Hlt => ExitReason::Hlt,
            Cause::Pause => ExitReason::Pause,
            Cause::Invd => ExitReason::Invd,
            Cause::Wbinvd => ExitReason::Wbinvd,
            Cause::Monitor => ExitReason::Monitor,
            Cause::Mwait => ExitReason::Mwait,
            Cause::Rdtsc => ExitReason::Rdtsc,
            Cause::Rdtscp => ExitReason::Rdtscp,
            Cause::Rdpmc => ExitReason::Rdpmc,
            Cause::Rdrand => ExitReason::Rdrand,
            Cause::Rdseed => ExitReason::Rdseed,
            Cause::RdMsr { .. } => ExitReason::Rdmsr,
            Cause::WrMsr { .. } => ExitReason::Wrmsr,
            Cause::MovToCr { .. } | Cause::MovFromCr { .. } | Cause::Clts | Cause::Lmsw { .. } => ExitReason::CrAccess,
            Cause::MovToDr { .. } | Cause::MovFromDr { .. } => ExitReason::MovDr,
            Cause::Io { .. } => ExitReason::IoInstruction,
            Cause::Invlpg { .. } => ExitReason::Invlpg,
            Cause::Invpcid { .. } => ExitReason::Invpcid,
            Cause::Xsetbv { .. } => ExitReason::Xsetbv,
            Cause::Xsaves => ExitReason::Xsaves,
            Cause::Xrstors => ExitReason::Xrstors,
            Cause::Getsec => ExitReason::Getsec,
            Cause::Rsm => ExitReason::Rsm,
            Cause::Vmcall => ExitReason::Vmcall,
            Cause::Vmx(instruction) => match instruction {
                VmxInstruction::Vmclear => ExitReason::Vmclear,
                VmxInstruction::Vmlaunch => ExitReason::Vmlaunch,
                VmxInstruction::Vmptrld => ExitReason::Vmptrld,
                VmxInstruction::Vmptrst => ExitReason::Vmptrst,
                VmxInstruction::Vmread => ExitReason::Vmread,
                VmxInstruction::Vmresume => ExitReason::Vmresume,
                VmxInstruction::Vmwrite => ExitReason::Vmwrite,
                VmxInstruction::Vmxoff => ExitReason::Vmxoff,
                VmxInstruction::Vmxon => ExitReason::Vmxon,
                VmxInstruction::Invept => ExitReason::Invept,
                VmxInstruction::Invvpid => ExitReason::Invvpid,
                VmxInstruction::Vmfunc => ExitReason::Vmfunc,
            },
            Cause::DescriptorTable { table: DescriptorTable::Gdt | DescriptorTable::Idt, .. } => {
                ExitReason::GdtrIdtrAccess
            }
            Cause::DescriptorTable { .. } => ExitReason::LdtrTrAccess,
            Cause::TaskSwitch { .. } => ExitReason::TaskSwitch,
            Cause::Exception(_) | Cause::Nmi => ExitReason::ExceptionOrNmi,
            Cause::ExternalInterrupt { .. } => ExitReason::ExternalInterrupt,
            Cause::Init => ExitReason::InitSignal,
            Cause::Sipi { .. } => ExitReason::StartupIpi,
            Cause::InterruptWindow => ExitReason::InterruptWindow,
            Cause::NmiWindow => ExitReason::NmiWindow,
            Cause::TripleFault => ExitReason::TripleFault,
            Cause::NestedFault(fault) if fault.is_misconfigured => ExitReason::EptMisconfiguration,
            Cause::NestedFault(_) => ExitReason::EptViolation,
            Cause::ApicAccess { .. } => ExitReason::ApicAccess,
            Cause::TprBelowThreshold => ExitReason::TprBelowThreshold,
            Cause::PreemptionTimer => ExitReason::PreemptionTimer,
            Cause::MonitorTrap => ExitReason::MonitorTrapFlag,
            Cause::Smsw
            | Cause::Pushf
            | Cause::Popf
            | Cause::Iret
            | Cause::Int { .. }
            | Cause::Vmmcall
            | Cause::Svm(_) => {
                return None;
            }
        })
    }

    /// The reason that a VMCS holds after an exit for a cause. What does not exit on VT-x never gets here.
    #[must_use]
    pub fn reported(cause: &Cause) -> ExitReason {
        ExitReason::of(cause).unwrap_or(ExitReason::ExceptionOrNmi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_up_and_come_back() {
        assert!(ExitReason::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        for reason in ExitReason::ALL {
            assert_eq!(ExitReason::from_number(reason.number()), Some(*reason));
        }
        assert_eq!(ExitReason::from_number(35), None);
    }

    #[test]
    fn a_failed_entry_has_bit_31() {
        assert_eq!(ExitReason::InvalidGuestState.field(), 0x8000_0021);
        assert_eq!(ExitReason::Hlt.field(), 12);
    }
}
