//! The rules of a profile, as in apparmor.d(5), and what they say to a question.

use serde::{Deserialize, Serialize};

use super::glob;
use crate::security::capability::{Cap, CapSet};

bitflags::bitflags! {
    /// What may be done with a file (`AA_MAY_*`, `MAY_*`), with the kernel's values.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
    pub struct Perms: u32 {
        /// `x`.
        const EXEC = 1;
        /// `w`.
        const WRITE = 2;
        /// `r`.
        const READ = 4;
        /// `a`: write at the end only.
        const APPEND = 8;
        /// Make it; comes with `w`.
        const CREATE = 0x10;
        /// Remove it; comes with `w`.
        const DELETE = 0x20;
        /// Change its times; comes with `w`.
        const SETATTR = 0x100;
        /// Change its mode; comes with `w`.
        const CHMOD = 0x1000;
        /// Change its owner; comes with `w`.
        const CHOWN = 0x2000;
        /// `k`.
        const LOCK = 0x8000;
        /// `m`: map it executable.
        const MMAP = 0x1_0000;
        /// `l`.
        const LINK = 0x4_0000;
    }
}

/// The letters of a mask, bit by bit (`aa_file_perm_chrs`).
const LETTERS: &[u8] = b"xwracd         km l";

impl Perms {
    /// What `w` means to the kernel (`map_old_perms`).
    pub const WRITE_ALL: Perms = Perms::from_bits_truncate(0x2 | 0x10 | 0x20 | 0x100 | 0x1000 | 0x2000 | 0x8);

    /// The letters of an audit message: changes of attributes are writes there.
    pub fn letters(self) -> String {
        let mut shown = self;
        if self.intersects(Perms::SETATTR | Perms::CHMOD | Perms::CHOWN) {
            shown |= Perms::WRITE;
        }
        let letter = |(i, c): (usize, &u8)| (*c != b' ' && shown.bits() & (1 << i) != 0).then_some(char::from(*c));
        LETTERS.iter().enumerate().filter_map(letter).collect()
    }
}

/// How a program is run that a rule allows (`px`, `ux`, ...).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ExecMode {
    /// `ix`: the profile stays.
    Inherit,
    /// `px`: the profile of the program, or the one that is named.
    Profile(Option<String>),
    /// `cx`: a child of this profile, that of the program or the one that is named.
    Child(Option<String>),
    /// `ux`: no profile.
    Unconfined,
}

/// What happens when the profile of `px` or `cx` is not there (`pix`, `cux`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Fallback {
    /// The program is not run.
    #[default]
    None,
    /// The profile stays.
    Inherit,
    /// No profile.
    Unconfined,
}

/// A rule about files.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FileRule {
    /// The paths.
    pub pattern: String,
    /// What may, or may not, be done.
    pub perms: Perms,
    /// How it is run, if it may be.
    pub exec: Option<(ExecMode, Fallback)>,
    /// It takes away (`deny`).
    pub deny: bool,
    /// It is reported (`audit`).
    pub audit: bool,
    /// It is about files of one's own (`owner`).
    pub owner: bool,
    /// For `l`: where the other name is.
    pub target: Option<String>,
}

/// What the rules say to a path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FilePerms {
    /// What is allowed and not denied.
    pub allow: Perms,
    /// What is denied and not to be reported.
    pub quiet: Perms,
    /// What is to be reported even though it is allowed.
    pub audit: Perms,
    /// How it is run.
    pub exec: Option<(ExecMode, Fallback)>,
    /// The rule that denies, if one does.
    pub denied_by: Option<String>,
}

/// What rules about files say to a path; `own` when the file belongs to whoever asks.
pub fn file_perms(rules: &[FileRule], path: &str, own: bool) -> FilePerms {
    let mut perms = FilePerms::default();
    let mut denied = Perms::empty();
    let mut exec: Option<(&FileRule, bool)> = None;
    for rule in rules.iter().filter(|r| (own || !r.owner) && glob::matches(&r.pattern, path)) {
        if rule.deny {
            denied |= rule.perms;
            perms.denied_by.get_or_insert_with(|| rule.text());
            if !rule.audit {
                perms.quiet |= rule.perms;
            }
            continue;
        }
        perms.allow |= rule.perms;
        if rule.audit {
            perms.audit |= rule.perms;
        }
        if rule.exec.is_some() {
            // A rule with the exact name goes before patterns.
            let exact = !glob::is_pattern(&rule.pattern);
            if exec.is_none_or(|(_, was_exact)| exact && !was_exact) {
                exec = Some((rule, exact));
            }
        }
    }
    perms.allow -= denied;
    perms.exec = exec.and_then(|(rule, _)| rule.exec.clone());
    perms
}

impl FileRule {
    /// The rule as it is written.
    pub fn text(&self) -> String {
        let mut letters: String = [
            ('r', Perms::READ),
            ('w', Perms::WRITE),
            ('a', Perms::APPEND),
            ('l', Perms::LINK),
            ('k', Perms::LOCK),
            ('m', Perms::MMAP),
        ]
        .iter()
        .filter(|(c, p)| self.perms.contains(*p) && !(*c == 'a' && self.perms.contains(Perms::WRITE)))
        .map(|(c, _)| *c)
        .collect();
        match &self.exec {
            Some((mode, fallback)) => letters.push_str(&exec_letters(mode, *fallback)),
            None if self.deny && self.perms.contains(Perms::EXEC) => letters.push('x'),
            None => {}
        }
        let before = format!(
            "{}{}{}",
            if self.audit { "audit " } else { "" },
            if self.deny { "deny " } else { "" },
            if self.owner { "owner " } else { "" }
        );
        format!("{before}{} {letters},", self.pattern)
    }
}

fn exec_letters(mode: &ExecMode, fallback: Fallback) -> String {
    let first = match mode {
        ExecMode::Inherit => "i",
        ExecMode::Profile(_) => "P",
        ExecMode::Child(_) => "C",
        ExecMode::Unconfined => "U",
    };
    let second = match fallback {
        Fallback::None => "",
        Fallback::Inherit => "i",
        Fallback::Unconfined => "u",
    };
    format!("{first}{second}x")
}

/// Rules about capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CapRules {
    /// Those that may be used.
    pub allow: CapSet,
    /// Those that must not be used; nothing is said about it.
    pub deny: CapSet,
    /// Those whose denial or use is reported all the same.
    pub audit: CapSet,
}

impl CapRules {
    /// Whether a capability may be used.
    pub fn allows(&self, cap: Cap) -> bool {
        self.allow.has(cap) && !self.deny.has(cap)
    }
}

/// A rule about sockets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NetworkRule {
    /// The family (`inet`); any when empty.
    pub family: String,
    /// The type (`stream`) or protocol (`tcp`); any when empty.
    pub kind: String,
    /// It takes away.
    pub deny: bool,
    /// Its denial is reported.
    pub audit: bool,
}

/// What a rule about mounts is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the rules of apparmor.d(5), Mount Rules and Pivot Root Rules
pub enum MountKind {
    #[default]
    Mount,
    Remount,
    Umount,
    PivotRoot,
}

/// A rule about mounts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MountRule {
    /// What it is about.
    pub kind: MountKind,
    /// Types of file systems; any when empty.
    pub fs_types: Vec<String>,
    /// The options that it must have exactly (`options=(...)`); any when not given.
    pub options: Option<u64>,
    /// The options of which it may have any (`options in (...)`).
    pub options_in: Option<u64>,
    /// The source; any when empty.
    pub source: String,
    /// The place; any when empty.
    pub place: String,
    /// It takes away.
    pub deny: bool,
}

/// A rule about signals or ptrace(2), with what the other side is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PeerRule {
    /// What may be done: `send`, `receive`; `read`, `trace`, `readby`, `tracedby`. All when empty.
    pub access: Vec<String>,
    /// Signals by name; all when empty.
    pub set: Vec<String>,
    /// The profile of the other side: a pattern; any when empty.
    pub peer: String,
    /// It takes away.
    pub deny: bool,
    /// Its denial is reported.
    pub audit: bool,
}

impl PeerRule {
    fn fits(&self, access: &str, signal: &str, peer: &str) -> bool {
        (self.access.is_empty() || self.access.iter().any(|a| a == access))
            && (self.set.is_empty() || self.set.iter().any(|s| s == signal))
            && (self.peer.is_empty() || glob::matches(&self.peer, peer))
    }
}

/// What a list of rules says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is allowed.
    Allow,
    /// It is not, and that is reported.
    Deny,
    /// It is not, and nothing is said.
    DenyQuietly,
}

/// What rules with another side say.
pub fn peer_answer(rules: &[PeerRule], access: &str, signal: &str, peer: &str) -> Answer {
    let fitting = || rules.iter().filter(|r| r.fits(access, signal, peer));
    match fitting().find(|r| r.deny) {
        Some(rule) if rule.audit => Answer::Deny,
        Some(_) => Answer::DenyQuietly,
        None if fitting().next().is_some() => Answer::Allow,
        None => Answer::Deny,
    }
}

/// What rules about sockets say.
pub fn network_answer(rules: &[NetworkRule], family: &str, kind: &str, protocol: &str) -> Answer {
    let fits = |r: &&NetworkRule| {
        (r.family.is_empty() || r.family == family) && (r.kind.is_empty() || r.kind == kind || r.kind == protocol)
    };
    let fitting = || rules.iter().filter(fits);
    match fitting().find(|r| r.deny) {
        Some(rule) if rule.audit => Answer::Deny,
        Some(_) => Answer::DenyQuietly,
        None if fitting().next().is_some() => Answer::Allow,
        None => Answer::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str, perms: Perms) -> FileRule {
        FileRule { pattern: pattern.to_owned(), perms, ..FileRule::default() }
    }

    #[test]
    fn what_fits_adds_up_and_deny_takes_away() {
        let rules = [
            rule("/etc/**", Perms::READ),
            rule("/etc/motd", Perms::WRITE_ALL),
            FileRule { deny: true, ..rule("/etc/shadow", Perms::READ | Perms::WRITE_ALL) },
            FileRule { owner: true, ..rule("/home/**", Perms::READ) },
        ];
        assert!(file_perms(&rules, "/etc/motd", false).allow.contains(Perms::READ | Perms::WRITE));
        let shadow = file_perms(&rules, "/etc/shadow", false);
        assert_eq!((shadow.allow, shadow.quiet.contains(Perms::READ)), (Perms::empty(), true));
        assert!(file_perms(&rules, "/home/student/x", true).allow.contains(Perms::READ));
        assert!(!file_perms(&rules, "/home/student/x", false).allow.contains(Perms::READ));
    }

    #[test]
    fn letters_of_masks() {
        assert_eq!((Perms::READ | Perms::WRITE | Perms::CREATE).letters(), "wrc");
        assert_eq!(Perms::CHMOD.letters(), "w");
        assert_eq!((Perms::LOCK | Perms::MMAP | Perms::LINK).letters(), "kml");
    }
}
