//! The root file system of a container: its mounts, device files, and the change of root, as
//! `libcontainer/rootfs_linux.go` makes them.

use super::super::golang::errno;
use super::super::oci::{Device, Spec};
use super::cgroup::Cgroup;
use super::mounts::{self, ms};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::{AT_REMOVEDIR, o};
use crate::program::util_linux::mountinfo::MountInfo;
use crate::syscall::Sysno;

const MNT_DETACH: i64 = 2;

/// The device files that every container has.
pub(in super::super) const DEVICES: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// Everything up to the hooks (`prepareRootfs`).
///
/// # Errors
/// What `runc` says.
pub(super) async fn prepare(sys: &Sys, spec: &Spec, rootfs: &str, cgroup: &Cgroup) -> Result<(), String> {
    let failed = |e: Errno| format!("error preparing rootfs: {}", errno(e));
    let propagation = mounts::propagation(&spec.linux.rootfs_propagation).unwrap_or(ms::SLAVE | ms::REC);
    sys.mount("", "/", None, propagation, None).await.map_err(failed)?;
    make_parent_private(sys, rootfs).await.map_err(failed)?;
    sys.mount(rootfs, rootfs, None, ms::BIND | ms::REC, None).await.map_err(failed)?;
    for mount in &spec.mounts {
        mounts::make(sys, rootfs, mount, &spec.linux.mount_label, cgroup).await?;
    }
    let in_user_ns = !spec.linux.uid_mappings.is_empty()
        || sys.read_file("/proc/self/uid_map").await.is_ok_and(|map| {
            let words: Vec<&str> = map.split_whitespace().collect();
            words != ["0", "0", "4294967295"]
        });
    if needs_devices(spec) {
        devices(sys, spec, rootfs, in_user_ns).await?;
    }
    Ok(())
}

/// Whether `/dev` is made here or comes from outside (`needsSetupDev`).
fn needs_devices(spec: &Spec) -> bool {
    let from_outside =
        |m: &&super::super::oci::Mount| m.fstype == "bind" || m.options.iter().any(|o| o == "bind" || o == "rbind");
    !spec.mounts.iter().filter(from_outside).any(|m| m.destination.trim_end_matches('/') == "/dev")
}

/// pivot_root(2) refuses a new root whose parent mount is shared (`rootfsParentMountPrivate`).
async fn make_parent_private(sys: &Sys, rootfs: &str) -> Result<(), Errno> {
    let text = sys.read_file("/proc/self/mountinfo").await?;
    let above = |m: &MountInfo| m.target == "/" || rootfs == m.target || rootfs.starts_with(&format!("{}/", m.target));
    let parent = text.lines().filter_map(MountInfo::parse).filter(above).max_by_key(|m| m.target.len());
    match parent.filter(|m| m.has_field("shared")) {
        Some(mount) => sys.mount("", &mount.target, None, ms::PRIVATE, None).await,
        None => Ok(()),
    }
}

async fn devices(sys: &Sys, spec: &Spec, rootfs: &str, in_user_ns: bool) -> Result<(), String> {
    let umask = sys.umask(0).await.unwrap_or(0o022);
    let plain = |(path, major, minor): (&str, u32, u32)| Device {
        path: path.to_owned(),
        kind: 'c',
        major,
        minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    };
    let all = DEVICES.into_iter().map(plain).chain(spec.linux.devices.iter().cloned());
    for device in all {
        mounts::device(sys, rootfs, &device, in_user_ns).await?;
    }
    // It cannot fail.
    let _ = sys.umask(umask).await;
    let ptmx = format!("{rootfs}/dev/ptmx");
    if sys.unlink(&ptmx).await.is_err() {
        // A directory of that name would be in the way, too.
        let args = vec![crate::program::libc::AT_FDCWD.into(), ptmx.as_str().into(), AT_REMOVEDIR.into()];
        let _ = sys.call(Sysno::UNLINKAT, args).await;
    }
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    for (target, name) in links {
        match sys.symlink(target, &format!("{rootfs}/dev/{name}")).await {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(format!("error setting up ptmx: symlink {target}: {}", errno(e))),
        }
    }
    Ok(())
}

/// Makes `rootfs` the root directory: pivot_root(".", ".") puts the old root on top of the new one, and it is
/// taken off at once; or, where pivot_root cannot work, the new root is moved over the old one.
///
/// # Errors
/// What `runc` says.
pub(super) async fn change_root(sys: &Sys, rootfs: &str, no_pivot: bool) -> Result<(), String> {
    let failed = |what: &str, e: Errno| format!("error jailing process inside rootfs: {what}: {}", errno(e));
    sys.chdir(rootfs).await.map_err(|e| failed(&format!("chdir {rootfs}"), e))?;
    if no_pivot {
        sys.mount(rootfs, "/", None, 8192, None).await.map_err(|e| failed("mount", e))?;
        sys.chroot(".").await.map_err(|e| failed("chroot", e))?;
        return sys.chdir("/").await.map_err(|e| failed("chdir /", e));
    }
    let open = |e| failed("open", e);
    let old = sys.open("/", o::DIRECTORY | o::RDONLY, 0).await.map_err(open)?;
    let new = sys.open(rootfs, o::DIRECTORY | o::RDONLY, 0).await.map_err(open)?;
    let fchdir = |fd: i32| sys.call(Sysno::FCHDIR, vec![fd.into()]);
    fchdir(new).await.map_err(|e| failed("fchdir", e))?;
    sys.pivot_root(".", ".").await.map_err(|e| failed("pivot_root .", e))?;
    fchdir(old).await.map_err(|e| failed("fchdir", e))?;
    // A slave, so that taking it off does not travel to the machine's own mounts.
    sys.mount("", ".", None, ms::SLAVE | ms::REC, None).await.map_err(|e| failed("mount", e))?;
    sys.umount2(".", MNT_DETACH).await.map_err(|e| failed("unmount .", e))?;
    sys.chdir("/").await.map_err(|e| failed("chdir /", e))?;
    for fd in [new, old] {
        // Both are open.
        let _ = sys.close(fd).await;
    }
    Ok(())
}

/// What becomes read-only at the end (`finalizeRootfs`).
///
/// # Errors
/// What `runc` says.
pub(super) async fn finish(sys: &Sys, spec: &Spec) -> Result<(), String> {
    let failed =
        |what: &str, e: Errno| format!("error finalizing rootfs: error remounting {what} as readonly: {}", errno(e));
    for mount in &spec.mounts {
        let options = mounts::parse(&mount.options);
        let late = mount.fstype == "tmpfs" || mount.destination.trim_end_matches('/') == "/dev";
        if late && options.flags & ms::RDONLY != 0 && options.flags & ms::BIND == 0 {
            let flags = options.flags | ms::REMOUNT | ms::BIND;
            sys.mount("", &mount.destination, None, flags, None).await.map_err(|e| failed(&mount.destination, e))?;
        }
    }
    if spec.root.as_ref().is_some_and(|(_, read_only)| *read_only) {
        let again = ms::RDONLY | ms::REMOUNT | ms::BIND;
        if let Err(first) = sys.mount("", "/", None, again, None).await {
            // Flags that are locked in a user namespace have to be asked for again.
            let Some(kept) = flags_of(sys, "/").await else { return Err(failed("rootfs", first)) };
            sys.mount("", "/", None, again | kept, None).await.map_err(|e| failed("rootfs", e))?;
        }
    }
    let umask = spec.process.as_ref().and_then(|p| p.umask).unwrap_or(0o022);
    // It cannot fail.
    let _ = sys.umask(umask).await;
    Ok(())
}

/// The flags that a mount has now, for a remount that must not lose them.
async fn flags_of(sys: &Sys, path: &str) -> Option<u64> {
    let text = sys.read_file("/proc/self/mountinfo").await.ok()?;
    let mount = text.lines().filter_map(MountInfo::parse).rfind(|m| m.target == path)?;
    let words: Vec<String> = mount.vfs_options.split(',').map(str::to_owned).collect();
    Some(mounts::parse(&words).flags & (ms::NOSUID | ms::NODEV | ms::NOEXEC | ms::RDONLY))
}

/// A path becomes read-only: bound to itself and mounted again (`readonlyPath`). What is not there is passed over.
///
/// # Errors
/// What `runc` says.
pub(super) async fn read_only(sys: &Sys, path: &str) -> Result<(), String> {
    let failed = |e: Errno| format!("can't set {path} as read-only: mount {path}: {}", errno(e));
    match sys.mount(path, path, None, ms::BIND | ms::REC, None).await {
        Ok(()) => {}
        Err(Errno::ENOENT) => return Ok(()),
        Err(e) => return Err(failed(e)),
    }
    // Flags that are locked have to stay.
    let kept = sys.statfs(path).await.ok().and(flags_of(sys, path).await).unwrap_or(0);
    let locked =
        if sys.read_file("/proc/self/uid_map").await.is_ok_and(|m| !m.contains("4294967295")) { kept } else { 0 };
    sys.mount(path, path, None, locked | ms::BIND | ms::REMOUNT | ms::RDONLY, None).await.map_err(failed)
}

/// A path is hidden: a file behind `/dev/null`, a directory behind an empty file system (`maskPath`).
///
/// # Errors
/// What `runc` says.
pub(super) async fn mask(sys: &Sys, path: &str) -> Result<(), String> {
    match sys.mount("/dev/null", path, None, ms::BIND, None).await {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::ENOTDIR) => sys
            .mount("tmpfs", path, Some("tmpfs"), ms::RDONLY, None)
            .await
            .map_err(|e| format!("can't mask path {path}: {}", errno(e))),
        Err(e) => Err(format!("can't mask path {path}: {}", errno(e))),
    }
}
