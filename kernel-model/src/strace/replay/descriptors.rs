//! Keeping the descriptors of a process as the log shows them, whatever the model has answered.

use super::super::parse::{Expr, Returned, TracedCall};
use super::seed;
use crate::action::{Action, Adjustment};
use crate::syscall::{Arg, Call, CallResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::FileKind;
use crate::vfs::inode::InodeKind;
use crate::vfs::path::VfsPath;
use crate::world::World;

/// What must be done so that the descriptors of `task` are those of the log after this call.
pub(super) fn changes(world: &World, task: TaskId, traced: &TracedCall, ours: Option<&CallResult>) -> Vec<Action> {
    let call = |nr, args| Action::Syscall { task, call: Call { nr, args } };
    let close = |fd: i64| call(Sysno::CLOSE, vec![Value::Int(fd)]);
    let cloexec = closed_by_exec(traced);
    let placeholder =
        |fd: i64, what: Option<&str>| stand_in(task, fd, what.unwrap_or("something that is not modelled"), cloexec);
    let open = |fd: i64| is_open(world, task, fd);
    let our_value = ours.and_then(|r| r.as_ref().ok()).map(|ret| ret.value);
    let mut changes = Vec::new();
    match traced.name.as_str() {
        "close" if traced.ret.value() == Some(0) => {
            if let Some(fd) = traced.args.first().and_then(seed::number).filter(|fd| open(*fd)) {
                changes.push(close(fd));
            }
        }
        "close_range" if traced.ret.value() == Some(0) && ours.is_none() => {
            let bound = |i: usize| traced.args.get(i).and_then(seed::number).unwrap_or(0);
            let (first, last) = (bound(0), bound(1) & 0xffff_ffff);
            let only_marks = traced.args.get(2).is_some_and(|flags| seed::mentions(flags, "CLOSE_RANGE_CLOEXEC"));
            changes.extend(
                descriptors(world, task).into_iter().filter(|fd| !only_marks && (first..=last).contains(fd)).map(close),
            );
        }
        "pipe" | "pipe2" | "socketpair" | "recvmsg" | "clone" | "clone3" if ours.is_none_or(Result::is_err) => {
            for (fd, what) in new_descriptors(traced).into_iter().filter(|(fd, _)| !open(*fd)) {
                changes.push(placeholder(fd, what));
            }
        }
        "fcntl" if ours.is_none() => {
            let duplicates = traced
                .args
                .get(1)
                .is_some_and(|op| seed::mentions(op, "F_DUPFD") || seed::mentions(op, "F_DUPFD_CLOEXEC"));
            let from = traced.args.first().and_then(seed::number);
            if let (true, Some(from), Some(to)) = (duplicates, from, traced.ret.value()) {
                changes.push(call(Sysno::DUP2, vec![Value::Int(from), Value::Int(to)]));
            }
        }
        name if gives_descriptor(name, traced) => match (traced.ret.value(), our_value) {
            (Some(fd), Some(ours)) if fd != ours => {
                changes.push(call(Sysno::DUP2, vec![Value::Int(ours), Value::Int(fd)]));
                changes.push(close(ours));
            }
            (Some(_), Some(_)) => {}
            (Some(fd), None) => {
                if open(fd) {
                    changes.push(close(fd));
                }
                changes.push(placeholder(fd, described(&traced.ret)));
            }
            (None, Some(ours)) => changes.push(close(ours)),
            (None, None) => {}
        },
        _ => {}
    }
    changes
}

/// What must be done before a call so that it finds and gives the descriptors of the log.
pub(super) fn before(world: &World, task: TaskId, info: &SyscallInfo, call: &Call, traced: &TracedCall) -> Vec<Action> {
    let mut changes = Vec::new();
    if !matches!(traced.ret, Returned::Value { .. }) {
        return changes;
    }
    // Used with success and not open here: opened before the log began, or in a way that it does not show.
    let target_of_dup = |i: usize| i == 1 && matches!(call.nr, Sysno::DUP2 | Sysno::DUP3);
    for (i, ((arg, value), printed)) in info.args.iter().zip(&call.args).zip(&traced.args).enumerate() {
        let Some(fd) = value.as_int().filter(|_| matches!(arg, Arg::Fd(_)) && !target_of_dup(i)) else { continue };
        if fd >= 0 && !is_open(world, task, fd) {
            let what = printed.described().unwrap_or("something opened before the log began");
            changes.push(stand_in(task, fd, what, false));
        }
    }
    changes.extend(unseen_seek(world, task, call, traced));
    // A new descriptor is the lowest free one: those below it are taken, and it is free itself.
    let lowest = match call.nr {
        Sysno::FCNTL => call.args.get(2).and_then(Value::as_int).unwrap_or(0),
        _ => 0,
    };
    let new = new_numbers(traced);
    let highest = new.iter().copied().max().unwrap_or(lowest).min(1024);
    for taken in (lowest..highest).filter(|fd| !new.contains(fd) && !is_open(world, task, *fd)) {
        changes.push(stand_in(task, taken, "something opened by a call that the log does not show", false));
    }
    for fd in new {
        if placeholder(world, task, fd).is_some() {
            changes.push(Action::Syscall { task, call: Call { nr: Sysno::CLOSE, args: vec![Value::Int(fd)] } });
        }
    }
    changes
}

/// lseek(2) is often left out of a log. When a read has given what lies elsewhere in the file, the file stood there.
fn unseen_seek(world: &World, task: TaskId, call: &Call, traced: &TracedCall) -> Option<Action> {
    const MOST: usize = 1 << 16;
    if call.nr != Sysno::READ {
        return None;
    }
    let fd = call.args.first()?.as_int()?;
    let files = world.tasks.get(task)?.files?;
    let entry = world.vfs.fd_tables.get(files)?.fds.get(&i32::try_from(fd).ok()?)?;
    let file = world.vfs.files.get(entry.file)?;
    let FileKind::Path(VfsPath { node: Node::Tree(dentry), .. }) = file.kind else { return None };
    let InodeKind::Regular(content) = &world.inode_of(dentry).kind else { return None };
    let Expr::Str { bytes, whole: true } = traced.args.get(1)?.plain() else { return None };
    let all = content.read(0, MOST);
    let stands = usize::try_from(file.pos).ok()?;
    if bytes.is_empty() || all.get(stands..).is_some_and(|rest| rest.starts_with(bytes)) {
        return None;
    }
    let at = all.windows(bytes.len()).rposition(|window| window == bytes.as_slice())?;
    let args = vec![Value::Int(fd), Value::from(at), Value::Int(0)];
    Some(Action::Syscall { task, call: Call { nr: Sysno::LSEEK, args } })
}

fn stand_in(task: TaskId, fd: i64, what: &str, cloexec: bool) -> Action {
    Action::Adjust(Adjustment::Descriptor { task, fd: fd as i32, what: what.to_owned(), cloexec })
}

/// Whether a call asks for a descriptor that execve(2) closes.
fn closed_by_exec(traced: &TracedCall) -> bool {
    const FLAGS: [&str; 9] = [
        "O_CLOEXEC",
        "SOCK_CLOEXEC",
        "EFD_CLOEXEC",
        "SFD_CLOEXEC",
        "TFD_CLOEXEC",
        "EPOLL_CLOEXEC",
        "IN_CLOEXEC",
        "MFD_CLOEXEC",
        "MSG_CMSG_CLOEXEC",
    ];
    traced.args.iter().any(|arg| FLAGS.iter().any(|flag| seed::mentions(arg, flag)))
}

/// The numbers that a call has given to new descriptors by the rule of the lowest free one.
fn new_numbers(traced: &TracedCall) -> Vec<i64> {
    let duplicates = ["F_DUPFD", "F_DUPFD_CLOEXEC"];
    match traced.name.as_str() {
        "pipe" | "pipe2" | "socketpair" | "recvmsg" | "clone" | "clone3" => {
            new_descriptors(traced).into_iter().map(|(fd, _)| fd).collect()
        }
        "fcntl" if traced.args.get(1).is_some_and(|op| duplicates.iter().any(|d| seed::mentions(op, d))) => {
            traced.ret.value().into_iter().collect()
        }
        "fcntl" => Vec::new(),
        name if gives_descriptor(name, traced) => traced.ret.value().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What a descriptor stands for, when it is only a placeholder.
pub(super) fn placeholder(world: &World, task: TaskId, fd: i64) -> Option<String> {
    let files = world.tasks.get(task)?.files?;
    let entry = world.vfs.fd_tables.get(files)?.fds.get(&i32::try_from(fd).ok()?)?;
    match &world.vfs.files.get(entry.file)?.kind {
        FileKind::Placeholder(what) => Some(what.clone()),
        _ => None,
    }
}

/// Whether the result of a call is a new descriptor.
fn gives_descriptor(name: &str, traced: &TracedCall) -> bool {
    const CALLS: [&str; 33] = [
        "open",
        "openat",
        "openat2",
        "creat",
        "dup",
        "socket",
        "accept",
        "accept4",
        "epoll_create",
        "epoll_create1",
        "eventfd",
        "eventfd2",
        "signalfd",
        "signalfd4",
        "timerfd_create",
        "inotify_init",
        "inotify_init1",
        "fanotify_init",
        "memfd_create",
        "memfd_secret",
        "userfaultfd",
        "perf_event_open",
        "pidfd_open",
        "pidfd_getfd",
        "open_tree",
        "fsopen",
        "fsmount",
        "fspick",
        "io_uring_setup",
        "landlock_create_ruleset",
        "mq_open",
        "open_by_handle_at",
        "bpf",
    ];
    let decorated = described(&traced.ret).is_some() && !matches!(name, "dup2" | "dup3" | "fcntl");
    CALLS.contains(&name) && (name != "bpf" || decorated)
}

fn described(ret: &Returned) -> Option<&str> {
    match ret {
        Returned::Value { described, .. } => described.as_deref(),
        _ => None,
    }
}

/// Descriptors that a call gives through an array, or that came in a message.
fn new_descriptors(traced: &TracedCall) -> Vec<(i64, Option<&str>)> {
    if traced.ret.value().is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if traced.name.starts_with("clone") {
        if traced.args.iter().any(|arg| seed::mentions(arg, "CLONE_PIDFD")) {
            traced.args.iter().for_each(|arg| pidfd_in(arg, &mut found));
        }
    } else if traced.name == "recvmsg" {
        if let Some(message) = traced.args.get(1) {
            in_control_data(message, &mut found);
        }
    } else if let Some(Expr::List(ends)) = traced.args.iter().map(Expr::plain).find(|e| matches!(e, Expr::List(_))) {
        found.extend(ends.iter().filter_map(|end| Some((seed::number(end)?, end.described()))));
    }
    found
}

/// `clone3({...} => {pidfd=[41]})`, `clone(..., parent_tid=[41])`.
fn pidfd_in<'e>(expr: &'e Expr, found: &mut Vec<(i64, Option<&'e str>)>) {
    match expr {
        Expr::Field(name, e) => {
            if let (true, Expr::List(fds)) = (name == "pidfd" || name.starts_with("parent_tid"), e.after()) {
                found.extend(fds.iter().filter_map(|fd| Some((seed::number(fd)?, fd.described()))));
            }
        }
        Expr::Struct(fields) => fields.iter().for_each(|field| pidfd_in(field, found)),
        Expr::Changed(_, e) | Expr::Noted(e, _) => pidfd_in(e, found),
        _ => {}
    }
}

/// `cmsg_type=SCM_RIGHTS, cmsg_data=[5</path>]`, anywhere in a message.
fn in_control_data<'e>(expr: &'e Expr, found: &mut Vec<(i64, Option<&'e str>)>) {
    let expr = expr.unnamed().plain();
    match expr {
        Expr::Struct(fields) => {
            let rights = expr.field("cmsg_type").is_some_and(|t| seed::mentions(t, "SCM_RIGHTS"));
            if let Some(Expr::List(fds)) = expr.field("cmsg_data").map(Expr::plain).filter(|_| rights) {
                found.extend(fds.iter().filter_map(|fd| Some((seed::number(fd)?, fd.described()))));
            } else {
                fields.iter().for_each(|f| in_control_data(f, found));
            }
        }
        Expr::List(items) => items.iter().for_each(|i| in_control_data(i, found)),
        _ => {}
    }
}

fn descriptors(world: &World, task: TaskId) -> Vec<i64> {
    let table = world.tasks.get(task).and_then(|t| t.files).and_then(|f| world.vfs.fd_tables.get(f));
    table.map(|t| t.fds.keys().map(|fd| i64::from(*fd)).collect()).unwrap_or_default()
}

fn is_open(world: &World, task: TaskId, fd: i64) -> bool {
    descriptors(world, task).contains(&fd)
}
