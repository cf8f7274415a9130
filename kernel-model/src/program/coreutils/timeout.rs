//! timeout(1), nohup(1) and nice(1): programs that run another one.

use super::sleep::nanoseconds;
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::o;
use crate::program::quote::quote;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, SigSet, Signal};

program!(TIMEOUT = "timeout" in "/usr/bin", "run a command with a time limit", timeout, "\
-s, --signal SIGNAL  the signal to be sent on timeout (default TERM)
-k, --kill-after DURATION  also send a KILL signal if COMMAND is still running this long after
--preserve-status  exit with the same status as COMMAND, even when it times out
--foreground  do not make a process group for COMMAND
DURATION COMMAND [ARG]...");
program!(NOHUP = "nohup" in "/usr/bin", "run a command immune to hangups", nohup, "COMMAND [ARG]...");
program!(NICE = "nice" in "/usr/bin", "run a program with modified scheduling priority", nice, "\
-n, --adjustment N  add integer N to the niceness (default 10)");

const TIMEOUT_OPTIONS: Spec = Spec {
    short: "+k:s:v",
    long: &[
        Long("foreground", Takes::Nothing, 'f'),
        Long("kill-after", Takes::Value, 'k'),
        Long("preserve-status", Takes::Nothing, 'p'),
        Long("signal", Takes::Value, 's'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    failure: 125,
    ..Spec::COREUTILS
};

async fn timeout(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&TIMEOUT_OPTIONS).await?;
    let mut signal = Signal::TERM;
    if let Some(name) = options.value('s') {
        match Signal::from_name(name) {
            Some(found) => signal = found,
            None => return Err(sys.usage_error(format!("{}: invalid signal", quote(name))).await),
        }
    }
    let [duration, command @ ..] = options.operands.as_slice() else {
        sys.try_help().await;
        return Err(125);
    };
    let Some((span, kill_after)) = nanoseconds(duration).zip(options.value('k').map_or(Some(0), nanoseconds)) else {
        let wrong = if nanoseconds(duration).is_none() { duration } else { options.value('k').unwrap_or_default() };
        return Err(sys.usage_error(format!("invalid time interval {}", quote(wrong))).await);
    };
    let Some(name) = command.first() else {
        sys.try_help().await;
        return Err(125);
    };
    let foreground = options.has('f');
    if !foreground {
        // A group of its own, so that all of the command's processes can be reached.
        let _ = sys.call(Sysno::SETPGID, vec![0.into(), 0.into()]).await;
    }
    let handler = Disposition::Handler { restart: true };
    for caught in [Signal::ALRM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::TERM, signal] {
        let _ = sys.sigaction(caught, handler).await;
    }
    let _ = sys.sigaction(Signal::TTIN, Disposition::Ignore).await;
    let _ = sys.sigaction(Signal::TTOU, Disposition::Ignore).await;
    let _ = sys.sigaction(Signal::CHLD, handler).await;
    let child = match sys.fork().await {
        Ok(child) => child,
        Err(e) => {
            sys.error(format!("fork system call failed: {e}")).await;
            return Err(125);
        }
    };
    if child == 0 {
        let _ = sys.sigaction(Signal::TTIN, Disposition::Default).await;
        let _ = sys.sigaction(Signal::TTOU, Disposition::Default).await;
        return Ok(run(&sys, name, command, 126).await);
    }
    watch(
        &sys,
        Watched { child, signal, span, kill_after, foreground, preserve: options.has('p'), verbose: options.has('v') },
    )
    .await
}

struct Watched {
    child: i32,
    signal: Signal,
    span: u64,
    kill_after: u64,
    foreground: bool,
    preserve: bool,
    verbose: bool,
}

async fn watch(sys: &Sys, mut w: Watched) -> Result<i32, i32> {
    set_timer(sys, w.span).await;
    let mut timed_out = false;
    let mut killed = false;
    let mut block = SigSet::default();
    for signal in [Signal::ALRM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::TERM, Signal::CHLD, w.signal] {
        block.0 |= 1 << (signal.0 - 1);
    }
    let old = sys.sigprocmask(0, block).await.unwrap_or_default();
    let status = loop {
        match sys.wait4(w.child, 1).await {
            Ok((0, _)) => {}
            Ok((_, status)) => break status,
            Err(e) => {
                sys.error(format!("error waiting for command: {e}")).await;
                return Err(125);
            }
        }
        let _ = sys.call(Sysno::RT_SIGSUSPEND, vec![old.0.into(), 8.into()]).await;
        for caught in sys.take_caught() {
            if caught == Signal::CHLD {
                continue;
            }
            let send = if caught == Signal::ALRM {
                timed_out = true;
                w.signal
            } else {
                caught
            };
            if w.verbose {
                let name = send.short_name();
                sys.error(format!("sending signal {name} to command")).await;
            }
            let _ = sys.kill(w.child, send.0.into()).await;
            if !w.foreground {
                // The group has this process in it, which is not meant.
                let _ = sys.sigaction(send, Disposition::Ignore).await;
                let _ = sys.kill(0, send.0.into()).await;
                if send != Signal::KILL && send != Signal::CONT {
                    let _ = sys.kill(w.child, Signal::CONT.0.into()).await;
                    let _ = sys.kill(0, Signal::CONT.0.into()).await;
                }
            }
            killed |= send == Signal::KILL;
            if w.kill_after > 0 {
                w.signal = Signal::KILL;
                set_timer(sys, std::mem::take(&mut w.kill_after)).await;
            }
        }
    };
    if timed_out && !w.preserve && !killed {
        return Ok(124);
    }
    Ok(match status.signaled() {
        Some(signal) => 128 + i32::from(signal.0),
        None => status.exited().unwrap_or(125),
    })
}

async fn set_timer(sys: &Sys, nanoseconds: u64) {
    if nanoseconds == 0 {
        return;
    }
    let micros = nanoseconds.div_ceil(1000);
    let time = |us: u64| Value::record([("tv_sec", (us / 1_000_000).into()), ("tv_usec", (us % 1_000_000).into())]);
    let timer = Value::record([("it_interval", time(0)), ("it_value", time(micros))]);
    let _ = sys.call(Sysno::SETITIMER, vec![0.into(), timer, Value::Null]).await;
}

/// Becomes another program; says why when that fails.
async fn run(sys: &Sys, name: &str, argv: &[String], not_runnable: i32) -> i32 {
    let e = sys.execvp(name, argv).await;
    sys.error(format!("failed to run command {}: {e}", quote(name))).await;
    if e == Errno::ENOENT { 127 } else { not_runnable }
}

async fn nohup(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec { short: "+", failure: 125, ..Spec::COREUTILS };
    let options = sys.getopt(&SPEC).await?;
    let Some(name) = options.operands.first() else { return Err(sys.missing_operand().await) };
    if sys.isatty(1).await {
        match sys.open("nohup.out", o::WRONLY | o::CREAT | o::APPEND, 0o600).await {
            Ok(fd) => {
                sys.error("ignoring input and appending output to 'nohup.out'").await;
                let _ = sys.dup2(fd, 1).await;
            }
            Err(e) => {
                sys.error(format!("failed to open 'nohup.out': {e}")).await;
                return Err(125);
            }
        }
    }
    let _ = sys.sigaction(Signal::HUP, Disposition::Ignore).await;
    Ok(run(&sys, name, &options.operands, 126).await)
}

async fn nice(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec =
        Spec { short: "+n:", long: &[Long("adjustment", Takes::Value, 'n')], failure: 125, ..Spec::COREUTILS };
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if let Some(first) = words.first_mut()
        && let Some(number) =
            first.strip_prefix('-').filter(|n| n.trim_start_matches(['-', '+']).parse::<u32>().is_ok())
    {
        *first = format!("-n{number}");
    }
    let options = sys.getopt_words(&SPEC, &words).await?;
    let text = options.value('n').unwrap_or("10");
    let Ok(adjustment) = text.parse::<i64>() else {
        sys.error(format!("invalid adjustment {}", quote(text))).await;
        return Err(125);
    };
    // The kernel's answer is 20 minus the nice value.
    let raw = sys.call_int(Sysno::GETPRIORITY, vec![0.into(), 0.into()]).await.unwrap_or(20);
    let current = 20 - raw;
    let Some(name) = options.operands.first() else {
        if options.has('n') {
            return Err(sys.usage_error("a command must be given with an adjustment").await);
        }
        sys.print(format!("{current}\n")).await;
        return Ok(0);
    };
    let wanted = (current + adjustment).clamp(-20, 19);
    if let Err(e) = sys.call(Sysno::SETPRIORITY, vec![0.into(), 0.into(), wanted.into()]).await {
        sys.error(format!("cannot set niceness: {e}")).await;
        if e != Errno::EACCES && e != Errno::EPERM {
            return Err(125);
        }
    }
    let e = sys.execvp(name, &options.operands).await;
    sys.error(format!("{}: {e}", quote(name))).await;
    Ok(if e == Errno::ENOENT { 127 } else { 126 })
}
