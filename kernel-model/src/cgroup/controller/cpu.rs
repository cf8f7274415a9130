//! The cpu controller: how groups share the processors, and how much of them they may use, as in
//! `kernel/sched/core.c`. Every group in which it works has a task group of the scheduler
//! ([`crate::task::sched::group`]); here are the files, with the rules of what may be written into them.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write, kstrtoull};
use crate::cgroup::migrate::Migration;
use crate::cgroup::{CgroupId, KernelVersion, Version};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::task::sched::bandwidth::CfsBandwidth;
use crate::task::sched::weight::{MAX_SHARES, NICE_0_LOAD, SCHED_PRIO_TO_WEIGHT, WEIGHT_IDLEPRIO};
use crate::task::sched::{TaskGroup, TaskGroupId};
use crate::time::Nanos;
use crate::world::World;

/// Nanoseconds in a microsecond.
const US: u64 = 1000;
/// The least quota and the shortest period (`min_bw_quota_period_us`).
const MIN_PERIOD: Nanos = Nanos::from_millis(1);
/// The longest period (`max_bw_quota_period_us`).
const MAX_PERIOD: Nanos = Nanos::SECOND;
/// The greatest quota: more would not fit when it is compared as a fraction (`max_bw_runtime_us`).
const MAX_RUNTIME: Nanos = Nanos(((1 << 44) - 1) * US);
/// How many bits after the point such a fraction has (`BW_SHIFT`).
const BW_SHIFT: u32 = 20;

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CpuCgroup {
    /// The scheduler's side of it.
    pub task_group: TaskGroupId,
    /// `cpu.rt_period_us`. Real-time tasks are not modelled.
    pub rt_period_us: u64,
}

/// The controller.
pub static CPU: Controller = Controller {
    threaded: true,
    v1_files: &[
        SHARES,
        IDLE,
        CgroupFile::rw("cpu.cfs_quota_us", show_quota, Write::S64(write_quota)),
        CgroupFile::rw("cpu.cfs_period_us", show_period, Write::U64(write_period)),
        CgroupFile::rw("cpu.cfs_burst_us", show_burst, Write::U64(write_burst)),
        CgroupFile::ro("cpu.stat", show_stat_v1),
        CgroupFile::ro("cpu.stat.local", show_stat_local).only_in(KernelVersion::V6_18),
        CgroupFile::rw("cpu.rt_runtime_us", |_, _| Ok("0\n".into()), Write::S64(write_rt_runtime)),
        CgroupFile::rw("cpu.rt_period_us", show_rt_period, Write::U64(write_rt_period)),
    ],
    v2_files: &[
        CgroupFile::rw("cpu.weight", show_weight, Write::U64(write_weight)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("cpu.weight.nice", show_weight_nice, Write::S64(write_weight_nice))
            .flags(FileFlags::NOT_ON_ROOT),
        IDLE.flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("cpu.max", show_max, Write::Text(write_max)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("cpu.max.burst", show_burst, Write::U64(write_burst)).flags(FileFlags::NOT_ON_ROOT),
    ],
    css_alloc,
    css_offline,
    attach,
    fork: |k, task| join(k, task),
    ..Controller::new(ControllerId::Cpu, "cpu")
};

const SHARES: CgroupFile = CgroupFile::rw("cpu.shares", show_shares, Write::U64(write_shares));
const IDLE: CgroupFile = CgroupFile::rw("cpu.idle", show_idle, Write::S64(write_idle));

// --- hooks ---

fn css_alloc(w: &mut World, group: CgroupId) {
    let parent = w.cgroup(group).parent.map(|parent| w.effective_css(parent, ControllerId::Cpu));
    let above = parent.and_then(|p| task_group(w, p));
    let task_group = match above {
        Some(above) => {
            let path = w.cgroup_path(group);
            w.create_task_group(above, path.into())
        }
        None => World::ROOT_TASK_GROUP,
    };
    w.cgroups.groups[group].css.cpu = Some(CpuCgroup { task_group, rt_period_us: 1_000_000 });
}

fn css_offline(k: &mut Kernel<'_>, group: CgroupId) {
    let Some(own) = task_group(k.world, group) else { return };
    let Some(above) = k.sched.groups[own].parent else { return };
    // Only who has exited is still in it.
    let left: Vec<TaskId> = k.tasks.iter().filter(|(_, t)| t.sched.group == own).map(|(id, _)| id).collect();
    for task in left {
        k.move_to_task_group(task, above);
    }
    k.world.remove_task_group(own);
}

fn attach(k: &mut Kernel<'_>, migration: &Migration) {
    for moving in &migration.tasks {
        join(k, moving.task);
    }
}

/// Puts a task into the task group of its control group.
fn join(k: &mut Kernel<'_>, task: TaskId) {
    let group = k.css_of(task, ControllerId::Cpu);
    if let Some(task_group) = task_group(k.world, group) {
        k.move_to_task_group(task, task_group);
    }
}

fn task_group(w: &World, group: CgroupId) -> Option<TaskGroupId> {
    Some(w.cgroups.groups.get(group)?.css.cpu.as_ref()?.task_group)
}

/// The task group of the file that is read or written.
fn of(w: &World, at: At) -> Result<(TaskGroupId, &TaskGroup), Errno> {
    let id = task_group(w, at.group).ok_or(Errno::ENODEV)?;
    Ok((id, w.sched.groups.get(id).ok_or(Errno::ENODEV)?))
}

// --- weights ---

/// Shares as the files count them: a group set to idle has those of an idle task.
fn tg_weight(group: &TaskGroup) -> u64 {
    if group.idle { WEIGHT_IDLEPRIO } else { group.shares }
}

fn div_round_closest(a: u64, b: u64) -> u64 {
    (a + b / 2) / b
}

fn show_shares(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", tg_weight(of(w, at)?.1)))
}

fn write_shares(k: &mut Kernel<'_>, at: At, shares: u64) -> Result<(), Errno> {
    let (id, group) = of(k.world, at)?;
    if group.parent.is_none() || group.idle {
        return Err(Errno::EINVAL);
    }
    k.set_group_shares(id, shares.min(MAX_SHARES));
    Ok(())
}

fn show_idle(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", u8::from(of(w, at)?.1.idle)))
}

fn write_idle(k: &mut Kernel<'_>, at: At, idle: i64) -> Result<(), Errno> {
    let (id, group) = of(k.world, at)?;
    if group.parent.is_none() || !(0..=1).contains(&idle) {
        return Err(Errno::EINVAL);
    }
    k.set_group_idle(id, idle == 1);
    Ok(())
}

fn show_weight(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", div_round_closest(tg_weight(of(w, at)?.1) * 100, NICE_0_LOAD)))
}

fn write_weight(k: &mut Kernel<'_>, at: At, weight: u64) -> Result<(), Errno> {
    if !(1..=10_000).contains(&weight) {
        return Err(Errno::ERANGE);
    }
    write_shares(k, at, div_round_closest(weight * NICE_0_LOAD, 100))
}

/// The nice value whose weight is nearest (`cpu_weight_nice_read_s64`).
fn show_weight_nice(w: &World, at: At) -> Result<String, Errno> {
    let weight = tg_weight(of(w, at)?.1);
    let distance = |prio: usize| SCHED_PRIO_TO_WEIGHT[prio].abs_diff(weight);
    let further = (1..SCHED_PRIO_TO_WEIGHT.len()).find(|prio| distance(*prio) >= distance(prio - 1));
    let nearest = further.unwrap_or(SCHED_PRIO_TO_WEIGHT.len()) - 1;
    Ok(format!("{}\n", nearest as i64 - 20))
}

fn write_weight_nice(k: &mut Kernel<'_>, at: At, nice: i64) -> Result<(), Errno> {
    if !(-20..=19).contains(&nice) {
        return Err(Errno::ERANGE);
    }
    write_shares(k, at, SCHED_PRIO_TO_WEIGHT[(nice + 20) as usize])
}

// --- quota and period ---

fn show_quota(w: &World, at: At) -> Result<String, Errno> {
    let quota = of(w, at)?.1.bandwidth.quota;
    Ok(quota.map_or_else(|| "-1\n".to_owned(), |q| format!("{}\n", q.0 / US)))
}

fn show_period(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", of(w, at)?.1.bandwidth.period.0 / US))
}

fn show_burst(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", of(w, at)?.1.bandwidth.burst.0 / US))
}

fn show_max(w: &World, at: At) -> Result<String, Errno> {
    let b = &of(w, at)?.1.bandwidth;
    let quota = b.quota.map_or_else(|| "max".to_owned(), |q| (q.0 / US).to_string());
    Ok(format!("{quota} {}\n", b.period.0 / US))
}

/// A time in microseconds from a file.
fn micros(us: u64) -> Result<Nanos, Errno> {
    us.checked_mul(US).map(Nanos).ok_or(Errno::EINVAL)
}

fn write_quota(k: &mut Kernel<'_>, at: At, quota: i64) -> Result<(), Errno> {
    let quota = u64::try_from(quota).ok().map(micros).transpose()?;
    let b = of(k.world, at)?.1.bandwidth.clone();
    set_bandwidth(k, at, quota, b.period, b.burst)
}

fn write_period(k: &mut Kernel<'_>, at: At, period: u64) -> Result<(), Errno> {
    let b = of(k.world, at)?.1.bandwidth.clone();
    set_bandwidth(k, at, b.quota, micros(period)?, b.burst)
}

fn write_burst(k: &mut Kernel<'_>, at: At, burst: u64) -> Result<(), Errno> {
    let b = of(k.world, at)?.1.bandwidth.clone();
    set_bandwidth(k, at, b.quota, b.period, micros(burst)?)
}

fn write_max(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let b = of(k.world, at)?.1.bandwidth.clone();
    let (quota, period) = parse_max(text, b.period)?;
    set_bandwidth(k, at, quota, period, b.burst)
}

/// `sscanf("%20s %llu")`, as `cpu_period_quota_parse` has it: what follows the numbers does not matter, and a
/// second word that is none leaves the period.
fn parse_max(text: &str, period: Nanos) -> Result<(Option<Nanos>, Nanos), Errno> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next().ok_or(Errno::EINVAL)?;
    let first = first.get(..20).unwrap_or(first);
    let period = match words.next().and_then(leading_number) {
        Some(us) => Nanos(us.saturating_mul(US)),
        None => period,
    };
    match leading_number(first) {
        Some(us) => Ok((Some(Nanos(us.saturating_mul(US))), period)),
        None if first == "max" => Ok((None, period)),
        None => Err(Errno::EINVAL),
    }
}

/// The decimal number with which a word begins.
fn leading_number(word: &str) -> Option<u64> {
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let digits = word.get(..end).filter(|d| !d.is_empty())?;
    Some(kstrtoull(digits.trim_start_matches('0')).unwrap_or(if digits.bytes().all(|b| b == b'0') {
        0
    } else {
        u64::MAX
    }))
}

/// `tg_set_cfs_bandwidth`.
fn set_bandwidth(k: &mut Kernel<'_>, at: At, quota: Option<Nanos>, period: Nanos, burst: Nanos) -> Result<(), Errno> {
    let (id, group) = of(k.world, at)?;
    if group.parent.is_none() || quota.is_some_and(|q| q < MIN_PERIOD) || period < MIN_PERIOD {
        return Err(Errno::EINVAL);
    }
    if period > MAX_PERIOD || quota.is_some_and(|q| q > MAX_RUNTIME) {
        return Err(Errno::EINVAL);
    }
    if quota.is_some_and(|q| burst > q || burst + q > MAX_RUNTIME) {
        return Err(Errno::EINVAL);
    }
    if k.cgroup_version(at.group) == Version::V1 {
        check_schedulable(k.world, World::ROOT_TASK_GROUP, None, (id, quota, period))?;
    }
    k.set_group_bandwidth(id, quota, period, burst);
    Ok(())
}

/// A quota as a fraction of one processor (`to_ratio`).
fn ratio(quota: Nanos, period: Nanos) -> u64 {
    ((quota.0 / US) << BW_SHIFT) / (period.0 / US).max(1)
}

/// In version 1 no group may be allowed more than the one above it (`__cfs_schedulable`). `limit` is what counts
/// above `group`, `change` what is to be set where.
fn check_schedulable(
    w: &World,
    group: TaskGroupId,
    limit: Option<u64>,
    change: (TaskGroupId, Option<Nanos>, Nanos),
) -> Result<(), Errno> {
    let b: &CfsBandwidth = &w.sched.groups[group].bandwidth;
    let (quota, period) = if group == change.0 { (change.1, change.2) } else { (b.quota, b.period) };
    let own = quota.map(|q| ratio(q, period));
    if own.is_some_and(|own| limit.is_some_and(|limit| own > limit)) {
        return Err(Errno::EINVAL);
    }
    let limit = own.or(limit);
    let below = w.sched.groups.iter().filter(|(_, g)| g.parent == Some(group)).map(|(id, _)| id);
    below.into_iter().try_for_each(|child| check_schedulable(w, child, limit, change))
}

// --- counts ---

fn show_stat_v1(w: &World, at: At) -> Result<String, Errno> {
    let b = &of(w, at)?.1.bandwidth;
    Ok(format!(
        "nr_periods {}\nnr_throttled {}\nthrottled_time {}\nnr_bursts {}\nburst_time {}\n",
        b.nr_periods, b.nr_throttled, b.throttled_time.0, b.nr_bursts, b.burst_time.0
    ))
}

fn show_stat_local(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("throttled_time {}\n", of(w, at)?.1.bandwidth.throttled_time.0))
}

/// What `cpu.stat` of version 2 says when the controller works in the group (`cpu_extra_stat_show`).
pub fn extra_stat(w: &World, group: CgroupId) -> String {
    let Some(b) = task_group(w, group).and_then(|g| w.sched.groups.get(g)).map(|g| &g.bandwidth) else {
        return String::new();
    };
    format!(
        "nr_periods {}\nnr_throttled {}\nthrottled_usec {}\nnr_bursts {}\nburst_usec {}\n",
        b.nr_periods,
        b.nr_throttled,
        b.throttled_time.0 / US,
        b.nr_bursts,
        b.burst_time.0 / US
    )
}

/// What `cpu.stat.local` of version 2 says then.
pub fn local_stat(w: &World, group: CgroupId) -> String {
    let group = task_group(w, group).and_then(|g| w.sched.groups.get(g));
    group.map_or_else(String::new, |g| format!("throttled_usec {}\n", g.bandwidth.throttled_time.0 / US))
}

// --- real time: the rules, without the tasks ---

/// No group above has real-time runtime to give away, so only 0 can be set (`tg_rt_schedulable`).
fn write_rt_runtime(_: &mut Kernel<'_>, _: At, runtime: i64) -> Result<(), Errno> {
    if runtime == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn show_rt_period(w: &World, at: At) -> Result<String, Errno> {
    let period = w.cgroup(at.group).css.cpu.as_ref().map_or(0, |c| c.rt_period_us);
    Ok(format!("{period}\n"))
}

fn write_rt_period(k: &mut Kernel<'_>, at: At, period: u64) -> Result<(), Errno> {
    if period == 0 || period > u64::MAX / US {
        return Err(Errno::EINVAL);
    }
    if let Some(c) = &mut k.world.cgroups.groups[at.group].css.cpu {
        c.rt_period_us = period;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_and_period_are_read_as_sscanf_does() {
        let old = Nanos::from_millis(100);
        let parse = |text| parse_max(text, old).map(|(quota, period)| (quota.map(|q| q.0 / US), period.0 / US));
        assert_eq!(parse("20000"), Ok((Some(20_000), 100_000)));
        assert_eq!(parse("20000 50000"), Ok((Some(20_000), 50_000)));
        assert_eq!(parse("max 50000 7"), Ok((None, 50_000)));
        assert_eq!(parse("007x much"), Ok((Some(7), 100_000)));
        assert_eq!(parse("-1"), Err(Errno::EINVAL));
        assert_eq!(parse(""), Err(Errno::EINVAL));
        assert_eq!(parse("maximal"), Err(Errno::EINVAL));
    }
}
