//! `/proc/PID/status` and `/proc/PID/stat`: who a task is, in lines and in numbers (`fs/proc/array.c`).

use std::fmt::Write;

use crate::kernel::Kernel;
use crate::mm::PAGE_SIZE;
use crate::namespace::pid::{Pid, PidId, PidNsId};
use crate::security::credentials::Cred;
use crate::task::sched::{CPU_POSSIBLE, Policy};
use crate::task::signal::{Disposition, SigSet};
use crate::task::{Task, TaskId, TaskState};
use crate::time::Nanos;
use crate::world::World;

/// Ticks in a second (`USER_HZ`).
const TICK: u64 = 10_000_000;

/// The letter and the word for what a task does. Who stands still in a frozen v1 group cannot be woken by a signal
/// (D); in a frozen v2 group it sleeps like anybody else.
pub fn state_name(task: &Task) -> &'static str {
    match &task.state {
        state if task.frozen.by_v1 && !state.has_exited() => "D (disk sleep)",
        TaskState::Runnable if task.frozen.by_v2 => "S (sleeping)",
        TaskState::Runnable => "R (running)",
        TaskState::Sleeping(sleep) if sleep.is_uninterruptible() => "D (disk sleep)",
        TaskState::Sleeping(_) => "S (sleeping)",
        TaskState::Stopped(_) => "T (stopped)",
        TaskState::Zombie => "Z (zombie)",
        TaskState::Dead => "X (dead)",
    }
}

impl World {
    /// The number of a process in `ns`; 0 where it cannot be seen.
    fn nr_in(&self, ns: PidNsId, pid: PidId) -> Pid {
        self.pids.get(pid).and_then(|p| p.number_in(ns)).unwrap_or(0)
    }

    /// The number of the parent as `ns` shows it; 0 where it cannot be seen.
    pub(crate) fn ppid_in(&self, ns: PidNsId, task: TaskId) -> Pid {
        let parent = self.processes[self.tasks[task].process].parent;
        parent.and_then(|p| self.pid_in(ns, self.processes[p].leader)).unwrap_or(0)
    }

    /// Signals that are ignored, and those that have a handler.
    fn dispositions(&self, task: TaskId) -> (SigSet, SigSet) {
        let (mut ignored, mut caught) = (SigSet::EMPTY, SigSet::EMPTY);
        let Some(sighand) = self.sighands.get(self.tasks[task].sighand) else { return (ignored, caught) };
        for (signal, disposition) in &sighand.actions {
            match disposition {
                Disposition::Ignore => ignored.insert(*signal),
                Disposition::Handler { .. } => caught.insert(*signal),
                Disposition::Default => {}
            }
        }
        (ignored, caught)
    }

    /// The numbers of an identity in `ns` and in every namespace below it down to the task's own.
    fn numbers_from(&self, ns: PidNsId, task: TaskId, pid: PidId) -> String {
        let level = self.pid_namespaces.get(ns).map_or(0, |n| n.level);
        let own = &self.pids[self.tasks[task].pid];
        own.numbers.iter().skip(level).map(|(ns, _)| format!("\t{}", self.nr_in(*ns, pid))).collect()
    }
}

impl Kernel<'_> {
    /// `/proc/PID/status` as an instance for `ns` shows it to somebody with the credentials `viewer`.
    pub(super) fn status_text(&self, task: TaskId, ns: PidNsId, viewer: &Cred) -> String {
        let t = &self.tasks[task];
        let p = &self.processes[t.process];
        let leader = self.tasks.get(p.leader).map_or(t.pid, |l| l.pid);
        let cred = &t.cred;
        let user_ns = &self.user_namespaces[viewer.user_ns];
        let uids = [cred.uid, cred.euid, cred.suid, cred.fsuid].map(|u| user_ns.uid(u).to_string()).join("\t");
        let gids = [cred.gid, cred.egid, cred.sgid, cred.fsgid].map(|g| user_ns.gid(g).to_string()).join("\t");
        let groups: Vec<String> = cred.groups.iter().map(|g| user_ns.gid(*g).to_string()).collect();
        let (ignored, caught) = self.dispositions(task);
        let highest = t.files.and_then(|f| self.vfs.fd_tables[f].fds.get_max().map(|(fd, _)| *fd)).unwrap_or(0);
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}:\t{value}");
        };
        line("Name", &escape(&t.comm));
        if let Some(fs) = self.vfs.fs_structs.get(t.fs).filter(|_| !t.state.has_exited()) {
            line("Umask", &format!("{:04o}", fs.umask));
        }
        line("State", &state_name(t));
        line("Tgid", &self.nr_in(ns, leader));
        line("Ngid", &0);
        line("Pid", &self.nr_in(ns, t.pid));
        line("PPid", &self.ppid_in(ns, task));
        let tracer = t.tracer.and_then(|t| self.processes.get(t.by)).and_then(|p| self.pid_in(ns, p.leader));
        line("TracerPid", &tracer.unwrap_or(0));
        line("Uid", &uids);
        line("Gid", &gids);
        line("FDSize", &if t.files.is_none() { 0 } else { (highest + 64) / 64 * 64 });
        line("Groups", &format!("{} ", groups.join(" ")));
        for (name, pid) in [("NStgid", leader), ("NSpid", t.pid), ("NSpgid", p.pgrp), ("NSsid", p.session)] {
            let numbers = self.numbers_from(ns, task, pid);
            line(name, &numbers.trim_start_matches('\t'));
        }
        line("Kthread", &0);
        if !t.state.has_exited() {
            text.push_str(&self.memory_status_text(task));
            text.push_str("CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\n");
        }
        let cpus = t.cpus_allowed & CPU_POSSIBLE;
        let cpu_list = crate::cgroup::controller::cpuset::list::list(cpus);
        let mems = self.cpuset_mems_allowed(task);
        let mem_list = crate::cgroup::controller::cpuset::list::list(mems);
        let _ = write!(
            text,
            "Threads:\t{}\nSigQ:\t0/{}\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n\
             SigCgt:\t{:016x}\nCapInh:\t{}\nCapPrm:\t{}\nCapEff:\t{}\nCapBnd:\t{}\nCapAmb:\t{}\nNoNewPrivs:\t{}\n\
             Seccomp:\t{}\nSeccomp_filters:\t{}\nSpeculation_Store_Bypass:\tvulnerable\n\
             SpeculationIndirectBranch:\talways enabled\nCpus_allowed:\t{cpus:x}\nCpus_allowed_list:\t{cpu_list}\n\
             Mems_allowed:\t{}{mems:08x}\nMems_allowed_list:\t{mem_list}\n\
             voluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n",
            p.threads.len(),
            p.rlimits.0[11].soft,
            t.pending.0,
            p.pending.0,
            t.blocked.0,
            ignored.0,
            caught.0,
            cred.inheritable,
            cred.permitted,
            cred.effective,
            cred.bounding,
            cred.ambient,
            u8::from(t.no_new_privs),
            t.seccomp.mode(),
            t.seccomp.filters().count(),
            "00000000,".repeat(31),
            t.sched.voluntary_switches,
            t.sched.involuntary_switches,
        );
        text
    }

    /// `/proc/PID/stat` as an instance for `ns` shows it to `reader`.
    pub(super) fn stat_text(&self, task: TaskId, ns: PidNsId, reader: TaskId) -> String {
        let t = &self.tasks[task];
        let p = &self.processes[t.process];
        let letter = state_name(t).split(' ').next().unwrap_or("S");
        let (tty, foreground) = match p.tty {
            Some(tty) => {
                let (major, minor) = self.tty_device(tty);
                let group = self.foreground_of_tty(tty).filter(|group| self.pids.contains(*group));
                let number = (minor & 0xff) | major << 8 | (minor & !0xff) << 12;
                (i64::from(number), group.map_or(-1, |group| self.nr_in(ns, group)))
            }
            None => (0, -1),
        };
        let ticks = |time: Nanos| time.0 / TICK;
        let boottime = self.time_namespaces.get(self.tasks[reader].nsproxy.time).map_or((0, 0), |n| n.boottime);
        let start = i128::from(t.start_time.0) + i128::from(boottime.0) * 1_000_000_000 + i128::from(boottime.1);
        let (vsize, rss) = self.sizes_of(task).map_or((0, 0), |(total, rss)| (total * PAGE_SIZE, rss));
        let (ignored, caught) = self.dispositions(task);
        let exit_code = p.exit_code.map_or(0, crate::task::ExitStatus::wait_status);
        let exit_signal = p.exit_signal.map_or(0, |s| s.0);
        let cpu = t.sched.cpu;
        let policy = match t.sched.policy {
            Policy::Normal => 0,
            Policy::Batch => 3,
            Policy::Idle => 5,
        };
        let low = |set: SigSet| set.0 & 0x7fff_ffff;
        format!(
            "{} ({}) {letter} {} {} {} {tty} {foreground} {} 0 0 0 0 {} {} {} 0 {} {} {} 0 {} {vsize} {rss} \
             18446744073709551615 0 0 0 0 0 {} {} {} {} 0 0 0 {exit_signal} {cpu} 0 {policy} 0 0 0 0 0 0 0 0 0 0 {exit_code}\n",
            self.nr_in(ns, t.pid),
            t.comm,
            self.ppid_in(ns, task),
            self.nr_in(ns, p.pgrp),
            self.nr_in(ns, p.session),
            // PF_RANDOMIZE, and PF_FORKNOEXEC before the first execve(2).
            0x40_0000 | if p.did_exec { 0 } else { 0x40 },
            ticks(t.sched.user_time),
            ticks(t.cpu_time - t.sched.user_time),
            ticks(p.children_cpu_time),
            20 + i32::from(t.nice),
            t.nice,
            p.threads.len(),
            u64::try_from(start).unwrap_or(0) / TICK,
            low(t.pending | p.pending),
            low(t.blocked),
            low(ignored),
            low(caught),
        )
    }
}

/// A name in a line of its own: newlines and backslashes as the kernel writes them.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\n', "\\n")
}
