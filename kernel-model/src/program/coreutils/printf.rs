//! printf(1), shared with the shell's builtin.

use super::echo::{Escapes, number, unescape};
use crate::program;
use crate::program::Sys;
use crate::program::cformat::CFormat;
use crate::program::quote::{quote, shell_escape_if_needed};

program!(PRINTF = "printf" in "/usr/bin", "format and print data", printf, "\
FORMAT [ARGUMENT]...  escapes \\\" \\\\ \\a \\b \\c \\e \\f \\n \\r \\t \\v \\NNN \\xHH, and
%% %b %c %d %i %o %u %x %X %e %E %f %F %g %G %a %A %s %q with flags, width and precision");

/// Something that `printf` produces, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Text for standard output.
    Text(Vec<u8>),
    /// A complaint. Most leave the rest of the output as it is; see [`Problem::is_fatal`].
    Problem(Problem),
}

/// What can be wrong. The wording differs between coreutils and shells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The argument is no number.
    NotANumber(String),
    /// The argument begins as a number and goes on otherwise.
    NotCompletelyANumber(String),
    /// The number is too large.
    OutOfRange(String),
    /// This conversion does not exist, such as `%z`.
    InvalidConversion(String),
    /// `\x` without digits.
    MissingHexadecimal,
    /// Arguments are left over, and the format takes none.
    ExcessArguments(String),
}

impl Problem {
    /// Whether nothing more is printed after it.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Problem::InvalidConversion(_) | Problem::MissingHexadecimal)
    }

    /// The message of coreutils, without `printf: `.
    pub fn coreutils_message(&self) -> String {
        match self {
            Problem::NotANumber(a) => format!("{}: expected a numeric value", quote(a)),
            Problem::NotCompletelyANumber(a) => format!("{}: value not completely converted", quote(a)),
            Problem::OutOfRange(a) => format!("{}: Numerical result out of range", quote(a)),
            Problem::InvalidConversion(c) => format!("{c}: invalid conversion specification"),
            Problem::MissingHexadecimal => "missing hexadecimal number in escape".into(),
            Problem::ExcessArguments(a) => {
                format!("warning: ignoring excess arguments, starting with {}", quote(a))
            }
        }
    }
}

async fn printf(sys: Sys) -> i32 {
    let mut words = sys.argv().get(1..).unwrap_or_default();
    match words {
        [only] if only == "--help" => {
            sys.print_help().await;
            return 0;
        }
        [only] if only == "--version" => {
            sys.print("printf (GNU coreutils) 9.1\n").await;
            return 0;
        }
        [first, rest @ ..] if first == "--" => words = rest,
        _ => {}
    }
    let Some((format, arguments)) = words.split_first() else {
        sys.error("missing operand").await;
        sys.try_help().await;
        return 1;
    };
    let mut status = 0;
    for piece in pieces(format, arguments, Escapes::Coreutils) {
        match piece {
            Piece::Text(text) => sys.print(text).await,
            Piece::Problem(problem) => {
                sys.error(problem.coreutils_message()).await;
                if !matches!(problem, Problem::ExcessArguments(_)) {
                    status = 1;
                }
            }
        }
    }
    status
}

/// Carries out `printf FORMAT ARGUMENTS`. The format is used again until all arguments are used up.
pub fn pieces(format: &str, arguments: &[String], escapes: Escapes) -> Vec<Piece> {
    let mut printer = Printer { arguments, used: 0, out: Vec::new(), text: Vec::new(), escapes };
    loop {
        let before = printer.used;
        let goes_on = printer.format_once(format);
        let consumed = printer.used > before;
        if !goes_on {
            break;
        }
        match printer.arguments.get(printer.used) {
            None => break,
            Some(_) if consumed => {}
            Some(extra) => {
                // A shell ignores them without a word.
                if escapes == Escapes::Coreutils {
                    printer.problem(Problem::ExcessArguments(extra.clone()));
                }
                break;
            }
        }
    }
    printer.flush();
    printer.out
}

struct Printer<'a> {
    arguments: &'a [String],
    used: usize,
    out: Vec<Piece>,
    text: Vec<u8>,
    escapes: Escapes,
}

impl Printer<'_> {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.out.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.flush();
        self.out.push(Piece::Problem(problem));
    }

    fn next(&mut self) -> Option<String> {
        let argument = self.arguments.get(self.used).cloned();
        self.used += usize::from(argument.is_some());
        argument
    }

    /// False when `\c` or a mistake ends everything.
    fn format_once(&mut self, format: &str) -> bool {
        let mut rest = format.as_bytes();
        while let [first, tail @ ..] = rest {
            match first {
                b'\\' => {
                    rest = tail;
                    if !self.escape(&mut rest) {
                        return false;
                    }
                }
                b'%' if tail.first() == Some(&b'%') => {
                    self.text.push(b'%');
                    rest = &tail[1..];
                }
                b'%' => match self.conversion(tail) {
                    Some(after) => rest = after,
                    None => return false,
                },
                other => {
                    self.text.push(*other);
                    rest = tail;
                }
            }
        }
        true
    }

    /// An escape of the format, `rest` being what follows the backslash.
    fn escape(&mut self, rest: &mut &[u8]) -> bool {
        let [letter, after @ ..] = *rest else {
            self.text.push(b'\\');
            return true;
        };
        match letter {
            b'"' => self.text.push(b'"'),
            b'0'..=b'7' => {
                let byte = number(rest, 8, 3);
                self.text.push(byte);
                return true;
            }
            b'x' if !after.first().is_some_and(u8::is_ascii_hexdigit) => {
                self.problem(Problem::MissingHexadecimal);
                return false;
            }
            b'x' => {
                *rest = after;
                let byte = number(rest, 16, 2);
                self.text.push(byte);
                return true;
            }
            b'c' => return false,
            _ => {
                let pair = [b'\\', *letter];
                let (bytes, _) = unescape(&String::from_utf8_lossy(&pair), self.escapes);
                // A character of several bytes goes on after its first.
                if letter.is_ascii() { self.text.extend(bytes) } else { self.text.extend(pair) }
            }
        }
        *rest = after;
        true
    }

    /// A conversion, `text` being what follows the percent sign; gives back what follows the conversion.
    fn conversion<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let mut spec = CFormat::default();
        let mut at = 0;
        while text.get(at).is_some_and(|c| spec.set_flag(char::from(*c))) {
            at += 1;
        }
        if let Some(width) = self.count(text, &mut at) {
            spec.set_width(width);
        }
        if text.get(at) == Some(&b'.') {
            at += 1;
            let precision = self.count(text, &mut at).unwrap_or(0);
            spec.set_precision(precision);
        }
        while text.get(at).is_some_and(|c| b"hlLjzt".contains(c)) {
            at += 1;
        }
        let letter = text.get(at).copied().map_or('\0', char::from);
        match letter {
            'd' | 'i' => {
                let n = self.integer();
                self.text.extend(spec.signed(n.clamp(i64::MIN.into(), i64::MAX.into()) as i64).bytes());
            }
            'o' | 'u' | 'x' | 'X' => {
                let n = self.integer();
                self.text.extend(spec.unsigned(n as u64, letter).bytes());
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'a' | 'A' => {
                let x = self.real();
                self.text.extend(spec.float(x, letter).bytes());
            }
            'c' => {
                let argument = self.next().unwrap_or_default();
                let first = argument.as_bytes().get(..1).unwrap_or(&[0]);
                let first = if argument.is_empty() { &[0][..] } else { first };
                self.text.extend(CFormat { precision: None, ..spec }.bytes(first));
            }
            's' => {
                let argument = self.next().unwrap_or_default();
                self.text.extend(spec.bytes(argument.as_bytes()));
            }
            'q' => {
                let argument = self.next().unwrap_or_default();
                self.text.extend(spec.bytes(shell_escape_if_needed(&argument).as_bytes()));
            }
            'b' => {
                let argument = self.next().unwrap_or_default();
                let (bytes, stop) = unescape(&argument, Escapes::Coreutils);
                self.text.extend(spec.bytes(&bytes));
                if stop {
                    return None;
                }
            }
            _ => {
                let end = (at + 1).min(text.len());
                let written = String::from_utf8_lossy(&text[..end]).into_owned();
                self.problem(Problem::InvalidConversion(format!("%{written}")));
                return None;
            }
        }
        text.get(at + 1..)
    }

    /// A width or precision: digits, or `*` for the next argument.
    fn count(&mut self, text: &[u8], at: &mut usize) -> Option<i64> {
        if text.get(*at) == Some(&b'*') {
            *at += 1;
            return Some(self.integer().clamp(i32::MIN.into(), i32::MAX.into()) as i64);
        }
        let digits: Vec<u8> = text.get(*at..)?.iter().copied().take_while(u8::is_ascii_digit).collect();
        *at += digits.len();
        String::from_utf8_lossy(&digits).parse().ok()
    }

    /// The next argument as a whole number.
    fn integer(&mut self) -> i128 {
        let Some(argument) = self.next() else { return 0 };
        if let Some(code) = character_code(&argument) {
            return code.into();
        }
        let text = argument.trim_start();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, hex),
            _ if digits.starts_with('0') => (8, digits),
            _ => (10, digits),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let (valid, tail) = digits.split_at(end);
        if valid.is_empty() {
            self.problem(Problem::NotANumber(argument));
            return 0;
        }
        let value = i128::from_str_radix(valid, radix).unwrap_or(i128::MAX);
        let value = if negative { -value } else { value };
        if value > u64::MAX.into() || value < i64::MIN.into() {
            self.problem(Problem::OutOfRange(argument));
            return value.clamp(i64::MIN.into(), u64::MAX.into());
        }
        if !tail.is_empty() {
            self.problem(Problem::NotCompletelyANumber(argument));
        }
        value
    }

    /// The next argument as a real number.
    fn real(&mut self) -> f64 {
        let Some(argument) = self.next() else { return 0.0 };
        if let Some(code) = character_code(&argument) {
            return code.into();
        }
        let (value, length) = crate::program::cformat::strtod(&argument);
        if length == 0 {
            self.problem(Problem::NotANumber(argument));
        } else if length < argument.len() {
            self.problem(Problem::NotCompletelyANumber(argument));
        }
        value
    }
}

/// `'c` or `"c` is the code of the character.
fn character_code(argument: &str) -> Option<u32> {
    let rest = argument.strip_prefix(['\'', '"'])?;
    rest.chars().next().map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let show = |p: Piece| match p {
            Piece::Text(t) => String::from_utf8_lossy(&t).into_owned(),
            Piece::Problem(p) => format!("<{}>", p.coreutils_message()),
        };
        pieces(&words[0], &words[1..], Escapes::Coreutils).into_iter().map(show).collect()
    }

    #[test]
    fn the_format_is_used_until_the_arguments_are_used_up() {
        assert_eq!(printed(&["%s-%s\\n", "a", "b", "c"]), "a-b\nc-\n");
        assert_eq!(printed(&["x%%\\n"]), "x%\n");
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(printed(&["%d %05x\\n", "0x10", "255"]), "16 000ff\n");
        assert_eq!(printed(&["%d\\n", "x"]), "<'x': expected a numeric value>0\n");
        assert_eq!(printed(&["%d\\n", "12y"]), "<'12y': value not completely converted>12\n");
        assert_eq!(printed(&["%d", "'A"]), "65");
        assert_eq!(printed(&["%*.*f|", "8", "2", "3.14159"]), "    3.14|");
    }

    #[test]
    fn escapes_of_arguments_are_replaced_by_b() {
        assert_eq!(printed(&["%b|%s", "a\\tb", "a\\tb"]), "a\tb|a\\tb");
        assert_eq!(printed(&["a%bz", "b\\cd"]), "ab");
    }
}
