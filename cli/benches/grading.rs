//! How long it takes to grade what a class hands in during a term, and how much memory: `cargo bench -p ringside`. The limit is
//! a minute on two processors.

use lessons::catalog::{Catalog, Entry};
use lessons::lesson::Kind;
use lessons::proof::solved;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How many students hand in, and how many labs: what a course has in a term.
const STUDENTS: usize = 300;
const LABS: usize = 10;

/// The most memory that a process and its children have had, in KiB.
fn memory(pid: u32) -> u64 {
    let field = |text: &str, name: &str| -> Option<u64> {
        text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    let own = fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| field(&text, "VmHWM:"));
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_threads = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let all: BTreeSet<u32> = of_threads
        .chain([children])
        .flat_map(|t| t.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect();
    own.unwrap_or(0) + all.into_iter().map(memory).sum::<u64>()
}

fn main() {
    // `cargo test --benches` looks whether it still works: a few students are enough for that.
    let students = if std::env::args().any(|a| a == "--bench") { STUDENTS } else { 10 };
    let course = Catalog::built_in().expect("the course");
    let labs: Vec<&Entry> = course.entries.iter().filter(|e| e.lesson.kind == Kind::Lab).take(LABS).collect();
    let class = Path::new(env!("CARGO_TARGET_TMPDIR")).join("labs");
    let _ = fs::remove_dir_all(&class);
    for entry in &labs {
        let folder = class.join(&entry.lesson.id);
        fs::create_dir_all(&folder).expect("a folder");
        for student in 0..students {
            let file = folder.join(format!("{student:03}.ringside.txt"));
            // Every tenth has done only the first task.
            let tasks = if student.is_multiple_of(10) { 1 } else { usize::MAX };
            fs::write(file, solved(entry, &format!("s{student}"), tasks).to_text()).expect("a file");
        }
    }
    let begun = Instant::now();
    let mut most = 0;
    for entry in &labs {
        let report = class.join(format!("{}.json", entry.lesson.id));
        let mut grading = Command::new(env!("CARGO_BIN_EXE_ringside"))
            .args(["grade", &entry.lesson.id, "--jobs", "2", "--format", "json", "--out"])
            .args([&report, &class.join(&entry.lesson.id)])
            .spawn()
            .expect("the command starts");
        while grading.try_wait().expect("to wait").is_none() {
            most = most.max(memory(grading.id()));
            thread::sleep(Duration::from_millis(20));
        }
        let report = fs::read_to_string(report).expect("a report");
        let verdicts: Vec<Value> = serde_json::from_str(&report).expect("JSON");
        assert_eq!(verdicts.len(), students);
        for verdict in verdicts {
            let file = verdict["file"].as_str().expect("a name");
            let all = verdict["score"] == verdict["max_score"];
            assert!(all != file.ends_with("0.ringside.txt") && verdict["refused"] == "", "{verdict:#}");
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{students} students, {LABS} labs, two workers: {seconds:.1} s, at most {} MiB in all", most >> 10);
    let _ = fs::remove_dir_all(class);
}
