//! The part of a history around the cursor, as marks on a tape in three lanes: commands, calls, the
//! kernel's steps.

use kernel_model::event::{Event, EventKind, Family, Granularity};
use kernel_model::pv_ops::PvOps;
use kernel_model::timeline::Timeline;

use crate::step::short;

/// How many events are drawn before and after the cursor.
const REACH: u64 = 110;
/// The same while the history grows.
const HASTY_REACH: u64 = 32;

/// A window of the history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tape {
    /// Number of the first mark's event.
    pub first: u64,
    /// One mark an event.
    pub marks: Vec<Mark>,
    /// Things that last: commands and calls.
    pub spans: Vec<Span>,
    /// How many events have happened at the cursor.
    pub position: u64,
    /// How many there are.
    pub len: u64,
    /// The first event of the step that is shown.
    pub from: u64,
}

/// An event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Its family.
    pub family: Family,
    /// Its lane.
    pub granularity: Granularity,
    /// What it is, in a few words.
    pub label: String,
}

/// Something that lasts from one event to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Event with which it begins (or the first drawn one).
    pub first: u64,
    /// Event with which it ends (or the last drawn one).
    pub last: u64,
    /// Its lane.
    pub granularity: Granularity,
    /// What is written in it.
    pub text: String,
    /// It failed.
    pub failed: bool,
    /// It has begun before, or goes on after sleeping.
    pub slept: bool,
}

impl Tape {
    /// The tape around the cursor of a history; the step that is shown began before event `from`.
    pub fn of<M: PvOps + Clone + 'static>(timeline: &mut Timeline<M>, from: u64, calm: bool) -> Tape {
        let position = timeline.position();
        let reach = if calm { REACH } else { HASTY_REACH };
        let first = position.saturating_sub(reach);
        let events = timeline.events_in(first, (2 * reach) as usize);
        let world = timeline.world();
        let marks = events
            .iter()
            .map(|e| Mark {
                family: e.kind.family(),
                granularity: e.kind.granularity(),
                label: short(e, world, timeline.machine()),
            })
            .collect();
        Tape { first, marks, spans: spans(first, &events), position, len: timeline.len(), from }
    }
}

/// Commands and calls that begin or end among `events`.
fn spans(first: u64, events: &[Event]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open_calls: Vec<(Option<kernel_model::task::TaskId>, usize)> = Vec::new();
    let mut open_command: Option<usize> = None;
    for (event, at) in events.iter().zip(first..) {
        match &event.kind {
            EventKind::CommandBegan { text, .. } => {
                open_command = Some(spans.len());
                let text = text.lines().next().unwrap_or_default().to_owned();
                spans.push(span(at, Granularity::Command, text));
            }
            EventKind::CommandEnded { .. } => match open_command.take() {
                Some(i) => spans[i].last = at,
                None => {
                    let mut s = span(first, Granularity::Command, String::new());
                    (s.last, s.slept) = (at, true);
                    spans.push(s);
                }
            },
            EventKind::CallEntered { call } => {
                open_calls.push((event.task, spans.len()));
                spans.push(span(at, Granularity::Syscall, call.nr.name().to_owned()));
            }
            EventKind::CallReturned { call, result } => {
                let found = open_calls.iter().rposition(|(t, _)| *t == event.task);
                match found.map(|i| open_calls.remove(i).1) {
                    Some(i) => (spans[i].last, spans[i].failed) = (at, result.is_err()),
                    None => {
                        let mut s = span(at, Granularity::Syscall, call.nr.name().to_owned());
                        (s.failed, s.slept) = (result.is_err(), true);
                        spans.push(s);
                    }
                }
            }
            EventKind::CallSlept { .. } => {
                if let Some(i) = open_calls.iter().rposition(|(t, _)| *t == event.task) {
                    let (_, i) = open_calls.remove(i);
                    (spans[i].last, spans[i].slept) = (at, true);
                }
            }
            _ => {}
        }
    }
    if let Some(i) = open_command {
        spans[i].last = first + events.len() as u64;
    }
    spans
}

fn span(at: u64, granularity: Granularity, text: String) -> Span {
    Span { first: at, last: at, granularity, text, failed: false, slept: false }
}
