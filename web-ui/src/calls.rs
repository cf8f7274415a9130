//! The system-call console: one call for a chosen process, in the syntax of strace.

use kernel_model::strace::complete;
use kernel_model::strace::complete::Completion;
use kernel_model::task::TaskId;

/// The system-call console.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CallConsole {
    /// Who makes the call; the shell of the console when nobody was chosen.
    pub task: Option<TaskId>,
    /// What is typed.
    pub draft: String,
    /// What could be typed next.
    pub completion: Completion,
    /// The candidate that the arrows have reached.
    pub chosen: usize,
    /// Why the call could not be read.
    pub error: Option<String>,
}

impl CallConsole {
    /// Something else is in the field.
    pub fn typed(&mut self, text: String, cursor: usize) {
        self.completion = if text.is_empty() { Completion::default() } else { complete(&text, cursor) };
        self.draft = text;
        self.chosen = 0;
        self.error = None;
    }

    /// The arrows go to another candidate.
    pub fn choose(&mut self, by: isize) {
        let count = self.completion.candidates.len();
        if count > 0 {
            self.chosen = (self.chosen as isize + by).rem_euclid(count as isize) as usize;
        }
    }

    /// Takes a candidate. False when there is none with this number.
    pub fn complete(&mut self, chosen: usize) -> bool {
        let Some(candidate) = self.completion.candidates.get(chosen) else { return false };
        let kept = self.draft.get(..self.completion.from).unwrap_or_default();
        let text = format!("{kept}{}", candidate.text);
        let cursor = text.len();
        self.typed(text, cursor);
        true
    }
}
