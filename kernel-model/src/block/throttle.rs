//! Limits on bytes and requests a second (`io.max`, `blkio.throttle.*`), as in `block/blk-throttle.c`.
//!
//! A group counts what it lets through in a slice of time. What would be too much for the slice waits in the group's
//! queue, first come first served by direction, until enough time has passed; then the group above looks at it in the
//! same way. Time is counted in jiffies of 4 ms, a slice has 100 ms.

use serde::{Deserialize, Serialize};

use super::event::BlockEvent;
use super::{Bio, BioId, BlockTimer, Direction, DiskId};
use crate::cgroup::CgroupId;
use crate::cgroup::controller::ControllerId;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::time::Nanos;

/// Jiffies in a second.
const HZ: u64 = 250;
const JIFFY: u64 = 1_000_000_000 / HZ;
/// The length of a slice, in jiffies (`DFL_THROTL_SLICE_HD`).
const SLICE: u64 = HZ / 10;
/// No limit.
pub const UNLIMITED: u64 = u64::MAX;

/// What a group may do at a disk, and what it has done of that in its slice (`struct throtl_grp`). Pairs are by
/// [`Direction`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ThrottleGroup {
    /// Bytes a second.
    pub bps: [u64; 2],
    /// Requests a second.
    pub iops: [u64; 2],
    /// Requests that wait here.
    pub queued: [imbl::Vector<BioId>; 2],
    slices: [Slice; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Slice {
    /// In jiffies.
    start: u64,
    end: u64,
    bytes: u64,
    ios: u64,
}

impl Default for ThrottleGroup {
    fn default() -> ThrottleGroup {
        ThrottleGroup {
            bps: [UNLIMITED; 2],
            iops: [UNLIMITED; 2],
            queued: Default::default(),
            slices: [Slice::default(); 2],
        }
    }
}

impl ThrottleGroup {
    /// Whether it limits nothing.
    pub fn is_unlimited(&self) -> bool {
        self.bps == [UNLIMITED; 2] && self.iops == [UNLIMITED; 2]
    }

    /// Jiffies until a request may pass; 0 for now (`tg_may_dispatch`). `others_wait`: it is not the only one.
    fn wait(&mut self, direction: Direction, bytes: u64, now: u64, others_wait: bool) -> u64 {
        let at = direction.index();
        let (bps, iops) = (self.bps[at], self.iops[at]);
        if bps == UNLIMITED && iops == UNLIMITED {
            return 0;
        }
        let slice = &mut self.slices[at];
        if now >= slice.end && !others_wait {
            *slice = Slice { start: now, end: now + SLICE, bytes: 0, ios: 0 };
        } else {
            slice.end = slice.end.max(now + SLICE);
        }
        let wait = slice.bps_wait(bps, bytes, now).max(slice.iops_wait(iops, now));
        if wait > 0 {
            slice.end = slice.end.max(now + wait);
        }
        wait
    }

    /// A request passes (`throtl_charge_bio`, `throtl_trim_slice`).
    fn charge(&mut self, direction: Direction, bytes: u64, now: u64) {
        let at = direction.index();
        let (bps, iops) = (self.bps[at], self.iops[at]);
        let slice = &mut self.slices[at];
        slice.bytes += bytes;
        slice.ios += 1;
        slice.end = slice.end.max(now + SLICE);
        let elapsed = now.saturating_sub(slice.start) / SLICE * SLICE;
        if elapsed < 2 * SLICE {
            return;
        }
        // One slice is kept.
        let elapsed = elapsed - SLICE;
        slice.bytes = slice.bytes.saturating_sub(allowed(bps, elapsed));
        slice.ios = slice.ios.saturating_sub(allowed(iops, elapsed));
        slice.start += elapsed;
    }
}

/// How much may pass in so many jiffies.
fn allowed(per_second: u64, jiffies: u64) -> u64 {
    if per_second == UNLIMITED {
        UNLIMITED
    } else {
        (u128::from(per_second) * u128::from(jiffies) / u128::from(HZ)) as u64
    }
}

impl Slice {
    /// The time that has passed, and the same in whole slices.
    fn elapsed(&self, now: u64) -> (u64, u64) {
        let elapsed = now.saturating_sub(self.start);
        (elapsed, elapsed.max(1).next_multiple_of(SLICE))
    }

    /// `tg_within_bps_limit`.
    fn bps_wait(&self, bps: u64, bytes: u64, now: u64) -> u64 {
        if bps == UNLIMITED {
            return 0;
        }
        let (elapsed, rounded) = self.elapsed(now);
        let allowed = allowed(bps, rounded);
        if self.bytes + bytes <= allowed {
            return 0;
        }
        let extra = self.bytes + bytes - allowed;
        (extra * HZ / bps).max(1) + (rounded - elapsed)
    }

    /// `tg_within_iops_limit`.
    fn iops_wait(&self, iops: u64, now: u64) -> u64 {
        if iops == UNLIMITED {
            return 0;
        }
        let (elapsed, rounded) = self.elapsed(now);
        if self.ios < allowed(iops, rounded) { 0 } else { (rounded - elapsed).max(HZ / iops.max(1)).max(1) }
    }
}

impl Kernel<'_> {
    fn jiffies(&self) -> u64 {
        self.local_clock().0 / JIFFY
    }

    /// A request at a group: it passes here and at all groups above, or waits (`blk_throtl_bio`).
    pub(super) fn throttle_bio(&mut self, id: BioId, group: CgroupId) {
        let Some(Bio { disk, direction, bytes, .. }) = self.block.bios.get(id).cloned() else { return };
        let now = self.jiffies();
        for at in self.css_ancestors(group, ControllerId::Io) {
            let Some(tg) = self.block.throttles.get_mut(&(at, disk)) else { continue };
            let waiting = !tg.queued[direction.index()].is_empty();
            let wait = if waiting { 1 } else { tg.wait(direction, bytes, now, false) };
            if wait == 0 {
                tg.charge(direction, bytes, now);
                continue;
            }
            tg.queued[direction.index()].push_back(id);
            self.block.bios[id].throttled = true;
            if !waiting {
                self.arm(at, disk, direction, now + wait);
            }
            let until = Nanos((now + wait) * JIFFY);
            let limit = self.block.throttles[&(at, disk)].bps[direction.index()];
            self.emit(EventKind::Block(BlockEvent::Throttled { group: at, disk, direction, bytes, limit, until }));
            return;
        }
        self.queue_bio(id);
    }

    fn arm(&mut self, group: CgroupId, disk: DiskId, direction: Direction, jiffies: u64) {
        let timer = BlockTimer::Dispatch(group, disk, direction);
        self.block.timers.insert((Nanos(jiffies * JIFFY), timer));
    }

    /// A group lets through what may pass now (`throtl_select_dispatch`).
    pub(super) fn dispatch_throttled(&mut self, group: CgroupId, disk: DiskId, direction: Direction) {
        let now = self.jiffies();
        loop {
            let Some(tg) = self.world.block.throttles.get_mut(&(group, disk)) else { return };
            let Some(id) = tg.queued[direction.index()].front().copied() else { return };
            let bytes = self.world.block.bios.get(id).map_or(0, |b| b.bytes);
            let wait = tg.wait(direction, bytes, now, true);
            if wait > 0 {
                self.arm(group, disk, direction, now + wait);
                return;
            }
            tg.charge(direction, bytes, now);
            tg.queued[direction.index()].pop_front();
            match self.cgroup(group).parent {
                Some(above) if self.cgroups.groups.contains(above) => self.throttle_bio(id, above),
                _ => self.queue_bio(id),
            }
        }
    }

    /// Limits were written: a new slice begins, and what waits is looked at again (`tg_conf_updated`).
    pub(crate) fn throttle_changed(&mut self, group: CgroupId, disk: DiskId) {
        let now = self.jiffies();
        if let Some(tg) = self.block.throttles.get_mut(&(group, disk)) {
            tg.slices = [Slice { start: now, end: now + SLICE, bytes: 0, ios: 0 }; 2];
        }
        for direction in Direction::BOTH {
            let old: Vec<_> = self
                .block
                .timers
                .iter()
                .filter(|(_, t)| *t == BlockTimer::Dispatch(group, disk, direction))
                .copied()
                .collect();
            for timer in old {
                self.block.timers.remove(&timer);
            }
            self.dispatch_throttled(group, disk, direction);
        }
        let unused = |tg: &ThrottleGroup| tg.is_unlimited() && tg.queued.iter().all(|q| q.is_empty());
        if self.block.throttles.get(&(group, disk)).is_some_and(unused) {
            self.block.throttles.remove(&(group, disk));
        }
    }

    /// A group goes: nothing waits there any more, and what it did is known only above.
    pub(crate) fn io_offline(&mut self, group: CgroupId) {
        for disk in self.block.disks.ids().collect::<Vec<_>>() {
            if let Some(tg) = self.block.throttles.get_mut(&(group, disk)) {
                (tg.bps, tg.iops) = ([UNLIMITED; 2], [UNLIMITED; 2]);
                self.throttle_changed(group, disk);
            }
            self.block.stats.remove(&(group, disk));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_slice_waits_in_proportion() {
        let mut tg = ThrottleGroup { bps: [UNLIMITED, 1 << 20], ..ThrottleGroup::default() };
        // A request of 1 MiB at 1 MiB/s: a slice allows a tenth, the rest takes the time that it takes.
        let wait = tg.wait(Direction::Write, 1 << 20, 1000, false);
        assert_eq!(wait, 225 + 25);
        assert_eq!(tg.wait(Direction::Write, 100 << 10, 1000, false), 0);
        tg.charge(Direction::Write, 100 << 10, 1000);
        assert!(tg.wait(Direction::Write, 100 << 10, 1000, false) > 0);
        assert_eq!(tg.wait(Direction::Read, 1 << 20, 1000, false), 0);
    }

    #[test]
    fn requests_are_counted_whatever_their_size() {
        let mut tg = ThrottleGroup { iops: [10, UNLIMITED], ..ThrottleGroup::default() };
        assert_eq!(tg.wait(Direction::Read, 512, 0, false), 0);
        tg.charge(Direction::Read, 512, 0);
        assert_eq!(tg.wait(Direction::Read, 512, 0, false), 25);
    }
}
