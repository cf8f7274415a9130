//! A matrix of flags: one call in a fresh process for every combination.

use serde_json::Value as Json;

use super::Record;
use super::stage::{O_RDONLY_CLOEXEC, SIGCHLD, Stage, bits};
use crate::strace::constant;
use crate::syscall::{Sysno, Value};
use crate::task::TaskId;

/// The world in which each call is tried: a root process, and two holders of new namespaces.
pub(super) struct FlagMatrix {
    stage: Stage,
    /// The parent of all processes that try something.
    root: TaskId,
    /// The number of a process in new namespaces of all kinds but user, made by root.
    container: i64,
    /// The number of a process in new namespaces of all kinds, owned by the student.
    student_container: i64,
}

const NAMESPACES: [&str; 7] =
    ["CLONE_NEWNS", "CLONE_NEWCGROUP", "CLONE_NEWUTS", "CLONE_NEWIPC", "CLONE_NEWNET", "CLONE_NEWPID", "CLONE_NEWTIME"];

impl FlagMatrix {
    pub(super) fn new() -> Result<FlagMatrix, String> {
        let mut stage = Stage::new();
        let init = stage.init();
        let fork = |stage: &mut Stage, parent| {
            stage.clone_child(parent, 0).map_err(|e| format!("the world could not be set up: clone gave {e:?}"))
        };
        let (root, _) = fork(&mut stage, init)?;
        let all: i64 = NAMESPACES.iter().filter_map(|n| constant(n)).fold(0, |all, flag| all | flag);
        let mut holders = Vec::new();
        for student in [false, true] {
            let (holder, _) = fork(&mut stage, root)?;
            let mut flags = all;
            if student {
                stage.become_student(holder)?;
                flags |= constant("CLONE_NEWUSER").unwrap_or(0);
            }
            stage.must(holder, Sysno::UNSHARE, vec![Value::Int(flags)])?;
            let (inside, _) = fork(&mut stage, holder)?;
            let world = &stage.running.world;
            let outside = world.pid_ns_of(root);
            holders.push(i64::from(world.pid_in(outside, inside).unwrap_or(0)));
        }
        stage.settle();
        Ok(FlagMatrix { stage, root, container: holders[0], student_container: holders[1] })
    }

    /// What the call of this record gives.
    pub(super) fn call(&self, record: &Record) -> Result<Record, String> {
        let text = |key: &str| record.get(key).and_then(Json::as_str).unwrap_or("");
        let flags = bits(record.get("flags").unwrap_or(&Json::Null))?;
        let mut stage = self.stage.clone();
        let fd = match text("file") {
            "" => -1,
            file => self.open(&mut stage, file, text("of"))?,
        };
        let (task, _) = stage.clone_child(self.root, 0).map_err(|e| format!("clone gave {e:?}"))?;
        if text("as") == "student" {
            stage.become_student(task)?;
        }
        if record.get("threads").and_then(Json::as_i64) == Some(2) {
            let names = ["CLONE_VM", "CLONE_FS", "CLONE_FILES", "CLONE_SIGHAND", "CLONE_THREAD", "CLONE_SYSVSEM"];
            let thread: i64 = names.iter().filter_map(|n| constant(n)).fold(0, |all, flag| all | flag);
            stage.clone_child(task, thread as u64).map_err(|e| format!("a thread: clone gave {e:?}"))?;
        }
        let result = match text("call") {
            "unshare" => stage.call(task, Sysno::UNSHARE, vec![Value::Int(flags)]),
            "setns" => stage.call(task, Sysno::SETNS, vec![Value::Int(fd), Value::Int(flags)]),
            "clone" => {
                let args =
                    vec![Value::Int(flags | SIGCHLD as i64), Value::Int(0), Value::Null, Value::Null, Value::Int(0)];
                stage.call(task, Sysno::CLONE, args)
            }
            "clone3" => {
                let args = Value::record([("flags", Value::Int(flags)), ("exit_signal", Value::from(SIGCHLD))]);
                stage.call(task, Sysno::CLONE3, vec![args, Value::Int(88)])
            }
            other => return Err(format!("a matrix has unshare, clone, clone3 and setns, not `{other}`")),
        };
        let errno = match result {
            Some(Err(e)) => Json::from(e.name()),
            _ => Json::from(0),
        };
        Ok(Record::from_iter([("errno".to_owned(), errno)]))
    }

    /// Opens what setns(2) is to get, as root.
    fn open(&self, stage: &mut Stage, file: &str, of: &str) -> Result<i64, String> {
        let world = &stage.running.world;
        let own = i64::from(world.pid_in(world.pid_ns_of(self.root), self.root).unwrap_or(0));
        let pid = match of {
            "self" => own,
            "container" => self.container,
            "student-container" => self.student_container,
            other => return Err(format!("there is no `{other}` in this world")),
        };
        let opened = if file == "pidfd" {
            stage.call(self.root, Sysno::PIDFD_OPEN, vec![Value::Int(pid), Value::Int(0)])
        } else {
            stage.open(self.root, &format!("/proc/{pid}/ns/{file}"), O_RDONLY_CLOEXEC)
        };
        match opened {
            Some(Ok(ret)) => Ok(ret.value),
            Some(Err(e)) => Err(format!("{file} of {of} could not be opened: {}", e.name())),
            None => Err(format!("opening {file} of {of} did not return")),
        }
    }
}
