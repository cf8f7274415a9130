//! `containerd-shim-runc-v2`: one for each container. It has `runc` make and start it, is the parent of the
//! container's process because it is a subreaper, writes what that prints into the log, reaps it, and cleans up.

use super::super::golang::rfc3339_nano;
use super::super::json::Json;
use super::super::runc::State;
use super::record::{Record, remove_all};
use super::{BUNDLES, OVERLAY, RUNC_ROOT};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::pty::Moved;
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};

crate::program!(
    CONTAINERD_SHIM = "containerd-shim-runc-v2" in "/usr/bin",
    "parent of a container's process (docker starts it)",
    main,
    "-namespace moby -id ID  look after a container that docker has prepared; what happens is told through descriptor 3"
);

/// The descriptor through which `docker` listens.
const REPORT: i32 = 3;

async fn main(sys: Sys) -> i32 {
    let id = sys.argv().iter().skip_while(|w| *w != "-id").nth(1).cloned().unwrap_or_default();
    let Some(mut record) = Record::load(&sys, &id).await else {
        sys.eprint("containerd-shim-runc-v2: -id: no such container\n").await;
        return 1;
    };
    // Nobody but this process is to hold the descriptor.
    let _ = sys.fcntl(REPORT, 2, 1).await;
    // So that the container's process, whose makers exit, becomes a child of the shim.
    let _ = sys.prctl(pr::SET_CHILD_SUBREAPER, [1, 0, 0, 0]).await;
    match run(&sys, &mut record).await {
        Ok(status) => {
            clean_up(&sys, &mut record, Some(status)).await;
            report(&sys, &format!("exit {status}")).await;
            0
        }
        Err(message) => {
            clean_up(&sys, &mut record, None).await;
            report(&sys, &format!("error {message}")).await;
            1
        }
    }
}

async fn report(sys: &Sys, line: &str) {
    // `docker` may have been told enough.
    let _ = sys.write_all(REPORT, format!("{line}\n").as_bytes()).await;
}

/// The streams of a container without a terminal: our ends of the pipes.
struct Streams {
    out: i32,
    err: i32,
}

/// From `runc create` to the end of the container's process.
async fn run(sys: &Sys, record: &mut Record) -> Result<i32, String> {
    let go = super::super::golang::errno;
    let tty = record.0.at("Config.Tty").and_then(Json::as_bool).unwrap_or(false);
    let bundle = format!("{BUNDLES}/{}", record.id());
    let pid_file = format!("{bundle}/init.pid");
    let log = format!("{bundle}/log.json");
    let pipes = if tty {
        None
    } else {
        Some((sys.pipe(o::CLOEXEC).await.map_err(go)?, sys.pipe(o::CLOEXEC).await.map_err(go)?))
    };
    let console = if tty { Some(Console::listen(sys, record.id()).await.map_err(go)?) } else { None };
    let mut args = vec!["create", "--bundle", &bundle, "--pid-file", &pid_file];
    if let Some(console) = &console {
        args.extend(["--console-socket", &console.path]);
    }
    args.push(record.id());
    let status = runc(sys, &log, &args, pipes.map(|(out, err)| (out.1, err.1))).await.map_err(go)?;
    let streams = match pipes {
        Some((out, err)) => {
            for fd in [out.1, err.1] {
                // Only the container is to hold these ends.
                let _ = sys.close(fd).await;
            }
            Some(Streams { out: out.0, err: err.0 })
        }
        None => None,
    };
    if status != 0 {
        if let Some(console) = &console {
            console.remove(sys).await;
        }
        return Err(format!(
            "failed to create task for container: failed to create shim task: OCI runtime create failed: {}: unknown",
            last_error(sys, &log).await
        ));
    }
    let master = match console {
        Some(console) => Some(console.receive(sys).await.map_err(go)?),
        None => None,
    };
    let pid: i32 = sys.read_file(&pid_file).await.ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0);
    if runc(sys, &log, &["start", record.id()], None).await.map_err(go)? != 0 {
        return Err(format!(
            "failed to start task: OCI runtime start failed: {}: unknown",
            last_error(sys, &log).await
        ));
    }
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    for (name, value) in [
        ("Status", Json::from("running")),
        ("Running", true.into()),
        ("Pid", pid.into()),
        ("ShimPid", sys.getpid().await.into()),
        ("ExitCode", 0.into()),
        ("StartedAt", rfc3339_nano(now).as_str().into()),
    ] {
        record.set_state(name, value);
    }
    record.save(sys).await.map_err(go)?;
    report(sys, "started").await;
    if let Some(streams) = streams {
        follow(sys, record, &streams).await;
    }
    if let Some(master) = master {
        relay(sys, record, master).await;
    }
    loop {
        match sys.wait4(-1, 0).await {
            Ok((dead, status)) if dead == pid => return Ok(status.shell_status()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(go(e)),
        }
    }
}

/// Runs `runc` with these ends of pipes as its output.
async fn runc(sys: &Sys, log: &str, args: &[&str], output: Option<(i32, i32)>) -> Result<i32, Errno> {
    let pid = sys.fork().await?;
    if pid == 0 {
        if let Some((out, err)) = output {
            // Both are open.
            let _ = sys.dup2(out, 1).await;
            let _ = sys.dup2(err, 2).await;
        }
        let head = ["runc", "--root", RUNC_ROOT, "--log", log, "--log-format", "json"];
        let argv: Vec<String> = head.iter().chain(args).map(|w| (*w).to_owned()).collect();
        sys.execve("/usr/sbin/runc", &argv, sys.envp()).await;
        sys.exit(127).await;
    }
    loop {
        match sys.wait4(pid, 0).await {
            Ok((_, status)) => return Ok(status.shell_status()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// The last error in the log of `runc`.
async fn last_error(sys: &Sys, log: &str) -> String {
    let text = sys.read_file(log).await.unwrap_or_default();
    let last = text.lines().filter_map(|l| Json::parse(l).ok()).next_back();
    last.as_ref().and_then(|j| j.get("msg")).and_then(Json::as_str).unwrap_or("unknown error").trim_end().to_owned()
}

/// The socket through which `runc init` hands over the master end of the container's terminal.
struct Console {
    path: String,
    fd: i32,
}

impl Console {
    /// In a directory of its own, whose name is short enough for a socket (`NewTempConsoleSocket`).
    async fn listen(sys: &Sys, id: &str) -> Result<Console, Errno> {
        const AF_UNIX: i64 = 1;
        /// SOCK_STREAM and SOCK_CLOEXEC.
        const STREAM: i64 = 1 | 0o2_000_000;
        let dir = format!("/tmp/pty{}", &id[..9.min(id.len())]);
        sys.mkdir(&dir, 0o700).await?;
        let path = format!("{dir}/pty.sock");
        let fd = sys.call_int(Sysno::SOCKET, vec![AF_UNIX.into(), STREAM.into(), 0.into()]).await? as i32;
        let address = Value::record([("sa_family", AF_UNIX.into()), ("sun_path", path.as_str().into())]);
        sys.call(Sysno::BIND, vec![fd.into(), address, (path.len() + 3).into()]).await?;
        sys.call(Sysno::LISTEN, vec![fd.into(), 1.into()]).await?;
        Ok(Console { path, fd })
    }

    async fn remove(&self, sys: &Sys) {
        // Both are there.
        let _ = sys.unlink(&self.path).await;
        let _ = sys.rmdir(self.path.trim_end_matches("/pty.sock")).await;
    }

    async fn receive(self, sys: &Sys) -> Result<i32, Errno> {
        let args = vec![self.fd.into(), Value::Null, Value::Null, o::CLOEXEC.into()];
        let peer = sys.call_int(Sysno::ACCEPT4, args).await? as i32;
        let master = sys.receive_fd(peer).await?;
        for fd in [peer, self.fd] {
            // Both are open.
            let _ = sys.close(fd).await;
        }
        self.remove(sys).await;
        Ok(master)
    }
}

/// Copies what is typed to the container's terminal, and what is shown there to the log and to whoever is attached, until
/// nobody has it open any more.
async fn relay(sys: &Sys, record: &Record, master: i32) {
    let log = sys.open(&record.log(), o::WRONLY | o::CREAT | o::APPEND | o::CLOEXEC, 0o640).await;
    if sys.isatty(0).await {
        sys.copy_window_size(0, master).await;
    }
    let mut input = Some(0);
    loop {
        match sys.pump(input, master, -1).await {
            Moved::Output(bytes) => {
                // Whoever was attached may be gone; the log is what counts.
                let _ = sys.write_all(1, &bytes).await;
                if let Ok(log) = &log {
                    write_log(sys, *log, "stdout", &bytes).await;
                }
            }
            Moved::Input(bytes) => drop(sys.write_all(master, &bytes).await),
            Moved::InputEnd => input = None,
            Moved::OutputEnd => break,
            Moved::Nothing => {}
        }
    }
    for fd in [Some(master), log.ok()].into_iter().flatten() {
        // Both are open.
        let _ = sys.close(fd).await;
    }
}

/// Copies both streams to the log and to whoever is attached, until nobody can write any more.
async fn follow(sys: &Sys, record: &Record, streams: &Streams) {
    let log = sys.open(&record.log(), o::WRONLY | o::CREAT | o::APPEND | o::CLOEXEC, 0o640).await;
    let mut open = vec![(streams.out, 1, "stdout"), (streams.err, 2, "stderr")];
    while !open.is_empty() {
        let entry = |fd: i32| Value::record([("fd", fd.into()), ("events", 1.into())]);
        let fds = Value::List(open.iter().map(|(fd, ..)| entry(*fd)).collect());
        let polled = sys.call(Sysno::POLL, vec![fds, open.len().into(), (-1).into()]).await;
        let Ok(polled) = polled else { continue };
        let ready: Vec<bool> = polled
            .output(0)
            .as_list()
            .unwrap_or_default()
            .iter()
            .map(|e| e.field("revents").and_then(Value::as_int).unwrap_or(0) != 0)
            .collect();
        let mut left = Vec::new();
        for ((fd, to, name), ready) in open.into_iter().zip(ready) {
            if !ready {
                left.push((fd, to, name));
                continue;
            }
            let bytes = sys.read(fd, 32_768).await.unwrap_or_default();
            if bytes.is_empty() {
                let _ = sys.close(fd).await;
                continue;
            }
            // Whoever was attached may be gone; the log is what counts.
            let _ = sys.write_all(to, &bytes).await;
            if let Ok(log) = &log {
                write_log(sys, *log, name, &bytes).await;
            }
            left.push((fd, to, name));
        }
        open = left;
    }
    if let Ok(log) = log {
        let _ = sys.close(log).await;
    }
}

/// One line of JSON for each line of output.
async fn write_log(sys: &Sys, log: i32, stream: &str, bytes: &[u8]) {
    let time = rfc3339_nano(sys.clock_gettime(0).await.unwrap_or(0));
    let text = String::from_utf8_lossy(bytes);
    let mut lines = String::new();
    for line in text.split_inclusive('\n') {
        let entry = Json::object([("log", line.into()), ("stream", stream.into()), ("time", time.as_str().into())]);
        lines.push_str(&entry.compact());
        lines.push('\n');
    }
    // A full disk loses the log, not the container.
    let _ = sys.write_all(log, lines.as_bytes()).await;
}

/// Takes the container apart: state, root file system, bundle; with `--rm` everything.
async fn clean_up(sys: &Sys, record: &mut Record, status: Option<i32>) {
    let id = record.id().to_owned();
    let bundle = format!("{BUNDLES}/{id}");
    if State::read(sys, RUNC_ROOT, &id).await.is_some() {
        let _ = runc(sys, &format!("{bundle}/log.json"), &["delete", "--force", &id], None).await;
    }
    // Each of these may be gone already.
    let _ = sys.umount2(&format!("{OVERLAY}/{id}/merged"), 2).await;
    let _ = remove_all(sys, &bundle).await;
    if record.auto_remove() {
        let _ = remove(sys, &id).await;
        return;
    }
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    let (name, code) = match status {
        Some(status) => ("exited", status),
        None => ("created", 127),
    };
    for (field, value) in [
        ("Status", Json::from(name)),
        ("Running", false.into()),
        ("Paused", false.into()),
        ("Pid", 0.into()),
        ("ShimPid", 0.into()),
        ("ExitCode", code.into()),
        ("FinishedAt", rfc3339_nano(now).as_str().into()),
    ] {
        record.set_state(field, value);
    }
    let _ = record.save(sys).await;
}

/// Removes everything that is left of a container.
///
/// # Errors
/// What docker says.
pub(super) async fn remove(sys: &Sys, id: &str) -> Result<(), String> {
    remove_all(sys, &format!("{OVERLAY}/{id}")).await?;
    remove_all(sys, &format!("{OVERLAY}/{id}-init")).await?;
    remove_all(sys, &format!("{}/{id}", super::CONTAINERS)).await
}
