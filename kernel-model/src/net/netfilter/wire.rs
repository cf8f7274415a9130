//! Tables as programs see them: the structures of `getsockopt(IPT_SO_GET_ENTRIES)` and
//! `setsockopt(IPT_SO_SET_REPLACE)`, with fields by name.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::conntrack::ConnState;
use super::rule::{Match, Rule, Target};
use super::{Chain, Network, Table};
use crate::syscall::Value;

type Fields = Vec<(Cow<'static, str>, Value)>;

/// `IPT_SO_SET_REPLACE` and `IPT_SO_GET_ENTRIES`.
pub const IPT_SO_SET_REPLACE: i64 = 64;
/// See there.
pub const IPT_SO_GET_ENTRIES: i64 = 65;

const STATES: [(ConnState, &str); 4] = [
    (ConnState::Invalid, "INVALID"),
    (ConnState::New, "NEW"),
    (ConnState::Related, "RELATED"),
    (ConnState::Established, "ESTABLISHED"),
];

impl ConnState {
    /// The word of `--ctstate`.
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(s, _)| *s == self).map_or("", |(_, n)| n)
    }

    /// The state of a word.
    pub fn from_name(name: &str) -> Option<ConnState> {
        STATES.iter().find(|(_, n)| *n == name).map(|(s, _)| *s)
    }
}

fn put<T>(fields: &mut Fields, key: &'static str, m: &Option<Match<T>>, value: impl Fn(&T) -> Value) {
    if let Some(m) = m {
        fields.push((key.into(), Value::List(vec![value(&m.value), i64::from(m.inverted).into()])));
    }
}

fn take<T>(value: &Value, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Match<T>> {
    let [what, inverted] = value.field(key)?.as_list()? else { return None };
    Some(Match { value: read(what)?, inverted: inverted.as_int() == Some(1) })
}

fn network(n: &Network) -> Value {
    format!("{}/{}", n.0, n.1).as_str().into()
}

fn read_network(v: &Value) -> Option<Network> {
    let (address, len) = v.as_str()?.split_once('/')?;
    Some((address.parse().ok()?, len.parse().ok()?))
}

fn ports(p: &(u16, u16)) -> Value {
    Value::List(vec![u32::from(p.0).into(), u32::from(p.1).into()])
}

fn read_ports(v: &Value) -> Option<(u16, u16)> {
    let [first, last] = v.as_list()? else { return None };
    Some((u16::try_from(first.as_int()?).ok()?, u16::try_from(last.as_int()?).ok()?))
}

fn text(s: &str) -> Value {
    s.into()
}

fn read_text(v: &Value) -> Option<String> {
    v.as_str().map(str::to_owned)
}

fn byte(b: &u8) -> Value {
    u32::from(*b).into()
}

fn read_byte(v: &Value) -> Option<u8> {
    u8::try_from(v.as_int()?).ok()
}

fn counters(c: (u64, u64)) -> Value {
    Value::List(vec![c.0.into(), c.1.into()])
}

fn read_counters(v: &Value) -> (u64, u64) {
    match v.field("counters").and_then(Value::as_list) {
        Some([p, b]) => (p.as_int().unwrap_or(0) as u64, b.as_int().unwrap_or(0) as u64),
        _ => (0, 0),
    }
}

impl Rule {
    /// As a structure.
    pub fn to_value(&self) -> Value {
        let mut f: Fields = Vec::new();
        put(&mut f, "src", &self.source, network);
        put(&mut f, "dst", &self.destination, network);
        put(&mut f, "iniface", &self.in_device, |s| text(s));
        put(&mut f, "outiface", &self.out_device, |s| text(s));
        put(&mut f, "proto", &self.protocol, byte);
        put(&mut f, "spts", &self.source_ports, ports);
        put(&mut f, "dpts", &self.destination_ports, ports);
        put(&mut f, "icmp_type", &self.icmp_type, byte);
        put(&mut f, "syn", &self.syn, |()| 1.into());
        if let Some((m, by_state)) = &self.states {
            let key = if *by_state { "state" } else { "ctstate" };
            let names = Value::strings(m.value.iter().map(|s| s.name()));
            f.push((key.into(), Value::List(vec![names, i64::from(m.inverted).into()])));
        }
        f.extend(self.comment.iter().map(|c| ("comment".into(), text(c))));
        f.push(("target".into(), self.target.name().as_str().into()));
        let mut more = |key: &'static str, value: Value| f.push((key.into(), value));
        match &self.target {
            Target::Reject { with } => more("with", text(with)),
            Target::Log { prefix } => more("prefix", text(prefix)),
            Target::Snat(to) => more("to", to.to_string().as_str().into()),
            Target::Dnat(to, port) => {
                if let Some(to) = to {
                    more("to", to.to_string().as_str().into());
                }
                if let Some(port) = port {
                    more("port", u32::from(*port).into());
                }
            }
            Target::Redirect(Some(port)) => more("port", u32::from(*port).into()),
            Target::Jump(_) => more("jump", 1.into()),
            _ => {}
        }
        f.push(("counters".into(), counters(self.counters)));
        Value::Struct(f)
    }

    /// From a structure.
    pub fn from_value(v: &Value) -> Option<Rule> {
        let states = |key: &str, by_state: bool| {
            let read = |v: &Value| {
                Some(v.as_list()?.iter().filter_map(Value::as_str).filter_map(ConnState::from_name).collect())
            };
            take(v, key, read).map(|m| (m, by_state))
        };
        let to = v.field("to").and_then(Value::as_str).and_then(|a| a.parse::<Ipv4Addr>().ok());
        let port = v.field("port").and_then(Value::as_int).and_then(|p| u16::try_from(p).ok());
        let word = |key: &str| v.field(key).and_then(read_text).unwrap_or_default();
        let target = match v.field("target")?.as_str()? {
            name if v.field("jump").is_some() => Target::Jump(name.to_owned()),
            "" => Target::None,
            "ACCEPT" => Target::Accept,
            "DROP" => Target::Drop,
            "RETURN" => Target::Return,
            "REJECT" => Target::Reject { with: word("with") },
            "LOG" => Target::Log { prefix: word("prefix") },
            "MASQUERADE" => Target::Masquerade,
            "SNAT" => Target::Snat(to?),
            "DNAT" => Target::Dnat(to, port),
            "REDIRECT" => Target::Redirect(port),
            _ => return None,
        };
        Some(Rule {
            source: take(v, "src", read_network),
            destination: take(v, "dst", read_network),
            in_device: take(v, "iniface", read_text),
            out_device: take(v, "outiface", read_text),
            protocol: take(v, "proto", read_byte),
            source_ports: take(v, "spts", read_ports),
            destination_ports: take(v, "dpts", read_ports),
            icmp_type: take(v, "icmp_type", read_byte),
            syn: take(v, "syn", |_| Some(())),
            states: states("state", true).or_else(|| states("ctstate", false)),
            comment: v.field("comment").and_then(read_text),
            target,
            counters: read_counters(v),
        })
    }
}

impl Table {
    /// As a structure.
    pub fn to_value(&self) -> Value {
        let chain = |c: &Chain| {
            Value::record([
                ("name", text(&c.name)),
                ("policy", c.policy.map_or(Value::Null, |p| i64::from(p).into())),
                ("counters", counters(c.counters)),
                ("rules", Value::List(c.rules.iter().map(Rule::to_value).collect())),
            ])
        };
        Value::record([("name", text(&self.name)), ("chains", Value::List(self.chains.iter().map(chain).collect()))])
    }

    /// From a structure; `None` for one that makes no sense, such as a jump to a chain that is not there or a target
    /// at a hook where it means nothing.
    pub fn from_value(v: &Value) -> Option<Table> {
        let chain = |c: &Value| {
            let rules: Option<Vec<Rule>> = c.field("rules")?.as_list()?.iter().map(Rule::from_value).collect();
            Some(Chain {
                name: c.field("name").and_then(read_text)?,
                policy: c.field("policy").and_then(Value::as_int).map(|p| p != 0),
                counters: read_counters(c),
                rules: rules?,
            })
        };
        let chains: Option<Vec<Chain>> = v.field("chains")?.as_list()?.iter().map(chain).collect();
        let table = Table { name: v.field("name").and_then(read_text)?, chains: chains? };
        let known = |r: &Rule| match &r.target {
            Target::Jump(name) => table.chains.iter().any(|c| c.name == *name && c.policy.is_none()),
            _ => true,
        };
        (table.chains.iter().all(|c| c.rules.iter().all(known)) && table.targets_are_in_place()).then_some(table)
    }
}
