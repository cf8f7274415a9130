//! The mounts of a container: options become flags (`parseMountOptions`), and each is made inside the root file
//! system through a descriptor, so that no symbolic link can lead it out (`mountToRootfs`).

use super::super::golang::errno;
use super::super::oci::Mount;
use super::cgroup::Cgroup;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::{AT_FDCWD, o, s};

#[allow(missing_docs)] // the flags of mount(2)
pub(super) mod ms {
    pub const RDONLY: u64 = 1;
    pub const NOSUID: u64 = 2;
    pub const NODEV: u64 = 4;
    pub const NOEXEC: u64 = 8;
    pub const SYNCHRONOUS: u64 = 16;
    pub const REMOUNT: u64 = 32;
    pub const MANDLOCK: u64 = 64;
    pub const DIRSYNC: u64 = 128;
    pub const NOATIME: u64 = 1024;
    pub const NODIRATIME: u64 = 2048;
    pub const BIND: u64 = 4096;
    pub const REC: u64 = 16384;
    pub const UNBINDABLE: u64 = 1 << 17;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
    pub const RELATIME: u64 = 1 << 21;
    pub const STRICTATIME: u64 = 1 << 24;
}

/// What options come to.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Options {
    /// Flags of mount(2).
    pub flags: u64,
    /// Changes of propagation, each a mount(2) of its own.
    pub propagation: Vec<u64>,
    /// What the file system is told.
    pub data: String,
}

/// Name, whether it clears the flag, flag.
const FLAGS: [(&str, bool, u64); 26] = [
    ("async", true, ms::SYNCHRONOUS),
    ("atime", true, ms::NOATIME),
    ("bind", false, ms::BIND),
    ("defaults", false, 0),
    ("dev", true, ms::NODEV),
    ("diratime", true, ms::NODIRATIME),
    ("dirsync", false, ms::DIRSYNC),
    ("exec", true, ms::NOEXEC),
    ("mand", false, ms::MANDLOCK),
    ("noatime", false, ms::NOATIME),
    ("nodev", false, ms::NODEV),
    ("nodiratime", false, ms::NODIRATIME),
    ("noexec", false, ms::NOEXEC),
    ("nomand", true, ms::MANDLOCK),
    ("norelatime", true, ms::RELATIME),
    ("nostrictatime", true, ms::STRICTATIME),
    ("nosuid", false, ms::NOSUID),
    ("rbind", false, ms::BIND | ms::REC),
    ("relatime", false, ms::RELATIME),
    ("remount", false, ms::REMOUNT),
    ("ro", false, ms::RDONLY),
    ("rw", true, ms::RDONLY),
    ("strictatime", false, ms::STRICTATIME),
    ("suid", true, ms::NOSUID),
    ("sync", false, ms::SYNCHRONOUS),
    ("tmpcopyup", false, 0),
];

/// The propagation that a name stands for.
pub(super) fn propagation(name: &str) -> Option<u64> {
    let (rec, kind) = match name.strip_prefix('r') {
        Some(rest) => (ms::REC, rest),
        None => (0, name),
    };
    let flag = match kind {
        "private" => ms::PRIVATE,
        "shared" => ms::SHARED,
        "slave" => ms::SLAVE,
        "unbindable" => ms::UNBINDABLE,
        _ => return None,
    };
    Some(rec | flag)
}

/// Takes options apart.
pub(super) fn parse(options: &[String]) -> Options {
    let mut parsed = Options::default();
    let mut data = Vec::new();
    for option in options {
        if let Some((_, clears, flag)) = FLAGS.iter().find(|(name, ..)| name == option) {
            parsed.flags = if *clears { parsed.flags & !flag } else { parsed.flags | flag };
        } else if let Some(flag) = propagation(option) {
            parsed.propagation.push(flag);
        } else {
            data.push(option.as_str());
        }
    }
    parsed.data = data.join(",");
    parsed
}

/// One mount, inside `rootfs`.
///
/// # Errors
/// What `runc` says.
pub(super) async fn make(sys: &Sys, rootfs: &str, mount: &Mount, label: &str, cgroup: &Cgroup) -> Result<(), String> {
    let mut options = parse(&mount.options);
    if !label.is_empty() && matches!(mount.fstype.as_str(), "tmpfs" | "devpts" | "mqueue") {
        // What is mounted new is for this container alone (`label.FormatMountLabel`).
        let before = if options.data.is_empty() { "" } else { "," };
        options.data.push_str(&format!("{before}context=\"{label}\""));
    }
    let fstype = if options.flags & ms::BIND != 0 { "bind" } else { mount.fstype.as_str() };
    if mount.options.iter().any(|o| o == "tmpcopyup") {
        return Err("not modelled in Ringside: the mount option tmpcopyup".to_owned());
    }
    let context =
        |e: String| format!("error mounting \"{}\" to rootfs at \"{}\": {e}", mount.source, mount.destination);
    let done = match fstype {
        "cgroup" => hierarchies(sys, rootfs, mount, &options, cgroup).await,
        "bind" => bind(sys, rootfs, mount, &options).await,
        "tmpfs" => tmpfs(sys, rootfs, &mount.source, &mount.destination, &options).await,
        _ => {
            let target = inside(sys, rootfs, &mount.destination).await?;
            match mkdir_all(sys, &target).await {
                Ok(()) => onto(sys, &mount.source, &target, fstype, &options).await,
                Err(e) => Err(format!("mkdir {target}: {}", errno(e))),
            }
        }
    };
    done.map_err(context)
}

/// The place of a path inside `rootfs`: symbolic links are followed as if `rootfs` were the root
/// (`securejoin.SecureJoin`).
///
/// # Errors
/// What `runc` says: too many links.
pub(super) async fn inside(sys: &Sys, rootfs: &str, path: &str) -> Result<String, String> {
    let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut at: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(name) = left.pop() {
        match name.as_str() {
            "" | "." => {}
            ".." => drop(at.pop()),
            _ => {
                let here = format!("{rootfs}/{}", [at.as_slice(), std::slice::from_ref(&name)].concat().join("/"));
                match sys.readlink(&here).await {
                    Ok(target) => {
                        links += 1;
                        if links > 255 {
                            return Err(format!("SecureJoin {path}: {}", errno(Errno::ELOOP)));
                        }
                        if target.starts_with('/') {
                            at.clear();
                        }
                        left.extend(target.split('/').rev().map(str::to_owned));
                    }
                    Err(_) => at.push(name),
                }
            }
        }
    }
    Ok(format!("{}/{}", rootfs.trim_end_matches('/'), at.join("/")))
}

/// mkdir -p
///
/// # Errors
/// Those of mkdir(2).
pub(in super::super) async fn mkdir_all(sys: &Sys, path: &str) -> Result<(), Errno> {
    if sys.stat(path).await.is_ok_and(|st| st.is_dir()) {
        return Ok(());
    }
    let mut at = String::new();
    for name in path.split('/').filter(|n| !n.is_empty()) {
        at = if at.is_empty() && !path.starts_with('/') { name.to_owned() } else { format!("{at}/{name}") };
        match sys.mkdir(&at, 0o755).await {
            Ok(()) | Err(Errno::EEXIST) => {}
            // What is on a read-only file system may be there already.
            Err(e) => match sys.stat(&at).await {
                Ok(st) if st.is_dir() => {}
                _ => return Err(e),
            },
        }
    }
    Ok(())
}

/// mount(2) onto a descriptor of the target, which cannot be exchanged between check and use (`mountPropagate`).
async fn onto(sys: &Sys, source: &str, target: &str, fstype: &str, options: &Options) -> Result<(), String> {
    let flags = options.flags & !ms::REMOUNT;
    // `/dev` and tmpfs are filled first and become read-only at the end.
    let late = fstype == "tmpfs" || target.ends_with("/dev");
    let flags = if late { flags & !ms::RDONLY } else { flags };
    by_descriptor(sys, source, target, Some(fstype).filter(|t| *t != "bind"), flags, &options.data).await?;
    for change in &options.propagation {
        by_descriptor(sys, "", target, None, *change, "").await?;
    }
    Ok(())
}

async fn by_descriptor(
    sys: &Sys,
    source: &str,
    target: &str,
    fstype: Option<&str>,
    flags: u64,
    data: &str,
) -> Result<(), String> {
    let fd = sys.open(target, o::PATH | o::CLOEXEC, 0).await.map_err(|e| format!("open {target}: {}", errno(e)))?;
    let place = format!("/proc/self/fd/{fd}");
    let real = sys.readlink(&place).await;
    let done = match real {
        Ok(real) if real != target => Err(format!("possibly malicious path detected: expected {target}, got {real}")),
        _ => sys.mount(source, &place, fstype, flags, Some(data).filter(|d| !d.is_empty())).await.map_err(|e| {
            let data = if data.is_empty() { String::new() } else { format!(", data: {data}") };
            let flags = if flags == 0 { String::new() } else { format!(", flags: 0x{flags:x}") };
            format!("mount {source}:{target} (via {place}){flags}{data}: {}", errno(e))
        }),
    };
    // It is open.
    let _ = sys.close(fd).await;
    done
}

/// A tmpfs keeps the mode of the directory that it covers.
async fn tmpfs(sys: &Sys, rootfs: &str, source: &str, destination: &str, options: &Options) -> Result<(), String> {
    let target = inside(sys, rootfs, destination).await?;
    let before = sys.stat(&target).await.ok();
    mkdir_all(sys, &target).await.map_err(|e| format!("mkdir {target}: {}", errno(e)))?;
    onto(sys, source, &target, "tmpfs", options).await?;
    if let Some(st) = before {
        sys.chmod(&target, st.st_mode & 0o7777).await.map_err(|e| format!("chmod {target}: {}", errno(e)))?;
    }
    Ok(())
}

/// A bind mount takes its flags only when it is mounted a second time.
async fn bind(sys: &Sys, rootfs: &str, mount: &Mount, options: &Options) -> Result<(), String> {
    let Mount { source, destination, .. } = mount;
    let from = sys.stat(source).await.map_err(|e| format!("stat {source}: {}", errno(e)))?;
    let target = inside(sys, rootfs, destination).await?;
    let failed = |e: Errno| format!("create mount destination for {destination} mount: {}", errno(e));
    if from.is_dir() {
        mkdir_all(sys, &target).await.map_err(failed)?;
    } else {
        make_file(sys, &target).await.map_err(failed)?;
    }
    onto(sys, source, &target, "bind", options).await?;
    if options.flags & !(ms::REC | ms::REMOUNT | ms::BIND) != 0 {
        by_descriptor(sys, source, &target, None, options.flags | ms::REMOUNT | ms::BIND, "").await?;
    }
    Ok(())
}

/// A file to mount something on, with its directories.
///
/// # Errors
/// Those of open(2).
pub(super) async fn make_file(sys: &Sys, path: &str) -> Result<(), Errno> {
    if sys.stat(path).await.is_ok() {
        return Ok(());
    }
    if let Some((dir, _)) = path.rsplit_once('/') {
        mkdir_all(sys, dir).await?;
    }
    let fd = sys.open(path, o::WRONLY | o::CREAT | o::CLOEXEC, 0o755).await?;
    sys.close(fd).await
}

/// The control groups, as far as the container may see them: with version 1 a tmpfs, and in it what of each
/// hierarchy is the container's own; with version 2 the file system itself.
async fn hierarchies(sys: &Sys, rootfs: &str, mount: &Mount, options: &Options, cgroup: &Cgroup) -> Result<(), String> {
    if cgroup.unified {
        let target = inside(sys, rootfs, &mount.destination).await?;
        mkdir_all(sys, &target).await.map_err(|e| format!("mkdir {target}: {}", errno(e)))?;
        return match onto(sys, &mount.source, &target, "cgroup2", options).await {
            // In a user namespace it may not be made anew: the container's own part is bound instead.
            Err(_) if cgroup.path("").is_some() => {
                let own = cgroup.path("").unwrap_or_default().to_owned();
                let bound = Mount { source: own, fstype: "bind".to_owned(), ..mount.clone() };
                let options = Options { flags: options.flags | ms::BIND | ms::REC, ..options.clone() };
                bind(sys, rootfs, &bound, &options).await
            }
            other => other,
        };
    }
    let safe = ms::NOEXEC | ms::NOSUID | ms::NODEV;
    let top = Options { flags: safe, data: "mode=755".to_owned(), propagation: options.propagation.clone() };
    tmpfs(sys, rootfs, "tmpfs", &mount.destination, &top).await?;
    let own_view = sys.readlink("/proc/self/ns/cgroup").await.ok() != sys.readlink("/proc/1/ns/cgroup").await.ok()
        && cgroup.private_namespace;
    for (name, path) in cgroup.hierarchies() {
        let destination = format!("{}/{name}", mount.destination);
        if own_view {
            // In a cgroup namespace the whole of the hierarchy is its own part.
            let target = inside(sys, rootfs, &destination).await?;
            mkdir_all(sys, &target).await.map_err(|e| format!("mkdir {target}: {}", errno(e)))?;
            let data = Options { flags: options.flags, data: name.to_owned(), propagation: Vec::new() };
            onto(sys, "cgroup", &target, "cgroup", &data).await?;
            continue;
        }
        let part = Mount { source: path.to_owned(), fstype: "bind".to_owned(), destination, options: Vec::new() };
        let flags = Options { flags: options.flags | ms::BIND | ms::REC, ..Options::default() };
        bind(sys, rootfs, &part, &flags).await?;
    }
    Ok(())
}

/// Makes a device file, or binds the machine's own where mknod(2) is not allowed.
///
/// # Errors
/// What `runc` says.
pub(super) async fn device(
    sys: &Sys,
    rootfs: &str,
    device: &super::super::oci::Device,
    bind_them: bool,
) -> Result<(), String> {
    let target = inside(sys, rootfs, &device.path).await?;
    let failed = |e: Errno| format!("error creating device nodes: mknod {target}: {}", errno(e));
    if let Some((dir, _)) = target.rsplit_once('/') {
        mkdir_all(sys, dir).await.map_err(failed)?;
    }
    if !bind_them {
        let kind = if device.kind == 'b' { s::IFBLK } else { s::IFCHR };
        let numbers = crate::program::libc::makedev(device.major, device.minor);
        match sys.mknod(&target, kind | device.mode, numbers).await {
            Ok(()) => {
                return sys.fchownat(AT_FDCWD, &target, device.uid, device.gid, 0).await.map_err(failed);
            }
            Err(Errno::EEXIST) => return Ok(()),
            Err(Errno::EPERM) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    make_file(sys, &target).await.map_err(failed)?;
    sys.mount(&device.path, &target, Some("bind"), ms::BIND, None).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_flags_propagation_and_data() {
        let words = ["nosuid", "ro", "rw", "mode=755", "rslave", "size=64k"].map(str::to_owned);
        let parsed = parse(&words);
        assert_eq!(parsed.flags, ms::NOSUID);
        assert_eq!(parsed.propagation, [ms::REC | ms::SLAVE]);
        assert_eq!(parsed.data, "mode=755,size=64k");
    }
}
