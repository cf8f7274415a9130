//! Memory as a shell sees it: what was typed, what came out. The invariants hold after every turn.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::{Running, Turn};
use crate::world::{Config, World};

#[track_caller]
fn check(cgroup_v2: bool, script: &str, expected: &[&str]) {
    let config = Config { cgroup_v2, ..Config::default() };
    let mut running = Running::new(World::boot(config), NoMachine);
    let mut trace = Trace::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        running.inject(&Action::Line { console: ConsoleId(1), text: line.to_owned() }, &mut trace);
        for _ in 0..50_000 {
            if running.turn(&mut trace) == Turn::AtRest {
                break;
            }
            assert_eq!(running.world.check_memory(), Ok(()), "after {line}");
        }
    }
    let mut text = Vec::new();
    for event in &trace.events {
        if let EventKind::Output { bytes, .. } = &event.kind {
            text.extend_from_slice(bytes);
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter(|l| !l.contains("Killed"));
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}

#[test]
fn a_group_at_its_limit_loses_whoever_asks_for_more() {
    check(
        false,
        "cd /sys/fs/cgroup/memory; mkdir m; echo 16M > m/memory.limit_in_bytes; cat m/memory.limit_in_bytes
         sh -c 'echo $$ > m/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=8M count=1 status=noxfer'; echo $?
         sh -c 'echo $$ > m/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=64M count=1'; echo $?
         grep '^oom_kill ' m/memory.oom_control; cat m/memory.max_usage_in_bytes
         rmdir m; echo $?",
        &["16777216", "1+0 records in", "1+0 records out", "0", "137", "oom_kill 1", "16777216", "0"],
    );
}

#[test]
fn a_limit_below_what_cannot_be_reclaimed_is_refused_in_version_1() {
    check(
        false,
        "cd /sys/fs/cgroup/memory; mkdir m
         sh -c 'echo $$ > m/cgroup.procs; head -c 2M /dev/zero > /dev/shm/f'
         echo 1M > m/memory.limit_in_bytes; grep -E '^(shmem|total_shmem) ' m/memory.stat
         rm /dev/shm/f; grep '^shmem' m/memory.stat; echo 1M > m/memory.limit_in_bytes; cat m/memory.limit_in_bytes",
        &[
            "sh: line 3: echo: write error: Device or resource busy",
            "shmem 2097152",
            "total_shmem 2097152",
            "shmem 0",
            "1048576",
        ],
    );
}

#[test]
fn without_the_oom_killer_tasks_wait_for_memory() {
    check(
        false,
        "cd /sys/fs/cgroup/memory; mkdir m; echo 4M > m/memory.limit_in_bytes; echo 1 > m/memory.oom_control
         sh -c 'echo $$ > m/cgroup.procs; exec tail /dev/zero' & sleep 0.1; cat m/memory.oom_control
         grep State /proc/$!/status; echo 0 > m/memory.oom_control; wait $!; echo $?",
        &["oom_kill_disable 1", "under_oom 1", "oom_kill 0", "State:\tD (disk sleep)", "137"],
    );
}

#[test]
fn events_of_version_2_count_where_the_limit_was_and_where_the_victim_was() {
    check(
        true,
        "cd /sys/fs/cgroup; echo +memory > cgroup.subtree_control; mkdir -p p/c; echo +memory > p/cgroup.subtree_control
         echo 8M > p/memory.max; sh -c 'echo $$ > p/c/cgroup.procs; exec tail /dev/zero'; echo $?
         grep -E '^(oom|oom_kill) ' p/memory.events p/c/memory.events p/memory.events.local
         grep '^max' p/memory.events; cat p/memory.peak; echo -1 > p/memory.max; echo 1048577 > p/memory.max; cat p/memory.max",
        &[
            "137",
            "p/memory.events:oom 1",
            "p/memory.events:oom_kill 1",
            "p/c/memory.events:oom 0",
            "p/c/memory.events:oom_kill 1",
            "p/memory.events.local:oom 1",
            "p/memory.events.local:oom_kill 0",
            "max 35",
            "8388608",
            "sh: line 4: echo: write error: Invalid argument",
            "1048576",
        ],
    );
}

#[test]
fn charges_stay_with_a_removed_group_until_the_file_is_gone() {
    check(
        true,
        "cd /sys/fs/cgroup; echo +memory > cgroup.subtree_control; mkdir a
         sh -c 'echo $$ > a/cgroup.procs; head -c 1M /dev/zero > /dev/shm/f'; grep '^shmem ' a/memory.stat
         rmdir a; cat cgroup.stat; rm /dev/shm/f; cat cgroup.stat",
        &["shmem 1048576", "nr_descendants 0", "nr_dying_descendants 1", "nr_descendants 0", "nr_dying_descendants 0"],
    );
}

#[test]
fn tail_of_a_pipe_keeps_no_more_than_may_be_wanted() {
    check(
        true,
        "cd /sys/fs/cgroup; echo +memory > cgroup.subtree_control; mkdir a; echo 2M > a/memory.max
         sh -c 'echo $$ > a/cgroup.procs; seq 300000 | tail -n 2; seq 300000 | tail -c 7'; grep '^oom_kill ' a/memory.events
         cat a/cgroup.controllers a/cgroup.subtree_control",
        &["299999", "300000", "300000", "oom_kill 0", "memory"],
    );
}
