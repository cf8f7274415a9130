//! What exits in VMX non-root operation: the controls of a VMCS as [`Intercepts`].
//!
//! Source: Intel SDM vol. 3 (June 2016), 25.1 "Instructions That Cause VM Exits", 25.2 "Other Causes of VM Exits", 25.3
//! "Changes to Instruction Behavior in VMX Non-root Operation".

use super::controls::Control::{self, *};
use super::controls::Controls;
use super::fields::Field;
use super::msr_bitmap::MsrBitmap;
use super::vmcs::Vmcs;
use crate::cpu::control::{ControlRegister, Cr0};
use crate::cpu::sensitive::{Cause, Intercepts};
use crate::cpu::{Cpu, Exception, Vector};

/// The controls of a VMCS while its guest runs.
#[derive(Clone, Copy, Debug)]
pub struct NonRoot<'a> {
    vmcs: &'a Vmcs,
    controls: Controls,
    bitmap: &'a MsrBitmap,
}

impl<'a> NonRoot<'a> {
    /// The controls of a VMCS, with the page at its MSR-bitmap address.
    #[must_use]
    pub fn new(vmcs: &'a Vmcs, bitmap: &'a MsrBitmap) -> NonRoot<'a> {
        NonRoot { vmcs, controls: vmcs.controls(), bitmap }
    }

    fn has(&self, control: Control) -> bool {
        self.controls.has(control)
    }

    fn mask_and_shadow(&self, register: ControlRegister) -> (u64, u64) {
        let (mask, shadow) = match register {
            ControlRegister::Cr0 => (Field::Cr0GuestHostMask, Field::Cr0ReadShadow),
            _ => (Field::Cr4GuestHostMask, Field::Cr4ReadShadow),
        };
        (self.vmcs.read(mask), self.vmcs.read(shadow))
    }

    /// MOV to CR0 and CR4 exit when they would change, in the eyes of the guest, a bit of the host.
    fn wants_write(&self, register: ControlRegister, value: u64) -> bool {
        match register {
            ControlRegister::Cr0 | ControlRegister::Cr4 => {
                let (mask, shadow) = self.mask_and_shadow(register);
                (value ^ shadow) & mask != 0
            }
            ControlRegister::Cr3 => {
                let targets =
                    [Field::Cr3TargetValue0, Field::Cr3TargetValue1, Field::Cr3TargetValue2, Field::Cr3TargetValue3];
                let count = (self.vmcs.read(Field::Cr3TargetCount) as usize).min(targets.len());
                self.has(Cr3LoadExiting) && !targets[..count].iter().any(|target| self.vmcs.read(*target) == value)
            }
            ControlRegister::Cr8 => self.has(Cr8LoadExiting),
            ControlRegister::Cr2 => false,
        }
    }

    /// LMSW: PE only when it is set, MP, EM, TS when they change.
    fn wants_lmsw(&self, value: u16) -> bool {
        let (mask, shadow) = self.mask_and_shadow(ControlRegister::Cr0);
        let value = u64::from(value);
        mask & value & !shadow & Cr0::PE.bits() != 0 || (value ^ shadow) & mask & 0xe != 0
    }

    fn wants_exception(&self, exception: &Exception) -> bool {
        let bit = self.vmcs.read(Field::ExceptionBitmap) >> exception.vector.0.min(31) & 1 != 0;
        if exception.vector != Vector::PF {
            return bit;
        }
        let code = exception.error_code.unwrap_or(0);
        let masked = u64::from(code) & self.vmcs.read(Field::PageFaultErrorCodeMask);
        // The bitmap decides when they match, and its contrary when they do not (SDM 25.2).
        (masked == self.vmcs.read(Field::PageFaultErrorCodeMatch)) == bit
    }
}

impl Intercepts for NonRoot<'_> {
    fn intercepts(&self, cause: &Cause, _cpu: &Cpu) -> bool {
        match *cause {
            Cause::Cpuid { .. }
            | Cause::Invd
            | Cause::Xsetbv { .. }
            | Cause::Getsec
            | Cause::Vmcall
            | Cause::Vmx(_)
            | Cause::TaskSwitch { .. }
            | Cause::TripleFault
            | Cause::Init
            | Cause::Sipi { .. } => true,
            Cause::Hlt => self.has(HltExiting),
            Cause::Pause => self.has(PauseExiting),
            Cause::Wbinvd => self.has(WbinvdExiting),
            Cause::Monitor => self.has(MonitorExiting),
            Cause::Mwait => self.has(MwaitExiting),
            Cause::Rdtsc | Cause::Rdtscp => self.has(RdtscExiting),
            Cause::Rdpmc => self.has(RdpmcExiting),
            Cause::Rdrand => self.has(RdrandExiting),
            Cause::Rdseed => self.has(RdseedExiting),
            Cause::RdMsr { msr } => !self.has(UseMsrBitmaps) || self.bitmap.exits(msr, false),
            Cause::WrMsr { msr, .. } => !self.has(UseMsrBitmaps) || self.bitmap.exits(msr, true),
            Cause::MovToCr { cr, value, .. } => self.wants_write(cr, value),
            Cause::MovFromCr { cr, .. } => match cr {
                ControlRegister::Cr3 => self.has(Cr3StoreExiting),
                ControlRegister::Cr8 => self.has(Cr8StoreExiting),
                _ => false,
            },
            Cause::Clts => {
                let (mask, shadow) = self.mask_and_shadow(ControlRegister::Cr0);
                mask & shadow & Cr0::TS.bits() != 0
            }
            Cause::Lmsw { value, .. } => self.wants_lmsw(value),
            Cause::MovToDr { .. } | Cause::MovFromDr { .. } => self.has(MovDrExiting),
            // No bitmap of ports is modelled: with "use I/O bitmaps" all bits are 1.
            Cause::Io { .. } => self.has(UnconditionalIoExiting) || self.has(UseIoBitmaps),
            Cause::Invlpg { .. } | Cause::Invpcid { .. } => self.has(InvlpgExiting),
            Cause::DescriptorTable { .. } => self.has(DescriptorTableExiting),
            Cause::Exception(ref exception) => self.wants_exception(exception),
            Cause::ExternalInterrupt { .. } => self.has(ExternalInterruptExiting),
            Cause::Nmi => self.has(NmiExiting),
            Cause::InterruptWindow => self.has(InterruptWindowExiting),
            Cause::NmiWindow => self.has(NmiWindowExiting),
            Cause::NestedFault(_) => self.has(EnableEpt),
            Cause::ApicAccess { .. } => self.has(VirtualizeApicAccesses),
            Cause::TprBelowThreshold => self.has(TprShadow),
            Cause::PreemptionTimer => self.has(Control::PreemptionTimer),
            Cause::MonitorTrap => self.has(MonitorTrapFlag),
            Cause::Smsw
            | Cause::Xsaves
            | Cause::Xrstors
            | Cause::Rsm
            | Cause::Vmmcall
            | Cause::Svm(_)
            | Cause::Pushf
            | Cause::Popf
            | Cause::Iret
            | Cause::Int { .. } => false,
        }
    }

    fn control_register_as_read(&self, register: ControlRegister, real: u64) -> u64 {
        if !matches!(register, ControlRegister::Cr0 | ControlRegister::Cr4) {
            return real;
        }
        let (mask, shadow) = self.mask_and_shadow(register);
        real & !mask | shadow & mask
    }

    fn host_owned_bits(&self, register: ControlRegister) -> u64 {
        match register {
            ControlRegister::Cr0 | ControlRegister::Cr4 => self.mask_and_shadow(register).0,
            _ => 0,
        }
    }

    fn tsc_offset(&self) -> u64 {
        if self.has(TscOffsetting) { self.vmcs.read(Field::TscOffset) } else { 0 }
    }
}
