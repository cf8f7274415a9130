//! Which calls of a log the model can be asked for, and why not the others.

use super::super::parse::{Expr, Log, TracedCall};
use super::{descriptors, seed};
use crate::net::socket::AF_UNIX;
use crate::syscall::{self, Arg, Call, Support, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::fs::context::FsType;
use crate::vfs::fs::procfs::node;
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
    let family = call.args.first().and_then(Value::as_int);
    if matches!(call.nr, Sysno::SOCKET | Sysno::SOCKETPAIR) && family != Some(AF_UNIX) {
        return Some("the sockets of a recorded tool hold more than the model's network".to_owned());
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

/// The name of a pipe, a socket or a namespace, up to the number that only the recording machine knows.
pub(super) fn same_link_but_for_number(recorded: &str, ours: &str) -> bool {
    let kind = |link: &str| {
        let (kind, number) = link.strip_suffix(']')?.split_once(":[")?;
        number.bytes().all(|b| b.is_ascii_digit()).then(|| kind.to_owned())
    };
    kind(recorded).is_some_and(|recorded| kind(ours) == Some(recorded))
}

/// What of a log is outside the model whatever the results are. This is decided by what a call is about,
/// before anything is compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    /// Where the log has mounted file systems that are not modelled.
    mounted: Vec<String>,
}

impl Outside {
    /// Reads off the log where it has mounted what.
    pub(super) fn of_log(log: &Log) -> Outside {
        let mut mounted = Vec::new();
        for call in (0..log.lines.len()).filter_map(|at| log.call_at(at)) {
            if call.name == "mount"
                && call.ret.value() == Some(0)
                && new_file_system(call).is_some_and(|kind| !is_modelled(&kind))
                && let Some(target) = call.args.get(1).and_then(place_of)
            {
                mounted.push(target);
            }
        }
        // A target that is named through a descriptor says nothing; what is at the top would take all with it.
        mounted.retain(|target| seed::below(target, "/proc").is_none() && target != "/");
        Outside { mounted }
    }

    /// Why this call is about something that is not modelled.
    pub(super) fn reason(&self, world: &World, task: TaskId, traced: &TracedCall, call: &Call) -> Option<String> {
        if call.nr == Sysno::MOUNT
            && let Some(kind) = new_file_system(traced).filter(|kind| !is_modelled(kind))
        {
            return Some(format!("the file system {kind} is not modelled"));
        }
        // Closing and duplicating is the same for everything.
        if works_on_any_descriptor(call) {
            return None;
        }
        for path in traced.args.iter().filter_map(place_of).map(|path| through_descriptor(world, task, path)) {
            if self.mounted.iter().any(|top| seed::below(&path, top).is_some()) {
                return Some("a file system that is not modelled is mounted there".to_owned());
            }
            if is_control_group(&path) {
                if let Some(why) = control_group_reason(world, task, &path, call) {
                    return Some(why);
                }
                continue;
            }
            if seed::below(&path, "/sys").is_some_and(|rest| !rest.trim_matches('/').is_empty()) {
                return Some("what sysfs tells of the machine is not modelled".to_owned());
            }
            if let Some(rest) = seed::below(&path, "/proc") {
                let reads = matches!(call.nr, Sysno::READ | Sysno::PREAD64 | Sysno::SENDFILE);
                if reads && depends_on_machine(rest) {
                    return Some(format!("what {path} says depends on the machine"));
                }
                if !node::is_modelled(rest) {
                    return Some(format!("{path} is not modelled"));
                }
            }
        }
        None
    }
}

/// The type of the file system that a mount(2) makes anew; `None` when it binds, moves or changes.
fn new_file_system(call: &TracedCall) -> Option<String> {
    const OTHER: [&str; 7] =
        ["MS_BIND", "MS_MOVE", "MS_REMOUNT", "MS_SHARED", "MS_PRIVATE", "MS_SLAVE", "MS_UNBINDABLE"];
    let flags = call.args.get(3)?;
    if OTHER.iter().any(|name| seed::mentions(flags, name)) {
        return None;
    }
    call.args.get(2).and_then(|kind| seed::string(kind.unnamed().plain()))
}

/// Whether files in a file system of this type are what they are on Linux.
fn is_modelled(kind: &str) -> bool {
    FsType::find(kind).is_some()
}

/// Why the model cannot be asked about a path below `/sys/fs/cgroup`: a hierarchy that the standard world has not
/// mounted, the files of a root group (that of a recording was itself a group of the machine), and numbers of bytes
/// and nanoseconds in use.
fn control_group_reason(world: &World, task: TaskId, path: &str, call: &Call) -> Option<String> {
    const MEASURED: [&str; 6] = ["usage", "stat", "current", "peak", "time", "pressure"];
    let rest = path.split_once("sys/fs/cgroup").map_or("", |(_, rest)| rest);
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let (Some(hierarchy), Some(file)) = (parts.first(), parts.last()) else { return None };
    let mounted = world.vfs.mounts.iter().any(|(mnt, m)| {
        m.place.is_some() && {
            let at = world.d_path(world.mount_root(mnt), task);
            at.trim_end_matches('/').ends_with(&format!("sys/fs/cgroup/{hierarchy}"))
        }
    });
    if !mounted {
        return Some(format!("the hierarchy {hierarchy} is not mounted in the standard world"));
    }
    let reads = matches!(call.nr, Sysno::READ | Sysno::PREAD64 | Sysno::SENDFILE);
    if (reads || call.nr == Sysno::WRITE) && parts.len() == 2 && file.contains('.') {
        return Some(format!("{path}: the root group of a recording is a group of the machine"));
    }
    if reads && MEASURED.iter().any(|what| file.contains(what)) {
        return Some(format!("what {path} says depends on the machine"));
    }
    None
}

/// Whether a path leads below `/sys/fs/cgroup`, of this root directory or of another.
fn is_control_group(path: &str) -> bool {
    path.trim_start_matches('/').starts_with("sys/fs/cgroup") || path.contains("/sys/fs/cgroup")
}

/// The path of an argument: what a descriptor is open on, or the path itself.
fn place_of(arg: &Expr) -> Option<String> {
    match arg.described() {
        Some(what) if what.starts_with('/') => Some(seed::normal(what)),
        _ => seed::string(arg.unnamed().plain()).filter(|p| p.starts_with('/') || is_control_group(p)),
    }
}

/// `/proc/self/fd/N` is what the descriptor is open on.
fn through_descriptor(world: &World, task: TaskId, path: String) -> String {
    let open_on = || {
        let (fd, rest) = path.strip_prefix("/proc/self/fd/").map(|p| p.split_once('/').unwrap_or((p, "")))?;
        let files = world.tasks.get(task)?.files?;
        let entry = world.vfs.fd_tables.get(files)?.fds.get(&fd.parse::<i32>().ok()?)?;
        let place = world.vfs.files.get(entry.file)?.path()?;
        Some(seed::normal(&format!("{}/{rest}", world.d_path(place, task))))
    };
    open_on().unwrap_or(path)
}

/// Files of procfs whose length says something about the machine: its memory, addresses, devices and times.
fn depends_on_machine(below_proc: &str) -> bool {
    const OF_TASK: [&str; 12] = [
        "stat",
        "statm",
        "status",
        "maps",
        "smaps",
        "mountinfo",
        "mounts",
        "mountstats",
        "cgroup",
        "sched",
        "limits",
        "io",
    ];
    let parts: Vec<&str> = below_proc.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        // Limits that the kernel computes from the memory that there is.
        ["sys", "user", ..] | ["sys", "kernel", "threads-max"] | ["sys", "fs", "file-max" | "file-nr"] => true,
        ["sys", ..] => false,
        [_] => true,
        [.., file] => OF_TASK.contains(file),
        [] => false,
    }
}
