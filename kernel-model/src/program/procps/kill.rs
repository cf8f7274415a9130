//! `kill`: sends a signal to processes.

use crate::program::Sys;
use crate::task::signal::Signal;

crate::program!(
    KILL = "kill" in "/usr/bin",
    "send a signal to a process",
    main,
    "  kill [-SIGNAL|-s SIGNAL|--signal SIGNAL] PID...
  -l, --list[=SIGNAL]  list names, or turn a number into a name and back
  -L, --table          list names with their numbers"
);

const USAGE: &str = "
Usage:
 kill [options] <pid> [...]

Options:
 <pid> [...]            send signal to every <pid> listed
 -<signal>, -s, --signal <signal>
                        specify the <signal> to be sent
 -q, --queue <value>    integer value to be sent with the signal
 -l, --list=[<signal>]  list all signal names, or convert one to a name
 -L, --table            list all signal names in a nice table

 -h, --help     display this help and exit
 -V, --version  output version information and exit

For more details see kill(1).
";

/// The numbers of the signals with names of their own.
const NAMED: std::ops::RangeInclusive<u8> = 1..=31;

/// The name that procps uses.
pub(super) fn name_of(signal: Signal) -> String {
    if signal == Signal::IO { "POLL".to_owned() } else { signal.short_name() }
}

async fn main(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let mut signal = i64::from(Signal::TERM.0);
    let mut rest = words.iter();
    let mut pids: Vec<&String> = Vec::new();
    let mut signal_given = false;
    while let Some(word) = rest.next() {
        let named = match word.as_str() {
            "-h" | "--help" => {
                sys.print(USAGE).await;
                return 0;
            }
            "-V" | "--version" => {
                sys.print("kill from procps-ng 4.0.2\n").await;
                return 0;
            }
            "-L" | "--table" => {
                table(&sys).await;
                return 0;
            }
            "-l" | "--list" => return list(&sys, rest.next().map(String::as_str)).await,
            "-q" | "--queue" => {
                sys.not_modelled("option '-q'").await;
                return 1;
            }
            "--" => {
                pids.extend(rest.by_ref());
                continue;
            }
            "-s" | "--signal" => match rest.next() {
                Some(name) => name.clone(),
                None => return invalid(&sys, "s").await,
            },
            word if word.starts_with("--list=") => return list(&sys, word.strip_prefix("--list=")).await,
            word if word.starts_with("--signal=") => word.trim_start_matches("--signal=").to_owned(),
            // After a signal, a number with a dash is a process group.
            word if word.starts_with('-') && word.len() > 1 && !signal_given && pids.is_empty() => word[1..].to_owned(),
            _ => {
                pids.push(word);
                continue;
            }
        };
        signal = match number(&named) {
            Some(n) => n,
            None => return invalid(&sys, named.get(..1).unwrap_or_default()).await,
        };
        signal_given = true;
    }
    if pids.is_empty() {
        sys.eprint(USAGE).await;
        return 1;
    }
    let mut status = 0;
    for pid in pids {
        let Ok(nr) = pid.parse::<i32>() else {
            let what = if sys.is_busybox() { "invalid number" } else { "failed to parse argument:" };
            sys.error(format!("{what} '{pid}'")).await;
            status = 1;
            continue;
        };
        if let Err(e) = sys.kill(nr, signal).await {
            let what = if sys.is_busybox() { format!("can't kill pid {nr}") } else { format!("({nr})") };
            sys.error(format!("{what}: {e}")).await;
            status = 1;
        }
    }
    status
}

async fn invalid(sys: &Sys, what: &str) -> i32 {
    sys.error(format!("invalid argument {what}")).await;
    sys.eprint(USAGE).await;
    1
}

/// A signal's number from its name or number; 0 only asks whether there is somebody.
pub(super) fn number(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(n) => (0..=64).contains(&n).then_some(n),
        Err(_) if text.eq_ignore_ascii_case("poll") => Some(i64::from(Signal::IO.0)),
        Err(_) => Signal::from_name(text).map(|s| i64::from(s.0)),
    }
}

async fn list(sys: &Sys, one: Option<&str>) -> i32 {
    let Some(text) = one else {
        let names: Vec<String> = NAMED.map(|n| name_of(Signal(n))).collect();
        let lines: Vec<String> = names.chunks(16).map(|c| c.join(" ")).collect();
        sys.print(format!("{}\n", lines.join("\n"))).await;
        return 0;
    };
    match (text.parse::<i64>(), number(text)) {
        (Ok(n), Some(_)) if n > 0 => sys.print(format!("{}\n", name_of(Signal(n as u8)))).await,
        (Err(_), Some(n)) => sys.print(format!("{n}\n")).await,
        _ => {
            sys.error(format!("unknown signal name {text}")).await;
            return 1;
        }
    }
    0
}

async fn table(sys: &Sys) {
    let mut out = String::new();
    for n in NAMED {
        out.push_str(&format!("{n:2} {:<6}", name_of(Signal(n))));
        out.push_str(if n % 7 == 0 { "\n" } else { "  " });
    }
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    sys.print(format!("{}\n", lines.join("\n"))).await;
}
