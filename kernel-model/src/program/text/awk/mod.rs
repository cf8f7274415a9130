//! awk(1), as mawk 1.3.4 does it.
//!
//! `lex` finds words, `parse` makes the tree of `ast`, `run` and `eval` walk it; `value` is what variables hold.

mod arrays;
mod ast;
mod builtin;
mod eval;
mod io;
mod lex;
mod parse;
mod record;
mod run;
mod value;

use crate::program;
use crate::program::Sys;
use run::Awk;

program!(AWK = "awk" in "/usr/bin", "pattern scanning and text processing language", awk, "\
-F SEPARATOR  field separator; -v NAME=VALUE  sets a variable; -f FILE  the program is in FILE
PROGRAM [FILE | NAME=VALUE]...  as mawk: all of POSIX awk, and nextfile, length ARRAY, delete ARRAY");
program!(MAWK = "mawk" in "/usr/bin", "pattern scanning and text processing language", awk, "See awk.");

async fn awk(sys: Sys) -> Result<i32, i32> {
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let mut settings = Vec::new();
    let mut sources: Vec<String> = Vec::new();
    let mut separator = None;
    while let Some(word) = words.first().cloned() {
        if word == "-" || !word.starts_with('-') {
            break;
        }
        words.remove(0);
        if word == "--" {
            break;
        }
        if word == "--version" || word == "-W" {
            sys.print("mawk 1.3.4 20200120\n").await;
            return Ok(0);
        }
        let mut letters = word.chars().skip(1);
        let key = letters.next().unwrap_or('-');
        if !matches!(key, 'F' | 'v' | 'f') {
            fail(&sys, &format!("not an option: {word}")).await;
            return Err(2);
        }
        let attached: String = letters.collect();
        let value = if attached.is_empty() {
            if words.is_empty() {
                fail(&sys, &format!("no argument for option -{key}")).await;
                return Err(2);
            }
            words.remove(0)
        } else {
            attached
        };
        match key {
            'F' => separator = Some(value),
            'v' => settings.push(value),
            _ => match sys.slurp(&value).await {
                Ok(bytes) => sources.push(String::from_utf8_lossy(&bytes).into_owned()),
                Err(e) => {
                    fail(&sys, &format!("cannot open {value} ({e})")).await;
                    return Err(2);
                }
            },
        }
    }
    if sources.is_empty() {
        if words.is_empty() {
            sys.eprint("Usage: mawk [Options] [Program] [file ...]\n").await;
            return Err(2);
        }
        sources.push(words.remove(0));
    }
    let script = match parse::parse(&sources.join("\n")) {
        Ok(script) => script,
        Err((message, line)) => {
            fail(&sys, &format!("line {line}: {message}")).await;
            return Err(2);
        }
    };
    if let Some(missing) = run::undefined_function(&script) {
        fail(&sys, &format!("function {missing} never defined")).await;
        return Err(2);
    }
    let mut awk = Awk::new(&sys, &script, words);
    if let Some(separator) = separator {
        awk.assign_text("FS", &separator);
    }
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            fail(&sys, &format!("improper assignment: -v {setting}")).await;
            return Err(2);
        };
        awk.assign_text(name, value);
    }
    let status = awk.run().await;
    match status {
        Ok(status) => Ok(status),
        Err(message) => {
            fail(&sys, &message).await;
            Err(2)
        }
    }
}

async fn fail(sys: &Sys, message: &str) {
    sys.flush().await;
    sys.eprint(format!("{}: {message}\n", sys.name())).await;
}
