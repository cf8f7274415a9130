//! What the other files in `/proc/PID` say.

use super::node::TaskFile;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::PidNsId;
use crate::namespace::user_map::MapFile;
use crate::security::credentials::Cred;
use crate::security::ptrace::AccessMode;
use crate::security::rlimit::{INFINITY, RESOURCES};
use crate::task::sched::wait::Wait;
use crate::task::{TaskId, TaskState};
use crate::vfs::fd_table::Fd;
use crate::vfs::file::FileKind;

/// What an id says that was never set (`AUDIT_SID_UNSET`).
const UNSET: u32 = u32::MAX;

impl Kernel<'_> {
    /// What a file in `/proc/PID` says.
    ///
    /// # Errors
    /// ESRCH for a process that is gone; EACCES, EPERM where the reader may not look; EINVAL where there is nothing.
    pub(super) fn task_file_text(
        &mut self,
        task: TaskId,
        file: TaskFile,
        ns: PidNsId,
        reader: TaskId,
        opener: &Cred,
    ) -> Result<Vec<u8>, Errno> {
        if !self.tasks.contains(task) {
            return Err(Errno::ESRCH);
        }
        let exited = self.tasks[task].state.has_exited();
        let user_ns = self.tasks[task].cred.user_ns;
        let text = match file {
            TaskFile::Status => self.status_text(task, ns, opener),
            TaskFile::Stat => self.stat_text(task, ns, reader),
            TaskFile::Statm if exited => "0 0 0 0 0 0 0\n".to_owned(),
            TaskFile::Statm => self.statm_text(task),
            TaskFile::Schedstat => {
                let t = &self.tasks[task];
                format!("{} {} {}\n", t.cpu_time.0, t.sched.run_delay.0, t.sched.runs)
            }
            TaskFile::Comm => format!("{}\n", self.tasks[task].comm),
            TaskFile::Cmdline if exited => String::new(),
            TaskFile::Cmdline => nul_terminated(&self.tasks[task].user.image.argv),
            TaskFile::Environ => {
                if !self.ptrace_may_access(reader, task, AccessMode::FsCreds) {
                    return Err(Errno::EACCES);
                }
                if exited { String::new() } else { nul_terminated(&self.tasks[task].user.image.envp) }
            }
            TaskFile::Personality => "00000000\n".to_owned(),
            TaskFile::Limits => self.limits_text(task),
            TaskFile::TimensOffsets => self.timens_offsets_text(task),
            TaskFile::Maps if exited => String::new(),
            TaskFile::Maps => self.maps_text(task),
            TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats if exited => return Err(Errno::EINVAL),
            TaskFile::Mounts => self.mounts_text(task),
            TaskFile::Mountinfo => self.mountinfo_text(task),
            TaskFile::Mountstats => self.mountstats_text(task),
            TaskFile::Wchan => self.wchan_text(reader, task),
            TaskFile::Children => self.children_text(task, ns),
            TaskFile::Cgroup => self.proc_cgroup_text(task, reader),
            TaskFile::Cpuset => self.cpuset_text(task, reader),
            TaskFile::OomScore => format!("{}\n", self.oom_score(self.tasks[task].process)),
            TaskFile::SmapsRollup if exited => return Err(Errno::ESRCH),
            TaskFile::SmapsRollup => self.smaps_rollup_text(task),
            TaskFile::OomScoreAdj => format!("{}\n", self.processes[self.tasks[task].process].oom_score_adj),
            TaskFile::OomAdj => {
                let adj = i32::from(self.processes[self.tasks[task].process].oom_score_adj);
                format!("{}\n", if adj == 1000 { 15 } else { adj * 17 / 1000 })
            }
            TaskFile::Loginuid | TaskFile::Sessionid => UNSET.to_string(),
            TaskFile::UidMap => self.show_id_map(opener.user_ns, user_ns, MapFile::Uid),
            TaskFile::GidMap => self.show_id_map(opener.user_ns, user_ns, MapFile::Gid),
            TaskFile::Setgroups => self.show_id_map(opener.user_ns, user_ns, MapFile::Setgroups),
            TaskFile::ProjidMap => {
                let first = user_ns == self.first_user_ns();
                if first { format!("{:>10} {:>10} {:>10}\n", 0, 0, u32::MAX) } else { String::new() }
            }
        };
        Ok(text.into_bytes())
    }

    /// `/proc/PID/limits`.
    fn limits_text(&self, task: TaskId) -> String {
        let limits = &self.processes[self.tasks[task].process].rlimits;
        let show = |n: u64| if n == INFINITY { "unlimited".to_owned() } else { n.to_string() };
        let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
        for ((_, title, unit), limit) in RESOURCES.iter().zip(&limits.0) {
            text.push_str(&format!("{title:<25} {:<20} {:<20} ", show(limit.soft), show(limit.hard)));
            if !unit.is_empty() {
                text.push_str(&format!("{unit:<10}"));
            }
            text.push('\n');
        }
        text
    }

    /// `/proc/PID/timens_offsets`: the clocks of the namespace into which children are born.
    fn timens_offsets_text(&self, task: TaskId) -> String {
        let t = &self.tasks[task];
        let Some(ns) = self.time_namespaces.get(t.nsproxy.time_for_children) else { return String::new() };
        let line = |name: &str, (sec, nsec): (i64, i64)| format!("{name:<10} {sec:>10} {nsec:>9}\n");
        line("monotonic", ns.monotonic) + &line("boottime", ns.boottime)
    }

    /// `/proc/PID/fdinfo/N`.
    pub(super) fn fdinfo_text(&self, task: TaskId, fd: Fd, ns: PidNsId) -> Result<String, Errno> {
        let id = self.file_id(task, fd).map_err(|_| Errno::ENOENT)?;
        let file = &self.vfs.files[id];
        let (mnt, ino) = match file.path() {
            Some(place) => (place.mnt.0, self.attr(place).ino),
            None => (0, 0),
        };
        let table = self.fd_table_of(task)?;
        let cloexec = self.vfs.fd_tables[table].fds.get(&fd).is_some_and(|e| e.cloexec);
        let flags = file.flags | if cloexec { 0o2_000_000 } else { 0 };
        let mut text = format!("pos:\t{}\nflags:\t0{flags:o}\nmnt_id:\t{mnt}\nino:\t{ino}\n", file.pos);
        if let FileKind::PidFd(pid) = file.kind {
            let nr = self.pids.get(pid).filter(|p| p.task.is_some()).map_or(-1, |p| p.number_in(ns).unwrap_or(0));
            text.push_str(&format!("Pid:\t{nr}\nNSpid:\t{nr}\n"));
        }
        match file.kind {
            FileKind::PtyMaster(id, _) => {
                text.push_str(&format!("tty-index:\t{}\n", self.tty_index(crate::tty::Tty::Pty(id))));
            }
            FileKind::Epoll(id) => text.push_str(&self.epoll_fdinfo(id)),
            FileKind::EventFd(id) => {
                let event = self.eventfds.get(id).ok_or(Errno::ENOENT)?;
                text.push_str(&format!(
                    "eventfd-count: {:16x}\neventfd-id: {}\neventfd-semaphore: {}\n",
                    event.count,
                    id.0 - 1,
                    u8::from(event.is_semaphore)
                ));
            }
            _ => {}
        }
        Ok(text)
    }
}

impl Kernel<'_> {
    /// The kernel's function in which a task sleeps, where that is known, and `0` otherwise (`proc_pid_wchan`).
    fn wchan_text(&mut self, reader: TaskId, task: TaskId) -> String {
        if !self.ptrace_may_access(reader, task, AccessMode::FsCreds) {
            return "0".to_owned();
        }
        let TaskState::Sleeping(sleep) = &self.tasks[task].state else { return "0".to_owned() };
        let function = match sleep.on.first() {
            None if sleep.until.is_some() => "hrtimer_nanosleep",
            Some(Wait::Child(_)) => "do_wait",
            Some(Wait::PipeReadable(_)) => "anon_pipe_read",
            Some(Wait::PipeWritable(_)) => "anon_pipe_write",
            Some(Wait::FifoPeer(_)) => "wait_for_partner",
            Some(Wait::Futex(..)) => "futex_do_wait",
            _ => "0",
        };
        function.to_owned()
    }

    /// The children of a task. Those of all threads of a process are its first one's here.
    fn children_text(&self, task: TaskId, ns: PidNsId) -> String {
        let process = &self.processes[self.tasks[task].process];
        if process.leader != task {
            return String::new();
        }
        let children = process.children.iter().filter_map(|child| self.processes.get(*child));
        children.filter_map(|child| self.pid_in(ns, child.leader)).map(|pid| format!("{pid} ")).collect()
    }
}

/// Strings as they lie in memory, each with its NUL.
fn nul_terminated(strings: &[String]) -> String {
    strings.iter().map(|s| format!("{s}\0")).collect()
}
