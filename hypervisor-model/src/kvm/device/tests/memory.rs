//! What guests have of their host's memory: as much as they have touched, less what a balloon gives back, and not more than
//! a control group of the host allows.

use std::collections::BTreeSet;

use kernel_model::event::EventKind;
use kernel_model::syscall::{Sysno, Value};

use super::Session;

/// Kilobytes of memory that the process of a guest has.
fn resident(host: &mut Session) -> u64 {
    let text = host.line("awk '/VmRSS/ { print $2 }' /proc/$(pidof qemu-system-x86_64 | cut -d' ' -f1)/status");
    text.trim().parse().unwrap_or(0)
}

#[test]
fn a_balloon_gives_memory_back_to_the_host() {
    let mut host = Session::new();
    host.line("qemu-system-x86_64 -enable-kvm -m 64 -nographic -device virtio-balloon-pci");
    let total = |shown: &str| shown.contains("MemTotal:          65536 kB");
    assert!(total(&host.line("grep MemTotal /proc/meminfo")));
    assert!(host.line("\u{1}c").starts_with("QEMU 7.2.19 monitor"));
    assert!(host.line("info balloon").contains("balloon: actual=64\n"));
    host.line("balloon 40");
    assert!(host.line("info balloon").contains("balloon: actual=40\n"));
    assert!(host.line("balloon").contains("unexpected end of expression\nTry \"help balloon\""));
    host.line("\u{1}c");
    let shown = host.line("grep MemTotal /proc/meminfo");
    assert!(shown.contains("MemTotal:          40960 kB"), "{shown}");
    host.line("\u{1}c");
    host.line("balloon 64");
    host.line("\u{1}c");
    assert!(total(&host.line("grep MemTotal /proc/meminfo")));
    host.line("\u{1}x");
    host.line("qemu-system-x86_64 -enable-kvm -m 64 -nographic");
    host.line("\u{1}c");
    assert!(host.line("info balloon").contains("Error: No balloon device has been activated\n"));
}

#[test]
fn guests_are_processes_that_control_groups_limit() {
    let mut host = Session::new();
    host.line("cd /sys/fs/cgroup/memory && mkdir one two && cd");
    let start = |group: &str| {
        format!(
            "(echo 0 > /sys/fs/cgroup/memory/{group}/cgroup.procs; exec qemu-system-x86_64 -enable-kvm -m 64 -nographic < /dev/null \
             > /tmp/{group}) &"
        )
    };
    host.line(&start("one"));
    host.line(&start("two"));
    host.line("sleep 2");
    assert_eq!(host.line("pidof qemu-system-x86_64 | wc -w"), "2\n");
    assert!(resident(&mut host) > 1000);
    // What a guest has touched is charged to the group of its process.
    let usage = |host: &mut Session, group: &str| -> u64 {
        host.line(&format!("cat /sys/fs/cgroup/memory/{group}/memory.usage_in_bytes")).trim().parse().unwrap_or(0)
    };
    let charged = [usage(&mut host, "one"), usage(&mut host, "two")];
    assert!(charged[0] > 1 << 17 && charged[0] == charged[1], "{charged:?}");
    // A group that is too small for a guest kills its process, and nobody else's.
    host.line("kill %1 %2; wait; mkdir /sys/fs/cgroup/memory/small; echo 128K > /sys/fs/cgroup/memory/small/memory.limit_in_bytes");
    host.line(&start("two"));
    host.line(&start("small"));
    host.line("sleep 2");
    assert_eq!(host.line("pidof qemu-system-x86_64 | wc -w"), "1\n");
    assert_eq!(host.line("cat /sys/fs/cgroup/memory/small/memory.oom_control | grep oom_kill' '"), "oom_kill 1\n");
}

/// Ranges of memory that processes gave back in the last line: where, and how many bytes.
fn given_back(host: &Session) -> Vec<(i64, i64)> {
    let int = |value: Option<&Value>| value.and_then(Value::as_int).unwrap_or(0);
    let calls = host.events.iter().filter_map(|event| match &event.kind {
        EventKind::CallEntered { call } if call.nr == Sysno::MADVISE => Some(&call.args),
        _ => None,
    });
    calls.map(|args| (int(args.first()), int(args.get(1)))).collect()
}

#[test]
fn a_large_balloon_names_each_page_once() {
    let mut host = Session::new();
    host.line("qemu-system-x86_64 -enable-kvm -m 512 -nographic -device virtio-balloon-pci");
    host.line("\u{1}c");
    host.line("balloon 100");
    let given = given_back(&host);
    let places: BTreeSet<i64> = given.iter().map(|(at, _)| *at).collect();
    let pages: i64 = given.iter().map(|(_, bytes)| bytes / 4096).sum();
    assert_eq!((pages, places.len()), (412 << 8, given.len()));
    assert!(host.line("info balloon").contains("balloon: actual=100\n"));
}
