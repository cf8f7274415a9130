//! `ip address`: the addresses of devices (`ip/ipaddress.c`).

use super::args::{Words, garbage, parse_prefix, prefix};
use super::link::{Filter, Surroundings, brief, devices, elsewhere, filter, first_line, link_line};
use super::out::{Json, Object, print};
use super::{Options, Rtnl, WRONG, number, text};
use crate::net::fib::{RT_SCOPE_HOST, RT_SCOPE_LINK, in_prefix};
use crate::net::rtnetlink::nlm;
use crate::net::socket::AF_INET;
use crate::program::Sys;
use crate::program::net::rtnl::Fields;
use crate::syscall::Value;

/// `IFA_F_SECONDARY` and `IFA_F_PERMANENT`.
const SECONDARY: i64 = 0x01;
const PERMANENT: i64 = 0x80;
/// A lifetime without an end.
const FOREVER: i64 = 0xffff_ffff;

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options, &[]).await };
    let is = |full: &str| full.starts_with(command);
    if is("add") {
        modify(sys, "RTM_NEWADDR", nlm::CREATE | nlm::EXCL, rest).await
    } else if is("change") || is("chg") {
        modify(sys, "RTM_NEWADDR", nlm::REPLACE, rest).await
    } else if is("replace") {
        modify(sys, "RTM_NEWADDR", nlm::CREATE | nlm::REPLACE, rest).await
    } else if is("delete") {
        modify(sys, "RTM_DELADDR", 0, rest).await
    } else if is("show") || is("lst") || is("list") {
        show(sys, options, rest).await
    } else if is("flush") {
        flush(sys, rest).await
    } else if ["save", "restore", "showdump", "help"].iter().any(|c| is(c)) {
        sys.not_modelled(&format!("'ip address {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip address help\".\n")).await;
        Err(WRONG)
    }
}

/// A scope by its name or number.
pub(super) fn scope_number(name: &str) -> Option<u8> {
    match name {
        "global" => Some(0),
        "site" => Some(200),
        "link" => Some(RT_SCOPE_LINK),
        "host" => Some(RT_SCOPE_HOST),
        "nowhere" => Some(255),
        number => number.parse().ok(),
    }
}

/// The name of a scope.
pub(super) fn scope_name(scope: i64) -> String {
    match scope {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}

/// `ip address add`, `change`, `replace`, `delete` (`ipaddr_modify`).
async fn modify(sys: &Sys, kind: &str, flags: i64, words: &[&str]) -> Result<i32, i32> {
    let (mut local, mut peer, mut device, mut scope) = (None, None, None, None);
    let mut broadcast = None;
    let mut fields: Fields = Vec::new();
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "peer" | "remote" => peer = Some(prefix(sys, words.value().await?).await?),
            "broadcast" | "brd" => broadcast = Some(words.value().await?),
            "scope" => {
                let name = words.value().await?;
                scope = scope_number(name);
                if scope.is_none() {
                    return Err(super::args::invarg(sys, "invalid scope value.", name).await);
                }
            }
            "dev" => device = Some(words.value().await?),
            "label" => {
                let label = words.value().await?;
                fields.push(("IFA_LABEL".into(), label.into()));
            }
            "valid_lft" | "preferred_lft" => {
                let text = words.value().await?;
                let seconds = if text == "forever" { Some(u32::MAX) } else { text.parse().ok() };
                let Some(seconds) = seconds else {
                    return Err(super::args::invarg(sys, &format!("{word} value is invalid"), text).await);
                };
                let key = if word == "valid_lft" { "IFA_CACHEINFO_VALID" } else { "IFA_CACHEINFO_PREFERRED" };
                fields.push((key.into(), seconds.into()));
            }
            "anycast" | "metric" | "proto" | "noprefixroute" | "nodad" | "home" | "mngtmpaddr" | "autojoin" => {
                sys.not_modelled(&format!("'{word}' of an address")).await;
                return Err(1);
            }
            word => {
                let word = if word == "local" { words.value().await? } else { word };
                if local.is_some() {
                    return Err(garbage(sys, "local", word).await);
                }
                local = Some((prefix(sys, word).await?, word));
            }
        }
    }
    let Some(device) = device else {
        sys.eprint("Not enough information: \"dev\" argument is required.\n").await;
        return Err(1);
    };
    let mut len = 0;
    if let Some(((address, given), word)) = local {
        len = peer.map_or(given, |(_, len)| len).unwrap_or(32);
        fields.insert(0, ("IFA_LOCAL".into(), address.to_string().as_str().into()));
        let own = peer.map_or(address, |(p, _)| p);
        let wildcard = kind == "RTM_DELADDR" && peer.is_none() && given.is_none();
        if wildcard {
            sys.eprint(format!(
                "Warning: Executing wildcard deletion to stay compatible with old scripts.\n         Explicitly specify \
                 the prefix length ({word}/32) to avoid this warning.\n         This special behaviour is likely to \
                 disappear in further releases,\n         fix your scripts!\n"
            ))
            .await;
        } else {
            fields.insert(1, ("IFA_ADDRESS".into(), own.to_string().as_str().into()));
        }
        if kind == "RTM_NEWADDR"
            && let Some(text) = broadcast
        {
            let mask = crate::net::address::mask_of(len);
            let net = u32::from(own) & mask;
            let brd = match text {
                "+" => std::net::Ipv4Addr::from(net | !mask),
                "-" => std::net::Ipv4Addr::from(net),
                text => super::args::address(sys, text, "inet").await?,
            };
            fields.push(("IFA_BROADCAST".into(), brd.to_string().as_str().into()));
        }
        let host = kind == "RTM_NEWADDR" && address.is_loopback();
        scope = scope.or(if host { Some(RT_SCOPE_HOST) } else { None });
    }
    let rtnl = Rtnl::open(sys).await?;
    let index = rtnl.device(device).await?;
    let mut message: Fields = vec![
        ("ifa_family".into(), if local.is_some() { AF_INET } else { 0 }.into()),
        ("ifa_prefixlen".into(), u32::from(len).into()),
        ("ifa_flags".into(), 0.into()),
        ("ifa_scope".into(), u32::from(scope.unwrap_or(0)).into()),
        ("ifa_index".into(), index.into()),
    ];
    message.extend(fields);
    rtnl.order(kind, flags, message).await?;
    Ok(0)
}

/// Whether an address is one that `show` or `flush` is about.
fn is_wanted(address: &Value, filter: &Filter<'_>) -> bool {
    let local = text(address, "IFA_LOCAL").parse().ok();
    let flags = number(address, "ifa_flags");
    filter.of_address.iter().all(|(key, word)| match *key {
        "to" => {
            parse_prefix(word).is_some_and(|(net, len)| local.is_some_and(|l| in_prefix(l, net, len.unwrap_or(32))))
        }
        "scope" => scope_number(word).is_some_and(|s| i64::from(s) == number(address, "ifa_scope")),
        "label" => {
            let label = text(address, "IFA_LABEL");
            word.strip_suffix('*').map_or(label == *word, |start| label.starts_with(start))
        }
        "primary" => flags & SECONDARY == 0,
        "secondary" => flags & SECONDARY != 0,
        "permanent" => flags & PERMANENT != 0,
        "dynamic" => flags & PERMANENT == 0,
        _ => true,
    })
}

async fn dump(sys: &Sys, rtnl: &Rtnl) -> Result<Vec<Value>, i32> {
    match rtnl.dump("RTM_GETADDR", Vec::new()).await {
        Ok(addresses) => Ok(addresses),
        Err(refused) => {
            sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
            Err(1)
        }
    }
}

async fn show(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let filter = filter(sys, words).await?;
    let rtnl = Rtnl::open(sys).await?;
    let devices = devices(sys, &rtnl, &filter).await?;
    let addresses = if options.ipv6 { Vec::new() } else { dump(sys, &rtnl).await? };
    let around = Surroundings::of(sys, &rtnl, &devices).await;
    let has = |key: &str| filter.of_address.iter().any(|(k, _)| *k == key);
    let only_addresses = options.family() || has("to") || has("label");
    let mut objects = Vec::new();
    for device in &devices {
        let own = |a: &&Value| number(a, "ifa_index") == number(device, "ifi_index") && is_wanted(a, &filter);
        let own: Vec<&Value> = addresses.iter().filter(own).collect();
        if only_addresses && own.is_empty() {
            continue;
        }
        if options.brief {
            let mut object = brief(device, &around, false);
            let mut list = Vec::new();
            for address in own {
                object.say(prefix_text(address) + " ");
                list.push(Json::Object(vec![
                    ("local", text(address, "IFA_LOCAL").into()),
                    ("prefixlen", number(address, "ifa_prefixlen").into()),
                ]));
            }
            object.field("addr_info", Json::List(list));
            objects.push(object);
        } else if options.oneline && !options.json {
            let head = format!("{}: {}", number(device, "ifi_index"), text(device, "IFLA_IFNAME"));
            for address in own {
                let mut object = Object::default();
                object.say(&head);
                object.say(address_lines(address).text);
                objects.push(object);
            }
        } else {
            objects.push(full(device, &around, &own, options, only_addresses, has("label")));
        }
    }
    print(sys, options, objects).await;
    Ok(0)
}

/// A device with its addresses.
fn full(
    device: &Value,
    around: &Surroundings,
    own: &[&Value],
    options: Options,
    only_addresses: bool,
    no_device: bool,
) -> Object {
    let mut object = Object::default();
    if !no_device {
        object = first_line(device, around, false, false);
        if only_addresses {
            object.merge(elsewhere(device, around));
        } else {
            object.merge(link_line(device, around));
            super::link::after_link(&mut object, device, Options { statistics: false, ..options });
        }
    }
    let mut list = Vec::new();
    for (i, address) in own.iter().enumerate() {
        let lines = address_lines(address);
        if i > 0 || !no_device {
            object.say("\n");
        }
        object.say(&lines.text);
        list.push(Json::Object(lines.fields));
    }
    object.field("addr_info", Json::List(list));
    if options.statistics && !only_addresses {
        let mut more = Object::default();
        super::link::after_link(&mut more, device, Options { details: false, ..options });
        object.say(more.text);
    }
    object
}

/// `10.0.0.1/24`, or `10.0.0.1 peer 10.0.0.2/32`.
fn prefix_text(address: &Value) -> String {
    let (local, peer) = (text(address, "IFA_LOCAL"), text(address, "IFA_ADDRESS"));
    let len = number(address, "ifa_prefixlen");
    if local == peer { format!("{local}/{len}") } else { format!("{local} peer {peer}/{len}") }
}

/// The two lines of an address (`print_addrinfo`).
fn address_lines(address: &Value) -> Object {
    let mut object = Object::default();
    let (local, peer) = (text(address, "IFA_LOCAL"), text(address, "IFA_ADDRESS"));
    object.field("family", "inet");
    object.field("local", local);
    if peer != local {
        object.field("address", peer);
    }
    object.field("prefixlen", number(address, "ifa_prefixlen"));
    object.say(format!("    inet {} ", prefix_text(address)));
    if let Some(brd) = address.field("IFA_BROADCAST").and_then(Value::as_str) {
        object.put("broadcast", brd, format!("brd {brd} "));
    }
    let scope = scope_name(number(address, "ifa_scope"));
    object.put("scope", scope.as_str(), format!("scope {scope} "));
    let flags = number(address, "ifa_flags");
    if flags & SECONDARY != 0 {
        object.put("secondary", Json::Bool(true), "secondary ");
    }
    if flags & PERMANENT == 0 {
        object.put("dynamic", Json::Bool(true), "dynamic ");
    }
    let label = text(address, "IFA_LABEL");
    object.put("label", label, label);
    let mut life = |key: &'static str, name: &str, from: &str| {
        let seconds = number(address, from);
        let shown = if seconds == FOREVER { "forever".to_owned() } else { format!("{seconds}sec") };
        object.put(key, seconds, format!("{name} {shown}"));
    };
    life("valid_life_time", "\n       valid_lft", "IFA_CACHEINFO_VALID");
    life("preferred_life_time", " preferred_lft", "IFA_CACHEINFO_PREFERRED");
    object
}

async fn flush(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    if words.is_empty() {
        sys.eprint("Flush requires arguments.\n").await;
        return Err(1);
    }
    let filter = filter(sys, words).await?;
    let rtnl = Rtnl::open(sys).await?;
    let devices = devices(sys, &rtnl, &filter).await?;
    let indices: Vec<i64> = devices.iter().map(|d| number(d, "ifi_index")).collect();
    // What goes with another one is gone when its turn comes, so the list is made anew until nothing is left.
    loop {
        let addresses = dump(sys, &rtnl).await?;
        let mut own = addresses.iter().filter(|a| indices.contains(&number(a, "ifa_index")) && is_wanted(a, &filter));
        let Some(first) = own.next() else { return Ok(0) };
        let fields = ["ifa_family", "ifa_prefixlen", "ifa_index", "IFA_LOCAL", "IFA_ADDRESS"];
        let message = fields.iter().filter_map(|f| Some(((*f).into(), first.field(f)?.clone()))).collect();
        rtnl.order("RTM_DELADDR", 0, message).await?;
    }
}
