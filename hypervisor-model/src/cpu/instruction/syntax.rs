//! How instructions are written: names of registers, and which operands each row of the table takes.
//!
//! Kinds of operands in a row's syntax: `r` a general register, `m` memory, `i` a number, and these together (`rm`,
//! `ri`, `rmi`); `sreg`, `cr`, `dr` a segment, control or debug register; `acc` AL, AX or EAX; `dx` DX; `far` a
//! `selector:offset`; `far m` memory that holds one.

use super::{Operand, Register, Width};
use crate::cpu::control::ControlRegister;
use crate::cpu::register::General;
use crate::cpu::segment::SegmentRegister;

/// The kinds of operands of one way of writing, for instance `rm` and `rmi` of `add rm, rmi`; with the mnemonic.
pub fn split(syntax: &'static str) -> (&'static str, impl Iterator<Item = &'static str>) {
    let (mnemonic, operands) = syntax.split_once(' ').unwrap_or((syntax, ""));
    (mnemonic, operands.split(", ").filter(|kind| !kind.is_empty()))
}

/// Whether an operand is of a kind.
#[must_use]
pub fn is_of_kind(operand: &Operand, kind: &str) -> bool {
    match (operand, kind) {
        (Operand::Register(Register::General { register: General::Rax, is_high: false, width }), "acc") => {
            *width != Width::Qword
        }
        (Operand::Register(Register::General { register: General::Rdx, width: Width::Word, .. }), "dx") => true,
        (Operand::Register(Register::General { .. }), "r" | "rm" | "ri" | "rmi")
        | (Operand::Memory(_), "m" | "rm" | "rmi" | "far m")
        | (Operand::Immediate(_), "i" | "ri" | "rmi")
        | (Operand::Register(Register::Segment(_)), "sreg")
        | (Operand::Register(Register::Control(_)), "cr")
        | (Operand::Register(Register::Debug(_)), "dr")
        | (Operand::Far { .. }, "far") => true,
        _ => false,
    }
}

const LEGACY: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const LOW: [&str; 8] = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const HIGH: [&str; 4] = ["ah", "ch", "dh", "bh"];

/// What a general register or a part of it is called.
#[must_use]
pub fn general_name(register: General, width: Width, is_high: bool) -> String {
    let number = usize::from(register.number());
    match (number, width) {
        (0..4, Width::Byte) if is_high => HIGH[number].to_owned(),
        (0..8, Width::Byte) => LOW[number].to_owned(),
        (0..8, Width::Word) => LEGACY[number].to_owned(),
        (0..8, Width::Dword) => format!("e{}", LEGACY[number]),
        (0..8, Width::Qword) => format!("r{}", LEGACY[number]),
        (_, Width::Byte) => format!("r{number}b"),
        (_, Width::Word) => format!("r{number}w"),
        (_, Width::Dword) => format!("r{number}d"),
        (_, Width::Qword) => format!("r{number}"),
    }
}

/// The register of a name in lower case.
#[must_use]
pub fn register(name: &str) -> Option<Register> {
    let general = |register, width, is_high| Register::General { register, width, is_high };
    for general_register in General::ALL {
        for width in [Width::Byte, Width::Word, Width::Dword, Width::Qword] {
            if general_name(general_register, width, false) == name {
                return Some(general(general_register, width, false));
            }
        }
    }
    if let Some(number) = HIGH.iter().position(|high| *high == name) {
        return Some(general(General::ALL[number], Width::Byte, true));
    }
    if let Some(number) = name.strip_prefix("cr") {
        return Some(Register::Control(match number {
            "0" => ControlRegister::Cr0,
            "2" => ControlRegister::Cr2,
            "3" => ControlRegister::Cr3,
            "4" => ControlRegister::Cr4,
            "8" => ControlRegister::Cr8,
            _ => return None,
        }));
    }
    if let Some(number) = name.strip_prefix("dr").or_else(|| name.strip_prefix("db")) {
        return number.parse().ok().filter(|number| *number < 8).map(Register::Debug);
    }
    use SegmentRegister::{Cs, Ds, Es, Fs, Gs, Ss};
    [Es, Cs, Ss, Ds, Fs, Gs].into_iter().find(|segment| segment.to_string() == name).map(Register::Segment)
}
