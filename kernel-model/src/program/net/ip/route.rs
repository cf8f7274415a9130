//! `ip route`: routes.

use super::super::rtnl::{Fields, Rtnl};
use super::{Options, WRONG, missing, number, text};
use crate::net::route::{RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTN_BROADCAST, RTN_LOCAL};
use crate::program::Sys;
use crate::syscall::Value;

pub(super) async fn run(sys: &Sys, _: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, &[]).await };
    let is = |full: &str| full.starts_with(command);
    if is("list") || is("show") || is("lst") {
        show(sys, rest).await
    } else if ["get", "add", "change", "chg", "replace", "prepend", "append", "test", "delete", "flush", "help"]
        .iter()
        .any(|c| is(c))
    {
        sys.not_modelled(&format!("'ip route {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip route help\".\n")).await;
        Err(WRONG)
    }
}

/// A table by name or number; 0 is all of them.
fn table_number(name: &str) -> Option<u32> {
    match name {
        "all" | "unspec" => Some(0),
        "default" => Some(RT_TABLE_DEFAULT),
        "main" => Some(RT_TABLE_MAIN),
        "local" => Some(RT_TABLE_LOCAL),
        number => number.parse().ok(),
    }
}

async fn show(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let (mut table, mut device) = (RT_TABLE_MAIN, None);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "table" | "t" | "tab" => {
                let Some(name) = words.next() else { return Err(missing(sys).await) };
                let Some(number) = table_number(name) else {
                    sys.eprint(format!("Error: argument \"{name}\" is wrong: table id value is invalid\n\n")).await;
                    return Err(WRONG);
                };
                table = number;
            }
            "dev" => {
                let Some(name) = words.next() else { return Err(missing(sys).await) };
                device = Some(name);
            }
            other => {
                sys.not_modelled(&format!("'ip route show {other}'")).await;
                return Err(WRONG);
            }
        }
    }
    let rtnl = Rtnl::open(sys).await?;
    let mut index = 0;
    if let Some(name) = device {
        let Some(found) = rtnl.index_of(name).await else {
            sys.eprint(format!("Cannot find device \"{name}\"\n")).await;
            return Err(1);
        };
        index = found;
    }
    let fields: Fields = vec![("RTA_TABLE".into(), table.into())];
    let routes = match rtnl.dump("RTM_GETROUTE", fields).await {
        Ok(routes) => routes,
        Err(refused) => {
            sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
            return Err(2);
        }
    };
    let links = rtnl.dump("RTM_GETLINK", Vec::new()).await.unwrap_or_default();
    for route in routes.iter().filter(|r| index == 0 || number(r, "RTA_OIF") == index) {
        let oif = links.iter().find(|l| number(l, "ifi_index") == number(route, "RTA_OIF"));
        let name = oif.map_or("", |l| text(l, "IFLA_IFNAME"));
        sys.print(line(route, if index == 0 { Some(name) } else { None }, table == 0)).await;
    }
    Ok(0)
}

/// `local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 ` (`print_route`).
fn line(route: &Value, device: Option<&str>, with_table: bool) -> String {
    let mut out = String::new();
    match number(route, "rtm_type") as u32 {
        RTN_LOCAL => out.push_str("local "),
        RTN_BROADCAST => out.push_str("broadcast "),
        _ => {}
    }
    out.push_str(text(route, "RTA_DST"));
    let len = number(route, "rtm_dst_len");
    if len != 32 {
        out.push_str(&format!("/{len}"));
    }
    if let Some(device) = device {
        out.push_str(&format!(" dev {device}"));
    }
    if with_table && number(route, "rtm_table") == i64::from(RT_TABLE_LOCAL) {
        out.push_str(" table local");
    }
    let scope = if number(route, "rtm_scope") == 254 { "host" } else { "link" };
    out.push_str(&format!(" proto kernel scope {scope} src {} \n", text(route, "RTA_PREFSRC")));
    out
}
