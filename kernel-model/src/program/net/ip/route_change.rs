//! `ip route add`, `change`, `replace`, `append`, `prepend` and `delete` (`ip/iproute.c`, `iproute_modify`).

use super::args::{Words, address, garbage, invarg, prefix};
use super::route::{KINDS, network, protocol_number, table_number};
use super::{Rtnl, WRONG};
use crate::net::fib::{RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_NOWHERE, RT_TABLE_LOCAL, RT_TABLE_MAIN};
use crate::program::Sys;
use crate::program::net::rtnl::Fields;

/// `RTPROT_BOOT`.
const RTPROT_BOOT: i64 = 3;
const ONLINK: u32 = 4;

pub(super) async fn modify(sys: &Sys, order: &str, flags: i64, words: &[&str]) -> Result<i32, i32> {
    let deletes = order == "RTM_DELROUTE";
    let rtnl = Rtnl::open(sys).await?;
    let mut fields: Fields = Vec::new();
    let (mut to, mut table, mut scope, mut device) = (None, None, None, None);
    let mut kind: i64 = if deletes { 0 } else { 1 };
    let mut protocol = if deletes { 0 } else { RTPROT_BOOT };
    let (mut has_gateway, mut onlink) = (false, 0);
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "src" => {
                let source = address(sys, words.value().await?, "inet").await?;
                fields.push(("RTA_PREFSRC".into(), source.to_string().as_str().into()));
            }
            "via" => {
                let mut gateway = words.value().await?;
                if gateway == "inet" {
                    gateway = words.value().await?;
                }
                let gateway = address(sys, gateway, "inet").await?;
                has_gateway = true;
                fields.push(("RTA_GATEWAY".into(), gateway.to_string().as_str().into()));
            }
            "metric" | "priority" | "preference" => {
                let metric = words.number("\"metric\" value is invalid\n").await?;
                fields.push(("RTA_PRIORITY".into(), metric.into()));
            }
            "scope" => {
                let name = words.value().await?;
                scope = super::address::scope_number(name);
                if scope.is_none() {
                    return Err(invarg(sys, "invalid \"scope\" value\n", name).await);
                }
            }
            "mtu" => {
                let mut mtu = words.value().await?;
                if mtu == "lock" {
                    mtu = words.value().await?;
                }
                let Ok(mtu) = mtu.parse::<u32>() else {
                    return Err(invarg(sys, "\"mtu\" value is invalid\n", mtu).await);
                };
                fields.push(("RTAX_MTU".into(), mtu.into()));
            }
            "proto" | "protocol" => {
                let name = words.value().await?;
                let Some(number) = protocol_number(name) else {
                    return Err(invarg(sys, "\"protocol\" value is invalid\n", name).await);
                };
                protocol = number;
            }
            "table" => {
                let name = words.value().await?;
                let Some(number) = table_number(name) else {
                    return Err(invarg(sys, "\"table\" value is invalid\n", name).await);
                };
                table = Some(number);
            }
            "dev" | "oif" => device = Some(words.value().await?),
            "onlink" => onlink = ONLINK,
            "nexthop" | "nhid" | "encap" | "tos" | "dsfield" | "realms" | "vrf" | "pervasive" | "advmss" | "rtt"
            | "window" | "cwnd" | "initcwnd" | "ttl-propagate" | "weight" | "expires" | "hoplimit" => {
                sys.not_modelled(&format!("'{word}' of a route")).await;
                return Err(1);
            }
            word => {
                let mut word = if word == "to" { words.value().await? } else { word };
                if let Some(n) = KINDS.iter().position(|k| *k == word).filter(|n| *n != 0) {
                    kind = n as i64;
                    word = words.value().await?;
                }
                if to.is_some() {
                    return Err(garbage(sys, "to", word).await);
                }
                prefix(sys, word).await?;
                to = network(word);
            }
        }
    }
    let Some((destination, len)) = to else {
        if fields.is_empty() && device.is_none() {
            sys.not_modelled("the usage text of 'ip route'").await;
            return Err(WRONG);
        }
        return send(sys, &rtnl, order, flags, Vec::new(), device, fields).await;
    };
    let is_local = matches!(kind, 2..=4 | 10);
    let table = table.unwrap_or(if is_local { RT_TABLE_LOCAL } else { RT_TABLE_MAIN });
    let scope = scope.unwrap_or(match kind {
        2 | 10 => RT_SCOPE_HOST,
        3..=5 => RT_SCOPE_LINK,
        0 | 1 if deletes => RT_SCOPE_NOWHERE,
        0 | 1 if !has_gateway => RT_SCOPE_LINK,
        _ if deletes => RT_SCOPE_NOWHERE,
        _ => 0,
    });
    let mut message: Fields = vec![
        ("rtm_family".into(), 2.into()),
        ("rtm_dst_len".into(), u32::from(len).into()),
        ("rtm_table".into(), table.into()),
        ("rtm_protocol".into(), protocol.into()),
        ("rtm_scope".into(), u32::from(scope).into()),
        ("rtm_type".into(), kind.into()),
        ("rtm_flags".into(), onlink.into()),
    ];
    if len > 0 {
        message.push(("RTA_DST".into(), destination.to_string().as_str().into()));
    }
    send(sys, &rtnl, order, flags, message, device, fields).await
}

async fn send(
    _: &Sys,
    rtnl: &Rtnl,
    order: &str,
    flags: i64,
    mut message: Fields,
    device: Option<&str>,
    fields: Fields,
) -> Result<i32, i32> {
    if let Some(name) = device {
        let index = rtnl.device(name).await?;
        message.push(("RTA_OIF".into(), index.into()));
    }
    message.extend(fields);
    rtnl.order(order, flags, message).await?;
    Ok(0)
}
