//! `ip route show`, `get` and `flush`: routes (`ip/iproute.c`).

use std::net::Ipv4Addr;

use super::address::scope_name;
use super::args::{Words, address, invarg, parse_prefix, prefix};
use super::out::{Json, Object, print};
use super::{Options, Rtnl, WRONG, name_of, number, route_change, text};
use crate::net::fib::{RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, in_prefix};
use crate::net::rtnetlink::nlm;
use crate::program::Sys;
use crate::program::net::rtnl::Fields;
use crate::syscall::Value;

/// Types of routes by their numbers (`RTN_*`).
pub(super) const KINDS: [&str; 12] = [
    "none",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
];

/// Who makes routes, by number (`RTPROT_*`).
const PROTOCOLS: [(i64, &str); 6] =
    [(0, "unspec"), (1, "redirect"), (2, "kernel"), (3, "boot"), (4, "static"), (16, "dhcp")];

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options, &[]).await };
    let is = |full: &str| full.starts_with(command);
    let modify = |kind: &'static str, flags: i64| route_change::modify(sys, kind, flags, rest);
    if is("list") || is("show") || is("lst") {
        show(sys, options, rest).await
    } else if is("get") {
        get(sys, options, rest).await
    } else if is("add") {
        modify("RTM_NEWROUTE", nlm::CREATE | nlm::EXCL).await
    } else if is("change") || is("chg") {
        modify("RTM_NEWROUTE", nlm::REPLACE).await
    } else if is("replace") {
        modify("RTM_NEWROUTE", nlm::CREATE | nlm::REPLACE).await
    } else if is("prepend") {
        modify("RTM_NEWROUTE", nlm::CREATE).await
    } else if is("append") {
        modify("RTM_NEWROUTE", nlm::CREATE | nlm::APPEND).await
    } else if is("test") {
        modify("RTM_NEWROUTE", nlm::EXCL).await
    } else if is("delete") {
        modify("RTM_DELROUTE", 0).await
    } else if is("flush") {
        flush(sys, rest).await
    } else if ["save", "restore", "showdump", "help"].iter().any(|c| is(c)) {
        sys.not_modelled(&format!("'ip route {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip route help\".\n")).await;
        Err(WRONG)
    }
}

/// A table by name or number; 0 is all of them.
pub(super) fn table_number(name: &str) -> Option<u32> {
    match name {
        "all" | "unspec" => Some(0),
        "default" => Some(RT_TABLE_DEFAULT),
        "main" => Some(RT_TABLE_MAIN),
        "local" => Some(RT_TABLE_LOCAL),
        number => number.parse().ok(),
    }
}

/// The name of a table.
pub(super) fn table_name(table: i64) -> String {
    match u32::try_from(table) {
        Ok(RT_TABLE_DEFAULT) => "default".to_owned(),
        Ok(RT_TABLE_MAIN) => "main".to_owned(),
        Ok(RT_TABLE_LOCAL) => "local".to_owned(),
        _ => table.to_string(),
    }
}

/// Who makes routes, by name or number.
pub(super) fn protocol_number(name: &str) -> Option<i64> {
    PROTOCOLS.iter().find(|(_, n)| *n == name).map(|(p, _)| *p).or_else(|| name.parse().ok())
}

fn protocol_name(protocol: i64) -> String {
    PROTOCOLS.iter().find(|(p, _)| *p == protocol).map_or_else(|| protocol.to_string(), |(_, n)| (*n).to_owned())
}

/// What `show` and `flush` are about.
#[derive(Default)]
struct Filter<'w> {
    table: u32,
    device: Option<(&'w str, i64)>,
    via: Option<Ipv4Addr>,
    source: Option<Ipv4Addr>,
    protocol: Option<i64>,
    scope: Option<i64>,
    kind: Option<i64>,
    metric: Option<i64>,
    /// `exact`, `root` or `match` and a network.
    network: Option<(&'static str, Ipv4Addr, u8)>,
}

impl Filter<'_> {
    fn fits(&self, route: &Value) -> bool {
        let address = |field: &str| text(route, field).parse::<Ipv4Addr>().ok();
        let (to, len) = (address("RTA_DST").unwrap_or(Ipv4Addr::UNSPECIFIED), number(route, "rtm_dst_len") as u8);
        let network = self.network.is_none_or(|(how, net, net_len)| match how {
            "root" => len >= net_len && in_prefix(to, net, net_len),
            "match" => len <= net_len && in_prefix(net, to, len),
            _ => len == net_len && to == net,
        });
        network
            && self.device.is_none_or(|(_, index)| number(route, "RTA_OIF") == index)
            && self.via.is_none_or(|v| address("RTA_GATEWAY") == Some(v))
            && self.source.is_none_or(|s| address("RTA_PREFSRC") == Some(s))
            && self.protocol.is_none_or(|p| number(route, "rtm_protocol") == p)
            && self.scope.is_none_or(|s| number(route, "rtm_scope") == s)
            && self.kind.is_none_or(|k| number(route, "rtm_type") == k)
            && self.metric.is_none_or(|m| number(route, "RTA_PRIORITY") == m)
    }
}

async fn filter<'w>(sys: &Sys, rtnl: &Rtnl, words: &'w [&'w str]) -> Result<Filter<'w>, i32> {
    let mut filter = Filter { table: RT_TABLE_MAIN, ..Filter::default() };
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "table" | "t" | "tab" => {
                let name = words.value().await?;
                let Some(table) = table_number(name) else {
                    return Err(invarg(sys, "table id value is invalid\n", name).await);
                };
                filter.table = table;
            }
            "dev" | "oif" => {
                let name = words.value().await?;
                filter.device = Some((name, rtnl.device(name).await?));
            }
            "via" => filter.via = Some(address(sys, words.value().await?, "inet").await?),
            "src" => filter.source = Some(address(sys, words.value().await?, "inet").await?),
            "proto" | "protocol" => {
                let name = words.value().await?;
                if name != "all" {
                    filter.protocol = protocol_number(name);
                    if filter.protocol.is_none() {
                        return Err(invarg(sys, "invalid \"protocol\"\n", name).await);
                    }
                }
            }
            "scope" => {
                let name = words.value().await?;
                if name != "all" {
                    filter.scope = super::address::scope_number(name).map(i64::from);
                    if filter.scope.is_none() {
                        return Err(invarg(sys, "invalid \"scope\"\n", name).await);
                    }
                }
            }
            "type" => {
                let name = words.value().await?;
                filter.kind = KINDS.iter().position(|k| *k == name).map(|k| k as i64);
                if filter.kind.is_none() {
                    return Err(invarg(sys, "node type value is invalid\n", name).await);
                }
            }
            "metric" | "priority" | "preference" => {
                filter.metric = Some(i64::from(words.number("\"metric\" value is invalid\n").await?));
            }
            "cache" | "cloned" | "from" | "tos" | "vrf" | "realms" | "iif" | "mark" => {
                sys.not_modelled(&format!("'ip route show {word}'")).await;
                return Err(WRONG);
            }
            word => {
                let how = match word {
                    "root" => "root",
                    "match" => "match",
                    _ => "exact",
                };
                let mut word = word;
                while matches!(word, "to" | "root" | "match" | "exact") {
                    word = words.value().await?;
                }
                let (net, len) = prefix(sys, word).await?;
                filter.network = Some((how, net, len.unwrap_or(32)));
            }
        }
    }
    Ok(filter)
}

async fn dump(sys: &Sys, rtnl: &Rtnl, table: u32) -> Result<Vec<Value>, i32> {
    match rtnl.dump("RTM_GETROUTE", vec![("RTA_TABLE".into(), table.into())]).await {
        Ok(routes) => Ok(routes),
        Err(refused) => {
            sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
            Err(2)
        }
    }
}

async fn show(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let filter = filter(sys, &rtnl, words).await?;
    if options.ipv6 {
        return Ok(0);
    }
    let routes = dump(sys, &rtnl, filter.table).await?;
    let links = rtnl.links().await;
    let routes = routes.iter().filter(|r| filter.fits(r));
    let objects: Vec<Object> = routes.map(|r| line(r, &links, Some(&filter))).collect();
    if !objects.is_empty() || options.json {
        print(sys, options, objects).await;
    }
    Ok(0)
}

/// A route in a line (`print_route`). What the filter says already is left out.
fn line(route: &Value, links: &[Value], filter: Option<&Filter<'_>>) -> Object {
    let mut object = Object::default();
    let kind = number(route, "rtm_type");
    if kind != 1 || filter.is_some_and(|f| f.kind.is_some()) {
        let name = usize::try_from(kind).ok().and_then(|k| KINDS.get(k)).copied().unwrap_or("none");
        object.put("type", name, format!("{name} "));
    }
    let (len, to) = (number(route, "rtm_dst_len"), text(route, "RTA_DST"));
    let to = match len {
        0 => "default".to_owned(),
        32 => to.to_owned(),
        len => format!("{to}/{len}"),
    };
    object.put("dst", to.as_str(), format!("{to} "));
    if let Some(from) = route.field("RTA_SRC").and_then(Value::as_str) {
        object.put("from", from, format!("from {from} "));
    }
    let known = |of: fn(&Filter<'_>) -> bool| filter.is_some_and(of);
    if let Some(via) = route.field("RTA_GATEWAY").and_then(Value::as_str)
        && !known(|f| f.via.is_some())
    {
        object.put("gateway", via, format!("via {via} "));
    }
    if let Some(index) = route.field("RTA_OIF").and_then(Value::as_int)
        && !known(|f| f.device.is_some())
    {
        let name = name_of(links, index);
        object.put("dev", name.as_str(), format!("dev {name} "));
    }
    let table = number(route, "rtm_table");
    if table != i64::from(RT_TABLE_MAIN) && known(|f| f.table == 0) {
        let name = table_name(table);
        object.put("table", name.as_str(), format!("table {name} "));
    }
    let cloned = number(route, "rtm_flags") & 0x200 != 0;
    let protocol = number(route, "rtm_protocol");
    if !cloned && protocol != 3 && !known(|f| f.protocol.is_some()) {
        let name = protocol_name(protocol);
        object.put("protocol", name.as_str(), format!("proto {name} "));
    }
    let scope = number(route, "rtm_scope");
    if !cloned && scope != 0 && !known(|f| f.scope.is_some()) {
        let name = scope_name(scope);
        object.put("scope", name.as_str(), format!("scope {name} "));
    }
    if let Some(source) = route.field("RTA_PREFSRC").and_then(Value::as_str)
        && !known(|f| f.source.is_some())
    {
        object.put("prefsrc", source, format!("src {source} "));
    }
    if let Some(metric) = route.field("RTA_PRIORITY").and_then(Value::as_int)
        && !known(|f| f.metric.is_some())
    {
        object.put("metric", metric, format!("metric {metric} "));
    }
    let mut flags = Vec::new();
    for (bit, name) in [(4, "onlink"), (16, "linkdown")] {
        if number(route, "rtm_flags") & bit != 0 {
            object.say(format!("{name} "));
            flags.push(Json::from(name));
        }
    }
    object.field("flags", Json::List(flags));
    if let Some(uid) = route.field("RTA_UID").and_then(Value::as_int) {
        object.put("uid", uid, format!("uid {uid} "));
    }
    if let Some(mtu) = route.field("RTAX_MTU").and_then(Value::as_int) {
        object.put("mtu", mtu, format!("mtu {mtu} "));
    }
    object
}

/// `ip route get`: the way that a packet would go.
async fn get(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let mut fields: Fields = vec![("rtm_family".into(), 2.into())];
    let mut to = None;
    let rtnl = Rtnl::open(sys).await?;
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "from" => {
                let (from, _) = prefix(sys, words.value().await?).await?;
                fields.push(("RTA_SRC".into(), from.to_string().as_str().into()));
            }
            "oif" | "dev" => {
                let index = rtnl.device(words.value().await?).await?;
                fields.push(("RTA_OIF".into(), index.into()));
            }
            "iif" | "tos" | "mark" | "uid" | "vrf" | "ipproto" | "sport" | "dport" | "fibmatch" | "notify" => {
                sys.not_modelled(&format!("'ip route get {word}'")).await;
                return Err(WRONG);
            }
            word => {
                let word = if word == "to" { words.value().await? } else { word };
                to = Some(prefix(sys, word).await?.0);
            }
        }
    }
    let Some(to) = to else {
        sys.eprint("need at least a destination address\n").await;
        return Err(1);
    };
    fields.push(("RTA_DST".into(), to.to_string().as_str().into()));
    let answer = match rtnl.talk("RTM_GETROUTE", 0, fields).await {
        Ok(answer) => answer,
        Err(refused) => {
            sys.eprint(refused.message()).await;
            return Err(2);
        }
    };
    let links = rtnl.links().await;
    let objects = answer.iter().map(|route| {
        let mut object = line(route, &links, None);
        let cache = match number(route, "rtm_type") {
            2 => "<local> ",
            3 => "<local,brd> ",
            5 => "<mc> ",
            _ => "",
        };
        object.say(format!("\n    cache {cache}"));
        object.field("cache", Json::List(Vec::new()));
        object
    });
    print(sys, options, objects.collect()).await;
    Ok(0)
}

async fn flush(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    if words.is_empty() {
        sys.eprint("\"ip route flush\" requires arguments.\n").await;
        return Err(1);
    }
    if words.contains(&"cache") {
        return Ok(0);
    }
    let rtnl = Rtnl::open(sys).await?;
    let filter = filter(sys, &rtnl, words).await?;
    for route in dump(sys, &rtnl, filter.table).await?.iter().filter(|r| filter.fits(r)) {
        let message = match route {
            Value::Struct(fields) => fields.iter().filter(|(n, _)| !n.starts_with("nlmsg_")).cloned().collect(),
            _ => Vec::new(),
        };
        rtnl.order("RTM_DELROUTE", 0, message).await?;
    }
    Ok(0)
}

/// What a word says of a route's destination, if it is a network.
pub(super) fn network(word: &str) -> Option<(Ipv4Addr, u8)> {
    parse_prefix(word).map(|(a, len)| (a, len.unwrap_or(32)))
}
