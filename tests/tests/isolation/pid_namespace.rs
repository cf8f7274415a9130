//! An unprivileged process in a PID namespace neither names, nor signals, nor sees a process outside it.
//!
//! The world: a root process outside, a process of the student outside (whom the container's processes would be
//! allowed to kill, were they able to name it), and a container of the student with two processes, its own `/proc`
//! and its own session. The container's processes fork, make user, mount and PID namespaces, mount, unmount and
//! kill. In every state each of them then tries everything that names a process.

use std::collections::BTreeSet;

use kernel_model::namespace::pid::{Pid, PidNsId};
use kernel_model::namespace::{CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER};
use kernel_model::syscall::{CallResult, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::world::World;
use stateright::Property;

use super::bounded::{self, Bounded, INIT, Move, Stage, State, Step, call, clone, is_alive, mount, umount};

const SIGKILL: i64 = 9;
const WNOHANG: i64 = 1;
const MNT_DETACH: i64 = 2;
const MS_BIND: i64 = 4096;
const MS_REC: i64 = 16384;
const MS_PRIVATE: i64 = 1 << 18;
/// The first PID namespace.
const OUTSIDE: PidNsId = PidNsId(1);
/// The one of the container.
const CONTAINER: PidNsId = PidNsId(2);
/// Living processes of the container at most.
const PROCESSES: usize = 3;

const REACHED: &str = "a process outside was changed";
const KILLED: &str = "one process of the container killed another";
const NO_REACH: &str = "no process outside is signalled or changed";
const NO_NAME: &str = "no number leads to a process outside";
const NO_SIGHT: &str = "no directory shows a process outside";

/// What the container is surrounded by.
#[derive(Clone, Copy)]
struct Walls {
    own_session: bool,
    own_proc: bool,
}

fn start(walls: Walls) -> World {
    let mut stage = Stage::boot(false);
    let root = stage.child(INIT, 0);
    let neighbour = stage.child(root, 0);
    stage.become_student(neighbour);
    let first = stage.child(root, CLONE_NEWPID | CLONE_NEWNS);
    stage.must_make(first, mount("", "/", "", MS_REC | MS_PRIVATE));
    if walls.own_proc {
        stage.must_make(first, mount("proc", "/proc", "proc", 0));
    }
    if walls.own_session {
        stage.must_make(first, call(Sysno::SETSID, &[]));
    }
    stage.become_student(first);
    stage.child(first, 0);
    stage.settle();
    stage.running.world
}

/// The living processes of the container.
fn inside(world: &World) -> Vec<TaskId> {
    world.tasks.ids().filter(|t| is_alive(world, *t) && world.pid_in(CONTAINER, *t).is_some()).collect()
}

/// Numbers, as the first namespace gives them: those of all processes, also of the container's.
fn outer_numbers(world: &World) -> Vec<i64> {
    world.pid_namespaces[OUTSIDE].numbers.keys().map(|nr| i64::from(*nr)).collect()
}

fn moves(world: &World) -> Vec<Move> {
    let actors = inside(world);
    let mut steps = vec![
        call(Sysno::KILL, &[0, SIGKILL]),
        call(Sysno::KILL, &[-1, SIGKILL]),
        call(Sysno::EXIT_GROUP, &[0]),
        call(Sysno::WAIT4, &[-1, 0, WNOHANG, 0]),
        call(Sysno::SETSID, &[]),
        call(Sysno::UNSHARE, &[CLONE_NEWUSER as i64]),
        call(Sysno::UNSHARE, &[(CLONE_NEWUSER | CLONE_NEWNS) as i64]),
        call(Sysno::UNSHARE, &[CLONE_NEWPID as i64]),
        umount("/proc", MNT_DETACH),
        mount("proc", "/mnt", "proc", 0),
        mount("/", "/mnt", "", MS_BIND),
        mount("/", "/mnt", "", MS_BIND | MS_REC),
        Step::Call(Sysno::CHROOT, vec![Value::str("/mnt")]),
        Step::Join("/proc/1/ns/pid".to_owned()),
        Step::Join("/proc/1/ns/mnt".to_owned()),
    ];
    for nr in [1, 2] {
        steps.push(call(Sysno::KILL, &[nr, SIGKILL]));
    }
    for nr in outer_numbers(world).into_iter().filter(|nr| *nr > 1) {
        steps.push(call(Sysno::KILL, &[nr, SIGKILL]));
        steps.push(call(Sysno::KILL, &[-nr, SIGKILL]));
        steps.push(Step::PidfdKill(nr, SIGKILL));
        steps.push(Step::Join(format!("/proc/{nr}/ns/pid")));
    }
    if actors.len() < PROCESSES {
        steps.push(clone(0));
        steps.push(clone((CLONE_NEWUSER | CLONE_NEWPID) as i64));
    }
    actors.iter().flat_map(|by| steps.iter().map(|step| Move { by: *by, step: step.clone() })).collect()
}

/// What somebody outside could notice of a signal or of another change, except that a child of theirs has died.
fn outsiders(world: &World) -> Vec<impl PartialEq + use<>> {
    const CHLD: u64 = 1 << 16;
    let outside = world.tasks.iter().filter(|(t, _)| world.pid_in(CONTAINER, *t).is_none());
    outside
        .map(|(t, task)| {
            let process = &world.processes[task.process];
            let pending = (task.pending.0 & !CHLD, process.pending.0 & !CHLD);
            (t, task.state.clone(), pending, process.exit_code, process.pgrp, process.session, task.nice)
        })
        .collect()
}

fn judge(before: &World, made: &Move, _: Option<&CallResult>, after: &World) -> Vec<&'static str> {
    let mut findings = Vec::new();
    if outsiders(before) != outsiders(after) {
        findings.push(REACHED);
    }
    if inside(before).iter().any(|t| *t != made.by && !is_alive(after, *t)) {
        findings.push(KILLED);
    }
    findings
}

/// Whether a number that `task` can use or was told belongs to the container.
fn is_number_inside(world: &World, task: TaskId, nr: i64) -> bool {
    let ns = &world.pid_namespaces[world.pid_ns_of(task)];
    let pid = Pid::try_from(nr).ok().and_then(|nr| ns.numbers.get(&nr)).and_then(|pid| world.pids.get(*pid));
    pid.is_some_and(|pid| pid.number_in(CONTAINER).is_some())
}

fn names_nobody_outside(world: &World) -> bool {
    inside(world).into_iter().all(|task| {
        let mut stage = Stage::on(world.clone());
        let mut answers = |step| match stage.make(&Move { by: task, step }) {
            Some(Ok(ret)) => Some(ret.value),
            _ => None,
        };
        // 0 is the kernel's word for "somebody whom you cannot name".
        let told = [call(Sysno::GETPPID, &[]), call(Sysno::GETPGID, &[0]), call(Sysno::GETSID, &[0])];
        let fine = told.into_iter().filter_map(&mut answers).all(|nr| nr == 0 || is_number_inside(world, task, nr));
        fine && (1..=4).chain(outer_numbers(world)).all(|nr| {
            let by_number = [
                call(Sysno::KILL, &[nr, 0]),
                call(Sysno::GETPGID, &[nr]),
                call(Sysno::GETSID, &[nr]),
                call(Sysno::GETPRIORITY, &[0, nr]),
                Step::PidfdKill(nr, 0),
            ];
            is_number_inside(world, task, nr) || by_number.into_iter().all(|step| answers(step).is_none())
        })
    })
}

fn shows_nobody_outside(world: &World) -> bool {
    let known: BTreeSet<Pid> = world
        .pids
        .iter()
        .filter_map(|(_, pid)| {
            let from = pid.numbers.iter().position(|(ns, _)| *ns == CONTAINER)?;
            Some(pid.numbers[from..].iter().map(|(_, nr)| *nr).collect::<Vec<_>>())
        })
        .flatten()
        .collect();
    inside(world).into_iter().all(|task| {
        let mut stage = Stage::on(world.clone());
        ["/proc", "/mnt", "/mnt/proc", "/mnt/mnt"].into_iter().all(|directory| {
            let names = stage.list(task, directory);
            names.iter().filter_map(|name| name.parse::<Pid>().ok()).all(|nr| known.contains(&nr))
        })
    })
}

fn essence(world: &World) -> Vec<u8> {
    [bounded::tasks(world), bounded::user_namespaces_and_files(world), bounded::mounts(world)].concat()
}

fn model(walls: Walls, calls: usize) -> Bounded {
    let properties = || {
        vec![
            Property::always(NO_REACH, |_, s: &State| !s.findings.contains(REACHED)),
            Property::always(NO_NAME, |_, s: &State| names_nobody_outside(&s.world)),
            Property::always(NO_SIGHT, |_, s: &State| shows_nobody_outside(&s.world)),
            Property::sometimes(KILLED, |_, s: &State| s.findings.contains(KILLED)),
        ]
    };
    Bounded { name: "PID namespace", start: start(walls), calls, moves, judge, essence, properties }
}

#[test]
fn no_process_outside_is_named_signalled_or_seen() {
    let report = model(Walls { own_session: true, own_proc: true }, 3).explore();
    report.expect(600, &[KILLED]);
}

/// kill(2) of the own process group does not ask who is in which namespace.
#[test]
fn without_a_session_of_its_own_the_container_kills_its_neighbour() {
    let report = model(Walls { own_session: false, own_proc: true }, 1).explore();
    report.expect(10, &[KILLED, NO_REACH]);
}

#[test]
fn without_a_proc_of_its_own_the_container_sees_everybody() {
    let report = model(Walls { own_session: true, own_proc: false }, 1).explore();
    report.expect(10, &[NO_SIGHT, KILLED]);
}
