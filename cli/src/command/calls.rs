//! `ringside calls`: recorded system calls on the model.

use crate::conformance::disagreement::Disagreement;
use crate::input::{RECORDING_MAX, read_text};
use anyhow::{Context, Result};
use clap::Args;
use kernel_model::calls;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Replay recorded system calls (sequences or a flag matrix) and compare the answers.
#[derive(Args, Debug)]
pub struct Calls {
    /// The recording, one JSON object a line
    file: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Calls {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let text = read_text(&self.file, RECORDING_MAX)?;
        let report = calls::replay(&text).with_context(|| format!("cannot replay {}", self.file.display()))?;
        let disagreements: Vec<Disagreement> = report.disagreements.into_iter().map(Into::into).collect();
        let (agree, total) = (report.agree, report.total);
        let mut out = io::stdout().lock();
        if self.json {
            let report = json!({ "agree": agree, "total": total, "disagreements": disagreements });
            writeln!(out, "{report:#}")?;
        } else {
            for disagreement in &disagreements {
                write!(out, "{disagreement}")?;
            }
            writeln!(out, "agree {agree}/{total}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
