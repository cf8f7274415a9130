//! `uptime`: how long the system has been running.

use super::process::TICKS;
use crate::program::Sys;
use crate::program::calendar::strftime;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    UPTIME = "uptime" in "/usr/bin",
    "tell how long the system has been running",
    main,
    "  -p, --pretty  in words
  -s, --since   since when"
);

const SPEC: Spec = Spec {
    short: "ps",
    long: &[Long("pretty", Takes::Nothing, 'p'), Long("since", Takes::Nothing, 's')],
    unmodelled: "",
    version: "from procps-ng 4.0.2",
    failure: 1,
};

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let up = sys.uptime_ticks().await / TICKS;
    let now = (sys.clock_gettime(0).await.unwrap_or(0) / 1_000_000_000) as i64;
    let text = match options.last_of("ps") {
        Some('p') => pretty(up),
        Some(_) => strftime("%Y-%m-%d %H:%M:%S", now - up as i64, 0),
        None => {
            let load = sys.read_file("/proc/loadavg").await.unwrap_or_default();
            let load: Vec<&str> = load.split_whitespace().take(3).collect();
            let days = up / 86_400;
            let days = match days {
                0 => String::new(),
                1 => "1 day, ".to_owned(),
                n => format!("{n} days, "),
            };
            let (hours, minutes) = (up / 3600 % 24, up / 60 % 60);
            let span = if hours > 0 { format!("{hours:2}:{minutes:02}") } else { format!("{minutes} min") };
            let time = strftime("%H:%M:%S", now, 0);
            format!(" {time} up {days}{span},  0 user,  load average: {}", load.join(", "))
        }
    };
    sys.print(format!("{text}\n")).await;
    0
}

fn pretty(up: u64) -> String {
    let units = [("week", 604_800, u64::MAX), ("day", 86_400, 7), ("hour", 3600, 24), ("minute", 60, 60)];
    let parts: Vec<String> = units
        .iter()
        .map(|(name, span, wrap)| (name, if *wrap == u64::MAX { up / span } else { up / span % wrap }))
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{n} {name}{}", if n == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "up 0 minutes".to_owned() } else { format!("up {}", parts.join(", ")) }
}
