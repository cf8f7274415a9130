//! The checks of a VM entry: controls and host state, whose failure is an error of the instruction, then guest state, whose
//! failure is an exit.
//!
//! Source: Intel SDM vol. 3 (June 2016), 26.2 "Checks on VMX Controls and Host-State Area", 26.3.1 "Checks on the Guest State
//! Area". In the manual's order; the first failure counts. The guest's half is in `guest_check`. Left out are the checks of
//! what this model does not have: SMM, Intel PT, bound registers, performance counters, the virtual-APIC page's own priority.

use super::controls::Control::{self, *};
use super::controls::{Allowed, ControlWord, Controls};
use super::error::VmError;
use super::fields::Field;
use super::interruption::{EventType, Interruption, VALID, WITH_ERROR_CODE};
use super::vmcs::Vmcs;
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::execute::is_canonical;
use serde::{Deserialize, Serialize};

/// Why an entry is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    /// VMfailValid with error 7 or 8: the guest was not entered, the next instruction is run.
    #[error("{what}: VMfailValid({})", .error.number())]
    Instruction {
        /// The error.
        error: VmError,
        /// Which check failed.
        what: String,
    },
    /// A VM exit with reason 33, bit 31 set: the host state has been loaded.
    #[error("{what}: VM-entry failure due to invalid guest state")]
    GuestState {
        /// Which check failed.
        what: String,
        /// The exit qualification.
        qualification: u64,
    },
}

/// Physical addresses have this many bits.
pub(super) const ADDRESS_BITS: u32 = 48;

pub(super) type Checked = Result<(), String>;

pub(super) fn require(holds: bool, what: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// An entry that is checked.
pub(super) struct Check<'a> {
    vmcs: &'a Vmcs,
    controls: Controls,
    allowed: &'a Allowed,
}

/// Makes all checks of an entry.
///
/// # Errors
/// The first check that fails.
pub fn check(vmcs: &Vmcs, allowed: &Allowed) -> Result<(), Refused> {
    let check = Check { vmcs, controls: vmcs.controls(), allowed };
    let instruction = |error| move |what| Refused::Instruction { error, what };
    check.controls().map_err(instruction(VmError::InvalidControlField))?;
    check.host_state().map_err(instruction(VmError::InvalidHostState))?;
    check.guest_state().map_err(|(what, qualification)| Refused::GuestState { what, qualification })
}

impl Check<'_> {
    pub(super) fn has(&self, control: Control) -> bool {
        self.controls.has(control)
    }

    pub(super) fn read(&self, field: Field) -> u64 {
        self.vmcs.read(field)
    }

    /// 26.2.1: VM-execution, VM-exit and VM-entry control fields.
    fn controls(&self) -> Checked {
        for word in ControlWord::ALL {
            if word == ControlWord::Secondary && !self.has(ActivateSecondary) {
                continue;
            }
            let (zeros, ones) = self.allowed.wrong_bits(word, self.controls.word(word));
            require(zeros == 0, format!("{}: bits {zeros:#x} must be 1", word.name()))?;
            require(ones == 0, format!("{}: bits {ones:#x} must be 0", word.name()))?;
        }
        require(self.read(Field::Cr3TargetCount) <= 4, "CR3-target count is above 4")?;
        self.page(UseIoBitmaps, &[Field::IoBitmapA, Field::IoBitmapB])?;
        self.page(UseMsrBitmaps, &[Field::MsrBitmap])?;
        self.page(TprShadow, &[Field::VirtualApicAddress])?;
        if self.has(TprShadow) && !self.has(VirtualInterruptDelivery) {
            require(self.read(Field::TprThreshold) >> 4 == 0, "TPR threshold: bits 31:4 must be 0")?;
        }
        self.needs(VirtualNmis, NmiExiting)?;
        self.needs(NmiWindowExiting, VirtualNmis)?;
        for control in [VirtualizeX2apicMode, ApicRegisterVirtualization, VirtualInterruptDelivery] {
            self.needs(control, TprShadow)?;
        }
        self.page(VirtualizeApicAccesses, &[Field::ApicAccessAddress])?;
        require(
            !(self.has(VirtualizeX2apicMode) && self.has(VirtualizeApicAccesses)),
            "\"virtualize x2APIC mode\" and \"virtualize APIC accesses\" exclude each other",
        )?;
        self.needs(VirtualInterruptDelivery, ExternalInterruptExiting)?;
        self.needs(PostedInterrupts, VirtualInterruptDelivery)?;
        self.needs(PostedInterrupts, AcknowledgeInterrupt)?;
        if self.has(PostedInterrupts) {
            require(
                self.read(Field::PostedInterruptVector) >> 8 == 0,
                "posted-interrupt notification vector above 255",
            )?;
            let descriptor = self.read(Field::PostedInterruptDescriptor);
            require(descriptor & 0x3f == 0, "posted-interrupt descriptor address is not aligned to 64 bytes")?;
            require(
                descriptor >> ADDRESS_BITS == 0,
                "posted-interrupt descriptor address is beyond physical addresses",
            )?;
        }
        if self.has(EnableVpid) {
            require(self.read(Field::VirtualProcessorId) != 0, "VPID is 0, which is the host's")?;
        }
        if self.has(EnableEpt) {
            ept_pointer(self.read(Field::EptPointer))?;
        }
        self.needs(EnablePml, EnableEpt)?;
        self.page(EnablePml, &[Field::PmlAddress])?;
        self.needs(UnrestrictedGuest, EnableEpt)?;
        if self.has(EnableVmFunctions) {
            // EPTP switching is function 0, and there is no other.
            require(self.read(Field::VmFunctionControls) >> 1 == 0, "VM-function controls: a reserved bit is 1")?;
            if self.read(Field::VmFunctionControls) & 1 != 0 {
                self.needs(EnableVmFunctions, EnableEpt)?;
                self.page(EnableVmFunctions, &[Field::EptpListAddress])?;
            }
        }
        self.page(VmcsShadowing, &[Field::VmreadBitmap, Field::VmwriteBitmap])?;
        self.page(EptViolationVe, &[Field::VirtualizationExceptionInformation])?;
        self.needs(SavePreemptionTimer, Control::PreemptionTimer)?;
        self.msr_area(Field::ExitMsrStoreCount, Field::ExitMsrStoreAddress)?;
        self.msr_area(Field::ExitMsrLoadCount, Field::ExitMsrLoadAddress)?;
        self.injection()?;
        self.msr_area(Field::EntryMsrLoadCount, Field::EntryMsrLoadAddress)?;
        require(!self.has(EntryToSmm) && !self.has(DeactivateDualMonitor), "entry to SMM outside SMM")
    }

    fn needs(&self, control: Control, other: Control) -> Checked {
        require(!self.has(control) || self.has(other), format!("\"{}\" needs \"{}\"", control.name(), other.name()))
    }

    /// With a control, these addresses are of pages, within the processor's physical addresses.
    fn page(&self, control: Control, fields: &[Field]) -> Checked {
        if !self.has(control) {
            return Ok(());
        }
        fields.iter().try_for_each(|field| {
            let address = self.read(*field);
            require(address & 0xfff == 0, format!("{} is not aligned to 4 KiB", field.name()))?;
            require(address >> ADDRESS_BITS == 0, format!("{} is beyond physical addresses", field.name()))
        })
    }

    /// An area of 16 bytes an MSR, if it has any: aligned, and within the processor's physical addresses to its last byte.
    fn msr_area(&self, count: Field, address: Field) -> Checked {
        let (count, at) = (self.read(count), self.read(address));
        if count == 0 {
            return Ok(());
        }
        require(at & 0xf == 0, format!("{} is not aligned to 16 bytes", address.name()))?;
        let last = at.checked_add(count * 16 - 1);
        require(
            last.is_some_and(|last| last >> ADDRESS_BITS == 0),
            format!("{}: the area is beyond physical addresses", address.name()),
        )
    }

    /// 26.2.1.3: the event that is injected.
    fn injection(&self) -> Checked {
        let field = self.read(Field::EntryInterruptionInformation) as u32;
        if field & VALID == 0 {
            return Ok(());
        }
        let code = self.read(Field::EntryExceptionErrorCode) as u32;
        let Some(event) = Interruption::decode(field, code) else {
            return Err("interruption type is reserved".to_owned());
        };
        let fits = match event.kind {
            EventType::Nmi => event.vector == 2,
            EventType::HardwareException => event.vector <= 31,
            EventType::Other => event.vector == 0,
            _ => true,
        };
        require(fits, "vector does not fit the interruption type")?;
        let is_protected = !self.has(UnrestrictedGuest) || self.read(Field::GuestCr0) & Cr0::PE.bits() != 0;
        let wants =
            event.kind == EventType::HardwareException && WITH_ERROR_CODE.contains(&event.vector) && is_protected;
        require(event.error_code.is_some() == wants, "deliver-error-code does not fit the event")?;
        require(field & 0x7fff_f000 == 0, "interruption information: bits 30:12 must be 0")?;
        require(event.error_code.unwrap_or(0) >> 15 == 0, "exception error code: bits 31:15 must be 0")?;
        let length = self.read(Field::EntryInstructionLength);
        require(!event.kind.is_software() || (1..=15).contains(&length), "instruction length is not 1 to 15")
    }

    /// 26.2.2 to 26.2.4: the host state.
    fn host_state(&self) -> Checked {
        let (cr0, cr4) = (self.read(Field::HostCr0), self.read(Field::HostCr4));
        require(cr0 & FIXED_CR0 == FIXED_CR0 && cr0 >> 32 == 0, "host CR0: a bit is not what VMX operation needs")?;
        require(cr4 & Cr4::VMXE.bits() != 0 && cr4 & !Cr4::all().bits() == 0, "host CR4: a bit is not what VMX needs")?;
        require(self.read(Field::HostCr3) >> ADDRESS_BITS == 0, "host CR3 is beyond physical addresses")?;
        self.canonical(&[Field::HostSysenterEsp, Field::HostSysenterEip])?;
        if self.has(ExitLoadPat) {
            require(is_pat(self.read(Field::HostPat)), "host IA32_PAT has a memory type that there is not")?;
        }
        let is_long = self.has(HostAddressSpaceSize);
        if self.has(ExitLoadEfer) {
            self.efer(Field::HostEfer, is_long)?;
        }
        let selectors = [
            Field::HostEsSelector,
            Field::HostCsSelector,
            Field::HostSsSelector,
            Field::HostDsSelector,
            Field::HostFsSelector,
            Field::HostGsSelector,
            Field::HostTrSelector,
        ];
        for field in selectors {
            require(self.read(field) & 7 == 0, format!("{}: RPL and TI must be 0", field.name()))?;
        }
        require(self.read(Field::HostCsSelector) != 0, "host CS selector is null")?;
        require(self.read(Field::HostTrSelector) != 0, "host TR selector is null")?;
        require(is_long || self.read(Field::HostSsSelector) != 0, "host SS selector is null")?;
        self.canonical(&[
            Field::HostFsBase,
            Field::HostGsBase,
            Field::HostGdtrBase,
            Field::HostIdtrBase,
            Field::HostTrBase,
        ])?;
        // This model's VMM is always in 64-bit mode.
        require(is_long, "\"host address-space size\" is 0 on a processor in IA-32e mode")?;
        require(cr4 & Cr4::PAE.bits() != 0, "host CR4.PAE is 0")?;
        self.canonical(&[Field::HostRip])
    }

    pub(super) fn canonical(&self, fields: &[Field]) -> Checked {
        fields.iter().try_for_each(|field| {
            require(is_canonical(self.read(*field)), format!("{} is not canonical", field.name()))
        })
    }

    pub(super) fn efer(&self, field: Field, is_long: bool) -> Checked {
        let efer = self.read(field);
        let known = (Efer::all() - Efer::SVME).bits();
        require(efer & !known == 0, format!("{}: a reserved bit is 1", field.name()))?;
        let lma = efer & Efer::LMA.bits() != 0;
        require(lma == is_long, format!("{}: LMA is not what the control says", field.name()))
    }
}

/// 24.6.11: memory type 0 or 6, four levels, reserved bits.
pub(super) fn ept_pointer(pointer: u64) -> Checked {
    require(matches!(pointer & 7, 0 | 6), "EPTP: memory type is neither 0 nor 6")?;
    require(pointer >> 3 & 7 == 3, "EPTP: the walk is not of four levels")?;
    require(pointer & 0xf80 == 0 && pointer >> ADDRESS_BITS == 0, "EPTP: a reserved bit is 1")
}

/// [`Cr0::FIXED_BY_VMX`], as a field has it.
pub(super) const FIXED_CR0: u64 = Cr0::FIXED_BY_VMX.bits();

/// Whether each byte of a PAT is a memory type: 0, 1, 4, 5, 6, 7.
pub(super) fn is_pat(value: u64) -> bool {
    value.to_le_bytes().iter().all(|kind| matches!(kind, 0 | 1 | 4..=7))
}
