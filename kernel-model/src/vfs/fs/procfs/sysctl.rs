//! `/proc/sys`: settings of the kernel, each as a file. Some belong to a namespace: then the file shows and
//! changes that of whoever reads or writes, wherever procfs is mounted.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::NsKind;
use crate::namespace::ipc::IpcNsId;
use crate::namespace::net::NetNsId;
use crate::namespace::uts::{KERNEL_RELEASE, KERNEL_VERSION, UTS_LEN};
use crate::security::capability::Cap;
use crate::security::credentials::{Cred, Kgid, Kuid};
use crate::task::TaskId;
use crate::vfs::permission::Access;

use super::node::ProcNode;

/// A setting.
pub struct Sysctl {
    /// Its path below `/proc/sys`.
    pub path: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// What it holds.
    pub kind: Kind,
}

/// To whom a setting belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// To the kernel.
    Global,
    /// To the IPC namespace.
    Ipc,
    /// To the network namespace.
    Net,
}

/// What a setting holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One or more integers between two bounds, with what they are at first.
    Ints(Scope, &'static str, i64, i64),
    /// Integers of 64 bits without a sign.
    Unsigned(Scope, &'static str),
    /// A line of text.
    Text(&'static str),
    /// The host name.
    Hostname,
    /// The domain name.
    Domainname,
    /// The release of the kernel.
    Osrelease,
    /// The version of the kernel.
    Version,
    /// How many pseudo-terminals there are.
    PtyNr,
    /// One above the highest pid of the PID namespace.
    PidMax,
    /// The pid handed out last in the PID namespace.
    NsLastPid,
    /// How many namespaces of a kind a user may make in the user namespace.
    MaxNamespaces(NsKind),
    /// How many of something else, by the name of the setting; the number is that of the first user namespace.
    MaxCount(&'static str, i32),
    /// A fresh UUID at each look.
    Uuid,
    /// How many files are open.
    FileNr,
    /// Whether packets go on: the same as `conf/all/forwarding`.
    IpForward,
}

const fn row(path: &'static str, mode: u32, kind: Kind) -> Sysctl {
    Sysctl { path, mode, kind }
}

const INT: i64 = i32::MAX as i64;
use Kind::{Ints, MaxNamespaces, Text, Unsigned};
use Scope::{Global, Ipc, Net};

/// All settings, sorted by path.
pub const SYSCTLS: &[Sysctl] = &[
    row("fs/file-max", 0o644, Unsigned(Global, "9223372036854775807")),
    row("fs/file-nr", 0o444, Kind::FileNr),
    row("fs/mount-max", 0o644, Ints(Global, "100000", 1, INT)),
    row("fs/mqueue/msg_default", 0o644, Ints(Ipc, "10", 1, 65_536)),
    row("fs/mqueue/msg_max", 0o644, Ints(Ipc, "10", 1, 65_536)),
    row("fs/mqueue/msgsize_default", 0o644, Ints(Ipc, "8192", 128, 16_777_216)),
    row("fs/mqueue/msgsize_max", 0o644, Ints(Ipc, "8192", 128, 16_777_216)),
    row("fs/mqueue/queues_max", 0o644, Ints(Ipc, "256", -INT, INT)),
    row("fs/nr_open", 0o644, Ints(Global, "1048576", 64, INT)),
    row("fs/overflowgid", 0o644, Ints(Global, "65534", 0, 65_535)),
    row("fs/overflowuid", 0o644, Ints(Global, "65534", 0, 65_535)),
    row("fs/pipe-max-size", 0o644, Ints(Global, "1048576", 4096, INT)),
    row("fs/protected_fifos", 0o600, Ints(Global, "0", 0, 2)),
    row("fs/protected_hardlinks", 0o600, Ints(Global, "1", 0, 1)),
    row("fs/protected_regular", 0o600, Ints(Global, "0", 0, 2)),
    row("fs/protected_symlinks", 0o600, Ints(Global, "0", 0, 1)),
    row("fs/suid_dumpable", 0o644, Ints(Global, "0", 0, 2)),
    row("kernel/arch", 0o444, Text("x86_64")),
    row("kernel/cap_last_cap", 0o444, Text("40")),
    row("kernel/core_pattern", 0o644, Text("core")),
    row("kernel/core_uses_pid", 0o644, Ints(Global, "0", -INT, INT)),
    row("kernel/ctrl-alt-del", 0o644, Ints(Global, "0", -INT, INT)),
    row("kernel/dmesg_restrict", 0o644, Ints(Global, "1", 0, 1)),
    row("kernel/domainname", 0o644, Kind::Domainname),
    row("kernel/hostname", 0o644, Kind::Hostname),
    row("kernel/kptr_restrict", 0o644, Ints(Global, "0", 0, 2)),
    row("kernel/msgmax", 0o644, Ints(Ipc, "8192", 0, INT)),
    row("kernel/msgmnb", 0o644, Ints(Ipc, "16384", 0, INT)),
    row("kernel/msgmni", 0o644, Ints(Ipc, "32000", 0, 32_768)),
    row("kernel/ngroups_max", 0o444, Text("65536")),
    row("kernel/ns_last_pid", 0o666, Kind::NsLastPid),
    row("kernel/osrelease", 0o444, Kind::Osrelease),
    row("kernel/ostype", 0o444, Text("Linux")),
    row("kernel/overflowgid", 0o644, Ints(Global, "65534", 0, 65_535)),
    row("kernel/overflowuid", 0o644, Ints(Global, "65534", 0, 65_535)),
    row("kernel/panic", 0o644, Ints(Global, "0", -INT, INT)),
    row("kernel/perf_event_paranoid", 0o644, Ints(Global, "2", -1, 4)),
    row("kernel/pid_max", 0o644, Kind::PidMax),
    row("kernel/printk", 0o644, Ints(Global, "4\t4\t1\t7", -INT, INT)),
    row("kernel/pty/max", 0o644, Ints(Global, "4096", 0, INT)),
    row("kernel/pty/nr", 0o444, Kind::PtyNr),
    row("kernel/pty/reserve", 0o644, Ints(Global, "1024", 0, INT)),
    row("kernel/random/boot_id", 0o444, Text("6d0f0b9e-3c51-4e0a-9a44-2f6f3f0c1d77")),
    row("kernel/random/entropy_avail", 0o444, Text("256")),
    row("kernel/random/poolsize", 0o444, Text("256")),
    row("kernel/random/uuid", 0o444, Kind::Uuid),
    row("kernel/randomize_va_space", 0o644, Ints(Global, "2", -INT, INT)),
    row("kernel/sem", 0o644, Ints(Ipc, "32000\t1024000000\t500\t32000", -INT, INT)),
    row("kernel/shm_rmid_forced", 0o644, Ints(Ipc, "0", 0, 1)),
    row("kernel/shmall", 0o644, Unsigned(Ipc, "18446744073692774399")),
    row("kernel/shmmax", 0o644, Unsigned(Ipc, "18446744073692774399")),
    row("kernel/shmmni", 0o644, Ints(Ipc, "4096", 0, 32_768)),
    row("kernel/tainted", 0o644, Text("0")),
    row("kernel/threads-max", 0o644, Ints(Global, "16384", 20, INT)),
    row("kernel/unprivileged_bpf_disabled", 0o644, Ints(Global, "2", 0, 2)),
    row("kernel/version", 0o444, Kind::Version),
    row("net/core/somaxconn", 0o644, Ints(Net, "4096", 0, INT)),
    row("net/ipv4/icmp_echo_ignore_all", 0o644, Ints(Net, "0", 0, 1)),
    row("net/ipv4/icmp_echo_ignore_broadcasts", 0o644, Ints(Net, "1", 0, 1)),
    row("net/ipv4/ip_default_ttl", 0o644, Ints(Net, "64", 1, 255)),
    row("net/ipv4/ip_forward", 0o644, Kind::IpForward),
    row("net/ipv4/ip_local_port_range", 0o644, Ints(Net, "32768\t60999", 0, 65_535)),
    row("net/ipv4/ip_unprivileged_port_start", 0o644, Ints(Net, "1024", 0, 65_535)),
    row("net/ipv4/ping_group_range", 0o644, Ints(Net, "1\t0", 0, INT)),
    row("user/max_cgroup_namespaces", 0o644, MaxNamespaces(NsKind::Cgroup)),
    row("user/max_fanotify_groups", 0o644, Kind::MaxCount("max_fanotify_groups", 128)),
    row("user/max_fanotify_marks", 0o644, Kind::MaxCount("max_fanotify_marks", 8192)),
    row("user/max_inotify_instances", 0o644, Kind::MaxCount("max_inotify_instances", 128)),
    row("user/max_inotify_watches", 0o644, Kind::MaxCount("max_inotify_watches", 8192)),
    row("user/max_ipc_namespaces", 0o644, MaxNamespaces(NsKind::Ipc)),
    row("user/max_mnt_namespaces", 0o644, MaxNamespaces(NsKind::Mnt)),
    row("user/max_net_namespaces", 0o644, MaxNamespaces(NsKind::Net)),
    row("user/max_pid_namespaces", 0o644, MaxNamespaces(NsKind::Pid)),
    row("user/max_time_namespaces", 0o644, MaxNamespaces(NsKind::Time)),
    row("user/max_user_namespaces", 0o644, MaxNamespaces(NsKind::User)),
    row("user/max_uts_namespaces", 0o644, MaxNamespaces(NsKind::Uts)),
    row("vm/drop_caches", 0o200, Ints(Global, "0", 1, 4)),
    row("vm/max_map_count", 0o644, Ints(Global, "65530", 0, INT)),
    row("vm/overcommit_memory", 0o644, Ints(Global, "0", 0, 2)),
    row("vm/overcommit_ratio", 0o644, Ints(Global, "50", -INT, INT)),
    row("vm/swappiness", 0o644, Ints(Global, "60", 0, 200)),
];

/// All directories, parents first; the first is `/proc/sys` itself.
const DIRECTORIES: &[&str] = &[
    "",
    "fs",
    "fs/mqueue",
    "kernel",
    "kernel/pty",
    "kernel/random",
    "net",
    "net/core",
    "net/ipv4",
    "net/ipv4/conf",
    "user",
    "vm",
];

/// `/proc/sys` itself.
pub(super) const ROOT: u16 = 0;

/// What no pid_max may be below (`RESERVED_PIDS + 1`), and above.
const PID_MAX_BOUNDS: (i64, i64) = (301, 4_194_304);

/// Directory and name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The place of a directory in the table of all of them.
pub(super) fn dir_index(path: &str) -> u16 {
    DIRECTORIES.iter().position(|d| *d == path).unwrap_or(0) as u16
}

/// The directory of a directory; `None` for the top.
pub(super) fn parent_of_dir(index: u16) -> Option<u16> {
    let path = DIRECTORIES.get(usize::from(index)).filter(|p| !p.is_empty())?;
    Some(dir_index(split(path).0))
}

/// The directory of a setting.
pub(super) fn dir_of(index: u16) -> u16 {
    SYSCTLS.get(usize::from(index)).map_or(ROOT, |s| dir_index(split(s.path).0))
}

/// The name of a directory.
pub(super) fn dir_name(index: u16) -> &'static str {
    match DIRECTORIES.get(usize::from(index)) {
        Some(path) if !path.is_empty() => split(path).1,
        _ => "sys",
    }
}

/// What is in a directory.
pub(super) fn entries(dir: u16) -> Vec<ProcNode> {
    let Some(path) = DIRECTORIES.get(usize::from(dir)) else { return Vec::new() };
    let in_here = |p: &str| !p.is_empty() && split(p).0 == *path;
    let dirs = DIRECTORIES.iter().zip(0..).filter(|(p, _)| in_here(p)).map(|(_, i)| ProcNode::SysctlDir(i));
    let files = SYSCTLS.iter().zip(0..).filter(|(s, _)| in_here(s.path)).map(|(_, i)| ProcNode::Sysctl(i));
    dirs.chain(files).collect()
}

/// What a name in a directory leads to.
pub(super) fn lookup(dir: u16, name: &str) -> Option<ProcNode> {
    entries(dir).into_iter().find(|entry| match entry {
        ProcNode::SysctlDir(i) => dir_name(*i) == name,
        ProcNode::Sysctl(i) => SYSCTLS.get(usize::from(*i)).is_some_and(|s| s.name() == name),
        _ => false,
    })
}

impl Sysctl {
    /// The name in its directory.
    pub fn name(&self) -> &'static str {
        split(self.path).1
    }

    fn scope(&self) -> Scope {
        match self.kind {
            Kind::Ints(scope, ..) | Kind::Unsigned(scope, _) => scope,
            Kind::IpForward => Scope::Net,
            _ => Scope::Global,
        }
    }
}

impl Kernel<'_> {
    /// Under which key the value of a setting is kept, as `task` means it.
    fn sysctl_key(&self, sysctl: &Sysctl, task: TaskId) -> String {
        let proxy = &self.tasks[task].nsproxy;
        match sysctl.scope() {
            Scope::Global => sysctl.path.to_owned(),
            Scope::Ipc => format!("{}@ipc{}", sysctl.path, proxy.ipc),
            Scope::Net => format!("{}@net{}", sysctl.path, proxy.net),
        }
    }

    /// A setting of an IPC namespace that is one number; the last of them, if it is several. What is negative is
    /// as high as can be, as the kernel compares it.
    pub(crate) fn ipc_limit(&self, ns: IpcNsId, path: &str) -> u64 {
        let text = self.ipc_setting(ns, path);
        let last = text.rsplit('\t').next().unwrap_or_default();
        last.parse().or_else(|_| last.parse().map(|n: i64| n as u64)).unwrap_or(0)
    }

    /// `kernel.sem` of an IPC namespace: semmsl, semmns, semopm and semmni.
    pub(crate) fn sem_limits(&self, ns: IpcNsId) -> [i64; 4] {
        let text = self.ipc_setting(ns, "kernel/sem");
        let mut numbers = text.split('\t').map(|n| n.parse().unwrap_or(0));
        std::array::from_fn(|_| numbers.next().unwrap_or(0))
    }

    fn ipc_setting(&self, ns: IpcNsId, path: &str) -> String {
        let first = SYSCTLS.iter().find(|s| s.path == path).map(|s| s.kind);
        match (self.sysctls.get(&format!("{path}@ipc{ns}")), first) {
            (Some(set), _) => set.clone(),
            (None, Some(Kind::Ints(_, first, ..) | Kind::Unsigned(_, first))) => first.to_owned(),
            (None, _) => String::new(),
        }
    }

    /// A setting of a network namespace, by its path below `/proc/sys`.
    pub(crate) fn net_setting(&self, net: NetNsId, path: &str) -> Option<String> {
        let first = SYSCTLS.iter().find(|s| s.path == path).map(|s| s.kind);
        match (self.sysctls.get(&format!("{path}@net{net}")), first) {
            (Some(set), _) => Some(set.clone()),
            (None, Some(Kind::Ints(_, first, ..) | Kind::Unsigned(_, first))) => Some(first.to_owned()),
            (None, _) => None,
        }
    }

    /// The value of a setting as `task` means it, without the newline; the setting is named by its path below
    /// `/proc/sys`, such as `kernel/msgmni`.
    pub fn sysctl(&self, path: &str, task: TaskId) -> Option<String> {
        let sysctl = SYSCTLS.iter().find(|s| s.path == path)?;
        Some(self.sysctl_value(sysctl, task))
    }

    /// A setting of the kernel that is one number; 0 for one that does not exist.
    pub(crate) fn global_number(&self, path: &str) -> i64 {
        let first = || match SYSCTLS.iter().find(|s| s.path == path).map(|s| s.kind) {
            Some(Kind::Ints(Scope::Global, first, ..)) => first,
            _ => "",
        };
        self.sysctls.get(path).map_or_else(first, String::as_str).parse().unwrap_or(0)
    }

    fn sysctl_value(&self, sysctl: &Sysctl, task: TaskId) -> String {
        let t = &self.tasks[task];
        match sysctl.kind {
            Kind::Ints(_, first, ..) | Kind::Unsigned(_, first) | Kind::Text(first) => {
                let key = self.sysctl_key(sysctl, task);
                self.sysctls.get(&key).map_or_else(|| first.to_owned(), Clone::clone)
            }
            Kind::Hostname => self.uts_namespaces[t.nsproxy.uts].nodename.clone(),
            Kind::Domainname => self.uts_namespaces[t.nsproxy.uts].domainname.clone(),
            Kind::Osrelease => KERNEL_RELEASE.to_owned(),
            Kind::Version => KERNEL_VERSION.to_owned(),
            Kind::PidMax => self.pid_namespaces[self.pid_ns_of(task)].pid_max.to_string(),
            Kind::NsLastPid => self.pid_namespaces[self.pid_ns_of(task)].last_pid.to_string(),
            Kind::MaxNamespaces(kind) => self.user_namespaces[t.cred.user_ns].max_namespaces(kind).to_string(),
            Kind::PtyNr => self.pty_count().to_string(),
            Kind::MaxCount(name, first) => {
                let ns = &self.user_namespaces[t.cred.user_ns];
                let first = if ns.parent.is_none() { first } else { i32::MAX };
                ns.ucount_max.get(name).copied().unwrap_or(first).to_string()
            }
            Kind::Uuid => uuid(&self.random(16)),
            Kind::IpForward => {
                let which = crate::net::conf::setting("forwarding").unwrap_or_default();
                self.conf_value(t.nsproxy.net, crate::net::conf::ConfTarget::All, which).to_string()
            }
            Kind::FileNr => format!("{}\t0\t9223372036854775807", self.vfs.files.len()),
        }
    }

    /// What a setting says to `task`.
    ///
    /// # Errors
    /// EINVAL for a setting that does not exist.
    pub(super) fn sysctl_text(&self, index: u16, task: TaskId) -> Result<String, Errno> {
        let sysctl = SYSCTLS.get(usize::from(index)).ok_or(Errno::EINVAL)?;
        Ok(self.sysctl_value(sysctl, task) + "\n")
    }

    /// Who may read and write a setting: its bits alone, no capability overrides them. Whose bits count
    /// depends on whom the setting belongs to (`sysctl_perm` and the `permissions` of each set).
    pub(super) fn sysctl_permission(&mut self, cred: &Cred, index: u16, access: Access) -> bool {
        let Some(sysctl) = SYSCTLS.get(usize::from(index)) else { return false };
        let mode = sysctl.mode;
        let current = self.sched.current;
        let proxy = current.and_then(|t| self.tasks.get(t)).map(|t| t.nsproxy);
        let granted = match (sysctl.kind, sysctl.scope(), proxy) {
            (Kind::MaxNamespaces(_) | Kind::MaxCount(..), ..) => {
                if self.cred_has_cap(cred, cred.user_ns, Cap::SYS_RESOURCE) { mode >> 6 } else { mode & 0o4 }
            }
            (Kind::PidMax, _, Some(_)) => {
                let owner = current.map(|t| self.pid_namespaces[self.pid_ns_of(t)].ns.owner);
                let owner = owner.unwrap_or(cred.user_ns);
                let root = self.user_namespaces[owner].kuid(0);
                let may = self.cred_has_cap(cred, owner, Cap::SYS_ADMIN) || Some(cred.euid) == root;
                if may { mode >> 6 } else { mode & 0o4 }
            }
            (_, Scope::Ipc, Some(proxy)) => {
                let owner = &self.user_namespaces[self.ipc_namespaces[proxy.ipc].ns.owner];
                bits_for(cred, mode, owner.kuid(0).unwrap_or(Kuid::ROOT), owner.kgid(0).unwrap_or(Kgid::ROOT))
            }
            (_, Scope::Net, Some(_)) => return self.net_sysctl_permission(cred, mode, access),
            _ => bits_for(cred, mode, Kuid::ROOT, Kgid::ROOT),
        };
        Access::from_bits_truncate(granted & 6).contains(access)
    }

    /// The same for a setting of the network namespace: who may administer it may do what root may
    /// (`net_ctl_permissions`).
    pub(super) fn net_sysctl_permission(&mut self, cred: &Cred, mode: u32, access: Access) -> bool {
        let net = self.sched.current.and_then(|t| self.tasks.get(t)).map(|t| t.nsproxy.net);
        let owner = net.and_then(|n| self.net_namespaces.get(n)).map(|n| n.ns.owner);
        let granted = match owner {
            Some(owner) if self.cred_has_cap(cred, owner, Cap::NET_ADMIN) => mode >> 6,
            _ => bits_for(cred, mode, Kuid::ROOT, Kgid::ROOT),
        };
        Access::from_bits_truncate(granted & 6).contains(access)
    }

    /// Changes a setting. Only what is written at the start of the file counts.
    ///
    /// # Errors
    /// EINVAL for a text that makes no sense or a number out of bounds; EPERM for ns_last_pid without
    /// CAP_CHECKPOINT_RESTORE.
    pub(super) fn write_sysctl(&mut self, task: TaskId, index: u16, text: &str, at_start: bool) -> Result<(), Errno> {
        let sysctl = SYSCTLS.get(usize::from(index)).ok_or(Errno::EINVAL)?;
        if !at_start {
            return Ok(());
        }
        match sysctl.kind {
            Kind::Ints(_, _, min, max) => {
                let old = self.sysctl_value(sysctl, task);
                let new = integers(text, &old, min, max)?;
                let key = self.sysctl_key(sysctl, task);
                if sysctl.path == "kernel/sem" && !semmni(&new).is_some_and(|n| (0..=SEMMNI_MAX).contains(&n)) {
                    // Only the number that is out of bounds is taken back (`proc_ipc_sem_dointvec`).
                    let last = semmni(&old).unwrap_or(SEMMNI_MAX);
                    let kept = new.rsplit_once('\t').map_or(old.clone(), |(others, _)| format!("{others}\t{last}"));
                    self.sysctls.insert(key, kept);
                    return Err(Errno::EINVAL);
                }
                self.sysctls.insert(key, new.clone());
                if sysctl.path == "kernel/shm_rmid_forced" && new != "0" {
                    // `proc_ipc_dointvec_minmax_orphans`
                    let ns = self.tasks[task].nsproxy.ipc;
                    self.destroy_orphaned_shm(ns);
                }
            }
            Kind::IpForward => {
                let which = crate::net::conf::setting("forwarding").ok_or(Errno::EINVAL)?;
                self.write_conf(task, crate::net::conf::ConfTarget::All, which, text, true)?;
            }
            Kind::Unsigned(..) => {
                let number: u64 = text.trim().parse().map_err(|_| Errno::EINVAL)?;
                let key = self.sysctl_key(sysctl, task);
                self.sysctls.insert(key, number.to_string());
            }
            Kind::Text(_) => {
                let line = text.lines().next().unwrap_or("").to_owned();
                self.sysctls.insert(sysctl.path.to_owned(), line);
            }
            Kind::Hostname | Kind::Domainname => self.write_uts_name(task, sysctl.kind, text),
            Kind::PidMax => {
                let max = single(text, PID_MAX_BOUNDS.0, PID_MAX_BOUNDS.1)?;
                let ns = self.pid_ns_of(task);
                self.pid_namespaces[ns].pid_max = max as i32;
            }
            Kind::NsLastPid => {
                let ns = self.pid_ns_of(task);
                let owner = self.pid_namespaces[ns].ns.owner;
                if !self.capable_in(task, owner, Cap::CHECKPOINT_RESTORE)
                    && !self.capable_in(task, owner, Cap::SYS_ADMIN)
                {
                    return Err(Errno::EPERM);
                }
                let last = single(text, 0, i64::from(self.pid_namespaces[ns].pid_max))?;
                self.pid_namespaces[ns].last_pid = last as i32;
            }
            Kind::MaxNamespaces(_) | Kind::MaxCount(..) => {
                let max = single(text, 0, INT)?;
                let ns = self.tasks[task].cred.user_ns;
                self.user_namespaces[ns].ucount_max.insert(sysctl.name().to_owned(), max as i32);
            }
            Kind::Osrelease | Kind::Version | Kind::Uuid | Kind::FileNr | Kind::PtyNr => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// `proc_do_uts_string`: what is too long is cut off.
    fn write_uts_name(&mut self, task: TaskId, kind: Kind, text: &str) {
        let new = crate::task::exec::cut(text.lines().next().unwrap_or(""), UTS_LEN);
        let ns = self.tasks[task].nsproxy.uts;
        let uts = &mut self.uts_namespaces[ns];
        let name = if kind == Kind::Hostname { &mut uts.nodename } else { &mut uts.domainname };
        let old = std::mem::replace(name, new.clone());
        self.emit(EventKind::NodenameSet { ns, old: old.into(), new: new.into() });
    }
}

/// The bits that count for somebody when a file belongs to `uid` and `gid`: effective ids decide (`test_perm`).
fn bits_for(cred: &Cred, mode: u32, uid: Kuid, gid: Kgid) -> u32 {
    if cred.euid == uid {
        mode >> 6
    } else if cred.egid == gid || cred.groups.contains(&gid) {
        mode >> 3
    } else {
        mode
    }
}

/// As many integers as the setting has, or fewer; those left off stay (`proc_dointvec_minmax`).
fn integers(text: &str, old: &str, min: i64, max: i64) -> Result<String, Errno> {
    let mut values: Vec<String> = old.split('\t').map(str::to_owned).collect();
    let new: Vec<&str> = text.split_ascii_whitespace().collect();
    if new.is_empty() {
        return Err(Errno::EINVAL);
    }
    for (value, new) in values.iter_mut().zip(new) {
        let number: i64 = new.parse().map_err(|_| Errno::EINVAL)?;
        if number < min || number > max {
            return Err(Errno::EINVAL);
        }
        *value = number.to_string();
    }
    Ok(values.join("\t"))
}

/// The highest number of semaphore sets that can be asked for.
const SEMMNI_MAX: i64 = 32_768;

/// The last number of `kernel.sem`: how many sets there may be.
fn semmni(text: &str) -> Option<i64> {
    text.rsplit('\t').next()?.parse().ok()
}

/// One integer between two bounds.
fn single(text: &str, min: i64, max: i64) -> Result<i64, Errno> {
    text.trim().parse().ok().filter(|n| (min..=max).contains(n)).ok_or(Errno::EINVAL)
}

/// Sixteen bytes as a UUID of version 4.
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = match i {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_directory_and_is_found_in_it() {
        for (sysctl, i) in SYSCTLS.iter().zip(0..) {
            let dir = dir_of(i);
            assert_eq!(DIRECTORIES[usize::from(dir)], split(sysctl.path).0);
            assert_eq!(lookup(dir, sysctl.name()), Some(ProcNode::Sysctl(i)));
        }
        assert!(SYSCTLS.is_sorted_by_key(|s| s.path));
    }

    #[test]
    fn settings_with_several_numbers_keep_those_that_are_not_given() {
        assert_eq!(integers("10 20", "1\t2\t3", 0, 100), Ok("10\t20\t3".to_owned()));
        assert_eq!(integers("-5", "32000", 0, 32_768), Err(Errno::EINVAL));
        assert_eq!(integers("x", "1", 0, 9), Err(Errno::EINVAL));
    }
}
