//! Reads instructions in Intel syntax: `cli; mov cr3, rax; out 0x60, al; syscall { swapgs; sysret }`.
//!
//! Instructions are separated by `;` or line ends; `#` begins a comment. What stands in braces after an instruction
//! that enters the kernel is what the kernel's handler does. A name in brackets (`[mem]`) is a place in memory of its
//! own, [`NAME_SIZE`] bytes long; the first name of a program is at [`NAMES_BASE`]. `again: dec rcx; jnz again` jumps to
//! a label; the first instruction is at [`CODE_BASE`], and each is as long as its row says.

use super::grammar::{Written, operands};
use super::syntax::{is_of_kind, register, split};
use super::{Instruction, Opcode, Operand, Register, Rep, TABLE, Width};
use crate::cpu::segment::SegmentRegister;
use std::collections::BTreeMap;
use thiserror::Error;
use winnow::Parser;

/// Linear address of the first named place in memory.
pub const NAMES_BASE: u64 = 0x5000;
/// Where the first instruction of a program is.
pub const CODE_BASE: u64 = 0x1000;
/// How many bytes lie between two named places.
pub const NAME_SIZE: u64 = 64;
/// How many instructions one program may have.
pub const LINES_MAX: usize = 4096;
/// How deep handlers may lie in each other.
const DEPTH_MAX: usize = 8;

/// An instruction, and what the kernel that it enters does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The instruction.
    pub instruction: Instruction,
    /// The handler, where one was written.
    pub handler: Option<Vec<Line>>,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Program {
    /// The instructions in their order.
    pub lines: Vec<Line>,
    /// The named places in memory, in the order of their addresses.
    pub names: Vec<String>,
    /// The labels with their addresses.
    pub labels: BTreeMap<String, u64>,
}

/// What is wrong with a program.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{what}, at character {position}: {hint}")]
pub struct ParseError {
    /// What is wrong, with the text concerned.
    pub what: String,
    /// Where: characters from 1.
    pub position: usize,
    /// What to do.
    pub hint: String,
}

/// Reads a program.
///
/// # Errors
/// The first thing that is wrong, with its place and what to do.
pub fn parse(text: &str) -> Result<Program, ParseError> {
    // Twice: a jump may go to a label that stands further on.
    let first = Reader::new(text, None).program()?;
    Reader::new(text, Some(first.labels)).program()
}

struct Reader<'t> {
    text: &'t str,
    position: usize,
    names: Vec<String>,
    count: usize,
    /// Where the next instruction is.
    address: u64,
    labels: BTreeMap<String, u64>,
    /// All labels, once they are known.
    known: Option<BTreeMap<String, u64>>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, known: Option<BTreeMap<String, u64>>) -> Reader<'t> {
        let labels = BTreeMap::new();
        Reader { text, position: 0, names: Vec::new(), count: 0, address: CODE_BASE, labels, known }
    }

    fn program(mut self) -> Result<Program, ParseError> {
        let lines = self.lines(0)?;
        Ok(Program { lines, names: self.names, labels: self.labels })
    }

    fn error(&self, at: usize, what: impl Into<String>, hint: impl Into<String>) -> ParseError {
        let position = self.text[..at].chars().count() + 1;
        ParseError { what: what.into(), position, hint: hint.into() }
    }

    /// Instructions up to the end, or to the brace that closes a handler.
    fn lines(&mut self, depth: usize) -> Result<Vec<Line>, ParseError> {
        let mut lines: Vec<Line> = Vec::new();
        loop {
            let start = self.position;
            let rest = &self.text[start..];
            let length = rest.find([';', '\n', '{', '}', '#']).unwrap_or(rest.len());
            let statement = &rest[..length];
            self.position += length;
            let (start, statement) = self.label(start, statement)?;
            if !statement.trim().is_empty() {
                if self.count == LINES_MAX {
                    return Err(self.error(
                        start,
                        "too many instructions",
                        format!("a program has at most {LINES_MAX}"),
                    ));
                }
                self.count += 1;
                let instruction = self.instruction(start, statement)?;
                self.address += instruction.length();
                lines.push(Line { instruction, handler: None });
            }
            let Some(end) = self.text[self.position..].chars().next() else {
                return match depth {
                    0 => Ok(lines),
                    _ => Err(self.error(self.position, "a handler is not closed", "close it with }")),
                };
            };
            match end {
                '#' => {
                    let rest = &self.text[self.position..];
                    self.position += rest.find('\n').unwrap_or(rest.len());
                }
                '{' => self.handler(&mut lines, depth)?,
                '}' if depth > 0 => return Ok(lines),
                '}' => return Err(self.error(self.position, "} without {", "leave it out")),
                _ => self.position += 1,
            }
        }
    }

    /// Takes the label off the front of a statement.
    fn label(&mut self, start: usize, statement: &'t str) -> Result<(usize, &'t str), ParseError> {
        let Some((name, rest)) = statement.split_once(':') else { return Ok((start, statement)) };
        let label = name.trim().to_ascii_lowercase();
        let is_name = label.starts_with(|c: char| c.is_ascii_lowercase() || c == '_' || c == '.')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        if !is_name || register(&label).is_some() {
            return Ok((start, statement));
        }
        if self.labels.insert(label, self.address).is_some() {
            return Err(self.error(start, format!("there are two labels '{}'", name.trim()), "give them two names"));
        }
        Ok((start + name.len() + 1, rest))
    }

    fn handler(&mut self, lines: &mut [Line], depth: usize) -> Result<(), ParseError> {
        let at = self.position;
        if depth == DEPTH_MAX {
            return Err(self.error(at, "handlers too deep in each other", format!("{DEPTH_MAX} are the most")));
        }
        self.position += 1;
        let handler = self.lines(depth + 1)?;
        self.position += 1;
        match lines.last_mut() {
            Some(line) if line.handler.is_none() => line.handler = Some(handler),
            _ => return Err(self.error(at, "{ without an instruction", "write the handler after what enters it")),
        }
        Ok(())
    }

    fn instruction(&mut self, start: usize, statement: &'t str) -> Result<Instruction, ParseError> {
        let start = start + (statement.len() - statement.trim_start().len());
        let text = statement.trim();
        let lower = text.to_ascii_lowercase();
        let (rep, body_at) = match REPEATS.iter().find(|prefix| first_word(&lower) == **prefix) {
            Some(prefix) => {
                (Some(Rep), prefix.len() + (lower[prefix.len()..].len() - lower[prefix.len()..].trim_start().len()))
            }
            None => (None, 0),
        };
        let body = &lower[body_at..];
        let mnemonic = first_word(body);
        let rows: Vec<&super::Row> =
            TABLE.iter().filter(|row| row.syntax.iter().any(|syntax| stem(syntax) == mnemonic)).collect();
        if rows.is_empty() {
            return Err(self.unknown(start + body_at, mnemonic));
        }
        let operands_at = mnemonic.len() + body[mnemonic.len()..].len() - body[mnemonic.len()..].trim_start().len();
        let written = &body[operands_at..];
        let written: Vec<Written> = if written.is_empty() {
            Vec::new()
        } else {
            operands.parse(written).map_err(|error| {
                let at = (start + body_at + operands_at + error.offset()).min(self.text.len());
                let rest: String = written[error.offset()..].chars().take(16).collect();
                let what = if rest.is_empty() {
                    "an operand is missing".to_owned()
                } else {
                    format!("'{rest}' is no operand")
                };
                self.error(at, what, format!("{} takes {}", mnemonic, ways(&rows, mnemonic)))
            })?
        };
        let place = start + body_at + operands_at;
        let label = written.iter().find_map(|operand| match operand {
            Written::Label(label) => Some(label.clone()),
            _ => None,
        });
        let operands: Vec<Operand> =
            written.into_iter().map(|operand| self.resolve(operand, place)).collect::<Result<_, _>>()?;
        let opcode = rows.iter().find(|row| row.syntax.iter().any(|syntax| fits(syntax, mnemonic, &operands)));
        let Some(row) = opcode else {
            if let Some(label) = label {
                let hint = format!("{mnemonic} takes {}", ways(&rows, mnemonic));
                return Err(self.error(place, format!("'{label}' is no register here"), hint));
            }
            let hint = format!("{mnemonic} takes {}", ways(&rows, mnemonic));
            return Err(self.error(start, format!("'{text}' has other operands than {mnemonic} takes"), hint));
        };
        let instruction = Instruction {
            opcode: row.opcode,
            text: text.to_owned(),
            mnemonic: mnemonic.to_owned(),
            operands,
            rep,
            bytes: row.length + u8::from(rep.is_some()),
        };
        self.check(start, instruction)
    }

    /// What the kinds of operands leave open: widths that agree, and where a repeat prefix may stand.
    fn check(&self, start: usize, instruction: Instruction) -> Result<Instruction, ParseError> {
        if instruction.rep.is_some() && !matches!(instruction.opcode, Opcode::Ins | Opcode::Outs) {
            return Err(self.error(
                start,
                format!("'{}' cannot be repeated", instruction.text),
                "rep goes with insb, insw, insd, outsb, outsw, outsd",
            ));
        }
        if matches!(instruction.opcode, Opcode::MovToSegment)
            && instruction.operands.first() == Some(&Operand::Register(Register::Segment(SegmentRegister::Cs)))
        {
            return Err(self.error(start, "CS cannot be loaded by mov", "use a far jmp or call, or retf"));
        }
        let widths: Vec<Width> = instruction.operands.iter().filter_map(general_width).collect();
        let agrees = widths.windows(2).all(|pair| pair[0] == pair[1]);
        if !agrees && WIDTHS_AGREE.contains(&instruction.opcode) {
            let what = format!("the operands of '{}' differ in width", instruction.text);
            return Err(self.error(start, what, "write registers of one width, for instance rax and rbx"));
        }
        Ok(instruction)
    }

    fn unknown(&self, at: usize, mnemonic: &str) -> ParseError {
        let mut close: Vec<&str> = TABLE
            .iter()
            .flat_map(|row| row.syntax)
            .map(|syntax| stem(syntax))
            .filter(|name| distance(name, mnemonic) <= 1 || mnemonic.len() > 2 && name.starts_with(mnemonic))
            .collect();
        close.dedup();
        close.truncate(4);
        let hint = match close.is_empty() {
            false => format!("did you mean {}?", close.join(", ")),
            true => "`ringside insn --list` shows all instructions".to_owned(),
        };
        self.error(at, format!("there is no instruction '{mnemonic}' here"), hint)
    }

    fn resolve(&mut self, written: Written, at: usize) -> Result<Operand, ParseError> {
        Ok(match written {
            Written::Plain(operand) => operand,
            Written::Label(label) => match &self.known {
                None => Operand::Immediate(0),
                Some(known) => match known.get(&label) {
                    Some(address) => Operand::Immediate(*address),
                    None => {
                        let hint = format!("write [{label}] for a place in memory, or {label}: before an instruction");
                        return Err(self.error(at, format!("'{label}' is no register and no label"), hint));
                    }
                },
            },
            Written::Memory { mut memory, name: Some(name) } => {
                let number = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    self.names.push(name);
                    self.names.len() - 1
                });
                memory.name = u16::try_from(number).ok();
                let address = NAMES_BASE + NAME_SIZE * number as u64;
                memory.displacement = memory.displacement.wrapping_add(address as i64);
                Operand::Memory(memory)
            }
            Written::Memory { memory, name: None } => Operand::Memory(memory),
        })
    }
}

const REPEATS: [&str; 5] = ["rep", "repe", "repz", "repne", "repnz"];

const WIDTHS_AGREE: [Opcode; 9] = [
    Opcode::Mov,
    Opcode::Xchg,
    Opcode::Add,
    Opcode::Sub,
    Opcode::And,
    Opcode::Or,
    Opcode::Xor,
    Opcode::Cmp,
    Opcode::Test,
];

fn general_width(operand: &Operand) -> Option<Width> {
    match operand {
        Operand::Register(Register::General { width, .. }) => Some(*width),
        Operand::Memory(memory) => memory.width,
        _ => None,
    }
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\t', '[', ',']).next().unwrap_or(text)
}

fn stem(syntax: &'static str) -> &'static str {
    split(syntax).0
}

fn fits(syntax: &'static str, mnemonic: &str, operands: &[Operand]) -> bool {
    let (name, kinds) = split(syntax);
    let kinds: Vec<&str> = kinds.collect();
    name == mnemonic
        && kinds.len() == operands.len()
        && kinds.iter().zip(operands).all(|(kind, operand)| is_of_kind(operand, kind))
}

fn ways(rows: &[&super::Row], mnemonic: &str) -> String {
    let ways: Vec<&str> =
        rows.iter().flat_map(|row| row.syntax).copied().filter(|syntax| stem(syntax) == mnemonic).collect();
    format!(
        "`{}` (r register, m memory, i number, sreg/cr/dr segment, control or debug register, acc al/ax/eax)",
        ways.join("`, `")
    )
}

/// How many letters differ, as far as 2.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 1 {
        return 2;
    }
    let same_before = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let same_after = a.bytes().rev().zip(b.bytes().rev()).take_while(|(x, y)| x == y).count();
    a.len().max(b.len()).saturating_sub(same_before + same_after)
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;
    use crate::cpu::General;

    fn opcodes(text: &str) -> Vec<Opcode> {
        parse(text).expect("a program").lines.iter().map(|line| line.instruction.opcode).collect()
    }

    fn refused(text: &str) -> String {
        parse(text).expect_err("no program").to_string()
    }

    #[test]
    fn moves_are_told_apart_by_their_operands() {
        use Opcode::*;
        assert_eq!(
            opcodes("mov cr3, rax; mov rax, cr3; mov dr7, rax; mov ss, ax; mov ax, cs; mov rax, [mem]; mov [mem], 5"),
            [MovToCr, MovFromCr, MovToDr, MovToSegment, MovFromSegment, Mov, Mov]
        );
    }

    #[test]
    fn ports_strings_and_gates() {
        use Opcode::*;
        assert_eq!(
            opcodes("in al, 0x60; out 60h, al; out dx, eax; rep outsb; int 0x80; call 0x50:0; RETFQ; iretq"),
            [In, Out, Out, Outs, Int, CallFar, RetFar, Iret]
        );
    }

    #[test]
    fn a_memory_operand_has_all_its_parts() {
        let program = parse("mov rax, qword ptr fs:[rbx + rcx*4 - 8]").expect("a program");
        assert_eq!(
            program.lines[0].instruction.operands[1],
            Operand::Memory(Memory {
                segment: Some(SegmentRegister::Fs),
                base: Some(General::Rbx),
                index: Some((General::Rcx, 4)),
                displacement: -8,
                width: Some(Width::Qword),
                name: None
            })
        );
    }

    #[test]
    fn a_name_is_a_place_in_memory() {
        let program = parse("lgdt [new_gdt]; sgdt [old]; lgdt [new_gdt + 8]").expect("a program");
        assert_eq!(program.names, ["new_gdt", "old"]);
        let Operand::Memory(memory) = program.lines[2].instruction.operands[0] else { panic!("not memory") };
        assert_eq!(memory.displacement as u64, NAMES_BASE + 8);
    }

    #[test]
    fn a_handler_stands_in_braces() {
        let program = parse("syscall { swapgs; sysretq }; hlt # and wait").expect("a program");
        assert_eq!(program.lines.len(), 2);
        assert_eq!(program.lines[0].handler.as_ref().map(Vec::len), Some(2));
    }

    #[test]
    fn a_jump_goes_to_a_label() {
        let program = parse("mov rcx, 3; again: dec rcx; jnz again; jmp done; nop; done: hlt").expect("a program");
        assert_eq!(program.labels["again"], CODE_BASE + 3);
        assert_eq!(program.lines[3].instruction.operands, [Operand::Immediate(program.labels["done"])]);
    }

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        assert_eq!(refused("cli; hlr"), "there is no instruction 'hlr' here, at character 6: did you mean hlt?");
        assert!(
            refused("mov cr3, 5")
                .starts_with("'mov cr3, 5' has other operands than mov takes, at character 1: mov takes `mov ")
        );
        assert!(refused("mov rax, [rbx").starts_with("an operand is missing, at character 14"));
        assert!(refused("out 0x60, rax").contains("out takes `out i, acc`"));
        assert_eq!(
            refused("mov eax, rbx"),
            "the operands of 'mov eax, rbx' differ in width, at character 1: write registers of one width, for instance rax and rbx"
        );
        assert!(refused("mov cr1, rax").starts_with("'cr1' is no register here, at character 5: mov takes `mov "));
        assert!(refused("jmp away").starts_with("'away' is no register and no label, at character 5: write [away]"));
        assert_eq!(refused("syscall { cli"), "a handler is not closed, at character 14: close it with }");
    }
}
