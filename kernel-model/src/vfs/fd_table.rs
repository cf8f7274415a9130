//! File descriptors: the small numbers by which a process knows its open files.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::file::{FileId, FileKind, OpenFile};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::program::libc::o;
use crate::security::rlimit::NOFILE;
use crate::task::TaskId;
use crate::world::World;

id! {
    /// A descriptor table, shared between `CLONE_FILES` tasks.
    FdTableId
}

/// A file descriptor.
pub type Fd = i32;

/// A descriptor table (`struct files_struct`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FdTable {
    /// Open descriptors.
    pub fds: OrdMap<Fd, FdEntry>,
    /// How many tasks share the table.
    pub users: u32,
}

/// One descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdEntry {
    /// The open file description.
    pub file: FileId,
    /// Closed by execve(2) (`FD_CLOEXEC`).
    pub cloexec: bool,
}

impl FdTable {
    /// The lowest free number that is not below `from`.
    pub fn lowest_free(&self, from: Fd) -> Fd {
        let mut free = from;
        for (fd, _) in self.fds.range(from..) {
            if *fd != free {
                break;
            }
            free += 1;
        }
        free
    }
}

impl World {
    /// The descriptor table of a task.
    ///
    /// # Errors
    /// EBADF for a task that has exited.
    pub(crate) fn fd_table_of(&self, task: TaskId) -> Result<FdTableId, Errno> {
        self.tasks.get(task).and_then(|t| t.files).ok_or(Errno::EBADF)
    }

    /// The open file description behind a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn file_id(&self, task: TaskId, fd: Fd) -> Result<FileId, Errno> {
        let table = self.fd_table_of(task)?;
        self.vfs.fd_tables[table].fds.get(&fd).map(|e| e.file).ok_or(Errno::EBADF)
    }

    /// The same, where a descriptor that was opened with `O_PATH` does not count (`fdget`).
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn real_file_id(&self, task: TaskId, fd: Fd) -> Result<FileId, Errno> {
        let file = self.file_id(task, fd)?;
        if self.vfs.files[file].flags & o::PATH != 0 { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// What `/proc/PID/fd` shows of an open file, to `viewer`.
    pub fn file_name(&self, file: FileId, viewer: TaskId) -> String {
        let Some(file) = self.vfs.files.get(file) else { return String::new() };
        match (&file.kind, file.path()) {
            (_, Some(path)) => self.d_path(path, viewer),
            (FileKind::PipeRead(id, _) | FileKind::PipeWrite(id, _) | FileKind::PipeBoth(id, _), None) => {
                self.pipe_name(*id)
            }
            (FileKind::FsContext(_), None) => "anon_inode:[fscontext]".to_owned(),
            (FileKind::Socket(id), None) => self.socket_name(*id),
            (FileKind::PidFd(_), None) => "anon_inode:[pidfd]".to_owned(),
            (FileKind::Epoll(_), None) => "anon_inode:[eventpoll]".to_owned(),
            (FileKind::EventFd(_), None) => "anon_inode:[eventfd]".to_owned(),
            (FileKind::Placeholder(name), None) => name.clone(),
            (FileKind::Device(device), None) => device.name.clone(),
            (_, None) => String::new(),
        }
    }
}

impl Kernel<'_> {
    /// The number that a new descriptor of `task` would get.
    ///
    /// # Errors
    /// EMFILE at RLIMIT_NOFILE.
    pub(crate) fn unused_fd(&self, task: TaskId, from: Fd) -> Result<Fd, Errno> {
        let table = self.fd_table_of(task)?;
        let limit = self.processes[self.tasks[task].process].rlimits.0[NOFILE].soft;
        let fd = self.vfs.fd_tables[table].lowest_free(from);
        if fd as u64 >= limit { Err(Errno::EMFILE) } else { Ok(fd) }
    }

    /// Opens a description and gives it the lowest free descriptor.
    ///
    /// # Errors
    /// EMFILE at RLIMIT_NOFILE.
    pub(crate) fn install_file(&mut self, task: TaskId, kind: FileKind, flags: u32) -> Result<Fd, Errno> {
        let fd = self.unused_fd(task, 0)?;
        let cred = Arc::clone(&self.tasks[task].cred);
        if let FileKind::Path(path) = &kind
            && let super::Node::Ns(ns) = path.node
        {
            self.hold_ns(ns);
        }
        let mut file = OpenFile::new(kind, flags & !o::CLOEXEC, cred);
        if matches!(file.path(), Some(path) if matches!(path.node, super::Node::Cgroup(_))) {
            let ns = self.tasks[task].nsproxy.cgroup;
            self.hold_ns(NsRef::Cgroup(ns));
            file.cgroup_ns = Some(ns);
        }
        let file = self.vfs.files.add(file);
        self.set_fd(task, fd, FdEntry { file, cloexec: flags & o::CLOEXEC != 0 })?;
        Ok(fd)
    }

    /// Lets a free descriptor refer to a description, whose count includes it already.
    pub(crate) fn set_fd(&mut self, task: TaskId, fd: Fd, entry: FdEntry) -> Result<(), Errno> {
        let table = self.fd_table_of(task)?;
        self.vfs.fd_tables[table].fds.insert(fd, entry);
        let what = if self.trace.silent { String::new() } else { self.file_name(entry.file, task) };
        self.emit(EventKind::FdOpened { fd, what: what.into() });
        Ok(())
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn close_fd(&mut self, task: TaskId, fd: Fd) -> Result<(), Errno> {
        let table = self.fd_table_of(task)?;
        let entry = self.vfs.fd_tables[table].fds.remove(&fd).ok_or(Errno::EBADF)?;
        self.emit(EventKind::FdClosed { fd });
        self.put_file(entry.file);
        Ok(())
    }
}
