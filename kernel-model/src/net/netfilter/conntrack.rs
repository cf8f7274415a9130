//! Connections and the translation of addresses (`net/netfilter/nf_conntrack_core.c`, `nf_nat_core.c`).
//!
//! A connection is known by the addresses and ports of its first packet, and by those that an answer has. Translating
//! addresses is giving an answer other addresses than the first packet would suggest: rules of the table `nat` see only
//! the first packet of a connection, everything after it is translated in the same way.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::rule::Target;
use super::{Hook, Passage, Verdict};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::net::fib::RT_SCOPE_LINK;
use crate::net::packet::{Body, Packet, ipproto};
use crate::time::Nanos;

/// What a packet is to a connection (`--ctstate`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the states of iptables-extensions(8)
pub enum ConnState {
    Invalid,
    New,
    Established,
    Related,
}

/// Addresses and ports of one direction; an echo has its identifier in place of both ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of struct nf_conntrack_tuple
pub struct Tuple {
    pub protocol: u8,
    pub source: Ipv4Addr,
    pub source_port: u16,
    pub destination: Ipv4Addr,
    pub destination_port: u16,
}

impl Tuple {
    fn of(packet: &Packet) -> Tuple {
        let (source_port, destination_port) = match &packet.body {
            Body::Icmp(icmp) => (icmp.ident, icmp.ident),
            _ => packet.ports().unwrap_or((0, 0)),
        };
        let (source, destination) = (packet.source, packet.destination);
        Tuple { protocol: packet.protocol(), source, source_port, destination, destination_port }
    }

    fn inverse(self) -> Tuple {
        Tuple {
            protocol: self.protocol,
            source: self.destination,
            source_port: self.destination_port,
            destination: self.source,
            destination_port: self.source_port,
        }
    }
}

/// A connection.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// Its number.
    pub id: u32,
    /// Its first packet.
    pub original: Tuple,
    /// What an answer looks like when it comes in.
    pub reply: Tuple,
    /// An answer has been seen.
    pub replied: bool,
    /// The rules of `nat` have been asked for where it goes and for where it comes from.
    pub asked: (bool, bool),
    /// When it is forgotten.
    pub until: Nanos,
}

/// The connections of a namespace.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Conntrack {
    /// Oldest first.
    pub connections: Vec<Connection>,
    /// The number handed out last.
    pub last: u32,
}

/// What is known of a packet: its connection, whether it goes back, what it is to the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// The connection.
    pub id: u32,
    /// It is an answer.
    pub is_reply: bool,
    /// What it is.
    pub state: ConnState,
}

/// How long a connection without traffic is remembered.
fn lifetime(protocol: u8, replied: bool) -> Nanos {
    match (protocol, replied) {
        (ipproto::TCP, true) => Nanos::from_millis(432_000_000),
        (ipproto::TCP, false) | (ipproto::UDP, true) => Nanos::from_millis(120_000),
        _ => Nanos::from_millis(30_000),
    }
}

impl Conntrack {
    fn get(&mut self, id: u32) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|c| c.id == id)
    }

    /// The connection of a packet and whether it is an answer.
    fn find(&mut self, tuple: Tuple) -> Option<(&mut Connection, bool)> {
        let at = self.connections.iter().position(|c| c.original == tuple || c.reply == tuple)?;
        let c = &mut self.connections[at];
        let is_reply = c.reply == tuple && c.original != tuple;
        Some((c, is_reply))
    }
}

impl Kernel<'_> {
    /// Which connection a packet belongs to; a new one begins with it (`nf_conntrack_in`).
    pub(super) fn track(&mut self, passage: &Passage) -> Option<Tracked> {
        let now = self.clock;
        let table = &mut self.net_namespaces[passage.net].netfilter.conntrack;
        table.connections.retain(|c| c.until > now);
        if let Body::Icmp(icmp) = &passage.packet.body {
            if let Some(about) = &icmp.about {
                let tuple = Tuple::of(about);
                // An error answers a packet of a connection: it goes the other way.
                let found = table.find(tuple).map(|(c, reply)| (c.id, !reply));
                let found = found.or_else(|| table.find(tuple.inverse()).map(|(c, reply)| (c.id, reply)));
                return found.map(|(id, is_reply)| Tracked { id, is_reply, state: ConnState::Related });
            }
            let is_echo = matches!(icmp.kind, 0 | 8);
            if !is_echo {
                return None;
            }
        }
        let tuple = Tuple::of(&passage.packet);
        if let Some((c, is_reply)) = table.find(tuple) {
            // An echo reply has the same ports as its request; its direction shows in the addresses or in its type.
            let back = match &passage.packet.body {
                Body::Icmp(icmp) => icmp.kind == 0,
                _ => is_reply,
            };
            c.replied |= back;
            c.until = now + lifetime(tuple.protocol, c.replied);
            let state = if c.replied { ConnState::Established } else { ConnState::New };
            return Some(Tracked { id: c.id, is_reply: back, state });
        }
        let begins = match &passage.packet.body {
            Body::Icmp(icmp) => icmp.kind == 8,
            Body::Tcp(tcp) => tcp.flags.syn && !tcp.flags.ack,
            Body::Udp(_) => true,
        };
        if !begins {
            return None;
        }
        table.last += 1;
        let id = table.last;
        table.connections.push(Connection {
            id,
            original: tuple,
            reply: tuple.inverse(),
            replied: false,
            asked: (false, false),
            until: now + lifetime(tuple.protocol, false),
        });
        Some(Tracked { id, is_reply: false, state: ConnState::New })
    }

    /// A packet that was dropped has begun no connection.
    pub(super) fn forget_new(&mut self, passage: &Passage) {
        if let Some(Tracked { id, state: ConnState::New, .. }) = passage.tracked {
            let table = &mut self.net_namespaces[passage.net].netfilter.conntrack;
            table.connections.retain(|c| c.id != id || c.replied);
        }
    }

    /// Translates the addresses of a packet, after the rules have been asked about the first one of its connection
    /// (`nf_nat_inet_fn`): where it goes to when it has come in or is sent, where it comes from when it leaves.
    pub(super) fn nat(&mut self, hook: Hook, passage: &mut Passage) -> Verdict {
        let Some(tracked) = passage.tracked else { return Verdict::Accept };
        let destination = matches!(hook, Hook::PreRouting | Hook::Output);
        let table = &mut self.net_namespaces[passage.net].netfilter.conntrack;
        let Some(c) = table.get(tracked.id).cloned() else { return Verdict::Accept };
        let asked = if destination { c.asked.0 } else { c.asked.1 };
        if !asked && tracked.state == ConnState::New && !tracked.is_reply {
            let empty = self.net_namespaces[passage.net].netfilter.is_empty("nat");
            let (verdict, target) = if empty { (Verdict::Accept, None) } else { self.ask_table("nat", hook, passage) };
            if verdict == Verdict::Drop {
                self.forget_new(passage);
                return Verdict::Drop;
            }
            self.set_up_nat(hook, passage, tracked.id, target);
        }
        self.translate(hook, passage, tracked);
        Verdict::Accept
    }

    /// What a rule of `nat` makes of the answers of a new connection.
    fn set_up_nat(&mut self, hook: Hook, passage: &Passage, id: u32, target: Option<Target>) {
        let lo = self.loopback_of(passage.net);
        let masquerade =
            passage.out_dev.and_then(|dev| self.select_source(dev, passage.packet.destination, RT_SCOPE_LINK));
        let own = passage.in_dev.and_then(|dev| self.net_devices.get(dev)?.addresses.first().map(|a| a.local));
        let table = &mut self.net_namespaces[passage.net].netfilter.conntrack;
        let taken: Vec<Tuple> = table.connections.iter().filter(|c| c.id != id).map(|c| c.reply).collect();
        let Some(c) = table.get(id) else { return };
        if matches!(hook, Hook::PreRouting | Hook::Output) {
            c.asked.0 = true;
            let (to, port) = match target {
                Some(Target::Dnat(to, port)) => (to, port),
                Some(Target::Redirect(port)) => {
                    let here = if lo.is_some() && hook == Hook::Output { Some(Ipv4Addr::LOCALHOST) } else { own };
                    (here, port)
                }
                _ => return,
            };
            c.reply.source = to.unwrap_or(c.reply.source);
            c.reply.source_port = port.unwrap_or(c.reply.source_port);
            return;
        }
        c.asked.1 = true;
        let from = match target {
            Some(Target::Snat(from)) => Some(from),
            Some(Target::Masquerade) => masquerade,
            _ => return,
        };
        c.reply.destination = from.unwrap_or(c.reply.destination);
        // Two connections must not have the same answers: the port moves on.
        while taken.contains(&c.reply) {
            c.reply.destination_port = c.reply.destination_port.checked_add(1).unwrap_or(1024);
            if c.reply.protocol == ipproto::ICMP {
                c.reply.source_port = c.reply.destination_port;
            }
        }
    }

    fn translate(&mut self, hook: Hook, passage: &mut Passage, tracked: Tracked) {
        let table = &mut self.net_namespaces[passage.net].netfilter.conntrack;
        let Some(c) = table.get(tracked.id).cloned() else { return };
        // What the other side sees, seen from the way that this packet goes.
        let wanted = if tracked.is_reply { c.original.inverse() } else { c.reply.inverse() };
        let before = (passage.packet.source, passage.packet.destination);
        let ports = passage.packet.ports();
        if matches!(hook, Hook::PreRouting | Hook::Output) {
            passage.packet.destination = wanted.destination;
        } else if tracked.state != ConnState::Related {
            passage.packet.source = wanted.source;
        }
        let to_destination = matches!(hook, Hook::PreRouting | Hook::Output);
        match &mut passage.packet.body {
            Body::Udp(u) if to_destination => u.destination_port = wanted.destination_port,
            Body::Udp(u) => u.source_port = wanted.source_port,
            Body::Tcp(t) if to_destination => t.destination_port = wanted.destination_port,
            Body::Tcp(t) => t.source_port = wanted.source_port,
            Body::Icmp(icmp) => match &mut icmp.about {
                // The packet that an error is about is shown as its sender knows it.
                Some(about) => {
                    let inner = wanted.inverse();
                    about.source = inner.source;
                    about.destination = inner.destination;
                    let (from, to) = (inner.source_port, inner.destination_port);
                    match &mut about.body {
                        Body::Icmp(echo) => echo.ident = from,
                        Body::Udp(u) => (u.source_port, u.destination_port) = (from, to),
                        Body::Tcp(t) => (t.source_port, t.destination_port) = (from, to),
                    }
                }
                None if !to_destination || tracked.is_reply => icmp.ident = wanted.source_port,
                None => {}
            },
        }
        let after = (passage.packet.source, passage.packet.destination);
        if after != before || passage.packet.ports() != ports {
            let what = if self.trace.silent { String::new() } else { passage.packet.to_string() };
            self.emit(EventKind::PacketTranslated {
                ns: passage.net,
                packet: passage.packet.id,
                from: before,
                to: after,
                what: what.into(),
            });
        }
    }
}
