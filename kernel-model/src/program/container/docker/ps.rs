//! `docker ps`, `logs`, `inspect`, `top`, `stats`.

use super::super::golang::table;
use super::super::json::Json;
use super::super::runc::{ps_output, state::State, usage};
use super::record::{Record, find};
use super::{Docker, RUNC_ROOT};

/// A span of time in words (`units.HumanDuration`).
pub(super) fn human(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (minutes, hours) = ((seconds + 30) / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        s if s < 60 => format!("{s} seconds"),
        s if s / 60 == 1 => "About a minute".to_owned(),
        s if s / 60 < 60 => format!("{} minutes", s / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", minutes / 60 / 24 / 365),
    }
}

/// How a container is, in words.
fn status(record: &Record, now: u64) -> String {
    let since = |path: &str| human(now.saturating_sub(record.time(path)));
    match record.status() {
        "running" => format!("Up {}", since("State.StartedAt")),
        "paused" => format!("Up {} (Paused)", since("State.StartedAt")),
        "exited" => format!("Exited ({}) {} ago", record.exit_code(), since("State.FinishedAt")),
        _ => "Created".to_owned(),
    }
}

/// `docker ps`
pub(super) async fn ps(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    let shown = |r: &Record| docker.has("all") || r.is_running();
    let all: Vec<Record> = Record::all(sys).await.into_iter().filter(shown).collect();
    if docker.has("quiet") {
        for record in &all {
            sys.print(format!("{}\n", if docker.has("no-trunc") { record.id() } else { record.short_id() })).await;
        }
        return Ok(0);
    }
    let head = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for record in &all {
        let whole = docker.has("no-trunc");
        let command = record.command();
        let cut: String = command.chars().take(19).collect();
        let command = if whole || command.chars().count() <= 20 { command } else { format!("{cut}…") };
        rows.push(vec![
            if whole { record.id().to_owned() } else { record.short_id().to_owned() },
            record.image().to_owned(),
            format!("\"{}\"", command.replace('\\', "\\\\").replace('"', "\\\"")),
            format!("{} ago", human(now.saturating_sub(record.time("Created")))),
            status(record, now),
            String::new(),
            record.name().to_owned(),
        ]);
    }
    sys.print(table(10, &rows)).await;
    Ok(0)
}

/// `docker logs`
pub(super) async fn logs(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let record = find(docker, docker.arg(0)).await?;
    let text = sys.read_file(&record.log()).await.unwrap_or_default();
    for line in text.lines().filter_map(|l| Json::parse(l).ok()) {
        let out = line.get("log").and_then(Json::as_str).unwrap_or_default();
        if line.get("stream").and_then(Json::as_str) == Some("stderr") {
            sys.flush().await;
            sys.eprint(out).await;
        } else {
            sys.print(out).await;
        }
    }
    Ok(0)
}

/// `docker inspect`
pub(super) async fn inspect(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let mut all = Vec::new();
    for name in &docker.args {
        all.push(find(docker, name).await?.0);
    }
    let Some(format) = docker.value("format") else {
        sys.print(format!("{}\n", Json::List(all).pretty("    "))).await;
        return Ok(0);
    };
    for json in all {
        match fill(format, &json) {
            Ok(text) => sys.print(format!("{text}\n")).await,
            Err(message) => {
                sys.flush().await;
                sys.eprint(format!("{message}\n")).await;
                return Err(1);
            }
        }
    }
    Ok(0)
}

/// A template of paths: `{{.State.Pid}}`.
fn fill(format: &str, json: &Json) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((path, after)) = after.split_once("}}") else {
            return Err("template parsing error: template: :1: unclosed action".to_owned());
        };
        let (path, as_json) = match path.trim().strip_prefix("json ") {
            Some(path) => (path.trim(), true),
            None => (path.trim(), false),
        };
        let Some(path) = path.strip_prefix('.').filter(|p| p.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'))
        else {
            return Err(format!("not modelled in Ringside: the template action {{{{{path}}}}}"));
        };
        match if path.is_empty() { Some(json) } else { json.at(path) } {
            Some(Json::Str(text)) if !as_json => out.push_str(text),
            Some(value) => out.push_str(&value.compact()),
            None => out.push_str("<no value>"),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `docker top`
pub(super) async fn top(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let record = find(docker, docker.arg(0)).await?;
    if !record.is_running() {
        return Err(docker.plain_error(&format!("container {} is not running", record.id())).await);
    }
    let Some(state) = State::read(sys, RUNC_ROOT, record.id()).await else { return Err(1) };
    let pids = state.cgroup().processes(sys).await;
    let options = docker.args.get(1..).filter(|a| !a.is_empty()).map_or(vec!["-ef".to_owned()], <[String]>::to_vec);
    let output = match ps_output(sys, &options).await {
        Ok(output) => output,
        Err(e) => return Err(docker.plain_error(&format!("error running ps: {e}")).await),
    };
    let head: Vec<String> = output.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let column = head.iter().position(|w| w == "PID").unwrap_or(0);
    let columns = head.len().max(1);
    let mut rows = vec![head];
    for line in output.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.get(column).and_then(|w| w.parse::<i32>().ok()).is_some_and(|pid| pids.contains(&pid)) {
            let mut row: Vec<String> = words[..columns - 1].iter().map(|w| (*w).to_owned()).collect();
            row.push(words[columns - 1..].join(" "));
            rows.push(row);
        }
    }
    sys.print(table(20, &rows)).await;
    Ok(0)
}

/// `docker stats --no-stream`
pub(super) async fn stats(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    if !docker.has("no-stream") {
        sys.not_modelled("'docker stats' without --no-stream").await;
        return Err(1);
    }
    let mut all = Vec::new();
    for name in &docker.args {
        all.push(find(docker, name).await?);
    }
    if docker.args.is_empty() {
        all = Record::all(sys).await.into_iter().filter(Record::is_running).collect();
    }
    let mut rows = vec![["CONTAINER ID", "NAME", "CPU TIME", "MEM USAGE", "PIDS"].map(str::to_owned).to_vec()];
    for record in &all {
        let Some(state) = State::read(sys, RUNC_ROOT, record.id()).await else { continue };
        let used = usage(sys, &state).await;
        let or_none = |n: Option<i64>| n.map_or("--".to_owned(), |n| n.to_string());
        rows.push(vec![
            record.short_id().to_owned(),
            record.name().to_owned(),
            used.cpu_ns.map_or("--".to_owned(), |n| format!("{}ms", n / 1_000_000)),
            used.memory.map_or("--".to_owned(), |n| format!("{}KiB", n / 1024)),
            or_none(used.pids),
        ]);
    }
    sys.print(table(10, &rows)).await;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_told_in_words() {
        let s = |n: u64| human(n * 1_000_000_000);
        assert_eq!((s(0), s(1), s(59)), ("Less than a second".into(), "1 second".into(), "59 seconds".into()));
        assert_eq!((s(61), s(150), s(3600)), ("About a minute".into(), "2 minutes".into(), "About an hour".into()));
        assert_eq!(s(3 * 86_400), "3 days");
    }

    #[test]
    fn templates_are_filled_with_fields() {
        let json = Json::parse(r#"{"State":{"Pid":7,"Status":"running"}}"#).expect("well-formed");
        assert_eq!(fill("{{.State.Status}} {{.State.Pid}}", &json), Ok("running 7".into()));
        assert!(fill("{{range .Mounts}}", &json).is_err());
    }
}
