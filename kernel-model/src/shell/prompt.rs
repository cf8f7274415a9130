//! The shell within a shell: what makes it interactive, and its prompt.
//!
//! The shell of a console gets whole commands and its prompt is the page's affair. A shell that was started at a terminal
//! without a script reads line by line like any program, says that it waits, and survives errors and Ctrl-C.

use super::Shell;
use super::word::{self, Context};
use crate::task::signal::{Disposition, Signal};

/// The prompt of bash, and of ash in busybox.
const PS1: &str = "\\s-\\v\\$ ";
const PS1_OF_ASH: &str = "\\w \\$ ";
const PS2: &str = "> ";

impl Shell {
    /// Whether somebody types into this very shell.
    pub(super) fn is_interactive(&self) -> bool {
        (self.is_console() || self.st.interactive) && !self.st.subshell
    }

    /// Makes the shell interactive if its input and its messages are a terminal (`open_shell_script`, `init_interactive`).
    pub(super) async fn become_interactive(&mut self, wanted: bool) {
        let terminal = self.sys.isatty(0).await && self.sys.isatty(2).await;
        self.st.interactive = wanted || terminal;
        if !self.st.interactive {
            return;
        }
        let first = if self.sys.is_busybox() { PS1_OF_ASH } else { PS1 };
        for (name, text) in [("PS1", first), ("PS2", PS2)] {
            if self.st.get(name).is_none() {
                // Neither can be read-only yet.
                let _ = self.st.set(name, text);
            }
        }
        for signal in [Signal::INT, Signal::TERM] {
            let what =
                if signal == Signal::INT { Disposition::Handler { restart: false } } else { Disposition::Ignore };
            let _ = self.sys.sigaction(signal, what).await;
        }
    }

    /// Prints the prompt for the first line of a command, or for one of its others.
    pub(super) async fn print_prompt(&mut self, first: bool) {
        let text = self.st.get(if first { "PS1" } else { "PS2" }).map(|v| v.to_string()).unwrap_or_default();
        let text = self.decode_prompt(&text).await;
        let status = self.st.status;
        let text = match word::parse(&text, Context::DoubleQuoted, self.st.line.max(1)) {
            Ok(word) => self.expand_text(&word).await.unwrap_or(text),
            Err(_) => text,
        };
        self.st.status = status;
        self.sys.eprint(text).await;
    }

    /// What the letters behind backslashes in a prompt stand for (`decode_prompt_string`). A dollar sign among them is not
    /// taken for a variable.
    async fn decode_prompt(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('s') => out.push_str(self.st.name.rsplit('/').next().unwrap_or_default()),
                Some('v') => out.push_str("5.2"),
                Some('V') => out.push_str("5.2.15"),
                Some('$') => out.push_str(if self.sys.geteuid().await == 0 { "#" } else { "\\$" }),
                Some('u') => {
                    let uid = self.sys.geteuid().await;
                    let accounts = self.sys.accounts().await;
                    out.push_str(&accounts.user_name(uid));
                }
                Some(letter @ ('h' | 'H')) => {
                    let name = self.sys.uname("nodename").await.unwrap_or_default();
                    let short = name.split('.').next().unwrap_or_default();
                    out.push_str(if letter == 'h' { short } else { &name });
                }
                Some('w') => out.push_str(&self.short_directory(&self.st.cwd, false)),
                Some('W') => {
                    let dir = self.short_directory(&self.st.cwd, false);
                    let last = if dir == "/" { "/" } else { dir.rsplit('/').next().unwrap_or_default() };
                    out.push_str(last);
                }
                Some('j') => out.push_str(&self.st.jobs.len().to_string()),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('e') => out.push('\u{1b}'),
                Some('\\') => out.push_str("\\\\"),
                Some('[' | ']') => {}
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            }
        }
        out
    }

    /// What leaves the course of commands in an interactive shell that is not a console's, with the line that was typed.
    pub(super) async fn give_up_line(&mut self, status: i32) {
        if let Some(input) = self.unwind(|frame| matches!(frame, super::state::Frame::Input { .. })).await {
            self.st.frames.push_back(input);
        }
        self.st.status = status;
    }

    /// What bash says when somebody who types ends it.
    pub(super) async fn say_exit(&self) {
        if self.st.interactive && !self.st.subshell && !self.is_ash() {
            self.sys.eprint("exit\n").await;
        }
    }

    /// Ctrl-C while a line is typed: it is forgotten.
    pub(super) async fn line_interrupted(&mut self) -> bool {
        if !self.is_interactive() || !self.st.caught.has(Signal::INT) {
            return false;
        }
        self.st.caught.remove(Signal::INT);
        self.st.status = 128 + i32::from(Signal::INT.0);
        self.sys.eprint("\n").await;
        true
    }
}
