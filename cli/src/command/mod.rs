//! The subcommands, one file each.

mod build;
mod calls;
mod compare;
mod conform;
mod coverage;
mod exits;
mod export;
mod grade;
mod insn;
mod lesson;
mod microbenchmarks;
mod run;
mod serve;
mod strace;

use crate::conformance::script::StandardWorld;
use clap::{Parser, Subcommand, ValueEnum};
use std::io;
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
    Run(run::Run),
    Strace(strace::Strace),
    Calls(calls::Calls),
    Compare(compare::Compare),
    Conform(conform::Conform),
    Coverage(coverage::Coverage),
    Exits(exits::Exits),
    Export(export::Export),
    Grade(grade::Grade),
    Insn(insn::Insn),
    Lesson(lesson::LessonCommand),
    Microbenchmarks(microbenchmarks::Microbenchmarks),
}

/// A standard world by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorldArgument {
    /// Control groups version 1, each controller in a hierarchy of its own
    V1,
    /// Control groups version 2 only
    V2,
}

impl From<WorldArgument> for StandardWorld {
    fn from(world: WorldArgument) -> Self {
        match world {
            WorldArgument::V1 => StandardWorld::V1,
            WorldArgument::V2 => StandardWorld::V2,
        }
    }
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
            Some(Command::Run(run)) => run.execute(),
            Some(Command::Strace(strace)) => strace.execute(),
            Some(Command::Calls(calls)) => calls.execute(),
            Some(Command::Compare(compare)) => compare.execute(),
            Some(Command::Conform(conform)) => conform.execute(),
            Some(Command::Coverage(coverage)) => coverage.execute(),
            Some(Command::Exits(exits)) => exits.execute(),
            Some(Command::Export(export)) => export.execute(),
            Some(Command::Grade(grade)) => grade.execute(),
            Some(Command::Insn(insn)) => insn.execute(),
            Some(Command::Lesson(lesson)) => lesson.execute(),
            Some(Command::Microbenchmarks(benchmarks)) => benchmarks.execute(),
        };
        result.unwrap_or_else(|error| {
            if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                // Whoever reads the output has seen enough, as in `ringside run ... | head`.
                return ExitCode::SUCCESS;
            }
            eprintln!("ringside: {error:#}");
            ExitCode::from(TROUBLE)
        })
    }
}
