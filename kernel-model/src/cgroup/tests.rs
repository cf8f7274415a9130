//! Control groups as a shell sees them: what was typed, what came out. The invariants hold after every turn.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::{Running, Turn};
use crate::world::{Config, World};

fn run(config: Config, script: &str) -> String {
    let mut running = Running::new(World::boot(config), NoMachine);
    let mut trace = Trace::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        running.inject(&Action::Line { console: ConsoleId(1), text: line.to_owned() }, &mut trace);
        for _ in 0..20_000 {
            if running.turn(&mut trace) == Turn::AtRest {
                break;
            }
            assert_eq!(running.world.check(), Ok(()), "after {line}");
        }
    }
    let mut text = Vec::new();
    for event in &trace.events {
        if let EventKind::Output { bytes, .. } = &event.kind {
            text.extend_from_slice(bytes);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[track_caller]
fn check(script: &str, expected: &[&str]) {
    assert_eq!(run(Config::default(), script).lines().collect::<Vec<_>>(), expected);
}

#[track_caller]
fn check_v2(script: &str, expected: &[&str]) {
    let config = Config { cgroup_v2: true, ..Config::default() };
    assert_eq!(run(config, script).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_named_hierarchy_begins_with_its_mount_and_stays_while_it_has_groups() {
    check(
        "mkdir /mnt/h
         mount -t cgroup -o none,name=mine none /mnt/h
         grep mine /proc/self/cgroup | cut -d: -f2-
         mkdir /mnt/h/g && umount /mnt/h
         grep -c mine /proc/self/cgroup
         mount -t cgroup -o name=mine none /mnt/h && ls -d /mnt/h/g && rmdir /mnt/h/g && umount /mnt/h
         grep -c mine /proc/self/cgroup",
        &["name=mine:/", "1", "/mnt/h/g", "0"],
    );
}

#[test]
fn a_controller_is_on_one_hierarchy() {
    check(
        "mkdir /mnt/h
         mount -t cgroup -o pids,freezer none /mnt/h; echo $?
         mount -t cgroup -o pids none /mnt/h; echo $?
         ls -d /mnt/h/pids.max /mnt/h/cgroup.sane_behavior; umount /mnt/h
         mount -t cgroup -o net_cls,perf_event none /mnt/h; echo $?
         mkdir /mnt/h/g; echo 0x10001 > /mnt/h/g/net_cls.classid; cat /mnt/h/g/net_cls.classid",
        &[
            "mount: /mnt/h: none already mounted or mount point busy.",
            "       dmesg(1) may have more information after failed mount system call.",
            "32",
            "0",
            "ls: cannot access '/mnt/h/pids.max': No such file or directory",
            "/mnt/h/cgroup.sane_behavior",
            "0",
            "65537",
        ],
    );
}

#[test]
fn the_release_agent_is_told_of_an_empty_group() {
    check(
        "printf '#!/bin/sh\\necho \"$@\" >> /tmp/released\\nrmdir /sys/fs/cgroup/pids$1\\n' > /tmp/agent; chmod +x /tmp/agent
         echo /tmp/agent > /sys/fs/cgroup/pids/release_agent
         mkdir /sys/fs/cgroup/pids/r; echo 1 > /sys/fs/cgroup/pids/r/notify_on_release
         mkdir /sys/fs/cgroup/pids/r/s
         sh -c 'echo $$ > /sys/fs/cgroup/pids/r/s/tasks; true'
         sleep 0.1
         cat /tmp/released; ls -d /sys/fs/cgroup/pids/r",
        &[
            "/r/s",
            "/r",
            "ls: cannot access '/sys/fs/cgroup/pids/r': No such file or directory",
        ],
    );
}

#[test]
fn a_dying_group_waits_for_its_zombie() {
    check_v2(
        "cd /sys/fs/cgroup; mkdir a a/b
         (sh -c 'echo $$ > /sys/fs/cgroup/a/b/cgroup.procs' & exec sleep 0.5) &
         sleep 0.1; cat a/b/cgroup.events; rmdir a/b; cat a/cgroup.stat
         wait; cat a/cgroup.stat",
        &[
            "populated 0",
            "frozen 0",
            "nr_descendants 0",
            "nr_dying_descendants 1",
            "nr_descendants 0",
            "nr_dying_descendants 0",
        ],
    );
}

#[test]
fn threads_stay_in_their_domain() {
    check_v2(
        "cd /sys/fs/cgroup; mkdir d d/t d/u e
         echo threaded > d/t/cgroup.type; cat d/cgroup.type d/u/cgroup.type
         echo +memory > cgroup.subtree_control
         echo +memory > d/cgroup.subtree_control
         sh -c 'echo $$ > d/cgroup.procs; echo $$ > d/t/cgroup.threads; cat /proc/self/cgroup; echo $$ > e/cgroup.threads'
         cat d/t/cgroup.procs",
        &[
            "domain threaded",
            "domain invalid",
            "sh: line 4: echo: write error: Operation not supported",
            "0::/d/t",
            "sh: line 1: echo: write error: Operation not supported",
            "cat: d/t/cgroup.procs: Operation not supported",
        ],
    );
}
