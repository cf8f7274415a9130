//! busybox: many programs in one file. It runs the programs of this registry under the names that it is called by;
//! where the wording of the common ones differs, they ask [`Sys::is_busybox`].

use crate::errno::Errno;
use crate::program;
use crate::program::registry::{self, Running};
use crate::program::{Resume, Sys};
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};

program!(BUSYBOX = "busybox" in "/usr/bin", "many programs in one file", busybox, "\
APPLET [ARG]...  run a program that is modelled, with busybox' wording where it is common
--list[-full]  the names of the applets
--install -s DIR  make symbolic links to all applets in DIR");

/// The applets that ash runs in its own child without executing anything (`NOEXEC`), which works in an empty root as well.
const IN_PLACE: &[&str] = &[
    "awk",
    "basename",
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
    "env",
    "expr",
    "find",
    "free",
    "groups",
    "head",
    "hostid",
    "hostname",
    "id",
    "ip",
    "killall",
    "link",
    "ln",
    "logname",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mv",
    "nproc",
    "paste",
    "pivot_root",
    "ps",
    "readlink",
    "realpath",
    "renice",
    "rm",
    "rmdir",
    "seq",
    "sort",
    "stat",
    "stty",
    "sync",
    "sysctl",
    "tac",
    "taskset",
    "touch",
    "tty",
    "umount",
    "uname",
    "unlink",
    "uptime",
    "whoami",
    "xargs",
];

/// The other applets of Debian's busybox 1.35 that are modelled: those that are executed.
const EXECUTED: &[&str] = &[
    "[", "ash", "cat", "dmesg", "echo", "egrep", "false", "fgrep", "grep", "kill", "mount", "nc", "nsenter", "od",
    "pidof", "ping", "printf", "pwd", "route", "sed", "setpriv", "setsid", "sh", "sleep", "su", "tail", "tee", "test",
    "time", "timeout", "top", "tr", "true", "uniq", "unshare", "wc", "yes",
];

/// Whether ash runs this by itself, wherever `PATH` leads.
pub(crate) fn is_applet(name: &str) -> bool {
    (IN_PLACE.contains(&name) || EXECUTED.contains(&name)) && program_of(name).is_some()
}

/// Whether ash runs this applet without executing anything.
pub(crate) fn runs_in_place(name: &str) -> bool {
    IN_PLACE.contains(&name)
}

/// The names of the applets, in order.
pub fn applets() -> impl Iterator<Item = &'static str> {
    let mut all: Vec<&'static str> = [IN_PLACE, EXECUTED].concat();
    all.retain(|name| is_applet(name));
    all.sort_unstable();
    all.into_iter()
}

/// The program that does an applet's work. busybox' own shell is ash; what scripts need of it, bash does, too.
fn program_of(applet: &str) -> Option<&'static registry::Program> {
    registry::find(if matches!(applet, "sh" | "ash") { "bash" } else { applet })
}

const BANNER: &str = "BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1+b1) multi-call binary.\n";

async fn busybox(sys: Sys) -> i32 {
    if sys.name() != "busybox" {
        // Executed as /proc/self/exe it would be called that (`main` in libbb/appletlib.c).
        if matches!(sys.resume(), Resume::Start) {
            let _ = sys.call(Sysno::PRCTL, vec![pr::SET_NAME.into(), Value::from(sys.name())]).await;
        }
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
pub(crate) async fn applet(sys: &Sys, argv: Vec<String>) -> i32 {
    let inner = sys.with_argv(argv);
    let name = inner.name().to_owned();
    let Some(program) = program_of(&name).filter(|_| is_applet(&name)) else {
        sys.eprint(format!("{name}: applet not found\n")).await;
        return 127;
    };
    let running: Running = (program.main)(inner);
    running.await
}

#[cfg(test)]
mod tests {
    use crate::testing::run;

    /// A root directory with nothing but busybox.
    const ROOT: &str = "mkdir -p r/bin r/proc; cp /usr/bin/busybox r/bin/; ln -s busybox r/bin/sh";

    #[test]
    fn in_an_empty_root_the_shell_runs_what_needs_no_proc() {
        let inside = "chroot r /bin/sh -c 'ls /; id; ps; cat x; nosuch'";
        assert_eq!(
            run(&[ROOT, inside]),
            "bin\nproc\nuid=0 gid=0\nPID   USER     COMMAND\n/bin/sh: line 1: cat: not found\n\
             /bin/sh: line 1: nosuch: not found\n[exit 127]\n"
        );
    }

    #[test]
    fn a_child_of_the_shell_calls_itself_by_the_name_of_the_applet() {
        let inside = "unshare -pfm sh -c 'mount -t proc proc r/proc; exec chroot r sh -c \"ps; cat /proc/self/comm\"'";
        assert_eq!(
            run(&[ROOT, inside]),
            "PID   USER     COMMAND\n    1 0        sh -c ps; cat /proc/self/comm\n\
             \u{20}   3 0        {ps} sh -c ps; cat /proc/self/comm\ncat\n"
        );
    }

    #[test]
    fn in_its_own_words() {
        assert_eq!(run(&["busybox umount /mnt"]), "umount: can't unmount /mnt: Invalid argument\n[exit 1]\n");
        assert_eq!(
            run(&["busybox mount -t tmpfs t /nope"]),
            "mount: mounting t on /nope failed: No such file or directory\n[exit 255]\n"
        );
        assert_eq!(
            run(&["busybox sh -c 'cd /nope'"]),
            "sh: line 1: cd: line 0: can't cd to /nope: No such file or directory\n[exit 2]\n"
        );
        assert_eq!(
            run(&["busybox sh -c 'echo x > /nope/x'"]),
            "sh: line 1: can't create /nope/x: nonexistent directory\n[exit 1]\n"
        );
    }
}
