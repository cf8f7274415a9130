//! The transcript of a script: what a terminal showed, command by command.
//!
//! `$ ` and `> ` begin the lines of a command, what was written while it ran follows, then
//! `[exit N]` when the status was not 0.

use std::fmt::Write;

/// What became of one command of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The command, one or more lines without the last newline.
    pub command: String,
    /// Everything that arrived on the shell's output while it ran, also from background jobs.
    pub output: String,
    /// How it ended.
    pub end: End,
}

/// How a command of a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// The shell itself ended with it: nothing follows.
    ShellEnded,
    /// It was stopped from outside because it did not come to an end.
    OutOfBudget,
}

/// Writes the transcript of these commands.
///
/// ```
/// # use ringside::conformance::transcript::{End, Entry, write};
/// let entry = Entry { command: "for i in 1\ndo false\ndone".into(), output: "".into(), end: End::Status(1) };
/// assert_eq!(write(&[entry]), "$ for i in 1\n> do false\n> done\n[exit 1]\n");
/// ```
pub fn write(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        for (index, line) in entry.command.split('\n').enumerate() {
            let prompt = if index == 0 { "$" } else { ">" };
            let _ = writeln!(out, "{prompt} {line}");
        }
        out.push_str(&shown(&entry.output));
        let _ = match entry.end {
            End::Status(0) => Ok(()),
            End::Status(status) => writeln!(out, "[exit {status}]"),
            End::ShellEnded => writeln!(out, "[shell ended]"),
            End::OutOfBudget => writeln!(out, "[timeout]"),
        };
    }
    out
}

/// Output as complete lines. Empty lines at the end are dropped, unless there is nothing else.
fn shown(output: &str) -> String {
    let text = output.trim_end_matches('\n');
    if !text.is_empty() { format!("{text}\n") } else { output.to_owned() }
}

/// Cuts a normalised transcript into its entries: the text from one `$ ` to the next.
pub fn cut(transcript: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in transcript.split('\n') {
        if line.starts_with("$ ") {
            entries.push(line.to_owned());
        } else if let Some(entry) = entries.last_mut() {
            entry.push('\n');
            entry.push_str(line);
        }
    }
    for entry in &mut entries {
        entry.truncate(entry.trim_end_matches('\n').len());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_kept_only_when_alone() {
        assert_eq!(shown(""), "");
        assert_eq!(shown("a"), "a\n");
        assert_eq!(shown("a\n\n\n"), "a\n");
        assert_eq!(shown("\n\n"), "\n\n");
    }
}
