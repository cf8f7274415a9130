//! The network tools, which have nothing to show yet: they say so.

use crate::program::Sys;

crate::program!(IP = "ip" in "/usr/sbin", "show and change network devices (not modelled yet)", main, USAGE);
crate::program!(BRIDGE = "bridge" in "/usr/sbin", "show and change bridges (not modelled yet)", main, USAGE);
crate::program!(SS = "ss" in "/usr/bin", "show sockets (not modelled yet)", main, USAGE);
crate::program!(PING = "ping" in "/usr/bin", "send ICMP echo requests (not modelled yet)", main, USAGE);

const USAGE: &str = "  nothing: network namespaces exist, can be made, joined and counted, but have no devices yet";

async fn main(sys: Sys) -> i32 {
    sys.eprint(format!("{0}: network devices are not modelled yet; see 'help {0}'\n", sys.name())).await;
    1
}
