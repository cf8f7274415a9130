//! A random sequence: several processes that make, join and leave namespaces and kill one another.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Record;
use super::stage::{AT_FDCWD, O_RDONLY_CLOEXEC, O_WRONLY_CLOEXEC, Stage, bits};
use crate::errno::Errno;
use crate::strace::constant;
use crate::syscall::{CallResult, Sysno, Value};
use crate::task::{TaskId, TaskState};

/// A sequence on its way.
pub(super) struct Sequence {
    stage: Stage,
    /// The init of this little world: its child is the first process that calls anything.
    init: TaskId,
    /// Processes by their names.
    processes: BTreeMap<String, Actor>,
    /// Peer groups in the order in which they were seen.
    peers: Vec<u32>,
}

/// A process that makes calls.
#[derive(Clone, Copy)]
struct Actor {
    task: TaskId,
    /// Its number in the PID namespace of the world.
    number: i64,
    life: Life,
}

#[derive(Clone, Copy, PartialEq)]
enum Life {
    Alive,
    /// It exits, and waits for others of its namespace to be collected.
    Exiting,
    Dead,
}

/// What a call gives, before it becomes JSON.
#[derive(Default)]
struct Answer {
    result: Option<Result<i64, Errno>>,
    out: Option<Json>,
    status: Option<i64>,
    child: Option<TaskId>,
}

impl From<Option<CallResult>> for Answer {
    fn from(result: Option<CallResult>) -> Self {
        Answer { result: result.map(|r| r.map(|ret| ret.value)), ..Answer::default() }
    }
}

impl Sequence {
    /// The world of a sequence: init in new namespaces on a small tmpfs, and a session leader as its child.
    pub(super) fn new(student: bool) -> Result<Sequence, String> {
        let mut stage = Stage::new();
        let machine = stage.init();
        let kinds = ["CLONE_NEWPID", "CLONE_NEWNS", "CLONE_NEWUTS", "CLONE_NEWIPC", "CLONE_NEWNET", "CLONE_NEWCGROUP"];
        let flags: i64 = kinds.iter().filter_map(|n| constant(n)).fold(0, |all, flag| all | flag);
        let failed = |e| format!("the world could not be set up: clone gave {e:?}");
        let (init, _) = stage.clone_child(machine, flags as u64).map_err(failed)?;
        set_up_files(&mut stage, init)?;
        stage.must(init, Sysno::SETHOSTNAME, vec![Value::str("lab"), Value::Int(3)])?;
        sigaction(&mut stage, init, "SIGCHLD", "ignore")?;
        let (first, number) = stage.clone_child(init, 0).map_err(failed)?;
        sigaction(&mut stage, first, "SIGCHLD", "default")?;
        stage.must(first, Sysno::SETSID, Vec::new())?;
        if student {
            stage.become_student(first)?;
        }
        stage.settle();
        let actor = Actor { task: first, number, life: Life::Alive };
        Ok(Sequence { stage, init, processes: BTreeMap::from([("p1".to_owned(), actor)]), peers: Vec::new() })
    }

    /// Makes the call of this record; what it and its consequences are.
    pub(super) fn call(&mut self, record: &Record) -> Result<Record, String> {
        let text = |key: &str| record.get(key).and_then(Json::as_str);
        let name = text("p").unwrap_or("");
        let caller = self.actor(name)?;
        let args = record.get("args").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let op = text("call").ok_or("expected \"call\"")?;
        let answer = self.perform(caller.task, op, args)?;
        if let (Some(child), Some(task)) = (text("child"), answer.child) {
            let world = &self.stage.running.world;
            let number = world.pid_in(world.pid_ns_of(self.init), task).map_or(0, i64::from);
            self.processes.insert(child.to_owned(), Actor { task, number, life: Life::Alive });
        }
        self.stage.settle();
        let (died, exiting) = self.deaths();
        let mut ours = Record::new();
        let gone = !self.stage.is_alive(caller.task);
        match answer.result {
            Some(result) if !gone => {
                ours.insert("ret".to_owned(), Json::from(result.unwrap_or(-1)));
                if let Err(e) = result {
                    ours.insert("errno".to_owned(), Json::from(e.name()));
                }
                if let Some(status) = answer.status {
                    let (how, n) =
                        if status & 0x7f == 0 { ("exited", status >> 8 & 0xff) } else { ("signaled", status & 0x7f) };
                    ours.insert(
                        "status".to_owned(),
                        Json::Object(Record::from_iter([(how.to_owned(), Json::from(n))])),
                    );
                }
                if let Some(out) = answer.out {
                    ours.insert("out".to_owned(), out);
                }
            }
            _ => {
                ours.insert("ret".to_owned(), Json::Null);
            }
        }
        for (key, names) in [("died", died), ("exiting", exiting)] {
            if !names.is_empty() {
                ours.insert(key.to_owned(), Json::from(names));
            }
        }
        Ok(ours)
    }

    fn actor(&self, name: &str) -> Result<Actor, String> {
        self.processes.get(name).copied().ok_or_else(|| format!("there is no process `{name}` (yet) in this world"))
    }

    /// The processes that have died since this was asked last, and those that are about to.
    fn deaths(&mut self) -> (Vec<String>, Vec<String>) {
        let world = &self.stage.running.world;
        let (mut died, mut exiting) = (Vec::new(), Vec::new());
        for (name, actor) in &mut self.processes {
            let life = match world.tasks.get(actor.task).map(|t| &t.state) {
                None | Some(TaskState::Dead) => Life::Dead,
                Some(TaskState::Zombie) if self.stage.waits_for_members(actor.task) => Life::Exiting,
                Some(TaskState::Zombie) => Life::Dead,
                Some(_) => Life::Alive,
            };
            match (actor.life, life) {
                (Life::Dead, _) => continue,
                (_, Life::Dead) => died.push(name.clone()),
                (Life::Alive, Life::Exiting) => exiting.push(name.clone()),
                _ => {}
            }
            actor.life = life;
        }
        let in_number_order = |names: &mut Vec<String>| {
            names.sort_by_key(|n| n.get(1..).and_then(|n| n.parse::<u32>().ok()));
        };
        in_number_order(&mut died);
        in_number_order(&mut exiting);
        (died, exiting)
    }

    fn perform(&mut self, task: TaskId, op: &str, args: &[Json]) -> Result<Answer, String> {
        let int =
            |i: usize| args.get(i).and_then(Json::as_i64).ok_or_else(|| format!("{op}: argument {i} is no number"));
        let text =
            |i: usize| args.get(i).and_then(Json::as_str).ok_or_else(|| format!("{op}: argument {i} is no string"));
        let flags = |i: usize| bits(args.get(i).unwrap_or(&Json::Null)).map(Value::Int);
        let stage = &mut self.stage;
        let answer: Answer = match op {
            "clone" => {
                return Ok(match stage.clone_child(task, bits(args.first().unwrap_or(&Json::Null))? as u64) {
                    Ok((child, nr)) => Answer { result: Some(Ok(nr)), child: Some(child), ..Answer::default() },
                    Err(e) => Answer { result: e.map(Err), ..Answer::default() },
                });
            }
            "getpid" | "getppid" | "getuid" | "geteuid" | "getgid" | "setsid" => {
                let nr = Sysno::from_name(op).unwrap_or(Sysno::GETPID);
                stage.call(task, nr, Vec::new()).into()
            }
            "getsid" => stage.call(task, Sysno::GETSID, vec![Value::Int(int(0)?)]).into(),
            "getpgid" => stage.call(task, Sysno::GETPGID, vec![Value::Int(int(0)?)]).into(),
            "unshare" => stage.call(task, Sysno::UNSHARE, vec![flags(0)?]).into(),
            "setns" => stage.call(task, Sysno::SETNS, vec![Value::Int(int(0)?), flags(1)?]).into(),
            "kill" => stage.call(task, Sysno::KILL, vec![Value::Int(int(0)?), flags(1)?]).into(),
            "close" => stage.call(task, Sysno::CLOSE, vec![Value::Int(int(0)?)]).into(),
            "exit_group" => stage.call(task, Sysno::EXIT_GROUP, vec![Value::Int(int(0)?)]).into(),
            "access" => stage.call(task, Sysno::ACCESS, vec![Value::str(text(0)?), Value::Int(0)]).into(),
            "sethostname" => {
                let name = text(0)?;
                stage.call(task, Sysno::SETHOSTNAME, vec![Value::str(name), Value::from(name.len())]).into()
            }
            "gethostname" => {
                let result = stage.call(task, Sysno::UNAME, vec![Value::Null]);
                let node = output(&result, 0).and_then(|v| v.field("nodename")?.as_str()).map(Json::from);
                Answer { out: node, ..result.into() }
            }
            "wait4" => {
                let args = vec![Value::Int(int(0)?), Value::Null, flags(1)?, Value::Null];
                let result = stage.call(task, Sysno::WAIT4, args);
                let collected = matches!(&result, Some(Ok(ret)) if ret.value > 0);
                let status = output(&result, 1).and_then(Value::as_int).filter(|_| collected);
                Answer { status, ..result.into() }
            }
            "sigaction" => sigaction_result(stage, task, text(0)?, text(1)?)?.into(),
            "signals_caught" => {
                let caught = stage.running.world.tasks.get(task).map(|t| i64::from(t.signals_caught));
                Answer { result: caught.map(Ok), ..Answer::default() }
            }
            "setresuid" | "setresgid" => {
                let nr = if op == "setresuid" { Sysno::SETRESUID } else { Sysno::SETRESGID };
                let result = stage.call(task, nr, vec![Value::Int(int(0)?), Value::Int(int(1)?), Value::Int(int(2)?)]);
                if matches!(result, Some(Ok(_))) {
                    stage.make_dumpable(task)?;
                }
                result.into()
            }
            "setgroups" => {
                let groups: Vec<Value> = args.iter().flat_map(ids).map(Value::Int).collect();
                stage.call(task, Sysno::SETGROUPS, vec![Value::from(groups.len()), Value::List(groups)]).into()
            }
            "capget" => capget(stage, task),
            "prctl_subreaper" => prctl(stage, task, 36, int(0)?),
            "prctl_pdeathsig" => prctl(stage, task, 1, bits(args.first().unwrap_or(&Json::Null))?),
            "prctl_no_new_privs" => prctl(stage, task, 38, 1),
            "chroot" => {
                let result = stage.call(task, Sysno::CHROOT, vec![Value::str(text(0)?)]);
                if matches!(result, Some(Ok(_))) {
                    stage.call(task, Sysno::CHDIR, vec![Value::str("/")]);
                }
                result.into()
            }
            "creat" => {
                let flags = constant("O_CREAT").unwrap_or(0o100) | constant("O_EXCL").unwrap_or(0o200) | 1;
                let opened = stage.open(task, text(0)?, flags);
                let result = opened.map(|r| r.map(|ret| ret.value));
                if let Some(Ok(fd)) = result {
                    stage.call(task, Sysno::CLOSE, vec![Value::Int(fd)]);
                }
                Answer { result: result.map(|r| r.map(|_| 0)), ..Answer::default() }
            }
            "mount_tmpfs" => {
                mount(stage, task, [Value::str("tmpfs"), Value::str(text(0)?), Value::str("tmpfs"), Value::Int(0)])
            }
            "mount_bind" => mount(stage, task, [Value::str(text(0)?), Value::str(text(1)?), Value::Null, flags(2)?]),
            "mount_propagation" => mount(stage, task, [Value::Null, Value::str(text(0)?), Value::Null, flags(1)?]),
            "umount2" => stage.call(task, Sysno::UMOUNT2, vec![Value::str(text(0)?), flags(1)?]).into(),
            "is_mountpoint" => is_mountpoint(stage, task, text(0)?),
            "mountinfo" => return self.mountinfo(task),
            "open_ns" => {
                let pid = self.actor(text(0)?)?.number;
                let path = format!("/proc/{pid}/ns/{}", text(1)?);
                let opened = self.stage.open(task, &path, O_RDONLY_CLOEXEC);
                self.at_descriptor(task, opened, int(2)?)
            }
            "pidfd_open" => {
                let opened = stage.call(task, Sysno::PIDFD_OPEN, vec![Value::Int(int(0)?), Value::Int(0)]);
                self.at_descriptor(task, opened, int(1)?)
            }
            "ns_same" => {
                let pid = self.actor(text(0)?)?.number;
                let kind = text(1)?;
                self.ns_same(task, &format!("/proc/self/ns/{kind}"), &format!("/proc/{pid}/ns/{kind}"))
            }
            "write_map" => {
                let pid = self.actor(text(0)?)?.number;
                self.write_map(task, &format!("/proc/{pid}/{}", text(1)?), text(2)?)
            }
            other => return Err(format!("a sequence has no call `{other}`")),
        };
        Ok(answer)
    }

    /// Moves what was opened to the descriptor that the record asks for.
    fn at_descriptor(&mut self, task: TaskId, opened: Option<CallResult>, fd: i64) -> Answer {
        let Some(Ok(ret)) = opened else { return opened.into() };
        let result = self.stage.call(task, Sysno::DUP2, vec![Value::Int(ret.value), Value::Int(fd)]);
        self.stage.call(task, Sysno::CLOSE, vec![Value::Int(ret.value)]);
        result.into()
    }

    fn write_map(&mut self, task: TaskId, path: &str, text: &str) -> Answer {
        let opened = self.stage.open(task, path, O_WRONLY_CLOEXEC);
        let Some(Ok(ret)) = opened else { return opened.into() };
        let args = vec![Value::Int(ret.value), Value::bytes(text.as_bytes()), Value::from(text.len())];
        let written = self.stage.call(task, Sysno::WRITE, args);
        self.stage.call(task, Sysno::CLOSE, vec![Value::Int(ret.value)]);
        written.into()
    }

    /// Compares two namespaces by the inode numbers of their files.
    fn ns_same(&mut self, task: TaskId, own: &str, other: &str) -> Answer {
        let mut numbers = Vec::new();
        for path in [own, other] {
            let args = vec![Value::Int(AT_FDCWD), Value::str(path), Value::Null, Value::Int(0)];
            let result = self.stage.call(task, Sysno::NEWFSTATAT, args);
            match output(&result, 2).and_then(|v| v.field("st_ino")?.as_int()) {
                Some(inode) => numbers.push(inode),
                None => return result.into(),
            }
        }
        Answer { result: Some(Ok(i64::from(numbers[0] == numbers[1]))), ..Answer::default() }
    }

    /// The mount points of interest with their propagation, peer groups numbered as they appear.
    fn mountinfo(&mut self, task: TaskId) -> Result<Answer, String> {
        let opened = self.stage.open(task, "/proc/self/mountinfo", O_RDONLY_CLOEXEC);
        let Some(Ok(fd)) = opened else { return Ok(opened.into()) };
        let mut text = Vec::new();
        loop {
            let args = vec![Value::Int(fd.value), Value::Null, Value::Int(65_536)];
            let result = self.stage.call(task, Sysno::READ, args);
            match output(&result, 1).and_then(Value::as_bytes) {
                Some(bytes) if !bytes.is_empty() => text.extend_from_slice(bytes),
                _ => break,
            }
        }
        self.stage.call(task, Sysno::CLOSE, vec![Value::Int(fd.value)]);
        let text = String::from_utf8_lossy(&text);
        let mut lines = Vec::new();
        for line in text.lines() {
            let (mount, _) = line.split_once(" - ").unwrap_or((line, ""));
            let fields: Vec<&str> = mount.split(' ').collect();
            let Some(point) = fields.get(4).filter(|p| p.starts_with("/m") || **p == "/") else { continue };
            let mut shown = (*point).to_owned();
            for kind in ["shared:", "master:", "propagate_from:"] {
                let group = fields[5..].iter().find_map(|f| f.strip_prefix(kind)?.parse().ok());
                if let Some(group) = group {
                    shown.push_str(&format!(" {kind}{}", self.peer(group)));
                }
            }
            if fields[5..].contains(&"unbindable") {
                shown.push_str(" unbindable");
            }
            lines.push(Json::from(shown));
        }
        Ok(Answer { result: Some(Ok(lines.len() as i64)), out: Some(Json::Array(lines)), ..Answer::default() })
    }

    fn peer(&mut self, group: u32) -> usize {
        let known = self.peers.iter().position(|g| *g == group);
        known.unwrap_or_else(|| {
            self.peers.push(group);
            self.peers.len() - 1
        }) + 1
    }
}

/// `/` is a small tmpfs with `/proc` and a few directories, in a mount namespace of its own.
fn set_up_files(stage: &mut Stage, init: TaskId) -> Result<(), String> {
    let flag = |name: &str| Value::Int(constant(name).unwrap_or(0));
    let private = Value::Int(constant("MS_REC").unwrap_or(0) | constant("MS_PRIVATE").unwrap_or(0));
    let path = |p: &str| vec![Value::str(p)];
    stage.must(init, Sysno::MOUNT, vec![Value::Null, Value::str("/"), Value::Null, private, Value::Null])?;
    let tmpfs = [Value::str("world"), Value::str("/mnt"), Value::str("tmpfs"), Value::Int(0), Value::str("mode=755")];
    stage.must(init, Sysno::MOUNT, tmpfs.to_vec())?;
    stage.must(init, Sysno::CHDIR, path("/mnt"))?;
    stage.must(init, Sysno::UMASK, vec![Value::Int(0)])?;
    for (dir, mode) in [("proc", 0o755), ("m", 0o755), ("m/a", 0o777), ("m/b", 0o777), ("m/c", 0o777), ("m/a/x", 0o777)]
    {
        stage.must(init, Sysno::MKDIR, vec![Value::str(dir), Value::Int(mode)])?;
    }
    let proc = [Value::str("proc"), Value::str("proc"), Value::str("proc"), Value::Int(0), Value::Null];
    stage.must(init, Sysno::MOUNT, proc.to_vec())?;
    stage.must(init, Sysno::PIVOT_ROOT, vec![Value::str("."), Value::str(".")])?;
    stage.must(init, Sysno::UMOUNT2, vec![Value::str("."), flag("MNT_DETACH")])?;
    stage.must(init, Sysno::CHDIR, path("/")).map(|_| ())
}

fn sigaction(stage: &mut Stage, task: TaskId, signal: &str, how: &str) -> Result<(), String> {
    match sigaction_result(stage, task, signal, how)? {
        Some(Ok(_)) => Ok(()),
        other => Err(format!("the world could not be set up: rt_sigaction gave {other:?}")),
    }
}

fn sigaction_result(stage: &mut Stage, task: TaskId, signal: &str, how: &str) -> Result<Option<CallResult>, String> {
    const SOME_ADDRESS: i64 = 0x40_1000;
    let handler = match how {
        "default" => 0,
        "ignore" => 1,
        "handler" => SOME_ADDRESS,
        other => return Err(format!("a signal can be default, ignore or handler, not `{other}`")),
    };
    let number = constant(signal).ok_or_else(|| format!("there is no signal `{signal}`"))?;
    let action =
        Value::record([("sa_handler", Value::Int(handler)), ("sa_mask", Value::Int(0)), ("sa_flags", Value::Int(0))]);
    Ok(stage.call(task, Sysno::RT_SIGACTION, vec![Value::Int(number), action, Value::Null, Value::Int(8)]))
}

fn prctl(stage: &mut Stage, task: TaskId, option: i64, value: i64) -> Answer {
    let args = vec![Value::Int(option), Value::Int(value), Value::Int(0), Value::Int(0), Value::Int(0)];
    stage.call(task, Sysno::PRCTL, args).into()
}

fn mount(stage: &mut Stage, task: TaskId, args: [Value; 4]) -> Answer {
    let mut args = args.to_vec();
    args.push(Value::Null);
    stage.call(task, Sysno::MOUNT, args).into()
}

/// The effective set in hexadecimal. CAP_SYS_RESOURCE is shown as CAP_SYS_TIME is: the machine of the
/// recordings had to do without the former.
fn capget(stage: &mut Stage, task: TaskId) -> Answer {
    let header = Value::record([("version", Value::Int(0x2008_0522)), ("pid", Value::Int(0))]);
    let result = stage.call(task, Sysno::CAPGET, vec![header, Value::Null]);
    let effective = output(&result, 1).and_then(|v| v.field("effective")?.as_int());
    let shown = effective.map(|e| {
        let (resource, time) = (1 << 24, 1 << 25);
        let e = if e & time != 0 { e | resource } else { e & !resource };
        Json::from(format!("{e:016x}"))
    });
    Answer { out: shown, ..result.into() }
}

fn is_mountpoint(stage: &mut Stage, task: TaskId, path: &str) -> Answer {
    const STATX_ATTR_MOUNT_ROOT: i64 = 0x2000;
    const AT_NO_AUTOMOUNT: i64 = 0x800;
    const STATX_BASIC_STATS: i64 = 0x7ff;
    let (flags, mask) = (Value::Int(AT_NO_AUTOMOUNT), Value::Int(STATX_BASIC_STATS));
    let args = vec![Value::Int(AT_FDCWD), Value::str(path), flags, mask, Value::Null];
    let result = stage.call(task, Sysno::STATX, args);
    match output(&result, 4).and_then(|v| v.field("stx_attributes")?.as_int()) {
        Some(attributes) => {
            Answer { result: Some(Ok(i64::from(attributes & STATX_ATTR_MOUNT_ROOT != 0))), ..Answer::default() }
        }
        None => result.into(),
    }
}

fn output(result: &Option<CallResult>, position: u8) -> Option<&Value> {
    let Some(Ok(ret)) = result else { return None };
    Some(ret.output(position))
}

fn ids(json: &Json) -> Vec<i64> {
    match json {
        Json::Array(items) => items.iter().filter_map(Json::as_i64).collect(),
        other => other.as_i64().into_iter().collect(),
    }
}
