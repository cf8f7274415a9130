//! A history: the actions that were taken, and the state at any step of them.
//!
//! The truth is the list of actions; everything else here can be computed from it again. A history is
//! cut into *slots*: an action put in from outside is one slot, each turn of the world is one. Every few
//! slots the world is kept (a *keyframe*, cheap because worlds share what they have in common), with a
//! summary of what happened until the next one. Finding the state at an event means: nearest keyframe
//! before it, replay to its slot, run that slot and keep the world when the event is emitted.
//!
//! When a history grows long, every second keyframe is dropped, so their number stays bounded and a
//! seek costs at most [`MAX_KEYFRAMES`]-th of the history.

mod cursor;
mod place;
mod replay;
mod search;

use serde::{Deserialize, Serialize};

use crate::action::{Action, Stamped, When};
use crate::event::Event;
use crate::kernel::Trace;
use crate::pv_ops::PvOps;
use crate::step::{Running, Turn};
use crate::world::{Config, World};

pub use cursor::Direction;
pub use place::Place;
pub use search::Stride;

/// How many slots lie between keyframes in a short history.
const SLOTS_PER_KEYFRAME: u64 = 32;
/// How many keyframes are kept before every second one is dropped; a sixteenth of that where the machine is large.
pub const MAX_KEYFRAMES: usize = 4096;

/// All that is needed to make a history again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The world that was booted.
    pub config: Config,
    /// What was done to it.
    pub actions: Vec<Stamped>,
}

/// A history with a cursor in it. `M` is the machine below the kernel.
pub struct Timeline<M: PvOps + Clone + 'static> {
    config: Config,
    /// The actions of the branch that is shown.
    actions: Vec<Stamped>,
    /// Where each action's slot begins: the number of events before it.
    action_starts: Vec<u64>,
    /// Other futures: what was done after a point of the past, and given up by acting differently there.
    branches: Vec<Vec<Stamped>>,
    /// The newest state.
    head: Running<M>,
    /// Slots so far.
    slots: u64,
    /// Events so far.
    events: u64,
    /// The newest state can move on by itself.
    at_rest: bool,
    keyframes: Vec<Keyframe<M>>,
    spacing: u64,
    cursor: cursor::Cursor<M>,
}

/// A kept world, and what happens from there to the next one.
#[derive(Clone)]
struct Keyframe<M> {
    /// Slots before it.
    slot: u64,
    /// Events before it.
    event: u64,
    /// Actions before it.
    action: usize,
    /// Families of the events until the next keyframe: bit N for family N.
    families: u32,
    world: World,
    machine: M,
}

impl<M: PvOps + Clone + 'static> Timeline<M> {
    /// Boots a world on `machine` and lets it come to rest.
    pub fn new(config: Config, machine: M) -> Self {
        let head = Running::boot(config, machine);
        let mut timeline = Timeline {
            config,
            actions: Vec::new(),
            action_starts: Vec::new(),
            branches: Vec::new(),
            cursor: cursor::Cursor::at_start(&head),
            head,
            slots: 0,
            events: 0,
            at_rest: false,
            keyframes: Vec::new(),
            spacing: SLOTS_PER_KEYFRAME,
        };
        timeline.keep_frame();
        timeline.run(BOOT_TURNS);
        timeline.to_end();
        timeline
    }

    /// Makes the history of a session, at most `budget` turns of it. The cursor is at its end.
    pub fn replay(session: &Session, machine: M, budget: u64) -> Self {
        let mut timeline = Timeline::new(session.config, machine);
        timeline.replay_actions(&session.actions, budget);
        timeline.to_end();
        timeline
    }

    fn replay_actions(&mut self, actions: &[Stamped], budget: u64) {
        let mut left = budget;
        for stamped in actions {
            match stamped.when {
                When::AtRest => {
                    while !self.at_rest && left > 0 {
                        self.take_slot();
                        left -= 1;
                    }
                }
                When::AtTurn(turn) => {
                    while self.head.world.turn < turn && !self.at_rest && left > 0 {
                        self.take_slot();
                        left -= 1;
                    }
                }
            }
            if left == 0 {
                return;
            }
            self.put_in(stamped.action.clone());
        }
        self.run(left);
    }

    /// The world that was booted, and the number of the machine below it.
    pub fn session_config(&self) -> Config {
        self.config
    }

    /// What makes this history again.
    pub fn session(&self) -> Session {
        Session { config: self.config, actions: self.actions.clone() }
    }

    /// The session up to the cursor: for a link to what is shown.
    pub fn session_at_cursor(&self) -> Session {
        let actions = self.actions_before(self.cursor.position());
        Session { config: self.config, actions: self.actions[..actions].to_vec() }
    }

    /// How many actions were put in before this event.
    pub fn actions_before(&self, event: u64) -> usize {
        self.action_starts.partition_point(|start| *start < event)
    }

    /// The actions of the branch that is shown.
    pub fn actions(&self) -> &[Stamped] {
        &self.actions
    }

    /// Where each action of the branch begins: the number of events before it.
    pub fn action_starts(&self) -> &[u64] {
        &self.action_starts
    }

    /// Acts at the cursor. In the past this starts a new branch there and keeps the old one; in the middle
    /// of a turn it acts at the end of that turn. The cursor goes to the end.
    pub fn act(&mut self, action: Action) {
        if self.cursor.position() < self.events {
            self.fork_at_cursor();
        }
        self.put_in(action);
        self.to_end();
    }

    /// Futures that were given up, oldest first.
    pub fn branches(&self) -> &[Vec<Stamped>] {
        &self.branches
    }

    /// Keeps another future that was made elsewhere, as one that was given up.
    pub fn keep_branch(&mut self, actions: Vec<Stamped>) {
        self.branches.push(actions);
    }

    /// Shows another branch; the present one is kept in its place.
    pub fn switch_branch(&mut self, index: usize, budget: u64) {
        let Some(target) = self.branches.get(index).cloned() else { return };
        let own = std::mem::take(&mut self.actions);
        let common = own.iter().zip(&target).take_while(|(a, b)| a == b).count();
        self.branches[index] = own.clone();
        self.actions = own;
        self.cut_before_action(common);
        self.replay_actions(&target[common..], budget);
        self.to_end();
    }

    /// Lets the newest state move on, at most `budget` turns. Whether it came to rest.
    pub fn run(&mut self, budget: u64) -> bool {
        let followed = self.cursor.position() == self.events;
        for _ in 0..budget {
            if self.at_rest {
                break;
            }
            self.take_slot();
        }
        if followed {
            self.to_end();
        }
        self.at_rest
    }

    /// Whether the newest state has come to rest.
    pub fn is_at_rest(&self) -> bool {
        self.at_rest
    }

    /// How many events there are.
    pub fn len(&self) -> u64 {
        self.events
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The machine below the newest state.
    pub fn machine_at_head(&self) -> &M {
        &self.head.machine
    }

    /// The newest state.
    pub fn head(&self) -> &World {
        &self.head.world
    }

    // --- growing ---

    fn put_in(&mut self, action: Action) {
        let when = if self.at_rest { When::AtRest } else { When::AtTurn(self.head.world.turn) };
        self.action_starts.push(self.events);
        let mut trace = Trace::new();
        self.head.inject(&action, &mut trace);
        self.actions.push(Stamped { when, action });
        self.at_rest = false;
        self.slot_taken(&trace.events);
    }

    fn take_slot(&mut self) {
        let mut trace = Trace::new();
        if self.head.turn(&mut trace) == Turn::AtRest {
            self.at_rest = true;
            return;
        }
        self.slot_taken(&trace.events);
    }

    fn slot_taken(&mut self, events: &[Event]) {
        self.slots += 1;
        self.events += events.len() as u64;
        if let Some(frame) = self.keyframes.last_mut() {
            frame.families |= families(events);
        }
        if self.keyframes.last().is_none_or(|f| self.slots >= f.slot + self.spacing) {
            self.keep_frame();
        }
    }

    fn keep_frame(&mut self) {
        let most = if self.head.machine.is_large() { MAX_KEYFRAMES / 16 } else { MAX_KEYFRAMES };
        if self.keyframes.len() >= most {
            self.thin_out();
        }
        self.keyframes.push(Keyframe {
            slot: self.slots,
            event: self.events,
            action: self.actions.len(),
            families: 0,
            world: self.head.world.clone(),
            machine: self.head.machine.clone(),
        });
    }

    /// Drops every second keyframe; the summaries of the dropped ones go to their predecessors.
    fn thin_out(&mut self) {
        let mut kept: Vec<Keyframe<M>> = Vec::with_capacity(self.keyframes.len() / 2 + 1);
        for (i, frame) in std::mem::take(&mut self.keyframes).into_iter().enumerate() {
            match kept.last_mut() {
                Some(last) if i % 2 == 1 => last.families |= frame.families,
                _ => kept.push(frame),
            }
        }
        self.keyframes = kept;
        self.spacing *= 2;
    }

    // --- branching ---

    /// Keeps the present future as a branch and cuts the history off after the cursor's slot.
    fn fork_at_cursor(&mut self) {
        self.branches.push(self.actions.clone());
        let (slot, actions) = self.slot_after_cursor();
        self.cut_at_slot(slot, actions);
    }
}

/// Turns that a fresh world may take before its first shell waits for a line.
const BOOT_TURNS: u64 = 10_000;

/// The families of some events, one bit each.
fn families(events: &[Event]) -> u32 {
    events.iter().fold(0, |bits, e| bits | 1 << e.kind.family().index())
}
