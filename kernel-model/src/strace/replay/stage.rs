//! The world in which a log is replayed, set up so that the log can begin.

use std::collections::{BTreeMap, BTreeSet};

use super::super::parse::{Expr, LineKind, Log, TracedCall};
use super::ROOT_NS;
use super::identity::{self, Identity};
use super::seed::{self, Fact};
use crate::action::{Action, Adjustment};
use crate::event::{Event, EventKind};
use crate::kernel::Trace;
use crate::namespace::pid::PidNsId;
use crate::pv_ops::NoMachine;
use crate::security::capability::CapSet;
use crate::step::Running;
use crate::syscall::{Call, CallResult, Ret, Sysno, Value};
use crate::task::{TaskId, TaskState};
use crate::time::Nanos;
use crate::world::{Config, World};

/// Turns that the world may take to come to rest after a call.
const BUDGET: u64 = 20_000;
/// Relative to the working directory.
const AT_FDCWD: i64 = -100;

/// What became of a call that was made.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Outcome {
    /// It was not made.
    NotMade,
    /// It has a result.
    Returned(CallResult),
    /// It sleeps.
    Pending,
    /// It does not return: the task has exited or runs a new program.
    NoReturn,
}

/// The world of a replay and everything that was done to it.
pub(super) struct Stage {
    running: Running<NoMachine>,
    pub(super) actions: Vec<Action>,
    /// Results that came after their call had slept, by task.
    late: BTreeMap<TaskId, (Call, CallResult)>,
    /// PID namespaces of processes that were not traced.
    pub(super) foreign: Vec<PidNsId>,
}

impl Stage {
    pub(super) fn new(config: Config) -> Stage {
        let running = Running::new(World::boot(config), NoMachine);
        let mut stage = Stage { running, actions: Vec::new(), late: BTreeMap::new(), foreign: Vec::new() };
        stage.running.run(BUDGET, &mut Trace::silent());
        stage
    }

    pub(super) fn world(&self) -> &World {
        &self.running.world
    }

    pub(super) fn init(&self) -> TaskId {
        TaskId(1)
    }

    pub(super) fn is_alive(&self, task: TaskId) -> bool {
        self.world().tasks.get(task).is_some_and(|t| !t.state.has_exited())
    }

    /// The task that was made last, if it is still there.
    pub(super) fn newest_task(&self) -> Option<TaskId> {
        self.world().tasks.ids().next_back()
    }

    /// Does something to the world and lets it come to rest; what happened.
    pub(super) fn act(&mut self, action: Action) -> Vec<Event> {
        let mut trace = Trace::new();
        self.running.inject(&action, &mut trace);
        self.running.run(BUDGET, &mut trace);
        self.actions.push(action);
        for event in &trace.events {
            if let (Some(task), EventKind::CallReturned { call, result }) = (event.task, &event.kind) {
                self.late.insert(task, (call.clone(), result.clone()));
            }
        }
        trace.events
    }

    /// Makes a call as `task`.
    pub(super) fn call(&mut self, task: TaskId, call: Call) -> Outcome {
        self.late.remove(&task);
        self.act(Action::Syscall { task, call: call.clone() });
        self.outcome_of(task, &call)
    }

    /// What became of the call that this task made last.
    pub(super) fn outcome_of(&self, task: TaskId, call: &Call) -> Outcome {
        match self.late.get(&task) {
            Some((made, result)) if made == call => Outcome::Returned(result.clone()),
            _ => {
                let sleeps = self.world().tasks.get(task).is_some_and(|t| !t.state.has_exited() && t.in_call.is_some());
                if sleeps { Outcome::Pending } else { Outcome::NoReturn }
            }
        }
    }

    /// Time passes until the call in which this task sleeps gives up, if it ever does.
    pub(super) fn pass_time_for(&mut self, task: TaskId) {
        let world = self.world();
        let until = match world.tasks.get(task).map(|t| &t.state) {
            Some(TaskState::Sleeping(sleep)) => sleep.until,
            _ => None,
        };
        if let Some(until) = until {
            let span = Nanos(until.0.saturating_sub(world.clock.0));
            self.act(Action::Wait { span });
        }
    }

    /// Lets a task have a handler for a signal.
    pub(super) fn handle(&mut self, task: TaskId, signal: i64) {
        const SOME_ADDRESS: i64 = 0x40_1000;
        let fields = [("sa_handler", SOME_ADDRESS), ("sa_mask", 0), ("sa_flags", 0)];
        let action = Value::record(fields.map(|(name, value)| (name, Value::Int(value))));
        let args = vec![Value::Int(signal), action, Value::Null, Value::Int(8)];
        self.call(task, Call { nr: Sysno::RT_SIGACTION, args });
    }

    fn quietly(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> Option<Ret> {
        match self.call(task, Call { nr, args }) {
            Outcome::Returned(Ok(ret)) => Some(ret),
            _ => None,
        }
    }

    /// Makes what the log found, and the tracer; `first` is the number of the first traced process.
    pub(super) fn set_up(&mut self, log: &Log, first: Option<u32>) -> TaskId {
        let start = start_directory(log, first);
        for (path, fact) in seed::facts(log, &start) {
            self.put(&path, &fact);
        }
        let shell = self.world().consoles.iter().next().map(|(_, c)| c.shell);
        let shell = shell.filter(|task| self.is_alive(*task)).unwrap_or(self.init());
        let parent = log.lines.iter().enumerate().find_map(|(at, line)| {
            let call = log.call_at(at).filter(|c| line.pid == first && c.name == "getppid")?;
            u32::try_from(call.ret.value()?).ok().filter(|nr| *nr > 1)
        });
        let number = parent.or_else(|| first.map(|f| f.saturating_sub(1)));
        let group = log.lines.iter().enumerate().find_map(|(at, line)| {
            let call = log.call_at(at).filter(|c| line.pid == first && c.name == "getpgrp")?;
            u32::try_from(call.ret.value()?).ok().filter(|nr| *nr > 1)
        });
        let founder = group.filter(|nr| Some(*nr) != number && Some(*nr) != first && !self.is_taken(*nr));
        let shell = match founder {
            Some(nr) => {
                let founder = self.adopt(shell, Some(nr), "/root");
                self.quietly(founder, Sysno::SETSID, Vec::new());
                founder
            }
            None => shell,
        };
        let tracer = self.adopt(shell, number.filter(|nr| !self.is_taken(*nr)), "/root");
        // init ignores the ends of its children; whoever is traced does not.
        let default =
            Value::record([("sa_handler", Value::Int(0)), ("sa_mask", Value::Int(0)), ("sa_flags", Value::Int(0))]);
        self.quietly(tracer, Sysno::RT_SIGACTION, vec![Value::Int(17), default, Value::Null, Value::Int(8)]);
        self.quietly(
            tracer,
            Sysno::PRCTL,
            vec![Value::Int(15), Value::str("strace"), 0i64.into(), 0i64.into(), 0i64.into()],
        );
        self.open_standard_descriptors(tracer);
        self.become_identity(tracer, &identity::identity(log, first));
        for (pid, kinds) in bystanders(log) {
            if !self.is_taken(pid) {
                self.bystander(shell, pid, &kinds);
            }
        }
        tracer
    }

    /// Whoever is traced has standard input, output and error.
    fn open_standard_descriptors(&mut self, tracer: TaskId) {
        const O_RDWR: i64 = 2;
        for fd in 0..3 {
            let is_open =
                self.quietly(tracer, Sysno::FCNTL, vec![Value::Int(fd), Value::Int(1), Value::Int(0)]).is_some();
            if !is_open {
                let null = Value::str("/dev/null");
                self.quietly(
                    tracer,
                    Sysno::OPENAT,
                    vec![Value::Int(AT_FDCWD), null, Value::Int(O_RDWR), Value::Int(0)],
                );
            }
        }
    }

    /// Gives the tracer, and with it all that it traces, the user and the capabilities that the log shows.
    fn become_identity(&mut self, tracer: TaskId, who: &Identity) {
        const PR_CAPBSET_DROP: i64 = 24;
        let is_root = who.uid.is_none_or(|uid| uid == 0);
        let missing = who.permitted.filter(|_| is_root).map_or(CapSet::EMPTY, |had| CapSet(CapSet::FULL.0 & !had.0));
        for cap in (who.unbounded | missing).iter() {
            let args = [PR_CAPBSET_DROP, i64::from(cap.0), 0, 0, 0];
            self.quietly(tracer, Sysno::PRCTL, args.map(Value::Int).to_vec());
        }
        let left = Value::Int((CapSet::FULL.0 & !(who.unbounded | missing).0) as i64);
        if left != Value::Int(CapSet::FULL.0 as i64) {
            let header = Value::record([("version", Value::Int(0x2008_0522)), ("pid", Value::Int(0))]);
            let data =
                Value::record([("effective", left.clone()), ("permitted", left), ("inheritable", Value::Int(0))]);
            self.quietly(tracer, Sysno::CAPSET, vec![header, data]);
        }
        if !is_root {
            let uid = who.uid.unwrap_or(0);
            self.become_user(tracer, uid, who.gid.unwrap_or(uid));
        }
    }

    fn become_user(&mut self, task: TaskId, uid: i64, gid: i64) {
        const PR_SET_DUMPABLE: i64 = 4;
        self.quietly(task, Sysno::SETGROUPS, vec![Value::Int(0), Value::List(Vec::new())]);
        self.quietly(task, Sysno::SETRESGID, vec![Value::Int(gid); 3]);
        self.quietly(task, Sysno::SETRESUID, vec![Value::Int(uid); 3]);
        self.quietly(task, Sysno::PRCTL, [PR_SET_DUMPABLE, 1, 0, 0, 0].map(Value::Int).to_vec());
    }

    fn is_taken(&self, nr: u32) -> bool {
        self.world().pid_namespaces[ROOT_NS].numbers.contains_key(&(nr as i32))
    }

    /// A new child of `parent` with this number.
    pub(super) fn adopt(&mut self, parent: TaskId, number: Option<u32>, cwd: &str) -> TaskId {
        let task = self.child(parent, number, 0).unwrap_or(parent);
        if task != parent {
            self.quietly(task, Sysno::CHDIR, vec![Value::str(cwd)]);
        }
        task
    }

    fn child(&mut self, parent: TaskId, number: Option<u32>, flags: i64) -> Option<TaskId> {
        const SIGCHLD: i64 = 17;
        if let Some(nr) = number {
            self.act(Action::Adjust(Adjustment::NextPid { ns: ROOT_NS, nr: nr as i32 }));
        }
        let before = self.newest_task();
        let args = vec![Value::Int(flags | SIGCHLD), Value::Int(0), Value::Null, Value::Null, Value::Int(0)];
        self.quietly(parent, Sysno::CLONE, args)?;
        self.newest_task().filter(|t| Some(*t) != before)
    }

    /// A process that the log talks about but that was not traced, in new namespaces of the kinds that
    /// others join or write maps for.
    fn bystander(&mut self, parent: TaskId, pid: u32, about: &Bystander) {
        let Some(task) =
            self.child(parent, Some(pid), about.flags & !super::super::constant("CLONE_NEWUSER").unwrap_or(0))
        else {
            return;
        };
        let ns = self.world().pid_ns_of(task);
        if ns != ROOT_NS {
            self.foreign.push(ns);
        }
        if let Some(uid) = about.uid {
            self.become_user(task, uid, uid);
        }
        if let Some(user) = super::super::constant("CLONE_NEWUSER").filter(|user| about.flags & user != 0) {
            self.quietly(task, Sysno::UNSHARE, vec![Value::Int(user)]);
        }
    }

    /// Puts a file, directory or link where the log found one, unless there is something already.
    fn put(&mut self, path: &str, fact: &Fact) {
        let init = self.init();
        let there = self.quietly(init, Sysno::ACCESS, vec![Value::str(path), Value::Int(0)]).is_some();
        let at = || vec![Value::Int(AT_FDCWD), Value::str(path)];
        if let Some(link) = fact.link.as_ref().filter(|_| !fact.directory) {
            if !there {
                self.quietly(
                    init,
                    Sysno::SYMLINKAT,
                    vec![Value::str(link.as_str()), Value::Int(AT_FDCWD), Value::str(path)],
                );
            }
            return;
        }
        if fact.directory {
            if !there {
                let mode = fact.mode.unwrap_or(0o755);
                self.quietly(init, Sysno::MKDIRAT, [at(), vec![Value::from(mode)]].concat());
            }
            return;
        }
        if there && (fact.content.is_empty() || fact.executable) {
            self.grow(path, fact.size);
            return;
        }
        const O_WRONLY_CREAT_TRUNC: i64 = 0o1101;
        let mode = fact.mode.unwrap_or(if fact.executable { 0o755 } else { 0o644 });
        let opened = self.quietly(
            init,
            Sysno::OPENAT,
            [at(), vec![Value::Int(O_WRONLY_CREAT_TRUNC), Value::from(mode)]].concat(),
        );
        let Some(fd) = opened.map(|ret| ret.value) else { return };
        for (offset, bytes) in &fact.content {
            self.write_at(fd, *offset, bytes);
        }
        if fact.executable && !fact.content.get(&0).is_some_and(|text| text.starts_with(b"#!")) {
            // What execve(2) takes for a program here; nobody runs it, because the log says what it does.
            let name = path.rsplit('/').next().unwrap_or(path);
            self.write_at(fd, 0, format!("\x7fELF\nprogram {name}\n").as_bytes());
        }
        self.quietly(init, Sysno::CLOSE, vec![Value::Int(fd)]);
        self.grow(path, fact.size);
    }

    fn write_at(&mut self, fd: i64, offset: usize, bytes: &[u8]) {
        let args = vec![Value::Int(fd), Value::bytes(bytes), Value::from(bytes.len()), Value::from(offset)];
        self.quietly(self.init(), Sysno::PWRITE64, args);
    }

    /// Makes a file at least so long; what nobody has seen of it is zeros.
    fn grow(&mut self, path: &str, size: usize) {
        const SEEK_END: i64 = 2;
        if size == 0 {
            return;
        }
        let init = self.init();
        let opened =
            self.quietly(init, Sysno::OPENAT, vec![Value::Int(AT_FDCWD), Value::str(path), 2.into(), 0.into()]);
        let Some(fd) = opened.map(|ret| ret.value) else { return };
        let end = self.quietly(init, Sysno::LSEEK, vec![Value::Int(fd), 0.into(), SEEK_END.into()]);
        if end.is_some_and(|end| usize::try_from(end.value).is_ok_and(|end| end < size)) {
            self.quietly(init, Sysno::FTRUNCATE, vec![Value::Int(fd), Value::from(size)]);
        }
        self.quietly(init, Sysno::CLOSE, vec![Value::Int(fd)]);
    }
}

/// The working directory in which a process begins: from the first descriptor that says so, or from `PWD`.
pub(super) fn start_directory(log: &Log, pid: Option<u32>) -> String {
    let calls = || log.lines.iter().enumerate().filter(|(_, l)| l.pid == pid).filter_map(|(at, _)| log.call_at(at));
    let described = calls().find_map(|call| {
        let dir = call.args.first()?;
        let is_cwd = matches!(dir.plain(), Expr::Word(w) if w == "AT_FDCWD");
        dir.described().filter(|what| is_cwd && what.starts_with('/')).map(str::to_owned)
    });
    let from_environment = || {
        let variables = calls().find_map(|call| match call.args.get(2).map(Expr::plain) {
            Some(Expr::List(variables)) if call.name == "execve" => Some(variables),
            _ => None,
        })?;
        variables.iter().find_map(|v| seed::string(v)?.strip_prefix("PWD=").map(str::to_owned))
    };
    described.or_else(from_environment).unwrap_or_else(|| "/root".to_owned())
}

/// What the log shows of a process that it does not trace.
#[derive(Default)]
struct Bystander {
    /// `CLONE_NEW*` of the namespaces that it must have for itself.
    flags: i64,
    /// Whose it is, when that matters.
    uid: Option<i64>,
}

/// Processes that calls of the log found, by number, and that are neither traced nor born in it.
fn bystanders(log: &Log) -> BTreeMap<u32, Bystander> {
    let mut traced: BTreeSet<u32> = log.lines.iter().filter_map(|l| l.pid).collect();
    let calls: Vec<&TracedCall> = (0..log.lines.len()).filter_map(|at| log.call_at(at)).collect();
    traced.extend(calls.iter().filter(|c| c.name.starts_with("clone")).filter_map(|c| super::child_number(c)));
    traced.extend(calls.iter().filter(|c| c.name == "getppid").filter_map(|c| u32::try_from(c.ret.value()?).ok()));
    let mut found: BTreeMap<u32, Bystander> = BTreeMap::new();
    let mut uid = None;
    for (line, call) in log.lines.iter().enumerate().filter_map(|(at, l)| Some((l, log.call_at(at)?))) {
        let _ = matches!(line.kind, LineKind::Call(_));
        let ok = call.ret.value().is_some_and(|v| v >= 0);
        if ok && (call.name == "setresuid" || call.name == "setuid") {
            uid = call.args.first().and_then(seed::number).filter(|n| *n > 0).or(uid);
        }
        if call.name == "kill" {
            let nr = call.args.first().and_then(seed::number).and_then(|n| u32::try_from(n).ok());
            let noted = call.args.first().is_some_and(|a| a.note().is_some());
            let denied = call.ret.errno() == Some(crate::errno::Errno::EPERM);
            if let Some(nr) = nr.filter(|nr| *nr > 1 && (ok || denied) && !noted && !traced.contains(nr)) {
                found.entry(nr).or_default();
            }
        }
        for path in call.args.iter().filter_map(|a| seed::string(a.plain())).filter(|_| ok) {
            let Some((nr, rest)) = path.strip_prefix("/proc/").map(|p| p.split_once('/').unwrap_or((p, ""))) else {
                continue;
            };
            let Some(nr) = nr.parse::<u32>().ok().filter(|nr| *nr > 1 && !traced.contains(nr)) else { continue };
            let bystander = found.entry(nr).or_default();
            if let Some(kind) = rest.strip_prefix("ns/").and_then(crate::namespace::NsKind::from_name) {
                bystander.flags |= kind.clone_flag() as i64;
            }
            if rest.ends_with("id_map") {
                bystander.flags |= crate::namespace::CLONE_NEWUSER as i64;
                bystander.uid = uid;
            }
        }
    }
    found
}
