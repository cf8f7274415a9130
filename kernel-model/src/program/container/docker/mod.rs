//! `docker`: containers from images, in front of `runc`.
//!
//! There is no daemon: the command itself unpacks images ([`image`]), mounts their layers with overlayfs and
//! writes the bundle ([`bundle`]). What a daemon would keep is in files ([`record`]). As with the real one every
//! container has a `containerd-shim` ([`shim`]) that starts `runc`, becomes the parent of the container's process,
//! writes its log and reaps it. Messages are those of docker 28, "from daemon" included.

mod bundle;
mod flags;
mod image;
mod lifecycle;
mod ps;
mod record;
mod run;
mod seccomp;
mod security;
mod shim;

use super::golang::errno;
pub(super) use super::runc::mkdir_all;
use crate::program::Sys;
use flags::Flag;

pub(super) use shim::CONTAINERD_SHIM;

crate::program!(
    DOCKER = "docker" in "/usr/bin",
    "run containers from images (busybox, alpine and debian are built in)",
    main,
    "run [-d] [-i] [-t] [--rm] [--name NAME] [-m SIZE] [--cpus N] [--cpuset-cpus LIST] [--pids-limit N] [--network none|host|container:X]
    [-v DIR:DIR[:ro]] [-e NAME=VALUE] [-u USER] [-w DIR] [-h NAME] [--cap-add CAP] [--cap-drop CAP] [--privileged] [--read-only]
    [--security-opt no-new-privileges|seccomp=unconfined|apparmor=PROFILE] [--tmpfs DIR] [--pid host|container:X] [--ipc host|private|container:X]
    [--uts host] [--userns host] [--cgroupns host|private] [--ulimit KIND=SOFT[:HARD]] [--entrypoint FILE] IMAGE [COMMAND...]
create (as run),  start CONTAINER...,  exec [-d] [-i] [-e NAME=VALUE] [-u USER] [-w DIR] [--privileged] CONTAINER COMMAND...
ps [-a] [-q] [--no-trunc],  logs CONTAINER,  inspect [-f '{{.A.B}}'] CONTAINER...,  top CONTAINER [ps options],  stats --no-stream
stop [-t SECONDS] CONTAINER...,  kill [-s SIGNAL] CONTAINER...,  rm [-f] CONTAINER...,  pause, unpause, wait CONTAINER...
images [-q],  pull IMAGE,  network ls,  info,  version
There is no daemon. The network is none unless another one is asked for: bridges are not modelled yet.
With -t the container gets a pseudo-terminal; with -it as well what is typed at the terminal of the command is typed there."
);

/// Where layers are.
pub(super) const OVERLAY: &str = "/var/lib/docker/overlay2";
/// Where it is written what containers there are.
pub(super) const CONTAINERS: &str = "/var/lib/docker/containers";
/// Where `runc` keeps the states.
pub(super) const RUNC_ROOT: &str = "/run/containerd/runc/moby";
/// Where the bundles are.
pub(super) const BUNDLES: &str = "/run/containerd/io.containerd.runtime.v2.task/moby";

struct Command {
    name: &'static str,
    usage: &'static str,
    flags: &'static [Flag],
    /// How many arguments it needs at least, and at most.
    args: (usize, usize),
    /// The first argument ends the options.
    first: bool,
}

const NONE: char = '\0';
const MANY: usize = usize::MAX;
const CONTAINERS_ARG: &str = "CONTAINER [CONTAINER...]";

const fn command(name: &'static str, usage: &'static str, flags: &'static [Flag], args: (usize, usize)) -> Command {
    Command { name, usage, flags, args, first: false }
}

const COMMANDS: &[Command] = &[
    Command { first: true, ..command("run", "IMAGE [COMMAND] [ARG...]", flags::RUN, (1, MANY)) },
    Command { first: true, ..command("create", "IMAGE [COMMAND] [ARG...]", flags::RUN, (1, MANY)) },
    Command {
        first: true,
        ..command(
            "exec",
            "CONTAINER COMMAND [ARG...]",
            &[
                Flag("detach", 'd', false),
                Flag("interactive", 'i', false),
                Flag("tty", 't', false),
                Flag("env", 'e', true),
                Flag("user", 'u', true),
                Flag("workdir", 'w', true),
                Flag("privileged", NONE, false),
            ],
            (2, MANY),
        )
    },
    command("ps", "", &[Flag("all", 'a', false), Flag("quiet", 'q', false), Flag("no-trunc", NONE, false)], (0, 0)),
    command("start", CONTAINERS_ARG, &[], (1, MANY)),
    command(
        "stop",
        CONTAINERS_ARG,
        &[Flag("timeout", 't', true), Flag("time", NONE, true), Flag("signal", 's', true)],
        (1, MANY),
    ),
    command("kill", CONTAINERS_ARG, &[Flag("signal", 's', true)], (1, MANY)),
    command("rm", CONTAINERS_ARG, &[Flag("force", 'f', false), Flag("volumes", 'v', false)], (1, MANY)),
    command("pause", CONTAINERS_ARG, &[], (1, MANY)),
    command("unpause", CONTAINERS_ARG, &[], (1, MANY)),
    command("wait", CONTAINERS_ARG, &[], (1, MANY)),
    command("logs", "CONTAINER", &[], (1, 1)),
    command("inspect", "NAME|ID [NAME|ID...]", &[Flag("format", 'f', true)], (1, MANY)),
    Command { first: true, ..command("top", "CONTAINER [ps OPTIONS]", &[], (1, MANY)) },
    command("stats", "[CONTAINER...]", &[Flag("no-stream", NONE, false)], (0, MANY)),
    command("images", "[REPOSITORY[:TAG]]", &[Flag("quiet", 'q', false)], (0, 1)),
    command("pull", "NAME[:TAG|@DIGEST]", &[], (1, 1)),
    command("network", "ls", &[], (1, 1)),
    command("info", "", &[], (0, 0)),
    command("version", "", &[], (0, 0)),
];

/// Commands of the real one that are not modelled.
const NOT_MODELLED: [&str; 20] = [
    "build", "push", "login", "logout", "search", "attach", "commit", "cp", "diff", "events", "export", "history",
    "import", "load", "port", "rename", "restart", "save", "volume", "update",
];

/// A call of `docker` taken apart.
pub(super) struct Docker {
    pub(super) sys: Sys,
    command: &'static str,
    flags: Vec<(&'static str, String)>,
    pub(super) args: Vec<String>,
}

impl Docker {
    /// Whether this is the command.
    pub(super) fn is(&self, command: &str) -> bool {
        self.command == command
    }

    /// Whether the option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(n, _)| *n == name)
    }

    /// The value of the option; the last one counts.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// All values of the option.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// An argument.
    pub(super) fn arg(&self, i: usize) -> &str {
        self.args.get(i).map_or("", String::as_str)
    }

    /// What a daemon would answer: the exit status is 125 for `run`, else 1.
    pub(super) async fn daemon_error(&self, message: &str) -> i32 {
        self.sys.flush().await;
        if self.command == "run" || self.command == "create" {
            let hint = format!("Run 'docker {} --help' for more information", self.command);
            self.sys.eprint(format!("docker: Error response from daemon: {message}\n\n{hint}\n")).await;
            return if self.command == "run" { 125 } else { 1 };
        }
        self.plain_error(message).await
    }

    /// The same without the hint.
    pub(super) async fn plain_error(&self, message: &str) -> i32 {
        self.sys.flush().await;
        self.sys.eprint(format!("Error response from daemon: {message}\n")).await;
        1
    }
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if words.first().is_some_and(|w| w == "container" || w == "image") && words.len() > 1 {
        let group = words.remove(0);
        if words[0] == "ls" || words[0] == "list" {
            words[0] = if group == "image" { "images".to_owned() } else { "ps".to_owned() };
        }
    }
    let Some(name) = words.first().cloned() else {
        sys.print(overview()).await;
        return Ok(0);
    };
    if matches!(name.as_str(), "--help" | "help" | "-h") {
        sys.print(overview()).await;
        return Ok(0);
    }
    if matches!(name.as_str(), "--version" | "-v") {
        sys.print("Docker version 28.2.2 (modelled)\n").await;
        return Ok(0);
    }
    let Some(command) = COMMANDS.iter().find(|c| c.name == name) else {
        if NOT_MODELLED.contains(&name.as_str()) {
            sys.not_modelled(&format!("'docker {name}'")).await;
        } else if name.starts_with('-') {
            sys.eprint(format!("unknown flag: {name}\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information\n")).await;
            return Err(125);
        } else {
            sys.eprint(format!("docker: unknown command: docker {name}\n\nRun 'docker --help' for more information\n"))
                .await;
        }
        return Err(1);
    };
    let usage = format!("Usage:  docker {name} [OPTIONS] {}", command.usage);
    let usage = usage.trim_end();
    let (flags, args) = match flags::parse(command.flags, &words[1..], command.first) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => {
            sys.print(format!("{usage}\n\nOptions that are modelled: see 'help docker'\n")).await;
            return Ok(0);
        }
        Err(message) => {
            sys.eprint(format!("{message}\n\n{usage}\n\nRun 'docker {name} --help' for more information\n")).await;
            return Err(125);
        }
    };
    let (least, most) = command.args;
    if args.len() < least || args.len() > most {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let needs = match (least, most) {
            (0, 0) => "accepts no arguments".to_owned(),
            (n, m) if n == m => format!("requires {n} argument{}", plural(n)),
            (n, MANY) => format!("requires at least {n} argument{}", plural(n)),
            (_, m) => format!("requires at most {m} argument{}", plural(m)),
        };
        sys.eprint(format!(
            "docker: 'docker {name}' {needs}\n\n{usage}\n\nSee 'docker {name} --help' for more information\n"
        ))
        .await;
        return Err(1);
    }
    let docker = Docker { sys, command: command.name, flags, args };
    dispatch(&docker).await
}

async fn dispatch(docker: &Docker) -> Result<i32, i32> {
    match docker.command {
        "run" => run::run(docker).await,
        "create" => run::create_only(docker).await,
        "start" => run::start_again(docker).await,
        "exec" => lifecycle::exec(docker).await,
        "ps" => ps::ps(docker).await,
        "stop" => lifecycle::stop(docker).await,
        "kill" => lifecycle::kill(docker).await,
        "rm" => lifecycle::rm(docker).await,
        "pause" | "unpause" => lifecycle::pause(docker, docker.command == "pause").await,
        "wait" => lifecycle::wait(docker).await,
        "logs" => ps::logs(docker).await,
        "inspect" => ps::inspect(docker).await,
        "top" => ps::top(docker).await,
        "stats" => ps::stats(docker).await,
        "images" => image::images(docker).await,
        "pull" => image::pull(docker, docker.arg(0)).await,
        "network" => network(docker).await,
        "info" => info(docker).await,
        _ => {
            docker.sys.print("Client:\n Version: 28.2.2 (modelled)\n\nServer: none (the client does its work itself)\n runc: 1.1.5 (modelled)\n").await;
            Ok(0)
        }
    }
}

async fn network(docker: &Docker) -> Result<i32, i32> {
    if docker.arg(0) != "ls" {
        docker.sys.not_modelled(&format!("'docker network {}'", docker.arg(0))).await;
        return Err(1);
    }
    docker.sys.print("NAME   DRIVER\nhost   host\nnone   null\n").await;
    Ok(0)
}

async fn info(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let all = record::Record::all(sys).await;
    let count = |status: &str| all.iter().filter(|r| r.status() == status).count();
    let unified = sys.statfs("/sys/fs/cgroup").await.is_ok_and(|st| st.f_type == 0x6367_7270);
    let text = format!(
        "Server:\n Containers: {}\n  Running: {}\n  Paused: {}\n  Stopped: {}\n Storage Driver: overlay2\n \
         Cgroup Driver: cgroupfs\n Cgroup Version: {}\n Default Runtime: runc\n Docker Root Dir: /var/lib/docker\n",
        all.len(),
        count("running"),
        count("paused"),
        count("exited") + count("created"),
        if unified { 2 } else { 1 }
    );
    sys.print(text).await;
    Ok(0)
}

fn overview() -> String {
    let mut text =
        String::from("Usage:  docker [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n\nCommands:\n");
    for command in COMMANDS {
        text.push_str(format!("  {:<8}  {}", command.name, command.usage).trim_end());
        text.push('\n');
    }
    text.push_str("\nRun 'docker COMMAND --help' for more information on a command.\n");
    text
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a failed call on a path comes to.
pub(super) fn failed(what: &str, path: &str, e: crate::errno::Errno) -> String {
    format!("{what} {path}: {}", errno(e))
}
