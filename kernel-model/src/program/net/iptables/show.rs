//! What `iptables -L` and `-S` print.

use super::parse::{ICMP_TYPES, SERVICES, Wanted};
use super::{Failure, PREFIX, plain};
use crate::net::netfilter::rule::{Match, Rule, Target};
use crate::net::netfilter::{Chain, Table};
use crate::program::Sys;

/// Protocols by number.
const PROTOCOLS: [(u8, &str); 3] = [(1, "icmp"), (6, "tcp"), (17, "udp")];

fn protocol(number: u8) -> String {
    PROTOCOLS.iter().find(|(n, _)| *n == number).map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

fn not<T>(m: &Match<T>) -> &'static str {
    if m.inverted { "!" } else { "" }
}

pub(super) async fn list(sys: &Sys, table: &Table, wanted: &Wanted) -> Result<(), Failure> {
    let chains: Vec<&Chain> =
        table.chains.iter().filter(|c| wanted.chain.as_ref().is_none_or(|n| c.name == *n)).collect();
    if chains.is_empty() {
        let name = wanted.chain.as_deref().unwrap_or("");
        let text = format!("chain `{name}' in table `{}' is incompatible, use 'nft' tool.\n\n", table.name);
        return Err(Failure(format!("{PREFIX}{text}"), 1));
    }
    for (i, chain) in chains.into_iter().enumerate() {
        let jumps = |r: &&Rule| r.target == Target::Jump(chain.name.clone());
        let references = table.chains.iter().flat_map(|c| &c.rules).filter(jumps).count();
        let counters = format!(" {} packets, {} bytes", chain.counters.0, chain.counters.1);
        let about = match chain.policy {
            Some(accept) => {
                let counters = if wanted.verbose { counters.as_str() } else { "" };
                format!("policy {}{counters}", if accept { "ACCEPT" } else { "DROP" })
            }
            None => format!("{references} references"),
        };
        let gap = if i > 0 { "\n" } else { "" };
        sys.print(format!("{gap}Chain {} ({about})\n", chain.name)).await;
        let number = if wanted.line_numbers { "num  " } else { "" };
        sys.print(if wanted.verbose {
            format!(
                "{number} pkts bytes target     prot opt in     out     source               destination         \n"
            )
        } else {
            format!("{number}target     prot opt source               destination         \n")
        })
        .await;
        for (n, rule) in chain.rules.iter().enumerate() {
            let number = if wanted.line_numbers { format!("{:<4} ", n + 1) } else { String::new() };
            sys.print(format!("{number}{}\n", line(rule, wanted))).await;
        }
    }
    Ok(())
}

/// A number with a letter when it is long.
fn short(n: u64, exact: bool) -> String {
    match n {
        _ if exact => n.to_string(),
        0..=99_999 => n.to_string(),
        100_000..=9_999_999 => format!("{}K", (n + 500) / 1000),
        _ => format!("{}M", (n + 500_000) / 1_000_000),
    }
}

fn line(rule: &Rule, wanted: &Wanted) -> String {
    let mut out = String::new();
    if wanted.verbose {
        let width = if wanted.exact { 8 } else { 5 };
        out.push_str(&format!("{:>width$} ", short(rule.counters.0, wanted.exact)));
        out.push_str(&format!("{:>width$} ", short(rule.counters.1, wanted.exact)));
    }
    let number = rule.protocol.as_ref().map_or(0, |p| p.value);
    let shown = match (wanted.numeric, number) {
        (true, n) => n.to_string(),
        (false, 0) => "all".to_owned(),
        (false, n) => protocol(n),
    };
    let shown = format!("{}{shown}", rule.protocol.as_ref().map_or("", not));
    // A target of ten letters and more leaves no room but one blank.
    let name = rule.target.name();
    out.push_str(&if name.len() > 9 { format!("{name}  ") } else { format!("{name:<9}  ") });
    out.push_str(&format!("{shown:<4} --  "));
    if wanted.verbose {
        let device =
            |m: &Option<Match<String>>| m.as_ref().map_or_else(|| "*".to_owned(), |m| format!("{}{}", not(m), m.value));
        out.push_str(&format!("{:<6} {:<6}  ", device(&rule.in_device), device(&rule.out_device)));
    }
    let anywhere = if wanted.numeric { "0.0.0.0/0" } else { "anywhere" };
    let net = |m: &Option<Match<(std::net::Ipv4Addr, u8)>>| match m {
        None => anywhere.to_owned(),
        Some(m) if m.value.1 == 32 => format!("{}{}", not(m), m.value.0),
        Some(m) => format!("{}{}/{}", not(m), m.value.0, m.value.1),
    };
    let source = net(&rule.source);
    out.push_str(&format!("{source:<19}  {:<20}", net(&rule.destination)));
    out.push_str(&details(rule, wanted.numeric));
    out
}

fn details(rule: &Rule, numeric: bool) -> String {
    let mut out = String::new();
    let number = rule.protocol.as_ref().map_or(0, |p| p.value);
    let service = |p: u16| {
        let known = if numeric { None } else { SERVICES.iter().find(|(_, n)| *n == p).map(|(n, _)| (*n).to_owned()) };
        known.unwrap_or_else(|| p.to_string())
    };
    let port = |m: &Match<(u16, u16)>, one: &str| match m.value {
        (first, last) if first == last => format!(" {one}:{}{}", not(m), service(first)),
        (first, last) => format!(" {one}s:{}{}:{}", not(m), service(first), service(last)),
    };
    if rule.source_ports.is_some() || rule.destination_ports.is_some() || rule.syn.is_some() {
        out.push_str(&format!(" {}", protocol(number)));
        out.push_str(&rule.source_ports.as_ref().map_or_else(String::new, |m| port(m, "spt")));
        out.push_str(&rule.destination_ports.as_ref().map_or_else(String::new, |m| port(m, "dpt")));
    }
    if let Some(m) = &rule.syn {
        let flags = if numeric { "flags:0x17/0x02" } else { "flags:FIN,SYN,RST,ACK/SYN" };
        out.push_str(&format!(" {}{flags}", not(m)));
    }
    if let Some(m) = &rule.icmp_type {
        let name = ICMP_TYPES.iter().find(|(_, t)| *t == m.value).map(|(n, _)| *n);
        out.push_str(&match name {
            Some(name) if !numeric => format!(" icmp {}{name}", not(m)),
            _ => format!(" {}icmptype {}", not(m), m.value),
        });
    }
    if let Some((m, by_state)) = &rule.states {
        let names: Vec<&str> = m.value.iter().map(|s| s.name()).collect();
        let key = if *by_state { "state" } else { "ctstate" };
        out.push_str(&format!(" {}{key} {}", not(m), names.join(",")));
    }
    out.push_str(&rule.comment.as_ref().map_or_else(String::new, |c| format!(" /* {c} */")));
    out.push_str(&match &rule.target {
        Target::Reject { with } => format!(" reject-with {with}"),
        Target::Log { prefix } => {
            let level = if numeric { "LOG flags 0 level 4" } else { "LOG level warn" };
            let prefix = if prefix.is_empty() { String::new() } else { format!(" prefix \"{prefix}\"") };
            format!(" {level}{prefix}")
        }
        Target::Snat(to) => format!(" to:{to}"),
        Target::Dnat(to, port) => format!(" to:{}", dnat(*to, *port)),
        Target::Redirect(Some(port)) => format!(" redir ports {port}"),
        _ => String::new(),
    });
    out
}

fn dnat(to: Option<std::net::Ipv4Addr>, port: Option<u16>) -> String {
    let to = to.map_or_else(String::new, |t| t.to_string());
    port.map_or(to.clone(), |p| format!("{to}:{p}"))
}

pub(super) async fn spec(sys: &Sys, table: &Table, wanted: &Wanted) -> Result<(), Failure> {
    let chains: Vec<&Chain> =
        table.chains.iter().filter(|c| wanted.chain.as_ref().is_none_or(|n| c.name == *n)).collect();
    if chains.is_empty() {
        return Err(plain("No chain/target/match by that name."));
    }
    for chain in &chains {
        sys.print(match chain.policy {
            Some(accept) => format!("-P {} {}\n", chain.name, if accept { "ACCEPT" } else { "DROP" }),
            None => format!("-N {}\n", chain.name),
        })
        .await;
    }
    for chain in &chains {
        for rule in &chain.rules {
            sys.print(format!("-A {}{}\n", chain.name, as_command(rule))).await;
        }
    }
    Ok(())
}

fn as_command(rule: &Rule) -> String {
    let mut out = String::new();
    let mut say = |inverted: bool, text: String| {
        out.push_str(if inverted { " ! " } else { " " });
        out.push_str(&text);
    };
    for (m, option) in [(&rule.source, "-s"), (&rule.destination, "-d")] {
        if let Some(m) = m {
            say(m.inverted, format!("{option} {}/{}", m.value.0, m.value.1));
        }
    }
    for (m, option) in [(&rule.in_device, "-i"), (&rule.out_device, "-o")] {
        if let Some(m) = m {
            say(m.inverted, format!("{option} {}", m.value));
        }
    }
    let name = rule.protocol.as_ref().map(|p| protocol(p.value));
    if let (Some(m), Some(name)) = (&rule.protocol, &name) {
        say(m.inverted, format!("-p {name}"));
    }
    let name = name.unwrap_or_default();
    if rule.source_ports.is_some() || rule.destination_ports.is_some() || rule.syn.is_some() || rule.icmp_type.is_some()
    {
        say(false, format!("-m {name}"));
    }
    for (m, option) in [(&rule.source_ports, "--sport"), (&rule.destination_ports, "--dport")] {
        if let Some(m) = m {
            let (first, last) = m.value;
            say(
                m.inverted,
                if first == last { format!("{option} {first}") } else { format!("{option} {first}:{last}") },
            );
        }
    }
    if let Some(m) = &rule.syn {
        say(m.inverted, "--tcp-flags FIN,SYN,RST,ACK SYN".to_owned());
    }
    if let Some(m) = &rule.icmp_type {
        say(m.inverted, format!("--icmp-type {}", m.value));
    }
    if let Some((m, by_state)) = &rule.states {
        let names: Vec<&str> = m.value.iter().map(|s| s.name()).collect();
        let (module, option) = if *by_state { ("state", "--state") } else { ("conntrack", "--ctstate") };
        say(false, format!("-m {module}"));
        say(m.inverted, format!("{option} {}", names.join(",")));
    }
    if let Some(comment) = &rule.comment {
        let shown = if comment.contains(' ') { format!("\"{comment}\"") } else { comment.clone() };
        say(false, format!("-m comment --comment {shown}"));
    }
    let target = rule.target.name();
    if !target.is_empty() {
        say(false, format!("-j {target}"));
    }
    match &rule.target {
        Target::Reject { with } => say(false, format!("--reject-with {with}")),
        Target::Log { prefix } if !prefix.is_empty() => say(false, format!("--log-prefix \"{prefix}\"")),
        Target::Snat(to) => say(false, format!("--to-source {to}")),
        Target::Dnat(to, port) => say(false, format!("--to-destination {}", dnat(*to, *port))),
        Target::Redirect(Some(port)) => say(false, format!("--to-ports {port}")),
        _ => {}
    }
    out
}
