//! How profiles come into the kernel. The real parser compiles them to state machines and hands these over in binary
//! (`policy_unpack.c`); here the rules go over one a line, fields apart by tabs. What cannot be read is refused whole.

use super::rule::{ExecMode, Fallback, FileRule, MountKind, MountRule, NetworkRule, PeerRule, Perms};
use super::{Mode, Profile};
use crate::security::capability::Cap;

/// A list in one field.
fn list(words: &[String]) -> String {
    words.join(",")
}

fn words(field: &str) -> Vec<String> {
    field.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn number(n: Option<u64>) -> String {
    n.map_or_else(|| "-".to_owned(), |n| n.to_string())
}

fn bits(deny: bool, audit: bool, owner: bool) -> String {
    let letter = |set: bool, c: &'static str| if set { c } else { "" };
    format!(".{}{}{}", letter(deny, "d"), letter(audit, "a"), letter(owner, "o"))
}

fn exec_field(exec: Option<&(ExecMode, Fallback)>) -> String {
    let Some((mode, fallback)) = exec else { return "-".to_owned() };
    let fallback = match fallback {
        Fallback::None => "",
        Fallback::Inherit => "i",
        Fallback::Unconfined => "u",
    };
    match mode {
        ExecMode::Inherit => "ix".to_owned(),
        ExecMode::Unconfined => "ux".to_owned(),
        ExecMode::Profile(target) => format!("p{fallback}x {}", target.as_deref().unwrap_or("")),
        ExecMode::Child(target) => format!("c{fallback}x {}", target.as_deref().unwrap_or("")),
    }
}

fn exec_of(field: &str) -> Option<Option<(ExecMode, Fallback)>> {
    let (letters, target) = field.split_once(' ').unwrap_or((field, ""));
    let target = (!target.is_empty()).then(|| target.to_owned());
    Some(Some(match letters {
        "-" => return Some(None),
        "ix" => (ExecMode::Inherit, Fallback::None),
        "ux" => (ExecMode::Unconfined, Fallback::None),
        "px" => (ExecMode::Profile(target), Fallback::None),
        "pix" => (ExecMode::Profile(target), Fallback::Inherit),
        "pux" => (ExecMode::Profile(target), Fallback::Unconfined),
        "cx" => (ExecMode::Child(target), Fallback::None),
        "cix" => (ExecMode::Child(target), Fallback::Inherit),
        "cux" => (ExecMode::Child(target), Fallback::Unconfined),
        _ => return None,
    }))
}

impl Profile {
    /// The profile as it is written to `.load`.
    pub fn to_wire(&self) -> String {
        let mut out = Vec::new();
        let mut line = |fields: &[&str]| out.push(fields.join("\t"));
        line(&["profile", &self.name, self.attachment.as_deref().unwrap_or(""), self.mode.name()]);
        for (flag, set) in [
            ("attach_disconnected", self.attach_disconnected),
            ("mediate_deleted", self.mediate_deleted),
            ("hat", self.hat),
        ] {
            if set {
                line(&["flag", flag]);
            }
        }
        for r in &self.files {
            let bits = bits(r.deny, r.audit, r.owner);
            let target = r.target.as_deref().unwrap_or("");
            line(&["file", &r.pattern, &r.perms.bits().to_string(), &exec_field(r.exec.as_ref()), &bits, target]);
        }
        for (name, set) in
            [("allow", self.capabilities.allow), ("deny", self.capabilities.deny), ("audit", self.capabilities.audit)]
        {
            for cap in set.iter() {
                line(&["capability", name, &cap.0.to_string()]);
            }
        }
        for r in &self.network {
            line(&["network", &r.family, &r.kind, &bits(r.deny, r.audit, false)]);
        }
        for r in &self.mounts {
            let kind = match r.kind {
                MountKind::Mount => "mount",
                MountKind::Remount => "remount",
                MountKind::Umount => "umount",
                MountKind::PivotRoot => "pivot_root",
            };
            let (exact, any) = (number(r.options), number(r.options_in));
            let deny = bits(r.deny, false, false);
            line(&["mount", kind, &list(&r.fs_types), &exact, &any, &r.source, &r.place, &deny]);
        }
        for (kind, rules) in [("signal", &self.signals), ("ptrace", &self.ptrace)] {
            for r in rules {
                line(&[kind, &list(&r.access), &list(&r.set), &r.peer, &bits(r.deny, r.audit, false)]);
            }
        }
        for pattern in &self.change_profile {
            line(&["change_profile", pattern]);
        }
        line(&["end"]);
        out.iter().map(|l| format!("{l}\n")).collect()
    }

    /// The profiles in what was written; `None` when something in it is not understood (EPROTO).
    pub fn from_wire(text: &str) -> Option<Vec<Profile>> {
        let (mut all, mut open) = (Vec::new(), None::<Profile>);
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match (fields.as_slice(), open.as_mut()) {
                (["profile", name, attachment, mode], None) => open = Some(begin(name, attachment, mode)?),
                (["end"], Some(_)) => all.extend(open.take()),
                (fields, Some(profile)) => take(profile, fields)?,
                _ => return None,
            }
        }
        if open.is_some() || all.is_empty() { None } else { Some(all) }
    }
}

fn begin(name: &str, attachment: &str, mode: &str) -> Option<Profile> {
    let modes = [Mode::Enforce, Mode::Complain, Mode::Kill, Mode::Unconfined];
    let mode = modes.into_iter().find(|m| m.name() == mode)?;
    let attachment = (!attachment.is_empty()).then(|| attachment.to_owned());
    (!name.is_empty()).then(|| Profile { name: name.to_owned(), attachment, mode, ..Profile::default() })
}

/// Takes one line in.
fn take(profile: &mut Profile, fields: &[&str]) -> Option<()> {
    let has = |bits: &str, c: char| bits.contains(c);
    match fields {
        ["flag", "attach_disconnected"] => profile.attach_disconnected = true,
        ["flag", "mediate_deleted"] => profile.mediate_deleted = true,
        ["flag", "hat"] => profile.hat = true,
        ["file", pattern, perms, exec, bits, target] => profile.files.push(FileRule {
            pattern: (*pattern).to_owned(),
            perms: Perms::from_bits(perms.parse().ok()?)?,
            exec: exec_of(exec)?,
            deny: has(bits, 'd'),
            audit: has(bits, 'a'),
            owner: has(bits, 'o'),
            target: (!target.is_empty()).then(|| (*target).to_owned()),
        }),
        ["capability", which, cap] => {
            let cap = Cap(cap.parse().ok().filter(|n| *n < 64)?);
            let rules = &mut profile.capabilities;
            match *which {
                "allow" => rules.allow = rules.allow.with(cap),
                "deny" => rules.deny = rules.deny.with(cap),
                "audit" => rules.audit = rules.audit.with(cap),
                _ => return None,
            }
        }
        ["network", family, kind, bits] => profile.network.push(NetworkRule {
            family: (*family).to_owned(),
            kind: (*kind).to_owned(),
            deny: has(bits, 'd'),
            audit: has(bits, 'a'),
        }),
        ["mount", kind, fs_types, exact, any, source, place, bits] => profile.mounts.push(MountRule {
            kind: match *kind {
                "mount" => MountKind::Mount,
                "remount" => MountKind::Remount,
                "umount" => MountKind::Umount,
                "pivot_root" => MountKind::PivotRoot,
                _ => return None,
            },
            fs_types: words(fs_types),
            options: exact.parse().ok(),
            options_in: any.parse().ok(),
            source: (*source).to_owned(),
            place: (*place).to_owned(),
            deny: has(bits, 'd'),
        }),
        [kind @ ("signal" | "ptrace"), access, set, peer, bits] => {
            let rule = PeerRule {
                access: words(access),
                set: words(set),
                peer: (*peer).to_owned(),
                deny: has(bits, 'd'),
                audit: has(bits, 'a'),
            };
            let rules = if *kind == "signal" { &mut profile.signals } else { &mut profile.ptrace };
            rules.push(rule);
        }
        ["change_profile", pattern] => profile.change_profile.push((*pattern).to_owned()),
        _ => return None,
    }
    Some(())
}
