//! CFS bandwidth control: a group may use so much processor time in each period and then waits, as in
//! `kernel/sched/fair.c` and scheduler/sched-bwc.rst.
//!
//! The quota of a period lies in the group's pool. A processor that runs the group's tasks takes 5 ms at a time
//! from it. When it has used that and the pool is empty, the group's queue there is *throttled*: it and all below
//! it is taken out of the parent's queue until the period timer fills the pool again. In the model a task is
//! stopped at that very nanosecond (as with the scheduler feature HRTICK), in a kernel without it at the next tick.

use serde::{Deserialize, Serialize};

use super::cpus;
use super::group::TaskGroupId;
use super::queue::QueueId;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::time::Nanos;
use crate::world::World;

/// How much a processor takes from the pool at a time (`sched_cfs_bandwidth_slice_us`).
pub const BANDWIDTH_SLICE: Nanos = Nanos::from_millis(5);
/// How much a processor keeps when it has no more tasks of the group (`min_cfs_rq_runtime`).
const MIN_CFS_RQ_RUNTIME: i64 = 1_000_000;
/// How long given-back time may wait for more before it is handed to throttled processors
/// (`cfs_bandwidth_slack_period`).
const SLACK_PERIOD: Nanos = Nanos::from_millis(5);

/// The quota of a group (`struct cfs_bandwidth`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CfsBandwidth {
    /// Processor time in a period; `None` for no limit.
    pub quota: Option<Nanos>,
    /// The period.
    pub period: Nanos,
    /// How much unused time may be kept for later periods.
    pub burst: Nanos,
    /// What is left in the pool.
    pub runtime: Nanos,
    /// What was in the pool when the period began.
    runtime_snap: Nanos,
    /// Nobody has taken from the pool in this period.
    idle: bool,
    /// When the period ends; `None` while the timer does not run.
    pub timer: Option<Nanos>,
    /// When the timer fired last: periods keep their phase.
    last_expiry: Option<Nanos>,
    /// When given-back time is handed out.
    slack: Option<Nanos>,
    /// `nr_periods`: periods that have ended.
    pub nr_periods: u64,
    /// `nr_throttled`: those of them at whose end a processor was throttled.
    pub nr_throttled: u64,
    /// `throttled_time`: how long processors were throttled, summed up.
    pub throttled_time: Nanos,
    /// `nr_bursts`: periods in which more than the quota was used.
    pub nr_bursts: u64,
    /// `burst_time`: how much more.
    pub burst_time: Nanos,
}

impl Default for CfsBandwidth {
    fn default() -> Self {
        CfsBandwidth {
            quota: None,
            period: Nanos::from_millis(100),
            burst: Nanos(0),
            runtime: Nanos(0),
            runtime_snap: Nanos(0),
            idle: false,
            timer: None,
            last_expiry: None,
            slack: None,
            nr_periods: 0,
            nr_throttled: 0,
            throttled_time: Nanos(0),
            nr_bursts: 0,
            burst_time: Nanos(0),
        }
    }
}

impl CfsBandwidth {
    /// Fills the pool at the begin of a period (`__refill_cfs_bandwidth_runtime`).
    fn refill(&mut self) {
        let Some(quota) = self.quota else { return };
        self.runtime += quota;
        let used_beyond = self.runtime_snap - self.runtime;
        if used_beyond > Nanos(0) {
            self.burst_time += used_beyond;
            self.nr_bursts += 1;
        }
        self.runtime = self.runtime.min(quota + self.burst);
        self.runtime_snap = self.runtime;
    }

    /// The first end of a period after `now`.
    fn next_expiry(&self, now: Nanos) -> Nanos {
        let last = self.last_expiry.unwrap_or(now);
        let behind = (now - last).0 / self.period.0.max(1) + 1;
        Nanos(last.0 + behind * self.period.0)
    }
}

/// A timer of a group's bandwidth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum BandwidthTimer {
    /// A period ends.
    Period(TaskGroupId),
    /// Given-back time is handed out.
    Slack(TaskGroupId),
}

impl World {
    fn bandwidth_mut(&mut self, group: TaskGroupId) -> &mut CfsBandwidth {
        &mut self.sched.groups[group].bandwidth
    }

    /// Starts the period timer if it does not run (`start_cfs_bandwidth`).
    fn start_cfs_bandwidth(&mut self, group: TaskGroupId, now: Nanos) {
        let b = self.bandwidth_mut(group);
        if b.timer.is_some() {
            return;
        }
        let at = b.next_expiry(now);
        b.timer = Some(at);
        b.last_expiry.get_or_insert(now);
        self.sched.bandwidth_timers.insert((at, BandwidthTimer::Period(group)));
    }

    pub(super) fn cancel_bandwidth_timers(&mut self, group: TaskGroupId) {
        let b = self.bandwidth_mut(group);
        let (period, slack) = (b.timer.take(), b.slack.take());
        if let Some(at) = period {
            self.sched.bandwidth_timers.remove(&(at, BandwidthTimer::Period(group)));
        }
        if let Some(at) = slack {
            self.sched.bandwidth_timers.remove(&(at, BandwidthTimer::Slack(group)));
        }
    }

    /// Takes time from the pool until the queue has `target` (`__assign_cfs_rq_runtime`). Whether it has any now.
    fn assign_runtime(&mut self, queue: QueueId, target: i64, now: Nanos) -> bool {
        let wanted = u64::try_from(target - self.queue(queue).runtime_remaining).unwrap_or(0);
        let mut amount = wanted;
        if self.sched.groups[queue.group].bandwidth.quota.is_some() {
            self.start_cfs_bandwidth(queue.group, now);
            let b = self.bandwidth_mut(queue.group);
            amount = wanted.min(b.runtime.0);
            b.runtime = b.runtime - Nanos(amount);
            if amount > 0 {
                b.idle = false;
            }
        }
        let rq = self.queue_mut(queue);
        rq.runtime_remaining += amount as i64;
        rq.runtime_remaining > 0
    }

    /// Makes sure that a queue may run; `false` when its group has used its time up.
    pub(super) fn has_runtime(&mut self, queue: QueueId, now: Nanos) -> bool {
        if self.sched.groups[queue.group].bandwidth.quota.is_none() || self.queue(queue).runtime_remaining > 0 {
            return true;
        }
        self.assign_runtime(queue, BANDWIDTH_SLICE.0 as i64, now)
    }

    /// How long a queue may run before it must ask for more; `None` for as long as it likes.
    pub(super) fn runtime_left(&self, queue: QueueId) -> Option<Nanos> {
        self.sched.groups[queue.group].bandwidth.quota?;
        Some(Nanos(u64::try_from(self.queue(queue).runtime_remaining).unwrap_or(0)))
    }

    /// Time was used: it is taken off what the queue has (`account_cfs_rq_runtime`).
    pub(super) fn account_runtime(&mut self, queue: QueueId, time: Nanos) {
        if self.sched.groups[queue.group].bandwidth.quota.is_some() {
            self.queue_mut(queue).runtime_remaining -= time.0 as i64;
        }
    }

    /// A queue has become empty: all but a little goes back to the pool (`return_cfs_rq_runtime`).
    pub(super) fn return_runtime(&mut self, queue: QueueId, now: Nanos) {
        let Some(_) = self.sched.groups[queue.group].bandwidth.quota else { return };
        let slack = self.queue(queue).runtime_remaining - MIN_CFS_RQ_RUNTIME;
        if slack <= 0 || !self.queue(queue).entities.is_empty() {
            return;
        }
        self.queue_mut(queue).runtime_remaining -= slack;
        let somebody_waits = cpus().any(|cpu| self.queue(QueueId { cpu, ..queue }).throttled_since.is_some());
        let b = self.bandwidth_mut(queue.group);
        b.runtime += Nanos(slack as u64);
        if b.runtime > BANDWIDTH_SLICE && somebody_waits && b.slack.is_none() {
            // Not when the period ends soon anyway (`runtime_refresh_within`).
            if b.timer.is_some_and(|at| at > now + SLACK_PERIOD + Nanos::from_millis(2)) {
                let at = now + SLACK_PERIOD;
                b.slack = Some(at);
                self.sched.bandwidth_timers.insert((at, BandwidthTimer::Slack(queue.group)));
            }
        }
    }

    /// Takes a queue's entity, and every one above that has become empty, out of the tree.
    fn detach_queue(&mut self, queue: QueueId) {
        let tasks = self.queue(queue).tasks;
        let mut at = queue;
        let mut leaving = true;
        while let Some((parent, entity)) = self.above(at) {
            if leaving {
                if !self.entity(entity, at.cpu).queued {
                    return;
                }
                self.with_entity(parent, entity, |rq, se| rq.remove(entity, se));
                self.update_group_weights(parent.group);
                leaving = self.queue(parent).entities.is_empty();
            }
            self.queue_mut(parent).tasks -= tasks;
            if self.queue(parent).throttled_since.is_some() {
                return;
            }
            at = parent;
        }
    }

    /// Puts a queue's entity back into the tree.
    fn attach_queue(&mut self, queue: QueueId) {
        let tasks = self.queue(queue).tasks;
        let mut at = queue;
        while let Some((parent, entity)) = self.above(at) {
            if !self.entity(entity, at.cpu).queued && !self.queue(at).entities.is_empty() {
                self.update_group_weights(at.group);
                self.with_entity(parent, entity, |rq, se| {
                    rq.place(se, false);
                    rq.insert(entity, se);
                });
                self.update_group_weights(parent.group);
            }
            self.queue_mut(parent).tasks += tasks;
            if self.queue(parent).throttled_since.is_some() {
                return;
            }
            at = parent;
        }
    }
}

impl Kernel<'_> {
    /// Sets quota, period and burst of a group, which have been checked (`tg_set_cfs_bandwidth`).
    pub fn set_group_bandwidth(&mut self, group: TaskGroupId, quota: Option<Nanos>, period: Nanos, burst: Nanos) {
        let now = self.local_clock();
        self.cancel_bandwidth_timers(group);
        let b = self.bandwidth_mut(group);
        b.quota = quota;
        b.period = period;
        b.burst = burst;
        b.last_expiry = None;
        b.refill();
        if quota.is_some() {
            self.start_cfs_bandwidth(group, now);
        }
        for cpu in cpus() {
            let queue = QueueId { group, cpu };
            self.queue_mut(queue).runtime_remaining = 0;
            self.unthrottle(queue, now);
        }
        self.emit(EventKind::BandwidthSet { group, quota, period });
    }

    /// Stops a queue whose group has used its time up (`throttle_cfs_rq`).
    pub(super) fn throttle(&mut self, queue: QueueId, now: Nanos) {
        if self.queue(queue).throttled_since.is_some() {
            return;
        }
        self.detach_queue(queue);
        self.queue_mut(queue).throttled_since = Some(now);
        self.sched.cpus[queue.cpu.index()].need_resched = true;
        let b = &self.sched.groups[queue.group].bandwidth;
        let (quota, until) = (b.quota.unwrap_or_default(), b.timer.unwrap_or(now));
        let used = Nanos(quota.0.saturating_sub(b.runtime.0));
        self.emit(EventKind::Throttled { group: queue.group, cpu: queue.cpu, used, quota, until });
    }

    /// Lets a throttled queue run again (`unthrottle_cfs_rq`).
    fn unthrottle(&mut self, queue: QueueId, now: Nanos) {
        let Some(since) = self.queue(queue).throttled_since else { return };
        self.queue_mut(queue).throttled_since = None;
        let waited = now - since;
        self.bandwidth_mut(queue.group).throttled_time += waited;
        self.attach_queue(queue);
        self.processor_has_work(queue.cpu, now);
        self.emit(EventKind::Unthrottled { group: queue.group, cpu: queue.cpu, waited });
    }

    /// Hands time from the pool to throttled processors (`distribute_cfs_runtime`).
    fn distribute_runtime(&mut self, group: TaskGroupId, now: Nanos) {
        for cpu in cpus() {
            let queue = QueueId { group, cpu };
            if self.queue(queue).throttled_since.is_none() {
                continue;
            }
            let owed = u64::try_from(1 - self.queue(queue).runtime_remaining).unwrap_or(0);
            let b = self.bandwidth_mut(group);
            let given = owed.min(b.runtime.0);
            b.runtime = b.runtime - Nanos(given);
            self.queue_mut(queue).runtime_remaining += given as i64;
            if self.queue(queue).runtime_remaining > 0 {
                self.unthrottle(queue, now);
            }
        }
    }

    pub(super) fn bandwidth_timer(&mut self, timer: BandwidthTimer, now: Nanos) {
        match timer {
            BandwidthTimer::Period(group) => self.period_timer(group, now),
            BandwidthTimer::Slack(group) => {
                self.bandwidth_mut(group).slack = None;
                if self.sched.groups[group].bandwidth.runtime > BANDWIDTH_SLICE {
                    self.distribute_runtime(group, now);
                }
            }
        }
    }

    /// A period ends (`do_sched_cfs_period_timer`).
    fn period_timer(&mut self, group: TaskGroupId, now: Nanos) {
        let throttled = cpus().any(|cpu| self.queue(QueueId { group, cpu }).throttled_since.is_some());
        let b = self.bandwidth_mut(group);
        b.timer = None;
        b.last_expiry = Some(now);
        if b.quota.is_none() {
            return;
        }
        b.nr_periods += 1;
        b.refill();
        if b.idle && !throttled {
            return;
        }
        let again = b.next_expiry(now);
        b.timer = Some(again);
        if throttled {
            b.nr_throttled += 1;
            b.idle = false;
        } else {
            b.idle = true;
        }
        self.sched.bandwidth_timers.insert((again, BandwidthTimer::Period(group)));
        if throttled {
            self.distribute_runtime(group, now);
        }
    }
}
