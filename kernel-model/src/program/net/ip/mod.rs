//! `ip` of iproute2: shows and changes what the kernel's rtnetlink knows of a network namespace.

mod address;
mod link;
mod route;

use crate::namespace::{CLONE_NEWNET, CLONE_NEWNS};
use crate::net::device::iff;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::Value;

crate::program!(
    IP = "ip" in "/usr/sbin",
    "show and change network devices, addresses and routes",
    main,
    "  ip link [show [dev] NAME] [up]         devices
  ip link set [dev] NAME up|down         switch one on or off; also mtu N, txqueuelen N
  ip address [show [dev] NAME] [up]      their addresses
  ip route [show [table NAME] [dev NAME]]  routes; tables main, local, all
  -br, -brief      one short line each
  -o, -oneline     one line each
  -4               only IPv4
  -n, -netns NAME  in the network namespace /run/netns/NAME"
);

/// Options before the object.
#[derive(Clone, Copy, Default)]
struct Options {
    brief: bool,
    oneline: bool,
    ipv4: bool,
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
        } else if name == "4" {
            options.ipv4 = true;
        } else if is("Version", 1) {
            sys.print("ip utility, iproute2-6.1.0, libbpf 1.1.2\n").await;
            return Ok(0);
        } else if is("help", 4) {
            sys.eprint(USAGE).await;
            return Err(WRONG);
        } else if is("netns", 1) {
            let [netns, rest @ ..] = words else { return Err(missing(&sys).await) };
            switch_netns(&sys, netns).await?;
            words = rest;
        } else if is("color", 1) || is("Numeric", 1) || is("resolve", 1) {
            // Nothing of what is modelled looks different.
        } else if ["6", "0", "M", "B"].contains(&name)
            || ["statistics", "details", "json", "pretty", "family", "human-readable", "iec", "batch", "all", "force"]
                .iter()
                .any(|o| is(o, 1))
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

/// Goes into a named network namespace (`netns_switch`).
async fn switch_netns(sys: &Sys, name: &str) -> Result<(), i32> {
    let fd = match sys.open(&format!("/var/run/netns/{name}"), o::RDONLY | o::CLOEXEC, 0).await {
        Ok(fd) if !name.is_empty() => fd,
        opened => {
            let why = opened.err().unwrap_or(crate::errno::Errno::ENOENT);
            sys.eprint(format!("Cannot open network namespace \"{name}\": {why}\n")).await;
            return Err(WRONG);
        }
    };
    if let Err(e) = sys.setns(fd, CLONE_NEWNET).await {
        sys.eprint(format!("setting the network namespace \"{name}\" failed: {e}\n")).await;
        return Err(WRONG);
    }
    if let Err(e) = sys.unshare(CLONE_NEWNS).await {
        sys.eprint(format!("unshare failed: {e}\n")).await;
        return Err(WRONG);
    }
    Ok(())
}

/// A word was expected after the last one.
async fn missing(sys: &Sys) -> i32 {
    sys.eprint("Command line is not complete. Try option \"help\"\n").await;
    WRONG
}

/// `invarg`-like: a word that was not expected where a device could be.
async fn garbage(sys: &Sys, word: &str) -> i32 {
    sys.eprint(format!("Error: either \"dev\" is duplicate, or \"{word}\" is a garbage.\n")).await;
    WRONG
}

/// Which devices `show` is about.
#[derive(Default)]
struct Filter<'w> {
    device: Option<&'w str>,
    up: bool,
}

/// The words after `show`.
async fn filter<'w>(sys: &Sys, words: &[&'w str]) -> Result<Filter<'w>, i32> {
    let mut filter = Filter::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "up" => filter.up = true,
            "help" => {
                sys.not_modelled("this usage text").await;
                return Err(WRONG);
            }
            "type" | "master" | "group" | "vrf" | "to" | "scope" | "label" | "nomaster" | "dynamic" | "permanent" => {
                sys.not_modelled(&format!("'{word}'")).await;
                return Err(WRONG);
            }
            word => {
                let name = if word == "dev" {
                    match words.next() {
                        Some(name) => name,
                        None => return Err(missing(sys).await),
                    }
                } else {
                    word
                };
                if filter.device.replace(name).is_some() {
                    return Err(garbage(sys, name).await);
                }
            }
        }
    }
    Ok(filter)
}

fn number(message: &Value, field: &str) -> i64 {
    message.field(field).and_then(Value::as_int).unwrap_or(0)
}

fn text<'m>(message: &'m Value, field: &str) -> &'m str {
    message.field(field).and_then(Value::as_str).unwrap_or("")
}

/// `<LOOPBACK,UP,LOWER_UP>` (`print_link_flags`).
fn flags(message: &Value) -> String {
    const NAMES: [(u32, &str); 17] = [
        (iff::LOOPBACK, "LOOPBACK"),
        (0x2, "BROADCAST"),
        (0x10, "POINTOPOINT"),
        (0x1000, "MULTICAST"),
        (0x80, "NOARP"),
        (0x200, "ALLMULTI"),
        (0x100, "PROMISC"),
        (0x400, "MASTER"),
        (0x800, "SLAVE"),
        (0x4, "DEBUG"),
        (0x8000, "DYNAMIC"),
        (0x4000, "AUTOMEDIA"),
        (0x2000, "PORTSEL"),
        (0x20, "NOTRAILERS"),
        (iff::UP, "UP"),
        (iff::LOWER_UP, "LOWER_UP"),
        (0x2_0000, "DORMANT"),
    ];
    let bits = number(message, "ifi_flags") as u32;
    let mut names = Vec::new();
    if bits & iff::UP != 0 && bits & iff::RUNNING == 0 {
        names.push("NO-CARRIER");
    }
    names.extend(NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name));
    format!("<{}>", names.join(","))
}

/// The first line of a device, without its number and what follows the state.
fn first_line(message: &Value, mode: &str) -> String {
    format!(
        "{}: {}: {} mtu {} qdisc {} state {}{mode} group default qlen {}",
        number(message, "ifi_index"),
        text(message, "IFLA_IFNAME"),
        flags(message),
        number(message, "IFLA_MTU"),
        text(message, "IFLA_QDISC"),
        state(message),
        number(message, "IFLA_TXQLEN"),
    )
}

/// The second line: the link type and its addresses.
fn link_line(message: &Value) -> String {
    let kind = if number(message, "ifi_type") == i64::from(crate::net::device::ARPHRD_LOOPBACK) {
        "loopback"
    } else {
        "ether"
    };
    format!("    link/{kind} {} brd {}", text(message, "IFLA_ADDRESS"), text(message, "IFLA_BROADCAST"))
}

/// `UNKNOWN`, `DOWN`, ... (`IF_OPER_*`).
fn state(message: &Value) -> &'static str {
    const STATES: [&str; 7] = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];
    let state = usize::try_from(number(message, "IFLA_OPERSTATE")).ok();
    state.and_then(|s| STATES.get(s)).copied().unwrap_or("UNKNOWN")
}

/// The beginning of a short line: name and state.
fn brief(message: &Value) -> String {
    format!("{:<16} {:<14} ", text(message, "IFLA_IFNAME"), state(message))
}

/// The lines of one object: with `-o` they are one.
fn joined(lines: &[String], options: Options) -> String {
    lines.join(if options.oneline { "\\" } else { "\n" }) + "\n"
}
