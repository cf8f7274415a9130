//! Regular expressions of POSIX, basic and extended, with the additions of GNU: `\w \s \b \< \>`, and `\+ \? \|` in
//! basic ones.
//!
//! [`parse`] reads a pattern into a tree, [`matcher`] compiles the tree into a small program and runs it. Of all
//! matches the leftmost is taken, and of those the longest.

mod matcher;
mod parse;

pub use matcher::{Captures, Regex};

/// How a pattern is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// BRE: groups are `\( \)`.
    Basic,
    /// ERE: groups are `( )`.
    Extended,
    /// ERE as awk reads it: a backslash escapes in brackets, too, and there are no back references.
    Awk,
}

/// What must surround a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whole {
    /// Nothing in particular.
    Anything,
    /// The match is a whole word (`grep -w`).
    Word,
    /// The match is the whole line (`grep -x`).
    Line,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, syntax: Syntax, text: &str) -> Option<String> {
        let regex = Regex::new(pattern, syntax, false, Whole::Anything).expect(pattern);
        let (from, to) = regex.find_at(text.as_bytes(), 0)?.get(0)?;
        Some(text[from..to].to_owned())
    }

    fn basic(pattern: &str, text: &str) -> Option<String> {
        find(pattern, Syntax::Basic, text)
    }

    fn extended(pattern: &str, text: &str) -> Option<String> {
        find(pattern, Syntax::Extended, text)
    }

    #[test]
    fn the_leftmost_longest_match_is_taken() {
        assert_eq!(extended("a|ab|abc", "xabcd").as_deref(), Some("abc"));
        assert_eq!(extended("(a|ab)(c|bcd)", "abcd").as_deref(), Some("abcd"));
        assert_eq!(extended("x*", "aaa").as_deref(), Some(""));
        assert_eq!(extended("(a*)*b", &("a".repeat(2000) + "c")), None);
    }

    #[test]
    fn basic_ones_escape_what_extended_ones_do_not() {
        assert_eq!(basic("a\\{2,3\\}", "caaaa").as_deref(), Some("aaa"));
        assert_eq!(basic("(a)", "(a)").as_deref(), Some("(a)"));
        assert_eq!(basic("\\(ab\\)*\\1", "ababab").as_deref(), Some("ababab"));
        assert_eq!(basic("*a", "b*a").as_deref(), Some("*a"));
        assert_eq!(basic("a\\|b", "cb").as_deref(), Some("b"));
        assert_eq!(basic("a$b^c", "a$b^c").as_deref(), Some("a$b^c"));
        assert_eq!(basic("ab\\?c\\+", "accc").as_deref(), Some("accc"));
        assert_eq!(extended("a{2}", "aaa").as_deref(), Some("aa"));
        assert_eq!(extended("a{,2}b", "aaab").as_deref(), Some("aab"));
        assert_eq!(extended("(a)\\1", "xaa").as_deref(), Some("aa"));
    }

    #[test]
    fn brackets_hold_ranges_and_classes() {
        assert_eq!(extended("[[:digit:]]+", "ab123c").as_deref(), Some("123"));
        assert_eq!(extended("[^a-c]+", "abxyz").as_deref(), Some("xyz"));
        assert_eq!(extended("[]x]+", "a]x").as_deref(), Some("]x"));
        assert_eq!(extended("[a\\]+", "b\\a").as_deref(), Some("\\a"));
        assert_eq!(extended("é.", "aéü").as_deref(), Some("éü"));
    }

    #[test]
    fn anchors_and_words() {
        assert_eq!(extended("^b", "ab"), None);
        assert_eq!(extended("\\bcat\\b", "a cat sat").as_deref(), Some("cat"));
        assert_eq!(extended("\\<at", "cat at").as_deref(), Some("at"));
        assert_eq!(extended("(^|,)a(,|$)", "b,a").as_deref(), Some(",a"));
        let word = Regex::new("ab", Syntax::Basic, false, Whole::Word).expect("right");
        assert!(word.find_at(b"abc ab", 0).is_some_and(|c| c.get(0) == Some((4, 6))));
        let line = Regex::new("a|ab", Syntax::Extended, true, Whole::Line).expect("right");
        assert!(line.is_match(b"AB") && !line.is_match(b"abc"));
    }

    #[test]
    fn groups_are_told() {
        let regex = Regex::new("(a+)(b*)(c)?", Syntax::Extended, false, Whole::Anything).expect("right");
        let captures = regex.find_at(b"xaab", 0).expect("a match");
        assert_eq!((captures.get(1), captures.get(2), captures.get(3)), (Some((1, 3)), Some((3, 4)), None));
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_the_c_library() {
        let message = |p, s| Regex::new(p, s, false, Whole::Anything).err().unwrap_or_default();
        assert_eq!(message("[a", Syntax::Basic), "Unmatched [, [^, [:, [., or [=");
        assert_eq!(message("\\(a", Syntax::Basic), "Unmatched ( or \\(");
        assert_eq!(message("a\\)", Syntax::Basic), "Unmatched ) or \\)");
        assert_eq!(message("a\\", Syntax::Basic), "Trailing backslash");
        assert_eq!(message("\\1", Syntax::Basic), "Invalid back reference");
        assert_eq!(message("[b-a]", Syntax::Basic), "Invalid range end");
        assert_eq!(message("[[:foo:]]", Syntax::Basic), "Invalid character class name");
    }
}
