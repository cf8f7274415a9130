//! Block devices: a disk that takes its time, and the requests to it (`struct bio`), as in `block/`.
//!
//! A disk serves one request after the other: each costs a fixed time and then its bytes at the speed of the disk.
//! Before a request gets there the groups of whoever it is made for may hold it back ([`throttle`], `io.max`). Tasks
//! sleep until their requests are done, which is pressure on io. Who makes requests: reads and writes past the page
//! cache (`O_DIRECT`), reads of pages that are not there, and the writing back of pages that were changed
//! ([`crate::mm::writeback`]).
//!
//! The bytes of files are where they always are, in the inode: a request moves time and counts, not bytes.
//!
//! Invariants ([`World::check_block`]): a request is in one queue; a disk that has requests serves one.

pub mod event;
mod service;
pub mod stat;
#[cfg(test)]
mod tests;
pub mod throttle;

use std::collections::VecDeque;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupId;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::machine::Port;
use crate::machine::interrupt::DiskRequest;
use crate::mm::PAGE_SIZE;
use crate::mm::writeback::FileCache;
use crate::syscall::{Sleep, Stop};
use crate::table::Table;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::vfs::content::Content;
use crate::vfs::fs::SuperId;
use crate::vfs::inode::{InodeId, InodeKind};
use crate::world::World;
use event::BlockEvent;
use stat::IoStat;
use throttle::ThrottleGroup;

id! {
    /// A disk.
    DiskId
}

id! {
    /// A request to a disk.
    BioId
}

/// Bytes of a sector, to which requests past the page cache are aligned.
pub const SECTOR: u64 = 512;
/// The largest request: 256 pages (`BIO_MAX_VECS`).
pub const MAX_BIO: u64 = 1 << 20;
/// What a request costs whatever its size: about what a virtual disk on flash memory takes.
const LATENCY: Nanos = Nanos(100_000);
/// Bytes that a disk reads or writes in a second.
const BYTES_PER_SECOND: u64 = 200 << 20;
/// What it costs to empty the disk's own cache (`REQ_PREFLUSH`).
const FLUSH: Nanos = Nanos(1_000_000);

/// In which direction a request goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Direction {
    Read,
    Write,
}

impl Direction {
    /// Its place in a pair.
    pub fn index(self) -> usize {
        self as usize
    }

    /// What it is called in `blkio.throttle.io_service_bytes`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Read => "Read",
            Direction::Write => "Write",
        }
    }
}

/// A disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// Its name below `/dev`.
    pub name: String,
    /// Major and minor number.
    pub dev: (u32, u32),
    /// Its size in bytes.
    pub size: u64,
    /// What was written to the device itself. A file system that was made on it is recognised by its magic number here.
    pub raw: Content,
    /// The file system that mkfs(8) made.
    pub fs: Option<SuperId>,
    /// Where its requests go when the machine serves them; a disk without serves them itself.
    pub port: Option<Port>,
    /// Requests that wait for the disk.
    pub queue: imbl::Vector<BioId>,
    /// The one that it works at.
    pub active: Option<BioId>,
    /// Requests done, by direction, their bytes, and how long they took.
    pub done: [(u64, u64, Nanos); 2],
}

/// What a request is for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// A task that empties the disk's cache.
    Flush,
    /// A task that reads or writes the disk itself, or a file past the page cache: from this byte of the disk on; these
    /// are written.
    Raw(u64, Arc<[u8]>),
    /// Somebody outside of this kernel reads so many bytes from this one on, or writes these; the number by which the answer is
    /// known.
    Served(u64, u64, Arc<[u8]>),
    /// These pages of a file, so many from the first on, are read into the page cache.
    Fill(InodeId, u64, u64),
    /// They are written back.
    WriteBack(InodeId, u64, u64),
}

/// A request (`struct bio`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bio {
    /// To which disk.
    pub disk: DiskId,
    /// In which direction.
    pub direction: Direction,
    /// How much; 0 for emptying the disk's cache.
    pub bytes: u64,
    /// The group for which it is made.
    pub group: CgroupId,
    /// What for.
    pub purpose: Purpose,
    /// When it was made.
    pub since: Nanos,
    /// It has been held back.
    pub throttled: bool,
}

/// Something that is due at a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum BlockTimer {
    /// The disk is done with its request.
    Done(DiskId),
    /// A group may let requests through again.
    Dispatch(CgroupId, DiskId, Direction),
    /// Pages that were changed long ago are written back.
    WriteBack,
}

/// All of block devices.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Block {
    /// The disks.
    pub disks: Table<DiskId, Disk>,
    /// Requests that are not done.
    pub bios: Table<BioId, Bio>,
    /// What groups may do, where that is limited.
    pub throttles: OrdMap<(CgroupId, DiskId), ThrottleGroup>,
    /// What groups have done.
    pub stats: OrdMap<(CgroupId, DiskId), IoStat>,
    /// What is due.
    pub timers: OrdSet<(Nanos, BlockTimer)>,
    /// Pages of files on disks that are in memory.
    pub caches: OrdMap<InodeId, FileCache>,
    /// Counts uses of cached pages.
    pub last_use: u64,
}

impl World {
    /// The disk with these numbers.
    pub fn disk_by_dev(&self, dev: (u32, u32)) -> Option<DiskId> {
        self.block.disks.iter().find(|(_, d)| d.dev == dev).map(|(id, _)| id)
    }

    /// The disk of the standard machine.
    pub(crate) fn add_disk(&mut self, name: &str, dev: (u32, u32), size: u64) -> DiskId {
        self.block.disks.add(Disk {
            name: name.to_owned(),
            dev,
            size,
            raw: Content::default(),
            fs: None,
            queue: imbl::Vector::new(),
            port: None,
            active: None,
            done: [(0, 0, Nanos(0)); 2],
        })
    }

    /// The disks whose file system is mounted.
    pub(crate) fn mounted_disks(&self) -> Vec<DiskId> {
        let mounted = |sb: SuperId| self.vfs.mounts.iter().any(|(_, m)| m.sb == sb);
        self.block.disks.iter().filter(|(_, d)| d.fs.is_some_and(mounted)).map(|(id, _)| id).collect()
    }

    /// When something of a disk is due next.
    pub(crate) fn next_block_timer(&self) -> Option<Nanos> {
        self.block.timers.get_min().map(|(at, _)| *at)
    }

    /// Whether a disk works or holds requests back.
    pub fn is_disk_busy(&self) -> bool {
        !self.block.bios.is_empty()
    }

    /// Checks the queues of disks.
    pub(crate) fn check_block(&self) -> Result<(), String> {
        let mut queued: VecDeque<BioId> = VecDeque::new();
        for (id, disk) in self.block.disks.iter() {
            if disk.active.is_none() && !disk.queue.is_empty() {
                return Err(format!("disk {id} does nothing and has requests"));
            }
            queued.extend(disk.active.iter().chain(disk.queue.iter()));
        }
        for tg in self.block.throttles.values() {
            queued.extend(tg.queued.iter().flatten());
        }
        queued.make_contiguous().sort_unstable();
        let all: Vec<BioId> = self.block.bios.ids().collect();
        if queued != all { Err(format!("requests {all:?}, but {queued:?} are in queues")) } else { Ok(()) }
    }
}

impl Kernel<'_> {
    /// Makes a request (`submit_bio`): it goes through the limits of its group and of those above to the disk.
    pub(crate) fn submit_bio(
        &mut self,
        disk: DiskId,
        direction: Direction,
        bytes: u64,
        group: CgroupId,
        purpose: Purpose,
    ) -> BioId {
        let since = self.local_clock();
        let bio = self.block.bios.add(Bio { disk, direction, bytes, group, purpose, since, throttled: false });
        self.emit(EventKind::Block(BlockEvent::Submitted { disk, direction, bytes, group }));
        if bytes == 0 {
            self.queue_bio(bio);
        } else {
            self.throttle_bio(bio, group);
        }
        bio
    }

    /// A request has passed all limits: it counts, and waits for the disk.
    pub(super) fn queue_bio(&mut self, id: BioId) {
        let Some(bio) = self.block.bios.get(id).cloned() else { return };
        self.count_io(&bio);
        let disk = &mut self.block.disks[bio.disk];
        if disk.active.is_none() {
            disk.active = Some(id);
            self.start_service(bio.disk, &bio);
        } else {
            disk.queue.push_back(id);
        }
    }

    fn start_service(&mut self, disk: DiskId, bio: &Bio) {
        if let Some(port) = self.block.disks[disk].port {
            let Some(active) = self.block.disks[disk].active else { return };
            let (pos, data) = self.place_on_disk(disk, bio);
            let (direction, bytes) = (bio.direction, bio.bytes);
            self.machine.submit(DiskRequest { port, disk, bio: active, direction, bytes, pos, data });
            self.emit_reports();
            return;
        }
        let time = if bio.bytes == 0 { FLUSH } else { LATENCY + Nanos(bio.bytes * 1_000_000_000 / BYTES_PER_SECOND) };
        let at = self.local_clock() + time;
        self.block.timers.insert((at, BlockTimer::Done(disk)));
    }

    /// Where bytes of a file are on its disk. Where a file system keeps them is not modelled: each file is taken to have a
    /// megabyte of its own behind the block that says which file system it is.
    pub(crate) fn place_of_file(&self, disk: DiskId, inode: InodeId, pos: u64, bytes: u64) -> u64 {
        let room = self.block.disks[disk].size.saturating_sub(PAGE_SIZE + bytes).max(1);
        PAGE_SIZE + (u64::from(inode.0) * MAX_BIO).wrapping_add(pos) % room / SECTOR * SECTOR
    }

    /// Where a request goes on the disk, and what is written there.
    fn place_on_disk(&self, disk: DiskId, bio: &Bio) -> (u64, Arc<[u8]>) {
        match &bio.purpose {
            Purpose::Raw(pos, data) | Purpose::Served(_, pos, data) => (*pos, Arc::clone(data)),
            Purpose::Flush => (0, Arc::from([])),
            Purpose::Fill(inode, first, _) => {
                (self.place_of_file(disk, *inode, first * PAGE_SIZE, bio.bytes), Arc::from([]))
            }
            Purpose::WriteBack(inode, first, _) => {
                let mut bytes = match self.vfs.inodes.get(*inode).map(|inode| &inode.kind) {
                    Some(InodeKind::Regular(content)) => content.read(first * PAGE_SIZE, bio.bytes as usize),
                    _ => Vec::new(),
                };
                bytes.resize(bio.bytes as usize, 0);
                (self.place_of_file(disk, *inode, first * PAGE_SIZE, bio.bytes), bytes.into())
            }
        }
    }

    /// The earliest thing that is due happens.
    pub(crate) fn fire_block_timer(&mut self) {
        let Some((at, timer)) = self.block.timers.get_min().copied() else { return };
        self.block.timers.remove(&(at, timer));
        match timer {
            BlockTimer::Done(disk) => self.end_request(disk),
            BlockTimer::Dispatch(group, disk, direction) => self.dispatch_throttled(group, disk, direction),
            BlockTimer::WriteBack => self.write_back_old_pages(),
        }
    }

    /// The disk is done with a request (`bio_endio`), and goes on with the next.
    pub(crate) fn end_request(&mut self, disk: DiskId) {
        let Some(id) = self.block.disks[disk].active.take() else { return };
        if let Some(next) = self.block.disks[disk].queue.pop_front() {
            self.block.disks[disk].active = Some(next);
            let bio = self.block.bios[next].clone();
            self.start_service(disk, &bio);
        }
        let Some(bio) = self.block.bios.remove(id) else { return };
        let took = self.clock - bio.since;
        let done = &mut self.block.disks[disk].done[bio.direction.index()];
        *done = (done.0 + 1, done.1 + bio.bytes, done.2 + took);
        let mut served = None;
        match bio.purpose {
            Purpose::Flush | Purpose::Raw(..) => {}
            Purpose::Served(cookie, pos, ref data) => served = Some((cookie, self.serviced(disk, pos, &bio, data))),
            Purpose::Fill(inode, first, pages) => self.pages_are_read(inode, first, pages),
            Purpose::WriteBack(inode, first, pages) => self.pages_are_written(inode, first, pages),
        }
        self.emit(EventKind::Block(BlockEvent::Completed { disk, direction: bio.direction, bytes: bio.bytes, took }));
        if let Some((cookie, answer)) = served {
            self.answer_service(cookie, answer);
        }
        self.wake_all(Wait::Bio(id));
    }
}

impl BioId {
    /// Sleeps until the request is done.
    pub(crate) fn wait(self) -> Stop {
        Stop::Block(Sleep { on: vec![Wait::Bio(self)], until: None })
    }
}
