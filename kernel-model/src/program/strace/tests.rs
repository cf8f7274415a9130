//! Commands under strace, and their logs read again.

use crate::strace::{Verdict, replay};
use crate::testing::run;

#[test]
fn calls_and_the_exit_are_printed() {
    assert_eq!(
        run(&["strace -e trace=sethostname,uname hostname other", "hostname"]),
        "sethostname(\"other\", 5)                 = 0\n+++ exited with 0 +++\nother\n"
    );
    let text = run(&["strace -e kill sh -c 'kill -TERM $$'"]);
    assert!(text.ends_with("+++ killed by SIGTERM +++\n[exit 143]\n"), "{text}");
    assert!(text.contains("--- SIGTERM {si_signo=SIGTERM} ---\n"), "{text}");
    assert_eq!(
        run(&["strace nosuchprogram", "strace", "strace -e trace=nosuchcall true"]),
        "strace: Can't stat 'nosuchprogram': No such file or directory\n[exit 1]\n\
         strace: must have PROG [ARGS] or -p PID\nTry 'strace -h' for more information.\n[exit 1]\n\
         strace: invalid system call 'nosuchcall'\n[exit 1]\n"
    );
}

#[test]
fn a_tracee_names_its_tracer() {
    let text =
        run(&["strace -o /dev/null sh -c 'test $(grep TracerPid /proc/$$/status | cut -f2) = $PPID && echo yes'"]);
    assert_eq!(text, "yes\n");
    assert_eq!(run(&["grep TracerPid /proc/self/status"]), "TracerPid:\t0\n");
}

#[test]
fn descriptors_are_shown_with_their_files() {
    let text = run(&["strace -y -e trace=open,openat cat /etc/hostname"]);
    assert!(text.contains("</etc/hostname>\n"), "{text}");
}

#[test]
fn calls_are_counted() {
    let text = run(&["strace -c -e trace=sethostname hostname other"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "% time     seconds  usecs/call     calls    errors syscall");
    assert!(lines[2].ends_with(" 1           sethostname"), "{text}");
    assert!(lines[4].starts_with("100.00 ") && lines[4].ends_with(" total"), "{text}");
}

/// What the model prints can be read again, and it agrees with itself.
fn round_trip(script: &str) {
    let log = run(&[&format!("(strace -f -o /tmp/log {script}) > /dev/null; true"), "cat /tmp/log"]);
    let replay = replay(&log).unwrap_or_else(|e| panic!("{e}\n{log}"));
    let wrong: Vec<String> = replay
        .lines
        .iter()
        .filter(|l| matches!(l.verdict, Verdict::Differs | Verdict::Unparsed(_)))
        .map(|l| format!("{}: {:?}", l.text, l.verdict))
        .collect();
    assert!(wrong.is_empty(), "{}\nof\n{log}", wrong.join("\n"));
    assert!(replay.in_scope > 2, "{log}");
}

#[test]
fn logs_are_read_again_and_agree() {
    round_trip("hostname");
    round_trip("sh -c 'mkdir /tmp/d; touch /tmp/d/f; ls /tmp/d; rm -r /tmp/d'");
    round_trip("sh -c 'sleep 1 & wait; exit 3'");
    round_trip("unshare --uts --mount sh -c 'hostname inner; mount -t tmpfs none /mnt; true'");
}
