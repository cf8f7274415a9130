//! Lays a guest's code out: text to instructions at addresses, each as long as its encoding.

use super::{Mode, Sequence, Setting};
use crate::cpu::instruction::encoding::{CodeSize, length};
use crate::cpu::instruction::parse::parse;
use crate::emulation::guest_code::GuestCode;
use std::collections::BTreeMap;

/// Where the guest's code begins.
pub const CODE: u64 = 0x1_0000;
/// How many instructions one sequence may have when its repetitions are written out.
const INSTRUCTIONS_MAX: usize = 65_536;

/// What is wrong with a program.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{statement}': {what}")]
pub struct AssemblyError {
    /// The statement.
    pub statement: String,
    /// What is wrong with it.
    pub what: String,
}

/// Code that has been laid out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assembled {
    /// The instructions.
    pub code: GuestCode,
    /// Handlers by name.
    pub handlers: BTreeMap<String, u64>,
    /// The sequences, in their order.
    pub sequences: Vec<Sequence>,
    /// Where the next instruction would be.
    pub end: u64,
}

/// A statement whose label was not known when it was read.
struct Later {
    address: u64,
    statement: String,
    size: CodeSize,
}

struct Assembler {
    assembled: Assembled,
    size: CodeSize,
    labels: BTreeMap<String, u64>,
    later: Vec<Later>,
    count: usize,
}

/// Lays a program out from an address; `handlers` are there already.
///
/// # Errors
/// The first statement that makes no sense.
pub fn assemble(text: &str, base: u64, handlers: &BTreeMap<String, u64>) -> Result<Assembled, AssemblyError> {
    let mut assembler = Assembler {
        assembled: Assembled { end: base, ..Assembled::default() },
        size: CodeSize::Bits64,
        labels: handlers.clone(),
        later: Vec::new(),
        count: 0,
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        if line != "#" {
            assembler.line(line)?;
        }
    }
    assembler.resolve(true)?;
    Ok(assembler.assembled)
}

fn error(statement: &str, what: impl Into<String>) -> AssemblyError {
    AssemblyError { statement: statement.to_owned(), what: what.into() }
}

impl Assembler {
    fn line(&mut self, line: &str) -> Result<(), AssemblyError> {
        if let Some(heading) = line.strip_prefix("@ ") {
            return self.begin_sequence(heading);
        }
        if let Some(bytes) = line.strip_prefix("align ") {
            let bytes: u64 = bytes.parse().map_err(|_| error(line, "not a number of bytes"))?;
            self.assembled.end = self.assembled.end.next_multiple_of(bytes.max(1));
            return Ok(());
        }
        if let Some(size) = line.strip_prefix("code ") {
            self.size = match size {
                "16" => CodeSize::Bits16,
                "32" => CodeSize::Bits32,
                _ => CodeSize::Bits64,
            };
            return Ok(());
        }
        if let Some(label) = line.strip_suffix(':') {
            self.labels.insert(label.to_owned(), self.assembled.end);
            if label.starts_with("h_") {
                self.assembled.handlers.insert(label.to_owned(), self.assembled.end);
            }
            return Ok(());
        }
        match line {
            "begin" => return self.statements(self.begin(), 1),
            "finish" => {
                let label = format!("finished_{}", self.assembled.end);
                self.statements("mov al, 2; out 0x10, al; mov al, 3; out 0x10, al", 1)?;
                self.labels.insert(label.clone(), self.assembled.end);
                return self.statements(&format!("hlt; jmp {label}"), 1);
            }
            _ => {}
        }
        match line.strip_prefix("repeat ").and_then(|rest| rest.split_once(':')) {
            Some((times, statements)) => {
                let times = times.trim().parse().map_err(|_| error(line, "not a number of repetitions"))?;
                self.statements(statements, times)
            }
            None => self.statements(line, 1),
        }
    }

    /// `MODE [SETTING...]: TEXT`.
    fn begin_sequence(&mut self, heading: &str) -> Result<(), AssemblyError> {
        self.resolve(false)?;
        let (words, text) = heading.split_once(": ").ok_or_else(|| error(heading, "MODE: TEXT is wanted"))?;
        let mut words = words.split_whitespace();
        let mode = words.next().and_then(Mode::from_word).ok_or_else(|| error(heading, "no mode is named so"))?;
        let mut setting = Setting::default();
        for word in words {
            setting.turn_on(word).ok_or_else(|| error(heading, format!("there is no setting '{word}'")))?;
        }
        self.size = mode.code_size();
        self.assembled.end = self.assembled.end.next_multiple_of(64);
        self.labels.retain(|name, _| name.starts_with("h_"));
        let entry = self.assembled.end;
        self.assembled.sequences.push(Sequence { text: text.to_owned(), mode, setting, entry });
        Ok(())
    }

    /// What `begin` is in this size of code: in long mode it first touches the tables, stacks and handlers that
    /// exceptions and changes of ring need, and reports 1 to port 0x10; all registers stay.
    fn begin(&self) -> &'static str {
        match self.size {
            CodeSize::Bits64 => {
                "push rax; lock or qword ptr [0x8000], 0; lock or qword ptr [0x8800], 0; mov rax, [0x9000]; \
                 lock or qword ptr [0xd800], 0; lock or qword ptr [0xe800], 0; call h_ret; mov al, 1; out 0x10, al; pop rax"
            }
            CodeSize::Bits32 => "push ax; mov al, 1; out 0x10, al; pop ax",
            CodeSize::Bits16 => {
                "push ax; push ds; xor ax, ax; mov ds, ax; mov ax, [0x84]; pop ds; call h_ret16; mov al, 1; out 0x10, al; pop ax"
            }
        }
    }

    fn statements(&mut self, text: &str, times: usize) -> Result<(), AssemblyError> {
        let statements: Vec<&str> = text.split(';').map(str::trim).filter(|one| !one.is_empty()).collect();
        self.count += statements.len() * times;
        if self.count > INSTRUCTIONS_MAX {
            return Err(error(text, format!("a program has at most {INSTRUCTIONS_MAX} instructions")));
        }
        let mut read = Vec::new();
        for statement in statements {
            // Any label is a number of this size, so that lengths do not depend on where it is.
            let (plain, has_label) = self.with_labels(statement, Some(CODE));
            let instruction = instruction(&plain, self.size).map_err(|what| error(statement, what))?;
            read.push((statement, instruction, has_label));
        }
        for _ in 0..times {
            for (statement, instruction, has_label) in &read {
                let address = self.assembled.end;
                if *has_label {
                    self.later.push(Later { address, statement: (*statement).to_owned(), size: self.size });
                }
                self.assembled.code.insert(address, instruction.clone());
                self.assembled.end += instruction.length();
            }
        }
        Ok(())
    }

    /// A statement with its labels as numbers: those that are known, or one for all. Whether there was one.
    fn with_labels(&self, statement: &str, all: Option<u64>) -> (String, bool) {
        let Some((before, word)) = statement.rsplit_once([' ', ',']) else { return (statement.to_owned(), false) };
        let is_name =
            word.starts_with(|c: char| c.is_ascii_lowercase()) && word.contains(|c: char| !c.is_ascii_digit());
        let is_label = is_name
            && crate::cpu::instruction::syntax::register(word).is_none()
            && !statement.contains('[')
            && !before.starts_with("rep");
        match all.or_else(|| self.labels.get(word).copied()) {
            Some(address) if is_label => (format!("{before} {address:#x}"), true),
            _ => (statement.to_owned(), false),
        }
    }

    /// Reads again what named a label. Handlers may stand anywhere, other labels are of their sequence.
    fn resolve(&mut self, is_end: bool) -> Result<(), AssemblyError> {
        for later in std::mem::take(&mut self.later) {
            let (plain, is_known) = self.with_labels(&later.statement, None);
            if !is_known && !is_end && later.statement.contains(" h_") {
                self.later.push(later);
                continue;
            }
            if !is_known {
                return Err(error(&later.statement, "there is no such register and no such label"));
            }
            let instruction = instruction(&plain, later.size).map_err(|what| error(&later.statement, what))?;
            self.assembled.code.insert(later.address, instruction);
        }
        Ok(())
    }
}

/// Reads one instruction and gives it the length of its encoding.
pub fn instruction(statement: &str, size: CodeSize) -> Result<crate::cpu::instruction::Instruction, String> {
    let (statement, is_locked) = match statement.strip_prefix("lock ") {
        Some(rest) => (rest, true),
        None => (statement, false),
    };
    let program = parse(statement).map_err(|error| error.to_string())?;
    let line = program.lines.into_iter().next().ok_or("no instruction")?;
    let mut instruction = line.instruction;
    instruction.bytes = length(&instruction, size) + u8::from(is_locked);
    Ok(instruction)
}

#[cfg(test)]
mod tests {
    use super::super::guest;
    use super::*;

    /// Where the sequences of the recordings lay, as the assembler that made them had it.
    #[test]
    fn sequences_are_where_they_were_when_they_were_recorded() {
        let assembled = guest();
        let at = |text: &str| {
            let found = assembled.sequences.iter().find(|sequence| sequence.text == text);
            found.map(|sequence| sequence.entry - CODE)
        };
        for (text, offset) in [
            ("nop", 0xc0),
            ("ltr (descriptor made available again)", 0x940),
            ("mov ds, ax", 0xa80),
            ("syscall from ring 3 and sysretq", 0xc40),
            ("ud2 (guest takes #UD)", 0xf80),
            ("rep outsb of 8 bytes", 0x16c0),
            ("mov rax, cr2; mov cr2, rax", 0x23c0),
            ("mov cr8, rax (changing)", 0x2900),
            ("rdmsr of an unknown register (guest takes #GP)", 0x3500),
            ("first read of 16 pages, mapped by the guest, never touched", 0x3580),
            ("guest writes 16 entries of a page directory in use (second level)", 0x3f80),
            ("write of 16 warm pages after dirty logging was switched on", 0x4740),
            ("self IPI through the ICR, taken at once (sti), handler EOIs", 0x4c80),
            ("16 interrupts from user space, guest opens the window with sti; nop; cli", 0x50c0),
            ("32-bit: CR0.PG set, one touch, CR0.PG cleared, one touch (8 times)", 0x5280),
            ("real mode: out 0x60, al", 0x5480),
            ("a loop of 2 million instructions (host timer shows)", 0x5580),
        ] {
            assert_eq!(at(text), Some(offset), "{text}");
        }
        assert_eq!(assembled.handlers["h_ipi"], CODE + 0x4ff0);
        assert_eq!(assembled.handlers["h_irq_count"], CODE + 0x5090);
        assert_eq!(assembled.handlers["h_rm_iret"], CODE + 0x54c0);
    }

    #[test]
    fn a_label_that_is_not_there_is_an_error() {
        let error = assemble("@ long: a\njmp away", CODE, &BTreeMap::new()).expect_err("no such label");
        assert_eq!(error.to_string(), "'jmp away': there is no such register and no such label");
        assert!(assemble("@ long: a\nhlr", CODE, &BTreeMap::new()).is_err());
        assert!(assemble("@ sideways: a\nhlt", CODE, &BTreeMap::new()).is_err());
    }
}
