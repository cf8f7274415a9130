//! The command as somebody uses it: what it prints, and with which exit status it ends.

use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file for the test");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ringside(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringside")).args(arguments).output().expect("the command starts")
}

/// What a command says that cannot do what it was asked to.
fn trouble(arguments: &[&str]) -> String {
    let output = ringside(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// What a command prints that does.
fn printed(arguments: &[&str]) -> String {
    let output = ringside(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).expect("JSON")
}

const LOG: &str = "\
30004 execve(\"/usr/bin/true\", [\"true\"], [\"HOME=/root\"]) = 0
30004 getpid()                          = 30004
30004 getuid()                          = 0
30004 getuid()                          = 7
30004 exit_group(0)                     = ?
30004 +++ exited with 0 +++
";

#[test]
fn a_script_gives_a_transcript() {
    let folder = Folder::new("transcript");
    let script = folder.file("a.sh", "# a comment\ntrue\nfalse\nfor i in 1\ndo :\ndone\n");
    assert_eq!(printed(&["run", &script]), "$ true\n$ false\n[exit 1]\n$ for i in 1\n> do :\n> done\n");
}

#[test]
fn a_script_gives_events_in_words_and_as_json() {
    let folder = Folder::new("events");
    let script = folder.file("a.sh", "true\n");
    assert!(printed(&["run", "--events", "text", &script]).contains("the command line `true`"));
    let events = printed(&["run", "--events", "json", &script]);
    assert!(events.lines().count() > 3);
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn a_script_that_cannot_be_parsed_says_where() {
    let folder = Folder::new("syntax");
    let script = folder.file("a.sh", "echo\n\nif true; then\necho )\n");
    let message = trouble(&["run", &script]);
    assert!(message.contains("cannot parse") && message.contains("line 3"), "{message}");
}

#[test]
fn files_that_are_no_text_are_refused_by_every_command() {
    let folder = Folder::new("binary");
    let large = vec![b'x'; 50 << 20];
    let (binary, latin1) = (folder.file("b.jsonl", b"\x7fELF\0\0"), folder.file("l.strace", b"caf\xe9\n"));
    let large = folder.file("large.sh", &large);
    for command in ["run", "strace", "calls"] {
        assert!(trouble(&[command, &binary]).contains("is not a text file"));
        assert!(trouble(&[command, &latin1]).contains("not a text file in UTF-8: byte 3 (line 1)"));
        assert!(trouble(&[command, &large]).contains("is too large (50 MiB)"));
        assert!(trouble(&[command, "no-such-file"]).contains("cannot open no-such-file: No such file"));
    }
}

#[test]
fn a_log_is_compared_line_by_line() {
    let folder = Folder::new("log");
    let log = folder.file("a.strace", LOG);
    let text = printed(&["strace", &log]);
    assert!(text.contains("@@ line 4 @@\n"), "{text}");
    assert!(
        text.lines().last().is_some_and(|last| last.starts_with("agree ") && last.ends_with(" 0 unparsed")),
        "{text}"
    );
    let report = json(&["strace", "--json", &log]);
    assert_eq!(report["unparsed"], 0);
    assert_eq!(report["disagreements"][0]["line"], 4);
    assert_eq!(report["disagreements"][0]["recorded"], "7");
    assert!(report["in_scope"].as_u64() > report["agree"].as_u64());
    for key in ["call", "ours"] {
        assert!(report["disagreements"][0][key].is_string(), "{report}");
    }
    assert!(printed(&["strace", "--lines", &log]).lines().count() > LOG.lines().count());
}

#[test]
fn a_garbled_log_loses_nothing() {
    let folder = Folder::new("garbled");
    let cut_off = &LOG[..LOG.len() - 60];
    let log = folder.file("a.strace", format!("{LOG}30004 getpid( = \n%%% what is this\n{cut_off}"));
    let lines = printed(&["strace", "--lines", &log]);
    for line in LOG.lines().chain(["%%% what is this"]) {
        assert!(lines.contains(line), "{line} is lost:\n{lines}");
    }
}

#[test]
fn calls_without_a_sequence_are_refused_with_their_line() {
    let folder = Folder::new("calls");
    let calls = folder.file("a.jsonl", "{\"i\":0,\"p\":\"p1\",\"call\":\"getpid\",\"args\":[],\"ret\":2}\n");
    assert!(trouble(&["calls", &calls]).contains("line 1"));
    let empty = folder.file("empty.jsonl", "");
    assert_eq!(printed(&["calls", &empty]), "agree 0/0\n");
    assert_eq!(json(&["calls", "--json", &empty]), serde_json::json!({ "agree": 0, "total": 0, "disagreements": [] }));
}

#[test]
fn conform_counts_cases_and_commands() {
    let folder = Folder::new("conform");
    folder.file("good.sh", "true\nfalse\n");
    folder.file("good.expected", "$ true\n$ false\n[exit 1]\n");
    let path = folder.0.display().to_string();
    assert!(printed(&["conform", &path]).ends_with("passed 1/1, commands 2/2\n"));

    folder.file("bad.sh", "true\nfalse\n");
    folder.file("bad.expected", "$ true\n$ false\n");
    let output = ringside(&["conform", &path]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("\n+[exit 1]\n"), "{text}");
    assert!(text.ends_with("passed 1/2, commands 3/4\n"), "{text}");

    let output = ringside(&["conform", "--json", &path]);
    assert_eq!(output.status.code(), Some(1));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["passed"], 1);
    assert_eq!(summary["total"], 2);
    assert_eq!(summary["commands"], serde_json::json!({ "agree": 3, "total": 4 }));
    assert_eq!(summary["failures"][0]["case"], "conform/bad");
    assert!(summary["failures"][0]["why"].is_string());
}

#[test]
fn conform_without_cases_says_so() {
    let folder = Folder::new("no-cases");
    folder.file("a.sh", "true\n");
    assert!(trouble(&["conform", &folder.0.display().to_string()]).contains("has no *.sh with *.expected"));
    assert!(trouble(&["conform", "no-such-folder"]).contains("cannot look at no-such-folder"));
}

#[test]
fn a_platform_that_nobody_knows_is_answered_with_those_that_there_are() {
    assert!(trouble(&["run", "--platform", "toaster", "a.sh"]).contains("there is no platform"));
}

#[test]
fn a_port_that_is_taken_is_named_before_anything_is_built() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let message = trouble(&["serve", "--port", &port]);
    assert!(message.contains(&format!("port {port} is taken")), "{message}");
}

#[test]
fn insn_shows_what_becomes_of_each_instruction() {
    let outcomes = |platform: &str, ring: &str| -> Vec<String> {
        let rows = json(&["insn", "cli; popf; mov cr3, rax", "--platform", platform, "--ring", ring, "--json"]);
        let rows = rows.as_array().expect("a list");
        rows.iter().map(|row| row["outcome"].as_str().expect("an outcome").to_owned()).collect()
    };
    assert_eq!(outcomes("native", "0"), ["executed", "executed", "executed"]);
    assert_eq!(outcomes("native", "1"), ["fault", "ignored", "fault"]);
    assert_eq!(outcomes("kvm-shadow", "0"), ["executed", "executed", "exit"]);
    assert_eq!(outcomes("bt", "0"), ["translated", "translated", "translated"]);
}

#[test]
fn insn_says_what_is_wrong_with_its_arguments() {
    assert!(trouble(&["insn", "clj"]).contains("there is no instruction 'clj' here, at character 1: did you mean cli"));
    assert!(trouble(&["insn", "nop", "--ring", "4"]).contains("there is no ring 4: rings are 0, 1, 2, 3"));
    assert!(trouble(&["insn", "nop", "--platform", "vax"]).contains("there is no platform 'vax'; there are: native"));
    assert!(trouble(&["insn", "nop", "--cr4", "umpi"]).contains("CR4 has no bit 'umpi'"));
    assert!(trouble(&["insn"]).contains("no instructions were given"));
}

#[test]
fn compare_runs_a_script_everywhere_and_counts_what_each_machine_does() {
    let folder = Folder::new("compare");
    let script = folder.file("steps.sh", "echo hello\nps\n(exit 3)\ncat /etc/hostname | wc -c\n");
    let all = json(&["compare", &script, "--json"]);
    let platform = |name: &str| all["platforms"][name].clone();
    let number = |name: &str, pointer: &str| {
        platform(name).pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{name} has {pointer}"))
    };
    for name in ["container", "kvm-ept", "kvm-shadow", "bt", "xen-pv32", "xen-pv64", "xen-hvm", "emulated", "uml"] {
        assert_eq!(platform(name)["transcript"], platform("native")["transcript"], "{name}");
    }
    assert_eq!(platform("container")["cycles"], platform("native")["cycles"], "a container is the same kernel");
    assert_eq!(number("native", "/vm_exits/total"), 0);
    assert!(platform("kvm-ept")["vm_exits"]["by_reason"]["CR_ACCESS"].is_null(), "under EPT the guest has its own CR3");
    let flushes = platform("native")["tlb"]["flushes"].as_object().expect("flushes by kind").clone();
    let loads: u64 =
        flushes.iter().filter(|(kind, _)| kind.starts_with("MOV CR3")).filter_map(|(_, n)| n.as_u64()).sum();
    let exits = number("kvm-shadow", "/vm_exits/by_reason/CR_ACCESS");
    assert_eq!(exits, loads, "with shadow tables each load of CR3 exits");
    assert!(number("kvm-ept", "/walk_references") > 3 * number("kvm-shadow", "/walk_references"));
    assert!(number("uml", "/ring_crossings") > 4 * number("native", "/ring_crossings"));
    assert_eq!(number("emulated", "/ring_crossings"), 0);
    let calls = |name: &str| number(name, "/hypercalls/total");
    assert_eq!((calls("native"), calls("kvm-ept"), calls("xen-hvm")), (0, 0, 0));
    assert!(calls("xen-pv64") > calls("xen-pv32"), "a 64-bit guest returns to its programs by hypercall");
    assert!(
        platform("xen-hvm")["vm_exits"]["by_reason"]["EPT_VIOLATION"].is_null(),
        "its memory is there from the start"
    );
    assert_eq!(number("bt", "/vm_exits/total"), 0, "binary translation needs no VT-x");
    assert!(number("bt", "/ring_crossings") > 2 * number("native", "/ring_crossings"));
}

#[test]
fn compare_sets_the_same_system_call_side_by_side() {
    let folder = Folder::new("compare-calls");
    let script = folder.file("steps.sh", "cat /etc/hostname | wc -c\nsh -c 'exit 3'\n");
    let names = ["native", "kvm-shadow", "bt"];
    let all = json(&["compare", &script, "--json", "--platforms", &names.join(",")]);
    let calls = all["calls"].as_array().expect("a list").clone();
    assert!(calls.len() > 20, "{} calls", calls.len());
    for call in &calls {
        for name in names {
            assert!(call["platforms"][name]["cycles"]["total"].is_u64(), "{} on {name}", call["call"]);
        }
    }
    for name in names {
        // What was counted before the first call is no call's.
        let sum = |pointer: &str| -> u64 {
            calls.iter().filter_map(|call| call["platforms"][name].pointer(pointer)?.as_u64()).sum()
        };
        for pointer in ["/ring_crossings", "/cycles/total", "/walk_references"] {
            let total = all["platforms"][name].pointer(pointer).and_then(Value::as_u64).expect("a total");
            assert!(
                sum(pointer) <= total && sum(pointer) * 10 > total * 9,
                "{name} {pointer}: {} of {total}",
                sum(pointer)
            );
        }
    }
    let text = printed(&["compare", &script, "--calls", "--platforms", &names.join(",")]);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split_whitespace().collect();
    assert_eq!(header, ["task", "system", "call", "native", "kvm-shadow", "bt"]);
    assert_eq!(lines.count(), calls.len());
}

#[test]
fn microbenchmarks_are_printed_as_a_table_and_as_json() {
    assert!(printed(&["microbenchmarks"]).contains("| call and return (`call/ret`) | 11 |"));
    let all = json(&["microbenchmarks", "--json"]);
    assert_eq!(all["costs"], "p4-2006");
    assert_eq!(all["benchmarks"]["ptemod"]["bt"]["cycles"], 391);
    assert_eq!(all["benchmarks"]["pgfault"]["vmware-vt"]["input"], false);
    assert!(trouble(&["microbenchmarks", "--costs", "abacus"]).contains("there is no preset 'abacus'"));
}

#[test]
fn compare_says_what_is_wrong_with_its_arguments() {
    let folder = Folder::new("compare-arguments");
    let script = folder.file("one.sh", "true\n");
    let refused = |extra: &[&str]| {
        let output = ringside(&[&["compare", &script], extra].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["--platforms", "vax"]).contains("there is no platform 'vax'; there are: native"));
    assert!(refused(&["--costs", "abacus"]).contains("there is no preset 'abacus'"));
}
