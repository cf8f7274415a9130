//! VT-x: exit reasons, controls, errors, fields.

use crate::sheet::{number, rows};
use hypervisor_model::kvm::user_exit::UserExit;
use hypervisor_model::vmx::controls::Control;
use hypervisor_model::vmx::error::VmError;
use hypervisor_model::vmx::exit_reason::{ExitReason, When};
use hypervisor_model::vmx::fields::{Field, FieldGroup};

/// The condition of a reason in the sheet's notation.
fn condition(reason: ExitReason) -> String {
    match reason.when() {
        When::Always => "U".into(),
        When::Event if reason.number() > 64 => "-".into(),
        When::Event => "E".into(),
        When::Controls(_) if reason.number() > 64 => "-".into(),
        When::Controls(controls) => controls.iter().map(|control| control.code()).collect::<Vec<_>>().join(", "),
        When::ExceptionBitmap => "exception bitmap".into(),
        When::ControlRegister => "masks".into(),
        When::MsrBitmap => "msr bitmap".into(),
        When::FieldBitmap => "U or bitmap".into(),
        When::ControlAndBitmap(control) => format!("{} + bitmap", control.code()),
        When::ControlElseUndefined(control, other) => format!("{} (#UD without {})", control.code(), other.code()),
        When::EntryFailure => "entry".into(),
        When::DualMonitor => "dual-monitor".into(),
    }
}

#[test]
fn exit_reasons_are_the_manuals() {
    let sheet = rows("vmx-exit-reasons", 3);
    for row in &sheet {
        let reason = ExitReason::from_number(number(&row[0]) as u16).unwrap_or_else(|| panic!("{row:?} is missing"));
        assert_eq!(condition(reason), row[2], "{row:?}");
        let first = row[1].split_whitespace().next().unwrap_or_default();
        if first.chars().all(|c| c.is_ascii_uppercase()) && first.len() > 3 {
            assert!(reason.name().contains(first), "{row:?}: {}", reason.name());
        }
        assert_eq!(reason.field() >> 31 == 1, row[2] == "entry", "{row:?}");
    }
    assert_eq!(sheet.len(), ExitReason::ALL.len(), "reasons that the sheet does not have");
}

#[test]
fn controls_are_the_manuals() {
    for row in rows("vmx-controls", 2) {
        let control = Control::ALL.iter().find(|control| control.code() == row[0]);
        assert_eq!(control.map(|control| control.name()), Some(row[1].as_str()), "{row:?}");
    }
}

#[test]
fn errors_are_the_manuals() {
    for row in rows("vmx-errors", 2) {
        let error = VmError::from_number(number(&row[0]) as u32).unwrap_or_else(|| panic!("{row:?} is missing"));
        for word in row[1].split_whitespace() {
            assert!(error.description().contains(word), "{row:?}: {}", error.description());
        }
    }
}

#[test]
fn fields_have_the_encodings_of_the_header() {
    for row in rows("vmx-fields", 2) {
        let field = Field::from_encoding(number(&row[0]) as u32).unwrap_or_else(|| panic!("{row:?} is missing"));
        let group = field.group();
        assert_eq!(row[1].starts_with("HOST_"), group == FieldGroup::HostState, "{row:?}");
        let is_guest =
            row[1].starts_with("GUEST_") && !["GUEST_PHYSICAL_ADDRESS", "GUEST_LINEAR_ADDRESS"].contains(&&*row[1]);
        let is_link = row[1] == "VMCS_LINK_POINTER";
        assert_eq!(is_guest || is_link, group == FieldGroup::GuestState, "{row:?}");
        // The register or segment that the name ends in is in ours, too.
        for word in ["RIP", "RSP", "RFLAGS", "CR0", "CR3", "CR4", "DR7", "EFER", "PAT", "LDTR", "TR_", "GDTR", "IDTR"] {
            if row[1].contains(word) && word != "TR_" && word != "PAT" {
                assert!(field.name().contains(word), "{row:?}: {}", field.name());
            }
        }
    }
}

#[test]
fn user_space_exits_are_the_headers() {
    for row in rows("kvm-user-exits", 2) {
        let exit = UserExit::from_number(number(&row[0]) as u32);
        assert_eq!(exit.map(|exit| exit.constant()), Some(row[1].as_str()), "{row:?}");
    }
}
