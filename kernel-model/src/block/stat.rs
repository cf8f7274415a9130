//! What groups have read and written: `io.stat` and the files `io_service_bytes` and `io_serviced` of version 1, as in
//! `block/blk-cgroup.c`.

use serde::{Deserialize, Serialize};

use super::{Bio, Direction, DiskId};
use crate::cgroup::CgroupId;
use crate::cgroup::controller::ControllerId;
use crate::kernel::Kernel;
use crate::world::World;

/// Bytes and requests by direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IoStat {
    /// Of the group itself.
    pub own: [(u64, u64); 2],
    /// Of it and of all below, those included that are gone.
    pub all: [(u64, u64); 2],
}

impl Kernel<'_> {
    /// A request has passed the limits of its groups (`blk_cgroup_bio_start`).
    pub(super) fn count_io(&mut self, bio: &Bio) {
        let ios = u64::from(bio.bytes > 0);
        for (i, group) in self.css_ancestors(bio.group, ControllerId::Io).into_iter().enumerate() {
            let stat = self.block.stats.entry((group, bio.disk)).or_default();
            let at = bio.direction.index();
            stat.all[at] = (stat.all[at].0 + bio.bytes, stat.all[at].1 + ios);
            if i == 0 {
                stat.own[at] = (stat.own[at].0 + bio.bytes, stat.own[at].1 + ios);
            }
        }
    }
}

impl World {
    /// What a group has done at each disk at which it has done something.
    fn io_of(&self, group: CgroupId) -> impl Iterator<Item = (DiskId, &IoStat)> {
        let disks = self.block.disks.ids();
        disks.filter_map(move |disk| Some((disk, self.block.stats.get(&(group, disk))?)))
    }

    /// `MAJOR:MINOR` of a disk.
    pub(crate) fn disk_numbers(&self, disk: DiskId) -> String {
        let (major, minor) = self.block.disks[disk].dev;
        format!("{major}:{minor}")
    }

    /// `io.stat`.
    pub(crate) fn io_stat_text(&self, group: CgroupId) -> String {
        let line = |(disk, stat): (DiskId, &IoStat)| {
            let [(rbytes, rios), (wbytes, wios)] = stat.all;
            let dev = self.disk_numbers(disk);
            format!("{dev} rbytes={rbytes} wbytes={wbytes} rios={rios} wios={wios} dbytes=0 dios=0\n")
        };
        self.io_of(group).map(line).collect()
    }

    /// One of the files of version 1: bytes or requests, of the group itself or with all below.
    pub(crate) fn io_serviced_text(&self, group: CgroupId, bytes: bool, recursive: bool) -> String {
        let mut text = String::new();
        let mut sum = 0;
        for (disk, stat) in self.io_of(group) {
            let both = if recursive { stat.all } else { stat.own };
            let [read, write] = both.map(|(b, ios)| if bytes { b } else { ios });
            let dev = self.disk_numbers(disk);
            let rows = [("Read", read), ("Write", write), ("Sync", read + write), ("Async", 0), ("Discard", 0)];
            rows.iter().for_each(|(name, n)| text.push_str(&format!("{dev} {name} {n}\n")));
            text.push_str(&format!("{dev} Total {}\n", read + write));
            sum += read + write;
        }
        text.push_str(&format!("Total {sum}\n"));
        text
    }

    /// `/proc/diskstats`, one line a disk.
    pub(crate) fn diskstats_text(&self) -> String {
        let line = |disk: &super::Disk| {
            let (major, minor) = disk.dev;
            let [(reads, rbytes, rtime), (writes, wbytes, wtime)] = disk.done;
            let sectors = |bytes: u64| bytes / super::SECTOR;
            let (rms, wms) = (rtime.0 / 1_000_000, wtime.0 / 1_000_000);
            let busy = u64::from(disk.active.is_some()) + disk.queue.len() as u64;
            let name = &disk.name;
            format!(
                "{major:4} {minor:7} {name} {reads} 0 {} {rms} {writes} 0 {} {wms} {busy} {} {} 0 0 0 0 0 0\n",
                sectors(rbytes),
                sectors(wbytes),
                rms + wms,
                rms + wms
            )
        };
        self.block.disks.iter().map(|(_, disk)| line(disk)).collect()
    }

    /// `/proc/partitions`.
    pub(crate) fn partitions_text(&self) -> String {
        let mut text = "major minor  #blocks  name\n\n".to_owned();
        for (_, disk) in self.block.disks.iter() {
            let ((major, minor), name) = (disk.dev, &disk.name);
            text.push_str(&format!("{major:4}  {minor:7} {:10} {name}\n", disk.size / 1024));
        }
        text
    }
}

impl Direction {
    /// Both.
    pub const BOTH: [Direction; 2] = [Direction::Read, Direction::Write];
}
