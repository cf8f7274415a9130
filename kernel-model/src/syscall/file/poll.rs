//! poll(2) and ppoll(2): waits until one of several descriptors can be read or written.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Sleep, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::tty::Tty;
use crate::vfs::Node;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::fs::FileType;
use crate::vfs::fs::procfs::ProcNode;
use crate::vfs::fs::procfs::node::TaskFile;
use crate::vfs::path::VfsPath;

const POLLIN: i64 = 1;
const POLLPRI: i64 = 2;
const POLLOUT: i64 = 4;
const POLLERR: i64 = 8;
const POLLHUP: i64 = 0x10;
const POLLNVAL: i64 = 0x20;

const ERRORS: &[(Errno, &str)] =
    &[(Errno::EFAULT, "fds is no list of {fd, events}"), (Errno::EINTR, "a signal came first")];

/// poll(2). The list with `revents` is output 0.
pub const POLL: SyscallInfo = SyscallInfo {
    nr: Sysno::POLL,
    man: "poll(2)",
    args: &[Arg::Data("fds"), Arg::Int("nfds"), Arg::Int("timeout")],
    errno: ERRORS,
    support: Support::Partial(
        "pipes, sockets, pidfds, eventfds, epoll lists, terminals, TAP devices and files of events of control groups wait; \
         other files are always ready",
    ),
    run: |k, caller, a| {
        let timeout = u64::try_from(a.int32(2)?).ok().map(Nanos::from_millis);
        poll(k, caller, a, timeout)
    },
};

/// ppoll(2). The list with `revents` is output 0.
pub const PPOLL: SyscallInfo = SyscallInfo {
    nr: Sysno::PPOLL,
    man: "poll(2)",
    args: &[Arg::Data("fds"), Arg::Int("nfds"), Arg::Data("tmo_p"), Arg::Data("sigmask"), Arg::Int("sigsetsize")],
    errno: ERRORS,
    support: Support::Partial(
        "pipes, sockets, pidfds, terminals and files of events of control groups wait; other files are always ready; the \
         mask is not used",
    ),
    run: |k, caller, a| {
        let field = |name| a.get(2).field(name).and_then(Value::as_int);
        let timeout = field("tv_sec")
            .map(|sec| Nanos::from_timespec(sec.max(0) as u64, field("tv_nsec").unwrap_or(0).max(0) as u64));
        poll(k, caller, a, timeout)
    },
};

fn poll(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, timeout: Option<Nanos>) -> SysResult {
    let (mut ready, mut waits, mut answers) = (0, Vec::new(), Vec::new());
    for entry in a.list(0)? {
        let field = |name| entry.field(name).and_then(Value::as_int);
        let fd = field("fd").ok_or(Errno::EFAULT)? as i32;
        let events = field("events").unwrap_or(0);
        let revents =
            if fd < 0 { 0 } else { state_of(k, caller, fd, &mut waits) & (events | POLLERR | POLLHUP | POLLNVAL) };
        ready += i64::from(revents != 0);
        answers.push(Value::record([("fd", fd.into()), ("events", events.into()), ("revents", revents.into())]));
    }
    let answer = |n: i64| Ok(Ret::new(n).with(0, Value::List(answers)));
    if ready > 0 || timeout == Some(Nanos(0)) {
        return answer(ready);
    }
    let until = timeout.map(|span| k.deadline(caller, span));
    if until.is_some_and(|at| k.clock >= at) {
        return answer(0);
    }
    Err(Stop::Block(Sleep { on: waits, until }))
}

/// What a descriptor is ready for, and what would change that.
fn state_of(k: &mut Kernel<'_>, caller: TaskId, fd: i32, waits: &mut Vec<Wait>) -> i64 {
    match k.real_file_id(caller, fd) {
        Ok(id) => readiness(k, caller, id, waits),
        Err(_) => POLLNVAL,
    }
}

/// Whether a description can be waited for: files and directories are always ready, which epoll(7) refuses
/// (`file_can_poll`).
pub(super) fn can_poll(k: &Kernel<'_>, id: FileId) -> bool {
    let FileKind::Path(path) = k.vfs.files[id].kind else { return true };
    let attr = k.attr(path);
    match path.node {
        _ if attr.file_type == FileType::Directory => false,
        Node::Cgroup(_) => true,
        // What is one file in all, settings, and the lists of mounts; of what a process has, nothing else.
        Node::Proc(ProcNode::TaskFile(_, TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats)) => true,
        Node::Proc(ProcNode::TaskFile(..)) => false,
        Node::Proc(_) => true,
        Node::Tree(_) => attr.file_type == FileType::CharDevice && matches!(attr.rdev, (1, 8 | 9)),
        Node::Ns(_) | Node::Pipe(_) => false,
    }
}

/// What a description is ready for, and what would change that.
pub(crate) fn readiness(k: &mut Kernel<'_>, caller: TaskId, id: FileId, waits: &mut Vec<Wait>) -> i64 {
    match k.vfs.files[id].kind {
        FileKind::PipeRead(pipe, _) => {
            waits.push(Wait::PipeReadable(pipe));
            let p = &k.pipes[pipe];
            (if p.data.is_empty() { 0 } else { POLLIN }) | if p.writers == 0 { POLLHUP } else { 0 }
        }
        FileKind::PipeWrite(pipe, _) => {
            waits.push(Wait::PipeWritable(pipe));
            let p = &k.pipes[pipe];
            let room = p.data.len() < crate::ipc::pipe::PIPE_CAPACITY;
            (if room { POLLOUT } else { 0 }) | if p.readers == 0 { POLLERR } else { 0 }
        }
        FileKind::PipeBoth(pipe, _) => {
            waits.push(Wait::PipeReadable(pipe));
            POLLOUT | if k.pipes[pipe].data.is_empty() { 0 } else { POLLIN }
        }
        FileKind::Tty(Tty::Pty(pty), _) => {
            waits.push(Wait::PtySlave(pty));
            let Some(p) = k.ptys.get(pty) else { return POLLIN | POLLOUT | POLLERR | POLLHUP };
            (if p.input.is_readable(&p.termios) { POLLIN } else { 0 }) | if p.has_room() { POLLOUT } else { 0 }
        }
        FileKind::PtyMaster(pty, _) => {
            waits.push(Wait::PtyMaster(pty));
            let Some(p) = k.ptys.get(pty) else { return POLLERR | POLLHUP };
            (if p.output.is_empty() { 0 } else { POLLIN })
                | (if p.other_closed { POLLHUP } else { 0 })
                | if p.input.is_full(&p.termios) { 0 } else { POLLOUT }
        }
        // `hung_up_tty_poll`
        FileKind::HungUpTty(..) => POLLIN | POLLOUT | POLLERR | POLLHUP,
        FileKind::Tty(Tty::Console(console), _) => {
            waits.push(Wait::Line(console));
            let c = &k.consoles[console];
            let readable = match &c.raw {
                Some(raw) => !raw.is_empty(),
                None => !c.at_prompt && (!c.lines.is_empty() || c.end_of_input),
            };
            POLLOUT | if readable { POLLIN } else { 0 }
        }
        FileKind::Socket(id) => {
            waits.push(Wait::SocketReadable(id));
            if let Some(end) = k.unix(id) {
                waits.push(Wait::SocketWritable(id));
                waits.extend(end.peer.map(Wait::SocketRoom));
                return k.unix_poll(id);
            }
            let (readable, writable) = k.sockets[id].readiness();
            let failed = k.sockets[id].error.is_some() || !k.sockets[id].errors.is_empty();
            (if readable { POLLIN } else { 0 })
                | (if writable { POLLOUT } else { 0 })
                | if failed { POLLERR } else { 0 }
        }
        FileKind::PidFd(pid) => {
            let task = k.pids.get(pid).and_then(|p| p.task).and_then(|t| k.tasks.get(t));
            match task {
                Some(t) if !t.state.has_exited() => {
                    waits.push(Wait::ProcessExit(t.process));
                    0
                }
                _ => POLLIN,
            }
        }
        FileKind::Epoll(list) => {
            if k.epoll_is_ready(caller, list, waits) {
                POLLIN
            } else {
                0
            }
        }
        FileKind::EventFd(id) => {
            waits.push(Wait::EventFd(id));
            let count = k.eventfds[id].count;
            (if count > 0 { POLLIN } else { 0 })
                | if count < u64::MAX - 1 { POLLOUT } else { 0 }
                | if count == u64::MAX { POLLERR } else { 0 }
        }
        FileKind::Tun(id, _) => {
            waits.push(Wait::Tun(id));
            POLLOUT | if k.tun_is_readable(id) { POLLIN } else { 0 }
        }
        FileKind::Device(_) => {
            let Some(device) = k.device_file(id) else { return 0 };
            waits.push(Wait::Device(device.handle));
            k.poll_device(caller, &device)
        }
        FileKind::Placeholder(_) => 0,
        FileKind::Path(VfsPath { node: Node::Cgroup(node), .. }) => {
            waits.push(Wait::CgroupEvents);
            let changed = k.cgroup_file_changed(caller, id, node) == Some(true);
            POLLIN | POLLOUT | if changed { POLLERR | POLLPRI } else { 0 }
        }
        FileKind::Path(_) | FileKind::FsContext(_) | FileKind::MountTree(_) => POLLIN | POLLOUT,
    }
}
