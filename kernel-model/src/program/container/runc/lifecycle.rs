//! `runc start`, `kill`, `delete`, `pause` and `resume`.

use super::super::golang::errno;
use super::super::json::Json;
use super::super::oci::Hook;
use super::state::{self, State, Status, remove_dir};
use super::{Failed, Runc, hooks};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::task::signal::Signal;

/// `runc start`
pub(super) async fn start(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    match state.status(sys).await {
        Status::Created => {
            release(sys, &state).await.map_err(|e| Failed::from(errno(e)))?;
            hooks::run(sys, &known_hooks(&state), "poststart", &state.oci(Status::Running, "")).await?;
            Ok(0)
        }
        Status::Stopped => Err("cannot start a container that has stopped".into()),
        Status::Running => Err("cannot start an already running container".into()),
        Status::Paused => Err("cannot start a container in the paused state".into()),
    }
}

/// Reads from the fifo, which lets the container's process go on, and takes it away.
///
/// # Errors
/// Those of the file system.
pub(super) async fn release(sys: &Sys, state: &State) -> Result<(), Errno> {
    let fifo = format!("{}/exec.fifo", state.dir);
    let fd = sys.open(&fifo, o::RDONLY | o::CLOEXEC, 0).await?;
    let read = sys.read(fd, 512).await;
    sys.close(fd).await?;
    if read?.is_empty() {
        // Somebody else was faster.
        return Err(Errno::ENOENT);
    }
    sys.unlink(&fifo).await
}

/// `runc kill`
pub(super) async fn kill(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    let name = runc.args.get(1).map_or("SIGTERM", String::as_str);
    let Some(signal) = Signal::from_name(name) else { return Err(format!("unknown signal \"{name}\"").into()) };
    if runc.has("all") {
        for pid in state.cgroup().processes(sys).await {
            // It may be gone by now.
            let _ = sys.kill(pid, i64::from(signal.0)).await;
        }
        return Ok(0);
    }
    if state.status(sys).await == Status::Stopped {
        return Err("container not running".into());
    }
    match sys.kill(state.pid(), i64::from(signal.0)).await {
        Ok(()) => Ok(0),
        Err(Errno::ESRCH) => Err("container not running".into()),
        Err(e) => Err(format!("unable to signal init: {}", errno(e)).into()),
    }
}

/// `runc delete`
pub(super) async fn delete(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let force = runc.has("force");
    let state = match State::load(runc).await {
        Ok(state) => state,
        Err(_) if force => {
            if state::is_name(runc.id()) {
                // What is left of one that was never finished.
                remove_dir(sys, &format!("{}/{}", runc.root, runc.id())).await?;
            }
            return Ok(0);
        }
        Err(failed) => return Err(failed),
    };
    match state.status(sys).await {
        Status::Stopped => destroy(sys, &state).await?,
        Status::Created => kill_and_destroy(sys, &state).await?,
        _ if force => kill_and_destroy(sys, &state).await?,
        status => {
            return Err(format!("cannot delete container {} that is not stopped: {}", runc.id(), status.name()).into());
        }
    }
    Ok(0)
}

async fn kill_and_destroy(sys: &Sys, state: &State) -> Result<(), Failed> {
    // It may be gone by now.
    let _ = sys.kill(state.pid(), i64::from(Signal::KILL.0)).await;
    if state.cgroup().is_frozen(sys).await {
        // Who is frozen cannot die with version 1.
        state.cgroup().freeze(sys, false).await?;
    }
    for _ in 0..100 {
        if state.status(sys).await == Status::Stopped {
            return destroy(sys, state).await;
        }
        let _ = sys.nanosleep(100_000_000).await;
    }
    Err("container init still running".into())
}

/// Takes away everything that is left of a container.
///
/// # Errors
/// What `runc` says.
pub(super) async fn destroy(sys: &Sys, state: &State) -> Result<(), Failed> {
    if state.json.at("config.namespaces").is_some_and(|n| !own_pid_namespace(n)) {
        // Without a PID namespace of its own nobody has died with its first process.
        for pid in state.cgroup().processes(sys).await {
            let _ = sys.kill(pid, i64::from(Signal::KILL.0)).await;
        }
    }
    state.cgroup().destroy(sys).await;
    remove_dir(sys, &state.dir).await?;
    hooks::run(sys, &known_hooks(state), "poststop", &state.oci(Status::Stopped, "")).await?;
    Ok(())
}

fn own_pid_namespace(namespaces: &Json) -> bool {
    let is = |n: &Json| {
        n.get("type").and_then(Json::as_str) == Some("NEWPID") && n.get("path").and_then(Json::as_str) == Some("")
    };
    namespaces.items().iter().any(is)
}

/// The hooks in `state.json`.
fn known_hooks(state: &State) -> Vec<(String, Hook)> {
    let words = |json: &Json, name: &str| {
        let items = json.get(name).map(Json::items).unwrap_or_default();
        items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let word = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let hooks = state.json.at("config.Hooks").map(Json::items).unwrap_or_default();
    let one =
        |h: &Json| (word(h, "stage"), Hook { path: word(h, "path"), args: words(h, "args"), env: words(h, "env") });
    hooks.iter().map(one).collect()
}

/// `runc pause`
pub(super) async fn pause(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    match state.status(sys).await {
        Status::Running | Status::Created => {
            state.cgroup().freeze(sys, true).await?;
            Ok(0)
        }
        _ => Err("container not running".into()),
    }
}

/// `runc resume`
pub(super) async fn resume(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    match state.status(sys).await {
        Status::Paused => {
            state.cgroup().freeze(sys, false).await?;
            Ok(0)
        }
        _ => Err("container not paused".into()),
    }
}
