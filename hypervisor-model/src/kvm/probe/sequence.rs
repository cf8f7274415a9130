//! Finds a sequence by the words that a recording has for it, or makes it from them.
//!
//! What the guest's program has under the same words is taken from there. Other words are read as instructions: `cli; nop;
//! sti`, `rdmsr LSTAR`, `mov cr4, rax (PGE toggled)`, `real mode: in al, 0x60`, `cpuid in ring 3`, `rep outsw of 4 bytes`.
//! What they leave open is filled in as in the recordings: memory is a warm word at 0x100000, a register that is written
//! holds what it held before, what faults is left out by the handler.

use super::assembler::{assemble, instruction};
use super::{Assembled, Mode, Sequence};
use crate::cpu::control::{Cr0, Cr4};
use crate::cpu::msr::Msr;
use std::borrow::Cow;
use std::fmt::Write;

/// Words that say nothing to this model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not modelled: {0}")]
pub struct Unknown(pub String);

/// How often a sequence is repeated.
const REPETITIONS: u32 = 16;
/// Where code that is made from words is put: behind the guest's, on a page of its own.
const PAGE: u64 = 0x1000;

/// The sequence that some words stand for, with the code in which it is.
///
/// # Errors
/// The words say nothing to this model.
pub fn find<'g>(guest: &'g Assembled, mode: Mode, text: &str) -> Result<(Cow<'g, Assembled>, Sequence), Unknown> {
    let known = guest.sequences.iter().find(|sequence| sequence.mode == mode && sequence.text == text.trim());
    if let Some(sequence) = known {
        return Ok((Cow::Borrowed(guest), sequence.clone()));
    }
    let program = program(mode, text)?;
    let base = guest.end.next_multiple_of(PAGE);
    let unknown = |why: String| Unknown(format!("the sequence '{text}' is not known ({why})"));
    let made = guest.and(&program, base).map_err(|error| unknown(error.to_string()))?;
    let sequence = made.sequences.last().cloned().ok_or_else(|| unknown("it is empty".to_owned()))?;
    Ok((Cow::Owned(made), sequence))
}

impl Assembled {
    /// The same code with a program behind it, whose handlers are those that are there.
    ///
    /// # Errors
    /// The program makes no sense.
    fn and(&self, program: &str, base: u64) -> Result<Assembled, super::AssemblyError> {
        let mut all = self.clone();
        let more = assemble(program, base, &self.handlers)?;
        all.code.extend(more.code);
        all.sequences.extend(more.sequences);
        all.end = more.end;
        Ok(all)
    }
}

/// A sequence being made from words.
#[derive(Default)]
struct Draft {
    settings: String,
    prepare: Vec<String>,
    body: Vec<String>,
    in_ring_3: bool,
}

/// The program of a sequence in words.
fn program(mode: Mode, text: &str) -> Result<String, Unknown> {
    let mut draft = Draft::default();
    let (words, note) = split_note(text);
    let mut words = words.to_ascii_lowercase();
    for prefix in ["real mode:", "32-bit protected mode, paging off:", "32-bit protected mode:", "32-bit:"] {
        if let Some(rest) = words.strip_prefix(prefix) {
            words = rest.trim().to_owned();
        }
    }
    if let Some(rest) = words.strip_suffix(" in ring 3") {
        draft.in_ring_3 = true;
        words = rest.to_owned();
    }
    if note.contains("in-kernel") {
        draft.settings.push_str(" irqchip");
    }
    for statement in words.split(';').flat_map(|part| part.split(" then ")).map(str::trim) {
        if !statement.is_empty() {
            draft.statement(mode, statement, &note)?;
        }
    }
    if draft.body.is_empty() || draft.in_ring_3 && mode != Mode::Long {
        return Err(Unknown(format!("the sequence '{text}' is not known")));
    }
    Ok(draft.write(mode, text))
}

/// What stands in parentheses at the end.
fn split_note(text: &str) -> (&str, String) {
    match text.trim().strip_suffix(')').and_then(|rest| rest.rsplit_once('(')) {
        Some((words, note)) => (words.trim(), note.trim().to_owned()),
        None => (text.trim(), String::new()),
    }
}

impl Draft {
    fn statement(&mut self, mode: Mode, statement: &str, note: &str) -> Result<(), Unknown> {
        let memory = if mode == Mode::Real { "[0x600]" } else { "[0x100000]" };
        let (name, rest) = statement.split_once(' ').unwrap_or((statement, ""));
        match (name, rest) {
            ("rdmsr", msr) if !msr.is_empty() => {
                self.prepare.push(format!("mov ecx, {:#x}", msr_number(msr)?));
                self.body.push("rdmsr".to_owned());
            }
            ("wrmsr", msr) if !msr.is_empty() => {
                self.prepare.extend([
                    format!("mov ecx, {:#x}", msr_number(msr)?),
                    "rdmsr".into(),
                    "mov ebx, eax".into(),
                ]);
                self.body.extend(["mov eax, ebx".to_owned(), "wrmsr".to_owned()]);
            }
            ("sgdt" | "sidt" | "invlpg", "") => self.body.push(format!("{name} {memory}")),
            ("lgdt" | "lidt", "") => {
                self.prepare.push(format!("s{} {memory}", &name[1..]));
                self.body.push(format!("{name} {memory}"));
            }
            ("str" | "sldt" | "smsw", "") if mode == Mode::Long => self.body.push(format!("{name} rax")),
            ("str" | "sldt" | "smsw", "") => self.body.push(format!("{name} ax")),
            ("lmsw", "") => {
                self.prepare.push("smsw ax".to_owned());
                self.body.push("lmsw ax".to_owned());
            }
            ("touch", _) => self.body.push(format!("add dword ptr {memory}, 1")),
            ("rep", _) => self.string(rest, memory)?,
            ("rdpmc", _) => {
                self.prepare.push(format!("mov ecx, {}", if rest.is_empty() { "0" } else { rest }));
                self.body.push("rdpmc".to_owned());
            }
            ("xgetbv", "") => {
                self.prepare.push("mov ecx, 0".to_owned());
                self.body.push("xgetbv".to_owned());
            }
            ("xsetbv", "") => {
                self.prepare.extend(["mov ecx, 0".to_owned(), "xgetbv".to_owned()]);
                self.body.push("xsetbv".to_owned());
            }
            ("cpuid", "") => self.body.extend(["xor eax, eax".to_owned(), "cpuid".to_owned()]),
            ("mov", operands) => self.mov(operands, note),
            ("in" | "out" | "insb" | "insw" | "insd" | "outsb" | "outsw" | "outsd", _) => {
                self.prepare.push("mov dx, 0x560".to_owned());
                if name.starts_with("ins") || name.starts_with("outs") {
                    self.strings_at(memory);
                }
                self.body.push(statement.to_owned());
            }
            _ => self.body.push(statement.to_owned()),
        }
        Ok(())
    }

    fn strings_at(&mut self, memory: &str) {
        let address = memory.trim_matches(['[', ']']);
        self.prepare.push(format!("add dword ptr {memory}, 0"));
        let registers = if memory == "[0x600]" { ["si", "di"] } else { ["esi", "edi"] };
        self.body.extend(registers.map(|register| format!("mov {register}, {address}")));
    }

    /// `outsb of 8 bytes`.
    fn string(&mut self, rest: &str, memory: &str) -> Result<(), Unknown> {
        let (name, count) = rest.split_once(" of ").unwrap_or((rest, "8 bytes"));
        let bytes: u32 = count
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| Unknown(format!("'{count}' is no number of bytes")))?;
        let size = match name.chars().last() {
            Some('w') => 2,
            Some('d') => 4,
            _ => 1,
        };
        self.prepare.push("mov dx, 0x560".to_owned());
        self.strings_at(memory);
        self.body.push(format!("mov {}, {}", if memory == "[0x600]" { "cx" } else { "ecx" }, bytes / size));
        self.body.push(format!("rep {name}"));
        Ok(())
    }

    /// MOV to a control or debug register writes what it held, or what the note says.
    fn mov(&mut self, operands: &str, note: &str) {
        let (target, source) = operands.split_once(',').map_or((operands, ""), |(a, b)| (a.trim(), b.trim()));
        let is_control = target.starts_with("cr") && target.len() == 3;
        let is_debug = target.starts_with("dr") && target.len() == 3;
        if is_control && target == "cr8" && note.contains("changing") {
            self.prepare.push(format!("mov {source}, 1"));
            self.body.push(format!("xor {source}, 3"));
        } else if is_control || is_debug {
            match note.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
                Some(value) => self.prepare.push(format!("mov {source}, {value:#x}")),
                None if is_debug => {
                    self.prepare.push(format!("mov {source}, {}", if target == "dr7" { "0x400" } else { "0" }))
                }
                None => self.prepare.push(format!("mov {source}, {target}")),
            }
            if let Some(bit) = note.split_once(" toggled").and_then(|(name, _)| control_bit(target, name)) {
                self.body.push(format!("xor {source}, {bit:#x}"));
            }
        }
        // A data segment is loaded with a selector that is good.
        if ["ds", "es", "fs", "gs"].contains(&target) {
            self.body.push(format!("mov {source}, 0x10"));
        }
        self.body.push(format!("mov {operands}"));
    }

    /// The program in the words of the assembler.
    fn write(&self, mode: Mode, text: &str) -> String {
        let last = self.body.last().map_or("nop", String::as_str);
        let length = instruction(last, mode.code_size()).map_or(0, |instruction| instruction.bytes);
        let name = match mode {
            Mode::Long => "long",
            Mode::Protected => "protected",
            Mode::Real => "real",
        };
        let mut program = String::new();
        let _ = writeln!(program, "@ {name}{}: {text}", self.settings);
        if mode == Mode::Long {
            // How much the handlers leave out of what faults; the word of memory is warm.
            let _ = writeln!(program, "mov r15, {length}; add qword ptr [0x100000], 0");
        }
        let _ = writeln!(program, "{}", self.prepare.join("; "));
        if self.in_ring_3 {
            program
                .push_str("mov r12, outside; push 0x23; push 0xe000; push 0x2; push 0x2b; mov rax, inside; push rax\n");
            let _ = writeln!(program, "begin\niretq\ninside:\nrepeat {REPETITIONS}: {}", self.body.join("; "));
            program.push_str("int 0x81\noutside:\nfinish\n");
        } else {
            let _ = writeln!(program, "begin\nrepeat {REPETITIONS}: {}\nfinish", self.body.join("; "));
        }
        program
    }
}

/// A bit of CR0 or CR4 by name.
fn control_bit(register: &str, name: &str) -> Option<u64> {
    match register {
        "cr0" => Cr0::from_name(name).map(|bit| bit.bits()),
        "cr4" => Cr4::from_name(name).map(|bit| bit.bits()),
        _ => None,
    }
}

/// The number of a model-specific register by its name, or as it is written.
fn msr_number(words: &str) -> Result<u32, Unknown> {
    let name = words.trim().to_ascii_uppercase();
    let plain = name.trim_start_matches("MSR_").trim_start_matches("IA32_");
    if let Some(msr) = Msr::ALL.iter().find(|msr| msr.name() == Some(plain)) {
        return Ok(msr.0);
    }
    let more = [
        ("TSC_ADJUST", 0x3b),
        ("SPEC_CTRL", 0x48),
        ("MTRRCAP", 0xfe),
        ("MCG_CAP", 0x179),
        ("MCG_STATUS", 0x17a),
        ("MTRR_DEF_TYPE", 0x2ff),
        ("SYSCALL_MASK", 0xc000_0084),
        ("SFMASK", 0xc000_0084),
    ];
    if let Some((_, number)) = more.iter().find(|(known, _)| *known == plain) {
        return Ok(*number);
    }
    let hex = plain.strip_prefix("0X").unwrap_or(plain);
    u32::from_str_radix(hex, 16).map_err(|_| Unknown(format!("there is no register '{words}'")))
}

#[cfg(test)]
mod tests {
    use super::super::guest;
    use super::super::machine::{Column, run};
    use super::*;

    /// Exits of a sequence in words, in the four columns.
    fn exits(mode: Mode, text: &str) -> Vec<String> {
        let guest = guest();
        let (code, sequence) = find(&guest, mode, text).expect("words that mean something");
        let one = |column: Column| {
            let counts = run(&code, &sequence, column).expect("the model can run it");
            let list = |counts: &std::collections::BTreeMap<String, u32>| {
                counts.iter().map(|(reason, count)| format!("{reason}={count}")).collect::<Vec<_>>().join(" ")
            };
            format!("{}|{}", list(&counts.exits), list(&counts.to_user_space))
        };
        Column::ALL.map(one).to_vec()
    }

    #[test]
    fn words_that_are_instructions_are_run() {
        assert_eq!(exits(Mode::Long, "cli; nop; sti"), ["|"; 4]);
        assert_eq!(exits(Mode::Long, "rdmsr CSTAR"), ["|", "|", "MSR_READ=16|", "MSR_READ=16|"]);
        assert_eq!(
            exits(Mode::Real, "real mode: in al, 0x71"),
            ["io=16|io=16", "io=16|io=16", "IO_INSTRUCTION=16|io=16", "IO_INSTRUCTION=16|io=16"]
        );
        assert_eq!(exits(Mode::Long, "wbinvd in ring 3 (guest takes #GP)"), ["|"; 4]);
        assert_eq!(exits(Mode::Long, "mov cr4, rax (TSD toggled)"), ["write_cr4=16|", "write_cr4=16|", "|", "|"]);
        assert_eq!(exits(Mode::Long, "rep outsw of 4 bytes")[0], "io=48|io=32");
    }

    #[test]
    fn other_words_say_nothing() {
        let guest = guest();
        for text in ["", "guest does something else", "rdmsr NOTHING", "hlr; cli", "(same value)"] {
            assert!(find(&guest, Mode::Long, text).is_err(), "{text}");
        }
    }
}
