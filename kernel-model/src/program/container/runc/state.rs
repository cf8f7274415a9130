//! `/run/runc/ID/state.json`: what is known of a container between two commands.

use super::super::golang::errno;
use super::super::json::Json;
use super::super::oci;
use super::cgroup::Cgroup;
use super::{Failed, Runc};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;

/// How a container is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Status {
    /// Its process waits at the fifo.
    Created,
    /// Its process runs the program.
    Running,
    /// Everybody in it is frozen.
    Paused,
    /// Its process has ended.
    Stopped,
}

impl Status {
    /// As it is printed.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// What `state.json` holds.
#[derive(Clone, PartialEq, Debug)]
pub(in super::super) struct State {
    /// Everything, in the order of the file.
    pub(super) json: Json,
    /// The directory of the container.
    pub(super) dir: String,
}

impl State {
    /// Reads the state of a container.
    ///
    /// # Errors
    /// `container does not exist`.
    pub(super) async fn load(runc: &Runc) -> Result<State, Failed> {
        State::read(&runc.sys, &runc.root, runc.id()).await.ok_or_else(|| "container does not exist".into())
    }

    /// The state of the container of this name, below this directory.
    pub(in super::super) async fn read(sys: &Sys, root: &str, id: &str) -> Option<State> {
        if !is_name(id) {
            return None;
        }
        let dir = format!("{root}/{id}");
        let text = sys.read_file(&format!("{dir}/state.json")).await.ok()?;
        Some(State { json: Json::parse(&text).ok()?, dir })
    }

    fn text(&self, path: &str) -> &str {
        self.json.at(path).and_then(Json::as_str).unwrap_or_default()
    }

    /// Name of the container.
    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    /// Its first process, as seen from where it was made.
    pub(in super::super) fn pid(&self) -> i32 {
        self.json.get("init_process_pid").and_then(Json::as_int).unwrap_or(0) as i32
    }

    /// When it was made.
    pub(super) fn created(&self) -> &str {
        self.text("created")
    }

    /// Its root file system.
    pub(super) fn rootfs(&self) -> &str {
        self.text("config.rootfs")
    }

    /// A label: `bundle`.
    pub(super) fn bundle(&self) -> &str {
        let labels = self.json.at("config.labels").map(Json::items).unwrap_or_default();
        labels.iter().find_map(|l| l.as_str()?.strip_prefix("bundle=")).unwrap_or_default()
    }

    /// Its control groups.
    pub(in super::super) fn cgroup(&self) -> Cgroup {
        let paths = self.json.get("cgroup_paths").map(Json::fields).unwrap_or_default();
        let text = |v: &Json| v.as_str().unwrap_or_default().to_owned();
        Cgroup::known(paths.iter().map(|(name, path)| (name.clone(), text(path))).collect())
    }

    /// How the container is.
    pub(in super::super) async fn status(&self, sys: &Sys) -> Status {
        if !is_running(sys, self.pid(), self.json.get("init_process_start").and_then(Json::as_int)).await {
            return Status::Stopped;
        }
        if self.cgroup().is_frozen(sys).await {
            return Status::Paused;
        }
        if sys.stat(&format!("{}/exec.fifo", self.dir)).await.is_ok() { Status::Created } else { Status::Running }
    }

    /// Writes the file: under another name first, so that nobody reads half of it.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) async fn save(&self, sys: &Sys) -> Result<(), Errno> {
        let temporary = format!("{}/state-{}", self.dir, self.pid());
        let fd = sys.open(&temporary, o::RDWR | o::CREAT | o::EXCL | o::CLOEXEC, 0o600).await?;
        let written = sys.write_all(fd, self.json.compact().as_bytes()).await;
        sys.close(fd).await?;
        written?;
        sys.rename(&temporary, &format!("{}/state.json", self.dir)).await
    }

    /// What `runc state` prints and hooks read.
    pub(super) fn oci(&self, status: Status, owner: &str) -> Json {
        let pid = if status == Status::Stopped { 0 } else { self.pid() };
        Json::object([
            ("ociVersion", oci::VERSION.into()),
            ("id", self.id().into()),
            ("pid", pid.into()),
            ("status", status.name().into()),
            ("bundle", self.bundle().into()),
            ("rootfs", self.rootfs().into()),
            ("created", self.created().into()),
            ("owner", owner.into()),
        ])
    }
}

/// Whether a name may be that of a container.
pub(super) fn is_name(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    !id.is_empty() && id.len() <= 1024 && id != "." && id != ".." && id.chars().all(allowed)
}

/// Whether the process is the one that was started then, and alive.
async fn is_running(sys: &Sys, pid: i32, start: Option<i64>) -> bool {
    match process_start(sys, pid).await {
        Some((state, began)) => !matches!(state, 'Z' | 'X') && start.is_none_or(|s| s == began),
        None => false,
    }
}

/// State and start time of a process, from `/proc/PID/stat`.
pub(super) async fn process_start(sys: &Sys, pid: i32) -> Option<(char, i64)> {
    let text = sys.read_file(&format!("/proc/{pid}/stat")).await.ok()?;
    let after = &text[text.rfind(") ")? + 2..];
    let fields: Vec<&str> = after.split_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?))
}

/// Removes the directory of a container.
///
/// # Errors
/// What `runc` says.
pub(super) async fn remove_dir(sys: &Sys, dir: &str) -> Result<(), String> {
    for entry in sys.read_dir(dir).await.unwrap_or_default() {
        // What cannot be removed shows in the next call.
        let _ = sys.unlink(&format!("{dir}/{}", entry.d_name)).await;
    }
    match sys.rmdir(dir).await {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(format!("unable to remove container state dir: unlinkat {dir}: {}", errno(e))),
    }
}
