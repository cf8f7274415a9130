//! Verdicts in the forms that others read.

use crate::xml::escaped as xml;
use clap::ValueEnum;
use lessons::grade::{Item, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;

/// A form of verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// One JSON array of verdicts
    Json,
    /// One row a submission, for spreadsheets and learning platforms
    Csv,
    /// Test suites, for continuous integration
    Junit,
    /// results.json of one submission, for Gradescope
    Gradescope,
}

/// The text of a report. `seconds` is how long all of it took.
pub fn write(form: Form, verdicts: &[Verdict], seconds: f64) -> String {
    match form {
        Form::Text => text(verdicts, seconds),
        Form::Json => format!("{:#}\n", json!(verdicts)),
        Form::Csv => csv(verdicts),
        Form::Junit => junit(verdicts),
        Form::Gradescope => gradescope(verdicts, seconds),
    }
}

fn text(verdicts: &[Verdict], seconds: f64) -> String {
    let mut out = String::new();
    for v in verdicts {
        if v.refused.is_empty() {
            let _ =
                writeln!(out, "{:>3} of {}  {}  seed {}  receipt {}", v.score, v.max_score, v.file, v.seed, v.receipt);
        } else {
            let _ = writeln!(out, "refused   {}: {}", v.file, v.refused);
        }
        if !v.stopped.is_empty() {
            let _ = writeln!(out, "            {}", v.stopped);
        }
        for item in v.items.iter().filter(|item| v.refused.is_empty() && item.score < item.max_score) {
            let _ = writeln!(out, "            {} of {}: {}", item.score, item.max_score, line(&item.id, item));
        }
        if !v.same_log_as.is_empty() {
            let _ = writeln!(out, "            the same list of actions as {}", same(v, ", "));
        }
    }
    let refused = verdicts.iter().filter(|v| !v.refused.is_empty()).count();
    let same = verdicts.iter().filter(|v| !v.same_log_as.is_empty()).count();
    let _ = writeln!(
        out,
        "\n{} submissions, {refused} refused, {same} with a log that another has, {seconds:.1} s",
        verdicts.len()
    );
    out
}

/// The files with the same log; of many the first, and how many more.
fn same(v: &Verdict, between: &str) -> String {
    let more = v.same_logs.saturating_sub(v.same_log_as.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    v.same_log_as.join(between) + &more
}

fn line(id: &str, item: &Item) -> String {
    if item.hint.is_empty() { format!("{id} ({})", item.ask) } else { format!("{id}. {}", item.hint) }
}

/// RFC 4180. Cells that a spreadsheet would take for a formula are marked as text.
fn csv(verdicts: &[Verdict]) -> String {
    let ids: Vec<&str> = verdicts.first().map(|v| v.items.iter().map(|i| i.id.as_str()).collect()).unwrap_or_default();
    let mut rows = vec![];
    let head = ["file", "seed", "lesson", "score", "max_score", "receipt", "refused", "stopped", "same_log_as"];
    rows.push(head.iter().copied().chain(ids.iter().copied()).map(cell).collect::<Vec<_>>().join(","));
    for v in verdicts {
        let fixed = [
            v.file.clone(),
            v.seed.clone(),
            v.lesson.clone(),
            v.score.to_string(),
            v.max_score.to_string(),
            v.receipt.clone(),
            v.refused.clone(),
            v.stopped.clone(),
            same(v, " "),
        ];
        let points = v.items.iter().map(|item| item.score.to_string());
        rows.push(fixed.into_iter().chain(points).map(|text| cell(&text)).collect::<Vec<_>>().join(","));
    }
    rows.join("\r\n") + "\r\n"
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn junit(verdicts: &[Verdict]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ringside grade\">\n");
    for v in verdicts {
        let failures = v.items.iter().filter(|item| item.score < item.max_score).count();
        let (file, tests) = (xml(&v.file), v.items.len());
        let failures = if v.refused.is_empty() { failures } else { 0 };
        let errors = usize::from(!v.refused.is_empty());
        let tests = tests + errors;
        let _ = writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\">"
        );
        if errors > 0 {
            let why = xml(&v.refused);
            let _ = writeln!(
                out,
                "    <testcase classname=\"{file}\" name=\"submission\"><error message=\"{why}\"/></testcase>"
            );
        }
        for item in &v.items {
            let _ = write!(out, "    <testcase classname=\"{file}\" name=\"{}\">", xml(&item.id));
            if v.refused.is_empty() && item.score < item.max_score {
                let _ = write!(out, "<failure message=\"{}\"/>", xml(&line(&item.ask, item)));
            }
            out.push_str("</testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// `results.json` by the fields of Gradescope's autograder specification.
fn gradescope(verdicts: &[Verdict], seconds: f64) -> String {
    let Some(v) = verdicts.first() else {
        let output = "There is no submission: hand in the file that the page downloads.";
        return format!("{:#}\n", json!({ "score": 0, "output": output, "tests": [] }));
    };
    let tests: Vec<Value> = v.items.iter().map(gradescope_test).collect();
    let mut output = String::new();
    match (v.refused.as_str(), v.stopped.as_str()) {
        ("", "") => {}
        ("", stopped) => output.push_str(stopped),
        (refused, _) => {
            let _ = write!(output, "Not graded: {refused}.");
        }
    }
    if verdicts.len() > 1 {
        let _ = write!(output, " {} files were handed in; the best of them counts.", verdicts.len());
    }
    if !v.receipt.is_empty() {
        let _ = write!(output, " Receipt {}, seed {}.", v.receipt, v.seed);
    }
    let value = json!({
        "score": v.score,
        "execution_time": seconds.ceil() as u64,
        "output": output.trim(),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": { "log": v.log, "seed": v.seed, "receipt": v.receipt, "lesson": v.lesson },
    });
    format!("{value:#}\n")
}

fn gradescope_test(item: &Item) -> Value {
    let passed = item.score == item.max_score;
    json!({
        "name": item.ask,
        "number": item.id,
        "score": item.score,
        "max_score": item.max_score,
        "status": if passed { "passed" } else { "failed" },
        "output": item.hint,
        "output_format": "text",
        "visibility": "visible",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> Verdict {
        let item = |id: &str, score| Item {
            id: id.to_owned(),
            ask: "Do <this> & \"that\"".to_owned(),
            score,
            max_score: 2,
            hint: "Try, again".to_owned(),
        };
        Verdict {
            file: "=cmd|x".to_owned(),
            score: 2,
            max_score: 4,
            items: vec![item("a", 2), item("b", 0)],
            ..Verdict::default()
        }
    }

    #[test]
    fn what_students_wrote_stays_text_in_every_form() {
        let csv = write(Form::Csv, &[verdict()], 1.0);
        assert!(csv.lines().nth(1).is_some_and(|row| row.starts_with("'=cmd|x,")), "{csv}");
        let junit = write(Form::Junit, &[verdict()], 1.0);
        assert!(junit.contains("failures=\"1\"") && !junit.contains("<this>"), "{junit}");
        let results: Value = serde_json::from_str(&write(Form::Gradescope, &[verdict()], 1.2)).expect("JSON");
        assert_eq!((results["score"].as_u64(), results["tests"][1]["status"].as_str()), (Some(2), Some("failed")));
    }
}
