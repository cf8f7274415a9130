//! Replaying recorded system calls: random sequences over several processes, and a matrix of flags.
//!
//! Each line of a recording is one call with what a real kernel answered; here the model is asked the
//! same and the answers are compared. A sequence, and each line of a matrix, has a world of its own.

mod flag_matrix;
mod sequence;
mod stage;

use serde_json::{Map, Value as Json};

/// How far the model and a recording agree.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CallsReport {
    /// Calls with the recorded answer.
    pub agree: usize,
    /// Calls.
    pub total: usize,
    /// The others.
    pub disagreements: Vec<Disagreement>,
}

/// A call that the model answers in another way than the real kernel did.
#[derive(Clone, PartialEq, Debug)]
pub struct Disagreement {
    /// The line in the recording, from 1.
    pub line: usize,
    /// The call.
    pub call: String,
    /// What was recorded.
    pub recorded: String,
    /// What the model says.
    pub ours: String,
}

/// Why a recording cannot be replayed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CallsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// One line of a recording, taken apart.
pub(crate) type Record = Map<String, Json>;

/// The keys of a line that hold answers.
const ANSWERS: [&str; 6] = ["ret", "errno", "out", "status", "died", "exiting"];

/// Replays a recording of either kind, one JSON object a line.
///
/// # Errors
/// A line that is no such record.
pub fn replay(text: &str) -> Result<CallsReport, CallsError> {
    let mut report = CallsReport::default();
    let mut sequence: Option<sequence::Sequence> = None;
    let mut matrix: Option<flag_matrix::FlagMatrix> = None;
    for (at, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let number = at + 1;
        let bad = |message: String| CallsError { line: number, message };
        let record: Record =
            serde_json::from_str(line).map_err(|e| bad(format!("expected a JSON object of a recorded call: {e}")))?;
        if let Some(seed) = record.get("seq") {
            let student = record.get("as").and_then(Json::as_str) == Some("student");
            sequence = Some(sequence::Sequence::new(student).map_err(|e| bad(format!("sequence {seed}: {e}")))?);
            continue;
        }
        let ours = if record.contains_key("p") {
            let Some(sequence) = &mut sequence else {
                return Err(bad("a call before the first line of a sequence, {\"seq\":...}".to_owned()));
            };
            sequence.call(&record).map_err(bad)?
        } else if record.contains_key("flags") {
            if matrix.is_none() {
                matrix = Some(flag_matrix::FlagMatrix::new().map_err(bad)?);
            }
            let Some(matrix) = &matrix else { continue };
            matrix.call(&record).map_err(bad)?
        } else {
            return Err(bad(
                "expected a call of a sequence (with \"p\") or of a flag matrix (with \"flags\")".to_owned()
            ));
        };
        report.compare(number, &record, &ours);
    }
    Ok(report)
}

impl CallsReport {
    fn compare(&mut self, line: usize, recorded: &Record, ours: &Record) {
        self.total += 1;
        let recorded_answers = answers(recorded);
        let our_answers = answers(ours);
        if recorded_answers == our_answers {
            self.agree += 1;
            return;
        }
        let part = |key: &str| recorded.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        let who = part("p").or_else(|| part("as")).unwrap_or_default();
        let mut call = format!("{who}: {}", part("call").unwrap_or_default());
        for key in ["args", "flags", "file", "of", "threads"] {
            if let Some(value) = part(key) {
                call.push_str(&format!(" {key}={value}"));
            }
        }
        let text = |answers: Record| Json::Object(answers).to_string();
        self.disagreements.push(Disagreement { line, call, recorded: text(recorded_answers), ours: text(our_answers) });
    }
}

fn answers(record: &Record) -> Record {
    let kept = ANSWERS.iter().filter_map(|key| Some(((*key).to_owned(), record.get(*key)?.clone())));
    kept.collect()
}
