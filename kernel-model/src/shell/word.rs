//! The parts of a word: quoting, and what begins with `$` or a backquote.

use std::sync::Arc;

use super::ast::{Param, ParamOp, Part, Subscript, Word};
use super::lower::{self, SyntaxError};

/// Where a word stands, which decides what is special in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// An argument, a pattern, the name of a file.
    Plain,
    /// The value of an assignment: `~` counts after every colon as well.
    Assignment,
    /// Between double quotes: blanks and quotes are text.
    DoubleQuoted,
    /// A here-document: the same, and double quotes are text.
    HereDoc,
    /// An arithmetic expression.
    Arithmetic,
}

/// How deep expansions may be nested in one word.
const DEEPEST: usize = 64;

/// Reads the parts of a word from its text, which begins on this line.
///
/// # Errors
/// When something in it is not closed, or a command in it is not a command.
pub fn parse(text: &str, context: Context, line: u32) -> Result<Word, SyntaxError> {
    parse_at(text, context, line, 0)
}

fn parse_at(text: &str, context: Context, line: u32, depth: usize) -> Result<Word, SyntaxError> {
    if depth > DEEPEST {
        return Err(SyntaxError::TooDeep { line });
    }
    let mut reader = Reader { text, at: 0, line, depth, parts: Vec::new(), literal: String::new() };
    reader.word(context)?;
    Ok(Word::new(reader.parts))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    depth: usize,
    parts: Vec<Part>,
    literal: String,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let text = std::mem::take(&mut self.literal);
            self.parts.push(Part::Literal(text.into()));
        }
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.parts.push(part);
    }

    fn word(&mut self, context: Context) -> Result<(), SyntaxError> {
        let quoting = matches!(context, Context::Plain | Context::Assignment);
        if quoting {
            self.tilde(context);
        }
        while let Some(c) = self.peek() {
            match c {
                '\\' => self.backslash(context),
                '\'' if quoting => {
                    self.take();
                    let text = self.until_quote('\'')?;
                    self.push(Part::Quoted(text.into()));
                }
                '"' if quoting => {
                    self.take();
                    let inner = self.double_quoted()?;
                    self.push(Part::DoubleQuoted(inner.into()));
                }
                '"' if context == Context::Arithmetic => {
                    self.take();
                }
                '$' => self.dollar(context)?,
                '`' => {
                    self.take();
                    self.backquotes(context)?;
                }
                ':' if context == Context::Assignment => {
                    self.take();
                    self.literal.push(':');
                    self.tilde(context);
                }
                _ => {
                    self.take();
                    self.literal.push(c);
                }
            }
        }
        self.flush();
        Ok(())
    }

    /// `~` or `~name` at this place, if that is the whole of a path's first component.
    fn tilde(&mut self, context: Context) {
        let Some(rest) = self.rest().strip_prefix('~') else { return };
        let end = rest.find(|c| c == '/' || (c == ':' && context == Context::Assignment)).unwrap_or(rest.len());
        let name = &rest[..end];
        if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+')) {
            self.at += 1 + end;
            self.push(Part::Tilde(name.into()));
        }
    }

    fn backslash(&mut self, context: Context) {
        self.take();
        let special = match context {
            Context::Plain | Context::Assignment => true,
            Context::DoubleQuoted | Context::Arithmetic => matches!(self.peek(), Some('$' | '`' | '"' | '\\' | '\n')),
            Context::HereDoc => matches!(self.peek(), Some('$' | '`' | '\\' | '\n')),
        };
        match self.peek() {
            Some('\n') => {
                self.take();
            }
            Some(c) if special => {
                self.take();
                self.push(Part::Quoted(c.to_string().into()));
            }
            _ => self.literal.push('\\'),
        }
    }

    fn until_quote(&mut self, quote: char) -> Result<String, SyntaxError> {
        let line = self.line;
        let mut text = String::new();
        loop {
            match self.take() {
                Some(c) if c == quote => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(SyntaxError::Unclosed { what: quote, line }),
            }
        }
    }

    /// What is between double quotes; the first one has been taken.
    fn double_quoted(&mut self) -> Result<Vec<Part>, SyntaxError> {
        let line = self.line;
        let start = self.at;
        let end = skip_double_quotes(self.rest()).ok_or(SyntaxError::Unclosed { what: '"', line })?;
        let inner = &self.text[start..start + end];
        let word = parse_at(inner, Context::DoubleQuoted, line, self.depth + 1)?;
        self.line += count_lines(inner);
        self.at = start + end + 1;
        Ok(word.parts.to_vec())
    }

    fn dollar(&mut self, context: Context) -> Result<(), SyntaxError> {
        let line = self.line;
        self.take();
        let rest = self.rest();
        if context != Context::HereDoc && context != Context::DoubleQuoted && rest.starts_with('\'') {
            self.take();
            return self.ansi_quoted();
        }
        if context == Context::Plain && rest.starts_with('"') {
            return Ok(());
        }
        if rest.starts_with("((")
            && let Some(end) = arithmetic_end(rest)
        {
            let inner = &rest[2..end - 2];
            let word = parse_at(inner, Context::Arithmetic, line, self.depth + 1)?;
            self.line += count_lines(inner);
            self.at += end;
            self.push(Part::Arithmetic(word));
            return Ok(());
        }
        if rest.starts_with('(') {
            let end = skip_parens(rest).ok_or(SyntaxError::Unclosed { what: ')', line })?;
            let inner = &rest[1..end - 1];
            let list = lower::parse_substitution(inner, line, self.depth + 1)?;
            self.line += count_lines(inner);
            self.at += end;
            self.push(Part::Command(list));
            return Ok(());
        }
        if rest.starts_with('{') {
            let end = skip_braces(rest).ok_or(SyntaxError::Unclosed { what: '}', line })?;
            let inner = &rest[1..end - 1];
            let quoted = matches!(context, Context::DoubleQuoted | Context::HereDoc);
            let param = parse_param(inner, quoted, line, self.depth + 1)?;
            self.line += count_lines(inner);
            self.at += end;
            self.push(Part::Param(Arc::new(param)));
            return Ok(());
        }
        let len = match rest.chars().next() {
            Some(c) if is_name_start(c) => rest.find(|c| !is_name_char(c)).unwrap_or(rest.len()),
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => 1,
            _ => {
                self.literal.push('$');
                return Ok(());
            }
        };
        let name = &rest[..len];
        self.at += len;
        self.push(Part::Param(Arc::new(Param {
            name: name.into(),
            subscript: None,
            indirect: false,
            op: ParamOp::Plain,
            text: name.into(),
        })));
        Ok(())
    }

    /// `$'…'`: the escapes of C; the quote has been taken.
    fn ansi_quoted(&mut self) -> Result<(), SyntaxError> {
        let line = self.line;
        let mut raw = String::new();
        loop {
            match self.take() {
                Some('\'') => break,
                Some('\\') => {
                    raw.push('\\');
                    raw.extend(self.take());
                }
                Some(c) => raw.push(c),
                None => return Err(SyntaxError::Unclosed { what: '\'', line }),
            }
        }
        let text = super::escape::unescape(&raw, super::escape::Style::AnsiC).text;
        self.push(Part::Quoted(text.into()));
        Ok(())
    }

    /// A command between backquotes; the first one has been taken.
    fn backquotes(&mut self, context: Context) -> Result<(), SyntaxError> {
        let line = self.line;
        let mut source = String::new();
        loop {
            match self.take() {
                Some('`') => break,
                Some('\\') => match self.peek() {
                    Some(c @ ('$' | '`' | '\\')) => {
                        self.take();
                        source.push(c);
                    }
                    Some('"') if context == Context::DoubleQuoted => {
                        self.take();
                        source.push('"');
                    }
                    _ => source.push('\\'),
                },
                Some(c) => source.push(c),
                None => return Err(SyntaxError::Unclosed { what: '`', line }),
            }
        }
        let list = lower::parse_substitution(&source, line, self.depth + 1)?;
        self.push(Part::Command(list));
        Ok(())
    }
}

/// What is between the braces of `${…}`.
fn parse_param(text: &str, quoted: bool, line: u32, depth: usize) -> Result<Param, SyntaxError> {
    let bad = || Param { name: "".into(), subscript: None, indirect: false, op: ParamOp::Bad, text: text.into() };
    let context = if quoted { Context::DoubleQuoted } else { Context::Plain };
    let word = |text: &str| parse_at(text, context, line, depth);
    let pattern = |text: &str| parse_at(text, Context::Plain, line, depth);
    let mut rest = text;
    let mut length = false;
    let mut indirect = false;
    if let Some(r) = rest.strip_prefix('#')
        && !r.is_empty()
        && name_len(r) > 0
        && (name_len(r) == r.len() || subscript_len(&r[name_len(r)..]) == Some(r.len() - name_len(r)))
    {
        length = true;
        rest = r;
    } else if let Some(r) = rest.strip_prefix('!')
        && !r.is_empty()
        && name_len(r) > 0
    {
        indirect = true;
        rest = r;
    }
    let len = name_len(rest);
    if len == 0 {
        return Ok(bad());
    }
    let (name, mut rest) = rest.split_at(len);
    let mut subscript = None;
    if is_name(name)
        && let Some(len) = subscript_len(rest)
    {
        subscript = Some(match &rest[1..len - 1] {
            "@" => Subscript::All,
            "*" => Subscript::Star,
            index => Subscript::Index(parse_at(index, Context::Arithmetic, line, depth)?),
        });
        rest = &rest[len..];
    }
    let all = matches!(subscript, Some(Subscript::All | Subscript::Star));
    let done = |op| {
        let indirect = indirect && op != ParamOp::Keys;
        Ok(Param { name: name.into(), subscript: subscript.clone(), indirect, op, text: text.into() })
    };
    if length {
        return if rest.is_empty() { done(ParamOp::Length) } else { Ok(bad()) };
    }
    if indirect && (rest == "*" || rest == "@") {
        return done(ParamOp::Names);
    }
    if indirect && rest.is_empty() && all {
        return done(ParamOp::Keys);
    }
    let mut chars = rest.chars();
    match chars.next() {
        None => done(ParamOp::Plain),
        Some(op @ ('-' | '=' | '?' | '+')) => done(ParamOp::Test { op, colon: false, word: word(chars.as_str())? }),
        Some(':') => {
            let after = chars.as_str();
            match after.chars().next() {
                Some(op @ ('-' | '=' | '?' | '+')) => done(ParamOp::Test { op, colon: true, word: word(&after[1..])? }),
                Some(_) => {
                    let (offset, len) = match split_outside(after, ':') {
                        Some((offset, len)) => (offset, Some(len)),
                        None => (after, None),
                    };
                    let number = |text: &str| parse_at(text, Context::Arithmetic, line, depth);
                    done(ParamOp::Substring(number(offset)?, len.map(number).transpose()?))
                }
                None => Ok(bad()),
            }
        }
        Some(c @ ('#' | '%')) => {
            let after = chars.as_str();
            let longest = after.starts_with(c);
            let text = if longest { &after[1..] } else { after };
            done(ParamOp::Trim { suffix: c == '%', longest, pattern: pattern(text)? })
        }
        Some('/') => {
            let after = chars.as_str();
            let (which, after) = match after.chars().next() {
                Some(c @ ('/' | '#' | '%')) => (c, &after[1..]),
                _ => (' ', after),
            };
            let (p, replacement) = split_outside(after, '/').unwrap_or((after, ""));
            done(ParamOp::Replace { which, pattern: pattern(p)?, replacement: word(replacement)? })
        }
        Some(c @ ('^' | ',')) => {
            let after = chars.as_str();
            let all = after.starts_with(c);
            if after.len() == usize::from(all) { done(ParamOp::Case { upper: c == '^', all }) } else { Ok(bad()) }
        }
        Some('@') if rest == "@Q" => done(ParamOp::Quote),
        Some(_) => Ok(bad()),
    }
}

/// How long the subscript at the beginning of `text` is; `None` when there is none.
fn subscript_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let (index, _) = split_outside(inner, ']')?;
    (!index.is_empty()).then_some(index.len() + 2)
}

/// How long the name of the parameter at the beginning of `text` is.
fn name_len(text: &str) -> usize {
    match text.chars().next() {
        Some(c) if is_name_start(c) => text.find(|c| !is_name_char(c)).unwrap_or(text.len()),
        Some(c) if c.is_ascii_digit() => text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()),
        Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
        _ => 0,
    }
}

/// Whether a name of a variable may begin with this.
pub fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Whether a name of a variable may contain this.
pub fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether this is a name of a variable.
pub fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(is_name_start) && text.chars().all(is_name_char)
}

fn count_lines(text: &str) -> u32 {
    text.matches('\n').count() as u32
}

/// Splits at the first `separator` that is neither quoted nor inside an expansion.
fn split_outside(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == separator {
            return Some((&text[..at], &text[at + c.len_utf8()..]));
        }
        at += skip_one(&text[at..])?;
    }
    None
}

/// How many bytes the character, quotation or expansion at the beginning of `text` takes; `None` when it is not closed.
pub(super) fn skip_one(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let c = chars.next()?;
    let rest = chars.as_str();
    match c {
        '\\' => Some(1 + rest.chars().next().map_or(0, char::len_utf8)),
        '\'' => rest.find('\'').map(|n| n + 2),
        '"' => skip_double_quotes(rest).map(|n| n + 2),
        '`' => {
            let mut at = 0;
            loop {
                match rest.get(at..)?.chars().next()? {
                    '`' => return Some(at + 2),
                    '\\' => at += 1 + rest.get(at + 1..)?.chars().next()?.len_utf8(),
                    c => at += c.len_utf8(),
                }
            }
        }
        '$' if rest.starts_with('(') => skip_parens(rest).map(|n| n + 1),
        '$' if rest.starts_with('{') => skip_braces(rest).map(|n| n + 1),
        _ => Some(c.len_utf8()),
    }
}

/// Where the closing double quote is; `text` begins behind the opening one.
fn skip_double_quotes(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at..)?.chars().next()? {
            '"' => return Some(at),
            '\'' => at += 1,
            _ => at += skip_one(&text[at..])?,
        }
    }
}

/// The length of `{…}` at the beginning.
fn skip_braces(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at..)?.chars().next()? {
            '}' => return Some(at + 1),
            _ => at += skip_one(&text[at..])?,
        }
    }
}

/// The length of `(…)` at the beginning. Parentheses of `case` patterns and in comments are understood as far
/// as they come in pairs.
fn skip_parens(text: &str) -> Option<usize> {
    let mut at = 1;
    let mut depth = 1;
    let mut word_start = true;
    let mut case_depth: Vec<usize> = Vec::new();
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        if c == '#' && word_start {
            at += rest.find('\n')?;
            continue;
        }
        if word_start && c.is_ascii_alphabetic() {
            let len = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
            match &rest[..len] {
                "case" => case_depth.push(depth),
                "esac" => {
                    case_depth.pop();
                }
                _ => {}
            }
            at += len;
            word_start = false;
            continue;
        }
        match c {
            '(' => depth += 1,
            ')' if case_depth.last() == Some(&depth) => {}
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        word_start = c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')');
        at += skip_one(rest)?;
    }
}

/// The length of `((…))` at the beginning, if it is one and not a subshell in a command substitution.
fn arithmetic_end(text: &str) -> Option<usize> {
    let mut at = 2;
    let mut depth = 0;
    loop {
        let rest = text.get(at..)?;
        match rest.chars().next()? {
            '(' => depth += 1,
            ')' if depth == 0 => return rest.starts_with("))").then_some(at + 2),
            ')' => depth -= 1,
            _ => {}
        }
        at += skip_one(rest)?;
    }
}
