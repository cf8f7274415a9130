//! tac(1) and paste(1): lines in another arrangement.

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::lines::Lines;
use crate::program::quote::{quoteaf, quotef};

program!(TAC = "tac" in "/usr/bin", "concatenate and print files in reverse", tac, "\
-b, --before  attach the separator before instead of after
-s, --separator STRING  use STRING as the separator instead of newline");
program!(PASTE = "paste" in "/usr/bin", "merge lines of files", paste, "\
-d, --delimiters LIST  reuse characters from LIST instead of TABs
-s, --serial  paste one file at a time instead of in parallel
-z, --zero-terminated  line delimiter is NUL, not newline");

async fn tac(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "bs:",
        long: &[Long("before", Takes::Nothing, 'b'), Long("separator", Takes::Value, 's')],
        unmodelled: "-r --regex",
        ..Spec::COREUTILS
    };
    let mut options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        options.operands.push("-".into());
    }
    let separator = options.value('s').filter(|s| !s.is_empty()).unwrap_or("\n").as_bytes();
    let mut status = 0;
    for name in &options.operands {
        match sys.slurp(name).await {
            Ok(text) => {
                for record in records(&text, separator, options.has('b')).into_iter().rev() {
                    sys.print(record).await;
                }
            }
            Err(e) => {
                let read = e == crate::errno::Errno::EISDIR;
                let name = if name == "-" { "standard input" } else { name };
                sys.error(match read {
                    true => format!("{}: read error: {e}", quotef(name)),
                    false => format!("failed to open {} for reading: {e}", quoteaf(name)),
                })
                .await;
                status = 1;
            }
        }
    }
    Ok(status)
}

/// The parts of a text, each with the separator after it (or before it).
fn records<'a>(text: &'a [u8], separator: &[u8], before: bool) -> Vec<&'a [u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while at + separator.len() <= text.len() {
        if !text[at..].starts_with(separator) {
            at += 1;
            continue;
        }
        let cut = if before { at } else { at + separator.len() };
        if cut > start {
            parts.push(&text[start..cut]);
        }
        start = cut;
        at += separator.len();
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}

/// The delimiters of `-d`; `None` is the empty one (`\0`).
fn delimiters(list: &str) -> Vec<Option<char>> {
    let mut out = Vec::new();
    let mut chars = list.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('0') | None => None,
                Some('b') => Some('\u{8}'),
                Some('f') => Some('\u{c}'),
                Some('r') => Some('\r'),
                Some('v') => Some('\u{b}'),
                Some(other) => Some(other),
            },
            c => Some(c),
        });
    }
    if out.is_empty() {
        out.push(None);
    }
    out
}

async fn paste(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "d:sz",
        long: &[
            Long("delimiters", Takes::Value, 'd'),
            Long("serial", Takes::Nothing, 's'),
            Long("zero-terminated", Takes::Nothing, 'z'),
        ],
        ..Spec::COREUTILS
    };
    let mut options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        options.operands.push("-".into());
    }
    let delimiters = delimiters(options.value('d').unwrap_or("\t"));
    let delimiter =
        |i: usize| delimiters.get(i % delimiters.len()).copied().flatten().map(String::from).unwrap_or_default();
    let end = if options.has('z') { 0 } else { b'\n' };
    let mut files = Vec::new();
    let mut status = 0;
    for name in &options.operands {
        match Lines::open(&sys, name).await {
            Ok(lines) => files.push(lines.ended_by(end)),
            Err(e) => {
                sys.error(format!("{}: {e}", quotef(name))).await;
                if !options.has('s') {
                    return Err(1);
                }
                status = 1;
            }
        }
    }
    let without_end = |line: &[u8]| line.strip_suffix(&[end]).unwrap_or(line).to_vec();
    if options.has('s') {
        for file in &mut files {
            let mut number = 0;
            while let Ok(Some(line)) = file.next(&sys).await {
                if number > 0 {
                    sys.print(delimiter(number - 1)).await;
                }
                sys.print(without_end(&line)).await;
                number += 1;
            }
            sys.print([end]).await;
        }
        return Ok(status);
    }
    loop {
        let mut row = Vec::new();
        for file in &mut files {
            row.push(file.next(&sys).await.ok().flatten());
        }
        if row.iter().all(Option::is_none) {
            return Ok(status);
        }
        for (i, line) in row.iter().enumerate() {
            if i > 0 {
                sys.print(delimiter(i - 1)).await;
            }
            sys.print(line.as_deref().map(without_end).unwrap_or_default()).await;
        }
        sys.print([end]).await;
    }
}
