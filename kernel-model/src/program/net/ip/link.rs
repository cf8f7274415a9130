//! `ip link`: devices.

use super::super::rtnl::{Fields, Rtnl};
use super::{Filter, Options, WRONG, brief, filter, first_line, flags, joined, link_line, missing, number, text};
use crate::net::device::iff;
use crate::net::netlink::nlm;
use crate::program::Sys;
use crate::syscall::Value;

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options, &[]).await };
    let is = |full: &str| full.starts_with(command);
    if is("add") {
        add(sys, rest).await
    } else if is("set") || is("change") {
        set(sys, rest).await
    } else if is("replace") {
        sys.not_modelled("'ip link replace'").await;
        Err(WRONG)
    } else if is("delete") {
        delete(sys, rest).await
    } else if is("show") || is("lst") || is("list") {
        show(sys, options, rest).await
    } else if ["xstats", "afstats", "property", "help"].iter().any(|c| is(c)) {
        sys.not_modelled(&format!("'ip link {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip link help\".\n")).await;
        Err(WRONG)
    }
}

/// The devices that a filter leaves.
///
/// # Errors
/// The exit status, after a message.
pub(super) async fn devices(sys: &Sys, rtnl: &Rtnl, filter: &Filter<'_>) -> Result<Vec<Value>, i32> {
    let found = match filter.device {
        Some(name) => match rtnl.talk("RTM_GETLINK", 0, vec![("IFLA_IFNAME".into(), name.into())]).await {
            Ok(device) => device.into_iter().collect(),
            Err(_) => {
                sys.eprint(format!("Device \"{name}\" does not exist.\n")).await;
                return Err(1);
            }
        },
        None => match rtnl.dump("RTM_GETLINK", Vec::new()).await {
            Ok(devices) => devices,
            Err(refused) => {
                sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
                return Err(1);
            }
        },
    };
    let up = |d: &Value| number(d, "ifi_flags") & i64::from(iff::UP) != 0;
    Ok(found.into_iter().filter(|d: &Value| !filter.up || up(d)).collect())
}

async fn show(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let filter = filter(sys, words).await?;
    let rtnl = Rtnl::open(sys).await?;
    for device in devices(sys, &rtnl, &filter).await? {
        let out = if options.brief {
            format!("{}{} {} \n", brief(&device), text(&device, "IFLA_ADDRESS"), flags(&device))
        } else {
            joined(&[first_line(&device, " mode DEFAULT"), link_line(&device)], options)
        };
        sys.print(out).await;
    }
    Ok(0)
}

/// Flags that are switched with `on` and `off`.
const SWITCHES: [(&str, u32, bool); 4] =
    [("arp", 0x80, true), ("multicast", 0x1000, false), ("allmulticast", 0x200, false), ("promisc", 0x100, false)];

async fn set(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let (mut name, mut on, mut change) = (None, 0, 0);
    let mut fields: Fields = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "up" => (on, change) = (on | iff::UP, change | iff::UP),
            "down" => (on, change) = (on & !iff::UP, change | iff::UP),
            "mtu" | "txqueuelen" | "txqlen" | "qlen" => {
                let Some(text) = words.next() else { return Err(missing(sys).await) };
                let Ok(n) = text.parse::<u32>() else {
                    let what = if word == "mtu" { "mtu" } else { "txqueuelen" };
                    sys.eprint(format!("Error: argument \"{text}\" is wrong: Invalid \"{what}\" value\n\n")).await;
                    return Err(WRONG);
                };
                fields.push((if word == "mtu" { "IFLA_MTU" } else { "IFLA_TXQLEN" }.into(), n.into()));
            }
            "netns" | "master" | "nomaster" | "name" | "address" | "alias" | "group" | "vrf" | "type" => {
                sys.not_modelled(&format!("'ip link set {word}'")).await;
                return Err(WRONG);
            }
            _ if SWITCHES.iter().any(|(n, ..)| *n == word) => {
                let Some(to) = words.next() else { return Err(missing(sys).await) };
                let (_, bit, inverted) = SWITCHES.iter().find(|(n, ..)| *n == word).copied().unwrap_or(SWITCHES[0]);
                if !matches!(to, "on" | "off") {
                    sys.eprint(format!("Error: argument of \"{word}\" must be \"on\" or \"off\", not \"{to}\"\n"))
                        .await;
                    return Err(1);
                }
                change |= bit;
                on = if (to == "on") != inverted { on | bit } else { on & !bit };
            }
            word => {
                let device = if word == "dev" {
                    match words.next() {
                        Some(name) => name,
                        None => return Err(missing(sys).await),
                    }
                } else {
                    word
                };
                if name.replace(device).is_some() {
                    return Err(super::garbage(sys, device).await);
                }
            }
        }
    }
    let Some(name) = name else {
        sys.eprint("Not enough information: \"dev\" argument is required.\n").await;
        return Err(WRONG);
    };
    let rtnl = Rtnl::open(sys).await?;
    let index = index(sys, &rtnl, name).await?;
    let mut message: Fields = vec![
        ("ifi_family".into(), 0.into()),
        ("ifi_index".into(), index.into()),
        ("ifi_flags".into(), on.into()),
        ("ifi_change".into(), change.into()),
    ];
    message.extend(fields);
    order(sys, &rtnl, "RTM_NEWLINK", 0, message).await
}

async fn index(sys: &Sys, rtnl: &Rtnl, name: &str) -> Result<i64, i32> {
    match rtnl.index_of(name).await {
        Some(index) => Ok(index),
        None => {
            sys.eprint(format!("Cannot find device \"{name}\"\n")).await;
            Err(1)
        }
    }
}

async fn order(sys: &Sys, rtnl: &Rtnl, kind: &str, flags: i64, message: Fields) -> Result<i32, i32> {
    match rtnl.talk(kind, flags, message).await {
        Ok(_) => Ok(0),
        Err(refused) => {
            sys.eprint(refused.message()).await;
            Err(2)
        }
    }
}

/// The kernel is asked for a device of this kind; what it needs besides is not looked at.
async fn add(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let (mut name, mut kind) = (None, None);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "type" => {
                kind = words.next();
                if kind.is_none() {
                    return Err(missing(sys).await);
                }
                break;
            }
            "name" | "dev" => name = words.next(),
            word => name = name.or(Some(word)),
        }
    }
    let Some(kind) = kind else {
        sys.eprint("Not enough information: \"type\" argument is required\n").await;
        return Err(WRONG);
    };
    let mut message: Fields = Vec::new();
    message.extend(name.map(|n| ("IFLA_IFNAME".into(), n.into())));
    message.push(("IFLA_INFO_KIND".into(), kind.into()));
    let rtnl = Rtnl::open(sys).await?;
    order(sys, &rtnl, "RTM_NEWLINK", nlm::CREATE | nlm::EXCL, message).await
}

async fn delete(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let name = words.iter().copied().find(|w| *w != "dev");
    let Some(name) = name else {
        sys.eprint("Not enough information: \"dev\" argument is required.\n").await;
        return Err(WRONG);
    };
    let rtnl = Rtnl::open(sys).await?;
    let index = index(sys, &rtnl, name).await?;
    order(sys, &rtnl, "RTM_DELLINK", 0, vec![("ifi_index".into(), index.into())]).await
}
