//! What a new task shares with its parent or gets a copy of, and what an exiting one lets go of:
//! descriptor tables, root and working directory, mount namespaces.

use imbl::OrdSet;

use super::Node;
use super::copy_tree::CopyFlags;
use super::fd_table::{FdTable, FdTableId};
use super::file::{FileId, FileKind};
use super::path::{FsStruct, FsStructId, VfsPath};
use super::umount::Umount;
use crate::kernel::Kernel;
use crate::namespace::mnt::{MntNamespace, MntNsId};
use crate::namespace::{NsCommon, NsRef};
use crate::task::TaskId;
use crate::tty::Tty;
use crate::world::World;

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
        if self.vfs.fs_structs[id].users == 0
            && let Some(fs) = self.vfs.fs_structs.remove(id)
        {
            self.put_path(fs.root);
            self.put_path(fs.cwd);
        }
    }

    /// Somebody no longer refers to a place. It may have been the last reason for its mount, or for a name that
    /// was taken away, to exist (`path_put`).
    pub(crate) fn put_path(&mut self, path: VfsPath) {
        match path.node {
            Node::Tree(dentry) => self.reap_dentry(dentry),
            Node::Cgroup(node) => self.reap_cgroup(node.group()),
            _ => {}
        }
        self.put_mount(path.mnt);
    }

    /// Changes what `/` means for whoever shares this (`set_fs_root`).
    pub(crate) fn set_fs_root(&mut self, fs: FsStructId, root: VfsPath) {
        let old = std::mem::replace(&mut self.vfs.fs_structs[fs].root, root);
        self.put_path(old);
    }

    /// Changes what `.` means for whoever shares this (`set_fs_pwd`).
    pub(crate) fn set_fs_cwd(&mut self, fs: FsStructId, cwd: VfsPath) {
        let old = std::mem::replace(&mut self.vfs.fs_structs[fs].cwd, cwd);
        self.put_path(old);
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

    /// One descriptor less refers to an open file; with the last one it is closed (`fput`), and whatever only
    /// it kept alive goes with it.
    pub(crate) fn put_file(&mut self, file: FileId) {
        self.vfs.files[file].refs -= 1;
        if self.vfs.files[file].refs > 0 {
            return;
        }
        self.unlock_file(file);
        self.forget_in_epolls(file);
        let Some(file) = self.vfs.files.remove(file) else { return };
        if let Some(ns) = file.cgroup_ns {
            self.release_ns(NsRef::Cgroup(ns));
        }
        match file.kind {
            FileKind::PipeRead(id, _) => self.close_pipe_end(id, true, false),
            FileKind::PipeWrite(id, _) => self.close_pipe_end(id, false, true),
            FileKind::PipeBoth(id, _) => self.close_pipe_end(id, true, true),
            FileKind::Socket(id) => self.release_socket(id),
            FileKind::Tty(Tty::Pty(id), _) | FileKind::HungUpTty(id, _) => self.close_slave(id),
            FileKind::PtyMaster(id, _) => self.close_master(id),
            FileKind::Epoll(id) => drop(self.epolls.remove(id)),
            FileKind::EventFd(id) => drop(self.eventfds.remove(id)),
            FileKind::Tun(id, _) => self.close_tun(id),
            FileKind::Device(ref device) => self.close_device_below(device),
            FileKind::FsContext(ref fc) => {
                if let Some(sb) = fc.sb {
                    self.put_super(sb);
                }
            }
            _ => {}
        }
        let Some(path) = file.path() else { return };
        if matches!(file.kind, FileKind::MountTree(_)) && self.vfs.mounts[path.mnt].anonymous {
            // A detached tree goes with the descriptor that held it (`dissolve_on_fput`).
            self.umount_tree(path.mnt, Umount { connected: true, ..Umount::default() });
        }
        if let (FileKind::Path(_), Node::Ns(ns)) = (&file.kind, path.node) {
            self.release_ns(ns);
        }
        self.put_path(path);
    }

    /// A copy of a mount namespace; root and working directory in `fs` move to the copies of their mounts. When
    /// the copy has another owner it is less privileged: what was shared becomes a slave, and the whole is
    /// locked together (`copy_mnt_ns`).
    pub(crate) fn copy_mnt_namespace(&mut self, of: MntNsId, common: NsCommon, fs: FsStructId) -> MntNsId {
        let old_root = self.mount_root(self.mnt_namespaces[of].root);
        let less_privileged = common.owner != self.mnt_namespaces[of].ns.owner;
        let mut how = CopyFlags::COPY_UNBINDABLE;
        if less_privileged {
            how |= CopyFlags::SHARED_TO_SLAVE;
        }
        let ns = self.mnt_namespaces.add(MntNamespace { ns: common, root: old_root.mnt, mounts: OrdSet::new() });
        // The root of a namespace is never left out of a copy.
        let Ok((root, copies)) = self.copy_tree(old_root, how) else { return ns };
        if less_privileged {
            self.lock_mount_tree(root);
        }
        self.mnt_namespaces[ns].root = root;
        self.commit_tree(root, ns);
        let FsStruct { root, cwd, .. } = self.vfs.fs_structs[fs];
        if let Some(copy) = copies.get(&root.mnt) {
            self.set_fs_root(fs, VfsPath { mnt: *copy, node: root.node });
        }
        if let Some(copy) = copies.get(&cwd.mnt) {
            self.set_fs_cwd(fs, VfsPath { mnt: *copy, node: cwd.node });
        }
        ns
    }

    /// The last reference to a mount namespace is gone: its mounts go with it.
    pub(crate) fn free_mnt_namespace(&mut self, id: MntNsId) {
        let root = self.mnt_namespaces[id].root;
        self.umount_tree(root, Umount::default());
        self.mnt_namespaces.remove(id);
    }

    /// Root and working directory of a task that enters a mount namespace become what is on top of the
    /// namespace's root (`mntns_install`).
    pub(crate) fn enter_mnt_namespace(&mut self, task: TaskId, ns: MntNsId) {
        let top = self.namespace_root(ns);
        let fs = self.tasks[task].fs;
        self.set_fs_cwd(fs, top);
        self.set_fs_root(fs, top);
    }
}

impl World {
    /// What is on top of the root of a mount namespace: what its first task sees as `/`.
    pub fn namespace_root(&self, ns: MntNsId) -> VfsPath {
        self.follow_mounts(self.mount_root(self.mnt_namespaces[ns].root))
    }

    /// Whether the root of a task is not the root of its mount namespace (`current_chrooted`).
    pub(crate) fn is_chrooted(&self, task: TaskId) -> bool {
        let ns = self.tasks[task].nsproxy.mnt;
        self.fs_root_of(task).is_some_and(|root| root != self.namespace_root(ns))
    }
}
