//! The birth of a container's process, as `nsexec.c` has it: three generations.
//!
//! `runc:[0:PARENT]` waits outside and writes the id maps; `runc:[1:CHILD]`, its sibling, joins and makes
//! namespaces; only a child of that one is *in* a new PID namespace: `runc:[2:INIT]`. All three are made with
//! CLONE_PARENT, so that `runc` itself is the parent of the last one and can wait for it.

use super::super::golang::errno;
use super::super::json::Json;
use super::sync::{Channel, Message};
use crate::errno::Errno;
use crate::namespace::{CLONE_NEWCGROUP, CLONE_NEWUSER};
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};

const CLONE_PARENT: u64 = 0x8000;

/// What `runc` tells about the namespaces (the netlink message `InitMsg`).
struct Bootstrap {
    clone_flags: u64,
    uid_map: String,
    gid_map: String,
    /// Files of namespaces to join, each with its kind.
    join: Vec<(String, String)>,
    oom_score_adj: Option<i64>,
}

impl Bootstrap {
    fn from_json(json: &Json) -> Bootstrap {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let join = json.get("namespaces").map(Json::fields).unwrap_or_default();
        let join = join.iter().map(|(kind, path)| (kind.clone(), path.as_str().unwrap_or_default().to_owned()));
        Bootstrap {
            clone_flags: json.get("clone_flags").and_then(Json::as_int).unwrap_or(0) as u64,
            uid_map: text("uid_map"),
            gid_map: text("gid_map"),
            join: join.collect(),
            oom_score_adj: json.get("oom_score_adj").and_then(Json::as_int),
        }
    }
}

/// Returns in `runc:[2:INIT]` only; the other two exit.
///
/// # Errors
/// The exit status; what failed has been told to `runc`.
pub(super) async fn run(sys: &Sys, runc: &mut Channel) -> Result<(), i32> {
    let Ok(bootstrap) = runc.data().await else { return Err(1) };
    let bootstrap = Bootstrap::from_json(&bootstrap);
    if let Some(score) = bootstrap.oom_score_adj {
        write(sys, "/proc/self/oom_score_adj", &score.to_string(), "update oom score", runc).await?;
    }
    let ends = |pair: Result<(i32, i32), Errno>| pair.map_err(|_| 1);
    let (child_in, parent_out) = ends(sys.pipe(o::CLOEXEC).await)?;
    let (parent_in, child_out) = ends(sys.pipe(o::CLOEXEC).await)?;
    let (init_in, to_init) = ends(sys.pipe(o::CLOEXEC).await)?;
    let (from_init, init_out) = ends(sys.pipe(o::CLOEXEC).await)?;
    name(sys, "runc:[0:PARENT]").await;
    let child = match sys.clone_process(CLONE_PARENT).await {
        Ok(0) => {
            let parent = Channel::new(sys, child_in, child_out);
            close(sys, &[parent_out, parent_in]).await;
            return child(sys, &bootstrap, parent, runc, [init_in, to_init, from_init, init_out]).await;
        }
        Ok(pid) => pid,
        Err(e) => return Err(failed(runc, &format!("unable to spawn stage-1: {}", errno(e))).await),
    };
    close(sys, &[child_in, child_out]).await;
    let mut to_child = Channel::new(sys, parent_in, parent_out);
    loop {
        match to_child.receive().await {
            Ok(Some(Message::Step(step))) if step == "usermap" => {
                map_ids(sys, &bootstrap, child, runc).await?;
                to_child.step("usermapAck").await.map_err(|_| 1)?;
            }
            Ok(Some(Message::Data(pids))) => {
                let init = pids.get("pid").cloned().unwrap_or(Json::Null);
                to_child.step("recvpidAck").await.map_err(|_| 1)?;
                let pids = Json::object([("stage1_pid", child.into()), ("stage2_pid", init)]);
                runc.send(&pids).await.map_err(|_| 1)?;
            }
            Ok(Some(Message::Step(step))) if step == "childFinish" => break,
            // It has told `runc` why.
            _ => return Err(1),
        }
    }
    close(sys, &[init_in, init_out]).await;
    let mut to_init = Channel::new(sys, from_init, to_init);
    to_init.step("grandchild").await.map_err(|_| 1)?;
    to_init.expect("childFinish").await.map_err(|_| 1)?;
    Err(0)
}

/// `runc:[1:CHILD]`: enters and makes the namespaces, then makes the process that lives in them.
async fn child(
    sys: &Sys,
    bootstrap: &Bootstrap,
    mut parent: Channel,
    runc: &mut Channel,
    pipes: [i32; 4],
) -> Result<(), i32> {
    name(sys, "runc:[1:CHILD]").await;
    join_namespaces(sys, bootstrap, runc).await?;
    let new_user = bootstrap.clone_flags & CLONE_NEWUSER != 0;
    if new_user {
        if let Err(e) = sys.unshare(CLONE_NEWUSER).await {
            return Err(failed(runc, &format!("failed to unshare user namespace: {}", errno(e))).await);
        }
        // The parent may only write the maps of a process that can be looked into.
        let _ = sys.prctl(pr::SET_DUMPABLE, [1, 0, 0, 0]).await;
        parent.step("usermap").await.map_err(|_| 1)?;
        parent.expect("usermapAck").await.map_err(|_| 1)?;
        let _ = sys.prctl(pr::SET_DUMPABLE, [0, 0, 0, 0]).await;
    }
    if (new_user || bootstrap.join.iter().any(|(kind, _)| kind == "user"))
        && let Err(e) = sys.call(Sysno::SETRESUID, vec![0.into(), 0.into(), 0.into()]).await
    {
        return Err(failed(runc, &format!("failed to become root in user namespace: {}", errno(e))).await);
    }
    let flags = bootstrap.clone_flags & !CLONE_NEWUSER & !CLONE_NEWCGROUP;
    if flags != 0
        && let Err(e) = sys.unshare(flags).await
    {
        return Err(failed(runc, &format!("failed to unshare remaining namespaces: {}", errno(e))).await);
    }
    let [init_in, to_init, from_init, init_out] = pipes;
    match sys.clone_process(CLONE_PARENT).await {
        Ok(0) => {
            parent.close().await;
            close(sys, &[to_init, from_init]).await;
            init(sys, bootstrap, Channel::new(sys, init_in, init_out), runc).await
        }
        Ok(pid) => {
            parent.send(&Json::object([("pid", pid.into())])).await.map_err(|_| 1)?;
            parent.expect("recvpidAck").await.map_err(|_| 1)?;
            parent.step("childFinish").await.map_err(|_| 1)?;
            Err(0)
        }
        Err(e) => Err(failed(runc, &format!("unable to spawn stage-2: {}", errno(e))).await),
    }
}

/// `runc:[2:INIT]`: a session of its own, root's ids of its user namespace.
async fn init(sys: &Sys, bootstrap: &Bootstrap, mut parent: Channel, runc: &mut Channel) -> Result<(), i32> {
    name(sys, "runc:[2:INIT]").await;
    parent.expect("grandchild").await.map_err(|_| 1)?;
    if let Err(e) = sys.setsid().await {
        return Err(failed(runc, &format!("setsid failed: {}", errno(e))).await);
    }
    for nr in [Sysno::SETUID, Sysno::SETGID] {
        if let Err(e) = sys.call(nr, vec![0.into()]).await {
            return Err(failed(runc, &format!("{} failed: {}", nr.name(), errno(e))).await);
        }
    }
    if bootstrap.clone_flags & CLONE_NEWUSER != 0
        && sys.read_file("/proc/self/setgroups").await.is_ok_and(|text| text.trim() == "allow")
        && let Err(e) = sys.setgroups(&[]).await
    {
        return Err(failed(runc, &format!("setgroups failed: {}", errno(e))).await);
    }
    if bootstrap.clone_flags & CLONE_NEWCGROUP != 0
        && let Err(e) = sys.unshare(CLONE_NEWCGROUP).await
    {
        return Err(failed(runc, &format!("failed to unshare cgroup namespace: {}", errno(e))).await);
    }
    parent.step("childFinish").await.map_err(|_| 1)?;
    parent.close().await;
    Ok(())
}

/// All files are opened before the first namespace is entered: after that they might not be there any more.
async fn join_namespaces(sys: &Sys, bootstrap: &Bootstrap, runc: &mut Channel) -> Result<(), i32> {
    let mut open = Vec::new();
    for (kind, path) in &bootstrap.join {
        match sys.open(path, o::RDONLY | o::CLOEXEC, 0).await {
            Ok(fd) => open.push((kind, fd)),
            Err(e) => return Err(failed(runc, &format!("failed to open {path}: {}", errno(e))).await),
        }
    }
    for (kind, fd) in open {
        let flag = super::init::ns_kind(kind).map_or(0, |k| k.clone_flag());
        if let Err(e) = sys.setns(fd, flag).await {
            return Err(failed(runc, &format!("failed to setns into {kind} namespace: {}", errno(e))).await);
        }
        close(sys, &[fd]).await;
    }
    Ok(())
}

/// In the parent, which is outside and has the rights: the id maps of the child's user namespace.
async fn map_ids(sys: &Sys, bootstrap: &Bootstrap, child: i32, runc: &mut Channel) -> Result<(), i32> {
    let euid = sys.geteuid().await;
    if euid != 0 {
        // Who is not root may map groups only after giving setgroups(2) up.
        let path = format!("/proc/{child}/setgroups");
        write(sys, &path, "deny", "update setgroups", runc).await?;
    }
    write(sys, &format!("/proc/{child}/uid_map"), &bootstrap.uid_map, "update uid map", runc).await?;
    write(sys, &format!("/proc/{child}/gid_map"), &bootstrap.gid_map, "update gid map", runc).await
}

async fn write(sys: &Sys, path: &str, text: &str, what: &str, runc: &mut Channel) -> Result<(), i32> {
    let done = match sys.open(path, o::WRONLY | o::CLOEXEC, 0).await {
        Ok(fd) => {
            let done = sys.write_all(fd, text.as_bytes()).await;
            close(sys, &[fd]).await;
            done
        }
        Err(e) => Err(e),
    };
    match done {
        Ok(()) => Ok(()),
        Err(e) => Err(failed(runc, &format!("failed to {what} on {path}: {}", errno(e))).await),
    }
}

async fn failed(runc: &Channel, message: &str) -> i32 {
    runc.fail(&format!("runc init: {message}")).await;
    1
}

async fn name(sys: &Sys, name: &str) {
    // It is shown and has no other meaning.
    let _ = sys.call(Sysno::PRCTL, vec![pr::SET_NAME.into(), Value::from(name)]).await;
}

async fn close(sys: &Sys, fds: &[i32]) {
    for fd in fds {
        // Each of them is open.
        let _ = sys.close(*fd).await;
    }
}
