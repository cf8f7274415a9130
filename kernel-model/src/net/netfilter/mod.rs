//! The packet filter of a namespace, as in iptables(8): tables of chains of rules that see a packet on its way
//! (`net/ipv4/netfilter/ip_tables.c`). [`rule`] says what a rule is, [`conntrack`] what a connection is, and how
//! addresses are translated with its help, [`wire`] what programs see of it.

pub mod conntrack;
pub mod rule;
pub mod wire;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::device::NetDevId;
use super::icmp::kind;
use super::packet::Packet;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use conntrack::{Conntrack, Tracked};
use rule::{Rule, Target};

/// Where a packet is when rules see it (`NF_INET_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Hook {
    /// It has come in.
    PreRouting,
    /// It is for this host.
    Input,
    /// It goes on.
    Forward,
    /// It is sent from here.
    Output,
    /// It leaves.
    PostRouting,
}

impl Hook {
    /// The chain that is asked there.
    pub fn chain(self) -> &'static str {
        match self {
            Hook::PreRouting => "PREROUTING",
            Hook::Input => "INPUT",
            Hook::Forward => "FORWARD",
            Hook::Output => "OUTPUT",
            Hook::PostRouting => "POSTROUTING",
        }
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on its way.
    Accept,
    /// It is gone.
    Drop,
}

/// A packet that rules look at (`struct nf_hook_state`).
pub struct Passage {
    /// Where.
    pub net: NetNsId,
    /// The packet.
    pub packet: Packet,
    /// The device through which it has come in.
    pub in_dev: Option<NetDevId>,
    /// The device through which it is about to leave.
    pub out_dev: Option<NetDevId>,
    /// The connection it belongs to, once that has been looked up.
    pub tracked: Option<Tracked>,
}

/// A chain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// What becomes of a packet at its end: of built-in chains; others return.
    pub policy: Option<bool>,
    /// Packets and bytes to which the policy was applied.
    pub counters: (u64, u64),
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Table {
    /// `filter` or `nat`.
    pub name: String,
    /// Its chains, the built-in ones first.
    pub chains: Vec<Chain>,
}

/// The packet filter of a namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Netfilter {
    /// Its tables.
    pub tables: Vec<Table>,
    /// The connections it knows.
    pub conntrack: Conntrack,
}

/// How deep chains may call each other.
const MAX_DEPTH: usize = 16;

impl Default for Netfilter {
    fn default() -> Self {
        let chain =
            |name: &str| Chain { name: name.to_owned(), policy: Some(true), counters: (0, 0), rules: Vec::new() };
        let table = |name: &str, chains: &[&str]| Table {
            name: name.to_owned(),
            chains: chains.iter().map(|c| chain(c)).collect(),
        };
        Netfilter {
            tables: vec![
                table("filter", &["INPUT", "FORWARD", "OUTPUT"]),
                table("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
            ],
            conntrack: Conntrack::default(),
        }
    }
}

impl Table {
    /// Whether no target is reached from a hook where it is not allowed (`checkentry` of the targets,
    /// `xt_check_target`).
    fn targets_are_in_place(&self) -> bool {
        let built_in = self.chains.iter().filter(|c| c.policy.is_some());
        let anywhere =
            self.chains.iter().flat_map(|c| &c.rules).all(|r| r.target.table().is_none_or(|t| t == self.name));
        anywhere && built_in.into_iter().all(|c| self.reached_from(&c.name).iter().all(|t| t.allowed_at(&c.name)))
    }

    /// The targets that a packet can meet on its way through a chain and those that it jumps to.
    fn reached_from(&self, name: &str) -> Vec<&Target> {
        let mut seen = vec![name];
        let mut targets = Vec::new();
        let mut next = 0;
        while let Some(name) = seen.get(next).copied() {
            next += 1;
            for rule in self.chains.iter().filter(|c| c.name == name).flat_map(|c| &c.rules) {
                match &rule.target {
                    Target::Jump(to) if seen.contains(&to.as_str()) => {}
                    Target::Jump(to) => seen.push(to),
                    target => targets.push(target),
                }
            }
        }
        targets
    }
}

impl Netfilter {
    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == name)
    }

    /// Whether a table has anything to say.
    fn is_empty(&self, name: &str) -> bool {
        self.table(name).is_none_or(|t| t.chains.iter().all(|c| c.rules.is_empty() && c.policy != Some(false)))
    }

    /// Whether connections have to be followed: for addresses that are translated and rules that ask for a state.
    fn follows_connections(&self) -> bool {
        let asks = |t: &Table| t.chains.iter().any(|c| c.rules.iter().any(|r| r.states.is_some()));
        !self.is_empty("nat") || self.tables.iter().any(asks)
    }
}

impl Kernel<'_> {
    /// Lets the rules of a hook see a packet (`nf_hook_slow`).
    pub(crate) fn nf_hook(&mut self, hook: Hook, passage: &mut Passage) -> Verdict {
        let Some(filter) = self.net_namespaces.get(passage.net).map(|n| &n.netfilter) else { return Verdict::Accept };
        let (no_filter, follows) = (filter.is_empty("filter"), filter.follows_connections());
        if no_filter && !follows {
            return Verdict::Accept;
        }
        if follows {
            if matches!(hook, Hook::PreRouting | Hook::Output) {
                passage.tracked = self.track(passage);
            }
            if matches!(hook, Hook::PreRouting | Hook::Output) && self.nat(hook, passage) == Verdict::Drop {
                return Verdict::Drop;
            }
        }
        if !no_filter && matches!(hook, Hook::Input | Hook::Forward | Hook::Output) {
            let (verdict, target) = self.ask_table("filter", hook, passage);
            if verdict == Verdict::Drop {
                if let Some(Target::Reject { with }) = target {
                    self.reject(passage, &with);
                }
                self.forget_new(passage);
                return Verdict::Drop;
            }
        }
        if follows && matches!(hook, Hook::PostRouting | Hook::Input) && self.nat(hook, passage) == Verdict::Drop {
            return Verdict::Drop;
        }
        Verdict::Accept
    }

    /// What a table says about a packet, with the target that has decided.
    pub(super) fn ask_table(&mut self, table: &str, hook: Hook, passage: &Passage) -> (Verdict, Option<Target>) {
        let len = passage.packet.len() as u64;
        let mut stack: Vec<(usize, usize)> = Vec::new();
        let names = (
            passage.in_dev.and_then(|d| self.net_devices.get(d)).map(|d| d.name.clone()).unwrap_or_default(),
            passage.out_dev.and_then(|d| self.net_devices.get(d)).map(|d| d.name.clone()).unwrap_or_default(),
        );
        let state = passage.tracked.map(|t| t.state);
        let filter = &mut self.net_namespaces[passage.net].netfilter;
        let Some(t) = filter.tables.iter_mut().find(|t| t.name == table) else { return (Verdict::Accept, None) };
        let Some(first) = t.chains.iter().position(|c| c.name == hook.chain()) else { return (Verdict::Accept, None) };
        let (mut chain, mut at) = (first, 0);
        let decided = loop {
            let Some(rule) = t.chains[chain].rules.get_mut(at) else {
                if let Some((back, next)) = stack.pop() {
                    (chain, at) = (back, next);
                    continue;
                }
                break None;
            };
            at += 1;
            if !rule.matches(&passage.packet, (&names.0, &names.1), state) {
                continue;
            }
            rule.counters.0 += 1;
            rule.counters.1 += len;
            match rule.target.clone() {
                Target::None | Target::Log { .. } => {}
                Target::Return => match stack.pop() {
                    Some((back, next)) => (chain, at) = (back, next),
                    None => break None,
                },
                Target::Jump(name) => {
                    if let Some(next) = t.chains.iter().position(|c| c.name == name)
                        && stack.len() < MAX_DEPTH
                    {
                        stack.push((chain, at));
                        (chain, at) = (next, 0);
                    }
                }
                target => break Some((t.chains[chain].name.clone(), at as u32, target)),
            }
        };
        let (name, rule, target, verdict) = match decided {
            Some((name, rule, target)) => {
                let verdict = match target {
                    Target::Drop | Target::Reject { .. } => Verdict::Drop,
                    _ => Verdict::Accept,
                };
                (name, rule, Some(target), verdict)
            }
            None => {
                let chain = &mut t.chains[first];
                chain.counters.0 += 1;
                chain.counters.1 += len;
                let verdict = if chain.policy == Some(false) { Verdict::Drop } else { Verdict::Accept };
                (chain.name.clone(), 0, None, verdict)
            }
        };
        if target.is_some() || verdict == Verdict::Drop {
            let said = target.as_ref().map_or_else(|| "DROP".to_owned(), Target::name);
            let what = if self.trace.silent { String::new() } else { passage.packet.to_string() };
            self.emit(EventKind::RuleApplied {
                ns: passage.net,
                table: table.into(),
                chain: name.as_str().into(),
                rule,
                target: said.as_str().into(),
                packet: passage.packet.id,
                what: what.into(),
            });
            if verdict == Verdict::Drop {
                let rule = if rule == 0 { "the policy".to_owned() } else { format!("rule {rule}") };
                let why = format!("{rule} of {name} in the table {table} says {said}");
                let dev = passage.in_dev.or(passage.out_dev);
                self.drop_packet(dev, passage.net, &passage.packet, &why);
            }
        }
        (verdict, target)
    }

    /// Tells the sender that a packet was rejected (`reject_tg`).
    fn reject(&mut self, passage: &Passage, with: &str) {
        let code = match with {
            "icmp-net-unreachable" => 0,
            "icmp-host-unreachable" => 1,
            "icmp-proto-unreachable" => 2,
            "icmp-net-prohibited" => 9,
            "icmp-host-prohibited" => 10,
            "icmp-admin-prohibited" => 13,
            "tcp-reset" => return self.tcp_send_reset(passage.net, &passage.packet),
            _ => 3,
        };
        self.icmp_error(passage.net, passage.in_dev, &passage.packet, kind::DEST_UNREACH, code, 0);
    }
}

/// An address and a length, if it names a network.
pub(crate) type Network = (Ipv4Addr, u8);
