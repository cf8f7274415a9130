//! The page cache of files on disks, as in `mm/filemap.c` and `mm/page-writeback.c`: pages are read when they are
//! needed, changed in memory, and written back later.
//!
//! A page is charged to the group of whoever brought it in. A page that was not changed can be dropped at any time
//! ([`Kernel::reclaim`]); one that was must be written back first. It is written back half a minute after it was
//! changed, when somebody asks (fsync(2), sync(2)), when there are too many, or when memory is short. In version 2 that
//! is on the account of the group that changed the file; in version 1 on nobody's, so that no limit there holds it.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::anon::Freed;
use super::memcg::{Charge, ChargeError};
use super::{MemcgId, PAGE_SIZE, ROOT_MEMCG};
use crate::block::event::BlockEvent;
use crate::block::{BioId, BlockTimer, Direction, DiskId, MAX_BIO, Purpose, SECTOR};
use crate::cgroup::controller::ControllerId;
use crate::cgroup::{CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::vfs::fs::SuperId;
use crate::vfs::inode::{InodeId, InodeKind};
use crate::world::World;

/// Pages that are read at least, when a file is read at all (`read_ahead_kb` of 128).
const READ_AHEAD: u64 = 32;
/// Pages in the largest request.
const BATCH: u64 = MAX_BIO / PAGE_SIZE;
/// When changed pages are written back by themselves (`dirty_expire_centisecs`).
const DIRTY_EXPIRE: Nanos = Nanos(30_000_000_000);
/// Of what there is, changed pages may be one part in so many (`dirty_ratio` of 20).
const DIRTY_RATIO: u64 = 5;

/// Where a page stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PageState {
    /// It is being read by this request.
    Reading(BioId),
    /// It is what the disk has.
    Clean,
    /// It was changed.
    Dirty,
    /// It is being written by this request.
    WriteBack(BioId),
}

/// A page of a file that is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CachedPage {
    /// Who is charged for it.
    pub memcg: MemcgId,
    /// Where it stands.
    pub state: PageState,
    /// When it was used last, counted in uses.
    pub used: u64,
}

/// The pages of a file that are in memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileCache {
    /// The disk that the file is on.
    pub disk: DiskId,
    /// Pages by number.
    pub pages: OrdMap<u64, CachedPage>,
    /// On whose account it is written back (`inode->i_wb`).
    pub owner: CgroupId,
    /// When the first of its changed pages was changed.
    pub dirty_since: Option<Nanos>,
}

impl World {
    /// The disk under a file system.
    pub fn disk_under(&self, sb: SuperId) -> Option<DiskId> {
        self.block.disks.iter().find(|(_, d)| d.fs == Some(sb)).map(|(id, _)| id)
    }

    /// How many pages of files on disks, charged to a group or below, stand so.
    pub fn cached_pages(&self, top: MemcgId, of: fn(PageState) -> bool) -> u64 {
        let below: Vec<MemcgId> = self.mm.memcgs.ids().filter(|id| self.mm.is_below(*id, top)).collect();
        let pages = self.block.caches.values().flat_map(|c| c.pages.values());
        pages.filter(|p| of(p.state) && below.contains(&p.memcg)).count() as u64
    }

    /// Pages of a file are gone from memory: those from `from` up to `to`.
    pub(crate) fn drop_cached_pages(&mut self, inode: InodeId, from: u64, to: u64) {
        let Some(cache) = self.block.caches.get_mut(&inode) else { return };
        let gone: Vec<u64> = cache.pages.range(from..to).map(|(n, _)| *n).collect();
        let mut freed = Freed::new();
        for n in gone {
            if let Some(page) = cache.pages.remove(&n) {
                *freed.entry(page.memcg).or_default() += 1;
            }
        }
        if cache.pages.is_empty() {
            self.block.caches.remove(&inode);
        }
        self.release_pages(&freed, Charge::File);
    }

    /// All files of a file system leave memory.
    pub(crate) fn drop_caches_of(&mut self, sb: SuperId) {
        let of_it = |i: &InodeId| self.vfs.inodes.get(*i).is_some_and(|inode| inode.sb == sb);
        let inodes: Vec<InodeId> = self.block.caches.keys().copied().filter(of_it).collect();
        for inode in inodes {
            self.drop_cached_pages(inode, 0, u64::MAX);
        }
    }
}

/// Whether a page has not been written back yet.
pub(crate) fn is_unwritten(state: PageState) -> bool {
    matches!(state, PageState::Dirty | PageState::WriteBack(_))
}

/// Whether a page was changed and nothing has been done about it.
pub(crate) fn is_dirty(state: PageState) -> bool {
    state == PageState::Dirty
}

/// Whether a page is on its way to the disk.
pub(crate) fn is_written_back(state: PageState) -> bool {
    matches!(state, PageState::WriteBack(_))
}

impl Kernel<'_> {
    /// Reads of a file on a disk that past the page cache go, or need pages that are not there, wait here for the disk.
    /// How much there is to be read.
    ///
    /// # Errors
    /// EINVAL for what is not aligned and has to be; ENOMEM; sleeps.
    pub(crate) fn wait_for_data(
        &mut self,
        task: TaskId,
        inode: InodeId,
        direct: bool,
        pos: u64,
        count: usize,
    ) -> Result<(), Stop> {
        let Some(disk) = self.disk_under(self.vfs.inodes[inode].sb) else { return Ok(()) };
        let InodeKind::Regular(content) = &self.vfs.inodes[inode].kind else { return Ok(()) };
        let size = content.size;
        if direct && (!pos.is_multiple_of(SECTOR) || !(count as u64).is_multiple_of(SECTOR)) {
            return Err(Errno::EINVAL.into());
        }
        let end = pos.saturating_add(count as u64).min(size);
        if pos >= end {
            return Ok(());
        }
        if direct {
            let bytes = (end - pos).next_multiple_of(SECTOR);
            let place = self.place_of_file(disk, inode, pos, bytes);
            return self.direct_io(task, disk, Direction::Read, bytes, Purpose::Raw(place, Arc::from([])));
        }
        self.fill_pages(task, disk, inode, (pos / PAGE_SIZE, end.div_ceil(PAGE_SIZE)), size.div_ceil(PAGE_SIZE))
    }

    /// One request that the caller waits for; a call makes at most one at a time.
    pub(crate) fn direct_io(
        &mut self,
        task: TaskId,
        disk: DiskId,
        direction: Direction,
        bytes: u64,
        purpose: Purpose,
    ) -> Result<(), Stop> {
        let made = self.tasks[task].in_call.as_ref().map_or(0, |c| c.progress);
        if made == 0 {
            let group = self.css_of(task, ControllerId::Io);
            let bio = self.submit_bio(disk, direction, bytes, group, purpose);
            if let Some(call) = &mut self.tasks[task].in_call {
                call.progress = i64::from(bio.0);
            }
            return Err(bio.wait());
        }
        let bio = BioId(u32::try_from(made).unwrap_or(0));
        if self.block.bios.contains(bio) { Err(bio.wait()) } else { Ok(()) }
    }

    /// Brings pages of a file into memory, of which the file has `all` (`filemap_get_pages`).
    fn fill_pages(
        &mut self,
        task: TaskId,
        disk: DiskId,
        inode: InodeId,
        (first, end): (u64, u64),
        all: u64,
    ) -> Result<(), Stop> {
        loop {
            let cached = |n: u64| self.block.caches.get(&inode).and_then(|c| c.pages.get(&n)).copied();
            let missing = (first..end).find(|n| cached(*n).is_none_or(|p| matches!(p.state, PageState::Reading(_))));
            let Some(from) = missing else {
                self.use_pages(inode, first, end);
                return Ok(());
            };
            if let Some(CachedPage { state: PageState::Reading(bio), .. }) = cached(from) {
                return Err(bio.wait());
            }
            let most = end.max(from + READ_AHEAD).min(all).min(from + BATCH);
            let to = (from..most).find(|n| cached(*n).is_some()).unwrap_or(most);
            let memcg = self.memcg_of(task);
            let pages = self.charge_cache(task, memcg, to - from)?;
            let owner = self.css_of(task, ControllerId::Io);
            let InodeKind::Regular(content) = &self.vfs.inodes[inode].kind else { return Ok(()) };
            let on_disk = (from..from + pages).filter(|n| content.has_page(*n)).count() as u64;
            let state = if on_disk == 0 {
                PageState::Clean
            } else {
                let purpose = Purpose::Fill(inode, from, pages);
                PageState::Reading(self.submit_bio(disk, Direction::Read, on_disk * PAGE_SIZE, owner, purpose))
            };
            self.insert_pages(disk, inode, owner, (from, pages), memcg, state);
        }
    }

    /// Charges pages of the cache: as many as fit, at least one.
    fn charge_cache(&mut self, task: TaskId, memcg: MemcgId, pages: u64) -> Result<u64, Stop> {
        match self.charge(task, memcg, Charge::File, pages, true) {
            Ok(n) => Ok(n),
            Err(ChargeError::NoMemory) => Err(Errno::ENOMEM.into()),
            Err(ChargeError::Wait(over) | ChargeError::WriteBack(over)) => {
                Err(Stop::Block(Sleep { on: vec![Wait::Memory(over)], until: None }))
            }
        }
    }

    fn insert_pages(
        &mut self,
        disk: DiskId,
        inode: InodeId,
        owner: CgroupId,
        (first, pages): (u64, u64),
        memcg: MemcgId,
        state: PageState,
    ) {
        self.block.last_use += 1;
        let used = self.block.last_use;
        let new = || FileCache { disk, pages: OrdMap::new(), owner, dirty_since: None };
        let cache = self.world.block.caches.entry(inode).or_insert_with(new);
        for n in first..first + pages {
            cache.pages.insert(n, CachedPage { memcg, state, used });
        }
    }

    fn use_pages(&mut self, inode: InodeId, first: u64, end: u64) {
        self.block.last_use += 1;
        let used = self.block.last_use;
        if let Some(cache) = self.world.block.caches.get_mut(&inode) {
            for n in first..end {
                if let Some(page) = cache.pages.get_mut(&n) {
                    page.used = used;
                }
            }
        }
    }

    /// A request has brought pages in.
    pub(crate) fn pages_are_read(&mut self, inode: InodeId, first: u64, pages: u64) {
        self.settle_pages(inode, first, pages, |state| matches!(state, PageState::Reading(_)));
    }

    /// A request has written pages back: they can be dropped now.
    pub(crate) fn pages_are_written(&mut self, inode: InodeId, first: u64, pages: u64) {
        let memcgs = self.settle_pages(inode, first, pages, is_written_back);
        for memcg in memcgs {
            for id in self.mm.lineage(memcg) {
                self.wake_all(Wait::Memory(id));
            }
        }
    }

    fn settle_pages(&mut self, inode: InodeId, first: u64, pages: u64, was: fn(PageState) -> bool) -> Vec<MemcgId> {
        let mut memcgs = Vec::new();
        let Some(cache) = self.world.block.caches.get_mut(&inode) else { return memcgs };
        for n in first..first + pages {
            if let Some(page) = cache.pages.get_mut(&n).filter(|p| was(p.state)) {
                page.state = PageState::Clean;
                if !memcgs.contains(&page.memcg) {
                    memcgs.push(page.memcg);
                }
            }
        }
        memcgs
    }

    /// What a write to a file on a disk waits for before anything is written: pages that it changes only in part and
    /// that are not there, room in memory, and that others have written back (`balance_dirty_pages`). Past the page
    /// cache it waits for the disk.
    ///
    /// # Errors
    /// EINVAL for what is not aligned and has to be; ENOMEM; sleeps.
    pub(crate) fn wait_to_write(
        &mut self,
        task: TaskId,
        inode: InodeId,
        direct: bool,
        pos: u64,
        bytes: &[u8],
    ) -> Result<(), Stop> {
        let Some(disk) = self.disk_under(self.vfs.inodes[inode].sb) else { return Ok(()) };
        let count = bytes.len() as u64;
        let end = pos.saturating_add(count);
        if direct {
            if !pos.is_multiple_of(SECTOR) || !count.is_multiple_of(SECTOR) {
                return Err(Errno::EINVAL.into());
            }
            let place = self.place_of_file(disk, inode, pos, count);
            // Only a machine that keeps what is on the disk wants to see it.
            let data = if self.block.disks[disk].port.is_some() { Arc::from(bytes) } else { Arc::from([]) };
            self.direct_io(task, disk, Direction::Write, count, Purpose::Raw(place, data))?;
            self.drop_cached_pages(inode, pos / PAGE_SIZE, end.div_ceil(PAGE_SIZE));
            return Ok(());
        }
        self.balance_dirty_pages(task)?;
        let InodeKind::Regular(content) = &self.vfs.inodes[inode].kind else { return Ok(()) };
        let all = content.size.div_ceil(PAGE_SIZE);
        for edge in [pos / PAGE_SIZE, (end - 1) / PAGE_SIZE] {
            let whole = edge * PAGE_SIZE >= pos && (edge + 1) * PAGE_SIZE <= end;
            let InodeKind::Regular(content) = &self.vfs.inodes[inode].kind else { return Ok(()) };
            if !whole && content.has_page(edge) {
                self.fill_pages(task, disk, inode, (edge, edge + 1), all.max(edge + 1))?;
            }
        }
        let memcg = self.memcg_of(task);
        let owner = self.css_of(task, ControllerId::Io);
        let (first, last) = (pos / PAGE_SIZE, end.div_ceil(PAGE_SIZE));
        loop {
            let is_there = |n: u64| self.block.caches.get(&inode).is_some_and(|c| c.pages.contains_key(&n));
            let Some(from) = (first..last).find(|n| !is_there(*n)) else { break };
            let to = (from..last).find(|n| is_there(*n)).unwrap_or(last);
            let pages = self.charge_cache(task, memcg, to - from)?;
            self.insert_pages(disk, inode, owner, (from, pages), memcg, PageState::Clean);
        }
        self.set_dirty(task, inode, first, last);
        Ok(())
    }

    /// Pages are changed (`folio_mark_dirty`). Whoever changes the first one answers for the file.
    fn set_dirty(&mut self, task: TaskId, inode: InodeId, first: u64, end: u64) {
        let now = self.local_clock();
        let owner = self.write_back_group(task);
        let Some(cache) = self.world.block.caches.get_mut(&inode) else { return };
        for n in first..end {
            if let Some(page) = cache.pages.get_mut(&n) {
                page.state = PageState::Dirty;
            }
        }
        if cache.dirty_since.is_none() {
            cache.dirty_since = Some(now);
            cache.owner = owner;
            self.block.timers.insert((now + DIRTY_EXPIRE, BlockTimer::WriteBack));
        }
    }

    /// On whose account what a task changes is written back (`inode_cgwb_enabled`): its own, if memory and io are both
    /// controllers of version 2; otherwise the root's.
    fn write_back_group(&self, task: TaskId) -> CgroupId {
        let io = self.hierarchy_of(ControllerId::Io);
        let both = [ControllerId::Memory, ControllerId::Io];
        if both.iter().all(|c| self.cgroups.hierarchies[self.hierarchy_of(*c)].version == Version::V2) {
            self.css_of(task, ControllerId::Io)
        } else {
            self.cgroups.hierarchies[io].root
        }
    }

    /// Whoever writes while there is too much to be written back waits for the disk: in the machine, and in version 2 in
    /// its group.
    fn balance_dirty_pages(&mut self, task: TaskId) -> Result<(), Stop> {
        let memcg = self.memcg_of(task);
        let scope = if self.mm.memcgs[memcg].v2 { self.mm.lineage(memcg) } else { vec![ROOT_MEMCG] };
        for top in scope {
            let free = self.mm.room_below(top);
            let limit = (free + self.mm.subtree(top, Charge::File)) / DIRTY_RATIO;
            if self.cached_pages(top, is_unwritten) < limit.max(BATCH) {
                continue;
            }
            self.write_back(|p| p.memcg == top || top == ROOT_MEMCG || p.memcg == memcg);
            if let Some(bio) = self.bio_in_flight(top) {
                return Err(bio.wait());
            }
        }
        Ok(())
    }

    /// The oldest request that writes pages of a group back.
    fn bio_in_flight(&self, top: MemcgId) -> Option<BioId> {
        let pages = self.block.caches.values().flat_map(|c| c.pages.values());
        let below = pages.filter(|p| self.mm.is_below(p.memcg, top));
        below
            .filter_map(|p| match p.state {
                PageState::WriteBack(bio) => Some(bio),
                _ => None,
            })
            .min()
    }

    /// Begins to write changed pages back: those that `which` says.
    pub(crate) fn write_back(&mut self, which: impl Fn(&CachedPage) -> bool) {
        let files: Vec<InodeId> = self.block.caches.keys().copied().collect();
        for inode in files {
            self.write_back_file(inode, &which);
        }
    }

    /// The same for one file (`do_writepages`).
    pub(crate) fn write_back_file(&mut self, inode: InodeId, which: &impl Fn(&CachedPage) -> bool) {
        let Some(cache) = self.block.caches.get(&inode) else { return };
        let (disk, owner) = (cache.disk, cache.owner);
        let owner = if self.cgroups.groups.contains(owner) && !self.cgroup(owner).released {
            owner
        } else {
            self.cgroups.hierarchies[self.hierarchy_of(ControllerId::Io)].root
        };
        let dirty: Vec<u64> =
            cache.pages.iter().filter(|(_, p)| p.state == PageState::Dirty && which(p)).map(|(n, _)| *n).collect();
        if dirty.is_empty() {
            return;
        }
        self.emit(EventKind::Block(BlockEvent::WritesBack { disk, pages: dirty.len() as u64 }));
        let mut rest = dirty.as_slice();
        while let Some(first) = rest.first().copied() {
            let n = rest.iter().zip(first..first + BATCH).take_while(|(a, b)| **a == *b).count();
            let purpose = Purpose::WriteBack(inode, first, n as u64);
            let bio = self.submit_bio(disk, Direction::Write, n as u64 * PAGE_SIZE, owner, purpose);
            if let Some(cache) = self.world.block.caches.get_mut(&inode) {
                for number in first..first + n as u64 {
                    if let Some(page) = cache.pages.get_mut(&number) {
                        page.state = PageState::WriteBack(bio);
                    }
                }
            }
            rest = &rest[n..];
        }
        if let Some(cache) = self.world.block.caches.get_mut(&inode)
            && !cache.pages.values().any(|p| p.state == PageState::Dirty)
        {
            cache.dirty_since = None;
        }
    }

    /// The timer of old pages (`wb_check_old_data_flush`).
    pub(crate) fn write_back_old_pages(&mut self) {
        let now = self.clock;
        let old = |c: &FileCache| c.dirty_since.is_some_and(|since| since + DIRTY_EXPIRE <= now);
        let files: Vec<InodeId> = self.block.caches.iter().filter(|(_, c)| old(c)).map(|(i, _)| *i).collect();
        for inode in files {
            self.write_back_file(inode, &|_: &CachedPage| true);
        }
    }

    /// Waits until nothing of a file (`Some`), or of all files, has to be written back, and the disk has emptied its own
    /// cache (`ext4_sync_file`, `ksys_sync`).
    ///
    /// # Errors
    /// Sleeps.
    pub(crate) fn sync_pages(&mut self, task: TaskId, of: Option<InodeId>, disks: &[DiskId]) -> Result<(), Stop> {
        let flushing = self.tasks[task].in_call.as_ref().is_some_and(|c| c.progress != 0);
        if !flushing {
            let files: Vec<InodeId> = match of {
                Some(inode) => vec![inode],
                None => {
                    let on = |c: &FileCache| disks.contains(&c.disk);
                    self.block.caches.iter().filter(|(_, c)| on(c)).map(|(i, _)| *i).collect()
                }
            };
            for inode in files {
                self.write_back_file(inode, &|_: &CachedPage| true);
                let Some(cache) = self.block.caches.get(&inode) else { continue };
                let last = cache.pages.values().filter_map(|p| match p.state {
                    PageState::WriteBack(bio) => Some(bio),
                    _ => None,
                });
                if let Some(bio) = last.max() {
                    return Err(bio.wait());
                }
            }
        }
        match disks.first() {
            Some(disk) => self.direct_io(task, *disk, Direction::Write, 0, Purpose::Flush),
            None => Ok(()),
        }
    }

    /// Drops pages of the cache that are not changed, those first that were not used for longest; how many. Changed ones
    /// are sent on their way.
    pub(super) fn shrink_page_cache(&mut self, top: MemcgId, wanted: u64, spare: impl Fn(MemcgId) -> bool) -> u64 {
        let mut clean: Vec<(u64, InodeId, u64)> = Vec::new();
        for (inode, cache) in &self.block.caches {
            let of_group = |p: &CachedPage| self.mm.is_below(p.memcg, top) && !spare(p.memcg);
            let pages = cache.pages.iter().filter(|(_, p)| p.state == PageState::Clean && of_group(p));
            clean.extend(pages.map(|(n, p)| (p.used, *inode, *n)));
        }
        clean.sort_unstable();
        clean.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        self.evict(clean.iter().map(|(_, inode, n)| (*inode, *n)));
        let dropped = clean.len() as u64;
        if dropped < wanted {
            let below: Vec<MemcgId> = self.mm.memcgs.ids().filter(|id| self.mm.is_below(*id, top)).collect();
            self.write_back(|p| below.contains(&p.memcg));
        }
        dropped
    }

    /// For whoever cannot wait: pages that are on their way to the disk are dropped at once. How many.
    pub(super) fn drop_pages_on_their_way(&mut self, top: MemcgId) -> u64 {
        let mut gone: Vec<(InodeId, u64)> = Vec::new();
        for (inode, cache) in &self.block.caches {
            let theirs = |p: &CachedPage| is_written_back(p.state) && self.mm.is_below(p.memcg, top);
            gone.extend(cache.pages.iter().filter(|(_, p)| theirs(p)).map(|(n, _)| (*inode, *n)));
        }
        let count = gone.len() as u64;
        self.evict(gone.into_iter());
        count
    }

    /// Pages leave memory, and their groups are charged that much less.
    fn evict(&mut self, pages: impl Iterator<Item = (InodeId, u64)>) {
        let mut freed = Freed::new();
        for (inode, n) in pages {
            let Some(cache) = self.world.block.caches.get_mut(&inode) else { continue };
            if let Some(page) = cache.pages.remove(&n) {
                *freed.entry(page.memcg).or_default() += 1;
            }
            if cache.pages.is_empty() {
                self.world.block.caches.remove(&inode);
            }
        }
        self.uncharge_all(Charge::File, &freed);
    }
}
