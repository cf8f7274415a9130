//! The kernel at work: a world, the machine below it, and whoever is watching.
//!
//! Everything that the kernel does is a method or a function over [`Kernel`]. It dereferences to its
//! [`World`], so `k.tasks[id]` reads as in the kernel's own sources. The world itself stays a plain value.

use std::any::Any;

use crate::event::{Event, EventKind};
use crate::pv_ops::{PageRange, PvOp, PvOps};
use crate::world::World;

/// A world that something is about to happen to.
pub struct Kernel<'a> {
    /// The world.
    pub world: &'a mut World,
    /// What carries out privileged operations.
    pub machine: &'a mut dyn PvOps,
    /// Where events go.
    pub trace: &'a mut Trace,
    /// The call at hand was asked for from outside, not by the program of its task.
    pub from_outside: bool,
}

impl std::ops::Deref for Kernel<'_> {
    type Target = World;
    fn deref(&self) -> &World {
        self.world
    }
}

impl std::ops::DerefMut for Kernel<'_> {
    fn deref_mut(&mut self) -> &mut World {
        self.world
    }
}

impl Kernel<'_> {
    /// Says that something has happened. The change itself has been made before.
    pub fn emit(&mut self, kind: EventKind) {
        let event = Event { task: self.world.sched.current, at: self.world.clock, kind };
        self.trace.record(event, self.world, self.machine);
    }

    /// The same for what happens to memory.
    pub(crate) fn emit_memory(&mut self, what: crate::mm::event::MemoryEvent) {
        self.emit(EventKind::Memory(what));
    }

    /// Has the machine below carry out a privileged operation.
    pub fn privileged(&mut self, op: PvOp) {
        self.machine.execute(self.world.sched.cpu.0, op);
        self.emit(EventKind::Privileged { op });
        self.emit_reports();
    }

    /// The program of the current task touches memory that is there.
    pub(crate) fn touched(&mut self, at: PageRange, write: bool) {
        self.machine.touch(self.world.sched.cpu.0, at, write);
        self.emit_reports();
    }
}

/// A recorder of events, which can also keep the world as it was at one of them.
#[derive(Default)]
pub struct Trace {
    /// What has happened since the recorder was made.
    pub events: Vec<Event>,
    /// Counts the events that were not kept, too.
    pub count: usize,
    /// Events are only counted.
    pub silent: bool,
    /// At which event (by `count`) the world is to be kept.
    pub keep_at: Option<usize>,
    /// The world as it was just after that event, and the machine below it.
    pub kept: Option<(World, Box<dyn Any>)>,
}

impl Trace {
    /// Keeps every event.
    pub fn new() -> Trace {
        Trace::default()
    }

    /// Only counts events: for running fast.
    pub fn silent() -> Trace {
        Trace { silent: true, ..Trace::default() }
    }

    /// Keeps every event, the world as it is just after event number `index`, and the machine.
    pub fn keeping_world_at(index: usize) -> Trace {
        Trace { keep_at: Some(index), ..Trace::default() }
    }

    fn record(&mut self, event: Event, world: &World, machine: &dyn PvOps) {
        if self.keep_at == Some(self.count) {
            self.kept = Some((world.clone(), machine.keep()));
        }
        self.count += 1;
        if !self.silent {
            self.events.push(event);
        }
    }
}
