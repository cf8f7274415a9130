//! Reading logs of strace(1): the lines, and the calls whose halves stand on two of them.
//!
//! All of strace's styles are read: with and without a column of pids, with timestamps, durations,
//! descriptors decorated by `-y` and `-yy`, abbreviated and full structures. A line that cannot be
//! read stays in the list with the reason and the column; it never stops the rest.

mod expr;
mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use expr::Expr;
pub(super) use line::typed_call;
pub use line::{Line, LineKind, Returned, TracedCall, Unparsed};

/// The largest log that is read, in bytes. The trees of a log take some ten times its size in memory.
pub const MAX_LOG: usize = 16 << 20;

/// A log that was read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Log {
    /// Its lines, all of them.
    pub lines: Vec<Line>,
    /// Calls on two lines, by the index of the line on which they begin.
    pub halves: BTreeMap<usize, Halves>,
    /// The index of the line on which a call begins, by that of the line on which it is resumed.
    pub begun: BTreeMap<usize, usize>,
}

/// A call that begins on one line and ends on another.
#[derive(Clone, PartialEq, Debug)]
pub struct Halves {
    /// The index of the line that resumes it; `None` when the log ends before.
    pub end: Option<usize>,
    /// The call as it would be on one line.
    pub call: TracedCall,
}

/// Why a log cannot be read at all.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum LogError {
    /// Larger than [`MAX_LOG`].
    #[error("the log has {0} bytes; at most {MAX_LOG} are read. Cut it, for example with `head -c 16M LOG`")]
    TooLarge(usize),
    /// Not text.
    #[error("this is not a text file (byte {1:#04x} at offset {0}); give the output of `strace -f -o FILE`")]
    Binary(usize, u8),
    /// Nothing in it.
    #[error("the log is empty; give the output of `strace -f -o FILE COMMAND`")]
    Empty,
}

/// Reads a log as it comes from a file.
pub fn parse_bytes(log: &[u8]) -> Result<Log, LogError> {
    Ok(Reading::of(log)?.to_end())
}

/// Reads a log.
pub fn parse(log: &str) -> Result<Log, LogError> {
    parse_bytes(log.as_bytes())
}

/// A log that is being read, some lines at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    text: String,
    /// Bytes of the text that have been read.
    read: usize,
    lines: Vec<Line>,
}

impl Reading {
    /// Begins to read a log as it comes from a file.
    ///
    /// # Errors
    /// When it is too large, empty, or no text.
    pub fn of(log: &[u8]) -> Result<Reading, LogError> {
        if log.len() > MAX_LOG {
            return Err(LogError::TooLarge(log.len()));
        }
        if let Some((offset, byte)) = not_text(log) {
            return Err(LogError::Binary(offset, byte));
        }
        let text = String::from_utf8_lossy(log).into_owned();
        if text.trim().is_empty() {
            return Err(LogError::Empty);
        }
        Ok(Reading { text, read: 0, lines: Vec::new() })
    }

    /// Bytes that have been read, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        (self.read, self.text.len())
    }

    /// Reads the next line. False when there is none.
    pub fn next_line(&mut self) -> bool {
        let rest = self.text.get(self.read..).unwrap_or_default();
        let Some(line) = rest.split_inclusive('\n').next() else { return false };
        self.read += line.len();
        // What `str::lines` leaves away.
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        self.lines.push(line::parse_line(self.lines.len() + 1, line));
        true
    }

    /// Reads what is left, and joins the calls that stand on two lines.
    pub fn to_end(mut self) -> Log {
        while self.next_line() {}
        let mut log = Log { lines: self.lines, ..Log::default() };
        log.mark_summary();
        log.join();
        log
    }
}

/// Where the text stops being text: at a zero byte, or early on where a tenth are control characters.
fn not_text(log: &[u8]) -> Option<(usize, u8)> {
    if let Some(zero) = log.iter().position(|b| *b == 0) {
        return Some((zero, 0));
    }
    let beginning = &log[..log.len().min(8192)];
    let odd = |b: &u8| *b < b' ' && !matches!(*b, b'\t' | b'\n' | b'\r' | 0x1b);
    let replaced = String::from_utf8_lossy(beginning).matches('\u{fffd}').count();
    let odd_ones = beginning.iter().filter(|b| odd(b)).count() + replaced;
    if odd_ones * 10 <= beginning.len() {
        return None;
    }
    let first = beginning.iter().position(|b| odd(b) || *b >= 0x80)?;
    Some((first, beginning[first]))
}

impl Log {
    /// The call that begins on the line with this index, whole.
    pub fn call_at(&self, index: usize) -> Option<&TracedCall> {
        match &self.lines.get(index)?.kind {
            LineKind::Call(call) => Some(call),
            _ => self.halves.get(&index).map(|h| &h.call),
        }
    }

    /// The lines that could not be read.
    pub fn unparsed(&self) -> impl Iterator<Item = (&Line, &Unparsed)> {
        self.lines.iter().filter_map(|line| match &line.kind {
            LineKind::Unparsed(why) => Some((line, why)),
            _ => None,
        })
    }

    /// The table that strace -c writes at the end is a remark, not a garbled log.
    fn mark_summary(&mut self) {
        let Some(start) = self.lines.iter().position(|l| l.text.trim_start().starts_with("% time ")) else { return };
        for line in &mut self.lines[start..] {
            let a_row = line.text.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-');
            if a_row && matches!(line.kind, LineKind::Unparsed(_)) {
                line.kind = LineKind::Note;
            }
        }
    }

    /// Joins the calls that stand on two lines.
    fn join(&mut self) {
        let mut open: BTreeMap<Option<u32>, usize> = BTreeMap::new();
        for at in 0..self.lines.len() {
            let pid = self.lines[at].pid;
            match &self.lines[at].kind {
                LineKind::Unfinished { .. } => {
                    if let Some(abandoned) = open.insert(pid, at) {
                        self.never_ended(abandoned);
                    }
                }
                LineKind::Superseded { by } => {
                    // The thread goes on under the number of the one that it has replaced.
                    if let Some(begin) = open.remove(&Some(*by)) {
                        open.insert(pid, begin);
                    }
                }
                LineKind::Resumed { rest, .. } => {
                    let Some(begin) = open.remove(&pid) else { continue };
                    let text = &self.lines[at].text;
                    match line::parse_joined(&self.lines[begin].text, rest) {
                        Ok(call) => {
                            self.halves.insert(begin, Halves { end: Some(at), call });
                            self.begun.insert(at, begin);
                        }
                        Err(mut why) => {
                            let before = text.len() - rest.len().min(text.len());
                            why.column += text.get(..before).map_or(0, |t| t.chars().count());
                            self.lines[at].kind = LineKind::Unparsed(why);
                            self.never_ended(begin);
                        }
                    }
                }
                LineKind::Exited { .. } | LineKind::Killed { .. } => {
                    if let Some(begin) = open.remove(&pid) {
                        self.never_ended(begin);
                    }
                }
                _ => {}
            }
        }
        for begin in open.into_values() {
            self.never_ended(begin);
        }
    }

    /// A call whose other half is not in the log.
    fn never_ended(&mut self, begin: usize) {
        if let LineKind::Unfinished { name, args } = &self.lines[begin].kind {
            let call = TracedCall { name: name.clone(), args: args.clone(), ret: Returned::Never, duration: None };
            self.halves.insert(begin, Halves { end: None, call });
        }
    }
}
