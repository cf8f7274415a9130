//! `docker run`, `create` and `start`.

use super::super::golang::errno;
use super::super::json::Json;
use super::image::{self, Image, file};
use super::record::{Record, find, remove_all};
use super::security::Security;
use super::{BUNDLES, Docker, OVERLAY, bundle, failed, hex, mkdir_all};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};

/// Names for containers that are given none.
const LEFT: [&str; 8] = ["admiring", "brave", "clever", "eager", "focused", "gallant", "keen", "sharp"];
const RIGHT: [&str; 8] = ["babbage", "dijkstra", "goldberg", "hopper", "lovelace", "ritchie", "thompson", "turing"];

/// `docker run`
pub(super) async fn run(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let attached = !docker.has("detach");
    if attached && docker.has("tty") && docker.has("interactive") && !sys.isatty(0).await {
        sys.eprint("the input device is not a TTY\n").await;
        return Err(1);
    }
    let record = create(docker).await?;
    if docker.has("detach") {
        start(docker, &record, false).await?;
        sys.print(format!("{}\n", record.id())).await;
        return Ok(0);
    }
    start(docker, &record, true).await
}

/// `docker create`
pub(super) async fn create_only(docker: &Docker) -> Result<i32, i32> {
    let record = create(docker).await?;
    docker.sys.print(format!("{}\n", record.id())).await;
    Ok(0)
}

/// `docker start`
pub(super) async fn start_again(docker: &Docker) -> Result<i32, i32> {
    let mut result = 0;
    for name in &docker.args {
        let record = find(docker, name).await?;
        if !record.is_running() {
            match start(docker, &record, false).await {
                Ok(_) => {}
                Err(_) => result = 1,
            }
        }
        docker.sys.print(format!("{name}\n")).await;
    }
    Ok(result)
}

/// Makes everything that a container needs apart from its process.
async fn create(docker: &Docker) -> Result<Record, i32> {
    let sys = &docker.sys;
    let reference = docker.arg(0);
    let here = match Image::find(reference) {
        Some(image) => image::is_here(sys, image).await,
        None => false,
    };
    if !here {
        let name = if reference.contains(':') { reference.to_owned() } else { format!("{reference}:latest") };
        sys.flush().await;
        sys.eprint(format!("Unable to find image '{name}' locally\n")).await;
        image::pull(docker, reference).await?;
    }
    let Some(image) = Image::find(reference) else { return Err(125) };
    let others = Record::all(sys).await;
    let id = new_id(sys).await;
    let name = match docker.value("name") {
        Some(name) => name.to_owned(),
        None => {
            let pick = |i: usize| usize::from_str_radix(&id[i..i + 2], 16).unwrap_or(0) % 8;
            format!("{}_{}", LEFT[pick(0)], RIGHT[pick(2)])
        }
    };
    if let Some(other) = others.iter().find(|r| r.name() == name) {
        let message = format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
            other.id()
        );
        return Err(docker.daemon_error(&message).await);
    }
    match prepare(docker, image, &id, &name).await {
        Ok(record) => Ok(record),
        Err(message) => {
            // What has been made so far goes again.
            let _ = sys.umount2(&format!("{OVERLAY}/{id}/merged"), 0).await;
            let _ = remove_all(sys, &format!("{OVERLAY}/{id}")).await;
            let _ = remove_all(sys, &format!("{}/{id}", super::CONTAINERS)).await;
            Err(if message.is_empty() { 125 } else { docker.daemon_error(&message).await })
        }
    }
}

async fn new_id(sys: &Sys) -> String {
    let random = sys.call(Sysno::GETRANDOM, vec![Value::Null, 32.into(), 0.into()]).await;
    let bytes = random.ok().and_then(|r| r.output(0).as_bytes().map(<[u8]>::to_vec)).unwrap_or(vec![0; 32]);
    hex(&bytes)
}

async fn prepare(docker: &Docker, image: &Image, id: &str, name: &str) -> Result<Record, String> {
    let sys = &docker.sys;
    let dir = format!("{}/{id}", super::CONTAINERS);
    mkdir_all(sys, &dir).await.map_err(|e| failed("mkdir", &dir, e))?;
    let layer = format!("{OVERLAY}/{id}");
    layers(sys, image, &layer).await.map_err(|e| failed("mkdir", &layer, e))?;
    mount_layers(sys, image, &layer, None).await?;
    let rootfs = format!("{layer}/merged");
    let plan = bundle::plan(docker, image, id, &rootfs).await?;
    if let Some(label) = &plan.mount_label {
        Security::relabel_volumes(docker, label).await?;
        for name in ["hosts", "hostname", "resolv.conf"] {
            let path = format!("{dir}/{name}");
            file(sys, &path, 0o644, b"").await.map_err(|e| failed("open", &path, e))?;
            sys.set_file_label(&path, label, true).await.map_err(|e| failed("lsetxattr", &path, e))?;
        }
    }
    let hosts =
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{}\n", plan.hostname);
    for (name, text) in [
        ("hosts", hosts.as_str()),
        ("hostname", &format!("{}\n", plan.hostname)),
        ("resolv.conf", "# there is no network\n"),
    ] {
        let path = format!("{dir}/{name}");
        file(sys, &path, 0o644, text.as_bytes()).await.map_err(|e| failed("open", &path, e))?;
    }
    let cwd = docker.value("workdir").unwrap_or("/");
    if !cwd.starts_with('/') {
        return Err(format!("the working directory '{cwd}' is invalid, it needs to be an absolute path"));
    }
    if cwd != "/" {
        mkdir_all(sys, &format!("{rootfs}{cwd}")).await.map_err(|e| failed("mkdir", cwd, e))?;
    }
    let bundle = format!("{dir}/bundle.json");
    file(sys, &bundle, 0o644, plan.config.compact().as_bytes()).await.map_err(|e| failed("open", &bundle, e))?;
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    let record = bundle::record(docker, &plan, image, name, now);
    record.save(sys).await.map_err(errno)?;
    sys.umount2(&rootfs, 0).await.map_err(|e| failed("umount", &rootfs, e))?;
    Ok(record)
}

/// The writable layer of a container, and below it one with what every container has.
async fn layers(sys: &Sys, _: &Image, layer: &str) -> Result<(), Errno> {
    let init = format!("{layer}-init/diff");
    for dir in ["/dev", "/etc", "/proc", "/sys"] {
        mkdir_all(sys, &format!("{init}{dir}")).await?;
    }
    for name in ["/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        file(sys, &format!("{init}{name}"), 0o755, b"").await?;
    }
    sys.symlink("/proc/mounts", &format!("{init}/etc/mtab")).await?;
    for dir in ["diff", "work", "merged"] {
        mkdir_all(sys, &format!("{layer}/{dir}")).await?;
    }
    Ok(())
}

/// Mounts the layers of a container on top of each other.
///
/// # Errors
/// What docker says.
pub(super) async fn mount_layers(sys: &Sys, image: &Image, layer: &str, label: Option<&str>) -> Result<(), String> {
    let mut options =
        format!("lowerdir={layer}-init/diff:{}/diff,upperdir={layer}/diff,workdir={layer}/work", image.layer());
    if let Some(label) = label {
        options.push_str(&format!(",context=\"{label}\""));
    }
    let merged = format!("{layer}/merged");
    sys.mount("overlay", &merged, Some("overlay"), 0, Some(&options))
        .await
        .map_err(|e| format!("error creating overlay mount to {merged}: {}", errno(e)))
}

/// Starts the process of a container: the exit status, when its output is followed.
async fn start(docker: &Docker, record: &Record, attached: bool) -> Result<i32, i32> {
    let sys = &docker.sys;
    let Some(image) = Image::find(record.image()) else { return Err(125) };
    let layer = format!("{OVERLAY}/{}", record.id());
    let config = sys.read_file(&format!("{}/bundle.json", record.dir())).await.unwrap_or_default();
    let config = Json::parse(&config).unwrap_or(Json::Null);
    let label = config.at("linux.mountLabel").and_then(Json::as_str);
    if let Err(message) = mount_layers(sys, image, &layer, label).await {
        return Err(docker.daemon_error(&message).await);
    }
    let bundle = format!("{BUNDLES}/{}", record.id());
    let copied = match mkdir_all(sys, &bundle).await {
        Ok(()) => match sys.read_file(&format!("{}/bundle.json", record.dir())).await {
            Ok(text) => file(sys, &format!("{bundle}/config.json"), 0o600, text.as_bytes()).await,
            Err(e) => Err(e),
        },
        Err(e) => Err(e),
    };
    if let Err(e) = copied {
        return Err(docker.daemon_error(&failed("open", &bundle, e)).await);
    }
    sys.flush().await;
    let follow = match spawn_shim(docker, record, attached).await {
        Ok(fd) => fd,
        Err(e) => return Err(docker.daemon_error(&format!("failed to start shim: {}", errno(e))).await),
    };
    let set = |name: &str| record.0.at(name).and_then(Json::as_bool).unwrap_or(false);
    let raw = if attached && set("Config.Tty") && set("Config.OpenStdin") { sys.make_raw(0).await } else { None };
    let done = listen(docker, record, follow, attached).await;
    if let Some(old) = raw {
        // It was a terminal before.
        let _ = sys.set_terminal_modes(0, &old).await;
    }
    done
}

/// Starts the shim: twice forked, so that it belongs to nobody; what it reports comes through the descriptor.
async fn spawn_shim(docker: &Docker, record: &Record, attached: bool) -> Result<i32, Errno> {
    let sys = &docker.sys;
    let (reads, writes) = sys.pipe(0).await?;
    let child = sys.fork().await?;
    if child == 0 {
        // In a session of its own it does not get the signals of the terminal.
        let _ = sys.setsid().await;
        if !matches!(sys.fork().await, Ok(0)) {
            sys.exit(0).await;
        }
        let _ = sys.close(reads).await;
        if writes != 3 {
            let _ = sys.dup2(writes, 3).await;
            let _ = sys.close(writes).await;
        }
        let open_stdin = record.0.at("Config.OpenStdin").and_then(Json::as_bool).unwrap_or(false);
        if let Ok(null) = sys.open("/dev/null", o::RDWR, 0).await {
            if !(attached && open_stdin) {
                let _ = sys.dup2(null, 0).await;
            }
            if !attached {
                let _ = sys.dup2(null, 1).await;
                let _ = sys.dup2(null, 2).await;
            }
            let _ = sys.close(null).await;
        }
        let argv = ["containerd-shim-runc-v2", "-namespace", "moby", "-id", record.id()].map(str::to_owned);
        let e = sys.execve("/usr/bin/containerd-shim-runc-v2", &argv, sys.envp()).await;
        sys.eprint(format!("containerd-shim-runc-v2: {}\n", errno(e))).await;
        sys.exit(1).await;
    }
    sys.close(writes).await?;
    // The one in between has nothing else to do than to exit.
    let _ = sys.wait4(child, 0).await;
    Ok(reads)
}

/// Follows what the shim reports.
async fn listen(docker: &Docker, record: &Record, fd: i32, attached: bool) -> Result<i32, i32> {
    let sys = &docker.sys;
    if attached {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
            // These can be caught.
            let _ = sys.sigaction(signal, Disposition::Handler { restart: false }).await;
        }
    }
    let mut text = String::new();
    loop {
        while let Some((line, rest)) = text.split_once('\n') {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "started" if !attached => {
                    // It goes on by itself.
                    let _ = sys.close(fd).await;
                    return Ok(0);
                }
                "exit" => return Ok(value.parse().unwrap_or(125)),
                "error" => {
                    let message = value.to_owned();
                    docker.daemon_error(&message).await;
                    return Err(exit_status_of(&message));
                }
                _ => {}
            }
            text = rest.to_owned();
        }
        match sys.read(fd, 4096).await {
            Ok(bytes) if bytes.is_empty() => return Err(125),
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(Errno::EINTR) => {
                for signal in sys.take_caught() {
                    let pid = Record::load(sys, record.id()).await.map_or(0, |r| r.pid());
                    if pid > 0 {
                        // It may be gone by now.
                        let _ = sys.kill(pid, i64::from(signal.0)).await;
                    }
                }
            }
            Err(_) => return Err(125),
        }
    }
}

/// 127 when the program is not there, 126 when it cannot be run, 125 for everything else.
fn exit_status_of(message: &str) -> i32 {
    if message.contains("executable file not found") || message.contains("no such file or directory") {
        127
    } else if message.contains("permission denied") || message.contains("is a directory") {
        126
    } else {
        125
    }
}
