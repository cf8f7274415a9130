//! Families of events: a letter or sign first, a colour second.

use kernel_model::event::Family;

/// The sign of a family.
pub fn sign(family: Family) -> &'static str {
    match family {
        Family::Command => "$",
        Family::Call => "c",
        Family::Error => "E",
        Family::Output => "›",
        Family::Process => "p",
        Family::Pid => "#",
        Family::Namespace => "N",
        Family::Capability => "k",
        Family::Policy => "P",
        Family::Signal => "S",
        Family::Mount => "M",
        Family::File => "f",
        Family::Network => "n",
        Family::Memory => "m",
        Family::Scheduling => "~",
        Family::Cgroup => "g",
        Family::Exit => "X",
        Family::Walk => "w",
        Family::Tlb => "T",
        Family::Machine => "%",
        Family::NotModelled => "?",
    }
}

/// The class that gives it its colour.
pub fn class(family: Family) -> &'static str {
    match family {
        Family::Command => "fam fam--command",
        Family::Call => "fam fam--call",
        Family::Error => "fam fam--error",
        Family::Output => "fam fam--output",
        Family::Process => "fam fam--process",
        Family::Pid => "fam fam--pid",
        Family::Namespace => "fam fam--namespace",
        Family::Capability => "fam fam--capability",
        Family::Policy => "fam fam--policy",
        Family::Signal => "fam fam--signal",
        Family::Mount => "fam fam--mount",
        Family::File => "fam fam--file",
        Family::Network => "fam fam--network",
        Family::Memory => "fam fam--memory",
        Family::Scheduling => "fam fam--scheduling",
        Family::Cgroup => "fam fam--cgroup",
        Family::Exit => "fam fam--exit",
        Family::Walk => "fam fam--walk",
        Family::Tlb => "fam fam--tlb",
        Family::Machine => "fam fam--machine",
        Family::NotModelled => "fam fam--not-modelled",
    }
}
