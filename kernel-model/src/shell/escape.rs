//! Backslash escapes, as `$'…'`, `echo -e` and `printf` have them.

/// Which of the three dialects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// `$'…'`: octal is `\nnn`.
    AnsiC,
    /// `echo -e` and `printf %b`: octal is `\0nnn`, `\c` ends all output.
    Echo,
    /// The format of `printf`: octal is `\nnn`.
    Format,
}

/// Text without its escapes.
pub struct Unescaped {
    /// The text.
    pub text: String,
    /// `\c` was met: nothing more is to be printed.
    pub stop: bool,
}

/// Replaces the escapes in `text`.
pub fn unescape(text: &str, style: Style) -> Unescaped {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(e) = chars.next() else {
            out.push('\\');
            break;
        };
        let mut digits = |radix: u32, most: usize, first: Option<char>| {
            let mut value = first.and_then(|c| c.to_digit(radix));
            for _ in usize::from(first.is_some())..most {
                let Some(d) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
                value = Some(value.unwrap_or(0) * radix + d);
                chars.next();
            }
            value
        };
        let plain = match e {
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'e' | 'E' => Some('\x1b'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            '\\' => Some('\\'),
            '\'' | '"' if style != Style::Echo => Some(e),
            '?' if style == Style::AnsiC => Some('?'),
            '0' if style == Style::Echo => char::from_u32(digits(8, 3, None).unwrap_or(0) & 0xff),
            '0'..='7' if style != Style::Echo => char::from_u32(digits(8, 3, Some(e)).unwrap_or(0) & 0xff),
            'x' => digits(16, 2, None).and_then(char::from_u32),
            'u' => digits(16, 4, None).and_then(char::from_u32),
            'U' => digits(16, 8, None).and_then(char::from_u32),
            'c' if style == Style::Echo => return Unescaped { text: out, stop: true },
            _ => None,
        };
        match plain {
            Some(c) => out.push(c),
            None => {
                out.push('\\');
                out.push(e);
            }
        }
    }
    Unescaped { text: out, stop: false }
}
