//! The words of an awk program.

/// A word, with what the parser must know about it.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A name directly before a parenthesis.
    CallName(String),
    Builtin(String),
    Keyword(String),
    Sign(&'static str),
    Newline,
    End,
}

const KEYWORDS: &[&str] = &[
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next", "nextfile",
    "exit", "return", "delete", "in", "getline", "print", "printf",
];

const BUILTINS: &[&str] = &[
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "sin", "cos", "atan2", "exp", "log",
    "sqrt", "int", "rand", "srand", "tolower", "toupper", "system", "close", "fflush",
];

/// Longer ones first.
const SIGNS: &[&str] = &[
    "**=", "&&", "||", "==", "<=", ">=", "!=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "!~", ">>", "**", "{",
    "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=",
];

impl Token {
    /// How messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Number(n) => n.to_string(),
            Token::Text(s) => format!("\"{s}\""),
            Token::Regex(s) => format!("/{s}/"),
            Token::Name(s) | Token::CallName(s) | Token::Builtin(s) | Token::Keyword(s) => s.clone(),
            Token::Sign(s) => (*s).to_owned(),
            Token::Newline => "end of line".into(),
            Token::End => "end of file".into(),
        }
    }

    /// Whether a slash after it divides.
    fn ends_operand(&self) -> bool {
        match self {
            Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::Builtin(_) => true,
            Token::Sign(s) => matches!(*s, ")" | "]" | "$" | "++" | "--"),
            _ => false,
        }
    }
}

/// A word and the line that it stands in.
pub(super) type Placed = (Token, usize);

/// Takes a program apart.
///
/// # Errors
/// The message and the line.
pub(super) fn tokens(source: &str) -> Result<Vec<Placed>, (String, usize)> {
    let chars: Vec<char> = source.chars().collect();
    let mut out: Vec<Placed> = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match c {
            '\n' => {
                out.push((Token::Newline, line));
                line += 1;
                at += 1;
            }
            '\\' if next == Some('\n') => {
                line += 1;
                at += 2;
            }
            c if c.is_whitespace() => at += 1,
            '#' => at += chars[at..].iter().take_while(|c| **c != '\n').count(),
            '"' => {
                let text = quoted(&chars, &mut at, '"').ok_or_else(|| ("runaway string constant".to_owned(), line))?;
                out.push((Token::Text(unescape(&text)), line));
            }
            '/' if !out.last().is_some_and(|(t, _)| t.ends_operand()) => {
                let text = regex(&chars, &mut at).ok_or_else(|| ("runaway regular expression".to_owned(), line))?;
                out.push((Token::Regex(text), line));
            }
            c if c.is_ascii_digit() || (c == '.' && next.is_some_and(|n| n.is_ascii_digit())) => {
                let rest: String = chars[at..].iter().take_while(|c| c.is_ascii()).take(400).collect();
                let (value, length) = crate::program::cformat::strtod(&rest);
                out.push((Token::Number(value), line));
                at += length.max(1);
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let word: String = chars[at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
                at += word.len();
                let token = if KEYWORDS.contains(&word.as_str()) {
                    Token::Keyword(if word == "func" { "function".into() } else { word })
                } else if BUILTINS.contains(&word.as_str()) {
                    Token::Builtin(word)
                } else if chars.get(at) == Some(&'(') {
                    Token::CallName(word)
                } else {
                    Token::Name(word)
                };
                out.push((token, line));
            }
            c => {
                let is_here = |s: &&&str| s.chars().enumerate().all(|(i, w)| chars.get(at + i) == Some(&w));
                let Some(sign) = SIGNS.iter().find(is_here) else {
                    return Err((format!("unexpected character '{c}'"), line));
                };
                at += sign.len();
                let sign = match *sign {
                    "**" => "^",
                    "**=" => "^=",
                    s => s,
                };
                out.push((Token::Sign(sign), line));
            }
        }
    }
    out.push((Token::End, line));
    Ok(out)
}

/// What stands between the delimiter here and the next one, escapes untouched.
fn quoted(chars: &[char], at: &mut usize, delimiter: char) -> Option<String> {
    let mut text = String::new();
    *at += 1;
    loop {
        let c = *chars.get(*at)?;
        *at += 1;
        match c {
            '\n' => return None,
            '\\' => {
                let next = *chars.get(*at)?;
                *at += 1;
                if next != '\n' {
                    text.extend(['\\', next]);
                }
            }
            c if c == delimiter => return Some(text),
            c => text.push(c),
        }
    }
}

/// A slash in brackets does not end a regular expression; an escaped one is a slash.
fn regex(chars: &[char], at: &mut usize) -> Option<String> {
    let mut text = String::new();
    *at += 1;
    loop {
        let c = *chars.get(*at)?;
        *at += 1;
        match c {
            '\n' => return None,
            '/' => return Some(text),
            '\\' if chars.get(*at) == Some(&'/') => {
                text.push('/');
                *at += 1;
            }
            '\\' => {
                text.extend(['\\', *chars.get(*at)?]);
                *at += 1;
            }
            c => text.push(c),
        }
    }
}

/// The escapes of a string constant, and of `-v`.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('"') => out.push('"'),
            Some('/') => out.push('/'),
            Some('\\') | None => out.push('\\'),
            Some(d @ '0'..='7') => {
                let mut value = u32::from(d) - 48;
                for _ in 0..2 {
                    if let Some(d) = chars.next_if(|c| ('0'..='7').contains(c)) {
                        value = value * 8 + u32::from(d) - 48;
                    }
                }
                out.extend(char::from_u32(value & 0xff));
            }
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}
