//! `ringside microbenchmarks`: what single operations cost on the model's machines.

use crate::microbenchmarks::{DOCUMENT, PRESET, document, table, to_json};
use crate::page::workspace;
use anyhow::{Context, Result};
use clap::Args;
use hypervisor_model::machine::cost::Costs;
use hypervisor_model::machine::microbenchmark::measure;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

/// Run micro-benchmarks on the model's machines and print modelled cycles beside published ones.
///
/// A system call, a read of a port, a write of CR8, a call, a page fault, a division by zero and a change of a page table:
/// natively, under binary translation, and under VT-x without EPT.
#[derive(Args, Debug)]
pub struct Microbenchmarks {
    /// What operations cost: the name of a preset. The published figures are those of the default one
    #[arg(long, default_value = PRESET, value_name = "NAME")]
    costs: String,
    /// Write docs/microbenchmarks.md, with the parts of each figure and the sources of all constants, and a
    /// comparison of 2003 of Xen with others
    #[arg(long, conflicts_with_all = ["costs", "json"])]
    write: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl Microbenchmarks {
    pub(super) fn execute(self) -> Result<ExitCode> {
        if self.write {
            let file = workspace::root()?.join(DOCUMENT);
            fs::write(&file, document()?).with_context(|| format!("cannot write {}", file.display()))?;
            println!("wrote {DOCUMENT}");
            return Ok(ExitCode::SUCCESS);
        }
        let costs = Costs::preset(&self.costs)?;
        let rows = measure(&costs)?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", to_json(&costs, &rows))?;
        } else {
            write!(out, "{}", table(&rows))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
