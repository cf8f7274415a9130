//! `ip address`: the addresses of devices.

use super::super::rtnl::Rtnl;
use super::link::devices;
use super::{Options, WRONG, brief, filter, first_line, joined, link_line, number, text};
use crate::program::Sys;
use crate::syscall::Value;

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options, &[]).await };
    let is = |full: &str| full.starts_with(command);
    if is("show") || is("lst") || is("list") {
        show(sys, options, rest).await
    } else if ["add", "change", "chg", "replace", "delete", "flush", "save", "restore", "help"].iter().any(|c| is(c)) {
        sys.not_modelled(&format!("'ip address {command}'")).await;
        Err(WRONG)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip address help\".\n")).await;
        Err(WRONG)
    }
}

async fn show(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let filter = filter(sys, words).await?;
    let rtnl = Rtnl::open(sys).await?;
    let devices = devices(sys, &rtnl, &filter).await?;
    let addresses = match rtnl.dump("RTM_GETADDR", Vec::new()).await {
        Ok(addresses) => addresses,
        Err(refused) => {
            sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
            return Err(1);
        }
    };
    for device in devices {
        let own = |a: &&Value| number(a, "ifa_index") == number(&device, "ifi_index");
        let own: Vec<&Value> = addresses.iter().filter(own).collect();
        if options.ipv4 && own.is_empty() {
            continue;
        }
        let prefix = |a: &Value| format!("{}/{}", text(a, "IFA_LOCAL"), number(a, "ifa_prefixlen"));
        if options.brief {
            let list: String = own.iter().map(|a| prefix(a) + " ").collect();
            sys.print(format!("{}{list}\n", brief(&device))).await;
            continue;
        }
        if !options.oneline {
            let mut lines = vec![first_line(&device, "")];
            if !options.ipv4 {
                lines.push(link_line(&device));
            }
            sys.print(joined(&lines, options)).await;
        }
        for address in own {
            let scope = match number(address, "ifa_scope") {
                254 => "host",
                253 => "link",
                _ => "global",
            };
            let head = if options.oneline {
                format!("{}: {} ", number(&device, "ifi_index"), text(&device, "IFLA_IFNAME"))
            } else {
                String::new()
            };
            let line = format!("{head}    inet {} scope {scope} {}", prefix(address), text(address, "IFA_LABEL"));
            let line = if options.oneline { line.replacen("     inet", "    inet", 1) } else { line };
            let lifetime = "       valid_lft forever preferred_lft forever".to_owned();
            sys.print(joined(&[line, lifetime], options)).await;
        }
    }
    Ok(0)
}
