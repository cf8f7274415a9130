//! A world as a state machine for the checker: what a state is, how a call leads to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;

use kernel_model::kernel::Trace;
use kernel_model::pv_ops::NoMachine;
use kernel_model::step::Running;
use kernel_model::syscall::{Call, CallResult, Sysno, Value};
use kernel_model::table::{Id, Plain, Table};
use kernel_model::task::TaskId;
use kernel_model::world::{Config, World};
use serde::Serialize;
use stateright::{Checker, Model, Property};

/// Turns that a world may take to come to rest after a call.
const BUDGET: u64 = 20_000;
const AT_FDCWD: i64 = -100;
const SIGCHLD: i64 = 17;
/// The first process of the machine, which does nothing by itself.
pub const INIT: TaskId = TaskId(1);

/// The property that every small world has.
const PANIC: &str = "no call makes the kernel panic";

/// What one process does in one step.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// One system call.
    Call(Sysno, Vec<Value>),
    /// Opens a file, writes a text into it, closes it.
    Write(String, String),
    /// Opens a file, joins the namespace that it stands for, closes it.
    Join(String),
    /// Sends a signal through a pidfd that is opened for it.
    PidfdKill(i64, i64),
}

/// A step and who takes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Move {
    /// The process.
    pub by: TaskId,
    /// The step.
    pub step: Step,
}

/// A world, what was found on the way to it, and a digest of both.
#[derive(Clone)]
pub struct State {
    /// The world, at rest.
    pub world: World,
    /// What happened on the way that must not or that should.
    pub findings: BTreeSet<&'static str>,
    /// How many calls led to it. Not part of what tells states apart: breadth first, the shortest way comes first.
    calls: usize,
    digest: u64,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} {:?}", self.digest, self.findings)
    }
}

/// A world with its moves and properties, to be explored up to a depth.
#[derive(Clone)]
pub struct Bounded {
    /// What it is called in the report.
    pub name: &'static str,
    /// Where every sequence begins.
    pub start: World,
    /// How many calls a sequence has at most.
    pub calls: usize,
    /// What can be done in a world.
    pub moves: fn(&World) -> Vec<Move>,
    /// What a move was, told from the worlds before and after it.
    pub judge: fn(&World, &Move, Option<&CallResult>, &World) -> Vec<&'static str>,
    /// The world as bytes: two worlds that give the same are taken for one.
    pub essence: fn(&World) -> Vec<u8>,
    /// What must hold.
    pub properties: fn() -> Vec<Property<Bounded>>,
}

impl Model for Bounded {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![self.state(self.start.clone(), BTreeSet::new(), 0)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Move>) {
        if state.calls == self.calls {
            return;
        }
        actions.extend((self.moves)(&state.world).into_iter().filter(|m| is_alive(&state.world, m.by)));
    }

    fn next_state(&self, last: &State, made: Move) -> Option<State> {
        let mut findings = last.findings.clone();
        // What a panic leaves half done is a copy, which is dropped.
        let made_it = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let mut stage = Stage::on(last.world.clone());
            let result = stage.make(&made);
            stage.settle();
            (result, stage.running.world)
        }));
        let Ok((result, world)) = made_it else {
            findings.insert(PANIC);
            return Some(self.state(last.world.clone(), findings, self.calls));
        };
        findings.extend((self.judge)(&last.world, &made, result.as_ref(), &world));
        let next = self.state(world, findings, last.calls + 1);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Bounded>> {
        let no_panic = Property::always(PANIC, |_, s: &State| !s.findings.contains(PANIC));
        (self.properties)().into_iter().chain([no_panic]).collect()
    }
}

/// What an exploration found.
pub struct Report {
    /// Different states.
    pub states: usize,
    /// A sequence that leads to each property's example (`sometimes`) or counterexample (`always`).
    pub discoveries: BTreeMap<&'static str, String>,
}

impl Bounded {
    fn state(&self, world: World, findings: BTreeSet<&'static str>, calls: usize) -> State {
        let mut hasher = DefaultHasher::new();
        hasher.write(&(self.essence)(&world));
        findings.hash(&mut hasher);
        State { world, findings, calls, digest: hasher.finish() }
    }

    /// Tries every sequence of calls. One thread, so that the depth of a state is that of the shortest way to it
    /// and the counts are the same in every run.
    pub fn explore(self) -> Report {
        let (name, calls) = (self.name, self.calls);
        let began = std::time::Instant::now();
        let checker = self.checker().threads(1).spawn_bfs().join();
        let states = checker.unique_state_count();
        println!("{name}: {states} states in up to {calls} calls, {:.1} s", began.elapsed().as_secs_f64());
        let discoveries: BTreeMap<&str, String> = checker
            .discoveries()
            .into_iter()
            .map(|(property, path)| (property, path.into_actions().iter().map(|m| format!("\n  {m:?}")).collect()))
            .collect();
        Report { states, discoveries }
    }
}

impl Report {
    /// The model has not shrunk; every property that has an example is one that should.
    #[track_caller]
    pub fn expect(&self, states: usize, discovered: &[&str]) {
        assert!(self.states >= states, "only {} states: the model has shrunk", self.states);
        let found: Vec<&str> = self.discoveries.keys().copied().collect();
        let expected: BTreeSet<&str> = discovered.iter().copied().collect();
        assert_eq!(found, Vec::from_iter(expected), "{:#?}", self.discoveries);
    }
}

/// A world whose processes do what they are told.
pub struct Stage {
    /// The world in motion.
    pub running: Running<NoMachine>,
}

impl Stage {
    /// The standard world, at rest.
    pub fn boot(cgroup_v2: bool) -> Stage {
        let mut stage = Stage::on(World::boot(Config {
            cgroup_v2,
            terminal: false,
            lsm: kernel_model::security::lsm::LsmChoice::None,
            machine: 0,
        }));
        stage.settle();
        stage
    }

    /// A world that is there already.
    pub fn on(world: World) -> Stage {
        Stage { running: Running::new(world, NoMachine) }
    }

    /// Makes a call. `None` when it does not return.
    pub fn call(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> Option<CallResult> {
        if !is_alive(&self.running.world, task) {
            return None;
        }
        self.running.call_as(task, Call { nr, args }, &mut Trace::silent())
    }

    /// Makes a call that must not fail; its result.
    #[track_caller]
    pub fn must(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> i64 {
        match self.call(task, nr, args.clone()) {
            Some(Ok(ret)) => ret.value,
            other => panic!("the world could not be set up: {}{args:?} gave {other:?}", nr.name()),
        }
    }

    /// Makes a child; the new task.
    #[track_caller]
    pub fn child(&mut self, parent: TaskId, flags: u64) -> TaskId {
        let next = TaskId(self.running.world.tasks.next_number());
        let Step::Call(nr, args) = clone(flags as i64) else { unreachable!() };
        self.must(parent, nr, args);
        next
    }

    /// Makes the ordinary user of the standard world out of a root process. As after an exec, `/proc/PID` is theirs.
    #[track_caller]
    pub fn become_student(&mut self, task: TaskId) {
        let id = || Value::Int(1000);
        self.must(task, Sysno::SETGROUPS, vec![Value::Int(0), Value::List(Vec::new())]);
        self.must(task, Sysno::SETRESGID, vec![id(), id(), id()]);
        self.must(task, Sysno::SETRESUID, vec![id(), id(), id()]);
        const PR_SET_DUMPABLE: i64 = 4;
        let zero = || Value::Int(0);
        self.must(task, Sysno::PRCTL, vec![Value::Int(PR_SET_DUMPABLE), Value::Int(1), zero(), zero(), zero()]);
    }

    /// Takes a step that must not fail.
    #[track_caller]
    pub fn must_make(&mut self, by: TaskId, step: Step) {
        let made = Move { by, step };
        let result = self.make(&made);
        assert!(matches!(result, Some(Ok(_))), "the world could not be set up: {made:?} gave {result:?}");
    }

    /// Takes a step; the result of the call that it is about, or of the one before it that failed.
    pub fn make(&mut self, made: &Move) -> Option<CallResult> {
        let by = made.by;
        let (opened, nr, args) = match &made.step {
            Step::Call(nr, args) => return self.call(by, *nr, args.clone()),
            Step::Write(path, text) => {
                let args = vec![Value::bytes(text.as_bytes()), Value::from(text.len())];
                (self.open(by, path, 1), Sysno::WRITE, args)
            }
            Step::Join(path) => (self.open(by, path, 0), Sysno::SETNS, vec![Value::Int(0)]),
            Step::PidfdKill(pid, signal) => {
                let opened = self.call(by, Sysno::PIDFD_OPEN, vec![Value::Int(*pid), Value::Int(0)]);
                let args = vec![Value::Int(*signal), Value::Null, Value::Int(0)];
                (opened, Sysno::PIDFD_SEND_SIGNAL, args)
            }
        };
        let Some(Ok(fd)) = opened else { return opened };
        let result = self.call(by, nr, [vec![Value::Int(fd.value)], args].concat());
        self.call(by, Sysno::CLOSE, vec![Value::Int(fd.value)]);
        result
    }

    /// Opens a file.
    pub fn open(&mut self, task: TaskId, path: &str, flags: i64) -> Option<CallResult> {
        self.call(task, Sysno::OPENAT, vec![Value::Int(AT_FDCWD), Value::str(path), Value::Int(flags), Value::Int(0)])
    }

    /// The names in a directory; none when it cannot be read.
    pub fn list(&mut self, task: TaskId, path: &str) -> Vec<String> {
        const O_DIRECTORY: i64 = 0o200_000;
        let Some(Ok(fd)) = self.open(task, path, O_DIRECTORY) else { return Vec::new() };
        let mut names = Vec::new();
        loop {
            let args = vec![Value::Int(fd.value), Value::Null, Value::Int(32_768)];
            let Some(Ok(ret)) = self.call(task, Sysno::GETDENTS64, args) else { break };
            let entries = ret.output(1).as_list().unwrap_or_default();
            if entries.is_empty() {
                break;
            }
            names.extend(entries.iter().filter_map(|e| Some(e.field("d_name")?.as_str()?.to_owned())));
        }
        self.call(task, Sysno::CLOSE, vec![Value::Int(fd.value)]);
        names
    }

    /// Lets everything happen that the last call has caused.
    pub fn settle(&mut self) {
        assert!(self.running.run(BUDGET, &mut Trace::silent()), "the world does not come to rest");
    }
}

/// Whether the task can still make calls.
pub fn is_alive(world: &World, task: TaskId) -> bool {
    world.tasks.get(task).is_some_and(|t| !t.state.has_exited())
}

/// Whether the invariants of the world hold; says which one does not.
pub fn is_in_order(world: &World) -> bool {
    let checked = world.check();
    if let Err(broken) = &checked {
        println!("{broken}");
    }
    checked.is_ok()
}

/// The first task that was made after the boot: its number follows that of the shell.
pub fn first_made(world: &World) -> TaskId {
    TaskId(world.consoles.iter().map(|(_, c)| c.shell.0).max().unwrap_or(INIT.0) + 1)
}

/// A call whose arguments are numbers.
pub fn call(nr: Sysno, args: &[i64]) -> Step {
    Step::Call(nr, args.iter().map(|n| Value::Int(*n)).collect())
}

/// clone(2) with these flags and `SIGCHLD`.
pub fn clone(flags: i64) -> Step {
    Step::Call(Sysno::CLONE, vec![Value::Int(flags | SIGCHLD), Value::Int(0), Value::Null, Value::Null, Value::Int(0)])
}

/// mount(2); an empty text is `NULL`.
pub fn mount(source: &str, target: &str, kind: &str, flags: i64) -> Step {
    let text = |t: &str| if t.is_empty() { Value::Null } else { Value::str(t) };
    Step::Call(Sysno::MOUNT, vec![text(source), text(target), text(kind), Value::Int(flags), Value::Null])
}

/// umount2(2).
pub fn umount(target: &str, flags: i64) -> Step {
    Step::Call(Sysno::UMOUNT2, vec![Value::str(target), Value::Int(flags)])
}

/// A value as bytes, for an essence.
pub fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap_or_else(|e| panic!("a value of the models cannot be written: {e}"))
}

/// The rows of a table without the number that it hands out next: that one names objects and decides nothing.
pub fn rows<K: Id, V: Plain>(table: &Table<K, V>) -> Vec<(u32, &V)> {
    table.iter().map(|(id, row)| (id.number(), row)).collect()
}

/// Of every task and process, what calls depend on. Left out is what only measures: the times when it was made and
/// how long it ran, the scheduler's accounts, the log from which its program would be rebuilt (all are told from
/// outside what to do and have none).
pub fn tasks(world: &World) -> Vec<u8> {
    let mut all = Vec::new();
    for (_, t) in world.tasks.iter() {
        let links = (t.id, t.process, t.pid, t.fs, t.files, t.sighand, t.css_set);
        let signals = (t.blocked, t.saved_sigmask, t.pending, t.pdeath_signal);
        all.extend(bytes(&(links, signals, &t.cred, t.no_new_privs, t.nsproxy, &t.state, t.nice)));
    }
    for (_, p) in world.processes.iter() {
        let links = (p.id, p.leader, &p.threads, p.parent, &p.children, p.pgrp, p.session);
        let end = (p.exit_signal, p.exit_code, p.pending, p.stop_report);
        all.extend(bytes(&(links, end, p.is_child_subreaper, p.did_exec, p.dumpable, p.mm_user_ns)));
    }
    all.extend(bytes(&(rows(&world.pids), rows(&world.sighands), rows(&world.pid_namespaces))));
    all
}

/// Of user namespaces everything, and who has which files open.
pub fn user_namespaces_and_files(world: &World) -> Vec<u8> {
    let files = (rows(&world.vfs.files), rows(&world.vfs.fd_tables), rows(&world.vfs.fs_structs));
    bytes(&(rows(&world.user_namespaces), files))
}

/// All mounts and where they are.
pub fn mounts(world: &World) -> Vec<u8> {
    bytes(&(rows(&world.vfs.mounts), &world.vfs.mounted_at, rows(&world.mnt_namespaces)))
}
