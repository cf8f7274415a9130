//! What privilege has to do with an instruction, in the words of Popek and Goldberg ("Formal Requirements for
//! Virtualizable Third Generation Architectures", 1974) where there are any.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What privilege has to do with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Class {
    /// Nothing: it does the same in every ring.
    Innocuous,
    /// Sensitive and not privileged: what it does depends on the ring or on the one set of system registers, and it
    /// does not trap. These kept x86 from being virtualizable by trap and emulate.
    Sensitive,
    /// It traps outside ring 0.
    Privileged,
    /// It traps when CPL > IOPL.
    IoSensitive,
    /// A bit of CR4 decides.
    Cr4Gated,
    /// It changes the ring by itself.
    Transition,
    /// An instruction of VT-x.
    Vmx,
    /// An instruction of AMD-V.
    Svm,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Innocuous => "innocuous",
            Class::Sensitive => "sensitive, unprivileged",
            Class::Privileged => "privileged",
            Class::IoSensitive => "gated by IOPL",
            Class::Cr4Gated => "gated by CR4",
            Class::Transition => "transition",
            Class::Vmx => "VT-x",
            Class::Svm => "AMD-V",
        })
    }
}

/// What goes wrong without a fault when a guest kernel runs an instruction outside ring 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silently {
    /// Outside ring 0 it runs, and shows or uses what is not the guest's.
    AboveRing0(&'static str),
    /// With CPL > IOPL it leaves out a part of what it was asked.
    AboveIopl(&'static str),
}

impl Silently {
    /// What goes wrong.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Silently::AboveRing0(what) | Silently::AboveIopl(what) => what,
        }
    }
}
