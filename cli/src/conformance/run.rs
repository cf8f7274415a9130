//! A script in the standard world: what the model shows for each of its commands.

use super::script::{Script, StandardWorld};
use super::transcript::{End, Entry};
use anyhow::Result;
use hypervisor_model::machine::cost::{Costs, DEFAULT_PRESET};
use hypervisor_model::machine::{BareMetal, Platform};
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::pv_ops::PvOps;
use kernel_model::step::{Running, Turn};
use kernel_model::world::{Config, World};

/// Turns after which a command is given up: far more than any command of a script needs that ends.
const TURNS_MAX: u64 = 100_000;
/// Bytes of output after which a command is given up.
const OUTPUT_MAX: usize = 4_000_000;

/// Runs `script` on the bare machine, or on the machine of another platform. Each event is shown to `watch`, with the
/// world at the end of the turn in which it happened.
///
/// # Errors
/// The platform's machine cannot be had.
pub fn run(script: &Script, platform: Platform, mut watch: impl FnMut(&Event, &World)) -> Result<Vec<Entry>> {
    match platform {
        Platform::Native | Platform::Container => Ok(run_on(script, BareMetal::default(), |turn| {
            turn.events.iter().for_each(|event| watch(event, turn.world));
        })),
        _ => Ok(run_on(script, platform.machine(Costs::preset(DEFAULT_PRESET)?)?, |turn| {
            turn.events.iter().for_each(|event| watch(event, turn.world));
        })),
    }
}

/// What happened in one turn of a world, and where that has led.
pub struct Watched<'a, M> {
    /// What happened.
    pub events: &'a [Event],
    /// The world after it.
    pub world: &'a World,
    /// The machine after it.
    pub machine: &'a M,
}

/// Runs `script` on a machine; each turn is shown to `watch`.
pub fn run_on<M: PvOps>(script: &Script, machine: M, watch: impl FnMut(Watched<'_, M>)) -> Vec<Entry> {
    let config = Config { cgroup_v2: script.world == StandardWorld::V2, lsm: script.lsm, ..Config::default() };
    Session::new(Running::boot(config, machine), watch).run(script)
}

/// A shell in a world, as somebody at its console sees it.
struct Session<M: PvOps, W> {
    running: Running<M>,
    console: ConsoleId,
    watch: W,
}

impl<M: PvOps, W: FnMut(Watched<'_, M>)> Session<M, W> {
    fn new(running: Running<M>, watch: W) -> Self {
        let console = running.world.consoles.ids().next().unwrap_or(ConsoleId(0));
        Session { running, console, watch }
    }

    fn run(mut self, script: &Script) -> Vec<Entry> {
        let mut entries = Vec::new();
        for command in &script.commands {
            let (output, end) = self.enter(&command.text);
            entries.push(Entry {
                command: command.text.clone(),
                output: String::from_utf8_lossy(&output).into_owned(),
                end,
            });
            if !matches!(end, End::Status(_)) {
                break;
            }
        }
        entries
    }

    /// Types a command and waits for the next prompt.
    fn enter(&mut self, command: &str) -> (Vec<u8>, End) {
        let mut trace = Trace::new();
        let mut output = Vec::new();
        let line = Action::Line { console: self.console, text: command.to_owned() };
        self.running.inject(&line, &mut trace);
        for _ in 0..TURNS_MAX {
            if let Some(status) = self.take(&mut trace, &mut output) {
                return (output, End::Status(status));
            }
            if output.len() > OUTPUT_MAX {
                break;
            }
            if self.running.turn(&mut trace) == Turn::AtRest {
                let end = match self.take(&mut trace, &mut output) {
                    Some(status) => End::Status(status),
                    None if self.shell_has_ended() => End::ShellEnded,
                    None => End::OutOfBudget,
                };
                return (output, end);
            }
        }
        (output, End::OutOfBudget)
    }

    /// Takes out what has happened: the status when the command ended.
    fn take(&mut self, trace: &mut Trace, output: &mut Vec<u8>) -> Option<i32> {
        let mut status = None;
        (self.watch)(Watched { events: &trace.events, world: &self.running.world, machine: &self.running.machine });
        for event in trace.events.drain(..) {
            match event.kind {
                EventKind::Output { console, bytes } if console == self.console => output.extend_from_slice(&bytes),
                EventKind::CommandEnded { console, status: ended } if console == self.console => status = Some(ended),
                _ => {}
            }
        }
        status
    }

    fn shell_has_ended(&self) -> bool {
        let world = &self.running.world;
        let shell = world.consoles.get(self.console).and_then(|console| world.tasks.get(console.shell));
        shell.is_none_or(|task| task.state.has_exited())
    }
}
