//! Exits of a real KVM against the model: each sequence in each column is a test.
//!
//! The files of `tests/exits/` are recordings; `known-differences.toml` there says for each test that differs why, and what
//! the model counts instead, which is compared, too.

use hypervisor_model::kvm::probe::recording::{Comparison, Recording, Row, compare};
use hypervisor_model::kvm::probe::{Assembled, guest};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// A test that differs.
#[derive(Clone, Debug, Deserialize)]
struct Known {
    /// Why.
    reason: String,
    /// What the model counts.
    model: String,
}

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("exits");
    match trials(&folder) {
        Ok(trials) => libtest_mimic::run(&Arguments::from_args(), trials).exit_code(),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials(folder: &Path) -> anyhow::Result<Vec<Trial>> {
    let known: BTreeMap<String, Known> = toml::from_str(&fs::read_to_string(folder.join("known-differences.toml"))?)?;
    let known = Arc::new(known);
    let guest = Arc::new(guest());
    let mut names = Vec::new();
    let mut trials = Vec::new();
    for file in ["kvm-exits", "kvm-exits-more", "kvm-exits-words"] {
        let text = fs::read_to_string(folder.join(format!("{file}.json")))?;
        let recording: Recording = serde_json::from_str(&text)?;
        for row in recording.rows {
            let name = format!("{file}/{}", row.probe);
            names.push(name.clone());
            let (known, guest) = (Arc::clone(&known), Arc::clone(&guest));
            trials.push(Trial::test(name.clone(), move || check(&name, &row, &guest, &known)));
        }
    }
    trials.push(Trial::test("the list of known differences is about these sequences", move || {
        let is_about = |key: &str| names.iter().any(|name| key.starts_with(&format!("{name}/")));
        match known.iter().find(|(key, entry)| !is_about(key) || entry.reason.trim().is_empty()) {
            Some((key, _)) => Err(Failed::from(format!("{key} is no sequence with a column, or has no reason"))),
            None => Ok(()),
        }
    }));
    Ok(trials)
}

/// A sequence in all its columns.
fn check(name: &str, row: &Row, guest: &Assembled, known: &BTreeMap<String, Known>) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for one in compare(row, guest) {
        let key = format!("{name}/{}", one.column);
        let model = model(&one);
        match known.get(&key) {
            None if one.agrees => {}
            None => wrong.push(format!("{key}: recorded {}, model {model}", one.recorded)),
            Some(_) if one.agrees => wrong.push(format!("{key} agrees now: take it off the list of known differences")),
            Some(entry) if entry.model == model => {}
            Some(entry) => {
                wrong.push(format!("{key} differs in another way than it is known to: {model}, not {}", entry.model));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failed::from(wrong.join("\n"))) }
}

fn model(one: &Comparison) -> String {
    match (&one.model, &one.not_modelled) {
        (Some(model), _) => model.to_string(),
        (None, why) => why.clone().unwrap_or_default(),
    }
}
