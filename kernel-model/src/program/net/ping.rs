//! `ping` of iputils: ICMP echo requests and their replies.

use std::net::Ipv4Addr;

use crate::errno::Errno;
use crate::net::socket::AF_INET;
use crate::program::Sys;
use crate::program::coreutils::sleep::nanoseconds;
use crate::program::getopt::Spec;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};

crate::program!(
    PING = "ping" in "/usr/bin",
    "send ICMP echo requests",
    main,
    "  -c COUNT     stop after so many replies
  -i SECONDS   wait so long between packets (1)
  -W SECONDS   wait so long for a reply (10)
  -s BYTES     send so many data bytes (56)
  -q           only the summary
  -n, -4       accepted"
);

const SPEC: Spec = Spec {
    short: "4nqc:i:W:s:",
    long: &[],
    unmodelled: "-6 -a -A -b -B -C -D -d -e -f -F -h -I -l -L -m -M -N -O -p -Q -R -r -S -T -t -U -v -V -w",
    version: "from iputils 20221126",
    failure: 2,
};

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
    times: Vec<u64>,
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let [.., target] = options.operands.as_slice() else {
        sys.eprint("ping: usage error: Destination address required\n").await;
        return Err(1);
    };
    let span = |key: char, or: u64| options.value(key).and_then(nanoseconds).unwrap_or(or);
    let (interval, wait) = (span('i', 1_000_000_000), span('W', 10_000_000_000));
    let number = |key: char| options.value(key).map(|v| (v, v.parse::<usize>().ok()));
    for key in ['c', 's'] {
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
    let size = number('s').and_then(|(_, n)| n).unwrap_or(56);

    let socket = open_socket(&sys).await?;
    let Some(address) = resolve(&sys, target).await else {
        sys.eprint(format!("ping: {target}: Name or service not known\n")).await;
        return Err(2);
    };
    probe(&sys, address).await?;

    sys.print(format!("PING {target} ({address}) {size}({}) bytes of data.\n", size + ICMP_HEADER + IP_HEADER)).await;
    sys.flush().await;
    let _ = sys.sigaction(Signal::INT, Disposition::Handler { restart: false }).await;
    let from = if target.parse::<Ipv4Addr>().is_ok() { target.clone() } else { format!("{target} ({address})") };
    let began = now(&sys).await;
    let mut last = began;
    let mut tally = Tally::default();
    while !sys.take_caught().contains(&Signal::INT) {
        last = now(&sys).await;
        tally.sent += 1;
        if let Some(time) = echo(&sys, socket, address, tally.sent, size).await {
            tally.received += 1;
            tally.times.push(time);
            if !options.has('q') {
                let seq = tally.sent;
                let bytes = size + ICMP_HEADER;
                sys.print(format!("{bytes} bytes from {from}: icmp_seq={seq} ttl=64 time={} ms\n", rounded(time)))
                    .await;
                sys.flush().await;
            }
        } else if count == Some(tally.sent) {
            let _ = sys.nanosleep(wait).await;
        }
        if count == Some(tally.sent) || sys.nanosleep(interval).await == Err(Errno::EINTR) {
            break;
        }
    }
    summary(&sys, target, &tally, last.saturating_sub(began)).await;
    Ok(if tally.received == 0 { 1 } else { 0 })
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
async fn resolve(sys: &Sys, target: &str) -> Option<Ipv4Addr> {
    if let Ok(address) = target.parse() {
        return Some(address);
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

/// Connects a UDP socket to the destination: whether there is a route, and which address is the own one.
async fn probe(sys: &Sys, address: Ipv4Addr) -> Result<(), i32> {
    let opened = sys.call_int(Sysno::SOCKET, vec![AF_INET.into(), SOCK_DGRAM.into(), 0.into()]).await;
    let Ok(fd) = opened.map(|fd| fd as i32) else {
        sys.eprint("ping: socket: Address family not supported by protocol\n").await;
        return Err(2);
    };
    let connected = sys.call(Sysno::CONNECT, vec![fd.into(), sockaddr(address, PROBE_PORT), 16.into()]).await;
    if let Err(e) = connected {
        sys.eprint(format!("ping: connect: {e}\n")).await;
        return Err(2);
    }
    let _ = sys.call(Sysno::GETSOCKNAME, vec![fd.into()]).await;
    let _ = sys.close(fd).await;
    Ok(())
}

/// One request; how long the reply took, in microseconds, if there is one.
async fn echo(sys: &Sys, socket: i32, to: Ipv4Addr, sequence: u64, size: usize) -> Option<u64> {
    const MSG_DONTWAIT: i64 = 0x40;
    let id = i64::from(sys.getpid().await) & 0xffff;
    let request = Value::record([
        ("type", ICMP_ECHO.into()),
        ("code", 0.into()),
        ("id", id.into()),
        ("sequence", (sequence & 0xffff).into()),
    ]);
    let len = size + ICMP_HEADER;
    let began = now(sys).await;
    let args = vec![socket.into(), request, len.into(), 0.into(), sockaddr(to, 0), 16.into()];
    if let Err(e) = sys.call(Sysno::SENDTO, args).await {
        sys.eprint(format!("ping: sendmsg: {e}\n")).await;
        return None;
    }
    // What loops back inside the host is there when the request has been sent.
    let args = vec![socket.into(), Value::Null, (len + IP_HEADER).into(), MSG_DONTWAIT.into()];
    let reply = sys.call(Sysno::RECVFROM, args).await.ok()?;
    let field = |name: &str| reply.output(1).field(name).and_then(Value::as_int);
    (field("type") == Some(0)).then_some(())?;
    Some((now(sys).await.saturating_sub(began) / 1000).max(1))
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

async fn summary(sys: &Sys, target: &str, tally: &Tally, span: u64) {
    let lost = (tally.sent - tally.received) * 100 / tally.sent.max(1);
    let mut out = format!(
        "\n--- {target} ping statistics ---\n{} packets transmitted, {} received, {lost}% packet loss, time {}ms\n",
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
        out.push_str(&format!("rtt min/avg/max/mdev = {}/{}/{}/{} ms\n", ms(*min), ms(mean), ms(*max), ms(mdev)));
    } else {
        out.push('\n');
    }
    sys.print(out).await;
}
