//! The entries of procfs: their names and their attributes.

use serde::{Deserialize, Serialize};

use super::{conf, sysctl};
use crate::namespace::NsKind;
use crate::namespace::pid::PidNsId;
use crate::net::conf::{ConfTarget, SETTINGS};
use crate::security::credentials::{Kgid, Kuid};
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::{Attr, FileType, SuperId};
use crate::world::World;

/// An entry of procfs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ProcNode {
    /// The top directory.
    Root,
    /// A link in the top directory.
    Link(TopLink),
    /// A file in the top directory.
    File(TopFile),
    /// A directory in the top directory of whose contents nothing is modelled.
    Dir(TopDir),
    /// `/proc/PID`.
    Task(TaskId),
    /// `/proc/PID/task`.
    Threads(TaskId),
    /// `/proc/PID/task/TID`.
    Thread(TaskId),
    /// A file in `/proc/PID`.
    TaskFile(TaskId, TaskFile),
    /// `/proc/PID/cwd` and its like.
    TaskLink(TaskId, TaskLink),
    /// `/proc/PID/fd`.
    FdDir(TaskId),
    /// `/proc/PID/fd/N`.
    Fd(TaskId, Fd),
    /// `/proc/PID/fdinfo`.
    FdInfoDir(TaskId),
    /// `/proc/PID/fdinfo/N`.
    FdInfo(TaskId, Fd),
    /// `/proc/PID/attr`.
    AttrDir(TaskId),
    /// A file in `/proc/PID/attr`.
    Attr(TaskId, AttrFile),
    /// `/proc/PID/attr/apparmor`.
    ApparmorAttrDir(TaskId),
    /// A file in `/proc/PID/attr/apparmor`.
    ApparmorAttr(TaskId, AttrFile),
    /// `/proc/PID/net`.
    NetDir(TaskId),
    /// A file in `/proc/PID/net`.
    NetFile(TaskId, NetFile),
    /// `/proc/PID/ns`.
    NsDir(TaskId),
    /// `/proc/PID/ns/KIND`; the flag is for `pid_for_children` and `time_for_children`.
    NsLink(TaskId, NsKind, bool),
    /// `/proc/sysvipc`.
    SysvipcDir,
    /// A file in `/proc/sysvipc`.
    Sysvipc(SysvipcFile),
    /// `/proc/pressure`.
    PressureDir,
    /// A file in `/proc/pressure`.
    Pressure(PressureFile),
    /// A directory below `/proc/sys`, by its place in the table of all of them.
    SysctlDir(u16),
    /// A setting, by its place in [`sysctl::SYSCTLS`].
    Sysctl(u16),
    /// `/proc/sys/net/ipv4/conf/NAME`.
    ConfDir(ConfTarget),
    /// A setting in it, by its place in [`conf::SETTINGS`](crate::net::conf::SETTINGS).
    Conf(ConfTarget, u16),
}

/// Declares an enum of entries with their names and permission bits.
macro_rules! entries {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal, $mode:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[allow(missing_docs)] // each is described in proc(5) under its name
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them, in the order of their directory.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name in the directory.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The permission bits.
            pub fn mode(self) -> u32 {
                match self { $($name::$variant => $mode,)* }
            }

            /// The entry of this name.
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|e| e.name() == name)
            }
        }
    };
}

entries! {
    /// Links in the top directory.
    TopLink {
        Self_ = "self", 0o777;
        ThreadSelf = "thread-self", 0o777;
        Mounts = "mounts", 0o777;
        Net = "net", 0o777;
    }
}

entries! {
    /// Directories in the top directory that are empty here: what they tell of is not modelled.
    TopDir {
        Acpi = "acpi", 0o555;
        Bus = "bus", 0o555;
        Driver = "driver", 0o555;
        Fs = "fs", 0o555;
        Irq = "irq", 0o555;
        Tty = "tty", 0o555;
    }
}

entries! {
    /// Files in the top directory.
    TopFile {
        Cgroups = "cgroups", 0o444;
        Cmdline = "cmdline", 0o444;
        Cpuinfo = "cpuinfo", 0o444;
        Devices = "devices", 0o444;
        Diskstats = "diskstats", 0o444;
        Filesystems = "filesystems", 0o444;
        Kallsyms = "kallsyms", 0o444;
        KeyUsers = "key-users", 0o444;
        Keys = "keys", 0o444;
        Kmsg = "kmsg", 0o400;
        Loadavg = "loadavg", 0o444;
        Meminfo = "meminfo", 0o444;
        Modules = "modules", 0o444;
        Partitions = "partitions", 0o444;
        Stat = "stat", 0o444;
        Swaps = "swaps", 0o444;
        TimerList = "timer_list", 0o400;
        Uptime = "uptime", 0o444;
        Version = "version", 0o444;
        Vmstat = "vmstat", 0o444;
    }
}

entries! {
    /// Files in the directory of a process.
    TaskFile {
        Environ = "environ", 0o400;
        Status = "status", 0o444;
        Personality = "personality", 0o400;
        Limits = "limits", 0o444;
        TimensOffsets = "timens_offsets", 0o644;
        Comm = "comm", 0o644;
        Cmdline = "cmdline", 0o444;
        Stat = "stat", 0o444;
        Statm = "statm", 0o444;
        Schedstat = "schedstat", 0o444;
        Maps = "maps", 0o444;
        SmapsRollup = "smaps_rollup", 0o444;
        Mounts = "mounts", 0o444;
        Mountinfo = "mountinfo", 0o444;
        Mountstats = "mountstats", 0o400;
        Wchan = "wchan", 0o444;
        Children = "children", 0o444;
        Cgroup = "cgroup", 0o444;
        Cpuset = "cpuset", 0o444;
        OomScore = "oom_score", 0o444;
        OomAdj = "oom_adj", 0o644;
        OomScoreAdj = "oom_score_adj", 0o644;
        Loginuid = "loginuid", 0o644;
        Sessionid = "sessionid", 0o444;
        UidMap = "uid_map", 0o644;
        GidMap = "gid_map", 0o644;
        ProjidMap = "projid_map", 0o644;
        Setgroups = "setgroups", 0o644;
    }
}

entries! {
    /// Files by which a process asks its security module for labels.
    AttrFile {
        Current = "current", 0o666;
        Prev = "prev", 0o444;
        Exec = "exec", 0o666;
        Fscreate = "fscreate", 0o666;
        Keycreate = "keycreate", 0o666;
        Sockcreate = "sockcreate", 0o666;
    }
}

entries! {
    /// Links in the directory of a process.
    TaskLink {
        Cwd = "cwd", 0o777;
        Root = "root", 0o777;
        Exe = "exe", 0o777;
    }
}

entries! {
    /// Files about System V objects.
    SysvipcFile {
        Msg = "msg", 0o444;
        Sem = "sem", 0o444;
        Shm = "shm", 0o444;
    }
}

entries! {
    /// Files about pressure.
    PressureFile {
        Io = "io", 0o666;
        Memory = "memory", 0o666;
        Cpu = "cpu", 0o666;
    }
}

entries! {
    /// Files about the network.
    NetFile {
        Arp = "arp", 0o444;
        Dev = "dev", 0o444;
        Raw = "raw", 0o444;
        Route = "route", 0o444;
        Sockstat = "sockstat", 0o444;
        Tcp = "tcp", 0o444;
        Udp = "udp", 0o444;
        Unix = "unix", 0o444;
    }
}

/// The files in `/proc/PID/attr/apparmor`.
pub(super) const APPARMOR_ATTRS: [AttrFile; 3] = [AttrFile::Current, AttrFile::Prev, AttrFile::Exec];

/// The entries of `/proc/PID/ns` that are not named after a kind.
pub(super) const FOR_CHILDREN: [NsKind; 2] = [NsKind::Pid, NsKind::Time];

impl ProcNode {
    /// The task that it belongs to.
    pub fn task(self) -> Option<TaskId> {
        match self {
            ProcNode::Task(t)
            | ProcNode::Threads(t)
            | ProcNode::Thread(t)
            | ProcNode::TaskFile(t, _)
            | ProcNode::TaskLink(t, _)
            | ProcNode::FdDir(t)
            | ProcNode::Fd(t, _)
            | ProcNode::FdInfoDir(t)
            | ProcNode::FdInfo(t, _)
            | ProcNode::AttrDir(t)
            | ProcNode::Attr(t, _)
            | ProcNode::ApparmorAttrDir(t)
            | ProcNode::ApparmorAttr(t, _)
            | ProcNode::NetDir(t)
            | ProcNode::NetFile(t, _)
            | ProcNode::NsDir(t)
            | ProcNode::NsLink(t, ..) => Some(t),
            _ => None,
        }
    }
}

/// Whether procfs here has something at `path` (below its top directory), as far as that can be said without
/// knowing which processes and descriptors there are.
pub fn is_modelled(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => true,
        ["sys", "net", "ipv4", "conf", _] => true,
        ["sys", "net", "ipv4", "conf", _, name] => SETTINGS.iter().any(|(n, _)| n == name),
        ["sys", rest @ ..] => {
            let mut dir = Some(ProcNode::SysctlDir(sysctl::ROOT));
            for name in rest {
                dir = match dir {
                    Some(ProcNode::SysctlDir(i)) => sysctl::lookup(i, name),
                    _ => None,
                };
            }
            dir.is_some()
        }
        ["mounts", ..] => true,
        ["net", rest @ ..] => is_modelled_of_task(&[&["net"], rest].concat()),
        ["self" | "thread-self", rest @ ..] => is_modelled_of_task(rest),
        [pid, rest @ ..] if pid.bytes().all(|b| b.is_ascii_digit()) => is_modelled_of_task(rest),
        [name, rest @ ..] => TopDir::from_name(name).is_some() && rest.is_empty() || TopFile::from_name(name).is_some(),
    }
}

/// The same in the directory of a process.
fn is_modelled_of_task(parts: &[&str]) -> bool {
    match parts {
        [] | ["task" | "fdinfo" | "fd" | "ns" | "net" | "attr"] | ["fd" | "fdinfo", ..] => true,
        ["cwd" | "root", ..] => true,
        ["task", _, rest @ ..] => is_modelled_of_task(rest),
        ["ns", name] => NsKind::from_name(name.strip_suffix("_for_children").unwrap_or(name)).is_some(),
        ["attr", name] => AttrFile::from_name(name).is_some(),
        ["net", name] => NetFile::from_name(name).is_some(),
        [name, ..] => TaskFile::from_name(name).is_some() || TaskLink::from_name(name).is_some(),
    }
}

/// A number for whose settings are in a directory.
fn conf_number(target: ConfTarget) -> u64 {
    match target {
        ConfTarget::All => 0,
        ConfTarget::Default => 1,
        ConfTarget::Device(dev) => 1 + u64::from(dev.0),
    }
}

impl World {
    /// What stat(2) shows of an entry.
    pub(in crate::vfs::fs) fn proc_attr(&self, sb: SuperId, node: ProcNode) -> Attr {
        let (file_type, mode) = match node {
            ProcNode::Root | ProcNode::Task(_) | ProcNode::Threads(_) | ProcNode::Thread(_) => {
                (FileType::Directory, 0o555)
            }
            ProcNode::AttrDir(_)
            | ProcNode::ApparmorAttrDir(_)
            | ProcNode::NetDir(_)
            | ProcNode::SysctlDir(_)
            | ProcNode::ConfDir(_)
            | ProcNode::PressureDir
            | ProcNode::SysvipcDir => (FileType::Directory, 0o555),
            ProcNode::Dir(d) => (FileType::Directory, d.mode()),
            ProcNode::FdDir(_) | ProcNode::FdInfoDir(_) => (FileType::Directory, 0o500),
            ProcNode::NsDir(_) => (FileType::Directory, 0o511),
            ProcNode::Link(_) | ProcNode::TaskLink(..) | ProcNode::NsLink(..) => (FileType::Symlink, 0o777),
            ProcNode::Fd(task, fd) => (FileType::Symlink, self.fd_link_mode(task, fd)),
            ProcNode::File(f) => (FileType::Regular, f.mode()),
            ProcNode::TaskFile(_, f) => (FileType::Regular, f.mode()),
            ProcNode::NetFile(_, f) => (FileType::Regular, f.mode()),
            ProcNode::Attr(_, f) | ProcNode::ApparmorAttr(_, f) => (FileType::Regular, f.mode()),
            ProcNode::Sysvipc(f) => (FileType::Regular, f.mode()),
            ProcNode::Pressure(f) => (FileType::Regular, f.mode()),
            ProcNode::FdInfo(..) => (FileType::Regular, 0o444),
            ProcNode::Conf(..) => (FileType::Regular, 0o644),
            ProcNode::Sysctl(i) => (FileType::Regular, sysctl::SYSCTLS.get(usize::from(i)).map_or(0, |s| s.mode)),
        };
        let (uid, gid) = self.proc_owner(node, file_type, mode);
        let links = if file_type == FileType::Directory { 2 } else { 1 };
        let now = self.unix_time();
        Attr {
            ino: self.proc_ino(sb, node),
            file_type,
            mode,
            uid,
            gid,
            nlink: links,
            size: if matches!(node, ProcNode::Fd(..)) { 64 } else { 0 },
            rdev: (0, 0),
            atime: now,
            mtime: now,
            ctime: now,
        }
    }

    /// `/proc/PID/fd/N` can be read and written as the descriptor can.
    fn fd_link_mode(&self, task: TaskId, fd: Fd) -> u32 {
        let file = self.file_id(task, fd).ok().and_then(|id| self.vfs.files.get(id));
        file.map_or(0o700, |f| 0o100 | if f.can_read() { 0o400 } else { 0 } | if f.can_write() { 0o200 } else { 0 })
    }

    /// Who owns an entry (`task_dump_owner`): the process' effective ids, or root when others may not look into
    /// it or when it has let go of its memory, as a zombie has. Directories that everybody may read and search
    /// always show who the process is.
    fn proc_owner(&self, node: ProcNode, file_type: FileType, mode: u32) -> (Kuid, Kgid) {
        let root = (Kuid::ROOT, Kgid::ROOT);
        let Some(t) = node.task().and_then(|t| self.tasks.get(t)) else { return root };
        let own = (t.cred.euid, t.cred.egid);
        if file_type == FileType::Directory && mode == 0o555 {
            return own;
        }
        if t.state.has_exited() {
            return root;
        }
        let Some(process) = self.processes.get(t.process).filter(|p| !p.dumpable) else { return own };
        let ns = self.user_namespaces.get(process.mm_user_ns);
        (ns.and_then(|n| n.kuid(0)).unwrap_or(Kuid::ROOT), ns.and_then(|n| n.kgid(0)).unwrap_or(Kgid::ROOT))
    }

    /// A number for an entry: made of what it is, so that it stays the same.
    fn proc_ino(&self, sb: SuperId, node: ProcNode) -> u64 {
        const FIRST: u64 = 0xf000_0000;
        match node {
            ProcNode::Root => 1,
            ProcNode::Link(l) => FIRST + 1 + l as u64,
            ProcNode::File(f) => FIRST + 16 + f as u64,
            ProcNode::Dir(d) => FIRST + 64 + d as u64,
            ProcNode::SysvipcDir => FIRST + 0x800,
            ProcNode::Sysvipc(f) => FIRST + 0x801 + f as u64,
            ProcNode::PressureDir => FIRST + 0x810,
            ProcNode::Pressure(f) => FIRST + 0x811 + f as u64,
            ProcNode::SysctlDir(i) => FIRST + 0x1000 + u64::from(i),
            ProcNode::Sysctl(i) => FIRST + 0x2000 + u64::from(i),
            ProcNode::ConfDir(t) => FIRST + 0x3000 + 0x40 * conf_number(t),
            ProcNode::Conf(t, i) => FIRST + 0x3001 + 0x40 * conf_number(t) + u64::from(i),
            _ => {
                let task = node.task().map_or(0, |t| u64::from(t.0));
                let within = match node {
                    ProcNode::Task(_) => 0,
                    ProcNode::Thread(_) => 1,
                    ProcNode::Threads(_) => 2,
                    ProcNode::FdDir(_) => 3,
                    ProcNode::FdInfoDir(_) => 4,
                    ProcNode::NsDir(_) => 5,
                    ProcNode::AttrDir(_) => 6,
                    ProcNode::NetDir(_) => 7,
                    ProcNode::ApparmorAttrDir(_) => 8,
                    ProcNode::Attr(_, f) => 48 + f as u64,
                    ProcNode::ApparmorAttr(_, f) => 56 + f as u64,
                    ProcNode::TaskLink(_, l) => 16 + l as u64,
                    ProcNode::NetFile(_, f) => 24 + f as u64,
                    ProcNode::NsLink(_, kind, other) => 32 + kind as u64 + if other { 8 } else { 0 },
                    ProcNode::TaskFile(_, f) => 64 + f as u64,
                    ProcNode::Fd(_, fd) => 128 + 2 * fd as u64,
                    ProcNode::FdInfo(_, fd) => 129 + 2 * fd as u64,
                    _ => 0,
                };
                0x1000 + u64::from(sb.0) + (task << 13) + within
            }
        }
    }

    /// The entry above.
    pub(in crate::vfs::fs) fn proc_parent(&self, node: ProcNode) -> ProcNode {
        match node {
            ProcNode::Root
            | ProcNode::Link(_)
            | ProcNode::File(_)
            | ProcNode::Dir(_)
            | ProcNode::Task(_)
            | ProcNode::SysvipcDir
            | ProcNode::PressureDir => ProcNode::Root,
            ProcNode::Pressure(_) => ProcNode::PressureDir,
            ProcNode::Sysvipc(_) => ProcNode::SysvipcDir,
            ProcNode::SysctlDir(i) => sysctl::parent_of_dir(i).map_or(ProcNode::Root, ProcNode::SysctlDir),
            ProcNode::Sysctl(i) => ProcNode::SysctlDir(sysctl::dir_of(i)),
            ProcNode::ConfDir(_) => conf::top(),
            ProcNode::Conf(t, _) => ProcNode::ConfDir(t),
            ProcNode::Thread(t) => {
                let leader = self.tasks.get(t).map(|t| self.processes[t.process].leader);
                ProcNode::Threads(leader.unwrap_or(t))
            }
            ProcNode::Fd(t, _) => ProcNode::FdDir(t),
            ProcNode::FdInfo(t, _) => ProcNode::FdInfoDir(t),
            ProcNode::NetFile(t, _) => ProcNode::NetDir(t),
            ProcNode::Attr(t, _) | ProcNode::ApparmorAttrDir(t) => ProcNode::AttrDir(t),
            ProcNode::ApparmorAttr(t, _) => ProcNode::ApparmorAttrDir(t),
            ProcNode::NsLink(t, ..) => ProcNode::NsDir(t),
            ProcNode::Threads(t)
            | ProcNode::TaskFile(t, _)
            | ProcNode::TaskLink(t, _)
            | ProcNode::FdDir(t)
            | ProcNode::FdInfoDir(t)
            | ProcNode::AttrDir(t)
            | ProcNode::NetDir(t)
            | ProcNode::NsDir(t) => ProcNode::Task(t),
        }
    }

    /// The name of an entry in the directory above it.
    pub(in crate::vfs::fs) fn proc_name(&self, sb: SuperId, node: ProcNode) -> String {
        match node {
            ProcNode::Root => String::new(),
            ProcNode::Link(l) => l.name().into(),
            ProcNode::File(f) => f.name().into(),
            ProcNode::Dir(d) => d.name().into(),
            ProcNode::Task(task) | ProcNode::Thread(task) => {
                self.pid_in(self.proc_pid_ns(sb), task).map_or_else(String::new, |nr| nr.to_string())
            }
            ProcNode::Threads(_) => "task".into(),
            ProcNode::TaskFile(_, f) => f.name().into(),
            ProcNode::TaskLink(_, l) => l.name().into(),
            ProcNode::FdDir(_) => "fd".into(),
            ProcNode::FdInfoDir(_) => "fdinfo".into(),
            ProcNode::Fd(_, fd) | ProcNode::FdInfo(_, fd) => fd.to_string(),
            ProcNode::AttrDir(_) => "attr".into(),
            ProcNode::ApparmorAttrDir(_) => "apparmor".into(),
            ProcNode::Attr(_, f) | ProcNode::ApparmorAttr(_, f) => f.name().into(),
            ProcNode::NetDir(_) => "net".into(),
            ProcNode::NetFile(_, f) => f.name().into(),
            ProcNode::NsDir(_) => "ns".into(),
            ProcNode::NsLink(_, kind, false) => kind.name().into(),
            ProcNode::NsLink(_, kind, true) => format!("{}_for_children", kind.name()),
            ProcNode::SysvipcDir => "sysvipc".into(),
            ProcNode::PressureDir => "pressure".into(),
            ProcNode::Pressure(f) => f.name().into(),
            ProcNode::Sysvipc(f) => f.name().into(),
            ProcNode::SysctlDir(i) => sysctl::dir_name(i).into(),
            ProcNode::Sysctl(i) => sysctl::SYSCTLS.get(usize::from(i)).map_or("", |s| s.name()).into(),
            ProcNode::ConfDir(t) => self.conf_dir_name(t),
            ProcNode::Conf(_, i) => SETTINGS.get(usize::from(i)).map_or("", |(name, _)| *name).into(),
        }
    }

    /// The task with this number in an instance.
    pub(super) fn proc_task(&self, ns: PidNsId, name: &str) -> Option<TaskId> {
        let canonical = !name.starts_with('0') && name.bytes().all(|b| b.is_ascii_digit());
        let nr: crate::namespace::pid::Pid = name.parse().ok().filter(|_| canonical)?;
        let pid = self.pid_namespaces.get(ns)?.numbers.get(&nr)?;
        self.pids[*pid].task
    }

    /// The descriptors of a task.
    pub(super) fn fds_of(&self, task: TaskId) -> Vec<Fd> {
        let table = self.fd_table_of(task).ok();
        table.map_or_else(Vec::new, |t| self.vfs.fd_tables[t].fds.keys().copied().collect())
    }
}
