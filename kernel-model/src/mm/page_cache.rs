//! Pages of files: who is charged for them, and how they get into an address space (`mm/filemap.c`, `mm/shmem.c`).
//!
//! A page of a file in memory is charged to the group of whoever wrote or touched it first and stays charged there
//! until the file is cut off or gone, whoever reads it later. Each page of a [`Content`] knows its group.

use super::MmId;
use super::anon::Freed;
use super::event::MemoryEvent;
use super::fault::{Access, FaultError};
use super::memcg::Charge;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::pv_ops::{Frames, PageRange, PvOp};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::vfs::Node;
use crate::vfs::content::Content;
use crate::vfs::file::FileId;
use crate::vfs::fs::{FsKind, SuperId};
use crate::vfs::inode::{InodeId, InodeKind};
use crate::world::World;

/// How many pages one fault that reads maps: `fault_around_bytes` is 64 KiB.
pub(super) const FAULT_AROUND: u64 = 16;

impl Kernel<'_> {
    /// Charges new pages of a file to the group of `task`: as many as fit, at least one.
    ///
    /// # Errors
    /// ENOMEM at the limit of its group.
    pub(crate) fn charge_file_pages(&mut self, task: TaskId, pages: u64) -> Result<u64, Errno> {
        let memcg = self.memcg_of(task);
        let mut done = 0;
        while done < pages {
            match self.charge(task, memcg, Charge::Shmem, pages - done, false) {
                Ok(n) => done += n,
                Err(_) if done > 0 => break,
                Err(_) => return Err(Errno::ENOMEM),
            }
        }
        Ok(done)
    }

    /// Pages of a mapped file come into the address space. Pages that the file does not have yet are made, and
    /// charged (`shmem_fault`).
    pub(super) fn fault_in_file(
        &mut self,
        task: TaskId,
        mm: MmId,
        start: u64,
        (at, pages): (u64, u64),
        (file, offset): (FileId, u64),
        access: Access,
    ) -> Result<(), FaultError> {
        let Some(inode) = self.mapped_inode(file) else { return Err(FaultError::Bus) };
        for i in 0..pages {
            let InodeKind::Regular(content) = &self.vfs.inodes[inode].kind else { return Err(FaultError::Bus) };
            let number = offset + i;
            if number * super::PAGE_SIZE >= content.size {
                return Err(FaultError::Bus);
            }
            if content.has_page(number) {
                continue;
            }
            let sb = self.vfs.inodes[inode].sb;
            if self.free_pages(sb) == 0 {
                return Err(FaultError::Bus);
            }
            self.charge_file_pages(task, 1).map_err(|_| FaultError::Oom)?;
            let memcg = self.memcg_of(task);
            self.charge_pages(sb, 1);
            if let InodeKind::Regular(content) = &mut self.vfs.inodes[inode].kind {
                content.allocate(number * super::PAGE_SIZE, super::PAGE_SIZE, memcg);
            }
        }
        let mut left = (at, pages);
        while left.1 > 0 {
            let n = self.grow_page_tables(task, mm, access)?.min(left.1);
            self.map_file_pages(mm, start, (left.0, n), access.write, true);
            left = (left.0 + n, left.1 - n);
        }
        Ok(())
    }

    /// Maps pages of a file that are in memory (`filemap_map_pages`, `finish_fault`).
    pub(super) fn map_file_pages(
        &mut self,
        mm: MmId,
        start: u64,
        (at, pages): (u64, u64),
        write: bool,
        in_memory: bool,
    ) {
        let space = &mut self.world.mm.spaces[mm];
        let Some(vma) = space.vmas.get_mut(&start) else { return };
        let more = pages - vma.resident.count_in(at, pages);
        if more == 0 {
            return;
        }
        let area = vma.clone();
        vma.resident.insert(at, pages);
        if in_memory {
            space.rss.shmem += more;
        } else {
            space.rss.file += more;
        }
        space.note_rss();
        // One fault maps the pages around it too, if it only reads.
        let faults = if write { more } else { more.div_ceil(FAULT_AROUND) };
        self.privileged(PvOp::PageFault { at: PageRange { mm, first: at, pages: faults }, write, present: false });
        let frames = Frames::PageCache(self.page_in_cache(&area, at - start));
        self.privileged(PvOp::SetPte { at: PageRange { mm, first: at, pages }, write, frames });
    }

    /// The inode behind an open file that is mapped.
    pub(super) fn mapped_inode(&self, file: FileId) -> Option<InodeId> {
        match self.vfs.files.get(file)?.path()?.node {
            Node::Tree(dentry) => Some(self.vfs.dentries[dentry].inode),
            _ => None,
        }
    }

    /// Tells of the pages of files that went during a call ([`World::release_file_pages`]), and wakes whoever waits
    /// for memory.
    pub(crate) fn settle_file_pages(&mut self) {
        if self.mm.released.is_empty() {
            return;
        }
        for ((memcg, what), pages) in std::mem::take(&mut self.mm.released) {
            let usage = self.mm.memcgs.get(memcg).map_or(0, |m| m.usage);
            self.emit_memory(MemoryEvent::Uncharged { memcg, what, pages, usage });
            for id in self.mm.lineage(memcg) {
                self.wake_all(Wait::Memory(id));
            }
            self.free_memcg_if_unused(memcg);
        }
    }
}

impl World {
    /// Pages of a file are gone: their groups are charged that much less.
    pub(crate) fn release_file_pages(&mut self, freed: &Freed) {
        self.release_pages(freed, Charge::Shmem);
    }

    /// The same for pages of a kind.
    pub(crate) fn release_pages(&mut self, freed: &Freed, what: Charge) {
        for (memcg, pages) in freed {
            self.mm.count_uncharge(*memcg, what, *pages);
            *self.mm.released.entry((*memcg, what)).or_default() += pages;
        }
    }

    /// A file comes into being with pages in it: at boot, and when an overlay copies one up.
    pub(crate) fn charge_content(&mut self, content: &Content) {
        for (memcg, pages) in content.charges() {
            self.mm.commit_charge(memcg, Charge::Shmem, pages);
        }
    }

    /// Whether the files of a file system are nothing but page cache.
    pub(crate) fn is_in_memory(&self, sb: SuperId) -> bool {
        self.vfs.supers.get(sb).is_some_and(|s| matches!(s.kind, FsKind::Tmpfs(_)))
    }

    /// Who is charged for the pages of all files of a file system.
    pub(crate) fn pages_of_super(&self, sb: SuperId) -> Freed {
        let mut all = Freed::new();
        for (_, inode) in self.vfs.inodes.iter().filter(|(_, i)| i.sb == sb) {
            if let InodeKind::Regular(content) = &inode.kind {
                for (memcg, pages) in content.charges() {
                    *all.entry(memcg).or_default() += pages;
                }
            }
        }
        all
    }
}

/// Who is charged for pages of files, counted from scratch.
pub(super) fn charged_pages(world: &World) -> Freed {
    let mut all = Freed::new();
    for sb in world.vfs.supers.ids().filter(|sb| world.is_in_memory(*sb)) {
        for (memcg, pages) in world.pages_of_super(sb) {
            *all.entry(memcg).or_default() += pages;
        }
    }
    all
}
