//! Patterns over paths, as in apparmor.d(5), Globbing.
//!
//! `*` is any number of characters but `/`, `**` any at all, `?` one that is not `/`, `[abc]` and `[^abc]` one of a set,
//! `{a,b}` one of several, and `\` takes the meaning away from what follows.

/// Whether there is anything in it that is not meant literally.
pub fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '{'])
}

/// How many characters are literal before the first that is not.
pub fn literal_prefix(pattern: &str) -> usize {
    pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len())
}

/// Whether a pattern fits a whole text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text, false)
}

/// Whether a pattern fits; `after_slash` when the character before it in the pattern is a slash.
fn fits(pattern: &[char], text: &[char], after_slash: bool) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    let literal = |c: &char, rest: &[char]| text.first() == Some(c) && fits(rest, &text[1..], *c == '/');
    match first {
        '*' => {
            let all = rest.first() == Some(&'*');
            let rest = if all { &rest[1..] } else { rest };
            let end = if all { None } else { text.iter().position(|c| *c == '/') }.unwrap_or(text.len());
            // Where it stands for a whole name, that is not empty (`convert_aaregex_to_pcre`).
            let least = usize::from(after_slash && matches!(rest.first(), None | Some('/')));
            (least..=end).any(|n| fits(rest, &text[n..], false))
        }
        '?' => text.first().is_some_and(|c| *c != '/') && fits(rest, &text[1..], false),
        '[' => match class(rest) {
            Some((set, negated, after)) => {
                text.first().is_some_and(|c| in_class(set, *c) != negated && (*c != '/' || !negated))
                    && fits(after, &text[1..], false)
            }
            None => literal(first, rest),
        },
        '{' => match alternatives(rest) {
            Some((choices, after)) => {
                choices.into_iter().any(|choice| fits(&[choice, after].concat(), text, after_slash))
            }
            None => literal(first, rest),
        },
        '\\' if !rest.is_empty() => literal(&rest[0], &rest[1..]),
        c => literal(c, rest),
    }
}

/// The set after `[`, whether it is negated, and what follows `]`.
fn class(pattern: &[char]) -> Option<(&[char], bool, &[char])> {
    let negated = pattern.first() == Some(&'^');
    let set = if negated { &pattern[1..] } else { pattern };
    let end = set.iter().position(|c| *c == ']')?;
    Some((&set[..end], negated, &set[end + 1..]))
}

fn in_class(set: &[char], c: char) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
            if (set[at]..=set[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else {
            if set[at] == c {
                return true;
            }
            at += 1;
        }
    }
    false
}

/// The choices after `{`, and what follows the `}` that belongs to it.
fn alternatives(pattern: &[char]) -> Option<(Vec<&[char]>, &[char])> {
    let (mut depth, mut from, mut choices) = (0, 0, Vec::new());
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            '\\' => at += 1,
            '{' => depth += 1,
            ',' if depth == 0 => {
                choices.push(&pattern[from..at]);
                from = at + 1;
            }
            '}' if depth == 0 => {
                choices.push(&pattern[from..at]);
                return Some((choices, &pattern[at + 1..]));
            }
            '}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn the_patterns_of_apparmor_d() {
        for (pattern, yes, no) in [
            ("/etc/passwd", "/etc/passwd", "/etc/passwd-"),
            ("/etc/*", "/etc/passwd", "/etc/ssl/certs"),
            ("/etc/**", "/etc/ssl/certs", "/usr/etc/x"),
            ("/etc/*", "/etc/x", "/etc/"),
            ("/srv/{,**}", "/srv/", "/srv"),
            ("/dev/tty?", "/dev/tty1", "/dev/tty10"),
            ("/{usr/,}bin/ls", "/bin/ls", "/sbin/ls"),
            ("/{usr/,}bin/ls", "/usr/bin/ls", "/usr/sbin/ls"),
            ("/proc/[0-9]*/status", "/proc/12/status", "/proc/self/status"),
            ("/sys/[^f]*/**", "/sys/kernel/x", "/sys/fs/cgroup"),
            ("/a{b,c{d,e}}f", "/acef", "/acf"),
            ("/a\\*b", "/a*b", "/axb"),
        ] {
            assert!(matches(pattern, yes), "{pattern} fits {yes}");
            assert!(!matches(pattern, no), "{pattern} does not fit {no}");
        }
    }
}
