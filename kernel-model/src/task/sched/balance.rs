//! On which processor a task runs, as in `select_task_rq_fair` and the load balancer of `kernel/sched/fair.c`.
//!
//! Placement: a new task goes to the processor with least to do; a sleeper wakes up where it ran last if nothing
//! runs there, else on an idle processor, else on the less loaded of its own and its waker's. A processor that
//! becomes idle pulls a waiting task, and every few milliseconds a busy one looks whether another has more to do.

use super::group::TaskGroupId;
use super::psi::PsiFlags;
use super::queue::{Entity, QueueId};
use super::{CPU_POSSIBLE, CpuId, cpus};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::world::World;

/// How often a busy processor looks at the load of the others (the domain's `max_interval` of two processors, as
/// long as it lasts between two ticks that find something).
const BALANCE_INTERVAL: Nanos = Nanos::from_millis(8);
/// How many waiting tasks the balancer looks at (`sched_nr_migrate`).
const NR_MIGRATE: usize = 32;

impl World {
    /// An idle processor has something to do from `now` on; a busy one is where it is.
    pub(super) fn processor_has_work(&mut self, cpu: CpuId, now: Nanos) {
        if !self.is_idle(cpu) {
            return;
        }
        let p = &mut self.sched.cpus[cpu.index()];
        if p.curr.is_none() {
            p.idle += now - p.clock;
            p.clock = p.clock.max(now);
        }
    }

    /// A task belongs to another processor (`set_task_cpu`). The one before.
    fn set_task_cpu(&mut self, task: TaskId, cpu: CpuId) -> CpuId {
        let from = self.tasks[task].sched.cpu;
        if from != cpu {
            let flags = self.tasks[task].sched.psi;
            self.psi_change(task, |flags| *flags = PsiFlags::default());
            self.tasks[task].sched.cpu = cpu;
            self.psi_change(task, |now| *now = flags);
        }
        from
    }

    /// A task takes part from now on, on the processor that it has.
    pub(crate) fn start_task(&mut self, task: TaskId) {
        let (cpu, now) = (self.tasks[task].sched.cpu, self.clock);
        self.processor_has_work(cpu, now);
        self.enqueue_task(task, true);
    }
}

impl Kernel<'_> {
    /// Makes a runnable task take part (`wake_up_new_task`, `try_to_wake_up`). Nothing when it already does.
    pub(crate) fn activate(&mut self, task: TaskId, new: bool) {
        if self.tasks[task].sched.se.queued {
            return;
        }
        let cpu = self.select_task_rq(task, new);
        self.psi_change(task, |flags| flags.iowait = false);
        let from = self.set_task_cpu(task, cpu);
        let now = self.local_clock();
        self.processor_has_work(cpu, now);
        if self.sched.cpus[cpu.index()].curr != Some(task) {
            self.tasks[task].sched.waiting_since = Some(now);
        }
        if new {
            self.tasks[task].sched.se.vlag = 0;
        }
        self.enqueue_task(task, new);
        if from != cpu && !new {
            self.tasks[task].sched.migrations += 1;
            self.emit(EventKind::Migrated { task, from, to: cpu });
        }
        self.check_preempt(task, cpu);
    }

    /// A task that has become runnable preempts only one of `SCHED_IDLE`: others keep their slice
    /// (`check_preempt_wakeup_fair`, `RUN_TO_PARITY`).
    fn check_preempt(&mut self, task: TaskId, cpu: CpuId) {
        let idle = |k: &World, task: TaskId| k.tasks.get(task).is_some_and(|t| t.sched.policy == super::Policy::Idle);
        let Some(curr) = self.sched.cpus[cpu.index()].curr else { return };
        if idle(self, curr) && !idle(self, task) {
            self.sched.cpus[cpu.index()].need_resched = true;
        }
    }

    fn select_task_rq(&self, task: TaskId, new: bool) -> CpuId {
        let t = &self.tasks[task];
        let allowed = t.cpus_allowed & CPU_POSSIBLE;
        let may = |cpu: CpuId| allowed & cpu.bit() != 0;
        let (previous, this) = (t.sched.cpu, self.sched.cpu);
        let load = |cpu: CpuId| (self.root_queue(cpu).tasks, self.root_queue(cpu).load);
        let found = if new {
            cpus().filter(|cpu| may(*cpu)).min_by_key(|cpu| (load(*cpu), *cpu != this))
        } else {
            let idle = [previous, this].into_iter().chain(cpus()).find(|cpu| may(*cpu) && self.is_idle(*cpu));
            let lighter = [previous, this].into_iter().filter(|cpu| may(*cpu));
            idle.or_else(|| lighter.min_by_key(|cpu| self.root_queue(*cpu).load))
        };
        // Nothing allowed cannot happen: setting a mask without a processor is refused.
        found.or_else(|| cpus().find(|cpu| may(*cpu))).unwrap_or(previous)
    }

    /// Moves a waiting task to another processor (`move_queued_task`).
    fn migrate(&mut self, task: TaskId, to: CpuId) {
        let now = self.local_clock();
        let from = self.tasks[task].sched.cpu;
        self.dequeue_task(task);
        self.set_task_cpu(task, to);
        self.tasks[task].sched.migrations += 1;
        self.processor_has_work(to, now);
        self.enqueue_task(task, false);
        self.emit(EventKind::Migrated { task, from, to });
    }

    /// The processors on which `task` may run have changed (`__set_cpus_allowed_ptr`): it leaves one that it may
    /// not use any more.
    pub(crate) fn set_cpus_allowed(&mut self, task: TaskId, mask: u64) {
        self.tasks[task].cpus_allowed = mask;
        let cpu = self.tasks[task].sched.cpu;
        if mask & cpu.bit() != 0 {
            return;
        }
        let Some(to) = cpus().filter(|cpu| mask & cpu.bit() != 0).min_by_key(|cpu| self.root_queue(*cpu).tasks) else {
            return;
        };
        if self.tasks[task].sched.se.queued {
            self.migrate(task, to);
            if self.sched.cpus[cpu.index()].curr == Some(task) {
                self.tasks[task].sched.waiting_since = Some(self.local_clock());
                self.sched.cpus[cpu.index()].need_resched = true;
            }
        } else {
            self.set_task_cpu(task, to);
        }
    }

    /// Tasks that wait on `from` and could run on `to`, a few of them.
    fn movable(&self, from: CpuId, to: CpuId) -> Vec<TaskId> {
        let mut found = Vec::new();
        let mut groups = vec![World::ROOT_TASK_GROUP];
        while let Some(group) = groups.pop() {
            let queue = self.queue(QueueId { group, cpu: from });
            // The one that has waited for longest is the last to be served: from the end.
            for (_, entity) in queue.entities.iter().rev() {
                match entity {
                    Entity::Group(group) => groups.push(*group),
                    Entity::Task(task) if self.may_move(*task, from, to) => found.push(*task),
                    Entity::Task(_) => {}
                }
                if found.len() >= NR_MIGRATE {
                    return found;
                }
            }
        }
        found
    }

    /// `can_migrate_task`.
    fn may_move(&self, task: TaskId, from: CpuId, to: CpuId) -> bool {
        let t = &self.tasks[task];
        t.cpus_allowed & to.bit() != 0
            && self.sched.cpus[from.index()].curr != Some(task)
            && !self.group_is_throttled(t.sched.group, to)
    }

    fn group_is_throttled(&self, group: TaskGroupId, cpu: CpuId) -> bool {
        self.is_throttled(QueueId { group, cpu })
    }

    /// The other processor with most to do.
    fn busiest(&self, than: CpuId) -> Option<CpuId> {
        cpus().filter(|cpu| *cpu != than).max_by_key(|cpu| (self.root_queue(*cpu).load, std::cmp::Reverse(*cpu)))
    }

    /// `cpu` has nothing to do: it takes a task that waits elsewhere. Whether it found one.
    pub(super) fn newidle_balance(&mut self, cpu: CpuId) -> bool {
        let Some(busiest) = self.busiest(cpu) else { return false };
        if self.root_queue(busiest).tasks < 2 {
            return false;
        }
        let Some(task) = self.movable(busiest, cpu).into_iter().max_by_key(|task| self.task_h_load(*task)) else {
            return false;
        };
        self.migrate(task, cpu);
        true
    }

    /// Every few milliseconds of work: takes a task from a processor that has more to do, if that makes the two
    /// more alike or at least lets another one be the lucky one (`sched_balance_domains`).
    pub(super) fn balance_tick(&mut self, cpu: CpuId) {
        let now = self.sched.cpus[cpu.index()].clock;
        if now < self.sched.cpus[cpu.index()].balance_at {
            return;
        }
        self.sched.cpus[cpu.index()].balance_at = now + BALANCE_INTERVAL;
        let Some(busiest) = self.busiest(cpu) else { return };
        let (own, other) = (self.root_queue(cpu).load, self.root_queue(busiest).load);
        if self.root_queue(busiest).tasks < 2 || own >= other {
            return;
        }
        let fits = |task: &TaskId| own + self.task_h_load(*task) <= other;
        if let Some(task) = self.movable(busiest, cpu).into_iter().find(fits) {
            self.migrate(task, cpu);
        }
    }
}
