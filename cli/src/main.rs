//! The `ringside` command.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    ringside::command::Ringside::parse().execute()
}
