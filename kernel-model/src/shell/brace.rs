//! Brace expansion: `a{b,c}d` and `{1..5}`, before everything else and on the text alone.

/// Most words that one word may become.
const MOST: usize = 10_000;

/// The words that this one stands for; itself when it has no braces to expand.
pub fn expand(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    expand_into(text, &mut out);
    out
}

fn expand_into(text: &str, out: &mut Vec<String>) {
    let Some(group) = find_group(text) else {
        out.push(text.to_owned());
        return;
    };
    let before = &text[..group.start];
    let mut rests = Vec::new();
    expand_into(&text[group.end..], &mut rests);
    for choice in &group.choices {
        let mut inner = Vec::new();
        expand_into(choice, &mut inner);
        for middle in inner {
            for rest in &rests {
                if out.len() < MOST {
                    out.push(format!("{before}{middle}{rest}"));
                }
            }
        }
    }
}

/// `{…}` with what it stands for.
struct Group {
    start: usize,
    end: usize,
    choices: Vec<String>,
}

/// The first pair of braces that means something.
fn find_group(text: &str) -> Option<Group> {
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with('{')
            && let Some((len, commas)) = scan(&text[at..])
        {
            let inner = &text[at + 1..at + len - 1];
            let choices = if commas.is_empty() { sequence(inner) } else { Some(split(inner, &commas)) };
            if let Some(choices) = choices {
                return Some(Group { start: at, end: at + len, choices });
            }
        }
        at += skip(&text[at..]);
    }
    None
}

/// The choices between commas; these are counted from the opening brace.
fn split(inner: &str, commas: &[usize]) -> Vec<String> {
    let mut choices = Vec::new();
    let mut from = 0;
    for comma in commas {
        choices.push(inner[from..comma - 1].to_owned());
        from = *comma;
    }
    choices.push(inner[from..].to_owned());
    choices
}

/// The length of the braces at the beginning, and where their own commas are.
fn scan(text: &str) -> Option<(usize, Vec<usize>)> {
    let mut at = 1;
    let mut depth = 1;
    let mut commas = Vec::new();
    while at < text.len() {
        match text[at..].chars().next()? {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some((at + 1, commas));
                }
            }
            ',' if depth == 1 => commas.push(at),
            _ => {}
        }
        at += skip(&text[at..]);
    }
    None
}

/// How long the character at the beginning is, with everything that is quoted or expanded otherwise.
fn skip(text: &str) -> usize {
    super::word::skip_one(text).unwrap_or(text.len()).max(1)
}

/// `1..5`, `a..e`, `1..9..2`.
fn sequence(text: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = text.split("..").collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, 1),
        [from, to, step] => (*from, *to, step.parse::<i64>().ok()?.abs().max(1)),
        _ => return None,
    };
    let letter = |s: &str| s.chars().next().filter(|c| s.len() == 1 && c.is_ascii_alphabetic());
    let (low, high, letters) = match (from.parse::<i64>(), to.parse::<i64>(), letter(from), letter(to)) {
        (Ok(a), Ok(b), _, _) => (a, b, false),
        (_, _, Some(a), Some(b)) => (i64::from(u32::from(a)), i64::from(u32::from(b)), true),
        _ => return None,
    };
    let padded = |s: &str| s.trim_start_matches('-').starts_with('0') && s.trim_start_matches('-').len() > 1;
    let width = if padded(from) || padded(to) { from.len().max(to.len()) } else { 0 };
    let count = ((high - low).abs() / step + 1).min(MOST as i64);
    let one = |i: i64| {
        let n = if low <= high { low + i * step } else { low - i * step };
        if letters {
            u8::try_from(n).map_or(String::new(), |b| char::from(b).to_string())
        } else {
            format!("{n:0width$}")
        }
    };
    Some((0..count).map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_sequences() {
        assert_eq!(expand("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(expand("{a,b{1,2}}"), ["a", "b1", "b2"]);
        assert_eq!(expand("x{1..3}"), ["x1", "x2", "x3"]);
        assert_eq!(expand("{c..a}"), ["c", "b", "a"]);
        assert_eq!(expand("{01..03}"), ["01", "02", "03"]);
        assert_eq!(expand("{a,}x"), ["ax", "x"]);
        for same in ["{}", "{a}", "${x,y}", "'{a,b}'", "\\{a,b}", "{a,b", "a}"] {
            assert_eq!(expand(same), [same], "{same}");
        }
    }
}
