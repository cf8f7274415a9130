//! `runc update` and `runc events --stats`: other limits for a container that exists, and how much it uses.

use super::super::json::Json;
use super::super::oci::{Resources, Spec};
use super::state::{State, Status};
use super::{Failed, Flag, Runc};

/// The options of `runc update`.
pub(super) const FLAGS: &[Flag] = &[
    Flag(
        &["resources", "r"],
        true,
        "path to the file containing the resources to update or '-' to read from the standard input",
    ),
    Flag(&["blkio-weight"], true, "Specifies per cgroup weight, range is from 10 to 1000"),
    Flag(&["cpu-period"], true, "CPU CFS period to be used for hardcapping (in usecs). 0 to use system default"),
    Flag(&["cpu-quota"], true, "CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period"),
    Flag(&["cpu-share"], true, "CPU shares (relative weight vs. other containers)"),
    Flag(&["cpuset-cpus"], true, "CPU(s) to use"),
    Flag(&["cpuset-mems"], true, "Memory node(s) to use"),
    Flag(&["memory"], true, "Memory limit (in bytes)"),
    Flag(&["memory-reservation"], true, "Memory reservation or soft_limit (in bytes)"),
    Flag(&["memory-swap"], true, "Total memory usage (memory + swap); set '-1' to enable unlimited swap"),
    Flag(&["pids-limit"], true, "Maximum number of pids allowed in the container"),
];

/// `runc update`
pub(super) async fn update(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    let mut r = Resources::default();
    if let Some(file) = runc.value("resources") {
        let text = match file {
            "-" => sys.read_to_end(0).await.map(|b| String::from_utf8_lossy(&b).into_owned()),
            path => sys.read_file(path).await,
        };
        let text = text.map_err(|e| format!("open {file}: {}", super::golang::errno(e)))?;
        let spec = format!("{{\"linux\":{{\"resources\":{text}}}}}");
        r = Spec::parse(&spec)?.linux.resources;
    }
    let number = |name: &str| match runc.value(name) {
        None | Some("") => Ok(None),
        Some(text) => match size(text) {
            Some(n) => Ok(Some(n)),
            None => Err(Failed::from(format!("invalid value for {name}: invalid size: '{text}'"))),
        },
    };
    let keep = |old: Option<i64>, new: Option<i64>| new.or(old);
    r.blkio_weight = keep(r.blkio_weight, number("blkio-weight")?);
    r.cpu_period = keep(r.cpu_period, number("cpu-period")?);
    r.cpu_quota = keep(r.cpu_quota, number("cpu-quota")?);
    r.cpu_shares = keep(r.cpu_shares, number("cpu-share")?);
    r.memory_limit = keep(r.memory_limit, number("memory")?);
    r.memory_reservation = keep(r.memory_reservation, number("memory-reservation")?);
    r.memory_swap = keep(r.memory_swap, number("memory-swap")?);
    r.pids_limit = keep(r.pids_limit, number("pids-limit")?);
    for (name, text) in [("cpuset-cpus", &mut r.cpuset_cpus), ("cpuset-mems", &mut r.cpuset_mems)] {
        if let Some(value) = runc.value(name) {
            *text = value.to_owned();
        }
    }
    if state.status(sys).await == Status::Stopped {
        return Err("container not running".into());
    }
    state.cgroup().set(sys, &r).await?;
    Ok(0)
}

/// A size such as `64m`, in bytes (`units.RAMInBytes`); -1 stays.
pub(in super::super) fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
    let shift = match lower[digits.len()..].trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: i64 = whole.parse().ok()?;
    let mut bytes = whole.checked_shl(shift).filter(|n| *n >= 0)?;
    if !fraction.is_empty() {
        let part: i64 = fraction.parse().ok()?;
        bytes += (part << shift) / 10_i64.checked_pow(fraction.len() as u32)?;
    }
    Some(bytes)
}

/// `runc events --stats`
pub(super) async fn events(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    let state = State::load(runc).await?;
    if !runc.has("stats") {
        return Err("not modelled in Ringside: events without --stats".into());
    }
    if state.status(sys).await == Status::Stopped {
        return Err(format!("container with id {} is not running", runc.id()).into());
    }
    let usage = usage(sys, &state).await;
    let number = |n: Option<i64>| Json::from(n.unwrap_or(0));
    let data = Json::object([
        ("cpu", Json::object([("usage", Json::object([("total", number(usage.cpu_ns))]))])),
        (
            "memory",
            Json::object([(
                "usage",
                Json::object([("limit", number(usage.memory_limit)), ("usage", number(usage.memory))]),
            )]),
        ),
        ("pids", Json::object([("current", number(usage.pids))])),
    ]);
    let event = Json::object([("type", "stats".into()), ("id", runc.id().into()), ("data", data)]);
    sys.print(format!("{}\n", event.compact())).await;
    Ok(0)
}

/// How much a container uses, as far as its groups tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct Usage {
    /// Processor time in nanoseconds.
    pub(in super::super) cpu_ns: Option<i64>,
    /// In bytes.
    pub(in super::super) memory: Option<i64>,
    /// In bytes; none when there is no limit.
    pub(in super::super) memory_limit: Option<i64>,
    /// Processes.
    pub(in super::super) pids: Option<i64>,
}

/// Reads the groups' files.
pub(in super::super) async fn usage(sys: &crate::program::Sys, state: &State) -> Usage {
    let cgroup = state.cgroup();
    let file = |subsystem: &'static str, v1: &'static str, v2: &'static str| {
        let (dir, name) = match cgroup.path(subsystem).filter(|_| !cgroup.unified) {
            Some(dir) => (dir, v1),
            None => (cgroup.path("").unwrap_or_default(), v2),
        };
        format!("{dir}/{name}")
    };
    let number = |text: Result<String, crate::errno::Errno>| text.ok().and_then(|t| t.trim().parse::<i64>().ok());
    let cpu_ns = if cgroup.unified {
        let stat = sys.read_file(&file("cpuacct", "", "cpu.stat")).await.unwrap_or_default();
        let usec = stat.lines().find_map(|l| l.strip_prefix("usage_usec ")).and_then(|n| n.parse::<i64>().ok());
        usec.map(|n| n * 1000)
    } else {
        number(sys.read_file(&file("cpuacct", "cpuacct.usage", "")).await)
    };
    Usage {
        cpu_ns,
        memory: number(sys.read_file(&file("memory", "memory.usage_in_bytes", "memory.current")).await),
        memory_limit: number(sys.read_file(&file("memory", "memory.limit_in_bytes", "memory.max")).await),
        pids: number(sys.read_file(&file("pids", "pids.current", "pids.current")).await),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(
            (size("64m"), size("1g"), size("512"), size("-1")),
            (Some(64 << 20), Some(1 << 30), Some(512), Some(-1))
        );
        assert_eq!((size("1.5k"), size("10x"), size("")), (Some(1536), None, None));
    }
}
