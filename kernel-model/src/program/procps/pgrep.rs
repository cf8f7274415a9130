//! `pgrep` and `pkill`: look processes up by name and other attributes, and signal them.

use super::kill::number as signal_number;
use super::process::{Process, TICKS};
use crate::namespace::NsKind;
use crate::program::Sys;
use crate::program::getopt::{Long, Opt, Options, Spec, Stop, Takes, parse};
use crate::program::text::regex::{Regex, Syntax, Whole};
use crate::task::signal::Signal;

crate::program!(
    PGREP = "pgrep" in "/usr/bin",
    "look up processes based on name and other attributes",
    pgrep,
    "  -a, --list-full, -l, --list-name, -c, --count, -d, --delimiter TEXT  what is printed
  -f, --full, -x, --exact, -i, --ignore-case  how the pattern is compared
  -n, --newest, -o, --oldest, -v, --inverse, -O, --older SECONDS
  -P, --parent, -g, --pgroup, -s, --session, -u, --euid, -U, --uid, -G, --group, -t, --terminal LIST
  -r, --runstates LETTERS
      --ns PID, --nslist KIND,...  in the same namespaces as this process"
);

crate::program!(
    PKILL = "pkill" in "/usr/bin",
    "signal processes based on name and other attributes",
    pkill,
    "  -SIGNAL, --signal SIGNAL   what is sent, TERM unless given
  -e, --echo, -c, --count    what is printed
  and the options of pgrep that choose processes"
);

const NS: char = '0';
const NSLIST: char = '1';
const SIGNAL: char = '2';

const LONG: &[Long] = &[
    Long("list-full", Takes::Nothing, 'a'),
    Long("list-name", Takes::Nothing, 'l'),
    Long("count", Takes::Nothing, 'c'),
    Long("delimiter", Takes::Value, 'd'),
    Long("echo", Takes::Nothing, 'e'),
    Long("full", Takes::Nothing, 'f'),
    Long("exact", Takes::Nothing, 'x'),
    Long("ignore-case", Takes::Nothing, 'i'),
    Long("newest", Takes::Nothing, 'n'),
    Long("oldest", Takes::Nothing, 'o'),
    Long("older", Takes::Value, 'O'),
    Long("inverse", Takes::Nothing, 'v'),
    Long("parent", Takes::Value, 'P'),
    Long("pgroup", Takes::Value, 'g'),
    Long("session", Takes::Value, 's'),
    Long("euid", Takes::Value, 'u'),
    Long("uid", Takes::Value, 'U'),
    Long("group", Takes::Value, 'G'),
    Long("terminal", Takes::Value, 't'),
    Long("runstates", Takes::Value, 'r'),
    Long("ns", Takes::Value, NS),
    Long("nslist", Takes::Value, NSLIST),
    Long("signal", Takes::Value, SIGNAL),
];

const PGREP_SPEC: Spec = Spec {
    short: "alcd:fxinoO:vP:g:s:u:U:G:t:r:",
    long: LONG,
    unmodelled: "-w --lightweight -F --pidfile -L --logpidfile -A --ignore-ancestors --cgroup",
    version: "from procps-ng 4.0.2",
    failure: 2,
};

const PKILL_SPEC: Spec = Spec {
    short: "ecfxinoO:P:g:s:u:U:G:t:r:",
    unmodelled: "-q --queue -F --pidfile -L --logpidfile -A --ignore-ancestors --cgroup",
    ..PGREP_SPEC
};

/// The command line was wrong.
const USAGE: i32 = 2;
/// Nobody was found.
const NOBODY: i32 = 1;
/// How much of a name the kernel keeps.
const COMM_LENGTH: usize = 15;

async fn pgrep(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let (options, found) = match search(&sys, &PGREP_SPEC, &words).await {
        Ok(found) => found,
        Err(status) => return status,
    };
    if options.has('c') {
        sys.print(format!("{}\n", found.len())).await;
    } else if !found.is_empty() {
        let line = |p: &Process| {
            if options.has('a') {
                format!("{} {}", p.pid, full(p))
            } else if options.has('l') {
                format!("{} {}", p.pid, p.comm)
            } else {
                p.pid.to_string()
            }
        };
        let lines: Vec<String> = found.iter().map(line).collect();
        sys.print(format!("{}\n", lines.join(options.value('d').unwrap_or("\n")))).await;
    }
    if found.is_empty() { NOBODY } else { 0 }
}

async fn pkill(sys: Sys) -> i32 {
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let mut signal = i64::from(Signal::TERM.0);
    // The first word that names a signal is one: `-9`, `-KILL`.
    let named =
        |w: &String| w.strip_prefix('-').filter(|t| t.len() > 1 || t.parse::<u8>().is_ok()).and_then(signal_number);
    if let Some(at) = words.iter().position(|w| named(w).is_some()) {
        signal = named(&words[at]).unwrap_or(signal);
        words.remove(at);
    }
    let (options, found) = match search(&sys, &PKILL_SPEC, &words).await {
        Ok(found) => found,
        Err(status) => return status,
    };
    if let Some(text) = options.value(SIGNAL) {
        match signal_number(text) {
            Some(n) => signal = n,
            None => {
                sys.error(format!("Unknown signal \"{text}\".")).await;
                return USAGE;
            }
        }
    }
    let mut killed = 0;
    for p in &found {
        match sys.kill(p.pid, signal).await {
            Ok(()) => {
                killed += 1;
                if options.has('e') {
                    sys.print(format!("{} killed (pid {})\n", p.comm, p.pid)).await;
                }
            }
            Err(crate::errno::Errno::ESRCH) => {}
            Err(e) => sys.error(format!("killing pid {} failed: {e}", p.pid)).await,
        }
    }
    if options.has('c') {
        sys.print(format!("{}\n", found.len())).await;
    }
    if killed == 0 { NOBODY } else { 0 }
}

/// The processes that the command line means, without the program itself.
async fn search(sys: &Sys, spec: &Spec, words: &[String]) -> Result<(Options, Vec<Process>), i32> {
    let options = match parse(spec, words, false) {
        Ok(options) => options,
        Err(Stop::Wrong(message)) => {
            sys.error(message).await;
            sys.eprint(format!("\nUsage:\n {0} [options] <pattern>\n\nFor more details see {0}(1).\n", sys.name()))
                .await;
            return Err(USAGE);
        }
        Err(_) => return Err(sys.getopt(spec).await.err().unwrap_or(USAGE)),
    };
    let pattern = match options.operands.as_slice() {
        [] if options.given.iter().any(|o| "PgsuUGtrO".contains(o.key) || o.key == NS) => None,
        [] => return refuse(sys, "no matching criteria specified").await,
        [pattern] => Some(pattern),
        _ => return refuse(sys, "only one pattern can be provided").await,
    };
    let whole = if options.has('x') { Whole::Line } else { Whole::Anything };
    let regex = match pattern.map(|p| Regex::new(p, Syntax::Extended, options.has('i'), whole)) {
        None => None,
        Some(Ok(regex)) => Some(regex),
        Some(Err(message)) => {
            sys.error(format!("regex error: {message}")).await;
            return Err(USAGE);
        }
    };
    let criteria = criteria(sys, &options).await?;
    let own = sys.getpid().await;
    let uptime = sys.uptime_ticks().await;
    let target_ns = match options.value(NS) {
        None => Vec::new(),
        Some(pid) => namespaces_of(sys, pid, options.value(NSLIST)).await,
    };
    let mut found = Vec::new();
    for p in sys.processes().await.unwrap_or_default() {
        if p.pid == own {
            continue;
        }
        let text = if options.has('f') { full(&p) } else { p.comm.clone() };
        let mut matches = regex.as_ref().is_none_or(|r| r.is_match(text.as_bytes()))
            && criteria.iter().all(|c| c.matches(&p, uptime));
        if matches && options.has(NS) {
            let theirs = namespaces_of(sys, &p.pid.to_string(), options.value(NSLIST)).await;
            matches = !target_ns.is_empty() && theirs == target_ns;
        }
        if matches != options.has('v') {
            found.push(p);
        }
    }
    if options.has('n') {
        found = found.into_iter().max_by_key(|p| (p.start_time, p.pid)).into_iter().collect();
    } else if options.has('o') {
        found = found.into_iter().min_by_key(|p| (p.start_time, p.pid)).into_iter().collect();
    }
    if found.is_empty() && !options.has('f') && pattern.is_some_and(|p| p.len() > COMM_LENGTH) {
        let name = sys.name();
        sys.error(format!(
            "pattern that searches for process name longer than {COMM_LENGTH} characters will result in zero matches\n\
             Try `{name} -f' option to match against the complete command line."
        ))
        .await;
    }
    Ok((options, found))
}

async fn refuse<T>(sys: &Sys, message: &str) -> Result<T, i32> {
    sys.error(message).await;
    sys.eprint(format!("Try `{} --help' for more information.\n", sys.name())).await;
    Err(USAGE)
}

fn full(p: &Process) -> String {
    if p.argv.is_empty() { p.comm.clone() } else { p.command_line() }
}

/// The inode numbers of a process' namespaces, those that cannot be seen left out.
async fn namespaces_of(sys: &Sys, pid: &str, list: Option<&str>) -> Vec<u64> {
    let kinds = [NsKind::Ipc, NsKind::Mnt, NsKind::Net, NsKind::Pid, NsKind::User, NsKind::Uts];
    let mut inodes = Vec::new();
    for kind in kinds.into_iter().filter(|k| list.is_none_or(|l| l.split(',').any(|n| n == k.name()))) {
        if let Ok(stat) = sys.stat(&format!("/proc/{pid}/ns/{}", kind.name())).await {
            inodes.push(stat.st_ino);
        }
    }
    inodes
}

/// Something that a process must have.
enum Criterion {
    Parent(Vec<i64>),
    Group(Vec<i64>),
    Session(Vec<i64>),
    EffectiveUser(Vec<i64>),
    RealUser(Vec<i64>),
    RealGroup(Vec<i64>),
    Terminal(Vec<String>),
    States(String),
    Older(u64),
}

impl Criterion {
    fn matches(&self, p: &Process, uptime: u64) -> bool {
        match self {
            Criterion::Parent(list) => list.contains(&p.ppid.into()),
            Criterion::Group(list) => list.contains(&p.pgrp.into()),
            Criterion::Session(list) => list.contains(&p.session.into()),
            Criterion::EffectiveUser(list) => list.contains(&p.uids[1].into()),
            Criterion::RealUser(list) => list.contains(&p.uids[0].into()),
            Criterion::RealGroup(list) => list.contains(&p.gids[0].into()),
            Criterion::Terminal(list) => list.contains(&p.tty_name()),
            Criterion::States(letters) => letters.contains(p.state),
            Criterion::Older(seconds) => uptime.saturating_sub(p.start_time) / TICKS >= *seconds,
        }
    }
}

async fn criteria(sys: &Sys, options: &Options) -> Result<Vec<Criterion>, i32> {
    let accounts = sys.accounts().await;
    let mut all = Vec::new();
    for Opt { key, value } in &options.given {
        let Some(text) = value else { continue };
        let words: Vec<&str> = text.split(',').collect();
        let mut numbers = Vec::new();
        if "PgsuUG".contains(*key) {
            for word in &words {
                let named = match key {
                    'u' | 'U' => accounts.user(word).map(|u| u.uid.into()),
                    'G' => accounts.group(word).map(|g| g.gid.into()),
                    _ => None,
                };
                let Some(n) = named.or_else(|| word.parse::<i64>().ok()) else {
                    let problem = match key {
                        'u' | 'U' => format!("invalid user name: {word}"),
                        'G' => format!("invalid group name: {word}"),
                        _ => format!("not a number: {word}"),
                    };
                    sys.error(problem).await;
                    return Err(USAGE);
                };
                numbers.push(n);
            }
        }
        // 0 stands for the caller's own group or session.
        if "gs".contains(*key) && numbers.contains(&0) {
            let me = sys.process("self").await.unwrap_or_default();
            let own = if *key == 'g' { me.pgrp } else { me.session };
            numbers.iter_mut().filter(|n| **n == 0).for_each(|n| *n = own.into());
        }
        all.push(match key {
            'P' => Criterion::Parent(numbers),
            'g' => Criterion::Group(numbers),
            's' => Criterion::Session(numbers),
            'u' => Criterion::EffectiveUser(numbers),
            'U' => Criterion::RealUser(numbers),
            'G' => Criterion::RealGroup(numbers),
            't' => Criterion::Terminal(words.iter().map(|w| if *w == "-" { "?" } else { w }.to_owned()).collect()),
            'r' => Criterion::States(text.clone()),
            'O' => Criterion::Older(text.parse().unwrap_or(0)),
            _ => continue,
        });
    }
    Ok(all)
}
