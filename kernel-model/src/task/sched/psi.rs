//! Pressure stall information, as in accounting/psi.rst and `kernel/sched/psi.c`: how much time is lost because
//! tasks wait for a processor, for memory or for a disk.
//!
//! *some*: at least one task of the group stands still for want of the resource. *full*: all that are not idle do.
//! A state is kept for each processor, and the processors' times are averaged by how long each was not idle.
//! Every two seconds the share of the last two goes into running averages over 10, 60 and 300 seconds, in fixed
//! point with 11 bits. The kernel weighs processors by whole jiffies, the model by nanoseconds.
//!
//! Whoever makes a task wait says so: [`Kernel::psi_enter`] and [`Kernel::psi_leave`].

use serde::{Deserialize, Serialize};

use super::{CpuId, NR_CPUS, cpus};
use crate::cgroup::hierarchy::DEFAULT_HIERARCHY;
use crate::cgroup::{CgroupId, KernelVersion};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::world::World;

/// How often the averages are brought up to date (`psi_period`).
const PERIOD: Nanos = Nanos(2_000_000_000);
/// 1 in fixed point.
const FIXED_1: u64 = 2048;
/// What is left of an average after 2 seconds: 1/exp(2s/10s), 1/exp(2s/60s), 1/exp(2s/300s).
const EXP: [u64; 3] = [1677, 1981, 2034];

/// What can be waited for, in the kernel's order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Resource {
    /// Block devices.
    Io,
    /// Memory.
    Memory,
    /// Processors.
    Cpu,
}

/// Why a task stands still, as it is told from outside the scheduler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stall {
    /// It sleeps until a block device has done something (`in_iowait`).
    Io,
    /// It waits for memory, or works to reclaim some (`psi_memstall_enter`).
    Memory,
}

/// What a task is for psi (`TSK_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PsiFlags {
    /// It sleeps for a block device.
    pub iowait: bool,
    /// It stalls on memory.
    pub memstall: bool,
    /// It is queued.
    pub running: bool,
    /// It has a processor.
    pub oncpu: bool,
}

/// Io some, io full, memory some, memory full, cpu some, cpu full, not idle.
const STATES: usize = 7;
const NONIDLE: usize = 6;

/// One processor of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct PsiCpu {
    iowait: u32,
    memstall: u32,
    running: u32,
    memstall_running: u32,
    oncpu: u32,
    /// Which states hold.
    mask: [bool; STATES],
    /// Since when.
    since: Nanos,
    /// How long each held before that.
    times: [Nanos; STATES],
    /// The same as it was last collected.
    collected: [Nanos; STATES],
}

impl PsiCpu {
    /// Which states hold with these tasks (`test_states`).
    fn test_states(&self) -> [bool; STATES] {
        let oncpu = self.oncpu > 0;
        [
            self.iowait > 0,
            self.iowait > 0 && self.running == 0,
            self.memstall > 0,
            self.memstall > 0 && self.running == self.memstall_running,
            self.running > u32::from(oncpu),
            self.running > 0 && !oncpu,
            self.iowait > 0 || self.memstall > 0 || self.running > 0,
        ]
    }

    /// Times up to `now` (`get_recent_times`).
    fn recent(&self, now: Nanos) -> [Nanos; STATES] {
        let mut times = self.times;
        for (time, holds) in times.iter_mut().zip(self.mask) {
            if holds {
                *time += now - self.since;
            }
        }
        times
    }

    fn count(&mut self, flags: PsiFlags, add: bool) {
        let change = |counter: &mut u32, counts: bool| {
            if counts {
                *counter = if add { *counter + 1 } else { counter.saturating_sub(1) };
            }
        };
        change(&mut self.iowait, flags.iowait);
        change(&mut self.memstall, flags.memstall);
        change(&mut self.running, flags.running);
        change(&mut self.memstall_running, flags.memstall && flags.running);
        change(&mut self.oncpu, flags.oncpu);
    }
}

/// The pressure on a group of tasks (`struct psi_group`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PsiGroup {
    cpus: [PsiCpu; NR_CPUS as usize],
    /// Stall time of all processors together.
    total: [Nanos; STATES],
    /// The same as it was when the averages were last brought up to date.
    averaged: [Nanos; STATES],
    avg: [[u64; 3]; STATES],
    last_update: Nanos,
    next_update: Nanos,
}

impl PsiGroup {
    /// A group that begins now.
    pub fn new(now: Nanos) -> PsiGroup {
        PsiGroup {
            cpus: [PsiCpu::default(); NR_CPUS as usize],
            total: [Nanos(0); STATES],
            averaged: [Nanos(0); STATES],
            avg: [[0; 3]; STATES],
            last_update: now,
            next_update: now + PERIOD,
        }
    }

    /// A task of the group is something else on this processor from now on (`psi_group_change`).
    fn change(&mut self, cpu: CpuId, old: PsiFlags, new: PsiFlags, now: Nanos) {
        self.catch_up(now);
        let c = &mut self.cpus[cpu.index()];
        let now = now.max(c.since);
        c.times = c.recent(now);
        c.since = now;
        c.count(old, false);
        c.count(new, true);
        c.mask = c.test_states();
    }

    /// Brings the averages to what they are at `now`.
    fn catch_up(&mut self, now: Nanos) {
        while now >= self.next_update {
            let busy = self.cpus.iter().any(|c| c.mask[NONIDLE]);
            // While something happens the kernel's worker runs every two seconds; then it sleeps.
            let at = if busy { self.next_update } else { now };
            self.collect(at);
            self.update_averages(at);
        }
    }

    /// Adds up what the processors have had since the last time (`collect_percpu_times`).
    fn collect(&mut self, now: Nanos) {
        let mut weighted = [0u128; STATES];
        let mut nonidle_total = 0u128;
        for c in &mut self.cpus {
            let times = c.recent(now.max(c.since));
            let nonidle = u128::from((times[NONIDLE] - c.collected[NONIDLE]).0);
            nonidle_total += nonidle;
            for (state, time) in times.iter().enumerate() {
                weighted[state] += u128::from((*time - c.collected[state]).0) * nonidle;
            }
            c.collected = times;
        }
        for (total, weighted) in self.total.iter_mut().zip(weighted) {
            *total += Nanos(u64::try_from(weighted / nonidle_total.max(1)).unwrap_or(u64::MAX));
        }
    }

    /// `update_averages`.
    fn update_averages(&mut self, now: Nanos) {
        let missed = (now - self.next_update).0 / PERIOD.0;
        self.next_update = Nanos(self.next_update.0 + (1 + missed) * PERIOD.0);
        let period = now - Nanos(self.last_update.0 + missed * PERIOD.0);
        self.last_update = now;
        for state in 0..NONIDLE {
            let sample = (self.total[state] - self.averaged[state]).min(period);
            self.averaged[state] += sample;
            let percent = sample.0 * 100 / period.0.max(1) * FIXED_1;
            for (avg, exp) in self.avg[state].iter_mut().zip(EXP) {
                if missed > 0 {
                    *avg = calc_load(*avg, fixed_power(exp, missed), 0);
                }
                *avg = calc_load(*avg, exp, percent);
            }
        }
    }

    /// What a pressure file says at `now` (`psi_show`). The machine as a whole has no full pressure on processors.
    pub fn show(&self, resource: Resource, is_system: bool, now: Nanos) -> String {
        let mut group = self.clone();
        group.catch_up(now);
        group.collect(now);
        let line = |name: &str, state: usize| {
            let undefined = is_system && resource == Resource::Cpu && name == "full";
            let (avg, total) = if undefined { ([0; 3], Nanos(0)) } else { (group.avg[state], group.total[state]) };
            let [ten, sixty, hundreds] = avg.map(|a| format!("{}.{:02}", a >> 11, ((a & (FIXED_1 - 1)) * 100) >> 11));
            format!("{name} avg10={ten} avg60={sixty} avg300={hundreds} total={}\n", total.0 / 1000)
        };
        let first = resource as usize * 2;
        line("some", first) + &line("full", first + 1)
    }
}

/// One step of an exponential average (`calc_load`).
pub(super) fn calc_load(load: u64, exp: u64, active: u64) -> u64 {
    let mut new = load * exp + active * (FIXED_1 - exp);
    if active >= load {
        new += FIXED_1 - 1;
    }
    new / FIXED_1
}

/// x to the power of n, in fixed point (`fixed_power_int`).
pub(super) fn fixed_power(x: u64, n: u64) -> u64 {
    let (mut x, mut n, mut result) = (x, n, FIXED_1);
    loop {
        if n & 1 == 1 {
            result = (result * x + FIXED_1 / 2) / FIXED_1;
        }
        n >>= 1;
        if n == 0 {
            return result;
        }
        x = (x * x + FIXED_1 / 2) / FIXED_1;
    }
}

impl World {
    /// The groups of the default hierarchy whose pressure a task in `group` adds to, apart from the machine's.
    fn psi_groups(&self, group: CgroupId) -> Vec<CgroupId> {
        let mut all = self.cgroup_ancestors(group);
        all.pop();
        all
    }

    /// A task is something else for psi from now on (`psi_task_change`).
    pub(super) fn psi_change(&mut self, task: TaskId, change: impl FnOnce(&mut PsiFlags)) {
        let now = self.local_clock();
        let t = &mut self.tasks[task];
        let (cpu, old) = (t.sched.cpu, t.sched.psi);
        change(&mut t.sched.psi);
        let new = t.sched.psi;
        if old == new {
            return;
        }
        let groups = match self.cgroups.css_sets.contains(self.tasks[task].css_set) {
            true => self.psi_groups(self.cgroup_of(task, DEFAULT_HIERARCHY)),
            false => Vec::new(),
        };
        for group in groups {
            if let Some(g) = self.cgroups.groups.get_mut(group) {
                g.psi.change(cpu, old, new, now);
            }
        }
        self.sched.psi.change(cpu, old, new, now);
    }

    /// A task has moved to another group of the default hierarchy (`cgroup_move_task`).
    pub(crate) fn psi_move(&mut self, task: TaskId, from: CgroupId, to: CgroupId) {
        let now = self.local_clock();
        let t = &self.tasks[task].sched;
        let (cpu, flags, none) = (t.cpu, t.psi, PsiFlags::default());
        for group in self.psi_groups(from) {
            if let Some(g) = self.cgroups.groups.get_mut(group) {
                g.psi.change(cpu, flags, none, now);
            }
        }
        for group in self.psi_groups(to) {
            if let Some(g) = self.cgroups.groups.get_mut(group) {
                g.psi.change(cpu, none, flags, now);
            }
        }
    }
}

impl Kernel<'_> {
    /// `task` begins to stand still for want of a resource. Processors are seen to by the scheduler.
    pub fn psi_enter(&mut self, task: TaskId, stall: Stall) {
        self.psi_change(task, |flags| match stall {
            Stall::Io => flags.iowait = true,
            Stall::Memory => flags.memstall = true,
        });
    }

    /// `task` has what it waited for.
    pub fn psi_leave(&mut self, task: TaskId, stall: Stall) {
        self.psi_change(task, |flags| match stall {
            Stall::Io => flags.iowait = false,
            Stall::Memory => flags.memstall = false,
        });
    }

    /// Whether text asks for a trigger that the kernel would set up (`psi_trigger_create`). Who has no
    /// CAP_SYS_RESOURCE (`privileged`) may only use windows of whole periods.
    ///
    /// # Errors
    /// EINVAL for text that is no trigger, a window beyond 10 s or below 0.5 s, a threshold of 0 or beyond it.
    pub fn check_psi_trigger(&self, text: &str, privileged: bool) -> Result<(), Errno> {
        let mut words = text.split_ascii_whitespace();
        if !matches!(words.next(), Some("some" | "full")) {
            return Err(Errno::EINVAL);
        }
        let mut number = || words.next().and_then(|w| w.parse::<u32>().ok()).ok_or(Errno::EINVAL);
        let (threshold, window) = (number()?, number()?);
        let shortest = if self.kernel_version() < KernelVersion::V6_18 { 500_000 } else { 1 };
        if !(shortest..=10_000_000).contains(&window) || (!privileged && window % 2_000_000 != 0) {
            return Err(Errno::EINVAL);
        }
        if threshold == 0 || threshold > window {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// Every processor, at most one task of a group on each.
pub(super) fn check(w: &World) -> Result<(), String> {
    for cpu in cpus() {
        let c = &w.sched.psi.cpus[cpu.index()];
        let on: Vec<&super::TaskSched> = w.tasks.iter().map(|(_, t)| &t.sched).filter(|s| s.cpu == cpu).collect();
        let count = |of: fn(&PsiFlags) -> bool| on.iter().filter(|s| of(&s.psi)).count() as u32;
        let counted = (count(|f| f.running), count(|f| f.iowait), count(|f| f.memstall), count(|f| f.oncpu));
        if counted != (c.running, c.iowait, c.memstall, c.oncpu) {
            return Err(format!("psi counts other tasks on processor {cpu} than there are: {counted:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: PsiFlags = PsiFlags { iowait: false, memstall: false, running: true, oncpu: true };
    const WAITS: PsiFlags = PsiFlags { iowait: false, memstall: false, running: true, oncpu: false };
    const NOTHING: PsiFlags = PsiFlags { iowait: false, memstall: false, running: false, oncpu: false };

    fn seconds(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }

    #[test]
    fn one_of_two_tasks_waits_for_the_only_processor() {
        let mut group = PsiGroup::new(seconds(0));
        group.change(CpuId(0), NOTHING, RUNS, seconds(0));
        group.change(CpuId(0), NOTHING, WAITS, seconds(0));
        let text = group.show(Resource::Cpu, false, seconds(2));
        assert_eq!(
            text,
            "some avg10=18.11 avg60=3.27 avg300=0.68 total=2000000\n\
             full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        );
    }

    #[test]
    fn a_throttled_group_is_fully_stalled_and_averages_fade() {
        let mut group = PsiGroup::new(seconds(0));
        group.change(CpuId(1), NOTHING, WAITS, seconds(0));
        group.change(CpuId(1), WAITS, NOTHING, seconds(4));
        let text = group.show(Resource::Cpu, false, seconds(4));
        assert!(text.contains("full avg10=32.9"), "{text}");
        assert!(text.ends_with("total=4000000\n"), "{text}");
        let later = group.show(Resource::Cpu, false, seconds(604));
        assert!(later.starts_with("some avg10=0.00 avg60=0.00 avg300="), "{later}");
        assert!(later.ends_with("total=4000000\n"), "{later}");
    }
}
