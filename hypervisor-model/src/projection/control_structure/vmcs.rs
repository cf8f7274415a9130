//! A VMCS for eyes.

use super::{ControlStructure, FieldRow, Group, event_words};
use crate::vmx::controls::{Control, ControlWord};
use crate::vmx::fields::{Field, FieldGroup};
use crate::vmx::interruption::{Interruption, exception_name};
use crate::vmx::qualification::describe;
use crate::vmx::state::UNUSABLE;
use crate::vmx::vmcs::{LaunchState, Vmcs};

/// The fields that are known of a guest whose kernel is operations, by their names.
pub(super) const KNOWN: &[&str] = &[
    "exit reason",
    "exit qualification",
    "guest-physical address",
    "guest-linear address",
    "VM-exit interruption information",
    "VM-exit interruption error code",
    "IDT-vectoring information field",
    "guest CR0",
    "guest CR3",
    "guest CR4",
    "guest IA32_EFER",
    "guest CS selector",
    "guest CS access rights",
    "guest SS selector",
    "guest SS access rights",
    "VMCS link pointer",
    "virtual-processor identifier (VPID)",
    "EPT pointer (EPTP)",
    "exception bitmap",
    "pin-based VM-execution controls",
    "primary processor-based VM-execution controls",
    "secondary processor-based VM-execution controls",
    "VM-exit controls",
    "VM-entry controls",
    "CR0 guest/host mask",
    "CR4 guest/host mask",
    "CR0 read shadow",
    "CR4 read shadow",
];

/// The areas of a VMCS, the most interesting first.
pub(super) fn structure(vmcs: &Vmcs) -> ControlStructure {
    let launch = match vmcs.launch {
        LaunchState::Clear => "clear",
        LaunchState::Launched => "launched",
    };
    let areas = [FieldGroup::ExitInformation, FieldGroup::GuestState, FieldGroup::Control, FieldGroup::HostState];
    let groups = areas.map(|area| {
        let fields = Field::ALL.iter().filter(|field| field.group() == area).map(|field| {
            FieldRow::new(field.name(), format!("{:#06x}", field.encoding()), vmcs.read(*field))
                .written(vmcs.is_written(*field))
                .means(meaning(vmcs, *field))
        });
        Group { title: area.name().to_owned(), fields: fields.collect() }
    });
    ControlStructure { title: format!("VMCS, {launch}"), groups: groups.to_vec() }
}

/// What a field says in words.
fn meaning(vmcs: &Vmcs, field: Field) -> String {
    let value = vmcs.read(field);
    match field {
        Field::ExitReason if value != 0 || vmcs.is_written(field) => {
            let failed = if value >> 31 & 1 != 0 { ", the entry failed" } else { "" };
            vmcs.exit_reason().map_or_else(String::new, |reason| format!("{}{failed}", reason.name()))
        }
        Field::ExitQualification => vmcs.exit_reason().map_or_else(String::new, |reason| describe(reason, value)),
        Field::ExitInterruptionInformation => event(value, vmcs.read(Field::ExitInterruptionErrorCode)),
        Field::IdtVectoringInformation => event(value, vmcs.read(Field::IdtVectoringErrorCode)),
        Field::EntryInterruptionInformation => event(value, vmcs.read(Field::EntryExceptionErrorCode)),
        Field::ExceptionBitmap => {
            let names = (0..32u8).filter(|vector| value >> vector & 1 != 0).map(exception_name);
            names.collect::<Vec<_>>().join(", ")
        }
        Field::EptPointer if value != 0 => {
            let flags = if value >> 6 & 1 != 0 { ", accessed and dirty flags" } else { "" };
            format!("{} levels{flags}", (value >> 3 & 7) + 1)
        }
        Field::GuestActivityState => {
            ["active", "HLT", "shutdown", "wait for SIPI"].get(value as usize).copied().unwrap_or_default().to_owned()
        }
        Field::GuestCsAccessRights | Field::GuestSsAccessRights if value & UNUSABLE == 0 && value != 0 => {
            format!("DPL {}", value >> 5 & 3)
        }
        Field::PinBasedControls => control_words(ControlWord::PinBased, value),
        Field::PrimaryControls => control_words(ControlWord::Primary, value),
        Field::SecondaryControls => control_words(ControlWord::Secondary, value),
        Field::ExitControls => control_words(ControlWord::Exit, value),
        Field::EntryControls => control_words(ControlWord::Entry, value),
        _ => String::new(),
    }
}

fn event(field: u64, code: u64) -> String {
    Interruption::decode(field as u32, code as u32).map_or_else(String::new, event_words)
}

fn control_words(word: ControlWord, value: u64) -> String {
    let is_set = |control: &&Control| control.word() == word && value & u64::from(control.mask()) != 0;
    let names: Vec<&str> = Control::ALL.iter().filter(is_set).map(|control| control.name()).collect();
    names.join("; ")
}
