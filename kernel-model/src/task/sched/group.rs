//! Task groups: a control group with the cpu controller, as the scheduler sees it (`struct task_group`).
//!
//! A group competes in its parent's queue on each processor as one entity. Its weight there is its share of the
//! setting (`cpu.shares`, `cpu.weight`) for the part of its tasks that is on that processor, so that the group as
//! a whole counts as much as it is set to. Shares therefore multiply down the tree.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bandwidth::CfsBandwidth;
use super::queue::{CfsRq, Entity, QueueId, SchedEntity};
use super::weight::{MAX_SHARES, MIN_SHARES, NICE_0_LOAD, WEIGHT_IDLEPRIO};
use super::{CpuId, cpus};
use crate::id;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::world::World;

id! {
    /// One task group, for ever.
    TaskGroupId
}

/// A group of tasks that shares processor time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskGroup {
    /// The group above; `None` for the root.
    pub parent: Option<TaskGroupId>,
    /// The path of its control group, for whoever reads the events.
    pub path: Arc<str>,
    /// Its weight as it was set: 1024 is as much as one task of nice 0.
    pub shares: u64,
    /// `cpu.idle`: it gets what nobody else wants.
    pub idle: bool,
    /// Its quota.
    pub bandwidth: CfsBandwidth,
}

impl TaskGroup {
    /// A group as it is made: weight 1024, no quota.
    pub fn new(parent: Option<TaskGroupId>, path: Arc<str>) -> TaskGroup {
        TaskGroup { parent, path, shares: NICE_0_LOAD, idle: false, bandwidth: CfsBandwidth::default() }
    }
}

impl World {
    /// The group of all tasks that are in no other.
    pub const ROOT_TASK_GROUP: TaskGroupId = TaskGroupId(1);

    /// Makes a group below `parent` (`sched_create_group`).
    pub fn create_task_group(&mut self, parent: TaskGroupId, path: Arc<str>) -> TaskGroupId {
        let group = self.sched.groups.add(TaskGroup::new(Some(parent), path));
        for cpu in cpus() {
            self.sched.queues.insert(QueueId { group, cpu }, CfsRq::default());
        }
        group
    }

    /// Removes a group that has no tasks and no groups below it (`sched_release_group`).
    pub fn remove_task_group(&mut self, group: TaskGroupId) {
        debug_assert!(cpus().all(|cpu| self.queue(QueueId { group, cpu }).entities.is_empty()));
        self.cancel_bandwidth_timers(group);
        self.sched.groups.remove(group);
        for cpu in cpus() {
            self.sched.queues.remove(&QueueId { group, cpu });
        }
    }

    /// A run queue. Every group has one on each processor.
    pub fn queue(&self, id: QueueId) -> &CfsRq {
        self.sched.queues.get(&id).unwrap_or_else(|| panic!("no queue {id:?}"))
    }

    pub(super) fn queue_mut(&mut self, id: QueueId) -> &mut CfsRq {
        self.sched.queues.get_mut(&id).unwrap_or_else(|| panic!("no queue {id:?}"))
    }

    /// What the scheduler keeps of an entity on this processor.
    pub(super) fn entity(&self, entity: Entity, cpu: CpuId) -> SchedEntity {
        match entity {
            Entity::Task(task) => self.tasks[task].sched.se,
            Entity::Group(group) => self.queue(QueueId { group, cpu }).se,
        }
    }

    fn set_entity(&mut self, entity: Entity, cpu: CpuId, se: SchedEntity) {
        match entity {
            Entity::Task(task) => self.tasks[task].sched.se = se,
            Entity::Group(group) => self.queue_mut(QueueId { group, cpu }).se = se,
        }
    }

    /// Changes an entity together with the queue in which it stands.
    pub(super) fn with_entity<T>(
        &mut self,
        queue: QueueId,
        entity: Entity,
        change: impl FnOnce(&mut CfsRq, &mut SchedEntity) -> T,
    ) -> T {
        let mut se = self.entity(entity, queue.cpu);
        let result = change(self.queue_mut(queue), &mut se);
        self.set_entity(entity, queue.cpu, se);
        result
    }

    /// The group above a queue's, and the entity that stands for the queue there.
    pub(super) fn above(&self, queue: QueueId) -> Option<(QueueId, Entity)> {
        let parent = self.sched.groups[queue.group].parent?;
        Some((QueueId { group: parent, cpu: queue.cpu }, Entity::Group(queue.group)))
    }

    /// Whether the queue or one above it is throttled (`throttled_hierarchy`).
    pub fn is_throttled(&self, queue: QueueId) -> bool {
        let mut at = Some(queue);
        while let Some(queue) = at {
            if self.queue(queue).throttled_since.is_some() {
                return true;
            }
            at = self.above(queue).map(|(queue, _)| queue);
        }
        false
    }

    /// The weight of a group on one processor (`calc_group_shares`): its setting, times the part of its load that
    /// is there.
    fn calc_group_shares(&self, queue: QueueId) -> u64 {
        let group = &self.sched.groups[queue.group];
        if group.idle {
            return WEIGHT_IDLEPRIO;
        }
        let load = self.queue(queue).load;
        let total: u64 = cpus().map(|cpu| self.queue(QueueId { cpu, ..queue }).load).sum();
        let shares = (group.shares * load).checked_div(total).unwrap_or(group.shares);
        shares.clamp(MIN_SHARES, group.shares.max(MIN_SHARES))
    }

    /// The load of a queue has changed: its group's weight changes on every processor, and so on up the tree
    /// (`update_cfs_group`).
    pub(super) fn update_group_weights(&mut self, group: TaskGroupId) {
        let mut group = group;
        while let Some(parent) = self.sched.groups[group].parent {
            for cpu in cpus() {
                let weight = self.calc_group_shares(QueueId { group, cpu });
                let entity = Entity::Group(group);
                self.with_entity(QueueId { group: parent, cpu }, entity, |rq, se| rq.reweigh(entity, se, weight));
            }
            group = parent;
        }
    }
}

impl Kernel<'_> {
    /// Sets a group's weight, 1024 for that of one task of nice 0 (`sched_group_set_shares`).
    pub fn set_group_shares(&mut self, group: TaskGroupId, shares: u64) {
        self.sched.groups[group].shares = shares.clamp(MIN_SHARES, MAX_SHARES);
        self.update_group_weights(group);
    }

    /// Sets `cpu.idle` (`sched_group_set_idle`); the weight is the default one again afterwards.
    pub fn set_group_idle(&mut self, group: TaskGroupId, idle: bool) {
        let g = &mut self.sched.groups[group];
        if g.idle == idle {
            return;
        }
        g.idle = idle;
        g.shares = NICE_0_LOAD;
        self.update_group_weights(group);
    }

    /// Moves a task into another group (`sched_move_task`).
    pub fn move_to_task_group(&mut self, task: TaskId, group: TaskGroupId) {
        if self.tasks[task].sched.group == group {
            return;
        }
        let queued = self.tasks[task].sched.se.queued;
        if queued {
            self.dequeue_task(task);
        }
        self.tasks[task].sched.group = group;
        if queued {
            self.enqueue_task(task, false);
            let cpu = self.tasks[task].sched.cpu;
            if self.sched.cpus[cpu.index()].curr == Some(task) {
                self.sched.cpus[cpu.index()].need_resched = true;
            }
        }
    }

    /// How much of one processor `task` gets in relation to the others there, in units of a nice-0 task alone in
    /// the root (`task_h_load`).
    pub(super) fn task_h_load(&self, task: TaskId) -> u64 {
        let t = &self.tasks[task].sched;
        let mut load = u128::from(t.se.weight);
        let mut queue = QueueId { group: t.group, cpu: t.cpu };
        while let Some((parent, entity)) = self.above(queue) {
            let own = self.entity(entity, queue.cpu);
            load = load * u128::from(own.weight) / u128::from(self.queue(queue).load.max(1));
            queue = parent;
        }
        u64::try_from(load).unwrap_or(u64::MAX).max(1)
    }

    /// How long this group's tasks have been kept from running by its quota on all processors together, the
    /// present waits included.
    pub fn throttled_time(&self, group: TaskGroupId) -> Nanos {
        self.sched.groups[group].bandwidth.throttled_time
    }
}
