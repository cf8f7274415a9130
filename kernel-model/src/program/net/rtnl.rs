//! libnetlink as iproute2 has it: a socket to the kernel, questions, dumps and orders.

use std::borrow::Cow;

use crate::errno::Errno;
use crate::net::rtnetlink::nlm;
use crate::net::socket::AF_NETLINK;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};

const SOCK_RAW: i64 = 3;
const SOL_SOCKET: i64 = 1;
const SO_SNDBUF: i64 = 7;
const SO_RCVBUF: i64 = 8;
const SOL_NETLINK: i64 = 270;
const NETLINK_EXT_ACK: i64 = 11;
const NETLINK_GET_STRICT_CHK: i64 = 12;
/// What iproute2 has room for in one answer.
const ROOM: i64 = 32_768;

/// An open rtnetlink socket (`struct rtnl_handle`).
pub(in crate::program::net) struct Rtnl {
    sys: Sys,
    fd: i32,
}

/// Fields of a message after its header.
pub(in crate::program::net) type Fields = Vec<(Cow<'static, str>, Value)>;

/// Why an order came to nothing: the error and the kernel's own words.
pub(super) struct Refused {
    errno: Errno,
    words: Option<String>,
}

impl Refused {
    /// What iproute2 prints.
    pub(super) fn message(&self) -> String {
        match &self.words {
            // `nl_dump_ext_ack`
            Some(words) if words.ends_with('.') => format!("Error: {words}\n"),
            Some(words) => format!("Error: {words}.\n"),
            None => format!("RTNETLINK answers: {}\n", self.errno),
        }
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused { errno, words: None }
    }
}

impl Rtnl {
    /// `rtnl_open`.
    ///
    /// # Errors
    /// The exit status, after a message.
    pub(super) async fn open(sys: &Sys) -> Result<Rtnl, i32> {
        let args = vec![AF_NETLINK.into(), (SOCK_RAW | i64::from(o::CLOEXEC)).into(), 0.into()];
        let fd = match sys.call_int(Sysno::SOCKET, args).await {
            Ok(fd) => fd as i32,
            Err(e) => {
                sys.eprint(format!("Cannot open netlink socket: {e}\n")).await;
                return Err(1);
            }
        };
        for (level, option, value) in [
            (SOL_SOCKET, SO_SNDBUF, ROOM),
            (SOL_SOCKET, SO_RCVBUF, 1 << 20),
            (SOL_NETLINK, NETLINK_EXT_ACK, 1),
            (SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1),
        ] {
            let value = Value::List(vec![value.into()]);
            // As iproute2 does: an old kernel without the option is good enough.
            let _ = sys.call(Sysno::SETSOCKOPT, vec![fd.into(), level.into(), option.into(), value, 4.into()]).await;
        }
        let address = Value::record([("sa_family", AF_NETLINK.into()), ("nl_pid", 0.into()), ("nl_groups", 0.into())]);
        if let Err(e) = sys.call(Sysno::BIND, vec![fd.into(), address, 12.into()]).await {
            sys.eprint(format!("Cannot bind netlink socket: {e}\n")).await;
            return Err(1);
        }
        // Its own port, which the kernel has chosen.
        let _ = sys.call(Sysno::GETSOCKNAME, vec![fd.into()]).await;
        Ok(Rtnl { sys: sys.clone(), fd })
    }

    async fn send(&self, kind: &str, flags: i64, fields: Fields) -> Result<(), Errno> {
        let mut message: Fields = vec![
            ("nlmsg_type".into(), kind.into()),
            ("nlmsg_flags".into(), (flags | nlm::REQUEST).into()),
            ("nlmsg_seq".into(), 1.into()),
            ("nlmsg_pid".into(), 0.into()),
        ];
        let len = 32 + 8 * fields.len();
        message.extend(fields);
        let body = Value::List(vec![Value::Struct(message)]);
        self.sys.call(Sysno::SENDTO, vec![self.fd.into(), body, len.into()]).await.map(|_| ())
    }

    /// The messages of the next datagram.
    async fn receive(&self) -> Result<Vec<Value>, Errno> {
        let ret = self.sys.call(Sysno::RECVFROM, vec![self.fd.into(), Value::Null, ROOM.into()]).await?;
        Ok(ret.output(1).as_list().unwrap_or_default().to_vec())
    }

    /// Everything of a kind (`rtnl_dump_filter`).
    ///
    /// # Errors
    /// The kernel's refusal.
    pub(super) async fn dump(&self, kind: &str, fields: Fields) -> Result<Vec<Value>, Refused> {
        self.send(kind, nlm::DUMP, fields).await?;
        let mut all = Vec::new();
        loop {
            for message in self.receive().await? {
                match refusal(&message) {
                    Some(Ok(())) => return Ok(all),
                    Some(Err(refused)) => return Err(refused),
                    None => all.push(message),
                }
            }
        }
    }

    /// One question or order (`rtnl_talk`): the answer, if there is more than a yes.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub(super) async fn talk(&self, kind: &str, flags: i64, fields: Fields) -> Result<Option<Value>, Refused> {
        let asks = kind.starts_with("RTM_GET");
        self.send(kind, if asks { flags } else { flags | nlm::ACK }, fields).await?;
        let first = self.receive().await?.into_iter().next();
        match first.as_ref().and_then(refusal) {
            Some(Ok(())) => Ok(None),
            Some(Err(refused)) => Err(refused),
            None => Ok(first),
        }
    }

    /// Gives an order; what the kernel refuses is told.
    ///
    /// # Errors
    /// The exit status 2.
    pub(super) async fn order(&self, kind: &str, flags: i64, fields: Fields) -> Result<(), i32> {
        match self.talk(kind, flags, fields).await {
            Ok(_) => Ok(()),
            Err(refused) => {
                self.sys.eprint(refused.message()).await;
                Err(2)
            }
        }
    }

    /// All devices, as the cache of iproute2 has them (`ll_init_map`).
    pub(super) async fn links(&self) -> Vec<Value> {
        self.dump("RTM_GETLINK", Vec::new()).await.unwrap_or_default()
    }

    /// The number of a device that must be there.
    ///
    /// # Errors
    /// The exit status, after a message.
    pub(super) async fn device(&self, name: &str) -> Result<i64, i32> {
        match self.index_of(name).await {
            Some(index) => Ok(index),
            None => {
                self.sys.eprint(format!("Cannot find device \"{name}\"\n")).await;
                Err(1)
            }
        }
    }

    /// Closes the socket.
    pub(super) async fn close(&self) {
        let _ = self.sys.close(self.fd).await;
    }

    /// The number of a device (`ll_name_to_index`).
    pub(super) async fn index_of(&self, name: &str) -> Option<i64> {
        let answer = self.talk("RTM_GETLINK", 0, vec![("IFLA_IFNAME".into(), name.into())]).await;
        answer.ok().flatten().as_ref().and_then(|a| a.field("ifi_index")).and_then(Value::as_int)
    }
}

/// Whether a message is an end or a refusal.
fn refusal(message: &Value) -> Option<Result<(), Refused>> {
    let kind = message.field("nlmsg_type")?.as_str()?;
    if !matches!(kind, "NLMSG_ERROR" | "NLMSG_DONE") {
        return None;
    }
    let error = message.field("error").and_then(Value::as_int).unwrap_or(0);
    if error == 0 {
        return Some(Ok(()));
    }
    let errno = Errno::ALL.iter().copied().find(|e| *e as i64 == -error).unwrap_or(Errno::EIO);
    let words = message.field("NLMSGERR_ATTR_MSG").and_then(Value::as_str).map(str::to_owned);
    Some(Err(Refused { errno, words }))
}
