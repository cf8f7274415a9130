//! Patterns for names, as fnmatch(3): `*`, `?` and brackets.

/// Whether the whole name fits the pattern. A slash and a leading dot are characters like others.
pub fn fnmatch(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    matches(&pattern, &name)
}

fn matches(mut pattern: &[char], mut name: &[char]) -> bool {
    // Where to go on when what follows the last star does not fit.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        let step = match (pattern, name) {
            ([], []) => return true,
            (['*', rest @ ..], _) => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            ([], _) => None,
            (['?', rest @ ..], [_, tail @ ..]) => Some((rest, tail)),
            (['[', rest @ ..], [c, tail @ ..]) => match bracket(rest, *c) {
                Some((true, after)) => Some((after, tail)),
                Some((false, _)) => None,
                None => (*c == '[').then_some((rest, tail)),
            },
            (['\\', wanted, rest @ ..], [c, tail @ ..]) => (wanted == c).then_some((rest, tail)),
            ([wanted, rest @ ..], [c, tail @ ..]) => (wanted == c).then_some((rest, tail)),
            (_, []) => None,
        };
        match (step, retry) {
            (Some((rest, tail)), _) => (pattern, name) = (rest, tail),
            (None, Some((after_star, [_, tail @ ..]))) => {
                retry = Some((after_star, tail));
                (pattern, name) = (after_star, tail);
            }
            _ => return false,
        }
    }
}

/// Whether the character is in the bracket expression, and what follows it; `None` when it does not end.
fn bracket(text: &[char], c: char) -> Option<(bool, &[char])> {
    let (negated, text) = match text {
        ['!' | '^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (mut found, mut at) = (false, 0);
    loop {
        match text.get(at..)? {
            [']', rest @ ..] if at > 0 => return Some((found != negated, rest)),
            ['[', ':', rest @ ..] => {
                let end = rest.windows(2).position(|w| w == [':', ']'])?;
                let name: String = rest[..end].iter().collect();
                found |= match name.as_str() {
                    "digit" => c.is_ascii_digit(),
                    "alpha" => c.is_alphabetic(),
                    "alnum" => c.is_alphanumeric(),
                    "upper" => c.is_uppercase(),
                    "lower" => c.is_lowercase(),
                    "space" => c.is_whitespace(),
                    "punct" => c.is_ascii_punctuation(),
                    "xdigit" => c.is_ascii_hexdigit(),
                    _ => false,
                };
                at += end + 4;
            }
            [from, '-', to, ..] if *to != ']' => {
                found |= (*from..=*to).contains(&c);
                at += 3;
            }
            [one, ..] => {
                found |= *one == c;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, fits) in [
            ("*.c", "x.c", true),
            ("*.c", "x.h", false),
            ("a?c", "abc", true),
            ("[a-c]*", "bx", true),
            ("[!a-c]*", "bx", false),
            ("*a*b*", "xaybz", true),
            ("[[:digit:]]", "7", true),
            ("\\*", "*", true),
            ("[", "[", true),
            ("", "", true),
        ] {
            assert_eq!(fnmatch(pattern, name), fits, "{pattern} {name}");
        }
    }
}
