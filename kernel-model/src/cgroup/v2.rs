//! The files that every group of the default hierarchy has (`cgroup_base_files`), apart from those about
//! processor time and pressure, which are in [`pressure`](super::pressure).

use super::controller::{ControllerSet, record};
use super::file::{At, CgroupFile, FileFlags, Write, kstrtoll};
use super::hierarchy::DEFAULT_HIERARCHY;
use super::migrate::Who;
use super::{CgroupId, KernelVersion};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::world::World;

/// The files.
pub const FILES: &[CgroupFile] = &[
    CgroupFile::rw("cgroup.type", show_type, Write::Text(write_type)).flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::rw("cgroup.procs", procs, Write::Text(|k, at, text| k.procs_write(at, text, Who::Process)))
        .flags(FileFlags::NS_DELEGATABLE),
    CgroupFile::rw("cgroup.threads", threads, Write::Text(|k, at, text| k.procs_write(at, text, Who::Thread)))
        .flags(FileFlags::NS_DELEGATABLE),
    CgroupFile::ro("cgroup.controllers", |w, at| Ok(line_of(w.offered_controllers(at.group)))),
    CgroupFile::rw(
        "cgroup.subtree_control",
        show_subtree_control,
        Write::Text(|k, at, text| k.subtree_control_write(at, text)),
    )
    .flags(FileFlags::NS_DELEGATABLE),
    CgroupFile::ro("cgroup.events", events).flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::rw(
        "cgroup.max.descendants",
        |w, at| Ok(limit(w.cgroup(at.group).max_descendants)),
        Write::Text(|k, at, text| {
            k.world.cgroups.groups[at.group].max_descendants = parse_limit(text)?;
            Ok(())
        }),
    ),
    CgroupFile::rw(
        "cgroup.max.depth",
        |w, at| Ok(limit(w.cgroup(at.group).max_depth)),
        Write::Text(|k, at, text| {
            k.world.cgroups.groups[at.group].max_depth = parse_limit(text)?;
            Ok(())
        }),
    ),
    CgroupFile::ro("cgroup.stat", stat),
    CgroupFile::ro("cgroup.stat.local", stat_local).flags(FileFlags::NOT_ON_ROOT).only_in(KernelVersion::V6_18),
    CgroupFile::rw("cgroup.freeze", show_freeze, Write::Text(write_freeze)).flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::wo("cgroup.kill", Write::Text(kill)).flags(FileFlags::NOT_ON_ROOT),
];

fn show_type(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", w.cgroup_type(at.group)))
}

fn write_type(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    if text.trim() == "threaded" { k.enable_threaded(at.group) } else { Err(Errno::EINVAL) }
}

/// Processes in the domain of the group: those in its threaded groups, too.
fn procs(w: &World, at: At) -> Result<String, Errno> {
    if w.is_threaded(at.group) {
        return Err(Errno::EOPNOTSUPP);
    }
    let groups = w.cgroup_subtree(at.group).into_iter().filter(|g| w.cgroup(*g).domain == at.group);
    let mut leaders: Vec<TaskId> = Vec::new();
    for task in groups.flat_map(|g| w.cgroup_tasks(g)) {
        let leader = w.processes[w.tasks[task].process].leader;
        // A leader that has exited stays in its group as long as another thread lives.
        let dead_leader_here = w.tasks[leader].state.has_exited() && w.cgroup_of(leader, DEFAULT_HIERARCHY) == at.group;
        if (task == leader || dead_leader_here) && !leaders.contains(&leader) {
            leaders.push(leader);
        }
    }
    Ok(numbers(w, at, &leaders))
}

fn threads(w: &World, at: At) -> Result<String, Errno> {
    Ok(numbers(w, at, &w.cgroup_tasks(at.group)))
}

/// The numbers as the reader sees them; 0 for who cannot be seen.
fn numbers(w: &World, at: At, tasks: &[TaskId]) -> String {
    let ns = w.pid_ns_of(at.task);
    tasks.iter().map(|task| format!("{}\n", w.pid_in(ns, *task).unwrap_or(0))).collect()
}

fn show_subtree_control(w: &World, at: At) -> Result<String, Errno> {
    Ok(line_of(w.cgroup(at.group).subtree_control))
}

/// Names in one line; nothing at all, not even the end of a line, when there are none (`cgroup_print_ss_mask`).
fn line_of(controllers: ControllerSet) -> String {
    let names = controllers.names();
    if names.is_empty() { names } else { names + "\n" }
}

fn events(w: &World, at: At) -> Result<String, Errno> {
    let g = w.cgroup(at.group);
    Ok(format!("populated {}\nfrozen {}\n", u8::from(g.is_populated()), u8::from(g.frozen)))
}

fn limit(limit: Option<u32>) -> String {
    limit.map_or_else(|| "max\n".to_owned(), |n| format!("{n}\n"))
}

/// A limit on groups: `max`, or a number of 31 bits.
fn parse_limit(text: &str) -> Result<Option<u32>, Errno> {
    let text = text.trim();
    if text == "max" {
        return Ok(None);
    }
    let n = kstrtoll(text)?;
    let n = i32::try_from(n).map_err(|_| Errno::ERANGE)?;
    // INT_MAX is what max is stored as.
    if n < 0 { Err(Errno::ERANGE) } else { Ok(Some(n as u32).filter(|n| *n != i32::MAX as u32)) }
}

/// `cgroup_stat_show`; newer kernels count groups by controller as well.
fn stat(w: &World, at: At) -> Result<String, Errno> {
    let g = w.cgroup(at.group);
    let by_controller = w.kernel_version() >= KernelVersion::V6_18;
    let controllers = if by_controller { controllers_in_stat(w) } else { ControllerSet::EMPTY };
    let mut text = format!("nr_descendants {}\n", g.nr_descendants);
    for c in controllers.iter() {
        text.push_str(&format!("nr_subsys_{} {}\n", c.name(), groups_with(w, at.group, c, false)));
    }
    text.push_str(&format!("nr_dying_descendants {}\n", g.nr_dying_descendants));
    for c in controllers.iter() {
        text.push_str(&format!("nr_dying_subsys_{} {}\n", c.name(), groups_with(w, at.group, c, true)));
    }
    Ok(text)
}

/// How long the group has been frozen, in microseconds (`cgroup_stat_local_show`).
fn stat_local(w: &World, at: At) -> Result<String, Errno> {
    let g = w.cgroup(at.group);
    let now = if w.is_freezing(at.group) { w.clock - g.freezing_since } else { Nanos(0) };
    Ok(format!("frozen_usec {}\n", (g.frozen_time + now).0 / 1000))
}

/// Those bound to the default hierarchy that can work there.
fn controllers_in_stat(w: &World) -> ControllerSet {
    let bound = w.cgroups.hierarchies[DEFAULT_HIERARCHY].controllers;
    bound.iter().filter(|c| record(*c).in_v2).fold(ControllerSet::EMPTY, |all, c| all | ControllerSet::only(c))
}

/// In how many groups from here on down a controller works, or has not been let go of though they are removed.
fn groups_with(w: &World, group: CgroupId, controller: super::controller::ControllerId, dying: bool) -> usize {
    if dying {
        let gone = w.cgroups.groups.iter().filter(|(_, g)| g.dying && !g.released && g.has_css(controller));
        return gone.filter(|(id, _)| w.is_cgroup_descendant(*id, group)).count();
    }
    w.cgroup_subtree(group).into_iter().filter(|g| w.cgroup(*g).has_css(controller)).count()
}

fn show_freeze(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", u8::from(w.cgroup(at.group).freeze)))
}

fn write_freeze(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let n = kstrtoll(text.trim())?;
    if i32::try_from(n).is_err() || !(0..=1).contains(&n) {
        return Err(Errno::ERANGE);
    }
    k.cgroup_freeze(at.group, n == 1);
    Ok(())
}

/// `cgroup_kill_write`: everybody in the subtree, not thread by thread.
fn kill(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    if kstrtoll(text.trim())? != 1 {
        return Err(Errno::ERANGE);
    }
    if k.is_threaded(at.group) {
        return Err(Errno::EOPNOTSUPP);
    }
    k.cgroup_kill(at.group);
    Ok(())
}
