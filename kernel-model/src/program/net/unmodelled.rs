//! The network tools, which have nothing to show yet: they say so.

use crate::program::Sys;

crate::program!(BRIDGE = "bridge" in "/usr/sbin", "show and change bridges (not modelled yet)", main, USAGE);
crate::program!(SS = "ss" in "/usr/bin", "show sockets (not modelled yet)", main, USAGE);

const USAGE: &str = "  nothing: bridges and sockets are not shown yet; see 'help ip'";

async fn main(sys: Sys) -> i32 {
    sys.eprint(format!("{0}: not modelled yet; see 'help {0}'\n", sys.name())).await;
    1
}
