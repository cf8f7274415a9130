//! Namespaces as facts.

use kernel_model::namespace::NsRef;
use kernel_model::namespace::user::IdMap;
use kernel_model::task::TaskState;
use kernel_model::world::World;

use super::record::{Field, Record};
use super::value::{Value, list, map};

pub(super) fn namespaces(world: &World) -> impl Iterator<Item = Record<'_, NsRef>> {
    let flat = (world.pid_namespaces.ids().map(NsRef::Pid))
        .chain(world.user_namespaces.ids().map(NsRef::User))
        .chain(world.mnt_namespaces.ids().map(NsRef::Mnt))
        .chain(world.uts_namespaces.ids().map(NsRef::Uts))
        .chain(world.ipc_namespaces.ids().map(NsRef::Ipc))
        .chain(world.net_namespaces.ids().map(NsRef::Net))
        .chain(world.cgroup_namespaces.ids().map(NsRef::Cgroup))
        .chain(world.time_namespaces.ids().map(NsRef::Time));
    let mut all: Vec<NsRef> = flat.collect();
    all.sort_by_key(|ns| inum(world, *ns));
    all.into_iter().map(|thing| Record { world, thing, fields: FIELDS })
}

/// What can be asked of a namespace.
const FIELDS: &[Field<NsRef>] = &[
    ("inum", |world, ns| inum(world, ns).into()),
    ("kind", |_, ns| ns.kind().name().into()),
    ("owner", |world, ns| world.ns_common(ns).map_or(0, |common| inum(world, NsRef::User(common.owner))).into()),
    ("parent", |world, ns| parent(world, ns).map_or(Value::Null, |parent| inum(world, parent).into())),
    ("level", |world, ns| level(world, ns).into()),
    ("tasks", members),
    ("hostname", hostname),
    ("uid_map", |world, ns| id_map(world, ns, |user| &user.uid_map)),
    ("gid_map", |world, ns| id_map(world, ns, |user| &user.gid_map)),
    ("setgroups", setgroups),
    ("forwarding", forwarding),
    ("ipc_objects", ipc_objects),
];

fn parent(world: &World, ns: NsRef) -> Option<NsRef> {
    match ns {
        NsRef::Pid(id) => world.pid_namespaces.get(id)?.parent.map(NsRef::Pid),
        NsRef::User(id) => world.user_namespaces.get(id)?.parent.map(NsRef::User),
        _ => None,
    }
}

fn inum(world: &World, ns: NsRef) -> i64 {
    world.ns_common(ns).map_or(0, |common| i64::from(common.inum))
}

/// Who is in it, by the numbers of the machine.
fn members(world: &World, ns: NsRef) -> Value {
    let alive = world.tasks.iter().filter(|(_, t)| !matches!(t.state, TaskState::Dead | TaskState::Zombie));
    let number = |task| super::initial_pid_ns(world).and_then(|ns| world.pid_in(ns, task)).map_or(0, i64::from);
    let inside = alive.filter(|(id, _)| world.namespaces_of(*id).contains(&ns));
    list(inside.map(|(id, _)| Value::Int(number(id))))
}

fn level(world: &World, ns: NsRef) -> i64 {
    match ns {
        NsRef::Pid(id) => world.pid_namespaces.get(id).map_or(0, |n| n.level as i64),
        NsRef::User(id) => world.user_namespaces.get(id).map_or(0, |n| i64::from(n.level)),
        _ => 0,
    }
}

fn hostname(world: &World, ns: NsRef) -> Value {
    match ns {
        NsRef::Uts(id) => world.uts_namespaces.get(id).map_or(Value::Null, |n| n.nodename.as_str().into()),
        _ => Value::Null,
    }
}

fn id_map(world: &World, ns: NsRef, which: fn(&kernel_model::namespace::user::UserNamespace) -> &IdMap) -> Value {
    let NsRef::User(id) = ns else { return Value::Null };
    let Some(n) = world.user_namespaces.get(id) else { return Value::Null };
    list(which(n).extents.iter().map(|e| {
        map([
            ("first", i64::from(e.first).into()),
            ("outside", i64::from(e.lower_first).into()),
            ("count", i64::from(e.count).into()),
        ])
    }))
}

fn setgroups(world: &World, ns: NsRef) -> Value {
    match ns {
        NsRef::User(id) => world.user_namespaces.get(id).map_or(Value::Null, |n| n.setgroups_allowed.into()),
        _ => Value::Null,
    }
}

fn forwarding(world: &World, ns: NsRef) -> Value {
    match ns {
        NsRef::Net(id) => world.forwards(id).into(),
        _ => Value::Null,
    }
}

fn ipc_objects(world: &World, ns: NsRef) -> Value {
    match ns {
        NsRef::Ipc(id) => world
            .ipc_namespaces
            .get(id)
            .map_or(Value::Null, |n| ((n.msg.in_use() + n.sem.in_use() + n.shm.in_use()) as i64).into()),
        _ => Value::Null,
    }
}
