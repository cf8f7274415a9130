//! rm(1) and unlink(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quoteaf;

use super::ls::join;

program!(RM = "rm" in "/usr/bin", "remove files or directories", rm, "\
-f, --force  ignore nonexistent files and arguments
-r, -R, --recursive  remove directories and their contents recursively
-d, --dir  remove empty directories
-v, --verbose  explain what is being done
--preserve-root (default), --no-preserve-root, --one-file-system");

program!(UNLINK = "unlink" in "/usr/bin", "call the unlink function to remove the specified file", unlink, "FILE");

const SPEC: Spec = Spec {
    short: "dfrRv",
    long: &[
        Long("force", Takes::Nothing, 'f'),
        Long("one-file-system", Takes::Nothing, 'x'),
        Long("no-preserve-root", Takes::Nothing, 'n'),
        Long("preserve-root", Takes::Nothing, 'p'),
        Long("recursive", Takes::Nothing, 'r'),
        Long("dir", Takes::Nothing, 'd'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-i -I --interactive",
    ..Spec::COREUTILS
};

async fn rm(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return if options.has('f') { Ok(0) } else { Err(sys.missing_operand().await) };
    }
    let mut rm = Rm {
        sys: &sys,
        force: options.has('f'),
        recursive: options.last_of("rR").is_some(),
        directories: options.has('d'),
        verbose: options.has('v'),
        one_file_system: options.has('x'),
        status: 0,
    };
    for path in &options.operands {
        rm.operand(path, !options.has('n')).await;
    }
    Ok(rm.status)
}

/// What a walk through a directory does next.
enum Todo {
    /// Remove this, whatever it is.
    Visit(String),
    /// The directory's contents have been dealt with: remove it, unless something failed since.
    Leave { path: String, failures_before: u32 },
}

pub(super) struct Rm<'a> {
    pub(super) sys: &'a Sys,
    pub(super) force: bool,
    pub(super) recursive: bool,
    pub(super) directories: bool,
    pub(super) verbose: bool,
    pub(super) one_file_system: bool,
    pub(super) status: i32,
}

impl Rm<'_> {
    async fn operand(&mut self, path: &str, preserve_root: bool) {
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if self.recursive && (last == "." || last == "..") {
            self.sys.error(format!("refusing to remove '.' or '..' directory: skipping {}", quoteaf(path))).await;
            self.status = 1;
            return;
        }
        if self.recursive && preserve_root && self.is_root(path).await {
            self.sys.error("it is dangerous to operate recursively on '/'").await;
            self.sys.error("use --no-preserve-root to override this failsafe").await;
            self.status = 1;
            return;
        }
        self.remove(path).await;
    }

    async fn is_root(&self, path: &str) -> bool {
        match (self.sys.lstat(path).await, self.sys.lstat("/").await) {
            (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
            _ => false,
        }
    }

    async fn fail(&mut self, path: &str, e: Errno) -> u32 {
        if self.force && matches!(e, Errno::ENOENT | Errno::ENOTDIR) {
            return 0;
        }
        if self.sys.is_busybox() && e == Errno::EISDIR {
            self.sys.error(format!("'{path}' is a directory")).await;
        } else if self.sys.is_busybox() {
            self.sys.error(format!("can't remove '{path}': {e}")).await;
        } else {
            self.sys.error(format!("cannot remove {}: {e}", quoteaf(path))).await;
        }
        self.status = 1;
        1
    }

    /// Removes a file or, when that is allowed, a directory with everything in it.
    pub(super) async fn remove(&mut self, path: &str) {
        let device = if self.one_file_system { self.sys.lstat(path).await.ok().map(|s| s.st_dev) } else { None };
        let mut failures = 0;
        let mut todo = vec![Todo::Visit(path.to_owned())];
        while let Some(next) = todo.pop() {
            match next {
                Todo::Visit(path) => failures += self.visit(path, &mut todo, failures, device).await,
                Todo::Leave { path, failures_before } => {
                    if failures > failures_before {
                        continue;
                    }
                    match self.sys.rmdir(&path).await {
                        Ok(()) => self.say("removed directory", &path).await,
                        Err(e) => failures += self.fail(&path, e).await,
                    }
                }
            }
        }
    }

    async fn visit(&mut self, path: String, todo: &mut Vec<Todo>, failures: u32, device: Option<u64>) -> u32 {
        let stat = match self.sys.lstat(&path).await {
            Ok(stat) => stat,
            Err(e) => return self.fail(&path, e).await,
        };
        if !stat.is_dir() {
            return match self.sys.unlink(&path).await {
                Ok(()) => {
                    self.say("removed", &path).await;
                    0
                }
                Err(e) => self.fail(&path, e).await,
            };
        }
        if !self.recursive {
            if !self.directories {
                return self.fail(&path, Errno::EISDIR).await;
            }
            todo.push(Todo::Leave { path, failures_before: failures });
            return 0;
        }
        if device.is_some_and(|d| d != stat.st_dev) {
            self.sys.error(format!("skipping {}, since it's on a different device", quoteaf(&path))).await;
            self.status = 1;
            return 1;
        }
        match self.sys.read_dir(&path).await {
            Ok(entries) => {
                let below: Vec<String> = entries.iter().rev().map(|e| join(&path, &e.d_name)).collect();
                todo.push(Todo::Leave { path, failures_before: failures });
                todo.extend(below.into_iter().map(Todo::Visit));
                0
            }
            // An empty directory that cannot be read can be removed all the same.
            Err(e) => match self.sys.rmdir(&path).await {
                Ok(()) => {
                    self.say("removed directory", &path).await;
                    0
                }
                Err(_) => self.fail(&path, e).await,
            },
        }
    }

    async fn say(&self, what: &str, path: &str) {
        if self.verbose {
            self.sys.print(format!("{what} {}\n", quoteaf(path))).await;
        }
    }
}

async fn unlink(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&Spec::COREUTILS).await?;
    match options.operands.as_slice() {
        [] => Err(sys.missing_operand().await),
        [path] => match sys.unlink(path).await {
            Ok(()) => Ok(0),
            Err(e) => {
                sys.path_error("cannot unlink", path, e).await;
                Ok(1)
            }
        },
        [_, extra, ..] => Err(sys.extra_operand(extra).await),
    }
}
