//! Which calls of a log the model can be asked for, and why not the others.

use super::super::parse::{Expr, Returned, TracedCall};
use super::stage::Outcome;
use super::{descriptors, seed};
use crate::errno::Errno;
use crate::syscall::{self, Arg, Call, Support, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::world::World;

/// The record of a call that the model has.
///
/// # Errors
/// Why it has none.
pub(super) fn record(name: &str) -> Result<&'static SyscallInfo, String> {
    let Some(nr) = Sysno::from_name(name) else { return Err(format!("`{name}` is no system call that is known here")) };
    let Some(info) = syscall::info(nr) else { return Err(format!("{name}(2) is not modelled")) };
    match info.support {
        Support::NotModelled(why) => Err(format!("{name}(2) is not modelled: {why}")),
        Support::Full | Support::Partial(_) => Ok(info),
    }
}

/// Why the model cannot be asked for this call with these arguments.
pub(super) fn not_modelled(world: &World, task: TaskId, info: &SyscallInfo, call: &Call) -> Option<String> {
    if works_on_any_descriptor(call) {
        return None;
    }
    let descriptors = info.args.iter().zip(&call.args).filter(|(arg, _)| matches!(arg, Arg::Fd(_)));
    for fd in descriptors.filter_map(|(_, value)| value.as_int()) {
        if let Some(what) = descriptors::placeholder(world, task, fd) {
            return Some(format!("descriptor {fd} is {what}, which is not modelled"));
        }
    }
    None
}

/// Calls that treat all descriptors alike.
fn works_on_any_descriptor(call: &Call) -> bool {
    const ON_DESCRIPTORS: [i64; 4] = [0, 1, 2, 1030]; // F_DUPFD, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC
    match call.nr {
        Sysno::CLOSE | Sysno::DUP | Sysno::DUP2 | Sysno::DUP3 | Sysno::CLOSE_RANGE => true,
        Sysno::FCNTL => call.args.get(1).and_then(Value::as_int).is_some_and(|op| ON_DESCRIPTORS.contains(&op)),
        _ => false,
    }
}

/// Results that differ only in what the machine of the recording adds to them.
pub(super) fn same_but_for(call: &Call, recorded: i64, ours: i64) -> bool {
    const F_GETFL: i64 = 3;
    const O_LARGEFILE: i64 = 0o100_000;
    let is_getfl = call.nr == Sysno::FCNTL && call.args.get(1).and_then(Value::as_int) == Some(F_GETFL);
    is_getfl && recorded & !O_LARGEFILE == ours & !O_LARGEFILE
}

/// Why a call on which the model differs was out of its scope after all: it is about a file or file
/// system that the model does not have, or about a number that only the recording machine knows.
pub(super) fn excuse(world: &World, traced: &TracedCall, call: &Call, outcome: &Outcome) -> Option<String> {
    let _ = world;
    let paths = || traced.args.iter().filter_map(place_of);
    if let Some(path) = paths().find(|p| seed::below(p, "/sys").is_some()) {
        let what =
            if seed::below(&path, "/sys/fs/cgroup").is_some() { "control groups are" } else { "this part of sysfs is" };
        return Some(format!("{what} not modelled yet"));
    }
    let recorded_fine = matches!(traced.ret, Returned::Value { .. });
    let our_error = match outcome {
        Outcome::Returned(Err(e)) => Some(*e),
        _ => None,
    };
    if matches!(call.nr, Sysno::READ | Sysno::PREAD64)
        && let Some(path) = traced.args.first().and_then(Expr::described).filter(|p| depends_on_machine(p))
    {
        return Some(format!("what {path} says depends on the machine"));
    }
    if recorded_fine
        && our_error == Some(Errno::ENOENT)
        && let Some(path) = paths().find(|p| seed::below(p, "/proc").is_some())
    {
        return Some(format!("{path} is not modelled"));
    }
    if call.nr == Sysno::MOUNT && matches!(our_error, Some(Errno::ENODEV)) {
        let kind = call.args.get(2).and_then(Value::as_str).unwrap_or("");
        return Some(format!("the file system {kind} is not modelled"));
    }
    None
}

/// The path of an argument: what a descriptor is open on, or the path itself.
fn place_of(arg: &Expr) -> Option<String> {
    match arg.described() {
        Some(what) if what.starts_with('/') => Some(what.to_owned()),
        _ => seed::string(arg.unnamed().plain()).filter(|p| p.starts_with('/')),
    }
}

/// Files of procfs whose length says something about the machine: its memory, addresses and times.
fn depends_on_machine(path: &str) -> bool {
    const FILES: [&str; 17] = [
        "stat",
        "statm",
        "status",
        "maps",
        "smaps",
        "meminfo",
        "cpuinfo",
        "version",
        "uptime",
        "loadavg",
        "mountinfo",
        "mounts",
        "filesystems",
        "cmdline",
        "sched",
        "limits",
        "self",
    ];
    path.starts_with("/proc/") && path.rsplit('/').next().is_some_and(|file| FILES.contains(&file))
}
