//! What the outside can do to a world. Nothing else changes it: a session *is* its list of actions.

use serde::{Deserialize, Serialize};

use crate::console::ConsoleId;
use crate::namespace::pid::{Pid, PidNsId};
use crate::syscall::Call;
use crate::task::TaskId;
use crate::time::Nanos;
use crate::vfs::fd_table::Fd;

/// One intervention from outside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// A command line (or several lines that make one complete command) typed at a console. If a program
    /// in the foreground reads the terminal, it gets the line instead of the shell.
    Line {
        /// The console.
        console: ConsoleId,
        /// The text without the final newline.
        text: String,
    },
    /// Ctrl-C at a console: SIGINT to everything that runs in its foreground.
    Interrupt {
        /// The console.
        console: ConsoleId,
    },
    /// Ctrl-D at a console: end of input for the program that reads it.
    EndOfInput {
        /// The console.
        console: ConsoleId,
    },
    /// One system call made by this task, whatever its program is about to do.
    Syscall {
        /// The caller.
        task: TaskId,
        /// The call.
        call: Call,
    },
    /// Time passes: sleepers whose time has come wake up.
    Wait {
        /// How long.
        span: Nanos,
    },
    /// Another console with a shell of its own.
    OpenConsole,
    /// What a recorded log knows and the model could not: see [`Adjustment`].
    Adjust(Adjustment),
    /// A call to what is below the kernel, in the words of that machine: a hypercall, where it is a hypervisor.
    CallBelow {
        /// In whose name, as the machine counts the kernels on it; 0 is the one that one types to.
        who: u32,
        /// The call.
        text: String,
    },
}

/// Brings the world into line with a recorded log where the log shows something that the model does not
/// have: numbers that others have taken, descriptors on things that are not modelled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Adjustment {
    /// The next process of this namespace gets this number (as through `ns_last_pid`).
    NextPid {
        /// The namespace.
        ns: PidNsId,
        /// The number.
        nr: Pid,
    },
    /// A descriptor is open on something that is not modelled.
    Descriptor {
        /// Whose descriptor.
        task: TaskId,
        /// Its number.
        fd: Fd,
        /// What it is open on, as `/proc/PID/fd` shows it.
        what: String,
        /// Whether execve(2) closes it.
        cloexec: bool,
    },
    /// The call in which the task sleeps is given up.
    GiveUp {
        /// The sleeper.
        task: TaskId,
    },
}

/// When in a history an action happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum When {
    /// When the world had come to rest.
    AtRest,
    /// Before this turn, counted from the beginning (Ctrl-C in the middle of a loop).
    AtTurn(u64),
}

/// An action in a session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stamped {
    /// When it happened.
    pub when: When,
    /// What it was.
    pub action: Action,
}
