//! rtnetlink(7): programs ask for links, addresses and routes, and change them, by messages to the kernel.
//!
//! One file a kind of object: [`link`] devices, [`addr`] addresses, [`route`], [`rule`], [`neigh`], [`nsid`].
//! A message is a structure whose fields are those of the C structures it is made of: of `struct nlmsghdr`,
//! then of the structure of its type (`struct ifinfomsg`, ...), then its attributes by name. A datagram is a
//! list of messages.

mod addr;
mod link;
mod neigh;
mod nsid;
mod route;
mod rule;

use std::net::Ipv4Addr;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::net::NetNsId;
use crate::net::device::NetDevId;
use crate::net::socket::{AF_NETLINK, Message, Protocol, SocketId};
use crate::security::capability::Cap;
use crate::security::credentials::Cred;
use crate::syscall::Value;
use crate::task::TaskId;
use crate::vfs::Node;

/// `NLM_F_*`: flags of a message.
pub mod nlm {
    /// A request.
    pub const REQUEST: i64 = 1;
    /// One of several messages that belong together.
    pub const MULTI: i64 = 2;
    /// An answer is wanted even if all goes well.
    pub const ACK: i64 = 4;
    /// All there is (`NLM_F_ROOT | NLM_F_MATCH`).
    pub const DUMP: i64 = 0x300;
    /// Instead of one that exists.
    pub const REPLACE: i64 = 0x100;
    /// Not if it exists.
    pub const EXCL: i64 = 0x200;
    /// Make it if it does not exist.
    pub const CREATE: i64 = 0x400;
    /// Behind those that exist.
    pub const APPEND: i64 = 0x800;
}

/// Why a request was refused: the error, and the kernel's own words if it has any (`extack`).
pub(super) struct Refusal {
    errno: Errno,
    words: Option<&'static str>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal { errno, words: None }
    }
}

/// A refusal with words.
fn refuse<T>(errno: Errno, words: &'static str) -> Result<T, Refusal> {
    Err(Refusal { errno, words: Some(words) })
}

type Answer = Result<Vec<Value>, Refusal>;

/// Who asks, and about which namespace.
#[derive(Clone, Copy)]
struct Asker<'a> {
    caller: TaskId,
    opener: &'a Cred,
    net: NetNsId,
}

/// A request: its type without `RTM_`, its flags, its fields.
#[derive(Clone, Copy)]
struct Request<'a> {
    kind: &'a str,
    flags: i64,
    fields: &'a Value,
}

impl<'a> Request<'a> {
    fn is_dump(&self) -> bool {
        self.flags & nlm::DUMP == nlm::DUMP && self.kind.starts_with("RTM_GET")
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.fields.field(name).and_then(Value::as_int)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.int(name).and_then(|n| u32::try_from(n).ok())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.fields.field(name).and_then(Value::as_str)
    }

    fn ipv4(&self, name: &str) -> Option<Ipv4Addr> {
        self.text(name)?.parse().ok()
    }
}

/// The address of a netlink end.
pub(crate) fn sockaddr_nl(port: u32) -> Value {
    Value::record([("sa_family", AF_NETLINK.into()), ("nl_pid", port.into()), ("nl_groups", 0.into())])
}

impl Kernel<'_> {
    /// Gives a netlink socket its port: the one asked for, or the sender's pid, or, when that is taken,
    /// one from above (`netlink_bind`, `netlink_autobind`).
    ///
    /// # Errors
    /// EADDRINUSE when the port asked for is taken in the namespace; EINVAL when the socket has another one.
    pub(crate) fn bind_netlink(&mut self, caller: TaskId, id: SocketId, wanted: u32) -> Result<u32, Errno> {
        let Protocol::Route { port } = self.sockets[id].protocol else { return Err(Errno::EINVAL) };
        if port != 0 {
            return if wanted == 0 || wanted == port { Ok(port) } else { Err(Errno::EINVAL) };
        }
        let net = self.sockets[id].net;
        let taken = |port: u32| {
            self.sockets
                .iter()
                .any(|(_, s)| s.net == net && matches!(s.protocol, Protocol::Route { port: p } if p == port))
        };
        let port = if wanted != 0 {
            if taken(wanted) {
                return Err(Errno::EADDRINUSE);
            }
            wanted
        } else {
            let leader = self.processes[self.tasks[caller].process].leader;
            let own = self.pid_in(self.pid_ns_of(caller), leader).map_or(0, |nr| nr as u32);
            std::iter::once(own).chain((0..=u32::MAX - 4097).rev()).find(|p| *p != 0 && !taken(*p)).unwrap_or(own)
        };
        self.sockets[id].protocol = Protocol::Route { port };
        Ok(port)
    }

    /// The kernel gets a message and puts its answer into the socket that sent it (`rtnetlink_rcv_msg`).
    pub(crate) fn rtnetlink_receive(&mut self, caller: TaskId, opener: &Cred, id: SocketId, request: &Value) {
        let number = |name: &str| request.field(name).and_then(Value::as_int).unwrap_or(0);
        let (flags, seq) = (number("nlmsg_flags"), number("nlmsg_seq"));
        if flags & nlm::REQUEST == 0 {
            return;
        }
        let Protocol::Route { port } = self.sockets[id].protocol else { return };
        let kind = request.field("nlmsg_type").and_then(Value::as_str).unwrap_or("").to_owned();
        let net = self.sockets[id].net;
        let asked = Request { kind: &kind, flags, fields: request };
        let dump = asked.is_dump();
        let answer = self.rtnetlink(Asker { caller, opener, net }, asked);
        // What a change has set in motion, such as questions for neighbours, happens now.
        self.net_rx_action();
        let header = |kind: &str, flags: i64, mut rest: Vec<(std::borrow::Cow<'static, str>, Value)>| {
            let mut fields = vec![
                ("nlmsg_type".into(), kind.into()),
                ("nlmsg_flags".into(), flags.into()),
                ("nlmsg_seq".into(), seq.into()),
                ("nlmsg_pid".into(), port.into()),
            ];
            fields.append(&mut rest);
            Value::Struct(fields)
        };
        let error = |errno: i64, words: Option<&str>| {
            let mut rest = vec![("error".into(), errno.into())];
            rest.extend(words.map(|w| ("NLMSGERR_ATTR_MSG".into(), w.into())));
            header("NLMSG_ERROR", 0, rest)
        };
        let mut datagrams = Vec::new();
        match answer {
            Ok(objects) if dump => {
                let new = answer_type(&kind);
                let parts: Vec<Value> = objects.into_iter().map(|o| header(&new, nlm::MULTI, fields_of(o))).collect();
                if !parts.is_empty() {
                    datagrams.push(parts);
                }
                datagrams.push(vec![header("NLMSG_DONE", nlm::MULTI, vec![("error".into(), 0.into())])]);
            }
            Ok(objects) => {
                let new = answer_type(&kind);
                datagrams.extend(objects.into_iter().map(|o| vec![header(&new, 0, fields_of(o))]));
                if flags & nlm::ACK != 0 {
                    datagrams.push(vec![error(0, None)]);
                }
            }
            Err(refusal) => {
                let errno = -i64::from(refusal.errno as i32);
                let mut refused = error(errno, refusal.words);
                if let (true, Value::Struct(fields)) = (dump, &mut refused)
                    && let Some((_, kind)) = fields.first_mut()
                {
                    // A dump that fails ends with its error.
                    *kind = "NLMSG_DONE".into();
                }
                datagrams.push(vec![refused]);
            }
        }
        for messages in datagrams {
            let len = messages.iter().map(length_of).sum();
            self.deliver(
                id,
                Message { from: sockaddr_nl(0), body: Value::List(messages), len, control: Vec::new(), offset: 0 },
            );
        }
    }

    /// What a request asks for. Everything but a question needs CAP_NET_ADMIN over the network namespace, of
    /// whoever opened the socket and of whoever sends (`netlink_net_capable`).
    fn rtnetlink(&mut self, asker: Asker<'_>, asked: Request<'_>) -> Answer {
        if !asked.kind.starts_with("RTM_GET") && !self.net_admin(asker, asker.net) {
            return Err(Errno::EPERM.into());
        }
        match asked.kind {
            "RTM_GETLINK" => self.get_link(asker, asked),
            "RTM_NEWLINK" | "RTM_SETLINK" => self.new_link(asker, asked),
            "RTM_DELLINK" => self.del_link(asker, asked),
            "RTM_NEWLINKPROP" | "RTM_DELLINKPROP" => self.link_property(asker, asked),
            "RTM_GETADDR" => self.get_addr(asker.net),
            "RTM_NEWADDR" => self.new_addr(asker.net, asked),
            "RTM_DELADDR" => self.del_addr(asker.net, asked),
            "RTM_GETROUTE" => self.get_route(asker.net, asked),
            "RTM_NEWROUTE" => self.new_route(asker.net, asked),
            "RTM_DELROUTE" => self.del_route(asker.net, asked),
            "RTM_GETRULE" | "RTM_NEWRULE" | "RTM_DELRULE" => self.rule_request(asker.net, asked),
            "RTM_GETNEIGH" => self.get_neigh(asker.net, asked),
            "RTM_NEWNEIGH" => self.new_neigh(asker.net, asked),
            "RTM_DELNEIGH" => self.del_neigh(asker.net, asked),
            "RTM_NEWNSID" | "RTM_GETNSID" => self.nsid_request(asker, asked),
            other => Err(self.not_modelled(&format!("{other} (rtnetlink)"))),
        }
    }

    /// Whether who asks may change a network namespace.
    fn net_admin(&mut self, asker: Asker<'_>, net: NetNsId) -> bool {
        let Some(owner) = self.net_namespaces.get(net).map(|n| n.ns.owner) else { return false };
        self.cred_has_cap(asker.opener, owner, Cap::NET_ADMIN) && self.capable_in(asker.caller, owner, Cap::NET_ADMIN)
    }

    fn not_modelled(&mut self, what: &str) -> Refusal {
        self.emit(EventKind::NotModelled { what: what.into() });
        Errno::EOPNOTSUPP.into()
    }

    /// The device that a request means: by number, or by one of its names.
    fn wanted_device(&self, net: NetNsId, asked: Request<'_>) -> Option<NetDevId> {
        match asked.number("ifi_index").unwrap_or(0) {
            0 => {
                let name = asked.text("IFLA_IFNAME").or_else(|| asked.text("IFLA_ALT_IFNAME"))?;
                self.device_named(net, name)
            }
            index => self.device_at(net, index),
        }
    }

    /// The network namespace that an attribute names: by the pid of a process in it, by a descriptor, or by the number
    /// under which it is known (`rtnl_link_get_net`).
    fn namespace_attr(&self, asker: Asker<'_>, asked: &Value, prefix: &str) -> Option<Result<NetNsId, Errno>> {
        let int = |name: &str| asked.field(&format!("{prefix}{name}")).and_then(Value::as_int);
        if let Some(pid) = int("IFLA_NET_NS_PID") {
            let ns = self.pid_ns_of(asker.caller);
            let pid = self.pid_namespaces[ns].numbers.get(&(pid as i32));
            let task = pid.and_then(|p| self.pids[*p].task).and_then(|t| self.tasks.get(t));
            let alive = task.filter(|t| !t.state.has_exited());
            return Some(alive.map(|t| t.nsproxy.net).ok_or(Errno::ESRCH));
        }
        if let Some(fd) = int("IFLA_NET_NS_FD") {
            return Some(self.net_of_fd(asker.caller, fd as i32));
        }
        None
    }

    /// The network namespace that a descriptor is open on (`get_net_ns_by_fd`).
    fn net_of_fd(&self, caller: TaskId, fd: i32) -> Result<NetNsId, Errno> {
        let file = self.real_file_id(caller, fd)?;
        match self.vfs.files[file].path().map(|p| p.node) {
            Some(Node::Ns(NsRef::Net(net))) => Ok(net),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The type of the answers to a question.
fn answer_type(kind: &str) -> String {
    kind.replacen("RTM_GET", "RTM_NEW", 1)
}

fn fields_of(value: Value) -> Vec<(std::borrow::Cow<'static, str>, Value)> {
    match value {
        Value::Struct(fields) => fields,
        _ => Vec::new(),
    }
}

/// About as long as the message would be: a header, a structure, and an attribute for each further field.
fn length_of(message: &Value) -> usize {
    match message {
        Value::Struct(fields) => {
            16 + fields
                .iter()
                .skip(4)
                .map(|(_, v)| if let Value::Str(s) = v { 4 + s.len().next_multiple_of(4) } else { 4 })
                .sum::<usize>()
        }
        _ => 0,
    }
}
