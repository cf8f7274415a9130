//! The command `s`: what is found, and what is put in its place.

use super::super::regex::Regex;
use crate::program::lines::text;

/// What `s` does to a line.
pub(super) struct Substitution {
    pub(super) regex: Regex,
    pub(super) replacement: String,
    pub(super) global: bool,
    pub(super) print: bool,
    /// The first match that counts, from 1.
    pub(super) nth: usize,
}

/// How letters are changed: by `\U` and `\L` up to `\E`, by `\u` and `\l` the next one.
#[derive(Default)]
struct Case {
    all: Option<bool>,
    next: Option<bool>,
}

impl Case {
    fn push(&mut self, out: &mut Vec<u8>, piece: &str) {
        for c in piece.chars() {
            match self.next.take().or(self.all) {
                Some(true) => out.extend(c.to_uppercase().to_string().bytes()),
                Some(false) => out.extend(c.to_lowercase().to_string().bytes()),
                None => out.extend(c.to_string().bytes()),
            }
        }
    }
}

impl Substitution {
    /// The text with matches replaced; `None` when there is none.
    pub(super) fn apply(&self, space: &str) -> Option<String> {
        let bytes = space.as_bytes();
        let (mut out, mut at, mut copied, mut count) = (Vec::new(), 0, 0, 0);
        let mut replaced = false;
        while at <= bytes.len() {
            let Some(found) = self.regex.find_at(bytes, at) else { break };
            let (from, to) = found.whole();
            // An empty match just after another one does not count.
            if !(from == to && from == copied && count > 0) {
                count += 1;
                if count >= self.nth {
                    out.extend_from_slice(bytes.get(copied..from)?);
                    self.replace(&mut out, |group| {
                        let (a, b) = found.get(group)?;
                        space.get(a..b)
                    });
                    copied = to;
                    replaced = true;
                    if !self.global {
                        break;
                    }
                }
            }
            at = if to > from { to } else { to + space.get(to..)?.chars().next().map_or(1, char::len_utf8) };
        }
        out.extend_from_slice(bytes.get(copied..)?);
        replaced.then(|| text(&out).into_owned())
    }

    fn replace<'a>(&self, out: &mut Vec<u8>, group: impl Fn(usize) -> Option<&'a str>) {
        let mut case = Case::default();
        let mut rest = self.replacement.chars();
        while let Some(c) = rest.next() {
            match c {
                '&' => case.push(out, group(0).unwrap_or_default()),
                '\\' => match rest.next() {
                    Some(d) if d.is_ascii_digit() => {
                        case.push(out, group(d as usize - '0' as usize).unwrap_or_default());
                    }
                    Some('n') => out.push(b'\n'),
                    Some('t') => out.push(b'\t'),
                    Some('U') => case.all = Some(true),
                    Some('L') => case.all = Some(false),
                    Some('u') => case.next = Some(true),
                    Some('l') => case.next = Some(false),
                    Some('E') => case.all = None,
                    other => case.push(out, &other.unwrap_or('\\').to_string()),
                },
                c => case.push(out, &c.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::regex::{Syntax, Whole};
    use super::*;

    fn substitute(regex: &str, replacement: &str, global: bool, nth: usize, space: &str) -> Option<String> {
        let regex = Regex::new(regex, Syntax::Basic, false, Whole::Anything).expect("right");
        Substitution { regex, replacement: replacement.to_owned(), global, print: false, nth }.apply(space)
    }

    #[test]
    fn matches_are_replaced() {
        assert_eq!(substitute(".*-> ", "", false, 1, "a -> b").as_deref(), Some("b"));
        assert_eq!(substitute("\\(a\\)\\(b\\)", "\\2\\1", true, 1, "abab").as_deref(), Some("baba"));
        assert_eq!(substitute("x*", "-", true, 1, "abc").as_deref(), Some("-a-b-c-"));
        assert_eq!(substitute("a", "[&]", false, 2, "aaa").as_deref(), Some("a[a]a"));
        assert_eq!(substitute("z", "", false, 1, "abc"), None);
        assert_eq!(substitute("b.*", "\\U&", false, 1, "abc").as_deref(), Some("aBC"));
        assert_eq!(substitute("b", "\\u&x", false, 1, "abc").as_deref(), Some("aBxc"));
    }
}
