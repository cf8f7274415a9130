//! Control groups as facts.

use kernel_model::cgroup::Version;
use kernel_model::cgroup::controller::Usage;
use kernel_model::cgroup::hierarchy::{Hierarchy, HierarchyId};
use kernel_model::world::World;

use super::value::{Value, list, map, map_of, texts};

pub(super) fn groups(world: &World) -> Value {
    let trees = world.cgroup_trees().into_iter();
    list(trees.flat_map(|tree| {
        let names = names(world, tree.hierarchy, &world.cgroups.hierarchies[tree.hierarchy]);
        let version = if tree.version == Version::V1 { 1 } else { 2 };
        tree.rows.into_iter().map(move |row| {
            let number = |task| super::initial_pid_ns(world).and_then(|ns| world.pid_in(ns, task)).map_or(0, i64::from);
            let works = match tree.version {
                Version::V1 => texts(names.iter().cloned()),
                Version::V2 => texts(row.controllers.split_whitespace()),
            };
            map([
                ("path", row.path.as_str().into()),
                ("version", version.into()),
                ("controllers", works),
                ("subtree_control", texts(row.subtree_control.split_whitespace())),
                ("procs", list(world.cgroup_tasks(row.group).into_iter().map(|task| number(task).into()))),
                ("frozen", row.frozen.into()),
                ("owner", row.owner.map_or(0, |uid| i64::from(uid.0)).into()),
                ("threaded", (row.kind.is_some_and(|kind| kind.contains("thread"))).into()),
                ("used", map_of(row.usages.iter().map(|usage| (usage.name, number_of(usage.used))))),
                ("limit", map_of(row.usages.iter().filter_map(limit))),
            ])
        })
    }))
}

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
