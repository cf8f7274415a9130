//! The model against recordings of real kernels: each recording is a test.

use libtest_mimic::{Arguments, Failed, Trial};
use ringside::conformance::case::{self, Case};
use ringside_tests::known::{KnownDifferences, OnChange};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Where the recordings are, below the folder of this crate.
const RECORDINGS: [&str; 3] = ["transcripts", "strace", "syscalls"];
/// Stack for a case; scripts nest deeply, and test threads are given little.
const STACK_BYTES: usize = 256 << 20;

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = RECORDINGS.map(|folder| here.join(folder));
    let (cases, known) = match case::find(&folders)
        .and_then(|cases| Ok((cases, KnownDifferences::read(&here.join("known-differences.toml"))?)))
    {
        Ok(found) => found,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let known = Arc::new(known);
    let on_change = OnChange::from_environment();
    let mut trials: Vec<Trial> = cases.iter().map(|case| trial(case.clone(), Arc::clone(&known), on_change)).collect();
    trials.push(Trial::test("the list of known differences is about these cases", move || {
        known.must_be_about(&cases).map_err(|error| Failed::from(format!("{error:#}")))
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: Case, known: Arc<KnownDifferences>, on_change: OnChange) -> Trial {
    Trial::test(case.name.clone(), move || {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread.spawn(move || known.check(&case, on_change))?;
        let checked = running.join().map_err(|_| Failed::from("the thread of the case ended early"))?;
        checked.map_err(|error| Failed::from(format!("{error:#}")))
    })
}
