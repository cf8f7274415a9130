//! `ss` of iproute2: the sockets of a network namespace, asked for by sock_diag(7).

mod table;

use std::collections::BTreeMap;

use super::iptables::SERVICES;
use crate::errno::Errno;
use crate::net::socket::{AF_INET, AF_NETLINK, AF_UNIX};
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use table::{Layout, Row};

crate::program!(
    SS = "ss" in "/usr/bin",
    "show sockets",
    main,
    "  ss [-t] [-u] [-w] [-x] [-a] [-l] [-n] [-p] [-4] [-6] [-H] [state STATE] [sport|dport = :PORT]   sockets
  ss -s   how many there are
Sockets of netlink and packet sockets are not listed; -e, -i, -m, -o and other filters are not modelled."
);

const SPEC: Spec = Spec {
    short: "tuwxalnps46H",
    long: &[
        Long("tcp", Takes::Nothing, 't'),
        Long("udp", Takes::Nothing, 'u'),
        Long("raw", Takes::Nothing, 'w'),
        Long("unix", Takes::Nothing, 'x'),
        Long("all", Takes::Nothing, 'a'),
        Long("listening", Takes::Nothing, 'l'),
        Long("numeric", Takes::Nothing, 'n'),
        Long("processes", Takes::Nothing, 'p'),
        Long("summary", Takes::Nothing, 's'),
        Long("ipv4", Takes::Nothing, '4'),
        Long("ipv6", Takes::Nothing, '6'),
        Long("no-header", Takes::Nothing, 'H'),
    ],
    unmodelled: "-A -B -b -d -D -E -e -F -f -i -K -M -m -N -O -o -r -S -T -v -V -Z -z",
    version: "ss utility, iproute2-6.1.0",
    failure: 255,
};

const SOCK_RAW: i64 = 3;
const NETLINK_SOCK_DIAG: i64 = 4;
const TIOCGWINSZ: i64 = 0x5413;

/// The states in the order of their numbers.
const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];
const ALL: i64 = 0xffe;
const LISTENING: i64 = 1 << 10 | 1 << 7;
/// All but those that listen, are closed, or only remembered.
const CONNECTED: i64 = ALL & !(LISTENING | 1 << 6 | 1 << 3);

/// Tables of sockets: how they are asked for, and their kinds.
const RAW: (&str, i64) = ("raw", 255);
const UDP: (&str, i64) = ("udp", 17);
const TCP: (&str, i64) = ("tcp", 6);

/// What is to be shown.
struct Filter {
    states: i64,
    numeric: bool,
    sport: Option<u16>,
    dport: Option<u16>,
    /// Who has which socket open, by its inode.
    users: Option<BTreeMap<u64, String>>,
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.has('s') {
        return summary(&sys).await;
    }
    let mut filter = filter_of(&sys, &options).await?;
    let fd = open(&sys).await.map_err(|_| 255)?;
    let any = "tuwx".chars().any(|c| options.has(c));
    let only_inet = options.has('4') || options.has('6');
    let wants = |letter: char| if any { options.has(letter) } else { letter != 'x' || !only_inet };
    if options.has('p') {
        filter.users = Some(users(&sys).await);
    }
    let mut rows = Vec::new();
    if wants('x') {
        for object in dump(&sys, fd, AF_UNIX, 0, filter.states).await {
            rows.extend(unix_row(&object, &filter));
        }
    }
    for (letter, table) in [('w', RAW), ('u', UDP), ('t', TCP)] {
        if wants(letter) && (!options.has('6') || options.has('4')) {
            for object in dump(&sys, fd, AF_INET, table.1, filter.states).await {
                rows.extend(inet_row(&object, table, &filter));
            }
        }
    }
    let _ = sys.close(fd).await;
    let kinds = "tuw".chars().filter(|c| wants(*c)).count() + if wants('x') { 3 } else { 0 };
    let layout = Layout {
        no_kind: kinds == 1,
        no_state: filter.states & (filter.states - 1) == 0,
        heading: !options.has('H'),
        width: screen_width(&sys).await,
    };
    sys.print(layout.render(&rows)).await;
    Ok(0)
}

/// States and ports from the options and the words behind them.
async fn filter_of(sys: &Sys, options: &Options) -> Result<Filter, i32> {
    let states = match (options.has('a'), options.has('l')) {
        (true, _) => ALL,
        (_, true) => LISTENING,
        _ => CONNECTED,
    };
    let mut filter = Filter { states, numeric: options.has('n'), sport: None, dport: None, users: None };
    let words: Vec<&str> =
        options.operands.iter().flat_map(|w| w.split_whitespace()).filter(|w| !matches!(*w, "(" | ")")).collect();
    let mut rest = words.as_slice();
    loop {
        rest = match rest {
            [] => return Ok(filter),
            ["state", name, more @ ..] => {
                filter.states = state_named(name).ok_or(255)?;
                more
            }
            ["and", more @ ..] => more,
            [end @ ("sport" | "dport"), "=" | "==" | "eq", port, more @ ..] => {
                let port = port.trim_start_matches(':');
                let known = SERVICES.iter().find(|(n, _)| *n == port).map(|(_, p)| *p);
                let port = known.or_else(|| port.parse().ok());
                let place = if *end == "sport" { &mut filter.sport } else { &mut filter.dport };
                *place = Some(port.ok_or(255)?);
                more
            }
            [word, ..] => {
                sys.eprint(format!("ss: the filter \"{word}\" is not modelled; see 'help ss'\n")).await;
                return Err(255);
            }
        };
    }
}

/// The states that a name means (`scan_state`).
fn state_named(name: &str) -> Option<i64> {
    let one = |n: usize| Some(1 << n);
    match name {
        "all" => Some(ALL),
        "connected" => Some(ALL & !LISTENING),
        "established" => one(1),
        "syn-sent" => one(2),
        "syn-recv" => one(3),
        "fin-wait-1" => one(4),
        "fin-wait-2" => one(5),
        "time-wait" => one(6),
        "closed" | "unconnected" => one(7),
        "close-wait" => one(8),
        "last-ack" => one(9),
        "listen" | "listening" => one(10),
        "closing" => one(11),
        _ => None,
    }
}

/// A socket for questions.
async fn open(sys: &Sys) -> Result<i32, Errno> {
    let args = vec![AF_NETLINK.into(), (SOCK_RAW | i64::from(o::CLOEXEC)).into(), NETLINK_SOCK_DIAG.into()];
    match sys.call_int(Sysno::SOCKET, args).await {
        Ok(fd) => Ok(fd as i32),
        Err(e) => {
            sys.eprint(format!("Cannot open netlink socket: {e}\n")).await;
            Err(e)
        }
    }
}

/// Every socket of a family and protocol that is in one of these states.
async fn dump(sys: &Sys, fd: i32, family: i64, protocol: i64, states: i64) -> Vec<Value> {
    let request = Value::record([
        ("nlmsg_type", "SOCK_DIAG_BY_FAMILY".into()),
        ("nlmsg_flags", 0x301.into()),
        ("sdiag_family", family.into()),
        ("sdiag_protocol", protocol.into()),
        (if family == AF_UNIX { "udiag_states" } else { "idiag_states" }, states.into()),
    ]);
    if sys.call(Sysno::SENDTO, vec![fd.into(), Value::List(vec![request]), 72.into()]).await.is_err() {
        return Vec::new();
    }
    let Ok(ret) = sys.call(Sysno::RECVFROM, vec![fd.into(), Value::Null, 32_768.into()]).await else {
        return Vec::new();
    };
    let is_socket = |m: &&Value| m.field("nlmsg_type").and_then(Value::as_str) == Some("SOCK_DIAG_BY_FAMILY");
    ret.output(1).as_list().unwrap_or_default().iter().filter(is_socket).cloned().collect()
}

fn int(object: &Value, name: &str) -> i64 {
    object.field(name).and_then(Value::as_int).unwrap_or(0)
}

/// What all sockets have: kind, state, queues.
fn row(kind: &str, state: i64, queues: (i64, i64), filter: &Filter, ino: i64) -> Row {
    let mut row = Row::default();
    row[0] = kind.to_owned();
    row[1] = STATES.get(state as usize).copied().unwrap_or("UNKNOWN").to_owned();
    row[2] = format!("{:<6}", queues.0);
    row[3] = format!("{:<6}", queues.1);
    let users = filter.users.as_ref().and_then(|users| users.get(&(ino as u64)));
    row[8] = users.map(|users| format!(" users:({users})")).unwrap_or_default();
    row
}

fn unix_row(object: &Value, filter: &Filter) -> Option<Row> {
    if filter.sport.is_some() || filter.dport.is_some() {
        return None;
    }
    let kind = match int(object, "udiag_type") {
        1 => "u_str",
        2 => "u_dgr",
        _ => "u_seq",
    };
    let ino = int(object, "udiag_ino");
    let queues = (int(object, "udiag_rqueue"), int(object, "udiag_wqueue"));
    let mut row = row(kind, int(object, "udiag_state"), queues, filter, ino);
    row[4] = format!("{} ", object.field("UNIX_DIAG_NAME").and_then(Value::as_str).unwrap_or("*"));
    row[5] = ino.to_string();
    row[6] = "* ".to_owned();
    row[7] = int(object, "UNIX_DIAG_PEER").to_string();
    Some(row)
}

fn inet_row(object: &Value, (kind, protocol): (&str, i64), filter: &Filter) -> Option<Row> {
    let (sport, dport) = (int(object, "idiag_sport"), int(object, "idiag_dport"));
    let differs = |wanted: Option<u16>, port: i64| wanted.is_some_and(|wanted| i64::from(wanted) != port);
    // A socket that has no port yet is not hashed anywhere.
    if differs(filter.sport, sport) || differs(filter.dport, dport) || sport == 0 {
        return None;
    }
    let queues = (int(object, "idiag_rqueue"), int(object, "idiag_wqueue"));
    let mut row = row(kind, int(object, "idiag_state"), queues, filter, int(object, "idiag_inode"));
    let text = |name| object.field(name).and_then(Value::as_str).unwrap_or("0.0.0.0");
    let port = |number: i64| match (number, protocol) {
        (0, _) => "*".to_owned(),
        (1, 255) if !filter.numeric => "icmp".to_owned(),
        (n, 6 | 17) if !filter.numeric => {
            let known = SERVICES.iter().find(|(_, p)| i64::from(*p) == n);
            known.map_or_else(|| n.to_string(), |(name, _)| (*name).to_owned())
        }
        (n, _) => n.to_string(),
    };
    row[4] = format!("{}:", text("idiag_src"));
    row[5] = port(sport);
    row[6] = format!("{}:", text("idiag_dst"));
    row[7] = port(dport);
    Some(row)
}

/// Who has which socket open, from the links in `/proc/PID/fd` (`user_ent_hash_build`). Whoever is found last comes first.
async fn users(sys: &Sys) -> BTreeMap<u64, String> {
    let mut users: BTreeMap<u64, String> = BTreeMap::new();
    let mut pids: Vec<i32> = names(sys, "/proc").await.iter().filter_map(|n| n.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        let directory = format!("/proc/{pid}/fd");
        let mut comm = None;
        for fd in names(sys, &directory).await.iter().filter(|n| n.parse::<i32>().is_ok()) {
            let Ok(link) = sys.readlink(&format!("{directory}/{fd}")).await else { continue };
            let ino = link.strip_prefix("socket:[").and_then(|l| l.strip_suffix(']')).and_then(|n| n.parse().ok());
            let Some(ino) = ino else { continue };
            if comm.is_none() {
                comm = Some(contents(sys, &format!("/proc/{pid}/comm")).await);
            }
            let name = comm.as_deref().unwrap_or("").trim_end();
            let user = format!("(\"{name}\",pid={pid},fd={fd})");
            let others = users.get(&ino).map(|others| format!(",{others}")).unwrap_or_default();
            users.insert(ino, format!("{user}{others}"));
        }
    }
    users
}

async fn names(sys: &Sys, directory: &str) -> Vec<String> {
    sys.read_dir(directory).await.map(|entries| entries.into_iter().map(|e| e.d_name).collect()).unwrap_or_default()
}

async fn contents(sys: &Sys, path: &str) -> String {
    sys.read_file(path).await.unwrap_or_default()
}

/// The width of the terminal that standard output is; `None` when it is none.
async fn screen_width(sys: &Sys) -> Option<usize> {
    let ret = sys.call(Sysno::IOCTL, vec![1.into(), TIOCGWINSZ.into()]).await.ok()?;
    usize::try_from(int(ret.output(2), "ws_col")).ok().filter(|n| *n > 0)
}

/// `ss -s`.
async fn summary(sys: &Sys) -> Result<i32, i32> {
    let stat = contents(sys, "/proc/net/sockstat").await;
    let field = |line: &str, name: &str| {
        let line = stat.lines().find(|l| l.starts_with(&format!("{line}:"))).unwrap_or("");
        let words: Vec<&str> = line.split_whitespace().collect();
        words.iter().position(|w| *w == name).and_then(|at| words.get(at + 1)?.parse::<i64>().ok()).unwrap_or(0)
    };
    let fd = open(sys).await.map_err(|_| 255)?;
    let established = dump(sys, fd, AF_INET, TCP.1, 1 << 1).await.len();
    let _ = sys.close(fd).await;
    let (inuse, waiting, alloc) = (field("TCP", "inuse"), field("TCP", "tw"), field("TCP", "alloc"));
    let mut text = format!("Total: {}\n", field("sockets", "used"));
    text.push_str(&format!(
        "TCP:   {} (estab {established}, closed {}, orphaned {}, timewait {waiting})\n\nTransport Total     IP        IPv6\n",
        alloc + waiting,
        alloc - inuse,
        field("TCP", "orphan"),
    ));
    let (raw, udp) = (field("RAW", "inuse"), field("UDP", "inuse"));
    for (name, n) in [("RAW", raw), ("UDP", udp), ("TCP", inuse), ("INET", raw + udp + inuse), ("FRAG", 0)] {
        text.push_str(&format!("{name}\t  {n:<9} {n:<9} {:<9}\n", 0));
    }
    sys.print(text + "\n").await;
    Ok(0)
}
