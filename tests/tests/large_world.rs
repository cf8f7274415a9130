//! Ten thousand processes in a thousand containers: every view stays small enough to be read. How fast they are
//! made is measured by `cargo bench`.

use kernel_model::projection::mount_graph::MountGraph;
use kernel_model::projection::ns_graph::NsGraph;
use kernel_model::projection::pid_tree::PidTree;
use kernel_model::projection::pid_views::PidViews;
use kernel_model::projection::through_eyes::ThroughEyes;
use kernel_model::task::TaskId;
use ringside_tests::large_world::{SMALL, build};
use std::collections::BTreeSet;

#[test]
fn containers_that_are_alike_are_folded_and_can_be_unfolded() {
    let (world, _) = build(SMALL);
    assert_eq!(world.processes.len(), 2 + 3 * (6 + 36 + 216));
    let tree = PidTree::of(&world);
    assert!(tree.rows.len() < 60, "{}", tree.text());
    let folded = tree.rows.iter().find(|row| row.folded > 0).expect("a folded row");
    let unfolded = PidTree::unfolded(&world, &world, &BTreeSet::from([folded.task]));
    assert!(unfolded.rows.len() > tree.rows.len());
    assert!(tree.text().contains("more like this"), "{}", tree.text());
}

#[test]
fn every_view_of_a_large_world_is_a_summary() {
    let (world, _) = build(SMALL);
    let containers = 6 + 36 + 216;
    let graph = NsGraph::of(&world);
    assert!(graph.rows.len() < 24 && graph.left_out > containers, "{}", graph.text());
    assert!(graph.text().contains("more like this"), "{}", graph.text());
    let pids = PidViews::of(&world);
    assert!(pids.columns.len() <= 12 && pids.columns_left_out > 0, "{}", pids.text());
    let mounts = MountGraph::of(&world);
    assert_eq!(mounts.columns.len() + mounts.columns_left_out, containers + 1);
    assert!(mounts.columns.len() <= 6 && mounts.rows.len() < 60, "{}", mounts.text());
    let eyes = ThroughEyes::of(&world, TaskId(1));
    assert!(eyes.sections.iter().all(|section| section.things.len() <= 54), "{}", eyes.text());
}

#[test]
fn what_a_step_touches_is_never_folded() {
    let (before, _) = build(SMALL);
    let mut after = before.clone();
    let last = after.tasks.ids().last().expect("a task");
    after.tasks[last].comm = "changed".to_owned();
    let tree = PidTree::of_step(&before, &after);
    assert!(tree.text().contains("changed") || tree.rows.iter().any(|row| row.task == last), "{}", tree.text());
    assert!(PidViews::of_step(&before, &after).rows.iter().any(|row| row.task == last));
}
