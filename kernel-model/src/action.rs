//! What the outside can do to a world. Nothing else changes it: a session *is* its list of actions.

use serde::{Deserialize, Serialize};

use crate::console::ConsoleId;
use crate::syscall::Call;
use crate::task::TaskId;
use crate::time::Nanos;

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
