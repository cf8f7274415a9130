//! What an event of control groups means: one sentence with its source; and the same in a few words.

use super::changes::name_of;
use crate::cgroup::CgroupId;
use crate::cgroup::controller::ControllerSet;
use crate::cgroup::event::CgroupEvent;
use crate::world::World;

fn path(world: &World, group: CgroupId) -> String {
    match world.cgroups.groups.get(group) {
        Some(g) => {
            let hierarchy = world.cgroups.hierarchies.get(g.hierarchy).map(|_| world.hierarchy_label(g.hierarchy));
            let label = hierarchy.filter(|l| !l.is_empty()).map_or_else(String::new, |l| format!("{l}:"));
            format!("{label}{}", world.cgroup_path(group))
        }
        None => "a removed group".to_owned(),
    }
}

fn list(set: ControllerSet) -> String {
    if set.is_empty() { "no controllers".to_owned() } else { set.names().replace(' ', ", ") }
}

/// One sentence and its source.
pub(super) fn explain(event: &CgroupEvent, who: &str, world: &World) -> (String, &'static str) {
    let at = |group: &CgroupId| path(world, *group);
    match event {
        CgroupEvent::HierarchyCreated { controllers, .. } => (
            format!("A new hierarchy begins, with {}; everybody is in its root.", list(*controllers)),
            "cgroups(7), Cgroups version 1 hierarchies and controllers; cgroup_setup_root()",
        ),
        CgroupEvent::HierarchyRemoved { controllers, .. } => (
            format!("A hierarchy without groups ends with its last mount; {} are free again.", list(*controllers)),
            "cgroups(7), Unmounting v1 controllers; cgroup_kill_sb()",
        ),
        CgroupEvent::Created { group } => {
            (format!("The group {} comes into being, and with it its files.", at(group)), "cgroups(7), cgroup_mkdir()")
        }
        CgroupEvent::Removed { path, dying: true, .. } => (
            format!("The group {path} is removed, but something still refers to it: it is dying."),
            "cgroup_destroy_locked()",
        ),
        CgroupEvent::Removed { path, .. } => (format!("The group {path} is removed."), "cgroup_destroy_locked()"),
        CgroupEvent::Released { path } => {
            (format!("Nothing refers to the removed group {path} any more."), "css_release_work_fn()")
        }
        CgroupEvent::Renamed { group, old } => {
            (format!("The group {old} is now called {}.", at(group)), "cgroup1_rename()")
        }
        CgroupEvent::Attached { task, from, to } => (
            format!("{} moves from the group {} to {}.", name_of(world, *task), at(from), at(to)),
            "cgroups(7), cgroup_migrate()",
        ),
        CgroupEvent::PopulatedChanged { group, populated } => {
            let what = if *populated { "has a member again" } else { "and all below it are empty now" };
            (format!("The group {} {what}.", at(group)), "cgroups(7), cgroup.events; cgroup_update_populated()")
        }
        CgroupEvent::ControllersChanged { group, enabled, disabled } => {
            let on = if enabled.is_empty() { String::new() } else { format!(" get {}", list(*enabled)) };
            let off = if disabled.is_empty() { String::new() } else { format!(" lose {}", list(*disabled)) };
            (
                format!("The groups in {}{on}{off}.", at(group)),
                "cgroups(7), Managing controllers; cgroup_apply_control()",
            )
        }
        CgroupEvent::BecameThreaded { group } => (
            format!("The group {} becomes threaded and belongs to the domain of the one above.", at(group)),
            "cgroups(7), Thread mode; cgroup_enable_threaded()",
        ),
        CgroupEvent::FileWritten { group, file, text } => {
            (format!("{who} writes `{text}` to {file} of the group {}.", at(group)), "cgroup_file_write()")
        }
        CgroupEvent::FrozenChanged { group, frozen: true } => {
            (format!("All tasks of the group {} stand still.", at(group)), "cgroups(7), cgroup.freeze")
        }
        CgroupEvent::FrozenChanged { group, .. } => {
            (format!("The tasks of the group {} go on.", at(group)), "cgroups(7), cgroup.freeze")
        }
        CgroupEvent::Killed { group, tasks } => {
            (format!("The {tasks} tasks in the group {} and below are killed.", at(group)), "cgroup_kill_write()")
        }
        CgroupEvent::PidsLimitHit { group, limit, current } => (
            format!("The group {} has {current} tasks and may have {limit}: fork fails with EAGAIN.", at(group)),
            "pids_can_fork()",
        ),
        CgroupEvent::DeviceDenied { group, device, access } => (
            format!("The rules of the group {} do not allow {access} of the device {device}: EPERM.", at(group)),
            "devcgroup_check_permission()",
        ),
        CgroupEvent::ReleaseAgentStarted { agent, path, .. } => (
            format!("The group {path} has become empty: the kernel starts {agent} to see to it."),
            "cgroups(7), Cgroup v1 release notification; cgroup1_release_agent()",
        ),
    }
}

/// The same in a few words.
pub(super) fn label(event: &CgroupEvent, world: &World) -> String {
    let at = |group: &CgroupId| path(world, *group);
    match event {
        CgroupEvent::HierarchyCreated { controllers, .. } => format!("hierarchy with {} made", list(*controllers)),
        CgroupEvent::HierarchyRemoved { controllers, .. } => format!("hierarchy with {} ended", list(*controllers)),
        CgroupEvent::Created { group } => format!("group {} made", at(group)),
        CgroupEvent::Removed { path, .. } => format!("group {path} removed"),
        CgroupEvent::Released { path } => format!("group {path} let go"),
        CgroupEvent::Renamed { group, old } => format!("group {old} → {}", at(group)),
        CgroupEvent::Attached { task, to, .. } => format!("{} into {}", name_of(world, *task), at(to)),
        CgroupEvent::PopulatedChanged { group, populated: true } => format!("{} populated", at(group)),
        CgroupEvent::PopulatedChanged { group, .. } => format!("{} empty", at(group)),
        CgroupEvent::ControllersChanged { group, enabled, disabled } => {
            let sign =
                |set: &ControllerSet, sign| set.iter().map(|c| format!("{sign}{} ", c.name())).collect::<String>();
            format!("{}{}in {}", sign(enabled, '+'), sign(disabled, '-'), at(group))
        }
        CgroupEvent::BecameThreaded { group } => format!("{} threaded", at(group)),
        CgroupEvent::FileWritten { file, text, .. } => format!("{file}: {text}"),
        CgroupEvent::FrozenChanged { group, frozen: true } => format!("{} frozen", at(group)),
        CgroupEvent::FrozenChanged { group, .. } => format!("{} thawed", at(group)),
        CgroupEvent::Killed { group, tasks } => format!("{tasks} tasks of {} killed", at(group)),
        CgroupEvent::PidsLimitHit { group, limit, .. } => format!("pids.max {limit} of {} hit", at(group)),
        CgroupEvent::DeviceDenied { device, access, .. } => format!("{device} {access} denied"),
        CgroupEvent::ReleaseAgentStarted { agent, path, .. } => format!("{agent} {path}"),
    }
}
