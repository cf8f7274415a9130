//! `ringside build`: the page as a plain static folder, as it would be uploaded.

use crate::page::{self, Flavour, size};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Build the page as a plain static folder, ready to be uploaded anywhere.
#[derive(Args, Debug)]
pub struct Build {
    /// Folder to write; files of an earlier build in it are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Build {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let page = page::build(Flavour::Shipped)?;
        page::mirror(&page.folder, &self.out)
            .with_context(|| format!("cannot write the page to {}", self.out.display()))?;
        print!("{}", size::Report::of(&self.out)?);
        println!("The page is in {}", self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}
