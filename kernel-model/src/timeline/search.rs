//! Moving the cursor by meaning: to the next command, call or step, into, over and out of, and to the
//! next event of some family.

use super::{Direction, Timeline};
use crate::event::{Event, EventKind, Family, Granularity};
use crate::pv_ops::PvOps;

/// How a step treats what is nested in the event at the cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stride {
    /// To the very next event.
    Into,
    /// To the end of what has just begun; otherwise to the next event.
    Over,
    /// To the end of the call or command that the cursor is in.
    Out,
}

/// How many events are looked at in one go.
const PAGE: usize = 256;

impl<M: PvOps + Clone + 'static> Timeline<M> {
    /// Moves to the next event that is a step at this granularity. Whether the cursor moved.
    pub fn step(&mut self, granularity: Granularity, direction: Direction) -> bool {
        if direction == Direction::Forward && self.position() == self.len() {
            return false;
        }
        let target = match granularity {
            Granularity::Micro => self.neighbour(direction),
            coarse => self.find(direction, u32::MAX, |e| e.kind.granularity() <= coarse),
        };
        self.go(target, direction)
    }

    /// Moves into, over or out of what the cursor is at. Whether the cursor moved.
    pub fn stride(&mut self, stride: Stride, direction: Direction) -> bool {
        let target = match (stride, self.boundary_event(direction)) {
            (Stride::Into, _) | (_, None) => self.neighbour(direction),
            (Stride::Over, Some(event)) => match over(&event, direction) {
                Some(matches) => self.find(direction, u32::MAX, matches),
                None => self.neighbour(direction),
            },
            (Stride::Out, Some(event)) => {
                let coarser = event.kind.granularity();
                let task = event.task;
                self.find(direction, u32::MAX, move |e| {
                    e.kind.granularity() < coarser && (e.task == task || e.kind.granularity() == Granularity::Command)
                })
            }
        };
        self.go(target, direction)
    }

    /// Moves to the next event of a family. Whether there was one.
    pub fn run_until(&mut self, family: Family, direction: Direction) -> bool {
        let target = self.find(direction, 1 << family.index(), move |e| e.kind.family() == family);
        match target {
            Some(position) => self.go(Some(position), direction),
            None => false,
        }
    }

    fn go(&mut self, target: Option<u64>, direction: Direction) -> bool {
        let before = self.position();
        let end = match direction {
            Direction::Forward => self.len(),
            Direction::Back => 0,
        };
        self.seek(target.unwrap_or(end));
        self.position() != before
    }

    fn neighbour(&self, direction: Direction) -> Option<u64> {
        match direction {
            Direction::Forward => Some((self.position() + 1).min(self.len())),
            Direction::Back => self.position().checked_sub(1),
        }
    }

    /// The event that a step from the cursor starts at: the one shown.
    fn boundary_event(&mut self, _direction: Direction) -> Option<Event> {
        self.current_event()
    }

    /// The position just after the nearest event beyond the cursor that `matches`. Keyframes whose summary
    /// has none of `families` are skipped unread.
    fn find(&mut self, direction: Direction, families: u32, matches: impl Fn(&Event) -> bool) -> Option<u64> {
        match direction {
            Direction::Forward => {
                let mut at = self.position();
                while at < self.len() {
                    let frame = self.keyframe_before(at);
                    let end = self.keyframes.get(frame + 1).map_or(self.len(), |f| f.event);
                    if self.keyframes[frame].families & families == 0 && end > at {
                        at = end;
                        continue;
                    }
                    let page = self.events_in(at, PAGE.min((end.max(at + 1) - at) as usize));
                    if page.is_empty() {
                        return None;
                    }
                    if let Some(i) = page.iter().position(&matches) {
                        return Some(at + i as u64 + 1);
                    }
                    at += page.len() as u64;
                }
                None
            }
            Direction::Back => {
                // The event shown is the one just before the cursor: look at those before it.
                let mut end = self.position().checked_sub(1)?;
                while end > 0 {
                    let frame = self.keyframe_before(end - 1);
                    let start = self.keyframes[frame].event;
                    if self.keyframes[frame].families & families == 0 && start < end {
                        end = start;
                        continue;
                    }
                    let from = end.saturating_sub(PAGE as u64).max(start);
                    let page = self.events_in(from, (end - from) as usize);
                    if let Some(i) = page.iter().rposition(&matches) {
                        return Some(from + i as u64 + 1);
                    }
                    end = from;
                }
                None
            }
        }
    }
}

/// A question about an event.
type Matches = Box<dyn Fn(&Event) -> bool>;

/// What ends (or, going back, began) the thing that `event` began (or ended); `None` for an event without an inside.
fn over(event: &Event, direction: Direction) -> Option<Matches> {
    let task = event.task;
    match (&event.kind, direction) {
        (EventKind::CallEntered { .. }, Direction::Forward) => Some(Box::new(move |e| {
            e.task == task && matches!(e.kind, EventKind::CallReturned { .. } | EventKind::Exited { .. })
        })),
        (EventKind::CallReturned { .. }, Direction::Back) => {
            Some(Box::new(move |e| e.task == task && matches!(e.kind, EventKind::CallEntered { .. })))
        }
        (EventKind::CommandBegan { console, .. }, Direction::Forward) => {
            let console = *console;
            Some(Box::new(move |e| matches!(&e.kind, EventKind::CommandEnded { console: c, .. } if *c == console)))
        }
        (EventKind::CommandEnded { console, .. }, Direction::Back) => {
            let console = *console;
            Some(Box::new(move |e| matches!(&e.kind, EventKind::CommandBegan { console: c, .. } if *c == console)))
        }
        _ => None,
    }
}
