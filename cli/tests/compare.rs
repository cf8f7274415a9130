//! `ringside compare` of one small script over all platforms: the whole text, and the shape of the JSON.

use expect_test::expect_file;
use hypervisor_model::machine::Platform;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = "echo hello\ncat /etc/hostname | wc -c\n(exit 3)\n";

/// What the command prints about the script on all platforms.
fn compare(name: &str, extra: &[&str]) -> String {
    let script = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sh"));
    fs::write(&script, SCRIPT).expect("a file for the test");
    let names: Vec<String> = Platform::all().map(|platform| platform.to_string()).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringside"));
    command.arg("compare").arg(&script).args(["--platforms", &names.join(",")]).args(extra);
    let output = command.output().expect("the command starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_text_over_all_platforms_is_as_it_was() {
    expect_file!["golden/compare.txt"].assert_eq(&compare("text", &[]));
}

/// An object of numbers by name whose sum is its total.
fn is_sum(value: &Value, by: &str) -> bool {
    let parts = value[by].as_object().map(|parts| parts.values().filter_map(Value::as_u64).sum::<u64>());
    parts.is_some() && parts == value["total"].as_u64()
}

#[test]
fn the_json_has_the_same_shape_for_each_platform() {
    let all: Value = serde_json::from_str(&compare("json", &["--json"])).expect("JSON");
    let platforms = all["platforms"].as_object().expect("platforms by name");
    assert_eq!(platforms.len(), Platform::all().count());
    for platform in Platform::all() {
        let name = platform.to_string();
        let one = &platforms[&name];
        assert_eq!(one["transcript"], platforms["native"]["transcript"], "{name}");
        assert!(is_sum(&one["vm_exits"], "by_reason"), "{name}: {}", one["vm_exits"]);
        assert!(is_sum(&one["hypercalls"], "by_name"), "{name}: {}", one["hypercalls"]);
        assert!(is_sum(&one["cycles"], "by_cause"), "{name}: {}", one["cycles"]);
        for number in ["ring_crossings", "walk_references"] {
            assert!(one[number].is_u64(), "{name}: {number}");
        }
        for number in ["hits", "misses"] {
            assert!(one["tlb"][number].is_u64(), "{name}: {number}");
        }
        assert!(one["tlb"]["flushes"].is_object(), "{name}");
    }
}
