//! `dmesg`: prints the kernel's log.

use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::syscall::{Sysno, Value};

crate::program!(
    DMESG = "dmesg" in "/usr/bin",
    "print or control the kernel's log",
    main,
    "  -C, --clear        forget what is there
  -c, --read-clear   print it, and forget it
  -l, --level LIST   only these levels: emerg alert crit err warn notice info debug
  -r, --raw          with the level as a number
  -t, --notime       without times
  -x, --decode       with facility and level in words"
);

const SPEC: Spec = Spec {
    short: "Ccl:rtxS",
    long: &[
        Long("clear", Takes::Nothing, 'C'),
        Long("read-clear", Takes::Nothing, 'c'),
        Long("level", Takes::Value, 'l'),
        Long("raw", Takes::Nothing, 'r'),
        Long("notime", Takes::Nothing, 't'),
        Long("decode", Takes::Nothing, 'x'),
        Long("syslog", Takes::Nothing, 'S'),
    ],
    unmodelled: "-T --ctime -H --human -w --follow -W --follow-new -k --kernel -u --userspace -d --show-delta -e --reltime \
                 -F --file -f --facility -L --color -n --console-level -D -E -P --nopager -s --buffer-size --since --until",
    version: "from util-linux 2.38.1",
    failure: 1,
};

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut levels = Vec::new();
    for name in options.value('l').into_iter().flat_map(|l| l.split(',')) {
        match LEVELS.iter().position(|l| *l == name) {
            Some(level) => levels.push(level),
            None => {
                sys.warnx(format!("unknown level '{name}'")).await;
                return Err(1);
            }
        }
    }
    if options.has('C') {
        return match sys.call(Sysno::SYSLOG, vec![5.into(), Value::Null, 0.into()]).await {
            Ok(_) => Ok(0),
            Err(e) => {
                sys.warn("clear kernel buffer failed", e).await;
                Err(1)
            }
        };
    }
    let action = if options.has('c') { 4 } else { 3 };
    let read = sys.call(Sysno::SYSLOG, vec![action.into(), Value::Null, (1i64 << 20).into()]).await;
    let text = match read {
        Ok(ret) => String::from_utf8_lossy(ret.output(1).as_bytes().unwrap_or_default()).into_owned(),
        Err(e) => {
            sys.warn("read kernel buffer failed", e).await;
            return Err(1);
        }
    };
    for line in text.lines() {
        let (level, rest) = line.strip_prefix('<').and_then(|l| l.split_once('>')).unwrap_or(("6", line));
        let level: usize = level.parse().unwrap_or(6);
        if !levels.is_empty() && !levels.contains(&level) {
            continue;
        }
        let shown = match rest.split_once("] ") {
            Some((_, text)) if options.has('t') => text,
            _ => rest,
        };
        let before = match () {
            () if options.has('r') => format!("<{level}>"),
            () if options.has('x') => format!("kern  :{:<6}: ", LEVELS.get(level).copied().unwrap_or("info")),
            () => String::new(),
        };
        sys.print(format!("{before}{shown}\n")).await;
    }
    Ok(0)
}
