//! mkdir(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::filemode::ModeChange;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::{quote, quoteaf};

program!(MKDIR = "mkdir" in "/usr/bin", "make directories", mkdir, "\
-m, --mode MODE  set file mode (as in chmod), not a=rwx - umask
-p, --parents  no error if existing, make parent directories as needed
-v, --verbose  print a message for each created directory");

const SPEC: Spec = Spec {
    short: "m:pv",
    long: &[
        Long("mode", Takes::Value, 'm'),
        Long("parents", Takes::Nothing, 'p'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-Z --context",
    ..Spec::COREUTILS
};

async fn mkdir(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let mode = match options.value('m') {
        None => None,
        Some(text) => match ModeChange::parse(text) {
            Some(change) => {
                let umask = sys.current_umask().await;
                Some(change.apply(0o777, true, umask))
            }
            None => {
                sys.error(format!("invalid mode {}", quote(text))).await;
                return Err(1);
            }
        },
    };
    let mut maker = Maker { sys: &sys, verbose: options.has('v'), parents: options.has('p'), mode };
    let mut status = 0;
    for path in &options.operands {
        if let Err((at, e)) = maker.make(path).await {
            let text = if sys.is_busybox() {
                format!("can't create directory '{at}': {e}")
            } else {
                format!("cannot create directory {}: {e}", quote(&at))
            };
            sys.error(text).await;
            status = 1;
        }
    }
    Ok(status)
}

struct Maker<'a> {
    sys: &'a Sys,
    verbose: bool,
    parents: bool,
    mode: Option<u32>,
}

impl Maker<'_> {
    /// Makes a directory, with `-p` those above it first. The error says which of them failed.
    async fn make(&mut self, path: &str) -> Result<(), (String, Errno)> {
        if self.parents {
            let trimmed = path.trim_end_matches('/');
            let slashes = trimmed.match_indices('/').map(|(at, _)| at);
            for at in slashes.filter(|at| *at > 0 && !trimmed[..*at].ends_with('/')) {
                let ancestor = &trimmed[..at];
                let is_file = |e| if e == Errno::EEXIST { Errno::ENOTDIR } else { e };
                self.one(ancestor, None).await.map_err(|e| (ancestor.to_owned(), is_file(e)))?;
            }
        }
        self.one(path, self.mode).await.map_err(|e| (path.to_owned(), e))
    }

    async fn one(&mut self, path: &str, mode: Option<u32>) -> Result<(), Errno> {
        let permissions = mode.map_or(0o777, |m| m & 0o777);
        match self.sys.mkdir(path, permissions).await {
            Ok(()) => {}
            Err(e) if self.parents => {
                let is_there = self.sys.stat(path).await.is_ok_and(|s| s.is_dir());
                return if is_there { Ok(()) } else { Err(e) };
            }
            Err(e) => return Err(e),
        }
        if self.verbose {
            self.sys.print(format!("{}: created directory {}\n", self.sys.invocation_name(), quoteaf(path))).await;
        }
        match mode {
            // The umask has taken bits away, and special bits need a call of their own.
            Some(mode) => self.sys.chmod(path, mode).await,
            None => Ok(()),
        }
    }
}
