//! Rules that say which routing table is asked: `RTM_NEWRULE`, `RTM_DELRULE`, `RTM_GETRULE` (`net/core/fib_rules.c`).

use super::{Answer, Request};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::net::fib::Rule;
use crate::net::socket::AF_INET;
use crate::syscall::Value;

impl Kernel<'_> {
    pub(super) fn rule_request(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        let fib = &mut self.net_namespaces[net].fib;
        if asked.kind == "RTM_GETRULE" {
            return Ok(fib.rules.iter().map(rule_message).collect());
        }
        let prefix =
            |address: &str, len: &str| asked.ipv4(address).map(|a| (a, asked.number(len).unwrap_or(32).min(32) as u8));
        let source = prefix("FRA_SRC", "src_len");
        let destination = prefix("FRA_DST", "dst_len");
        let table = asked.number("FRA_TABLE").unwrap_or(0);
        let priority = asked.number("FRA_PRIORITY");
        if asked.kind == "RTM_NEWRULE" {
            // Without a number it comes just before the first that is not the very first.
            let before = fib.rules.get(1).map_or(32_766, |r| r.priority);
            let priority = priority.unwrap_or(before.saturating_sub(1));
            let rule = Rule { priority, source, destination, table, added: true };
            if fib.rules.contains(&rule) {
                return Err(Errno::EEXIST.into());
            }
            let at = fib.rules.partition_point(|r| r.priority <= priority);
            fib.rules.insert(at, rule);
            return Ok(Vec::new());
        }
        let fits = |r: &Rule| {
            (source.is_none() || r.source == source)
                && (destination.is_none() || r.destination == destination)
                && (table == 0 || r.table == table)
                && priority.is_none_or(|p| p == r.priority)
        };
        let at = fib.rules.iter().position(fits).ok_or(Errno::ENOENT)?;
        if fib.rules[at].priority == 0 && !fib.rules[at].added {
            return Err(Errno::EPERM.into());
        }
        fib.rules.remove(at);
        Ok(Vec::new())
    }
}

fn rule_message(rule: &Rule) -> Value {
    let mut fields = vec![
        ("family".into(), AF_INET.into()),
        ("dst_len".into(), rule.destination.map_or(0, |(_, len)| u32::from(len)).into()),
        ("src_len".into(), rule.source.map_or(0, |(_, len)| u32::from(len)).into()),
        ("FRA_TABLE".into(), rule.table.into()),
        ("FRA_PRIORITY".into(), rule.priority.into()),
    ];
    fields.extend(rule.source.map(|(a, _)| ("FRA_SRC".into(), a.to_string().as_str().into())));
    fields.extend(rule.destination.map(|(a, _)| ("FRA_DST".into(), a.to_string().as_str().into())));
    Value::Struct(fields)
}
