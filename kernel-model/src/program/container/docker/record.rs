//! What is known of a container: `/var/lib/docker/containers/ID/config.v2.json`.

use super::super::golang::errno;
use super::super::json::Json;
use super::{CONTAINERS, Docker};
use crate::errno::Errno;
use crate::program::Sys;

/// A container as its file describes it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Record(pub(super) Json);

impl Record {
    fn text(&self, path: &str) -> &str {
        self.0.at(path).and_then(Json::as_str).unwrap_or_default()
    }

    fn number(&self, path: &str) -> i64 {
        self.0.at(path).and_then(Json::as_int).unwrap_or(0)
    }

    /// The 64 digits.
    pub(super) fn id(&self) -> &str {
        self.text("ID")
    }

    /// The first 12 of them.
    pub(super) fn short_id(&self) -> &str {
        let id = self.id();
        &id[..id.len().min(12)]
    }

    /// Its name, without the slash.
    pub(super) fn name(&self) -> &str {
        self.text("Name").trim_start_matches('/')
    }

    /// The image, as it was asked for.
    pub(super) fn image(&self) -> &str {
        self.text("Config.Image")
    }

    /// The program with its arguments; those with blanks in quotes.
    pub(super) fn command(&self) -> String {
        let args = self.0.get("Args").map(Json::items).unwrap_or_default();
        let shown = |word: &str| if word.contains(' ') { format!("'{word}'") } else { word.to_owned() };
        let args = args.iter().filter_map(Json::as_str).map(shown);
        std::iter::once(self.text("Path").to_owned()).chain(args).collect::<Vec<_>>().join(" ")
    }

    /// `created`, `running`, `paused` or `exited`.
    pub(super) fn status(&self) -> &str {
        self.text("State.Status")
    }

    /// Whether its process runs, frozen or not.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.status(), "running" | "paused")
    }

    /// Its first process.
    pub(super) fn pid(&self) -> i32 {
        self.number("State.Pid") as i32
    }

    /// The shim that looks after it.
    pub(super) fn shim(&self) -> i32 {
        self.number("State.ShimPid") as i32
    }

    /// Status of its last run.
    pub(super) fn exit_code(&self) -> i64 {
        self.number("State.ExitCode")
    }

    /// Whether it goes away when it exits.
    pub(super) fn auto_remove(&self) -> bool {
        self.0.at("HostConfig.AutoRemove").and_then(Json::as_bool).unwrap_or(false)
    }

    /// A moment, in nanoseconds since 1970.
    pub(super) fn time(&self, path: &str) -> u64 {
        super::super::golang::parse_rfc3339(self.text(path)).unwrap_or(0)
    }

    /// Sets a field of `State`.
    pub(super) fn set_state(&mut self, name: &str, value: Json) {
        let mut state = self.0.get("State").cloned().unwrap_or(Json::Object(Vec::new()));
        state.set(name, value);
        self.0.set("State", state);
    }

    /// Its directory.
    pub(super) fn dir(&self) -> String {
        format!("{CONTAINERS}/{}", self.id())
    }

    /// The file of what it has printed.
    pub(super) fn log(&self) -> String {
        format!("{}/{}-json.log", self.dir(), self.id())
    }

    /// Writes the file: under another name first, so that nobody reads half of it.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) async fn save(&self, sys: &Sys) -> Result<(), Errno> {
        let path = format!("{}/config.v2.json", self.dir());
        let temporary = format!("{}/.tmp-config.v2.json", self.dir());
        super::image::file(sys, &temporary, 0o600, self.0.compact().as_bytes()).await?;
        sys.rename(&temporary, &path).await
    }

    /// Reads the file of the container with this full id.
    pub(super) async fn load(sys: &Sys, id: &str) -> Option<Record> {
        let text = sys.read_file(&format!("{CONTAINERS}/{id}/config.v2.json")).await.ok()?;
        Json::parse(&text).ok().map(Record)
    }

    /// All containers, the youngest first.
    pub(super) async fn all(sys: &Sys) -> Vec<Record> {
        let mut all = Vec::new();
        for entry in sys.read_dir(CONTAINERS).await.unwrap_or_default() {
            all.extend(Record::load(sys, &entry.d_name).await);
        }
        all.sort_by_key(|r| std::cmp::Reverse(r.time("Created")));
        all
    }
}

/// The container of this name, or whose id begins so.
///
/// # Errors
/// The exit status, after a message.
pub(super) async fn find(docker: &Docker, name: &str) -> Result<Record, i32> {
    let all = Record::all(&docker.sys).await;
    let exact = all.iter().position(|r| r.name() == name || r.id() == name);
    let begins = || {
        let mut found = all.iter().enumerate().filter(|(_, r)| r.id().starts_with(name)).map(|(i, _)| i);
        found.next().filter(|_| found.next().is_none() && !name.is_empty())
    };
    match exact.or_else(begins) {
        Some(i) => Ok(all[i].clone()),
        None => {
            docker.sys.flush().await;
            docker.sys.eprint(format!("Error response from daemon: No such container: {name}\n")).await;
            Err(1)
        }
    }
}

/// Removes a directory with everything in it.
///
/// # Errors
/// What Go says.
pub(super) async fn remove_all(sys: &Sys, dir: &str) -> Result<(), String> {
    let mut stack = vec![(dir.to_owned(), false)];
    while let Some((path, emptied)) = stack.pop() {
        if emptied {
            match sys.rmdir(&path).await {
                Ok(()) | Err(Errno::ENOENT) => continue,
                Err(e) => return Err(format!("unlinkat {path}: {}", errno(e))),
            }
        }
        let entries = match sys.read_dir(&path).await {
            Ok(entries) => entries,
            Err(Errno::ENOENT) => continue,
            Err(e) => return Err(format!("open {path}: {}", errno(e))),
        };
        stack.push((path.clone(), true));
        for entry in entries {
            let child = format!("{path}/{}", entry.d_name);
            if entry.d_type == 4 {
                stack.push((child, false));
            } else if let Err(e) = sys.unlink(&child).await {
                return Err(format!("unlinkat {child}: {}", errno(e)));
            }
        }
    }
    Ok(())
}
