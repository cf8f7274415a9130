//! The seam between the kernel and the machine below it.
//!
//! Whatever a kernel may only do with privilege it does through [`PvOps`], which is to this model what
//! `pv_ops` is to Linux (`arch/x86/include/asm/paravirt_types.h`). On bare metal the operation runs; under
//! a hypervisor it may be a VM exit, a hypercall, or rewritten code. The kernel model is the same.

/// A privileged operation, named as in Linux's `pv_ops`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum PvOp {
    /// Loads the page-table base of the next address space (`mmu.write_cr3`).
    WriteCr3 {
        /// Which address space: the id of the task that owns it.
        address_space: u32,
    },
    /// Waits for the next interrupt (`irq.safe_halt`).
    SafeHalt,
    /// Enters the kernel from user mode by SYSCALL; what the hardware does, not the kernel.
    SyscallEntry,
    /// Returns to user mode (`cpu.iret`, SYSRET where possible).
    ReturnToUser,
}

/// What carries out privileged operations: the machine below the kernel.
pub trait PvOps {
    /// Carries out one operation.
    fn execute(&mut self, op: PvOp);
}

/// A machine that does nothing that could be seen: for tests of the kernel alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoMachine;

impl PvOps for NoMachine {
    fn execute(&mut self, _op: PvOp) {}
}
