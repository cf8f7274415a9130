//! Running a part of a history again.

use super::{Keyframe, Timeline};
use crate::action::{Stamped, When};
use crate::kernel::Trace;
use crate::pv_ops::PvOps;
use crate::step::{Running, Turn};

/// A state that is being replayed: at a boundary between two slots.
pub(super) struct Replay<M: PvOps> {
    pub(super) running: Running<M>,
    /// Slots before it.
    pub(super) slot: u64,
    /// Events before it.
    pub(super) event: u64,
    /// Actions before it.
    pub(super) action: usize,
}

impl<M: PvOps + Clone + 'static> Replay<M> {
    pub(super) fn from_keyframe(frame: &Keyframe<M>) -> Self {
        Replay {
            running: Running::new(frame.world.clone(), frame.machine.clone()),
            slot: frame.slot,
            event: frame.event,
            action: frame.action,
        }
    }

    /// Runs the next slot. False when there is none.
    pub(super) fn next_slot(&mut self, actions: &[Stamped], trace: &mut Trace) -> bool {
        let before = trace.count;
        let next = actions.get(self.action);
        let due = next.is_some_and(|s| s.when == When::AtTurn(self.running.world.turn));
        let taken = if due { false } else { self.running.turn(trace) == Turn::Taken };
        if !taken {
            let Some(stamped) = next else { return false };
            self.running.inject(&stamped.action, trace);
            self.action += 1;
        }
        self.slot += 1;
        self.event += (trace.count - before) as u64;
        true
    }
}

impl<M: PvOps + Clone + 'static> Timeline<M> {
    /// The last keyframe with at most `event` events before it.
    pub(super) fn keyframe_before(&self, event: u64) -> usize {
        self.keyframes.partition_point(|f| f.event <= event).saturating_sub(1)
    }

    /// Cuts the history off so that `slots` slots and `actions` actions remain.
    pub(super) fn cut_at_slot(&mut self, slots: u64, actions: usize) {
        let keep = self.keyframes.partition_point(|f| f.slot <= slots).max(1);
        self.keyframes.truncate(keep);
        self.actions.truncate(actions);
        self.action_starts.truncate(actions);
        self.restart_head(slots);
    }

    /// Cuts the history off just before an action.
    pub(super) fn cut_before_action(&mut self, action: usize) {
        let Some(start) = self.action_starts.get(action).copied() else { return };
        let mut replay = Replay::from_keyframe(&self.keyframes[self.frame_before_action(action, start)]);
        let mut trace = Trace::silent();
        while replay.action < action || replay.event < start {
            if !replay.next_slot(&self.actions[..action], &mut trace) {
                break;
            }
        }
        self.cut_at_slot(replay.slot, action);
    }

    fn frame_before_action(&self, action: usize, start: u64) -> usize {
        self.keyframes.partition_point(|f| f.event <= start && f.action <= action).saturating_sub(1)
    }

    /// Makes the newest state anew from the last keyframe, up to slot `slots`.
    fn restart_head(&mut self, slots: u64) {
        let Some(frame) = self.keyframes.last_mut() else { return };
        frame.families = 0;
        let mut replay = Replay::from_keyframe(frame);
        let mut families = 0;
        self.at_rest = false;
        while replay.slot < slots {
            let mut trace = Trace::new();
            if !replay.next_slot(&self.actions, &mut trace) {
                self.at_rest = true;
                break;
            }
            families |= super::families(&trace.events);
        }
        if let Some(frame) = self.keyframes.last_mut() {
            frame.families = families;
        }
        self.slots = replay.slot;
        self.events = replay.event;
        self.head = replay.running;
        // Whether there is more to come by itself is known only after trying.
        self.at_rest = self.head_is_at_rest();
        self.cursor.leave();
    }

    fn head_is_at_rest(&self) -> bool {
        let mut probe = self.head.clone();
        probe.turn(&mut Trace::silent()) == Turn::AtRest
    }
}
