//! A virtual processor of KVM below a kernel whose operations stand for its instructions: what it ran with, why it exited
//! last, and the control structure that this exit leaves, of either vendor.
//!
//! Only what an exit needs is kept of it ([`VirtualProcessor`]); the VMCS or VMCB is made when somebody looks, by the same
//! entry and the same exit as those of a guest made of instructions ([`kvm::vcpu`](crate::kvm::vcpu)).

use super::console::standard_processor::standard_processor;
use crate::cpu::control::Cr0;
use crate::cpu::sensitive::Cause;
use crate::cpu::{Cpu, Mode, Vendor};
use crate::kvm::vcpu::hardware::{GuestControl, Hardware, Svm, Vmx};
use crate::memory::Hpa;
use crate::paging::{Ept, PagingState};
use crate::svm::exit_code::ExitCode;
use crate::svm::intercepts::{Deviations, exit_code, vm_exit};
use crate::svm::vmcb::SaveArea;
use crate::vmx::fields::Field;
use crate::vmx::state::guest_fields;
use crate::vmx::transition::{self, ExitContext};

/// An exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastExit {
    /// Why.
    pub cause: Cause,
    /// A program was at work, not its kernel.
    pub is_user: bool,
    /// CR3 as the processor had it.
    pub cr3: u64,
}

/// A virtual processor, as far as a control structure tells of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VirtualProcessor {
    /// The guest's registers as far as paging looks at them, as the guest has them.
    pub guest: PagingState,
    /// CR3 as the processor had it when it was entered: the guest's with nested paging, else the root of the shadow.
    pub entered_cr3: u64,
    /// The root of the nested tables; none with shadow tables.
    pub nested_root: Option<Hpa>,
    /// Its tag.
    pub vpid: u16,
    /// The last exit; none before the first.
    pub exit: Option<LastExit>,
}

impl VirtualProcessor {
    /// Its control structure as it was entered, and as the last exit has left it.
    #[must_use]
    pub fn control_structures(&self, vendor: Vendor) -> (Hardware, Hardware) {
        let ring = if self.exit.is_some_and(|exit| exit.is_user) { 3 } else { 0 };
        let (host, _) = standard_processor(vendor, Mode::Long, 0);
        let (mut cpu, _) = standard_processor(vendor, Mode::Long, ring);
        let mut hardware = match vendor {
            Vendor::Intel => Hardware::Vmx(Box::new(self.vmx(&host))),
            Vendor::Amd => Hardware::Svm(Box::new(self.svm())),
        };
        let PagingState { cr0, cr3, cr4, efer, .. } = self.guest;
        hardware.set_control_registers(&mut cpu, GuestControl { cr0: cr0 | Cr0::ET, cr3, cr4, efer });
        cpu.cr3 = self.entered_cr3;
        enter(&mut hardware, &mut cpu);
        let entered = hardware.clone();
        if let Some(exit) = self.exit {
            cpu.cr3 = exit.cr3;
            leave(&mut hardware, &mut cpu, &exit.cause);
        }
        (entered, hardware)
    }

    fn vmx(&self, host: &Cpu) -> Vmx {
        let mut vmx = Vmx::new(self.nested_root.is_some(), true, host);
        vmx.vmcs.write(Field::VirtualProcessorId, self.vpid.into());
        let pointer = self.nested_root.map_or(0, |root| Ept::new(root, true).eptp);
        vmx.vmcs.write(Field::EptPointer, pointer);
        vmx
    }

    fn svm(&self) -> Svm {
        let mut svm = Svm::new(self.nested_root.is_some(), Deviations::default());
        svm.vmcb.control.asid = self.vpid.into();
        svm.vmcb.control.nested_cr3 = self.nested_root.map_or(0, |root| root.0);
        svm
    }
}

fn enter(hardware: &mut Hardware, cpu: &mut Cpu) {
    match hardware {
        Hardware::Vmx(vmx) => {
            for (field, value) in guest_fields(cpu) {
                vmx.vmcs.write(field, value);
            }
            transition::enter(&mut vmx.vmcs, cpu, &mut Vec::new());
        }
        Hardware::Svm(svm) => {
            svm.vmcb.save = SaveArea::of(cpu);
            svm.vmcb.run(cpu, &mut svm.host);
        }
    }
}

fn leave(hardware: &mut Hardware, cpu: &mut Cpu, cause: &Cause) {
    match hardware {
        Hardware::Vmx(vmx) => {
            transition::exit(&mut vmx.vmcs, cpu, cause, ExitContext::default(), &mut Vec::new());
        }
        Hardware::Svm(svm) => {
            let code = exit_code(cause, &svm.vmcb.control.intercepts, svm.deviations).unwrap_or(ExitCode::INVALID);
            svm.vmcb.exit(cpu, &svm.host, vm_exit(code, cause, None));
        }
    }
}
