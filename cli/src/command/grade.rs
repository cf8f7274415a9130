//! `ringside grade`: what submissions are worth.

use crate::grade::report::{Form, write};
use crate::grade::supervisor::{Plan, grade};
use crate::grade::{files, worker};
use anyhow::{Context, Result, bail};
use clap::{Args, value_parser};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Grade submissions of a lesson by replaying them.
///
/// Every file gets a verdict, whatever is in it: a damaged, foreign or hostile one is refused with the reason. Exit status 1
/// only with --fail-under.
#[derive(Args, Debug)]
pub struct Grade {
    /// The lesson: a name in the course of this program, or a folder
    lesson: String,
    /// Files that the page has downloaded, or folders of them
    submissions: Vec<PathBuf>,
    /// Form of the report
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    format: Form,
    /// Write the report to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many submissions are replayed at the same time; as many as there are processors when it is not given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Seconds that a submission may take
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..))]
    patience: u64,
    /// End with exit status 1 when a submission has less than this many percent of the points
    #[arg(long, value_name = "PERCENT", value_parser = value_parser!(u32).range(0..=100))]
    fail_under: Option<u32>,
    /// Be the process that replays
    #[arg(long, hide = true)]
    worker: bool,
}

impl Grade {
    pub(super) fn execute(self) -> Result<ExitCode> {
        if self.worker {
            worker::work(&self.lesson)?;
            return Ok(ExitCode::SUCCESS);
        }
        let files = files(&self.submissions)?;
        if files.is_empty() && self.format != Form::Gradescope {
            bail!("there is nothing to grade: name files or folders");
        }
        let jobs = self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let begun = Instant::now();
        let plan = Plan { lesson: self.lesson, jobs, patience: Duration::from_secs(self.patience) };
        let mut verdicts = grade(&plan, &files)?;
        if self.format == Form::Gradescope {
            // Several files handed in by one student: the best counts.
            verdicts.sort_by_key(|v| std::cmp::Reverse((v.refused.is_empty(), v.score)));
        }
        let report = write(self.format, &verdicts, begun.elapsed().as_secs_f64());
        match &self.out {
            Some(file) => fs::write(file, report).with_context(|| format!("cannot write {}", file.display()))?,
            None => io::stdout().lock().write_all(report.as_bytes())?,
        }
        let below =
            |percent: u32| verdicts.iter().any(|v| !v.refused.is_empty() || v.score * 100 < v.max_score * percent);
        Ok(if self.fail_under.is_some_and(below) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
