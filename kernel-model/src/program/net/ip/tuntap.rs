//! `ip tuntap`: TAP devices that stay without a program (`ip/iptuntap.c`).

use super::args::{Words, garbage, invarg};
use super::link_change::may_be_name;
use super::{Options, Rtnl, WRONG, text};
use crate::errno::Errno;
use crate::net::tun::{TUNSETGROUP, TUNSETIFF, TUNSETOWNER, TUNSETPERSIST, tun_flags};
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};

const TUNDEV: &str = "/dev/net/tun";

const USAGE: &str = "Usage: ip tuntap { add | del | show | list | lst | help } [ dev | name ] NAME ]
       [ mode { tun | tap } ] [ user USER ] [ group GROUP ]
       [ one_queue ] [ pi ] [ vnet_hdr ] [ multi_queue ]

Where: USER  := { STRING | NUMBER }
       GROUP := { STRING | NUMBER }
";

/// What is asked for.
struct Asked<'w> {
    name: &'w str,
    flags: u32,
    user: Option<u32>,
    group: Option<u32>,
}

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    let Some((command, rest)) = words.split_first() else { return show(sys, options).await };
    let is = |full: &str| full.starts_with(command);
    if is("add") {
        let asked = parse(sys, rest).await?;
        return Ok(add(sys, &asked).await.map_or_else(|status| status, |()| 0));
    } else if is("delete") {
        let asked = parse(sys, rest).await?;
        return Ok(delete(sys, &asked).await.map_or_else(|status| status, |()| 0));
    } else if is("show") || is("lst") || is("list") {
        return show(sys, options).await;
    }
    if is("help") {
        sys.eprint(USAGE).await;
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip tuntap help\".\n")).await;
    }
    Err(WRONG)
}

/// `parse_args`.
async fn parse<'w>(sys: &Sys, words: &'w [&'w str]) -> Result<Asked<'w>, i32> {
    let mut asked = Asked { name: "", flags: tun_flags::NO_PI, user: None, group: None };
    let mut words = Words::new(sys, words);
    while let Some(word) = words.next() {
        let is = |full: &str| full.starts_with(word);
        if is("mode") {
            let mode = words.value().await?;
            asked.flags |= match mode {
                _ if "tun".starts_with(mode) => tun_flags::TUN,
                _ if "tap".starts_with(mode) => tun_flags::TAP,
                _ => {
                    sys.eprint(format!("Unknown tunnel mode \"{mode}\"\n")).await;
                    return Err(WRONG);
                }
            };
        } else if is("user") {
            let who = words.value().await?;
            let found = sys.accounts().await.user(who).map(|user| user.uid);
            asked.user = Some(id(sys, "user", who, found).await?);
        } else if is("group") {
            let who = words.value().await?;
            let found = sys.accounts().await.group(who).map(|group| group.gid);
            asked.group = Some(id(sys, "group", who, found).await?);
        } else if is("pi") {
            asked.flags &= !tun_flags::NO_PI;
        } else if is("one_queue") {
            // The kernel has ignored it since 3.8.
        } else if is("vnet_hdr") {
            asked.flags |= tun_flags::VNET_HDR;
        } else if is("multi_queue") {
            sys.not_modelled("'ip tuntap multi_queue'").await;
            return Err(WRONG);
        } else if is("dev") {
            asked.name = name(sys, "dev", words.value().await?).await?;
        } else {
            let word = if is("name") { words.value().await? } else { word };
            if word == "help" {
                sys.eprint(USAGE).await;
                return Err(WRONG);
            }
            if !asked.name.is_empty() {
                return Err(garbage(sys, "name", word).await);
            }
            asked.name = name(sys, "name", word).await?;
        }
    }
    if asked.flags & (tun_flags::TUN | tun_flags::TAP) == 0 {
        sys.eprint("You failed to specify a tunnel mode\n").await;
        return Err(1);
    }
    Ok(asked)
}

async fn name<'w>(sys: &Sys, key: &str, word: &'w str) -> Result<&'w str, i32> {
    if may_be_name(word) { Ok(word) } else { Err(invarg(sys, &format!("\"{key}\" not a valid ifname"), word).await) }
}

/// A number, or the number of a name.
async fn id(sys: &Sys, what: &str, who: &str, found: Option<u32>) -> Result<u32, i32> {
    match who.parse().ok().or(found) {
        Some(number) => Ok(number),
        None => {
            sys.eprint(format!("invalid {what} \"{who}\"\n")).await;
            Err(WRONG)
        }
    }
}

/// perror(3).
async fn failed(sys: &Sys, what: &str, errno: Errno) -> i32 {
    sys.eprint(format!("{what}: {errno}\n")).await;
    1
}

async fn ioctl(sys: &Sys, fd: i32, (request, name): (i64, &str), argument: Value) -> Result<(), i32> {
    match sys.call(Sysno::IOCTL, vec![fd.into(), request.into(), argument]).await {
        Ok(_) => Ok(()),
        Err(e) => Err(failed(sys, &format!("ioctl({name})"), e).await),
    }
}

/// Opens the driver and joins with the device.
async fn join(sys: &Sys, asked: &Asked<'_>, more: u32) -> Result<i32, i32> {
    let fd = match sys.open(TUNDEV, o::RDWR, 0).await {
        Ok(fd) => fd,
        Err(e) => return Err(failed(sys, "open", e).await),
    };
    let request = Value::record([("ifr_name", asked.name.into()), ("ifr_flags", (asked.flags | more).into())]);
    match ioctl(sys, fd, (TUNSETIFF, "TUNSETIFF"), request).await {
        Ok(()) => Ok(fd),
        Err(status) => {
            let _ = sys.close(fd).await;
            Err(status)
        }
    }
}

/// `tap_add_ioctl`.
async fn add(sys: &Sys, asked: &Asked<'_>) -> Result<(), i32> {
    let fd = join(sys, asked, tun_flags::TUN_EXCL).await?;
    let done = async {
        if let Some(user) = asked.user {
            ioctl(sys, fd, (TUNSETOWNER, "TUNSETOWNER"), user.into()).await?;
        }
        if let Some(group) = asked.group {
            ioctl(sys, fd, (TUNSETGROUP, "TUNSETGROUP"), group.into()).await?;
        }
        ioctl(sys, fd, (TUNSETPERSIST, "TUNSETPERSIST"), 1.into()).await
    };
    let done = done.await;
    let _ = sys.close(fd).await;
    done
}

/// `tap_del_ioctl`: a device that is no longer persistent goes when the file is closed.
async fn delete(sys: &Sys, asked: &Asked<'_>) -> Result<(), i32> {
    let fd = join(sys, asked, 0).await?;
    let done = ioctl(sys, fd, (TUNSETPERSIST, "TUNSETPERSIST"), 0.into()).await;
    let _ = sys.close(fd).await;
    done
}

/// `do_show`: of the devices of this kind what sysfs says.
async fn show(sys: &Sys, options: Options) -> Result<i32, i32> {
    if options.json {
        sys.not_modelled("'ip -json tuntap'").await;
        return Err(1);
    }
    let rtnl = Rtnl::open(sys).await?;
    let links = match rtnl.dump("RTM_GETLINK", Vec::new()).await {
        Ok(links) => links,
        Err(refused) => {
            sys.eprint(refused.message()).await;
            return Err(1);
        }
    };
    for link in links.iter().filter(|link| text(link, "IFLA_INFO_KIND") == "tun") {
        let name = text(link, "IFLA_IFNAME");
        let Some(flags) = attribute(sys, name, "tun_flags").await else { continue };
        let flags = flags.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let mut line = format!("{name}:");
        let words = [
            (flags & tun_flags::TUN != 0, "tun"),
            (flags & tun_flags::TAP != 0, "tap"),
            (flags & tun_flags::NO_PI == 0, "pi"),
            (flags & tun_flags::VNET_HDR != 0, "vnet_hdr"),
            (flags & tun_flags::PERSIST != 0, "persist"),
            // IFF_NOFILTER has the bit of IFF_NO_PI.
            (flags & tun_flags::NO_PI == 0, "filter"),
        ];
        for (_, word) in words.iter().filter(|(on, _)| *on) {
            line.push_str(&format!(" {word}"));
        }
        for (file, word) in [("owner", "user"), ("group", "group")] {
            if let Some(id) = attribute(sys, name, file).await.filter(|id| id != "-1") {
                line.push_str(&format!(" {word} {id}"));
            }
        }
        sys.print(line + "\n").await;
    }
    Ok(0)
}

/// `read_prop`.
async fn attribute(sys: &Sys, device: &str, what: &str) -> Option<String> {
    let path = format!("/sys/class/net/{device}/{what}");
    match sys.slurp(&path).await {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
        Err(e) => {
            sys.eprint(format!("fopen {path}: {e}\n")).await;
            None
        }
    }
}
