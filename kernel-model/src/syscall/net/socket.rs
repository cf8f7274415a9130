//! socket(2): an end of a conversation.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::net::socket::{AF_INET, AF_NETLINK, AF_UNIX, Protocol};
use crate::net::unix::{UnixEnd, UnixType};
use crate::program::libc::o;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::file::FileKind;

/// Address families.
pub const FAMILIES: FlagNames = &[
    ("AF_UNSPEC", 0),
    ("AF_UNIX", AF_UNIX as u64),
    ("AF_INET", AF_INET as u64),
    ("AF_INET6", 10),
    ("AF_NETLINK", AF_NETLINK as u64),
    ("AF_PACKET", 17),
];
/// `AF_MAX`.
const AF_MAX: i64 = 46;

const SOCK_STREAM: i64 = 1;
const SOCK_DGRAM: i64 = 2;
const SOCK_RAW: i64 = 3;
const SOCK_SEQPACKET: i64 = 5;
/// `SOCK_MAX`.
const SOCK_MAX: i64 = 11;
/// `SOCK_TYPE_MASK`: the bits above it are flags.
const TYPE_MASK: i64 = 0xf;

const IPPROTO_ICMP: i64 = 1;
const IPPROTO_TCP: i64 = 6;
const IPPROTO_UDP: i64 = 17;
const IPPROTO_RAW: i64 = 255;
const NETLINK_ROUTE: i64 = 0;
const NETLINK_SOCK_DIAG: i64 = 4;

/// Types of sockets, and the flags above them. The values of the types are numbers, not bits: strace's order.
const TYPES: FlagNames = &[
    ("SOCK_SEQPACKET", SOCK_SEQPACKET as u64),
    ("SOCK_RAW", SOCK_RAW as u64),
    ("SOCK_DGRAM", SOCK_DGRAM as u64),
    ("SOCK_STREAM", SOCK_STREAM as u64),
    ("SOCK_CLOEXEC", o::CLOEXEC as u64),
    ("SOCK_NONBLOCK", o::NONBLOCK as u64),
];

/// socket(2).
pub const SOCKET: SyscallInfo = SyscallInfo {
    nr: Sysno::SOCKET,
    man: "socket(2)",
    args: &[Arg::Enum("domain", FAMILIES), Arg::Flags("type", TYPES), Arg::Int("protocol")],
    errno: &[
        (Errno::EINVAL, "an unknown flag or type"),
        (Errno::EAFNOSUPPORT, "an unknown family, or one that is not modelled"),
        (Errno::EPROTONOSUPPORT, "the family does not have this protocol, or it is not modelled"),
        (Errno::EACCES, "an echo socket, and no group of the caller is in ping_group_range"),
        (Errno::EPERM, "a raw socket without CAP_NET_RAW over the network namespace"),
        (Errno::EMFILE, "RLIMIT_NOFILE is reached"),
    ],
    support: Support::Partial(
        "AF_UNIX, AF_NETLINK with NETLINK_ROUTE and NETLINK_SOCK_DIAG, AF_INET with ICMP echo, UDP and TCP",
    ),
    run: socket,
};

fn socket(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (family, flags, protocol) = (a.int(0)?, a.int(1)?, a.int(2)?);
    let (kind, flags) = type_and_flags(flags)?;
    check_family(family, kind)?;
    k.security_socket_create(caller, family, kind, protocol)?;
    let protocol = match (family, kind, protocol) {
        (AF_NETLINK, SOCK_RAW | SOCK_DGRAM, NETLINK_ROUTE) => Protocol::Route { port: 0 },
        (AF_NETLINK, SOCK_RAW | SOCK_DGRAM, NETLINK_SOCK_DIAG) => Protocol::Diag,
        (AF_NETLINK, SOCK_RAW | SOCK_DGRAM, _) => {
            return Err(not_modelled(
                k,
                "netlink families other than NETLINK_ROUTE and NETLINK_SOCK_DIAG",
                Errno::EPROTONOSUPPORT,
            ));
        }
        (AF_NETLINK, ..) => return Err(Errno::ESOCKTNOSUPPORT.into()),
        (AF_INET, SOCK_DGRAM, IPPROTO_ICMP) if may_ping(k, caller) => {
            Protocol::Icmp { raw: false, ident: k.free_ping_ident(k.tasks[caller].nsproxy.net), filter: 0 }
        }
        (AF_INET, SOCK_DGRAM, IPPROTO_ICMP) => return Err(Errno::EACCES.into()),
        (AF_INET, SOCK_RAW, IPPROTO_ICMP) => {
            let owner = k.net_namespaces[k.tasks[caller].nsproxy.net].ns.owner;
            if !k.capable_in(caller, owner, Cap::NET_RAW) {
                return Err(Errno::EPERM.into());
            }
            Protocol::Icmp { raw: true, ident: 0, filter: 0 }
        }
        (AF_INET, SOCK_DGRAM, 0 | IPPROTO_UDP) => Protocol::Udp,
        (AF_INET, SOCK_STREAM, 0 | IPPROTO_TCP) => Protocol::Tcp(Box::default()),
        (AF_INET, SOCK_RAW, IPPROTO_RAW) => {
            let owner = k.net_namespaces[k.tasks[caller].nsproxy.net].ns.owner;
            if !k.capable_in(caller, owner, Cap::NET_RAW) {
                return Err(Errno::EPERM.into());
            }
            Protocol::Raw
        }
        (AF_INET, SOCK_STREAM | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT.into()),
        (AF_INET, ..) => return Err(not_modelled(k, "other protocols of IPv4", Errno::EPROTONOSUPPORT)),
        (AF_UNIX, ..) => Protocol::Unix(Box::new(UnixEnd::new(unix_type(kind, protocol)?))),
        (0, ..) => return Err(Errno::EAFNOSUPPORT.into()),
        _ => return Err(not_modelled(k, "sockets of this family", Errno::EAFNOSUPPORT)),
    };
    k.unused_fd(caller, 0)?;
    let id = k.new_socket(caller, protocol);
    Ok(Ret::new(k.install_file(caller, FileKind::Socket(id), o::RDWR | flags as u32)?))
}

/// The type and the flags above it.
///
/// # Errors
/// EINVAL for an unknown flag.
fn type_and_flags(bits: i64) -> Result<(i64, i64), Errno> {
    let (kind, flags) = (bits & TYPE_MASK, bits & !TYPE_MASK);
    if flags & !i64::from(o::CLOEXEC | o::NONBLOCK) != 0 { Err(Errno::EINVAL) } else { Ok((kind, flags)) }
}

/// `__sock_create`: the bounds of families and types.
fn check_family(family: i64, kind: i64) -> Result<(), Errno> {
    if !(0..AF_MAX).contains(&family) {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind >= SOCK_MAX { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The type of a local socket (`unix_create`).
fn unix_type(kind: i64, protocol: i64) -> Result<UnixType, Errno> {
    if protocol != 0 && protocol != AF_UNIX {
        return Err(Errno::EPROTONOSUPPORT);
    }
    UnixType::from_number(kind).ok_or(Errno::ESOCKTNOSUPPORT)
}

/// socketpair(2). The two descriptors are output 3.
pub const SOCKETPAIR: SyscallInfo = SyscallInfo {
    nr: Sysno::SOCKETPAIR,
    man: "socketpair(2)",
    args: &[Arg::Enum("domain", FAMILIES), Arg::Flags("type", TYPES), Arg::Int("protocol"), Arg::Data("sv")],
    errno: &[
        (Errno::EINVAL, "an unknown flag or type"),
        (Errno::EMFILE, "RLIMIT_NOFILE is reached"),
        (Errno::EAFNOSUPPORT, "an unknown family"),
        (Errno::EOPNOTSUPP, "a family other than AF_UNIX"),
        (Errno::EPROTONOSUPPORT, "an unknown protocol"),
        (Errno::ESOCKTNOSUPPORT, "a type that AF_UNIX does not have"),
    ],
    support: Support::Full,
    run: socketpair,
};

/// `__sys_socketpair`: the descriptors are found before the sockets are made.
fn socketpair(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (family, bits, protocol) = (a.int(0)?, a.int(1)?, a.int(2)?);
    let (kind, flags) = type_and_flags(bits)?;
    let first = k.unused_fd(caller, 0)?;
    k.unused_fd(caller, first + 1)?;
    check_family(family, kind)?;
    k.security_socket_create(caller, family, kind, protocol)?;
    if family != AF_UNIX {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let (one, other) = k.unix_pair(caller, unix_type(kind, protocol)?);
    let flags = o::RDWR | flags as u32;
    let first = k.install_file(caller, FileKind::Socket(one), flags)?;
    let second = k.install_file(caller, FileKind::Socket(other), flags)?;
    Ok(Ret::new(0).with(3, Value::List(vec![first.into(), second.into()])))
}

fn not_modelled(k: &mut Kernel<'_>, what: &str, errno: Errno) -> crate::syscall::Stop {
    k.emit(EventKind::NotModelled { what: what.into() });
    errno.into()
}

/// Whether a group of the caller is in `net.ipv4.ping_group_range` (`ping_init_sock`).
fn may_ping(k: &Kernel<'_>, caller: TaskId) -> bool {
    let range = k.sysctl("net/ipv4/ping_group_range", caller).unwrap_or_default();
    let mut bounds = range.split_whitespace().filter_map(|n| n.parse::<u32>().ok());
    let (Some(low), Some(high)) = (bounds.next(), bounds.next()) else { return false };
    let cred = &k.tasks[caller].cred;
    std::iter::once(&cred.egid).chain(cred.groups.iter()).any(|g| (low..=high).contains(&g.0))
}
