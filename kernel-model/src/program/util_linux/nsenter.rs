//! `nsenter`: runs a program in the namespaces of another process.

use crate::errno::Errno;
use crate::namespace::NsKind;
use crate::program::Sys;
use crate::program::getopt::{Long, Opt, Spec, Takes};
use crate::program::libc::o;
use crate::program::util_linux::id_map::kind_of_option;
use crate::syscall::Sysno;
use crate::task::signal::Signal;
use crate::vfs::fd_table::Fd;

crate::program!(
    NSENTER = "nsenter" in "/usr/bin",
    "run a program with namespaces of other processes",
    main,
    "  -t, --target PID        the process to take namespaces from
  -a, --all               enter all its namespaces
  -m, --mount[=FILE]      enter the mount namespace
  -u, --uts[=FILE]        enter the UTS namespace
  -i, --ipc[=FILE]        enter the IPC namespace
  -n, --net[=FILE]        enter the network namespace
  -p, --pid[=FILE]        enter the PID namespace (forks)
  -U, --user[=FILE]       enter the user namespace
  -C, --cgroup[=FILE]     enter the cgroup namespace
  -T, --time[=FILE]       enter the time namespace
  -S, --setuid UID, -G, --setgid GID
      --preserve-credentials  do not touch uids or gids
  -r, --root[=DIR], -w, --wd[=DIR], -W, --wdns DIR
  -F, --no-fork           do not fork before running the program"
);

const PRESERVE: char = '0';

const SPEC: Spec = Spec {
    short: "+at:m::u::i::n::p::C::U::T::S:G:r::w::W:F",
    long: &[
        Long("all", Takes::Nothing, 'a'),
        Long("target", Takes::Value, 't'),
        Long("mount", Takes::Maybe, 'm'),
        Long("uts", Takes::Maybe, 'u'),
        Long("ipc", Takes::Maybe, 'i'),
        Long("net", Takes::Maybe, 'n'),
        Long("pid", Takes::Maybe, 'p'),
        Long("user", Takes::Maybe, 'U'),
        Long("cgroup", Takes::Maybe, 'C'),
        Long("time", Takes::Maybe, 'T'),
        Long("setuid", Takes::Value, 'S'),
        Long("setgid", Takes::Value, 'G'),
        Long("root", Takes::Maybe, 'r'),
        Long("wd", Takes::Maybe, 'w'),
        Long("wdns", Takes::Value, 'W'),
        Long("no-fork", Takes::Nothing, 'F'),
        Long("preserve-credentials", Takes::Nothing, PRESERVE),
    ],
    unmodelled: "-Z --follow-context",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// The order in which namespaces are entered. The user namespace is entered first where that gives
/// privilege and last where it takes it away: see [`enter`].
const ORDER: [NsKind; 8] =
    [NsKind::User, NsKind::Cgroup, NsKind::Ipc, NsKind::Uts, NsKind::Net, NsKind::Pid, NsKind::Mnt, NsKind::Time];

/// What was asked for.
#[derive(Default)]
struct Plan {
    target: Option<u32>,
    all: bool,
    /// Namespaces of the target.
    of_target: Vec<NsKind>,
    /// Open descriptors of namespaces, in the order of [`ORDER`].
    open: [Option<Fd>; 8],
    root: Option<Fd>,
    wd: Option<Fd>,
    wdns: Option<String>,
    target_root: bool,
    target_wd: bool,
    uid: Option<u32>,
    gid: Option<u32>,
    preserve: bool,
    no_fork: bool,
}

/// A failure that has been reported: the exit status.
type Step<T> = Result<T, i32>;

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    match run(&sys, &options.given).await {
        Ok(()) => sys.exec_command_or_shell(&options.operands).await,
        Err(status) => status,
    }
}

async fn fail<T>(sys: &Sys, message: impl AsRef<str>, e: Errno) -> Step<T> {
    sys.warn(message, e).await;
    Err(1)
}

fn place(kind: NsKind) -> usize {
    ORDER.iter().position(|k| *k == kind).unwrap_or(0)
}

async fn run(sys: &Sys, given: &[Opt]) -> Step<()> {
    let mut plan = Plan::default();
    for opt in given {
        take_option(sys, &mut plan, opt).await?;
    }
    if plan.all {
        add_all(sys, &mut plan).await?;
    }
    for kind in ORDER {
        if plan.of_target.contains(&kind) {
            let fd = open_target(sys, plan.target, &format!("ns/{}", kind.name()), None).await?;
            plan.open[place(kind)] = Some(fd);
        }
    }
    if plan.target_root {
        plan.root = Some(open_target(sys, plan.target, "root", None).await?);
    }
    if plan.target_wd {
        plan.wd = Some(open_target(sys, plan.target, "cwd", None).await?);
    }
    let sets_credentials = plan.open[0].is_some() && !plan.preserve;
    let mut setgroups_failed = false;
    if sets_credentials {
        plan.uid = plan.uid.or(Some(0));
        plan.gid = plan.gid.or(Some(0));
        // Before and after the user namespace is entered: only when both fail it matters.
        setgroups_failed = sys.setgroups(&[]).await.is_err();
    }
    let forks = plan.open[place(NsKind::Pid)].is_some() && !plan.no_fork;
    enter(sys, &mut plan).await?;
    change_directories(sys, &mut plan).await?;
    if forks {
        continue_as_child(sys).await?;
    }
    become_user(sys, &plan, setgroups_failed || !sets_credentials).await
}

async fn take_option(sys: &Sys, plan: &mut Plan, opt: &Opt) -> Step<()> {
    if let Some(kind) = kind_of_option(opt.key) {
        match &opt.value {
            Some(file) => {
                let fd = open_target(sys, plan.target, &format!("ns/{}", kind.name()), Some(file)).await?;
                plan.open[place(kind)] = Some(fd);
            }
            None => plan.of_target.push(kind),
        }
        return Ok(());
    }
    let value = opt.value.clone().unwrap_or_default();
    match opt.key {
        'a' => plan.all = true,
        't' => plan.target = Some(number(sys, &value, "pid").await?),
        'S' => plan.uid = Some(number(sys, &value, "uid").await?),
        'G' => plan.gid = Some(number(sys, &value, "gid").await?),
        'r' => match &opt.value {
            Some(dir) => plan.root = Some(open_target(sys, plan.target, "root", Some(dir)).await?),
            None => plan.target_root = true,
        },
        'w' => match &opt.value {
            Some(dir) => plan.wd = Some(open_target(sys, plan.target, "cwd", Some(dir)).await?),
            None => plan.target_wd = true,
        },
        'W' => plan.wdns = Some(value),
        'F' => plan.no_fork = true,
        PRESERVE => plan.preserve = true,
        _ => {}
    }
    Ok(())
}

async fn number(sys: &Sys, text: &str, what: &str) -> Step<u32> {
    match text.parse() {
        Ok(n) => Ok(n),
        Err(_) => {
            sys.warnx(format!("failed to parse {what}: '{text}'")).await;
            Err(1)
        }
    }
}

/// `--all`: every namespace of the target, but not the user namespace when it is the caller's own, which
/// setns(2) refuses.
async fn add_all(sys: &Sys, plan: &mut Plan) -> Step<()> {
    let Some(target) = plan.target else {
        sys.warnx("no target PID specified for --all").await;
        return Err(1);
    };
    for kind in ORDER {
        if plan.open[place(kind)].is_some() {
            continue;
        }
        if kind == NsKind::User {
            let (own, theirs) = ("/proc/self/ns/user".to_owned(), format!("/proc/{target}/ns/user"));
            let mut inodes = [0; 2];
            for (inode, path) in inodes.iter_mut().zip([theirs, own]) {
                match sys.stat(&path).await {
                    Ok(stat) => *inode = stat.st_ino,
                    Err(e) => return fail(sys, format!("stat of {path} failed"), e).await,
                }
            }
            if inodes[0] == inodes[1] {
                continue;
            }
        }
        plan.of_target.push(kind);
    }
    Ok(())
}

async fn open_target(sys: &Sys, target: Option<u32>, what: &str, file: Option<&str>) -> Step<Fd> {
    let path = match (file, target) {
        (Some(file), _) => file.to_owned(),
        (None, Some(target)) => format!("/proc/{target}/{what}"),
        (None, None) => {
            sys.warnx(format!("neither filename nor target pid supplied for {what}")).await;
            return Err(1);
        }
    };
    match sys.open(&path, o::RDONLY, 0).await {
        Ok(fd) => Ok(fd),
        Err(e) => fail(sys, format!("cannot open {path}"), e).await,
    }
}

/// Enters in two passes: first without the user namespace, so that privilege is used before it is given
/// up; what failed then is tried again after the user namespace has been entered.
async fn enter(sys: &Sys, plan: &mut Plan) -> Step<()> {
    for pass in 0..2 {
        for (i, kind) in ORDER.into_iter().enumerate().skip(1 - pass) {
            let Some(fd) = plan.open[i] else { continue };
            match sys.setns(fd, kind.clone_flag()).await {
                Ok(()) => {
                    let _ = sys.close(fd).await;
                    plan.open[i] = None;
                }
                Err(_) if pass == 0 => {}
                Err(e) => return fail(sys, format!("reassociate to namespace 'ns/{}' failed", kind.name()), e).await,
            }
        }
    }
    Ok(())
}

async fn change_directories(sys: &Sys, plan: &mut Plan) -> Step<()> {
    if plan.root.is_some() && plan.wd.is_none() && plan.wdns.is_none() {
        plan.wd = match sys.open(".", o::RDONLY, 0).await {
            Ok(fd) => Some(fd),
            Err(e) => return fail(sys, "cannot open current working directory", e).await,
        };
    }
    if let Some(root) = plan.root {
        if let Err(e) = sys.call(Sysno::FCHDIR, vec![root.into()]).await {
            return fail(sys, "change directory by root file descriptor failed", e).await;
        }
        if let Err(e) = sys.chroot(".").await {
            return fail(sys, "chroot failed", e).await;
        }
        let _ = sys.close(root).await;
    }
    if let Some(dir) = &plan.wdns {
        plan.wd = match sys.open(dir, o::RDONLY, 0).await {
            Ok(fd) => Some(fd),
            Err(e) => return fail(sys, "cannot open current working directory", e).await,
        };
    }
    if let Some(wd) = plan.wd {
        if let Err(e) = sys.call(Sysno::FCHDIR, vec![wd.into()]).await {
            return fail(sys, "change directory by working directory file descriptor failed", e).await;
        }
        let _ = sys.close(wd).await;
    }
    Ok(())
}

/// Only a child is born into the PID namespace: the parent waits and ends as the child does.
async fn continue_as_child(sys: &Sys) -> Step<()> {
    const WUNTRACED: i64 = 2;
    let child = match sys.fork().await {
        Ok(0) => return Ok(()),
        Ok(pid) => pid,
        Err(e) => return fail(sys, "fork failed", e).await,
    };
    loop {
        let status = match sys.wait4(child, WUNTRACED).await {
            Ok((_, status)) => status,
            Err(Errno::EINTR) => continue,
            Err(_) => return Err(1),
        };
        if status.stopped().is_some() {
            let own = sys.getpid().await;
            let _ = sys.kill(own, i64::from(Signal::STOP.0)).await;
            let _ = sys.kill(child, i64::from(Signal::CONT.0)).await;
            continue;
        }
        if let Some(signal) = status.signaled() {
            let own = sys.getpid().await;
            let _ = sys.kill(own, i64::from(signal.0)).await;
        }
        return Err(status.exited().unwrap_or(1));
    }
}

async fn become_user(sys: &Sys, plan: &Plan, setgroups_must_work: bool) -> Step<()> {
    if let Some(gid) = plan.gid {
        if let Err(e) = sys.setgroups(&[]).await
            && setgroups_must_work
        {
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
