//! The control groups of a container, made and written as `libcontainer/cgroups` does: one group a hierarchy
//! with version 1, one group with version 2.

use super::super::golang::errno;
use super::super::oci::{DeviceRule, Resources};
use super::mounts::mkdir_all;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::util_linux::mountinfo::MountInfo;

const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
/// The subsystems of version 1 in the order in which a process is put into them.
const SUBSYSTEMS: [&str; 12] = [
    "cpuset",
    "devices",
    "memory",
    "cpu",
    "cpuacct",
    "pids",
    "blkio",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "freezer",
];
/// The key of the version 2 hierarchy among the paths.
const UNIFIED: &str = "";

/// Where a container's groups are.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in super::super) struct Cgroup {
    /// There is version 2 and nothing else.
    pub(super) unified: bool,
    /// The container has a cgroup namespace of its own.
    pub(super) private_namespace: bool,
    /// Subsystem and directory, in the order in which they are used.
    pub(super) paths: Vec<(String, String)>,
    /// The directories of version 1 in the order in which they are mounted: name of the mount and directory.
    mounted: Vec<(String, String)>,
}

impl Cgroup {
    /// Finds out what is mounted, and where a container's groups will be.
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn find(sys: &Sys, id: &str, path: &str) -> Result<Cgroup, String> {
        let unified = sys.statfs("/sys/fs/cgroup").await.is_ok_and(|st| st.f_type == CGROUP2_SUPER_MAGIC);
        let text = sys.read_file("/proc/self/mountinfo").await.map_err(errno)?;
        let mounts: Vec<MountInfo> = text.lines().filter_map(MountInfo::parse).collect();
        let own = sys.read_file("/proc/self/cgroup").await.map_err(errno)?;
        let name = if path.is_empty() { id } else { path };
        let below = |mount: &str, controller: &str| {
            let parent = if name.starts_with('/') { "" } else { own_group(&own, controller) };
            format!("{mount}{}/{}", parent.trim_end_matches('/'), name.trim_start_matches('/'))
        };
        let mut cgroup = Cgroup { unified, ..Cgroup::default() };
        if unified {
            cgroup.paths.push((UNIFIED.to_owned(), below("/sys/fs/cgroup", UNIFIED)));
            return Ok(cgroup);
        }
        let is_v1 = |m: &&MountInfo| m.fstype == "cgroup" && m.target.starts_with("/sys/fs/cgroup/");
        for subsystem in SUBSYSTEMS {
            let has = |m: &&MountInfo| m.fs_options.split(',').any(|o| o == subsystem);
            if let Some(mount) = mounts.iter().filter(is_v1).find(has) {
                cgroup.paths.push((subsystem.to_owned(), below(&mount.target, subsystem)));
            }
        }
        for mount in mounts.iter().filter(is_v1) {
            let name = mount.target.rsplit('/').next().unwrap_or_default();
            let part = cgroup.paths.iter().find(|(_, p)| p.starts_with(&format!("{}/", mount.target)));
            if let Some((_, path)) = part {
                cgroup.mounted.push((name.to_owned(), path.clone()));
            }
        }
        if mounts.iter().any(|m| m.fstype == "cgroup2" && m.target == "/sys/fs/cgroup/unified") {
            cgroup.paths.push((UNIFIED.to_owned(), below("/sys/fs/cgroup/unified", UNIFIED)));
        }
        Ok(cgroup)
    }

    /// The same from what `state.json` holds.
    pub(super) fn known(paths: Vec<(String, String)>) -> Cgroup {
        let unified = paths.len() == 1 && paths[0].0 == UNIFIED;
        Cgroup { unified, paths, ..Cgroup::default() }
    }

    /// Takes the directories from somebody who was outside when they were found.
    pub(super) fn relocate(&mut self, known: &[(String, String)]) {
        let find = |old: &str| {
            let hierarchy = old.split('/').take(5).collect::<Vec<_>>().join("/");
            known.iter().find(|(_, p)| p.starts_with(&format!("{hierarchy}/"))).map(|(_, p)| p.clone())
        };
        for (_, path) in self.paths.iter_mut().chain(&mut self.mounted) {
            if let Some(outside) = find(path) {
                *path = outside;
            }
        }
    }

    /// The directory of a subsystem; of version 2 with an empty name.
    pub(super) fn path(&self, subsystem: &str) -> Option<&str> {
        self.paths.iter().find(|(name, _)| name == subsystem).map(|(_, path)| path.as_str())
    }

    /// The hierarchies of version 1 in the order in which they are mounted.
    pub(super) fn hierarchies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.mounted.iter().map(|(name, path)| (name.as_str(), path.as_str()))
    }

    /// Makes the groups and puts a process into them (`Apply`).
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn apply(&self, sys: &Sys, pid: i32) -> Result<(), String> {
        let context = |e: String| format!("unable to apply cgroup configuration: {e}");
        for (subsystem, path) in &self.paths {
            if self.unified {
                enable_controllers(sys, path).await.map_err(context)?;
            } else {
                mkdir_all(sys, path).await.map_err(|e| context(format!("mkdir {path}: {}", errno(e))))?;
            }
            if subsystem == "cpuset" {
                fill_cpusets(sys, path).await.map_err(context)?;
            }
            write(sys, path, "cgroup.procs", &pid.to_string()).await.map_err(context)?;
        }
        Ok(())
    }

    /// Puts a process into groups that exist (`EnterPid`).
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn enter(&self, sys: &Sys, pid: i32) -> Result<(), String> {
        for (_, path) in &self.paths {
            write(sys, path, "cgroup.procs", &pid.to_string()).await?;
        }
        Ok(())
    }

    /// Writes limits (`Set`).
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn set(&self, sys: &Sys, r: &Resources) -> Result<(), String> {
        if self.unified {
            return self.set_v2(sys, r).await;
        }
        if let Some((file, _)) = r.unified.first() {
            return Err(format!("invalid configuration: cannot use unified resource {file} with cgroup v1"));
        }
        for (subsystem, path) in &self.paths {
            for (file, text) in v1_files(subsystem, r) {
                write(sys, path, file, &text).await?;
            }
            if subsystem == "devices" {
                set_devices(sys, path, &r.devices).await?;
            }
        }
        Ok(())
    }

    async fn set_v2(&self, sys: &Sys, r: &Resources) -> Result<(), String> {
        let Some(path) = self.path(UNIFIED) else { return Ok(()) };
        for (file, text) in v2_files(r)? {
            write(sys, path, &file, &text).await?;
        }
        // Access to devices would be a BPF program here, which is not modelled: none is attached.
        Ok(())
    }

    /// Stops or lets go on everybody in the groups.
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn freeze(&self, sys: &Sys, frozen: bool) -> Result<(), String> {
        if self.unified {
            let path = self.path(UNIFIED).unwrap_or_default();
            return write(sys, path, "cgroup.freeze", if frozen { "1" } else { "0" }).await;
        }
        let Some(path) = self.path("freezer") else {
            return Err("cannot toggle freezer: cgroups not configured".into());
        };
        write(sys, path, "freezer.state", if frozen { "FROZEN" } else { "THAWED" }).await
    }

    /// Whether everybody in the groups is stopped.
    pub(super) async fn is_frozen(&self, sys: &Sys) -> bool {
        let read = match self.path("freezer").filter(|_| !self.unified) {
            Some(path) => sys.read_file(&format!("{path}/freezer.state")).await,
            None => match self.path(UNIFIED) {
                Some(path) => sys.read_file(&format!("{path}/cgroup.freeze")).await,
                None => return false,
            },
        };
        read.is_ok_and(|text| matches!(text.trim(), "FROZEN" | "FREEZING" | "1"))
    }

    /// Who is in the container's group.
    pub(in super::super) async fn processes(&self, sys: &Sys) -> Vec<i32> {
        let of_freezer = self.path("devices").or_else(|| self.path(UNIFIED));
        let Some(path) = of_freezer else { return Vec::new() };
        let text = sys.read_file(&format!("{path}/cgroup.procs")).await.unwrap_or_default();
        text.lines().filter_map(|l| l.trim().parse().ok()).collect()
    }

    /// Removes the groups (`Destroy`): whoever has just been killed may still be in them for a moment.
    pub(super) async fn destroy(&self, sys: &Sys) {
        for (_, path) in &self.paths {
            let mut pause = 10_000_000;
            for _ in 0..5 {
                match sys.rmdir(path).await {
                    Err(Errno::EBUSY) => {
                        // Interrupted, it is simply shorter.
                        let _ = sys.nanosleep(pause).await;
                        pause *= 2;
                    }
                    _ => break,
                }
            }
        }
    }
}

/// Everything is denied and then what is wanted is allowed, file by file.
async fn set_devices(sys: &Sys, path: &str, rules: &[DeviceRule]) -> Result<(), String> {
    if rules.is_empty() {
        return Ok(());
    }
    // What is in force now; a container that is made anew may do everything.
    let _ = sys.read_file(&format!("{path}/devices.list")).await;
    for rule in rules.iter().filter(|r| r.kind == 'a' && !r.allow) {
        write(sys, path, "devices.deny", &text_of(rule)).await?;
    }
    let mut specific: Vec<&DeviceRule> = rules.iter().filter(|r| r.kind != 'a').collect();
    specific.sort_by_key(|r| (r.major, r.minor, r.kind));
    for rule in specific {
        let file = if rule.allow { "devices.allow" } else { "devices.deny" };
        write(sys, path, file, &text_of(rule)).await?;
    }
    for rule in rules.iter().filter(|r| r.kind == 'a' && r.allow) {
        write(sys, path, "devices.allow", &text_of(rule)).await?;
    }
    Ok(())
}

/// The group of the reader in the hierarchy of a controller, from `/proc/self/cgroup`.
fn own_group<'a>(text: &'a str, controller: &str) -> &'a str {
    let line = text.lines().find(|line| {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        if controller.is_empty() { line.starts_with("0::") } else { controllers.split(',').any(|c| c == controller) }
    });
    line.and_then(|l| l.splitn(3, ':').nth(2)).unwrap_or("/")
}

async fn write(sys: &Sys, dir: &str, file: &str, text: &str) -> Result<(), String> {
    let path = format!("{dir}/{file}");
    let fd = sys.open(&path, o::WRONLY | o::CLOEXEC, 0).await.map_err(|e| format!("open {path}: {}", errno(e)))?;
    let done = sys.write_all(fd, text.as_bytes()).await;
    // It is open.
    let _ = sys.close(fd).await;
    done.map_err(|e| format!("failed to write \"{text}\": write {path}: {}", errno(e)))
}

/// A new cpuset has neither processors nor memory nodes, and then nobody may enter: from the top down each empty one
/// gets what its parent has (`cpusetEnsureParent`).
async fn fill_cpusets(sys: &Sys, path: &str) -> Result<(), String> {
    /// `/sys/fs/cgroup/cpuset` is the root, which has everything.
    const ROOT_PARTS: usize = 5;
    let parts: Vec<&str> = path.split('/').collect();
    for end in ROOT_PARTS + 1..=parts.len() {
        let dir = parts[..end].join("/");
        inherit(sys, &dir, "cpuset.cpus").await?;
        inherit(sys, &dir, "cpuset.mems").await?;
    }
    Ok(())
}

/// Fills an empty file of a cpuset with what the parent has.
async fn inherit(sys: &Sys, dir: &str, file: &str) -> Result<(), String> {
    let failed = |path: &str, e: Errno| format!("open {path}: {}", errno(e));
    let path = format!("{dir}/{file}");
    let own = match sys.read_file(&path).await {
        Ok(own) => own,
        // A kernel whose cpusets have no such file asks for nothing.
        Err(Errno::ENOENT) => return Ok(()),
        Err(e) => return Err(failed(&path, e)),
    };
    if !own.trim().is_empty() {
        return Ok(());
    }
    let parent = dir.rsplit_once('/').map_or("/", |(parent, _)| parent);
    let above = format!("{parent}/{file}");
    let text = sys.read_file(&above).await.map_err(|e| failed(&above, e))?;
    write(sys, dir, file, &text).await
}

/// Makes a group of version 2 with every controller that its ancestors can hand down (`CreateCgroupPath`).
async fn enable_controllers(sys: &Sys, path: &str) -> Result<(), String> {
    const ROOT: &str = "/sys/fs/cgroup";
    let available = sys.read_file(&format!("{ROOT}/cgroup.controllers")).await;
    let available = available.map_err(|e| format!("open {ROOT}/cgroup.controllers: {}", errno(e)))?;
    let wanted: Vec<String> = available.split_whitespace().map(|c| format!("+{c}")).collect();
    let below = path.strip_prefix(ROOT).unwrap_or(path);
    let mut at = ROOT.to_owned();
    for name in below.split('/').filter(|n| !n.is_empty()) {
        // All at once, or else one by one: some of them may not be possible here.
        if write(sys, &at, "cgroup.subtree_control", &wanted.join(" ")).await.is_err() {
            for controller in &wanted {
                let _ = write(sys, &at, "cgroup.subtree_control", controller).await;
            }
        }
        at = format!("{at}/{name}");
        match sys.mkdir(&at, 0o755).await {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(format!("mkdir {at}: {}", errno(e))),
        }
    }
    Ok(())
}

/// What is written into the files of a subsystem of version 1.
fn v1_files(subsystem: &str, r: &Resources) -> Vec<(&'static str, String)> {
    let mut files: Vec<(&'static str, String)> = Vec::new();
    let mut number = |file: &'static str, value: Option<i64>| {
        if let Some(n) = value.filter(|n| *n != 0) {
            files.push((file, n.to_string()));
        }
    };
    match subsystem {
        "memory" => {
            // The lower of the two limits first, or the other one would be refused.
            number("memory.limit_in_bytes", r.memory_limit);
            number("memory.memsw.limit_in_bytes", r.memory_swap);
            number("memory.soft_limit_in_bytes", r.memory_reservation);
            number("memory.swappiness", r.memory_swappiness);
            number("memory.oom_control", r.oom_kill_disable.filter(|d| *d).map(|_| 1));
        }
        "cpu" => {
            number("cpu.shares", r.cpu_shares);
            number("cpu.cfs_period_us", r.cpu_period);
            number("cpu.cfs_quota_us", r.cpu_quota);
        }
        "blkio" => number("blkio.weight", r.blkio_weight),
        "cpuset" => {
            for (file, text) in [("cpuset.cpus", &r.cpuset_cpus), ("cpuset.mems", &r.cpuset_mems)] {
                if !text.is_empty() {
                    files.push((file, text.clone()));
                }
            }
        }
        "pids" => {
            if let Some(n) = r.pids_limit.filter(|n| *n != 0) {
                files.push(("pids.max", if n > 0 { n.to_string() } else { "max".to_owned() }));
            }
        }
        _ => {}
    }
    files
}

/// What is written into the files of a group of version 2.
fn v2_files(r: &Resources) -> Result<Vec<(String, String)>, String> {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut put = |file: &str, text: String| files.push((file.to_owned(), text));
    let or_max = |n: i64| if n < 0 { "max".to_owned() } else { n.to_string() };
    if let Some(n) = r.pids_limit.filter(|n| *n != 0) {
        put("pids.max", or_max(n));
    }
    let limit = r.memory_limit.filter(|n| *n != 0);
    if let Some(swap) = r.memory_swap.filter(|n| *n != 0) {
        // Here swap is counted by itself, there together with memory.
        let swap = match (swap, limit) {
            (n, _) if n < 0 => n,
            (n, Some(limit)) if n < limit => return Err("memory+swap limit should be >= memory limit".to_owned()),
            (n, Some(limit)) => n - limit,
            (_, None) => return Err("unable to set swap limit without memory limit".to_owned()),
        };
        put("memory.swap.max", or_max(swap));
    }
    if let Some(n) = limit {
        put("memory.max", or_max(n));
    }
    if let Some(n) = r.memory_reservation.filter(|n| *n != 0) {
        put("memory.low", or_max(n));
    }
    if let Some(weight) = r.blkio_weight.filter(|n| *n != 0) {
        put("io.weight", format!("default {}", 1 + (weight - 10) * 9999 / 990));
    }
    if let Some(shares) = r.cpu_shares.filter(|n| *n != 0) {
        put("cpu.weight", (1 + ((shares - 2) * 9999) / 262_142).to_string());
    }
    let (quota, period) = (r.cpu_quota.filter(|n| *n != 0), r.cpu_period.filter(|n| *n != 0));
    if quota.is_some() || period.is_some() {
        let quota = quota.filter(|n| *n > 0).map_or("max".to_owned(), |n| n.to_string());
        put("cpu.max", format!("{quota} {}", period.unwrap_or(100_000)));
    }
    for (file, text) in [("cpuset.cpus", &r.cpuset_cpus), ("cpuset.mems", &r.cpuset_mems)] {
        if !text.is_empty() {
            put(file, text.clone());
        }
    }
    files.extend(r.unified.iter().cloned());
    Ok(files)
}

fn text_of(rule: &DeviceRule) -> String {
    let number = |n: Option<i64>| n.map_or("*".to_owned(), |n| n.to_string());
    format!("{} {}:{} {}", rule.kind, number(rule.major), number(rule.minor), rule.access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_versions_are_told_the_same_in_their_own_words() {
        let r = Resources {
            memory_limit: Some(64 << 20),
            memory_swap: Some(96 << 20),
            cpu_shares: Some(1024),
            cpu_quota: Some(50_000),
            pids_limit: Some(-1),
            ..Resources::default()
        };
        assert_eq!(v1_files("pids", &r), [("pids.max", "max".to_owned())]);
        assert_eq!(v1_files("cpu", &r), [("cpu.shares", "1024".to_owned()), ("cpu.cfs_quota_us", "50000".to_owned())]);
        let v2 = v2_files(&r).expect("sound");
        let text: Vec<String> = v2.iter().map(|(f, t)| format!("{f}={t}")).collect();
        assert_eq!(
            text,
            [
                "pids.max=max",
                "memory.swap.max=33554432",
                "memory.max=67108864",
                "cpu.weight=39",
                "cpu.max=50000 100000"
            ]
        );
    }

    #[test]
    fn the_own_group_is_found_in_either_version() {
        let text = "2:cpu,cpuacct:/a\n1:pids:/b/c\n0::/d\n";
        assert_eq!((own_group(text, "cpuacct"), own_group(text, "pids"), own_group(text, "")), ("/a", "/b/c", "/d"));
    }
}
