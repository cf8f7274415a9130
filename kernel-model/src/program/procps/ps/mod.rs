//! `ps`: a snapshot of the processes that `/proc` shows.

mod busybox;
mod columns;
mod options;
mod order;

use super::process::{Process, TICKS};
use crate::program::Sys;
use crate::program::accounts::Accounts;
use columns::{Column, Context};
use options::{Plan, Select};

crate::program!(
    PS = "ps" in "/usr/bin",
    "report a snapshot of the current processes",
    main,
    "  -e, -A, ax            all processes
  -a, -d, x, -N         all with a terminal; all but session leaders; also without one; the others
  -p, -C, --ppid, -t, -s, -g  by pid, command name, parent, terminal, session, session or group
  -u, -U, -G            by effective user, real user, real group
  -o, o, --format LIST  columns, each with an optional '=HEADER' and ':WIDTH'
  -f, -l, -j, -F, u, l, j, v  ready-made formats
  f, --forest, -H       below their parents, with lines or indented
  -L, -T                a line for each thread
  --sort, k LIST        by columns, each with an optional '-' for descending
  --no-headers, h       no line of headers"
);

/// How many characters of the usage every mistake shows.
const USAGE: &str = "
Usage:
 ps [options]

 Try 'ps --help <simple|list|output|threads|misc|all>'
  or 'ps --help <s|l|o|t|m|a>'
 for additional help text.

For more details see ps(1).
";

/// `/proc` is not there at all.
const NO_PROC: i32 = 47;

async fn main(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if sys.is_busybox() {
        return busybox::main(&sys, &words).await;
    }
    // Without /proc there is nothing to say, whatever the options are.
    match sys.read_file("/proc/self/stat").await {
        Ok(_) => {}
        Err(_) => {
            sys.eprint("Error, do this: mount -t proc proc /proc\n").await;
            return NO_PROC;
        }
    }
    let accounts = sys.accounts().await;
    let uptime = sys.uptime_ticks().await;
    let own = sys.getpid().await;
    let Ok(me) = sys.process(&own.to_string()).await else {
        sys.eprint("fatal library error, lookup self\n").await;
        return 1;
    };
    let plan = match options::parse(&words, &accounts) {
        Ok(plan) => plan,
        Err(options::Stop::Help) => {
            sys.print(USAGE).await;
            return 0;
        }
        Err(options::Stop::Version) => {
            sys.print("ps from procps-ng 4.0.2\n").await;
            return 0;
        }
        Err(options::Stop::Wrong(message)) => {
            sys.eprint(format!("error: {message}\n{USAGE}")).await;
            return 1;
        }
    };
    let pid_max = sys.read_file("/proc/sys/kernel/pid_max").await.unwrap_or_default();
    let now = sys.clock_gettime(0).await.unwrap_or(0) / 1_000_000_000;
    let memory = sys.read_file("/proc/meminfo").await.unwrap_or_default();
    let total = memory.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let context = Context {
        accounts,
        uptime,
        boot_time: now as i64 - (uptime / TICKS) as i64,
        now: now as i64,
        total_kb: total.unwrap_or(0),
        pid_width: if pid_max.trim().is_empty() { 5 } else { pid_max.trim().len() },
    };
    let Ok(mut processes) = sys.processes().await else {
        sys.eprint("fatal library error, reading processes\n").await;
        return 1;
    };
    processes.retain(|p| is_selected(p, &plan, &me, &context.accounts));
    if let Select::Quick(pids) = &plan.select {
        processes.sort_by_key(|p| pids.iter().position(|q| *q == p.pid));
    }
    order::sort(&mut processes, &plan.sort, &context);
    let lines = match plan.forest {
        Some(forest) => order::forest(processes, forest, !plan.sort.is_empty()),
        None => processes.into_iter().map(|p| (String::new(), p)).collect(),
    };
    let mut shown = Vec::new();
    for (branch, process) in lines {
        if plan.threads {
            shown.extend(sys.threads_of(&process).await.into_iter().map(|thread| (branch.clone(), thread)));
        } else {
            shown.push((branch, process));
        }
    }
    print_table(&sys, &plan, &context, &shown).await;
    i32::from(shown.is_empty())
}

fn is_selected(p: &Process, plan: &Plan, me: &Process, accounts: &Accounts) -> bool {
    if plan.running_only && !matches!(p.state, 'R' | 'D') {
        return false;
    }
    let is_leader = p.session == p.pid;
    let selected = match &plan.select {
        Select::Own => p.uids[1] == me.uids[1] && p.tty == me.tty,
        Select::All => true,
        Select::WithTty => p.tty != 0 && !is_leader,
        Select::NotLeaders => !is_leader,
        Select::Bsd { with_others, without_tty } => {
            (*with_others || p.uids[1] == me.uids[1]) && (*without_tty || p.tty != 0)
        }
        Select::Quick(pids) => pids.contains(&p.pid),
        Select::Lists(lists) => lists.iter().any(|l| l.matches(p, me, accounts)),
    };
    selected != plan.negate
}

async fn print_table(sys: &Sys, plan: &Plan, context: &Context, lines: &[(String, Process)]) {
    let widths: Vec<usize> = plan.columns.iter().map(|c| c.width(context)).collect();
    if plan.headers && plan.columns.iter().any(|c| !c.header.is_empty()) {
        let cells = plan.columns.iter().map(|c| c.header.clone()).collect();
        sys.print(line(&plan.columns, &widths, cells)).await;
    }
    for (branch, p) in lines {
        let mut cells = Vec::new();
        for column in &plan.columns {
            let text = column.text(sys, p, context).await;
            cells.push(if column.shows_forest() { format!("{branch}{text}") } else { text });
        }
        sys.print(line(&plan.columns, &widths, cells)).await;
    }
}

/// One line: cells padded to their columns, the last one without blanks behind it.
fn line(columns: &[Column], widths: &[usize], cells: Vec<String>) -> String {
    let mut out = String::new();
    let last = columns.len().saturating_sub(1);
    // How far cells have run over their columns: the blanks of later ones make up for it.
    let mut debt = 0usize;
    for (i, ((column, width), cell)) in columns.iter().zip(widths).zip(cells).enumerate() {
        let cell = if i != last && column.truncates() { cell.chars().take(*width).collect() } else { cell };
        let length = cell.chars().count();
        let room = width.saturating_sub(length);
        let blanks = room.saturating_sub(debt);
        debt = (debt + length.saturating_sub(*width)).saturating_sub(room - blanks);
        if column.is_right() {
            out.push_str(&" ".repeat(blanks));
            out.push_str(&cell);
        } else {
            out.push_str(&cell);
            if i != last {
                out.push_str(&" ".repeat(blanks));
            }
        }
        out.push(if i == last { '\n' } else { ' ' });
    }
    out
}
