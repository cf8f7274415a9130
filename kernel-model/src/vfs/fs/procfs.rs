//! procfs, as in proc(5): the kernel's tables as files. Nothing is stored here; names and contents are
//! made up when they are asked for, from the PID namespace that the instance shows.

use serde::{Deserialize, Serialize};

use super::{Attr, FileType, FsKind, Link, SuperId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::NsKind;
use crate::namespace::pid::PidNsId;
use crate::security::credentials::{Cred, Kgid, Kuid};
use crate::task::TaskId;
use crate::vfs::file::FileId;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;
use crate::world::World;

/// An entry of procfs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ProcNode {
    /// The top directory.
    Root,
    /// `/proc/PID`.
    Task(TaskId),
    /// `/proc/PID/ns`.
    NsDir(TaskId),
    /// `/proc/PID/ns/KIND`; the flag is for `pid_for_children` and `time_for_children`.
    NsLink(TaskId, NsKind, bool),
}

impl World {
    /// The PID namespace that an instance shows.
    fn proc_pid_ns(&self, sb: SuperId) -> PidNsId {
        match self.vfs.supers[sb].kind {
            FsKind::Proc(ns) => ns,
            _ => PidNsId(1),
        }
    }

    /// What stat(2) shows of an entry.
    pub(super) fn proc_attr(&self, _sb: SuperId, node: ProcNode) -> Attr {
        let (file_type, mode) = match node {
            ProcNode::Root | ProcNode::Task(_) => (FileType::Directory, 0o555),
            ProcNode::NsDir(_) => (FileType::Directory, 0o511),
            ProcNode::NsLink(..) => (FileType::Symlink, 0o777),
        };
        Attr {
            ino: 1,
            file_type,
            mode,
            uid: Kuid::ROOT,
            gid: Kgid::ROOT,
            nlink: 1,
            size: 0,
            rdev: (0, 0),
            atime: self.clock,
            mtime: self.clock,
            ctime: self.clock,
        }
    }

    /// The entry above.
    pub(super) fn proc_parent(&self, node: ProcNode) -> ProcNode {
        match node {
            ProcNode::Root | ProcNode::Task(_) => ProcNode::Root,
            ProcNode::NsDir(task) => ProcNode::Task(task),
            ProcNode::NsLink(task, ..) => ProcNode::NsDir(task),
        }
    }

    /// The name of an entry in the directory above it.
    pub(super) fn proc_name(&self, sb: SuperId, node: ProcNode) -> String {
        match node {
            ProcNode::Root => String::new(),
            ProcNode::Task(task) => {
                self.pid_in(self.proc_pid_ns(sb), task).map_or_else(String::new, |nr| nr.to_string())
            }
            ProcNode::NsDir(_) => "ns".into(),
            ProcNode::NsLink(_, kind, false) => kind.name().into(),
            ProcNode::NsLink(_, kind, true) => format!("{}_for_children", kind.name()),
        }
    }
}

impl Kernel<'_> {
    /// Whether somebody with these credentials may do this, where an entry has a rule of its own; `None`
    /// where the permission bits decide.
    pub(crate) fn proc_permission(&mut self, _cred: &Cred, _node: ProcNode, _access: Access) -> Option<bool> {
        None
    }

    /// The entry of this name in a directory of procfs; `None` when there is none.
    pub(super) fn proc_lookup(
        &mut self,
        _task: TaskId,
        sb: SuperId,
        dir: ProcNode,
        name: &str,
    ) -> Result<Option<ProcNode>, Errno> {
        Ok(match dir {
            ProcNode::Root => {
                let ns = self.proc_pid_ns(sb);
                let number = name.parse::<crate::namespace::pid::Pid>().ok();
                number
                    .and_then(|nr| self.pid_namespaces[ns].numbers.get(&nr).copied())
                    .and_then(|pid| self.pids[pid].task)
                    .map(ProcNode::Task)
            }
            ProcNode::Task(task) => (name == "ns").then_some(ProcNode::NsDir(task)),
            ProcNode::NsDir(task) => match name.strip_suffix("_for_children") {
                Some("pid") => Some(ProcNode::NsLink(task, NsKind::Pid, true)),
                Some("time") => Some(ProcNode::NsLink(task, NsKind::Time, true)),
                Some(_) => None,
                None => NsKind::from_name(name).map(|kind| ProcNode::NsLink(task, kind, false)),
            },
            ProcNode::NsLink(..) => return Err(Errno::ENOTDIR),
        })
    }

    /// Where a link of procfs leads when `task` follows it.
    pub(super) fn proc_link(&mut self, _task: TaskId, _sb: SuperId, node: ProcNode) -> Result<Link, Errno> {
        let ProcNode::NsLink(of, kind, for_children) = node else { return Err(Errno::EINVAL) };
        let Some(t) = self.tasks.get(of).filter(|t| !t.state.has_exited()) else { return Err(Errno::ENOENT) };
        let ns = if for_children {
            match kind {
                NsKind::Time => crate::namespace::NsRef::Time(t.nsproxy.time_for_children),
                _ => crate::namespace::NsRef::Pid(t.nsproxy.pid_for_children),
            }
        } else {
            self.namespaces_of(of).into_iter().find(|ns| ns.kind() == kind).ok_or(Errno::ENOENT)?
        };
        Ok(Link::Jump(self.ns_path(ns)))
    }
}

impl Kernel<'_> {
    /// What a file of procfs says to whoever opened it.
    pub(crate) fn proc_read(
        &mut self,
        _task: TaskId,
        _file: FileId,
        _path: VfsPath,
        _node: ProcNode,
    ) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes to a file of procfs.
    pub(crate) fn proc_write(
        &mut self,
        _task: TaskId,
        _file: FileId,
        _path: VfsPath,
        _node: ProcNode,
        _bytes: &[u8],
    ) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// The names in a directory of procfs.
    pub(crate) fn proc_readdir(
        &mut self,
        _task: TaskId,
        _dir: VfsPath,
        _node: ProcNode,
    ) -> Result<Vec<(String, ProcNode)>, Errno> {
        Ok(Vec::new())
    }
}
