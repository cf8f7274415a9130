//! What symbolic names are worth, and which name a number has: the tables of the system-call records,
//! signals, capabilities and errors, and the few names that appear only inside structures.

use crate::errno::Errno;
use crate::security::capability::Cap;
use crate::security::rlimit;
use crate::syscall::{self, Arg, FlagNames, SyscallInfo};
use crate::task::signal::Signal;

/// Names inside structures and arguments that no record has a table for.
const OTHERS: FlagNames = &[
    ("AT_FDCWD", -100i64 as u64),
    ("RLIM64_INFINITY", u64::MAX),
    ("RLIM_INFINITY", u64::MAX),
    ("SIG_DFL", 0),
    ("SIG_IGN", 1),
    ("S_IFIFO", 0o010_000),
    ("S_IFCHR", 0o020_000),
    ("S_IFDIR", 0o040_000),
    ("S_IFBLK", 0o060_000),
    ("S_IFREG", 0o100_000),
    ("S_IFLNK", 0o120_000),
    ("S_IFSOCK", 0o140_000),
    ("S_ISUID", 0o4000),
    ("S_ISGID", 0o2000),
    ("S_ISVTX", 0o1000),
    ("_LINUX_CAPABILITY_VERSION_1", 0x1998_0330),
    ("_LINUX_CAPABILITY_VERSION_2", 0x2007_1026),
    ("_LINUX_CAPABILITY_VERSION_3", 0x2008_0522),
    ("RESOLVE_NO_XDEV", 0x01),
    ("RESOLVE_NO_MAGICLINKS", 0x02),
    ("RESOLVE_NO_SYMLINKS", 0x04),
    ("RESOLVE_BENEATH", 0x08),
    ("RESOLVE_IN_ROOT", 0x10),
    ("RESOLVE_CACHED", 0x20),
    ("MOUNT_ATTR_RDONLY", 0x01),
    ("MOUNT_ATTR_NOSUID", 0x02),
    ("MOUNT_ATTR_NODEV", 0x04),
    ("MOUNT_ATTR_NOEXEC", 0x08),
    ("MOUNT_ATTR_NOATIME", 0x10),
    ("MOUNT_ATTR_NOSYMFOLLOW", 0x20_0000),
    ("MOUNT_ATTR_IDMAP", 0x10_0000),
    ("FD_CLOEXEC", 1),
    ("SOL_SOCKET", 1),
    ("SCM_RIGHTS", 1),
    ("SCM_CREDENTIALS", 2),
    ("F_SEAL_SEAL", 0x01),
    ("F_SEAL_SHRINK", 0x02),
    ("F_SEAL_GROW", 0x04),
    ("F_SEAL_WRITE", 0x08),
    ("F_SEAL_FUTURE_WRITE", 0x10),
    ("F_SEAL_EXEC", 0x20),
];

/// The table of names of an argument, if it has one.
pub(super) fn table(arg: &Arg) -> Option<FlagNames> {
    match arg {
        Arg::Flags(_, names) | Arg::Enum(_, names) => Some(names),
        _ => None,
    }
}

/// The number of a symbolic name, wherever it is defined.
pub fn value(name: &str) -> Option<i64> {
    if let Some(signal) = name.strip_prefix("SIG").and(Signal::from_name(name)) {
        return Some(i64::from(signal.0));
    }
    if let Some(cap) = name.strip_prefix("CAP_").and(Cap::from_name(name)) {
        return Some(i64::from(cap.0));
    }
    if let Some(resource) = name.strip_prefix("RLIMIT_") {
        return rlimit::RESOURCES.iter().position(|(n, ..)| *n == resource).map(|n| n as i64);
    }
    let known = OTHERS.iter().chain(all_tables().flatten()).find(|(n, _)| *n == name);
    known
        .map(|(_, n)| *n as i64)
        .or_else(|| super::bpf::value(name))
        .or_else(|| Errno::from_name(name).map(|e| i64::from(e.number())))
}

/// The number of a name in this call: its own tables come before all others.
pub(super) fn value_in(info: &SyscallInfo, name: &str) -> Option<i64> {
    let own = info.args.iter().filter_map(table).flatten().find(|(n, _)| *n == name);
    own.map(|(_, n)| *n as i64).or_else(|| value(name))
}

/// Every table of every record.
fn all_tables() -> impl Iterator<Item = FlagNames> {
    syscall::records().flat_map(|record| record.args.iter().filter_map(table))
}

/// The name of a signal with its prefix, or the number where it has none.
pub(super) fn signal_name(number: i64) -> String {
    Signal::from_number(number).map_or_else(|| number.to_string(), |s| format!("SIG{}", s.short_name()))
}

/// The candidate most like `word`, if one is close enough to have been meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let most = (word.chars().count() / 3).max(1);
    let scored = candidates.map(|c| (distance(&word, &c.to_ascii_lowercase()), c));
    let near = scored.filter(|(d, _)| *d <= most);
    near.min_by_key(|(d, c)| (*d, !c.to_ascii_lowercase().starts_with(&word))).map(|(_, c)| c)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour (Damerau-Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["CLONE_NEWPID", "CLONE_NEWNS", "CLONE_NEWNET"];
        assert_eq!(nearest("CLONE_NEWPDI", names.into_iter()), Some("CLONE_NEWPID"));
        assert_eq!(nearest("clone_newne", names.into_iter()), Some("CLONE_NEWNET"));
        assert_eq!(nearest("O_RDONLY", names.into_iter()), None);
    }

    #[test]
    fn names_of_every_kind_have_their_number() {
        assert_eq!(value("SIGKILL"), Some(9));
        assert_eq!(value("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(value("RLIMIT_NOFILE"), Some(7));
        assert_eq!(value("RLIM64_INFINITY"), Some(-1));
        assert_eq!(value("AT_FDCWD"), Some(-100));
        assert_eq!(value("NO_SUCH_NAME"), None);
    }
}
