//! Tasks as facts.

use kernel_model::namespace::NsKind;
use kernel_model::namespace::user::UserNamespace;
use kernel_model::security::capability::CapSet;
use kernel_model::security::credentials::Cred;
use kernel_model::task::{Process, TaskId, TaskState};
use kernel_model::vfs::path::VfsPath;
use kernel_model::world::World;

use super::record::{Field, Record};
use super::value::{Value, map, map_of, texts};

pub(super) fn tasks(world: &World) -> impl Iterator<Item = Record<'_, TaskId>> {
    let unreaped = world.tasks.iter().filter(|(_, task)| task.state != TaskState::Dead);
    unreaped.map(|(thing, _)| Record { world, thing, fields: FIELDS })
}

pub(super) fn init(world: &World) -> Option<Record<'_, TaskId>> {
    world.tasks.contains(TaskId(1)).then_some(Record { world, thing: TaskId(1), fields: FIELDS })
}

/// What can be asked of a task.
const FIELDS: &[Field<TaskId>] = &[
    ("pid", |world, id| numbers(world, id).next().unwrap_or(0).into()),
    ("own_pid", |world, id| numbers(world, id).last().unwrap_or(0).into()),
    ("pids", |world, id| Value::from(numbers(world, id).collect::<Vec<_>>())),
    ("ppid", |world, id| {
        let parent = process(world, id).parent.and_then(|parent| world.processes.get(parent));
        parent.and_then(|parent| numbers(world, parent.leader).next()).unwrap_or(0).into()
    }),
    ("is_thread", |world, id| (process(world, id).leader != id).into()),
    ("comm", |world, id| world.tasks[id].comm.as_str().into()),
    ("argv", |world, id| texts(world.tasks[id].user.image.argv.iter().cloned())),
    ("exe", |world, id| world.tasks[id].user.image.exe.as_str().into()),
    ("state", |world, id| letter(&world.tasks[id].state).into()),
    ("uid", |world, id| i64::from(cred(world, id).uid.0).into()),
    ("euid", |world, id| i64::from(cred(world, id).euid.0).into()),
    ("gid", |world, id| i64::from(cred(world, id).gid.0).into()),
    ("egid", |world, id| i64::from(cred(world, id).egid.0).into()),
    ("own_uid", |world, id| own(world, id, |ns, cred| ns.uid(cred.uid), |cred| cred.uid.0)),
    ("own_euid", |world, id| own(world, id, |ns, cred| ns.uid(cred.euid), |cred| cred.euid.0)),
    ("own_gid", |world, id| own(world, id, |ns, cred| ns.gid(cred.gid), |cred| cred.gid.0)),
    ("caps", |world, id| capabilities(cred(world, id))),
    ("no_new_privs", |world, id| world.tasks[id].no_new_privs.into()),
    ("seccomp", |world, id| world.tasks[id].seccomp.mode().into()),
    ("filters", |world, id| (world.tasks[id].seccomp.filters().count() as i64).into()),
    ("ns", namespaces),
    ("apart", apart),
    ("root", |world, id| from_outside(world, world.fs_root_of(id))),
    ("cwd", |world, id| from_outside(world, world.cwd_of(id))),
    ("cgroups", groups),
    ("nice", |world, id| i64::from(world.tasks[id].nice).into()),
    ("cpu_ms", |world, id| ((world.tasks[id].cpu_time.0 / 1_000_000) as i64).into()),
    ("oom_score_adj", |world, id| i64::from(process(world, id).oom_score_adj).into()),
    ("console", |world, id| world.tasks[id].user.image.console.map_or(0, |console| i64::from(console.0)).into()),
];

fn process(world: &World, id: TaskId) -> &Process {
    &world.processes[world.tasks[id].process]
}

fn cred(world: &World, id: TaskId) -> &Cred {
    &world.tasks[id].cred
}

/// Its numbers, from the first PID namespace inwards.
fn numbers(world: &World, id: TaskId) -> impl Iterator<Item = i64> {
    let pid = world.tasks.get(id).and_then(|task| world.pids.get(task.pid));
    pid.into_iter().flat_map(|pid| pid.numbers.iter().map(|(_, nr)| i64::from(*nr)))
}

/// An id as its user namespace tells it; as the machine does when that is gone.
fn own(world: &World, id: TaskId, inside: fn(&UserNamespace, &Cred) -> u32, outside: fn(&Cred) -> u32) -> Value {
    let cred = cred(world, id);
    let told = world.user_namespaces.get(cred.user_ns).map_or_else(|| outside(cred), |ns| inside(ns, cred));
    i64::from(told).into()
}

fn letter(state: &TaskState) -> &'static str {
    match state {
        TaskState::Runnable => "R",
        TaskState::Sleeping(_) => "S",
        TaskState::Stopped(_) => "T",
        TaskState::Zombie => "Z",
        TaskState::Dead => "X",
    }
}

/// A directory, told from the root of the machine.
fn from_outside(world: &World, path: Option<VfsPath>) -> Value {
    let Some(path) = path else { return Value::Null };
    // Up to the end of the tree: what a process with another root calls by a shorter name.
    let nowhere = world.fs_root_of(TaskId(1)).unwrap_or(path);
    Value::from(world.path_from(path, nowhere).0)
}

fn capabilities(cred: &Cred) -> Value {
    let names = |set: CapSet| texts(set.iter().map(|cap| cap.name()));
    map([
        ("effective", names(cred.effective)),
        ("permitted", names(cred.permitted)),
        ("inheritable", names(cred.inheritable)),
        ("bounding", names(cred.bounding)),
        ("ambient", names(cred.ambient)),
    ])
}

/// Inode numbers of its namespaces, by kind.
fn namespaces(world: &World, id: TaskId) -> Value {
    let numbers = world.namespaces_of(id).map(|ns| (ns.kind().name(), inum(world, ns)));
    map_of(numbers.into_iter().map(|(kind, inum)| (kind, inum.into())))
}

fn inum(world: &World, ns: kernel_model::namespace::NsRef) -> i64 {
    world.ns_common(ns).map_or(0, |common| i64::from(common.inum))
}

/// The kinds of namespaces in which it is not where the first process is.
fn apart(world: &World, id: TaskId) -> Value {
    let first = world.tasks.contains(TaskId(1)).then(|| world.namespaces_of(TaskId(1)));
    let own = world.namespaces_of(id);
    let differs = |kind: &NsKind| {
        let of = |all: &[kernel_model::namespace::NsRef; 8]| all.iter().copied().find(|ns| ns.kind() == *kind);
        first.as_ref().is_none_or(|first| of(first) != of(&own))
    };
    texts(NsKind::ALL.into_iter().filter(differs).map(NsKind::name))
}

/// The paths of its control groups, by controller (or `name=…`); the default hierarchy is `unified`.
fn groups(world: &World, id: TaskId) -> Value {
    let mut paths: Vec<(String, Value)> = Vec::new();
    for (hierarchy, h) in world.cgroups.hierarchies.iter() {
        let path = world.cgroup_path(world.cgroup_of(id, hierarchy));
        for name in super::groups::names(world, hierarchy, h) {
            paths.push((name, path.as_str().into()));
        }
    }
    map_of(paths.iter().map(|(name, path)| (name.as_str(), path.clone())))
}
