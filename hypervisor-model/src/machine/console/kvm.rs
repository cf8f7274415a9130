//! What KVM usually asks its processor for, and what an exit is called by either vendor.
//!
//! Sources: Linux 6.1 `arch/x86/kvm/vmx/vmx.c` (vmx_exec_control, vmx_possible_passthrough_msrs,
//! KVM_POSSIBLE_CR0_GUEST_BITS, KVM_POSSIBLE_CR4_GUEST_BITS), `arch/x86/kvm/svm/svm.c` (init_vmcb,
//! direct_access_msrs), and exits recorded from it; the interrupt controller is in the kernel, as QEMU asks for.

use crate::cpu::control::{ControlRegister, Cr0, Cr4};
use crate::cpu::msr::Msr;
use crate::cpu::sensitive::{Cause, Intercepts};
use crate::cpu::{Cpu, Vector, Vendor};
use crate::svm::exit_code::ExitCode;
use crate::vmx::exit_reason::ExitReason;

/// KVM's usual choice for a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KvmUsual {
    /// VT-x or AMD-V.
    pub vendor: Vendor,
    /// Whether the guest's page tables are shadowed, for want of EPT or NPT.
    pub is_shadow: bool,
}

impl KvmUsual {
    /// Bits of CR0 that a guest under VT-x may change by itself.
    fn guest_cr0(self) -> Cr0 {
        if self.is_shadow { Cr0::TS } else { Cr0::TS | Cr0::WP }
    }

    /// Bits of CR4 that a guest under VT-x may change by itself.
    fn guest_cr4(self) -> Cr4 {
        let always = Cr4::PVI | Cr4::DE | Cr4::PCE | Cr4::OSFXSR | Cr4::OSXMMEXCPT | Cr4::TSD | Cr4::FSGSBASE;
        if self.is_shadow { always } else { always | Cr4::PGE }
    }

    fn wants_write(self, cr: ControlRegister, value: u64, cpu: &Cpu) -> bool {
        match (self.vendor, cr) {
            (_, ControlRegister::Cr3) => self.is_shadow,
            (_, ControlRegister::Cr2 | ControlRegister::Cr8) => false,
            (Vendor::Intel, ControlRegister::Cr0) => (value ^ cpu.cr0.bits()) & !self.guest_cr0().bits() != 0,
            (Vendor::Intel, ControlRegister::Cr4) => (value ^ cpu.cr4.bits()) & !self.guest_cr4().bits() != 0,
            // Selective: a change of anything but TS and MP.
            (Vendor::Amd, ControlRegister::Cr0) => (value ^ cpu.cr0.bits()) & !(Cr0::TS | Cr0::MP).bits() != 0,
            (Vendor::Amd, ControlRegister::Cr4) => true,
        }
    }

    fn wants_read(self, cr: ControlRegister) -> bool {
        match cr {
            ControlRegister::Cr3 => self.is_shadow,
            ControlRegister::Cr4 => self.vendor == Vendor::Amd,
            _ => false,
        }
    }

    /// MSRs that a guest reads (and mostly writes) without an exit.
    fn wants_msr(self, msr: Msr, is_write: bool) -> bool {
        match msr {
            Msr::FS_BASE | Msr::GS_BASE | Msr::KERNEL_GS_BASE => false,
            Msr::SYSENTER_CS | Msr::SYSENTER_ESP | Msr::SYSENTER_EIP => false,
            Msr::TSC => is_write || self.vendor == Vendor::Amd,
            Msr::STAR | Msr::LSTAR | Msr::CSTAR | Msr::FMASK => self.vendor == Vendor::Intel,
            _ => true,
        }
    }
}

impl Intercepts for KvmUsual {
    fn intercepts(&self, cause: &Cause, cpu: &Cpu) -> bool {
        let is_intel = self.vendor == Vendor::Intel;
        match *cause {
            Cause::Cpuid { .. } | Cause::Hlt | Cause::Invd | Cause::Wbinvd | Cause::Monitor | Cause::Mwait => true,
            Cause::Rdpmc | Cause::Xsetbv { .. } | Cause::Io { .. } | Cause::TaskSwitch { .. } => true,
            Cause::TripleFault | Cause::ExternalInterrupt { .. } | Cause::Nmi | Cause::Init => true,
            Cause::NestedFault(_) => !self.is_shadow,
            Cause::RdMsr { msr } => self.wants_msr(msr, false),
            Cause::WrMsr { msr, .. } => self.wants_msr(msr, true),
            Cause::MovToCr { cr, value, .. } => self.wants_write(cr, value, cpu),
            Cause::Lmsw { value, .. } => {
                let new = cpu.cr0.bits() & !0xe | u64::from(value & 0xf) | cpu.cr0.bits() & 1;
                self.wants_write(ControlRegister::Cr0, new, cpu)
            }
            Cause::MovFromCr { cr, .. } => self.wants_read(cr),
            // The first access; then the guest owns the debug registers until the next return to user space.
            Cause::MovToDr { .. } | Cause::MovFromDr { .. } => true,
            Cause::Invlpg { .. } => self.is_shadow,
            Cause::Invpcid { .. } => self.is_shadow,
            Cause::Getsec | Cause::Vmx(_) | Cause::Vmcall => is_intel,
            Cause::Svm(_) | Cause::Vmmcall => !is_intel,
            Cause::Exception(exception) => match exception.vector {
                Vector::UD | Vector::DB | Vector::AC | Vector::MC => true,
                Vector::PF => self.is_shadow,
                _ => false,
            },
            _ => false,
        }
    }

    fn host_owned_bits(&self, register: ControlRegister) -> u64 {
        match (self.vendor, register) {
            (Vendor::Intel, ControlRegister::Cr0) => !self.guest_cr0().bits(),
            (Vendor::Intel, ControlRegister::Cr4) => !self.guest_cr4().bits(),
            _ => 0,
        }
    }
}

/// An exit as its vendor names and numbers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExitName {
    /// The name in KVM's trace events.
    pub name: String,
    /// Basic exit reason of VT-x, or exit code of AMD-V.
    pub number: u64,
}

/// What an exit for `cause` is called; `None` for one that this vendor's hardware does not make.
#[must_use]
pub fn exit_name(cause: &Cause, vendor: Vendor) -> Option<ExitName> {
    match vendor {
        Vendor::Intel => ExitReason::of(cause)
            .map(|reason| ExitName { name: reason.linux_name().to_owned(), number: u64::from(reason.number()) }),
        Vendor::Amd => ExitCode::of(cause).map(|code| ExitName { name: code.linux_name(), number: code.0 }),
    }
}
