//! VMX operation: the instructions from VMXON to VMXOFF on a processor with its VMCSs.
//!
//! Source: Intel SDM vol. 3 (June 2016), 24.1 "Overview", 24.11 "Software Use of the VMCS", chapter 30 "VMX Instruction
//! Reference". An instruction succeeds, or fails in one of two ways: *VMfailInvalid* (CF = 1) when there is no current VMCS to
//! hold an error, else *VMfailValid* (ZF = 1) with a number in the VM-instruction error field.

use super::controls::Allowed;
use super::entry_check::{self, Refused};
use super::error::VmError;
use super::fields::{Field, FieldGroup};
use super::interruption::Interruption;
use super::transition::{self, ExitContext, TransitionStep};
use super::vmcs::{LaunchState, Vmcs};
use crate::cpu::execute::is_canonical;
use crate::cpu::{Cause, Cpu, InterruptShadow};
use crate::memory::Hpa;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The revision identifier of this processor's VMCSs.
pub const REVISION: u32 = 4;

/// How an instruction of VT-x fails.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum VmFail {
    /// CF = 1.
    #[error("VMfailInvalid")]
    Invalid,
    /// ZF = 1, and the number is in the current VMCS.
    #[error("VMfailValid({}): {}", .0.number(), .0.description())]
    Valid(VmError),
}

/// What came of VMLAUNCH or VMRESUME.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entered {
    /// The checks hold and the guest's state is in the processor; what is to be delivered first.
    Guest(Option<Interruption>),
    /// The guest state is invalid: an exit with reason 33 and this qualification; the host's state has been loaded.
    Failed {
        /// Which check failed.
        what: String,
        /// The exit qualification.
        qualification: u64,
    },
}

/// The VMX state of a processor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VmxOperation {
    allowed: Allowed,
    /// The VMXON region; none outside VMX operation.
    vmxon: Option<Hpa>,
    /// The current-VMCS pointer.
    current: Option<Hpa>,
    /// The VMCS regions with their revision identifiers.
    regions: BTreeMap<Hpa, (u32, Vmcs)>,
}

impl VmxOperation {
    /// A processor outside VMX operation.
    #[must_use]
    pub fn new(allowed: Allowed) -> VmxOperation {
        VmxOperation { allowed, vmxon: None, current: None, regions: BTreeMap::new() }
    }

    /// Writes the revision identifier into a region, as software does before it uses it.
    pub fn write_revision(&mut self, region: Hpa, revision: u32) {
        self.regions.entry(region).or_default().0 = revision;
    }

    /// The current VMCS.
    #[must_use]
    pub fn current(&self) -> Option<&Vmcs> {
        self.current.and_then(|at| self.regions.get(&at)).map(|(_, vmcs)| vmcs)
    }

    /// Fills the current VMCS if nothing was ever written to it. Whether it was.
    pub fn prepare_current(&mut self, with: impl FnOnce() -> Vmcs) -> bool {
        match self.current_mut() {
            Ok(vmcs) if *vmcs == Vmcs::default() => {
                *vmcs = with();
                true
            }
            _ => false,
        }
    }

    fn current_mut(&mut self) -> Result<&mut Vmcs, VmFail> {
        let at = self.current.ok_or(VmFail::Invalid)?;
        self.regions.get_mut(&at).map(|(_, vmcs)| vmcs).ok_or(VmFail::Invalid)
    }

    /// Fails with an error if there is a current VMCS to hold it.
    fn fail<T>(&mut self, error: VmError) -> Result<T, VmFail> {
        let vmcs = self.current_mut()?;
        vmcs.write(Field::InstructionError, u64::from(error.number()));
        Err(VmFail::Valid(error))
    }

    fn is_region(region: Hpa) -> bool {
        region.0 & 0xfff == 0 && region.0 >> 48 == 0
    }

    /// VMXON.
    ///
    /// # Errors
    /// VMfailInvalid for a region that cannot be one or has another revision; error 15 in VMX operation.
    pub fn vmxon(&mut self, region: Hpa) -> Result<(), VmFail> {
        if self.vmxon.is_some() {
            return self.fail(VmError::VmxonInRoot);
        }
        let revision = self.regions.get(&region).map(|(revision, _)| *revision);
        if !VmxOperation::is_region(region) || revision != Some(REVISION) {
            return Err(VmFail::Invalid);
        }
        self.vmxon = Some(region);
        self.current = None;
        Ok(())
    }

    /// VMXOFF.
    ///
    /// # Errors
    /// VMfailInvalid outside VMX operation (where the processor gives #UD before it comes to this).
    pub fn vmxoff(&mut self) -> Result<(), VmFail> {
        self.vmxon.take().ok_or(VmFail::Invalid)?;
        self.current = None;
        Ok(())
    }

    /// VMCLEAR: the launch state becomes clear; a current VMCS is none any more.
    ///
    /// # Errors
    /// Errors 2 and 3.
    pub fn vmclear(&mut self, region: Hpa) -> Result<(), VmFail> {
        if !VmxOperation::is_region(region) {
            return self.fail(VmError::VmclearInvalidAddress);
        }
        if self.vmxon == Some(region) {
            return self.fail(VmError::VmclearVmxonPointer);
        }
        self.regions.entry(region).or_default().1.launch = LaunchState::Clear;
        if self.current == Some(region) {
            self.current = None;
        }
        Ok(())
    }

    /// VMPTRLD: makes a VMCS active and current.
    ///
    /// # Errors
    /// Errors 9, 10 and 11.
    pub fn vmptrld(&mut self, region: Hpa) -> Result<(), VmFail> {
        if !VmxOperation::is_region(region) {
            return self.fail(VmError::VmptrldInvalidAddress);
        }
        if self.vmxon == Some(region) {
            return self.fail(VmError::VmptrldVmxonPointer);
        }
        if self.regions.get(&region).is_none_or(|(revision, _)| *revision != REVISION) {
            return self.fail(VmError::VmptrldIncorrectRevision);
        }
        self.current = Some(region);
        Ok(())
    }

    /// VMREAD.
    ///
    /// # Errors
    /// VMfailInvalid without a current VMCS, error 12 for a field that there is not.
    pub fn vmread(&mut self, encoding: u32) -> Result<u64, VmFail> {
        self.current_mut()?;
        match Field::from_encoding(encoding) {
            Some(field) if encoding & 1 == 1 => Ok(self.current_mut()?.read(field) >> 32),
            Some(field) => Ok(self.current_mut()?.read(field)),
            None => self.fail(VmError::UnsupportedComponent),
        }
    }

    /// VMWRITE.
    ///
    /// # Errors
    /// VMfailInvalid without a current VMCS, error 12 for a field that there is not, 13 for exit information.
    pub fn vmwrite(&mut self, encoding: u32, value: u64) -> Result<(), VmFail> {
        self.current_mut()?;
        let Some(field) = Field::from_encoding(encoding) else { return self.fail(VmError::UnsupportedComponent) };
        if field.group() == FieldGroup::ExitInformation {
            return self.fail(VmError::VmwriteReadOnly);
        }
        let vmcs = self.current_mut()?;
        let value = if encoding & 1 == 1 { value << 32 | vmcs.read(field) & 0xffff_ffff } else { value };
        vmcs.write(field, value);
        Ok(())
    }

    /// VMPTRST: the current-VMCS pointer; all ones when there is none.
    #[must_use]
    pub fn vmptrst(&self) -> u64 {
        self.current.map_or(u64::MAX, |at| at.0)
    }

    /// VMCALL in root operation, where no monitor of system-management mode is.
    ///
    /// # Errors
    /// Error 1, always.
    pub fn vmcall(&mut self) -> Result<(), VmFail> {
        self.fail(VmError::VmcallInRoot)
    }

    /// INVEPT, as far as its checks: type 1 drops what belongs to an EPTP, type 2 everything.
    ///
    /// # Errors
    /// Error 28 for another type, and for an EPTP with which no entry could be made.
    pub fn invept(&mut self, kind: u64, pointer: u64) -> Result<(), VmFail> {
        let fits = match kind {
            1 => entry_check::ept_pointer(pointer).is_ok(),
            2 => true,
            _ => false,
        };
        if fits { Ok(()) } else { self.fail(VmError::InvalidInveptInvvpidOperand) }
    }

    /// INVVPID, as far as its checks: type 0 drops an address, 1 a VPID, 2 all VPIDs, 3 a VPID but for global pages.
    ///
    /// # Errors
    /// Error 28 for another type, reserved bits of the descriptor, VPID 0 where one is needed, and an address of type 0 that
    /// is not canonical.
    pub fn invvpid(&mut self, kind: u64, (vpid, address): (u64, u64)) -> Result<(), VmFail> {
        let fits = match kind {
            _ if vpid >> 16 != 0 => false,
            0 => vpid != 0 && is_canonical(address),
            1 | 3 => vpid != 0,
            2 => true,
            _ => false,
        };
        if fits { Ok(()) } else { self.fail(VmError::InvalidInveptInvvpidOperand) }
    }

    /// VMLAUNCH (`is_launch`) or VMRESUME: the checks, then the guest's state into the processor.
    ///
    /// # Errors
    /// VMfailInvalid without a current VMCS; errors 4, 5, 7, 8 and 26.
    pub fn enter(
        &mut self,
        is_launch: bool,
        cpu: &mut Cpu,
        steps: &mut Vec<TransitionStep>,
    ) -> Result<Entered, VmFail> {
        let allowed = self.allowed;
        match enter(self.current_mut()?, &allowed, is_launch, cpu, steps) {
            Ok(entered) => Ok(entered),
            Err(error) => self.fail(error),
        }
    }

    /// Which check an entry with the current VMCS does not pass.
    #[must_use]
    pub fn refusal(&self) -> Option<Refused> {
        entry_check::check(self.current()?, &self.allowed).err()
    }

    /// The guest of the current VMCS is left.
    pub fn exit(&mut self, cpu: &mut Cpu, cause: &Cause, context: ExitContext, steps: &mut Vec<TransitionStep>) {
        if let Ok(vmcs) = self.current_mut() {
            transition::exit(vmcs, cpu, cause, context, steps);
        }
    }
}

/// An entry with a VMCS, whoever keeps it (SDM 26.1 to 26.5): the checks in their order, then the guest's state. A failure
/// of the checks of guest state is an exit with bit 31 of its reason set, after which the launch state is as before.
///
/// # Errors
/// Errors 4, 5, 7, 8 and 26: the processor goes on behind the instruction.
pub fn enter(
    vmcs: &mut Vmcs,
    allowed: &Allowed,
    is_launch: bool,
    cpu: &mut Cpu,
    steps: &mut Vec<TransitionStep>,
) -> Result<Entered, VmError> {
    if cpu.shadow == InterruptShadow::MovSs {
        return Err(VmError::EntryBlockedByMovSs);
    }
    match (is_launch, vmcs.launch) {
        (true, LaunchState::Launched) => return Err(VmError::VmlaunchNonClear),
        (false, LaunchState::Clear) => return Err(VmError::VmresumeNonLaunched),
        _ => {}
    }
    match entry_check::check(vmcs, allowed) {
        Ok(()) => Ok(Entered::Guest(transition::enter(vmcs, cpu, steps))),
        Err(Refused::Instruction { error, .. }) => Err(error),
        Err(Refused::GuestState { what, qualification }) => {
            transition::fail_entry(vmcs, cpu, qualification, steps);
            Ok(Entered::Failed { what, qualification })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Mode, Vendor};
    use crate::kvm::vcpu::hardware::Vmx;
    use crate::machine::console::standard_processor::standard_processor;
    use crate::vmx::state::{SEGMENTS, guest_fields};
    use proptest::prelude::*;

    const ON: Hpa = Hpa(0x1000);
    const ONE: Hpa = Hpa(0x2000);

    /// A VMCS as KVM would enter it.
    fn valid() -> Vmcs {
        let (mut cpu, _) = standard_processor(Vendor::Intel, Mode::Long, 0);
        cpu.cr0 |= crate::cpu::Cr0::NE;
        cpu.cr4 |= crate::cpu::Cr4::VMXE;
        cpu.segments.tr.descriptor.rights = 0x8b;
        let mut vmcs = Vmx::new(true, true, &cpu).vmcs;
        for (field, value) in guest_fields(&cpu) {
            vmcs.write(field, value);
        }
        vmcs.write(Field::EptPointer, 0x10_001e);
        let mut controls = vmcs.controls();
        controls.set(super::super::controls::Control::Ia32eModeGuest);
        vmcs.set_controls(&controls);
        for field in [Field::HostTrSelector, Field::HostCsSelector] {
            vmcs.write(field, 0x10);
        }
        for field in [Field::HostDsSelector, Field::HostEsSelector, Field::HostFsSelector, Field::HostGsSelector] {
            vmcs.write(field, 0);
        }
        vmcs
    }

    /// VMLAUNCH or VMRESUME on a processor of its own, behind a MOV to SS or not.
    fn try_entry(vmx: &mut VmxOperation, is_launch: bool, is_shadowed: bool) -> Result<Entered, VmFail> {
        let (mut cpu, _) = standard_processor(Vendor::Intel, Mode::Long, 0);
        if is_shadowed {
            cpu.shadow = InterruptShadow::MovSs;
        }
        vmx.enter(is_launch, &mut cpu, &mut Vec::new())
    }

    const ENTERED: Result<Entered, VmFail> = Ok(Entered::Guest(None));

    fn with_current(vmcs: Vmcs) -> VmxOperation {
        let mut vmx = VmxOperation::new(Allowed::all_but(&[]));
        vmx.write_revision(ON, REVISION);
        vmx.write_revision(ONE, REVISION);
        vmx.vmxon(ON).expect("VMXON");
        vmx.vmclear(ONE).expect("VMCLEAR");
        vmx.vmptrld(ONE).expect("VMPTRLD");
        vmx.regions.insert(ONE, (REVISION, vmcs));
        vmx
    }

    #[test]
    fn a_life_from_vmxon_to_vmxoff() {
        let mut vmx = VmxOperation::new(Allowed::all_but(&[]));
        assert_eq!(vmx.vmxon(ON), Err(VmFail::Invalid));
        let mut vmx = with_current(valid());
        assert_eq!(vmx.vmxon(ON), Err(VmFail::Valid(VmError::VmxonInRoot)));
        assert_eq!(vmx.vmread(Field::InstructionError.encoding()), Ok(15));
        assert_eq!(try_entry(&mut vmx, false, false), Err(VmFail::Valid(VmError::VmresumeNonLaunched)));
        assert_eq!(try_entry(&mut vmx, true, true), Err(VmFail::Valid(VmError::EntryBlockedByMovSs)));
        assert_eq!(try_entry(&mut vmx, true, false), ENTERED);
        assert_eq!(try_entry(&mut vmx, true, false), Err(VmFail::Valid(VmError::VmlaunchNonClear)));
        assert_eq!(try_entry(&mut vmx, false, false), ENTERED);
        vmx.vmclear(ONE).expect("VMCLEAR");
        assert_eq!(vmx.vmread(0), Err(VmFail::Invalid));
        assert_eq!(vmx.vmxoff(), Ok(()));
    }

    #[test]
    fn pointers_and_fields_are_checked() {
        let mut vmx = with_current(valid());
        assert_eq!(vmx.vmclear(Hpa(0x2001)), Err(VmFail::Valid(VmError::VmclearInvalidAddress)));
        assert_eq!(vmx.vmclear(ON), Err(VmFail::Valid(VmError::VmclearVmxonPointer)));
        assert_eq!(vmx.vmptrld(Hpa(1 << 50)), Err(VmFail::Valid(VmError::VmptrldInvalidAddress)));
        assert_eq!(vmx.vmptrld(ON), Err(VmFail::Valid(VmError::VmptrldVmxonPointer)));
        assert_eq!(vmx.vmptrld(Hpa(0x3000)), Err(VmFail::Valid(VmError::VmptrldIncorrectRevision)));
        assert_eq!(vmx.vmwrite(0x4402, 1), Err(VmFail::Valid(VmError::VmwriteReadOnly)));
        assert_eq!(vmx.vmwrite(0x4499, 1), Err(VmFail::Valid(VmError::UnsupportedComponent)));
        assert_eq!(vmx.vmwrite(0x2011, 7), Ok(()));
        assert_eq!(vmx.vmread(0x2010), Ok(7 << 32));
        assert_eq!(vmx.vmread(0x2011), Ok(7));
    }

    /// A check that fails: the field, what is written into it, and which error or qualification that gives.
    #[derive(Debug)]
    enum Expected {
        /// VMfailValid with error 7.
        Control,
        /// VMfailValid with error 8.
        Host,
        /// An exit with reason 33 and this qualification.
        Guest(u64),
    }

    #[test]
    fn each_area_fails_in_its_own_way() {
        use super::super::fields::Field as F;
        use Expected::{Control, Guest, Host};
        let rows = [
            (F::PinBasedControls, 0, Control),
            (F::PrimaryControls, u64::MAX, Control),
            (F::SecondaryControls, 1 << 30, Control),
            (F::ExitControls, 0, Control),
            (F::EntryControls, 0, Control),
            (F::Cr3TargetCount, 5, Control),
            (F::MsrBitmap, 0x1001, Control),
            (F::MsrBitmap, 1 << 48, Control),
            (F::VirtualProcessorId, 0, Control),
            (F::EptPointer, 0x10_0000, Control),
            (F::EptPointer, 0x10_001d, Control),
            (F::EptPointer, 0x10_009e, Control),
            (F::TprThreshold, 0x10, Control),
            // An area without registers may be anywhere; these have one.
            (F::ExitMsrStoreCount, 1, Guest(u64::MAX)),
            (F::EntryInterruptionInformation, 0x8000_0100, Control),
            (F::EntryInterruptionInformation, 0x8000_0203, Control),
            (F::EntryInterruptionInformation, 0x8000_0320, Control),
            // #PF without its error code, #UD with one.
            (F::EntryInterruptionInformation, 0x8000_030e, Control),
            (F::EntryInterruptionInformation, 0x8000_0b06, Control),
            (F::EntryInterruptionInformation, 0x8000_0480, Control),
            (F::HostCr0, 0, Host),
            (F::HostCr4, 0, Host),
            (F::HostCr3, 1 << 48, Host),
            (F::HostSysenterEsp, 1 << 47, Host),
            (F::HostPat, 2, Host),
            (F::HostEfer, 0, Host),
            (F::HostCsSelector, 0, Host),
            (F::HostCsSelector, 0x13, Host),
            (F::HostTrSelector, 0, Host),
            (F::HostDsSelector, 4, Host),
            (F::HostGsBase, 1 << 47, Host),
            (F::HostRip, 1 << 47, Host),
            (F::GuestCr0, 0x8000_0020, Guest(0)),
            (F::GuestCr4, 0, Guest(0)),
            (F::GuestCr3, 1 << 48, Guest(0)),
            (F::GuestDr7, 1 << 32, Guest(0)),
            (F::GuestDebugctl, 1 << 2, Guest(0)),
            (F::GuestSysenterEip, 1 << 47, Guest(0)),
            (F::GuestPat, 3, Guest(0)),
            (F::GuestEfer, 0x500 | 1 << 1, Guest(0)),
            (F::GuestEfer, 0, Guest(0)),
            (F::GuestTrSelector, 4, Guest(0)),
            (F::GuestTrAccessRights, 1 << 16, Guest(0)),
            (F::GuestTrAccessRights, 0x89, Guest(0)),
            (F::GuestTrAccessRights, 0x9b, Guest(0)),
            (F::GuestTrAccessRights, 0x0b, Guest(0)),
            (F::GuestTrBase, 1 << 47, Guest(0)),
            (F::GuestLdtrAccessRights, 0x83, Guest(0)),
            (F::GuestFsBase, 1 << 47, Guest(0)),
            (F::GuestCsBase, 1 << 32, Guest(0)),
            // Data, DPL 3 under a stack of ring 0, not present, D/B with L, a limit that is not of pages.
            (F::GuestCsAccessRights, 0xa092, Guest(0)),
            (F::GuestCsAccessRights, 0xa0fb, Guest(0)),
            (F::GuestCsAccessRights, 0xa01b, Guest(0)),
            (F::GuestCsAccessRights, 0xe09b, Guest(0)),
            (F::GuestCsLimit, 0xffff_0000, Guest(0)),
            (F::GuestSsAccessRights, 0xc09b, Guest(0)),
            (F::GuestGdtrBase, 1 << 47, Guest(0)),
            (F::GuestIdtrLimit, 1 << 16, Guest(0)),
            (F::GuestRip, 1 << 47, Guest(0)),
            (F::GuestRflags, 0, Guest(0)),
            (F::GuestRflags, 2 | 1 << 3, Guest(0)),
            // Virtual-8086 mode in IA-32e mode.
            (F::GuestRflags, 2 | 1 << 17, Guest(0)),
            (F::GuestActivityState, 4, Guest(0)),
            (F::GuestInterruptibility, 1 << 5, Guest(0)),
            (F::GuestInterruptibility, 3, Guest(0)),
            (F::GuestInterruptibility, 1 << 2, Guest(0)),
            (F::VmcsLinkPointer, 5, Guest(4)),
        ];
        for (field, value, expected) in rows {
            let mut vmcs = valid();
            vmcs.write(field, value);
            let mut vmx = with_current(vmcs);
            match (try_entry(&mut vmx, true, false), &expected) {
                (Err(VmFail::Valid(VmError::InvalidControlField)), Control) => {
                    assert_eq!(vmx.vmread(F::InstructionError.encoding()), Ok(7));
                }
                (Err(VmFail::Valid(VmError::InvalidHostState)), Host) => {
                    assert_eq!(vmx.vmread(F::InstructionError.encoding()), Ok(8));
                }
                (Ok(Entered::Failed { qualification, .. }), Guest(wanted)) if qualification == *wanted => {
                    assert_eq!(vmx.vmread(F::ExitReason.encoding()), Ok(0x8000_0021));
                    assert_eq!(vmx.current().map(|vmcs| vmcs.launch), Some(LaunchState::Clear));
                }
                (Ok(Entered::Guest(_)), Guest(u64::MAX)) => {}
                (other, _) => panic!("{field:?} = {value:#x} should be {expected:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_event_must_fit_the_state_of_the_guest() {
        let entered = |writes: &[(Field, u64)]| {
            let mut vmcs = valid();
            for (field, value) in writes {
                vmcs.write(*field, *value);
            }
            try_entry(&mut with_current(vmcs), true, false)
        };
        let interrupt = (Field::EntryInterruptionInformation, 0x8000_0030);
        let nmi = (Field::EntryInterruptionInformation, 0x8000_0202);
        let failed = |result| match result {
            Ok(Entered::Failed { qualification, .. }) => Some(qualification),
            _ => None,
        };
        assert!(matches!(entered(&[interrupt]), Ok(Entered::Guest(Some(_)))));
        assert_eq!(failed(entered(&[interrupt, (Field::GuestRflags, 2)])), Some(0));
        assert_eq!(failed(entered(&[interrupt, (Field::GuestInterruptibility, 1)])), Some(0));
        assert_eq!(failed(entered(&[nmi, (Field::GuestInterruptibility, 2)])), Some(0));
        // An NMI that STI holds back has a qualification of its own.
        assert_eq!(failed(entered(&[nmi, (Field::GuestInterruptibility, 1)])), Some(3));
        // HLT takes an interrupt, but no #UD; shutdown takes an NMI, but no interrupt.
        let undefined = (Field::EntryInterruptionInformation, 0x8000_0306);
        assert!(matches!(entered(&[interrupt, (Field::GuestActivityState, 1)]), Ok(Entered::Guest(Some(_)))));
        assert_eq!(failed(entered(&[undefined, (Field::GuestActivityState, 1)])), Some(0));
        assert!(matches!(entered(&[nmi, (Field::GuestActivityState, 2)]), Ok(Entered::Guest(Some(_)))));
        assert_eq!(failed(entered(&[interrupt, (Field::GuestActivityState, 2)])), Some(0));
        // Error 7 comes before error 8, and both before the guest's state.
        let (host, guest) = ((Field::HostCr4, 0), (Field::GuestRflags, 0));
        let control = (Field::VirtualProcessorId, 0);
        assert_eq!(entered(&[guest, host, control]), Err(VmFail::Valid(VmError::InvalidControlField)));
        assert_eq!(entered(&[guest, host]), Err(VmFail::Valid(VmError::InvalidHostState)));
    }

    proptest! {
        /// Whatever one field holds, an entry ends as the area of the field says: never in an error of another area.
        #[test]
        fn an_invalid_field_gives_the_error_of_its_area(at in 0..Field::ALL.len(), value: u64) {
            let field = Field::ALL[at];
            let mut vmcs = valid();
            vmcs.write(field, value);
            let written = vmcs.read(field);
            let mut vmx = with_current(vmcs);
            match (try_entry(&mut vmx, true, false), field.group()) {
                (Ok(Entered::Guest(_)), _) => {}
                (Err(VmFail::Valid(VmError::InvalidControlField)), FieldGroup::Control) => {}
                (Err(VmFail::Valid(VmError::InvalidHostState)), FieldGroup::Control | FieldGroup::HostState) => {}
                (Ok(Entered::Failed { .. }), FieldGroup::Control | FieldGroup::GuestState) => {
                    prop_assert_eq!(vmx.vmread(Field::ExitReason.encoding()), Ok(0x8000_0021));
                }
                // Of the guest's state the checks of controls look at CR0.PE, for the error code of an injected event.
                (Err(VmFail::Valid(VmError::InvalidControlField)), FieldGroup::GuestState) if field == Field::GuestCr0 => {}
                (other, group) => prop_assert!(false, "{field:?} = {written:#x} ({group:?}): {other:?}"),
            }
        }

        /// A reserved bit of access rights is never let through.
        #[test]
        fn reserved_access_rights_are_refused(segment in 0usize..6, bit in 8u32..12) {
            let mut vmcs = valid();
            let field = SEGMENTS[segment].rights;
            let value = 0x93 | 1 << bit;
            vmcs.write(field, if segment == 1 { 0xa09b | 1 << bit } else { value });
            let refused = matches!(try_entry(&mut with_current(vmcs), true, false), Ok(Entered::Failed { .. }));
            prop_assert!(refused);
        }
    }
}
