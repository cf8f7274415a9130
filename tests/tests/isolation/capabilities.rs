//! Capabilities never grow across the boundary of a user namespace except inward.
//!
//! The world: two processes of the student in the first user namespace, and a user namespace of root's, with a map,
//! that is not theirs. The student's processes make user namespaces, map ids, change ids and capability sets, and
//! join what they can open. What a process holds over a namespace is what the rule of `cap_capable` gives when it
//! uses all that it is permitted. Execve(2) is not among the calls: programs that raise privileges are a door that
//! was left open on purpose, and `no_new_privs` shuts it.

use std::sync::Arc;

use kernel_model::namespace::CLONE_NEWUSER;
use kernel_model::namespace::user::UserNsId;
use kernel_model::security::capability::{Cap, CapSet};
use kernel_model::security::credentials::Cred;
use kernel_model::syscall::{CallResult, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::world::World;
use stateright::Property;

use super::bounded::{self, Bounded, INIT, Move, Stage, State, Step, call, clone, is_alive};

const PR_CAPBSET_DROP: i64 = 24;
const PR_SET_SECUREBITS: i64 = 28;
const KEEP_CAPS: i64 = 16;
const PR_CAP_AMBIENT: i64 = 47;
const PR_CAP_AMBIENT_RAISE: i64 = 2;
/// The first user namespace, and the one that root has made.
const NOT_THEIRS: [UserNsId; 2] = [UserNsId(1), UserNsId(2)];
/// Living processes of the student at most.
const PROCESSES: usize = 3;

const GREW: &str = "capabilities over an own or an outer namespace grew";
const INWARD: &str = "capabilities over an inner namespace grew";
const BOUNDED: &str = "capabilities grow only inward";
const POWERLESS: &str = "nothing is held over namespaces of others";
const ORDERED: &str = "what is effective is permitted, and what is ambient is inheritable, too";

/// Root makes a namespace and enters it, as the student if `theirs`.
fn start(theirs: bool) -> World {
    let mut stage = Stage::boot(false);
    let other = stage.child(INIT, 0);
    let first = stage.child(INIT, 0);
    if theirs {
        stage.become_student(other);
    }
    stage.must_make(other, call(Sysno::UNSHARE, &[CLONE_NEWUSER as i64]));
    stage.become_student(first);
    stage.child(first, 0);
    stage.settle();
    stage.running.world
}

/// The student's living processes: those that began in the first namespace, and their children.
fn students(world: &World) -> Vec<TaskId> {
    let other = bounded::first_made(world);
    world.tasks.ids().filter(|t| *t > other && is_alive(world, *t)).collect()
}

fn capset(effective: CapSet, permitted: CapSet, inheritable: CapSet) -> Step {
    let header = Value::record([("version", Value::Int(0x2008_0522)), ("pid", Value::Int(0))]);
    let set = |s: CapSet| Value::from(s.0);
    let sets = [("effective", set(effective)), ("permitted", set(permitted)), ("inheritable", set(inheritable))];
    Step::Call(Sysno::CAPSET, vec![header, Value::record(sets)])
}

fn moves(world: &World) -> Vec<Move> {
    let actors = students(world);
    let numbers: Vec<i64> = actors.iter().map(|t| i64::from(world.own_pid(*t))).collect();
    let few = CapSet::EMPTY.with(Cap::SETUID).with(Cap::SETPCAP);
    let mut steps = vec![
        call(Sysno::UNSHARE, &[CLONE_NEWUSER as i64]),
        call(Sysno::SETRESUID, &[0, 0, 0]),
        call(Sysno::SETRESUID, &[1000, 1000, 1000]),
        call(Sysno::SETRESUID, &[-1, 1000, 0]),
        call(Sysno::PRCTL, &[PR_CAPBSET_DROP, i64::from(Cap::SYS_ADMIN.0), 0, 0, 0]),
        call(Sysno::PRCTL, &[PR_SET_SECUREBITS, KEEP_CAPS, 0, 0, 0]),
        call(Sysno::PRCTL, &[PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i64::from(Cap::SETUID.0), 0, 0]),
        capset(CapSet::EMPTY, CapSet::FULL, CapSet::EMPTY),
        capset(CapSet::FULL, CapSet::FULL, CapSet::FULL),
        capset(few, few, few),
    ];
    for pid in &numbers {
        for (file, text) in [
            ("uid_map", "0 1000 1"),
            ("uid_map", "0 0 1"),
            ("uid_map", "1000 1000 1"),
            ("uid_map", "0 0 1\n1000 1000 1"),
            ("gid_map", "0 1000 1"),
            ("setgroups", "deny"),
        ] {
            steps.push(Step::Write(format!("/proc/{pid}/{file}"), text.to_owned()));
        }
    }
    for pid in world.pid_namespaces.iter().flat_map(|(_, ns)| ns.numbers.keys()) {
        steps.push(Step::Join(format!("/proc/{pid}/ns/user")));
    }
    if actors.len() < PROCESSES {
        steps.push(clone(0));
        steps.push(clone(CLONE_NEWUSER as i64));
    }
    actors.iter().flat_map(|by| steps.iter().map(|step| Move { by: *by, step: step.clone() })).collect()
}

/// What somebody with these credentials can come to hold over a namespace by using all that it is permitted.
fn power(world: &World, cred: &Cred, over: UserNsId) -> CapSet {
    let risen = Cred { effective: cred.permitted, ..cred.clone() };
    let held = CapSet::FULL.iter().filter(|cap| world.cred_has_cap(&risen, over, *cap));
    held.fold(CapSet::EMPTY, CapSet::with)
}

fn judge(before: &World, made: &Move, _: Option<&CallResult>, after: &World) -> Vec<&'static str> {
    let mut findings = Vec::new();
    for task in students(after) {
        let new = Arc::clone(&after.tasks[task].cred);
        // A child begins with what its parent had.
        let old = &before.tasks.get(task).unwrap_or(&before.tasks[made.by]).cred;
        if **old == *new {
            continue;
        }
        for ns in before.user_namespaces.ids().filter(|ns| after.user_namespaces.contains(*ns)) {
            let grew = !power(after, &new, ns).is_subset(power(before, old, ns));
            let inward = ns != old.user_ns && before.user_ns_is_within(ns, old.user_ns);
            if grew {
                findings.push(if inward { INWARD } else { GREW });
            }
        }
        if !before.user_namespaces.contains(new.user_ns) && power(after, &new, new.user_ns) == CapSet::FULL {
            findings.push(INWARD);
        }
    }
    findings
}

fn is_powerless(world: &World) -> bool {
    students(world)
        .into_iter()
        .all(|t| NOT_THEIRS.into_iter().all(|ns| power(world, &world.tasks[t].cred, ns) == CapSet::EMPTY))
}

fn is_ordered(world: &World) -> bool {
    world.tasks.iter().all(|(_, t)| {
        let c = &t.cred;
        c.effective.is_subset(c.permitted) && c.ambient.is_subset(c.permitted & c.inheritable)
    })
}

fn essence(world: &World) -> Vec<u8> {
    [bounded::tasks(world), bounded::user_namespaces_and_files(world)].concat()
}

fn model(theirs: bool, calls: usize) -> Bounded {
    let properties = || {
        vec![
            Property::always(BOUNDED, |_, s: &State| !s.findings.contains(GREW)),
            Property::always(POWERLESS, |_, s: &State| is_powerless(&s.world)),
            Property::always(ORDERED, |_, s: &State| is_ordered(&s.world)),
            Property::sometimes(INWARD, |_, s: &State| s.findings.contains(INWARD)),
        ]
    };
    Bounded { name: "capabilities", start: start(theirs), calls, moves, judge, essence, properties }
}

#[test]
fn capabilities_grow_only_inward() {
    model(false, 3).explore().expect(450, &[INWARD]);
}

/// The owner of a namespace holds everything over it: the same world, had the student made the other namespace.
#[test]
fn an_owner_holds_everything_over_a_namespace() {
    model(true, 1).explore().expect(10, &[INWARD, POWERLESS]);
}
