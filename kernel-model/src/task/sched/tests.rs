//! Shares, quotas and processors, with exact arithmetic.

use super::*;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::syscall::{Call, Sysno};
use crate::world::Config;

const MS: u64 = 1_000_000;
const ROOT: TaskGroupId = World::ROOT_TASK_GROUP;

/// A world in which tasks do nothing but compute.
struct Lab {
    running: Running<NoMachine>,
    trace: Trace,
    begun: Nanos,
}

impl Lab {
    fn new() -> Lab {
        let mut trace = Trace::new();
        let mut running = Running::new(World::boot(Config::default()), NoMachine);
        running.run(1000, &mut trace);
        let begun = running.world.clock;
        Lab { running, trace, begun }
    }

    fn with<T>(&mut self, what: impl FnOnce(&mut Kernel<'_>) -> T) -> T {
        let (world, machine, trace) = (&mut self.running.world, &mut self.running.machine, &mut self.trace);
        what(&mut Kernel { world, machine, trace, from_outside: false })
    }

    /// A new task that computes for ever.
    fn task(&mut self, group: TaskGroupId) -> TaskId {
        let child = TaskId(self.running.world.tasks.next_number());
        let call = Call { nr: Sysno::CLONE, args: vec![17.into()] };
        self.running.call_as(TaskId(2), call, &mut self.trace);
        self.with(|k| k.move_to_task_group(child, group));
        child
    }

    /// One that may run on processor 0 only.
    fn pinned(&mut self, group: TaskGroupId) -> TaskId {
        let task = self.task(group);
        self.with(|k| k.set_cpus_allowed(task, 1));
        task
    }

    fn group(&mut self, parent: TaskGroupId, shares: u64) -> TaskGroupId {
        let group = self.running.world.create_task_group(parent, "/g".into());
        self.with(|k| k.set_group_shares(group, shares));
        group
    }

    fn quota(&mut self, group: TaskGroupId, quota_ms: u64, burst_ms: u64) {
        let (quota, burst) = (Some(Nanos(quota_ms * MS)), Nanos(burst_ms * MS));
        self.with(|k| k.set_group_bandwidth(group, quota, Nanos(100 * MS), burst));
    }

    /// Lets `ms` of virtual time pass.
    fn pass(&mut self, ms: u64) {
        let end = self.running.world.clock + Nanos(ms * MS);
        self.with(|k| {
            while k.clock < end {
                match k.schedule() {
                    Some(task) => {
                        let left = (end - k.local_clock()).max(Nanos(1));
                        let time = k.compute_limit(task).min(left);
                        k.spend_in_user_mode(time);
                    }
                    None => {
                        k.run_until = end;
                        assert!(k.pass_time(), "time passes when it is asked to");
                    }
                }
            }
        });
        assert_eq!(self.running.world.check(), Ok(()));
    }

    fn used(&self, task: TaskId) -> u64 {
        self.running.world.tasks[task].sched.user_time.0 / MS
    }

    fn bandwidth(&self, group: TaskGroupId) -> &bandwidth::CfsBandwidth {
        &self.running.world.sched.groups[group].bandwidth
    }

    /// What was said about quotas: milliseconds since the begin.
    fn throttling(&self) -> Vec<String> {
        let since = |at: Nanos| (at - self.begun).0 as f64 / MS as f64;
        let told = |kind: &EventKind| match kind {
            EventKind::Throttled { .. } => Some("throttled"),
            EventKind::Unthrottled { .. } => Some("runs"),
            _ => None,
        };
        self.trace.events.iter().filter_map(|e| Some(format!("{:.0} {}", since(e.at), told(&e.kind)?))).collect()
    }
}

/// Whether two numbers of milliseconds are alike up to a few slices.
fn about(used: u64, expected: u64) -> bool {
    used.abs_diff(expected) <= 6
}

#[test]
fn two_processors_give_two_seconds_in_one() {
    let mut lab = Lab::new();
    let (a, b) = (lab.task(ROOT), lab.task(ROOT));
    lab.pass(1000);
    assert!(about(lab.used(a), 1000) && about(lab.used(b), 1000), "{} {}", lab.used(a), lab.used(b));
}

#[test]
fn three_tasks_share_two_processors() {
    let mut lab = Lab::new();
    let tasks = [lab.task(ROOT), lab.task(ROOT), lab.task(ROOT)];
    lab.pass(3000);
    let used = tasks.map(|t| lab.used(t));
    assert!(used.iter().all(|u| u.abs_diff(2000) < 250), "{used:?}");
    assert_eq!(used.iter().sum::<u64>() / 10, 599);
}

#[test]
fn groups_share_one_processor_by_weight() {
    let mut lab = Lab::new();
    let (light, heavy) = (lab.group(ROOT, 1024), lab.group(ROOT, 3072));
    let (a, b) = (lab.pinned(light), lab.pinned(heavy));
    lab.pass(1000);
    assert!(about(lab.used(a), 250) && about(lab.used(b), 750), "{} {}", lab.used(a), lab.used(b));
}

#[test]
fn shares_multiply_down_the_tree() {
    let mut lab = Lab::new();
    let (left, right) = (lab.group(ROOT, 1024), lab.group(ROOT, 1024));
    let (x, y) = (lab.group(left, 100), lab.group(left, 300));
    let tasks = [lab.pinned(x), lab.pinned(y), lab.pinned(right)];
    lab.pass(2000);
    let used = tasks.map(|t| lab.used(t));
    assert!(about(used[0], 250) && about(used[1], 750) && about(used[2], 1000), "{used:?}");
}

#[test]
fn nice_values_weigh() {
    let mut lab = Lab::new();
    let (a, b) = (lab.pinned(ROOT), lab.pinned(ROOT));
    lab.with(|k| k.set_priority(b, 5, Policy::Normal));
    lab.pass(1359);
    assert!(about(lab.used(a), 1024) && about(lab.used(b), 335), "{} {}", lab.used(a), lab.used(b));
}

#[test]
fn a_group_set_to_idle_gets_what_is_left() {
    let mut lab = Lab::new();
    let (idle, busy) = (lab.group(ROOT, 1024), lab.group(ROOT, 1024));
    lab.with(|k| k.set_group_idle(idle, true));
    let (a, b) = (lab.pinned(idle), lab.pinned(busy));
    lab.pass(1000);
    assert!(lab.used(a) < 12 && lab.used(b) > 988, "{} {}", lab.used(a), lab.used(b));
}

#[test]
fn a_fifth_of_a_processor_runs_20_ms_and_waits_80() {
    let mut lab = Lab::new();
    let group = lab.group(ROOT, 1024);
    lab.begun = lab.running.world.clock;
    lab.quota(group, 20, 0);
    let task = lab.task(group);
    lab.pass(250);
    assert_eq!(
        lab.throttling(),
        ["20 throttled", "100 runs", "120 throttled", "200 runs", "220 throttled", "300 runs"]
    );
    assert_eq!(lab.used(task), 60);
    assert_eq!((lab.bandwidth(group).nr_periods, lab.bandwidth(group).nr_throttled), (3, 3));
}

#[test]
fn a_quota_counts_for_all_processors_together() {
    let mut lab = Lab::new();
    let group = lab.group(ROOT, 1024);
    lab.quota(group, 20, 0);
    let (a, b) = (lab.task(group), lab.task(group));
    lab.pass(1000);
    assert_eq!(lab.used(a) + lab.used(b), 200);
    assert_eq!(lab.bandwidth(group).nr_throttled, lab.bandwidth(group).nr_periods);
}

#[test]
fn the_tighter_quota_counts() {
    let mut lab = Lab::new();
    let outer = lab.group(ROOT, 1024);
    let inner = lab.group(outer, 1024);
    lab.quota(outer, 30, 0);
    lab.quota(inner, 50, 0);
    let task = lab.task(inner);
    lab.pass(1000);
    assert_eq!(lab.used(task), 300);
    assert_eq!(lab.bandwidth(inner).nr_throttled, 0);
    assert!(lab.bandwidth(outer).nr_throttled >= 9);
}

#[test]
fn what_was_not_used_may_burst() {
    let mut lab = Lab::new();
    let group = lab.group(ROOT, 1024);
    lab.begun = lab.running.world.clock;
    lab.quota(group, 20, 30);
    let task = lab.task(group);
    lab.with(|k| k.sleep(task, crate::syscall::Sleep::default()));
    lab.pass(150);
    lab.with(|k| k.wake(task));
    lab.pass(250);
    assert!(lab.used(task) > 70, "{}", lab.used(task));
    assert!(lab.bandwidth(group).nr_bursts >= 1);
    assert!(lab.bandwidth(group).burst_time > Nanos(0));
}

#[test]
fn a_task_leaves_a_processor_that_it_may_not_use() {
    let mut lab = Lab::new();
    let task = lab.task(ROOT);
    lab.pass(10);
    let other = 3 & !lab.running.world.tasks[task].sched.cpu.bit();
    lab.with(|k| k.set_cpus_allowed(task, other));
    lab.pass(10);
    assert_eq!(lab.running.world.tasks[task].sched.cpu.bit(), other);
    assert!(lab.trace.events.iter().any(|e| matches!(e.kind, EventKind::Migrated { .. })));
    assert_eq!(lab.used(task), 20);
}

#[test]
fn a_quota_taken_away_lets_the_group_run_at_once() {
    let mut lab = Lab::new();
    let group = lab.group(ROOT, 1024);
    lab.quota(group, 10, 0);
    let task = lab.task(group);
    lab.pass(50);
    assert_eq!(lab.used(task), 10);
    lab.with(|k| k.set_group_bandwidth(group, None, Nanos(100 * MS), Nanos(0)));
    lab.pass(50);
    assert_eq!(lab.used(task), 60);
}
