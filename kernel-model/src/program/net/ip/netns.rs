//! `ip netns`: network namespaces with names, which are files in `/run/netns` on which the namespaces are mounted
//! (`ip/ipnetns.c`, `lib/namespace.c`).

use super::out::{Object, print};
use super::{Options, Rtnl, WRONG, number};
use crate::errno::Errno;
use crate::namespace::{CLONE_NEWNET, CLONE_NEWNS};
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};

/// Where the files are.
pub(in crate::program::net) const RUN_DIR: &str = "/run/netns";
/// Where files are that take the place of those in `/etc`.
const ETC_DIR: &str = "/etc/netns";

const MS_BIND: u64 = 4096;
const MS_REC: u64 = 16_384;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;
const MNT_DETACH: i64 = 2;
const LOCK_EX: i64 = 2;
const LOCK_UN: i64 = 8;

const USAGE: &str = "Usage:	ip netns list
	ip netns add NAME
	ip netns attach NAME PID
	ip netns set NAME NETNSID
	ip [-all] netns delete [NAME]
	ip netns identify [PID]
	ip netns pids NAME
	ip [-all] netns exec [NAME] cmd ...
	ip netns monitor
	ip netns list-id [target-nsid POSITIVE-INT] [nsid POSITIVE-INT]
NETNSID := auto | POSITIVE-INT
";

pub(super) async fn run(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    // netns_nsid_socket_init: a second socket, only for the numbers of namespaces.
    let rtnl = Rtnl::open(sys).await?;
    let Some((command, rest)) = words.split_first() else { return list(sys, &rtnl, options).await };
    let is = |full: &str| full.starts_with(command);
    if let Some(name) = rest.first()
        && !is("identify")
        && !is("list-id")
        && !(options.all && is("exec"))
        && is_invalid(name)
    {
        sys.eprint(format!("Invalid netns name \"{name}\"\n")).await;
        return Err(WRONG);
    }
    if is("list") || is("show") || is("lst") {
        list(sys, &rtnl, options).await
    } else if is("list-id") {
        list_id(sys, &rtnl, options, rest).await
    } else if is("help") {
        sys.eprint(USAGE).await;
        Err(WRONG)
    } else if is("add") {
        let Some(name) = rest.first() else { return said(sys, "No netns name specified\n").await };
        add(sys, name, None).await
    } else if is("set") {
        set(sys, &rtnl, rest).await
    } else if is("delete") {
        delete(sys, options, rest).await
    } else if is("identify") {
        identify(sys, rest).await
    } else if is("pids") {
        pids(sys, rest).await
    } else if is("exec") {
        rtnl.close().await;
        exec(sys, options, rest).await
    } else if is("attach") {
        match rest {
            [] => said(sys, "No netns name specified\n").await,
            [_] => said(sys, "No PID specified\n").await,
            [name, pid, ..] => add(sys, name, Some(pid)).await,
        }
    } else if is("monitor") {
        sys.not_modelled("'ip netns monitor'").await;
        Err(1)
    } else {
        sys.eprint(format!("Command \"{command}\" is unknown, try \"ip netns help\".\n")).await;
        Err(WRONG)
    }
}

async fn said(sys: &Sys, text: &str) -> Result<i32, i32> {
    sys.eprint(text).await;
    Err(1)
}

fn is_invalid(name: &str) -> bool {
    name.is_empty() || name.len() > 255 || name.contains('/') || name == "." || name == ".."
}

/// The names in a directory; none when it is not there.
async fn read_dir(sys: &Sys, path: &str) -> Vec<String> {
    let Ok(fd) = sys.open(path, o::RDONLY | o::NONBLOCK | o::CLOEXEC | o::DIRECTORY, 0).await else {
        return Vec::new();
    };
    let entries = sys.getdents(fd).await.unwrap_or_default();
    let _ = sys.close(fd).await;
    entries.into_iter().map(|e| e.d_name).collect()
}

/// The names that there are, as the directory lists them.
async fn names(sys: &Sys) -> Vec<String> {
    let entries = read_dir(sys, RUN_DIR).await;
    entries.into_iter().filter(|n| n != "." && n != "..").collect()
}

/// The number by which this namespace knows the one with a name; -1 for none.
async fn nsid_of_name(sys: &Sys, rtnl: &Rtnl, name: &str) -> i64 {
    let Ok(fd) = sys.open(&format!("{RUN_DIR}/{name}"), o::RDONLY, 0).await else { return -1 };
    let fields = vec![("rtgen_family".into(), 0.into()), ("NETNSA_FD".into(), fd.into())];
    let answer = rtnl.talk("RTM_GETNSID", 0, fields).await.ok().flatten();
    let _ = sys.close(fd).await;
    answer.map_or(-1, |a| number(&a, "NETNSA_NSID"))
}

/// The name of the namespace with this number, if it has one.
pub(super) async fn name_of_nsid(sys: &Sys, rtnl: &Rtnl, nsid: i64) -> Option<String> {
    for name in names(sys).await {
        if nsid_of_name(sys, rtnl, &name).await == nsid {
            return Some(name);
        }
    }
    None
}

async fn list(sys: &Sys, rtnl: &Rtnl, options: Options) -> Result<i32, i32> {
    let mut objects = Vec::new();
    for name in names(sys).await {
        let mut object = Object::default();
        object.put("name", name.as_str(), &name);
        let id = nsid_of_name(sys, rtnl, &name).await;
        if id >= 0 {
            object.put("id", id, format!(" (id: {id})"));
        }
        objects.push(object);
    }
    if !objects.is_empty() || options.json {
        print(sys, options, objects).await;
    }
    Ok(0)
}

async fn list_id(sys: &Sys, rtnl: &Rtnl, options: Options, words: &[&str]) -> Result<i32, i32> {
    if let Some(word) = words.first() {
        sys.not_modelled(&format!("'ip netns list-id {word}'")).await;
        return Err(1);
    }
    let ids = match rtnl.dump("RTM_GETNSID", vec![("rtgen_family".into(), 0.into())]).await {
        Ok(ids) => ids,
        Err(refused) => {
            sys.eprint(format!("{}Dump terminated\n", refused.message())).await;
            return Err(1);
        }
    };
    let mut objects = Vec::new();
    for id in ids {
        let id = number(&id, "NETNSA_NSID");
        let mut object = Object::default();
        object.put("nsid", id, format!("nsid {id} "));
        if let Some(name) = name_of_nsid(sys, rtnl, id).await {
            object.put("name", name.as_str(), format!("(iproute2 netns name: {name})"));
        }
        objects.push(object);
    }
    if !objects.is_empty() || options.json {
        print(sys, options, objects).await;
    }
    Ok(0)
}

/// Makes the directory a mount of its own that is shared, so that every mount namespace sees the names
/// (`create_netns_dir`).
async fn make_run_dir(sys: &Sys) -> Result<(), i32> {
    if let Err(e) = sys.mkdir(RUN_DIR, 0o755).await
        && e != Errno::EEXIST
    {
        sys.eprint(format!("mkdir {RUN_DIR} failed: {e}\n")).await;
        return Err(1);
    }
    let lock = sys.open(RUN_DIR, o::RDONLY | o::DIRECTORY, 0).await.ok();
    if let Some(fd) = lock {
        let _ = sys.call(Sysno::FLOCK, vec![fd.into(), LOCK_EX.into()]).await;
    }
    let made = share_run_dir(sys).await;
    if let Some(fd) = lock {
        let _ = sys.call(Sysno::FLOCK, vec![fd.into(), LOCK_UN.into()]).await;
        let _ = sys.close(fd).await;
    }
    made
}

async fn share_run_dir(sys: &Sys) -> Result<(), i32> {
    let mut is_mount = false;
    while let Err(e) = sys.mount("", RUN_DIR, Some("none"), MS_SHARED | MS_REC, None).await {
        if e != Errno::EINVAL || is_mount {
            sys.eprint(format!("mount --make-shared {RUN_DIR} failed: {e}\n")).await;
            return Err(1);
        }
        if let Err(e) = sys.mount(RUN_DIR, RUN_DIR, Some("none"), MS_BIND | MS_REC, None).await {
            sys.eprint(format!("mount --bind {RUN_DIR} {RUN_DIR} failed: {e}\n")).await;
            return Err(1);
        }
        is_mount = true;
    }
    Ok(())
}

/// Makes a namespace and gives it a name, or gives a name to that of a process (`netns_add`).
async fn add(sys: &Sys, name: &str, of_pid: Option<&str>) -> Result<i32, i32> {
    let path = format!("{RUN_DIR}/{name}");
    make_run_dir(sys).await?;
    match sys.open(&path, o::RDONLY | o::CREAT | o::EXCL, 0).await {
        Ok(fd) => drop(sys.close(fd).await),
        Err(e) => return said(sys, &format!("Cannot create namespace file \"{path}\": {e}\n")).await,
    }
    let mut saved = None;
    let source = match of_pid {
        Some(pid) => format!("/proc/{pid}/ns/net"),
        None => {
            saved = match sys.open("/proc/self/ns/net", o::RDONLY | o::CLOEXEC, 0).await {
                Ok(fd) => Some(fd),
                Err(e) => return said(sys, &format!("Failed to save the current network namespace: {e}\n")).await,
            };
            if let Err(e) = sys.unshare(CLONE_NEWNET).await {
                sys.eprint(format!("Failed to create a new network namespace \"{name}\": {e}\n")).await;
                let _ = sys.unlink(&path).await;
                return Err(1);
            }
            "/proc/self/ns/net".to_owned()
        }
    };
    let bound = sys.mount(&source, &path, Some("none"), MS_BIND, None).await;
    if let Some(fd) = saved {
        let _ = sys.setns(fd, CLONE_NEWNET).await;
        let _ = sys.close(fd).await;
    }
    if let Err(e) = bound {
        sys.eprint(format!("Bind {source} -> {path} failed: {e}\n")).await;
        let _ = sys.unlink(&path).await;
        return Err(1);
    }
    Ok(0)
}

async fn set(sys: &Sys, rtnl: &Rtnl, words: &[&str]) -> Result<i32, i32> {
    let [name, rest @ ..] = words else { return said(sys, "No netns name specified\n").await };
    let [id, ..] = rest else { return said(sys, "No nsid specified\n").await };
    let id = match *id {
        "auto" => -1,
        text => match text.parse::<i32>() {
            Ok(n) if n >= 0 => i64::from(n),
            _ => {
                sys.eprint(format!("Error: argument \"{text}\" is wrong: Invalid \"netnsid\" value\n\n")).await;
                return Err(WRONG);
            }
        },
    };
    let fd = match sys.open(&format!("{RUN_DIR}/{name}"), o::RDONLY, 0).await {
        Ok(fd) => fd,
        Err(e) => return said(sys, &format!("Cannot open network namespace \"{name}\": {e}\n")).await,
    };
    let fields =
        vec![("rtgen_family".into(), 0.into()), ("NETNSA_FD".into(), fd.into()), ("NETNSA_NSID".into(), id.into())];
    let done = rtnl.order("RTM_NEWNSID", 0, fields).await;
    let _ = sys.close(fd).await;
    done.map(|()| 0)
}

async fn delete(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    if options.all {
        for name in names(sys).await {
            delete_one(sys, &name).await?;
        }
        return Ok(0);
    }
    match words.first() {
        Some(name) => delete_one(sys, name).await,
        None => said(sys, "No netns name specified\n").await,
    }
}

async fn delete_one(sys: &Sys, name: &str) -> Result<i32, i32> {
    let path = format!("{RUN_DIR}/{name}");
    // What holds the namespace besides may go on with it.
    let _ = sys.umount2(&path, MNT_DETACH).await;
    match sys.unlink(&path).await {
        Ok(()) => Ok(0),
        Err(e) => said(sys, &format!("Cannot remove namespace file \"{path}\": {e}\n")).await,
    }
}

/// Device and inode number of a namespace file.
async fn identity(sys: &Sys, path: &str) -> Result<(u64, u64), Errno> {
    let fd = sys.open(path, o::RDONLY, 0).await?;
    let stat = sys.fstat(fd).await;
    let _ = sys.close(fd).await;
    stat.map(|s| (s.st_dev, s.st_ino))
}

async fn identify(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let pid = match words.first() {
        None => "self",
        Some(pid) if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => pid,
        Some(pid) => return said(sys, &format!("Specified string '{pid}' is not a pid\n")).await,
    };
    let wanted = match identity(sys, &format!("/proc/{pid}/ns/net")).await {
        Ok(id) => id,
        Err(e) => return said(sys, &format!("Cannot open network namespace: {e}\n")).await,
    };
    let mut found = String::new();
    for name in names(sys).await {
        if identity(sys, &format!("{RUN_DIR}/{name}")).await == Ok(wanted) {
            found.push_str(&name);
            found.push('\n');
        }
    }
    sys.print(if found.is_empty() { "\n".to_owned() } else { found }).await;
    Ok(0)
}

async fn pids(sys: &Sys, words: &[&str]) -> Result<i32, i32> {
    let Some(name) = words.first() else { return said(sys, "No netns name specified\n").await };
    let wanted = match identity(sys, &format!("{RUN_DIR}/{name}")).await {
        Ok(id) => id,
        Err(e) => return said(sys, &format!("Cannot open network namespace: {e}\n")).await,
    };
    let entries = read_dir(sys, "/proc").await;
    for pid in entries.iter().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) {
        let stat = sys.stat(&format!("/proc/{pid}/ns/net")).await;
        if stat.is_ok_and(|s| (s.st_dev, s.st_ino) == wanted) {
            sys.print(format!("{pid}\n")).await;
        }
    }
    Ok(0)
}

/// Runs a command in one namespace, or in every one.
async fn exec(sys: &Sys, options: Options, words: &[&str]) -> Result<i32, i32> {
    if options.all {
        if words.is_empty() {
            return said(sys, "No command specified\n").await;
        }
        for name in names(sys).await {
            sys.print(format!("\nnetns: {name}\n")).await;
            sys.flush().await;
            match sys.fork().await {
                Ok(0) => return run_in(sys, &name, words).await,
                Ok(child) => drop(sys.wait4(child, 0).await),
                Err(e) => return said(sys, &format!("fork: {e}\n")).await,
            }
        }
        return Ok(0);
    }
    match words {
        [] => said(sys, "No netns name specified\n").await,
        [_] => said(sys, "No command specified\n").await,
        [name, command @ ..] => run_in(sys, name, command).await,
    }
}

async fn run_in(sys: &Sys, name: &str, command: &[&str]) -> Result<i32, i32> {
    switch(sys, name).await?;
    let argv: Vec<String> = command.iter().map(|w| (*w).to_owned()).collect();
    let e = sys.execvp(command[0], &argv).await;
    sys.eprint(format!("exec of \"{}\" failed: {e}\n", command[0])).await;
    Err(1)
}

/// Goes into a named network namespace, with a mount namespace of one's own in which `/sys` shows it and files of
/// `/etc/netns/NAME` are in the place of those in `/etc` (`netns_switch`).
pub(in crate::program::net) async fn switch(sys: &Sys, name: &str) -> Result<(), i32> {
    let fd = match sys.open(&format!("{RUN_DIR}/{name}"), o::RDONLY | o::CLOEXEC, 0).await {
        Ok(fd) if !name.is_empty() => fd,
        opened => {
            let why = opened.err().unwrap_or(Errno::ENOENT);
            sys.eprint(format!("Cannot open network namespace \"{name}\": {why}\n")).await;
            return Err(WRONG);
        }
    };
    if let Err(e) = sys.setns(fd, CLONE_NEWNET).await {
        sys.eprint(format!("setting the network namespace \"{name}\" failed: {e}\n")).await;
        return Err(WRONG);
    }
    let _ = sys.close(fd).await;
    if let Err(e) = sys.unshare(CLONE_NEWNS).await {
        sys.eprint(format!("unshare failed: {e}\n")).await;
        return Err(WRONG);
    }
    // What is mounted here does not travel back.
    if let Err(e) = sys.mount("", "/", Some("none"), MS_SLAVE | MS_REC, None).await {
        sys.eprint(format!("\"mount --make-rslave /\" failed: {e}\n")).await;
        return Err(WRONG);
    }
    let _ = sys.umount2("/sys", MNT_DETACH).await;
    if let Err(e) = sys.mount(name, "/sys", Some("sysfs"), 0, None).await {
        sys.eprint(format!("mount of /sys failed: {e}\n")).await;
        return Err(WRONG);
    }
    bind_etc(sys, name).await;
    Ok(())
}

async fn bind_etc(sys: &Sys, name: &str) {
    let dir = format!("{ETC_DIR}/{name}");
    for entry in read_dir(sys, &dir).await {
        if entry == "." || entry == ".." {
            continue;
        }
        let (from, to) = (format!("{dir}/{entry}"), format!("/etc/{entry}"));
        if let Err(e) = sys.mount(&from, &to, Some("none"), MS_BIND, None).await {
            sys.eprint(format!("Bind {from} -> {to} failed: {e}\n")).await;
        }
    }
}

/// The descriptor of the namespace that an argument names: a name in `/run/netns`, or a path (`netns_get_fd`).
pub(super) async fn get_fd(sys: &Sys, name: &str) -> Option<i32> {
    let path = if name.contains('/') { name.to_owned() } else { format!("{RUN_DIR}/{name}") };
    sys.open(&path, o::RDONLY, 0).await.ok()
}

/// Where a device is to go: the attribute for a name or, if there is none of that name, for a pid.
pub(super) async fn attribute(sys: &Sys, name: &str) -> Option<(&'static str, Value)> {
    if let Some(fd) = get_fd(sys, name).await {
        return Some(("IFLA_NET_NS_FD", fd.into()));
    }
    let pid: u32 = name.parse().ok()?;
    Some(("IFLA_NET_NS_PID", pid.into()))
}
