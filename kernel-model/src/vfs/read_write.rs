//! Reading and writing open files, as in `fs/read_write.c`: what read(2), write(2) and their relatives
//! have in common.

use std::sync::Arc;

use super::Node;
use super::file::{FileId, FileKind};
use super::fs::devices::Device;
use super::fs::{FileType, FsKind};
use super::inode::{DentryId, InodeKind};
use crate::block::{BioId, Direction, DiskId, MAX_BIO, Purpose, SECTOR};
use crate::cgroup::controller::ControllerId;
use crate::console::ConsoleId;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::security::capability::Cap;
use crate::security::rlimit;
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::time::Nanos;
use crate::tty::Tty;

/// The most that one call transfers (`MAX_RW_COUNT`).
pub const MAX_RW_COUNT: usize = 0x7fff_f000;
/// The most that the model hands over in one call, so that a careless program does not fill the memory.
const MAX_TRANSFER: usize = 1 << 27;

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

/// The sectors in which bytes of a disk lie: the first byte of the first one, and how many bytes.
fn sectors(pos: u64, count: usize) -> (u64, u64) {
    let first = pos / SECTOR * SECTOR;
    (first, (pos + count as u64).next_multiple_of(SECTOR) - first)
}

impl Kernel<'_> {
    /// Reads from an open file: at `at`, or where the file stands, which then moves on.
    ///
    /// # Errors
    /// Those of read(2).
    pub(crate) fn read_file(
        &mut self,
        task: TaskId,
        id: FileId,
        at: Option<u64>,
        count: usize,
    ) -> Result<Vec<u8>, Stop> {
        let file = &self.vfs.files[id];
        if !file.can_read() {
            return Err(Errno::EBADF.into());
        }
        let count = count.min(MAX_TRANSFER);
        let nonblock = file.flags & o::NONBLOCK != 0;
        let pos = at.unwrap_or(file.pos);
        let direct = file.flags & o::DIRECT != 0;
        let bytes = match file.kind.clone() {
            FileKind::PipeRead(pipe, _) | FileKind::PipeBoth(pipe, _) => self.pipe_read(pipe, count, nonblock)?,
            FileKind::Tty(Tty::Console(console), _) => self.read_terminal(console, count, nonblock)?,
            FileKind::Tty(Tty::Pty(pty), _) => self.read_slave(task, pty, count, nonblock)?,
            FileKind::PtyMaster(pty, _) => self.read_master(pty, count, nonblock)?,
            FileKind::HungUpTty(..) => Vec::new(),
            FileKind::Socket(socket) => return self.socket_read(task, socket, count, nonblock),
            FileKind::Tun(id, _) => self.tun_read(id, count, nonblock)?,
            FileKind::EventFd(id) => self.eventfd_read(id, count, nonblock)?,
            FileKind::Device(device) => self.read_device(task, &device, count)?,
            FileKind::Path(path) => match path.node {
                Node::Tree(dentry) => match &self.inode_of(dentry).kind {
                    InodeKind::BlockDevice(major, minor) => {
                        let dev = (*major, *minor);
                        self.read_disk(task, dev, pos, count)?
                    }
                    InodeKind::Regular(_) if matches!(self.super_of(path).kind, FsKind::Mqueue) => {
                        let from = usize::try_from(pos).unwrap_or(usize::MAX);
                        self.mqueue_text().into_bytes().into_iter().skip(from).take(count).collect()
                    }
                    InodeKind::Regular(_) if let FsKind::Policy(which) = self.super_of(path).kind => {
                        if pos == 0 || self.vfs.files[id].snapshot.is_none() {
                            let text = self.policyfs_text(which, dentry);
                            self.vfs.files[id].snapshot = Some(text.into_bytes().into());
                        }
                        let text = self.vfs.files[id].snapshot.as_deref().unwrap_or_default();
                        let from = usize::try_from(pos).unwrap_or(usize::MAX).min(text.len());
                        text[from..text.len().min(from + count)].to_vec()
                    }
                    InodeKind::Regular(_) if let Some(text) = self.net_attribute(dentry) => {
                        let from = usize::try_from(pos).unwrap_or(usize::MAX);
                        text?.into_bytes().into_iter().skip(from).take(count).collect()
                    }
                    InodeKind::Regular(_) => {
                        let inode = self.vfs.dentries[dentry].inode;
                        self.wait_for_data(task, inode, direct, pos, count)?;
                        match &self.inode_of(dentry).kind {
                            InodeKind::Regular(content) => content.read(pos, count),
                            _ => return Err(Errno::EINVAL.into()),
                        }
                    }
                    InodeKind::Directory => return Err(Errno::EISDIR.into()),
                    InodeKind::CharDevice(major, minor) => {
                        let device = Device::from_numbers(*major, *minor).ok_or(Errno::ENXIO)?;
                        device.read(self, pos, count)
                    }
                    _ => return Err(Errno::EINVAL.into()),
                },
                Node::Proc(node) => {
                    if self.attr(path).file_type == FileType::Directory {
                        return Err(Errno::EISDIR.into());
                    }
                    if pos == 0 || self.vfs.files[id].snapshot.is_none() {
                        let text = self.proc_read(task, id, path, node)?;
                        self.vfs.files[id].snapshot = Some(text.into());
                    }
                    let text = self.vfs.files[id].snapshot.as_deref().unwrap_or_default();
                    let from = usize::try_from(pos).unwrap_or(usize::MAX).min(text.len());
                    text[from..text.len().min(from + count)].to_vec()
                }
                Node::Cgroup(node) => {
                    if self.is_dir(path) {
                        return Err(Errno::EISDIR.into());
                    }
                    if self.is_unlinked(path.node) {
                        return Err(Errno::ENODEV.into());
                    }
                    if pos == 0 || self.vfs.files[id].snapshot.is_none() {
                        let text = self.cgroup_node_read(task, id, node)?;
                        self.vfs.files[id].snapshot = Some(text.into());
                    }
                    let text = self.vfs.files[id].snapshot.as_deref().unwrap_or_default();
                    let from = usize::try_from(pos).unwrap_or(usize::MAX).min(text.len());
                    text[from..text.len().min(from + count)].to_vec()
                }
                Node::Ns(_) | Node::Pipe(_) => return Err(Errno::EINVAL.into()),
            },
            _ => return Err(Errno::EINVAL.into()),
        };
        self.spend_on_copying(bytes.len());
        if at.is_none() {
            self.vfs.files[id].pos = pos + bytes.len() as u64;
        }
        Ok(bytes)
    }

    /// Writes to an open file: at `at`, or where the file stands, which then moves on. How much was written.
    ///
    /// # Errors
    /// Those of write(2).
    pub(crate) fn write_file(
        &mut self,
        task: TaskId,
        id: FileId,
        at: Option<u64>,
        bytes: &[u8],
    ) -> Result<usize, Stop> {
        let file = &self.vfs.files[id];
        if !file.can_write() {
            return Err(Errno::EBADF.into());
        }
        let nonblock = file.flags & o::NONBLOCK != 0;
        let append = file.flags & o::APPEND != 0;
        let pos = at.unwrap_or(file.pos);
        let direct = file.flags & o::DIRECT != 0;
        let (count, end) = match file.kind.clone() {
            FileKind::PipeWrite(pipe, _) | FileKind::PipeBoth(pipe, _) => {
                (self.pipe_write(task, pipe, bytes, nonblock)?, pos)
            }
            FileKind::Socket(socket) => return self.socket_write(task, socket, bytes, nonblock),
            FileKind::Tun(id, _) => (self.tun_write(id, bytes)?, pos),
            FileKind::EventFd(id) => (self.eventfd_write(id, bytes, nonblock)?, pos),
            FileKind::Device(device) => (self.write_device(task, &device, bytes)?, pos),
            FileKind::Tty(Tty::Pty(pty), _) => (self.write_slave(task, pty, bytes, nonblock)?, pos),
            FileKind::PtyMaster(pty, _) => (self.write_master(task, pty, bytes, nonblock)?, pos),
            FileKind::HungUpTty(..) => return Err(Errno::EIO.into()),
            FileKind::Tty(Tty::Console(console), _) => {
                if !bytes.is_empty() {
                    self.emit(EventKind::Output { console, bytes: bytes.into() });
                }
                (bytes.len(), pos)
            }
            FileKind::Path(path) => match path.node {
                Node::Tree(dentry) => match &self.inode_of(dentry).kind {
                    InodeKind::Regular(_) if let FsKind::Policy(which) = self.super_of(path).kind => {
                        self.policyfs_write(task, which, dentry, bytes)?;
                        let what = if self.trace.silent { String::new() } else { self.d_path(path, task) };
                        self.emit(EventKind::DataWritten { what: what.into(), bytes: bytes.len() as u64 });
                        (bytes.len(), pos + bytes.len() as u64)
                    }
                    InodeKind::Regular(content) => {
                        let pos = if append { content.size } else { pos };
                        let count = self.write_content(task, dentry, pos, bytes, direct)?;
                        let what = if self.trace.silent { String::new() } else { self.d_path(path, task) };
                        self.emit(EventKind::DataWritten { what: what.into(), bytes: count as u64 });
                        (count, pos + count as u64)
                    }
                    InodeKind::BlockDevice(major, minor) => {
                        let dev = (*major, *minor);
                        let count = self.write_disk(task, dev, pos, bytes)?;
                        (count, pos + count as u64)
                    }
                    InodeKind::CharDevice(major, minor) => {
                        let device = Device::from_numbers(*major, *minor).ok_or(Errno::ENXIO)?;
                        (device.write(bytes.len())?, pos)
                    }
                    _ => return Err(Errno::EINVAL.into()),
                },
                Node::Proc(node) => {
                    let count = self.proc_write(task, id, path, node, bytes)?;
                    let what = if self.trace.silent { String::new() } else { self.d_path(path, task) };
                    self.emit(EventKind::DataWritten { what: what.into(), bytes: count as u64 });
                    (count, pos + count as u64)
                }
                Node::Cgroup(node) => {
                    let count = self.cgroup_node_write(task, id, node, bytes)?;
                    (count, pos + count as u64)
                }
                Node::Ns(_) | Node::Pipe(_) => return Err(Errno::EINVAL.into()),
            },
            _ => return Err(Errno::EINVAL.into()),
        };
        self.spend_on_copying(count);
        if at.is_none() {
            self.vfs.files[id].pos = end;
        }
        Ok(count)
    }

    /// Puts bytes into a regular file as far as RLIMIT_FSIZE and the file system allow (`generic_perform_write`).
    fn write_content(
        &mut self,
        task: TaskId,
        dentry: DentryId,
        pos: u64,
        bytes: &[u8],
        direct: bool,
    ) -> Result<usize, Stop> {
        let sb = self.inode_of(dentry).sb;
        if bytes.is_empty() {
            return Ok(0);
        }
        if !matches!(self.vfs.supers[sb].kind, FsKind::Tmpfs(_) | FsKind::Ext4(_)) {
            // Attributes of sysfs: what they would do is not modelled.
            return Err(Errno::EINVAL.into());
        }
        let count = self.limit_file_size(task, pos, bytes.len())?;
        self.drop_privileges_of_file(task, dentry);
        let InodeKind::Regular(content) = &self.inode_of(dentry).kind else { return Err(Errno::EINVAL.into()) };
        let mut content = content.clone();
        let free = self.free_pages(sb);
        let mut count = count;
        while content.pages_needed(pos, count) > free {
            // Page by page from the end: what fits is written.
            let last = (pos + count as u64 - 1) % super::content::PAGE_SIZE as u64 + 1;
            count = count.saturating_sub(last as usize);
            if count == 0 {
                return Err(Errno::ENOSPC.into());
            }
        }
        let needed = content.pages_needed(pos, count);
        let charged = match self.disk_under(sb) {
            Some(_) => {
                let inode = self.vfs.dentries[dentry].inode;
                self.wait_to_write(task, inode, direct, pos, &bytes[..count])?;
                needed
            }
            None if needed > 0 => self.charge_file_pages(task, needed)?,
            None => 0,
        };
        if charged < needed {
            // The group of the writer is full: what fits is written.
            count = content.bytes_within(pos, count, charged);
        }
        content.write(pos, &bytes[..count], self.memcg_of(task));
        self.charge_pages(sb, charged);
        let now = self.unix_time();
        let inode = self.inode_of_mut(dentry);
        inode.kind = InodeKind::Regular(content);
        inode.mtime = now;
        inode.ctime = now;
        Ok(count)
    }

    /// What it costs to move bytes between a program and the kernel: about 4 GB a second.
    fn spend_on_copying(&mut self, bytes: usize) {
        self.spend(Nanos(bytes as u64 / 4));
    }

    /// Reads from a disk itself, past every file system and the page cache.
    fn read_disk(&mut self, task: TaskId, dev: (u32, u32), pos: u64, count: usize) -> Result<Vec<u8>, Stop> {
        let disk = self.disk_by_dev(dev).ok_or(Errno::ENXIO)?;
        let left = self.block.disks[disk].size.saturating_sub(pos);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX)).min(MAX_BIO as usize);
        if count == 0 {
            return Ok(Vec::new());
        }
        let (first, length) = sectors(pos, count);
        self.direct_io(task, disk, Direction::Read, length, Purpose::Raw(first, Arc::from([])))?;
        let mut bytes = self.block.disks[disk].raw.read(pos, count);
        bytes.resize(count, 0);
        Ok(bytes)
    }

    /// Writes to a disk itself.
    fn write_disk(&mut self, task: TaskId, dev: (u32, u32), pos: u64, bytes: &[u8]) -> Result<usize, Stop> {
        let disk = self.disk_by_dev(dev).ok_or(Errno::ENXIO)?;
        let left = self.block.disks[disk].size.saturating_sub(pos);
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)).min(MAX_BIO as usize);
        if count == 0 {
            return if bytes.is_empty() { Ok(0) } else { Err(Errno::ENOSPC.into()) };
        }
        let (first, length) = sectors(pos, count);
        self.read_before_write(task, disk, pos, count)?;
        let mut data = self.block.disks[disk].raw.read(first, length as usize);
        data.resize(length as usize, 0);
        data[(pos - first) as usize..][..count].copy_from_slice(&bytes[..count]);
        self.direct_io(task, disk, Direction::Write, length, Purpose::Raw(first, data.into()))?;
        self.write_raw(disk, pos, &bytes[..count]);
        Ok(count)
    }

    /// What shares a sector with what is written is read first, when it is the machine that has it. While that is under
    /// way the progress of the call is the number of the request, negative.
    fn read_before_write(&mut self, task: TaskId, disk: DiskId, pos: u64, count: usize) -> Result<(), Stop> {
        let (first, length) = sectors(pos, count);
        if self.block.disks[disk].port.is_none() || (first == pos && length == count as u64) {
            return Ok(());
        }
        let made = self.tasks[task].in_call.as_ref().map_or(0, |call| call.progress);
        let (progress, outcome) = match made {
            0 => {
                let group = self.css_of(task, ControllerId::Io);
                let bio = self.submit_bio(disk, Direction::Read, length, group, Purpose::Raw(first, Arc::from([])));
                (-i64::from(bio.0), Err(bio.wait()))
            }
            // It was read: now it can be written.
            ..0 => match BioId(u32::try_from(made.unsigned_abs()).unwrap_or(0)) {
                bio if self.block.bios.contains(bio) => (made, Err(bio.wait())),
                _ => (0, Ok(())),
            },
            _ => (made, Ok(())),
        };
        if let Some(call) = &mut self.tasks[task].in_call {
            call.progress = progress;
        }
        outcome
    }

    /// How much of `count` bytes at `pos` RLIMIT_FSIZE allows (`generic_write_check_limits`).
    ///
    /// # Errors
    /// EFBIG, with SIGXFSZ, when it allows nothing.
    pub(crate) fn limit_file_size(&mut self, task: TaskId, pos: u64, count: usize) -> Result<usize, Errno> {
        let limit = self.processes[self.tasks[task].process].rlimits.0[rlimit::FSIZE].soft;
        if limit == rlimit::INFINITY {
            return Ok(count);
        }
        if pos >= limit {
            self.send_signal_to_thread(task, Signal::XFSZ, Some(task));
            return Err(Errno::EFBIG);
        }
        Ok(count.min(usize::try_from(limit - pos).unwrap_or(usize::MAX)))
    }

    /// Changes the length of a regular file and counts the pages that go.
    ///
    /// # Errors
    /// EFBIG, with SIGXFSZ, above RLIMIT_FSIZE.
    pub(crate) fn truncate_content(&mut self, task: TaskId, dentry: DentryId, size: u64) -> Result<(), Errno> {
        let inode = self.inode_of(dentry);
        let sb = inode.sb;
        let InodeKind::Regular(content) = &inode.kind else { return Err(Errno::EINVAL) };
        if size > content.size {
            self.limit_file_size(task, size - 1, 1)?;
        }
        let InodeKind::Regular(content) = &self.inode_of(dentry).kind else { return Err(Errno::EINVAL) };
        let mut content = content.clone();
        let freed = content.truncate(size);
        self.uncharge_pages(sb, freed.values().sum());
        if self.is_in_memory(sb) {
            self.release_file_pages(&freed);
        }
        let inode = self.vfs.dentries[dentry].inode;
        self.drop_cached_pages(inode, size.div_ceil(super::content::PAGE_SIZE as u64), u64::MAX);
        self.drop_privileges_of_file(task, dentry);
        let now = self.unix_time();
        let inode = self.inode_of_mut(dentry);
        inode.kind = InodeKind::Regular(content);
        inode.mtime = now;
        inode.ctime = now;
        Ok(())
    }

    /// Who changes a program takes away what it could do (`file_remove_privs`): file capabilities always,
    /// set-user-ID and set-group-ID unless the writer has CAP_FSETID.
    pub(crate) fn drop_privileges_of_file(&mut self, task: TaskId, dentry: DentryId) {
        let inode = self.inode_of(dentry);
        let (mode, uid, gid) = (inode.mode, inode.uid, inode.gid);
        if inode.xattrs.contains_key("security.capability") {
            self.inode_of_mut(dentry).xattrs.remove("security.capability");
        }
        let mut drop = mode & S_ISUID;
        if mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP {
            drop |= S_ISGID;
        }
        if drop != 0 && !self.capable_wrt_inode(task, uid, gid, Cap::FSETID) {
            self.inode_of_mut(dentry).mode &= !drop;
        }
    }

    /// A read from a terminal: one line, when one has been typed and a program in the foreground wants it.
    fn read_terminal(&mut self, console: ConsoleId, count: usize, nonblock: bool) -> Result<Vec<u8>, Stop> {
        let Some(c) = self.world.consoles.get_mut(console) else { return Err(Errno::EIO.into()) };
        if count == 0 {
            return Ok(Vec::new());
        }
        if let Some(raw) = &mut c.raw {
            if !raw.is_empty() {
                return Ok(raw.drain(..count.min(raw.len())).collect());
            }
        } else if !c.at_prompt {
            if let Some(mut line) = c.lines.pop_front() {
                line.push('\n');
                let mut bytes = line.into_bytes();
                if bytes.len() > count {
                    let rest = bytes.split_off(count);
                    let rest = String::from_utf8_lossy(&rest).trim_end_matches('\n').to_owned();
                    c.lines.push_front(rest);
                }
                return Ok(bytes);
            }
            if c.end_of_input {
                c.end_of_input = false;
                return Ok(Vec::new());
            }
        }
        if nonblock { Err(Errno::EAGAIN.into()) } else { Err(Sleep::on(Wait::Line(console))) }
    }
}
