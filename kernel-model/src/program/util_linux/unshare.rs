//! `unshare`: runs a program in new namespaces.

use crate::errno::Errno;
use crate::namespace::{CLONE_NEWNS, CLONE_NEWTIME, CLONE_NEWUSER, NsKind};
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;
use crate::program::util_linux::id_map::{self, MapRange};
use crate::syscall::Sysno;
use crate::syscall::identity::prctl::pr;
use crate::task::signal::{Disposition, Signal};
use crate::vfs::fd_table::Fd;

crate::program!(
    UNSHARE = "unshare" in "/usr/bin",
    "run a program with some namespaces unshared from the parent",
    main,
    "  -m, --mount[=FILE]      new mount namespace
  -u, --uts[=FILE]        new UTS namespace (hostname)
  -i, --ipc[=FILE]        new IPC namespace
  -n, --net[=FILE]        new network namespace
  -p, --pid[=FILE]        new PID namespace, for children
  -U, --user[=FILE]       new user namespace
  -C, --cgroup[=FILE]     new cgroup namespace
  -T, --time[=FILE]       new time namespace, for children
  -f, --fork              fork before running the program
  -r, --map-root-user     be root in the new user namespace
  -c, --map-current-user  be the same user in the new user namespace
      --map-user=UID, --map-group=GID  be that user or group there
      --map-users=OUTER,INNER,COUNT|auto, --map-groups=...  map a range with newuidmap, newgidmap
      --map-auto          map users and groups automatically
      --mount-proc[=DIR]  mount /proc first
      --propagation slave|shared|private|unchanged
      --setgroups allow|deny
      --keep-caps         keep capabilities over execve
      --kill-child[=SIGNAL]  when dying, kill the forked child
  -R, --root=DIR, -w, --wd=DIR, -S, --setuid UID, -G, --setgid GID
      --monotonic OFFSET, --boottime OFFSET  of the new time namespace, in seconds"
);

const KILL_CHILD: char = '0';
const MOUNT_PROC: char = '1';
const MAP_USER: char = '2';
const MAP_GROUP: char = '3';
const MAP_USERS: char = '4';
const MAP_GROUPS: char = '5';
const MAP_AUTO: char = '6';
const PROPAGATION: char = '7';
const SETGROUPS: char = '8';
const KEEP_CAPS: char = '9';
const MONOTONIC: char = 'M';
const BOOTTIME: char = 'B';

const SPEC: Spec = Spec {
    short: "+fmuinpCTUrR:w:S:G:c",
    long: &[
        Long("mount", Takes::Maybe, 'm'),
        Long("uts", Takes::Maybe, 'u'),
        Long("ipc", Takes::Maybe, 'i'),
        Long("net", Takes::Maybe, 'n'),
        Long("pid", Takes::Maybe, 'p'),
        Long("user", Takes::Maybe, 'U'),
        Long("cgroup", Takes::Maybe, 'C'),
        Long("time", Takes::Maybe, 'T'),
        Long("fork", Takes::Nothing, 'f'),
        Long("kill-child", Takes::Maybe, KILL_CHILD),
        Long("mount-proc", Takes::Maybe, MOUNT_PROC),
        Long("map-user", Takes::Value, MAP_USER),
        Long("map-group", Takes::Value, MAP_GROUP),
        Long("map-users", Takes::Value, MAP_USERS),
        Long("map-groups", Takes::Value, MAP_GROUPS),
        Long("map-root-user", Takes::Nothing, 'r'),
        Long("map-current-user", Takes::Nothing, 'c'),
        Long("map-auto", Takes::Nothing, MAP_AUTO),
        Long("propagation", Takes::Value, PROPAGATION),
        Long("setgroups", Takes::Value, SETGROUPS),
        Long("keep-caps", Takes::Nothing, KEEP_CAPS),
        Long("setuid", Takes::Value, 'S'),
        Long("setgid", Takes::Value, 'G'),
        Long("root", Takes::Value, 'R'),
        Long("wd", Takes::Value, 'w'),
        Long("monotonic", Takes::Value, MONOTONIC),
        Long("boottime", Takes::Value, BOOTTIME),
    ],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// `mount(2)` flags for `--propagation`.
mod ms {
    pub const NOSUID: u64 = 2;
    pub const NODEV: u64 = 4;
    pub const NOEXEC: u64 = 8;
    pub const BIND: u64 = 4096;
    pub const REC: u64 = 16384;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
}

/// What `/proc/PID/setgroups` is to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SetGroups {
    Leave,
    Allow,
    Deny,
}

/// What was asked for.
struct Plan {
    flags: u64,
    /// Namespaces to keep: kind and the file to bind them to.
    persistent: Vec<(NsKind, String)>,
    fork: bool,
    kill_child: Option<Signal>,
    proc_dir: Option<String>,
    map_user: Option<u32>,
    map_group: Option<u32>,
    user_range: Option<MapRange>,
    group_range: Option<MapRange>,
    propagation: u64,
    setgroups: SetGroups,
    keep_caps: bool,
    root: Option<String>,
    wd: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    monotonic: Option<i64>,
    boottime: Option<i64>,
}

/// A failure that has been reported: the exit status.
type Step<T> = Result<T, i32>;

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let euid = sys.geteuid().await;
    let egid = sys.getegid().await;
    let plan = match plan(&sys, &options, euid, egid).await {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match run(&sys, &plan, euid, egid).await {
        Ok(()) => sys.exec_command_or_shell(&options.operands).await,
        Err(status) => status,
    }
}

async fn fail<T>(sys: &Sys, message: impl AsRef<str>, e: Errno) -> Step<T> {
    sys.warn(message, e).await;
    Err(1)
}

async fn refuse<T>(sys: &Sys, message: impl AsRef<str>) -> Step<T> {
    sys.warnx(message).await;
    Err(1)
}

async fn number<T: std::str::FromStr>(sys: &Sys, text: &str, what: &str) -> Step<T> {
    match text.parse() {
        Ok(n) => Ok(n),
        Err(_) => refuse(sys, format!("failed to parse {what}: '{text}'")).await,
    }
}

/// Reads the options in their order.
async fn plan(sys: &Sys, options: &Options, euid: u32, egid: u32) -> Step<Plan> {
    let mut plan = Plan {
        flags: 0,
        persistent: Vec::new(),
        fork: false,
        kill_child: None,
        proc_dir: None,
        map_user: None,
        map_group: None,
        user_range: None,
        group_range: None,
        propagation: ms::REC | ms::PRIVATE,
        setgroups: SetGroups::Leave,
        keep_caps: false,
        root: None,
        wd: None,
        uid: None,
        gid: None,
        monotonic: None,
        boottime: None,
    };
    for opt in &options.given {
        let value = opt.value.clone().unwrap_or_default();
        if let Some(kind) = id_map::kind_of_option(opt.key) {
            plan.flags |= kind.clone_flag();
            if opt.value.is_some() {
                plan.persistent.push((kind, value));
            }
            continue;
        }
        match opt.key {
            'f' => plan.fork = true,
            KILL_CHILD => {
                plan.fork = true;
                plan.kill_child = match &opt.value {
                    None => Some(Signal::KILL),
                    Some(name) => match Signal::from_name(name) {
                        Some(signal) => Some(signal),
                        None => return refuse(sys, format!("unknown signal: {name}")).await,
                    },
                };
            }
            MOUNT_PROC => {
                plan.flags |= CLONE_NEWNS;
                plan.proc_dir = Some(opt.value.clone().unwrap_or_else(|| "/proc".to_owned()));
            }
            MAP_USER => {
                plan.flags |= CLONE_NEWUSER;
                let accounts = sys.accounts().await;
                plan.map_user = match accounts.user(&value) {
                    Some(user) => Some(user.uid),
                    None => Some(number(sys, &value, "uid").await?),
                };
            }
            MAP_GROUP => {
                plan.flags |= CLONE_NEWUSER;
                let accounts = sys.accounts().await;
                plan.map_group = match accounts.group(&value) {
                    Some(group) => Some(group.gid),
                    None => Some(number(sys, &value, "gid").await?),
                };
            }
            'r' => {
                plan.flags |= CLONE_NEWUSER;
                (plan.map_user, plan.map_group) = (Some(0), Some(0));
            }
            'c' => {
                plan.flags |= CLONE_NEWUSER;
                (plan.map_user, plan.map_group) = (Some(euid), Some(egid));
            }
            MAP_USERS => {
                plan.flags |= CLONE_NEWUSER;
                plan.user_range = Some(id_map::range(sys, &value, "/etc/subuid", euid).await?);
            }
            MAP_GROUPS => {
                plan.flags |= CLONE_NEWUSER;
                plan.group_range = Some(id_map::range(sys, &value, "/etc/subgid", egid).await?);
            }
            MAP_AUTO => {
                plan.flags |= CLONE_NEWUSER;
                plan.user_range = Some(id_map::range(sys, "auto", "/etc/subuid", euid).await?);
                plan.group_range = Some(id_map::range(sys, "auto", "/etc/subgid", egid).await?);
            }
            SETGROUPS => {
                plan.setgroups = match value.as_str() {
                    "allow" => SetGroups::Allow,
                    "deny" => SetGroups::Deny,
                    _ => return refuse(sys, format!("unsupported --setgroups argument '{value}'")).await,
                };
            }
            PROPAGATION => {
                plan.propagation = match value.as_str() {
                    "slave" => ms::REC | ms::SLAVE,
                    "private" => ms::REC | ms::PRIVATE,
                    "shared" => ms::REC | ms::SHARED,
                    "unchanged" => 0,
                    _ => return refuse(sys, format!("unsupported propagation mode: {value}")).await,
                };
            }
            KEEP_CAPS => plan.keep_caps = true,
            'S' => plan.uid = Some(number(sys, &value, "uid").await?),
            'G' => plan.gid = Some(number(sys, &value, "gid").await?),
            'R' => plan.root = Some(value),
            'w' => plan.wd = Some(value),
            MONOTONIC => plan.monotonic = Some(number(sys, &value, "monotonic offset").await?),
            BOOTTIME => plan.boottime = Some(number(sys, &value, "boottime offset").await?),
            _ => {}
        }
    }
    if (plan.monotonic.is_some() || plan.boottime.is_some()) && plan.flags & CLONE_NEWTIME == 0 {
        return refuse(sys, "options --monotonic and --boottime require unsharing of a time namespace (-t)").await;
    }
    Ok(plan)
}

/// Makes the namespaces and everything in them, up to the moment of the exec.
async fn run(sys: &Sys, plan: &Plan, euid: u32, egid: u32) -> Step<()> {
    // A parent that ignores SIGCHLD would make waiting impossible.
    let _ = sys.sigaction(Signal::CHLD, Disposition::Default).await;

    let keeps_mount_ns = plan.flags & CLONE_NEWNS != 0 && !plan.persistent.is_empty();
    let binder = if keeps_mount_ns { Some(helper(sys).await?) } else { None };
    if let Some(Helper { child: 0, parent, .. }) = binder {
        bind_files(sys, plan, parent).await?;
        sys.exit(0).await;
    }
    let mapper = if plan.user_range.is_some() || plan.group_range.is_some() { Some(helper(sys).await?) } else { None };
    if let Some(Helper { child: 0, parent, .. }) = mapper {
        let status = map_ranges(sys, plan, parent, euid, egid).await;
        sys.exit(status).await;
    }

    if let Err(e) = sys.unshare(plan.flags).await {
        // busybox names the call with its flags.
        let what = if sys.is_busybox() { format!("unshare(0x{:x})", plan.flags) } else { "unshare failed".to_owned() };
        return fail(sys, &what, e).await;
    }
    if let Some(mapper) = &mapper {
        release_helper(sys, mapper).await?;
    }
    if let Some(seconds) = plan.boottime {
        set_clock_offset(sys, 7, seconds).await?;
    }
    if let Some(seconds) = plan.monotonic {
        set_clock_offset(sys, 1, seconds).await?;
    }
    let mut child = 0;
    if plan.fork {
        child = match sys.fork().await {
            Ok(pid) => pid,
            Err(e) => return fail(sys, "fork failed", e).await,
        };
    }
    if !plan.persistent.is_empty() && (child != 0 || !plan.fork) {
        match &binder {
            Some(binder) => release_helper(sys, binder).await?,
            None => {
                let own = sys.getpid().await;
                bind_files(sys, plan, own).await?;
            }
        }
    }
    if child != 0 {
        return Err(wait_for(sys, child).await);
    }
    if let Some(signal) = plan.kill_child
        && let Err(e) = sys.prctl(pr::SET_PDEATHSIG, [i64::from(signal.0), 0, 0, 0]).await
    {
        return fail(sys, "prctl failed", e).await;
    }
    map_ids(sys, plan, euid, egid).await?;
    set_up_mounts(sys, plan).await?;
    become_user(sys, plan).await?;
    if plan.keep_caps && plan.flags & CLONE_NEWUSER != 0 {
        keep_capabilities(sys).await?;
    }
    Ok(())
}

/// A process that waits at a pipe until the namespaces have been made.
struct Helper {
    /// 0 in the helper itself.
    child: i32,
    /// The process that makes the namespaces.
    parent: i32,
    /// Closing it lets the helper go.
    gate: Fd,
}

async fn helper(sys: &Sys) -> Step<Helper> {
    let parent = sys.getpid().await;
    let (read_end, gate) = match sys.pipe(0).await {
        Ok(ends) => ends,
        Err(e) => return fail(sys, "pipe failed", e).await,
    };
    let child = match sys.fork().await {
        Ok(pid) => pid,
        Err(e) => return fail(sys, "fork failed", e).await,
    };
    let mine = if child == 0 { gate } else { read_end };
    let _ = sys.close(mine).await;
    if child == 0 && sys.read(read_end, 1).await.is_err() {
        return Err(1);
    }
    Ok(Helper { child, parent, gate })
}

/// Lets the helper go and waits for it.
async fn release_helper(sys: &Sys, helper: &Helper) -> Step<()> {
    let _ = sys.close(helper.gate).await;
    match sys.wait4(helper.child, 0).await {
        Ok((_, status)) if status.shell_status() == 0 => Ok(()),
        Ok((_, status)) => Err(status.shell_status()),
        Err(e) => fail(sys, "waitpid failed", e).await,
    }
}

/// Waits for the program and ends as it did.
async fn wait_for(sys: &Sys, child: i32) -> i32 {
    match sys.wait4(child, 0).await {
        Ok((_, status)) => {
            if let Some(status) = status.exited() {
                return status;
            }
            if let Some(signal) = status.signaled() {
                // It gives the signal its default action first, which these two have always and refuse to be given.
                if matches!(signal, Signal::KILL | Signal::STOP) {
                    sys.warn("sigprocmask unblock failed", Errno::EINVAL).await;
                    return 1;
                }
                sys.die_of(signal).await;
            }
            sys.warnx("child exit failed").await;
            1
        }
        Err(e) => {
            sys.warn("waitpid failed", e).await;
            1
        }
    }
}

async fn bind_files(sys: &Sys, plan: &Plan, pid: i32) -> Step<()> {
    // In the order of its own table, not of the options (`namespace_files`).
    const ORDER: [NsKind; 8] =
        [NsKind::User, NsKind::Cgroup, NsKind::Ipc, NsKind::Uts, NsKind::Net, NsKind::Pid, NsKind::Mnt, NsKind::Time];
    let in_order = ORDER.iter().flat_map(|kind| plan.persistent.iter().filter(move |(k, _)| k == kind));
    for (kind, file) in in_order {
        let name = match kind {
            // The namespace of this process is the old one; its children are born into the new one.
            NsKind::Pid => "pid_for_children",
            NsKind::Time => "time_for_children",
            other => other.name(),
        };
        let source = format!("/proc/{pid}/ns/{name}");
        if let Err(e) = sys.mount(&source, file, None, ms::BIND, None).await {
            return fail(sys, format!("mount {source} on {file} failed"), e).await;
        }
    }
    Ok(())
}

/// In the helper: runs newuidmap and newgidmap on the process with the new user namespace.
async fn map_ranges(sys: &Sys, plan: &Plan, target: i32, euid: u32, egid: u32) -> i32 {
    let jobs = [
        ("newuidmap", plan.user_range, plan.map_user.map(|inner| (inner, euid))),
        ("newgidmap", plan.group_range, plan.map_group.map(|inner| (inner, egid))),
    ];
    let jobs: Vec<_> = jobs.into_iter().filter_map(|(tool, range, one)| Some((tool, range?, one))).collect();
    for (i, (tool, range, one)) in jobs.iter().enumerate() {
        let argv = id_map::command(tool, target, *range, *one);
        if i + 1 < jobs.len() {
            match sys.fork().await {
                Ok(0) => {}
                Ok(pid) => {
                    match sys.wait4(pid, 0).await {
                        Ok((_, status)) if status.shell_status() != 0 => return status.shell_status(),
                        _ => continue,
                    };
                }
                Err(e) => {
                    sys.warn("fork failed", e).await;
                    return 1;
                }
            }
        }
        let e = sys.execvp(tool, &argv).await;
        return sys.exec_failed(tool, e).await;
    }
    0
}

async fn map_ids(sys: &Sys, plan: &Plan, euid: u32, egid: u32) -> Step<()> {
    if let Some(inner) = plan.map_user.filter(|_| plan.user_range.is_none()) {
        write_map(sys, "/proc/self/uid_map", inner, euid).await?;
    }
    if let Some(inner) = plan.map_group.filter(|_| plan.group_range.is_none()) {
        if plan.setgroups == SetGroups::Allow {
            return refuse(sys, "options --setgroups=allow and --map-group are mutually exclusive").await;
        }
        // Without this an unprivileged process may not write the map.
        write_setgroups(sys, "deny").await?;
        write_map(sys, "/proc/self/gid_map", inner, egid).await?;
    }
    match plan.setgroups {
        SetGroups::Leave => Ok(()),
        SetGroups::Allow => write_setgroups(sys, "allow").await,
        SetGroups::Deny => write_setgroups(sys, "deny").await,
    }
}

async fn write_map(sys: &Sys, file: &str, inner: u32, outer: u32) -> Step<()> {
    write_whole(sys, file, &format!("{inner} {outer} 1")).await
}

async fn write_setgroups(sys: &Sys, text: &str) -> Step<()> {
    let file = "/proc/self/setgroups";
    let fd = match sys.open(file, o::WRONLY, 0).await {
        Ok(fd) => fd,
        // A kernel before 3.19 has no such file, and then nothing needs to be denied.
        Err(Errno::ENOENT) if text == "deny" => return Ok(()),
        Err(e) => return fail(sys, format!("cannot open {file}"), e).await,
    };
    if let Err(e) = sys.write_all(fd, text.as_bytes()).await {
        return fail(sys, format!("write failed {file}"), e).await;
    }
    let _ = sys.close(fd).await;
    Ok(())
}

async fn write_whole(sys: &Sys, file: &str, text: &str) -> Step<()> {
    let fd = match sys.open(file, o::WRONLY, 0).await {
        Ok(fd) => fd,
        Err(e) => return fail(sys, format!("cannot open {file}"), e).await,
    };
    if let Err(e) = sys.write_all(fd, text.as_bytes()).await {
        return fail(sys, format!("write failed {file}"), e).await;
    }
    let _ = sys.close(fd).await;
    Ok(())
}

async fn set_clock_offset(sys: &Sys, clock: i32, seconds: i64) -> Step<()> {
    let file = "/proc/self/timens_offsets";
    let fd = match sys.open(file, o::WRONLY, 0).await {
        Ok(fd) => fd,
        Err(e) => return fail(sys, format!("failed to open {file}"), e).await,
    };
    if let Err(e) = sys.write_all(fd, format!("{clock} {seconds} 0").as_bytes()).await {
        return fail(sys, format!("failed to write to {file}"), e).await;
    }
    let _ = sys.close(fd).await;
    Ok(())
}

async fn set_up_mounts(sys: &Sys, plan: &Plan) -> Step<()> {
    if plan.flags & CLONE_NEWNS != 0
        && plan.propagation != 0
        && let Err(e) = sys.mount("none", "/", None, plan.propagation, None).await
    {
        return fail(sys, "cannot change root filesystem propagation", e).await;
    }
    let mut wd = plan.wd.clone();
    if let Some(root) = &plan.root {
        if let Err(e) = sys.chroot(root).await {
            return fail(sys, format!("cannot change root directory to '{root}'"), e).await;
        }
        wd = wd.or_else(|| Some("/".to_owned()));
    }
    if let Some(wd) = wd
        && let Err(e) = sys.chdir(&wd).await
    {
        return fail(sys, format!("cannot chdir to '{wd}'"), e).await;
    }
    let Some(proc_dir) = &plan.proc_dir else { return Ok(()) };
    if plan.root.is_none() && plan.propagation != ms::REC | ms::PRIVATE {
        match sys.mount("none", proc_dir, None, ms::PRIVATE | ms::REC, None).await {
            // Where nothing is mounted yet there is nothing to keep private.
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(e) => return fail(sys, format!("cannot change {proc_dir} filesystem propagation"), e).await,
        }
    }
    match sys.mount("proc", proc_dir, Some("proc"), ms::NOSUID | ms::NODEV | ms::NOEXEC, None).await {
        Ok(()) => Ok(()),
        Err(e) => fail(sys, format!("mount {proc_dir} failed"), e).await,
    }
}

async fn become_user(sys: &Sys, plan: &Plan) -> Step<()> {
    if let Some(gid) = plan.gid {
        if let Err(e) = sys.setgroups(&[]).await {
            return fail(sys, "setgroups failed", e).await;
        }
        if let Err(e) = sys.call(Sysno::SETGID, vec![gid.into()]).await {
            return fail(sys, "setgid failed", e).await;
        }
    }
    if let Some(uid) = plan.uid
        && let Err(e) = sys.call(Sysno::SETUID, vec![uid.into()]).await
    {
        return fail(sys, "setuid failed", e).await;
    }
    Ok(())
}

/// Raises every permitted capability into the ambient set, so that execve(2) keeps it.
async fn keep_capabilities(sys: &Sys) -> Step<()> {
    let caps = match sys.capget(0).await {
        Ok(caps) => caps,
        Err(e) => return fail(sys, "capget failed", e).await,
    };
    let caps = crate::program::security::caps::Sets { inheritable: caps.permitted, ..caps };
    if let Err(e) = sys.capset(&caps).await {
        return fail(sys, "capset failed", e).await;
    }
    for cap in caps.effective.iter() {
        if let Err(e) = sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_RAISE, i64::from(cap.0), 0, 0]).await {
            return fail(sys, "prctl(PR_CAP_AMBIENT) failed", e).await;
        }
    }
    Ok(())
}
