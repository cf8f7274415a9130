//! A rule: what it matches and what it does (`struct ipt_entry`).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Network;
use super::conntrack::ConnState;
use crate::net::fib::in_prefix;
use crate::net::packet::{Body, Packet};

/// Something that must be so, or must not be so (`!`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Match<T> {
    /// What.
    pub value: T,
    /// It must not be so.
    pub inverted: bool,
}

impl<T> Match<T> {
    fn holds(&self, is: impl FnOnce(&T) -> bool) -> bool {
        is(&self.value) != self.inverted
    }
}

/// What a rule does with a packet that it matches.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the targets of iptables-extensions(8)
pub enum Target {
    /// It only counts.
    #[default]
    None,
    Accept,
    Drop,
    Return,
    Reject {
        with: String,
    },
    Log {
        prefix: String,
    },
    Masquerade,
    Snat(Ipv4Addr),
    Dnat(Option<Ipv4Addr>, Option<u16>),
    /// To a port of this host.
    Redirect(Option<u16>),
    /// Another chain is asked.
    Jump(String),
}

impl Target {
    /// The name after `-j`.
    pub fn name(&self) -> String {
        match self {
            Target::None => "",
            Target::Accept => "ACCEPT",
            Target::Drop => "DROP",
            Target::Return => "RETURN",
            Target::Reject { .. } => "REJECT",
            Target::Log { .. } => "LOG",
            Target::Masquerade => "MASQUERADE",
            Target::Snat(_) => "SNAT",
            Target::Dnat(..) => "DNAT",
            Target::Redirect(_) => "REDIRECT",
            Target::Jump(chain) => chain,
        }
        .to_owned()
    }

    /// The only table in which it may be used, if there is one.
    pub fn table(&self) -> Option<&'static str> {
        match self {
            Target::Reject { .. } => Some("filter"),
            Target::Masquerade | Target::Snat(_) | Target::Dnat(..) | Target::Redirect(_) => Some("nat"),
            _ => None,
        }
    }

    /// Whether it may be reached from this built-in chain: a destination is translated before a packet is routed, a
    /// source after.
    pub fn allowed_at(&self, chain: &str) -> bool {
        match self {
            Target::Masquerade => chain == "POSTROUTING",
            Target::Snat(_) => matches!(chain, "POSTROUTING" | "INPUT"),
            Target::Dnat(..) | Target::Redirect(_) => matches!(chain, "PREROUTING" | "OUTPUT"),
            _ => true,
        }
    }
}

/// A rule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Rule {
    /// From whom.
    pub source: Option<Match<Network>>,
    /// To whom.
    pub destination: Option<Match<Network>>,
    /// The device that it came in by; a `+` at the end stands for any end.
    pub in_device: Option<Match<String>>,
    /// The device that it leaves by.
    pub out_device: Option<Match<String>>,
    /// `IPPROTO_*`.
    pub protocol: Option<Match<u8>>,
    /// First and last port from which it comes.
    pub source_ports: Option<Match<(u16, u16)>>,
    /// First and last port to which it goes.
    pub destination_ports: Option<Match<(u16, u16)>>,
    /// Type of an ICMP message.
    pub icmp_type: Option<Match<u8>>,
    /// It begins a TCP connection.
    pub syn: Option<Match<()>>,
    /// What it is to a connection, and whether `-m state` asked for it rather than `-m conntrack`.
    pub states: Option<(Match<Vec<ConnState>>, bool)>,
    /// A note.
    pub comment: Option<String>,
    /// What it does.
    pub target: Target,
    /// Packets and bytes that it has matched.
    pub counters: (u64, u64),
}

impl Rule {
    /// Whether the rules are the same but for what they have counted.
    pub fn same(&self, other: &Rule) -> bool {
        Rule { counters: other.counters, ..self.clone() } == *other
    }

    /// Whether it matches a packet that goes between two devices (`ipt_do_table`).
    pub fn matches(&self, packet: &Packet, devices: (&str, &str), state: Option<ConnState>) -> bool {
        let device = |wanted: &Option<Match<String>>, name: &str| {
            wanted.as_ref().is_none_or(|m| {
                m.holds(|w| match w.strip_suffix('+') {
                    Some(start) => !name.is_empty() && name.starts_with(start),
                    None => w == name,
                })
            })
        };
        let in_net = |wanted: &Option<Match<Network>>, address| {
            wanted.as_ref().is_none_or(|m| m.holds(|(net, len)| in_prefix(address, *net, *len)))
        };
        let ports = packet.ports();
        let port = |wanted: &Option<Match<(u16, u16)>>, which: fn((u16, u16)) -> u16| {
            wanted
                .as_ref()
                .is_none_or(|m| ports.is_some_and(|p| m.holds(|(first, last)| (*first..=*last).contains(&which(p)))))
        };
        let icmp = self.icmp_type.as_ref().is_none_or(|m| match &packet.body {
            Body::Icmp(icmp) => m.holds(|t| icmp.kind == *t),
            _ => false,
        });
        let syn = self.syn.as_ref().is_none_or(|m| match &packet.body {
            Body::Tcp(tcp) => m.holds(|()| tcp.flags.syn && !tcp.flags.ack && !tcp.flags.rst),
            _ => false,
        });
        in_net(&self.source, packet.source)
            && in_net(&self.destination, packet.destination)
            && device(&self.in_device, devices.0)
            && device(&self.out_device, devices.1)
            && self.protocol.as_ref().is_none_or(|m| m.holds(|p| packet.protocol() == *p))
            && port(&self.source_ports, |(from, _)| from)
            && port(&self.destination_ports, |(_, to)| to)
            && icmp
            && syn
            && self.states.as_ref().is_none_or(|(m, _)| state.is_some_and(|s| m.holds(|all| all.contains(&s))))
    }
}
