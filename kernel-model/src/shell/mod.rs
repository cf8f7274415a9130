//! The shell: bash 5.2 in POSIX mode, as far as it is modelled.
//!
//! It is a program like any other: it knows nothing but system calls. Between two commands all that it is
//! going to do is in a plain value, [`ShellState`], whose stack of [frames](state::Frame) takes the place of
//! the recursion by which shells usually run loops and functions. So a loop without end is a sequence of
//! small steps, a fork copies little, and a history can be entered at any command.
//!
//! From text to arguments: [`source`] takes commands from a text, `lower` turns them into the tree of [`ast`],
//! `word` finds the parts of a word, `expand` and `param` make arguments of it, `array` and `environment` say what is in
//! variables and what commands get of them. What is done with arguments: `run` (control flow), `simple` (commands),
//! `redirect`, `jobs` (children), `builtin`.

pub mod arith;
mod array;
mod ash;
pub mod ast;
mod brace;
mod builtin;
pub mod complete;
mod diagnose;
mod environment;
pub mod escape;
mod expand;
mod jobs;
pub mod lower;
mod param;
pub mod pattern;
mod prompt;
mod redirect;
mod run;
mod simple;
pub mod source;
mod start;
pub mod state;
pub mod suggest;
#[cfg(test)]
mod tests;
mod trap;
pub mod word;

use std::sync::Arc;

use crate::program::{Resume, Sys};
use crate::task::signal::Signal;
pub use builtin::{Builtin, builtins};
pub use complete::{Completion, complete};
pub use source::{Complete, is_complete};
pub use state::ShellState;
pub use suggest::suggest;

/// A shell at work.
struct Shell {
    sys: Sys,
    st: ShellState,
    /// The status of the last command substitution in the current command.
    substituted: Option<i32>,
    /// What a builtin has printed and not yet written.
    out: String,
}

/// Why the ordinary course of commands is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    /// `break N`.
    Break(usize),
    /// `continue N`.
    Continue(usize),
    /// `break 0`: out of all loops.
    BreakAll,
    /// `return`.
    Return(i32),
    /// `exit`.
    Exit(i32),
    /// The command line cannot go on: a console gives it up, any other shell exits.
    Abort(i32),
    /// This is now a child, and its stack says what it is to do.
    Child,
}

/// A result, or the reason to leave.
type Run<T> = Result<T, Flow>;

/// The shell as a program.
pub async fn main(sys: Sys) -> i32 {
    let mut shell = match sys.resume() {
        Resume::Shell(state) => Shell::new(sys.clone(), (**state).clone()),
        _ => match Shell::start(sys.clone()).await {
            Ok(shell) => shell,
            Err(status) => return status,
        },
    };
    loop {
        if let Some(status) = shell.segment().await {
            return status;
        }
        // What has been caught so far is part of the state: a copy of the shell would not hear of it again.
        shell.note_signals();
        sys.save(Resume::Shell(Arc::new(shell.st.clone()))).await;
        shell.substituted = None;
        shell.out.clear();
    }
}

impl Shell {
    fn new(sys: Sys, st: ShellState) -> Shell {
        Shell { sys, st, substituted: None, out: String::new() }
    }

    /// Whether this process is the shell of a console, and not a forked copy of it.
    fn is_console(&self) -> bool {
        self.sys.is_console_shell() && !self.st.subshell
    }

    /// What stands before every message.
    fn prefix(&self) -> String {
        // Who types sees what has just been typed and needs no line (`error_prolog`).
        if self.st.interactive {
            return format!("{}: ", self.st.name);
        }
        format!("{}: line {}: ", self.st.name, self.st.line.max(1))
    }

    /// Prints a message in bash's form.
    async fn complain(&mut self, message: &str) {
        let message = if self.is_ash() { Shell::in_words_of_ash(message) } else { message.to_owned() };
        let text = format!("{}{message}\n", self.prefix());
        self.sys.eprint(text).await;
    }

    /// Sets a variable, or says that it is read-only and gives up.
    async fn assign(&mut self, name: &str, value: &str) -> Run<()> {
        let integer = self.st.vars.get(name).is_some_and(|v| v.integer);
        let value = if integer {
            match arith::evaluate(value, &mut self.st) {
                Ok(n) => n.to_string(),
                Err(e) => {
                    self.complain(&e.0).await;
                    return Err(self.expansion_failed());
                }
            }
        } else {
            value.to_owned()
        };
        if self.st.set(name, &value).is_err() {
            self.complain(&format!("{name}: readonly variable")).await;
            return Err(self.expansion_failed());
        }
        Ok(())
    }

    /// Takes note of signals that have been caught since this was asked last.
    fn note_signals(&mut self) {
        for signal in self.sys.take_caught() {
            self.st.caught.insert(signal);
        }
    }

    /// Whether a signal has come for which something has to be done before the command goes on.
    fn interrupted(&mut self) -> bool {
        self.note_signals();
        let mut caught = self.st.caught;
        caught.remove(Signal::CHLD);
        caught.lowest().is_some()
    }
}

/// The text in quotes, so that the shell can read it back.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
