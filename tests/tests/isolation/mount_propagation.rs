//! No mount propagates out of a private tree, nor into it; a slave receives and does not send.
//!
//! The world: a root process in the first mount namespace, where everything is shared, and one in a copy of it, whose
//! tree was made private, slave, or left as it is. Both mount, bind, move, unmount and change propagation below
//! `/mnt`, in any order.

use kernel_model::namespace::CLONE_NEWNS;
use kernel_model::namespace::mnt::MntNsId;
use kernel_model::syscall::{CallResult, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::world::World;
use stateright::Property;

use super::bounded::{self, Bounded, INIT, Move, Stage, State, Step, call, mount, umount};

const MS_BIND: i64 = 4096;
const MS_MOVE: i64 = 8192;
const MS_REC: i64 = 16384;
const MS_UNBINDABLE: i64 = 1 << 17;
const MS_PRIVATE: i64 = 1 << 18;
const MS_SLAVE: i64 = 1 << 19;
const MS_SHARED: i64 = 1 << 20;
const MNT_DETACH: i64 = 2;
/// The first mount namespace.
const OUTSIDE: MntNsId = MntNsId(1);

const OUT: &str = "what was done inside changed the mounts outside";
const IN: &str = "what was done outside changed the mounts inside";
const INSIDE: &str = "mounts inside changed from inside";
const NOTHING_OUT: &str = "nothing propagates out";
const NOTHING_IN: &str = "nothing propagates in";

/// The task outside is the first that is made here, the one inside the second.
fn start(propagation: i64) -> World {
    let mut stage = Stage::boot(false);
    let outside = stage.child(INIT, 0);
    stage.must_make(outside, mount("lab", "/mnt", "tmpfs", 0));
    for directory in ["/mnt/a", "/mnt/b"] {
        stage.must(outside, Sysno::MKDIR, vec![Value::str(directory), Value::Int(0o755)]);
    }
    let inside = stage.child(outside, CLONE_NEWNS);
    if propagation != 0 {
        stage.must_make(inside, mount("", "/", "", MS_REC | propagation));
    }
    stage.settle();
    stage.running.world
}

fn is_outside(world: &World, task: TaskId) -> bool {
    world.tasks[task].nsproxy.mnt == OUTSIDE
}

fn moves(world: &World) -> Vec<Move> {
    let mut steps = vec![
        mount("lab", "/mnt/a", "tmpfs", 0),
        mount("lab", "/mnt/b", "tmpfs", 0),
        mount("/mnt/a", "/mnt/b", "", MS_BIND),
        mount("/mnt", "/mnt/b", "", MS_BIND | MS_REC),
        mount("/mnt/a", "/mnt/b", "", MS_MOVE),
        umount("/mnt/a", 0),
        umount("/mnt/b", 0),
        umount("/mnt", MNT_DETACH),
        call(Sysno::UNSHARE, &[CLONE_NEWNS as i64]),
    ];
    for propagation in [MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE] {
        steps.push(mount("", "/mnt", "", MS_REC | propagation));
        steps.push(mount("", "/mnt/a", "", propagation));
    }
    let unshares = call(Sysno::UNSHARE, &[CLONE_NEWNS as i64]);
    let first = bounded::first_made(world);
    let actors: Vec<TaskId> = world.tasks.ids().filter(|t| *t >= first).collect();
    let all = actors.iter().flat_map(|by| steps.iter().map(|step| Move { by: *by, step: step.clone() }));
    // Whoever is outside stays there: they are what is protected.
    all.filter(|m| !(m.step == unshares && is_outside(world, m.by))).collect()
}

/// What is mounted where, outside or in all other namespaces, apart from how it propagates.
fn table(world: &World, outside: bool) -> Vec<impl PartialEq + use<>> {
    let mounts = world.vfs.mounts.iter().filter(|(_, m)| m.ns.is_some_and(|ns| (ns == OUTSIDE) == outside));
    mounts.map(|(id, m)| (id, m.place, m.sb, m.root, m.flags)).collect()
}

fn judge(before: &World, made: &Move, _: Option<&CallResult>, after: &World) -> Vec<&'static str> {
    let outside_changed = table(before, true) != table(after, true);
    let inside_changed = table(before, false) != table(after, false);
    let copied = matches!(made.step, Step::Call(Sysno::UNSHARE, _));
    match (is_outside(before, made.by), outside_changed, inside_changed) {
        (true, _, true) => vec![IN],
        (false, true, _) => vec![OUT],
        (false, false, true) if !copied => vec![INSIDE],
        _ => Vec::new(),
    }
}

fn essence(world: &World) -> Vec<u8> {
    [bounded::tasks(world), bounded::user_namespaces_and_files(world), bounded::mounts(world)].concat()
}

fn model(propagation: i64, calls: usize) -> Bounded {
    let properties = || {
        vec![
            Property::always(NOTHING_OUT, |_, s: &State| !s.findings.contains(OUT)),
            Property::always(NOTHING_IN, |_, s: &State| !s.findings.contains(IN)),
            Property::always("the mounts are in order", |_, s: &State| bounded::is_in_order(&s.world)),
            Property::sometimes(INSIDE, |_, s: &State| s.findings.contains(INSIDE)),
        ]
    };
    Bounded { name: "mount propagation", start: start(propagation), calls, moves, judge, essence, properties }
}

#[test]
fn a_private_tree_lets_nothing_out_and_nothing_in() {
    model(MS_PRIVATE, 3).explore().expect(1500, &[INSIDE]);
}

#[test]
fn a_slave_tree_lets_nothing_out() {
    model(MS_SLAVE, 3).explore().expect(1500, &[INSIDE, NOTHING_IN]);
}

#[test]
fn a_copy_that_stays_shared_lets_mounts_out() {
    model(0, 1).explore().expect(10, &[NOTHING_IN, NOTHING_OUT]);
}
