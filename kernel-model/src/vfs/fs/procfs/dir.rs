//! The directories of procfs: what is looked up in each, and which names it lists.

use super::hidepid::Hides;
use super::node::{APPARMOR_ATTRS, AttrFile, FOR_CHILDREN, NetFile, PressureFile, ProcNode, SysvipcFile};
use super::node::{TaskFile, TaskLink, TopDir, TopFile, TopLink};
use super::{conf, sysctl};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::NsKind;
use crate::namespace::pid::PidNsId;
use crate::security::credentials::Cred;
use crate::task::TaskId;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::SuperId;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;

impl Kernel<'_> {
    /// Whether somebody with these credentials may do this, where an entry has a rule of its own; `None`
    /// where the permission bits decide.
    pub(crate) fn proc_permission(&mut self, cred: &Cred, node: ProcNode, access: Access) -> Option<bool> {
        match node {
            ProcNode::Sysctl(i) => Some(self.sysctl_permission(cred, i, access)),
            ProcNode::Conf(..) => Some(self.net_sysctl_permission(cred, 0o644, access)),
            ProcNode::SysctlDir(_) | ProcNode::ConfDir(_) => Some(!access.contains(Access::WRITE)),
            // The threads of a process see each other's descriptors whoever they are (`proc_fd_permission`).
            ProcNode::FdDir(task) | ProcNode::FdInfoDir(task) => {
                let own = self.sched.current.and_then(|t| self.tasks.get(t)).map(|t| t.process);
                (own.is_some() && own == self.tasks.get(task).map(|t| t.process)).then_some(true)
            }
            _ => None,
        }
    }

    /// The entry of this name in a directory of procfs; `None` when there is none.
    pub(in crate::vfs::fs) fn proc_lookup(
        &mut self,
        caller: TaskId,
        sb: SuperId,
        dir: ProcNode,
        name: &str,
    ) -> Result<Option<ProcNode>, Errno> {
        if dir.task().is_some_and(|t| !self.tasks.contains(t)) {
            return Err(Errno::ENOENT);
        }
        Ok(match dir {
            ProcNode::Root => {
                let ns = self.proc_pid_ns(sb);
                let view = self.proc_view(sb);
                let process = self.proc_task(ns, name);
                let process =
                    process.filter(|t| view.hides != Hides::NotPtraceable || self.proc_shows(&view, *t, Hides::Access));
                if view.only_processes {
                    let link = TopLink::from_name(name).filter(|link| link.is_process()).map(ProcNode::Link);
                    return Ok(link.or(process.map(ProcNode::Task)));
                }
                TopLink::from_name(name)
                    .map(ProcNode::Link)
                    .or_else(|| TopFile::from_name(name).map(ProcNode::File))
                    .or_else(|| TopDir::from_name(name).map(ProcNode::Dir))
                    .or_else(|| (name == "sys").then_some(ProcNode::SysctlDir(sysctl::ROOT)))
                    .or_else(|| (name == "sysvipc").then_some(ProcNode::SysvipcDir))
                    .or_else(|| (name == "pressure").then_some(ProcNode::PressureDir))
                    .or_else(|| process.map(ProcNode::Task))
            }
            ProcNode::Task(task) | ProcNode::Thread(task) => match name {
                "task" if dir == ProcNode::Task(task) => Some(ProcNode::Threads(task)),
                "fd" => Some(ProcNode::FdDir(task)),
                "fdinfo" => Some(ProcNode::FdInfoDir(task)),
                "ns" => Some(ProcNode::NsDir(task)),
                "net" => Some(ProcNode::NetDir(task)),
                "attr" => Some(ProcNode::AttrDir(task)),
                _ => TaskFile::from_name(name)
                    // Whose child a task is, is known of each thread.
                    .filter(|f| *f != TaskFile::Children || dir == ProcNode::Thread(task))
                    .map(|f| ProcNode::TaskFile(task, f))
                    .or_else(|| TaskLink::from_name(name).map(|l| ProcNode::TaskLink(task, l))),
            },
            ProcNode::Threads(task) => {
                let ns = self.proc_pid_ns(sb);
                let process = self.tasks[task].process;
                let thread = self.proc_task(ns, name).filter(|t| self.tasks[*t].process == process);
                thread.map(ProcNode::Thread)
            }
            ProcNode::FdDir(task) => self.fd_named(task, name).map(|fd| ProcNode::Fd(task, fd)),
            ProcNode::FdInfoDir(task) => self.fd_named(task, name).map(|fd| ProcNode::FdInfo(task, fd)),
            ProcNode::NetDir(task) => NetFile::from_name(name).map(|f| ProcNode::NetFile(task, f)),
            ProcNode::NsDir(task) => match name.strip_suffix("_for_children") {
                Some(kind) => {
                    let kind = FOR_CHILDREN.into_iter().find(|k| k.name() == kind);
                    kind.map(|k| ProcNode::NsLink(task, k, true))
                }
                None => NsKind::from_name(name).map(|kind| ProcNode::NsLink(task, kind, false)),
            },
            ProcNode::SysctlDir(_) if dir == conf::top() => self.conf_dir_named(caller, name).map(ProcNode::ConfDir),
            ProcNode::ConfDir(target) => conf::lookup(target, name),
            ProcNode::SysctlDir(i) => sysctl::lookup(i, name),
            ProcNode::AttrDir(task) => match name {
                "apparmor" => self.apparmor().map(|_| ProcNode::ApparmorAttrDir(task)),
                _ => AttrFile::from_name(name).map(|f| ProcNode::Attr(task, f)),
            },
            ProcNode::ApparmorAttrDir(task) => {
                let file = AttrFile::from_name(name).filter(|f| APPARMOR_ATTRS.contains(f));
                file.map(|f| ProcNode::ApparmorAttr(task, f))
            }
            ProcNode::Dir(_) => None,
            ProcNode::SysvipcDir => SysvipcFile::from_name(name).map(ProcNode::Sysvipc),
            ProcNode::PressureDir => PressureFile::from_name(name).map(ProcNode::Pressure),
            _ => return Err(Errno::ENOTDIR),
        })
    }

    fn fd_named(&self, task: TaskId, name: &str) -> Option<Fd> {
        let fd = name.parse().ok().filter(|fd: &Fd| fd.to_string() == name)?;
        self.file_id(task, fd).ok().map(|_| fd)
    }

    /// The names in a directory of procfs.
    ///
    /// # Errors
    /// ENOENT for a process that is gone.
    pub(crate) fn proc_readdir(
        &mut self,
        caller: TaskId,
        dir: VfsPath,
        node: ProcNode,
    ) -> Result<Vec<(String, ProcNode)>, Errno> {
        if node.task().is_some_and(|t| !self.tasks.contains(t)) {
            return Err(Errno::ENOENT);
        }
        let sb = self.vfs.mounts[dir.mnt].sb;
        let ns = self.proc_pid_ns(sb);
        let nodes: Vec<ProcNode> = match node {
            ProcNode::Root => {
                let view = self.proc_view(sb);
                let mut processes = self.processes_in(ns);
                if view.hides != Hides::Nothing {
                    processes.retain(|task| self.proc_shows(&view, *task, Hides::Invisible));
                }
                if view.only_processes {
                    let links = TopLink::ALL.iter().filter(|link| link.is_process()).map(|l| ProcNode::Link(*l));
                    let nodes = links.chain(processes.into_iter().map(ProcNode::Task));
                    return Ok(nodes.map(|n| (self.proc_name(sb, n), n)).collect());
                }
                let mut nodes: Vec<ProcNode> = TopFile::ALL.iter().map(|f| ProcNode::File(*f)).collect();
                nodes.extend(TopDir::ALL.iter().map(|d| ProcNode::Dir(*d)));
                nodes.extend([ProcNode::SysctlDir(sysctl::ROOT), ProcNode::SysvipcDir, ProcNode::PressureDir]);
                nodes.extend(TopLink::ALL.iter().map(|l| ProcNode::Link(*l)));
                nodes.extend(processes.into_iter().map(ProcNode::Task));
                nodes
            }
            ProcNode::Task(t) | ProcNode::Thread(t) => {
                let mut nodes = vec![ProcNode::FdDir(t), ProcNode::FdInfoDir(t), ProcNode::NsDir(t)];
                nodes.extend([ProcNode::NetDir(t), ProcNode::AttrDir(t)]);
                if node == ProcNode::Task(t) {
                    nodes.insert(0, ProcNode::Threads(t));
                }
                let files = TaskFile::ALL.iter().filter(|f| **f != TaskFile::Children || node == ProcNode::Thread(t));
                nodes.extend(files.map(|f| ProcNode::TaskFile(t, *f)));
                nodes.extend(TaskLink::ALL.iter().map(|l| ProcNode::TaskLink(t, *l)));
                nodes
            }
            ProcNode::Threads(t) => {
                let threads = &self.processes[self.tasks[t].process].threads;
                threads.iter().map(|t| ProcNode::Thread(*t)).collect()
            }
            ProcNode::FdDir(t) => self.fds_of(t).into_iter().map(|fd| ProcNode::Fd(t, fd)).collect(),
            ProcNode::FdInfoDir(t) => self.fds_of(t).into_iter().map(|fd| ProcNode::FdInfo(t, fd)).collect(),
            ProcNode::AttrDir(t) => {
                let dir = self.apparmor().map(|_| ProcNode::ApparmorAttrDir(t));
                AttrFile::ALL.iter().map(|f| ProcNode::Attr(t, *f)).chain(dir).collect()
            }
            ProcNode::ApparmorAttrDir(t) => APPARMOR_ATTRS.map(|f| ProcNode::ApparmorAttr(t, f)).to_vec(),
            ProcNode::NetDir(t) => NetFile::ALL.iter().map(|f| ProcNode::NetFile(t, *f)).collect(),
            ProcNode::NsDir(t) => {
                let kinds = NsKind::ALL.into_iter().map(|k| ProcNode::NsLink(t, k, false));
                kinds.chain(FOR_CHILDREN.into_iter().map(|k| ProcNode::NsLink(t, k, true))).collect()
            }
            ProcNode::SysctlDir(_) if node == conf::top() => {
                self.conf_dirs(caller).into_iter().map(ProcNode::ConfDir).collect()
            }
            ProcNode::ConfDir(target) => conf::entries(target),
            ProcNode::SysctlDir(i) => sysctl::entries(i),
            ProcNode::PressureDir => PressureFile::ALL.iter().map(|f| ProcNode::Pressure(*f)).collect(),
            ProcNode::SysvipcDir => SysvipcFile::ALL.iter().map(|f| ProcNode::Sysvipc(*f)).collect(),
            _ => Vec::new(),
        };
        Ok(nodes.into_iter().map(|n| (self.proc_name(sb, n), n)).collect())
    }

    /// The processes that can be seen in a PID namespace, by number.
    fn processes_in(&self, ns: PidNsId) -> Vec<TaskId> {
        let Some(namespace) = self.pid_namespaces.get(ns) else { return Vec::new() };
        let tasks = namespace.numbers.values().filter_map(|pid| self.pids[*pid].task);
        tasks.filter(|t| self.processes[self.tasks[*t].process].leader == *t).collect()
    }
}
