//! Guests that move from one QEMU to another while they run.

use kernel_model::event::EventKind;
use kernel_model::machine::report::Report;
use kernel_model::program::qemu::migration::event::MigrationEvent;
use kernel_model::projection::explain::explain;

use super::Session;

const Q: &str = "qemu-system-x86_64 -enable-kvm -m 64 -nographic";

const DISK: &str = "-drive file=/tmp/disk,if=virtio";

/// What the last line told of a migration.
fn told(host: &Session) -> Vec<MigrationEvent> {
    let of_interest = host.events.iter().filter_map(|event| match &event.kind {
        EventKind::Migration(event) => Some(event.clone()),
        _ => None,
    });
    of_interest.collect()
}

/// Pages that were written by each reading of KVM's log.
fn logs(host: &Session) -> Vec<u64> {
    let of_interest = host.events.iter().filter_map(|event| match &event.kind {
        EventKind::Machine(Report::Did(deed)) if deed.name == "dirty log" => deed.number("pages"),
        _ => None,
    });
    of_interest.collect()
}

/// Two hosts: the one at whose console one types, and a network namespace at the other end of a cable. A guest waits in the
/// other, one runs here; their consoles are fifos, descriptor 7 and 8.
fn two_hosts() -> Session {
    let mut host = Session::new();
    host.line(
        "ip netns add far; ip link add near type veth peer name there netns far; ip addr add 10.1.0.1/24 dev near",
    );
    host.line("ip link set near up; ip -n far addr add 10.1.0.2/24 dev there; ip -n far link set there up; mkfifo /tmp/7 /tmp/8");
    host.line("echo 'from the disk' > /tmp/disk");
    host.line(&format!(
        "ip netns exec far {Q} {DISK} -incoming tcp:10.1.0.2:4444 < /tmp/7 > /tmp/there & exec 7> /tmp/7"
    ));
    host.line(&format!("{Q} {DISK} < /tmp/8 > /tmp/here & exec 8> /tmp/8; sleep 1"));
    host
}

#[test]
fn a_guest_goes_on_where_it_was_moved_to() {
    let mut host = two_hosts();
    host.line("echo 'x=kept; hostname moved; head -n 1 /dev/vda > /tmp/file' >&8; sleep 1");
    // Meanwhile it writes.
    host.line(
        "echo 'for i in $(seq 1 800); do sleep 0.01; echo $i > /tmp/count; done &' >&8; sleep 1; printf '\\001cmigrate_set_parameter \
         max-bandwidth 2M\\nmigrate_set_parameter downtime-limit 50\\nmigrate -d tcp:10.1.0.2:4444\\n' >&8; sleep 0.5; echo info \
         migrate >&8; sleep 14; printf 'info migrate\\ninfo status\\n' >&8; sleep 1",
    );
    let told = told(&host);
    let [MigrationEvent::Began { bandwidth: 2_097_152, downtime_limit: 50, .. }, rest @ ..] = told.as_slice() else {
        panic!("{told:#?}")
    };
    let [rounds @ .., MigrationEvent::Stopped { left: stopped, .. }, arrived, completed] = rest else {
        panic!("{told:#?}")
    };
    // All pages in the first round, then those that were written in the round before: fewer and fewer, until few are left.
    let counts: Vec<(u64, u64, u64)> = rounds
        .iter()
        .filter_map(|event| match event {
            MigrationEvent::Round { sent, zero, dirtied, .. } => Some((*sent, *zero, *dirtied)),
            _ => None,
        })
        .collect();
    assert!(counts.len() >= 4, "{counts:?}");
    assert_eq!(counts[0].0 + counts[0].1, 64 << 8, "{counts:?}");
    assert!(counts[1..].iter().all(|(sent, zero, _)| *zero == 0 && 3 * sent < counts[0].0), "{counts:?}");
    assert!(counts[0].2 > 2 * counts[2].2 && counts[2].2 > 0, "{counts:?}");
    // What is left fits into the time that the guest may stand still, at the bandwidth that there is.
    assert!(*stopped * 4096 <= 2_097_152 / 20 + 4096, "{stopped}");
    let pages: u64 = counts.iter().map(|(sent, _, _)| sent).sum::<u64>() + stopped;
    let MigrationEvent::Arrived { pages: arrived, .. } = arrived else { panic!("{told:#?}") };
    assert_eq!(*arrived, pages);
    let MigrationEvent::Completed { rounds: n, downtime, total, .. } = completed else { panic!("{told:#?}") };
    assert_eq!(*n, counts.len() as u64 + 1);
    assert!(downtime.0 < 50_000_000 && total.0 > 1_000_000_000, "{downtime:?} {total:?}");
    // Each reading of the log is told by KVM as well.
    assert_eq!(logs(&host)[1], counts[0].2);
    let of_round =
        host.events.iter().find(|e| matches!(e.kind, EventKind::Migration(MigrationEvent::Round { round: 2, .. })));
    let explained = explain(of_round.expect("a second round"), &host.running.world);
    let (sent, _, dirtied) = counts[1];
    assert!(
        explained.sentence.starts_with(&format!("Round 2 is over: {sent} pages and 0 that are zero")),
        "{explained:?}"
    );
    assert!(explained.sentence.contains(&format!("the guest has written {dirtied} pages")), "{explained:?}");
    let shown = host.line("cat /tmp/here");
    assert!(shown.contains("Migration status: active\ntotal time: 500 ms\nexpected downtime: 50 ms\n"), "{shown}");
    assert!(shown.contains("Migration status: completed\n"), "{shown}");
    assert!(shown.contains(&format!("normal: {pages} pages\n")), "{shown}");
    assert!(shown.contains("VM status: paused (postmigrate)\n"), "{shown}");
    host.line("echo quit >&8; sleep 1");
    // Its shell, its variables, its files and what it was doing are there; its disk answers.
    host.line("echo 'echo $x; hostname; cat /tmp/file /tmp/count; head -n 1 /dev/vda | wc -c' >&7; sleep 2");
    let shown = host.line("cat /tmp/there");
    assert!(shown.contains("kept\nmoved\nfrom the disk\n800\n14\n"), "{shown}");
    assert_eq!(host.line("pidof qemu-system-x86_64 | wc -w"), "1\n");
}

#[test]
fn a_migration_that_is_given_up_leaves_the_guest_where_it_was() {
    let mut host = two_hosts();
    host.line("echo 'echo begun > /tmp/file' >&8; sleep 1");
    // It would take a minute.
    host.line(
        "printf '\\001cmigrate_set_parameter max-bandwidth 64K\\nmigrate -d tcp:10.1.0.2:4444\\n' >&8; sleep 0.3; printf 'info \
         status\\nmigrate tcp:10.1.0.2:5555\\nmigrate_cancel\\n' >&8; sleep 1; printf 'info migrate\\n\\001c' >&8; sleep 1",
    );
    let told = told(&host);
    assert!(matches!(told.as_slice(), [MigrationEvent::Began { .. }, MigrationEvent::GaveUp { .. }]), "{told:#?}");
    let shown = host.line("cat /tmp/here");
    assert!(shown.contains("VM status: running\n"), "{shown}");
    assert!(shown.contains("Error: There's a migration process in progress\n"), "{shown}");
    assert!(shown.contains("Migration status: cancelled\n"), "{shown}");
    // Nothing is left to be waited for there.
    assert_eq!(host.line("pidof qemu-system-x86_64 | wc -w"), "1\n");
    host.line("echo 'cat /tmp/file; echo $((40 + 2))' >&8; sleep 1");
    assert!(host.line("tail -n 3 /tmp/here").contains("begun\n42\n"));
}

#[test]
fn a_guest_is_taken_only_by_a_machine_that_is_alike() {
    let mut host = Session::new();
    let listen =
        |more: &str| format!("{Q} {more} -incoming tcp:127.0.0.1:4444 < /dev/null > /tmp/there 2> /tmp/error &");
    host.line(&listen("-m 32"));
    host.line(&format!("mkfifo /tmp/8; {Q} < /tmp/8 > /tmp/here 2>&1 & exec 8> /tmp/8; sleep 1"));
    host.line("printf '\\001cmigrate -d tcp:127.0.0.1:4444\\n' >&8; sleep 3");
    let shown = host.line("cat /tmp/error");
    assert_eq!(
        shown,
        "qemu-system-x86_64: Size mismatch: pc.ram: 0x4000000 != 0x2000000\nqemu-system-x86_64: load of migration failed: Invalid \
         argument\n"
    );
    let shown = host.line("printf 'info status\\ninfo migrate\\n' >&8; sleep 1; cat /tmp/here");
    assert!(shown.contains("qemu-system-x86_64: Unable to write to socket: Connection reset by peer\n"), "{shown}");
    assert!(shown.contains("VM status: running\n"), "{shown}");
    assert!(
        shown.contains("Migration status: failed (Unable to write to socket: Connection reset by peer)\n"),
        "{shown}"
    );
}

#[test]
fn a_stopped_guest_does_nothing_until_it_may_go_on() {
    let mut host = Session::new();
    assert_eq!(host.line(&format!("{Q} -S")), "");
    host.line("\u{1}c");
    assert!(host.line("info status").contains("VM status: paused (prelaunch)\n"));
    host.line("cont");
    assert!(host.line("info status").contains("VM status: running\n"));
    assert!(host.line("stop").ends_with("(qemu) "));
    assert!(host.line("info status").contains("VM status: paused\n"));
    host.line("\u{1}c");
    assert!(!host.line("echo $((40 + 2))").contains("42\n"));
    host.line("\u{1}c");
    assert!(host.line("c").contains("42\n"));
    host.line("\u{1}c");
    assert!(host.line("echo $((41 + 2))").contains("43\n"));
}

#[test]
fn nobody_listens() {
    let mut host = Session::new();
    host.line(Q);
    host.line("\u{1}c");
    let refused = "qemu-system-x86_64: Failed to connect to '127.0.0.1:1': Connection refused\n";
    let shown = host.line("migrate tcp:127.0.0.1:1");
    assert!(shown.contains(refused) && shown.ends_with("(qemu) "), "{shown}");
    assert!(
        host.line("info migrate")
            .contains("Migration status: failed (Failed to connect to '127.0.0.1:1': Connection refused)\n")
    );
    assert!(host.line("info status").contains("VM status: running\n"));
    assert!(host.line("migrate").contains("migrate: string expected\n"));
    assert!(host.line("migrate ftp:x").contains("Error: Parameter 'uri' expects a valid migration protocol\n"));
    assert!(host.line("cont").ends_with("(qemu) "));
    host.line("\u{1}c");
    assert!(host.line("echo $((40 + 2))").contains("42\n"));
}
