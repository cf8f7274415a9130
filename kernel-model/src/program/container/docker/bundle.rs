//! From options to `config.json`: the walls that docker puts up unless it is told otherwise.

use super::super::json::Json;
use super::super::runc::update_size as size;
use super::Docker;
use super::image::Image;
use super::record::{Record, find};
use super::security::Security;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::security::capability::{Cap, NAMES};

/// What root in a container keeps (`caps.DefaultCapabilities`).
const CAPABILITIES: [Cap; 14] = [
    Cap::CHOWN,
    Cap::DAC_OVERRIDE,
    Cap::FSETID,
    Cap::FOWNER,
    Cap::MKNOD,
    Cap::NET_RAW,
    Cap::SETGID,
    Cap::SETUID,
    Cap::SETFCAP,
    Cap::SETPCAP,
    Cap::NET_BIND_SERVICE,
    Cap::SYS_CHROOT,
    Cap::KILL,
    Cap::AUDIT_WRITE,
];

const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Everything that a bundle needs.
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) hostname: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) terminal: bool,
    pub(super) config: Json,
    /// The SELinux label of its files.
    pub(super) mount_label: Option<String>,
}

/// Builds the `config.json` of a container whose root file system is mounted at `rootfs`.
///
/// # Errors
/// What docker says.
pub(super) async fn plan(docker: &Docker, image: &Image, id: &str, rootfs: &str) -> Result<Plan, String> {
    let sys = &docker.sys;
    let privileged = docker.has("privileged");
    let hostname = docker.value("hostname").map_or_else(|| id[..12].to_owned(), str::to_owned);
    let mut env = image.env();
    env.push(format!("HOSTNAME={hostname}"));
    if docker.has("tty") {
        env.push("TERM=xterm".to_owned());
    }
    for variable in docker.values("env") {
        match variable.split_once('=') {
            Some((name, _)) => {
                env.retain(|v| !v.starts_with(&format!("{name}=")));
                env.push(variable.to_owned());
            }
            None => env.extend(sys.env(variable).map(|value| format!("{variable}={value}"))),
        }
    }
    let mut args: Vec<String> = docker.args[1..].to_vec();
    if let Some(entrypoint) = docker.value("entrypoint").filter(|e| !e.is_empty()) {
        args.insert(0, entrypoint.to_owned());
    } else if args.is_empty() {
        args = image.cmd.iter().map(|w| (*w).to_owned()).collect();
    }
    let user = user(sys, rootfs, docker.value("user").unwrap_or("")).await?;
    let set = capability_set(docker, privileged)?;
    let caps = capabilities(docker, &set);
    let security = Security::find(docker, id, privileged, &set).await?;
    let mut process = Json::object([
        ("terminal", docker.has("tty").into()),
        ("user", user),
        ("args", Json::strings(&args)),
        ("env", Json::strings(&env)),
        ("cwd", docker.value("workdir").unwrap_or("/").into()),
        ("capabilities", caps),
        ("noNewPrivileges", security.no_new_privileges.into()),
        ("oomScoreAdj", docker.value("oom-score-adj").and_then(|n| n.parse::<i64>().ok()).unwrap_or(0).into()),
    ]);
    if let Some(profile) = &security.apparmor {
        process.set("apparmorProfile", profile.as_str().into());
    }
    let limits = docker.values("ulimit").map(ulimit).collect::<Result<Vec<_>, _>>()?;
    process.set("rlimits", Json::List(limits));
    if let Some(label) = &security.process_label {
        process.set("selinuxLabel", label.as_str().into());
    }
    let shared = Shared::find(docker).await?;
    let mut config = Json::object([
        ("ociVersion", super::super::oci::VERSION.into()),
        ("process", process),
        ("root", Json::object([("path", rootfs.into()), ("readonly", docker.has("read-only").into())])),
    ]);
    if shared.uts.is_none() {
        config.set("hostname", hostname.as_str().into());
    }
    config.set("mounts", mounts(docker, id, privileged, &shared)?);
    config.set("linux", linux(docker, id, privileged, &shared, &security)?);
    let mount_label = security.mount_label.clone();
    Ok(Plan { id: id.to_owned(), hostname, args, env, terminal: docker.has("tty"), config, mount_label })
}

/// Namespaces that are not the container's own: the kind's file, or `host`.
#[derive(Default)]
struct Shared {
    pid: Option<String>,
    ipc: Option<String>,
    uts: Option<String>,
    network: Option<String>,
    cgroup: Option<String>,
}

const HOST: &str = "host";

impl Shared {
    async fn find(docker: &Docker) -> Result<Shared, String> {
        let mut shared = Shared::default();
        let network = docker.value("network").or(docker.value("net")).unwrap_or("none");
        for (option, mode, file, place) in [
            ("pid", docker.value("pid"), "pid", &mut shared.pid),
            ("ipc", docker.value("ipc"), "ipc", &mut shared.ipc),
            ("uts", docker.value("uts"), "uts", &mut shared.uts),
            ("network", Some(network), "net", &mut shared.network),
            ("cgroupns", docker.value("cgroupns"), "cgroup", &mut shared.cgroup),
        ] {
            *place = match mode {
                None | Some("" | "private" | "none" | "shareable") => None,
                Some(HOST) => Some(HOST.to_owned()),
                Some(mode) => match mode.strip_prefix("container:") {
                    Some(name) => {
                        let record = find(docker, name).await.map_err(|_| String::new())?;
                        if !record.is_running() {
                            return Err(format!("cannot join {option} of a non running container: {}", record.id()));
                        }
                        Some(format!("/proc/{}/ns/{file}", record.pid()))
                    }
                    None if option == "network" && (mode == "bridge" || mode == "default") => {
                        return Err(
                            "not modelled in Ringside: --network bridge; use none, host or container:NAME".into()
                        );
                    }
                    None if option == "network" => return Err(format!("network {mode} not found")),
                    None => return Err(format!("invalid {option} mode: {mode}")),
                },
            };
        }
        if docker.value("userns").is_some_and(|u| u != HOST && !u.is_empty()) {
            return Err("invalid userns mode".to_owned());
        }
        // With version 1 of control groups containers share the machine's cgroup namespace unless asked otherwise.
        let unified = docker.sys.statfs("/sys/fs/cgroup").await.is_ok_and(|st| st.f_type == 0x6367_7270);
        if docker.value("cgroupns").is_none() && (!unified || docker.has("privileged")) {
            shared.cgroup = Some(HOST.to_owned());
        }
        Ok(shared)
    }
}

/// The user of the process, looked up in the container's own files.
async fn user(sys: &Sys, rootfs: &str, text: &str) -> Result<Json, String> {
    let read = |name: &str| format!("{rootfs}/etc/{name}");
    let passwd = sys.read_file(&read("passwd")).await.unwrap_or_default();
    let group = sys.read_file(&read("group")).await.unwrap_or_default();
    let accounts = Accounts::parse(&passwd, &group);
    let (user, gid) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
    let (uid, own_gid) = match (user, user.parse::<u32>()) {
        ("", _) => (0, 0),
        (_, Ok(uid)) => (uid, accounts.user_by_id(uid).map_or(0, |u| u.gid)),
        (name, Err(_)) => match accounts.user(name) {
            Some(user) => (user.uid, user.gid),
            None => return Err(format!("unable to find user {name}: no matching entries in passwd file")),
        },
    };
    let gid = match gid {
        None => own_gid,
        Some(text) => match text.parse::<u32>().ok().or(accounts.group(text).map(|g| g.gid)) {
            Some(gid) => gid,
            None => return Err(format!("unable to find group {text}: no matching entries in group file")),
        },
    };
    Ok(Json::object([("uid", uid.into()), ("gid", gid.into()), ("additionalGids", Json::List(vec![gid.into()]))]))
}

/// The capabilities of a container (`TweakCapabilities`).
fn capability_set(docker: &Docker, privileged: bool) -> Result<Vec<Cap>, String> {
    let all = || (0..NAMES.len() as u8).map(Cap);
    let named = |text: &str| Cap::from_name(text).ok_or(format!("invalid capability: \"{}\"", text.to_uppercase()));
    let is_all = |text: &str| text.eq_ignore_ascii_case("all");
    let mut set: Vec<Cap> = if privileged { all().collect() } else { CAPABILITIES.to_vec() };
    if docker.values("cap-add").any(is_all) {
        set = all().collect();
    }
    if docker.values("cap-drop").any(is_all) {
        set.clear();
    }
    for text in docker.values("cap-drop").filter(|t| !is_all(t)) {
        let cap = named(text)?;
        set.retain(|c| *c != cap);
    }
    for text in docker.values("cap-add").filter(|t| !is_all(t)) {
        let cap = named(text)?;
        if !set.contains(&cap) {
            set.push(cap);
        }
    }
    Ok(set)
}

fn capabilities(docker: &Docker, set: &[Cap]) -> Json {
    let names = Json::strings(set.iter().map(|c| c.name()));
    let user = docker.value("user").unwrap_or("");
    let is_root = matches!(user.split(':').next(), None | Some("" | "0" | "root"));
    // Who is not root keeps nothing over execve(2), but may have it again through a set-user-ID program.
    let effective = if is_root { names.clone() } else { Json::List(Vec::new()) };
    Json::object([("bounding", names), ("effective", effective.clone()), ("permitted", effective)])
}

fn ulimit(text: &str) -> Result<Json, String> {
    let wrong = || format!("invalid argument \"{text}\" for \"--ulimit\" flag: invalid ulimit argument: {text}");
    let (kind, value) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    let number = |t: &str| t.parse::<i64>().map_err(|_| wrong());
    Ok(Json::object([
        ("type", format!("RLIMIT_{}", kind.to_uppercase()).as_str().into()),
        ("hard", number(hard)?.into()),
        ("soft", number(soft)?.into()),
    ]))
}

fn mount(destination: &str, fstype: &str, source: &str, options: &[&str]) -> Json {
    Json::object([
        ("destination", destination.into()),
        ("type", fstype.into()),
        ("source", source.into()),
        ("options", Json::strings(options)),
    ])
}

/// `ro` or `rw` of a volume's mode; `z` and `Z`, which ask for another label, may stand beside it.
fn volume_mode(mode: &str) -> Option<&'static str> {
    let mut access = "rw";
    for word in mode.split(',') {
        match word {
            "ro" => access = "ro",
            "rw" | "z" | "Z" => {}
            _ => return None,
        }
    }
    Some(access)
}

fn mounts(docker: &Docker, id: &str, privileged: bool, shared: &Shared) -> Result<Json, String> {
    let read_only = if privileged { "rw" } else { "ro" };
    let mut all = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", read_only]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &[read_only, "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    if shared.ipc.is_some() {
        all.push(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "rprivate"]));
    } else {
        all.push(mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]));
    }
    for name in ["resolv.conf", "hostname", "hosts"] {
        let source = format!("{}/{id}/{name}", super::CONTAINERS);
        all.push(mount(&format!("/etc/{name}"), "bind", &source, &["rbind", "rprivate"]));
    }
    for volume in docker.values("volume") {
        let parts: Vec<&str> = volume.split(':').collect();
        let (source, destination, mode) = match parts.as_slice() {
            [source, destination] => (*source, *destination, "rw"),
            [source, destination, mode] if volume_mode(mode).is_some() => {
                (*source, *destination, volume_mode(mode).unwrap_or("rw"))
            }
            [_, _, mode] => return Err(format!("invalid mode: {mode}")),
            _ => return Err("not modelled in Ringside: anonymous volumes".to_owned()),
        };
        if !source.starts_with('/') {
            return Err("not modelled in Ringside: named volumes; use a path".to_owned());
        }
        if !destination.starts_with('/') {
            return Err(format!(
                "invalid volume specification: '{volume}': invalid mount config for type \"bind\": invalid mount path: '{destination}' mount path must be absolute"
            ));
        }
        all.push(mount(destination, "bind", source, &["rbind", mode, "rprivate"]));
    }
    for tmpfs in docker.values("tmpfs") {
        let (destination, more) = tmpfs.split_once(':').unwrap_or((tmpfs, ""));
        let mut options = vec!["noexec", "nosuid", "nodev"];
        options.extend(more.split(',').filter(|o| !o.is_empty()));
        all.push(mount(destination, "tmpfs", "tmpfs", &options));
    }
    Ok(Json::List(all))
}

fn linux(docker: &Docker, id: &str, privileged: bool, shared: &Shared, security: &Security) -> Result<Json, String> {
    let mut namespaces = vec![Json::object([("type", "mount".into())])];
    for (kind, other) in [
        ("network", &shared.network),
        ("uts", &shared.uts),
        ("pid", &shared.pid),
        ("ipc", &shared.ipc),
        ("cgroup", &shared.cgroup),
    ] {
        match other.as_deref() {
            None => namespaces.push(Json::object([("type", kind.into())])),
            Some(HOST) => {}
            Some(path) => namespaces.push(Json::object([("type", kind.into()), ("path", path.into())])),
        }
    }
    let mut linux = Json::object([
        ("resources", resources(docker, privileged)?),
        ("cgroupsPath", format!("/docker/{id}").as_str().into()),
        ("namespaces", Json::List(namespaces)),
    ]);
    let mut sysctl = Vec::new();
    for setting in docker.values("sysctl") {
        let (name, value) = setting.split_once('=').ok_or(format!("sysctl '{setting}' is not allowed"))?;
        sysctl.push((name.to_owned(), value.into()));
    }
    linux.set("sysctl", Json::Object(sysctl));
    if !privileged && !security.all_paths {
        linux.set("maskedPaths", Json::strings(MASKED));
        linux.set("readonlyPaths", Json::strings(READ_ONLY));
    }
    if let Some(filter) = &security.seccomp {
        linux.set("seccomp", filter.clone());
    }
    if let Some(label) = &security.mount_label {
        linux.set("mountLabel", label.as_str().into());
    }
    Ok(linux)
}

fn resources(docker: &Docker, privileged: bool) -> Result<Json, String> {
    let rule = |allow: bool, access: &str| Json::object([("allow", allow.into()), ("access", access.into())]);
    let mut all = Json::object([("devices", Json::List(vec![rule(privileged, "rwm")]))]);
    let bytes = |name: &str| match docker.value(name) {
        None => Ok(None),
        Some(text) => match size(text) {
            Some(n) => Ok(Some(n)),
            None => Err(format!("invalid argument \"{text}\" for \"--{name}\" flag: invalid size: '{text}'")),
        },
    };
    let number = |name: &str| match docker.value(name) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(n) => Ok(Some(n)),
            Err(_) => Err(format!(
                "invalid argument \"{text}\" for \"--{name}\" flag: strconv.ParseInt: parsing \"{text}\": invalid syntax"
            )),
        },
    };
    let mut memory = Vec::new();
    let limit = bytes("memory")?;
    if limit.is_some_and(|n| n < 6 << 20) {
        return Err("Minimum memory limit allowed is 6MB".to_owned());
    }
    // Unless it is told otherwise, as much swap again.
    let swap = bytes("memory-swap")?.or(limit.map(|n| n * 2)).filter(|_| limit.is_some());
    for (name, value) in [("limit", limit), ("reservation", bytes("memory-reservation")?), ("swap", swap)] {
        memory.extend(value.map(|n| (name.to_owned(), Json::from(n))));
    }
    let mut cpu = Vec::new();
    if let Some(text) = docker.value("cpus") {
        let wrong =
            || format!("invalid argument \"{text}\" for \"--cpus\" flag: failed to parse {text} as a rational number");
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let thousandths = format!("{part:0<5}");
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
        let part: i64 = thousandths[..5].parse().map_err(|_| wrong())?;
        if whole > 2 || (whole == 2 && part > 0) {
            return Err("range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available".to_owned());
        }
        cpu.push(("quota".to_owned(), Json::from(whole * 100_000 + part)));
        cpu.push(("period".to_owned(), Json::from(100_000_i64)));
    }
    for (field, option) in [("shares", "cpu-shares"), ("quota", "cpu-quota"), ("period", "cpu-period")] {
        cpu.extend(number(option)?.map(|n| (field.to_owned(), Json::from(n))));
    }
    for (field, option) in [("cpus", "cpuset-cpus"), ("mems", "cpuset-mems")] {
        cpu.extend(docker.value(option).map(|t| (field.to_owned(), Json::from(t))));
    }
    if !memory.is_empty() {
        all.set("memory", Json::Object(memory));
    }
    if !cpu.is_empty() {
        all.set("cpu", Json::Object(cpu));
    }
    if let Some(n) = number("pids-limit")? {
        all.set("pids", Json::object([("limit", n.into())]));
    }
    Ok(all)
}

/// What is kept of the options in the container's file.
pub(super) fn record(docker: &Docker, plan: &Plan, image: &Image, name: &str, now: u64) -> Record {
    let created = super::super::golang::rfc3339_nano(now);
    let network = docker.value("network").or(docker.value("net")).unwrap_or("none");
    let never = "0001-01-01T00:00:00Z";
    let state = Json::object([
        ("Status", "created".into()),
        ("Running", false.into()),
        ("Paused", false.into()),
        ("Pid", 0.into()),
        ("ShimPid", 0.into()),
        ("ExitCode", 0.into()),
        ("StartedAt", never.into()),
        ("FinishedAt", never.into()),
    ]);
    let config = Json::object([
        ("Hostname", plan.hostname.as_str().into()),
        ("Tty", plan.terminal.into()),
        ("OpenStdin", docker.has("interactive").into()),
        ("Env", Json::strings(&plan.env)),
        ("Cmd", Json::strings(&plan.args)),
        ("Image", docker.arg(0).into()),
    ]);
    let host = Json::object([
        ("NetworkMode", network.into()),
        ("AutoRemove", docker.has("rm").into()),
        ("Privileged", docker.has("privileged").into()),
        ("ReadonlyRootfs", docker.has("read-only").into()),
        ("Memory", docker.value("memory").and_then(size).unwrap_or(0).into()),
        ("PidsLimit", docker.value("pids-limit").and_then(|n| n.parse::<i64>().ok()).map_or(Json::Null, Json::from)),
    ]);
    Record(Json::object([
        ("ID", plan.id.as_str().into()),
        ("Created", created.as_str().into()),
        ("Path", plan.args.first().map_or("", String::as_str).into()),
        ("Args", Json::strings(plan.args.iter().skip(1))),
        ("State", state),
        ("Image", format!("sha256:{}", image.id()).as_str().into()),
        ("Name", format!("/{name}").as_str().into()),
        ("HostConfig", host),
        ("Config", config),
    ]))
}
