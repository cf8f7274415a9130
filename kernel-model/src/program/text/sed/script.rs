//! The script of sed: commands with their addresses.

use std::collections::BTreeMap;

use super::super::regex::{Regex, Syntax, Whole};
use super::substitute::Substitution;

/// Where a command applies.
pub(super) enum Address {
    Line(u64),
    Last,
    Match(Regex),
    /// `FIRST~STEP`.
    Every(u64, u64),
    /// `,+N` and `,~N`, as the end of a range.
    Plus(u64),
    Multiple(u64),
}

/// What a command does.
pub(super) enum Action {
    Print,
    PrintFirst,
    Delete,
    DeleteFirst,
    Quit {
        status: i32,
        print: bool,
    },
    Number,
    Substitute(Substitution),
    Translate(BTreeMap<char, char>),
    Next,
    AppendNext,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    Exchange,
    Append(String),
    Insert(String),
    Change(String),
    ReadFile(String),
    FileName,
    Zap,
    /// `{`: where it goes on when the addresses do not apply.
    Block(usize),
    /// `}` and labels.
    Nothing,
    Branch(usize),
    /// `t`, and with `false` `T`.
    BranchIf(bool, usize),
}

/// A command with its addresses.
pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) inverted: bool,
    pub(super) action: Action,
    /// A range has begun and not ended; the line with which it ends where that is known.
    pub(super) inside: bool,
    pub(super) until: Option<u64>,
}

/// Reads a script.
///
/// # Errors
/// What sed says behind its name.
pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Vec<Command>, String> {
    let mut parser = Parser {
        rest: text.chars().collect(),
        at: 0,
        syntax,
        commands: Vec::new(),
        blocks: Vec::new(),
        labels: BTreeMap::new(),
        jumps: Vec::new(),
        last: None,
    };
    parser.script().map_err(|message| format!("-e expression #1, char {}: {message}", parser.at))?;
    if !parser.blocks.is_empty() {
        return Err("-e expression #1, char 0: unmatched `{'".to_owned());
    }
    let end = parser.commands.len();
    for (index, label) in std::mem::take(&mut parser.jumps) {
        let target = match parser.labels.get(&label) {
            _ if label.is_empty() => end,
            Some(target) => *target,
            None => {
                return Err(format!("can't find label for jump to `{label}'"));
            }
        };
        match &mut parser.commands[index].action {
            Action::Branch(to) | Action::BranchIf(_, to) => *to = target,
            _ => {}
        }
    }
    Ok(parser.commands)
}

struct Parser {
    rest: Vec<char>,
    at: usize,
    syntax: Syntax,
    commands: Vec<Command>,
    /// Commands `{` that are open.
    blocks: Vec<usize>,
    labels: BTreeMap<String, usize>,
    jumps: Vec<(usize, String)>,
    /// The last regular expression: an empty one means it.
    last: Option<Regex>,
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

    fn script(&mut self) -> Result<(), String> {
        loop {
            while self.peek().is_some_and(|c| c.is_whitespace() || c == ';') {
                self.at += 1;
            }
            if self.peek().is_none() {
                return Ok(());
            }
            let command = self.command()?;
            self.commands.extend(command);
        }
    }

    fn command(&mut self) -> Result<Option<Command>, String> {
        let from = self.address()?;
        let mut to = None;
        if from.is_some() && self.peek() == Some(',') {
            self.at += 1;
            self.skip_blanks();
            to = match self.peek() {
                Some(sign @ ('+' | '~')) => {
                    self.at += 1;
                    let n = self.number().ok_or("expected number")?;
                    Some(if sign == '+' { Address::Plus(n) } else { Address::Multiple(n) })
                }
                _ => self.address()?,
            };
            if to.is_none() {
                return Err("unexpected `,'".into());
            }
        }
        self.skip_blanks();
        let inverted = self.peek() == Some('!');
        self.at += usize::from(inverted);
        self.skip_blanks();
        let has_address = from.is_some();
        let Some(action) = self.action(has_address)? else { return Ok(None) };
        Ok(Some(Command { from, to, inverted, action, inside: false, until: None }))
    }

    /// The command itself; `None` for a comment.
    fn action(&mut self, has_address: bool) -> Result<Option<Action>, String> {
        let index = self.commands.len();
        let action = match self.take() {
            None => return Err("missing command".into()),
            Some('#') => {
                if has_address {
                    return Err("comments don't accept any addresses".into());
                }
                self.line();
                return Ok(None);
            }
            Some('{') => {
                self.blocks.push(index);
                return Ok(Some(Action::Block(0)));
            }
            Some('}') => {
                if has_address {
                    return Err("} doesn't want any addresses".into());
                }
                let open = self.blocks.pop().ok_or("unexpected `}'")?;
                self.commands[open].action = Action::Block(index);
                Action::Nothing
            }
            Some(':') => {
                if has_address {
                    return Err(": doesn't want any addresses".into());
                }
                let label = self.word();
                if label.is_empty() {
                    return Err("\":\" lacks a label".into());
                }
                self.labels.insert(label, index);
                Action::Nothing
            }
            Some(letter @ ('b' | 't' | 'T')) => {
                let label = self.word();
                self.jumps.push((index, label));
                match letter {
                    'b' => Action::Branch(0),
                    letter => Action::BranchIf(letter == 't', 0),
                }
            }
            Some('p') => Action::Print,
            Some('P') => Action::PrintFirst,
            Some('d') => Action::Delete,
            Some('D') => Action::DeleteFirst,
            Some(letter @ ('q' | 'Q')) => {
                self.skip_blanks();
                let status = self.number().unwrap_or(0) as i32;
                Action::Quit { status, print: letter == 'q' }
            }
            Some('=') => Action::Number,
            Some('n') => Action::Next,
            Some('N') => Action::AppendNext,
            Some('g') => Action::Get,
            Some('G') => Action::GetAppend,
            Some('h') => Action::Hold,
            Some('H') => Action::HoldAppend,
            Some('x') => Action::Exchange,
            Some('F') => Action::FileName,
            Some('z') => Action::Zap,
            Some('s') => Action::Substitute(self.substitution()?),
            Some('y') => Action::Translate(self.translation()?),
            Some('a') => return Ok(Some(Action::Append(self.text()?))),
            Some('i') => return Ok(Some(Action::Insert(self.text()?))),
            Some('c') => return Ok(Some(Action::Change(self.text()?))),
            Some('r') => {
                self.skip_blanks();
                let name = self.line();
                if name.is_empty() {
                    return Err("missing filename in r/R/w/W commands".into());
                }
                return Ok(Some(Action::ReadFile(name)));
            }
            Some(c) if "lwWRe".contains(c) => {
                return Err(format!("command `{c}' is not modelled in Ringside; see 'help sed'"));
            }
            Some(c) => return Err(format!("unknown command: `{c}'")),
        };
        self.skip_blanks();
        match self.peek() {
            None | Some(';' | '\n' | '}' | '#') => Ok(Some(action)),
            Some(_) => {
                self.at += 1;
                Err("extra characters after command".into())
            }
        }
    }

    /// What is left of the line.
    fn line(&mut self) -> String {
        let from = self.at;
        while self.peek().is_some_and(|c| c != '\n') {
            self.at += 1;
        }
        self.rest[from..self.at].iter().collect()
    }

    /// A label: up to a blank, a semicolon or the end of the line.
    fn word(&mut self) -> String {
        self.skip_blanks();
        let from = self.at;
        while self.peek().is_some_and(|c| !c.is_whitespace() && c != ';') {
            self.at += 1;
        }
        self.rest[from..self.at].iter().collect()
    }

    /// The text of `a`, `i` and `c`: what follows on the line, or the lines behind a backslash.
    fn text(&mut self) -> Result<String, String> {
        self.skip_blanks();
        if self.peek().is_none() {
            return Err("expected \\ after `a', `c' or `i'".into());
        }
        if self.peek() == Some('\\') {
            let backslash = self.at;
            self.at += 1;
            self.skip_blanks();
            if self.peek() == Some('\n') {
                self.at += 1;
            } else {
                // `a\text`: blanks behind the backslash belong to the text.
                self.at = backslash + 1;
            }
        }
        let mut text = String::new();
        while let Some(c) = self.take() {
            match c {
                '\\' => text.extend(self.take()),
                '\n' => break,
                c => text.push(c),
            }
        }
        text.push('\n');
        Ok(text)
    }

    fn number(&mut self) -> Option<u64> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.rest[from..self.at].iter().collect::<String>().parse().ok()
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        self.skip_blanks();
        Ok(match self.peek() {
            Some('$') => {
                self.at += 1;
                Some(Address::Last)
            }
            Some(c @ ('/' | '\\')) => {
                self.at += 1;
                let delimiter = if c == '/' { '/' } else { self.take().ok_or("unterminated address regex")? };
                let pattern = self.pattern(delimiter).ok_or("unterminated address regex")?;
                let ignore_case = self.peek() == Some('I');
                self.at += usize::from(ignore_case);
                Some(Address::Match(self.regex(&pattern, ignore_case)?))
            }
            Some(c) if c.is_ascii_digit() => {
                let first = self.number().ok_or("number too large")?;
                if self.peek() == Some('~') {
                    self.at += 1;
                    Some(Address::Every(first, self.number().unwrap_or(0)))
                } else {
                    Some(Address::Line(first))
                }
            }
            _ => None,
        })
    }

    fn regex(&mut self, pattern: &str, ignore_case: bool) -> Result<Regex, String> {
        if pattern.is_empty() {
            return self.last.clone().ok_or_else(|| "no previous regular expression".to_owned());
        }
        let regex = Regex::new(pattern, self.syntax, ignore_case, Whole::Anything)?;
        self.last = Some(regex.clone());
        Ok(regex)
    }

    /// A regular expression up to its delimiter, which may stand in a bracket expression.
    fn pattern(&mut self, delimiter: char) -> Option<String> {
        let mut out = String::new();
        loop {
            match self.take()? {
                '\\' => match self.take()? {
                    c if c == delimiter => out.push(c),
                    c => out.extend(['\\', c]),
                },
                c if c == delimiter => return Some(out),
                '[' => {
                    out.push('[');
                    if self.peek() == Some('^') {
                        out.extend(self.take());
                    }
                    let first = out.len();
                    loop {
                        out.push(self.take()?);
                        // `[:alpha:]` and its like have a bracket of their own.
                        if out.ends_with('[') && self.peek() == Some(':') {
                            while !out.ends_with(":]") {
                                out.push(self.take()?);
                            }
                        } else if out.ends_with(']') && out.len() > first + 1 {
                            // As the first one it is a member.
                            break;
                        }
                    }
                }
                c => out.push(c),
            }
        }
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

    fn substitution(&mut self) -> Result<Substitution, String> {
        const UNTERMINATED: &str = "unterminated `s' command";
        let delimiter = self.take().ok_or(UNTERMINATED)?;
        let pattern = self.pattern(delimiter).ok_or(UNTERMINATED)?;
        let replacement = self.until(delimiter).ok_or(UNTERMINATED)?;
        let (mut global, mut print, mut ignore_case, mut digits) = (false, false, false, String::new());
        while let Some(c) = self.peek() {
            match c {
                'g' => global = true,
                'p' => print = true,
                'i' | 'I' => ignore_case = true,
                c if c.is_ascii_digit() => digits.push(c),
                ';' | '\n' | ' ' | '}' => break,
                c if "wemM".contains(c) => {
                    self.at += 1;
                    return Err(format!("option `{c}' of the command `s' is not modelled in Ringside; see 'help sed'"));
                }
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
        let regex = self.regex(&pattern, ignore_case)?;
        Ok(Substitution { regex, replacement, global, print, nth })
    }

    fn translation(&mut self) -> Result<BTreeMap<char, char>, String> {
        const UNTERMINATED: &str = "unterminated `y' command";
        let delimiter = self.take().ok_or(UNTERMINATED)?;
        let from = unescaped(&self.until(delimiter).ok_or(UNTERMINATED)?);
        let to = unescaped(&self.until(delimiter).ok_or(UNTERMINATED)?);
        if from.len() != to.len() {
            return Err("strings for `y' command are different lengths".into());
        }
        let mut map = BTreeMap::new();
        for (from, to) in from.into_iter().zip(to) {
            map.entry(from).or_insert(to);
        }
        Ok(map)
    }
}

/// The characters of a list in `y`.
fn unescaped(text: &str) -> Vec<char> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        });
    }
    out
}
