//! The recordings themselves: that they are read as the recorder wrote them.

use anyhow::{Context, Result};
use regex::Regex;
use ringside::conformance::case::{self, Kind};
use ringside::conformance::normalise::normalise;
use ringside::conformance::script::Script;
use ringside::conformance::transcript::{End, Entry, cut, write};
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The scripts with their recorded transcripts.
fn scripts() -> Result<Vec<(String, String, String)>> {
    let cases = case::find(&[here("transcripts")])?;
    assert!(cases.len() > 90, "only {} cases", cases.len());
    let read = |case: case::Case| {
        assert_eq!(case.kind, Kind::Script, "{}", case.name);
        let script = fs::read_to_string(&case.file)?;
        Ok((case.name, script, fs::read_to_string(case.file.with_extension("expected"))?))
    };
    cases.into_iter().map(read).collect()
}

#[test]
fn texts_are_normalised_as_the_recorder_does() -> Result<()> {
    // Fragments that the rules are about, put together by chance, and what the recorder makes of them.
    let raw = fs::read_to_string(here("normalise/raw.txt"))?;
    let normalised = fs::read_to_string(here("normalise/normalised.txt"))?;
    let pairs: Vec<(&str, &str)> = raw.split("\n=====\n").zip(normalised.split("\n=====\n")).collect();
    assert_eq!(pairs.len(), 250);
    for (raw, expected) in pairs {
        assert_eq!(normalise(raw), expected, "of {raw:?}");
    }
    Ok(())
}

#[test]
fn normalising_a_recording_again_changes_nothing() -> Result<()> {
    for (name, _, expected) in scripts()? {
        assert_eq!(normalise(&expected), expected, "{name}");
    }
    Ok(())
}

#[test]
fn scripts_are_cut_into_the_commands_that_the_recorder_ran() -> Result<()> {
    let number = Regex::new(r"(<[a-z]+):\d+>")?;
    for (name, script, expected) in scripts()? {
        let script = Script::parse(&script).with_context(|| name.clone())?;
        let recorded = cut(&expected);
        assert_eq!(script.commands.len(), recorded.len(), "{name}");
        for (command, recorded) in script.commands.into_iter().zip(recorded) {
            let entry = Entry { command: command.text, output: String::new(), end: End::Status(0) };
            // What stands for an address has a number that counts through the whole transcript.
            let shown = number.replace_all(normalise(&write(&[entry])).trim_end(), "$1>").into_owned();
            let recorded = number.replace_all(&recorded, "$1>");
            assert!(recorded.starts_with(&shown), "{name}: {shown:?} is not how this begins: {recorded:?}");
        }
    }
    Ok(())
}
