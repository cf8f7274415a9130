//! The world through a process' eyes: everything that there is, and by which name the process can reach each
//! thing, if at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Change;
use super::changes::name_of;
use crate::namespace::NsKind;
use crate::namespace::user::OVERFLOW_ID;
use crate::task::TaskId;
use crate::vfs::path::Reach;
use crate::world::World;

/// How many things of a kind are listed, and how many of those that cannot be named; the others are counted.
const MAX_SEEN: usize = 40;
const MAX_UNSEEN: usize = 14;

/// The whole world, seen from one process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ThroughEyes {
    /// Whose eyes; `None` when there is no such process any more.
    pub task: Option<TaskId>,
    /// Its name and numbers.
    pub name: String,
    /// The world, by what decides who sees it.
    pub sections: Vec<Section>,
}

/// Things of one sort.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// `processes`
    pub title: &'static str,
    /// The kind of namespace that decides.
    pub kind: NsKind,
    /// Which instance of it the process is in.
    pub instance: u32,
    /// Things, those that can be named first.
    pub things: Vec<Thing>,
    /// How many can be named.
    pub seen: usize,
    /// How many there are.
    pub all: usize,
}

/// Something that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thing {
    /// What it is called from outside.
    pub outside: String,
    /// What the process calls it; `None` when it cannot name it.
    pub name: Option<String>,
    /// It is the process itself, or its own.
    pub own: bool,
    /// Whether the step has changed its name, or whether it can be named.
    pub change: Change,
}

impl ThroughEyes {
    /// The world as a task sees it.
    pub fn of(world: &World, task: TaskId) -> ThroughEyes {
        ThroughEyes::of_step(world, world, task)
    }

    /// The world of `after` as a task sees it, with what has changed for it since `before`.
    pub fn of_step(before: &World, after: &World, task: TaskId) -> ThroughEyes {
        if after.tasks.get(task).is_none_or(|t| t.state.has_exited()) {
            return ThroughEyes::default();
        }
        let old = if before.tasks.get(task).is_some_and(|t| !t.state.has_exited()) {
            all_of(before, task)
        } else {
            all_of(after, task)
        };
        let new = all_of(after, task);
        let sections = new.into_iter().zip(old).map(|(new, old)| section(new, &old)).collect();
        ThroughEyes { task: Some(task), name: name_of(after, task), sections }
    }

    /// The view as text, for copying, for screen readers and for tests.
    pub fn text(&self) -> String {
        if self.task.is_none() {
            return "no process\n".to_owned();
        }
        let mut out = format!("what {} can name\n", self.name);
        for section in &self.sections {
            let (kind, instance) = (section.kind.letter(), section.instance);
            let _ = writeln!(out, "{} ({kind}{instance}): {} of {}", section.title, section.seen, section.all);
            for thing in &section.things {
                let mark = if thing.change == Change::Same { " " } else { thing.change.mark() };
                let name = thing.name.as_deref().unwrap_or("–");
                let _ = writeln!(out, "{mark}   {name:<24} {}", thing.outside);
            }
            let rest = section.all.saturating_sub(section.things.len());
            if rest > 0 {
                let _ = writeln!(out, "    and {rest} more");
            }
        }
        out
    }
}

/// Things of one sort before they are cut and compared, each under something that stays the same.
struct Sight {
    title: &'static str,
    kind: NsKind,
    instance: u32,
    things: BTreeMap<u64, Thing>,
}

/// All sections in the order in which they are shown.
fn all_of(world: &World, task: TaskId) -> Vec<Sight> {
    [processes, mounts, names, devices, ipc, groups, users].into_iter().filter_map(|of| of(world, task)).collect()
}

fn thing(outside: impl Into<String>, name: Option<String>, own: bool) -> Thing {
    Thing { outside: outside.into(), name, own, change: Change::Same }
}

fn section(new: Sight, old: &Sight) -> Section {
    let all = new.things.len();
    let seen = new.things.values().filter(|thing| thing.name.is_some()).count();
    let mut things: Vec<Thing> = new
        .things
        .into_iter()
        .map(|(key, thing)| {
            let change = match old.things.get(&key) {
                None => Change::New,
                Some(was) if was.name != thing.name => Change::Changed,
                Some(_) => Change::Same,
            };
            Thing { change, ..thing }
        })
        .collect();
    // What changed is never among those that are only counted.
    things.sort_by_key(|thing| (thing.name.is_none(), !thing.own, thing.change == Change::Same));
    let (mut named, mut unnamed) = (0, 0);
    things.retain(|thing| {
        let (count, most) = if thing.name.is_some() { (&mut named, MAX_SEEN) } else { (&mut unnamed, MAX_UNSEEN) };
        *count += 1;
        *count <= most
    });
    Section { title: new.title, kind: new.kind, instance: new.instance, things, seen, all }
}

/// Processes have numbers in a PID namespace and in those around it.
fn processes(world: &World, task: TaskId) -> Option<Sight> {
    let ns = world.pids.get(world.tasks.get(task)?.pid)?.ns();
    let own = world.tasks.get(task)?.process;
    let things = world.processes.iter().map(|(id, process)| {
        let number = world.pid_in(ns, process.leader);
        let comm = world.tasks.get(process.leader).map_or("", |t| t.comm.as_str());
        let outside = world
            .tasks
            .get(process.leader)
            .and_then(|t| world.pids.get(t.pid))
            .and_then(|p| p.numbers.first())
            .map_or_else(|| comm.to_owned(), |(_, nr)| format!("{comm} {nr}"));
        (u64::from(id.0), thing(outside, number.map(|nr| nr.to_string()), id == own))
    });
    Some(Sight { title: "processes", kind: NsKind::Pid, instance: ns.0, things: things.collect() })
}

/// Mounts are seen in the own mount namespace, and there below the root directory.
fn mounts(world: &World, task: TaskId) -> Option<Sight> {
    const MAX: usize = 400;
    let own = world.tasks.get(task)?.nsproxy.mnt;
    let root = world.fs_root_of(task)?;
    let mut things = BTreeMap::new();
    let mine = world.mnt_namespaces.get(own)?.mounts.iter();
    let rest = world.mnt_namespaces.iter().filter(|(id, _)| *id != own).flat_map(|(_, ns)| ns.mounts.iter());
    for id in mine.chain(rest).take(MAX) {
        let Some(mount) = world.vfs.mounts.get(*id) else { continue };
        let fs = world.vfs.supers.get(mount.sb).map_or("?", |sb| sb.kind.name());
        if fs == "rootfs" {
            continue;
        }
        let name = (mount.ns == Some(own)).then(|| world.path_from(world.mount_root(*id), root));
        let name = name.and_then(|(path, reach)| (reach == Reach::Root).then_some(path));
        let ns = mount.ns.map_or(0, |ns| ns.0);
        let outside = format!("{fs} on {} in M{ns}", world.mount_point_text(*id));
        things.insert(u64::from(id.0), thing(outside, name, false));
    }
    Some(Sight { title: "mounts", kind: NsKind::Mnt, instance: own.0, things })
}

/// Every UTS namespace has one host name.
fn names(world: &World, task: TaskId) -> Option<Sight> {
    let own = world.tasks.get(task)?.nsproxy.uts;
    let things = world.uts_namespaces.iter().map(|(id, ns)| {
        let name = (id == own).then(|| ns.nodename.clone());
        (u64::from(id.0), thing(format!("{} in U{id}", ns.nodename), name, false))
    });
    Some(Sight { title: "host names", kind: NsKind::Uts, instance: own.0, things: things.collect() })
}

/// A network device is in one network namespace.
fn devices(world: &World, task: TaskId) -> Option<Sight> {
    let own = world.tasks.get(task)?.nsproxy.net;
    let things = world.net_namespaces.ids().flat_map(|id| {
        world.devices_of(id).map(move |(_, device)| {
            let addresses: Vec<String> = device.addresses.iter().map(|a| a.local.to_string()).collect();
            let outside = format!("{} {} in N{id}", device.name, addresses.join(" ")).replace("  ", " ");
            let key = u64::from(id.0) << 32 | u64::from(device.ifindex);
            (key, thing(outside, (id == own).then(|| device.name.clone()), false))
        })
    });
    Some(Sight { title: "network devices", kind: NsKind::Net, instance: own.0, things: things.collect() })
}

/// System V objects are in one IPC namespace.
fn ipc(world: &World, task: TaskId) -> Option<Sight> {
    let own = world.tasks.get(task)?.nsproxy.ipc;
    let mut things = BTreeMap::new();
    for (ns, ipc) in world.ipc_namespaces.iter() {
        let msg = ipc.msg.iter().map(|q| ("queue", q.perm.id, q.perm.key));
        let sem = ipc.sem.iter().map(|s| ("semaphores", s.perm.id, s.perm.key));
        let shm = ipc.shm.iter().map(|s| ("segment", s.perm.id, s.perm.key));
        for (nth, (what, id, key)) in msg.chain(sem).chain(shm).enumerate() {
            let name = (ns == own).then(|| format!("key {key:#010x}, id {id}"));
            things.insert(u64::from(ns.0) << 32 | nth as u64, thing(format!("{what} {id} in I{ns}"), name, false));
        }
    }
    Some(Sight { title: "System V objects", kind: NsKind::Ipc, instance: own.0, things })
}

/// Control groups have a path below the root of the own cgroup namespace; others are `/..` and more.
fn groups(world: &World, task: TaskId) -> Option<Sight> {
    const MAX: usize = 300;
    let own = world.tasks.get(task)?.nsproxy.cgroup;
    let mut things = BTreeMap::new();
    for (id, hierarchy) in world.cgroups.hierarchies.iter() {
        let groups = world.cgroup_subtree(hierarchy.root);
        // A hierarchy without groups has nothing to hide, unless it is the default one.
        if groups.len() < 2 && !things.is_empty() {
            continue;
        }
        let label = world.hierarchy_label(id);
        let label = if label.is_empty() { "v2" } else { &label };
        let mine = world.cgroup_of(task, id);
        for group in groups.into_iter().take(MAX) {
            let path = world.cgroup_path_in(group, own);
            let name = (!path.starts_with("/..")).then_some(path);
            let outside = format!("{} of {label}", world.cgroup_path(group));
            things.insert(u64::from(group.0), thing(outside, name, group == mine));
        }
    }
    Some(Sight { title: "control groups", kind: NsKind::Cgroup, instance: own.0, things })
}

/// Users go by the id that the own user namespace maps them to.
fn users(world: &World, task: TaskId) -> Option<Sight> {
    let cred = &world.tasks.get(task)?.cred;
    let ns = world.user_namespaces.get(cred.user_ns)?;
    let mut ids: BTreeSet<u32> = [0, 1000, 1001, 65534].into();
    ids.extend(world.processes.iter().filter_map(|(_, p)| world.tasks.get(p.leader)).map(|t| t.cred.euid.0));
    ids.extend(world.user_namespaces.iter().flat_map(|(_, n)| &n.uid_map.extents).take(64).map(|e| e.lower_first));
    let things = ids.into_iter().map(|id| {
        let name = ns.uid_map.from_kernel(id).map(|inside| inside.to_string());
        let outside = match id {
            0 => "root, 0".to_owned(),
            1000 => "student, 1000".to_owned(),
            1001 => "guest, 1001".to_owned(),
            OVERFLOW_ID => format!("nobody, {OVERFLOW_ID}"),
            id => id.to_string(),
        };
        (u64::from(id), thing(outside, name, id == cred.euid.0))
    });
    Some(Sight { title: "users", kind: NsKind::User, instance: cred.user_ns.0, things: things.collect() })
}
