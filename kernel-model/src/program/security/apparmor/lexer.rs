//! Words of a profile: paths with their braces, parentheses, and the commas that end rules.

/// A word or a sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A word: a keyword, a path, `peer=unconfined`.
    Word(String),
    /// `(a, b c)`: the words in it.
    List(Vec<String>),
    /// `,` at the end of a rule.
    End,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `->`
    Arrow,
}

/// A token, and the line on which it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) line: usize,
}

/// Takes a text apart.
///
/// # Errors
/// A line, and what is wrong there.
pub(super) fn lex(text: &str) -> Result<Vec<Placed>, (usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut out) = (0, 1, Vec::new());
    while at < chars.len() {
        let c = chars[at];
        let mut put = |token| out.push(Placed { token, line });
        match c {
            '\n' => {
                line += 1;
                at += 1;
            }
            c if c.is_whitespace() => at += 1,
            '#' => at += chars[at..].iter().take_while(|c| **c != '\n').count(),
            ',' => {
                put(Token::End);
                at += 1;
            }
            '}' => {
                put(Token::Close);
                at += 1;
            }
            '{' if chars.get(at + 1).is_none_or(|c| c.is_whitespace() || *c == '#' || *c == '}') => {
                put(Token::Open);
                at += 1;
            }
            '-' if chars.get(at + 1) == Some(&'>') => {
                put(Token::Arrow);
                at += 2;
            }
            '(' => {
                let end = chars[at..].iter().position(|c| *c == ')');
                let end = at + end.ok_or((line, "syntax error, missing )".to_owned()))?;
                let inside: String = chars[at + 1..end].iter().collect();
                let words = inside.split([',', ' ', '\t', '\n']).filter(|w| !w.is_empty());
                put(Token::List(words.map(str::to_owned).collect()));
                line += chars[at..end].iter().filter(|c| **c == '\n').count();
                at = end + 1;
            }
            _ => {
                let (word, end) = word(&chars, at).ok_or((line, "syntax error, missing \"".to_owned()))?;
                put(Token::Word(word));
                at = end;
            }
        }
    }
    Ok(out)
}

/// The word that begins there, and where it ends. Commas in braces belong to it, and whatever is quoted.
fn word(chars: &[char], from: usize) -> Option<(String, usize)> {
    let (mut at, mut depth, mut word) = (from, 0, String::new());
    while let Some(c) = chars.get(at) {
        match c {
            '"' => {
                let end = at + 1 + chars[at + 1..].iter().position(|c| *c == '"')?;
                word.extend(&chars[at + 1..end]);
                at = end;
            }
            '\\' => {
                word.push('\\');
                at += 1;
                word.extend(chars.get(at));
            }
            c if c.is_whitespace() => break,
            ',' | '(' | ')' if depth == 0 => break,
            '{' => {
                depth += 1;
                word.push('{');
            }
            '}' if depth == 0 => break,
            '}' => {
                depth -= 1;
                word.push('}');
            }
            c => word.push(*c),
        }
        at += 1;
    }
    // A sign that begins no word stands alone.
    if at == from { Some((chars[from].to_string(), from + 1)) } else { Some((word, at)) }
}
