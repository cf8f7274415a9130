//! Steps: what somebody does at the machine, as lessons write it down.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::time::Nanos;
use serde::{Deserialize, Serialize};

/// Something that is done.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Step {
    /// A command line is typed.
    Line {
        /// At this console.
        console: u32,
        /// The line.
        text: String,
    },
    /// Ctrl-C.
    Interrupt {
        /// At this console.
        console: u32,
    },
    /// Ctrl-D.
    EndOfInput {
        /// At this console.
        console: u32,
    },
    /// Time passes.
    Wait {
        /// So many milliseconds.
        ms: u64,
    },
    /// Another console is opened.
    OpenConsole,
    /// A call is made to what is below the kernel.
    CallBelow {
        /// In the name of this kernel on the machine.
        who: u32,
        /// The call, in the machine's words.
        text: String,
    },
}

impl Step {
    /// A line at the first console.
    pub fn line(text: impl Into<String>) -> Step {
        Step::Line { console: 1, text: text.into() }
    }

    /// What it does to the world.
    pub fn action(&self) -> Action {
        match self {
            Step::Line { console, text } => Action::Line { console: ConsoleId(*console), text: text.clone() },
            Step::Interrupt { console } => Action::Interrupt { console: ConsoleId(*console) },
            Step::EndOfInput { console } => Action::EndOfInput { console: ConsoleId(*console) },
            Step::Wait { ms } => Action::Wait { span: Nanos(ms.saturating_mul(1_000_000)) },
            Step::OpenConsole => Action::OpenConsole,
            Step::CallBelow { who, text } => Action::CallBelow { who: *who, text: text.clone() },
        }
    }

    /// The step that does this, if lessons can write it down.
    pub fn of(action: &Action) -> Option<Step> {
        Some(match action {
            Action::Line { console, text } => Step::Line { console: console.0, text: text.clone() },
            Action::Interrupt { console } => Step::Interrupt { console: console.0 },
            Action::EndOfInput { console } => Step::EndOfInput { console: console.0 },
            Action::Wait { span } => Step::Wait { ms: span.0 / 1_000_000 },
            Action::OpenConsole => Step::OpenConsole,
            Action::CallBelow { who, text } => Step::CallBelow { who: *who, text: text.clone() },
            Action::Syscall { .. } | Action::Adjust(_) => return None,
        })
    }
}
