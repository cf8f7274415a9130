//! What operations cost, in cycles: presets, each with its source.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;

/// Where a figure is from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Somebody measured and published it.
    Published,
    /// It follows from figures that were published.
    Derived,
    /// Nobody is known to have published it for this processor: an order of magnitude, or recalled and not looked up.
    Assumed,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Basis::Published => "published",
            Basis::Derived => "derived",
            Basis::Assumed => "assumed",
        })
    }
}

/// A figure and where it is from.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Cycles.
    pub cycles: u64,
    /// What kind of figure it is.
    pub basis: Basis,
    /// Who measured it, what it follows from, or what was assumed.
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
    /// Delivery of a page fault and IRET together.
    pub exception: Cost,
    /// MOV to CR3, without the misses that follow.
    pub write_cr3: Cost,
    /// INVLPG.
    pub invlpg: Cost,
    /// An interrupt that makes another processor flush.
    pub interprocessor_interrupt: Cost,
    /// One reference of a page walk.
    pub walk_reference: Cost,
    /// A VM exit, what KVM does, and the entry.
    pub vm_exit: Cost,
    /// A hypercall of a paravirtual guest: into the hypervisor and back, without what it does there.
    pub hypercall: Cost,
    /// What it adds when Xen is entered for a fault or a system call of a guest, and passes it on to the guest's kernel.
    pub bounce: Cost,
    /// A switch of the host from one process to another.
    pub process_switch: Cost,
    /// A look-up in an emulator's software TLB.
    pub emulated_reference: Cost,
    /// A privileged instruction in an emulator.
    pub emulated_operation: Cost,
    /// What single instructions cost on the bare machine.
    pub instructions: InstructionCosts,
    /// What a VMM in software costs.
    pub vmm: VmmCosts,
    /// What VT-x costs, taken apart.
    pub vtx: VtxCosts,
}

/// What single instructions cost on the bare machine.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstructionCosts {
    /// IN from a port of the chipset.
    pub port_read: Cost,
    /// MOV to CR8.
    pub write_cr8: Cost,
    /// CALL and RET together.
    pub call_and_return: Cost,
    /// A division by zero: delivery of the fault and IRET.
    pub divide_error: Cost,
    /// A store to a page table.
    pub store: Cost,
}

/// What a VMM in software costs: one that translates the guest's kernel, or one below VT-x.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmmCosts {
    /// From the direct execution of a program into translated code, or back.
    pub switch: Cost,
    /// The look-up of a jump's target that is not known beforehand.
    pub hash_lookup: Cost,
    /// A sensitive instruction done inline on the virtual processor's state.
    pub inline: Cost,
    /// A call of the VMM out of translated code, and back.
    pub callout: Cost,
    /// The translation of a unit of the guest's code.
    pub translation: Cost,
    /// The chipset model's answer to an access to a port.
    pub port_model: Cost,
    /// Telling a true page fault from a hidden one by the guest's tables, and filling the shadow in.
    pub page_fault: Cost,
    /// A store to a traced page and the mending of its shadow, when the VMM knows the instruction already.
    pub traced_store: Cost,
    /// Reading and decoding an instruction that was trapped.
    pub decode: Cost,
}

/// What VT-x costs, taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VtxCosts {
    /// From the guest into the VMM.
    pub exit: Cost,
    /// From the VMM into the guest.
    pub entry: Cost,
    /// VMREAD.
    pub vmread: Cost,
    /// VMWRITE.
    pub vmwrite: Cost,
}

impl Costs {
    /// All figures with their names, in the order of the fields.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, &Cost)> {
        let (i, m, x) = (&self.instructions, &self.vmm, &self.vtx);
        vec![
            ("syscall", &self.syscall),
            ("exception", &self.exception),
            ("write_cr3", &self.write_cr3),
            ("invlpg", &self.invlpg),
            ("interprocessor_interrupt", &self.interprocessor_interrupt),
            ("walk_reference", &self.walk_reference),
            ("vm_exit", &self.vm_exit),
            ("hypercall", &self.hypercall),
            ("bounce", &self.bounce),
            ("process_switch", &self.process_switch),
            ("emulated_reference", &self.emulated_reference),
            ("emulated_operation", &self.emulated_operation),
            ("instructions.port_read", &i.port_read),
            ("instructions.write_cr8", &i.write_cr8),
            ("instructions.call_and_return", &i.call_and_return),
            ("instructions.divide_error", &i.divide_error),
            ("instructions.store", &i.store),
            ("vmm.switch", &m.switch),
            ("vmm.hash_lookup", &m.hash_lookup),
            ("vmm.inline", &m.inline),
            ("vmm.callout", &m.callout),
            ("vmm.translation", &m.translation),
            ("vmm.port_model", &m.port_model),
            ("vmm.page_fault", &m.page_fault),
            ("vmm.traced_store", &m.traced_store),
            ("vmm.decode", &m.decode),
            ("vtx.exit", &x.exit),
            ("vtx.entry", &x.entry),
            ("vtx.vmread", &x.vmread),
            ("vtx.vmwrite", &x.vmwrite),
        ]
    }
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
const PRESETS: [(&str, &str); 3] = [
    ("nehalem-2011", include_str!("../../presets/nehalem-2011.toml")),
    ("p4-2006", include_str!("../../presets/p4-2006.toml")),
    ("xeon-2003", include_str!("../../presets/xeon-2003.toml")),
];
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
        assert_eq!(error.to_string(), "there is no preset 'abacus'; there are: nehalem-2011, p4-2006, xeon-2003");
    }
}
