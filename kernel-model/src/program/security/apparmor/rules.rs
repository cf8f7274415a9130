//! The rules of a profile, as in apparmor.d(5).

use super::language::{Reader, Wrong, alternatives};
use super::lexer::Token;
use crate::program::util_linux::mount_options::MountOptions;
use crate::security::capability::{Cap, CapSet};
use crate::security::lsm::apparmor::Profile;
use crate::security::lsm::apparmor::rule::{
    ExecMode, Fallback, FileRule, MountKind, MountRule, NetworkRule, PeerRule, Perms,
};

/// What stands before a rule.
#[derive(Clone, Copy, Default)]
struct Qualifiers {
    deny: bool,
    audit: bool,
    owner: bool,
}

/// What a mask of letters says.
struct Mask {
    perms: Perms,
    exec: Option<(ExecMode, Fallback)>,
}

impl Reader {
    /// One rule, with its end.
    pub(super) fn rule(&mut self, profile: &mut Profile) -> Result<(), Wrong> {
        let mut q = Qualifiers::default();
        loop {
            match self.peek() {
                Some(Token::Word(word)) if word == "deny" => q.deny = true,
                Some(Token::Word(word)) if word == "audit" => q.audit = true,
                Some(Token::Word(word)) if word == "owner" => q.owner = true,
                Some(Token::Word(word)) if word == "allow" => {}
                _ => break,
            }
            self.next();
        }
        let word = self.word().ok_or_else(|| self.unexpected())?;
        match word.as_str() {
            "capability" => self.capability(profile, q),
            "network" => self.network(profile, q),
            "signal" => {
                let rule = self.peer_rule(q)?;
                profile.signals.push(rule);
                self.end()
            }
            "ptrace" => {
                let rule = self.peer_rule(q)?;
                profile.ptrace.push(rule);
                self.end()
            }
            "mount" => self.mount(profile, q, MountKind::Mount),
            "remount" => self.mount(profile, q, MountKind::Remount),
            "umount" | "unmount" => self.mount(profile, q, MountKind::Umount),
            "pivot_root" => self.pivot_root(profile, q),
            "change_profile" => self.change_profile(profile),
            "link" => self.link(profile, q),
            "file" if self.peek() == Some(&Token::End) => {
                let perms = Perms::READ | Perms::WRITE_ALL | Perms::LINK | Perms::LOCK | Perms::MMAP | Perms::EXEC;
                let exec = (!q.deny).then_some((ExecMode::Inherit, Fallback::None));
                self.push_files(profile, q, "/{,**}", &Mask { perms, exec }, None)?;
                self.end()
            }
            "file" => {
                let word = self.word().ok_or_else(|| self.unexpected())?;
                self.file(profile, q, word)
            }
            "unix" | "dbus" | "mqueue" | "io_uring" | "userns" | "set" | "rlimit" => {
                self.ignored.push(word);
                self.skip_rule();
                Ok(())
            }
            _ => self.file(profile, q, word),
        }
    }

    fn capability(&mut self, profile: &mut Profile, q: Qualifiers) -> Result<(), Wrong> {
        let mut set = CapSet::EMPTY;
        let mut any = false;
        while let Some(name) = self.word() {
            any = true;
            let cap = Cap::from_name(&name).ok_or_else(|| self.wrong(&format!("Invalid capability {name}.")))?;
            set = set.with(cap);
        }
        if !any {
            set = CapSet::FULL;
        }
        let rules = &mut profile.capabilities;
        let place = if q.deny { &mut rules.deny } else { &mut rules.allow };
        *place = *place | set;
        if q.audit {
            rules.audit = rules.audit | set;
        }
        self.end()
    }

    fn network(&mut self, profile: &mut Profile, q: Qualifiers) -> Result<(), Wrong> {
        const FAMILIES: [&str; 8] = ["unix", "inet", "inet6", "netlink", "packet", "vsock", "bluetooth", "alg"];
        const KINDS: [&str; 8] = ["stream", "dgram", "raw", "rdm", "seqpacket", "tcp", "udp", "icmp"];
        let mut rule = NetworkRule { deny: q.deny, audit: q.audit, ..NetworkRule::default() };
        while let Some(word) = self.word() {
            match word.as_str() {
                family if FAMILIES.contains(&family) => rule.family = word,
                kind if KINDS.contains(&kind) => rule.kind = word,
                _ => return Err(self.wrong("Invalid network entry.")),
            }
        }
        profile.network.push(rule);
        self.end()
    }

    /// `(send, receive) set=(hup, term) peer=NAME`.
    fn peer_rule(&mut self, q: Qualifiers) -> Result<PeerRule, Wrong> {
        let mut rule = PeerRule { deny: q.deny, audit: q.audit, ..PeerRule::default() };
        loop {
            match self.peek().cloned() {
                Some(Token::List(words)) => {
                    self.next();
                    rule.access.extend(access_words(words));
                }
                Some(Token::Word(word)) => {
                    self.next();
                    if word == "set=" {
                        match self.next() {
                            Some(Token::List(words)) => rule.set.extend(words),
                            Some(Token::Word(word)) => rule.set.push(word),
                            _ => return Err(self.unexpected()),
                        }
                    } else if let Some(one) = word.strip_prefix("set=") {
                        rule.set.push(one.to_owned());
                    } else if let Some(peer) = word.strip_prefix("peer=") {
                        let peer = if peer.is_empty() { self.word().unwrap_or_default() } else { peer.to_owned() };
                        rule.peer = alternatives(&self.expand(&peer)?);
                    } else {
                        rule.access.extend(access_words(vec![word]));
                    }
                }
                _ => return Ok(rule),
            }
        }
    }

    /// `mount options=(...) fstype=TYPE SOURCE -> PLACE`.
    fn mount(&mut self, profile: &mut Profile, q: Qualifiers, kind: MountKind) -> Result<(), Wrong> {
        let mut rule = MountRule { kind, deny: q.deny, ..MountRule::default() };
        let mut options_in = false;
        let mut paths: Vec<String> = Vec::new();
        loop {
            match self.peek().cloned() {
                Some(Token::Arrow) => {
                    self.next();
                    let place = self.word().ok_or_else(|| self.unexpected())?;
                    rule.place = alternatives(&self.expand(&place)?);
                    rule.source = paths.pop().unwrap_or_default();
                }
                Some(Token::Word(word)) => {
                    self.next();
                    match word.split_once('=') {
                        Some(("fstype" | "vfstype", value)) => rule.fs_types = self.values(value)?,
                        Some(("options" | "option", value)) => {
                            let words = self.values(value)?;
                            rule.options = Some(option_bits(&words));
                        }
                        _ if word == "options" || word == "option" => options_in = true,
                        _ if word == "in" && options_in => {
                            let words = self.values("")?;
                            rule.options_in = Some(option_bits(&words));
                        }
                        _ => paths.push(alternatives(&self.expand(&word)?)),
                    }
                }
                _ => break,
            }
        }
        if let Some(path) = paths.pop() {
            // Without an arrow it is what is taken away, or what is mounted.
            *(if matches!(kind, MountKind::Mount) { &mut rule.source } else { &mut rule.place }) = path;
        }
        if rule.options.is_some_and(|bits| bits & crate::syscall::mount::mount::ms::REMOUNT != 0) {
            rule.kind = MountKind::Remount;
        }
        // A rule without options or a type is about remounts, too.
        if kind == MountKind::Mount && rule.options.is_none() && rule.fs_types.is_empty() {
            profile.mounts.push(MountRule { kind: MountKind::Remount, ..rule.clone() });
        }
        profile.mounts.push(rule);
        self.end()
    }

    /// A value after `=`: itself, or the list that follows.
    fn values(&mut self, value: &str) -> Result<Vec<String>, Wrong> {
        if !value.is_empty() {
            return Ok(vec![value.to_owned()]);
        }
        match self.next() {
            Some(Token::List(words)) => Ok(words),
            Some(Token::Word(word)) => Ok(vec![word]),
            _ => Err(self.unexpected()),
        }
    }

    /// `pivot_root oldroot=OLD NEW`.
    fn pivot_root(&mut self, profile: &mut Profile, q: Qualifiers) -> Result<(), Wrong> {
        let mut rule = MountRule { kind: MountKind::PivotRoot, deny: q.deny, ..MountRule::default() };
        while let Some(word) = self.word() {
            match word.strip_prefix("oldroot=") {
                Some(old) => rule.source = alternatives(&self.expand(old)?),
                None => rule.place = alternatives(&self.expand(&word)?),
            }
        }
        profile.mounts.push(rule);
        self.end()
    }

    /// `change_profile [PROGRAM] -> PATTERN`.
    fn change_profile(&mut self, profile: &mut Profile) -> Result<(), Wrong> {
        while self.word().is_some() {}
        let pattern = match self.peek() {
            Some(Token::Arrow) => {
                self.next();
                let word = self.word().ok_or_else(|| self.unexpected())?;
                self.expand(&word)?
            }
            _ => vec!["**".to_owned()],
        };
        profile.change_profile.extend(pattern);
        self.end()
    }

    /// `link [subset] NAME -> TARGET`.
    fn link(&mut self, profile: &mut Profile, q: Qualifiers) -> Result<(), Wrong> {
        self.take("subset");
        let name = self.word().ok_or_else(|| self.unexpected())?;
        let target = match self.peek() {
            Some(Token::Arrow) => {
                self.next();
                self.word()
            }
            _ => None,
        };
        self.push_files(profile, q, &name, &Mask { perms: Perms::LINK, exec: None }, target)?;
        self.end()
    }

    /// `PATH MASK [-> TARGET]`, or `MASK PATH`.
    fn file(&mut self, profile: &mut Profile, q: Qualifiers, first: String) -> Result<(), Wrong> {
        let is_path = |w: &str| w.starts_with('/') || w.starts_with("@{") || w.starts_with('{');
        let second = self.word().ok_or_else(|| self.unexpected())?;
        let (path, letters) = if is_path(&first) { (first, second) } else { (second, first) };
        if !is_path(&path) {
            return Err(self.unexpected());
        }
        let target = match self.peek() {
            Some(Token::Arrow) => {
                self.next();
                Some(self.word().ok_or_else(|| self.unexpected())?)
            }
            _ => None,
        };
        let mut mask = mask(&letters, q.deny).map_err(|message| self.wrong(&message))?;
        let mut link_target = None;
        match (&mut mask.exec, target) {
            (Some((ExecMode::Profile(to) | ExecMode::Child(to), _)), Some(target)) => *to = Some(target),
            (_, target) => link_target = target,
        }
        self.push_files(profile, q, &path, &mask, link_target)?;
        self.end()
    }

    fn push_files(
        &self,
        profile: &mut Profile,
        q: Qualifiers,
        path: &str,
        mask: &Mask,
        target: Option<String>,
    ) -> Result<(), Wrong> {
        for pattern in self.expand(path)? {
            profile.files.push(FileRule {
                pattern,
                perms: mask.perms,
                exec: mask.exec.clone(),
                deny: q.deny,
                audit: q.audit,
                owner: q.owner,
                target: target.clone(),
            });
        }
        Ok(())
    }
}

/// What may be done with the other side; `r` and `w` are short forms.
fn access_words(words: Vec<String>) -> Vec<String> {
    let long = |w: String| match w.as_str() {
        "r" => "receive".to_owned(),
        "w" => "send".to_owned(),
        _ => w,
    };
    words
        .into_iter()
        .flat_map(|w| if w == "rw" { vec!["send".into(), "receive".into()] } else { vec![long(w)] })
        .collect()
}

/// The bits of mount options by their names.
fn option_bits(words: &[String]) -> u64 {
    let mut options = MountOptions::default();
    options.add(&words.join(","));
    options.propagation.iter().fold(options.flags, |bits, more| bits | more)
}

/// The permissions of a mask such as `rwix`.
fn mask(letters: &str, deny: bool) -> Result<Mask, String> {
    let mut mask = Mask { perms: Perms::empty(), exec: None };
    let all: Vec<char> = letters.chars().collect();
    let mut at = 0;
    while at < all.len() {
        match all[at] {
            'r' => mask.perms |= Perms::READ,
            'w' => mask.perms |= Perms::WRITE_ALL,
            'a' => mask.perms |= Perms::APPEND | Perms::CREATE,
            'l' => mask.perms |= Perms::LINK,
            'k' => mask.perms |= Perms::LOCK,
            'm' => mask.perms |= Perms::MMAP,
            'x' if deny => mask.perms |= Perms::EXEC,
            'x' => {
                return Err("Invalid mode, 'x' must be preceded by exec qualifier 'i', 'p', 'c', or 'u'".to_owned());
            }
            c @ ('i' | 'p' | 'P' | 'c' | 'C' | 'u' | 'U') => {
                let fallback = match all.get(at + 1).map(char::to_ascii_lowercase) {
                    Some('i') => Fallback::Inherit,
                    Some('u') => Fallback::Unconfined,
                    _ => Fallback::None,
                };
                at += if fallback == Fallback::None { 1 } else { 2 };
                if all.get(at).map(char::to_ascii_lowercase) != Some('x') {
                    return Err(format!("Invalid mode, in '{letters}'"));
                }
                let mode = match c.to_ascii_lowercase() {
                    'i' => ExecMode::Inherit,
                    'p' => ExecMode::Profile(None),
                    'c' => ExecMode::Child(None),
                    _ => ExecMode::Unconfined,
                };
                mask.perms |= Perms::EXEC;
                mask.exec = Some((mode, fallback));
            }
            other => return Err(format!("Found unexpected character: '{other}'")),
        }
        at += 1;
    }
    Ok(mask)
}
