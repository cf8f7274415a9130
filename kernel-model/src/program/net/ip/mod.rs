//! `ip` of iproute2: shows and changes what the kernel's rtnetlink knows of a network namespace.

mod address;
mod args;
pub(super) mod link;
mod link_change;
mod neigh;
pub(super) mod netns;
pub(super) mod out;
mod route;
mod route_change;
mod rule;
mod tuntap;

use super::rtnl::Rtnl;
use crate::net::device::iff;
use crate::program::Sys;
use crate::syscall::Value;

crate::program!(
    IP = "ip" in "/usr/sbin",
    "show and change network devices, addresses and routes",
    main,
    "  ip link [show [dev] NAME] [up] [master NAME] [type KIND]   devices
  ip link add [name] NAME type veth [peer name NAME [netns NS]] | bridge | dummy
  ip link set [dev] NAME up|down, name, address, mtu, master NAME, nomaster, netns NS, alias
  ip link delete NAME
  ip address [show], add ADDRESS/LEN dev NAME, del, flush dev NAME
  ip route [show [table T]], add PREFIX [via A] [dev NAME] [src A] [metric N], del, replace, get A, flush
  ip neigh [show], add A lladdr M dev NAME, del, flush dev NAME
  ip rule [list], add from PREFIX table T, del
  ip tuntap [show], add [dev] NAME mode tap [user U] [group G], del [dev] NAME mode tap
  ip netns [list], add, delete, exec NAME CMD, identify, pids, attach, set, list-id
  -br, -brief      one short line each
  -o, -oneline     one line each
  -d, -s           details, statistics
  -j, -p           as JSON, with line breaks
  -4               only IPv4
  -n, -netns NAME  in the network namespace /run/netns/NAME
  -all             every named namespace, for netns exec and delete"
);

/// Options before the object.
#[derive(Clone, Copy, Default)]
pub(in crate::program::net) struct Options {
    pub brief: bool,
    pub oneline: bool,
    pub ipv4: bool,
    pub ipv6: bool,
    pub details: bool,
    pub statistics: bool,
    pub json: bool,
    pub pretty: bool,
    pub all: bool,
}

impl Options {
    /// Whether only addresses of IP are asked for.
    fn family(self) -> bool {
        self.ipv4 || self.ipv6
    }
}

/// The objects of ip(8) in the order in which an abbreviation is looked up.
const OBJECTS: [&str; 30] = [
    "address",
    "addrlabel",
    "maddress",
    "route",
    "rule",
    "neighbor",
    "neighbour",
    "ntable",
    "link",
    "l2tp",
    "fou",
    "ila",
    "macsec",
    "tunnel",
    "tuntap",
    "token",
    "tcpmetrics",
    "monitor",
    "xfrm",
    "mroute",
    "mrule",
    "netns",
    "netconf",
    "vrf",
    "sr",
    "nexthop",
    "mptcp",
    "ioam",
    "stats",
    "help",
];

const USAGE: &str = "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
       ip [ -force ] -batch filename
where  OBJECT := { address | addrlabel | amt | fou | help | ila | ioam | l2tp |
                   link | macsec | maddress | monitor | mptcp | mroute | mrule |
                   neighbor | neighbour | netconf | netns | nexthop | ntable |
                   ntbl | route | rule | sr | tap | tcpmetrics |
                   token | tunnel | tuntap | vrf | xfrm }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -r[esolve] |
                    -h[uman-readable] | -iec | -j[son] | -p[retty] |
                    -f[amily] { inet | inet6 | mpls | bridge | link } |
                    -4 | -6 | -M | -B | -0 |
                    -l[oops] { maximum-addr-flush-attempts } | -br[ief] |
                    -o[neline] | -t[imestamp] | -ts[hort] | -b[atch] [filename] |
                    -rc[vbuf] [size] | -n[etns] name | -N[umeric] | -a[ll] |
                    -c[olor]}
";

/// The exit status after a wrong word (`exit(-1)`).
const WRONG: i32 = 255;

async fn main(sys: Sys) -> Result<i32, i32> {
    let words: Vec<&str> = sys.argv().iter().skip(1).map(String::as_str).collect();
    let mut words = words.as_slice();
    let mut options = Options::default();
    while let [word, rest @ ..] = words
        && let Some(name) = word.strip_prefix('-')
    {
        words = rest;
        if name == "-" {
            break;
        }
        let name = name.strip_prefix('-').unwrap_or(name);
        let is = |full: &str, least: usize| name.len() >= least && full.starts_with(name);
        if is("brief", 2) {
            options.brief = true;
        } else if is("oneline", 1) {
            options.oneline = true;
        } else if name == "4" || name == "6" {
            (options.ipv4, options.ipv6) = (name == "4", name == "6");
        } else if is("Version", 1) {
            sys.print("ip utility, iproute2-6.1.0, libbpf 1.1.2\n").await;
            return Ok(0);
        } else if is("help", 4) {
            sys.eprint(USAGE).await;
            return Err(WRONG);
        } else if is("netns", 1) {
            let [netns, rest @ ..] = words else {
                sys.eprint("Cannot open network namespace \"(null)\": No such file or directory\n").await;
                return Err(WRONG);
            };
            netns::switch(&sys, netns).await?;
            words = rest;
        } else if is("json", 1) {
            options.json = true;
        } else if is("pretty", 1) {
            options.pretty = true;
        } else if is("details", 1) {
            options.details = true;
        } else if is("statistics", 1) || is("stats", 1) {
            options.statistics = true;
        } else if is("all", 1) {
            options.all = true;
        } else if is("family", 1) {
            let [family, rest @ ..] = words else { return Err(missing(&sys).await) };
            (options.ipv4, options.ipv6) = (*family == "inet", *family == "inet6");
            words = rest;
        } else if is("color", 1) || is("Numeric", 1) || is("resolve", 1) {
            // Nothing of what is modelled looks different.
        } else if ["0", "M", "B"].contains(&name)
            || ["human-readable", "iec", "batch", "force", "timestamp"].iter().any(|o| is(o, 1))
        {
            sys.not_modelled(&format!("option '{word}'")).await;
            return Err(WRONG);
        } else {
            sys.eprint(format!("Option \"{word}\" is unknown, try \"ip -help\".\n")).await;
            return Err(WRONG);
        }
    }
    let [object, rest @ ..] = words else {
        sys.eprint(USAGE).await;
        return Err(WRONG);
    };
    match OBJECTS.into_iter().find(|o| o.starts_with(object)) {
        Some("link") => link::run(&sys, options, rest).await,
        Some("address") => address::run(&sys, options, rest).await,
        Some("route") => route::run(&sys, options, rest).await,
        Some("neighbor" | "neighbour") => neigh::run(&sys, options, rest).await,
        Some("rule") => rule::run(&sys, options, rest).await,
        Some("tuntap") => tuntap::run(&sys, options, rest).await,
        Some("netns") => netns::run(&sys, options, rest).await,
        Some("help") => {
            sys.eprint(USAGE).await;
            Err(WRONG)
        }
        Some(object) => {
            sys.not_modelled(&format!("'ip {object}'")).await;
            Err(1)
        }
        None => {
            sys.eprint(format!("Object \"{object}\" is unknown, try \"ip help\".\n")).await;
            Err(1)
        }
    }
}

/// A word was expected after the last one.
async fn missing(sys: &Sys) -> i32 {
    sys.eprint("Command line is not complete. Try option \"help\"\n").await;
    WRONG
}

fn number(message: &Value, field: &str) -> i64 {
    message.field(field).and_then(Value::as_int).unwrap_or(0)
}

fn text<'m>(message: &'m Value, field: &str) -> &'m str {
    message.field(field).and_then(Value::as_str).unwrap_or("")
}

/// The name of the device with this number (`ll_index_to_name`).
pub(in crate::program::net) fn name_of(links: &[Value], index: i64) -> String {
    let found = links.iter().find(|l| number(l, "ifi_index") == index);
    found.map_or_else(|| format!("if{index}"), |l| text(l, "IFLA_IFNAME").to_owned())
}

/// Whether a device is switched on.
fn is_up(link: &Value) -> bool {
    number(link, "ifi_flags") & i64::from(iff::UP) != 0
}
