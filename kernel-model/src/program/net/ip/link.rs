//! `ip link show`: devices (`ip/ipaddress.c`, `print_linkinfo`).

use super::args::{Words, garbage, invarg};
use super::out::{Json, Object, print};
use super::{Options, Rtnl, WRONG, is_up, link_change, name_of, netns, number, text};
use crate::net::device::{ARPHRD_LOOPBACK, iff};
use crate::program::Sys;
use crate::syscall::Value;

const USAGE: &str = "Usage: ip link add [link DEV | parentdev NAME] [ name ] NAME
		    [ txqueuelen PACKETS ]
		    [ address LLADDR ]
		    [ broadcast LLADDR ]
		    [ mtu MTU ] [index IDX ]
		    [ netns { PID | NAME } ]
		    type TYPE [ ARGS ]

	ip link delete { DEVICE | dev DEVICE | group DEVGROUP } type TYPE [ ARGS ]

	ip link set { DEVICE | dev DEVICE | group DEVGROUP }
			[ { up | down } ]
			[ type TYPE ARGS ]
		[ arp { on | off } ]
		[ multicast { on | off } ]
		[ allmulticast { on | off } ]
		[ promisc { on | off } ]
		[ txqueuelen PACKETS ]
		[ name NEWNAME ]
		[ address LLADDR ]
		[ broadcast LLADDR ]
		[ mtu MTU ]
		[ netns { PID | NAME } ]
		[ alias NAME ]
		[ master DEVICE ]
		[ nomaster ]

	ip link show [ DEVICE | group GROUP ] [up] [master DEV] [vrf NAME] [type TYPE]
		[nomaster]
";

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options, &[]).await };
    let is = |full: &str| full.starts_with(command);
    if is("add") {
        link_change::add(sys, rest).await
    } else if is("set") || is("change") {
        link_change::set(sys, rest).await
    } else if is("replace") {
        sys.not_modelled("'ip link replace'").await;
        Err(WRONG)
    } else if is("delete") {
        link_change::delete(sys, rest).await
    } else if is("show") || is("lst") || is("list") {
        show(sys, options, rest).await
    } else if is("property") {
        link_change::property(sys, rest).await
    } else if is("help") {
        sys.eprint(USAGE).await;
        Err(WRONG)
    } else if is("xstats") || is("afstats") {
        sys.not_modelled(&format!("'ip link {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip link help\".\n")).await;
        Err(WRONG)
    }
}

/// Which devices `show` is about.
#[derive(Default)]
pub(super) struct Filter<'w> {
    pub device: Option<&'w str>,
    pub up: bool,
    pub master: Option<&'w str>,
    pub no_master: bool,
    pub kind: Option<&'w str>,
    /// What only `ip address show` knows: `to`, `scope`, `label` with their words.
    pub of_address: Vec<(&'w str, &'w str)>,
}

/// The words after `show`.
pub(super) async fn filter<'w>(sys: &Sys, words: &'w [&'w str]) -> Result<Filter<'w>, i32> {
    let mut filter = Filter::default();
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "up" => filter.up = true,
            "nomaster" => filter.no_master = true,
            "master" => filter.master = Some(words.value().await?),
            "type" => filter.kind = Some(words.value().await?),
            "to" | "scope" | "label" => filter.of_address.push((word, words.value().await?)),
            "dynamic" | "permanent" | "primary" | "secondary" => filter.of_address.push((word, "")),
            "help" => {
                sys.eprint(USAGE).await;
                return Err(WRONG);
            }
            "group" | "vrf" => {
                sys.not_modelled(&format!("'{word}'")).await;
                return Err(WRONG);
            }
            word => {
                let name = if word == "dev" { words.value().await? } else { word };
                if filter.device.replace(name).is_some() {
                    return Err(garbage(sys, "dev", name).await);
                }
            }
        }
    }
    Ok(filter)
}

/// The devices that a filter leaves.
///
/// # Errors
/// The exit status, after a message.
pub(super) async fn devices(sys: &Sys, rtnl: &Rtnl, filter: &Filter<'_>) -> Result<Vec<Value>, i32> {
    let mut fields = Vec::new();
    if let Some(master) = filter.master {
        let Some(index) = rtnl.index_of(master).await else {
            return Err(invarg(sys, "Device does not exist", master).await);
        };
        fields.push(("IFLA_MASTER".into(), index.into()));
    }
    let found = match filter.device {
        Some(name) => match rtnl.talk("RTM_GETLINK", 0, vec![("IFLA_IFNAME".into(), name.into())]).await {
            Ok(device) => device.into_iter().collect(),
            Err(_) => {
                sys.eprint(format!("Device \"{name}\" does not exist.\n")).await;
                return Err(1);
            }
        },
        None => match rtnl.dump("RTM_GETLINK", fields).await {
            Ok(devices) => devices,
            Err(refused) => {
                sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
                return Err(1);
            }
        },
    };
    let keep = |d: &Value| {
        (!filter.up || is_up(d))
            && filter.kind.is_none_or(|k| {
                text(d, "IFLA_INFO_KIND") == k || k == "bridge_slave" && d.field("IFLA_INFO_SLAVE").is_some()
            })
            && (!filter.no_master || d.field("IFLA_MASTER").is_none())
    };
    Ok(found.into_iter().filter(keep).collect())
}

/// What showing devices needs besides the devices: all of them, and the names of other namespaces.
pub(in crate::program::net) struct Surroundings {
    links: Vec<Value>,
    namespaces: Vec<(i64, String)>,
}

impl Surroundings {
    /// Looks around, as far as these devices need it.
    pub(in crate::program::net) async fn of(sys: &Sys, rtnl: &Rtnl, devices: &[Value]) -> Surroundings {
        let refers = |d: &Value| d.field("IFLA_LINK").is_some() || d.field("IFLA_MASTER").is_some();
        let links = if devices.iter().any(refers) { rtnl.links().await } else { Vec::new() };
        let mut namespaces = Vec::new();
        for id in devices.iter().filter_map(|d| d.field("IFLA_LINK_NETNSID")).filter_map(Value::as_int) {
            if let Some(name) = netns::name_of_nsid(sys, rtnl, id).await {
                namespaces.push((id, name));
            }
        }
        Surroundings { links, namespaces }
    }

    fn name(&self, index: i64) -> String {
        name_of(&self.links, index)
    }
}

async fn show(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let filter = filter(sys, words).await?;
    let rtnl = Rtnl::open(sys).await?;
    let devices = devices(sys, &rtnl, &filter).await?;
    let around = Surroundings::of(sys, &rtnl, &devices).await;
    let mut objects = Vec::new();
    for device in &devices {
        objects.push(if options.brief {
            brief(device, &around, true)
        } else {
            let mut object = first_line(device, &around, true, options.statistics && !options.json);
            object.merge(link_line(device, &around));
            after_link(&mut object, device, options);
            object
        });
    }
    print(sys, options, objects).await;
    Ok(0)
}

impl Object {
    /// Adds another object to this one.
    pub(in crate::program::net) fn merge(&mut self, other: Object) {
        self.text.push_str(&other.text);
        self.fields.extend(other.fields);
    }
}

/// `eth0@if5`: its name and that of its other end.
fn full_name(device: &Value, around: &Surroundings) -> (Object, bool) {
    let mut object = Object::default();
    let name = text(device, "IFLA_IFNAME");
    let link = device.field("IFLA_LINK").and_then(Value::as_int).filter(|l| *l != 0);
    let elsewhere = device.field("IFLA_LINK_NETNSID").is_some();
    let mut other_is_down = false;
    match link {
        Some(index) if elsewhere => {
            object.put("link_index", index, "");
            object.say(format!("{name}@if{index}"));
        }
        Some(index) => {
            let other = around.name(index);
            other_is_down = around.links.iter().any(|l| number(l, "ifi_index") == index && !is_up(l));
            object.put("link", other.as_str(), "");
            object.say(format!("{name}@{other}"));
        }
        None => object.say(name),
    }
    object.field("ifname", name);
    (object, other_is_down)
}

/// `<LOOPBACK,UP,LOWER_UP>` (`print_link_flags`).
fn flags(device: &Value, other_is_down: bool) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 17] = [
        (iff::LOOPBACK, "LOOPBACK"),
        (iff::BROADCAST, "BROADCAST"),
        (0x10, "POINTOPOINT"),
        (iff::MULTICAST, "MULTICAST"),
        (iff::NOARP, "NOARP"),
        (0x200, "ALLMULTI"),
        (iff::PROMISC, "PROMISC"),
        (0x400, "MASTER"),
        (0x800, "SLAVE"),
        (0x4, "DEBUG"),
        (0x8000, "DYNAMIC"),
        (0x4000, "AUTOMEDIA"),
        (0x2000, "PORTSEL"),
        (0x20, "NOTRAILERS"),
        (iff::UP, "UP"),
        (iff::LOWER_UP, "LOWER_UP"),
        (0x2_0000, "DORMANT"),
    ];
    let bits = number(device, "ifi_flags") as u32;
    let mut names = Vec::new();
    if bits & iff::UP != 0 && bits & iff::RUNNING == 0 {
        names.push("NO-CARRIER");
    }
    names.extend(NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name));
    if other_is_down {
        names.push("M-DOWN");
    }
    names
}

fn flags_object(device: &Value, other_is_down: bool) -> Object {
    let names = flags(device, other_is_down);
    let mut object = Object::default();
    let list = names.iter().map(|n| Json::from(*n)).collect();
    object.put("flags", Json::List(list), format!("<{}> ", names.join(",")));
    object
}

/// The first line of a device.
pub(super) fn first_line(device: &Value, around: &Surroundings, with_mode: bool, _statistics: bool) -> Object {
    let mut object = Object::default();
    let index = number(device, "ifi_index");
    object.put("ifindex", index, format!("{index}: "));
    let (name, other_is_down) = full_name(device, around);
    object.merge(name);
    object.say(": ");
    object.merge(flags_object(device, other_is_down));
    let mtu = number(device, "IFLA_MTU");
    object.put("mtu", mtu, format!("mtu {mtu} "));
    let qdisc = text(device, "IFLA_QDISC");
    object.put("qdisc", qdisc, format!("qdisc {qdisc} "));
    if let Some(master) = device.field("IFLA_MASTER").and_then(Value::as_int) {
        let name = around.name(master);
        object.put("master", name.as_str(), format!("master {name} "));
    }
    object.put("operstate", state(device), format!("state {} ", state(device)));
    if with_mode {
        object.put("linkmode", "DEFAULT", "mode DEFAULT ");
    }
    object.put("group", "default", "group default ");
    let qlen = number(device, "IFLA_TXQLEN");
    object.put("txqlen", qlen, format!("qlen {qlen}"));
    object
}

/// Where the other end of a cable is, when it is elsewhere.
pub(super) fn elsewhere(device: &Value, around: &Surroundings) -> Object {
    let mut object = Object::default();
    if let Some(id) = device.field("IFLA_LINK_NETNSID").and_then(Value::as_int) {
        match around.namespaces.iter().find(|(n, _)| *n == id) {
            Some((_, name)) => object.put("link_netns", name.as_str(), format!(" link-netns {name}")),
            None => object.put("link_netnsid", id, format!(" link-netnsid {id}")),
        }
    }
    object
}

/// The second line: the link type and its addresses.
pub(super) fn link_line(device: &Value, around: &Surroundings) -> Object {
    let kind = if number(device, "ifi_type") == i64::from(ARPHRD_LOOPBACK) { "loopback" } else { "ether" };
    let mut object = Object::default();
    object.put("link_type", kind, format!("\n    link/{kind} "));
    let (own, brd) = (text(device, "IFLA_ADDRESS"), text(device, "IFLA_BROADCAST"));
    object.put("address", own, own);
    object.put("broadcast", brd, format!(" brd {brd}"));
    object.merge(elsewhere(device, around));
    object
}

/// What follows the second line: details, a note, statistics, further names.
pub(super) fn after_link(object: &mut Object, device: &Value, options: Options) {
    if options.details {
        details(object, device);
    }
    if let Some(alias) = device.field("IFLA_IFALIAS").and_then(Value::as_str) {
        object.put("ifalias", alias, format!("\n    alias {alias}"));
    }
    if options.statistics {
        statistics(object, device);
    }
    let others = device.field("IFLA_PROP_LIST").and_then(Value::as_list).unwrap_or_default();
    for name in others.iter().filter_map(Value::as_str) {
        object.say(format!("\n    altname {name}"));
    }
    if !others.is_empty() {
        let names = others.iter().filter_map(Value::as_str).map(Json::from).collect();
        object.field("altnames", Json::List(names));
    }
}

fn details(object: &mut Object, device: &Value) {
    let promiscuity = number(device, "IFLA_PROMISCUITY");
    object.put("promiscuity", promiscuity, format!(" promiscuity {promiscuity} "));
    object.put("allmulti", promiscuity, format!(" allmulti {promiscuity} "));
    let (min, max) = (number(device, "IFLA_MIN_MTU"), number(device, "IFLA_MAX_MTU"));
    object.put("min_mtu", min, format!("minmtu {min} "));
    object.put("max_mtu", max, format!("maxmtu {max} "));
    let kind = text(device, "IFLA_INFO_KIND");
    match kind {
        "" => {}
        "bridge" => object.say(
            "\n    bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time 30000 stp_state 0 priority 32768 \
             vlan_filtering 0 ",
        ),
        "tun" => {
            let on = |name: &str| if number(device, name) != 0 { "on" } else { "off" };
            let (pi, header, persist) = (on("IFLA_TUN_PI"), on("IFLA_TUN_VNET_HDR"), on("IFLA_TUN_PERSIST"));
            object.say(format!("\n    tun type tap pi {pi} vnet_hdr {header} persist {persist} "));
        }
        kind => object.say(format!("\n    {kind} ")),
    }
    if !kind.is_empty() {
        object.field("linkinfo", Json::Object(vec![("info_kind", kind.into())]));
    }
    if let Some(slave) = device.field("IFLA_INFO_SLAVE") {
        let on = |name: &str| if number(slave, name) != 0 { "on" } else { "off" };
        let port = number(slave, "IFLA_BRPORT_NO");
        object.say(format!(
            "\n    bridge_slave state {} priority 32 cost 2 hairpin {} guard off root_block off fastleave off learning on \
             flood on port_id 0x{:04x} port_no 0x{port:x} isolated {} ",
            port_state(slave),
            on("IFLA_BRPORT_MODE"),
            0x8000 + port,
            on("IFLA_BRPORT_ISOLATED"),
        ));
    }
    let (queues, tso) = if kind == "veth" { (2, 524_280) } else { (1, 65_536) };
    object.say(format!(
        "addrgenmode eui64 numtxqueues {queues} numrxqueues {queues} gso_max_size 65536 gso_max_segs 65535 tso_max_size \
         {tso} tso_max_segs 65535 gro_max_size 65536 "
    ));
}

/// What a port of a bridge does, in words.
pub(in crate::program::net) fn port_state(slave: &Value) -> &'static str {
    if number(slave, "IFLA_BRPORT_STATE") == 3 { "forwarding" } else { "disabled" }
}

/// Packets and bytes (`print_stats64`).
fn statistics(object: &mut Object, device: &Value) {
    let null = Value::Null;
    let of = |direction: &str, name: &str| number(device.field(direction).unwrap_or(&null), name);
    let rows = [
        ("IFLA_RX_STATS", "RX", ["bytes", "packets", "errors", "dropped", "missed", "mcast"]),
        ("IFLA_TX_STATS", "TX", ["bytes", "packets", "errors", "dropped", "carrier", "collsns"]),
    ];
    let mut widths = [10, 7, 6, 7, 7, 7];
    let values = |direction: &str| {
        let multicast = if direction == "IFLA_RX_STATS" { of(direction, "multicast") } else { 0 };
        [of(direction, "bytes"), of(direction, "packets"), 0, of(direction, "dropped"), 0, multicast]
    };
    for (direction, ..) in rows {
        for (width, value) in widths.iter_mut().zip(values(direction)) {
            *width = (*width).max(value.to_string().len());
        }
    }
    let mut json = Vec::new();
    for (direction, short, names) in rows {
        let mut heading = format!("\n    {short}: {:>w$}", names[0], w = widths[0] - 4);
        for (name, width) in names.iter().zip(widths).skip(1) {
            heading.push_str(&format!(" {name:>width$}"));
        }
        object.say(format!("{heading} {:>10}", ""));
        object.say("\n    ");
        for (value, width) in values(direction).into_iter().zip(widths) {
            object.say(format!("{value:>width$} "));
        }
        let [bytes, packets, _, dropped, ..] = values(direction);
        let fields = vec![
            ("bytes", Json::Num(bytes)),
            ("packets", Json::Num(packets)),
            ("errors", Json::Num(0)),
            ("dropped", Json::Num(dropped)),
        ];
        json.push((if short == "RX" { "rx" } else { "tx" }, Json::Object(fields)));
    }
    object.field("stats64", Json::Object(json));
}

/// `UNKNOWN`, `DOWN`, ... (`IF_OPER_*`).
fn state(device: &Value) -> &'static str {
    const STATES: [&str; 7] = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];
    let state = usize::try_from(number(device, "IFLA_OPERSTATE")).ok();
    state.and_then(|s| STATES.get(s)).copied().unwrap_or("UNKNOWN")
}

/// A short line: name and state, and of a link its address and flags.
pub(super) fn brief(device: &Value, around: &Surroundings, of_link: bool) -> Object {
    let (name, other_is_down) = full_name(device, around);
    let mut object = Object { text: format!("{:<16} ", name.text), fields: name.fields };
    object.put("operstate", state(device), format!("{:<14} ", state(device)));
    if of_link {
        let own = text(device, "IFLA_ADDRESS");
        object.put("address", own, format!("{own} "));
        // The flags of the other end are not looked at here.
        object.merge(flags_object(device, other_is_down));
    }
    object
}

/// A device as `bridge link` shows it, up to its mtu.
pub(in crate::program::net) fn bridge_port(device: &Value, around: &Surroundings, links: &[Value]) -> Object {
    let mut object = Object::default();
    let index = number(device, "ifi_index");
    object.put("ifindex", index, format!("{index}: "));
    let name = text(device, "IFLA_IFNAME");
    let link = device.field("IFLA_LINK").and_then(Value::as_int).filter(|l| *l != 0);
    // The number of the other end is looked up here, wherever that end is.
    let other = link.map(|l| name_of(links, l));
    let other_is_down = device.field("IFLA_LINK_NETNSID").is_none() && full_name(device, around).1;
    object.put("ifname", name, other.as_ref().map_or_else(|| name.to_owned(), |o| format!("{name}@{o}")));
    object.say(": ");
    object.merge(flags_object(device, other_is_down));
    let mtu = number(device, "IFLA_MTU");
    object.put("mtu", mtu, format!("mtu {mtu} "));
    if let Some(master) = device.field("IFLA_MASTER").and_then(Value::as_int) {
        let name = name_of(links, master);
        object.put("master", name.as_str(), format!("master {name} "));
    }
    object
}
