//! What a process may do: capability sets, secure bits, no_new_privs and seccomp, and where its capabilities
//! count, as in capabilities(7) and user_namespaces(7). Its ids are in [`id_map`](super::id_map).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Change;
use super::changes::name_of;
use super::id_map::IdMapPicture;
use crate::namespace::user::UserNsId;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::security::credentials::{Cred, SecureBits};
use crate::task::{Task, TaskId};
use crate::world::World;

/// How many user namespaces and how many askers are listed; the others are counted.
const MAX_LISTED: usize = 12;

/// The powers of one process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Privileges {
    /// Whose; `None` when there is no such process any more.
    pub task: Option<TaskId>,
    /// Its name and numbers.
    pub name: String,
    /// The five sets.
    pub sets: Vec<SetRow>,
    /// The secure bits with their names in capabilities(7).
    pub securebits: Vec<Bit>,
    /// `no_new_privs`: execve(2) gives no more than there is already.
    pub no_new_privs: Option<Bit>,
    /// User ids from inside to outside.
    pub uids: IdMapPicture,
    /// Group ids from inside to outside.
    pub gids: IdMapPicture,
    /// The capability that is asked for.
    pub asked: String,
    /// For each user namespace, who passes the check for it.
    pub checks: Vec<Check>,
    /// How many user namespaces are not listed.
    pub checks_left_out: usize,
}

/// One of the five sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetRow {
    /// `effective`
    pub name: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// As `/proc/PID/status` shows it.
    pub mask: String,
    /// One cell a capability, by number.
    pub cells: Vec<CapCell>,
}

/// Whether a capability is in a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CapCell {
    /// It is.
    pub on: bool,
    /// What the step did to it.
    pub change: Change,
}

/// Something that is on or off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bit {
    /// Its name.
    pub name: &'static str,
    /// Whether it is on.
    pub on: bool,
    /// What the step did to it.
    pub change: Change,
}

/// A user namespace, and who passes a capability check there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which.
    pub ns: UserNsId,
    /// Its inode number.
    pub inum: u32,
    /// How deep it lies.
    pub level: u32,
    /// Whether the process passes.
    pub granted: bool,
    /// By which rule of `cap_capable()`.
    pub why: String,
    /// Other processes that pass, by name.
    pub others: Vec<String>,
    /// How many more pass.
    pub others_left_out: usize,
    /// Whether the step has turned the answer.
    pub change: Change,
}

/// A set by name, what it is for, and where credentials have it.
type NamedSet = (&'static str, &'static str, fn(&Cred) -> CapSet);

/// The five sets.
const SETS: [NamedSet; 5] = [
    ("effective", "what the kernel looks at when it checks", |c| c.effective),
    ("permitted", "what may be made effective", |c| c.permitted),
    ("inheritable", "what a file may add at execve", |c| c.inheritable),
    ("bounding", "what can be gained at all", |c| c.bounding),
    ("ambient", "what stays at execve without a file's help", |c| c.ambient),
];

impl Privileges {
    /// The powers of a task in one world.
    pub fn of(world: &World, task: TaskId, asked: Cap) -> Privileges {
        Privileges::of_step(world, world, task, asked)
    }

    /// The powers of a task in `after`, with what has changed since `before`, and who passes a check of `asked`.
    pub fn of_step(before: &World, after: &World, task: TaskId, asked: Cap) -> Privileges {
        let (old, new) = (before.tasks.get(task), after.tasks.get(task));
        let Some(t) = new else { return Privileges::default() };
        let world = after;
        let was = old.map(|t| &*t.cred);
        let is = &*t.cred;
        let mut checks: Vec<Check> = Vec::new();
        for (ns, _) in world.user_namespaces.iter().take(MAX_LISTED) {
            checks.push(check(before, world, ns, old, t, asked));
        }
        others(world, task, asked, &mut checks);
        Privileges {
            task: Some(task),
            name: name_of(world, task),
            sets: SETS.iter().map(|set| set_row(set, was, is)).collect(),
            securebits: securebits(was, is),
            no_new_privs: Some(Bit {
                name: "no_new_privs",
                on: t.no_new_privs,
                change: Change::between(old.map(|t| &t.no_new_privs), Some(&t.no_new_privs)).only_changed(),
            }),
            uids: IdMapPicture::of_uids(before, world, task),
            gids: IdMapPicture::of_gids(before, world, task),
            asked: asked.name(),
            checks_left_out: world.user_namespaces.len().saturating_sub(checks.len()),
            checks,
        }
    }

    /// The powers as text, for copying, for screen readers and for tests.
    pub fn text(&self) -> String {
        if self.task.is_none() {
            return "no process\n".to_owned();
        }
        let mut out = format!("{}\n", self.name);
        for set in &self.sets {
            let _ = writeln!(out, "  {:<12} {} {}", set.name, set.mask, set.words());
            for (number, cell) in set.cells.iter().enumerate().filter(|(_, c)| c.change != Change::Same) {
                let what = if cell.on { "gained" } else { "lost" };
                let _ = writeln!(out, "{}   {} {what} in {}", cell.change.mark(), Cap(number as u8), set.name);
            }
        }
        for bit in self.securebits.iter().chain(&self.no_new_privs).filter(|b| b.on || b.change != Change::Same) {
            let mark = if bit.change == Change::Same { " " } else { bit.change.mark() };
            let _ = writeln!(out, "{mark} {} {}", bit.name, if bit.on { "on" } else { "off" });
        }
        let _ = write!(out, "user ids\n{}group ids\n{}", self.uids.text(), self.gids.text());
        let _ = writeln!(out, "who passes a check of {}", self.asked);
        for check in &self.checks {
            let mark = if check.change == Change::Same { " " } else { check.change.mark() };
            let verdict = if check.granted { "passes" } else { "is refused" };
            let _ = writeln!(out, "{mark} user:[{}]: it {verdict}, {}", check.inum, check.why);
            if !check.others.is_empty() {
                let more = if check.others_left_out > 0 {
                    format!(" and {} more", check.others_left_out)
                } else {
                    String::new()
                };
                let _ = writeln!(out, "    so do {}{more}", check.others.join(", "));
            }
        }
        if self.checks_left_out > 0 {
            let _ = writeln!(out, "  and {} more user namespaces", self.checks_left_out);
        }
        out
    }
}

impl SetRow {
    /// `all`, `none`, or the names of those in it or of those missing, whichever is shorter.
    pub fn words(&self) -> String {
        let names = |on: bool| {
            let such = self.cells.iter().enumerate().filter(move |(_, c)| c.on == on);
            such.filter_map(|(n, _)| NAMES.get(n).copied()).collect::<Vec<_>>()
        };
        let (on, off) = (names(true), names(false));
        match (on.len(), off.len()) {
            (_, 0) => "all".to_owned(),
            (0, _) => "none".to_owned(),
            (n, missing) if n <= missing => on.join(" "),
            _ => format!("all but {}", off.join(" ")),
        }
    }
}

impl Change {
    /// A thing that is always there is never new: what was not there to be compared has not changed.
    fn only_changed(self) -> Change {
        if self == Change::Changed { self } else { Change::Same }
    }
}

fn set_row(set: &NamedSet, was: Option<&Cred>, is: &Cred) -> SetRow {
    let (name, meaning, get) = *set;
    let now = get(is);
    let then = was.map_or(now, get);
    let cell = |n: usize| {
        let cap = Cap(n as u8);
        let change = if now.has(cap) == then.has(cap) { Change::Same } else { Change::Changed };
        CapCell { on: now.has(cap), change }
    };
    SetRow { name, meaning, mask: now.to_string(), cells: (0..NAMES.len()).map(cell).collect() }
}

fn securebits(was: Option<&Cred>, is: &Cred) -> Vec<Bit> {
    const BITS: [(&str, SecureBits); 8] = [
        ("noroot", SecureBits::NOROOT),
        ("noroot locked", SecureBits::NOROOT_LOCKED),
        ("no_setuid_fixup", SecureBits::NO_SETUID_FIXUP),
        ("no_setuid_fixup locked", SecureBits::NO_SETUID_FIXUP_LOCKED),
        ("keep_caps", SecureBits::KEEP_CAPS),
        ("keep_caps locked", SecureBits::KEEP_CAPS_LOCKED),
        ("no_cap_ambient_raise", SecureBits::NO_CAP_AMBIENT_RAISE),
        ("no_cap_ambient_raise locked", SecureBits::NO_CAP_AMBIENT_RAISE_LOCKED),
    ];
    let bit = |(name, bit): (&'static str, SecureBits)| {
        let on = is.securebits.contains(bit);
        let changed = was.is_some_and(|c| c.securebits.contains(bit) != on);
        Bit { name, on, change: if changed { Change::Changed } else { Change::Same } }
    };
    BITS.into_iter().map(bit).collect()
}

/// The rule of `cap_capable()` by which a task passes or not, told in its own terms.
fn rule(world: &World, cred: &Cred, ns: UserNsId, asked: Cap) -> (bool, String) {
    let granted = world.cred_has_cap(cred, ns, asked);
    let own = cred.user_ns;
    let why = match () {
        () if ns == own && granted => "it is its own user namespace, and its effective set has it".to_owned(),
        () if ns == own => "it is its own user namespace, and its effective set lacks it".to_owned(),
        () if !world.user_ns_is_within(ns, own) => {
            "the namespace does not lie inside its own, and nothing counts outside".to_owned()
        }
        () if owns(world, cred, ns) => {
            "it made that namespace, or one around it, from here: who owns it has all of them there".to_owned()
        }
        () if granted => "the namespace lies inside its own, and its effective set has it".to_owned(),
        () => "the namespace lies inside its own, but its effective set lacks it and somebody else owns it".to_owned(),
    };
    (granted, why)
}

/// Whether the namespace, or one around it, was made from the credentials' namespace by their user.
fn owns(world: &World, cred: &Cred, ns: UserNsId) -> bool {
    let mut at = Some(ns);
    while let Some(user_ns) = at.and_then(|ns| world.user_namespaces.get(ns)) {
        if user_ns.parent == Some(cred.user_ns) {
            return user_ns.owner == cred.euid;
        }
        at = user_ns.parent;
    }
    false
}

fn check(before: &World, world: &World, ns: UserNsId, old: Option<&Task>, task: &Task, asked: Cap) -> Check {
    let (granted, why) = rule(world, &task.cred, ns, asked);
    let was = old.filter(|_| before.user_namespaces.contains(ns)).map(|t| before.cred_has_cap(&t.cred, ns, asked));
    let shown = world.user_namespaces.get(ns);
    Check {
        ns,
        inum: shown.map_or(0, |n| n.ns.inum),
        level: shown.map_or(0, |n| n.level),
        granted,
        why,
        others: Vec::new(),
        others_left_out: 0,
        change: match was {
            None if old.is_some() => Change::New,
            Some(was) if was != granted => Change::Changed,
            _ => Change::Same,
        },
    }
}

/// Who else passes: processes with the same answers are asked once.
fn others(world: &World, task: TaskId, asked: Cap, checks: &mut [Check]) {
    const NAMED: usize = 4;
    let mut answers: BTreeMap<(UserNsId, u32, bool), Vec<bool>> = BTreeMap::new();
    for (_, process) in world.processes.iter().filter(|(_, p)| p.leader != task) {
        let Some(t) = world.tasks.get(process.leader).filter(|t| !t.state.has_exited()) else { continue };
        let key = (t.cred.user_ns, t.cred.euid.0, t.cred.effective.has(asked));
        let passes = answers
            .entry(key)
            .or_insert_with(|| checks.iter().map(|c| world.cred_has_cap(&t.cred, c.ns, asked)).collect());
        for (check, _) in checks.iter_mut().zip(passes.iter()).filter(|(_, passes)| **passes) {
            if check.others.len() < NAMED {
                check.others.push(name_of(world, process.leader));
            } else {
                check.others_left_out += 1;
            }
        }
    }
}
