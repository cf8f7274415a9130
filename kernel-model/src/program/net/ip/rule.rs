//! `ip rule`: which routing table is asked (`ip/iprule.c`).

use super::args::{Words, garbage, invarg, prefix};
use super::out::{Object, print};
use super::route::{table_name, table_number};
use super::{Options, Rtnl, WRONG, number, text};
use crate::net::rtnetlink::nlm;
use crate::program::Sys;
use crate::program::net::rtnl::Fields;

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return list(sys, options).await };
    let is = |full: &str| full.starts_with(command);
    if is("list") || is("show") || is("lst") {
        list(sys, options).await
    } else if is("add") {
        modify(sys, "RTM_NEWRULE", nlm::CREATE | nlm::EXCL, rest).await
    } else if is("delete") {
        modify(sys, "RTM_DELRULE", 0, rest).await
    } else if ["flush", "save", "restore", "help"].iter().any(|c| is(c)) {
        sys.not_modelled(&format!("'ip rule {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip rule help\".\n")).await;
        Err(WRONG)
    }
}

async fn list(sys: &Sys, options: Options) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let rules = match rtnl.dump("RTM_GETRULE", Vec::new()).await {
        Ok(rules) => rules,
        Err(refused) => {
            sys.eprint(refused.message()).await;
            return Err(1);
        }
    };
    let mut objects = Vec::new();
    for rule in &rules {
        let mut object = Object::default();
        let priority = number(rule, "FRA_PRIORITY");
        object.put("priority", priority, format!("{priority}:\t"));
        let shown = |address: &str, len: &str| match number(rule, len) {
            32 => text(rule, address).to_owned(),
            len => format!("{}/{len}", text(rule, address)),
        };
        let from = if rule.field("FRA_SRC").is_some() { shown("FRA_SRC", "src_len") } else { "all".to_owned() };
        object.put("src", from.as_str(), format!("from {from} "));
        if rule.field("FRA_DST").is_some() {
            let to = shown("FRA_DST", "dst_len");
            object.put("dst", to.as_str(), format!("to {to} "));
        }
        let table = table_name(number(rule, "FRA_TABLE"));
        object.put("table", table.as_str(), format!("lookup {table}"));
        objects.push(object);
    }
    print(sys, options, objects).await;
    Ok(0)
}

async fn modify(sys: &Sys, order: &str, flags: i64, words: &[&str]) -> Result<i32, i32> {
    let rtnl = Rtnl::open(sys).await?;
    let mut fields: Fields = vec![("family".into(), 2.into())];
    let mut table = None;
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        match word {
            "from" | "to" => {
                let (address, len) = prefix(sys, words.value().await?).await?;
                let (key, key_len) = if word == "from" { ("FRA_SRC", "src_len") } else { ("FRA_DST", "dst_len") };
                let len = len.unwrap_or(32);
                if len > 0 {
                    fields.push((key.into(), address.to_string().as_str().into()));
                }
                fields.push((key_len.into(), u32::from(len).into()));
            }
            "table" | "lookup" => {
                let name = words.value().await?;
                table = table_number(name);
                if table.is_none() {
                    return Err(invarg(sys, "invalid table ID\n", name).await);
                }
            }
            "preference" | "priority" | "order" | "pref" => {
                let priority = words.number("preference value is invalid\n").await?;
                fields.push(("FRA_PRIORITY".into(), priority.into()));
            }
            "not" | "fwmark" | "iif" | "oif" | "uidrange" | "ipproto" | "sport" | "dport" | "tos" | "nat" => {
                sys.not_modelled(&format!("'{word}' of a rule")).await;
                return Err(1);
            }
            other => return Err(garbage(sys, "from", other).await),
        }
    }
    let main = crate::net::fib::RT_TABLE_MAIN;
    let table = table.or(if order == "RTM_NEWRULE" { Some(main) } else { None });
    fields.extend(table.map(|t| ("FRA_TABLE".into(), t.into())));
    rtnl.order(order, flags, fields).await?;
    Ok(0)
}
