//! Namespaces as facts.

use kernel_model::namespace::NsRef;
use kernel_model::namespace::user::IdMap;
use kernel_model::task::TaskState;
use kernel_model::world::World;

use super::value::{Value, list, map};

pub(super) fn namespaces(world: &World) -> Value {
    let w = world;
    let pid = w.pid_namespaces.iter().map(|(id, n)| (NsRef::Pid(id), n.parent.map(NsRef::Pid)));
    let user = w.user_namespaces.iter().map(|(id, n)| (NsRef::User(id), n.parent.map(NsRef::User)));
    let flat = (w.mnt_namespaces.ids().map(NsRef::Mnt))
        .chain(w.uts_namespaces.ids().map(NsRef::Uts))
        .chain(w.ipc_namespaces.ids().map(NsRef::Ipc))
        .chain(w.net_namespaces.ids().map(NsRef::Net))
        .chain(w.cgroup_namespaces.ids().map(NsRef::Cgroup))
        .chain(w.time_namespaces.ids().map(NsRef::Time))
        .map(|ns| (ns, None));
    let mut all: Vec<_> = pid.chain(user).chain(flat).map(|(ns, parent)| (inum(w, ns), ns, parent)).collect();
    all.sort_by_key(|(inum, _, _)| *inum);
    let members = members(world);
    list(all.into_iter().map(|(number, ns, parent)| {
        let owner = world.ns_common(ns).map_or(0, |c| inum(world, NsRef::User(c.owner)));
        let inside = members.iter().filter(|(of, _)| *of == ns).map(|(_, pid)| Value::Int(*pid));
        map([
            ("inum", number.into()),
            ("kind", ns.kind().name().into()),
            ("owner", owner.into()),
            ("parent", parent.map_or(Value::Null, |parent| inum(world, parent).into())),
            ("level", level(world, ns).into()),
            ("tasks", list(inside)),
            ("hostname", hostname(world, ns)),
            ("uid_map", id_map(world, ns, |n| &n.uid_map)),
            ("gid_map", id_map(world, ns, |n| &n.gid_map)),
            ("setgroups", setgroups(world, ns)),
            ("forwarding", forwarding(world, ns)),
            ("ipc_objects", ipc_objects(world, ns)),
        ])
    }))
}

fn inum(world: &World, ns: NsRef) -> i64 {
    world.ns_common(ns).map_or(0, |common| i64::from(common.inum))
}

/// Who is in which namespace, by the numbers of the machine.
fn members(world: &World) -> Vec<(NsRef, i64)> {
    let alive = world.tasks.iter().filter(|(_, t)| !matches!(t.state, TaskState::Dead | TaskState::Zombie));
    let number = |task| super::initial_pid_ns(world).and_then(|ns| world.pid_in(ns, task)).map_or(0, i64::from);
    alive.flat_map(|(id, _)| world.namespaces_of(id).map(|ns| (ns, number(id)))).collect()
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
