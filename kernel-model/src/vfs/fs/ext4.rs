//! A file system on a disk, called ext4: names and inodes as everywhere ([`crate::vfs::inode`]), room counted in
//! blocks, and the bytes behind a disk that takes its time ([`crate::mm::writeback`]). Its journal and its layout on the
//! disk are not modelled: the disk knows only that mkfs(8) was there, by the magic number where ext4 has it.

use super::context::FsContext;
use super::{FsKind, Quota, SuperId};
use crate::block::DiskId;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::ROOT_MEMCG;
use crate::security::credentials::{Kgid, Kuid};
use crate::task::TaskId;
use crate::vfs::content::PAGE_SIZE;
use crate::vfs::inode::InodeKind;
use crate::vfs::{Node, walk};
use crate::world::World;

/// Where the magic number is (`s_magic`), and what it is.
const MAGIC_AT: u64 = 1024 + 56;
/// The magic number.
pub const MAGIC: [u8; 2] = [0x53, 0xef];
/// One inode for so many bytes.
pub const BYTES_PER_INODE: u64 = 16384;
/// One block in so many is for root and for the tables.
const OVERHEAD: u64 = 20;

impl World {
    /// The disk that a device file names.
    fn disk_at(&self, rdev: (u32, u32)) -> Option<DiskId> {
        self.disk_by_dev(rdev)
    }

    /// Whether the disk says that it has an ext4.
    fn has_magic(&self, disk: DiskId) -> bool {
        self.block.disks[disk].raw.read(MAGIC_AT, 2) == MAGIC
    }
}

impl Kernel<'_> {
    /// Mounts what is on the disk that `source` names (`get_tree_bdev`).
    ///
    /// # Errors
    /// ENOTBLK, ENXIO for what is no disk; EINVAL for a disk without an ext4.
    pub(super) fn mount_disk(&mut self, task: TaskId, fc: &FsContext) -> Result<SuperId, Errno> {
        let Some(source) = fc.source.as_deref().filter(|s| !s.is_empty()) else { return Err(Errno::EINVAL) };
        let follow = walk::LookupFlags::FOLLOW;
        let place = self.walk(task, crate::program::libc::AT_FDCWD, source, follow)?;
        let attr = self.attr(place);
        if attr.file_type != super::FileType::BlockDevice {
            return Err(Errno::ENOTBLK);
        }
        let disk = self.disk_at(attr.rdev).ok_or(Errno::ENXIO)?;
        if fc.fs_type != "ext4" || !self.has_magic(disk) {
            return Err(Errno::EINVAL);
        }
        if let Some(sb) = self.block.disks[disk].fs {
            return Ok(sb);
        }
        // mkfs(8) was here since it was mounted last: it is empty.
        let blocks = self.block.disks[disk].size / PAGE_SIZE as u64;
        let quota = Quota {
            max_pages: Some(blocks - blocks / OVERHEAD),
            max_inodes: Some(self.block.disks[disk].size / BYTES_PER_INODE),
            pages: 0,
            inodes: 0,
        };
        let sb = self.new_super(fc, FsKind::Ext4(quota), Vec::new());
        self.vfs.supers[sb].dev = self.block.disks[disk].dev;
        self.block.disks[disk].fs = Some(sb);
        self.vfs.supers[sb].last_ino = 1;
        self.make_root(sb, 0o755, Kuid::ROOT, Kgid::ROOT)?;
        self.vfs.supers[sb].last_ino = 10;
        if let Node::Tree(root) = self.vfs.supers[sb].root {
            self.create_in(root, "lost+found", InodeKind::Directory, 0o700, Kuid::ROOT, Kgid::ROOT)?;
        }
        Ok(sb)
    }

    /// Bytes written to the device itself. What was on it as a file system is lost when its magic number goes, or
    /// comes anew.
    pub(crate) fn write_raw(&mut self, disk: DiskId, pos: u64, bytes: &[u8]) {
        let end = pos + bytes.len() as u64;
        self.block.disks[disk].raw.write(pos, bytes, ROOT_MEMCG);
        if pos <= MAGIC_AT
            && MAGIC_AT < end
            && let Some(sb) = self.block.disks[disk].fs
            && !self.is_mounted(sb)
        {
            self.block.disks[disk].fs = None;
            self.put_super(sb);
        }
    }

    /// Whether a file system is mounted anywhere.
    pub(crate) fn is_mounted(&self, sb: SuperId) -> bool {
        self.vfs.mounts.iter().any(|(_, m)| m.sb == sb)
    }
}
