//! Code of a guest: instructions at addresses.

use crate::cpu::instruction::Instruction;
use crate::cpu::instruction::parse::{CODE_BASE, Line, Program};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Instructions by their addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GuestCode {
    instructions: BTreeMap<u64, Instruction>,
}

impl GuestCode {
    /// A program laid out from [`CODE_BASE`]; handlers in braces follow where they stand.
    #[must_use]
    pub fn of(program: &Program) -> GuestCode {
        let mut code = GuestCode::default();
        code.lay_out(&program.lines, CODE_BASE);
        code
    }

    /// Lays out a program of no labels from `address`; the address behind it.
    pub fn add(&mut self, program: &Program, address: u64) -> u64 {
        self.lay_out(&program.lines, address)
    }

    fn lay_out(&mut self, lines: &[Line], mut address: u64) -> u64 {
        for line in lines {
            self.instructions.insert(address, line.instruction.clone());
            address += line.instruction.length();
            if let Some(handler) = &line.handler {
                address = self.lay_out(handler, address);
            }
        }
        address
    }

    /// Puts an instruction at an address; what was there before is gone.
    pub fn insert(&mut self, address: u64, instruction: Instruction) {
        self.instructions.insert(address, instruction);
    }

    /// Adds other code.
    pub fn extend(&mut self, other: GuestCode) {
        self.instructions.extend(other.instructions);
    }

    /// The instruction at an address.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<&Instruction> {
        self.instructions.get(&address)
    }
}
