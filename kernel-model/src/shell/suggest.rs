//! The nearest command to a name that does not exist.

use crate::program::registry;

/// The command that was probably meant: a program or builtin at a small distance.
pub fn suggest(name: &str) -> Option<&'static str> {
    let names = registry::programs().map(|p| p.name).chain(super::builtins().iter().map(|b| b.name));
    nearest(name, names)
}

/// The candidate with the fewest changes to it, if those are few for the length of the name.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = match name.chars().count() {
        0 | 1 => return None,
        2 | 3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    candidates
        .filter(|c| c.len() > 1)
        .map(|c| (distance(name, c), c))
        .filter(|(d, _)| *d <= most)
        .min_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(b.1)))
        .map(|(_, c)| c)
}

/// How many letters have to be put in, taken out, changed or exchanged with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        let names = ["unshare", "mount", "umount", "ps", "readlink"];
        assert_eq!(nearest("unsahre", names.into_iter()), Some("unshare"));
        assert_eq!(nearest("moutn", names.into_iter()), Some("mount"));
        assert_eq!(nearest("xyzzy", names.into_iter()), None);
    }
}
