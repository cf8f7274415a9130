//! Projections of sessions: what was typed, and what the text twins of the views say then.

use std::collections::BTreeSet;

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::Event;
use kernel_model::projection::mount_graph::MountGraph;
use kernel_model::projection::ns_graph::NsGraph;
use kernel_model::projection::privileges::Privileges;
use kernel_model::projection::through_eyes::ThroughEyes;
use kernel_model::pv_ops::NoMachine;
use kernel_model::security::capability::Cap;
use kernel_model::task::TaskId;
use kernel_model::timeline::Timeline;
use kernel_model::world::{Config, World};

/// The world before and after the last of these lines, and the events of that line.
fn after(lines: &[&str]) -> (World, World, Vec<Event>) {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    let mut before = timeline.head().clone();
    let mut from = 0;
    for line in lines {
        before = timeline.head().clone();
        from = timeline.len();
        timeline.act(Action::Line { console: ConsoleId(1), text: (*line).to_owned() });
        assert!(timeline.run(100_000), "{line} does not come to rest");
    }
    let events = timeline.events_in(from, (timeline.len() - from) as usize);
    (before, timeline.head().clone(), events)
}

fn task_named(world: &World, comm: &str) -> TaskId {
    world.tasks.iter().filter(|(_, t)| t.comm == comm).map(|(id, _)| id).next_back().expect("such a task")
}

fn line<'t>(text: &'t str, part: &str) -> &'t str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part} in\n{text}"))
}

#[test]
fn processes_in_the_same_namespaces_share_a_row() {
    let (_, world, _) = after(&["sleep 1000 &"]);
    let graph = NsGraph::of(&world);
    assert_eq!(graph.rows.len(), 1);
    assert!(graph.rows[0].label.starts_with("init 1, sh 30000, sleep 300"), "{}", graph.text());
    assert!(graph.boxes.iter().all(|b| b.runs == [(0, 0)]));
}

#[test]
fn a_container_has_a_row_with_new_boxes_of_its_own() {
    let (before, world, _) = after(&["unshare --user --map-root-user --pid --fork --uts sleep 1000 &"]);
    let graph = NsGraph::of_step(&before, &world, &BTreeSet::new());
    let text = graph.text();
    let sleep = line(&text, "sleep 300");
    assert!(sleep.starts_with('●') && sleep.contains("U2") && sleep.contains("P2") && sleep.contains("u2"), "{text}");
    let uts = graph.boxes.iter().find(|b| b.short() == "U2").expect("the new box");
    assert_eq!(uts.owner.0, 2, "{text}");
    assert_eq!(graph.owners.len(), 2);
    assert_eq!(graph.owners[1].parent, Some(0));
}

#[test]
fn what_alone_keeps_a_namespace_alive_is_named() {
    let lines = ["mkdir /run/netns; touch /run/netns/red", "unshare --net=/run/netns/red true"];
    let (before, world, _) = after(&lines);
    let text = NsGraph::of_step(&before, &world, &BTreeSet::new()).text();
    let net = line(&text, "N2: ");
    assert!(net.contains("bind mount on /run/netns/red. When bind mount on /run/netns/red goes, it goes"), "{text}");
}

#[test]
fn an_open_descriptor_keeps_a_namespace_alive() {
    let (_, world, _) = after(&["unshare --uts sleep 1000 & sleep 1", "exec 7</proc/$!/ns/uts; kill $!; wait"]);
    let text = NsGraph::of(&world).text();
    let uts = line(&text, "U2: ");
    assert!(uts.contains("kept alive by descriptor 7 of sh 30000"), "{text}");
    assert!(uts.contains("When descriptor 7 of sh 30000 goes, it goes"), "{text}");
}

#[test]
fn a_mount_travels_along_the_thread_of_its_peer_group() {
    let lines =
        ["mkdir /mnt/x", "unshare --mount --propagation unchanged sleep 1000 & sleep 1", "mount -t tmpfs t /mnt/x"];
    let (before, world, events) = after(&lines);
    let graph = MountGraph::of_step(&before, &world, &events, None, &BTreeSet::new());
    assert_eq!(graph.columns.len(), 2);
    assert_eq!(graph.travels.len(), 1, "{}", graph.text());
    let (from, to) = graph.travels[0];
    let (from, to) = (&graph.cells[from], &graph.cells[to]);
    assert_eq!((from.row, from.shared), (to.row, to.shared));
    assert_ne!(from.column, to.column);
    assert!(graph.text().contains("/mnt/x of M1 → /mnt/x of M2"), "{}", graph.text());
}

#[test]
fn a_slave_hangs_on_its_masters_group() {
    let lines = ["mkdir /mnt/x", "unshare --mount --propagation slave sleep 1000 & sleep 1", "mount -t tmpfs t /mnt/x"];
    let (before, world, events) = after(&lines);
    let graph = MountGraph::of_step(&before, &world, &events, None, &BTreeSet::new());
    let text = graph.text();
    assert!(text.contains("/mnt/x: ") && text.contains("slave of "), "{text}");
    assert!(graph.groups.iter().any(|g| !g.slaves.is_empty()));
}

#[test]
fn the_sets_of_root_are_full_and_a_container_root_has_no_say_outside() {
    let (before, world, _) = after(&["unshare --user --map-root-user sleep 1000 &"]);
    let sleep = task_named(&world, "sleep");
    let privileges = Privileges::of_step(&before, &world, sleep, Cap::SYS_ADMIN);
    let text = privileges.text();
    assert!(line(&text, "effective").contains("000001ffffffffff all"), "{text}");
    assert!(!privileges.checks[0].granted && privileges.checks[1].granted, "{text}");
    assert!(privileges.checks[0].why.contains("does not lie inside its own"), "{text}");
    assert!(text.contains("u2 → u1: it is 0 → 0"), "{text}");
    let init = Privileges::of(&world, TaskId(1), Cap::SYS_ADMIN);
    assert!(init.checks.iter().all(|check| check.granted), "{}", init.text());
}

#[test]
fn ids_are_cut_where_a_map_begins_or_ends() {
    let lines = [
        "unshare --user sleep 1000 & sleep 1",
        "printf '0 1000 1\\n1 100000 65536\\n' > /tmp/map; cat /tmp/map > /proc/$!/uid_map",
    ];
    let (_, world, _) = after(&lines);
    let privileges = Privileges::of(&world, task_named(&world, "sleep"), Cap::SYS_ADMIN);
    let segments: Vec<String> = privileges.uids.segments.iter().map(|s| s.words()).collect();
    assert_eq!(segments, ["0 → 1000", "1–65536 → 100000–165535"]);
    assert!(!privileges.uids.mapped[0] && privileges.uids.mapped[1], "its own id has no image");
}

#[test]
fn a_process_names_what_is_in_its_namespaces_and_nothing_else() {
    let lines = ["unshare --pid --fork --mount-proc --uts --net sleep 1000 & sleep 1"];
    let (_, world, _) = after(&lines);
    let eyes = ThroughEyes::of(&world, task_named(&world, "sleep"));
    let text = eyes.text();
    let counts: Vec<(&str, usize)> = eyes.sections.iter().map(|s| (s.title, s.seen)).collect();
    assert!(counts.contains(&("processes", 1)) && counts.contains(&("host names", 1)), "{text}");
    assert!(line(&text, "  sleep 300").trim_start().starts_with("1 "), "{text}");
    assert!(line(&text, "  init 1").trim_start().starts_with("– "), "{text}");
    let sh = ThroughEyes::of(&world, task_named(&world, "sh"));
    assert_eq!(sh.sections[0].seen, sh.sections[0].all, "{}", sh.text());
}
