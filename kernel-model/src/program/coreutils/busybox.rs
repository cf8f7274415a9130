//! busybox: many programs in one file. It runs the programs of this registry under the names that it is called by;
//! where the wording of the common ones differs, they ask [`Sys::is_busybox`].

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::registry::{self, Running};

program!(BUSYBOX = "busybox" in "/usr/bin", "many programs in one file", busybox, "\
APPLET [ARG]...  run a program that is modelled, with busybox' wording where it is common
--list[-full]  the names of the applets
--install -s DIR  make symbolic links to all applets in DIR");

/// The applets: those of Debian's busybox 1.35 that are modelled.
const APPLETS: &[&str] = &[
    "[",
    "ash",
    "awk",
    "basename",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "chroot",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "dmesg",
    "echo",
    "egrep",
    "env",
    "expr",
    "false",
    "fgrep",
    "find",
    "free",
    "grep",
    "groups",
    "head",
    "hostid",
    "hostname",
    "id",
    "ip",
    "ipcrm",
    "ipcs",
    "kill",
    "killall",
    "link",
    "ln",
    "logname",
    "ls",
    "lsns",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mount",
    "mountpoint",
    "mv",
    "nice",
    "nohup",
    "nproc",
    "nsenter",
    "od",
    "paste",
    "pgrep",
    "pidof",
    "ping",
    "pivot_root",
    "pkill",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "renice",
    "rm",
    "rmdir",
    "route",
    "sed",
    "seq",
    "setpriv",
    "setsid",
    "sh",
    "sleep",
    "sort",
    "stat",
    "stty",
    "su",
    "sync",
    "sysctl",
    "tac",
    "tail",
    "taskset",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unlink",
    "unshare",
    "uptime",
    "wc",
    "whoami",
    "xargs",
    "yes",
];

/// The names of the applets.
pub fn applets() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().copied().filter(|name| program_of(name).is_some())
}

/// The program that does an applet's work. busybox' own shell is ash; what scripts need of it, bash does, too.
fn program_of(applet: &str) -> Option<&'static registry::Program> {
    registry::find(if matches!(applet, "sh" | "ash") { "bash" } else { applet })
}

const BANNER: &str = "BusyBox v1.35.0 (Debian 1:1.35.0-4+b4) multi-call binary.\n";

async fn busybox(sys: Sys) -> i32 {
    if sys.name() != "busybox" {
        return applet(&sys, sys.argv().to_vec()).await;
    }
    match sys.argv().get(1).map(String::as_str) {
        None | Some("--help") => {
            let list: Vec<&str> = applets().collect();
            let usage = "Usage: busybox [function [arguments]...]\n   or: busybox --list[-full]\n   \
                         or: busybox --install [-s] [DIR]\n   or: function [arguments]...\n";
            sys.print(format!("{BANNER}\n{usage}\nCurrently defined functions:\n\t{}\n", list.join(", "))).await;
            0
        }
        Some("--list") => {
            for name in applets() {
                sys.print(format!("{name}\n")).await;
            }
            0
        }
        Some("--list-full") => {
            for name in applets() {
                sys.print(format!("{}/{name}\n", install_dir(name).trim_start_matches('/'))).await;
            }
            0
        }
        Some("--install") => install(&sys).await,
        Some(_) => applet(&sys, sys.argv()[1..].to_vec()).await,
    }
}

/// Where `--install` without a directory puts an applet.
fn install_dir(name: &str) -> &'static str {
    match program_of(name).map_or("/usr/bin", |p| p.dir) {
        "/sbin" => "/sbin",
        "/bin" => "/bin",
        "/usr/sbin" => "/usr/sbin",
        _ => "/usr/bin",
    }
}

async fn install(sys: &Sys) -> i32 {
    let mut words = sys.argv().get(2..).unwrap_or_default();
    let symbolic = words.first().is_some_and(|w| w == "-s");
    if symbolic {
        words = &words[1..];
    }
    let target = sys.readlink("/proc/self/exe").await.unwrap_or_else(|_| "/bin/busybox".into());
    for name in applets() {
        let path = match words.first() {
            Some(dir) => super::ls::join(dir, name),
            None => super::ls::join(install_dir(name), name),
        };
        let result = if symbolic { sys.symlink(&target, &path).await } else { sys.link(&target, &path).await };
        if let Err(e) = result
            && e != Errno::EEXIST
        {
            sys.error(format!("{path}: {e}")).await;
        }
    }
    0
}

/// Runs an applet in this process.
async fn applet(sys: &Sys, argv: Vec<String>) -> i32 {
    let inner = sys.with_argv(argv);
    let name = inner.name().to_owned();
    if !applets().any(|a| a == name) {
        sys.eprint(format!("{name}: applet not found\n")).await;
        return 127;
    }
    match program_of(&name) {
        Some(program) => {
            let running: Running = (program.main)(inner);
            running.await
        }
        None => 127,
    }
}
