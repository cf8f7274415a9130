//! Running a recorded log on the model: each call is made by the process that made it, in the order of
//! the log, and what the model answers is compared with what was recorded.
//!
//! The processes of a log are driven from outside; they run no program. Numbers of processes and
//! descriptors are those of the log: where the log shows something that the model does not have (a
//! socket, a process that was not traced), an [`Adjustment`] puts a placeholder there, so that what
//! follows still fits. Everything that is done is an [`Action`], so the replay is an ordinary session.

mod adjust;
mod descriptors;
mod identity;
mod scope;
mod seed;
mod signals;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::parse::{LineKind, Log, LogError, Returned, TracedCall, parse};
use super::{print, typed};
use crate::action::{Action, Adjustment};
use crate::errno::Errno;
use crate::namespace::pid::{Pid, PidNsId};
use crate::syscall::{Call, Sysno, Value};
use crate::task::TaskId;
use crate::world::Config;
use scope::Outside;
use stage::{Outcome, Stage};

/// A log that was run on the model.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Replay {
    /// Calls in scope whose result is the recorded one.
    pub agree: usize,
    /// Calls in scope.
    pub in_scope: usize,
    /// Calls that the model does not have, or not with these arguments.
    pub out_of_scope: usize,
    /// Lines that could not be read.
    pub unparsed: usize,
    /// Every line of the log.
    pub lines: Vec<ReplayedLine>,
    /// What was done to a freshly booted world: the replay as a session. The first ones set the stage.
    pub actions: Vec<Action>,
}

/// A line of a log and what became of it.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplayedLine {
    /// Its number, from 1.
    pub number: usize,
    /// The process, as the log names it.
    pub pid: Option<u32>,
    /// The task of the model that stands for it.
    pub task: Option<TaskId>,
    /// The line as it is in the log.
    pub text: String,
    /// The call in the model's words; empty when the line is none.
    pub call: String,
    /// The recorded result; empty when the line has none.
    pub recorded: String,
    /// What the model says; empty when it was not asked.
    pub ours: String,
    /// How the two compare.
    pub verdict: Verdict,
    /// The actions of [`Replay::actions`] that this line caused.
    pub actions: std::ops::Range<usize>,
}

/// What became of a line.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// The model gives the recorded result.
    Agrees,
    /// It gives another one.
    Differs,
    /// The model does not have this, for the reason given.
    OutOfScope(String),
    /// The beginning of a call whose result is on a later line.
    Begun,
    /// No call: a signal, an end, a remark.
    NoCall,
    /// The line could not be read, for the reason given.
    Unparsed(String),
}

/// Runs a log on the model.
///
/// # Errors
/// When the text as a whole is no log.
pub fn replay(log: &str) -> Result<Replay, LogError> {
    Ok(Replaying::of(parse(log)?).to_end())
}

/// A log that is being run on the model, some lines at a time.
pub struct Replaying {
    log: Log,
    replayer: Replayer,
}

impl Replaying {
    /// Begins to run a log that has been read.
    pub fn of(log: Log) -> Replaying {
        let replayer = Replayer::for_log(&log);
        Replaying { log, replayer }
    }

    /// Lines that have been run, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        (self.replayer.replay.lines.len(), self.log.lines.len())
    }

    /// Runs the next line. False when there is none.
    pub fn next_line(&mut self) -> bool {
        let (at, all) = self.progress();
        if at < all {
            self.replayer.line(&self.log, at);
        }
        at < all
    }

    /// Runs what is left.
    pub fn to_end(mut self) -> Replay {
        while self.next_line() {}
        self.replayer.replay.actions = self.replayer.stage.actions;
        self.replayer.replay
    }
}

/// A call that has begun.
struct Begun {
    task: TaskId,
    call: Option<Call>,
    outcome: Outcome,
    out_of_scope: Option<String>,
}

struct Replayer {
    outside: Outside,
    stage: Stage,
    replay: Replay,
    /// Which task stands for which process.
    tasks: BTreeMap<Option<u32>, TaskId>,
    /// The tracer, parent of processes of which the log does not show the beginning.
    tracer: TaskId,
    /// Calls whose result is on a later line, by the index of their line.
    begun: BTreeMap<usize, Begun>,
    /// The numbers that processes have in their own namespaces, by the number that the tracer sees.
    inner: BTreeMap<u32, Pid>,
    /// The signals for which a process has set a handler before the line of this index, although the log may not show it.
    handlers: BTreeMap<usize, Vec<i64>>,
}

/// The first PID namespace: that of the tracer.
const ROOT_NS: PidNsId = PidNsId(1);

impl Replayer {
    fn for_log(log: &Log) -> Replayer {
        let mut stage = Stage::new(Config::default());
        let first = log.lines.iter().position(|l| matches!(l.kind, LineKind::Call(_) | LineKind::Unfinished { .. }));
        let tracer = stage.set_up(log, first.and_then(|at| log.lines[at].pid));
        Replayer {
            outside: Outside::of_log(log),
            stage,
            replay: Replay::default(),
            tasks: BTreeMap::new(),
            tracer,
            begun: BTreeMap::new(),
            inner: inner_numbers(log),
            handlers: signals::survived(log),
        }
    }

    fn line(&mut self, log: &Log, at: usize) {
        let line = &log.lines[at];
        let from = self.stage.actions.len();
        let mut replayed = ReplayedLine {
            number: line.number,
            pid: line.pid,
            task: self.tasks.get(&line.pid).copied(),
            text: line.text.clone(),
            call: String::new(),
            recorded: String::new(),
            ours: String::new(),
            verdict: Verdict::NoCall,
            actions: from..from,
        };
        if let Some(signals) = self.handlers.remove(&at) {
            let task = self.task_of(log, line.pid);
            for signal in signals {
                self.stage.handle(task, signal);
            }
        }
        match &line.kind {
            LineKind::Call(call) => {
                let begun = self.begin(log, at, call);
                self.finish(call, begun, &mut replayed);
            }
            LineKind::Unfinished { .. } => {
                replayed.verdict = Verdict::Begun;
                if let Some(half) = log.halves.get(&at) {
                    let begun = self.begin(log, at, &half.call);
                    replayed.task = Some(begun.task);
                    replayed.call = begun.call.as_ref().map(|c| print::print_call(c, None)).unwrap_or_default();
                    self.begun.insert(at, begun);
                }
            }
            LineKind::Resumed { name, .. } => self.resumed(log, at, name, &mut replayed),
            LineKind::Exited { status } => self.ended(line.pid, Value::Int(*status), None),
            LineKind::Killed { by, .. } => self.ended(line.pid, Value::Int(0), super::constant(by)),
            LineKind::Superseded { by } => {
                if let Some(task) = self.tasks.remove(&Some(*by)) {
                    self.tasks.insert(line.pid, task);
                }
            }
            LineKind::Unparsed(why) => {
                self.replay.unparsed += 1;
                replayed.verdict = Verdict::Unparsed(why.to_string());
            }
            LineKind::Signal { .. } | LineKind::Stopped { .. } | LineKind::Note => {}
        }
        replayed.actions.end = self.stage.actions.len();
        match &replayed.verdict {
            Verdict::Agrees => {
                self.replay.agree += 1;
                self.replay.in_scope += 1;
            }
            Verdict::Differs => self.replay.in_scope += 1,
            Verdict::OutOfScope(_) => self.replay.out_of_scope += 1,
            Verdict::Begun | Verdict::NoCall | Verdict::Unparsed(_) => {}
        }
        self.replay.lines.push(replayed);
    }

    fn resumed(&mut self, log: &Log, at: usize, name: &str, replayed: &mut ReplayedLine) {
        let begin = log.begun.get(&at);
        let Some((begun, half)) = begin.and_then(|b| Some((self.begun.remove(b)?, log.halves.get(b)?))) else {
            replayed.verdict = Verdict::OutOfScope(format!("the beginning of this {name} is not in the log"));
            return;
        };
        self.finish(&half.call, begun, replayed);
    }

    /// The task that stands for a process; one is made for a process whose beginning the log does not show.
    fn task_of(&mut self, log: &Log, pid: Option<u32>) -> TaskId {
        if let Some(task) = self.tasks.get(&pid) {
            return *task;
        }
        let cwd = stage::start_directory(log, pid);
        let task = self.stage.adopt(self.tracer, pid, &cwd);
        self.tasks.insert(pid, task);
        task
    }

    fn begin(&mut self, log: &Log, at: usize, traced: &TracedCall) -> Begun {
        let task = self.task_of(log, log.lines[at].pid);
        let out =
            |call: Option<Call>, why: String| Begun { task, call, outcome: Outcome::NotMade, out_of_scope: Some(why) };
        let info = match scope::record(&traced.name) {
            Ok(info) => info,
            Err(why) => return out(None, why),
        };
        let call = match typed::recorded_call(info, traced) {
            Ok(call) => call,
            Err(why) => return out(None, why),
        };
        for change in descriptors::before(self.stage.world(), task, info, &call, traced) {
            self.stage.act(change);
        }
        if let Some(why) = scope::not_modelled(self.stage.world(), task, info, &call) {
            return out(Some(call), why);
        }
        if is_clone(info.nr)
            && let Some(child) = child_number(traced)
        {
            self.stage.act(Action::Adjust(Adjustment::NextPid { ns: ROOT_NS, nr: child as i32 }));
            // In a namespace with processes that were not traced, only the log knows which numbers are taken.
            let ns = self.stage.world().tasks.get(task).map(|t| t.nsproxy.pid_for_children);
            let inner = self.inner.get(&child).copied();
            if let (Some(ns), Some(nr)) = (ns.filter(|ns| self.stage.foreign.contains(ns)), inner) {
                self.stage.act(Action::Adjust(Adjustment::NextPid { ns, nr }));
            }
        }
        let out_of_scope = self.outside.reason(self.stage.world(), task, traced, &call);
        let before = self.stage.newest_task();
        let outcome = self.stage.call(task, call.clone());
        if is_clone(info.nr)
            && let Some(born) = self.stage.newest_task().filter(|t| Some(*t) != before)
        {
            self.tasks.insert(child_number(traced), born);
        }
        Begun { task, call: Some(call), outcome, out_of_scope }
    }

    /// The recorded result is there: compares it, and brings descriptors into line with it.
    fn finish(&mut self, traced: &TracedCall, begun: Begun, replayed: &mut ReplayedLine) {
        let Begun { task, call, mut outcome, out_of_scope } = begun;
        replayed.task = Some(task);
        replayed.recorded = traced.ret.to_string();
        if let (Outcome::Pending, Some(call)) = (&outcome, &call) {
            if !matches!(traced.ret, Returned::Never) {
                self.stage.pass_time_for(task);
            }
            outcome = self.stage.outcome_of(task, call);
        }
        let result = match &outcome {
            Outcome::Returned(result) => Some(result),
            _ => None,
        };
        replayed.call = match &call {
            Some(call) => print::print_call(call, result),
            None => format!("{}(...)", traced.name),
        };
        replayed.ours = match (&outcome, &call) {
            (Outcome::Returned(result), Some(call)) => print::print_result(call.nr, result),
            (Outcome::Pending, _) => "still sleeps".to_owned(),
            (Outcome::NoReturn, _) => "?".to_owned(),
            _ => String::new(),
        };
        replayed.verdict = match (out_of_scope, &call) {
            (Some(why), _) => Verdict::OutOfScope(why),
            (None, Some(call)) => self.compare(traced, call, &outcome),
            (None, None) => Verdict::NoCall,
        };
        if let Outcome::Pending = outcome
            && !matches!(traced.ret, Returned::Never)
        {
            self.stage.act(Action::Adjust(Adjustment::GiveUp { task }));
        }
        for change in descriptors::changes(self.stage.world(), task, traced, result) {
            self.stage.act(change);
        }
    }

    fn compare(&self, traced: &TracedCall, call: &Call, outcome: &Outcome) -> Verdict {
        if self.same_link(traced, call, outcome) {
            return Verdict::Agrees;
        }
        let agrees = match (&traced.ret, outcome) {
            (Returned::Value { value, .. }, Outcome::Returned(Ok(ret))) => {
                ret.value == *value || scope::same_but_for(call, *value, ret.value)
            }
            (Returned::Value { value: 0, .. }, Outcome::NoReturn) => is_exec(call.nr),
            (Returned::Error(name), Outcome::Returned(Err(e))) => e.name() == name,
            (Returned::Interrupted(_), Outcome::Pending) => true,
            (Returned::Interrupted(_), Outcome::Returned(Err(Errno::EINTR))) => true,
            (Returned::Never, Outcome::NoReturn | Outcome::Pending) => true,
            _ => false,
        };
        if agrees { Verdict::Agrees } else { Verdict::Differs }
    }

    /// Whether a link was read that says the same up to a number of the machine, which may be longer or shorter.
    fn same_link(&self, traced: &TracedCall, call: &Call, outcome: &Outcome) -> bool {
        let position = match call.nr {
            Sysno::READLINK => 1,
            Sysno::READLINKAT => 2,
            _ => return false,
        };
        let recorded = traced.args.get(position).and_then(|link| seed::string(link.after()));
        let Outcome::Returned(Ok(ret)) = outcome else { return false };
        let ours = ret.out.iter().find(|(at, _)| usize::from(*at) == position);
        match (recorded, ours) {
            (Some(recorded), Some((_, Value::Bytes(ours)))) => {
                scope::same_link_but_for_number(&recorded, &String::from_utf8_lossy(ours))
            }
            (Some(recorded), Some((_, ours))) => {
                ours.as_str().is_some_and(|ours| scope::same_link_but_for_number(&recorded, ours))
            }
            _ => false,
        }
    }

    /// The log says that a process has ended: if it still lives here, it ends now.
    fn ended(&mut self, pid: Option<u32>, status: Value, signal: Option<i64>) {
        let Some(task) = self.tasks.remove(&pid) else { return };
        if !self.stage.is_alive(task) {
            return;
        }
        match signal {
            Some(signal) => {
                let init = self.stage.init();
                let world = self.stage.world();
                let number = world.pid_in(ROOT_NS, task).map_or(0, i64::from);
                self.stage.call(init, Call { nr: Sysno::KILL, args: vec![Value::Int(number), Value::Int(signal)] });
            }
            None => {
                self.stage.act(Action::Adjust(Adjustment::GiveUp { task }));
                // The end of one thread, or of a process whose exit_group(2) the log does not show.
                self.stage.call(task, Call { nr: Sysno::EXIT, args: vec![status] });
            }
        }
    }
}

fn is_clone(nr: Sysno) -> bool {
    matches!(nr, Sysno::CLONE | Sysno::CLONE3 | Sysno::FORK | Sysno::VFORK)
}

fn is_exec(nr: Sysno) -> bool {
    matches!(nr, Sysno::EXECVE | Sysno::EXECVEAT)
}

/// `getpid() = 2 /* 30006 in strace's PID NS */`: who is called what in its own namespace.
fn inner_numbers(log: &Log) -> BTreeMap<u32, Pid> {
    let own =
        (0..log.lines.len()).filter_map(|at| log.call_at(at)).filter(|c| c.name == "getpid" || c.name == "gettid");
    own.filter_map(|call| Some((child_number(call)?, i32::try_from(call.ret.value()?).ok()?))).collect()
}

/// The number of a new process as the tracer sees it: in the comment, when the parent sees another one.
fn child_number(call: &TracedCall) -> Option<u32> {
    let Returned::Value { value, note, .. } = &call.ret else { return None };
    let outer = note.as_deref().and_then(|n| n.split_once(" in strace's PID NS")).and_then(|(nr, _)| nr.parse().ok());
    outer.or_else(|| u32::try_from(*value).ok()).filter(|nr| *nr > 0)
}
