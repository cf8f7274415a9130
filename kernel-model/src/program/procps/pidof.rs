//! `pidof`: the pids of a program.

use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    PIDOF = "pidof" in "/usr/bin",
    "find the process ID of a running program",
    main,
    "  -s, --single-shot     only one pid
  -q                    say nothing
  -x                    also shells that run a script of this name
  -o, --omit-pid PID,... leave these out; %PPID is the caller
  -S, --separator TEXT  between pids"
);

const SPEC: Spec = Spec {
    short: "sqxo:S:",
    long: &[
        Long("single-shot", Takes::Nothing, 's'),
        Long("omit-pid", Takes::Value, 'o'),
        Long("separator", Takes::Value, 'S'),
    ],
    unmodelled: "-c --check-root -n -w --with-workers",
    version: "from procps-ng 4.0.2",
    failure: 1,
};

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut omitted = vec![sys.getpid().await];
    for list in options.values('o') {
        for word in list.split([',', ';', ':']) {
            match word {
                "%PPID" => omitted.push(sys.getppid().await),
                number => omitted.extend(number.parse::<i32>().ok()),
            }
        }
    }
    let processes = sys.processes().await.unwrap_or_default();
    let mut found = Vec::new();
    for program in &options.operands {
        let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let same = |word: &str| {
            let word = word.strip_prefix('-').unwrap_or(word);
            word == program || base(word) == *program || (program.contains('/') && base(program) == *word)
        };
        let is_it = |p: &crate::program::procps::process::Process| {
            p.argv.first().is_some_and(|w| same(w))
                || (options.has('x') && p.argv.get(1).is_some_and(|w| same(w) && base(w) == p.comm))
        };
        let pids = processes.iter().rev().filter(|p| !omitted.contains(&p.pid) && is_it(p)).map(|p| p.pid);
        found.extend(pids);
    }
    if options.has('s') {
        found.truncate(1);
    }
    if found.is_empty() {
        return 1;
    }
    if !options.has('q') {
        let separator = options.value('S').unwrap_or(" ");
        let text: Vec<String> = found.iter().map(i32::to_string).collect();
        sys.print(format!("{}\n", text.join(separator))).await;
    }
    0
}
