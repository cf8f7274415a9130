//! How many bytes an instruction has: the shortest encoding, as an assembler chooses it.
//!
//! Where code lies matters to whoever counts page faults: a sequence that runs on into the next page touches it. Source:
//! Intel SDM vol. 2 (June 2016), chapter 2 "Instruction Format" and the pages of the instructions; what is chosen among
//! several encodings is what the GNU assembler chooses.

use super::{Instruction, Memory, Opcode, Operand, Register, Width};
use crate::cpu::register::General;

/// The size of code: what CS says (D and L).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CodeSize {
    /// Real mode, or a 16-bit segment.
    Bits16,
    /// A 32-bit segment.
    Bits32,
    /// 64-bit mode.
    Bits64,
}

/// The length of an instruction in code of a size.
#[must_use]
pub fn length(instruction: &Instruction, size: CodeSize) -> u8 {
    let encoder = Encoder { instruction, size };
    encoder.prefixes() + encoder.body()
}

struct Encoder<'a> {
    instruction: &'a Instruction,
    size: CodeSize,
}

impl Encoder<'_> {
    fn operand(&self, at: usize) -> Option<Operand> {
        self.instruction.operands.get(at).copied()
    }

    /// The width of the operands: a register's, or the one that was written.
    fn width(&self) -> Option<Width> {
        self.instruction.operands.iter().find_map(|operand| match operand {
            Operand::Register(Register::General { width, .. }) => Some(*width),
            Operand::Memory(memory) => memory.width,
            _ => None,
        })
    }

    /// The width of an instruction that names none.
    fn default_width(&self) -> Width {
        if self.size == CodeSize::Bits16 { Width::Word } else { Width::Dword }
    }

    /// REP, 66h, 67h and REX.
    fn prefixes(&self) -> u8 {
        let repeat = u8::from(self.instruction.rep.is_some());
        repeat + u8::from(self.has_operand_size_prefix()) + u8::from(self.has_rex()) + self.other_prefixes()
    }

    fn other_prefixes(&self) -> u8 {
        let memory = self.instruction.operands.iter().find_map(|operand| match operand {
            Operand::Memory(memory) => Some(*memory),
            _ => None,
        });
        u8::from(memory.is_some_and(|memory| memory.segment.is_some()))
    }

    /// Whether the width of the operands is that of the instruction, for the prefixes.
    fn is_sized(&self) -> bool {
        use Opcode::*;
        !matches!(
            self.instruction.opcode,
            MovToCr
                | MovFromCr
                | MovToDr
                | MovFromDr
                | MovToSegment
                | Lgdt
                | Lidt
                | Sgdt
                | Sidt
                | Ltr
                | Lldt
                | Lmsw
                | Str
                | Sldt
                | Invlpg
                | Invpcid
                | Invept
                | Invvpid
                | Vmread
                | Vmwrite
                | Call
                | Jmp
        )
    }

    fn sized_width(&self) -> Option<Width> {
        if let Some(width) = self.instruction.width_suffix() {
            return Some(width);
        }
        match self.instruction.opcode {
            // The port is in DX or in the instruction; the width is that of the accumulator.
            Opcode::In => self.operand(0).and_then(general_width),
            Opcode::Out => self.operand(1).and_then(general_width),
            _ if self.is_sized() => self.width(),
            _ => None,
        }
    }

    fn has_operand_size_prefix(&self) -> bool {
        matches!(
            (self.size, self.sized_width()),
            (CodeSize::Bits16, Some(Width::Dword)) | (CodeSize::Bits32 | CodeSize::Bits64, Some(Width::Word))
        )
    }

    fn has_rex(&self) -> bool {
        use Opcode::*;
        if self.size != CodeSize::Bits64 {
            return false;
        }
        let is_64_by_default = matches!(self.instruction.opcode, Push | Pop | Pushf | Popf);
        let wide = self.sized_width() == Some(Width::Qword) && !is_64_by_default;
        let is_high = |register: General| register.number() >= 8;
        wide || self.instruction.operands.iter().any(|operand| match operand {
            Operand::Register(Register::General { register, width, is_high: high_byte }) => {
                is_high(*register) || *width == Width::Byte && !high_byte && (4..8).contains(&register.number())
            }
            Operand::Register(Register::Control(register)) => register.number() >= 8,
            Operand::Memory(memory) => {
                memory.base.is_some_and(is_high) || memory.index.is_some_and(|(index, _)| is_high(index))
            }
            _ => false,
        })
    }

    /// Opcode, ModRM, SIB, displacement and immediate.
    fn body(&self) -> u8 {
        use Opcode::*;
        match self.instruction.opcode {
            Add | Sub | And | Or | Xor | Cmp | Test => self.arithmetic(),
            Mov => self.mov(),
            Push => self.push(),
            Pop => match self.operand(0) {
                Some(Operand::Memory(memory)) => 1 + self.memory(&memory),
                _ => 1,
            },
            PushSegment | PopSegment => match self.operand(0) {
                Some(Operand::Register(Register::Segment(segment))) if segment as u8 >= 4 => 2,
                _ => 1,
            },
            Inc | Dec if self.size != CodeSize::Bits64 && self.width() != Some(Width::Byte) && self.is_register(0) => 1,
            Inc | Dec | Not | Neg | Div | Lea | Xchg | MovToSegment | MovFromSegment => 1 + self.modrm(),
            Shl | Shr => 1 + self.modrm() + u8::from(self.operand(1) != Some(Operand::Immediate(1))),
            Sgdt | Sidt | Lgdt | Lidt | Sldt | Str | Smsw | Lmsw | Ltr | Lldt | Invlpg | Lar | Lsl | Verr | Verw => {
                2 + self.modrm()
            }
            In | Out => 1 + u8::from(self.instruction.operands.iter().any(|o| matches!(o, Operand::Immediate(_)))),
            Ins | Outs | Iret | Pushf | Popf | RetFar => 1,
            Call if !self.is_immediate(0) => 1 + self.modrm(),
            Jmp if !self.is_immediate(0) => 1 + self.modrm(),
            Call => {
                if self.size == CodeSize::Bits16 {
                    3
                } else {
                    5
                }
            }
            // Near enough for one byte.
            Jmp => 2,
            opcode => opcode.row().length,
        }
    }

    fn is_register(&self, at: usize) -> bool {
        matches!(self.operand(at), Some(Operand::Register(_)))
    }

    fn is_immediate(&self, at: usize) -> bool {
        matches!(self.operand(at), Some(Operand::Immediate(_)))
    }

    /// ModRM with what belongs to it.
    fn modrm(&self) -> u8 {
        let memory = self.instruction.operands.iter().find_map(|operand| match operand {
            Operand::Memory(memory) => Some(*memory),
            _ => None,
        });
        memory.map_or(1, |memory| self.memory(&memory))
    }

    fn memory(&self, memory: &Memory) -> u8 {
        let full = match self.size {
            CodeSize::Bits16 => 2,
            _ => 4,
        };
        let Some(base) = memory.base else {
            // Without a base, 64-bit mode needs a SIB byte, as ModRM alone is relative to RIP.
            let sib = u8::from(self.size == CodeSize::Bits64 || memory.index.is_some());
            return 1 + sib + full;
        };
        let low = base.number() & 7;
        let sib = u8::from(self.size != CodeSize::Bits16 && (memory.index.is_some() || low == 4));
        let displacement = match memory.displacement {
            0 if low != 5 => 0,
            value if i8::try_from(value).is_ok() => 1,
            _ => full,
        };
        1 + sib + displacement
    }

    /// Bytes of an immediate of a width: at most four.
    fn immediate(width: Width) -> u8 {
        width.bytes().min(4)
    }

    fn arithmetic(&self) -> u8 {
        let width = self.width().unwrap_or(self.default_width());
        let Some(Operand::Immediate(value)) = self.operand(1) else { return 1 + self.modrm() };
        let is_accumulator = matches!(
            self.operand(0),
            Some(Operand::Register(Register::General { register: General::Rax, is_high: false, .. }))
        );
        if width != Width::Byte && self.instruction.opcode != Opcode::Test && is_small(value, width) {
            return 1 + self.modrm() + 1;
        }
        let immediate = Self::immediate(width);
        if is_accumulator { 1 + immediate } else { 1 + self.modrm() + immediate }
    }

    fn mov(&self) -> u8 {
        let width = self.width().unwrap_or(self.default_width());
        match (self.operand(0), self.operand(1)) {
            (Some(Operand::Register(_)), Some(Operand::Immediate(value))) => match width {
                Width::Qword if i32::try_from(value as i64).is_ok() => 2 + 4,
                width => 1 + width.bytes(),
            },
            (Some(Operand::Memory(memory)), Some(Operand::Immediate(_))) => {
                1 + self.memory(&memory) + Self::immediate(width)
            }
            // The accumulator and an address have an opcode of their own, which in 64-bit mode takes eight bytes.
            (Some(Operand::Memory(memory)), Some(Operand::Register(register)))
            | (Some(Operand::Register(register)), Some(Operand::Memory(memory)))
                if self.size != CodeSize::Bits64
                    && memory.base.is_none()
                    && memory.index.is_none()
                    && matches!(register, Register::General { register: General::Rax, is_high: false, .. }) =>
            {
                if self.size == CodeSize::Bits16 { 3 } else { 5 }
            }
            _ => 1 + self.modrm(),
        }
    }

    fn push(&self) -> u8 {
        match self.operand(0) {
            Some(Operand::Immediate(value)) if is_small(value, Width::Qword) => 2,
            Some(Operand::Immediate(_)) => {
                if self.size == CodeSize::Bits16 {
                    3
                } else {
                    5
                }
            }
            Some(Operand::Memory(memory)) => 1 + self.memory(&memory),
            _ => 1,
        }
    }
}

fn general_width(operand: Operand) -> Option<Width> {
    match operand {
        Operand::Register(Register::General { width, .. }) => Some(width),
        _ => None,
    }
}

/// Whether a value of a width is a byte, extended by its sign.
fn is_small(value: u64, width: Width) -> bool {
    let bits = 64 - 8 * u32::from(width.bytes());
    i8::try_from((value << bits) as i64 >> bits).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn lengths(text: &str, size: CodeSize) -> Vec<u8> {
        parse(text).expect("a program").lines.iter().map(|line| length(&line.instruction, size)).collect()
    }

    #[test]
    fn lengths_are_those_of_the_assembler() {
        let program = "add qword ptr [0x100000], 1; mov rax, [rdi]; mov [rdi], eax; mov rcx, 0x10000; mov r12, 5; \
            mov cr8, rax; mov rax, cr8; mov cr3, rax; sgdt [0x100000]; invlpg [rdi]; str rax; ltr ax; xor rax, 0x10000; \
            xor rax, 8; mov byte ptr [0x8035], 0x89; push 0x202; push 2; iretq; out dx, ax; out dx, eax; rep outsb; \
            mov dword ptr [rdi], 0; mov [0x7000 + rax*8], rbx; and qword ptr [rsp + 16], -0x101; add [rsp], r15; jmp r12; \
            sysretq; inc ebx; div ecx; mov ds, ax";
        assert_eq!(
            lengths(program, CodeSize::Bits64),
            [9, 3, 2, 7, 7, 4, 4, 3, 8, 3, 3, 3, 6, 4, 8, 5, 2, 2, 2, 1, 2, 6, 8, 9, 4, 3, 3, 2, 2, 2]
        );
    }

    #[test]
    fn lengths_depend_on_the_size_of_the_code() {
        let program = "push ax; mov ax, [0x84]; add dword ptr [0x100000], 1; mov eax, 1; inc ecx; or eax, 0x80000000";
        assert_eq!(lengths(program, CodeSize::Bits16), [1, 3, 6, 6, 2, 6]);
        assert_eq!(lengths(program, CodeSize::Bits32), [2, 6, 7, 5, 1, 5]);
    }
}
