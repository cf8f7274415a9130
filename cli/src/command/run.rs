//! `ringside run`: a script in the standard world.

use super::WorldArgument;
use crate::conformance::run;
use crate::conformance::script::Script;
use crate::conformance::transcript;
use crate::input::{SCRIPT_MAX, read_text};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use hypervisor_model::machine::Platform;
use kernel_model::event::{Event, Granularity};
use kernel_model::projection::explain::explain;
use kernel_model::world::World;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a shell script in the standard world and print its transcript.
#[derive(Args, Debug)]
pub struct Run {
    /// The script
    file: PathBuf,
    /// Machine that the kernel runs on
    #[arg(long, default_value_t, value_name = "NAME")]
    platform: Platform,
    /// World, instead of the one that the script's header asks for
    #[arg(long, value_enum)]
    world: Option<WorldArgument>,
    /// Print what happened, event by event, instead of the transcript
    #[arg(long, value_enum, value_name = "FORM")]
    events: Option<EventForm>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EventForm {
    /// One line an event
    Text,
    /// One JSON object a line
    Json,
}

impl Run {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let text = read_text(&self.file, SCRIPT_MAX)?;
        let mut script = Script::parse(&text).with_context(|| format!("cannot parse {}", self.file.display()))?;
        script = script.found_in(&self.file);
        script.world = self.world.map_or(script.world, Into::into);
        let mut out = BufWriter::new(io::stdout().lock());
        let mut written = Ok(());
        let mut number = 0_u64;
        let entries = run::run(&script, self.platform, |event, world| {
            number += 1;
            written = match (self.events, &written) {
                (Some(EventForm::Text), Ok(())) => print_text(&mut out, number, event, world),
                (Some(EventForm::Json), Ok(())) => print_json(&mut out, event),
                _ => return,
            };
        })?;
        written?;
        if self.events.is_none() {
            out.write_all(transcript::write(&entries).as_bytes())?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Number, task, and what the event means; what is inside of something else is set in.
fn print_text(out: &mut impl Write, number: u64, event: &Event, world: &World) -> Result<()> {
    let task = event.task.map_or_else(|| "-".to_owned(), |task| task.to_string());
    let indent = match event.kind.granularity() {
        Granularity::Command => "",
        Granularity::Syscall => "  ",
        Granularity::Micro => "    ",
    };
    let explanation = explain(event, world);
    Ok(writeln!(out, "{number:>6} {task:>4}  {indent}{}  [{}]", explanation.sentence, explanation.source)?)
}

fn print_json(out: &mut impl Write, event: &Event) -> Result<()> {
    Ok(writeln!(out, "{}", serde_json::to_string(event)?)?)
}
