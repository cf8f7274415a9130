//! `ringside strace`: a log of strace on the model.

use crate::conformance::disagreement::{Disagreement, in_log};
use crate::input::{RECORDING_MAX, read_text};
use anyhow::{Context, Result};
use clap::Args;
use kernel_model::strace::{self, ReplayedLine, Verdict};
use serde_json::json;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Replay a log of `strace -f` and compare each result in scope with the recorded one.
#[derive(Args, Debug)]
pub struct Strace {
    /// The log
    file: PathBuf,
    /// Show every line of the log with what became of it, not only the differences
    #[arg(long, conflicts_with = "json")]
    lines: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Strace {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let log = read_text(&self.file, RECORDING_MAX)?;
        let replay = strace::replay(&log).with_context(|| format!("cannot replay {}", self.file.display()))?;
        let disagreements: Vec<Disagreement> = in_log(&replay);
        let (agree, in_scope) = (replay.agree, replay.in_scope);
        let (out_of_scope, unparsed) = (replay.out_of_scope, replay.unparsed);
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            let report = json!({
                "agree": agree, "in_scope": in_scope, "out_of_scope": out_of_scope, "unparsed": unparsed,
                "disagreements": disagreements,
            });
            writeln!(out, "{report:#}")?;
        } else {
            if self.lines {
                for line in &replay.lines {
                    print_line(&mut out, line)?;
                }
            } else {
                for disagreement in &disagreements {
                    write!(out, "{disagreement}")?;
                }
                for line in replay.lines.iter().filter(|line| matches!(line.verdict, Verdict::Unparsed(_))) {
                    print_line(&mut out, line)?;
                }
            }
            writeln!(out, "agree {agree}/{in_scope} in scope, {out_of_scope} out of scope, {unparsed} unparsed")?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The line as it is in the log, after a word on what became of it.
fn print_line(out: &mut impl Write, line: &ReplayedLine) -> io::Result<()> {
    let (word, note) = match &line.verdict {
        Verdict::Agrees => ("agrees", String::new()),
        Verdict::Differs => ("differs", format!("  [ours: {}]", line.ours)),
        Verdict::OutOfScope(why) => ("outside", format!("  [{why}]")),
        Verdict::Unparsed(why) => ("unparsed", format!("  [{why}]")),
        Verdict::Begun => ("begun", String::new()),
        Verdict::NoCall => ("", String::new()),
    };
    writeln!(out, "{:>6} {word:<8} {}{note}", line.number, line.text)
}
