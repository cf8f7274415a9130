//! A place that histories of the same actions have in common, whatever the machines are on which they were made.
//!
//! What a kernel does is the same on every machine; what a machine tells comes between. So a place is counted in the
//! kernel's own events, from the beginning of an action.

use super::Timeline;
use crate::event::{Event, EventKind};
use crate::projection::label::label;
use crate::projection::machine::seen;
use crate::pv_ops::PvOps;

/// A place in a history: so many actions, and so many events of the kernel's own since the last of them began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    actions: usize,
    events: u64,
}

/// How many events are looked at in one go.
const PAGE: usize = 1024;

impl<M: PvOps + Clone + 'static> Timeline<M> {
    /// Where the cursor is.
    pub fn place(&mut self) -> Place {
        let at = self.position();
        let actions = self.actions_before(at);
        let mut from = self.start_of(actions);
        let mut events = 0;
        while from < at {
            let page = self.events_in(from, PAGE.min((at - from) as usize));
            if page.is_empty() {
                break;
            }
            events += page.iter().filter(|e| !matches!(e.kind, EventKind::Machine(_))).count() as u64;
            from += page.len() as u64;
        }
        Place { actions, events }
    }

    /// Moves the cursor to a place; to the end where the history does not reach it.
    pub fn seek_place(&mut self, place: Place) {
        let mut from = self.start_of(place.actions);
        let mut left = place.events;
        while left > 0 && from < self.len() {
            let page = self.events_in(from, PAGE);
            if page.is_empty() {
                break;
            }
            for event in page {
                if left == 0 {
                    break;
                }
                from += 1;
                left -= u64::from(!matches!(event.kind, EventKind::Machine(_)));
            }
        }
        self.seek(from);
    }

    /// Moves the cursor to the first step of the last action whose label contains `name`, whichever kernel on the machine
    /// made it; to the end where there is none.
    pub fn seek_step(&mut self, name: &str) {
        let mut from = self.start_of(self.action_starts().len());
        while from < self.len() {
            let page = self.events_in(from, PAGE);
            let is_it = |event: &Event| {
                let (inner, world, _) = seen(event, self.head(), self.machine_at_head());
                label(&inner.kind, world).contains(name)
            };
            if let Some(at) = page.iter().position(is_it) {
                return self.seek(from + at as u64 + 1);
            }
            if page.is_empty() {
                break;
            }
            from += page.len() as u64;
        }
        self.seek(self.len());
    }

    /// How many events there were before the last of so many actions began.
    fn start_of(&self, actions: usize) -> u64 {
        actions.checked_sub(1).and_then(|i| self.action_starts().get(i)).copied().unwrap_or(0)
    }
}
