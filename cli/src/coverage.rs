//! `docs/coverage.md`: what is modelled, from the records of the models, and how much of what was recorded the
//! model reproduces, from the recordings and the list of known differences.
//!
//! The figure is counted, not run: that a case which is not on the list agrees, and that one on the list does
//! what its stored transcript says, is what the conformance test proves.

use crate::conformance::case::{self, Case, Kind};
use crate::conformance::transcript;
use crate::conformance::verdict::Verdict;
use crate::input::{RECORDING_MAX, read_text};
use anyhow::{Context, Result};
use kernel_model::projection::coverage::Coverage;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Where the document is, below the workspace.
pub const DOCUMENT: &str = "docs/coverage.md";
/// Where the recordings are.
const RECORDINGS: [&str; 3] = ["tests/transcripts", "tests/strace", "tests/syscalls"];
/// The cases that are known to differ.
const KNOWN: &str = "tests/known-differences.toml";

/// Cases of one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    cases: usize,
    agree: usize,
    commands: usize,
    commands_agree: usize,
}

/// The document, from the workspace at `root`.
pub fn document(root: &Path) -> Result<String> {
    Ok(Coverage::of_records().markdown(&conformance(root)?))
}

/// The figure in words, and a table by topic.
fn conformance(root: &Path) -> Result<String> {
    let cases = case::find(&RECORDINGS.map(|folder| root.join(folder)))?;
    let known = fs::read_to_string(root.join(KNOWN)).with_context(|| format!("cannot read {KNOWN}"))?;
    let known: BTreeMap<String, String> = toml::from_str(&known).with_context(|| format!("{KNOWN} is no list"))?;
    let known: BTreeSet<&str> = known.keys().map(String::as_str).collect();
    let mut topics: BTreeMap<String, Tally> = BTreeMap::new();
    for case in &cases {
        let topic = case.name.rsplit_once('/').map_or(case.name.as_str(), |(folder, _)| folder);
        count(case, known.contains(case.name.as_str()), topics.entry(topic.to_owned()).or_default())?;
    }
    let mut all = Tally::default();
    let mut table =
        String::from("| recordings | cases | agree | commands | agree |\n| --- | ---: | ---: | ---: | ---: |\n");
    for (topic, tally) in &topics {
        let Tally { cases, agree, commands, commands_agree } = *tally;
        let of_commands = if commands == 0 { " | ".to_owned() } else { format!("{commands} | {commands_agree}") };
        let _ = writeln!(table, "| {topic} | {cases} | {agree} | {of_commands} |");
        all.cases += cases;
        all.agree += agree;
        all.commands += commands;
        all.commands_agree += commands_agree;
    }
    let share = 1000 * all.commands_agree / all.commands.max(1);
    Ok(format!(
        "Of {} recordings of real kernels the model reproduces {} entirely; of the {} commands in their scripts, {} \
         ({}.{} %).\n`cargo run -- conform tests/transcripts tests/strace tests/syscalls` runs them; \
         `{KNOWN}` says for each that differs why.\n\n{table}",
        all.cases,
        all.agree,
        all.commands,
        all.commands_agree,
        share / 10,
        share % 10
    ))
}

fn count(case: &Case, differs: bool, tally: &mut Tally) -> Result<()> {
    tally.cases += 1;
    tally.agree += usize::from(!differs);
    if case.kind != Kind::Script {
        return Ok(());
    }
    let expected = read_text(&case.file.with_extension("expected"), RECORDING_MAX)?;
    let recorded = transcript::cut(&expected).len();
    tally.commands += recorded;
    tally.commands_agree += if differs {
        // A case that ends with an error instead of a transcript agrees in nothing.
        let ours = fs::read_to_string(case.file.with_extension("model")).unwrap_or_default();
        Verdict::on_transcripts(&expected, &ours).agree
    } else {
        recorded
    };
    Ok(())
}
