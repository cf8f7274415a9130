//! uniq(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;
use crate::program::lines::Lines;
use crate::program::quote::{quote, quotef};

program!(UNIQ = "uniq" in "/usr/bin", "report or omit repeated lines", uniq, "\
-c, --count  prefix lines by the number of occurrences
-d, --repeated  only print duplicate lines, one for each group; -D  print all duplicate lines
-u, --unique  only print unique lines
-f, --skip-fields N; -s, --skip-chars N; -w, --check-chars N  what is compared
-i, --ignore-case; -z, --zero-terminated
[INPUT [OUTPUT]]");

const SPEC: Spec = Spec {
    short: "cdDf:is:uw:z",
    long: &[
        Long("count", Takes::Nothing, 'c'),
        Long("repeated", Takes::Nothing, 'd'),
        Long("unique", Takes::Nothing, 'u'),
        Long("skip-fields", Takes::Value, 'f'),
        Long("skip-chars", Takes::Value, 's'),
        Long("check-chars", Takes::Value, 'w'),
        Long("ignore-case", Takes::Nothing, 'i'),
        Long("zero-terminated", Takes::Nothing, 'z'),
    ],
    unmodelled: "--all-repeated --group",
    ..Spec::COREUTILS
};

/// What of a line is compared.
#[derive(Clone, Copy, Debug)]
struct Compared {
    skip_fields: usize,
    skip_chars: usize,
    most: usize,
    ignore_case: bool,
}

impl Compared {
    fn of(self, line: &[u8]) -> Vec<u8> {
        let mut at = 0;
        let is_blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n');
        for _ in 0..self.skip_fields {
            at += line[at..].iter().take_while(is_blank).count();
            at += line[at..].iter().take_while(|b| !is_blank(b)).count();
        }
        let rest = line.get((at + self.skip_chars).min(line.len())..).unwrap_or_default();
        let part = &rest[..rest.len().min(self.most)];
        if self.ignore_case { part.to_ascii_uppercase() } else { part.to_vec() }
    }
}

async fn uniq(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if let Some(extra) = options.operands.get(2) {
        return Err(sys.extra_operand(extra).await);
    }
    let compared = Compared {
        skip_fields: number(&sys, &options, 'f', "fields to skip").await?.unwrap_or(0),
        skip_chars: number(&sys, &options, 's', "bytes to skip").await?.unwrap_or(0),
        most: number(&sys, &options, 'w', "bytes to compare").await?.unwrap_or(usize::MAX),
        ignore_case: options.has('i'),
    };
    let name = options.operands.first().map_or("-", String::as_str);
    let end = if options.has('z') { 0 } else { b'\n' };
    let mut input = match Lines::open(&sys, name).await {
        Ok(lines) => lines.ended_by(end),
        Err(e) => {
            sys.error(format!("{}: {e}", quotef(name))).await;
            return Err(1);
        }
    };
    if let Some(output) = options.operands.get(1).filter(|o| *o != "-") {
        let opened = match sys.open(output, o::WRONLY | o::CREAT | o::TRUNC, 0o666).await {
            Ok(fd) => sys.dup2(fd, 1).await,
            Err(e) => Err(e),
        };
        if let Err(e) = opened {
            sys.error(format!("{}: {e}", quotef(output))).await;
            return Err(1);
        }
    }
    let mut group: Vec<Vec<u8>> = Vec::new();
    let mut repeats = 0_u64;
    loop {
        let line = match input.next(&sys).await {
            Ok(line) => line.map(|l| l.strip_suffix(&[end]).map_or(l.clone(), <[u8]>::to_vec)),
            Err(e) => {
                sys.error(format!("error reading {}: {e}", quotef(name))).await;
                return Err(1);
            }
        };
        let same = match (&line, group.first()) {
            (Some(line), Some(first)) => compared.of(line) == compared.of(first),
            _ => false,
        };
        if !same {
            print_group(&sys, &options, &group, repeats, end).await;
            group.clear();
            repeats = 0;
        }
        let Some(line) = line else { return Ok(0) };
        repeats += 1;
        if group.is_empty() || options.has('D') {
            group.push(line);
        }
    }
}

async fn print_group(sys: &Sys, options: &Options, group: &[Vec<u8>], repeats: u64, end: u8) {
    let hidden = if repeats > 1 { options.has('u') } else { options.has('d') || options.has('D') };
    if hidden {
        return;
    }
    for line in group {
        if options.has('c') {
            sys.print(format!("{repeats:>7} ")).await;
        }
        sys.print(line).await;
        sys.print([end]).await;
    }
}

async fn number(sys: &Sys, options: &Options, key: char, what: &str) -> Result<Option<usize>, i32> {
    let Some(text) = options.value(key) else { return Ok(None) };
    match text.parse() {
        Ok(n) => Ok(Some(n)),
        Err(_) => {
            sys.error(format!("{}: invalid number of {what}", quote(text).trim_matches('\''))).await;
            Err(1)
        }
    }
}
