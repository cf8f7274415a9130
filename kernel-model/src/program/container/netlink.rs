//! rtnetlink as the runtimes use it: orders to the network namespace that they are in.

use std::borrow::Cow;

use crate::errno::Errno;
use crate::net::device::iff;
use crate::net::rtnetlink::nlm;
use crate::net::socket::AF_NETLINK;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};

const SOCK_RAW: i64 = 3;

/// Fields of a message after its header.
pub(super) type Fields = Vec<(Cow<'static, str>, Value)>;

/// Sends one order and waits for the answer.
///
/// # Errors
/// The kernel's refusal.
pub(super) async fn order(sys: &Sys, kind: &str, flags: i64, fields: Fields) -> Result<Option<Value>, Errno> {
    let args = vec![AF_NETLINK.into(), (SOCK_RAW | i64::from(o::CLOEXEC)).into(), 0.into()];
    let fd = sys.call_int(Sysno::SOCKET, args).await?;
    let address = Value::record([("sa_family", AF_NETLINK.into()), ("nl_pid", 0.into()), ("nl_groups", 0.into())]);
    sys.call(Sysno::BIND, vec![fd.into(), address, 12.into()]).await?;
    let asks = kind.starts_with("RTM_GET");
    let flags = nlm::REQUEST | flags | if asks { 0 } else { nlm::ACK };
    let mut message: Fields = vec![
        ("nlmsg_type".into(), kind.into()),
        ("nlmsg_flags".into(), flags.into()),
        ("nlmsg_seq".into(), 1.into()),
        ("nlmsg_pid".into(), 0.into()),
    ];
    let length = 32 + 8 * fields.len();
    message.extend(fields);
    let body = Value::List(vec![Value::Struct(message)]);
    let sent = sys.call(Sysno::SENDTO, vec![fd.into(), body, length.into()]).await;
    let answer = match sent {
        Ok(_) => sys.call(Sysno::RECVFROM, vec![fd.into(), Value::Null, 32_768.into()]).await,
        Err(e) => Err(e),
    };
    // It is open.
    let _ = sys.close(fd as i32).await;
    let first = answer?.output(1).as_list().and_then(|l| l.first()).cloned();
    let Some(first) = first else { return Ok(None) };
    if first.field("nlmsg_type").and_then(Value::as_str) != Some("NLMSG_ERROR") {
        return Ok(Some(first));
    }
    match first.field("error").and_then(Value::as_int).unwrap_or(0) {
        0 => Ok(None),
        n => Err(Errno::ALL.iter().copied().find(|e| *e as i64 == -n).unwrap_or(Errno::EIO)),
    }
}

/// The number of a device.
///
/// # Errors
/// ENODEV.
pub(super) async fn index_of(sys: &Sys, name: &str) -> Result<i64, Errno> {
    let answer = order(sys, "RTM_GETLINK", 0, vec![("IFLA_IFNAME".into(), name.into())]).await?;
    answer.as_ref().and_then(|a| a.field("ifi_index")).and_then(Value::as_int).ok_or(Errno::ENODEV)
}

/// Switches a device on.
///
/// # Errors
/// The kernel's refusal.
pub(super) async fn set_up(sys: &Sys, name: &str) -> Result<(), Errno> {
    let index = index_of(sys, name).await?;
    let fields: Fields = vec![
        ("ifi_index".into(), index.into()),
        ("ifi_flags".into(), iff::UP.into()),
        ("ifi_change".into(), iff::UP.into()),
    ];
    order(sys, "RTM_NEWLINK", 0, fields).await.map(drop)
}
