//! What operations cost, in cycles: presets, each with its source.

use serde::Deserialize;
use thiserror::Error;

/// A figure and where it is from.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Cost {
    /// Cycles.
    pub cycles: u64,
    /// Who measured it, or that it is assumed.
    pub source: String,
}

/// What operations cost on one processor.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Name of the preset.
    pub name: String,
    /// Which processor.
    pub processor: String,
    /// SYSCALL and SYSRET together.
    pub syscall: Cost,
    /// Delivery of an exception and IRET together.
    pub exception: Cost,
    /// MOV to CR3, without the misses that follow.
    pub write_cr3: Cost,
    /// INVLPG.
    pub invlpg: Cost,
    /// An interrupt that makes another processor flush.
    pub interprocessor_interrupt: Cost,
    /// One reference of a page walk.
    pub walk_reference: Cost,
    /// A VM exit, what the hypervisor does, and the entry.
    pub vm_exit: Cost,
    /// A hypercall of a paravirtual guest: into the hypervisor and back, without what it does there.
    pub hypercall: Cost,
    /// A switch of the host from one process to another.
    pub process_switch: Cost,
    /// A look-up in an emulator's software TLB.
    pub emulated_reference: Cost,
    /// A privileged instruction in an emulator.
    pub emulated_operation: Cost,
}

/// A preset cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PresetError {
    /// Nobody has heard of it.
    #[error("there is no preset '{0}'; there are: {names}", names = PRESETS.map(|(name, _)| name).join(", "))]
    Unknown(String),
    /// Its file is damaged.
    #[error("the preset '{name}' cannot be read: {why}")]
    Damaged {
        /// The name of the preset.
        name: String,
        /// What is wrong with it, and where.
        why: String,
    },
}

/// The presets by name.
const PRESETS: [(&str, &str); 1] = [("nehalem-2011", include_str!("../../presets/nehalem-2011.toml"))];
/// The preset that is used when none is named.
pub const DEFAULT_PRESET: &str = PRESETS[0].0;

impl Costs {
    /// A preset.
    ///
    /// # Errors
    /// There is none of that name, or its file is damaged.
    pub fn preset(name: &str) -> Result<Costs, PresetError> {
        let found = PRESETS.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| PresetError::Unknown(name.to_owned()))?;
        toml::from_str(text).map_err(|e| PresetError::Damaged { name: name.to_owned(), why: e.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_read_and_has_the_name_of_its_file() {
        for (name, _) in PRESETS {
            assert_eq!(Costs::preset(name).expect("it can be read").name, name);
        }
    }

    #[test]
    fn an_unknown_preset_says_which_there_are() {
        let error = Costs::preset("abacus").expect_err("there is none");
        assert_eq!(error.to_string(), "there is no preset 'abacus'; there are: nehalem-2011");
    }
}
