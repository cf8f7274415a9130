//! The virtual-machine control structure: what a VMM and the processor tell each other about a guest.
//!
//! Source: Intel SDM vol. 3 (June 2016), chapter 24. Fields are [`Field`]s; a VMCS is the values that they hold, its
//! launch state, and which of them the last exit wrote. The instructions that reach it are in [`operation`](super::operation).

use super::controls::Controls;
use super::exit_reason::ExitReason;
use super::fields::Field;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a VMCS is entered with VMLAUNCH or VMRESUME (SDM 24.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum LaunchState {
    /// After VMCLEAR: VMLAUNCH is next.
    #[default]
    Clear,
    /// It has been entered: VMRESUME is next.
    Launched,
}

/// A VMCS.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Vmcs {
    /// Its launch state.
    pub launch: LaunchState,
    /// The fields that hold something else than 0.
    fields: BTreeMap<Field, u64>,
    /// The fields that the last exit wrote.
    written: BTreeSet<Field>,
}

impl Vmcs {
    /// What a field holds.
    #[must_use]
    pub fn read(&self, field: Field) -> u64 {
        self.fields.get(&field).copied().unwrap_or(0)
    }

    /// Puts a value into a field, as far as it fits.
    pub fn write(&mut self, field: Field, value: u64) {
        let value = value & field.mask();
        if value == 0 {
            self.fields.remove(&field);
        } else {
            self.fields.insert(field, value);
        }
    }

    /// Puts a value into a field at an exit: it counts as written by that exit.
    pub(super) fn save(&mut self, field: Field, value: u64) {
        self.write(field, value);
        self.written.insert(field);
    }

    /// Forgets what the exit before has written.
    pub(super) fn begin_exit(&mut self) {
        self.written.clear();
    }

    /// Whether the last exit wrote a field.
    #[must_use]
    pub fn is_written(&self, field: Field) -> bool {
        self.written.contains(&field)
    }

    /// The five words of controls.
    #[must_use]
    pub fn controls(&self) -> Controls {
        Controls {
            pin: self.read(Field::PinBasedControls) as u32,
            primary: self.read(Field::PrimaryControls) as u32,
            secondary: self.read(Field::SecondaryControls) as u32,
            exit: self.read(Field::ExitControls) as u32,
            entry: self.read(Field::EntryControls) as u32,
        }
    }

    /// Writes the five words of controls.
    pub fn set_controls(&mut self, controls: &Controls) {
        self.write(Field::PinBasedControls, u64::from(controls.pin));
        self.write(Field::PrimaryControls, u64::from(controls.primary));
        self.write(Field::SecondaryControls, u64::from(controls.secondary));
        self.write(Field::ExitControls, u64::from(controls.exit));
        self.write(Field::EntryControls, u64::from(controls.entry));
    }

    /// The basic reason of the last exit; `None` when there is none with that number.
    #[must_use]
    pub fn exit_reason(&self) -> Option<ExitReason> {
        ExitReason::from_number(self.read(Field::ExitReason) as u16)
    }
}
