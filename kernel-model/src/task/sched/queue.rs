//! One run queue of one group on one processor (`struct cfs_rq`), and what stands in it (`struct sched_entity`).
//!
//! The order is EEVDF's (`kernel/sched/fair.c` since Linux 6.6). Every entity has a *virtual runtime*: time that
//! it ran, divided by its weight. The weighted mean of all is the time of the queue; who is behind it is owed
//! time and is *eligible*. Among the eligible the earliest *virtual deadline* runs: the moment by which it will
//! have got its slice. All of it is integer arithmetic.
//!
//! The entity that runs stays in the queue here; the kernel takes it out and adds it again in every sum.

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::weight::{NICE_0_LOAD, calc_delta_fair};
use super::{CpuId, SLICE, TICK, TaskGroupId};
use crate::task::TaskId;
use crate::time::Nanos;

/// Something that gets a share of a processor: a task, or a group of tasks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Entity {
    /// A task.
    Task(TaskId),
    /// A group, on the processor of the queue.
    Group(TaskGroupId),
}

/// The run queue of a group on a processor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct QueueId {
    /// The group whose members stand in it.
    pub group: TaskGroupId,
    /// The processor.
    pub cpu: CpuId,
}

/// What the scheduler keeps of an entity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SchedEntity {
    /// Its weight in its queue.
    pub weight: u64,
    /// Time run, divided by weight, in nanoseconds of a task of weight 1024.
    pub vruntime: i64,
    /// When, in virtual time, it will have had its slice.
    pub deadline: i64,
    /// How much it was owed when it left the queue (negative: had had too much).
    pub vlag: i64,
    /// It stands in its queue.
    pub queued: bool,
}

impl Default for SchedEntity {
    fn default() -> Self {
        SchedEntity { weight: NICE_0_LOAD, vruntime: 0, deadline: 0, vlag: 0, queued: false }
    }
}

/// One run queue (`struct cfs_rq`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CfsRq {
    /// Who stands in it, by virtual deadline.
    pub entities: OrdSet<(i64, Entity)>,
    /// The sum of their weights.
    pub load: u64,
    /// The sum of weight times virtual runtime.
    pub weighted_vruntime: i128,
    /// The queue's time when it was last empty.
    pub zero_vruntime: i64,
    /// Runnable tasks in it and below, those below throttled groups left out (`h_nr_runnable`).
    pub tasks: u32,
    /// The group's own entity, which stands in the queue of the parent on this processor.
    pub se: SchedEntity,
    /// What is left of the time that this queue was handed from its group's quota; below 0 when it overran.
    pub runtime_remaining: i64,
    /// Since when it may not run because the quota is used up.
    pub throttled_since: Option<Nanos>,
}

impl CfsRq {
    /// The queue's virtual time: the weighted mean of its entities' (`avg_vruntime`).
    pub fn avg_vruntime(&self) -> i64 {
        if self.load == 0 {
            return self.zero_vruntime;
        }
        i64::try_from(self.weighted_vruntime.div_euclid(i128::from(self.load))).unwrap_or(i64::MAX)
    }

    /// Whether an entity with this virtual runtime is owed time (`entity_eligible`).
    pub fn is_eligible(&self, vruntime: i64) -> bool {
        i128::from(vruntime) * i128::from(self.load) <= self.weighted_vruntime
    }

    /// Gives an entity its place when it comes into the queue (`place_entity`): the lag that it left with is kept,
    /// a new one starts at the queue's time with half a slice.
    pub fn place(&mut self, se: &mut SchedEntity, initial: bool) {
        let mut lag = i128::from(se.vlag);
        if self.load > 0 {
            // The mean moves when the entity joins; without this the lag would shrink by that.
            lag = lag * i128::from(self.load + se.weight) / i128::from(self.load);
        }
        let slice = calc_delta_fair(SLICE, se.weight);
        se.vruntime = self.avg_vruntime().saturating_sub(i64::try_from(lag).unwrap_or(i64::MAX));
        se.deadline = se.vruntime.saturating_add(if initial { slice / 2 } else { slice });
        se.vlag = 0;
    }

    /// Takes an entity in, at the place that it has.
    pub fn insert(&mut self, entity: Entity, se: &mut SchedEntity) {
        debug_assert!(!se.queued, "{entity:?} is queued already");
        se.queued = true;
        self.entities.insert((se.deadline, entity));
        self.load += se.weight;
        self.weighted_vruntime += i128::from(se.vruntime) * i128::from(se.weight);
    }

    /// Takes an entity out and notes what it is owed (`update_entity_lag`).
    pub fn remove(&mut self, entity: Entity, se: &mut SchedEntity) {
        debug_assert!(se.queued, "{entity:?} is not queued");
        let average = self.avg_vruntime();
        se.vlag = self.lag(average, se);
        se.queued = false;
        self.entities.remove(&(se.deadline, entity));
        self.load -= se.weight;
        self.weighted_vruntime -= i128::from(se.vruntime) * i128::from(se.weight);
        if self.load == 0 {
            self.zero_vruntime = average.max(se.vruntime);
        }
    }

    fn lag(&self, average: i64, se: &SchedEntity) -> i64 {
        let limit = calc_delta_fair(Nanos((2 * SLICE.0).max(TICK.0)), se.weight);
        average.saturating_sub(se.vruntime).clamp(-limit, limit)
    }

    /// An entity of this queue ran for `time` (`update_curr`, `update_deadline`). Whether its slice is over and
    /// somebody else stands in the queue.
    pub fn ran(&mut self, entity: Entity, se: &mut SchedEntity, time: Nanos) -> bool {
        let delta = calc_delta_fair(time, se.weight);
        se.vruntime += delta;
        self.weighted_vruntime += i128::from(delta) * i128::from(se.weight);
        if se.vruntime < se.deadline {
            return false;
        }
        self.entities.remove(&(se.deadline, entity));
        se.deadline = se.vruntime.saturating_add(calc_delta_fair(SLICE, se.weight));
        self.entities.insert((se.deadline, entity));
        self.entities.len() > 1
    }

    /// Changes the weight of an entity; what it is owed in real time stays the same (`reweight_entity`).
    pub fn reweigh(&mut self, entity: Entity, se: &mut SchedEntity, weight: u64) {
        if se.weight == weight {
            return;
        }
        let scaled = |v: i64| {
            let scaled = i128::from(v) * i128::from(se.weight) / i128::from(weight.max(1));
            i64::try_from(scaled).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX })
        };
        if !se.queued {
            se.vlag = scaled(se.vlag);
            se.weight = weight;
            return;
        }
        let average = self.avg_vruntime();
        let lag = scaled(self.lag(average, se));
        let to_deadline = scaled(se.deadline - average);
        self.entities.remove(&(se.deadline, entity));
        self.load -= se.weight;
        self.weighted_vruntime -= i128::from(se.vruntime) * i128::from(se.weight);
        se.weight = weight;
        se.vruntime = average - lag;
        se.deadline = average + to_deadline;
        self.entities.insert((se.deadline, entity));
        self.load += weight;
        self.weighted_vruntime += i128::from(se.vruntime) * i128::from(weight);
    }
}
