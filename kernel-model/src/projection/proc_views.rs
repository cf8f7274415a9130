//! `/proc` and `/sys` through the eyes of one process: which entries belong to a namespace, and to which one; which
//! are the machine's and look the same in every container; and which a mount hides or protects.

use std::fmt::Write;

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
    /// What lies over it in the mount namespace of the process.
    pub covered: Covered,
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
    /// The entries, sorted by path.
    pub entries: Vec<Entry>,
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
        Kind::MaxNamespaces(_) => Namespace(NsKind::User),
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
                    is_machines_own: kind.is_none_or(|kind| ns == of_kind(&first, kind)),
                    covered: covered(&path, &mounts),
                    path,
                }
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        ProcViews { entries }
    }

    /// The list as text: path, whose it is, and what this process has of it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for entry in &self.entries {
            let whose = match (entry.belongs_to, entry.namespace) {
                (Machine, _) => "the machine".to_owned(),
                (Namespace(kind), Some(inum)) => format!("{}:[{inum}]", kind.name()),
                (Namespace(kind), None) => kind.name().to_owned(),
                (Instance, _) => "this procfs".to_owned(),
            };
            let seen = match (entry.covered, entry.belongs_to, entry.is_machines_own) {
                (Covered::Masked, ..) => "masked",
                (Covered::ReadOnly, Machine, _) => "leaks, read-only",
                (Covered::ReadOnly, _, true) => "as the machine's first process, read-only",
                (Covered::ReadOnly, _, false) => "its own, read-only",
                (Covered::No, Machine, _) => "leaks",
                (Covered::No, _, true) => "as the machine's first process",
                (Covered::No, _, false) => "its own",
            };
            let line = format!("{:<40} {whose:<18} {seen}", entry.path);
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }
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
}
