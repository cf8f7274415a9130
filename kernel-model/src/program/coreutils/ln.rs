//! ln(1) and link(1).

use super::basename::last_component;
use super::ls::join;
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::quote::{quote, quoteaf};

program!(LN = "ln" in "/usr/bin", "make links between files", ln, "\
-s, --symbolic  make symbolic links instead of hard links
-f, --force  remove existing destination files
-n, --no-dereference  treat LINK_NAME as a normal file if it is a symbolic link to a directory
-t, --target-directory DIR; -T, --no-target-directory; -v, --verbose");

const SPEC: Spec = Spec {
    short: "fnst:Tv",
    long: &[
        Long("force", Takes::Nothing, 'f'),
        Long("no-dereference", Takes::Nothing, 'n'),
        Long("no-target-directory", Takes::Nothing, 'T'),
        Long("symbolic", Takes::Nothing, 's'),
        Long("target-directory", Takes::Value, 't'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-b -d -F -i -L -P -r -S --backup --directory --interactive --logical --physical --relative --suffix",
    ..Spec::COREUTILS
};

async fn ln(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut targets = options.operands.clone();
    if targets.is_empty() {
        return Err(sys.usage_error("missing file operand").await);
    }
    let dir = match options.value('t') {
        Some(dir) => dir.to_owned(),
        None if targets.len() == 1 && options.has('T') => {
            let only = quoteaf(&targets[0]);
            return Err(sys.usage_error(format!("missing destination file operand after {only}")).await);
        }
        None if targets.len() == 1 => ".".to_owned(),
        None => {
            let last = targets.pop().unwrap_or_default();
            let is_link = options.has('n') && sys.readlink(&last).await.is_ok();
            let found = sys.stat(&last).await;
            let is_dir = !options.has('T') && !is_link && found.as_ref().is_ok_and(|s| s.is_dir());
            if !is_dir && targets.len() > 1 {
                let e = found.err().unwrap_or(Errno::ENOTDIR);
                sys.error(format!("target {}: {e}", quoteaf(&last))).await;
                return Err(1);
            }
            if !is_dir {
                return Ok(i32::from(!link_one(&sys, &options, &targets[0], &last).await));
            }
            last
        }
    };
    let mut status = 0;
    for target in &targets {
        let path = join(&dir, last_component(target));
        let path = path.strip_prefix("./").filter(|_| options.value('t').is_none()).unwrap_or(&path);
        if !link_one(&sys, &options, target, &if dir == "." { join(".", path) } else { path.to_owned() }).await {
            status = 1;
        }
    }
    Ok(status)
}

async fn link_one(sys: &Sys, options: &Options, target: &str, path: &str) -> bool {
    let symbolic = options.has('s');
    if !symbolic {
        match sys.lstat(target).await {
            Ok(stat) if stat.is_dir() => {
                sys.error(format!("{}: hard link not allowed for directory", crate::program::quote::quotef(target)))
                    .await;
                return false;
            }
            Ok(_) => {}
            Err(e) => {
                sys.path_error("failed to access", target, e).await;
                return false;
            }
        }
    }
    let make = || async { if symbolic { sys.symlink(target, path).await } else { sys.link(target, path).await } };
    let mut result = make().await;
    if result == Err(Errno::EEXIST) && options.has('f') {
        if sys.stat(path).await.is_ok_and(|s| s.is_dir()) && sys.readlink(path).await.is_err() {
            sys.error(format!("{}: cannot overwrite directory", crate::program::quote::quotef(path))).await;
            return false;
        }
        let same = match (sys.lstat(target).await, sys.lstat(path).await) {
            // Two names of one file are two, as long as they are not the same name.
            (Ok(a), Ok(b)) => {
                !symbolic
                    && (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
                    && (a.st_nlink == 1 || same_name(sys, target, path).await)
            }
            _ => false,
        };
        if same {
            sys.error(format!("{} and {} are the same file", quoteaf(target), quoteaf(path))).await;
            return false;
        }
        result = match sys.unlink(path).await {
            Ok(()) => make().await,
            Err(e) => Err(e),
        };
    }
    match result {
        Ok(()) => {
            if options.has('v') {
                let arrow = if symbolic { "->" } else { "=>" };
                sys.print(format!("{} {arrow} {}\n", quoteaf(path), quoteaf(target))).await;
            }
            true
        }
        Err(e) => {
            let kind = if symbolic { "symbolic" } else { "hard" };
            // What is in the way, or where it should go: the other name adds nothing.
            let text = match (e, symbolic) {
                (Errno::EEXIST | Errno::EROFS | Errno::ENOSPC, _) | (_, true) => {
                    format!("failed to create {kind} link {}: {e}", quoteaf(path))
                }
                _ => format!("failed to create {kind} link {} => {}: {e}", quoteaf(path), quoteaf(target)),
            };
            sys.error(text).await;
            false
        }
    }
}

/// Whether two paths are one name in one directory.
async fn same_name(sys: &Sys, a: &str, b: &str) -> bool {
    let dir = |path: &str| match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((dir, _)) => dir.to_owned(),
        None => ".".to_owned(),
    };
    last_component(a) == last_component(b)
        && match (sys.stat(&dir(a)).await, sys.stat(&dir(b)).await) {
            (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
            _ => false,
        }
}

program!(LINK = "link" in "/usr/bin", "call the link function to create a link to a file", link, "FILE1 FILE2");

async fn link(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&Spec::COREUTILS).await?;
    match options.operands.as_slice() {
        [] => Err(sys.missing_operand().await),
        [one] => Err(sys.missing_operand_after(one).await),
        [from, to] => match sys.link(from, to).await {
            Ok(()) => Ok(0),
            Err(e) => {
                sys.error(format!("cannot create link {} to {}: {e}", quoteaf(to), quoteaf(from))).await;
                Ok(1)
            }
        },
        [_, _, extra, ..] => {
            sys.error(format!("extra operand {}", quote(extra))).await;
            sys.try_help().await;
            Err(1)
        }
    }
}
