//! Where controllers are mounted, and the names of groups on command lines (`cgroup_init`, `cgroup_string_list`).

use super::Failure;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;

/// A mounted controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mounted {
    /// The controller.
    pub(super) controller: String,
    /// Where its hierarchy is.
    pub(super) path: String,
    /// The hierarchy is the unified one.
    pub(super) is_v2: bool,
}

/// `controllers:path`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spec {
    pub(super) controllers: Vec<String>,
    pub(super) path: String,
}

impl Spec {
    /// Reads one; both halves must be there.
    pub(super) fn parse(text: &str) -> Option<Spec> {
        let (controllers, path) = text.split_once(':')?;
        if controllers.is_empty() || path.is_empty() {
            return None;
        }
        Some(Spec { controllers: controllers.split(',').map(str::to_owned).collect(), path: path.to_owned() })
    }

    /// The directories that it means, each with its controller. `*` means all controllers.
    pub(super) fn places(&self, mounted: &[Mounted]) -> Result<Vec<(Mounted, String)>, Failure> {
        let mut places: Vec<(Mounted, String)> = Vec::new();
        for name in &self.controllers {
            let before = places.len();
            for m in mounted.iter().filter(|m| name == "*" || m.controller == *name) {
                places.push((m.clone(), m.directory(&self.path)));
            }
            if places.len() == before {
                return Err(Failure::NotMounted);
            }
        }
        Ok(places)
    }
}

impl Mounted {
    /// The directory of a group.
    pub(super) fn directory(&self, path: &str) -> String {
        let path = path.trim_matches('/');
        if path.is_empty() { self.path.clone() } else { format!("{}/{path}", self.path) }
    }

    /// The file through which processes move.
    pub(super) fn tasks_file(&self) -> &'static str {
        if self.is_v2 { "cgroup.procs" } else { "tasks" }
    }
}

/// All mounted controllers, in the order of `/proc/mounts`.
pub(super) async fn mounted(sys: &Sys) -> Vec<Mounted> {
    let known = sys.read_file("/proc/cgroups").await.unwrap_or_default();
    let known: Vec<&str> = known.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split('\t').next()).collect();
    let mut all: Vec<Mounted> = Vec::new();
    for line in sys.read_file("/proc/mounts").await.unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, path, fs_type, options, ..] = fields.as_slice() else { continue };
        let is_v2 = *fs_type == "cgroup2";
        let names: Vec<String> = match *fs_type {
            "cgroup" => options.split(',').filter(|option| known.contains(option)).map(str::to_owned).collect(),
            "cgroup2" => {
                let text = sys.read_file(&format!("{path}/cgroup.controllers")).await.unwrap_or_default();
                text.split_whitespace().map(str::to_owned).collect()
            }
            _ => continue,
        };
        for controller in names {
            if !all.iter().any(|m| m.controller == controller) {
                all.push(Mounted { controller, path: (*path).to_owned(), is_v2 });
            }
        }
    }
    all
}

/// Writes to a file of a group.
pub(super) async fn write(sys: &Sys, path: &str, text: &str) -> Result<(), Errno> {
    let fd = sys.open(path, o::WRONLY, 0).await?;
    let written = sys.write_all(fd, text.as_bytes()).await;
    sys.close(fd).await?;
    written
}

/// The directories of all groups below one, each before those below it.
pub(super) async fn groups_below(sys: &Sys, directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(dir) = left.pop() {
        let mut below = Vec::new();
        for entry in sys.read_dir(&dir).await.unwrap_or_default() {
            let path = format!("{dir}/{}", entry.d_name);
            if !entry.d_name.starts_with('.') && sys.stat(&path).await.is_ok_and(|stat| stat.is_dir()) {
                below.push(path);
            }
        }
        if dir != directory {
            found.push(dir);
        }
        left.extend(below.into_iter().rev());
    }
    found
}
