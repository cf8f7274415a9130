//! Model and kernel side by side: where the tests run as root on Linux, new random sequences of system calls
//! are made on the real kernel (`tests/recorders/nsfuzz.c`) and asked of the model.
//!
//! Which sequences: `RINGSIDE_LIVE_SEED` is the first seed, `RINGSIDE_LIVE_SEQUENCES` how many there are. A
//! sequence that differs is worth keeping in `tests/syscalls/`.

use anyhow::{Context, Result, bail, ensure};
use kernel_model::calls;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Calls in a sequence.
const CALLS: u64 = 40;
/// As many as give 10,000 calls; a sequence ends early when nobody is left who could call.
const SEQUENCES: u64 = 260;
/// Seeds of the kept recordings are below this one.
const FIRST_SEED: u64 = 100_000;
/// The kernel whose rules the model follows: an older one differs where the rules have changed since.
const MODELLED: (u32, u32) = (6, 17);

#[test]
fn new_sequences_of_calls_get_the_same_answers_from_kernel_and_model() -> Result<()> {
    if let Some(reason) = cannot_run()? {
        eprintln!("the live comparison was not made: {reason}");
        return Ok(());
    }
    let fuzzer = build_fuzzer()?;
    let first = number("RINGSIDE_LIVE_SEED")?.unwrap_or(FIRST_SEED);
    let count = number("RINGSIDE_LIVE_SEQUENCES")?.unwrap_or(SEQUENCES);
    let mut recording = String::new();
    for seed in first..first + count {
        recording.push_str(&record(&fuzzer, seed)?);
    }
    let report = calls::replay(&recording)?;
    let mut differences = String::new();
    for d in &report.disagreements {
        writeln!(differences, "line {}: {}\n  kernel {}\n  model  {}", d.line, d.call, d.recorded, d.ours)?;
    }
    eprintln!("{} of {} calls agree (seeds {first} to {})", report.agree, report.total, first + count - 1);
    ensure!(report.total as u64 > count * CALLS / 2, "only {} calls were made", report.total);
    if !report.disagreements.is_empty() {
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("live.jsonl");
        std::fs::write(&kept, &recording)?;
        bail!("kernel and model differ; the recording is {}\n{differences}", kept.display());
    }
    Ok(())
}

/// Why this machine cannot make sequences, if it cannot.
fn cannot_run() -> Result<Option<String>> {
    if !cfg!(target_os = "linux") {
        return Ok(Some("it needs Linux".to_owned()));
    }
    let says = |program: &str, args: &[&str]| -> Option<String> {
        let output = Command::new(program).args(args).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if says("id", &["-u"]).as_deref() != Some("0") {
        return Ok(Some("it needs root".to_owned()));
    }
    let release = says("uname", &["-r"]).unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version < MODELLED {
        return Ok(Some(format!("it needs Linux {}.{} or later, this is {release}", MODELLED.0, MODELLED.1)));
    }
    if says("cc", &["--version"]).is_none() {
        return Ok(Some("it needs a C compiler (cc)".to_owned()));
    }
    if says("unshare", &["--mount", "--pid", "--fork", "--net", "--mount-proc", "true"]).is_none() {
        return Ok(Some("no namespaces can be made here".to_owned()));
    }
    Ok(None)
}

fn build_fuzzer() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorders/nsfuzz.c");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nsfuzz");
    let output = Command::new("cc").args(["-O1", "-w", "-o"]).arg(&program).arg(&source).output()?;
    ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
    Ok(program)
}

/// One sequence on the real kernel; every third starts without privilege, as in the kept recordings.
fn record(fuzzer: &Path, seed: u64) -> Result<String> {
    let start_as = if seed.is_multiple_of(3) { "student" } else { "root" };
    let Output { status, stdout, stderr } = Command::new("timeout")
        .arg("60")
        .arg(fuzzer)
        .args([seed.to_string(), CALLS.to_string(), start_as.to_owned()])
        .output()
        .context("cannot start the recorder")?;
    ensure!(status.success(), "seed {seed}: {status}: {}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8(stdout)?)
}

fn number(name: &str) -> Result<Option<u64>> {
    match env::var(name) {
        Ok(text) => Ok(Some(text.parse().with_context(|| format!("{name} is no number: {text}"))?)),
        Err(_) => Ok(None),
    }
}
