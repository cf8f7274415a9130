//! stress-ng(1), version 0.15.06: of its many stressors those that limits stop: cpu, vm, io, hdd and fork.

use super::hog::{Hog, Worker};
use super::options::Say;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::signal_text::strsignal;
use crate::syscall::Sysno;
use crate::syscall::identity::prctl::pr;
use crate::task::signal::Signal;

crate::program!(
    STRESS_NG = "stress-ng" in "/usr/bin",
    "load and stress a computer system",
    main,
    "-c, --cpu N       start N workers that compute; 0 for one a processor
-l, --cpu-load P  load each by P percent
-m, --vm N        start N workers that allocate and touch memory
    --vm-bytes N  how much, all together (default 256M)
    --vm-hang N   sleep N seconds before it is given back
    --vm-keep     keep it
-i, --io N        start N workers that call sync(2)
-d, --hdd N       start N workers that write files
    --hdd-bytes N  how much (default 1G)
-f, --fork N      start N workers that make children which exit
    --fork-max P  so many at a time (default 1)
-t, --timeout T   end after T seconds (units s, m, h, d, y)
-n, --dry-run     do nothing
-q, --quiet       say nothing"
);

const SPEC: Spec = Spec {
    short: "c:l:m:i:d:f:t:nqv",
    long: &[
        Long("cpu", Takes::Value, 'c'),
        Long("cpu-load", Takes::Value, 'l'),
        Long("vm", Takes::Value, 'm'),
        Long("vm-bytes", Takes::Value, 'B'),
        Long("vm-hang", Takes::Value, 'H'),
        Long("vm-keep", Takes::Nothing, 'K'),
        Long("io", Takes::Value, 'i'),
        Long("hdd", Takes::Value, 'd'),
        Long("hdd-bytes", Takes::Value, 'D'),
        Long("fork", Takes::Value, 'f'),
        Long("fork-max", Takes::Value, 'F'),
        Long("timeout", Takes::Value, 't'),
        Long("dry-run", Takes::Nothing, 'n'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "--metrics --metrics-brief -M --all --sequential --class --times --perf --tz --verify --oom-avoid",
    version: "stress-ng, version 0.15.06",
    failure: 1,
};

async fn main(sys: Sys) -> Result<i32, i32> {
    if let Some(status) = Worker::resume(&sys).await {
        return Ok(status);
    }
    let options = sys.getopt(&SPEC).await?;
    let say = Messages { sys: &sys, quiet: options.has('q') };
    let number = |letter: char, default: u64| -> Result<u64, String> {
        options.value(letter).map_or(Ok(default), |text| match text.parse::<u64>() {
            Ok(n) => Ok(n),
            Err(_) if text.starts_with('-') => Err(format!("Invalid number {text}\n")),
            Err(_) => Err(format!(
                "Value {text} contains non-numeric: '{}'\n",
                text.trim_start_matches(|c: char| c.is_ascii_digit())
            )),
        })
    };
    let plan = plan(&options, &number);
    let plan = match plan {
        Ok(plan) => plan,
        Err(message) => {
            sys.eprint(message).await;
            return Err(1);
        }
    };
    let mut timeout = 86_400;
    match options.value('t').map(super::options::seconds) {
        None => say.info("defaulting to a 86400 second (1 day, 0.00 secs) run per stressor").await,
        Some(Ok(seconds)) => {
            timeout = seconds;
            say.info(&format!("setting to a {seconds} second run per stressor")).await;
        }
        Some(Err((_, message))) => {
            sys.eprint(format!("{message}\n")).await;
            return Err(1);
        }
    }
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for (name, _) in &plan {
        match counts.iter_mut().find(|(n, _)| n == name) {
            Some((_, n)) => *n += 1,
            None => counts.push((name, 1)),
        }
    }
    if counts.is_empty() {
        say.error("No stress workers invoked").await;
        return Err(1);
    }
    let text: Vec<String> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
    say.info(&format!("dispatching hogs: {}", text.join(", "))).await;
    let started = sys.clock_gettime(1).await.unwrap_or(0);
    let mut failed = false;
    if !options.has('n') {
        failed = run(&sys, &plan, timeout, &say).await?;
    }
    let ran = sys.clock_gettime(1).await.unwrap_or(0).saturating_sub(started) / 10_000_000;
    let ran = format!("{}.{:02}s", ran / 100, ran % 100);
    if failed {
        say.info(&format!("unsuccessful run completed in {ran}")).await;
        return Err(2);
    }
    say.info(&format!("successful run completed in {ran}")).await;
    Ok(0)
}

type Number<'a> = &'a dyn Fn(char, u64) -> Result<u64, String>;

/// The workers, in the order in which they are made.
fn plan(options: &crate::program::getopt::Options, number: Number<'_>) -> Result<Vec<(&'static str, Hog)>, String> {
    let size = |letter: char, default: u64| -> Result<u64, String> {
        options.value(letter).map_or(Ok(default), |text| {
            super::options::bytes(text).map(|n| n.max(0) as u64).map_err(|(_, message)| format!("{message}\n"))
        })
    };
    let processors = u64::from(crate::task::sched::NR_CPUS);
    let count = |letter: char| -> Result<u64, String> {
        if !options.has(letter) {
            return Ok(0);
        }
        Ok(match number(letter, 0)? {
            0 => processors,
            n => n,
        })
    };
    let load = number('l', 100)?;
    if load > 100 {
        return Err(format!("Value {load} is out of range for cpu-load, allowed: 0 .. 100\n"));
    }
    let vms = count('m')?;
    let vm = Hog::Vm {
        bytes: (size('B', 256 << 20)? / vms.max(1)).max(4096),
        stride: 4096,
        hang: if options.has('H') { Some(number('H', 0)?) } else { None },
        keep: options.has('K'),
    };
    let hdd = Hog::Hdd(size('D', 1 << 30)?);
    let fork = Hog::Fork(number('F', 1)?.max(1));
    let kinds = [
        ("cpu", count('c')?, Hog::Cpu(load)),
        ("vm", vms, vm),
        ("hdd", count('d')?, hdd),
        ("fork", count('f')?, fork),
        ("io", count('i')?, Hog::Io),
    ];
    Ok(kinds.into_iter().flat_map(|(name, n, hog)| (0..n).map(move |_| (name, hog))).collect())
}

/// Makes the workers, ends them when the time is over, and waits for them. Whether one failed.
async fn run(sys: &Sys, plan: &[(&'static str, Hog)], timeout: i64, say: &Messages<'_>) -> Result<bool, i32> {
    let mut children = Vec::new();
    for (name, hog) in plan {
        match sys.fork().await {
            Ok(0) => return Err(work(sys, *hog, timeout).await),
            Ok(pid) => children.push((pid, *name)),
            Err(e) => say.error(&format!("cannot fork: errno={} ({e})", e as i32)).await,
        }
    }
    let mut failed = children.is_empty();
    for (pid, name) in children {
        let Ok((_, status)) = sys.wait4(pid, 0).await else { continue };
        match (status.exited(), status.signaled()) {
            (_, Some(Signal::ALRM)) | (Some(0), _) => {}
            (_, Some(signal)) => {
                let what = format!("{name}: [{pid}] terminated on signal: {} ({})", signal.0, strsignal(signal));
                say.error(&what).await;
                failed = true;
            }
            (status, None) => {
                let status = status.unwrap_or(1);
                say.error(&format!("{name}: [{pid}] terminated with an error, exit status={status}")).await;
                failed = true;
            }
        }
    }
    Ok(failed)
}

/// A worker. Memory is touched in a child of its own, which is made again when the OOM killer has taken it.
async fn work(sys: &Sys, hog: Hog, timeout: i64) -> i32 {
    let _ = sys.prctl(pr::SET_PDEATHSIG, [Signal::KILL.0.into(), 0, 0, 0]).await;
    let _ = sys.call(Sysno::ALARM, vec![timeout.into()]).await;
    if !matches!(hog, Hog::Vm { .. }) {
        return Worker::new(hog, Say::Nothing).run(sys).await;
    }
    loop {
        match sys.fork().await {
            Ok(0) => {
                let _ = sys.prctl(pr::SET_PDEATHSIG, [Signal::KILL.0.into(), 0, 0, 0]).await;
                return Worker::new(hog, Say::Nothing).run(sys).await;
            }
            Ok(pid) => {
                let Ok((_, status)) = sys.wait4(pid, 0).await else { return 1 };
                if status.signaled() != Some(Signal::KILL) {
                    return status.exited().unwrap_or(1);
                }
            }
            Err(_) => {
                let _ = sys.nanosleep(100_000_000).await;
            }
        }
    }
}

/// How stress-ng speaks.
struct Messages<'a> {
    sys: &'a Sys,
    quiet: bool,
}

impl Messages<'_> {
    async fn info(&self, text: &str) {
        self.line("info: ", text).await;
    }

    async fn error(&self, text: &str) {
        self.line("error:", text).await;
    }

    /// Everything goes to the error output.
    async fn line(&self, kind: &str, text: &str) {
        if self.quiet {
            return;
        }
        let pid = self.sys.getpid().await;
        self.sys.eprint(format!("stress-ng: {kind} [{pid}] {text}\n")).await;
    }
}
