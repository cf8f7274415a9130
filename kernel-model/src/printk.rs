//! The kernel's log, as syslog(2) and dmesg(1) read it (`kernel/printk`): a ring of lines, each with its moment and
//! its level. Audit messages go here, too, because nobody listens for them elsewhere.
//!
//! Elsewhere: who writes ([`crate::security::audit`]), who reads (`syscall::process::syslog`, `program::util_linux::dmesg`).

use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;
use crate::time::Nanos;

/// How many lines are kept; the oldest goes first.
const MAX_LINES: usize = 1024;

/// `KERN_NOTICE`, with which audit messages come.
pub const NOTICE: u8 = 5;
/// `KERN_INFO`.
pub const INFO: u8 = 6;

/// A line of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// When it was written, since boot.
    pub at: Nanos,
    /// How bad it is: 0 (`KERN_EMERG`) to 7 (`KERN_DEBUG`).
    pub level: u8,
    /// The text, without a newline.
    pub text: Arc<str>,
}

/// The log of one kernel.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Log {
    /// The lines, oldest first.
    pub lines: Vector<Line>,
    /// How many lines have been cleared (`SYSLOG_ACTION_CLEAR`), of those that are kept.
    pub cleared: usize,
    /// The number that the audit message after this one gets.
    pub audit_serial: u64,
}

impl Log {
    /// The text of syslog(2): `<5>[   10.000123] text`, a line each, of what has come since it was cleared.
    pub fn text(&self, all: bool) -> String {
        let skip = if all { 0 } else { self.cleared };
        self.lines.iter().skip(skip).map(Line::text).collect()
    }
}

impl Line {
    /// As syslog(2) gives it, with a newline.
    pub fn text(&self) -> String {
        let (seconds, micros) = (self.at.seconds(), self.at.subsec_nanos() / 1000);
        format!("<{}>[{seconds:>5}.{micros:06}] {}\n", self.level, self.text)
    }
}

impl Kernel<'_> {
    /// Writes a line to the kernel's log.
    pub fn printk(&mut self, level: u8, text: &str) {
        let at = self.clock;
        let log = &mut self.log;
        log.lines.push_back(Line { at, level, text: text.into() });
        if log.lines.len() > MAX_LINES {
            log.lines.pop_front();
            log.cleared = log.cleared.saturating_sub(1);
        }
    }
}
