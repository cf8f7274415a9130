//! What writing to a file of procfs does. Each write is one message: the whole text has to come at once.

use std::sync::Arc;

use super::node::{ProcNode, TaskFile};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::user_map::MapFile;
use crate::security::capability::Cap;
use crate::security::credentials::Cred;
use crate::task::TaskId;
use crate::vfs::file::FileId;
use crate::vfs::path::VfsPath;

/// `KTIME_SEC_MAX`: no clock goes further.
const MAX_SECONDS: i64 = i64::MAX / 1_000_000_000;

impl Kernel<'_> {
    /// Writes to a file of procfs.
    ///
    /// # Errors
    /// The file's own; EINVAL where nothing can be written.
    pub(crate) fn proc_write(
        &mut self,
        writer: TaskId,
        file: FileId,
        _path: VfsPath,
        node: ProcNode,
        bytes: &[u8],
    ) -> Result<usize, Errno> {
        let opener = Arc::clone(&self.vfs.files[file].cred);
        let at_start = self.vfs.files[file].pos == 0;
        let text = String::from_utf8_lossy(bytes);
        match node {
            ProcNode::Sysctl(index) => self.write_sysctl(writer, index, &text, at_start)?,
            ProcNode::Conf(target, which) => self.write_conf(writer, target, which, &text, at_start)?,
            ProcNode::Attr(task, which) | ProcNode::ApparmorAttr(task, which) => {
                self.write_attr(writer, &opener, task, which.name(), &text, at_start)?;
            }
            ProcNode::Pressure(_) => {
                let privileged = opener.effective.has(Cap::SYS_RESOURCE);
                self.set_psi_trigger(file, &text, privileged)?;
            }
            ProcNode::TaskFile(task, which) => {
                if !self.tasks.contains(task) {
                    return Err(Errno::ESRCH);
                }
                self.write_task_file(writer, &opener, task, which, &text, at_start)?;
            }
            _ => return Err(Errno::EIO),
        }
        Ok(bytes.len())
    }

    fn write_task_file(
        &mut self,
        writer: TaskId,
        opener: &Cred,
        task: TaskId,
        which: TaskFile,
        text: &str,
        at_start: bool,
    ) -> Result<(), Errno> {
        let process = self.tasks[task].process;
        let user_ns = self.tasks[task].cred.user_ns;
        let map = match which {
            TaskFile::UidMap => Some(MapFile::Uid),
            TaskFile::GidMap => Some(MapFile::Gid),
            TaskFile::Setgroups => Some(MapFile::Setgroups),
            _ => None,
        };
        if let Some(map) = map {
            if !at_start {
                return Err(Errno::EINVAL);
            }
            self.write_id_map(writer, opener, user_ns, map, text)?;
            return Ok(());
        }
        match which {
            TaskFile::Comm => {
                if self.tasks[writer].process != process {
                    return Err(Errno::EINVAL);
                }
                self.tasks[task].comm = crate::task::exec::cut(text, 15);
                Ok(())
            }
            TaskFile::OomScoreAdj => {
                let value: i16 = number(text).filter(|n| (-1000..=1000).contains(n)).ok_or(Errno::EINVAL)? as i16;
                self.set_oom_score_adj(writer, task, value)
            }
            TaskFile::OomAdj => {
                let value = number(text).filter(|n| (-17..=15).contains(n)).ok_or(Errno::EINVAL)?;
                let adj = if value == 15 { 1000 } else { value * 1000 / 17 };
                self.set_oom_score_adj(writer, task, adj as i16)
            }
            TaskFile::Loginuid => {
                let uid: i64 = number(text).ok_or(Errno::EINVAL)?;
                if self.tasks[writer].process != process {
                    return Err(Errno::EPERM);
                }
                if (-1..=i64::from(u32::MAX)).contains(&uid) { Ok(()) } else { Err(Errno::EINVAL) }
            }
            TaskFile::TimensOffsets => self.write_timens_offsets(opener, task, text),
            _ => Err(Errno::EIO),
        }
    }

    /// Everybody may make himself a likelier victim; less likely only with CAP_SYS_RESOURCE.
    fn set_oom_score_adj(&mut self, writer: TaskId, task: TaskId, value: i16) -> Result<(), Errno> {
        let process = self.tasks[task].process;
        if value < self.processes[process].oom_score_adj && !self.capable(writer, Cap::SYS_RESOURCE) {
            return Err(Errno::EACCES);
        }
        self.processes[process].oom_score_adj = value;
        Ok(())
    }

    /// `timens_offsets_write` and `proc_timens_set_offset`.
    fn write_timens_offsets(&mut self, opener: &Cred, task: TaskId, text: &str) -> Result<(), Errno> {
        let mut offsets = Vec::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            // What follows on the line is not looked at (`sscanf`).
            let [clock, seconds, nanoseconds, ..] = fields[..] else { return Err(Errno::EINVAL) };
            let boottime = match clock {
                "monotonic" | "1" => false,
                "boottime" | "7" => true,
                _ => return Err(Errno::EINVAL),
            };
            let seconds: i64 = seconds.parse().map_err(|_| Errno::EINVAL)?;
            let nanoseconds: i64 = nanoseconds.parse().map_err(|_| Errno::EINVAL)?;
            if !(0..1_000_000_000).contains(&nanoseconds) {
                return Err(Errno::EINVAL);
            }
            offsets.push((boottime, (seconds, nanoseconds)));
        }
        if offsets.is_empty() || offsets.len() > 2 {
            return Err(Errno::EINVAL);
        }
        let id = self.tasks[task].nsproxy.time_for_children;
        let owner = self.time_namespaces[id].ns.owner;
        if !self.cred_capable(opener, owner, Cap::SYS_TIME) {
            return Err(Errno::EPERM);
        }
        for (_, (seconds, nanoseconds)) in &offsets {
            if !(-MAX_SECONDS..=MAX_SECONDS).contains(seconds) {
                return Err(Errno::ERANGE);
            }
            let shown = i128::from(self.clock.0) + i128::from(*seconds) * 1_000_000_000 + i128::from(*nanoseconds);
            if shown < 0 || shown > i128::from(i64::MAX / 2) {
                return Err(Errno::ERANGE);
            }
        }
        if self.time_namespaces[id].frozen_offsets {
            return Err(Errno::EACCES);
        }
        for (boottime, offset) in offsets {
            let ns = &mut self.time_namespaces[id];
            if boottime {
                ns.boottime = offset;
            } else {
                ns.monotonic = offset;
            }
        }
        Ok(())
    }
}

/// A number alone on its line.
fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}
