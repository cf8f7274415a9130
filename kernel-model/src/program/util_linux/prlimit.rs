//! `prlimit`: shows and sets resource limits of a process or of a program to run.

use super::table::{Style, Table, TableColumn};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Opt, Spec, Takes};
use crate::security::rlimit::INFINITY;
use crate::syscall::{Sysno, Value};

crate::program!(
    PRLIMIT = "prlimit" in "/usr/bin",
    "get and set process resource limits",
    main,
    "  prlimit [--RESOURCE[=LIMIT]...] [--pid PID | COMMAND [ARGUMENT...]]
  LIMIT is SOFT:HARD, SOFT:, :HARD or one value for both; 'unlimited' is a value
  -c --core, -d --data, -e --nice, -f --fsize, -i --sigpending, -l --memlock, -m --rss, -n --nofile,
  -q --msgqueue, -r --rtprio, -s --stack, -t --cpu, -u --nproc, -v --as, -x --locks, -y --rttime
  -p, --pid PID            the process
  -o, --output LIST        DESCRIPTION, RESOURCE, SOFT, HARD, UNITS
      --noheadings, --raw, --verbose"
);

const NOHEADINGS: char = '0';
const RAW: char = '1';
const VERBOSE: char = '2';

const SPEC: Spec = Spec {
    short: "+c::d::e::f::i::l::m::n::q::r::s::t::u::v::x::y::p:o:",
    long: &[
        Long("core", Takes::Maybe, 'c'),
        Long("data", Takes::Maybe, 'd'),
        Long("nice", Takes::Maybe, 'e'),
        Long("fsize", Takes::Maybe, 'f'),
        Long("sigpending", Takes::Maybe, 'i'),
        Long("memlock", Takes::Maybe, 'l'),
        Long("rss", Takes::Maybe, 'm'),
        Long("nofile", Takes::Maybe, 'n'),
        Long("msgqueue", Takes::Maybe, 'q'),
        Long("rtprio", Takes::Maybe, 'r'),
        Long("stack", Takes::Maybe, 's'),
        Long("cpu", Takes::Maybe, 't'),
        Long("nproc", Takes::Maybe, 'u'),
        Long("as", Takes::Maybe, 'v'),
        Long("locks", Takes::Maybe, 'x'),
        Long("rttime", Takes::Maybe, 'y'),
        Long("pid", Takes::Value, 'p'),
        Long("output", Takes::Value, 'o'),
        Long("noheadings", Takes::Nothing, NOHEADINGS),
        Long("raw", Takes::Nothing, RAW),
        Long("verbose", Takes::Nothing, VERBOSE),
    ],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// A resource: option, number, name, description, unit.
struct Resource(char, i64, &'static str, &'static str, &'static str);

const RESOURCES: [Resource; 16] = [
    Resource('v', 9, "AS", "address space limit", "bytes"),
    Resource('c', 4, "CORE", "max core file size", "bytes"),
    Resource('t', 0, "CPU", "CPU time", "seconds"),
    Resource('d', 2, "DATA", "max data size", "bytes"),
    Resource('f', 1, "FSIZE", "max file size", "bytes"),
    Resource('x', 10, "LOCKS", "max number of file locks held", "locks"),
    Resource('l', 8, "MEMLOCK", "max locked-in-memory address space", "bytes"),
    Resource('q', 12, "MSGQUEUE", "max bytes in POSIX mqueues", "bytes"),
    Resource('e', 13, "NICE", "max nice prio allowed to raise", ""),
    Resource('n', 7, "NOFILE", "max number of open files", "files"),
    Resource('u', 6, "NPROC", "max number of processes", "processes"),
    Resource('m', 5, "RSS", "max resident set size", "bytes"),
    Resource('r', 14, "RTPRIO", "max real-time priority", ""),
    Resource('y', 15, "RTTIME", "timeout for real-time tasks", "microsecs"),
    Resource('i', 11, "SIGPENDING", "max number of pending signals", "signals"),
    Resource('s', 3, "STACK", "max stack size", "bytes"),
];

const COLUMNS: [TableColumn; 5] = [
    TableColumn { name: "RESOURCE", right: false },
    TableColumn { name: "DESCRIPTION", right: false },
    TableColumn { name: "SOFT", right: true },
    TableColumn { name: "HARD", right: true },
    TableColumn { name: "UNITS", right: false },
];

/// A soft and a hard limit, each if it was given.
type Wanted = (Option<u64>, Option<u64>);

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let pid = match options.value('p').map(str::parse::<i32>) {
        None => 0,
        Some(Ok(pid)) if pid > 0 => pid,
        _ => {
            sys.warnx(format!("invalid PID argument: '{}'", options.value('p').unwrap_or_default())).await;
            return 1;
        }
    };
    if pid != 0 && !options.operands.is_empty() {
        sys.warnx("options --pid and COMMAND are mutually exclusive").await;
        return 1;
    }
    match run(&sys, &options.given, pid, options.operands.is_empty()).await {
        Ok(()) if options.operands.is_empty() => 0,
        Ok(()) => sys.exec_command_or_shell(&options.operands).await,
        Err(status) => status,
    }
}

async fn run(sys: &Sys, given: &[Opt], pid: i32, shows: bool) -> Result<(), i32> {
    let mut shown: Vec<&Resource> = Vec::new();
    let mut columns = COLUMNS.to_vec();
    let mut any = false;
    let has = |key| given.iter().any(|o| o.key == key);
    for opt in given {
        if let Some(list) = opt.value.as_deref().filter(|_| opt.key == 'o') {
            columns = chosen_columns(sys, list).await?;
        }
        let Some(resource) = RESOURCES.iter().find(|r| r.0 == opt.key) else { continue };
        any = true;
        match &opt.value {
            None => shown.push(resource),
            Some(text) => {
                let Some(wanted) = parse(text) else {
                    sys.warnx(format!("failed to parse {} limit", resource.2)).await;
                    return Err(1);
                };
                set(sys, pid, resource, wanted, has(VERBOSE)).await?;
            }
        }
    }
    if !any {
        shown = RESOURCES.iter().collect();
    }
    if shown.is_empty() || !shows {
        return Ok(());
    }
    let mut rows = Vec::new();
    for resource in shown {
        let (soft, hard) = get(sys, pid, resource).await?;
        let cell = |c: &TableColumn| match c.name {
            "RESOURCE" => resource.2.to_owned(),
            "DESCRIPTION" => resource.3.to_owned(),
            "SOFT" => text(soft),
            "HARD" => text(hard),
            _ => resource.4.to_owned(),
        };
        rows.push(columns.iter().map(cell).collect());
    }
    let style = if has(RAW) { Style::Raw } else { Style::Padded };
    sys.print(Table { columns, rows, headings: !has(NOHEADINGS), style }.render()).await;
    Ok(())
}

async fn chosen_columns(sys: &Sys, list: &str) -> Result<Vec<TableColumn>, i32> {
    let mut columns = Vec::new();
    for name in list.split(',') {
        match COLUMNS.iter().find(|c| c.name.eq_ignore_ascii_case(name)) {
            Some(column) => columns.push(*column),
            None => {
                sys.warnx(format!("unknown column: {name}")).await;
                return Err(1);
            }
        }
    }
    Ok(columns)
}

fn text(n: u64) -> String {
    if n == INFINITY { "unlimited".to_owned() } else { n.to_string() }
}

fn parse(text: &str) -> Option<Wanted> {
    let one = |t: &str| match t {
        "unlimited" | "infinity" => Some(INFINITY),
        // strtoull(3) counts a negative number from the other end.
        n => match n.strip_prefix('-') {
            Some(n) => n.parse().ok().map(u64::wrapping_neg),
            None => n.strip_prefix('+').unwrap_or(n).parse().ok(),
        },
    };
    match text.trim_start_matches('=').split_once(':') {
        None => one(text.trim_start_matches('=')).map(|n| (Some(n), Some(n))),
        Some(("", "")) => None,
        Some((soft, "")) => Some((Some(one(soft)?), None)),
        Some(("", hard)) => Some((None, Some(one(hard)?))),
        Some((soft, hard)) => Some((Some(one(soft)?), Some(one(hard)?))),
    }
}

async fn call(sys: &Sys, pid: i32, resource: &Resource, new: Value) -> Result<(u64, u64), Errno> {
    let ret = sys.call(Sysno::PRLIMIT64, vec![pid.into(), resource.1.into(), new, Value::Null]).await?;
    let field = |name| ret.output(3).field(name).and_then(Value::as_int).unwrap_or(0) as u64;
    Ok((field("rlim_cur"), field("rlim_max")))
}

async fn get(sys: &Sys, pid: i32, resource: &Resource) -> Result<(u64, u64), i32> {
    match call(sys, pid, resource, Value::Null).await {
        Ok(limits) => Ok(limits),
        Err(e) => {
            sys.warn(format!("failed to get the {} resource limit", resource.2), e).await;
            Err(1)
        }
    }
}

async fn set(sys: &Sys, pid: i32, resource: &Resource, wanted: Wanted, verbose: bool) -> Result<(), i32> {
    let (soft, hard) = match wanted {
        (Some(soft), Some(hard)) => (soft, hard),
        (soft, hard) => {
            let old = get(sys, pid, resource).await?;
            (soft.unwrap_or(old.0), hard.unwrap_or(old.1))
        }
    };
    if soft > hard {
        sys.warnx(format!("the soft limit {} cannot exceed the hard limit", resource.2)).await;
        return Err(1);
    }
    if verbose {
        let shown = if pid == 0 { sys.getpid().await } else { pid };
        sys.print(format!("New {} limit for pid {shown}: <{}:{}>\n", resource.2, text(soft), text(hard))).await;
    }
    let new = Value::record([("rlim_cur", soft.into()), ("rlim_max", hard.into())]);
    match call(sys, pid, resource, new).await {
        Ok(_) => Ok(()),
        Err(e) => {
            sys.warn(format!("failed to set the {} resource limit", resource.2), e).await;
            Err(1)
        }
    }
}
