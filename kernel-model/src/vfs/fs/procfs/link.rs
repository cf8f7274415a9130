//! Where the symbolic links of procfs lead. Most of them jump straight to a place, whatever it is called.

use super::node::{ProcNode, TaskLink, TopLink};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::{NsKind, NsRef};
use crate::security::ptrace::AccessMode;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::FileKind;
use crate::vfs::fs::{Link, SuperId};
use crate::vfs::path::VfsPath;

impl Kernel<'_> {
    /// Where a link of procfs leads when `task` follows it.
    ///
    /// # Errors
    /// ENOENT for a process that is gone or that has none of it; EACCES when `task` may not look into it.
    pub(in crate::vfs::fs) fn proc_link(&mut self, task: TaskId, sb: SuperId, node: ProcNode) -> Result<Link, Errno> {
        match node {
            ProcNode::Link(link) => self.top_link(task, sb, link),
            ProcNode::TaskLink(of, link) => {
                self.may_follow(task, of)?;
                match link {
                    TaskLink::Cwd => self.cwd_of(of).map(Link::Jump).ok_or(Errno::ENOENT),
                    TaskLink::Root => self.fs_root_of(of).map(Link::Jump).ok_or(Errno::ENOENT),
                    TaskLink::Exe => {
                        let t = self.tasks.get(of).filter(|t| !t.state.has_exited()).ok_or(Errno::ENOENT)?;
                        let exe = self.processes[t.process].exe;
                        Ok(exe.map_or_else(|| Link::Text(t.user.image.exe.clone()), Link::Jump))
                    }
                }
            }
            ProcNode::Fd(of, fd) => {
                self.may_follow(task, of)?;
                self.fd_link(task, of, fd)
            }
            ProcNode::NsLink(of, kind, for_children) => {
                self.may_follow(task, of)?;
                let ns = self.linked_namespace(of, kind, for_children)?;
                Ok(Link::Jump(self.ns_path(ns)))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn may_follow(&mut self, task: TaskId, of: TaskId) -> Result<(), Errno> {
        if !self.tasks.contains(of) {
            return Err(Errno::ENOENT);
        }
        if self.ptrace_may_access(task, of, AccessMode::FsCreds) { Ok(()) } else { Err(Errno::EACCES) }
    }

    fn top_link(&self, task: TaskId, sb: SuperId, link: TopLink) -> Result<Link, Errno> {
        let ns = self.proc_pid_ns(sb);
        let leader = self.processes[self.tasks[task].process].leader;
        let own = || self.pid_in(ns, leader).ok_or(Errno::ENOENT);
        Ok(Link::Text(match link {
            TopLink::Self_ => own()?.to_string(),
            TopLink::ThreadSelf => {
                let thread = self.pid_in(ns, task).ok_or(Errno::ENOENT)?;
                format!("{}/task/{thread}", own()?)
            }
            TopLink::Mounts => "self/mounts".to_owned(),
            TopLink::Net => "self/net".to_owned(),
        }))
    }

    /// To what a descriptor is open on. Only what has no place at all gives its name alone, which leads nowhere.
    fn fd_link(&mut self, task: TaskId, of: TaskId, fd: Fd) -> Result<Link, Errno> {
        let id = self.file_id(of, fd).map_err(|_| Errno::ENOENT)?;
        let file = &self.vfs.files[id];
        if let Some(place) = file.path() {
            return Ok(Link::Jump(place));
        }
        match file.kind {
            FileKind::PipeRead(pipe, _) | FileKind::PipeWrite(pipe, _) | FileKind::PipeBoth(pipe, _) => {
                Ok(Link::Jump(VfsPath { mnt: self.internal_mount(), node: Node::Pipe(pipe) }))
            }
            _ => Ok(Link::Text(self.file_name(id, task))),
        }
    }

    fn linked_namespace(&self, of: TaskId, kind: NsKind, for_children: bool) -> Result<NsRef, Errno> {
        let t = self.tasks.get(of).ok_or(Errno::ENOENT)?;
        // Who has exited has left its namespaces, but for those that are part of its identity.
        if t.state.has_exited() && (for_children || !matches!(kind, NsKind::User | NsKind::Pid)) {
            return Err(Errno::ENOENT);
        }
        match (kind, for_children) {
            (NsKind::Time, true) => Ok(NsRef::Time(t.nsproxy.time_for_children)),
            (NsKind::Pid, true) => {
                let ns = t.nsproxy.pid_for_children;
                // A namespace is not shown before it has an init (`pidns_for_children_get`); one whose init is gone,
                // and in which nobody can be born any more, is.
                let had_init = self.pid_namespaces.get(ns).is_some_and(|n| n.child_reaper.is_some() || !n.adding);
                if had_init { Ok(NsRef::Pid(ns)) } else { Err(Errno::ENOENT) }
            }
            _ => self.namespaces_of(of).into_iter().find(|ns| ns.kind() == kind).ok_or(Errno::ENOENT),
        }
    }
}
