//! `ringside conform`: does the model do what was recorded?

use super::WorldArgument;
use crate::conformance::case::{self, Setting};
use anyhow::Result;
use clap::Args;
use hypervisor_model::machine::Platform;
use serde_json::json;
use std::io::{self, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare the model with recordings of real kernels.
///
/// Runs whatever it finds below the paths: shell scripts with their transcripts (NAME.sh with
/// NAME.expected), logs of strace (NAME.strace), recorded calls (NAME.jsonl). Succeeds only when
/// everything agrees.
#[derive(Args, Debug)]
pub struct Conform {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Machine that the kernel runs on
    #[arg(long, default_value_t, value_name = "NAME")]
    platform: Platform,
    /// World for scripts, instead of the one that their header asks for
    #[arg(long, value_enum)]
    world: Option<WorldArgument>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Conform {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let cases = case::find(&self.paths)?;
        let setting = Setting { platform: self.platform, world: self.world.map(Into::into) };
        // A panic of the model is part of its case's verdict.
        panic::set_hook(Box::new(|_| {}));
        let verdicts = case::check_all(&cases, setting);
        drop(panic::take_hook());

        let passed = verdicts.iter().filter(|verdict| verdict.passes()).count();
        let agree: usize = verdicts.iter().map(|verdict| verdict.agree).sum();
        let total: usize = verdicts.iter().map(|verdict| verdict.total).sum();
        let mut out = io::stdout().lock();
        if self.json {
            let failures: Vec<_> = cases
                .iter()
                .zip(&verdicts)
                .filter_map(|(case, verdict)| Some(json!({ "case": case.name, "why": verdict.why.as_ref()? })))
                .collect();
            let summary = json!({
                "passed": passed, "total": cases.len(),
                "commands": { "agree": agree, "total": total },
                "failures": failures,
            });
            writeln!(out, "{summary:#}")?;
        } else {
            for (case, verdict) in cases.iter().zip(&verdicts) {
                let mark = if verdict.passes() { "pass" } else { "FAIL" };
                write!(out, "{mark} {:>5}/{:<5} {}", verdict.agree, verdict.total, case.name)?;
                match &verdict.why {
                    Some(why) => write!(out, ": {why}\n{}", verdict.detail)?,
                    None => writeln!(out)?,
                }
            }
            writeln!(out, "passed {passed}/{}, commands {agree}/{total}", cases.len())?;
        }
        Ok(if passed == cases.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
