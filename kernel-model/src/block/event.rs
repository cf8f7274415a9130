//! What can be seen to happen at a disk, with the numbers in it.

use serde::{Deserialize, Serialize};

use super::throttle::UNLIMITED;
use super::{Direction, DiskId};
use crate::cgroup::CgroupId;
use crate::time::Nanos;
use crate::world::World;

/// Something happened at a disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum BlockEvent {
    /// A request was made.
    Submitted { disk: DiskId, direction: Direction, bytes: u64, group: CgroupId },
    /// A group holds it back at least until then.
    Throttled { group: CgroupId, disk: DiskId, direction: Direction, bytes: u64, limit: u64, until: Nanos },
    /// It is done.
    Completed { disk: DiskId, direction: Direction, bytes: u64, took: Nanos },
    /// Pages of a file are about to be written to the disk.
    WritesBack { disk: DiskId, pages: u64 },
}

impl BlockEvent {
    /// A few words for a line of the timeline.
    pub fn label(&self, world: &World) -> String {
        match self {
            BlockEvent::Submitted { disk, direction, bytes, .. } => {
                format!("{}: {}", name(world, *disk), what(*direction, *bytes))
            }
            BlockEvent::Throttled { group, bytes, until, .. } => {
                let wait = *until - world.local_clock();
                format!("{} holds {bytes} bytes back for {}", path(world, *group), milliseconds(wait))
            }
            BlockEvent::Completed { disk, direction, bytes, took } => {
                let what = what(*direction, *bytes);
                format!("{}: {what} done after {}", name(world, *disk), milliseconds(*took))
            }
            BlockEvent::WritesBack { disk, pages } => format!("{pages} pages go to {}", name(world, *disk)),
        }
    }

    /// One sentence with its source.
    pub fn explain(&self, who: &str, world: &World) -> (String, &'static str) {
        match self {
            BlockEvent::Submitted { disk, direction, bytes, group } => (
                format!(
                    "{who} asks {} to {}, on the account of {}.",
                    name(world, *disk),
                    what(*direction, *bytes),
                    path(world, *group)
                ),
                "submit_bio()",
            ),
            BlockEvent::Throttled { group, direction, bytes, limit, until, .. } => {
                let limit = match *limit {
                    UNLIMITED => "its number of requests a second is limited".to_owned(),
                    n => format!("it may {} {n} bytes a second", verb(*direction)),
                };
                let wait = milliseconds(*until - world.local_clock());
                (
                    format!("{} holds a request of {bytes} bytes back for {wait}: {limit}.", path(world, *group)),
                    "cgroup-v2.rst, io.max; blk_throtl_bio()",
                )
            }
            BlockEvent::Completed { disk, direction, bytes, took } => (
                format!(
                    "{} is done with a request to {}, {} after it was made.",
                    name(world, *disk),
                    what(*direction, *bytes),
                    milliseconds(*took)
                ),
                "bio_endio()",
            ),
            BlockEvent::WritesBack { disk, pages } => (
                format!("{pages} pages that were changed in memory are written to {}.", name(world, *disk)),
                "cgroup-v2.rst, Writeback; wb_writeback()",
            ),
        }
    }
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "read",
        Direction::Write => "write",
    }
}

fn what(direction: Direction, bytes: u64) -> String {
    if bytes == 0 { "empty its cache".to_owned() } else { format!("{} {bytes} bytes", verb(direction)) }
}

fn name(world: &World, disk: DiskId) -> String {
    world.block.disks.get(disk).map_or_else(|| "a disk".to_owned(), |d| d.name.clone())
}

fn path(world: &World, group: CgroupId) -> String {
    match world.cgroups.groups.get(group) {
        Some(g) if g.parent.is_none() => "the root group".to_owned(),
        Some(_) => world.cgroup_path(group),
        None => "a group that is gone".to_owned(),
    }
}

fn milliseconds(span: Nanos) -> String {
    format!("{}.{} ms", span.0 / 1_000_000, span.0 / 100_000 % 10)
}
