//! What has happened to processor time and to limits lately: the part of a history from which the strip of the
//! control groups is drawn. Like a transcript it grows with the history, is read anew where the cursor jumps, and
//! never becomes large.

use std::collections::{BTreeMap, VecDeque};

use kernel_model::event::{Event, EventKind};
use kernel_model::projection::cpu_time::concerns_time;
use kernel_model::pv_ops::PvOps;
use kernel_model::task::sched::CpuId;
use kernel_model::time::Nanos;
use kernel_model::timeline::Timeline;

/// Most events of the history that are read in one go.
const REACH: u64 = 12_000;
/// Most events that are kept.
const MAX_EVENTS: usize = 1000;
/// With fewer events than this before the cursor the reel is read anew, if there are more to be had.
const TOO_FEW: usize = 40;
/// The shortest slice that is kept when there are too many; each time it is not enough it becomes longer.
const GRAIN: Nanos = Nanos(20_000);

/// The events, each with its number.
#[derive(Default)]
pub struct Reel {
    events: VecDeque<(u64, Event)>,
    /// The first event of the history that was looked at, and the one after the last.
    first: u64,
    end: u64,
}

impl Reel {
    /// Forgets what came at or after this event: the history is another one from there on.
    pub fn cut(&mut self, event: u64) {
        self.events.truncate(self.before(event));
        self.end = self.end.min(event);
        self.first = self.first.min(event);
    }

    /// The events before the cursor, after reading on to it if the history is `calm`. The cursor stays where it is.
    pub fn up_to_cursor<M: PvOps + Clone + 'static>(&mut self, timeline: &mut Timeline<M>, calm: bool) -> Vec<Event> {
        let at = timeline.position();
        let floor = at.saturating_sub(REACH);
        if at < self.first || floor > self.end || (self.first > 0 && at < self.end && self.before(at) < TOO_FEW) {
            *self = Reel { first: floor, end: floor, ..Reel::default() };
        }
        if calm && at > self.end {
            let events = timeline.events_in(self.end, (at - self.end) as usize);
            let numbered = (self.end..).zip(events);
            self.events.extend(numbered.filter(|(_, event)| concerns_time(&event.kind)));
            self.end = at;
            self.thin_out();
        }
        self.events.iter().take(self.before(at)).map(|(_, event)| event.clone()).collect()
    }

    /// Leaves out slices that are too short to be seen, and then the oldest events.
    fn thin_out(&mut self) {
        let mut grain = GRAIN;
        while self.events.len() > MAX_EVENTS && grain < Nanos::SECOND {
            let mut next: BTreeMap<CpuId, Nanos> = BTreeMap::new();
            let mut kept = VecDeque::new();
            while let Some((number, event)) = self.events.pop_back() {
                let seen = match &event.kind {
                    EventKind::Switched { cpu, .. } | EventKind::Idled { cpu, .. } => {
                        next.insert(*cpu, event.at).is_none_or(|next| next - event.at > grain)
                    }
                    _ => true,
                };
                if seen {
                    kept.push_front((number, event));
                }
            }
            self.events = kept;
            grain = Nanos(grain.0 * 4);
        }
        while self.events.len() > MAX_EVENTS {
            self.first = self.events.pop_front().map_or(self.first, |(number, _)| number + 1);
        }
    }

    fn before(&self, event: u64) -> usize {
        self.events.partition_point(|(number, _)| *number < event)
    }
}
