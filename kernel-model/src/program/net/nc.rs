//! `nc` of OpenBSD: bytes from standard input to a connection, and from the connection to standard output.

use std::net::Ipv4Addr;

use super::iptables::SERVICES;
use super::nc_unix;
use super::ping::resolve;
use crate::errno::Errno;
use crate::net::socket::AF_INET;
use crate::program::Sys;
use crate::program::coreutils::sleep::nanoseconds;
use crate::program::getopt::Spec;
use crate::syscall::net::setsockopt::so;
use crate::syscall::{Sysno, Value};

crate::program!(
    NC = "nc" in "/usr/bin",
    "connect to a port, or wait at one",
    main,
    "  nc [-u] [-w SECONDS] [-z] HOST PORT...   connect; -z only tries
  nc -l [-u] [-k] [-p] PORT               wait for somebody
  nc -U PATH; nc -lU PATH                 the same between local sockets; -u  with datagrams
  -N   tell the other end when standard input ends
  -s ADDRESS  from this address; -v  say what happens; -n  accepted"
);

const SPEC: Spec = Spec {
    short: "46hklnNuUvzp:q:s:w:",
    long: &[],
    unmodelled: "-b -C -c -D -d -e -F -I -i -M -m -O -P -r -S -T -t -V -W -X -x -Z",
    version: "OpenBSD netcat (Debian patchlevel 1.219-1)",
    failure: 1,
};

const SOCK_STREAM: i64 = 1;
const SOCK_DGRAM: i64 = 2;
const SOCK_NONBLOCK: i64 = 0o4000;
const POLLIN: i64 = 1;
const POLLOUT: i64 = 4;
const SHUT_WR: i64 = 1;

pub(super) struct Wanted {
    pub udp: bool,
    pub verbose: bool,
    pub zero: bool,
    shut: bool,
    pub keep: bool,
    wait: Option<u64>,
    source: Option<Ipv4Addr>,
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let wanted = Wanted {
        udp: options.has('u'),
        verbose: options.has('v'),
        zero: options.has('z'),
        shut: options.has('N'),
        keep: options.has('k'),
        wait: options.value('w').and_then(nanoseconds),
        source: options.value('s').and_then(|s| s.parse().ok()),
    };
    let words: Vec<&str> = options.operands.iter().map(String::as_str).collect();
    if options.has('U') {
        let path = words.first().copied();
        return match options.has('l') {
            true => nc_unix::listen(&sys, &wanted, path).await,
            false => nc_unix::connect(&sys, &wanted, path).await,
        };
    }
    if options.has('l') {
        let port = options.value('p').or(words.last().copied());
        let host = if words.len() > 1 { words.first().copied() } else { None };
        return listen(&sys, &wanted, host, port).await;
    }
    let [host, ports @ ..] = words.as_slice() else { return Err(usage(&sys).await) };
    if ports.is_empty() {
        return Err(usage(&sys).await);
    }
    let Some(address) = resolve(&sys, host).await else {
        sys.eprint(format!("nc: getaddrinfo for host \"{host}\" port {}: Name or service not known\n", ports[0])).await;
        return Err(1);
    };
    let mut status = 1;
    for port in ports {
        let (first, last) = port.split_once('-').unwrap_or((port, port));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            sys.eprint(format!("nc: port number invalid: {port}\n")).await;
            return Err(1);
        };
        for port in first..=last {
            if connect(&sys, &wanted, host, address, port).await {
                status = 0;
            }
        }
    }
    Ok(status)
}

pub(super) async fn usage(sys: &Sys) -> i32 {
    sys.eprint(
        "usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]\n\t  [-m minttl] [-O length] [-P proxy_username] \
         [-p source_port]\n\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]\n\t  [-w timeout] \
         [-X proxy_protocol] [-x proxy_address[:port]]\n\t  [destination] [port]\n",
    )
    .await;
    1
}

fn number(text: &str) -> Option<u16> {
    SERVICES.iter().find(|(n, _)| *n == text).map(|(_, p)| *p).or_else(|| text.parse().ok()).filter(|p| *p != 0)
}

fn sockaddr(address: Ipv4Addr, port: u16) -> Value {
    Value::record([
        ("sa_family", AF_INET.into()),
        ("sin_port", u32::from(port).into()),
        ("sin_addr", address.to_string().as_str().into()),
    ])
}

async fn socket(sys: &Sys, kind: i64) -> Result<i32, Errno> {
    sys.call_int(Sysno::SOCKET, vec![AF_INET.into(), kind.into(), 0.into()]).await.map(|fd| fd as i32)
}

/// Waits until one of the descriptors is ready; which ones are.
async fn poll(sys: &Sys, fds: &[(i32, i64)], timeout: i64) -> Vec<i64> {
    let entry = |(fd, events): &(i32, i64)| Value::record([("fd", (*fd).into()), ("events", (*events).into())]);
    let args = vec![Value::List(fds.iter().map(entry).collect()), fds.len().into(), timeout.into()];
    let Ok(ret) = sys.call(Sysno::POLL, args).await else { return vec![0; fds.len()] };
    let list = ret.output(0).as_list().unwrap_or_default();
    list.iter().map(|e| e.field("revents").and_then(Value::as_int).unwrap_or(0)).collect()
}

async fn option(sys: &Sys, fd: i32, name: i64) -> i64 {
    let args = vec![fd.into(), so::SOCKET.into(), name.into()];
    sys.call(Sysno::GETSOCKOPT, args).await.ok().and_then(|r| r.output(3).as_int()).unwrap_or(0)
}

/// Connects and talks. Whether it could.
async fn connect(sys: &Sys, wanted: &Wanted, host: &str, address: Ipv4Addr, port: u16) -> bool {
    let protocol = if wanted.udp { "udp" } else { "tcp" };
    let kind = if wanted.udp { SOCK_DGRAM } else { SOCK_STREAM };
    let Ok(fd) = socket(sys, kind | SOCK_NONBLOCK).await else { return false };
    if let Some(source) = wanted.source
        && let Err(e) = sys.call(Sysno::BIND, vec![fd.into(), sockaddr(source, 0), 16.into()]).await
    {
        sys.eprint(format!("nc: bind failed: {e}\n")).await;
        return false;
    }
    let mut result = sys.call(Sysno::CONNECT, vec![fd.into(), sockaddr(address, port), 16.into()]).await.map(drop);
    if result == Err(Errno::EINPROGRESS) {
        let timeout = wanted.wait.map_or(-1, |w| (w / 1_000_000) as i64);
        let ready = poll(sys, &[(fd, POLLOUT)], timeout).await;
        result = if ready.first().is_none_or(|r| *r == 0) {
            Err(Errno::ETIMEDOUT)
        } else {
            let error = option(sys, fd, so::ERROR).await;
            Errno::ALL.iter().find(|e| **e as i64 == error).map_or(Ok(()), |e| Err(*e))
        };
    }
    if let Err(e) = result {
        if wanted.verbose {
            let said = if e == Errno::ETIMEDOUT && wanted.wait.is_some() {
                "timed out: Operation now in progress"
            } else {
                "failed"
            };
            let text = if said == "failed" { format!("failed: {e}") } else { said.to_owned() };
            let name = if host.parse::<Ipv4Addr>().is_ok() { host.to_owned() } else { format!("{host} ({address})") };
            sys.eprint(format!("nc: connect to {name} port {port} ({protocol}) {text}\n")).await;
        }
        let _ = sys.close(fd).await;
        return false;
    }
    if wanted.udp && wanted.zero && !udp_answers(sys, fd).await {
        let _ = sys.close(fd).await;
        return false;
    }
    if wanted.verbose {
        let name = if host.parse::<Ipv4Addr>().is_ok() { host.to_owned() } else { format!("{host} ({address})") };
        let service = SERVICES.iter().find(|(_, p)| *p == port).map_or("*", |(n, _)| n);
        sys.eprint(format!("Connection to {name} {port} port [{protocol}/{service}] succeeded!\n")).await;
    }
    if !wanted.zero {
        talk(sys, wanted, fd, None).await;
    }
    let _ = sys.close(fd).await;
    true
}

/// Whether nothing says that nobody has the port (`udptest`).
async fn udp_answers(sys: &Sys, fd: i32) -> bool {
    for _ in 0..4 {
        if sys.write(fd, b"X").await.is_err() {
            return false;
        }
    }
    true
}

async fn listen(sys: &Sys, wanted: &Wanted, host: Option<&str>, port: Option<&str>) -> Result<i32, i32> {
    let Some(port) = port.and_then(number) else { return Err(usage(sys).await) };
    let address = match host {
        Some(host) => resolve(sys, host).await.unwrap_or(Ipv4Addr::UNSPECIFIED),
        None => Ipv4Addr::UNSPECIFIED,
    };
    let fd = match socket(sys, if wanted.udp { SOCK_DGRAM } else { SOCK_STREAM }).await {
        Ok(fd) => fd,
        Err(e) => {
            sys.eprint(format!("nc: socket: {e}\n")).await;
            return Err(1);
        }
    };
    for option in [so::REUSEADDR, so::REUSEPORT] {
        let on = Value::List(vec![1.into()]);
        let args = vec![fd.into(), so::SOCKET.into(), option.into(), on, 4.into()];
        let _ = sys.call(Sysno::SETSOCKOPT, args).await;
    }
    if let Err(e) = sys.call(Sysno::BIND, vec![fd.into(), sockaddr(address, port), 16.into()]).await {
        sys.eprint(format!("nc: {e}\n")).await;
        return Err(1);
    }
    if wanted.verbose {
        let said = if wanted.udp { "Bound" } else { "Listening" };
        sys.eprint(format!("{said} on {address} {port}\n")).await;
    }
    if wanted.udp {
        talk(sys, wanted, fd, Some(())).await;
        return Ok(0);
    }
    if let Err(e) = sys.call(Sysno::LISTEN, vec![fd.into(), 1.into()]).await {
        sys.eprint(format!("nc: listen: {e}\n")).await;
        return Err(1);
    }
    loop {
        let accepted = sys.call(Sysno::ACCEPT4, vec![fd.into(), Value::Null, Value::Null, SOCK_NONBLOCK.into()]).await;
        let Ok(accepted) = accepted else { return Err(1) };
        if wanted.verbose {
            let from = accepted.output(1);
            let address = from.field("sin_addr").and_then(Value::as_str).unwrap_or("");
            let port = from.field("sin_port").and_then(Value::as_int).unwrap_or(0);
            let name = if address == "127.0.0.1" { "localhost" } else { address };
            sys.eprint(format!("Connection received on {name} {port}\n")).await;
        }
        let child = accepted.value as i32;
        talk(sys, wanted, child, None).await;
        let _ = sys.close(child).await;
        if !wanted.keep {
            return Ok(0);
        }
    }
}

/// Passes bytes on in both directions until the other end is done (`readwrite`). A socket that waits for datagrams
/// answers whoever spoke first.
pub(super) async fn talk(sys: &Sys, wanted: &Wanted, fd: i32, waits: Option<()>) {
    let mut input = true;
    let mut connected = waits.is_none();
    let timeout = wanted.wait.map_or(-1, |w| (w / 1_000_000) as i64);
    loop {
        let mut fds = vec![(fd, POLLIN)];
        if input && connected {
            fds.push((0, POLLIN));
        }
        let ready = poll(sys, &fds, timeout).await;
        if ready.iter().all(|r| *r == 0) {
            return;
        }
        if ready[0] != 0 {
            let args = vec![fd.into(), Value::Null, 16_384.into(), 0.into()];
            match sys.call(Sysno::RECVFROM, args).await {
                Ok(ret) if ret.value > 0 => {
                    if !connected {
                        let _ = sys.call(Sysno::CONNECT, vec![fd.into(), ret.output(4).clone(), 16.into()]).await;
                        connected = true;
                    }
                    let bytes = ret.output(1).as_bytes().unwrap_or_default().to_vec();
                    if sys.write_all(1, &bytes).await.is_err() {
                        return;
                    }
                }
                Err(Errno::EAGAIN) => {}
                _ => return,
            }
        }
        if ready.get(1).is_some_and(|r| *r != 0) {
            match sys.read(0, 16_384).await {
                Ok(bytes) if !bytes.is_empty() => {
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        match sys.write(fd, rest).await {
                            Ok(n) => rest = &rest[n.min(rest.len())..],
                            Err(Errno::EAGAIN) => drop(poll(sys, &[(fd, POLLOUT)], -1).await),
                            Err(_) => return,
                        }
                    }
                }
                _ => {
                    input = false;
                    if wanted.shut {
                        let _ = sys.call(Sysno::SHUTDOWN, vec![fd.into(), SHUT_WR.into()]).await;
                    }
                }
            }
        }
    }
}
