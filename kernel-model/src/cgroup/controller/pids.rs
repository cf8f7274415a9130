//! The pids controller: how many tasks a group and all below it may have, as in `kernel/cgroup/pids.c`. Who is
//! counted are all that have a number: a zombie is, until its status is collected. Moving a task in never fails,
//! only birth does.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId, Usage};
use crate::cgroup::event::CgroupEvent;
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write, kstrtoll};
use crate::cgroup::hierarchy::DEFAULT_HIERARCHY;
use crate::cgroup::migrate::Migration;
use crate::cgroup::{CgroupId, KernelVersion, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

/// The most tasks that a 64-bit kernel can number (`PID_MAX_LIMIT`); a limit above is none.
const PID_MAX_LIMIT: i64 = 4 << 20;

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PidsCgroup {
    /// Tasks here and below.
    pub current: u64,
    /// `pids.max`; `None` for max.
    pub max: Option<u64>,
    /// The most that there ever were.
    pub peak: u64,
    /// Forks refused to members of this group (`PIDCG_FORKFAIL`).
    pub fork_failures: u64,
    /// Forks refused because of the limit of this group (`PIDCG_MAX`, 6.12 and later).
    pub limit_hits: u64,
    /// The same, here and below.
    pub limit_hits_below: u64,
}

/// The controller.
pub static PIDS: Controller = Controller {
    threaded: true,
    v1_files: &[MAX, CURRENT, EVENTS, PEAK],
    v2_files: &[MAX, CURRENT, PEAK, EVENTS, EVENTS_LOCAL],
    css_alloc: |w, group| w.cgroups.groups[group].css.pids = Some(PidsCgroup::default()),
    can_attach,
    cancel_attach,
    can_fork,
    cancel_fork: |k, group| charge(k, group, -1),
    release: |k, _, group| charge(k, group, -1),
    usage: |w, group| {
        let p = pids(w, group).filter(|_| w.cgroup(group).parent.is_some());
        p.map(|p| Usage { name: "pids.current", used: p.current, limit: p.max }).into_iter().collect()
    },
    ..Controller::new(ControllerId::Pids, "pids")
};

const MAX: CgroupFile = CgroupFile::rw("pids.max", show_max, Write::Text(write_max)).flags(FileFlags::NOT_ON_ROOT);
const CURRENT: CgroupFile =
    CgroupFile::ro("pids.current", |w, at| Ok(number(w, at, |p| p.current))).flags(FileFlags::NOT_ON_ROOT);
const PEAK: CgroupFile =
    CgroupFile::ro("pids.peak", |w, at| Ok(number(w, at, |p| p.peak))).flags(FileFlags::NOT_ON_ROOT);
const EVENTS: CgroupFile = CgroupFile::ro("pids.events", events).flags(FileFlags::NOT_ON_ROOT);
const EVENTS_LOCAL: CgroupFile =
    CgroupFile::ro("pids.events.local", events_local).flags(FileFlags::NOT_ON_ROOT).only_in(KernelVersion::V6_18);

fn pids(w: &World, group: CgroupId) -> Option<&PidsCgroup> {
    w.cgroups.groups.get(group)?.css.pids.as_ref()
}

fn number(w: &World, at: At, of: impl Fn(&PidsCgroup) -> u64) -> String {
    format!("{}\n", pids(w, at.group).map_or(0, of))
}

fn show_max(w: &World, at: At) -> Result<String, Errno> {
    let max = pids(w, at.group).and_then(|p| p.max);
    Ok(max.map_or_else(|| "max\n".to_owned(), |n| format!("{n}\n")))
}

fn write_max(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let text = text.trim();
    let max = if text == "max" {
        None
    } else {
        let n = kstrtoll(text)?;
        if !(0..=PID_MAX_LIMIT).contains(&n) {
            return Err(Errno::EINVAL);
        }
        Some(n as u64)
    };
    if let Some(p) = &mut k.world.cgroups.groups[at.group].css.pids {
        p.max = max;
    }
    Ok(())
}

/// Version 1, and older kernels, count where forks failed; newer ones whose limit it was, up the tree.
fn counts_failures(w: &World) -> bool {
    let hierarchy = w.hierarchy_of(ControllerId::Pids);
    w.kernel_version() < KernelVersion::V6_18
        || w.cgroups.hierarchies[hierarchy].version == Version::V1
        || w.cgroups.hierarchies[DEFAULT_HIERARCHY].has_flag("pids_localevents")
}

fn events(w: &World, at: At) -> Result<String, Errno> {
    let by_failure = counts_failures(w);
    let count = |p: &PidsCgroup| if by_failure { p.fork_failures } else { p.limit_hits_below };
    Ok(format!("max {}", number(w, at, count)))
}

fn events_local(w: &World, at: At) -> Result<String, Errno> {
    let by_failure = counts_failures(w);
    let count = |p: &PidsCgroup| if by_failure { p.fork_failures } else { p.limit_hits };
    Ok(format!("max {}", number(w, at, count)))
}

/// The groups that count a task of `group`: all at and above it but the root.
fn counting(w: &World, group: CgroupId) -> Vec<CgroupId> {
    let mut groups = w.css_ancestors(group, ControllerId::Pids);
    groups.pop();
    groups
}

fn charge(k: &mut Kernel<'_>, group: CgroupId, change: i64) {
    for g in counting(k.world, group) {
        if let Some(p) = &mut k.world.cgroups.groups[g].css.pids {
            p.current = p.current.saturating_add_signed(change);
            p.peak = p.peak.max(p.current);
        }
    }
}

/// Never refuses; the new group counts before the old one stops to.
fn can_attach(k: &mut Kernel<'_>, migration: &Migration) -> Result<(), Errno> {
    for moving in &migration.tasks {
        charge(k, moving.to, 1);
        charge(k, moving.from, -1);
    }
    Ok(())
}

fn cancel_attach(k: &mut Kernel<'_>, migration: &Migration) {
    for moving in &migration.tasks {
        charge(k, moving.from, 1);
        charge(k, moving.to, -1);
    }
}

/// `pids_try_charge`: from below, until a limit is passed.
fn can_fork(k: &mut Kernel<'_>, _parent: TaskId, group: CgroupId) -> Result<(), Errno> {
    let groups = counting(k.world, group);
    for (at, g) in groups.iter().enumerate() {
        let Some(p) = &mut k.world.cgroups.groups[*g].css.pids else { continue };
        p.current += 1;
        match p.max {
            Some(max) if p.current > max => {
                let current = p.current - 1;
                for counted in &groups[..=at] {
                    if let Some(p) = &mut k.world.cgroups.groups[*counted].css.pids {
                        p.current -= 1;
                    }
                }
                refused(k, group, *g, &groups[at..]);
                k.emit(EventKind::Cgroup(CgroupEvent::PidsLimitHit { group: *g, limit: max, current }));
                k.wake_all(crate::task::sched::Wait::CgroupEvents);
                return Err(Errno::EAGAIN);
            }
            _ => p.peak = p.peak.max(p.current),
        }
    }
    Ok(())
}

/// `pids_event`: a fork in `forking` failed at the limit of `over`; `above` are that group and those above it.
fn refused(k: &mut Kernel<'_>, forking: CgroupId, over: CgroupId, above: &[CgroupId]) {
    if let Some(p) = &mut k.world.cgroups.groups[forking].css.pids {
        p.fork_failures += 1;
    }
    if counts_failures(k.world) {
        return;
    }
    if let Some(p) = &mut k.world.cgroups.groups[over].css.pids {
        p.limit_hits += 1;
    }
    for g in above {
        if let Some(p) = &mut k.world.cgroups.groups[*g].css.pids {
            p.limit_hits_below += 1;
        }
    }
}
