//! chmod(1).

use super::ls::join;
use crate::program;
use crate::program::Sys;
use crate::program::filemode::{ModeChange, mode_string};
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::s;
use crate::program::quote::{quote, quoteaf};

program!(CHMOD = "chmod" in "/usr/bin", "change file mode bits", chmod, "\
-R, --recursive  change files and directories recursively
-v, --verbose; -c, --changes  report every file, every change
-f, --silent  suppress most error messages
--reference RFILE  use RFILE's mode instead of MODE values
MODE  octal, or symbolic such as u+x,go-w");

const SPEC: Spec = Spec {
    short: "Rcfv",
    long: &[
        Long("changes", Takes::Nothing, 'c'),
        Long("recursive", Takes::Nothing, 'R'),
        Long("reference", Takes::Value, 'r'),
        Long("silent", Takes::Nothing, 'f'),
        Long("quiet", Takes::Nothing, 'f'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("no-preserve-root", Takes::Nothing, 'n'),
        Long("preserve-root", Takes::Nothing, 'p'),
    ],
    ..Spec::COREUTILS
};

async fn chmod(sys: Sys) -> Result<i32, i32> {
    // A mode such as -x looks like an option.
    let mut dashed_mode = None;
    let mut words = Vec::new();
    let mut ended = false;
    for word in sys.argv().get(1..).unwrap_or_default() {
        ended |= word == "--";
        let is_mode =
            word.starts_with('-') && word.len() > 1 && word[1..].starts_with(|c| "rwxXstugoa01234567".contains(c));
        if !ended && dashed_mode.is_none() && is_mode {
            dashed_mode = Some(word.clone());
        } else {
            words.push(word.clone());
        }
    }
    let options = sys.getopt_words(&SPEC, &words).await?;
    let mut files = options.operands.as_slice();
    let change = if let Some(reference) = options.value('r') {
        match sys.stat(reference).await {
            Ok(stat) => ModeChange::parse(&format!("{:05o}", stat.st_mode & 0o7777)),
            Err(e) => {
                sys.path_error("failed to get attributes of", reference, e).await;
                return Err(1);
            }
        }
    } else {
        let text = match (dashed_mode, files) {
            (Some(mode), _) => mode,
            (None, [mode, rest @ ..]) => {
                files = rest;
                mode.clone()
            }
            (None, []) => return Err(sys.missing_operand().await),
        };
        let change = ModeChange::parse(&text);
        if change.is_some() && files.is_empty() {
            return Err(sys.missing_operand_after(&text).await);
        }
        if change.is_none() {
            return Err(sys.usage_error(format!("invalid mode: {}", quote(&text))).await);
        }
        change
    };
    let Some(change) = change else { return Err(1) };
    let umask = sys.current_umask().await;
    let mut status = 0;
    let mut todo: Vec<(String, bool)> = files.iter().rev().map(|f| (f.clone(), true)).collect();
    while let Some((path, is_operand)) = todo.pop() {
        // Links met on the way are neither followed nor changed.
        let stat = if is_operand { sys.stat(&path).await } else { sys.lstat(&path).await };
        let stat = match stat {
            Ok(stat) => stat,
            Err(e) => {
                status = 1;
                if options.has('f') {
                    continue;
                }
                if is_operand && sys.lstat(&path).await.is_ok_and(|s| s.file_type() == s::IFLNK) {
                    sys.error(format!("cannot operate on dangling symlink {}", quoteaf(&path))).await;
                } else {
                    sys.path_error("cannot access", &path, e).await;
                }
                continue;
            }
        };
        if stat.file_type() == s::IFLNK {
            continue;
        }
        let old = stat.st_mode & 0o7777;
        let new = change.apply(stat.st_mode, stat.is_dir(), umask);
        match sys.chmod(&path, new).await {
            Ok(()) if options.has('v') || (options.has('c') && old != new) => {
                let letters = |m: u32| mode_string(m | s::IFREG)[1..].to_owned();
                let text = if old == new {
                    format!("mode of {} retained as {old:04o} ({})\n", quoteaf(&path), letters(old))
                } else {
                    let change = format!("from {old:04o} ({}) to {new:04o} ({})", letters(old), letters(new));
                    format!("mode of {} changed {change}\n", quoteaf(&path))
                };
                sys.print(text).await;
            }
            Ok(()) => {}
            Err(e) => {
                status = 1;
                if !options.has('f') {
                    sys.path_error("changing permissions of", &path, e).await;
                }
            }
        }
        if options.has('R') && stat.is_dir() {
            match sys.read_dir(&path).await {
                Ok(entries) => todo.extend(entries.iter().rev().map(|e| (join(&path, &e.d_name), false))),
                Err(e) => {
                    status = 1;
                    sys.path_error("cannot read directory", &path, e).await;
                }
            }
        }
    }
    Ok(status)
}
