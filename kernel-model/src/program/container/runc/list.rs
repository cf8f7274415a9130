//! `runc state`, `list` and `ps`.

use super::super::golang::{errno, table};
use super::super::json::Json;
use super::state::{State, Status};
use super::{Failed, Runc};
use crate::errno::Errno;
use crate::program::libc::{WaitStatus, o};

/// `runc state`
pub(super) async fn state(runc: &Runc) -> Result<i32, Failed> {
    let state = State::load(runc).await?;
    let status = state.status(&runc.sys).await;
    runc.sys.print(state.oci(status, "").pretty("  ")).await;
    Ok(0)
}

/// `runc list`
pub(super) async fn list(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let mut names: Vec<String> = match sys.read_dir(&runc.root).await {
        Ok(entries) => entries.into_iter().filter(|e| e.d_type == 4).map(|e| e.d_name).collect(),
        Err(Errno::ENOENT) => Vec::new(),
        Err(e) => return Err(format!("open {}: {}", runc.root, errno(e)).into()),
    };
    names.sort();
    let accounts = sys.accounts().await;
    let mut all = Vec::new();
    for name in names {
        let Some(state) = State::read(sys, &runc.root, &name).await else { continue };
        let owner = sys.stat(&state.dir).await.map_or(0, |st| st.st_uid);
        let status = state.status(sys).await;
        all.push((status, state.oci(status, &accounts.user_name(owner))));
    }
    if runc.has("quiet") {
        for (_, json) in &all {
            sys.print(format!("{}\n", text(json, "id"))).await;
        }
        return Ok(0);
    }
    match runc.value("format") {
        None | Some("table") => {
            let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned).to_vec();
            let row = |(_, json): &(Status, Json)| {
                ["id", "pid", "status", "bundle", "created", "owner"].map(|name| text(json, name)).to_vec()
            };
            let rows: Vec<Vec<String>> = std::iter::once(head).chain(all.iter().map(row)).collect();
            sys.print(table(12, &rows)).await;
        }
        Some("json") => {
            let all: Vec<Json> = all.into_iter().map(|(_, json)| json).collect();
            let shown = if all.is_empty() { "null".to_owned() } else { Json::List(all).compact() };
            sys.print(format!("{shown}\n")).await;
        }
        Some(_) => return Err("invalid format option".into()),
    }
    Ok(0)
}

fn text(json: &Json, name: &str) -> String {
    match json.get(name) {
        Some(Json::Str(s)) => s.clone(),
        Some(other) => other.compact(),
        None => String::new(),
    }
}

/// `runc ps`: what ps(1) shows of the processes in the container's groups.
pub(super) async fn ps(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    let pids = state.cgroup().processes(sys).await;
    match runc.value("format") {
        Some("json") => {
            let list = Json::List(pids.iter().map(|p| (*p).into()).collect());
            sys.print(format!("{}\n", list.compact())).await;
            return Ok(0);
        }
        None | Some("table") => {}
        Some(_) => return Err("invalid format option".into()),
    }
    let options = runc.args.get(1..).filter(|a| !a.is_empty()).map_or(vec!["-ef".to_owned()], <[String]>::to_vec);
    let output = ps_output(&runc.sys, &options).await?;
    let mut lines = output.lines();
    let Some(head) = lines.next() else { return Ok(0) };
    let Some(column) = head.split_whitespace().position(|word| word == "PID") else {
        return Err("couldn't find PID field in ps output".into());
    };
    sys.print(format!("{head}\n")).await;
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|w| w.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            sys.print(format!("{line}\n")).await;
        }
    }
    Ok(0)
}

/// What `ps` prints.
///
/// # Errors
/// What `runc` says.
pub(in super::super) async fn ps_output(sys: &crate::program::Sys, options: &[String]) -> Result<String, String> {
    let (reads, writes) = sys.pipe(o::CLOEXEC).await.map_err(errno)?;
    let pid = sys.fork().await.map_err(errno)?;
    if pid == 0 {
        // It is open.
        let _ = sys.dup2(writes, 1).await;
        let argv: Vec<String> = std::iter::once("ps".to_owned()).chain(options.iter().cloned()).collect();
        let e = sys.execvp("ps", &argv).await;
        sys.eprint(format!("ps: {}\n", errno(e))).await;
        sys.exit(127).await;
    }
    let _ = sys.close(writes).await;
    let output = sys.read_to_end(reads).await.map_err(errno)?;
    let _ = sys.close(reads).await;
    match sys.wait4(pid, 0).await {
        Ok((_, WaitStatus(0))) => Ok(String::from_utf8_lossy(&output).into_owned()),
        Ok((_, status)) => Err(format!("exit status {}", status.shell_status())),
        Err(e) => Err(errno(e)),
    }
}
