//! Processor time over time: who ran on which processor and when, when groups were kept from running by their
//! quota, and where limits were hit and processes killed for them. Made from a world and the events that led to it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::explain::GONE;
use super::label::label;
use crate::cgroup::event::CgroupEvent;
use crate::event::{Event, EventKind};
use crate::mm::event::MemoryEvent;
use crate::namespace::pid::PidNsId;
use crate::task::TaskId;
use crate::task::sched::{CpuId, TaskGroupId, cpus};
use crate::time::Nanos;
use crate::world::World;

/// A stretch of time in which one task had a processor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    /// The task.
    pub task: TaskId,
    /// What it is called: its command and number, as the first PID namespace has it.
    pub name: String,
    /// Its group, as long as it exists.
    pub group: Option<TaskGroupId>,
    /// From when.
    pub from: Nanos,
    /// Until when.
    pub to: Nanos,
}

/// What one processor did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessorLane {
    /// The processor.
    pub cpu: CpuId,
    /// Who had it, in order.
    pub slices: Vec<Slice>,
    /// How long somebody had it.
    pub busy: Nanos,
}

/// A stretch of time in which a group was kept from a processor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The processor.
    pub cpu: CpuId,
    /// From when.
    pub from: Nanos,
    /// Until when: the end of the picture when it still lasts.
    pub to: Nanos,
    /// It still lasts.
    pub open: bool,
}

/// What became of one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupLane {
    /// The group.
    pub group: TaskGroupId,
    /// Its path.
    pub path: String,
    /// Its weight, 1024 for a group as it is made.
    pub shares: u64,
    /// Quota and period, if it has one.
    pub limit: Option<(Nanos, Nanos)>,
    /// Processor time of its own tasks in the picture.
    pub used: Nanos,
    /// When it was throttled.
    pub gaps: Vec<Gap>,
}

/// A limit at work: somebody was refused something, slowed down or killed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitMark {
    /// When.
    pub at: Nanos,
    /// What, with the numbers.
    pub what: String,
    /// Somebody was killed.
    pub killed: bool,
}

/// Stretches of time in which nothing happens are drawn no longer than this.
const QUIET: Nanos = Nanos::from_millis(120);

/// A picture of processor time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CpuTimeline {
    /// The begin of the picture.
    pub from: Nanos,
    /// Its end.
    pub to: Nanos,
    /// One lane a processor.
    pub processors: Vec<ProcessorLane>,
    /// One lane a group that exists, the root first.
    pub groups: Vec<GroupLane>,
    /// Where limits were hit, in order.
    pub marks: Vec<LimitMark>,
    /// Times at which something happens, and how far to the right each is drawn: long quiet is cut short.
    ticks: Vec<(Nanos, u64)>,
}

/// Whether an event has to do with processor time or with a limit at work: what a [`CpuTimeline`] is made of.
pub fn concerns_time(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Switched { .. }
            | EventKind::Idled { .. }
            | EventKind::Throttled { .. }
            | EventKind::Unthrottled { .. }
            | EventKind::TaskCreated { .. }
            | EventKind::ProgramExecuted { .. }
    ) || is_limit(kind)
}

fn is_limit(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Cgroup(
            CgroupEvent::Killed { .. } | CgroupEvent::PidsLimitHit { .. } | CgroupEvent::DeviceDenied { .. }
        ) | EventKind::Memory(
            MemoryEvent::LimitHit { .. }
                | MemoryEvent::Throttled { .. }
                | MemoryEvent::Killed { .. }
                | MemoryEvent::GroupKilled { .. }
        )
    )
}

/// What the events tell of tasks that are gone by the end of the picture.
#[derive(Default)]
struct Past {
    parents: BTreeMap<TaskId, TaskId>,
    programs: BTreeMap<TaskId, Arc<str>>,
}

impl Past {
    /// The name of the program that a task ran last.
    fn program(&self, task: TaskId) -> Option<&str> {
        let path = self.programs.get(&task)?;
        path.rsplit('/').next()
    }

    fn remember(&mut self, event: &Event) {
        match (&event.kind, event.task) {
            (EventKind::TaskCreated { child, .. }, Some(parent)) => {
                self.parents.insert(*child, parent);
                if let Some(program) = self.programs.get(&parent).cloned() {
                    self.programs.insert(*child, program);
                }
            }
            (EventKind::ProgramExecuted { path, .. }, Some(task)) => _ = self.programs.insert(task, path.clone()),
            _ => {}
        }
    }
}

impl World {
    /// The picture of the time that `events` cover; the world is the one after the last of them.
    pub fn cpu_timeline(&self, events: &[Event]) -> CpuTimeline {
        let from = events.first().map_or(self.clock, |e| e.at);
        let mut picture = CpuTimeline {
            from,
            to: self.clock.max(from),
            processors: cpus().map(|cpu| ProcessorLane { cpu, slices: Vec::new(), busy: Nanos(0) }).collect(),
            groups: self.sched.groups.iter().map(|(id, _)| self.group_lane(id)).collect(),
            ..CpuTimeline::default()
        };
        let mut past = Past::default();
        for event in events {
            past.remember(event);
            picture.follow(event, self, &past);
        }
        picture.finish(self);
        picture
    }

    fn group_lane(&self, group: TaskGroupId) -> GroupLane {
        let g = &self.sched.groups[group];
        GroupLane {
            group,
            path: g.path.to_string(),
            shares: g.shares,
            limit: g.bandwidth.quota.map(|quota| (quota, g.bandwidth.period)),
            used: Nanos(0),
            gaps: Vec::new(),
        }
    }

    /// The group of a task. One that is gone was in the group of its nearest ancestor that is still there.
    fn group_in_picture(&self, task: TaskId, past: &Past) -> Option<TaskGroupId> {
        let line = std::iter::successors(Some(task), |task| past.parents.get(task).copied());
        line.take(64).find_map(|task| self.tasks.get(task)).map(|t| t.sched.group)
    }

    fn slice_name(&self, task: TaskId, past: &Past) -> String {
        let nr = self.pid_in(PidNsId(1), task);
        match (self.tasks.get(task), nr) {
            (Some(t), Some(nr)) => format!("{} ({nr})", t.comm),
            (Some(t), None) => t.comm.clone(),
            (None, _) => {
                format!("{} that is gone", past.program(task).unwrap_or("a task"))
            }
        }
    }
}

impl CpuTimeline {
    fn follow(&mut self, event: &Event, world: &World, past: &Past) {
        self.tick(event.at);
        if is_limit(&event.kind) {
            let killed = matches!(
                event.kind,
                EventKind::Memory(MemoryEvent::Killed { .. } | MemoryEvent::GroupKilled { .. })
                    | EventKind::Cgroup(CgroupEvent::Killed { .. })
            );
            let mut what = label(&event.kind, world);
            if let EventKind::Memory(MemoryEvent::Killed { victim, .. }) = &event.kind
                && let Some(name) = past.program(*victim)
            {
                what = what.replace(GONE, name);
            }
            self.marks.push(LimitMark { at: event.at, what, killed });
        }
        match &event.kind {
            EventKind::Switched { cpu, .. } => {
                self.end_slice(*cpu, event.at);
                if let (Some(task), Some(lane)) = (event.task, self.processors.get_mut(cpu.index())) {
                    let group = world.group_in_picture(task, past);
                    lane.slices.push(Slice {
                        task,
                        name: world.slice_name(task, past),
                        group,
                        from: event.at,
                        to: Nanos(u64::MAX),
                    });
                }
            }
            EventKind::Idled { cpu, .. } => self.end_slice(*cpu, event.at),
            EventKind::Throttled { group, cpu, .. } => {
                if let Some(lane) = self.groups.iter_mut().find(|lane| lane.group == *group) {
                    lane.gaps.push(Gap { cpu: *cpu, from: event.at, to: Nanos(u64::MAX), open: true });
                }
            }
            EventKind::Unthrottled { group, cpu, .. } => {
                let lane = self.groups.iter_mut().find(|lane| lane.group == *group);
                if let Some(gap) = lane.and_then(|l| l.gaps.iter_mut().rev().find(|g| g.cpu == *cpu && g.open)) {
                    gap.to = event.at;
                    gap.open = false;
                }
            }
            _ => {}
        }
    }

    fn end_slice(&mut self, cpu: CpuId, at: Nanos) {
        let Some(slice) = self.processors.get_mut(cpu.index()).and_then(|lane| lane.slices.last_mut()) else { return };
        slice.to = slice.to.min(at);
    }

    /// What still goes on ends with the picture.
    fn finish(&mut self, world: &World) {
        self.tick(self.to);
        for lane in &mut self.processors {
            let end = world.sched.cpus[lane.cpu.index()].clock.max(self.from);
            for slice in &mut lane.slices {
                slice.to = slice.to.min(end.max(slice.from));
                lane.busy += slice.to - slice.from;
                if let Some(group) = self.groups.iter_mut().find(|g| Some(g.group) == slice.group) {
                    group.used += slice.to - slice.from;
                }
            }
        }
        for gap in self.groups.iter_mut().flat_map(|lane| &mut lane.gaps) {
            gap.to = gap.to.min(self.to.max(gap.from));
        }
    }

    /// Whether something in it is worth a picture: a quota, or a limit at work.
    pub fn has_limits(&self) -> bool {
        !self.marks.is_empty() || self.groups.iter().any(|lane| lane.limit.is_some() || !lane.gaps.is_empty())
    }

    /// Where a time lies in the picture, in thousandths of its width.
    pub fn place(&self, at: Nanos) -> u64 {
        let after = self.ticks.partition_point(|(tick, _)| *tick <= at);
        let start = self.ticks.get(after.saturating_sub(1)).copied();
        let (Some((from, left)), Some((_, width))) = (start, self.ticks.last()) else { return 0 };
        let (to, right) = self.ticks.get(after).copied().unwrap_or((from, left));
        let share = u128::from((at - from).0) * u128::from(right - left) / u128::from((to - from).0.max(1));
        ((u128::from(left) + share) * 1000 / u128::from((*width).max(1))).min(1000) as u64
    }

    fn tick(&mut self, at: Nanos) {
        let (last, left) = self.ticks.last().copied().unwrap_or((self.from, 0));
        if at > last || self.ticks.is_empty() {
            self.ticks.push((at.max(last), left + (at - last).min(QUIET).0));
        }
    }

    /// The picture as text: times in milliseconds since its begin.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let since = |at: Nanos| {
            let us = (at - self.from).0 / 1000;
            format!("{:>6}.{:03}", us / 1000, us % 1000)
        };
        let millis = |time: Nanos| format!("{}.{:03} ms", time.0 / 1_000_000, time.0 / 1000 % 1000);
        // Writing to a string cannot fail.
        for lane in &self.processors {
            let _ = writeln!(text, "processor {}: busy {}", lane.cpu, millis(lane.busy));
            for slice in &lane.slices {
                let _ = writeln!(text, "  {} {}  {}", since(slice.from), since(slice.to), slice.name);
            }
        }
        for lane in &self.groups {
            let limit = lane.limit.map_or_else(String::new, |(quota, period)| {
                format!(", at most {} in {}", millis(quota), millis(period))
            });
            let _ = writeln!(text, "group {}: used {}, weight {}{limit}", lane.path, millis(lane.used), lane.shares);
            for gap in &lane.gaps {
                let still = if gap.open { ", still" } else { "" };
                let (from, to) = (since(gap.from), since(gap.to));
                let _ = writeln!(text, "  {from} {to}  throttled on processor {}{still}", gap.cpu);
            }
        }
        for mark in &self.marks {
            let _ = writeln!(text, "limit {}  {}", since(mark.at), mark.what);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::console::ConsoleId;
    use crate::kernel::Trace;
    use crate::pv_ops::NoMachine;
    use crate::step::Running;
    use crate::world::Config;

    fn picture(line: &str) -> CpuTimeline {
        let mut running = Running::new(World::boot(Config::default()), NoMachine);
        running.run(10_000, &mut Trace::silent());
        let mut trace = Trace::new();
        let text = line.to_owned();
        running.inject(&Action::Line { console: ConsoleId(1), text }, &mut trace);
        assert!(running.run(200_000, &mut trace), "it comes to rest");
        trace.events.retain(|e| concerns_time(&e.kind));
        running.world.cpu_timeline(&trace.events)
    }

    #[test]
    fn a_group_with_a_quota_has_gaps_and_long_quiet_is_cut_short() {
        let group = "/sys/fs/cgroup/cpu/slow";
        let burn = r#"timeout 0.5 sh -c "while :; do :; done""#;
        let picture = picture(&format!(
            "mkdir {group}; echo 20000 > {group}/cpu.cfs_quota_us; sh -c 'echo $$ > {group}/tasks; {burn}'; sleep 60"
        ));
        let slow = picture.groups.iter().find(|lane| lane.path.ends_with("/slow"));
        let slow = slow.unwrap_or_else(|| panic!("no group in {}", picture.text()));
        assert!(slow.gaps.len() >= 4, "{}", picture.text());
        // A minute of sleep is no wider than anything else that is quiet.
        let end = slow.gaps.last().map_or(Nanos(0), |gap| gap.to);
        assert!((500..1000).contains(&picture.place(end)), "{} {}", picture.place(end), picture.text());
        assert_eq!((picture.place(picture.from), picture.place(picture.to)), (0, 1000));
    }

    #[test]
    fn a_limit_at_work_is_a_mark() {
        let group = "/sys/fs/cgroup/pids/box";
        let picture = picture(&format!(
            "mkdir {group}; echo 1 > {group}/pids.max; sh -c 'echo $$ > {group}/tasks; /bin/true & wait'"
        ));
        // The shell tries to fork several times.
        assert!(picture.has_limits() && picture.marks.len() > 1, "{}", picture.text());
        assert!(picture.marks.iter().all(|mark| !mark.killed && mark.what.contains("pids.max")), "{}", picture.text());
    }
}
