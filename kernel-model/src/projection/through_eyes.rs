//! The world through a process' eyes: everything that there is, and by which name the process can reach each
//! thing, if at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Change;
use super::changes::name_of;
use crate::namespace::NsKind;
use crate::namespace::user::OVERFLOW_ID;
use crate::table::Id;
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
        let was = if before.tasks.get(task).is_some_and(|t| !t.state.has_exited()) { before } else { after };
        let touched = Touched::between(before, after);
        let sections = SECTIONS.iter().filter_map(|of| {
            let mut picker = Picker { touched: Some(&touched), ..Picker::default() };
            let new = of(after, task, &mut picker)?;
            let mut again = Picker { only: Some(new.things.keys().copied().collect()), ..Picker::default() };
            let old = of(was, task, &mut again).map(|sight| sight.things).unwrap_or_default();
            Some(section(new, &old, picker.seen, picker.all))
        });
        let sections = sections.collect();
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

/// A section: what there is of one sort, as far as the picker wants it.
type SightOf = fn(&World, TaskId, &mut Picker<'_>) -> Option<Sight>;

/// All sections in the order in which they are shown.
const SECTIONS: [SightOf; 7] = [processes, mounts, names, devices, ipc, groups, users];

/// What the step has touched, by kind.
struct Touched {
    processes: BTreeSet<u32>,
    uts: BTreeSet<u32>,
    net: BTreeSet<u32>,
    ipc: BTreeSet<u32>,
}

impl Touched {
    fn between(before: &World, after: &World) -> Touched {
        fn numbers<K: Id>(ids: Vec<K>) -> BTreeSet<u32> {
            ids.into_iter().map(K::number).collect()
        }
        let mut processes = numbers(after.processes.changed_since(&before.processes));
        let tasks = after.tasks.changed_since(&before.tasks);
        processes.extend(tasks.iter().filter_map(|task| after.tasks.get(*task)).map(|task| task.process.0));
        Touched {
            processes,
            uts: numbers(after.uts_namespaces.changed_since(&before.uts_namespaces)),
            net: numbers(after.net_namespaces.changed_since(&before.net_namespaces)),
            ipc: numbers(after.ipc_namespaces.changed_since(&before.ipc_namespaces)),
        }
    }
}

/// Counts what there is and says what of it is to be described: of ten thousand things a few are listed.
#[derive(Default)]
struct Picker<'a> {
    /// Only these, to be compared with.
    only: Option<BTreeSet<u64>>,
    touched: Option<&'a Touched>,
    seen: usize,
    all: usize,
}

impl Picker<'_> {
    /// Whether a thing that comes next in order is to be described. What is `touched` or `own` always is.
    fn wants(&mut self, key: u64, named: bool, own: bool, touched: impl Fn(&Touched) -> bool) -> bool {
        self.all += 1;
        self.seen += usize::from(named);
        if let Some(only) = &self.only {
            return only.contains(&key);
        }
        let early = if named { self.seen <= MAX_SEEN } else { self.all - self.seen <= MAX_UNSEEN };
        early || own || self.touched.is_some_and(touched)
    }
}

fn thing(outside: impl Into<String>, name: Option<String>, own: bool) -> Thing {
    Thing { outside: outside.into(), name, own, change: Change::Same }
}

fn section(new: Sight, old: &BTreeMap<u64, Thing>, seen: usize, all: usize) -> Section {
    let mut things: Vec<Thing> = new
        .things
        .into_iter()
        .map(|(key, thing)| {
            let change = match old.get(&key) {
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
fn processes(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
    let ns = world.pids.get(world.tasks.get(task)?.pid)?.ns();
    let own = world.tasks.get(task)?.process;
    let is_first = world.pid_namespaces.get(ns)?.parent.is_none();
    let mut things = BTreeMap::new();
    for (id, process) in world.processes.iter() {
        // Nobody is outside the first one.
        let named = is_first || world.pid_in(ns, process.leader).is_some();
        let key = u64::from(id.0);
        if !picker.wants(key, named, id == own, |touched| touched.processes.contains(&id.0)) {
            continue;
        }
        let number = world.pid_in(ns, process.leader);
        let comm = world.tasks.get(process.leader).map_or("", |t| t.comm.as_str());
        let outside = world
            .tasks
            .get(process.leader)
            .and_then(|t| world.pids.get(t.pid))
            .and_then(|p| p.numbers.first())
            .map_or_else(|| comm.to_owned(), |(_, nr)| format!("{comm} {nr}"));
        things.insert(key, thing(outside, number.map(|nr| nr.to_string()), id == own));
    }
    Some(Sight { title: "processes", kind: NsKind::Pid, instance: ns.0, things })
}

/// Mounts are seen in the own mount namespace, and there below the root directory.
fn mounts(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
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
        let key = u64::from(id.0);
        if picker.wants(key, name.is_some(), false, |_| true) {
            things.insert(key, thing(outside, name, false));
        }
    }
    Some(Sight { title: "mounts", kind: NsKind::Mnt, instance: own.0, things })
}

/// Every UTS namespace has one host name.
fn names(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
    let own = world.tasks.get(task)?.nsproxy.uts;
    let mut things = BTreeMap::new();
    for (id, ns) in world.uts_namespaces.iter() {
        let key = u64::from(id.0);
        if picker.wants(key, id == own, false, |touched| touched.uts.contains(&id.0)) {
            let name = (id == own).then(|| ns.nodename.clone());
            things.insert(key, thing(format!("{} in U{id}", ns.nodename), name, false));
        }
    }
    Some(Sight { title: "host names", kind: NsKind::Uts, instance: own.0, things })
}

/// A network device is in one network namespace.
fn devices(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
    let own = world.tasks.get(task)?.nsproxy.net;
    let mut things = BTreeMap::new();
    for id in world.net_namespaces.ids() {
        for (_, device) in world.devices_of(id) {
            let key = u64::from(id.0) << 32 | u64::from(device.ifindex);
            if !picker.wants(key, id == own, false, |touched| touched.net.contains(&id.0)) {
                continue;
            }
            let addresses: Vec<String> = device.addresses.iter().map(|a| a.local.to_string()).collect();
            let outside = format!("{} {} in N{id}", device.name, addresses.join(" ")).replace("  ", " ");
            things.insert(key, thing(outside, (id == own).then(|| device.name.clone()), false));
        }
    }
    Some(Sight { title: "network devices", kind: NsKind::Net, instance: own.0, things })
}

/// System V objects are in one IPC namespace.
fn ipc(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
    let own = world.tasks.get(task)?.nsproxy.ipc;
    let mut things = BTreeMap::new();
    for (ns, ipc) in world.ipc_namespaces.iter() {
        let msg = ipc.msg.iter().map(|q| ("queue", q.perm.id, q.perm.key));
        let sem = ipc.sem.iter().map(|s| ("semaphores", s.perm.id, s.perm.key));
        let shm = ipc.shm.iter().map(|s| ("segment", s.perm.id, s.perm.key));
        for (nth, (what, id, key)) in msg.chain(sem).chain(shm).enumerate() {
            let place = u64::from(ns.0) << 32 | nth as u64;
            if picker.wants(place, ns == own, false, |touched| touched.ipc.contains(&ns.0)) {
                let name = (ns == own).then(|| format!("key {key:#010x}, id {id}"));
                things.insert(place, thing(format!("{what} {id} in I{ns}"), name, false));
            }
        }
    }
    Some(Sight { title: "System V objects", kind: NsKind::Ipc, instance: own.0, things })
}

/// Control groups have a path below the root of the own cgroup namespace; others are `/..` and more.
fn groups(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
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
            let key = u64::from(group.0);
            if picker.wants(key, name.is_some(), group == mine, |_| true) {
                things.insert(key, thing(outside, name, group == mine));
            }
        }
    }
    Some(Sight { title: "control groups", kind: NsKind::Cgroup, instance: own.0, things })
}

/// Users go by the id that the own user namespace maps them to.
fn users(world: &World, task: TaskId, picker: &mut Picker<'_>) -> Option<Sight> {
    let cred = &world.tasks.get(task)?.cred;
    let ns = world.user_namespaces.get(cred.user_ns)?;
    let mut ids: BTreeSet<u32> = [0, 1000, 1001, 65534].into();
    match &picker.only {
        Some(only) => ids.extend(only.iter().map(|id| *id as u32)),
        None => ids.extend(user_ids(world)),
    }
    let mut things = BTreeMap::new();
    for id in ids {
        let name = ns.uid_map.from_kernel(id).map(|inside| inside.to_string());
        let outside = match id {
            0 => "root, 0".to_owned(),
            1000 => "student, 1000".to_owned(),
            1001 => "guest, 1001".to_owned(),
            OVERFLOW_ID => format!("nobody, {OVERFLOW_ID}"),
            id => id.to_string(),
        };
        if picker.wants(u64::from(id), name.is_some(), id == cred.euid.0, |_| true) {
            things.insert(u64::from(id), thing(outside, name, id == cred.euid.0));
        }
    }
    Some(Sight { title: "users", kind: NsKind::User, instance: cred.user_ns.0, things })
}

/// Users of processes, and those to whom users of a namespace are mapped.
fn user_ids(world: &World) -> BTreeSet<u32> {
    let leaders = world.processes.iter().filter_map(|(_, p)| world.tasks.get(p.leader));
    let mut ids: BTreeSet<u32> = leaders.map(|task| task.cred.euid.0).collect();
    ids.extend(world.user_namespaces.iter().flat_map(|(_, n)| &n.uid_map.extents).take(64).map(|e| e.lower_first));
    ids
}
