//! Processor time over time: who ran on which processor and when, and when groups were kept from running by
//! their quota. Made from a world and the events that led to it.

use std::fmt::Write;

use crate::event::{Event, EventKind};
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

/// A picture of processor time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpuTimeline {
    /// The begin of the picture.
    pub from: Nanos,
    /// Its end.
    pub to: Nanos,
    /// One lane a processor.
    pub processors: Vec<ProcessorLane>,
    /// One lane a group that exists, the root first.
    pub groups: Vec<GroupLane>,
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
        };
        for event in events {
            picture.follow(event, self);
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

    fn slice_name(&self, task: TaskId) -> String {
        let nr = self.pid_in(PidNsId(1), task);
        match (self.tasks.get(task), nr) {
            (Some(t), Some(nr)) => format!("{} ({nr})", t.comm),
            (Some(t), None) => t.comm.clone(),
            (None, _) => "a task that is gone".to_owned(),
        }
    }
}

impl CpuTimeline {
    fn follow(&mut self, event: &Event, world: &World) {
        match &event.kind {
            EventKind::Switched { cpu, .. } => {
                self.end_slice(*cpu, event.at);
                if let (Some(task), Some(lane)) = (event.task, self.processors.get_mut(cpu.index())) {
                    let group = world.tasks.get(task).map(|t| t.sched.group);
                    lane.slices.push(Slice {
                        task,
                        name: world.slice_name(task),
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
        text
    }
}
