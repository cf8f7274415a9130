//! The subcommands, one file each.

mod build;
mod serve;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A laboratory for operating-system virtualization: type a command, watch it happen, step back.
///
/// Without a subcommand, `ringside` builds the page and serves it.
#[derive(Parser, Debug)]
#[command(name = "ringside", version, max_term_width = 100)]
pub struct Ringside {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(serve::Serve),
    Build(build::Build),
}

/// Exit status of a command that could not do what it was asked to: a file cannot be read, an
/// argument makes no sense, a tool is missing.
const TROUBLE: u8 = 2;

impl Ringside {
    /// Runs the subcommand; errors go to standard error in one line a cause.
    pub fn execute(self) -> ExitCode {
        let result = match self.command {
            None => self.serve.execute(),
            Some(Command::Serve(serve)) => serve.execute(),
            Some(Command::Build(build)) => build.execute(),
        };
        result.unwrap_or_else(|error| {
            eprintln!("ringside: {error:#}");
            ExitCode::from(TROUBLE)
        })
    }
}
