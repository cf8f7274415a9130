//! The grammar of operands: registers, numbers, far pointers, labels, memory.

use super::syntax::register;
use super::{Memory, Operand, Register, Width};
use crate::cpu::register::General;
use crate::cpu::segment::{SegmentRegister, Selector};
use winnow::ascii::{space0, space1};
use winnow::combinator::{alt, cut_err, delimited, opt, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, one_of, take_while};

/// An operand before its names have addresses.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Plain(Operand),
    Label(String),
    Memory { memory: Memory, name: Option<String> },
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

pub(super) fn operands(input: &mut &str) -> ModalResult<Vec<Written>> {
    separated(1.., delimited(space0, operand, space0), ',').parse_next(input)
}

fn operand(input: &mut &str) -> ModalResult<Written> {
    alt((memory, far, number.map(|value| Written::Plain(Operand::Immediate(value))), named_register, label))
        .context(expected("a register, a number or [memory]"))
        .parse_next(input)
}

fn label(input: &mut &str) -> ModalResult<Written> {
    word.verify(|name: &str| register(name).is_none() && name != "far" && !SIZES.contains(&name))
        .map(|name: &str| Written::Label(name.to_owned()))
        .parse_next(input)
}

/// Words that only stand before memory.
const SIZES: [&str; 4] = ["byte", "word", "dword", "qword"];

fn named_register(input: &mut &str) -> ModalResult<Written> {
    word.verify_map(|name: &str| register(name).map(|register| Written::Plain(Operand::Register(register))))
        .parse_next(input)
}

fn word<'i>(input: &mut &'i str) -> ModalResult<&'i str> {
    (one_of(('a'..='z', '_', '.')), take_while(0.., ('a'..='z', '0'..='9', '_', '.'))).take().parse_next(input)
}

/// `0x60`, `60h`, `0b11`, `96`, `-1`.
fn number(input: &mut &str) -> ModalResult<u64> {
    let negative = opt(terminated('-', space0)).parse_next(input)?.is_some();
    let digits: &str =
        (one_of('0'..='9'), take_while(0.., ('0'..='9', 'a'..='f', 'x', 'b', 'h', '_'))).take().parse_next(input)?;
    let plain = digits.replace('_', "");
    let value = if let Some(hex) = plain.strip_prefix("0x") {
        u64::from_str_radix(hex, 16)
    } else if let Some(hex) = plain.strip_suffix('h') {
        u64::from_str_radix(hex, 16)
    } else if let Some(binary) = plain.strip_prefix("0b") {
        u64::from_str_radix(binary, 2)
    } else {
        plain.parse()
    };
    match value {
        Ok(value) => Ok(if negative { value.wrapping_neg() } else { value }),
        Err(_) => Err(winnow::error::ErrMode::Cut(ContextError::new())),
    }
}

/// `0x10:0x1000`.
fn far(input: &mut &str) -> ModalResult<Written> {
    let (selector, offset) = (terminated(number, (space0, ':', space0)), cut_err(number)).parse_next(input)?;
    match u16::try_from(selector) {
        Ok(selector) => Ok(Written::Plain(Operand::Far { selector: Selector(selector), offset })),
        Err(_) => Err(winnow::error::ErrMode::Cut(ContextError::new())),
    }
}

fn width(input: &mut &str) -> ModalResult<Option<Width>> {
    let width = word
        .verify_map(|name: &str| match name {
            "byte" => Some(Some(Width::Byte)),
            "word" => Some(Some(Width::Word)),
            "dword" => Some(Some(Width::Dword)),
            "qword" => Some(Some(Width::Qword)),
            "far" => Some(None),
            _ => None,
        })
        .parse_next(input)?;
    space0.parse_next(input)?;
    opt(("ptr", space0)).parse_next(input)?;
    Ok(width)
}

fn segment(input: &mut &str) -> ModalResult<SegmentRegister> {
    word.verify_map(|name: &str| match register(name) {
        Some(Register::Segment(segment)) => Some(segment),
        _ => None,
    })
    .parse_next(input)
}

/// `dword ptr fs:[rax + rcx*4 - 8]`.
fn memory(input: &mut &str) -> ModalResult<Written> {
    let width = opt(terminated(width, opt(space1))).parse_next(input)?.flatten();
    let segment = opt(terminated(segment, (space0, ':', space0))).parse_next(input)?;
    let terms: Vec<(bool, Term)> = delimited(
        ('[', space0),
        cut_err((opt(terminated('-', space0)), term, repeat(0.., signed_term)).map(
            |(minus, first, rest): (Option<char>, Term, Vec<(bool, Term)>)| {
                std::iter::once((minus.is_some(), first)).chain(rest).collect()
            },
        )),
        cut_err((space0, ']')),
    )
    .parse_next(input)?;
    let mut memory = Memory { width, segment, ..Memory::default() };
    let mut name = None;
    for (negative, term) in terms {
        match term {
            Term::Number(value) => {
                let value = if negative { value.wrapping_neg() } else { value };
                memory.displacement = memory.displacement.wrapping_add(value as i64);
            }
            Term::Scaled(register, factor) if !negative && memory.index.is_none() => {
                memory.index = Some((register, factor))
            }
            Term::Register(register) if !negative && memory.base.is_none() => memory.base = Some(register),
            Term::Register(register) if !negative && memory.index.is_none() => memory.index = Some((register, 1)),
            Term::Name(written) if !negative && name.is_none() => name = Some(written),
            _ => return Err(winnow::error::ErrMode::Cut(ContextError::new())),
        }
    }
    Ok(Written::Memory { memory, name })
}

enum Term {
    Number(u64),
    Register(General),
    Scaled(General, u8),
    Name(String),
}

fn signed_term(input: &mut &str) -> ModalResult<(bool, Term)> {
    preceded(space0, (terminated(one_of(('+', '-')), space0), cut_err(term)))
        .map(|(sign, term)| (sign == '-', term))
        .parse_next(input)
}

fn term(input: &mut &str) -> ModalResult<Term> {
    alt((scaled, number.map(Term::Number), address_register.map(Term::Register), name)).parse_next(input)
}

fn scaled(input: &mut &str) -> ModalResult<Term> {
    let factor = |input: &mut &str| {
        any.verify_map(|digit: char| match digit {
            '1' | '2' | '4' | '8' => digit.to_digit(10).map(|digit| digit as u8),
            _ => None,
        })
        .parse_next(input)
    };
    let star = |input: &mut &str| -> ModalResult<()> { (space0, '*', space0).void().parse_next(input) };
    alt((
        (terminated(address_register, star), factor).map(|(register, factor)| Term::Scaled(register, factor)),
        (terminated(factor, star), address_register).map(|(factor, register)| Term::Scaled(register, factor)),
    ))
    .parse_next(input)
}

fn address_register(input: &mut &str) -> ModalResult<General> {
    word.verify_map(|name: &str| match register(name) {
        Some(Register::General { register, width: Width::Qword | Width::Dword | Width::Word, .. }) => Some(register),
        _ => None,
    })
    .parse_next(input)
}

fn name(input: &mut &str) -> ModalResult<Term> {
    word.verify(|name: &str| register(name).is_none()).map(|name: &str| Term::Name(name.to_owned())).parse_next(input)
}
