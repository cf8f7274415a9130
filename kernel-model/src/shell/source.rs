//! Taking commands from a text one after the other, and saying what is wrong with it.

use super::ast::List;
use super::lower::{self, SyntaxError};

/// Whether a text can be run as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complete {
    /// It can.
    Complete,
    /// More has to come: an open quotation, a loop without its end, a here-document.
    Incomplete,
    /// It never can.
    Error,
}

/// Whether `text` is a complete command (or several), or needs another line first.
pub fn is_complete(text: &str) -> Complete {
    if ends_in_continuation(text) {
        return Complete::Incomplete;
    }
    match lower::parse(text, 1) {
        Ok(_) => Complete::Complete,
        Err(e) if needs_more(&e) => Complete::Incomplete,
        Err(_) => Complete::Error,
    }
}

fn needs_more(error: &SyntaxError) -> bool {
    matches!(error, SyntaxError::Unclosed { .. } | SyntaxError::EndOfFile { .. } | SyntaxError::HereDoc { .. })
}

/// Whether the last line ends in a backslash that joins the next one to it.
fn ends_in_continuation(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let backslashes = body.len() - body.trim_end_matches('\\').len();
    let comment = body.lines().next_back().is_some_and(|l| l.trim_start().starts_with('#'));
    backslashes % 2 == 1 && !comment
}

/// What was taken from a text.
pub struct Taken {
    /// The commands, or what is wrong.
    pub commands: Result<List, SyntaxError>,
    /// How many bytes they are.
    pub bytes: usize,
    /// A here-document that only the end of the text has ended: the word that was waited for, and its line.
    pub unended: Option<(String, u32)>,
}

/// Takes the commands of the first line, and of as many more as they need. `line` is its number; at the
/// end of the text nothing more can come.
pub fn take(text: &str, line: u32) -> Taken {
    let mut end = 0;
    loop {
        end += text[end..].find('\n').map_or(text.len() - end, |n| n + 1);
        let chunk = &text[..end];
        let at_end = end == text.len();
        if !at_end && ends_in_continuation(chunk) {
            continue;
        }
        match lower::parse(chunk, line) {
            Ok(list) => return Taken { commands: Ok(list), bytes: end, unended: None },
            Err(e) if needs_more(&e) && !at_end => continue,
            Err(SyntaxError::HereDoc { tag, line: at }) => {
                let word = tag.trim_matches(['\'', '"', '\\']);
                let newline = if chunk.ends_with('\n') { "" } else { "\n" };
                let ended = format!("{chunk}{newline}{word}\n");
                return Taken {
                    commands: lower::parse(&ended, line),
                    bytes: end,
                    unended: Some((word.to_owned(), at)),
                };
            }
            Err(e) => return Taken { commands: Err(e), bytes: end, unended: None },
        }
    }
}

/// The messages of bash about an error of syntax; `prefix` is what stands before `line N:`. `text` is what
/// was read, beginning on line `first`.
pub fn messages(error: &SyntaxError, prefix: &str, text: &str, first: u32) -> String {
    match error {
        SyntaxError::Near { token, line } => {
            let source = text.lines().nth(line.saturating_sub(first) as usize).unwrap_or("");
            format!(
                "{prefix}line {line}: syntax error near unexpected token `{token}'\n{prefix}line {line}: `{source}'\n"
            )
        }
        SyntaxError::EndOfFile { line } => format!("{prefix}line {line}: syntax error: unexpected end of file\n"),
        SyntaxError::Unclosed { what, line } => {
            format!("{prefix}line {line}: unexpected EOF while looking for matching `{what}'\n")
        }
        SyntaxError::HereDoc { tag, line } => {
            format!("{prefix}line {line}: here-document delimited by end-of-file (wanted `{tag}')\n")
        }
        SyntaxError::TooDeep { line } => {
            format!("{prefix}line {line}: syntax error: commands are nested too deep for this shell\n")
        }
        SyntaxError::NotModelled { what, line } => format!("{prefix}line {line}: {what}: not modelled by this shell\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match take(text, 1).commands {
            Ok(_) => "none".to_owned(),
            Err(e) => messages(&e, "", text, 1),
        }
    }

    #[test]
    fn what_is_complete() {
        for text in
            ["echo a", "for i in 1 2; do echo $i; done", "cat <<E\nx\nE\n", "", "# only this", "f() { a; }", "a &"]
        {
            assert_eq!(is_complete(text), Complete::Complete, "{text}");
        }
        for text in [
            "echo 'a",
            "echo \"a",
            "if true",
            "for i in 1; do",
            "while :; do\nx",
            "cat <<E\nx",
            "a &&",
            "a |",
            "echo $(",
            "( a",
            "{ a",
            "case x in",
            "case x in a) b",
            "a \\\n",
            "f() {",
            "f()",
        ] {
            assert_eq!(is_complete(text), Complete::Incomplete, "{text}");
        }
        for text in ["fi", "a; done", "a )", "a | | b", "&& b", "a ;; b", "echo >", "f() { g; }; }", "; a"] {
            assert_eq!(is_complete(text), Complete::Error, "{text}");
        }
    }

    #[test]
    fn messages_of_bash() {
        assert_eq!(error("fi"), "line 1: syntax error near unexpected token `fi'\nline 1: `fi'\n");
        assert_eq!(error("true &&\nfi"), "line 2: syntax error near unexpected token `fi'\nline 2: `fi'\n");
        assert_eq!(error("echo > "), "line 1: syntax error near unexpected token `newline'\nline 1: `echo > '\n");
        assert_eq!(error("if true"), "line 2: syntax error: unexpected end of file\n");
        assert_eq!(error("echo \"abc"), "line 1: unexpected EOF while looking for matching `\"'\n");
        assert_eq!(error("a | | b"), "line 1: syntax error near unexpected token `|'\nline 1: `a | | b'\n");
    }

    #[test]
    fn commands_are_taken_by_lines() {
        let text = "a; b\nfor i in 1\ndo c\ndone\nd\n";
        let first = take(text, 1);
        assert_eq!(first.bytes, 5);
        assert_eq!(first.commands.map(|l| l.len()), Ok(2));
        let second = take(&text[5..], 2);
        assert_eq!(&text[5 + second.bytes..], "d\n");
    }
}
