//! `runc`: the OCI runtime, as version 1.1 behaves.
//!
//! It makes system calls and nothing else, in the order of the real one: a copy of it becomes `runc init`
//! ([`init`]), which makes two further generations ([`nsexec`]) so that a process is born into the new
//! namespaces; that one builds its root file system ([`rootfs`]) and stops at a fifo until `runc start`
//! ([`create`]). The parent makes the control groups ([`cgroup`]). What is known of a container between two
//! commands is in `/run/runc/ID/state.json` ([`state`]).
//!
//! Where it differs: pipes take the place of socket pairs, and the standard streams are handed to the
//! container as they are, as `crun` does it.

mod cgroup;
mod console;
mod create;
mod exec;
mod finalize;
mod hooks;
mod init;
mod lifecycle;
mod list;
mod mounts;
mod nsexec;
mod rootfs;
mod seccomp;
pub(super) mod spec;
pub(super) mod state;
mod sync;
mod update;

use super::golang::{self, Logger};
use crate::program::Sys;

pub(super) use exec::to_json as process_to_json;
pub(super) use list::ps_output;
pub(super) use mounts::mkdir_all;
pub(super) use state::State;
pub(super) use update::{size as update_size, usage};

crate::program!(
    RUNC = "runc" in "/usr/sbin",
    "OCI runtime: makes a container from a bundle (config.json and a root file system)",
    main,
    "--root DIR  where states are kept (default: /run/runc); --log FILE  write errors there, as JSON
spec [-b DIR] [--rootless]  write an ordinary config.json
run [-b DIR] [-d] [--pid-file FILE] [--keep] [--no-pivot] ID  create and start
create [-b DIR] [--pid-file FILE] [--no-pivot] ID,  start ID
exec [-d] [-u UID[:GID]] [--cwd DIR] [-e NAME=VALUE] [-c CAP] [--no-new-privs] [-p FILE] [--pid-file FILE] ID CMD...
state ID,  list [-q] [-f table|json],  ps [-f table|json] ID [ps options]
kill [-a] ID [SIGNAL],  delete [-f] ID,  pause ID,  resume ID
update [--pids-limit N] [--memory N] [--memory-swap N] [--memory-reservation N] [--cpu-share N] [--cpu-quota N]
       [--cpu-period N] [--cpuset-cpus LIST] [--cpuset-mems LIST] [--blkio-weight N] [-r FILE] ID
events --stats ID  (cpu, memory and pids)
The standard streams are handed to the container as they are. Not modelled: checkpoint, restore, features."
);

/// Where the states are kept.
const ROOT: &str = "/run/runc";

/// An option: its names, whether it takes a value, what it is for.
struct Flag(&'static [&'static str], bool, &'static str);

/// A command of `runc`.
struct Command {
    name: &'static str,
    summary: &'static str,
    arguments: &'static str,
    flags: &'static [Flag],
    /// How many arguments it needs at least and at most.
    args: (usize, usize),
}

const BUNDLE: Flag =
    Flag(&["bundle", "b"], true, "path to the root of the bundle directory, defaults to the current directory");
const DETACH: Flag = Flag(&["detach", "d"], false, "detach from the container's process");
const PID_FILE: Flag = Flag(&["pid-file"], true, "specify the file to write the process id to");
const NO_PIVOT: Flag = Flag(
    &["no-pivot"],
    false,
    "do not use pivot root to jail process inside rootfs.  This should be used whenever the rootfs is on top of a ramdisk",
);
const CONSOLE_SOCKET: Flag = Flag(&["console-socket"], true, "not modelled");
const NO_SUBREAPER: Flag =
    Flag(&["no-subreaper"], false, "disable the use of the subreaper used to reap reparented processes");
const NO_KEYRING: Flag = Flag(
    &["no-new-keyring"],
    false,
    "do not create a new session keyring for the container; keyrings are not modelled, so there is none",
);

const COMMANDS: &[Command] = &[
    Command {
        name: "create",
        summary: "create a container",
        arguments: "<container-id>",
        flags: &[BUNDLE, PID_FILE, NO_PIVOT, CONSOLE_SOCKET, NO_KEYRING],
        args: (1, 1),
    },
    Command {
        name: "delete",
        summary: "delete any resources held by the container often used with detached container",
        arguments: "<container-id>",
        flags: &[Flag(&["force", "f"], false, "Forcibly deletes the container if it is still running (uses SIGKILL)")],
        args: (1, 1),
    },
    Command {
        name: "events",
        summary: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
        arguments: "<container-id>",
        flags: &[Flag(&["stats"], false, "display the container's stats then exit")],
        args: (1, 1),
    },
    Command {
        name: "exec",
        summary: "execute new process inside the container",
        arguments: "<container-id> <command> [command options]  || -p process.json <container-id>",
        flags: &[
            CONSOLE_SOCKET,
            Flag(&["cwd"], true, "current working directory in the container"),
            Flag(&["env", "e"], true, "set environment variables"),
            Flag(&["tty", "t"], false, "allocate a pseudo-TTY"),
            Flag(&["user", "u"], true, "UID (format: <uid>[:<gid>])"),
            Flag(&["additional-gids", "g"], true, "additional gids"),
            Flag(&["process", "p"], true, "path to the process.json"),
            DETACH,
            PID_FILE,
            Flag(&["no-new-privs"], false, "set the no new privileges value for the process"),
            Flag(&["cap", "c"], true, "add a capability to the bounding set for the process"),
            Flag(&["ignore-paused"], false, "allow exec in a paused container"),
        ],
        args: (1, usize::MAX),
    },
    Command {
        name: "kill",
        summary: "kill sends the specified signal (default: SIGTERM) to the container's init process",
        arguments: "<container-id> [signal]",
        flags: &[Flag(&["all", "a"], false, "send the specified signal to all processes inside the container")],
        args: (1, 2),
    },
    Command {
        name: "list",
        summary: "lists containers started by runc with the given root",
        arguments: "",
        flags: &[
            Flag(&["format", "f"], true, "select one of: table or json"),
            Flag(&["quiet", "q"], false, "display only container IDs"),
        ],
        args: (0, 0),
    },
    Command {
        name: "pause",
        summary: "pause suspends all processes inside the container",
        arguments: "<container-id>",
        flags: &[],
        args: (1, 1),
    },
    Command {
        name: "ps",
        summary: "ps displays the processes running inside a container",
        arguments: "<container-id> [ps options]",
        flags: &[Flag(&["format", "f"], true, "select one of: table or json")],
        args: (1, usize::MAX),
    },
    Command {
        name: "resume",
        summary: "resumes all processes that have been previously paused",
        arguments: "<container-id>",
        flags: &[],
        args: (1, 1),
    },
    Command {
        name: "run",
        summary: "create and run a container",
        arguments: "<container-id>",
        flags: &[
            BUNDLE,
            CONSOLE_SOCKET,
            DETACH,
            Flag(&["keep"], false, "do not delete the container after it exits"),
            PID_FILE,
            NO_SUBREAPER,
            NO_PIVOT,
            NO_KEYRING,
        ],
        args: (1, 1),
    },
    Command {
        name: "spec",
        summary: "create a new specification file",
        arguments: "",
        flags: &[
            Flag(&["bundle", "b"], true, "path to the root of the bundle directory"),
            Flag(&["rootless"], false, "generate a configuration for a rootless container"),
        ],
        args: (0, 0),
    },
    Command {
        name: "start",
        summary: "executes the user defined process in a created container",
        arguments: "<container-id>",
        flags: &[],
        args: (1, 1),
    },
    Command {
        name: "state",
        summary: "output the state of a container",
        arguments: "<container-id>",
        flags: &[],
        args: (1, 1),
    },
    Command {
        name: "update",
        summary: "update container resource constraints",
        arguments: "<container-id>",
        flags: update::FLAGS,
        args: (1, 1),
    },
];

/// What the real one can do besides.
const NOT_MODELLED: [&str; 3] = ["checkpoint", "restore", "features"];

/// Why a command failed: what is logged, and the exit status.
pub(super) struct Failed {
    message: String,
    status: i32,
}

impl From<String> for Failed {
    fn from(message: String) -> Self {
        Failed { message, status: 1 }
    }
}

impl From<&str> for Failed {
    fn from(message: &str) -> Self {
        Failed { message: message.to_owned(), status: 1 }
    }
}

impl Failed {
    /// The same with something in front.
    fn within(self, context: &str) -> Failed {
        Failed { message: format!("{context}: {}", self.message), ..self }
    }
}

/// A call of `runc` taken apart.
struct Runc {
    sys: Sys,
    /// Where the states are kept.
    root: String,
    flags: Vec<(&'static str, String)>,
    args: Vec<String>,
}

impl Runc {
    /// Whether the option was given.
    fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(n, _)| *n == name)
    }

    /// The value of the option; the last one counts.
    fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// All values of the option.
    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// The name of the container.
    fn id(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }
}

async fn main(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if words.first().is_some_and(|w| w == "init") {
        return init::main(sys).await;
    }
    let mut log = Logger::new(&sys);
    let mut root = ROOT.to_owned();
    let mut words = words.iter();
    let command = loop {
        let Some(word) = words.next() else {
            sys.print(overview()).await;
            return 0;
        };
        let Some(flag) = word.strip_prefix('-') else { break word };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v.to_owned())));
        match name {
            "help" | "h" => {
                sys.print(overview()).await;
                return 0;
            }
            "version" | "v" => {
                sys.print(format!("runc version 1.1.5 (modelled)\nspec: {}\n", super::oci::VERSION)).await;
                return 0;
            }
            "root" => match value.or_else(|| words.next().cloned()) {
                Some(dir) => root = dir,
                None => {
                    log.error("flag needs an argument: -root").await;
                    return 1;
                }
            },
            // They change nothing here: there is no second log, and rights are what they are.
            "debug" => {}
            "log-format" | "rootless" => {
                if value.is_none() {
                    words.next();
                }
            }
            "log" => match value.or_else(|| words.next().cloned()) {
                Some(file) => log = Logger::to_file(&sys, file),
                None => {
                    log.error("flag needs an argument: -log").await;
                    return 1;
                }
            },
            "criu" | "systemd-cgroup" => {
                sys.not_modelled(&format!("'runc --{name}'")).await;
                return 1;
            }
            _ => {
                log.error(format!("flag provided but not defined: -{name}")).await;
                return 1;
            }
        }
    };
    let Some(command) = COMMANDS.iter().find(|c| c.name == command) else {
        if NOT_MODELLED.contains(&command.as_str()) {
            sys.not_modelled(&format!("'runc {command}'")).await;
            return 1;
        }
        log.error(format!("No help topic for '{command}'\n")).await;
        return 3;
    };
    let rest: Vec<String> = words.cloned().collect();
    let runc = match parse(&sys, command, root, &rest) {
        Ok(Some(runc)) => runc,
        Ok(None) => {
            sys.print(help(command)).await;
            return 0;
        }
        Err(message) => {
            sys.print(format!("Incorrect Usage: {message}\n\n{}", help(command))).await;
            sys.flush().await;
            log.error(message).await;
            return 1;
        }
    };
    let (least, most) = command.args;
    let count = runc.args.len();
    if count < least || count > most {
        let how_many = if least == most { format!("exactly {least}") } else { format!("a minimum of {least}") };
        sys.print(format!("Incorrect Usage.\n\n{}", help(command))).await;
        sys.flush().await;
        log.error(format!("{}: \"{}\" requires {how_many} argument(s)", sys.name(), command.name)).await;
        return 1;
    }
    match run(&runc, command.name).await {
        Ok(status) => status,
        Err(failed) => {
            log.error(failed.message).await;
            failed.status
        }
    }
}

async fn run(runc: &Runc, command: &str) -> Result<i32, Failed> {
    match command {
        "create" => create::create(runc).await.map_err(|f| f.within("runc create failed")),
        "run" => create::run(runc).await.map_err(|f| f.within("runc run failed")),
        "start" => lifecycle::start(runc).await,
        "exec" => exec::run(runc).await.map_err(|f| Failed { status: 255, ..f.within("exec failed") }),
        "kill" => lifecycle::kill(runc).await,
        "delete" => lifecycle::delete(runc).await,
        "pause" => lifecycle::pause(runc).await,
        "resume" => lifecycle::resume(runc).await,
        "state" => list::state(runc).await,
        "list" => list::list(runc).await,
        "ps" => list::ps(runc).await,
        "events" => update::events(runc).await,
        "update" => update::update(runc).await,
        _ => spec::run(runc).await,
    }
}

/// Takes the words after the command apart, as Go's `flag` does; `None` when help is asked for.
fn parse(sys: &Sys, command: &Command, root: String, words: &[String]) -> Result<Option<Runc>, String> {
    let known: Vec<(&'static [&'static str], bool)> = command.flags.iter().map(|f| (f.0, f.1)).collect();
    let Some((flags, args)) = golang::parse_flags(&known, words)? else { return Ok(None) };
    Ok(Some(Runc { sys: sys.clone(), root, flags, args }))
}

fn overview() -> String {
    let mut text = String::from(
        "NAME:\n   runc - Open Container Initiative runtime\n\nUSAGE:\n   runc [global options] command [command options] [arguments...]\n\nCOMMANDS:\n",
    );
    for command in COMMANDS {
        text.push_str(&format!("   {:<10}  {}\n", command.name, command.summary));
    }
    text.push_str(
        "\nGLOBAL OPTIONS:\n   --root value   root directory for storage of container state (default: \"/run/runc\")\n",
    );
    text.push_str("   --help, -h     show help\n   --version, -v  print the version\n");
    text
}

fn help(command: &Command) -> String {
    let Command { name, summary, arguments, flags, .. } = command;
    let mut text =
        format!("NAME:\n   runc {name} - {summary}\n\nUSAGE:\n   runc {name} [command options] {arguments}\n");
    let shown = |Flag(names, value, _): &Flag| {
        let value = if *value { " value" } else { "" };
        let dashes = |n: &str| if n.len() == 1 { "-" } else { "--" };
        names.iter().map(|n| format!("{}{n}{value}", dashes(n))).collect::<Vec<_>>().join(", ")
    };
    let width = flags.iter().map(|f| shown(f).len()).max().unwrap_or(0);
    if !flags.is_empty() {
        text.push_str("\nOPTIONS:\n");
    }
    for flag in *flags {
        text.push_str(&format!("   {:<width$}  {}\n", shown(flag), flag.2));
    }
    text.push_str("   \n");
    text
}
