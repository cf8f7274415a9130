//! Traps: what the shell does when a signal comes, and at its end.

use std::sync::Arc;

use super::Shell;
use super::ast::TimeFormat;
use super::state::{Frame, SourceKind};
use crate::task::signal::{Disposition, Signal};

/// The number under which the trap for EXIT is kept.
pub(super) const EXIT: u8 = 0;

impl Shell {
    /// Lets caught signals take effect between two commands. Whether that changed what comes next.
    pub(super) async fn signals(&mut self) -> bool {
        self.note_signals();
        if self.st.caught.has(Signal::CHLD) {
            self.reap().await;
        }
        if self.st.children_to_trap > 0 {
            let times = std::mem::take(&mut self.st.children_to_trap);
            // While the trap runs, no other one for a child does.
            let running = self.st.frames.iter().any(|f| matches!(f, Frame::TrapEnd { .. }));
            if let Some(action) = self.st.trap(Signal::CHLD).cloned().filter(|_| !running) {
                let line = self.st.line.max(1);
                let text: Arc<str> = vec![&*action; times as usize].join("\n").into();
                self.st.frames.push_back(Frame::TrapEnd { status: self.st.status });
                self.st.frames.push_back(Frame::Source { text, at: 0, line, kind: SourceKind::Trap });
                return true;
            }
        }
        let Some(signal) = self.st.caught.lowest() else { return false };
        self.st.caught.remove(signal);
        match self.st.trap(signal).cloned() {
            Some(action) if !action.is_empty() => {
                self.st.frames.push_back(Frame::TrapEnd { status: self.st.status });
                let frame = Frame::Source { text: action, at: 0, line: self.st.line.max(1), kind: SourceKind::Trap };
                self.st.frames.push_back(frame);
                true
            }
            _ if signal == Signal::INT && self.is_interactive() => {
                if self.st.frames.is_empty() {
                    return false;
                }
                self.leave(super::Flow::Abort(128 + i32::from(Signal::INT.0))).await;
                true
            }
            _ => false,
        }
    }

    /// At the end of the process: whether there is a trap to run first.
    pub(super) fn exit_trap(&mut self) -> bool {
        let Some(action) = self.st.traps.remove(&EXIT).filter(|a| !a.is_empty()) else { return false };
        let status = self.st.status;
        self.st.frames.push_back(Frame::ProcessEnd);
        self.st.frames.push_back(Frame::TrapEnd { status });
        let line = self.st.line.max(1);
        self.st.frames.push_back(Frame::Source { text: action, at: 0, line, kind: SourceKind::Trap });
        true
    }

    /// Sets a trap: `None` restores the default, an empty text ignores.
    pub(super) async fn set_trap(&mut self, number: u8, action: Option<Arc<str>>) {
        let signal = Signal(number);
        if number != EXIT && self.st.ignored_at_start.has(signal) {
            return;
        }
        let disposition = match &action {
            Some(text) if text.is_empty() => Disposition::Ignore,
            Some(_) => Disposition::Handler { restart: false },
            None if signal == Signal::CHLD => Disposition::Handler { restart: true },
            None if signal == Signal::INT && self.is_interactive() => Disposition::Handler { restart: false },
            None => Disposition::Default,
        };
        match action {
            Some(text) => self.st.traps.insert(number, text),
            None => self.st.traps.remove(&number),
        };
        if number != EXIT && !signal.is_unstoppable() {
            let _ = self.sys.sigaction(signal, disposition).await;
        }
    }

    /// Prints what the keyword `time` says.
    pub(super) async fn print_times(&mut self, since: u64, format: TimeFormat) {
        let now = self.sys.clock_gettime(1).await.unwrap_or(since);
        let real = now.saturating_sub(since);
        let (minutes, seconds, millis) = (real / 60_000_000_000, real / 1_000_000_000, real / 1_000_000 % 1000);
        let text = match format {
            TimeFormat::Bash => {
                format!("\nreal\t{minutes}m{}.{millis:03}s\nuser\t0m0.000s\nsys\t0m0.000s\n", seconds % 60)
            }
            TimeFormat::Posix => format!("real {seconds}.{:02}\nuser 0.00\nsys 0.00\n", millis / 10),
        };
        self.sys.eprint(text).await;
    }
}

/// The name by which `trap` lists a signal.
pub(super) fn trap_name(number: u8, posix: bool) -> String {
    match (number, posix) {
        (EXIT, _) => "EXIT".to_owned(),
        (n, true) => Signal(n).short_name(),
        (n, false) => format!("SIG{}", Signal(n).short_name()),
    }
}

/// The number of the signal that `trap` and `kill` are told; 0 is EXIT.
pub(super) fn signal_number(name: &str) -> Option<u8> {
    if name == "0" || name.eq_ignore_ascii_case("EXIT") {
        return Some(EXIT);
    }
    let real_time = |text: &str| {
        let text = text.to_ascii_uppercase();
        let text = text.strip_prefix("SIG").unwrap_or(&text).to_owned();
        if let Some(n) = text.strip_prefix("RTMIN") {
            let offset = if n.is_empty() { 0 } else { n.strip_prefix('+')?.parse::<u8>().ok()? };
            return Some(34 + offset).filter(|n| *n <= 64);
        }
        let n = text.strip_prefix("RTMAX")?;
        let offset = if n.is_empty() { 0 } else { n.strip_prefix('-')?.parse::<u8>().ok()? };
        Some(64 - offset.min(64)).filter(|n| *n >= 34)
    };
    Signal::from_name(name).map(|s| s.0).or_else(|| real_time(name))
}
