//! What can be seen to happen to terminals.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::projection::explain::task_name;
use crate::task::TaskId;
use crate::task::signal::Signal;
use crate::world::World;

/// Something happened to a terminal. Names are as `pts/0`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum TtyEvent {
    /// `/dev/ptmx` was opened: there is one more pair; `count` of `most` there can be.
    PairMade { name: Arc<str>, count: usize, most: u32 },
    /// A terminal has become that of a session.
    Controlling { task: TaskId, name: Arc<str> },
    /// A character that was typed is a signal for the foreground.
    Signalled { name: Arc<str>, signal: Signal },
    /// A terminal is gone for those who have it open.
    HungUp { name: Arc<str>, descriptions: usize },
    /// The last description of a slave end is closed: reading from the master end fails now.
    SlaveClosed { name: Arc<str> },
}

impl TtyEvent {
    /// A few words for a line of the timeline.
    pub fn label(&self, world: &World) -> String {
        match self {
            TtyEvent::PairMade { name, .. } => format!("pseudo-terminal {name} made"),
            TtyEvent::Controlling { task, name } => {
                format!("{name} controls the session of {}", task_name(world, *task))
            }
            TtyEvent::Signalled { name, signal } => format!("SIG{} typed at {name}", signal.short_name()),
            TtyEvent::HungUp { name, .. } => format!("{name} hung up"),
            TtyEvent::SlaveClosed { name } => format!("nobody has {name} open"),
        }
    }

    /// One sentence with its source.
    pub fn explain(&self, who: &str, world: &World) -> (String, &'static str) {
        match self {
            TtyEvent::PairMade { name, count, most } => (
                format!(
                    "{who} opens the master end of a new pseudo-terminal, whose slave end is {name} of this devpts; there \
                     are {count} pairs, and at most {most}."
                ),
                "pts(4), ptmx_open()",
            ),
            TtyEvent::Controlling { task, name } => (
                format!(
                    "{name} becomes the controlling terminal of the session of {}, whose process group is in its \
                     foreground.",
                    task_name(world, *task)
                ),
                "ioctl_tty(2), __proc_set_tty()",
            ),
            TtyEvent::Signalled { name, signal } => (
                format!(
                    "The line discipline of {name} takes what was typed for SIG{}: the processes in the foreground get it.",
                    signal.short_name()
                ),
                "termios(3), isig()",
            ),
            TtyEvent::HungUp { name, descriptions } => (
                format!(
                    "{name} hangs up: {descriptions} open descriptions of it read the end of the file from now on, and \
                     cannot be written."
                ),
                "vhangup(2), __tty_hangup()",
            ),
            TtyEvent::SlaveClosed { name } => (
                format!(
                    "Nobody has {name} open any more: whoever reads from the master end gets EIO, once all is read."
                ),
                "pts(4), pty_close()",
            ),
        }
    }
}
