//! `runc init`: what becomes the program of the container. It is started by `runc` itself with descriptor 3 and
//! 4 to talk to it and, for the first process, 5 open on the fifo of `runc start`.

use super::super::golang::errno;
use super::super::json::Json;
use super::super::netlink;
use super::super::oci::{Hook, Process, Spec};
use super::cgroup::Cgroup;
use super::sync::Channel;
use super::{console, finalize, hooks, nsexec, rootfs};
use crate::errno::Errno;
use crate::namespace::NsKind;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};
use crate::vfs::fd_table::Fd;

/// The descriptors that `runc` hands over.
pub(super) const FROM_RUNC: Fd = 3;
pub(super) const TO_RUNC: Fd = 4;
pub(super) const FIFO: Fd = 5;
pub(super) const CONSOLE: Fd = 6;

/// The kind of a namespace by its name in `config.json`.
pub(super) fn ns_kind(name: &str) -> Option<NsKind> {
    match name {
        "mount" => Some(NsKind::Mnt),
        "network" => Some(NsKind::Net),
        other => NsKind::from_name(other).filter(|k| !matches!(k, NsKind::Mnt | NsKind::Net)),
    }
}

pub(super) async fn main(sys: Sys) -> i32 {
    let mut runc = Channel::new(&sys, FROM_RUNC, TO_RUNC);
    if let Err(status) = protect(&sys, &mut runc).await {
        return status;
    }
    if let Err(status) = nsexec::run(&sys, &mut runc).await {
        return status;
    }
    let Ok(config) = runc.data().await else { return 1 };
    let done = match config.get("type").and_then(Json::as_str) {
        Some("setns") => setns(&sys, &mut runc, &config).await,
        _ => standard(&sys, &mut runc, &config).await,
    };
    match done {
        Ok(status) => status,
        Err(message) => {
            runc.fail(&message).await;
            1
        }
    }
}

/// A container that is entered could overwrite the file of `runc` through /proc/PID/exe (CVE-2019-5736). So it
/// runs from a copy that nobody can reach: a read-only mount without a name, and where that is not known to be
/// one, a sealed file in memory.
async fn protect(sys: &Sys, runc: &mut Channel) -> Result<(), i32> {
    const F_GET_SEALS: i64 = 1034;
    const F_ADD_SEALS: i64 = 1033;
    const ALL_SEALS: i64 = 0xf;
    let own = "/proc/self/exe";
    let Ok(fd) = sys.open(own, o::RDONLY | o::CLOEXEC, 0).await else { return Ok(()) };
    let seals = sys.fcntl(fd, F_GET_SEALS, 0).await.unwrap_or(0);
    // It is open.
    let _ = sys.close(fd).await;
    if seals == ALL_SEALS {
        return Ok(());
    }
    let dir = sys.env("_LIBCONTAINER_STATEDIR").unwrap_or("/tmp").to_owned();
    let copy = match bound_copy(sys, own, &dir).await {
        Some(fd) => fd,
        None => match memory_copy(sys, own, F_ADD_SEALS, ALL_SEALS).await {
            Ok(fd) => fd,
            Err(e) => {
                runc.fail(&format!("could not ensure we are a cloned binary: {}", errno(e))).await;
                return Err(1);
            }
        },
    };
    let (argv, envp) = (Value::strings(sys.argv()), Value::strings(sys.envp()));
    let args = vec![copy.into(), "".into(), argv, envp, crate::program::libc::AT_EMPTY_PATH.into()];
    let _ = sys.call(Sysno::EXECVEAT, args).await;
    Err(1)
}

async fn bound_copy(sys: &Sys, own: &str, dir: &str) -> Option<Fd> {
    const BIND: u64 = 4096;
    const RDONLY_REMOUNT: u64 = 1 | 32;
    let place = format!("{dir}/runc.{}", sys.getpid().await);
    let fd = sys.open(&place, o::RDWR | o::CREAT | o::EXCL, 0o600).await.ok()?;
    // It is open.
    let _ = sys.close(fd).await;
    let bound = sys.mount(own, &place, None, BIND, None).await.is_ok();
    let copy = if bound && sys.mount("", &place, None, BIND | RDONLY_REMOUNT, None).await.is_ok() {
        sys.open(&place, o::PATH | o::CLOEXEC, 0).await.ok()
    } else {
        None
    };
    if bound {
        let _ = sys.umount2(&place, 2).await;
    }
    let _ = sys.unlink(&place).await;
    copy
}

async fn memory_copy(sys: &Sys, own: &str, add_seals: i64, seals: i64) -> Result<Fd, Errno> {
    let args = vec!["runc_cloned:/proc/self/exe".into(), 3.into()];
    let copy = sys.call_int(Sysno::MEMFD_CREATE, args).await? as Fd;
    let fd = sys.open(own, o::RDONLY | o::CLOEXEC, 0).await?;
    let size = sys.fstat(fd).await?.st_size;
    sys.call(Sysno::SENDFILE, vec![copy.into(), fd.into(), Value::Null, size.into()]).await?;
    sys.close(fd).await?;
    sys.fcntl(copy, add_seals, seals).await?;
    Ok(copy)
}

/// The first process of a container (`linuxStandardInit`).
async fn standard(sys: &Sys, runc: &mut Channel, config: &Json) -> Result<i32, String> {
    let text = config.get("spec").map(Json::compact).unwrap_or_default();
    let spec = Spec::parse(&text)?;
    let process = spec.process.clone().unwrap_or_default();
    let word = |name: &str| config.get(name).and_then(Json::as_str).unwrap_or_default();
    let rootfs = word("rootfs");
    let own = |kind: &str| spec.linux.namespaces.iter().any(|(k, path)| k == kind && path.is_empty());
    // Where its groups are was found out from outside: here relative names would be looked for below them.
    let paths = config.get("cgroup_paths").map(Json::fields).unwrap_or_default();
    let known = paths.iter().map(|(n, p)| (n.clone(), p.as_str().unwrap_or_default().to_owned())).collect();
    let mut cgroup = Cgroup::known(known);
    if !cgroup.unified {
        let mut found = Cgroup::find(sys, word("id"), &spec.linux.cgroups_path).await?;
        found.relocate(&cgroup.paths);
        cgroup = found;
    }
    cgroup.private_namespace = own("cgroup");
    if own("network") {
        netlink::set_up(sys, "lo").await.map_err(|e| format!("setup network: {}", errno(e)))?;
    }
    let step = |e: Errno| format!("sync: {}", errno(e));
    let has_mounts = spec.linux.namespaces.iter().any(|(k, _)| k == "mount");
    if has_mounts {
        rootfs::prepare(sys, &spec, rootfs, &cgroup).await?;
    }
    runc.step("procHooks").await.map_err(step)?;
    runc.expect("procResume").await.map_err(|f| f.message)?;
    let state = config.get("state").cloned().unwrap_or(Json::Null);
    hooks::run(sys, &spec.hooks, "createContainer", &state).await?;
    if has_mounts {
        let no_pivot = config.get("no_pivot_root").and_then(Json::as_bool).unwrap_or(false);
        rootfs::change_root(sys, rootfs, no_pivot).await?;
    } else {
        sys.chroot(rootfs).await.map_err(|e| format!("chroot {rootfs}: {}", errno(e)))?;
        sys.chdir("/").await.map_err(|e| format!("chdir /: {}", errno(e)))?;
    }
    if process.terminal {
        console::set_up(sys, has_mounts).await?;
    }
    open_null(sys).await;
    rootfs::finish(sys, &spec).await?;
    names(sys, &spec).await?;
    profile(sys, &process).await?;
    label(sys, &process).await?;
    for (key, value) in &spec.linux.sysctl {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        write_file(sys, &path, value).await.map_err(|e| format!("open {path}: {}", errno(e)))?;
    }
    for path in &spec.linux.readonly_paths {
        rootfs::read_only(sys, path).await?;
    }
    for path in &spec.linux.masked_paths {
        rootfs::mask(sys, path).await?;
    }
    // It cannot fail.
    let _ = sys.call(Sysno::PRCTL, vec![pr::GET_PDEATHSIG.into(), Value::Null]).await;
    if process.no_new_privileges {
        no_new_privileges(sys).await?;
    }
    runc.step("procReady").await.map_err(step)?;
    runc.expect("procRun").await.map_err(|f| f.message)?;
    if !process.no_new_privileges {
        filter(sys, &spec).await?;
    }
    finalize::run(sys, &process).await?;
    // If `runc` has died, so should this.
    let _ = sys.getppid().await;
    let path = finalize::look_path(sys, &process).await?;
    Channel::new(sys, FROM_RUNC, TO_RUNC).close().await;
    wait_for_start(sys).await.map_err(|e| format!("open exec fifo: {}", errno(e)))?;
    if process.no_new_privileges {
        filter(sys, &spec).await?;
    }
    hooks::run(sys, &spec.hooks, "startContainer", &state).await?;
    let env = finalize::environment(sys, &process).await;
    let e = sys.execve(&path, &process.args, &env).await;
    sys.eprint(format!("exec {path}: {}\n", errno(e))).await;
    Ok(1)
}

/// A further process of a container that runs (`linuxSetnsInit`).
async fn setns(sys: &Sys, runc: &mut Channel, config: &Json) -> Result<i32, String> {
    let text = config.get("process").map(Json::compact).unwrap_or_default();
    let process = Process::parse(&text)?;
    if process.terminal {
        console::set_up(sys, false).await?;
    }
    if process.no_new_privileges {
        no_new_privileges(sys).await?;
    }
    runc.step("procReady").await.map_err(|e| format!("sync: {}", errno(e)))?;
    runc.expect("procRun").await.map_err(|f| f.message)?;
    profile(sys, &process).await?;
    label(sys, &process).await?;
    let spec = Spec {
        linux: super::super::oci::Linux { seccomp: config.get("seccomp").cloned(), ..Default::default() },
        ..Spec::default()
    };
    if !process.no_new_privileges {
        filter(sys, &spec).await?;
    }
    finalize::run(sys, &process).await?;
    let path = finalize::look_path(sys, &process).await?;
    if process.no_new_privileges {
        filter(sys, &spec).await?;
    }
    Channel::new(sys, FROM_RUNC, TO_RUNC).close().await;
    let env = finalize::environment(sys, &process).await;
    let e = sys.execve(&path, &process.args, &env).await;
    sys.eprint(format!("exec {path}: {}\n", errno(e))).await;
    Ok(1)
}

/// If a standard stream is the old `/dev/null`, it becomes the container's own (`reOpenDevNull`).
async fn open_null(sys: &Sys) {
    let Ok(fd) = sys.open("/dev/null", o::RDWR | o::CLOEXEC, 0).await else { return };
    if let Ok(null) = sys.fstat(fd).await {
        for stream in 0..3 {
            if sys.fstat(stream).await.is_ok_and(|st| st.st_rdev == null.st_rdev && st.st_rdev != 0) {
                let _ = sys.dup2(fd, stream).await;
            }
        }
    }
    let _ = sys.close(fd).await;
}

async fn names(sys: &Sys, spec: &Spec) -> Result<(), String> {
    if !spec.hostname.is_empty() {
        sys.sethostname(&spec.hostname).await.map_err(|e| format!("sethostname: {}", errno(e)))?;
    }
    if !spec.domainname.is_empty() {
        let args = vec![spec.domainname.as_str().into(), spec.domainname.len().into()];
        sys.call(Sysno::SETDOMAINNAME, args).await.map_err(|e| format!("setdomainname: {}", errno(e)))?;
    }
    Ok(())
}

/// The AppArmor profile that the next execve(2) will bring.
async fn profile(sys: &Sys, process: &Process) -> Result<(), String> {
    if process.apparmor_profile.is_empty() {
        return Ok(());
    }
    let enabled = sys.read_file("/sys/module/apparmor/parameters/enabled").await;
    if !enabled.is_ok_and(|text| text.starts_with('Y')) && sys.stat("/proc/self/attr/apparmor/exec").await.is_err() {
        return Err("unable to apply apparmor profile: apparmor: config provided but apparmor not supported".to_owned());
    }
    let text = format!("exec {}", process.apparmor_profile);
    let mut written = write_file(sys, "/proc/self/attr/apparmor/exec", &text).await;
    if written == Err(Errno::ENOENT) {
        written = write_file(sys, "/proc/self/attr/exec", &text).await;
    }
    written.map_err(|e| format!("unable to apply apparmor profile: apparmor failed to apply profile: {}", errno(e)))
}

async fn no_new_privileges(sys: &Sys) -> Result<(), String> {
    let done = sys.prctl(pr::SET_NO_NEW_PRIVS, [1, 0, 0, 0]).await;
    done.map(drop).map_err(|e| format!("error setting no_new_privs: {}", errno(e)))
}

/// The SELinux label that the next execve(2) will bring.
async fn label(sys: &Sys, process: &Process) -> Result<(), String> {
    if process.selinux_label.is_empty() {
        return Ok(());
    }
    let written = write_file(sys, "/proc/self/attr/exec", &process.selinux_label).await;
    written.map_err(|e| format!("can't set process label: write /proc/self/attr/exec: {}", errno(e)))
}

/// The system-call filter.
async fn filter(sys: &Sys, spec: &Spec) -> Result<(), String> {
    super::seccomp::attach(sys, spec.linux.seccomp.as_ref()).await
}

/// Opening the fifo for writing waits until somebody reads it: `runc start`.
async fn wait_for_start(sys: &Sys) -> Result<(), Errno> {
    let fd = sys.open(&format!("/proc/self/fd/{FIFO}"), o::WRONLY | o::CLOEXEC, 0).await?;
    sys.write_all(fd, b"0").await?;
    sys.close(FIFO).await
}

async fn write_file(sys: &Sys, path: &str, text: &str) -> Result<(), Errno> {
    let fd = sys.open(path, o::WRONLY | o::CLOEXEC, 0).await?;
    let written = sys.write_all(fd, text.as_bytes()).await;
    sys.close(fd).await?;
    written
}

/// The hooks of a configuration as they are kept in `state.json`.
pub(super) fn hooks_to_json(hooks: &[(String, Hook)]) -> Json {
    let one = |(stage, hook): &(String, Hook)| {
        Json::object([
            ("stage", stage.as_str().into()),
            ("path", hook.path.as_str().into()),
            ("args", Json::strings(&hook.args)),
            ("env", Json::strings(&hook.env)),
        ])
    };
    Json::List(hooks.iter().map(one).collect())
}
