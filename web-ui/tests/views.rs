//! Views as text of HTML: what a projection looks like is compared with what was looked at and found right.
//!
//! `UPDATE_EXPECT=1 cargo test -p web-ui` writes the files anew; the difference is to be read.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use expect_test::expect_file;
use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::machine_of;
use hypervisor_model::projection::xen::channels::Channels;
use hypervisor_model::projection::xen::frames::MachineFrames;
use hypervisor_model::projection::xen::grants::Lending;
use hypervisor_model::projection::xen::lanes::HypercallLanes;
use hypervisor_model::projection::xen::pv_table::PvTable;
use hypervisor_model::projection::xen::store::Store;
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::projection::cgroup_view::CgroupView;
use kernel_model::projection::coverage::Coverage;
use kernel_model::projection::mount_graph::MountGraph;
use kernel_model::projection::net_topology::NetTopology;
use kernel_model::projection::ns_graph::NsGraph;
use kernel_model::projection::pid_tree::PidTree;
use kernel_model::projection::pid_views::PidViews;
use kernel_model::projection::privileges::Privileges;
use kernel_model::projection::proc_views::ProcViews;
use kernel_model::projection::through_eyes::ThroughEyes;
use kernel_model::pv_ops::NoMachine;
use kernel_model::security::capability::Cap;
use kernel_model::strace::parse_call;
use kernel_model::task::TaskId;
use kernel_model::timeline::Timeline;
use kernel_model::world::{Config, World};
use web_ui::reel::Reel;
use web_ui::view::{
    cgroups, channels, coverage, hypercalls, lending, machine_frames, mounts, network, ns_graph, pid_views, privileges,
    proc_views, process_tree, pv_ops, through_eyes, xenstore,
};
use web_ui::widget::seat::Seats;
use web_ui::worlds::WORLDS;
use yew::{BaseComponent, Callback, LocalServerRenderer};

/// The world before and after these lines are typed at the first console.
fn after(lines: &[&str]) -> (World, World) {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    let mut before = timeline.head().clone();
    for line in lines {
        before = timeline.head().clone();
        timeline.act(Action::Line { console: ConsoleId(1), text: (*line).to_owned() });
        assert!(timeline.run(100_000), "{line} does not come to rest");
    }
    (before, timeline.head().clone())
}

/// Two places to stand, of which one was chosen.
fn seats(chosen: TaskId) -> Seats {
    let there = vec![(TaskId(1), "init 1".to_owned()), (chosen, "sleep".to_owned())];
    Seats { there: Rc::new(there), chosen: Some(chosen) }
}

async fn check<C>(name: &str, props: C::Properties)
where
    C: BaseComponent,
    C::Properties: 'static,
{
    let html = LocalServerRenderer::<C>::with_props(props).hydratable(false).render().await;
    let html = html.replace("><", ">\n<") + "\n";
    expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)].assert_eq(&html);
}

#[tokio::test(flavor = "current_thread")]
async fn pid_views_of_nothing() {
    let views = Rc::new(PidViews::default());
    let props = pid_views::Props { views, picked: None, dispatch: Callback::noop() };
    check::<pid_views::PidViewsView>("pid-views-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn pid_views_of_a_container() {
    let (before, now) = after(&["unshare --pid --fork sleep 1000 &"]);
    let views = Rc::new(PidViews::of_step(&before, &now));
    let props = pid_views::Props { views, picked: Some(TaskId(2)), dispatch: Callback::noop() };
    check::<pid_views::PidViewsView>("pid-views-container.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn process_tree_of_nothing() {
    let props = process_tree::Props { tree: Rc::new(PidTree::default()), picked: None, dispatch: Callback::noop() };
    check::<process_tree::ProcessTreeView>("process-tree-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn process_tree_of_a_container() {
    let (before, now) = after(&["unshare --uts --pid --fork sleep 1000 &"]);
    let tree = Rc::new(PidTree::of_step(&before, &now));
    let props = process_tree::Props { tree, picked: None, dispatch: Callback::noop() };
    check::<process_tree::ProcessTreeView>("process-tree-container.html", props).await;
}

#[test]
fn a_process_has_a_number_in_each_namespace_that_sees_it() {
    let (before, now) = after(&["unshare --pid --fork sleep 1000 &"]);
    let text = PidViews::of_step(&before, &now).text();
    let sleep = text.lines().find(|l| l.contains("sleep")).unwrap_or_default();
    assert!(sleep.starts_with('●') && sleep.trim_end().ends_with(" 1"), "{text}");
}

#[test]
fn a_call_changes_what_the_lists_of_changes_say() {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    let before = timeline.head().clone();
    let call = parse_call("sethostname(\"box\", 3)").expect("a call");
    timeline.act(Action::Syscall { task: TaskId(2), call });
    timeline.run(1000);
    let changes = kernel_model::projection::changes::Changes::between(&before, timeline.head());
    assert!(changes.text().contains("lab → box"), "{}", changes.text());
}

/// A container made by hand.
const CONTAINER: &str = "unshare --user --map-root-user --pid --fork --mount-proc --uts --net sleep 1000 &";

#[tokio::test(flavor = "current_thread")]
async fn namespaces_of_nothing() {
    let props = ns_graph::Props { graph: Rc::new(NsGraph::default()), picked: None, dispatch: Callback::noop() };
    check::<ns_graph::NsGraphView>("ns-graph-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn namespaces_of_a_container() {
    let (before, now) = after(&[CONTAINER]);
    let graph = Rc::new(NsGraph::of_step(&before, &now, &BTreeSet::new()));
    let props = ns_graph::Props { graph, picked: Some(TaskId(2)), dispatch: Callback::noop() };
    check::<ns_graph::NsGraphView>("ns-graph-container.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn mounts_of_nothing() {
    let props = mounts::Props { graph: Rc::new(MountGraph::default()), dispatch: Callback::noop() };
    check::<mounts::MountsView>("mounts-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn mounts_of_a_slave() {
    let lines = ["mkdir /mnt/x", "unshare --mount --propagation slave sleep 1000 & sleep 1", "mount -t tmpfs t /mnt/x"];
    let (before, now) = after(&lines);
    let graph = Rc::new(MountGraph::of_step(&before, &now, &[], None, &BTreeSet::new()));
    let props = mounts::Props { graph, dispatch: Callback::noop() };
    check::<mounts::MountsView>("mounts-slave.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn privileges_of_nobody() {
    let privileges = Rc::new(Privileges::default());
    let props = privileges::Props { privileges, seats: Seats::default(), dispatch: Callback::noop() };
    check::<privileges::PrivilegesView>("privileges-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn privileges_of_a_containers_root() {
    let (before, now) = after(&[CONTAINER]);
    let sleep = now.tasks.iter().find(|(_, t)| t.comm == "sleep").map(|(id, _)| id).expect("sleep");
    let privileges = Rc::new(Privileges::of_step(&before, &now, sleep, Cap::SYS_ADMIN));
    let props = privileges::Props { privileges, seats: seats(sleep), dispatch: Callback::noop() };
    check::<privileges::PrivilegesView>("privileges-container.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn nobodys_eyes() {
    let eyes = Rc::new(ThroughEyes::default());
    let props = through_eyes::Props { eyes, seats: Seats::default(), dispatch: Callback::noop() };
    check::<through_eyes::ThroughEyesView>("through-eyes-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_world_through_a_containers_eyes() {
    let (before, now) = after(&[CONTAINER]);
    let sleep = now.tasks.iter().find(|(_, t)| t.comm == "sleep").map(|(id, _)| id).expect("sleep");
    let eyes = Rc::new(ThroughEyes::of_step(&before, &now, sleep));
    let props = through_eyes::Props { eyes, seats: seats(sleep), dispatch: Callback::noop() };
    check::<through_eyes::ThroughEyesView>("through-eyes-container.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn coverage_of_two_calls() {
    let mut coverage = Coverage::of_records();
    coverage.calls.retain(|row| matches!(row.name, "sethostname" | "vhangup"));
    coverage.areas.truncate(0);
    check::<coverage::CoverageView>("coverage.html", coverage::Props { coverage: Rc::new(coverage) }).await;
}

#[tokio::test(flavor = "current_thread")]
async fn no_control_groups() {
    let props = cgroups::Props { view: Rc::default(), time: Rc::default() };
    check::<cgroups::CgroupsView>("cgroups-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_group_at_its_limit() {
    let lines = [
        "mkdir /sys/fs/cgroup/pids/box; echo 2 > /sys/fs/cgroup/pids/box/pids.max; echo $$ > /sys/fs/cgroup/pids/box/cgroup.procs",
        "sleep 1000 &",
    ];
    let (before, now) = after(&lines);
    let view = CgroupView::of_step(&before, &now);
    assert!(view.text().contains("2 of 2, at the limit"), "{}", view.text());
    let props = cgroups::Props { view: Rc::new(view), time: Rc::default() };
    check::<cgroups::CgroupsView>("cgroups-limit.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_group_that_is_throttled() {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    let text = "cd /sys/fs/cgroup/cpu; mkdir box; echo 20000 > box/cpu.cfs_quota_us; \
                sh -c 'echo $$ > box/tasks; timeout 0.3 sh -c \"while :; do :; done\"'";
    timeline.act(Action::Line { console: ConsoleId(1), text: text.to_owned() });
    assert!(timeline.run(100_000), "it does not come to rest");
    let lately = Reel::default().up_to_cursor(&mut timeline, true);
    let time = Rc::new(timeline.head().cpu_timeline(&lately));
    assert!(time.text().contains("throttled"), "{}", time.text());
    let props = cgroups::Props { view: Rc::default(), time };
    check::<cgroups::CgroupsView>("cgroups-throttled.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn proc_of_nobody() {
    let views = Rc::new(ProcViews::default());
    let props = proc_views::Props { views, task: None, seats: Seats::default(), dispatch: Callback::noop() };
    check::<proc_views::ProcViewsView>("proc-views-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn proc_of_a_container() {
    let (before, now) = after(&[
        "unshare --uts --pid --fork --mount-proc sh -c 'mount --bind /dev/null /proc/keys; sleep 1000; true' & sleep 1",
        "mount --bind /tmp /proc/$!",
    ]);
    let sleep = now.tasks.iter().filter(|(_, t)| t.comm == "sleep").map(|(id, _)| id).next_back().expect("sleep");
    let views = Rc::new(ProcViews::of_step(&before, &now, sleep));
    let props = proc_views::Props { views, task: Some(sleep), seats: seats(sleep), dispatch: Callback::noop() };
    check::<proc_views::ProcViewsView>("proc-views-container.html", props).await;
    let outside = ProcViews::of_step(&before, &now, TaskId(2));
    assert_eq!(outside.hidden.len(), 1, "{}", outside.text());
}

#[tokio::test(flavor = "current_thread")]
async fn a_network_of_nothing() {
    check::<network::NetworkView>("network-empty.html", network::Props { map: Rc::new(NetTopology::default()) }).await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_network_of_a_container() {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    let lines = [
        "unshare --net sleep 1000 & sleep 1",
        "ip link add veth0 type veth peer name eth0; ip link set eth0 netns $!; ip addr add 10.0.0.1/24 dev veth0; ip link set veth0 up",
        "nsenter --net=/proc/$!/ns/net sh -c 'ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up'",
    ];
    for line in lines {
        timeline.act(Action::Line { console: ConsoleId(1), text: line.to_owned() });
        assert!(timeline.run(100_000), "{line} does not come to rest");
    }
    let (before, from) = (timeline.head().clone(), timeline.len());
    timeline.act(Action::Line { console: ConsoleId(1), text: "ping -c 1 10.0.0.2".to_owned() });
    assert!(timeline.run(100_000), "ping does not come to rest");
    let events = timeline.events_in(from, (timeline.len() - from) as usize);
    let map = NetTopology::of_step(&before, timeline.head(), &events, None);
    assert!(map.links.len() == 1 && map.hops.iter().any(|hop| hop.arrived), "{}", map.text());
    check::<network::NetworkView>("network-container.html", network::Props { map: Rc::new(map) }).await;
}

#[tokio::test(flavor = "current_thread")]
async fn views_of_xen_where_there_is_none() {
    let (is_there, dispatch) = (false, Callback::noop());
    let props = channels::Props { channels: Rc::default(), is_there, dispatch: dispatch.clone() };
    check::<channels::ChannelsView>("channels-none.html", props).await;
    let props = lending::Props { lending: Rc::default(), is_there, dispatch: dispatch.clone() };
    check::<lending::LendingView>("grants-none.html", props).await;
    let props = xenstore::Props { store: Rc::default(), is_there, dispatch: dispatch.clone() };
    check::<xenstore::XenstoreView>("xenstore-none.html", props).await;
    let props = machine_frames::Props { frames: Rc::default(), is_there, dispatch: dispatch.clone() };
    check::<machine_frames::MachineFramesView>("machine-frames-none.html", props).await;
    let props = hypercalls::Props { lanes: Rc::default(), is_there, dispatch };
    check::<hypercalls::HypercallsView>("hypercalls-none.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_table_of_privileged_operations() {
    let mut table = PvTable::of_step(&[], Some(Platform::XenPv64));
    table.rows.truncate(4);
    check::<pv_ops::PvOpsView>("pv-ops.html", pv_ops::Props { table: Rc::new(table) }).await;
}

#[tokio::test(flavor = "current_thread")]
async fn views_of_xen_while_a_disk_works_for_a_guest() {
    let world = WORLDS.iter().find(|world| world.name == "One write on Xen").expect("it is there");
    let session = world.session();
    let mut timeline = Timeline::new(session.config, machine_of(&session.config));
    for stamped in session.actions {
        timeline.act(stamped.action);
        assert!(timeline.run(4_000_000), "it does not come to rest");
    }
    timeline.seek_step("fsync(");
    let (from, machine) = (timeline.position(), timeline.machine().clone());
    timeline.seek_step("bytes done after");
    let events = timeline.events_in(from, (timeline.position() - from) as usize);
    let (before, after) = (machine.xen().expect("Xen"), timeline.machine().xen().expect("Xen"));
    let (is_there, dispatch) = (true, Callback::noop());
    let channels = Rc::new(Channels::of_step(before, after, &events));
    let props = channels::Props { channels, is_there, dispatch: dispatch.clone() };
    check::<channels::ChannelsView>("channels-guest.html", props).await;
    let props =
        lending::Props { lending: Rc::new(Lending::of_step(before, after)), is_there, dispatch: dispatch.clone() };
    check::<lending::LendingView>("grants-guest.html", props).await;
    let props = xenstore::Props { store: Rc::new(Store::of_step(before, after)), is_there, dispatch: dispatch.clone() };
    check::<xenstore::XenstoreView>("xenstore-guest.html", props).await;
    let frames = Rc::new(MachineFrames::of_step(before, after));
    let props = machine_frames::Props { frames, is_there, dispatch: dispatch.clone() };
    check::<machine_frames::MachineFramesView>("machine-frames-guest.html", props).await;
    let calls = (&machine.counters().hypercalls, &timeline.machine().counters().hypercalls);
    let lanes = Rc::new(HypercallLanes::of_step(&events, timeline.world(), calls.0, calls.1));
    check::<hypercalls::HypercallsView>("hypercalls-guest.html", hypercalls::Props { lanes, is_there, dispatch }).await;
    let begins = timeline.action_starts().last().copied().unwrap_or(0);
    let line = timeline.events_in(begins, (timeline.len() - begins) as usize);
    let table = Rc::new(PvTable::of_step(&line, Some(Platform::XenPv64)));
    assert!(table.rows.iter().any(|row| row.used > 0), "{}", table.text());
    check::<pv_ops::PvOpsView>("pv-ops-guest.html", pv_ops::Props { table }).await;
}
