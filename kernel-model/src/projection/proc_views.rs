//! `/proc` and `/sys` through the eyes of one process: which entries belong to a namespace, and to which one; which
//! are the machine's and look the same in every container; and which a mount hides or protects.

use std::fmt::Write;

use super::Change;
use super::changes::name_of;
use super::pid_tree::instance;
use crate::namespace::{NsKind, NsRef};
use crate::task::TaskId;
use crate::vfs::fs::procfs::sysctl::{Kind, SYSCTLS, Scope};
use crate::world::World;

/// To whom an entry belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BelongsTo {
    /// To the namespace of this kind in which the reader is.
    Namespace(NsKind),
    /// To the PID namespace for which this procfs was mounted.
    Instance,
    /// To the machine.
    Machine,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// To whom it belongs.
    pub belongs_to: BelongsTo,
    /// The inode number of the namespace that this process sees there.
    pub namespace: Option<u32>,
    /// The process sees what the first process of the machine sees.
    pub is_machines_own: bool,
    /// Which instance of its kind that namespace is.
    pub instance: u32,
    /// What lies over it in the mount namespace of the process.
    pub covered: Covered,
    /// Whether the step made it another one's, or covered or uncovered it.
    pub change: Change,
}

/// What comes through the wall at an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Through {
    /// The process has one of its own.
    Own,
    /// It is that of a namespace which the process shares with the first process of the machine.
    Shared,
    /// It is the machine's, whoever looks.
    Leak,
}

impl Through {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Through; 3] = [Through::Own, Through::Shared, Through::Leak];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Through::Own => "its own",
            Through::Shared => "as the machine's first process",
            Through::Leak => "leaks",
        }
    }
}

impl Entry {
    /// What comes through the wall here, if nothing lies over it.
    pub fn through(&self) -> Through {
        match (self.belongs_to, self.is_machines_own) {
            (Machine, _) => Through::Leak,
            (_, true) => Through::Shared,
            (_, false) => Through::Own,
        }
    }

    /// `its own, read-only`, `masked`
    pub fn words(&self) -> String {
        match self.covered {
            Covered::Masked => "masked".to_owned(),
            Covered::ReadOnly => format!("{}, read-only", self.through().label()),
            Covered::No => self.through().label().to_owned(),
        }
    }

    /// Whether it is a setting below `/proc/sys`.
    pub fn is_setting(&self) -> bool {
        self.path.starts_with("/proc/sys/")
    }
}

/// What runtimes do to paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Covered {
    /// Nothing.
    No,
    /// It can be read and not be written.
    ReadOnly,
    /// Something else lies over it.
    Masked,
}

/// What a process sees of `/proc` and `/sys`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProcViews {
    /// Who looks: its name and numbers; empty when there is no such process.
    pub name: String,
    /// The entries, sorted by path.
    pub entries: Vec<Entry>,
    /// Processes that it could see if their directory in `/proc` were not covered by a mount, and where.
    pub hidden: Vec<(String, String)>,
}

use BelongsTo::{Instance, Machine, Namespace};

/// Entries that are no settings. Sources: the functions that show them, in `fs/proc` and `kernel`.
const ENTRIES: &[(&str, BelongsTo)] = &[
    ("/proc/PID", Instance),
    ("/proc/cgroups", Machine),
    ("/proc/cmdline", Machine),
    ("/proc/cpuinfo", Machine),
    ("/proc/devices", Machine),
    ("/proc/filesystems", Machine),
    ("/proc/kallsyms", Machine),
    ("/proc/keys", Namespace(NsKind::User)),
    ("/proc/kmsg", Machine),
    ("/proc/loadavg", Machine),
    ("/proc/meminfo", Machine),
    ("/proc/modules", Machine),
    ("/proc/partitions", Machine),
    ("/proc/self/cgroup", Namespace(NsKind::Cgroup)),
    ("/proc/self/mountinfo", Namespace(NsKind::Mnt)),
    ("/proc/self/net", Namespace(NsKind::Net)),
    ("/proc/self/uid_map", Namespace(NsKind::User)),
    ("/proc/stat", Machine),
    ("/proc/swaps", Machine),
    ("/proc/sysvipc", Namespace(NsKind::Ipc)),
    ("/proc/timer_list", Machine),
    ("/proc/uptime", Namespace(NsKind::Time)),
    ("/proc/version", Machine),
    ("/proc/vmstat", Machine),
    ("/sys/block", Machine),
    ("/sys/class/net", Namespace(NsKind::Net)),
    ("/sys/devices", Machine),
    ("/sys/firmware", Machine),
    ("/sys/fs/cgroup", Namespace(NsKind::Cgroup)),
    ("/sys/kernel", Machine),
    ("/sys/module", Machine),
];

/// To whom a setting below `/proc/sys` belongs.
fn setting(kind: Kind) -> BelongsTo {
    match kind {
        Kind::Ints(Scope::Ipc, ..) | Kind::Unsigned(Scope::Ipc, _) => Namespace(NsKind::Ipc),
        Kind::Ints(Scope::Net, ..) | Kind::Unsigned(Scope::Net, _) => Namespace(NsKind::Net),
        Kind::Hostname | Kind::Domainname => Namespace(NsKind::Uts),
        Kind::PidMax | Kind::NsLastPid => Namespace(NsKind::Pid),
        Kind::MaxNamespaces(_) | Kind::MaxCount(..) => Namespace(NsKind::User),
        _ => Machine,
    }
}

impl ProcViews {
    /// What `task` sees.
    pub fn of(world: &World, task: TaskId) -> ProcViews {
        if !world.tasks.contains(task) {
            return ProcViews::default();
        }
        let own = world.namespaces_of(task);
        let first = world.tasks.ids().next().map_or(own, |init| world.namespaces_of(init));
        let of_kind = |all: &[NsRef], kind| all.iter().copied().find(|ns| ns.kind() == kind);
        let mounts = world.mount_table(task);
        let settings = SYSCTLS.iter().map(|s| (format!("/proc/sys/{}", s.path), setting(s.kind)));
        let others = ENTRIES.iter().map(|(path, whose)| ((*path).to_owned(), *whose));
        let mut entries: Vec<Entry> = others
            .chain(settings)
            .map(|(path, belongs_to)| {
                let kind = match belongs_to {
                    Namespace(kind) => Some(kind),
                    Instance => Some(NsKind::Pid),
                    Machine => None,
                };
                let ns = kind.and_then(|kind| of_kind(&own, kind));
                Entry {
                    belongs_to,
                    namespace: ns.and_then(|ns| world.ns_common(ns)).map(|ns| ns.inum),
                    instance: ns.map_or(0, instance),
                    is_machines_own: kind.is_none_or(|kind| ns == of_kind(&first, kind)),
                    covered: covered(&path, &mounts),
                    path,
                    change: Change::Same,
                }
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        ProcViews { name: name_of(world, task), entries, hidden: hidden(world, task, &mounts) }
    }

    /// What `task` sees after a step, with what the step has changed for it.
    pub fn of_step(before: &World, after: &World, task: TaskId) -> ProcViews {
        let mut views = ProcViews::of(after, task);
        let old = ProcViews::of(before, task);
        for (entry, was) in views.entries.iter_mut().zip(&old.entries) {
            if (entry.namespace, entry.covered) != (was.namespace, was.covered) {
                entry.change = Change::Changed;
            }
        }
        views
    }

    /// How many entries there are of each sort that are not masked, and how many are masked and read-only.
    pub fn summary(&self) -> String {
        if self.entries.is_empty() {
            return "There is no such process.".to_owned();
        }
        let open =
            |through| self.entries.iter().filter(|e| e.covered != Covered::Masked && e.through() == through).count();
        let covered = |how| self.entries.iter().filter(|e| e.covered == how).count();
        format!(
            "{} of its own, {} as the machine's first process has them, {} leak; {} masked, {} read-only",
            open(Through::Own),
            open(Through::Shared),
            open(Through::Leak),
            covered(Covered::Masked),
            covered(Covered::ReadOnly)
        )
    }

    /// The list as text: path, whose it is, and what this process has of it.
    pub fn text(&self) -> String {
        let mut out = format!("/proc and /sys of {}: {}\n", self.name, self.summary());
        for entry in &self.entries {
            let whose = match (entry.belongs_to, entry.namespace) {
                (Machine, _) => "the machine".to_owned(),
                (Namespace(kind), Some(inum)) => format!("{}:[{inum}]", kind.name()),
                (Namespace(kind), None) => kind.name().to_owned(),
                (Instance, _) => "this procfs".to_owned(),
            };
            let mark = if entry.change == Change::Same { "" } else { entry.change.mark() };
            let _ = writeln!(out, "{:<40} {whose:<18} {} {mark}", entry.path, entry.words());
        }
        for (place, who) in &self.hidden {
            let _ = writeln!(out, "{place:<40} {who:<18} hidden by a mount over it");
        }
        out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// Processes with a number in the PID namespace of `task` whose directory in its `/proc` is covered by a mount: a way
/// to hide that ps(1) does not notice, and kill(1) does.
fn hidden(world: &World, task: TaskId, mounts: &[super::mount_table::MountRow]) -> Vec<(String, String)> {
    let ns = world.tasks.get(task).and_then(|t| world.pids.get(t.pid)).map(|pid| pid.ns());
    let behind = |row: &super::mount_table::MountRow| {
        let nr: i32 = row.mount_point.strip_prefix("/proc/")?.parse().ok()?;
        let pid = world.pid_namespaces.get(ns?)?.numbers.get(&nr)?;
        Some((row.mount_point.clone(), name_of(world, world.pids.get(*pid)?.task?)))
    };
    mounts.iter().filter_map(behind).collect()
}

/// Whether a mount other than that of its own file system lies over a path.
fn covered(path: &str, mounts: &[super::mount_table::MountRow]) -> Covered {
    let own = if path.starts_with("/proc") { "/proc" } else { "/sys" };
    let is_at_or_above =
        |point: &str| path == point || path.strip_prefix(point).is_some_and(|rest| rest.starts_with('/'));
    // The nearest, and of several at one place the last.
    let nearest = mounts.iter().filter(|m| is_at_or_above(&m.mount_point)).max_by_key(|m| m.mount_point.len());
    let Some(mount) = nearest else { return Covered::Masked };
    let expected = match path {
        "/sys/fs/cgroup" if mount.mount_point == path => return Covered::No,
        _ if own == "/proc" => "proc",
        _ => "sysfs",
    };
    let same_place = mount.root == mount.mount_point[own.len().min(mount.mount_point.len())..]
        || mount.root == "/" && mount.mount_point == own;
    if mount.fs_type != expected || !same_place {
        Covered::Masked
    } else if mount.options.iter().any(|o| o == "ro") {
        Covered::ReadOnly
    } else {
        Covered::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world_after;

    fn line(text: &str, path: &str) -> String {
        let found = text.lines().find(|l| l.split(' ').next() == Some(path)).unwrap_or_default();
        found.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_container_has_some_of_its_own_and_sees_the_machine_elsewhere() {
        let script = "unshare --uts --pid --fork --mount-proc sh -c 'mount --bind /dev/null /proc/keys; \
                      mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; sleep 100'";
        let world = world_after(&[&format!("{script} & sleep 1")]);
        let inside =
            world.tasks.iter().filter(|(_, t)| t.comm == "sleep").map(|(id, _)| id).next_back().expect("it sleeps");
        let text = ProcViews::of(&world, inside).text();
        assert_eq!(line(&text, "/proc/meminfo"), "the machine leaks");
        assert_eq!(line(&text, "/proc/PID"), "this procfs its own");
        assert!(line(&text, "/proc/keys").ends_with("masked"), "{text}");
        assert_eq!(line(&text, "/proc/sys/vm/swappiness"), "the machine leaks, read-only");
        assert!(line(&text, "/proc/sys/kernel/hostname").ends_with("its own, read-only"), "{text}");
        assert!(line(&text, "/proc/sysvipc").ends_with("as the machine's first process"), "{text}");
        let outside = ProcViews::of(&world, TaskId(2));
        assert!(outside.entries.iter().all(|e| e.is_machines_own && e.covered == Covered::No), "{}", outside.text());
    }

    #[test]
    fn what_a_mount_hides_is_told_from_outside_and_a_step_marks_it() {
        let hide = "sleep 100 & mkdir /tmp/empty; mount --bind /tmp/empty /proc/$!";
        let (before, after) = (world_after(&[]), world_after(&[hide]));
        let views = ProcViews::of_step(&before, &after, TaskId(2));
        assert_eq!(views.hidden.len(), 1, "{}", views.text());
        assert!(views.text().contains("hidden by a mount over it"), "{}", views.text());
        let masked = world_after(&["mount --bind /dev/null /proc/keys"]);
        let views = ProcViews::of_step(&before, &masked, TaskId(2));
        let changed: Vec<&str> =
            views.entries.iter().filter(|e| e.change != Change::Same).map(|e| e.path.as_str()).collect();
        assert_eq!(changed, ["/proc/keys"]);
        assert_eq!(ProcViews::of(&after, TaskId(99)).entries, []);
    }
}
