//! Quoting of names in messages, as gnulib's quotearg does in the standard world: it says `LANG=C.UTF-8` but
//! has no locale files, so the C library stays in the C locale and quotes are straight.

/// Every name in quotes, special characters escaped so that a shell would read it back (`quoteaf`): `'name'`.
pub fn quoteaf(name: &str) -> String {
    shell_escape(name, true)
}

/// Quotes only where a shell would need them (`quotef`): the style of messages that begin with a name.
pub fn quotef(name: &str) -> String {
    shell_escape(name, name.contains(':'))
}

/// Quotes only where a shell would need them; a colon needs none.
pub fn shell_escape_if_needed(word: &str) -> String {
    shell_escape(word, false)
}

/// Straight quotes, control characters as C escapes (`quote`): the style for wrong values: `'value'`.
pub fn quote(value: &str) -> String {
    let mut out = String::from("'");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            _ => push_c_escape(&mut out, c),
        }
    }
    out.push('\'');
    out
}

/// The character, or its C escape when it cannot be printed.
fn push_c_escape(out: &mut String, c: char) {
    match c {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c.is_control() => {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("\\{byte:03o}"));
            }
        }
        c => out.push(c),
    }
}

fn shell_escape(name: &str, always: bool) -> String {
    let has_control = name.chars().any(char::is_control);
    if !always && !has_control && !name.is_empty() && !needs_quotes(name) {
        return name.to_owned();
    }
    if !has_control && name.contains('\'') {
        // Double quotes read better where nothing inside would be expanded.
        if !name.contains(['"', '$', '`', '\\', '!']) {
            return format!("\"{name}\"");
        }
    }
    let mut out = String::from("'");
    let mut escaping = false;
    for c in name.chars() {
        if c.is_control() {
            if !escaping {
                out.push_str("'$'");
                escaping = true;
            }
            push_c_escape(&mut out, c);
            continue;
        }
        let was_escaping = std::mem::take(&mut escaping);
        if was_escaping && c != '\'' {
            out.push_str("''");
        }
        if c == '\'' { out.push_str("'\\''") } else { out.push(c) }
    }
    out.push('\'');
    out
}

/// Whether a shell would not read the name as one plain word.
fn needs_quotes(name: &str) -> bool {
    name.starts_with(['#', '~'])
        || matches!(name, "{" | "}")
        || name
            .contains([' ', '!', '"', '$', '&', '\'', '(', ')', '*', ';', '<', '=', '>', '?', '[', '\\', '^', '`', '|'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_for_a_shell() {
        assert_eq!(quoteaf("x"), "'x'");
        assert_eq!(quoteaf("a b"), "'a b'");
        assert_eq!(quoteaf("a'b"), "\"a'b\"");
        assert_eq!(quoteaf("a\nb"), "'a'$'\\n''b'");
        assert_eq!(quoteaf("a\u{1}"), "'a'$'\\001'");
        assert_eq!(quoteaf("a\u{1}'b"), "'a'$'\\001'\\''b'");
        assert_eq!(quotef("a b"), "'a b'");
        assert_eq!(quotef("plain"), "plain");
    }

    #[test]
    fn values_are_in_typographic_quotes() {
        assert_eq!(quote("foo"), "'foo'");
        assert_eq!(quote("a\nb"), "'a\\nb'");
    }
}
