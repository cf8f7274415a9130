//! sed(1): the commands `s p d q =` with addresses. The others are not modelled and say so.

use super::regex::{Regex, Syntax, Whole};
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::lines::{Lines, text};

program!(SED = "sed" in "/usr/bin", "stream editor for filtering and transforming text", sed, "\
-n, --quiet, --silent  no output but that of p
-e, --expression SCRIPT  commands; without -e the first operand
-E, -r, --regexp-extended  use extended regular expressions
commands: s/REGEX/REPLACEMENT/[gpiN], p, d, q, = ; addresses: N, $, /REGEX/, A,B, and ! after them");

const SPEC: Spec = Spec {
    short: "ne:Er",
    long: &[
        Long("quiet", Takes::Nothing, 'n'),
        Long("silent", Takes::Nothing, 'n'),
        Long("expression", Takes::Value, 'e'),
        Long("regexp-extended", Takes::Nothing, 'E'),
    ],
    unmodelled: "-i -f -l -s -u -z --in-place --file --line-length --separate --unbuffered --null-data --debug --posix \
                 --follow-symlinks --sandbox",
    version: "(GNU sed) 4.9",
    failure: 1,
};

enum Address {
    Line(u64),
    Last,
    Match(Regex),
}

enum Action {
    Print,
    Delete,
    Quit,
    Number,
    Substitute { regex: Regex, replacement: String, global: bool, print: bool, nth: usize },
}

struct Command {
    from: Option<Address>,
    to: Option<Address>,
    inverted: bool,
    action: Action,
    /// Whether a range has begun and not ended.
    inside: bool,
}

async fn sed(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut files = options.operands.clone();
    let mut script: Vec<&str> = options.values('e').collect();
    let first = if script.is_empty() && !files.is_empty() { files.remove(0) } else { String::new() };
    if script.is_empty() {
        if options.operands.is_empty() {
            let name = sys.invocation_name().to_owned();
            sys.eprint(format!("Usage: {name} [OPTION]... {{script-only-if-no-other-script}} [input-file]...\n")).await;
            return Err(1);
        }
        script.push(&first);
    }
    let script = script.join("\n");
    let syntax = if options.last_of("Er").is_some() { Syntax::Extended } else { Syntax::Basic };
    let mut parser = Parser { rest: script.chars().collect::<Vec<_>>(), at: 0, syntax };
    let mut commands = match parser.script() {
        Ok(commands) => commands,
        Err(message) => {
            sys.error(format!("-e expression #1, char {}: {message}", parser.at)).await;
            return Err(1);
        }
    };
    if files.is_empty() {
        files.push("-".into());
    }
    let quiet = options.has('n');
    let (mut number, mut status) = (0, 0);
    let count = files.len();
    for (i, file) in files.iter().enumerate() {
        let mut lines = match Lines::open(&sys, file).await {
            Ok(lines) => lines,
            Err(e) => {
                sys.error(format!("can't read {file}: {e}")).await;
                status = 2;
                continue;
            }
        };
        loop {
            let line = match lines.next(&sys).await {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(e) => {
                    sys.error(format!("couldn't read {file}: {e}")).await;
                    status = 2;
                    break;
                }
            };
            number += 1;
            let last = i + 1 == count && lines.at_end(&sys).await.unwrap_or(true);
            let ended = line.last() == Some(&b'\n');
            let mut space = text(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
            let end = if ended { "\n" } else { "" };
            let outcome = cycle(&mut commands, &mut space, number, last, end);
            sys.print(outcome.out).await;
            if !quiet && !outcome.deleted {
                sys.print(format!("{space}{end}")).await;
            }
            if outcome.quit {
                return Ok(status);
            }
        }
        lines.close(&sys).await;
    }
    Ok(status)
}

#[derive(Default)]
struct Outcome {
    out: String,
    deleted: bool,
    quit: bool,
}

fn cycle(commands: &mut [Command], space: &mut String, number: u64, last: bool, end: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for command in commands {
        if !command.applies(space, number, last) {
            continue;
        }
        match &command.action {
            Action::Print => outcome.out += &format!("{space}{end}"),
            Action::Number => outcome.out += &format!("{number}\n"),
            Action::Delete => {
                outcome.deleted = true;
                return outcome;
            }
            Action::Quit => {
                outcome.quit = true;
                return outcome;
            }
            Action::Substitute { regex, replacement, global, print, nth } => {
                if let Some(new) = substitute(regex, replacement, *global, *nth, space) {
                    *space = new;
                    if *print {
                        outcome.out += &format!("{space}{end}");
                    }
                }
            }
        }
    }
    outcome
}

impl Command {
    fn applies(&mut self, space: &str, number: u64, last: bool) -> bool {
        let at = |address: &Address| match address {
            Address::Line(n) => *n == number,
            Address::Last => last,
            Address::Match(regex) => regex.is_match(space.as_bytes()),
        };
        let applies = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => at(from),
            (Some(_), Some(to)) if self.inside => {
                let past = matches!(to, Address::Line(n) if *n < number);
                self.inside = !(past || at(to));
                !past
            }
            (Some(from), Some(to)) => {
                let begins = at(from);
                self.inside = begins && !matches!(to, Address::Line(n) if *n <= number);
                begins
            }
        };
        applies != self.inverted
    }
}

/// The text with matches replaced; `None` when there is none.
fn substitute(regex: &Regex, replacement: &str, global: bool, nth: usize, space: &str) -> Option<String> {
    let bytes = space.as_bytes();
    let (mut out, mut at, mut copied, mut count) = (Vec::new(), 0, 0, 0);
    let mut replaced = false;
    while at <= bytes.len() {
        let Some(found) = regex.find_at(bytes, at) else { break };
        let (from, to) = found.whole();
        // An empty match just after another one does not count.
        if !(from == to && from == copied && count > 0) {
            count += 1;
            if count >= nth {
                out.extend_from_slice(bytes.get(copied..from)?);
                let mut rest = replacement.chars();
                while let Some(c) = rest.next() {
                    let group = match c {
                        '&' => Some(0),
                        '\\' => match rest.next() {
                            Some(d) if d.is_ascii_digit() => Some(d as usize - '0' as usize),
                            Some('n') => {
                                out.push(b'\n');
                                None
                            }
                            Some('t') => {
                                out.push(b'\t');
                                None
                            }
                            other => {
                                out.extend(other.unwrap_or('\\').to_string().bytes());
                                None
                            }
                        },
                        c => {
                            out.extend(c.to_string().bytes());
                            None
                        }
                    };
                    if let Some((a, b)) = group.and_then(|g| found.get(g)) {
                        out.extend_from_slice(bytes.get(a..b)?);
                    }
                }
                copied = to;
                replaced = true;
                if !global {
                    break;
                }
            }
        }
        at = if to > from { to } else { to + space.get(to..)?.chars().next().map_or(1, char::len_utf8) };
    }
    out.extend_from_slice(bytes.get(copied..)?);
    replaced.then(|| text(&out).into_owned())
}

struct Parser {
    rest: Vec<char>,
    at: usize,
    syntax: Syntax,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
    }

    fn script(&mut self) -> Result<Vec<Command>, String> {
        let mut commands = Vec::new();
        loop {
            while self.peek().is_some_and(|c| c.is_whitespace() || c == ';') {
                self.at += 1;
            }
            if self.peek().is_none() {
                return Ok(commands);
            }
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Result<Command, String> {
        let from = self.address()?;
        let mut to = None;
        if from.is_some() && self.peek() == Some(',') {
            self.at += 1;
            to = self.address()?;
            if to.is_none() {
                return Err("unexpected `,'".into());
            }
        }
        self.skip_blanks();
        let inverted = self.peek() == Some('!');
        self.at += usize::from(inverted);
        self.skip_blanks();
        let action = match self.take() {
            None => return Err("missing command".into()),
            Some('p') => Action::Print,
            Some('d') => Action::Delete,
            Some('q') => Action::Quit,
            Some('=') => Action::Number,
            Some('s') => self.substitution()?,
            Some(c) if "acDghGHilnNPrtTbwxyzQRWFe{}:#".contains(c) => {
                return Err(format!("command `{c}' is not modelled in Ringside; see 'help sed'"));
            }
            Some(c) => return Err(format!("unknown command: `{c}'")),
        };
        self.skip_blanks();
        match self.peek() {
            None | Some(';' | '\n') => Ok(Command { from, to, inverted, action, inside: false }),
            Some(_) => {
                self.at += 1;
                Err("extra characters after command".into())
            }
        }
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        self.skip_blanks();
        Ok(match self.peek() {
            Some('$') => {
                self.at += 1;
                Some(Address::Last)
            }
            Some('/') => {
                self.at += 1;
                let pattern = self.until('/').ok_or("unterminated address regex")?;
                Some(Address::Match(Regex::new(&pattern, self.syntax, false, Whole::Anything)?))
            }
            Some(c) if c.is_ascii_digit() => {
                let mut digits = String::new();
                while let Some(d) = self.peek().filter(char::is_ascii_digit) {
                    digits.push(d);
                    self.at += 1;
                }
                Some(Address::Line(digits.parse().map_err(|_| "number too large")?))
            }
            _ => None,
        })
    }

    /// Text up to a delimiter; an escaped delimiter stands for itself.
    fn until(&mut self, delimiter: char) -> Option<String> {
        let mut out = String::new();
        loop {
            match self.take()? {
                '\\' => match self.take()? {
                    c if c == delimiter => out.push(c),
                    c => out.extend(['\\', c]),
                },
                c if c == delimiter => return Some(out),
                c => out.push(c),
            }
        }
    }

    fn substitution(&mut self) -> Result<Action, String> {
        const UNTERMINATED: &str = "unterminated `s' command";
        let delimiter = self.take().ok_or(UNTERMINATED)?;
        let pattern = self.until(delimiter).ok_or(UNTERMINATED)?;
        let replacement = self.until(delimiter).ok_or(UNTERMINATED)?;
        let (mut global, mut print, mut ignore_case, mut digits) = (false, false, false, String::new());
        while let Some(c) = self.peek() {
            match c {
                'g' => global = true,
                'p' => print = true,
                'i' | 'I' => ignore_case = true,
                c if c.is_ascii_digit() => digits.push(c),
                ';' | '\n' | ' ' | '}' => break,
                _ => {
                    self.at += 1;
                    return Err("unknown option to `s'".into());
                }
            }
            self.at += 1;
        }
        let nth = if digits.is_empty() { 1 } else { digits.parse().unwrap_or(0) };
        if nth == 0 {
            return Err("number option to `s' command may not be zero".into());
        }
        let regex = Regex::new(&pattern, self.syntax, ignore_case, Whole::Anything)?;
        Ok(Action::Substitute { regex, replacement, global, print, nth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_replaced() {
        let regex = |p| Regex::new(p, Syntax::Basic, false, Whole::Anything).expect("right");
        assert_eq!(substitute(&regex(".*-> "), "", false, 1, "a -> b").as_deref(), Some("b"));
        assert_eq!(substitute(&regex("\\(a\\)\\(b\\)"), "\\2\\1", true, 1, "abab").as_deref(), Some("baba"));
        assert_eq!(substitute(&regex("x*"), "-", true, 1, "abc").as_deref(), Some("-a-b-c-"));
        assert_eq!(substitute(&regex("a"), "[&]", false, 2, "aaa").as_deref(), Some("a[a]a"));
        assert_eq!(substitute(&regex("z"), "", false, 1, "abc"), None);
    }
}
