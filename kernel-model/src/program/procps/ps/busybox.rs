//! `ps` of busybox: every process, with the columns of `-o` or pid, user and command line.

use super::super::process::{PAGE, Process, TICKS};
use crate::program::Sys;
use crate::program::accounts::Accounts;

/// A column: its name, its header, how wide it is, and whether numbers stand to the right in it.
struct Column {
    name: &'static str,
    header: &'static str,
    width: usize,
    right: bool,
}

const fn column(name: &'static str, header: &'static str, width: usize, right: bool) -> Column {
    Column { name, header, width, right }
}

/// `out_spec` of `procps/ps.c`.
const COLUMNS: [Column; 14] = [
    column("user", "USER", 8, false),
    column("group", "GROUP", 8, false),
    column("comm", "COMMAND", 16, false),
    column("args", "COMMAND", usize::MAX, false),
    column("pid", "PID", 5, true),
    column("ppid", "PPID", 5, true),
    column("pgid", "PGID", 5, true),
    column("etime", "ELAPSED", 7, true),
    column("nice", "NI", 5, true),
    column("time", "TIME", 6, true),
    column("tty", "TT", 6, false),
    column("vsz", "VSZ", 4, true),
    column("stat", "STAT", 4, false),
    column("rss", "RSS", 4, true),
];

/// Runs it with the arguments behind its name.
pub(super) async fn main(sys: &Sys, words: &[String]) -> i32 {
    let mut names: Vec<String> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let list = match word.strip_prefix("-o") {
            Some("") => words.next().cloned().unwrap_or_default(),
            Some(list) => list.to_owned(),
            None if word == "-T" || !word.starts_with('-') => continue,
            None => {
                sys.eprint(format!("ps: invalid option -- '{}'\n", &word[1..])).await;
                return 1;
            }
        };
        names.extend(list.split(',').map(str::to_owned));
    }
    if names.is_empty() {
        names = ["pid", "user", "args"].map(str::to_owned).to_vec();
    }
    let mut columns = Vec::new();
    for name in &names {
        match COLUMNS.iter().find(|c| c.name == name) {
            Some(column) => columns.push(column),
            None => {
                sys.eprint(format!("ps: bad -o argument '{name}'\n")).await;
                return 1;
            }
        }
    }
    let header = columns.iter().map(|c| (*c, c.header.to_owned(), false));
    sys.print(line(header)).await;
    let accounts = sys.accounts().await;
    let uptime = sys.uptime_ticks().await;
    for p in sys.processes().await.unwrap_or_default() {
        let cells = columns.iter().map(|c| (*c, cell(c.name, &p, &accounts, uptime), c.right));
        sys.print(line(cells)).await;
    }
    0
}

/// A line: every cell but the last one as wide as its column.
fn line<'a>(cells: impl Iterator<Item = (&'a Column, String, bool)>) -> String {
    let cells: Vec<_> = cells.collect();
    let last = cells.len().saturating_sub(1);
    let mut out = String::new();
    for (i, (column, text, right)) in cells.into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        if right && column.width < usize::MAX {
            out.push_str(&format!("{text:>width$}", width = column.width));
        } else if i == last {
            out.push_str(&text);
        } else {
            let width = if column.width == usize::MAX { text.len() } else { column.width };
            out.push_str(&format!("{text:<width$}"));
        }
    }
    out.push('\n');
    out
}

fn cell(name: &str, p: &Process, accounts: &Accounts, uptime: u64) -> String {
    let cut = |text: String| text.chars().take(8).collect::<String>();
    let minutes = |seconds: u64| format!("{}:{:02}", seconds / 60, seconds % 60);
    match name {
        "user" => cut(accounts.user_name(p.uids[1])),
        "group" => cut(accounts.group_name(p.gids[1])),
        "comm" => p.comm.clone(),
        "args" => command(p),
        "pid" => p.pid.to_string(),
        "ppid" => p.ppid.to_string(),
        "pgid" => p.pgrp.to_string(),
        "etime" => minutes(uptime.saturating_sub(p.start_time) / TICKS),
        "nice" => p.nice.to_string(),
        "time" => minutes((p.utime + p.stime) / TICKS),
        "tty" if p.tty == 0 => "?".to_owned(),
        "tty" => format!("{},{}", p.tty >> 8, p.tty & 0xff),
        "vsz" => (p.vsize / 1024).to_string(),
        "rss" => (p.rss * PAGE / 1024).to_string(),
        _ => {
            let swapped = if p.rss == 0 && p.state != 'Z' { 'W' } else { ' ' };
            let nice = match p.nice {
                ..0 => '<',
                0 => ' ',
                _ => 'N',
            };
            format!("{}{swapped}{nice}", p.state)
        }
    }
}

/// The command line, with the name of the process in front where that is another one (`read_cmdline`).
fn command(p: &Process) -> String {
    let Some(first) = p.argv.first() else { return format!("[{}]", p.comm) };
    let line = p.argv.join(" ");
    let base = first.split(' ').next().unwrap_or_default();
    let base = base.rsplit('/').next().unwrap_or_default().trim_start_matches('-');
    if base.starts_with(p.comm.as_str()) { line } else { format!("{{{}}} {line}", p.comm) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_calls_itself_something_else_says_so() {
        let process = |comm: &str, argv: &[&str]| Process {
            comm: comm.to_owned(),
            argv: argv.iter().map(|a| (*a).to_owned()).collect(),
            ..Process::default()
        };
        assert_eq!(command(&process("sleep", &["sleep", "5"])), "sleep 5");
        assert_eq!(command(&process("ps", &["/bin/sh", "-c", "ps"])), "{ps} /bin/sh -c ps");
        assert_eq!(command(&process("kthreadd", &[])), "[kthreadd]");
    }
}
