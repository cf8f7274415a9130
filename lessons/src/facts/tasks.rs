//! Tasks as facts.

use kernel_model::namespace::NsKind;
use kernel_model::security::capability::CapSet;
use kernel_model::task::{Task, TaskId, TaskState};
use kernel_model::world::World;

use super::value::{Value, list, map, map_of, texts};

pub(super) fn tasks(world: &World) -> Value {
    list(world.tasks.iter().filter(|(_, t)| t.state != TaskState::Dead).map(|(id, task)| facts(world, id, task)))
}

pub(super) fn init(world: &World) -> Value {
    world.tasks.get(TaskId(1)).map_or(Value::Null, |task| facts(world, TaskId(1), task))
}

fn facts(world: &World, id: TaskId, task: &Task) -> Value {
    let numbers: Vec<i64> =
        world.pids.get(task.pid).map(|p| p.numbers.iter().map(|(_, nr)| i64::from(*nr)).collect()).unwrap_or_default();
    let cred = &task.cred;
    let user_ns = world.user_namespaces.get(cred.user_ns);
    let inside = |id: u32, of: fn(&kernel_model::namespace::user::UserNamespace, u32) -> u32| {
        user_ns.map_or(id, |ns| of(ns, id))
    };
    let uid =
        |ns: &kernel_model::namespace::user::UserNamespace, id| ns.uid(kernel_model::security::credentials::Kuid(id));
    let gid =
        |ns: &kernel_model::namespace::user::UserNamespace, id| ns.gid(kernel_model::security::credentials::Kgid(id));
    let (root, cwd) = places(world, id);
    let process = &world.processes[task.process];
    let parent = process.parent.and_then(|p| world.processes.get(p)).map(|p| p.leader);
    map([
        ("pid", numbers.first().copied().unwrap_or(0).into()),
        ("own_pid", numbers.last().copied().unwrap_or(0).into()),
        ("pids", Value::from(numbers)),
        (
            "ppid",
            parent
                .and_then(|p| world.tasks.get(p))
                .and_then(|p| world.pids.get(p.pid))
                .and_then(|p| p.numbers.first())
                .map_or(0, |(_, nr)| i64::from(*nr))
                .into(),
        ),
        ("is_thread", (process.leader != id).into()),
        ("comm", task.comm.as_str().into()),
        ("argv", texts(task.user.image.argv.iter().cloned())),
        ("exe", task.user.image.exe.as_str().into()),
        ("state", letter(&task.state).into()),
        ("uid", i64::from(cred.uid.0).into()),
        ("euid", i64::from(cred.euid.0).into()),
        ("gid", i64::from(cred.gid.0).into()),
        ("egid", i64::from(cred.egid.0).into()),
        ("own_uid", i64::from(inside(cred.uid.0, uid)).into()),
        ("own_euid", i64::from(inside(cred.euid.0, uid)).into()),
        ("own_gid", i64::from(inside(cred.gid.0, gid)).into()),
        ("caps", capabilities(cred)),
        ("no_new_privs", task.no_new_privs.into()),
        ("seccomp", task.seccomp.mode().into()),
        ("filters", (task.seccomp.filters().count() as i64).into()),
        ("ns", namespaces(world, id)),
        ("apart", apart(world, id)),
        ("root", root),
        ("cwd", cwd),
        ("cgroups", groups(world, id)),
        ("nice", i64::from(task.nice).into()),
        ("cpu_ms", ((task.cpu_time.0 / 1_000_000) as i64).into()),
        ("oom_score_adj", i64::from(process.oom_score_adj).into()),
        ("console", task.user.image.console.map_or(0, |c| i64::from(c.0)).into()),
    ])
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

/// Root and working directory, told from the root of the machine.
fn places(world: &World, id: TaskId) -> (Value, Value) {
    let from_outside = |path: Option<kernel_model::vfs::path::VfsPath>| {
        let Some(path) = path else { return Value::Null };
        // Up to the end of the tree: what a process with another root calls by a shorter name.
        let nowhere = world.fs_root_of(TaskId(1)).unwrap_or(path);
        Value::from(world.path_from(path, nowhere).0)
    };
    (from_outside(world.fs_root_of(id)), from_outside(world.cwd_of(id)))
}

fn capabilities(cred: &kernel_model::security::credentials::Cred) -> Value {
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
