//! `--security-opt`: which filter, AppArmor profile and SELinux label a container gets, by default and when asked.

use super::super::golang::errno;
use super::super::json::Json;
use super::seccomp;
use super::{Docker, failed};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::security::capability::Cap;

/// The walls of a container that are not namespaces.
#[derive(Default)]
pub(super) struct Security {
    pub(super) no_new_privileges: bool,
    pub(super) apparmor: Option<String>,
    pub(super) seccomp: Option<Json>,
    /// The SELinux label of its processes.
    pub(super) process_label: Option<String>,
    /// The SELinux label of its files.
    pub(super) mount_label: Option<String>,
    /// Nothing of procfs and sysfs is masked.
    pub(super) all_paths: bool,
}

/// The profile that containers get.
const DEFAULT_PROFILE: &str = "docker-default";

/// Its text (`profiles/apparmor/template.go`).
const DEFAULT_PROFILE_TEXT: &str = "#include <tunables/global>

profile docker-default flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send,receive) peer=docker-default,

  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,

  deny mount,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,

  ptrace (trace,read,tracedby,readby) peer=docker-default,
}
";

impl Security {
    /// What the options and the machine come to.
    ///
    /// # Errors
    /// What docker says.
    pub(super) async fn find(docker: &Docker, id: &str, privileged: bool, caps: &[Cap]) -> Result<Security, String> {
        let sys = &docker.sys;
        let mut security = Security::default();
        let (mut filter, mut labels) = (None, Vec::new());
        for option in docker.values("security-opt") {
            match option.split_once(['=', ':']) {
                None if option == "no-new-privileges" => security.no_new_privileges = true,
                Some(("no-new-privileges", value)) => security.no_new_privileges = value == "true",
                Some(("seccomp", value)) => filter = Some(value.to_owned()),
                Some(("apparmor", profile)) => security.apparmor = Some(profile.to_owned()),
                Some(("label", value)) => labels.push(value.to_owned()),
                Some(("systempaths", "unconfined")) => security.all_paths = true,
                _ => return Err(format!("invalid --security-opt 2: \"{option}\"")),
            }
        }
        security.seccomp = match filter.as_deref() {
            Some("unconfined") => None,
            _ if privileged => None,
            None | Some("builtin") => Some(seccomp::default_profile(caps)),
            Some(path) => {
                let text = sys.read_file(path).await;
                let text =
                    text.map_err(|e| format!("opening seccomp profile ({path}) failed: {}", failed("open", path, e)))?;
                Some(seccomp::from_file(&text, caps)?)
            }
        };
        security.confine(sys, privileged).await?;
        security.label(sys, id, privileged, &labels).await?;
        Ok(security)
    }

    /// AppArmor: the profile that was asked for, or the usual one, which is loaded when it is not there.
    async fn confine(&mut self, sys: &Sys, privileged: bool) -> Result<(), String> {
        let enabled = sys.read_file("/sys/module/apparmor/parameters/enabled").await;
        if !enabled.is_ok_and(|text| text.starts_with('Y')) {
            if self.apparmor.as_deref() == Some("unconfined") {
                self.apparmor = None;
            }
            return Ok(());
        }
        let profile = match self.apparmor.take() {
            Some(profile) => profile,
            None if privileged => "unconfined".to_owned(),
            None => DEFAULT_PROFILE.to_owned(),
        };
        if profile == DEFAULT_PROFILE {
            ensure_default(sys).await.map_err(|e| {
                format!("AppArmor enabled on system but the {profile} profile could not be loaded: {e}")
            })?;
        }
        self.apparmor = Some(profile);
        Ok(())
    }

    /// SELinux: a type for all containers, and categories for this one, if the daemon is told to care.
    async fn label(&mut self, sys: &Sys, id: &str, privileged: bool, options: &[String]) -> Result<(), String> {
        let here = sys.stat("/sys/fs/selinux/enforce").await.is_ok();
        let config = sys.read_file("/etc/docker/daemon.json").await.unwrap_or_default();
        let wanted = Json::parse(&config).ok().and_then(|c| c.get("selinux-enabled").and_then(Json::as_bool));
        if !here || wanted != Some(true) {
            return Ok(());
        }
        let (mut kind, mut level) = ("container_t".to_owned(), categories(id));
        let (mut user, mut role, mut files) =
            ("system_u".to_owned(), "system_r".to_owned(), "container_file_t".to_owned());
        for option in options {
            match option.split_once(':') {
                None if option == "disable" => return Ok(()),
                Some(("type", value)) => kind = value.to_owned(),
                Some(("level", value)) => level = value.to_owned(),
                Some(("user", value)) => user = value.to_owned(),
                Some(("role", value)) => role = value.to_owned(),
                Some(("filetype", value)) => files = value.to_owned(),
                _ => {
                    return Err(format!(
                        "bad label option \"{option}\", valid options 'disable' or \n'user, role, level, type, filetype' followed by ':' and a value"
                    ));
                }
            }
        }
        if privileged && options.is_empty() {
            return Ok(());
        }
        self.process_label = Some(format!("{user}:{role}:{kind}:{level}"));
        self.mount_label = Some(format!("system_u:object_r:{files}:{level}"));
        Ok(())
    }

    /// `:z` and `:Z` of volumes: their files get the label of containers, of all or of this one.
    ///
    /// # Errors
    /// What docker says.
    pub(super) async fn relabel_volumes(docker: &Docker, mount_label: &str) -> Result<(), String> {
        for volume in docker.values("volume") {
            let parts: Vec<&str> = volume.split(':').collect();
            let [source, _, mode] = parts.as_slice() else { continue };
            let label = match mode.split(',').find(|m| matches!(*m, "z" | "Z")) {
                None => continue,
                Some("Z") => mount_label.to_owned(),
                Some(_) => mount_label.splitn(4, ':').take(3).collect::<Vec<_>>().join(":") + ":s0",
            };
            relabel(&docker.sys, source, &label).await.map_err(|e| {
                format!(
                    "error setting label on mount source '{source}': SELinux relabeling of {source} is not allowed: {}",
                    errno(e)
                )
            })?;
        }
        Ok(())
    }
}

/// Two different categories for a container, made of its id.
fn categories(id: &str) -> String {
    let number = |from: usize| usize::from_str_radix(id.get(from..from + 3).unwrap_or("0"), 16).unwrap_or(0) % 1024;
    let (a, b) = (number(0), number(3));
    let b = if a == b { (b + 1) % 1024 } else { b };
    format!("s0:c{},c{}", a.min(b), a.max(b))
}

/// chcon -R
async fn relabel(sys: &Sys, path: &str, label: &str) -> Result<(), Errno> {
    sys.set_file_label(path, label, true).await?;
    if sys.lstat(path).await?.is_dir() {
        for entry in sys.read_dir(path).await? {
            if entry.d_name != "." && entry.d_name != ".." {
                Box::pin(relabel(sys, &format!("{path}/{}", entry.d_name), label)).await?;
            }
        }
    }
    Ok(())
}

/// Loads the usual profile with apparmor_parser(8), as the daemon does when it starts.
async fn ensure_default(sys: &Sys) -> Result<(), String> {
    let loaded = sys.read_file("/sys/kernel/security/apparmor/profiles").await.unwrap_or_default();
    if loaded.lines().any(|line| line.starts_with("docker-default ")) {
        return Ok(());
    }
    let path = "/var/lib/docker/tmp/docker-default";
    let written = async {
        super::mkdir_all(sys, "/var/lib/docker/tmp").await?;
        let fd = sys.open(path, o::WRONLY | o::CREAT | o::TRUNC, 0o600).await?;
        sys.write_all(fd, DEFAULT_PROFILE_TEXT.as_bytes()).await?;
        sys.close(fd).await
    };
    written.await.map_err(errno)?;
    sys.flush().await;
    let child = sys.fork().await.map_err(errno)?;
    if child == 0 {
        let argv = ["apparmor_parser", "-Kr", path].map(str::to_owned);
        let e = sys.execvp("apparmor_parser", &argv).await;
        sys.eprint(format!("apparmor_parser: {}\n", errno(e))).await;
        sys.exit(127).await;
    }
    let status = sys.wait4(child, 0).await.map_or(1, |(_, status)| status.shell_status());
    // It has been read.
    let _ = sys.unlink(path).await;
    if status == 0 {
        Ok(())
    } else {
        Err(format!("running '/usr/sbin/apparmor_parser -Kr {path}' failed with exit status {status}"))
    }
}
