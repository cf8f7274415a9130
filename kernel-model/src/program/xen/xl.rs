//! `xl`: domains from domain 0. Source: Xen 4.17, `tools/xl/xl.c`, `xl_cmdtable.c`, `xl_vmcontrol.c`.

use super::info::by_name;
use super::privcmd::{MAX_MEM, PAUSEDOMAIN, PrivCmd, UNPAUSEDOMAIN};
use super::xenstore::XenStore;
use super::{console, create, destroy, devices, info, monitor, shutdown};
use crate::program::{Resume, Sys};

crate::program!(
    XL = "xl" in "/usr/sbin",
    "manage Xen domains from domain 0",
    main,
    "info              what machine and hypervisor are
list [DOMAIN]     domains
vcpu-list [DOMAIN]  virtual processors
create FILE [-c] [-p] [-e]  make a domain; -c with its console, -p paused, -e without a process that waits for its end
console DOMAIN    attach to its console; Ctrl-] ends
pause, unpause, destroy DOMAIN
shutdown, reboot [-w] -a|DOMAIN  ask it to end, or all; -w waits
block-list, network-list DOMAIN  its devices
mem-set DOMAIN MIB  its memory, by its balloon
sched-credit [-d DOMAIN [-w WEIGHT] [-c CAP]]  shares of the processors
dmesg [-c], debug-keys KEYS  Xen's own console; keys g and e
domid NAME, domname DOMID"
);

/// What the commands work with.
pub struct Xl<'a> {
    /// The process.
    pub sys: &'a Sys,
    /// Hypercalls.
    pub xen: PrivCmd<'a>,
    /// xenstore.
    pub store: XenStore<'a>,
}

/// The commands that need a domain, with what else they need.
const NEEDS: &[(&str, usize)] = &[
    ("create", 1),
    ("console", 1),
    ("pause", 1),
    ("unpause", 1),
    ("destroy", 1),
    ("shutdown", 1),
    ("reboot", 1),
    ("block-list", 1),
    ("network-list", 1),
    ("mem-set", 2),
    ("debug-keys", 1),
    ("domid", 1),
    ("domname", 1),
];

async fn main(sys: Sys) -> Result<i32, i32> {
    if let Resume::Saved(saved) = sys.resume().clone() {
        return Ok(match monitor::Watching::from_value(&saved) {
            Some(watching) => monitor::run(&sys, watching).await,
            None => console::run(&sys, console::Context::from_value(&saved)).await,
        });
    }
    let words: Vec<String> = sys.argv()[1..].to_vec();
    let Some(command) = words.first().cloned() else {
        sys.eprint("Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands: see help xl\n").await;
        return Err(1);
    };
    let words = &words[1..];
    if command == "help" {
        sys.print(format!("Usage xl [-vfNtT] <subcommand> [args]\n\n{}\n", XL.usage)).await;
        return Ok(0);
    }
    if let Some((_, needed)) = NEEDS.iter().find(|(name, needed)| *name == command && words.len() < *needed) {
        let s = if *needed == 1 { "" } else { "s" };
        sys.eprint(format!("'xl {command}' requires at least {needed} argument{s}.\n\n{}\n", XL.usage)).await;
        return Err(2);
    }
    let opened = async {
        let xen = PrivCmd::open(&sys).await?;
        Ok::<_, crate::errno::Errno>((xen, XenStore::open(&sys).await?))
    };
    let (xen, store) = match opened.await {
        Ok(both) => both,
        Err(e) => {
            sys.eprint(format!(
                "libxl: error: libxl_ctx_alloc: cannot open libxc handle: {e}\ncannot init xl context\n"
            ))
            .await;
            return Err(1);
        }
    };
    let xl = Xl { sys: &sys, xen, store };
    match command.as_str() {
        "info" => info::info(&xl).await,
        "list" => info::list(&xl, words).await,
        "vcpu-list" => info::vcpu_list(&xl, words).await,
        "dmesg" => info::dmesg(&xl, words).await,
        "debug-keys" => info::debug_keys(&xl, words).await,
        "sched-credit" => info::sched_credit(&xl, words).await,
        "create" => create::create(xl, words).await,
        "console" => {
            let domid = find(&xl, last(words)).await?;
            console::attach(&sys, domid).await
        }
        "pause" | "unpause" => pause(&xl, &command, words).await,
        "destroy" => destroy::destroy(&xl, last(words)).await,
        "shutdown" | "reboot" => shutdown::ask(&xl, &command, words).await,
        "block-list" => devices::block_list(&xl, words).await,
        "network-list" => devices::network_list(&xl, words).await,
        "mem-set" => memory_set(&xl, words).await,
        "domid" => match by_name(&xl.xen, &xl.store, last(words)).await {
            Some(domid) => {
                sys.print(format!("{domid}\n")).await;
                Ok(0)
            }
            None => {
                sys.eprint(format!(
                    "Can't get domid of domain name '{}', maybe this domain does not exist.\n",
                    last(words)
                ))
                .await;
                Err(1)
            }
        },
        "domname" => match xl.store.read(&format!("/local/domain/{}/name", last(words))).await {
            Ok(name) => {
                sys.print(format!("{name}\n")).await;
                Ok(0)
            }
            Err(_) => {
                sys.eprint(format!(
                    "Can't get domain name of domain id '{}', maybe this domain does not exist.\n",
                    last(words)
                ))
                .await;
                Err(1)
            }
        },
        "save" | "restore" | "migrate" | "block-attach" | "network-attach" | "vcpu-pin" | "vcpu-set" | "rename"
        | "sched-credit2" | "top" | "uptime" | "trigger" | "sysrq" | "dump-core" => {
            sys.eprint(format!("xl {command}: this command is not modelled here\n")).await;
            Err(1)
        }
        other => {
            sys.eprint(format!("command not implemented: {other}\n")).await;
            Err(1)
        }
    }
}

/// The operand: the last word.
fn last(words: &[String]) -> &str {
    words.last().map_or("", String::as_str)
}

/// `find_domain`: a domain by its number or name.
///
/// # Errors
/// The exit status, after a message.
pub async fn find(xl: &Xl<'_>, word: &str) -> Result<i64, i32> {
    if let Ok(domid) = word.parse::<i64>()
        && xl.xen.domain(domid).await.is_ok()
    {
        return Ok(domid);
    }
    match by_name(&xl.xen, &xl.store, word).await {
        Some(domid) => Ok(domid),
        None => {
            xl.sys.eprint(format!("{word} is an invalid domain identifier (rc=-6)\n")).await;
            Err(1)
        }
    }
}

async fn pause(xl: &Xl<'_>, command: &str, words: &[String]) -> Result<i32, i32> {
    let domid = find(xl, last(words)).await?;
    let cmd = if command == "pause" { PAUSEDOMAIN } else { UNPAUSEDOMAIN };
    if let Err(e) = xl.xen.domctl(cmd, domid, &[]).await {
        xl.sys.eprint(format!("libxl: error: libxl_domain.c: Domain {domid}:{command} domain failed: {e}\n")).await;
        return Err(1);
    }
    Ok(0)
}

/// `xl mem-set`: the target is written to xenstore, where the guest's balloon driver watches for it.
async fn memory_set(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let domid = find(xl, &words[0]).await?;
    let digits = words[1].trim_end_matches(['m', 'M', 'b', 'B']);
    let Ok(mib) = digits.parse::<i64>() else {
        xl.sys.eprint(format!("invalid memory size: {}\n", words[1])).await;
        return Err(1);
    };
    let at = format!("/local/domain/{domid}/memory");
    let most: i64 =
        xl.store.read(&format!("{at}/static-max")).await.ok().and_then(|kib| kib.parse().ok()).unwrap_or(i64::MAX);
    if mib << 10 > most {
        xl.sys.eprint(format!(
            "libxl: error: libxl_mem.c: Domain {domid}:memory_dynamic_max must be less than or equal to memory_static_max\n\
             cannot set domid {domid} dynamic max to : {mib}m\n"
        ))
        .await;
        return Err(1);
    }
    let _ = xl.xen.domctl(MAX_MEM, domid, &[("max_memkb", (mib << 10).into())]).await;
    if xl.store.write(&format!("{at}/target"), &(mib << 10).to_string()).await.is_err() {
        return Err(1);
    }
    Ok(0)
}
