//! A class hands in: 3,000 submissions, among them wrong, damaged, foreign and hostile ones. Every one gets a verdict.

use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use lessons::catalog::Catalog;
use lessons::grade::Grader;
use lessons::lesson::Kind;
use lessons::proof::solved;
use lessons::submission::Submission;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const LESSON: &str = "20-pid-namespace";
/// The lesson of these tests, which does not change with the course.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lessons/tests/20-pid-namespace");
const SUBMISSIONS: usize = 3_000;

fn line(text: &str) -> Stamped {
    Stamped { when: When::AtRest, action: Action::Line { console: ConsoleId(1), text: text.to_owned() } }
}

fn submission(student: usize, lines: &[&str]) -> Submission {
    Submission {
        lesson: LESSON.to_owned(),
        version: 1,
        seed: format!("s{student}"),
        actions: lines.iter().map(|text| line(text)).collect(),
        answers: vec![("kill-outside".to_owned(), vec![1])],
    }
}

/// What somebody hands in, and what must become of it: points, or words of the refusal.
fn handed_in(student: usize) -> (Vec<u8>, Result<u32, &'static str>) {
    let own = format!("true {student}");
    let right = submission(student, &[&own, "unshare --pid --fork sh", "mount -t proc proc /proc"]);
    let text = right.to_text();
    let hostile =
        ["while :; do :; done", "f() { f | f & }; f", "yes", "awk 'BEGIN { while (1); }'", "echo {1..99999999}"];
    match student % 10 {
        0..=3 => (text.into_bytes(), Ok(4)),
        4 => (submission(student, &[&own, "unshare --pid sh"]).to_text().into_bytes(), Ok(1)),
        5 => {
            let mut damaged = text.into_bytes();
            let at = damaged.len() - 20 - student % 40;
            damaged[at] = b'*';
            (damaged, Err("damaged"))
        }
        6 => (text.as_bytes()[..text.len() - 6].to_vec(), Err("cut off")),
        7 if student % 20 == 7 => {
            (Submission { lesson: "another".to_owned(), ..right }.to_text().into_bytes(), Err("not for"))
        }
        7 => (Submission { version: 99, ..right }.to_text().into_bytes(), Err("version 99")),
        // Each of those that do not end takes all the time that one may have, so there is one of each.
        8 => match student / 10 {
            n @ 0..=4 => (submission(student, &[hostile[n]]).to_text().into_bytes(), Err("hostile")),
            n if n % 4 == 0 => (b"PK\x03\x04 and so on".to_vec(), Err("archive")),
            n if n % 4 == 1 => (vec![0xff; 1000], Err("not a submission")),
            n if n % 4 == 2 => (Vec::new(), Err("empty")),
            _ => (vec![b'x'; (4 << 20) + 1], Err("larger")),
        },
        // They all handed in the same.
        _ => (
            submission(student, &["unshare --pid --fork sh", "mount -t proc proc /proc"]).to_text().into_bytes(),
            Ok(4),
        ),
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

#[test]
fn every_one_of_3000_submissions_gets_a_verdict() {
    let class = folder("class");
    let mut expected = BTreeMap::new();
    for student in 0..SUBMISSIONS {
        let (bytes, becomes) = handed_in(student);
        let file = class.join(format!("{student:04}.txt"));
        fs::write(&file, bytes).expect("a file for the test");
        expected.insert(file.display().to_string(), becomes);
    }
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_ringside"))
        .args(["grade", FOLDER, "--format", "json", "--patience", "20"])
        .arg(&class)
        .output()
        .expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{SUBMISSIONS} submissions in {:.1} s", begun.elapsed().as_secs_f64());
    let verdicts: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let verdicts = verdicts.as_array().expect("a list");
    assert_eq!(verdicts.len(), SUBMISSIONS);
    for verdict in verdicts {
        let refused = verdict["refused"].as_str().expect("text");
        let file = verdict["file"].as_str().expect("text");
        match &expected[file] {
            Ok(points) => {
                assert_eq!((verdict["score"].as_u64(), refused), (Some(u64::from(*points)), ""), "{verdict:#}");
            }
            // Judged as far as it came, or stopped by the clock: which, depends on the machine.
            Err("hostile") => assert!(refused.is_empty() || refused.contains("takes more than"), "{verdict:#}"),
            Err(words) => assert!(refused.contains(words) && verdict["score"] == 0, "{file}: {refused}, not {words}"),
        }
    }
    let same = verdicts.iter().filter(|v| v["same_logs"].as_u64().is_some_and(|same| same > 1)).count();
    assert!(same >= SUBMISSIONS / 10, "{same} with the same log");
    let _ = fs::remove_dir_all(class);
}

#[test]
fn a_submission_in_each_form() {
    let class = folder("forms");
    fs::write(class.join("one.txt"), submission(1, &["unshare --pid sh"]).to_text()).expect("a file for the test");
    for (form, words) in [
        ("text", "  1 of 4"),
        ("csv", ",1,4,"),
        ("junit", "failures=\"2\""),
        ("gradescope", "\"max_score\": 2"),
        ("json", "\"hint\": \"unshare(2) changes"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ringside"))
            .args(["grade", FOLDER, "--format", form])
            .arg(&class)
            .output()
            .expect("the command starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(words), "{form}: {text}");
    }
    let _ = fs::remove_dir_all(class);
}

#[test]
fn the_solution_of_every_lab_gets_all_points_whoever_hands_it_in() {
    let course = Catalog::built_in().expect("the course");
    let labs = course.entries.iter().filter(|entry| entry.lesson.kind == Kind::Lab);
    let mut count = 0;
    for entry in labs {
        count += 1;
        let mut grader =
            Grader::new(entry.lesson.clone()).unwrap_or_else(|error| panic!("{}: {error}", entry.lesson.id));
        for seed in ["anna", "s17"] {
            let all = grader.grade("all", solved(entry, seed, usize::MAX).to_text().as_bytes());
            assert_eq!((all.score, all.refused.as_str()), (all.max_score, ""), "{} for {seed}", entry.lesson.id);
            let none =
                grader.grade("none", Submission { actions: Vec::new(), ..solved(entry, seed, 0) }.to_text().as_bytes());
            assert!(none.score < none.max_score && none.refused.is_empty(), "{} for {seed}", entry.lesson.id);
        }
    }
    assert_eq!(count, 12);
}

#[test]
fn submissions_may_be_in_a_folder_that_is_called_as_the_lesson_is() {
    let labs = folder("called-as-the-lesson");
    let class = labs.join("291-lab-worlds");
    fs::create_dir_all(&class).expect("a folder for the test");
    let course = Catalog::built_in().expect("the course");
    let entry = course.find("291-lab-worlds").expect("a lab");
    fs::write(class.join("anna.txt"), solved(entry, "anna", usize::MAX).to_text()).expect("a file for the test");
    let output = Command::new(env!("CARGO_BIN_EXE_ringside"))
        .args(["grade", "291-lab-worlds", "291-lab-worlds"])
        .current_dir(&labs)
        .output()
        .expect("the command starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 submissions, 0 refused"), "{text}");
    let _ = fs::remove_dir_all(labs);
}

/// The folders as Gradescope's documentation describes them: `source/` with what was uploaded, `submission/`, `results/`.
#[test]
fn the_autograder_grades_what_is_handed_in() {
    let root = folder("autograder");
    let uploaded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lessons/gradescope");
    for name in ["source", "submission"] {
        fs::create_dir_all(root.join(name)).expect("a folder");
    }
    fs::copy(env!("CARGO_BIN_EXE_ringside"), root.join("source/ringside")).expect("the program");
    fs::copy(uploaded.join("run_autograder"), root.join("source/run_autograder")).expect("the script");
    // A lab of one's own beside the script.
    fs::write(root.join("source/lesson.txt"), format!("{LESSON}\n")).expect("a file");
    fs::create_dir_all(root.join("source").join(LESSON)).expect("a folder");
    fs::copy(Path::new(FOLDER).join("lesson.md"), root.join("source").join(LESSON).join("lesson.md"))
        .expect("a lesson");
    let grade = || -> Value {
        let script = root.join("source/run_autograder");
        let status = Command::new("bash").arg(script).env("AUTOGRADER_ROOT", &root).status().expect("bash");
        assert!(status.success());
        let results = fs::read_to_string(root.join("results/results.json")).expect("results");
        serde_json::from_str(&results).expect("JSON")
    };
    let none = grade();
    assert_eq!((none["score"].as_u64(), none["tests"].as_array().map(Vec::len)), (Some(0), Some(0)), "{none:#}");
    fs::write(root.join("submission/a.txt"), submission(1, &["unshare --pid sh"]).to_text()).expect("a file");
    fs::write(root.join("submission/b.zip"), b"PK\x03\x04 and so on").expect("a file");
    let some = grade();
    assert_eq!((some["score"].as_u64(), some["tests"].as_array().map(Vec::len)), (Some(1), Some(3)), "{some:#}");
    assert!(some["tests"][0]["output"].as_str().is_some_and(|hint| hint.contains("unshare(2)")), "{some:#}");
    let known = ["number", "name", "score", "max_score", "status", "output", "output_format", "visibility"];
    let test = some["tests"][0].as_object().expect("a test");
    assert!(test.keys().all(|key| known.contains(&key.as_str())), "{some:#}");
    fs::remove_file(root.join("source/lesson.txt")).expect("to remove it");
    let failed = grade();
    assert!(failed["output"].as_str().is_some_and(|text| text.contains("tell your teacher")), "{failed:#}");
    let _ = fs::remove_dir_all(root);
}
