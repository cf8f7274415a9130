//! `xenstore-ls` and its like. Source: Xen 4.17, `tools/xenstore/xenstore_client.c`.

use super::xenstore::XenStore;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    LS = "xenstore-ls" in "/usr/bin",
    "list nodes of xenstore with their values",
    list_tree,
    "-f  with whole paths
-p  with permissions
[PATH...]  from there on (default /)"
);
crate::program!(READ = "xenstore-read" in "/usr/bin", "print values of nodes of xenstore", read, "-p  with the path\nPATH...");
crate::program!(WRITE = "xenstore-write" in "/usr/bin", "write nodes of xenstore", write, "PATH VALUE [PATH VALUE...]");
crate::program!(LIST = "xenstore-list" in "/usr/bin", "list the names below a node of xenstore", list, "-p  with the path\nPATH...");
crate::program!(RM = "xenstore-rm" in "/usr/bin", "remove nodes of xenstore with what is below them", remove, "PATH...");
crate::program!(EXISTS = "xenstore-exists" in "/usr/bin", "whether nodes of xenstore are there: the exit status", exists, "PATH...");
crate::program!(
    WATCH = "xenstore-watch" in "/usr/bin",
    "print paths of xenstore as they change",
    watch,
    "-n N  ends after so many changes\nPATH..."
);

/// Up to which column values go where permissions follow.
const PERMS_WIDTH: usize = 40;

fn spec(short: &'static str) -> Spec {
    Spec {
        short,
        long: &[Long("help", Takes::Nothing, 'h')],
        unmodelled: "-s --socket -t --tidy",
        version: "",
        failure: 1,
    }
}

/// The operands and the open store. Without operands, where there must be some, the usage.
async fn begin<'a>(
    sys: &'a Sys,
    short: &'static str,
    usage: &str,
) -> Result<(Vec<String>, XenStore<'a>, bool, bool), i32> {
    let options = sys.getopt(&spec(short)).await?;
    let operands = options.operands.clone();
    if operands.is_empty() && !usage.is_empty() {
        sys.eprint(format!("Usage: {} [-h] {usage}\n", sys.name())).await;
        return Err(1);
    }
    match XenStore::open(sys).await {
        Ok(store) => Ok((operands, store, options.has('f'), options.has('p'))),
        Err(e) => {
            sys.warn("xs_open", e).await;
            Err(1)
        }
    }
}

async fn list_tree(sys: Sys) -> Result<i32, i32> {
    let (mut paths, store, whole, permissions) = begin(&sys, "fp", "").await?;
    if paths.is_empty() {
        paths.push("/".to_owned());
    }
    for path in &paths {
        // Nodes that are still to be printed, the next one last: how deep, where.
        let mut left = children(&sys, &store, path, 0).await?;
        while let Some((depth, at)) = left.pop() {
            line(&sys, &store, depth, &at, whole, permissions).await;
            left.extend(children(&sys, &store, &at, depth + 1).await?);
        }
    }
    Ok(0)
}

async fn children(sys: &Sys, store: &XenStore<'_>, path: &str, depth: usize) -> Result<Vec<(usize, String)>, i32> {
    match store.directory(path).await {
        Ok(names) => {
            let base = path.trim_end_matches('/');
            Ok(names.iter().rev().map(|name| (depth, format!("{base}/{name}"))).collect())
        }
        // It has gone while we were looking.
        Err(Errno::ENOENT) if depth > 0 => Ok(Vec::new()),
        Err(e) => {
            sys.flush().await;
            sys.warn(format!("xs_directory ({path})"), e).await;
            Err(1)
        }
    }
}

async fn line(sys: &Sys, store: &XenStore<'_>, depth: usize, path: &str, whole: bool, permissions: bool) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut text = if whole { path.to_owned() } else { format!("{}{name}", " ".repeat(depth)) };
    match store.read(path).await {
        Err(_) => text.push(':'),
        Ok(value) => {
            text.push_str(&format!(" = \"{}\"", value.escape_default()));
            if permissions {
                text.push(' ');
                while text.len() < PERMS_WIDTH {
                    text.push(if text.len() % 2 == 0 { '.' } else { ' ' });
                }
                let list = store.permissions(path).await.unwrap_or_default();
                text.push_str(&format!("  ({})", list.join(",")));
            }
        }
    }
    sys.print(format!("{text}\n")).await;
}

async fn read(sys: Sys) -> Result<i32, i32> {
    let (paths, store, _, with_path) = begin(&sys, "p", "[-p] key [...]").await?;
    for path in &paths {
        match store.read(path).await {
            Ok(value) if with_path => sys.print(format!("{path}: {value}\n")).await,
            Ok(value) => sys.print(format!("{value}\n")).await,
            Err(_) => return Err(failed(&sys, format!("couldn't read path {path}")).await),
        }
    }
    Ok(0)
}

async fn write(sys: Sys) -> Result<i32, i32> {
    let (words, store, ..) = begin(&sys, "", "key value [...]").await?;
    if words.len() % 2 == 1 {
        sys.eprint(format!("Usage: {} [-h] key value [...]\n", sys.name())).await;
        return Err(1);
    }
    for pair in words.chunks(2) {
        if store.write(&pair[0], &pair[1]).await.is_err() {
            return Err(failed(&sys, format!("could not write path {}", pair[0])).await);
        }
    }
    Ok(0)
}

async fn list(sys: Sys) -> Result<i32, i32> {
    let (paths, store, _, with_path) = begin(&sys, "p", "[-p] key [...]").await?;
    for path in &paths {
        let Ok(names) = store.directory(path).await else {
            return Err(failed(&sys, format!("could not list path {path}")).await);
        };
        for name in names {
            let text = if with_path { format!("{}/{name}\n", path.trim_end_matches('/')) } else { format!("{name}\n") };
            sys.print(text).await;
        }
    }
    Ok(0)
}

async fn remove(sys: Sys) -> Result<i32, i32> {
    let (paths, store, ..) = begin(&sys, "", "key [...]").await?;
    for path in &paths {
        if store.rm(path).await.is_err() {
            return Err(failed(&sys, format!("could not remove path {path}")).await);
        }
    }
    Ok(0)
}

async fn exists(sys: Sys) -> Result<i32, i32> {
    let (paths, store, ..) = begin(&sys, "", "key [...]").await?;
    for path in &paths {
        if store.read(path).await.is_err() {
            return Ok(1);
        }
    }
    Ok(0)
}

async fn watch(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&spec("n:")).await?;
    if options.operands.is_empty() {
        sys.eprint(format!("Usage: {} [-h] [-n NR] key [...]\n", sys.name())).await;
        return Err(1);
    }
    let mut left: i64 = options.value('n').and_then(|n| n.parse().ok()).unwrap_or(-1);
    let store = match XenStore::open(&sys).await {
        Ok(store) => store,
        Err(e) => {
            sys.warn("xs_open", e).await;
            return Err(1);
        }
    };
    for path in &options.operands {
        if store.watch(path, path).await.is_err() {
            return Err(failed(&sys, format!("could not watch path {path}")).await);
        }
    }
    while left != 0 {
        let Ok(path) = store.wait().await else { return Err(1) };
        sys.print(format!("{path}\n")).await;
        sys.flush().await;
        left -= 1;
    }
    Ok(0)
}

async fn failed(sys: &Sys, text: String) -> i32 {
    sys.flush().await;
    sys.warnx(text).await;
    1
}
