//! `ringside coverage`: what is modelled and what is not.

use crate::coverage;
use crate::page::workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

/// Write docs/coverage.md: every system call, flag and program with what is modelled of it, and how many of
/// the recordings the model reproduces.
#[derive(Args, Debug)]
pub struct Coverage {
    /// Print it instead
    #[arg(long)]
    print: bool,
}

impl Coverage {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let root = workspace::root()?;
        let text = coverage::document(&root)?;
        if self.print {
            io::stdout().lock().write_all(text.as_bytes())?;
        } else {
            let file = root.join(coverage::DOCUMENT);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            println!("wrote {}", coverage::DOCUMENT);
        }
        Ok(ExitCode::SUCCESS)
    }
}
