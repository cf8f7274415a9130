//! User land: programs that know nothing but system calls.
//!
//! A program is an `async fn` over a [`Sys`] handle, ordinary-looking code in which every system call is
//! a point where others may run and the learner may stop. The world never holds the running future: it
//! holds what the program began with and the answers that the kernel has given since ([`UserMode`]), and
//! [`runtime`] rebuilds the future from these by feeding the answers back, as durable-execution engines do.
//! fork(2) is then simply a copy of the answers with a 0 at the end.
//!
//! A program that may run for long saves its state now and then ([`Sys::save`]) so that the answers stay few.
//!
//! [`UserMode`]: crate::task::UserMode

pub mod accounts;
pub mod calendar;
pub mod cformat;
pub mod container;
pub mod coreutils;
pub mod filemode;
pub mod getopt;
pub mod human;
pub mod libc;
pub mod libcgroup;
pub mod lines;
pub mod malloc;
pub mod net;
pub mod procps;
pub mod psmisc;
pub mod pty;
pub mod qemu;
pub mod quote;
pub mod registry;
pub mod runtime;
pub mod security;
pub mod shell;
pub mod signal_text;
pub mod strace;
pub mod stress;
pub mod sys;
pub mod text;
pub mod util_linux;
pub mod xen;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::console::ConsoleId;
use crate::syscall::{Call, CallResult, Value};
use crate::task::signal::Signal;

pub use sys::Sys;

/// What execve(2) loads: a program with its arguments and environment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Image {
    /// The name in [`registry::programs`].
    pub program: Arc<str>,
    /// The path of the file, as `/proc/PID/exe` shows it.
    pub exe: String,
    /// Arguments.
    pub argv: Vec<String>,
    /// Environment, `NAME=value`.
    pub envp: Vec<String>,
    /// The console whose command lines this shell takes; `None` for every other program.
    pub console: Option<ConsoleId>,
}

/// The state that a program starts from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Resume {
    /// From `main`.
    #[default]
    Start,
    /// A shell between two commands.
    Shell(Arc<crate::shell::ShellState>),
    /// Whatever another program saved.
    Saved(Value),
}

/// One answer of the kernel to a program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The result of the call.
    pub result: CallResult,
    /// Signals whose handlers ran before the program went on.
    pub caught: Vec<Signal>,
}

/// What a program asks for when it stops running for a moment.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// A system call.
    Call(Call),
    /// The next command line of its console (shells only). Answered with the line as output 0.
    AwaitLine,
    /// The command line has been carried out with this status (shells only).
    CommandDone(i32),
    /// Replace the state to resume from; answers so far can be forgotten. No answer.
    Save(Resume),
    /// A program writes to or reads from its memory. Answered with 0, once the pages are there.
    Touch {
        /// Where.
        addr: u64,
        /// How much.
        bytes: u64,
        /// Whether it writes.
        write: bool,
    },
    /// A program reads or writes memory that its threads share, or that the machine below sees. Answered with the value
    /// as output 0.
    Memory {
        /// Where.
        addr: u64,
        /// What it does.
        access: crate::mm::user_data::MemoryAccess,
    },
    /// A program passes a point that it has for tracing (a statically defined probe), which shows what it is about to do or
    /// has done. Takes no time. Answered with 0.
    Tell(qemu::migration::event::MigrationEvent),
    /// Processor time spent in user mode, in nanoseconds, so that others get their turn. Answered with 0.
    Compute(u64),
}
