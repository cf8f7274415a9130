//! Sessions: what was typed, what came out. The words are those of runc 1.1.5 and docker 28.

use crate::event::EventKind;
use crate::session::Session;
use crate::strace;
use crate::syscall::{Sysno, Value};
use crate::task::TaskId;
use crate::world::Config;

/// A bundle with busybox in it, whose process is not at a terminal and runs what `$1` says.
const BUNDLE: &[&str] = &[
    "R=/srv/bundle/rootfs; mkdir -p $R/bin $R/proc $R/sys $R/dev $R/etc $R/tmp",
    "cp /bin/busybox $R/bin/ && chroot $R /bin/busybox --install -s /bin",
    "cd /srv/bundle; runc spec; mv config.json spec.json",
    r#"args() { sed "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"\$/$1/" spec.json > config.json; }"#,
];

impl Session {
    /// A world with a bundle.
    fn with_bundle() -> Session {
        let mut session = Session::new(Config::default());
        for line in BUNDLE {
            assert_eq!(session.line(line), "", "{line}");
        }
        session
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
    let text = call.trim_end_matches(')').replace("...", "").replace("[]", "NULL");
    let mut words: Vec<String> = text.split(", ").enumerate().map(|(i, word)| plain(i, word)).collect();
    if *name == "mknodat(" {
        return words.get(1).map(|path| format!("mknod {path}"));
    }
    while *name == "prctl(" && words.last().is_some_and(|w| w == "0") {
        words.pop();
    }
    Some(words.join(", "))
}

/// An argument without its address, its random part, and what strace cuts off.
fn plain(position: usize, word: &str) -> String {
    let (call, word) = match word.split_once('(') {
        Some((call, word)) if position == 0 => (format!("{call} "), word),
        _ => (String::new(), word),
    };
    let number = |n: &str| crate::security::capability::Cap::from_name(n).map(|c| c.0.to_string());
    let word = match word {
        "\"\"" if position == 4 => "NULL".to_owned(),
        "PR_CAP_AMBIENT_RAISE" => "2".to_owned(),
        "PR_CAP_AMBIENT_LOWER" => "3".to_owned(),
        w if w.starts_with("CAP_") => number(w).unwrap_or_default(),
        w if w.starts_with("0x") => "NULL".to_owned(),
        w if w.starts_with("\"/run/runc/c1/runc.") => "/run/runc/c1/runc.*".to_owned(),
        w if w.starts_with("\"/proc/self/fd/") => "/proc/self/fd/*".to_owned(),
        w if w.starts_with('"') => w.trim_matches('"').chars().take(32).collect(),
        w => w.to_owned(),
    };
    format!("{call}{word}")
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

#[test]
fn docker_runs_images() {
    let mut s = Session::new(Config::default());
    let pulled = s.line("docker run --rm busybox sh -c 'echo hello; id -u; echo $$'");
    assert!(pulled.starts_with("Unable to find image 'busybox:latest' locally\nlatest: Pulling from library/busybox"));
    assert!(pulled.ends_with("Status: Downloaded newer image for busybox:latest\nhello\n0\n1\n"), "{pulled}");
    assert_eq!(s.line("docker run --rm alpine echo out 2> /dev/null"), "out\n");
    assert_eq!(
        s.line("docker pull debian 2> /dev/null | sed 's/^[0-9a-f]*:/ID:/'"),
        "Using default tag: latest\nlatest: Pulling from library/debian (built in: there is no network)\nID: Pull complete\n\
         Status: Downloaded newer image for debian:latest\ndocker.io/library/debian:latest\n"
    );
    assert_eq!(s.line("docker run --rm busybox sh -c 'exit 7'"), "[exit 7]\n");
    assert_eq!(
        s.line("docker run --rm -h box -u nobody -w /tmp busybox sh -c 'hostname; id -u; pwd'"),
        "box\n65534\n/tmp\n"
    );
    assert_eq!(s.line("docker run --rm busybox grep CapBnd /proc/self/status"), "CapBnd:\t00000000a80425fb\n");
    assert_eq!(
        s.line("docker run --rm --cap-drop all busybox grep CapEff /proc/self/status"),
        "CapEff:\t0000000000000000\n"
    );
    assert_eq!(s.line("docker run --rm busybox ls -a /.dockerenv"), "/.dockerenv\n");
    assert_eq!(
        s.line("docker run --rm busybox nosuch"),
        "docker: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown\n\nRun 'docker run --help' for more information\n[exit 127]\n"
    );
    assert_eq!(s.line("docker ps -aq; ls /var/lib/docker/containers"), "");
}

#[test]
fn a_detached_container_is_listed_entered_stopped_and_removed() {
    let mut s = Session::new(Config::default());
    s.line("docker pull alpine");
    let id = s.line("docker run -d --name web alpine sh -c 'echo up; echo down >&2; exec sleep 1000'");
    assert_eq!(id.trim().len(), 64, "{id}");
    let short = &id[..12];
    s.line("sleep 3");
    let head = "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS     NAMES\n";
    assert_eq!(
        s.line("docker ps"),
        format!("{head}{short}   alpine    \"sh -c 'echo up; ech…\"   3 seconds ago   Up 3 seconds             web\n")
    );
    assert_eq!(s.line("docker logs web 2>/dev/null"), "up\n");
    assert_eq!(s.line("docker exec web hostname"), format!("{short}\n"));
    assert_eq!(s.line("docker exec -u nobody web id -u"), "65534\n");
    assert_eq!(s.line("docker inspect -f '{{.State.Status}} {{.Config.Image}}' web"), "running alpine\n");
    // The container's process belongs to a shim, and the shim to nobody.
    let shim = s.line("ps -o args= -p $(ps -o ppid= -p $(docker inspect -f '{{.State.Pid}}' web))");
    assert!(shim.starts_with("containerd-shim-runc-v2 -namespace moby -id "), "{shim}");
    assert_eq!(
        s.line("docker rm web"),
        "Error response from daemon: cannot remove container \"web\": container is running: stop the container before removing or force remove\n[exit 1]\n"
    );
    assert_eq!(s.line("docker stop -t 1 web"), "web\n");
    assert_eq!(s.line("docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' web"), "exited 137\n");
    assert_eq!(s.line("docker rm web; docker ps -aq; ls /run/containerd/runc/moby"), "web\n");
    assert_eq!(s.line("docker rm web"), "Error response from daemon: No such container: web\n[exit 1]\n");
    assert_eq!(s.line("grep -c overlay /proc/mounts"), "0\n[exit 1]\n");
}

#[test]
fn docker_says_what_is_wrong() {
    let mut s = Session::new(Config::default());
    assert_eq!(
        s.line("docker run"),
        "docker: 'docker run' requires at least 1 argument\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nSee 'docker run --help' for more information\n[exit 1]\n"
    );
    assert_eq!(
        s.line("docker run --bogus x"),
        "unknown flag: --bogus\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information\n[exit 125]\n"
    );
    assert_eq!(
        s.line("docker bogus"),
        "docker: unknown command: docker bogus\n\nRun 'docker --help' for more information\n[exit 1]\n"
    );
    assert!(s.line("docker run nginx").contains("no image nginx is built in"));
}

#[test]
fn docker_filters_calls_by_default() {
    let mut s = Session::new(Config::default());
    s.line("docker pull busybox");
    assert_eq!(s.line("docker run --rm busybox grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
    let refused = s.line("docker run --rm busybox unshare --mount true");
    assert!(refused.contains("Operation not permitted"), "{refused}");
    // A capability opens the calls that belong to it; the filter and not the capability is what is missing here.
    assert_eq!(s.line("docker run --rm --cap-add sys_admin busybox unshare --mount true"), "");
    assert_eq!(
        s.line("docker run --rm --security-opt seccomp=unconfined busybox unshare --user sh -c 'id -u'"),
        "65534\n"
    );
    assert!(s.line("docker run --rm busybox unshare --user id -u").contains("Operation not permitted"));
    assert_eq!(s.line("docker run --rm --privileged busybox grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
    s.line(r#"echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":122}]}' > /tmp/p.json"#);
    assert!(
        s.line("docker run --rm --security-opt seccomp=/tmp/p.json busybox mkdir /x").contains("Disk quota exceeded")
    );
    assert!(
        s.line("docker run --rm --security-opt seccomp=/nosuch busybox true")
            .contains("opening seccomp profile (/nosuch) failed")
    );
}

#[test]
fn runc_attaches_the_filter_of_its_configuration() {
    let mut s = Session::with_bundle();
    s.line(r#"args '"sh","-c","mkdir x; echo $?"'"#);
    s.line(
        r#"cp config.json c; sed 's/"readonlyPaths"/"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}, "readonlyPaths"/' c > config.json"#,
    );
    let out = s.line("runc run c1");
    assert!(out.ends_with("159\n"), "{out}");
    assert_eq!(s.line("dmesg -t | grep -c 'type=1326.*sig=31 arch=c000003e syscall=83'"), "1\n");
    s.line("cp config.json c; sed 's/SCMP_ACT_KILL_PROCESS/SCMP_ACT_BOGUS/' c > config.json");
    assert!(s.line("runc run c1").contains("string SCMP_ACT_BOGUS is not a valid action for seccomp"));
}

#[test]
fn docker_confines_containers_with_apparmor() {
    use crate::security::lsm::LsmChoice;
    let mut s = Session::new(Config { lsm: LsmChoice::AppArmor, ..Config::default() });
    s.line("docker pull busybox");
    assert_eq!(s.line("docker run --rm busybox cat /proc/self/attr/current"), "docker-default (enforce)\n");
    // The capability and the filter would allow it; the profile does not.
    let refused = s.line("docker run --rm --cap-add sys_admin busybox mount -t tmpfs x /tmp");
    assert!(refused.contains("ermission denied"), "{refused}");
    assert_eq!(
        s.line("dmesg | grep -c 'operation=\"mount\".*profile=\"docker-default\" name=\"/tmp/\".*fstype=\"tmpfs\"'"),
        "1\n"
    );
    assert_eq!(
        s.line("docker run --rm --security-opt apparmor=unconfined busybox cat /proc/self/attr/current"),
        "unconfined\n"
    );
    assert_eq!(s.line("docker run --rm --privileged busybox cat /proc/self/attr/current"), "unconfined\n");
    s.line("docker run -d --name web busybox sleep 100");
    s.line("sleep 1");
    assert_eq!(s.line("docker exec web cat /proc/self/attr/current"), "docker-default (enforce)\n");
    assert_eq!(s.line("docker stop -t 1 web"), "web\n");
}

#[test]
fn docker_labels_containers_with_selinux() {
    use crate::security::lsm::LsmChoice;
    let mut s = Session::new(Config { lsm: LsmChoice::Selinux, ..Config::default() });
    s.line("docker pull busybox; mkdir /srv/data; echo secret > /srv/data/x");
    let label = s.line("docker run --rm busybox cat /proc/self/attr/current | tr -d '\\0'");
    assert!(label.starts_with("system_u:system_r:container_t:s0:c"), "{label}");
    assert_eq!(s.line("docker run --rm busybox sh -c 'echo x > /tmp/f && cat /tmp/f'"), "x\n");
    let refused = s.line("docker run --rm -v /srv/data:/data busybox cat /data/x");
    assert!(refused.contains("Permission denied"), "{refused}");
    assert_eq!(s.line("dmesg | grep -c 'avc:  denied  .*scontext=system_u:system_r:container_t:s0:c[0-9]*,c[0-9]* tcontext=unconfined_u:object_r:var_t:s0'"), "1\n");
    assert_eq!(s.line("docker run --rm -v /srv/data:/data:Z busybox cat /data/x"), "secret\n");
    // The label is that container's own: another has the type and not the categories.
    let refused = s.line("docker run --rm -v /srv/data:/data busybox cat /data/x");
    assert!(refused.contains("Permission denied"), "{refused}");
    assert_eq!(s.line("docker run --rm -v /srv/data:/data:z busybox cat /data/x"), "secret\n");
    assert_eq!(
        s.line("docker run --rm --security-opt label=disable -v /srv/data:/data busybox cat /data/x"),
        "secret\n"
    );
}
