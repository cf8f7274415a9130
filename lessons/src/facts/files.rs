//! Files as facts: what the kernel answers when a process asks for one, be it on a disk, in `/proc` or of a control
//! group. A copy of the world is asked, so that nobody notices.

use kernel_model::program::libc::Stat;
use kernel_model::pv_ops::NoMachine;
use kernel_model::step::Running;
use kernel_model::syscall::{Call, CallResult, Sysno, Value as Argument};
use kernel_model::task::TaskId;
use kernel_model::world::World;

use super::unseen;
use super::value::{Value, list, map};

/// How much of a file is read.
const TEXT_MAX: i64 = 65_536;
const AT_FDCWD: i64 = -100;
const AT_SYMLINK_NOFOLLOW: i64 = 0x100;
const O_RDONLY: i64 = 0;

/// The open files of a process by its number on the machine.
pub fn files_of(world: &World, pid: i64) -> Value {
    let Some(id) = super::task_by_pid(world, pid) else { return list(std::iter::empty()) };
    let files = world.tasks.get(id).and_then(|task| task.files).and_then(|files| world.vfs.fd_tables.get(files));
    list(files.into_iter().flat_map(|table| table.fds.iter()).map(|(fd, entry)| {
        map([("fd", i64::from(*fd).into()), ("what", world.file_name(entry.file, TaskId(1)).into())])
    }))
}

/// A file as a process sees it; `None` for the first process of the machine.
pub fn file(world: &World, pid: Option<i64>, path: &str) -> Value {
    let viewer = pid.map_or(Some(TaskId(1)), |pid| super::task_by_pid(world, pid));
    let alive = viewer.filter(|id| world.tasks.get(*id).is_some_and(|t| !t.state.has_exited()));
    alive.and_then(|viewer| look(world, viewer, path)).unwrap_or_else(nothing)
}

fn nothing() -> Value {
    map([
        ("exists", false.into()),
        ("kind", Value::Null),
        ("mode", Value::Null),
        ("uid", Value::Null),
        ("gid", Value::Null),
        ("size", Value::Null),
        ("text", Value::Null),
        ("number", Value::Null),
        ("target", Value::Null),
    ])
}

fn look(world: &World, viewer: TaskId, path: &str) -> Option<Value> {
    let mut asked = Running::new(world.clone(), NoMachine);
    let mut call =
        |nr, args: Vec<Argument>| -> Option<CallResult> { asked.call_as(viewer, Call { nr, args }, &mut unseen()) };
    let at = || Argument::Int(AT_FDCWD);
    let stat = vec![at(), Argument::str(path), Argument::Null, Argument::Int(AT_SYMLINK_NOFOLLOW)];
    let stat = Stat::from_value(call(Sysno::NEWFSTATAT, stat)?.ok()?.output(2));
    let kind = kind(stat.st_mode);
    let mut text = Value::Null;
    let mut number = Value::Null;
    let mut target = Value::Null;
    if kind == "file" {
        let args = vec![at(), Argument::str(path), Argument::Int(O_RDONLY), Argument::Int(0)];
        if let Some(Ok(fd)) = call(Sysno::OPENAT, args) {
            let read = vec![Argument::Int(fd.value), Argument::Null, Argument::Int(TEXT_MAX)];
            if let Some(Ok(ret)) = call(Sysno::READ, read) {
                let bytes = ret.output(1).as_bytes().unwrap_or_default();
                let read = String::from_utf8_lossy(bytes).into_owned();
                number = read.trim().parse::<i64>().map_or(Value::Null, Value::Int);
                text = read.into();
            }
        }
    } else if kind == "link" {
        let args = vec![Argument::str(path), Argument::Null, Argument::Int(4096)];
        if let Some(Ok(ret)) = call(Sysno::READLINK, args) {
            let bytes = ret.output(1).as_bytes().unwrap_or_default();
            target = String::from_utf8_lossy(bytes).into_owned().into();
        }
    }
    Some(map([
        ("exists", true.into()),
        ("kind", kind.into()),
        ("mode", i64::from(stat.st_mode & 0o7777).into()),
        ("uid", i64::from(stat.st_uid).into()),
        ("gid", i64::from(stat.st_gid).into()),
        ("size", (stat.st_size as i64).into()),
        ("text", text),
        ("number", number),
        ("target", target),
    ]))
}

fn kind(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o040_000 => "dir",
        0o120_000 => "link",
        0o010_000 => "fifo",
        0o140_000 => "socket",
        0o020_000 | 0o060_000 => "device",
        _ => "file",
    }
}
