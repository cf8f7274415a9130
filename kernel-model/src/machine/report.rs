//! What a machine tells of what it did: the events of everything below a kernel.
//!
//! The kernel does not know what its machine is, so a [`Deed`] carries what is said of it: a sentence with places for
//! its own numbers. Making one costs a list of numbers and nothing else; the words are put together when somebody reads.

use std::sync::Arc;

use serde::Serialize;

use super::SystemId;
use crate::event::Event;

/// Something that the machine has to tell.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub enum Report {
    /// It did something.
    Did(Arc<Deed>),
    /// Something happened in another kernel that lives in it.
    Elsewhere {
        /// Which kernel.
        system: SystemId,
        /// What it is called.
        name: Arc<str>,
        /// What happened there. Its numbers are those of that kernel's world ([`PvOps::world_of`]).
        ///
        /// [`PvOps::world_of`]: crate::pv_ops::PvOps::world_of
        event: Arc<Event>,
    },
}

/// What kind of thing a machine did: what one can run to the next of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum DeedKind {
    /// A change of the privilege level that the kernel did not ask for.
    Crossing,
    /// A guest lost the processor to its hypervisor.
    Exit,
    /// A hypervisor gave the processor to a guest.
    Entry,
    /// A guest's kernel called its hypervisor.
    Hypercall,
    /// A translation was looked for in page tables.
    Walk,
    /// Translations were forgotten.
    Flush,
    /// A table was written that the kernel does not know of.
    Table,
    /// An interrupt went to a kernel.
    Interrupt,
    /// A device worked.
    Device,
    /// Another kernel got its turn, or lost it.
    Turn,
    /// Instructions were translated or emulated.
    Emulation,
}

/// Who is at work: the lanes of a picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[allow(missing_docs)] // each is described by its label
pub enum Lane {
    GuestUser,
    GuestKernel,
    Hypervisor,
    DeviceModel,
    Device,
}

impl Lane {
    /// All of them, from the least privileged on.
    pub const ALL: [Lane; 5] = [Lane::GuestUser, Lane::GuestKernel, Lane::Hypervisor, Lane::DeviceModel, Lane::Device];

    /// What it is called above its lane.
    pub fn label(self) -> &'static str {
        match self {
            Lane::GuestUser => "guest user",
            Lane::GuestKernel => "guest kernel",
            Lane::Hypervisor => "hypervisor",
            Lane::DeviceModel => "device process",
            Lane::Device => "device",
        }
    }
}

/// Something that a machine did.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Deed {
    /// What kind of thing.
    pub kind: DeedKind,
    /// Its own name: the reason of an exit, the name of a hypercall, the kind of a flush.
    pub name: &'static str,
    /// Who had the processor before, and who has it after. The same where nobody lost it.
    pub from: Lane,
    /// See [`Deed::from`].
    pub to: Lane,
    /// On which processor.
    pub cpu: u32,
    /// In how many other deeds it lies: 0 for one that the kernel's own operation caused.
    pub depth: u8,
    /// What it cost, in modelled cycles.
    pub cycles: u64,
    /// Its numbers by name.
    pub numbers: Vec<(&'static str, u64)>,
    /// Its parts, where it has some, each with up to four numbers: of a page walk one a reference, with the dimension (0
    /// the only one, 1 the guest's, 2 the nested one), the address of the entry, what it holds, and the address whose bits
    /// chose it.
    pub parts: Vec<(&'static str, [u64; 4])>,
    /// One sentence in which `{NAME}` stands for a number, `{NAME:x}` for the same in hexadecimal, `{name}` for its name.
    pub sentence: &'static str,
    /// Where that can be read up.
    pub source: &'static str,
}

impl Deed {
    /// Something of this kind and name, in the guest's kernel on processor 0, without numbers and words.
    pub fn new(kind: DeedKind, name: &'static str) -> Deed {
        let here = Lane::GuestKernel;
        let (numbers, parts) = (Vec::new(), Vec::new());
        Deed { kind, name, from: here, to: here, cpu: 0, depth: 0, cycles: 0, numbers, parts, sentence: "", source: "" }
    }

    /// From one lane to another on a processor.
    #[must_use]
    pub fn goes(self, cpu: u32, from: Lane, to: Lane) -> Deed {
        Deed { cpu, from, to, ..self }
    }

    /// With a number.
    #[must_use]
    pub fn with(mut self, name: &'static str, n: u64) -> Deed {
        self.numbers.push((name, n));
        self
    }

    /// What it cost.
    #[must_use]
    pub fn costs(self, cycles: u64) -> Deed {
        Deed { cycles, ..self }
    }

    /// Inside another deed.
    #[must_use]
    pub fn nested(self) -> Deed {
        Deed { depth: self.depth + 1, ..self }
    }

    /// In words: a sentence with places for its numbers, and where it can be read up.
    #[must_use]
    pub fn says(self, sentence: &'static str, source: &'static str) -> Deed {
        Deed { sentence, source, ..self }
    }

    /// A number by its name.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.iter().find(|(known, _)| *known == name).map(|(_, n)| *n)
    }

    /// The sentence with the numbers in it.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.sentence.len() + 16);
        let mut rest = self.sentence;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let Some((place, after)) = after.split_once('}') else { break };
            rest = after;
            let (name, is_hex) = place.strip_suffix(":x").map_or((place, false), |name| (name, true));
            match self.number(name) {
                Some(n) if is_hex => text.push_str(&format!("{n:#x}")),
                Some(n) => text.push_str(&n.to_string()),
                None if name == "name" => text.push_str(self.name),
                None => text.push_str(name),
            }
        }
        text.push_str(rest);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_put_into_the_sentence() {
        let deed = Deed::new(DeedKind::Walk, "walk")
            .with("references", 4)
            .with("linear", 0x1000)
            .says("A {name}: {references} references for {linear:x}; {what} is not known.", "");
        assert_eq!(deed.text(), "A walk: 4 references for 0x1000; what is not known.");
    }
}
