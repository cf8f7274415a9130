//! Labels: `user:role:type:range`, as in selinux(8). The range is the part in which categories keep containers apart
//! (MCS): `s0:c123,c456`, or from one level to another as `s0-s0:c0.c1023`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The highest category of the policy.
pub const LAST_CATEGORY: u16 = 1023;

/// A sensitivity and a set of categories.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Level {
    /// `sN`. The policy has only `s0`.
    pub sensitivity: u8,
    /// `cN`.
    pub categories: BTreeSet<u16>,
}

impl Level {
    /// Whether it has everything that the other has (`mls_level_dom`).
    pub fn dominates(&self, other: &Level) -> bool {
        self.sensitivity >= other.sensitivity && self.categories.is_superset(&other.categories)
    }

    /// The level that is written so, such as `s0:c1,c5.c9`.
    pub fn parse(text: &str) -> Option<Level> {
        let (sensitivity, categories) = text.split_once(':').map_or((text, None), |(s, c)| (s, Some(c)));
        let sensitivity = sensitivity.strip_prefix('s')?.parse().ok().filter(|n| *n == 0)?;
        let mut set = BTreeSet::new();
        let category = |c: &str| c.strip_prefix('c')?.parse().ok().filter(|n: &u16| *n <= LAST_CATEGORY);
        for part in categories.into_iter().flat_map(|c| c.split(',')) {
            match part.split_once('.') {
                Some((from, to)) => set.extend(category(from)?..=category(to)?),
                None => drop(set.insert(category(part)?)),
            }
        }
        Some(Level { sensitivity, categories: set })
    }
}

impl fmt::Display for Level {
    /// Runs of three or more are written with a dot (`mls_sid_to_context`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.sensitivity)?;
        let all: Vec<u16> = self.categories.iter().copied().collect();
        let (mut at, mut before) = (0, ':');
        while at < all.len() {
            let mut end = at;
            while end + 1 < all.len() && all[end + 1] == all[end] + 1 {
                end += 1;
            }
            write!(f, "{before}c{}", all[at])?;
            if end > at {
                write!(f, "{}c{}", if end == at + 1 { ',' } else { '.' }, all[end])?;
            }
            before = ',';
            at = end + 1;
        }
        Ok(())
    }
}

/// A label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Context {
    /// The SELinux user: `system_u`, `unconfined_u`.
    pub user: String,
    /// The role: `system_r`, `unconfined_r`; `object_r` for whatever is no process.
    pub role: String,
    /// The type, of a process also called its domain: what the policy is about.
    pub kind: String,
    /// The lowest level.
    pub low: Level,
    /// The highest level.
    pub high: Level,
}

impl Context {
    /// The label that is written so.
    pub fn parse(text: &str) -> Option<Context> {
        let text = text.trim_end_matches(['\n', '\0']);
        let mut parts = text.splitn(4, ':');
        let mut part = || parts.next().filter(|p| !p.is_empty()).map(str::to_owned);
        let (user, role, kind, range) = (part()?, part()?, part()?, part()?);
        let (low, high) = range.split_once('-').unwrap_or((&range, &range));
        let (low, high) = (Level::parse(low)?, Level::parse(high)?);
        high.dominates(&low).then_some(Context { user, role, kind, low, high })
    }

    /// A label of the policy's own tables.
    pub(super) fn known(text: &str) -> Context {
        Context::parse(text).unwrap_or_else(|| Context::object("unlabeled_t"))
    }

    /// The label of a thing of the system: `system_u:object_r:TYPE:s0`.
    pub fn object(kind: &str) -> Context {
        Context {
            user: "system_u".into(),
            role: "object_r".into(),
            kind: kind.into(),
            low: Level::default(),
            high: Level::default(),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.user, self.role, self.kind, self.low)?;
        if self.low == self.high { Ok(()) } else { write!(f, "-{}", self.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_written() {
        for text in [
            "system_u:object_r:container_file_t:s0:c1,c2",
            "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
            "system_u:system_r:container_t:s0:c5,c7.c9",
        ] {
            assert_eq!(Context::parse(text).map(|c| c.to_string()).as_deref(), Some(text));
        }
        for wrong in ["container_t", "a:b:c", "a:b:c:s1", "a:b:c:s0:c1024", "a:b:c:s0:c1-s0"] {
            assert_eq!(Context::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_has_all_categories_of_another_dominates_it() {
        let level = |t: &str| Level::parse(t).expect("a level");
        assert!(level("s0:c1,c2").dominates(&level("s0")));
        assert!(level("s0:c1,c2").dominates(&level("s0:c2")));
        assert!(!level("s0:c1,c2").dominates(&level("s0:c1,c3")));
    }
}
