//! What is agreed about the sources as a whole: who may depend on whom, where things live, what is
//! never written.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates, and which of the others each may use.
const ARROWS: [(&str, &[&str]); 7] = [
    ("kernel-model", &[]),
    ("hypervisor-model", &["kernel-model"]),
    ("lessons", &["kernel-model", "hypervisor-model"]),
    ("web-ui", &["kernel-model", "hypervisor-model", "lessons"]),
    ("cli", &["kernel-model", "hypervisor-model", "lessons"]),
    ("tests", &["kernel-model", "hypervisor-model", "lessons", "ringside", "wasm-probe"]),
    ("tests/wasm-probe", &["kernel-model", "hypervisor-model", "lessons"]),
];

/// Crates that the models must not know, because they bring in a browser, a clock, a thread or chance.
const NOT_IN_A_MODEL: [&str; 9] =
    ["yew", "web-sys", "js-sys", "wasm-bindgen", "gloo", "tokio", "rand", "getrandom", "chrono"];

const TOP_LEVEL: [&str; 20] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "cli",
    "clippy.toml",
    "deny.toml",
    "docs",
    "hypervisor-model",
    "kernel-model",
    "lessons",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "static",
    "tests",
    "web-ui",
    "LICENSES",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The files of the project: tracked by git, or about to be.
fn project_files() -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("git cannot be started: it knows which files belong to the project")?;
    let names = String::from_utf8(listed.stdout)?;
    let files: Vec<PathBuf> = names.split_terminator('\0').map(PathBuf::from).collect();
    assert!(files.len() > 20, "git ls-files lists {} files: is this a checkout?", files.len());
    Ok(files.into_iter().filter(|file| root().join(file).is_file()).collect())
}

/// The project's Rust sources with their text.
fn sources() -> Result<Vec<(PathBuf, String)>> {
    let rust = project_files()?.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs"));
    rust.map(|file| Ok((file.clone(), fs::read_to_string(root().join(&file))?))).collect()
}

#[test]
fn dependencies_point_one_way() -> Result<()> {
    let ours: BTreeSet<&str> = ["kernel-model", "hypervisor-model", "lessons", "web-ui", "ringside", "ringside-tests"]
        .into_iter()
        .chain(["wasm-probe"])
        .collect();
    for (folder, allowed) in ARROWS {
        let manifest: toml::Table = fs::read_to_string(root().join(folder).join("Cargo.toml"))?.parse()?;
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used =
                manifest.get(table).and_then(|table| table.as_table()).into_iter().flat_map(|table| table.keys());
            for name in used.map(String::as_str) {
                assert!(
                    !ours.contains(name) || allowed.contains(&name),
                    "{folder} has {name} in its {table}: it may use {allowed:?} only"
                );
                assert!(
                    !(folder.ends_with("-model") && table == "dependencies" && NOT_IN_A_MODEL.contains(&name)),
                    "{folder} uses {name}, which a model cannot do without losing that it is a plain value"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn every_crate_is_on_the_list_of_arrows() -> Result<()> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    let members = manifest["workspace"]["members"].as_array().context("workspace.members")?;
    let members: BTreeSet<&str> = members.iter().filter_map(|member| member.as_str()).collect();
    assert_eq!(members, ARROWS.map(|(folder, _)| folder).into_iter().collect());
    Ok(())
}

#[test]
fn the_top_level_holds_what_was_agreed() -> Result<()> {
    for file in project_files()? {
        let first = file.components().next().context("a path without a name")?;
        let first = first.as_os_str().to_string_lossy();
        assert!(
            first.starts_with('.') || TOP_LEVEL.contains(&&*first),
            "{first} is at the top level and not on the list there"
        );
    }
    Ok(())
}

#[test]
fn every_file_is_named_after_a_subject() -> Result<()> {
    for file in project_files()? {
        // The one that is called so by the kernel: the controller of what has no controller of its own.
        if file.ends_with("cgroup/controller/misc.rs") {
            continue;
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        assert!(
            !["util", "utils", "common", "misc", "helper", "helpers"].contains(&&*stem),
            "{}: a lost function belongs to a noun, make the file of that noun",
            file.display()
        );
    }
    Ok(())
}

#[test]
fn every_source_file_says_what_it_is_about() -> Result<()> {
    for (file, text) in sources()? {
        assert!(text.starts_with("//! "), "{} does not begin with `//!` and its subject", file.display());
    }
    Ok(())
}

#[test]
fn no_file_names_a_machine() -> Result<()> {
    // Not spelled out, or this file would be the first to be found.
    let banned = ["work", "home", "farm"].map(|folder| format!("/{folder}/"));
    // Homes of the standard world's users, and where policies look for them: no machine of ours.
    let of_the_world = ["/home/student", "/home/guest", "/home/{name}", "/home/*", "@{HOMEDIRS}=/home/"];
    for file in project_files()? {
        if file.starts_with("tests/strace")
            || file.starts_with("tests/transcripts")
            || file.starts_with("tests/fixtures")
        {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        for (line, number) in text.lines().zip(1..) {
            let line = of_the_world.iter().fold(line.to_owned(), |line, home| line.replace(home, ""));
            let begins_a_path =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}>*".contains(c));
            let found = banned.iter().find(|path| line.match_indices(path.as_str()).any(|(at, _)| begins_a_path(at)));
            assert!(found.is_none(), "{}:{number} names a path of a machine: {line}", file.display());
        }
    }
    Ok(())
}

#[test]
fn models_have_no_clock_no_chance_and_no_unordered_map() -> Result<()> {
    let banned =
        [concat!("Hash", "Map"), concat!("Hash", "Set"), concat!("Inst", "ant::"), concat!("System", "Time::")];
    for (file, text) in sources()? {
        if !(file.starts_with("kernel-model") || file.starts_with("hypervisor-model")) {
            continue;
        }
        for (line, number) in text.lines().zip(1..) {
            let code = line.split("//").next().unwrap_or_default();
            let found = banned.iter().find(|name| code.contains(**name));
            assert!(found.is_none(), "{}:{number} uses {}", file.display(), found.unwrap_or(&""));
        }
    }
    Ok(())
}
