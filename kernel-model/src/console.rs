//! Consoles: where a learner types and reads. A console has a shell of its own; what the shell and its
//! children write to its output appears there.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::id;
use crate::kernel::Kernel;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::task::{ProcessId, TaskId};

id! {
    /// A console.
    ConsoleId
}

/// A console.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Console {
    /// Its shell.
    pub shell: TaskId,
    /// The command lines that were typed and not yet taken by the shell.
    pub lines: VecDeque<String>,
    /// Whether the shell waits for a command line. False while a command runs.
    pub at_prompt: bool,
    /// Exit status of the last command, as `$?`.
    pub last_status: i32,
    /// How many command lines have been run.
    pub commands: u64,
    /// Ctrl-D was typed and nobody has read it yet.
    pub end_of_input: bool,
    /// Its shell has exited.
    pub closed: bool,
    /// A program in the foreground takes the terminal raw (`ICANON`, `ECHO` and `ISIG` are off): what was typed, control
    /// characters included, goes to it byte by byte.
    pub raw: Option<Vec<u8>>,
    /// Its name: a number in this devpts. `None` when it is no terminal.
    pub pts: Option<(crate::vfs::fs::SuperId, u32)>,
}

/// The characters of Ctrl-C and Ctrl-D.
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
/// Bits of `c_lflag` (termios(3)): control characters make signals; lines; echo.
pub(crate) const ISIG: u64 = 1;
pub(crate) const ICANON: u64 = 2;
pub(crate) const ECHO: u64 = 8;

impl Kernel<'_> {
    /// Ctrl-C: SIGINT to the process group of the console's shell, which in a shell without job control is
    /// everything that it started in the foreground.
    pub(crate) fn interrupt_console(&mut self, console: ConsoleId) {
        if self.type_raw(console, &[CTRL_C]) {
            return;
        }
        let Some(shell) = self.consoles.get(console).map(|c| c.shell) else { return };
        let Some(task) = self.tasks.get(shell) else { return };
        let pgrp = self.processes[task.process].pgrp;
        self.consoles[console].lines.clear();
        let members: Vec<ProcessId> =
            self.processes.iter().filter(|(_, p)| p.pgrp == pgrp && p.exit_code.is_none()).map(|(id, _)| id).collect();
        for process in members {
            self.send_signal(process, Signal::INT, None);
        }
    }

    /// Bytes are typed, if the terminal is raw.
    pub(crate) fn type_raw(&mut self, console: ConsoleId, bytes: &[u8]) -> bool {
        let Some(raw) = self.world.consoles.get_mut(console).and_then(|c| c.raw.as_mut()) else { return false };
        raw.extend_from_slice(bytes);
        self.wake_all(Wait::Line(console));
        true
    }

    /// tcsetattr(3) as far as it matters here (`n_tty_set_termios`).
    pub(crate) fn set_terminal_modes(&mut self, console: ConsoleId, local: u64) {
        if let Some(c) = self.world.consoles.get_mut(console) {
            let is_raw = local & (ISIG | ICANON | ECHO) == 0;
            c.raw = is_raw.then(|| c.raw.take().unwrap_or_default());
        }
    }

    /// Ctrl-D: whoever reads the console's terminal gets the end of the file.
    pub(crate) fn end_console_input(&mut self, console: ConsoleId) {
        if self.type_raw(console, &[CTRL_D]) {
            return;
        }
        if let Some(c) = self.world.consoles.get_mut(console) {
            c.end_of_input = true;
            self.wake_all(Wait::Line(console));
        }
    }

    /// The shell of a console has exited: the console takes no more lines.
    pub(crate) fn disown_console(&mut self, task: TaskId) {
        let Some(console) = crate::task::exec::console_of(self, task) else { return };
        if let Some(c) = self.world.consoles.get_mut(console) {
            c.at_prompt = true;
            c.closed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::event::EventKind;
    use crate::kernel::Trace;
    use crate::pv_ops::NoMachine;
    use crate::step::Running;
    use crate::world::{Config, World};

    #[test]
    fn time_passes_for_the_foreground_while_somebody_in_the_background_reads_the_terminal() {
        let mut running = Running::new(World::boot(Config { terminal: true, ..Config::default() }), NoMachine);
        let console = ConsoleId(1);
        running.run(100_000, &mut Trace::silent());
        let text = "cat < /dev/tty & sleep 5; echo done".to_owned();
        let mut trace = Trace::new();
        running.inject(&Action::Line { console, text }, &mut trace);
        assert!(running.run(100_000, &mut trace));
        assert!(running.world.consoles[console].at_prompt, "sleep has come to its end");
    }

    #[test]
    fn what_is_typed_reaches_the_program_that_reads_and_ctrl_d_ends_it() {
        let mut running = Running::new(World::boot(Config { terminal: true, ..Config::default() }), NoMachine);
        let console = ConsoleId(1);
        let line = |text: &str| Action::Line { console, text: text.to_owned() };
        running.run(100_000, &mut Trace::silent());
        let mut trace = Trace::new();
        for action in [line("cat; echo $((50 + 5))"), line("typed"), Action::EndOfInput { console }, line("echo on")] {
            running.inject(&action, &mut trace);
            assert!(running.run(100_000, &mut trace));
        }
        let printed = trace.events.iter().filter_map(|e| match &e.kind {
            EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        assert_eq!(printed.collect::<String>(), "typed\ntyped\n55\non\n");
    }

    #[test]
    fn time_stands_still_at_the_prompt_of_a_shell_within_the_shell() {
        let mut running = Running::new(World::boot(Config { terminal: true, ..Config::default() }), NoMachine);
        let console = ConsoleId(1);
        let line = |text: &str| Action::Line { console, text: text.to_owned() };
        running.run(100_000, &mut Trace::silent());
        for text in ["sleep 5000 &", "sh", "sleep 6000 &"] {
            running.inject(&line(text), &mut Trace::silent());
            assert!(running.run(100_000, &mut Trace::silent()));
        }
        let asleep =
            |world: &World| world.tasks.iter().filter(|(_, t)| t.comm == "sleep" && !t.state.has_exited()).count();
        assert_eq!(asleep(&running.world), 2);
        let before = running.world.clock;
        running.inject(&line("sleep 2"), &mut Trace::silent());
        assert!(running.run(100_000, &mut Trace::silent()));
        assert!(running.world.clock.0 - before.0 >= 2_000_000_000, "a command in the foreground takes its time");
        running.inject(&line("sleep 1; exit"), &mut Trace::silent());
        assert!(running.run(100_000, &mut Trace::silent()));
        assert_eq!(asleep(&running.world), 2);
    }
}
