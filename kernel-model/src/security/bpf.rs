//! Classic BPF: the small machine that runs seccomp filters, as in `linux/filter.h`.
//!
//! An accumulator A, an index X, sixteen words of memory, and jumps that only go forward, so that every program
//! ends. [`Program::check`] is what the kernel demands before it takes one (`bpf_check_classic`,
//! `check_load_and_stores` and `seccomp_check_filter`); [`Program::run`] is the interpreter.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::errno::Errno;

/// The most instructions of one program (`BPF_MAXINSNS`).
pub const MAX_INSNS: usize = 4096;
/// Words of scratch memory (`BPF_MEMWORDS`).
const MEM_WORDS: usize = 16;

#[allow(missing_docs)] // the parts of an instruction's code in linux/bpf_common.h
pub mod op {
    pub const LD: u16 = 0x00;
    pub const LDX: u16 = 0x01;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const ALU: u16 = 0x04;
    pub const JMP: u16 = 0x05;
    pub const RET: u16 = 0x06;
    pub const MISC: u16 = 0x07;
    pub const IMM: u16 = 0x00;
    pub const ABS: u16 = 0x20;
    pub const MEM: u16 = 0x60;
    pub const LEN: u16 = 0x80;
    pub const K: u16 = 0x00;
    pub const X: u16 = 0x08;
    pub const A: u16 = 0x10;
    pub const ADD: u16 = 0x00;
    pub const SUB: u16 = 0x10;
    pub const MUL: u16 = 0x20;
    pub const DIV: u16 = 0x30;
    pub const OR: u16 = 0x40;
    pub const AND: u16 = 0x50;
    pub const LSH: u16 = 0x60;
    pub const RSH: u16 = 0x70;
    pub const NEG: u16 = 0x80;
    pub const XOR: u16 = 0xa0;
    pub const JA: u16 = 0x00;
    pub const JEQ: u16 = 0x10;
    pub const JGT: u16 = 0x20;
    pub const JGE: u16 = 0x30;
    pub const JSET: u16 = 0x40;
    pub const TAX: u16 = 0x00;
    pub const TXA: u16 = 0x80;
}

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Insn {
    /// What to do: a class and its modifiers from [`op`].
    pub code: u16,
    /// How many instructions to skip when a condition holds.
    pub jt: u8,
    /// How many when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl Insn {
    /// `BPF_STMT`.
    pub const fn stmt(code: u16, k: u32) -> Insn {
        Insn { code, jt: 0, jf: 0, k }
    }

    /// `BPF_JUMP`.
    pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Insn {
        Insn { code, jt, jf, k }
    }
}

/// A program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program(pub Arc<[Insn]>);

impl Program {
    /// What the kernel demands of a filter over `size` bytes of data.
    ///
    /// # Errors
    /// EINVAL: no or too many instructions, one that does not exist or that seccomp does not allow, a jump or an
    /// address outside, a shift of 32 or more, a division by 0, memory that is read before it is written, or no
    /// `BPF_RET` at the end.
    pub fn check(&self, size: u32) -> Result<(), Errno> {
        let insns = &self.0;
        if insns.is_empty() || insns.len() > MAX_INSNS {
            return Err(Errno::EINVAL);
        }
        let all_valid = insns.iter().enumerate().all(|(pc, insn)| is_valid(*insn, insns.len() - pc - 1, size));
        let returns = insns.last().is_some_and(|i| i.code & 7 == op::RET);
        if all_valid && returns && self.memory_is_written_first() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// No word of memory is read on any way before it was written on it (`check_load_and_stores`).
    fn memory_is_written_first(&self) -> bool {
        // Which words are valid on every way that leads to an instruction.
        let mut valid_at = vec![u16::MAX; self.0.len()];
        let mut valid = 0u16;
        for (pc, insn) in self.0.iter().enumerate() {
            valid &= valid_at[pc];
            let mut reaches = |distance: usize| {
                if let Some(at) = valid_at.get_mut(pc + 1 + distance) {
                    *at &= valid;
                }
            };
            match insn.code {
                c if c & 7 == op::ST || c & 7 == op::STX => valid |= 1 << insn.k,
                c if (c == op::LD | op::MEM || c == op::LDX | op::MEM) && valid & (1 << insn.k) == 0 => return false,
                c if c == op::JMP | op::JA => {
                    reaches(insn.k as usize);
                    valid = u16::MAX;
                }
                c if c & 7 == op::JMP => {
                    reaches(usize::from(insn.jt));
                    reaches(usize::from(insn.jf));
                    valid = u16::MAX;
                }
                _ => {}
            }
        }
        true
    }

    /// Runs over `data` (words in the machine's byte order). The value returned, and how many instructions it took.
    pub fn run(&self, data: &[u32]) -> (u32, u32) {
        let (mut a, mut x, mut mem) = (0u32, 0u32, [0u32; MEM_WORDS]);
        let (mut pc, mut steps) = (0usize, 0u32);
        while let Some(insn) = self.0.get(pc) {
            steps += 1;
            pc += 1;
            let k = insn.k;
            let operand = if insn.code & op::X != 0 { x } else { k };
            let word = mem.get(k as usize).copied().unwrap_or(0);
            match insn.code & 7 {
                op::LD | op::LDX => {
                    let value = match insn.code & 0xe0 {
                        op::ABS => data.get(k as usize / 4).copied().unwrap_or(0),
                        op::MEM => word,
                        op::LEN => 4 * data.len() as u32,
                        _ => k,
                    };
                    *(if insn.code & 7 == op::LD { &mut a } else { &mut x }) = value;
                }
                class @ (op::ST | op::STX) => {
                    if let Some(word) = mem.get_mut(k as usize) {
                        *word = if class == op::ST { a } else { x };
                    }
                }
                op::ALU => match alu(insn.code & 0xf0, a, operand) {
                    Some(value) => a = value,
                    // A division by 0 ends the program, which returns 0.
                    None => return (0, steps),
                },
                op::JMP if insn.code & 0xf0 == op::JA => pc += k as usize,
                op::JMP => {
                    let holds = match insn.code & 0xf0 {
                        op::JEQ => a == operand,
                        op::JGT => a > operand,
                        op::JGE => a >= operand,
                        _ => a & operand != 0,
                    };
                    pc += usize::from(if holds { insn.jt } else { insn.jf });
                }
                op::RET => return (if insn.code & 0x18 == op::A { a } else { k }, steps),
                _ if insn.code & 0xf8 == op::TXA => a = x,
                _ => x = a,
            }
        }
        (0, steps)
    }
}

/// A step of arithmetic; `None` for a division by 0.
fn alu(what: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match what {
        op::ADD => a.wrapping_add(operand),
        op::SUB => a.wrapping_sub(operand),
        op::MUL => a.wrapping_mul(operand),
        op::DIV => a.checked_div(operand)?,
        op::OR => a | operand,
        op::AND => a & operand,
        op::LSH => a.wrapping_shl(operand),
        op::RSH => a.wrapping_shr(operand),
        op::XOR => a ^ operand,
        _ => a.wrapping_neg(),
    })
}

/// Whether one instruction is allowed with `left` more behind it (`chk_code_allowed`, `seccomp_check_filter`).
fn is_valid(insn: Insn, left: usize, size: u32) -> bool {
    let Insn { code, jt, jf, k } = insn;
    match code & 7 {
        op::LD if code == op::LD | op::ABS => k & 3 == 0 && k < size,
        op::LD | op::LDX if code & 0xf8 == op::MEM => (k as usize) < MEM_WORDS,
        op::LD | op::LDX => matches!(code & 0xf8, op::IMM | op::LEN),
        op::ST | op::STX => code & 0xf8 == 0 && (k as usize) < MEM_WORDS,
        op::ALU if code & 0xf0 == op::NEG => code & op::X == 0,
        op::ALU => {
            let immediate = code & op::X == 0;
            match code & 0xf0 {
                op::DIV => !immediate || k != 0,
                op::LSH | op::RSH => !immediate || k < 32,
                op::ADD | op::SUB | op::MUL | op::OR | op::AND | op::XOR => code & 0xff00 == 0,
                _ => false,
            }
        }
        op::JMP if code == op::JMP | op::JA => (k as usize) < left,
        op::JMP => {
            matches!(code & 0xfff0, op::JEQ | op::JGT | op::JGE | op::JSET)
                && usize::from(jt) < left
                && usize::from(jf) < left
        }
        op::RET => code == op::RET | op::K || code == op::RET | op::A,
        _ => code == op::MISC | op::TAX || code == op::MISC | op::TXA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(insns: &[Insn]) -> Program {
        Program(insns.into())
    }

    const RETURN_A: Insn = Insn::stmt(op::RET | op::A, 0);

    #[test]
    fn arithmetic_and_memory() {
        let p = program(&[
            Insn::stmt(op::LD | op::IMM, 5),
            Insn::stmt(op::ST, 3),
            Insn::stmt(op::LDX | op::MEM, 3),
            Insn::stmt(op::ALU | op::MUL | op::X, 0),
            Insn::stmt(op::ALU | op::SUB | op::K, 26),
            Insn::stmt(op::ALU | op::NEG, 0),
            RETURN_A,
        ]);
        assert_eq!(p.check(64), Ok(()));
        assert_eq!(p.run(&[]), (1, 7));
        let by_zero = program(&[Insn::stmt(op::LD | op::IMM, 5), Insn::stmt(op::ALU | op::DIV | op::X, 0), RETURN_A]);
        assert_eq!(by_zero.check(64), Ok(()));
        assert_eq!(by_zero.run(&[]).0, 0);
        let length = program(&[Insn::stmt(op::LD | op::LEN, 0), RETURN_A]);
        assert_eq!(length.run(&[0; 16]).0, 64);
    }

    #[test]
    fn jumps_go_both_ways() {
        let p = program(&[
            Insn::stmt(op::LD | op::ABS, 4),
            Insn::jump(op::JMP | op::JGT | op::K, 10, 0, 1),
            Insn::stmt(op::RET | op::K, 1),
            Insn::jump(op::JMP | op::JSET | op::K, 3, 1, 0),
            Insn::stmt(op::RET | op::K, 2),
            Insn::stmt(op::RET | op::K, 3),
        ]);
        assert_eq!(p.check(64), Ok(()));
        assert_eq!([11, 8, 2].map(|n| p.run(&[0, n]).0), [1, 2, 3]);
    }

    #[test]
    fn bad_programs_are_refused() {
        let ret = Insn::stmt(op::RET | op::K, 0);
        let bad: &[&[Insn]] = &[
            &[],
            &[Insn::stmt(op::LD | op::IMM, 0)],
            &[Insn::stmt(op::LD | op::ABS, 64), ret],
            &[Insn::stmt(op::LD | op::ABS, 2), ret],
            &[Insn::stmt(op::LD | op::ABS | 0x10, 0), ret],
            &[Insn::stmt(op::LD | op::MEM, 0), ret],
            &[Insn::stmt(op::ST, 16), ret],
            &[Insn::stmt(op::ALU | op::DIV | op::K, 0), ret],
            &[Insn::stmt(op::ALU | op::LSH | op::K, 32), ret],
            &[Insn::stmt(op::ALU | 0x90, 3), ret],
            &[Insn::jump(op::JMP | op::JEQ | op::K, 0, 1, 0), ret],
            &[Insn::stmt(op::JMP | op::JA, 1), ret],
        ];
        for insns in bad {
            assert_eq!(program(insns).check(64), Err(Errno::EINVAL), "{insns:?}");
        }
        // Written on one way only.
        let half = program(&[
            Insn::jump(op::JMP | op::JEQ | op::K, 0, 0, 1),
            Insn::stmt(op::ST, 1),
            Insn::stmt(op::LD | op::MEM, 1),
            RETURN_A,
        ]);
        assert_eq!(half.check(64), Err(Errno::EINVAL));
    }
}
