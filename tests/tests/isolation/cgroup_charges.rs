//! What a control group is charged is what its processes and its children hold, at any moment.
//!
//! The world: version 2 with the controllers pids and memory; groups `/a`, `/a/x` and `/b`; one process in `/a/x`, one
//! in `/b`, and an administrator outside. The processes fork, map and unmap memory, exit, kill and wait; the
//! administrator moves them, sets limits, switches controllers off and on and removes groups. What is held is
//! counted from scratch in every state.

use std::collections::BTreeMap;

use kernel_model::cgroup::CgroupId;
use kernel_model::cgroup::controller::ControllerId;
use kernel_model::mm::MemcgId;
use kernel_model::syscall::{CallResult, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::world::World;
use stateright::Property;

use super::bounded::{self, Bounded, INIT, Move, Stage, State, Step, bytes, call, clone, is_alive, rows};

const SIGKILL: i64 = 9;
const WNOHANG: i64 = 1;
const ROOT: &str = "/sys/fs/cgroup";
/// Where memory is mapped.
const ADDRESS: i64 = 0x1000_0000;
/// How much: eight pages.
const LENGTH: i64 = 8 * 4096;
/// Living processes besides the administrator at most.
const PROCESSES: usize = 3;

const PIDS_ARE_COUNTED: &str = "pids.current is the number of tasks in the group and below";
const PAGES_ARE_COUNTED: &str = "memory.current is what names the group and what its children are charged";
const IN_ORDER: &str = "the invariants of the world hold";
const REFUSED: &str = "a fork was refused at a limit";
const STAYED: &str = "a charge stayed in a group that its process has left";

fn start() -> World {
    let mut stage = Stage::boot(true);
    let admin = stage.child(INIT, 0);
    let write = |path: &str, text: &str| Step::Write(format!("{ROOT}{path}"), text.to_owned());
    for directory in ["/a", "/a/x", "/b"] {
        stage.must(admin, Sysno::MKDIR, vec![Value::str(format!("{ROOT}{directory}")), Value::Int(0o755)]);
    }
    stage.must_make(admin, write("/cgroup.subtree_control", "+pids +memory"));
    stage.must_make(admin, write("/a/cgroup.subtree_control", "+pids +memory"));
    for group in ["/a/x", "/b"] {
        let task = stage.child(admin, 0);
        let pid = stage.running.world.own_pid(task);
        stage.must_make(admin, write(&format!("{group}/cgroup.procs"), &pid.to_string()));
    }
    stage.settle();
    stage.running.world
}

/// The administrator, and the living processes that were made below.
fn actors(world: &World) -> (TaskId, Vec<TaskId>) {
    let admin = bounded::first_made(world);
    (admin, world.tasks.ids().filter(|t| *t > admin && is_alive(world, *t)).collect())
}

fn moves(world: &World) -> Vec<Move> {
    let (admin, processes) = actors(world);
    const READ_WRITE: i64 = 3;
    const PRIVATE_ANONYMOUS_FIXED_POPULATE: i64 = 0x8032;
    let pids: Vec<i64> = processes.iter().map(|t| i64::from(world.own_pid(*t))).collect();
    let mut steps = vec![
        call(Sysno::MMAP, &[ADDRESS, LENGTH, READ_WRITE, PRIVATE_ANONYMOUS_FIXED_POPULATE, -1, 0]),
        call(Sysno::MUNMAP, &[ADDRESS, LENGTH / 2]),
        call(Sysno::EXIT_GROUP, &[0]),
        call(Sysno::WAIT4, &[-1, 0, WNOHANG, 0]),
    ];
    if processes.len() < PROCESSES {
        steps.push(clone(0));
    }
    let write = |path: &str, text: String| Step::Write(format!("{ROOT}{path}"), text);
    let mut admin_steps = vec![
        write("/a/cgroup.subtree_control", "-pids".to_owned()),
        write("/a/cgroup.subtree_control", "-memory".to_owned()),
        write("/a/cgroup.subtree_control", "+pids +memory".to_owned()),
        write("/a/pids.max", "1".to_owned()),
        write("/b/memory.max", "0".to_owned()),
        write("/a/cgroup.kill", "1".to_owned()),
        call(Sysno::WAIT4, &[-1, 0, WNOHANG, 0]),
    ];
    for group in ["/a/x", "/b"] {
        admin_steps.push(Step::Call(Sysno::RMDIR, vec![Value::str(format!("{ROOT}{group}"))]));
    }
    for pid in &pids {
        admin_steps.push(call(Sysno::KILL, &[*pid, SIGKILL]));
        for group in ["/a", "/a/x", "/b", ""] {
            admin_steps.push(write(&format!("{group}/cgroup.procs"), pid.to_string()));
        }
    }
    let by_processes = processes.iter().flat_map(|by| steps.iter().map(|step| Move { by: *by, step: step.clone() }));
    by_processes.chain(admin_steps.into_iter().map(|step| Move { by: admin, step })).collect()
}

fn judge(before: &World, made: &Move, result: Option<&CallResult>, _: &World) -> Vec<&'static str> {
    let forks = matches!(&made.step, Step::Call(Sysno::CLONE, _));
    let mut findings = Vec::new();
    if forks && matches!(result, Some(Err(_))) && is_alive(before, made.by) {
        findings.push(REFUSED);
    }
    findings
}

/// Every task that has a number counts, a zombie too, in each group at and above its own where pids works.
fn pids_are_counted(world: &World) -> bool {
    let mut counted: BTreeMap<CgroupId, u64> = BTreeMap::new();
    for (task, _) in world.tasks.iter().filter(|(id, t)| world.pids.get(t.pid).is_some_and(|p| p.task == Some(*id))) {
        let group = world.css_of(task, ControllerId::Pids);
        for g in world.css_ancestors(group, ControllerId::Pids) {
            *counted.entry(g).or_default() += 1;
        }
    }
    world.cgroups.groups.iter().all(|(id, g)| match &g.css.pids {
        Some(pids) if g.parent.is_some() => pids.current == counted.get(&id).copied().unwrap_or(0),
        _ => true,
    })
}

/// The sum over anonymous runs, page tables and the kernel's own structures is checked by the world itself; here the
/// anonymous part is counted from the side of the processes, and sums over children from below.
fn pages_are_counted(world: &World) -> bool {
    let mut anonymous: BTreeMap<MemcgId, u64> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for (_, space) in world.mm.spaces.iter() {
        for segment in space.anon.values() {
            let run = &world.mm.anon[segment.run];
            // Pages that are shared since a fork are charged once, to whoever touched them first.
            for page in segment.offset..segment.offset + segment.pages {
                if seen.insert((segment.run, page)) {
                    *anonymous.entry(run.memcg).or_default() += 1;
                }
            }
        }
    }
    const ANON: usize = kernel_model::mm::memcg::Charge::Anon as usize;
    world.mm.memcgs.iter().all(|(id, group)| {
        let below: u64 = world.mm.memcgs.iter().filter(|(_, m)| m.parent == Some(id)).map(|(_, m)| m.usage).sum();
        let own: u64 = group.own.iter().sum();
        group.own[ANON] == anonymous.get(&id).copied().unwrap_or(0) && group.usage == own + below
    })
}

/// Whether pages are charged to a group with no process in it or below.
fn charge_stayed(world: &World) -> bool {
    world.mm.memcgs.iter().any(|(_, m)| {
        let left = m.cgroup.is_some_and(|g| world.cgroups.groups.get(g).is_none_or(|g| !g.is_populated()));
        left && m.usage > 0
    })
}

fn essence(world: &World) -> Vec<u8> {
    let mut all = bounded::tasks(world);
    for (id, g) in world.cgroups.groups.iter() {
        let pids = g.css.pids.as_ref().map(|p| (p.current, p.max));
        let place = (id, &g.name, g.parent, g.dying, g.released);
        all.extend(bytes(&(place, g.tasks_below, g.subtree_control, pids, g.css.memory)));
    }
    for (id, m) in world.mm.memcgs.iter() {
        all.extend(bytes(&(id, m.parent, m.online, m.usage, m.max, m.own)));
    }
    for (id, set) in world.cgroups.css_sets.iter() {
        all.extend(bytes(&(id, &set.groups)));
    }
    for (id, space) in world.mm.spaces.iter() {
        all.extend(bytes(&(id, &space.anon, &space.vmas)));
    }
    all.extend(bytes(&(rows(&world.mm.anon), rows(&world.vfs.fd_tables))));
    all
}

fn model(start: World, calls: usize) -> Bounded {
    let properties = || {
        vec![
            Property::always(PIDS_ARE_COUNTED, |_, s: &State| pids_are_counted(&s.world)),
            Property::always(PAGES_ARE_COUNTED, |_, s: &State| pages_are_counted(&s.world)),
            Property::always(IN_ORDER, |_, s: &State| bounded::is_in_order(&s.world)),
            Property::sometimes(REFUSED, |_, s: &State| s.findings.contains(REFUSED)),
            Property::sometimes(STAYED, |_, s: &State| charge_stayed(&s.world)),
        ]
    };
    Bounded { name: "cgroup charges", start, calls, moves, judge, essence, properties }
}

#[test]
fn charges_are_what_processes_and_children_hold() {
    model(start(), 3).explore().expect(900, &[STAYED, REFUSED]);
}

/// A count that is off by one somewhere is noticed.
#[test]
fn a_wrong_count_is_found() {
    let mut world = start();
    let group = world.cgroups.groups.iter().find(|(_, g)| g.name == "x").map(|(id, _)| id).expect("/a/x");
    world.cgroups.groups[group].css.pids.as_mut().expect("pids in /a/x").current += 1;
    model(world, 1).explore().expect(1, &[PIDS_ARE_COUNTED, IN_ORDER, STAYED]);
}
