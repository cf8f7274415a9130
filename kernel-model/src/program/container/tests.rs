//! Sessions: what was typed, what came out. The words are those of runc 1.1.5 and docker 28.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::{Event, EventKind};
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::strace;
use crate::syscall::{Sysno, Value};
use crate::task::TaskId;
use crate::world::{Config, World};

/// How many turns a line may take.
const BUDGET: u64 = 400_000;

/// A bundle with busybox in it, whose process is not at a terminal and runs what `$1` says.
const BUNDLE: &[&str] = &[
    "R=/srv/bundle/rootfs; mkdir -p $R/bin $R/proc $R/sys $R/dev $R/etc $R/tmp",
    "cp /bin/busybox $R/bin/ && chroot $R /bin/busybox --install -s /bin",
    "cd /srv/bundle; runc spec; mv config.json spec.json",
    r#"args() { sed "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"\$/$1/" spec.json > config.json; }"#,
];

struct Session {
    running: Running<NoMachine>,
    events: Vec<Event>,
}

impl Session {
    fn new(config: Config) -> Session {
        Session { running: Running::new(World::boot(config), NoMachine), events: Vec::new() }
    }

    /// A world with a bundle.
    fn with_bundle() -> Session {
        let mut session = Session::new(Config::default());
        for line in BUNDLE {
            assert_eq!(session.line(line), "", "{line}");
        }
        session
    }

    /// What a line prints, with `[exit N]` when its status is not 0.
    fn line(&mut self, line: &str) -> String {
        let mut trace = Trace::new();
        self.running.run(BUDGET, &mut trace);
        self.running.inject(&Action::Line { console: ConsoleId(1), text: line.to_owned() }, &mut trace);
        let ended = self.running.run(BUDGET, &mut trace);
        assert_eq!(self.running.world.check(), Ok(()), "after {line}");
        let mut text = String::new();
        for event in &trace.events {
            match &event.kind {
                EventKind::Output { bytes, .. } => text.push_str(&String::from_utf8_lossy(bytes)),
                EventKind::CommandEnded { status, .. } if *status != 0 => text.push_str(&format!("[exit {status}]\n")),
                _ => {}
            }
        }
        if !ended {
            text.push_str("[does not end]\n");
        }
        self.events.extend(trace.events);
        text
    }

    /// The same for several lines.
    fn lines(&mut self, lines: &[&str]) -> String {
        lines.iter().map(|line| self.line(line)).collect()
    }
}

/// A time of the log becomes `TIME`.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("2026-") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('Z').map_or(rest.len(), |n| at + n + 1);
        out.push_str("TIME");
        rest = &rest[end..];
    }
    out + rest
}

#[test]
fn runc_runs_a_container() {
    let mut s = Session::with_bundle();
    s.line(r#"args '"sh","-c","hostname; id -u; echo $$; grep CapBnd \/proc\/self\/status"'"#);
    assert_eq!(s.line("runc run c1"), "runc\n0\n1\nCapBnd:\t0000000020000420\n");
    assert_eq!(s.line("runc list"), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    assert_eq!(s.line("ls /run/runc"), "");
}

#[test]
fn a_container_has_a_life() {
    let mut s = Session::with_bundle();
    s.line(r#"args '"sleep","1000"'"#);
    assert_eq!(s.line("runc create c1; runc state c1 | grep status"), "  \"status\": \"created\",\n");
    assert_eq!(s.line("runc start c1; runc state c1 | grep status"), "  \"status\": \"running\",\n");
    let error = |message: &str| format!("time=\"TIME\" level=error msg=\"{message}\"\n[exit 1]\n");
    let mut told = |line: &str| without_times(&s.line(line));
    assert_eq!(told("runc start c1"), error("cannot start an already running container"));
    assert_eq!(told("runc exec c1 hostname"), "runc\n");
    assert_eq!(told("runc exec c1 sh -c 'exit 3'"), "[exit 3]\n");
    assert_eq!(
        told("runc exec c1 nosuch").replace("255", "1"),
        error(
            r#"exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH"#
        )
    );
    assert_eq!(told("runc exec --user 5:6 --cwd /tmp c1 sh -c 'id -u; id -g; pwd'"), "5\n6\n/tmp\n");
    assert_eq!(told("runc delete c1"), error("cannot delete container c1 that is not stopped: running"));
    assert_eq!(told("runc kill c1 FOO"), error(r#"unknown signal \"FOO\""#));
    assert_eq!(told("runc kill c1 KILL; sleep 0.1; runc state c1 | grep status"), "  \"status\": \"stopped\",\n");
    assert_eq!(told("runc kill c1 KILL"), error("container not running"));
    assert_eq!(told("runc start c1"), error("cannot start a container that has stopped"));
    assert_eq!(told("runc exec c1 ls").replace("255", "1"), error("exec failed: cannot exec in a stopped container"));
    assert_eq!(told("runc delete c1; runc delete c1"), error("container does not exist"));
}

#[test]
fn runc_says_what_is_wrong() {
    let mut s = Session::with_bundle();
    s.line(r#"args '"nosuch"'"#);
    let mut told = |line: &str| without_times(&s.line(line));
    let error = |message: &str| format!("time=\"TIME\" level=error msg=\"{message}\"\n[exit 1]\n");
    assert_eq!(
        told("runc run c1"),
        error(
            r#"runc run failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH"#
        )
    );
    assert_eq!(told("ls /run/runc"), "");
    assert_eq!(told("runc run -b /nonexist c1"), error("runc run failed: chdir /nonexist: no such file or directory"));
    assert_eq!(told("runc run a/b"), error("runc run failed: invalid container ID format"));
    told("sed 's/\"hostname\": \"runc\"/\"hostname\": 5/' spec.json > config.json");
    assert_eq!(
        told("runc run c1"),
        error("runc run failed: json: cannot unmarshal number into Go struct field Spec.hostname of type string")
    );
    told("cp spec.json config.json");
    assert_eq!(
        told("runc create c1"),
        error("runc create failed: cannot allocate tty if runc will detach without setting console socket")
    );
    assert_eq!(told("runc frobnicate").replace("exit 3", "exit 1"), error(r"No help topic for 'frobnicate'\n"));
}

/// The calls with which a container's process isolates itself, in the words of strace, without what differs from
/// one run to the next: addresses, numbers of descriptors, random names.
fn isolating(line: &str) -> Option<String> {
    const CALLS: [&str; 14] = [
        "mount(",
        "umount2(",
        "pivot_root(",
        "unshare(",
        "setsid(",
        "sethostname(",
        "setuid(",
        "setgid(",
        "setgroups(",
        "prctl(",
        "capset(",
        "chdir(",
        "fchdir(",
        "mknodat(",
    ];
    let call = line.split(" <unfinished").next().unwrap_or(line);
    let call = call.rsplit_once(" = ").map_or(call, |(call, _)| call).trim_end();
    let clone = call.starts_with("clone(") && call.contains("CLONE_PARENT|");
    if clone {
        return Some("clone(CLONE_PARENT|SIGCHLD)".to_owned());
    }
    let name = CALLS.iter().find(|name| call.starts_with(**name))?;
    if matches!(*name, "capset(" | "fchdir(" | "setsid(") || call.contains("PR_GET_") {
        return if call.contains("PR_GET_") { None } else { Some((*name).to_owned()) };
    }
    let mut text = call.trim_end_matches(')').replace("...", "").replace("[]", "NULL");
    while let Some(short) = text.strip_suffix(", 0").filter(|_| *name == "prctl(") {
        text = short.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    for word in text.split(", ") {
        words.push(match word {
            w if w.starts_with("0x") => "NULL".to_owned(),
            w if w.starts_with("\"/run/runc/c1/runc.") => "\"/run/runc/c1/runc.*\"".to_owned(),
            w if w.starts_with("\"/proc/self/fd/") => "\"/proc/self/fd/*\"".to_owned(),
            w => w.to_owned(),
        });
    }
    Some(words.join(", "))
}

#[test]
fn the_walls_go_up_in_the_order_of_the_real_runc() {
    const LOG: &str = include_str!("../../../../tests/strace/runc-run.strace");
    // The three generations of `runc init` in the recording.
    let of_init = |line: &&str| ["30020 ", "30023 ", "30024 "].iter().any(|pid| line.starts_with(pid));
    let before_exec = |line: &&str| !line.contains("execve(\"/bin/sh\"");
    let recorded: Vec<String> =
        LOG.lines().take_while(before_exec).filter(of_init).filter_map(|l| isolating(l[6..].trim_start())).collect();
    let mut s = Session::with_bundle();
    s.line(r#"args '"sh","-c","hostname"'"#);
    s.events.clear();
    s.line("runc run c1");
    let is_name = |v: Option<&Value>| v.and_then(Value::as_str).is_some_and(|n| n.starts_with("runc:["));
    let mut generations: Vec<TaskId> = Vec::new();
    for event in &s.events {
        if let (EventKind::CallEntered { call }, Some(task)) = (&event.kind, event.task)
            && call.nr == Sysno::PRCTL
            && is_name(call.args.get(1))
            && !generations.contains(&task)
        {
            generations.push(task);
        }
    }
    assert_eq!(generations.len(), 3);
    let mut ours: Vec<String> = Vec::new();
    for event in &s.events {
        let (EventKind::CallEntered { call }, Some(task)) = (&event.kind, event.task) else { continue };
        if !generations.contains(&task) {
            continue;
        }
        if call.nr == Sysno::EXECVE && call.args.first().and_then(Value::as_str) == Some("/bin/sh") {
            break;
        }
        let text = strace::print(call, None);
        let text = text.replacen("mknod(\"", "mknodat(AT_FDCWD</srv/bundle/rootfs>, \"", 1);
        ours.extend(isolating(&text));
    }
    // Groups are bound one a hierarchy; which there are is the machine's affair.
    let rest = |calls: &[String]| calls.iter().filter(|c| !c.contains("/sys/fs/cgroup/")).cloned().collect::<Vec<_>>();
    assert_eq!(rest(&ours).join("\n"), rest(&recorded).join("\n"));
}
