//! Logs of strace: how one is read and run on the model bit by bit, and the one that is looked at.

use std::rc::Rc;

use kernel_model::strace::LogError;
use kernel_model::strace::parse::{Log, Reading};
use kernel_model::strace::replay::{Replay, Replaying};

/// What the page knows of logs.
#[derive(Default)]
pub struct Logs {
    /// What is in the field for logs.
    pub draft: String,
    /// Why a log could not be read.
    pub error: Option<String>,
    /// A log that is being read or run.
    work: Option<Work>,
    /// The log that is looked at.
    pub open: Option<OpenLog>,
    /// Whether it is shown in the place of the console.
    pub shown: bool,
}

/// A log that is looked at.
#[derive(Clone, Debug)]
pub struct OpenLog {
    /// What became of its lines.
    pub replay: Rc<Replay>,
    /// The line that is shown, as an index.
    pub line: usize,
    /// Only lines with this verdict are listed.
    pub only: Option<&'static str>,
}

impl PartialEq for OpenLog {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.replay, &other.replay) && self.line == other.line && self.only == other.only
    }
}

enum Work {
    Reading(Reading),
    // Joining and setting the stage look at the whole log: a slice of their own.
    Read(Log),
    Running(Box<Replaying>),
}

/// How far the work on a log has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is being done.
    pub what: &'static str,
    /// How much of it is done, in hundredths.
    pub percent: u8,
}

/// Lines between two looks at the clock.
const LINES_PER_LOOK: usize = 16;

impl Logs {
    /// Begins to read a log. One that cannot be read at all says why.
    pub fn begin(&mut self, bytes: &[u8]) {
        match Reading::of(bytes) {
            Ok(reading) => {
                self.work = Some(Work::Reading(reading));
                self.error = None;
                self.draft.clear();
            }
            Err(why) => self.refuse(&why),
        }
    }

    fn refuse(&mut self, why: &LogError) {
        self.error = Some(why.to_string());
    }

    /// Whether a log is being read or run.
    pub fn at_work(&self) -> bool {
        self.work.is_some()
    }

    /// Gives the work up; nothing of what was there before has changed.
    pub fn cancel(&mut self) {
        self.work = None;
    }

    /// How far it is.
    pub fn progress(&self) -> Option<Progress> {
        let (what, (done, all)) = match self.work.as_ref()? {
            Work::Reading(reading) => (t!("reading the log"), reading.progress()),
            Work::Read(_) => (t!("setting the stage"), (0, 1)),
            Work::Running(running) => (t!("replaying the log"), running.progress()),
        };
        Some(Progress { what, percent: (done * 100 / all.max(1)).min(100) as u8 })
    }

    /// Works while `time_left` says so. The replay when that was the end of it.
    pub fn work(&mut self, mut time_left: impl FnMut() -> bool) -> Option<Replay> {
        while time_left() {
            self.work = Some(match self.work.take()? {
                Work::Reading(mut reading) => match (0..LINES_PER_LOOK).all(|_| reading.next_line()) {
                    true => Work::Reading(reading),
                    false => Work::Read(reading.to_end()),
                },
                Work::Read(log) => Work::Running(Box::new(Replaying::of(log))),
                Work::Running(mut running) => {
                    if !running.next_line() {
                        return Some(running.to_end());
                    }
                    Work::Running(running)
                }
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_run_in_slices_and_can_be_given_up() {
        let text = "1 getpid() = 1\n".repeat(100);
        let mut logs = Logs::default();
        logs.begin(text.as_bytes());
        let (mut slices, mut replay) = (0, None);
        while replay.is_none() {
            assert!(logs.at_work());
            let mut once = true;
            replay = logs.work(|| std::mem::take(&mut once));
            slices += 1;
        }
        assert!(slices > 100, "{slices}");
        assert_eq!(replay.map(|r| r.lines.len()), Some(100));
        assert!(!logs.at_work());

        logs.begin(text.as_bytes());
        logs.cancel();
        assert_eq!((logs.progress(), logs.work(|| true)), (None, None));
    }

    #[test]
    fn what_is_no_log_leaves_the_draft() {
        let mut logs = Logs { draft: "\u{0}".to_owned(), ..Logs::default() };
        logs.begin(b"\0");
        assert!(logs.error.is_some() && !logs.draft.is_empty() && !logs.at_work());
    }
}
