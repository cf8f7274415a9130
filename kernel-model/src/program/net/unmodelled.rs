//! The network tools, which have nothing to show yet: they say so.

use crate::program::Sys;

crate::program!(SS = "ss" in "/usr/bin", "show sockets (not modelled yet)", main, USAGE);

const USAGE: &str = "  nothing: sockets are not shown yet";

async fn main(sys: Sys) -> i32 {
    sys.eprint(format!("{0}: not modelled yet; see 'help {0}'\n", sys.name())).await;
    1
}
