//! Patterns, as in glob(7): `*`, `?`, `[…]`, and a backslash before what is meant as itself.

/// Whether the whole of `text` matches.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    match_here(&pattern, &text)
}

/// Matching with one point of return: the last `*` that was seen.
fn match_here(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() {
            return pattern[p..].iter().all(|c| *c == '*');
        }
        match (p < pattern.len()).then(|| match_one(&pattern[p..], text[t])).flatten() {
            Some(len) => {
                p += len;
                t += 1;
            }
            None => match star {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    star = Some((after, t));
                }
                None => return false,
            },
        }
    }
}

/// How much of the pattern matches this one character; `None` when it does not match.
fn match_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern[0] {
        '?' => Some(1),
        '\\' if pattern.len() > 1 => (pattern[1] == c).then_some(2),
        '[' => match bracket(pattern, c) {
            Some((len, true)) => Some(len),
            Some((_, false)) => None,
            None => (c == '[').then_some(1),
        },
        p => (p == c).then_some(1),
    }
}

/// A bracket expression at the beginning: its length and whether `c` is in it. `None` when it is not closed.
fn bracket(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let mut i = 1;
    let negated = matches!(pattern.get(i), Some('!' | '^'));
    i += usize::from(negated);
    let mut found = false;
    let mut first = true;
    loop {
        let mut low = *pattern.get(i)?;
        if low == ']' && !first {
            return Some((i + 1, found != negated));
        }
        first = false;
        if low == '[' && pattern.get(i + 1) == Some(&':') {
            let rest = &pattern[i + 2..];
            if let Some(end) = rest.windows(2).position(|w| w == [':', ']']) {
                let name: String = rest[..end].iter().collect();
                found |= in_class(&name, c);
                i += end + 4;
                continue;
            }
        }
        if low == '\\' {
            i += 1;
            low = *pattern.get(i)?;
        }
        i += 1;
        if pattern.get(i) == Some(&'-') && pattern.get(i + 1).is_some_and(|h| *h != ']') {
            let mut high = pattern[i + 1];
            i += 2;
            if high == '\\' {
                high = *pattern.get(i)?;
                i += 1;
            }
            found |= (low..=high).contains(&c);
        } else {
            found |= low == c;
        }
    }
}

fn in_class(name: &str, c: char) -> bool {
    match name {
        "alnum" => c.is_alphanumeric(),
        "alpha" => c.is_alphabetic(),
        "blank" => c == ' ' || c == '\t',
        "cntrl" => c.is_control(),
        "digit" => c.is_ascii_digit(),
        "graph" => !c.is_control() && !c.is_whitespace(),
        "lower" => c.is_lowercase(),
        "print" => !c.is_control(),
        "punct" => c.is_ascii_punctuation(),
        "space" => c.is_whitespace(),
        "upper" => c.is_uppercase(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Whether the text has anything that makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    let mut chars = text.chars();
    let mut open = false;
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' => return true,
            '[' => open = true,
            ']' if open => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

/// The text with everything that is special in a pattern behind a backslash.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '-' | '!' | '^') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The text without its backslashes.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// `${text#pattern}` and its three sisters.
pub fn trim<'a>(text: &'a str, pattern: &str, suffix: bool, longest: bool) -> &'a str {
    let mut cuts: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
    // Suffixes get shorter as the cut moves right, prefixes get longer.
    if suffix != longest {
        cuts.reverse();
    }
    for cut in cuts {
        if suffix && matches(pattern, &text[cut..]) {
            return &text[..cut];
        }
        if !suffix && matches(pattern, &text[..cut]) {
            return &text[cut..];
        }
    }
    text
}

/// `${text/pattern/replacement}`; `which` as in [`ParamOp::Replace`](super::ast::ParamOp::Replace).
pub fn replace(text: &str, pattern: &str, replacement: &str, which: char) -> String {
    if pattern.is_empty() {
        return text.to_owned();
    }
    let cuts: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
    let longest = |from: usize| cuts.iter().rev().copied().find(|to| *to >= from && matches(pattern, &text[from..*to]));
    match which {
        '#' => match longest(0) {
            Some(to) => format!("{replacement}{}", &text[to..]),
            None => text.to_owned(),
        },
        '%' => match cuts.iter().copied().find(|from| matches(pattern, &text[*from..])) {
            Some(from) => format!("{}{replacement}", &text[..from]),
            None => text.to_owned(),
        },
        _ => {
            let mut out = String::new();
            let mut at = 0;
            while at < text.len() {
                match longest(at).filter(|to| *to > at) {
                    Some(to) => {
                        out.push_str(replacement);
                        at = to;
                        if which != '/' {
                            break;
                        }
                    }
                    None => {
                        let len = text[at..].chars().next().map_or(1, char::len_utf8);
                        out.push_str(&text[at..at + len]);
                        at += len;
                    }
                }
            }
            out.push_str(&text[at..]);
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_classes() {
        assert!(matches("a*c", "abbc"));
        assert!(matches("*", ""));
        assert!(!matches("a?c", "ac"));
        assert!(matches("[!a-c]x", "dx"));
        assert!(matches("[[:digit:]]", "7"));
        assert!(matches("\\*", "*"));
        assert!(!matches("\\*", "x"));
        assert!(matches("[", "["));
    }

    #[test]
    fn trims_and_replaces() {
        assert_eq!(trim("a/b/c", "*/", false, false), "b/c");
        assert_eq!(trim("a/b/c", "*/", false, true), "c");
        assert_eq!(trim("a/b/c", "/*", true, false), "a/b");
        assert_eq!(trim("a/b/c", "/*", true, true), "a");
        assert_eq!(replace("banana", "an", "<>", '/'), "b<><>a");
        assert_eq!(replace("banana", "a*", "X", ' '), "bX");
    }
}
