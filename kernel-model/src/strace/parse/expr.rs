//! Arguments as strace prints them: the grammar of one value, and the tree that it is read into.
//!
//! The grammar is that of the output of strace, not of C: numbers in three bases, symbolic names and
//! the operators between them, strings with escapes that may be cut short, arrays, sets, structures,
//! descriptors decorated with what they refer to (`3</etc/passwd>`), comments, and values that a call
//! has changed (`[16 => 4]`). What is read is kept as it was printed; what a name is worth is for
//! whoever knows the call.

use winnow::Parser;
use winnow::error::ParserError;
use winnow::stream::{Stateful, Stream};
use winnow::token::{literal, take_while};

/// A value in a log.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// `NULL`.
    Null,
    /// A number in any base. Numbers from 2^63 are kept as the same 64 bits.
    Int(i64),
    /// A symbolic name: `O_RDONLY`, `CHLD`.
    Word(String),
    /// A string or buffer; `whole` is false when strace has cut it (`"abc"...`).
    Str {
        /// What is between the quotes, with the escapes undone.
        bytes: Vec<u8>,
        /// Whether all of it was printed.
        whole: bool,
    },
    /// `[a, b]`, and sets such as `[HUP INT]`.
    List(Vec<Expr>),
    /// `{a=1, b=2}`: mostly [`Expr::Field`]s.
    Struct(Vec<Expr>),
    /// `name=value`, in a structure or among the arguments.
    Field(String, Box<Expr>),
    /// `[index]=value`, in an array.
    Indexed(Box<Expr>, Box<Expr>),
    /// `makedev(0x1, 0x3)`.
    Macro(String, Vec<Expr>),
    /// `~[...]`, `-EPERM`, `&sin6_addr`, `!x`.
    Prefix(char, Box<Expr>),
    /// `A|B|C`, `8*1024`, `1<<3`, `a && b`: operands of one operator, from left to right.
    Chain(&'static str, Vec<Expr>),
    /// Several values with nothing but blanks between them, as in old logs of terminal settings.
    Words(Vec<Expr>),
    /// A value and, in angle brackets, what it refers to.
    Described(Box<Expr>, String),
    /// A value and the comment after it.
    Noted(Box<Expr>, String),
    /// A value before and after the call.
    Changed(Box<Expr>, Box<Expr>),
    /// `...`: there was more.
    Omitted,
}

impl Expr {
    /// The value without comment and description; of a changed value, what it was before the call.
    pub fn plain(&self) -> &Expr {
        match self {
            Expr::Described(e, _) | Expr::Noted(e, _) | Expr::Changed(e, _) => e.plain(),
            e => e,
        }
    }

    /// The value without comment and description; of a changed value, what the call made of it.
    pub fn after(&self) -> &Expr {
        match self {
            Expr::Described(e, _) | Expr::Noted(e, _) | Expr::Changed(_, e) => e.after(),
            e => e,
        }
    }

    /// The value without its name, when it is printed as `name=value`.
    pub fn unnamed(&self) -> &Expr {
        match self {
            Expr::Field(_, e) => e.unnamed(),
            e => e,
        }
    }

    /// A field of a structure.
    pub fn field(&self, name: &str) -> Option<&Expr> {
        let Expr::Struct(items) = self else { return None };
        items.iter().find_map(|item| match item {
            Expr::Field(n, e) if n == name => Some(&**e),
            _ => None,
        })
    }

    /// The comment after the value.
    pub fn note(&self) -> Option<&str> {
        match self {
            Expr::Noted(_, note) => Some(note),
            Expr::Field(_, e) | Expr::Described(e, _) => e.note(),
            _ => None,
        }
    }

    /// What the value refers to, from the angle brackets after it.
    pub fn described(&self) -> Option<&str> {
        match self {
            Expr::Described(_, what) => Some(what),
            Expr::Noted(e, _) | Expr::Field(_, e) => e.described(),
            _ => None,
        }
    }

    /// The number that this is worth, where `constant` knows the symbolic names.
    pub fn number(&self, constant: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        match self.plain() {
            Expr::Null => Some(0),
            Expr::Int(n) => Some(*n),
            Expr::Word(w) => constant(w),
            Expr::Field(_, e) => e.number(constant),
            Expr::Prefix('-', e) => e.number(constant).map(i64::wrapping_neg),
            Expr::Prefix('~', e) => e.number(constant).map(|n| !n),
            Expr::Chain(op, operands) => {
                let mut values = operands.iter().map(|e| e.number(constant));
                let first = values.next()??;
                values.try_fold(first, |a, b| apply(op, a, b?))
            }
            _ => None,
        }
    }
}

/// One step of constant arithmetic; `None` for what is no number or has no result.
fn apply(op: &str, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        "|" => a | b,
        "&" => a & b,
        "^" => a ^ b,
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "<<" => a.wrapping_shl(u32::try_from(b).ok().filter(|b| *b < 64)?),
        ">>" => a.wrapping_shr(u32::try_from(b).ok().filter(|b| *b < 64)?),
        "/" => a.checked_div(b)?,
        "%" => a.checked_rem(b)?,
        _ => return None,
    })
}

/// What is being read: the rest of the text, how deep in brackets, and whether the text was broken off.
pub(super) type Input<'s> = Stateful<&'s str, State>;

/// See [`Input`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Open brackets around the current place.
    pub(super) depth: u16,
    /// The text ends where the call was interrupted: brackets that it leaves open are no fault.
    pub(super) broken_off: bool,
}

/// Why reading failed: what was expected, and how many bytes were left there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) left: usize,
    pub(super) expected: &'static str,
}

impl<'s> ParserError<Input<'s>> for Fault {
    type Inner = Fault;

    fn from_input(input: &Input<'s>) -> Fault {
        Fault { left: input.eof_offset(), expected: "" }
    }

    fn into_inner(self) -> Result<Fault, Fault> {
        Ok(self)
    }
}

/// What a parser gives.
pub(super) type Parsed<T> = Result<T, Fault>;

/// Brackets in brackets, at most: far more than any log has, and few enough for any stack.
const MAX_DEPTH: u16 = 100;
/// Operators, or comments, in a row.
const MAX_OPERATORS: usize = 1000;

/// The operators, in the order in which they must be tried, with their precedence.
const OPERATORS: &[(&str, u8)] = &[
    ("||", 1),
    ("&&", 2),
    ("==", 6),
    ("!=", 6),
    ("<<", 7),
    (">>", 7),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("+", 8),
    ("-", 8),
    ("*", 9),
    ("/", 9),
    ("%", 9),
];

pub(super) fn fault<T>(i: &Input<'_>, expected: &'static str) -> Parsed<T> {
    Err(Fault { left: i.eof_offset(), expected })
}

/// Skips blanks.
pub(super) fn blanks(i: &mut Input<'_>) {
    let rest = i.input.trim_start_matches([' ', '\t']);
    let skipped = i.input.len() - rest.len();
    i.next_slice(skipped);
}

/// Takes `what` if it comes next.
pub(super) fn take(i: &mut Input<'_>, what: &str) -> bool {
    let parsed: Parsed<&str> = literal(what).parse_next(i);
    parsed.is_ok()
}

/// Items up to `close`, which is taken as well. The opening bracket is already behind us.
pub(super) fn items(i: &mut Input<'_>, close: &'static str, expected: &'static str) -> Parsed<Vec<Expr>> {
    let items = placed_items(i, close, expected)?;
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// The same, each with the number of bytes that are left where it begins.
pub(super) fn placed_items(
    i: &mut Input<'_>,
    close: &'static str,
    expected: &'static str,
) -> Parsed<Vec<(usize, Expr)>> {
    let mut items = Vec::new();
    loop {
        blanks(i);
        if take(i, close) || i.input.is_empty() && i.state.broken_off {
            return Ok(items);
        }
        if !items.is_empty() && !take(i, ",") {
            return fault(i, expected);
        }
        blanks(i);
        if i.input.is_empty() && i.state.broken_off {
            return Ok(items);
        }
        let left = i.input.len();
        match value(i)? {
            Expr::Words(words) if close == "]" => items.extend(words.into_iter().map(|word| (left, word))),
            item => items.push((left, item)),
        }
    }
}

/// A value with everything that may belong to it.
pub(super) fn value(i: &mut Input<'_>) -> Parsed<Expr> {
    if i.state.depth >= MAX_DEPTH {
        return fault(i, "fewer brackets in one another");
    }
    i.state.depth += 1;
    let mut words = vec![change(i)?];
    let another = |text: &str| text.starts_with(starts_word) || text.starts_with("...");
    while i.input.starts_with([' ', '\t']) && another(i.input.trim_start()) {
        blanks(i);
        words.push(change(i)?);
    }
    i.state.depth -= 1;
    Ok(if words.len() == 1 { words.remove(0) } else { Expr::Words(words) })
}

/// `operation`, or `operation => operation`.
fn change(i: &mut Input<'_>) -> Parsed<Expr> {
    let before = operation(i, 0)?;
    let here = i.checkpoint();
    blanks(i);
    if take(i, "=>") || take(i, "->") {
        blanks(i);
        if i.input.is_empty() && i.state.broken_off {
            return Ok(before);
        }
        let after = operation(i, 0)?;
        return Ok(Expr::Changed(Box::new(before), Box::new(after)));
    }
    i.reset(&here);
    Ok(before)
}

/// Operands and operators, by precedence climbing.
fn operation(i: &mut Input<'_>, least: u8) -> Parsed<Expr> {
    let mut left = operand(i)?;
    for _ in 0..MAX_OPERATORS {
        let here = i.checkpoint();
        blanks(i);
        let no_operator = i.input.starts_with("->") || i.input.starts_with("/*");
        let next = OPERATORS.iter().find(|(op, _)| !no_operator && i.input.starts_with(op));
        let Some(&(op, precedence)) = next.filter(|(_, precedence)| *precedence >= least) else {
            i.reset(&here);
            return Ok(left);
        };
        take(i, op);
        blanks(i);
        let right = operation(i, precedence + 1)?;
        left = match left {
            Expr::Chain(same, mut operands) if same == op => {
                operands.push(right);
                Expr::Chain(op, operands)
            }
            left => Expr::Chain(op, vec![left, right]),
        };
    }
    fault(i, "at most 1000 operators in a row")
}

/// A value without operators, with its description and comments.
fn operand(i: &mut Input<'_>) -> Parsed<Expr> {
    let mut e = atom(i)?;
    if i.input.starts_with('<')
        && !i.input.starts_with("<<")
        && !matches!(e, Expr::Omitted)
        && let Some(what) = description(i)
    {
        e = Expr::Described(Box::new(e), what);
    }
    let mut notes = String::new();
    loop {
        let here = i.checkpoint();
        blanks(i);
        if !take(i, "/*") {
            i.reset(&here);
            break;
        }
        if !notes.is_empty() {
            notes.push_str("; ");
        }
        notes.push_str(comment(i)?);
    }
    Ok(if notes.is_empty() { e } else { Expr::Noted(Box::new(e), notes) })
}

/// The text of a comment; its opening is already behind us.
fn comment<'s>(i: &mut Input<'s>) -> Parsed<&'s str> {
    match i.input.find("*/") {
        Some(end) => {
            let text = i.next_slice(end).trim();
            take(i, "*/");
            Ok(text)
        }
        None if i.state.broken_off => Ok(i.next_slice(i.input.len()).trim()),
        None => fault(i, "the end of the comment, `*/`"),
    }
}

/// What stands in angle brackets. The brackets may nest (`<char 1:3>`) and contain arrows (`->`).
fn description(i: &mut Input<'_>) -> Option<String> {
    let mut depth = 0usize;
    let mut before = ' ';
    let mut end = None;
    for (at, c) in i.input.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before == '-' => {}
            '>' => {
                depth -= 1;
                if depth == 0 {
                    end = Some(at);
                    break;
                }
            }
            _ => {}
        }
        before = c;
    }
    let end = end.or_else(|| i.input.find('>'))?;
    let what = i.next_slice(end + 1);
    let mut what = what[1..end].to_owned();
    if take(i, "(deleted)") {
        what.push_str(" (deleted)");
    }
    Some(what)
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn atom(i: &mut Input<'_>) -> Parsed<Expr> {
    let Some(c) = i.input.chars().next() else { return fault(i, "a value") };
    match c {
        '"' => string(i),
        '@' if i.input[1..].starts_with('"') => {
            take(i, "@");
            abstract_name(i)
        }
        '[' => {
            take(i, "[");
            let list = Expr::List(nested(i, "]", "`,` or the end of the array, `]`")?);
            if !assigns(i) {
                return Ok(list);
            }
            take(i, "=");
            Ok(Expr::Indexed(Box::new(list), Box::new(field_value(i)?)))
        }
        '{' => {
            take(i, "{");
            Ok(Expr::Struct(nested(i, "}", "`,` or the end of the structure, `}`")?))
        }
        '(' => {
            take(i, "(");
            let mut inner = nested(i, ")", "`,` or the end of the brackets, `)`")?;
            Ok(if inner.len() == 1 { inner.remove(0) } else { Expr::List(inner) })
        }
        '.' if take(i, "...") => Ok(Expr::Omitted),
        '/' if i.input.starts_with("/*") => Ok(Expr::Omitted),
        '~' | '-' | '!' | '&' | '*' => {
            if i.state.depth >= MAX_DEPTH {
                return fault(i, "fewer signs in a row");
            }
            i.state.depth += 1;
            i.next_slice(1);
            let operand = atom(i)?;
            i.state.depth -= 1;
            Ok(match (c, operand) {
                ('-', Expr::Int(n)) => Expr::Int(n.wrapping_neg()),
                (sign, operand) => Expr::Prefix(sign, Box::new(operand)),
            })
        }
        '<' => match description(i) {
            Some(what) => Ok(Expr::Noted(Box::new(Expr::Omitted), what)),
            None => fault(i, "the end of the angle brackets, `>`"),
        },
        c if starts_word(c) || c == '?' || c == '$' => word(i),
        _ => fault(i, "a value"),
    }
}

/// Items one bracket deeper.
fn nested(i: &mut Input<'_>, close: &'static str, expected: &'static str) -> Parsed<Vec<Expr>> {
    if i.state.depth >= MAX_DEPTH {
        return fault(i, "fewer brackets in one another");
    }
    i.state.depth += 1;
    let found = items(i, close, expected);
    i.state.depth -= 1;
    found
}

/// A number, a name, `name=value`, or `name(...)`.
fn word(i: &mut Input<'_>) -> Parsed<Expr> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '?' | '$' | ':' | '.');
    let here = i.checkpoint();
    let taken: Parsed<&str> = take_while(1.., in_word).parse_next(i);
    let taken = taken?;
    // Dots and colons belong to a word only between its letters: `00:11:22`, but not the dots of `a...`.
    let text = match taken.find("..") {
        Some(dots) => &taken[..dots],
        None => taken.trim_end_matches([':', '.']),
    };
    if text.is_empty() {
        i.reset(&here);
        return fault(i, "a value");
    }
    i.reset(&here);
    i.next_slice(text.len());

    if assigns(i) {
        take(i, "=");
        let inner = field_value(i)?;
        return Ok(Expr::Field(text.to_owned(), Box::new(inner)));
    }
    if take(i, "(") {
        return Ok(Expr::Macro(text.to_owned(), nested(i, ")", "`,` or the end of the brackets, `)`")?));
    }
    Ok(match text {
        "NULL" => Expr::Null,
        _ => number(text).map_or_else(|| Expr::Word(text.to_owned()), Expr::Int),
    })
}

/// Whether a value for what was just read comes next: `=`, but not `==` or `=>`.
fn assigns(i: &Input<'_>) -> bool {
    i.input.starts_with('=') && !i.input.starts_with("==") && !i.input.starts_with("=>")
}

/// What stands behind `name=`.
fn field_value(i: &mut Input<'_>) -> Parsed<Expr> {
    if i.state.depth >= MAX_DEPTH {
        return fault(i, "fewer brackets in one another");
    }
    if i.input.is_empty() && i.state.broken_off {
        return Ok(Expr::Omitted);
    }
    i.state.depth += 1;
    let inner = change(i);
    i.state.depth -= 1;
    inner
}

/// A number in the base that its beginning says; `None` when it is none, or has more than 64 bits.
pub(super) fn number(text: &str) -> Option<i64> {
    let value = if let Some(digits) = text.strip_prefix("0x") {
        u64::from_str_radix(digits, 16).ok()?
    } else if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        u64::from_str_radix(text, 8).ok()?
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()?
    } else {
        return None;
    };
    Some(value as i64)
}

/// The name of a socket in the abstract namespace: `@"name"` begins with a zero byte.
fn abstract_name(i: &mut Input<'_>) -> Parsed<Expr> {
    let mut name = string(i)?;
    if let Expr::Str { bytes, .. } = &mut name {
        bytes.insert(0, 0);
    }
    Ok(name)
}

/// A string in quotes, perhaps cut short (`"abc"...`).
fn string(i: &mut Input<'_>) -> Parsed<Expr> {
    let quoted = i.input.as_bytes();
    let mut bytes = Vec::new();
    let mut at = 1;
    loop {
        match quoted.get(at) {
            None if i.state.broken_off => {
                i.next_slice(i.input.len());
                return Ok(Expr::Str { bytes, whole: false });
            }
            None => {
                i.next_slice(i.input.len());
                return fault(i, "the end of the string, `\"`");
            }
            Some(b'"') => break,
            Some(b'\\') => at = escape(quoted, at + 1, &mut bytes),
            Some(&b) => {
                bytes.push(b);
                at += 1;
            }
        }
    }
    i.next_slice(at + 1);
    let whole = !take(i, "...");
    Ok(Expr::Str { bytes, whole })
}

/// Undoes one escape, whose backslash is at `at - 1`; gives the place behind it.
fn escape(quoted: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let Some(&c) = quoted.get(at) else { return at };
    let digits = |from: usize, most: usize, base: u32| -> (u32, usize) {
        let run = quoted[from.min(quoted.len())..].iter().take(most);
        let run = run.map_while(|b| char::from(*b).to_digit(base));
        run.fold((0, from), |(n, at), d| (n * base + d, at + 1))
    };
    match c {
        b'n' => out.push(b'\n'),
        b't' => out.push(b'\t'),
        b'r' => out.push(b'\r'),
        b'v' => out.push(0x0b),
        b'f' => out.push(0x0c),
        b'a' => out.push(0x07),
        b'b' => out.push(0x08),
        b'x' => {
            let (n, end) = digits(at + 1, 2, 16);
            out.push(n as u8);
            return end;
        }
        b'0'..=b'7' => {
            let (n, end) = digits(at, 3, 8);
            out.push(n as u8);
            return end;
        }
        other => out.push(other),
    }
    at + 1
}
