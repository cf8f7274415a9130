//! VM entry and VM exit, step by step.
//!
//! Source: Intel SDM vol. 3 (June 2016), chapter 26 "VM Entries", chapter 27 "VM Exits". The checks of an entry are in
//! [`entry_check`](super::entry_check); which event an entry injects is for its caller to deliver, as is what makes an
//! exit. A transition is its steps, for whoever wants to see what was saved and what was loaded.

use super::controls::Control;
use super::exit_reason::ExitReason;
use super::fields::Field;
use super::interruption::Interruption;
use super::qualification::{ApicAccess, CrAccess, CrAccessKind, DrAccess, EptViolation, IoAccess, TaskSwitch};
use super::state::{guest_fields, host_fields, load_guest, load_host};
use super::vmcs::{LaunchState, Vmcs};
use crate::cpu::control::Efer;
use crate::cpu::sensitive::{Cause, NestedFault};
use crate::cpu::{AccessKind, Cpu, Vector};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step of a VM entry or a VM exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransitionStep {
    /// The processor took a register from a field of the guest-state area.
    GuestLoaded {
        /// The field.
        field: Field,
        /// What it held.
        value: u64,
    },
    /// The processor put a register into a field of the guest-state area, which held something else.
    GuestSaved {
        /// The field.
        field: Field,
        /// What it holds now.
        value: u64,
    },
    /// The processor took a register from a field of the host-state area.
    HostLoaded {
        /// The field.
        field: Field,
        /// What it held.
        value: u64,
    },
    /// The processor wrote a field of the exit information.
    Reported {
        /// The field.
        field: Field,
        /// What it holds now.
        value: u64,
    },
    /// The launch state became *launched*.
    Launched,
    /// An event is delivered as soon as the guest is entered.
    Injected(Interruption),
}

impl fmt::Display for TransitionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransitionStep::GuestLoaded { field, value } => write!(f, "guest <- {} = {value:#x}", field.name()),
            TransitionStep::GuestSaved { field, value } => write!(f, "{} <- guest: {value:#x}", field.name()),
            TransitionStep::HostLoaded { field, value } => write!(f, "host <- {} = {value:#x}", field.name()),
            TransitionStep::Reported { field, value } => write!(f, "{} = {value:#x}", field.name()),
            TransitionStep::Launched => f.write_str("the VMCS is launched"),
            TransitionStep::Injected(event) => write!(f, "event {:#04x} ({:?}) is injected", event.vector, event.kind),
        }
    }
}

/// What an exit tells about itself beside its cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExitContext {
    /// The event during whose delivery the exit happened.
    pub vectoring: Option<Interruption>,
    /// Length of the instruction that made the exit.
    pub instruction_length: u8,
}

/// Enters: loads the guest-state area, and says which event is to be delivered (SDM 26.3 to 26.5).
pub fn enter(vmcs: &mut Vmcs, cpu: &mut Cpu, steps: &mut Vec<TransitionStep>) -> Option<Interruption> {
    for (field, value) in load_guest(vmcs, cpu) {
        steps.push(TransitionStep::GuestLoaded { field, value });
    }
    if vmcs.launch == LaunchState::Clear {
        vmcs.launch = LaunchState::Launched;
        steps.push(TransitionStep::Launched);
    }
    let field = vmcs.read(Field::EntryInterruptionInformation) as u32;
    let event = Interruption::decode(field, vmcs.read(Field::EntryExceptionErrorCode) as u32);
    if let Some(event) = event {
        steps.push(TransitionStep::Injected(event));
    }
    event
}

/// An entry whose guest state is invalid: reason 33 with bit 31 set and a qualification; of the exit information nothing else
/// is written, no guest state is saved, and the host's is loaded (SDM 26.7).
pub fn fail_entry(vmcs: &mut Vmcs, cpu: &mut Cpu, qualification: u64, steps: &mut Vec<TransitionStep>) {
    vmcs.begin_exit();
    let reason = u64::from(ExitReason::InvalidGuestState.field());
    for (field, value) in [(Field::ExitReason, reason), (Field::ExitQualification, qualification)] {
        vmcs.save(field, value);
        steps.push(TransitionStep::Reported { field, value });
    }
    for (field, value) in load_host(vmcs, cpu) {
        steps.push(TransitionStep::HostLoaded { field, value });
    }
}

/// Leaves: writes the exit information, saves the guest-state area, loads the host-state area (SDM 27.2 to 27.5).
pub fn exit(vmcs: &mut Vmcs, cpu: &mut Cpu, cause: &Cause, context: ExitContext, steps: &mut Vec<TransitionStep>) {
    vmcs.begin_exit();
    for (field, value) in exit_information(cause, context, cpu) {
        vmcs.save(field, value);
        steps.push(TransitionStep::Reported { field, value });
    }
    // An event that was to be injected has been (SDM 27.2.3: the valid bit is cleared at every exit).
    let injected = vmcs.read(Field::EntryInterruptionInformation) & !(1 << 31);
    vmcs.save(Field::EntryInterruptionInformation, injected);
    save_guest(vmcs, cpu, steps);
    for (field, value) in load_host(vmcs, cpu) {
        debug_assert!(host_fields(cpu).contains(&(field, value)));
        steps.push(TransitionStep::HostLoaded { field, value });
    }
}

fn save_guest(vmcs: &mut Vmcs, cpu: &Cpu, steps: &mut Vec<TransitionStep>) {
    let controls = vmcs.controls();
    for (field, value) in guest_fields(cpu) {
        let is_saved = match field {
            Field::GuestDr7 | Field::GuestDebugctl => controls.has(Control::SaveDebugControls),
            Field::GuestPat => controls.has(Control::SavePat),
            Field::GuestEfer => controls.has(Control::SaveEfer),
            _ => true,
        };
        if is_saved {
            let is_changed = vmcs.read(field) != value;
            vmcs.save(field, value);
            if is_changed {
                steps.push(TransitionStep::GuestSaved { field, value });
            }
        }
    }
    // With "unrestricted guest" the entry control "IA-32e mode guest" follows LMA (SDM 27.3.1).
    let mut entry = controls;
    entry.put(Control::Ia32eModeGuest, cpu.efer.contains(Efer::LMA));
    if entry.entry != controls.entry {
        vmcs.save(Field::EntryControls, u64::from(entry.entry));
    }
}

/// The fields that say why: reason, qualification, addresses, event, instruction length.
fn exit_information(cause: &Cause, context: ExitContext, cpu: &Cpu) -> Vec<(Field, u64)> {
    let reason = ExitReason::reported(cause);
    let mut fields =
        vec![(Field::ExitReason, u64::from(reason.number())), (Field::ExitQualification, qualification(cause))];
    if let Cause::NestedFault(fault) = cause {
        fields.push((Field::GuestPhysicalAddress, fault.guest_physical));
        fields.push((Field::GuestLinearAddress, fault.linear.unwrap_or(0)));
    }
    let event = match cause {
        Cause::Exception(exception) => Some(Interruption::exception(exception.vector.0, exception.error_code)),
        Cause::Nmi => Some(Interruption::nmi()),
        Cause::ExternalInterrupt { vector } => Some(Interruption::external(vector.0)),
        _ => None,
    };
    fields.push((Field::ExitInterruptionInformation, event.map_or(0, |event| u64::from(event.encode()))));
    if let Some(code) = event.and_then(|event| event.error_code) {
        fields.push((Field::ExitInterruptionErrorCode, u64::from(code)));
    }
    fields.push((Field::IdtVectoringInformation, context.vectoring.map_or(0, |event| u64::from(event.encode()))));
    if let Some(code) = context.vectoring.and_then(|event| event.error_code) {
        fields.push((Field::IdtVectoringErrorCode, u64::from(code)));
    }
    fields.push((Field::ExitInstructionLength, u64::from(context.instruction_length)));
    if let Cause::Io { is_string: true, .. } = cause {
        use crate::cpu::register::General::{Rcx, Rdi, Rsi};
        let general = |register| cpu.registers.get(register);
        fields.extend([
            (Field::IoRcx, general(Rcx)),
            (Field::IoRsi, general(Rsi)),
            (Field::IoRdi, general(Rdi)),
            (Field::IoRip, cpu.rip),
        ]);
    }
    fields
}

/// The exit qualification of a cause (SDM 27.2.1).
#[must_use]
pub fn qualification(cause: &Cause) -> u64 {
    let access = |cr: u8, kind, general_register| CrAccess { register: cr, kind, general_register }.encode();
    match *cause {
        Cause::MovToCr { cr, register, .. } => access(cr.number(), CrAccessKind::MovTo, register.number()),
        Cause::MovFromCr { cr, register } => access(cr.number(), CrAccessKind::MovFrom, register.number()),
        Cause::Clts => access(0, CrAccessKind::Clts, 0),
        Cause::Lmsw { value, is_memory } => access(0, CrAccessKind::Lmsw { data: value, is_memory }, 0),
        Cause::MovToDr { dr, register, .. } => {
            DrAccess { register: dr, is_read: false, general_register: register.number() }.encode()
        }
        Cause::MovFromDr { dr, register } => {
            DrAccess { register: dr, is_read: true, general_register: register.number() }.encode()
        }
        Cause::Io { port, size, is_input, is_string, is_rep, is_immediate } => {
            IoAccess { size, is_in: is_input, is_string, is_repeated: is_rep, is_immediate, port }.encode()
        }
        Cause::Invlpg { address } => address,
        Cause::TaskSwitch { selector, source } => TaskSwitch { selector: selector.0, source: source as u8 }.encode(),
        Cause::NestedFault(fault) if !fault.is_misconfigured => ept_violation(&fault).encode(),
        Cause::ApicAccess { offset, kind } => {
            let kind = match kind {
                AccessKind::Read => 0,
                AccessKind::Write => 1,
                AccessKind::Fetch => 2,
            };
            ApicAccess { offset, kind }.encode()
        }
        Cause::Exception(exception) if matches!(exception.vector, Vector::PF | Vector::DB) => {
            exception.address.unwrap_or(0)
        }
        Cause::Sipi { vector } => u64::from(vector.0),
        _ => 0,
    }
}

/// Qualification of an EPT violation. The processor's own accesses to the guest's tables count as writes when it has
/// accessed and dirty flags in EPT, and its walk sets the guest's accessed flag.
fn ept_violation(fault: &NestedFault) -> EptViolation {
    EptViolation {
        is_read: fault.kind == AccessKind::Read,
        is_write: fault.kind == AccessKind::Write,
        is_fetch: fault.kind == AccessKind::Fetch,
        readable: fault.rights & 1 != 0,
        writable: fault.rights & 2 != 0,
        executable: fault.rights & 4 != 0,
        linear_valid: fault.linear.is_some(),
        is_final: fault.is_final,
        nmi_unblocking: false,
    }
}
