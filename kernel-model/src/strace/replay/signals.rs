//! Handlers that the log does not show: recordings leave rt_sigaction(2) out, but a process that lives on after
//! a signal that ends it by default must have set a handler since it last called execve(2).

use std::collections::BTreeMap;

use super::super::constant;
use super::super::parse::{LineKind, Log};
use crate::task::signal::{DefaultAction, Signal};

/// The signals that a process outlived, by the index of the line before which it must have set their handlers:
/// its first line, or the first after its last execve(2) before the signal.
pub(super) fn survived(log: &Log) -> BTreeMap<usize, Vec<i64>> {
    let mut lines_of: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
    for (at, line) in log.lines.iter().enumerate() {
        lines_of.entry(line.pid).or_default().push(at);
    }
    let mut handlers: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for lines in lines_of.values() {
        let mut since = lines[0];
        for (nth, at) in lines.iter().enumerate() {
            let next = lines.get(nth + 1).copied();
            if ends_exec(log, *at) {
                since = next.unwrap_or(*at);
            }
            let LineKind::Signal { name, .. } = &log.lines[*at].kind else { continue };
            let Some(signal) = constant(name).filter(|_| next.is_some_and(|next| goes_on(log, next))) else { continue };
            let fatal = u8::try_from(signal).is_ok_and(|nr| ends_by_default(Signal(nr)));
            let known = handlers.entry(since).or_default();
            if fatal && !known.contains(&signal) {
                known.push(signal);
            }
        }
    }
    handlers.retain(|_, signals| !signals.is_empty());
    handlers
}

/// Whether the process does something else on this line than end.
fn goes_on(log: &Log, at: usize) -> bool {
    matches!(log.lines[at].kind, LineKind::Call(_) | LineKind::Unfinished { .. } | LineKind::Resumed { .. })
}

/// Whether an execve(2) has succeeded on this line: what was set before it is gone.
fn ends_exec(log: &Log, at: usize) -> bool {
    let call = match &log.lines[at].kind {
        LineKind::Call(call) => Some(call),
        LineKind::Resumed { .. } => log.begun.get(&at).and_then(|begun| log.halves.get(begun)).map(|half| &half.call),
        _ => None,
    };
    call.is_some_and(|c| matches!(c.name.as_str(), "execve" | "execveat") && c.ret.value() == Some(0))
}

fn ends_by_default(signal: Signal) -> bool {
    matches!(signal.default_action(), DefaultAction::Terminate | DefaultAction::Core)
}
