//! `ringside serve`, which is also `ringside` alone: the page on a loopback address.

use crate::page::{self, Flavour};
use crate::server;
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Build the page and serve it on a loopback address.
#[derive(Args, Debug)]
pub struct Serve {
    /// Port to listen on, 0 for any free one [default: 7007, or the next free port]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Open the page in the default browser
    #[arg(long)]
    open: bool,
}

impl Serve {
    pub(super) fn execute(self) -> Result<ExitCode> {
        // First, so that a port that is taken is known before a minute of compiling.
        let listener = server::bind(self.port)?;
        let page = page::build(Flavour::Development)?;
        let address = format!("http://{}/", listener.local_addr()?);
        println!("Ringside is at {address}  (Ctrl-C ends it)");
        if self.open
            && let Err(error) = open::that_detached(&address)
        {
            eprintln!("ringside: no browser could be started ({error}): open {address} yourself");
        }
        server::serve(listener, server::files_of(&page.folder))?;
        Ok(ExitCode::SUCCESS)
    }
}
