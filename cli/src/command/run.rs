//! `ringside run`: a script in the standard world.

use super::WorldArgument;
use crate::conformance::run::{self, Platform};
use crate::conformance::script::Script;
use crate::conformance::transcript;
use crate::input::{SCRIPT_MAX, read_text};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use kernel_model::event::Event;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a shell script in the standard world and print its transcript.
#[derive(Args, Debug)]
pub struct Run {
    /// The script
    file: PathBuf,
    /// Machine that the kernel runs on
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
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
        script.world = self.world.map_or(script.world, Into::into);
        let mut out = BufWriter::new(io::stdout().lock());
        let mut written = Ok(());
        let entries = run::run(&script, self.platform, |event| {
            if let (Some(form), Ok(())) = (self.events, &written) {
                written = print_event(&mut out, form, event);
            }
        });
        written?;
        if self.events.is_none() {
            out.write_all(transcript::write(&entries).as_bytes())?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print_event(out: &mut impl Write, form: EventForm, event: &Event) -> Result<()> {
    match form {
        EventForm::Text => writeln!(out, "{event:?}")?,
        EventForm::Json => writeln!(out, "{}", serde_json::to_string(event)?)?,
    }
    Ok(())
}
