//! Which calls and signals are shown: `-e trace=` and `-e signal=`.

use std::collections::BTreeSet;

use crate::syscall::{self, Arg, NAMES, SyscallInfo, Sysno};
use crate::task::signal::Signal;

/// What is shown; everything if nothing was asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    calls: Option<BTreeSet<Sysno>>,
    signals: Option<BTreeSet<Signal>>,
}

/// Names of calls that belong to a class by what they are about.
const CLASSES: &[(&str, &[&str])] = &[
    (
        "process",
        &[
            "clone",
            "clone3",
            "fork",
            "vfork",
            "execve",
            "execveat",
            "exit",
            "exit_group",
            "kill",
            "tgkill",
            "tkill",
            "wait4",
            "waitid",
            "pidfd_open",
            "pidfd_send_signal",
            "rt_sigqueueinfo",
            "unshare",
            "setns",
        ],
    ),
    (
        "network",
        &[
            "socket",
            "socketpair",
            "bind",
            "connect",
            "listen",
            "accept",
            "accept4",
            "getsockname",
            "getpeername",
            "sendto",
            "recvfrom",
            "sendmsg",
            "recvmsg",
            "sendmmsg",
            "recvmmsg",
            "shutdown",
            "setsockopt",
            "getsockopt",
        ],
    ),
    (
        "signal",
        &[
            "rt_sigaction",
            "rt_sigprocmask",
            "rt_sigreturn",
            "rt_sigpending",
            "rt_sigsuspend",
            "rt_sigtimedwait",
            "sigaltstack",
            "kill",
            "tkill",
            "tgkill",
            "pause",
            "pidfd_send_signal",
            "signalfd",
            "signalfd4",
        ],
    ),
    (
        "ipc",
        &[
            "shmget",
            "shmat",
            "shmctl",
            "shmdt",
            "semget",
            "semop",
            "semctl",
            "semtimedop",
            "msgget",
            "msgsnd",
            "msgrcv",
            "msgctl",
        ],
    ),
    (
        "creds",
        &[
            "getuid",
            "getgid",
            "geteuid",
            "getegid",
            "setuid",
            "setgid",
            "setreuid",
            "setregid",
            "setresuid",
            "setresgid",
            "getresuid",
            "getresgid",
            "setfsuid",
            "setfsgid",
            "getgroups",
            "setgroups",
            "capget",
            "capset",
            "prctl",
        ],
    ),
    (
        "memory",
        &["mmap", "munmap", "mprotect", "brk", "mremap", "madvise", "mlock", "munlock", "msync", "shmat", "shmdt"],
    ),
    ("clock", &["clock_gettime", "clock_settime", "clock_getres", "clock_nanosleep", "gettimeofday", "settimeofday"]),
];

impl Filter {
    /// Whether a call is shown.
    pub fn shows(&self, nr: Sysno) -> bool {
        self.calls.as_ref().is_none_or(|set| set.contains(&nr))
    }

    /// Whether a signal is shown.
    pub fn shows_signal(&self, signal: Signal) -> bool {
        self.signals.as_ref().is_none_or(|set| set.contains(&signal))
    }

    /// `-e trace=SET`
    ///
    /// # Errors
    /// What strace says of a name that does not exist.
    pub fn trace(&mut self, set: &str) -> Result<(), String> {
        let all = || NAMES.iter().map(|(nr, _)| Sysno(*nr));
        let (inverted, names) = set.strip_prefix('!').map_or((false, set), |rest| (true, rest));
        let mut found = BTreeSet::new();
        for name in names.split(',') {
            match name {
                "all" => found.extend(all()),
                "none" => {}
                _ => found.extend(calls_named(name)?),
            }
        }
        self.calls = Some(if inverted { all().filter(|nr| !found.contains(nr)).collect() } else { found });
        Ok(())
    }

    /// `-e signal=SET`
    ///
    /// # Errors
    /// What strace says of a name that does not exist.
    pub fn signal(&mut self, set: &str) -> Result<(), String> {
        let all = || (1..=64).filter_map(Signal::from_number);
        let (inverted, names) = set.strip_prefix('!').map_or((false, set), |rest| (true, rest));
        let mut found = BTreeSet::new();
        for name in names.split(',') {
            match name {
                "all" => found.extend(all()),
                "none" => {}
                _ => {
                    let number = name.parse().ok().and_then(Signal::from_number);
                    let bad = || format!("invalid signal '{name}'");
                    found.insert(number.or_else(|| Signal::from_name(name)).ok_or_else(bad)?);
                }
            }
        }
        self.signals = Some(if inverted { all().filter(|s| !found.contains(s)).collect() } else { found });
        Ok(())
    }
}

/// The calls of a name, number or class.
fn calls_named(name: &str) -> Result<Vec<Sysno>, String> {
    let (optional, bare) = name.strip_prefix('?').map_or((false, name), |rest| (true, rest));
    let class = bare.strip_prefix('%').unwrap_or(bare);
    let by_argument = |wanted: fn(&Arg) -> bool| {
        syscall::records().filter(|r: &&SyscallInfo| r.args.iter().any(wanted)).map(|r| r.nr).collect()
    };
    match class {
        "file" => return Ok(by_argument(|arg| matches!(arg, Arg::Path(_)))),
        "desc" => return Ok(by_argument(|arg| matches!(arg, Arg::Fd(_)))),
        "net" => return calls_named("%network"),
        _ => {}
    }
    if let Some((_, names)) = CLASSES.iter().find(|(n, _)| *n == class) {
        return Ok(names.iter().filter_map(|n| Sysno::from_name(n)).collect());
    }
    let number = bare.parse().ok().filter(|nr| NAMES.iter().any(|(n, _)| n == nr)).map(Sysno);
    match number.or_else(|| Sysno::from_name(bare)) {
        Some(nr) => Ok(vec![nr]),
        None if optional => Ok(Vec::new()),
        None => Err(format!("invalid system call '{bare}'")),
    }
}
