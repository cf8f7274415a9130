//! setsockopt(2) and getsockopt(2): how a socket behaves.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::namespace::user::UserNsId;
use crate::net::netfilter::Table;
use crate::net::netfilter::wire::{IPT_SO_GET_ENTRIES, IPT_SO_SET_REPLACE};
use crate::net::socket::{AF_INET, AF_NETLINK, AF_UNIX, Protocol, SocketId};
use crate::net::unix::UnixState;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;

const LEVELS: FlagNames =
    &[("SOL_IP", 0), ("SOL_SOCKET", 1), ("SOL_TCP", 6), ("SOL_UDP", 17), ("SOL_RAW", 255), ("SOL_NETLINK", 270)];

/// Levels and names of options.
#[allow(missing_docs)] // the options of socket(7), ip(7) and raw(7)
pub mod so {
    pub const SOCKET: i64 = 1;
    pub const IP: i64 = 0;
    pub const RAW: i64 = 255;
    pub const REUSEADDR: i64 = 2;
    pub const TYPE: i64 = 3;
    pub const ERROR: i64 = 4;
    pub const BROADCAST: i64 = 6;
    pub const REUSEPORT: i64 = 15;
    pub const PASSCRED: i64 = 16;
    pub const PEERCRED: i64 = 17;
    pub const RCVTIMEO: i64 = 20;
    pub const BINDTODEVICE: i64 = 25;
    pub const ACCEPTCONN: i64 = 30;
    pub const PROTOCOL: i64 = 38;
    pub const DOMAIN: i64 = 39;
    pub const IP_TTL: i64 = 2;
    pub const IP_MTU_DISCOVER: i64 = 10;
    pub const IP_RECVERR: i64 = 11;
    pub const ICMP_FILTER: i64 = 1;
}

/// `IP_PMTUDISC_DO`.
const PMTUDISC_DO: i64 = 2;

/// setsockopt(2).
pub const SETSOCKOPT: SyscallInfo = SyscallInfo {
    nr: Sysno::SETSOCKOPT,
    man: "setsockopt(2)",
    args: &[
        Arg::Fd("sockfd"),
        Arg::Enum("level", LEVELS),
        Arg::Int("optname"),
        Arg::Data("optval"),
        Arg::Int("optlen"),
    ],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::EINVAL, "the value is not one that the option takes"),
        (Errno::ENODEV, "SO_BINDTODEVICE names a device that the namespace does not have"),
        (Errno::EPERM, "SO_BINDTODEVICE on a bound socket without CAP_NET_RAW"),
    ],
    support: Support::Partial(
        "SO_BINDTODEVICE, SO_BROADCAST, SO_REUSEADDR, SO_RCVTIMEO, SO_PASSCRED, IP_TTL, IP_MTU_DISCOVER, IP_RECVERR and \
         ICMP_FILTER take effect; other options are kept and change nothing",
    ),
    run: setsockopt,
};

/// The number in an option's value.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        Value::List(items) => items.first().and_then(number),
        _ => None,
    }
}

fn setsockopt(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let (level, name, value) = (a.int(1)?, a.int(2)?, a.get(3));
    let n = number(value).unwrap_or(0);
    match (level, name) {
        (so::SOCKET, so::BINDTODEVICE) => bind_to_device(k, caller, id, value)?,
        (so::SOCKET, so::BROADCAST) => k.sockets[id].options.broadcast = n != 0,
        (so::SOCKET, so::REUSEADDR) => k.sockets[id].options.reuse_address = n != 0,
        (so::SOCKET, so::REUSEPORT) => k.sockets[id].options.reuse_port = n != 0,
        (so::SOCKET, so::PASSCRED) => k.sockets[id].options.pass_credentials = n != 0,
        (so::SOCKET, so::RCVTIMEO) => {
            let field = |name| value.field(name).and_then(Value::as_int).unwrap_or(0).max(0) as u64;
            let span = Nanos(field("tv_sec") * Nanos::SECOND.0 + field("tv_usec") * 1000);
            k.sockets[id].options.recv_timeout = (span > Nanos(0)).then_some(span);
        }
        (so::IP, so::IP_TTL) => {
            if n != -1 && !(1..=255).contains(&n) {
                return Err(Errno::EINVAL.into());
            }
            k.sockets[id].options.ttl = u8::try_from(n).ok();
        }
        (so::IP, so::IP_MTU_DISCOVER) => k.sockets[id].options.pmtu_discover = n == PMTUDISC_DO,
        (so::IP, so::IP_RECVERR) => k.sockets[id].options.recv_errors = n != 0,
        (so::RAW, so::ICMP_FILTER) => {
            if let Protocol::Icmp { filter, .. } = &mut k.sockets[id].protocol {
                *filter = n as u32;
            }
        }
        (so::IP, IPT_SO_SET_REPLACE) => {
            let (net, owner) = firewall_of(k, id);
            if !k.capable_in(caller, owner, Cap::NET_ADMIN) {
                return Err(Errno::EPERM.into());
            }
            let table = Table::from_value(value).ok_or(Errno::EINVAL)?;
            let tables = &mut k.net_namespaces[net].netfilter.tables;
            let place = tables.iter_mut().find(|t| t.name == table.name).ok_or(Errno::ENOENT)?;
            *place = table;
        }
        _ => drop(k.sockets[id].options.others.insert((level, name), n)),
    }
    Ok(Ret::new(0))
}

/// `SO_PEERCRED`: who is at the other end, in the numbers of the caller's namespaces.
fn peer_cred(k: &Kernel<'_>, caller: TaskId, id: SocketId) -> Value {
    match k.unix(id).and_then(|end| end.peer_cred.as_ref()) {
        Some(cred) => k.ucred(caller, Some(cred)),
        None => Value::record([("pid", 0.into()), ("uid", (-1).into()), ("gid", (-1).into())]),
    }
}

/// `sock_setbindtodevice`.
fn bind_to_device(k: &mut Kernel<'_>, caller: TaskId, id: SocketId, value: &Value) -> Result<(), Errno> {
    let net = k.sockets[id].net;
    let owner = k.net_namespaces[net].ns.owner;
    if k.sockets[id].options.device.is_some() && !k.capable_in(caller, owner, Cap::NET_RAW) {
        return Err(Errno::EPERM);
    }
    let name = value.as_str().unwrap_or("").trim_end_matches('\0');
    k.sockets[id].options.device = match name {
        "" => None,
        name => Some(k.device_named(net, name).ok_or(Errno::ENODEV)?),
    };
    Ok(())
}

/// The namespace whose packet filter a socket speaks to, and its owner.
fn firewall_of(k: &Kernel<'_>, id: SocketId) -> (NetNsId, UserNsId) {
    let net = k.sockets[id].net;
    (net, k.net_namespaces[net].ns.owner)
}

/// getsockopt(2). The value is output 3.
pub const GETSOCKOPT: SyscallInfo = SyscallInfo {
    nr: Sysno::GETSOCKOPT,
    man: "getsockopt(2)",
    args: &[
        Arg::Fd("sockfd"),
        Arg::Enum("level", LEVELS),
        Arg::Int("optname"),
        Arg::Data("optval"),
        Arg::Data("optlen"),
    ],
    errno: &[
        (Errno::EBADF, "sockfd is not open"),
        (Errno::ENOTSOCK, "sockfd is no socket"),
        (Errno::EPERM, "the packet filter, without CAP_NET_ADMIN over the network namespace"),
        (Errno::ENOENT, "a table of the packet filter that does not exist"),
    ],
    support: Support::Partial(
        "SO_ERROR, SO_TYPE, SO_DOMAIN, SO_ACCEPTCONN, SO_PEERCRED, what was set, and tables of the packet filter",
    ),
    run: getsockopt,
};

fn getsockopt(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.socket_of_fd(caller, a.int32(0)?)?;
    let (level, name) = (a.int(1)?, a.int(2)?);
    let socket = &mut k.sockets[id];
    let value: i64 = match (level, name) {
        (so::IP, IPT_SO_GET_ENTRIES) => {
            let (net, owner) = firewall_of(k, id);
            if !k.capable_in(caller, owner, Cap::NET_ADMIN) {
                return Err(Errno::EPERM.into());
            }
            let wanted = a.get(3).as_str().unwrap_or("filter");
            let table = k.net_namespaces[net].netfilter.table(wanted).ok_or(Errno::ENOENT)?;
            return Ok(Ret::new(0).with(3, table.to_value()));
        }
        (so::SOCKET, so::ERROR) => socket.error.take().map_or(0, |e| e as i64),
        (so::SOCKET, so::TYPE) => match socket.protocol {
            Protocol::Tcp(_) => 1,
            Protocol::Unix(ref end) => end.kind as i64,
            Protocol::Udp | Protocol::Icmp { raw: false, .. } => 2,
            _ => 3,
        },
        (so::SOCKET, so::DOMAIN) => match socket.protocol {
            Protocol::Route { .. } | Protocol::Diag => AF_NETLINK,
            Protocol::Unix(_) => AF_UNIX,
            _ => AF_INET,
        },
        (so::SOCKET, so::ACCEPTCONN) => i64::from(match &socket.protocol {
            Protocol::Tcp(end) => end.is_listening(),
            Protocol::Unix(end) => end.state == UnixState::Listening,
            _ => false,
        }),
        (so::SOCKET, so::PASSCRED) => i64::from(socket.options.pass_credentials),
        (so::SOCKET, so::PEERCRED) => return Ok(Ret::new(0).with(3, peer_cred(k, caller, id))),
        (so::SOCKET, so::BROADCAST) => i64::from(socket.options.broadcast),
        (so::SOCKET, so::REUSEADDR) => i64::from(socket.options.reuse_address),
        (so::IP, so::IP_TTL) => i64::from(socket.options.ttl.unwrap_or(64)),
        other => socket.options.others.get(&other).copied().unwrap_or(0),
    };
    Ok(Ret::new(0).with(3, value.into()))
}
