//! Who runs next, on which processor, and for how long: the fair scheduler, as in sched(7) and `kernel/sched/`.
//!
//! The world takes one turn at a time ([`crate::step`]): one task makes one system call, or computes for a while.
//! Yet the machine has several processors. Each has a clock of its own, the *local* time up to which it has been
//! simulated, and the next turn goes to the processor that is least far. The world's clock is the local time of
//! the processor at work at the begin of its turn, so it never goes back, and two tasks on two processors use two
//! seconds of processor time in one. The order is part of the world: the same actions always interleave alike.
//!
//! | where | what |
//! | --- | --- |
//! | [`queue`] | one run queue: virtual runtimes, deadlines, who is next (EEVDF) |
//! | [`group`] | task groups: weights down the tree |
//! | [`bandwidth`] | quota and period, throttling |
//! | [`balance`] | which processor a task runs on, migration |
//! | [`psi`] | pressure: time lost by waiting |
//! | [`wait`] | sleeping, waking up, timers |
//! | [`weight`] | nice values and weights |
//!
//! `SCHED_NORMAL`, `SCHED_BATCH` and `SCHED_IDLE` are modelled. Real-time and deadline policies are not, nor is
//! autogroup, which is switched off.

pub mod balance;
pub mod bandwidth;
mod check;
pub mod group;
pub mod load;
pub mod psi;
pub mod queue;
#[cfg(test)]
mod tests;
pub mod wait;
pub mod weight;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::{ProcessId, TaskId, TaskState};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::mm::MmId;
use crate::table::Table;
use crate::time::Nanos;
use crate::vfs::file::FileId;
use crate::world::World;
use bandwidth::BandwidthTimer;
use queue::{CfsRq, Entity, QueueId, SchedEntity};
use weight::{WEIGHT_IDLEPRIO, weight_of_nice};

pub use group::{TaskGroup, TaskGroupId};
pub use wait::Wait;

/// How many processors the standard world's machine has.
pub const NR_CPUS: u32 = 2;
/// All processors, bit N for processor N.
pub const CPU_POSSIBLE: u64 = (1 << NR_CPUS) - 1;
/// How long a task runs before others get their turn: `base_slice_ns` of two processors (0.7 ms times 1 + log2 of
/// their number).
pub const SLICE: Nanos = Nanos(1_400_000);
/// The scheduler's tick (250 a second).
pub const TICK: Nanos = Nanos::from_millis(4);

/// A processor, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuId(pub u32);

impl CpuId {
    /// Its place in a list of processors.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Its bit in a mask.
    pub fn bit(self) -> u64 {
        1 << self.0
    }
}

impl std::fmt::Display for CpuId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// All processors.
pub fn cpus() -> impl Iterator<Item = CpuId> {
    (0..NR_CPUS).map(CpuId)
}

impl World {
    /// So many processors are there from the start; the others never come up (`maxcpus=`). For a world that has just booted.
    pub fn limit_processors(&mut self, count: u32) {
        let there = CPU_POSSIBLE & ((1 << count.clamp(1, NR_CPUS)) - 1);
        for task in self.tasks.ids().collect::<Vec<_>>() {
            self.tasks[task].cpus_allowed &= there;
        }
        for group in self.cgroups.groups.ids().collect::<Vec<_>>() {
            if let Some(cpuset) = &mut self.cgroups.groups[group].css.cpuset {
                cpuset.cpus &= there;
                cpuset.effective_cpus &= there;
            }
        }
    }
}

/// A scheduling policy that the model has (sched(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Policy {
    /// `SCHED_OTHER`.
    #[default]
    Normal,
    /// `SCHED_BATCH`: as the first one, and never preempts others by waking up.
    Batch,
    /// `SCHED_IDLE`: runs when hardly anybody else wants to.
    Idle,
}

/// What the scheduler keeps of a task.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TaskSched {
    /// Its place in its queue.
    pub se: SchedEntity,
    /// The processor on which it runs, or ran last.
    pub cpu: CpuId,
    /// Its group.
    pub group: TaskGroupId,
    /// Its policy.
    pub policy: Policy,
    /// How much of its processor time was spent outside the kernel.
    pub user_time: Nanos,
    /// How long it was ready to run and had to wait (`run_delay`).
    pub run_delay: Nanos,
    /// Since when it waits for a processor.
    pub waiting_since: Option<Nanos>,
    /// How often it was given a processor.
    pub runs: u64,
    /// Switches away because it slept.
    pub voluntary_switches: u64,
    /// Switches away because others had to run.
    pub involuntary_switches: u64,
    /// How often it moved to another processor.
    pub migrations: u64,
    /// The processors that sched_setaffinity(2) asked for, whatever its cpuset allows.
    pub user_cpus: Option<u64>,
    /// What it is for the accounting of pressure.
    pub psi: psi::PsiFlags,
    /// How much of the computing that its program asked for is done.
    pub computed: Nanos,
}

impl Default for TaskGroupId {
    fn default() -> Self {
        World::ROOT_TASK_GROUP
    }
}

/// A processor (`struct rq`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Processor {
    /// The time up to which it has been simulated.
    pub clock: Nanos,
    /// Who runs on it.
    pub curr: Option<TaskId>,
    /// Somebody else may have to run (`TIF_NEED_RESCHED`).
    pub need_resched: bool,
    /// When it looks next whether another processor has too much to do.
    pub balance_at: Nanos,
    /// Time in user mode, of tasks with a nice value of at most 0.
    pub user: Nanos,
    /// Time in user mode, of nice tasks.
    pub nice: Nanos,
    /// Time in the kernel.
    pub system: Nanos,
    /// Time without anything to do, up to `clock`.
    pub idle: Nanos,
    /// Switches to a task.
    pub switches: u64,
    /// The address space that its CR3 names; it stays while the processor is idle (`active_mm`).
    pub active_mm: Option<MmId>,
}

impl Processor {
    /// Time in which it ran tasks.
    pub fn busy(&self) -> Nanos {
        self.user + self.nice + self.system
    }
}

/// The scheduler's part of the world.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sched {
    /// Who takes this turn.
    pub current: Option<TaskId>,
    /// The processor that takes this turn.
    pub cpu: CpuId,
    /// The current task has its turn on that processor; otherwise it was asked from outside, or nobody acts.
    pub on_cpu: bool,
    /// The processors, by number.
    pub cpus: Vec<Processor>,
    /// Task groups; the first is the root.
    pub groups: Table<TaskGroupId, TaskGroup>,
    /// The run queues, one for each group on each processor.
    pub queues: OrdMap<QueueId, CfsRq>,
    /// Timers of groups with a quota.
    pub bandwidth_timers: OrdSet<(Nanos, BandwidthTimer)>,
    /// The pressure on the machine as a whole.
    pub psi: psi::PsiGroup,
    /// Open pressure files through which a trigger was set up.
    pub psi_triggers: OrdSet<FileId>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: load::LoadAverage,
    /// Processor time of tasks that are gone.
    pub time_of_the_dead: Nanos,
    /// Processor time that was used in nobody's name.
    pub time_of_nobody: Nanos,
    /// Sleepers by what they wait for.
    pub waiting: OrdMap<Wait, OrdSet<TaskId>>,
    /// Sleepers with a deadline.
    pub timers: OrdSet<(Nanos, TaskId)>,
    /// Processes that get SIGALRM at some time.
    pub alarms: OrdSet<(Nanos, ProcessId)>,
}

impl Sched {
    /// Idle processors at this moment, with empty queues.
    pub fn new(now: Nanos) -> Sched {
        let mut groups = Table::default();
        let root = groups.add(TaskGroup::new(None, "/".into()));
        let processor = Processor { clock: now, balance_at: now, idle: now, ..Processor::default() };
        Sched {
            current: None,
            cpu: CpuId(0),
            on_cpu: false,
            cpus: cpus().map(|_| processor.clone()).collect(),
            groups,
            queues: cpus().map(|cpu| (QueueId { group: root, cpu }, CfsRq::default())).collect(),
            bandwidth_timers: OrdSet::new(),
            psi: psi::PsiGroup::new(now),
            psi_triggers: OrdSet::new(),
            load: load::LoadAverage::new(now),
            time_of_the_dead: Nanos(0),
            time_of_nobody: Nanos(0),
            waiting: OrdMap::new(),
            timers: OrdSet::new(),
            alarms: OrdSet::new(),
        }
    }
}

impl World {
    fn root_queue(&self, cpu: CpuId) -> &CfsRq {
        self.queue(QueueId { group: World::ROOT_TASK_GROUP, cpu })
    }

    /// Whether a processor has nothing to run (`idle_cpu`).
    pub fn is_idle(&self, cpu: CpuId) -> bool {
        self.root_queue(cpu).tasks == 0
    }

    /// How long a processor has been idle since boot, up to now.
    pub fn idle_time(&self, cpu: CpuId) -> Nanos {
        let p = &self.sched.cpus[cpu.index()];
        if p.curr.is_none() && self.is_idle(cpu) { p.idle + (self.clock - p.clock) } else { p.idle }
    }

    /// The time as the processor at work has it: the clock, and what this turn has cost so far.
    pub fn local_clock(&self) -> Nanos {
        if self.sched.on_cpu { self.sched.cpus[self.sched.cpu.index()].clock.max(self.clock) } else { self.clock }
    }

    fn is_runnable(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|t| t.state == TaskState::Runnable && !t.frozen.is_frozen())
    }

    /// The weight that a task has by its policy and nice value.
    fn weight_of(&self, task: TaskId) -> u64 {
        let t = &self.tasks[task];
        if t.sched.policy == Policy::Idle { WEIGHT_IDLEPRIO } else { weight_of_nice(t.nice) }
    }

    /// Puts a task, and every group that had nothing to run, into the queues of its processor (`enqueue_task_fair`).
    fn enqueue_task(&mut self, task: TaskId, initial: bool) {
        let t = &self.tasks[task].sched;
        let (mut queue, mut entity) = (QueueId { group: t.group, cpu: t.cpu }, Entity::Task(task));
        let weight = self.weight_of(task);
        self.tasks[task].sched.se.weight = weight;
        self.psi_change(task, |flags| flags.running = true);
        loop {
            if !self.entity(entity, queue.cpu).queued {
                self.with_entity(queue, entity, |rq, se| {
                    rq.place(se, initial);
                    rq.insert(entity, se);
                });
                self.update_group_weights(queue.group);
            }
            self.queue_mut(queue).tasks += 1;
            if self.queue(queue).throttled_since.is_some() {
                return;
            }
            let Some((parent, group)) = self.above(queue) else { return };
            (queue, entity) = (parent, group);
        }
    }

    /// Takes a task, and every group that has nothing to run any more, out of the queues (`dequeue_task_fair`).
    fn dequeue_task(&mut self, task: TaskId) {
        let now = self.local_clock();
        self.psi_change(task, |flags| flags.running = false);
        let t = &self.tasks[task].sched;
        let (mut queue, mut entity) = (QueueId { group: t.group, cpu: t.cpu }, Entity::Task(task));
        let mut leaving = true;
        loop {
            if leaving {
                self.with_entity(queue, entity, |rq, se| rq.remove(entity, se));
                self.update_group_weights(queue.group);
                self.return_runtime(queue, now);
                leaving = self.queue(queue).entities.is_empty();
            }
            self.queue_mut(queue).tasks -= 1;
            if self.queue(queue).throttled_since.is_some() {
                return;
            }
            let Some((parent, group)) = self.above(queue) else { return };
            (queue, entity) = (parent, group);
        }
    }

    /// The queues in which a task competes, its own first.
    fn queues_of(&self, task: TaskId) -> Vec<(QueueId, Entity)> {
        let t = &self.tasks[task].sched;
        let mut path = vec![(QueueId { group: t.group, cpu: t.cpu }, Entity::Task(task))];
        while let Some(above) = path.last().and_then(|(queue, _)| self.above(*queue)) {
            path.push(above);
        }
        path
    }

    /// The task ran for `time` on its processor (`update_curr`).
    fn update_curr(&mut self, task: TaskId, time: Nanos) {
        for (queue, entity) in self.queues_of(task) {
            if self.entity(entity, queue.cpu).queued {
                let over = self.with_entity(queue, entity, |rq, se| rq.ran(entity, se, time));
                self.sched.cpus[queue.cpu.index()].need_resched |= over;
            }
            self.account_runtime(queue, time);
        }
    }

    /// Who is next in a queue (`pick_eevdf`).
    fn pick_eevdf(&self, queue: QueueId) -> Option<Entity> {
        let rq = self.queue(queue);
        let eligible = |e: &&(i64, Entity)| rq.is_eligible(self.entity(e.1, queue.cpu).vruntime);
        rq.entities.iter().find(eligible).or_else(|| rq.entities.get_min()).map(|(_, entity)| *entity)
    }
}

impl Kernel<'_> {
    /// The task that takes the next turn, switching to it if need be. `None` when all sleep.
    pub(crate) fn schedule(&mut self) -> Option<TaskId> {
        loop {
            self.sched.on_cpu = false;
            let Some(cpu) = self.next_processor() else {
                self.sched.current = None;
                return None;
            };
            let at = self.sched.cpus[cpu.index()].clock;
            if self.next_timer_at().is_some_and(|timer| timer <= at) {
                self.fire_next_timer();
                continue;
            }
            self.clock = self.clock.max(at);
            self.calc_global_load();
            self.sched.cpu = cpu;
            self.sched.on_cpu = true;
            self.catch_up(cpu);
            self.sched.current = self.sched.cpus[cpu.index()].curr.filter(|t| self.tasks.contains(*t));
            if let Some(task) = self.task_for(cpu) {
                self.sched.current = Some(task);
                return Some(task);
            }
        }
    }

    /// The processor with something to do that is least far.
    fn next_processor(&self) -> Option<CpuId> {
        let busy = |cpu: &CpuId| self.sched.cpus[cpu.index()].curr.is_some() || !self.is_idle(*cpu);
        cpus().filter(busy).min_by_key(|cpu| self.sched.cpus[cpu.index()].clock)
    }

    /// Time that passed elsewhere (calls from outside) passed on this processor, too.
    fn catch_up(&mut self, cpu: CpuId) {
        let now = self.clock;
        let p = &mut self.sched.cpus[cpu.index()];
        p.idle += now - p.clock;
        p.clock = p.clock.max(now);
    }

    /// Who runs on `cpu` now (`__schedule`). `None` when it has become idle.
    fn task_for(&mut self, cpu: CpuId) -> Option<TaskId> {
        let previous = self.sched.cpus[cpu.index()].curr;
        self.balance_tick(cpu);
        if let Some(task) = previous
            && !self.sched.cpus[cpu.index()].need_resched
            && self.is_runnable(task)
            && self.tasks[task].sched.cpu == cpu
            && self.may_go_on(task)
        {
            return Some(task);
        }
        self.sched.cpus[cpu.index()].need_resched = false;
        let next = loop {
            match self.pick_next_task(cpu) {
                Some(task) if !self.is_runnable(task) => self.deactivate(task),
                Some(task) if self.may_go_on(task) => break Some(task),
                // Its group has used its time up: somebody else.
                Some(_) => {}
                None if self.newidle_balance(cpu) => {}
                None => break None,
            }
        };
        self.sched.cpus[cpu.index()].need_resched = false;
        if next != previous {
            self.switch(cpu, previous, next);
        }
        next
    }

    fn pick_next_task(&self, cpu: CpuId) -> Option<TaskId> {
        let mut queue = QueueId { group: World::ROOT_TASK_GROUP, cpu };
        loop {
            match self.pick_eevdf(queue)? {
                Entity::Task(task) => return Some(task),
                Entity::Group(group) => queue = QueueId { group, cpu },
            }
        }
    }

    /// Whether the quota of no group of `task` is used up; where one is, it is throttled (`check_cfs_rq_runtime`).
    fn may_go_on(&mut self, task: TaskId) -> bool {
        let now = self.local_clock();
        let mut may = true;
        for (queue, _) in self.queues_of(task) {
            if self.queue(queue).throttled_since.is_some() {
                may = false;
            } else if !self.has_runtime(queue, now) {
                self.throttle(queue, now);
                may = false;
            }
        }
        may
    }

    /// `cpu` goes on with another task, or with none.
    fn switch(&mut self, cpu: CpuId, from: Option<TaskId>, to: Option<TaskId>) {
        let now = self.sched.cpus[cpu.index()].clock;
        if let Some(t) = from.and_then(|from| self.world.tasks.get_mut(from)) {
            if t.state == TaskState::Runnable {
                t.sched.involuntary_switches += 1;
                t.sched.waiting_since = Some(now);
            } else {
                t.sched.voluntary_switches += 1;
            }
        }
        if let Some(from) = from.filter(|from| self.tasks.contains(*from)) {
            self.psi_change(from, |flags| flags.oncpu = false);
        }
        if let Some(to) = to {
            self.psi_change(to, |flags| flags.oncpu = true);
        }
        self.sched.cpus[cpu.index()].curr = to;
        self.sched.current = to;
        match to {
            Some(task) => {
                let t = &mut self.tasks[task].sched;
                t.runs += 1;
                if let Some(since) = t.waiting_since.take() {
                    t.run_delay += now - since;
                }
                self.sched.cpus[cpu.index()].switches += 1;
                self.emit(EventKind::Switched { cpu, from });
                self.switch_mm(cpu, task);
            }
            None => self.emit(EventKind::Idled { cpu, from }),
        }
    }

    /// The current task used this much processor time in the kernel.
    pub(crate) fn spend(&mut self, time: Nanos) {
        self.use_time(time, false);
    }

    /// The current task used this much processor time outside the kernel.
    pub(crate) fn spend_in_user_mode(&mut self, time: Nanos) {
        self.use_time(time, true);
    }

    fn use_time(&mut self, time: Nanos, user: bool) {
        let current = self.sched.current.filter(|t| self.tasks.contains(*t));
        let cpu = match current {
            Some(task) if !self.sched.on_cpu => self.tasks[task].sched.cpu,
            _ => self.sched.cpu,
        };
        let (before, nice) = (self.clock, current.is_some_and(|t| self.tasks[t].nice > 0));
        let on_cpu = self.sched.on_cpu;
        let p = &mut self.sched.cpus[cpu.index()];
        if !on_cpu {
            // Asked from outside: the processor was idle until now, or is kept from its own work.
            p.idle += before - p.clock;
            p.clock = p.clock.max(before);
        }
        p.clock += time;
        match (user, nice) {
            (false, _) => p.system += time,
            (true, false) => p.user += time,
            (true, true) => p.nice += time,
        }
        if !on_cpu {
            self.world.clock += time;
        }
        let Some(task) = current else {
            self.sched.time_of_nobody += time;
            return;
        };
        let t = &mut self.tasks[task];
        t.cpu_time += time;
        if user {
            t.sched.user_time += time;
        }
        self.charge_cpu_time(task, cpu, time, user);
        if on_cpu {
            self.update_curr(task, time);
        }
    }

    /// How long the current task may compute before something else can have to happen on its processor.
    pub(crate) fn compute_limit(&self, task: TaskId) -> Nanos {
        let mut limit = TICK;
        let now = self.local_clock();
        if let Some(timer) = self.next_timer_at() {
            limit = limit.min(timer - now);
        }
        for (queue, entity) in self.queues_of(task) {
            if let Some(left) = self.runtime_left(queue) {
                limit = limit.min(left);
            }
            let se = self.entity(entity, queue.cpu);
            if se.queued && self.queue(queue).entities.len() > 1 {
                let virtual_time = u128::try_from(se.deadline - se.vruntime).unwrap_or(0);
                let time = (virtual_time * u128::from(se.weight)).div_ceil(u128::from(weight::NICE_0_LOAD));
                limit = limit.min(Nanos(u64::try_from(time).unwrap_or(u64::MAX)));
            }
        }
        limit.max(Nanos(1))
    }

    /// Lets a task that is runnable again take part. Nothing for everybody else.
    pub(crate) fn enqueue(&mut self, task: TaskId) {
        if self.is_runnable(task) {
            self.activate(task, false);
        }
    }

    /// Takes a task out of the queues because it does not want to run any more. Nothing when it is in none.
    pub(crate) fn deactivate(&mut self, task: TaskId) {
        if self.tasks[task].sched.se.queued {
            self.dequeue_task(task);
            self.tasks[task].sched.waiting_since = None;
        }
    }

    /// The task is gone, and with it what it used.
    pub(crate) fn forget_task_time(&mut self, task: TaskId) {
        self.psi_change(task, |flags| *flags = psi::PsiFlags::default());
        let used = self.tasks[task].cpu_time;
        self.sched.time_of_the_dead += used;
    }

    /// Sets a task's nice value and policy (`set_user_nice`, `sched_setscheduler`).
    pub(crate) fn set_priority(&mut self, task: TaskId, nice: i8, policy: Policy) {
        let t = &mut self.tasks[task];
        t.nice = nice;
        t.sched.policy = policy;
        let weight = self.weight_of(task);
        let t = &self.tasks[task].sched;
        let (queue, entity) = (QueueId { group: t.group, cpu: t.cpu }, Entity::Task(task));
        self.with_entity(queue, entity, |rq, se| rq.reweigh(entity, se, weight));
        self.update_group_weights(queue.group);
    }
}
