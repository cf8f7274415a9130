//! `ping` of iputils: ICMP echo requests and their replies.

use std::net::Ipv4Addr;

use crate::errno::Errno;
use crate::net::socket::AF_INET;
use crate::program::Sys;
use crate::program::coreutils::sleep::nanoseconds;
use crate::program::getopt::{Options, Spec};
use crate::syscall::net::setsockopt::so;
use crate::syscall::{Ret, Sysno, Value};
use crate::task::signal::{Disposition, Signal};

crate::program!(
    PING = "ping" in "/usr/bin",
    "send ICMP echo requests",
    main,
    "  -c COUNT     stop after so many replies
  -i SECONDS   wait so long between packets (1)
  -W SECONDS   wait so long for a reply (10)
  -w SECONDS   stop after so long
  -s BYTES     send so many data bytes (56)
  -t TTL       time to live
  -I NAME      send through this device, or from this address
  -M do|dont|want  whether packets may be cut
  -b           a broadcast address is meant
  -O           say when a reply is late
  -q           only the summary
  -D, -n, -4   a time before each line; accepted"
);

const SPEC: Spec = Spec {
    short: "4nqbODc:i:W:w:s:t:I:M:",
    long: &[],
    unmodelled: "-6 -a -A -B -C -d -e -f -F -h -l -L -m -N -p -Q -R -r -S -T -U -v -V",
    version: "from iputils 20221126",
    failure: 2,
};

const MSG_DONTWAIT: i64 = 0x40;
const MSG_ERRQUEUE: i64 = 0x2000;
const SOCK_DGRAM: i64 = 2;
const SOCK_RAW: i64 = 3;
const IPPROTO_ICMP: i64 = 1;
const ICMP_ECHO: i64 = 8;
/// Bytes of an ICMP header and of an IPv4 header.
const ICMP_HEADER: usize = 8;
const IP_HEADER: usize = 20;
/// The port to which ping connects to learn its own address.
const PROBE_PORT: u32 = 1025;

/// What has been counted so far, times in microseconds.
#[derive(Default)]
struct Tally {
    sent: u64,
    received: u64,
    errors: u64,
    /// Most requests that were on their way at once.
    pipe: u64,
    times: Vec<u64>,
    /// When each request was sent, by its number.
    sent_at: Vec<u64>,
    answered: Vec<u64>,
}

/// What was asked for.
struct Asked {
    target: String,
    address: Ipv4Addr,
    count: Option<u64>,
    interval: u64,
    wait: u64,
    deadline: Option<u64>,
    size: usize,
    quiet: bool,
    late: bool,
    stamps: bool,
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let [.., target] = options.operands.as_slice() else {
        sys.eprint("ping: usage error: Destination address required\n").await;
        return Err(1);
    };
    let span = |key: char| options.value(key).and_then(nanoseconds);
    let number = |key: char| options.value(key).map(|v| (v, v.parse::<usize>().ok()));
    for key in ['c', 's', 't', 'w'] {
        if let Some((text, None)) = number(key) {
            sys.eprint(format!("ping: invalid argument: '{text}'\n")).await;
            return Err(1);
        }
    }
    let count = number('c').and_then(|(_, n)| n).map(|n| n as u64);
    if count == Some(0) {
        sys.eprint("ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n").await;
        return Err(1);
    }
    if let Some((text, Some(ttl))) = number('t')
        && ttl > 255
    {
        sys.eprint(format!("ping: invalid argument: '{text}': out of range: 0 <= value <= 255\n")).await;
        return Err(1);
    }
    let size = number('s').and_then(|(_, n)| n).unwrap_or(56);

    let socket = open_socket(&sys).await?;
    let Some(address) = resolve(&sys, target).await else {
        if sys.is_busybox() {
            sys.eprint(format!("ping: bad address '{target}'\n")).await;
            return Err(1);
        }
        sys.eprint(format!("ping: {target}: Name or service not known\n")).await;
        return Err(2);
    };
    let via = options.value('I');
    let broadcast = options.has('b');
    let (source, address) = match probe(&sys, address, via, broadcast).await? {
        Ok(found) => found,
        Err(e) if sys.is_busybox() => {
            // It does not connect: the first packet finds out.
            sys.print(format!("PING {target} ({address}): {size} data bytes\n")).await;
            sys.flush().await;
            sys.eprint(format!("ping: sendto: {e}\n")).await;
            return Err(1);
        }
        Err(e) => {
            sys.eprint(format!("ping: connect: {e}\n")).await;
            return Err(2);
        }
    };
    set_options(&sys, socket, &options, via, broadcast).await?;
    let ip_size = size + ICMP_HEADER + IP_HEADER;
    let from = via.map_or_else(String::new, |v| {
        let device = if v.parse::<Ipv4Addr>().is_ok() { "" } else { v };
        format!(" from {source} {device}:")
    });
    if sys.is_busybox() {
        sys.print(format!("PING {target} ({address}): {size} data bytes\n")).await;
    } else {
        sys.print(format!("PING {target} ({address}){from} {size}({ip_size}) bytes of data.\n")).await;
    }
    sys.flush().await;
    let asked = Asked {
        target: target.clone(),
        address,
        count,
        interval: span('i').unwrap_or(1_000_000_000),
        wait: span('W').unwrap_or(10_000_000_000),
        deadline: span('w'),
        size,
        quiet: options.has('q'),
        late: options.has('O'),
        stamps: options.has('D'),
    };
    let _ = sys.sigaction(Signal::INT, Disposition::Handler { restart: false }).await;
    let began = now(&sys).await;
    let tally = send_and_wait(&sys, socket, &asked, began).await;
    let last = tally.sent_at.last().copied().unwrap_or(began);
    let ended = if tally.received == 0 && asked.deadline.is_some() { now(&sys).await } else { last };
    summary(&sys, &asked.target, &tally, ended.saturating_sub(began)).await;
    let enough = asked.deadline.is_none() || asked.count.is_none_or(|c| tally.received >= c);
    Ok(if tally.received == 0 || !enough { 1 } else { 0 })
}

/// Sends a request whenever it is time and takes what arrives in between (`main_loop`).
async fn send_and_wait(sys: &Sys, socket: i32, asked: &Asked, began: u64) -> Tally {
    let mut tally = Tally::default();
    let mut next = began;
    let end = asked.deadline.map(|d| began + d);
    // After the last request as long as it may take to come back: twice the slowest so far, or -W.
    let mut last_wait = None;
    while !sys.take_caught().contains(&Signal::INT) {
        let mut time = now(sys).await;
        if end.is_some_and(|end| time >= end) {
            break;
        }
        let all_sent = asked.count.is_some_and(|c| tally.sent >= c);
        if asked.count.is_some_and(|c| tally.received + tally.errors >= c) {
            break;
        }
        if all_sent {
            let until = *last_wait.get_or_insert_with(|| {
                let slowest = tally.times.iter().max().map(|us| us * 2000);
                time + slowest.map_or(asked.wait, |s| s.max(asked.interval))
            });
            if time >= until && end.is_none() {
                break;
            }
            next = until;
        } else if time >= next {
            if asked.late && tally.sent > 0 && !tally.answered.contains(&tally.sent) {
                sys.print(format!("no answer yet for icmp_seq={}\n", tally.sent)).await;
                sys.flush().await;
            }
            tally.sent += 1;
            tally.sent_at.push(time);
            send_request(sys, socket, asked, &mut tally).await;
            next = time + asked.interval;
            time = now(sys).await;
        }
        let all_sent = asked.count.is_some_and(|c| tally.sent >= c);
        let until = if all_sent && last_wait.is_none() { time } else { next };
        let until = end.map_or(until, |end| until.min(end));
        await_replies(sys, socket, asked, &mut tally, until.saturating_sub(time)).await;
    }
    tally
}

/// What the options say about the socket.
async fn set_options(sys: &Sys, socket: i32, options: &Options, via: Option<&str>, broadcast: bool) -> Result<(), i32> {
    let set = |level: i64, name: i64, value: i64| {
        let value = Value::List(vec![value.into()]);
        sys.call(Sysno::SETSOCKOPT, vec![socket.into(), level.into(), name.into(), value, 4.into()])
    };
    // Requests, also one's own, are not wanted.
    let _ = set(so::RAW, so::ICMP_FILTER, !((1 << 0) | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 11) | (1 << 12))).await;
    let _ = set(so::IP, so::IP_RECVERR, 1).await;
    if broadcast {
        sys.eprint("WARNING: pinging broadcast address\n").await;
        let _ = set(so::SOCKET, so::BROADCAST, 1).await;
    }
    if let Some(ttl) = options.value('t').and_then(|t| t.parse().ok()) {
        let _ = set(so::IP, so::IP_TTL, ttl).await;
    }
    if options.value('M') == Some("do") {
        let _ = set(so::IP, so::IP_MTU_DISCOVER, 2).await;
    }
    let Some(via) = via else { return Ok(()) };
    if let Ok(source) = via.parse::<Ipv4Addr>() {
        let bound = sys.call(Sysno::BIND, vec![socket.into(), sockaddr(source, 0), 16.into()]).await;
        if let Err(e) = bound {
            sys.eprint(format!("ping: bind: {e}\n")).await;
            return Err(2);
        }
    } else {
        bind_to_device(sys, socket, via).await?;
    }
    Ok(())
}

async fn bind_to_device(sys: &Sys, socket: i32, name: &str) -> Result<(), i32> {
    let args = vec![socket.into(), so::SOCKET.into(), so::BINDTODEVICE.into(), name.into(), name.len().into()];
    match sys.call(Sysno::SETSOCKOPT, args).await {
        Ok(_) => Ok(()),
        Err(e) => {
            sys.eprint(format!("ping: SO_BINDTODEVICE {name}: {e}\n")).await;
            Err(2)
        }
    }
}

/// An echo socket for those whose group may have one, otherwise a raw one.
async fn open_socket(sys: &Sys) -> Result<i32, i32> {
    let open = |kind: i64| sys.call_int(Sysno::SOCKET, vec![AF_INET.into(), kind.into(), IPPROTO_ICMP.into()]);
    if let Ok(fd) = open(SOCK_DGRAM).await {
        return Ok(fd as i32);
    }
    match open(SOCK_RAW).await {
        Ok(fd) => Ok(fd as i32),
        Err(e) => {
            sys.eprint(format!("ping: socktype: SOCK_RAW\nping: socket: {e}\n")).await;
            if sys.geteuid().await != 0 {
                sys.eprint("ping: => missing cap_net_raw+p capability or setuid?\n").await;
            }
            Err(2)
        }
    }
}

/// The address of a host: as it is written, or from `/etc/hosts`.
pub(super) async fn resolve(sys: &Sys, target: &str) -> Option<Ipv4Addr> {
    if let Ok(address) = target.parse() {
        return Some(address);
    }
    if target == "0" {
        return Some(Ipv4Addr::UNSPECIFIED);
    }
    let hosts = sys.read_file("/etc/hosts").await.unwrap_or_default();
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name == target).then_some(address)
    })
}

fn sockaddr(address: Ipv4Addr, port: u32) -> Value {
    Value::record([
        ("sa_family", AF_INET.into()),
        ("sin_port", port.into()),
        ("sin_addr", address.to_string().as_str().into()),
    ])
}

/// Connects a UDP socket to the destination: whether there is a route, and which address is the own one. Both
/// addresses, since 0.0.0.0 means this host; or why it cannot be reached.
async fn probe(
    sys: &Sys,
    address: Ipv4Addr,
    via: Option<&str>,
    broadcast: bool,
) -> Result<Result<(Ipv4Addr, Ipv4Addr), Errno>, i32> {
    let opened = sys.call_int(Sysno::SOCKET, vec![AF_INET.into(), SOCK_DGRAM.into(), 0.into()]).await;
    let Ok(fd) = opened.map(|fd| fd as i32) else {
        sys.eprint("ping: socket: Address family not supported by protocol\n").await;
        return Err(2);
    };
    match via.map(|v| (v, v.parse::<Ipv4Addr>())) {
        Some((_, Ok(source))) => {
            let bound = sys.call(Sysno::BIND, vec![fd.into(), sockaddr(source, 0), 16.into()]).await;
            if let Err(e) = bound {
                sys.eprint(format!("ping: bind: {e}\n")).await;
                return Err(2);
            }
        }
        Some((name, Err(_))) => bind_to_device(sys, fd, name).await?,
        None => {}
    }
    let connect = || sys.call(Sysno::CONNECT, vec![fd.into(), sockaddr(address, PROBE_PORT), 16.into()]);
    let mut connected = connect().await;
    if connected == Err(Errno::EACCES) {
        if !broadcast {
            sys.eprint("ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n").await;
            return Err(2);
        }
        let on = Value::List(vec![1.into()]);
        let args = vec![fd.into(), so::SOCKET.into(), so::BROADCAST.into(), on, 4.into()];
        let _ = sys.call(Sysno::SETSOCKOPT, args).await;
        connected = connect().await;
    }
    if let Err(e) = connected {
        return Ok(Err(e));
    }
    let own = sys.call(Sysno::GETSOCKNAME, vec![fd.into()]).await;
    let own = own.ok().and_then(|r| r.output(1).field("sin_addr")?.as_str()?.parse().ok());
    let _ = sys.close(fd).await;
    let own: Ipv4Addr = own.unwrap_or(Ipv4Addr::UNSPECIFIED);
    Ok(Ok((own, if address.is_unspecified() { own } else { address })))
}

/// The identifier of this process' requests.
async fn ident(sys: &Sys) -> i64 {
    i64::from(sys.getpid().await) & 0xffff
}

/// Sends the next request; why it could not be sent is told.
async fn send_request(sys: &Sys, socket: i32, asked: &Asked, tally: &mut Tally) {
    let request = Value::record([
        ("type", ICMP_ECHO.into()),
        ("code", 0.into()),
        ("id", ident(sys).await.into()),
        ("sequence", (tally.sent & 0xffff).into()),
    ]);
    let len = asked.size + ICMP_HEADER;
    let args = vec![socket.into(), request, len.into(), 0.into(), sockaddr(asked.address, 0), 16.into()];
    let Err(e) = sys.call(Sysno::SENDTO, args).await else { return };
    let args = vec![socket.into(), Value::Null, len.into(), MSG_ERRQUEUE.into()];
    // With nothing in the queue the request counts as sent and nobody hears of the error (`pinger`).
    let Ok(queued) = sys.call(Sysno::RECVFROM, args).await else { return };
    let mtu = queued.output(1).field("ee_info").and_then(Value::as_int);
    match (e, mtu) {
        (Errno::EMSGSIZE, Some(mtu)) => {
            sys.eprint(format!("ping: local error: message too long, mtu={mtu}\n")).await;
            tally.errors += 1;
        }
        (e, _) => sys.eprint(format!("ping: sendmsg: {e}\n")).await,
    }
}

/// Takes what arrives within a span of time.
async fn await_replies(sys: &Sys, socket: i32, asked: &Asked, tally: &mut Tally, span: u64) {
    let until = now(sys).await + span;
    loop {
        let left = until.saturating_sub(now(sys).await);
        let entry = Value::record([("fd", socket.into()), ("events", 1.into())]);
        let args = vec![Value::List(vec![entry]), 1.into(), left.div_ceil(1_000_000).into()];
        match sys.call_int(Sysno::POLL, args).await {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        let room = asked.size + ICMP_HEADER + IP_HEADER;
        let args = vec![socket.into(), Value::Null, room.into(), MSG_DONTWAIT.into()];
        let Ok(reply) = sys.call(Sysno::RECVFROM, args).await else { return };
        let arrived = now(sys).await;
        one_reply(sys, asked, tally, &reply, arrived).await;
        if asked.count.is_some_and(|c| tally.received + tally.errors >= c) {
            return;
        }
    }
}

/// What one message says (`ping4_parse_reply`).
async fn one_reply(sys: &Sys, asked: &Asked, tally: &mut Tally, reply: &Ret, arrived: u64) {
    let message = reply.output(1);
    let field = |m: &Value, name: &str| m.field(name).and_then(Value::as_int).unwrap_or(-1);
    let sender = reply.output(4).field("sin_addr").and_then(Value::as_str).unwrap_or("").to_owned();
    let own = ident(sys).await;
    let kind = field(message, "type");
    if kind == 0 {
        let seq = field(message, "sequence") as u64;
        let Some(sent) = tally.sent_at.get((seq as usize).wrapping_sub(1)).copied() else { return };
        if field(message, "id") != own || tally.answered.contains(&seq) {
            return;
        }
        let time = (arrived.saturating_sub(sent) / 1000).max(1);
        tally.received += 1;
        tally.pipe = tally.pipe.max((tally.sent + 1).saturating_sub(seq));
        tally.answered.push(seq);
        tally.times.push(time);
        if !asked.quiet {
            let numeric = asked.target.parse::<Ipv4Addr>().is_ok() || asked.target == "0";
            let from = if numeric { sender } else { format!("{} ({sender})", asked.target) };
            let (bytes, ttl) = (asked.size + ICMP_HEADER, field(message, "ttl"));
            if sys.is_busybox() {
                let (seq, ms) = (seq.saturating_sub(1), format!("{}.{:03}", time / 1000, time % 1000));
                say(sys, asked, &format!("{bytes} bytes from {}: seq={seq} ttl={ttl} time={ms} ms", asked.address))
                    .await;
                return;
            }
            say(sys, asked, &format!("{bytes} bytes from {from}: icmp_seq={seq} ttl={ttl} time={} ms", rounded(time)))
                .await;
        }
        return;
    }
    let Some(about) = message.field("about") else { return };
    if field(about, "id") != own || field(about, "type") != ICMP_ECHO {
        return;
    }
    tally.errors += 1;
    let seq = field(about, "sequence") as u64;
    tally.pipe = tally.pipe.max((tally.sent + 1).saturating_sub(seq));
    if asked.quiet {
        return;
    }
    let what = match (kind, field(message, "code")) {
        (3, 0) => "Destination Net Unreachable".to_owned(),
        (3, 1) => "Destination Host Unreachable".to_owned(),
        (3, 2) => "Destination Protocol Unreachable".to_owned(),
        (3, 3) => "Destination Port Unreachable".to_owned(),
        (3, 4) => format!("Frag needed and DF set (mtu = {})", field(message, "info")),
        (3, 9) => "Destination Net Prohibited".to_owned(),
        (3, 10) => "Destination Host Prohibited".to_owned(),
        (3, 13) => "Packet filtered".to_owned(),
        (3, code) => format!("Dest Unreachable, Bad Code: {code}"),
        (11, _) => "Time to live exceeded".to_owned(),
        (kind, _) => format!("Bad ICMP type: {kind}"),
    };
    say(sys, asked, &format!("From {sender} icmp_seq={} {what}", field(about, "sequence"))).await;
}

async fn say(sys: &Sys, asked: &Asked, line: &str) {
    if asked.stamps {
        let time = sys.clock_gettime(0).await.unwrap_or(0);
        sys.print(format!("[{}.{:06}] ", time / 1_000_000_000, time / 1000 % 1_000_000)).await;
    }
    sys.print(format!("{line}\n")).await;
    sys.flush().await;
}

/// The time in nanoseconds (`CLOCK_MONOTONIC`).
async fn now(sys: &Sys) -> u64 {
    sys.clock_gettime(1).await.unwrap_or(0)
}

/// Microseconds as milliseconds with three significant digits, as in a line for a reply.
fn rounded(us: u64) -> String {
    let (ms, rest) = (us / 1000, us % 1000);
    match us {
        100_000.. => format!("{}", (us + 500) / 1000),
        10_000.. => format!("{ms}.{}", rest / 100),
        1000.. => format!("{ms}.{:02}", rest / 10),
        _ => format!("{ms}.{rest:03}"),
    }
}

/// The same in the words of busybox, which tells nothing of errors.
fn summary_of_busybox(target: &str, tally: &Tally) -> String {
    let lost = (tally.sent - tally.received) * 100 / tally.sent.max(1);
    let (sent, received) = (tally.sent, tally.received);
    let mut out = format!(
        "\n--- {target} ping statistics ---\n{sent} packets transmitted, {received} packets received, {lost}% packet loss\n"
    );
    if let (Some(min), Some(max)) = (tally.times.iter().min(), tally.times.iter().max()) {
        let mean = tally.times.iter().sum::<u64>() / tally.times.len() as u64;
        let ms = |us: u64| format!("{}.{:03}", us / 1000, us % 1000);
        out.push_str(&format!("round-trip min/avg/max = {}/{}/{} ms\n", ms(*min), ms(mean), ms(*max)));
    }
    out
}

async fn summary(sys: &Sys, target: &str, tally: &Tally, span: u64) {
    if sys.is_busybox() {
        sys.print(summary_of_busybox(target, tally)).await;
        return;
    }
    let lost = (tally.sent - tally.received) * 100 / tally.sent.max(1);
    let errors = if tally.errors > 0 { format!("+{} errors, ", tally.errors) } else { String::new() };
    let mut out = format!(
        "\n--- {target} ping statistics ---\n{} packets transmitted, {} received, {errors}{lost}% packet loss, time {}ms\n",
        tally.sent,
        tally.received,
        span / 1_000_000
    );
    let n = tally.times.len() as u64;
    if let (Some(min), Some(max)) = (tally.times.iter().min(), tally.times.iter().max()) {
        let mean = tally.times.iter().sum::<u64>() / n;
        let squares = tally.times.iter().map(|t| t * t).sum::<u64>() / n;
        let mdev = squares.saturating_sub(mean * mean).isqrt();
        let ms = |us: u64| format!("{}.{:03}", us / 1000, us % 1000);
        let pipe = if tally.pipe > 1 { format!(", pipe {}", tally.pipe) } else { String::new() };
        out.push_str(&format!("rtt min/avg/max/mdev = {}/{}/{}/{} ms{pipe}\n", ms(*min), ms(mean), ms(*max), ms(mdev)));
    } else if tally.pipe > 1 {
        out.push_str(&format!("pipe {}\n", tally.pipe));
    } else {
        out.push('\n');
    }
    sys.print(out).await;
}
