//! `taskset`: shows and sets on which processors a process may run.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::syscall::{Sysno, Value};

crate::program!(
    TASKSET = "taskset" in "/usr/bin",
    "set or retrieve a process's CPU affinity",
    main,
    "  taskset [-c] MASK|LIST COMMAND [ARGUMENT...]
  taskset [-c] -p [MASK|LIST] PID
  -p, --pid       a process that runs already
  -c, --cpu-list  processors are a list such as 0,2-3 and not a mask"
);

const SPEC: Spec = Spec {
    short: "+pc",
    long: &[Long("pid", Takes::Nothing, 'p'), Long("cpu-list", Takes::Nothing, 'c')],
    unmodelled: "-a --all-tasks",
    version: "from util-linux 2.38.1",
    failure: 1,
};

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let as_list = options.has('c');
    match options.operands.as_slice() {
        [pid] if options.has('p') => show_and_set(&sys, pid, None, as_list).await,
        [cpus, pid] if options.has('p') => match parse(&sys, cpus, as_list).await {
            Ok(cpus) => show_and_set(&sys, pid, Some(cpus), as_list).await,
            Err(status) => status,
        },
        [cpus, command @ ..] if !options.has('p') && !command.is_empty() => {
            let cpus = match parse(&sys, cpus, as_list).await {
                Ok(cpus) => cpus,
                Err(status) => return status,
            };
            if let Err(status) = set(&sys, 0, &cpus).await {
                return status;
            }
            sys.exec_command_or_shell(command).await
        }
        _ => {
            sys.warnx("bad usage").await;
            sys.try_help().await;
            1
        }
    }
}

async fn parse(sys: &Sys, text: &str, as_list: bool) -> Result<Vec<i64>, i32> {
    let cpus = if as_list { parse_list(text) } else { parse_mask(text) };
    match cpus {
        Some(cpus) => Ok(cpus),
        None => {
            let what = if as_list { "list" } else { "mask" };
            sys.warnx(format!("failed to parse CPU {what}: {text}")).await;
            Err(1)
        }
    }
}

fn parse_mask(text: &str) -> Option<Vec<i64>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).replace(',', "");
    let mask = u64::from_str_radix(&digits, 16).ok()?;
    Some((0..64).filter(|cpu| mask & (1 << cpu) != 0).collect())
}

fn parse_list(text: &str) -> Option<Vec<i64>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once(':').map_or((part, Some(1)), |(r, s)| (r, s.parse::<usize>().ok()));
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (from.parse::<i64>().ok()?, to.parse::<i64>().ok()?);
        if from > to || to >= 4096 {
            return None;
        }
        cpus.extend((from..=to).step_by(step.filter(|s| *s > 0)?));
    }
    Some(cpus)
}

async fn show_and_set(sys: &Sys, pid: &str, cpus: Option<Vec<i64>>, as_list: bool) -> i32 {
    let Ok(nr) = pid.parse::<i32>() else {
        sys.warnx(format!("invalid PID argument: '{pid}'")).await;
        return 1;
    };
    let current = match affinity(sys, nr, "current", as_list).await {
        Ok(text) => text,
        Err(status) => return status,
    };
    let Some(cpus) = cpus else {
        sys.print(current).await;
        return 0;
    };
    // What goes into a pipe or a file is written last of all, after any complaint.
    let buffered = !sys.isatty(1).await;
    if !buffered {
        sys.print(&current).await;
    }
    let set = set(sys, nr, &cpus).await;
    if buffered {
        sys.print(&current).await;
    }
    if let Err(status) = set {
        return status;
    }
    match affinity(sys, nr, "new", as_list).await {
        Ok(text) => {
            sys.print(text).await;
            0
        }
        Err(status) => status,
    }
}

/// The line about the processors of a process.
async fn affinity(sys: &Sys, pid: i32, which: &str, as_list: bool) -> Result<String, i32> {
    let ret = match sys.call(Sysno::SCHED_GETAFFINITY, vec![pid.into(), 8.into(), Value::Null]).await {
        Ok(ret) => ret,
        Err(e) => return fail(sys, "get", pid, e).await,
    };
    let cpus: Vec<i64> = ret.output(2).as_list().unwrap_or_default().iter().filter_map(Value::as_int).collect();
    let text = if as_list {
        format!("list: {}", ranges(&cpus))
    } else {
        format!("mask: {:x}", cpus.iter().filter(|c| (0..64).contains(*c)).fold(0u64, |mask, cpu| mask | 1 << cpu))
    };
    Ok(format!("pid {pid}'s {which} affinity {text}\n"))
}

/// Three or more in a row become a range.
fn ranges(cpus: &[i64]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = cpus;
    while let Some(first) = rest.first() {
        let run = rest.iter().zip(*first..).take_while(|(cpu, expected)| **cpu == *expected).count();
        let last = first + run as i64 - 1;
        match run {
            1 => parts.push(first.to_string()),
            2 => parts.push(format!("{first},{last}")),
            _ => parts.push(format!("{first}-{last}")),
        }
        rest = &rest[run..];
    }
    parts.join(",")
}

async fn set(sys: &Sys, pid: i32, cpus: &[i64]) -> Result<(), i32> {
    let mask = Value::List(cpus.iter().map(|c| Value::Int(*c)).collect());
    match sys.call(Sysno::SCHED_SETAFFINITY, vec![pid.into(), 8.into(), mask]).await {
        Ok(_) => Ok(()),
        Err(e) => {
            let shown = if pid == 0 { sys.getpid().await } else { pid };
            fail(sys, "set", shown, e).await
        }
    }
}

async fn fail<T>(sys: &Sys, what: &str, pid: i32, e: Errno) -> Result<T, i32> {
    sys.warn(format!("failed to {what} pid {pid}'s affinity"), e).await;
    Err(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_lists_name_processors() {
        assert_eq!(parse_mask("0x5"), Some(vec![0, 2]));
        assert_eq!(parse_list("0,2-4"), Some(vec![0, 2, 3, 4]));
        assert_eq!(parse_list("x"), None);
        assert_eq!(ranges(&[0, 1, 3, 4, 5]), "0,1,3-5");
    }
}
