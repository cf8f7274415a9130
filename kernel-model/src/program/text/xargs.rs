//! xargs(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::quote::quote;

program!(XARGS = "xargs" in "/usr/bin", "build and execute command lines from standard input", xargs, "\
-0, --null; -d, --delimiter C  items end in NUL, in C; -a, --arg-file FILE  read items from FILE
-n, --max-args N; -L, --max-lines N  at most N items, N lines in a command
-I REPLACE  replace this in the arguments by a line of input
-r, --no-run-if-empty; -t, --verbose  print the commands; -s, --max-chars N; -x, --exit
[COMMAND [ARG]...]  exit status 123: a command failed, 124: with 255, 125: killed, 126, 127: not run");

const SPEC: Spec = Spec {
    short: "+0a:d:I:L:n:P:rs:tx",
    long: &[
        Long("null", Takes::Nothing, '0'),
        Long("arg-file", Takes::Value, 'a'),
        Long("delimiter", Takes::Value, 'd'),
        Long("max-lines", Takes::Value, 'L'),
        Long("max-args", Takes::Value, 'n'),
        Long("max-procs", Takes::Value, 'P'),
        Long("no-run-if-empty", Takes::Nothing, 'r'),
        Long("max-chars", Takes::Value, 's'),
        Long("verbose", Takes::Nothing, 't'),
        Long("exit", Takes::Nothing, 'x'),
    ],
    unmodelled: "-E -e -i -l -o -p --eof --replace --interactive --open-tty --show-limits --process-slot-var",
    version: "(GNU findutils) 4.9.0",
    failure: 1,
};

/// How long a command line may get, as GNU's default.
const LONGEST: usize = 131_072;

async fn xargs(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.value('P').is_some_and(|p| p != "1") {
        sys.not_modelled("running several commands at a time (-P)").await;
        return Err(1);
    }
    let name = options.value('a').unwrap_or("-");
    let input = match sys.slurp(name).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) => {
            sys.error(format!("Cannot open input file {}: {e}", quote(name))).await;
            return Err(1);
        }
    };
    let lines = match items(&options, &input) {
        Ok(lines) => lines,
        Err(message) => {
            sys.error(message).await;
            return Err(1);
        }
    };
    let most = number(&sys, &options, 'n').await?;
    let most_lines = number(&sys, &options, 'L').await?;
    let longest = number(&sys, &options, 's').await?.unwrap_or(LONGEST);
    let mut command = options.operands.clone();
    if command.is_empty() {
        command.push("echo".into());
    }
    let mut status = 0;
    if let Some(mark) = options.value('I') {
        for item in lines.iter().flatten() {
            let words = command.iter().map(|w| w.replace(mark, item)).collect::<Vec<_>>();
            run(&sys, &options, &words, &mut status).await?;
        }
        return Ok(status);
    }
    let mut batch: Vec<String> = Vec::new();
    let (mut taken, mut ran) = (0, false);
    let fixed: usize = command.iter().map(|w| w.len() + 1).sum();
    for line in &lines {
        for item in line {
            let size = fixed + batch.iter().map(|w| w.len() + 1).sum::<usize>() + item.len() + 1;
            if !batch.is_empty() && (most.is_some_and(|n| batch.len() >= n) || size > longest) {
                run(&sys, &options, &[command.as_slice(), &batch].concat(), &mut status).await?;
                (ran, taken) = (true, 0);
                batch.clear();
            }
            batch.push(item.clone());
        }
        taken += 1;
        if most_lines.is_some_and(|n| taken >= n) && !batch.is_empty() {
            run(&sys, &options, &[command.as_slice(), &batch].concat(), &mut status).await?;
            (ran, taken) = (true, 0);
            batch.clear();
        }
    }
    if !batch.is_empty() || !(ran || options.has('r')) {
        run(&sys, &options, &[command.as_slice(), &batch].concat(), &mut status).await?;
    }
    Ok(status)
}

async fn number(sys: &Sys, options: &Options, key: char) -> Result<Option<usize>, i32> {
    let Some(text) = options.value(key) else { return Ok(None) };
    match text.parse() {
        Ok(0) => {
            sys.error(format!("value 0 for -{key} option should be >= 1")).await;
            Err(1)
        }
        Ok(n) => Ok(Some(n)),
        Err(_) => {
            sys.error(format!("invalid number \"{text}\" for -{key} option")).await;
            sys.try_help().await;
            Err(1)
        }
    }
}

/// The items, by line.
fn items(options: &Options, input: &str) -> Result<Vec<Vec<String>>, String> {
    let delimiter = match options.last_of("0d") {
        Some('0') => Some('\0'),
        Some(_) => match options.value('d') {
            Some("\\n") => Some('\n'),
            Some("\\t") => Some('\t'),
            Some("\\0") => Some('\0'),
            text => text.and_then(|t| t.chars().next()),
        },
        None => None,
    };
    if let Some(delimiter) = delimiter {
        let input = input.strip_suffix(delimiter).unwrap_or(input);
        let all = input.split(delimiter).map(|i| vec![i.to_owned()]);
        return Ok(if input.is_empty() { Vec::new() } else { all.collect() });
    }
    if options.has('I') {
        let lines = input.lines().map(str::trim_start).filter(|l| !l.is_empty());
        return lines.map(|l| Ok(vec![words(l, true)?.concat()])).collect();
    }
    let mut all = Vec::new();
    for line in input.split('\n').filter(|l| !l.trim().is_empty()) {
        all.push(words(line, false)?);
    }
    Ok(all)
}

/// A line's words; quotes and backslashes protect blanks. As `whole`, blanks do not separate.
fn words(line: &str, whole: bool) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' if !whole => all.extend(word.take()),
            '\'' | '"' => {
                let kind = if c == '"' { "double" } else { "single" };
                let inside: String = chars.by_ref().take_while(|q| *q != c).collect();
                let closed = line.len() - chars.as_str().len();
                if !line.get(..closed).is_some_and(|l| l.ends_with(c)) || line.matches(c).count() < 2 {
                    return Err(format!(
                        "unmatched {kind} quote; by default quotes are special to xargs unless you use the -0 option"
                    ));
                }
                word.get_or_insert_default().push_str(&inside);
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    Ok(all)
}

async fn run(sys: &Sys, options: &Options, words: &[String], status: &mut i32) -> Result<(), i32> {
    sys.flush().await;
    if options.has('t') {
        sys.eprint(format!("{}\n", words.join(" "))).await;
    }
    let name = words.first().cloned().unwrap_or_default();
    let child = match sys.fork().await {
        Ok(0) => {
            let _ = match sys.open("/dev/null", 0, 0).await {
                Ok(fd) if options.value('a').is_none() => sys.dup2(fd, 0).await,
                other => other,
            };
            let e = sys.execvp(&name, words).await;
            sys.error(format!("{name}: {e}")).await;
            sys.exit(if e == Errno::ENOENT { 127 } else { 126 }).await;
            return Err(126);
        }
        Ok(child) => child,
        Err(e) => {
            sys.error(format!("cannot fork: {e}")).await;
            return Err(1);
        }
    };
    let ended = match sys.wait4(child, 0).await {
        Ok((_, ended)) => ended,
        Err(e) => {
            sys.error(format!("error waiting for child process: {e}")).await;
            return Err(1);
        }
    };
    if let Some(signal) = ended.signaled() {
        sys.error(format!("{name}: terminated by signal {}", signal.0)).await;
        return Err(125);
    }
    match ended.exited() {
        Some(255) => {
            sys.error(format!("{name}: exited with status 255; aborting")).await;
            Err(124)
        }
        Some(code @ (126 | 127)) => Err(code),
        Some(0) | None => Ok(()),
        Some(_) => {
            *status = 123;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_blanks() {
        assert_eq!(words("a 'b c' d\\ e", false), Ok(vec!["a".into(), "b c".into(), "d e".into()]));
        assert!(words("a 'b", false).is_err());
    }
}
