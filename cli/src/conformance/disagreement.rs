//! Calls that the model answers in another way than the real kernel did, as text and JSON.

use super::verdict::Verdict;
use kernel_model::strace;
use serde::Serialize;
use std::fmt;

/// One recorded call with two answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// Line of the recording.
    pub line: usize,
    /// The call.
    pub call: String,
    /// What the real kernel answered.
    pub recorded: String,
    /// What the model answers.
    pub ours: String,
}

impl fmt::Display for Disagreement {
    /// A hunk of a unified diff.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "@@ line {} @@", self.line)?;
        writeln!(f, " {}", self.call)?;
        writeln!(f, "-{}", self.recorded)?;
        writeln!(f, "+{}", self.ours)
    }
}

/// How many differences of one case are shown.
const SHOWN_MAX: usize = 20;

/// The verdict on a recording of calls.
pub fn verdict(agree: usize, total: usize, disagreements: &[Disagreement]) -> Verdict {
    let why = disagreements.first().map(|first| format!("first difference in line {}: {}", first.line, first.call));
    let mut detail = String::new();
    let ours = disagreements.iter().map(Disagreement::to_string).collect();
    if why.is_some() {
        detail.push_str("--- recorded\n+++ ours\n");
        detail.extend(disagreements.iter().take(SHOWN_MAX).map(Disagreement::to_string));
        if let Some(more) = disagreements.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            detail.push_str(&format!("... and {more} more\n"));
        }
    }
    Verdict { agree, total, why, detail, ours }
}

/// The calls of a replayed log in which model and recording differ.
pub fn in_log(replay: &strace::Replay) -> Vec<Disagreement> {
    let differing = replay.lines.iter().filter(|line| line.verdict == strace::Verdict::Differs);
    differing
        .map(|line| Disagreement {
            line: line.number,
            call: if line.call.is_empty() { line.text.clone() } else { line.call.clone() },
            recorded: line.recorded.clone(),
            ours: line.ours.clone(),
        })
        .collect()
}

impl From<kernel_model::calls::Disagreement> for Disagreement {
    fn from(from: kernel_model::calls::Disagreement) -> Self {
        let kernel_model::calls::Disagreement { line, call, recorded, ours } = from;
        Disagreement { line, call, recorded, ours }
    }
}
