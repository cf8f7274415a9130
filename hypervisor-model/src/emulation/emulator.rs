//! Full emulation: every instruction of the guest is done by the emulator on a processor that is data. An interpreter
//! decodes an instruction each time; with a translation cache (QEMU's TCG) a block is decoded once and kept until its
//! page is written to. Nothing runs natively, so all 17 sensitive instructions come out right, and nothing traps.

use super::GuestCode;
use super::binary_translation::{End, UNIT_MAX};
use crate::cpu::bus::Bus;
use crate::cpu::execute::{Step, execute};
use crate::cpu::instruction::{Class, Instruction, Opcode};
use crate::cpu::sensitive::{Nothing, Outcome};
use crate::cpu::{Activity, Cpu};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the emulator works.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Method {
    /// Decodes each instruction each time.
    Interpreter,
    /// Decodes a block once and keeps it.
    #[default]
    TranslationCache,
}

/// What happened, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions decoded.
    pub decoded: u64,
    /// Instructions done.
    pub executed: u64,
    /// Of these, done by a function of the emulator rather than by plain code: what needs privilege.
    pub helper_calls: u64,
    /// Blocks translated.
    pub translated_blocks: u64,
    /// Blocks found in the cache.
    pub found_blocks: u64,
    /// Blocks dropped because their page was written to.
    pub dropped_blocks: u64,
}

/// A guest under an emulator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Emulator {
    /// The emulated processor.
    pub cpu: Cpu,
    /// What the guest runs.
    pub code: GuestCode,
    /// How.
    pub method: Method,
    blocks: BTreeMap<u64, Vec<Instruction>>,
    /// What happened.
    pub counts: Counts,
}

impl Emulator {
    /// A guest whose processor is in some state.
    #[must_use]
    pub fn new(cpu: Cpu, code: GuestCode, method: Method) -> Emulator {
        Emulator { cpu, code, method, blocks: BTreeMap::new(), counts: Counts::default() }
    }

    /// Runs the guest for at most `budget` of its instructions.
    pub fn run(&mut self, bus: &mut dyn Bus, budget: usize) -> End {
        let mut left = budget;
        while left > 0 {
            let start = self.cpu.rip;
            let Some(block) = self.block(start) else { return End::NoCode(start) };
            for instruction in block {
                if left == 0 {
                    return End::Budget;
                }
                left -= 1;
                let next = self.cpu.rip.wrapping_add(instruction.length());
                if let Some(end) = self.one(bus, &instruction) {
                    return end;
                }
                if self.cpu.rip != next {
                    break;
                }
            }
        }
        End::Budget
    }

    /// The block at an address: one instruction for an interpreter.
    fn block(&mut self, start: u64) -> Option<Vec<Instruction>> {
        if let Some(block) = self.blocks.get(&start) {
            self.counts.found_blocks += 1;
            return Some(block.clone());
        }
        let longest = if self.method == Method::Interpreter { 1 } else { UNIT_MAX };
        let mut block = Vec::new();
        let mut address = start;
        while let Some(instruction) = self.code.at(address).filter(|_| block.len() < longest) {
            address = address.wrapping_add(instruction.length());
            block.push(instruction.clone());
            if goes_elsewhere(instruction.opcode) {
                break;
            }
        }
        self.counts.decoded += block.len() as u64;
        if block.is_empty() {
            return None;
        }
        if self.method == Method::TranslationCache {
            self.counts.translated_blocks += 1;
            self.blocks.insert(start, block.clone());
        }
        Some(block)
    }

    fn one(&mut self, bus: &mut dyn Bus, instruction: &Instruction) -> Option<End> {
        self.counts.executed += 1;
        if !matches!(instruction.opcode.row().class, Class::Innocuous) {
            self.counts.helper_calls += 1;
        }
        let mut events = Vec::new();
        let mut step = Step { cpu: &mut self.cpu, bus, intercepts: &Nothing, events: &mut events };
        match execute(&mut step, instruction) {
            Outcome::Executed | Outcome::Ignored(_) if self.cpu.activity != Activity::Running => Some(End::Halted),
            Outcome::Executed | Outcome::Ignored(_) => None,
            Outcome::Fault(exception) => Some(End::Fault(exception)),
            Outcome::NotModelled(missing) => Some(End::NotModelled(missing.to_string())),
            Outcome::Exit(cause) => Some(End::NotModelled(format!("an exit of an emulator: {cause:?}"))),
        }
    }

    /// Guest code changed between two addresses: the blocks there are dropped.
    pub fn invalidate(&mut self, from: u64, to: u64) {
        let before = self.blocks.len();
        self.blocks.retain(|start, block| {
            let length: u64 = block.iter().map(Instruction::length).sum();
            *start >= to || start + length <= from
        });
        self.counts.dropped_blocks += (before - self.blocks.len()) as u64;
    }
}

fn goes_elsewhere(opcode: Opcode) -> bool {
    matches!(opcode.row().class, Class::Transition)
        || matches!(opcode, Opcode::Jmp | Opcode::Jcc | Opcode::Call | Opcode::Ret | Opcode::Int | Opcode::Hlt)
        || matches!(opcode, Opcode::CallFar | Opcode::JmpFar | Opcode::RetFar | Opcode::Sysret | Opcode::Sysexit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::instruction::parse::parse;
    use crate::cpu::{General, Mode, Vendor};
    use crate::machine::console::standard_processor::standard_processor;

    const LOOP: &str = "mov rcx, 100; mov rax, 0; again: add rax, rcx; dec rcx; jnz again; hlt";

    fn run(method: Method) -> Emulator {
        let (cpu, mut memory) = standard_processor(Vendor::Intel, Mode::Long, 0);
        let mut emulator = Emulator::new(cpu, GuestCode::of(&parse(LOOP).expect("a program")), method);
        assert_eq!(emulator.run(&mut memory, 10_000), End::Halted);
        emulator
    }

    #[test]
    fn both_methods_come_to_the_same_and_one_decodes_less() {
        let (interpreter, cache) = (run(Method::Interpreter), run(Method::TranslationCache));
        assert_eq!(interpreter.cpu, cache.cpu);
        assert_eq!(cache.cpu.registers.get(General::Rax), 5050);
        assert_eq!((interpreter.counts.decoded, cache.counts.decoded), (303, 9));
    }

    #[test]
    fn code_that_was_written_to_is_translated_anew() {
        let mut emulator = run(Method::TranslationCache);
        emulator.invalidate(0x1000, 0x1001);
        assert_eq!(emulator.counts.dropped_blocks, 1);
    }
}
