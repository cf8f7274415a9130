//! The processor: its state as one plain value, and what its instructions do.
//!
//! [`Cpu`] is everything that one logical processor holds. What it reaches beyond itself goes through
//! [`bus::Bus`] (memory by linear address, ports); what stands between it and a guest through
//! [`sensitive::Intercepts`] (VMX controls, SVM intercepts, or nothing). Translation of addresses is
//! `paging`, virtual-machine control structures are `vmx` and `svm`.

pub mod apic;
pub mod bus;
pub mod control;
pub mod event;
pub mod exception;
pub mod execute;
pub mod flags;
pub mod instruction;
pub mod msr;
pub mod register;
pub mod segment;
pub mod sensitive;
pub mod transition;

use serde::{Deserialize, Serialize};

pub use bus::{Access, AccessKind, Bus, Flush};
pub use control::{ControlRegister, Cr0, Cr4, Efer};
pub use event::CpuEvent;
pub use exception::{Exception, Vector};
pub use flags::Rflags;
pub use msr::{Msr, Msrs};
pub use register::{General, Registers};
pub use segment::{Descriptor, Segment, SegmentRegister, Segments, Selector, TableRegister};
pub use sensitive::{Cause, Intercepts, Missing, Nothing, Outcome, Stop};

/// Who made the processor; the two differ in a few rules, and in all names of virtualization.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Vendor {
    /// Intel: VT-x.
    #[default]
    Intel,
    /// AMD: AMD-V, also called SVM.
    Amd,
}

/// How the processor takes instructions and addresses (SDM vol. 3, 2.2 "Modes of Operation").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// Real-address mode: CR0.PE = 0.
    Real,
    /// Virtual-8086 mode: RFLAGS.VM = 1 in protected mode.
    Virtual8086,
    /// Protected mode, 16- or 32-bit code, not long mode.
    Protected,
    /// Long mode, 16- or 32-bit code (CS.L = 0).
    Compatibility,
    /// Long mode, 64-bit code (CS.L = 1).
    Long,
}

/// On which side of the hypervisor the processor is (SDM vol. 3, 23.3 "Introduction to VMX operation").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Operation {
    /// No virtualization extension is on.
    #[default]
    Off,
    /// VMX root operation; on AMD the host, with EFER.SVME set.
    Root,
    /// VMX non-root operation: a guest is running.
    NonRoot,
}

/// Whether the processor takes instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Activity {
    /// It runs.
    #[default]
    Running,
    /// HLT: it waits for an interrupt.
    Halted,
    /// MWAIT: it waits for a store to the monitored line, or for an interrupt.
    Waiting,
    /// A triple fault has stopped it; only a reset helps.
    Shutdown,
}

/// What keeps interrupts away for one more instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum InterruptShadow {
    /// Nothing does.
    #[default]
    None,
    /// The instruction before was an STI that set IF.
    Sti,
    /// The instruction before loaded SS.
    MovSs,
}

/// One logical processor, as a plain value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cpu {
    /// Whose rules it follows.
    pub vendor: Vendor,
    /// RAX to R15.
    pub registers: Registers,
    /// The address of the next instruction.
    pub rip: u64,
    /// RFLAGS.
    pub rflags: Rflags,
    /// CR0.
    pub cr0: Cr0,
    /// CR2: the linear address of the last page fault.
    pub cr2: u64,
    /// CR3: the frame of the top page table and, with CR4.PCIDE, the PCID in bits 11:0.
    pub cr3: u64,
    /// CR4.
    pub cr4: Cr4,
    /// CR8: the task-priority class, 0 to 15 (TPR bits 7:4).
    pub cr8: u8,
    /// DR0 to DR3, (DR4 and DR5 unused,) DR6, DR7.
    pub dr: [u64; 8],
    /// XCR0.
    pub xcr0: u64,
    /// CS, SS, DS, ES, FS, GS, LDTR and TR with their descriptor caches.
    pub segments: Segments,
    /// GDTR.
    pub gdtr: TableRegister,
    /// IDTR.
    pub idtr: TableRegister,
    /// EFER.
    pub efer: Efer,
    /// The other model-specific registers.
    pub msrs: Msrs,
    /// The current privilege level, 0 to 3.
    pub cpl: u8,
    /// Off, root or non-root.
    pub operation: Operation,
    /// Whether it runs, waits or is shut down.
    pub activity: Activity,
    /// What keeps interrupts away for one instruction.
    pub shadow: InterruptShadow,
    /// Whether NMIs are blocked: from the delivery of one to the next IRET.
    pub blocks_nmi: bool,
    /// Time-stamp counter, in cycles.
    pub tsc: u64,
}

impl Cpu {
    /// The mode that CR0, EFER, RFLAGS and CS.L make.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if !self.cr0.contains(Cr0::PE) {
            Mode::Real
        } else if self.efer.contains(Efer::LMA) {
            if self.segments.cs.descriptor.is_long() { Mode::Long } else { Mode::Compatibility }
        } else if self.rflags.contains(Rflags::VM) {
            Mode::Virtual8086
        } else {
            Mode::Protected
        }
    }

    /// The I/O privilege level in RFLAGS, 0 to 3.
    #[must_use]
    pub fn iopl(&self) -> u8 {
        self.rflags.iopl()
    }

    /// Whether a guest is running.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.operation == Operation::NonRoot
    }
}
