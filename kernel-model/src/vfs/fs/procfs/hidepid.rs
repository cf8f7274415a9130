//! What an instance of procfs hides: `hidepid=`, `gid=` and `subset=pid` of proc(5), "Mount options".

use super::node::{ProcNode, TopLink};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::credentials::Kgid;
use crate::security::ptrace::AccessMode;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::SuperId;
use crate::vfs::fs::params::ProcParams;
use crate::vfs::path::VfsPath;
use crate::world::World;

/// How much of other people's processes is hidden (`enum proc_hidepid`); each hides what those before it hide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Hides {
    /// `off`
    Nothing,
    /// `noaccess`: their directories cannot be searched.
    Access,
    /// `invisible`: nor can they be seen.
    Invisible,
    /// `ptraceable`: whatever may not be traced is not there at all.
    NotPtraceable,
}

/// What an instance shows.
pub(super) struct View {
    pub hides: Hides,
    /// Members of this group see everything.
    pub gid: Kgid,
    /// `subset=pid`: there is nothing but processes.
    pub only_processes: bool,
}

impl TopLink {
    /// Whether it leads to a process, so that it is there even where nothing else is.
    pub(super) fn is_process(self) -> bool {
        matches!(self, TopLink::Self_ | TopLink::ThreadSelf)
    }
}

impl World {
    /// What an instance shows: as it was mounted.
    pub(super) fn proc_view(&self, sb: SuperId) -> View {
        let options = self.vfs.supers.get(sb).map_or(&[][..], |sb| &sb.options);
        let params = ProcParams::of_options(options);
        View {
            hides: match params.hidepid.as_deref() {
                Some("noaccess") => Hides::Access,
                Some("invisible") => Hides::Invisible,
                Some("ptraceable") => Hides::NotPtraceable,
                _ => Hides::Nothing,
            },
            gid: params.gid.map_or(Kgid::ROOT, Kgid),
            only_processes: params.subset_pid,
        }
    }
}

impl Kernel<'_> {
    /// Whether who is asking may know of a process what `least` and more hides (`has_pid_permissions`).
    pub(super) fn proc_shows(&mut self, view: &View, process: TaskId, least: Hides) -> bool {
        let Some(caller) = self.sched.current else { return true };
        if view.hides != Hides::NotPtraceable && (view.hides < least || self.tasks[caller].cred.in_group(view.gid)) {
            return true;
        }
        self.ptrace_may_access(caller, process, AccessMode::FsCreds)
    }

    /// Searching and reading the directory of a process that is hidden (`proc_pid_permission`).
    ///
    /// # Errors
    /// EPERM; ENOENT where even its existence is hidden.
    pub(crate) fn proc_hides(&mut self, place: VfsPath, node: ProcNode) -> Result<(), Errno> {
        let (ProcNode::Task(task) | ProcNode::Threads(task)) = node else { return Ok(()) };
        let view = self.proc_view(self.vfs.mounts[place.mnt].sb);
        if !self.tasks.contains(task) || self.proc_shows(&view, task, Hides::Access) {
            return Ok(());
        }
        Err(if view.hides == Hides::Invisible { Errno::ENOENT } else { Errno::EPERM })
    }

    /// Asking for the attributes of the directory of a process that is hidden (`pid_getattr`).
    ///
    /// # Errors
    /// ENOENT.
    pub(crate) fn proc_getattr(&mut self, place: VfsPath) -> Result<(), Errno> {
        let Node::Proc(ProcNode::Task(task)) = place.node else { return Ok(()) };
        let view = self.proc_view(self.vfs.mounts[place.mnt].sb);
        let shown = !self.tasks.contains(task) || self.proc_shows(&view, task, Hides::Invisible);
        if shown { Ok(()) } else { Err(Errno::ENOENT) }
    }
}
