//! devpts, as in pts(4) and `fs/devpts/inode.c`: the names of pseudo-terminals. Every mount has terminals of its own, which
//! begin with number 0; `ptmx` in it makes another one.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::tty::Tty;
use crate::tty::event::TtyEvent;
use crate::tty::pty::{Pty, PtyId};
use crate::vfs::Node;
use crate::vfs::fs::params::DevptsParams;
use crate::vfs::fs::{FsKind, SuperId};
use crate::vfs::inode::{DentryId, InodeKind};
use crate::vfs::mount::MountId;
use crate::vfs::path::VfsPath;
use crate::world::World;

/// The major number of slave ends.
const SLAVE_MAJOR: u32 = 136;

impl World {
    /// What the options of a devpts are; `None` for another file system.
    pub(crate) fn devpts_params(&self, sb: SuperId) -> Option<&DevptsParams> {
        match &self.vfs.supers.get(sb)?.kind {
            FsKind::Devpts(params) => Some(params),
            _ => None,
        }
    }

    /// The lowest number that is free in a devpts.
    pub(crate) fn free_pts_number(&self, sb: SuperId) -> u32 {
        let ptys = self.ptys.iter().filter(|(_, pty)| pty.sb == sb).map(|(_, pty)| pty.index);
        let consoles = self.consoles.iter().filter_map(|(_, c)| c.pts).filter(|(of, _)| *of == sb).map(|(_, n)| n);
        crate::vfs::mount::lowest_free(ptys.chain(consoles).map(|n| n + 1)) - 1
    }

    /// How many pseudo-terminals there are in all (`kernel.pty.nr`). Consoles are none.
    pub(crate) fn pty_count(&self) -> usize {
        self.ptys.len()
    }

    /// The terminal of a number in a devpts.
    pub(crate) fn terminal_of(&self, sb: SuperId, number: u32) -> Option<Tty> {
        self.devpts_params(sb)?;
        let pty = self.ptys.iter().find(|(_, pty)| pty.sb == sb && pty.index == number && pty.has_master);
        let console = || self.consoles.iter().find(|(_, c)| c.pts == Some((sb, number)));
        pty.map(|(id, _)| Tty::Pty(id)).or_else(|| console().map(|(id, _)| Tty::Console(id)))
    }
}

impl Kernel<'_> {
    /// The mount whose devpts a `ptmx` belongs to: its own, or what is mounted at `pts` beside it (`devpts_acquire`).
    ///
    /// # Errors
    /// ENOENT when nothing is called `pts` there; ENODEV when it is no devpts.
    fn devpts_of(&self, ptmx: VfsPath) -> Result<MountId, Errno> {
        if matches!(self.super_of(ptmx).kind, FsKind::Devpts(_)) {
            return Ok(ptmx.mnt);
        }
        let Node::Tree(dir) = self.parent_of(ptmx.node) else { return Err(Errno::ENODEV) };
        let pts = self.child_of(dir, "pts").ok_or(Errno::ENOENT)?;
        let top = self.follow_mounts(VfsPath { mnt: ptmx.mnt, node: Node::Tree(pts) });
        let super_block = self.super_of(top);
        let whole = self.vfs.mounts[top.mnt].root == super_block.root && top.node == super_block.root;
        if whole && matches!(super_block.kind, FsKind::Devpts(_)) { Ok(top.mnt) } else { Err(Errno::ENODEV) }
    }

    /// The mount through which a master end reaches the slave end's name (`devpts_mntget`).
    ///
    /// # Errors
    /// ENODEV when `pts` beside `ptmx` is another file system by now.
    pub(crate) fn devpts_mount(&self, ptmx: VfsPath, id: PtyId) -> Result<MountId, Errno> {
        let mnt = self.devpts_of(ptmx)?;
        let sb = self.vfs.mounts[mnt].sb;
        if self.ptys.get(id).is_some_and(|pty| pty.sb == sb) { Ok(mnt) } else { Err(Errno::ENODEV) }
    }

    /// Opens `ptmx`: a new pair (`ptmx_open`).
    ///
    /// # Errors
    /// ENODEV without a devpts; ENOSPC when there are as many pairs as there may be.
    pub(crate) fn open_ptmx(&mut self, task: TaskId, ptmx: VfsPath) -> Result<PtyId, Errno> {
        let mnt = self.devpts_of(ptmx)?;
        let sb = self.vfs.mounts[mnt].sb;
        let params = self.devpts_params(sb).ok_or(Errno::ENODEV)?.clone();
        let setting = |name: &str| self.global_number(name);
        let kept = if params.reserve { 0 } else { setting("kernel/pty/reserve") };
        let most = setting("kernel/pty/max") - kept;
        let index = self.free_pts_number(sb);
        if self.pty_count() as i64 + 1 >= most || index >= params.max.unwrap_or(u32::MAX) {
            return Err(Errno::ENOSPC);
        }
        let Node::Tree(root) = self.vfs.supers[sb].root else { return Err(Errno::ENODEV) };
        let cred = std::sync::Arc::clone(&self.tasks[task].cred);
        let (uid, gid) = (params.uid.unwrap_or(cred.fsuid), params.gid.unwrap_or(cred.fsgid));
        let device = InodeKind::CharDevice(SLAVE_MAJOR, index);
        let dentry = self.create_in(root, &index.to_string(), device, params.mode, uid, gid)?;
        let inode = self.vfs.dentries[dentry].inode;
        self.vfs.inodes[inode].ino = u64::from(index) + 3;
        let id = self.ptys.add(Pty::new(sb, index, dentry));
        let (name, count) = (self.tty_name(Tty::Pty(id)), self.pty_count());
        let most = u32::try_from(most).unwrap_or(0);
        self.emit(EventKind::Tty(TtyEvent::PairMade { name: name.into(), count, most }));
        Ok(id)
    }

    /// The name of a pair whose master end is closed goes (`devpts_pty_kill`).
    pub(crate) fn forget_pty_name(&mut self, dentry: DentryId) {
        if self.vfs.dentries.contains(dentry) && !self.vfs.dentries[dentry].unlinked {
            self.remove_name(dentry);
        }
    }
}
