//! `ringside exits`: exits of a real KVM, recorded, against the model.

use crate::input;
use anyhow::{Context, Result};
use clap::Args;
use hypervisor_model::kvm::probe::guest;
use hypervisor_model::kvm::probe::recording::{Comparison, Recording, compare};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Replay recorded VM exits through the model: each sequence in each column (AMD-V and VT-x, nested and shadow paging).
///
/// A sequence is found by its words and its mode. Compared are the exits by reason and the returns to user space.
#[derive(Args, Debug)]
pub struct Exits {
    /// A file with rows of probe, guest_mode, what, and the columns svm_npt, svm_shadow, vmx_ept, vmx_shadow
    file: PathBuf,
    /// Show all rows, not only those that disagree
    #[arg(long)]
    all: bool,
    /// Print a JSON object: agree, total, and the disagreements
    #[arg(long)]
    json: bool,
}

impl Exits {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let text = input::read_text(&self.file, input::RECORDING_MAX)?;
        let recording: Recording =
            serde_json::from_str(&text).with_context(|| format!("{} is no recording of exits", self.file.display()))?;
        let guest = guest();
        let comparisons: Vec<Comparison> = recording.rows.iter().flat_map(|row| compare(row, &guest)).collect();
        let (agree, total) = (comparisons.iter().filter(|one| one.agrees).count(), comparisons.len());
        let mut out = io::stdout().lock();
        if self.json {
            let disagreements: Vec<&Comparison> = comparisons.iter().filter(|one| !one.agrees).collect();
            writeln!(out, "{:#}", json!({ "agree": agree, "total": total, "disagreements": disagreements }))?;
        } else {
            for one in comparisons.iter().filter(|one| self.all || !one.agrees) {
                print(&mut out, one)?;
            }
            writeln!(out, "agree {agree}/{total}")?;
        }
        Ok(if agree == total { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(out: &mut impl Write, one: &Comparison) -> io::Result<()> {
    let Comparison { probe, what, column, recorded, .. } = one;
    let name = if probe.is_empty() { what } else { probe };
    if one.agrees {
        return writeln!(out, "{name} {column}: {recorded}");
    }
    match (&one.model, &one.not_modelled) {
        (Some(model), _) => writeln!(out, "{name} {column}: recorded {recorded}, model {model}"),
        (None, why) => {
            writeln!(out, "{name} {column}: recorded {recorded}, {}", why.as_deref().unwrap_or("not modelled"))
        }
    }
}
