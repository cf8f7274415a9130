//! rtnetlink(7): programs ask for links, addresses and routes, and change them, by messages to the kernel.
//!
//! A message is a structure whose fields are those of the C structures it is made of: of `struct nlmsghdr`,
//! then of the structure of its type (`struct ifinfomsg`, ...), then its attributes by name. A datagram is a
//! list of messages.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::net::{NetNamespace, NetNsId};
use crate::net::device::{ARPHRD_LOOPBACK, NetDevice};
use crate::net::route::Route;
use crate::net::socket::{AF_INET, AF_NETLINK, Message, Protocol, SocketId};
use crate::security::capability::Cap;
use crate::security::credentials::Cred;
use crate::syscall::Value;
use crate::task::TaskId;

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
    /// Not if it exists.
    pub const EXCL: i64 = 0x200;
    /// Make it if it does not exist.
    pub const CREATE: i64 = 0x400;
}

/// Types of messages that only ask.
const QUESTIONS: [&str; 3] = ["RTM_GETLINK", "RTM_GETADDR", "RTM_GETROUTE"];

/// Kinds of devices that a kernel has and the model does not.
const LINK_KINDS: [&str; 12] =
    ["veth", "bridge", "dummy", "vlan", "macvlan", "macvtap", "ipvlan", "vxlan", "ifb", "vrf", "bond", "wireguard"];

/// Why a request was refused: the error, and the kernel's own words if it has any (`extack`).
struct Refusal {
    errno: Errno,
    words: Option<&'static str>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal { errno, words: None }
    }
}

type Answer = Result<Vec<Value>, Refusal>;

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
        let taken =
            |port: u32| self.sockets.iter().any(|(_, s)| s.net == net && s.protocol == Protocol::Route { port });
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
        let dump = flags & nlm::DUMP == nlm::DUMP && QUESTIONS.contains(&kind.as_str());
        let answer = self.rtnetlink(caller, opener, net, &kind, dump, request);
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
                let parts: Vec<Value> = objects.into_iter().map(|o| header(new, nlm::MULTI, fields_of(o))).collect();
                if !parts.is_empty() {
                    datagrams.push(parts);
                }
                datagrams.push(vec![header("NLMSG_DONE", nlm::MULTI, vec![("error".into(), 0.into())])]);
            }
            Ok(objects) => {
                let new = answer_type(&kind);
                datagrams.extend(objects.into_iter().map(|o| vec![header(new, 0, fields_of(o))]));
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
            self.deliver(id, Message { from: sockaddr_nl(0), body: Value::List(messages), len });
        }
    }

    /// What a request asks for. Everything but a question needs CAP_NET_ADMIN over the network namespace, of
    /// whoever opened the socket and of whoever sends (`netlink_net_capable`).
    fn rtnetlink(
        &mut self,
        caller: TaskId,
        opener: &Cred,
        net: NetNsId,
        kind: &str,
        dump: bool,
        request: &Value,
    ) -> Answer {
        let owner = self.net_namespaces[net].ns.owner;
        let is_question = QUESTIONS.contains(&kind);
        let allowed = is_question
            || self.cred_has_cap(opener, owner, Cap::NET_ADMIN) && self.capable_in(caller, owner, Cap::NET_ADMIN);
        if !allowed {
            return Err(Errno::EPERM.into());
        }
        let namespace = &self.net_namespaces[net];
        match kind {
            "RTM_GETLINK" if dump => Ok(namespace.devices.iter().map(link_message).collect()),
            "RTM_GETLINK" => {
                let device = wanted_device(namespace, request).ok_or(Errno::ENODEV)?;
                Ok(vec![link_message(device)])
            }
            "RTM_GETADDR" => Ok(namespace.devices.iter().flat_map(address_messages).collect()),
            "RTM_GETROUTE" if dump => {
                let table = request.field("RTA_TABLE").and_then(Value::as_int).unwrap_or(0) as u32;
                if !namespace.has_table(table) {
                    return Err(Refusal { errno: Errno::ENOENT, words: Some("ipv4: FIB table does not exist") });
                }
                let routes = namespace.routes().into_iter().filter(|r| table == 0 || r.table == table);
                Ok(routes.map(|r| route_message(&r)).collect())
            }
            "RTM_GETROUTE" => {
                let to = request.field("RTA_DST").and_then(Value::as_str).and_then(|a| a.parse().ok());
                let route = namespace.route_to(to.ok_or(Errno::EINVAL)?).ok_or(Errno::ENETUNREACH)?;
                Ok(vec![route_message(&route)])
            }
            "RTM_NEWLINK" | "RTM_SETLINK" => self.new_link(net, kind, request),
            "RTM_DELLINK" => match wanted_device(namespace, request) {
                // A device that the namespace was born with cannot be taken away.
                Some(_) => Err(Errno::EOPNOTSUPP.into()),
                None => Err(Errno::ENODEV.into()),
            },
            other => Err(self.not_modelled(&format!("{other} (rtnetlink)"))),
        }
    }

    fn not_modelled(&mut self, what: &str) -> Refusal {
        self.emit(EventKind::NotModelled { what: what.into() });
        Errno::EOPNOTSUPP.into()
    }

    /// Makes a device or changes one (`rtnl_newlink`, `do_setlink`).
    fn new_link(&mut self, net: NetNsId, kind: &str, request: &Value) -> Answer {
        let flags = request.field("nlmsg_flags").and_then(Value::as_int).unwrap_or(0);
        let by_kind = request.field("IFLA_INFO_KIND").and_then(Value::as_str);
        let name = request.field("IFLA_IFNAME").and_then(Value::as_str);
        if name.is_some_and(|n| n.len() > 15) {
            return Err(Refusal { errno: Errno::ERANGE, words: Some("Attribute failed policy validation") });
        }
        let namespace = &self.net_namespaces[net];
        let Some(device) = wanted_device(namespace, request).map(|d| d.ifindex) else {
            let creates = kind == "RTM_NEWLINK" && flags & nlm::CREATE != 0;
            return match by_kind {
                _ if !creates => Err(Errno::ENODEV.into()),
                Some(kind) if LINK_KINDS.contains(&kind) => {
                    Err(self.not_modelled(&format!("network devices of type {kind}")))
                }
                _ => Err(Refusal { errno: Errno::EOPNOTSUPP, words: Some("Unknown device type") }),
            };
        };
        if kind == "RTM_NEWLINK" && flags & nlm::EXCL != 0 {
            return Err(Errno::EEXIST.into());
        }
        const MODELLED: [&str; 3] = ["IFLA_IFNAME", "IFLA_MTU", "IFLA_TXQLEN"];
        if let Value::Struct(fields) = request
            && let Some((other, _)) = fields.iter().find(|(n, _)| n.starts_with("IFLA_") && !MODELLED.contains(&&**n))
        {
            return Err(self.not_modelled(&format!("{other} of a network device")));
        }
        let number = |name: &str| request.field(name).and_then(Value::as_int).and_then(|n| u32::try_from(n).ok());
        let Some(device) = self.net_namespaces[net].device_mut(device) else { return Err(Errno::ENODEV.into()) };
        let renamed = name.is_some_and(|n| n != device.name);
        let was_up = device.is_up();
        if !renamed {
            if let Some(mtu) = number("IFLA_MTU") {
                device.mtu = mtu;
            }
            if let Some(len) = number("IFLA_TXQLEN") {
                device.tx_queue_len = len;
            }
            let (flags, change) = (number("ifi_flags").unwrap_or(0), number("ifi_change").unwrap_or(0));
            if flags != 0 || change != 0 {
                let change = if change == 0 { u32::MAX } else { change };
                device.change_flags(device.own_flags & !change | flags & change);
            }
        }
        let (name, up) = (device.name.clone(), device.is_up());
        if renamed {
            return Err(self.not_modelled("another name for a network device"));
        }
        if up != was_up {
            self.emit(EventKind::LinkChanged { ns: net, device: name.into(), up });
        }
        Ok(Vec::new())
    }
}

/// The type of the answers to a question.
fn answer_type(kind: &str) -> &'static str {
    match kind {
        "RTM_GETLINK" => "RTM_NEWLINK",
        "RTM_GETADDR" => "RTM_NEWADDR",
        "RTM_GETROUTE" => "RTM_NEWROUTE",
        _ => "NLMSG_NOOP",
    }
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

/// The device that a request means: by number, or by name.
fn wanted_device<'a>(namespace: &'a NetNamespace, request: &Value) -> Option<&'a NetDevice> {
    let index = request.field("ifi_index").and_then(Value::as_int).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    if index != 0 {
        return namespace.device(index);
    }
    namespace.device_named(request.field("IFLA_IFNAME")?.as_str()?)
}

fn link_message(device: &NetDevice) -> Value {
    const NO_ADDRESS: &str = "00:00:00:00:00:00";
    Value::record([
        ("ifi_family", 0.into()),
        ("ifi_type", ARPHRD_LOOPBACK.into()),
        ("ifi_index", device.ifindex.into()),
        ("ifi_flags", device.flags().into()),
        ("ifi_change", 0.into()),
        ("IFLA_IFNAME", device.name.as_str().into()),
        ("IFLA_TXQLEN", device.tx_queue_len.into()),
        ("IFLA_OPERSTATE", device.operstate().into()),
        ("IFLA_LINKMODE", 0.into()),
        ("IFLA_MTU", device.mtu.into()),
        ("IFLA_GROUP", 0.into()),
        ("IFLA_QDISC", device.qdisc.as_str().into()),
        ("IFLA_ADDRESS", NO_ADDRESS.into()),
        ("IFLA_BROADCAST", NO_ADDRESS.into()),
    ])
}

fn address_messages(device: &NetDevice) -> impl Iterator<Item = Value> + '_ {
    device.addresses.iter().map(|a| {
        let address = a.address.to_string();
        Value::record([
            ("ifa_family", AF_INET.into()),
            ("ifa_prefixlen", u32::from(a.prefix_len).into()),
            // IFA_F_PERMANENT
            ("ifa_flags", 0x80.into()),
            // RT_SCOPE_HOST
            ("ifa_scope", 254.into()),
            ("ifa_index", device.ifindex.into()),
            ("IFA_ADDRESS", address.as_str().into()),
            ("IFA_LOCAL", address.as_str().into()),
            ("IFA_LABEL", device.name.as_str().into()),
        ])
    })
}

fn route_message(route: &Route) -> Value {
    Value::record([
        ("rtm_family", AF_INET.into()),
        ("rtm_dst_len", u32::from(route.prefix_len).into()),
        ("rtm_table", route.table.into()),
        // RTPROT_KERNEL
        ("rtm_protocol", 2.into()),
        ("rtm_scope", route.scope.into()),
        ("rtm_type", route.kind.into()),
        ("RTA_DST", route.destination.to_string().as_str().into()),
        ("RTA_PREFSRC", route.source.to_string().as_str().into()),
        ("RTA_OIF", route.oif.into()),
    ])
}
