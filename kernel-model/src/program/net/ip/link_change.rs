//! `ip link add`, `set`, `delete` and `property` (`ip/iplink.c`).

use super::args::{Words, garbage, invarg, lladdr, mac_text};
use super::{Rtnl, WRONG, netns};
use crate::net::device::{NAME_MAX, iff};
use crate::net::rtnetlink::nlm;
use crate::program::Sys;
use crate::program::net::rtnl::Fields;
use crate::syscall::Value;

/// Flags that are switched with `on` and `off`.
const SWITCHES: [(&str, u32, bool); 4] = [
    ("arp", iff::NOARP, true),
    ("multicast", iff::MULTICAST, false),
    ("allmulticast", 0x200, false),
    ("promisc", iff::PROMISC, false),
];

/// What is asked of a device.
#[derive(Default)]
struct Wanted<'w> {
    name: Option<&'w str>,
    kind: Option<&'w str>,
    on: u32,
    change: u32,
    index: u32,
    fields: Fields,
    /// Words after the type.
    rest: Vec<&'w str>,
}

/// Whether iproute2 takes this for the name of a device (`check_ifname`).
pub(super) fn may_be_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && !name.contains(|c: char| c == '/' || c.is_whitespace())
}

/// Some words may be cut short, so that a device called `a` has to be named with `dev`: the first of these that begins
/// like it is meant (`matches` in `iplink_parse`).
fn unabbreviated(word: &str) -> &str {
    const WORDS: [&str; 13] = [
        "index",
        "link",
        "address",
        "broadcast",
        "txqueuelen",
        "master",
        "nomaster",
        "type",
        "alias",
        "numtxqueues",
        "numrxqueues",
        "addrgenmode",
        "help",
    ];
    WORDS.into_iter().find(|w| !word.is_empty() && w.starts_with(word)).unwrap_or(word)
}

/// The words of `add` and `set` (`iplink_parse`).
async fn parse<'w>(sys: &Sys, rtnl: &Rtnl, words: &'w [&'w str], adding: bool) -> Result<Wanted<'w>, i32> {
    let mut wanted = Wanted::default();
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match unabbreviated(word) {
            "up" => (wanted.on, wanted.change) = (wanted.on | iff::UP, wanted.change | iff::UP),
            "down" => (wanted.on, wanted.change) = (wanted.on & !iff::UP, wanted.change | iff::UP),
            "name" => {
                let name = words.value().await?;
                if adding {
                    wanted.name = Some(checked_name(sys, "name", name).await?);
                } else {
                    let name = checked_name(sys, "name", name).await?;
                    wanted.fields.push(("IFLA_IFNAME".into(), name.into()));
                }
            }
            "index" => wanted.index = words.number("Invalid \"index\" value").await?,
            "mtu" => {
                let mtu = words.number("Invalid \"mtu\" value\n").await?;
                wanted.fields.push(("IFLA_MTU".into(), mtu.into()));
            }
            "txqueuelen" | "txqlen" | "qlen" => {
                let len = words.number("Invalid \"txqueuelen\" value\n").await?;
                wanted.fields.push(("IFLA_TXQLEN".into(), len.into()));
            }
            "address" => {
                let bytes = lladdr(sys, words.value().await?).await?;
                if bytes.len() != 6 {
                    let len = bytes.len();
                    sys.eprint(format!("Invalid address length {len} - must be 6 bytes\n")).await;
                    return Err(1);
                }
                wanted.fields.push(("IFLA_ADDRESS".into(), mac_text(&bytes).as_str().into()));
            }
            "alias" => wanted.fields.push(("IFLA_IFALIAS".into(), words.value().await?.into())),
            "netns" => {
                let name = words.value().await?;
                match netns::attribute(sys, name).await {
                    Some((key, value)) => wanted.fields.push((key.into(), value)),
                    None => return Err(invarg(sys, "Invalid \"netns\" value\n", name).await),
                }
            }
            "master" => {
                let name = words.value().await?;
                let Some(index) = rtnl.index_of(name).await else {
                    return Err(invarg(sys, "Device does not exist\n", name).await);
                };
                wanted.fields.push(("IFLA_MASTER".into(), index.into()));
            }
            "nomaster" => wanted.fields.push(("IFLA_MASTER".into(), 0.into())),
            "link" => {
                let name = words.value().await?;
                let index = rtnl.device(name).await?;
                wanted.fields.push(("IFLA_LINK".into(), index.into()));
            }
            "type" => {
                wanted.kind = Some(words.value().await?);
                while let Some(word) = words.next() {
                    wanted.rest.push(word);
                }
            }
            "group" | "vrf" | "broadcast" | "brd" | "xdp" | "mode" | "state" | "numtxqueues" | "numrxqueues" => {
                sys.not_modelled(&format!("'ip link {word}'")).await;
                return Err(WRONG);
            }
            _ if SWITCHES.iter().any(|(n, ..)| *n == word) => {
                let (_, bit, inverted) = SWITCHES.iter().find(|(n, ..)| *n == word).copied().unwrap_or(SWITCHES[0]);
                let on = words.on_off(word).await?;
                wanted.change |= bit;
                wanted.on = if on != inverted { wanted.on | bit } else { wanted.on & !bit };
            }
            "help" => {
                sys.not_modelled("this usage text").await;
                return Err(WRONG);
            }
            word => {
                let name = if word == "dev" { words.value().await? } else { word };
                if wanted.name.is_some() {
                    return Err(garbage(sys, "dev", name).await);
                }
                // A name that is too long is left to the kernel, which may know it as a further one.
                if name.is_empty() || name.contains('/') {
                    return Err(invarg(sys, "\"dev\" not a valid ifname", name).await);
                }
                wanted.name = Some(name);
            }
        }
    }
    Ok(wanted)
}

async fn checked_name<'w>(sys: &Sys, key: &str, name: &'w str) -> Result<&'w str, i32> {
    if may_be_name(name) { Ok(name) } else { Err(invarg(sys, &format!("\"{key}\" not a valid ifname"), name).await) }
}

pub(super) async fn set(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let wanted = parse(sys, &rtnl, words, false).await?;
    let Some(name) = wanted.name else {
        sys.eprint("Not enough information: \"dev\" argument is required.\n").await;
        return Err(WRONG);
    };
    let mut fields = wanted.fields;
    match wanted.kind {
        None => {}
        Some("bridge_slave") => fields.push(("IFLA_INFO_SLAVE".into(), slave(sys, &wanted.rest).await?)),
        Some(kind) => {
            sys.not_modelled(&format!("'ip link set type {kind}'")).await;
            return Err(1);
        }
    }
    let index = rtnl.device(name).await?;
    let mut message: Fields = vec![
        ("ifi_family".into(), 0.into()),
        ("ifi_index".into(), index.into()),
        ("ifi_flags".into(), wanted.on.into()),
        ("ifi_change".into(), wanted.change.into()),
    ];
    message.extend(fields);
    rtnl.order("RTM_NEWLINK", 0, message).await?;
    Ok(0)
}

/// What a port of a bridge is to do.
async fn slave(sys: &Sys, words: &[&str]) -> Result<Value, i32> {
    let mut fields = Vec::new();
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        let key = match word {
            "hairpin" => "IFLA_BRPORT_MODE",
            "isolated" => "IFLA_BRPORT_ISOLATED",
            other => {
                sys.not_modelled(&format!("'{other}' of a port of a bridge")).await;
                return Err(1);
            }
        };
        fields.push((key.into(), i32::from(words.on_off(word).await?).into()));
    }
    Ok(Value::Struct(fields))
}

pub(super) async fn add(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let wanted = parse(sys, &rtnl, words, true).await?;
    let Some(kind) = wanted.kind else {
        sys.eprint("Not enough information: \"type\" argument is required\n").await;
        return Err(1);
    };
    let mut message: Fields = vec![
        ("ifi_family".into(), 0.into()),
        ("ifi_index".into(), wanted.index.into()),
        ("ifi_flags".into(), wanted.on.into()),
        ("ifi_change".into(), wanted.change.into()),
    ];
    message.extend(wanted.name.map(|n| ("IFLA_IFNAME".into(), n.into())));
    message.extend(wanted.fields);
    message.push(("IFLA_INFO_KIND".into(), kind.into()));
    match kind {
        "veth" => {
            if let Some(peer) = veth_peer(sys, &rtnl, &wanted.rest).await? {
                message.push(("IFLA_INFO_PEER".into(), Value::Struct(peer)));
            }
        }
        _ if !wanted.rest.is_empty() => {
            sys.not_modelled(&format!("'{}' of a {kind}", wanted.rest.join(" "))).await;
            return Err(1);
        }
        _ => {}
    }
    rtnl.order("RTM_NEWLINK", nlm::CREATE | nlm::EXCL, message).await?;
    Ok(0)
}

/// The other end of a cable (`veth_parse_opt`).
async fn veth_peer(sys: &Sys, rtnl: &Rtnl, words: &[&str]) -> Result<Option<Fields>, i32> {
    let [first, rest @ ..] = words else { return Ok(None) };
    if *first != "peer" {
        sys.eprint("Usage: ip link <options> type veth [peer <options>]\nTo get <options> type 'ip link add help'\n")
            .await;
        return Err(1);
    }
    let wanted = Box::pin(parse(sys, rtnl, rest, true)).await?;
    let mut fields: Fields = vec![
        ("ifi_index".into(), wanted.index.into()),
        ("ifi_flags".into(), wanted.on.into()),
        ("ifi_change".into(), wanted.change.into()),
    ];
    fields.extend(wanted.name.map(|n| ("IFLA_IFNAME".into(), n.into())));
    fields.extend(wanted.fields);
    Ok(Some(fields))
}

pub(super) async fn delete(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let wanted = parse(sys, &rtnl, words, false).await?;
    let Some(name) = wanted.name else {
        sys.eprint("Not enough information: \"dev\" argument is required.\n").await;
        return Err(WRONG);
    };
    let index = rtnl.device(name).await?;
    rtnl.order("RTM_DELLINK", 0, vec![("ifi_index".into(), index.into())]).await?;
    Ok(0)
}

/// Further names: `ip link property add dev NAME altname OTHER`.
pub(super) async fn property(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return Err(super::missing(sys).await) };
    let kind = match *command {
        c if "add".starts_with(c) => "RTM_NEWLINKPROP",
        c if "delete".starts_with(c) => "RTM_DELLINKPROP",
        _ => {
            sys.eprint("Operator required\n").await;
            return Err(WRONG);
        }
    };
    let (mut device, mut names) = (None, Vec::new());
    let mut words = Words::new(sys, rest);
    while let Some(word) = words.next() {
        match word {
            "altname" => names.push(words.value().await?),
            "dev" => device = Some(words.value().await?),
            word => device = Some(word),
        }
    }
    let Some(device) = device else { return Err(super::missing(sys).await) };
    let rtnl = Rtnl::open(sys).await?;
    let index = rtnl.device(device).await?;
    let fields = vec![("ifi_index".into(), index.into()), ("IFLA_PROP_LIST".into(), Value::strings(names))];
    rtnl.order(kind, nlm::EXCL | nlm::CREATE | nlm::APPEND, fields).await?;
    Ok(0)
}
