//! What a guest asks of Xen for known work, beside what xentrace recorded of a real guest (`tests/xen/pv-hypercalls.json`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use hypervisor_model::machine::counters::Counters;
use hypervisor_model::xen::domain::DomId;
use serde_json::Value;

use super::session::{GUEST, Session, must_be_kept};

/// What is compared: the name, and why the model counts otherwise where it differs by more than a quarter.
const KINDS: [(&str, Option<&str>); 10] = [
    (
        "iret",
        Some(
            "one for each fault, system call and upcall. The recorded program and its shell make some 20 system calls more: \
             those with which a C library starts. The recording has ticks in it, too",
        ),
    ),
    ("page_fault", None),
    (
        "ptwr",
        Some(
            "one for each page of the parent that fork(2) makes read-only: the model's shell has more of them than busybox's",
        ),
    ),
    (
        "mmu_update",
        Some("16 for a fault in a file, one for any other: of the recorded program's faults more are in its file"),
    ),
    ("update_va_mapping", None),
    ("mmuext_op", None),
    ("multicall", Some("pins and unpins go in parts of up to 32: the recorded address spaces have fewer tables")),
    (
        "stack_switch",
        Some(
            "one for each switch of task. The recording has those to threads of the kernel in it, at ticks and after exits",
        ),
    ),
    ("set_segment_base", Some("two for each switch of task, and the start of a C library")),
    ("vcpu_op", Some("one for each tick at which the guest was idle, in the seconds of the recording")),
];

fn recorded(part: &str) -> BTreeMap<String, f64> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("xen/pv-hypercalls.json");
    let text = fs::read_to_string(file).expect("it is there");
    let all: Value = serde_json::from_str(&text).expect("it is JSON");
    let mut sums = BTreeMap::new();
    for (name, count) in all[part].as_object().expect("there is such a part") {
        let (kind, count) = (name.split(' ').next().unwrap_or_default(), count.as_f64().unwrap_or(0.0));
        *sums.entry(kind.to_owned()).or_insert(0.0) += count;
    }
    sums
}

/// What a guest has counted until now.
fn counters(session: &Session) -> Counters {
    session.running.machine.counters_of(DomId(1)).expect("it runs").clone()
}

/// What one more of a job costs: the difference between a few and many.
fn one_more(session: &mut Session, job: impl Fn(u32) -> String, few: u32, many: u32) -> BTreeMap<&'static str, f64> {
    let mut counted = Vec::new();
    for times in [few, many] {
        let before = counters(session);
        session.guest_line(&job(times));
        counted.push(counters(session).since(&before));
    }
    let of = |counters: &Counters, name: &str| {
        let all = counters.hypercalls.get(name).or_else(|| counters.traps.get(name));
        all.copied().unwrap_or(0) as f64
    };
    let difference = |name| (of(&counted[1], name) - of(&counted[0], name)) / f64::from(many - few);
    KINDS.iter().map(|(name, _)| (*name, difference(name))).collect()
}

fn guest() -> Session {
    let mut session = Session::with_guest(GUEST);
    session.line("xl console guest1");
    session
}

#[test]
fn one_system_call_is_one_iret() {
    let mut session = guest();
    let job = |times| format!("dd if=/dev/zero of=/dev/null bs=1 count={times} status=none");
    let counted = one_more(&mut session, job, 100, 300);
    // A block is a read and a write, as in the recording, which counted them so.
    // What interrupts the loop makes a call more or less.
    assert!((counted["iret"] / 2.0 - 1.0).abs() < 0.01, "{counted:?}");
    assert!((recorded("per_system_call")["iret"] - 1.0).abs() < 0.02);
}

#[test]
fn fork_exec_exit_and_wait_cost_what_was_recorded_for_a_program_of_that_size() {
    let mut session = guest();
    let job = |times| format!("i=0; while [ $i -lt {times} ]; do /bin/busybox true; i=$((i+1)); done");
    let counted = one_more(&mut session, job, 5, 15);
    let recorded = recorded("per_fork_exec_exit_wait");
    let mut table = format!("{:<18} {:>9} {:>9} {:>8}\n", "per process", "recorded", "model", "differs");
    for (kind, why) in KINDS {
        let (theirs, ours) = (recorded.get(kind).copied().unwrap_or(0.0), counted[kind]);
        let percent = (100.0 * (ours - theirs) / theirs.max(1.0)).round();
        let _ = writeln!(table, "{kind:<18} {theirs:>9.1} {ours:>9.1} {percent:>+7.0}%  {}", why.unwrap_or_default());
        assert_eq!(percent.abs() > 25.0, why.is_some(), "{kind} is near or explained, not both:\n{table}");
    }
    must_be_kept("fork-exec.txt", &table);
}
