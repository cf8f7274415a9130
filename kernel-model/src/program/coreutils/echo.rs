//! echo(1), shared with the shell's builtin.

use crate::program;
use crate::program::Sys;

program!(ECHO = "echo" in "/usr/bin", "display a line of text", echo, "\
-n  do not output the trailing newline
-e  interpret backslash escapes
-E  do not interpret backslash escapes (default)");

async fn echo(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default();
    match words {
        [only] if only == "--help" => sys.print_help().await,
        [only] if only == "--version" => sys.print("echo (GNU coreutils) 9.1\n").await,
        _ => sys.print(text(words, true)).await,
    }
    0
}

/// What `echo` prints for these words. `octal_without_zero` says that `\101` is an escape, too, as in coreutils.
pub fn text(words: &[String], octal_without_zero: bool) -> Vec<u8> {
    let (mut newline, mut escapes, mut first) = (true, false, 0);
    while let Some(flags) = words.get(first).and_then(|w| w.strip_prefix('-')) {
        if flags.is_empty() || !flags.chars().all(|c| "neE".contains(c)) {
            break;
        }
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        first += 1;
    }
    let line = words.get(first..).unwrap_or_default().join(" ");
    if !escapes {
        let mut out = line.into_bytes();
        if newline {
            out.push(b'\n');
        }
        return out;
    }
    let kind = if octal_without_zero { Escapes::Coreutils } else { Escapes::Bash };
    let (mut out, stop) = unescape(&line, kind);
    if newline && !stop {
        out.push(b'\n');
    }
    out
}

/// Whose backslash escapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Escapes {
    /// `/bin/echo -e` and `%b` of printf(1).
    Coreutils,
    /// The `echo -e` of bash.
    Bash,
}

/// Replaces backslash escapes; true when `\c` said that nothing more is to be printed.
pub fn unescape(text: &str, kind: Escapes) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'\\' || tail.is_empty() {
            out.push(*first);
            rest = tail;
            continue;
        }
        rest = &tail[1..];
        match tail[0] {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'c' => return (out, true),
            b'e' | b'E' => out.push(27),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'0' => out.push(number(&mut rest, 8, 3)),
            b'1'..=b'7' if kind == Escapes::Coreutils => {
                rest = tail;
                out.push(number(&mut rest, 8, 3));
            }
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => out.push(number(&mut rest, 16, 2)),
            other => out.extend([b'\\', other]),
        }
    }
    (out, false)
}

/// Takes up to `most` digits.
pub(super) fn number(rest: &mut &[u8], radix: u32, most: usize) -> u8 {
    let mut value = 0_u32;
    for _ in 0..most {
        let Some(digit) = rest.first().and_then(|b| char::from(*b).to_digit(radix)) else { break };
        value = value * radix + digit;
        *rest = &rest[1..];
    }
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoed(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        String::from_utf8_lossy(&text(&words, true)).into_owned()
    }

    #[test]
    fn options_end_at_the_first_word_that_is_none() {
        assert_eq!(echoed(&["-n", "a", "b"]), "a b");
        assert_eq!(echoed(&["a", "-n"]), "a -n\n");
        assert_eq!(echoed(&["-", "x"]), "- x\n");
        assert_eq!(echoed(&["-nx"]), "-nx\n");
    }

    #[test]
    fn escapes_are_replaced_on_demand() {
        assert_eq!(echoed(&["a\\tb"]), "a\\tb\n");
        assert_eq!(echoed(&["-e", "a\\tb\\0101\\x42\\103\\q"]), "a\tbABC\\q\n");
        assert_eq!(echoed(&["-e", "a\\cb"]), "a");
        assert_eq!(text(&["-e".into(), "\\101".into()], false), b"\\101\n");
    }
}
