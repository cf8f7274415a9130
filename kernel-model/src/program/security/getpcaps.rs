//! `getpcaps`: shows the capabilities of processes.

use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    GETPCAPS = "getpcaps" in "/usr/sbin",
    "display process capabilities",
    main,
    "  getpcaps PID ..."
);

const SPEC: Spec = Spec {
    short: "h",
    long: &[Long("usage", Takes::Nothing, 'h')],
    unmodelled: "--verbose --ugly --legacy --iab --license",
    version: "2.66",
    failure: 1,
};

const USAGE: &str = "usage: getcaps [opts] <pid> [<pid> ...]

  This program displays the capabilities on the queried process(es).
  The capabilities are displayed in the cap_from_text(3) format.
";

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.is_empty() || options.has('h') {
        sys.eprint(USAGE).await;
        return i32::from(!options.has('h'));
    }
    let mut status = 0;
    for pid in &options.operands {
        // As atoi(3) reads it.
        let nr = pid.parse::<i32>().unwrap_or(0);
        match sys.capget(nr).await {
            Ok(sets) => sys.print(format!("{pid}: {}\n", sets.to_text())).await,
            Err(e) => {
                sys.flush().await;
                sys.eprint(format!("Failed to get cap's for process {pid}: ({e})\n")).await;
                status = 1;
            }
        }
    }
    status
}
