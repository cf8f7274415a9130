//! `strace`: runs a command, or watches processes, and prints their system calls.
//!
//! What it prints can be read again by `ringside strace`. The kernel tells it what its tracees do by ptrace(2).

mod filter;
mod summary;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeSet;

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::{Stat, o, s};
use crate::program::registry::Program;
use crate::syscall::process::ptrace::{option, request};
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};
use filter::Filter;
use writer::Writer;

crate::program!(
    STRACE = "strace" in "/usr/bin",
    "trace system calls and signals",
    main,
    "  -f, --follow-forks       trace children, too
  -e trace=SET, -e signal=SET, --trace=SET, --signal=SET
                           SET: names, %file, %process, %network, %signal, %ipc, %desc, %creds, all, none; ! for all others
  -y, --decode-fds         show what descriptors are open on
  -s, --string-limit N     at most N characters of strings (32)
  -o, --output FILE        into a file instead of standard error
  -p, --attach PID         watch a process that runs already
  -c, --summary-only       count calls instead of printing them
  -q, --quiet              no messages about attaching
  -v                       accepted: structures are always printed in full
  The senders of signals are not shown."
);

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&STRACE];

const TRACE: char = '0';
const SIGNAL: char = '1';

const SPEC: Spec = Spec {
    short: "+fe:ys:o:p:cqv",
    long: &[
        Long("follow-forks", Takes::Nothing, 'f'),
        Long("trace", Takes::Value, TRACE),
        Long("signal", Takes::Value, SIGNAL),
        Long("decode-fds", Takes::Nothing, 'y'),
        Long("string-limit", Takes::Value, 's'),
        Long("output", Takes::Value, 'o'),
        Long("attach", Takes::Value, 'p'),
        Long("summary-only", Takes::Nothing, 'c'),
        Long("quiet", Takes::Nothing, 'q'),
    ],
    unmodelled: "-C -d -D -i -k -n -r -t -T -u -w -x -z -Z -a -b -E -I -O -P -S -U -X --seccomp-bpf",
    version: "6.1",
    failure: 1,
};

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let filter = filter(&sys, &options).await?;
    let strings = match options.value('s').map(str::parse) {
        None => crate::strace::print::STRING_LIMIT,
        Some(Ok(limit)) => limit,
        Some(Err(_)) => {
            return Err(fail(&sys, format!("invalid -s argument: '{}'", options.value('s').unwrap_or_default())).await);
        }
    };
    let pids: Vec<&str> = options.values('p').collect();
    if options.operands.is_empty() && pids.is_empty() {
        sys.eprint("strace: must have PROG [ARGS] or -p PID\nTry 'strace -h' for more information.\n").await;
        return Ok(1);
    }
    let program = match options.operands.first() {
        Some(name) => Some(find(&sys, name).await?),
        None => None,
    };
    let out = match options.value('o') {
        Some(path) => match sys.open(path, o::WRONLY | o::CREAT | o::TRUNC | o::CLOEXEC, 0o666).await {
            Ok(fd) => fd,
            Err(e) => return Err(fail(&sys, format!("Can't fopen '{path}': {e}")).await),
        },
        None => 2,
    };
    let follows = options.has('f');
    let mut writer = Writer::new(&sys, out, filter, strings);
    writer.paths = options.has('y');
    writer.columns = follows && options.has('o');
    writer.brackets = !options.has('o');
    writer.quiet = options.has('q') || (options.has('o') && program.is_some());
    writer.counts = options.has('c');
    for pid in pids {
        let number = pid.parse().unwrap_or(0);
        if number <= 0 {
            return Err(fail(&sys, format!("Invalid process id: '{pid}'")).await);
        }
        if let Err(e) = seize(&sys, number, follows).await {
            return Err(fail(&sys, format!("attach: ptrace(PTRACE_SEIZE, {number}): {e}")).await);
        }
        writer.attached(number).await;
    }
    let child = match program {
        Some(path) => Some(start(&sys, &path, &options.operands, follows).await?),
        None => None,
    };
    if let Some(child) = child {
        writer.expect_program(child);
    }
    // Ctrl-C ends the watching, not the watched.
    sys.sigaction(
        Signal::INT,
        if child.is_some() { Disposition::Ignore } else { Disposition::Handler { restart: false } },
    )
    .await
    .ok();
    let detached = watch(&sys, &mut writer).await;
    if detached {
        for pid in writer.live.clone() {
            let args = vec![request::DETACH.into(), pid.into(), 0.into(), 0.into()];
            // It may have gone in the meantime.
            let _ = sys.call(Sysno::PTRACE, args).await;
            writer.message(&format!("Process {pid} detached")).await;
        }
    }
    writer.finish().await;
    match child {
        Some(child) => end_like(&sys, child).await,
        None => Ok(if detached { 130 } else { 0 }),
    }
}

async fn fail(sys: &Sys, message: impl AsRef<str>) -> i32 {
    sys.eprint(format!("strace: {}\n", message.as_ref())).await;
    1
}

/// What is to be shown, from the options.
async fn filter(sys: &Sys, options: &Options) -> Result<Filter, i32> {
    let mut filter = Filter::default();
    for option in &options.given {
        let text = option.value.as_deref().unwrap_or_default();
        let (what, set) = match option.key {
            TRACE => ("trace", text),
            SIGNAL => ("signal", text),
            'e' => text.split_once('=').unwrap_or(("trace", text)),
            _ => continue,
        };
        let result = match what {
            "trace" | "t" => filter.trace(set),
            "signal" | "signals" | "s" => filter.signal(set),
            other => {
                sys.not_modelled(&format!("-e {other}")).await;
                return Err(1);
            }
        };
        if let Err(bad) = result {
            return Err(fail(sys, bad).await);
        }
    }
    Ok(filter)
}

/// The file of a command, searched in PATH as a shell does.
async fn find(sys: &Sys, name: &str) -> Result<String, i32> {
    let path = sys.env("PATH").unwrap_or("/bin:/usr/bin").to_owned();
    let candidates: Vec<String> = if name.contains('/') {
        vec![name.to_owned()]
    } else {
        path.split(':').map(|dir| format!("{}/{name}", if dir.is_empty() { "." } else { dir })).collect()
    };
    let mut error = Errno::ENOENT;
    for candidate in candidates {
        match sys.call(Sysno::STAT, vec![candidate.as_str().into()]).await {
            Ok(ret) => {
                let stat = Stat::from_value(ret.output(1));
                if stat.st_mode & s::IFMT == s::IFREG && stat.st_mode & 0o111 != 0 {
                    return Ok(candidate);
                }
                error = Errno::EACCES;
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(e) => error = e,
        }
    }
    Err(fail(sys, format!("Can't stat '{name}': {error}")).await)
}

async fn seize(sys: &Sys, pid: i32, follows: bool) -> Result<(), Errno> {
    let mut options = option::TRACESYSGOOD | option::TRACEEXEC;
    if follows {
        options |= option::TRACECLONE | option::TRACEFORK | option::TRACEVFORK;
    }
    sys.call(Sysno::PTRACE, vec![request::SEIZE.into(), pid.into(), 0.into(), options.into()]).await.map(drop)
}

/// A child that runs the command as soon as it is watched.
async fn start(sys: &Sys, path: &str, argv: &[String], follows: bool) -> Result<i32, i32> {
    let (wait, go) = match sys.pipe(o::CLOEXEC).await {
        Ok(pipe) => pipe,
        Err(e) => return Err(fail(sys, format!("pipe: {e}")).await),
    };
    match sys.fork().await {
        Ok(0) => {
            let _ = sys.close(go).await;
            let _ = sys.read(wait, 1).await;
            let e = sys.execve(path, argv, sys.envp()).await;
            sys.exit(fail(sys, format!("exec: {e}")).await).await;
            Err(1)
        }
        Ok(child) => {
            let _ = sys.close(wait).await;
            if let Err(e) = seize(sys, child, follows).await {
                let _ = sys.kill(child, i64::from(Signal::KILL.0)).await;
                return Err(fail(sys, format!("attach: ptrace(PTRACE_SEIZE, {child}): {e}")).await);
            }
            // The child reads the end of the file.
            let _ = sys.close(go).await;
            Ok(child)
        }
        Err(e) => Err(fail(sys, format!("fork: {e}")).await),
    }
}

/// Prints what tracees do until none is left; whether Ctrl-C ended it before.
async fn watch(sys: &Sys, writer: &mut Writer<'_>) -> bool {
    loop {
        let args: Vec<Value> = vec![request::GET_SYSCALL_INFO.into(), 0.into(), 0.into()];
        match sys.call(Sysno::PTRACE, args).await {
            Ok(ret) => writer.record(ret.output(3)).await,
            Err(Errno::EINTR) if sys.take_caught().contains(&Signal::INT) => return true,
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Ends as the command has ended.
async fn end_like(sys: &Sys, child: i32) -> Result<i32, i32> {
    let Ok((_, status)) = sys.wait4(child, 0).await else { return Ok(0) };
    if let Some(code) = status.exited() {
        return Ok(code);
    }
    let signal = status.0 & 0x7f;
    if let Some(signal) = Signal::from_number(i64::from(signal)) {
        sys.sigaction(signal, Disposition::Default).await.ok();
    }
    sys.flush().await;
    let own = sys.getpid().await;
    let _ = sys.kill(own, i64::from(signal)).await;
    Ok(128 + signal)
}

/// Processes that are watched.
type Live = BTreeSet<i32>;
