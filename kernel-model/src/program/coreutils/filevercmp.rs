//! Comparing names with version numbers in them, as `ls -v` and `sort -V` do.

use std::cmp::Ordering;

/// Compares so that `a2` comes before `a10`: runs of digits as numbers, letters before other characters,
/// `~` before everything, and a file name suffix such as `.tar.gz` only when the rest is equal.
pub fn filevercmp(a: &str, b: &str) -> Ordering {
    let special = |s: &str| match s {
        "" => 0,
        "." => 1,
        ".." => 2,
        _ if s.starts_with('.') => 3,
        _ => 4,
    };
    let (rank_a, rank_b) = (special(a), special(b));
    if rank_a != rank_b || rank_a < 3 {
        return rank_a.cmp(&rank_b);
    }
    let (stem_a, stem_b) = (stem(a), stem(b));
    let order = verrevcmp(stem_a.as_bytes(), stem_b.as_bytes());
    if order == Ordering::Equal { verrevcmp(a.as_bytes(), b.as_bytes()) } else { order }
}

/// The name without its suffixes: `(\.[A-Za-z~][A-Za-z0-9~]*)*$`.
fn stem(name: &str) -> &str {
    let mut stem = name;
    while let Some((before, suffix)) = stem.rsplit_once('.') {
        let is_suffix = suffix.starts_with(|c: char| c.is_ascii_alphabetic() || c == '~')
            && suffix.chars().all(|c| c.is_ascii_alphanumeric() || c == '~');
        if !is_suffix || before.is_empty() {
            break;
        }
        stem = before;
    }
    stem
}

/// Debian's comparison of version parts.
fn verrevcmp(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let order = |c: Option<&u8>| match c {
        None => -1,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(b'~') => -2,
        Some(c) => i32::from(*c) + 256,
    };
    let is_digit = |s: &[u8]| s.first().is_some_and(u8::is_ascii_digit);
    while !a.is_empty() || !b.is_empty() {
        while (!a.is_empty() && !is_digit(a)) || (!b.is_empty() && !is_digit(b)) {
            let (x, y) = (order(a.first()), order(b.first()));
            if x != y {
                return x.cmp(&y);
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let take = |s: &mut &[u8]| {
            let end = s.iter().position(|c| !c.is_ascii_digit()).unwrap_or(s.len());
            let (digits, rest) = s.split_at(end);
            *s = rest;
            let zeros = digits.iter().take_while(|c| **c == b'0').count();
            digits[zeros..].to_vec()
        };
        let (x, y) = (take(&mut a), take(&mut b));
        let by_number = x.len().cmp(&y.len()).then(x.cmp(&y));
        if by_number != Ordering::Equal {
            return by_number;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["a10", "a2", "a2.tar.gz", "a1~", "a1", ".x", "1.12", "1.2"];
        names.sort_by(|a, b| filevercmp(a, b));
        assert_eq!(names, [".x", "1.2", "1.12", "a1~", "a1", "a2", "a2.tar.gz", "a10"]);
    }
}
