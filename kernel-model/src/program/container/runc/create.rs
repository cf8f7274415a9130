//! `runc create` and `runc run`: from a bundle to a process that waits at the fifo, and on to the program.

use super::super::golang::{errno, rfc3339_nano};
use super::super::json::Json;
use super::super::oci::{DeviceRule, Process, Spec};
use super::cgroup::Cgroup;
use super::console::HostConsole;
use super::init::{CONSOLE, FIFO, FROM_RUNC, TO_RUNC, hooks_to_json, ns_kind};
use super::state::{self, State, Status, is_name, remove_dir};
use super::sync::{Channel, Message};
use super::{Failed, Runc, hooks, lifecycle};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::{AT_FDCWD, WaitStatus, o, s};
use crate::syscall::identity::prctl::pr;
use crate::syscall::identity::rlimit::RESOURCE;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};

/// Signals that `runc run` and `runc exec` hand on to the container's process.
pub(super) const FORWARDED: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];

pub(super) async fn create(runc: &Runc) -> Result<i32, Failed> {
    let spec = load_spec(runc).await?;
    let terminal = spec.1.process.as_ref().is_some_and(|p| p.terminal);
    let console = HostConsole::find(runc, terminal, true).await?;
    start_container(runc, &spec.0, &spec.1, &console).await?;
    Ok(0)
}

pub(super) async fn run(runc: &Runc) -> Result<i32, Failed> {
    let (json, spec) = load_spec(runc).await?;
    let sys = &runc.sys;
    let terminal = spec.process.as_ref().is_some_and(|p| p.terminal);
    let console = HostConsole::find(runc, terminal, runc.has("detach")).await?;
    let state = start_container(runc, &json, &spec, &console).await?;
    let master = console.receive(sys).await?;
    lifecycle::release(sys, &state).await.map_err(|e| Failed::from(errno(e)))?;
    let state_now = state.oci(Status::Running, "");
    hooks::run(sys, &spec.hooks, "poststart", &state_now).await?;
    if runc.has("detach") {
        return Ok(0);
    }
    let status = console.wait(sys, master, state.pid()).await;
    if !runc.has("keep") {
        lifecycle::destroy(sys, &state).await?;
    }
    Ok(status)
}

/// Reads `config.json` of the bundle, in which `runc` then works.
async fn load_spec(runc: &Runc) -> Result<(Json, Spec), Failed> {
    let sys = &runc.sys;
    if runc.has("preserve-fds") {
        return Err("not modelled in Ringside: --preserve-fds".into());
    }
    if let Some(bundle) = runc.value("bundle") {
        sys.chdir(bundle).await.map_err(|e| format!("chdir {bundle}: {}", errno(e)))?;
    }
    let text = match sys.read_file("config.json").await {
        Ok(text) => text,
        Err(Errno::ENOENT) => return Err("JSON specification file config.json not found".into()),
        Err(e) => return Err(format!("open config.json: {}", errno(e)).into()),
    };
    let spec = Spec::parse(&text)?;
    check_process(spec.process.as_ref())?;
    Ok((Json::parse(&text)?, spec))
}

/// What a process must have (`validateProcessSpec`).
pub(super) fn check_process(process: Option<&Process>) -> Result<(), String> {
    let Some(process) = process else { return Err("process property must not be empty".to_owned()) };
    match process {
        p if p.cwd.is_empty() => Err("Cwd property must not be empty".to_owned()),
        p if !p.cwd.starts_with('/') => Err("Cwd must be an absolute path".to_owned()),
        p if p.args.is_empty() => Err("args must not be empty".to_owned()),
        _ => Ok(()),
    }
}

/// What cannot work (`validate.Validate`).
async fn validate(sys: &Sys, spec: &Spec, rootfs: &str) -> Result<(), String> {
    sys.stat(rootfs).await.map_err(|e| format!("invalid rootfs: stat {rootfs}: {}", errno(e)))?;
    if sys.readlink(rootfs).await.is_ok() {
        return Err("invalid rootfs: not an absolute path, or a symlink".to_owned());
    }
    let linux = &spec.linux;
    for (i, (kind, path)) in linux.namespaces.iter().enumerate() {
        let Some(known) = ns_kind(kind) else { return Err(format!("namespace \"{kind}\" does not exist")) };
        if linux.namespaces[..i].iter().any(|(k, _)| k == kind) {
            return Err(format!("malformed spec file: duplicated ns {{\"{kind}\" \"{path}\"}}"));
        }
        if known == crate::namespace::NsKind::Time {
            return Err("not modelled in Ringside: a time namespace".to_owned());
        }
    }
    let private = |kind: &str| linux.namespaces.iter().any(|(k, _)| k == kind);
    if !spec.hostname.is_empty() && !private("uts") {
        return Err("unable to set hostname without a private UTS namespace".to_owned());
    }
    let restricts = !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty();
    if restricts && !private("mount") {
        return Err("unable to restrict sys entries without a private MNT namespace".to_owned());
    }
    let labels = !linux.mount_label.is_empty() || spec.process.as_ref().is_some_and(|p| !p.selinux_label.is_empty());
    if labels && sys.stat("/sys/fs/selinux/enforce").await.is_err() {
        return Err("selinux label is specified in config, but selinux is disabled or not supported".to_owned());
    }
    if let Some(filter) = &linux.seccomp {
        super::seccomp::parse(filter)?;
    }
    if private("user") {
        let joined = linux.namespaces.iter().any(|(k, path)| k == "user" && !path.is_empty());
        if !joined && (linux.uid_mappings.is_empty() || linux.gid_mappings.is_empty()) {
            return Err("user namespaces enabled, but no uid/gid mappings specified".to_owned());
        }
    } else if !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty() {
        return Err("user namespace mappings specified, but USER namespace isn't enabled in the config".to_owned());
    }
    Ok(())
}

/// Makes the container up to the fifo. When it fails nothing of it is left.
async fn start_container(runc: &Runc, json: &Json, spec: &Spec, console: &HostConsole) -> Result<State, Failed> {
    let sys = &runc.sys;
    let id = runc.id();
    if !is_name(id) {
        return Err("invalid container ID format".into());
    }
    let bundle = sys.getcwd().await.map_err(errno)?;
    let root_path = spec.root.as_ref().map_or("", |(path, _)| path.as_str());
    if root_path.is_empty() {
        return Err("root must be specified".into());
    }
    let rootfs = if root_path.starts_with('/') { root_path.to_owned() } else { format!("{bundle}/{root_path}") };
    super::mounts::mkdir_all(sys, &runc.root).await.map_err(|e| format!("mkdir {}: {}", runc.root, errno(e)))?;
    validate(sys, spec, rootfs.trim_end_matches('/')).await?;
    let cgroup = Cgroup::find(sys, id, &spec.linux.cgroups_path).await?;
    let dir = format!("{}/{id}", runc.root);
    match sys.mkdir(&dir, 0o711).await {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Err("container with given ID already exists".into()),
        Err(e) => return Err(format!("mkdir {dir}: {}", errno(e)).into()),
    }
    let ids = (sys.geteuid().await, sys.getegid().await);
    sys.fchownat(AT_FDCWD, &dir, ids.0, ids.1, 0).await.map_err(errno)?;
    if !runc.has("no-subreaper") {
        // So that the process, whose makers exit, becomes a child of `runc`.
        sys.prctl(pr::SET_CHILD_SUBREAPER, [1, 0, 0, 0]).await.map_err(errno)?;
    }
    let new = Container { runc, json, spec, id, bundle, rootfs, dir: dir.clone(), cgroup, console };
    match new.start().await {
        Ok(state) => Ok(state),
        Err(failed) => {
            new.cgroup.destroy(sys).await;
            // The first failure is what matters.
            let _ = remove_dir(sys, &dir).await;
            Err(failed.within("unable to start container process"))
        }
    }
}

/// A container that is being made.
struct Container<'a> {
    runc: &'a Runc,
    json: &'a Json,
    spec: &'a Spec,
    id: &'a str,
    bundle: String,
    rootfs: String,
    dir: String,
    cgroup: Cgroup,
    console: &'a HostConsole,
}

impl Container<'_> {
    async fn start(&self) -> Result<State, Failed> {
        let sys = &self.runc.sys;
        let fifo = self.make_fifo().await.map_err(errno)?;
        let (mut init, helper) =
            spawn_init(sys, &self.rootfs, &self.dir, "standard", (Some(fifo), self.console.for_init())).await?;
        self.cgroup.apply(sys, helper).await?;
        init.send(&self.bootstrap()).await.map_err(errno)?;
        let pid = wait_for_birth(sys, &mut init, helper).await?;
        let done = self.converse(&mut init, pid).await;
        match done {
            Ok(state) => {
                init.close().await;
                // It is open.
                let _ = sys.close(fifo).await;
                self.write_pid_file(pid).await?;
                Ok(state)
            }
            Err(failed) => {
                // It may have exited by itself.
                let _ = sys.kill(pid, 9).await;
                let _ = sys.wait4(pid, 0).await;
                Err(failed)
            }
        }
    }

    /// The fifo at which the container's process waits.
    async fn make_fifo(&self) -> Result<i32, Errno> {
        let sys = &self.runc.sys;
        let path = format!("{}/exec.fifo", self.dir);
        let old = sys.umask(0).await?;
        let made = sys.mknod(&path, s::IFIFO | 0o622, 0).await;
        sys.umask(old).await?;
        made?;
        sys.fchownat(AT_FDCWD, &path, sys.geteuid().await, sys.getegid().await, 0).await?;
        sys.open(&path, o::PATH | o::CLOEXEC, 0).await
    }

    /// What the first generations have to know.
    fn bootstrap(&self) -> Json {
        let linux = &self.spec.linux;
        let new = linux.namespaces.iter().filter(|(_, path)| path.is_empty());
        let flags = new.filter_map(|(kind, _)| ns_kind(kind)).fold(0, |flags, kind| flags | kind.clone_flag());
        let join = linux.namespaces.iter().filter(|(_, path)| !path.is_empty());
        let join = join.map(|(kind, path)| (kind.clone(), path.as_str().into())).collect();
        let map = |ranges: &[super::super::oci::IdMapping]| {
            let line = |m: &super::super::oci::IdMapping| format!("{} {} {}\n", m.container_id, m.host_id, m.size);
            Json::str(ranges.iter().map(line).collect::<String>())
        };
        let mut json = Json::object([
            ("clone_flags", (flags as i64).into()),
            ("uid_map", map(&linux.uid_mappings)),
            ("gid_map", map(&linux.gid_mappings)),
            ("namespaces", Json::Object(join)),
        ]);
        if let Some(score) = self.spec.process.as_ref().and_then(|p| p.oom_score_adj) {
            json.set("oom_score_adj", score.into());
        }
        json
    }

    /// The steps that `runc` and the container's process take in turn.
    async fn converse(&self, init: &mut Channel, pid: i32) -> Result<State, Failed> {
        let sys = &self.runc.sys;
        let created = rfc3339_nano(sys.clock_gettime(0).await.unwrap_or(0));
        let start = state::process_start(sys, pid).await.map_or(0, |(_, began)| began);
        let state = self.state(pid, start, &created);
        let mut config = Json::object([
            ("type", "standard".into()),
            ("args", Json::List(Vec::new())),
            ("id", self.id.into()),
            ("rootfs", self.rootfs.as_str().into()),
            ("spec", self.json.clone()),
            ("cgroup_paths", paths_to_json(&self.cgroup)),
            ("state", state.oci(Status::Created, "")),
        ]);
        if self.runc.has("no-pivot") {
            config.set("no_pivot_root", true.into());
        }
        init.send(&config).await.map_err(errno)?;
        let in_init = |f: Failed| f.within("error during container init");
        init.expect("procHooks").await.map_err(in_init)?;
        let mut resources = self.spec.linux.resources.clone();
        resources.devices = device_rules(self.spec);
        self.cgroup
            .set(sys, &resources)
            .await
            .map_err(|e| in_init(format!("error setting cgroup config for procHooks process: {e}").into()))?;
        for stage in ["prestart", "createRuntime"] {
            hooks::run(sys, &self.spec.hooks, stage, &state.oci(Status::Created, ""))
                .await
                .map_err(|e| in_init(e.into()))?;
        }
        init.step("procResume").await.map_err(errno)?;
        init.expect("procReady").await.map_err(in_init)?;
        set_rlimits(sys, pid, self.spec.process.as_ref()).await?;
        state.save(sys).await.map_err(errno)?;
        init.step("procRun").await.map_err(errno)?;
        // It closes its end when nothing more can go wrong before the program.
        match init.receive().await {
            Ok(None) => Ok(state),
            Ok(Some(Message::Failed(message))) => Err(message.into()),
            _ => Err("could not synchronise with container process".into()),
        }
    }

    fn state(&self, pid: i32, start: i64, created: &str) -> State {
        let linux = &self.spec.linux;
        let joined = linux.namespaces.iter().map(|(kind, path)| {
            let name = ns_kind(kind).map_or("", |k| k.name());
            let flag = if name == "mnt" { "NEWNS".to_owned() } else { format!("NEW{}", name.to_uppercase()) };
            Json::object([("type", flag.as_str().into()), ("path", path.as_str().into())])
        });
        let process = self.spec.process.clone().unwrap_or_default();
        let mut config = Json::object([
            ("rootfs", self.rootfs.as_str().into()),
            ("readonlyfs", self.spec.root.as_ref().is_some_and(|(_, ro)| *ro).into()),
            ("hostname", self.spec.hostname.as_str().into()),
            ("namespaces", Json::List(joined.collect())),
            ("no_new_privileges", process.no_new_privileges.into()),
            ("Hooks", hooks_to_json(&self.spec.hooks)),
            ("labels", Json::strings([format!("bundle={}", self.bundle)])),
        ]);
        if let Some(filter) = &linux.seccomp {
            config.set("seccomp", filter.clone());
        }
        let namespace_paths =
            crate::namespace::NsKind::ALL.iter().filter(|k| **k != crate::namespace::NsKind::Time).map(|k| {
                let name =
                    if k.name() == "mnt" { "NEWNS".to_owned() } else { format!("NEW{}", k.name().to_uppercase()) };
                (name, Json::str(format!("/proc/{pid}/ns/{}", k.name())))
            });
        let json = Json::object([
            ("id", self.id.into()),
            ("init_process_pid", pid.into()),
            ("init_process_start", start.into()),
            ("created", created.into()),
            ("config", config),
            ("rootless", false.into()),
            ("cgroup_paths", paths_to_json(&self.cgroup)),
            ("namespace_paths", Json::Object(namespace_paths.collect())),
        ]);
        State { json, dir: self.dir.clone() }
    }

    async fn write_pid_file(&self, pid: i32) -> Result<(), Failed> {
        match self.runc.value("pid-file") {
            Some(path) => write_pid(&self.runc.sys, path, pid).await,
            None => Ok(()),
        }
    }
}

/// Writes a pid into a file, without a newline.
pub(super) async fn write_pid(sys: &Sys, path: &str, pid: i32) -> Result<(), Failed> {
    let failed = |e: Errno| Failed::from(format!("open {path}: {}", errno(e)));
    let fd = sys.open(path, o::RDWR | o::CREAT | o::TRUNC | o::CLOEXEC, 0o666).await.map_err(failed)?;
    sys.write_all(fd, pid.to_string().as_bytes()).await.map_err(failed)?;
    sys.close(fd).await.map_err(failed)
}

fn paths_to_json(cgroup: &Cgroup) -> Json {
    Json::Object(cgroup.paths.iter().map(|(name, path)| (name.clone(), path.as_str().into())).collect())
}

/// Starts `runc init`: our side of the conversation, and the pid of the first generation.
pub(super) async fn spawn_init(
    sys: &Sys,
    dir: &str,
    state_dir: &str,
    kind: &str,
    (fifo, console): (Option<i32>, Option<i32>),
) -> Result<(Channel, i32), Failed> {
    let (child_in, out) = sys.pipe(o::CLOEXEC).await.map_err(errno)?;
    let (reads, child_out) = sys.pipe(o::CLOEXEC).await.map_err(errno)?;
    let pid = sys.fork().await.map_err(errno)?;
    if pid == 0 {
        let e = become_init(sys, (dir, state_dir), kind, [child_in, child_out], (fifo, console)).await;
        sys.eprint(format!("fork/exec /proc/self/exe: {}\n", errno(e))).await;
        sys.exit(1).await;
    }
    for fd in [child_in, child_out] {
        // Both are open.
        let _ = sys.close(fd).await;
    }
    Ok((Channel::new(sys, reads, out), pid))
}

async fn become_init(
    sys: &Sys,
    (dir, state_dir): (&str, &str),
    kind: &str,
    pipes: [i32; 2],
    (fifo, console): (Option<i32>, Option<i32>),
) -> Errno {
    if let Err(e) = sys.chdir(dir).await {
        return e;
    }
    // First out of the way, then into place: the numbers may be each other's.
    let mut moved = Vec::new();
    let wanted = [(Some(pipes[0]), FROM_RUNC), (Some(pipes[1]), TO_RUNC), (fifo, FIFO), (console, CONSOLE)];
    for (fd, place) in wanted.into_iter().filter_map(|(fd, place)| Some((fd?, place))) {
        const F_DUPFD_CLOEXEC: i64 = 1030;
        match sys.fcntl(fd, F_DUPFD_CLOEXEC, 20).await {
            Ok(copy) => moved.push((copy as i32, place)),
            Err(e) => return e,
        }
    }
    for (fd, place) in moved {
        if let Err(e) = sys.call(Sysno::DUP3, vec![fd.into(), place.into(), 0.into()]).await {
            return e;
        }
    }
    let mut env = vec![
        format!("_LIBCONTAINER_INITPIPE={FROM_RUNC}"),
        format!("_LIBCONTAINER_STATEDIR={state_dir}"),
        format!("_LIBCONTAINER_INITTYPE={kind}"),
    ];
    env.extend(console.map(|_| format!("_LIBCONTAINER_CONSOLE={CONSOLE}")));
    sys.execve("/proc/self/exe", &["runc".to_owned(), "init".to_owned()], &env).await
}

/// Waits until the last generation is born, and for the two that made it to exit: its pid.
pub(super) async fn wait_for_birth(sys: &Sys, init: &mut Channel, helper: i32) -> Result<i32, Failed> {
    let pids = match init.data().await {
        Ok(pids) => pids,
        Err(failed) => {
            // They exit by themselves after saying why.
            while sys.wait4(-1, 0).await.is_ok() {}
            return Err(failed);
        }
    };
    let pid = |name: &str| pids.get(name).and_then(Json::as_int).unwrap_or(0) as i32;
    for made in [pid("stage1_pid"), helper] {
        while sys.wait4(made, 0).await == Err(Errno::EINTR) {}
    }
    Ok(pid("stage2_pid"))
}

/// Sets the limits of a process from outside.
pub(super) async fn set_rlimits(sys: &Sys, pid: i32, process: Option<&Process>) -> Result<(), Failed> {
    for (kind, soft, hard) in process.map(|p| p.rlimits.as_slice()).unwrap_or_default() {
        let Some((_, number)) = RESOURCE.iter().find(|(name, _)| name == kind) else {
            return Err(format!("wrong rlimit value: {kind}").into());
        };
        let new = Value::record([("rlim_cur", (*soft).into()), ("rlim_max", (*hard).into())]);
        let args = vec![pid.into(), (*number).into(), new, Value::Null];
        let set = sys.call(Sysno::PRLIMIT64, args).await;
        set.map_err(|e| {
            format!("error setting rlimits for ready process: error setting rlimit type {number}: {}", errno(e))
        })?;
    }
    Ok(())
}

/// What may be done with devices: everything is denied, then the usual ones and those asked for are allowed.
fn device_rules(spec: &Spec) -> Vec<DeviceRule> {
    let rule =
        |kind, major, minor, access: &str| DeviceRule { allow: true, kind, major, minor, access: access.to_owned() };
    let mut rules: Vec<DeviceRule> = spec.linux.resources.devices.clone();
    if rules.iter().any(|r| r.kind == 'a' && r.allow) {
        return rules;
    }
    rules.push(rule('b', None, None, "m"));
    rules.push(rule('c', None, None, "m"));
    for (_, major, minor) in super::rootfs::DEVICES {
        rules.push(rule('c', Some(i64::from(major)), Some(i64::from(minor)), "rwm"));
    }
    rules.push(rule('c', Some(136), None, "rwm"));
    rules.push(rule('c', Some(5), Some(2), "rwm"));
    rules.push(rule('c', Some(10), Some(200), "rwm"));
    for device in &spec.linux.devices {
        let (major, minor) = (i64::from(device.major), i64::from(device.minor));
        rules.push(rule(device.kind, Some(major), Some(minor), "rwm"));
    }
    rules.dedup();
    rules
}

/// Waits for the process and hands signals on to it meanwhile: the exit status.
pub(super) async fn wait(sys: &Sys, pid: i32) -> i32 {
    for signal in FORWARDED {
        // These can be caught.
        let _ = sys.sigaction(signal, Disposition::Handler { restart: false }).await;
    }
    loop {
        match sys.wait4(-1, 0).await {
            Ok((dead, status)) if dead == pid => return exit_status(status),
            // An orphan that came here because `runc` is a subreaper.
            Ok(_) => {}
            Err(Errno::EINTR) => {
                for signal in sys.take_caught() {
                    // It may be gone by now.
                    let _ = sys.kill(pid, i64::from(signal.0)).await;
                }
            }
            Err(_) => return 255,
        }
    }
}

fn exit_status(status: WaitStatus) -> i32 {
    status.shell_status()
}
