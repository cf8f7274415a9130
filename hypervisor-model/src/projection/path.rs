//! The path of the processor through rings and modes in a step of a session: [`Rings`], made of events.

use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::{DeedKind, Lane, Report};
use kernel_model::pv_ops::PvOp;

use super::rings::{Passage, Place, Rings};
use crate::machine::Platform;

/// Most passages that are kept: the last ones.
pub const MAX_PASSAGES: usize = 60;

impl Rings {
    /// The path in the events of a step. On a machine that nobody looks at, only the kernel's own rings are known.
    pub fn of_step(events: &[Event], platform: Option<Platform>) -> Rings {
        let has_guest = platform.is_some_and(Platform::is_hardware_assisted);
        let mut path = Path { platform, has_guest, now: None, start: None, passages: Vec::new() };
        for (row, event) in events.iter().enumerate() {
            match &event.kind {
                EventKind::Privileged { op } => path.operation(*op, row),
                EventKind::Machine(Report::Did(deed)) => match deed.kind {
                    DeedKind::Exit => {
                        path.go(path.guest(ring_of(deed.from)), "goes on", row);
                        path.go(Place { is_host: true, ring: 0 }, &format!("exit {}", deed.name), row);
                    }
                    DeedKind::Entry => path.go(path.guest(ring_of(deed.to)), "VM entry", row),
                    _ => {}
                },
                _ => {}
            }
        }
        let start = path.start.unwrap_or(path.guest(3));
        let now = path.now.unwrap_or(start);
        let left_out = path.passages.len().saturating_sub(MAX_PASSAGES);
        path.passages.drain(..left_out);
        let start = path.passages.first().map_or(start, |first| first.from);
        Rings { has_guest, start, path: path.passages, now }
    }
}

struct Path {
    platform: Option<Platform>,
    has_guest: bool,
    now: Option<Place>,
    start: Option<Place>,
    passages: Vec<Passage>,
}

/// In which ring a lane of the guest is.
fn ring_of(lane: Lane) -> u8 {
    if lane == Lane::GuestUser { 3 } else { 0 }
}

impl Path {
    fn guest(&self, ring: u8) -> Place {
        Place { is_host: !self.has_guest, ring }
    }

    /// Goes to a place. Where it has been before the first passage follows from that.
    fn go(&mut self, to: Place, how: &str, row: usize) {
        let from = self.now.unwrap_or_else(|| {
            let from = match (to.is_host, self.has_guest) {
                (true, true) => self.guest(0),
                _ => Place { ring: if to.ring == 3 { 0 } else { 3 }, ..to },
            };
            self.start = Some(from);
            from
        });
        self.now = Some(to);
        if from != to {
            self.passages.push(Passage { from, to, how: how.to_owned(), row });
        }
    }

    fn operation(&mut self, op: PvOp, row: usize) {
        match self.platform {
            // The emulator and all of its guest are a program in ring 3.
            Some(Platform::Emulated) => {}
            // The guest's kernel is a process: a call of a guest's program stops it in the host's kernel, which lets the
            // guest's kernel run, in ring 3 as well.
            Some(Platform::Uml | Platform::UmlTt) => match op {
                PvOp::SyscallEntry => {
                    self.go(self.guest(0), "system call, stopped for the tracer", row);
                    self.go(self.guest(3), "the guest's kernel goes on", row);
                }
                PvOp::ReturnToUser => {
                    self.go(self.guest(0), "ptrace(2)", row);
                    self.go(self.guest(3), "the guest's program goes on", row);
                }
                PvOp::PageFault { .. } => {
                    let is_traced = self.platform == Some(Platform::Uml);
                    let how = if is_traced { "page fault, a signal for the tracer" } else { "page fault, a signal" };
                    self.go(self.guest(0), how, row);
                    self.go(self.guest(3), "the guest's kernel goes on", row);
                }
                _ => {}
            },
            // The processor's tables for system calls and faults are the VMM's, in ring 0; the translations of the guest's
            // kernel run in ring 1.
            Some(Platform::Bt) => match op {
                PvOp::SyscallEntry => {
                    self.go(self.guest(0), "SYSCALL, into the VMM", row);
                    self.go(self.guest(1), "translated code goes on", row);
                }
                PvOp::ReturnToUser => {
                    self.go(self.guest(0), "a call of the VMM", row);
                    self.go(self.guest(3), "the program runs directly", row);
                }
                PvOp::PageFault { .. } => {
                    self.go(self.guest(3), "user mode", row);
                    self.go(self.guest(0), "page fault, into the VMM", row);
                    self.go(self.guest(1), "translated code goes on", row);
                }
                _ => {}
            },
            _ => match op {
                PvOp::SyscallEntry => self.go(self.guest(0), "SYSCALL", row),
                PvOp::ReturnToUser => self.go(self.guest(3), "SYSRET", row),
                PvOp::PageFault { .. } => {
                    self.go(self.guest(3), "user mode", row);
                    self.go(self.guest(0), "page fault", row);
                }
                _ => {}
            },
        }
    }
}
