//! `bridge` of iproute2: ports of bridges, and what bridges have learned (`bridge/link.c`, `bridge/fdb.c`).

use super::ip::link::{Surroundings, bridge_port, port_state};
use super::ip::out::{Object, print};
use super::ip::{Options, name_of, netns};
use super::rtnl::Rtnl;
use crate::program::Sys;
use crate::syscall::Value;

crate::program!(
    BRIDGE = "bridge" in "/usr/sbin",
    "show bridge ports and forwarding entries",
    main,
    "  bridge link [show] [dev NAME] [master NAME]   ports
  bridge fdb [show] [br NAME] [dev NAME] [dynamic]  which address is behind which port
  -d, -j, -p, -n NAME  details, as JSON, in the network namespace /run/netns/NAME"
);

const USAGE: &str = "Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
       bridge [ -force ] -batch filename
where  OBJECT := { link | fdb | mdb | vlan | monitor }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] |
                    -o[neline] | -t[imestamp] | -n[etns] name |
                    -c[ompressvlans] -color -p[retty] -j[son] }
";
const WRONG: i32 = 255;

/// `nodev` of iproute2 as an exit status.
const NO_DEVICE: i32 = 255;

async fn main(sys: Sys) -> Result<i32, i32> {
    let words: Vec<&str> = sys.argv().iter().skip(1).map(String::as_str).collect();
    let mut words = words.as_slice();
    let mut options = Options::default();
    while let [word, rest @ ..] = words
        && let Some(name) = word.strip_prefix('-')
    {
        words = rest;
        let name = name.strip_prefix('-').unwrap_or(name);
        match name {
            "d" | "details" => options.details = true,
            "s" | "statistics" | "stats" => options.statistics = true,
            "j" | "json" => options.json = true,
            "p" | "pretty" => options.pretty = true,
            "o" | "oneline" => options.oneline = true,
            "n" | "netns" => {
                let [name, rest @ ..] = words else { return Err(WRONG) };
                netns::switch(&sys, name).await?;
                words = rest;
            }
            "V" | "Version" => {
                sys.print("bridge utility, 6.1.0\n").await;
                return Ok(0);
            }
            _ => {
                sys.eprint(format!("Option \"{word}\" is unknown, try \"bridge help\".\n")).await;
                return Err(WRONG);
            }
        }
    }
    let [object, rest @ ..] = words else {
        sys.eprint(USAGE).await;
        return Err(WRONG);
    };
    match *object {
        o if "link".starts_with(o) => link(&sys, options, rest).await,
        o if "fdb".starts_with(o) => fdb(&sys, options, rest).await,
        "help" => {
            sys.eprint(USAGE).await;
            Err(WRONG)
        }
        o if ["mdb", "vlan", "monitor"].iter().any(|known| known.starts_with(o)) => {
            sys.not_modelled(&format!("'bridge {o}'")).await;
            Err(1)
        }
        o => {
            sys.eprint(format!("Object \"{o}\" is unknown, try \"bridge help\".\n")).await;
            Err(WRONG)
        }
    }
}

fn number(message: &Value, field: &str) -> i64 {
    message.field(field).and_then(Value::as_int).unwrap_or(0)
}

/// The words after `show`: devices by the word that names them.
async fn filter<'w>(sys: &Sys, object: &str, words: &'w [&'w str]) -> Result<Vec<(&'w str, &'w str)>, i32> {
    let rest = match words {
        [] => words,
        [command, rest @ ..] if ["show", "lst", "list"].iter().any(|c| c.starts_with(command)) => rest,
        [command, ..] if ["set", "add", "append", "replace", "delete", "get", "flush"].contains(command) => {
            sys.not_modelled(&format!("'bridge {object} {command}'")).await;
            return Err(WRONG);
        }
        [command, ..] => {
            sys.eprint(format!("Command \"{command}\" is unknown, try \"bridge {object} help\".\n")).await;
            return Err(WRONG);
        }
    };
    let mut found = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "dev" | "br" | "brport" | "master" | "state" => match rest.next() {
                Some(name) => found.push((*word, *name)),
                None => {
                    sys.eprint("Command line is not complete. Try option \"help\"\n").await;
                    return Err(WRONG);
                }
            },
            "dynamic" | "static" | "permanent" => found.push(("state", word)),
            name => found.push(("dev", name)),
        }
    }
    Ok(found)
}

async fn link(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let filter = filter(sys, "link", words).await?;
    let rtnl = Rtnl::open(sys).await?;
    let (mut device, mut master) = (None, None);
    for (key, name) in filter {
        let index = Some(rtnl.device(name).await.map_err(|_| NO_DEVICE)?);
        if key == "dev" { device = index } else { master = index }
    }
    let links = rtnl.links().await;
    let around = Surroundings::of(sys, &rtnl, &links).await;
    let mut objects = Vec::new();
    for port in &links {
        let Some(slave) = port.field("IFLA_INFO_SLAVE") else { continue };
        let wanted = device.is_none_or(|d| number(port, "ifi_index") == d)
            && master.is_none_or(|m| number(port, "IFLA_MASTER") == m);
        if !wanted {
            continue;
        }
        let mut object = bridge_port(port, &around, &links);
        object.put("state", port_state(slave), format!("state {} ", port_state(slave)));
        object.put("priority", 32, "priority 32 ");
        object.put("cost", 2, "cost 2 ");
        if options.details {
            let on = |name: &str| if number(slave, name) != 0 { "on" } else { "off" };
            object.say(format!(
                "\n    hairpin {} guard off root_block off fastleave off learning on flood on mcast_flood on bcast_flood on \
                 mcast_router 1 mcast_to_unicast off neigh_suppress off vlan_tunnel off isolated {} locked off ",
                on("IFLA_BRPORT_MODE"),
                on("IFLA_BRPORT_ISOLATED")
            ));
        }
        objects.push(object);
    }
    if !objects.is_empty() || options.json {
        print(sys, options, objects).await;
    }
    Ok(0)
}

async fn fdb(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let filter = filter(sys, "fdb", words).await?;
    let rtnl = Rtnl::open(sys).await?;
    let (mut device, mut bridge, mut state) = (None, None, None);
    for (key, name) in filter {
        match key {
            "state" => state = Some(name),
            "br" | "master" => bridge = Some(rtnl.device(name).await.map_err(|_| NO_DEVICE)?),
            _ => device = Some(rtnl.device(name).await.map_err(|_| NO_DEVICE)?),
        }
    }
    let entries = rtnl.dump("RTM_GETNEIGH", vec![("ndm_family".into(), 7.into())]).await.unwrap_or_default();
    let links = rtnl.links().await;
    let mut objects = Vec::new();
    for entry in &entries {
        let (index, master) = (number(entry, "ndm_ifindex"), entry.field("NDA_MASTER").and_then(Value::as_int));
        let word = match number(entry, "ndm_state") {
            0x80 => "permanent",
            0x40 => "static",
            _ => "dynamic",
        };
        let wanted = device.is_none_or(|d| index == d)
            && bridge.is_none_or(|b| index == b || master == Some(b))
            && state.is_none_or(|s| s == word);
        if wanted {
            objects.push(entry_line(entry, &links, device.is_none(), word));
        }
    }
    if !objects.is_empty() || options.json {
        print(sys, options, objects).await;
    }
    Ok(0)
}

fn entry_line(entry: &Value, links: &[Value], with_device: bool, state: &str) -> Object {
    let mut object = Object::default();
    let mac = entry.field("NDA_LLADDR").and_then(Value::as_str).unwrap_or("");
    object.put("mac", mac, format!("{mac} "));
    if with_device {
        let name = name_of(links, number(entry, "ndm_ifindex"));
        object.put("ifname", name.as_str(), format!("dev {name} "));
    }
    if number(entry, "ndm_flags") & 0x02 != 0 {
        object.say("self ");
    } else if let Some(master) = entry.field("NDA_MASTER").and_then(Value::as_int) {
        let name = name_of(links, master);
        object.put("master", name.as_str(), format!("master {name} "));
    }
    if state == "dynamic" {
        object.field("state", "");
    } else {
        object.put("state", state, state);
    }
    object
}
