//! Control groups as facts.

use kernel_model::cgroup::controller::Usage;
use kernel_model::cgroup::hierarchy::{Hierarchy, HierarchyId};
use kernel_model::cgroup::{CgroupId, Version};
use kernel_model::world::World;

use super::record::{Field, Record};
use super::value::{Value, list, map_of, texts};

pub(super) fn groups(world: &World) -> impl Iterator<Item = Record<'_, CgroupId>> {
    let hierarchies = world.cgroups.hierarchies.iter();
    let all = hierarchies.flat_map(|(_, hierarchy)| world.cgroup_subtree(hierarchy.root));
    all.map(|thing| Record { world, thing, fields: FIELDS })
}

/// What can be asked of a control group.
const FIELDS: &[Field<CgroupId>] = &[
    ("path", |world, group| world.cgroup_path(group).into()),
    ("version", |world, group| if world.cgroup_version(group) == Version::V1 { 1 } else { 2 }.into()),
    ("controllers", |world, group| match world.cgroup_version(group) {
        Version::V1 => {
            let id = world.cgroup(group).hierarchy;
            texts(names(world, id, &world.cgroups.hierarchies[id]))
        }
        Version::V2 => texts(world.offered_controllers(group).iter().map(|controller| controller.name())),
    }),
    ("subtree_control", |world, group| match world.cgroup_version(group) {
        Version::V1 => list(std::iter::empty()),
        Version::V2 => texts(world.cgroup(group).subtree_control.iter().map(|controller| controller.name())),
    }),
    ("procs", |world, group| {
        let number = |task| super::initial_pid_ns(world).and_then(|ns| world.pid_in(ns, task)).map_or(0, i64::from);
        list(world.cgroup_tasks(group).into_iter().map(|task| number(task).into()))
    }),
    ("frozen", |world, group| world.cgroup_is_frozen(group).into()),
    ("owner", |world, group| i64::from(world.cgroup(group).made_by.0.0).into()),
    ("threaded", |world, group| {
        (world.cgroup_version(group) == Version::V2 && world.cgroup_type(group).contains("thread")).into()
    }),
    ("used", |world, group| map_of(world.cgroup_usages(group).iter().map(|usage| (usage.name, number_of(usage.used))))),
    ("limit", |world, group| map_of(world.cgroup_usages(group).iter().filter_map(limit))),
];

fn limit(usage: &Usage) -> Option<(&'static str, Value)> {
    Some((usage.name, number_of(usage.limit?)))
}

fn number_of(n: u64) -> Value {
    i64::try_from(n).unwrap_or(i64::MAX).into()
}

/// What a hierarchy is called in checks: its controllers and its name, or `unified`.
pub(super) fn names(world: &World, id: HierarchyId, hierarchy: &Hierarchy) -> Vec<String> {
    match hierarchy.version {
        Version::V2 => vec!["unified".to_owned()],
        Version::V1 => world.hierarchy_label(id).split(',').map(str::to_owned).collect(),
    }
}
