//! Resource limits, as in getrlimit(2).

use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::task::signal::Signal;

/// No limit (`RLIM_INFINITY`).
pub const INFINITY: u64 = u64::MAX;

/// The resources in the order of their numbers: name without `RLIMIT_`, the title in
/// `/proc/PID/limits`, and the unit there.
pub const RESOURCES: [(&str, &str, &str); 16] = [
    ("CPU", "Max cpu time", "seconds"),
    ("FSIZE", "Max file size", "bytes"),
    ("DATA", "Max data size", "bytes"),
    ("STACK", "Max stack size", "bytes"),
    ("CORE", "Max core file size", "bytes"),
    ("RSS", "Max resident set", "bytes"),
    ("NPROC", "Max processes", "processes"),
    ("NOFILE", "Max open files", "files"),
    ("MEMLOCK", "Max locked memory", "bytes"),
    ("AS", "Max address space", "bytes"),
    ("LOCKS", "Max file locks", "locks"),
    ("SIGPENDING", "Max pending signals", "signals"),
    ("MSGQUEUE", "Max msgqueue size", "bytes"),
    ("NICE", "Max nice priority", ""),
    ("RTPRIO", "Max realtime priority", ""),
    ("RTTIME", "Max realtime timeout", "us"),
];

/// Index of `RLIMIT_CPU`.
pub const CPU: usize = 0;
/// Index of `RLIMIT_FSIZE`.
pub const FSIZE: usize = 1;
/// Index of `RLIMIT_DATA`.
pub const DATA: usize = 2;
/// Index of `RLIMIT_STACK`.
pub const STACK: usize = 3;
/// Index of `RLIMIT_MEMLOCK`.
pub const MEMLOCK: usize = 8;
/// Index of `RLIMIT_AS`.
pub const AS: usize = 9;
/// Index of `RLIMIT_CORE`.
pub const CORE: usize = 4;
/// Index of `RLIMIT_NPROC`.
pub const NPROC: usize = 6;
/// Index of `RLIMIT_NOFILE`.
pub const NOFILE: usize = 7;
/// Index of `RLIMIT_NICE`.
pub const NICE: usize = 13;
/// `RLIMIT_MSGQUEUE`
pub const MSGQUEUE: usize = 12;

/// A soft and a hard limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rlimit {
    /// What is enforced (`rlim_cur`).
    pub soft: u64,
    /// How far the soft limit may be raised (`rlim_max`).
    pub hard: u64,
}

/// The limits of a process, by resource number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rlimits(pub [Rlimit; 16]);

impl Rlimits {
    /// The limits of the standard world.
    pub fn standard() -> Rlimits {
        let both = |n| Rlimit { soft: n, hard: n };
        let mut all = [both(INFINITY); 16];
        all[3] = Rlimit { soft: 8 << 20, hard: INFINITY };
        all[CORE] = Rlimit { soft: 0, hard: INFINITY };
        all[NPROC] = Rlimit { soft: 4096, hard: 8192 };
        all[NOFILE] = Rlimit { soft: 1024, hard: 4096 };
        all[8] = both(8 << 20);
        all[11] = both(30_000);
        all[12] = both(819_200);
        all[NICE] = both(0);
        all[14] = both(0);
        Rlimits(all)
    }
}

impl Kernel<'_> {
    /// RLIMIT_CPU (`check_process_timers`): at the hard limit the process is killed; at the soft one it gets SIGXCPU,
    /// and once more in each second after that.
    pub(crate) fn check_cpu_limit(&mut self, task: TaskId) {
        let Some(process) = self.tasks.get(task).map(|t| t.process) else { return };
        let Some(p) = self.processes.get(process).filter(|p| p.exit_code.is_none()) else { return };
        let Rlimit { soft, hard } = p.rlimits.0[CPU];
        if soft == INFINITY {
            return;
        }
        let used: u64 = p.threads.iter().filter_map(|t| self.tasks.get(*t)).map(|t| t.cpu_time.0).sum();
        let reached = |seconds: u64| seconds != INFINITY && used / 1_000_000_000 >= seconds;
        if reached(hard) {
            self.send_signal(process, Signal::KILL, None);
        } else if reached(soft) {
            self.processes[process].rlimits.0[CPU].soft = soft + 1;
            self.send_signal(process, Signal::XCPU, None);
        }
    }
}
