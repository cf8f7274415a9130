//! The control groups of a container, one of each kind in every hierarchy that is mounted.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;

/// Where the hierarchies are mounted.
pub(super) async fn hierarchies(sys: &Sys) -> Vec<String> {
    let mounts = sys.read_file("/proc/self/mounts").await.unwrap_or_default();
    let of_kind = |l: &str| {
        let mut words = l.split(' ').skip(1);
        let target = words.next()?;
        matches!(words.next()?, "cgroup" | "cgroup2").then(|| target.to_owned())
    };
    mounts.lines().filter_map(of_kind).collect()
}

pub(super) async fn write(sys: &Sys, path: &str, text: &str) -> Result<(), Errno> {
    let fd = sys.open(path, o::WRONLY | o::NOCTTY | o::CLOEXEC, 0).await?;
    let written = sys.write(fd, text.as_bytes()).await;
    sys.close(fd).await?;
    written.map(drop)
}

/// Makes a group in every hierarchy. In cpuset it gets what the group above has.
pub(super) async fn make(sys: &Sys, group: &str) -> Result<(), Errno> {
    for at in hierarchies(sys).await {
        match sys.mkdir(&format!("{at}/{group}"), 0o755).await {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let above = sys.read_file(&format!("{at}/{file}")).await.unwrap_or_default();
            if !above.trim().is_empty() && !at.ends_with("unified") {
                write(sys, &format!("{at}/{group}/{file}"), &above).await?;
            }
        }
    }
    Ok(())
}

/// Moves a process into a group of every hierarchy.
pub(super) async fn join(sys: &Sys, group: &str, pid: i32) -> Result<(), Errno> {
    for at in hierarchies(sys).await {
        write(sys, &format!("{at}/{group}/cgroup.procs"), &pid.to_string()).await?;
    }
    Ok(())
}

/// Removes a group from every hierarchy; one that is in use stays.
pub(super) async fn remove(sys: &Sys, group: &str) {
    for at in hierarchies(sys).await {
        let _ = sys.rmdir(&format!("{at}/{group}")).await;
    }
}

/// The settings `lxc.cgroup.FILE` or `lxc.cgroup2.FILE` of a container: the first hierarchy that has the file takes it.
pub(super) async fn set(sys: &Sys, group: &str, file: &str, value: &str) -> Result<(), Errno> {
    let mut result = Err(Errno::ENOENT);
    for at in hierarchies(sys).await {
        result = write(sys, &format!("{at}/{group}/{file}"), value).await;
        if result != Err(Errno::ENOENT) {
            break;
        }
    }
    result
}

/// The first process of a container that runs: the one that was first in its group.
pub(super) async fn init_of(sys: &Sys, name: &str) -> Option<i32> {
    let at = hierarchies(sys).await.into_iter().next()?;
    let procs = sys.read_file(&format!("{at}/lxc.payload.{name}/cgroup.procs")).await.ok()?;
    procs.lines().next()?.parse().ok()
}

/// Whether the processes of a container are frozen.
pub(super) async fn is_frozen(sys: &Sys, name: &str) -> bool {
    for at in hierarchies(sys).await {
        let dir = format!("{at}/lxc.payload.{name}");
        let v1 = sys.read_file(&format!("{dir}/freezer.state")).await.unwrap_or_default();
        let v2 = sys.read_file(&format!("{dir}/cgroup.events")).await.unwrap_or_default();
        if v1.trim() == "FROZEN" || v2.contains("frozen 1") {
            return true;
        }
    }
    false
}

/// Freezes or thaws a container.
pub(super) async fn freeze(sys: &Sys, name: &str, freeze: bool) -> Result<(), Errno> {
    let group = format!("lxc.payload.{name}");
    match set(sys, &group, "freezer.state", if freeze { "FROZEN" } else { "THAWED" }).await {
        Err(Errno::ENOENT) => set(sys, &group, "cgroup.freeze", if freeze { "1" } else { "0" }).await,
        result => result,
    }
}
