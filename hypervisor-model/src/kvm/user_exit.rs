//! Exits of `KVM_RUN` to user space: what the kernel leaves to QEMU.
//!
//! Source for this file: Linux 6.12 `include/uapi/linux/kvm.h`; the meaning from `Documentation/virt/kvm/api.rst`.

use serde::{Deserialize, Serialize};

macro_rules! user_exits {
    ($($name:ident = $number:literal, $constant:literal, $text:literal;)+) => {
        /// `exit_reason` of `struct kvm_run`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum UserExit {
            $(#[doc = $text] $name = $number,)+
        }

        impl UserExit {
            /// Every reason, by number.
            pub const ALL: &'static [UserExit] = &[$(UserExit::$name,)+];

            /// The header's name without `KVM_EXIT_`.
            pub const fn constant(self) -> &'static str {
                match self { $(UserExit::$name => $constant,)+ }
            }

            /// What user space is asked to do.
            pub const fn meaning(self) -> &'static str {
                match self { $(UserExit::$name => $text,)+ }
            }
        }
    };
}

user_exits! {
    Unknown        = 0, "UNKNOWN", "the hardware gave a reason that KVM does not know";
    Exception      = 1, "EXCEPTION", "unused on x86";
    Io             = 2, "IO", "a port that no device in the kernel answers";
    Hypercall      = 3, "HYPERCALL", "a hypercall that user space asked to see";
    Debug          = 4, "DEBUG", "a debug event that user space asked to see";
    Hlt            = 5, "HLT", "HLT, and the interrupt controller is in user space";
    Mmio           = 6, "MMIO", "an access to memory without a slot that no device in the kernel answers";
    IrqWindowOpen  = 7, "IRQ_WINDOW_OPEN", "the guest can take an interrupt, and user space has asked to be told";
    Shutdown       = 8, "SHUTDOWN", "a triple fault";
    FailEntry      = 9, "FAIL_ENTRY", "VM entry failed: the hardware says why";
    Intr           = 10, "INTR", "a signal for the thread: KVM_RUN gives EINTR";
    SetTpr         = 11, "SET_TPR", "the guest lowered CR8, and the interrupt controller is in user space";
    TprAccess      = 12, "TPR_ACCESS", "an access to the TPR that user space patches";
    S390Sieic      = 13, "S390_SIEIC", "not on x86";
    S390Reset      = 14, "S390_RESET", "not on x86";
    Dcr            = 15, "DCR", "not on x86";
    Nmi            = 16, "NMI", "not used";
    InternalError  = 17, "INTERNAL_ERROR", "KVM cannot go on: emulation failed, or an exit during delivery of an event";
    Osi            = 18, "OSI", "not on x86";
    PaprHcall      = 19, "PAPR_HCALL", "not on x86";
    S390Ucontrol   = 20, "S390_UCONTROL", "not on x86";
    Watchdog       = 21, "WATCHDOG", "not on x86";
    S390Tsch       = 22, "S390_TSCH", "not on x86";
    Epr            = 23, "EPR", "not on x86";
    SystemEvent    = 24, "SYSTEM_EVENT", "the guest asked for shutdown or reset, or crashed";
    S390Stsi       = 25, "S390_STSI", "not on x86";
    IoapicEoi      = 26, "IOAPIC_EOI", "an EOI for an IOAPIC in user space (split interrupt controller)";
    Hyperv         = 27, "HYPERV", "a hypercall or event of Hyper-V's interface";
    ArmNisv        = 28, "ARM_NISV", "not on x86";
    X86Rdmsr       = 29, "X86_RDMSR", "RDMSR that user space asked to see";
    X86Wrmsr       = 30, "X86_WRMSR", "WRMSR that user space asked to see";
    DirtyRingFull  = 31, "DIRTY_RING_FULL", "the ring of dirty pages is full";
    ApResetHold    = 32, "AP_RESET_HOLD", "a processor of an encrypted guest waits for its start";
    X86BusLock     = 33, "X86_BUS_LOCK", "a bus lock that user space asked to see";
    Xen            = 34, "XEN", "a hypercall of Xen's interface";
    RiscvSbi       = 35, "RISCV_SBI", "not on x86";
    RiscvCsr       = 36, "RISCV_CSR", "not on x86";
    Notify         = 37, "NOTIFY", "the guest kept the processor without an event window for too long";
    LoongarchIocsr = 38, "LOONGARCH_IOCSR", "not on x86";
    MemoryFault    = 39, "MEMORY_FAULT", "memory that user space must provide first";
}

impl UserExit {
    /// The number in `exit_reason`.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The reason with a number.
    pub fn from_number(number: u32) -> Option<UserExit> {
        UserExit::ALL.iter().copied().find(|exit| exit.number() == number)
    }

    /// The name in small letters, as recordings have it.
    pub fn name(self) -> String {
        self.constant().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::UserExit;

    #[test]
    fn numbers_come_back() {
        for exit in UserExit::ALL {
            assert_eq!(UserExit::from_number(exit.number()), Some(*exit));
        }
        assert_eq!(UserExit::SetTpr.name(), "set_tpr");
    }
}
