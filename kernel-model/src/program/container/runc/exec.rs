//! `runc exec`: a further process in a container that runs.

use super::super::golang::errno;
use super::super::json::Json;
use super::super::oci::{Capabilities, Process};
use super::console::HostConsole;
use super::create::{check_process, set_rlimits, spawn_init, wait_for_birth, write_pid};
use super::state::{State, Status};
use super::sync::Message;
use super::{Failed, Runc};
use crate::syscall::identity::prctl::pr;

/// The order in which namespaces are entered: the user namespace gives the right to the others.
const ORDER: [(&str, &str); 7] = [
    ("NEWUSER", "user"),
    ("NEWIPC", "ipc"),
    ("NEWUTS", "uts"),
    ("NEWNET", "network"),
    ("NEWPID", "pid"),
    ("NEWNS", "mount"),
    ("NEWCGROUP", "cgroup"),
];

pub(super) async fn run(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    match state.status(sys).await {
        Status::Stopped => return Err("cannot exec in a stopped container".into()),
        Status::Paused if !runc.has("ignore-paused") => {
            return Err("cannot exec in a paused container (use --ignore-paused to override)".into());
        }
        _ => {}
    }
    let process = process(runc, &state).await?;
    let console = HostConsole::find(runc, process.terminal, runc.has("detach")).await?;
    // So that the process, whose makers exit, becomes a child of `runc`.
    sys.prctl(pr::SET_CHILD_SUBREAPER, [1, 0, 0, 0]).await.map_err(errno)?;
    let within = |f: Failed| f.within("unable to start container process");
    let (mut init, helper) = spawn_init(sys, "/", &state.dir, "setns", (None, console.for_init())).await?;
    init.send(&bootstrap(sys, &state, &process).await).await.map_err(errno)?;
    let pid = wait_for_birth(sys, &mut init, helper).await.map_err(within)?;
    let started = converse(sys, &mut init, &state, &process, pid).await;
    if let Err(failed) = started {
        // It may have exited by itself.
        let _ = sys.kill(pid, 9).await;
        let _ = sys.wait4(pid, 0).await;
        return Err(within(failed));
    }
    init.close().await;
    if let Some(path) = runc.value("pid-file") {
        write_pid(sys, path, pid).await?;
    }
    let master = console.receive(sys).await?;
    if runc.has("detach") { Ok(0) } else { Ok(console.wait(sys, master, pid).await) }
}

/// The namespaces of the container's first process that differ from the caller's.
async fn bootstrap(sys: &crate::program::Sys, state: &State, process: &Process) -> Json {
    let mut join = Vec::new();
    for (flag, kind) in ORDER {
        let path = state.json.at(&format!("namespace_paths.{flag}")).and_then(Json::as_str).unwrap_or_default();
        let own = path.rsplit('/').next().map(|name| format!("/proc/self/ns/{name}")).unwrap_or_default();
        let there = sys.readlink(path).await;
        if there.is_ok() && there != sys.readlink(&own).await {
            join.push((kind.to_owned(), path.into()));
        }
    }
    let mut json = Json::object([("clone_flags", 0.into()), ("namespaces", Json::Object(join))]);
    if let Some(score) = process.oom_score_adj {
        json.set("oom_score_adj", score.into());
    }
    json
}

async fn converse(
    sys: &crate::program::Sys,
    init: &mut super::sync::Channel,
    state: &State,
    process: &Process,
    pid: i32,
) -> Result<(), Failed> {
    state.cgroup().enter(sys, pid).await.map_err(|e| format!("error adding pid {pid} to cgroups: {e}"))?;
    set_rlimits(sys, pid, Some(process)).await?;
    let mut config =
        Json::object([("type", "setns".into()), ("args", Json::List(Vec::new())), ("process", to_json(process))]);
    if let Some(filter) = state.json.at("config.seccomp") {
        config.set("seccomp", filter.clone());
    }
    init.send(&config).await.map_err(errno)?;
    init.expect("procReady").await?;
    init.step("procRun").await.map_err(errno)?;
    match init.receive().await {
        Ok(None) => Ok(()),
        Ok(Some(Message::Failed(message))) => Err(message.into()),
        _ => Err("could not synchronise with container process".into()),
    }
}

/// What is to run: from a file, or the container's own process with other arguments.
async fn process(runc: &Runc, state: &State) -> Result<Process, Failed> {
    let sys = &runc.sys;
    if let Some(path) = runc.value("process") {
        let text = sys.read_file(path).await.map_err(|e| format!("open {path}: {}", errno(e)))?;
        let process = Process::parse(&text)?;
        check_process(Some(&process))?;
        return Ok(process);
    }
    if runc.args.len() < 2 {
        return Err("process args cannot be empty".into());
    }
    let path = format!("{}/config.json", state.bundle());
    let text = sys.read_file(&path).await.map_err(|e| format!("open {path}: {}", errno(e)))?;
    let spec = super::super::oci::Spec::parse(&text)?;
    let mut process = spec.process.unwrap_or_default();
    process.args = runc.args[1..].to_vec();
    process.terminal = runc.has("tty");
    if let Some(cwd) = runc.value("cwd") {
        process.cwd = cwd.to_owned();
    }
    process.env.extend(runc.values("env").map(str::to_owned));
    if let Some(user) = runc.value("user") {
        let (uid, gid) = user.split_once(':').map_or((user, None), |(u, g)| (u, Some(g)));
        let number = |what: &str, text: &str| {
            text.parse().map_err(|_| Failed::from(format!("parsing {text} as int for {what} failed: invalid syntax")))
        };
        process.uid = number("uid", uid)?;
        if let Some(gid) = gid {
            process.gid = number("gid", gid)?;
        }
    }
    for gid in runc.values("additional-gids") {
        let gid = gid.parse().map_err(|_| format!("additional gid {gid} is no number"))?;
        process.additional_gids.push(gid);
    }
    process.no_new_privileges |= runc.has("no-new-privs");
    let more: Vec<String> = runc.values("cap").map(str::to_owned).collect();
    if !more.is_empty() {
        let caps = process.capabilities.get_or_insert_with(Capabilities::default);
        for set in [&mut caps.bounding, &mut caps.effective, &mut caps.permitted, &mut caps.ambient] {
            set.extend(more.iter().cloned());
        }
    }
    check_process(Some(&process))?;
    Ok(process)
}

/// A process as `config.json` writes it.
pub(in super::super) fn to_json(process: &Process) -> Json {
    let ids = process.additional_gids.iter().map(|g| (*g).into()).collect();
    let user =
        Json::object([("uid", process.uid.into()), ("gid", process.gid.into()), ("additionalGids", Json::List(ids))]);
    let mut json = Json::object([
        ("terminal", process.terminal.into()),
        ("user", user),
        ("args", Json::strings(&process.args)),
        ("env", Json::strings(&process.env)),
        ("cwd", process.cwd.as_str().into()),
    ]);
    if let Some(caps) = &process.capabilities {
        json.set(
            "capabilities",
            Json::object([
                ("bounding", Json::strings(&caps.bounding)),
                ("effective", Json::strings(&caps.effective)),
                ("inheritable", Json::strings(&caps.inheritable)),
                ("permitted", Json::strings(&caps.permitted)),
                ("ambient", Json::strings(&caps.ambient)),
            ]),
        );
    }
    json.set("noNewPrivileges", process.no_new_privileges.into());
    if !process.apparmor_profile.is_empty() {
        json.set("apparmorProfile", process.apparmor_profile.as_str().into());
    }
    if !process.selinux_label.is_empty() {
        json.set("selinuxLabel", process.selinux_label.as_str().into());
    }
    if let Some(score) = process.oom_score_adj {
        json.set("oomScoreAdj", score.into());
    }
    json
}
