//! `docker exec`, `stop`, `kill`, `rm`, `pause`, `unpause` and `wait`.

use super::super::golang::errno;
use super::super::json::Json;
use super::super::oci::{Process, Spec};
use super::super::runc::process_to_json;
use super::record::{Record, find};
use super::{BUNDLES, Docker, RUNC_ROOT, image, shim};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::libc::o;
use crate::security::capability::{Cap, NAMES};
use crate::syscall::{Sysno, Value};
use crate::task::signal::Signal;

/// How long `docker stop` waits before it kills, in seconds.
const GRACE: i64 = 10;

/// Runs `runc` and collects what it says on standard error.
async fn runc(sys: &Sys, args: &[&str], quiet: bool) -> Result<(i32, String), Errno> {
    let (reads, writes) = sys.pipe(o::CLOEXEC).await?;
    let pid = sys.fork().await?;
    if pid == 0 {
        if quiet {
            // It is open.
            let _ = sys.dup2(writes, 2).await;
        }
        let head = ["runc", "--root", RUNC_ROOT];
        let argv: Vec<String> = head.iter().chain(args).map(|w| (*w).to_owned()).collect();
        sys.execve("/usr/sbin/runc", &argv, sys.envp()).await;
        sys.exit(127).await;
    }
    sys.close(writes).await?;
    let text = sys.read_to_end(reads).await.unwrap_or_default();
    sys.close(reads).await?;
    loop {
        match sys.wait4(pid, 0).await {
            Ok((_, status)) => return Ok((status.shell_status(), message_of(&String::from_utf8_lossy(&text)))),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// What stands after `msg=` in a line of logrus.
fn message_of(text: &str) -> String {
    let Some((_, message)) = text.rsplit_once("msg=") else { return text.trim().to_owned() };
    message.trim().trim_matches('"').replace("\\\"", "\"").replace("\\n", "")
}

/// `docker exec`
pub(super) async fn exec(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let record = find(docker, docker.arg(0)).await?;
    match record.status() {
        "running" => {}
        "paused" => {
            let message = format!("container {} is paused, unpause the container before exec", record.id());
            return Err(docker.plain_error(&message).await);
        }
        _ => return Err(docker.plain_error(&format!("container {} is not running", record.id())).await),
    }
    if docker.has("tty") && docker.has("interactive") && !sys.isatty(0).await {
        sys.eprint("the input device is not a TTY\n").await;
        return Err(1);
    }
    if docker.has("tty") && docker.has("detach") {
        sys.not_modelled("a terminal for a detached docker exec").await;
        return Err(125);
    }
    let process = match exec_process(docker, &record).await {
        Ok(process) => process,
        Err(message) => return Err(docker.plain_error(&message).await),
    };
    let path = format!("{BUNDLES}/{}/exec-{}.json", record.id(), sys.getpid().await);
    if let Err(e) = image::file(sys, &path, 0o600, process_to_json(&process).compact().as_bytes()).await {
        return Err(docker.plain_error(&super::failed("open", &path, e)).await);
    }
    if !docker.has("interactive")
        && let Ok(null) = sys.open("/dev/null", o::RDONLY, 0).await
    {
        // Without -i there is nothing to read.
        let _ = sys.dup2(null, 0).await;
    }
    sys.flush().await;
    let mut args = vec!["exec", "--process", &path];
    if docker.has("detach") {
        args.push("--detach");
    }
    args.push(record.id());
    let done = runc(sys, &args, false).await;
    let _ = sys.unlink(&path).await;
    match done {
        Ok((255, _)) => {
            sys.eprint("OCI runtime exec failed: see above: unknown\n").await;
            Err(126)
        }
        Ok((status, _)) => Ok(status),
        Err(e) => Err(docker.plain_error(&errno(e)).await),
    }
}

/// The container's own process with other arguments.
async fn exec_process(docker: &Docker, record: &Record) -> Result<Process, String> {
    let sys = &docker.sys;
    let path = format!("{BUNDLES}/{}/config.json", record.id());
    let text = sys.read_file(&path).await.map_err(|e| super::failed("open", &path, e))?;
    let spec = Spec::parse(&text)?;
    let rootfs = spec.root.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
    let mut process = spec.process.unwrap_or_default();
    process.args = docker.args[1..].to_vec();
    process.terminal = docker.has("tty");
    process.env.extend(docker.values("env").filter(|v| v.contains('=')).map(str::to_owned));
    if let Some(cwd) = docker.value("workdir") {
        process.cwd = cwd.to_owned();
    }
    if let Some(user) = docker.value("user") {
        let passwd = sys.read_file(&format!("{rootfs}/etc/passwd")).await.unwrap_or_default();
        let accounts = Accounts::parse(&passwd, "");
        let name = user.split(':').next().unwrap_or_default();
        let (uid, gid) = match (name.parse::<u32>(), accounts.user(name)) {
            (Ok(uid), _) => (uid, accounts.user_by_id(uid).map_or(0, |u| u.gid)),
            (_, Some(user)) => (user.uid, user.gid),
            _ => return Err(format!("unable to find user {name}: no matching entries in passwd file")),
        };
        process.uid = uid;
        process.gid = user.split_once(':').and_then(|(_, g)| g.parse().ok()).unwrap_or(gid);
        process.additional_gids = vec![process.gid];
        if let Some(caps) = process.capabilities.as_mut().filter(|_| uid != 0) {
            caps.effective.clear();
            caps.permitted.clear();
        }
    }
    if docker.has("privileged") {
        let all: Vec<String> = (0..NAMES.len() as u8).map(|n| Cap(n).name()).collect();
        if let Some(caps) = &mut process.capabilities {
            (caps.bounding, caps.effective, caps.permitted) = (all.clone(), all.clone(), all);
        }
    }
    Ok(process)
}

/// Sends a signal to the container's process through `runc`.
async fn signal(docker: &Docker, record: &Record, signal: &str) -> Result<(), i32> {
    match runc(&docker.sys, &["kill", record.id(), signal], true).await {
        Ok((0, _)) => Ok(()),
        Ok((_, message)) => {
            let what = format!("cannot kill container: {}: {message}", record.id());
            Err(docker.plain_error(&what).await)
        }
        Err(e) => Err(docker.plain_error(&errno(e)).await),
    }
}

/// Waits until the shim of a container has cleaned up: whether it has, in time. Without a limit for ever.
async fn wait_for_end(sys: &Sys, record: &Record, seconds: Option<i64>) -> bool {
    let Ok(fd) = sys.call_int(Sysno::PIDFD_OPEN, vec![record.shim().into(), 0.into()]).await else { return true };
    let entry = Value::record([("fd", fd.into()), ("events", 1.into())]);
    let limit = seconds.map_or(-1, |s| s * 1000);
    let polled = sys.call_int(Sysno::POLL, vec![Value::List(vec![entry]), 1.into(), limit.into()]).await;
    // It is open.
    let _ = sys.close(fd as i32).await;
    polled.is_ok_and(|n| n > 0)
}

/// `docker stop`
pub(super) async fn stop(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let grace = docker.value("timeout").or(docker.value("time")).map_or(Some(GRACE), |t| t.parse().ok());
    let mut result = 0;
    for name in &docker.args {
        let Ok(record) = find(docker, name).await else {
            result = 1;
            continue;
        };
        if record.is_running() {
            signal(docker, &record, docker.value("signal").unwrap_or("TERM")).await?;
            if !wait_for_end(sys, &record, grace).await {
                signal(docker, &record, "KILL").await?;
                wait_for_end(sys, &record, None).await;
            }
        }
        sys.print(format!("{name}\n")).await;
    }
    Ok(result)
}

/// `docker kill`
pub(super) async fn kill(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let mut result = 0;
    for name in &docker.args {
        let Ok(record) = find(docker, name).await else {
            result = 1;
            continue;
        };
        let which = docker.value("signal").unwrap_or("KILL");
        let Some(number) = Signal::from_name(which) else {
            return Err(docker.plain_error(&format!("invalid signal: {which}")).await);
        };
        if !record.is_running() {
            let message = format!("cannot kill container: {name}: container {} is not running", record.id());
            result = docker.plain_error(&message).await;
            continue;
        }
        signal(docker, &record, &number.0.to_string()).await?;
        if number == Signal::KILL {
            wait_for_end(sys, &record, None).await;
        }
        sys.print(format!("{name}\n")).await;
    }
    Ok(result)
}

/// `docker rm`
pub(super) async fn rm(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let mut result = 0;
    for name in &docker.args {
        let Ok(record) = find(docker, name).await else {
            result = i32::from(!docker.has("force"));
            continue;
        };
        if record.is_running() {
            if !docker.has("force") {
                let message = format!(
                    "cannot remove container \"{name}\": container is {}: stop the container before removing or force remove",
                    record.status()
                );
                result = docker.plain_error(&message).await;
                continue;
            }
            signal(docker, &record, "KILL").await?;
            wait_for_end(sys, &record, None).await;
        }
        if let Err(message) = shim::remove(sys, record.id()).await {
            result = docker.plain_error(&message).await;
            continue;
        }
        sys.print(format!("{name}\n")).await;
    }
    Ok(result)
}

/// `docker pause` and `unpause`
pub(super) async fn pause(docker: &Docker, freeze: bool) -> Result<i32, i32> {
    let sys = &docker.sys;
    let mut result = 0;
    for name in &docker.args {
        let Ok(mut record) = find(docker, name).await else {
            result = 1;
            continue;
        };
        let refused = match (record.status(), freeze) {
            ("running", true) | ("paused", false) => None,
            ("paused", true) => Some("is already paused"),
            ("running", false) => Some("is not paused"),
            _ => Some("is not running"),
        };
        if let Some(why) = refused {
            result = docker.plain_error(&format!("container {} {why}", record.id())).await;
            continue;
        }
        match runc(sys, &[if freeze { "pause" } else { "resume" }, record.id()], true).await {
            Ok((0, _)) => {}
            Ok((_, message)) => return Err(docker.plain_error(&message).await),
            Err(e) => return Err(docker.plain_error(&errno(e)).await),
        }
        record.set_state("Status", Json::from(if freeze { "paused" } else { "running" }));
        record.set_state("Paused", freeze.into());
        if let Err(e) = record.save(sys).await {
            return Err(docker.plain_error(&errno(e)).await);
        }
        sys.print(format!("{name}\n")).await;
    }
    Ok(result)
}

/// `docker wait`
pub(super) async fn wait(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    for name in &docker.args {
        let mut record = find(docker, name).await?;
        if record.is_running() {
            wait_for_end(sys, &record, None).await;
            record = Record::load(sys, record.id()).await.unwrap_or(record);
        }
        sys.print(format!("{}\n", record.exit_code())).await;
    }
    Ok(0)
}
