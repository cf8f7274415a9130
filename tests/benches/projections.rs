//! How long the views of a large world take: `cargo bench -p ringside-tests --bench projections`.
//!
//! Ten thousand processes in a thousand containers, nested three deep. Every figure stands beside what walking
//! over all tasks once takes in the same run.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use kernel_model::kernel::Trace;
use kernel_model::projection::changes::Changes;
use kernel_model::projection::mount_graph::MountGraph;
use kernel_model::projection::ns_graph::NsGraph;
use kernel_model::projection::pid_tree::PidTree;
use kernel_model::projection::pid_views::PidViews;
use kernel_model::projection::privileges::Privileges;
use kernel_model::projection::process_index::ProcessIndex;
use kernel_model::projection::through_eyes::ThroughEyes;
use kernel_model::pv_ops::NoMachine;
use kernel_model::security::capability::Cap;
use kernel_model::step::Running;
use kernel_model::syscall::{Call, Sysno};
use kernel_model::task::TaskId;
use lessons::permalink::Permalink;
use ringside_tests::large_world::{FULL, SMALL, build, session};

fn main() {
    if std::env::args().any(|a| a == "--link") {
        // What to put after the page's address to look at that world.
        println!("#s={}", Permalink { session: session(FULL), cursor: None }.to_text());
        return;
    }
    let small = !std::env::args().any(|a| a == "--bench");
    let begin = Instant::now();
    let (before, actions) = build(if small { SMALL } else { FULL });
    println!(
        "a world of {} processes and {} mounts, made by {} calls in {:?}",
        before.processes.len(),
        before.vfs.mounts.len(),
        actions.len(),
        begin.elapsed()
    );
    let mut running = Running::new(before.clone(), NoMachine);
    let last = before.tasks.ids().last().unwrap_or(TaskId(1));
    let clone = Call { nr: Sysno::CLONE, args: vec![(17 | 0x2000_0000).into()] };
    running.call_as(last, clone, &mut Trace::silent());
    let after = running.world;

    let walk = median(|| after.tasks.iter().filter(|(_, t)| !t.state.has_exited()).count());
    println!("    walking over all tasks once: {walk:?}");
    let none = BTreeSet::new();
    let report = |name: &str, took: Duration| {
        println!("{name}: {took:?}, {:.1} walks", took.as_secs_f64() / walk.as_secs_f64());
    };
    report("the index of processes, anew", median(|| ProcessIndex::of(&after)));
    let (here, there) = (ProcessIndex::of(&after), ProcessIndex::of(&before));
    let mut moved = there.clone();
    report(
        "the index of processes, forth and back",
        median(|| {
            moved.follow(&after);
            moved.follow(&before);
        }),
    );
    report("process tree", median(|| PidTree::with(&here, &before, &after, &none)));
    report("PID views", median(|| PidViews::with(&here, &before, &after)));
    report("namespaces", median(|| NsGraph::with(&here, &before, &after, &none)));
    report("mounts", median(|| MountGraph::of_step(&before, &after, &[], Some(last), &BTreeSet::new())));
    report("privileges", median(|| Privileges::of_step(&before, &after, last, Cap::SYS_ADMIN)));
    report("through its eyes", median(|| ThroughEyes::of_step(&before, &after, last)));
    report("what has changed", median(|| Changes::between(&before, &after)));
}

/// The middle one of several runs.
fn median<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..11)
        .map(|_| {
            let begin = Instant::now();
            black_box(run());
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
