//! `ip neigh`: who is known on the links (`ip/ipneigh.c`).

use std::net::Ipv4Addr;

use super::args::{Words, garbage, invarg, lladdr, mac_text, parse_prefix, prefix};
use super::out::{Json, Object, print};
use super::{Options, Rtnl, WRONG, name_of, number, text};
use crate::net::fib::in_prefix;
use crate::net::neighbour::NudState;
use crate::net::rtnetlink::nlm;
use crate::program::Sys;
use crate::program::net::rtnl::Fields;
use crate::syscall::Value;

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options, &[]).await };
    let is = |full: &str| full.starts_with(command);
    if is("add") {
        modify(sys, "RTM_NEWNEIGH", nlm::CREATE | nlm::EXCL, rest).await
    } else if is("change") || is("chg") {
        modify(sys, "RTM_NEWNEIGH", nlm::REPLACE, rest).await
    } else if is("replace") {
        modify(sys, "RTM_NEWNEIGH", nlm::CREATE | nlm::REPLACE, rest).await
    } else if is("delete") {
        modify(sys, "RTM_DELNEIGH", 0, rest).await
    } else if is("get") {
        get(sys, options, rest).await
    } else if is("show") || is("lst") || is("list") {
        show(sys, options, rest).await
    } else if is("flush") {
        flush(sys, rest).await
    } else if is("help") {
        sys.not_modelled("this usage text").await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip neigh help\".\n")).await;
        Err(WRONG)
    }
}

/// The states that a word means (`nud_state_a2n`).
fn states(word: &str) -> Option<u32> {
    match word {
        "all" => Some(!0),
        "none" => Some(0),
        word => {
            let bits = (0..8).map(|b| 1 << b);
            bits.filter_map(NudState::from_bit).find(|s| s.name().eq_ignore_ascii_case(word)).map(NudState::bit)
        }
    }
}

#[derive(Default)]
struct Filter<'w> {
    device: Option<(&'w str, i64)>,
    states: Option<u32>,
    network: Option<(Ipv4Addr, u8)>,
    proxy: bool,
}

async fn filter<'w>(sys: &Sys, rtnl: &Rtnl, words: &'w [&'w str]) -> Result<Filter<'w>, i32> {
    let mut filter = Filter::default();
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "dev" => {
                let name = words.value().await?;
                filter.device = Some((name, rtnl.device(name).await?));
            }
            "nud" => {
                let name = words.value().await?;
                let Some(bits) = states(name) else { return Err(invarg(sys, "nud state is bad", name).await) };
                filter.states = Some(filter.states.unwrap_or(0) | bits);
            }
            "unused" => {}
            "proxy" => filter.proxy = true,
            "master" | "vrf" | "nomaster" => {
                sys.not_modelled(&format!("'ip neigh show {word}'")).await;
                return Err(WRONG);
            }
            word => {
                let word = if word == "to" { words.value().await? } else { word };
                let (address, len) = prefix(sys, word).await?;
                filter.network = Some((address, len.unwrap_or(32)));
            }
        }
    }
    Ok(filter)
}

impl Filter<'_> {
    fn fits(&self, entry: &Value) -> bool {
        let state = number(entry, "ndm_state") as u32;
        let states = self.states.unwrap_or(!NudState::Noarp.bit());
        !self.proxy
            && state & states != 0
            && self.device.is_none_or(|(_, index)| number(entry, "ndm_ifindex") == index)
            && self
                .network
                .is_none_or(|(net, len)| text(entry, "NDA_DST").parse().is_ok_and(|a: Ipv4Addr| in_prefix(a, net, len)))
    }
}

async fn dump(sys: &Sys, rtnl: &Rtnl) -> Result<Vec<Value>, i32> {
    match rtnl.dump("RTM_GETNEIGH", Vec::new()).await {
        Ok(entries) => Ok(entries),
        Err(refused) => {
            sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
            Err(1)
        }
    }
}

fn line(entry: &Value, links: &[Value], with_device: bool) -> Object {
    let mut object = Object::default();
    let to = text(entry, "NDA_DST");
    object.put("dst", to, format!("{to} "));
    if with_device {
        let name = name_of(links, number(entry, "ndm_ifindex"));
        object.put("dev", name.as_str(), format!("dev {name} "));
    }
    if let Some(mac) = entry.field("NDA_LLADDR").and_then(Value::as_str) {
        object.put("lladdr", mac, format!("lladdr {mac} "));
    }
    if let Some(state) = NudState::from_bit(number(entry, "ndm_state") as u32) {
        object.say(format!("{} ", state.name()));
        object.field("state", Json::List(vec![state.name().into()]));
    }
    object
}

async fn show(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let filter = filter(sys, &rtnl, words).await?;
    if options.ipv6 {
        return Ok(0);
    }
    let entries = dump(sys, &rtnl).await?;
    let links = rtnl.links().await;
    let wanted = entries.iter().filter(|e| filter.fits(e));
    let objects: Vec<Object> = wanted.map(|e| line(e, &links, filter.device.is_none())).collect();
    if !objects.is_empty() || options.json {
        print(sys, options, objects).await;
    }
    Ok(0)
}

async fn modify(sys: &Sys, order: &str, flags: i64, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let (mut to, mut device, mut mac) = (None, None, None);
    let mut state = NudState::Permanent.bit();
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "lladdr" => mac = Some(words.value().await?),
            "nud" => {
                let name = words.value().await?;
                let Some(bits) = states(name) else { return Err(invarg(sys, "nud state is bad", name).await) };
                state = bits;
            }
            "dev" => device = Some(words.value().await?),
            "proxy" | "router" | "use" | "managed" | "extern_learn" | "protocol" => {
                sys.not_modelled(&format!("'{word}' of a neighbour")).await;
                return Err(1);
            }
            word => {
                let word = if word == "to" { words.value().await? } else { word };
                if to.is_some() {
                    return Err(garbage(sys, "to", word).await);
                }
                to = Some(super::args::address(sys, word, "any valid").await?);
            }
        }
    }
    let (Some(to), Some(device)) = (to, device) else {
        sys.eprint("Device and destination are required arguments.\n").await;
        return Err(WRONG);
    };
    let mut fields: Fields = vec![
        ("ndm_family".into(), 2.into()),
        ("ndm_state".into(), state.into()),
        ("NDA_DST".into(), to.to_string().as_str().into()),
    ];
    if let Some(mac) = mac.filter(|m| *m != "null") {
        let bytes = lladdr(sys, mac).await?;
        fields.push(("NDA_LLADDR".into(), mac_text(&bytes).as_str().into()));
    }
    let index = rtnl.device(device).await?;
    fields.push(("ndm_ifindex".into(), index.into()));
    rtnl.order(order, flags, fields).await?;
    Ok(0)
}

async fn get(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let (mut to, mut device) = (None, None);
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "dev" => device = Some(words.value().await?),
            "to" => {}
            word => to = parse_prefix(word),
        }
    }
    let (Some((to, _)), Some(device)) = (to, device) else {
        sys.eprint("Device and address arguments are required.\n").await;
        return Err(1);
    };
    let index = rtnl.device(device).await?;
    let fields = vec![
        ("ndm_family".into(), 2.into()),
        ("ndm_ifindex".into(), index.into()),
        ("NDA_DST".into(), to.to_string().as_str().into()),
    ];
    match rtnl.talk("RTM_GETNEIGH", 0, fields).await {
        Ok(answer) => {
            let links = rtnl.links().await;
            print(sys, options, answer.iter().map(|e| line(e, &links, true)).collect()).await;
            Ok(0)
        }
        Err(refused) => {
            sys.eprint(refused.message()).await;
            Err(2)
        }
    }
}

async fn flush(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    if words.is_empty() {
        sys.eprint("Flush requires arguments.\n").await;
        return Err(1);
    }
    let rtnl = Rtnl::open(sys).await?;
    let mut filter = filter(sys, &rtnl, words).await?;
    // What was put in by hand stays unless it is named.
    filter.states = filter.states.or(Some(!(NudState::Permanent.bit() | NudState::Noarp.bit())));
    for entry in dump(sys, &rtnl).await?.iter().filter(|e| filter.fits(e)) {
        let fields = ["ndm_family", "ndm_ifindex", "NDA_DST"];
        let message = fields.iter().filter_map(|f| Some(((*f).into(), entry.field(f)?.clone()))).collect();
        rtnl.order("RTM_DELNEIGH", 0, message).await?;
    }
    Ok(0)
}
