//! The place in a history that is looked at, and the world there.

use std::collections::VecDeque;

use super::Timeline;
use super::replay::Replay;
use crate::event::Event;
use crate::kernel::Trace;
use crate::pv_ops::PvOps;
use crate::step::Running;
use crate::world::World;

/// Forwards or backwards in a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Towards the newest event.
    Forward,
    /// Towards the first event.
    Back,
}

/// How many replayed sections are kept: as many as a picture of the history around the cursor reaches into.
const SECTIONS: usize = 10;

/// Where the history is looked at.
pub(super) struct Cursor<M> {
    /// How many events have happened there.
    position: u64,
    world: World,
    machine: M,
    /// Parts of the history as they were needed last, the latest first.
    sections: VecDeque<Section<M>>,
}

/// A part of a history from one keyframe to the next, replayed.
struct Section<M> {
    /// Events before it.
    first_event: u64,
    events: Vec<Event>,
    slots: Vec<SlotStart<M>>,
}

#[derive(Clone)]
struct SlotStart<M> {
    slot: u64,
    event: u64,
    action: usize,
    world: World,
    machine: M,
}

impl<M: PvOps + Clone + 'static> Cursor<M> {
    pub(super) fn at_start(running: &Running<M>) -> Self {
        Cursor {
            position: 0,
            world: running.world.clone(),
            machine: running.machine.clone(),
            sections: VecDeque::new(),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The history was changed under the cursor: nothing that it remembers is valid any more.
    pub(super) fn leave(&mut self) {
        self.sections.clear();
        self.position = u64::MAX;
    }
}

impl<M: PvOps + Clone + 'static> Timeline<M> {
    /// How many events have happened at the cursor.
    pub fn position(&self) -> u64 {
        self.cursor.position
    }

    /// The world at the cursor, which may be in the middle of a system call.
    pub fn world(&self) -> &World {
        &self.cursor.world
    }

    /// The machine at the cursor, as it was when what was done there was reported.
    pub fn machine(&self) -> &M {
        &self.cursor.machine
    }

    /// The event just before the cursor: the step that is shown.
    pub fn current_event(&mut self) -> Option<Event> {
        let index = self.cursor.position.checked_sub(1)?;
        self.event(index)
    }

    /// Event number `index`.
    pub fn event(&mut self, index: u64) -> Option<Event> {
        self.events_in(index, 1).into_iter().next()
    }

    /// Up to `count` events from number `first` on.
    pub fn events_in(&mut self, first: u64, count: usize) -> Vec<Event> {
        let mut found = Vec::with_capacity(count.min(4096));
        let mut at = first;
        while found.len() < count && at < self.events {
            let section = self.section_of(at);
            let offset = (at - section.first_event) as usize;
            let part = section.events.get(offset..).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            let take = part.len().min(count - found.len());
            found.extend_from_slice(&part[..take]);
            at += take as u64;
        }
        found
    }

    /// Moves the cursor to where `position` events have happened.
    pub fn seek(&mut self, position: u64) {
        let position = position.min(self.events);
        if position == self.cursor.position {
            return;
        }
        (self.cursor.world, self.cursor.machine) =
            if position == self.events { self.newest() } else { self.state_at(position) };
        self.cursor.position = position;
    }

    /// Moves the cursor to the end.
    pub fn to_end(&mut self) {
        self.cursor.position = self.events;
        (self.cursor.world, self.cursor.machine) = self.newest();
    }

    fn newest(&self) -> (World, M) {
        (self.head.world.clone(), self.head.machine.clone())
    }

    fn state_at(&mut self, position: u64) -> (World, M) {
        let Some(event) = position.checked_sub(1) else {
            let first = self.keyframes.first().map(|f| (f.world.clone(), f.machine.clone()));
            return first.unwrap_or_else(|| self.newest());
        };
        let Some(mut replay) = self.replay_to(event) else { return self.newest() };
        while replay.event <= event {
            let offset = (event - replay.event) as usize;
            let mut trace = Trace::keeping_world_at(offset);
            if !replay.next_slot(&self.actions, &mut trace) {
                break;
            }
            if let Some((world, machine)) = trace.kept {
                // What was kept is what runs here.
                let machine = machine.downcast::<M>().map_or_else(|_| replay.running.machine.clone(), |m| *m);
                return (world, machine);
            }
        }
        (replay.running.world, replay.running.machine)
    }

    /// The slots and actions that remain when the history is cut off at the end of the cursor's slot.
    pub(super) fn slot_after_cursor(&mut self) -> (u64, usize) {
        let Some(event) = self.cursor.position.checked_sub(1) else { return (0, 0) };
        let Some(mut replay) = self.replay_to(event) else { return (0, 0) };
        let mut trace = Trace::silent();
        while replay.event <= event {
            if !replay.next_slot(&self.actions, &mut trace) {
                break;
            }
        }
        (replay.slot, replay.action)
    }

    /// The last kept state between two slots before event number `event`.
    fn replay_to(&mut self, event: u64) -> Option<Replay<M>> {
        let section = self.section_of(event);
        let index = section.slots.partition_point(|s| s.event <= event).saturating_sub(1);
        let start = section.slots.get(index)?.clone();
        Some(Replay {
            running: Running::new(start.world, start.machine),
            slot: start.slot,
            event: start.event,
            action: start.action,
        })
    }

    /// The replayed part of the history that contains event number `event`.
    fn section_of(&mut self, event: u64) -> &Section<M> {
        let frame = self.keyframe_before(event);
        let first_event = self.keyframes.get(frame).map_or(0, |f| f.event);
        let end = self.keyframes.get(frame + 1).map_or(self.events, |f| f.event);
        let ends_there = |s: &Section<M>| s.first_event == first_event && first_event + s.events.len() as u64 == end;
        let sections = &self.cursor.sections;
        let section = match sections.iter().position(ends_there).and_then(|i| self.cursor.sections.remove(i)) {
            Some(section) => section,
            None => self.replay_section(frame, end),
        };
        let sections = &mut self.cursor.sections;
        // The same part as it was when it was shorter, or longer.
        sections.retain(|s| s.first_event != first_event);
        sections.truncate(SECTIONS - 1);
        sections.push_front(section);
        &self.cursor.sections[0]
    }

    fn replay_section(&self, frame: usize, end: u64) -> Section<M> {
        let Some(keyframe) = self.keyframes.get(frame) else {
            return Section { first_event: 0, events: Vec::new(), slots: Vec::new() };
        };
        let mut replay = Replay::from_keyframe(keyframe);
        let mut trace = Trace::new();
        let mut slots = Vec::new();
        // In a thinned-out history only some of the worlds between slots are kept.
        let large = if self.head.machine.is_large() { 8 } else { 1 };
        let every = (self.spacing / super::SLOTS_PER_KEYFRAME).max(1) * large;
        while replay.event < end {
            if (replay.slot - keyframe.slot).is_multiple_of(every) {
                slots.push(SlotStart {
                    slot: replay.slot,
                    event: replay.event,
                    action: replay.action,
                    world: replay.running.world.clone(),
                    machine: replay.running.machine.clone(),
                });
            }
            if !replay.next_slot(&self.actions, &mut trace) {
                break;
            }
        }
        Section { first_event: keyframe.event, events: trace.events, slots }
    }
}
