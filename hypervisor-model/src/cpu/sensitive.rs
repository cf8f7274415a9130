//! What an instruction or an event asks of the machine before it may happen, in words of no vendor.
//!
//! Execution first makes the checks that depend on privilege (a fault comes before an exit, SDM vol. 3 (June 2016),
//! 25.1.1 "Relative Priority of Faults and VM Exits"), then asks [`Intercepts`] with the [`Cause`], then does it.
//! `vmx` and `svm` turn a cause into their exit reasons and qualifications.

use super::bus::AccessKind;
use super::control::ControlRegister;
use super::register::General;
use super::{Cpu, Exception, Msr, Selector, Vector};
use serde::{Deserialize, Serialize};

/// Something that a hypervisor may want to know of before it happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the operands of the instruction named")]
pub enum Cause {
    Cpuid {
        leaf: u32,
        subleaf: u32,
    },
    Hlt,
    Pause,
    Invd,
    Wbinvd,
    Monitor,
    Mwait,
    Rdtsc,
    Rdtscp,
    Rdpmc,
    Rdrand,
    Rdseed,
    RdMsr {
        msr: Msr,
    },
    WrMsr {
        msr: Msr,
        value: u64,
    },
    MovToCr {
        cr: ControlRegister,
        value: u64,
        register: General,
    },
    MovFromCr {
        cr: ControlRegister,
        register: General,
    },
    Clts,
    Lmsw {
        value: u16,
        is_memory: bool,
    },
    Smsw,
    MovToDr {
        dr: u8,
        value: u64,
        register: General,
    },
    MovFromDr {
        dr: u8,
        register: General,
    },
    Io {
        port: u16,
        size: u8,
        is_input: bool,
        is_string: bool,
        is_rep: bool,
        is_immediate: bool,
    },
    Invlpg {
        address: u64,
    },
    Invpcid {
        kind: u64,
        pcid: u16,
        address: u64,
    },
    Xsetbv {
        value: u64,
    },
    Xsaves,
    Xrstors,
    Getsec,
    Rsm,
    Vmcall,
    Vmmcall,
    Vmx(VmxInstruction),
    Svm(SvmInstruction),
    /// LGDT, SGDT, LIDT, SIDT, LLDT, SLDT, LTR, STR.
    DescriptorTable {
        table: DescriptorTable,
        is_store: bool,
    },
    Pushf,
    Popf,
    Iret,
    /// INT n.
    Int {
        vector: Vector,
    },
    TaskSwitch {
        selector: Selector,
        source: TaskSwitchSource,
    },
    /// A fault, a trap, INT3 or INTO; not yet delivered.
    Exception(Exception),
    ExternalInterrupt {
        vector: Vector,
    },
    Nmi,
    Init,
    Sipi {
        vector: Vector,
    },
    /// The guest could take an interrupt now.
    InterruptWindow,
    /// The guest could take an NMI now.
    NmiWindow,
    TripleFault,
    /// The second-level translation (EPT, NPT) did not let an access through.
    NestedFault(NestedFault),
    /// An access to the page of the local APIC that virtualization hardware watches.
    ApicAccess {
        offset: u16,
        kind: AccessKind,
    },
    /// MOV to CR8 (or a store to the virtual TPR) went below the threshold; the store has happened.
    TprBelowThreshold,
    PreemptionTimer,
    MonitorTrap,
}

/// An access that second-level translation did not let through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct NestedFault {
    /// Guest-physical address.
    pub guest_physical: u64,
    /// The linear address that was being translated, where there is one.
    pub linear: Option<u64>,
    /// What was tried.
    pub kind: AccessKind,
    /// The rights that the entries gave together: read, write, execute in bits 0, 1, 2; 0 if one was not present.
    pub rights: u8,
    /// Whether it was the access itself, rather than one to a paging structure of the guest.
    pub is_final: bool,
    /// Whether an entry was malformed (EPT misconfiguration; reserved bit in NPT).
    pub is_misconfigured: bool,
}

/// Instructions of VT-x.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum VmxInstruction {
    Vmclear,
    Vmlaunch,
    Vmptrld,
    Vmptrst,
    Vmread,
    Vmresume,
    Vmwrite,
    Vmxoff,
    Vmxon,
    Invept,
    Invvpid,
    Vmfunc,
}

/// Instructions of AMD-V; VMMCALL is [`Cause::Vmmcall`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum SvmInstruction {
    Vmrun,
    Vmload,
    Vmsave,
    Stgi,
    Clgi,
    Skinit,
    Invlpga,
}

/// Which descriptor table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum DescriptorTable {
    /// GDTR.
    Gdt,
    /// IDTR.
    Idt,
    /// LDTR.
    Ldt,
    /// TR.
    Task,
}

/// What started a task switch; the numbers are those of the VMX exit qualification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum TaskSwitchSource {
    /// CALL.
    Call = 0,
    /// IRET.
    Iret = 1,
    /// JMP.
    Jump = 2,
    /// A task gate in the IDT.
    Gate = 3,
}

/// What stands between a guest and the machine: VMX controls, SVM intercepts, or nothing.
///
/// Asked only in non-root operation.
pub trait Intercepts {
    /// Whether `cause` makes an exit instead of happening.
    fn intercepts(&self, cause: &Cause, cpu: &Cpu) -> bool;

    /// What the guest reads from CR0 or CR4, given what is in it: VMX's read shadows.
    fn control_register_as_read(&self, _register: ControlRegister, real: u64) -> u64 {
        real
    }

    /// The bits of CR0 or CR4 that a guest's write leaves alone: VMX's guest/host masks.
    fn host_owned_bits(&self, _register: ControlRegister) -> u64 {
        0
    }

    /// What is added to the time-stamp counter that the guest reads.
    fn tsc_offset(&self) -> u64 {
        0
    }
}

/// The bare machine: nothing is intercepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Nothing;

impl Intercepts for Nothing {
    fn intercepts(&self, _cause: &Cause, _cpu: &Cpu) -> bool {
        false
    }
}

/// Why an instruction did not run to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Stop {
    /// It gave an exception; RIP is at the instruction.
    Fault(Exception),
    /// It made an exit; RIP is at the instruction.
    Exit(Cause),
    /// It is a thing that this model does not do.
    NotModelled(Missing),
}

/// What this model of a processor leaves out, and says so where it is met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Missing {
    /// Switching tasks by hardware: task gates, far transfers to a TSS, IRET with NT.
    TaskSwitch,
    /// Interrupts out of and IRET into virtual-8086 mode.
    Virtual8086Transition,
    /// What an instruction of virtualization does without a control structure beside it.
    Virtualization,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Missing::TaskSwitch => "task switches by hardware are not modelled",
            Missing::Virtual8086Transition => "interrupts out of virtual-8086 mode are not modelled",
            Missing::Virtualization => "what it does with a control structure is not modelled in the console",
        })
    }
}

impl From<Exception> for Stop {
    fn from(exception: Exception) -> Stop {
        Stop::Fault(exception)
    }
}

/// What became of an instruction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It did what it says.
    Executed,
    /// It gave an exception.
    Fault(Exception),
    /// It made an exit.
    Exit(Cause),
    /// It did something else than was asked, and nobody was told: what was left out.
    Ignored(String),
    /// The model does not do it.
    NotModelled(Missing),
}
