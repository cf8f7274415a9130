//! The last walls before the program: user, groups, capabilities, and where the program is (`finalizeNamespace`).

use super::super::golang::errno;
use super::super::oci::{Capabilities, Process};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::security::caps::Sets;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::syscall::Sysno;
use crate::syscall::identity::prctl::pr;

fn set(names: &[String]) -> CapSet {
    names.iter().filter_map(|n| Cap::from_name(n)).fold(CapSet(0), |set, cap| set.with(cap))
}

fn all() -> impl Iterator<Item = Cap> {
    (0..NAMES.len() as u8).map(Cap)
}

/// Becomes the user with the capabilities that the container is to have.
///
/// # Errors
/// What `runc` says.
pub(super) async fn run(sys: &Sys, process: &Process) -> Result<(), String> {
    let with = |what: &'static str| move |e: Errno| format!("{what}: {}", errno(e));
    // The directory may be one that only root can enter, or only the user.
    let early = sys.chdir(&process.cwd).await;
    if let Some(caps) = &process.capabilities {
        let before = sys.capget(0).await.map_err(with("unable to get capabilities"))?;
        drop_bounding(sys, &before, caps).await.map_err(with("unable to apply bounding set"))?;
        sys.prctl(pr::SET_KEEPCAPS, [1, 0, 0, 0]).await.map_err(with("unable to set keep caps"))?;
    }
    become_user(sys, process).await?;
    if early.is_err() {
        sys.chdir(&process.cwd)
            .await
            .map_err(|e| format!("chdir to cwd (\"{}\") set in config.json failed: {}", process.cwd, errno(e)))?;
    }
    // The directory may lie outside after a change of root by somebody else.
    sys.getcwd().await.map_err(with("failed to verify if current working directory is safe"))?;
    if let Some(caps) = &process.capabilities {
        sys.prctl(pr::SET_KEEPCAPS, [0, 0, 0, 0]).await.map_err(with("unable to clear keep caps"))?;
        apply(sys, caps).await.map_err(with("unable to apply caps"))?;
    }
    Ok(())
}

/// What is not in the set can never be had again.
async fn drop_bounding(sys: &Sys, before: &Sets, caps: &Capabilities) -> Result<(), Errno> {
    if !before.effective.has(Cap::SETPCAP) {
        return Ok(());
    }
    let keep = set(&caps.bounding);
    for cap in all().filter(|c| !keep.has(*c)) {
        sys.prctl(pr::CAPBSET_DROP, [i64::from(cap.0), 0, 0, 0]).await?;
    }
    Ok(())
}

async fn apply(sys: &Sys, caps: &Capabilities) -> Result<(), Errno> {
    let before = sys.capget(0).await?;
    drop_bounding(sys, &before, caps).await?;
    let sets =
        Sets { effective: set(&caps.effective), permitted: set(&caps.permitted), inheritable: set(&caps.inheritable) };
    sys.capset(&sets).await?;
    let ambient = set(&caps.ambient);
    for cap in all() {
        let change = if ambient.has(cap) { pr::CAP_AMBIENT_RAISE } else { pr::CAP_AMBIENT_LOWER };
        // What is not inheritable cannot become ambient; libcap passes over that.
        let _ = sys.prctl(pr::CAP_AMBIENT, [change, i64::from(cap.0), 0, 0]).await;
    }
    Ok(())
}

async fn become_user(sys: &Sys, process: &Process) -> Result<(), String> {
    let failed = |e: Errno| format!("setup user: {}", errno(e));
    let allowed = sys.read_file("/proc/self/setgroups").await.is_ok_and(|text| text.trim() != "deny");
    if allowed {
        sys.setgroups(&process.additional_gids).await.map_err(failed)?;
    } else if !process.additional_gids.is_empty() {
        return Err("setup user: cannot set any additional groups in a rootless container".to_owned());
    }
    for (nr, id) in [(Sysno::SETGID, process.gid), (Sysno::SETUID, process.uid)] {
        sys.call(nr, vec![id.into()]).await.map_err(failed)?;
    }
    Ok(())
}

/// The environment of the program: HOME comes from the container's own passwd(5).
pub(super) async fn environment(sys: &Sys, process: &Process) -> Vec<String> {
    let mut env = process.env.clone();
    if !env.iter().any(|v| v.starts_with("HOME=")) {
        let passwd = sys.read_file("/etc/passwd").await.unwrap_or_default();
        let accounts = Accounts::parse(&passwd, "");
        let home = accounts.user_by_id(process.uid).map_or("/", |u| u.home.as_str());
        env.push(format!("HOME={home}"));
    }
    env
}

/// The file of the program (`exec.LookPath`).
///
/// # Errors
/// What `runc` says.
pub(super) async fn look_path(sys: &Sys, process: &Process) -> Result<String, String> {
    let name = process.args.first().cloned().unwrap_or_default();
    if name.contains('/') {
        return match executable(sys, &name).await {
            Ok(()) => Ok(name),
            Err(e) => Err(format!("exec: \"{name}\": {}", describe(&name, e))),
        };
    }
    let path = process.env.iter().rev().find_map(|v| v.strip_prefix("PATH=")).unwrap_or_default();
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let file = format!("{}/{name}", dir.trim_end_matches('/'));
        if executable(sys, &file).await.is_ok() {
            return Ok(file);
        }
    }
    Err(format!("exec: \"{name}\": executable file not found in $PATH"))
}

fn describe(name: &str, e: Errno) -> String {
    match e {
        Errno::ENOENT => format!("stat {name}: {}", errno(e)),
        other => errno(other),
    }
}

async fn executable(sys: &Sys, path: &str) -> Result<(), Errno> {
    let st = sys.stat(path).await?;
    if st.is_dir() {
        return Err(Errno::EISDIR);
    }
    sys.euidaccess(path, 1).await
}
